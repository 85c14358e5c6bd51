/* SPDX-License-Identifier: MIT
 *
 * labns.h - a network namespace per test (libcheck forks for each of them)
 */
#ifndef TESTS_UNIT_LABNS_H
#define TESTS_UNIT_LABNS_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int netns_ioctl(unsigned long what, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = ioctl(fd, what, ifr);

	close(fd);
	return r;
}

static inline struct ifreq netns_ifreq(const char *name)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	return ifr;
}

static inline void netns_up(const char *name)
{
	struct ifreq ifr = netns_ifreq(name);

	ck_assert_int_eq(netns_ioctl(SIOCGIFFLAGS, &ifr), 0);
	ifr.ifr_flags |= IFF_UP;
	ck_assert_int_eq(netns_ioctl(SIOCSIFFLAGS, &ifr), 0);
}

static inline void netns_mtu(const char *name, int mtu)
{
	struct ifreq ifr = netns_ifreq(name);

	ifr.ifr_mtu = mtu;
	ck_assert_int_eq(netns_ioctl(SIOCSIFMTU, &ifr), 0);
}

/** netns_addr() - Set the IPv4 address and a /24 mask */
static inline void netns_addr(const char *name, const char *addr)
{
	struct ifreq ifr = netns_ifreq(name);
	struct sockaddr_in sa = { .sin_family = AF_INET };

	inet_pton(AF_INET, addr, &sa.sin_addr);
	memcpy(&ifr.ifr_addr, &sa, sizeof(sa));
	ck_assert_int_eq(netns_ioctl(SIOCSIFADDR, &ifr), 0);
	sa.sin_addr.s_addr = htonl(0xffffff00);
	memcpy(&ifr.ifr_netmask, &sa, sizeof(sa));
	ck_assert_int_eq(netns_ioctl(SIOCSIFNETMASK, &ifr), 0);
}

/** netns_enter() - A namespace of our own with lo up; false if not allowed */
static inline int netns_enter(void)
{
	if (unshare(CLONE_NEWNET)) {
		printf("skip: no network namespace: %s\n", strerror(errno));
		return 0;
	}
	netns_up("lo");
	return 1;
}

/* Two namespaces without a name, and which of them is the process's. */
static int ns_a __attribute__((unused)), ns_b __attribute__((unused));

static inline int run(const char *command)
{
	return system(command);
}

static inline void must(const char *command)
{
	if (run(command))
		ck_abort_msg("%s", command);
}

static inline void in_b(void)
{
	ck_assert_int_eq(setns(ns_b, CLONE_NEWNET), 0);
}

static inline void in_a(void)
{
	ck_assert_int_eq(setns(ns_a, CLONE_NEWNET), 0);
}

/** labns_pair() - A with up0 10.9.0.1, B with w0 10.9.0.2, joined by a veth;
 * the process is in A. False if not allowed
 */
static inline int labns_pair(void)
{
	char command[200];

	if (!netns_enter())
		return 0;
	ns_b = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert(netns_enter());
	ns_a = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(command, sizeof(command), "ip link add up0 type veth "
		 "peer name w0 netns /proc/%d/fd/%d", getpid(), ns_b);
	must(command);
	must("ip address add 10.9.0.1/24 dev up0 && ip link set up0 up");
	in_b();
	must("ip address add 10.9.0.2/24 dev w0 && ip link set w0 up");
	in_a();
	return 1;
}

#endif
