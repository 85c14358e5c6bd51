/* SPDX-License-Identifier: MIT
 *
 * test_ownudp.c - own UDP carriers (design 3.3)
 */
#include "core/own.h"
#include "tests/sim/check.h"

enum { DATAGRAM = 1200, BULK = 64 * 1024 / DATAGRAM + 10 };

static struct carrier *udp_carrier(struct node *n)
{
	for (uint32_t i = 0; i < n->conf.own; i++)
		if (n->e->own[i].state == CARRIER_UP &&
		    n->e->own[i].proto == PROTO_UDP)
			return &n->e->own[i];
	return NULL;
}

/* @count datagrams up, each echoed, 10 ms between them. */
static void echo(struct sim *s, int count, size_t len)
{
	while (count--) {
		udp_send(s, 0, UP, 5000, ECHO_PORT, len);
		sim_run(s, 10);
	}
	sim_run(s, 500);
}

START_TEST(bulk_is_promoted)
{
	struct sim_conf c = { .seed = 1 };
	struct sim *s = sim_up(&c);
	uint64_t got;

	echo(s, 20, DATAGRAM);
	ck_assert_uint_eq(s->udp_got[DOWN], 20);
	ck_assert_ptr_null(udp_carrier(&s->edge[0]));
	echo(s, BULK, DATAGRAM);
	ck_assert_uint_eq(s->udp_got[DOWN], 20 + BULK);
	ck_assert_ptr_nonnull(udp_carrier(&s->edge[0]));
	ck_assert_ptr_nonnull(udp_carrier(&s->hub));
	got = via_sent(&s->edge[0], VIA_OWN);
	echo(s, 30, DATAGRAM);
	ck_assert_uint_eq(via_sent(&s->edge[0], VIA_OWN), got + 30);
	ck_assert_uint_ge(via_sent(&s->hub, VIA_OWN), 30);
	ck_assert_uint_eq(sim_link(&s->hub)->sent[VIA_OWN].inner_bytes -
			  sim_link(&s->hub)->sent[VIA_OWN].wire_bytes,
			  20 * via_sent(&s->hub, VIA_OWN));
	sim_end(s);
}
END_TEST

/* Bulk from outside to inside alone is promoted as well. */
START_TEST(bulk_downwards)
{
	struct sim_conf c = { .seed = 2, .inbound = "udp/5000" };
	struct sim *s = sim_up(&c);

	for (int i = 0; i < 200; i++) {
		udp_send(s, 0, DOWN, 5000, 6000, DATAGRAM);
		if (i % 20 == 0)
			udp_send(s, 0, UP, 5000, 6000, 10);
		sim_run(s, 10);
	}
	sim_run(s, 500);
	ck_assert_uint_eq(s->udp_got[DOWN], 200);
	ck_assert_uint_eq(s->udp_got[UP], 10);
	ck_assert_uint_gt(via_sent(&s->hub, VIA_OWN), 50);
	sim_end(s);
}
END_TEST

/* What is never answered moves all the same, and stays there. */
START_TEST(never_answered)
{
	struct sim_conf c = { .seed = 12 };
	struct sim *s = sim_up(&c);
	uint64_t before;

	for (int i = 0; i < BULK; i++) {
		udp_send(s, 0, UP, 5000, 6000, DATAGRAM);
		sim_run(s, 10);
	}
	sim_run(s, 500);
	ck_assert_ptr_nonnull(udp_carrier(&s->edge[0]));
	before = via_sent(&s->edge[0], VIA_OWN);
	for (int i = 0; i < 600; i++) {
		udp_send(s, 0, UP, 5000, 6000, DATAGRAM);
		sim_run(s, 100);
	}
	ck_assert_uint_eq(via_sent(&s->edge[0], VIA_OWN), before + 600);
	ck_assert_uint_eq(s->udp_got[UP], BULK + 600);
	sim_end(s);
}
END_TEST

START_TEST(each_lost_once)
{
	struct sim_conf c = { .seed = 3 };
	struct nth n = { .kind = WIRE_OUTER_PACKET, .dir = -1, .at = _i };
	struct sim *s = sim_up(&c);

	sim_hook(s, &n);
	echo(s, BULK + 60, DATAGRAM);
	echo(s, BULK, DATAGRAM);
	ck_assert_uint_ge(s->udp_got[DOWN], 2 * BULK + 59);
	ck_assert_ptr_nonnull(udp_carrier(&s->edge[0]));
	ck_assert_ptr_nonnull(udp_carrier(&s->hub));
	sim_end(s);
}
END_TEST

