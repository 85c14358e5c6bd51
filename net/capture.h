/* SPDX-License-Identifier: MIT
 *
 * capture.h - takes outer packets of own carriers away from the host's stack
 *
 * Design section 7. What is for our port range on an uplink goes whole into the
 * outer TUN, before the host's stack, its firewall and its conntrack see it.
 */
#ifndef NET_CAPTURE_H
#define NET_CAPTURE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "net/bpf.h"

/* A UDP packet is a punch in form if its payload has CAPTURE_PUNCH_BYTES or
 * more and the top two bits of its first byte are CAPTURE_PUNCH_KIND (the kind
 * of core's tag, asserted in cmd).
 */
enum { CAPTURE_PUNCH_KIND = 2, CAPTURE_PUNCH_BYTES = 21 };
enum { CAPTURE_ADDRS = 64 };

/** struct capture_conf - what to capture, and where to
 * @uplink: interface the packets come in on
 * @outer: the outer TUN; must be up
 * @addr: the uplink's IPv4 address (not the public one behind a 1:1 NAT)
 * @lo, @hi: our port range
 * @is_edge: only from peers, and from a peer's port in @peer_lo to @peer_hi
 * @peer, @peers: edge: addresses of its hubs
 * @entries: latched carriers at most (0: 65536)
 * @rate, @burst: unlatched SYNs and punches let in per second, and at once
 *	(0: 2000 and 4000)
 * @no_bpf: rules at once
 * @no_tcx: not TCX
 */
struct capture_conf {
	int uplink, outer;
	uint32_t addr;
	uint16_t lo, hi, peer_lo, peer_hi;
	bool is_edge, no_bpf, no_tcx;
	const uint32_t *peer;
	size_t peers;
	uint32_t entries, rate, burst;
};

/** struct capture - one uplink's capture
 * @mode: "tcx", "clsact" or "rules"
 * @why: in one sentence, why not a better mode; "" if it is the best
 * @conf: as given, defaults filled in; without @peer
 * @hook, @prog: where the program is attached
 * @latched, @addrs, @bucket, @counts: maps
 * @cpus: values per counter
 * @uplink: its name
 */
struct capture {
	const char *mode;
	char why[160];
	struct capture_conf conf;
	struct bpf_hook hook;
	int prog, latched, addrs, bucket, counts;
	int cpus;
	char uplink[IFNAMSIZ];
};

/** struct capture_key - a carrier, by our end and the peer's */
struct capture_key {
	uint8_t proto;
	struct taddr4 ours, peer;
};

/** struct capture_counters - since the start; all 0 in mode "rules"
 * @captured: packets of latched carriers
 * @admitted: unlatched SYNs and punches let through
 * @icmp: ICMP errors about our ports let through
 * @dropped: in our range, neither latched nor fit to begin a carrier
 * @limited: fit, but the token bucket was empty
 */
struct capture_counters {
	uint64_t captured, admitted, icmp, dropped, limited;
};

/** capture_open() - Start capturing
 *
 * Tries BPF on TCX, BPF on clsact, policy rules, in this order, and says in
 * @mode and @why what came of it. A program is tried on made-up packets before
 * it is attached.
 * Return: 0 or negative errno (with @why)
 */
int capture_open(struct capture *c, const struct capture_conf *conf);
/** capture_close() - Stop, and undo what was done to the host */
void capture_close(struct capture *c);
/** capture_latch() - Let a carrier's packets in, or no longer. Adding one that
 * is there and removing one that is not are fine. In mode "rules" there is
 * nothing to do and all are let in
 * Return: 0 or negative errno (E2BIG: full)
 */
int capture_latch(struct capture *c, const struct capture_key *k, bool add);
/** capture_latch_many() - @n of them, in one system call where possible */
int capture_latch_many(struct capture *c, const struct capture_key *k,
		       size_t n, bool add);
/** capture_address() - Another address of the uplink, or one that is gone */
int capture_address(struct capture *c, uint32_t addr, bool add);
/** capture_peer() - Edge: another hub address, or one that is gone */
int capture_peer(struct capture *c, uint32_t addr, bool add);
int capture_counters(const struct capture *c, struct capture_counters *out);

#endif
