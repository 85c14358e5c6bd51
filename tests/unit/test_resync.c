/* SPDX-License-Identifier: MIT
 *
 * test_resync.c - either daemon restarts; records merge (design 3.7)
 */
#include "tests/sim/check.h"

static const struct sim_conf usual = { .seed = 61, .nat.strict = true,
	.inbound = "all" };

static struct node *victim(struct sim *s, int i)
{
	return i & 1 ? &s->hub : &s->edge[0];
}

/* TCP survives, idle or busy, and finds an own carrier again. */
START_TEST(tcp_survives)
{
	struct sim *s = sim_up(&usual);
	bool busy = _i & 2;
	struct tcp *t = tcp_connect(s, 0, _i & 4 ? DOWN : UP, 40001, 80);

	tcp_write(t, UP, 50000);
	tcp_write(t, DOWN, 50000);
	ck_assert(tcp_run(t, 5000));
	if (busy) {
		tcp_write(t, UP, 1000000);
		tcp_write(t, DOWN, 1000000);
		sim_run(s, 100);
	}
	sim_restart(s, victim(s, _i));
	if (!busy)
		sim_run(s, 3000);
	tcp_write(t, UP, 400000);
	tcp_write(t, DOWN, 400000);
	ck_assert(tcp_run(t, 60 * 1000));
	ck_assert(!t->end[UP].reset && !t->end[DOWN].reset);
	sim_run(s, 5000);
	tcp_write(t, UP, 400000);
	tcp_write(t, DOWN, 400000);
	ck_assert(tcp_run(t, 20 * 1000));
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

/* Both at once: mid-stream TCP from inside opens a session at both ends. */
START_TEST(both_restart)
{
	struct sim *s = sim_up(&usual);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 50000);
	ck_assert(tcp_run(t, 5000));
	sim_restart(s, &s->hub);
	sim_restart(s, &s->edge[0]);
	sim_run(s, 3000);
	tcp_write(t, UP, 400000);
	tcp_write(t, DOWN, 400000);
	ck_assert(tcp_run(t, 60 * 1000));
	sim_run(s, 3000);
	tcp_write(t, UP, 400000);
	ck_assert(tcp_run(t, 20 * 1000));
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

/* struct flow - records that cross downwards; @mute: no PONG goes up */
struct flow {
	uint32_t states, ends;
	bool mute;
};

static bool flow_hook(struct sim *s, struct wire *w, void *arg)
{
	struct flow *f = arg;
	uint8_t type = wire_at(w)[2];

	(void)s;
	if (w->kind != WIRE_MESSAGE)
		return false;
	f->states += w->dir == DOWN && type == MSG_STATE;
	f->ends += w->dir == DOWN && type == MSG_STATE_END;
	return f->mute && w->dir == UP && type == MSG_PONG;
}

/* Many records go as fast as the other end reads, and no faster: the next
 * batch waits for the answer to the last. What ends meanwhile, the session
 * that is next as well, does no harm.
 */
START_TEST(records_are_paced)
{
	struct sim_conf c = usual;
	struct tuple t = { .host = sim_host(0), .peer = sim_peer(),
		.proto = PROTO_UDP };
	struct flow f = { .mute = true };
	struct sim *s;
	uint32_t next;

	c.sessions = 8192;
	s = sim_up(&c);
	for (uint16_t i = 0; i < 2000; i++) {
		uint32_t n;

		t.host_port = i;
		n = session_add(s->hub.e, &t, 0, BY_HOST, s->now);
		ck_assert_uint_ne(n, NONE);
		session_alive(s->hub.e, n, s->now);
	}
	s->hook = flow_hook;
	s->hook_arg = &f;
	sim_control(s, 0, false);
	sim_run(s, 100);
	sim_control(s, 0, true);
	sim_run(s, 3000);
	ck_assert_uint_eq(f.states, 256);
	ck_assert_uint_eq(f.ends, 0);
	next = sim_link(&s->hub)->sync_next;
	ck_assert_uint_ne(next, NONE);
	session_remove(s->hub.e, next);
	f.mute = false;
	sim_control(s, 0, false);
	sim_run(s, 100);
	sim_control(s, 0, true);
	f.states = 0;
	sim_run(s, 5000);
	ck_assert_uint_eq(f.states, 1999);
	ck_assert_uint_eq(f.ends, 1);
	ck_assert_uint_eq(engine_sessions(s->edge[0].e), 1999);
	sim_end(s);
}
END_TEST

/* Again and again, at bad moments. */
START_TEST(many_restarts)
{
	struct sim_conf c = usual;
	struct sim *s;
	struct tcp *t[4];

	c.seed = 600 + (uint64_t)_i;
	s = sim_up(&c);
	for (int i = 0; i < 4; i++)
		t[i] = tcp_connect(s, 0, i & 1 ? DOWN : UP,
				   (uint16_t)(40000 + i), 80);
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < 4; i++) {
			tcp_write(t[i], UP, 100000);
			tcp_write(t[i], DOWN, 100000);
		}
		sim_run(s, rand_below(&s->rand, 4000));
		sim_restart(s, victim(s, (int)rand_below(&s->rand, 2)));
		sim_run(s, rand_below(&s->rand, 4000));
	}
	for (int i = 0; i < 4; i++)
		ck_assert(tcp_run(t[i], 120 * 1000));
	sim_run(s, 20 * 1000);
	for (int i = 0; i < 4; i++)
		ck_assert(on_own(s, t[i]) || off_own(s, t[i]));
	sim_end(s);
}
END_TEST

