/* SPDX-License-Identifier: MIT
 *
 * pkt.c - turns bytes into a struct whose fields are true
 *
 * Theory of operation
 * ===================
 * All bytes here are a stranger's, the offload header excepted, which is the
 * kernel's but is checked like the rest. Order: fixed header, length of the
 * whole, next header, offload. The frame is cut to what the IP header says
 * first, so one number, f->len, bounds everything behind.
 *
 * A next header gets its name (l4) only where all fields promised for it are
 * there; TCP and UDP that are broken are dropped, since own carriers would
 * carry them on; whatever is neither goes as it is. Extension headers are not
 * walked: a packet with any is "any other" and needs nothing but its addresses.
 * A UDP datagram shorter than its packet is legal (RFC 9868) and passes whole.
 *
 * Super-packets: the kernel's hdr_len is a hint and is replaced by the true
 * one, which xlat and the kernel behind the other TUN rely on. One without
 * NEEDS_CSUM is refused: nobody could tell which checksum its pieces have.
 */
#include <string.h>

#include "core/csum.h"
#include "core/pkt.h"

enum {
	TCP_CSUM_AT = 16, UDP_CSUM_AT = 6, ICMP_HDR = 8,
	/* An IPv4 total length holds this much behind the header. */
	MAX_OUTER = 65535 - IP4_HDR,
};

/* What is left behind the first @n bytes, which are there. */
static struct span after(struct span s, size_t n)
{
	return (struct span){ s.at + n, s.len - n };
}

/* --- TCP options ---------------------------------------------------------- */

/* RFC 2018, 3. Right edges are compared as sequence numbers. */
static void parse_sack(struct tcp_opts *o, struct span body)
{
	size_t i;
	uint32_t right;

	for (i = 0; i + 8 <= body.len; i += 8) {
		right = get32(body.at + i + 4);
		if (!o->has_sack || (int32_t)(right - o->sack_max) > 0)
			o->sack_max = right;
		o->has_sack = true;
	}
}

/* One option, its kind and length taken off; false if it is malformed. */
static bool parse_opt(struct tcp_opts *o, uint8_t kind, struct span body)
{
	enum { MSS = 2, SCALE = 3, SACK_OK = 4, SACK = 5, STAMPS = 8 };
	enum { SCALE_MAX = 14 };	/* RFC 7323, 2.3 */

	if (kind == MSS && body.len == 2) {
		o->mss = get16(body.at);
	} else if (kind == SCALE && body.len == 1) {
		o->has_scale = true;
		o->scale = body.at[0] < SCALE_MAX ? body.at[0] : SCALE_MAX;
	} else if (kind == SACK_OK && body.len == 0) {
		o->sack_ok = true;
	} else if (kind == SACK && body.len % 8 == 0) {
		parse_sack(o, body);
	} else if (kind == STAMPS && body.len == 8) {
		o->has_ts = true;
		o->ts_val = get32(body.at);
		o->ts_ecr = get32(body.at + 4);
	} else {
		return kind > SACK && kind != STAMPS;
	}
	return true;
}

void tcp_opts_parse(struct tcp_opts *o, struct span opts)
{
	enum { END = 0, NOP = 1 };
	struct reader r = reader_of(opts);
	struct span body;
	uint8_t kind, len;

	memset(o, 0, sizeof(*o));
	while (r.left) {
		kind = read8(&r);
		if (kind == END)
			return;
		if (kind == NOP)
			continue;
		len = read8(&r);
		if (len < 2)
			return;
		body.len = len - 2u;
		body.at = read_bytes(&r, body.len);
		if (!body.at || !parse_opt(o, kind, body))
			return;
	}
}

/* --- what follows the IP header ------------------------------------------- */

static enum drop parse_tcp(struct pkt *p, struct span s)
{
	size_t hdr;

	if (s.len < TCP_HDR)
		return DROP_SHORT;
	hdr = (size_t)(s.at[12] >> 4) * 4;
	if (hdr < TCP_HDR)
		return DROP_LENGTH;
	if (hdr > s.len)
		return DROP_SHORT;
	p->l4_len = (uint16_t)hdr;
	p->sport = get16(s.at);
	p->dport = get16(s.at + 2);
	p->seq = get32(s.at + 4);
	p->ack = get32(s.at + 8);
	p->flags = s.at[13];
	p->win = get16(s.at + 14);
	if (hdr > TCP_HDR)
		tcp_opts_parse(&p->opts,
			       (struct span){ s.at + TCP_HDR, hdr - TCP_HDR });
	return DROP_NONE;
}

