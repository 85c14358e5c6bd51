/* SPDX-License-Identifier: MIT
 *
 * net.c - the clock, the daemons' part, and the wire
 */
#include "tests/sim/net.h"

#include <stdio.h>
#include <stdlib.h>

enum { START = 1000000, HUB_ADDR = 0xcb00710a };

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
	if (getenv("SIM_TRACE"))
		fprintf(stderr, "%9llu ERROR %s\n",
			(unsigned long long)(s->now - START), what);
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

static bool is_hub(const struct node *n)
{
	return n->index == SIM_EDGES;
}

struct link *sim_link(struct node *n)
{
	return &n->e->link[0];
}

uint32_t sim_own(struct node *n, enum carrier_state state)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n->conf.own; i++)
		count += n->e->own[i].state == state;
	return count;
}

/* -- connections ------------------------------------------------------------- */

static void pump(struct node *n);
static void connect_pipe(struct sim *s, void *arg);

struct dial {
	uint32_t edge;
	enum conn_kind kind;
};

static void dial(struct sim *s, uint32_t edge, enum conn_kind kind, msec wait)
{
	struct dial *d = malloc(sizeof(*d));

	*d = (struct dial){ edge, kind };
	sim_at(s, wait, connect_pipe, d);
}

static struct node *end_of(struct sim *s, const struct pipe *p, int end)
{
	return end == UP ? &s->edge[p->edge] : &s->hub;
}

static bool has_pipe(const struct sim *s, uint32_t edge, enum conn_kind kind)
{
	for (uint32_t i = 0; i < s->pipes; i++)
		if (s->pipe[i].used && s->pipe[i].edge == edge &&
		    s->pipe[i].kind == kind &&
		    (s->pipe[i].open[UP] || !s->pipe[i].last[UP]))
			return true;
	return false;
}

static void open_end(struct sim *s, struct pipe *p, int end)
{
	struct node *n = end_of(s, p, end);
	struct engine_peer peer = { .name = "hub" };

	if (!p->used)
		return;
	if (end == DOWN) {
		snprintf(peer.name, sizeof(peer.name), "edge%u", p->edge);
		peer.prefix = s->edge[p->edge].conf.prefix;
	}
	p->open[end] = true;
	p->last[end] = s->now;
	engine_conn_open(n->e, p->conn[end], &peer, p->kind, s->now);
	pump(n);
}

static void open_up(struct sim *s, void *arg)
{
	open_end(s, arg, UP);
}

static void open_down(struct sim *s, void *arg)
{
	open_end(s, arg, DOWN);
}

static uint32_t free_conn(const struct sim *s, int end, uint32_t edge)
{
	for (uint32_t c = 0; c < SIM_CONNS; c++) {
		bool taken = false;

		for (uint32_t i = 0; i < s->pipes; i++)
			taken |= s->pipe[i].used && s->pipe[i].conn[end] == c &&
				 (end == DOWN || s->pipe[i].edge == edge);
		if (!taken)
			return c;
	}
	return NONE;
}

static void connect_pipe(struct sim *s, void *arg)
{
	struct dial d = *(struct dial *)arg;
	struct node *n = &s->edge[d.edge];
	struct pipe *p;

	free(arg);
	if (n->stopped || has_pipe(s, d.edge, d.kind) ||
	    (d.kind == CONN_RELAY && !n->want_relay))
		return;
	if (n->blocked || s->hub.stopped || s->pipes == SIM_PIPES) {
		dial(s, d.edge, d.kind, 500);
		return;
	}
	p = &s->pipe[s->pipes];
	*p = (struct pipe){ .edge = d.edge, .kind = d.kind };
	p->conn[UP] = free_conn(s, UP, d.edge);
	p->conn[DOWN] = free_conn(s, DOWN, d.edge);
	if (p->conn[UP] == NONE || p->conn[DOWN] == NONE) {
		dial(s, d.edge, d.kind, 500);
		return;
	}
	s->pipes++;
	p->used = true;
	sim_at(s, 4 * s->conf.delay, open_down, p);
	sim_at(s, 5 * s->conf.delay, open_up, p);
}

