/* SPDX-License-Identifier: MIT
 *
 * ports.c - see ports.h
 *
 * Capture takes every packet for the range away from the host's stack, so a
 * socket bound in it would go deaf without a word; the start is refused
 * instead, and the port is named. Sockets are read from /proc/net. Another
 * unmap has no socket in its range: each claims it by an abstract unix socket
 * whose name holds the range, which goes when its process goes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/ports.h"

#define CLAIM "unmap-ports-"	/* /proc shows an abstract name as "@..." */

enum { TIME_WAIT = 6 };	/* no socket any more, nobody to go deaf */

uint16_t ports_bound(const char *line)
{
	char addr[40], peer[40];
	unsigned port, slot, peer_port, state;

	if (sscanf(line, " %u: %39[0-9A-Fa-f]:%4x %39[0-9A-Fa-f]:%4x %2x",
		   &slot, addr, &port, peer, &peer_port, &state) != 6)
		return 0;
	return state == TIME_WAIT ? 0 : (uint16_t)port;
}

bool ports_claimed(const char *text, uint16_t *lo, uint16_t *hi)
{
	unsigned a, b;

	if (sscanf(text, "@" CLAIM "%u-%u", &a, &b) != 2 || a > 65535 || b > 65535)
		return false;
	*lo = (uint16_t)a;
	*hi = (uint16_t)b;
	return true;
}

/* First bound port of the range in one file of /proc/net, 0 if none. */
static uint16_t bound_in(const char *path, uint16_t lo, uint16_t hi)
{
	FILE *f = fopen(path, "re");
	char line[512];
	uint16_t port, found = 0;

	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f)) {
		port = ports_bound(line);
		if (port >= lo && port <= hi)
			found = port;
	}
	fclose(f);
	return found;
}

static bool other_claims(uint16_t lo, uint16_t hi, char why[static PORTS_WHY])
{
	FILE *f = fopen("/proc/net/unix", "re");
	bool found = false;
	char line[512];
	uint16_t a, b;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, "@" CLAIM);

		if (!at || !ports_claimed(at, &a, &b) || a > hi || b < lo)
			continue;
		snprintf(why, PORTS_WHY, "another unmap on this machine uses "
			 "%u-%u", a, b);
		found = true;
	}
	fclose(f);
	return found;
}

static bool claim(uint16_t lo, uint16_t hi)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int len;

	/* a name that starts with NUL is abstract */
	len = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "%s%u-%u",
		       CLAIM, lo, hi);
	return fd >= 0 && !bind(fd, (struct sockaddr *)&sa,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			    (size_t)len));
}

bool ports_claim(uint16_t lo, uint16_t hi, char why[static PORTS_WHY])
{
	static const struct { const char *path, *what; } file[] = {
		{ "/proc/net/tcp", "TCP" }, { "/proc/net/tcp6", "TCP" },
		{ "/proc/net/udp", "UDP" }, { "/proc/net/udp6", "UDP" },
	};

	for (size_t i = 0; i < sizeof(file) / sizeof(file[0]); i++) {
		uint16_t port = bound_in(file[i].path, lo, hi);

		if (!port)
			continue;
		snprintf(why, PORTS_WHY, "%s port %u is in use (`ss -nap | "
			 "grep :%u` shows by whom)", file[i].what, port, port);
		return false;
	}
	if (other_claims(lo, hi, why))
		return false;
	if (claim(lo, hi))
		return true;
	snprintf(why, PORTS_WHY, "cannot claim it: %s", strerror(errno));
	return false;
}