static enum drop parse_udp(struct pkt *p, struct span s)
{
	uint16_t len;

	if (s.len < UDP_HDR)
		return DROP_SHORT;
	len = get16(s.at + 4);
	if (len < UDP_HDR)
		return DROP_LENGTH;
	if (len > s.len && !p->is_frag)
		return DROP_LENGTH;
	p->l4_len = UDP_HDR;
	p->sport = get16(s.at);
	p->dport = get16(s.at + 2);
	return DROP_NONE;
}

/* ICMP and ICMPv6; @echo and @reply are the two types that have an identifier.
 * Return: is all of its header there?
 */
static bool parse_icmp(struct pkt *p, struct span s, uint8_t echo,
		       uint8_t reply)
{
	if (s.len < ICMP_HDR)
		return false;
	p->icmp_type = s.at[0];
	p->icmp_code = s.at[1];
	if (p->icmp_type == echo || p->icmp_type == reply)
		p->sport = p->dport = get16(s.at + 4);
	p->l4_len = ICMP_HDR;
	return true;
}

/* An L4 header of @proto at the beginning of @s; *l4 says which, if it is one
 * we know.
 */
static enum drop parse_l4(struct pkt *p, uint8_t proto, struct span s,
			  uint8_t *l4)
{
	enum drop why = DROP_NONE;
	bool known = true;

	if (proto == PROTO_TCP)
		why = parse_tcp(p, s);
	else if (proto == PROTO_UDP)
		why = parse_udp(p, s);
	else if (proto == PROTO_ICMP6)
		known = parse_icmp(p, s, 128, 129);
	else if (proto == PROTO_ICMP)
		known = parse_icmp(p, s, 8, 0);
	else
		known = false;
	*l4 = known && !why ? proto : PROTO_NONE;
	return why;
}

/* Is @proto the other family's ICMP? Then it is nothing to us. */
static uint8_t own_icmp(uint8_t proto, uint8_t other)
{
	return proto == other ? PROTO_NONE : proto;
}

/* The same for a packet cut short in an error: TCP, UDP and ICMP promise 8
 * bytes there (RFC 792), enough for ports and sequence number.
 */
static enum drop parse_quoted_l4(struct pkt *p, uint8_t proto, struct span s,
				 uint8_t *l4)
{
	bool icmp = proto == PROTO_ICMP || proto == PROTO_ICMP6;

	if (!icmp && proto != PROTO_TCP && proto != PROTO_UDP)
		return DROP_NONE;
	if (s.len < 8)
		return DROP_SHORT;
	if (icmp)
		return parse_l4(p, proto, s, l4);
	p->sport = get16(s.at);
	p->dport = get16(s.at + 2);
	if (proto == PROTO_TCP)
		p->seq = get32(s.at + 4);
	*l4 = proto;
	return DROP_NONE;
}

/* What a first fragment carries; a broken or cut header is no reason to drop,
 * the receiver will judge the whole.
 */
static void parse_first_frag(struct pkt *p, uint8_t proto, struct span s)
{
	if (parse_l4(p, proto, s, &p->frag_l4))
		p->frag_l4 = PROTO_NONE;
	p->l4_len = 0;
}

static void set_payload(struct pkt *p, size_t rest)
{
	p->payload = (uint32_t)(rest - p->l4_len);
	if (p->l4 == PROTO_TCP)
		p->seg_len = p->payload + !!(p->flags & TCP_SYN) +
			     !!(p->flags & TCP_FIN);
}

/* --- what the kernel left to do ------------------------------------------- */

/* Bytes of all headers of a super-packet whose L4 header begins at csum_start,
 * 0 if that is not there.
 */
static size_t super_headers(const struct frame *f, uint8_t proto)
{
	size_t at = f->off.csum_start, left = f->len - at, hdr;

	if (proto == PROTO_UDP)
		return left < UDP_HDR || get16(f->at + at + 4) != left ?
			0 : at + UDP_HDR;
	if (left < TCP_HDR)
		return 0;
	hdr = (size_t)(f->at[at + 12] >> 4) * 4;
	return hdr < TCP_HDR || hdr > left ? 0 : at + hdr;
}

