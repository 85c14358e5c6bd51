/* SPDX-License-Identifier: MIT
 *
 * test_xlat.c - there and back again, checksums computed in full on each side
 */
#include <check.h>
#include <stdlib.h>

#include "core/csum.h"
#include "core/xlat.h"
#include "tests/unit/packets.h"

struct pair {
	struct xlat_outer out;
	struct xlat_inner in;
	struct tuple4 t4;
};

/* Translation for the packet in @p, with random outer addresses and ports */
static struct pair pair_for(const struct pkt *p, uint64_t *seed)
{
	struct tuple6 t6 = { p->src6, p->dst6, p->sport, p->dport, p->l4 };
	struct pair x;

	x.t4 = (struct tuple4){
		(uint32_t)test_rand(seed), (uint32_t)test_rand(seed),
		(uint16_t)test_rand(seed), (uint16_t)test_rand(seed), p->l4,
	};
	xlat_outer_init(&x.out, &t6, &x.t4);
	xlat_inner_init(&x.in, &x.t4, &t6, 61, 0x12345);
	return x;
}

/* Is the checksum that of a whole packet, or for a partial one the pseudo
 * header's sum?
 */
static void check_l4(const struct frame *f, size_t at, uint8_t proto)
{
	const uint8_t *l4 = f->at + at;
	size_t len = f->len - at, csum = proto == PROTO_TCP ? 16 : 6;
	bool six = at == IP6_HDR;

	if (f->off.flags & OFFLOAD_NEEDS_CSUM) {
		uint16_t want = six ? slow_l4_sum6(f->at, l4, 0, 0) :
				      slow_l4_sum4(f->at, l4, 0, 0);

		want = slow_sum(want + (uint32_t)len + proto, l4, 0);
		ck_assert_uint_eq(get16(l4 + csum), want);
		ck_assert_uint_eq(f->off.csum_start, at);
		ck_assert_uint_eq(f->off.csum_offset, csum);
		return;
	}
	ck_assert_uint_eq(six ? slow_l4_sum6(f->at, l4, len, proto) :
				slow_l4_sum4(f->at, l4, len, proto), 0xffff);
	if (proto == PROTO_UDP)
		ck_assert_uint_ne(get16(l4 + csum), 0);
}

static void check_outer(const struct shape *s, const struct pair *x,
			const struct test_frame *t)
{
	const uint8_t *ip = t->f.at;

	ck_assert_uint_eq(ip[0], 0x45);
	ck_assert_uint_eq(ip[1], s->tos);
	ck_assert_uint_eq(get16(ip + 2), t->f.len);
	ck_assert_uint_eq(get32(ip + 4), 0x4000);
	ck_assert_uint_eq(ip[8], 64);
	ck_assert_uint_eq(ip[9], s->proto);
	ck_assert_uint_eq(get32(ip + 12), x->t4.src);
	ck_assert_uint_eq(get32(ip + 16), x->t4.dst);
	ck_assert_uint_eq(slow_sum(0, ip, IP4_HDR), 0xffff);
	ck_assert_uint_eq(get16(ip + 20), x->t4.sport);
	ck_assert_uint_eq(get16(ip + 22), x->t4.dport);
	check_l4(&t->f, IP4_HDR, s->proto);
	ck_assert_uint_eq(t->f.off.gso_size, s->gso_size);
	if (s->gso_size && s->proto == PROTO_TCP)
		ck_assert_uint_eq(t->f.off.gso_type, OFFLOAD_GSO_TCP4 |
				  (s->ecn ? OFFLOAD_GSO_ECN : 0));
	else if (s->gso_size)
		ck_assert_uint_eq(t->f.off.gso_type, OFFLOAD_GSO_UDP_L4);
	if (s->gso_size)
		ck_assert_uint_eq(t->f.off.hdr_len, IP4_HDR +
			(s->proto == PROTO_TCP ? TCP_HDR + s->opts : UDP_HDR));
}

