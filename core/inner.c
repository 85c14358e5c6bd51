/* SPDX-License-Identifier: MIT
 *
 * inner.c - between the inner TUN and the carriers, both ways
 *
 * Theory of operation
 * ===================
 * Twins: engine_inner() takes a packet that routing gave us and sends it over;
 * deliver() takes a packet that came over and hands it to routing. Both find
 * or open its session, note it there, and pass it on; they differ in who is
 * believed for what:
 *
 *	                 edge                         hub
 *	engine_inner()   host sends: source must be   peer sends: destination
 *	                 in our prefix                picks the link, its policy
 *	                                              decides on new sessions
 *	deliver()        peer sent: policy again      host sent: source must be
 *	                 for what has no session      in the link's prefix
 *
 * An ICMPv6 error is checked against the session of the packet it quotes (RFC
 * 4890) and goes explicit; it opens nothing. A first fragment opens a session
 * of its own (next header 44) if the packet it starts would be let in; the
 * others follow it, but each further first one is asked again. A first
 * fragment from the host opens the session of what it carries as well: the
 * answer may come in one piece.
 *
 * Sizes (design 3): larger than M + 20 is answered with packet too big; what
 * only does not fit shared goes in two pieces, and is answered once a second.
 */
#include "core/cut.h"
#include "core/icmp6.h"
#include "core/own.h"

enum { OWN_GAIN = IP6_HDR - IP4_HDR, SHARED_GAIN = 8 };

/* -- sessions ------------------------------------------------------------- */

/* The session of the packet an ICMPv6 error quotes. The error travels in @d,
 * so the quoted packet travelled the other way.
 */
static uint32_t quoted_session(const struct engine *e, const struct pkt *p,
			       enum dir d)
{
	struct span quoted = { p->f->at + p->l4_at + 8, p->f->len - p->l4_at - 8 };
	const struct addr6 *to = &p->dst6;
	struct tuple t;
	struct pkt q;

	if (pkt_parse_quoted6(&q, quoted) || !addr6_eq(&q.src6, to))
		return NONE;
	t = tuple_of(&q, d == UP ? DOWN : UP);
	return session_find(e, &t);
}

static bool is_icmp6_error(const struct pkt *p)
{
	return p->l4 == PROTO_ICMP6 && icmp6_is_error(p->icmp_type);
}

/* The session that a packet travelling in @d belongs to. A SYN may begin
 * another connection with the ports of one that is over: then there is none
 * yet, and the rules for a new one hold.
 */
static uint32_t session_of(struct engine *e, const struct pkt *p, enum dir d)
{
	struct tuple t = tuple_of(p, d);
	uint32_t n = session_find(e, &t);

	if (n != NONE && p->l4 == PROTO_TCP && tcp_is_syn(p) &&
	    session_renewed(e, n, p->seq, d, e->now))
		return NONE;
	return n;
}

static const struct policy *policy_of(const struct engine *e,
				      const struct link *l)
{
	return is_edge(e) ? &e->conf.inbound : &l->inbound;
}

/* The session of what a first fragment begins. */
static struct tuple carried_tuple(const struct pkt *p, enum dir d)
{
	struct tuple t = tuple_of(p, d);

	t.proto = p->frag_nh;
	if (p->frag_l4 == PROTO_TCP || p->frag_l4 == PROTO_UDP) {
		t.host_port = d == UP ? p->sport : p->dport;
		t.peer_port = d == UP ? p->dport : p->sport;
	}
	return t;
}

/* May a first fragment come in? If the packet that it begins might, or if that
 * belongs to a session. A header that is cut off says nothing (RFC 7112).
 */
static bool first_frag_allowed(const struct engine *e, const struct link *l,
			       const struct pkt *p)
{
	struct tuple t = carried_tuple(p, DOWN);
	bool icmp = t.proto == PROTO_ICMP6;

	if ((icmp || t.proto == PROTO_TCP || t.proto == PROTO_UDP) &&
	    p->frag_l4 != t.proto)
		return false;
	if (icmp && p->icmp_type != ICMP6_ECHO_REPLY)
		return p->icmp_type == ICMP6_ECHO;
	return session_find(e, &t) != NONE ||
	       (!icmp && policy_allows(policy_of(e, l), &l->prefix, &p->dst6,
				       t.proto, t.host_port));
}

