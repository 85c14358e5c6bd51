/* SPDX-License-Identifier: MIT
 *
 * outer.c - IPv4 packets that capture took away for us
 *
 * Everything here comes from strangers until a carrier is found for it. What
 * fits none is dropped, but for two forms that may become a carrier at the
 * hub: a SYN (waits in a ring for its OPEN) and a punch.
 *
 * ICMPv4 errors that quote a packet of ours are the carrier's trouble (design
 * 4): "fragmentation needed" makes us measure the path again, and is believed
 * only after that; others count as a retransmission, so that a second sign is
 * needed before the carrier is left. Nothing of them goes inside.
 */
#include "core/csum.h"
#include "core/own.h"

enum { ICMP4_UNREACH = 3, ICMP4_FRAG_NEEDED = 4 };

/* Our packet, quoted in an error: the carrier it was on. */
static uint32_t quoted_carrier(const struct engine *e, const struct pkt *p,
			       struct pkt *q)
{
	struct span quoted = { p->f->at + p->l4_at + 8,
		p->f->len - p->l4_at - 8 };

	if (pkt_parse_quoted4(q, quoted))
		return NONE;
	return carrier_find(e, q->nh, (struct taddr4){ q->src4, q->sport },
			    (struct taddr4){ q->dst4, q->dport });
}

/* Does the quoted sequence number fit what was sent lately? */
static bool quoted_fits(const struct engine *e, const struct carrier *c,
			const struct pkt *q)
{
	const struct tcp_side *mine;

	if (c->proto != PROTO_TCP || c->session == NONE)
		return c->proto == PROTO_UDP;
	mine = &e->session[c->session].side[dir_sent(e)];
	return q->seq - (mine->end - (1u << 24)) <= 1u << 24;
}

static void outer_icmp(struct engine *e, const struct pkt *p, msec now)
{
	struct pkt q;
	uint32_t n = quoted_carrier(e, p, &q);
	struct carrier *c;
	struct link *l;

	if (csum_bytes(0, p->f->at + p->l4_at, p->f->len - p->l4_at) != 0xffff) {
		end_packet(e, NULL, DROP_CHECKSUM);
		return;
	}
	end_packet(e, NULL, DROP_OUTER_ICMP);
	if (n == NONE)
		return;
	fast_pull(e, n);
	if (!quoted_fits(e, &e->own[n], &q))
		return;
	c = &e->own[n];
	l = &e->link[c->link];
	if (p->icmp_type == ICMP4_UNREACH && p->icmp_code == ICMP4_FRAG_NEEDED)
		size_suspect(e, l, now);
	else if (c->rtx < UINT8_MAX)
		c->rtx++;
	fast_settle(e, n);
}

static void no_carrier(struct engine *e, const struct pkt *p, msec now)
{
	bool in_range = p->dport >= e->conf.port_lo &&
			p->dport <= e->conf.port_hi;

	if (is_edge(e) || !in_range)
		end_packet(e, NULL, DROP_NO_CARRIER);
	else if (p->l4 == PROTO_UDP)
		ownudp_punch(e, p, now);
	else if (tcp_is_syn(p))
		owntcp_syn(e, p, now);
	else
		end_packet(e, NULL, DROP_NO_CARRIER);
}

/* Hub: a carrier's first packet from where another one was latched: the NAT
 * has given the mapping away, and what is newly proven takes the key (3.3).
 */
static bool opens_another(const struct engine *e, const struct carrier *c,
			  const struct pkt *p)
{
	if (is_edge(e))
		return false;
	return p->l4 == PROTO_TCP ? tcp_is_syn(p) && p->seq != c->s - 1 :
	       ownudp_announced(e, p) != NONE;
}

void engine_outer(struct engine *e, struct frame *f, msec now)
{
	enum drop why;
	struct pkt p;
	uint32_t n;

	e->now = now;
	why = pkt_parse4(&p, f);
	if (why) {
		end_packet(e, NULL, why);
		return;
	}
	if (p.l4 == PROTO_ICMP) {
		outer_icmp(e, &p, now);
		return;
	}
	if (p.l4 != PROTO_TCP && p.l4 != PROTO_UDP) {
		end_packet(e, NULL, DROP_NOT_MINE);
		return;
	}
	n = carrier_find(e, p.l4, (struct taddr4){ p.dst4, p.dport },
			 (struct taddr4){ p.src4, p.sport });
	if (n == NONE || opens_another(e, &e->own[n], &p)) {
		no_carrier(e, &p, now);
		return;
	}
	fast_pull(e, n);
	if (p.l4 == PROTO_TCP)
		owntcp_received(e, n, &p, now);
	else
		ownudp_received(e, n, &p, now);
	fast_settle(e, n);
}
