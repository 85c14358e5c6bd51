/* SPDX-License-Identifier: MIT
 *
 * nat.c - a NAT44 with endpoint-dependent mapping and filtering
 *
 * The strict kind follows TCP by the rules that were measured of Linux
 * conntrack with tcp_loose=0 (design 3.4): first packet must be a SYN; what
 * lies outside the windows, or acknowledges (SACK included) what it never saw,
 * is dropped; a RST ends the mapping only if it is exact.
 */
#include "tests/sim/net.h"

enum { ACK_WINDOW = 66000 };

static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static bool flow_alive(const struct sim *s, const struct nat *n,
		       const struct nat_flow *f)
{
	msec most = f->proto == PROTO_TCP ? n->conf.tcp_ms : n->conf.udp_ms;

	return f->used && s->now - f->seen <= most;
}

static bool port_taken(const struct sim *s, const struct nat *n,
		       const struct wire *w, uint16_t port)
{
	for (int i = 0; i < NAT_FLOWS; i++) {
		const struct nat_flow *f = &n->flow[i];

		if (flow_alive(s, n, f) && f->proto == w->proto &&
		    f->out_port == port && taddr4_eq(f->remote, w->to))
			return true;
	}
	return false;
}

static struct nat_flow *flow_new(struct sim *s, struct nat *n,
				 const struct wire *w)
{
	uint16_t port = w->from.port;
	struct nat_flow *f = NULL;

	for (int i = 0; i < NAT_FLOWS && !f; i++)
		if (!flow_alive(s, n, &n->flow[i]))
			f = &n->flow[i];
	if (!f)
		return NULL;
	if (n->conf.random)
		port = (uint16_t)(1024 + rand_below(&s->rand, 64000));
	while (port_taken(s, n, w, port))
		port = (uint16_t)(1024 + rand_below(&s->rand, 64000));
	*f = (struct nat_flow){ .used = true, .proto = w->proto,
		.in_port = w->from.port, .in_addr = w->from.addr,
		.out_port = port, .remote = w->to, .seen = s->now };
	if (n->conf.rewrite_seq && w->proto == PROTO_TCP)
		f->seq_add = rand32(&s->rand);
	return f;
}

/* -- following TCP ------------------------------------------------------------ */

static void track_start(struct track *t, const struct pkt *p, uint32_t end)
{
	*t = (struct track){ .end = end, .maxend = end,
		.maxwin = p->win ? p->win : 1, .has_scale = p->opts.has_scale,
		.scale = p->opts.has_scale ? p->opts.scale : 0 };
}

static bool in_window(struct nat_flow *f, const struct pkt *p, enum dir d)
{
	struct track *me = &f->side[d], *other = &f->side[!d];
	uint32_t end = p->seq + p->seg_len, ack = p->ack, sack = p->ack;
	uint32_t win = p->win, most;

	if (!me->maxwin || ((p->flags & TCP_SYN) && after(end, me->end) &&
			    !f->established)) {
		if (!(p->flags & TCP_SYN))
			return false;
		track_start(me, p, end);
		if (d == DOWN && !(me->has_scale && other->has_scale))
			me->scale = other->scale = 0;
	}
	if (!(p->flags & TCP_ACK))
		ack = sack = other->end;
	else if (p->opts.has_sack && after(p->opts.sack_max, sack))
		sack = p->opts.sack_max;
	most = me->maxwin > ACK_WINDOW ? me->maxwin : ACK_WINDOW;
	if (after(p->seq, me->maxend) ||
	    (other->maxwin && !after(end, me->end - other->maxwin - 1)) ||
	    after(sack, other->end) || !after(sack, other->end - most - 1))
		return false;
	if (!(p->flags & TCP_SYN))
		win <<= me->scale;
	if (me->maxwin < win + (sack - ack))
		me->maxwin = win + (sack - ack);
	if (other->maxwin && after(end, me->maxend))
		other->maxwin += end - me->maxend;
	if (after(end, me->end))
		me->end = end;
	if ((p->flags & TCP_ACK) &&
	    (!me->has_maxack || after(ack, me->maxack))) {
		me->maxack = ack;
		me->has_maxack = true;
	}
	if (after(sack + win, other->maxend - 1))
		other->maxend = sack + win + !win;
	return true;
}

/* Return: it may pass. Ends the flow if a RST is exact. */
static bool follow(struct nat_flow *f, const struct pkt *p, enum dir d)
{
	const struct track *other = &f->side[!d];

	if (p->flags & TCP_RST) {
		if (other->has_maxack && after(other->maxack, p->seq))
			return false;
		if (!f->established || p->seq == other->maxack)
			f->closed = true;
		return true;
	}
	if (!in_window(f, p, d))
		return false;
	if (d == UP && (p->flags & (TCP_SYN | TCP_ACK)) == TCP_ACK &&
	    f->side[DOWN].maxwin)
		f->established = true;
	return true;
}

