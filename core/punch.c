/* SPDX-License-Identifier: MIT
 *
 * punch.c - keeps the shared carrier's mapping
 *
 * Theory of operation
 * ===================
 * Latch, at the hub. A latch is an address of the edge (cip:cport) and one of
 * ours, because the hub may have several ports. An ASK from or to a new one is
 * answered, from where it came to, with a CHALLENGE of the same size; the ECHO
 * of its nonce moves the latch. So a copied packet sent from a forged address
 * moves nothing, and nobody is flooded. Only a punch with the highest counter
 * so far is asked or believed about addresses: what the network delays or
 * somebody re-addresses does not count. An address latched by another link is
 * taken from it: the NAT has given it away.
 *
 * Liveness, at the edge: shared_timer(). Up since an ANSWER; an ASK that is
 * not answered is repeated, then socket and control are given fresh mappings,
 * then the carrier is down and the relay is wanted. One ASK per KEEP_MS of
 * silence keeps the mapping.
 */
#include "core/own.h"

enum {
	KEEP_MS = SHARED_KEEP_MS,	/* below the shortest time-out seen, 15 s */
	ASK_MS = 1000,		/* 3.7: an answer takes that, or 3 RTT */
	ASK_FRESH = 2, ASK_DOWN = 5,	/* halves of it without an answer */
	FIRST_MS = 250, FIRST_DOWN = 3, FIRST_SLOW = 6, ASK_SLOW_MS = 5000,
	BUSY_MS = 2000, SILENT_MS = 1000
};

struct out *shared_punch(struct engine *e, struct link *l,
			 const struct punch *p, size_t size)
{
	size_t len = size > IP_UDP + WIRE_PUNCH ? size - IP_UDP : WIRE_PUNCH;
	uint8_t *at = out_room(e, len);
	struct out *o = at ? shared_datagram(e, l, 0) : NULL;
	struct writer w;

	if (!o)
		return NULL;
	memset(at, 0, len);
	w = writer_of(at, len);
	punch_write(e, l, &w, p, NULL);
	o->head = (struct span){ at, len };
	return o;
}

/* Half of the time that an answer may take: an ASK is repeated then, so that
 * one lost packet is no sign of anything.
 */
static msec half_wait(const struct link *l)
{
	msec most = 3 * (msec)l->rtt_ms;

	return (most > ASK_MS ? most : ASK_MS) / 2;
}

void shared_ask(struct engine *e, struct link *l, msec now)
{
	struct punch p = { .type = PUNCH_ASK, .nonce = rand64(&e->rand),
		.carrier = l->socket };

	if (!is_edge(e) || !l->shared.addr || !l->rx.has_now ||
	    e->conf.carriers == CARRIERS_RELAY)
		return;
	l->asked_at = now;
	shared_punch(e, l, &p, 0);
	if (l->shared_up && !l->unanswered)
		link_due(e, l, TIMER_PUNCH, now + half_wait(l));
	l->unanswered = true;
}

void shared_heard(struct link *l, msec now)
{
	l->shared_rx = now;
	l->unanswered = false;
}

static void tell_shared(struct engine *e, struct link *l, bool usable)
{
	struct msg m = { .type = MSG_SHARED, .u.shared = { usable } };

	out_message(e, l, &m);
}

static void shared_is_up(struct engine *e, struct link *l, msec now)
{
	shared_heard(l, now);
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
		link_want_relay(e, l, size_is_narrow(l), now);
	}
}

static void shared_is_down(struct engine *e, struct link *l, msec now)
{
	if (l->shared_up) {
		l->shared_up = false;
		out_note(e, l, NOTE_SHARED_DOWN);
		tell_shared(e, l, false);
	}
	if (l->control != NONE) /* else there is no way to get one */
		link_want_relay(e, l, true, now);
}

static void fresh_control(struct engine *e)
{
	struct out *o = out_new(e, OUT_RECONNECT);

	if (o)
		o->on = true;
}

void shared_at(struct link *l, struct taddr4 hub)
{
	if (taddr4_eq(l->shared, hub))
		return;
	l->shared = hub;
	l->seen = (struct taddr4){ 0, 0 };
	l->socket++;
}

/* The socket changes, so another outside address is no news (heard_seen()). */
static void fresh_mappings(struct engine *e, struct link *l)
{
	out_new(e, OUT_RECONNECT);
	l->seen = (struct taddr4){ 0, 0 };
	l->socket++;
	fresh_control(e);
}