/* What the edge let in stays let in after the hub's restart; a hub that just
 * started says nothing to unknown inbound.
 */
START_TEST(inbound_after_restart)
{
	struct sim_conf c = usual;
	struct sim *s;
	struct tcp *t;

	c.inbound = "tcp/22";
	s = sim_up(&c);
	t = tcp_connect(s, 0, DOWN, 22, 50000);
	tcp_write(t, DOWN, 1000);
	ck_assert(tcp_run(t, 5000));
	sim_restart(s, victim(s, _i));
	tcp_write(t, DOWN, 1000);
	ck_assert(tcp_run(t, 30 * 1000));
	ck_assert(!t->end[DOWN].reset);
	ck_assert_uint_eq(s->icmp_errors[UP], 0);
	/* what the policy does not let in is refused after that */
	sim_run(s, 31 * 1000);
	udp_send(s, 0, DOWN, 5000, 6000, 10);
	sim_run(s, 500);
	ck_assert_uint_eq(s->icmp_errors[UP], 1);
	ck_assert_uint_eq(s->udp_got[DOWN], 0);
	sim_end(s);
}
END_TEST

/* UDP from inside that the policy would not let in: its answers come. */
START_TEST(udp_after_restart)
{
	struct sim_conf c = usual;
	struct sim *s;

	c.inbound = NULL;
	s = sim_up(&c);
	udp_send(s, 0, UP, 5000, ECHO_PORT, 100);
	sim_run(s, 500);
	ck_assert_uint_eq(s->udp_got[DOWN], 1);
	sim_restart(s, victim(s, _i));
	sim_run(s, 5000);
	udp_send(s, 0, DOWN, 5000, ECHO_PORT, 100);
	sim_run(s, 500);
	ck_assert_uint_eq(s->udp_got[DOWN], 2);
	sim_end(s);
}
END_TEST

/* A hub that claims inbound sessions later than at the start is not believed. */
START_TEST(hub_is_not_trusted)
{
	struct sim_conf c = usual;
	struct sim *s;
	struct msg m = { .type = MSG_STATE, .u.state = { .host = sim_host(0),
		.peer = sim_peer(), .proto = PROTO_TCP, .host_port = 22,
		.peer_port = 1234, .initiator = BY_PEER, .flags = 1,
		.known = KNOWN_ANY } };

	c.inbound = NULL;
	s = sim_up(&c);
	ck_assert(sim_link(&s->edge[0])->settled);
	resync_state(s->edge[0].e, sim_link(&s->edge[0]), &m.u.state, s->now);
	ck_assert_uint_eq(engine_sessions(s->edge[0].e), 0);
	/* nor one outside the prefix, ever */
	m.u.state.host.b[7] = 99;
	m.u.state.initiator = BY_HOST;
	resync_state(s->edge[0].e, sim_link(&s->edge[0]), &m.u.state, s->now);
	resync_state(s->hub.e, sim_link(&s->hub), &m.u.state, s->now);
	ck_assert_uint_eq(engine_sessions(s->edge[0].e), 0);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 0);
	ck_assert_uint_eq(s->hub.e->drops[DROP_SPOOFED], 1);
	sim_end(s);
}
END_TEST

