/* SPDX-License-Identifier: MIT
 *
 * test_policy.c - texts of --inbound, and what they let in (design 3.5, 6)
 */
#include "tests/sim/check.h"

static bool parse(struct policy *p, const char *text)
{
	return policy_parse(p, (struct span){ (const uint8_t *)text,
					      strlen(text) });
}

START_TEST(good_texts)
{
	static const struct { const char *text; bool all; int rules; } row[] = {
		{ "none", false, 0 }, { "all", true, 0 }, { "tcp/22", false, 1 },
		{ "udp/65535", false, 1 }, { "tcp/443@::5", false, 1 },
		{ "tcp/22,udp/51820,tcp/443@::5", false, 3 },
		{ "udp/1@::1:2:3:4,tcp/1", false, 2 },
	};
	struct policy p;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		ck_assert_msg(parse(&p, row[i].text), "%s", row[i].text);
		ck_assert_int_eq(p.all, row[i].all);
		ck_assert_int_eq(p.count, row[i].rules);
	}
}
END_TEST

START_TEST(bad_texts)
{
	static const char *const text[] = { "", "tcp", "tcp/", "tcp/0",
		"tcp/65536", "tcp/99999999999999999999", "tcp/22,", ",tcp/22",
		"tcp/22 ", "icmp/1", "tcp/22@", "tcp/22@::x", "tcp/22@::5@::6",
		"all,tcp/22", "none,all", "tcp/-1", "tcp/22tcp/23", "ALL" };
	struct policy p = { .all = true }, was = p;

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		ck_assert_msg(!parse(&p, text[i]), "%s", text[i]);
		ck_assert(!memcmp(&p, &was, sizeof(p)));
	}
}
END_TEST

START_TEST(as_many_rules_as_fit)
{
	char text[POLICY_TEXT] = "tcp/1";
	struct policy p;

	for (int i = 1; i < POLICY_RULES; i++)
		strcat(text, ",udp/2");
	ck_assert(parse(&p, text));
	ck_assert_int_eq(p.count, POLICY_RULES);
	strcat(text, ",udp/3");
	ck_assert(!parse(&p, text));
}
END_TEST

START_TEST(question)
{
	struct prefix6 prefix;
	struct addr6 five, six;
	struct policy p;

	ck_assert(prefix6_parse(&prefix, "2001:db8:100:1::/64"));
	ck_assert(addr6_parse(&five, "2001:db8:100:1::5"));
	ck_assert(addr6_parse(&six, "2001:db8:100:1::6"));
	ck_assert(parse(&p, "tcp/22,tcp/443@::5"));
	ck_assert(policy_allows(&p, &prefix, &six, PROTO_TCP, 22));
	ck_assert(policy_allows(&p, &prefix, &five, PROTO_TCP, 443));
	ck_assert(!policy_allows(&p, &prefix, &six, PROTO_TCP, 443));
	ck_assert(!policy_allows(&p, &prefix, &five, PROTO_UDP, 22));
	ck_assert(!policy_allows(&p, &prefix, &five, PROTO_TCP, 23));
	ck_assert(!policy_allows(&p, &prefix, &five, PROTO_ESP, 0));
	ck_assert(policy_allows(&p, &prefix, &five, PROTO_ICMP6, 0));
	ck_assert(parse(&p, "all"));
	ck_assert(policy_allows(&p, &prefix, &five, PROTO_ESP, 0));
}
END_TEST

/* -- enforced --------------------------------------------------------------- */

static struct sim *up(const char *inbound)
{
	struct sim_conf c = { .seed = 31, .inbound = inbound };

	return sim_up(&c);
}

