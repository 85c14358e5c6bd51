/* SPDX-License-Identifier: MIT
 *
 * test_rand.c - the generator against RFC 8439 and against its promises
 */
#include <check.h>
#include <stdlib.h>

#include "core/rand.h"
#include "tests/unit/packets.h"

/* RFC 8439, 2.3.2 */
START_TEST(chacha20_block)
{
	static const uint8_t nonce[12] = { 0, 0, 0, 9, 0, 0, 0, 0x4a };
	static const uint8_t block[64] = {
		0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15,
		0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4,
		0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03,
		0x04, 0x22, 0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e,
		0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa, 0x09,
		0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2,
		0xb5, 0x12, 0x9c, 0xd1, 0xde, 0x16, 0x4e, 0xb9,
		0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
	};
	uint8_t key[32], out[64];
	unsigned int i;

	for (i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	rand_chacha20(out, key, 1, nonce);
	ck_assert_mem_eq(out, block, sizeof(block));
}
END_TEST

/* RFC 8439, A.1, vectors 1 and 2: key and nonce 0, counter 0 and 1. The first
 * 32 bytes become the next key, the rest is what the generator gives.
 */
START_TEST(stream_from_zero_seed)
{
	static const uint8_t seed[32];
	static const uint8_t want[40] = {
		0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d,
		0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37,
		0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c,
		0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
		0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a,
	};
	static const uint8_t key[4] = { 0x76, 0xb8, 0xe0, 0xad };
	uint8_t out[sizeof(want)];
	struct rand r;

	rand_init(&r, seed);
	rand_bytes(&r, out, sizeof(out));
	ck_assert_mem_eq(out, want, sizeof(want));
	ck_assert_mem_eq(r.key, key, sizeof(key));
}
END_TEST

/* The same numbers in whatever portions; another seed, other numbers. */
START_TEST(portions)
{
	uint8_t seed[32] = { 1 }, whole[2000], parts[2000];
	uint64_t s = 16;
	struct rand r;
	size_t at, n;

	rand_init(&r, seed);
	rand_bytes(&r, whole, sizeof(whole));
	rand_init(&r, seed);
	for (at = 0; at < sizeof(parts); at += n) {
		n = 1 + test_rand(&s) % 700;
		if (n > sizeof(parts) - at)
			n = sizeof(parts) - at;
		rand_bytes(&r, parts + at, n);
	}
	ck_assert_mem_eq(whole, parts, sizeof(parts));
	seed[31] = 1;
	rand_init(&r, seed);
	rand_bytes(&r, parts, sizeof(parts));
	ck_assert_mem_ne(whole, parts, 32);
}
END_TEST

/* What was handed out stands nowhere in the generator any more. */
START_TEST(erased)
{
	static const uint8_t zero[sizeof(((struct rand *)0)->block)];
	uint8_t seed[32] = { 2 }, out[500];
	struct rand r;

	rand_init(&r, seed);
	rand_bytes(&r, out, sizeof(out));
	ck_assert_mem_ne(r.key, seed, sizeof(seed));
	ck_assert_uint_gt(r.used, 0);
	ck_assert_mem_eq(r.block, zero, r.used);
}
END_TEST

START_TEST(below)
{
	uint8_t seed[32] = { 3 };
	unsigned int count[7] = { 0 }, high = 0, i;
	struct rand r;

	rand_init(&r, seed);
	for (i = 0; i < 70000; i++) {
		uint32_t v = rand_below(&r, 7);

		ck_assert_uint_lt(v, 7);
		count[v]++;
	}
	for (i = 0; i < 7; i++)
		ck_assert(count[i] > 9500 && count[i] < 10500);
	/* Plain modulo would put 2/3 of the results below 2^31. */
	for (i = 0; i < 30000; i++)
		high += rand_below(&r, 0xc0000000) >= 0x60000000;
	ck_assert(high > 14500 && high < 15500);
	for (i = 0; i < 100; i++)
		ck_assert_uint_eq(rand_below(&r, 1), 0);
	ck_assert_uint_lt(rand_below(&r, UINT32_MAX), UINT32_MAX);
	ck_assert(rand64(&r) != rand64(&r));
	ck_assert(rand32(&r) != rand32(&r));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rand");
	TCase *t = tcase_create("rand");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, chacha20_block);
	tcase_add_test(t, stream_from_zero_seed);
	tcase_add_test(t, portions);
	tcase_add_test(t, erased);
	tcase_add_test(t, below);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