static struct msg_state record_of(struct tcp *t)
{
	return (struct msg_state){ .host = t->host, .peer = t->peer,
		.proto = PROTO_TCP, .host_port = t->host_port,
		.peer_port = t->peer_port, .flags = 1, .hop_up = 60,
		.hop_down = 61, .known = KNOWN_ANY | KNOWN_SYN | KNOWN_SACK,
		.mss_up = 1300, .mss_down = 1220, .next_up = 5,
		.next_down = 6, .idle_ms = 0 };
}

/* Conflicts (design 3.7), at either end. */
START_TEST(conflicts)
{
	struct sim *s = sim_up(&usual);
	struct node *n = victim(s, _i);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	struct msg_state m = record_of(t);
	struct session *at;

	tcp_write(t, UP, 1000);
	ck_assert(tcp_run(t, 5000));
	at = session_at(n, t);
	m.initiator = BY_PEER;
	/* we saw the SYN and a packet later: hop limits alone are news */
	m.idle_ms = 600 * 1000;
	resync_state(n->e, sim_link(n), &m, s->now);
	ck_assert_uint_eq(at->side[UP].end, t->end[UP].nxt);
	ck_assert_uint_eq(at->side[UP].mss, 1440);
	ck_assert_int_eq(at->initiator, BY_HOST);
	ck_assert_uint_eq(n->e->own[at->carrier].in.hop, _i ? 60 : 61);
	/* they saw a packet later: next bytes and idle time are theirs */
	sim_run(s, 30 * 1000);
	m.idle_ms = 10 * 1000;
	resync_state(n->e, sim_link(n), &m, s->now);
	ck_assert_uint_eq(at->side[UP].end, 5);
	ck_assert_uint_eq(at->side[DOWN].end, 6);
	ck_assert_uint_eq(at->seen, s->now - 10 * 1000);
	ck_assert_uint_eq(at->side[UP].mss, 1440);
	ck_assert(at->side[UP].known & KNOWN_TS);
	/* they saw the SYN, we did not */
	at->side[UP].known = at->side[DOWN].known = KNOWN_ANY;
	resync_state(n->e, sim_link(n), &m, s->now);
	ck_assert_uint_eq(at->side[DOWN].mss, 1220);
	ck_assert_int_eq(at->initiator, BY_PEER);
	/* they know less than we: nothing changes */
	m.known = KNOWN_ANY;
	m.mss_up = m.mss_down = 0;
	m.initiator = BY_HOST;
	resync_state(n->e, sim_link(n), &m, s->now);
	ck_assert_uint_eq(at->side[DOWN].mss, 1220);
	ck_assert_int_eq(at->initiator, BY_PEER);
	sim_end(s);
}
END_TEST

/* What we know nothing of comes with its idle time, and not if that is over. */
START_TEST(idle_time_travels)
{
	struct sim *s = sim_up(&usual);
	struct node *n = victim(s, _i);
	struct tcp *t = tcp_new(s, 0, 40001, 80);
	struct msg_state m = record_of(t);

	m.idle_ms = 23 * 3600 * 1000;
	resync_state(n->e, sim_link(n), &m, s->now);
	ck_assert_uint_eq(since(s->now, session_at(n, t)->seen), m.idle_ms);
	sim_run(s, 3600 * 1000 + 100);
	ck_assert_ptr_null(session_at(n, t));
	m.idle_ms = 25 * 3600 * 1000;
	resync_state(n->e, sim_link(n), &m, s->now);
	ck_assert_ptr_null(session_at(n, t));
	sim_end(s);
}
END_TEST

