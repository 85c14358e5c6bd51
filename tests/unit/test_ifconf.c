/* SPDX-License-Identifier: MIT
 *
 * test_ifconf.c - what an edge and a hub change, and that all is taken back
 *
 * Each test runs in a network namespace of its own; "all" is the state that
 * ip(8) would show: addresses, routes, rules and the settings we touch.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/wait.h>

#include "net/ifconf.h"
#include "net/tun.h"
#include "tests/unit/netns.h"

static struct ifconf_journal journal, second;
static char inner[IFNAMSIZ], lan[IFNAMSIZ], lan2[IFNAMSIZ], up[IFNAMSIZ];

static struct prefix6 prefix(const char *text)
{
	struct prefix6 p;

	ck_assert(prefix6_parse(&p, text));
	return p;
}

static struct inet in6(const char *text, uint8_t len)
{
	struct addr6 a;

	ck_assert(addr6_parse(&a, text));
	return inet6(&a, len);
}

/* ---- the state of the host as text --------------------------------------- */

struct text {
	char at[8192];
	size_t len;
};

static void say_route(struct text *t, const struct rtnl_route *r)
{
	char dst[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, r->dst.b, dst, sizeof(dst));
	t->len += (size_t)snprintf(t->at + t->len, sizeof(t->at) - t->len,
		"route %s/%u type %u dev %d metric %u\n", dst, r->dst.len,
		r->type, r->link, r->metric);
}

static int each_route(const struct rtnl_route *r, void *t)
{
	/* the kernel's own come and go with links */
	if (r->dst.b[0] != 0xfe && r->dst.b[0] != 0xff)
		say_route(t, r);
	return 0;
}

static int each_rule(const struct rtnl_rule *r, void *arg)
{
	struct text *t = arg;

	t->len += (size_t)snprintf(t->at + t->len, sizeof(t->at) - t->len,
		"rule %u from /%u table %u suppress %u\n", r->pref,
		r->from.len, r->table, r->suppress);
	return 0;
}

static const char *const settings[] = {
	"net/ipv6/conf/all/forwarding",
	"net/ipv6/conf/default/forwarding",
	"net/ipv6/conf/lo/forwarding",
	"net/ipv4/ip_local_reserved_ports",
};

static void state(struct text *t)
{
	struct rtnl_addr a[32];
	char text[INET6_ADDRSTRLEN], value[64];
	size_t i;
	int j, n = rtnl_addr_list(0, AF_INET6, a, 32);

	memset(t, 0, sizeof(*t));
	for (j = 0; j < n; j++) {
		if (a[j].addr.b[0] == 0xfe)
			continue;
		inet_ntop(AF_INET6, a[j].addr.b, text, sizeof(text));
		t->len += (size_t)snprintf(t->at + t->len,
			sizeof(t->at) - t->len, "addr %s/%u dev %d\n", text,
			a[j].addr.len, a[j].link);
	}
	rtnl_route_each(AF_INET6, 0, each_route, t);
	rtnl_rule_each(AF_INET6, each_rule, t);
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		ck_assert_int_eq(sysctl_read(settings[i], value,
					     sizeof(value)), 0);
		t->len += (size_t)snprintf(t->at + t->len,
			sizeof(t->at) - t->len, "%s=%s\n", settings[i],
			value);
	}
}

static bool has(const struct text *t, const char *line)
{
	return strstr(t->at, line);
}

static int tun(char *name, bool is_up)
{
	unsigned features;
	struct rtnl_link l;

	ck_assert_int_ge(tun_open("t%d", name, &features), 0);
	ck_assert_int_eq(rtnl_link_get(name, 0, &l), 0);
	if (is_up)
		ck_assert_int_eq(rtnl_link_up(l.index, true), 0);
	return l.index;
}

static struct ifconf_edge edge_conf(const char *text, unsigned lans)
{
	struct ifconf_edge e = { .prefix = prefix(text), .mtu = 1500,
				 .lo = 61000, .hi = 65535,
				 .lans = (uint8_t)lans };

