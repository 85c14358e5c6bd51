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

struct wheel_node {
	uint32_t prev, next;	/* NONE: first, last */
	uint32_t slot;		/* NONE: not set */
	uint32_t pad;
	msec due;
};

struct wheel {
	struct wheel_node *node;
	uint32_t slot[WHEEL_LEVELS * WHEEL_SLOTS + 1];
	uint64_t used[WHEEL_LEVELS];	/* bit per slot that is not empty */
	uint64_t tick;			/* all before it has fired */
	uint32_t cap;
};

/** wheel_init() - @nodes: one per object, @cap of them */
void wheel_init(struct wheel *w, struct wheel_node *nodes, uint32_t cap,
		msec now);
/** wheel_set() - (Re)start the timer of @object; @due in the past: fires next;
 * NEVER: the same as wheel_clear()
 */
void wheel_set(struct wheel *w, uint32_t object, msec due);
void wheel_clear(struct wheel *w, uint32_t object);
/** wheel_due() - When the timer fires, NEVER if not set */
msec wheel_due(const struct wheel *w, uint32_t object);
/** wheel_expire() - Next object whose time has come (its timer is cleared), or
 * NONE. Call until NONE. Bounded work per call even after years of sleep
 */
uint32_t wheel_expire(struct wheel *w, msec now);
/** wheel_deadline() - When to call wheel_expire() next: never later than the
 * first due timer (+ WHEEL_TICK_MS), may be earlier; NEVER if none is set
 */
msec wheel_deadline(const struct wheel *w);

#endif
