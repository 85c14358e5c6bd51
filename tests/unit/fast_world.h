/* SPDX-License-Identifier: MIT
 *
 * fast_world.h - one session of the fast path: what its tests share. Places are
 * filled by core/fast.c itself
 */
#ifndef TESTS_UNIT_FAST_WORLD_H
#define TESTS_UNIT_FAST_WORLD_H

#include <time.h>

#include "core/csum.h"
#include "core/fast.c"
#include "net/fast.c"
#include "tests/unit/labns.h"
#include "tests/unit/packets.h"

enum way { OUT, IN };
enum { ROOM = 4096, HOP = 61, SLOT = 3, START_SEQ = 0xfffffc00,
	SEC_NS = 1000000000 };

/** struct world - the maps, both programs, one session and one packet
 * @l3: its IP header, @l4: behind that
 */
struct world {
	struct fast fast;
	int prog[2];
	struct fast_flow *flow;
	struct fast_keys keys;
	struct carrier c;
	uint64_t seed;
	enum way way;
	uint8_t proto;
	uint8_t frame[MAC_BYTES + FRAME_HEADROOM + ROOM];
	uint8_t *l3, *l4;
	size_t len;
	uint32_t gso;
	uint8_t got[MAC_BYTES + ROOM];
	size_t got_len;
};

static struct world w;
static struct engine engine;
static struct link its_link;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SEC_NS + (uint64_t)t.tv_nsec;
}

static inline uint32_t rand32_of(uint64_t *seed)
{
	return (uint32_t)test_rand(seed);
}

/* -- the session -------------------------------------------------------------- */

static void flow_keys(struct fast_keys *k, const struct fast_flow *f)
{
	*k = (struct fast_keys){
		.inner = { .sport = f->sport, .dport = f->dport,
			   .proto = f->proto },
		.outer = { f->remote, f->local, f->remote_port, f->local_port,
			   f->proto },
		.slot = SLOT };
	memcpy(k->inner.src, f->src, 16);
	memcpy(k->inner.dst, f->dst, 16);
}

static void session_between(const struct tuple6 *in, const struct tuple4 *out)
{
	struct tuple6 in_back = { in->dst, in->src, in->dport, in->sport,
		in->proto };
	struct tuple4 out_back = { out->dst, out->src, out->dport, out->sport,
		out->proto };

	w.proto = out->proto;
	w.c = (struct carrier){ .proto = out->proto,
		.local = { out->src, out->sport },
		.remote = { out->dst, out->dport } };
	xlat_outer_init(&w.c.out, in, out);
	xlat_inner_init(&w.c.in, &out_back, &in_back, HOP - 3,
			rand32_of(&w.seed) & 0xfffff);
	its_link = (struct link){ .my_number = 0x123456,
		.peer_number = 0x654321 };
	fast_set(&w.fast, &w.keys, false);
	fill(&engine, &w.c, w.flow);
	flow_keys(&w.keys, w.flow);
	ck_assert_int_eq(fast_set(&w.fast, &w.keys, true), 0);
}

/* Any addresses and ports (ours is in the range 61000 to 65535). */
static inline void session_of(uint8_t proto)
{
	struct tuple6 in;
	struct tuple4 out = { rand32_of(&w.seed), rand32_of(&w.seed),
		(uint16_t)(61000 + test_rand(&w.seed) % 4536),
		(uint16_t)test_rand(&w.seed), proto };

	test_fill(&w.seed, (uint8_t *)&in, sizeof(in));
	in.proto = proto;
	session_between(&in, &out);
}

/* The place as the engine leaves it: the stream is at START_SEQ both ways. */
static void flow_on(void)
{
	struct fast_flow *f = w.flow;

	f->on = 7;
	f->hop_out = HOP;
	f->hop_in = w.c.in.hop;
	f->max_inner = 1500;
	f->window = 65535u << 14;
	f->idle_ns = 20ull * SEC_NS;
	f->out = f->in = (struct fast_side){ .at_ns = now_ns(),
		.end = START_SEQ, .ack = START_SEQ, .ts = 1000, .win = 500 };
	w.fast.flow[FAST_ALL].in.at_ns = 0;
}

static void init_world(void)
{
	w.seed = 4711;
	ck_assert_int_eq(fast_init(&w.fast, 8, false), 0);
	w.flow = &w.fast.flow[SLOT];
	engine.link = &its_link;
}

#endif
