/* SPDX-License-Identifier: MIT
 *
 * test_hello.c - HELLO, who may say what, keys (design 3.7, 5)
 */
#include "tests/sim/check.h"

static const struct sim_conf usual = { .seed = 51, .nat.strict = true,
	.inbound = "all" };

START_TEST(relay_needs_control)
{
	struct sim *s = sim_up(&usual);
	struct link *l = sim_link(&s->hub);

	/* of an edge that has no link: it gets none by that */
	open_conn(s, 10, 3);
	ck_assert_int_eq(hello(s, 10, CONN_RELAY, 77, 1), MSG_BYE);
	ck_assert(!s->hub.e->link[1].used);
	/* of another process with the same bundle */
	open_conn(s, 11, 0);
	ck_assert_int_eq(hello(s, 11, CONN_RELAY, 77, 1), MSG_BYE);
	ck_assert_uint_eq(l->relay, NONE);
	/* of this one; an older one that comes late */
	open_conn(s, 12, 0);
	ck_assert_int_eq(hello(s, 12, CONN_RELAY, l->peer_epoch, 100),
			 MSG_HELLO);
	ck_assert_uint_eq(l->relay, 12);
	open_conn(s, 13, 0);
	ck_assert_int_eq(hello(s, 13, CONN_RELAY, l->peer_epoch, 99), MSG_BYE);
	ck_assert_uint_eq(l->relay, 12);
	/* when another process takes control it has no relay yet */
	open_conn(s, 15, 3);
	ck_assert_int_eq(hello(s, 15, CONN_CONTROL, 77, 1), MSG_HELLO);
	open_conn(s, 10, 3);
	ck_assert_int_eq(hello(s, 10, CONN_RELAY, 77, 2), MSG_HELLO);
	open_conn(s, 11, 3);
	ck_assert_int_eq(hello(s, 11, CONN_CONTROL, 78, 1), MSG_HELLO);
	ck_assert_uint_eq(s->hub.e->link[1].relay, NONE);
	/* no epoch at all */
	open_conn(s, 14, 2);
	ck_assert_int_eq(hello(s, 14, CONN_CONTROL, 0, 1), 0);
	ck_assert(!s->hub.e->link[2].used);
	sim_end(s);
}
END_TEST

/* What a newer version may send is skipped, on both kinds of connection. */
START_TEST(newer_version)
{
	struct sim *s = sim_up(&usual);
	uint8_t optional[] = { 0, 4, 200, 1, 2, 3 };
	uint64_t bad = s->hub.e->drops[DROP_BAD_MESSAGE];
	struct link *l;

	open_conn(s, 10, 3);
	ck_assert_int_eq(hello(s, 10, CONN_CONTROL, 77, 1), MSG_HELLO);
	open_conn(s, 11, 3);
	ck_assert_int_eq(hello(s, 11, CONN_RELAY, 77, 2), MSG_HELLO);
	l = &s->hub.e->link[1];
	for (uint32_t conn = 10; conn <= 11; conn++)
		engine_message(s->hub.e, conn,
			       (struct span){ optional, sizeof(optional) },
			       s->now);
	ck_assert_uint_eq(s->hub.e->drops[DROP_BAD_MESSAGE], bad);
	ck_assert_uint_eq(l->control, 10);
	ck_assert_uint_eq(l->relay, 11);
	/* a limit may only become smaller than ours */
	ck_assert_uint_eq(l->idle_udp_ms, IDLE_UDP_S * 1000);
	tell_hub(s, 10, &(struct msg){ .type = MSG_IDLE,
		 .u.idle = { 9, 1000 } });
	ck_assert_uint_eq(l->idle_udp_ms, 9000);
	ck_assert_uint_eq(l->idle_tcp_ms, IDLE_TCP_S * 1000);
	sim_end(s);
}
END_TEST