static void close_end(struct sim *s, struct pipe *p, int end)
{
	struct node *n = end_of(s, p, end);

	if (!p->used || !p->open[end])
		return;
	p->open[end] = false;
	engine_conn_closed(n->e, p->conn[end], s->now);
	pump(n);
	if (!p->open[!end])
		p->used = false;
	if (end == UP && (p->kind == CONN_CONTROL || n->want_relay))
		dial(s, p->edge, p->kind, 500);
}

static void close_up(struct sim *s, void *arg)
{
	close_end(s, arg, UP);
}

static void close_down(struct sim *s, void *arg)
{
	close_end(s, arg, DOWN);
}

/* What was sent before arrives before. */
static msec in_order(struct sim *s, struct pipe *p, int from)
{
	msec at = s->now + s->conf.delay;

	if (at < p->last[from])
		at = p->last[from];
	p->last[from] = at;
	return at - s->now;
}

static struct pipe *pipe_at(struct sim *s, const struct node *n, uint32_t conn)
{
	int end = is_hub(n) ? DOWN : UP;

	for (uint32_t i = 0; i < s->pipes; i++)
		if (s->pipe[i].used && s->pipe[i].open[end] &&
		    s->pipe[i].conn[end] == conn &&
		    (is_hub(n) || s->pipe[i].edge == n->index))
			return &s->pipe[i];
	return NULL;
}

static void close_conn_of(struct sim *s, struct node *n, uint32_t conn)
{
	struct pipe *p = pipe_at(s, n, conn);

	if (!p)
		return;
	sim_at(s, 0, is_hub(n) ? close_down : close_up, p);
	sim_at(s, in_order(s, p, is_hub(n) ? DOWN : UP),
	       is_hub(n) ? close_up : close_down, p);
}

static void cut(struct sim *s, uint32_t edge, bool up, bool down)
{
	for (uint32_t i = 0; i < s->pipes; i++) {
		struct pipe *p = &s->pipe[i];

		if (!p->used || p->edge != edge)
			continue;
		if (!p->open[UP] && up) /* it was about to open */
			dial(s, edge, p->kind, 500);
		if (up)
			close_end(s, p, UP);
		p->open[UP] = p->open[UP] && up;
		if (down)
			close_end(s, p, DOWN);
		p->used = false;
	}
}

void sim_control(struct sim *s, uint32_t edge, bool may)
{
	s->edge[edge].blocked = !may;
	if (!may)
		cut(s, edge, true, true);
}

/* -- wire ------------------------------------------------------------------- */

void sim_arrive(struct sim *s, struct wire *w)
{
	struct node *n = w->dir == UP ? &s->hub : &s->edge[w->edge];
	struct frame f = { .at = wire_at(w), .len = w->len };
	struct engine_datagram d = { .from = w->from, .local = w->to,
		.tos = w->tos, .bytes = { wire_at(w), w->len } };
	const struct pipe *p = &s->pipe[w->pipe];

	if (n->stopped)
		return;
	s->crossed[w->kind][w->dir]++;
	s->crossed_bytes[w->kind][w->dir] += w->len;
	switch (w->kind) {
	case WIRE_OUTER_PACKET:
		engine_outer(n->e, &f, s->now);
		break;
	case WIRE_DATAGRAM:
		if (w->dir == UP || w->to.port == n->udp_port)
			engine_datagram(n->e, &d, s->now);
		break;
	case WIRE_MESSAGE:
		if (p->used && p->open[!w->dir])
			engine_message(n->e, p->conn[!w->dir],
				       (struct span){ wire_at(w), w->len },
				       s->now);
		break;
	}
	pump(n);
}

static void arrives(struct sim *s, void *arg)
{
	struct wire *w = arg;

	if (w->kind == WIRE_MESSAGE || w->dir == UP ||
	    w->proto == PROTO_ICMP || nat_in(s, &s->nat[w->edge], w))
		sim_arrive(s, w);
	free(w);
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
	put16(icmp + 6, s->conf.mtu);
	memcpy(icmp + 8, w->bytes + FRAME_HEADROOM, 28);
	put16(icmp + 2, (uint16_t)~csum_bytes(0, icmp, 36));
	sim_wire(s, &back);
}

