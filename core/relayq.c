/* SPDX-License-Identifier: MIT
 *
 * relayq.c - the queue in front of a relay connection
 *
 * Theory of operation
 * ===================
 * Flow queues with deficit round robin and CoDel on each (RFC 8290 puts the two
 * together). Flows are told apart by the low bits of the caller's hash, which
 * is keyed; two in one queue share their turn, no more.
 *
 * A flow that had nothing waiting begins on the list of fresh flows, which is
 * served before the list of busy ones, for one quantum: first packets of a flow
 * and the rare packets of a sparse one pass all bulk. A flow emptied on the
 * fresh list goes once through the busy list before it may be fresh again, or
 * it would starve the others by arriving one packet at a time. The quantum is
 * 300 bytes, a fifth of a full packet: per full packet of bulk a flow of small
 * packets (acknowledgements, DNS, voice) sends several.
 *
 * CoDel (RFC 8289) drops from the head of a flow whose packets all waited
 * longer than TARGET for an INTERVAL. Beneath is a TCP connection that stands
 * still for a round trip or a retransmission time-out when it loses something:
 * 5 ms and 100 ms would take this for a standing queue, so both are larger by
 * the size of such a stop.
 *
 * Memory: chunks of 256 bytes in a free list (those from @top on were never used
 * and are not touched, so a short queue costs little); a packet is a chain of them,
 * known by its first, in which stands what is kept about the packet. Cap counts
 * whole chunks, so small packets are dearer than their bytes and what is held
 * never exceeds cap. Full: the head of the flow that holds most is dropped until
 * the new packet fits; the oldest packet is the one whose loss the sender learns
 * of soonest. So a flood costs its own flow.
 *
 * Invariants: every chunk is in the free list or in one packet's chain; a flow
 * is on a list if it has packets (and for one round afterwards); its bytes are
 * the sum of its packets'.
 */
#include <stdbool.h>
#include <string.h>

#include "core/relayq.h"

enum {
	CHUNK = 256, PACKET_MAX = 2048, QUANTUM = 300,
	TARGET_MS = 30, INTERVAL_MS = 300,
	FULL_PACKET = 1514,	/* CoDel leaves a flow with less alone */
	FLOWS_MIN = 64, FLOWS_MAX = 1024,
	CHUNKS_MIN = 4 * PACKET_MAX / CHUNK,
};

/* struct chunk - a piece of a packet; all but @next only in its first
 * @next: next chunk of the packet, or of the free list
 * @next_pkt: next packet of the flow
 */
struct chunk {
	uint32_t next, next_pkt;
	msec since;
	uint32_t len, pad;
	uint8_t data[CHUNK];
};

enum place { PLACE_NONE, PLACE_FRESH, PLACE_BUSY };

/* struct flow - packets of one hash
 * @head, @tail: first and last packet; @bytes: of all of them
 * @next: next flow of the list it is @on
 * @count .. @above_from: CoDel's, RFC 8289, 5.3: drops since it began to drop,
 *	the same when it last did, next drop, when the time above TARGET is
 *	long enough (0: not above)
 */
struct flow {
	uint32_t head, tail, bytes, next;
	int32_t deficit;
	enum place on;
	bool dropping;
	uint32_t count, last_count;
	msec drop_next, above_from;
};

struct list {
	uint32_t head, tail;
};

struct relayq {
	struct flow *flow;
	struct chunk *chunk;
	uint32_t flow_mask, free, free_count, top;
	struct list fresh, busy;
	size_t bytes;
	uint64_t drops;
	uint8_t out[PACKET_MAX];
};

/* --- lists of flows ------------------------------------------------------- */

static struct list *list_of(struct relayq *q, enum place on)
{
	return on == PLACE_FRESH ? &q->fresh : &q->busy;
}

static void append(struct relayq *q, uint32_t flow, enum place on)
{
	struct list *l = list_of(q, on);

	q->flow[flow].next = NONE;
	q->flow[flow].on = on;
	if (l->head == NONE)
		l->head = flow;
	else
		q->flow[l->tail].next = flow;
	l->tail = flow;
}

static void take_first(struct relayq *q, struct list *l)
{
	struct flow *f = &q->flow[l->head];

	l->head = f->next;
	f->on = PLACE_NONE;
}

/* --- packets -------------------------------------------------------------- */

static uint32_t chunks_for(size_t len)
{
	return (uint32_t)((len + CHUNK - 1) / CHUNK);
}

static uint32_t take_chunk(struct relayq *q)
{
	uint32_t c = q->free;

	if (c == NONE)
		c = q->top++;
	else
		q->free = q->chunk[c].next;
	q->free_count--;
	q->chunk[c].next = NONE;
	return c;
}

