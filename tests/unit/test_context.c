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
	context_drop_rx(n->e, 0, s->now);
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
	tcase_add_test(tc, hop_limit);
	return run_case(suite, tc);
}
