/* SPDX-License-Identifier: MIT
 *
 * test_shared.c - shared carrier, explicit pieces, relay (design 3, 3.1)
 */
#include "tests/sim/check.h"
#include "tests/unit/packets.h"

/* -- trains --------------------------------------------------------------------- */

enum { TRAIN = 20, STEP = 1000 };

/* A train from the edge's host, as one super-packet or, of one, complete. */
static struct test_frame train_of(size_t n, uint64_t *seed)
{
	struct shape shape = { .proto = PROTO_UDP, .payload = n * STEP,
		.gso_size = n > 1 ? STEP : 0 };
	struct test_frame t = shape_make(&shape, seed);
	struct addr6 host = sim_host(0), peer = sim_peer();
	uint8_t *l4 = t.f.at + IP6_HDR;

	memcpy(t.f.at + 8, &host, sizeof(host));
	memcpy(t.f.at + 24, &peer, sizeof(peer));
	put16(l4, 4000);
	put16(l4 + 2, 5000);
	put16(l4 + 6, 0);
	shape_csum(&shape, &t.f);
	return t;
}

/* Over to the hub in one batch; @broken: this datagram is damaged. */
static void carry(struct sim *s, struct test_frame *t, size_t broken)
{
	struct engine *edge = s->edge[0].e, *hub = s->hub.e;
	static uint8_t bytes[64][2048];
	size_t len[64], n = 0;
	const struct out *o;

	engine_inner(edge, &t->f, s->now);
	while ((o = engine_next(edge))) {
		if (o->kind != OUT_DATAGRAM)
			continue;
		ck_assert_uint_lt(n, 64);
		memcpy(bytes[n], o->head.at, o->head.len);
		memcpy(bytes[n] + o->head.len, o->body.at, o->body.len);
		len[n] = o->head.len + o->body.len;
		if (n == broken)
			bytes[n][500] ^= 1;
		n++;
	}
	for (size_t i = 0; i < n; i++) {
		struct engine_datagram d = {
			.from = sim_link(&s->hub)->shared,
			.local = sim_link(&s->hub)->shared_local,
			.bytes = { bytes[i], len[i] } };

		engine_datagram(hub, &d, s->now);
	}
}

static const struct out *next_inner(struct sim *s)
{
	const struct out *o;

	do
		o = engine_next(s->hub.e);
	while (o && o->kind != OUT_INNER);
	return o;
}

/* The next packet for the hub's inner TUN is @n packets of the train from the
 * @at-th on. Return: what is left to do on it
 */
static struct offload expect(struct sim *s, const struct test_frame *t,
			     size_t at, size_t n)
{
	const struct out *o = next_inner(s);

	ck_assert_ptr_nonnull(o);
	ck_assert_uint_eq(o->body.len, IP6_HDR + UDP_HDR + n * STEP);
	ck_assert_mem_eq(o->body.at + IP6_HDR + UDP_HDR,
			 t->f.at + IP6_HDR + UDP_HDR + at * STEP, n * STEP);
	return o->off;
}

static bool datagrams_lost(struct sim *s, struct wire *w, void *arg)
{
	(void)s;
	(void)arg;
	return w->kind == WIRE_DATAGRAM;
}

START_TEST(trains)
{
	struct sim *s = sim_sized(1500, false, CARRIERS_SHARED);
	struct traffic *got = &sim_link(&s->hub)->received[VIA_SHARED];
	uint64_t seed = 15, packets, bytes;
	struct test_frame one = train_of(1, &seed), t = train_of(TRAIN, &seed);
	struct offload off;

	sim_run(s, 10 * 1000);
	s->hub.e->conf.joins_udp = true;
	s->hook = datagrams_lost;
	engine_inner(s->edge[0].e, &one.f, s->now); /* asks for a context */
	sim_run(s, 1000);
	packets = got->packets;
	bytes = got->inner_bytes;
	carry(s, &t, SIZE_MAX);
	off = expect(s, &t, 0, TRAIN);
	ck_assert_uint_eq(off.gso_type, OFFLOAD_GSO_UDP_L4);
	ck_assert_uint_eq(off.gso_size, STEP);
	ck_assert_uint_eq(got->packets, packets + TRAIN);
	ck_assert_uint_eq(got->inner_bytes,
			  bytes + TRAIN * (IP6_HDR + UDP_HDR + STEP));
	ck_assert_ptr_null(next_inner(s));

	/* A damaged one stays as it is, and alone. */
	carry(s, &t, 7);
	expect(s, &t, 0, 7);
	ck_assert_uint_eq(next_inner(s)->off.flags, 0);
	off = expect(s, &t, 8, TRAIN - 8);
	ck_assert_uint_eq(off.flags, OFFLOAD_NEEDS_CSUM);
	ck_assert_ptr_null(next_inner(s));

	/* Where the TUN takes no trains of datagrams they stay single. */
	s->hub.e->conf.joins_udp = false;
	carry(s, &t, SIZE_MAX);
	for (size_t i = 0; i < TRAIN; i++)
		ck_assert_uint_eq(expect(s, &t, i, 1).flags, 0);
	ck_assert_ptr_null(next_inner(s));
	test_frame_free(&t);
	test_frame_free(&one);
	sim_end(s);
}
END_TEST

