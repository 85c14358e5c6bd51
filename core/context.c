/* SPDX-License-Identifier: MIT
 *
 * context.c - numbers that stand for left-out header fields (design 3.2)
 *
 * Theory of operation
 * ===================
 * Two independent tables. tx: what we would like to leave out and the number
 * the receiver gave us for it. rx: the numbers we gave. Twins: context_for()
 * asks, context_asked() answers, context_told() notes the answer.
 *
 * The receiver chooses numbers, at random, so nobody can guess one and a
 * number of a former process means nothing. A number that was forgotten rests
 * for four minutes before it can be given again: a packet that was under way
 * all the time cannot come out as somebody else's.
 *
 * Each context stands in a list of its link, oldest first. When what a link
 * knew ends (the other end is a new process), its era does: contexts of former
 * eras mean nothing from then on and are given back in pieces (context_sweep()).
 *
 * Full: the sender takes the place of its least recently used context among a
 * few (and says FORGET); the receiver refuses with number 0, and the sender
 * stays explicit for that pair until it asks again after a while. At a hub a
 * link gets a quarter of each table at most, and a number that rests counts as
 * its own: no edge can use up the others' by asking and forgetting.
 *
 * A lost connection may swallow FORGET or the answer. So who asks again for
 * the same fields gets the same number, an answer to nothing is answered with
 * FORGET, and a receiver at its limit gives up what was not used for IDLE_MS
 * (and says UNKNOWN): nothing stays behind for good.
 */
#include "core/state.h"

enum { ASK_AGAIN_MS = 3000, EVICT_TRIES = 8, PLACE_TRIES = 64,
	LINK_SHARE = 4, IDLE_MS = 10 * 60 * 1000 };

/** struct fields - what a context stands for */
struct fields {
	uint32_t link;
	const struct addr6 *host, *peer;
	uint8_t nh, hop;
};

static uint32_t hash_fields(const struct engine *e, const struct fields *f)
{
	uint8_t key[38];

	put32(key, f->link);
	memcpy(key + 4, f->host, 16);
	memcpy(key + 20, f->peer, 16);
	key[36] = f->nh;
	key[37] = f->hop;
	return hash_bytes(e, key, sizeof(key));
}

static bool is_valid(const struct engine *e, const struct context *c)
{
	return c->used && c->era == e->link[c->link].era;
}

static void chain_in(struct chain *list, struct context *all, uint32_t n)
{
	struct context *c = &all[n];

	c->prev = list->last;
	c->next = NONE;
	if (c->prev != NONE)
		all[c->prev].next = n;
	else
		list->first = n;
	list->last = n;
}

static void chain_out(struct chain *list, struct context *all, uint32_t n)
{
	struct context *c = &all[n];

	if (c->prev != NONE)
		all[c->prev].next = c->next;
	else
		list->first = c->next;
	if (c->next != NONE)
		all[c->next].prev = c->prev;
	else
		list->last = c->prev;
}

/* Of numbers that the other end chooses: keyed. */
static uint32_t hash_number(const struct engine *e, uint32_t link,
			    uint32_t number)
{
	uint8_t key[8];

	put32(key, link);
	put32(key + 4, number);
	return hash_bytes(e, key, sizeof(key));
}

/* The valid context of @f among @all, indexed by @t; NONE if there is none. */
static uint32_t find_fields(const struct engine *e, const struct table *t,
			    const struct context *all, const struct fields *f)
{
	uint32_t n = table_first(t, hash_fields(e, f));

	for (; n != NONE; n = table_next(t, n))
		if (all[n].link == f->link && all[n].nh == f->nh &&
		    all[n].hop == f->hop && is_valid(e, &all[n]) &&
		    addr6_eq(&all[n].host, f->host) &&
		    addr6_eq(&all[n].peer, f->peer))
			return n;
	return NONE;
}

static uint32_t most_of(const struct engine *e)
{
	return is_edge(e) ? e->conf.contexts : e->conf.contexts / LINK_SHARE;
}

/* -- tx ------------------------------------------------------------------- */

static void tell_forget(struct engine *e, struct link *l, uint32_t number)
{
	struct msg m = { .type = MSG_FORGET, .u.forget = { .number = number } };

	if (number)
		out_message(e, l, &m);
}

static void ask(struct engine *e, struct link *l, struct context *c, msec now)
{
	struct msg m = { .type = MSG_CONTEXT, .u.context = {
		.ref = c->ref, .host = c->host, .peer = c->peer, .nh = c->nh,
		.hop = c->hop } };

	c->at = now;
	out_message(e, l, &m);
}