	strcpy(e.inner, inner);
	strcpy(e.lan[0], lan);
	strcpy(e.lan[1], lan2);
	return e;
}

static int host(void)
{
	ck_assert(netns_enter());
	tun(lan, true);
	tun(lan2, false);
	tun(up, true);
	return tun(inner, false);
}

/* ---- tests --------------------------------------------------------------- */

START_TEST(edge_without_lan)
{
	struct text before, during, after;
	int t = host();
	struct ifconf_edge e = edge_conf("2001:db8:100:1::/64", 0);
	char line[96];

	state(&before);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	state(&during);
	snprintf(line, sizeof(line), "addr 2001:db8:100:1::1/128 dev %d\n", t);
	ck_assert(has(&during, line));
	ck_assert(has(&during,
		      "route 2001:db8:100:1::/64 type 7 dev 1 metric 1073741824"));
	snprintf(line, sizeof(line),
		 "route ::/0 type 1 dev %d metric 1073741824", t);
	ck_assert(has(&during, line));
	snprintf(line, sizeof(line), "rule 5211 from /64 table %u suppress 0",
		 0x554d0000u + (unsigned)t);
	ck_assert(has(&during, line));
	ck_assert(has(&during, "rule 5210 from /64 table 254 suppress 1"));
	ck_assert(has(&during, "all/forwarding=1"));
	ck_assert(has(&during, "reserved_ports=61000-65535"));
	ifconf_close(&journal);
	state(&after);
	ck_assert_str_eq(before.at, after.at);
}
END_TEST

START_TEST(edge_with_two_lans)
{
	struct text before, during, after;
	struct ifconf_edge e;
	struct rtnl_link l;

	host();
	e = edge_conf("2001:db8:100:100::/56", 2);
	ck_assert_int_eq(sysctl_write("net/ipv4/ip_local_reserved_ports",
				      "8080,61500-61600"), 0);
	state(&before);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	state(&during);
	ck_assert(has(&during, "addr 2001:db8:100:100::1/64"));
	ck_assert(has(&during, "addr 2001:db8:100:101::1/64"));
	ck_assert(!has(&during, "::1/128 dev 5"));
	ck_assert(has(&during, "reserved_ports=8080,61000-65535"));
	rtnl_link_get(lan2, 0, &l);
	ck_assert(l.flags & IFF_UP);
	ifconf_close(&journal);
	state(&after);
	ck_assert_str_eq(before.at, after.at);
	rtnl_link_get(lan2, 0, &l);
	ck_assert(!(l.flags & IFF_UP));
	/* nor is a record of it left */
	ck_assert_int_eq(rmdir(getenv("UNMAP_RUN")), 0);
}
END_TEST

/* The kernel takes an interface's addresses when it goes down. */
START_TEST(lan_went_down_and_came_back)
{
	struct text before, during, down, after;
	struct ifconf_edge e;
	struct rtnl_link l;

	host();
	e = edge_conf("2001:db8:100:100::/56", 2);
	state(&before);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	state(&during);
	ck_assert_int_eq(rtnl_link_get(lan, 0, &l), 0);
	rtnl_link_up(l.index, false);
	ifconf_lans(&journal, &e);	/* down: stays so */
	state(&down);
	ck_assert(!has(&down, "addr 2001:db8:100:100::1/64"));
	rtnl_link_up(l.index, true);
	ifconf_lans(&journal, &e);
	ifconf_lans(&journal, &e);
	state(&after);
	ck_assert(has(&after, "addr 2001:db8:100:100::1/64"));
	ck_assert_uint_eq(during.len, after.len);
	ifconf_close(&journal);
	state(&after);
	ck_assert_str_eq(before.at, after.at);
}
END_TEST