/* The link ends between a train's last packet and the outbox. */
START_TEST(train_outlives_link)
{
	struct sim *s = sim_sized(1500, false, CARRIERS_SHARED);
	uint64_t seed = 16;
	struct test_frame one = train_of(1, &seed), t = train_of(TRAIN, &seed);

	sim_run(s, 10 * 1000);
	s->hub.e->conf.joins_udp = true;
	s->hook = datagrams_lost;
	engine_inner(s->edge[0].e, &one.f, s->now);
	sim_run(s, 1000);
	carry(s, &t, SIZE_MAX);
	engine_revoke(s->hub.e, 0, s->now);
	expect(s, &t, 0, TRAIN);
	ck_assert_ptr_null(next_inner(s));
	engine_tick(s->hub.e, s->now += 10);
	ck_assert_uint_eq(engine_sessions(s->hub.e), 0);
	test_frame_free(&t);
	test_frame_free(&one);
	sim_end(s);
}
END_TEST

/* -- which carrier ------------------------------------------------------------------ */

START_TEST(udp_blocked)
{
	struct sim_conf c = { .seed = 13, .nat.strict = true,
		.nat.drop_udp = true, .inbound = "all" };
	struct sim *s = sim_up(&c);
	struct tcp *t;

	sim_run(s, 6000);
	ck_assert(!sim_link(&s->edge[0])->shared_up);
	ck_assert_uint_ne(sim_link(&s->edge[0])->relay, NONE);
	ck_assert(sim_pinged(s, UP, 100));
	ck_assert(sim_pinged(s, DOWN, 1400));
	ck_assert_uint_gt(via_sent(&s->edge[0], VIA_RELAY), 0);
	t = tcp_connect(s, 0, _i ? UP : DOWN, 40001, 80);
	tcp_write(t, UP, 200000);
	tcp_write(t, DOWN, 200000);
	ck_assert(tcp_run(t, 10000));
	ck_assert(on_own(s, t));
	/* UDP passes again: the relay is left */
	s->nat[0].conf.drop_udp = false;
	sim_run(s, 20 * 1000);
	ck_assert(sim_link(&s->edge[0])->shared_up);
	ck_assert_uint_eq(sim_link(&s->edge[0])->relay, NONE);
	ck_assert(sim_pinged(s, UP, 100));
	sim_end(s);
}
END_TEST

START_TEST(udp_blocked_later)
{
	struct sim *s = sim_sized(1500, false, CARRIERS_AUTO);
	int lost = 0;

	ck_assert(sim_pinged(s, UP, 100));
	s->nat[0].conf.drop_udp = true;
	for (int i = 0; i < 100; i++)
		lost += !sim_pinged(s, UP, 100);
	ck_assert_int_lt(lost, 40);
	ck_assert_uint_ne(sim_link(&s->edge[0])->relay, NONE);
	for (int i = 0; i < 10; i++)
		ck_assert(sim_pinged(s, _i ? UP : DOWN, 1000));
	sim_end(s);
}
END_TEST

