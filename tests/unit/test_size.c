/* SPDX-License-Identifier: MIT
 *
 * test_size.c - how large a packet may be, and who is told (design 3, 3.1)
 */
#include "tests/sim/check.h"

static uint32_t told_mtu(struct sim *s, enum dir to)
{
	uint32_t mtu = s->icmp_errors[to] && s->icmp_type == ICMP6_TOO_BIG ?
		       s->icmp_param : 0;

	s->icmp_errors[to] = 0;
	return mtu;
}

START_TEST(sizes)
{
	static const uint16_t mtus[] = { 1500, 1492, 1480, 1460, 1400, 1340,
		1478, 1434 };
	uint16_t m = mtus[_i % 8];
	struct sim *s = sim_sized(m, _i >= 8, CARRIERS_AUTO);

	sim_run(s, 10 * 1000);
	ck_assert_uint_le(path_size(sim_link(&s->edge[0])), m);
	ck_assert_uint_ge(path_size(sim_link(&s->edge[0])) + 3, m);
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])),
			  path_size(sim_link(&s->hub)));
	m = path_size(sim_link(&s->edge[0]));
	for (int d = UP; d <= DOWN; d++) {
		sim_pinged(s, d, 100);
		told_mtu(s, !d);
		/* fits shared: no word */
		ck_assert(sim_pinged(s, d, m + 8u));
		ck_assert_uint_eq(told_mtu(s, !d), 0);
		/* does not: two pieces, and a hint, once a second */
		ck_assert(sim_pinged(s, d, m + 9u));
		ck_assert_uint_eq(told_mtu(s, !d), m + 8u);
		ck_assert(sim_pinged(s, d, m + 20u));
		ck_assert_uint_eq(told_mtu(s, !d), 0);
		sim_run(s, 1000);
		ck_assert(sim_pinged(s, d, m + 20u));
		ck_assert_uint_eq(told_mtu(s, !d), m + 8u);
		/* nothing carries it */
		ck_assert(!sim_pinged(s, d, m + 21u));
		ck_assert_uint_eq(told_mtu(s, !d), m + 20u);
		ck_assert(!sim_pinged(s, d, 1800));
		ck_assert_uint_eq(told_mtu(s, !d), m + 20u);
	}
	sim_end(s);
}
END_TEST

/* Not measured yet: nothing over 1260 goes whole, no PTB. */
static bool at_most_1260(struct sim *s, struct wire *w, void *arg)
{
	bool *punches = arg;

	(void)s;
	if (w->kind != WIRE_DATAGRAM)
		return false;
	if (wire_at(w)[0] >> 6 == TAG_PUNCH)
		return *punches && w->len > 200;
	ck_assert_uint_le(w->len + 28, 1260);
	return false;
}

START_TEST(before_measured)
{
	struct sim_conf c = { .seed = 12, .carriers = CARRIERS_SHARED };
	bool lose = true;
	struct sim *s = sim_new(&c);

	s->hook = at_most_1260;
	s->hook_arg = &lose;
	sim_start(s);
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), 0);
	for (int d = UP; d <= DOWN; d++)
		for (size_t len = 1200; len <= 1500; len += 10)
			ck_assert(sim_pinged(s, d, len));
	ck_assert_uint_eq(s->icmp_errors[UP] + s->icmp_errors[DOWN], 0);
	sim_end(s);
}
END_TEST

static struct sim *at_size(uint16_t mtu, bool black_hole, enum carriers c)
{
	struct sim *s = sim_sized(mtu, black_hole, c);

	sim_run(s, 10 * 1000);
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), mtu);
	ck_assert_uint_eq(path_size(sim_link(&s->hub)), mtu);
	return s;
}

/* The path becomes smaller in mid-transfer, up and down; ICMPv4 tells, or is
 * swallowed; on own carriers or on shared.
 */
START_TEST(path_shrinks)
{
	struct sim *s = at_size(1500, _i & 2, _i & 4 ? CARRIERS_SHARED :
				CARRIERS_AUTO);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	enum dir d = _i & 1 ? UP : DOWN;

	tcp_write(t, UP, 50000);
	tcp_write(t, DOWN, 50000);
	ck_assert(tcp_run(t, 5000));
	sim_run(s, 3000);
	s->conf.mtu = 1400;
	tcp_write(t, d, 100000);
	sim_run(s, 20 * 1000);
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), 1400);
	ck_assert_uint_eq(path_size(sim_link(&s->hub)), 1400);
	ck_assert_uint_gt(s->icmp_errors[!d], 0);
	ck_assert_int_eq(s->icmp_type, ICMP6_TOO_BIG);
	ck_assert_uint_ge(s->icmp_param, 1408);
	ck_assert_uint_le(s->icmp_param, 1420);
	sim_end(s);
}
END_TEST

/* Not even halves of the least packet fit: large ones go by relay. */
START_TEST(narrow_path)
{
	struct sim *s = sim_sized(600, _i, CARRIERS_AUTO);
	struct tcp *t;

	sim_run(s, 10 * 1000);
	ck_assert_uint_ge(path_size(sim_link(&s->edge[0])), LEAST_MTU);
	ck_assert_uint_le(path_size(sim_link(&s->edge[0])), 600);
	for (int d = UP; d <= DOWN; d++) {
		ck_assert(sim_pinged(s, d, 100));
		ck_assert(sim_pinged(s, d, 560));
		ck_assert(sim_pinged(s, d, 1000));
		ck_assert(sim_pinged(s, d, 1280));
	}
	ck_assert_uint_gt(via_sent(&s->hub, VIA_RELAY), 0);
	ck_assert_uint_gt(via_sent(&s->hub, VIA_SHARED), 0);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 50000);
	tcp_write(t, DOWN, 50000);
	ck_assert(tcp_run(t, 20000));
	/* shared goes and comes back: the relay is still needed */
	s->nat[0].conf.drop_udp = true;
	for (int i = 0; i < 20; i++)
		sim_pinged(s, UP, 100);
	ck_assert(!sim_link(&s->edge[0])->shared_up);
	s->nat[0].conf.drop_udp = false;
	sim_run(s, 8000);
	ck_assert(sim_link(&s->edge[0])->shared_up);
	ck_assert(sim_pinged(s, UP, 1280) && sim_pinged(s, DOWN, 1280));
	sim_end(s);
}
END_TEST

