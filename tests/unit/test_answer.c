/* SPDX-License-Identifier: MIT
 *
 * test_answer.c - what status says of an edge and a hub that are made up
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/report.h"
#include "net/tun.h"

enum { LINKS = 1024, SESSIONS = 5000, OUT = 2 << 20 };

static struct engine_conf conf;
static struct report r;
static struct link_status first;
static uint32_t links, sessions;
static char out[OUT + 1];

static bool link_of(void *arg, uint32_t n, struct link_status *s)
{
	ck_assert_ptr_eq(arg, &r);
	ck_assert_uint_lt(n, conf.links);
	if (n >= links)
		return false;
	*s = first;
	if (n)
		snprintf(s->name, sizeof(s->name), "edge-%u", n);
	return true;
}

static bool session_of(void *arg, uint32_t n, struct session_status *s)
{
	ck_assert_ptr_eq(arg, &r);
	if (n >= sessions)
		return false;
	*s = (struct session_status){ .host_port = (uint16_t)n,
		.peer_port = 443, .proto = 6, .inbound = n % 2,
		.via = VIA_OWN, .idle = 1000 };
	addr6_parse(&s->host, "2001:db8:100:1::5");
	addr6_parse(&s->peer, "2001:db8:5::5");
	return true;
}

static void made_up(void)
{
	conf = (struct engine_conf){ .role = ROLE_EDGE, .links = 1,
		.sessions = SESSIONS, .port_lo = 61000, .port_hi = 65535,
		.inbound_text = "tcp/22" };
	prefix6_parse(&conf.prefix, "2001:db8:100:1::/64");
	first = (struct link_status){ .name = "alice", .prefix = conf.prefix,
		.up = true, .shared_up = true, .since = 10000, .rtt_ms = 21,
		.seen = { 0xc6336401, 40123 }, .mtu = 1500,
		.own_tcp = NOTE_OWN_UP, .own_active = 3, .own_budget = 512,
		.sessions = 7, .drops = 9 };
	first.sent[VIA_OWN] = (struct traffic){ 1000, 1500000, 1480000 };
	first.received[VIA_EXPLICIT] = (struct traffic){ 10, 1000, 1500 };
	links = 1;
	sessions = 0;
	r = (struct report){ .program = "edge", .name = "alice", .pid = 42,
		.now = 7210000, .started = 10000, .conf = &conf,
		.io = { .capture = "tcx", .capture_why = "", .output = "tcx",
			.output_why = "", .inner = "unmap0", .outer = "unmapx0",
			.features = TUN_CSUM | TUN_TSO6 | REPORT_GRO,
			.uplink = 0x64400102, .uplink_mtu = 1500 },
		.hub = { 0xcb00710a, 6464 }, .now_s = 1795478400,
		.expires = 1795478400 + 100 * 86400, .link = link_of,
		.session = session_of, .arg = &r, .room = OUT / 2 };
}

static const char *text(bool all)
{
	struct text t = { .at = out, .cap = OUT };

	report_text(&t, &r, all);
	ck_assert(!t.full);
	out[t.len] = '\0';
	return out;
}

/* Not a parser: quotes and brackets must match, and nothing follows. */
static const char *json(bool all)
{
	struct text t = { .at = out, .cap = OUT };
	int depth = 0;
	bool quoted = false;

	report_json(&t, &r, all);
	ck_assert(!t.full);
	out[t.len] = '\0';
	for (char *c = out; *c; c++) {
		if (quoted && *c == '\\')
			c++;
		else if (*c == '"')
			quoted = !quoted;
		else if (!quoted && (*c == '{' || *c == '['))
			depth++;
		else if (!quoted && (*c == '}' || *c == ']'))
			depth--;
		ck_assert(depth > 0 || c[1] == '\n' || *c == '\n');
	}
	ck_assert_int_eq(depth, 0);
	ck_assert(!quoted);
	return out;
}

static void holds(const char *where, const char *what)
{
	ck_assert_msg(strstr(where, what), "no '%s' in:\n%s", what, where);
}

static void lacks(const char *where, const char *what)
{
	ck_assert_msg(!strstr(where, what), "'%s' in:\n%s", what, where);
}

START_TEST(edge_text)
{
	const char *s;

	made_up();
	r.drops[DROP_SPOOFED] = 12;
	r.drops[DROP_SWALLOWED_ACK] = 77;
	s = text(false);
	holds(s, "edge alice (process 42), running for 2 h 0 min\n");
	holds(s, "up for 2 h 0 min, round trip 21 ms");
	holds(s, "203.0.113.10:6464");
	holds(s, "198.51.100.1:40123");
	holds(s, "2001:db8:100:1::/64, inbound tcp/22");
	holds(s, "up to 1520 own, 1508 shared");
	holds(s, "3 in use, budget 512");
	holds(s, "19.5 kB against native IPv6 (1.2 %)");
	holds(s, "offloads checksum tso6 udp-gro\n");
	holds(s, "12  source outside the edge's prefix");
	lacks(s, "77");
	lacks(s, "renew");
	lacks(s, "note");
}
END_TEST

