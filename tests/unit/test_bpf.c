/* SPDX-License-Identifier: MIT
 *
 * test_bpf.c - net/bpf.c and net/tc.c: assembling, maps, attaching
 */
#include "net/bpf.h"
#include "net/tc.h"
#include "tests/unit/labns.h"

static struct bpf_asm a;
static const uint8_t frame[64] = { [12] = 0x08, [14] = 0x45 };

static int load(void)
{
	char log[4096] = "";
	int prog = bpf_prog_open(&a, "test", log, sizeof(log));

	ck_assert_msg(prog >= 0, "%d: %s", prog, log);
	return prog;
}

static int verdict(int prog)
{
	int got = 99;

	ck_assert_int_eq(bpf_prog_try(prog, (struct span){ frame,
				      sizeof(frame) }, &got), 0);
	return got;
}

static bool allowed(void)
{
	return netns_enter();
}

/* Sum 1 to 10 with a loop unrolled by jumps forward: 55. */
START_TEST(test_labels)
{
	int end, i, skip;

	if (!allowed())
		return;
	asm_init(&a);
	end = asm_label(&a);
	ASM(&a, I_SET(R0, 0));
	for (i = 1; i <= 20; i++) {
		skip = asm_label(&a);
		ASM(&a, I_SET(R1, i));
		asm_jump(&a, I_IFI(BPF_JLE, R1, 10), skip);
		asm_jump(&a, I_JUMP(), end);
		asm_place(&a, skip);
		ASM(&a, I_ALU(BPF_ADD, R0, R1));
	}
	asm_place(&a, end);
	ASM(&a, I_EXIT());
	ck_assert_int_eq(verdict(load()), 55);
}
END_TEST

START_TEST(test_constants)
{
	int bad;

	if (!allowed())
		return;
	asm_init(&a);
	bad = asm_label(&a);
	/* Bytes on the stack, byte order, 64-bit constants. */
	asm_set64(&a, R2, UINT64_C(0x123456789abcdef0));
	ASM(&a, I_STORE(BPF_DW, R10, -8, R2), I_LOAD(BPF_DW, R3, R10, -8),
	    I_ALUI(BPF_RSH, R3, 32), I_SET32(R4, 0x12345678));
	asm_jump(&a, I_IF(BPF_JNE, R3, R4), bad);
	ASM(&a, I_STOREI(BPF_B, R10, -2, 0x12),
	    I_STOREI(BPF_B, R10, -1, 0x34), I_LOAD(BPF_H, R5, R10, -2),
	    I_BE16(R5));
	asm_jump(&a, I_IFI(BPF_JNE, R5, 0x1234), bad);
	ASM(&a, I_SET(R0, -1), I_EXIT());
	asm_place(&a, bad);
	ASM(&a, I_SET(R0, 2), I_EXIT());
	ck_assert_int_eq(verdict(load()), -1);
}
END_TEST

START_TEST(test_bad)
{
	char log[2000] = "";
	int i;

	if (!allowed())
		return;
	asm_init(&a);
	ck_assert(!asm_finish(&a));
	asm_jump(&a, I_JUMP(), asm_label(&a));
	ASM(&a, I_EXIT());
	ck_assert(!asm_finish(&a));
	ck_assert_int_eq(bpf_prog_open(&a, "test", NULL, 0), -E2BIG);
	asm_init(&a);
	for (i = 0; i <= BPF_ASM_INSNS; i++)
		ASM(&a, I_SET(R0, 0));
	ck_assert(!asm_finish(&a));
	asm_init(&a);
	for (i = 0; i <= BPF_ASM_LABELS; i++)
		asm_label(&a);
	ck_assert(a.bad);
	/* The verifier has its say: R0 was never set. */
	asm_init(&a);
	ASM(&a, I_EXIT());
	ck_assert_int_eq(bpf_prog_open(&a, "test", log, sizeof(log)), -EACCES);
	ck_assert_ptr_nonnull(strstr(log, "R0"));
}
END_TEST