static void release_packet(struct relayq *q, uint32_t pkt)
{
	uint32_t c = pkt, next;

	for (; c != NONE; c = next) {
		next = q->chunk[c].next;
		q->chunk[c].next = q->free;
		q->free = c;
		q->free_count++;
	}
}

/* Keep @s as a packet in chunks of the free list, which has enough. */
static uint32_t store_packet(struct relayq *q, struct span s)
{
	uint32_t first = take_chunk(q), c = first;
	size_t n;

	q->chunk[first].len = (uint32_t)s.len;
	q->chunk[first].next_pkt = NONE;
	for (;;) {
		n = s.len < CHUNK ? s.len : CHUNK;
		memcpy(q->chunk[c].data, s.at, n);
		s.at += n;
		s.len -= n;
		if (!s.len)
			return first;
		q->chunk[c].next = take_chunk(q);
		c = q->chunk[c].next;
	}
}

/* Copy a packet to where its bytes stand in one piece. */
static struct span load_packet(struct relayq *q, uint32_t pkt)
{
	struct span s = { q->out, q->chunk[pkt].len };
	uint8_t *at = q->out;
	size_t left = s.len, n;
	uint32_t c;

	for (c = pkt; c != NONE; c = q->chunk[c].next) {
		n = left < CHUNK ? left : CHUNK;
		memcpy(at, q->chunk[c].data, n);
		at += n;
		left -= n;
	}
	return s;
}

static uint32_t pop_packet(struct relayq *q, struct flow *f)
{
	uint32_t pkt = f->head;

	if (pkt == NONE)
		return NONE;
	f->head = q->chunk[pkt].next_pkt;
	f->bytes -= q->chunk[pkt].len;
	q->bytes -= q->chunk[pkt].len;
	return pkt;
}

static void push_packet(struct relayq *q, struct flow *f, uint32_t pkt)
{
	if (f->head == NONE)
		f->head = pkt;
	else
		q->chunk[f->tail].next_pkt = pkt;
	f->tail = pkt;
	f->bytes += q->chunk[pkt].len;
	q->bytes += q->chunk[pkt].len;
}

static void drop_packet(struct relayq *q, uint32_t pkt)
{
	release_packet(q, pkt);
	q->drops++;
}

/* --- CoDel (RFC 8289, section 5) ------------------------------------------ */

static uint32_t square_root(uint64_t x)
{
	uint64_t root = 0, bit;

	for (bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= x)
			root |= bit;
	return (uint32_t)root;
}

/* The next drop: sooner with the square root of drops so far. */
static msec next_drop(msec from, uint32_t count)
{
	/* 4 binary digits behind the point */
	uint32_t root = square_root((uint64_t)count << 8);
	msec gap = INTERVAL_MS * UINT64_C(16) / (root ? root : 1);

	return from + (gap ? gap : 1);
}

/* Has the flow, whose packet @pkt was just taken, waited too long for long? */
static bool is_standing(const struct relayq *q, struct flow *f, uint32_t pkt,
			msec now)
{
	msec since;

	if (pkt == NONE) {
		f->above_from = 0;
		return false;
	}
	since = q->chunk[pkt].since;
	if (now < since + TARGET_MS || f->bytes < FULL_PACKET) {
		f->above_from = 0;
		return false;
	}
	if (!f->above_from) {
		f->above_from = now + INTERVAL_MS;
		return false;
	}
	return now >= f->above_from;
}

/* Drop what is due while in dropping state; return the packet to send. */
static uint32_t go_on_dropping(struct relayq *q, struct flow *f, uint32_t pkt,
			       msec now)
{
	while (f->dropping && now >= f->drop_next) {
		drop_packet(q, pkt);
		f->count++;
		pkt = pop_packet(q, f);
		if (is_standing(q, f, pkt, now))
			f->drop_next = next_drop(f->drop_next, f->count);
		else
			f->dropping = false;
	}
	return pkt;
}

/* The first drop; a rate that worked lately is taken up again. */
static uint32_t begin_dropping(struct relayq *q, struct flow *f, uint32_t pkt,
			       msec now)
{
	uint32_t lately = f->count - f->last_count;

	drop_packet(q, pkt);
	pkt = pop_packet(q, f);
	is_standing(q, f, pkt, now);
	f->dropping = true;
	f->count = lately > 1 && now < f->drop_next + 16 * INTERVAL_MS ?
		lately : 1;
	f->last_count = f->count;
	f->drop_next = next_drop(now, f->count);
	return pkt;
}

