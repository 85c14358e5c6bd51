/* SPDX-License-Identifier: MIT
 *
 * assume.h - what the programs here share: a namespace, and one line of result
 *
 * Each states one thing that net/ relies on and that no manual promises. "not
 * ok" means that this kernel behaves otherwise: look at who cites the program.
 */
#ifndef TESTS_ASSUME_H
#define TESTS_ASSUME_H

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/frame.h"
#include "net/bpf.h"
#include "net/tun.h"

static const char *assume_name;

static inline void skip(const char *why)
{
	printf("skip assume/%s: %s\n", assume_name, why);
	exit(0);
}

static inline int result(int ok)
{
	printf("%s assume/%s\n", ok ? "ok" : "not ok", assume_name);
	return !ok;
}

static inline void enter(const char *name)
{
	assume_name = name;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (unshare(CLONE_NEWNET))
		skip("needs root");
}

static inline void must(const char *command)
{
	if (system(command))
		skip(command);
}

/* Does an IPv4 packet come out of TUN @fd within 300 ms? */
static inline int comes(int fd)
{
	static uint8_t buf[TUN_BUF];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct frame f;

	while (poll(&p, 1, 300) == 1) {
		if (tun_read(fd, buf, sizeof(buf), &f) == 1 &&
		    f.at[0] == 0x45)
			return 1;
	}
	return 0;
}

/* An IPv4 header for UDP from 10.9.0.1 to 10.9.0.2, without UDP checksum. */
static inline void udp_packet(uint8_t *p, uint16_t len)
{
	uint32_t sum = 0;
	int i;

	memset(p, 0, len);
	p[0] = 0x45;
	put16(p + 2, len);
	p[8] = 64;
	p[9] = 17;
	put32(p + 12, 0x0a090001);
	put32(p + 16, 0x0a090002);
	for (i = 0; i < 20; i += 2)
		sum += get16(p + i);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(p + 10, (uint16_t)~((sum & 0xffff) + (sum >> 16)));
	put16(p + 20, 1);
	put16(p + 22, 2);
	put16(p + 24, (uint16_t)(len - 20));
}

#endif
