/* SPDX-License-Identifier: MIT
 *
 * session.c - inner flows: found, opened, aged, closed
 *
 * Theory of operation
 * ===================
 * One array of sessions of fixed size, a hash index by tuple, a free list.
 * Nothing is allocated. Each session stands in one of two lists of its link, so
 * that nothing ever walks over the sessions of others. Both ends of a link hold
 * the same record; neither is the master.
 *
 * Ageing (design 3.8): a session has one timer. A packet in either direction
 * only notes the time; when the timer fires it is set again to what is left,
 * so a packet costs no timer work. Time-outs: timeout_of().
 *
 * Full is normal: an inbound session whose host has not answered yet is
 * evicted first, the oldest of the same link (list half), else of any link, so
 * a scan of a prefix evicts only itself. Else the new session is refused and
 * counted; what exists goes on.
 *
 * What an attacker can do: packets with chosen tuples open inbound sessions,
 * if policy lets them, up to the caps of the link; forged TCP segments are
 * passed but noted only if they fit the window (tcptrack.c); a forged RST ends
 * nothing by itself, since a session in CLOSING that speaks is LIVE again.
 */
#include "core/icmp6.h"
#include "core/own.h"

enum { MINUTE = 60 * 1000, LINGER_MS = 10 * 1000 };
/* A link may use half of all sessions of a hub. */
enum { LINK_SHARE = 2 };

struct tuple tuple_of(const struct pkt *p, enum dir d)
{
	struct tuple t = { .proto = p->nh };

	t.host = d == UP ? p->src6 : p->dst6;
	t.peer = d == UP ? p->dst6 : p->src6;
	if (p->l4 == PROTO_TCP || p->l4 == PROTO_UDP) {
		t.host_port = d == UP ? p->sport : p->dport;
		t.peer_port = d == UP ? p->dport : p->sport;
	}
	return t;
}

static uint32_t hash_tuple(const struct engine *e, const struct tuple *t)
{
	uint8_t key[37];

	memcpy(key, &t->host, 16);
	memcpy(key + 16, &t->peer, 16);
	put16(key + 32, t->host_port);
	put16(key + 34, t->peer_port);
	key[36] = t->proto;
	return hash_bytes(e, key, sizeof(key));
}

uint32_t session_find(const struct engine *e, const struct tuple *t)
{
	uint32_t hash = hash_tuple(e, t), n = table_guess(&e->sessions, hash);

	if (n != NONE) /* among a million: two misses at a time, not in a row */
		__builtin_prefetch(&e->session[n]);
	n = table_first(&e->sessions, hash);
	for (; n != NONE; n = table_next(&e->sessions, n)) {
		const struct session *s = &e->session[n];

		if (s->host_port == t->host_port &&
		    s->peer_port == t->peer_port && s->proto == t->proto &&
		    addr6_eq(&s->peer, &t->peer) &&
		    addr6_eq(&s->host, &t->host))
			return n;
	}
	return NONE;
}

/* design 3.8, RFC 5382, 4787, 5508, 7857 */
static msec timeout_of(const struct engine *e, const struct session *s)
{
	bool crowded = e->session_count > e->conf.sessions / 4 * 3;

	if (s->state == SESSION_OPENING && s->initiator == BY_PEER)
		return 30 * 1000;
	switch (s->proto) {
	case PROTO_TCP:
		if (s->state == SESSION_CLOSING)
			return s->reset ? 4 * MINUTE : LINGER_MS;
		if (s->state == SESSION_OPENING ||
		    ((s->side[UP].known | s->side[DOWN].known) & KNOWN_FIN))
			return 4 * MINUTE;
		return crowded ? (2 * 60 + 4) * (msec)MINUTE :
		       24 * 60 * (msec)MINUTE;
	case PROTO_UDP:
		return s->peer_port == 53 ? MINUTE / 2 : 5 * MINUTE;
	case PROTO_ICMP6:
		return MINUTE;
	case PROTO_FRAGMENT:
		return MINUTE / 2;
	default:
		return 5 * MINUTE;
	}
}

static bool is_half(const struct session *s)
{
	return s->state == SESSION_OPENING && s->initiator == BY_PEER;
}