void silent_timer(struct engine *e, struct link *l, msec now)
{
	l->own_rx = fast_heard(e, l);
	if (now - l->own_rx < SILENT_MS) {
		link_due(e, l, TIMER_SILENT, l->own_rx + SILENT_MS);
		return;
	}
	if (l->own_rx != l->silent_asked)
		shared_ask(e, l, now);
	l->silent_asked = l->own_rx;
	if (e->fast_active) /* nobody else would see it busy again */
		link_due(e, l, TIMER_SILENT, now + SILENT_MS);
}

void own_heard(struct engine *e, struct link *l, msec now)
{
	l->own_rx = now;
	if (is_edge(e) && !l->due[TIMER_SILENT])
		link_due(e, l, TIMER_SILENT, now + SILENT_MS);
}

void fresh_timer(struct engine *e, struct link *l, msec now)
{
	bool up = l->control != NONE && l->shared_up;
	bool busy = up && now - l->shared_rx < BUSY_MS; /* not in mid-stream */

	link_due(e, l, TIMER_FRESH, now + (busy ? BUSY_MS : FRESH_MS / 2 +
		 rand_below(&e->rand, FRESH_MS)));
	if (!up || busy)
		return;
	fresh_mappings(e, l);
	shared_ask(e, l, now);
}

/* It works: ask again when nothing was sent for a while. */
static void keep(struct engine *e, struct link *l, msec now)
{
	msec last = l->shared_tx > l->asked_at ? l->shared_tx : l->asked_at;

	l->punch_tried = 0;
	if (now - last < KEEP_MS)
		link_due(e, l, TIMER_PUNCH, last + KEEP_MS);
	else
		shared_ask(e, l, now);
}

/* It worked, and an ASK was not answered for @punch_tried halves. */
static void ask_again(struct engine *e, struct link *l, msec now)
{
	l->punch_tried++;
	if (l->punch_tried == ASK_FRESH) {
		budget_evicted(e, l, now);
		fresh_mappings(e, l);
	}
	if (l->punch_tried == ASK_DOWN)
		shared_is_down(e, l, now);
	shared_ask(e, l, now);
	link_due(e, l, TIMER_PUNCH, now + half_wait(l));
}

/* It does not work, or not yet. */
static void ask_first(struct engine *e, struct link *l, msec now)
{
	if (l->punch_tried < FIRST_SLOW)
		l->punch_tried++;
	if (l->punch_tried >= FIRST_DOWN)
		shared_is_down(e, l, now);
	shared_ask(e, l, now);
	link_due(e, l, TIMER_PUNCH, now + (l->punch_tried >= FIRST_SLOW ?
		 ASK_SLOW_MS : (msec)FIRST_MS << (l->punch_tried - 1)));
}

void shared_timer(struct engine *e, struct link *l, msec now)
{
	if (!is_edge(e) || (l->control == NONE && !l->shared_up))
		return; /* without control it goes on as long as it works */
	if (e->conf.carriers == CARRIERS_RELAY)
		link_want_relay(e, l, true, now);
	else if (!l->shared_up)
		ask_first(e, l, now);
	else if (l->unanswered)
		ask_again(e, l, now);
	else
		keep(e, l, now);
}

/* Our outside address is another one, and the socket is not. Carriers that are
 * heard all the same: a quota of the NAT took the oldest mapping. Else the NAT
 * has forgotten all, or it is another one.
 */
static void nat_changed(struct engine *e, struct link *l, bool other_addr)
{
	msec heard = fast_heard(e, l);

	out_note(e, l, NOTE_NAT_CHANGED);
	if (is_edge(e))
		fresh_control(e);
	if (!other_addr && heard && e->now - heard < SILENT_MS) {
		budget_evicted(e, l, e->now);
		return;
	}
	carrier_leave_all(e, l, LEFT_NAT, e->now);
	probe_forget(e, l, e->now);
}

static void heard_seen(struct engine *e, struct link *l, struct taddr4 seen)
{
	struct taddr4 before = l->seen;

	l->seen = seen;
	if (before.addr && !taddr4_eq(before, seen))
		nat_changed(e, l, before.addr != seen.addr);
	if (before.addr && before.addr != seen.addr)
		size_doubt(e, l, e->now);
}

static void answer(struct engine *e, struct link *l, uint8_t type,
		   uint64_t nonce, const struct engine_datagram *d)
{
	struct punch p = { .type = type, .nonce = nonce, .addr = d->from,
		.size = (uint16_t)(d->bytes.len + IP_UDP) };
	struct out *o = shared_punch(e, l, &p, 0);

	if (!o)
		return;
	o->to = d->from;
	o->local = d->local;
}

