/* SPDX-License-Identifier: MIT
 *
 * test_cut.c - pieces of a super-packet: each complete, together the whole
 */
#include <check.h>
#include <stdlib.h>

#include "core/cut.h"
#include "tests/unit/packets.h"

/* struct whole - what the pieces of a packet add up to */
struct whole {
	const struct shape *s;
	const struct test_frame *t;
	size_t hdr, payload;	/* so far */
	uint32_t index;
	size_t largest;
	bool last;
};

/* A piece as one packet, in memory of its size */
static struct test_frame join(const struct piece *pc)
{
	size_t len = pc->head.len + pc->body.len;
	uint8_t *b = malloc(len);
	struct test_frame t;

	if (pc->head.len)
		memcpy(b, pc->head.at, pc->head.len);
	memcpy(b + pc->head.len, pc->body.at, pc->body.len);
	t = test_frame_of(b, len);
	free(b);
	return t;
}

static void check_tcp(const struct whole *w, const uint8_t *tcp)
{
	const uint8_t *was = w->t->f.at + shape_l4(w->s);
	uint8_t flags = w->s->flags;

	ck_assert_uint_eq(get32(tcp + 4),
			  (uint32_t)(get32(was + 4) + w->payload));
	if (!w->last)
		flags &= (uint8_t)~(TCP_FIN | TCP_PSH);
	if (w->index)
		flags &= (uint8_t)~TCP_CWR;
	ck_assert_uint_eq(tcp[13], flags);
	ck_assert_mem_eq(tcp + 8, was + 8, 5);
	ck_assert_mem_eq(tcp + 14, was + 14, 2);
	ck_assert_mem_eq(tcp + 18, was + 18, 2 + w->s->opts);
}

static void check_piece(struct whole *w, const struct piece *pc)
{
	struct test_frame t = join(pc);
	size_t l4 = shape_l4(w->s), n = t.f.len - w->hdr;
	const uint8_t *ip = t.f.at;
	struct pkt p;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_uint_eq(t.f.len, pc->head.len + pc->body.len);
	ck_assert_mem_eq(ip, w->t->f.at, 4);
	ck_assert_mem_eq(ip + 6, w->t->f.at + 6, l4 - 6);
	ck_assert_uint_eq(get32(ip + l4), get32(w->t->f.at + l4));
	ck_assert_uint_eq(slow_l4_sum6(ip, ip + l4, t.f.len - l4,
				       w->s->proto), 0xffff);
	w->last = w->payload + n == w->s->payload;
	if (w->s->proto == PROTO_TCP) {
		check_tcp(w, ip + l4);
	} else {
		ck_assert_uint_eq(get16(ip + l4 + 4), n + UDP_HDR);
		ck_assert_uint_ne(get16(ip + l4 + 6), 0);
	}
	ck_assert_mem_eq(ip + w->hdr, w->t->f.at + w->hdr + w->payload, n);
	if (!w->last)
		ck_assert_uint_eq(n, w->s->gso_size);
	w->payload += n;
	w->index++;
	if (t.f.len > w->largest)
		w->largest = t.f.len;
	test_frame_free(&t);
}

static void cut_all(const struct shape *s, uint64_t *seed)
{
	struct test_frame t = shape_make(s, seed);
	uint8_t *room = malloc(CUT_HEAD), *before = malloc(t.f.len);
	struct whole w = { .s = s, .t = &t };
	struct piece pc;
	struct pkt p;
	struct cut c;
	uint32_t want = 1;

	w.hdr = shape_l4(s) +
		(s->proto == PROTO_TCP ? TCP_HDR + s->opts : UDP_HDR);
	if (s->gso_size)
		want = (uint32_t)((s->payload + s->gso_size - 1) /
				  s->gso_size);
	memcpy(before, t.f.at, t.f.len);
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_int_eq(cut_start(&c, &p), DROP_NONE);
	while (cut_next(&c, room, &pc))
		check_piece(&w, &pc);
	ck_assert(!cut_next(&c, room, &pc));
	ck_assert(w.last);
	ck_assert_uint_eq(w.payload, s->payload);
	ck_assert_uint_eq(w.index, want);
	ck_assert_uint_eq(w.largest, cut_largest(&p));
	ck_assert_mem_eq(before, t.f.at, t.f.len);
	free(before);
	free(room);
	test_frame_free(&t);
}

