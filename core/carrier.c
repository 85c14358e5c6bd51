/* SPDX-License-Identifier: MIT
 *
 * carrier.c - own carriers: the outer 5-tuple that carries one session
 *
 * Theory of operation
 * ===================
 * Design 3.3. The edge creates: it picks (eport, hport), names the carrier and
 * says OPEN. The hub knows a carrier first as announced (TCP: found by hport
 * and initial sequence number; UDP: by name), then as latched (found by the
 * outer 5-tuple with cip:cport, which the NAT guarantees to be unique at one
 * instant: a newly proven latch takes the key, and the former holder loses its
 * carrier). So no range has to be leased, and any edge may use all of it. The
 * idea of learning an address from a first packet is RFC 7362's latching.
 *
 * Pairs: hport varies first and a pair comes again as late as possible, on few
 * eports, so that an endpoint-independent CGNAT spends one port on thousands
 * of sessions; a start takes a random offset, since the NAT remembers the last
 * run.
 *
 * A carrier ends in carrier_leave() only. Its session goes on, on shared; the
 * edge opens another when the session has moved PROMOTE_BYTES there, or sooner
 * if the carrier was lost in trouble (carrier_moved()).
 *
 * Budget (3.6): own_active counts the living; own_recent[] those that ended in
 * the last 240 s, in 30 s buckets, unless the NAT lost them itself; inbound ones
 * are counted once more. From half of the budget on, the longest idle are
 * closed ahead of need (shed()). If shared or control is lost
 * while own carriers live, the NAT evicts by quota: the budget halves, and
 * grows again by a sixteenth per bucket.
 *
 * What own TCP and own UDP do differently is in tcpopen.c, owntcp.c, ownudp.c.
 */
#include "core/own.h"

enum { BUCKET_MS = CLOSED_COUNT_MS / (RECENT_BUCKETS - 1),
	BUDGET_STEP_MS = 1000, ALIVE_MS = 2000, EVICTED_MS = 3000,
	REFUSED_MS = 10 * 1000, OWN_FAILURES = 3, RETRY_MS = 1000, RETRY_MOST = 6,
	WORKED_MS = 5000 };

/* -- finding ----------------------------------------------------------------- */

static uint32_t hash_key(const struct engine *e, uint8_t proto,
			 struct taddr4 local, struct taddr4 remote)
{
	uint8_t key[13];

	key[0] = proto;
	put32(key + 1, local.addr);
	put16(key + 5, local.port);
	put32(key + 7, remote.addr);
	put16(key + 11, remote.port);
	return hash_bytes(e, key, sizeof(key));
}

static uint32_t hash_announced(const struct engine *e, uint16_t hport,
			       uint32_t isn)
{
	uint8_t key[6];

	put16(key, hport);
	put32(key + 2, isn);
	return hash_bytes(e, key, sizeof(key));
}

static uint32_t hash_name(const struct engine *e, uint32_t link, uint32_t name)
{
	uint8_t key[8];

	put32(key, link);
	put32(key + 4, name);
	return hash_bytes(e, key, sizeof(key));
}

uint32_t carrier_find(const struct engine *e, uint8_t proto,
		      struct taddr4 local, struct taddr4 remote)
{
	uint32_t n = table_first(&e->own_key,
				 hash_key(e, proto, local, remote));

	for (; n != NONE; n = table_next(&e->own_key, n)) {
		const struct carrier *c = &e->own[n];

		if (c->latched && c->proto == proto &&
		    taddr4_eq(c->remote, remote) && taddr4_eq(c->local, local))
			return n;
	}
	return NONE;
}

uint32_t carrier_announced(const struct engine *e, uint16_t hport, uint32_t isn)
{
	uint32_t n = table_first(&e->own_key, hash_announced(e, hport, isn));

	for (; n != NONE; n = table_next(&e->own_key, n)) {
		const struct carrier *c = &e->own[n];

		if (!c->latched && c->proto == PROTO_TCP &&
		    c->hport == hport && c->s - 1 == isn)
			return n;
	}
	return NONE;
}

uint32_t carrier_named(const struct engine *e, uint32_t link, uint32_t name)
{
	uint32_t n = table_first(&e->own_name, hash_name(e, link, name));

	while (n != NONE && (e->own[n].name != name || e->own[n].link != link))
		n = table_next(&e->own_name, n);
	return n;
}

/* -- budget -------------------------------------------------------------------- */