static uint32_t hash_latch(const struct engine *e, struct taddr4 a)
{
	uint8_t key[6];

	put32(key, a.addr);
	put16(key + 4, a.port);
	return hash_bytes(e, key, sizeof(key));
}

struct link *shared_latched(struct engine *e, struct taddr4 from)
{
	uint32_t n;

	if (is_edge(e))
		return taddr4_eq(e->link[0].shared, from) ? &e->link[0] : NULL;
	n = table_first(&e->link_latch, hash_latch(e, from));
	while (n != NONE && !taddr4_eq(e->link[n].shared, from))
		n = table_next(&e->link_latch, n);
	return n == NONE ? NULL : &e->link[n];
}

void shared_unlatch(struct engine *e, struct link *l)
{
	if (!is_edge(e) && l->shared.addr) {
		table_remove(&e->link_latch, link_index(e, l));
		l->shared = (struct taddr4){ 0, 0 };
	}
	l->nonce = 0;
}

static void latch(struct engine *e, struct link *l,
		  const struct engine_datagram *d)
{
	struct link *former = shared_latched(e, d->from);

	if (former && former != l) {
		shared_unlatch(e, former);
		shared_please(e, former);
	}
	shared_unlatch(e, l);
	l->shared = d->from;
	l->shared_local = d->local;
	table_add(&e->link_latch, hash_latch(e, d->from), link_index(e, l));
}

/* The echo came: everything from here on goes to where it came from. */
static void move_latch(struct engine *e, struct link *l, uint32_t socket,
		       const struct engine_datagram *d)
{
	struct taddr4 before = l->shared;
	bool same = l->socket == socket && taddr4_eq(l->shared_local, d->local);

	latch(e, l, d);
	l->socket = socket;
	l->peer_shared = true;
	if (before.addr && same && !taddr4_eq(before, d->from))
		nat_changed(e, l, before.addr != d->from.addr);
	if (before.addr && before.addr != d->from.addr)
		size_doubt(e, l, e->now);
}

static void hub_punched(struct engine *e, struct link *l, const struct punch *p,
			const struct engine_datagram *d, bool newest)
{
	bool known = l->shared.addr && taddr4_eq(d->from, l->shared) &&
		     taddr4_eq(d->local, l->shared_local);

	if (p->type == PUNCH_ECHO && !known && newest && l->nonce &&
	    p->nonce == l->nonce && taddr4_eq(d->from, l->candidate) &&
	    taddr4_eq(d->local, l->candidate_local)) {
		move_latch(e, l, p->carrier, d);
		known = true;
	}
	if (known) {
		l->seen = d->from;
		if (p->type != PUNCH_ANSWER)
			answer(e, l, PUNCH_ANSWER, p->nonce, d);
		shared_is_up(e, l, e->now);
		return;
	}
	if (p->type != PUNCH_ASK || !newest)
		return;
	l->candidate = d->from;
	l->candidate_local = d->local;
	l->nonce = rand64(&e->rand);
	answer(e, l, PUNCH_CHALLENGE, l->nonce, d);
}

static void edge_punched(struct engine *e, struct link *l,
			 const struct punch *p,
			 const struct engine_datagram *d, bool newest)
{
	struct punch echo = { .type = PUNCH_ECHO, .nonce = p->nonce,
		.carrier = l->socket };

	switch (p->type) {
	case PUNCH_ASK:
		answer(e, l, PUNCH_ANSWER, p->nonce, d);
		break;
	case PUNCH_CHALLENGE:
		shared_punch(e, l, &echo, 0);
		break;
	case PUNCH_ANSWER:
		if (newest)
			heard_seen(e, l, p->addr);
		shared_is_up(e, l, e->now);
		break;
	}
}

enum drop shared_punched(struct engine *e, uint32_t number,
			 const struct engine_datagram *d)
{
	struct link *l = link_by_number(e, number);
	uint64_t counter;
	struct punch p;
	enum drop bad;
	bool newest;

	if (!l)
		return DROP_TAG;
	if (is_edge(e) && !taddr4_eq(d->from, l->shared))
		return DROP_NOT_LATCHED;
	bad = punch_read(e, l, d->bytes, NULL, &p, &counter);
	if (bad)
		return bad;
	newest = counter > l->top_punch;
	if (newest)
		l->top_punch = counter;
	if (is_edge(e))
		edge_punched(e, l, &p, d, newest);
	else
		hub_punched(e, l, &p, d, newest);
	if (p.type == PUNCH_ANSWER)
		size_heard(e, l, p.size);
	return DROP_NONE;
}
