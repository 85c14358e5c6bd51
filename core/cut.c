/* SPDX-License-Identifier: MIT
 *
 * cut.c - cuts a super-packet into the packets it stands for
 *
 * Theory of operation
 * ===================
 * Three kinds of frame come in. A super-packet becomes pieces of gso_size
 * payload bytes each, with its headers copied into the caller's room and
 * corrected there. An ordinary packet with a partial checksum is a train of one
 * whose headers, up to the checksum, are copied to complete it. Everything else
 * is one piece as it is.
 *
 * The frame itself is only read, so the payload can be sent from where it is
 * and the caller may cut the same frame again.
 *
 * The partial checksum of the kernel holds the pseudo-header sum over the whole
 * length. It is corrected by the difference of the lengths and otherwise
 * believed rather than computed: behind a routing header the pseudo header has
 * the final destination (RFC 8200, 8.1), which only the kernel knew.
 */
#include <string.h>

#include "core/csum.h"
#include "core/cut.h"

enum { TCP_FLAGS_AT = 13, TCP_SEQ_AT = 4, UDP_LEN_AT = 4, UDP_CSUM_AT = 6 };

static bool is_super(const struct frame *f)
{
	return f->off.gso_type != OFFLOAD_GSO_NONE;
}

static bool is_partial(const struct frame *f)
{
	return f->off.flags & OFFLOAD_NEEDS_CSUM;
}

/* Bytes of the L4 header at @l4, 0 if it is not complete. */
static size_t l4_header(const struct frame *f, size_t l4, uint8_t proto)
{
	size_t left, len;

	if (l4 < IP6_HDR || l4 > f->len)
		return 0;
	left = f->len - l4;
	if (proto == PROTO_UDP)
		return left < UDP_HDR ? 0 : UDP_HDR;
	if (left < TCP_HDR)
		return 0;
	len = (size_t)(f->at[l4 + 12] >> 4) * 4;
	return len < TCP_HDR || len > left ? 0 : len;
}

static enum drop start_super(struct cut *c, const struct frame *f)
{
	size_t len;

	c->proto = f->off.gso_type == OFFLOAD_GSO_UDP_L4 ? PROTO_UDP :
							     PROTO_TCP;
	c->l4 = f->off.csum_start;
	c->step = f->off.gso_size;
	len = l4_header(f, c->l4, c->proto);
	c->hdr = c->l4 + len;
	if (!len || !c->step || c->hdr > CUT_HEAD || !is_partial(f) ||
	    f->off.csum_offset + 2u > len)
		return DROP_OFFLOAD;
	return DROP_NONE;
}

/* Headers up to the checksum; the rest, wherever it ends, is body. */
static enum drop start_partial(struct cut *c, const struct frame *f)
{
	c->l4 = f->off.csum_start;
	c->hdr = c->l4 + f->off.csum_offset + 2;
	if (c->l4 < IP6_HDR || c->hdr > CUT_HEAD || c->hdr > f->len ||
	    f->off.csum_offset % 2)
		return DROP_OFFLOAD;
	c->step = f->len - c->hdr;
	return DROP_NONE;
}

enum drop cut_start(struct cut *c, const struct pkt *p)
{
	const struct frame *f = p->f;
	enum drop why = DROP_NONE;

	*c = (struct cut){ .p = p, .step = f->len, .proto = PROTO_NONE };
	if (is_super(f))
		why = start_super(c, f);
	else if (is_partial(f))
		why = start_partial(c, f);
	c->at = c->hdr;
	c->done = why != DROP_NONE;
	return why;
}

/* What a TCP segment of a train has of its own: place in the stream, and the
 * flags that belong to its ends.
 */
static void correct_tcp(const struct cut *c, uint8_t *tcp, bool last)
{
	uint32_t offset = (uint32_t)(c->at - c->hdr);

	put32(tcp + TCP_SEQ_AT, get32(tcp + TCP_SEQ_AT) + offset);
	if (!last)
		tcp[TCP_FLAGS_AT] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	if (c->index)
		tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
}

/* Complete the checksum of head and body together; the head ends on an even
 * byte counted from the L4 header.
 */
static void complete_csum(const struct cut *c, uint8_t *head, struct span body)
{
	const struct offload *o = &c->p->f->off;
	uint8_t *check = head + o->csum_start + o->csum_offset;
	uint16_t sum = csum_bytes(0, head + c->l4, c->hdr - c->l4);

	sum = csum_bytes(sum, body.at, body.len);
	if (sum == 0xffff && o->csum_offset == UDP_CSUM_AT)
		sum = 0;	/* a UDP checksum of 0 goes as 0xffff */
	put16(check, (uint16_t)~sum);
}

/* Headers of the piece of @body in @head */
static void correct_headers(const struct cut *c, uint8_t *head,
			    struct span body, bool last)
{
	const struct offload *o = &c->p->f->off;
	uint8_t *check = head + o->csum_start + o->csum_offset;
	size_t whole = c->p->f->len - c->l4;
	size_t len = c->hdr - c->l4 + body.len;

	put16(head + 4, (uint16_t)(c->l4 - IP6_HDR + len));
	if (c->proto == PROTO_TCP)
		correct_tcp(c, head + c->l4, last);
	else if (c->proto == PROTO_UDP)
		put16(head + c->l4 + UDP_LEN_AT, (uint16_t)len);
	put16(check, csum_add(get16(check),
			      csum_sub((uint16_t)len, (uint16_t)whole)));
	complete_csum(c, head, body);
}

bool cut_next(struct cut *c, uint8_t room[static CUT_HEAD], struct piece *out)
{
	const struct frame *f = c->p->f;
	size_t left = f->len - c->at;
	bool last;

	if (c->done)
		return false;
	last = left <= c->step;
	out->body = (struct span){ f->at + c->at, last ? left : c->step };
	out->head = (struct span){ room, c->hdr };
	if (c->hdr) {
		memcpy(room, f->at, c->hdr);
		correct_headers(c, room, out->body, last);
	}
	c->at += out->body.len;
	c->index++;
	c->done = last;
	return true;
}

size_t cut_largest(const struct pkt *p)
{
	struct cut c;

	if (!is_super(p->f) || cut_start(&c, p))
		return p->f->len;
	return c.hdr + c.step < p->f->len ? c.hdr + c.step : p->f->len;
}
