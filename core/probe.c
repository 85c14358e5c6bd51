/* SPDX-License-Identifier: MIT
 *
 * probe.c - does the path let own TCP through unaltered? (design 3.4)
 *
 * Theory of operation
 * ===================
 * Before the first own TCP carrier of a link, the edge opens one without a
 * session. Sequence numbers, options and window are agreed in OPEN; each end
 * compares what arrives with that.
 *
 *	edge                                     hub
 *	 OPEN (control), SYN at S-1 ----------->
 *	 <-------------------------- SYN/ACK at T-1
 *	 ACK ---------------------------------->
 *	 <-------------- bytes at T+PROBE_JUMP, in several sizes
 *	 bytes at S+PROBE_JUMP, several sizes ->
 *	 <------------ PROBE_SAW (control): altered or not, largest
 *
 * The sizes make it a path MTU probe as well, where UDP is blocked. Nothing
 * arrives: the range is not open, or sequence numbers are rewritten (the SYN
 * then fits no OPEN): silent. Either way own TCP stays off and is tried again
 * after a while that doubles up to an hour, and when the path changes.
 */
#include "core/own.h"

enum { PROBE_JUMP = 100000, PROBE_BYTE = 0x55, PROBE_TRIES = 3,
	STEP_MS = 1000, FORGET_MS = 100, AGAIN_MS = 10 * 1000, AGAIN_MOST_MS = 3600 * 1000 };

static const uint16_t sizes[] = { 1500, 1492, 1480, 1460, 1440, 1420, 1400,
	1360, 1300, 1280 };

struct tcp_opts probe_agreed(uint32_t ts)
{
	return (struct tcp_opts){ .mss = 1440, .has_scale = true,
		.scale = MID_SCALE, .sack_ok = true, .has_ts = true,
		.ts_val = ts };
}

static void result(struct engine *e, struct link *l, enum note what, msec now)
{
	bool changed = l->own_tcp != what;

	l->own_tcp = (uint8_t)what;
	l->probing = false;
	if (changed)
		out_note(e, l, what);
	if (what == NOTE_OWN_UP) {
		if (!shared_works(e, l)) /* its sizes are all we get */
			l->size_settled = true;
		l->probe_wait = 0;
		return;
	}
	l->probe_wait = !l->probe_wait ? AGAIN_MS :
			l->probe_wait * 2 < AGAIN_MOST_MS ? l->probe_wait * 2 :
			AGAIN_MOST_MS;
	link_due(e, l, TIMER_PROBE, now + l->probe_wait);
}

/* Reset by somebody, or refused: a verdict. Else it was no fault of the path. */
void probe_left(struct engine *e, struct link *l, enum left why, msec now)
{
	if (!is_edge(e) || !l->probing)
		return;
	if (why == LEFT_RST || why == LEFT_FAILED) {
		result(e, l, NOTE_OWN_SILENT, now);
		return;
	}
	l->probing = false;
	if (l->own_tcp != NOTE_OWN_UP)
		link_due(e, l, TIMER_PROBE, now < l->own_off_until ?
			 l->own_off_until : now + STEP_MS);
}

void probe_forget(struct engine *e, struct link *l, msec now)
{
	if (!is_edge(e))
		return;
	l->own_tcp = NOTE_COUNT;
	l->probe_wait = 0;
	if (!l->probing)
		link_due(e, l, TIMER_PROBE, now + FORGET_MS);
}

static void segment(struct engine *e, struct carrier *c, uint8_t flags,
		    bool answers, msec now)
{
	bool edge = is_edge(e);
	struct tcp_opts o = c->opts[dir_sent(e)];
	struct segment s = { .win = MID_WINDOW, .flags = flags, .opts = &o };

	s.seq = (edge ? c->s : c->t) - (flags & TCP_SYN ? 1 : 0);
	s.ack = answers ? (edge ? c->t : c->s) : 0;
	o.ts_ecr = answers ? c->opts[dir_received(e)].ts_val : 0;
	carrier_segment(e, c, &s, now);
}

