/* SPDX-License-Identifier: MIT
 *
 * ends.c - simple end points: TCP, UDP echo, ping
 *
 * The TCP is small but honest: retransmission by time-out and by duplicate
 * acknowledgements, SACK, timestamps with PAWS, window scale. Byte n of a
 * direction is a function of n, and each byte that arrives is compared.
 */
#include "tests/sim/net.h"

#include <stdlib.h>

enum { RTO_MS = 300, RTO_MOST_MS = 8000, WHOLE_RTO_MOST_MS = 3000, SYN_RTO_MS = 1000, SCALE = 7,
	MSS = 1440 };

/* A stream is a piece of one random cycle, so that bytes are compared fast, and
 * those of another place or stream do not match.
 */
enum { CYCLE = 65521, CHUNK = 4096 };

const uint8_t *sim_bytes(uint32_t salt, uint32_t n, enum dir d)
{
	static uint8_t cycle[CYCLE + CHUNK];
	static bool made;
	uint32_t x = 1;

	for (int i = 0; !made && i < CYCLE + CHUNK; i++) {
		x = x * 1664525 + 1013904223;
		cycle[i] = i < CYCLE ? (uint8_t)(x >> 24) : cycle[i - CYCLE];
	}
	made = true;
	return cycle + (n % CYCLE + salt % CYCLE + (d == UP ? 0 : 777)) % CYCLE;
}

/* -- packets ---------------------------------------------------------------- */

static uint16_t sum_of(const struct addr6 *src, const struct addr6 *dst,
		       uint8_t nh, struct span l4)
{
	return csum_bytes(csum_pseudo6(src, dst, (uint32_t)l4.len, nh), l4.at,
			  l4.len);
}

size_t packet_build(uint8_t *to, const struct addr6 *src,
		    const struct addr6 *dst, uint8_t nh, struct span l4)
{
	uint8_t *at = to + IP6_HDR;
	size_t where = nh == PROTO_TCP ? 16 : nh == PROTO_UDP ? 6 :
		       nh == PROTO_ICMP6 ? 2 : 0;
	uint16_t sum;

	ip6_header(to, src, dst, nh, (uint16_t)l4.len, 0, 0, 64);
	memcpy(at, l4.at, l4.len);
	if (!where)
		return IP6_HDR + l4.len;
	put16(at + where, 0);
	sum = (uint16_t)~sum_of(src, dst, nh, (struct span){ at, l4.len });
	put16(at + where, sum || nh != PROTO_UDP ? sum : 0xffff);
	return IP6_HDR + l4.len;
}

static struct node *sender(struct sim *s, uint32_t edge, enum dir d)
{
	return d == UP ? &s->edge[edge] : &s->hub;
}

/* -- UDP, ping --------------------------------------------------------------- */

void udp_send(struct sim *s, uint32_t edge, enum dir d, uint16_t host_port,
	      uint16_t peer_port, size_t payload)
{
	struct addr6 host = sim_host(edge), peer = sim_peer();
	uint8_t packet[4096], l4[4096];
	size_t len;

	put16(l4, d == UP ? host_port : peer_port);
	put16(l4 + 2, d == UP ? peer_port : host_port);
	put16(l4 + 4, (uint16_t)(UDP_HDR + payload));
	memcpy(l4 + UDP_HDR, sim_bytes(0, 0, UP), payload);
	len = packet_build(packet, d == UP ? &host : &peer,
			   d == UP ? &peer : &host, PROTO_UDP,
			   (struct span){ l4, UDP_HDR + payload });
	sim_inner(s, sender(s, edge, d), (struct span){ packet, len });
}

void ping_send(struct sim *s, uint32_t edge, enum dir d, size_t payload)
{
	struct addr6 host = sim_host(edge), peer = sim_peer();
	uint8_t packet[4096], l4[4096] = { ICMP6_ECHO, 0, 0, 0, 0x12, 0x34 };
	size_t len = packet_build(packet, d == UP ? &host : &peer,
				  d == UP ? &peer : &host, PROTO_ICMP6,
				  (struct span){ l4, 8 + payload });

	sim_inner(s, sender(s, edge, d), (struct span){ packet, len });
}

