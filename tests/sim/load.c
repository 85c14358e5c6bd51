/* SPDX-License-Identifier: MIT
 *
 * load.c - who uses the network: TCP users, UDP flows, intruders
 */
#include "tests/sim/run.h"

#include <stdlib.h>

enum { SECOND = 1000, FIRST_PORT = 30000, SPOOF_PORT = 666, BAN_PORT = 2222,
	FLOW_HEAD = 8 };
/* What has fewer hops left goes beside its own carrier for a while; more than a
 * window of it at once runs away from a NAT that follows (design 3.4: an
 * advance per round trip).
 */
enum { USUAL_HOPS = 64, FEW_HOPS = 40, FEW_BYTES = 20000 };

static const struct plan plans[] = {
	{ "bulk", 4, { 1, 2 }, { 20000, 200000 }, { 500, 5000 }, STAYS },
	{ "chat", 4, { 5, 30 }, { 1, 2000 }, { 50, 3000 }, STAYS },
	{ "sleeper", 3, { 2, 3 }, { 1000, 90000 },
	  { 15 * SECOND, 140 * SECOND }, STAYS },
	{ "short", 4, { 1, 2 }, { 10, 5000 }, { 10, 500 }, FINISHES },
	{ "file", 2, { 1, 1 }, { 1000, 120000 }, { 100, 1000 }, FINISHES },
	{ "abrupt", 2, { 1, 3 }, { 10, 5000 }, { 10, 2000 }, ABORTS },
};
enum { PLANS = sizeof(plans) / sizeof(plans[0]) };

static const struct plan *choose_plan(struct run *r)
{
	uint32_t sum = 0, n;

	for (int i = 0; i < PLANS; i++)
		sum += plans[i].weight;
	n = rand_below(&r->load, sum);
	for (int i = 0;; i++) {
		if (n < plans[i].weight)
			return &plans[i];
		n -= plans[i].weight;
	}
}

/* -- TCP ------------------------------------------------------------------ */

static void user_step(struct sim *s, void *arg);

/* A port that is not yet connected cannot be aborted. */
static void user_end(struct user *u)
{
	bool open = u->t->end[UP].state == TCP_OPEN &&
		    u->t->end[DOWN].state == TCP_OPEN;

	if (u->plan->end == ABORTS && !open) {
		sim_at(u->r->s, SECOND, user_step, u);
		return;
	}
	u->ended = true;
	if (u->plan->end == FINISHES) {
		tcp_finish(u->t, UP);
		tcp_finish(u->t, DOWN);
	} else if (u->plan->end == ABORTS) {
		sim_trace(u->r->s, 1, "%u is aborted", u->t->host_port);
		tcp_abort(u->t, rand_below(&u->r->load, 2) ? UP : DOWN);
	}
}

static void user_step(struct sim *s, void *arg)
{
	struct user *u = arg;
	struct rand *from = &u->r->load;
	uint32_t bytes = between(from, u->plan->bytes);
	enum dir d = rand_below(from, 2) ? UP : DOWN;

	if (u->ended)
		return;
	if (!u->steps) {
		user_end(u);
		return;
	}
	u->steps--;
	u->t->end[d].hop = rand_below(from, 4) || bytes > FEW_BYTES ?
			   USUAL_HOPS : FEW_HOPS;
	sim_trace(s, 1, "%s %u writes %u %s%s", u->plan->name,
		  u->t->host_port, bytes, d == UP ? "up" : "down",
		  u->t->end[d].hop == FEW_HOPS ? " with few hops" : "");
	tcp_write(u->t, d, bytes);
	sim_at(s, between(from, u->plan->pause), user_step, u);
}

static void user_begin(struct sim *s, void *arg)
{
	struct user *u = arg;
	struct run *r = u->r;
	uint32_t n = (uint32_t)(u - r->user);
	struct tcp *t = tcp_new(s, rand_below(&r->load, s->conf.edges),
				(uint16_t)(FIRST_PORT + n),
				(uint16_t)(80 + rand_below(&r->load, 3)));

	u->t = t;
	t->host.b[15] = (uint8_t)(5 + rand_below(&r->load, HOSTS));
	t->peer.b[15] = (uint8_t)(5 + rand_below(&r->load, HOSTS));
	t->ts = rand_below(&r->load, 4) > 0;
	t->sack = rand_below(&r->load, 6) > 0;
	t->scale = rand_below(&r->load, 6) > 0;
	sim_trace(s, 1, "%s %u of edge%u connects %s", u->plan->name,
		  t->host_port, t->edge, u->first == UP ? "up" : "down");
	tcp_begin(t, u->first);
	sim_at(s, between(&r->load, u->plan->pause) / 4, user_step, u);
}