START_TEST(owner_brings_his_back)
{
	struct rtnl_addr a = { .flags = IFA_F_NODAD, .protocol = 3 };
	struct ifconf_edge e;
	struct rtnl_link l;
	struct text now;

	host();
	e = edge_conf("2001:db8:100:1::/64", 1);
	ck_assert_int_eq(rtnl_link_get(lan, 0, &l), 0);
	a.link = l.index;
	a.addr = in6("2001:db8:100:1::1", 64);
	ck_assert_int_eq(rtnl_addr_add(&a), 0);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	rtnl_link_up(l.index, false);
	rtnl_link_up(l.index, true);
	ifconf_lans(&journal, &e);
	state(&now);
	ck_assert(!has(&now, "addr 2001:db8:100:1::1"));
	ifconf_close(&journal);
}
END_TEST

START_TEST(what_was_there_stays)
{
	struct rtnl_addr a = { .flags = IFA_F_NODAD, .protocol = 3 };
	struct rtnl_route r = { .dst = in6("2001:db8:100:1::", 64),
				.type = RTN_UNREACHABLE, .protocol = 4,
				.metric = IFCONF_METRIC_LAST };
	struct text before, after;
	struct ifconf_edge e;
	struct rtnl_link l;

	host();
	e = edge_conf("2001:db8:100:1::/64", 1);
	ck_assert_int_eq(rtnl_link_get(lan, 0, &l), 0);
	a.link = l.index;
	a.addr = in6("2001:db8:100:1::1", 64);
	ck_assert_int_eq(rtnl_addr_add(&a), 0);
	ck_assert_int_eq(rtnl_route_add(&r), 0);
	sysctl_write("net/ipv6/conf/all/forwarding", "1");
	sysctl_write("net/ipv4/ip_local_reserved_ports", "61000-65535");
	state(&before);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	ifconf_close(&journal);
	state(&after);
	ck_assert_str_eq(before.at, after.at);
}
END_TEST

START_TEST(forwarding_of_one_interface_stays)
{
	char path[64], value[8];
	struct ifconf_edge e;

	host();
	e = edge_conf("2001:db8:100:1::/64", 0);
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/forwarding", up);
	ck_assert_int_eq(sysctl_write(path, "1"), 0);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	ifconf_close(&journal);
	sysctl_read("net/ipv6/conf/all/forwarding", value, sizeof(value));
	ck_assert_str_eq(value, "0");
	sysctl_read(path, value, sizeof(value));
	ck_assert_str_eq(value, "1");
}
END_TEST

START_TEST(uplink_goes_on_listening)
{
	struct rtnl_route r = { .dst.family = AF_INET6,
				.protocol = RTPROT_RA, .metric = 1024 };
	char path[64], value[8];
	struct ifconf_edge e;
	struct rtnl_link l;

	host();
	e = edge_conf("2001:db8:100:1::/64", 0);
	rtnl_link_get(up, 0, &l);
	r.link = l.index;
	ck_assert_int_eq(rtnl_route_add(&r), 0);
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", up);
	ck_assert_int_eq(sysctl_write(path, "1"), 0);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	sysctl_read(path, value, sizeof(value));
	ck_assert_str_eq(value, "2");
	ifconf_close(&journal);
	sysctl_read(path, value, sizeof(value));
	ck_assert_str_eq(value, "1");
}
END_TEST

START_TEST(two_edges_on_one_machine)
{
	struct text before, one, after;
	char other[IFNAMSIZ];
	struct ifconf_edge e, f;

	host();
	tun(other, false);
	e = edge_conf("2001:db8:100:1::/64", 0);
	f = edge_conf("2001:db8:200:1::/64", 0);
	strcpy(f.inner, other);
	state(&before);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	ck_assert_int_eq(ifconf_open(&second), 0);
	ck_assert_int_eq(ifconf_edge(&second, &f), 0);
	/* the first leaves: the second still has its settings */
	ifconf_close(&journal);
	state(&one);
	ck_assert(has(&one, "all/forwarding=1"));
	ck_assert(has(&one, "reserved_ports=61000-65535"));
	ck_assert(!has(&one, "addr 2001:db8:100:1::1"));
	ck_assert(has(&one, "addr 2001:db8:200:1::1"));
	ifconf_close(&second);
	state(&after);
	ck_assert_str_eq(before.at, after.at);
}
END_TEST

