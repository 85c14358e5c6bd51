/* SPDX-License-Identifier: MIT
 *
 * laws.c - what must hold when a part of a run has ended
 */
#include "tests/sim/run.h"

/* Ends forget UDP each in its own time, and an answer may be lost; of TCP that
 * ended long ago, and whose record was lost, late segments make new records.
 */
enum { FRESH = 15 * 1000 };

static void broken(struct run *r, const struct node *n, const char *what)
{
	sim_trace(r->s, 1, "%s: %s", sim_name(n), what);
	sim_error(r->s, what);
}

/* -- one engine ---------------------------------------------------------------- */

static uint32_t chain(const struct engine *e, bool of_sessions)
{
	uint32_t n = of_sessions ? e->free_session : e->free_own, count = 0;
	uint32_t most = of_sessions ? e->conf.sessions : e->conf.own;

	for (; n != NONE && count <= most; count++)
		n = of_sessions ? e->session[n].next : e->own[n].next;
	return count;
}

static const char *session_law(struct engine *e, uint32_t n)
{
	const struct session *s = &e->session[n];
	struct tuple t = { s->host, s->peer, s->host_port, s->peer_port,
		s->proto };

	if (session_find(e, &t) != n)
		return "session that is not found";
	if (wheel_due(&e->wheel, n) == NEVER)
		return "session without a timer";
	if (s->carrier != NONE && (e->own[s->carrier].state == CARRIER_FREE ||
				   e->own[s->carrier].session != n))
		return "session with another's carrier";
	return e->link[s->link].used ? NULL : "session of no link";
}

static const char *carrier_law(struct engine *e, uint32_t n)
{
	const struct carrier *c = &e->own[n];

	if (!e->link[c->link].used)
		return "carrier of no link";
	if (c->session == NONE ? c->kind != OPEN_PROBE :
	    e->session[c->session].carrier != n)
		return "carrier without its session";
	if (carrier_named(e, c->link, c->name) != n)
		return "carrier that is not found by name";
	if (c->latched && carrier_find(e, c->proto, c->local, c->remote) != n)
		return "carrier that is not found by address";
	if (c->state != CARRIER_UP &&
	    wheel_due(&e->wheel, timer_of_own(e, n)) == NEVER)
		return "opening carrier without a timer";
	return NULL;
}

static const char *count_law(struct engine *e, uint32_t link)
{
	const struct link *l = &e->link[link];
	uint32_t sessions = 0, own = 0, contexts = 0, inbound = 0;

	for (uint32_t n = 0; n < e->top_session; n++)
		sessions += e->session[n].state != SESSION_FREE &&
			    e->session[n].link == link;
	for (uint32_t n = 0; n < e->top_own; n++) {
		bool mine = e->own[n].state != CARRIER_FREE &&
			    e->own[n].link == link;

		own += mine;
		inbound += mine && e->own[n].inbound;
	}
	for (uint32_t n = 0; n < e->conf.contexts; n++)
		contexts += e->rx[n].number && e->rx[n].link == link;
	if (sessions != l->sessions)
		return "sessions counted wrong";
	if (own != l->own_active)
		return "own carriers counted wrong";
	if (is_edge(e) && inbound != l->own_inbound)
		return "inbound carriers counted wrong";
	return contexts == l->contexts ? NULL : "contexts counted wrong";
}

static const char *engine_law(struct engine *e)
{
	uint32_t sessions = 0, own = 0;
	const char *why = NULL;

	for (uint32_t n = 0; n < e->top_session && !why; n++)
		if (e->session[n].state != SESSION_FREE) {
			sessions++;
			why = session_law(e, n);
		}
	for (uint32_t n = 0; n < e->top_own && !why; n++)
		if (e->own[n].state != CARRIER_FREE) {
			own++;
			why = carrier_law(e, n);
		}
	for (uint32_t n = 0; n < e->conf.links && !why; n++)
		if (e->link[n].used)
			why = count_law(e, n);
	for (uint32_t n = 0; n < e->conf.conns && !why; n++)
		if (e->conn[n].used && e->conn[n].link != NONE &&
		    !e->link[e->conn[n].link].used)
			why = "connection of no link";
	if (why)
		return why;
	if (sessions != e->session_count ||
	    sessions + chain(e, true) != e->top_session)
		return "places of sessions are lost";
	if (own + chain(e, false) != e->top_own)
		return "places of carriers are lost";
	return NULL;
}

void law_tables(struct run *r)
{
	struct sim *s = r->s;

	for (uint32_t i = 0; i <= s->conf.edges; i++) {
		struct node *n = i < s->conf.edges ? &s->edge[i] : &s->hub;
		const char *why = n->stopped ? NULL : engine_law(n->e);

		if (why)
			broken(r, n, why);
	}
}

/* -- both ends -------------------------------------------------------------------- */

static struct link *link_at_hub(struct run *r, uint32_t edge)
{
	struct engine *e = r->s->hub.e;

