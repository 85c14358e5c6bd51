/* SPDX-License-Identifier: MIT
 *
 * xlat.c - replaces the IPv6 header by an IPv4 header and back, in place
 *
 * Theory of operation
 * ===================
 * The L4 header stays where it is; the IP header before it is rewritten, 20
 * bytes shorter or longer, and the ports are replaced. Length and protocol
 * stand in both pseudo headers with the same value, so the checksums of the
 * two sides differ by addresses and ports alone: a constant of session and
 * direction, added once per packet (RFC 1624, eqn 3).
 *
 * A partial checksum (NEEDS_CSUM) holds the sum of the pseudo header, not
 * inverted, and the kernel adds ports and payload later: only the addresses'
 * difference goes in, by plain addition.
 *
 * Zero: an inner UDP checksum is never 0 (RFC 8200, 8.1). What comes out as 0
 * is written as 0xffff, which is the same sum (RFC 768); an outer datagram
 * without checksum gets a full one. A super-packet that a kernel merged from
 * datagrams without checksum has 0 where the pseudo-header sum should be.
 *
 * The outer ID is 0, with DF always (RFC 6864, 4.1). Nothing here fails: what
 * could was checked by pkt_parse6() and pkt_parse4(). The one limit they leave
 * to the caller: an ordinary inner packet over 65555 bytes fits no IPv4 packet
 * (any path's size refuses it long before).
 */
#include <string.h>

#include "core/csum.h"
#include "core/xlat.h"

enum { OUTER_TTL = 64, LONGER = IP6_HDR - IP4_HDR };

static size_t csum_at(uint8_t proto)
{
	return proto == PROTO_TCP ? 16 : 6;
}

/* Sum of the addresses, as both checks see them. */
static uint16_t sum_outer(uint32_t src, uint32_t dst)
{
	return csum_pseudo4(src, dst, 0, 0);
}

static uint16_t sum_inner(const struct addr6 *src, const struct addr6 *dst)
{
	return csum_pseudo6(src, dst, 0, 0);
}

void xlat_outer_init(struct xlat_outer *x, const struct tuple6 *in,
		     const struct tuple4 *out)
{
	uint16_t from = sum_inner(&in->src, &in->dst);
	uint16_t to = sum_outer(out->src, out->dst);

	x->src = out->src;
	x->dst = out->dst;
	x->sport = out->sport;
	x->dport = out->dport;
	x->proto = out->proto;
	x->pseudo_delta = csum_sub(to, from);
	x->delta = csum_add(x->pseudo_delta,
			    csum_sub(csum_add(out->sport, out->dport),
				     csum_add(in->sport, in->dport)));
}

void xlat_inner_init(struct xlat_inner *x, const struct tuple4 *out,
		     const struct tuple6 *in, uint8_t hop, uint32_t flow)
{
	uint16_t from = sum_outer(out->src, out->dst);
	uint16_t to = sum_inner(&in->src, &in->dst);

	x->src = in->src;
	x->dst = in->dst;
	x->sport = in->sport;
	x->dport = in->dport;
	x->proto = in->proto;
	x->hop = hop;
	x->flow = flow;
	x->pseudo_delta = csum_sub(to, from);
	x->delta = csum_add(x->pseudo_delta,
			    csum_sub(csum_add(in->sport, in->dport),
				     csum_add(out->sport, out->dport)));
}

static void update_full(uint8_t *check, uint16_t delta, uint8_t proto)
{
	uint16_t v = csum_update(get16(check), delta);

	put16(check, v || proto != PROTO_UDP ? v : 0xffff);
}

static void update_partial(uint8_t *check, uint16_t delta)
{
	put16(check, csum_add(get16(check), delta));
}

static void write_ports(uint8_t *l4, uint16_t sport, uint16_t dport)
{
	put16(l4, sport);
	put16(l4 + 2, dport);
}

/* gso_type of the other family, the ECN bit kept. */
static uint8_t swap_tcp(uint8_t type, uint8_t from, uint8_t to)
{
	if ((type & ~OFFLOAD_GSO_ECN) != from)
		return type;
	return (uint8_t)((type & OFFLOAD_GSO_ECN) | to);
}

