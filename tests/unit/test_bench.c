/* SPDX-License-Identifier: MIT
 *
 * test_bench.c - messages of bench, and its listener over loopback
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/benchrun.h"
#include "cmd/benchserve.h"

static struct loop loop;
static struct bench_note offer;
static struct bench_path path;

/* -- messages --------------------------------------------------------------------- */

START_TEST(golden_offer)
{
	static const uint8_t want[] = {
		1, 2, 0xde, 0xad, 0xbe, 0xef,
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		0x20, 1, 0x0d, 0xb8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0, 0, 0, 100
	};
	struct bench_note n = { .type = BENCH_OFFER, .id = 0xdeadbeef,
		.mbit = 100, .tcp6 = 0x1234, .udp6 = 0x5678, .tcp4 = 0x9abc,
		.udp4 = 0xdef0 }, back;
	uint8_t body[BENCH_BODY];
	size_t len;

	for (uint8_t i = 0; i < BENCH_TOKEN; i++)
		n.token[i] = i;
	addr6_parse(&n.self, "2001:db8:100::1");
	len = bench_write(body, &n);
	ck_assert_uint_eq(len, sizeof(want));
	ck_assert_mem_eq(body, want, len);
	ck_assert(bench_read(&back, (struct span){ want, len }));
	ck_assert_uint_eq(back.id, n.id);
	ck_assert_uint_eq(back.udp4, n.udp4);
	ck_assert_uint_eq(back.mbit, 100);
	ck_assert(addr6_eq(&back.self, &n.self));
	ck_assert_mem_eq(back.token, n.token, BENCH_TOKEN);
	for (size_t cut = 0; cut < len; cut++)
		ck_assert(!bench_read(&back, (struct span){ want, cut }));
}
END_TEST

START_TEST(others)
{
	struct bench_note n = { .type = BENCH_REFUSE, .id = 1,
		.reason = BENCH_BUSY }, back;
	uint8_t body[BENCH_BODY] = { 0 };

	ck_assert_uint_eq(bench_write(body, &n), 7);
	ck_assert(bench_read(&back, (struct span){ body, 7 }));
	ck_assert_int_eq(back.reason, BENCH_BUSY);
	ck_assert(!bench_read(&back, (struct span){ body, 6 }));
	body[0] = 0;	/* version 0 is none */
	ck_assert(!bench_read(&back, (struct span){ body, 7 }));
	body[0] = 2;	/* a later one only adds at the end */
	ck_assert(bench_read(&back, (struct span){ body, 30 }));
}
END_TEST