/* May the peer open a session with this packet? */
static bool inbound_allowed(const struct engine *e, const struct link *l,
			    const struct pkt *p)
{
	const struct policy *policy = policy_of(e, l);

	if (policy->all)
		return true;
	if (p->is_frag)
		return p->is_first_frag && first_frag_allowed(e, l, p);
	if (p->nh == PROTO_ICMP6)
		return p->l4 == PROTO_ICMP6 && p->icmp_type == ICMP6_ECHO;
	return policy_allows(policy, &l->prefix, &p->dst6, p->l4, p->dport);
}

/* May the peer go on with this packet, on a session that exists? One of
 * fragments or of ICMPv6 stands for more than what opened it: a fragmented echo
 * must not let in a fragmented SYN.
 */
static bool inbound_follows(const struct engine *e, const struct link *l,
			    uint32_t n, const struct pkt *p)
{
	if (policy_of(e, l)->all)
		return true;
	if (p->is_frag)
		return !p->is_first_frag || first_frag_allowed(e, l, p);
	return p->nh != PROTO_ICMP6 ||
	       e->session[n].initiator == BY_HOST ||
	       (p->l4 == PROTO_ICMP6 && (p->icmp_type == ICMP6_ECHO ||
					 p->icmp_type == ICMP6_ECHO_REPLY));
}

/* Open the session of a packet from the peer, or say why not. */
static uint32_t open_inbound(struct engine *e, struct link *l,
			     const struct pkt *p, enum drop *why)
{
	struct tuple t = tuple_of(p, DOWN);
	uint32_t n;

	if (!inbound_allowed(e, l, p)) {
		*why = is_edge(e) || l->settled || e->now >= l->settle_until ?
		       DROP_POLICY : DROP_SETTLING;
		return NONE;
	}
	n = session_add(e, &t, link_index(e, l), BY_PEER, e->now);
	*why = DROP_FULL_SESSIONS;
	return n;
}

/* A first fragment from the host: answers to what it carries are expected. */
static void expect_answer(struct engine *e, const struct link *l,
			  const struct pkt *p)
{
	struct tuple t = carried_tuple(p, UP);
	bool cut_off = p->frag_l4 == PROTO_NONE &&
		       (t.proto == PROTO_TCP || t.proto == PROTO_UDP ||
			t.proto == PROTO_ICMP6);
	uint32_t n = session_find(e, &t);

	if (n != NONE && e->session[n].link == link_index(e, l))
		e->session[n].seen = (msec32)e->now;
	else if (n == NONE && !cut_off)
		session_add(e, &t, link_index(e, l), BY_HOST, e->now);
}

static uint32_t open_outbound(struct engine *e, struct link *l,
			      const struct pkt *p, enum drop *why)
{
	struct tuple t = tuple_of(p, UP);

	*why = DROP_FULL_SESSIONS;
	return session_add(e, &t, link_index(e, l), BY_HOST, e->now);
}

/* The session of a packet that travels in @d on @l, opened if need be, or why
 * not.
 */
static uint32_t session_for(struct engine *e, struct link *l,
			    const struct pkt *p, enum dir d, enum drop *why)
{
	uint32_t n;

	if (d == UP && p->is_first_frag)
		expect_answer(e, l, p); /* it may evict a half-open session */
	n = session_of(e, p, d);
	if (n == NONE)
		return d == UP ? open_outbound(e, l, p, why) :
		       open_inbound(e, l, p, why);
	*why = DROP_NONE;
	if (e->session[n].link != link_index(e, l))
		*why = DROP_SPOOFED;
	else if (d == DOWN && !inbound_follows(e, l, n, p))
		*why = DROP_POLICY;
	return *why ? NONE : n;
}

/* -- out of the inner TUN ---------------------------------------------------- */

static struct link *link_for(struct engine *e, const struct pkt *p)
{
	struct link *l = is_edge(e) ? &e->link[0] : link_by_addr(e, &p->dst6);
	bool src_ours;

