/* SPDX-License-Identifier: MIT
 *
 * link.c - one edge and its hub: connections, HELLO, messages, timers
 *
 * Theory of operation
 * ===================
 * An edge has link 0 from the start. A hub makes a link when an edge's control
 * connection says HELLO; the link is known by the prefix in the certificate,
 * so a new connection of the same edge finds its link again. It lives on
 * without control (carriers go on; GONE_MS) and ends with its sessions then.
 *
 * HELLO is the first message on each connection: the edge's at once, the hub's
 * in answer. A connection replaces only its own kind. Same epoch, higher
 * counter: the edge reconnected. Another epoch: it was restarted, or the
 * bundle is copied: the newest wins, and only if a replaced process speaks
 * again is it a copy, and told so. A relay belongs to the process that has
 * control, or is refused.
 *
 * Keys. Each HELLO of control brings its sender's key for what it will send.
 * It is used when the other end certainly has it: by the edge when the hub's
 * HELLO came, by the hub when the next message came. Until a packet under the
 * new key has come the receiver keeps the one before that was last of use, so
 * a connection that dies in the midst of this costs no packet.
 *
 * Believing: engine_message() alone decides what a connection may say: nothing
 * before HELLO, only packets on a relay connection, nothing of the other role.
 * A message that breaks that, or is malformed, ends the connection. A message
 * about something gone is normal and only counted.
 *
 * One wheel timer per link stands for the earliest of due[].
 *
 * The end of a link (link_remove()) takes effect at once for all that could
 * still come of it; its sessions, perhaps half a million, are given back in
 * pieces by TIMER_SWEEP, and the link's place when none is left. A HELLO before
 * that finds the link, and what sessions it still has, alive again.
 */
#include "core/own.h"

enum {
	PING_MS = 5000, DEAD_MS = 3 * PING_MS,
	GONE_MS = 10 * 60 * 1000,
	PROBE_AFTER_MS = 50,
	SWEEP_BATCH = 1024
};

/* -- life ------------------------------------------------------------------------ */

void link_due(struct engine *e, struct link *l, enum timer t, msec at)
{
	msec first = NEVER;

	l->due[t] = at;
	for (int i = 0; i < TIMER_COUNT; i++)
		if (l->due[i] && l->due[i] < first)
			first = l->due[i];
	if (first != NEVER)
		wheel_set(&e->wheel, timer_of_link(e, link_index(e, l)), first);
}

void link_init(struct engine *e, struct link *l, const struct prefix6 *prefix,
	       msec now)
{
	uint32_t n = link_index(e, l), number;

	do
		number = rand32(&e->rand) & TAG_NUMBER;
	while (!number || link_by_number(e, number));
	*l = (struct link){ .used = true, .prefix = *prefix, .control = NONE,
		.former = NONE, .relay = NONE, .since = now, .my_number = number,
		.own_tcp = NOTE_COUNT, .budget = e->conf.budget,
		.idle_udp_ms = IDLE_UDP_S * 1000,
		.idle_tcp_ms = IDLE_TCP_S * 1000,
		.settle_until = now + SETTLE_MS, .sync_next = NONE,
		.half = { NONE, NONE }, .rest = { NONE, NONE },
		.own = { NONE, NONE },
		.tx_list = { NONE, NONE }, .rx_list = { NONE, NONE },
		.rx_resting = { NONE, NONE } };
	l->next_eport = (uint16_t)(e->conf.port_lo + rand_below(&e->rand,
		(uint32_t)(e->conf.port_hi - e->conf.port_lo + 1)));
	table_add(&e->link_number, number * 2654435761u, n);
	prefix_add(e, l);
}

static struct link *link_add(struct engine *e, const struct engine_peer *peer,
			     msec now)
{
	for (uint32_t n = 0; n < e->conf.links; n++) {
		struct link *l = &e->link[n];

		if (l->used)
			continue;
		link_init(e, l, &peer->prefix, now);
		memcpy(l->name, peer->name, sizeof(l->name));
		return l;
	}
	return NULL;
}

