/* SPDX-License-Identifier: MIT
 *
 * tcpopen.c - how an own TCP carrier is opened (design 3.4)
 *
 * Theory of operation
 * ===================
 * FIRST: the inner handshake is the outer one.
 *
 *	host        edge                    hub             peer
 *	 SYN ------> SYN on the carrier ---> latch
 *	             OPEN + copy (control) > copy ---------> SYN
 *	 SYN/ACK <-- <---------------------  <-------------- SYN/ACK
 *	 ACK ------> ----------------------> usable -------> ACK
 *
 * The first SYN/ACK to arrive at the edge, on whichever carrier, is delivered.
 * If it came elsewhere the edge repeats the carrier's SYN; the hub then makes
 * the SYN/ACK of what it knows, as it does when the host repeats its SYN after
 * the SYN/ACK. The edge answers what it swallows by an ACK of its own, one below
 * S: no segment of the host's takes the carrier there, so the hub knows it.
 *
 * MID: an inbound session, or one that lives already. S and T are the next
 * bytes each way in the edge's view; none of the handshake is delivered.
 *
 *	edge                                   hub
 *	 OPEN (control), SYN at S-1 --------->  latch
 *	 <----------------------- SYN/ACK at T-1
 *	 ACK S, T --------------------------->  usable
 *	 <-- advance: at the present byte, acknowledges S-1
 *	 usable; advance, acknowledges T-1 -->
 *
 * The edge alone has timers (1, 2, 4 s): SYN until SYN/ACK, ACK until the
 * advance. The hub sends a SYN/ACK only in answer to a SYN, never after an ACK:
 * one repeated later throws the NAT's tracker back and real data is lost.
 *
 * From the time it is in use on, a carrier is owntcp.c's; here only what
 * repeats a handshake is still answered (tcpopen_again()).
 */
#include "core/cut.h"
#include "core/own.h"

enum { SYN_STEP_MS = 1000, MID_TRIES = 3, FIRST_TRIES = 8, ELSEWHERE_TRIES = 2,
	COPY_MAX = 200 };

/* A SYN/ACK that may reach the host: window and ECN are the peer's. */
static void as_the_peer(const struct session *s, struct segment *seg)
{
	const struct tcp_side *down = &s->side[DOWN];

	if (down->end == down->isn + 1) /* else it is scaled, and delivered */
		seg->win = down->win;
	if (down->known & KNOWN_ECE)
		seg->flags |= TCP_ECE;
}

/* The handshake segments of carrier @n that this end may have to send. */
static void send_handshake(struct engine *e, uint32_t n, uint8_t flags,
			   msec now)
{
	struct carrier *c = &e->own[n];
	const struct session *s = &e->session[c->session];
	struct tcp_opts o = flags & TCP_SYN ? c->opts[dir_sent(e)] :
			    owntcp_stamps(e, s);
	uint32_t mine = is_edge(e) ? c->s : c->t;
	uint32_t theirs = is_edge(e) ? c->t : c->s;
	struct segment seg = { .win = MID_WINDOW, .flags = flags, .opts = &o };

	if (flags & TCP_SYN && o.has_ts) {
		o.ts_val = s->side[dir_sent(e)].ts;
		o.ts_ecr = flags & TCP_ACK ? s->side[dir_received(e)].ts : 0;
	}
	if (c->kind == OPEN_FIRST && flags == (TCP_SYN | TCP_ACK))
		as_the_peer(s, &seg);
	seg.seq = flags & TCP_SYN || c->kind == OPEN_FIRST ? mine - 1 : mine;
	seg.ack = flags & TCP_ACK ? theirs : 0;
	carrier_segment(e, c, &seg, now);
}

/* -- OPEN, and the first SYN --------------------------------------------- */

void owntcp_open(struct engine *e, uint32_t n, struct span copy)
{
	const struct carrier *c = &e->own[n];
	const struct tcp_opts *up = &c->opts[UP], *down = &c->opts[DOWN];
	struct msg m = { .type = MSG_OPEN, .u.open = {
		.kind = c->kind, .carrier = c->name, .proto = c->proto,
		.eport = c->eport, .hport = c->hport, .s = c->s, .t = c->t,
		.known = (uint8_t)((up->has_scale ? KNOWN_SCALE : 0) |
				   (up->sack_ok ? KNOWN_SACK : 0) |
				   (up->has_ts ? KNOWN_TS : 0)),
		.mss_up = up->mss, .mss_down = down->mss,
		.scale_up = up->scale, .scale_down = down->scale,
		.ts_up = up->ts_val, .ts_down = down->ts_val,
		.packet = copy } };
	const struct session *s;

	if (c->session != NONE) {
		s = &e->session[c->session];
		m.u.open.host = s->host;
		m.u.open.peer = s->peer;
		m.u.open.host_port = s->host_port;
		m.u.open.peer_port = s->peer_port;
		m.u.open.hop = s->hop;
		m.u.open.initiator = s->initiator;
	}
	out_message(e, &e->link[c->link], &m);
}

