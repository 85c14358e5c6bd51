/* SPDX-License-Identifier: MIT
 *
 * host.c - see host.h
 */
#include <string.h>
#include <unistd.h>

#include "cmd/host.h"

static struct ifconf_journal journal;

int host_run(int (*translate)(void *arg), void *arg, uint16_t lo, uint16_t hi)
{
	int code;

	(void)lo;
	(void)hi;
	if (ifconf_open(&journal))
		die(EX_OSERR, "ifconf");
	code = translate(arg);
	ifconf_close(&journal);
	return code;
}

void host_watch(struct daemon *d)
{
	(void)d;
}

void host_edge(const struct ifconf_edge *c)
{
	int err = ifconf_edge(&journal, c);

	if (err)
		die(EX_OSERR, "%s: %s", journal.what, strerror(-err));
}

void host_hub(const struct ifconf_hub *c)
{
	int err = ifconf_hub(&journal, c);

	if (err)
		die(EX_OSERR, "%s: %s", journal.what, strerror(-err));
}

void host_route(const struct prefix6 *p, bool on)
{
	int err = ifconf_route(&journal, p, on);

	if (err)
		log_warn("route: %s", strerror(-err));
}

void host_uplink(const struct uplink *u, const char *outer)
{
	(void)u;
	(void)outer;
}

void host_resolve(const char *name, uint16_t port, host_resolved_fn *done,
		  void *arg)
{
	struct host_names n = { .name = name, .why = "?", .port = port };

	if (addr4_parse(&n.addr[0], name))
		n.count = 1;
	done(&n, arg);
}
