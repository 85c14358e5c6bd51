/* SPDX-License-Identifier: MIT
 *
 * test_session.c - opened, aged, closed; hop limits; full tables; budget
 */
#include "core/own.h"
#include "tests/sim/check.h"

static const struct sim_conf all = { .seed = 41, .nat.strict = true,
	.inbound = "all" };

/* -- life ---------------------------------------------------------------------- */

START_TEST(fin_both_ways)
{
	struct sim *s = sim_up(&all);
	enum dir first = _i & 1 ? DOWN : UP, closes = _i & 2 ? DOWN : UP;
	struct tcp *t = tcp_connect(s, 0, first, 40001, 80);

	tcp_write(t, closes, 5000);
	tcp_finish(t, closes);
	ck_assert(tcp_run(t, 5000));
	sim_run(s, 30 * 1000); /* half closed: it goes on */
	tcp_write(t, !closes, 70000);
	ck_assert(tcp_run(t, 5000));
	tcp_finish(t, !closes);
	ck_assert(tcp_run(t, 5000));
	sim_run(s, 1000);
	ck_assert_int_eq(session_at(&s->edge[0], t)->state, SESSION_CLOSING);
	ck_assert_int_eq(session_at(&s->hub, t)->state, SESSION_CLOSING);
	sim_run(s, 20 * 1000);
	ck_assert_ptr_null(session_at(&s->edge[0], t));
	ck_assert_ptr_null(session_at(&s->hub, t));
	ck_assert_uint_eq(sim_link(&s->edge[0])->own_active, 0);
	ck_assert_uint_eq(sim_link(&s->hub)->own_active, 0);
	ck_assert_uint_eq(nat_flows(s, &s->nat[0], PROTO_TCP), 0);
	sim_end(s);
}
END_TEST

/* The same ports again, a second after the end. */
START_TEST(tuple_used_again)
{
	struct sim *s = sim_up(&all);
	enum dir first = _i & 1 ? DOWN : UP;

	for (int i = 0; i < 4; i++) {
		struct tcp *t = tcp_connect(s, 0, first, 40001, 80);

		tcp_write(t, UP, 100);
		tcp_write(t, DOWN, 100);
		ck_assert(tcp_run(t, 10000));
		ck_assert_uint_eq(t->end[first].connected - t->started, 60);
		sim_run(s, 100);
		ck_assert(on_own(s, t)); /* the SYN opened it */
		tcp_write(t, UP, 20000);
		tcp_write(t, DOWN, 20000);
		ck_assert(tcp_run(t, 10000));
		if (_i & 2) {
			tcp_abort(t, UP);
		} else {
			tcp_finish(t, UP);
			tcp_finish(t, DOWN);
			ck_assert(tcp_run(t, 5000));
		}
		sim_run(s, _i & 4 ? 200 : 1000);
		tcp_forget(t);
	}
	sim_end(s);
}
END_TEST

/* What the peer opens with the ports of a connection that is over is inbound:
 * the policy decides.
 */
START_TEST(peer_uses_tuple_again)
{
	struct sim_conf c = all;
	struct sim *s;
	struct tcp *t;

	c.inbound = _i & 1 ? "tcp/40001" : NULL;
	s = sim_up(&c);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 100);
	ck_assert(tcp_run(t, 5000));
	if (_i & 2) {
		tcp_abort(t, DOWN);
	} else {
		tcp_finish(t, UP);
		tcp_finish(t, DOWN);
		ck_assert(tcp_run(t, 5000));
	}
	sim_run(s, 500);
	tcp_forget(t);
	t = tcp_connect(s, 0, DOWN, 40001, 80);
	tcp_write(t, DOWN, 100);
	ck_assert(tcp_run(t, 5000) == (_i & 1));
	ck_assert_int_eq(s->icmp_errors[UP] == 0, _i & 1);
	sim_end(s);
}
END_TEST

