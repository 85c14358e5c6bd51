/* SPDX-License-Identifier: MIT
 *
 * owntcp.c - own TCP carriers in use (design 3.4); tcpopen.c opens them
 *
 * Theory of operation
 * ===================
 * This is the door: owntcp_send() and owntcp_received() hand to tcpopen.c what
 * happens before a carrier is UP. Here is what may go on one that is.
 *
 * What may take the carrier: may_take(). The NAT drops acknowledgements of
 * data it never saw, so nothing above @mark is acknowledged here, and after
 * data went on shared an advance tells the NAT where the stream is.
 *
 * RST: one that comes on a carrier is never delivered; it only says that the
 * carrier is dead. A real one goes explicit, with a copy here that the other
 * end swallows, so that the NAT frees the mapping.
 */
#include "core/own.h"

enum { ADVANCE_LEAST_MS = 20 };

/* -- segments of our own making ------------------------------------------ */

void carrier_segment(struct engine *e, struct carrier *c,
		     const struct segment *s, msec now)
{
	size_t len = IP4_HDR + 60 + s->payload.len;
	uint8_t *at = out_room(e, len);
	struct writer w = writer_of(at, len);
	struct frame f = { .at = at };
	struct tcp_seg seg = {
		.t = { c->local.addr, c->remote.addr, c->local.port,
		       c->remote.port, PROTO_TCP },
		.seq = s->seq, .ack = s->ack, .win = s->win,
		.flags = s->flags, .opts = s->opts, .payload = s->payload,
	};

	if (!at)
		return;
	f.len = tcp_build(&w, &seg);
	c->last_tx = now;
	if (f.len)
		out_outer(e, &f);
}

struct tcp_opts owntcp_stamps(const struct engine *e, const struct session *s)
{
	const struct tcp_side *mine = &s->side[dir_sent(e)];
	const struct tcp_side *other = &s->side[dir_received(e)];
	struct tcp_opts o = { .has_ts = mine->known & other->known & KNOWN_TS,
		.ts_val = mine->ts, .ts_ecr = other->ts };

	return o;
}

void owntcp_advance(struct engine *e, uint32_t n, bool opening, msec now)
{
	struct carrier *c = &e->own[n];
	const struct session *s = &e->session[c->session];
	const struct tcp_side *mine = &s->side[dir_sent(e)];
	struct tcp_opts o = owntcp_stamps(e, s);
	struct segment seg = { .seq = mine->end, .flags = TCP_ACK,
		.win = opening ? MID_WINDOW : mine->win, .opts = &o };

	if (opening || !(mine->known & KNOWN_ACK))
		seg.ack = (is_edge(e) ? c->t : c->s) - 1;
	else
		seg.ack = (seq_after(mine->ack, c->mark) ? c->mark :
			   mine->ack) - 1;
	c->advance_at = now;
	c->advance_due = false;
	carrier_segment(e, c, &seg, now);
}

void owntcp_goodbye(struct engine *e, const struct carrier *c, msec now)
{
	struct carrier copy = *c;
	struct segment seg = { .seq = c->rx_ack, .flags = TCP_RST };

	carrier_segment(e, &copy, &seg, now);
}

/* -- sending ------------------------------------------------------------- */

/* The window is never larger than ONE_GIB, so this sees each step. */
static void note_past(const struct engine *e, struct carrier *c)
{
	const struct tcp_side *side = e->session[c->session].side;

	c->past[UP] |= !seq_after(c->s + ONE_GIB, side[UP].end);
	c->past[DOWN] |= !seq_after(c->t + ONE_GIB, side[DOWN].end);
}

/* Design 3.4, "What may take the carrier". */
static bool may_take(const struct engine *e, struct carrier *c,
		     const struct pkt *p)
{
	uint32_t mine = is_edge(e) ? c->s : c->t;
	uint32_t theirs = is_edge(e) ? c->t : c->s;

	if ((p->flags & TCP_SYN) || (is_edge(e) && tcpopen_is_ack(c, p)))
		return false; /* the hub would swallow it */
	if ((p->flags & TCP_ACK) && seq_after(p->ack, c->mark))
		return false;
	if (p->opts.has_sack && seq_after(p->opts.sack_max, c->mark))
		return false;
	note_past(e, c);
	return (c->past[dir_sent(e)] || !seq_after(mine, p->seq)) &&
	       (c->past[dir_received(e)] || !(p->flags & TCP_ACK) ||
		!seq_after(theirs, p->ack));
}

/* Only what may have gone on the carrier before can have been lost there. */
void owntcp_repeated(const struct engine *e, struct carrier *c,
		     const struct pkt *p)
{
	enum dir d = dir_sent(e);

	if (c->state != CARRIER_UP || (p->flags & TCP_SYN) ||
	    (!c->past[d] && seq_after(d == UP ? c->s : c->t, p->seq)))
		return;
	if (!c->rtx || c->rtx_seq != p->seq) {
		c->rtx = c->rtx ? c->rtx : 1;
		c->rtx_seq = p->seq;
	} else if (c->rtx < UINT8_MAX) {
		c->rtx++;
	}
}

