/* SPDX-License-Identifier: MIT
 *
 * shared.c - the shared carrier: data, explicit packets, punches (design 3.1)
 *
 * Theory of operation
 * ===================
 * One UDP mapping per link. Towards the other end a packet goes
 *   - as data, if its fields have a context and it fits in M + 8;
 *   - else explicit, whole or in two pieces: works without any state;
 *   - else by relay, if shared does not work (shared_works()), or the path is
 *     so narrow that not even halves of 1280 bytes fit.
 * Super-packets are cut (cut.c) and partial checksums completed before.
 *
 * proof.c says whom to believe, punch.c keeps the mapping, size.c measures.
 *
 * Halves of explicit packets wait for PART_MS in one of PARTS places, of which a
 * link has PARTS_LINK at most; then its own oldest goes, so a flood of halves
 * costs nobody else's.
 */
#include "core/cut.h"
#include "core/state.h"

enum {
	BUSY_SILENT_MS = 1000,
	HUB_SHARED_MS = 5 * SHARED_KEEP_MS,
	PART_MS = 1000, TELL_MS = 1000
};

struct link *link_by_number(const struct engine *e, uint32_t number)
{
	uint32_t n = table_first(&e->link_number, number * 2654435761u);

	while (n != NONE && (e->link[n].my_number != number ||
			     e->link[n].ending))
		n = table_next(&e->link_number, n);
	return n == NONE ? NULL : &e->link[n];
}

bool shared_works(const struct engine *e, const struct link *l)
{
	if (!l->shared_up || !l->peer_shared || !l->shared.addr ||
	    e->conf.carriers == CARRIERS_RELAY)
		return false;
	return is_edge(e) || e->now - l->shared_rx < HUB_SHARED_MS;
}

struct out *shared_datagram(struct engine *e, struct link *l, uint8_t tos)
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
	o = at ? shared_datagram(e, l, tos) : NULL;
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
	o = at ? shared_datagram(e, l, tos) : NULL;
	if (!o)
		return 0;
	at[WIRE_PROVEN] = part;
	memcpy(at + WIRE_EXPLICIT, p.head.at, p.head.len);
	memcpy(at + WIRE_EXPLICIT + p.head.len, p.body.at, extra);
	covered = 1 + p.head.len + extra;
	write_proof(l, at, TAG_EXPLICIT, &proof, covered);
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

/* Two halves of it would be too long as well. */
static bool fits_nothing(const struct link *l, size_t len, size_t most)
{
	return IP_UDP + WIRE_EXPLICIT + (len + 1) / 2 > most &&
	       l->relay != NONE;
}

static enum via send_piece(struct engine *e, struct link *l, uint32_t flow,
			   struct piece p, uint32_t number, uint8_t tos)
{
	size_t len = piece_len(&p), wire = IP_UDP + WIRE_TAG + len - IP6_HDR;
	size_t most = path_size(l) ? path_size(l) : SMALL_OUTER;
	enum via via = VIA_SHARED;

	if (shared_works(e, l) && number && wire <= most) {
		wire = send_data(e, l, number, p, tos);
	} else if (!shared_works(e, l) || fits_nothing(l, len, most)) {
		via = VIA_RELAY;
		wire = send_relay(e, l, flow, p);
	} else {
		via = VIA_EXPLICIT;
		wire = send_explicit(e, l, p, tos);
	}
	if (wire > SMALL_OUTER && via != VIA_RELAY)
		size_sent(e, l);
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

/* -- receiving ----------------------------------------------------------- */

void shared_please(struct engine *e, struct link *l)
{
	struct msg m = { .type = MSG_PUNCH_PLEASE };

	if (e->now - l->please_at < TELL_MS && l->please_at)
		return;
	l->please_at = e->now;
	out_message(e, l, &m);
}

/* Only a latched source is told that its number is unknown. */
static void unknown_context(struct engine *e, const struct engine_datagram *d,
			    uint32_t number)
{
	struct msg m = { .type = MSG_UNKNOWN, .u.unknown = { number } };
	struct link *l = shared_latched(e, d->from);

	if (!l || (e->now - l->unknown_at < TELL_MS && l->unknown_at))
		return;
	l->unknown_at = e->now;
	out_message(e, l, &m);
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
		shared_please(e, l);
		return DROP_NOT_LATCHED;
	}
	shared_heard(l, e->now);
	src = is_edge(e) ? &c->peer : &c->host;
	dst = is_edge(e) ? &c->host : &c->peer;
	ip6_header(head, src, dst, c->nh, (uint16_t)body.len, d->tos, 0,
		   c->hop);
	arrive(e, l, VIA_SHARED, (struct span){ head, IP6_HDR }, body);
	return DROP_NONE;
}

static void part_lost(struct engine *e, struct part *p)
{
	p->used = false;
	end_packet(e, &e->link[p->link], DROP_PIECE);
}

void parts_drop(struct engine *e, struct link *l)
{
	for (int i = 0; i < PARTS; i++)
		if (e->part[i].used && e->part[i].link == link_index(e, l))
			part_lost(e, &e->part[i]);
}

static struct part *part_find(struct engine *e, uint32_t link, uint64_t counter)
{
	for (int i = 0; i < PARTS; i++) {
		struct part *p = &e->part[i];

		if (p->used && e->now - p->at >= PART_MS)
			part_lost(e, p);
		if (p->used && p->link == link && p->counter == counter)
			return p;
	}
	return NULL;
}

/* A free place, else that of the oldest; of this link, if it has its share. */
static struct part *part_place(struct engine *e, uint32_t link)
{
	struct part *free = NULL, *oldest = NULL, *own = NULL;
	int count = 0;

	for (int i = 0; i < PARTS; i++) {
		struct part *p = &e->part[i];

		if (!p->used) {
			free = p;
			continue;
		}
		if (!oldest || p->at < oldest->at)
			oldest = p;
		if (p->link != link)
			continue;
		count++;
		if (!own || p->at < own->at)
			own = p;
	}
	if (count >= PARTS_LINK)
		return own;
	return free ? free : oldest;
}

static enum drop keep_part(struct engine *e, uint32_t link, uint64_t counter,
			   struct span bytes)
{
	struct part *p;

	if (bytes.len > PART_BYTES)
		return DROP_LENGTH;
	p = part_place(e, link);
	if (p->used)
		part_lost(e, p);
	*p = (struct part){ .used = true, .link = link, .tos = e->tos,
		.len = (uint32_t)bytes.len, .counter = counter, .at = e->now };
	memcpy(e->part_bytes[p - e->part], bytes.at, bytes.len);
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
	kept = (struct span){ e->part_bytes[other - e->part], other->len };
	other->used = false;
	if ((other->tos & ECN_CE) == ECN_CE)
		e->tos |= ECN_CE;
	arrive(e, l, VIA_EXPLICIT, is_first ? bytes : kept,
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
		shared_heard(l, e->now);
	else
		shared_please(e, l);
	part = bytes.at[WIRE_PROVEN];
	bytes.at += WIRE_EXPLICIT;
	bytes.len -= WIRE_EXPLICIT;
	if (part == PART_WHOLE) {
		arrive(e, l, VIA_EXPLICIT, bytes, (struct span){ bytes.at, 0 });
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
	e->tos = d->tos;
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
		bad = shared_punched(e, number, d);
		break;
	}
	if (bad)
		end_packet(e, NULL, bad);
}
