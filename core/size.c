/* SPDX-License-Identifier: MIT
 *
 * size.c - the path MTU of a link, by padded punches (design 3, 4)
 *
 * Theory of operation
 * ===================
 * Each end measures its own direction: padded ASKs, whose ANSWER tells the
 * size that arrived. size_timer() sends them in rounds, because a packet may be
 * lost: twice the plateaus of the field, then what lies between the two that
 * were found. The other end is told; M is the smaller of both.
 *
 * Paths change. A larger one is looked for every SIZE_AGAIN_MS (RFC 8899, 5.1.1).
 * A smaller one may swallow ICMP: while packets over SMALL_OUTER are sent, one
 * ASK of the size in use confirms it every CONFIRM_MS, and at once when
 * something is suspicious: a large segment repeated, ICMPv4, a quiet carrier.
 * Such signs are believed only when CONFIRM_TRIES asks were not answered
 * (confirm_timer()); then all is measured anew, and meanwhile nothing large goes
 * whole.
 */
#include "core/own.h"

enum { SIZE_ROUND_MS = 400, SIZE_SOON_MS = 5 * 1000, SIZE_RAISE_MS = 60 * 1000,
	SIZE_AGAIN_MS = 10 * 60 * 1000 };
enum { CONFIRM_MS = 10 * 1000, CONFIRM_ROUND_MS = 200, CONFIRM_TRIES = 3,
	SUSPECT_MS = 2000 };

uint16_t path_size(const struct link *l)
{
	return l->size_in < l->size_out ? l->size_in : l->size_out;
}

/* Sizes tried first: plateaus of the field (Ethernet, PPPoE, DS-Lite, GRE,
 * LTE ...), largest first. A further round looks between two of them.
 */
static const uint16_t plateau[] = { 1500, 1492, 1480, 1472, 1460, 1452, 1440,
	1428, 1420, 1400, 1380, 1360, 1340, 1320, 1300, 1280, 1240, 1200, 1100,
	1000, 800, LEAST_MTU };
enum { PLATEAUS = sizeof(plateau) / sizeof(plateau[0]) };

static void size_ask(struct engine *e, struct link *l, uint16_t size)
{
	struct punch p = { .type = PUNCH_ASK, .nonce = rand64(&e->rand) };

	if (size <= e->uplink_mtu)
		shared_punch(e, l, &p, size);
}

/* Until the next measuring. What was found while packets were lost may be too
 * small, or nothing: soon, and less and less often.
 */
static msec size_wait(const struct engine *e, struct link *l)
{
	if (!l->size_out)
		return SIZE_SOON_MS;
	if (l->size_out >= e->uplink_mtu)
		return SIZE_AGAIN_MS;
	l->size_wait = l->size_wait ? 2 * l->size_wait : SIZE_RAISE_MS;
	if (l->size_wait > SIZE_AGAIN_MS)
		l->size_wait = SIZE_AGAIN_MS;
	return l->size_wait;
}

void size_timer(struct engine *e, struct link *l, msec now)
{
	uint16_t above = 0;

	if (!shared_works(e, l)) { /* later; when it comes up, at once */
		l->size_tried = 0;
		if (l->shared_up)
			link_due(e, l, TIMER_SIZE, now + SIZE_SOON_MS);
		return;
	}
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
	if (l->size_tried++ < 3) { /* the fourth only waits for answers */
		link_due(e, l, TIMER_SIZE, now + SIZE_ROUND_MS + 2 * l->rtt_ms);
	} else {
		l->size_tried = 0;
		l->size_settled = l->size_out != 0;
		link_due(e, l, TIMER_SIZE, now + size_wait(e, l));
	}
}

void size_doubt(struct engine *e, struct link *l, msec now)
{
	if (l->size_tried || !l->size_out) /* being measured already */
		return;
	l->size_out = 0;
	l->size_wait = 0;
	l->size_settled = false;
	fast_settle_link(e, l);
	link_due(e, l, TIMER_SIZE, now);
}

void size_sent(struct engine *e, struct link *l)
{
	msec due = l->confirmed + CONFIRM_MS;

	if (l->size_sent || !l->size_out)
		return;
	l->size_sent = true;
	link_due(e, l, TIMER_CONFIRM, due > e->now ? due : e->now);
}

void size_suspect(struct engine *e, struct link *l, msec now)
{
	if (!l->size_out || l->confirm_tried ||
	    now - l->confirmed < SUSPECT_MS)
		return;
	l->size_sent = true;
	link_due(e, l, TIMER_CONFIRM, now);
}

void confirm_timer(struct engine *e, struct link *l, msec now)
{
	bool lost = l->confirm_tried == CONFIRM_TRIES;

	if (lost || !shared_works(e, l) || !l->size_out || l->size_tried) {
		l->size_sent = false;
		l->confirm_tried = 0;
		if (lost)
			size_doubt(e, l, now);
		return;
	}
	l->confirm_tried++;
	size_ask(e, l, l->size_out);
	link_due(e, l, TIMER_CONFIRM,
		 now + CONFIRM_ROUND_MS + 2 * l->rtt_ms);
}

static void confirmed(struct engine *e, struct link *l)
{
	l->confirmed = e->now;
	l->confirm_tried = 0;
	l->size_sent = false;
	l->due[TIMER_CONFIRM] = 0;
}

bool size_is_narrow(const struct link *l)
{
	uint16_t m = path_size(l);

	return m && m < IP_UDP + WIRE_EXPLICIT + MIN_INNER / 2;
}

void size_known(struct engine *e, struct link *l)
{
	if (!path_size(l))
		return;
	out_note(e, l, NOTE_SIZE);
	if (l->shared_up) /* else a relay is there anyway */
		link_want_relay(e, l, size_is_narrow(l), e->now);
}

void size_tell(struct engine *e, struct link *l)
{
	struct msg m = { .type = MSG_SIZE, .u.size = { l->size_out } };

	if (l->size_out)
		out_message(e, l, &m);
}

void size_heard(struct engine *e, struct link *l, uint16_t bytes)
{
	if (l->size_out && bytes >= l->size_out)
		confirmed(e, l);
	if (bytes <= l->size_out || bytes < LEAST_MTU)
		return; /* the answer to an ASK without padding */
	l->size_out = bytes;
	fast_settle_link(e, l);
	size_tell(e, l);
	size_known(e, l);
}
