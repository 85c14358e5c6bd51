/* SPDX-License-Identifier: MIT
 *
 * shared.c - the shared carrier: data, explicit packets, punches (design 3.1)
 *
 * Theory of operation
 * ===================
 * One UDP mapping per link. Towards the other end a packet goes
 *   - as data, if its fields have a context and it fits in M + 8;
 *   - else explicit, whole or in two pieces: works without any state;
 *   - else by relay, if shared does not work (shared_works()).
 * Super-packets are cut (cut.c) and partial checksums completed before.
 *
 * Proof. Explicit packets and punches carry a counter and a MAC under a key of
 * the control connection. prove() checks number, length and counter before the
 * MAC, so a flood costs little, and moves the window only after it. The key of
 * the former connection stays good until the first packet under the new one.
 *
 * Latch, at the hub. An ASK from a new address is answered with a CHALLENGE of
 * the same size; the ECHO of its nonce moves the latch. So a copied packet
 * sent from a forged address moves nothing, and nobody is flooded.
 *
 * Liveness, at the edge: shared_timer(). Up since an ANSWER; an ASK that is
 * not answered is repeated, then the socket is given a fresh mapping, then the
 * carrier is down and the relay is wanted.
 *
 * Sizes, both ends: padded ASKs, whose ANSWER tells the size that arrived;
 * size_timer() sends them in rounds, because a packet may be lost.
 *
 * Pieces wait in a ring of PARTS places for one second; a full ring forgets
 * the oldest: a flood of halves costs others at most their halves.
 */
#include "core/cut.h"
#include "core/state.h"

enum {
	IP_UDP = IP4_HDR + UDP_HDR,
	KEEP_MS = 12 * 1000,		/* below the shortest time-out seen, 15 s */
	ASK_MS = 1000, ASK_TRIES = 6, ASK_FRESH = 3, ASK_SLOW_MS = 5000,
	BUSY_SILENT_MS = 2000,
	HUB_SHARED_MS = 5 * KEEP_MS,
	PART_MS = 1000,
	SIZE_ROUND_MS = 400, SIZE_AGAIN_MS = 30 * 60 * 1000
};

/* What the MAC covers besides the bytes. */
struct proof {
	enum dir dir;
	uint8_t proto;
	uint16_t hport;
	uint32_t carrier;
};

static struct proof proof_of(enum dir dir, const struct carrier *own)
{
	struct proof p = { dir, PROTO_UDP, 0, 0 };

	if (own) {
		p.hport = own->hport;
		p.carrier = own->name;
	}
	return p;
}

static uint64_t mac_of(const struct siphash_key *k, const struct proof *p,
		       uint64_t counter, struct span covered)
{
	uint8_t in[WIRE_MAC_INPUT];

	if (covered.len > WIRE_MACED)
		covered.len = WIRE_MACED;
	in[0] = (uint8_t)p->dir;
	in[1] = p->proto;
	put16(in + 2, p->hport);
	put32(in + 4, p->carrier);
	put64(in + 8, counter);
	memcpy(in + 16, covered.at, covered.len);
	return siphash24(k, in, 16 + covered.len);
}

static bool window_fresh(const struct window *w, uint64_t counter)
{
	if (counter > w->top)
		return true;
	return counter && w->top - counter < 64 &&
	       !(w->bits >> (w->top - counter) & 1);
}

static void window_note(struct window *w, uint64_t counter)
{
	if (counter > w->top) {
		uint64_t by = counter - w->top;

		w->bits = by < 64 ? w->bits << by | 1 : 1;
		w->top = counter;
	} else {
		w->bits |= (uint64_t)1 << (w->top - counter);
	}
}

/* Believe that @in comes from the other end of @l. The only place. */
static enum drop prove(struct link *l, struct span in, const struct proof *p,
		       uint64_t *counter)
{
	struct keys *k = &l->rx;
	struct span covered = { in.at + WIRE_PROVEN, in.len - WIRE_PROVEN };
	uint64_t mac = get64(in.at + WIRE_MAC_AT);

	*counter = get64(in.at + WIRE_TAG);
	if (k->has_now && window_fresh(&k->seen, *counter) &&
	    mac_of(&k->now, p, *counter, covered) == mac) {
		window_note(&k->seen, *counter);
		k->has_before = false;
		return DROP_NONE;
	}
	if (k->has_before && window_fresh(&k->seen_before, *counter) &&
	    mac_of(&k->before, p, *counter, covered) == mac) {
		window_note(&k->seen_before, *counter);
		return DROP_NONE;
	}
	return k->has_now && !window_fresh(&k->seen, *counter) ? DROP_REPLAY :
	       DROP_MAC;
}

