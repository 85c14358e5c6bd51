/* SPDX-License-Identifier: MIT
 *
 * netns.h - a network namespace for one test, which libcheck runs in a process
 * of its own: nothing of it reaches the host or the next test
 */
#ifndef TESTS_UNIT_NETNS_H
#define TESTS_UNIT_NETNS_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "net/rtnl.h"

/* Root only; false if the host does not permit it. */
static inline bool netns_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return false;
	/* /proc/sys/net follows the process; a private /tmp hides $UNMAP_RUN */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0)
		return false;
	setenv("UNMAP_RUN", "/tmp/run", 1);
	return !rtnl_link_up(1, true);
}

/* To be asked once, before the suite. */
static inline bool netns_permitted(const char *suite)
{
	if (!geteuid() && !access("/dev/net/tun", R_OK | W_OK))
		return true;
	printf("skip unit/%s: needs root and /dev/net/tun\n", suite);
	return false;
}

#endif
