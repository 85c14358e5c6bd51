/* SPDX-License-Identifier: MIT
 *
 * bpf.c - the bpf() system call: programs, maps, TCX links
 *
 * Theory of operation
 * ===================
 * Programs of some hundred instructions are put together here at start, since
 * their constants (ports, interface numbers, map descriptors) are known only
 * then. Jumps name labels and are resolved by asm_finish(). Errors while
 * assembling stick in @bad, so that a caller checks once: loading fails.
 *
 * The union bpf_attr of the build host's headers may be older than the kernel:
 * only fields that every header since 6.1 has are named, the others are zero,
 * which means "as before" to any kernel.
 *
 * Attaching through clsact is in net/tc.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/bpf.h"
#include "net/tc.h"

/* Newer than the headers of some build hosts (6.6). */
enum { ATTACH_TCX_INGRESS = 46, ATTACH_TCX_EGRESS = 47, LINK_BEFORE = 1 << 3 };

void asm_init(struct bpf_asm *a)
{
	a->len = 0;
	a->labels = 0;
	a->jumps = 0;
	a->bad = false;
}

void asm_add(struct bpf_asm *a, const struct bpf_insn *in, size_t n)
{
	if (a->bad || n > BPF_ASM_INSNS - a->len) {
		a->bad = true;
		return;
	}
	memcpy(a->insn + a->len, in, n * sizeof(*in));
	a->len += n;
}

int asm_label(struct bpf_asm *a)
{
	if (a->labels == BPF_ASM_LABELS) {
		a->bad = true;
		return 0;
	}
	a->at[a->labels] = -1;
	return a->labels++;
}

void asm_place(struct bpf_asm *a, int label)
{
	if (a->at[label] >= 0)
		a->bad = true;
	a->at[label] = (int)a->len;
}

void asm_jump(struct bpf_asm *a, struct bpf_insn in, int label)
{
	if (a->jumps == BPF_ASM_JUMPS) {
		a->bad = true;
		return;
	}
	a->jump[a->jumps].insn = a->len;
	a->jump[a->jumps++].label = label;
	ASM(a, in);
}

void asm_set64(struct bpf_asm *a, int reg, uint64_t value)
{
	ASM(a, BPF_INSN(BPF_LD | BPF_DW | BPF_IMM, reg, 0, 0, (int)value),
	    BPF_INSN(0, 0, 0, 0, (int)(value >> 32)));
}

void asm_map(struct bpf_asm *a, int reg, int map)
{
	ASM(a, BPF_INSN(BPF_LD | BPF_DW | BPF_IMM, reg, BPF_PSEUDO_MAP_FD, 0,
			map), BPF_INSN(0, 0, 0, 0, 0));
}

bool asm_finish(struct bpf_asm *a)
{
	size_t i;
	int to;

	for (i = 0; i < a->jumps && !a->bad; i++) {
		to = a->at[a->jump[i].label];
		if (to < 0 || (size_t)to >= a->len)
			a->bad = true;
		else
			a->insn[a->jump[i].insn].off =
				(int16_t)(to - (int)a->jump[i].insn - 1);
	}
	return !a->bad && a->len;
}

static int bpf_call(int cmd, union bpf_attr *attr)
{
	long r;

	do
		r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));
	while (r < 0 && errno == EAGAIN && cmd == BPF_PROG_LOAD);
	return r < 0 ? -errno : (int)r;
}

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void copy_name(char *to, const char *name)
{
	size_t len = strlen(name);

	memcpy(to, name, len < BPF_OBJ_NAME_LEN ? len : BPF_OBJ_NAME_LEN - 1);
}

int bpf_map_open(const struct bpf_map_conf *c)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = c->type;
	attr.key_size = c->key;
	attr.value_size = c->value;
	attr.max_entries = c->entries;
	attr.map_flags = c->flags;
	copy_name(attr.map_name, c->name);
	r = bpf_call(BPF_MAP_CREATE, &attr);
	if (r == -EPERM && !setrlimit(RLIMIT_MEMLOCK, &all))
		r = bpf_call(BPF_MAP_CREATE, &attr);
	return r;
}

static int map_element(int cmd, int map, const void *key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map;
	attr.key = address(key);
	attr.value = address(value);
	return bpf_call(cmd, &attr);
}

int bpf_map_set(int map, const void *key, const void *value)
{
	return map_element(BPF_MAP_UPDATE_ELEM, map, key, value);
}

int bpf_map_remove(int map, const void *key)
{
	return map_element(BPF_MAP_DELETE_ELEM, map, key, NULL);
}