START_TEST(edge_json)
{
	const char *s;

	made_up();
	r.drops[DROP_SPOOFED] = 12;
	r.name = "a\"b";
	s = json(false);
	holds(s, "\"name\":\"a\\\"b\"");
	holds(s, "\"uptime_ms\":7200000");
	holds(s, "\"ports\":{\"low\":61000,\"high\":65535}");
	holds(s, "\"drops\":{\"spoofed\":12}");
	holds(s, "\"hub\":\"203.0.113.10:6464\"");
	holds(s, "\"seen\":\"198.51.100.1:40123\"");
	holds(s, "\"own_tcp\":\"confirmed\"");
	holds(s, "\"saved_bytes\":19500");
	holds(s, "\"own\":{\"sent\":{\"packets\":1000,\"native_bytes\":1500000,"
		 "\"wire_bytes\":1480000}");
	holds(s, "\"days_left\":100,\"warn\":false");
	lacks(s, "session_list");
}
END_TEST

START_TEST(why_not_faster)
{
	made_up();
	first.own_tcp = NOTE_OWN_SILENT;
	holds(text(false), "own carriers do not confirm: is 61000-65535 open "
	      "at the hub?");
	first.own_tcp = NOTE_OWN_ALTERED;
	holds(text(false), "alters TCP");
	holds(json(false), "\"own_tcp\":\"altered\"");
	first.own_tcp = NOTE_COUNT;
	holds(text(false), "not confirmed yet");
	r.io.capture = NULL;
	holds(text(false), "nothing captures their packets");
	conf.carriers = CARRIERS_SHARED;
	holds(text(false), "not wanted");
	first.shared_up = false;
	first.relay_up = true;
	holds(text(false), "UDP port 6464 open at the hub?");
	holds(text(false), "in use        relay\n");
	first.up = first.relay_up = false;
	holds(text(false), "no control connection");
}
END_TEST

START_TEST(no_link_yet)
{
	made_up();
	links = 0;
	r.hub.port = 0;
	holds(text(false), "down, control is being reconnected");
	holds(json(false), "\"hub\":null,\"link\":null");
}
END_TEST

START_TEST(negative_savings)
{
	made_up();
	first.sent[VIA_OWN] = (struct traffic){ 0 };
	holds(text(false), "-500 B against native IPv6 (-50.0 %)");
	holds(json(false), "\"saved_bytes\":-500");
}
END_TEST

START_TEST(certificate_ends)
{
	made_up();
	r.expires = r.now_s + 59 * 86400 + 5;
	holds(text(false), "ends in 59 days");
	holds(json(false), "\"days_left\":59,\"warn\":true");
	r.expires = r.now_s - 5;
	holds(text(false), "EXPIRED");
	holds(json(false), "\"days_left\":-1,\"warn\":true");
	r.expires = r.now_s + REPORT_WARN_DAYS * 86400;
	lacks(text(false), "renew");
}
END_TEST

START_TEST(hub_rows)
{
	const char *s;

	made_up();
	conf.role = ROLE_HUB;
	conf.links = LINKS;
	r.program = "hub";
	links = 3;
	s = text(false);
	holds(s, "3 connected, 3 known");
	holds(s, "shared+3 own");
	holds(s, "  edge-2  2001:db8:100:1::/64");
	holds(s, "sent 4.50 MB, received 3.00 kB");
	s = json(false);
	holds(s, "\"edges\":[{\"name\":\"alice\"");
	holds(s, "{\"name\":\"edge-2\"");
	lacks(s, "\"hub\":");
	lacks(s, "left_off");
}
END_TEST

/* Whatever does not fit is counted, and the rest is still whole. */
START_TEST(bounded)
{
	made_up();
	conf.role = ROLE_HUB;
	conf.links = links = LINKS;
	sessions = r.sessions = SESSIONS;
	r.room = 100000;
	holds(json(true), "\"edges_left_off\":");
	ck_assert_uint_lt(strlen(out), 110000);
	holds(out, "\"sessions_left_off\":5000");
	r.room = 400000;
	holds(text(true), " more\n");
	ck_assert_uint_lt(strlen(out), 410000);
}
END_TEST

START_TEST(session_rows)
{
	made_up();
	sessions = r.sessions = 2;
	holds(text(true), "tcp    [2001:db8:100:1::5]:0 -> "
	      "[2001:db8:5::5]:443  own ");
	holds(out, "[2001:db8:100:1::5]:1 <- ");
	holds(json(true), "\"session_list\":[{\"proto\":6,\"host\":"
	      "\"2001:db8:100:1::5\",\"host_port\":0,");
	holds(out, "\"inbound\":true,\"carrier\":\"own\",\"idle_ms\":1000}]");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("answer");
	TCase *c = tcase_create("answer");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(c, edge_text);
	tcase_add_test(c, edge_json);
	tcase_add_test(c, why_not_faster);
	tcase_add_test(c, no_link_yet);
	tcase_add_test(c, negative_savings);
	tcase_add_test(c, certificate_ends);
	tcase_add_test(c, hub_rows);
	tcase_add_test(c, bounded);
	tcase_add_test(c, session_rows);
	suite_add_tcase(s, c);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