/* A connection outlives its link, whose place is another edge's by now. */
START_TEST(place_of_another)
{
	struct sim *s = sim_up(&usual);
	struct addr6 src = sim_host(2), dst = sim_peer();
	uint8_t packet[100], l4[16] = { ICMP6_ECHO };
	struct msg m = { .type = MSG_PACKET };

	open_conn(s, 10, 3);
	hello(s, 10, CONN_CONTROL, 77, 1);
	open_conn(s, 11, 3);
	hello(s, 11, CONN_RELAY, 77, 2);
	engine_revoke(s->hub.e, 1, s->now);
	engine_tick(s->hub.e, s->now += 10);
	open_conn(s, 12, 2);
	hello(s, 12, CONN_CONTROL, 78, 1);
	ck_assert(s->hub.e->link[1].used);
	m.u.packet.packet = (struct span){ packet, packet_build(packet, &src,
		&dst, PROTO_ICMP6, (struct span){ l4, sizeof(l4) }) };
	tell_hub(s, 11, &m);
	ck_assert_uint_eq(s->hub.e->link[1].received[VIA_RELAY].packets, 0);
	engine_conn_closed(s->hub.e, 11, s->now);
	engine_conn_closed(s->hub.e, 10, s->now);
	ck_assert_uint_eq(s->hub.e->link[1].control, 12);
	sim_end(s);
}
END_TEST

/* A link that ends in pieces: nothing speaks for it, and the HELLO that brings
 * it back is as the first of a new one.
 */
START_TEST(back_as_new)
{
	struct sim *s = sim_up(&usual);
	struct link *l = &s->hub.e->link[1];

	open_conn(s, 10, 3);
	ck_assert_int_eq(hello(s, 10, CONN_CONTROL, 77, 5), MSG_HELLO);
	engine_revoke(s->hub.e, 1, s->now);
	ck_assert(l->ending);
	open_conn(s, 11, 3);
	ck_assert_int_eq(hello(s, 11, CONN_RELAY, 77, 6), MSG_BYE);
	ck_assert(!engine_reaches(s->hub.e, &l->prefix.addr));
	open_conn(s, 12, 3);
	ck_assert_int_eq(hello(s, 12, CONN_CONTROL, 77, 1), MSG_HELLO);
	ck_assert(!l->ending);
	ck_assert(engine_reaches(s->hub.e, &l->prefix.addr));
	engine_tick(s->hub.e, s->now += 10);
	ck_assert(l->used);
	ck_assert_uint_eq(l->control, 12);
	sim_end(s);
}
END_TEST

/* What it came with last is known, and it can be revoked, while it is away. */
START_TEST(revoked_while_away)
{
	struct sim *s = sim_up(&usual);
	struct link_status st;

	open_conn(s, 10, 3);
	hello(s, 10, CONN_CONTROL, 77, 1);
	open_conn(s, 11, 3);
	hello(s, 11, CONN_CONTROL, 77, 2);
	engine_conn_closed(s->hub.e, 10, s->now);
	engine_conn_closed(s->hub.e, 11, s->now);
	ck_assert(engine_link(s->hub.e, 1, &st));
	ck_assert(!st.up);
	ck_assert_int_eq(st.serial[0], 11);
	engine_revoke(s->hub.e, 1, s->now);
	engine_tick(s->hub.e, s->now += 10);
	ck_assert(!engine_link(s->hub.e, 1, &st));
	sim_end(s);
}
END_TEST

/* -- one edge speaks of what is another's --------------------------------------------- */

