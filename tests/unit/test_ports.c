/* SPDX-License-Identifier: MIT
 *
 * test_ports.c - lines of /proc/net, claims, and real sockets in a namespace
 */
#include <arpa/inet.h>
#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/ports.h"

enum { LO = 61000, HI = 61099, INSIDE = 61050 };

START_TEST(lines_of_proc)
{
	ck_assert_uint_eq(ports_bound("  sl  local_address rem_address   st "
				      "tx_queue rx_queue tr tm->when"), 0);
	ck_assert_uint_eq(ports_bound("   0: 0100007F:EE48 00000000:0000 0A "
				      "00000000:00000000"), 61000);
	ck_assert_uint_eq(ports_bound("  12: 00000000000000000000000000000000:"
				      "FFFF 00000000000000000000000000000000:"
				      "0000 07 00000000:00000000"), 65535);
	/* waits for nothing but old packets */
	ck_assert_uint_eq(ports_bound("   0: 0100007F:EE48 0100007F:1940 06 "
				      "00000000:00000000"), 0);
	ck_assert_uint_eq(ports_bound(""), 0);
	ck_assert_uint_eq(ports_bound("   0: 0100007F:EE48"), 0);
}
END_TEST

START_TEST(names_of_claims)
{
	uint16_t lo = 0, hi = 0;

	ck_assert(ports_claimed("@unmap-ports-61000-65535", &lo, &hi));
	ck_assert_uint_eq(lo, 61000);
	ck_assert_uint_eq(hi, 65535);
	ck_assert(!ports_claimed("@unmap-ports-61000", &lo, &hi));
	ck_assert(!ports_claimed("@unmap-ports-61000-65536", &lo, &hi));
	ck_assert(!ports_claimed("@other-61000-65535", &lo, &hi));
	ck_assert(!ports_claimed("", &lo, &hi));
}
END_TEST

static int bound(int type, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	int fd = socket(AF_INET, type, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

START_TEST(sockets_in_the_range)
{
	char why[PORTS_WHY];
	int fd;

	if (unshare(CLONE_NEWNET))
		return; /* no root here: the lab does it */
	fd = bound(SOCK_STREAM, INSIDE);
	ck_assert(!ports_claim(LO, HI, why));
	ck_assert_ptr_nonnull(strstr(why, "TCP port 61050 is in use"));
	close(fd);
	fd = bound(SOCK_DGRAM, HI);
	ck_assert(!ports_claim(LO, HI, why));
	ck_assert_ptr_nonnull(strstr(why, "UDP port 61099 is in use"));
	close(fd);
	fd = bound(SOCK_DGRAM, HI + 1); /* beside it */
	ck_assert(ports_claim(LO, HI, why));
	close(fd);
}
END_TEST

/* A claim holds as long as its process, and only against what overlaps. */
START_TEST(claims_of_others)
{
	char why[PORTS_WHY], byte;
	int go[2], status;
	pid_t pid;

	if (unshare(CLONE_NEWNET))
		return;
	ck_assert_int_eq(pipe(go), 0);
	pid = fork();
	if (!pid) {
		byte = ports_claim(LO, HI, why) ? 'y' : 'n';
		if (write(go[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	ck_assert_int_eq(read(go[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	ck_assert(!ports_claim(HI, HI + 100, why));
	ck_assert_ptr_nonnull(strstr(why, "another unmap"));
	ck_assert_ptr_nonnull(strstr(why, "61000-61099"));
	ck_assert(!ports_claim(LO - 100, LO, why));
	ck_assert(ports_claim(HI + 1, HI + 100, why));
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(ports_claim(LO, HI, why));
	close(go[0]);
	close(go[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ports");
	TCase *t = tcase_create("ports");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, lines_of_proc);
	tcase_add_test(t, names_of_claims);
	tcase_add_test(t, sockets_in_the_range);
	tcase_add_test(t, claims_of_others);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