void sim_wire(struct sim *s, const struct wire *from)
{
	struct wire *w = malloc(sizeof(*w));
	bool message = from->kind == WIRE_MESSAGE;
	msec delay = s->conf.delay;

	memcpy(w, from, sizeof(*w));
	if (s->hook && s->hook(s, w, s->hook_arg))
		goto lost;
	if (message) {
		delay = in_order(s, &s->pipe[w->pipe], w->dir);
	} else {
		if (w->len + (w->kind == WIRE_DATAGRAM ? 28 : 0) >
		    s->conf.mtu) {
			too_big(s, w);
			goto lost;
		}
		if (w->dir == UP && w->proto != PROTO_ICMP &&
		    !nat_out(s, &s->nat[w->edge], w))
			goto lost;
		if (s->conf.loss && rand_below(&s->rand, 1000) < s->conf.loss)
			goto lost;
	}
	if (!message && s->conf.jitter)
		delay += rand_below(&s->rand, (uint32_t)s->conf.jitter);
	sim_at(s, delay, arrives, w);
	if (!message && s->conf.twice &&
	    rand_below(&s->rand, 1000) < s->conf.twice) {
		struct wire *copy = malloc(sizeof(*copy));

		memcpy(copy, w, sizeof(*copy));
		sim_at(s, delay + rand_below(&s->rand, 500), arrives, copy);
	}
	return;
lost:
	free(w);
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

	if (!i->node->stopped) {
		engine_inner(i->node->e, &f, s->now);
		pump(i->node);
	}
	free(i);
}

void sim_inner(struct sim *s, struct node *n, struct span packet)
{
	struct inner *i = malloc(sizeof(*i));

	i->node = n;
	i->len = packet.len;
	memcpy(i->bytes + FRAME_HEADROOM, packet.at, packet.len);
	sim_at(s, is_hub(n) ? s->conf.far : 0, inner_in, i);
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
	i->dir = is_hub(n) ? UP : DOWN;
	i->edge = n->index;
	i->len = join(i->bytes + FRAME_HEADROOM, 4096, o);
	if (is_hub(n) && s->hub_feeds_back &&
	    prefix6_contains(&s->hub.conf.prefix,
			     (const struct addr6 *)(const void *)dst))
		sim_at(s, 0, inner_in, i);
	else
		sim_at(s, is_hub(n) ? s->conf.far : 0, inner_out, i);
}

static void message_out(struct node *n, const struct out *o)
{
	struct sim *s = n->sim;
	struct pipe *p = pipe_at(s, n, o->conn);
	struct wire w = { .kind = WIRE_MESSAGE, .dir = is_hub(n) ? DOWN : UP };
	size_t head = o->kind == OUT_RELAY ? MSG_HEADER : 0;

	if (!p)
		return;
	w.edge = p->edge;
	w.pipe = (uint32_t)(p - s->pipe);
	w.len = head + join(wire_at(&w) + head, 4096 - head, o);
	if (head) {
		put16(wire_at(&w), (uint16_t)(w.len - 2));
		wire_at(&w)[2] = MSG_PACKET;
	}
	sim_wire(s, &w);
}

static uint32_t edge_behind(const struct sim *s, uint32_t addr)
{
	uint32_t i = 0;

	while (i < s->conf.edges && s->nat[i].addr != addr)
		i++;
	return i;
}

static void packet_out(struct node *n, const struct out *o)
{
	struct sim *s = n->sim;
	struct wire w = { .dir = is_hub(n) ? DOWN : UP, .edge = n->index };
	uint8_t *at = wire_at(&w);

	w.len = join(at, 4096, o);
	if (o->kind == OUT_DATAGRAM) {
		w.kind = WIRE_DATAGRAM;
		w.proto = PROTO_UDP;
		w.tos = o->tos;
		w.from = is_hub(n) ? o->local :
			 (struct taddr4){ n->addr, n->udp_port };
		w.to = o->to;
		if (is_hub(n) && (w.from.addr != HUB_ADDR ||
				  w.from.port != SIM_PORT))
			sim_error(s, "hub answers from another address");
	} else {
		w.kind = WIRE_OUTER_PACKET;
		w.proto = at[9];
		w.from = (struct taddr4){ get32(at + 12), get16(at + 20) };
		w.to = (struct taddr4){ get32(at + 16), get16(at + 22) };
	}
	if (is_hub(n))
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
		dial(n->sim, n->index, CONN_CONTROL, 0);
	else
		n->udp_port++;
}