static uint32_t budget_spent(const struct link *l)
{
	uint32_t spent = l->own_active;

	for (int i = 0; i < RECENT_BUCKETS; i++)
		spent += l->own_recent[i];
	return spent;
}

static uint32_t inbound_spent(const struct link *l)
{
	uint32_t spent = l->own_inbound;

	for (int i = 0; i < RECENT_BUCKETS; i++)
		spent += l->own_recent_in[i];
	return spent;
}

/* What time does to the budget: a new bucket for each BUCKET_MS. */
static void budget_age(const struct engine *e, struct link *l, msec now)
{
	msec bucket = now / BUCKET_MS;

	if (bucket - l->own_bucket > RECENT_BUCKETS)
		l->own_bucket = bucket - RECENT_BUCKETS;
	while (l->own_bucket < bucket) {
		l->own_bucket++;
		l->own_recent[l->own_bucket % RECENT_BUCKETS] = 0;
		l->own_recent_in[l->own_bucket % RECENT_BUCKETS] = 0;
		l->budget += l->budget / 16 + 1;
		if (l->budget > e->conf.budget)
			l->budget = e->conf.budget;
	}
}

/* A used place or an untouched one. */
static bool has_place(const struct engine *e)
{
	return e->free_own != NONE || e->top_own < e->conf.own;
}

bool carrier_allowed(const struct engine *e, const struct link *l,
		     uint8_t proto, bool promoted, bool inbound, msec now)
{
	uint32_t kept = promoted ? 0 : l->budget / 4;

	if (!is_edge(e) || l->control == NONE || !has_place(e) ||
	    !l->peer_lo || !e->uplink ||
	    (e->conf.carriers != CARRIERS_AUTO &&
	     e->conf.carriers != CARRIERS_OWN))
		return false;
	if (now < l->own_off_until ||
	    (proto == PROTO_TCP && l->own_tcp != NOTE_OWN_UP))
		return false;
	if (proto == PROTO_UDP && !shared_works(e, l))
		return false;
	if (path_size(l) && path_size(l) + 8 < MIN_INNER)
		return false;	/* design 4: explicit pieces and relay only */
	return budget_spent(l) + kept < l->budget &&
	       (!inbound || inbound_spent(l) < l->budget / 4);
}

/* The carrier that nothing came on for longest. */
static uint32_t longest_idle(struct engine *e, const struct link *l)
{
	uint32_t longest = NONE;

	for (uint32_t n = l->own.first; n != NONE; n = e->own[n].next) {
		const struct carrier *c = &e->own[n];

		fast_pull(e, n);
		if (c->state == CARRIER_UP && (longest == NONE ||
		    c->last_rx < e->own[longest].last_rx))
			longest = n;
	}
	return longest;
}

/* Close carriers ahead of need, the longest idle first: from half of the budget
 * on those that may not be used any more in any case (3.3), others if more than
 * three quarters live; at most budget / 240 a second.
 */
static void shed(struct engine *e, struct link *l, msec now)
{
	uint32_t most = l->budget - l->budget / 4, n;
	msec step = CLOSED_COUNT_MS / l->budget;
	const struct carrier *c;

	if (budget_spent(l) < l->budget / 2 ||
	    now - l->shed_at > BUDGET_STEP_MS + step)
		l->shed_at = now;
	while (l->shed_at + step <= now) {
		n = longest_idle(e, l);
		if (n == NONE)
			return;
		c = &e->own[n];
		if (!carrier_is_idle(e, c, now) &&
		    (l->own_active <= most || now - c->last_rx < ALIVE_MS))
			return;
		carrier_leave(e, n, LEFT_BUDGET, true, now);
		l->shed_at += step;
	}
}

void budget_timer(struct engine *e, struct link *l, msec now)
{
	link_due(e, l, TIMER_BUDGET, now + BUDGET_STEP_MS);
	budget_age(e, l, now);
	if (is_edge(e))
		shed(e, l, now);
}

void budget_evicted(struct engine *e, struct link *l, msec now)
{
	uint32_t n = l->own.first;

	for (; n != NONE; n = e->own[n].next) {
		fast_pull(e, n);
		if (e->own[n].state == CARRIER_UP &&
		    now - e->own[n].last_rx < ALIVE_MS)
			break;
	}
	if (n == NONE)
		return;
	l->budget = l->budget / 2 < BUDGET_LEAST ? BUDGET_LEAST :
		    l->budget / 2;
}

void budget_control_lost(struct engine *e, struct link *l, msec now)
{
	if (is_edge(e) && now - fast_heard(e, l) < ALIVE_MS)
		link_due(e, l, TIMER_EVICTED, now + EVICTED_MS);
}