/* Tag, counter and MAC before what stands at @at + WIRE_PROVEN already. */
static void write_proof(struct engine *e, struct link *l, uint8_t *at,
			uint32_t kind, const struct proof *p, size_t covered)
{
	uint64_t counter = ++l->tx_counter;

	(void)e;
	put32(at, kind << TAG_KIND_SHIFT | l->peer_number);
	put64(at + WIRE_TAG, counter);
	put64(at + WIRE_MAC_AT, mac_of(&l->tx_key, p, counter,
		(struct span){ at + WIRE_PROVEN, covered }));
}

struct link *link_by_number(struct engine *e, uint32_t number)
{
	uint32_t n = table_first(&e->link_number, number * 2654435761u);

	while (n != NONE && e->link[n].my_number != number)
		n = table_next(&e->link_number, n);
	return n == NONE ? NULL : &e->link[n];
}

uint16_t path_size(const struct link *l)
{
	return l->size_in < l->size_out ? l->size_in : l->size_out;
}

bool shared_works(const struct engine *e, const struct link *l)
{
	if (!l->shared_up || !l->peer_shared || !l->shared.addr ||
	    e->conf.carriers == CARRIERS_RELAY)
		return false;
	return is_edge(e) || e->now - l->shared_rx < HUB_SHARED_MS;
}

static struct out *datagram(struct engine *e, struct link *l, uint8_t tos)
{
	struct out *o = out_new(e, OUT_DATAGRAM);

	if (o) {
		o->to = l->shared;
		o->local = l->shared_local;
		o->tos = tos;
		o->link = link_index(e, l);
		l->shared_tx = e->now;
	}
	return o;
}

/* -- sending ------------------------------------------------------------- */

static size_t piece_len(const struct piece *p)
{
	return p->head.len + p->body.len;
}

static void skip(struct piece *p, size_t by)
{
	size_t head = by < p->head.len ? by : p->head.len;

	p->head.at += head;
	p->head.len -= head;
	p->body.at += by - head;
	p->body.len -= by - head;
}

static size_t send_data(struct engine *e, struct link *l, uint32_t number,
			struct piece p, uint8_t tos)
{
	struct out *o;
	uint8_t *at;

	skip(&p, IP6_HDR);
	at = out_room(e, WIRE_TAG + p.head.len);
	o = at ? datagram(e, l, tos) : NULL;
	if (!o)
		return 0;
	put32(at, (uint32_t)TAG_DATA << TAG_KIND_SHIFT | number);
	memcpy(at + WIRE_TAG, p.head.at, p.head.len);
	o->head = (struct span){ at, WIRE_TAG + p.head.len };
	o->body = p.body;
	return IP_UDP + o->head.len + o->body.len;
}

static size_t send_part(struct engine *e, struct link *l, uint8_t part,
			struct piece p, uint8_t tos)
{
	struct proof proof = proof_of(dir_sent(e), NULL);
	size_t extra = WIRE_MACED - 1, covered;
	uint8_t *at;
	struct out *o;

	if (extra < p.head.len)
		extra = p.head.len;
	extra -= p.head.len;
	if (extra > p.body.len)
		extra = p.body.len;
	at = out_room(e, WIRE_EXPLICIT + p.head.len + extra);
	o = at ? datagram(e, l, tos) : NULL;
	if (!o)
		return 0;
	at[WIRE_PROVEN] = part;
	memcpy(at + WIRE_EXPLICIT, p.head.at, p.head.len);
	memcpy(at + WIRE_EXPLICIT + p.head.len, p.body.at, extra);
	covered = 1 + p.head.len + extra;
	write_proof(e, l, at, TAG_EXPLICIT, &proof, covered);
	o->head = (struct span){ at, WIRE_PROVEN + covered };
	o->body = (struct span){ p.body.at + extra, p.body.len - extra };
	return IP_UDP + o->head.len + o->body.len;
}

