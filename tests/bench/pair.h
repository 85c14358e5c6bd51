/* SPDX-License-Identifier: MIT
 *
 * pair.h - one hub engine and many edge engines, wired by function calls
 */
#ifndef TESTS_BENCH_PAIR_H
#define TESTS_BENCH_PAIR_H

#include "core/state.h"

enum { EDGES = 64, PACKET_BYTES = 2300 };

/** struct meter - time spent in calls; @worst: of a single one */
struct meter {
	double ns, worst, calls;
};

/** struct packet - an inner packet; @edge: whose it is */
struct packet {
	uint32_t edge;
	size_t len;
	uint8_t bytes[FRAME_HEADROOM + 128];
};

struct node {
	struct engine *e;
	struct engine_conf conf;
	uint8_t *memory;
	size_t bytes;
	uint32_t addr;
};

/** struct carried - what one engine has for the other */
struct carried {
	enum out_kind kind;
	uint32_t edge;
	struct taddr4 from, to;
	size_t len;
	uint8_t bytes[FRAME_HEADROOM + PACKET_BYTES + 64];
};

struct pair {
	struct node hub, edge[EDGES];
	struct carried *up, *down;	/* what waits for the other side */
	uint32_t ups, downs;
	msec now;
	uint64_t seed;
	uint32_t epochs;
};

/** pair_init() - A hub of this size, and edges with control, shared and a
 * proven path for own TCP
 */
void pair_init(struct pair *p, uint32_t sessions, uint32_t own);
uint32_t pair_random(struct pair *p);
struct addr6 pair_host(uint32_t edge, uint32_t n);
struct addr6 pair_peer(uint32_t n);
/** pair_up() - Packets of hosts: through their edges, then the hub */
void pair_up(struct pair *p, const struct packet *in, uint32_t count,
	     struct meter *edge, struct meter *hub);
/** pair_down() - Packets of peers, through the hub; @m: of its calls for the
 * packets themselves
 */
void pair_down(struct pair *p, const struct packet *in, uint32_t count,
	       struct meter *m);
/** pair_settle() - Timers and messages until nothing is due now; @m: of the
 * hub's engine_tick(), may be NULL
 */
void pair_settle(struct pair *p, struct meter *m);
/** pair_revoke() - Hub: the edge is revoked, its connection ends */
void pair_revoke(struct pair *p, uint32_t edge, struct meter *m);
/** pair_restart() - The edge's daemon starts anew and connects */
void pair_restart(struct pair *p, uint32_t edge, struct meter *m);
/** pair_resident() - Bytes of the hub's memory that are in RAM */
size_t pair_resident(const struct pair *p);
/** pair_own() - Own carriers of the hub that are up */
uint32_t pair_own(const struct pair *p);
void packet_udp(struct packet *to, const struct addr6 *src,
		const struct addr6 *dst, uint16_t sport, uint16_t dport);
void packet_tcp(struct packet *to, const struct addr6 *src,
		const struct addr6 *dst, uint16_t sport, uint16_t dport,
		uint8_t flags, uint32_t seq, uint32_t ack, size_t payload);

#endif
