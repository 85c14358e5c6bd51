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
 * one is verified first, or a broken packet would be made good, unless it is
 * partial itself. It must also be what that computation gives: 0xffff in TCP
 * sums up but comes out as 0.
 *
 * IPv4 is what own carriers bring: its header is taken off, so identification
 * is not looked at. What looks like a punch there stays alone, to be found.
 *
 * The payload is copied, once, behind the one before. A sum over bytes that are
 * about to be copied costs less than the copy.
 */
#include <string.h>

#include "core/csum.h"
#include "core/join.h"
#include "core/wire.h"

enum { SEQ_AT = 4, ACK_AT = 8, DOFF_AT = 12, FLAGS_AT = 13, WIN_AT = 14,
	TCP_CSUM_AT = 16, URG_AT = 18, UDP_LEN_AT = 4, UDP_CSUM_AT = 6 };
enum { LEN6_AT = 4, NH_AT = 6, LEN4_AT = 2, FRAG_AT = 6, PROTO_AT = 9,
	IP_CSUM_AT = 10, SRC4_AT = 12 };
enum { TCP_ENDS = TCP_FIN | TCP_PSH,
	TCP_PLAIN = TCP_ACK | TCP_ECE | TCP_ENDS };

static size_t csum_at(uint8_t proto)
{
	return proto == PROTO_TCP ? TCP_CSUM_AT : UDP_CSUM_AT;
}

/* -- IP headers -------------------------------------------------------------- */

/* Bytes of the IP header, if it is one that joins: IPv6, or IPv4 without
 * options.
 */
static size_t ip_header(const struct frame *f)
{
	if (f->len >= IP6_HDR && f->at[0] >> 4 == 6)
		return IP6_HDR;
	return f->len >= IP4_HDR && f->at[0] == 0x45 ? IP4_HDR : 0;
}

static uint8_t proto_of(const uint8_t *head, size_t ip)
{
	return head[ip == IP6_HDR ? NH_AT : PROTO_AT];
}

/* Does it say that @len bytes follow it, none of them a fragment's? */
static bool ip_fits(const uint8_t *head, size_t ip, size_t len)
{
	enum { MORE_OR_OFFSET = 0x3fff };

	if (ip == IP6_HDR)
		return get16(head + LEN6_AT) == len;
	return get16(head + LEN4_AT) == IP4_HDR + len &&
	       !(get16(head + FRAG_AT) & MORE_OR_OFFSET) &&
	       csum_bytes(0, head, IP4_HDR) == 0xffff;
}

/* Equal but for length (and IPv4's identification, checksum). */
static bool ip_equal(const uint8_t *a, const uint8_t *b, size_t ip)
{
	if (ip == IP6_HDR)
		return !memcmp(a, b, LEN6_AT) &&
		       !memcmp(a + NH_AT, b + NH_AT, IP6_HDR - NH_AT);
	return get16(a) == get16(b) && get32(a + FRAG_AT) == get32(b + FRAG_AT) &&
	       !memcmp(a + SRC4_AT, b + SRC4_AT, IP4_HDR - SRC4_AT);
}

static void ip_set_len(uint8_t *head, size_t ip, uint16_t len)
{
	if (ip == IP6_HDR) {
		put16(head + LEN6_AT, len);
		return;
	}
	put16(head + LEN4_AT, (uint16_t)(IP4_HDR + len));
	put16(head + IP_CSUM_AT, 0);
	put16(head + IP_CSUM_AT, (uint16_t)~csum_bytes(0, head, IP4_HDR));
}

static uint16_t sum_pseudo(const uint8_t *head, size_t ip, size_t len)
{
	size_t addrs = ip == IP6_HDR ? 8 : SRC4_AT;
	uint16_t sum = csum_bytes((uint16_t)len, head + addrs, ip - addrs);

	return csum_add(sum, proto_of(head, ip));
}

/* -- what may be joined ------------------------------------------------------ */

/* Is the checksum good, or left to be computed? */
static bool sums_up(const uint8_t *head, size_t ip, struct span rest,
		    const struct offload *off)
{
	return (off->flags & OFFLOAD_NEEDS_CSUM) ||
	       csum_bytes(sum_pseudo(head, ip, rest.len), rest.at,
			  rest.len) == 0xffff;
}

/* Bytes of the TCP header, 0 if this is not plain data of a stream. */
static size_t plain_tcp(struct span s, bool partial)
{
	size_t hdr;

	if (s.len < TCP_HDR)
		return 0;
	hdr = (size_t)(s.at[DOFF_AT] >> 4) * 4;
	if (hdr < TCP_HDR || hdr >= s.len ||
	    (s.at[FLAGS_AT] & ~TCP_PLAIN) || !(s.at[FLAGS_AT] & TCP_ACK) ||
	    (get16(s.at + TCP_CSUM_AT) == 0xffff && !partial))
		return 0;
	return hdr;
}

