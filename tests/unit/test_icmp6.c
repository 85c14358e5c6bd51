/* SPDX-License-Identifier: MIT
 *
 * test_icmp6.c - our ICMPv6 errors, and what gets none
 */
#include <check.h>
#include <stdlib.h>

#include "core/icmp6.h"
#include "tests/unit/packets.h"

static const struct addr6 hub = { { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };

static void error_about(size_t payload)
{
	struct shape s = { .proto = PROTO_UDP, .payload = payload };
	uint64_t seed = 30;
	struct test_frame t = shape_make(&s, &seed);
	size_t want = t.f.len + 48 < 1280 ? t.f.len + 48 : 1280, cap;
	uint8_t *room = malloc(want);
	struct writer w;
	struct frame f = { room, want, { 0 } };
	struct pkt p, e;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	for (cap = 0; cap < want; cap += 47) {
		w = writer_of(room, cap);
		ck_assert_uint_eq(icmp6_error(&w, &hub, 2, 0, 1480, &p), 0);
	}
	w = writer_of(room, want);
	ck_assert_uint_eq(icmp6_error(&w, &hub, ICMP6_TOO_BIG, 0, 1480, &p),
			  want);
	ck_assert_uint_eq(w.len, want);
	ck_assert_int_eq(pkt_parse6(&e, &f), DROP_NONE);
	ck_assert_uint_eq(f.len, want);
	ck_assert_uint_eq(e.l4, PROTO_ICMP6);
	ck_assert_uint_eq(e.icmp_type, 2);
	ck_assert_uint_eq(e.icmp_code, 0);
	ck_assert_uint_eq(e.hop, 64);
	ck_assert_uint_eq(get32(room + 44), 1480);
	ck_assert(addr6_eq(&e.src6, &hub));
	ck_assert(addr6_eq(&e.dst6, &p.src6));
	ck_assert_mem_eq(room + 48, t.f.at, want - 48);
	ck_assert_uint_eq(slow_l4_sum6(room, room + 40, want - 40, 58),
			  0xffff);
	ck_assert(!icmp6_may_answer(&e, false));
	free(room);
	test_frame_free(&t);
}

START_TEST(written)
{
	size_t n;

	for (n = 0; n < 1500; n += 31)
		error_about(n);
	error_about(1280 - 48 - 48);
	error_about(1280 - 48 - 47);
}
END_TEST

START_TEST(codes)
{
	struct shape s = { .proto = PROTO_TCP };
	uint64_t seed = 31;
	struct test_frame t = shape_make(&s, &seed);
	uint8_t room[1280];
	struct writer w = writer_of(room, sizeof(room));
	struct pkt p;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	icmp6_error(&w, &hub, ICMP6_UNREACH, ICMP6_UNREACH_SOURCE, 0, &p);
	ck_assert_uint_eq(room[40], 1);
	ck_assert_uint_eq(room[41], 5);
	ck_assert_uint_eq(get32(room + 44), 0);
	test_frame_free(&t);
}
END_TEST

/* A packet with the headers of @chain (a byte each) and @icmp's type behind */
static bool answered(const uint8_t *chain, size_t n, uint8_t type,
		     size_t cut_off)
{
	uint8_t b[256] = { 0x60 };
	size_t at = IP6_HDR, i;
	struct test_frame t;
	struct pkt p;
	bool may;

	b[6] = chain[0];
	put32(b + 8, 0x20010db8);
	put32(b + 24, 0x20010db8);
	b[23] = b[39] = 1;
	for (i = 0; i + 1 < n; i++, at += 8)
		b[at] = chain[i + 1];
	b[at] = type;
	at += 8 - cut_off;
	put16(b + 4, (uint16_t)(at - IP6_HDR));
	t = test_frame_of(b, at);
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	may = icmp6_may_answer(&p, false);
	test_frame_free(&t);
	return may;
}

#define CHAIN(...) (const uint8_t[]){ __VA_ARGS__ }, \
	sizeof((const uint8_t[]){ __VA_ARGS__ })

/* RFC 4443, 2.4 e */
START_TEST(errors_about_errors)
{
	size_t cut;

	ck_assert(answered(CHAIN(58), 128, 0));
	ck_assert(answered(CHAIN(58), 135, 0));
	ck_assert(!answered(CHAIN(58), 1, 0));
	ck_assert(!answered(CHAIN(58), 127, 0));
	ck_assert(!answered(CHAIN(58), 137, 0));	/* redirect */
	ck_assert(answered(CHAIN(50), 1, 0));		/* ESP: no ICMP seen */
	ck_assert(answered(CHAIN(0, 43, 60, 58), 128, 0));
	ck_assert(!answered(CHAIN(0, 43, 60, 58), 3, 0));
	ck_assert(answered(CHAIN(44, 58), 128, 0));	/* first fragment */
	ck_assert(!answered(CHAIN(44, 58), 1, 0));
	ck_assert(!answered(CHAIN(44, 60, 58), 1, 0));
	ck_assert(answered(CHAIN(44, 17), 1, 0));
	/* too short to tell */
	for (cut = 1; cut < 8; cut++) {
		ck_assert(answered(CHAIN(58), 128, cut));
		ck_assert(!answered(CHAIN(58), 1, cut));
		ck_assert(!answered(CHAIN(60, 60), 59, cut));
	}
	ck_assert(!answered(CHAIN(58), 128, 8));
	ck_assert(!answered(CHAIN(60, 58), 128, 8));
	/* a chain longer than any honest one */
	ck_assert(!answered(CHAIN(60, 60, 60, 60, 60, 60, 60, 60, 60, 17), 1,
			    0));
}
END_TEST

START_TEST(addresses_and_fragments)
{
	struct shape s = { .proto = PROTO_UDP, .payload = 20 };
	uint64_t seed = 32;
	struct test_frame t = shape_make(&s, &seed);
	struct pkt p, q;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert(icmp6_may_answer(&p, false));
	q = p;
	q.src6.b[0] = 0xff;
	ck_assert(!icmp6_may_answer(&q, true));
	q = p;
	memset(&q.src6, 0, 16);
	ck_assert(!icmp6_may_answer(&q, true));
	q = p;
	q.dst6.b[0] = 0xff;
	ck_assert(!icmp6_may_answer(&q, false));
	ck_assert(icmp6_may_answer(&q, true));
	t.f.at[6] = PROTO_FRAGMENT;
	put32(t.f.at + 40, 17u << 24 | 8 << 3 | 1);
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert(!icmp6_may_answer(&p, true));
	test_frame_free(&t);
}
END_TEST

/* Whatever the parser takes can be asked about. */
START_TEST(hostile)
{
	static const uint8_t nh[] = { 0, 43, 44, 58, 60, 17 };
	uint64_t seed = 33;
	int i, yes = 0;

	for (i = 0; i < 100000; i++) {
		uint8_t b[120];
		size_t len = IP6_HDR + test_rand(&seed) % 80, n;
		struct test_frame t;
		struct pkt p;

		test_fill(&seed, b, sizeof(b));
		for (n = IP6_HDR; n < sizeof(b); n += 8) {
			b[n] = nh[test_rand(&seed) % 6];
			b[n + 1] %= 4;
		}
		b[0] = 0x60;
		b[6] = nh[test_rand(&seed) % 6];
		put16(b + 4, (uint16_t)(len - IP6_HDR));
		t = test_frame_of(b, len);
		if (pkt_parse6(&p, &t.f) == DROP_NONE)
			yes += icmp6_may_answer(&p, true);
		test_frame_free(&t);
	}
	ck_assert_int_gt(yes, 100);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("icmp6");
	TCase *t = tcase_create("icmp6");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, written);
	tcase_add_test(t, codes);
	tcase_add_test(t, errors_about_errors);
	tcase_add_test(t, addresses_and_fragments);
	tcase_add_test(t, hostile);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
