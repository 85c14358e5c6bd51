/* SPDX-License-Identifier: MIT
 *
 * bpf.h - BPF programs assembled here, maps, and attaching them to interfaces
 * (design section 7): no clang, no libbpf
 */
#ifndef NET_BPF_H
#define NET_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

enum { BPF_ASM_INSNS = 512, BPF_ASM_LABELS = 64, BPF_ASM_JUMPS = 128 };

/* Verdicts of a program at ingress: on to the next one; drop; redirected. The
 * same numbers for TCX and cls_bpf.
 */
enum { VERDICT_NEXT = -1, VERDICT_DROP = 2, VERDICT_REDIRECT = 7 };

/** struct bpf_asm - a program being put together
 * @at: where each label stands, -1: not placed yet
 * @jump: instructions that wait for a label
 * @bad: it does not fit, or a label is missing; the rest is ignored
 */
struct bpf_asm {
	struct bpf_insn insn[BPF_ASM_INSNS];
	size_t len;
	int at[BPF_ASM_LABELS];
	int labels;
	struct { size_t insn; int label; } jump[BPF_ASM_JUMPS];
	size_t jumps;
	bool bad;
};

/* Instructions. Registers are BPF_REG_0 to BPF_REG_10, here R0 to R10; @size
 * is BPF_B, BPF_H, BPF_W or BPF_DW, @op is BPF_ADD and so on.
 */
enum { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 };
#define BPF_INSN(c, d, s, o, i) ((struct bpf_insn){ \
	.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define I_MOV(d, s) BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define I_SET(d, i) BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define I_SET32(d, i) BPF_INSN(BPF_ALU | BPF_MOV | BPF_K, d, 0, 0, (int)(i))
#define I_ALU(op, d, s) BPF_INSN(BPF_ALU64 | (op) | BPF_X, d, s, 0, 0)
#define I_ALUI(op, d, i) BPF_INSN(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define I_BE16(d) BPF_INSN(BPF_ALU | BPF_END | BPF_TO_BE, d, 0, 0, 16)
#define I_LOAD(size, d, s, o) BPF_INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define I_STORE(size, d, o, s) BPF_INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define I_STOREI(size, d, o, i) BPF_INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define I_CALL(id) BPF_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, id)
#define I_EXIT() BPF_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* Jumps, for asm_jump(). */
#define I_JUMP() BPF_INSN(BPF_JMP | BPF_JA, 0, 0, 0, 0)
#define I_IF(op, d, s) BPF_INSN(BPF_JMP | (op) | BPF_X, d, s, 0, 0)
#define I_IFI(op, d, i) BPF_INSN(BPF_JMP | (op) | BPF_K, d, 0, 0, i)

/** ASM() - Append instructions: ASM(a, I_MOV(R6, R1), I_EXIT()) */
#define ASM(a, ...) asm_add((a), (struct bpf_insn[]){ __VA_ARGS__ }, \
	sizeof((struct bpf_insn[]){ __VA_ARGS__ }) / sizeof(struct bpf_insn))

void asm_init(struct bpf_asm *a);
void asm_add(struct bpf_asm *a, const struct bpf_insn *in, size_t n);
/** asm_label() - A new label, placed nowhere yet */
int asm_label(struct bpf_asm *a);
/** asm_place() - The next instruction is where @label stands */
void asm_place(struct bpf_asm *a, int label);
/** asm_jump() - Append a jump to @label, before or after it was placed */
void asm_jump(struct bpf_asm *a, struct bpf_insn in, int label);
/** asm_set64() - Register to a 64-bit constant */
void asm_set64(struct bpf_asm *a, int reg, uint64_t value);
/** asm_map() - Register to a map */
void asm_map(struct bpf_asm *a, int reg, int map);
/** asm_finish() - Resolve the labels; false if the program is no good */
bool asm_finish(struct bpf_asm *a);

/** struct bpf_map_conf - what map to make
 * @type: BPF_MAP_TYPE_*. @flags: BPF_F_*
 */
struct bpf_map_conf {
	uint32_t type, key, value, entries, flags;
	const char *name;
};

