/* SPDX-License-Identifier: MIT
 *
 * test_owntcp.c - own TCP carriers through a NAT that follows TCP (design 3.4)
 */
#include "core/own.h"
#include "tests/sim/check.h"

static const struct sim_conf strict = { .seed = 7, .nat.strict = true };

/* -- from inside ------------------------------------------------------------- */

START_TEST(syn_goes_at_once)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 200000);
	tcp_write(t, DOWN, 200000);
	ck_assert(tcp_run(t, 5000));
	ck_assert_uint_eq(t->end[UP].connected - t->started, 60);
	ck_assert_uint_eq(t->end[UP].repeated + t->end[DOWN].repeated, 0);
	ck_assert_ptr_nonnull(carrier_at(&s->edge[0], t));
	ck_assert_ptr_nonnull(carrier_at(&s->hub, t));
	/* every packet on own, both ways; OPEN's copy is no carrier's */
	for (int v = VIA_SHARED; v < VIA_COUNT; v++) {
		ck_assert_uint_eq(via_sent(&s->edge[0], v), 0);
		ck_assert_uint_eq(via_sent(&s->hub, v), 0);
		ck_assert_uint_eq(sim_link(&s->hub)->received[v].packets, 0);
	}
	sim_end(s);
}
END_TEST

START_TEST(twenty_bytes_fewer)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	const struct traffic *v;

	tcp_write(t, UP, 100000);
	ck_assert(tcp_run(t, 5000));
	for (int d = UP; d <= DOWN; d++) {
		v = &sim_link(d == UP ? &s->edge[0] : &s->hub)->sent[VIA_OWN];
		ck_assert_uint_gt(v->packets, 60);
		ck_assert_uint_eq(v->inner_bytes - v->wire_bytes,
				  20 * v->packets);
	}
	sim_end(s);
}
END_TEST

/* A full IPv6 packet passes a wire of 1480 bytes. */
static bool small_wire(struct sim *s, struct wire *w, void *arg)
{
	(void)s;
	(void)arg;
	ck_assert(w->kind != WIRE_OUTER_PACKET || w->len <= 1480 ||
		  w->proto != PROTO_TCP || !w->edge);
	return false;
}

START_TEST(full_packets_on_1480)
{
	struct sim_conf c = strict;
	struct sim *s;
	struct tcp *t;

	c.mtu = 1480;
	s = sim_up(&c);
	s->hook = small_wire;
	ck_assert_uint_eq(path_size(sim_link(&s->edge[0])), 1480);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 100000);
	ck_assert(tcp_run(t, 5000));
	ck_assert_uint_eq(s->icmp_errors[UP] + s->icmp_errors[DOWN], 0);
	ck_assert_uint_eq(via_sent(&s->edge[0], VIA_EXPLICIT), 0);
	sim_end(s);
}
END_TEST

START_TEST(option_sets)
{
	struct sim *s = sim_up(&strict);

	ck_assert_uint_lt(_i, 8);
	struct tcp *t = tcp_new(s, 0, 40001, 80);

	t->ts = _i & 1;
	t->sack = _i & 2;
	t->scale = _i & 4;
	tcp_begin(t, UP);
	tcp_write(t, UP, 70000);
	tcp_write(t, DOWN, 70000);
	ck_assert(tcp_run(t, 5000));
	ck_assert(on_own(s, t));
	tcp_finish(t, UP);
	tcp_finish(t, DOWN);
	ck_assert(tcp_run(t, 2000));
	sim_run(s, 20 * 1000);
	ck_assert_ptr_null(session_at(&s->edge[0], t));
	ck_assert_ptr_null(session_at(&s->hub, t));
	ck_assert_uint_eq(nat_flows(s, &s->nat[0], PROTO_TCP), 0);
	sim_end(s);
}
END_TEST

/* -- from outside --------------------------------------------------------------- */

