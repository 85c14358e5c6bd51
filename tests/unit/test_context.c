/* SPDX-License-Identifier: MIT
 *
 * test_context.c - numbers for left-out header fields (design 3.2)
 */
#include "tests/sim/check.h"

enum { DNS = 53 };

static void query(struct sim *s, uint16_t port)
{
	uint64_t before = s->udp_got[DOWN];

	udp_send(s, 0, UP, port, DNS, 40);
	sim_run(s, 200);
	ck_assert_uint_eq(s->udp_got[DOWN], before + 1);
}

static struct sim *up(uint32_t contexts)
{
	struct sim_conf c = { .seed = 21, .contexts = contexts };

	return sim_up(&c);
}

/* The first query goes explicit and asks; the second costs no message. */
START_TEST(second_query_is_free)
{
	struct nth n = { .kind = WIRE_MESSAGE, .dir = -1, .at = -1 };
	struct sim *s = up(0);
	uint64_t wire;

	sim_hook(s, &n);
	n.type = MSG_CONTEXT;
	query(s, 1000);
	ck_assert_int_eq(n.count, 2);
	ck_assert_uint_eq(via_sent(&s->edge[0], VIA_EXPLICIT), 1);
	n.type = n.count = 0;
	wire = sim_link(&s->edge[0])->sent[VIA_SHARED].wire_bytes;
	query(s, 1001);
	ck_assert_int_eq(n.count, 0);
	ck_assert_uint_eq(via_sent(&s->edge[0], VIA_SHARED), 1);
	ck_assert_uint_eq(via_sent(&s->hub, VIA_SHARED), 1);
	/* 8 bytes fewer than native */
	ck_assert_uint_eq(sim_link(&s->edge[0])->sent[VIA_SHARED].wire_bytes -
			  wire, 40 + 8 + 40 - 8);
	sim_end(s);
}
END_TEST

static uint32_t used(const struct context *c, uint32_t count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		n += c[i].used;
	return n;
}

START_TEST(asking_or_answer_lost)
{
	struct nth n = { .kind = WIRE_MESSAGE, .dir = -1, .at = 0,
		.type = _i ? MSG_CONTEXT : MSG_CONTEXT_IS };
	struct sim *s = up(0);

	sim_hook(s, &n);
	query(s, 1000);
	query(s, 1001);
	sim_run(s, 4000);
	query(s, 1002);
	query(s, 1003);
	query(s, 1004);
	ck_assert_uint_ge(via_sent(&s->edge[0], VIA_SHARED), 1);
	ck_assert_uint_ge(via_sent(&s->hub, VIA_SHARED), 1);
	sim_end(s);
}
END_TEST

/* The receiver lost the number: told, and explicit again. */
START_TEST(unknown_number)
{
	struct sim *s = up(0);
	struct node *n = _i ? &s->hub : &s->edge[0];

	query(s, 1000);
	query(s, 1001);
	for (uint32_t k = 0; k < n->conf.contexts; k++)
		n->e->rx[k].era++;
	udp_send(s, 0, UP, 1002, DNS, 40);
	sim_run(s, 200);
	ck_assert_uint_eq(n->e->drops[DROP_CONTEXT], 1);
	query(s, 1003);
	query(s, 1004);
	ck_assert_uint_eq(n->e->drops[DROP_CONTEXT], 1);
	sim_end(s);
}
END_TEST

/* More pairs of hosts than contexts: works, and numbers rest when forgotten. */
START_TEST(full)
{
	struct addr6 host = sim_host(0), peer = sim_peer();
	struct sim *s = up(8);
	uint8_t packet[200], l4[8 + 20] = { ICMP6_ECHO };
	uint64_t got = 0;

	for (int round = 0; round < 3; round++)
		for (uint8_t i = 0; i < 40; i++) {
			size_t len;

			peer.b[15] = i;
			len = packet_build(packet, &host, &peer, PROTO_ICMP6,
					   (struct span){ l4, sizeof(l4) });
			sim_inner(s, &s->edge[0],
				  (struct span){ packet, len });
			sim_run(s, 50);
			got++;
		}
	sim_run(s, 500);
	ck_assert_uint_eq(s->ping_got[DOWN], got);
	ck_assert_uint_eq(used(s->edge[0].e->tx, 8), 8);
	ck_assert_uint_le(used(s->hub.e->rx, 8), 8);
	ck_assert_uint_le(sim_link(&s->hub)->contexts, 8);
	for (int i = 0; i < 8; i++)
		for (int j = 0; j < i && s->hub.e->rx[i].number; j++)
			ck_assert_uint_ne(s->hub.e->rx[i].number,
					  s->hub.e->rx[j].number);
	sim_run(s, 300 * 1000);
	query(s, 999);
	query(s, 1000);
	sim_end(s);
}
END_TEST

