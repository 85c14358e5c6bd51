/* SPDX-License-Identifier: MIT
 *
 * engine.c - memory, outbox, clockwork
 *
 * Theory of operation
 * ===================
 * All tables lie in one piece of memory that the caller gives, cut up here by
 * layout(); engine_bytes() runs the same function without memory. Sessions and
 * carriers that were never used are not even touched (top_session, top_own),
 * so a large capacity costs nothing where memory comes from zero pages.
 *
 * The outbox is an array and an arena. Both are emptied when the caller has
 * taken the last entry, so a batch of calls may be drained at once. If either
 * is full, what does not fit is dropped and counted: packets may be lost.
 * Messages may not; the last eighth of both is kept for them.
 *
 * No call takes long, however many sessions there are: engine_tick() does
 * TICK_WORK timers, or what fills a quarter of the outbox, and leaves the rest
 * to the next turn (the deadline is then past), and what concerns all sessions
 * of a link goes in pieces, by its timers.
 */
#include "core/engine.h"

#include "core/icmp6.h"
#include "core/own.h"

/* -- memory ----------------------------------------------------------------- */

static size_t align64(size_t len)
{
	return (len + 63) & ~(size_t)63;
}

/* Lay out everything behind the engine. @e NULL: only measure. */
static size_t layout(struct engine *e, const struct engine_conf *c)
{
	uint32_t timers = c->sessions + c->own + c->links;
	uint8_t *base = (uint8_t *)e;
	size_t at = align64(sizeof(*e));
	const struct { size_t where, len; } array[] = {
#define ARRAY(field, count) \
	{ offsetof(struct engine, field), (count) * sizeof(*e->field) }
		ARRAY(session, c->sessions), ARRAY(own, c->own),
		ARRAY(tx, c->contexts), ARRAY(rx, c->contexts),
		ARRAY(link, c->links), ARRAY(conn, c->conns),
		ARRAY(wheel.node, timers), ARRAY(fast_owner, c->fast_places),
		ARRAY(fast_next, c->fast_places),
#undef ARRAY
	};
	const struct { size_t where; uint32_t cap; } table[] = {
		{ offsetof(struct engine, sessions), c->sessions },
		{ offsetof(struct engine, own_key), c->own },
		{ offsetof(struct engine, own_name), c->own },
		{ offsetof(struct engine, tx_key), c->contexts },
		{ offsetof(struct engine, tx_number), c->contexts },
		{ offsetof(struct engine, rx_key), c->contexts },
		{ offsetof(struct engine, rx_number), c->contexts },
		{ offsetof(struct engine, link_number), c->links },
		{ offsetof(struct engine, link_prefix), c->links },
		{ offsetof(struct engine, link_latch), c->links },
	};

	for (size_t i = 0; i < sizeof(array) / sizeof(array[0]); i++) {
		if (base) {
			void *p = base + at;

			memcpy(base + array[i].where, &p, sizeof(p));
		}
		at += align64(array[i].len);
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (base)
			table_init((struct table *)(void *)(base +
				   table[i].where), base + at, table[i].cap);
		at += align64(table_bytes(table[i].cap));
	}
	if (base)
		wheel_init(&e->wheel, e->wheel.node, timers, e->now);
	return at;
}

size_t engine_bytes(const struct engine_conf *c)
{
	return layout(NULL, c);
}

struct engine *engine_init(void *memory, const struct engine_conf *c, msec now)
{
	struct engine *e = memory;
	uint8_t key[16];
	uint32_t n;

	e->conf = *c;
	e->start = e->now = now;
	rand_init(&e->rand, c->seed);
	rand_bytes(&e->rand, key, sizeof(key));
	e->hash_key = siphash_key_from(key);
	e->epoch = rand64(&e->rand) | 1;
	e->next_name = rand32(&e->rand) & 0xffff;
	e->uplink_mtu = FULL_MTU;
	e->icmp_tokens = ICMP6_BURST;
	e->icmp_at = now;
	layout(e, c);
	for (n = 0; n < c->links; n++)
		e->link[n].half.first = e->link[n].control =
			e->link[n].former =
			e->link[n].relay = NONE;
	e->free_session = e->free_own = NONE;
	e->fast_top = 1;
	if (is_edge(e))
		link_init(e, &e->link[0], &c->prefix, now);
	return e;
}

/* -- outbox ------------------------------------------------------------------ */

static bool keeps_reserve(enum out_kind kind)
{
	return kind == OUT_INNER || kind == OUT_OUTER ||
	       kind == OUT_DATAGRAM || kind == OUT_RELAY;
}

