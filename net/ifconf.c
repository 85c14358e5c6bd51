/* SPDX-License-Identifier: MIT
 *
 * ifconf.c - what an edge or a hub changes on its host, and takes back
 *
 * Theory of operation
 * ===================
 * Every change goes through one of the add_* functions, which write it to the
 * journal; undo walks the journal backwards. What was there before is not
 * ours: it is neither changed nor journaled, and stays. What carries our
 * protocol number was left by one of us that was killed: it is adopted.
 * Settings under /proc/sys have a journal of their own (net/sysctl) because
 * several daemons share them.
 *
 * Edge. The inner TUN gets no link-local address (nobody speaks there). The
 * prefix's ::1 stands on the first LAN interface, which gets the first /64,
 * or else as /128 on the TUN; further LAN interfaces get the ::1 of the next
 * /64s. Routes:
 *
 *	main			unreachable PREFIX	metric LAST
 *				default dev TUN src ::1	metric LAST
 *	table of our own	default dev TUN
 *	rule PREF	from PREFIX lookup main suppress_prefixlength 0
 *	rule PREF+1	from PREFIX lookup table of our own
 *
 * So what comes from the prefix reaches the LANs and everything else that has
 * a route of its own by main (all but defaults), the rest goes into the TUN;
 * what comes from other addresses keeps the native default route; a machine
 * without one gets ours, and gives it up when a native one appears, because
 * every other metric is better. An unused part of the prefix is unreachable
 * instead of going round. The table's number is made from the TUN's interface
 * index, unique among the living of a network namespace; the rules of several
 * edges do not meet because each begins with its own prefix. After a kill the
 * TUN takes its routes with it, an empty table is passed over, and the next
 * start of this edge removes old rules.
 *
 * The kernel forgets an interface's addresses when it goes down, and all of it
 * when it is removed, which is what a bridge made anew or an adapter that was
 * unplugged look like. ifconf_lans() gives a LAN back what the journal says it
 * had from us. What was the owner's is the owner's to bring back.
 *
 * Hub. The same without rules: main leads a connected edge's prefix into the
 * TUN; the whole prefix is unreachable behind that, also after a kill, so
 * that nothing loops between the hub and its router. Where the provider's
 * prefix lies on the uplink's link, @on_link says so, and net/ndp answers.
 *
 * Forwarding makes Linux ignore router advertisements: an uplink that lives
 * on them gets accept_ra=2 first. Setting "all" sets every interface; those
 * that were 1 while "all" was 0 are noted, to be 1 again afterwards.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <net/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "net/ifconf.h"

/* From the word unmap: far from the numbers people choose. */
#define TABLE_BASE 0x554d0000u

static int step(struct ifconf_journal *c, const char *what, const char *about)
{
	snprintf(c->what, sizeof(c->what), "%s%s%s", what, about ? " " : "",
		 about ? about : "");
	return 0;
}

static struct change *journal(struct ifconf_journal *c, enum change_kind kind)
{
	struct change *to;

	if (c->count == IFCONF_CHANGES)
		return NULL;
	to = &c->change[c->count++];
	memset(to, 0, sizeof(*to));
	to->kind = kind;
	return to;
}

/* ---- one change each -------------------------------------------------- */

static int add_link_up(struct ifconf_journal *c, const struct rtnl_link *l)
{
	struct change *to;

	if (l->flags & IFF_UP)
		return 0;
	to = journal(c, CHANGE_LINK_UP);
	if (!to)
		return -ENOSPC;
	to->link = l->index;
	return rtnl_link_up(l->index, true);
}

/* -EEXIST that is ours is adopted, another's is kept: 0 in both cases. */
static int add_addr(struct ifconf_journal *c, int link, const struct addr6 *a,
		    uint8_t len)
{
	enum { MANY = 256 };
	struct rtnl_addr want = { .link = link, .addr = inet6(a, len),
				  .flags = IFA_F_NODAD };
	struct rtnl_addr has[MANY];
	int i, n = rtnl_addr_list(link, AF_INET6, has, MANY);
	struct change *to;

	for (i = 0; i < n; i++) {
		if (memcmp(has[i].addr.b, a->b, 16))
			continue;
		if (has[i].protocol != RTNL_PROTOCOL)
			return 0;
		want.addr.len = has[i].addr.len;
	}
	to = journal(c, CHANGE_ADDR);
	if (!to)
		return -ENOSPC;
	to->addr = want;
	n = rtnl_addr_add(&want);
	if (n && n != -EEXIST)
		c->count--;
	return n == -EEXIST ? 0 : n;
}

/* Only an unreachable route can be left from before or be somebody's own: the
 * first is adopted, the second serves as well as ours. Others go with their
 * device, so -EEXIST means another daemon's.
 */