	for (uint32_t n = 0; n < e->conf.links; n++)
		if (e->link[n].used &&
		    addr6_eq(&e->link[n].prefix.addr,
			     &r->s->edge[edge].conf.prefix.addr))
			return &e->link[n];
	return NULL;
}

/* Was it there from the beginning? */
static bool saw_syns(const struct session *s)
{
	return s->side[UP].known & s->side[DOWN].known & KNOWN_SYN;
}

/* Have both ends of the TCP connection heard the other's FIN? Late segments of
 * it may make a record at one end.
 */
static bool is_over(const struct sim *s, const struct session *se)
{
	for (int i = 0; i < SIM_TCPS; i++) {
		const struct tcp *t = &s->tcp[i];

		if (t->used && t->host_port == se->host_port &&
		    t->peer_port == se->peer_port &&
		    addr6_eq(&t->host, &se->host) &&
		    addr6_eq(&t->peer, &se->peer))
			return t->end[UP].fin_got && t->end[DOWN].fin_got;
	}
	return false;
}

/* Every live session of @a's link stands in @b's as well (one that is closing
 * ends soon); its carrier too, if something came on it since @calm. Who began it
 * is known to who saw the SYN.
 */
static const char *sessions_in(const struct sim *sim, struct engine *a,
			       struct link *la, struct engine *b,
			       struct link *lb)
{
	msec calm = ((const struct run *)sim->run)->best_at;

	for (uint32_t n = 0; n < a->top_session; n++) {
		const struct session *s = &a->session[n];
		struct tuple t = { s->host, s->peer, s->host_port,
			s->peer_port, s->proto };
		const struct carrier *c;
		uint32_t other;

		if (s->state != SESSION_LIVE || s->link != link_index(a, la) ||
		    ((s->side[UP].known | s->side[DOWN].known) & KNOWN_FIN) ||
		    (!saw_syns(s) && (since(a->now, s->seen) > FRESH ||
				      is_over(sim, s))))
			continue;
		other = session_find(b, &t);
		if (other == NONE)
			return "session that only one end knows";
		if (b->session[other].initiator != s->initiator &&
		    saw_syns(s) && saw_syns(&b->session[other]))
			return "session with two initiators";
		if (s->carrier == NONE)
			continue;
		c = &a->own[s->carrier];
		if (c->state == CARRIER_UP && c->last_rx > calm &&
		    carrier_named(b, link_index(b, lb), c->name) == NONE)
			return "carrier that only one end knows";
	}
	return NULL;
}

void law_equal(struct run *r)
{
	struct sim *s = r->s;

	for (uint32_t i = 0; i < s->conf.edges; i++) {
		struct engine *e = s->edge[i].e, *h = s->hub.e;
		struct link *le = &e->link[0], *lh = link_at_hub(r, i);
		const char *why = NULL;

		if (!lh || le->control == NONE || lh->control == NONE) {
			broken(r, &s->edge[i], "control is not up");
			continue;
		}
		why = sessions_in(s, e, le, h, lh);
		if (why)
			broken(r, &s->edge[i], why);
		why = sessions_in(s, h, lh, e, le);
		if (why)
			broken(r, &s->hub, why);
	}
}

/* -- the best carrier --------------------------------------------------------------- */

static bool carries(const struct engine *e, const struct tuple *t)
{
	uint32_t n = session_find(e, t);

	return n != NONE && e->session[n].carrier != NONE &&
	       e->own[e->session[n].carrier].state == CARRIER_UP;
}

static const char *users_best(struct run *r)
{
	struct sim *s = r->s;

	for (uint32_t i = 0; i < r->users; i++) {
		const struct tcp *t = r->user[i].t;
		struct tuple key;

		if (!t || t->end[UP].fin_wanted || t->end[UP].reset ||
		    t->end[DOWN].reset || !world_own(r, t->edge))
			continue;
		key = (struct tuple){ t->host, t->peer, t->host_port,
			t->peer_port, PROTO_TCP };
		if (!carries(s->edge[t->edge].e, &key) ||
		    !carries(s->hub.e, &key))
			return "TCP session off its best carrier";
	}
	return NULL;
}

const char *law_links(struct run *r)
{
	struct sim *s = r->s;
	const char *why = NULL;

	for (uint32_t i = 0; i < s->conf.edges && !why; i++) {
		struct engine *e = s->edge[i].e, *h = s->hub.e;
		struct link *le = &e->link[0], *lh = link_at_hub(r, i);
		bool udp = !sim_nat(s, i)->conf.drop_udp &&
			   s->conf.carriers != CARRIERS_RELAY;

		if (!lh || le->control == NONE || lh->control == NONE)
			why = "control is not up";
		else if (udp && (!shared_works(e, le) || !shared_works(h, lh)))
			why = "shared carrier is not up";
		else if (!udp && (le->relay == NONE || lh->relay == NONE))
			why = "relay is not up";
	}
	return why;
}