static uint16_t shorter(uint16_t offset)
{
	return offset > LONGER ? (uint16_t)(offset - LONGER) : 0;
}

static uint16_t longer(uint16_t offset)
{
	return offset ? (uint16_t)(offset + LONGER) : 0;
}

void xlat_to_outer(struct pkt *p, const struct xlat_outer *x)
{
	struct frame *f = p->f;
	uint8_t *l4 = f->at + IP6_HDR, *check = l4 + csum_at(p->l4);

	write_ports(l4, x->sport, x->dport);
	if (f->off.flags & OFFLOAD_NEEDS_CSUM)
		update_partial(check, x->pseudo_delta);
	else
		update_full(check, x->delta, p->l4);
	f->at += LONGER;
	f->len -= LONGER;
	p->l4_at = IP4_HDR;
	ip4_header(f->at, x->src, x->dst, p->l4, (uint16_t)(f->len - IP4_HDR),
		   p->tos, OUTER_TTL);
	f->off.gso_type = swap_tcp(f->off.gso_type, OFFLOAD_GSO_TCP6,
				   OFFLOAD_GSO_TCP4);
	f->off.csum_start = shorter(f->off.csum_start);
	f->off.hdr_len = shorter(f->off.hdr_len);
}

/* An outer datagram without checksum gets one, of the kind the frame has. The
 * ports are written already.
 */
static void fill_udp_check(const struct frame *f, uint8_t *l4,
			   const struct xlat_inner *x)
{
	uint16_t len = get16(l4 + 4);
	uint16_t sum = csum_pseudo6(&x->src, &x->dst, len, PROTO_UDP);

	if (!(f->off.flags & OFFLOAD_NEEDS_CSUM))
		sum = (uint16_t)~csum_bytes(sum, l4, len);
	put16(l4 + 6, sum ? sum : 0xffff);
}

void xlat_to_inner(struct pkt *p, const struct xlat_inner *x)
{
	struct frame *f = p->f;
	uint8_t *l4 = f->at + IP4_HDR, *check = l4 + csum_at(p->l4);

	write_ports(l4, x->sport, x->dport);
	if (p->l4 == PROTO_UDP && !get16(check))
		fill_udp_check(f, l4, x);
	else if (f->off.flags & OFFLOAD_NEEDS_CSUM)
		update_partial(check, x->pseudo_delta);
	else
		update_full(check, x->delta, p->l4);
	f->at -= LONGER;
	f->len += LONGER;
	p->l4_at = IP6_HDR;
	ip6_header(f->at, &x->src, &x->dst, p->l4,
		   (uint16_t)(f->len - IP6_HDR), p->tos, x->flow, x->hop);
	f->off.gso_type = swap_tcp(f->off.gso_type, OFFLOAD_GSO_TCP4,
				   OFFLOAD_GSO_TCP6);
	f->off.csum_start = longer(f->off.csum_start);
	f->off.hdr_len = longer(f->off.hdr_len);
}

void ip6_header(uint8_t *to, const struct addr6 *src, const struct addr6 *dst,
		uint8_t nh, uint16_t payload, uint8_t tos, uint32_t flow,
		uint8_t hop)
{
	put32(to, UINT32_C(6) << 28 | (uint32_t)tos << 20 | (flow & 0xfffff));
	put16(to + 4, payload);
	to[6] = nh;
	to[7] = hop;
	memcpy(to + 8, src, sizeof(*src));
	memcpy(to + 24, dst, sizeof(*dst));
}

void ip4_header(uint8_t *to, uint32_t src, uint32_t dst, uint8_t proto,
		uint16_t payload, uint8_t tos, uint8_t ttl)
{
	enum { VERSION_IHL = 0x45, DONT_FRAGMENT = 0x4000 };

	to[0] = VERSION_IHL;
	to[1] = tos;
	put16(to + 2, (uint16_t)(payload + IP4_HDR));
	put32(to + 4, DONT_FRAGMENT);	/* ID 0 */
	to[8] = ttl;
	to[9] = proto;
	put16(to + 10, 0);
	put32(to + 12, src);
	put32(to + 16, dst);
	put16(to + 10, (uint16_t)~csum_bytes(0, to, IP4_HDR));
}