void load_calm(struct run *r)
{
	for (uint32_t i = 0; i < r->users; i++)
		r->user[i].ended = true;
	for (uint32_t i = 0; i < r->flows; i++)
		r->flow[i].until = 0;
}

/* Has it said all that it wanted, and was it heard? The acknowledgement of the
 * last FIN may come after its session was forgotten, and is not waited for.
 */
static bool user_done(const struct user *u)
{
	if (!u->t || u->t->end[UP].reset || u->t->end[DOWN].reset)
		return true;
	for (int d = UP; d <= DOWN; d++) {
		const struct end *e = &u->t->end[d], *other = &u->t->end[!d];

		if (e->state != TCP_OPEN || other->got != e->total ||
		    other->fin_got != e->fin_wanted ||
		    (e->una != e->nxt && !e->fin_wanted))
			return false;
	}
	return true;
}

bool load_done(struct sim *s, void *run)
{
	const struct run *r = run;

	(void)s;
	for (uint32_t i = 0; i < r->users; i++)
		if (!user_done(&r->user[i]))
			return false;
	return true;
}

static bool user_stays(const struct user *u)
{
	return u->t && !u->t->end[UP].fin_wanted && !u->t->end[UP].reset &&
	       !u->t->end[DOWN].reset;
}

void load_more(struct run *r, uint32_t bytes, bool beside)
{
	for (uint32_t i = 0; i < r->users; i++) {
		struct user *u = &r->user[i];

		if (!user_stays(u))
			continue;
		for (int d = UP; d <= DOWN; d++) {
			u->t->end[d].hop = beside ? FEW_HOPS : USUAL_HOPS;
			tcp_write(u->t, d, bytes);
		}
	}
}

/* The RST of the other end, or what its FIN waits for, may have been lost: the
 * rest of it goes by RST.
 */
static void abort_rest(struct tcp *t)
{
	bool done = tcp_done(t);

	for (int d = UP; d <= DOWN; d++)
		if (!done && !t->end[d].reset)
			tcp_abort(t, d);
}

void load_end(struct run *r)
{
	for (uint32_t i = 0; i < r->users; i++) {
		struct user *u = &r->user[i];

		if (u->t && !user_stays(u)) {
			abort_rest(u->t);
		} else if (!u->t || i % 4 == 3) {
			if (u->t)
				tcp_abort(u->t, i & 8 ? UP : DOWN);
		} else {
			tcp_finish(u->t, UP);
			tcp_finish(u->t, DOWN);
		}
	}
}

/* -- UDP -------------------------------------------------------------------- */

void flow_send(struct flow *f, enum dir d)
{
	struct sim *s = f->r->s;
	bool up = d == UP;
	uint8_t packet[2048], l4[2048];
	size_t payload = f->size, len;
	struct node *n = up ? &s->edge[f->edge] : &s->hub;

	if (f->next[d] == FLOW_PACKETS)
		return;
	put16(l4, up ? f->host_port : f->peer_port);
	put16(l4 + 2, up ? f->peer_port : f->host_port);
	put16(l4 + 4, (uint16_t)(UDP_HDR + payload));
	put32(l4 + UDP_HDR, f->id);
	put32(l4 + UDP_HDR + 4, f->next[d]);
	memcpy(l4 + UDP_HDR + FLOW_HEAD, sim_bytes(f->id, f->next[d]++, d),
	       payload - FLOW_HEAD);
	len = packet_build(packet, up ? &f->host : &f->peer,
			   up ? &f->peer : &f->host, PROTO_UDP,
			   (struct span){ l4, UDP_HDR + payload });
	sim_inner(s, n, (struct span){ packet, len });
}

static void flow_step(struct sim *s, void *arg)
{
	struct flow *f = arg;

	if (s->now >= f->until)
		return;
	flow_send(f, f->first);
	if (f->both && f->answered)
		flow_send(f, !f->first);
	sim_at(s, f->gap, flow_step, f);
}