void close_conn(struct engine *e, uint32_t conn)
{
	struct out *o;

	if (conn == NONE || !e->conn[conn].used)
		return;
	o = out_new(e, OUT_CLOSE);
	if (o)
		o->conn = conn;
}

static void bye(struct engine *e, uint32_t conn, enum bye why, const char *text)
{
	if (conn == NONE)
		return;
	out_bye(e, conn, why, text);
	close_conn(e, conn);
}

static void tell_route(struct engine *e, struct link *l, bool on)
{
	struct out *o;

	if (is_edge(e) || l->routed == on)
		return;
	l->routed = on;
	o = out_new(e, OUT_ROUTE);
	if (o) {
		o->on = on;
		o->link = link_index(e, l);
	}
}

/* A HELLO that brings the link back is as the first of a new one: nobody else
 * knows its keys, and what was told to the other end is gone in part.
 */
static void forget_peer(struct link *l)
{
	memset(l->old_epoch, 0, sizeof(l->old_epoch));
	l->peer_epoch = l->synced = 0;
	l->peer_counter = l->relay_counter = 0;
	l->peer_synced = l->shared_up = l->peer_shared = false;
	l->syncing = false;
	l->sync_next = NONE;
	l->rx = (struct keys){ 0 };
}

static void link_remove(struct engine *e, struct link *l, msec now)
{
	if (e->train.open)
		arrive_end(e); /* it may be of this link */
	out_note(e, l, NOTE_LINK_GONE);
	tell_route(e, l, false);
	carrier_leave_all(e, l, LEFT_CLOSED, now);
	context_new_era(e, l, now);
	shared_unlatch(e, l);
	parts_drop(e, l);
	for (uint32_t c = 0; c < e->conf.conns; c++)
		if (e->conn[c].used && e->conn[c].link == link_index(e, l))
			e->conn[c].link = NONE;
	forget_peer(l);
	l->ending = true;
	l->control = l->former = l->relay = NONE;
	for (int t = 0; t < TIMER_COUNT; t++)
		l->due[t] = 0;
	link_due(e, l, TIMER_SWEEP, now + 1); /* the outbox names it */
}

/* Give back what is left of former eras, and of a link that ends, its place. */
static void sweep_timer(struct engine *e, struct link *l, msec now)
{
	bool done = context_sweep(e, l, SWEEP_BATCH, now);
	uint32_t n = link_index(e, l);

	if (l->ending)
		done = session_sweep(e, l, SWEEP_BATCH) && done;
	if (!done) {
		link_due(e, l, TIMER_SWEEP, now + 1);
		return;
	}
	if (!l->ending)
		return;
	table_remove(&e->link_number, n);
	prefix_remove(e, l);
	wheel_clear(&e->wheel, timer_of_link(e, n));
	l->used = l->ending = false;
}

void link_want_relay(struct engine *e, struct link *l, bool on, msec now)
{
	struct out *o;

	(void)now;
	if (!is_edge(e) || l->relay_wanted == on)
		return;
	l->relay_wanted = on;
	o = out_new(e, OUT_WANT_RELAY);
	if (o)
		o->on = on;
}

/* -- HELLO -------------------------------------------------------------------------- */

static void send_hello(struct engine *e, struct link *l, uint32_t conn)
{
	struct msg m = { .type = MSG_HELLO, .u.hello = {
		.kind = e->conn[conn].kind, .version = MSG_VERSION,
		.epoch = e->epoch, .counter = ++e->hello_counter,
		.number = l->my_number, .mtu = e->uplink_mtu,
		.port_lo = e->conf.port_lo, .port_hi = e->conf.port_hi,
		.shared_port = e->conf.shared_port,
		.idle_udp = (uint16_t)(l->idle_udp_ms / 1000),
		.idle_tcp = (uint16_t)(l->idle_tcp_ms / 1000),
		.synced = l->synced,
		.inbound = { (const uint8_t *)e->conf.inbound_text,
			     strlen(e->conf.inbound_text) } } };

	if (e->conn[conn].kind == CONN_CONTROL) {
		rand_bytes(&e->rand, m.u.hello.key.b, 16);
		l->next_key = siphash_key_from(m.u.hello.key.b);
		l->key_due = !is_edge(e);
	}
	out_message_on(e, conn, &m);
}

