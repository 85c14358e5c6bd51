/* SPDX-License-Identifier: MIT
 *
 * benchrun.h - measuring one path to a bench listener, from the outside
 */
#ifndef CMD_BENCHRUN_H
#define CMD_BENCHRUN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "cmd/benchwire.h"

/** union bench_addr - an address of either family */
union bench_addr {
	struct sockaddr any;
	struct sockaddr_in a4;
	struct sockaddr_in6 a6;
};

/** struct bench_path - where to, and from which address
 * @source: family 0: the kernel chooses
 */
struct bench_path {
	const char *name;
	union bench_addr source, tcp, udp;
	uint8_t token[BENCH_TOKEN];
};

/** struct bench_delay - round trips, in us; @count 0: none came back */
struct bench_delay {
	uint32_t count, median, lost;
};

/** struct bench_flow - throughput, and the delay meanwhile (UDP) */
struct bench_flow {
	uint64_t bytes, us;
	struct bench_delay loaded;
};

/** struct bench_result - of one path
 * @reached: a connection was made; without it nothing else is known
 * @setup: of a TCP connection; @rate: connections per second, of @tried
 */
struct bench_result {
	bool reached;
	struct bench_delay setup, tcp, udp;
	uint32_t rate, tried;
	struct bench_flow down, up;
};

/* Each takes a few seconds at most. */
void benchrun_setup(const struct bench_path *p, struct bench_result *r);
void benchrun_rate(const struct bench_path *p, struct bench_result *r);
void benchrun_delay(const struct bench_path *p, struct bench_result *r);
void benchrun_down(const struct bench_path *p, struct bench_result *r);
void benchrun_up(const struct bench_path *p, struct bench_result *r);

/** bench_median() - Of @count values, which are sorted on the way */
uint32_t bench_median(uint32_t *values, uint32_t count);
/** bench_bps() - Bits per second */
uint64_t bench_bps(const struct bench_flow *f);

#endif