static void round_trip(const struct shape *s, uint64_t *seed)
{
	struct test_frame t = shape_make(s, seed);
	size_t len = t.f.len;
	uint8_t *before = malloc(len);
	struct offload off = t.f.off;
	struct pair x;
	struct pkt p;

	memcpy(before, t.f.at, len);
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	x = pair_for(&p, seed);
	xlat_to_outer(&p, &x.out);
	ck_assert_uint_eq(t.f.len, len - 20);
	check_outer(s, &x, &t);
	ck_assert_int_eq(pkt_parse4(&p, &t.f), DROP_NONE);
	xlat_to_inner(&p, &x.in);
	ck_assert_uint_eq(t.f.len, len);
	ck_assert_mem_eq(t.f.at, before, len);
	ck_assert_mem_eq(&t.f.off, &off, sizeof(off));
	check_l4(&t.f, IP6_HDR, s->proto);
	free(before);
	test_frame_free(&t);
}

START_TEST(all_tos)
{
	uint64_t seed = 22;
	int tos;

	for (tos = 0; tos < 256; tos++) {
		struct shape s = { .proto = tos & 1 ? PROTO_UDP : PROTO_TCP,
				   .tos = (uint8_t)tos, .payload = 10 };

		round_trip(&s, &seed);
		s.partial = true;
		round_trip(&s, &seed);
	}
}
END_TEST

START_TEST(all_sizes)
{
	uint64_t seed = 23;
	size_t n;
	int k;

	for (n = 0; n < 1500; n += n < 64 ? 1 : 13) {
		for (k = 0; k < 4; k++) {
			struct shape s = {
				.proto = k & 1 ? PROTO_UDP : PROTO_TCP,
				.payload = n, .partial = k & 2,
				.opts = k & 1 ? 0 : 4 * (n % 11),
				.flags = (uint8_t)n,
			};

			round_trip(&s, &seed);
		}
	}
}
END_TEST

START_TEST(super_packets)
{
	uint64_t seed = 24;
	int i;

	for (i = 0; i < 200; i++) {
		struct shape s = {
			.proto = i & 1 ? PROTO_UDP : PROTO_TCP, .opts = 0,
			.payload = 1 + test_rand(&seed) % 65400,
			.gso_size = (uint16_t)(1 + test_rand(&seed) % 1460),
			.ecn = !(i & 1) && i & 2,
		};

		round_trip(&s, &seed);
	}
}
END_TEST

/* All 65536 checksums, by a payload that runs through all words: the corner
 * 0 / 0xffff is among them, on either side.
 */
START_TEST(all_checksums)
{
	struct shape s = { .proto = PROTO_UDP, .payload = 2 };
	uint64_t seed = 25;
	struct test_frame t = shape_make(&s, &seed);
	uint8_t before[50];
	int v, mangled_out = 0, mangled_in = 0;
	struct pair x;
	struct pkt p;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	x = pair_for(&p, &seed);
	for (v = 0; v < 65536; v++) {
		put16(t.f.at + IP6_HDR + 8, (uint16_t)v);
		put16(t.f.at + IP6_HDR + 6, 0);
		shape_csum(&s, &t.f);
		memcpy(before, t.f.at, sizeof(before));
		ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
		mangled_in += get16(t.f.at + IP6_HDR + 6) == 0xffff;
		xlat_to_outer(&p, &x.out);
		check_l4(&t.f, IP4_HDR, PROTO_UDP);
		mangled_out += get16(t.f.at + IP4_HDR + 6) == 0xffff;
		ck_assert_int_eq(pkt_parse4(&p, &t.f), DROP_NONE);
		xlat_to_inner(&p, &x.in);
		ck_assert_mem_eq(t.f.at, before, sizeof(before));
	}
	ck_assert_int_gt(mangled_in, 0);
	ck_assert_int_gt(mangled_out, 0);
	test_frame_free(&t);
}
END_TEST

/* The same outer addresses and ports as inner sums: a difference of 0, in both
 * its forms.
 */