START_TEST(a_number_rests)
{
	struct sim *s = up(0);
	uint32_t number;

	query(s, 1000);
	number = s->edge[0].e->tx[0].number;
	ck_assert_uint_ne(number, 0);
	ck_assert_ptr_nonnull(context_find(s->hub.e, number));
	context_forget(s->hub.e, sim_link(&s->hub), number, s->now);
	ck_assert_ptr_null(context_find(s->hub.e, number));
	for (uint32_t i = 0; i < s->conf.contexts; i++)
		if (s->hub.e->rx[i].number == number)
			ck_assert_uint_ge(s->hub.e->rx[i].rest_until,
					  s->now + 240 * 1000);
	/* a second time is stale, and another link's is not ours */
	context_forget(s->hub.e, sim_link(&s->hub), number, s->now);
	ck_assert_uint_eq(s->hub.e->drops[DROP_STALE_MESSAGE], 1);
	sim_end(s);
}
END_TEST

/* -- nobody's share is used up, nothing stays behind ------------------------------ */

static struct sim *two_edges(uint32_t contexts)
{
	struct sim_conf c = { .seed = 22, .edges = 2, .contexts = contexts,
		.inbound = "all" };

	return sim_up(&c);
}

/* The number that the hub gives to an edge which asks for peer ::@last. */
static uint32_t ask_hub(struct sim *s, uint32_t edge, uint8_t last)
{
	struct link *l = link_by_addr(s->hub.e,
				      &s->edge[edge].conf.prefix.addr);
	struct msg_context m = { .ref = last, .host = sim_host(edge),
		.peer = sim_peer(), .nh = PROTO_UDP, .hop = 64 };
	uint32_t n;

	m.peer.b[15] = last;
	s->hub.e->now = s->now;
	context_asked(s->hub.e, l, &m, s->now);
	pump(&s->hub);
	for (n = 0; n < s->conf.contexts; n++)
		if (s->hub.e->rx[n].used &&
		    addr6_eq(&s->hub.e->rx[n].host, &m.host) &&
		    addr6_eq(&s->hub.e->rx[n].peer, &m.peer))
			return s->hub.e->rx[n].number;
	return 0;
}

START_TEST(asked_twice)
{
	struct sim *s = up(0);
	uint32_t number = ask_hub(s, 0, 9);

	ck_assert_uint_ne(number, 0);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(ask_hub(s, 0, 9), number);
	ck_assert_uint_eq(sim_link(&s->hub)->contexts, 1);
	sim_end(s);
}
END_TEST

/* Asking and forgetting, or coming again as a new process, all the time. */
START_TEST(churn_costs_its_own_link)
{
	struct sim *s = two_edges(64);
	struct link *l = sim_link(&s->hub);
	uint32_t given = 0, number;

	for (int i = 0; i < 200; i++) {
		number = ask_hub(s, 0, (uint8_t)(i + 10));
		given += number != 0;
		if (_i) {
			context_new_era(s->hub.e, l, s->now);
			context_sweep(s->hub.e, l, 64, s->now);
		} else if (number) {
			context_forget(s->hub.e, l, number, s->now);
		}
	}
	ck_assert_uint_eq(given, 64 / 4);
	for (uint8_t i = 0; i < 64 / 4; i++)
		ck_assert_uint_ne(ask_hub(s, 1, i), 0);
	sim_run(s, CONTEXT_REST_MS + 1000);
	ck_assert_uint_ne(ask_hub(s, 0, 10), 0);
	sim_end(s);
}
END_TEST

/* What a link that is gone has left behind counts for nobody. */
START_TEST(rests_without_its_link)
{
	struct sim *s = two_edges(64);

	for (uint8_t i = 0; i < 64 / 4; i++)
		ask_hub(s, 0, i);
	engine_revoke(s->hub.e, 0, s->now);
	pump(&s->hub);
	sim_run(s, CONTEXT_REST_MS + 60 * 1000);
	ck_assert(link_by_addr(s->hub.e, &s->edge[0].conf.prefix.addr));
	for (uint8_t i = 0; i < 64 / 4; i++)
		ck_assert_uint_ne(ask_hub(s, 0, i), 0);
	ck_assert_uint_eq(link_by_addr(s->hub.e,
			  &s->edge[0].conf.prefix.addr)->contexts, 64 / 4);
	sim_end(s);
}
END_TEST

/* At its limit the receiver gives up what nobody used, and says so. */
START_TEST(idle_ones_go_first)
{
	struct nth n = { .kind = WIRE_MESSAGE, .dir = DOWN, .all = true,
		.type = MSG_CONTEXT_IS }; /* nobody asked: no FORGET, please */
	struct sim *s = two_edges(16);
	const uint64_t *drops = s->edge[0].e->drops;

	sim_hook(s, &n);
	for (uint8_t i = 0; i < 4; i++)
		ck_assert_uint_ne(ask_hub(s, 0, i), 0);
	ck_assert_uint_eq(ask_hub(s, 0, 4), 0);
	sim_run(s, 11 * 60 * 1000);
	ck_assert_uint_ne(ask_hub(s, 0, 3), 0);	/* in use again */
	ck_assert_uint_eq(ask_hub(s, 0, 4), 0);	/* the others rest now */
	sim_run(s, 100);
	ck_assert_uint_eq(drops[DROP_STALE_MESSAGE], 3); /* told */
	sim_run(s, CONTEXT_REST_MS + 1000);
	for (uint8_t i = 4; i < 7; i++)
		ck_assert_uint_ne(ask_hub(s, 0, i), 0);
	ck_assert_uint_ne(ask_hub(s, 0, 3), 0);
	sim_end(s);
}
END_TEST