/* The range is closed for UDP: given up, and nothing is lost meanwhile. */
START_TEST(no_answer)
{
	struct sim_conf c = { .seed = 4 };
	struct sim *s = sim_up(&c);

	s->nat[0].conf.drop_own = true;
	for (int i = 0; i < 6; i++)
		echo(s, BULK, DATAGRAM);
	ck_assert_uint_eq(s->udp_got[DOWN], 6 * BULK);
	ck_assert_ptr_null(udp_carrier(&s->edge[0]));
	ck_assert_ptr_null(udp_carrier(&s->hub));
	sim_run(s, 60 * 1000);
	ck_assert_uint_eq(sim_own(&s->hub, CARRIER_FREE), s->conf.own);
	ck_assert_uint_eq(sim_own(&s->edge[0], CARRIER_FREE), s->conf.own);
	sim_end(s);
}
END_TEST

/* A payload that looks like a punch goes on shared, and arrives. */
static void send_like_punch(struct sim *s, struct node *n, uint16_t len4)
{
	uint32_t number = sim_link(n)->peer_number;
	struct addr6 host = sim_host(0), peer = sim_peer();
	bool up = n == &s->edge[0];
	uint8_t packet[200], l4[UDP_HDR + 60] = { 0 };
	size_t len;

	put16(l4, up ? 5000 : 6000);
	put16(l4 + 2, up ? 6000 : 5000);
	put16(l4 + 4, len4);
	put32(l4 + UDP_HDR, (uint32_t)TAG_PUNCH << TAG_KIND_SHIFT | number);
	len = packet_build(packet, up ? &host : &peer, up ? &peer : &host,
			   PROTO_UDP, (struct span){ l4, len4 });
	sim_inner(s, n, (struct span){ packet, len });
}

START_TEST(payload_like_punch)
{
	struct sim_conf c = { .seed = 5 };
	struct sim *s = sim_up(&c);
	bool down = _i & 1;
	struct node *n = down ? &s->hub : &s->edge[0];
	uint64_t own;

	for (int i = 0; i < BULK; i++) {
		udp_send(s, 0, UP, 5000, 6000, DATAGRAM);
		sim_run(s, 5);
		udp_send(s, 0, DOWN, 5000, 6000, DATAGRAM);
		sim_run(s, 5);
	}
	ck_assert_ptr_nonnull(udp_carrier(n));
	sim_run(s, 500);
	own = via_sent(n, VIA_OWN);
	s->udp_got[UP] = s->udp_got[DOWN] = 0;
	send_like_punch(s, n, UDP_HDR + (_i & 2 ? WIRE_TAG : 60));
	sim_run(s, 500);
	ck_assert_uint_eq(via_sent(n, VIA_OWN), own);
	ck_assert_uint_eq(s->udp_got[down ? DOWN : UP], 1);
	s->errors = 0;	/* its bytes are not the usual ones */
	sim_end(s);
}
END_TEST

/* An old punch again, a bent one, on the carrier: never delivered. */
struct keep {
	struct wire w[8];
	int count;
};

static bool keep_punches(struct sim *s, struct wire *w, void *arg)
{
	struct keep *k = arg;

	(void)s;
	if (w->kind == WIRE_OUTER_PACKET && w->proto == PROTO_UDP &&
	    w->len < 100 && k->count < 8)
		k->w[k->count++] = *w;
	return false;
}

START_TEST(old_punches)
{
	struct sim_conf c = { .seed = 6 };
	struct sim *s = sim_up(&c);
	struct keep *k = calloc(1, sizeof(*k));
	uint64_t got;

	s->hook = keep_punches;
	s->hook_arg = k;
	echo(s, 2 * BULK, DATAGRAM);
	ck_assert_int_ge(k->count, 2);
	ck_assert_ptr_nonnull(udp_carrier(&s->edge[0]));
	got = s->udp_got[UP] + s->udp_got[DOWN];
	for (int i = 0; i < k->count; i++) {
		struct wire w = k->w[i];

		wire_at(&w)[IP4_HDR + UDP_HDR + 10] ^= (uint8_t)(_i << 4);
		sim_wire(s, &w);
		sim_run(s, 100);
	}
	ck_assert_uint_eq(s->udp_got[UP] + s->udp_got[DOWN], got);
	ck_assert_ptr_nonnull(udp_carrier(&s->edge[0]));
	ck_assert_ptr_nonnull(udp_carrier(&s->hub));
	echo(s, 10, 100);
	free(k);
	sim_end(s);
}
END_TEST

