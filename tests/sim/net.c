/* SPDX-License-Identifier: MIT
 *
 * net.c - the clock, the daemons' part, and the wire
 */
#include "tests/sim/net.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* CROSSED_MS: what was sent before a message was heard, at most. */
enum { START = 1000000, CROSSED_MS = 1000 };
#define HUB_ADDR	0xcb00710au
#define NAT_ADDR	0xc6336401u

static void from_inner(struct node *n, const struct out *o);
static void packet_out(struct node *n, const struct out *o);

/* -- events --------------------------------------------------------------- */

static bool sooner(const struct event *a, const struct event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void sim_at(struct sim *s, msec delay, void (*run)(struct sim *, void *),
	    void *arg)
{
	struct event e = { s->now + delay, s->order++, run, arg };
	size_t i = s->events++;

	if (s->events > s->heap_cap) {
		s->heap_cap = s->heap_cap ? s->heap_cap * 2 : 1024;
		s->heap = realloc(s->heap, s->heap_cap * sizeof(*s->heap));
	}
	for (; i && sooner(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static struct event next_event(struct sim *s)
{
	struct event first = s->heap[0], last = s->heap[--s->events];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->events) {
		if (child + 1 < s->events &&
		    sooner(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!sooner(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return first;
}

bool sim_run_until(struct sim *s, bool (*done)(struct sim *s, void *arg),
		   void *arg, msec ms)
{
	msec stop = s->now + ms;

	while (s->events && s->heap[0].at <= stop) {
		struct event e = next_event(s);

		s->now = e.at;
		e.run(s, e.arg);
		if (done && done(s, arg))
			return true;
	}
	s->now = stop;
	return false;
}

void sim_run(struct sim *s, msec ms)
{
	sim_run_until(s, NULL, NULL, ms);
}

void sim_error(struct sim *s, const char *what)
{
	if (!s->errors++)
		s->error = what;
	sim_trace(s, 1, "ERROR %s", what);
}

void sim_trace(const struct sim *s, int level, const char *format, ...)
{
	va_list args;

	if (s->trace < level)
		return;
	printf("%9.3f ", (double)(s->now - START) / 1000);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* -- places ---------------------------------------------------------------- */

struct addr6 sim_host(uint32_t edge)
{
	struct addr6 a = { { 0x20, 0x01, 0x0d, 0xb8, 0x01, 0, 0,
		(uint8_t)(edge + 1), 0, 0, 0, 0, 0, 0, 0, 5 } };

	return a;
}

struct addr6 sim_peer(void)
{
	struct addr6 a = { { 0x20, 0x01, 0x0d, 0xb8, 0, 5, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 5 } };

	return a;
}

bool sim_is_hub(const struct node *n)
{
	return n->index == SIM_EDGES;
}

const char *sim_name(const struct node *n)
{
	static const char *const names[] = { "edge0", "edge1", "edge2",
		"edge3", "hub" };

	return names[n->index];
}

struct nat *sim_nat(struct sim *s, uint32_t edge)
{
	return &s->nat[edge % s->conf.nats];
}

struct link *sim_link(struct node *n)
{
	engine_pull(n->e, n->sim->now);
	return &n->e->link[0];
}

uint32_t sim_own(struct node *n, enum carrier_state state)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n->conf.own; i++)
		count += n->e->own[i].state == state;
	return count;
}

/* -- wire ------------------------------------------------------------------- */

static struct heard *heard_at(struct node *n, uint8_t proto,
			      struct taddr4 local, struct taddr4 remote)
{
	uint32_t hash = (local.port * 31u + remote.port) * 31u + remote.addr;

	for (uint32_t i = 0; i < HEARD; i++) {
		struct heard *h = &n->heard[(hash + i) % HEARD];

		if (!h->at || (h->proto == proto &&
			       taddr4_eq(h->local, local) &&
			       taddr4_eq(h->remote, remote)))
			return h;
	}
	abort();
}

static void note_heard(struct node *n, const struct wire *w)
{
	*heard_at(n, w->proto, w->to, w->from) = (struct heard){ w->to,
		w->from, w->proto, n->sim->now };
}

static void trace_wire(const struct sim *s, const struct wire *w, bool lost)
{
	static const char *const kind[] = { "own", "shared", "message" };
	const uint8_t *l4 = w->bytes + FRAME_HEADROOM + IP4_HDR;
	char more[80] = "";

	if (w->kind == WIRE_OUTER_PACKET && w->proto == PROTO_TCP)
		snprintf(more, sizeof(more), " flags %02x seq %08x ack %08x",
			 l4[13], get32(l4 + 4), get32(l4 + 8));
	else if (w->kind == WIRE_DATAGRAM)
		snprintf(more, sizeof(more), " tag %d number %x",
			 w->bytes[FRAME_HEADROOM] >> 6,
			 get32(w->bytes + FRAME_HEADROOM) & TAG_NUMBER);
	sim_trace(s, 2, "%s %s %08x:%u -> %08x:%u len %zu%s%s",
		  w->dir == UP ? "up  " : "down", kind[w->kind],
		  w->from.addr, w->from.port, w->to.addr, w->to.port, w->len,
		  more, lost ? " LOST" : "");
}

/* Design 3.2: a number that was forgotten is not given again for 4 minutes. @in:
 * @n hears it, else it says it.
 */
static void given_rests(struct node *n, struct span bytes, bool in)
{
	struct msg m;
	uint32_t number;

	if (!msg_decode(&m, bytes) ||
	    m.type != (in ? MSG_FORGET : MSG_CONTEXT_IS))
		return;
	number = in ? m.u.forget.number : m.u.context_is.number;
	for (uint32_t i = 0; i < GIVEN; i++) {
		struct given *g = &n->given[i];

		if (g->number != number || !number)
			continue;
		if (in)
			g->forgotten = n->sim->now;
		else if (g->forgotten &&
			 n->sim->now - g->forgotten < CONTEXT_REST_MS)
			sim_error(n->sim, "context given again at once");
	}
	if (!in && number)
		n->given[n->given_next++ % GIVEN] = (struct given){ number, 0 };
}

void sim_arrive(struct sim *s, struct wire *w)
{
	struct node *n = w->dir == UP ? &s->hub : &s->edge[w->edge];
	struct frame f = { .at = wire_at(w), .len = w->len };
	struct engine_datagram d = { .from = w->from, .local = w->to,
		.tos = w->tos, .bytes = { wire_at(w), w->len } };
	const struct pipe *p = &s->pipe[w->pipe];

	if (n->stopped)
		return;
	if (w->kind == WIRE_OUTER_PACKET && w->proto != PROTO_ICMP)
		note_heard(n, w);
	s->crossed[w->kind][w->dir]++;
	s->crossed_bytes[w->kind][w->dir] += w->len;
	switch (w->kind) {
	case WIRE_OUTER_PACKET:
		if (fast_run(n, false, f.at, &f.len))
			from_inner(n, &(struct out){ .head = { f.at, f.len } });
		else
			engine_outer(n->e, &f, s->now);
		break;
	case WIRE_DATAGRAM:
		if (w->dir == UP || w->to.port == n->udp_port)
			engine_datagram(n->e, &d, s->now);
		break;
	case WIRE_MESSAGE:
		if (!p->used || !p->open[!w->dir])
			break;
		given_rests(n, (struct span){ wire_at(w), w->len }, true);
		engine_message(n->e, p->conn[!w->dir],
			       (struct span){ wire_at(w), w->len }, s->now);
		break;
	}
	pump(n);
}

void sim_arrives(struct sim *s, void *arg)
{
	struct wire *w = arg;
	bool closed = s->path[w->edge].down && w->kind != WIRE_MESSAGE;

	if (!closed && (w->kind == WIRE_MESSAGE || w->dir == UP || w->inside ||
			w->proto == PROTO_ICMP ||
			nat_in(s, sim_nat(s, w->edge), w)))
		sim_arrive(s, w);
	free(w);
}

static struct wire *wire_copy(const struct wire *from)
{
	struct wire *w = malloc(sizeof(*w));

	memcpy(w, from, offsetof(struct wire, bytes) + FRAME_HEADROOM +
	       from->len);
	return w;
}

void sim_inject(struct sim *s, const struct wire *w, msec wait)
{
	sim_at(s, wait, sim_arrives, wire_copy(w));
}

/* ICMPv4 fragmentation needed, back to whoever sent @w. */
static void too_big(struct sim *s, const struct wire *w)
{
	struct wire back = { .kind = WIRE_OUTER_PACKET, .dir = !w->dir,
		.edge = w->edge, .proto = PROTO_ICMP, .len = IP4_HDR + 8 + 28 };
	uint8_t *at = wire_at(&back), *icmp = at + IP4_HDR;

	if (w->kind != WIRE_OUTER_PACKET || s->conf.black_hole)
		return;
	ip4_header(at, 0x0a000001, w->from.addr, PROTO_ICMP, 8 + 28, 0, 60);
	icmp[0] = 3;
	icmp[1] = 4;
	put16(icmp + 6, s->path[w->edge].mtu ? s->path[w->edge].mtu :
	      s->conf.mtu);
	memcpy(icmp + 8, w->bytes + FRAME_HEADROOM, 28);
	put16(icmp + 2, (uint16_t)~csum_bytes(0, icmp, 36));
	sim_wire(s, &back);
}

static msec crossing(struct sim *s, const struct wire *w)
{
	return s->conf.delay + s->path[w->edge].delay +
	       (s->conf.jitter ? rand_below(&s->rand,
				(uint32_t)s->conf.jitter + 1) : 0);
}

/* Does a datagram or outer packet come through? */
static bool passes(struct sim *s, struct wire *w)
{
	const struct path *p = &s->path[w->edge];
	uint16_t mtu = p->mtu ? p->mtu : s->conf.mtu;
	uint32_t loss = s->conf.loss + p->loss;

	if (p->down || (p->no_tcp && w->proto == PROTO_TCP))
		return false;
	if (w->len + (w->kind == WIRE_DATAGRAM ? 28 : 0) > mtu) {
		too_big(s, w);
		return false;
	}
	if (w->dir == UP && w->proto != PROTO_ICMP &&
	    !nat_out(s, sim_nat(s, w->edge), w))
		return false;
	return !loss || rand_below(&s->rand, 1000) >= loss;
}

void sim_wire(struct sim *s, const struct wire *from)
{
	struct wire *w = wire_copy(from);
	bool lost = s->hook && s->hook(s, w, s->hook_arg);

	if (!lost && w->kind == WIRE_MESSAGE) {
		pipe_carry(s, w);
		return;
	}
	lost = lost || !passes(s, w);
	if (s->trace > 1)
		trace_wire(s, w, lost);
	if (lost) {
		free(w);
		return;
	}
	if (s->conf.twice && rand_below(&s->rand, 1000) < s->conf.twice)
		sim_at(s, crossing(s, w), sim_arrives, wire_copy(w));
	sim_at(s, crossing(s, w), sim_arrives, w);
}

/* -- emptying the outbox -------------------------------------------------------- */

static size_t join(uint8_t *to, size_t cap, const struct out *o)
{
	if (o->head.len + o->body.len > cap)
		abort();
	if (o->head.len)
		memcpy(to, o->head.at, o->head.len);
	if (o->body.len)
		memcpy(to + o->head.len, o->body.at, o->body.len);
	return o->head.len + o->body.len;
}

struct inner {
	struct node *node;
	size_t len;
	enum dir dir;
	uint32_t edge;
	uint8_t bytes[FRAME_HEADROOM + 4096];
};

static void inner_in(struct sim *s, void *arg)
{
	struct inner *i = arg;
	struct frame f = { .at = i->bytes + FRAME_HEADROOM, .len = i->len };

	if (!i->node->stopped && fast_run(i->node, true, f.at, &f.len)) {
		packet_out(i->node, &(struct out){ .kind = OUT_OUTER,
			   .head = { f.at, f.len } });
	} else if (!i->node->stopped) {
		engine_inner(i->node->e, &f, s->now);
		pump(i->node);
	}
	free(i);
}

/* @how: into or out of the inner TUN. */
static void trace_inner(const struct node *n, const char *how,
			const uint8_t *at, size_t len)
{
	const uint8_t *l4 = at + IP6_HDR;
	char more[80] = "";

	if (at[6] == PROTO_TCP)
		snprintf(more, sizeof(more), " flags %02x seq %08x ack %08x",
			 l4[13], get32(l4 + 4), get32(l4 + 8));
	sim_trace(n->sim, 2, "%s %s proto %u %02x:%u -> %02x:%u len %zu%s",
		  how, sim_name(n), at[6], at[23], get16(l4), at[39],
		  get16(l4 + 2), len, more);
}

void sim_inner(struct sim *s, struct node *n, struct span packet)
{
	struct inner *i = malloc(sizeof(*i));

	if (s->trace > 1)
		trace_inner(n, "into  ", packet.at, packet.len);
	i->node = n;
	i->len = packet.len;
	memcpy(i->bytes + FRAME_HEADROOM, packet.at, packet.len);
	sim_at(s, sim_is_hub(n) ? s->conf.far : 0, inner_in, i);
}

static void inner_out(struct sim *s, void *arg)
{
	struct inner *i = arg;

	ends_packet(s, i->dir, i->edge,
		    (struct span){ i->bytes + FRAME_HEADROOM, i->len });
	free(i);
}

static void from_inner(struct node *n, const struct out *o)
{
	struct sim *s = n->sim;
	struct inner *i = malloc(sizeof(*i));
	const uint8_t *dst = i->bytes + FRAME_HEADROOM + 24;

	i->node = n;
	i->dir = sim_is_hub(n) ? UP : DOWN;
	i->edge = n->index;
	i->len = join(i->bytes + FRAME_HEADROOM, 4096, o);
	if (s->trace > 1)
		trace_inner(n, "out of", i->bytes + FRAME_HEADROOM, i->len);
	if (sim_is_hub(n) && s->hub_feeds_back &&
	    prefix6_contains(&s->hub.conf.prefix,
			     (const struct addr6 *)(const void *)dst))
		sim_at(s, 0, inner_in, i);
	else
		sim_at(s, sim_is_hub(n) ? s->conf.far : 0, inner_out, i);
}

static void message_out(struct node *n, const struct out *o)
{
	struct sim *s = n->sim;
	struct pipe *p = pipe_at(s, n, o->conn);
	struct wire w = { .kind = WIRE_MESSAGE, .dir = sim_is_hub(n) ? DOWN : UP };
	size_t head = o->kind == OUT_RELAY ? MSG_HEADER : 0;

	if (!p)
		return;
	if (o->kind == OUT_MESSAGE)
		given_rests(n, o->head, false);
	w.edge = p->edge;
	w.pipe = (uint32_t)(p - s->pipe);
	w.len = head + join(wire_at(&w) + head, 4096 - head, o);
	if (head) {
		put16(wire_at(&w), (uint16_t)(w.len - 2));
		wire_at(&w)[2] = MSG_PACKET;
	}
	sim_wire(s, &w);
}

/* An edge behind the NAT that has this address; nat_in() knows which. */
static uint32_t edge_behind(const struct sim *s, uint32_t addr)
{
	uint32_t i = 0;

	while (i < s->conf.edges && !nat_has(&s->nat[i % s->conf.nats], addr))
		i++;
	return i;
}

/* Design 3.3: neither end sends on an own carrier from which nothing came for
 * the limit; what opens one excepted.
 */
static void own_may_send(struct node *n, const struct wire *w)
{
	const uint8_t *l4 = w->bytes + FRAME_HEADROOM + IP4_HDR;
	const struct heard *h = heard_at(n, w->proto, w->from, w->to);
	bool tcp = w->proto == PROTO_TCP;
	msec most = (tcp ? IDLE_TCP_S : IDLE_UDP_S) * (msec)1000;

	if (tcp ? l4[13] & TCP_SYN : l4[UDP_HDR] >> 6 == TAG_PUNCH)
		return;
	if (!h->at || n->sim->now - h->at > most)
		sim_error(n->sim, "sends on an idle carrier");
}

/* The hub talks to somebody who has proved nothing. */
static void to_stranger(struct sim *s, const struct wire *w)
{
	if (w->kind != WIRE_DATAGRAM || w->len > WIRE_PUNCH)
		sim_error(s, "hub sends to a stranger");
}

static void packet_out(struct node *n, const struct out *o)
{
	struct sim *s = n->sim;
	struct wire w = { .dir = sim_is_hub(n) ? DOWN : UP, .edge = n->index };
	uint8_t *at = wire_at(&w);

	w.len = join(at, 4096, o);
	if (o->kind == OUT_DATAGRAM) {
		w.kind = WIRE_DATAGRAM;
		w.proto = PROTO_UDP;
		w.tos = o->tos;
		w.from = sim_is_hub(n) ? o->local :
			 (struct taddr4){ n->addr, n->udp_port };
		w.to = o->to;
		if (sim_is_hub(n) && (w.from.addr != HUB_ADDR ||
				  w.from.port != SIM_PORT))
			sim_error(s, "hub answers from another address");
	} else {
		w.kind = WIRE_OUTER_PACKET;
		w.proto = at[9];
		w.from = (struct taddr4){ get32(at + 12), get16(at + 20) };
		w.to = (struct taddr4){ get32(at + 16), get16(at + 22) };
	}
	if (w.kind == WIRE_OUTER_PACKET)
		own_may_send(n, &w);
	if (sim_is_hub(n) && w.to.addr == STRANGER)
		to_stranger(s, &w);
	if (sim_is_hub(n))
		w.edge = edge_behind(s, w.to.addr);
	else if (w.to.addr != HUB_ADDR)
		sim_error(s, "edge sends to a stranger");
	if (w.edge < s->conf.edges)
		sim_wire(s, &w);
}

/* As the daemon: the old control connection stays until the new one is up. */
static void fresh_mapping(struct node *n, bool control)
{
	if (control)
		pipe_fresh(n->sim, n->index);
	else
		n->udp_port++;
}

static void want_relay(struct node *n, bool on)
{
	struct sim *s = n->sim;

	n->want_relay = on;
	if (on)
		pipe_dial(s, n->index, CONN_RELAY, 0);
	for (uint32_t i = 0; !on && i < s->pipes; i++)
		if (s->pipe[i].used && s->pipe[i].edge == n->index &&
		    s->pipe[i].kind == CONN_RELAY)
			pipe_close(s, n, s->pipe[i].conn[UP]);
}

/* Design 3.7: the NAT was rebooted, so all own carriers are dead, unless one was
 * heard just now.
 */
static void left_all(struct node *n)
{
	if (!sim_is_hub(n) && sim_own(n, CARRIER_UP) &&
	    n->sim->now - sim_link(n)->own_rx > CROSSED_MS)
		sim_error(n->sim, "keeps the carriers of a NAT that is gone");
}

static void tick(struct sim *s, void *arg)
{
	struct node *n = arg;

	if (n->tick_at != s->now) /* another was wanted sooner since */
		return;
	n->tick_at = NEVER;
	if (n->stopped)
		return;
	engine_tick(n->e, s->now);
	pump(n);
}

void pump(struct node *n)
{
	const struct out *o;
	msec due;

	while ((o = engine_next(n->e))) {
		n->out[o->kind]++;
		switch (o->kind) {
		case OUT_INNER: from_inner(n, o); break;
		case OUT_OUTER: case OUT_DATAGRAM: packet_out(n, o); break;
		case OUT_MESSAGE: case OUT_RELAY: message_out(n, o); break;
		case OUT_CLOSE: pipe_close(n->sim, n, o->conn); break;
		case OUT_WANT_RELAY: want_relay(n, o->on); break;
		case OUT_RECONNECT: fresh_mapping(n, o->on); break;
		case OUT_NOTE:
			n->notes[o->note]++;
			sim_trace(n->sim, 1, "%s: %s", sim_name(n),
				  engine_note_text(o->note));
			if (o->note == NOTE_NAT_CHANGED)
				left_all(n);
			break;
		case OUT_FAST:
			fast_keys_set(n, (const void *)o->head.at, o->on);
			break;
		case OUT_LATCH: case OUT_ROUTE: case OUT_BENCH: break;
		case OUT_KIND_COUNT: abort();
		}
	}
	due = engine_deadline(n->e);
	if (due <= n->sim->now)
		due = n->sim->now + 1;
	if (due == NEVER || due >= n->tick_at)
		return;
	n->tick_at = due;
	sim_at(n->sim, due - n->sim->now, tick, n);
}

/* -- life ------------------------------------------------------------------------ */

void sim_boot(struct sim *s, struct node *n)
{
	bool hub = sim_is_hub(n);

	rand_bytes(&s->rand, n->conf.seed, sizeof(n->conf.seed));
	free(n->memory);
	fast_boot(n);
	n->memory = aligned_alloc(64, (engine_bytes(&n->conf) + 63) / 64 * 64);
	memset(n->memory, 0, engine_bytes(&n->conf));
	n->e = engine_init(n->memory, &n->conf, s->now);
	n->stopped = n->want_relay = false;
	n->tick_at = NEVER;
	memset(n->heard, 0, sizeof(n->heard));
	memset(n->given, 0, sizeof(n->given));
	n->udp_port++;
	engine_set_uplink(n->e, n->addr, FULL_MTU, s->now);
	engine_set_fast(n->e, n->fast, s->now);
	if (!hub) {
		engine_set_hub(n->e, HUB_ADDR, SIM_PORT, s->now);
		pipe_dial(s, n->index, CONN_CONTROL, 10);
	}
	pump(n);
}

void sim_restart(struct sim *s, struct node *n)
{
	n->stopped = true;
	for (uint32_t i = 0; i < s->conf.edges; i++)
		if (sim_is_hub(n) || i == n->index)
			pipe_cut(s, i, sim_is_hub(n), !sim_is_hub(n));
	sim_boot(s, n);
}

static void node_conf(struct sim *s, struct node *n, uint32_t index)
{
	const struct sim_conf *c = &s->conf;
	struct addr6 host = sim_host(index);
	bool hub = index == SIM_EDGES;

	n->sim = s;
	n->index = index;
	n->addr = hub ? HUB_ADDR : 0x64400002 + index;
	n->udp_port = 40000;
	n->tick_at = NEVER;
	n->stopped = true;
	n->conf = (struct engine_conf){
		.role = hub ? ROLE_HUB : ROLE_EDGE, .carriers = c->carriers,
		.port_lo = SIM_LO, .port_hi = SIM_HI,
		.shared_port = hub ? SIM_PORT : 0, .links = hub ? 8 : 1,
		.conns = SIM_CONNS, .sessions = c->sessions, .own = c->own,
		.contexts = c->contexts, .budget = c->budget };
	n->conf.prefix.len = hub ? 48 : 64;
	n->conf.prefix.addr = prefix6_mask(&host, n->conf.prefix.len);
	n->conf.self = n->conf.prefix.addr;
	n->conf.self.b[15] = 1;
	snprintf(n->conf.inbound_text, POLICY_TEXT, "%s",
		 c->inbound ? c->inbound : "none");
	if (!policy_parse(&n->conf.inbound, (struct span){
			  (const uint8_t *)n->conf.inbound_text,
			  strlen(n->conf.inbound_text) }))
		abort();
}

struct sim *sim_new(const struct sim_conf *c)
{
	struct sim *s = calloc(1, sizeof(*s));
	uint8_t seed[32] = { 1 };

	s->conf = *c;
	s->now = START;
	s->trace = getenv("SIM_TRACE") ? atoi(getenv("SIM_TRACE")) : 0;
	put64(seed, c->seed);
#define USUAL(field, value) s->conf.field = c->field ? c->field : (value)
	USUAL(edges, 1);
	USUAL(nats, s->conf.edges);
	USUAL(delay, 20);
	USUAL(far, 10);
	USUAL(mtu, FULL_MTU);
	USUAL(sessions, 256);
	USUAL(own, 128);
	USUAL(contexts, 64);
	USUAL(budget, 512);
	USUAL(nat.udp_ms, 120 * 1000);
	USUAL(nat.tcp_ms, 3600 * 1000);
#undef USUAL
	if (!s->conf.fast && getenv("SIM_FAST"))
		s->conf.fast = (uint32_t)atoi(getenv("SIM_FAST"));
	rand_init(&s->rand, seed);
	node_conf(s, &s->hub, SIM_EDGES);
	for (uint32_t i = 0; i < s->conf.edges; i++) {
		node_conf(s, &s->edge[i], i);
		s->nat[i].conf = s->conf.nat;
		s->nat[i].addr = NAT_ADDR + (i << 8);
	}
	return s;
}

void sim_start(struct sim *s)
{
	sim_boot(s, &s->hub);
	for (uint32_t i = 0; i < s->conf.edges; i++)
		sim_boot(s, &s->edge[i]);
	sim_run(s, 4000);
}

void sim_free(struct sim *s)
{
	for (size_t i = 0; i < s->events; i++)
		if (s->heap[i].run == sim_arrives || s->heap[i].run == inner_in ||
		    s->heap[i].run == inner_out ||
		    s->heap[i].run == pipe_connect)
			free(s->heap[i].arg);
	for (uint32_t i = 0; i < s->held_count; i++)
		free(s->held[i]);
	for (int i = 0; i < SIM_TCPS; i++)
		for (int d = UP; d <= DOWN; d++)
			free(s->tcp[i].end[d].have);
	free(s->hub.memory);
	free(s->hub.fast);
	for (int i = 0; i < SIM_EDGES; i++) {
		free(s->edge[i].memory);
		free(s->edge[i].fast);
	}
	free(s->heap);
	free(s);
}