/* The hub's own asking for one edge leaves the others' contexts alone. */
START_TEST(hub_asks_in_shares)
{
	struct session t = { .host = sim_host(0), .peer = sim_peer() };
	struct sim *s = two_edges(64);
	struct link *l = sim_link(&s->hub);

	for (int i = 0; i < 200; i++) {
		t.peer.b[14] = (uint8_t)i;
		context_for(s->hub.e, l, &t, PROTO_UDP, s->now);
		pump(&s->hub);
		sim_run(s, 50);
		ck_assert_uint_le(l->tx_contexts, 64 / 4);
	}
	ck_assert_uint_eq(used(s->hub.e->tx, 64), 64 / 4);
	sim_end(s);
}
END_TEST

/* The answer comes when nobody wants it any more: the number is given back. */
START_TEST(answer_to_nothing)
{
	struct sim *s = up(0);

	ck_assert_uint_ne(ask_hub(s, 0, 9), 0);	/* the edge knows nothing of it */
	sim_run(s, 100);
	ck_assert_uint_eq(used(s->hub.e->rx, s->conf.contexts), 0);
	/* nor does "unknown number 0" mean those that have none yet */
	query(s, 1000);
	ck_assert_uint_eq(used(s->edge[0].e->tx, s->conf.contexts), 1);
	s->edge[0].e->tx[0].number = 0;
	context_unknown(s->edge[0].e, sim_link(&s->edge[0]), 0);
	ck_assert_uint_eq(used(s->edge[0].e->tx, s->conf.contexts), 1);
	sim_free(s);
}
END_TEST

/* A receiver that gives one number twice is not believed the second time. */
START_TEST(one_number_twice)
{
	struct sim *s = up(0);
	struct engine *e = s->hub.e;
	struct session t = { .host = sim_host(0), .peer = sim_peer() };
	uint64_t bad = e->drops[DROP_BAD_MESSAGE];

	for (uint8_t i = 0; i < 3; i++) {
		struct msg_context_is m = { .number = 77 };

		t.peer.b[14] = i;
		ck_assert_uint_eq(context_for(e, sim_link(&s->hub), &t, 17,
					      s->now), 0);
		m.ref = e->tx[i].ref;
		context_told(e, sim_link(&s->hub), &m);
		ck_assert_uint_eq(context_for(e, sim_link(&s->hub), &t, 17,
					      s->now), i ? 0 : 77);
	}
	ck_assert_uint_eq(e->drops[DROP_BAD_MESSAGE], bad + 2);
	context_unknown(e, sim_link(&s->hub), 77);
	ck_assert_uint_eq(e->tx_number.count, 0);
	sim_end(s);
}
END_TEST

/* Hop limits that differ from the context's go explicit at first. */
START_TEST(hop_limit)
{
	struct addr6 host = sim_host(0), peer = sim_peer();
	struct sim *s = up(0);
	uint8_t packet[200], l4[UDP_HDR] = { 3, 232, 0, 9, 0, UDP_HDR };
	size_t len = packet_build(packet, &host, &peer, PROTO_UDP,
				  (struct span){ l4, sizeof(l4) });

	for (uint8_t hop = 64; hop > 1; hop = (uint8_t)(hop - 7)) {
		packet[7] = hop;
		sim_inner(s, &s->edge[0], (struct span){ packet, len });
		sim_run(s, 100);
		ck_assert_uint_eq(s->udp_hop, hop);
	}
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("context");
	TCase *tc = tcase_create("context");

	tcase_add_test(tc, second_query_is_free);
	tcase_add_loop_test(tc, asking_or_answer_lost, 0, 2);
	tcase_add_loop_test(tc, unknown_number, 0, 2);
	tcase_add_test(tc, full);
	tcase_add_test(tc, a_number_rests);
	tcase_add_test(tc, asked_twice);
	tcase_add_loop_test(tc, churn_costs_its_own_link, 0, 2);
	tcase_add_test(tc, rests_without_its_link);
	tcase_add_test(tc, idle_ones_go_first);
	tcase_add_test(tc, hub_asks_in_shares);
	tcase_add_test(tc, answer_to_nothing);
	tcase_add_test(tc, one_number_twice);
	tcase_add_test(tc, hop_limit);
	return run_case(suite, tc);
}
