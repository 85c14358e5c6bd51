/* SPDX-License-Identifier: MIT
 *
 * output.h - sends what is written to the outer TUN out by the uplink
 *
 * Design section 7: past the host's FORWARD chain, conntrack and sysctls. The
 * packet's size is not checked against the uplink's MTU: the engine must.
 */
#ifndef NET_OUTPUT_H
#define NET_OUTPUT_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/bpf.h"

/** struct output_conf - from where to where
 * @outer: the outer TUN. @uplink: where packets leave
 * @no_bpf: let the kernel forward; @no_tcx: not TCX
 */
struct output_conf {
	int outer, uplink;
	bool no_bpf, no_tcx;
};

/** struct output - one uplink's output
 * @mode: "tcx", "clsact" or "forward"
 * @why: in one sentence, why not a better mode; "" if it is the best
 */
struct output {
	const char *mode;
	char why[160];
	struct output_conf conf;
	struct bpf_hook hook;
	int prog;
};

/** struct host_need - a sysctl that the host must have while a mode is in use
 * @path: below /proc/sys
 */
struct host_need {
	char path[64];
	const char *value;
	const char *why;
};

enum { HOST_NEEDS = 6 };

/** has_link_header() - Is @ifindex an Ethernet? Negative errno if it is gone */
int has_link_header(int ifindex);
/** output_open() - Start; tries BPF on TCX, BPF on clsact, forwarding
 *
 * In mode "forward" the caller must see to output_needs().
 * Return: 0 or negative errno (with @why)
 */
int output_open(struct output *o, const struct output_conf *conf);
void output_close(struct output *o);
/** host_needs() - What the host must be set to for a capture in mode "rules"
 * and an output in mode "forward" between @uplink and @outer (names); both
 * also need the firewall to let packets be forwarded between the two, and the
 * outer TUN an MTU of 65535 (capture) so that super-packets fit
 * @capture_rules, @output_forward: which of the two modes are in use
 *
 * Return: how many of @need were filled; 0 if neither mode is in use
 */
size_t host_needs(struct host_need need[static HOST_NEEDS], const char *uplink,
		  const char *outer, bool capture_rules, bool output_forward);

#endif