/** bpf_map_open() - Make a map: descriptor or negative errno. Raises
 * RLIMIT_MEMLOCK where the kernel still counts maps in it (before 5.11)
 */
int bpf_map_open(const struct bpf_map_conf *c);
int bpf_map_set(int map, const void *key, const void *value);
/** bpf_map_remove() - 0 or negative errno, -ENOENT if @key is not there */
int bpf_map_remove(int map, const void *key);
/** bpf_map_get() - A per-CPU map gives a value for each possible CPU */
int bpf_map_get(int map, const void *key, void *value);
/** bpf_map_set_batch() - @n keys and values, packed; one call from 5.6 on */
int bpf_map_set_batch(int map, const void *keys, const void *values,
		      uint32_t n);
/** bpf_map_remove_batch() - Keys that are not there are no error */
int bpf_map_remove_batch(int map, const void *keys, uint32_t key_bytes,
			 uint32_t n);
/** bpf_cpus() - Possible CPUs: values per key of a per-CPU map; negative errno
 * if the kernel does not say. Reads /sys: call before a sandbox
 */
int bpf_cpus(void);

/** bpf_prog_open() - Finish, check and load a classifier program
 * @log: where the verifier's complaint goes (may be NULL), @cap bytes
 * Return: descriptor or negative errno
 */
int bpf_prog_open(struct bpf_asm *a, const char *name, char *log, size_t cap);
/** bpf_prog_load() - The same for @len finished instructions */
int bpf_prog_load(const struct bpf_insn *insn, size_t len, const char *name,
		  char *log, size_t cap);
/** struct bpf_try - a run of a program on a packet that goes nowhere
 * @frame: Ethernet. @gso_size: the packet says that it is a super-packet
 * @out, @out_cap, @out_len: the packet as the program left it
 * @verdict: a redirection is not carried out
 */
struct bpf_try {
	struct span frame;
	uint32_t gso_size;
	uint8_t *out;
	size_t out_cap, out_len;
	int verdict;
};
/** bpf_prog_run() - For self tests. 0 or negative errno */
int bpf_prog_run(int prog, struct bpf_try *t);
/** bpf_prog_try() - Run it on an Ethernet @frame that goes nowhere: for self
 * tests. Return: 0 and the verdict (a redirection is not carried out)
 */
int bpf_prog_try(int prog, struct span frame, int *verdict);

/* Where a program is attached. EARLY: at ingress, before the others of ours. */
enum bpf_place { BPF_AT_INGRESS, BPF_AT_INGRESS_EARLY, BPF_AT_EGRESS,
	BPF_PLACES };

/** struct bpf_hook - a program attached to an interface
 * @link: TCX link, or -1
 * @mode: "tcx" or "clsact"
 * @tcx_error: why not TCX: negative errno, 0 if it was not asked for
 * @handle: of the filter (clsact)
 */
struct bpf_hook {
	int ifindex;
	int link;
	int tcx_error;
	const char *mode;
	enum bpf_place place;
	uint32_t handle;
	bool made_qdisc;
};

/** struct bpf_hook_conf - how to attach
 * @handle: fixed number of this use of this interface, so that a new start
 *	replaces what a killed process left (clsact)
 * @owner: an interface that is gone when the owner of the program is: what
 *	filters of ours stand for a vanished one are removed (clsact)
 * @no_tcx: use clsact at once
 */
struct bpf_hook_conf {
	int ifindex, prog;
	enum bpf_place place;
	uint32_t handle;
	int owner;
	bool no_tcx;
};

/** bpf_hook_open() - Attach: TCX (6.6+; ends with the descriptor), else clsact
 * Return: 0 or negative errno
 */
int bpf_hook_open(struct bpf_hook *h, const struct bpf_hook_conf *c);
/** bpf_hook_why() - In words, into @why, why the mode is not "tcx" */
void bpf_hook_why(const struct bpf_hook *h, char *why, size_t cap);
/** bpf_hook_close() - Detach; the clsact qdisc goes if we made it and nobody
 * else has put a filter there
 */
void bpf_hook_close(struct bpf_hook *h);

#endif
