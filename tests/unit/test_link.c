/* SPDX-License-Identifier: MIT
 *
 * test_link.c - connections, links and what ends them (design 3.7, 5)
 */
#include "tests/sim/check.h"

static const struct sim_conf usual = { .seed = 51, .nat.strict = true,
	.inbound = "all" };

static bool pinged(struct sim *s, enum dir d)
{
	return sim_pinged(s, d, 148);
}

static bool is_up(struct sim *s, void *arg)
{
	(void)arg;
	return s->hub.e && s->edge[0].e && sim_link(&s->hub)->used &&
	       sim_link(&s->edge[0])->shared_up && sim_link(&s->hub)->shared_up;
}

START_TEST(any_order)
{
	struct sim *s = sim_new(&usual);

	sim_boot(s, _i & 1 ? &s->edge[0] : &s->hub);
	sim_run(s, _i & 2 ? 60 * 1000 : 100);
	sim_boot(s, _i & 1 ? &s->hub : &s->edge[0]);
	ck_assert(sim_run_until(s, is_up, NULL, 2000));
	sim_run(s, 1000);
	ck_assert(pinged(s, UP));
	ck_assert(pinged(s, DOWN));
	ck_assert_uint_eq(s->hub.out[OUT_ROUTE], 1);
	sim_end(s);
}
END_TEST

/* Traffic within 10 s of both being up, with UDP blocked as well. */
START_TEST(any_order_without_udp)
{
	struct sim_conf c = usual;
	struct sim *s;
	int tries = 0;

	c.nat.drop_udp = true;
	s = sim_new(&c);
	sim_boot(s, _i ? &s->edge[0] : &s->hub);
	sim_run(s, 20 * 1000);
	sim_boot(s, _i ? &s->hub : &s->edge[0]);
	while (!pinged(s, UP))
		ck_assert_int_lt(tries++, 33);
	ck_assert(pinged(s, DOWN));
	sim_end(s);
}
END_TEST

/* Control lost for minutes: everything that lives goes on. */
START_TEST(control_lost)
{
	struct sim *s = sim_up(&usual);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80), *u;

	tcp_write(t, UP, 20000);
	ck_assert(tcp_run(t, 5000));
	ck_assert(pinged(s, UP));
	sim_control(s, 0, false);
	for (int i = 0; i < 20; i++) {
		tcp_write(t, UP, 20000);
		tcp_write(t, DOWN, 20000);
		ck_assert(tcp_run(t, 5000));
		ck_assert(pinged(s, _i ? UP : DOWN));
		sim_run(s, 10 * 1000);
	}
	ck_assert(on_own(s, t));
	/* a new session, meanwhile */
	u = tcp_connect(s, 0, _i ? UP : DOWN, 40002, 81);
	tcp_write(u, UP, 200000);
	ck_assert(tcp_run(u, 5000));
	sim_control(s, 0, true);
	sim_run(s, 2000);
	ck_assert(sim_link(&s->edge[0])->control != NONE);
	tcp_write(u, UP, 200000);
	ck_assert(tcp_run(u, 5000));
	ck_assert(on_own(s, u));
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

/* Control lost while nothing is sent: shared's mapping is kept all the same,
 * and a hub that is gone is found out.
 */
START_TEST(control_lost_in_silence)
{
	struct sim_conf c = usual;
	struct sim *s;

	c.nat.udp_ms = 15 * 1000;
	s = sim_up(&c);
	ck_assert(pinged(s, UP));
	sim_control(s, 0, false);
	sim_run(s, 3 * 60 * 1000);
	ck_assert(sim_link(&s->edge[0])->shared_up);
	ck_assert(pinged(s, DOWN));
	s->hub.stopped = true;
	sim_run(s, 25 * 1000);
	ck_assert(!sim_link(&s->edge[0])->shared_up);
	sim_end(s);
}
END_TEST

/* The hub ends and control with it: known in seconds. */
START_TEST(hub_ends)
{
	struct sim *s = sim_up(&usual);

	s->hub.stopped = true;
	sim_control(s, 0, false);
	sim_run(s, 8 * 1000);
	ck_assert(!sim_link(&s->edge[0])->shared_up);
	sim_end(s);
}
END_TEST

/* Reconnects in the midst of everything. */
START_TEST(control_flaps)
{
	struct sim *s = sim_up(&usual);
	struct tcp *t[8];

	for (int i = 0; i < 8; i++) {
		t[i] = tcp_connect(s, 0, i & 1 ? UP : DOWN,
				   (uint16_t)(40000 + i), 80);
		tcp_write(t[i], UP, 200000);
		tcp_write(t[i], DOWN, 200000);
		sim_run(s, rand_below(&s->rand, 200));
		sim_control(s, 0, false);
		sim_run(s, rand_below(&s->rand, 200));
		sim_control(s, 0, true);
		sim_run(s, rand_below(&s->rand, 1200));
	}
	for (int i = 0; i < 8; i++)
		ck_assert(tcp_run(t[i], 60 * 1000));
	sim_run(s, 20 * 1000);
	for (int i = 0; i < 8; i++)
		ck_assert(on_own(s, t[i]) || off_own(s, t[i]));
	sim_end(s);
}
END_TEST

