/* SPDX-License-Identifier: MIT
 *
 * pair.c - see pair.h
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/csum.h"
#include "tests/bench/pair.h"

#define HUB_ADDR UINT32_C(0xcb00710a)
#define EDGE_ADDR UINT32_C(0x64400002)
enum { START = 1000000,
	PORT_LO = 61000, PORT_HI = 65535, SHARED_PORT = 6464, UDP_PORT = 40000,
	CARRIED_MAX = 16384, TRAIN = 64, GUARD = 1 << 16, SETTLED_MS = 4000 };

/* Of our own thread: what else the machine does is not on the clock. */
static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void count(struct meter *m, double start, uint32_t calls)
{
	double ns = now_ns() - start;

	if (!m)
		return;
	m->ns += ns;
	m->calls += calls;
	if (ns > m->worst)
		m->worst = ns;
}

static void fail(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* -- packets ---------------------------------------------------------------- */

struct addr6 pair_host(uint32_t edge, uint32_t n)
{
	struct addr6 a = { .b = { 0x20, 1, 0x0d, 0xb8, 1, 0 } };

	put16(a.b + 6, (uint16_t)(edge + 1));
	put16(a.b + 14, (uint16_t)(n + 5));
	return a;
}

struct addr6 pair_peer(uint32_t n)
{
	struct addr6 a = { .b = { 0x20, 1, 0x0d, 0xb8, 5, 0 } };

	put16(a.b + 14, (uint16_t)(n + 5));
	return a;
}

static void finish(struct packet *to, const struct addr6 *src,
		   const struct addr6 *dst, uint8_t proto, size_t l4,
		   size_t check)
{
	uint8_t *at = to->bytes + FRAME_HEADROOM;
	uint16_t sum;

	ip6_header(at, src, dst, proto, (uint16_t)l4, 0, 0, 64);
	at += IP6_HDR;
	put16(at + check, 0);
	sum = csum_bytes(csum_pseudo6(src, dst, (uint32_t)l4, proto), at, l4);
	put16(at + check, sum == 0xffff ? sum : (uint16_t)~sum);
	to->len = IP6_HDR + l4;
}

void packet_udp(struct packet *to, const struct addr6 *src,
		const struct addr6 *dst, uint16_t sport, uint16_t dport)
{
	uint8_t *at = to->bytes + FRAME_HEADROOM + IP6_HDR;
	size_t l4 = 64 - IP6_HDR;

	memset(at, 0x55, l4);
	put16(at, sport);
	put16(at + 2, dport);
	put16(at + 4, (uint16_t)l4);
	finish(to, src, dst, PROTO_UDP, l4, 6);
}

void packet_tcp(struct packet *to, const struct addr6 *src,
		const struct addr6 *dst, uint16_t sport, uint16_t dport,
		uint8_t flags, uint32_t seq, uint32_t ack, size_t payload)
{
	static const uint8_t options[] = { 2, 4, 5, 0xa0, 1, 3, 3, 7 };
	uint8_t *at = to->bytes + FRAME_HEADROOM + IP6_HDR;
	size_t opts = flags & TCP_SYN ? sizeof(options) : 0;

	memset(at, 0x55, TCP_HDR + opts + payload);
	put16(at, sport);
	put16(at + 2, dport);
	put32(at + 4, seq);
	put32(at + 8, ack);
	at[12] = (uint8_t)((TCP_HDR + opts) / 4 << 4);
	at[13] = flags;
	put16(at + 14, 32000);
	put16(at + 18, 0);
	memcpy(at + TCP_HDR, options, opts);
	finish(to, src, dst, PROTO_TCP, TCP_HDR + opts + payload, 16);
}

/* -- from one engine to the other --------------------------------------------- */

/* Empty an outbox: what is for the other side waits for it. */
static void collect(struct pair *p, struct node *n, uint32_t edge)
{
	bool up = n != &p->hub;
	const struct out *o;

	while ((o = engine_next(n->e))) {
		struct carried *c;

		if (o->kind != OUT_OUTER && o->kind != OUT_DATAGRAM &&
		    o->kind != OUT_MESSAGE)
			continue;
		if ((up ? p->ups : p->downs) == CARRIED_MAX)
			fail("too much at once");
		c = up ? &p->up[p->ups++] : &p->down[p->downs++];
		c->kind = o->kind;
		c->from = (struct taddr4){ n->addr, up ? UDP_PORT :
			SHARED_PORT };
		c->to = o->to;
		c->edge = up ? edge : o->kind == OUT_MESSAGE ? o->conn :
			o->kind == OUT_DATAGRAM ? o->to.addr - EDGE_ADDR :
			get32(o->body.at + 16) - EDGE_ADDR;
		c->len = o->head.len + o->body.len;
		if (c->len > PACKET_BYTES)
			fail("too long");
		if (o->head.len)
			memcpy(c->bytes + FRAME_HEADROOM, o->head.at,
			       o->head.len);
		if (o->body.len)
			memcpy(c->bytes + FRAME_HEADROOM + o->head.len,
			       o->body.at, o->body.len);
	}
}

static void hand(struct pair *p, struct node *n, struct carried *c)
{
	struct frame f = { .at = c->bytes + FRAME_HEADROOM, .len = c->len };
	struct engine_datagram d = { .from = c->from, .local = c->to,
		.bytes = { f.at, f.len } };

	if (c->kind == OUT_OUTER)
		engine_outer(n->e, &f, p->now);
	else if (c->kind == OUT_DATAGRAM)
		engine_datagram(n->e, &d, p->now);
	else
		engine_message(n->e, n == &p->hub ? c->edge : 0, d.bytes,
			       p->now);
}

/* All that waits for the hub. */
static void hand_up(struct pair *p, struct meter *m)
{
	uint32_t i, n, count_up = p->ups;
	double start;

	for (i = 0; i < count_up; i += n) {
		n = count_up - i < TRAIN ? count_up - i : TRAIN;
		start = now_ns();
		for (uint32_t k = i; k < i + n; k++)
			hand(p, &p->hub, &p->up[k]);
		count(m, start, n);
		collect(p, &p->hub, 0);
	}
	p->ups = 0;
}

/* What waits for the edges. @packets: also what is no message */
static void hand_down(struct pair *p, bool packets)
{
	for (uint32_t i = 0; i < p->downs; i++) {
		struct carried *c = &p->down[i];

		if ((!packets && c->kind == OUT_DATAGRAM) || c->edge >= EDGES)
			continue;
		hand(p, &p->edge[c->edge], c);
		collect(p, &p->edge[c->edge], c->edge);
	}
	p->downs = 0;
}

static void exchange(struct pair *p)
{
	for (int i = 0; i < 100 && p->ups + p->downs; i++) {
		hand_up(p, NULL);
		hand_down(p, true);
	}
}

void pair_up(struct pair *p, const struct packet *in, uint32_t n,
	     struct meter *edge, struct meter *hub)
{
	static struct packet train[TRAIN];
	uint32_t i, k, len;

	for (i = 0; i < n; i += len) {
		double start;

		len = n - i < TRAIN ? n - i : TRAIN;
		memcpy(train, in + i, len * sizeof(*train));
		start = now_ns();
		for (k = 0; k < len; k++) {
			struct frame f = { .len = train[k].len,
				.at = train[k].bytes + FRAME_HEADROOM };

			engine_inner(p->edge[train[k].edge].e, &f, p->now);
		}
		count(edge, start, len);
		for (k = 0; k < len; k++)
			collect(p, &p->edge[train[k].edge], train[k].edge);
	}
	hand_up(p, hub);
	hand_down(p, false);
	exchange(p);
}

void pair_down(struct pair *p, const struct packet *in, uint32_t count_in,
	       struct meter *m)
{
	static struct packet train[TRAIN];
	uint32_t n;

	for (uint32_t i = 0; i < count_in; i += n) {
		double start;

		n = count_in - i < TRAIN ? count_in - i : TRAIN;
		memcpy(train, in + i, n * sizeof(*train));
		start = now_ns();
		for (uint32_t k = 0; k < n; k++) {
			struct frame f = { .len = train[k].len,
				.at = train[k].bytes + FRAME_HEADROOM };

			engine_inner(p->hub.e, &f, p->now);
		}
		count(m, start, n);
		collect(p, &p->hub, 0);
	}
	hand_down(p, false);
	exchange(p);
}

void pair_settle(struct pair *p, struct meter *m)
{
	for (int i = 0; i < 1000000; i++) {
		double start;
		bool due = false;

		if (engine_deadline(p->hub.e) <= p->now) {
			start = now_ns();
			engine_tick(p->hub.e, p->now);
			count(m, start, 1);
			collect(p, &p->hub, 0);
			due = true;
		}
		for (uint32_t k = 0; k < EDGES; k++) {
			if (engine_deadline(p->edge[k].e) > p->now)
				continue;
			engine_tick(p->edge[k].e, p->now);
			collect(p, &p->edge[k], k);
			due = true;
		}
		while (p->ups + p->downs) {
			hand_up(p, m);
			hand_down(p, true);
		}
		if (!due)
			return;
	}
	fail("never quiet");
}

/* -- life ----------------------------------------------------------------------- */

static void boot(struct pair *p, struct node *n)
{
	if (n->memory)
		munmap(n->memory - GUARD, n->bytes + 2 * (size_t)GUARD);
	n->bytes = (engine_bytes(&n->conf) + 4095) & ~(size_t)4095;
	n->memory = mmap(NULL, n->bytes + 2 * (size_t)GUARD, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (n->memory == MAP_FAILED)
		fail("no memory");
	n->memory += GUARD;
	if (mprotect(n->memory, n->bytes, PROT_READ | PROT_WRITE))
		fail("no memory");
	put32(n->conf.seed, ++p->epochs);
	n->e = engine_init(n->memory, &n->conf, p->now);
	engine_set_uplink(n->e, n->addr, FULL_MTU, p->now);
}

static void configure(struct node *n, uint32_t edge, uint32_t sessions,
		      uint32_t own)
{
	bool hub = edge == EDGES;

	n->addr = hub ? HUB_ADDR : EDGE_ADDR + edge;
	n->conf = (struct engine_conf){
		.role = hub ? ROLE_HUB : ROLE_EDGE,
		.port_lo = PORT_LO, .port_hi = PORT_HI,
		.shared_port = hub ? SHARED_PORT : 0,
		.links = hub ? EDGES : 1, .conns = hub ? 2 * EDGES : 2,
		.sessions = sessions, .own = own, .contexts = hub ? 131072 :
		4096, .budget = own };
	n->conf.prefix.len = hub ? 40 : 64;
	n->conf.prefix.addr = pair_host(edge, 0);
	n->conf.prefix.addr = prefix6_mask(&n->conf.prefix.addr,
					   n->conf.prefix.len);
	n->conf.self = n->conf.prefix.addr;
	n->conf.self.b[15] = 1;
	memcpy(n->conf.inbound_text, "none", 5);
	policy_parse(&n->conf.inbound, (struct span){
		     (const uint8_t *)"none", 4 });
}

static void connect_edge(struct pair *p, uint32_t edge, struct meter *m)
{
	struct engine_peer hub = { .name = "hub" }, peer = { .name = "" };
	struct node *n = &p->edge[edge];
	double start;

	snprintf(peer.name, sizeof(peer.name), "edge%u", edge);
	peer.prefix = n->conf.prefix;
	start = now_ns();
	engine_conn_open(p->hub.e, edge, &peer, CONN_CONTROL, p->now);
	count(m, start, 1);
	engine_set_hub(n->e, HUB_ADDR, SHARED_PORT, p->now);
	engine_conn_open(n->e, 0, &hub, CONN_CONTROL, p->now);
	collect(p, n, edge);
	while (p->ups + p->downs) {
		hand_up(p, m);
		hand_down(p, true);
	}
}

/* The hub's number for the link of an edge. */
static uint32_t hub_link(const struct pair *p, uint32_t edge)
{
	struct link_status s;
	char name[ENGINE_NAME];
	uint32_t n = 0;

	snprintf(name, sizeof(name), "edge%u", edge);
	while (n < EDGES - 1 && (!engine_link(p->hub.e, n, &s) ||
				 strcmp(s.name, name)))
		n++;
	return n;
}

void pair_revoke(struct pair *p, uint32_t edge, struct meter *m)
{
	uint32_t link = hub_link(p, edge);
	double start = now_ns();

	engine_revoke(p->hub.e, link, p->now);
	count(m, start, 1);
	collect(p, &p->hub, 0);
	start = now_ns();
	engine_conn_closed(p->hub.e, edge, p->now);
	count(m, start, 1);
	collect(p, &p->hub, 0);
	exchange(p);
}

void pair_restart(struct pair *p, uint32_t edge, struct meter *m)
{
	engine_conn_closed(p->hub.e, edge, p->now);
	boot(p, &p->edge[edge]);
	connect_edge(p, edge, m);
}

void pair_init(struct pair *p, uint32_t sessions, uint32_t own)
{
	uint32_t each = own / (EDGES - 1) * 2;

	if (!p->up) {
		p->up = malloc(CARRIED_MAX * sizeof(*p->up));
		p->down = malloc(CARRIED_MAX * sizeof(*p->down));
	}
	p->now = START;
	p->ups = p->downs = 0;
	configure(&p->hub, EDGES, sessions, own);
	boot(p, &p->hub);
	for (uint32_t i = 0; i < EDGES; i++) {
		configure(&p->edge[i], i, i ? sessions / 16 + 1024 :
			  sessions / 2 + 64, each);
		boot(p, &p->edge[i]);
		connect_edge(p, i, NULL);
	}
	for (uint32_t ms = 0; ms < SETTLED_MS; ms += 4) {
		p->now += 4;
		pair_settle(p, NULL);
	}
	for (uint32_t i = 0; i < EDGES; i++) {
		struct link_status s;

		if (!engine_link(p->edge[i].e, 0, &s) || !s.shared_up ||
		    s.own_tcp != NOTE_OWN_UP)
			fail("an edge did not come up");
	}
}

uint32_t pair_random(struct pair *p)
{
	p->seed = p->seed * UINT64_C(6364136223846793005) +
		  UINT64_C(1442695040888963407);
	return (uint32_t)(p->seed >> 33);
}

/* -- measures -------------------------------------------------------------------- */

size_t pair_resident(const struct pair *p)
{
	size_t kb = 0, from, rss;
	char line[256];
	bool ours = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	if (!f)
		fail("no /proc/self/smaps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%zx-%*x %*4s", &from) == 1 &&
		    strchr(line, '-'))
			ours = from == (size_t)p->hub.memory;
		if (ours && sscanf(line, "Rss: %zu kB", &rss) == 1)
			kb += rss;
	}
	fclose(f);
	return kb * 1024;
}

uint32_t pair_own(const struct pair *p)
{
	struct link_status s;
	uint32_t all = 0;

	for (uint32_t i = 0; i < EDGES; i++)
		if (engine_link(p->hub.e, i, &s))
			all += s.own_active;
	return all;
}