/* The packet as one piece, its checksum complete, in @to. */
static struct span copy_whole(const struct pkt *p, uint8_t to[static COPY_MAX])
{
	struct writer w = writer_of(to, COPY_MAX);
	uint8_t room[CUT_HEAD];
	struct piece piece;
	struct cut c;

	if (cut_start(&c, p) || !cut_next(&c, room, &piece))
		return (struct span){ to, 0 };
	write_bytes(&w, piece.head.at, piece.head.len);
	write_bytes(&w, piece.body.at, piece.body.len);
	return (struct span){ to, w.full ? 0 : w.len };
}

bool tcpopen_first(struct engine *e, uint32_t session, struct pkt *p, msec now)
{
	const struct session *s = &e->session[session];
	struct link *l = &e->link[s->link];
	uint8_t bytes[COPY_MAX];
	struct span copy;
	uint32_t n;

	if (!tcp_is_syn(p) || p->payload || s->packets != 1 ||
	    s->initiator != BY_HOST ||
	    !carrier_allowed(e, l, PROTO_TCP, false, false, now) ||
	    (e->conf.carriers == CARRIERS_AUTO && flow_starts_shared(e, s)))
		return false;
	copy = copy_whole(p, bytes);
	n = copy.len ? carrier_open(e, l, session, OPEN_FIRST, now) : NONE;
	if (n == NONE)
		return false;
	e->own[n].s = p->seq + 1;
	e->own[n].opts[UP] = p->opts;
	owntcp_open(e, n, copy);
	carrier_out(e, n, p, now);
	return true;
}

/* Options of the carrier's SYN (UP) or SYN/ACK (DOWN) in mid-stream. */
static struct tcp_opts mid_opts(const struct session *s, enum dir d, bool fresh)
{
	const struct tcp_side *side = &s->side[d];
	bool both_ts = s->side[UP].known & s->side[DOWN].known & KNOWN_TS;
	struct tcp_opts o = { .mss = side->mss || side->known & KNOWN_SYN ?
		side->mss : 1440,
		.has_scale = true, .scale = MID_SCALE, .sack_ok = true,
		.has_ts = both_ts, .ts_val = side->ts };

	if (side->mss || side->known & KNOWN_SYN) /* options are known */
		o.sack_ok = s->side[UP].known & s->side[DOWN].known &
			    KNOWN_SACK;
	if (fresh) {
		o.has_scale = s->side[UP].known & s->side[DOWN].known &
			      KNOWN_SCALE;
		o.scale = side->scale;
	}
	return o;
}

void owntcp_start(struct engine *e, uint32_t session, msec now)
{
	const struct session *s = &e->session[session];
	const struct tcp_side *up = &s->side[UP], *down = &s->side[DOWN];
	struct carrier *c;
	uint32_t n;

	if (!(up->known & down->known & KNOWN_ANY) ||
	    (up->known & down->known & KNOWN_FIN))
		return;
	n = carrier_open(e, &e->link[s->link], session, OPEN_MID, now);
	if (n == NONE)
		return;
	c = &e->own[n];
	c->s = up->end;
	c->t = down->end;
	/* the largest windows: the stream may run ahead while this opens */
	c->opts[UP] = mid_opts(s, UP, false);
	c->opts[DOWN] = mid_opts(s, DOWN, false);
	owntcp_open(e, n, (struct span){ NULL, 0 });
	send_handshake(e, n, TCP_SYN, now);
	wheel_set(&e->wheel, timer_of_own(e, n), now + SYN_STEP_MS);
}

/* -- what host and peer send meanwhile ----------------------------------- */

/* Edge, FIRST: the host repeats its SYN before any SYN/ACK. */
static bool send_syn_again(struct engine *e, uint32_t n, struct pkt *p,
			   msec now)
{
	struct carrier *c = &e->own[n];

	if (c->kind == OPEN_FIRST && tcp_is_syn(p) && c->opened &&
	    e->link[c->link].control != NONE) {
		carrier_out(e, n, p, now);
		return true;
	}
	if (c->kind == OPEN_FIRST && tcp_is_syn(p))
		carrier_leave(e, n, LEFT_CLOSED, true, now);
	return false;
}

