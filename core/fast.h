/* SPDX-License-Identifier: MIT
 *
 * fast.h - memory that the engine shares with the fast path in the kernel
 *
 * The engine fills a place per session and switches it on; the programs of
 * net/fast.bpf.c translate its packets and write down what they saw. Both see
 * the same memory (a BPF array that is mapped), so neither asks the other.
 * Included by those programs as well: plain types only.
 *
 * Directions: "out" towards the CGNAT, "in" from it, at edge and hub alike.
 * be16, be32: network byte order.
 */
#ifndef CORE_FAST_H
#define CORE_FAST_H

#include <stdint.h>

/** struct fast_side - what the programs saw in one direction
 * @at_ns: when (CLOCK_MONOTONIC)
 * @packets, @bytes: on the wire, and as native IPv6
 * @end, @ack, @ts, @win: TCP: highest end, highest acknowledgement, newest
 *	timestamp, last window. The engine writes them too: at the start, and
 *	for what it carried itself
 * @largest: out: bytes of the largest inner packet since the engine looked
 */
struct fast_side {
	uint64_t at_ns, packets, bytes;
	uint32_t end, ack, ts, win;
	uint32_t largest, zero;
};

/** struct fast_flow - a session on its own carrier
 * @on: 0: hand everything up; else a number that changes with each use of the
 *	place
 * @src, @dst, @sport, @dport: be: inner packet on its way out
 * @local, @remote, @local_port, @remote_port: be: outer packet on its way out
 * @hop_out: Hop Limit that may go out here; @hop_in: what packets in get
 * @max_inner: largest inner packet out, in bytes
 * @label: be32: first word of inner headers in, traffic class 0
 * @window: TCP: most that the other side may be ahead
 * @idle_ns: nothing goes out if nothing came for so long (design 3.3)
 * @punch_out, @punch_in: be32: datagrams that begin so are punches in form
 * @addr_diff_out ...: checksum of what replaces minus what was (RFC 1624)
 */
struct fast_flow {
	uint32_t on;
	uint8_t proto, hop_out, hop_in, zero;
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint32_t local, remote;
	uint16_t local_port, remote_port;
	uint32_t max_inner, label, window;
	uint32_t punch_out, punch_in;
	uint32_t addr_diff_out, port_diff_out, addr_diff_in, port_diff_in;
	uint64_t idle_ns;
	struct fast_side out, in;
};

/** struct fast_inner_key - finds the place of an inner packet on its way out */
struct fast_inner_key {
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint32_t proto;
};

/** struct fast_outer_key - finds the place of an outer packet on its way in */
struct fast_outer_key {
	uint32_t remote, local;
	uint16_t remote_port, local_port;
	uint32_t proto;
};

/** struct fast_keys - both keys of place @slot, as OUT_FAST carries them */
struct fast_keys {
	struct fast_inner_key inner;
	struct fast_outer_key outer;
	uint32_t slot;
};

/* Bytes of a punch on own UDP, and the kind in its first two bits. */
enum { FAST_PUNCH = 41, FAST_PUNCH_KIND = 2 };
/* Place 0 belongs to nobody: its in.at_ns is the last packet of all. */
enum { FAST_ALL = 0 };

_Static_assert(sizeof(struct fast_side) == 48, "as both sides count");
_Static_assert(sizeof(struct fast_flow) == 200, "as both sides count");
_Static_assert(sizeof(struct fast_inner_key) == 40, "no holes in a key");
_Static_assert(sizeof(struct fast_outer_key) == 16, "no holes in a key");

#endif