START_TEST(carriers_forced)
{
	enum carriers forced = CARRIERS_AUTO + 1 + (enum carriers)_i;
	enum via want = forced == CARRIERS_OWN ? VIA_OWN :
			forced == CARRIERS_SHARED ? VIA_SHARED : VIA_RELAY;
	struct sim *s = sim_sized(1500, false, forced);
	struct tcp *t;

	for (enum dir d = UP; d <= DOWN; d++) {
		ck_assert(sim_pinged(s, d, 100));
		t = tcp_connect(s, 0, d, (uint16_t)(40001 + d), 80);
		tcp_write(t, UP, 200000);
		tcp_write(t, DOWN, 200000);
		ck_assert(tcp_run(t, 20000));
		ck_assert_int_eq(session_at(&s->edge[0], t)->via, want);
		ck_assert_int_eq(session_at(&s->hub, t)->via, want);
	}
	ck_assert((via_sent(&s->edge[0], VIA_OWN) > 0) ==
		  (forced == CARRIERS_OWN));
	if (forced == CARRIERS_RELAY)
		ck_assert_uint_eq(s->crossed[WIRE_DATAGRAM][UP], 0);
	sim_end(s);
}
END_TEST

/* -- latch, mappings ---------------------------------------------------------------- */

START_TEST(mapping_moves)
{
	struct sim *s = sim_sized(1500, false, CARRIERS_SHARED);

	for (int i = 0; i < 5; i++) {
		ck_assert(sim_pinged(s, UP, 100));
		nat_reboot(&s->nat[0], 0xc6336401u + (_i ? (uint32_t)i : 0));
		s->nat[0].conf.random = true;
		/* the first packet up goes explicit or is answered by "punch" */
		sim_pinged(s, UP, 100);
		sim_run(s, 1500);
		ck_assert(sim_pinged(s, UP, 100));
		ck_assert(sim_pinged(s, DOWN, 100));
	}
	ck_assert(!s->errors);
	sim_end(s);
}
END_TEST

/* From outside only: the mapping is kept for a NAT of 15 s. */
START_TEST(mapping_is_kept)
{
	struct sim_conf c = { .seed = 14, .nat.udp_ms = 15 * 1000 };
	struct sim *s = sim_up(&c);
	uint64_t before;

	for (int i = 0; i < 20; i++) {
		sim_run(s, 60 * 1000);
		ck_assert(sim_pinged(s, DOWN, 100));
	}
	before = s->crossed[WIRE_DATAGRAM][UP];
	sim_run(s, 600 * 1000);
	ck_assert_uint_le(s->crossed[WIRE_DATAGRAM][UP] - before, 60);
	ck_assert_uint_eq(s->edge[0].notes[NOTE_SHARED_DOWN], 0);
	sim_end(s);
}
END_TEST

/* -- hostile ------------------------------------------------------------------------ */

struct keep {
	struct wire w[64];
	int count;
};

static bool keep_all(struct sim *s, struct wire *w, void *arg)
{
	struct keep *k = arg;

	(void)s;
	if (w->kind == WIRE_DATAGRAM && k->count < 64)
		k->w[k->count++] = *w;
	return false;
}

static struct sim *kept(struct keep *k)
{
	struct sim *s = sim_sized(1500, false, CARRIERS_SHARED);

	s->hook = keep_all;
	s->hook_arg = k;
	for (int i = 0; i < 5; i++) {
		udp_send(s, 0, UP, (uint16_t)(1000 + i), 9, 100);
		udp_send(s, 0, UP, (uint16_t)(1000 + i), 9, 1490 - 48);
		udp_send(s, 0, DOWN, (uint16_t)(1000 + i), 9, 100);
		sim_run(s, 100);
	}
	sim_run(s, 20 * 1000);
	s->hook = NULL;
	ck_assert_int_gt(k->count, 15);
	return s;
}

static bool is_data(const struct wire *w)
{
	return w->bytes[FRAME_HEADROOM] >> 6 == TAG_DATA;
}

/* As at the receiver: what was sent by the other end. */
static void again(struct sim *s, const struct wire *from, enum dir d)
{
	struct wire w = *from;
	struct link *l = sim_link(&s->hub);

	w.dir = d;
	w.from = d == UP ? l->shared : s->edge[0].e->link[0].shared;
	w.to = d == UP ? l->shared_local :
	       (struct taddr4){ s->edge[0].addr, s->edge[0].udp_port };
	sim_arrive(s, &w);
}

