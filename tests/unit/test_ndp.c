/* SPDX-License-Identifier: MIT
 *
 * test_ndp.c - what is a neighbour solicitation, and the answer's bytes
 */
#include <check.h>
#include <stdlib.h>

#include "core/csum.h"
#include "net/ndp.h"

/* Seen on a link: fe80::1 asks ff02::1:ff00:5 who 2001:db8:100:7::5 is. */
static const uint8_t plain[72] = {
	0x60, 0, 0, 0,  0, 32, 58, 255,
	0xfe, 0x80, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 1,
	0xff, 0x02, 0, 0, 0, 0, 0, 0,  0, 0, 0, 1, 0xff, 0, 0, 5,
	135, 0, 0, 0,  0, 0, 0, 0,
	0x20, 0x01, 0x0d, 0xb8, 0x01, 0, 0, 7,  0, 0, 0, 0, 0, 0, 0, 5,
	1, 1, 2, 0, 0x5e, 0x10, 0, 1,
};

static void seal(uint8_t *p)
{
	struct addr6 src, dst;
	uint16_t len = get16(p + 4);

	memcpy(&src, p + 8, 16);
	memcpy(&dst, p + 24, 16);
	put16(p + 42, 0);
	put16(p + 42, (uint16_t)~csum_bytes(csum_pseudo6(&src, &dst, len, 58),
					    p + 40, len));
}

/* One change each; @at2 != 0: a second one. */
static const struct {
	const char *rule;
	unsigned at, value, at2, value2;
	bool is_ok;
} rows[] = {
	{ "plain", 0, 0x60, 0, 0, true },
	{ "no option", 5, 24, 0, 0, true },
	{ "unknown option", 64, 77, 0, 0, true },
	{ "to our unicast address", 24, 0x20, 0, 0, true },
	{ "version", 0, 0x40, 0, 0, false },
	{ "next header", 6, 17, 0, 0, false },
	{ "hop limit", 7, 254, 0, 0, false },
	{ "type", 40, 136, 0, 0, false },
	{ "code", 41, 1, 0, 0, false },
	{ "short payload", 5, 23, 0, 0, false },
	{ "payload beyond the end", 5, 40, 0, 0, false },
	{ "half an option", 5, 28, 0, 0, false },
	{ "option of length 0", 65, 0, 0, 0, false },
	{ "multicast target", 48, 0xff, 0, 0, false },
	{ "multicast source", 8, 0xff, 0, 0, false },
};

START_TEST(what_is_a_solicitation)
{
	struct ndp_question q;
	uint8_t p[72];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memcpy(p, plain, sizeof(p));
		p[rows[i].at] = (uint8_t)rows[i].value;
		if (get16(p + 4) <= 32)
			seal(p);
		ck_assert_msg(ndp_parse((struct span){ p, sizeof(p) }, &q) ==
			      rows[i].is_ok, "%s", rows[i].rule);
	}
	memcpy(p, plain, sizeof(p));
	seal(p);
	ck_assert(ndp_parse((struct span){ p, sizeof(p) }, &q));
	ck_assert_uint_eq(q.target.b[15], 5);
	ck_assert_uint_eq(q.from.b[15], 1);
	p[55] ^= 1;
	ck_assert(!ndp_parse((struct span){ p, sizeof(p) }, &q));
	/* cut anywhere */
	p[55] ^= 1;
	for (i = 0; i < sizeof(p); i++) {
		uint8_t *cut = malloc(i + 1);

		memcpy(cut, p, i);
		ck_assert(!ndp_parse((struct span){ cut, i }, &q));
		free(cut);
	}
}
END_TEST

/* Duplicate address detection (RFC 4862, 5.4.3). */
START_TEST(from_nobody)
{
	struct ndp_question q;
	uint8_t p[72];

	memcpy(p, plain, sizeof(p));
	memset(p + 8, 0, 16);
	seal(p);
	ck_assert(!ndp_parse((struct span){ p, sizeof(p) }, &q));
	p[5] = 24;		/* no option: fine */
	seal(p);
	ck_assert(ndp_parse((struct span){ p, sizeof(p) }, &q));
	p[39] = 6;		/* another group */
	seal(p);
	ck_assert(!ndp_parse((struct span){ p, sizeof(p) }, &q));
}
END_TEST

START_TEST(answers)
{
	static const uint8_t want[] = {
		136, 0, 0, 0,  0xc0, 0, 0, 0,
		0x20, 0x01, 0x0d, 0xb8, 0x01, 0, 0, 7,
		0, 0, 0, 0, 0, 0, 0, 5,
		2, 1, 2, 0, 0x5e, 0x10, 0, 9,
	};
	struct ndp_conf c = { .mac = { 2, 0, 0x5e, 0x10, 0, 9 },
			      .mac_len = 6 };
	uint8_t p[72], out[NDP_ANSWER];
	struct ndp_question q;

	memcpy(p, plain, sizeof(p));
	seal(p);
	ck_assert(ndp_parse((struct span){ p, sizeof(p) }, &q));
	ck_assert_uint_eq(ndp_build(&c, &q, out), sizeof(want));
	ck_assert_mem_eq(out, want, sizeof(want));
	memset(&q.from, 0, sizeof(q.from));
	ndp_build(&c, &q, out);
	ck_assert_uint_eq(out[4], 0x80);	/* not solicited by anyone */
	c.mac_len = 0;
	ck_assert_uint_eq(ndp_build(&c, &q, out), 24);
}
END_TEST

START_TEST(budget)
{
	struct ndp n = { .tokens = NDP_BURST, .refilled = 1000 };
	unsigned i, given = 0;

	for (i = 0; i < 10000; i++)
		given += ndp_allow(&n, 1000);
	ck_assert_uint_eq(given, NDP_BURST);
	for (i = 0; i < 10000; i++)
		given += ndp_allow(&n, 1000 + i / 10);
	ck_assert_uint_eq(given, NDP_BURST + 999);
	given = 0;
	for (i = 0; i < 10000; i++)
		given += ndp_allow(&n, (msec)1 << 40);
	ck_assert_uint_eq(given, NDP_BURST);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndp");
	TCase *t = tcase_create("ndp");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, what_is_a_solicitation);
	tcase_add_test(t, from_nobody);
	tcase_add_test(t, answers);
	tcase_add_test(t, budget);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