START_TEST(idle)
{
	struct sim_conf c = { .seed = 7, .nat.udp_ms = 30 * 1000 };
	struct sim *s = sim_up(&c);
	uint64_t before;

	echo(s, 2 * BULK, DATAGRAM);
	ck_assert_ptr_nonnull(udp_carrier(&s->edge[0]));
	s->udp_got[DOWN] = 0;
	before = s->crossed[WIRE_OUTER_PACKET][UP];
	sim_run(s, 100 * 1000);
	ck_assert_uint_eq(s->crossed[WIRE_OUTER_PACKET][UP], before);
	echo(s, 10, 100);
	ck_assert_uint_eq(s->udp_got[DOWN], 10);
	ck_assert_ptr_null(udp_carrier(&s->edge[0]));
	sim_end(s);
}
END_TEST

/* One-way traffic: the end that only receives keeps the other informed. */
START_TEST(one_way)
{
	struct sim_conf c = { .seed = 8, .inbound = "all" };
	struct sim *s = sim_up(&c);
	struct node *n = _i ? &s->hub : &s->edge[0];
	uint64_t own;

	echo(s, 2 * BULK, DATAGRAM);
	own = via_sent(n, VIA_OWN);
	for (int i = 0; i < 100; i++) {
		udp_send(s, 0, _i ? DOWN : UP, 5000, ECHO_PORT, 100);
		sim_run(s, 1000);
	}
	ck_assert_uint_eq(via_sent(n, VIA_OWN), own + 100);
	sim_end(s);
}
END_TEST

/* The NAT forgets the mapping alone: that is trouble, not idleness, and the
 * session gets another carrier without having to move 64 KiB again.
 */
static void forget_own(struct sim *s)
{
	for (int i = 0; i < NAT_FLOWS; i++)
		if (s->nat[0].flow[i].remote.port >= SIM_LO)
			s->nat[0].flow[i].used = false;
}

START_TEST(mapping_lost)
{
	struct sim_conf c = { .seed = 12, .nat.random = true };
	struct sim *s = sim_up(&c);
	uint32_t name;

	echo(s, 2 * BULK, DATAGRAM);
	name = udp_carrier(&s->edge[0])->name;
	forget_own(s);
	for (int i = 0; i < 40; i++) {
		udp_send(s, 0, UP, 5000, ECHO_PORT, 100);
		sim_run(s, 1000);
	}
	ck_assert_ptr_nonnull(udp_carrier(&s->edge[0]));
	ck_assert_uint_ne(udp_carrier(&s->edge[0])->name, name);
	ck_assert_ptr_nonnull(udp_carrier(&s->hub));
	ck_assert_uint_eq(udp_carrier(&s->hub)->name,
			  udp_carrier(&s->edge[0])->name);
	s->udp_got[DOWN] = 0;
	echo(s, 10, 100);
	ck_assert_uint_eq(s->udp_got[DOWN], 10);
	sim_end(s);
}
END_TEST

/* Two ICMPv4 errors about the carrier with nothing between: the same. */
static void unreachable(struct sim *s, const struct carrier *c)
{
	struct wire w = { .kind = WIRE_OUTER_PACKET, .dir = DOWN,
		.proto = PROTO_ICMP, .len = IP4_HDR + 8 + 28 };
	uint8_t *at = wire_at(&w), *icmp = at + IP4_HDR;

	ip4_header(at, 0x0a000001, c->local.addr, PROTO_ICMP, 8 + 28, 0, 60);
	icmp[0] = 3;
	icmp[1] = 10;
	ip4_header(icmp + 8, c->local.addr, c->remote.addr, PROTO_UDP, 100, 0,
		   60);
	put16(icmp + 8 + IP4_HDR, c->local.port);
	put16(icmp + 8 + IP4_HDR + 2, c->remote.port);
	put16(icmp + 2, (uint16_t)~csum_bytes(0, icmp, 36));
	sim_arrive(s, &w);
}

START_TEST(icmp_about_it)
{
	struct sim_conf c = { .seed = 13 };
	struct sim *s = sim_up(&c);
	uint32_t name;

	echo(s, 2 * BULK, DATAGRAM);
	name = udp_carrier(&s->edge[0])->name;
	unreachable(s, udp_carrier(&s->edge[0]));
	echo(s, 1, 100);
	ck_assert_uint_eq(udp_carrier(&s->edge[0])->name, name);
	unreachable(s, udp_carrier(&s->edge[0]));
	unreachable(s, udp_carrier(&s->edge[0]));
	s->udp_got[DOWN] = 0;
	echo(s, 10, 100);
	ck_assert_uint_eq(s->udp_got[DOWN], 10);
	ck_assert_ptr_nonnull(udp_carrier(&s->edge[0]));
	ck_assert_uint_ne(udp_carrier(&s->edge[0])->name, name);
	sim_end(s);
}
END_TEST