	if (!l || !l->used || l->ending) {
		if (e->now - e->start < SETTLE_MS) { /* it may come yet */
			end_packet(e, NULL, DROP_SETTLING);
			return NULL;
		}
		answer_icmp6(e, p, ICMP6_UNREACH, ICMP6_UNREACH_NO_ROUTE, 0);
		end_packet(e, NULL, DROP_NO_LINK);
		return NULL;
	}
	src_ours = prefix6_contains(&l->prefix, &p->src6);
	if (is_edge(e) && !src_ours) {
		answer_icmp6(e, p, ICMP6_UNREACH, ICMP6_UNREACH_SOURCE, 0);
		end_packet(e, l, DROP_SPOOFED);
		return NULL;
	}
	if (is_edge(e) ? prefix6_contains(&l->prefix, &p->dst6) : src_ours) {
		answer_icmp6(e, p, ICMP6_UNREACH, ICMP6_UNREACH_NO_ROUTE, 0);
		end_packet(e, l, DROP_LOOP);
		return NULL;
	}
	return l;
}

/* Packet too big, if it is. Return: it was, and is dropped. */
static bool too_big(struct engine *e, struct link *l, const struct pkt *p)
{
	size_t largest = cut_largest(p), m = path_size(l);

	if (!m || !l->size_settled || largest <= MIN_INNER)
		return false;
	if (largest > m + OWN_GAIN) {
		m += OWN_GAIN;
		answer_icmp6(e, p, ICMP6_TOO_BIG, 0,
			     m < MIN_INNER ? MIN_INNER : (uint32_t)m);
		end_packet(e, l, DROP_TOO_BIG);
		return true;
	}
	return false;
}

/* It goes on shared in two pieces: say what would fit, once a second. */
static void hint_size(struct engine *e, struct link *l, const struct pkt *p)
{
	size_t m = path_size(l);

	if (!m || !l->size_settled || m + SHARED_GAIN < MIN_INNER || !shared_works(e, l) ||
	    cut_largest(p) <= m + SHARED_GAIN || e->now - l->ptb_at < 1000)
		return;
	l->ptb_at = e->now;
	answer_icmp6(e, p, ICMP6_TOO_BIG, 0, (uint32_t)m + SHARED_GAIN);
}

static void send_error(struct engine *e, struct link *l, const struct pkt *p)
{
	if (quoted_session(e, p, dir_sent(e)) == NONE)
		end_packet(e, l, DROP_NO_SESSION);
	else
		shared_send(e, l, NONE, p, false);
}

/* An own carrier delivers with the hop limit that was told over control: after
 * a lower one was told, packets wait elsewhere until it surely arrived, or
 * they would come out with more than they went in with.
 */
static bool hop_arrived(const struct engine *e, const struct session *s)
{
	return !s->hop_lowered || since(e->now, s->window_at) > HOP_SETTLE_MS;
}

/* Until M is found nothing over SMALL_OUTER goes whole (design 3). */
static bool fits_own(const struct link *l, const struct pkt *p)
{
	size_t m = path_size(l) ? path_size(l) : SMALL_OUTER;

	return cut_largest(p) <= m + OWN_GAIN;
}

static bool send_own(struct engine *e, uint32_t n, struct pkt *p)
{
	if (p->l4 == PROTO_TCP)
		return owntcp_send(e, n, p, e->now);
	return p->l4 == PROTO_UDP && ownudp_send(e, n, p, e->now);
}

static void send_session(struct engine *e, struct link *l, uint32_t n,
			 struct pkt *p, bool fits)
{
	struct session *s = &e->session[n];
	bool hop_ok = session_hop_ok(e, n, p, e->now);
	bool half_in = s->state == SESSION_OPENING && s->initiator == BY_PEER;
	size_t bytes = p->f->len;
	enum via via;

	if (fits && hop_ok && hop_arrived(e, s) && fits_own(l, p) &&
	    send_own(e, n, p)) {
		s->via = VIA_OWN;
		if (s->carrier != NONE)
			fast_settle(e, s->carrier);
		return;
	}
	hint_size(e, l, p);
	via = shared_send(e, l, n, p, hop_ok && !half_in);
	if (via == VIA_COUNT)
		return;
	s->via = (uint8_t)via;
	if (s->carrier != NONE)
		fast_elsewhere(e, s->carrier);
	if (p->l4 == PROTO_TCP)
		owntcp_sent_shared(e, n, p, e->now);
	carrier_moved(e, n, (uint32_t)bytes, e->now);
}

