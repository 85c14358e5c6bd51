/* SPDX-License-Identifier: MIT
 *
 * xlat.h - replaces the IPv6 header by an IPv4 header and back, in place
 *
 * Design section 4. One checksum addition per packet: inner and outer sum
 * differ by a constant of the session and direction, computed by the init
 * functions (RFC 1624). Twins: to_outer and to_inner.
 */
#ifndef CORE_XLAT_H
#define CORE_XLAT_H

#include "core/addr.h"
#include "core/pkt.h"

/** struct xlat_outer - one direction of a session on an own carrier, outwards
 * @delta: outer sum minus inner sum, ports included (full checksums)
 * @pseudo_delta: the same without ports (partial checksums)
 */
struct xlat_outer {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint16_t delta, pseudo_delta;
	uint8_t proto;
};

/** struct xlat_inner - the way back
 * @hop: Hop Limit the packet is delivered with
 * @flow: flow label (RFC 6437), 20 bits
 */
struct xlat_inner {
	struct addr6 src, dst;
	uint16_t sport, dport;
	uint16_t delta, pseudo_delta;
	uint8_t proto, hop;
	uint32_t flow;
};

/** struct tuple6 - the inner 5-tuple in the direction of a packet */
struct tuple6 {
	struct addr6 src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

/** struct tuple4 - the outer 5-tuple in the direction of a packet */
struct tuple4 {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

void xlat_outer_init(struct xlat_outer *x, const struct tuple6 *in,
		     const struct tuple4 *out);
/** xlat_inner_init() - @hop and @flow can be set directly later */
void xlat_inner_init(struct xlat_inner *x, const struct tuple4 *out,
		     const struct tuple6 *in, uint8_t hop, uint32_t flow);
/** xlat_to_outer() - Inner frame to outer frame, in place
 *
 * @p was parsed from p->f, is TCP or UDP without fragment. f->at moves up by
 * 20, TOS is copied, TTL 64, DF set, ID 0 (RFC 6864), gso_type TCP6 becomes
 * TCP4 (ECN bit kept), hdr_len and csum_start shrink by 20. A UDP checksum
 * that comes out as 0 is written as 0xffff. Cannot fail.
 */
void xlat_to_outer(struct pkt *p, const struct xlat_outer *x);
/** xlat_to_inner() - Outer frame to inner frame, in place
 *
 * @p was parsed by pkt_parse4(); needs 20 bytes of headroom. An outer UDP
 * checksum of 0 (legal in IPv4) is computed here: never zero inside.
 */
void xlat_to_inner(struct pkt *p, const struct xlat_inner *x);
/** ip6_header() - Write a 40-byte IPv6 header at @to */
void ip6_header(uint8_t *to, const struct addr6 *src, const struct addr6 *dst,
		uint8_t nh, uint16_t payload, uint8_t tos, uint32_t flow,
		uint8_t hop);
/** ip4_header() - Write a 20-byte IPv4 header at @to: DF, ID 0, checksummed */
void ip4_header(uint8_t *to, uint32_t src, uint32_t dst, uint8_t proto,
		uint16_t payload, uint8_t tos, uint8_t ttl);
/** struct tcp_seg - a TCP segment of our own making */
struct tcp_seg {
	struct tuple4 t;
	uint32_t seq, ack;
	uint16_t win;
	uint8_t flags;
	const struct tcp_opts *opts;	/* written as SYN options if SYN is set:
					 * MSS, SACK permitted, timestamps, scale;
					 * else timestamps only. NULL: none */
	struct span payload;
};
/** tcp_build() - Write an outer IPv4 TCP packet, checksums complete
 * Return: its bytes (0 if it did not fit in @w)
 */
size_t tcp_build(struct writer *w, const struct tcp_seg *s);
/** udp_build() - Write an outer IPv4 UDP packet, checksums complete */
size_t udp_build(struct writer *w, const struct tuple4 *t, struct span payload);

#endif