/* @tcp: the gso_type of TCP in this family */
static bool gso_fits(const struct pkt *p, uint8_t tcp)
{
	struct frame *f = p->f;
	uint8_t type = (uint8_t)(f->off.gso_type & ~OFFLOAD_GSO_ECN);
	uint8_t proto = type == tcp ? PROTO_TCP : PROTO_UDP;
	size_t hdr;

	if (type != tcp && f->off.gso_type != OFFLOAD_GSO_UDP_L4)
		return false;
	if (!(f->off.flags & OFFLOAD_NEEDS_CSUM) || !f->off.gso_size)
		return false;
	if (f->off.csum_offset !=
	    (proto == PROTO_TCP ? TCP_CSUM_AT : UDP_CSUM_AT))
		return false;
	if (p->l4 != PROTO_NONE && p->l4 != proto)
		return false;
	hdr = super_headers(f, proto);
	/* The same bytes have to fit behind an IPv4 header. */
	if (!hdr || hdr >= f->len || f->len - p->l4_at > MAX_OUTER)
		return false;
	f->off.hdr_len = (uint16_t)hdr;
	return true;
}

/* Partial checksum: where does it begin, where does it go? */
static bool csum_fits(const struct pkt *p)
{
	const struct offload *o = &p->f->off;

	if (p->is_frag || o->csum_start < p->l4_at || o->csum_offset % 2 ||
	    (size_t)o->csum_start + o->csum_offset + 2 > p->f->len)
		return false;
	if (p->l4 == PROTO_TCP)
		return o->csum_start == p->l4_at &&
		       o->csum_offset == TCP_CSUM_AT;
	if (p->l4 == PROTO_UDP)
		return o->csum_start == p->l4_at &&
		       o->csum_offset == UDP_CSUM_AT;
	return true;
}

/* Fields without meaning become 0: the kernel refuses a hdr_len beyond the
 * packet even where it says nothing.
 */
static enum drop check_offload(const struct pkt *p, uint8_t tcp)
{
	struct offload *o = &p->f->off;

	if (!(o->flags & OFFLOAD_NEEDS_CSUM))
		o->csum_start = o->csum_offset = 0;
	else if (!csum_fits(p))
		return DROP_OFFLOAD;
	if (o->gso_type == OFFLOAD_GSO_NONE)
		o->hdr_len = o->gso_size = 0;
	else if (!gso_fits(p, tcp))
		return DROP_OFFLOAD;
	return DROP_NONE;
}

/* --- IPv6 ----------------------------------------------------------------- */

static void parse_fixed6(struct pkt *p, const uint8_t *h)
{
	p->nh = h[6];
	p->hop = h[7];
	p->tos = (uint8_t)(h[0] << 4 | h[1] >> 4);
	memcpy(&p->src6, h + 8, sizeof(p->src6));
	memcpy(&p->dst6, h + 24, sizeof(p->dst6));
	p->l4_at = IP6_HDR;
	p->l4 = p->frag_l4 = PROTO_NONE;
}

/* RFC 8200, 4.5, directly behind the fixed header */
static enum drop parse_frag6(struct pkt *p, struct span s)
{
	p->is_frag = true;
	if (s.len < FRAG_HDR)
		return DROP_SHORT;
	p->is_first_frag = !(get16(s.at + 2) >> 3);
	p->frag_nh = s.at[0];
	if (p->is_first_frag)
		parse_first_frag(p, own_icmp(s.at[0], PROTO_ICMP),
				 after(s, FRAG_HDR));
	return DROP_NONE;
}

static enum drop check_lengths6(struct frame *f)
{
	size_t payload;

	if (!f->len)
		return DROP_SHORT;
	if (f->at[0] >> 4 != 6) /* a small IPv4 packet says what it is */
		return DROP_VERSION;
	if (f->len < IP6_HDR)
		return DROP_SHORT;
	payload = get16(f->at + 4);
	if (!payload && f->len > IP6_HDR)
		return DROP_LENGTH;
	if (payload > f->len - IP6_HDR)
		return DROP_SHORT;
	f->len = IP6_HDR + payload;
	return DROP_NONE;
}

enum drop pkt_parse6(struct pkt *p, struct frame *f)
{
	enum drop why;
	struct span rest;