START_TEST(of_another_link)
{
	struct sim_conf c = usual;
	struct sim *s;
	struct tcp *t;
	struct carrier *own;
	struct session *se;
	uint32_t conn, number;

	c.edges = 2;
	s = sim_up(&c);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 100000);
	ck_assert(tcp_run(t, 5000) && on_own(s, t));
	ck_assert(sim_pinged(s, UP, 148) && sim_pinged(s, UP, 148));
	own = carrier_at(&s->hub, t);
	se = session_at(&s->hub, t);
	conn = s->hub.e->link[1].control;
	number = s->hub.e->rx[0].number;
	ck_assert_uint_eq(s->hub.e->rx[0].link, 0);
	tell_hub(s, conn, &(struct msg){ .type = MSG_FORGET,
		 .u.forget = { number } });
	tell_hub(s, conn, &(struct msg){ .type = MSG_LEFT,
		 .u.left = { own->name, LEFT_QUIET } });
	tell_hub(s, conn, &(struct msg){ .type = MSG_HOPS,
		 .u.hops = { own->name, 3 } });
	tell_hub(s, conn, &(struct msg){ .type = MSG_CLOSE, .u.close = {
		 t->host, t->peer, PROTO_TCP, 40001, 80, 1 } });
	tell_hub(s, conn, &(struct msg){ .type = MSG_STATE, .u.state = {
		 .host = t->host, .peer = t->peer, .proto = PROTO_TCP,
		 .host_port = 40001, .peer_port = 80, .flags = 1,
		 .known = KNOWN_ANY, .next_up = 1, .next_down = 1 } });
	tell_hub(s, conn, &(struct msg){ .type = MSG_CONTEXT, .u.context = {
		 .ref = 1, .host = t->host, .peer = t->peer, .nh = 6,
		 .hop = 64 } });
	for (uint8_t kind = OPEN_FIRST; kind <= OPEN_UDP; kind++)
		tell_hub(s, conn, &(struct msg){ .type = MSG_OPEN, .u.open = {
			 .kind = kind, .carrier = 1000u + kind,
			 .host = t->host, .peer = t->peer,
			 .proto = kind == OPEN_UDP ? PROTO_UDP : PROTO_TCP,
			 .host_port = 40001, .peer_port = 80,
			 .eport = 61000, .hport = 61000 } });
	ck_assert_ptr_nonnull(context_find(s->hub.e, number));
	ck_assert_ptr_eq(carrier_at(&s->hub, t), own);
	ck_assert_int_eq(se->state, SESSION_LIVE);
	ck_assert_int_ne(se->hop_rx, 3);
	ck_assert_uint_eq(s->hub.e->link[1].sessions, 0);
	ck_assert_uint_eq(s->hub.e->link[1].contexts, 0);
	tcp_write(t, UP, 100000);
	tcp_write(t, DOWN, 100000);
	ck_assert(tcp_run(t, 5000) && on_own(s, t));
	sim_end(s);
}
END_TEST

/* A carrier of one protocol for a session of the other. */
START_TEST(open_mixed_up)
{
	struct sim *s = sim_up(&usual);
	struct link *l = sim_link(&s->hub);
	struct msg m = { .type = MSG_OPEN, .u.open = {
		.carrier = 1, .host = sim_host(0), .peer = sim_peer(),
		.host_port = 40001, .peer_port = 80, .eport = 61000,
		.hport = 61000 } };
	uint32_t active = l->own_active;

	for (uint8_t kind = OPEN_FIRST; kind <= OPEN_UDP; kind++) {
		m.u.open.kind = kind;
		m.u.open.proto = kind == OPEN_UDP ? PROTO_TCP : PROTO_UDP;
		tell_hub(s, l->control, &m);
		ck_assert_uint_eq(l->own_active, active);
		ck_assert_uint_eq(l->sessions, 0);
	}
	sim_end(s);
}
END_TEST

/* -- keys --------------------------------------------------------------------------- */

/* The hub's packets overtake its HELLO. */
struct overtake {
	bool hello;
	int count;
};

static bool explicit_is_faster(struct sim *s, struct wire *w, void *arg)
{
	struct overtake *o = arg;

	if (w->dir == DOWN && w->kind == WIRE_MESSAGE &&
	    wire_at(w)[2] == MSG_HELLO)
		o->hello = true;
	if (!o->hello || w->dir != DOWN || w->kind != WIRE_DATAGRAM ||
	    wire_at(w)[0] >> 6 != TAG_EXPLICIT ||
	    !nat_in(s, &s->nat[0], w))
		return false;
	o->count++;
	sim_arrive(s, w);
	return true;
}