/* -- opening --------------------------------------------------------------------- */

static uint32_t take_place(struct engine *e, struct link *l, uint32_t session,
			   enum open_kind kind)
{
	uint32_t n = e->free_own;
	struct carrier *c;

	if (!has_place(e))
		return NONE;
	if (n == NONE)
		n = e->top_own++;
	else
		e->free_own = e->own[n].next;
	c = &e->own[n];
	*c = (struct carrier){ .link = link_index(e, l), .session = session,
		.kind = (uint8_t)kind, .last_rx = e->now, .last_tx = e->now,
		.proto = kind == OPEN_UDP ? PROTO_UDP : PROTO_TCP,
		.prev = NONE, .next = l->own.first };
	if (c->next != NONE)
		e->own[c->next].prev = n;
	l->own.first = n;
	l->own_active++;
	if (session != NONE) {
		c->inbound = e->session[session].initiator == BY_PEER;
		e->session[session].carrier = n;
	}
	return n;
}

static void give_back(struct engine *e, struct link *l, uint32_t n)
{
	struct carrier *c = &e->own[n];

	if (c->session != NONE)
		e->session[c->session].carrier = NONE;
	if (c->prev != NONE)
		e->own[c->prev].next = c->next;
	else
		l->own.first = c->next;
	if (c->next != NONE)
		e->own[c->next].prev = c->prev;
	l->own_active--;
	c->state = CARRIER_FREE;
	c->next = e->free_own;
	e->free_own = n;
}

static uint16_t range_next(uint16_t *next, uint16_t lo, uint16_t hi)
{
	uint16_t port = *next < lo || *next > hi ? lo : *next;

	*next = port == hi ? lo : (uint16_t)(port + 1);
	return port;
}

/* A pair that no living carrier uses. */
static bool take_pair(struct engine *e, struct link *l, struct carrier *c)
{
	for (int i = 0; i < 64; i++) {
		if (l->next_hport == l->peer_lo)
			range_next(&l->next_eport, e->conf.port_lo,
				   e->conf.port_hi);
		c->hport = range_next(&l->next_hport, l->peer_lo, l->peer_hi);
		c->eport = l->next_eport;
		c->local = (struct taddr4){ e->uplink, c->eport };
		c->remote = (struct taddr4){ e->hub.addr, c->hport };
		if (carrier_find(e, c->proto, c->local, c->remote) == NONE)
			return true;
	}
	return false;
}

static void tell_latch(struct engine *e, const struct carrier *c, bool on)
{
	struct out *o = out_new(e, OUT_LATCH);

	if (!o)
		return;
	o->on = on;
	o->proto = c->proto;
	o->port = c->local.port;
	o->local = c->local;
	o->to = c->remote;
}

uint32_t carrier_open(struct engine *e, struct link *l, uint32_t session,
		      enum open_kind kind, msec now)
{
	uint32_t n = take_place(e, l, session, kind);
	struct carrier *c;

	if (n == NONE)
		return NONE;
	c = &e->own[n];
	if (!take_pair(e, l, c)) {
		give_back(e, l, n);
		return NONE;
	}
	c->name = ++e->next_name;
	c->latched = true;
	table_add(&e->own_key, hash_key(e, c->proto, c->local, c->remote), n);
	table_add(&e->own_name, hash_name(e, c->link, c->name), n);
	l->own_inbound += c->inbound;
	carrier_xlat(e, n);
	carrier_enter(e, n, CARRIER_SYN, now);
	tell_latch(e, c, true);
	return n;
}

uint32_t carrier_announce(struct engine *e, struct link *l, uint32_t session,
			  const struct msg_open *m, msec now)
{
	uint32_t link = link_index(e, l);
	uint32_t n = carrier_named(e, link, m->carrier);
	struct carrier *c;

	if (n != NONE)
		return NONE;
	if (session != NONE && e->session[session].carrier != NONE)
		carrier_leave(e, e->session[session].carrier, LEFT_MOVED, false,
			      now);
	n = take_place(e, l, session, m->kind);
	if (n == NONE)
		return NONE;
	c = &e->own[n];
	c->name = m->carrier;
	c->eport = m->eport;
	c->hport = m->hport;
	c->s = m->s;
	c->t = m->t;
	table_add(&e->own_name, hash_name(e, link, c->name), n);
	if (c->proto == PROTO_TCP)
		table_add(&e->own_key, hash_announced(e, c->hport, c->s - 1),
			  n);
	carrier_enter(e, n, CARRIER_SYN, now);
	return n;
}