	memset(p, 0, sizeof(*p));
	p->f = f;
	why = check_lengths6(f);
	if (why)
		return why;
	parse_fixed6(p, f->at);
	rest = after(pkt_bytes(p), IP6_HDR);
	if (p->nh == PROTO_FRAGMENT)
		why = parse_frag6(p, rest);
	else
		why = parse_l4(p, own_icmp(p->nh, PROTO_ICMP), rest, &p->l4);
	if (why)
		return why;
	set_payload(p, rest.len);
	why = check_offload(p, OFFLOAD_GSO_TCP6);
	if (why)
		return why;
	/* Not even a partial one: a pseudo header never sums to 0. */
	if (p->l4 == PROTO_UDP && !get16(rest.at + UDP_CSUM_AT))
		return DROP_CHECKSUM;
	return DROP_NONE;
}

enum drop pkt_parse_quoted6(struct pkt *p, struct span quoted)
{
	struct span s;

	memset(p, 0, sizeof(*p));
	if (quoted.len < IP6_HDR || quoted.at[0] >> 4 != 6)
		return DROP_SHORT;
	parse_fixed6(p, quoted.at);
	s = after(quoted, IP6_HDR);
	if (p->nh != PROTO_FRAGMENT)
		return parse_quoted_l4(p, own_icmp(p->nh, PROTO_ICMP), s,
				       &p->l4);
	p->is_frag = true;
	if (s.len < FRAG_HDR)
		return DROP_SHORT;
	p->is_first_frag = !(get16(s.at + 2) >> 3);
	if (p->is_first_frag)
		parse_quoted_l4(p, own_icmp(s.at[0], PROTO_ICMP),
				after(s, FRAG_HDR), &p->frag_l4);
	return DROP_NONE;
}

/* --- IPv4 ----------------------------------------------------------------- */

static void parse_fixed4(struct pkt *p, const uint8_t *h)
{
	enum { MORE = 0x2000, OFFSET = 0x1fff };
	uint16_t frag = get16(h + 6);

	p->tos = h[1];
	p->hop = h[8];
	p->nh = h[9];
	p->src4 = get32(h + 12);
	p->dst4 = get32(h + 16);
	p->is_frag = frag & (MORE | OFFSET);
	p->is_first_frag = p->is_frag && !(frag & OFFSET);
	p->l4 = p->frag_l4 = PROTO_NONE;
}

static enum drop check_lengths4(struct frame *f)
{
	size_t hdr, total;

	if (f->len < IP4_HDR)
		return DROP_SHORT;
	if (f->at[0] >> 4 != 4)
		return DROP_VERSION;
	hdr = (size_t)(f->at[0] & 15) * 4;
	total = get16(f->at + 2);
	if (hdr < IP4_HDR || total < hdr)
		return DROP_LENGTH;
	if (total > f->len)
		return DROP_SHORT;
	if (hdr > IP4_HDR)
		return DROP_NOT_MINE;
	f->len = total;
	return DROP_NONE;
}

enum drop pkt_parse4(struct pkt *p, struct frame *f)
{
	enum drop why;
	struct span rest;
	uint8_t proto;

	memset(p, 0, sizeof(*p));
	p->f = f;
	why = check_lengths4(f);
	if (why)
		return why;
	if (csum_bytes(0, f->at, IP4_HDR) != 0xffff)
		return DROP_CHECKSUM;
	parse_fixed4(p, f->at);
	p->l4_at = IP4_HDR;
	rest = after(pkt_bytes(p), IP4_HDR);
	proto = own_icmp(p->nh, PROTO_ICMP6);
	if (p->is_first_frag)
		parse_first_frag(p, proto, rest);
	else if (!p->is_frag)
		why = parse_l4(p, proto, rest, &p->l4);
	if (why)
		return why;
	set_payload(p, rest.len);
	return check_offload(p, OFFLOAD_GSO_TCP4);
}

enum drop pkt_parse_quoted4(struct pkt *p, struct span quoted)
{
	struct span s;
	uint8_t proto;
	size_t hdr;

	memset(p, 0, sizeof(*p));
	if (quoted.len < IP4_HDR || quoted.at[0] >> 4 != 4)
		return DROP_SHORT;
	hdr = (size_t)(quoted.at[0] & 15) * 4;
	if (hdr < IP4_HDR || quoted.len < hdr)
		return DROP_SHORT;
	parse_fixed4(p, quoted.at);
	p->l4_at = (uint16_t)hdr;
	s = after(quoted, hdr);
	proto = own_icmp(p->nh, PROTO_ICMP6);
	if (!p->is_frag)
		return parse_quoted_l4(p, proto, s, &p->l4);
	if (p->is_first_frag)
		parse_quoted_l4(p, proto, s, &p->frag_l4);
	return DROP_NONE;
}
