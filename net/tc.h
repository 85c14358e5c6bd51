/* SPDX-License-Identifier: MIT
 *
 * tc.h - BPF filters on clsact, for kernels before TCX (6.6)
 */
#ifndef NET_TC_H
#define NET_TC_H

#include <stdbool.h>
#include <stdint.h>

#include "net/bpf.h"

/** struct tc_spot - where a filter of ours stands
 * @handle: fixed number of this use
 */
struct tc_spot {
	int ifindex;
	enum bpf_place place;
	uint32_t handle;
};

/** struct tc_filter - a program of ours
 * @owner: an interface that vanishes with us
 */
struct tc_filter {
	struct tc_spot spot;
	int prog;
	int owner;
};

/** tc_add() - Attach, replacing what stands under the handle
 * @made_qdisc: was there no clsact before?
 */
int tc_add(const struct tc_filter *f, bool *made_qdisc);
/** tc_remove() - Detach; with @qdisc the clsact too, if nothing is left on it */
void tc_remove(const struct tc_spot *s, bool qdisc);
/** tc_sweep() - Remove the filter of ours that stands at @s, and those beside it
 * whose owner is gone (a killed process leaves them, and they would swallow its
 * ports)
 */
void tc_sweep(const struct tc_spot *s);
/** tc_count() - Filters at the ingress, everybody's; negative errno */
int tc_count(int ifindex);

#endif