START_TEST(inbound_gets_mid)
{
	struct sim_conf c = strict;
	struct sim *s;
	struct tcp *t;

	c.inbound = "tcp/22";
	s = sim_up(&c);
	t = tcp_connect(s, 0, DOWN, 22, 50000);
	tcp_write(t, UP, 300000);
	tcp_write(t, DOWN, 300000);
	ck_assert(tcp_run(t, 10000));
	ck_assert_uint_eq(t->end[DOWN].connected - t->started, 60);
	ck_assert(on_own(s, t));
	ck_assert_int_eq(carrier_at(&s->hub, t)->kind, OPEN_MID);
	ck_assert_uint_gt(via_sent(&s->edge[0], VIA_OWN), 200);
	ck_assert_uint_gt(via_sent(&s->hub, VIA_OWN), 200);
	sim_end(s);
}
END_TEST

/* Sent on shared first (as if own had not been probed yet), then promoted. */
START_TEST(promoted_in_mid_stream)
{
	struct sim *s = sim_up(&strict);
	struct link *l = sim_link(&s->edge[0]);
	struct tcp *t;

	l->own_off_until = s->now + 500;
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, _i ? UP : DOWN, 2000000);
	sim_run(s, 400);
	ck_assert(!on_own(s, t));
	ck_assert(tcp_run(t, 60000));
	ck_assert(on_own(s, t));
	ck_assert_int_eq(carrier_at(&s->hub, t)->kind, OPEN_MID);
	ck_assert_uint_gt(via_sent(_i ? &s->edge[0] : &s->hub, VIA_OWN), 500);
	ck_assert_uint_eq(t->end[UP].repeated + t->end[DOWN].repeated, 0);
	sim_end(s);
}
END_TEST

/* -- trouble ----------------------------------------------------------------------- */

/* What carries the session at last is in use at both ends, or at none. */
static void settled(struct sim *s, struct tcp *t)
{
	sim_run(s, 15 * 1000);
	tcp_write(t, UP, 20000);
	tcp_write(t, DOWN, 20000);
	ck_assert(tcp_run(t, 30 * 1000));
	sim_run(s, 10 * 1000);
	ck_assert_msg(on_own(s, t) || off_own(s, t), "carrier at one end");
}

static void lossy_handshake(int at, int kind, enum dir first)
{
	struct sim_conf c = strict;
	struct nth n = { .kind = kind, .dir = -1, .at = at };
	struct sim *s;
	struct tcp *t;

	c.inbound = "all";
	s = sim_up(&c);
	sim_hook(s, &n);
	t = tcp_connect(s, 0, first, 40001, 80);
	tcp_write(t, UP, 20000);
	tcp_write(t, DOWN, 20000);
	ck_assert_msg(tcp_run(t, 60 * 1000), "lost %d", at);
	settled(s, t);
	sim_end(s);
}

START_TEST(first_each_lost_once)
{
	lossy_handshake(_i, WIRE_OUTER_PACKET, UP);
}
END_TEST

START_TEST(inbound_each_lost_once)
{
	lossy_handshake(_i, WIRE_OUTER_PACKET, DOWN);
}
END_TEST

START_TEST(inbound_each_datagram_lost_once)
{
	lossy_handshake(_i, WIRE_DATAGRAM, DOWN);
}
END_TEST

START_TEST(mid_each_lost_once)
{
	struct nth n = { .kind = WIRE_OUTER_PACKET, .dir = -1, .at = _i };
	struct sim *s = sim_up(&strict);
	struct tcp *t;

	sim_link(&s->edge[0])->own_off_until = s->now + 200;
	sim_hook(s, &n);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, DOWN, 1000000);
	tcp_write(t, UP, 100000);
	ck_assert(tcp_run(t, 60 * 1000));
	settled(s, t);
	ck_assert_int_gt(n.count, 20);
	sim_end(s);
}
END_TEST

/* The SYN/ACK is lost on the carrier: what the hub makes for the host's second
 * SYN is the peer's in all that TCP sees, and the host's ACK to it arrives.
 */
struct two {
	struct pkt p[2];
	int count;
};

static bool lose_first_synack(struct sim *s, struct wire *w, void *arg)
{
	struct frame f = { .at = wire_at(w), .len = w->len };
	struct two *two = arg;
	struct pkt p;

	(void)s;
	if (w->kind != WIRE_OUTER_PACKET || pkt_parse4(&p, &f) ||
	    !tcp_is_synack(&p) || two->count == 2)
		return false;
	two->p[two->count++] = p;
	return two->count == 1;
}

