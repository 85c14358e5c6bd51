/* SPDX-License-Identifier: MIT
 *
 * ifconf.h - what an edge or a hub changes on its host, and takes back
 *
 * All functions give 0 or a negative errno; ifconf_edge() and ifconf_hub()
 * then say in @what which step failed.
 */
#ifndef NET_IFCONF_H
#define NET_IFCONF_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "net/rtnl.h"
#include "net/sysctl.h"

enum {
	IFCONF_LANS = 8,
	IFCONF_CHANGES = 8192,	/* 65 of our own, and a route per edge */
	IFCONF_WHAT = 96,
	IFCONF_PREF = 5210,	/* policy rules: this and the next number */
	IFCONF_METRIC_LAST = 1 << 30,	/* anything else is preferred */
	IFCONF_METRIC_EDGE = 64,	/* before a connected route (256) */
};

/** struct ifconf_edge - what an edge wants
 * @prefix:	the edge's
 * @mtu:	of the inner TUN
 * @inner:	name of the inner TUN
 * @lan, @lans:	interfaces of the site
 * @lo, @hi:	ports the host must not use itself; 0: none
 */
struct ifconf_edge {
	struct prefix6 prefix;
	uint32_t mtu;
	uint16_t lo, hi;
	uint8_t lans;
	char inner[IFNAMSIZ];
	char lan[IFCONF_LANS][IFNAMSIZ];
};

/** struct ifconf_hub - what a hub wants
 * @prefix:	all of the hub's
 * @own:	the hub's address (subnet 0, ::1)
 */
struct ifconf_hub {
	struct prefix6 prefix;
	struct addr6 own;
	uint32_t mtu;
	uint16_t lo, hi;
	char inner[IFNAMSIZ];
};

enum change_kind { CHANGE_LINK_UP, CHANGE_ADDR, CHANGE_ROUTE, CHANGE_RULE };

/** struct change - one line of the journal: what was added, to be removed */
struct change {
	enum change_kind kind;
	union {
		int link;
		struct rtnl_addr addr;
		struct rtnl_route route;
		struct rtnl_rule rule;
	};
};

/** struct ifconf_journal - the journal of one daemon
 * @inner:	index of the inner TUN
 * @on_link:	hub: interface on whose link the prefix lies (NDP proxy), or 0
 * @what:	the step under way
 */
struct ifconf_journal {
	struct sysctls sysctls;
	int inner, on_link;
	char what[IFCONF_WHAT];
	unsigned count;
	struct change change[IFCONF_CHANGES];
};

int ifconf_open(struct ifconf_journal *c);
/** ifconf_edge() - Addresses, routes by source and settings of an edge */
int ifconf_edge(struct ifconf_journal *c, const struct ifconf_edge *e);
/** ifconf_lans() - Edge: give LAN interfaces that went down or were made anew
 * the addresses back that they had from ifconf_edge()
 */
void ifconf_lans(struct ifconf_journal *c, const struct ifconf_edge *e);
/** ifconf_hub() - Addresses, routes and settings of a hub */
int ifconf_hub(struct ifconf_journal *c, const struct ifconf_hub *h);
/** ifconf_route() - Hub: an edge's prefix into the inner TUN, or no longer */
int ifconf_route(struct ifconf_journal *c, const struct prefix6 *p, bool add);
/** ifconf_undo() - Take back all changes, last first; @c is as after open */
void ifconf_undo(struct ifconf_journal *c);
/** ifconf_close() - Undo, and leave the record shared with other daemons */
void ifconf_close(struct ifconf_journal *c);

/** ifconf_lan_prefix() - The part of an edge's prefix for its @n-th LAN: the
 * n-th /64, or for a prefix longer than that itself to the first
 */
bool ifconf_lan_prefix(const struct prefix6 *p, unsigned n,
		       struct prefix6 *out);

#endif
