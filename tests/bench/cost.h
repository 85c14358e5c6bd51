/* SPDX-License-Identifier: MIT
 *
 * cost.h - CPU time and bytes on the wire until now
 */
#ifndef TESTS_BENCH_COST_H
#define TESTS_BENCH_COST_H

#include <stdbool.h>
#include <stdint.h>

/* Counters; what something cost is the difference of two samples. */
struct cost {
	double machine; /* CPU seconds, all that was not idle or stolen */
	double ours;	/* of the processes that are measured */
	double foreign; /* of all others but ourselves and the kernel's threads:
			 * other work on the machine, which spoils the figures */
	uint64_t wire_bytes, wire_pkts; /* both directions, without Ethernet */
};

/* iface is one of the namespace that the thread is in; false: it is not. */
bool cost_sample(struct cost *c, const char *iface, const int *pids,
		 int count);

#endif