START_TEST(synack_made_again)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_new(s, 0, 40001, 80);
	struct two two = { .count = 0 };
	const struct pkt *p = two.p;

	s->hook = lose_first_synack;
	s->hook_arg = &two;
	t->ts = _i & 1;
	t->sack = _i & 2;
	t->scale = _i & 4;
	t->ecn = _i & 8;
	t->syn_window = 5840;
	tcp_begin(t, UP);
	tcp_write(t, DOWN, 1000); /* nothing upwards but the ACK */
	ck_assert(tcp_run(t, 5000));
	ck_assert_int_eq(two.count, 2);
	ck_assert_uint_eq(p[1].win, 5840);
	ck_assert_uint_eq(p[1].flags, p[0].flags);
	ck_assert_uint_eq(p[1].seq, p[0].seq);
	ck_assert_uint_eq(p[1].ack, p[0].ack);
	ck_assert_uint_eq(p[1].opts.mss, p[0].opts.mss);
	ck_assert_uint_eq(p[1].opts.sack_ok, p[0].opts.sack_ok);
	ck_assert_uint_eq(p[1].opts.has_scale, p[0].opts.has_scale);
	ck_assert_uint_eq(p[1].opts.scale, p[0].opts.scale);
	ck_assert_uint_eq(p[1].opts.ts_val, p[0].opts.ts_val);
	ck_assert_uint_eq(p[1].opts.ts_ecr, p[0].opts.ts_ecr);
	/* SYN again after 1 s, SYN/ACK, ACK: no third round */
	ck_assert_uint_eq(t->end[DOWN].connected - t->started, 1070);
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

/* The first SYN is lost on the carrier: the SYN/ACK comes beside it. The ACK by
 * which the edge opens the carrier then is not the host's: its window never
 * reaches the peer.
 */
START_TEST(synack_beside)
{
	struct nth n = { .kind = WIRE_OUTER_PACKET, .dir = UP };
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_new(s, 0, 40001, 80);

	sim_hook(s, &n);
	t->window = _i ? 65535 << 7 : 20000;
	tcp_begin(t, UP);
	tcp_write(t, DOWN, 1000);
	ck_assert(tcp_run(t, 5000));
	ck_assert_uint_eq(t->end[UP].connected - t->started, 60);
	sim_run(s, 1500);
	ck_assert(on_own(s, t));
	tcp_write(t, UP, 1000);
	tcp_write(t, DOWN, 1000);
	ck_assert(tcp_run(t, 1000));
	ck_assert_uint_eq(t->end[UP].repeated + t->end[DOWN].repeated, 0);
	ck_assert_uint_le(t->end[DOWN].peer_win, t->window);
	sim_end(s);
}
END_TEST

START_TEST(lossy_path)
{
	struct sim_conf c = strict;
	struct sim *s;
	struct tcp *t[4];

	c.seed = 100 + (uint64_t)_i;
	c.loss = 20;
	c.inbound = "all";
	s = sim_up(&c);
	for (int i = 0; i < 4; i++) {
		t[i] = tcp_connect(s, 0, i & 1 ? UP : DOWN,
				   (uint16_t)(40000 + i), 80);
		tcp_write(t[i], UP, 300000);
		tcp_write(t[i], DOWN, 300000);
	}
	for (int i = 0; i < 4; i++)
		ck_assert(tcp_run(t[i], 300 * 1000));
	s->conf.loss = 0;
	for (int i = 0; i < 4; i++)
		settled(s, t[i]);
	sim_end(s);
}
END_TEST

/* The hub's range is closed from now on: sessions go on without it. */
START_TEST(range_closes)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t;

	if (_i)
		s->nat[0].conf.drop_own = true;
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 50000);
	if (!_i)
		ck_assert(tcp_run(t, 10 * 1000));
	s->nat[0].conf.drop_own = true;
	tcp_write(t, UP, 200000);
	tcp_write(t, DOWN, 200000);
	ck_assert(tcp_run(t, 30 * 1000));
	ck_assert_uint_gt(via_sent(&s->edge[0], VIA_SHARED) +
			  via_sent(&s->edge[0], VIA_EXPLICIT), 50);
	sim_end(s);
}
END_TEST

