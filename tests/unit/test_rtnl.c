/* SPDX-License-Identifier: MIT
 *
 * test_rtnl.c - links, addresses, routes, rules and events, on a real kernel
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <poll.h>
#include <string.h>

#include "net/tun.h"
#include "tests/unit/netns.h"

static struct inet in6(const char *text, uint8_t len)
{
	struct addr6 a;

	ck_assert_int_eq(inet_pton(AF_INET6, text, a.b), 1);
	return inet6(&a, len);
}

static int tun(char *name)
{
	struct rtnl_link l;
	unsigned features;

	ck_assert(netns_enter());
	ck_assert_int_ge(tun_open("t%d", name, &features), 0);
	ck_assert_int_eq(rtnl_link_get(name, 0, &l), 0);
	return l.index;
}

START_TEST(covers)
{
	struct inet a = in6("2001:db8:100::", 44), b = in6("2001:db8:10f::", 48);
	struct inet c = in6("2001:db8:110::", 48);
	struct inet v4 = inet4(0xc0000200, 24);

	ck_assert(inet_covers(&a, &b));
	ck_assert(inet_covers(&a, &a));
	ck_assert(!inet_covers(&a, &c));
	ck_assert(!inet_covers(&b, &a));
	ck_assert(!inet_covers(&v4, &a));
	ck_assert_uint_eq(inet_addr4(&v4), 0xc0000200);
	a = in6("::", 0);
	ck_assert(inet_covers(&a, &c));
}
END_TEST

START_TEST(links)
{
	char name[IFNAMSIZ];
	int t = tun(name);
	struct rtnl_link l;

	ck_assert_int_eq(rtnl_link_mtu(t, 1499), 0);
	ck_assert_int_eq(rtnl_link_up(t, true), 0);
	ck_assert_int_eq(rtnl_link_get(NULL, t, &l), 0);
	ck_assert_str_eq(l.name, name);
	ck_assert_uint_eq(l.mtu, 1499);
	ck_assert_uint_eq(l.kind, ARPHRD_NONE);
	ck_assert(l.flags & IFF_UP);
	ck_assert_int_eq(rtnl_link_up(t, false), 0);
	ck_assert_int_eq(rtnl_link_get(NULL, t, &l), 0);
	ck_assert(!(l.flags & IFF_UP));
	ck_assert_int_eq(rtnl_link_get("none such", 0, &l), -ENODEV);
	ck_assert_int_eq(rtnl_link_get("", 0, &l), -ENODEV);
	ck_assert_int_eq(rtnl_link_get("name-far-too-long", 0, &l), -ENODEV);
}
END_TEST

START_TEST(addresses)
{
	char name[IFNAMSIZ];
	struct rtnl_addr a = { .flags = IFA_F_NODAD }, has[8];
	int i, n, found = 0;

	a.link = tun(name);
	a.addr = in6("2001:db8:100:1::1", 64);
	ck_assert_int_eq(rtnl_link_up(a.link, true), 0);
	ck_assert_int_eq(rtnl_addr_add(&a), 0);
	ck_assert_int_eq(rtnl_addr_add(&a), -EEXIST);
	n = rtnl_addr_list(a.link, AF_INET6, has, 8);
	for (i = 0; i < n; i++)
		if (!memcmp(&has[i].addr, &a.addr, sizeof(a.addr))) {
			found++;
			ck_assert(!(has[i].flags & IFA_F_TENTATIVE));
			ck_assert_uint_eq(has[i].protocol, RTNL_PROTOCOL);
		}
	ck_assert_int_eq(found, 1);
	ck_assert_int_eq(rtnl_addr_del(&a), 0);
	ck_assert_int_eq(rtnl_addr_del(&a), -EADDRNOTAVAIL);
	a.addr = inet4(0xc6336401, 24);
	ck_assert_int_eq(rtnl_addr_add(&a), 0);
	ck_assert_int_eq(rtnl_addr_list(a.link, AF_INET, has, 8), 1);
	ck_assert_uint_eq(inet_addr4(&has[0].addr), 0xc6336401);
	ck_assert_uint_eq(has[0].addr.len, 24);
}
END_TEST

static int find_route(const struct rtnl_route *r, void *arg)
{
	const struct rtnl_route *want = arg;

	return r->type == want->type && r->metric == want->metric &&
	       r->dst.len == want->dst.len && r->protocol == RTNL_PROTOCOL &&
	       !memcmp(r->dst.b, want->dst.b, 16) && r->link == want->link;
}

START_TEST(routes)
{
	char name[IFNAMSIZ];
	int t = tun(name);
	struct rtnl_route r = { .dst = in6("2001:db8:200::", 56), .link = t,
				.type = RTN_UNICAST, .metric = 77,
				.table = 0x554d0001 }, got;
	struct inet v4 = inet4(0xc6336407, 32);
	struct rtnl_addr a = { .link = t, .addr = inet4(0xc6336401, 24) };

	ck_assert_int_eq(rtnl_link_up(t, true), 0);
	ck_assert_int_eq(rtnl_route_add(&r), 0);
	ck_assert_int_eq(rtnl_route_add(&r), -EEXIST);
	ck_assert_int_eq(rtnl_route_replace(&r), 0);
	ck_assert_int_eq(rtnl_route_each(AF_INET6, r.table, find_route, &r), 1);
	ck_assert_int_eq(rtnl_route_each(AF_INET6, 0, find_route, &r), 0);
	ck_assert_int_eq(rtnl_route_del(&r), 0);
	ck_assert_int_eq(rtnl_route_del(&r), -ESRCH);
	r = (struct rtnl_route){ .dst = in6("2001:db8:200::", 56),
				 .type = RTN_UNREACHABLE, .metric = 1 << 30 };
	ck_assert_int_eq(rtnl_route_add(&r), 0);
	r.link = 1;	/* the kernel says: lo */
	ck_assert_int_eq(rtnl_route_each(AF_INET6, 0, find_route, &r), 1);
	/* what the uplink is */
	ck_assert_int_eq(rtnl_route_get(&v4, &got), -ENETUNREACH);
	ck_assert_int_eq(rtnl_addr_add(&a), 0);
	r = (struct rtnl_route){ .dst.family = AF_INET,
				 .gateway = inet4(0xc63364fe, 32) };
	ck_assert_int_eq(rtnl_route_add(&r), 0);
	ck_assert_int_eq(rtnl_route_get(&v4, &got), 0);
	ck_assert_int_eq(got.link, t);
	ck_assert_uint_eq(got.gateway.family, 0);
	ck_assert_uint_eq(inet_addr4(&got.source), 0xc6336401);
	v4 = inet4(0x08080808, 32);
	ck_assert_int_eq(rtnl_route_get(&v4, &got), 0);
	ck_assert_uint_eq(inet_addr4(&got.gateway), 0xc63364fe);
}
END_TEST