static void tx_drop(struct engine *e, uint32_t n)
{
	struct context *c = &e->tx[n];

	table_remove(&e->tx_key, n);
	if (c->number)
		table_remove(&e->tx_number, n);
	chain_out(&e->link[c->link].tx_list, e->tx, n);
	c->used = false;
	e->link[c->link].tx_contexts--;
}

/* A place for a new context: a free one, else the oldest of a few. */
static uint32_t tx_place(struct engine *e, const struct link *l)
{
	bool full = l->tx_contexts >= most_of(e);
	uint32_t best = NONE;

	for (int i = 0; i < EVICT_TRIES; i++) {
		uint32_t n = e->tx_cursor++ % e->conf.contexts;
		const struct context *c = &e->tx[n];

		if (!c->used && !full)
			return n;
		if (!c->used || (full && c->link != link_index(e, l)))
			continue;
		if (best == NONE || c->at < e->tx[best].at)
			best = n;
	}
	if (best == NONE)
		return NONE;
	if (is_valid(e, &e->tx[best]))
		tell_forget(e, &e->link[e->tx[best].link],
			    e->tx[best].number);
	tx_drop(e, best);
	return best;
}

static void tx_add(struct engine *e, struct link *l, const struct fields *f,
		   msec now)
{
	uint32_t n = tx_place(e, l);

	if (n == NONE)
		return;
	e->tx[n] = (struct context){ .used = true, .nh = f->nh, .hop = f->hop,
		.era = l->era, .link = f->link, .host = *f->host,
		.peer = *f->peer, .ref = n | e->next_ref++ << 20 };
	table_add(&e->tx_key, hash_fields(e, f), n);
	chain_in(&l->tx_list, e->tx, n);
	l->tx_contexts++;
	ask(e, l, &e->tx[n], now);
}

uint32_t context_for(struct engine *e, struct link *l, const struct session *s,
		     uint8_t nh, msec now)
{
	struct fields f = { link_index(e, l), &s->host, &s->peer, nh, s->hop };
	uint32_t n = find_fields(e, &e->tx_key, e->tx, &f);
	struct context *c;

	if (n == NONE) {
		tx_add(e, l, &f, now);
		return 0;
	}
	c = &e->tx[n];
	if (c->number)
		c->at = now;
	else if (now - c->at > ASK_AGAIN_MS)
		ask(e, l, c, now);
	return c->number;
}

static uint32_t tx_numbered(const struct engine *e, uint32_t link,
			    uint32_t number)
{
	uint32_t n = table_first(&e->tx_number, hash_number(e, link, number));

	while (n != NONE && (e->tx[n].number != number ||
			     e->tx[n].link != link || !is_valid(e, &e->tx[n])))
		n = table_next(&e->tx_number, n);
	return n;
}

void context_told(struct engine *e, struct link *l,
		  const struct msg_context_is *m)
{
	uint32_t n = m->ref & 0xfffff, link = link_index(e, l), same;
	struct context *c;

	if (n >= e->conf.contexts || !is_valid(e, &e->tx[n]) ||
	    e->tx[n].ref != m->ref || e->tx[n].link != link ||
	    m->number > TAG_NUMBER) {
		end_packet(e, l, DROP_STALE_MESSAGE);
		tell_forget(e, l, m->number);
		return;
	}
	same = tx_numbered(e, link, m->number);
	if (same != NONE) { /* one number, two meanings: not a thing to use */
		if (same != n)
			end_packet(e, l, DROP_BAD_MESSAGE);
		return;
	}
	c = &e->tx[n];
	if (c->number)
		table_remove(&e->tx_number, n);
	c->number = m->number;
	if (c->number)
		table_add(&e->tx_number, hash_number(e, link, c->number), n);
}

void context_unknown(struct engine *e, struct link *l, uint32_t number)
{
	uint32_t n = tx_numbered(e, link_index(e, l), number);

	if (n == NONE)
		end_packet(e, l, DROP_STALE_MESSAGE);
	else
		tx_drop(e, n);
}

/* -- rx ------------------------------------------------------------------- */

static uint32_t rx_find(const struct engine *e, uint32_t number)
{
	uint32_t n = table_first(&e->rx_number, number * 2654435761u);

	while (n != NONE && e->rx[n].number != number)
		n = table_next(&e->rx_number, n);
	return n;
}

struct context *context_find(struct engine *e, uint32_t number)
{
	uint32_t n = rx_find(e, number);

	if (n == NONE || !is_valid(e, &e->rx[n]))
		return NULL;
	e->rx[n].at = e->now;
	return &e->rx[n];
}

static void rest(struct engine *e, uint32_t n, msec now)
{
	struct context *c = &e->rx[n];

	table_remove(&e->rx_key, n);
	chain_out(&e->link[c->link].rx_list, e->rx, n);
	chain_in(&e->link[c->link].rx_resting, e->rx, n);
	c->used = false;
	c->rest_until = now + CONTEXT_REST_MS;
}