void engine_inner(struct engine *e, struct frame *f, msec now)
{
	enum drop why = DROP_NONE;
	struct link *l;
	struct pkt p;
	uint32_t n;
	bool fits;

	e->now = now;
	why = pkt_parse6(&p, f);
	if (!why && (!addr6_is_unicast(&p.src6) || !addr6_is_unicast(&p.dst6)))
		why = DROP_MARTIAN;
	if (why) {
		end_packet(e, NULL, why);
		return;
	}
	l = link_for(e, &p);
	if (!l || too_big(e, l, &p))
		return;
	if (is_icmp6_error(&p)) {
		send_error(e, l, &p);
		return;
	}
	n = session_for(e, l, &p, dir_sent(e), &why);
	if (n == NONE) {
		if (why == DROP_POLICY)
			answer_icmp6(e, &p, ICMP6_UNREACH,
				     ICMP6_UNREACH_POLICY, 0);
		end_packet(e, l, why);
		return;
	}
	if (e->session[n].carrier != NONE)
		fast_pull(e, e->session[n].carrier);
	fits = session_track(e, n, &p, dir_sent(e), now);
	send_session(e, l, n, &p, fits);
}

/* -- from a carrier ------------------------------------------------------------ */

static enum drop deliver_check(const struct engine *e, const struct link *l,
			       const struct pkt *p)
{
	const struct addr6 *ours = is_edge(e) ? &p->dst6 : &p->src6;
	const struct addr6 *theirs = is_edge(e) ? &p->src6 : &p->dst6;

	if (!addr6_is_unicast(ours) || !addr6_is_unicast(theirs))
		return DROP_MARTIAN;
	if (!prefix6_contains(&l->prefix, ours))
		return DROP_SPOOFED;
	return prefix6_contains(&l->prefix, theirs) ? DROP_LOOP : DROP_NONE;
}

/* The same for all packets of a flow, whatever they came over: one that moves
 * from explicit to a carrier that has no room for the label stays one flow to
 * the routers behind us.
 */
static void set_flow_label(struct frame *f, uint32_t label)
{
	f->at[1] = (uint8_t)((f->at[1] & 0xf0) | (label >> 16 & 0x0f));
	put16(f->at + 2, (uint16_t)label);
}

static uint32_t wire_bytes(enum via via, uint32_t inner, uint32_t packets)
{
	switch (via) {
	case VIA_SHARED:
		return inner - packets * (IP6_HDR - IP_UDP - WIRE_TAG);
	case VIA_EXPLICIT:
		return inner + packets * (IP_UDP + WIRE_EXPLICIT);
	case VIA_OWN:
	case VIA_RELAY:
	case VIA_COUNT:
		break;
	}
	return inner + packets * MSG_HEADER;
}

/* A train counts as the packets that it was. */
static void count_received(struct link *l, enum via via, const struct pkt *p)
{
	uint32_t packets = pkt_count(p);
	uint32_t inner = (uint32_t)p->f->len +
			 (packets - 1) * (p->l4_at + p->l4_len);
	struct traffic *t = &l->received[via];

	t->packets += packets;
	t->inner_bytes += inner;
	t->wire_bytes += wire_bytes(via, inner, packets);
}

static void deliver_error(struct engine *e, struct link *l, struct pkt *p)
{
	uint32_t n = quoted_session(e, p, dir_received(e));

	if (n == NONE || e->session[n].link != link_index(e, l))
		end_packet(e, l, DROP_NO_SESSION);
	else
		out_inner(e, p->f);
}

void deliver(struct engine *e, struct link *l, struct frame *f, enum via via,
	     msec now)
{
	struct pkt p;
	enum drop why = pkt_parse6(&p, f);
	uint32_t n;

	if (!why)
		why = deliver_check(e, l, &p);
	if (why) {
		end_packet(e, l, why);
		return;
	}
	if (via != VIA_COUNT)
		count_received(l, via, &p);
	if (is_icmp6_error(&p)) {
		deliver_error(e, l, &p);
		return;
	}
	n = session_for(e, l, &p, dir_received(e), &why);
	if (n == NONE) {
		end_packet(e, l, why);
		return;
	}
	if (e->session[n].carrier != NONE)
		fast_pull(e, e->session[n].carrier);
	if (session_track(e, n, &p, dir_received(e), now) &&
	    p.l4 == PROTO_TCP && !owntcp_delivered(e, n, &p, now)) {
		end_packet(e, l, DROP_SWALLOWED_SYN);
		return;
	}
	if (e->session[n].carrier != NONE)
		fast_elsewhere(e, e->session[n].carrier);
	set_flow_label(f, e->session[n].label);
	out_inner(e, f);
	carrier_moved(e, n, (uint32_t)f->len, now);
}
