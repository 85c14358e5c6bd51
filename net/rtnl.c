/* SPDX-License-Identifier: MIT
 *
 * rtnl.c - links, addresses, routes and rules of the kernel, by rtnetlink
 *
 * Theory of operation
 * ===================
 * Each function fills the kernel's fixed header, adds the attributes that are
 * set, and lets net/nlreq talk. Answers are parsed in one place per kind
 * (parse_link, parse_addr, parse_route, parse_rule), which look only at
 * attributes that are long enough; the monitor uses the same ones.
 *
 * The monitor's socket drops messages when we are slow: the kernel says so
 * with ENOBUFS, which becomes the event RTNL_LOST, and the reader looks at
 * everything again. Its messages are believed only from the kernel (port 0).
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "net/nlreq.h"
#include "net/rtnl.h"

#ifndef IFA_PROTO
#define IFA_PROTO 11	/* Linux 5.18 */
#endif

/* @ENOUGH: ends a dump of nlreq; not 1, which means "go on" there. */
enum { MONITOR_BYTES = 1 << 18, ENOUGH = 2 };

/* Asked for by name: the bits of EXCL and REPLACE look like those of a dump. */
#define CREATE (NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
#define REPLACE (NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK)

struct inet inet4(uint32_t addr, uint8_t len)
{
	struct inet a = { .family = AF_INET, .len = len };

	put32(a.b, addr);
	return a;
}

struct inet inet6(const struct addr6 *addr, uint8_t len)
{
	struct inet a = { .family = AF_INET6, .len = len };

	memcpy(a.b, addr->b, 16);
	return a;
}

uint32_t inet_addr4(const struct inet *a)
{
	return get32(a->b);
}

struct addr6 inet_addr6(const struct inet *a)
{
	struct addr6 to;

	memcpy(to.b, a->b, 16);
	return to;
}

bool inet_covers(const struct inet *big, const struct inet *small)
{
	uint8_t whole = big->len / 8, rest = big->len % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (big->family != small->family || big->len > small->len)
		return false;
	if (memcmp(big->b, small->b, whole))
		return false;
	return !rest || !((big->b[whole] ^ small->b[whole]) & mask);
}

