/* SPDX-License-Identifier: MIT
 *
 * loop.h - one thread, one epoll, bounded turns
 *
 * A watch is embedded in the caller's own struct; the loop keeps a pointer to
 * it and nothing else. All functions give 0 or a negative errno.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "core/wheel.h"

enum { LOOP_BATCH = 64 };

/** struct watch - a descriptor and what to do when it is ready
 * @fd:		the descriptor; stays the caller's
 * @first:	served before all watches without it (the inner TUN)
 * @ready:	called with the EPOLL* bits seen
 */
struct watch {
	int fd;
	bool first;
	void (*ready)(struct watch *w, uint32_t events);
};

/** struct loop - opaque though visible
 * @epoll_fd:	the epoll descriptor
 * @count:	events in @batch while a turn runs, else 0
 * @batch:	what this turn serves; removal clears the pointer
 */
struct loop {
	int epoll_fd;
	int count;
	struct epoll_event batch[LOOP_BATCH];
};

/** container_of_watch() - The struct of @type whose member @member is @w */
#define container_of_watch(w, type, member) \
	((type *)(void *)((char *)(w) - offsetof(type, member)))

int loop_init(struct loop *l);
void loop_fini(struct loop *l);
/** loop_add() - Watch @w->fd for @events (EPOLLIN, EPOLLOUT; level triggered) */
int loop_add(struct loop *l, struct watch *w, uint32_t events);
/** loop_change() - Watch for other @events from now on */
int loop_change(struct loop *l, struct watch *w, uint32_t events);
/** loop_remove() - Forget @w, before its descriptor is closed. It is not
 * called again, not even for an event that this turn has already fetched
 */
void loop_remove(struct loop *l, struct watch *w);
/** loop_run_once() - Wait at most @timeout_ms (-1: for ever), serve one batch
 * Return: how many watches were served, or a negative errno; 0 also for EINTR
 */
int loop_run_once(struct loop *l, int timeout_ms);
/** loop_now() - Monotonic time; the only clock of net */
msec loop_now(void);
/** loop_timeout() - What to wait from @now until @deadline, for
 * loop_run_once(): -1 for NEVER, 0 if it has passed, at most an hour
 */
int loop_timeout(msec deadline, msec now);

/** loop_signals_open() - Block TERM, INT, HUP and CHLD, ignore PIPE, and give
 * a descriptor that is readable when one of the four has come
 */
int loop_signals_open(void);
/** loop_signals_read() - Number of the next signal, 0 if there is none */
int loop_signals_read(int fd);
/** loop_signals_reset() - Back to a process that blocks and ignores nothing
 * (for a forked child that does its own signals)
 */
void loop_signals_reset(void);

#endif
