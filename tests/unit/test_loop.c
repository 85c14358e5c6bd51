/* SPDX-License-Identifier: MIT
 *
 * test_loop.c - order, removal inside a batch, clock and signals of net/loop
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/loop.h"

struct tap {
	struct watch watch;
	int w;
	int calls;
	char name;
	struct loop *loop;
	struct tap *removes;
};

static char order[2 * LOOP_BATCH];
static size_t order_len;

static void tap_ready(struct watch *w, uint32_t events)
{
	struct tap *t = container_of_watch(w, struct tap, watch);

	ck_assert(events & EPOLLIN);
	t->calls++;
	order[order_len++] = t->name;
	if (t->removes)
		loop_remove(t->loop, &t->removes->watch);
}

static void tap_open(struct tap *t, struct loop *l, char name, bool is_first)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	*t = (struct tap){ .watch = { fds[0], is_first, tap_ready },
			   .w = fds[1], .name = name, .loop = l };
	ck_assert_int_eq(loop_add(l, &t->watch, EPOLLIN), 0);
}

static void tap_poke(struct tap *t)
{
	ck_assert_int_eq(write(t->w, "x", 1), 1);
}

static void tap_close(struct tap *t)
{
	close(t->watch.fd);
	close(t->w);
}

START_TEST(first_is_first)
{
	struct tap a, b, c;
	struct loop l;

	order_len = 0;
	ck_assert_int_eq(loop_init(&l), 0);
	tap_open(&a, &l, 'a', false);
	tap_open(&b, &l, 'b', false);
	tap_open(&c, &l, 'c', true);
	tap_poke(&a);
	tap_poke(&b);
	tap_poke(&c);
	ck_assert_int_eq(loop_run_once(&l, 100), 3);
	ck_assert_int_eq(order[0], 'c');
	/* level triggered: unread bytes are told again */
	ck_assert_int_eq(loop_run_once(&l, 0), 3);
	tap_close(&a);
	tap_close(&b);
	tap_close(&c);
	loop_fini(&l);
}
END_TEST

START_TEST(removed_in_batch_is_not_called)
{
	struct tap a, b;
	struct loop l;

	order_len = 0;
	ck_assert_int_eq(loop_init(&l), 0);
	tap_open(&a, &l, 'a', false);
	tap_open(&b, &l, 'b', false);
	a.removes = &b;
	b.removes = &a;
	tap_poke(&a);
	tap_poke(&b);
	ck_assert_int_eq(loop_run_once(&l, 100), 1);
	ck_assert_int_eq(a.calls + b.calls, 1);
	/* the survivor is still watched, the other is not */
	a.removes = b.removes = NULL;
	ck_assert_int_eq(loop_run_once(&l, 0), 1);
	ck_assert(a.calls == 2 || b.calls == 2);
	tap_close(&a);
	tap_close(&b);
	loop_fini(&l);
}
END_TEST

START_TEST(may_remove_itself)
{
	struct tap a;
	struct loop l;

	order_len = 0;
	ck_assert_int_eq(loop_init(&l), 0);
	tap_open(&a, &l, 'a', false);
	a.removes = &a;
	tap_poke(&a);
	ck_assert_int_eq(loop_run_once(&l, 100), 1);
	ck_assert_int_eq(loop_run_once(&l, 0), 0);
	ck_assert_int_eq(a.calls, 1);
	tap_close(&a);
	loop_fini(&l);
}
END_TEST

START_TEST(change_of_events)
{
	struct tap a;
	struct loop l;

	order_len = 0;
	ck_assert_int_eq(loop_init(&l), 0);
	tap_open(&a, &l, 'a', false);
	tap_poke(&a);
	ck_assert_int_eq(loop_change(&l, &a.watch, 0), 0);
	ck_assert_int_eq(loop_run_once(&l, 0), 0);
	ck_assert_int_eq(loop_change(&l, &a.watch, EPOLLIN), 0);
	ck_assert_int_eq(loop_run_once(&l, 0), 1);
	ck_assert_int_eq(loop_add(&l, &a.watch, EPOLLIN), -EEXIST);
	tap_close(&a);
	loop_fini(&l);
}
END_TEST

START_TEST(batch_is_bounded)
{
	static struct tap taps[LOOP_BATCH + 8];
	struct loop l;
	size_t i, calls = 0;

	ck_assert_int_eq(loop_init(&l), 0);
	for (i = 0; i < LOOP_BATCH + 8; i++) {
		tap_open(&taps[i], &l, 'x', false);
		tap_poke(&taps[i]);
	}
	order_len = 0;
	ck_assert_int_eq(loop_run_once(&l, 100), LOOP_BATCH);
	/* the ready list rotates: those left out come in the next turn */
	order_len = 0;
	ck_assert_int_eq(loop_run_once(&l, 100), LOOP_BATCH);
	for (i = 0; i < LOOP_BATCH + 8; i++) {
		ck_assert_int_ge(taps[i].calls, 1);
		calls += (size_t)taps[i].calls;
		tap_close(&taps[i]);
	}
	ck_assert_uint_eq(calls, 2 * LOOP_BATCH);
	loop_fini(&l);
}
END_TEST

START_TEST(clock_and_timeouts)
{
	msec a = loop_now(), b;

	usleep(5000);
	b = loop_now();
	ck_assert(b >= a + 4 && b < a + 5000);
	ck_assert_int_eq(loop_timeout(NEVER, 5), -1);
	ck_assert_int_eq(loop_timeout(5, 5), 0);
	ck_assert_int_eq(loop_timeout(4, 5), 0);
	ck_assert_int_eq(loop_timeout(12, 5), 7);
	ck_assert_int_eq(loop_timeout(NEVER - 1, 5), 3600 * 1000);
}
END_TEST

START_TEST(signals_come_as_numbers)
{
	int fd = loop_signals_open();

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(loop_signals_read(fd), 0);
	kill(getpid(), SIGHUP);
	ck_assert_int_eq(loop_signals_read(fd), SIGHUP);
	kill(getpid(), SIGTERM);
	ck_assert_int_eq(loop_signals_read(fd), SIGTERM);
	ck_assert_int_eq(loop_signals_read(fd), 0);
	close(fd);
	loop_signals_reset();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop");
	TCase *t = tcase_create("loop");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, first_is_first);
	tcase_add_test(t, removed_in_batch_is_not_called);
	tcase_add_test(t, may_remove_itself);
	tcase_add_test(t, change_of_events);
	tcase_add_test(t, batch_is_bounded);
	tcase_add_test(t, clock_and_timeouts);
	tcase_add_test(t, signals_come_as_numbers);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
