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
 * Full: the sender takes the place of its least recently used context among a
 * few (and says FORGET); the receiver refuses with number 0, and the sender
 * stays explicit for that pair until it asks again after a while.
 */
#include "core/state.h"

enum { ASK_AGAIN_MS = 3000, EVICT_TRIES = 8, PLACE_TRIES = 256,
	LINK_SHARE = 4 };

static uint32_t hash_tx(const struct engine *e, uint32_t link,
			const struct session *s, const uint8_t nh_hop[2])
{
	uint8_t key[38];

	put32(key, link);
	memcpy(key + 4, &s->host, 16);
	memcpy(key + 20, &s->peer, 16);
	memcpy(key + 36, nh_hop, 2);
	return hash_bytes(e, key, sizeof(key));
}

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

/* A place for a new context: a free one, else the oldest of a few. */
static uint32_t tx_place(struct engine *e)
{
	uint32_t best = NONE;

	for (int i = 0; i < EVICT_TRIES; i++) {
		uint32_t n = e->tx_cursor++ % e->conf.contexts;

		if (!e->tx[n].used)
			return n;
		if (best == NONE || e->tx[n].at < e->tx[best].at)
			best = n;
	}
	table_remove(&e->tx_key, best);
	tell_forget(e, &e->link[e->tx[best].link], e->tx[best].number);
	return best;
}

uint32_t context_for(struct engine *e, struct link *l, const struct session *s,
		     uint8_t nh, msec now)
{
	uint8_t nh_hop[2] = { nh, s->hop };
	uint32_t link = link_index(e, l);
	uint32_t hash = hash_tx(e, link, s, nh_hop);
	uint32_t n = table_first(&e->tx_key, hash);
	struct context *c;

	for (; n != NONE; n = table_next(&e->tx_key, n)) {
		c = &e->tx[n];
		if (c->link == link && c->nh == nh && c->hop == s->hop &&
		    addr6_eq(&c->host, &s->host) &&
		    addr6_eq(&c->peer, &s->peer)) {
			if (c->number)
				c->at = now;
			else if (now - c->at > ASK_AGAIN_MS)
				ask(e, l, c, now);
			return c->number;
		}
	}
	n = tx_place(e);
	c = &e->tx[n];
	*c = (struct context){ .used = true, .nh = nh, .hop = s->hop,
		.link = link, .host = s->host, .peer = s->peer,
		.ref = n | e->next_ref++ << 20 };
	table_add(&e->tx_key, hash, n);
	ask(e, l, c, now);
	return 0;
}

void context_told(struct engine *e, struct link *l,
		  const struct msg_context_is *m)
{
	uint32_t n = m->ref & 0xfffff;

	if (n >= e->conf.contexts || !e->tx[n].used ||
	    e->tx[n].ref != m->ref || e->tx[n].link != link_index(e, l) ||
	    m->number > TAG_NUMBER) {
		end_packet(e, l, DROP_STALE_MESSAGE);
		return;
	}
	e->tx[n].number = m->number;
}

void context_unknown(struct engine *e, struct link *l, uint32_t number)
{
	for (uint32_t n = 0; n < e->conf.contexts; n++) {
		struct context *c = &e->tx[n];

		if (c->used && c->number == number &&
		    c->link == link_index(e, l)) {
			table_remove(&e->tx_key, n);
			c->used = false;
			return;
		}
	}
}

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

	return n == NONE || !e->rx[n].used ? NULL : &e->rx[n];
}

/* A free place whose number has rested. */
static uint32_t rx_place(struct engine *e, msec now)
{
	for (int i = 0; i < PLACE_TRIES; i++) {
		uint32_t n = e->rx_cursor++ % e->conf.contexts;
		struct context *c = &e->rx[n];

		if (c->used || (c->number && now < c->rest_until))
			continue;
		if (c->number)
			table_remove(&e->rx_number, n);
		c->number = 0;
		return n;
	}
	return NONE;
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
	struct msg answer = { .type = MSG_CONTEXT_IS,
		.u.context_is = { .ref = m->ref } };
	uint32_t most = is_edge(e) ? e->conf.contexts :
			e->conf.contexts / LINK_SHARE;
	uint32_t n = NONE;

	if (!prefix6_contains(&l->prefix, &m->host) ||
	    !addr6_is_unicast(&m->peer) ||
	    prefix6_contains(&l->prefix, &m->peer))
		end_packet(e, l, DROP_SPOOFED);
	else if (l->contexts < most)
		n = rx_place(e, now);
	if (n != NONE) {
		e->rx[n] = (struct context){ .used = true, .nh = m->nh,
			.hop = m->hop, .link = link_index(e, l),
			.number = fresh_number(e), .host = m->host,
			.peer = m->peer, .at = now };
		table_add(&e->rx_number, e->rx[n].number * 2654435761u, n);
		l->contexts++;
		answer.u.context_is.number = e->rx[n].number;
	}
	out_message(e, l, &answer);
}

static void rest(struct engine *e, uint32_t n, msec now)
{
	struct context *c = &e->rx[n];

	c->used = false;
	c->rest_until = now + CONTEXT_REST_MS;
	e->link[c->link].contexts--;
}

void context_forget(struct engine *e, struct link *l, uint32_t number, msec now)
{
	uint32_t n = rx_find(e, number);

	if (n == NONE || !e->rx[n].used || e->rx[n].link != link_index(e, l))
		end_packet(e, l, DROP_STALE_MESSAGE);
	else
		rest(e, n, now);
}

void context_drop_tx(struct engine *e, uint32_t link)
{
	for (uint32_t n = 0; n < e->conf.contexts; n++)
		if (e->tx[n].used && e->tx[n].link == link) {
			table_remove(&e->tx_key, n);
			e->tx[n].used = false;
		}
}

void context_drop_rx(struct engine *e, uint32_t link, msec now)
{
	for (uint32_t n = 0; n < e->conf.contexts; n++)
		if (e->rx[n].used && e->rx[n].link == link)
			rest(e, n, now);
}