START_TEST(tokens)
{
	uint8_t a[BENCH_TOKEN] = { 0 }, b[BENCH_TOKEN] = { 0 };

	ck_assert(bench_token_eq(a, b));
	for (int bit = 0; bit < 8 * BENCH_TOKEN; bit++) {
		a[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert(!bench_token_eq(a, b));
		a[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
END_TEST

START_TEST(medians)
{
	uint32_t odd[] = { 9, 1, 5 }, even[] = { 9, 1, 4, 6 },
		 big[] = { UINT32_MAX, UINT32_MAX };

	ck_assert_uint_eq(bench_median(odd, 3), 5);
	ck_assert_uint_eq(bench_median(even, 4), 5);
	ck_assert_uint_eq(bench_median(big, 2), UINT32_MAX);
	ck_assert_uint_eq(bench_median(odd, 0), 0);
}
END_TEST

/* -- the listener ------------------------------------------------------------------ */

static struct bench_plan plan(uint32_t link, uint32_t mbit)
{
	struct bench_plan p = { .loop = &loop, .link = link, .id = 7,
		.mbit = mbit, .listen = 0x7f000001 };

	addr6_parse(&p.self, "::1");
	return p;
}

static void up(void)
{
	struct bench_plan p = plan(0, 50);

	ck_assert_int_eq(loop_init(&loop), 0);
	benchserve_open(&p, &offer, loop_now());
	ck_assert_int_eq(offer.type, BENCH_OFFER);
	ck_assert_uint_eq(offer.id, 7);
	path = (struct bench_path){ .name = "bare" };
	path.tcp.a4 = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000001),
		.sin_port = htons(offer.tcp4) };
	path.udp = path.tcp;
	path.udp.a4.sin_port = htons(offer.udp4);
	memcpy(path.token, offer.token, BENCH_TOKEN);
}

static void down(void)
{
	benchserve_end_all();
	loop_fini(&loop);
}

static void turn(void)
{
	msec now = loop_now(), due = benchserve_deadline();
	int wait = loop_timeout(due, now);

	loop_run_once(&loop, wait < 0 || wait > 50 ? 50 : wait);
	benchserve_tick(loop_now());
}

/* Serve while a child runs @measure, which gives true if all is well. */
static void serve(bool (*measure)(void))
{
	int status = 0, turns = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(measure() ? 0 : 1);
	while (!waitpid(pid, &status, WNOHANG)) {
		turn();
		turns++;
	}
	ck_assert_int_eq(status, 0);
	/* the loop slept while there was nothing to do */
	ck_assert_int_lt(turns, 2000000);
}

/* It moved, not faster than it may, and the echoes came beside it. */
static bool flow_good(const struct bench_flow *f)
{
	return f->bytes && bench_bps(f) < 60000000 &&
	       f->loaded.count > f->loaded.lost;
}

static bool all_steps(void)
{
	struct bench_result r = { 0 };

	benchrun_setup(&path, &r);
	benchrun_delay(&path, &r);
	benchrun_down(&path, &r);
	benchrun_up(&path, &r);
	if (!flow_good(&r.down) || !flow_good(&r.up))
		return false;
	benchrun_rate(&path, &r);
	return r.reached && r.setup.count == 20 && r.tcp.count && r.udp.count &&
	       r.rate;
}

/* Everything is measured, and --bench's rate is kept (50 Mbit/s). */
START_TEST(measures)
{
	serve(all_steps);
}
END_TEST

static bool nothing_without_token(void)
{
	struct bench_result r = { 0 };

	path.token[15] ^= 1;
	benchrun_setup(&path, &r);	/* connects, as anyone may */
	benchrun_delay(&path, &r);
	benchrun_down(&path, &r);
	return r.reached && !r.tcp.count && !r.udp.count && !r.down.bytes &&
	       !r.down.loaded.count;
}

START_TEST(unproven)
{
	serve(nothing_without_token);
}
END_TEST

static bool silent_is_closed(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval patience = { 8, 0 };
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, &path.tcp.any, sizeof(path.tcp.a4)))
		return false;
	return recv(fd, &byte, 1, 0) == 0;
}

START_TEST(silent)
{
	serve(silent_is_closed);
}
END_TEST

static bool is_open(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool yes = !connect(fd, &path.tcp.any, sizeof(path.tcp.a4));

	close(fd);
	return yes;
}

START_TEST(limits)
{
	struct bench_plan p = plan(0, 0);
	struct bench_note n;

	benchserve_open(&p, &n, loop_now());
	ck_assert_int_eq(n.type, BENCH_REFUSE);
	ck_assert_int_eq(n.reason, BENCH_NOT_ALLOWED);
	for (uint32_t link = 1; link < BENCHES; link++) {
		p = plan(link, 50);
		benchserve_open(&p, &n, loop_now());
		ck_assert_int_eq(n.type, BENCH_OFFER);
		ck_assert_mem_ne(n.token, offer.token, BENCH_TOKEN);
	}
	p = plan(BENCHES, 50);
	benchserve_open(&p, &n, loop_now());
	ck_assert_int_eq(n.type, BENCH_REFUSE);
	ck_assert_int_eq(n.reason, BENCH_BUSY);
	/* one per edge: a new one ends the old */
	ck_assert(is_open());
	p = plan(0, 50);
	benchserve_open(&p, &n, loop_now());
	ck_assert_int_eq(n.type, BENCH_OFFER);
	ck_assert(!is_open());
}
END_TEST

START_TEST(ends)
{
	benchserve_end(0, 8);	/* another number: not this one */
	ck_assert(is_open());
	benchserve_end(1, 7);	/* another edge's */
	ck_assert(is_open());
	benchserve_tick(loop_now() + BENCH_LIFE_MS - 1000);
	ck_assert(is_open());
	benchserve_tick(loop_now() + BENCH_LIFE_MS);
	ck_assert(!is_open());
	ck_assert_uint_eq(benchserve_deadline(), NEVER);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bench");
	TCase *m = tcase_create("messages"), *l = tcase_create("listener");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(m, golden_offer);
	tcase_add_test(m, others);
	tcase_add_test(m, tokens);
	tcase_add_test(m, medians);
	tcase_add_checked_fixture(l, up, down);
	tcase_set_timeout(l, 40);
	tcase_add_test(l, measures);
	tcase_add_test(l, unproven);
	tcase_add_test(l, silent);
	tcase_add_test(l, limits);
	tcase_add_test(l, ends);
	suite_add_tcase(s, m);
	suite_add_tcase(s, l);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
