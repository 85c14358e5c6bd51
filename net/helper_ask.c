/* SPDX-License-Identifier: MIT
 *
 * helper_ask.c - the translator's side of the helper
 *
 * Theory of operation
 * ===================
 * At start the translator may wait (helper_call); once packets flow it only
 * sends, and replies come through its loop (helper_send). A request's number
 * picks its place among the pending ones, so a reply finds its request at
 * once; a reply nobody waits for is ignored. End of file means that the helper
 * is gone and nobody will undo what was changed: the translator ends at once,
 * which takes TUNs, hooks and their routes with it.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "net/helper.h"

enum { SEND_PATIENCE_MS = 200, BATCH = 32 };

static size_t length_of(uint32_t type)
{
	struct helper_request q;

	switch ((enum helper_type)type) {
	case HELPER_HELLO:
		return 8 + sizeof(q.version);
	case HELPER_EDGE:
		return 8 + sizeof(q.edge);
	case HELPER_HUB:
		return 8 + sizeof(q.hub);
	case HELPER_ROUTE_ADD:
	case HELPER_ROUTE_DEL:
		return 8 + sizeof(q.prefix);
	case HELPER_RESOLVE:
		return 8 + sizeof(q.name);
	case HELPER_LANS:
	case HELPER_UNDO:
	case HELPER_TYPE_COUNT:
		break;
	}
	return 8;
}

static void gone(struct helper *h)
{
	if (!h->lost)
		_exit(EX_SOFTWARE);
	h->lost(h->lost_arg);
}

/* The helper never waits for us, so its queue empties soon. */
static int send_patiently(struct helper *h, const struct helper_request *q)
{
	struct pollfd p = { h->watch.fd, POLLOUT, 0 };
	size_t len = length_of(q->type);
	int tries;

	for (tries = 0; tries < 2; tries++) {
		if (send(h->watch.fd, q, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EAGAIN)
			return -errno;
		poll(&p, 1, SEND_PATIENCE_MS);
	}
	return -EAGAIN;
}

int helper_send(struct helper *h, struct helper_request *q,
		helper_done *done, void *arg)
{
	struct helper_pending *p;
	int err;

	if (!++h->number)
		h->number++;
	p = &h->pending[h->number % HELPER_PENDING];
	if (p->number)
		return -EBUSY;
	q->number = h->number;
	err = send_patiently(h, q);
	if (!err)
		*p = (struct helper_pending){ q->number, done, arg };
	return err;
}

/* One reply to whoever waits for it: 1; 0: none now, or a negative errno. */
static int take_one(struct helper *h)
{
	struct helper_pending *p, was;
	struct helper_reply r;
	ssize_t n = recv(h->watch.fd, &r, sizeof(r), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	if (n != (ssize_t)sizeof(r))
		return 1;
	p = &h->pending[r.number % HELPER_PENDING];
	if (!r.number || p->number != r.number)
		return 1;
	was = *p;
	p->number = 0;
	if (was.done)
		was.done(&r, was.arg);
	return 1;
}

static void helper_ready(struct watch *w, uint32_t events)
{
	struct helper *h = container_of_watch(w, struct helper, watch);
	int left = BATCH, n = 1;

	(void)events;
	while (left-- && n > 0)
		n = take_one(h);
	if (n < 0)
		gone(h);
}

struct call {
	struct helper_reply *reply;
	bool is_done;
};

static void call_done(const struct helper_reply *r, void *arg)
{
	struct call *c = arg;

	*c->reply = *r;
	c->is_done = true;
}

/* Nobody waits any more: the reply must not find the caller's frame. */
static void forget(struct helper *h, uint32_t number)
{
	struct helper_pending *p = &h->pending[number % HELPER_PENDING];

	if (p->number == number)
		p->done = NULL;
}

int helper_call(struct helper *h, struct helper_request *q,
		struct helper_reply *r, int timeout_ms)
{
	struct pollfd p = { h->watch.fd, POLLIN, 0 };
	msec until = loop_now() + (msec)timeout_ms, now;
	struct call c = { r, false };
	int err = helper_send(h, q, call_done, &c);

	while (!err && !c.is_done) {
		now = loop_now();
		if (now >= until) {
			err = -ETIMEDOUT;
		} else if (poll(&p, 1, loop_timeout(until, now)) > 0) {
			int n = take_one(h);

			err = n < 0 ? n : 0;
		}
	}
	if (err) {
		forget(h, q->number);
		return err;
	}
	return r->error;
}

int helper_attach(struct helper *h, int fd)
{
	struct helper_request q = { .type = HELPER_HELLO,
				    .version = HELPER_VERSION };
	struct helper_reply r;

	memset(h, 0, sizeof(*h));
	h->watch.fd = fd;
	h->watch.ready = helper_ready;
	return helper_call(h, &q, &r, 5000);
}

int helper_route(struct helper *h, const struct prefix6 *p, bool add,
		 helper_done *done, void *arg)
{
	struct helper_request q = {
		.type = add ? HELPER_ROUTE_ADD : HELPER_ROUTE_DEL,
		.prefix = *p,
	};

	return helper_send(h, &q, done, arg);
}

int helper_lans(struct helper *h)
{
	struct helper_request q = { .type = HELPER_LANS };

	return helper_send(h, &q, NULL, NULL);
}

int helper_resolve(struct helper *h, const char *name, helper_done *done,
		   void *arg)
{
	struct helper_request q = { .type = HELPER_RESOLVE };

	if (!resolve_name_ok(name))
		return -EINVAL;
	memcpy(q.name, name, strlen(name));
	return helper_send(h, &q, done, arg);
}