/* Turn a packet round: addresses, ports. */
static void turn(uint8_t *at, bool ports)
{
	uint8_t keep[16];

	memcpy(keep, at + 8, 16);
	memcpy(at + 8, at + 24, 16);
	memcpy(at + 24, keep, 16);
	at[7] = 64;
	if (!ports)
		return;
	memcpy(keep, at + 40, 2);
	memcpy(at + 40, at + 42, 2);
	memcpy(at + 42, keep, 2);
}

static void udp_packet(struct sim *s, enum dir d, uint32_t edge,
		       const struct pkt *p)
{
	struct span bytes = pkt_bytes(p);
	uint8_t back[4096];

	s->udp_got[d]++;
	s->udp_hop = p->hop;
	s->udp_tos = p->tos;
	s->udp_label = get32(bytes.at) & 0xfffff;
	if (memcmp(bytes.at + IP6_HDR + UDP_HDR, sim_bytes(0, 0, UP),
		   p->payload))
		sim_error(s, "UDP bytes altered");
	if (p->dport != ECHO_PORT && p->dport != 53)
		return;
	memcpy(back, bytes.at, bytes.len);
	turn(back, true);
	sim_inner(s, sender(s, edge, !d), (struct span){ back, bytes.len });
}

/* RFC 8201: the sender of the quoted packet sends smaller ones. */
static void smaller(struct sim *s, enum dir d, struct span error)
{
	const uint8_t *quoted = error.at + IP6_HDR + 8;
	uint16_t sport = get16(quoted + IP6_HDR);
	uint32_t mss = s->icmp_param - IP6_HDR - TCP_HDR;

	for (int i = 0; i < SIM_TCPS && quoted[6] == PROTO_TCP; i++) {
		struct tcp *t = &s->tcp[i];

		if (t->used && sport == (d == DOWN ? t->host_port :
					 t->peer_port) &&
		    mss < t->end[!d].mss)
			t->end[!d].mss = mss;
	}
}

static void icmp_packet(struct sim *s, enum dir d, uint32_t edge,
			const struct pkt *p)
{
	struct span bytes = pkt_bytes(p);
	uint8_t back[4096];

	if (icmp6_is_error(p->icmp_type)) {
		s->icmp_errors[d]++;
		s->icmp_type = p->icmp_type;
		s->icmp_code = p->icmp_code;
		s->icmp_param = get32(bytes.at + IP6_HDR + 4);
		if (p->icmp_type == ICMP6_TOO_BIG)
			smaller(s, d, bytes);
		return;
	}
	s->ping_got[d]++;
	if (p->icmp_type != ICMP6_ECHO)
		return;
	s->ping_hop = p->hop;
	memcpy(back, bytes.at, bytes.len);
	turn(back, false);
	back[IP6_HDR] = ICMP6_ECHO_REPLY;
	bytes.len = packet_build(back, (struct addr6 *)(void *)(back + 8),
				 (struct addr6 *)(void *)(back + 24),
				 PROTO_ICMP6, (struct span){ back + IP6_HDR,
				 bytes.len - IP6_HDR });
	sim_inner(s, sender(s, edge, !d), (struct span){ back, bytes.len });
}

/* -- TCP: sending ----------------------------------------------------------------- */

static size_t write_options(uint8_t *at, const struct tcp *t,
			    const struct end *e, uint8_t flags, uint32_t sack[2])
{
	struct writer w = writer_of(at, 40);

	if (flags & TCP_SYN) {
		write16(&w, 0x0204);
		write16(&w, MSS);
		if (t->sack)
			write32(&w, 0x01010402);
		if (t->scale)
			write32(&w, 0x01030300 | SCALE);
	}
	if (t->ts) {
		write32(&w, 0x0101080a);
		write32(&w, (uint32_t)t->sim->now);
		write32(&w, e->ts_recent);
	}
	if (!(flags & TCP_SYN) && t->sack && sack[1] != sack[0]) {
		write32(&w, 0x0101050a);
		write32(&w, sack[0]);
		write32(&w, sack[1]);
	}
	return w.len;
}

/* First block above what came in order. */
static void find_sack(const struct end *e, uint32_t sack[2])
{
	uint32_t i = e->got, from;

	if (i < e->have_len) /* it has, for the last byte is there */
		i += (uint32_t)((uint8_t *)memchr(e->have + i, 1,
					e->have_len - i) - (e->have + i));
	for (from = i; i < e->have_len && e->have[i];)
		i++;
	sack[0] = e->irs + 1 + from;
	sack[1] = e->irs + 1 + i;
}

