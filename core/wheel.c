/* SPDX-License-Identifier: MIT
 *
 * wheel.c - timers for objects that are known by number
 *
 * Theory of operation
 * ===================
 * Hierarchical timing wheel (Varghese, Lauck 1987). Time counts in ticks of 4
 * ms; a timer's tick is its due time rounded up, so it never fires early. A
 * tick is a number of six digits to the base 64. A timer stands on the level of
 * the highest digit in which its tick differs from the wheel's, in the slot of
 * that digit; if even more differs (8.7 years ahead) in the list OVERFLOW.
 *
 * From this follows: every slot in use on a level has a digit above the
 * wheel's (level 0: or equal), and everything on a level is due before
 * everything on the next. So the earliest slot is the lowest used bit of the
 * lowest used level: no search, however far time jumps. The wheel moves there;
 * a slot of level 0 is then due, a slot of a higher level is spread over the
 * levels below (each timer goes down five times in its life at most).
 *
 * A slot may hold a million timers, so spreading is done in pieces: the list is
 * taken out of its slot as w->moving, and until it is empty nothing fires and
 * the wheel stands still. Its nodes keep the number of the slot; the first of
 * them is known by not being the first of that slot.
 *
 * A node's place is one number: the tick above, the slot + 1 in the low bits;
 * so zeroed nodes are timers that are not set, and 16 bytes are enough.
 *
 * Invariants: w->tick never goes back; no timer has a tick (clamped when it was
 * set) below w->tick, but those in w->moving; a used bit is set if and only if
 * its list is not empty.
 */
#include <stdbool.h>

#include "core/wheel.h"

enum {
	DIGIT_BITS = 6,
	RANGE_BITS = WHEEL_LEVELS * DIGIT_BITS,
	OVERFLOW_SLOT = WHEEL_LEVELS * WHEEL_SLOTS,
	SLOT_BITS = 9,
};

#define TICK_MAX (UINT64_MAX >> SLOT_BITS)

_Static_assert(1 << DIGIT_BITS == WHEEL_SLOTS, "a digit is a slot");
_Static_assert(OVERFLOW_SLOT + 1 < 1 << SLOT_BITS, "a slot has its bits");

static bool is_set(const struct wheel_node *n)
{
	return n->at != 0;
}

static uint32_t slot_of(const struct wheel_node *n)
{
	return (uint32_t)(n->at & ((1 << SLOT_BITS) - 1)) - 1;
}

/* Tick at which a timer due at @due fires: rounded up, never early. What is
 * further than that fires in four million years.
 */
static uint64_t tick_of(msec due)
{
	uint64_t tick = due / WHEEL_TICK_MS + (due % WHEEL_TICK_MS != 0);

	return tick < TICK_MAX ? tick : TICK_MAX;
}

static uint32_t slot_for(const struct wheel *w, uint64_t tick)
{
	uint64_t differs = tick ^ w->tick;
	uint32_t level = 0;

	if (differs >> RANGE_BITS)
		return OVERFLOW_SLOT;
	while (differs >> (DIGIT_BITS * (level + 1)))
		level++;
	return level * WHEEL_SLOTS +
	       (uint32_t)(tick >> (DIGIT_BITS * level)) % WHEEL_SLOTS;
}

static void link_node(struct wheel *w, uint32_t object, uint64_t tick)
{
	struct wheel_node *n = &w->node[object];
	uint32_t slot = slot_for(w, tick < w->tick ? w->tick : tick);
	uint32_t *head = &w->slot[slot];

	n->at = tick << SLOT_BITS | (slot + 1);
	n->prev = NONE;
	n->next = *head;
	if (*head != NONE)
		w->node[*head].prev = object;
	*head = object;
	if (slot < OVERFLOW_SLOT)
		w->used[slot / WHEEL_SLOTS] |= UINT64_C(1)
					       << slot % WHEEL_SLOTS;
}

static void mark_empty(struct wheel *w, uint32_t slot)
{
	if (slot < OVERFLOW_SLOT)
		w->used[slot / WHEEL_SLOTS] &=
			~(UINT64_C(1) << slot % WHEEL_SLOTS);
}