/* Last in the list of its link that its state says. */
static void chain_in(struct engine *e, uint32_t n)
{
	struct session *s = &e->session[n];
	struct link *l = &e->link[s->link];
	struct chain *c = is_half(s) ? &l->half : &l->rest;

	s->prev = c->last;
	s->next = NONE;
	if (c->last != NONE)
		e->session[c->last].next = n;
	else
		c->first = n;
	c->last = n;
	e->half_count += is_half(s);
}

static void chain_out(struct engine *e, uint32_t n)
{
	struct session *s = &e->session[n];
	struct link *l = &e->link[s->link];
	struct chain *c = is_half(s) ? &l->half : &l->rest;

	if (l->sync_next == n)
		l->sync_next = s->next;
	if (s->prev != NONE)
		e->session[s->prev].next = s->next;
	else
		c->first = s->next;
	if (s->next != NONE)
		e->session[s->next].prev = s->prev;
	else
		c->last = s->prev;
	e->half_count -= is_half(s);
}

/* A half-open session of any link, in turn; NONE if there is none. */
static uint32_t any_half(struct engine *e)
{
	if (!e->half_count)
		return NONE;
	while (e->link[e->half_cursor].half.first == NONE)
		e->half_cursor = (e->half_cursor + 1) % e->conf.links;
	return e->link[e->half_cursor].half.first;
}

/* A used place, else an untouched one, else that of a half-open session. */
static uint32_t take_place(struct engine *e, const struct link *l)
{
	uint32_t n;

	if (e->free_session == NONE && e->top_session < e->conf.sessions)
		return e->top_session++;
	if (e->free_session == NONE) {
		n = l->half.first != NONE ? l->half.first : any_half(e);
		if (n == NONE)
			return NONE;
		session_remove(e, n);
	}
	n = e->free_session;
	e->free_session = e->session[n].next;
	return n;
}

/* RFC 6437, 3: 20 bits of a hash of the 5-tuple; 0 would mean "none". */
static uint32_t flow_label(uint32_t hash)
{
	uint32_t label = hash >> 12;

	return label ? label : 1;
}

uint32_t session_add(struct engine *e, const struct tuple *t, uint32_t link,
		     enum initiator by, msec now)
{
	struct link *l = &e->link[link];
	uint32_t n, hash = hash_tuple(e, t);

	if (!is_edge(e) && l->sessions >= e->conf.sessions / LINK_SHARE) {
		if (l->half.first == NONE)
			return NONE;
		session_remove(e, l->half.first);
	}
	n = take_place(e, l);
	if (n == NONE)
		return NONE;
	e->session[n] = (struct session){
		.host = t->host, .peer = t->peer, .host_port = t->host_port,
		.peer_port = t->peer_port, .proto = t->proto,
		.state = SESSION_OPENING, .initiator = (uint8_t)by,
		.via = VIA_COUNT, .link = link & LINK_BITS, .carrier = NONE,
		.seen = (msec32)now, .window_at = (msec32)now, .hop_rx = 64,
		.label = flow_label(hash) & LABEL_BITS,
	};
	table_add(&e->sessions, hash, n);
	e->session_count++;
	l->sessions++;
	chain_in(e, n);
	wheel_set(&e->wheel, n, now + timeout_of(e, &e->session[n]));
	return n;
}

static uint8_t *short_flow(struct engine *e, const struct session *s)
{
	uint8_t key[18];

	memcpy(key, &s->peer, 16);
	put16(key + 16, s->peer_port);
	return &e->short_flow[hash_bytes(e, key, sizeof(key)) % SHORT_FLOWS];
}

bool flow_starts_shared(const struct engine *e, const struct session *s)
{
	return *short_flow((struct engine *)(uintptr_t)e, s) >= 3;
}

void session_remove(struct engine *e, uint32_t n)
{
	struct session *s = &e->session[n];
	uint8_t *short_count = short_flow(e, s);

	if (s->proto == PROTO_TCP && s->initiator == BY_HOST) {
		if (s->packets >= FIRST_SHORT)
			*short_count = 0;
		else if (*short_count < 3 && s->state == SESSION_CLOSING)
			++*short_count;
	}
	if (s->carrier != NONE)
		carrier_leave(e, s->carrier, LEFT_CLOSED, false, e->now);
	chain_out(e, n);
	wheel_clear(&e->wheel, n);
	table_remove(&e->sessions, n);
	e->link[s->link].sessions--;
	e->session_count--;
	s->state = SESSION_FREE;
	s->next = e->free_session;
	e->free_session = n;
}