static size_t send_explicit(struct engine *e, struct link *l, struct piece p,
			    uint8_t tos)
{
	size_t most = path_size(l) ? path_size(l) : SMALL_OUTER;
	struct piece first = p, last = p;
	size_t half, sent;

	if (IP_UDP + WIRE_EXPLICIT + piece_len(&p) <= most)
		return send_part(e, l, PART_WHOLE, p, tos);
	half = piece_len(&p) / 2;
	if (half < p.head.len)
		half = p.head.len;
	first.body.len = half - p.head.len;
	skip(&last, half);
	sent = send_part(e, l, PART_FIRST, first, tos);
	return sent + send_part(e, l, PART_LAST, last, tos);
}

static size_t send_relay(struct engine *e, struct link *l, uint32_t flow,
			 struct piece p)
{
	uint8_t *at = out_room(e, p.head.len);
	struct out *o = at ? out_new(e, OUT_RELAY) : NULL;

	if (!o)
		return 0;
	memcpy(at, p.head.at, p.head.len);
	o->conn = l->relay;
	o->link = link_index(e, l);
	o->flow = flow;
	o->head = (struct span){ at, p.head.len };
	o->body = p.body;
	return MSG_HEADER + piece_len(&p);
}

static void count_piece(struct link *l, enum via via, size_t inner, size_t wire)
{
	l->sent[via].packets++;
	l->sent[via].inner_bytes += inner;
	l->sent[via].wire_bytes += wire;
}

static enum via send_piece(struct engine *e, struct link *l, uint32_t flow,
			   struct piece p, uint32_t number, uint8_t tos)
{
	size_t len = piece_len(&p), wire = IP_UDP + WIRE_TAG + len - IP6_HDR;
	size_t most = path_size(l) ? path_size(l) : SMALL_OUTER;
	enum via via = VIA_SHARED;

	if (!shared_works(e, l)) {
		via = VIA_RELAY;
		wire = send_relay(e, l, flow, p);
	} else if (number && wire <= most) {
		wire = send_data(e, l, number, p, tos);
	} else {
		via = VIA_EXPLICIT;
		wire = send_explicit(e, l, p, tos);
	}
	if (wire)
		count_piece(l, via, len, wire);
	return via;
}

enum via shared_send(struct engine *e, struct link *l, uint32_t session,
		     const struct pkt *p, bool may_context)
{
	uint32_t number = 0, flow = session == NONE ? 0 : session * 2654435761u;
	uint8_t room[CUT_HEAD];
	enum via via = VIA_COUNT;
	struct piece piece;
	struct cut c;
	enum drop bad;

	if (!shared_works(e, l) && l->relay == NONE) {
		end_packet(e, l, DROP_NO_PATH);
		return VIA_COUNT;
	}
	bad = cut_start(&c, p);
	if (bad) {
		end_packet(e, l, bad);
		return VIA_COUNT;
	}
	if (may_context && shared_works(e, l))
		number = context_for(e, l, &e->session[session], p->nh, e->now);
	while (cut_next(&c, room, &piece))
		via = send_piece(e, l, flow, piece, number, p->tos);
	if (is_edge(e) && l->shared_up && e->now - l->shared_rx > BUSY_SILENT_MS &&
	    e->now - l->asked_at > BUSY_SILENT_MS)
		shared_ask(e, l, e->now);
	return via;
}

/* -- punches ------------------------------------------------------------- */

size_t punch_write(struct engine *e, struct link *l, struct writer *w,
		   const struct punch *p, const struct carrier *own)
{
	struct proof proof = proof_of(dir_sent(e), own);
	uint8_t *at = write_room(w, WIRE_PUNCH);

	if (!at)
		return 0;
	at[WIRE_PROVEN] = p->type;
	put32(at + WIRE_PROVEN + 1, p->carrier);
	put64(at + WIRE_PROVEN + 5, p->nonce);
	put32(at + WIRE_PROVEN + 13, p->addr.addr);
	put16(at + WIRE_PROVEN + 17, p->addr.port);
	put16(at + WIRE_PROVEN + 19, p->size);
	write_proof(e, l, at, TAG_PUNCH, &proof, WIRE_PUNCH - WIRE_PROVEN);
	return WIRE_PUNCH;
}