START_TEST(hello_overtaken)
{
	struct overtake o = { 0 };
	struct sim *s = sim_up(&usual);
	uint64_t before = s->udp_got[DOWN];

	sim_control(s, 0, false);
	s->hook = explicit_is_faster;
	s->hook_arg = &o;
	sim_control(s, 0, true);
	for (uint16_t i = 0; i < 100; i++) {
		udp_send(s, 0, DOWN, (uint16_t)(1000 + i), 9, 1500 - 48);
		sim_run(s, 10);
	}
	sim_run(s, 300);
	ck_assert(o.hello);
	ck_assert_int_gt(o.count, 4);
	ck_assert_uint_eq(s->udp_got[DOWN] - before, 100);
	ck_assert_uint_eq(s->edge[0].e->drops[DROP_MAC], 0);
	sim_end(s);
}
END_TEST

/* HELLOs that the hub heard, whose answers never came: the keys that the edge
 * still uses stay good.
 */
START_TEST(hello_unanswered)
{
	struct sim *s = sim_up(&usual);
	struct link *l = sim_link(&s->hub);
	uint64_t before;

	sim_control(s, 0, false);
	for (uint32_t i = 0; i < 3; i++) {
		open_conn(s, 10 + i, 0);
		ck_assert_int_eq(hello(s, 10 + i, CONN_CONTROL, l->peer_epoch,
				       100 + i), MSG_HELLO);
		engine_conn_closed(s->hub.e, 10 + i, s->now);
	}
	l->peer_number = sim_link(&s->edge[0])->my_number;
	before = s->udp_got[UP] + s->udp_got[DOWN];
	udp_send(s, 0, UP, 1000, 9, 1500 - 48);
	udp_send(s, 0, DOWN, 1000, 9, 1500 - 48);
	sim_run(s, 300);
	ck_assert_uint_eq(s->udp_got[UP] + s->udp_got[DOWN], before + 2);
	sim_end(s);
}
END_TEST

/* The first message must be HELLO, and only of an own connection's kind. */
START_TEST(before_hello)
{
	struct sim *s = sim_up(&usual);
	struct engine_peer peer = { .name = "x" };
	uint8_t bytes[MSG_MAX];

	for (uint8_t type = 1; type < 30; type++) {
		struct writer w = writer_of(bytes, sizeof(bytes));
		struct msg m = { .type = type };
		uint64_t bad = s->hub.e->drops[DROP_BAD_MESSAGE];

		if (type == MSG_HELLO || type == MSG_BYE || !msg_encode(&w, &m))
			continue;
		engine_conn_open(s->hub.e, 10, &peer, CONN_CONTROL, s->now);
		engine_message(s->hub.e, 10, (struct span){ bytes, w.len },
			       s->now);
		ck_assert_uint_eq(s->hub.e->drops[DROP_BAD_MESSAGE], bad + 1);
		engine_conn_closed(s->hub.e, 10, s->now);
		pump(&s->hub);
	}
	ck_assert(sim_pinged(s, UP, 148));
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hello");
	TCase *tc = tcase_create("hello");

	tcase_add_test(tc, relay_needs_control);
	tcase_add_test(tc, newer_version);
	tcase_add_test(tc, place_of_another);
	tcase_add_test(tc, back_as_new);
	tcase_add_test(tc, revoked_while_away);
	tcase_add_test(tc, of_another_link);
	tcase_add_test(tc, open_mixed_up);
	tcase_add_test(tc, hello_overtaken);
	tcase_add_test(tc, hello_unanswered);
	tcase_add_test(tc, before_hello);
	return run_case(suite, tc);
}