struct route_search {
	const struct rtnl_route *want;
	uint8_t protocol;
};

static int same_route(const struct rtnl_route *r, void *arg)
{
	struct route_search *s = arg;

	if (r->dst.len != s->want->dst.len || r->metric != s->want->metric ||
	    memcmp(r->dst.b, s->want->dst.b, 16))
		return 0;
	s->protocol = r->protocol;
	return 1;
}

static int add_route(struct ifconf_journal *c, const struct rtnl_route *r)
{
	struct route_search s = { r, 0 };
	struct change *to = journal(c, CHANGE_ROUTE);
	int err;

	if (!to)
		return -ENOSPC;
	to->route = *r;
	err = rtnl_route_add(r);
	if (err == -EEXIST && r->type == RTN_UNREACHABLE) {
		err = 0;
		rtnl_route_each(AF_INET6, r->table, same_route, &s);
		if (s.protocol == RTNL_PROTOCOL)
			return 0;
		c->count--;
	} else if (err) {
		c->count--;
	}
	return err;
}

static int add_rule(struct ifconf_journal *c, const struct rtnl_rule *r)
{
	struct change *to = journal(c, CHANGE_RULE);
	int err;

	if (!to)
		return -ENOSPC;
	to->rule = *r;
	err = rtnl_rule_add(r);
	if (err)
		c->count--;
	return err;
}

static void undo_change(const struct change *c)
{
	switch (c->kind) {
	case CHANGE_LINK_UP:
		rtnl_link_up(c->link, false);
		break;
	case CHANGE_ADDR:
		rtnl_addr_del(&c->addr);
		break;
	case CHANGE_ROUTE:
		rtnl_route_del(&c->route);
		break;
	case CHANGE_RULE:
		rtnl_rule_del(&c->rule);
		break;
	}
}

/* ---- settings --------------------------------------------------------- */

static int set_for(struct ifconf_journal *c, const char *name, const char *key,
		   const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", name, key);
	return sysctls_set(&c->sysctls, path, value);
}

/* A router's own interface would stop listening: let it listen on. */
static int keep_listening(const struct rtnl_route *r, void *arg)
{
	struct ifconf_journal *c = arg;
	struct rtnl_link l;
	char path[96], now[SYSCTL_VALUE];

	if (r->dst.len || r->protocol != RTPROT_RA ||
	    rtnl_link_get(NULL, r->link, &l))
		return 0;
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", l.name);
	if (!sysctl_read(path, now, sizeof(now)) && !strcmp(now, "1"))
		sysctls_set(&c->sysctls, path, "2");
	return 0;
}

/* Interfaces that have forwarding=1 of their own while "all" has not. */
static void note_forwarding(struct ifconf_journal *c)
{
	DIR *dir = opendir("/proc/sys/net/ipv6/conf");
	char path[300], now[SYSCTL_VALUE];
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || !strcmp(d->d_name, "all"))
			continue;
		snprintf(path, sizeof(path), "net/ipv6/conf/%s/forwarding",
			 d->d_name);
		if (!sysctl_read(path, now, sizeof(now)) && !strcmp(now, "1"))
			sysctls_note(&c->sysctls, path, "1", "0");
	}
	if (dir)
		closedir(dir);
}

static int forwarding_on(struct ifconf_journal *c)
{
	char now[SYSCTL_VALUE];

	step(c, "set sysctl net.ipv6.conf.all.forwarding", NULL);
	rtnl_route_each(AF_INET6, 0, keep_listening, c);
	if (!sysctl_read("net/ipv6/conf/all/forwarding", now, sizeof(now)) &&
	    !strcmp(now, "0"))
		note_forwarding(c);
	return set_for(c, "all", "forwarding", "1");
}

static int reserve_ports(struct ifconf_journal *c, uint16_t lo, uint16_t hi)
{
	step(c, "set sysctl net.ipv4.ip_local_reserved_ports", NULL);
	return hi ? sysctls_reserve(&c->sysctls, lo, hi) : 0;
}

/* ---- parts of both ---------------------------------------------------- */

static int find_tun(struct ifconf_journal *c, const char *name,
		    struct rtnl_link *l)
{
	int err;

	step(c, "find tunnel device", name);
	err = rtnl_link_get(name, 0, l);
	if (err)
		return err;
	if (l->kind != ARPHRD_NONE)
		return -EINVAL;
	c->inner = l->index;
	return 0;
}

/* The TUN is ours and vanishes: nothing to journal. */
static int tun_up(struct ifconf_journal *c, const char *name, uint32_t mtu)
{
	struct rtnl_link l;
	char path[96];
	int err = find_tun(c, name, &l);

	if (err)
		return err;
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/addr_gen_mode", name);
	sysctl_write(path, "1");
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/disable_ipv6", name);
	err = sysctl_write(path, "0");
	step(c, "enable IPv6 (is it disabled in the kernel?) on", name);
	if (err)
		return err;
	step(c, "set MTU of", name);
	err = rtnl_link_mtu(l.index, mtu);
	if (err)
		return err;
	step(c, "bring up", name);
	return rtnl_link_up(l.index, true);
}

