/* SPDX-License-Identifier: MIT
 *
 * tc.h - BPF filters on clsact ingress, for kernels before TCX (6.6)
 */
#ifndef NET_TC_H
#define NET_TC_H

#include <stdbool.h>
#include <stdint.h>

/** struct tc_filter - a program of ours at the ingress of @ifindex
 * @handle: fixed number of this use
 * @owner: an interface that vanishes with us
 */
struct tc_filter {
	int ifindex, prog;
	uint32_t handle;
	int owner;
};

/** tc_add() - Attach, replacing what stands under the handle
 * @made_qdisc: was there no clsact before?
 */
int tc_add(const struct tc_filter *f, bool *made_qdisc);
/** tc_remove() - Detach; with @qdisc the clsact too, if nothing is left on it */
void tc_remove(int ifindex, uint32_t handle, bool qdisc);
/** tc_sweep() - Remove the filter @handle of ours and those whose owner is gone
 * (a killed process leaves them, and they would swallow its ports)
 */
void tc_sweep(int ifindex, uint32_t handle);
/** tc_count() - Filters at the ingress, everybody's; negative errno */
int tc_count(int ifindex);

#endif