START_TEST(replayed)
{
	struct keep *k = calloc(1, sizeof(*k));
	struct sim *s = kept(k);
	uint64_t got = s->udp_got[UP] + s->udp_got[DOWN];

	for (int i = 0; i < k->count; i++)
		if (!is_data(&k->w[i]))
			again(s, &k->w[i], k->w[i].dir);
	sim_run(s, 1000);
	ck_assert_uint_eq(s->udp_got[UP] + s->udp_got[DOWN], got);
	ck_assert_uint_gt(s->hub.e->drops[DROP_REPLAY], 3);
	ck_assert(sim_pinged(s, UP, 100) && sim_pinged(s, DOWN, 100));
	free(k);
	sim_end(s);
}
END_TEST

START_TEST(reflected)
{
	struct keep *k = calloc(1, sizeof(*k));
	struct sim *s = kept(k);
	uint64_t got = s->udp_got[UP] + s->udp_got[DOWN];

	for (int i = 0; i < k->count; i++)
		again(s, &k->w[i], !k->w[i].dir);
	sim_run(s, 1000);
	ck_assert_uint_eq(s->udp_got[UP] + s->udp_got[DOWN], got);
	ck_assert(sim_pinged(s, UP, 100) && sim_pinged(s, DOWN, 100));
	free(k);
	sim_end(s);
}
END_TEST

START_TEST(bent_and_cut)
{
	struct keep *k = calloc(1, sizeof(*k));
	struct sim *s = kept(k);
	uint64_t got = s->udp_got[UP] + s->udp_got[DOWN];

	for (int i = 0; i < k->count; i++) {
		struct wire w = k->w[i];

		if (is_data(&w))
			continue;
		put64(wire_at(&w) + 4, 1000000);	/* a fresh counter */
		for (size_t bit = 0; bit < 8 * 80 && bit < 8 * w.len; bit++) {
			wire_at(&w)[bit / 8] ^= (uint8_t)(1 << bit % 8);
			again(s, &w, w.dir);
			wire_at(&w)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t len = 0; len < k->w[i].len && len < 100; len++) {
			w.len = len;
			again(s, &w, w.dir);
		}
	}
	sim_run(s, 1000);
	ck_assert_uint_eq(s->udp_got[UP] + s->udp_got[DOWN], got);
	ck_assert_uint_gt(s->hub.e->drops[DROP_MAC], 100);
	ck_assert_uint_gt(s->edge[0].e->drops[DROP_MAC], 100);
	ck_assert(sim_pinged(s, UP, 100) && sim_pinged(s, DOWN, 100));
	free(k);
	sim_end(s);
}
END_TEST

/* Unproven data from elsewhere moves nothing, and gets no answer. */
START_TEST(other_source)
{
	struct keep *k = calloc(1, sizeof(*k));
	struct sim *s = kept(k);
	struct taddr4 was = sim_link(&s->hub)->shared;
	uint32_t sent = s->hub.out[OUT_DATAGRAM];

	for (int i = 0; i < k->count; i++) {
		struct wire w = k->w[i];

		if (w.dir == DOWN)
			continue;
		w.from = (struct taddr4){ 0x01020304, 77 };
		w.to = sim_link(&s->hub)->shared_local;
		sim_arrive(s, &w);
	}
	ck_assert_uint_eq(s->hub.out[OUT_DATAGRAM], sent);
	sim_run(s, 1000);
	ck_assert(taddr4_eq(sim_link(&s->hub)->shared, was));
	ck_assert(sim_pinged(s, UP, 100) && sim_pinged(s, DOWN, 100));
	free(k);
	sim_end(s);
}
END_TEST

START_TEST(random_bytes)
{
	struct sim *s = sim_sized(1500, false, CARRIERS_SHARED);

	for (int i = 0; i < 20000; i++) {
		struct wire w = { .kind = WIRE_DATAGRAM };
		uint32_t tag;

		w.len = rand_below(&s->rand, 200);
		rand_bytes(&s->rand, wire_at(&w), w.len);
		w.dir = i & 1 ? UP : DOWN;
		tag = sim_link(w.dir == UP ? &s->hub : &s->edge[0])->my_number;
		if (i & 2)
			put32(wire_at(&w), tag | rand32(&s->rand) << 30);
		again(s, &w, w.dir);
	}
	ck_assert(sim_pinged(s, UP, 100) && sim_pinged(s, DOWN, 100));
	sim_end(s);
}
END_TEST

