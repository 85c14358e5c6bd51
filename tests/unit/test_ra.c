/* SPDX-License-Identifier: MIT
 *
 * test_ra.c - bytes, times and checks of router advertisements
 */
#include <check.h>
#include <stdlib.h>

#include "net/ra.h"

static struct rand rnd;

static struct ra_conf conf(void)
{
	struct ra_conf c = {
		.link = 3,
		.mac = { 0x02, 0x00, 0x5e, 0x10, 0x00, 0x01 },
		.mac_len = 6,
		.mtu = 1500,
		.dns_count = 1,
	};

	ck_assert(prefix6_parse(&c.prefix, "2001:db8:100:1::/64"));
	ck_assert(addr6_parse(&c.dns[0], "2001:db8:100:1::53"));
	return c;
}

/* Laid out by hand from RFC 4861, 4.2, 4.6 and RFC 8106, 5.1. */
static const uint8_t golden[] = {
	134, 0, 0, 0,  64, 0x00, 0x07, 0x08,	/* lifetime 1800 */
	0, 0, 0, 0,  0, 0, 0, 0,
	1, 1, 0x02, 0x00, 0x5e, 0x10, 0x00, 0x01,
	5, 1, 0, 0,  0, 0, 0x05, 0xdc,
	3, 4, 64, 0xc0,  0, 0, 0x15, 0x18,  0, 0, 0x0a, 0x8c,  0, 0, 0, 0,
	0x20, 0x01, 0x0d, 0xb8, 0x01, 0x00, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0,
	25, 3, 0, 0,  0, 0, 0x07, 0x08,
	0x20, 0x01, 0x0d, 0xb8, 0x01, 0x00, 0x00, 0x01,
	0, 0, 0, 0, 0, 0, 0, 0x53,
};

START_TEST(bytes)
{
	struct ra_conf c = conf();
	uint8_t b[RA_BYTES];

	ck_assert_uint_eq(ra_build(&c, true, b), sizeof(golden));
	ck_assert_mem_eq(b, golden, sizeof(golden));
}
END_TEST

START_TEST(bytes_when_not_alive)
{
	struct ra_conf c = conf();
	uint8_t b[RA_BYTES];

	ck_assert_uint_eq(ra_build(&c, false, b), sizeof(golden));
	ck_assert_uint_eq(get16(b + 6), 0);		/* router */
	ck_assert_uint_eq(get32(b + 36), 5400);		/* valid */
	ck_assert_uint_eq(get32(b + 40), 0);		/* preferred */
	ck_assert_uint_eq(get32(b + 68), 0);		/* resolver */
}
END_TEST

START_TEST(options_are_optional)
{
	struct ra_conf c = conf();
	uint8_t b[RA_BYTES];
	int i;

	c.dns_count = 0;
	c.mtu = 0;
	ck_assert_uint_eq(ra_build(&c, true, b), 16 + 8 + 32);
	c.mac_len = 0;
	c.prefix.len = 80;	/* no SLAAC there */
	ck_assert_uint_eq(ra_build(&c, true, b), 16);
	c = conf();
	c.dns_count = RA_DNS;
	for (i = 1; i < RA_DNS; i++)
		c.dns[i] = c.dns[0];
	ck_assert_uint_eq(ra_build(&c, true, b), RA_BYTES);
	ck_assert_uint_eq(b[65], 1 + 2 * RA_DNS);
}
END_TEST

/* RFC 4861, 6.1.1, one row per rule. */
static const struct {
	const char *rule;
	uint8_t b[24];
	size_t len;
	int hops;
	bool is_from_none, is_ok;
} solicitations[] = {
	{ "plain", { 133 }, 8, 255, false, true },
	{ "from ::, no option", { 133 }, 8, 255, true, true },
	{ "link-layer address", { 133, [8] = 1, 1 }, 16, 255, false, true },
	{ "the same from ::", { 133, [8] = 1, 1 }, 16, 255, true, false },
	{ "unknown option", { 133, [8] = 99, 2 }, 24, 255, true, true },
	{ "hop limit", { 133 }, 8, 254, false, false },
	{ "no hop limit", { 133 }, 8, -1, false, false },
	{ "code", { 133, 1 }, 8, 255, false, false },
	{ "short", { 133 }, 7, 255, false, false },
	{ "empty", { 0 }, 0, 255, false, false },
	{ "another type", { 134 }, 16, 255, false, false },
	{ "option of length 0", { 133, [8] = 1, 0 }, 16, 255, false, false },
	{ "option cut", { 133, [8] = 1, 2 }, 16, 255, false, false },
	{ "half an option", { 133, [8] = 1 }, 9, 255, false, false },
};