int bpf_map_get(int map, const void *key, void *value)
{
	return map_element(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

int bpf_map_set_batch(int map, const void *keys, const void *values, uint32_t n)
{
	union bpf_attr attr;

	if (!n)
		return 0;
	memset(&attr, 0, sizeof(attr));
	attr.batch.map_fd = (uint32_t)map;
	attr.batch.keys = address(keys);
	attr.batch.values = address(values);
	attr.batch.count = n;
	return bpf_call(BPF_MAP_UPDATE_BATCH, &attr);
}

int bpf_map_remove_batch(int map, const void *keys, uint32_t key_bytes,
			 uint32_t n)
{
	const uint8_t *key = keys;
	uint32_t i;
	int r;

	/* The kernel's own batch stops at the first missing key. */
	for (i = 0; i < n; i++) {
		r = bpf_map_remove(map, key + (size_t)i * key_bytes);
		if (r && r != -ENOENT)
			return r;
	}
	return 0;
}

int bpf_cpus(void)
{
	int fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
	char text[64], *last;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	text[n] = '\0';
	/* "0-3" or "0,2-3": the last number counts. */
	last = text + strcspn(text, "\n");
	while (last > text && last[-1] >= '0' && last[-1] <= '9')
		last--;
	return atoi(last) + 1;
}

int bpf_prog_load(const struct bpf_insn *insn, size_t len, const char *name,
		  char *log, size_t cap)
{
	static const char license[] = "Dual MIT/GPL";
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insn_cnt = (uint32_t)len;
	attr.insns = address(insn);
	attr.license = address(license);
	copy_name(attr.prog_name, name);
	r = bpf_call(BPF_PROG_LOAD, &attr);
	if (r >= 0 || !log || !cap)
		return r;
	/* Again, only to hear why not. */
	log[0] = '\0';
	attr.log_buf = address(log);
	attr.log_size = (uint32_t)cap;
	attr.log_level = 1;
	return bpf_call(BPF_PROG_LOAD, &attr);
}

int bpf_prog_open(struct bpf_asm *a, const char *name, char *log, size_t cap)
{
	if (!asm_finish(a))
		return -E2BIG;
	return bpf_prog_load(a->insn, a->len, name, log, cap);
}

int bpf_prog_run(int prog, struct bpf_try *t)
{
	struct __sk_buff skb = { .gso_size = t->gso_size };
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)prog;
	attr.test.data_in = address(t->frame.at);
	attr.test.data_size_in = (uint32_t)t->frame.len;
	attr.test.data_out = address(t->out);
	attr.test.data_size_out = (uint32_t)t->out_cap;
	if (t->gso_size) { /* 5.2; older ones refuse unknown fields */
		attr.test.ctx_in = address(&skb);
		attr.test.ctx_size_in = sizeof(skb);
	}
	attr.test.repeat = 1;
	r = bpf_call(BPF_PROG_TEST_RUN, &attr);
	t->out_len = attr.test.data_size_out;
	t->verdict = (int)attr.test.retval;
	return r;
}

int bpf_prog_try(int prog, struct span frame, int *verdict)
{
	struct bpf_try t = { .frame = frame };
	int r = bpf_prog_run(prog, &t);

	if (!r)
		*verdict = t.verdict;
	return r;
}

/** tcx_open() - Be first at the ingress or egress of an interface */
static int tcx_open(const struct bpf_hook_conf *c)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)c->prog;
	attr.link_create.target_ifindex = (uint32_t)c->ifindex;
	attr.link_create.attach_type = c->place == BPF_AT_EGRESS ?
				       ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS;
	attr.link_create.flags = LINK_BEFORE;
	return bpf_call(BPF_LINK_CREATE, &attr);
}

int bpf_hook_open(struct bpf_hook *h, const struct bpf_hook_conf *c)
{
	struct tc_filter f = { { c->ifindex, c->place, c->handle }, c->prog,
		c->owner };
	int err;

	*h = (struct bpf_hook){ .ifindex = c->ifindex, .link = -1,
				.place = c->place, .handle = c->handle };
	/* What a killed process left there would come first or starve us. */
	tc_sweep(&f.spot);
	if (!c->no_tcx) {
		h->tcx_error = tcx_open(c);
		h->mode = "tcx";
		if (h->tcx_error >= 0) {
			h->link = h->tcx_error;
			h->tcx_error = 0;
			return 0;
		}
	}
	err = tc_add(&f, &h->made_qdisc);
	h->mode = err ? NULL : "clsact";
	return err;
}

void bpf_hook_why(const struct bpf_hook *h, char *why, size_t cap)
{
	if (h->link >= 0)
		why[0] = '\0';
	else if (!h->tcx_error)
		snprintf(why, cap, "TCX is switched off");
	else if (h->tcx_error == -EINVAL)
		snprintf(why, cap, "this kernel has no TCX (Linux 6.6)");
	else
		snprintf(why, cap, "TCX: %s", strerror(-h->tcx_error));
}

void bpf_hook_close(struct bpf_hook *h)
{
	const struct tc_spot spot = { h->ifindex, h->place, h->handle };

	if (h->link >= 0)
		close(h->link);
	else if (h->mode)
		tc_remove(&spot, h->made_qdisc);
	h->link = -1;
	h->mode = NULL;
}