/* The bytes after the jump, largest packet first, one byte last. */
static void send_bytes(struct engine *e, struct carrier *c, msec now)
{
	enum { HEADERS = IP4_HDR + TCP_HDR + 12, MOST = 1500 - HEADERS };
	bool edge = is_edge(e);
	struct tcp_opts o = c->opts[dir_sent(e)];
	struct segment s = { .win = MID_WINDOW, .flags = TCP_ACK | TCP_PSH,
		.opts = &o };
	uint8_t bytes[MOST];

	memset(bytes, PROBE_BYTE, sizeof(bytes));
	o.ts_ecr = c->opts[dir_received(e)].ts_val;
	s.seq = (edge ? c->s : c->t) + PROBE_JUMP;
	s.ack = edge ? c->t + PROBE_JUMP + 1 : c->s;
	s.payload.at = bytes;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i] > e->uplink_mtu)
			continue;
		s.payload.len = sizes[i] - (size_t)HEADERS;
		carrier_segment(e, c, &s, now);
	}
	s.payload.len = 1;
	carrier_segment(e, c, &s, now);
}

void probe_timer(struct engine *e, struct link *l, msec now)
{
	struct carrier *c;
	uint32_t n;

	if (!is_edge(e) || l->control == NONE || l->probing ||
	    l->own_tcp == NOTE_OWN_UP || !e->uplink || !l->peer_lo ||
	    (e->conf.carriers != CARRIERS_AUTO &&
	     e->conf.carriers != CARRIERS_OWN))
		return;
	n = carrier_open(e, l, NONE, OPEN_PROBE, now);
	if (n == NONE)
		return;
	c = &e->own[n];
	l->probing = true;
	c->s = rand32(&e->rand);
	c->t = rand32(&e->rand);
	c->opts[UP] = probe_agreed(rand32(&e->rand));
	c->opts[DOWN] = probe_agreed(rand32(&e->rand));
	owntcp_open(e, n, (struct span){ NULL, 0 });
	segment(e, c, TCP_SYN, false, now);
	wheel_set(&e->wheel, timer_of_own(e, n), now + STEP_MS);
}

void probe_retry(struct engine *e, uint32_t n, msec now)
{
	struct carrier *c = &e->own[n];
	struct link *l = &e->link[c->link];

	if (!is_edge(e)) {
		if (++c->tried >= 2 * PROBE_TRIES)
			carrier_leave(e, n, LEFT_CLOSED, false, now);
		else
			wheel_set(&e->wheel, timer_of_own(e, n),
				  now + 2 * STEP_MS);
		return;
	}
	if (++c->tried >= PROBE_TRIES && (!c->opened || l->control == NONE)) {
		carrier_leave(e, n, LEFT_QUIET, true, now); /* no verdict */
		return;
	}
	if (c->tried >= PROBE_TRIES) {
		carrier_leave(e, n, LEFT_CLOSED, true, now);
		result(e, l, NOTE_OWN_SILENT, now);
		return;
	}
	if (c->state == CARRIER_SYN)
		segment(e, c, TCP_SYN, false, now);
	else if (c->state == CARRIER_SYNACK)
		segment(e, c, TCP_ACK, true, now);
	else
		send_bytes(e, c, now);
	wheel_set(&e->wheel, timer_of_own(e, n),
		  now + ((msec)STEP_MS << c->tried));
}

/* Compare options, MSS aside: a lower one is no alteration. */
static uint8_t opts_altered(const struct tcp_opts *want,
			    const struct tcp_opts *got)
{
	return got->has_scale != want->has_scale || got->scale != want->scale ||
	       got->sack_ok != want->sack_ok || got->has_ts != want->has_ts ||
	       got->ts_val != want->ts_val || got->mss > want->mss ?
	       PROBE_OPTS : 0;
}

static uint8_t syn_altered(const struct engine *e, const struct carrier *c,
			   const struct pkt *p)
{
	uint32_t theirs = is_edge(e) ? c->t : c->s;
	uint32_t mine = is_edge(e) ? c->s : c->t;
	uint8_t seen = opts_altered(&c->opts[dir_received(e)], &p->opts);

	if (p->seq != theirs - 1 || ((p->flags & TCP_ACK) && p->ack != mine))
		seen |= PROBE_SEQ;
	if (p->win != MID_WINDOW)
		seen |= PROBE_WIN;
	return seen;
}

