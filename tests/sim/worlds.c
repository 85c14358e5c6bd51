/* SPDX-License-Identifier: MIT
 *
 * worlds.c - which network a seed stands for
 */
#include "tests/sim/run.h"

enum { SECOND = 1000 };

/** struct nat_row - a kind of NAT, in the words of RFC 4787 and the field's
 * @own: own TCP passes. @house: mappings of other people, at most
 */
struct nat_row {
	const char *name;
	uint32_t weight, house;
	bool own;
	struct nat_conf conf;
};

#define LINUX .strict = true, .tcp_ms = 7440 * SECOND
static const struct nat_row nats[] = {
	{ "Linux, port-preserving", 6, 0, true,
	  { LINUX, .udp_ms = 120 * SECOND } },
	{ "Linux, random ports (symmetric)", 6, 0, true,
	  { LINUX, .random = true, .udp_ms = 30 * SECOND } },
	{ "full cone", 2, 0, true,
	  { .mapping = BY_NOTHING, .filtering = BY_NOTHING } },
	{ "restricted cone", 2, 0, true,
	  { .mapping = BY_NOTHING, .filtering = BY_ADDR } },
	{ "port-restricted cone, followed", 3, 0, true,
	  { LINUX, .mapping = BY_NOTHING, .random = true } },
	{ "15 s for UDP, 90 s for TCP", 3, 0, true,
	  { .strict = true, .random = true, .udp_ms = 15 * SECOND,
	    .tcp_ms = 90 * SECOND } },
	{ "30 s for UDP, 65 s for TCP, RST", 3, 0, true,
	  { .strict = true, .rst = true, .udp_ms = 30 * SECOND,
	    .tcp_ms = 65 * SECOND } },
	{ "arbitrary pooling", 3, 0, true,
	  { LINUX, .random = true, .pool = 4 } },
	{ "quota, oldest dropped", 3, 20, true,
	  { LINUX, .random = true, .quota = 40 } },
	{ "quota, least used dropped", 2, 20, true,
	  { LINUX, .quota = 40, .least_used = true } },
	{ "rewrites sequence numbers", 1, 0, false,
	  { .rewrite_seq = true, .random = true } },
	{ "rewrites them both ways, strictly", 1, 0, false,
	  { LINUX, .rewrite_seq = true, .rewrite_down = true } },
	{ "rewrites the answers", 1, 0, false, { .rewrite_down = true } },
	{ "strips options", 1, 0, false, { .strip = true } },
	{ "answers SYN itself", 1, 0, false, { .proxy = true } },
	{ "clamps MSS", 1, 0, true, { LINUX, .mss = 1300 } },
	{ "bleaches ECN", 1, 0, true, { LINUX, .bleach = true } },
	{ "no UDP", 2, 0, true, { LINUX, .drop_udp = true } },
	{ "no UDP, no range", 1, 0, false,
	  { LINUX, .drop_udp = true, .drop_own = true } },
	{ "range closed", 1, 0, false, { LINUX, .drop_own = true } },
};
enum { NATS = sizeof(nats) / sizeof(nats[0]) };

uint32_t choose(struct rand *from, uint32_t least, uint32_t most)
{
	return least + rand_below(from, most - least + 1);
}

uint32_t between(struct rand *from, const uint32_t range[2])
{
	return choose(from, range[0], range[1]);
}

static bool one_in(struct rand *from, uint32_t n)
{
	return rand_below(from, n) == 0;
}

static const struct nat_row *choose_nat(struct run *r)
{
	uint32_t sum = 0, n;

	for (int i = 0; i < NATS; i++)
		sum += nats[i].weight;
	n = rand_below(&r->world, sum);
	for (int i = 0;; i++) {
		if (n < nats[i].weight)
			return &nats[i];
		n -= nats[i].weight;
	}
}

static void choose_path(struct run *r, struct sim_conf *c)
{
	static const uint16_t mtus[] = { 1500, 1492, 1480, 1400, 1300 };

	c->delay = choose(&r->world, 1, one_in(&r->world, 8) ? 300 : 40);
	c->far = choose(&r->world, 1, 30);
	if (one_in(&r->world, 3))
		c->jitter = choose(&r->world, 1, (uint32_t)c->delay / 2 + 2);
	if (one_in(&r->world, 3))
		c->loss = choose(&r->world, 1, 20);
	if (one_in(&r->world, 6))
		c->twice = choose(&r->world, 1, 30);
	if (one_in(&r->world, 4))
		c->mtu = mtus[rand_below(&r->world, 5)];
	c->black_hole = one_in(&r->world, 2);
}

void world_make(struct run *r, struct sim_conf *c)
{
	static const enum carriers ways[] = { CARRIERS_OWN, CARRIERS_SHARED,
		CARRIERS_RELAY };
	const struct nat_row *row = choose_nat(r);

	r->nat = row->name;
	r->house = row->house;
	r->open = !one_in(&r->world, 4);
	r->storm = choose(&r->world, 10, one_in(&r->world, 5) ? 300 : 60) *
		   SECOND;
	*c = (struct sim_conf){ .seed = r->seed, .whole = true,
		.nat = row->conf, .edges = 1,
		.inbound = r->open ? "all" : "none",
		.sessions = 256, .own = 64, .contexts = 64, .budget = 64 };
	if (one_in(&r->world, 3))
		c->edges = choose(&r->world, 2, 3);
	c->nats = one_in(&r->world, 2) ? 1 : c->edges;
	if (one_in(&r->world, 4)) /* tables that are full */
		c->contexts = choose(&r->world, 4, 12);
	if (one_in(&r->world, 8))
		c->own = choose(&r->world, 6, 16);
	if (one_in(&r->world, 8))
		c->carriers = ways[rand_below(&r->world, 3)];
	choose_path(r, c);
}

static uint32_t works_on(const struct run *r)
{
	const struct sim_conf *c = &r->s->conf;

	return (c->carriers == CARRIERS_AUTO ||
		c->carriers == CARRIERS_OWN) && c->own >= 64 &&
	       (!c->nat.quota);
}

bool world_own(struct run *r, uint32_t edge)
{
	(void)edge;
	for (int i = 0; i < NATS; i++)
		if (nats[i].name == r->nat)
			return nats[i].own && works_on(r);
	return false;
}

bool world_own_udp(struct run *r, uint32_t edge)
{
	const struct nat_conf *n = &sim_nat(r->s, edge)->conf;

	return !n->drop_udp && !n->drop_own && works_on(r);
}