START_TEST(no_difference)
{
	struct shape s = { .proto = PROTO_UDP, .payload = 9 };
	uint64_t seed = 26;
	struct test_frame t = shape_make(&s, &seed);
	uint16_t sum = slow_sum(0, t.f.at + 8, 32);
	struct tuple4 t4 = { 0, sum, 0, 0, PROTO_UDP };
	struct tuple6 t6;
	struct xlat_outer x;
	struct pkt p;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	t4.sport = p.sport;
	t4.dport = p.dport;
	t6 = (struct tuple6){ p.src6, p.dst6, p.sport, p.dport, PROTO_UDP };
	xlat_outer_init(&x, &t6, &t4);
	ck_assert(x.delta == 0 || x.delta == 0xffff);
	xlat_to_outer(&p, &x);
	check_l4(&t.f, IP4_HDR, PROTO_UDP);
	test_frame_free(&t);
}
END_TEST

/* A datagram without checksum, ordinary and merged by a kernel */
START_TEST(outer_udp_without_checksum)
{
	uint64_t seed = 27;
	int i;

	for (i = 0; i < 100; i++) {
		struct shape s = { .proto = PROTO_UDP,
				   .payload = (size_t)i,
				   .gso_size = i > 50 ? 7 : 0,
				   .partial = i > 80 };
		struct test_frame t = shape_make(&s, &seed);
		struct pair x;
		struct pkt p;

		ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
		x = pair_for(&p, &seed);
		xlat_to_outer(&p, &x.out);
		put16(t.f.at + IP4_HDR + 6, 0);
		ck_assert_int_eq(pkt_parse4(&p, &t.f), DROP_NONE);
		xlat_to_inner(&p, &x.in);
		check_l4(&t.f, IP6_HDR, PROTO_UDP);
		test_frame_free(&t);
	}
}
END_TEST

/* What is computed here is never 0 either. */
START_TEST(filled_checksum_not_zero)
{
	struct shape s = { .proto = PROTO_UDP, .payload = 2 };
	uint64_t seed = 29;
	struct test_frame t = shape_make(&s, &seed);
	int v, mangled = 0;
	struct pair x;
	struct pkt p;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	x = pair_for(&p, &seed);
	for (v = 0; v < 65536; v++) {
		put16(t.f.at + IP6_HDR + 8, (uint16_t)v);
		xlat_to_outer(&p, &x.out);
		put16(t.f.at + IP4_HDR + 6, 0);
		xlat_to_inner(&p, &x.in);
		check_l4(&t.f, IP6_HDR, PROTO_UDP);
		mangled += get16(t.f.at + IP6_HDR + 6) == 0xffff;
	}
	ck_assert_int_gt(mangled, 0);
	test_frame_free(&t);
}
END_TEST

START_TEST(headers)
{
	uint8_t six[IP6_HDR], four[IP4_HDR];
	struct addr6 a = { { 1 } }, b = { { 2 } };

	ip6_header(six, &a, &b, 17, 1234, 0xb9, 0xfff54321, 7);
	ck_assert_uint_eq(get32(six), 0x6b954321);
	ck_assert_uint_eq(get32(six + 4), 1234u << 16 | 17 << 8 | 7);
	ck_assert_mem_eq(six + 8, &a, 16);
	ck_assert_mem_eq(six + 24, &b, 16);
	ip4_header(four, 0x01020304, 0x05060708, 6, 100, 3, 9);
	ck_assert_uint_eq(get16(four + 2), 120);
	ck_assert_uint_eq(slow_sum(0, four, IP4_HDR), 0xffff);
}
END_TEST

static const struct tcp_opts all_opts = {
	.mss = 1440, .scale = 7, .has_scale = true, .sack_ok = true,
	.has_ts = true, .ts_val = 0x01020304, .ts_ecr = 0x05060708,
};