bool is_punch(struct span payload, uint32_t number)
{
	return payload.len >= WIRE_PUNCH &&
	       get32(payload.at) ==
	       ((uint32_t)TAG_PUNCH << TAG_KIND_SHIFT | number);
}

uint32_t punch_carrier(struct span in)
{
	return get32(in.at + WIRE_PROVEN + 1);
}

enum drop punch_read(struct engine *e, struct link *l, struct span in,
		     const struct carrier *own, struct punch *p,
		     uint64_t *counter)
{
	struct proof proof = proof_of(dir_received(e), own);
	enum drop bad;

	if (in.len < WIRE_PUNCH)
		return DROP_SHORT;
	/* padding is not covered: a punch is proved by its own fields */
	in.len = WIRE_PUNCH;
	bad = prove(l, in, &proof, counter);
	if (bad)
		return bad;
	p->type = in.at[WIRE_PROVEN];
	p->carrier = punch_carrier(in);
	p->nonce = get64(in.at + WIRE_PROVEN + 5);
	p->addr.addr = get32(in.at + WIRE_PROVEN + 13);
	p->addr.port = get16(in.at + WIRE_PROVEN + 17);
	p->size = get16(in.at + WIRE_PROVEN + 19);
	return p->type && p->type < PUNCH_COUNT ? DROP_NONE : DROP_TAG;
}

/* A punch on shared to @to, padded with zeroes to an IPv4 packet of @size. */
static void punch(struct engine *e, struct link *l, const struct punch *p,
		  struct taddr4 to, size_t size)
{
	size_t len = size > IP_UDP + WIRE_PUNCH ? size - IP_UDP : WIRE_PUNCH;
	uint8_t *at = out_room(e, len);
	struct out *o = at ? datagram(e, l, 0) : NULL;
	struct writer w;

	if (!o)
		return;
	memset(at, 0, len);
	w = writer_of(at, len);
	punch_write(e, l, &w, p, NULL);
	o->to = to;
	o->head = (struct span){ at, len };
}

void shared_ask(struct engine *e, struct link *l, msec now)
{
	struct punch p = { .type = PUNCH_ASK, .nonce = rand64(&e->rand) };

	if (!is_edge(e) || !l->shared.addr || !l->rx.has_now ||
	    e->conf.carriers == CARRIERS_RELAY)
		return;
	l->asked_at = now;
	punch(e, l, &p, l->shared, 0);
	if (l->shared_up) /* the answer is due; see shared_timer() */
		link_due(e, l, TIMER_PUNCH, now + (3 * l->rtt_ms > ASK_MS ?
			 3 * l->rtt_ms : ASK_MS));
}

static void tell_shared(struct engine *e, struct link *l, bool usable)
{
	struct msg m = { .type = MSG_SHARED, .u.shared = { usable } };

	out_message(e, l, &m);
}

static void shared_is_up(struct engine *e, struct link *l, msec now)
{
	l->shared_rx = now;
	l->punch_tried = 0;
	if (l->shared_up)
		return;
	l->shared_up = true;
	out_note(e, l, NOTE_SHARED_UP);
	l->size_tried = 0;
	link_due(e, l, TIMER_SIZE, now);
	if (is_edge(e)) {
		l->peer_shared = true;
		tell_shared(e, l, true);
		link_want_relay(e, l, false, now);
	}
}

static void shared_is_down(struct engine *e, struct link *l, msec now)
{
	if (l->shared_up) {
		l->shared_up = false;
		out_note(e, l, NOTE_SHARED_DOWN);
		tell_shared(e, l, false);
	}
	link_want_relay(e, l, true, now);
}

