/* SPDX-License-Identifier: MIT
 *
 * test_wheel.c - the wheel against a list of due times that is searched through
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/wheel.h"
#include "tests/unit/packets.h"

enum { CAP = 60 };

static struct wheel w;
static struct wheel_node node[CAP];
static msec due[CAP];	/* the model */

static msec first_due(void)
{
	msec first = NEVER;
	int i;

	for (i = 0; i < CAP; i++)
		if (due[i] < first)
			first = due[i];
	return first;
}

/* Patience of the caller: how much work it gives at a time. */
static uint32_t patience = 1000;

static uint32_t next_of(msec now)
{
	uint32_t o, work;

	do {
		work = patience;
		o = wheel_expire(&w, now, &work);
		test_assert(work <= patience && (o == NONE || work < patience));
	} while (o == NONE && !work);
	return o;
}

/* Expire all: nobody early, nobody left who is late. */
static void expire_all(msec now)
{
	uint32_t o, fired = 0;
	int i;

	while ((o = next_of(now)) != NONE) {
		test_assert(o < CAP);
		test_assert(due[o] <= now);
		test_assert(wheel_due(&w, o) == NEVER);
		due[o] = NEVER;
		test_assert(++fired <= CAP);
	}
	for (i = 0; i < CAP; i++) {
		test_assert(wheel_due(&w, (uint32_t)i) == (due[i] == NEVER ?
			NEVER : (due[i] + WHEEL_TICK_MS - 1) /
			WHEEL_TICK_MS * WHEEL_TICK_MS));
		if (due[i] != NEVER)
			test_assert(due[i] + WHEEL_TICK_MS > now);
	}
}

/* Not later than the first due timer; what was due before @now can wait until
 * then.
 */
static void check_deadline(msec now)
{
	msec first = first_due(), deadline = wheel_deadline(&w);

	if (first == NEVER) {
		test_assert(deadline == NEVER);
		return;
	}
	if (first < now)
		first = now;
	test_assert(deadline < NEVER && (deadline <= first ||
				       deadline - first < WHEEL_TICK_MS));
}

static void start(msec now)
{
	int i;

	memset(node, 0, sizeof(node));
	wheel_init(&w, node, CAP, now);
	for (i = 0; i < CAP; i++)
		due[i] = NEVER;
}

static void set(uint32_t o, msec at)
{
	wheel_set(&w, o, at);
	due[o] = at;
}

/* A number of any size: up to 2^@bits, small ones as likely as large ones */
static uint64_t any_size(uint64_t *seed, unsigned int bits)
{
	unsigned int n = (unsigned int)(test_rand(seed) % (bits + 1));

	return n ? test_rand(seed) >> (64 - n) : 0;
}

static void run(uint64_t seed, unsigned int reach, unsigned int jump)
{
	msec now = any_size(&seed, 44);
	int i;

	start(now);
	for (i = 0; i < 30000; i++) {
		uint32_t o = (uint32_t)(test_rand(&seed) % CAP);

		switch (test_rand(&seed) % 8) {
		case 0:
			wheel_clear(&w, o);
			due[o] = NEVER;
			break;
		case 1:
			set(o, now - any_size(&seed, 10) % (now + 1));
			break;
		case 2: case 3: case 4:
			set(o, now + any_size(&seed, reach));
			break;
		case 5:	/* sleep until told */
			if (wheel_deadline(&w) != NEVER &&
			    wheel_deadline(&w) > now &&
			    wheel_deadline(&w) < UINT64_C(1) << 62)
				now = wheel_deadline(&w);
			expire_all(now);
			break;
		default:
			now += any_size(&seed, jump);
			expire_all(now);
		}
		check_deadline(now);
	}
}

/* Little work at a time, and timers set and cleared while a slot is only half
 * spread: nothing is lost, nothing early, and the deadline asks for more.
 */