START_TEST(time_outs)
{
	struct sim *s = sim_up(&all);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	struct tcp *half = tcp_new(s, 0, 40002, 81);

	tcp_write(t, UP, 5000);
	ck_assert(tcp_run(t, 5000));
	half->end[UP].reset = true; /* sends one SYN, and is gone */
	tcp_begin(half, UP);
	half->end[DOWN].state = TCP_CLOSED;
	ping_send(s, 0, UP, 10);
	udp_send(s, 0, UP, 1000, ECHO_PORT, 10);
	udp_send(s, 0, UP, 1000, 53, 10);
	sim_run(s, 1000);
	ck_assert_uint_eq(engine_sessions(s->edge[0].e), 5);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 5);
	sim_run(s, 31 * 1000); /* DNS */
	ck_assert_uint_eq(engine_sessions(s->hub.e), 4);
	sim_run(s, 30 * 1000); /* ping */
	ck_assert_uint_eq(engine_sessions(s->hub.e), 3);
	sim_run(s, 240 * 1000); /* UDP, half-open TCP */
	ck_assert_uint_eq(engine_sessions(s->hub.e), 1);
	ck_assert_uint_eq(engine_sessions(s->edge[0].e), 1);
	sim_run(s, 23 * 3600 * 1000ull);
	ck_assert_ptr_nonnull(session_at(&s->hub, t));
	sim_run(s, 3600 * 1000);
	ck_assert_ptr_null(session_at(&s->hub, t));
	ck_assert_ptr_null(session_at(&s->edge[0], t));
	sim_end(s);
}
END_TEST

/* A forged RST from the Internet far out of the window ends nothing. */
START_TEST(forged_reset)
{
	struct sim *s = sim_up(&all);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	uint8_t packet[200], l4[TCP_HDR] = { 0, 80, 40001 >> 8,
		(uint8_t)40001 };
	size_t len;

	tcp_write(t, UP, 5000);
	tcp_write(t, DOWN, 5000);
	ck_assert(tcp_run(t, 5000));
	l4[12] = 5 << 4;
	l4[13] = TCP_RST;
	put32(l4 + 4, t->end[DOWN].nxt + 0x20000000);
	len = packet_build(packet, &t->peer, &t->host, PROTO_TCP,
			   (struct span){ l4, sizeof(l4) });
	sim_inner(s, &s->hub, (struct span){ packet, len });
	sim_run(s, 1000);
	ck_assert_int_eq(session_at(&s->hub, t)->state, SESSION_LIVE);
	ck_assert_int_eq(session_at(&s->edge[0], t)->state, SESSION_LIVE);
	ck_assert(on_own(s, t));
	/* the host decides: ours believes any */
	sim_end(s);
}
END_TEST

/* -- what a side has sent (tcptrack.c) --------------------------------------------- */

/* Timestamps start anywhere, also for a side that is learned in mid-stream. */
START_TEST(stamps_of_mid_stream)
{
	struct tcp_side up = { .known = _i ? KNOWN_ANY | KNOWN_TS : 0,
		.end = 1000 };
	struct pkt p = { .flags = TCP_ACK, .seq = 1000, .seg_len = 10,
		.opts = { .has_ts = true, .ts_val = 0xf0000000 } };

	tcp_track(&up, &p);
	ck_assert_uint_eq(up.ts, 0xf0000000);
	p.seq += 10;
	p.opts.ts_val = 0xfffffff0;
	tcp_track(&up, &p);
	p.opts.ts_val = 5; /* wrapped */
	tcp_track(&up, &p);
	ck_assert_uint_eq(up.ts, 5);
	p.opts.ts_val = 0xffffff00; /* an old one, late */
	tcp_track(&up, &p);
	ck_assert_uint_eq(up.ts, 5);
}
END_TEST

/* A FIN with data of the same side behind it was not that side's. */
START_TEST(fin_was_forged)
{
	struct tcp_side up = { 0 };
	struct pkt p = { .flags = TCP_ACK, .seq = 0xfffffff0, .seg_len = 8 };

	tcp_track(&up, &p);
	p.flags = TCP_ACK | TCP_FIN;
	p.seq += 8;
	p.seg_len = 1;
	tcp_track(&up, &p);
	ck_assert(up.known & KNOWN_FIN);
	ck_assert(tcp_track(&up, &p)); /* again: it stays */
	ck_assert(up.known & KNOWN_FIN);
	p.flags = TCP_ACK;
	p.seg_len = 100;
	tcp_track(&up, &p);
	ck_assert(!(up.known & KNOWN_FIN));
}
END_TEST