bool session_sweep(struct engine *e, struct link *l, uint32_t most)
{
	while (most-- && l->sessions)
		session_remove(e, l->half.first != NONE ? l->half.first :
			       l->rest.first);
	return !l->sessions;
}

/* The one place where a session's state changes. */
static void enter(struct engine *e, uint32_t n, enum session_state state,
		  msec now)
{
	struct session *s = &e->session[n];
	bool moves = is_half(s) || (state == SESSION_OPENING &&
				    s->initiator == BY_PEER);

	if (s->state == state)
		return;
	if (moves)
		chain_out(e, n);
	s->state = (uint8_t)state;
	if (moves)
		chain_in(e, n);
	wheel_set(&e->wheel, n, now + timeout_of(e, s));
	if (s->carrier != NONE)
		fast_settle(e, s->carrier);
}

void session_alive(struct engine *e, uint32_t n, msec now)
{
	if (e->session[n].state == SESSION_OPENING)
		enter(e, n, SESSION_LIVE, now);
}

void session_closed(struct engine *e, uint32_t n, bool tell, msec now)
{
	struct session *s = &e->session[n];
	struct msg m = { .type = MSG_CLOSE, .u.close = {
		.host = s->host, .peer = s->peer, .proto = s->proto,
		.host_port = s->host_port, .peer_port = s->peer_port,
		.reason = s->reset } };

	enter(e, n, SESSION_CLOSING, now);
	if (s->reset && s->carrier != NONE) /* the RST's copy frees the mapping */
		carrier_leave(e, s->carrier, LEFT_CLOSED, false, now);
	if (tell && !s->told_close) {
		s->told_close = true;
		out_message(e, &e->link[s->link], &m);
	}
}

void session_message_close(struct engine *e, struct link *l,
			   const struct msg_close *m, msec now)
{
	struct tuple t = { m->host, m->peer, m->host_port, m->peer_port,
		m->proto };
	uint32_t n = session_find(e, &t);

	if (n == NONE || e->session[n].link != link_index(e, l)) {
		end_packet(e, l, DROP_STALE_MESSAGE);
		return;
	}
	e->session[n].told_close = true;
	e->session[n].reset = m->reason > 1 + DOWN ? 1u + DOWN :
			      m->reason & 3u;
	session_closed(e, n, false, now);
}

/* RST: exact enough to be believed as the end (RFC 5961, 3.2, loosely). */
static bool ends_by_reset(const struct session *s, const struct pkt *p,
			  enum dir d)
{
	const struct tcp_side *to = &s->side[!d];
	bool scaled = s->side[UP].known & s->side[DOWN].known & KNOWN_SCALE;
	uint32_t window = (uint32_t)to->win << (scaled ? to->scale : 0);

	return !(to->known & KNOWN_ACK) ||
	       (uint32_t)(p->seq - to->ack + 1) <= 1u + window;
}

/* The host's word is taken at any time, the peer's when all is over. */
bool session_renewed(struct engine *e, uint32_t n, uint32_t isn, enum dir d,
		     msec now)
{
	const struct session *s = &e->session[n];
	const struct tcp_side *from = &s->side[d];

	if ((from->known & KNOWN_SYN) && from->isn == isn)
		return false; /* the same again, long on the way maybe */
	if (s->state != SESSION_CLOSING &&
	    (d == DOWN || !(from->known & KNOWN_SYN)))
		return false;
	if (s->carrier != NONE)
		carrier_leave(e, s->carrier, LEFT_CLOSED, true, now);
	session_remove(e, n);
	return true;
}

static void begun_by(struct engine *e, uint32_t n, enum initiator by)
{
	struct session *s = &e->session[n];

	if (s->initiator == by)
		return;
	chain_out(e, n);
	s->initiator = (uint8_t)by;
	chain_in(e, n);
	wheel_set(&e->wheel, n, e->now + timeout_of(e, s));
}