/* One half of an explicit packet lost: the other is forgotten, no mix-up. */
START_TEST(half_lost)
{
	struct sim *s = sim_sized(1500, false, CARRIERS_SHARED);
	struct nth n = { .kind = WIRE_DATAGRAM, .dir = UP, .at = _i };
	uint64_t before = s->udp_got[UP];

	ck_assert(sim_pinged(s, UP, 100)); /* so that nobody needs to punch */
	sim_hook(s, &n);
	for (int i = 0; i < 4; i++) {
		udp_send(s, 0, UP, (uint16_t)(1000 + i), 9, 1500 - 48);
		udp_send(s, 0, UP, (uint16_t)(1000 + i), 9, 1500 - 49);
	}
	sim_run(s, 1000);
	ck_assert_uint_eq(s->udp_got[UP] - before, 7);
	sim_end(s);
}
END_TEST

/* The first edge sends first halves only; of the second one, the last half of
 * its only packet is held back.
 */
struct halves {
	bool has;
	struct wire last;
};

static bool halves_hook(struct sim *s, struct wire *w, void *arg)
{
	struct halves *h = arg;

	(void)s;
	if (w->kind != WIRE_DATAGRAM || w->dir != UP ||
	    wire_at(w)[0] >> 6 != TAG_EXPLICIT ||
	    wire_at(w)[WIRE_PROVEN] != PART_LAST)
		return false;
	if (w->edge == 1) {
		h->has = true;
		h->last = *w;
	}
	return true;
}

START_TEST(flood_of_halves)
{
	struct sim_conf c = { .seed = 15, .edges = 2, .sessions = 2048,
		.carriers = CARRIERS_SHARED };
	struct halves *h = calloc(1, sizeof(*h));
	struct sim *s = sim_up(&c);
	const uint64_t *drops = s->hub.e->drops;
	uint64_t before = s->udp_got[UP];

	sim_run(s, 1000);
	s->hook = halves_hook;
	s->hook_arg = h;
	udp_send(s, 1, UP, 1000, 9, 1508 - 48);
	for (int i = 0; i < 600; i++)
		udp_send(s, 0, UP, (uint16_t)(1000 + i), 9, 1508 - 48);
	sim_run(s, 200);
	ck_assert(h->has);
	ck_assert_uint_eq(s->udp_got[UP], before);
	ck_assert_uint_ge(drops[DROP_PIECE], 600 - 32);
	s->hook = NULL;
	h->last.from = s->hub.e->link[1].shared;
	sim_arrive(s, &h->last);
	sim_run(s, 100);
	ck_assert_uint_eq(s->udp_got[UP], before + 1);
	/* what is left is given up, and counted */
	sim_run(s, 2000);
	udp_send(s, 0, UP, 999, 9, 1515 - 48);
	sim_run(s, 200);
	ck_assert_uint_eq(drops[DROP_PIECE], 600);
	ck_assert_uint_eq(s->udp_got[UP], before + 2);
	free(h);
	sim_end(s);
}
END_TEST

/* A congestion mark on either half reaches the host (RFC 6040). */
START_TEST(marked_half)
{
	struct addr6 host = sim_host(0), peer = sim_peer();
	static const uint8_t l4[1400] = { 3, 232, 0, 9, 5, 92 };
	struct keep *k = calloc(1, sizeof(*k));
	struct sim *s = sim_sized(1400, false, CARRIERS_SHARED);
	uint8_t packet[1500];
	const struct out *o;
	size_t len = packet_build(packet, &host, &peer, PROTO_UDP,
				  (struct span){ l4, 1372 });
	int inner = 0;

	ck_assert(sim_pinged(s, UP, 100)); /* so that nobody needs to punch */
	packet[1] |= 0x20;	/* ECT(0) */
	s->hook = keep_all;
	s->hook_arg = k;
	sim_inner(s, &s->edge[0], (struct span){ packet, len });
	sim_run(s, 1);
	ck_assert_int_ge(k->count, 2);
	for (int i = 0; i < 2; i++) {
		struct engine_datagram d = { .from = sim_link(&s->hub)->shared,
			.local = sim_link(&s->hub)->shared_local,
			.tos = i == _i ? ECN_CE : 2,
			.bytes = { wire_at(&k->w[i]), k->w[i].len } };

		engine_datagram(s->hub.e, &d, s->now);
		while ((o = engine_next(s->hub.e)))
			if (o->kind == OUT_INNER) {
				ck_assert_int_eq(o->body.at[1] >> 4, ECN_CE);
				inner++;
			}
	}
	ck_assert_int_eq(inner, 1);
	free(k);
	sim_end(s);
}
END_TEST