void shared_timer(struct engine *e, struct link *l, msec now)
{
	struct out *o;

	if (!is_edge(e) || l->control == NONE)
		return;
	if (e->conf.carriers == CARRIERS_RELAY) {
		link_want_relay(e, l, true, now);
		return;
	}
	if (l->shared_up && now - l->shared_rx < KEEP_MS &&
	    l->asked_at <= l->shared_rx) { /* answered; next when idle */
		msec last = l->shared_tx > l->asked_at ? l->shared_tx :
			    l->asked_at;

		l->punch_tried = 0;
		if (now - last < KEEP_MS) {
			link_due(e, l, TIMER_PUNCH, last + KEEP_MS);
			return;
		}
	}
	if (l->punch_tried < ASK_TRIES)
		l->punch_tried++;
	if (l->punch_tried == ASK_FRESH && l->shared_up) {
		o = out_new(e, OUT_RECONNECT);
		if (o)
			o->on = false;
	}
	if (l->punch_tried >= (l->shared_up ? ASK_TRIES : ASK_FRESH))
		shared_is_down(e, l, now);
	shared_ask(e, l, now);
	link_due(e, l, TIMER_PUNCH, now +
		 (l->punch_tried >= ASK_TRIES ? ASK_SLOW_MS : l->shared_up ?
		  ASK_MS : (msec)250 << (l->punch_tried - 1)));
}

/* Sizes tried first: plateaus of the field (Ethernet, PPPoE, DS-Lite, GRE,
 * LTE ...), largest first. A further round looks between two of them.
 */
static const uint16_t plateau[] = { 1500, 1492, 1480, 1472, 1460, 1452, 1440,
	1428, 1420, 1400, 1380, 1360, 1340, 1320, 1300, 1280 };
enum { PLATEAUS = sizeof(plateau) / sizeof(plateau[0]) };

static void size_ask(struct engine *e, struct link *l, uint16_t size)
{
	struct punch p = { .type = PUNCH_ASK, .nonce = rand64(&e->rand) };

	if (size <= e->uplink_mtu)
		punch(e, l, &p, l->shared, size);
}

void size_timer(struct engine *e, struct link *l, msec now)
{
	uint16_t above = 0;

	if (!shared_works(e, l))
		return;
	for (int i = 0; i < PLATEAUS; i++) {
		if (plateau[i] <= l->size_out)
			break;
		if (l->size_tried < 2)
			size_ask(e, l, plateau[i]);
		above = plateau[i];
	}
	if (l->size_tried == 2 && l->size_out && above &&
	    l->size_out < e->uplink_mtu)
		for (uint16_t s = (uint16_t)(above - 4); s > l->size_out;
		     s = (uint16_t)(s - 4))
			size_ask(e, l, s);
	if (l->size_tried++ < 2) {
		link_due(e, l, TIMER_SIZE, now + SIZE_ROUND_MS + 2 * l->rtt_ms);
	} else {
		l->size_tried = 0;
		link_due(e, l, TIMER_SIZE, now + SIZE_AGAIN_MS);
	}
}

void size_doubt(struct engine *e, struct link *l, msec now)
{
	if (l->size_tried || !l->size_out) /* being measured already */
		return;
	l->size_out = 0;
	link_due(e, l, TIMER_SIZE, now);
}

void size_heard(struct engine *e, struct link *l, uint16_t bytes, msec now)
{
	struct msg m = { .type = MSG_SIZE, .u.size = { bytes } };

	(void)now;
	if (bytes <= l->size_out)
		return;
	l->size_out = bytes;
	out_message(e, l, &m);
	if (path_size(l))
		out_note(e, l, NOTE_SIZE);
}

static void heard_seen(struct engine *e, struct link *l, struct taddr4 seen,
		       msec now)
{
	bool changed = l->seen.addr && !taddr4_eq(l->seen, seen);

	l->seen = seen;
	if (changed) {
		out_note(e, l, NOTE_NAT_CHANGED);
		carrier_leave_all(e, l, LEFT_NAT, now);
		probe_forget(e, l, now);
	}
}

static void answer(struct engine *e, struct link *l, uint8_t type,
		   uint64_t nonce, const struct engine_datagram *d)
{
	struct punch p = { .type = type, .nonce = nonce, .addr = d->from,
		.size = (uint16_t)(d->bytes.len + IP_UDP) };

	punch(e, l, &p, d->from, 0);
}

