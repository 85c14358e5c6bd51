/* SPDX-License-Identifier: MIT
 *
 * run.h - one seed: a world, its traffic, its troubles, its laws
 *
 * Theory of operation
 * ===================
 * A run has four parts. run.c leads through them; the seed decides the rest.
 *
 *	start	hub and edges boot, in any order (worlds.c: what kind of NAT,
 *		path, policy, sizes of tables)
 *	storm	TCP users, UDP flows and intruders come and go (load.c) while
 *		troubles begin and end (faults.c)
 *	calm	all troubles have ended: every byte must arrive soon, every
 *		session get back to its best carrier, both ends agree
 *	quiet	all is closed: sessions, carriers and mappings go away
 *
 * Laws (laws.c) are of two kinds: those that must hold at the end of a part,
 * and those that the network watches on every packet (net.c, ends.c: bytes,
 * checksums, prefixes, idle carriers, strangers, RSTs that nobody sent).
 *
 * Choices are drawn from separate sources for the world, the traffic and the
 * troubles, each made from the seed, and the network has one more: a change in
 * one of them leaves the choices of the others as they were.
 */
#ifndef TESTS_SIM_RUN_H
#define TESTS_SIM_RUN_H

#include "tests/sim/net.h"

enum { USERS = 24, FLOWS = 8, FLOW_PACKETS = 4096, RECORDS = 64, HOSTS = 3,
	TROUBLES = 12 };

struct run;

/** struct plan - how a TCP user behaves
 * @steps, @bytes, @pause: least and most; @end: what comes after the last step
 */
enum plan_end { STAYS, FINISHES, ABORTS };
struct plan {
	const char *name;
	uint32_t weight, steps[2], bytes[2], pause[2];
	enum plan_end end;
};

struct user {
	struct run *r;
	struct tcp *t;
	const struct plan *plan;
	enum dir first;
	uint32_t steps;
	bool ended;
};

/** struct flow - datagrams of one 5-tuple; index: direction
 * @got: a bit per datagram
 */
struct flow {
	struct run *r;
	uint32_t id, edge, size, next[2];
	struct addr6 host, peer;
	uint16_t host_port, peer_port;
	msec gap, until;
	bool both, answered;
	enum dir first;
	uint8_t got[2][FLOW_PACKETS / 8];
	uint64_t arrived[2];
};

/** struct trouble - something that goes wrong on the way of an edge, or with a
 * daemon, for a while
 */
struct trouble {
	struct run *r;
	const struct fault *fault;
	uint32_t edge;
	msec length;
};

struct run {
	struct sim *s;
	uint64_t seed;
	struct rand world, load, fault;
	const char *nat;
	bool open;			/* inbound is allowed */
	bool slept;			/* for a day */
	uint32_t house;			/* mappings of other people */
	msec storm;			/* length */
	msec calm_at;			/* when the last trouble ended */
	msec best_at;			/* when all had their best carrier */
	struct user user[USERS];
	uint32_t users;
	struct flow flow[FLOWS];
	uint32_t flows;
	struct trouble trouble[TROUBLES];
	uint32_t troubles;
	struct wire record[RECORDS];	/* what an attacker has seen */
	uint32_t records;
	bool racing;			/* he copies what he sees at once */
	/* what was measured */
	msec recovery;			/* all bytes there after calm_at */
	msec best;			/* all on their best carrier, likewise */
};

/* -- worlds.c ------------------------------------------------------------- */

/** world_make() - Choose the network of r->seed */
void world_make(struct run *r, struct sim_conf *c);
/** world_own() - May own TCP carriers be expected in the end? */
bool world_own(struct run *r, uint32_t edge);
/** world_own_udp() - The same of own UDP */
bool world_own_udp(struct run *r, uint32_t edge);
uint32_t between(struct rand *from, const uint32_t range[2]);
uint32_t choose(struct rand *from, uint32_t least, uint32_t most);

/* -- load.c ----------------------------------------------------------------- */

/** load_start() - Users and flows begin within the next @ms */
void load_start(struct run *r, msec ms);
/** load_calm() - Nobody says anything of his own accord any more */
void load_calm(struct run *r);
/** load_done() - Has every byte of every user arrived? */
bool load_done(struct sim *s, void *run);
/** load_more() - Each user that stays writes, both ways; @beside: with fewer hops
 * left, so that it may not take the own carrier
 */
void load_more(struct run *r, uint32_t bytes, bool beside);
void load_end(struct run *r);
/** load_taker() - Accounts for UDP */
bool load_taker(struct sim *s, enum dir d, uint32_t edge, const struct pkt *p);
/** flow_send() - The next datagram */
void flow_send(struct flow *f, enum dir d);

/* -- faults.c ----------------------------------------------------------------- */

void faults_start(struct run *r, msec ms);

/* -- laws.c ------------------------------------------------------------------- */

/** law_tables() - What an engine remembers agrees with itself */
void law_tables(struct run *r);
/** law_equal() - Both ends of every link remember the same */
void law_equal(struct run *r);
/** law_links() - NULL, or what is not up of a link */
const char *law_links(struct run *r);
/** law_best() - NULL, or what is not on its best carrier */
const char *law_best(struct run *r);
/** law_followed() - NATs that follow TCP dropped nothing that was well sent */
void law_followed(struct run *r);
/** law_marks() - What went beside an own carrier is known to its other end */
void law_marks(struct run *r);
/** law_show() - Trace all sessions */
void law_show(struct run *r);
/** law_empty() - Nothing is left */
void law_empty(struct run *r);

/* -- run.c ---------------------------------------------------------------------- */

/** run_seed() - NULL, or the first law that was broken; @trace: see net.h */
const char *run_seed(struct run *r, uint64_t seed, int trace);

#endif