/* Refused at the hub: nothing crosses, the peer is told (RFC 4443 code 1). */
START_TEST(refused)
{
	struct sim *s = up(_i ? "tcp/22,udp/5000@::6" : NULL);
	uint64_t crossed;
	struct tcp *t;

	crossed = s->crossed[WIRE_DATAGRAM][DOWN] +
		  s->crossed[WIRE_MESSAGE][DOWN];
	udp_send(s, 0, DOWN, 5000, 6000, 100);
	t = tcp_connect(s, 0, DOWN, 23, 50000);
	sim_run(s, 400);
	ck_assert_uint_eq(s->udp_got[DOWN], 0);
	ck_assert_uint_eq(s->icmp_errors[UP], 2);
	ck_assert_uint_eq(s->icmp_type, ICMP6_UNREACH);
	ck_assert_uint_eq(s->icmp_code, ICMP6_UNREACH_POLICY);
	ck_assert_uint_eq(s->crossed[WIRE_DATAGRAM][DOWN] +
			  s->crossed[WIRE_MESSAGE][DOWN], crossed);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 0);
	ck_assert_int_eq(t->end[DOWN].state, TCP_SYN_SENT);
	ping_send(s, 0, DOWN, 10);
	sim_run(s, 400);
	ck_assert_uint_eq(s->ping_got[UP], 1);
	sim_end(s);
}
END_TEST

START_TEST(let_in)
{
	struct sim *s = up("tcp/22,udp/5000@::5");
	struct tcp *t = tcp_connect(s, 0, DOWN, 22, 50000);

	tcp_write(t, UP, 1000);
	ck_assert(tcp_run(t, 2000));
	udp_send(s, 0, DOWN, 5000, 6000, 100);
	sim_run(s, 400);
	ck_assert_uint_eq(s->udp_got[DOWN], 1);
	sim_end(s);
}
END_TEST

/* The edge does not take the hub's word for it. */
START_TEST(edge_checks_again)
{
	struct sim *s = up(NULL);

	sim_link(&s->hub)->inbound.all = true;
	udp_send(s, 0, DOWN, 5000, 6000, 100);
	tcp_connect(s, 0, DOWN, 22, 50000);
	sim_run(s, 400);
	ck_assert_uint_eq(s->udp_got[DOWN], 0);
	ck_assert_uint_eq(engine_sessions(s->edge[0].e), 0);
	ck_assert_uint_ge(s->edge[0].e->drops[DROP_POLICY], 2);
	sim_end(s);
}
END_TEST

/* A scan costs explicit packets only: no context, no OPEN, no carrier. */
START_TEST(scan)
{
	struct nth n = { .kind = WIRE_MESSAGE, .dir = -1, .at = -1 };
	struct sim_conf c = { .seed = 32, .inbound = "all", .sessions = 100 };
	struct sim *s = sim_up(&c);
	struct addr6 host = sim_host(0), peer = sim_peer();
	uint8_t packet[200], l4[UDP_HDR] = { 1, 2, 3, 4, 0, UDP_HDR };
	struct tcp *t = tcp_connect(s, 0, UP, 40000, 80);

	tcp_write(t, DOWN, 10000);
	ck_assert(tcp_run(t, 2000));
	sim_hook(s, &n);
	for (int i = 0; i < 1000; i++) {
		size_t len;

		put16(l4 + 2, (uint16_t)(10000 + i));
		len = packet_build(packet, &peer, &host, PROTO_UDP,
				   (struct span){ l4, sizeof(l4) });
		sim_inner(s, &s->hub, (struct span){ packet, len });
		sim_run(s, 1);
	}
	sim_run(s, 500);
	ck_assert_int_le(n.count, 4);	/* ping, pong */
	ck_assert_uint_eq(s->udp_got[DOWN], 1000);
	ck_assert_uint_eq(via_sent(&s->hub, VIA_SHARED), 0);
	tcp_write(t, DOWN, 10000);
	ck_assert(tcp_run(t, 2000));
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, DOWN, 10000);
	ck_assert(tcp_run(t, 2000));
	sim_run(s, 40 * 1000);
	ck_assert_uint_le(engine_sessions(s->hub.e), 2);
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy");
	TCase *tc = tcase_create("policy");

	tcase_add_test(tc, good_texts);
	tcase_add_test(tc, bad_texts);
	tcase_add_test(tc, as_many_rules_as_fit);
	tcase_add_test(tc, question);
	tcase_add_loop_test(tc, refused, 0, 2);
	tcase_add_test(tc, let_in);
	tcase_add_test(tc, edge_checks_again);
	tcase_add_test(tc, scan);
	return run_case(suite, tc);
}
