/* SPDX-License-Identifier: MIT
 *
 * pipe.c - TLS connections between an edge and the hub, as pipes
 *
 * A pipe keeps the order of messages and loses none; the hub's end opens after
 * two round trips, the edge's half a round trip later. Either end may be closed
 * by its daemon, or both may be cut.
 *
 * While the path is closed messages wait, as TCP would repeat them; who waits
 * longer than GIVE_UP_MS (TCP_USER_TIMEOUT of the daemons) closes its end. What
 * the NAT has forgotten (conf.whole) is lost for good: nothing passes, nobody is
 * told, and each end closes when it has waited, or after DEAD_MS (the kernel of
 * the far end answers with RST sooner or later).
 */
#include "tests/sim/net.h"

#include <stdio.h>
#include <stdlib.h>

enum { GIVE_UP_MS = 20 * 1000, DEAD_MS = 300 * 1000, AGAIN_MS = 500,
	RELAY_HELD = 16, FIRST_PORT = 20000 };

struct dial {
	uint32_t edge;
	enum conn_kind kind;
	bool fresh;
};

static bool stalled(const struct sim *s, uint32_t edge)
{
	const struct path *p = &s->path[edge];

	return p->down || p->no_tcp || p->no_control;
}

void pipe_dial(struct sim *s, uint32_t edge, enum conn_kind kind, msec wait)
{
	struct dial *d = malloc(sizeof(*d));

	*d = (struct dial){ edge, kind, false };
	sim_at(s, wait, pipe_connect, d);
}

void pipe_fresh(struct sim *s, uint32_t edge)
{
	struct dial *d = malloc(sizeof(*d));

	*d = (struct dial){ edge, CONN_CONTROL, true };
	sim_at(s, 0, pipe_connect, d);
}

static struct node *end_of(struct sim *s, const struct pipe *p, int end)
{
	return end == UP ? &s->edge[p->edge] : &s->hub;
}

/* One is open at the edge (which @fresh is to replace), or about to be. */
static bool has_pipe(const struct sim *s, const struct dial *d)
{
	for (uint32_t i = 0; i < s->pipes; i++)
		if (s->pipe[i].used && s->pipe[i].edge == d->edge &&
		    s->pipe[i].kind == d->kind &&
		    ((s->pipe[i].open[UP] && !d->fresh) ||
		     (!s->pipe[i].last[UP] && !s->pipe[i].lost)))
			return true;
	return false;
}

static void close_end(struct sim *s, struct pipe *p, int end);

static void end_up(struct sim *s, void *arg)
{
	close_end(s, arg, UP);
}

static void end_down(struct sim *s, void *arg)
{
	close_end(s, arg, DOWN);
}

