/* SPDX-License-Identifier: MIT
 *
 * test_local.c - request and reply, limits, naming and stale sockets
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/local.h"

static char dir[] = "/tmp/unmap-test-local-XXXXXX";
static struct local server;
static struct loop loop;
static int gone;
static struct local_client *later;

static void on_request(struct local_client *c, const char *line, void *arg)
{
	static char big[LOCAL_REPLY];

	ck_assert_ptr_eq(arg, &server);
	if (!strcmp(line, "big")) {
		memset(big, 'b', sizeof(big));
		if (local_write(c, big, sizeof(big)))
			local_finish(c);
	} else if (!strcmp(line, "too big")) {
		memset(big, 'b', sizeof(big));
		ck_assert(local_write(c, big, sizeof(big)));
		ck_assert(!local_write(c, big, sizeof(big)));
		local_finish(c);	/* harmless on a dropped client */
	} else if (!strcmp(line, "later")) {
		later = c;
	} else {
		local_write(c, "you said ", 9);
		local_write(c, line, strlen(line));
		local_finish(c);
	}
}

static void on_gone(struct local_client *c, void *arg)
{
	(void)c;
	(void)arg;
	gone++;
}

static const struct local_ops ops = { on_request, on_gone };

static void up(void)
{
	strcpy(dir, "/tmp/unmap-test-local-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	setenv("UNMAP_RUN", dir, 1);
	gone = 0;
	later = NULL;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(local_open(&server, "alice", getpid()), 0);
	ck_assert_int_eq(local_serve(&server, &loop, &ops, &server), 0);
}

static void down(void)
{
	local_close(&server);
	loop_fini(&loop);
	/* nothing may be left behind: rmdir says so */
	ck_assert_int_eq(rmdir(dir), 0);
}

static void turns(int n)
{
	while (n--)
		loop_run_once(&loop, 10);
}

/* Read until end of file while the server runs. */
static size_t read_all(int fd, char *to, size_t cap)
{
	size_t got = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		n = read(fd, to + got, cap - got);
		if (n > 0)
			got += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			loop_run_once(&loop, 10);
		else
			return got;
	}
}