/* Any one of the first messages is the last of its connection. */
struct breaks {
	int at, count;
};

static void cut_all(struct sim *s, void *arg)
{
	(void)arg;
	sim_control(s, 0, false);
	sim_control(s, 0, true);
}

static bool break_at(struct sim *s, struct wire *w, void *arg)
{
	struct breaks *b = arg;

	if (w->kind == WIRE_MESSAGE && b->count++ == b->at)
		sim_at(s, 0, cut_all, NULL);
	return false;
}

START_TEST(connection_breaks)
{
	struct breaks b = { .at = _i };
	struct sim *s = sim_new(&usual);

	s->hook = break_at;
	s->hook_arg = &b;
	sim_start(s);
	sim_run(s, 8000);
	ck_assert_uint_ne(sim_link(&s->edge[0])->control, NONE);
	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_UP);
	ck_assert(pinged(s, UP) && pinged(s, DOWN));
	sim_end(s);
}
END_TEST

/* Each of the first datagrams lost once: latch, punches, sizes. */
START_TEST(datagram_lost)
{
	struct nth n = { .kind = WIRE_DATAGRAM, .dir = -1, .at = _i };
	struct sim *s = sim_new(&usual);

	sim_hook(s, &n);
	sim_start(s);
	ck_assert(sim_link(&s->edge[0])->shared_up);
	ck_assert(sim_link(&s->hub)->shared_up);
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), 1500);
	ck_assert(pinged(s, UP) && pinged(s, DOWN));
	ck_assert_uint_eq(s->edge[0].out[OUT_WANT_RELAY], 0);
	sim_end(s);
}
END_TEST

/* Nothing is left of an edge that stays away. */
START_TEST(gone)
{
	struct sim *s = sim_up(&usual);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 1000);
	ck_assert(tcp_run(t, 5000));
	sim_control(s, 0, false);
	s->edge[0].stopped = true;
	t->end[UP].reset = t->end[DOWN].reset = true;
	sim_run(s, 11 * 60 * 1000);
	ck_assert(!sim_link(&s->hub)->used);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 0);
	ck_assert_uint_eq(sim_own(&s->hub, CARRIER_FREE), s->conf.own);
	ck_assert_uint_eq(s->hub.notes[NOTE_LINK_GONE], 1);
	ck_assert_uint_eq(s->hub.out[OUT_ROUTE], 2);
	sim_end(s);
}
END_TEST

START_TEST(revoked)
{
	struct sim *s = sim_up(&usual);

	engine_revoke(s->hub.e, 1, s->now);
	engine_revoke(s->hub.e, s->hub.conf.links, s->now);
	ck_assert(sim_link(&s->hub)->used);
	engine_revoke(s->hub.e, 0, s->now);
	ck_assert(sim_link(&s->hub)->ending);
	pump(&s->hub);
	sim_run(s, 100);
	ck_assert(!sim_link(&s->hub)->used);
	ck_assert_uint_eq(sim_link(&s->edge[0])->control, NONE);
	sim_end(s);
}
END_TEST

/* Sessions that only the hub knows, as if the edge had opened them. */
static void many_sessions(struct sim *s, uint32_t count)
{
	struct tuple t = { .host = sim_host(0), .peer = sim_peer(),
		.proto = PROTO_UDP };

	for (uint32_t i = 0; i < count; i++) {
		t.host_port = (uint16_t)i;
		ck_assert_uint_ne(session_add(s->hub.e, &t, 0, BY_HOST,
					      s->now), NONE);
	}
}

/* A link with many sessions ends in pieces; nothing passes meanwhile, and the
 * outbox can name it.
 */