/* -- hop limit (design 4) -------------------------------------------------------- */

static uint8_t seen_hop(struct tcp *t, enum dir d, uint8_t hop)
{
	t->end[d].hop = hop;
	tcp_write(t, d, 100);
	ck_assert(tcp_run(t, 5000));
	return t->end[!d].hop_seen;
}

START_TEST(hop_limits)
{
	enum dir d = _i ? DOWN : UP;
	struct sim *s = sim_up(&all);
	struct node *n = d == UP ? &s->edge[0] : &s->hub;
	struct tcp *t = tcp_new(s, 0, 40001, 80);
	uint64_t own;

	t->end[d].hop = 57;
	tcp_begin(t, UP);
	ck_assert_uint_eq(seen_hop(t, d, 57), 57);
	sim_run(s, 1100);
	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(seen_hop(t, d, 57), 57);
		sim_run(s, 500);
	}
	/* a lower one goes explicit, with what it has */
	own = via_sent(n, VIA_OWN);
	ck_assert_uint_eq(seen_hop(t, d, 3), 3);
	ck_assert_uint_eq(via_sent(n, VIA_OWN), own);
	/* a higher one is delivered with the agreed one, or its own; never more */
	for (int i = 0; i < 10; i++) {
		uint8_t hop = seen_hop(t, d, 60);

		ck_assert_uint_le(hop, 60);
		sim_run(s, 300);
	}
	sim_end(s);
}
END_TEST

/* Keeps the last HOPS back. */
static bool hold_hops(struct sim *s, struct wire *w, void *arg)
{
	struct wire *held = arg;

	(void)s;
	if (w->kind != WIRE_MESSAGE || wire_at(w)[2] != MSG_HOPS)
		return false;
	*held = *w;
	return true;
}

/* A path gets longer: nobody sees a hop limit higher than was sent, even while
 * the message that tells of it is under way.
 */
START_TEST(hop_limit_told_late)
{
	enum dir d = _i ? DOWN : UP;
	struct sim *s = sim_up(&all);
	struct tcp *t = tcp_new(s, 0, 40001, 80);
	struct wire *held = calloc(1, sizeof(*held));
	uint64_t own;

	t->end[d].hop = 57;
	tcp_begin(t, UP);
	ck_assert_uint_eq(seen_hop(t, d, 57), 57);
	sim_run(s, 1100);
	ck_assert_uint_eq(seen_hop(t, d, 57), 57);
	s->hook = hold_hops;
	s->hook_arg = held;
	for (int i = 0; i < 60; i++) {
		ck_assert_uint_eq(seen_hop(t, d, 40), 40);
		if (held->len && i % 3 == 2) {
			sim_arrive(s, held);
			held->len = 0;
		}
		sim_run(s, 100);
	}
	s->hook = NULL;
	own = via_sent(d == UP ? &s->edge[0] : &s->hub, VIA_OWN);
	ck_assert_uint_eq(seen_hop(t, d, 40), 40);
	ck_assert_uint_gt(via_sent(d == UP ? &s->edge[0] : &s->hub, VIA_OWN),
			  own);
	free(held);
	sim_end(s);
}
END_TEST

/* traceroute: small hop limits arrive as they were sent. */
START_TEST(traceroute)
{
	struct sim *s = sim_up(&all);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 70000);
	ck_assert(tcp_run(t, 5000));
	for (int i = 0; i < 3; i++) {
		sim_run(s, 2000);
		for (uint8_t hop = 1; hop < 8; hop++)
			ck_assert_uint_eq(seen_hop(t, UP, hop), hop);
		sim_run(s, 1100);
		ck_assert_uint_eq(seen_hop(t, UP, 64), 64);
		sim_run(s, 1100);
		ck_assert_uint_eq(seen_hop(t, UP, 64), 64);
	}
	sim_end(s);
}
END_TEST