/* Hub, FIRST: the peer's SYN/ACK; on the carrier only in answer to a SYN. */
static bool send_synack(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];

	if (c->kind != OPEN_FIRST || !tcp_is_synack(p))
		return false;
	c->t = p->seq + 1;
	if (!c->latched || !c->syn_open)
		return false;
	c->syn_open = false;
	carrier_enter(e, n, CARRIER_SYNACK, now);
	carrier_out(e, n, p, now);
	return true;
}

bool tcpopen_send(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	return is_edge(e) ? send_syn_again(e, n, p, now) :
	       send_synack(e, n, p, now);
}

/* -- at the edge --------------------------------------------------------- */

/* Has the peer's SYN/ACK been seen at this end? */
static bool peer_answered(const struct session *s)
{
	return (s->side[DOWN].known & KNOWN_SYN) &&
	       (s->side[DOWN].known & KNOWN_ACK);
}

/* RFC 9293, 7323, 2018: does a SYN/ACK answer this SYN? */
static bool synack_fits(const struct carrier *c, const struct pkt *p)
{
	const struct tcp_opts *syn = &c->opts[UP], *o = &p->opts;

	return p->ack == c->s && !(o->has_scale && !syn->has_scale) &&
	       !(o->sack_ok && !syn->sack_ok) && !(o->has_ts && !syn->has_ts);
}

static void edge_first(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];
	const struct session *s = &e->session[c->session];
	bool elsewhere = peer_answered(s);

	if (!tcp_is_synack(p) || !synack_fits(c, p) ||
	    (elsewhere && p->seq != s->side[DOWN].isn)) {
		carrier_swallow(e, c, DROP_NOT_MINE);
		carrier_leave(e, n, LEFT_FAILED, true, now);
		return;
	}
	c->t = c->mark = p->seq + 1;
	c->rx_ack = p->ack;
	carrier_enter(e, n, CARRIER_UP, now);
	if (elsewhere) {
		carrier_swallow(e, c, DROP_SWALLOWED_SYN);
		send_handshake(e, n, TCP_ACK, now);
		return;
	}
	session_track(e, c->session, p, DOWN, now);
	carrier_in(e, n, p, now);
}

static void edge_mid_syn(struct engine *e, uint32_t n, const struct pkt *p,
			 msec now)
{
	struct carrier *c = &e->own[n];

	carrier_swallow(e, c, DROP_SWALLOWED_SYN);
	if (!tcp_is_synack(p) || p->ack != c->s || p->seq != c->t - 1) {
		carrier_leave(e, n, LEFT_FAILED, true, now);
		return;
	}
	c->mark = c->t;
	c->rx_ack = p->ack;
	carrier_enter(e, n, CARRIER_SYNACK, now);
	send_handshake(e, n, TCP_ACK, now);
	wheel_set(&e->wheel, timer_of_own(e, n), now + SYN_STEP_MS);
}

/* Anything but SYN/ACK says that the hub had our ACK: its advance, or data
 * that overtook it.
 */
static void edge_mid_ack(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	if (p->flags & TCP_SYN) {
		carrier_swallow(e, &e->own[n], DROP_SWALLOWED_SYN);
		send_handshake(e, n, TCP_ACK, now);
		return;
	}
	carrier_enter(e, n, CARRIER_UP, now);
	owntcp_advance(e, n, true, now);
	owntcp_segment(e, n, p, now);
}

static void edge_received(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	const struct carrier *c = &e->own[n];

	switch ((enum carrier_state)c->state) {
	case CARRIER_SYN:
		if (c->kind == OPEN_FIRST)
			edge_first(e, n, p, now);
		else
			edge_mid_syn(e, n, p, now);
		break;
	case CARRIER_SYNACK:
		edge_mid_ack(e, n, p, now);
		break;
	case CARRIER_UP:
	case CARRIER_FREE:
		break;
	}
}

/* -- at the hub ---------------------------------------------------------- */

/* FIRST: the SYN/ACK once more, from what is known of the peer's. */
static void know_synack(const struct session *s, struct carrier *c)
{
	c->t = s->side[DOWN].isn + 1;
	c->opts[DOWN] = mid_opts(s, DOWN, true);
}

