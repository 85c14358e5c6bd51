/* SPDX-License-Identifier: MIT
 *
 * test_fastpath.c - core/fast.c: who is on the fast path, and what the engine
 * makes of what it saw. The other tests of carriers run with it as well
 */
#include "tests/sim/check.h"

enum { MEGABYTE = 1000 * 1000 };

static const struct sim_conf strict = { .seed = 7, .nat.strict = true,
	.fast = 64 };

static struct tcp *bulk(struct sim *s, uint16_t port, uint32_t bytes)
{
	struct tcp *t = tcp_connect(s, 0, UP, port, 80);

	tcp_write(t, UP, bytes);
	tcp_write(t, DOWN, bytes);
	ck_assert(tcp_run(t, 60 * 1000));
	return t;
}

/* Its place at this end; NULL: it has none. */
static struct fast_flow *place_of(struct node *n, const struct tcp *t)
{
	const struct carrier *c = carrier_at(n, t);

	return c && c->slot ? &n->conf.fast[c->slot] : NULL;
}

static bool is_fast(struct node *n, const struct tcp *t)
{
	const struct fast_flow *f = place_of(n, t);

	return f && f->on;
}

static uint64_t taken(const struct node *n)
{
	return n->fast_packets[0] + n->fast_packets[1];
}

static void only_own(struct sim *s)
{
	for (int v = 0; v < VIA_COUNT; v++)
		ck_assert(v == VIA_OWN || (!via_sent(&s->edge[0], v) &&
					   !via_sent(&s->hub, v)));
}

static void nobody_is_on(const struct node *n)
{
	ck_assert_uint_eq(engine_fast(n->e), 0);
	for (uint32_t i = 0; i < n->conf.fast_places; i++)
		ck_assert_uint_eq(n->conf.fast[i].on, 0);
}

static void nobody_left(const struct node *n)
{
	nobody_is_on(n);
	ck_assert_uint_eq(n->fast->keys, 0);
}

/* -- in and out -------------------------------------------------------------- */

/* Sixteen packets go here first, then next to none. */
START_TEST(enters)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 4 * 1400);
	ck_assert(tcp_run(t, 5000));
	ck_assert_uint_eq(taken(&s->edge[0]) + taken(&s->hub), 0);
	tcp_write(t, UP, MEGABYTE);
	ck_assert(tcp_run(t, 60 * 1000));
	ck_assert(is_fast(&s->edge[0], t));
	ck_assert(is_fast(&s->hub, t));
	ck_assert_uint_gt(taken(&s->edge[0]), 1000);
	ck_assert_uint_gt(taken(&s->hub), 1000);
	ck_assert_uint_lt(s->edge[0].out[OUT_OUTER] +
			  s->edge[0].out[OUT_INNER], 60);
	ck_assert_uint_eq(t->end[UP].repeated, 0);
	sim_end(s);
}
END_TEST

/* A packet that took another carrier: not for a second. */
START_TEST(elsewhere)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = bulk(s, 40001, MEGABYTE);
	uint64_t before;

	sim_run(s, 2000);
	t->end[UP].hop = 50;
	tcp_write(t, UP, 100);
	ck_assert(tcp_run(t, 1000));
	ck_assert(!is_fast(&s->edge[0], t));
	ck_assert(!is_fast(&s->hub, t));
	t->end[UP].hop = 64;
	before = taken(&s->edge[0]) + taken(&s->hub);
	tcp_write(t, UP, 20000);
	ck_assert(tcp_run(t, 700));
	ck_assert_uint_eq(taken(&s->edge[0]) + taken(&s->hub), before);
	for (int i = 0; i < 30; i++) {
		sim_run(s, 200);
		tcp_write(t, UP, 1000);
		tcp_write(t, DOWN, 1000);
	}
	ck_assert(tcp_run(t, 1000));
	ck_assert(is_fast(&s->edge[0], t));
	ck_assert(is_fast(&s->hub, t));
	ck_assert_uint_gt(taken(&s->edge[0]), before / 2);
	ck_assert_uint_eq(t->end[UP].repeated + t->end[DOWN].repeated, 0);
	sim_end(s);
}
END_TEST

