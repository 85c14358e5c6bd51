/* SPDX-License-Identifier: MIT
 *
 * arrive.c - inner packets that came over on shared or relay, in trains
 *
 * Theory of operation
 * ===================
 * A super-packet that was cut at the other end comes as a row of datagrams
 * that are handed to the engine one after the other. It is joined again here
 * (join.c) before anything else looks at it: sessions, tracking and the inner
 * TUN see one packet, as on own carriers.
 *
 * One train is open at a time. It ends with the first packet that does not fit
 * it, which may begin the next, and when the outbox is drained, so nothing is
 * ever held back longer than the batch it came in, and the order of packets is
 * that of their arrival. It stands at the end of the arena and is as long as it
 * may become until then.
 */
#include "core/state.h"

enum { JOIN_ROOM = FRAME_HEADROOM + JOIN_BYTES };

/* The train is complete: to its session. */
void arrive_end(struct engine *e)
{
	struct train *t = &e->train;
	struct frame f = join_frame(&t->join);

	out_shrink(e, f.at - FRAME_HEADROOM, JOIN_ROOM,
		   FRAME_HEADROOM + f.len);
	t->open = false;
	deliver(e, &e->link[t->link], &f, t->via, e->now);
}

/* RFC 6040, 4.2: a congestion mark of the outer header that @f knows not of. */
static void take_ecn(struct frame *f, uint8_t tos)
{
	if ((tos & ECN_CE) == ECN_CE && f->len >= IP6_HDR &&
	    (f->at[1] >> 4 & ECN_CE))
		f->at[1] |= ECN_CE << 4;
}

/* Copy an inner packet where it has headroom, and hand it inside. */
static void alone(struct engine *e, struct link *l, enum via via,
		  struct span head, struct span rest)
{
	uint8_t *at = out_room(e, FRAME_HEADROOM + head.len + rest.len);
	struct frame f = { .len = head.len + rest.len };

	if (!at) {
		end_packet(e, l, DROP_FULL_OUT);
		return;
	}
	f.at = at + FRAME_HEADROOM;
	memcpy(f.at, head.at, head.len);
	memcpy(f.at + head.len, rest.at, rest.len);
	if (via == VIA_EXPLICIT)
		take_ecn(&f, e->tos);
	deliver(e, l, &f, via, e->now);
}

/* Begin a train, if more may follow. */
static bool begin(struct engine *e, struct link *l, enum via via,
		  struct span head, struct span rest)
{
	struct train *t = &e->train;
	uint8_t *at;

	if (head.len != IP6_HDR || !out_fits(e, JOIN_ROOM) ||
	    (head.at[6] == PROTO_UDP && !e->conf.joins_udp))
		return false;
	at = out_room(e, JOIN_ROOM);
	t->open = join_start(&t->join, at + FRAME_HEADROOM, head.at, rest);
	if (!t->open)
		out_shrink(e, at, JOIN_ROOM, 0);
	t->link = link_index(e, l);
	t->via = via;
	return t->open;
}

void arrive(struct engine *e, struct link *l, enum via via, struct span head,
	    struct span rest)
{
	struct train *t = &e->train;

	if (t->open) {
		if (head.len == IP6_HDR && t->link == link_index(e, l) &&
		    t->via == via && join_add(&t->join, head.at, rest))
			return;
		arrive_end(e);
	}
	if (!begin(e, l, via, head, rest))
		alone(e, l, via, head, rest);
}