/* A RST on the carrier, exact as it may be, is never delivered. */
static void inject_reset(struct sim *s, struct tcp *t, enum dir d)
{
	struct node *to = d == UP ? &s->hub : &s->edge[0];
	struct carrier *c = carrier_at(to, t);
	struct wire w = { .kind = WIRE_OUTER_PACKET, .dir = d,
		.proto = PROTO_TCP };
	struct writer out = writer_of(wire_at(&w), 100);
	struct tcp_seg seg = { .flags = TCP_RST, .t = { c->remote.addr,
		c->local.addr, c->remote.port, c->local.port, PROTO_TCP },
		.seq = t->end[d].nxt };

	w.len = tcp_build(&out, &seg);
	sim_arrive(s, &w);
}

/* Something in the path lets handshakes pass and no data, or resets them: the
 * session goes on, and tries again ever more seldom.
 */
struct spoiler {
	bool resets, on;
	int opened;
	struct wire back;
};

static void spoil_back(struct sim *s, void *arg)
{
	struct spoiler *sp = arg;

	sim_arrive(s, &sp->back);
}

static bool spoil(struct sim *s, struct wire *w, void *arg)
{
	struct frame f = { .at = wire_at(w), .len = w->len };
	struct spoiler *sp = arg;
	struct writer out;
	struct pkt p;

	if (w->kind == WIRE_MESSAGE && wire_at(w)[2] == MSG_OPEN)
		sp->opened++;
	if (w->kind != WIRE_OUTER_PACKET || !sp->on)
		return false;
	if (!sp->resets)
		return w->len > 300;
	if (pkt_parse4(&p, &f) || !tcp_is_syn(&p))
		return false;
	sp->back = (struct wire){ .kind = WIRE_OUTER_PACKET, .dir = DOWN,
		.proto = PROTO_TCP };
	out = writer_of(wire_at(&sp->back), 100);
	sp->back.len = tcp_build(&out, &(struct tcp_seg){
		.t = { p.dst4, p.src4, p.dport, p.sport, PROTO_TCP },
		.flags = TCP_RST | TCP_ACK, .ack = p.seq + 1 });
	sim_at(s, 5, spoil_back, sp);
	return true;
}

START_TEST(spoiled_path)
{
	struct spoiler sp = { .resets = _i & 1 };
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	s->hook = spoil;
	s->hook_arg = &sp;
	tcp_write(t, UP, 1000);
	ck_assert(tcp_run(t, 5000));
	sp.on = true;
	if (sp.resets)
		inject_reset(s, t, DOWN);
	for (int i = 0; i < 120; i++) {
		tcp_write(t, _i & 2 ? DOWN : UP, 20000);
		sim_run(s, 1000);
	}
	ck_assert(tcp_run(t, 30 * 1000));
	ck_assert_int_gt(sp.opened, 3);
	ck_assert_int_lt(sp.opened, 14);
	sim_end(s);
}
END_TEST

/* Another uplink: nothing more is sent from the old address. */
static bool old_address(struct sim *s, struct wire *w, void *arg)
{
	if (w->dir == UP && w->kind != WIRE_MESSAGE &&
	    w->from.addr == *(uint32_t *)arg)
		sim_error(s, "sent from an address that is no more");
	return false;
}