static uint32_t codel_next(struct relayq *q, struct flow *f, msec now)
{
	uint32_t pkt = pop_packet(q, f);
	bool standing = is_standing(q, f, pkt, now);

	if (!standing)
		f->dropping = false;
	else if (f->dropping)
		pkt = go_on_dropping(q, f, pkt, now);
	else
		pkt = begin_dropping(q, f, pkt, now);
	return pkt;
}

/* --- the queue ------------------------------------------------------------ */

/* Drop the head of the flow that holds most; there is one. */
static void drop_from_longest(struct relayq *q)
{
	const enum place lists[] = { PLACE_FRESH, PLACE_BUSY };
	struct flow *longest = NULL;
	uint32_t i, f;

	for (i = 0; i < 2; i++)
		for (f = list_of(q, lists[i])->head; f != NONE;
		     f = q->flow[f].next)
			if (!longest || q->flow[f].bytes > longest->bytes)
				longest = &q->flow[f];
	if (longest && longest->head != NONE)
		drop_packet(q, pop_packet(q, longest));
}

static uint32_t flows_for(size_t cap)
{
	uint32_t n = FLOWS_MIN;

	while (n < FLOWS_MAX && n < cap / 512)
		n *= 2;
	return n;
}

static uint32_t chunks_in(size_t cap)
{
	size_t n = cap / CHUNK;

	if (n < CHUNKS_MIN)
		return CHUNKS_MIN;
	return n < NONE ? (uint32_t)n : NONE - 1;
}

size_t relayq_bytes(size_t cap)
{
	return sizeof(struct relayq) + flows_for(cap) * sizeof(struct flow) +
	       chunks_in(cap) * sizeof(struct chunk);
}

struct relayq *relayq_init(void *memory, size_t cap)
{
	uint32_t flows = flows_for(cap), i;
	struct relayq *q = memory;

	memset(q, 0, sizeof(*q));
	q->flow = (struct flow *)(q + 1);
	q->chunk = (struct chunk *)(q->flow + flows);
	q->flow_mask = flows - 1;
	q->fresh.head = q->busy.head = NONE;
	memset(q->flow, 0, flows * sizeof(struct flow));
	for (i = 0; i < flows; i++)
		q->flow[i].head = NONE;
	q->free = NONE;
	q->free_count = chunks_in(cap);
	return q;
}

void relayq_put(struct relayq *q, uint32_t flow, struct span head,
		struct span body, msec now)
{
	struct writer w = writer_of(q->out, sizeof(q->out));
	struct flow *f;
	uint32_t pkt;

	write_bytes(&w, head.at, head.len);
	write_bytes(&w, body.at, body.len);
	if (w.full || !w.len) {
		q->drops++;
		return;
	}
	while (q->free_count < chunks_for(w.len))
		drop_from_longest(q);
	pkt = store_packet(q, (struct span){ q->out, w.len });
	q->chunk[pkt].since = now;
	flow &= q->flow_mask;
	f = &q->flow[flow];
	push_packet(q, f, pkt);
	if (f->on == PLACE_NONE) {
		f->deficit = QUANTUM;
		append(q, flow, PLACE_FRESH);
	}
}

/* The flow whose turn it is, its deficit filled up; NONE if there is none. */
static uint32_t whose_turn(struct relayq *q)
{
	for (;;) {
		struct list *l = q->fresh.head != NONE ? &q->fresh : &q->busy;
		uint32_t flow = l->head;

		if (flow == NONE || q->flow[flow].deficit > 0)
			return flow;
		q->flow[flow].deficit += QUANTUM;
		take_first(q, l);
		append(q, flow, PLACE_BUSY);
	}
}

/* @flow, the first of its list, has nothing to send. */
static void leave_list(struct relayq *q, uint32_t flow)
{
	bool was_fresh = q->flow[flow].on == PLACE_FRESH;

	take_first(q, was_fresh ? &q->fresh : &q->busy);
	if (was_fresh && q->busy.head != NONE)
		append(q, flow, PLACE_BUSY);
}

struct span relayq_get(struct relayq *q, msec now)
{
	uint32_t flow, pkt;
	struct span s;

	while ((flow = whose_turn(q)) != NONE) {
		pkt = codel_next(q, &q->flow[flow], now);
		if (pkt == NONE) {
			leave_list(q, flow);
			continue;
		}
		s = load_packet(q, pkt);
		q->flow[flow].deficit -= (int32_t)s.len;
		release_packet(q, pkt);
		return s;
	}
	return (struct span){ NULL, 0 };
}

size_t relayq_len(const struct relayq *q)
{
	return q->bytes;
}

uint64_t relayq_drops(const struct relayq *q)
{
	return q->drops;
}