/* Killed: nothing is taken back, the lock and the TUN go. */
static void die_after_edge(struct ifconf_edge *e)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		tun(e->inner, false);
		_exit(ifconf_open(&journal) || ifconf_edge(&journal, e));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(killed_and_started_again)
{
	struct text before, after;
	struct ifconf_edge e;

	host();
	e = edge_conf("2001:db8:100:1::/64", 1);
	sysctl_write("net/ipv4/ip_local_reserved_ports", "80");
	state(&before);
	die_after_edge(&e);
	die_after_edge(&e);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	ifconf_close(&journal);
	state(&after);
	ck_assert_str_eq(before.at, after.at);
}
END_TEST

START_TEST(a_record_that_is_void)
{
	struct ifconf_edge e;
	char value[64];

	host();
	e = edge_conf("2001:db8:100:1::/64", 0);
	e.hi = 0;
	die_after_edge(&e);
	/* somebody cleans up, and later turns it on for reasons of his own */
	sysctl_write("net/ipv6/conf/all/forwarding", "0");
	ck_assert_int_eq(ifconf_open(&journal), 0);
	sysctl_write("net/ipv6/conf/all/forwarding", "1");
	ifconf_close(&journal);
	sysctl_read("net/ipv6/conf/all/forwarding", value, sizeof(value));
	ck_assert_str_eq(value, "1");
}
END_TEST

START_TEST(undo_only_what_is_still_ours)
{
	struct ifconf_edge e;
	char value[64];

	host();
	e = edge_conf("2001:db8:100:1::/64", 0);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), 0);
	sysctl_write("net/ipv4/ip_local_reserved_ports", "22,61000-65535");
	ifconf_close(&journal);
	sysctl_read("net/ipv4/ip_local_reserved_ports", value, sizeof(value));
	ck_assert_str_eq(value, "22");
}
END_TEST

START_TEST(half_way_is_undone)
{
	struct text before, after;
	struct ifconf_edge e;

	host();
	e = edge_conf("2001:db8:100:100::/56", 2);
	strcpy(e.lan[1], "nosuch0");
	state(&before);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_edge(&journal, &e), -ENODEV);
	ck_assert_str_eq(journal.what, "find LAN interface nosuch0");
	ifconf_undo(&journal);
	strcpy(e.inner, "lo");
	ck_assert_int_eq(ifconf_edge(&journal, &e), -EINVAL);
	e = edge_conf("2001:db8:100:1::/64", 2);
	ck_assert_int_eq(ifconf_edge(&journal, &e), -ERANGE);
	ifconf_close(&journal);
	state(&after);
	ck_assert_str_eq(before.at, after.at);
}
END_TEST

START_TEST(hub_and_its_edges)
{
	struct ifconf_hub h = { .prefix = prefix("2001:db8:100::/48"),
				.mtu = 1500, .lo = 61000, .hi = 65535 };
	struct prefix6 p = prefix("2001:db8:100:7::/64"), each = p;
	struct text before, during, after;
	char line[96];
	int i, t = host();

	strcpy(h.inner, inner);
	addr6_parse(&h.own, "2001:db8:100::1");
	state(&before);
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_hub(&journal, &h), 0);
	ck_assert_int_eq(journal.on_link, 0);
	ck_assert_int_eq(ifconf_route(&journal, &p, true), 0);
	ck_assert_int_eq(ifconf_route(&journal, &p, true), -EEXIST);
	state(&during);
	snprintf(line, sizeof(line), "addr 2001:db8:100::1/128 dev %d\n", t);
	ck_assert(has(&during, line));
	ck_assert(has(&during,
		      "route 2001:db8:100::/48 type 7 dev 1 metric 1073741824"));
	snprintf(line, sizeof(line),
		 "route 2001:db8:100:7::/64 type 1 dev %d metric 64\n", t);
	ck_assert(has(&during, line));
	ck_assert_int_eq(ifconf_route(&journal, &p, false), 0);
	ck_assert_int_eq(ifconf_route(&journal, &p, false), -ENOENT);
	state(&during);
	ck_assert(!has(&during, line));
	for (i = 0; i < 500; i++) {
		each.addr.b[6] = (uint8_t)(1 + i / 256);
		each.addr.b[7] = (uint8_t)i;
		ck_assert_int_eq(ifconf_route(&journal, &each, true), 0);
	}
	ifconf_close(&journal);
	state(&after);
	ck_assert_str_eq(before.at, after.at);
}
END_TEST

