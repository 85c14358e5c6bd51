/* SPDX-License-Identifier: MIT
 *
 * fast.c - which sessions the kernel translates, and what it saw of them
 *
 * Theory of operation
 * ===================
 * Places in shared memory (fast.h) are given to own carriers that are in use
 * and have carried some packets. Three movements:
 *
 *	fast_pull()	before the engine handles anything of a carrier: take
 *			over what the kernel's programs saw, so that every other
 *			rule works as if the engine had carried it
 *	fast_settle()	after it has: is the session ordinary? Give it a place,
 *			switch it on with what is known now, or switch it off
 *	fast_drop()	the carrier ends: switch off, take the keys away
 *
 * Ordinary (fits()): live, both sides heard, hop limits agreed, all that came
 * did so over the carrier (its mark has caught up), nothing acknowledged below
 * the carrier's first bytes, and nothing of it on another carrier for a second.
 * A packet that the programs hand up does not end that by itself: it is carried
 * here, and the place stays on. Once both sides have sent FIN all goes up, as
 * the last acknowledgements end the session; so does all of a carrier that is
 * about to be left.
 *
 * The numbers of TCP are written by both. A place that is on has the newest: the
 * engine takes them as they are, since gigabytes may lie between two looks.
 * A place is used again at once: the programs compare the whole tuple, and `on`
 * is another number then. A key that is left behind finds a place that is off,
 * or whose tuple is another.
 */
#include "core/csum.h"
#include "core/own.h"

enum { FAST_AFTER = 16, ELSEWHERE_MS = 1000, NS_PER_MS = 1000000 };

_Static_assert((int)FAST_PUNCH == (int)WIRE_PUNCH,
	       "the programs know a punch of any link by its length");

/* Two reads that agree: 64 bits need not be one access. */
static uint64_t load64(const volatile uint64_t *at)
{
	uint64_t a, b;

	do {
		a = at[0];
		b = at[0];
	} while (a != b);
	return a;
}

static uint32_t load32(const volatile uint32_t *at)
{
	return at[0];
}

static void store32(volatile uint32_t *at, uint32_t value)
{
	at[0] = value;
}

static uint16_t be16(uint16_t v)
{
	uint8_t b[2];
	uint16_t n;

	put16(b, v);
	memcpy(&n, b, sizeof(n));
	return n;
}

static uint32_t be32(uint32_t v)
{
	uint8_t b[4];
	uint32_t n;

	put32(b, v);
	memcpy(&n, b, sizeof(n));
	return n;
}

/* -- what the kernel saw ----------------------------------------------------- */

/* When, in the engine's time: never after now. */
static msec seen_at(const struct engine *e, const struct fast_side *f)
{
	msec at = load64(&f->at_ns) / NS_PER_MS;

	return at < e->now ? at : e->now;
}

static void count_short(struct session *s, uint64_t packets)
{
	s->packets = packets < (uint64_t)(FIRST_SHORT - s->packets) ?
		     (uint8_t)(s->packets + packets) : FIRST_SHORT;
}

/* Add what is new to @t. Return: packets that are new */
static uint64_t pull_traffic(const struct fast_side *f, struct fast_seen *seen,
			     struct traffic *t)
{
	uint64_t packets = load64(&f->packets) - seen->packets;
	uint64_t bytes = load64(&f->bytes) - seen->bytes;

	seen->packets += packets;
	seen->bytes += bytes;
	t->packets += packets;
	t->inner_bytes += bytes;
	t->wire_bytes += bytes - packets * (IP6_HDR - IP4_HDR);
	return packets;
}

static void pull_tcp(struct tcp_side *side, const struct fast_side *f)
{
	uint32_t end = load32(&f->end);

	if (end != side->end)
		side->known &= (uint8_t)~KNOWN_FIN; /* it was forged */
	side->end = end;
	side->ack = load32(&f->ack);
	side->ts = load32(&f->ts);
	side->win = (uint16_t)load32(&f->win);
}