/* It rests, and counts for nobody from now on. */
static void disown(struct engine *e, uint32_t n)
{
	struct context *c = &e->rx[n];

	chain_out(&e->link[c->link].rx_resting, e->rx, n);
	e->link[c->link].contexts--;
	c->link = NONE;
}

/* It has rested: nobody's any more. */
static void release(struct engine *e, uint32_t n)
{
	struct context *c = &e->rx[n];

	table_remove(&e->rx_number, n);
	c->number = 0;
	if (c->link != NONE)
		disown(e, n);
}

static void give_up(struct engine *e, struct link *l, uint32_t n, msec now)
{
	struct msg m = { .type = MSG_UNKNOWN,
		.u.unknown = { e->rx[n].number } };

	rest(e, n, now);
	out_message(e, l, &m);
}

/* A place for a number of @l, NONE if it has its share or all is full. */
static uint32_t rx_place(struct engine *e, struct link *l, msec now)
{
	uint32_t found = NONE;

	for (int i = 0; i < PLACE_TRIES; i++) {
		uint32_t n = e->rx_cursor++ % e->conf.contexts;
		struct context *c = &e->rx[n];

		if (c->used) {
			if (l->contexts >= most_of(e) &&
			    c->link == link_index(e, l) &&
			    now - c->at > IDLE_MS)
				give_up(e, l, n, now);
			continue;
		}
		if (c->number && now < c->rest_until)
			continue;
		if (c->number)
			release(e, n);
		found = n;
		if (l->contexts < most_of(e))
			return found;
	}
	return l->contexts < most_of(e) ? found : NONE;
}

static uint32_t fresh_number(struct engine *e)
{
	uint32_t number;

	do
		number = rand32(&e->rand) & TAG_NUMBER;
	while (!number || rx_find(e, number) != NONE);
	return number;
}

void context_asked(struct engine *e, struct link *l,
		   const struct msg_context *m, msec now)
{
	struct fields f = { link_index(e, l), &m->host, &m->peer, m->nh,
		m->hop };
	struct msg answer = { .type = MSG_CONTEXT_IS,
		.u.context_is = { .ref = m->ref } };
	uint32_t n = find_fields(e, &e->rx_key, e->rx, &f);

	if (n != NONE) {
		e->rx[n].at = now;
		answer.u.context_is.number = e->rx[n].number;
		out_message(e, l, &answer);
		return;
	}
	if (!prefix6_contains(&l->prefix, &m->host) ||
	    !addr6_is_unicast(&m->peer) ||
	    prefix6_contains(&l->prefix, &m->peer))
		end_packet(e, l, DROP_SPOOFED);
	else
		n = rx_place(e, l, now);
	if (n != NONE) {
		e->rx[n] = (struct context){ .used = true, .nh = m->nh,
			.hop = m->hop, .era = l->era, .link = f.link,
			.number = fresh_number(e), .host = m->host,
			.peer = m->peer, .at = now };
		table_add(&e->rx_number, e->rx[n].number * 2654435761u, n);
		table_add(&e->rx_key, hash_fields(e, &f), n);
		chain_in(&l->rx_list, e->rx, n);
		l->contexts++;
		answer.u.context_is.number = e->rx[n].number;
	}
	out_message(e, l, &answer);
}

void context_forget(struct engine *e, struct link *l, uint32_t number, msec now)
{
	uint32_t n = rx_find(e, number);

	if (n == NONE || !is_valid(e, &e->rx[n]) ||
	    e->rx[n].link != link_index(e, l))
		end_packet(e, l, DROP_STALE_MESSAGE);
	else
		rest(e, n, now);
}

/* -- ends ----------------------------------------------------------------- */

void context_new_era(struct engine *e, struct link *l, msec now)
{
	if (l->tx_list.first == NONE && l->rx_list.first == NONE)
		return;
	l->era++;
	link_due(e, l, TIMER_SWEEP, now);
}

bool context_sweep(struct engine *e, struct link *l, uint32_t most, msec now)
{
	bool more = true;

	while (more && most--) {
		uint32_t tx = l->tx_list.first, rx = l->rx_list.first;

		more = false;
		if (tx != NONE && !is_valid(e, &e->tx[tx])) {
			tx_drop(e, tx);
			more = true;
		}
		if (rx != NONE && !is_valid(e, &e->rx[rx])) {
			rest(e, rx, now);
			more = true;
		}
		if (l->ending && l->rx_resting.first != NONE) {
			disown(e, l->rx_resting.first);
			more = true;
		}
	}
	return !more;
}