static void unlink_node(struct wheel *w, uint32_t object)
{
	struct wheel_node *n = &w->node[object];
	uint32_t slot = slot_of(n);

	if (n->next != NONE)
		w->node[n->next].prev = n->prev;
	if (n->prev != NONE)
		w->node[n->prev].next = n->next;
	else if (w->slot[slot] == object)
		w->slot[slot] = n->next;
	else
		w->moving = n->next;
	if (w->slot[slot] == NONE)
		mark_empty(w, slot);
	n->at = 0;
}

/* struct first - the slot to look at next
 * @tick: no timer in it fires before
 */
struct first {
	uint32_t slot;
	uint64_t tick;
};

static bool first_slot(const struct wheel *w, struct first *f)
{
	uint32_t level, digit, shift;

	for (level = 0; level < WHEEL_LEVELS; level++) {
		if (!w->used[level])
			continue;
		digit = (uint32_t)__builtin_ctzll(w->used[level]);
		shift = level * DIGIT_BITS;
		f->slot = level * WHEEL_SLOTS + digit;
		f->tick = (w->tick >> shift >> DIGIT_BITS << DIGIT_BITS |
			   digit) << shift;
		return true;
	}
	if (w->slot[OVERFLOW_SLOT] == NONE)
		return false;
	f->slot = OVERFLOW_SLOT;
	f->tick = ((w->tick >> RANGE_BITS) + 1) << RANGE_BITS;
	return true;
}

/* Take a slot out: its timers go where they belong now that w->tick has moved.
 */
static void spread(struct wheel *w, uint32_t slot)
{
	w->moving = w->slot[slot];
	w->slot[slot] = NONE;
	mark_empty(w, slot);
}

static void move_one(struct wheel *w)
{
	uint32_t object = w->moving;
	struct wheel_node *n = &w->node[object];

	w->moving = n->next;
	if (n->next != NONE)
		w->node[n->next].prev = NONE;
	link_node(w, object, n->at >> SLOT_BITS);
}

void wheel_init(struct wheel *w, struct wheel_node *nodes, uint32_t cap,
		msec now)
{
	uint32_t i;

	*w = (struct wheel){
		.node = nodes, .cap = cap, .tick = now / WHEEL_TICK_MS,
	};
	for (i = 0; i <= OVERFLOW_SLOT; i++)
		w->slot[i] = NONE;
	w->moving = NONE;
}

void wheel_set(struct wheel *w, uint32_t object, msec due)
{
	if (is_set(&w->node[object]))
		unlink_node(w, object);
	if (due != NEVER)
		link_node(w, object, tick_of(due));
}

void wheel_clear(struct wheel *w, uint32_t object)
{
	wheel_set(w, object, NEVER);
}

msec wheel_due(const struct wheel *w, uint32_t object)
{
	const struct wheel_node *n = &w->node[object];

	return is_set(n) ? (n->at >> SLOT_BITS) * WHEEL_TICK_MS : NEVER;
}

uint32_t wheel_expire(struct wheel *w, msec now, uint32_t *work)
{
	uint64_t target = now / WHEEL_TICK_MS;
	struct first f;
	uint32_t object;

	for (; *work; --*work) {
		if (w->moving != NONE) {
			move_one(w);
			continue;
		}
		if (!first_slot(w, &f) || f.tick > target) {
			if (w->tick < target)
				w->tick = target;
			return NONE;
		}
		/* All that overflowed up to now comes at once: no epoch of 8.7
		 * years is visited by itself.
		 */
		if (f.slot == OVERFLOW_SLOT)
			f.tick = target >> RANGE_BITS << RANGE_BITS;
		w->tick = f.tick;
		if (f.slot >= WHEEL_SLOTS) {
			spread(w, f.slot);
			continue;
		}
		object = w->slot[f.slot];
		wheel_clear(w, object);
		--*work;
		return object;
	}
	return NONE;
}

msec wheel_deadline(const struct wheel *w)
{
	struct first f;

	if (w->moving != NONE)
		return w->tick * WHEEL_TICK_MS;
	if (!first_slot(w, &f))
		return NEVER;
	if (f.tick > (NEVER - 1) / WHEEL_TICK_MS)
		return NEVER - 1;
	return f.tick * WHEEL_TICK_MS;
}
