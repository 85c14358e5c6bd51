/* SPDX-License-Identifier: MIT
 *
 * test_log.c - lines, levels, escaping, limits; and the words for systemd
 */
#include <check.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/log.h"
#include "cmd/notify.h"

static int out;	/* what stderr is while a test looks at it */

static void catch_stderr(void)
{
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	out = dup(fileno(f));
	dup2(out, STDERR_FILENO);
	fclose(f);
}

/* What has been written to stderr since the last call. */
static const char *caught(void)
{
	static char text[4096];
	ssize_t len = pread(out, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(len, 0);
	text[len] = 0;
	ck_assert_int_eq(ftruncate(out, 0), 0);
	lseek(out, 0, SEEK_SET);
	return text;
}

START_TEST(plain_lines)
{
	unsetenv("JOURNAL_STREAM");
	catch_stderr();
	log_open("edge", LEVEL_INFO);
	log_error("bad key=%d", 1);
	ck_assert_str_eq(caught(), "unmap edge: bad key=1\n");
	log_warn("odd");
	ck_assert_str_eq(caught(), "unmap edge: warning: odd\n");
	log_info("up");
	ck_assert_str_eq(caught(), "unmap edge: up\n");
	log_debug("quiet");
	ck_assert_str_eq(caught(), "");
	log_open("", LEVEL_DEBUG);
	log_debug("loud");
	ck_assert_str_eq(caught(), "unmap: debug: loud\n");
	log_open("hub", LEVEL_ERROR);
	log_warn("not shown");
	ck_assert_str_eq(caught(), "");
}
END_TEST

START_TEST(journal_lines)
{
	char stream[64];
	struct stat st;

	catch_stderr();
	ck_assert_int_eq(fstat(out, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("edge", LEVEL_DEBUG);
	log_error("a");
	log_warn("b");
	log_info("c");
	log_debug("d");
	ck_assert_str_eq(caught(), "<3>a\n<4>b\n<6>c\n<7>d\n");
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open("edge", LEVEL_INFO);
	log_info("redirected");
	ck_assert_str_eq(caught(), "unmap edge: redirected\n");
}
END_TEST

static const struct {
	const char *text, *escaped;
} rows[] = {
	{ "plain key=1 ~", "plain key=1 ~" },
	{ "a\nunmap: forged", "a\\x0aunmap: forged" },
	{ "\033[2J\177", "\\x1b[2J\\x7f" },
	{ "\xc3\xa9\x9b", "\\xc3\\xa9\\x9b" },
	{ "\\x41", "\\x5cx41" },
	{ "", "" },
};

START_TEST(escaping)
{
	char to[64];

	ck_assert_uint_eq(log_escape(to, sizeof(to), rows[_i].text),
			  strlen(rows[_i].escaped));
	ck_assert_str_eq(to, rows[_i].escaped);
	catch_stderr();
	log_open("edge", LEVEL_INFO);
	log_info("%s", rows[_i].text);
	ck_assert_int_eq(strcspn(caught(), "\n"),
			 strlen("unmap edge: ") + strlen(rows[_i].escaped));
}
END_TEST

START_TEST(escaping_never_overruns)
{
	char to[8];

	for (size_t cap = 1; cap < sizeof(to); cap++) {
		memset(to, '#', sizeof(to));
		ck_assert_uint_lt(log_escape(to, cap, "a\n\n\nbcdefgh"), cap);
		ck_assert_int_eq(to[cap], '#');
		ck_assert_uint_lt(strlen(to), cap);
	}
}
END_TEST

START_TEST(long_line_is_cut)
{
	char words[4000];
	const char *line;

	memset(words, '\n', sizeof(words) - 1);
	words[sizeof(words) - 1] = 0;
	catch_stderr();
	log_open("edge", LEVEL_INFO);
	log_info("%s", words);
	line = caught();
	ck_assert_uint_le(strlen(line), LOG_LINE_MAX);
	ck_assert_uint_gt(strlen(line), LOG_LINE_MAX - 8);
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(level_names)
{
	enum log_level level = LEVEL_INFO;

	ck_assert(log_level_parse(&level, "error") && level == LEVEL_ERROR);
	ck_assert(log_level_parse(&level, "warn") && level == LEVEL_WARN);
	ck_assert(log_level_parse(&level, "debug") && level == LEVEL_DEBUG);
	ck_assert(!log_level_parse(&level, "loud") && level == LEVEL_DEBUG);
}
END_TEST

START_TEST(limit)
{
	struct log_limit l = { 0 };

	for (int i = 0; i < LOG_LIMIT_LINES; i++)
		ck_assert(log_limit_take(&l, 1000));
	ck_assert(!log_limit_take(&l, 1001));
	ck_assert(!log_limit_take(&l, 1000 + LOG_LIMIT_MS - 1));
	ck_assert_uint_eq(l.missed, 2);
	ck_assert(log_limit_take(&l, 1000 + LOG_LIMIT_MS));
	ck_assert_uint_eq(l.missed, 2);
}
END_TEST

/* What the roles of TLS are refused for does not hide the next reason. */
START_TEST(limit_per_reason)
{
	static const char *const reasons[] = {
		"no cipher suite in common: is the other side unmap?",
		"the edge sent no certificate",
		"the edge's certificate is from another CA",
		"the edge's certificate has expired",
		"the edge's certificate is revoked",
		"the certificate is the hub's",
		"closed by the other end",
	};
	static struct log_limits l;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		struct log_limit *one = log_limit_for(&l, reasons[i]);

		ck_assert_ptr_eq(one, log_limit_for(&l, reasons[i]));
		for (int n = 0; n < LOG_LIMIT_LINES; n++)
			ck_assert_msg(log_limit_take(one, 1000), "%s",
				      reasons[i]);
		ck_assert(!log_limit_take(one, 1000));
	}
}
END_TEST

static void chatter(int i)
{
	log_limited(LEVEL_WARN, "again i=%d", i);
}

START_TEST(limit_per_place)
{
	const char *text;
	int lines = 0;

	catch_stderr();
	log_open("edge", LEVEL_INFO);
	for (int i = 0; i < 100; i++)
		chatter(i);
	log_limited(LEVEL_WARN, "other place");
	text = caught();
	ck_assert_ptr_nonnull(strstr(text, "other place"));
	for (; (text = strchr(text, '\n')); text++)
		lines++;
	ck_assert_int_eq(lines, LOG_LIMIT_LINES + 1);
}
END_TEST

START_TEST(missed_are_told)
{
	struct log_limit l = { .missed = 3 };

	catch_stderr();
	log_open("edge", LEVEL_INFO);
	log_limited_write(&l, LEVEL_INFO, "back");
	ck_assert_str_eq(caught(),
			 "unmap edge: 3 lines like the next one were left out\n"
			 "unmap edge: back\n");
	ck_assert_uint_eq(l.missed, 0);
}
END_TEST

START_TEST(dies)
{
	log_open("edge", LEVEL_ERROR);
	die(EX_NOINPUT, "cannot read %s: try again", "x");
}
END_TEST

/* ---- notify ------------------------------------------------------------- */

static int listen_at(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				     strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, name, strlen(name));
	if (*name == '@')
		at.sun_path[0] = 0;
	ck_assert_int_eq(bind(fd, (void *)&at, size), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *heard(int fd)
{
	static char text[512];
	ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

	text[len < 0 ? 0 : len] = 0;
	return text;
}

static void talk(int fd)
{
	setenv("WATCHDOG_USEC", "20000000", 1);
	unsetenv("WATCHDOG_PID");
	notify_open();
	ck_assert_uint_eq(notify_watchdog_ms(), 10000);
	notify_ready("2 edges");
	ck_assert_str_eq(heard(fd), "READY=1\nSTATUS=2 edges");
	notify_watchdog();
	ck_assert_str_eq(heard(fd), "WATCHDOG=1");
	notify_reloading();
	ck_assert_int_eq(strncmp(heard(fd), "RELOADING=1\nMONOTONIC_USEC=",
				 27), 0);
	notify_stopping();
	ck_assert_str_eq(heard(fd), "STOPPING=1");
	setenv("WATCHDOG_PID", "1", 1);
	notify_open();
	ck_assert_uint_eq(notify_watchdog_ms(), 0);
	close(fd);
}

START_TEST(notify_abstract)
{
	char name[64];

	snprintf(name, sizeof(name), "@unmap-test-notify-%d", (int)getpid());
	talk(listen_at(name));
}
END_TEST

START_TEST(notify_path)
{
	char name[64];

	snprintf(name, sizeof(name), "/tmp/unmap-test-notify-%d",
		 (int)getpid());
	talk(listen_at(name));
	unlink(name);
	notify_open();
	notify_ready("nobody listens");
}
END_TEST

START_TEST(notify_nobody)
{
	char longest[300];

	unsetenv("NOTIFY_SOCKET");
	notify_open();
	notify_ready("x");
	setenv("NOTIFY_SOCKET", "relative", 1);
	notify_open();
	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	setenv("NOTIFY_SOCKET", longest, 1);
	notify_open();
	notify_stopping();
	ck_assert_uint_eq(notify_watchdog_ms(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");
	SRunner *r;
	int failed;

	tcase_add_test(t, plain_lines);
	tcase_add_test(t, journal_lines);
	tcase_add_loop_test(t, escaping, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_test(t, escaping_never_overruns);
	tcase_add_test(t, long_line_is_cut);
	tcase_add_test(t, level_names);
	tcase_add_test(t, limit);
	tcase_add_test(t, limit_per_reason);
	tcase_add_test(t, limit_per_place);
	tcase_add_test(t, missed_are_told);
	tcase_add_exit_test(t, dies, EX_NOINPUT);
	tcase_add_test(t, notify_abstract);
	tcase_add_test(t, notify_path);
	tcase_add_test(t, notify_nobody);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