void owntcp_came_again(struct carrier *c, const struct pkt *p)
{
	if (c->state != CARRIER_UP || (p->flags & TCP_SYN))
		return;
	if (!c->came || c->came_seq != p->seq) {
		c->came = 1;
		c->came_seq = p->seq;
	} else if (c->came < UINT8_MAX) {
		c->came++;
	}
}

static bool send_up(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];

	if (carrier_is_idle(e, c, now)) {
		carrier_leave(e, n, LEFT_IDLE, true, now);
		return false;
	}
	if (c->rtx >= LOST_SIGNS || c->came >= LOST_SIGNS) {
		shared_ask(e, &e->link[c->link], now);
		carrier_leave(e, n, LEFT_QUIET, true, now);
		return false;
	}
	if (!may_take(e, c, p))
		return false;
	carrier_out(e, n, p, now);
	return true;
}

bool owntcp_send(struct engine *e, uint32_t session, struct pkt *p, msec now)
{
	uint32_t n = e->session[session].carrier;

	if (n == NONE)
		return tcpopen_first(e, session, p, now);
	if (p->flags & TCP_RST)
		return false;
	switch ((enum carrier_state)e->own[n].state) {
	case CARRIER_SYN:
	case CARRIER_SYNACK:
		return tcpopen_send(e, n, p, now);
	case CARRIER_UP:
		return send_up(e, n, p, now);
	case CARRIER_FREE:
		break;
	}
	return false;
}

void owntcp_sent_shared(struct engine *e, uint32_t session, const struct pkt *p,
			msec now)
{
	struct session *s = &e->session[session];
	struct link *l = &e->link[s->link];
	uint32_t n = s->carrier;
	msec gap = l->rtt_ms > ADVANCE_LEAST_MS ? l->rtt_ms : ADVANCE_LEAST_MS;

	if (n == NONE) {
		if (is_edge(e) && tcp_is_synack(p) && s->initiator == BY_PEER &&
		    carrier_allowed(e, l, PROTO_TCP, false, true, now))
			owntcp_start(e, session, now);
		return;
	}
	if (e->own[n].state != CARRIER_UP || !p->seg_len)
		return;
	if (carrier_is_idle(e, &e->own[n], now)) {
		carrier_leave(e, n, LEFT_IDLE, true, now);
		return;
	}
	if (now - e->own[n].advance_at >= gap) {
		owntcp_advance(e, n, false, now);
	} else if (!e->own[n].advance_due) {
		e->own[n].advance_due = true;
		wheel_set(&e->wheel, timer_of_own(e, n),
			  e->own[n].advance_at + gap);
	}
}

/* -- receiving ----------------------------------------------------------- */

void owntcp_segment(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];
	enum dir d = dir_received(e);
	const struct tcp_side *from = &e->session[c->session].side[d];
	uint32_t end = p->seq + p->seg_len;
	/* what an opening advance acknowledges need not be acknowledged yet */
	bool opening = p->ack == (is_edge(e) ? c->s : c->t) - 1;
	bool stale = tcp_is_empty_ack(p) &&
		     (opening || ((from->known & KNOWN_ACK) &&
				  seq_after(from->ack, p->ack)));

	if (tcp_fits(from, &e->session[c->session].side[!d], p)) {
		if (seq_after(end, c->mark))
			c->mark = end;
		if ((p->flags & TCP_ACK) && seq_after(p->ack, c->rx_ack))
			c->rx_ack = p->ack;
	}
	if (stale) { /* an advance: TCP has no use for it */
		carrier_swallow(e, c, DROP_SWALLOWED_ACK);
		return;
	}
	session_track(e, c->session, p, d, now);
	carrier_in(e, n, p, now);
}

void owntcp_received(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];

	c->last_rx = now;
	c->rtx = c->came = 0;
	if (p->flags & TCP_RST) {
		carrier_swallow(e, c, DROP_SWALLOWED_RST);
		carrier_leave(e, n, LEFT_RST, true, now);
	} else if (c->kind == OPEN_PROBE) {
		probe_received(e, n, p, now);
	} else if (c->state != CARRIER_UP) {
		tcpopen_received(e, n, p, now);
	} else if (!tcpopen_again(e, n, p, now)) {
		owntcp_segment(e, n, p, now);
	}
}

void owntcp_timer(struct engine *e, uint32_t n, msec now)
{
	struct carrier *c = &e->own[n];

	if (c->state != CARRIER_UP)
		tcpopen_timer(e, n, now);
	else if (c->advance_due && !carrier_is_idle(e, c, now))
		owntcp_advance(e, n, false, now);
}