/* mtr: one flow of pings, all hop limits, for seconds. */
START_TEST(ping_traceroute)
{
	struct addr6 host = sim_host(0), peer = sim_peer();
	struct sim *s = sim_up(&all);
	uint8_t packet[200], l4[8 + 20] = { ICMP6_ECHO };
	size_t len = packet_build(packet, &host, &peer, PROTO_ICMP6,
				  (struct span){ l4, sizeof(l4) });

	for (int i = 0; i < 200; i++) {
		packet[7] = (uint8_t)(2 + i % 20);
		sim_inner(s, &s->edge[0], (struct span){ packet, len });
		sim_run(s, 100);
		ck_assert_uint_eq(s->ping_hop, packet[7]);
	}
	sim_end(s);
}
END_TEST

/* -- full ------------------------------------------------------------------------- */

START_TEST(sessions_full)
{
	struct sim_conf c = all;
	struct sim *s;
	struct tcp *t;

	c.sessions = 32;
	s = sim_up(&c);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 5000);
	ck_assert(tcp_run(t, 5000));
	for (uint16_t i = 0; i < 200; i++) {
		udp_send(s, 0, UP, (uint16_t)(1000 + i), ECHO_PORT, 10);
		sim_run(s, 10);
	}
	ck_assert_uint_gt(s->udp_got[DOWN], 10);
	ck_assert_uint_gt(s->hub.e->drops[DROP_FULL_SESSIONS] +
			  s->edge[0].e->drops[DROP_FULL_SESSIONS], 100);
	tcp_write(t, UP, 50000);
	tcp_write(t, DOWN, 50000);
	ck_assert(tcp_run(t, 10000));
	sim_run(s, 10 * 60 * 1000);
	ck_assert_uint_eq(engine_sessions(s->edge[0].e), 1);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 1);
	udp_send(s, 0, UP, 7777, ECHO_PORT, 10);
	s->udp_got[DOWN] = 0;
	sim_run(s, 500);
	ck_assert_uint_eq(s->udp_got[DOWN], 1);
	sim_end(s);
}
END_TEST

static void many(struct sim *s, enum dir first)
{
	struct tcp *t[30];

	for (uint16_t i = 0; i < 30; i++) {
		t[i] = tcp_connect(s, 0, first, (uint16_t)(40000 + i),
				   (uint16_t)(80 + i));
		tcp_write(t[i], UP, 10000);
		tcp_write(t[i], DOWN, 10000);
		sim_run(s, 50);
	}
	for (int i = 0; i < 30; i++)
		ck_assert(tcp_run(t[i], 20 * 1000));
	for (int i = 0; i < 30; i++)
		ck_assert(on_own(s, t[i]) || off_own(s, t[i]));
}

/* No place for another carrier: shared. */
static uint32_t add(struct sim *s, uint32_t link, uint16_t port,
		    enum initiator by)
{
	struct tuple t = { .host = sim_host(link), .peer = sim_peer(),
		.proto = PROTO_UDP, .host_port = port };

	return session_add(s->hub.e, &t, link, by, s->now);
}

/* Who evicts whom: first the half-open ones of the same link, the oldest
 * first, then those of others; what the host opened goes never.
 */
START_TEST(evicted_first)
{
	struct sim_conf c = all;
	struct sim *s;
	uint32_t a, b;

	c.edges = 3;
	c.sessions = 64;
	s = sim_up(&c);
	a = add(s, 0, 1, BY_PEER);
	add(s, 0, 2, BY_PEER);
	b = add(s, 1, 3, BY_PEER);
	session_alive(s->hub.e, add(s, 1, 4, BY_PEER), s->now);
	for (uint16_t i = 0; engine_sessions(s->hub.e) < 64; i++)
		ck_assert_uint_ne(add(s, i % 3, (uint16_t)(100 + i), BY_HOST),
				  NONE);
	ck_assert_uint_eq(add(s, 1, 1000, BY_HOST), b);
	ck_assert_uint_eq(add(s, 1, 1001, BY_HOST), a);
	ck_assert_uint_ne(add(s, 1, 1002, BY_HOST), NONE);
	ck_assert_uint_eq(add(s, 1, 1003, BY_HOST), NONE);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 64);
	sim_end(s);
}
END_TEST