static void hub_punched(struct engine *e, struct link *l, const struct punch *p,
			const struct engine_datagram *d, uint64_t counter)
{
	bool known = l->shared.addr && taddr4_eq(d->from, l->shared);

	if (p->type == PUNCH_ECHO && !known && p->nonce == l->nonce &&
	    l->nonce && taddr4_eq(d->from, l->candidate)) {
		if (l->shared.addr)
			out_note(e, l, NOTE_NAT_CHANGED);
		l->shared = d->from;
		l->shared_local = d->local;
		l->peer_shared = true;
		l->nonce = 0;
		known = true;
	}
	if (known) {
		l->seen = d->from;
		if (p->type != PUNCH_ANSWER)
			answer(e, l, PUNCH_ANSWER, p->nonce, d);
		shared_is_up(e, l, e->now);
		return;
	}
	if (p->type != PUNCH_ASK || counter < l->top_punch)
		return;
	l->top_punch = counter;
	l->candidate = d->from;
	l->shared_local = d->local;
	l->nonce = rand64(&e->rand);
	answer(e, l, PUNCH_CHALLENGE, l->nonce, d);
}

static void edge_punched(struct engine *e, struct link *l,
			 const struct punch *p,
			 const struct engine_datagram *d)
{
	struct punch echo = { .type = PUNCH_ECHO, .nonce = p->nonce };

	switch (p->type) {
	case PUNCH_ASK:
		answer(e, l, PUNCH_ANSWER, p->nonce, d);
		break;
	case PUNCH_CHALLENGE:
		punch(e, l, &echo, l->shared, 0);
		break;
	case PUNCH_ANSWER:
		heard_seen(e, l, p->addr, e->now);
		shared_is_up(e, l, e->now);
		break;
	}
}

static enum drop punched(struct engine *e, uint32_t number,
			 const struct engine_datagram *d)
{
	struct link *l = link_by_number(e, number);
	uint64_t counter;
	struct punch p;
	enum drop bad;

	if (!l)
		return DROP_TAG;
	if (is_edge(e) && !taddr4_eq(d->from, l->shared))
		return DROP_NOT_LATCHED;
	bad = punch_read(e, l, d->bytes, NULL, &p, &counter);
	if (bad)
		return bad;
	if (is_edge(e))
		edge_punched(e, l, &p, d);
	else
		hub_punched(e, l, &p, d, counter);
	if (p.type == PUNCH_ANSWER)
		size_heard(e, l, p.size, e->now);
	return DROP_NONE;
}

/* -- receiving ----------------------------------------------------------- */

/* Copy an inner packet where it has headroom, and hand it inside. */
static void hand_in(struct engine *e, struct link *l, enum via via,
		    struct span head, struct span body)
{
	uint8_t *at = out_room(e, FRAME_HEADROOM + head.len + body.len);
	struct frame f = { .len = head.len + body.len };

	if (!at) {
		end_packet(e, l, DROP_FULL_OUT);
		return;
	}
	f.at = at + FRAME_HEADROOM;
	memcpy(f.at, head.at, head.len);
	memcpy(f.at + head.len, body.at, body.len);
	deliver(e, l, &f, via, e->now);
}

static void please_punch(struct engine *e, struct link *l)
{
	struct msg m = { .type = MSG_PUNCH_PLEASE };

	if (e->now - l->please_at < 1000 && l->please_at)
		return;
	l->please_at = e->now;
	out_message(e, l, &m);
}

/* Everybody knows that a number is unknown; only a latched source is told. */
static void unknown_context(struct engine *e, const struct engine_datagram *d,
			    uint32_t number)
{
	struct msg m = { .type = MSG_UNKNOWN, .u.unknown = { number } };

	for (uint32_t n = 0; n < e->conf.links; n++) {
		struct link *l = &e->link[n];

		if (!l->used || !taddr4_eq(l->shared, d->from))
			continue;
		if (e->now - l->please_at >= 1000 || !l->please_at) {
			l->please_at = e->now;
			out_message(e, l, &m);
		}
		return;
	}
}

