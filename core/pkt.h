/* SPDX-License-Identifier: MIT
 *
 * pkt.h - turns bytes into a struct whose fields are true
 *
 * The one place that believes a length. Behind pkt_parse6() and pkt_parse4()
 * nobody checks one again.
 */
#ifndef CORE_PKT_H
#define CORE_PKT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/drop.h"
#include "core/frame.h"

enum { IP6_HDR = 40, IP4_HDR = 20, TCP_HDR = 20, UDP_HDR = 8, FRAG_HDR = 8 };
enum {
	PROTO_HOPOPTS = 0, PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17,
	PROTO_ROUTING = 43, PROTO_FRAGMENT = 44, PROTO_ESP = 50,
	PROTO_AH = 51, PROTO_ICMP6 = 58, PROTO_NONE = 59, PROTO_DSTOPTS = 60
};
enum {
	TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_PSH = 0x08,
	TCP_ACK = 0x10, TCP_URG = 0x20, TCP_ECE = 0x40, TCP_CWR = 0x80
};

/** struct tcp_opts - the TCP options we know (RFC 9293, 7323, 2018)
 * @mss: 0 if absent. @scale: meaningful if @has_scale
 * @sack_max: highest right edge of any SACK block, if @has_sack
 */
struct tcp_opts {
	uint16_t mss;
	uint8_t scale;
	bool has_scale, sack_ok, has_ts, has_sack;
	uint32_t ts_val, ts_ecr;
	uint32_t sack_max;
};

/** struct pkt - a packet that passed all checks of form
 * @f: the frame it stands in
 * @l4: what follows the fixed IP header: PROTO_TCP or PROTO_UDP only if that
 *	header follows the fixed IP header directly and is complete and not a
 *	fragment; PROTO_ICMP6 (IPv4: PROTO_ICMP) likewise, 8 bytes at least; else
 *	PROTO_NONE ("any other")
 * @nh: the Next Header (IPv4: Protocol) field of the IP header itself
 * @hop: Hop Limit or TTL
 * @tos: Traffic Class or TOS: DSCP << 2 | ECN
 * @l4_at: offset of the L4 header in the frame (40 or 20)
 * @l4_len: bytes of the L4 header, options included (0 for any other)
 * @payload: bytes after it
 * @src4, @dst4: IPv4; @src6, @dst6: IPv6
 * @sport, @dport: TCP and UDP; ICMP echo: identifier in both
 * @icmp_type, @icmp_code: ICMP and ICMPv6
 * @seq, @ack, @win, @flags: TCP
 * @opts: TCP options
 * @seg_len: TCP: sequence space used: payload + SYN + FIN
 * @is_frag: an IPv6 fragment header (nh 44) or an IPv4 fragment
 * @is_first_frag: offset 0 (also atomic). If so, @frag_l4 with sport/dport or
 *	icmp_type say what the fragment carries, if it is complete there
 *	(frag_l4 PROTO_NONE if not). @frag_nh: IPv6: its Next Header field
 */
struct pkt {
	struct frame *f;
	uint8_t l4, nh, hop, tos;
	uint16_t l4_at, l4_len;
	uint32_t payload;
	struct addr6 src6, dst6;
	uint32_t src4, dst4;
	uint16_t sport, dport;
	uint8_t icmp_type, icmp_code;
	uint32_t seq, ack;
	uint16_t win;
	uint8_t flags;
	struct tcp_opts opts;
	uint32_t seg_len;
	bool is_frag, is_first_frag;
	uint8_t frag_l4, frag_nh;
};

/** pkt_parse6() - Check an inner packet and say what it is
 *
 * Checks version, lengths against the frame, L4 header length, UDP length,
 * UDP checksum not zero, that the offload header fits (gso_type against
 * protocol, csum_start, hdr_len, gso_size not 0). Payload length 0 is taken
 * only if nothing follows (no jumbograms); bytes after the IP payload are cut
 * off (frame->len shrinks). Checksums are not verified. Fields of the offload
 * header without meaning become 0, hdr_len of a super-packet the true one.
 * Return: DROP_NONE, or the reason
 */
enum drop pkt_parse6(struct pkt *p, struct frame *f);
/** pkt_parse4() - The same for an outer packet
 *
 * IPv4 options: DROP_NOT_MINE. Header checksum verified. Fragments parse with
 * l4 PROTO_NONE and is_frag.
 */
enum drop pkt_parse4(struct pkt *p, struct frame *f);
/** pkt_parse_quoted6() - The packet quoted in an ICMPv6 error, cut short as it
 * may be: IPv6 header and, for TCP, UDP and ICMPv6, the first 8 bytes after it
 *
 * Sets src6, dst6, nh, l4, ports (TCP: seq as well); lengths are not checked.
 * Return: DROP_NONE, or DROP_SHORT
 */
enum drop pkt_parse_quoted6(struct pkt *p, struct span quoted);
/** pkt_parse_quoted4() - The same for ICMPv4 errors */
enum drop pkt_parse_quoted4(struct pkt *p, struct span quoted);
/** tcp_opts_parse() - Read TCP options; unknown ones are skipped, a malformed
 * one ends the reading
 */
void tcp_opts_parse(struct tcp_opts *o, struct span opts);
/** pkt_count() - How many packets a super-packet stands for, else 1 */
static inline uint32_t pkt_count(const struct pkt *p)
{
	uint16_t size = p->f->off.gso_type ? p->f->off.gso_size : 0;

	return size ? (p->payload + size - 1) / size : 1;
}
/** pkt_bytes() - The whole packet as a span */
static inline struct span pkt_bytes(const struct pkt *p)
{
	return (struct span){ p->f->at, p->f->len };
}

#endif
