/* SPDX-License-Identifier: MIT
 *
 * faults.c - what goes wrong: NATs, paths, daemons, attackers
 *
 * A trouble is one row of faults[] at one edge: begin(), and end() after its
 * length, which puts back what the world had. What cannot be put back (a NAT
 * has rebooted) has no end.
 */
#include "tests/sim/run.h"

enum { SECOND = 1000 };

/** struct fault
 * @length: least and most, in ms
 */
struct fault {
	const char *name;
	uint32_t weight, length[2];
	void (*begin)(struct trouble *t);
	void (*end)(struct trouble *t);
};

static struct path *path_of(const struct trouble *t)
{
	return &t->r->s->path[t->edge];
}

static struct nat *nat_of(const struct trouble *t)
{
	return sim_nat(t->r->s, t->edge);
}

static struct node *edge_of(const struct trouble *t)
{
	return &t->r->s->edge[t->edge];
}

/* -- NATs -------------------------------------------------------------------- */

static void reboot(struct trouble *t)
{
	nat_reboot(nat_of(t), nat_of(t)->addr);
}

static void renumber(struct trouble *t)
{
	struct nat *n = nat_of(t);

	nat_reboot(n, (n->addr & ~0xffu) | ((n->addr + 16) & 0xff));
}

static void house(struct trouble *t)
{
	nat_fill(t->r->s, nat_of(t), 10 + rand_below(&t->r->fault, 40));
}

static void no_udp(struct trouble *t)
{
	nat_of(t)->conf.drop_udp = true;
}

static void udp_again(struct trouble *t)
{
	nat_of(t)->conf.drop_udp = t->r->s->conf.nat.drop_udp;
}

static void no_range(struct trouble *t)
{
	nat_of(t)->conf.drop_own = true;
}

static void range_again(struct trouble *t)
{
	nat_of(t)->conf.drop_own = t->r->s->conf.nat.drop_own;
}

/* -- paths -------------------------------------------------------------------- */

static void path_down(struct trouble *t)
{
	path_of(t)->down = true;
}

static void no_tcp(struct trouble *t)
{
	path_of(t)->no_tcp = true;
}

static void no_control(struct trouble *t)
{
	path_of(t)->no_control = true;
}

static void lossy(struct trouble *t)
{
	path_of(t)->loss = choose(&t->r->fault, 100, 700);
}

static void slow(struct trouble *t)
{
	path_of(t)->delay = choose(&t->r->fault, 100, 1500);
}

static void narrow(struct trouble *t)
{
	path_of(t)->mtu = (uint16_t)choose(&t->r->fault, 1290, 1450);
}

static void path_up(struct trouble *t)
{
	path_of(t)->down = false;
	pipe_release(t->r->s, t->edge);
}

static void tcp_again(struct trouble *t)
{
	path_of(t)->no_tcp = false;
	pipe_release(t->r->s, t->edge);
}

static void control_again(struct trouble *t)
{
	path_of(t)->no_control = false;
	pipe_release(t->r->s, t->edge);
}

static void path_good(struct trouble *t)
{
	path_of(t)->loss = 0;
	path_of(t)->delay = 0;
	path_of(t)->mtu = 0;
}

static void cut_control(struct trouble *t)
{
	sim_control(t->r->s, t->edge, false);
}

static void control_may(struct trouble *t)
{
	sim_control(t->r->s, t->edge, true);
}

/* The edge's uplink has another address: its sockets there are dead. */
static void move(struct trouble *t)
{
	struct node *n = edge_of(t);
	struct sim *s = t->r->s;

	if (n->stopped)
		return;
	n->addr += 16;
	n->udp_port++;
	engine_set_uplink(n->e, n->addr, FULL_MTU, s->now);
	pump(n);
	pipe_lose(s, t->edge);
}

/* -- daemons ------------------------------------------------------------------- */

static void cut_of(struct trouble *t, struct node *n)
{
	struct sim *s = t->r->s;

	for (uint32_t i = 0; i < s->conf.edges; i++)
		if (sim_is_hub(n) || i == n->index)
			pipe_cut(s, i, sim_is_hub(n), !sim_is_hub(n));
}

static void kill_node(struct trouble *t, struct node *n, bool in_order)
{
	if (n->stopped)
		return;
	if (in_order) {
		engine_stop(n->e, t->r->s->now);
		pump(n);
	}
	n->stopped = true;
	cut_of(t, n);
}

/* What one end has forgotten the other knows; if both forget, and inbound is not
 * allowed, a peer that speaks first is a stranger. So only one kind does.
 */