/* A punch that GRO joined to data: answered, and never delivered. */
START_TEST(punch_in_a_super_packet)
{
	struct sim_conf c = { .seed = 14 };
	struct sim *s = sim_up(&c);
	struct node *n = &s->hub;
	struct carrier *own;
	uint8_t bytes[FRAME_HEADROOM + 200], two[2 * WIRE_PUNCH] = { 0 };
	struct frame f = { .at = bytes + FRAME_HEADROOM };
	struct writer w = writer_of(f.at, 200);
	struct tuple4 t;
	uint64_t got, bad;

	echo(s, 2 * BULK, DATAGRAM);
	own = udp_carrier(n);
	t = (struct tuple4){ own->remote.addr, own->local.addr,
		own->remote.port, own->local.port, PROTO_UDP };
	put32(two + WIRE_PUNCH, (uint32_t)TAG_PUNCH << TAG_KIND_SHIFT |
	      sim_link(n)->my_number);
	f.len = udp_build(&w, &t, (struct span){ two, sizeof(two) });
	f.off = (struct offload){ .flags = OFFLOAD_NEEDS_CSUM,
		.gso_type = OFFLOAD_GSO_UDP_L4, .gso_size = WIRE_PUNCH,
		.hdr_len = IP4_HDR + UDP_HDR,
		.csum_start = IP4_HDR, .csum_offset = 6 };
	got = s->udp_got[UP];
	bad = n->e->drops[DROP_MAC] + n->e->drops[DROP_REPLAY];
	engine_outer(n->e, &f, s->now);
	pump(n);
	sim_run(s, 100);
	ck_assert_uint_eq(s->udp_got[UP], got);
	ck_assert_uint_eq(n->e->drops[DROP_MAC] + n->e->drops[DROP_REPLAY],
			  bad + 1);
	sim_end(s);
}
END_TEST

START_TEST(udp_zero_checksum_outside)
{
	struct sim_conf c = { .seed = 9 };
	struct sim *s = sim_up(&c);

	echo(s, 2 * BULK, DATAGRAM);
	for (size_t len = 1; len < 300; len++)
		udp_send(s, 0, UP, 5000, ECHO_PORT, len);
	sim_run(s, 500);
	ck_assert_uint_eq(s->udp_got[DOWN], 2 * BULK + 299);
	sim_end(s);
}
END_TEST

/* As mapping_given_away of test_owntcp.c. */
START_TEST(mapping_given_away)
{
	struct sim_conf c = { .seed = 10 };
	struct sim *s = sim_up(&c);
	struct engine *e = s->edge[0].e;
	struct carrier *old;
	uint64_t got;

	echo(s, 2 * BULK, DATAGRAM);
	old = udp_carrier(&s->edge[0]);
	sim_link(&s->edge[0])->next_hport = old->hport;
	sim_link(&s->edge[0])->next_eport = old->eport;
	carrier_leave(e, (uint32_t)(old - e->own), LEFT_NAT, false, s->now);
	nat_reboot(&s->nat[0], s->nat[0].addr);
	got = s->udp_got[DOWN];
	for (int i = 0; i < 2 * BULK; i++) {
		udp_send(s, 0, UP, 5001, ECHO_PORT, DATAGRAM);
		sim_run(s, 10);
	}
	sim_run(s, 500);
	ck_assert_uint_eq(s->udp_got[DOWN] - got, 2 * BULK);
	ck_assert_uint_eq(sim_own(&s->hub, CARRIER_UP), 1);
	ck_assert_ptr_nonnull(udp_carrier(&s->edge[0]));
	ck_assert_uint_eq(udp_carrier(&s->hub)->name,
			  udp_carrier(&s->edge[0])->name);
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ownudp");
	TCase *tc = tcase_create("ownudp");

	tcase_add_test(tc, bulk_is_promoted);
	tcase_add_test(tc, bulk_downwards);
	tcase_add_test(tc, never_answered);
	tcase_add_loop_test(tc, each_lost_once, 0, 8);
	tcase_add_test(tc, no_answer);
	tcase_add_loop_test(tc, payload_like_punch, 0, 4);
	tcase_add_loop_test(tc, old_punches, 0, 3);
	tcase_add_test(tc, idle);
	tcase_add_loop_test(tc, one_way, 0, 2);
	tcase_add_test(tc, udp_zero_checksum_outside);
	tcase_add_test(tc, mapping_given_away);
	tcase_add_test(tc, mapping_lost);
	tcase_add_test(tc, icmp_about_it);
	tcase_add_test(tc, punch_in_a_super_packet);
	return run_both(suite, tc);
}