START_TEST(tcp_trains)
{
	uint64_t seed = 40;
	int i;

	for (i = 0; i < 300; i++) {
		struct shape s = {
			.proto = PROTO_TCP, .opts = 4 * (test_rand(&seed) % 11),
			.tos = (uint8_t)i, .flags = (uint8_t)test_rand(&seed),
			.payload = 1 + test_rand(&seed) % 20000,
			.gso_size = (uint16_t)(1 + test_rand(&seed) % 1460),
			.ecn = i & 1,
		};

		if (i % 3 == 0)	/* a last piece of full size */
			s.payload = s.gso_size * (1 + s.payload / s.gso_size);
		s.ext = i & 4 ? 8u * (1 + (unsigned int)i % 3) : 0;
		if (s.ext)
			s.opts %= 24;
		cut_all(&s, &seed);
	}
}
END_TEST

START_TEST(tcp_largest_train)
{
	struct shape s = { .proto = PROTO_TCP, .opts = 12, .gso_size = 1,
			   .payload = 65515 - 32, .flags = TCP_ACK | TCP_FIN };
	uint64_t seed = 41;

	s.gso_size = 1428;
	cut_all(&s, &seed);
	s.gso_size = 65535;
	cut_all(&s, &seed);
}
END_TEST

START_TEST(udp_trains)
{
	uint64_t seed = 42;
	int i;

	for (i = 0; i < 300; i++) {
		struct shape s = {
			.proto = PROTO_UDP, .tos = (uint8_t)i,
			.payload = 1 + test_rand(&seed) % 20000,
			.gso_size = (uint16_t)(1 + test_rand(&seed) % 1452),
			.ext = i & 1 ? 8 : 0,
		};

		cut_all(&s, &seed);
	}
}
END_TEST

/* A train of one: the checksum is completed. */
START_TEST(partial_checksum)
{
	uint64_t seed = 43;
	size_t n;
	int k;

	for (n = 0; n < 1400; n += n < 70 ? 1 : 17) {
		for (k = 0; k < 4; k++) {
			struct shape s = {
				.proto = k & 1 ? PROTO_UDP : PROTO_TCP,
				.payload = n, .partial = true,
				.ext = k & 2 ? 16 : 0, .flags = 0xff,
				.opts = k ? 0 : 12,
			};

			cut_all(&s, &seed);
		}
	}
}
END_TEST

/* UDP checksums of all values: never 0 on the wire */
START_TEST(partial_udp_zero)
{
	struct shape s = { .proto = PROTO_UDP, .payload = 2, .partial = true };
	uint64_t seed = 44;
	struct test_frame t = shape_make(&s, &seed);
	uint8_t room[CUT_HEAD];
	int v, mangled = 0;
	struct piece pc;
	struct cut c;
	struct pkt p;

	for (v = 0; v < 65536; v++) {
		put16(t.f.at + 48, (uint16_t)v);
		ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
		ck_assert_int_eq(cut_start(&c, &p), DROP_NONE);
		ck_assert(cut_next(&c, room, &pc));
		ck_assert_uint_ne(get16(room + 46), 0);
		mangled += get16(room + 46) == 0xffff;
	}
	ck_assert_int_gt(mangled, 0);
	test_frame_free(&t);
}
END_TEST