/* The other end has our key by now. */
static void use_key(struct link *l)
{
	l->tx_key = l->next_key;
	l->key_due = false;
}

static bool was_replaced(const struct link *l, uint64_t epoch)
{
	for (int i = 0; i < OLD_EPOCHS; i++)
		if (l->old_epoch[i] == epoch)
			return true;
	return false;
}

static void note_replaced(struct link *l, uint64_t epoch)
{
	for (int i = OLD_EPOCHS - 1; i; i--)
		l->old_epoch[i] = l->old_epoch[i - 1];
	l->old_epoch[0] = epoch;
}

/* The other process is a new one: what it knew is gone. */
static void new_epoch(struct engine *e, struct link *l, uint64_t epoch,
		      msec now)
{
	if (l->peer_epoch == epoch)
		return;
	for (int i = 0; i < OLD_EPOCHS; i++) /* it is back, alone */
		if (l->old_epoch[i] == epoch)
			l->old_epoch[i] = 0;
	if (l->peer_epoch) {
		carrier_leave_all(e, l, LEFT_NAT, now);
		context_new_era(e, l, now);
		shared_unlatch(e, l);
		parts_drop(e, l);
		if (!is_edge(e))
			l->shared_up = l->peer_shared = false;
	}
	if (l->relay != NONE) {
		bye(e, l->relay, BYE_REPLACED, "control is another process's");
		l->relay = NONE;
	}
	bye(e, l->control, BYE_REPLACED, "replaced");
	l->control = NONE;
	former_drop(e, l);
	note_replaced(l, l->peer_epoch);
	l->peer_epoch = epoch;
	l->peer_counter = l->relay_counter = 0;
	l->rx = (struct keys){ 0 };
}

static uint32_t idle_ms(uint16_t told_s, uint32_t most_s)
{
	return (told_s && told_s < most_s ? told_s : most_s) * 1000;
}

/* A learned time-out only makes the limit of design 3.3 smaller. */
static void heard_idle(struct link *l, uint16_t udp_s, uint16_t tcp_s)
{
	l->idle_udp_ms = idle_ms(udp_s, IDLE_UDP_S);
	l->idle_tcp_ms = idle_ms(tcp_s, IDLE_TCP_S);
}

static void take_hello(struct engine *e, struct link *l,
		       const struct msg_hello *m)
{
	if (l->rx.has_now && l->rx.seen.top) {
		l->rx.before = l->rx.now;
		l->rx.seen_before = l->rx.seen;
		l->rx.has_before = true;
	}
	l->rx.now = siphash_key_from(m->key.b);
	l->rx.seen = (struct window){ 0, 0 };
	l->rx.has_now = true;
	l->top_punch = 0;
	l->peer_number = m->number & TAG_NUMBER;
	l->peer_synced = m->synced == e->epoch;
	l->peer_lo = m->port_lo;
	l->peer_hi = m->port_hi;
	if (is_edge(e)) {
		use_key(l);
	} else {
		heard_idle(l, m->idle_udp, m->idle_tcp);
		if (!policy_parse(&l->inbound, m->inbound))
			l->inbound = (struct policy){ 0 };
	}
}