static uint8_t bytes_altered(const struct engine *e, const struct carrier *c,
			     const struct pkt *p)
{
	uint32_t theirs = is_edge(e) ? c->t : c->s;
	uint32_t ack = is_edge(e) ? c->s : c->t + PROBE_JUMP + 1;
	const uint8_t *at = p->f->at + p->l4_at + p->l4_len;
	uint8_t seen = 0;

	if (p->seq != theirs + PROBE_JUMP || p->ack != ack)
		seen |= PROBE_SEQ;
	if (!p->opts.has_ts ||
	    p->opts.ts_val != c->opts[dir_received(e)].ts_val ||
	    p->opts.ts_ecr != c->opts[dir_sent(e)].ts_val)
		seen |= PROBE_OPTS;
	if (p->win != MID_WINDOW)
		seen |= PROBE_WIN;
	for (uint32_t i = 0; i < p->payload; i++)
		if (at[i] != PROBE_BYTE)
			return seen | PROBE_DATA;
	return seen;
}

static void tell_saw(struct engine *e, const struct carrier *c)
{
	struct msg m = { .type = MSG_PROBE_SAW, .u.probe_saw = {
		.carrier = c->name, .altered = c->seen_altered,
		.bytes = c->probe_bytes } };

	out_message(e, &e->link[c->link], &m);
}

/* The jump and the bytes arrived: note the largest, answer the first. */
static void received_bytes(struct engine *e, uint32_t n, const struct pkt *p,
			   msec now)
{
	struct carrier *c = &e->own[n];
	uint16_t size = (uint16_t)(p->l4_at + p->l4_len + p->payload);
	bool first = !c->probe_bytes;

	if (p->f->off.gso_type) /* several, joined: one size is known */
		size = (uint16_t)(p->l4_at + p->l4_len + p->f->off.gso_size);
	c->seen_altered |= bytes_altered(e, c, p);
	if (size < c->probe_bytes)
		return;
	c->probe_bytes = size;
	tell_saw(e, c);
	if (!first)
		return;
	carrier_enter(e, n, CARRIER_UP, now);
	if (is_edge(e)) {
		send_bytes(e, c, now);
		wheel_set(&e->wheel, timer_of_own(e, n), now + STEP_MS);
	} else {
		wheel_set(&e->wheel, timer_of_own(e, n), now + 2 * STEP_MS);
	}
}

static void edge_probe(struct engine *e, uint32_t n, const struct pkt *p,
		       msec now)
{
	struct carrier *c = &e->own[n];

	if (p->flags & TCP_SYN) {
		c->seen_altered |= syn_altered(e, c, p);
		if (c->state == CARRIER_SYN) {
			carrier_enter(e, n, CARRIER_SYNACK, now);
			wheel_set(&e->wheel, timer_of_own(e, n),
				  now + STEP_MS);
		}
		segment(e, c, TCP_ACK, true, now);
	} else if (p->payload) {
		received_bytes(e, n, p, now);
	}
}

static void hub_probe(struct engine *e, uint32_t n, const struct pkt *p,
		      msec now)
{
	struct carrier *c = &e->own[n];

	if (p->flags & TCP_SYN) {
		c->seen_altered |= syn_altered(e, c, p);
		segment(e, c, TCP_SYN | TCP_ACK, true, now);
		if (c->state == CARRIER_SYN)
			carrier_enter(e, n, CARRIER_SYNACK, now);
		wheel_set(&e->wheel, timer_of_own(e, n), now + 4 * STEP_MS);
	} else if (p->payload) {
		received_bytes(e, n, p, now);
	} else if (!c->probe_bytes) {
		if (p->seq != c->s || p->ack != c->t)
			c->seen_altered |= PROBE_SEQ;
		send_bytes(e, c, now);
	}
}

void probe_received(struct engine *e, uint32_t n, const struct pkt *p, msec now)
{
	end_packet(e, &e->link[e->own[n].link], DROP_SWALLOWED_SYN);
	if (p->flags & TCP_ACK)
		e->own[n].rx_ack = p->ack;
	if (is_edge(e))
		edge_probe(e, n, p, now);
	else
		hub_probe(e, n, p, now);
}

void probe_message(struct engine *e, struct link *l,
		   const struct msg_probe_saw *m, msec now)
{
	uint32_t n = carrier_named(e, link_index(e, l), m->carrier);
	uint8_t altered;

	if (m->bytes <= FULL_MTU && m->bytes >= MIN_INNER)
		size_heard(e, l, m->bytes);
	if (n == NONE || !is_edge(e) || e->own[n].kind != OPEN_PROBE)
		return;
	altered = m->altered | e->own[n].seen_altered;
	carrier_leave(e, n, LEFT_CLOSED, true, now);
	result(e, l, altered ? NOTE_OWN_ALTERED : NOTE_OWN_UP, now);
}
