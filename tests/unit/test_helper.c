/* SPDX-License-Identifier: MIT
 *
 * test_helper.c - the process with the rights: requests, order, ends
 *
 * Each test is a network namespace with one TUN. The translators below are
 * what a real one does, or what one that was taken over might try; they tell
 * what they saw in a page shared with the test.
 */
#include <check.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "net/helper.h"
#include "net/tun.h"
#include "tests/unit/netns.h"

struct seen {
	int runs, sweeps, notes[HELPER_NOTE_COUNT];
	long value[HELPER_NOTE_COUNT];
	int result[16];
	pid_t helper, translator;
	struct resolve_answer answer;
	char what[IFCONF_WHAT];
};

static struct seen *seen;
static struct helper h;
static char inner[IFNAMSIZ];
static int inner_index;

static void up(void)
{
	struct rtnl_link l;
	unsigned features;

	ck_assert(netns_enter());
	ck_assert_int_ge(tun_open("t%d", inner, &features), 0);
	ck_assert_int_eq(rtnl_link_get(inner, 0, &l), 0);
	inner_index = l.index;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(seen, MAP_FAILED);
}

static bool has_address(const char *text)
{
	struct rtnl_addr a[32];
	struct addr6 want;
	int n = rtnl_addr_list(0, AF_INET6, a, 32);

	ck_assert(addr6_parse(&want, text));
	while (n-- > 0)
		if (!memcmp(a[n].addr.b, want.b, 16))
			return true;
	return false;
}

static int count_routes(const struct rtnl_route *r, void *arg)
{
	*(int *)arg += r->protocol == RTNL_PROTOCOL;
	return 0;
}

static int our_routes(void)
{
	int count = 0;

	rtnl_route_each(AF_INET6, 0, count_routes, &count);
	return count;
}

static void on_note(enum helper_note what, long value, void *arg)
{
	(void)arg;
	seen->notes[what]++;
	seen->value[what] = value;
}

static void on_sweep(void *arg)
{
	(void)arg;
	seen->sweeps++;
}

static int run(int (*translator)(int fd, void *arg))
{
	struct helper_program p = { translator, on_sweep, on_note, NULL };

	return helper_run(&p);
}

static struct helper_request edge_request(void)
{
	struct helper_request q = { .type = HELPER_EDGE,
				    .edge = { .mtu = 1500 } };

	prefix6_parse(&q.edge.prefix, "2001:db8:100:1::/64");
	strcpy(q.edge.inner, inner);
	return q;
}

static struct helper_request hub_request(void)
{
	struct helper_request q = { .type = HELPER_HUB,
				    .hub = { .mtu = 1500 } };

	prefix6_parse(&q.hub.prefix, "2001:db8:100::/48");
	addr6_parse(&q.hub.own, "2001:db8:100::1");
	strcpy(q.hub.inner, inner);
	return q;
}

/* ---- ends ---------------------------------------------------------------- */

static int exit_code;

static int just_exit(int fd, void *arg)
{
	(void)fd;
	(void)arg;
	seen->runs++;
	return exit_code;
}

START_TEST(exit_codes_are_passed)
{
	static const int codes[] = { 0, EX_USAGE, EX_CONFIG };
	int i;

	up();
	for (i = 0; i < 3; i++) {
		exit_code = codes[i];
		ck_assert_int_eq(run(just_exit), codes[i]);
		ck_assert_int_eq(seen->runs, i + 1);
		ck_assert_int_eq(seen->sweeps, i + 1);
	}
	ck_assert_int_eq(seen->notes[HELPER_NOTE_RESTART], 0);
}
END_TEST

static int dies_twice(int fd, void *arg)
{
	struct helper_request q = edge_request();
	struct helper_reply r;

	(void)arg;
	if (helper_attach(&h, fd))
		return EX_PROTOCOL;
	/* undone before it is started again */
	if (has_address("2001:db8:100:1::1"))
		return EX_DATAERR;
	if (helper_call(&h, &q, &r, 5000) ||
	    !has_address("2001:db8:100:1::1"))
		return EX_TEMPFAIL;
	if (++seen->runs == 1)
		raise(SIGKILL);
	return seen->runs == 2 ? 1 : EX_OK;
}

