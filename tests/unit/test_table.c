/* SPDX-License-Identifier: MIT
 *
 * test_table.c - the table against a list that is searched from end to end
 */
#include <check.h>
#include <stdlib.h>

#include "core/table.h"
#include "tests/unit/packets.h"

enum { CAP = 100 };

struct model {
	uint32_t hash[CAP];
	bool in[CAP];
	uint32_t count;
};

/* Every object of @hash is found once, and no other. */
static void compare(const struct table *t, const struct model *m,
		    uint32_t hash)
{
	bool seen[CAP] = { false };
	uint32_t i;

	for (i = table_first(t, hash); i != NONE; i = table_next(t, i)) {
		test_assert(i < CAP);
		test_assert(!seen[i]);
		test_assert(m->in[i]);
		test_assert(m->hash[i] == hash);
		seen[i] = true;
	}
	for (i = 0; i < CAP; i++)
		test_assert(seen[i] ==
			    (m->in[i] && m->hash[i] == hash));
	test_assert(t->count == m->count);
}

START_TEST(against_model)
{
	/* Few hashes: equal ones, equal buckets; and arbitrary ones. */
	static const uint32_t spread[] = { 4, 512, UINT32_MAX };
	uint64_t seed = 8;
	size_t k;
	int i;

	for (k = 0; k < 3; k++) {
		void *memory = calloc(1, table_bytes(CAP));
		struct model m = { { 0 }, { false }, 0 };
		struct table t;

		table_init(&t, memory, CAP);
		for (i = 0; i < 20000; i++) {
			uint32_t o = (uint32_t)test_rand(&seed) % CAP;
			uint32_t h = (uint32_t)test_rand(&seed) % spread[k];

			if (m.in[o]) {
				table_remove(&t, o);
				m.count--;
				h = m.hash[o];
			} else {
				table_add(&t, h, o);
				m.hash[o] = h;
				m.count++;
			}
			m.in[o] = !m.in[o];
			compare(&t, &m, h);
			compare(&t, &m, (uint32_t)test_rand(&seed) % spread[k]);
		}
		free(memory);
	}
}
END_TEST

START_TEST(newest_first)
{
	uint32_t memory[64] = { 0 };
	struct table t;

	ck_assert_uint_le(table_bytes(8), sizeof(memory));
	table_init(&t, memory, 8);
	table_add(&t, 5, 0);
	table_add(&t, 5, 7);
	ck_assert_uint_eq(table_first(&t, 5), 7);
	ck_assert_uint_eq(table_next(&t, 7), 0);
	ck_assert_uint_eq(table_next(&t, 0), NONE);
	ck_assert_uint_eq(table_first(&t, 13), NONE);	/* the same bucket */
}
END_TEST

/* A large table with few objects uses few buckets, and all are found after
 * each step of its growth; the newest of equal ones stays the first.
 */
START_TEST(grows_with_use)
{
	enum { LARGE = 1 << 20, FEW = 300 };
	void *memory = calloc(1, table_bytes(LARGE));
	uint64_t seed = 9;
	uint32_t hash[FEW], i, k;
	struct table t;

	table_init(&t, memory, LARGE);
	for (i = 0; i < FEW; i++) {
		hash[i] = i % 10 ? (uint32_t)test_rand(&seed) : 77;
		table_add(&t, hash[i], i);
		for (k = 0; k <= i; k++)
			test_assert(table_first(&t, hash[k]) ==
				    (hash[k] == 77 ? i / 10 * 10 : k));
		test_assert(t.used <= i + 1 && t.used <= t.mask + 1 &&
			    t.mask < 2 * t.used);
	}
	ck_assert_uint_eq(t.used, FEW);
	for (i = FEW; i < t.most; i++)
		test_assert(!t.head[i]);
	free(memory);
}
END_TEST

/* Full, and as small as can be; ASan watches the memory's end. */
START_TEST(sizes)
{
	uint32_t cap, i;

	for (cap = 0; cap < 70; cap++) {
		void *memory = calloc(1, table_bytes(cap) + !cap);
		struct table t;

		table_init(&t, memory, cap);
		ck_assert_uint_eq(table_first(&t, 0xffffffff), NONE);
		for (i = 0; i < cap; i++)
			table_add(&t, i * 0x9e3779b9, i);
		ck_assert_uint_eq(t.count, cap);
		for (i = 0; i < cap; i++)
			ck_assert_uint_eq(table_first(&t, i * 0x9e3779b9), i);
		for (i = 0; i < cap; i++)
			table_remove(&t, i);
		ck_assert_uint_eq(t.count, 0);
		free(memory);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("table");
	TCase *t = tcase_create("table");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, against_model);
	tcase_add_test(t, newest_first);
	tcase_add_test(t, grows_with_use);
	tcase_add_test(t, sizes);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