START_TEST(what_is_a_solicitation)
{
	struct addr6 from = { { 0xfe, 0x80, [15] = 1 } }, none = { { 0 } };
	size_t i;

	for (i = 0; i < sizeof(solicitations) / sizeof(*solicitations); i++) {
		struct span s = { solicitations[i].b, solicitations[i].len };
		bool is_ok = ra_solicitation_ok(s, solicitations[i].hops,
				solicitations[i].is_from_none ? &none : &from);

		ck_assert_msg(is_ok == solicitations[i].is_ok, "%s",
			      solicitations[i].rule);
	}
}
END_TEST

/* Run until @count more are sent; the time of the last. */
static msec run(struct ra *r, uint64_t count)
{
	msec now = 0;

	for (count += r->sent; r->sent < count;) {
		now = ra_deadline(r);
		ra_tick(r, now);
	}
	return now;
}

START_TEST(periodic)
{
	struct ra_conf c = conf();
	msec a, b, lo = NEVER, hi = 0;
	struct ra r;
	int i;

	ra_init(&r, &c, &rnd, 1000);
	ck_assert(ra_deadline(&r) == 1000);
	ra_tick(&r, 999);
	ck_assert_uint_eq(r.sent, 0);
	a = run(&r, 1);
	for (i = 1; i < RA_INITIAL_COUNT; i++, a = b) {
		b = run(&r, 1);
		ck_assert(b - a >= 3000 && b - a <= 16000);
	}
	for (i = 0; i < 200; i++, a = b) {
		b = run(&r, 1);
		ck_assert(b - a >= 200000 && b - a <= 600000);
		lo = b - a < lo ? b - a : lo;
		hi = b - a > hi ? b - a : hi;
	}
	/* random, not a choice of two */
	ck_assert(lo < 230000 && hi > 570000);
}
END_TEST

START_TEST(solicited)
{
	struct ra_conf c = conf();
	struct ra r;
	msec t;
	int i;

	ra_init(&r, &c, &rnd, 1000);
	t = run(&r, 10);
	/* long after the last one: within half a second */
	ra_solicited(&r, t + 100000);
	ck_assert(ra_deadline(&r) >= t + 100000);
	ck_assert(ra_deadline(&r) <= t + 100500);
	t = run(&r, 1);
	/* a flood: one per three seconds */
	for (i = 0; i < 1000; i++)
		ra_solicited(&r, t + (msec)i);
	ck_assert(ra_deadline(&r) >= t + 3000);
	ck_assert(ra_deadline(&r) <= t + 3000 + 500);
	/* an earlier date stays */
	t = ra_deadline(&r);
	ra_solicited(&r, t - 1);
	ck_assert(ra_deadline(&r) <= t);
}
END_TEST

START_TEST(changed)
{
	struct ra_conf c = conf();
	struct ra r;
	msec a, b;

	ra_init(&r, &c, &rnd, 1000);
	a = run(&r, 10) + 60 * 1000;
	ra_again(&r, a);
	ck_assert_uint_eq(run(&r, 1), a);
	for (int i = 1; i < RA_INITIAL_COUNT; i++, a = b) {
		b = run(&r, 1);
		ck_assert_uint_le(b - a, RA_INITIAL_INTERVAL_MS);
	}
}
END_TEST

START_TEST(dead_and_alive_again)
{
	struct ra_conf c = conf();
	struct ra r;
	msec t, u;

	ra_init(&r, &c, &rnd, 1000);
	t = run(&r, 5);
	ra_set_alive(&r, false, t + 50);
	ck_assert(ra_deadline(&r) == t + 50);
	ck_assert(!r.is_alive);
	t = run(&r, 3);
	u = run(&r, 1);
	ck_assert(u - t >= 200000);
	ra_set_alive(&r, false, u + 10);	/* no change: nothing */
	ck_assert(ra_deadline(&r) > u + 1000);
	ra_set_alive(&r, true, u + 10);
	ck_assert(ra_deadline(&r) == u + 10);
	t = run(&r, 2);
	ck_assert(t <= u + 10 + 16000);
}
END_TEST

int main(void)
{
	static const uint8_t seed[32] = { 7 };
	Suite *s = suite_create("ra");
	TCase *t = tcase_create("ra");
	SRunner *sr = srunner_create(s);
	int failed;

	rand_init(&rnd, seed);
	suite_add_tcase(s, t);
	tcase_add_test(t, bytes);
	tcase_add_test(t, bytes_when_not_alive);
	tcase_add_test(t, options_are_optional);
	tcase_add_test(t, what_is_a_solicitation);
	tcase_add_test(t, periodic);
	tcase_add_test(t, solicited);
	tcase_add_test(t, changed);
	tcase_add_test(t, dead_and_alive_again);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
