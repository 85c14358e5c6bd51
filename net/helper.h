/* SPDX-License-Identifier: MIT
 *
 * helper.h - the process with the rights, and how the translator asks it
 *
 * Functions give 0 or a negative errno unless they say otherwise.
 */
#ifndef NET_HELPER_H
#define NET_HELPER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "net/ifconf.h"
#include "net/loop.h"
#include "net/resolve.h"

enum {
	HELPER_VERSION = 1,
	HELPER_PENDING = 1024,		/* requests under way */
	HELPER_RESOLVES = 8,		/* look-ups under way */
	HELPER_BACKOFF_MS = 1000,	/* doubles up to ... */
	HELPER_BACKOFF_MAX_MS = 30 * 1000,
	HELPER_CALM_MS = 60 * 1000,	/* lived so long: starts anew at 1 s */
	HELPER_TRIES = 10,		/* short lives in a row, then it ends */
	HELPER_TERM_MS = 10 * 1000,	/* to end by itself after SIGTERM */
};

/** enum helper_type - what the translator may ask for
 * @HELPER_HELLO:	first, once: the version
 * @HELPER_EDGE, @HELPER_HUB: configure the host, one of them, once
 * @HELPER_ROUTE_ADD, @HELPER_ROUTE_DEL: hub: an edge's prefix, after
 *			HELPER_HUB, inside its prefix
 * @HELPER_LANS:	edge, after HELPER_EDGE: LAN interfaces may have lost what
 *			they were given (went down, were made anew)
 * @HELPER_UNDO:	take everything back; may be configured again
 * @HELPER_RESOLVE:	a name to IPv4 addresses
 */
enum helper_type {
	HELPER_HELLO = 1,
	HELPER_EDGE,
	HELPER_HUB,
	HELPER_ROUTE_ADD,
	HELPER_ROUTE_DEL,
	HELPER_LANS,
	HELPER_UNDO,
	HELPER_RESOLVE,
	HELPER_TYPE_COUNT
};

/** struct helper_request - sent as far as its type needs, no more, no less
 * @number: comes back in the reply
 */
struct helper_request {
	uint32_t type, number;
	union {
		uint32_t version;
		struct ifconf_edge edge;
		struct ifconf_hub hub;
		struct prefix6 prefix;
		char name[RESOLVE_NAME];
	};
};

/** struct helper_reply - always sent whole
 * @error:	0 or a negative errno; -EPROTO: not now, or not like this
 * @on_link:	HELPER_HUB: interface for the NDP proxy, or 0
 * @what:	HELPER_EDGE, HELPER_HUB: the step that failed
 * @answer:	HELPER_RESOLVE
 */
struct helper_reply {
	uint32_t type, number;
	int32_t error;
	int32_t on_link;
	union {
		char what[IFCONF_WHAT];
		struct resolve_answer answer;
	};
};

/* One machine, one binary: no byte order, but sizes are promises. */
static_assert(offsetof(struct helper_request, name) == 8, "request header");
static_assert(sizeof(struct prefix6) == 17, "prefix on this wire");
static_assert(sizeof(struct helper_reply) == 16 + IFCONF_WHAT, "reply");

enum helper_note {
	HELPER_NOTE_DIED,	/* translator ended by signal @value */
	HELPER_NOTE_EXITED,	/* ended with the odd exit code @value */
	HELPER_NOTE_RESTART,	/* is started again in @value ms */
	HELPER_NOTE_GAVE_UP,	/* not any more, after @value times */
	HELPER_NOTE_KILLED,	/* did not end @value ms after SIGTERM */
	HELPER_NOTE_REFUSED,	/* bad requests so far: @value */
	HELPER_NOTE_COUNT
};

/** struct helper_program - what the helper runs and tells
 * @translator:	the child's main function; @fd is its end of the socket. Its
 *		result is the exit code
 * @sweep:	with the helper's rights, after each end of the translator:
 *		remove what it may have left (hooks); may be NULL
 * @note:	for the log; may be NULL
 */
struct helper_program {
	int (*translator)(int fd, void *arg);
	void (*sweep)(void *arg);
	void (*note)(enum helper_note what, long value, void *arg);
	void *arg;
};

/** helper_run() - Split: the caller becomes the helper, until the end
 * Return: the exit code, after everything is undone: the translator's own if
 * it is 0 or of sysexits(3), else EX_SOFTWARE; EX_OSERR if nothing could start
 */
int helper_run(const struct helper_program *p);

/* ---- the translator's side --------------------------------------------- */

typedef void helper_done(const struct helper_reply *r, void *arg);

struct helper_pending {
	uint32_t number;	/* 0: free */
	helper_done *done;
	void *arg;
};

/** struct helper - the translator's end; opaque though visible
 * @watch:	put it into the loop for EPOLLIN
 * @lost:	the helper is gone: end at once. NULL: _exit(EX_SOFTWARE)
 */
struct helper {
	struct watch watch;
	uint32_t number;
	void (*lost)(void *arg);
	void *lost_arg;
	struct helper_pending pending[HELPER_PENDING];
};

/** helper_arm() - Ask for SIGTERM when the helper dies. Done at the fork;
 * again after a change of user, which cancels it
 */
int helper_arm(void);
/** helper_attach() - Begin with the @fd of the translator function */
int helper_attach(struct helper *h, int fd);
/** helper_call() - Ask and wait (at start only)
 * @q: type and content; the number is filled in
 * Return: the reply's error, or -ETIMEDOUT, -EPIPE
 */
int helper_call(struct helper *h, struct helper_request *q,
		struct helper_reply *r, int timeout_ms);
/** helper_send() - Ask; @done (may be NULL) is called when the reply comes
 * Return: -EBUSY, -EAGAIN: too much under way
 */
int helper_send(struct helper *h, struct helper_request *q,
		helper_done *done, void *arg);
/** helper_route() - helper_send() for an edge's prefix */
int helper_route(struct helper *h, const struct prefix6 *p, bool add,
		 helper_done *done, void *arg);
/** helper_lans() - helper_send() of HELPER_LANS */
int helper_lans(struct helper *h);
/** helper_resolve() - helper_send() for a name */
int helper_resolve(struct helper *h, const char *name, helper_done *done,
		   void *arg);

#endif
