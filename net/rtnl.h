/* SPDX-License-Identifier: MIT
 *
 * rtnl.h - links, addresses, routes and rules of the kernel, by rtnetlink
 *
 * Requests are structs; a field left 0 is not sent. All functions give 0 (or a
 * count) or a negative errno. They block only for the kernel.
 */
#ifndef NET_RTNL_H
#define NET_RTNL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"

/* What we make carries this number, so that it is known as ours after a kill
 * and routing daemons can pick it (routes: "proto 214").
 */
enum { RTNL_PROTOCOL = 214 };

/** struct inet - address or network of either family; family 0: none */
struct inet {
	uint8_t family, len;
	uint8_t b[16];		/* network order; IPv4: the first four */
};

struct inet inet4(uint32_t addr, uint8_t len);
struct inet inet6(const struct addr6 *addr, uint8_t len);
uint32_t inet_addr4(const struct inet *a);
struct addr6 inet_addr6(const struct inet *a);
/** inet_covers() - Is all of @small inside @big (equal counts)? */
bool inet_covers(const struct inet *big, const struct inet *small);

/** struct rtnl_link - an interface; @kind: ARPHRD_* */
struct rtnl_link {
	int index;
	uint32_t flags, mtu;
	uint16_t kind;
	uint8_t mac_len, mac[8];
	char name[IFNAMSIZ];
};

/** struct rtnl_addr - an address of an interface
 * @flags:	IFA_F_*
 * @protocol:	who made it (0 before Linux 5.18)
 */
struct rtnl_addr {
	int link;
	struct inet addr;
	uint32_t flags;
	uint8_t protocol, scope;
};

/** struct rtnl_route - a route
 * @type:	RTN_*; 0: unicast
 * @table:	0: main
 * @protocol:	RTPROT_*; 0: RTNL_PROTOCOL (when adding)
 */
struct rtnl_route {
	struct inet dst, gateway, source;
	uint8_t type, protocol;
	uint32_t table, metric;
	int link;
};

/** struct rtnl_rule - a policy rule
 * @suppress:		prefix length up to which a route found is not taken,
 *			plus 1; 0: not sent
 * @ipproto, @lo, @hi:	layer 4 protocol and destination ports (the kernel
 *			refuses an @hi of 65535)
 * @iif:		incoming interface
 */
struct rtnl_rule {
	uint8_t family;
	struct inet from, to;
	uint32_t table, pref;
	uint8_t protocol, ipproto, suppress;
	uint16_t lo, hi;
	char iif[IFNAMSIZ];
};

/** rtnl_link_get() - By @name, or by @index if @name is NULL */
int rtnl_link_get(const char *name, int index, struct rtnl_link *out);
/** rtnl_link_up() - Up or down */
int rtnl_link_up(int link, bool up);
int rtnl_link_mtu(int link, uint32_t mtu);

/** rtnl_addr_add() - -EEXIST if the interface has it already */
int rtnl_addr_add(const struct rtnl_addr *a);
int rtnl_addr_del(const struct rtnl_addr *a);
/** rtnl_addr_list() - Addresses of @link (0: all) of @family (0: both) */
int rtnl_addr_list(int link, uint8_t family, struct rtnl_addr *to, int cap);

int rtnl_route_add(const struct rtnl_route *r);
/** rtnl_route_replace() - Add, or replace the one with this key */
int rtnl_route_replace(const struct rtnl_route *r);
int rtnl_route_del(const struct rtnl_route *r);
/** rtnl_route_each() - Hand each route of @family and @table to @each, which
 * may end it with a value other than 0, which is returned then
 */
int rtnl_route_each(uint8_t family, uint32_t table,
		    int (*each)(const struct rtnl_route *, void *), void *arg);
/** rtnl_route_get() - The way the kernel takes to @to: link, gateway (if any)
 * and source address
 */
int rtnl_route_get(const struct inet *to, struct rtnl_route *out);

int rtnl_rule_add(const struct rtnl_rule *r);
int rtnl_rule_del(const struct rtnl_rule *r);
int rtnl_rule_each(uint8_t family,
		   int (*each)(const struct rtnl_rule *, void *), void *arg);

enum rtnl_what {
	RTNL_LINK,	/* came, changed or went */
	RTNL_ADDR,	/* an address of @link came or went */
	RTNL_ROUTE,	/* a default route came or went */
	RTNL_LOST,	/* events were lost: look at everything again */
	RTNL_WHAT_COUNT
};

/** struct rtnl_event - something changed on the host
 * @link:	interface (RTNL_ROUTE: of the route, 0 if several)
 * @up:		RTNL_LINK: up and running
 * @gone:	it is no more
 * @addr:	RTNL_ADDR: the address; RTNL_ROUTE: only the family
 */
struct rtnl_event {
	enum rtnl_what what;
	int link;
	bool up, gone;
	struct inet addr;
};

/** rtnl_monitor_open() - A nonblocking descriptor that is readable when links,
 * addresses or routes change
 */
int rtnl_monitor_open(void);
/** rtnl_monitor_read() - Up to @cap events; 0: none left */
int rtnl_monitor_read(int fd, struct rtnl_event *to, int cap);

#endif