START_TEST(in_pieces)
{
	uint64_t seed = 15;
	uint32_t o, work;
	msec now = 54321;
	int i, k;

	start(now);
	for (i = 0; i < 20000; i++) {
		for (k = 0; k < 5; k++) {
			o = (uint32_t)(test_rand(&seed) % CAP);
			if (test_rand(&seed) % 4)
				set(o, now + any_size(&seed, 22));
			else
				set(o, NEVER);
		}
		if (test_rand(&seed) % 2)
			now += any_size(&seed, 20);
		work = (uint32_t)(test_rand(&seed) % 20);
		while ((o = wheel_expire(&w, now, &work)) != NONE) {
			test_assert(due[o] <= now);
			due[o] = NEVER;
		}
		if (!work && first_due() + WHEEL_TICK_MS <= now)
			test_assert(wheel_deadline(&w) <= now);
		if (work)
			expire_all(now);
	}
	patience = 1;
	expire_all(now + (UINT64_C(1) << 24));
	patience = 1000;
	ck_assert_uint_eq(first_due(), NEVER);
}
END_TEST

START_TEST(model_short) { run(9, 12, 6); } END_TEST
START_TEST(model_minutes) { run(10, 20, 16); } END_TEST
START_TEST(model_days) { run(11, 34, 30); } END_TEST
START_TEST(model_years) { run(12, 42, 36); } END_TEST
START_TEST(model_ages) { run(13, 46, 42); } END_TEST

/* Each due time around each border of the levels, one by one. */
START_TEST(borders)
{
	unsigned int bit;
	int d, late;

	for (bit = 0; bit < 45; bit++) {
		for (d = -5; d <= 5; d++) {
			msec at = (UINT64_C(1) << bit) + 1000 + (msec)d;

			start(1000 - 6);
			set(3, at);
			for (late = -6; late < 4; late++) {
				expire_all(at + (msec)late);
				check_deadline(at + (msec)late);
			}
			ck_assert_uint_eq(due[3], NEVER);
		}
	}
}
END_TEST

/* Following deadlines alone fires everything, in few steps. */
START_TEST(deadlines_lead)
{
	uint64_t seed = 14;
	int i, steps;
	msec now = 12345;

	start(now);
	for (i = 0; i < CAP; i++)
		set((uint32_t)i, now + any_size(&seed, 40));
	for (steps = 0; wheel_deadline(&w) != NEVER; steps++) {
		now = wheel_deadline(&w);
		expire_all(now);
	}
	ck_assert_uint_eq(first_due(), NEVER);
	ck_assert_int_le(steps, CAP * WHEEL_LEVELS + CAP);
}
END_TEST

START_TEST(time_does_not_go_back)
{
	start(1000);
	set(1, 5000);
	expire_all(4000);
	ck_assert_uint_eq(next_of(1000), NONE);
	set(2, 900);
	ck_assert_uint_eq(next_of(4000), 2);
	ck_assert_uint_eq(next_of(5004), 1);
}
END_TEST

START_TEST(never_clears)
{
	start(0);
	set(1, 50);
	wheel_set(&w, 1, NEVER);
	ck_assert_uint_eq(wheel_deadline(&w), NEVER);
	ck_assert_uint_eq(next_of(1000), NONE);
	wheel_set(&w, 1, NEVER - 1);
	ck_assert_uint_lt(wheel_deadline(&w), NEVER);
	ck_assert_uint_gt(wheel_due(&w, 1), UINT64_C(1) << 56);
	wheel_clear(&w, 1);
	wheel_clear(&w, 1);
	ck_assert_uint_eq(wheel_deadline(&w), NEVER);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wheel");
	TCase *t = tcase_create("wheel");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, model_short);
	tcase_add_test(t, model_minutes);
	tcase_add_test(t, model_days);
	tcase_add_test(t, model_years);
	tcase_add_test(t, model_ages);
	tcase_add_test(t, in_pieces);
	tcase_add_test(t, borders);
	tcase_add_test(t, deadlines_lead);
	tcase_add_test(t, time_does_not_go_back);
	tcase_add_test(t, never_clears);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