static void write_stamps(struct writer *w, const struct tcp_opts *o)
{
	write16(w, 0x080a);
	write32(w, o->ts_val);
	write32(w, o->ts_ecr);
}

/* Options in 32-bit rows: NOPs (1) fill up what is not paired. */
static void write_syn_opts(struct writer *w, const struct tcp_opts *o)
{
	if (o->mss) {
		write16(w, 0x0204);
		write16(w, o->mss);
	}
	if (o->sack_ok || o->has_ts)
		write16(w, o->has_ts && !o->sack_ok ? 0x0101 : 0x0402);
	if (o->has_ts)
		write_stamps(w, o);
	else if (o->sack_ok)
		write16(w, 0x0101);
	if (o->has_scale)
		write32(w, 0x01030300u | o->scale);
}

static void write_opts(struct writer *w, const struct tcp_seg *s)
{
	if (!s->opts)
		return;
	if (s->flags & TCP_SYN) {
		write_syn_opts(w, s->opts);
	} else if (s->opts->has_ts) {
		write16(w, 0x0101);
		write_stamps(w, s->opts);
	}
}

/* Both headers' room, and the IP header; NULL if it does not fit. */
static uint8_t *build_outer(struct writer *w, const struct tuple4 *t,
			    size_t l4_len)
{
	uint8_t *ip;

	if (l4_len > 65535 - IP4_HDR)
		return NULL;
	ip = write_room(w, IP4_HDR + l4_len);
	if (!ip)
		return NULL;
	ip4_header(ip, t->src, t->dst, t->proto, (uint16_t)l4_len, 0,
		   OUTER_TTL);
	write_ports(ip + IP4_HDR, t->sport, t->dport);
	return ip + IP4_HDR;
}

static uint16_t full_check(const struct tuple4 *t, const uint8_t *l4,
			   size_t len)
{
	uint16_t sum = csum_pseudo4(t->src, t->dst, (uint32_t)len, t->proto);

	return (uint16_t)~csum_bytes(sum, l4, len);
}

size_t tcp_build(struct writer *w, const struct tcp_seg *s)
{
	uint8_t opts[40], *l4;
	struct writer o = writer_of(opts, sizeof(opts));
	struct tuple4 t = s->t;
	size_t hdr, len;

	write_opts(&o, s);
	t.proto = PROTO_TCP;
	hdr = TCP_HDR + o.len;
	len = hdr + s->payload.len;
	l4 = build_outer(w, &t, len);
	if (!l4)
		return 0;
	put32(l4 + 4, s->seq);
	put32(l4 + 8, s->ack);
	l4[12] = (uint8_t)(hdr / 4 << 4);
	l4[13] = s->flags;
	put16(l4 + 14, s->win);
	put32(l4 + 16, 0);	/* checksum, urgent pointer */
	memcpy(l4 + TCP_HDR, opts, o.len);
	if (s->payload.len)
		memcpy(l4 + hdr, s->payload.at, s->payload.len);
	put16(l4 + csum_at(PROTO_TCP), full_check(&t, l4, len));
	return IP4_HDR + len;
}

size_t udp_build(struct writer *w, const struct tuple4 *tuple,
		 struct span payload)
{
	struct tuple4 t = *tuple;
	size_t len = UDP_HDR + payload.len;
	uint8_t *l4;
	uint16_t check;

	t.proto = PROTO_UDP;
	l4 = build_outer(w, &t, len);
	if (!l4)
		return 0;
	put16(l4 + 4, (uint16_t)len);
	put16(l4 + 6, 0);
	if (payload.len)
		memcpy(l4 + UDP_HDR, payload.at, payload.len);
	check = full_check(&t, l4, len);
	put16(l4 + 6, check ? check : 0xffff);
	return IP4_HDR + len;
}