START_TEST(ends)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = bulk(s, 40001, MEGABYTE);

	ck_assert_uint_eq(engine_fast(s->edge[0].e), 1);
	if (_i) {
		tcp_abort(t, DOWN);
	} else {
		tcp_finish(t, UP); /* half closed: the other half goes on */
		sim_run(s, 500);
		tcp_write(t, DOWN, MEGABYTE);
		ck_assert(tcp_run(t, 60 * 1000));
		ck_assert(is_fast(&s->hub, t));
		ck_assert(is_fast(&s->edge[0], t));
		tcp_finish(t, DOWN);
	}
	sim_run(s, 300 * 1000);
	ck_assert_ptr_null(session_at(&s->edge[0], t));
	ck_assert_ptr_null(session_at(&s->hub, t));
	nobody_left(&s->edge[0]);
	nobody_left(&s->hub);
	ck_assert_uint_eq(nat_flows(s, &s->nat[0], PROTO_TCP), 0);
	sim_end(s);
}
END_TEST

/* The uplink's programs come and go while it runs. */
START_TEST(off_and_on)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = bulk(s, 40001, MEGABYTE);
	uint64_t before;

	for (int i = 0; i < 5; i++) {
		tcp_write(t, UP, MEGABYTE);
		tcp_write(t, DOWN, MEGABYTE);
		sim_run(s, 130);
		engine_set_fast(s->edge[0].e, false, s->now);
		ck_assert(!is_fast(&s->edge[0], t));
		before = taken(&s->edge[0]);
		sim_run(s, 200);
		ck_assert(!tcp_done(t));
		ck_assert_uint_eq(taken(&s->edge[0]), before);
		engine_set_fast(s->edge[0].e, true, s->now);
		ck_assert(tcp_run(t, 60 * 1000));
		ck_assert_uint_gt(taken(&s->edge[0]), before + 100);
	}
	ck_assert_uint_eq(t->end[UP].repeated + t->end[DOWN].repeated, 0);
	only_own(s);
	sim_end(s);
}
END_TEST

/* Three places, of which one belongs to nobody. */
START_TEST(places)
{
	struct sim_conf c = strict;
	struct sim *s;
	struct tcp *t[6];

	c.fast = 3;
	s = sim_up(&c);
	for (int i = 0; i < 4; i++)
		t[i] = bulk(s, (uint16_t)(40001 + i), 100000);
	ck_assert_uint_eq(engine_fast(s->edge[0].e), 2);
	ck_assert_uint_eq(engine_fast(s->hub.e), 2);
	ck_assert(is_fast(&s->edge[0], t[0]) && is_fast(&s->edge[0], t[1]));
	ck_assert_ptr_null(place_of(&s->edge[0], t[2]));
	for (int i = 0; i < 2; i++) {
		tcp_finish(t[i], UP);
		tcp_finish(t[i], DOWN);
		sim_run(s, 20 * 1000);
		ck_assert_ptr_null(session_at(&s->edge[0], t[i]));
		t[4 + i] = bulk(s, (uint16_t)(40005 + i), 100000);
		ck_assert(is_fast(&s->edge[0], t[4 + i]));
		ck_assert(is_fast(&s->hub, t[4 + i]));
		ck_assert_uint_eq(s->edge[0].fast->keys, 2);
	}
	for (int i = 2; i < 6; i++) {
		tcp_write(t[i], UP, 50000);
		tcp_write(t[i], DOWN, 50000);
		ck_assert(tcp_run(t[i], 10 * 1000));
	}
	sim_end(s);
}
END_TEST

/* The outbox is full when they end: their keys go later, before others come. */
START_TEST(keys_late)
{
	struct sim *s = sim_up(&strict);
	struct engine *e = s->edge[0].e;
	struct tcp *t[3];

	t[0] = bulk(s, 40001, 100000);
	t[1] = bulk(s, 40002, 100000);
	e->out_count = OUT_CAP;
	for (int i = 0; i < 2; i++)
		fast_drop(e, session_at(&s->edge[0], t[i])->carrier);
	e->out_count = 0;
	nobody_is_on(&s->edge[0]);
	ck_assert_uint_eq(s->edge[0].fast->keys, 2);
	t[2] = bulk(s, 40003, 100000);
	ck_assert(is_fast(&s->edge[0], t[2]));
	ck_assert_uint_eq(s->edge[0].fast->keys, 1);
	ck_assert_uint_eq(e->fast_top, 3);
	/* and what could not be added has no place */
	e->out_count = OUT_CAP;
	e->now = s->now;
	fast_settle(e, session_at(&s->edge[0], t[0])->carrier);
	e->out_count = 0;
	ck_assert_ptr_null(place_of(&s->edge[0], t[0]));
	tcp_write(t[0], UP, 20000);
	ck_assert(tcp_run(t[0], 5000));
	ck_assert(is_fast(&s->edge[0], t[0]));
	ck_assert_uint_eq(s->edge[0].fast->keys, 2);
	sim_end(s);
}
END_TEST

