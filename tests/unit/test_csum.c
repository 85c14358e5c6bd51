/* SPDX-License-Identifier: MIT
 *
 * test_csum.c - Internet checksum against the RFCs and against a slow one
 */
#include <check.h>
#include <stdlib.h>

#include "core/csum.h"
#include "tests/unit/packets.h"

/* RFC 1071, 3: the words 0001 f203 f4f5 f6f7 sum to ddf2 */
START_TEST(rfc1071_example)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03,
					 0xf4, 0xf5, 0xf6, 0xf7 };

	ck_assert_uint_eq(csum_bytes(0, bytes, sizeof(bytes)), 0xddf2);
	ck_assert_uint_eq(csum_bytes(csum_bytes(0, bytes, 4), bytes + 4, 4),
			  0xddf2);
}
END_TEST

/* RFC 1624, 4: checksum dd2f, a word changes from 5555 to 3285: 0000 */
START_TEST(rfc1624_example)
{
	ck_assert_uint_eq(csum_update(0xdd2f, csum_sub(0x3285, 0x5555)), 0);
}
END_TEST

/* All sums, with changes at every corner: the incremental checksum is, bit by
 * bit, what the full computation gives, unless all words are 0.
 */
START_TEST(update_equals_full)
{
	static const uint16_t corner[] = {
		0x0000, 0x0001, 0x00ff, 0x0100, 0x5555, 0x7fff, 0x8000,
		0xaaaa, 0xff00, 0xfffe, 0xffff,
	};
	const size_t n = sizeof(corner) / sizeof(*corner);
	uint32_t rest;
	size_t i, j;

	for (rest = 0; rest <= 0xffff; rest++) {
		for (i = 0; i < n * n; i++) {
			uint8_t before[4], after[4];
			uint16_t old = corner[i / n], new = corner[i % n];

			put16(before, (uint16_t)rest);
			put16(before + 2, old);
			put16(after, (uint16_t)rest);
			put16(after + 2, new);
			if (!get32(before) || !get32(after))
				continue;
			j = csum_update((uint16_t)~slow_sum(0, before, 4),
					csum_sub(new, old));
			test_assert(j == (uint16_t)~slow_sum(0, after, 4));
		}
	}
}
END_TEST

START_TEST(update_random)
{
	uint64_t seed = 4;
	int i, k;

	for (i = 0; i < 100000; i++) {
		uint8_t a[64], b[64];
		size_t len = 2 * (1 + test_rand(&seed) % 32);
		size_t from = 2 * (test_rand(&seed) % (len / 2));

		test_fill(&seed, a, len);
		if (test_rand(&seed) % 2)	/* sums near the corner */
			for (k = 0; k < (int)len; k++)
				a[k] = a[k] & 1 ? 0xff : 0;
		a[0] |= 1;
		memcpy(b, a, len);
		test_fill(&seed, b + from, len - from);
		b[0] |= 1;
		ck_assert_uint_eq(
			csum_update((uint16_t)~slow_sum(0, a, len),
				    csum_sub(slow_sum(0, b, len),
					     slow_sum(0, a, len))),
			(uint16_t)~slow_sum(0, b, len));
	}
}
END_TEST

/* Every length to 300, every alignment, in memory that ends with the bytes */
START_TEST(lengths_and_alignments)
{
	uint64_t seed = 5;
	size_t len, shift;

	for (len = 0; len <= 300; len++) {
		for (shift = 0; shift < 9; shift++) {
			uint8_t *room = malloc(len + shift + !(len + shift));
			uint16_t start = (uint16_t)test_rand(&seed);

			test_fill(&seed, room, len + shift);
			ck_assert_uint_eq(
				csum_bytes(start, room + shift, len),
				slow_sum(start, room + shift, len));
			memset(room, 0xff, len + shift);
			ck_assert_uint_eq(csum_bytes(0, room + shift, len),
					  slow_sum(0, room + shift, len));
			free(room);
		}
	}
}
END_TEST

START_TEST(large)
{
	uint64_t seed = 6;
	size_t len = 65575, i;
	uint8_t *room = malloc(len);

	for (i = 0; i < 20; i++) {
		test_fill(&seed, room, len);
		ck_assert_uint_eq(csum_bytes(0, room, len - i),
				  slow_sum(0, room, len - i));
	}
	memset(room, 0xff, len);
	ck_assert_uint_eq(csum_bytes(0, room, len), slow_sum(0, room, len));
	memset(room, 0, len);
	ck_assert_uint_eq(csum_bytes(0, room, len), 0);
	free(room);
}
END_TEST

START_TEST(pseudo_headers)
{
	uint64_t seed = 7;
	int i;

	for (i = 0; i < 10000; i++) {
		uint8_t h[40] = { 0 };
		struct addr6 src, dst;
		uint32_t len = (uint32_t)test_rand(&seed);

		test_fill(&seed, h, 32);
		memcpy(&src, h, 16);
		memcpy(&dst, h + 16, 16);
		put32(h + 32, len);
		h[39] = (uint8_t)i;
		ck_assert_uint_eq(csum_pseudo6(&src, &dst, len, h[39]),
				  slow_sum(0, h, 40));
		len &= 0xffff;
		h[8] = 0;
		h[9] = (uint8_t)i;
		put16(h + 10, (uint16_t)len);
		ck_assert_uint_eq(csum_pseudo4(get32(h), get32(h + 4), len,
					       (uint8_t)i),
				  slow_sum(0, h, 12));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("csum");
	TCase *t = tcase_create("csum");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, rfc1071_example);
	tcase_add_test(t, rfc1624_example);
	tcase_add_test(t, update_equals_full);
	tcase_add_test(t, update_random);
	tcase_add_test(t, lengths_and_alignments);
	tcase_add_test(t, large);
	tcase_add_test(t, pseudo_headers);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