void carrier_latch(struct engine *e, uint32_t n, struct taddr4 local,
		   struct taddr4 remote, msec now)
{
	struct carrier *c = &e->own[n];
	uint32_t former = carrier_find(e, c->proto, local, remote);

	if (former != NONE && former != n) /* no RST: it would reach @n */
		carrier_leave(e, former, LEFT_NAT, true, now);
	if (c->proto == PROTO_TCP || c->latched)
		table_remove(&e->own_key, n);
	c->latched = true;
	c->local = local;
	c->remote = remote;
	c->last_rx = now;
	table_add(&e->own_key, hash_key(e, c->proto, local, remote), n);
	carrier_xlat(e, n);
	tell_latch(e, c, true);
}

void carrier_xlat(struct engine *e, uint32_t n)
{
	struct carrier *c = &e->own[n];
	const struct session *s;
	struct tuple6 up, down;
	struct tuple4 out, in;
	bool edge = is_edge(e);

	if (c->session == NONE)
		return;
	s = &e->session[c->session];
	up = (struct tuple6){ s->host, s->peer, s->host_port, s->peer_port,
		s->proto };
	down = (struct tuple6){ s->peer, s->host, s->peer_port, s->host_port,
		s->proto };
	out = (struct tuple4){ c->local.addr, c->remote.addr, c->local.port,
		c->remote.port, c->proto };
	in = (struct tuple4){ c->remote.addr, c->local.addr, c->remote.port,
		c->local.port, c->proto };
	xlat_outer_init(&c->out, edge ? &up : &down, &out);
	xlat_inner_init(&c->in, &in, edge ? &down : &up, s->hop_rx,
			s->label);
}

/* -- life ------------------------------------------------------------------------ */

void carrier_enter(struct engine *e, uint32_t n, enum carrier_state state,
		   msec now)
{
	struct carrier *c = &e->own[n];

	c->state = (uint8_t)state;
	c->tried = 0;
	if (state == CARRIER_UP) {
		if (c->kind == OPEN_MID)
			c->elsewhere_at = now;
		c->up_at = now;
		e->link[c->link].own_failures = 0;
		wheel_clear(&e->wheel, timer_of_own(e, n));
	} else {
		wheel_set(&e->wheel, timer_of_own(e, n), now + SYNACK_WAIT_MS);
	}
}

static void tell_left(struct engine *e, const struct carrier *c, enum left why)
{
	struct msg m = { .type = MSG_LEFT,
		.u.left = { .carrier = c->name, .reason = (uint8_t)why } };

	out_message(e, &e->link[c->link], &m);
}

/* Edge: a session lost its carrier; when may it have another? In trouble at
 * once, if that one had been in use (3.7). If it never was, or if the session's
 * carriers fail one after the other, ever later: each costs the NAT a mapping.
 */
static void plan_rehome(struct engine *e, const struct carrier *c,
			enum left why, msec now)
{
	struct session *s = &e->session[c->session];
	struct link *l = &e->link[c->link];
	bool failed = why == LEFT_FAILED ||
		      (why == LEFT_RST && c->state != CARRIER_UP);
	msec wait = 0;

	s->moved = why == LEFT_IDLE || why == LEFT_BUDGET ? 0 : PROMOTE_BYTES;
	if (c->state == CARRIER_UP && c->last_rx - c->up_at >= WORKED_MS)
		s->failures = 0;
	if (failed || why == LEFT_RST || why == LEFT_QUIET) {
		if (failed || s->failures)
			wait = (msec)RETRY_MS << (s->failures + failed);
		if (s->failures < RETRY_MOST - 1)
			s->failures++;
	}
	if (failed && c->proto == PROTO_TCP &&
	    ++l->own_failures >= OWN_FAILURES) {
		l->own_failures = 0;
		probe_forget(e, l, now);
	}
	s->retry_at = (msec32)(now + wait);
}

static bool must_wait(const struct session *s, msec now)
{
	msec32 left = s->retry_at - (msec32)now;

	return left && left <= (msec32)RETRY_MS << RETRY_MOST;
}

