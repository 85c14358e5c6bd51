/* SPDX-License-Identifier: MIT
 *
 * test_probe.c - own TCP only where the path does not alter TCP (design 3.4)
 */
#include "tests/sim/check.h"

/* A transfer both ways that must work however the path is. */
static struct tcp *transfer(struct sim *s, enum dir first)
{
	struct tcp *t = tcp_connect(s, 0, first, 40001, 80);

	tcp_write(t, UP, 300000);
	tcp_write(t, DOWN, 300000);
	ck_assert(tcp_run(t, 30 * 1000));
	return t;
}

START_TEST(clean_path)
{
	struct sim_conf c = { .seed = 1, .nat.strict = true,
		.nat.random = _i };
	struct sim *s = sim_up(&c);

	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_UP);
	ck_assert_uint_eq(s->edge[0].notes[NOTE_OWN_UP], 1);
	ck_assert_uint_eq(sim_own(&s->edge[0], CARRIER_UP), 0);
	ck_assert_uint_eq(sim_own(&s->hub, CARRIER_UP), 0);
	ck_assert_uint_eq(nat_flows(s, &s->nat[0], PROTO_TCP), 0);
	sim_end(s);
}
END_TEST

/* Rewritten numbers, options lost, windows changed: never own, data flows on
 * shared.
 */
START_TEST(altering_path)
{
	struct sim_conf c = { .seed = 2, .nat.strict = true,
		.inbound = "all" };
	struct sim *s;
	struct tcp *t;

	if (_i / 2 == 0)
		c.nat.rewrite_seq = true;
	else if (_i / 2 == 1)
		c.nat.strip = true;
	else
		c.nat.shape = true;
	s = sim_up(&c);
	sim_run(s, 10 * 1000);
	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp,
			 _i / 2 == 0 ? NOTE_OWN_SILENT : NOTE_OWN_ALTERED);
	t = transfer(s, _i & 1 ? DOWN : UP);
	ck_assert(off_own(s, t));
	ck_assert_uint_eq(via_sent(&s->edge[0], VIA_OWN), 0);
	ck_assert_uint_eq(via_sent(&s->hub, VIA_OWN), 0);
	ck_assert_uint_gt(via_sent(&s->edge[0], VIA_SHARED), 200);
	sim_end(s);
}
END_TEST

START_TEST(range_closed)
{
	struct sim_conf c = { .seed = 3, .nat.drop_own = true };
	struct sim *s = sim_up(&c);

	sim_run(s, 10 * 1000);
	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_SILENT);
	transfer(s, UP);
	ck_assert_uint_eq(via_sent(&s->edge[0], VIA_OWN), 0);
	/* tried again, ever more seldom, and found when it opens */
	sim_run(s, 3600 * 1000);
	ck_assert_uint_lt(s->edge[0].out[OUT_OUTER], 60);
	s->nat[0].conf.drop_own = false;
	sim_run(s, 3700 * 1000);
	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_UP);
	sim_end(s);
}
END_TEST

/* The path begins to rewrite numbers: carriers fail, the next probe says so. */
START_TEST(path_turns_bad)
{
	struct sim_conf c = { .seed = 4, .nat.strict = true };
	struct sim *s = sim_up(&c);
	struct tcp *t;

	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_UP);
	s->nat[0].conf.rewrite_seq = true;
	for (uint16_t i = 0; i < 6; i++) {
		t = tcp_connect(s, 0, UP, (uint16_t)(40000 + i), 80);
		tcp_write(t, UP, 100000);
		tcp_write(t, DOWN, 100000);
		ck_assert(tcp_run(t, 60 * 1000));
		ck_assert(off_own(s, t) ||
			  sim_own(&s->edge[0], CARRIER_UP) == 0);
	}
	sim_run(s, 60 * 1000);
	ck_assert_int_ne(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_UP);
	sim_end(s);
}
END_TEST

START_TEST(each_lost_once)
{
	struct sim_conf c = { .seed = 5, .nat.strict = true };
	struct nth n = { .kind = WIRE_OUTER_PACKET, .dir = -1, .at = _i };
	struct sim *s = sim_new(&c);

	sim_hook(s, &n);
	sim_start(s);
	sim_run(s, 60 * 1000);
	ck_assert_int_gt(n.count, 10);
	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_UP);
	ck_assert_uint_eq(sim_own(&s->edge[0], CARRIER_FREE), 128);
	ck_assert_uint_eq(sim_own(&s->hub, CARRIER_FREE), 128);
	sim_end(s);
}
END_TEST

/* The path MTU where UDP is blocked comes from the probe. */
START_TEST(size_without_udp)
{
	struct sim_conf c = { .seed = 6, .nat.strict = true,
		.nat.drop_udp = true, .mtu = 1440 };
	struct sim *s = sim_up(&c);
	struct tcp *t;

	sim_run(s, 10 * 1000);
	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_UP);
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), 1440);
	ck_assert_uint_eq(path_size(sim_link(&s->hub)), 1440);
	t = tcp_new(s, 0, 40001, 80);
	t->end[UP].mss = t->end[DOWN].mss = 1400;
	tcp_begin(t, UP);
	tcp_write(t, UP, 100000);
	tcp_write(t, DOWN, 100000);
	ck_assert(tcp_run(t, 30 * 1000));
	ck_assert(on_own(s, t));
	ck_assert_uint_gt(via_sent(&s->edge[0], VIA_OWN), 70);
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("probe");
	TCase *tc = tcase_create("probe");

	tcase_add_loop_test(tc, clean_path, 0, 2);
	tcase_add_loop_test(tc, altering_path, 0, 6);
	tcase_add_test(tc, range_closed);
	tcase_add_test(tc, path_turns_bad);
	tcase_add_loop_test(tc, each_lost_once, 0, 16);
	tcase_add_test(tc, size_without_udp);
	return run_case(suite, tc);
}