/* -- editing ------------------------------------------------------------------- */

static void fix_sum(uint8_t *at, size_t len, uint8_t proto)
{
	size_t l4 = len - IP4_HDR, sum_at = proto == PROTO_TCP ? 16 : 6;
	uint8_t *seg = at + IP4_HDR;
	uint16_t sum;

	put16(seg + sum_at, 0);
	sum = (uint16_t)~csum_bytes(csum_pseudo4(get32(at + 12), get32(at + 16),
						 (uint32_t)l4, proto), seg, l4);
	put16(seg + sum_at, sum || proto == PROTO_TCP ? sum : 0xffff);
	put16(at + 10, 0);
	put16(at + 10, (uint16_t)~csum_bytes(0, at, IP4_HDR));
}

static void edit(struct wire *w)
{
	uint8_t *at = wire_at(w);

	if (w->kind != WIRE_OUTER_PACKET || w->proto == PROTO_ICMP)
		return;
	put32(at + 12, w->from.addr);
	put32(at + 16, w->to.addr);
	put16(at + IP4_HDR, w->from.port);
	put16(at + IP4_HDR + 2, w->to.port);
	fix_sum(at, w->len, w->proto);
}

static void strip(struct wire *w)
{
	uint8_t *tcp = wire_at(w) + IP4_HDR;
	size_t len = (size_t)(tcp[12] >> 4) * 4;

	memset(tcp + TCP_HDR, 1, len - TCP_HDR);
}

/* Return: the flow lets it pass. */
static bool tcp_through(struct nat *n, struct nat_flow *f, struct wire *w)
{
	struct frame frame = { .at = wire_at(w), .len = w->len };
	uint8_t *tcp = wire_at(w) + IP4_HDR;
	struct pkt p;

	if (pkt_parse4(&p, &frame) || p.l4 != PROTO_TCP)
		return false;
	if (n->conf.strict && !follow(f, &p, w->dir)) {
		n->dropped++;
		return false;
	}
	if (n->conf.strip)
		strip(w);
	if (n->conf.shape && !(p.flags & TCP_SYN))
		put16(tcp + 14, p.win / 2);
	if (w->dir == UP)
		put32(tcp + 4, p.seq + f->seq_add);
	else if (p.flags & TCP_ACK)
		put32(tcp + 8, p.ack - f->seq_add);
	return true;
}

/* -- doors ------------------------------------------------------------------------ */

static bool is_first(const struct wire *w)
{
	const uint8_t *tcp = w->bytes + FRAME_HEADROOM + IP4_HDR;

	return (tcp[13] & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

bool nat_out(struct sim *s, struct nat *n, struct wire *w)
{
	bool tcp = w->proto == PROTO_TCP;
	struct nat_flow *f = NULL;

	if ((w->proto == PROTO_UDP && n->conf.drop_udp) ||
	    (n->conf.drop_own && w->kind == WIRE_OUTER_PACKET))
		return false;
	for (int i = 0; i < NAT_FLOWS && !f; i++)
		if (flow_alive(s, n, &n->flow[i]) &&
		    n->flow[i].proto == w->proto &&
		    n->flow[i].in_port == w->from.port &&
		    n->flow[i].in_addr == w->from.addr &&
		    taddr4_eq(n->flow[i].remote, w->to))
			f = &n->flow[i];
	if (f && tcp && f->closed && is_first(w)) {
		f->used = false;
		f = NULL;
	}
	if (!f && tcp && n->conf.strict && !is_first(w)) {
		n->dropped++;
		return false;
	}
	if (!f)
		f = flow_new(s, n, w);
	if (!f || (tcp && !tcp_through(n, f, w)))
		return false;
	f->seen = s->now;
	w->from = (struct taddr4){ n->addr, f->out_port };
	edit(w);
	return true;
}

bool nat_in(struct sim *s, struct nat *n, struct wire *w)
{
	for (int i = 0; i < NAT_FLOWS; i++) {
		struct nat_flow *f = &n->flow[i];

		if (!flow_alive(s, n, f) || f->proto != w->proto ||
		    f->out_port != w->to.port || n->addr != w->to.addr ||
		    !taddr4_eq(f->remote, w->from))
			continue;
		if (w->proto == PROTO_TCP && !tcp_through(n, f, w))
			return false;
		f->seen = s->now;
		w->to = (struct taddr4){ f->in_addr, f->in_port };
		edit(w);
		return true;
	}
	return false;
}

void nat_reboot(struct nat *n, uint32_t addr)
{
	memset(n->flow, 0, sizeof(n->flow));
	n->addr = addr;
}

uint32_t nat_flows(struct sim *s, struct nat *n, uint8_t proto)
{
	uint32_t count = 0;

	for (int i = 0; i < NAT_FLOWS; i++)
		count += flow_alive(s, n, &n->flow[i]) && !n->flow[i].closed &&
			 n->flow[i].proto == proto;
	return count;
}