static void open_end(struct sim *s, struct pipe *p, int end)
{
	struct node *n = end_of(s, p, end);
	struct engine_peer peer = { .name = "hub" };

	if (!p->used)
		return;
	if (p->lost || stalled(s, p->edge)) {
		p->lost = true;
		if (end == DOWN)
			return;
		p->used = p->open[DOWN];
		pipe_dial(s, p->edge, p->kind, AGAIN_MS);
		sim_at(s, DEAD_MS, end_down, p);
		return;
	}
	if (end == DOWN) {
		snprintf(peer.name, sizeof(peer.name), "edge%u", p->edge);
		peer.prefix = s->edge[p->edge].conf.prefix;
	}
	p->open[end] = true;
	p->last[end] = s->now;
	sim_trace(s, 2, "pipe %u, kind %d, opens at %s",
		  (uint32_t)(p - s->pipe), p->kind, sim_name(n));
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

void pipe_connect(struct sim *s, void *arg)
{
	struct dial d = *(struct dial *)arg;
	struct node *n = &s->edge[d.edge];
	struct pipe *p;

	free(arg);
	sim_trace(s, 2, "edge%u dials, kind %d%s", d.edge, d.kind,
		  has_pipe(s, &d) ? ", but has one" : "");
	if (n->stopped || has_pipe(s, &d) ||
	    (d.kind == CONN_RELAY && !n->want_relay))
		return;
	if (n->blocked || s->hub.stopped || s->pipes == SIM_PIPES ||
	    stalled(s, d.edge)) {
		pipe_dial(s, d.edge, d.kind, AGAIN_MS);
		return;
	}
	p = &s->pipe[s->pipes];
	*p = (struct pipe){ .edge = d.edge, .kind = d.kind };
	p->conn[UP] = free_conn(s, UP, d.edge);
	p->conn[DOWN] = free_conn(s, DOWN, d.edge);
	if (p->conn[UP] == NONE || p->conn[DOWN] == NONE) {
		pipe_dial(s, d.edge, d.kind, AGAIN_MS);
		return;
	}
	p->port = (uint16_t)(FIRST_PORT + s->pipes++);
	p->used = true;
	if (s->conf.whole)
		nat_control(s, sim_nat(s, d.edge), n->addr, p->port, true);
	sim_at(s, 4 * s->conf.delay, open_down, p);
	sim_at(s, 5 * s->conf.delay, open_up, p);
}

static void close_end(struct sim *s, struct pipe *p, int end)
{
	struct node *n = end_of(s, p, end);

	if (!p->used || !p->open[end])
		return;
	p->open[end] = false;
	sim_trace(s, 2, "pipe %u, kind %d, closes at %s%s",
		  (uint32_t)(p - s->pipe), p->kind, sim_name(n),
		  p->lost ? ", lost" : "");
	engine_conn_closed(n->e, p->conn[end], s->now);
	pump(n);
	if (!p->open[!end])
		p->used = false;
	if (end == UP && (p->kind == CONN_CONTROL || n->want_relay))
		pipe_dial(s, p->edge, p->kind, AGAIN_MS);
}

/* What was sent before arrives before. */
msec pipe_order(struct sim *s, struct pipe *p, int from)
{
	msec at = s->now + s->conf.delay;

	if (at < p->last[from])
		at = p->last[from];
	p->last[from] = at;
	return at - s->now;
}

struct pipe *pipe_at(struct sim *s, const struct node *n, uint32_t conn)
{
	int end = sim_is_hub(n) ? DOWN : UP;

	for (uint32_t i = 0; i < s->pipes; i++)
		if (s->pipe[i].used && s->pipe[i].open[end] &&
		    s->pipe[i].conn[end] == conn &&
		    (sim_is_hub(n) || s->pipe[i].edge == n->index))
			return &s->pipe[i];
	return NULL;
}

void pipe_close(struct sim *s, struct node *n, uint32_t conn)
{
	struct pipe *p = pipe_at(s, n, conn);

	if (!p)
		return;
	sim_at(s, 0, sim_is_hub(n) ? end_down : end_up, p);
	if (p->lost || stalled(s, p->edge)) { /* it will learn it late */
		p->lost = true;
		sim_at(s, DEAD_MS, sim_is_hub(n) ? end_up : end_down, p);
		return;
	}
	sim_at(s, pipe_order(s, p, sim_is_hub(n) ? DOWN : UP),
	       sim_is_hub(n) ? end_up : end_down, p);
}

/* The other end dies. If segments pass, this one hears at once. */
static void end_dies(struct sim *s, struct pipe *p, int end, bool told)
{
	bool late = p->lost || stalled(s, p->edge);

	if (!told) {
		p->open[end] = false;
	} else if (late && p->open[end]) {
		p->lost = true;
		sim_at(s, end == UP ? GIVE_UP_MS : DEAD_MS,
		       end == UP ? end_up : end_down, p);
	} else {
		close_end(s, p, end);
	}
}

void pipe_cut(struct sim *s, uint32_t edge, bool up, bool down)
{
	for (uint32_t i = 0; i < s->pipes; i++) {
		struct pipe *p = &s->pipe[i];

		if (!p->used || p->edge != edge)
			continue;
		if (!p->open[UP] && up) /* it was about to open */
			pipe_dial(s, edge, p->kind, AGAIN_MS);
		end_dies(s, p, UP, up);
		end_dies(s, p, DOWN, down);
		p->used = p->open[UP] || p->open[DOWN];
	}
}

void pipe_lose(struct sim *s, uint32_t edge)
{
	for (uint32_t i = 0; i < s->pipes; i++) {
		struct pipe *p = &s->pipe[i];

		if (!p->used || p->edge != edge || p->lost)
			continue;
		p->lost = true;
		sim_at(s, DEAD_MS, end_down, p);
		close_end(s, p, UP);
	}
}

void sim_control(struct sim *s, uint32_t edge, bool may)
{
	s->edge[edge].blocked = !may;
	if (!may)
		pipe_cut(s, edge, true, true);
}

/* -- messages ---------------------------------------------------------------- */

static void waited(struct sim *s, struct pipe *p, int end)
{
	if (!p->used || !p->waits[end] ||
	    s->now - p->waits[end] < GIVE_UP_MS)
		return;
	p->lost = true;
	close_end(s, p, end);
	sim_at(s, DEAD_MS, end == UP ? end_down : end_up, p);
}

static void waited_up(struct sim *s, void *arg)
{
	waited(s, arg, UP);
}

static void waited_down(struct sim *s, void *arg)
{
	waited(s, arg, DOWN);
}

static void begin_wait(struct sim *s, struct pipe *p, enum dir from)
{
	if (p->waits[from])
		return;
	p->waits[from] = s->now;
	sim_at(s, GIVE_UP_MS, from == UP ? waited_up : waited_down, p);
}

static uint32_t held_of(const struct sim *s, uint32_t pipe)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->held_count; i++)
		count += s->held[i]->pipe == pipe;
	return count;
}