/* All time out in the same moment: no call does it all. */
START_TEST(closes_in_pieces)
{
	struct sim_conf c = all;
	struct sim *s;
	uint32_t calls = 0, before;

	c.sessions = 16384;
	s = sim_up(&c);
	for (uint16_t i = 0; i < 5000; i++)
		ck_assert_uint_ne(add(s, 0, i, BY_HOST), NONE);
	s->now += 6 * 60 * 1000;
	while ((before = engine_sessions(s->hub.e))) {
		ck_assert_uint_le(engine_deadline(s->hub.e), s->now);
		engine_tick(s->hub.e, s->now);
		while (engine_next(s->hub.e))
			;
		ck_assert_uint_le(before - engine_sessions(s->hub.e), 1024);
		ck_assert_int_lt(++calls, 100);
	}
	ck_assert_uint_ge(calls, 5);
	sim_end(s);
}
END_TEST

START_TEST(own_full)
{
	struct sim_conf c = all;
	struct sim *s;

	c.own = 8;
	s = sim_up(&c);
	many(s, _i ? DOWN : UP);
	ck_assert_uint_gt(via_sent(&s->edge[0], VIA_SHARED), 100);
	sim_end(s);
}
END_TEST

/* The hub has no place for the carrier: the copy of the SYN in OPEN is not lost
 * with it, and the path is not to blame.
 */
START_TEST(own_refused)
{
	struct sim_conf c = all;
	struct sim *s = sim_new(&c);
	struct tcp *t[6];

	s->hub.conf.own = 1;
	sim_start(s);
	for (uint16_t i = 0; i < 6; i++) {
		t[i] = tcp_connect(s, 0, UP, (uint16_t)(40000 + i),
				   (uint16_t)(80 + i));
		tcp_write(t[i], UP, 100);
		ck_assert(tcp_run(t[i], 5000));
		ck_assert_uint_eq(t[i]->end[UP].connected - t[i]->started, 60);
		sim_run(s, 12 * 1000);
		ck_assert(i ? off_own(s, t[i]) : on_own(s, t[i]));
	}
	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_UP);
	tcp_finish(t[0], UP);
	tcp_finish(t[0], DOWN);
	ck_assert(tcp_run(t[0], 5000));
	sim_run(s, 20 * 1000);
	tcp_write(t[1], DOWN, 100000);
	ck_assert(tcp_run(t[1], 5000));
	ck_assert(on_own(s, t[1]));
	sim_end(s);
}
END_TEST

/* An OPEN that contradicts itself opens nothing. */
START_TEST(open_contradicts)
{
	struct sim *s = sim_up(&all);
	struct msg_open m = { .kind = _i ? OPEN_UDP : OPEN_MID, .carrier = 77,
		.host = sim_host(0), .peer = sim_peer(), .host_port = 5,
		.proto = _i ? PROTO_TCP : PROTO_UDP, .peer_port = 6,
		.hport = SIM_LO, .eport = SIM_LO };

	carrier_message_open(s->hub.e, sim_link(&s->hub), &m, s->now);
	ck_assert_uint_eq(s->hub.e->drops[DROP_BAD_MESSAGE], 1);
	ck_assert_uint_eq(sim_link(&s->hub)->own_active, 0);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 0);
	sim_end(s);
}
END_TEST

