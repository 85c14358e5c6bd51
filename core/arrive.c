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
	struct frame f = join_end(&t->join);

	out_shrink(e, f.at - FRAME_HEADROOM, JOIN_ROOM, FRAME_HEADROOM + f.len);
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

/* Copy the packet where it has headroom, and as much as a train may need if
 * there is that much.
 */
static bool copy(struct engine *e, struct frame *f, struct span head,
		 struct span rest, size_t *room)
{
	uint8_t *at;

	f->len = head.len + rest.len;
	*room = FRAME_HEADROOM + f->len;
	if (head.len == IP6_HDR && out_fits(e, JOIN_ROOM) && *room < JOIN_ROOM)
		*room = JOIN_ROOM;
	at = out_room(e, *room);
	if (!at)
		return false;
	f->at = at + FRAME_HEADROOM;
	memcpy(f->at, head.at, head.len);
	memcpy(f->at + head.len, rest.at, rest.len);
	return true;
}

/* A packet that fits no open train: it begins one, or goes alone. */
static void begin(struct engine *e, struct link *l, enum via via,
		  struct span head, struct span rest)
{
	struct train *t = &e->train;
	struct frame f = { 0 };
	size_t room;

	if (!copy(e, &f, head, rest, &room)) {
		end_packet(e, l, DROP_FULL_OUT);
		return;
	}
	if (via == VIA_EXPLICIT)
		take_ecn(&f, e->tos);
	t->link = link_index(e, l);
	t->via = via;
	t->open = room == JOIN_ROOM &&
		  join_start(&t->join, &f, e->conf.joins_udp);
	if (t->open)
		return;
	out_shrink(e, f.at - FRAME_HEADROOM, room, FRAME_HEADROOM + f.len);
	deliver(e, l, &f, via, e->now);
}

void arrive(struct engine *e, struct link *l, enum via via, struct span head,
	    struct span rest)
{
	static const struct offload none;
	struct train *t = &e->train;

	if (t->open) {
		if (head.len == IP6_HDR && t->link == link_index(e, l) &&
		    t->via == via && join_add(&t->join, head.at, rest, &none))
			return;
		arrive_end(e);
	}
	begin(e, l, via, head, rest);
}