START_TEST(hub_on_the_providers_link)
{
	struct ifconf_hub h = { .prefix = prefix("2001:db8:100::/56"),
				.mtu = 1500 };
	struct rtnl_addr a = { .addr = in6("2001:db8:100::2", 48) };
	struct rtnl_link l;

	host();
	rtnl_link_get(up, 0, &l);
	a.link = l.index;
	ck_assert_int_eq(rtnl_addr_add(&a), 0);
	strcpy(h.inner, inner);
	addr6_parse(&h.own, "2001:db8:100::1");
	ck_assert_int_eq(ifconf_open(&journal), 0);
	ck_assert_int_eq(ifconf_hub(&journal, &h), 0);
	ck_assert_int_eq(journal.on_link, l.index);
	ifconf_close(&journal);
}
END_TEST

START_TEST(lists_of_ports)
{
	char text[64] = "80,100-200,300";

	ck_assert_int_eq(ports_change(text, sizeof(text), 100, 200, true), 0);
	ck_assert_int_eq(ports_change(text, sizeof(text), 201, 299, true), 1);
	ck_assert_str_eq(text, "80,100-300");
	ck_assert_int_eq(ports_change(text, sizeof(text), 150, 150, false), 1);
	ck_assert_str_eq(text, "80,100-149,151-300");
	ck_assert_int_eq(ports_change(text, sizeof(text), 0, 65535, false), 1);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(ports_change(text, sizeof(text), 65535, 65535, true),
			 1);
	ck_assert_str_eq(text, "65535");
	strcpy(text, "1,99999");
	ck_assert_int_eq(ports_change(text, sizeof(text), 1, 2, true), -EINVAL);
	strcpy(text, "80");
	ck_assert_int_eq(ports_change(text, 8, 100, 20000, true), -E2BIG);
}
END_TEST

START_TEST(lan_prefixes)
{
	struct prefix6 p = prefix("2001:db8:100:100::/56"), out;
	char text[PREFIX6_TEXT];

	ck_assert(ifconf_lan_prefix(&p, 2, &out));
	ck_assert_str_eq(prefix6_format(&out, text), "2001:db8:100:102::/64");
	p = prefix("2001:db8:100:1::/64");
	ck_assert(ifconf_lan_prefix(&p, 0, &out));
	ck_assert(!ifconf_lan_prefix(&p, 1, &out));
	p = prefix("2001:db8:100:1::/80");
	ck_assert(ifconf_lan_prefix(&p, 0, &out));
	ck_assert_uint_eq(out.len, 80);
	ck_assert(!ifconf_lan_prefix(&p, 1, &out));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ifconf");
	TCase *t = tcase_create("ifconf");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, lists_of_ports);
	tcase_add_test(t, lan_prefixes);
	if (netns_permitted("ifconf")) {
		tcase_add_test(t, edge_without_lan);
		tcase_add_test(t, edge_with_two_lans);
		tcase_add_test(t, lan_went_down_and_came_back);
	tcase_add_test(t, owner_brings_his_back);
	tcase_add_test(t, what_was_there_stays);
		tcase_add_test(t, forwarding_of_one_interface_stays);
		tcase_add_test(t, uplink_goes_on_listening);
		tcase_add_test(t, two_edges_on_one_machine);
		tcase_add_test(t, killed_and_started_again);
		tcase_add_test(t, a_record_that_is_void);
		tcase_add_test(t, undo_only_what_is_still_ours);
		tcase_add_test(t, half_way_is_undone);
		tcase_add_test(t, hub_and_its_edges);
		tcase_add_test(t, hub_on_the_providers_link);
	}
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