static size_t inet_bytes(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

static void put_inet(struct nlreq *r, uint16_t type, const struct inet *a)
{
	if (a->family)
		nlreq_attr(r, type, a->b, inet_bytes(a->family));
}

static bool take_inet(const struct rtattr *a, uint8_t family, struct inet *to)
{
	size_t len = inet_bytes(family);

	if (!a || RTA_PAYLOAD(a) != len)
		return false;
	to->family = family;
	to->len = (uint8_t)(len * 8);
	memcpy(to->b, RTA_DATA(a), len);
	return true;
}

static uint32_t take32(const struct rtattr *a, uint32_t otherwise)
{
	uint32_t v;

	if (!a || RTA_PAYLOAD(a) != sizeof(v))
		return otherwise;
	memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

static void take_name(const struct rtattr *a, char *to)
{
	size_t len = a ? RTA_PAYLOAD(a) : 0;

	if (len > IFNAMSIZ - 1)
		len = IFNAMSIZ - 1;
	memset(to, 0, IFNAMSIZ);
	if (len)
		memcpy(to, RTA_DATA(a), len);
}

/* The attributes of message @n, which begin after @size bytes of header. */
static const struct rtattr *attrs(const struct nlmsghdr *n, size_t size,
				  size_t *len)
{
	size_t head = NLMSG_LENGTH(NLMSG_ALIGN(size));

	*len = n->nlmsg_len > head ? n->nlmsg_len - head : 0;
	return (const struct rtattr *)((const char *)n + head);
}

/* ---- links ------------------------------------------------------------ */

static bool parse_link(const struct nlmsghdr *n, struct rtnl_link *to)
{
	const struct ifinfomsg *i = NLMSG_DATA(n);
	const struct rtattr *a, *mac;
	size_t len;

	if (n->nlmsg_len < NLMSG_LENGTH(sizeof(*i)))
		return false;
	a = attrs(n, sizeof(*i), &len);
	*to = (struct rtnl_link){
		.index = i->ifi_index,
		.flags = i->ifi_flags,
		.kind = i->ifi_type,
		.mtu = take32(nlreq_find(a, len, IFLA_MTU), 0),
	};
	take_name(nlreq_find(a, len, IFLA_IFNAME), to->name);
	mac = nlreq_find(a, len, IFLA_ADDRESS);
	if (mac && RTA_PAYLOAD(mac) <= sizeof(to->mac)) {
		to->mac_len = (uint8_t)RTA_PAYLOAD(mac);
		memcpy(to->mac, RTA_DATA(mac), to->mac_len);
	}
	return true;
}

static int keep_link(const struct nlmsghdr *n, void *arg)
{
	if (n->nlmsg_type == RTM_NEWLINK)
		parse_link(n, arg);
	return 0;
}

int rtnl_link_get(const char *name, int index, struct rtnl_link *out)
{
	struct ifinfomsg i = { .ifi_index = name ? 0 : index };
	struct nlreq r;
	int err;

	memset(out, 0, sizeof(*out));
	if (name && (!*name || strlen(name) >= IFNAMSIZ))
		return -ENODEV;
	nlreq_init(&r, RTM_GETLINK, 0, &i, sizeof(i));
	if (name)
		nlreq_attr(&r, IFLA_IFNAME, name, strlen(name) + 1);
	err = nlreq_dump(&r, keep_link, out);
	if (err)
		return err;
	return out->index ? 0 : -ENODEV;
}

int rtnl_link_up(int link, bool up)
{
	struct ifinfomsg i = {
		.ifi_index = link,
		.ifi_flags = up ? IFF_UP : 0,
		.ifi_change = IFF_UP,
	};
	struct nlreq r;

	nlreq_init(&r, RTM_NEWLINK, 0, &i, sizeof(i));
	return nlreq_talk(&r);
}

int rtnl_link_mtu(int link, uint32_t mtu)
{
	struct ifinfomsg i = { .ifi_index = link };
	struct nlreq r;

	nlreq_init(&r, RTM_NEWLINK, 0, &i, sizeof(i));
	nlreq_attr32(&r, IFLA_MTU, mtu);
	return nlreq_talk(&r);
}

/* ---- addresses -------------------------------------------------------- */

static bool parse_addr(const struct nlmsghdr *n, struct rtnl_addr *to)
{
	const struct ifaddrmsg *i = NLMSG_DATA(n);
	const struct rtattr *a, *proto;
	size_t len;

	if (n->nlmsg_len < NLMSG_LENGTH(sizeof(*i)) ||
	    (i->ifa_family != AF_INET && i->ifa_family != AF_INET6))
		return false;
	a = attrs(n, sizeof(*i), &len);
	*to = (struct rtnl_addr){
		.link = (int)i->ifa_index,
		.scope = i->ifa_scope,
		.flags = take32(nlreq_find(a, len, IFA_FLAGS), i->ifa_flags),
	};
	proto = nlreq_find(a, len, IFA_PROTO);
	if (proto && RTA_PAYLOAD(proto) == 1)
		memcpy(&to->protocol, RTA_DATA(proto), 1);
	/* On a point to point link IFA_ADDRESS is the other end. */
	if (!take_inet(nlreq_find(a, len, IFA_LOCAL), i->ifa_family,
		       &to->addr) &&
	    !take_inet(nlreq_find(a, len, IFA_ADDRESS), i->ifa_family,
		       &to->addr))
		return false;
	to->addr.len = i->ifa_prefixlen;
	return true;
}

static void build_addr(struct nlreq *r, uint16_t type, uint16_t flags,
		       const struct rtnl_addr *a)
{
	struct ifaddrmsg i = {
		.ifa_family = a->addr.family,
		.ifa_prefixlen = a->addr.len,
		.ifa_index = (uint32_t)a->link,
		.ifa_scope = a->scope,
	};
	uint8_t protocol = a->protocol ? a->protocol : RTNL_PROTOCOL;

	nlreq_init(r, type, flags, &i, sizeof(i));
	put_inet(r, IFA_LOCAL, &a->addr);
	put_inet(r, IFA_ADDRESS, &a->addr);
	if (type != RTM_NEWADDR)
		return;
	nlreq_attr32(r, IFA_FLAGS, a->flags);
	nlreq_attr(r, IFA_PROTO, &protocol, 1);
}

int rtnl_addr_add(const struct rtnl_addr *a)
{
	struct nlreq r;

	build_addr(&r, RTM_NEWADDR, CREATE, a);
	return nlreq_talk(&r);
}

int rtnl_addr_del(const struct rtnl_addr *a)
{
	struct nlreq r;

	build_addr(&r, RTM_DELADDR, 0, a);
	return nlreq_talk(&r);
}

struct addr_list {
	struct rtnl_addr *to;
	int link, count, cap;
};

static int keep_addr(const struct nlmsghdr *n, void *arg)
{
	struct addr_list *l = arg;
	struct rtnl_addr a;

	if (n->nlmsg_type != RTM_NEWADDR || !parse_addr(n, &a))
		return 0;
	if ((!l->link || a.link == l->link) && l->count < l->cap)
		l->to[l->count++] = a;
	return 0;
}

int rtnl_addr_list(int link, uint8_t family, struct rtnl_addr *to, int cap)
{
	struct addr_list l = { to, link, 0, cap };
	struct ifaddrmsg i = { .ifa_family = family };
	struct nlreq r;
	int err;

	nlreq_init(&r, RTM_GETADDR, NLM_F_DUMP, &i, sizeof(i));
	err = nlreq_dump(&r, keep_addr, &l);
	return err ? err : l.count;
}

/* ---- routes ----------------------------------------------------------- */

static bool parse_route(const struct nlmsghdr *n, struct rtnl_route *to)
{
	const struct rtmsg *m = NLMSG_DATA(n);
	const struct rtattr *a;
	size_t len;

	if (n->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
		return false;
	a = attrs(n, sizeof(*m), &len);
	*to = (struct rtnl_route){
		.dst.family = m->rtm_family,
		.type = m->rtm_type,
		.protocol = m->rtm_protocol,
		.table = take32(nlreq_find(a, len, RTA_TABLE), m->rtm_table),
		.metric = take32(nlreq_find(a, len, RTA_PRIORITY), 0),
		.link = (int)take32(nlreq_find(a, len, RTA_OIF), 0),
	};
	take_inet(nlreq_find(a, len, RTA_DST), m->rtm_family, &to->dst);
	to->dst.len = m->rtm_dst_len;
	take_inet(nlreq_find(a, len, RTA_GATEWAY), m->rtm_family,
		  &to->gateway);
	take_inet(nlreq_find(a, len, RTA_PREFSRC), m->rtm_family, &to->source);
	return true;
}

static int change_route(uint16_t type, uint16_t flags,
			const struct rtnl_route *t)
{
	struct rtmsg m = {
		.rtm_family = t->dst.family,
		.rtm_dst_len = t->dst.len,
		.rtm_table = RT_TABLE_UNSPEC,
		.rtm_type = t->type ? t->type : RTN_UNICAST,
		.rtm_protocol = t->protocol ? t->protocol : RTNL_PROTOCOL,
		.rtm_scope = RT_SCOPE_UNIVERSE,
	};
	struct nlreq r;

	if (t->dst.family == AF_INET && !t->type && !t->gateway.family)
		m.rtm_scope = RT_SCOPE_LINK;
	nlreq_init(&r, type, flags, &m, sizeof(m));
	nlreq_attr32(&r, RTA_TABLE, t->table ? t->table : RT_TABLE_MAIN);
	if (t->dst.len)
		put_inet(&r, RTA_DST, &t->dst);
	put_inet(&r, RTA_GATEWAY, &t->gateway);
	put_inet(&r, RTA_PREFSRC, &t->source);
	if (t->link)
		nlreq_attr32(&r, RTA_OIF, (uint32_t)t->link);
	if (t->metric)
		nlreq_attr32(&r, RTA_PRIORITY, t->metric);
	return nlreq_talk(&r);
}

int rtnl_route_add(const struct rtnl_route *r)
{
	return change_route(RTM_NEWROUTE, CREATE, r);
}

int rtnl_route_replace(const struct rtnl_route *r)
{
	return change_route(RTM_NEWROUTE, REPLACE, r);
}

int rtnl_route_del(const struct rtnl_route *r)
{
	return change_route(RTM_DELROUTE, 0, r);
}

struct route_each {
	uint32_t table;
	int (*each)(const struct rtnl_route *, void *);
	void *arg;
	int result;
};

static int hand_route(const struct nlmsghdr *n, void *arg)
{
	struct route_each *e = arg;
	struct rtnl_route t;

	if (n->nlmsg_type != RTM_NEWROUTE || !parse_route(n, &t))
		return 0;
	if (((const struct rtmsg *)NLMSG_DATA(n))->rtm_flags & RTM_F_CLONED)
		return 0;
	if (t.table == e->table)
		e->result = e->each(&t, e->arg);
	return e->result ? ENOUGH : 0;
}

int rtnl_route_each(uint8_t family, uint32_t table,
		    int (*each)(const struct rtnl_route *, void *), void *arg)
{
	struct route_each e = { table ? table : RT_TABLE_MAIN, each, arg, 0 };
	struct rtmsg m = { .rtm_family = family };
	struct nlreq r;
	int err;

	nlreq_init(&r, RTM_GETROUTE, NLM_F_DUMP, &m, sizeof(m));
	err = nlreq_dump(&r, hand_route, &e);
	return err == ENOUGH ? e.result : err;
}

static int keep_route(const struct nlmsghdr *n, void *arg)
{
	if (n->nlmsg_type == RTM_NEWROUTE)
		parse_route(n, arg);
	return 0;
}

int rtnl_route_get(const struct inet *to, struct rtnl_route *out)
{
	struct rtmsg m = {
		.rtm_family = to->family,
		.rtm_dst_len = (uint8_t)(inet_bytes(to->family) * 8),
	};
	struct nlreq r;
	int err;

	memset(out, 0, sizeof(*out));
	nlreq_init(&r, RTM_GETROUTE, 0, &m, sizeof(m));
	put_inet(&r, RTA_DST, to);
	err = nlreq_dump(&r, keep_route, out);
	if (err)
		return err;
	return out->link ? 0 : -ENETUNREACH;
}

/* ---- rules ------------------------------------------------------------ */

static bool parse_rule(const struct nlmsghdr *n, struct rtnl_rule *to)
{
	const struct fib_rule_hdr *h = NLMSG_DATA(n);
	const struct rtattr *a, *p;
	uint32_t suppress;
	size_t len;

	if (n->nlmsg_len < NLMSG_LENGTH(sizeof(*h)))
		return false;
	a = attrs(n, sizeof(*h), &len);
	*to = (struct rtnl_rule){
		.family = h->family,
		.table = take32(nlreq_find(a, len, FRA_TABLE), h->table),
		.pref = take32(nlreq_find(a, len, FRA_PRIORITY), 0),
	};
	if (take_inet(nlreq_find(a, len, FRA_SRC), h->family, &to->from))
		to->from.len = h->src_len;
	if (take_inet(nlreq_find(a, len, FRA_DST), h->family, &to->to))
		to->to.len = h->dst_len;
	take_name(nlreq_find(a, len, FRA_IIFNAME), to->iif);
	p = nlreq_find(a, len, FRA_PROTOCOL);
	if (p && RTA_PAYLOAD(p) == 1)
		memcpy(&to->protocol, RTA_DATA(p), 1);
	p = nlreq_find(a, len, FRA_IP_PROTO);
	if (p && RTA_PAYLOAD(p) == 1)
		memcpy(&to->ipproto, RTA_DATA(p), 1);
	p = nlreq_find(a, len, FRA_DPORT_RANGE);
	if (p && RTA_PAYLOAD(p) == sizeof(struct fib_rule_port_range)) {
		memcpy(&to->lo, RTA_DATA(p), 2);
		memcpy(&to->hi, (const char *)RTA_DATA(p) + 2, 2);
	}
	suppress = take32(nlreq_find(a, len, FRA_SUPPRESS_PREFIXLEN),
			  UINT32_MAX);
	to->suppress = suppress == UINT32_MAX ? 0 : (uint8_t)(suppress + 1);
	return true;
}

static int change_rule(uint16_t type, uint16_t flags,
		       const struct rtnl_rule *u)
{
	struct fib_rule_hdr h = {
		.family = u->family,
		.src_len = u->from.len,
		.dst_len = u->to.len,
		.action = FR_ACT_TO_TBL,
	};
	struct fib_rule_port_range ports = { u->lo, u->hi };
	uint8_t protocol = u->protocol ? u->protocol : RTNL_PROTOCOL;
	struct nlreq r;

	nlreq_init(&r, type, flags, &h, sizeof(h));
	put_inet(&r, FRA_SRC, &u->from);
	put_inet(&r, FRA_DST, &u->to);
	nlreq_attr32(&r, FRA_TABLE, u->table ? u->table : RT_TABLE_MAIN);
	nlreq_attr32(&r, FRA_PRIORITY, u->pref);
	nlreq_attr(&r, FRA_PROTOCOL, &protocol, 1);
	if (u->suppress)
		nlreq_attr32(&r, FRA_SUPPRESS_PREFIXLEN, u->suppress - 1u);
	if (u->ipproto)
		nlreq_attr(&r, FRA_IP_PROTO, &u->ipproto, 1);
	if (u->hi)
		nlreq_attr(&r, FRA_DPORT_RANGE, &ports, sizeof(ports));
	if (u->iif[0])
		nlreq_attr(&r, FRA_IIFNAME, u->iif, strlen(u->iif) + 1);
	return nlreq_talk(&r);
}

int rtnl_rule_add(const struct rtnl_rule *r)
{
	return change_rule(RTM_NEWRULE, CREATE, r);
}

int rtnl_rule_del(const struct rtnl_rule *r)
{
	return change_rule(RTM_DELRULE, 0, r);
}

struct rule_each {
	uint8_t family;
	int (*each)(const struct rtnl_rule *, void *);
	void *arg;
	int result;
};

static int hand_rule(const struct nlmsghdr *n, void *arg)
{
	struct rule_each *e = arg;
	struct rtnl_rule u;

	if (n->nlmsg_type != RTM_NEWRULE || !parse_rule(n, &u))
		return 0;
	if (u.family == e->family)
		e->result = e->each(&u, e->arg);
	return e->result ? ENOUGH : 0;
}

int rtnl_rule_each(uint8_t family,
		   int (*each)(const struct rtnl_rule *, void *), void *arg)
{
	struct fib_rule_hdr h = { .family = family };
	struct rule_each e = { family, each, arg, 0 };
	struct nlreq r;
	int err;

	nlreq_init(&r, RTM_GETRULE, NLM_F_DUMP, &h, sizeof(h));
	err = nlreq_dump(&r, hand_rule, &e);
	return err == ENOUGH ? e.result : err;
}

/* ---- monitor ---------------------------------------------------------- */

int rtnl_monitor_open(void)
{
	struct sockaddr_nl a = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
			     RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
			     RTMGRP_IPV6_ROUTE,
	};
	int bytes = MONITOR_BYTES, err;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* One message to one event; false if it says nothing to us. */
static bool parse_event(const struct nlmsghdr *n, struct rtnl_event *e)
{
	struct rtnl_route route;
	struct rtnl_link link;
	struct rtnl_addr addr;

	memset(e, 0, sizeof(*e));
	if (n->nlmsg_type == RTM_NEWLINK || n->nlmsg_type == RTM_DELLINK) {
		if (!parse_link(n, &link))
			return false;
		e->what = RTNL_LINK;
		e->link = link.index;
		e->up = (link.flags & IFF_UP) && (link.flags & IFF_RUNNING);
		e->gone = n->nlmsg_type == RTM_DELLINK;
		return true;
	}
	if (n->nlmsg_type == RTM_NEWADDR || n->nlmsg_type == RTM_DELADDR) {
		if (!parse_addr(n, &addr))
			return false;
		e->what = RTNL_ADDR;
		e->link = addr.link;
		e->addr = addr.addr;
		e->gone = n->nlmsg_type == RTM_DELADDR;
		return true;
	}
	if (n->nlmsg_type != RTM_NEWROUTE && n->nlmsg_type != RTM_DELROUTE)
		return false;
	if (!parse_route(n, &route) || route.dst.len)
		return false;
	e->what = RTNL_ROUTE;
	e->link = route.link;
	e->addr.family = route.dst.family;
	e->gone = n->nlmsg_type == RTM_DELROUTE;
	return true;
}

int rtnl_monitor_read(int fd, struct rtnl_event *to, int cap)
{
	_Alignas(8) uint8_t buf[8192];
	struct nlmsghdr *n = (struct nlmsghdr *)buf;
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	int count = 0, left;

	left = (int)recvfrom(fd, buf, sizeof(buf), 0,
			     (struct sockaddr *)&from, &from_len);
	if (left < 0 && errno == ENOBUFS) {
		*to = (struct rtnl_event){ .what = RTNL_LOST };
		return 1;
	}
	if (left < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (from.nl_pid)
		left = 0;
	for (; NLMSG_OK(n, (unsigned)left); n = NLMSG_NEXT(n, left)) {
		if (count == cap) {
			to[cap - 1] = (struct rtnl_event){ .what = RTNL_LOST };
			break;
		}
		if (parse_event(n, &to[count]))
			count++;
	}
	return count;
}
