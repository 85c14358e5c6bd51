# SPDX-License-Identifier: MIT
#
# unmap: one static musl binary.
#
#   make              ./unmap (installs the few build packages if missing)
#   make check        everything that can be tested in 12 minutes
#   make demo         a CGNAT in namespaces and unmap through it (KEEP=1: stay)
#   make bench        beside plain forwarding and other programs, 20 minutes;
#                     bench-short: 2 minutes. ARGS: see tests/bench/bench.sh
#   make bench-core   what the engine costs with a million sessions
#   make bench-storm  a hub whose thousand edges all come back at once
#
# All products go to $(B); another B keeps the tree untouched, ./unmap included.

B       ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
KEEP    ?=
T       ?=
ARGS    ?=

BIN     := $(if $(filter build,$(B)),unmap,$(B)/unmap)

MUSL_CC ?= musl-gcc
HOST_CC ?= gcc
ARCH    := $(shell uname -m)
MULTI   := $(ARCH)-linux-gnu
BEARSSL ?= /usr/lib/$(MULTI)/libbearssl.a

# *.bpf.c runs in the kernel: see fast-prog.
SRCS       ?= $(filter-out %.bpf.c,$(sort $(wildcard cmd/*.c core/*.c net/*.c crypto/*.c)))
UNIT_SRCS  ?= $(filter-out cmd/main.c crypto/chk.c,$(SRCS))
UNIT_TESTS ?= $(sort $(wildcard tests/unit/test_*.c))
OBJS       := $(SRCS:%.c=$(B)/obj/%.o)
UNIT_OBJS  := $(UNIT_SRCS:%.c=$(B)/unit/%.o)
UNIT_BINS  := $(UNIT_TESTS:tests/unit/%.c=$(B)/unit/%)

# The commit's date is the build's: two clones give the same bytes.
ifneq ($(wildcard .git),)
COMMIT_TIME := $(shell git log -1 --format=%ct 2>/dev/null)
VERSION     ?= $(shell git describe --always --tags --dirty --abbrev=12 2>/dev/null)
endif
SOURCE_DATE_EPOCH ?= $(or $(COMMIT_TIME),$(shell date -r Makefile +%s))
VERSION           ?= unreleased

WARN := -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wswitch-enum -Wvla -Werror
CORE_WARN := -Wconversion

CPPFLAGS := -I. -isystem $(B)/linux-headers -D_GNU_SOURCE
CFLAGS   := -O2 -fstack-protector-strong -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables \
	-ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(B)=build
LDFLAGS  := -static -s -Wl,--gc-sections \
	-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id=none

UNIT_CPPFLAGS := -I. -D_GNU_SOURCE -DUNIT
UNIT_CFLAGS   := -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
UNIT_LIBS     := -lbearssl $(shell pkg-config --libs check 2>/dev/null)

# Only what names the version is compiled again when a commit changes it.
VERSIONED := $(shell grep -lE 'UNMAP_(VERSION|BUILD_TIME)' $(SRCS) /dev/null)

PKG_BUILD := gcc libc6-dev make binutils git musl-tools musl-dev \
	linux-libc-dev libbearssl-dev
PKG_TEST  := check pkg-config clang cppcheck shellcheck file zsh fish \
	bash-completion $(shell cat tests/lab/packages 2>/dev/null)

Q := $(if $(V),,@)

.PHONY: all deps deps-build deps-bench check check-all lint gates unit demo \
	bench bench-short bench-core bench-storm sim sim-check sim-long \
	sim-mutants completions fast-prog install clean FORCE
.DELETE_ON_ERROR:

all: $(BIN)

# ---- packages ---------------------------------------------------------------

deps:
	@PKGS='$(PKG_BUILD) $(PKG_TEST)' tests/deps.sh

deps-build:
	@PKGS='$(PKG_BUILD)' tests/deps.sh

# A peer that cannot be installed is left out by the benchmark, which says so.
deps-bench:
	@PKGS='$(PKG_BUILD) $(shell cat tests/lab/packages)' tests/deps.sh
	@for p in $(shell cat tests/bench/packages); do \
		PKGS=$$p tests/deps.sh || echo "without $$p" >&2; done

# ---- the binary -------------------------------------------------------------

# musl-gcc sees no system headers: give it the kernel's and BearSSL's alone.
$(B)/linux-headers/ready:
	@command -v $(MUSL_CC) >/dev/null && [ -e /usr/include/bearssl.h ] && \
		[ -e /usr/include/linux/bpf.h ] || $(MAKE) --no-print-directory deps-build
	@mkdir -p $(@D)
	@ln -sfn /usr/include/linux $(@D)/linux
	@ln -sfn /usr/include/asm-generic $(@D)/asm-generic
	@ln -sfn /usr/include/$(MULTI)/asm $(@D)/asm
	@ln -sfn /usr/include/bearssl $(@D)/bearssl
	@ln -sf /usr/include/bearssl.h $(@D)/bearssl.h
	@touch $@

$(B)/version.h: FORCE
	@mkdir -p $(@D)
	@printf '#define UNMAP_VERSION "%s"\n#define UNMAP_BUILD_TIME %s\n' \
		'$(VERSION)' '$(SOURCE_DATE_EPOCH)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(B)/obj/core/%.o $(B)/unit/core/%.o: WARN += $(CORE_WARN)
# Only the way of a packet and the curve are worth bytes.
COLD := $(filter-out cmd/daemon.c crypto/p256.c,$(filter cmd/% crypto/%,$(SRCS)))
$(COLD:%.c=$(B)/obj/%.o): CFLAGS += -Os
$(VERSIONED:%.c=$(B)/obj/%.o) $(VERSIONED:%.c=$(B)/unit/%.o): $(B)/version.h
$(VERSIONED:%.c=$(B)/obj/%.o): CPPFLAGS += -include $(B)/version.h
$(VERSIONED:%.c=$(B)/unit/%.o): UNIT_CPPFLAGS += -include $(B)/version.h

$(B)/obj/%.o: %.c Makefile | $(B)/linux-headers/ready
	@mkdir -p $(@D)
	@echo "CC $<"
	$(Q)$(MUSL_CC) $(CPPFLAGS) $(WARN) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/unmap.bin: $(OBJS)
	@echo "LD unmap"
	$(Q)$(MUSL_CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJS) $(BEARSSL)

$(BIN): $(B)/unmap.bin
	@cp --remove-destination $< $@

# The kernel's part of the fast path, compiled into a header that is checked in,
# so that only who changes it needs clang. tests/cli/fast.sh compares.
BPF_CC := clang -target bpf -mcpu=v3 -ffreestanding -O2 -Wall -Wextra -Werror

$(B)/fast.bpf.o: net/fast.bpf.c core/fast.h Makefile | $(B)/linux-headers/ready
	$(Q)$(BPF_CC) -I. -isystem $(B)/linux-headers -c -o $@ $<

$(B)/fast_prog.h: $(B)/fast.bpf.o net/fast_prog.py
	$(Q)python3 net/fast_prog.py $< >$@

fast-prog: $(B)/fast_prog.h
	@cp $< net/fast_prog.h

# ---- tests ------------------------------------------------------------------

$(B)/unit/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "CC (unit) $<"
	$(Q)$(HOST_CC) $(UNIT_CPPFLAGS) $(WARN) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

# An archive, so that each test links only what it needs.
$(B)/unit/libunmap.a: $(UNIT_OBJS)
	@rm -f $@
	@ar rcs $@ $(UNIT_OBJS)

# libcheck's macros are not pedantic C; its own headers need no prototypes.
$(B)/unit/test_%: tests/unit/test_%.c $(B)/unit/libunmap.a Makefile
	@echo "CC (unit) $<"
	$(Q)$(HOST_CC) $(UNIT_CPPFLAGS) $(WARN) -Wno-pedantic $(UNIT_CFLAGS) \
		-MMD -MP -MT $@ -o $@ $< $(B)/unit/libunmap.a $(UNIT_LIBS)

# make unit T=opts runs one; UNIT_SRCS="cmd/opts.c cmd/log.c" links just these.
UNIT_RUN := $(if $(T),$(T:%=$(B)/unit/test_%),$(UNIT_BINS))
unit:
	@$(MAKE) --no-print-directory -k $(UNIT_RUN) && built=ok || \
		{ built=no; echo "not ok unit/build"; }; \
		tests/unit/run.sh $(UNIT_RUN) && [ $$built = ok ]

# The simulator: core and the network around it, as one fast program; and the
# same with sanitizers. tests/sim/sim.c is for the unit tests.
SIM_SRCS  := $(sort $(wildcard core/*.c) $(filter-out tests/sim/sim.c,$(wildcard tests/sim/*.c)))
SIM_FLAGS := -I. -D_GNU_SOURCE -g $(WARN) -MMD -MP
JOBS      ?= $(shell nproc)
TRACE     ?= 1

$(B)/sim/fast/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(SIM_FLAGS) -O2 -c -o $@ $<

$(B)/sim/safe/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(SIM_FLAGS) $(UNIT_CFLAGS) -c -o $@ $<

$(B)/sim/sim: $(SIM_SRCS:%.c=$(B)/sim/fast/%.o)
	@echo "LD sim"
	$(Q)$(HOST_CC) -o $@ $^

$(B)/sim/sim-safe: $(SIM_SRCS:%.c=$(B)/sim/safe/%.o)
	@echo "LD sim-safe"
	$(Q)$(HOST_CC) $(UNIT_CFLAGS) -o $@ $^

# make sim SEED=n tells one seed (TRACE=2: packets too); sim-long runs N of them
# from FROM on; sim-mutants plants known mistakes and waits until they are found.
N         ?= 100000
FROM      ?= 1
sim: $(B)/sim/sim
	@$(if $(SEED),$< -t $(TRACE) $(SEED),$< -r; $< -j $(JOBS) $(FROM) 5000)

sim-check: $(B)/sim/sim $(B)/sim/sim-safe
	@bad=0; $< -r || bad=1; $< -j $(JOBS) 1 5000 || bad=1; \
	SIM_FAST=64 $< -j $(JOBS) 1 4000 || bad=1; \
	$(B)/sim/sim-safe -j $(JOBS) 1 500 || bad=1; exit $$bad

sim-long: $(B)/sim/sim
	@$< -j $(JOBS) $(FROM) $(N)

sim-mutants:
	@B=$(B) JOBS=$(JOBS) tests/sim/mutants.sh

lint:
	@B=$(B) tests/lint.sh

gates: $(OBJS)
	@bad=0; tests/layers.sh || bad=1; \
	tests/pure.sh $(filter $(B)/obj/core/%,$(OBJS)) || bad=1; \
	tests/style.sh || bad=1; exit $$bad

check: deps
	@B=$(B) UNMAP=$(abspath $(BIN)) tests/check.sh

check-all: deps
	@B=$(B) UNMAP=$(abspath $(BIN)) tests/check.sh all

# In-process benchmark of core: as the binary is compiled, without sanitizers.
BENCH_OBJS := $(patsubst %.c,$(B)/bench/%.o,$(wildcard core/*.c) \
	tests/bench/core.c tests/bench/pair.c)

$(B)/bench/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) -I. -D_GNU_SOURCE $(WARN) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/bench/bench-core: $(BENCH_OBJS)
	$(Q)$(HOST_CC) $(CFLAGS) -o $@ $(BENCH_OBJS)

bench-core: $(B)/bench/bench-core
	@$< $(SESSIONS)

# A thousand edges that all come back at once, in namespaces.
STORM_SRCS := $(filter-out crypto/chk.c,$(wildcard core/*.c crypto/*.c)) \
	cmd/conn.c net/loop.c net/sock.c tests/bench/storm.c
STORM_OBJS := $(STORM_SRCS:%.c=$(B)/bench/%.o)

$(B)/bench/storm: $(STORM_OBJS)
	$(Q)$(HOST_CC) $(CFLAGS) -o $@ $(STORM_OBJS) -lbearssl

bench-storm: deps $(B)/bench/storm
	@$(MAKE) --no-print-directory all
	@B=$(abspath $(B)) STORM=$(abspath $(B)/bench/storm) \
		UNMAP=$(abspath $(BIN)) tests/bench/storm.sh $(EDGES)

demo: deps
	@$(MAKE) --no-print-directory all
	@UNMAP=$(abspath $(BIN)) KEEP=$(KEEP) tests/lab/demo.sh

$(B)/bench-load: tests/bench/load.c tests/bench/cost.c tests/bench/cost.h Makefile
	@mkdir -p $(@D)
	@echo "CC $<"
	$(Q)$(HOST_CC) -I. -D_GNU_SOURCE $(WARN) -O2 -pthread -o $@ $(filter %.c,$^)

bench bench-short: deps-bench
	@$(MAKE) --no-print-directory all $(B)/bench-load
	@UNMAP=$(abspath $(BIN)) LOAD=$(abspath $(B)/bench-load) \
		tests/bench/bench.sh $(patsubst bench-%,%,$(filter-out bench,$@)) out=$(B)/bench $(ARGS)

# ---- files for people -------------------------------------------------------

completions: $(BIN)
	$(Q)$(abspath $(BIN)) --completions bash >completions/unmap.bash
	$(Q)$(abspath $(BIN)) --completions zsh >completions/_unmap
	$(Q)$(abspath $(BIN)) --completions fish >completions/unmap.fish

install: $(BIN)
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/unmap
	install -D -m 644 completions/unmap.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/unmap
	install -D -m 644 completions/_unmap \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_unmap
	install -D -m 644 completions/unmap.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/unmap.fish

clean:
	rm -rf $(B) unmap

-include $(SIM_SRCS:%.c=$(B)/sim/fast/%.d) $(SIM_SRCS:%.c=$(B)/sim/safe/%.d)
-include $(OBJS:.o=.d) $(UNIT_OBJS:.o=.d) $(UNIT_BINS:=.d) \
	$(BENCH_OBJS:.o=.d) $(STORM_OBJS:.o=.d)