static void hub_make_synack(struct engine *e, uint32_t n, msec now)
{
	struct carrier *c = &e->own[n];

	c->syn_open = false;
	if (c->kind == OPEN_FIRST)
		know_synack(&e->session[c->session], c);
	send_handshake(e, n, TCP_SYN | TCP_ACK, now);
	carrier_enter(e, n, CARRIER_SYNACK, now);
}

/* Hub: a SYN on a carrier that is not in use yet. */
static void hub_syn(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];
	struct session *s = &e->session[c->session];

	c->syn_open = true;
	c->mark = c->s;
	if (c->kind == OPEN_MID || peer_answered(s)) {
		carrier_swallow(e, c, DROP_SWALLOWED_SYN);
		hub_make_synack(e, n, now);
		return;
	}
	if (since(now, s->syn_at) <= SYN_AGAIN_MS ||
	    s->state == SESSION_CLOSING) {
		carrier_swallow(e, c, DROP_SWALLOWED_SYN);
		return;
	}
	s->syn_at = (msec32)now;
	session_track(e, c->session, p, UP, now);
	carrier_in(e, n, p, now);
}

static void hub_ack(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];
	bool is_ack = tcpopen_is_ack(c, p);

	if (c->state != CARRIER_SYNACK || !(p->flags & TCP_ACK) ||
	    (c->kind == OPEN_MID && !is_ack) || seq_after(c->t, p->ack)) {
		carrier_swallow(e, c, DROP_NOT_MINE);
		return;
	}
	carrier_enter(e, n, CARRIER_UP, now);
	c->rx_ack = p->ack;
	if (is_ack) {
		carrier_swallow(e, c, DROP_SWALLOWED_ACK);
		owntcp_advance(e, n, true, now);
		return;
	}
	owntcp_segment(e, n, p, now);
}

void tcpopen_received(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	if (is_edge(e))
		edge_received(e, n, p, now);
	else if (tcp_is_syn(p))
		hub_syn(e, n, p, now);
	else
		hub_ack(e, n, p, now);
}

bool tcpopen_is_ack(const struct carrier *c, const struct pkt *p)
{
	uint32_t at = c->kind == OPEN_MID ? c->s : c->s - 1;

	return p->seq == at && p->ack == c->t && p->win == MID_WINDOW &&
	       tcp_is_empty_ack(p);
}

bool tcpopen_again(struct engine *e, uint32_t n, const struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];

	if (p->flags & TCP_SYN) {
		carrier_swallow(e, c, DROP_SWALLOWED_SYN);
		if (is_edge(e) && tcp_is_synack(p))
			send_handshake(e, n, TCP_ACK, now);
		return true;
	}
	if (is_edge(e) || !tcpopen_is_ack(c, p))
		return false;
	carrier_swallow(e, c, DROP_SWALLOWED_ACK);
	owntcp_advance(e, n, true, now);
	return true;
}

/* -- what comes beside the carrier --------------------------------------- */

bool owntcp_delivered(struct engine *e, uint32_t session, const struct pkt *p,
		      msec now)
{
	struct session *s = &e->session[session];
	uint32_t n = s->carrier;

	if (!is_edge(e) && tcp_is_syn(p)) {
		bool again = s->syn_at && since(now, s->syn_at) <= SYN_AGAIN_MS;

		if (s->state == SESSION_CLOSING)
			return false; /* an OPEN that comes late */
		if (!again)
			s->syn_at = (msec32)now;
		return !again;
	}
	if (is_edge(e) && tcp_is_synack(p) && n != NONE &&
	    e->own[n].kind == OPEN_FIRST && e->own[n].state == CARRIER_SYN) {
		e->own[n].tried = 0;
		e->own[n].t = p->seq + 1;
		wheel_set(&e->wheel, timer_of_own(e, n), now + SYN_STEP_MS);
	}
	return true;
}

static void latch_syn(struct engine *e, uint32_t n, struct taddr4 local,
		      struct taddr4 remote, msec now)
{
	carrier_latch(e, n, local, remote, now);
	e->own[n].syn_open = true;
	e->own[n].mark = e->own[n].s;
}

void owntcp_syn(struct engine *e, const struct pkt *p, msec now)
{
	uint32_t n = carrier_announced(e, p->dport, p->seq);
	struct taddr4 local = { p->dst4, p->dport }, remote = { p->src4, p->sport };
	struct pkt syn = *p;

	if (n == NONE) {
		e->syns[e->syn_next++ % SYN_RING] = (struct syn){ p->dport,
			p->seq, remote, local, now };
		return;
	}
	latch_syn(e, n, local, remote, now);
	owntcp_received(e, n, &syn, now);
}