START_TEST(started_again_after_a_crash)
{
	msec began = loop_now();

	up();
	ck_assert_int_eq(run(dies_twice), EX_OK);
	ck_assert_int_eq(seen->runs, 3);
	ck_assert_int_eq(seen->sweeps, 3);
	ck_assert_int_eq(seen->value[HELPER_NOTE_DIED], SIGKILL);
	ck_assert_int_eq(seen->value[HELPER_NOTE_EXITED], 1);
	ck_assert_int_eq(seen->notes[HELPER_NOTE_RESTART], 2);
	ck_assert_int_eq(seen->value[HELPER_NOTE_RESTART], 2000);
	ck_assert(loop_now() - began >= 3000);
	ck_assert(!has_address("2001:db8:100:1::1"));
	ck_assert_int_eq(our_routes(), 0);
}
END_TEST

static int waits_for_term(int fd, void *arg)
{
	int signals = loop_signals_open(), number;
	struct pollfd p = { signals, POLLIN, 0 };

	(void)arg;
	seen->runs++;
	if (helper_attach(&h, fd))
		return EX_PROTOCOL;
	seen->translator = getpid();
	poll(&p, 1, 10000);
	number = loop_signals_read(signals);
	seen->result[0] = number;
	if (number == SIGHUP) {
		poll(&p, 1, 10000);
		number = loop_signals_read(signals);
	}
	return number == SIGTERM ? EX_OK : EX_SOFTWARE;
}

static pid_t helper_in_a_child(int (*translator)(int fd, void *arg))
{
	pid_t pid = fork();
	int i;

	if (!pid)
		_exit(run(translator));
	for (i = 0; i < 500 && !seen->translator; i++)
		usleep(10000);
	ck_assert_int_ne(seen->translator, 0);
	return pid;
}

START_TEST(signals_are_passed)
{
	pid_t pid;
	int status;

	up();
	pid = helper_in_a_child(waits_for_term);
	kill(pid, SIGHUP);
	while (!seen->result[0])
		usleep(10000);
	ck_assert_int_eq(seen->result[0], SIGHUP);
	kill(pid, SIGTERM);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EX_OK);
	ck_assert_int_eq(seen->runs, 1);
}
END_TEST

static int waits_for_the_helper(int fd, void *arg)
{
	struct loop l;

	(void)arg;
	if (helper_attach(&h, fd) || loop_init(&l) ||
	    loop_add(&l, &h.watch, EPOLLIN))
		return EX_PROTOCOL;
	/* the other net is cut, to see that this one holds */
	signal(SIGTERM, SIG_IGN);
	seen->translator = getpid();
	for (;;)
		loop_run_once(&l, 1000);
}

static int waits_for_a_signal(int fd, void *arg)
{
	(void)arg;
	/* a translator that does not look at the socket */
	if (helper_attach(&h, fd))
		return EX_PROTOCOL;
	signal(SIGTERM, SIG_DFL);	/* libcheck's would hit the test */
	loop_signals_reset();
	seen->translator = getpid();
	for (;;)
		pause();
}