struct out_seg {
	uint32_t seq, len;
	uint8_t flags;
};

static void emit(struct tcp *t, enum dir d, const struct out_seg *o)
{
	struct end *e = &t->end[d];
	bool syn = o->flags & TCP_SYN;
	uint32_t win = syn ? t->syn_window : !t->scale ? 65535 :
		       t->window >> SCALE, sack[2];
	uint8_t packet[4096], l4[4096] = { 0 };
	const struct addr6 *me = d == UP ? &t->host : &t->peer;
	const struct addr6 *other = d == UP ? &t->peer : &t->host;
	size_t hdr, len;

	find_sack(e, sack);
	put16(l4, d == UP ? t->host_port : t->peer_port);
	put16(l4 + 2, d == UP ? t->peer_port : t->host_port);
	put32(l4 + 4, o->seq);
	put32(l4 + 8, o->flags & TCP_ACK ? e->irs + 1 + e->got + e->fin_got : 0);
	hdr = TCP_HDR + write_options(l4 + TCP_HDR, t, e, o->flags, sack);
	l4[12] = (uint8_t)(hdr / 4 << 4);
	l4[13] = o->flags;
	if (syn && t->ecn) /* RFC 3168, 6.1.1 */
		l4[13] |= o->flags & TCP_ACK ? TCP_ECE : TCP_ECE | TCP_CWR;
	put16(l4 + 14, (uint16_t)(win > 65535 ? 65535 : win));
	memcpy(l4 + hdr, sim_bytes(t->salt, o->seq - e->iss - 1, d), o->len);
	len = packet_build(packet, me, other, PROTO_TCP,
			   (struct span){ l4, hdr + o->len });
	packet[7] = e->hop;
	e->sent++;
	sim_inner(t->sim, d == DOWN && t->peer_edge < SIM_EDGES ?
		  &t->sim->edge[t->peer_edge] : sender(t->sim, t->edge, d),
		  (struct span){ packet, len });
}

/* Above the round trip, as RFC 6298 would have found. */
static msec rto_of(const struct sim *s)
{
	msec twice = 4 * (s->conf.delay + s->conf.far);

	return twice > RTO_MS ? twice : RTO_MS;
}

static void timer(struct sim *s, void *arg);

static void arm(struct tcp *t, enum dir d)
{
	struct end *e = &t->end[d];
	const struct sim *s = t->sim;
	msec rto = e->state == TCP_OPEN ? rto_of(t->sim) : SYN_RTO_MS;
	msec most = RTO_MOST_MS;

	if (s->conf.whole) { /* as if it had been measured */
		rto += 3 * (s->conf.delay + s->conf.far +
			    s->path[t->edge].delay);
		most = WHOLE_RTO_MOST_MS;
	}
	for (int i = 0; i < e->backoff && rto < most; i++)
		rto *= 2;
	e->rto_at = t->sim->now + rto;
	if (e->timer_set)
		return;
	e->timer_set = true;
	sim_at(t->sim, rto, timer, e);
}

static void ack_now(struct tcp *t, enum dir d)
{
	emit(t, d, &(struct out_seg){ t->end[d].nxt, 0, TCP_ACK });
}

/* Bytes, and then FIN, from @seq on: one segment. Return: its length. */
static uint32_t send_one(struct tcp *t, enum dir d, uint32_t seq)
{
	struct end *e = &t->end[d];
	uint32_t left = e->iss + 1 + e->total - seq;
	uint32_t sack[2], mss = e->mss - (t->ts ? 12 : 0);
	struct out_seg o = { .seq = seq, .flags = TCP_ACK };

	find_sack(e, sack);
	if (t->sack && sack[0] != sack[1])
		mss -= 12;
	o.len = left < mss ? left : mss;

	if (o.len == left && e->fin_wanted)
		o.flags |= TCP_FIN;
	emit(t, d, &o);
	return o.len + (o.flags & TCP_FIN ? 1 : 0);
}