/* Budget spent (3.6): new sessions stay on shared, the kept quarter is kept. */
START_TEST(budget_spent)
{
	struct sim_conf c = all;
	struct sim *s;
	struct tcp *t;

	c.budget = 16;
	s = sim_up(&c);
	many(s, UP);
	ck_assert_uint_le(sim_link(&s->edge[0])->own_active, 12);
	ck_assert_uint_ge(sim_link(&s->edge[0])->own_active, 8);
	t = tcp_connect(s, 0, UP, 41000, 90);
	tcp_write(t, UP, 300000);
	ck_assert(tcp_run(t, 20 * 1000));
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

START_TEST(inbound_quarter)
{
	struct sim_conf c = all;
	struct sim *s;

	c.budget = 32;
	s = sim_up(&c);
	many(s, DOWN);
	ck_assert_uint_le(sim_link(&s->edge[0])->own_inbound, 8);
	ck_assert_uint_ge(sim_link(&s->edge[0])->own_inbound, 4);
	sim_end(s);
}
END_TEST

/* Inbound connections that come and go do not eat the budget: those closed in
 * the last 240 s count in their quarter.
 */
START_TEST(inbound_quarter_of_closed)
{
	struct sim_conf c = all;
	struct sim *s;
	struct tcp *t;

	c.budget = 32;
	s = sim_up(&c);
	for (uint16_t i = 0; i < 40; i++) {
		t = tcp_connect(s, 0, DOWN, (uint16_t)(40000 + i), 80);
		tcp_write(t, UP, 20000);
		ck_assert(tcp_run(t, 5000));
		tcp_finish(t, UP);
		tcp_finish(t, DOWN);
		ck_assert(tcp_run(t, 5000));
		sim_run(s, 2000);
		tcp_forget(t);
	}
	t = tcp_connect(s, 0, UP, 41000, 90);
	tcp_write(t, UP, 100);
	ck_assert(tcp_run(t, 5000));
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

/* Sessions that live on without a word give their carriers back. */
START_TEST(idle_make_room)
{
	struct sim_conf c = all;
	struct sim *s;
	struct tcp *t[40];

	c.budget = 32;
	s = sim_up(&c);
	for (int round = 0; round < 2; round++) {
		for (uint16_t i = 0; i < 20; i++) {
			uint16_t port = (uint16_t)(40000 + 20 * round + i);

			t[20 * round + i] = tcp_connect(s, 0, UP, port, port);
			tcp_write(t[20 * round + i], UP, 100);
			ck_assert(tcp_run(t[20 * round + i], 5000));
		}
		for (int i = 0; i < 20; i++)
			ck_assert(on_own(s, t[20 * round + i]));
		/* the oldest are closed, one in 7.5 s, and counted 240 s */
		sim_run(s, 20 * 1000);
		ck_assert_uint_ge(sim_link(&s->edge[0])->own_active, 20);
		sim_run(s, 600 * 1000);
	}
	for (int i = 0; i < 40; i++) {
		tcp_write(t[i], DOWN, 1000);
		ck_assert(tcp_run(t[i], 5000));
		ck_assert_uint_eq(t[i]->end[DOWN].repeated, 0);
	}
	sim_end(s);
}
END_TEST

/* Control is lost while own carriers live: a NAT that evicts by quota. Not so if
 * the hub died.
 */
START_TEST(control_evicted)
{
	struct sim *s = sim_up(&all);
	struct link *l = sim_link(&s->edge[0]);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	for (int i = 0; i < 100; i++) {
		tcp_write(t, UP, 20000);
		sim_run(s, 100);
		if (i == 30 && _i)
			sim_restart(s, &s->hub);
		else if (i == 30)
			sim_control(s, 0, false);
		else if (i == 35)
			sim_control(s, 0, true);
	}
	ck_assert_uint_eq(l->budget, _i ? 512 : 256);
	sim_run(s, 3600 * 1000); /* and grows again */
	ck_assert_uint_eq(l->budget, 512);
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_add_loop_test(tc, fin_both_ways, 0, 4);
	tcase_add_loop_test(tc, tuple_used_again, 0, 8);
	tcase_add_loop_test(tc, peer_uses_tuple_again, 0, 4);
	tcase_add_test(tc, time_outs);
	tcase_add_test(tc, forged_reset);
	tcase_add_loop_test(tc, stamps_of_mid_stream, 0, 2);
	tcase_add_test(tc, fin_was_forged);
	tcase_add_loop_test(tc, hop_limits, 0, 2);
	tcase_add_loop_test(tc, hop_limit_told_late, 0, 2);
	tcase_add_test(tc, traceroute);
	tcase_add_test(tc, ping_traceroute);
	tcase_add_test(tc, sessions_full);
	tcase_add_test(tc, evicted_first);
	tcase_add_test(tc, closes_in_pieces);
	tcase_add_loop_test(tc, own_full, 0, 2);
	tcase_add_test(tc, own_refused);
	tcase_add_loop_test(tc, open_contradicts, 0, 2);
	tcase_add_test(tc, budget_spent);
	tcase_add_test(tc, inbound_quarter);
	tcase_add_test(tc, inbound_quarter_of_closed);
	tcase_add_test(tc, idle_make_room);
	tcase_add_loop_test(tc, control_evicted, 0, 2);
	return run_both(suite, tc);
}