START_TEST(request_and_reply)
{
	static char reply[LOCAL_REPLY + 1];
	struct stat st;
	int fd;

	up();
	ck_assert_int_eq(stat(server.path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	fd = local_ask(server.path, "status json");
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(read_all(fd, reply, sizeof(reply)), 20);
	ck_assert_mem_eq(reply, "you said status json", 20);
	close(fd);
	fd = local_ask(server.path, "big");
	ck_assert_uint_eq(read_all(fd, reply, sizeof(reply)), LOCAL_REPLY);
	close(fd);
	ck_assert_int_eq(gone, 2);
	down();
}
END_TEST

START_TEST(limits)
{
	char line[LOCAL_REQUEST + 8], reply[64];
	int fd[LOCAL_CLIENTS + 1], i;

	up();
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	fd[0] = local_ask(server.path, line);
	ck_assert_uint_eq(read_all(fd[0], reply, sizeof(reply)), 0);
	close(fd[0]);
	fd[0] = local_ask(server.path, "too big");
	turns(3);
	ck_assert_int_eq(gone, 1);
	close(fd[0]);
	/* one client more than there is room for is closed at once */
	for (i = 0; i <= LOCAL_CLIENTS; i++) {
		fd[i] = local_ask(server.path, "later");
		turns(2);
	}
	ck_assert_uint_eq(read_all(fd[LOCAL_CLIENTS], reply, 1), 0);
	for (i = 0; i <= LOCAL_CLIENTS; i++)
		close(fd[i]);
	turns(3);
	ck_assert_int_eq(gone, 1 + LOCAL_CLIENTS);
	down();
}
END_TEST

START_TEST(late_answer_and_half_close)
{
	char reply[64];
	int fd;

	up();
	fd = local_ask(server.path, "later");
	shutdown(fd, SHUT_WR);
	turns(2);
	ck_assert_ptr_nonnull(later);
	/* who waits for us is not dropped, whatever the time */
	ck_assert(local_deadline(&server) == NEVER);
	local_tick(&server, loop_now() + 10 * LOCAL_IDLE_MS);
	ck_assert_int_eq(gone, 0);
	ck_assert(local_write(later, "one ", 4));
	turns(1);
	ck_assert(local_write(later, "two", 3));
	local_finish(later);
	ck_assert_uint_eq(read_all(fd, reply, sizeof(reply)), 7);
	ck_assert_mem_eq(reply, "one two", 7);
	ck_assert_int_eq(gone, 1);
	close(fd);
	down();
}
END_TEST

START_TEST(slow_clients_are_dropped)
{
	int slow, silent;

	up();
	silent = local_ask(server.path, "later");
	slow = local_ask(server.path, "big");
	turns(4);
	ck_assert(local_deadline(&server) != NEVER);
	local_tick(&server, loop_now());
	ck_assert_int_eq(gone, 0);
	local_tick(&server, loop_now() + LOCAL_IDLE_MS + 1);
	ck_assert_int_eq(gone, 1);
	ck_assert(local_deadline(&server) == NEVER);
	close(slow);
	close(silent);
	turns(2);
	down();
}
END_TEST

/* A second process with the same name, killed: it leaves its socket. */
static pid_t twin(void)
{
	struct local other;
	int ready[2];
	char c;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		c = local_open(&other, "alice", getpid()) ? 'n' : 'y';
		if (write(ready[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	ck_assert_int_eq(c, 'y');
	close(ready[0]);
	close(ready[1]);
	return pid;
}

START_TEST(list_find_and_stale)
{
	struct local_entry e[LOCAL_LIST];
	char number[24];
	pid_t pid;

	up();
	pid = twin();
	ck_assert_int_eq(local_list(e, LOCAL_LIST), 2);
	ck_assert_str_eq(e[0].name, "alice");
	ck_assert_int_eq(local_find(e, 2, NULL), 2);
	ck_assert_int_eq(local_find(e, 2, "alice"), 2);
	ck_assert_int_eq(local_find(e, 2, "bob"), 0);
	snprintf(number, sizeof(number), "%d", (int)pid);
	ck_assert_int_eq(local_find(e, 2, number), 1);
	ck_assert_int_eq(e[0].pid, pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(access(e[0].path, F_OK), 0);
	ck_assert_int_eq(local_list(e, LOCAL_LIST), 1);
	ck_assert_int_eq(e[0].pid, getpid());
	down();
}
END_TEST

/* Nobody asked for status in between: the next daemon removes it. */
START_TEST(swept_at_start)
{
	struct local other;
	char path[sizeof(server.path)];
	pid_t pid = 0;

	up();
	pid = twin();
	snprintf(path, sizeof(path), "%s/alice@%d.sock", dir, (int)pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(local_open(&other, "bob", 4711), 0);
	ck_assert_ptr_nonnull(strstr(other.path, "/bob@4711.sock"));
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(access(server.path, F_OK), 0);
	local_close(&other);
	down();
}
END_TEST

START_TEST(equal_process_numbers)
{
	struct local twin_of_us;
	struct local_entry e[LOCAL_LIST];

	up();
	/* as from another process namespace: same name, same number */
	ck_assert_int_eq(local_open(&twin_of_us, "alice", getpid()), 0);
	ck_assert_str_ne(twin_of_us.path, server.path);
	ck_assert_int_eq(local_list(e, LOCAL_LIST), 2);
	ck_assert_int_eq(e[1].pid, getpid());
	local_close(&twin_of_us);
	ck_assert_int_eq(local_open(&twin_of_us, "../a b/c", getpid()), 0);
	ck_assert_ptr_nonnull(strstr(twin_of_us.path, "/_._a_b_c@"));
	local_close(&twin_of_us);
	down();
}
END_TEST

START_TEST(long_paths_are_refused)
{
	char deep[200];

	up();
	memset(deep, 'd', sizeof(deep));
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	setenv("UNMAP_RUN", deep, 1);
	struct local s;
	ck_assert_int_eq(local_open(&s, "alice", getpid()), -ENAMETOOLONG);
	setenv("UNMAP_RUN", dir, 1);
	down();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("local");
	TCase *t = tcase_create("local");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, request_and_reply);
	tcase_add_test(t, limits);
	tcase_add_test(t, late_answer_and_half_close);
	tcase_add_test(t, slow_clients_are_dropped);
	tcase_add_test(t, list_find_and_stale);
	tcase_add_test(t, swept_at_start);
	tcase_add_test(t, equal_process_numbers);
	tcase_add_test(t, long_paths_are_refused);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