static void control_up(struct engine *e, struct link *l, uint32_t conn,
		       msec now)
{
	struct msg shared = { .type = MSG_SHARED,
		.u.shared = { l->shared_up } };

	if (l->control != NONE)
		former_keep(e, l, now);
	l->control = conn;
	resync_start(e, l, l->heard, now);
	l->heard = now;
	l->due[TIMER_GONE] = 0;
	out_note(e, l, NOTE_LINK_UP);
	tell_route(e, l, true);
	link_due(e, l, TIMER_PING, now);
	link_due(e, l, TIMER_BUDGET, now);
	size_tell(e, l);
	if (!is_edge(e))
		return;
	if (!l->next_hport || l->next_hport < l->peer_lo ||
	    l->next_hport > l->peer_hi)
		l->next_hport = (uint16_t)(l->peer_lo + rand_below(&e->rand,
			(uint32_t)(l->peer_hi - l->peer_lo + 1)));
	if (!l->shared_up) /* else asks go on being counted */
		l->punch_tried = 0;
	link_due(e, l, TIMER_PUNCH, now);
	if (!l->due[TIMER_FRESH])
		link_due(e, l, TIMER_FRESH, now + FRESH_MS);
	if (l->own_tcp != NOTE_OWN_UP)
		link_due(e, l, TIMER_PROBE, now + PROBE_AFTER_MS);
	if (l->relay_wanted) { /* the daemon may have lost it with control */
		l->relay_wanted = false;
		link_want_relay(e, l, true, now);
	}
	out_message(e, l, &shared);
	if (l->shared_up)
		shared_ask(e, l, now); /* a hub that started anew must latch */
}

static bool hello_sane(const struct msg_hello *m)
{
	return m->version >= 1 && m->kind <= CONN_RELAY && m->epoch &&
	       m->port_lo && m->port_lo <= m->port_hi && m->mtu >= LEAST_MTU;
}

static void hub_relay(struct engine *e, struct link *l, uint32_t conn,
		      const struct msg_hello *m)
{
	if (!l || l->ending || l->peer_epoch != m->epoch || m->counter <= l->relay_counter) {
		bye(e, conn, BYE_REPLACED, "no control connection, or an older one");
		return;
	}
	l->relay_counter = m->counter;
	e->conn[conn].link = link_index(e, l);
	e->conn[conn].greeted = true;
	if (l->relay != NONE && l->relay != conn)
		bye(e, l->relay, BYE_REPLACED, "replaced");
	l->relay = conn;
	send_hello(e, l, conn);
}

static void hub_control(struct engine *e, struct link *l, uint32_t conn,
			const struct msg_hello *m, msec now)
{
	bool first = m->epoch != l->peer_epoch;

	if (!first && m->counter <= l->peer_counter) {
		bye(e, conn, BYE_REPLACED, "an older connection");
		return;
	}
	l->ending = false;
	e->conn[conn].link = link_index(e, l);
	e->conn[conn].greeted = true;
	memcpy(l->name, e->conn[conn].peer.name, sizeof(l->name));
	memcpy(l->serial, e->conn[conn].peer.serial, sizeof(l->serial));
	new_epoch(e, l, m->epoch, now);
	l->peer_counter = m->counter;
	take_hello(e, l, m);
	send_hello(e, l, conn);
	if (first) /* there is no key that it knows */
		use_key(l);
	control_up(e, l, conn, now);
}

static void hub_hello(struct engine *e, uint32_t conn,
		      const struct msg_hello *m, msec now)
{
	struct conn *c = &e->conn[conn];
	struct link *l = link_by_prefix(e, &c->peer.prefix);

	c->kind = m->kind;
	if (l && l->control != NONE && was_replaced(l, m->epoch)) {
		out_note(e, l, NOTE_CLONED);
		bye(e, conn, BYE_CLONED, "another edge uses this bundle");
		return;
	}
	if (m->kind == CONN_RELAY) {
		hub_relay(e, l, conn, m);
		return;
	}
	if (!l)
		l = link_add(e, &c->peer, now);
	if (l)
		hub_control(e, l, conn, m, now);
	else
		bye(e, conn, BYE_FULL, "this hub has no room for more edges");
}