static void flow_got(struct flow *f, enum dir d, const struct pkt *p)
{
	struct sim *s = f->r->s;
	const uint8_t *at = p->f->at + p->l4_at + UDP_HDR;
	uint32_t seq = get32(at + 4);

	if (p->payload != f->size || get32(at) != f->id ||
	    seq >= f->next[d] ||
	    memcmp(at + FLOW_HEAD, sim_bytes(f->id, seq, d),
		   p->payload - FLOW_HEAD)) {
		sim_error(s, "UDP bytes altered");
		return;
	}
	if ((f->got[d][seq / 8] >> seq % 8 & 1) && !s->conf.twice)
		sim_error(s, "datagram doubled");
	f->got[d][seq / 8] |= (uint8_t)(1 << seq % 8);
	f->answered |= d == f->first;
	f->arrived[d]++;
}

bool load_taker(struct sim *s, enum dir d, uint32_t edge, const struct pkt *p)
{
	struct run *r = s->run;
	bool up = d == UP;

	if (p->sport == SPOOF_PORT)
		sim_error(s, "source of another edge's prefix passed");
	if (p->dport == BAN_PORT)
		sim_error(s, "inbound against the policy");
	if (p->l4 != PROTO_UDP)
		return false;
	for (uint32_t i = 0; i < r->flows; i++) {
		struct flow *f = &r->flow[i];

		if (p->sport != (up ? f->host_port : f->peer_port) ||
		    p->dport != (up ? f->peer_port : f->host_port) ||
		    !addr6_eq(&p->src6, up ? &f->host : &f->peer) ||
		    !addr6_eq(&p->dst6, up ? &f->peer : &f->host))
			continue;
		if (!up && edge != f->edge)
			sim_error(s, "datagram came out at another edge");
		flow_got(f, d, p);
		return true;
	}
	sim_error(s, "datagram of no flow");
	return true;
}

static void flow_make(struct run *r, msec begin)
{
	static const uint32_t gaps[2] = { 15, 400 };
	uint32_t n = r->flows++;
	struct flow *f = &r->flow[n];

	*f = (struct flow){ .r = r, .id = n + 1,
		.edge = rand_below(&r->load, r->s->conf.edges),
		.host_port = (uint16_t)(5000 + n), .peer_port = 4500,
		.size = choose(&r->load, FLOW_HEAD + 1, 1400),
		.gap = between(&r->load, gaps), .peer = sim_peer(),
		.both = rand_below(&r->load, 3) > 0,
		.first = r->open && rand_below(&r->load, 3) == 0 ? DOWN : UP,
		.until = r->s->now + begin +
			 choose(&r->load, 2, 20) * SECOND };
	f->host = sim_host(f->edge);
	f->host.b[15] = (uint8_t)(5 + rand_below(&r->load, HOSTS));
	f->peer.b[15] = (uint8_t)(5 + rand_below(&r->load, HOSTS));
	sim_at(r->s, begin, flow_step, f);
}

/* -- what must not pass ------------------------------------------------------- */

static void raw_udp(struct sim *s, struct node *n, const struct addr6 *src,
		    const struct addr6 *dst, const uint16_t port[2])
{
	uint8_t packet[256], l4[64] = { 0 };
	size_t len;

	put16(l4, port[0]);
	put16(l4 + 2, port[1]);
	put16(l4 + 4, sizeof(l4));
	len = packet_build(packet, src, dst, PROTO_UDP,
			   (struct span){ l4, sizeof(l4) });
	sim_inner(s, n, (struct span){ packet, len });
}

static void intrude(struct sim *s, void *arg)
{
	struct run *r = arg;
	uint32_t n = rand_below(&r->load, s->conf.edges);
	struct addr6 host = sim_host(n), peer = sim_peer();
	struct addr6 other = sim_host(n + 1);

	if (!r->open)
		raw_udp(s, &s->hub, &peer, &host,
			(uint16_t[2]){ 53, BAN_PORT });
	if (!s->edge[n].stopped)
		raw_udp(s, &s->edge[n], &other, &peer,
			(uint16_t[2]){ SPOOF_PORT, 9 });
}

void load_start(struct run *r, msec ms)
{
	uint32_t flows = rand_below(&r->load, 4), most = (uint32_t)ms * 3 / 4;

	r->users = choose(&r->load, 2, 9);
	for (uint32_t i = 0; i < r->users; i++) {
		struct user *u = &r->user[i];

		*u = (struct user){ .r = r, .plan = choose_plan(r) };
		u->steps = between(&r->load, u->plan->steps);
		u->first = r->open && rand_below(&r->load, 3) == 0 ? DOWN : UP;
		sim_at(r->s, rand_below(&r->load, most), user_begin, u);
	}
	while (r->flows < flows)
		flow_make(r, rand_below(&r->load, most));
	for (int i = 0; i < 3; i++)
		sim_at(r->s, rand_below(&r->load, most), intrude, r);
}