void carrier_leave(struct engine *e, uint32_t n, enum left why, bool tell,
		   msec now)
{
	struct carrier *c = &e->own[n];
	struct link *l = &e->link[c->link];

	fast_drop(e, n);
	if (tell)
		tell_left(e, c, why);
	if (why == LEFT_QUIET)
		size_suspect(e, l, now);
	if (c->proto == PROTO_TCP && c->state == CARRIER_UP &&
	    (why == LEFT_CLOSED || why == LEFT_MOVED || why == LEFT_BUDGET) &&
	    !carrier_is_idle(e, c, now))
		owntcp_goodbye(e, c, now);
	if (c->latched)
		tell_latch(e, c, false);
	if (c->latched || c->proto == PROTO_TCP)
		table_remove(&e->own_key, n);
	table_remove(&e->own_name, n);
	wheel_clear(&e->wheel, timer_of_own(e, n));
	if (c->session != NONE && is_edge(e))
		plan_rehome(e, c, why, now);
	budget_age(e, l, now);
	if (why != LEFT_NAT && why != LEFT_RST) {
		l->own_recent[l->own_bucket % RECENT_BUCKETS]++;
		l->own_recent_in[l->own_bucket % RECENT_BUCKETS] += c->inbound;
	}
	l->own_inbound -= is_edge(e) && c->inbound;
	give_back(e, l, n);
	if (c->kind == OPEN_PROBE)
		probe_left(e, l, why, now);
}

void carrier_leave_all(struct engine *e, struct link *l, enum left why,
		       msec now)
{
	while (l->own.first != NONE)
		carrier_leave(e, l->own.first, why, false, now);
}

void carrier_timer(struct engine *e, uint32_t n, msec now)
{
	fast_pull(e, n);
	if (e->own[n].kind == OPEN_PROBE)
		probe_retry(e, n, now);
	else if (e->own[n].proto == PROTO_TCP)
		owntcp_timer(e, n, now);
	else
		ownudp_timer(e, n, now);
}

bool carrier_is_idle(const struct engine *e, const struct carrier *c, msec now)
{
	const struct link *l = &e->link[c->link];

	return now - c->last_rx > (c->proto == PROTO_TCP ? l->idle_tcp_ms :
				   l->idle_udp_ms);
}

void carrier_moved(struct engine *e, uint32_t session, uint32_t bytes, msec now)
{
	struct session *s = &e->session[session];
	struct link *l = &e->link[s->link];

	if (!is_edge(e) || s->carrier != NONE || !carrier_fits(s))
		return;
	if (s->moved < PROMOTE_BYTES) {
		s->moved += bytes < PROMOTE_BYTES ? bytes : PROMOTE_BYTES;
		if (s->moved < PROMOTE_BYTES &&
		    e->conf.carriers != CARRIERS_OWN)
			return;
	}
	if (must_wait(s, now) ||
	    !carrier_allowed(e, l, s->proto, true, s->initiator == BY_PEER,
			     now))
		return;
	if (s->proto == PROTO_TCP)
		owntcp_start(e, session, now);
	else
		ownudp_start(e, session, now);
}

/* -- packets ----------------------------------------------------------------------- */

static void count_own(struct traffic *t, const struct pkt *p, size_t inner)
{
	uint32_t packets = pkt_count(p);
	size_t hdr = (size_t)p->l4_len;

	t->packets += packets;
	t->inner_bytes += inner + (packets - 1) * (IP6_HDR + hdr);
	t->wire_bytes += inner + (packets - 1) * (IP6_HDR + hdr) -
			 packets * (IP6_HDR - IP4_HDR);
}

static void count_carried(struct carrier *c)
{
	if (c->carried < UINT8_MAX)
		c->carried++;
}

void carrier_out(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];

	count_carried(c);
	count_own(&e->link[c->link].sent[VIA_OWN], p, p->f->len);
	c->last_tx = now;
	if (p->f->len > SMALL_OUTER + IP6_HDR - IP4_HDR)
		size_sent(e, &e->link[c->link]);
	xlat_to_outer(p, &c->out);
	out_outer(e, p->f);
}

void carrier_in(struct engine *e, uint32_t n, struct pkt *p, msec now)
{
	struct carrier *c = &e->own[n];

	count_carried(c);
	own_heard(e, &e->link[c->link], now);
	count_own(&e->link[c->link].received[VIA_OWN], p,
		  p->f->len + IP6_HDR - IP4_HDR);
	xlat_to_inner(p, &c->in);
	out_inner(e, p->f);
}

/* -- messages ------------------------------------------------------------------------ */

static void tell_opened(struct engine *e, struct link *l, uint32_t name,
			bool ok, uint8_t hop)
{
	struct msg m = { .type = MSG_OPENED, .u.opened = {
		.carrier = name, .ok = ok, .hop = hop } };

	out_message(e, l, &m);
}