const char *law_best(struct run *r)
{
	const char *why = law_links(r);

	return why ? why : users_best(r);
}

static void show_session(struct run *r, const struct node *n, uint32_t i)
{
	const struct session *s = &n->e->session[i];

	sim_trace(r->s, 1, "%s: proto %u, host %02x:%u, peer %02x:%u, state %u, "
		  "by %u, idle %llu ms, carrier %d, known %02x %02x%s%s",
		  sim_name(n), s->proto, s->host.b[15], s->host_port,
		  s->peer.b[15], s->peer_port, s->state, s->initiator,
		  (unsigned long long)since(r->s->now, s->seen), (int)s->carrier,
		  s->side[UP].known, s->side[DOWN].known,
		  s->reset ? ", reset" : "", s->told_close ? ", told" : "");
}

static void show_user(struct run *r, const struct tcp *t)
{
	for (int d = UP; d <= DOWN; d++) {
		const struct end *e = &t->end[d];

		sim_trace(r->s, 1, "%u %s: state %d, sent %u of %u, got %u, "
			  "FIN %d %d%s", t->host_port, d == UP ? "host" :
			  "peer", e->state, e->una - e->iss - 1, e->total,
			  e->got, e->fin_wanted, e->fin_got,
			  e->reset ? ", reset" : "");
	}
}

void law_show(struct run *r)
{
	struct sim *s = r->s;

	for (uint32_t i = 0; s->trace && i < r->users; i++)
		if (r->user[i].t)
			show_user(r, r->user[i].t);
	for (uint32_t i = 0; s->trace && i <= s->conf.edges; i++) {
		struct node *n = i < s->conf.edges ? &s->edge[i] : &s->hub;

		for (uint32_t k = 0; n->e && k < n->e->top_session; k++)
			if (n->e->session[k].state != SESSION_FREE)
				show_session(r, n, k);
	}
}

static bool is_faultless(const struct run *r)
{
	const struct sim_conf *c = &r->s->conf;

	return !r->troubles && !c->loss && !c->jitter && !c->nat.quota;
}

/* Of each session of @la: the mark at the other end is the end of what went. */
static bool marked(struct engine *a, const struct link *la, struct engine *b,
		   const struct link *lb)
{
	for (uint32_t n = 0; n < a->top_own; n++) {
		const struct carrier *c = &a->own[n];
		uint32_t k = carrier_named(b, link_index(b, lb), c->name);

		if (c->state != CARRIER_UP || c->session == NONE ||
		    c->proto != PROTO_TCP || c->link != link_index(a, la) ||
		    carrier_is_idle(a, c, a->now))
			continue;
		if (k != NONE && b->own[k].state == CARRIER_UP &&
		    b->own[k].mark !=
		    a->session[c->session].side[dir_sent(a)].end)
			return false;
	}
	return true;
}

void law_marks(struct run *r)
{
	struct sim *s = r->s;

	for (uint32_t i = 0; is_faultless(r) && i < s->conf.edges; i++) {
		struct engine *e = s->edge[i].e, *h = s->hub.e;
		const struct link *le = &e->link[0], *lh = link_at_hub(r, i);

		engine_pull(e, s->now);
		engine_pull(h, s->now);
		if (lh && (!marked(e, le, h, lh) || !marked(h, lh, e, le)))
			sim_error(s, "an advance has not come");
	}
}

/* What a NAT that follows TCP drops on a path without fault was sent wrongly.
 * Without window scaling it may lose sight of a stream that runs a whole window
 * ahead on shared while a carrier opens.
 */
void law_followed(struct run *r)
{
	struct sim *s = r->s;

	for (uint32_t i = 0; i < r->users; i++)
		if (r->user[i].t && !r->user[i].t->scale)
			return;

	if (!is_faultless(r))
		return;
	for (uint32_t i = 0; i < s->conf.nats; i++)
		if (s->nat[i].dropped)
			sim_error(s, "the NAT does not take what was sent");
}

/* The last segments of a connection whose record was lost look like those of
 * one that lives, and no end comes after them: they may stay for a day.
 */
static bool may_stay(const struct run *r, const struct session *s)
{
	return s->state == SESSION_FREE ||
	       (!r->slept && s->proto == PROTO_TCP && !saw_syns(s));
}

void law_empty(struct run *r)
{
	struct sim *s = r->s;

	for (uint32_t i = 0; i <= s->conf.edges; i++) {
		struct node *n = i < s->conf.edges ? &s->edge[i] : &s->hub;

		for (uint32_t k = 0; k < n->e->top_session; k++)
			if (!may_stay(r, &n->e->session[k]))
				broken(r, n, "sessions are left");
		for (uint32_t c = 0; c < n->e->top_own; c++)
			if (n->e->own[c].state != CARRIER_FREE &&
			    n->e->own[c].kind != OPEN_PROBE)
				broken(r, n, "own carriers are left");
	}
}
