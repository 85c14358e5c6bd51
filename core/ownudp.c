/* SPDX-License-Identifier: MIT
 *
 * ownudp.c - own UDP carriers (design 3.3)
 *
 * Theory of operation
 * ===================
 * A UDP flow that has moved PROMOTE_BYTES on shared gets a port pair of its
 * own: OPEN over control, and a punch (ASK) on the pair after 0, 0.25, 0.5, 1,
 * 2 s. The hub latches by a proven punch and answers every one; the edge sends
 * data there only after an answer, the hub only after the latch. From then on
 * a packet is the inner datagram with other ports and nothing else.
 *
 * On own UDP, whatever begins with the punch tag and the link's number is a
 * punch and never delivered; a payload that looks so goes on shared.
 *
 * Idle: neither end sends where nothing came for the limit; so the end that
 * only receives punches after a third of it (answer_silence()). If that did not
 * come either, the carrier is quiet: a trouble, and the edge re-homes at once.
 */
#include "core/own.h"

enum { STEP_MS = 250, TRIES = 5, ANSWER_MS = 1000, FAST_LOOKS = 6 };

static struct span payload_of(const struct pkt *p)
{
	return (struct span){ p->f->at + p->l4_at + UDP_HDR, p->payload };
}

static void punch(struct engine *e, uint32_t n, uint8_t type, uint64_t nonce,
		  msec now)
{
	struct carrier *c = &e->own[n];
	struct punch p = { .type = type, .carrier = c->name, .nonce = nonce,
		.addr = c->remote };
	uint8_t bytes[WIRE_PUNCH];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct tuple4 t = { c->local.addr, c->remote.addr, c->local.port,
		c->remote.port, PROTO_UDP };
	struct frame f = { .at = out_room(e, IP4_HDR + UDP_HDR + WIRE_PUNCH) };
	struct writer out = writer_of(f.at, IP4_HDR + UDP_HDR + WIRE_PUNCH);

	if (!f.at || !punch_write(e, &e->link[c->link], &w, &p, c))
		return;
	f.len = udp_build(&out, &t, (struct span){ bytes, w.len });
	c->last_tx = now;
	if (f.len)
		out_outer(e, &f);
}

void ownudp_start(struct engine *e, uint32_t session, msec now)
{
	const struct session *s = &e->session[session];
	uint32_t n = carrier_open(e, &e->link[s->link], session, OPEN_UDP, now);

	if (n == NONE)
		return;
	owntcp_open(e, n, (struct span){ NULL, 0 });
	punch(e, n, PUNCH_ASK, rand64(&e->rand), now);
	wheel_set(&e->wheel, timer_of_own(e, n), now + STEP_MS);
}

/* The other end must hear from us within a third of the limit. */
static void answer_silence(struct engine *e, uint32_t n, msec now)
{
	struct carrier *c = &e->own[n];

	if (now - c->last_tx > e->link[c->link].idle_udp_ms / 3)
		punch(e, n, PUNCH_ASK, rand64(&e->rand), now);
}

/* By the fast path packets come unseen: look now and then. What came so long
 * after we last sent would have been answered at once.
 */
static void keep_fast(struct engine *e, uint32_t n, msec now)
{
	struct carrier *c = &e->own[n];

	if (!c->slot)
		return;
	if (!carrier_is_idle(e, c, now) &&
	    now - since(now, e->session[c->session].seen) >
	    c->last_tx + e->link[c->link].idle_udp_ms / 3)
		answer_silence(e, n, now);
	wheel_set(&e->wheel, timer_of_own(e, n),
		  now + e->link[c->link].idle_udp_ms / FAST_LOOKS);
}

void ownudp_timer(struct engine *e, uint32_t n, msec now)
{
	struct carrier *c = &e->own[n];

	if (c->state == CARRIER_UP) {
		keep_fast(e, n, now);
		return;
	}
	if (++c->tried >= TRIES) {
		carrier_leave(e, n, LEFT_FAILED, is_edge(e), now);
		return;
	}
	if (is_edge(e))
		punch(e, n, PUNCH_ASK, rand64(&e->rand), now);
	wheel_set(&e->wheel, timer_of_own(e, n),
		  now + ((msec)STEP_MS << (c->tried - 1)) *
			(is_edge(e) ? 1 : 2));
}