/* Beyond 1 GiB nothing lies below @s or @t. What is less, may_take() sees. */
static bool is_past(const struct fast_seen *seen)
{
	return seen->bytes > 2 * (uint64_t)ONE_GIB;
}

static void pull_out(struct engine *e, struct carrier *c, struct session *s)
{
	struct fast_side *f = &e->conf.fast[c->slot].out;
	struct link *l = &e->link[c->link];
	uint64_t packets = pull_traffic(f, &c->fast_out, &l->sent[VIA_OWN]);

	if (!packets)
		return;
	if (load32(&f->largest) > SMALL_OUTER + IP6_HDR - IP4_HDR)
		size_sent(e, l);
	store32(&f->largest, 0);
	count_short(s, packets);
	c->last_tx = seen_at(e, f);
	if (e->now - c->last_tx < since(e->now, s->seen))
		s->seen = (msec32)c->last_tx;
	if (s->hop < s->window_min)
		s->window_min = s->hop;
	if (c->proto == PROTO_TCP)
		pull_tcp(&s->side[dir_sent(e)], f);
	c->past[dir_sent(e)] |= is_past(&c->fast_out);
}

static void pull_in(struct engine *e, struct carrier *c, struct session *s)
{
	const struct fast_side *f = &e->conf.fast[c->slot].in;
	struct tcp_side *side = &s->side[dir_received(e)];

	struct link *l = &e->link[c->link];
	uint64_t packets = pull_traffic(f, &c->fast_in, &l->received[VIA_OWN]);

	if (!packets)
		return;
	count_short(s, packets);
	c->last_rx = seen_at(e, f);
	if (l->own_rx < c->last_rx)
		l->own_rx = c->last_rx;
	if (e->now - c->last_rx < since(e->now, s->seen))
		s->seen = (msec32)c->last_rx;
	c->rtx = 0;
	if (c->proto != PROTO_TCP)
		return;
	pull_tcp(side, f);
	c->mark = side->end;
	c->rx_ack = side->ack;
	c->past[dir_received(e)] |= is_past(&c->fast_in);
}

void fast_pull(struct engine *e, uint32_t n)
{
	struct carrier *c = &e->own[n];

	if (!c->slot)
		return;
	pull_out(e, c, &e->session[c->session]);
	pull_in(e, c, &e->session[c->session]);
}

void engine_pull(struct engine *e, msec now)
{
	e->now = now;
	for (uint32_t n = 1; n < e->fast_top; n++)
		if (e->fast_owner[n] != NONE)
			fast_pull(e, e->fast_owner[n]);
}

/* An edge has one link: what came for any place came for that. */
msec fast_heard(const struct engine *e, const struct link *l)
{
	msec at = e->conf.fast && is_edge(e) ?
		  seen_at(e, &e->conf.fast[FAST_ALL].in) : 0;

	return at > l->own_rx ? at : l->own_rx;
}

/* -- who is ordinary --------------------------------------------------------- */

static bool tcp_caught_up(const struct engine *e, const struct carrier *c,
			  const struct session *s)
{
	const struct tcp_side *mine = &s->side[dir_sent(e)];
	const struct tcp_side *theirs = &s->side[dir_received(e)];
	uint32_t first_mine = is_edge(e) ? c->s : c->t;
	uint32_t first_theirs = is_edge(e) ? c->t : c->s;

	if (!(mine->known & theirs->known & KNOWN_ACK) || s->reset ||
	    c->advance_due || (mine->known & theirs->known & KNOWN_FIN))
		return false; /* their last ACKs end the session */
	if (theirs->end != c->mark || seq_after(mine->ack, c->mark))
		return false;
	return (c->past[dir_received(e)] ||
		!seq_after(first_theirs, mine->ack)) &&
	       (c->past[dir_sent(e)] || !seq_after(first_mine, c->rx_ack));
}