static void edge_hello(struct engine *e, uint32_t conn,
		       const struct msg_hello *m, msec now)
{
	struct link *l = &e->link[0];

	e->conn[conn].greeted = true;
	if (e->conn[conn].kind == CONN_RELAY) {
		l->relay = conn;
		return;
	}
	new_epoch(e, l, m->epoch, now);
	take_hello(e, l, m);
	if (m->shared_port && l->shared.addr) {
		e->hub.port = m->shared_port;
		shared_at(l, e->hub);
	}
	control_up(e, l, conn, now);
}

/* -- connections ---------------------------------------------------------------------- */

void engine_conn_open(struct engine *e, uint32_t conn,
		      const struct engine_peer *peer, enum conn_kind kind,
		      msec now)
{
	struct conn *c;

	if (conn >= e->conf.conns)
		return;
	e->now = now;
	c = &e->conn[conn];
	*c = (struct conn){ .used = true, .kind = (uint8_t)kind, .link = NONE,
		.peer = *peer, .heard = now };
	if (!is_edge(e))
		return;
	c->link = 0;
	memcpy(e->link[0].name, peer->name, sizeof(peer->name));
	send_hello(e, &e->link[0], conn);
	if (!e->link[0].due[TIMER_PING])
		link_due(e, &e->link[0], TIMER_PING, now + PING_MS);
}

void engine_conn_closed(struct engine *e, uint32_t conn, msec now)
{
	struct link *l;

	e->now = now;
	if (conn >= e->conf.conns || !e->conn[conn].used)
		return;
	e->conn[conn].used = false;
	if (e->conn[conn].link == NONE)
		return;
	l = &e->link[e->conn[conn].link];
	if (l->relay == conn)
		l->relay = NONE;
	if (l->former == conn)
		l->former = NONE;
	if (l->control != conn)
		return;
	l->control = NONE;
	out_note(e, l, NOTE_LINK_DOWN);
	budget_control_lost(e, l, now);
	if (!is_edge(e))
		link_due(e, l, TIMER_GONE, now + GONE_MS);
	else if (l->shared_up)
		shared_ask(e, l, now); /* is it control, or the hub? */
}

/* -- messages --------------------------------------------------------------------------- */

static void bad_peer(struct engine *e, uint32_t conn)
{
	struct conn *c = &e->conn[conn];

	end_packet(e, c->link == NONE ? NULL : &e->link[c->link],
		   DROP_BAD_MESSAGE);
	out_note(e, c->link == NONE ? NULL : &e->link[c->link], NOTE_BAD_PEER);
	close_conn(e, conn);
}

static void pong(struct engine *e, uint32_t conn, uint64_t stamp)
{
	struct msg m = { .type = MSG_PONG, .u.pong = { stamp } };

	out_message_on(e, conn, &m);
}

static void heard_pong(struct link *l, uint64_t stamp, msec now)
{
	uint32_t rtt = stamp <= now && now - stamp < 60000 ?
		       (uint32_t)(now - stamp) : 0;

	l->rtt_ms = l->rtt_ms ? (7 * l->rtt_ms + rtt) / 8 : rtt;
}

static void hand_bench(struct engine *e, struct link *l, uint32_t conn,
		       struct span body)
{
	struct out *o = out_new(e, OUT_BENCH);

	if (!o)
		return;
	o->conn = conn;
	o->link = link_index(e, l);
	o->head = body;
}

static void relay_message(struct engine *e, struct link *l, uint32_t conn,
			  const struct msg *m)
{
	struct span head = m->u.packet.packet, rest = head;

	e->conn[conn].heard = e->now;
	if (m->type == MSG_PING)
		pong(e, conn, m->u.ping.stamp);
	if (m->type == MSG_PING || m->type == MSG_PONG || m->type == MSG_BYE ||
	    !m->type) /* optional, unknown */
		return;
	if (m->type != MSG_PACKET) {
		bad_peer(e, conn);
		return;
	}
	head.len = head.len < IP6_HDR ? head.len : IP6_HDR;
	rest.at += head.len;
	rest.len -= head.len;
	arrive(e, l, VIA_RELAY, head, rest);
}