static bool may_forget(const struct trouble *t, bool hub)
{
	return t->r->open || (t->r->seed & 1) == hub;
}

static void kill_edge(struct trouble *t)
{
	if (may_forget(t, false))
		kill_node(t, edge_of(t), rand_below(&t->r->fault, 3) == 0);
}

static void kill_hub(struct trouble *t)
{
	if (may_forget(t, true))
		kill_node(t, &t->r->s->hub, rand_below(&t->r->fault, 3) == 0);
}

static void boot_edge(struct trouble *t)
{
	if (edge_of(t)->stopped)
		sim_boot(t->r->s, edge_of(t));
}

static void boot_hub(struct trouble *t)
{
	if (t->r->s->hub.stopped)
		sim_boot(t->r->s, &t->r->s->hub);
}

/* -- attackers --------------------------------------------------------------------- */

static void send_reset(struct run *r, uint32_t edge, const struct carrier *c,
		       enum dir d)
{
	struct wire w = { .kind = WIRE_OUTER_PACKET, .dir = d, .edge = edge,
		.proto = PROTO_TCP, .inside = true, .from = c->remote,
		.to = c->local };
	struct writer to = writer_of(wire_at(&w), 200);
	struct tcp_seg seg = { .flags = TCP_RST, .t = { c->remote.addr,
		c->local.addr, c->remote.port, c->local.port, PROTO_TCP } };

	seg.seq = rand_below(&r->fault, 2) ? c->mark : rand32(&r->fault);
	w.len = tcp_build(&to, &seg);
	sim_inject(r->s, &w, 0);
}

/* Somebody guesses, or the kernel of a machine in between is asked. */
static void resets(struct trouble *t)
{
	struct run *r = t->r;
	enum dir d = rand_below(&r->fault, 2) ? UP : DOWN;
	struct node *n = d == UP ? &r->s->hub : edge_of(t);

	for (uint32_t i = 0; !n->stopped && i < n->conf.own; i++) {
		const struct carrier *c = &n->e->own[i];

		if (c->state != CARRIER_FREE && c->proto == PROTO_TCP &&
		    (d == DOWN || c->latched))
			send_reset(r, t->edge, c, d);
	}
}

/* What was seen comes again: to the hub from elsewhere, to the edge as it was.
 * Data of a latched address has no counter, so it is replayed only to the hub.
 */
static void replay(struct trouble *t)
{
	struct run *r = t->r;
	uint32_t count = r->records < RECORDS ? r->records : RECORDS;

	for (uint32_t i = 0; i < count; i++) {
		struct wire w = r->record[i];

		if (w.dir == UP)
			w.from = (struct taddr4){ STRANGER,
				(uint16_t)(1024 + i) };
		else if (wire_at(&w)[0] >> 6 == TAG_DATA)
			continue;
		sim_inject(r->s, &w, rand_below(&r->fault, 500));
	}
}

/* Copies of ASKs overtake them, from elsewhere: the latch must not follow. */
static void race(struct trouble *t)
{
	t->r->racing = true;
}

static void race_over(struct trouble *t)
{
	t->r->racing = false;
}

static void overtake(struct run *r, const struct wire *w)
{
	struct wire copy;

	if (w->kind != WIRE_DATAGRAM || w->dir != UP ||
	    wire_at((struct wire *)(uintptr_t)w)[0] >> 6 != TAG_PUNCH)
		return;
	memcpy(&copy, w, offsetof(struct wire, bytes) + FRAME_HEADROOM +
	       w->len);
	copy.from = (struct taddr4){ STRANGER, 2000 };
	sim_inject(r->s, &copy, 0);
}

/* Datagrams from nowhere, and own packets with random ports and flags. */
static void noise(struct trouble *t)
{
	struct run *r = t->r;
	uint8_t junk[100];

	for (int i = 0; i < 40; i++) {
		struct wire w = { .kind = i & 1 ? WIRE_DATAGRAM :
				  WIRE_OUTER_PACKET, .dir = UP,
			.edge = t->edge, .proto = PROTO_UDP,
			.from = { STRANGER, 4000 },
			.to = { r->s->hub.addr, SIM_PORT } };
		struct writer to = writer_of(wire_at(&w), 400);
		struct tuple4 tuple = { STRANGER, r->s->hub.addr, 4000,
			(uint16_t)choose(&r->fault, SIM_LO, SIM_HI),
			PROTO_UDP };
		size_t len = choose(&r->fault, 0, sizeof(junk));

		rand_bytes(&r->fault, junk, sizeof(junk));
		if (w.kind == WIRE_OUTER_PACKET)
			w.to.port = tuple.dport;
		w.len = w.kind == WIRE_DATAGRAM ? len :
			udp_build(&to, &tuple, (struct span){ junk, len });
		if (w.kind == WIRE_DATAGRAM)
			memcpy(wire_at(&w), junk, len);
		sim_inject(r->s, &w, rand_below(&r->fault, 500));
	}
}