START_TEST(ends_in_pieces)
{
	struct sim_conf c = usual;
	struct link_status st;
	const struct out *o;
	bool route_off = false;
	struct sim *s;
	uint32_t had, ticks = 0;

	c.sessions = 16384;
	s = sim_up(&c);
	many_sessions(s, 5000);
	had = engine_sessions(s->hub.e);
	engine_revoke(s->hub.e, 0, s->now);
	ck_assert_uint_eq(engine_sessions(s->hub.e), had);
	while ((o = engine_next(s->hub.e))) {
		route_off |= o->kind == OUT_ROUTE && !o->on;
		if (o->kind == OUT_ROUTE)
			ck_assert(engine_link(s->hub.e, o->link, &st));
	}
	ck_assert(route_off);
	udp_send(s, 0, DOWN, 5, 0, 10);	/* a session that is not gone yet */
	ck_assert_uint_eq(s->udp_got[DOWN], 0);
	for (; sim_link(&s->hub)->used; ticks++) {
		uint32_t before = engine_sessions(s->hub.e);

		ck_assert_int_lt(ticks, 100);
		ck_assert_uint_le(engine_deadline(s->hub.e), s->now + 5);
		s->now += 4;
		engine_tick(s->hub.e, s->now);
		ck_assert_uint_le(before - engine_sessions(s->hub.e), 2048);
		while (engine_next(s->hub.e))
			;
	}
	ck_assert_uint_ge(ticks, 4);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 0);
	sim_end(s);
}
END_TEST

/* The edge is back before its link has ended: what is left goes on. */
START_TEST(back_while_ending)
{
	struct sim_conf c = usual;
	struct sim *s;

	c.sessions = 16384;
	s = sim_up(&c);
	many_sessions(s, 5000);
	engine_revoke(s->hub.e, 0, s->now);
	s->now += 8;
	engine_tick(s->hub.e, s->now);
	ck_assert(sim_link(&s->hub)->ending);
	pump(&s->hub); /* the edge is told, and dials again after 500 ms */
	link_due(s->hub.e, sim_link(&s->hub), TIMER_SWEEP, s->now + 2000);
	sim_run(s, 5000);
	ck_assert(sim_link(&s->hub)->used);
	ck_assert(!sim_link(&s->hub)->ending);
	ck_assert_uint_ne(sim_link(&s->hub)->control, NONE);
	udp_send(s, 0, UP, 7000, ECHO_PORT, 10);
	sim_run(s, 500);
	ck_assert_uint_ge(s->udp_got[DOWN], 1);
	sim_end(s);
}
END_TEST

/* -- copies of a bundle: two processes with the same prefix ------------------------ */

START_TEST(copied_bundle)
{
	struct sim_conf c = usual;
	struct sim *s;
	uint32_t last = c.edges = 2 + (uint32_t)_i;

	s = sim_new(&c);
	sim_boot(s, &s->hub);
	for (uint32_t i = 0; i < last; i++) {
		s->edge[i].conf.prefix = s->edge[0].conf.prefix;
		sim_boot(s, &s->edge[i]);
		sim_run(s, 300);
	}
	sim_run(s, 60 * 1000);
	/* the newest has it, each other is told, and nothing goes to and fro */
	ck_assert_uint_ge(s->hub.notes[NOTE_CLONED], last - 1);
	ck_assert_uint_eq(s->hub.notes[NOTE_LINK_UP], last);
	for (uint32_t i = 0; i < last; i++)
		ck_assert((sim_link(&s->edge[i])->control != NONE) ==
			  (i + 1 == last));
	/* when that one is gone, a former one may have it */
	sim_control(s, last - 1, false);
	s->edge[last - 1].stopped = true;
	sim_run(s, 2000);
	ck_assert_uint_ge(s->hub.notes[NOTE_LINK_UP], last + 1);
	sim_free(s);
}
END_TEST

/* -- a relay that is no more ------------------------------------------------------------ */

static bool swallow_pipe(struct sim *s, struct wire *w, void *arg)
{
	(void)s;
	return w->kind == WIRE_MESSAGE && w->pipe == *(uint32_t *)arg;
}

START_TEST(relay_black_hole)
{
	struct sim_conf c = usual;
	uint32_t pipe = 0;
	struct sim *s;

	c.nat.drop_udp = true;
	s = sim_up(&c);
	sim_run(s, 3000);
	while (!s->pipe[pipe].used || s->pipe[pipe].kind != CONN_RELAY)
		pipe++;
	ck_assert(pinged(s, UP) && pinged(s, DOWN));
	s->hook = swallow_pipe;
	s->hook_arg = &pipe;
	ck_assert(!pinged(s, DOWN));
	sim_run(s, 22 * 1000);
	ck_assert(pinged(s, DOWN) && pinged(s, UP));
	sim_end(s);
}
END_TEST

START_TEST(links_full)
{
	struct sim_conf c = usual;
	struct sim *s;

	c.edges = 3;
	s = sim_new(&c);
	s->hub.conf.links = 2;
	sim_start(s);
	sim_run(s, 10 * 1000);
	ck_assert_uint_eq((sim_link(&s->edge[0])->control != NONE) +
			  (sim_link(&s->edge[1])->control != NONE) +
			  (sim_link(&s->edge[2])->control != NONE), 2);
	sim_end(s);
}
END_TEST

