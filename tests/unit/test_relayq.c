/* SPDX-License-Identifier: MIT
 *
 * test_relayq.c - fair, bounded, short, and nothing lost unseen
 */
#include <check.h>
#include <stdlib.h>

#include "core/relayq.h"
#include "tests/unit/packets.h"

static void put(struct relayq *q, uint32_t flow, size_t len, uint8_t mark,
		msec now)
{
	uint8_t b[2048];

	memset(b, mark, len);
	relayq_put(q, flow, (struct span){ b, len / 3 },
		   (struct span){ b + len / 3, len - len / 3 }, now);
}

/* The next packet's length and mark; its bytes are all the same. */
static size_t get(struct relayq *q, msec now, uint8_t *mark)
{
	struct span s = relayq_get(q, now);
	size_t i;

	if (!s.at)
		return 0;
	*mark = s.at[0];
	for (i = 0; i < s.len && s.at[i] == *mark; i++)
		;
	ck_assert_uint_eq(i, s.len);
	return s.len;
}

START_TEST(order_and_bytes)
{
	void *m = malloc(relayq_bytes(65536));
	struct relayq *q = relayq_init(m, 65536);
	size_t len, held = 0;
	uint8_t mark;
	int i;

	ck_assert_uint_eq(get(q, 0, &mark), 0);
	for (len = 1; len <= 2048; len += 89, held += len - 89) {
		uint8_t b[2048], *head = malloc(len);
		struct span s;

		for (i = 0; i < (int)len; i++)
			b[i] = head[i] = (uint8_t)(i * 7 + (int)len);
		relayq_put(q, 5, (struct span){ head, len / 2 },
			   (struct span){ b + len / 2, len - len / 2 }, 1);
		s = relayq_get(q, 2);
		ck_assert_uint_eq(s.len, len);
		ck_assert_mem_eq(s.at, b, len);
		ck_assert_uint_eq(relayq_len(q), 0);
		free(head);
	}
	for (i = 0; i < 20; i++)
		put(q, 9, 1000 + (size_t)i, (uint8_t)i, 10);
	ck_assert_uint_eq(relayq_len(q), 20 * 1000 + 190);
	for (i = 0; i < 20; i++) {
		ck_assert_uint_eq(get(q, 11, &mark), 1000 + (size_t)i);
		ck_assert_uint_eq(mark, i);
	}
	ck_assert_uint_eq(get(q, 11, &mark), 0);
	ck_assert_uint_eq(relayq_drops(q), 0);
	ck_assert_uint_gt(held, 0);
	free(m);
}
END_TEST

START_TEST(refused)
{
	static uint8_t b[2049];
	void *m = malloc(relayq_bytes(0));
	struct relayq *q = relayq_init(m, 0);

	relayq_put(q, 1, (struct span){ b, 2048 }, (struct span){ b, 1 }, 0);
	ck_assert_uint_eq(relayq_drops(q), 1);
	relayq_put(q, 1, (struct span){ NULL, 0 }, (struct span){ NULL, 0 }, 0);
	ck_assert_uint_eq(relayq_drops(q), 2);
	ck_assert_uint_eq(relayq_len(q), 0);
	relayq_put(q, 1, (struct span){ b, 2048 }, (struct span){ NULL, 0 }, 0);
	ck_assert_uint_eq(relayq_len(q), 2048);
	ck_assert_uint_eq(relayq_drops(q), 2);
	free(m);
}
END_TEST

/* A bulk flow fills the queue; the first packet of another passes it all. */
START_TEST(first_packet_first)
{
	void *m = malloc(relayq_bytes(100000));
	struct relayq *q = relayq_init(m, 100000);
	uint8_t mark;
	int i;

	for (i = 0; i < 60; i++)
		put(q, 1, 1500, 1, 0);
	get(q, 0, &mark);	/* the bulk flow is no longer fresh */
	get(q, 0, &mark);
	put(q, 2, 1500, 2, 1);
	ck_assert_uint_eq(get(q, 1, &mark), 1500);
	ck_assert_uint_eq(mark, 2);
	free(m);
}
END_TEST

/* A flow of small packets that are all there at once is not served at the pace
 * of its packets but of its bytes.
 */
START_TEST(small_beside_bulk)
{
	void *m = malloc(relayq_bytes(200000));
	struct relayq *q = relayq_init(m, 200000);
	int i, small = 0, bulk = 0;
	uint8_t mark;

	for (i = 0; i < 60; i++) {
		put(q, 1, 1500, 1, 0);
		put(q, 2, 100, 2, 0);
	}
	while (small < 60) {
		ck_assert_uint_gt(get(q, 0, &mark), 0);
		if (mark == 2)
			small++;
		else
			bulk++;
	}
	ck_assert_int_le(bulk, 6);	/* 6000 bytes against 9000 */
	free(m);
}
END_TEST

