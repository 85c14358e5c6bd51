/* SPDX-License-Identifier: MIT
 *
 * benchserve.h - the hub's listeners for `unmap bench`
 */
#ifndef CMD_BENCHSERVE_H
#define CMD_BENCHSERVE_H

#include "cmd/benchwire.h"
#include "net/loop.h"

enum { BENCHES = 4, BENCH_CONNS = 64 };

/** struct bench_plan - a bench that is to be served
 * @link: of the edge; one bench each, a new one ends the old
 * @self: the hub's address inside; @listen: IPv4, 0: all
 * @id: the edge's number for it; @mbit: at most so fast
 */
struct bench_plan {
	struct loop *loop;
	uint32_t link, id, mbit;
	struct addr6 self;
	uint32_t listen;
};

/** benchserve_open() - Listen; @offer says where, and with which token; it is
 * a refusal if it cannot be
 */
void benchserve_open(const struct bench_plan *p, struct bench_note *offer,
		     msec now);
/** benchserve_end() - The edge on @link wants no more of bench @id */
void benchserve_end(uint32_t link, uint32_t id);
/** benchserve_end_all() - The hub ends */
void benchserve_end_all(void);
/** benchserve_tick() - Time-outs; let go on who waited for the rate limit */
void benchserve_tick(msec now);
msec benchserve_deadline(void);

#endif