static void push(struct tcp *t, enum dir d)
{
	struct end *e = &t->end[d];
	uint32_t last = e->iss + 1 + e->total + e->fin_wanted;
	uint32_t most = e->peer_win < t->window ? e->peer_win : t->window;
	bool idle = e->nxt == e->una;

	if (e->state != TCP_OPEN || e->reset)
		return;
	while (e->nxt != last && e->nxt - e->una + e->mss <= most)
		e->nxt += send_one(t, d, e->nxt);
	if (e->nxt != e->una && (idle || !e->timer_set))
		arm(t, d);
}

static void timer(struct sim *s, void *arg)
{
	struct end *e = arg;
	struct tcp *t = &s->tcp[((size_t)((uint8_t *)arg - (uint8_t *)s->tcp)) /
				sizeof(*t)];
	enum dir d = e == &t->end[UP] ? UP : DOWN;

	e->timer_set = false;
	if (e->reset || e->una == e->nxt || !t->used)
		return;
	if (s->now < e->rto_at) {
		e->timer_set = true;
		sim_at(s, e->rto_at - s->now, timer, e);
		return;
	}
	e->repeated++;
	if (e->backoff < 8)
		e->backoff++;
	if (e->state == TCP_SYN_SENT || e->state == TCP_SYN_GOT) {
		emit(t, d, &(struct out_seg){ e->iss, 0, e->state ==
		     TCP_SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK });
	} else {
		e->recover = e->nxt;
		send_one(t, d, e->una);
	}
	arm(t, d);
}

/* -- TCP: receiving ------------------------------------------------------------------ */

static void opened(struct tcp *t, enum dir d)
{
	struct end *e = &t->end[d];

	e->state = TCP_OPEN;
	e->connected = t->sim->now;
	e->backoff = 0;
}

static void take_ack(struct tcp *t, enum dir d, const struct pkt *p)
{
	struct end *e = &t->end[d];

	if (seq_after(p->ack, e->nxt)) {
		sim_error(t->sim, "acknowledges what was never sent");
		return;
	}
	e->peer_win = (uint32_t)p->win << e->peer_scale;
	if (p->ack == e->una && !p->seg_len && e->nxt != e->una) {
		if (++e->dups == 3) {
			e->recover = e->nxt;
			e->repeated++;
			send_one(t, d, e->una);
		}
		return;
	}
	if (!seq_after(p->ack, e->una))
		return;
	e->una = p->ack;
	e->dups = e->backoff = 0;
	e->rto_at = t->sim->now + rto_of(t->sim);
	if (seq_after(e->recover, e->una)) {
		e->repeated++;
		send_one(t, d, e->una);
	}
}

static void take_bytes(struct tcp *t, enum dir d, const struct pkt *p)
{
	struct end *e = &t->end[d];
	const uint8_t *at = p->f->at + IP6_HDR + p->l4_len;
	uint32_t off = p->seq - e->irs - 1;

	if (off > UINT32_MAX / 2 || off + p->payload > t->end[!d].total) {
		if ((int32_t)(off + p->payload) > (int32_t)e->got)
			sim_error(t->sim, "bytes that nobody sent");
	} else {
		if (off + p->payload > e->have_cap) {
			e->have = realloc(e->have, t->end[!d].total);
			memset(e->have + e->have_cap, 0,
			       t->end[!d].total - e->have_cap);
			e->have_cap = t->end[!d].total;
		}
		if (off + p->payload > e->have_len)
			e->have_len = off + p->payload;
		if (memcmp(at, sim_bytes(t->salt, off, !d), p->payload))
			sim_error(t->sim, "TCP bytes altered");
		if (p->payload)
			memset(e->have + off, 1, p->payload);
		if (off <= e->got && off + p->payload > e->got)
			e->got = off + p->payload;
		while (e->got < e->have_len && e->have[e->got])
			e->got++;
	}
	if ((p->flags & TCP_FIN) && off + p->payload == e->got)
		e->fin_got = true;
	ack_now(t, d);
}

static void note_syn_of(struct tcp *t, struct end *e, const struct pkt *p)
{
	e->irs = p->seq;
	e->ts_recent = p->opts.ts_val;
	e->peer_scale = t->scale && p->opts.has_scale ? p->opts.scale : 0;
	e->peer_win = p->win;
	if (p->opts.mss && p->opts.mss < e->mss)
		e->mss = p->opts.mss;
	if (p->opts.has_ts != t->ts || p->opts.sack_ok != t->sack ||
	    p->opts.has_scale != t->scale)
		sim_error(t->sim, "options of a SYN altered");
}