void pipe_carry(struct sim *s, struct wire *w)
{
	struct pipe *p = &s->pipe[w->pipe];

	if (s->trace > 1)
		sim_trace(s, 2, "%s pipe %u: %s%s", w->dir == UP ? "up  " :
			  "down", w->pipe, msg_name(wire_at(w)[2]),
			  p->lost ? " LOST" : p->waits[w->dir] ? " waits" : "");
	if (s->conf.whole && !p->lost &&
	    !nat_control(s, sim_nat(s, p->edge), s->edge[p->edge].addr,
			 p->port, false))
		p->lost = true;
	if (!p->lost && !stalled(s, p->edge) && !p->waits[w->dir]) {
		sim_at(s, pipe_order(s, p, w->dir), sim_arrives, w);
		return;
	}
	begin_wait(s, p, w->dir);
	if (p->lost || s->held_count == SIM_HELD ||
	    (p->kind == CONN_RELAY && held_of(s, w->pipe) >= RELAY_HELD)) {
		p->lost |= s->held_count == SIM_HELD;
		free(w);
	} else {
		s->held[s->held_count++] = w;
	}
}

void pipe_release(struct sim *s, uint32_t edge)
{
	uint32_t kept = 0, count = s->held_count;

	if (stalled(s, edge))
		return;
	s->held_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct wire *w = s->held[i];
		struct pipe *p = &s->pipe[w->pipe];

		if (p->edge != edge) {
			s->held[kept++] = w;
		} else if (p->lost) {
			free(w);
		} else { /* TCP repeats it, in doubling intervals */
			msec late = s->now - p->waits[w->dir];
			msec at = s->now + rand_below(&s->rand,
						      (uint32_t)late + 1);

			if (p->last[w->dir] < at)
				p->last[w->dir] = at;
			sim_at(s, pipe_order(s, p, w->dir), sim_arrives, w);
		}
	}
	s->held_count = kept;
	for (uint32_t i = 0; i < s->pipes; i++)
		if (s->pipe[i].edge == edge && !s->pipe[i].lost)
			s->pipe[i].waits[UP] = s->pipe[i].waits[DOWN] = 0;
}