static void want_relay(struct node *n, bool on)
{
	struct sim *s = n->sim;

	n->want_relay = on;
	if (on)
		dial(s, n->index, CONN_RELAY, 0);
	for (uint32_t i = 0; !on && i < s->pipes; i++)
		if (s->pipe[i].used && s->pipe[i].edge == n->index &&
		    s->pipe[i].kind == CONN_RELAY)
			close_conn_of(s, n, s->pipe[i].conn[UP]);
}

static void tick(struct sim *s, void *arg)
{
	struct node *n = arg;

	n->tick_at = NEVER;
	if (n->stopped)
		return;
	engine_tick(n->e, s->now);
	pump(n);
}

static void pump(struct node *n)
{
	const struct out *o;
	msec due;

	while ((o = engine_next(n->e))) {
		n->out[o->kind]++;
		switch (o->kind) {
		case OUT_INNER: from_inner(n, o); break;
		case OUT_OUTER: case OUT_DATAGRAM: packet_out(n, o); break;
		case OUT_MESSAGE: case OUT_RELAY: message_out(n, o); break;
		case OUT_CLOSE: close_conn_of(n->sim, n, o->conn); break;
		case OUT_WANT_RELAY: want_relay(n, o->on); break;
		case OUT_RECONNECT: fresh_mapping(n, o->on); break;
		case OUT_NOTE:
			n->notes[o->note]++;
			if (getenv("SIM_TRACE"))
				fprintf(stderr, "%9llu %s%u: %s\n",
					(unsigned long long)(n->sim->now - START),
					is_hub(n) ? "hub" : "edge", n->index,
					engine_note_text(o->note));
			break;
		case OUT_LATCH: case OUT_FAST: case OUT_ROUTE:
		case OUT_BENCH: break;
		case OUT_KIND_COUNT: abort();
		}
	}
	due = engine_deadline(n->e);
	if (due == NEVER || due >= n->tick_at)
		return;
	n->tick_at = due;
	sim_at(n->sim, due > n->sim->now ? due - n->sim->now : 1, tick, n);
}

/* -- life ------------------------------------------------------------------------ */

void sim_boot(struct sim *s, struct node *n)
{
	bool hub = is_hub(n);

	rand_bytes(&s->rand, n->conf.seed, sizeof(n->conf.seed));
	free(n->memory);
	n->memory = aligned_alloc(64, (engine_bytes(&n->conf) + 63) / 64 * 64);
	memset(n->memory, 0, engine_bytes(&n->conf));
	n->e = engine_init(n->memory, &n->conf, s->now);
	n->stopped = n->want_relay = false;
	n->tick_at = NEVER;
	n->udp_port++;
	engine_set_uplink(n->e, n->addr, FULL_MTU, s->now);
	if (!hub) {
		engine_set_hub(n->e, HUB_ADDR, SIM_PORT, s->now);
		dial(s, n->index, CONN_CONTROL, 10);
	}
	pump(n);
}

void sim_restart(struct sim *s, struct node *n)
{
	n->stopped = true;
	for (uint32_t i = 0; i < s->conf.edges; i++)
		if (is_hub(n) || i == n->index)
			cut(s, i, is_hub(n), !is_hub(n));
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
	put64(seed, c->seed);
#define USUAL(field, value) s->conf.field = c->field ? c->field : (value)
	USUAL(edges, 1);
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
	rand_init(&s->rand, seed);
	node_conf(s, &s->hub, SIM_EDGES);
	for (uint32_t i = 0; i < s->conf.edges; i++) {
		node_conf(s, &s->edge[i], i);
		s->nat[i].conf = s->conf.nat;
		s->nat[i].addr = 0xc6336401 + i;
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
		if (s->heap[i].run == arrives || s->heap[i].run == inner_in ||
		    s->heap[i].run == inner_out ||
		    s->heap[i].run == connect_pipe)
			free(s->heap[i].arg);
	for (int i = 0; i < SIM_TCPS; i++)
		for (int d = UP; d <= DOWN; d++)
			free(s->tcp[i].end[d].have);
	free(s->hub.memory);
	for (int i = 0; i < SIM_EDGES; i++)
		free(s->edge[i].memory);
	free(s->heap);
	free(s);
}