/* Complete already: one piece, all of it in the frame */
START_TEST(untouched)
{
	struct shape s = { .proto = PROTO_TCP, .payload = 100 };
	uint64_t seed = 45;
	struct test_frame t = shape_make(&s, &seed);
	uint8_t room[CUT_HEAD];
	struct piece pc;
	struct cut c;
	struct pkt p;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_int_eq(cut_start(&c, &p), DROP_NONE);
	ck_assert(cut_next(&c, room, &pc));
	ck_assert_uint_eq(pc.head.len, 0);
	ck_assert_ptr_eq(pc.body.at, t.f.at);
	ck_assert_uint_eq(pc.body.len, t.f.len);
	ck_assert(!cut_next(&c, room, &pc));
	ck_assert_uint_eq(cut_largest(&p), t.f.len);
	test_frame_free(&t);
}
END_TEST

/* TCP with all its options behind extension headers of any honest length */
START_TEST(long_headers)
{
	uint64_t seed = 48;

	for (size_t ext = 8; ext <= 1176; ext += 8) {
		struct shape s = { .proto = PROTO_TCP, .ext = ext, .opts = 40,
				   .payload = 100, .gso_size = 30 };

		cut_all(&s, &seed);
	}
}
END_TEST

/* Headers beyond CUT_HEAD */
START_TEST(headers_too_long)
{
	struct shape s = { .proto = PROTO_TCP, .ext = 1184, .opts = 40,
			   .payload = 100, .gso_size = 10 };
	uint64_t seed = 46;
	struct test_frame t = shape_make(&s, &seed);
	uint8_t room[CUT_HEAD];
	struct piece pc;
	struct cut c;
	struct pkt p;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_int_eq(cut_start(&c, &p), DROP_OFFLOAD);
	ck_assert(!cut_next(&c, room, &pc));
	ck_assert_uint_eq(cut_largest(&p), t.f.len);
	test_frame_free(&t);
}
END_TEST

/* Whatever the parser takes can be cut; what it refuses too. */
START_TEST(hostile)
{
	uint64_t seed = 47;
	int i, cut = 0;

	for (i = 0; i < 50000; i++) {
		struct shape s = {
			.proto = i & 1 ? PROTO_TCP : PROTO_UDP,
			.ext = i & 2 ? 8 : 0, .payload = test_rand(&seed) % 90,
			.gso_size = (uint16_t)(i & 4 ? 1 + i % 50 : 0),
			.partial = i & 8,
		};
		struct test_frame t = shape_make(&s, &seed);
		uint8_t *room = malloc(CUT_HEAD), *o = (uint8_t *)&t.f.off;
		size_t n, sum = 0;
		struct piece pc;
		struct cut c;
		struct pkt p;

		for (n = test_rand(&seed) % 4; n; n--)
			o[test_rand(&seed) % sizeof(t.f.off)] =
				(uint8_t)test_rand(&seed);
		for (n = test_rand(&seed) % 3; n; n--)
			t.f.at[test_rand(&seed) % t.f.len] =
				(uint8_t)test_rand(&seed);
		if (pkt_parse6(&p, &t.f) != DROP_NONE)
			p = (struct pkt){ .f = &t.f };
		if (t.f.len >= IP6_HDR && cut_start(&c, &p) == DROP_NONE) {
			for (n = 0; cut_next(&c, room, &pc); n++)
				sum += slow_sum(0, pc.body.at, pc.body.len);
			ck_assert_uint_ge(n, 1);
			cut++;
		}
		ck_assert_uint_le(cut_largest(&p), t.f.len);
		(void)sum;
		free(room);
		test_frame_free(&t);
	}
	ck_assert_int_gt(cut, 1000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cut");
	TCase *t = tcase_create("cut");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, tcp_trains);
	tcase_add_test(t, tcp_largest_train);
	tcase_add_test(t, udp_trains);
	tcase_add_test(t, partial_checksum);
	tcase_add_test(t, partial_udp_zero);
	tcase_add_test(t, untouched);
	tcase_add_test(t, long_headers);
	tcase_add_test(t, headers_too_long);
	tcase_add_test(t, hostile);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
