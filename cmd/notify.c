/* SPDX-License-Identifier: MIT
 *
 * notify.c - tell systemd (or whoever set NOTIFY_SOCKET) how we are
 *
 * One datagram per message to a local socket: a path, or an abstract name
 * written with a leading '@'. The socket is connected at start, so nothing
 * after notify_open() needs the file system. Failing to notify is never an
 * error of ours.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cmd/notify.h"

static int notify_fd = -1;
static unsigned watchdog_ms;

/* WATCHDOG_USEC holds if it is meant for us; half of it is the custom. */
static unsigned read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	unsigned long long ms;

	if (!usec || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	ms = strtoull(usec, NULL, 10) / 2000;
	return ms > 3600000 ? 3600000 : (unsigned)ms;
}

void notify_open(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	socklen_t size;

	watchdog_ms = read_watchdog();
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = -1;
	if (!len || len >= sizeof(to.sun_path) ||
	    (*path != '/' && *path != '@'))
		return;
	memcpy(to.sun_path, path, len);
	if (*path == '@')
		to.sun_path[0] = 0;
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   0);
	if (notify_fd >= 0 && connect(notify_fd, (void *)&to, size)) {
		close(notify_fd);
		notify_fd = -1;
	}
}

static void notify(const char *text)
{
	if (notify_fd >= 0)
		(void)!send(notify_fd, text, strlen(text), MSG_NOSIGNAL);
}

void notify_ready(const char *status)
{
	char text[256];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", status);
	notify(text);
}

void notify_reloading(void)
{
	struct timespec t;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)t.tv_sec * 1000000 +
			 (unsigned long long)t.tv_nsec / 1000);
	notify(text);
}

void notify_stopping(void)
{
	notify("STOPPING=1");
}

void notify_watchdog(void)
{
	notify("WATCHDOG=1");
}

unsigned notify_watchdog_ms(void)
{
	return notify_fd < 0 ? 0 : watchdog_ms;
}