/* Nobody repeats a datagram: only the size itself is asked for. */
START_TEST(path_shrinks_under_udp)
{
	struct sim *s = at_size(1500, true, CARRIERS_SHARED);
	enum dir d = _i ? UP : DOWN;
	uint64_t before;

	udp_send(s, 0, d, 1000, 9, 1508 - 48);
	sim_run(s, 1000);
	s->conf.mtu = 1400;
	for (int i = 0; i < 130; i++) {
		udp_send(s, 0, d, 1000, 9, 1500 - 48);
		sim_run(s, 100);
	}
	before = s->udp_got[d];
	udp_send(s, 0, d, 1000, 9, 1420 - 48);
	sim_run(s, 100);
	ck_assert_uint_eq(s->udp_got[d], before + 1);
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), 1400);
	sim_end(s);
}
END_TEST

START_TEST(path_grows)
{
	struct sim *s = at_size(1400, _i, CARRIERS_AUTO);

	s->conf.mtu = 1500;
	sim_run(s, 11 * 60 * 1000);
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), 1500);
	ck_assert_uint_eq(path_size(sim_link(&s->hub)), 1500);
	sim_end(s);
}
END_TEST

/* The edge's own interface is given a smaller MTU. */
START_TEST(uplink_shrinks)
{
	struct sim *s = at_size(1500, false, CARRIERS_AUTO);

	engine_set_uplink(s->edge[0].e, s->edge[0].addr, 1400, s->now);
	pump(&s->edge[0]);
	sim_run(s, 5000);
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), 1400);
	ck_assert_uint_eq(path_size(sim_link(&s->hub)), 1400);
	sim_end(s);
}
END_TEST

/* ICMPv4 that is not true changes nothing, not even for a moment. */
static bool size_stays(struct sim *s, void *arg)
{
	(void)arg;
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), 1500);
	return false;
}

START_TEST(forged_too_big)
{
	struct sim *s = at_size(1500, false, CARRIERS_AUTO);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	struct wire w = { .kind = WIRE_OUTER_PACKET, .dir = DOWN,
		.proto = PROTO_ICMP, .len = IP4_HDR + 8 + 28 };
	uint8_t *at = wire_at(&w), *icmp = at + IP4_HDR;
	struct carrier *c;

	tcp_write(t, UP, 50000);
	ck_assert(tcp_run(t, 5000));
	c = carrier_at(&s->edge[0], t);
	ip4_header(at, 0x0a000001, s->edge[0].addr, PROTO_ICMP, 36, 0, 60);
	icmp[0] = 3;
	icmp[1] = 4;
	put16(icmp + 6, 1300);
	ip4_header(icmp + 8, c->local.addr, c->remote.addr, PROTO_TCP, 1480, 0,
		   60);
	put16(icmp + 28, c->local.port);
	put16(icmp + 30, c->remote.port);
	put32(icmp + 32, session_at(&s->edge[0], t)->side[UP].end - 1000);
	put16(icmp + 2, (uint16_t)~csum_bytes(0, icmp, 36));
	for (int i = 0; i < 10; i++) {
		sim_arrive(s, &w);
		sim_run_until(s, size_stays, NULL, 1000);
	}
	ck_assert_uint_eq(s->edge[0].e->drops[DROP_OUTER_ICMP], 10);
	ck_assert_uint_eq(s->icmp_errors[DOWN], 0);
	sim_end(s);
}
END_TEST

static bool bend_icmp(struct sim *s, struct wire *w, void *arg)
{
	(void)s;
	(void)arg;
	if (w->kind == WIRE_OUTER_PACKET && w->proto == PROTO_ICMP)
		wire_at(w)[IP4_HDR + 8 + 15] ^= 1;
	return false;
}

/* What was altered on the way says nothing (RFC 792). */
START_TEST(icmp4_altered)
{
	struct sim *s = sim_sized(1500, false, CARRIERS_AUTO);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 50000);
	ck_assert(tcp_run(t, 5000));
	s->hook = bend_icmp;
	s->conf.mtu = 1400;
	tcp_write(t, UP, 10000);
	sim_run(s, 1000);
	ck_assert_uint_gt(s->edge[0].e->drops[DROP_CHECKSUM], 0);
	ck_assert_uint_eq(s->edge[0].e->drops[DROP_OUTER_ICMP], 0);
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("size");
	TCase *tc = tcase_create("size");

	tcase_add_loop_test(tc, sizes, 0, 16);
	tcase_add_test(tc, before_measured);
	tcase_add_loop_test(tc, path_shrinks, 0, 8);
	tcase_add_loop_test(tc, path_shrinks_under_udp, 0, 2);
	tcase_add_loop_test(tc, path_grows, 0, 2);
	tcase_add_loop_test(tc, narrow_path, 0, 2);
	tcase_add_test(tc, uplink_shrinks);
	tcase_add_test(tc, forged_too_big);
	tcase_add_test(tc, icmp4_altered);
	return run_case(suite, tc);
}