/* An attacker on the path keeps some of what he sees. */
static bool record(struct sim *s, struct wire *w, void *arg)
{
	struct run *r = arg;

	(void)s;
	if (r->racing)
		overtake(r, w);
	if (w->kind == WIRE_DATAGRAM &&
	    (w->len <= WIRE_PUNCH || rand_below(&r->fault, 4) == 0)) {
		struct wire *to = &r->record[r->records++ % RECORDS];

		memcpy(to, w, offsetof(struct wire, bytes) + FRAME_HEADROOM +
		       w->len);
	}
	return false;
}

/* -- the table ------------------------------------------------------------------ */

#define S(n) ((n) * SECOND)
static const struct fault faults[] = {
	{ "NAT reboots", 6, { 0, 0 }, reboot, NULL },
	{ "NAT has another address", 4, { 0, 0 }, renumber, NULL },
	{ "other people open sessions", 2, { 0, 0 }, house, NULL },
	{ "UDP blocked", 4, { S(2), S(90) }, no_udp, udp_again },
	{ "range blocked", 2, { S(2), S(60) }, no_range, range_again },
	{ "TCP blocked", 2, { S(2), S(60) }, no_tcp, tcp_again },
	{ "control swallowed", 4, { S(2), S(180) }, no_control, control_again },
	{ "control cut", 5, { 10, S(90) }, cut_control, control_may },
	{ "path down", 4, { 500, S(60) }, path_down, path_up },
	{ "burst of loss", 4, { 500, S(15) }, lossy, path_good },
	{ "path slow", 2, { 500, S(15) }, slow, path_good },
	{ "path narrow", 2, { S(3), S(60) }, narrow, path_good },
	{ "edge restarts", 3, { 0, S(20) }, kill_edge, boot_edge },
	{ "hub restarts", 4, { 0, S(20) }, kill_hub, boot_hub },
	{ "edge restarts at once", 2, { 0, 200 }, kill_edge, boot_edge },
	{ "hub restarts at once", 2, { 0, 200 }, kill_hub, boot_hub },
	{ "edge has another address", 3, { 0, 0 }, move, NULL },
	{ "forged RSTs", 4, { 0, 0 }, resets, NULL },
	{ "replay", 4, { 0, 0 }, replay, NULL },
	{ "race for the latch", 3, { S(1), S(10) }, race, race_over },
	{ "noise", 2, { 0, 0 }, noise, NULL },
};
enum { FAULTS = sizeof(faults) / sizeof(faults[0]) };

static const struct fault *choose_fault(struct run *r)
{
	uint32_t sum = 0, n;

	for (int i = 0; i < FAULTS; i++)
		sum += faults[i].weight;
	n = rand_below(&r->fault, sum);
	for (int i = 0;; i++) {
		if (n < faults[i].weight)
			return &faults[i];
		n -= faults[i].weight;
	}
}

static void ends(struct sim *s, void *arg)
{
	struct trouble *t = arg;

	sim_trace(s, 1, "ends: %s, edge%u", t->fault->name, t->edge);
	t->fault->end(t);
}

static void begins(struct sim *s, void *arg)
{
	struct trouble *t = arg;

	sim_trace(s, 1, "TROUBLE: %s, edge%u", t->fault->name, t->edge);
	t->fault->begin(t);
	if (t->fault->end)
		sim_at(s, t->length, ends, t);
}

void faults_start(struct run *r, msec ms)
{
	r->troubles = rand_below(&r->fault, 7);
	r->calm_at = r->s->now;
	r->s->hook = record;
	r->s->hook_arg = r;
	for (uint32_t i = 0; i < r->troubles; i++) {
		struct trouble *t = &r->trouble[i];
		msec wait = rand_below(&r->fault, (uint32_t)ms), over;

		*t = (struct trouble){ .r = r, .fault = choose_fault(r),
			.edge = rand_below(&r->fault, r->s->conf.edges) };
		t->length = between(&r->fault, t->fault->length);
		over = r->s->now + wait + (t->fault->end ? t->length : 0);
		if (r->calm_at < over)
			r->calm_at = over;
		sim_at(r->s, wait, begins, t);
	}
	if (r->calm_at < r->s->now + ms)
		r->calm_at = r->s->now + ms;
}