static void heard_size(struct engine *e, struct link *l, uint16_t bytes)
{
	bool had = path_size(l) != 0;

	if (bytes < LEAST_MTU || bytes > FULL_MTU)
		return;
	l->size_in = bytes;
	fast_settle_link(e, l);
	if (!had)
		size_known(e, l);
}

/* Sizes are not measured while shared is of no use. */
static void heard_shared(struct engine *e, struct link *l, bool usable,
			 msec now)
{
	if (is_edge(e)) {
		end_packet(e, l, DROP_STALE_MESSAGE);
		return;
	}
	l->peer_shared = usable;
	if (usable && l->shared_up && !l->size_tried)
		link_due(e, l, TIMER_SIZE, now);
}

static void control_message(struct engine *e, struct link *l, uint32_t conn,
			    const struct msg *m, msec now)
{
	if (l->control == conn) {
		l->heard = now;
		if (l->key_due)
			use_key(l);
	}
	switch (m->type) {
	case MSG_PING: pong(e, conn, m->u.ping.stamp); break;
	case MSG_PONG:
		heard_pong(l, m->u.pong.stamp, now);
		resync_pong(e, l, m->u.pong.stamp, now);
		break;
	case MSG_CONTEXT: context_asked(e, l, &m->u.context, now); break;
	case MSG_CONTEXT_IS: context_told(e, l, &m->u.context_is); break;
	case MSG_FORGET: context_forget(e, l, m->u.forget.number, now); break;
	case MSG_UNKNOWN: context_unknown(e, l, m->u.unknown.number); break;
	case MSG_OPEN: carrier_message_open(e, l, &m->u.open, now); break;
	case MSG_OPENED: carrier_message_opened(e, l, &m->u.opened, now); break;
	case MSG_LEFT: former_left(e, l, &m->u.left, now); break;
	case MSG_HOPS: carrier_message_hops(e, l, &m->u.hops); break;
	case MSG_CLOSE: session_message_close(e, l, &m->u.close, now); break;
	case MSG_PUNCH_PLEASE: shared_ask(e, l, now); break;
	case MSG_SHARED: heard_shared(e, l, m->u.shared.usable, now); break;
	case MSG_SIZE: heard_size(e, l, m->u.size.bytes); break;
	case MSG_PROBE_SAW: probe_message(e, l, &m->u.probe_saw, now); break;
	case MSG_STATE: resync_state(e, l, &m->u.state, now); break;
	case MSG_STATE_END: resync_end(e, l, now); break;
	case MSG_IDLE:
		heard_idle(l, m->u.idle.idle_udp, m->u.idle.idle_tcp);
		break;
	case MSG_BENCH: hand_bench(e, l, conn, m->u.bench.body); break;
	case MSG_BYE: former_bye(e, l, conn, m->u.bye.reason); break;
	case 0: break; /* optional, unknown */
	default: bad_peer(e, conn);
	}
}

void engine_message(struct engine *e, uint32_t conn, struct span in, msec now)
{
	struct conn *c;
	struct link *l;
	struct msg m;

	e->now = now;
	if (conn >= e->conf.conns || !e->conn[conn].used)
		return;
	c = &e->conn[conn];
	if (!msg_decode(&m, in)) {
		bad_peer(e, conn);
		return;
	}
	if (!c->greeted) {
		if (m.type == MSG_BYE)
			close_conn(e, conn);
		else if (m.type != MSG_HELLO || !hello_sane(&m.u.hello))
			bad_peer(e, conn);
		else if (is_edge(e))
			edge_hello(e, conn, &m.u.hello, now);
		else
			hub_hello(e, conn, &m.u.hello, now);
		return;
	}
	if (c->link == NONE)
		return; /* its link has ended */
	l = &e->link[c->link];
	if (c->kind == CONN_RELAY)
		relay_message(e, l, conn, &m);
	else if (l->control == conn || (l->former == conn &&
					former_takes(e, l, &m)))
		control_message(e, l, conn, &m, now);
}

