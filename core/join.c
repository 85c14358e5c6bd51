/* SPDX-License-Identifier: MIT
 *
 * join.c - makes one super-packet of packets that follow each other
 *
 * Theory of operation
 * ===================
 * A run of packets of one flow costs routing, and the host at its end, little
 * more than one packet if it comes as one. What may be joined is decided by
 * what cutting does to the headers: it counts the sequence number up, takes
 * FIN and PSH from all but the last, CWR from all but the first, sets lengths
 * and computes checksums; all else it copies. So packets may be joined that are
 * equal in all but these, where each begins where the one before it ends, all
 * of them have the first one's payload size but the last, which may be shorter,
 * and only the last has FIN or PSH. Kernels' GRO asks the same, but for the
 * window and the urgent pointer, which it takes from the first; here they are
 * compared. What is not plain data (SYN, RST, URG, CWR, empty) stays alone.
 *
 * The joined packet's checksum is partial and will be computed anew: so each
 * one is verified first, or a broken packet would be made good. It must also
 * be what that computation gives: 0xffff in TCP sums up but comes out as 0.
 *
 * The payload is copied, once, behind the one before. A sum over bytes that are
 * about to be copied costs less than the copy.
 */
#include <string.h>

#include "core/csum.h"
#include "core/join.h"

enum { SEQ_AT = 4, ACK_AT = 8, DOFF_AT = 12, FLAGS_AT = 13, WIN_AT = 14,
	TCP_CSUM_AT = 16, URG_AT = 18, UDP_LEN_AT = 4, UDP_CSUM_AT = 6,
	PLEN_AT = 4, NH_AT = 6 };
enum { TCP_ENDS = TCP_FIN | TCP_PSH,
	TCP_PLAIN = TCP_ACK | TCP_ECE | TCP_ENDS };

static uint16_t sum_pseudo(const uint8_t *head, size_t len, uint8_t proto)
{
	struct addr6 src, dst;

	memcpy(&src, head + 8, sizeof(src));
	memcpy(&dst, head + 24, sizeof(dst));
	return csum_pseudo6(&src, &dst, (uint32_t)len, proto);
}

static bool sums_up(const uint8_t *head, struct span rest, uint8_t proto)
{
	return csum_bytes(sum_pseudo(head, rest.len, proto), rest.at,
			  rest.len) == 0xffff;
}

/* Bytes of the TCP header, 0 if this is not plain data of a stream. */
static size_t plain_tcp(struct span s)
{
	size_t hdr;

	if (s.len < TCP_HDR)
		return 0;
	hdr = (size_t)(s.at[DOFF_AT] >> 4) * 4;
	if (hdr < TCP_HDR || hdr >= s.len ||
	    (s.at[FLAGS_AT] & ~TCP_PLAIN) || !(s.at[FLAGS_AT] & TCP_ACK) ||
	    get16(s.at + TCP_CSUM_AT) == 0xffff)
		return 0;
	return hdr;
}

/* The same for a datagram; one shorter than its packet stays alone. */
static size_t plain_udp(struct span s)
{
	return s.len > UDP_HDR && get16(s.at + UDP_LEN_AT) == s.len &&
	       get16(s.at + UDP_CSUM_AT) ? UDP_HDR : 0;
}

static size_t plain(uint8_t proto, const uint8_t *head, struct span s)
{
	if (get16(head + PLEN_AT) != s.len)
		return 0;
	switch (proto) {
	case PROTO_TCP:
		return plain_tcp(s);
	case PROTO_UDP:
		return plain_udp(s);
	}
	return 0;
}

static bool is_end(uint8_t proto, const uint8_t *l4)
{
	return proto == PROTO_TCP && (l4[FLAGS_AT] & TCP_ENDS);
}

bool join_start(struct join *j, uint8_t *room, const uint8_t *head,
		struct span rest)
{
	uint8_t proto = head[NH_AT];
	size_t hdr = plain(proto, head, rest);

	if (!hdr || rest.len > JOIN_L4_MAX || is_end(proto, rest.at) ||
	    !sums_up(head, rest, proto))
		return false;
	*j = (struct join){ .at = room, .len = IP6_HDR + rest.len,
		.hdr = IP6_HDR + hdr, .step = rest.len - hdr, .count = 1,
		.proto = proto };
	memcpy(room, head, IP6_HDR);
	memcpy(room + IP6_HDR, rest.at, rest.len);
	return true;
}

/* Do the headers allow it? But for flags, these are @j's first packet's. */
static bool continues_tcp(const struct join *j, const uint8_t *l4, size_t hdr)
{
	const uint8_t *was = j->at + IP6_HDR;
	uint32_t sent = (uint32_t)(j->len - j->hdr);

	return get32(l4) == get32(was) &&
	       get32(l4 + SEQ_AT) == get32(was + SEQ_AT) + sent &&
	       get32(l4 + ACK_AT) == get32(was + ACK_AT) &&
	       l4[DOFF_AT] == was[DOFF_AT] &&
	       !((l4[FLAGS_AT] ^ was[FLAGS_AT]) & ~TCP_ENDS) &&
	       get16(l4 + WIN_AT) == get16(was + WIN_AT) &&
	       get16(l4 + URG_AT) == get16(was + URG_AT) &&
	       !memcmp(l4 + TCP_HDR, was + TCP_HDR, hdr - TCP_HDR);
}

static bool continues(const struct join *j, const uint8_t *head,
		      const uint8_t *l4, size_t hdr)
{
	if (memcmp(head, j->at, PLEN_AT) ||
	    memcmp(head + NH_AT, j->at + NH_AT, IP6_HDR - NH_AT))
		return false;
	if (j->proto == PROTO_UDP)
		return j->count < JOIN_MOST && get32(l4) == get32(j->at +
								 IP6_HDR);
	return continues_tcp(j, l4, hdr);
}

bool join_add(struct join *j, const uint8_t *head, struct span rest)
{
	size_t hdr, len;

	if (j->closed || head[NH_AT] != j->proto)
		return false;
	hdr = plain(j->proto, head, rest);
	len = rest.len - hdr;
	if (IP6_HDR + hdr != j->hdr || len > j->step ||
	    j->len + len > JOIN_BYTES || !continues(j, head, rest.at, hdr) ||
	    !sums_up(head, rest, j->proto))
		return false;
	memcpy(j->at + j->len, rest.at + hdr, len);
	j->len += len;
	j->count++;
	if (is_end(j->proto, rest.at))
		j->at[IP6_HDR + FLAGS_AT] = rest.at[FLAGS_AT];
	j->closed = len < j->step || is_end(j->proto, rest.at);
	return true;
}

struct frame join_frame(struct join *j)
{
	bool tcp = j->proto == PROTO_TCP;
	uint16_t len = (uint16_t)(j->len - IP6_HDR);
	uint16_t at = tcp ? TCP_CSUM_AT : UDP_CSUM_AT;
	struct frame f = { .at = j->at, .len = j->len };

	if (j->count == 1)
		return f;
	put16(j->at + PLEN_AT, len);
	if (!tcp)
		put16(j->at + IP6_HDR + UDP_LEN_AT, len);
	put16(j->at + IP6_HDR + at, sum_pseudo(j->at, len, j->proto));
	f.off = (struct offload){ .flags = OFFLOAD_NEEDS_CSUM,
		.gso_type = tcp ? OFFLOAD_GSO_TCP6 : OFFLOAD_GSO_UDP_L4,
		.hdr_len = (uint16_t)j->hdr, .gso_size = (uint16_t)j->step,
		.csum_start = IP6_HDR, .csum_offset = at };
	return f;
}