/* The datagram of this (super-)packet that is, or looks like, a punch for link
 * number @number; empty if none does.
 */
static struct span find_punch(const struct pkt *p, uint32_t number)
{
	struct span all = payload_of(p);
	size_t step = p->f->off.gso_type ? p->f->off.gso_size : all.len;

	for (size_t at = 0; at < all.len; at += step) {
		size_t left = all.len - at;
		struct span one = { all.at + at, left < step ? left : step };

		if (is_punch(one, number))
			return one;
	}
	return (struct span){ NULL, 0 };
}

/* Nothing came although we sent so late that the other end owed an answer (see
 * answer_silence()), or ICMP says so: it is not idleness.
 */
static bool is_quiet(const struct engine *e, const struct carrier *c)
{
	msec third = e->link[c->link].idle_udp_ms / 3;

	return c->rtx >= LOST_SIGNS ||
	       c->last_tx > c->last_rx + third + ANSWER_MS;
}

bool ownudp_send(struct engine *e, uint32_t session, struct pkt *p, msec now)
{
	uint32_t n = e->session[session].carrier;
	struct carrier *c;

	if (n == NONE || e->own[n].state != CARRIER_UP)
		return false;
	c = &e->own[n];
	if (carrier_is_idle(e, c, now) || c->rtx >= LOST_SIGNS) {
		bool quiet = is_quiet(e, c);

		if (quiet)
			shared_ask(e, &e->link[c->link], now);
		carrier_leave(e, n, quiet ? LEFT_QUIET : LEFT_IDLE, true, now);
		return false;
	}
	if (find_punch(p, e->link[c->link].peer_number).len)
		return false;
	carrier_out(e, n, p, now);
	return true;
}

static void punched(struct engine *e, uint32_t n, const struct punch *p,
		    msec now)
{
	struct carrier *c = &e->own[n];

	c->last_rx = now;
	c->rtx = 0;
	if (c->state != CARRIER_UP && (!is_edge(e) || p->type == PUNCH_ANSWER))
		carrier_enter(e, n, CARRIER_UP, now);
	if (p->type == PUNCH_ASK)
		punch(e, n, PUNCH_ANSWER, p->nonce, now);
}

void ownudp_received(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];
	struct link *l = &e->link[c->link];
	struct span found = find_punch(p, l->my_number);
	struct punch punch_in;
	uint64_t counter;
	enum drop bad;

	if (found.len) { /* were data joined to it, they are lost */
		bad = punch_read(e, l, found, c, &punch_in, &counter);
		if (bad)
			end_packet(e, l, bad);
		else
			punched(e, n, &punch_in, now);
		return;
	}
	c->last_rx = now;
	c->rtx = 0;
	session_track(e, c->session, p, dir_received(e), now);
	carrier_in(e, n, p, now);
	answer_silence(e, n, now);
}

uint32_t ownudp_announced(const struct engine *e, const struct pkt *p)
{
	struct span in = payload_of(p);
	const struct link *l = NULL;
	uint32_t n = NONE;

	if (in.len >= WIRE_PUNCH)
		l = link_by_number(e, get32(in.at) & TAG_NUMBER);
	if (l && is_punch(in, l->my_number))
		n = carrier_named(e, link_index(e, l), punch_carrier(in));
	if (n == NONE || e->own[n].proto != PROTO_UDP || e->own[n].latched ||
	    e->own[n].hport != p->dport)
		return NONE;
	return n;
}

void ownudp_punch(struct engine *e, const struct pkt *p, msec now)
{
	uint32_t n = ownudp_announced(e, p);
	struct punch punch_in;
	struct link *l;
	uint64_t counter;
	enum drop bad;

	if (n == NONE) {
		end_packet(e, NULL, DROP_NO_CARRIER);
		return;
	}
	l = &e->link[e->own[n].link];
	bad = punch_read(e, l, payload_of(p), &e->own[n], &punch_in, &counter);
	if (bad) {
		end_packet(e, l, bad);
		return;
	}
	carrier_latch(e, n, (struct taddr4){ p->dst4, p->dport },
		      (struct taddr4){ p->src4, p->sport }, now);
	punched(e, n, &punch_in, now);
}