/* -- what the engine makes of it ------------------------------------------------ */

struct facts {
	struct traffic sent[VIA_COUNT], received[VIA_COUNT];
	msec seen, last_rx, last_tx;
	struct tcp_side side[2];
	uint8_t packets;
};

static struct facts facts_of(struct node *n, const struct tcp *t)
{
	struct facts f;
	const struct session *x;
	const struct carrier *c;

	memset(&f, 0, sizeof(f));
	memcpy(f.sent, sim_link(n)->sent, sizeof(f.sent));
	memcpy(f.received, sim_link(n)->received, sizeof(f.received));
	x = session_at(n, t);
	c = carrier_at(n, t);
	f.seen = x->seen;
	f.packets = x->packets;
	f.last_rx = c->last_rx;
	f.last_tx = c->last_tx;
	memcpy(f.side, x->side, sizeof(f.side));
	return f;
}

/* The same run without and with it: nothing but the way is another. */
START_TEST(same_facts)
{
	struct facts at[2][2];

	for (int fast = 0; fast < 2; fast++) {
		struct sim_conf c = strict;
		struct sim *s;
		struct tcp *t;

		c.fast = fast ? 64 : 0;
		s = sim_up(&c);
		t = tcp_connect(s, 0, UP, 40001, 80);
		tcp_write(t, UP, _i ? MEGABYTE : 14 * 1000);
		tcp_write(t, DOWN, _i ? 3 * MEGABYTE : 1000);
		ck_assert(tcp_run(t, 60 * 1000));
		ck_assert_int_eq(taken(&s->edge[0]) > 0, fast);
		at[fast][0] = facts_of(&s->edge[0], t);
		at[fast][1] = facts_of(&s->hub, t);
		ck_assert(_i || at[fast][0].packets < FIRST_SHORT);
		sim_end(s);
	}
	for (int n = 0; n < 2; n++) {
		ck_assert_mem_eq(at[0][n].sent, at[1][n].sent,
				 sizeof(at[0][n].sent));
		ck_assert_mem_eq(at[0][n].received, at[1][n].received,
				 sizeof(at[0][n].received));
		ck_assert_mem_eq(at[0][n].side, at[1][n].side,
				 sizeof(at[0][n].side));
		ck_assert_uint_eq(at[0][n].seen, at[1][n].seen);
		ck_assert_uint_eq(at[0][n].last_rx, at[1][n].last_rx);
		ck_assert_uint_eq(at[0][n].last_tx, at[1][n].last_tx);
		ck_assert_uint_eq(at[0][n].packets, at[1][n].packets);
	}
}
END_TEST

/* What judges whether the link lives need not pull first: it asks at any time,
 * as here between two packets.
 */
START_TEST(heard)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = bulk(s, 40001, MEGABYTE);
	struct engine *e = s->edge[0].e;

	for (int i = 0; i < 30; i++) {
		tcp_write(t, DOWN, 10000);
		sim_run(s, 170);
		ck_assert(is_fast(&s->edge[0], t));
		e->now = s->now;
		ck_assert_uint_le(s->now - fast_heard(e, &e->link[0]), 170);
	}
	sim_end(s);
}
END_TEST

static void leap(struct sim *s, struct tcp *t, uint32_t bytes)
{
	struct fast_flow *e = place_of(&s->edge[0], t);
	struct fast_flow *h = place_of(&s->hub, t);

	t->end[UP].iss += bytes;
	t->end[UP].una += bytes;
	t->end[UP].nxt += bytes;
	t->end[UP].recover += bytes;
	t->end[DOWN].irs += bytes;
	e->out.end += bytes;
	e->out.bytes += bytes;
	h->in.end += bytes;
	h->in.bytes += bytes;
	h->out.ack += bytes;
	e->in.ack += bytes;
}

