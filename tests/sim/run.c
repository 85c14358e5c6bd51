/* SPDX-License-Identifier: MIT
 *
 * run.c - leads a seed through its four parts
 */
#include "tests/sim/run.h"

/* Limits of time, in ms. RECOVER: an end point's own back-off is 8 s at most.
 * BEST: a probe that failed for a minute comes again after another; a carrier
 * that failed in a row waits up to 64 s.
 */
enum { UP_MOST = 12 * 1000, RECOVER_MOST = 30 * 1000, BEST_MOST = 400 * 1000,
	BEST_STEP = 2000, BEST_BYTES = 20000, SETTLE = 3000,
	EMPTY = 6 * 60 * 1000, DAY = 25 * 3600 * 1000, EVENTS_MOST = 2000000 };

static bool links_up(struct sim *s, void *run)
{
	(void)s;
	return !law_links(run);
}

static void start(struct run *r)
{
	struct sim *s = r->s;
	bool hub_first = rand_below(&r->world, 2);

	if (hub_first)
		sim_boot(s, &s->hub);
	for (uint32_t i = 0; i < s->conf.edges; i++) {
		sim_boot(s, &s->edge[i]);
		sim_run(s, rand_below(&r->world, 1000));
	}
	if (!hub_first)
		sim_boot(s, &s->hub);
	if (!sim_run_until(s, links_up, r, UP_MOST))
		sim_error(s, "links are not up soon");
	sim_run(s, rand_below(&r->world, 3000));
}

static void storm(struct run *r)
{
	struct sim *s = r->s;

	s->taker = load_taker;
	load_start(r, r->storm);
	faults_start(r, r->storm);
	while (s->now < r->calm_at && !s->errors) {
		sim_run(s, r->calm_at - s->now < 1000 ? r->calm_at - s->now :
			1000);
		law_tables(r);
		if (s->order > EVENTS_MOST)
			sim_error(s, "a storm of packets");
	}
	s->hook = NULL;
	load_calm(r);
	sim_trace(s, 1, "CALM");
}

/* A window that was lost is repeated by our TCP in one segment per round trip.
 * Return: they have, or else the run is over.
 */
static bool arrived(struct run *r)
{
	msec rtt = 2 * (r->s->conf.delay + r->s->conf.far);

	if (load_done(r->s, r) ||
	    sim_run_until(r->s, load_done, r, RECOVER_MOST + 100 * rtt))
		return true;
	sim_error(r->s, "bytes have not arrived");
	return false;
}

/* Links may still change their mappings; then they are up for a while. */
static void settled(struct run *r)
{
	struct sim *s = r->s;

	for (int i = 0; i < 10; i++) {
		sim_run_until(s, links_up, r, UP_MOST);
		sim_run(s, SETTLE);
		if (links_up(s, r))
			return;
	}
	sim_error(s, "links are not up in calm");
}

static void calm(struct run *r)
{
	struct sim *s = r->s;
	msec begin = s->now;

	if (!arrived(r))
		return;
	r->recovery = s->now - begin;
	sim_trace(s, 1, "every byte has arrived");
	law_tables(r);
	while (!s->errors && law_best(r) && s->now - begin < BEST_MOST) {
		load_more(r, BEST_BYTES, false);
		sim_run(s, BEST_STEP);
	}
	if (law_best(r)) {
		sim_error(s, law_best(r));
		return;
	}
	r->best = s->now - begin;
	r->best_at = s->now;
	sim_trace(s, 1, "all are on their best carrier");
	load_more(r, BEST_BYTES, r->seed & 1);
	if (!arrived(r))
		return;
	settled(r);
	law_tables(r);
	law_equal(r);
	law_followed(r);
	law_marks(r);
}

static void quiet(struct run *r)
{
	struct sim *s = r->s;
	r->slept = r->seed % 64 == 0;
	if (!r->slept)
		load_end(r);
	sim_trace(s, 1, "QUIET");
	sim_run(s, r->slept ? DAY : EMPTY);
	law_tables(r);
	law_empty(r);
}

static void source(struct rand *to, uint64_t seed, uint8_t which)
{
	uint8_t bytes[32] = { which };

	put64(bytes + 8, seed);
	rand_init(to, bytes);
}

const char *run_seed(struct run *r, uint64_t seed, int trace)
{
	static void (*const part[])(struct run *) = { start, storm, calm,
		quiet };
	struct sim_conf c;
	const char *error;

	memset(r, 0, sizeof(*r));
	r->seed = seed;
	source(&r->world, seed, 1);
	source(&r->load, seed, 2);
	source(&r->fault, seed, 3);
	world_make(r, &c);
	r->s = sim_new(&c);
	r->s->run = r;
	r->s->trace = trace;
	sim_trace(r->s, 1, "seed %llu: %s; %u edges, %u NATs, inbound %s, "
		  "delay %llu, jitter %llu, loss %u, dup %u, MTU %u%s",
		  (unsigned long long)seed, r->nat, r->s->conf.edges,
		  r->s->conf.nats, c.inbound,
		  (unsigned long long)c.delay, (unsigned long long)c.jitter,
		  c.loss, c.twice, r->s->conf.mtu,
		  c.black_hole ? " (black hole)" : "");
	for (int i = 0; i < 4 && !r->s->errors; i++)
		part[i](r);
	if (r->s->errors)
		law_show(r);
	error = r->s->error;
	sim_free(r->s);
	r->s = NULL;
	return error;
}