/* -- traffic class and flow label ------------------------------------------------ */

static void udp_with(struct sim *s, enum dir d, uint32_t word, uint8_t hop,
		     size_t payload)
{
	struct addr6 host = sim_host(0), peer = sim_peer();
	uint8_t l4[2048] = { 0x9c, 0x41, 0x9c, 0x41 }, packet[2048];
	struct span body = { l4, UDP_HDR + payload };
	size_t len;

	put16(l4 + 4, (uint16_t)body.len);
	memcpy(l4 + UDP_HDR, sim_bytes(0, 0, UP), payload);
	len = packet_build(packet, d == UP ? &host : &peer,
			   d == UP ? &peer : &host, PROTO_UDP, body);
	put32(packet, UINT32_C(6) << 28 | word);
	packet[7] = hop;
	sim_inner(s, d == UP ? &s->edge[0] : &s->hub,
		  (struct span){ packet, len });
	sim_run(s, 200);
}

/* The NAT marks the datagrams that @at counts down to. */
static bool congested(struct sim *s, struct wire *w, void *arg)
{
	int *at = arg;

	(void)s;
	if (w->kind == WIRE_DATAGRAM && wire_at(w)[0] >> 6 != TAG_PUNCH &&
	    (*at)-- == 0)
		w->tos |= ECN_CE;
	return false;
}

/* A mark on either piece of an explicit packet counts (RFC 3168, 5.3), and on
 * what knows of marks only (RFC 6040, 4.2).
 */
START_TEST(marked)
{
	struct sim *s = sim_sized(1500, false, CARRIERS_SHARED);
	enum dir d = _i & 1 ? DOWN : UP;
	int at;

	udp_with(s, d, 0, 64, 100);
	s->hook = congested;
	s->hook_arg = &at;
	for (uint32_t tos = 0x48; tos < 0x4c; tos++) {
		uint8_t want = tos & 3 ? 0x4b : 0x48;
		uint64_t before = s->udp_got[d];

		at = _i >> 1; /* which of the two */
		/* not the hop limit agreed on: explicit */
		udp_with(s, d, tos << 20, 33, 1452);
		ck_assert_uint_eq(s->udp_got[d], before + 1);
		ck_assert_uint_eq(s->udp_tos, want);
	}
	sim_end(s);
}
END_TEST

/* One label, never 0, whatever the sender wrote and the packet came over. */
START_TEST(flow_label)
{
	static const enum carriers how[] = { CARRIERS_OWN, CARRIERS_SHARED,
		CARRIERS_RELAY };
	struct sim *s = sim_sized(1500, false, how[_i / 2]);
	enum dir d = _i & 1 ? DOWN : UP;
	uint32_t label;

	udp_with(s, d, 0, 64, 100);
	label = s->udp_label;
	ck_assert_uint_ne(label, 0);
	for (uint32_t i = 0; i < 20; i++) {
		s->udp_label = 0;
		udp_with(s, d, i & 1 ? 0xabcde : 0, i & 4 ? 33 : 64, 100);
		udp_with(s, !d, 0, 64, 100);
		udp_with(s, d, i & 1 ? 0xabcde : 0, i & 4 ? 33 : 64, 100);
		ck_assert_uint_eq(s->udp_label, label);
	}
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shared");
	TCase *tc = tcase_create("shared");

	tcase_add_test(tc, trains);
	tcase_add_test(tc, train_outlives_link);
	tcase_add_loop_test(tc, udp_blocked, 0, 2);
	tcase_add_loop_test(tc, udp_blocked_later, 0, 2);
	tcase_add_loop_test(tc, carriers_forced, 0, 3);
	tcase_add_loop_test(tc, mapping_moves, 0, 2);
	tcase_add_test(tc, mapping_is_kept);
	tcase_add_test(tc, replayed);
	tcase_add_test(tc, reflected);
	tcase_add_test(tc, bent_and_cut);
	tcase_add_test(tc, other_source);
	tcase_add_test(tc, random_bytes);
	tcase_add_loop_test(tc, half_lost, 0, 8);
	tcase_add_test(tc, flood_of_halves);
	tcase_add_loop_test(tc, marked_half, 0, 2);
	tcase_add_loop_test(tc, marked, 0, 4);
	tcase_add_loop_test(tc, flow_label, 0, 6);
	return run_case(suite, tc);
}
