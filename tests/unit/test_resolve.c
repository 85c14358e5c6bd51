/* SPDX-License-Identifier: MIT
 *
 * test_resolve.c - look-ups that do not block, and their end
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/resolve.h"

static struct resolve_answer answer_of(const char *name)
{
	struct resolve_answer a;
	struct resolve r;
	struct pollfd p;

	ck_assert_int_eq(resolve_start(&r, name, loop_now()), 0);
	p = (struct pollfd){ r.watch.fd, POLLIN, 0 };
	ck_assert_int_ge(poll(&p, 1, RESOLVE_MS + 100), 0);
	ck_assert(resolve_read(&r, &a, r.deadline));
	/* no child is left */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	return a;
}

START_TEST(answers)
{
	struct resolve_answer a = answer_of("192.0.2.77");

	ck_assert_int_eq(a.error, 0);
	ck_assert_uint_eq(a.count, 1);
	ck_assert_uint_eq(a.addr[0], 0xc000024d);
	a = answer_of("localhost");
	ck_assert_int_eq(a.error, 0);
	ck_assert_uint_ge(a.count, 1);
	ck_assert_uint_eq(a.addr[0] >> 24, 127);
}
END_TEST

START_TEST(names)
{
	char name[300];
	struct resolve r;

	ck_assert(resolve_name_ok("hub.example.net"));
	ck_assert(!resolve_name_ok(""));
	ck_assert(!resolve_name_ok("a b"));
	ck_assert(!resolve_name_ok("a\nb"));
	ck_assert(!resolve_name_ok("../etc"));
	memset(name, 'a', sizeof(name));
	name[253] = '\0';
	ck_assert(resolve_name_ok(name));
	name[253] = 'a';
	name[254] = '\0';
	ck_assert(!resolve_name_ok(name));
	ck_assert_int_eq(resolve_start(&r, "a b", 0), -EINVAL);
}
END_TEST

START_TEST(time_limit)
{
	struct resolve_answer a;
	struct resolve r;

	ck_assert_int_eq(resolve_start(&r, "localhost", 1000), 0);
	ck_assert(r.deadline == 1000 + RESOLVE_MS);
	kill(r.pid, SIGSTOP);
	/* it may have been quicker than the signal: then there is an answer */
	if (!resolve_read(&r, &a, r.deadline - 1)) {
		ck_assert(resolve_read(&r, &a, r.deadline));
		ck_assert_int_eq(a.error, -ETIMEDOUT);
	}
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(a_child_that_dies)
{
	struct resolve_answer a;
	struct resolve r;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	close(fds[1]);
	r = (struct resolve){ .watch.fd = fds[0], .pid = 0, .deadline = 9 };
	ck_assert(resolve_read(&r, &a, 1));
	ck_assert_int_eq(a.error, -EAGAIN);
	ck_assert_int_eq(r.watch.fd, -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("resolve");
	TCase *t = tcase_create("resolve");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, answers);
	tcase_add_test(t, names);
	tcase_add_test(t, time_limit);
	tcase_add_test(t, a_child_that_dies);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
