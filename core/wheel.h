/* SPDX-License-Identifier: MIT
 *
 * wheel.h - timers for objects that are known by number
 *
 * Hierarchical timing wheel, one timer per object, set and clear in O(1),
 * memory by the caller. Time is in milliseconds, monotonic, and passed in. A
 * timer never fires early; it fires at most WHEEL_TICK_MS late.
 */
#ifndef CORE_WHEEL_H
#define CORE_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#include "core/table.h"

typedef uint64_t msec;		/* monotonic time, or a duration */
#define NEVER UINT64_MAX

enum { WHEEL_TICK_MS = 4, WHEEL_SLOTS = 64, WHEEL_LEVELS = 6 };

/** struct wheel_node - a timer; zero: not set
 * @prev, @next: in its list; NONE: first, last
 * @at: tick and slot, see wheel.c
 */
struct wheel_node {
	uint32_t prev, next;
	uint64_t at;
};

struct wheel {
	struct wheel_node *node;
	uint32_t slot[WHEEL_LEVELS * WHEEL_SLOTS + 1];
	uint32_t moving;	/* list of a slot that is being spread */
	uint64_t used[WHEEL_LEVELS];	/* bit per slot that is not empty */
	uint64_t tick;			/* all before it has fired */
	uint32_t cap;
};

/** wheel_init() - @nodes: one per object, @cap of them, zeroed; none is touched
 * before it is used
 */
void wheel_init(struct wheel *w, struct wheel_node *nodes, uint32_t cap,
		msec now);
/** wheel_set() - (Re)start the timer of @object; @due in the past: fires next;
 * NEVER: the same as wheel_clear()
 */
void wheel_set(struct wheel *w, uint32_t object, msec due);
void wheel_clear(struct wheel *w, uint32_t object);
/** wheel_due() - When the timer fires (rounded up to a tick), NEVER if not set
 */
msec wheel_due(const struct wheel *w, uint32_t object);
/** wheel_expire() - Next object whose time has come (its timer is cleared), or
 * NONE. Call until NONE
 *
 * Each timer that is moved or fires takes one from @work; with nothing left of
 * it the answer is NONE though more may be due. wheel_deadline() then says that
 * the time for another call has come.
 */
uint32_t wheel_expire(struct wheel *w, msec now, uint32_t *work);
/** wheel_deadline() - When to call wheel_expire() next: never later than the
 * first due timer (+ WHEEL_TICK_MS), may be earlier; NEVER if none is set
 */
msec wheel_deadline(const struct wheel *w);

#endif
