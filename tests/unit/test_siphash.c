/* SPDX-License-Identifier: MIT
 *
 * test_siphash.c - SipHash against the vectors of its paper
 */
#include <check.h>
#include <stdlib.h>

#include "core/siphash.h"
#include "tests/unit/packets.h"

static struct siphash_key counting_key(void)
{
	uint8_t k[16];
	unsigned int i;

	for (i = 0; i < sizeof(k); i++)
		k[i] = (uint8_t)i;
	return siphash_key_from(k);
}

/* Appendix A of the paper: key 00 01 .. 0f, message 00 01 .. 0e */
START_TEST(paper)
{
	struct siphash_key k = counting_key();
	uint8_t m[15];
	unsigned int i;

	for (i = 0; i < sizeof(m); i++)
		m[i] = (uint8_t)i;
	ck_assert_uint_eq(k.k[0], UINT64_C(0x0706050403020100));
	ck_assert_uint_eq(k.k[1], UINT64_C(0x0f0e0d0c0b0a0908));
	ck_assert_uint_eq(siphash24(&k, m, sizeof(m)),
			  UINT64_C(0xa129ca6149be45e5));
}
END_TEST

/* The authors' list: message 00 01 .. of 0 to 8 bytes, output as bytes */
START_TEST(reference)
{
	static const uint8_t out[][8] = {
		{ 0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72 },
		{ 0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74 },
		{ 0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d },
		{ 0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85 },
		{ 0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf },
		{ 0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18 },
		{ 0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb },
		{ 0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab },
		{ 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 },
	};
	struct siphash_key k = counting_key();
	uint8_t m[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	unsigned int len, i;

	for (len = 0; len <= 8; len++) {
		uint64_t h = siphash24(&k, m, len);

		for (i = 0; i < 8; i++)
			ck_assert_uint_eq((uint8_t)(h >> 8 * i), out[len][i]);
	}
}
END_TEST

/* Each bit of key, message and length counts, in both variants. */
START_TEST(all_bits_count)
{
	uint64_t seed = 15;
	uint8_t m[40], kb[16];
	size_t len, bit;

	test_fill(&seed, m, sizeof(m));
	test_fill(&seed, kb, sizeof(kb));
	for (len = 1; len <= sizeof(m); len++) {
		struct siphash_key k = siphash_key_from(kb), other;
		uint64_t h24 = siphash24(&k, m, len);
		uint64_t h13 = siphash13(&k, m, len);

		ck_assert(h24 != h13);
		ck_assert(siphash24(&k, m, len - 1) != h24);
		ck_assert(siphash13(&k, m, len - 1) != h13);
		for (bit = 0; bit < 8 * len; bit++) {
			m[bit / 8] ^= (uint8_t)(1 << bit % 8);
			ck_assert(siphash24(&k, m, len) != h24);
			ck_assert(siphash13(&k, m, len) != h13);
			m[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (bit = 0; bit < 128; bit++) {
			kb[bit / 8] ^= (uint8_t)(1 << bit % 8);
			other = siphash_key_from(kb);
			ck_assert(siphash24(&other, m, len) != h24);
			ck_assert(siphash13(&other, m, len) != h13);
			kb[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}
END_TEST

/* 1-3 in buckets: as even as chance. 4096 keys in 256 buckets, 16 each. */
START_TEST(buckets)
{
	struct siphash_key k = counting_key();
	unsigned int bucket[256] = { 0 }, i;

	for (i = 0; i < 4096; i++)
		bucket[siphash13(&k, &i, sizeof(i)) & 255]++;
	for (i = 0; i < 256; i++)
		ck_assert(bucket[i] > 0 && bucket[i] < 48);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("siphash");
	TCase *t = tcase_create("siphash");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, paper);
	tcase_add_test(t, reference);
	tcase_add_test(t, all_bits_count);
	tcase_add_test(t, buckets);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
