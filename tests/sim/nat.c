/* SPDX-License-Identifier: MIT
 *
 * nat.c - a NAT44 in the words of RFC 4787, and what real ones do wrong
 *
 * A flow is a row per inside and outside transport address; what a NAT of less
 * dependent mapping or filtering would keep once, flows share: the outside port
 * (flow_new()), or the right to come in (may_enter()). Connections of control
 * and the sessions of other people in the house are flows as well, of protocols
 * of their own: they live, expire and are evicted like ours.
 *
 * The strict kind follows TCP by the rules that were measured of Linux
 * conntrack with tcp_loose=0 (design 3.4): first packet must be a SYN; what
 * lies outside the windows, or acknowledges (SACK included) what it never saw,
 * is dropped; a RST ends the mapping only if it is exact.
 */
#include "tests/sim/net.h"

enum { ACK_WINDOW = 66000, PROTO_CONTROL = 253, PROTO_HOUSE = 254,
	PROXY_MS = 5 };

static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static bool flow_alive(const struct sim *s, const struct nat *n,
		       const struct nat_flow *f)
{
	msec most = f->proto == PROTO_UDP ? n->conf.udp_ms : n->conf.tcp_ms;

	return f->used && s->now - f->seen <= most;
}

static bool port_taken(const struct sim *s, const struct nat *n,
		       const struct nat_flow *like, uint16_t port)
{
	for (uint32_t i = 0; i < n->top; i++) {
		const struct nat_flow *f = &n->flow[i];

		if (flow_alive(s, n, f) && f->proto == like->proto &&
		    f->out_port == port && f->out_addr == like->out_addr &&
		    (n->conf.mapping != BY_ADDR_PORT ||
		     taddr4_eq(f->remote, like->remote)))
			return true;
	}
	return false;
}

/* RFC 4787, 4.1: the outside address and port are used again. */
static const struct nat_flow *flow_like(const struct sim *s,
					const struct nat *n,
					const struct nat_flow *like)
{
	for (uint32_t i = 0; i < n->top; i++) {
		const struct nat_flow *f = &n->flow[i];

		if (flow_alive(s, n, f) && f->proto == like->proto &&
		    f->in_port == like->in_port &&
		    f->in_addr == like->in_addr &&
		    (n->conf.mapping == BY_NOTHING ||
		     f->remote.addr == like->remote.addr))
			return f;
	}
	return NULL;
}

static void make_room(struct sim *s, struct nat *n)
{
	struct nat_flow *oldest = NULL;
	uint32_t count = 0;

	for (uint32_t i = 0; i < n->top; i++) {
		struct nat_flow *f = &n->flow[i];

		if (!flow_alive(s, n, f))
			continue;
		count++;
		if (!oldest || (n->conf.least_used ? f->seen < oldest->seen :
				f->born < oldest->born))
			oldest = f;
	}
	if (n->conf.quota && count >= n->conf.quota)
		oldest->used = false;
}

static struct nat_flow *place(struct sim *s, struct nat *n)
{
	make_room(s, n);
	for (uint32_t i = 0; i < n->top; i++)
		if (!flow_alive(s, n, &n->flow[i]))
			return &n->flow[i];
	return n->top < NAT_FLOWS ? &n->flow[n->top++] : NULL;
}

/* @like: protocol, inside and remote addresses. */
static struct nat_flow *flow_new(struct sim *s, struct nat *n,
				 struct nat_flow like)
{
	struct nat_flow *f = place(s, n);
	const struct nat_flow *other = n->conf.mapping == BY_ADDR_PORT ? NULL :
				       flow_like(s, n, &like);

	if (!f)
		return NULL;
	like.used = true;
	like.seen = like.born = s->now;
	like.out_addr = n->addr;
	like.out_port = like.in_port;
	if (n->conf.pool > 1)
		like.out_addr += rand_below(&s->rand, n->conf.pool);
	if (n->conf.random)
		like.out_port = (uint16_t)(1024 + rand_below(&s->rand, 64000));
	if (other) {
		like.out_addr = other->out_addr;
		like.out_port = other->out_port;
	} else {
		while (port_taken(s, n, &like, like.out_port))
			like.out_port = (uint16_t)(1024 +
				rand_below(&s->rand, 64000));
	}
	if (n->conf.rewrite_seq && like.proto == PROTO_TCP)
		like.seq_add[UP] = rand32(&s->rand);
	if (n->conf.rewrite_down && like.proto == PROTO_TCP)
		like.seq_add[DOWN] = rand32(&s->rand);
	*f = like;
	return f;
}