static void take_syn(struct tcp *t, enum dir d, const struct pkt *p)
{
	struct end *e = &t->end[d];
	bool ack = p->flags & TCP_ACK;

	if (e->state == TCP_SYN_SENT && ack && p->ack == e->iss + 1) {
		note_syn_of(t, e, p);
		e->una = p->ack;
		opened(t, d);
		ack_now(t, d);
		push(t, d);
	} else if (!ack && e->state == TCP_LISTENS) {
		note_syn_of(t, e, p);
		e->state = TCP_SYN_GOT;
		e->nxt = e->iss + 1;
		emit(t, d, &(struct out_seg){ e->iss, 0, TCP_SYN | TCP_ACK });
		arm(t, d);
	} else if (!ack && e->state == TCP_SYN_GOT && p->seq == e->irs) {
		emit(t, d, &(struct out_seg){ e->iss, 0, TCP_SYN | TCP_ACK });
	} else if (p->seq != e->irs) {
		sim_error(t->sim, "a SYN from nowhere");
	} else {
		ack_now(t, d);
	}
}

/* @d: the direction that this end sends in. */
static void end_packet_in(struct tcp *t, enum dir d, const struct pkt *p)
{
	struct end *e = &t->end[d];

	e->hop_seen = p->hop;
	if (p->flags & TCP_RST) {
		if (!e->reset && !t->end[!d].reset && t->sim->conf.whole)
			sim_error(t->sim, "a RST that nobody sent");
		e->reset = true;
		return;
	}
	if (e->reset && t->sim->conf.whole && (p->flags & TCP_ACK))
		emit(t, d, &(struct out_seg){ p->ack, 0, TCP_RST });
	if (e->reset || e->state == TCP_CLOSED)
		return;
	if (p->flags & TCP_SYN) {
		take_syn(t, d, p);
		return;
	}
	if (e->state == TCP_SYN_GOT && p->ack == e->iss + 1) {
		e->una = p->ack;
		opened(t, d);
	}
	if (e->state != TCP_OPEN)
		return;
	if (t->ts && !p->opts.has_ts)
		sim_error(t->sim, "timestamps lost");
	if (t->ts && seq_after(e->ts_recent, p->opts.ts_val)) {
		if (p->seg_len)
			ack_now(t, d);
		return;
	}
	if (!seq_after(p->seq, e->irs + 1 + e->got))
		e->ts_recent = p->opts.ts_val;
	if (p->flags & TCP_ACK)
		take_ack(t, d, p);
	if (p->seg_len)
		take_bytes(t, d, p);
	push(t, d);
}

static void tcp_packet(struct sim *s, const struct pkt *p)
{
	for (int i = 0; i < SIM_TCPS; i++)
		for (int to = UP; to <= DOWN; to++) {
			struct tcp *t = &s->tcp[i];
			bool up = to == DOWN; /* sent by the host */

			if (!t->used ||
			    p->sport != (up ? t->host_port : t->peer_port) ||
			    p->dport != (up ? t->peer_port : t->host_port) ||
			    !addr6_eq(&p->src6, up ? &t->host : &t->peer) ||
			    !addr6_eq(&p->dst6, up ? &t->peer : &t->host))
				continue;
			end_packet_in(t, to, p);
			return;
		}
	if (s->conf.whole)
		sim_error(s, "TCP packet of no connection");
}

/* Nothing leaves an edge's inner TUN for another prefix, or the hub's from
 * outside of all.
 */
static void in_its_place(struct sim *s, enum dir d, uint32_t edge,
			 const struct pkt *p)
{
	bool fits = false;

	if (d == DOWN)
		fits = prefix6_contains(&s->edge[edge].conf.prefix, &p->dst6);
	for (uint32_t i = 0; d == UP && i < s->conf.edges; i++)
		fits |= prefix6_contains(&s->edge[i].conf.prefix, &p->src6);
	if (!fits && !(p->l4 == PROTO_ICMP6 && icmp6_is_error(p->icmp_type)))
		sim_error(s, "packet outside its prefix");
}