static int add_unreachable(struct ifconf_journal *c, const struct prefix6 *p)
{
	struct rtnl_route r = {
		.dst = inet6(&p->addr, p->len),
		.type = RTN_UNREACHABLE,
		.metric = IFCONF_METRIC_LAST,
	};
	char text[PREFIX6_TEXT];

	step(c, "add unreachable route for", prefix6_format(p, text));
	return add_route(c, &r);
}

static int put_addr(struct ifconf_journal *c, int link, const struct addr6 *a,
		    uint8_t len)
{
	char text[ADDR6_TEXT];

	step(c, "add address", addr6_format(a, text));
	return add_addr(c, link, a, len);
}

/* ---- edge ------------------------------------------------------------- */

bool ifconf_lan_prefix(const struct prefix6 *p, unsigned n,
		       struct prefix6 *out)
{
	if (p->len > 64) {
		*out = *p;
		return !n;
	}
	return prefix6_nth(p, 64, n, out);
}

static struct addr6 first_address(const struct prefix6 *p)
{
	struct addr6 a = p->addr;

	a.b[15] |= 1;
	return a;
}

static int lan_up(struct ifconf_journal *c, const struct ifconf_edge *e,
		  unsigned n)
{
	const char *name = e->lan[n];
	struct rtnl_link l;
	struct prefix6 p;
	struct addr6 a;
	int err;

	step(c, "find LAN interface", name);
	err = rtnl_link_get(name, 0, &l);
	if (err)
		return err;
	step(c, "find a /64 of the prefix for LAN interface", name);
	if (!ifconf_lan_prefix(&e->prefix, n, &p))
		return -ERANGE;
	step(c, "enable IPv6 on", name);
	err = set_for(c, name, "disable_ipv6", "0");
	if (err)
		return err;
	step(c, "bring up", name);
	err = add_link_up(c, &l);
	if (err)
		return err;
	a = first_address(&p);
	return put_addr(c, l.index, &a, p.len);
}

/* The journal's line for an address, if it was us who gave it. */
static struct change *own_address(struct ifconf_journal *c,
				  const struct addr6 *a)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->change[i].kind == CHANGE_ADDR &&
		    !memcmp(c->change[i].addr.addr.b, a->b, 16))
			return &c->change[i];
	return NULL;
}

static void lan_again(struct ifconf_journal *c, const struct ifconf_edge *e,
		      unsigned n)
{
	struct change *own;
	struct rtnl_link l;
	struct prefix6 p;
	struct addr6 a;

	if (rtnl_link_get(e->lan[n], 0, &l) || !(l.flags & IFF_UP) ||
	    !ifconf_lan_prefix(&e->prefix, n, &p))
		return;
	a = first_address(&p);
	own = own_address(c, &a);
	if (!own)
		return;
	set_for(c, e->lan[n], "disable_ipv6", "0");
	own->addr.link = l.index;
	rtnl_addr_add(&own->addr);	/* -EEXIST: it never went */
}

void ifconf_lans(struct ifconf_journal *c, const struct ifconf_edge *e)
{
	for (unsigned n = 0; n < e->lans; n++)
		lan_again(c, e, n);
}

static int edge_addresses(struct ifconf_journal *c, const struct ifconf_edge *e)
{
	struct addr6 a = first_address(&e->prefix);
	unsigned n;
	int err = 0;

	if (!e->lans)
		return put_addr(c, c->inner, &a, 128);
	for (n = 0; n < e->lans && !err; n++)
		err = lan_up(c, e, n);
	return err;
}

struct old_rules {
	struct inet from;
	struct rtnl_rule found;
};

static int old_rule(const struct rtnl_rule *r, void *arg)
{
	struct old_rules *o = arg;

	if (r->protocol != RTNL_PROTOCOL || r->from.len != o->from.len ||
	    r->from.family != AF_INET6 || memcmp(r->from.b, o->from.b, 16))
		return 0;
	o->found = *r;
	return 1;
}

/* Rules from our prefix that a killed edge left. */
static void sweep_rules(const struct inet *from)
{
	struct old_rules o = { .from = *from };
	int left = 16;

	while (left-- && rtnl_rule_each(AF_INET6, old_rule, &o) == 1)
		if (rtnl_rule_del(&o.found))
			break;
}