static struct nat_flow *flow_of(const struct sim *s, struct nat *n,
				const struct nat_flow *like)
{
	for (uint32_t i = 0; i < n->top; i++) {
		struct nat_flow *f = &n->flow[i];

		if (flow_alive(s, n, f) && f->proto == like->proto &&
		    f->in_port == like->in_port &&
		    f->in_addr == like->in_addr &&
		    taddr4_eq(f->remote, like->remote))
			return f;
	}
	return NULL;
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

/* All SYNs here have MSS first. */
static void clamp(struct wire *w, uint16_t mss)
{
	uint8_t *tcp = wire_at(w) + IP4_HDR;

	if ((tcp[13] & TCP_SYN) && (tcp[12] >> 4) > 5 && tcp[TCP_HDR] == 2 &&
	    get16(tcp + TCP_HDR + 2) > mss)
		put16(tcp + TCP_HDR + 2, mss);
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
		/* what was on the way when a RST ended it is no fault */
		n->dropped += !f->closed && !(p.flags & TCP_RST);
		return false;
	}
	if (n->conf.strip)
		strip(w);
	if (n->conf.shape && !(p.flags & TCP_SYN))
		put16(tcp + 14, p.win / 2);
	if (n->conf.mss)
		clamp(w, n->conf.mss);
	put32(tcp + 4, p.seq + f->seq_add[w->dir]);
	if (p.flags & TCP_ACK)
		put32(tcp + 8, p.ack - f->seq_add[!w->dir]);
	return true;
}

static void bleach(struct wire *w)
{
	w->tos = 0;
	if (w->kind == WIRE_OUTER_PACKET)
		wire_at(w)[1] = 0;
}

/* -- segments of the NAT's own ------------------------------------------------------ */

/* To the sender of @w, as if from where it was going. */
static void reply(struct sim *s, const struct wire *w, struct tcp_seg *seg)
{
	struct wire back = { .kind = WIRE_OUTER_PACKET, .dir = DOWN,
		.edge = w->edge, .proto = PROTO_TCP, .inside = true,
		.from = w->to, .to = w->from };
	struct writer to = writer_of(wire_at(&back), 200);

	seg->t = (struct tuple4){ w->to.addr, w->from.addr, w->to.port,
		w->from.port, PROTO_TCP };
	back.len = tcp_build(&to, seg);
	sim_inject(s, &back, PROXY_MS);
}

static void reject(struct sim *s, const struct wire *w)
{
	const uint8_t *tcp = w->bytes + FRAME_HEADROOM + IP4_HDR;
	struct tcp_seg seg = { .seq = get32(tcp + 8), .flags = TCP_RST };

	if (!(tcp[13] & TCP_RST))
		reply(s, w, &seg);
}

static void answer_first(struct sim *s, const struct wire *w)
{
	const uint8_t *tcp = w->bytes + FRAME_HEADROOM + IP4_HDR;
	struct tcp_opts o = { .mss = 1400 };
	struct tcp_seg seg = { .seq = rand32(&s->rand),
		.ack = get32(tcp + 4) + 1, .win = 8192,
		.flags = TCP_SYN | TCP_ACK, .opts = &o };

	reply(s, w, &seg);
}

/* -- doors ------------------------------------------------------------------------ */