/* The same for a datagram; one shorter than its packet stays alone. */
static size_t plain_udp(struct span s, bool may_punch)
{
	if (s.len <= UDP_HDR || get16(s.at + UDP_LEN_AT) != s.len ||
	    !get16(s.at + UDP_CSUM_AT) ||
	    (may_punch && s.at[UDP_HDR] >> 6 == TAG_PUNCH))
		return 0;
	return UDP_HDR;
}

static size_t plain(const uint8_t *head, size_t ip, struct span s,
		    const struct offload *off)
{
	uint8_t proto = proto_of(head, ip);
	bool partial = off->flags & OFFLOAD_NEEDS_CSUM;

	if (off->gso_type || !ip_fits(head, ip, s.len) ||
	    (partial && (off->csum_start != ip ||
			 off->csum_offset != csum_at(proto))))
		return 0;
	if (proto == PROTO_TCP)
		return plain_tcp(s, partial);
	return proto == PROTO_UDP ? plain_udp(s, ip == IP4_HDR) : 0;
}

static bool is_end(uint8_t proto, const uint8_t *l4)
{
	return proto == PROTO_TCP && (l4[FLAGS_AT] & TCP_ENDS);
}

/* But for its flags, the frame's TCP header is the first packet's. */
static bool continues_tcp(const struct join *j, const uint8_t *l4, size_t hdr)
{
	const uint8_t *was = j->f.at + j->ip;
	uint32_t sent = (uint32_t)(j->f.len - j->hdr);

	return get32(l4 + SEQ_AT) == get32(was + SEQ_AT) + sent &&
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
	if (!ip_equal(head, j->f.at, j->ip) ||
	    get32(l4) != get32(j->f.at + j->ip))
		return false;
	return j->proto == PROTO_UDP ? j->count < JOIN_MOST :
	       continues_tcp(j, l4, hdr);
}

/* -- joining ------------------------------------------------------------------ */

bool join_start(struct join *j, const struct frame *f, bool udp)
{
	size_t ip = ip_header(f), hdr;
	struct span rest = { f->at + ip, f->len - ip };
	uint8_t proto;

	if (!ip)
		return false;
	proto = proto_of(f->at, ip);
	hdr = plain(f->at, ip, rest, &f->off);
	if (!hdr || (proto == PROTO_UDP && !udp) || rest.len > JOIN_L4_MAX ||
	    is_end(proto, rest.at) || !sums_up(f->at, ip, rest, &f->off))
		return false;
	*j = (struct join){ .f = *f, .ip = ip, .hdr = ip + hdr,
		.step = rest.len - hdr, .count = 1, .proto = proto };
	return true;
}

bool join_add(struct join *j, const uint8_t *head, struct span rest,
	      const struct offload *off)
{
	size_t hdr, len;

	if (j->closed || head[0] != j->f.at[0] ||
	    proto_of(head, j->ip) != j->proto)
		return false;
	hdr = plain(head, j->ip, rest, off);
	len = rest.len - hdr;
	if (j->ip + hdr != j->hdr || len > j->step ||
	    j->f.len + len > j->ip + JOIN_L4_MAX ||
	    !continues(j, head, rest.at, hdr) ||
	    !sums_up(head, j->ip, rest, off))
		return false;
	memcpy(j->f.at + j->f.len, rest.at + hdr, len);
	j->f.len += len;
	j->count++;
	if (is_end(j->proto, rest.at))
		j->f.at[j->ip + FLAGS_AT] = rest.at[FLAGS_AT];
	j->closed = len < j->step || is_end(j->proto, rest.at);
	return true;
}

bool join_add_frame(struct join *j, const struct frame *f)
{
	struct span rest = { f->at + j->ip, f->len - j->ip };

	return f->len > j->ip && join_add(j, f->at, rest, &f->off);
}

struct frame join_end(struct join *j)
{
	struct frame *f = &j->f;
	uint16_t len = (uint16_t)(f->len - j->ip);
	uint8_t *l4 = f->at + j->ip;
	bool tcp = j->proto == PROTO_TCP;

	if (j->count == 1)
		return *f;
	ip_set_len(f->at, j->ip, len);
	if (!tcp)
		put16(l4 + UDP_LEN_AT, len);
	put16(l4 + csum_at(j->proto), sum_pseudo(f->at, j->ip, len));
	f->off = (struct offload){ .flags = OFFLOAD_NEEDS_CSUM,
		.gso_type = !tcp ? OFFLOAD_GSO_UDP_L4 : j->ip == IP6_HDR ?
			    OFFLOAD_GSO_TCP6 : OFFLOAD_GSO_TCP4,
		.hdr_len = (uint16_t)j->hdr, .gso_size = (uint16_t)j->step,
		.csum_start = (uint16_t)j->ip,
		.csum_offset = (uint16_t)csum_at(j->proto) };
	return *f;
}