/* Gigabytes pass between two looks of the engine, and numbers wrap. */
START_TEST(wraps)
{
	struct sim_conf c = { .seed = 9, .fast = 64 };
	struct sim *s = sim_up(&c);
	struct tcp *t = bulk(s, 40001, MEGABYTE);
	uint64_t before;

	for (int i = 0; i < 21; i++) { /* 15.75 GiB: just below a wrap */
		ck_assert(is_fast(&s->edge[0], t) && is_fast(&s->hub, t));
		leap(s, t, 0x2fffffff);
		if (_i == 1)
			engine_pull(s->edge[0].e, s->now);
		if (_i == 2)
			engine_pull(s->hub.e, s->now);
		before = taken(&s->edge[0]);
		tcp_write(t, UP, 50000);
		tcp_write(t, DOWN, 50000);
		ck_assert(tcp_run(t, 5000));
		ck_assert_uint_gt(taken(&s->edge[0]), before + 30);
	}
	ck_assert_uint_eq(t->end[UP].repeated + t->end[DOWN].repeated, 0);
	/* the engine carries again */
	sim_run(s, 2000);
	engine_set_fast(s->edge[0].e, false, s->now);
	engine_set_fast(s->hub.e, false, s->now);
	tcp_write(t, UP, 50000);
	tcp_write(t, DOWN, 50000);
	ck_assert(tcp_run(t, 5000));
	ck_assert(on_own(s, t));
	only_own(s);
	sim_end(s);
}
END_TEST

/* -- trouble ------------------------------------------------------------------------ */

static msec outage(bool fast, enum dir d)
{
	struct sim_conf c = strict;
	struct sim *s;
	struct tcp *t;
	msec at;

	c.fast = fast ? 64 : 0;
	s = sim_up(&c);
	t = bulk(s, 40001, MEGABYTE);
	tcp_write(t, d, 4 * MEGABYTE);
	sim_run(s, 150);
	nat_reboot(&s->nat[0], 0xc6336480);
	at = s->now;
	ck_assert(tcp_run(t, 120 * 1000));
	at = s->now - at;
	ck_assert(on_own(s, t));
	sim_end(s);
	return at;
}

/* The NAT has forgotten all in mid-transfer: no slower than without. */
START_TEST(nat_forgets)
{
	enum dir d = _i ? DOWN : UP;
	msec plain = outage(false, d), fast = outage(true, d);

	ck_assert_uint_le(fast, plain + 300);
}
END_TEST

static bool is_at_most(struct sim *s, const struct node *n, uint16_t size)
{
	(void)s;
	return path_size(&n->e->link[0]) && path_size(&n->e->link[0]) <= size;
}

/* The path becomes narrower without a word, and datagrams do not repeat. */
START_TEST(path_shrinks)
{
	struct sim_conf c = { .seed = 3, .fast = 64, .black_hole = true,
		.inbound = "all" };
	struct sim *s = sim_up(&c);
	struct node *n = _i ? &s->hub : &s->edge[0];
	enum dir d = _i ? DOWN : UP;
	uint64_t got;

	for (int i = 0; i < 700; i++) { /* so long that M is sure again */
		udp_send(s, 0, d, 5000, 9, 1400);
		udp_send(s, 0, d, 5000, 9, 100);
		udp_send(s, 0, !d, 5000, 9, 100);
		sim_run(s, 100);
	}
	ck_assert_uint_gt(n->fast_packets[0], 500);
	s->conf.mtu = 1400;
	for (int i = 0; i < 600; i++) {
		udp_send(s, 0, d, 5000, 9, 1400);
		udp_send(s, 0, d, 5000, 9, 100);
		udp_send(s, 0, !d, 5000, 9, 100);
		sim_run(s, 100);
	}
	ck_assert(is_at_most(s, n, 1400));
	got = s->udp_got[d];
	udp_send(s, 0, d, 5000, 9, 1300);
	sim_run(s, 1000);
	ck_assert_uint_eq(s->udp_got[d], got + 1);
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fastpath");
	TCase *tc = tcase_create("fastpath");

	tcase_add_test(tc, enters);
	tcase_add_test(tc, elsewhere);
	tcase_add_loop_test(tc, ends, 0, 2);
	tcase_add_test(tc, off_and_on);
	tcase_add_test(tc, places);
	tcase_add_test(tc, keys_late);
	tcase_add_loop_test(tc, same_facts, 0, 2);
	tcase_add_test(tc, heard);
	tcase_add_loop_test(tc, wraps, 0, 3);
	tcase_add_loop_test(tc, nat_forgets, 0, 2);
	tcase_add_loop_test(tc, path_shrinks, 0, 2);
	return run_case(suite, tc);
}