/* What OPEN says of a session that we do not know, or know less of. What was
 * sent need not have been acknowledged.
 */
static void learn(struct session *s, const struct carrier *c,
		  const struct msg_open *m)
{
	struct tcp_side *up = &s->side[UP], *down = &s->side[DOWN];

	if (m->kind != OPEN_MID)
		return;
	if (!(up->known & KNOWN_ANY))
		*up = (struct tcp_side){ .end = c->s,
			.ts = m->ts_up, .win = MID_WINDOW,
			.known = (uint8_t)(KNOWN_ANY | (m->known & KNOWN_TS)) };
	if (!(down->known & KNOWN_ANY))
		*down = (struct tcp_side){ .end = c->t,
			.ts = m->ts_down, .win = MID_WINDOW,
			.known = (uint8_t)(KNOWN_ANY | (m->known & KNOWN_TS)) };
}

void owntcp_opened(struct engine *e, uint32_t n, const struct msg_open *m,
		   msec now)
{
	struct carrier *c = &e->own[n];
	struct pkt syn = { .flags = TCP_SYN, .seq = m->s - 1 };

	for (int d = UP; d <= DOWN; d++)
		c->opts[d] = (struct tcp_opts){
			.mss = d == UP ? m->mss_up : m->mss_down,
			.scale = d == UP ? m->scale_up : m->scale_down,
			.has_scale = m->known & KNOWN_SCALE,
			.sack_ok = m->known & KNOWN_SACK,
			.has_ts = m->known & KNOWN_TS,
			.ts_val = d == UP ? m->ts_up : m->ts_down };
	if (c->session != NONE)
		learn(&e->session[c->session], c, m);
	for (int i = 0; i < SYN_RING; i++) {
		struct syn *held = &e->syns[i];

		if (held->hport != c->hport || held->isn != c->s - 1 ||
		    now - held->at > SYNACK_WAIT_MS)
			continue;
		held->hport = 0;
		latch_syn(e, n, held->to, held->from, now);
		if (c->kind != OPEN_FIRST) {
			syn.opts = c->opts[UP];
			syn.win = MID_WINDOW;
			owntcp_received(e, n, &syn, now);
		}
		return;
	}
}

void tcpopen_copy(struct engine *e, struct link *l, struct span copy, msec now)
{
	uint8_t *at = out_room(e, FRAME_HEADROOM + copy.len);
	struct frame f = { .len = copy.len };

	if (!at)
		return;
	f.at = at + FRAME_HEADROOM;
	memcpy(f.at, copy.at, copy.len);
	deliver(e, l, &f, VIA_COUNT, now); /* came on no carrier */
}

/* -- timers -------------------------------------------------------------- */

static void edge_timer(struct engine *e, uint32_t n, msec now)
{
	struct carrier *c = &e->own[n];
	const struct session *s = &e->session[c->session];
	bool elsewhere = peer_answered(s);
	uint8_t most = c->kind == OPEN_MID ? MID_TRIES :
		       elsewhere ? ELSEWHERE_TRIES : FIRST_TRIES;

	if (++c->tried >= most + (c->kind == OPEN_MID ? 0 : 1)) {
		carrier_leave(e, n, elsewhere || c->kind == OPEN_MID ?
			      LEFT_FAILED : LEFT_CLOSED, true, now);
		return;
	}
	if (c->state == CARRIER_SYNACK)
		send_handshake(e, n, TCP_ACK, now);
	else if (c->kind == OPEN_MID || elsewhere)
		send_handshake(e, n, TCP_SYN, now);
	wheel_set(&e->wheel, timer_of_own(e, n), now +
		  ((msec)SYN_STEP_MS << (c->tried < 3 ? c->tried : 2)));
}

static void hub_timer(struct engine *e, uint32_t n, msec now)
{
	struct carrier *c = &e->own[n];

	if (c->state == CARRIER_SYN && ++c->tried < FIRST_TRIES)
		wheel_set(&e->wheel, timer_of_own(e, n), now + SYNACK_WAIT_MS);
	else
		carrier_leave(e, n, LEFT_FAILED, true, now);
}

void tcpopen_timer(struct engine *e, uint32_t n, msec now)
{
	if (is_edge(e))
		edge_timer(e, n, now);
	else
		hub_timer(e, n, now);
}
