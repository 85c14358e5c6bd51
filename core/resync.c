/* SPDX-License-Identifier: MIT
 *
 * resync.c - makes the tables of both ends equal after a connect (design 3.7)
 *
 * Theory of operation
 * ===================
 * State is symmetric: after HELLO each end sends its records, then STATE_END.
 * Behind each SYNC_BATCH of them goes a PING, and its answer asks for the next:
 * so half a million records never wait in a queue, however slow the line, and
 * what else control has to say waits for one batch at most. If the other
 * process says in HELLO that it holds our whole state already (@synced), only
 * records that changed since it was last heard are sent. A record has
 * no carrier and no context; those are made anew. On conflict the side that
 * saw a packet later gives the next bytes, and the record that saw the SYN
 * gives initiator and options. Until a hub has heard STATE_END from an edge
 * (or SETTLE_MS have passed), it drops unknown inbound in silence.
 *
 * An edge takes inbound sessions that it does not know only in the first
 * resync after its own start; later its policy decides: a hub's word for a
 * session is not trusted.
 */
#include "core/own.h"

/* What was sent before the other end was heard last may be lost: SLACK is more
 * than the silence that ends a connection.
 */
enum { SYNC_BATCH = 256, SYNC_VISITS = 2048, SYNC_SLACK_MS = 30 * 1000 };
enum { STATE_LIVE = 1 };

static void send_record(struct engine *e, struct link *l,
			const struct session *s, msec now)
{
	const struct tcp_side *up = &s->side[UP], *down = &s->side[DOWN];
	msec idle = since(now, s->seen);
	struct msg m = { .type = MSG_STATE, .u.state = {
		.host = s->host, .peer = s->peer, .proto = s->proto,
		.host_port = s->host_port, .peer_port = s->peer_port,
		.initiator = s->initiator,
		.flags = s->state == SESSION_LIVE ? STATE_LIVE : 0,
		.known = up->known & down->known & KNOWN_TOLD,
		.mss_up = up->mss, .mss_down = down->mss,
		.scale_up = up->scale, .scale_down = down->scale,
		.next_up = up->end, .next_down = down->end,
		.hop_up = is_edge(e) ? s->hop : s->hop_rx,
		.hop_down = is_edge(e) ? s->hop_rx : s->hop,
		.idle_ms = (uint32_t)idle } };

	out_message(e, l, &m);
}

void resync_start(struct engine *e, struct link *l, msec heard, msec now)
{
	l->synced = 0; /* until its STATE_END */
	l->syncing = true;
	l->sync_stamp = NEVER;
	l->sync_next = l->rest.first;
	l->sync_since = l->peer_synced && heard > SYNC_SLACK_MS ?
			heard - SYNC_SLACK_MS : 0;
	link_due(e, l, TIMER_SETTLE, now);
}

void resync_timer(struct engine *e, struct link *l, msec now)
{
	struct msg end = { .type = MSG_STATE_END };
	struct msg ping = { .type = MSG_PING, .u.ping = { now } };
	int sent = 0, visits = 0;

	if (l->control == NONE || !l->syncing)
		return;
	while (l->sync_next != NONE && sent < SYNC_BATCH &&
	       visits++ < SYNC_VISITS) {
		struct session *s = &e->session[l->sync_next];

		l->sync_next = s->next;
		if (s->state != SESSION_LIVE ||
		    since(now, s->seen) > now - l->sync_since)
			continue;
		if (s->carrier != NONE)
			fast_pull(e, s->carrier);
		s->resynced = true;
		send_record(e, l, s, now);
		sent++;
	}
	if (l->sync_next != NONE) {
		l->sync_stamp = now;
		out_message(e, l, &ping);
		return;
	}
	l->syncing = false;
	out_message(e, l, &end);
}

/* Options and initiator come from the record that saw the SYN; from the other
 * one if we know nothing. Its sequence number stays unknown to us.
 */