/* Equal shares in bytes, whatever the packets' sizes */
START_TEST(fair_in_bytes)
{
	static const size_t size[4] = { 1500, 700, 64, 1280 };
	void *m = malloc(relayq_bytes(400000));
	struct relayq *q = relayq_init(m, 400000);
	size_t sent[4] = { 0 }, queued[4] = { 0 };
	uint8_t mark;
	int i, k;

	for (i = 0; i < 3000; i++) {
		for (k = 0; k < 4; k++)	/* each keeps at least 3000 waiting */
			while (queued[k] < 3000) {
				put(q, (uint32_t)k, size[k], (uint8_t)k, 0);
				queued[k] += size[k];
			}
		ck_assert_uint_gt(get(q, 0, &mark), 0);
		sent[mark] += size[mark];
		queued[mark] -= size[mark];
	}
	ck_assert_uint_eq(relayq_drops(q), 0);
	for (k = 1; k < 4; k++)
		ck_assert(sent[k] < sent[0] + 4000 && sent[0] < sent[k] + 4000);
	free(m);
}
END_TEST

/* A sparse flow beside a greedy one through a slow link: it waits for no more
 * than the packet being sent and loses nothing.
 */
START_TEST(sparse_beside_flood)
{
	void *m = malloc(relayq_bytes(256 * 1024));
	struct relayq *q = relayq_init(m, 256 * 1024);
	unsigned int sparse_put = 0, sparse_got = 0;
	msec now, sent_at = 0, worst = 0;
	uint8_t mark;
	int i;

	for (now = 1; now < 20000; now++) {
		for (i = 0; i < 4; i++)	/* 48 Mbit/s in, 12 Mbit/s out */
			put(q, 77, 1500, 1, now);
		if (now % 50 == 0) {
			put(q, 78, 80, 2, now);
			sent_at = now;
			sparse_put++;
		}
		ck_assert_uint_gt(get(q, now, &mark), 0);
		if (mark == 2) {
			sparse_got++;
			if (now - sent_at > worst)
				worst = now - sent_at;
		}
	}
	ck_assert_uint_eq(sparse_got, sparse_put);
	ck_assert_uint_le(worst, 2);
	free(m);
}
END_TEST

/* Full: the flood loses its own packets, its oldest, never another's. */
START_TEST(full_drops_longest)
{
	void *m = malloc(relayq_bytes(32 * 1024));
	struct relayq *q = relayq_init(m, 32 * 1024);
	unsigned int got[2] = { 0 }, i;
	uint8_t mark;

	for (i = 0; i < 5; i++)
		put(q, 2, 500, 1, 0);
	for (i = 0; i < 1000; i++) {
		put(q, 1, 1000, 0, 0);
		ck_assert_uint_le(relayq_len(q), 32 * 1024);
	}
	ck_assert_uint_gt(relayq_drops(q), 900);
	while (get(q, 0, &mark))
		got[mark]++;
	ck_assert_uint_eq(got[1], 5);
	ck_assert_uint_eq(got[0] + relayq_drops(q), 1000);
	ck_assert_uint_eq(relayq_len(q), 0);
	free(m);
}
END_TEST

START_TEST(full_drops_oldest)
{
	void *m = malloc(relayq_bytes(16 * 1024));
	struct relayq *q = relayq_init(m, 16 * 1024);
	uint8_t mark, last = 0;
	int i, n = 0;

	for (i = 1; i <= 100; i++)
		put(q, 1, 1024, (uint8_t)i, 0);
	while (get(q, 0, &mark)) {
		ck_assert(!n || mark == last + 1);
		last = mark;
		n++;
	}
	ck_assert_int_eq(n, 16);
	ck_assert_uint_eq(last, 100);
	free(m);
}
END_TEST

/* Through a link of @rate packets per 10 ms, a sender that halves its window at
 * each loss and adds one packet per 100 ms otherwise, as TCP does. Returns the
 * mean time in the queue over the last half, in ms.
 */
static msec standing_queue(struct relayq *q, unsigned int rate,
			   uint64_t *drops)
{
	unsigned int window = 10, flight = 0, samples = 0, i;
	msec now, total = 0;
	uint64_t lost = 0;

	for (now = 1000; now < 61000; now += 10) {
		for (i = 0; i < rate; i++) {
			struct span s = relayq_get(q, now);
			msec at;

			if (!s.at)
				break;
			memcpy(&at, s.at, sizeof(at));
			flight--;
			if (now > 31000) {
				total += now - at;
				samples++;
			}
		}
		if (relayq_drops(q) != lost) {
			flight -= (unsigned int)(relayq_drops(q) - lost);
			lost = relayq_drops(q);
			window = window / 2 + 1;
		}
		if (now % 100 == 0)
			window++;
		for (; flight < window; flight++) {
			uint8_t b[1400] = { 0 };

			memcpy(b, &now, sizeof(now));
			relayq_put(q, 3, (struct span){ b, 8 },
				   (struct span){ b + 8, 1392 }, now);
		}
	}
	*drops = lost;
	return samples ? total / samples : NEVER;
}

/* CoDel keeps the wait near its target; without it the window would grow by 10
 * packets a second, to 600 of them: seconds.
 */