static enum drop data(struct engine *e, uint32_t number,
		      const struct engine_datagram *d)
{
	struct context *c = context_find(e, number);
	struct span body = { d->bytes.at + WIRE_TAG, d->bytes.len - WIRE_TAG };
	const struct addr6 *src, *dst;
	uint8_t head[IP6_HDR];
	struct link *l;

	if (!c) {
		unknown_context(e, d, number);
		return DROP_CONTEXT;
	}
	l = &e->link[c->link];
	if (!taddr4_eq(d->from, l->shared)) {
		please_punch(e, l);
		return DROP_NOT_LATCHED;
	}
	l->shared_rx = e->now;
	src = is_edge(e) ? &c->peer : &c->host;
	dst = is_edge(e) ? &c->host : &c->peer;
	ip6_header(head, src, dst, c->nh, (uint16_t)body.len, d->tos, 0,
		   c->hop);
	hand_in(e, l, VIA_SHARED, (struct span){ head, IP6_HDR }, body);
	return DROP_NONE;
}

static struct part *part_find(struct engine *e, uint32_t link, uint64_t counter)
{
	for (int i = 0; i < PARTS; i++) {
		struct part *p = &e->parts[i];

		if (p->used && p->link == link && p->counter == counter &&
		    e->now - p->at < PART_MS)
			return p;
	}
	return NULL;
}

static enum drop keep_part(struct engine *e, uint32_t link, uint64_t counter,
			   struct span bytes)
{
	struct part *p = &e->parts[e->part_next++ % PARTS];

	if (bytes.len > sizeof(p->bytes))
		return DROP_LENGTH;
	p->used = true;
	p->link = link;
	p->len = (uint32_t)bytes.len;
	p->counter = counter;
	p->at = e->now;
	memcpy(p->bytes, bytes.at, bytes.len);
	return DROP_NONE;
}

/* Two halves have counters n and n + 1; whichever comes first waits. */
static enum drop explicit_part(struct engine *e, struct link *l, uint8_t part,
			       uint64_t counter, struct span bytes)
{
	uint32_t link = link_index(e, l);
	bool is_first = part == PART_FIRST;
	/* a half's mark: its counter twice, last bit: which half */
	uint64_t mine = counter * 2 + !is_first;
	struct part *other = part_find(e, link,
		is_first ? (counter + 1) * 2 + 1 : (counter - 1) * 2);
	struct span kept;

	if (!other)
		return keep_part(e, link, mine, bytes);
	kept = (struct span){ other->bytes, other->len };
	other->used = false;
	hand_in(e, l, VIA_EXPLICIT, is_first ? bytes : kept,
		is_first ? kept : bytes);
	return DROP_NONE;
}

static enum drop explicit_packet(struct engine *e, uint32_t number,
				 const struct engine_datagram *d)
{
	struct link *l = link_by_number(e, number);
	struct proof proof = proof_of(dir_received(e), NULL);
	struct span bytes = d->bytes;
	uint64_t counter;
	uint8_t part;
	enum drop bad;

	if (!l)
		return DROP_TAG;
	if (bytes.len <= WIRE_EXPLICIT)
		return DROP_SHORT;
	bad = prove(l, bytes, &proof, &counter);
	if (bad)
		return bad;
	if (taddr4_eq(d->from, l->shared))
		l->shared_rx = e->now;
	else
		please_punch(e, l);
	part = bytes.at[WIRE_PROVEN];
	bytes.at += WIRE_EXPLICIT;
	bytes.len -= WIRE_EXPLICIT;
	if (part == PART_WHOLE) {
		hand_in(e, l, VIA_EXPLICIT, bytes, (struct span){ bytes.at, 0 });
		return DROP_NONE;
	}
	return part < PART_COUNT ? explicit_part(e, l, part, counter, bytes) :
	       DROP_TAG;
}

void engine_datagram(struct engine *e, const struct engine_datagram *d,
		     msec now)
{
	uint32_t tag, number;
	enum drop bad = DROP_TAG;

	e->now = now;
	if (d->bytes.len < WIRE_TAG) {
		end_packet(e, NULL, DROP_SHORT);
		return;
	}
	tag = get32(d->bytes.at);
	number = tag & TAG_NUMBER;
	switch (tag >> TAG_KIND_SHIFT) {
	case TAG_DATA:
		bad = data(e, number, d);
		break;
	case TAG_EXPLICIT:
		bad = explicit_packet(e, number, d);
		break;
	case TAG_PUNCH:
		bad = punched(e, number, d);
		break;
	}
	if (bad)
		end_packet(e, NULL, bad);
}