/* Every combination of options is written so that it reads the same. */
START_TEST(tcp_built)
{
	unsigned int bits;

	for (bits = 0; bits < 64; bits++) {
		struct tcp_opts o = all_opts;
		uint8_t flags = bits & 16 ? TCP_SYN | TCP_ACK : TCP_ACK;
		struct tcp_seg s = {
			.t = { 0xc0000201, 0xc6336401, 61000, 62000, 0 },
			.seq = 0xfffffff0, .ack = 77, .win = 65535,
			.flags = flags, .opts = &o,
			.payload = { (const uint8_t *)"odd", bits & 32 ? 3 : 0 },
		};
		uint8_t room[IP4_HDR + 60 + 3];
		struct writer w = writer_of(room, sizeof(room));
		struct frame f = { room, 0, { 0 } };
		struct pkt p;

		o.mss = bits & 1 ? 1440 : 0;
		o.has_scale = bits & 2;
		o.sack_ok = bits & 4;
		o.has_ts = bits & 8;
		f.len = tcp_build(&w, &s);
		ck_assert_uint_eq(f.len, w.len);
		ck_assert_int_eq(pkt_parse4(&p, &f), DROP_NONE);
		ck_assert_uint_eq(p.l4, PROTO_TCP);
		ck_assert_uint_eq(p.seq, s.seq);
		ck_assert_uint_eq(p.ack, 77);
		ck_assert_uint_eq(p.win, 65535);
		ck_assert_uint_eq(p.flags, flags);
		ck_assert_uint_eq(p.sport, 61000);
		ck_assert_uint_eq(p.dport, 62000);
		ck_assert_uint_eq(p.payload, s.payload.len);
		ck_assert_int_eq(p.opts.has_ts, o.has_ts);
		ck_assert_uint_eq(p.opts.ts_val, o.has_ts ? 0x01020304 : 0);
		ck_assert_uint_eq(p.opts.ts_ecr, o.has_ts ? 0x05060708 : 0);
		if (flags & TCP_SYN) {
			ck_assert_uint_eq(p.opts.mss, o.mss);
			ck_assert_int_eq(p.opts.sack_ok, o.sack_ok);
			ck_assert_int_eq(p.opts.has_scale, o.has_scale);
		} else {
			ck_assert_uint_eq(p.opts.mss, 0);
			ck_assert(!p.opts.sack_ok && !p.opts.has_scale);
		}
		check_l4(&f, IP4_HDR, PROTO_TCP);
	}
}
END_TEST

/* Whatever room there is: all or nothing. */
START_TEST(built_or_not)
{
	struct tcp_seg s = { .t = { 1, 2, 3, 4, 0 }, .flags = TCP_SYN,
			     .opts = &all_opts };
	struct tuple4 t = { 1, 2, 3, 4, 0 };
	size_t cap;

	for (cap = 0; cap < 70; cap++) {
		uint8_t *room = malloc(cap + !cap);
		struct writer w = writer_of(room, cap);

		ck_assert_uint_eq(tcp_build(&w, &s), cap < 60 ? 0 : 60);
		w = writer_of(room, cap);
		ck_assert_uint_eq(udp_build(&w, &t, (struct span){ room, 0 }),
				  cap < 28 ? 0 : 28);
		free(room);
	}
}
END_TEST

START_TEST(udp_built)
{
	int v, mangled = 0;

	for (v = 0; v < 66000; v++) {
		uint8_t room[64], payload[5] = { 1, 2, 0, 0, 3 };
		struct writer w = writer_of(room, sizeof(room));
		struct tuple4 t = { 0xc0000201, 0xc6336401, 61000, 6464, 0 };
		struct frame f = { room, 0, { 0 } };
		struct pkt p;

		put16(payload + 2, (uint16_t)v);
		f.len = udp_build(&w, &t, (struct span){ payload, 5 });
		ck_assert_uint_eq(f.len, 33);
		ck_assert_int_eq(pkt_parse4(&p, &f), DROP_NONE);
		ck_assert_uint_eq(p.l4, PROTO_UDP);
		ck_assert_mem_eq(room + 28, payload, 5);
		check_l4(&f, IP4_HDR, PROTO_UDP);
		mangled += get16(room + 26) == 0xffff;
	}
	ck_assert_int_gt(mangled, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("xlat");
	TCase *t = tcase_create("xlat");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, all_tos);
	tcase_add_test(t, all_sizes);
	tcase_add_test(t, super_packets);
	tcase_add_test(t, all_checksums);
	tcase_add_test(t, no_difference);
	tcase_add_test(t, outer_udp_without_checksum);
	tcase_add_test(t, filled_checksum_not_zero);
	tcase_add_test(t, headers);
	tcase_add_test(t, tcp_built);
	tcase_add_test(t, built_or_not);
	tcase_add_test(t, udp_built);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