/* A RST while control and shared are away: the other end learns of it. */
static bool lose_all(struct sim *s, struct wire *w, void *arg)
{
	(void)s;
	(void)w;
	(void)arg;
	return true;
}

START_TEST(closed_stays_closed)
{
	struct sim *s = sim_up(&usual);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 1000);
	ck_assert(tcp_run(t, 5000));
	s->hook = lose_all;
	sim_control(s, 0, false);
	tcp_abort(t, _i ? UP : DOWN);
	sim_run(s, 1000);
	s->hook = NULL;
	ck_assert_int_eq(session_at(&s->edge[0], t)->state,
			 _i ? SESSION_CLOSING : SESSION_LIVE);
	sim_control(s, 0, true);
	sim_run(s, 3000);
	ck_assert_int_eq(session_at(&s->edge[0], t)->state, SESSION_CLOSING);
	ck_assert_int_eq(session_at(&s->hub, t)->state, SESSION_CLOSING);
	ck_assert(off_own(s, t));
	sim_end(s);
}
END_TEST

/* The same processes again: only what changed since is told (HELLO synced). */
START_TEST(only_what_changed)
{
	struct sim_conf c = usual;
	struct nth n = { .kind = WIRE_MESSAGE, .dir = -1, .type = MSG_STATE,
		.at = -1 };
	struct sim *s;
	struct tcp *t;

	s = sim_up(&c);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 1000);
	ck_assert(tcp_run(t, 5000));
	for (uint16_t i = 0; i < 100; i++)
		udp_send(s, 0, UP, (uint16_t)(10000 + i), ECHO_PORT, 20);
	sim_run(s, 60 * 1000);
	sim_hook(s, &n);
	sim_control(s, 0, false);
	sim_run(s, 3000);
	if (_i)
		tcp_write(t, UP, 1000);
	sim_run(s, 1000);
	sim_control(s, 0, true);
	sim_run(s, 5000);
	ck_assert_int_eq(n.count, _i ? 2 : 0);
	/* another process holds nothing: all, from the other one */
	n.count = 0;
	sim_restart(s, &s->edge[0]);
	sim_run(s, 5000);
	ck_assert_int_ge(n.count, 101);
	ck_assert_uint_eq(engine_sessions(s->edge[0].e), 101);
	/* and from it to the next hub */
	sim_restart(s, &s->hub);
	sim_run(s, 5000);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 101);
	sim_end(s);
}
END_TEST

/* Many records: all arrive, in batches. */
START_TEST(many_records)
{
	struct sim_conf c = usual;
	struct sim *s;

	c.sessions = 2048;
	s = sim_up(&c);
	for (uint16_t i = 0; i < 900; i++) {
		udp_send(s, 0, UP, (uint16_t)(10000 + i), ECHO_PORT, 20);
		sim_run(s, 2);
	}
	sim_run(s, 500);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 900);
	sim_restart(s, victim(s, _i));
	ck_assert_uint_eq(engine_sessions(victim(s, _i)->e), 0);
	sim_run(s, 3000);
	ck_assert_uint_eq(engine_sessions(victim(s, _i)->e), 900);
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resync");
	TCase *tc = tcase_create("resync");

	tcase_add_test(tc, records_are_paced);
	tcase_add_loop_test(tc, tcp_survives, 0, 8);
	tcase_add_test(tc, both_restart);
	tcase_add_loop_test(tc, many_restarts, 0, 6);
	tcase_add_loop_test(tc, inbound_after_restart, 0, 2);
	tcase_add_loop_test(tc, udp_after_restart, 0, 2);
	tcase_add_test(tc, hub_is_not_trusted);
	tcase_add_loop_test(tc, conflicts, 0, 2);
	tcase_add_loop_test(tc, idle_time_travels, 0, 2);
	tcase_add_loop_test(tc, closed_stays_closed, 0, 2);
	tcase_add_loop_test(tc, only_what_changed, 0, 2);
	tcase_add_loop_test(tc, many_records, 0, 2);
	return run_both(suite, tc);
}