START_TEST(uplink_changes)
{
	struct sim *s = sim_up(&strict);
	struct node *n = &s->edge[0];
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	uint32_t old = n->addr;

	tcp_write(t, UP, 50000);
	ck_assert(tcp_run(t, 5000));
	s->hook = old_address;
	s->hook_arg = &old;
	n->addr = 0x0a010203;
	engine_set_uplink(n->e, n->addr, FULL_MTU, s->now);
	pump(n);
	tcp_write(t, UP, 400000);
	tcp_write(t, DOWN, 400000);
	ck_assert(tcp_run(t, 30 * 1000));
	settled(s, t);
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

/* Half closed, and the other half is long: it has a carrier all the same. */
START_TEST(half_closed_is_promoted)
{
	struct sim *s = sim_up(&strict);
	enum dir d = _i ? UP : DOWN;
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, !d, 1000);
	tcp_finish(t, !d);
	ck_assert(tcp_run(t, 5000));
	sim_run(s, 70 * 1000);
	tcp_write(t, d, 300000);
	ck_assert(tcp_run(t, 10 * 1000));
	ck_assert(on_own(s, t));
	tcp_write(t, d, 300000);
	tcp_finish(t, d);
	ck_assert(tcp_run(t, 10 * 1000));
	ck_assert_uint_eq(t->end[d].repeated, 0);
	sim_run(s, 15 * 1000);
	ck_assert_ptr_null(session_at(&s->edge[0], t));
	ck_assert_ptr_null(session_at(&s->hub, t));
	sim_end(s);
}
END_TEST

START_TEST(nat_reboots)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 50000);
	ck_assert(tcp_run(t, 10 * 1000));
	nat_reboot(&s->nat[0], _i ? s->nat[0].addr : 0xc6336481);
	tcp_write(t, UP, 400000);
	tcp_write(t, DOWN, 400000);
	ck_assert(tcp_run(t, 60 * 1000));
	settled(s, t);
	tcp_write(t, UP, 200000);
	tcp_write(t, DOWN, 200000);
	ck_assert(tcp_run(t, 20 * 1000));
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

/* The edge lost a carrier without a word, and its next one gets the same ports
 * outside: what is newly proven takes the key from the session that held it.
 */
START_TEST(mapping_given_away)
{
	struct sim *s = sim_up(&strict);
	struct engine *e = s->edge[0].e;
	struct tcp *t[2];
	struct carrier *c;

	t[0] = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t[0], UP, 20000);
	ck_assert(tcp_run(t[0], 5000));
	c = carrier_at(&s->edge[0], t[0]);
	ck_assert_ptr_nonnull(c);
	sim_link(&s->edge[0])->next_hport = c->hport;
	sim_link(&s->edge[0])->next_eport = c->eport;
	carrier_leave(e, (uint32_t)(c - e->own), LEFT_NAT, false, s->now);
	nat_reboot(&s->nat[0], s->nat[0].addr);
	t[1] = tcp_connect(s, 0, UP, 40002, 80);
	tcp_write(t[1], UP, 20000);
	tcp_write(t[1], DOWN, 20000);
	ck_assert(tcp_run(t[1], 5000));
	ck_assert(on_own(s, t[1]));
	ck_assert_ptr_null(carrier_at(&s->hub, t[0]));
	ck_assert_uint_eq(t[1]->end[UP].connected - t[1]->started, 60);
	tcp_write(t[0], UP, 20000);
	tcp_write(t[0], DOWN, 20000);
	ck_assert(tcp_run(t[0], 20 * 1000));
	settled(s, t[0]);
	sim_end(s);
}
END_TEST

/* Gigabytes one way: as if a GiB had passed between the rounds, @s and @t are
 * taken back. Acknowledgements stay on the carrier when numbers wrap.
 */
START_TEST(many_gigabytes)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	struct carrier *edge, *hub;
	enum dir d = _i ? UP : DOWN;

	tcp_write(t, d, 20000);
	ck_assert(tcp_run(t, 5000));
	edge = carrier_at(&s->edge[0], t);
	hub = carrier_at(&s->hub, t);
	for (int i = 0; i < 8; i++) {
		if (d == UP)
			edge->s = hub->s -= ONE_GIB;
		else
			edge->t = hub->t -= ONE_GIB;
		tcp_write(t, d, 100000);
		ck_assert(tcp_run(t, 5000));
	}
	ck_assert_ptr_eq(carrier_at(&s->edge[0], t), edge);
	for (int v = VIA_SHARED; v < VIA_COUNT; v++)
		ck_assert_uint_eq(via_sent(&s->edge[0], v) +
				  via_sent(&s->hub, v), 0);
	sim_end(s);
}
END_TEST