START_TEST(test_map)
{
	const struct bpf_map_conf c = { BPF_MAP_TYPE_HASH, 4, 8, 100, 0,
					"a_name_that_is_too_long" };
	const struct bpf_map_conf none = { BPF_MAP_TYPE_HASH, 0, 8, 1, 0, "" };
	uint32_t key = 7, keys[50];
	uint64_t value = 70, got = 0, values[50];
	int map, i, hit;

	if (!allowed())
		return;
	ck_assert_int_eq(bpf_map_open(&none), -EINVAL);
	map = bpf_map_open(&c);
	ck_assert_int_ge(map, 0);
	ck_assert_int_eq(bpf_map_get(map, &key, &got), -ENOENT);
	ck_assert_int_eq(bpf_map_set(map, &key, &value), 0);
	ck_assert_int_eq(bpf_map_get(map, &key, &got), 0);
	ck_assert_uint_eq(got, 70);
	ck_assert_int_eq(bpf_map_remove(map, &key), 0);
	ck_assert_int_eq(bpf_map_remove(map, &key), -ENOENT);
	for (i = 0; i < 50; i++) {
		keys[i] = (uint32_t)i;
		values[i] = (uint64_t)i * 3;
	}
	ck_assert_int_eq(bpf_map_set_batch(map, keys, values, 50), 0);
	ck_assert_int_eq(bpf_map_set_batch(map, keys, values, 0), 0);
	ck_assert_int_eq(bpf_map_get(map, &keys[49], &got), 0);
	ck_assert_uint_eq(got, 147);
	ck_assert_int_eq(bpf_map_remove(map, &keys[10]), 0);
	ck_assert_int_eq(bpf_map_remove_batch(map, keys, 4, 49), 0);
	ck_assert_int_eq(bpf_map_get(map, &keys[48], &got), -ENOENT);
	ck_assert_int_eq(bpf_map_get(map, &keys[49], &got), 0);
	/* A program finds what is in it. */
	asm_init(&a);
	hit = asm_label(&a);
	asm_map(&a, R1, map);
	ASM(&a, I_STOREI(BPF_W, R10, -4, 49), I_MOV(R2, R10),
	    I_ALUI(BPF_ADD, R2, -4), I_CALL(BPF_FUNC_map_lookup_elem));
	asm_jump(&a, I_IFI(BPF_JNE, R0, 0), hit);
	ASM(&a, I_EXIT());
	asm_place(&a, hit);
	ASM(&a, I_LOAD(BPF_DW, R0, R0, 0), I_EXIT());
	ck_assert_int_eq(verdict(load()), 147);
}
END_TEST

START_TEST(test_cpus)
{
	ck_assert_int_ge(bpf_cpus(), sysconf(_SC_NPROCESSORS_CONF));
	ck_assert_int_le(bpf_cpus(), 4096);
}
END_TEST

/* Does anything that came in on up0 reach A's stack? */
static bool pinged(void)
{
	bool ok;

	in_b();
	ok = !run("ping -c1 -W1 10.9.0.1 >/dev/null 2>&1");
	in_a();
	return ok;
}

START_TEST(test_hook)
{
	struct bpf_hook_conf c = { .handle = 77, .no_tcx = _i };
	struct bpf_hook h;
	char why[100];

	if (!labns_pair())
		return;
	asm_init(&a);
	ASM(&a, I_SET(R0, VERDICT_DROP), I_EXIT());
	c.prog = load();
	c.ifindex = c.owner = (int)if_nametoindex("up0");
	ck_assert(pinged());
	ck_assert_int_eq(bpf_hook_open(&h, &c), 0);
	ck_assert_str_eq(h.mode, _i ? "clsact" : "tcx");
	bpf_hook_why(&h, why, sizeof(why));
	ck_assert_str_eq(why, _i ? "TCX is switched off" : "");
	ck_assert(!pinged());
	ck_assert_int_eq(tc_count(c.ifindex), _i);
	bpf_hook_close(&h);
	ck_assert(pinged());
	ck_assert_int_ne(run("tc qdisc show dev up0 | grep -q clsact"), 0);
	/* Opening twice replaces, and a clsact of others stays. */
	must("tc qdisc add dev up0 clsact");
	ck_assert_int_eq(bpf_hook_open(&h, &c), 0);
	if (_i)
		ck_assert_int_eq(bpf_hook_open(&h, &c), 0);
	ck_assert_int_eq(tc_count(c.ifindex), _i);
	bpf_hook_close(&h);
	bpf_hook_close(&h);
	ck_assert_int_eq(tc_count(c.ifindex), 0);
	ck_assert_int_eq(run("tc qdisc show dev up0 | grep -q clsact"), 0);
	c.ifindex = 4711;
	ck_assert_int_lt(bpf_hook_open(&h, &c), 0);
	ck_assert_ptr_null(h.mode);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bpf");
	TCase *t = tcase_create("bpf");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 20);
	tcase_add_test(t, test_labels);
	tcase_add_test(t, test_constants);
	tcase_add_test(t, test_bad);
	tcase_add_test(t, test_map);
	tcase_add_test(t, test_cpus);
	tcase_add_loop_test(t, test_hook, 0, 2);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