static bool fits(const struct engine *e, const struct carrier *c)
{
	const struct link *l = &e->link[c->link];
	const struct session *s;

	if (!e->fast_on || c->state != CARRIER_UP || c->session == NONE ||
	    c->carried < FAST_AFTER || c->rtx >= LOST_SIGNS ||
	    carrier_is_idle(e, c, e->now) ||
	    (c->elsewhere_at && e->now - c->elsewhere_at <= ELSEWHERE_MS))
		return false;
	s = &e->session[c->session];
	return carrier_fits(s) && s->hop && s->hop_rx &&
	       path_size(l) && l->size_settled &&
	       (c->proto == PROTO_UDP || tcp_caught_up(e, c, s));
}

/* -- places ------------------------------------------------------------------ */

static bool tell(struct engine *e, uint32_t slot, bool on)
{
	const struct fast_flow *f = &e->conf.fast[slot];
	struct fast_keys *k = (void *)out_room_kept(e, sizeof(*k));
	struct out *o = k ? out_new(e, OUT_FAST) : NULL;

	if (!o)
		return false;
	*k = (struct fast_keys){
		.inner = { .sport = f->sport, .dport = f->dport,
			   .proto = f->proto },
		.outer = { .remote = f->remote, .local = f->local,
			   .remote_port = f->remote_port,
			   .local_port = f->local_port, .proto = f->proto },
		.slot = slot };
	memcpy(k->inner.src, f->src, sizeof(f->src));
	memcpy(k->inner.dst, f->dst, sizeof(f->dst));
	o->on = on;
	o->head = (struct span){ (uint8_t *)k, sizeof(*k) };
	return true;
}

static void put_back(struct engine *e, uint32_t slot, uint32_t *list)
{
	e->fast_owner[slot] = NONE;
	e->fast_next[slot] = *list;
	*list = slot;
	e->fast_active--;
}

/* Places whose keys could not be taken away when the outbox was full: not to be
 * used before, or the tables would fill up with what nobody takes away.
 */
static void tell_late(struct engine *e)
{
	uint32_t slot;

	while ((slot = e->fast_untold) && tell(e, slot, false)) {
		e->fast_untold = e->fast_next[slot];
		e->fast_next[slot] = e->fast_free;
		e->fast_free = slot;
	}
}

/* What never changes while the carrier has the place. */
static void fill(const struct engine *e, const struct carrier *c,
		 struct fast_flow *f)
{
	const struct link *l = &e->link[c->link];
	const uint32_t punch = (uint32_t)TAG_PUNCH << TAG_KIND_SHIFT;

	memset(f, 0, sizeof(*f));
	memcpy(f->src, &c->in.dst, sizeof(f->src));
	memcpy(f->dst, &c->in.src, sizeof(f->dst));
	f->sport = be16(c->in.dport);
	f->dport = be16(c->in.sport);
	f->local = be32(c->local.addr);
	f->remote = be32(c->remote.addr);
	f->local_port = be16(c->local.port);
	f->remote_port = be16(c->remote.port);
	f->proto = c->proto;
	f->label = be32(UINT32_C(6) << 28 | (c->in.flow & 0xfffff));
	f->punch_out = be32(punch | l->peer_number);
	f->punch_in = be32(punch | l->my_number);
	f->addr_diff_out = be16(c->out.pseudo_delta);
	f->port_diff_out = be16(csum_sub(c->out.delta, c->out.pseudo_delta));
	f->addr_diff_in = be16(c->in.pseudo_delta);
	f->port_diff_in = be16(csum_sub(c->in.delta, c->in.pseudo_delta));
}

static bool take_place(struct engine *e, uint32_t n)
{
	struct carrier *c = &e->own[n];

	tell_late(e);
	if (e->fast_free) {
		c->slot = e->fast_free;
		e->fast_free = e->fast_next[c->slot];
	} else if (e->fast_top < e->conf.fast_places) {
		c->slot = e->fast_top++;
	} else {
		return false;
	}
	e->fast_owner[c->slot] = n;
	e->fast_active++;
	c->fast_out = c->fast_in = (struct fast_seen){ 0, 0 };
	fill(e, c, &e->conf.fast[c->slot]);
	if (!tell(e, c->slot, true)) {
		put_back(e, c->slot, &e->fast_free);
		c->slot = 0;
		return false;
	}
	if (c->proto == PROTO_UDP)
		wheel_set(&e->wheel, timer_of_own(e, n), e->now + 1);
	return true;
}