static bool is_first(const struct wire *w)
{
	const uint8_t *tcp = w->bytes + FRAME_HEADROOM + IP4_HDR;

	return (tcp[13] & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

bool nat_out(struct sim *s, struct nat *n, struct wire *w)
{
	struct nat_flow like = { .proto = w->proto, .in_port = w->from.port,
		.in_addr = w->from.addr, .remote = w->to };
	bool tcp = w->proto == PROTO_TCP;
	struct nat_flow *f;

	if ((w->proto == PROTO_UDP && n->conf.drop_udp) ||
	    (n->conf.drop_own && w->kind == WIRE_OUTER_PACKET))
		return false;
	if (n->conf.proxy && tcp) {
		if (is_first(w))
			answer_first(s, w);
		return false;
	}
	f = flow_of(s, n, &like);
	if (f && tcp && f->closed && is_first(w)) {
		f->used = false;
		f = NULL;
	}
	if (!f && tcp && (n->conf.strict || n->conf.rst) && !is_first(w)) {
		n->dropped++;
		if (n->conf.rst)
			reject(s, w);
		return false;
	}
	if (!f)
		f = flow_new(s, n, like);
	if (!f || (tcp && !tcp_through(n, f, w)))
		return false;
	f->seen = s->now;
	w->from = (struct taddr4){ f->out_addr, f->out_port };
	edit(w);
	if (n->conf.bleach)
		bleach(w);
	return true;
}

/* RFC 4787, 5: may @from send to the outside address of @f? TCP always needs
 * the flow itself here.
 */
static bool may_enter(const struct nat *n, const struct nat_flow *f,
		      struct taddr4 from, uint8_t proto)
{
	if (taddr4_eq(f->remote, from))
		return true;
	if (proto != PROTO_UDP)
		return false;
	return n->conf.filtering == BY_NOTHING ||
	       (n->conf.filtering == BY_ADDR && f->remote.addr == from.addr);
}

static uint32_t edge_inside(const struct sim *s, const struct nat *n,
			    uint32_t addr)
{
	uint32_t i = 0;

	while (i < s->conf.edges && (s->edge[i].addr != addr ||
				     &s->nat[i % s->conf.nats] != n))
		i++;
	return i;
}

bool nat_in(struct sim *s, struct nat *n, struct wire *w)
{
	struct nat_flow *found = NULL;

	for (uint32_t i = 0; i < n->top; i++) {
		struct nat_flow *f = &n->flow[i];

		if (!flow_alive(s, n, f) || f->proto != w->proto ||
		    f->out_port != w->to.port || f->out_addr != w->to.addr ||
		    !may_enter(n, f, w->from, w->proto))
			continue;
		if (!found || taddr4_eq(f->remote, w->from))
			found = f;
	}
	if (!found ||
	    (w->proto == PROTO_TCP && !tcp_through(n, found, w)))
		return false;
	found->seen = s->now;
	w->edge = edge_inside(s, n, found->in_addr);
	w->to = (struct taddr4){ found->in_addr, found->in_port };
	edit(w);
	if (n->conf.bleach)
		bleach(w);
	return w->edge < s->conf.edges;
}

bool nat_control(struct sim *s, struct nat *n, uint32_t addr, uint16_t port,
		 bool fresh)
{
	struct nat_flow like = { .proto = PROTO_CONTROL, .in_port = port,
		.in_addr = addr };
	struct nat_flow *f = fresh ? flow_new(s, n, like) :
			     flow_of(s, n, &like);

	if (f)
		f->seen = s->now;
	return f;
}

void nat_fill(struct sim *s, struct nat *n, uint32_t count)
{
	while (count--)
		flow_new(s, n, (struct nat_flow){ .proto = PROTO_HOUSE,
			 .in_port = (uint16_t)rand32(&s->rand),
			 .remote.addr = rand32(&s->rand) });
}

bool nat_has(const struct nat *n, uint32_t addr)
{
	return addr - n->addr < (n->conf.pool ? n->conf.pool : 1);
}

void nat_reboot(struct nat *n, uint32_t addr)
{
	memset(n->flow, 0, n->top * sizeof(*n->flow));
	n->top = 0;
	n->addr = addr;
}

uint32_t nat_flows(struct sim *s, struct nat *n, uint8_t proto)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n->top; i++)
		count += flow_alive(s, n, &n->flow[i]) && !n->flow[i].closed &&
			 n->flow[i].proto == proto;
	return count;
}