static void merge_syn(struct engine *e, uint32_t n, const struct msg_state *m)
{
	struct session *s = &e->session[n];
	struct tcp_side *up = &s->side[UP], *down = &s->side[DOWN];
	uint8_t known = m->known & KNOWN_TOLD & (uint8_t)~KNOWN_SYN;

	if ((up->known & KNOWN_SYN) ||
	    (!(m->known & KNOWN_SYN) && (up->mss || down->mss)))
		return;
	up->mss = m->mss_up;
	up->scale = m->scale_up;
	down->mss = m->mss_down;
	down->scale = m->scale_down;
	up->known |= known;
	down->known |= known;
	if (m->known & KNOWN_SYN)
		s->initiator = m->initiator ? BY_PEER : BY_HOST;
}

/* @is_new: we knew nothing of it. */
static void merge(struct engine *e, uint32_t n, const struct msg_state *m,
		  bool is_new, msec now)
{
	struct session *s = &e->session[n];
	struct tcp_side *up = &s->side[UP], *down = &s->side[DOWN];
	bool theirs_later = is_new || since(now, s->seen) > m->idle_ms;

	if (m->proto == PROTO_TCP && (m->known & KNOWN_ANY)) {
		/* sent; acknowledged or not. One side may be known already */
		if (!(up->known & KNOWN_ANY) || theirs_later)
			up->end = m->next_up;
		if (!(down->known & KNOWN_ANY) || theirs_later)
			down->end = m->next_down;
		up->known |= KNOWN_ANY;
		down->known |= KNOWN_ANY;
		merge_syn(e, n, m);
	}
	if (theirs_later)
		s->seen = (msec32)(now - m->idle_ms);
	s->hop_rx = is_edge(e) ? m->hop_down : m->hop_up;
	if (!s->hop_rx)
		s->hop_rx = 64;
	if (s->carrier != NONE)
		e->own[s->carrier].in.hop = s->hop_rx;
}

static bool record_allowed(const struct engine *e, const struct link *l,
			   const struct msg_state *m)
{
	if (!prefix6_contains(&l->prefix, &m->host) ||
	    !addr6_is_unicast(&m->peer) ||
	    prefix6_contains(&l->prefix, &m->peer))
		return false;
	return !is_edge(e) || !l->settled || m->initiator == BY_HOST ||
	       policy_allows(&e->conf.inbound, &l->prefix, &m->host, m->proto,
			     m->host_port);
}

void resync_state(struct engine *e, struct link *l, const struct msg_state *m,
		  msec now)
{
	struct tuple t = { m->host, m->peer, m->host_port, m->peer_port,
		m->proto };
	uint32_t n = session_find(e, &t);
	bool is_new = n == NONE;

	if (!record_allowed(e, l, m)) {
		end_packet(e, l, DROP_SPOOFED);
		return;
	}
	if (n == NONE && (m->flags & STATE_LIVE))
		n = session_add(e, &t, link_index(e, l), m->initiator ?
				BY_PEER : BY_HOST, now);
	if (n == NONE || e->session[n].link != link_index(e, l)) {
		end_packet(e, l, DROP_STALE_MESSAGE);
		return;
	}
	if (e->session[n].state == SESSION_CLOSING) { /* closed stays closed */
		e->session[n].told_close = false;
		session_closed(e, n, true, now);
		return;
	}
	e->session[n].resynced = true;
	session_alive(e, n, now);
	if (e->session[n].carrier != NONE)
		fast_pull(e, e->session[n].carrier);
	merge(e, n, m, is_new, now);
	if (e->session[n].carrier != NONE)
		fast_settle(e, e->session[n].carrier);
	session_timer(e, n, now);
}

void resync_end(struct engine *e, struct link *l, msec now)
{
	(void)e;
	l->synced = l->peer_epoch;
	l->settled = true;
	l->settle_until = now;
}

void resync_pong(struct engine *e, struct link *l, uint64_t stamp, msec now)
{
	if (l->syncing && stamp == l->sync_stamp)
		link_due(e, l, TIMER_SETTLE, now);
}