/* -- RST ----------------------------------------------------------------------------- */

START_TEST(reset_ends_both)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	enum dir d = _i ? UP : DOWN;

	tcp_write(t, UP, 50000);
	tcp_write(t, DOWN, 50000);
	ck_assert(tcp_run(t, 5000));
	ck_assert(on_own(s, t));
	tcp_abort(t, d);
	sim_run(s, 1000);
	ck_assert(t->end[!d].reset);
	ck_assert_int_eq(session_at(&s->edge[0], t)->state, SESSION_CLOSING);
	ck_assert_int_eq(session_at(&s->hub, t)->state, SESSION_CLOSING);
	ck_assert(off_own(s, t));
	ck_assert_uint_eq(nat_flows(s, &s->nat[0], PROTO_TCP), 0);
	sim_run(s, 5 * 60 * 1000);
	ck_assert_ptr_null(session_at(&s->edge[0], t));
	ck_assert_ptr_null(session_at(&s->hub, t));
	sim_end(s);
}
END_TEST

/* The RST's copy on the carrier is lost: CLOSE ends the carrier as well. */
static bool lose_resets(struct sim *s, struct wire *w, void *arg)
{
	(void)s;
	(void)arg;
	return w->kind == WIRE_OUTER_PACKET && w->proto == PROTO_TCP &&
	       (wire_at(w)[IP4_HDR + 13] & TCP_RST);
}

START_TEST(reset_copy_lost)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 50000);
	ck_assert(tcp_run(t, 5000));
	s->hook = lose_resets;
	tcp_abort(t, _i ? UP : DOWN);
	sim_run(s, 1000);
	ck_assert(t->end[_i ? DOWN : UP].reset);
	ck_assert(off_own(s, t));
	ck_assert_uint_eq(sim_link(&s->edge[0])->own_active, 0);
	ck_assert_uint_eq(sim_link(&s->hub)->own_active, 0);
	sim_end(s);
}
END_TEST

START_TEST(reset_on_the_carrier)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 50000);
	tcp_write(t, DOWN, 50000);
	ck_assert(tcp_run(t, 5000));
	inject_reset(s, t, _i ? UP : DOWN);
	sim_run(s, 1000);
	ck_assert(!t->end[UP].reset && !t->end[DOWN].reset);
	tcp_write(t, UP, 300000);
	tcp_write(t, DOWN, 300000);
	ck_assert(tcp_run(t, 30 * 1000));
	settled(s, t);
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

/* -- idle ------------------------------------------------------------------------------ */

START_TEST(idle_costs_nothing)
{
	struct sim_conf c = strict;
	struct sim *s;
	struct tcp *t;
	uint64_t before;

	c.nat.tcp_ms = 120 * 1000;
	s = sim_up(&c);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 50000);
	ck_assert(tcp_run(t, 5000));
	sim_run(s, 1000);
	before = s->crossed[WIRE_OUTER_PACKET][UP] +
		 s->crossed[WIRE_OUTER_PACKET][DOWN];
	sim_run(s, 3600 * 1000);
	ck_assert_uint_eq(s->crossed[WIRE_OUTER_PACKET][UP] +
			  s->crossed[WIRE_OUTER_PACKET][DOWN], before);
	tcp_write(t, _i ? UP : DOWN, 10000);
	ck_assert(tcp_run(t, 5000));
	ck_assert_uint_eq(t->end[UP].repeated + t->end[DOWN].repeated, 0);
	ck_assert(off_own(s, t));
	tcp_write(t, _i ? UP : DOWN, 200000);
	ck_assert(tcp_run(t, 10000));
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

/* Nor does an advance go there, after data that may not take the carrier. */
START_TEST(idle_gets_no_advance)
{
	enum dir d = _i ? UP : DOWN;
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	uint64_t before;

	tcp_write(t, UP, 1000);
	ck_assert(tcp_run(t, 5000));
	sim_run(s, 70 * 1000);
	before = s->crossed[WIRE_OUTER_PACKET][UP] +
		 s->crossed[WIRE_OUTER_PACKET][DOWN];
	t->end[d].hop = 3; /* lower than agreed: explicit */
	tcp_write(t, d, 1000);
	ck_assert(tcp_run(t, 5000));
	sim_run(s, 1000);
	ck_assert_uint_eq(s->crossed[WIRE_OUTER_PACKET][UP] +
			  s->crossed[WIRE_OUTER_PACKET][DOWN], before);
	ck_assert(off_own(s, t));
	sim_end(s);
}
END_TEST

