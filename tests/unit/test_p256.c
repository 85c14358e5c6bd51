/* SPDX-License-Identifier: MIT
 *
 * test_p256.c - our P-256 against BearSSL's, and against what cannot be
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/p256.h"
#include "tests/unit/packets.h"

enum { POINT = 65, SCALAR = 32, CURVE = BR_EC_secp256r1 };

static const br_ec_impl *ours, *theirs;

static void setup(void)
{
	theirs = &br_ec_p256_m31;
	ours = p256_64();
	if (!ours) /* a machine without 128-bit products has nothing to test */
		ours = theirs;
}

static void random_scalar(uint64_t *seed, uint8_t to[static SCALAR])
{
	test_fill(seed, to, SCALAR);
	to[0] &= 0x7f; /* below the order */
}

/* A random point */
static void random_point(uint64_t *seed, uint8_t to[static POINT])
{
	uint8_t x[SCALAR];

	random_scalar(seed, x);
	theirs->mulgen(to, x, SCALAR, CURVE);
}

START_TEST(same_products)
{
	uint64_t seed = 21;

	for (int i = 0; i < 60; i++) {
		uint8_t x[SCALAR], a[POINT], b[POINT];
		size_t len = (size_t)(test_rand(&seed) % SCALAR) + 1;

		random_scalar(&seed, x);
		len = i % 2 ? SCALAR : len;
		x[0] |= 1;
		ck_assert_uint_eq(ours->mulgen(a, x, len, CURVE), POINT);
		theirs->mulgen(b, x, len, CURVE);
		ck_assert_mem_eq(a, b, POINT);
		random_point(&seed, a);
		memcpy(b, a, POINT);
		ck_assert_uint_eq(ours->mul(a, POINT, x, len, CURVE), 1);
		ck_assert_uint_eq(theirs->mul(b, POINT, x, len, CURVE), 1);
		ck_assert_mem_eq(a, b, POINT);
	}
}
END_TEST

START_TEST(same_sums)
{
	uint64_t seed = 22;

	for (int i = 0; i < 60; i++) {
		uint8_t x[SCALAR], y[SCALAR], a[POINT], b[POINT], c[POINT];
		bool generator = i % 3 == 0;

		random_scalar(&seed, x);
		random_scalar(&seed, y);
		random_point(&seed, a);
		memcpy(c, a, POINT);
		random_point(&seed, b);
		if (i % 3 == 1)	/* the same point twice */
			memcpy(b, a, POINT);
		ck_assert_uint_eq(ours->muladd(a, generator ? NULL : b, POINT,
				  x, SCALAR, y, SCALAR, CURVE), 1);
		theirs->muladd(c, generator ? NULL : b, POINT, x, SCALAR, y,
			       SCALAR, CURVE);
		ck_assert_mem_eq(a, c, POINT);
	}
}
END_TEST

/* 1, 2, ..., the order minus those: small digits, carries to the very top. */
START_TEST(ends_of_the_range)
{
	size_t len;
	const unsigned char *n = ours->order(CURVE, &len);

	ck_assert_uint_eq(len, SCALAR);
	for (int i = 1; i < 40; i++) {
		uint8_t x[SCALAR] = { 0 }, minus[SCALAR], a[POINT], b[POINT];

		x[SCALAR - 1] = (uint8_t)i;
		memcpy(minus, n, SCALAR);
		minus[SCALAR - 1] = (uint8_t)(minus[SCALAR - 1] - i);
		ours->mulgen(a, x, SCALAR, CURVE);
		theirs->mulgen(b, x, SCALAR, CURVE);
		ck_assert_mem_eq(a, b, POINT);
		ours->mulgen(a, minus, SCALAR, CURVE);
		theirs->mulgen(b, minus, SCALAR, CURVE);
		ck_assert_mem_eq(a, b, POINT);
		/* x G + (n - x) G is infinity, and has no form */
		ours->mulgen(a, x, SCALAR, CURVE);
		memset(x, 0, SCALAR);
		x[SCALAR - 1] = 1;
		ck_assert_uint_eq(ours->muladd(a, NULL, POINT, x, SCALAR,
				  minus, SCALAR, CURVE), 0);
	}
}
END_TEST

/* x G for x up to 2^256 - 1 in steps that touch each window alone. */
START_TEST(each_digit)
{
	for (int digit = 0; digit < 2 * SCALAR - 1; digit++)
		for (uint8_t v = 1; v < 16; v++) {
			uint8_t x[SCALAR] = { 0 }, a[POINT], b[POINT];

			x[SCALAR - 1 - digit / 2] = (uint8_t)(v <<
				digit % 2 * 4);
			ours->mulgen(a, x, SCALAR, CURVE);
			theirs->mulgen(b, x, SCALAR, CURVE);
			ck_assert_mem_eq(a, b, POINT);
		}
}
END_TEST

/* Points that are not on the curve, or are not written as they must be. */
START_TEST(refused)
{
	static const uint8_t p[SCALAR] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint8_t x[SCALAR] = { [SCALAR - 1] = 3 }, good[POINT], a[POINT];
	uint64_t seed = 23;

	random_point(&seed, good);
	for (int i = 0; i < POINT; i++) {
		memcpy(a, good, POINT);
		a[i] ^= 0x10;
		ck_assert_uint_eq(ours->mul(a, POINT, x, SCALAR, CURVE), 0);
		memcpy(a, good, POINT);
		a[i] ^= 0x10;
		ck_assert_uint_eq(ours->muladd(a, NULL, POINT, x, SCALAR, x,
				  SCALAR, CURVE), 0);
		memcpy(a, good, POINT);
		ck_assert_uint_eq(ours->mul(a, (size_t)i, x, SCALAR, CURVE),
				  0);
	}
	memcpy(a, good, POINT);
	memcpy(a + 1, p, SCALAR); /* p is 0, but must not be written so */
	ck_assert_uint_eq(ours->mul(a, POINT, x, SCALAR, CURVE), 0);
	memset(a, 0xff, POINT);
	a[0] = 4;
	ck_assert_uint_eq(ours->mul(a, POINT, x, SCALAR, CURVE), 0);
	memset(a + 1, 0, POINT - 1);
	ck_assert_uint_eq(ours->mul(a, POINT, x, SCALAR, CURVE), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("p256");
	TCase *t = tcase_create("p256");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, setup, NULL);
	tcase_add_test(t, same_products);
	tcase_add_test(t, same_sums);
	tcase_add_test(t, ends_of_the_range);
	tcase_add_test(t, each_digit);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	srunner_set_fork_status(r, CK_FORK);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