struct out *out_new(struct engine *e, enum out_kind kind)
{
	uint32_t cap = keeps_reserve(kind) ? OUT_CAP / 8 * 7 : OUT_CAP;
	struct out *o;

	if (e->out_count >= cap) {
		e->drops[DROP_FULL_OUT]++;
		return NULL;
	}
	o = &e->out[e->out_count++];
	*o = (struct out){ .kind = kind };
	return o;
}

static size_t align8(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static uint8_t *room(struct engine *e, size_t len, size_t cap)
{
	uint8_t *at = e->arena + e->arena_used;

	if (len > cap || e->arena_used > cap - len) {
		e->drops[DROP_FULL_OUT]++;
		return NULL;
	}
	e->arena_used += align8(len);
	return at;
}

uint8_t *out_room(struct engine *e, size_t len)
{
	return room(e, len, ARENA / 8 * 7);
}

uint8_t *out_room_kept(struct engine *e, size_t len)
{
	return room(e, len, ARENA);
}

bool out_fits(const struct engine *e, size_t len)
{
	return e->arena_used + len <= ARENA / 8 * 7;
}

void out_shrink(struct engine *e, const uint8_t *at, size_t from, size_t to)
{
	if (at + align8(from) == e->arena + e->arena_used)
		e->arena_used -= align8(from) - align8(to);
}

const struct out *engine_next(struct engine *e)
{
	if (e->train.open)
		arrive_end(e);
	if (e->out_done < e->out_count)
		return &e->out[e->out_done++];
	e->out_done = e->out_count = 0;
	e->arena_used = 0;
	return NULL;
}

static void out_frame(struct engine *e, enum out_kind kind,
		      const struct frame *f)
{
	struct out *o = out_new(e, kind);

	if (!o)
		return;
	o->off = f->off;
	o->body = (struct span){ f->at, f->len };
}

void out_inner(struct engine *e, const struct frame *f)
{
	out_frame(e, OUT_INNER, f);
}

void out_outer(struct engine *e, const struct frame *f)
{
	out_frame(e, OUT_OUTER, f);
}

void out_message_on(struct engine *e, uint32_t conn, const struct msg *m)
{
	uint8_t bytes[MSG_MAX], *at;
	struct writer w = writer_of(bytes, sizeof(bytes));
	size_t len = msg_encode(&w, m);
	struct out *o;

	at = len ? room(e, len, ARENA) : NULL;
	o = at ? out_new(e, OUT_MESSAGE) : NULL;
	if (!o)
		return;
	memcpy(at, bytes, len);
	o->conn = conn;
	o->head = (struct span){ at, len };
}

void out_bye(struct engine *e, uint32_t conn, enum bye why, const char *text)
{
	struct msg m = { .type = MSG_BYE, .u.bye = { .reason = (uint8_t)why,
		.text = { (const uint8_t *)text, strlen(text) } } };

	out_message_on(e, conn, &m);
}

bool out_message(struct engine *e, const struct link *l, const struct msg *m)
{
	if (l->control == NONE)
		return false;
	out_message_on(e, l->control, m);
	return true;
}

void out_note(struct engine *e, const struct link *l, enum note n)
{
	struct out *o = out_new(e, OUT_NOTE);

	if (!o)
		return;
	o->note = (uint8_t)n;
	o->link = l ? link_index(e, l) : NONE;
}

const char *engine_note_text(enum note n)
{
	static const char *const text[] = {
#define N(name, words) words,
		ENGINE_NOTES(N)
#undef N
	};

	return n < NOTE_COUNT ? text[n] : "";
}

void end_packet(struct engine *e, struct link *l, enum drop why)
{
	e->drops[why]++;
	if (l)
		l->drops++;
}

/* RFC 4443, 2.4 f: a token bucket over all errors of our own. */
static bool icmp6_token(struct engine *e)
{
	msec since = e->now - e->icmp_at;

	e->icmp_tokens = since * ICMP6_RATE / 1000 + e->icmp_tokens <
			 ICMP6_BURST ? e->icmp_tokens +
			 (uint32_t)(since * ICMP6_RATE / 1000) : ICMP6_BURST;
	if (since * ICMP6_RATE >= 1000)
		e->icmp_at = e->now;
	if (!e->icmp_tokens)
		return false;
	e->icmp_tokens--;
	return true;
}

void answer_icmp6(struct engine *e, const struct pkt *p, uint8_t type,
		  uint8_t code, uint32_t param)
{
	struct writer w;
	struct frame f = { 0 };
	uint8_t *at;

	if (!icmp6_may_answer(p, type == ICMP6_TOO_BIG) || !icmp6_token(e))
		return;
	at = out_room(e, MIN_INNER);
	if (!at)
		return;
	w = writer_of(at, MIN_INNER);
	f.len = icmp6_error(&w, &e->conf.self, type, code, param, p);
	f.at = at;
	if (f.len)
		out_inner(e, &f);
}

/* -- clockwork --------------------------------------------------------------- */

enum { TICK_WORK = 1024 };	/* below a millisecond, if all of them close */

void engine_tick(struct engine *e, msec now)
{
	uint32_t n, work = TICK_WORK;

	e->now = now;
	while (e->out_count < OUT_CAP / 4 &&
	       (n = wheel_expire(&e->wheel, now, &work)) != NONE) {
		if (n < e->conf.sessions)
			session_timer(e, n, now);
		else if (n < timer_of_link(e, 0))
			carrier_timer(e, n - timer_of_own(e, 0), now);
		else
			link_timer(e, n - timer_of_link(e, 0), now);
	}
}

msec engine_deadline(const struct engine *e)
{
	return wheel_deadline(&e->wheel);
}

void engine_set_uplink(struct engine *e, uint32_t addr, uint16_t mtu, msec now)
{
	bool changed = e->uplink && e->uplink != addr;

	e->now = now;
	e->uplink = addr;
	e->uplink_mtu = mtu < FULL_MTU ? mtu : FULL_MTU;
	for (uint32_t n = 0; n < e->conf.links; n++)
		if (e->link[n].used && !e->link[n].ending &&
		    (e->link[n].size_out > e->uplink_mtu ||
		     (changed && is_edge(e))))
			size_doubt(e, &e->link[n], now);
	if (!changed || !is_edge(e))
		return;
	carrier_leave_all(e, &e->link[0], LEFT_NAT, now); /* another NAT */
	probe_forget(e, &e->link[0], now);
	shared_ask(e, &e->link[0], now);
}

void engine_set_hub(struct engine *e, uint32_t addr, uint16_t shared_port,
		    msec now)
{
	struct taddr4 hub = { addr, shared_port };
	struct link *l = &e->link[0];
	bool changed = l->shared.addr && l->shared.addr != addr;

	e->now = now;
	shared_at(l, hub);
	e->hub = hub;
	if (!changed)
		return;
	carrier_leave_all(e, l, LEFT_MOVED, now);
	probe_forget(e, l, now);
}

/* -- status ------------------------------------------------------------------ */

uint32_t engine_sessions(const struct engine *e)
{
	return e->session_count;
}

uint64_t engine_drops(const struct engine *e, enum drop d)
{
	return e->drops[d];
}

bool engine_link(const struct engine *e, uint32_t n, struct link_status *s)
{
	const struct link *l = &e->link[n];

	if (n >= e->conf.links || !l->used)
		return false;
	*s = (struct link_status){
		.prefix = l->prefix, .up = l->control != NONE,
		.shared_up = shared_works(e, l), .relay_up = l->relay != NONE,
		.since = l->since, .rtt_ms = l->rtt_ms, .seen = l->seen,
		.mtu = path_size(l),
		.mtu_up = is_edge(e) ? l->size_out : l->size_in,
		.mtu_down = is_edge(e) ? l->size_in : l->size_out,
		.own_heard = fast_heard(e, l), .own_tcp = l->own_tcp,
		.peer_lo = l->peer_lo, .peer_hi = l->peer_hi,
		.own_active = l->own_active, .own_budget = l->budget,
		.sessions = l->sessions, .drops = l->drops,
	};
	memcpy(s->name, l->name, sizeof(s->name));
	memcpy(s->serial, l->serial, sizeof(s->serial));
	memcpy(s->sent, l->sent, sizeof(s->sent));
	memcpy(s->received, l->received, sizeof(s->received));
	return true;
}

bool engine_session(const struct engine *e, uint32_t n,
		    struct session_status *st, msec now)
{
	const struct session *s = &e->session[n];

	if (n >= e->top_session || s->state == SESSION_FREE)
		return false;
	*st = (struct session_status){
		.host = s->host, .peer = s->peer, .host_port = s->host_port,
		.peer_port = s->peer_port, .proto = s->proto,
		.inbound = s->initiator == BY_PEER, .via = s->via,
		.idle = since(now, s->seen), .link = s->link,
	};
	return true;
}

bool engine_reaches(struct engine *e, const struct addr6 *a)
{
	const struct link *l = link_by_addr(e, a);

	return addr6_eq(a, &e->conf.self) || (l && !l->ending);
}

void engine_bench(struct engine *e, uint32_t link, struct span body)
{
	struct msg m = { .type = MSG_BENCH, .u.bench = { body } };

	if (link < e->conf.links && e->link[link].used)
		out_message(e, &e->link[link], &m);
}