void ends_packet(struct sim *s, enum dir d, uint32_t edge, struct span packet)
{
	struct frame f = { .at = (uint8_t *)(uintptr_t)packet.at,
		.len = packet.len };
	struct pkt p;

	if (pkt_parse6(&p, &f)) {
		sim_error(s, "malformed packet delivered");
		return;
	}
	if (p.l4 != PROTO_NONE &&
	    sum_of(&p.src6, &p.dst6, p.nh, (struct span){ f.at + IP6_HDR,
		   f.len - IP6_HDR }) != 0xffff)
		sim_error(s, "checksum wrong");
	if (s->conf.whole)
		in_its_place(s, d, edge, &p);
	if (s->taker && s->taker(s, d, edge, &p))
		return;
	if (d == UP)
		for (edge = 0; edge + 1 < s->conf.edges; edge++)
			if (prefix6_contains(&s->edge[edge].conf.prefix,
					     &p.src6))
				break;
	if (p.l4 == PROTO_TCP)
		tcp_packet(s, &p);
	else if (p.l4 == PROTO_UDP)
		udp_packet(s, d, edge, &p);
	else if (p.l4 == PROTO_ICMP6)
		icmp_packet(s, d, edge, &p);
	else if (p.is_frag)
		s->frag_got[d]++;
}

/* -- TCP: for tests --------------------------------------------------------------------- */

struct tcp *tcp_new(struct sim *s, uint32_t edge, uint16_t host_port,
		    uint16_t peer_port)
{
	struct tcp *t = s->tcp;

	while (t < s->tcp + SIM_TCPS && t->used)
		t++;
	if (t == s->tcp + SIM_TCPS)
		abort();
	*t = (struct tcp){ .sim = s, .used = true, .ts = true, .sack = true,
		.scale = true, .edge = edge, .peer_edge = SIM_EDGES, .host = sim_host(edge),
		.peer = sim_peer(), .host_port = host_port,
		.peer_port = peer_port, .window = 64 * 1024,
		.syn_window = 65535,
		.salt = host_port * 131u + peer_port + edge * 7919u };
	for (int d = UP; d <= DOWN; d++) {
		struct end *e = &t->end[d];

		e->iss = e->una = e->nxt = e->recover = rand32(&s->rand);
		e->mss = MSS;
		e->hop = 64;
	}
	return t;
}

void tcp_begin(struct tcp *t, enum dir first)
{
	struct end *e = &t->end[first];

	t->end[!first].state = TCP_LISTENS;
	e->state = TCP_SYN_SENT;
	e->nxt = e->iss + 1;
	t->started = t->sim->now;
	emit(t, first, &(struct out_seg){ e->iss, 0, TCP_SYN });
	arm(t, first);
}

struct tcp *tcp_connect(struct sim *s, uint32_t edge, enum dir first,
			uint16_t host_port, uint16_t peer_port)
{
	struct tcp *t = tcp_new(s, edge, host_port, peer_port);

	tcp_begin(t, first);
	return t;
}

void tcp_write(struct tcp *t, enum dir d, uint32_t bytes)
{
	t->end[d].total += bytes;
	push(t, d);
}

void tcp_finish(struct tcp *t, enum dir d)
{
	t->end[d].fin_wanted = true;
	push(t, d);
}

void tcp_abort(struct tcp *t, enum dir d)
{
	emit(t, d, &(struct out_seg){ t->end[d].nxt, 0, TCP_RST | TCP_ACK });
	t->end[d].reset = true;
}

bool tcp_done(const struct tcp *t)
{
	for (int d = UP; d <= DOWN; d++) {
		const struct end *e = &t->end[d];

		if (e->state != TCP_OPEN || e->reset ||
		    t->end[!d].got != e->total || e->una != e->nxt ||
		    t->end[!d].fin_got != e->fin_wanted)
			return false;
	}
	return true;
}

static bool is_done(struct sim *s, void *arg)
{
	(void)s;
	return tcp_done(arg);
}

bool tcp_run(struct tcp *t, msec most)
{
	return tcp_done(t) || sim_run_until(t->sim, is_done, t, most);
}

void tcp_forget(struct tcp *t)
{
	for (int d = UP; d <= DOWN; d++) {
		free(t->end[d].have);
		t->end[d].have = NULL;
	}
	t->used = false;
}