static void helper_killed(int (*translator)(int fd, void *arg))
{
	pid_t pid;
	int i;

	up();
	pid = helper_in_a_child(translator);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (i = 0; i < 300 && !kill(seen->translator, 0); i++) {
		char path[64], state = '?';
		FILE *f;

		/* an orphan may wait for whoever is init here */
		snprintf(path, sizeof(path), "/proc/%d/stat",
			 (int)seen->translator);
		f = fopen(path, "r");
		if (!f)
			return;
		ck_assert_int_eq(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
		fclose(f);
		if (state == 'Z')
			return;
		usleep(10000);
	}
	ck_assert_int_lt(i, 300);
}

START_TEST(helper_killed_end_of_file)
{
	helper_killed(waits_for_the_helper);
}
END_TEST

START_TEST(helper_killed_death_signal)
{
	helper_killed(waits_for_a_signal);
}
END_TEST

/* ---- requests ------------------------------------------------------------ */

static int ask(struct helper_request *q, struct helper_reply *r)
{
	return helper_call(&h, q, r, 5000);
}

/* Each result must be the one the test names. */
static int out_of_order(int fd, void *arg)
{
	struct helper_request edge = edge_request(), hub = hub_request();
	struct helper_request route = { .type = HELPER_ROUTE_ADD }, bad = edge;
	struct helper_request undo = { .type = HELPER_UNDO };
	struct helper_request lans = { .type = HELPER_LANS };
	struct helper_request again = { .type = HELPER_HELLO, .version = 1 };
	struct helper_reply r;
	int i = 0;

	(void)arg;
	h.watch.fd = fd;
	seen->result[i++] = ask(&edge, &r);	/* before hello */
	if (helper_attach(&h, fd))
		return EX_PROTOCOL;
	seen->result[i++] = ask(&again, &r);	/* twice */
	prefix6_parse(&route.prefix, "2001:db8:100:7::/64");
	seen->result[i++] = ask(&route, &r);	/* before hub */
	bad.edge.lans = IFCONF_LANS + 1;
	seen->result[i++] = ask(&bad, &r);
	bad = edge;
	bad.edge.prefix.addr.b[15] = 1;		/* bits behind its length */
	seen->result[i++] = ask(&bad, &r);
	bad = edge;
	memset(bad.edge.inner, 'x', IFNAMSIZ);	/* no end */
	seen->result[i++] = ask(&bad, &r);
	bad = hub;
	bad.hub.own.b[0] = 0x3f;		/* not its own */
	seen->result[i++] = ask(&bad, &r);
	if (ask(&lans, &r) != -EPROTO)		/* not an edge yet */
		return EX_SOFTWARE;
	if (ask(&hub, &r))
		return EX_UNAVAILABLE;
	seen->result[i++] = ask(&hub, &r);	/* twice */
	seen->result[i++] = ask(&edge, &r);	/* both */
	prefix6_parse(&route.prefix, "2001:db8:200:7::/64");
	seen->result[i++] = ask(&route, &r);	/* not the hub's */
	prefix6_parse(&route.prefix, "2001:db8:100::/48");
	seen->result[i++] = ask(&route, &r);	/* all of it */
	seen->result[12] = ask(&undo, &r);
	seen->result[13] = ask(&edge, &r);	/* now it may */
	seen->result[14] = ask(&lans, &r);
	return EX_OK;
}

START_TEST(order_is_kept)
{
	int i;

	up();
	ck_assert_int_eq(run(out_of_order), EX_OK);
	for (i = 0; i < 11; i++)
		ck_assert_msg(seen->result[i] == -EPROTO, "%d: %d", i,
			      seen->result[i]);
	ck_assert_int_eq(seen->result[12], 0);
	ck_assert_int_eq(seen->result[13], 0);
	ck_assert_int_eq(seen->result[14], 0);
	ck_assert_int_eq(seen->value[HELPER_NOTE_REFUSED], 8);
	ck_assert_int_eq(our_routes(), 0);
}
END_TEST

/* Every length of every type, and noise: no reply but refusals, no crash. */
static int noise(int fd, void *arg)
{
	struct helper_request q;
	uint8_t bytes[2 * sizeof(q)];
	struct helper_reply r;
	uint32_t type;
	size_t len;

	(void)arg;
	if (helper_attach(&h, fd))
		return EX_PROTOCOL;
	for (type = 0; type < HELPER_TYPE_COUNT + 3; type++)
		for (len = 0; len < sizeof(bytes); len += 3) {
			memset(bytes, 0xff, sizeof(bytes));
			memcpy(bytes, &type, 4);
			if (type == HELPER_UNDO && len == 8)
				continue;
			if (len && send(fd, bytes, len, 0) < 0)
				return EX_OSERR;
			while (recv(fd, &r, sizeof(r), MSG_DONTWAIT) > 0)
				if (r.error != -EPROTO)
					return EX_DATAERR;
		}
	usleep(100000);
	while (recv(fd, &r, sizeof(r), MSG_DONTWAIT) > 0)
		if (r.error != -EPROTO)
			return EX_DATAERR;
	q = edge_request();
	return ask(&q, &r) ? EX_UNAVAILABLE : EX_OK;
}

START_TEST(noise_is_refused)
{
	up();
	ck_assert_int_eq(run(noise), EX_OK);
	ck_assert_int_ge(seen->value[HELPER_NOTE_REFUSED], 1024);
}
END_TEST

static int fails_half_way(int fd, void *arg)
{
	struct helper_request q = edge_request();
	struct helper_reply r;

	(void)arg;
	if (helper_attach(&h, fd))
		return EX_PROTOCOL;
	q.edge.lans = 1;
	strcpy(q.edge.lan[0], "nosuch0");
	seen->result[0] = ask(&q, &r);
	memcpy(seen->what, r.what, sizeof(r.what));
	seen->result[1] = our_routes();
	return EX_NOHOST;
}

START_TEST(failure_is_told_and_undone)
{
	up();
	ck_assert_int_eq(run(fails_half_way), EX_NOHOST);
	ck_assert_int_eq(seen->result[0], -ENODEV);
	ck_assert_str_eq(seen->what, "find LAN interface nosuch0");
	ck_assert_int_eq(seen->result[1], 0);
}
END_TEST

static int done_count;

static void on_route(const struct helper_reply *r, void *arg)
{
	(void)arg;
	done_count++;
	seen->result[0] |= r->error;
}

static void on_answer(const struct helper_reply *r, void *arg)
{
	(void)arg;
	seen->answer = r->answer;
	seen->result[1] = r->error;
	done_count++;
}

/* A hub to which 600 edges connect at once, and that looks a name up. */
static int busy_hub(int fd, void *arg)
{
	struct helper_request q = hub_request();
	struct helper_reply r;
	struct prefix6 p;
	struct loop l;
	int i, wanted = 0;

	(void)arg;
	if (helper_attach(&h, fd) || ask(&q, &r) || loop_init(&l) ||
	    loop_add(&l, &h.watch, EPOLLIN))
		return EX_PROTOCOL;
	prefix6_parse(&p, "2001:db8:100:1::/64");
	for (i = 0; i < 600; i++) {
		p.addr.b[6] = (uint8_t)(1 + i / 256);
		p.addr.b[7] = (uint8_t)i;
		if (helper_route(&h, &p, true, on_route, NULL))
			return EX_TEMPFAIL;
		wanted++;
		if (i % 50 == 0)
			loop_run_once(&l, 0);
	}
	if (helper_resolve(&h, "192.0.2.9", on_answer, NULL))
		return EX_TEMPFAIL;
	wanted++;
	for (i = 0; i < 600 && done_count < wanted; i++)
		loop_run_once(&l, 100);
	seen->result[2] = our_routes();
	for (i = 0; i < 600; i++) {
		p.addr.b[6] = (uint8_t)(1 + i / 256);
		p.addr.b[7] = (uint8_t)i;
		helper_route(&h, &p, false, on_route, NULL);
		wanted++;
		loop_run_once(&l, 0);
	}
	for (i = 0; i < 600 && done_count < wanted; i++)
		loop_run_once(&l, 100);
	seen->result[3] = our_routes();
	return done_count == wanted ? EX_OK : EX_TEMPFAIL;
}

START_TEST(many_routes_and_a_name)
{
	up();
	ck_assert_int_eq(run(busy_hub), EX_OK);
	ck_assert_int_eq(seen->result[0], 0);
	ck_assert_int_eq(seen->result[1], 0);
	ck_assert_int_eq(seen->answer.error, 0);
	ck_assert_uint_eq(seen->answer.count, 1);
	ck_assert_uint_eq(seen->answer.addr[0], 0xc0000209);
	ck_assert_int_eq(seen->result[2], 601);	/* and the unreachable one */
	ck_assert_int_eq(seen->result[3], 1);
	ck_assert_int_eq(our_routes(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("helper");
	TCase *t = tcase_create("helper");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	if (netns_permitted("helper")) {
		tcase_add_test(t, exit_codes_are_passed);
		tcase_add_test(t, started_again_after_a_crash);
		tcase_add_test(t, signals_are_passed);
		tcase_add_test(t, helper_killed_end_of_file);
		tcase_add_test(t, helper_killed_death_signal);
		tcase_add_test(t, order_is_kept);
		tcase_add_test(t, noise_is_refused);
		tcase_add_test(t, failure_is_told_and_undone);
		tcase_add_test(t, many_routes_and_a_name);
	}
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