/* Hub: the session that OPEN speaks of, opened if it is not known. */
static uint32_t open_session(struct engine *e, struct link *l,
			     const struct msg_open *m, msec now)
{
	struct tuple t = { m->host, m->peer, m->host_port, m->peer_port,
		m->proto };
	uint32_t n;

	if (!prefix6_contains(&l->prefix, &m->host) ||
	    !addr6_is_unicast(&m->host) || !addr6_is_unicast(&m->peer) ||
	    prefix6_contains(&l->prefix, &m->peer))
		return NONE;
	n = session_find(e, &t);
	if (n != NONE && m->kind == OPEN_FIRST &&
	    e->session[n].link == link_index(e, l) &&
	    session_renewed(e, n, m->s - 1, UP, now))
		n = NONE;
	if (n == NONE)
		n = session_add(e, &t, link_index(e, l), m->initiator ?
				BY_PEER : BY_HOST, now);
	return n != NONE && e->session[n].link == link_index(e, l) ? n : NONE;
}

static bool open_sane(const struct engine *e, const struct msg_open *m)
{
	uint8_t proto = m->kind == OPEN_UDP ? PROTO_UDP : PROTO_TCP;

	return m->kind < OPEN_KINDS &&
	       (m->kind == OPEN_PROBE || m->proto == proto) &&
	       m->hport >= e->conf.port_lo && m->hport <= e->conf.port_hi;
}

void carrier_message_open(struct engine *e, struct link *l,
			  const struct msg_open *m, msec now)
{
	uint32_t session = NONE, n = NONE;

	if (is_edge(e) || !open_sane(e, m)) {
		end_packet(e, l, DROP_BAD_MESSAGE);
		return;
	}
	if (m->kind != OPEN_PROBE)
		session = open_session(e, l, m, now);
	if (m->kind != OPEN_PROBE && session == NONE)
		end_packet(e, l, DROP_FULL_SESSIONS);
	else if (l->own_active < 2 * l->budget)
		n = carrier_announce(e, l, session, m, now);
	if (session != NONE && m->hop)
		e->session[session].hop_rx = m->hop;
	if (session != NONE && m->kind != OPEN_FIRST)
		session_alive(e, session, now);
	tell_opened(e, l, m->carrier, n != NONE, session == NONE ? 0 :
		    e->session[session].hop);
	if (n != NONE && e->own[n].proto == PROTO_TCP)
		owntcp_opened(e, n, m, now);
	if (session != NONE && m->kind == OPEN_FIRST)
		tcpopen_copy(e, l, m->packet, now); /* refused or not */
}

void carrier_message_opened(struct engine *e, struct link *l,
			    const struct msg_opened *m, msec now)
{
	uint32_t n = carrier_named(e, link_index(e, l), m->carrier);

	if (!is_edge(e) || n == NONE) {
		end_packet(e, l, DROP_STALE_MESSAGE);
		return;
	}
	e->own[n].opened = true;
	if (m->hop)
		carrier_message_hops(e, l, &(struct msg_hops){ m->carrier,
				     m->hop });
	if (!m->ok) { /* the hub has no place: no fault of the path */
		l->own_off_until = now + REFUSED_MS;
		carrier_leave(e, n, LEFT_BUDGET, false, now);
	}
}

void carrier_message_left(struct engine *e, struct link *l,
			  const struct msg_left *m, msec now)
{
	uint32_t n = carrier_named(e, link_index(e, l), m->carrier);

	if (n == NONE || m->reason >= LEFT_COUNT)
		end_packet(e, l, DROP_STALE_MESSAGE);
	else
		carrier_leave(e, n, m->reason, false, now);
}

void carrier_message_hops(struct engine *e, struct link *l,
			  const struct msg_hops *m)
{
	uint32_t n = carrier_named(e, link_index(e, l), m->carrier);

	if (n == NONE || e->own[n].session == NONE || !m->hop) {
		end_packet(e, l, DROP_STALE_MESSAGE);
		return;
	}
	fast_pull(e, n);
	e->session[e->own[n].session].hop_rx = m->hop;
	e->own[n].in.hop = m->hop;
	fast_settle(e, n);
}

void carrier_tell_hop(struct engine *e, const struct session *s)
{
	struct msg m = { .type = MSG_HOPS };

	if (s->carrier == NONE)
		return;
	m.u.hops.carrier = e->own[s->carrier].name;
	m.u.hops.hop = s->hop;
	out_message(e, &e->link[s->link], &m);
}