/* @anew: it was off, so what stands there is old. */
static void push_tcp(struct fast_side *f, const struct tcp_side *side,
		     uint32_t end, bool anew)
{
	if (anew || seq_after(end, load32(&f->end)))
		store32(&f->end, end);
	if (anew || seq_after(side->ack, load32(&f->ack)))
		store32(&f->ack, side->ack);
	if (anew || seq_after(side->ts, load32(&f->ts)))
		store32(&f->ts, side->ts);
	store32(&f->win, side->win);
}

/* What the engine knows better. The path's size and hop limits may change. */
static void push(const struct engine *e, const struct carrier *c,
		 struct fast_flow *f, bool anew)
{
	const struct link *l = &e->link[c->link];
	const struct session *s = &e->session[c->session];
	const struct tcp_side *mine = &s->side[dir_sent(e)];
	const struct tcp_side *theirs = &s->side[dir_received(e)];
	bool scaled = !(mine->known & KNOWN_SYN) || (mine->known & KNOWN_SCALE);

	f->hop_out = s->hop;
	f->hop_in = c->in.hop;
	f->max_inner = path_size(l) + IP6_HDR - IP4_HDR;
	f->idle_ns = (uint64_t)(c->proto == PROTO_TCP ? l->idle_tcp_ms :
				l->idle_udp_ms) * NS_PER_MS;
	if (c->last_rx * NS_PER_MS > load64(&f->in.at_ns))
		f->in.at_ns = c->last_rx * NS_PER_MS;
	if (c->proto != PROTO_TCP)
		return;
	f->window = scaled ? UINT32_C(65535) << 14 : 65535;
	push_tcp(&f->out, mine, mine->end, anew);
	push_tcp(&f->in, theirs, c->mark, anew);
}

static void switch_on(struct engine *e, struct carrier *c, bool on)
{
	struct fast_flow *f = &e->conf.fast[c->slot];
	bool is_on = load32(&f->on);

	if (!on) {
		store32(&f->on, 0);
		return;
	}
	push(e, c, f, !is_on);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (is_on)
		return;
	if (!++e->fast_use)
		e->fast_use = 1;
	store32(&f->on, e->fast_use);
}

void fast_drop(struct engine *e, uint32_t n)
{
	struct carrier *c = &e->own[n];

	if (!c->slot)
		return;
	switch_on(e, c, false);
	fast_pull(e, n);
	put_back(e, c->slot, tell(e, c->slot, false) ? &e->fast_free :
		 &e->fast_untold);
	c->slot = 0;
}

void fast_settle(struct engine *e, uint32_t n)
{
	struct carrier *c = &e->own[n];
	bool on = fits(e, c);

	if (c->slot && e->session[c->session].state == SESSION_CLOSING)
		fast_drop(e, n); /* others need the place */
	else if (c->slot || (on && take_place(e, n)))
		switch_on(e, c, on);
}

void fast_elsewhere(struct engine *e, uint32_t n)
{
	struct carrier *c = &e->own[n];

	if (c->state != CARRIER_UP)
		return;
	c->elsewhere_at = e->now;
	fast_settle(e, n);
}

void fast_settle_link(struct engine *e, const struct link *l)
{
	for (uint32_t i = 1; i < e->fast_top; i++) {
		uint32_t n = e->fast_owner[i];

		if (n == NONE || (l && e->own[n].link != link_index(e, l)))
			continue;
		fast_pull(e, n);
		fast_settle(e, n);
	}
}

void engine_set_fast(struct engine *e, bool on, msec now)
{
	e->now = now;
	e->fast_on = on && e->conf.fast;
	fast_settle_link(e, NULL);
}

uint32_t engine_fast(const struct engine *e)
{
	return e->fast_active;
}