/* -- hostile ---------------------------------------------------------------------- */

static struct wire message(struct sim *s, enum dir d)
{
	struct wire w = { .kind = WIRE_MESSAGE, .dir = d };

	while (w.pipe < s->pipes && (!s->pipe[w.pipe].used ||
				     !s->pipe[w.pipe].open[UP] ||
				     !s->pipe[w.pipe].open[DOWN]))
		w.pipe++;
	return w;
}

/* Random messages, each of a right length: counted, connection ended. */
START_TEST(random_messages)
{
	struct sim *s = sim_up(&usual);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 100);
	ck_assert(tcp_run(t, 2000));
	for (int i = 0; i < 2000; i++) {
		struct wire w = message(s, i & 1 ? UP : DOWN);

		if (w.pipe == s->pipes || s->pipes > SIM_PIPES - 4) {
			sim_run(s, 700);
			continue;
		}
		w.len = MSG_HEADER + rand_below(&s->rand, 120);
		rand_bytes(&s->rand, wire_at(&w), w.len);
		put16(wire_at(&w), (uint16_t)(w.len - 2));
		wire_at(&w)[2] = (uint8_t)rand_below(&s->rand, 24);
		sim_arrive(s, &w);
		sim_run(s, i % 7 ? 0 : 700);
	}
	sim_run(s, 30 * 1000);
	ck_assert_uint_gt(s->hub.e->drops[DROP_BAD_MESSAGE] +
			  s->edge[0].e->drops[DROP_BAD_MESSAGE], 10);
	sim_control(s, 0, false);
	sim_free(s);
}
END_TEST

/* Every message of a running link, bent and cut. */
struct keep {
	struct wire w[64];
	int count;
};

static bool keep_messages(struct sim *s, struct wire *w, void *arg)
{
	struct keep *k = arg;

	(void)s;
	if (w->kind == WIRE_MESSAGE && k->count < 64)
		k->w[k->count++] = *w;
	return false;
}

START_TEST(bent_messages)
{
	struct keep *k = calloc(1, sizeof(*k));
	struct sim *s = sim_new(&usual);
	struct tcp *t;

	s->hook = keep_messages;
	s->hook_arg = k;
	sim_start(s);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 100000);
	ck_assert(tcp_run(t, 2000));
	pinged(s, UP);
	s->hook = NULL;
	for (int i = 0; i < k->count; i++)
		for (int n = 0; n < 30; n++) {
			struct wire w = message(s, k->w[i].dir), b = k->w[i];
			size_t at = 2 + rand_below(&s->rand,
						   (uint32_t)b.len - 2);

			if (w.pipe == s->pipes || s->pipes > SIM_PIPES - 4) {
				sim_run(s, 700);
				continue;
			}
			b.pipe = w.pipe;
			wire_at(&b)[at] = (uint8_t)rand32(&s->rand);
			if (n & 1)
				b.len = 1 + rand_below(&s->rand,
						       (uint32_t)b.len);
			if (n & 2 && b.len > 2)
				put16(wire_at(&b), (uint16_t)(b.len - 2));
			sim_arrive(s, &b);
			sim_run(s, n % 5 ? 0 : 100);
		}
	free(k);
	sim_free(s);
}
END_TEST

START_TEST(stop)
{
	struct sim *s = sim_up(&usual);
	struct node *n = _i ? &s->hub : &s->edge[0];
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 1000);
	ck_assert(tcp_run(t, 2000));
	engine_stop(n->e, s->now);
	pump(n);
	n->stopped = true;
	sim_run(s, 200);
	ck_assert_uint_eq(nat_flows(s, &s->nat[0], PROTO_TCP), 0);
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("link");
	TCase *tc = tcase_create("link");

	tcase_add_loop_test(tc, any_order, 0, 4);
	tcase_add_loop_test(tc, any_order_without_udp, 0, 2);
	tcase_add_loop_test(tc, control_lost, 0, 2);
	tcase_add_test(tc, control_lost_in_silence);
	tcase_add_test(tc, hub_ends);
	tcase_add_test(tc, control_flaps);
	tcase_add_loop_test(tc, connection_breaks, 0, 20);
	tcase_add_loop_test(tc, datagram_lost, 0, 12);
	tcase_add_test(tc, gone);
	tcase_add_test(tc, revoked);
	tcase_add_test(tc, ends_in_pieces);
	tcase_add_test(tc, back_while_ending);
	tcase_add_loop_test(tc, copied_bundle, 0, 3);
	tcase_add_test(tc, relay_black_hole);
	tcase_add_test(tc, links_full);
	tcase_add_test(tc, random_messages);
	tcase_add_test(tc, bent_messages);
	tcase_add_loop_test(tc, stop, 0, 2);
	return run_both(suite, tc);
}
