/* SPDX-License-Identifier: MIT
 *
 * fast.h - loads and attaches the fast path (net/fast.bpf.c)
 *
 * Functions give 0 or a negative errno unless they say otherwise.
 */
#ifndef NET_FAST_H
#define NET_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fast.h"
#include "net/bpf.h"

/** struct fast_conf - between which interfaces
 * @inner: inner TUN. @uplink: where outer packets come and go
 * @lo, @hi: our port range
 * @no_tcx: not TCX
 */
struct fast_conf {
	int inner, uplink;
	uint16_t lo, hi;
	bool no_tcx;
};

/** struct fast - the maps, and the programs on the present uplink
 * @mode: "tcx", "clsact", or NULL: not attached
 * @why: in one sentence, why not, or why not a better mode
 * @flow: places that engine and programs share, NULL if there are none
 * @places: of them
 */
struct fast {
	const char *mode;
	char why[160];
	struct fast_flow *flow;
	uint32_t places;
	int map_inner, map_outer, map_flows;
	int prog_out, prog_in;
	struct bpf_hook hook_out, hook_in;
};

/** fast_init() - Make the maps, and the memory in @f->flow; once, at start.
 * @off: it is not wanted. On failure @why says why and the others do nothing
 */
int fast_init(struct fast *f, uint32_t places, bool off);
/** fast_open() - Test the programs, attach them to the uplink, before capture
 * of that uplink (open capture first)
 */
int fast_open(struct fast *f, const struct fast_conf *conf);
/** fast_close() - Detach; the maps stay */
void fast_close(struct fast *f);
/** fast_set() - Let packets of these tuples find their place, or no longer.
 * Removing what is not there is fine
 */
int fast_set(struct fast *f, const struct fast_keys *k, bool add);

#endif
