/* SPDX-License-Identifier: MIT
 *
 * resolve.h - a name to IPv4 addresses, without waiting for it
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/loop.h"

enum {
	RESOLVE_NAME = 254,	/* longest name and its NUL (RFC 1035) */
	RESOLVE_ADDRS = 8,
	RESOLVE_MS = 5000,
};

/** struct resolve_answer - what came of it
 * @error: 0, or a negative errno: -ENOENT (no such name, or no IPv4 address),
 *	-EAGAIN (the resolver did not answer; try again), -ETIMEDOUT
 */
struct resolve_answer {
	int32_t error;
	uint32_t count;
	uint32_t addr[RESOLVE_ADDRS];	/* host order */
};

/** struct resolve - one look-up under way
 * @watch:	readable when the answer has come; put it into a loop
 * @deadline:	when resolve_read() gives up
 */
struct resolve {
	struct watch watch;
	pid_t pid;
	msec deadline;
};

/** resolve_start() - Look @name up in a short-lived child
 * Return: 0 or a negative errno (-EINVAL: @name cannot be one)
 */
int resolve_start(struct resolve *r, const char *name, msec now);
/** resolve_read() - The answer, when @r->watch is readable or @r->deadline has
 * passed; the child is gone afterwards
 * Return: false: not yet
 */
bool resolve_read(struct resolve *r, struct resolve_answer *to, msec now);
/** resolve_stop() - Give up */
void resolve_stop(struct resolve *r);
/** resolve_name_ok() - Could this be a name or an address? */
bool resolve_name_ok(const char *name);

#endif
