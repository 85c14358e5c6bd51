/* SPDX-License-Identifier: MIT
 *
 * punch.c - keeps the shared carrier's mapping
 *
 * Theory of operation
 * ===================
 * Latch, at the hub. An ASK from a new address is answered with a CHALLENGE of
 * the same size; the ECHO of its nonce moves the latch. So a copied packet
 * sent from a forged address moves nothing, and nobody is flooded.
 *
 * Liveness, at the edge: shared_timer(). Up since an ANSWER; an ASK that is
 * not answered is repeated, then the socket is given a fresh mapping, then the
 * carrier is down and the relay is wanted. One ASK per KEEP_MS of silence keeps
 * the mapping.
 */
#include "core/state.h"

enum {
	KEEP_MS = SHARED_KEEP_MS,	/* below the shortest time-out seen, 15 s */
	ASK_MS = 1000, ASK_TRIES = 6, ASK_FRESH = 3, ASK_SLOW_MS = 5000,
	BUSY_MS = 2000, SILENT_MS = 1000
};

void shared_punch(struct engine *e, struct link *l, const struct punch *p,
		  struct taddr4 to, size_t size)
{
	size_t len = size > IP_UDP + WIRE_PUNCH ? size - IP_UDP : WIRE_PUNCH;
	uint8_t *at = out_room(e, len);
	struct out *o = at ? shared_datagram(e, l, 0) : NULL;
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
	struct punch p = { .type = PUNCH_ASK, .nonce = rand64(&e->rand),
		.carrier = l->socket };

	if (!is_edge(e) || !l->shared.addr || !l->rx.has_now ||
	    e->conf.carriers == CARRIERS_RELAY)
		return;
	l->asked_at = now;
	shared_punch(e, l, &p, l->shared, 0);
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

static void fresh_control(struct engine *e)
{
	struct out *o = out_new(e, OUT_RECONNECT);

	if (o)
		o->on = true;
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
	msec heard = fast_heard(e);

	if (heard > l->own_rx)
		l->own_rx = heard;
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
	link_due(e, l, TIMER_PUNCH, now + 1);
}

void shared_timer(struct engine *e, struct link *l, msec now)
{
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
		budget_evicted(e, l, now);
		fresh_mappings(e, l);
	}
	if (l->punch_tried >= (l->shared_up ? ASK_TRIES : ASK_FRESH))
		shared_is_down(e, l, now);
	shared_ask(e, l, now);
	link_due(e, l, TIMER_PUNCH, now +
		 (l->punch_tried >= ASK_TRIES ? ASK_SLOW_MS : l->shared_up ?
		  ASK_MS : (msec)250 << (l->punch_tried - 1)));
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
		fresh_control(e);
	}
}

static void answer(struct engine *e, struct link *l, uint8_t type,
		   uint64_t nonce, const struct engine_datagram *d)
{
	struct punch p = { .type = type, .nonce = nonce, .addr = d->from,
		.size = (uint16_t)(d->bytes.len + IP_UDP) };

	shared_punch(e, l, &p, d->from, 0);
}

static void hub_punched(struct engine *e, struct link *l, const struct punch *p,
			const struct engine_datagram *d, uint64_t counter)
{
	bool known = l->shared.addr && taddr4_eq(d->from, l->shared);

	if (p->type == PUNCH_ECHO && !known && p->nonce == l->nonce &&
	    l->nonce && taddr4_eq(d->from, l->candidate)) {
		if (l->shared.addr && l->socket == p->carrier) {
			out_note(e, l, NOTE_NAT_CHANGED);
			carrier_leave_all(e, l, LEFT_NAT, e->now);
		}
		l->socket = p->carrier;
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
	struct punch echo = { .type = PUNCH_ECHO, .nonce = p->nonce,
		.carrier = l->socket };

	switch (p->type) {
	case PUNCH_ASK:
		answer(e, l, PUNCH_ANSWER, p->nonce, d);
		break;
	case PUNCH_CHALLENGE:
		shared_punch(e, l, &echo, l->shared, 0);
		break;
	case PUNCH_ANSWER:
		heard_seen(e, l, p->addr, e->now);
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
		size_heard(e, l, p.size);
	return DROP_NONE;
}