static int edge_rules(struct ifconf_journal *c, const struct ifconf_edge *e)
{
	struct rtnl_rule known = {
		.family = AF_INET6,
		.from = inet6(&e->prefix.addr, e->prefix.len),
		.pref = IFCONF_PREF,
		.suppress = 1,
	};
	struct rtnl_rule rest = known;
	char text[PREFIX6_TEXT];
	int err;

	rest.pref++;
	rest.suppress = 0;
	rest.table = TABLE_BASE + (uint32_t)c->inner;
	sweep_rules(&known.from);
	step(c, "add policy rule from", prefix6_format(&e->prefix, text));
	err = add_rule(c, &rest);
	return err ? err : add_rule(c, &known);
}

static int edge_routes(struct ifconf_journal *c, const struct ifconf_edge *e)
{
	struct addr6 a = first_address(&e->prefix);
	struct rtnl_route all = {
		.dst = { .family = AF_INET6 },
		.table = TABLE_BASE + (uint32_t)c->inner,
		.link = c->inner,
	};
	int err = add_unreachable(c, &e->prefix);

	if (err)
		return err;
	step(c, "add default route dev", e->inner);
	err = add_route(c, &all);
	if (err)
		return err;
	all.table = 0;
	all.metric = IFCONF_METRIC_LAST;
	all.source = inet6(&a, 128);
	err = add_route(c, &all);
	/* another edge of this machine has it */
	return err == -EEXIST ? 0 : err;
}

int ifconf_edge(struct ifconf_journal *c, const struct ifconf_edge *e)
{
	int err = tun_up(c, e->inner, e->mtu);

	if (!err)
		err = reserve_ports(c, e->lo, e->hi);
	if (!err)
		err = forwarding_on(c);
	if (!err)
		err = edge_addresses(c, e);
	if (!err)
		err = edge_routes(c, e);
	if (!err)
		err = edge_rules(c, e);
	return err;
}

/* ---- hub -------------------------------------------------------------- */

struct on_link_search {
	struct inet prefix;
	int inner;
	int link;
};

/* A connected route that holds the whole prefix: its hosts and routers will
 * ask for our addresses by neighbour solicitation.
 */
static int on_link(const struct rtnl_route *r, void *arg)
{
	struct on_link_search *s = arg;

	if (!r->dst.len || r->gateway.family || r->type != RTN_UNICAST ||
	    r->link == s->inner || r->protocol == RTNL_PROTOCOL ||
	    !inet_covers(&r->dst, &s->prefix))
		return 0;
	s->link = r->link;
	return 1;
}

int ifconf_hub(struct ifconf_journal *c, const struct ifconf_hub *h)
{
	struct on_link_search s = {
		.prefix = inet6(&h->prefix.addr, h->prefix.len),
	};
	int err = tun_up(c, h->inner, h->mtu);

	s.inner = c->inner;
	if (!err)
		err = reserve_ports(c, h->lo, h->hi);
	if (!err)
		err = forwarding_on(c);
	if (!err)
		err = add_unreachable(c, &h->prefix);
	if (!err)
		err = put_addr(c, c->inner, &h->own, 128);
	if (err)
		return err;
	rtnl_route_each(AF_INET6, 0, on_link, &s);
	c->on_link = s.link;
	return 0;
}

static int forget_route(struct ifconf_journal *c, const struct rtnl_route *r)
{
	unsigned i;

	for (i = 0; i < c->count; i++) {
		const struct change *a = &c->change[i];

		if (a->kind != CHANGE_ROUTE || a->route.metric != r->metric ||
		    a->route.dst.len != r->dst.len ||
		    memcmp(a->route.dst.b, r->dst.b, 16))
			continue;
		memmove(&c->change[i], &c->change[i + 1],
			(c->count - i - 1) * sizeof(c->change[0]));
		c->count--;
		return rtnl_route_del(r);
	}
	return -ENOENT;
}

int ifconf_route(struct ifconf_journal *c, const struct prefix6 *p, bool add)
{
	struct rtnl_route r = {
		.dst = inet6(&p->addr, p->len),
		.link = c->inner,
		.metric = IFCONF_METRIC_EDGE,
	};

	return add ? add_route(c, &r) : forget_route(c, &r);
}

/* ---- journal ---------------------------------------------------------- */

int ifconf_open(struct ifconf_journal *c)
{
	c->inner = c->on_link = 0;
	c->count = 0;
	c->what[0] = '\0';
	return sysctls_open(&c->sysctls);
}

static void undo_changes(struct ifconf_journal *c)
{
	while (c->count)
		undo_change(&c->change[--c->count]);
	c->inner = c->on_link = 0;
}

void ifconf_undo(struct ifconf_journal *c)
{
	undo_changes(c);
	sysctls_undo(&c->sysctls);
	sysctls_open(&c->sysctls);
}

void ifconf_close(struct ifconf_journal *c)
{
	undo_changes(c);
	sysctls_undo(&c->sysctls);
}
