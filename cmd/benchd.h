/* SPDX-License-Identifier: MIT
 *
 * benchd.h - the daemons' part in `unmap bench`
 *
 * The measuring is done by the program `unmap bench` on the edge's host. The
 * edge only passes its wish to the hub; the hub answers with a listener of its
 * own (benchserve.h) and a token.
 *
 * Local socket, "bench": the reply is lines of KEY VALUE, "error SENTENCE" if
 * it cannot be, "ready" at the end; the listener lives until the client closes,
 * and at most BENCH_LIFE_MS. "bench counters": the link's counters now.
 */
#ifndef CMD_BENCHD_H
#define CMD_BENCHD_H

#include "cmd/daemon.h"

/** benchd_request() - `unmap bench` asks; @rest: what followed the word */
void benchd_request(struct local_client *c, struct daemon *d,
		    const char *rest);
/** benchd_gone() - A client of the local socket is gone */
void benchd_gone(struct daemon *d, const struct local_client *c);
/** benchd_message() - BENCH came over control */
void benchd_message(struct daemon *d, uint32_t link, struct span body);
/** benchd_allow() - Hub: at most so many Mbit/s per bench; 0 (as at the
 * start): no bench
 */
void benchd_allow(uint32_t mbit);
/** benchd_tick() - Each turn of the daemon */
void benchd_tick(struct daemon *d, msec now);
/** benchd_deadline() - When benchd_tick() is wanted */
msec benchd_deadline(const struct daemon *d);
/** benchd_close() - The daemon ends */
void benchd_close(struct daemon *d);

#endif