static int find_rule(const struct rtnl_rule *r, void *arg)
{
	const struct rtnl_rule *want = arg;

	return r->pref == want->pref && r->table == want->table &&
	       r->suppress == want->suppress && r->lo == want->lo &&
	       r->hi == want->hi && r->ipproto == want->ipproto &&
	       r->protocol == RTNL_PROTOCOL &&
	       !memcmp(&r->from, &want->from, sizeof(r->from)) &&
	       !strcmp(r->iif, want->iif);
}

START_TEST(rules)
{
	struct rtnl_rule r = { .family = AF_INET6, .pref = 5210,
			       .from = in6("2001:db8:100:1::", 64),
			       .table = RT_TABLE_MAIN, .suppress = 1 };

	ck_assert(netns_enter());
	ck_assert_int_eq(rtnl_rule_add(&r), 0);
	ck_assert_int_eq(rtnl_rule_add(&r), -EEXIST);
	ck_assert_int_eq(rtnl_rule_each(AF_INET6, find_rule, &r), 1);
	ck_assert_int_eq(rtnl_rule_each(AF_INET, find_rule, &r), 0);
	ck_assert_int_eq(rtnl_rule_del(&r), 0);
	ck_assert_int_eq(rtnl_rule_each(AF_INET6, find_rule, &r), 0);
	ck_assert_int_eq(rtnl_rule_del(&r), -ENOENT);
	r = (struct rtnl_rule){ .family = AF_INET, .pref = 100,
				.table = 0x554d0002, .ipproto = 6,
				.lo = 61000, .hi = 65534, .iif = "lo" };
	ck_assert_int_eq(rtnl_rule_add(&r), 0);
	ck_assert_int_eq(rtnl_rule_each(AF_INET, find_rule, &r), 1);
	ck_assert_int_eq(rtnl_rule_del(&r), 0);
}
END_TEST

/* Wait for an event like @want; false if none comes. */
static bool comes(int fd, enum rtnl_what what, int link, bool is_gone)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct rtnl_event e[16];
	int i, n;

	while (poll(&p, 1, 1000) == 1) {
		n = rtnl_monitor_read(fd, e, 16);
		for (i = 0; i < n; i++)
			if (e[i].what == what && e[i].link == link &&
			    e[i].gone == is_gone)
				return true;
	}
	return false;
}

START_TEST(monitor)
{
	char name[IFNAMSIZ];
	int t = tun(name), fd = rtnl_monitor_open();
	struct rtnl_addr a = { .link = t, .addr = inet4(0xc6336401, 24) };
	struct rtnl_route r = { .dst.family = AF_INET, .link = t };
	struct rtnl_event e;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(rtnl_monitor_read(fd, &e, 1), 0);
	ck_assert_int_eq(rtnl_link_up(t, true), 0);
	ck_assert(comes(fd, RTNL_LINK, t, false));
	ck_assert_int_eq(rtnl_addr_add(&a), 0);
	ck_assert(comes(fd, RTNL_ADDR, t, false));
	ck_assert_int_eq(rtnl_route_add(&r), 0);
	ck_assert(comes(fd, RTNL_ROUTE, t, false));
	ck_assert_int_eq(rtnl_addr_del(&a), 0);
	ck_assert(comes(fd, RTNL_ADDR, t, true));
}
END_TEST

START_TEST(monitor_says_when_it_lost_some)
{
	char name[IFNAMSIZ];
	int t = tun(name), fd = rtnl_monitor_open(), i, n;
	bool has_lost = false;
	struct rtnl_event e[16];

	for (i = 0; i < 4000; i++)
		rtnl_link_mtu(t, (uint32_t)(1400 + i % 2));
	while (!has_lost && (n = rtnl_monitor_read(fd, e, 16)) > 0)
		while (n--)
			has_lost |= e[n].what == RTNL_LOST;
	ck_assert(has_lost);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rtnl");
	TCase *t = tcase_create("rtnl");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, covers);
	if (netns_permitted("rtnl")) {
		tcase_add_test(t, links);
		tcase_add_test(t, addresses);
		tcase_add_test(t, routes);
		tcase_add_test(t, rules);
		tcase_add_test(t, monitor);
		tcase_add_test(t, monitor_says_when_it_lost_some);
	}
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