static bool track_tcp(struct engine *e, uint32_t n, const struct pkt *p,
		      enum dir d, msec now)
{
	struct session *s = &e->session[n];
	struct tcp_side *from = &s->side[d], *to = &s->side[!d];
	bool repeats, news;

	if ((p->flags & TCP_SYN) && (from->known & KNOWN_SYN) &&
	    from->isn != p->seq)
		return false; /* anybody can send that */
	if (!tcp_fits(from, to, p))
		return false;
	/* whoever spoke first after a restart of ours, the SYN began it */
	if ((p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
	    !(from->known & KNOWN_SYN))
		begun_by(e, n, d == UP ? BY_HOST : BY_PEER);
	if (p->flags & TCP_RST) {
		if (ends_by_reset(s, p, d)) {
			s->reset = (1u + d) & 3;
			if (seq_after(p->seq, from->end))
				from->end = p->seq;
			/* whoever believes it: the other need not have */
			session_closed(e, n, true, now);
		}
		return true;
	}
	news = p->seg_len && seq_after(p->seq + p->seg_len, from->end);
	repeats = tcp_track(from, p);
	if (s->carrier != NONE && repeats && d == dir_sent(e))
		owntcp_repeated(e, &e->own[s->carrier], p);
	if (s->carrier != NONE && repeats && d == dir_received(e))
		owntcp_came_again(&e->own[s->carrier], p);
	if (repeats && d == dir_sent(e) && p->f->len > SMALL_OUTER)
		size_suspect(e, &e->link[s->link], now);
	/* who sent RST and goes on did not send it; the other may not know yet,
	 * and of either something may still be on the way
	 */
	if (s->state == SESSION_CLOSING && s->reset == 1 + d && news) {
		s->told_close = false;
		s->reset = 0;
		enter(e, n, SESSION_LIVE, now);
	} else if (tcp_both_fin(s)) {
		session_closed(e, n, s->resynced, now);
	}
	return true;
}

bool session_track(struct engine *e, uint32_t n, const struct pkt *p,
		   enum dir d, msec now)
{
	struct session *s = &e->session[n];
	enum dir first = s->initiator == BY_HOST ? UP : DOWN;
	bool fits = true;

	s->seen = (msec32)now;
	if (s->packets < FIRST_SHORT)
		s->packets++;
	if (p->l4 == PROTO_TCP)
		fits = track_tcp(e, n, p, d, now);
	if (s->state == SESSION_OPENING && d != first &&
	    !(p->flags & TCP_RST))
		enter(e, n, SESSION_LIVE, now);
	return fits;
}

/* The lowest of a second must be that of the second before as well: one probe
 * of a traceroute changes nothing. Until the other side was heard, and for what
 * is no TCP or UDP, only an equal one will do: traceroute again.
 */
bool session_hop_ok(struct engine *e, uint32_t n, const struct pkt *p, msec now)
{
	struct session *s = &e->session[n];
	uint8_t lowest;

	if (!s->hop) {
		s->hop = s->window_min = s->window_before = p->hop;
		s->window_at = (msec32)now;
		carrier_tell_hop(e, s);
	}
	if (since(now, s->window_at) > HOP_SETTLE_MS) {
		lowest = s->window_min > s->window_before ? s->window_min :
			 s->window_before;
		s->hop_lowered = lowest < s->hop;
		if (lowest != s->hop) {
			s->hop = lowest;
			carrier_tell_hop(e, s);
		}
		s->hop_settled = true;
		s->window_before = s->window_min;
		s->window_min = p->hop;
		s->window_at = (msec32)now;
	}
	if (p->hop < s->window_min)
		s->window_min = p->hop;
	return p->hop == s->hop ||
	       (p->hop > s->hop && s->hop_settled &&
		s->state == SESSION_LIVE && s->proto != PROTO_ICMP6);
}

void session_timer(struct engine *e, uint32_t n, msec now)
{
	struct session *s = &e->session[n];
	msec idle, most = timeout_of(e, s);

	if (s->carrier != NONE)
		fast_pull(e, s->carrier);
	idle = since(now, s->seen);
	if (idle < most)
		wheel_set(&e->wheel, n, now + most - idle);
	else
		session_remove(e, n);
}
