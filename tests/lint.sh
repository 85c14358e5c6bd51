#!/bin/sh
# SPDX-License-Identifier: MIT
# Other eyes on the code: clang, gcc's analyzer, cppcheck, shellcheck. Each
# exception stands here with its reason.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
out=$B/lint
mkdir -p "$out"
status=0

report() { # NAME STATUS: one line, as every test here
	if [ "$2" = 0 ]; then
		echo "ok lint/$1"
	else
		echo "not ok lint/$1"
		status=1
	fi
}

warn='-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
	-Wmissing-prototypes -Wswitch-enum -Wvla -Wformat=2 -Wwrite-strings
	-Werror -D_GNU_SOURCE -I.'
# The version comes from the Makefile; any will do here.
warn="$warn -DUNMAP_VERSION=__FILE__ -DUNMAP_BUILD_TIME=0"

each() { # COMMAND... over all sources; gives the worst status
	worst=0
	for f in core/*.c net/*.c crypto/*.c cmd/*.c; do
		[ -e "$f" ] || continue
		case $f in *.bpf.c) continue ;; esac # made for another machine
		extra=
		case $f in core/*) extra=-Wconversion ;; esac
		# shellcheck disable=SC2086 # lists of words
		"$@" $warn $extra "$f" || worst=1
	done
	return $worst
}

# clang has warnings that gcc has not.
each clang -fsyntax-only -Wno-gnu-zero-variadic-macro-arguments
report clang $?

# gcc -O2 finds what only the optimizer sees; headers must stand alone.
worst=0
for h in core/*.h net/*.h crypto/*.h cmd/*.h; do
	[ -e "$h" ] || continue
	# -Wno-unused: a header alone uses none of its static functions.
	# shellcheck disable=SC2086
	gcc $warn -Wno-unused -fsyntax-only -x c -include "$h" /dev/null ||
		worst=1
done
report headers $worst

# The analyzer follows paths through one file. Only core: it is where bytes of
# strangers go, and with libc's functions it mostly finds descriptors that are
# meant to stay open.
worst=0
for f in core/*.c; do
	# shellcheck disable=SC2086
	gcc $warn -O1 -fanalyzer -c -o "$out/analyzed.o" "$f" || worst=1
done
report analyzer $worst

# missingIncludeSystem: cppcheck needs no system headers to be useful.
# style, unusedFunction (not enabled): taste, and it sees one file at a time.
# normalCheckLevelMaxBranches: says only that it was quick.
# *uninitvar: takes a buffer handed on to be filled for a use of its contents;
# gcc -O2, the analyzer and the sanitizers look for the real ones.
# arrayIndexThenCheck: a C string always has its NUL to be read.
cppcheck --quiet --std=c11 --language=c --error-exitcode=1 --inline-suppr \
	--enable=warning,performance,portability \
	--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	--suppress=ctuuninitvar --suppress=uninitvar \
	--suppress=legacyUninitvar --suppress=arrayIndexThenCheck \
	-D__linux__ -D__x86_64__ -DUNMAP_VERSION=__FILE__ \
	-DUNMAP_BUILD_TIME=0 -I. -i net/fast.bpf.c core net crypto cmd 2>"$out/cppcheck"
report cppcheck $?
cat "$out/cppcheck"

scripts=$(grep -lE '^#!.*\b(sh|bash)\b' .ci/run tests/*.sh tests/*/*.sh \
	tests/*/* 2>/dev/null | sort -u)
# SC1091: files sourced by a computed path are checked by themselves.
# shellcheck disable=SC2086
shellcheck -e SC1091 $scripts completions/unmap.bash
report shellcheck $?

exit $status