/* -- timers -------------------------------------------------------------------------------- */

/* Ping a connection of the link; one that was silent for too long ends. */
static void ping(struct engine *e, uint32_t conn, msec heard, msec now)
{
	struct msg m = { .type = MSG_PING, .u.ping = { now } };

	if (conn == NONE)
		return;
	if (now - heard > DEAD_MS)
		close_conn(e, conn);
	else
		out_message_on(e, conn, &m);
}

/* Edge: a connection on which HELLO was not answered may be dead without ever
 * showing it. Return: one is still waited for.
 */
static bool await_hello(struct engine *e, msec now)
{
	bool waits = false;

	for (uint32_t n = 0; is_edge(e) && n < e->conf.conns; n++) {
		const struct conn *c = &e->conn[n];

		if (!c->used || c->greeted)
			continue;
		if (now - c->heard > DEAD_MS)
			close_conn(e, n);
		else
			waits = true;
	}
	return waits;
}

static void ping_timer(struct engine *e, struct link *l, msec now)
{
	if (await_hello(e, now))
		link_due(e, l, TIMER_PING, now + PING_MS);
	if (l->control == NONE && l->relay == NONE)
		return;
	ping(e, l->control, l->heard, now);
	if (l->relay != NONE)
		ping(e, l->relay, e->conn[l->relay].heard, now);
	link_due(e, l, TIMER_PING, now + PING_MS);
}

static void gone_timer(struct engine *e, struct link *l, msec now)
{
	if (!is_edge(e) && l->control == NONE)
		link_remove(e, l, now);
}

void link_timer(struct engine *e, uint32_t n, msec now)
{
	static void (*const work[TIMER_COUNT])(struct engine *, struct link *,
					       msec) = {
		[TIMER_PING] = ping_timer, [TIMER_PUNCH] = shared_timer,
		[TIMER_SIZE] = size_timer, [TIMER_PROBE] = probe_timer,
		[TIMER_BUDGET] = budget_timer, [TIMER_SETTLE] = resync_timer,
		[TIMER_GONE] = gone_timer, [TIMER_FRESH] = fresh_timer,
		[TIMER_SILENT] = silent_timer,
		[TIMER_EVICTED] = budget_evicted,
		[TIMER_CONFIRM] = confirm_timer, [TIMER_SWEEP] = sweep_timer,
		[TIMER_FORMER] = former_timer,
	};
	struct link *l = &e->link[n];
	msec first = NEVER;

	for (int t = 0; t < TIMER_COUNT && l->used; t++) {
		if (!l->due[t] || l->due[t] > now)
			continue;
		l->due[t] = 0;
		work[t](e, l, now);
	}
	for (int t = 0; t < TIMER_COUNT && l->used; t++)
		if (l->due[t] && l->due[t] < first)
			first = l->due[t];
	if (first != NEVER)
		wheel_set(&e->wheel, timer_of_link(e, n), first);
}

/* -- ends ------------------------------------------------------------------------------------ */

void engine_revoke(struct engine *e, uint32_t n, msec now)
{
	struct link *l = &e->link[n];

	e->now = now;
	if (n >= e->conf.links || !l->used || l->ending)
		return;
	bye(e, l->relay, BYE_REVOKED, "certificate revoked");
	bye(e, l->control, BYE_REVOKED, "certificate revoked");
	former_drop(e, l);
	link_remove(e, l, now);
}

void engine_stop(struct engine *e, msec now)
{
	e->now = now;
	for (uint32_t n = 0; n < e->conf.links; n++) { /* messages first */
		bye(e, e->link[n].relay, BYE_STOP, "daemon stops");
		bye(e, e->link[n].control, BYE_STOP, "daemon stops");
	}
	for (uint32_t n = 0; n < e->conf.links; n++)
		if (e->link[n].used)
			carrier_leave_all(e, &e->link[n], LEFT_CLOSED, now);
}
