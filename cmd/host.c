/* SPDX-License-Identifier: MIT
 *
 * host.c - see host.h
 *
 * The process that the user started becomes the helper of net/helper.c; its
 * child, started again should it die, is the translator and everything else in
 * cmd/. Configuring at start waits for the answer; routes and names do not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/host.h"
#include "cmd/notify.h"
#include "net/helper.h"
#include "net/ports.h"

enum { CONFIGURE_MS = 10 * 1000, LOOKUPS = 16 };

/* A name being looked up. */
struct lookup {
	bool used;
	const char *name;
	uint16_t port;
	host_resolved_fn *done;
	void *arg;
};

static struct {
	int (*translate)(void *arg);
	void *arg;
	struct helper helper;
	struct sysctls sysctls;
	bool has_sysctls;
	struct lookup lookup[LOOKUPS];
} host;

/* -- the helper's side ---------------------------------------------------------- */

static int child(int fd, void *arg)
{
	int err;

	(void)arg;
	err = helper_attach(&host.helper, fd);
	if (err)
		die(EX_OSERR, "cannot reach the helper process: %s",
		    strerror(-err));
	return host.translate(host.arg);
}

static void note(enum helper_note what, long value, void *arg)
{
	static const char *const text[HELPER_NOTE_COUNT] = {
		[HELPER_NOTE_DIED] = "translator ended by signal",
		[HELPER_NOTE_EXITED] = "translator ended with code",
		[HELPER_NOTE_RESTART] = "translator starts again, wait_ms",
		[HELPER_NOTE_GAVE_UP] = "translator keeps ending, gave up "
			"after tries",
		[HELPER_NOTE_KILLED] = "translator did not end and was killed "
			"after ms",
		[HELPER_NOTE_REFUSED] = "refused bad requests, so far",
	};

	(void)arg;
	log_limited(LEVEL_WARN, "%s=%ld", text[what], value);
}

int host_run(int (*translate)(void *arg), void *arg, uint16_t lo, uint16_t hi)
{
	struct helper_program p = { .translator = child, .note = note };
	char why[PORTS_WHY];

	if (geteuid())
		die(EX_NOPERM, "needs root for TUN devices, routes and BPF: "
		    "run it with sudo or as a system service");
	if (!ports_claim(lo, hi, why))
		die(EX_UNAVAILABLE, "--ports %u-%u: %s; choose another range",
		    lo, hi, why);
	notify_open();
	host.translate = translate;
	host.arg = arg;
	return helper_run(&p);
}

/* -- the translator's side --------------------------------------------------------- */

void host_watch(struct daemon *d)
{
	if (loop_add(&d->loop, &host.helper.watch, EPOLLIN))
		die(EX_OSERR, "cannot start: out of descriptors");
}

/* Return: what the reply says of the prefix's link. */
static int configure(struct helper_request *q)
{
	struct helper_reply r;
	int err;

	err = helper_call(&host.helper, q, &r, CONFIGURE_MS);
	if (err)
		die(err == -EPERM ? EX_NOPERM : EX_OSERR,
		    "cannot configure this host: %s: %s",
		    *r.what ? r.what : "no answer", strerror(-err));
	return r.on_link;
}

void host_edge(const struct ifconf_edge *c)
{
	struct helper_request q = { .type = HELPER_EDGE, .edge = *c };

	configure(&q);
}

int host_hub(const struct ifconf_hub *c)
{
	struct helper_request q = { .type = HELPER_HUB, .hub = *c };

	return configure(&q);
}

void host_lans(void)
{
	int err = helper_lans(&host.helper);

	if (err)
		log_limited(LEVEL_ERROR, "cannot ask for the addresses of LAN "
			    "interfaces: %s", strerror(-err));
}

static void route_done(const struct helper_reply *r, void *arg)
{
	(void)arg;
	if (r->error)
		log_limited(LEVEL_ERROR, "cannot change the route of an "
			    "edge's prefix: %s", strerror(-r->error));
}

void host_route(const struct prefix6 *p, bool on)
{
	int err = helper_route(&host.helper, p, on, route_done, NULL);

	if (err)
		log_limited(LEVEL_ERROR, "cannot ask for the route of an "
			    "edge's prefix: %s", strerror(-err));
}

void host_uplink(const struct uplink *u, const char *outer)
{
	bool rules = !strcmp(u->capture.mode, "rules");
	bool forward = !strcmp(u->output.mode, "forward");
	struct host_need need[HOST_NEEDS];
	size_t count = host_needs(need, u->capture.uplink, outer, rules,
				  forward);

	if (count && !host.has_sysctls)
		host.has_sysctls = !sysctls_open(&host.sysctls);
	for (size_t i = 0; i < count; i++) {
		int err = sysctls_set(&host.sysctls, need[i].path,
				      need[i].value);

		if (err)
			log_warn("cannot set %s to %s (%s): %s", need[i].path,
				 need[i].value, need[i].why, strerror(-err));
	}
}

void host_done(void)
{
	if (host.has_sysctls)
		sysctls_undo(&host.sysctls);
	host.has_sysctls = false;
}

static void looked_up(const struct helper_reply *r, void *arg)
{
	struct lookup *l = arg;
	struct host_names n = { .name = l->name, .port = l->port,
		.why = strerror(-r->answer.error) };

	_Static_assert(sizeof(n.addr) == sizeof(r->answer.addr), "as many");
	l->used = false;
	if (!r->error && !r->answer.error) {
		n.count = r->answer.count;
		memcpy(n.addr, r->answer.addr, sizeof(n.addr));
	}
	l->done(&n, l->arg);
}

void host_resolve(const char *name, uint16_t port, host_resolved_fn *done,
		  void *arg)
{
	struct host_names n = { .name = name, .port = port,
		.why = "too many names" };

	if (addr4_parse(&n.addr[0], name))
		n.count = 1;
	for (int i = 0; i < LOOKUPS && !n.count; i++) {
		struct lookup *l = &host.lookup[i];

		if (l->used)
			continue;
		*l = (struct lookup){ true, name, port, done, arg };
		if (!helper_resolve(&host.helper, name, looked_up, l))
			return;
		l->used = false;
		break;
	}
	done(&n, arg);
}