/* SYN lost beside the carrier too: a host's own retransmission is delivered */
START_TEST(peer_answers_late)
{
	struct sim *s;
	struct sim_conf c = strict;
	uint32_t name;
	struct tcp *t;

	c.far = 2500;
	s = sim_up(&c);
	t = tcp_connect(s, 0, UP, 40001, 80);
	sim_run(s, 100);
	name = s->edge[0].e->next_name;
	tcp_write(t, UP, 5000);
	ck_assert(tcp_run(t, 60 * 1000));
	ck_assert(on_own(s, t));
	/* the first: the peer's repeated SYN/ACKs say nothing about it */
	ck_assert_uint_eq(s->edge[0].e->next_name, name);
	sim_end(s);
}
END_TEST

/* A short flow to the same port four times: the next starts on shared. */
START_TEST(short_flows_start_shared)
{
	struct sim *s = sim_up(&strict);
	struct tcp *t;

	for (uint16_t i = 0; i < 3; i++) {
		t = tcp_connect(s, 0, UP, (uint16_t)(40000 + i), 80);
		tcp_write(t, UP, 100);
		ck_assert(tcp_run(t, 2000));
		ck_assert(on_own(s, t));
		tcp_finish(t, UP);
		tcp_finish(t, DOWN);
		ck_assert(tcp_run(t, 2000));
		sim_run(s, 20 * 1000);
	}
	t = tcp_connect(s, 0, UP, 40010, 80);
	tcp_write(t, UP, 100);
	ck_assert(tcp_run(t, 2000));
	ck_assert(off_own(s, t));
	tcp_write(t, UP, 200000);
	ck_assert(tcp_run(t, 5000));
	ck_assert(on_own(s, t));
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("owntcp");
	TCase *tc = tcase_create("owntcp");

	tcase_add_test(tc, syn_goes_at_once);
	tcase_add_test(tc, twenty_bytes_fewer);
	tcase_add_test(tc, full_packets_on_1480);
	tcase_add_loop_test(tc, option_sets, 0, 8);
	tcase_add_test(tc, inbound_gets_mid);
	tcase_add_loop_test(tc, promoted_in_mid_stream, 0, 2);
	tcase_add_loop_test(tc, first_each_lost_once, 0, 12);
	tcase_add_loop_test(tc, inbound_each_lost_once, 0, 12);
	tcase_add_loop_test(tc, inbound_each_datagram_lost_once, 0, 12);
	tcase_add_loop_test(tc, mid_each_lost_once, 0, 20);
	tcase_add_loop_test(tc, synack_made_again, 0, 16);
	tcase_add_loop_test(tc, synack_beside, 0, 2);
	tcase_add_loop_test(tc, lossy_path, 0, 4);
	tcase_add_loop_test(tc, range_closes, 0, 2);
	tcase_add_loop_test(tc, spoiled_path, 0, 4);
	tcase_add_loop_test(tc, half_closed_is_promoted, 0, 2);
	tcase_add_test(tc, uplink_changes);
	tcase_add_loop_test(tc, nat_reboots, 0, 2);
	tcase_add_test(tc, mapping_given_away);
	tcase_add_loop_test(tc, many_gigabytes, 0, 2);
	tcase_add_loop_test(tc, reset_ends_both, 0, 2);
	tcase_add_loop_test(tc, reset_copy_lost, 0, 2);
	tcase_add_loop_test(tc, reset_on_the_carrier, 0, 2);
	tcase_add_loop_test(tc, idle_costs_nothing, 0, 2);
	tcase_add_loop_test(tc, idle_gets_no_advance, 0, 2);
	tcase_add_test(tc, peer_answers_late);
	tcase_add_test(tc, short_flows_start_shared);
	return run_both(suite, tc);
}