START_TEST(codel_keeps_it_short)
{
	void *m = malloc(relayq_bytes(1 << 20));
	struct relayq *q = relayq_init(m, 1 << 20);
	uint64_t drops;
	msec wait = standing_queue(q, 2, &drops);

	ck_assert_uint_lt(wait, 150);
	ck_assert_uint_gt(drops, 5);
	ck_assert_uint_lt(drops, 600);
	free(m);
}
END_TEST

/* A burst that drains within the interval loses nothing, nor does a stop of
 * the connection beneath of 250 ms; a stop of seconds costs packets, but not
 * all.
 */
START_TEST(codel_tolerates_bursts)
{
	void *m = malloc(relayq_bytes(1 << 20));
	struct relayq *q = relayq_init(m, 1 << 20);
	uint8_t mark;
	msec now;
	int i;

	for (i = 0; i < 40; i++)
		put(q, 1, 1500, 1, 1000);
	for (now = 1000; get(q, now, &mark); now += 5)
		;
	ck_assert_uint_eq(relayq_drops(q), 0);
	for (i = 0; i < 40; i++)
		put(q, 1, 1500, 1, 5000);
	for (now = 5250; get(q, now, &mark); now += 5)
		;
	ck_assert_uint_eq(relayq_drops(q), 0);
	for (i = 0; i < 400; i++)
		put(q, 1, 1500, 1, 10000);
	for (now = 15000, i = 0; get(q, now, &mark); now += 5, i++)
		;
	ck_assert_uint_gt(relayq_drops(q), 5);
	ck_assert_int_gt(i, 200);
	free(m);
}
END_TEST

/* A flow that puts its next packet as soon as it was found empty looks fresh
 * each time, but gets its share in bytes and not much more.
 */
START_TEST(one_at_a_time)
{
	void *m = malloc(relayq_bytes(100000));
	struct relayq *q = relayq_init(m, 100000);
	size_t sly = 0, bulk = 0;
	uint8_t mark;
	int i;

	for (i = 0; i < 100; i++)
		put(q, 1, 60, 1, 0);
	for (i = 0; i < 3000; i++) {
		size_t len = get(q, 0, &mark);

		ck_assert_uint_gt(len, 0);
		if (mark == 2) {
			sly += len;
		} else {
			put(q, 1, 60, 1, 0);
			bulk += len;
			if (relayq_len(q) <= 100 * 60)
				put(q, 2, 250, 2, 0);
		}
	}
	ck_assert_uint_lt(sly, 2 * bulk);
	ck_assert_uint_lt(bulk, 2 * sly);
	free(m);
}
END_TEST

/* A flow that does not slow down is dropped from more and more often: after T
 * ms at 300 / sqrt(n) between drops, (T / 600)^2 of them.
 */
START_TEST(codel_presses_harder)
{
	void *m = malloc(relayq_bytes(8 << 20));
	struct relayq *q = relayq_init(m, 8 << 20);
	uint8_t mark;
	msec now;

	for (now = 1000; now < 11000; now += 10) {
		put(q, 1, 1400, 1, now);
		put(q, 1, 1400, 1, now);
		put(q, 1, 1400, 1, now);
		get(q, now, &mark);
		get(q, now, &mark);
	}
	ck_assert_uint_gt(relayq_drops(q), 180);
	ck_assert_uint_lt(relayq_drops(q), 320);
	free(m);
}
END_TEST

/* Anything in any order: what went in came out or was counted. */
START_TEST(random_operations)
{
	uint64_t seed = 50, in = 0, out = 0;
	size_t cap;
	int i;

	for (cap = 0; cap < 300000; cap = cap * 5 + 1000) {
		void *m = malloc(relayq_bytes(cap));
		struct relayq *q = relayq_init(m, cap);
		msec now = 0;
		uint8_t mark;

		in = out = 0;
		for (i = 0; i < 20000; i++) {
			unsigned int n = test_rand(&seed) % 3;

			now += test_rand(&seed) % (i & 1024 ? 100 : 2);
			for (; n; n--, in++)
				put(q, (uint32_t)test_rand(&seed) %
					(i & 512 ? 5000 : 3),
				    1 + test_rand(&seed) % 2048, 3, now);
			if (test_rand(&seed) % 4)
				out += !!get(q, now, &mark);
			ck_assert_uint_le(relayq_len(q),
					  cap > 8192 ? cap : 8192);
		}
		while (get(q, now, &mark))
			out++;
		ck_assert_uint_eq(in, out + relayq_drops(q));
		ck_assert_uint_eq(relayq_len(q), 0);
		free(m);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("relayq");
	TCase *t = tcase_create("relayq");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, order_and_bytes);
	tcase_add_test(t, refused);
	tcase_add_test(t, first_packet_first);
	tcase_add_test(t, small_beside_bulk);
	tcase_add_test(t, fair_in_bytes);
	tcase_add_test(t, sparse_beside_flood);
	tcase_add_test(t, full_drops_longest);
	tcase_add_test(t, full_drops_oldest);
	tcase_add_test(t, codel_keeps_it_short);
	tcase_add_test(t, codel_tolerates_bursts);
	tcase_add_test(t, one_at_a_time);
	tcase_add_test(t, codel_presses_harder);
	tcase_add_test(t, random_operations);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
