/* SPDX-License-Identifier: MIT
 *
 * tcptrack.c - what one side of a TCP session has sent so far
 *
 * Theory of operation
 * ===================
 * Not a state machine but observed facts per side: highest end, highest
 * acknowledgement, last window, options of the SYN. That is all a carrier
 * opened in mid-stream needs (design 3.4). Segments may come in any order and
 * by any carrier, and the Internet may send us forged ones: what does not fit
 * the other side's acknowledgement and window is passed on (the real end
 * decides) but not noted, so that it cannot move our idea of the stream.
 */
#include "core/state.h"

/* Largest window there is (RFC 7323, 2.3). */
#define LARGEST_WINDOW (65535u << 14)

bool tcp_fits(const struct tcp_side *from, const struct tcp_side *to,
	      const struct pkt *p)
{
	uint32_t window;

	if ((p->flags & TCP_SYN) || !(from->known & KNOWN_ANY))
		return true;
	if (!(to->known & KNOWN_ACK)) /* one-sided: near its own stream */
		return p->seq + LARGEST_WINDOW - from->end <=
		       2 * LARGEST_WINDOW;
	window = (to->known & KNOWN_SYN) && !(to->known & KNOWN_SCALE) ?
		 65535 : LARGEST_WINDOW;
	if (seq_after(p->seq + p->seg_len, to->ack + window + 1))
		return false;
	if (seq_after(to->ack, p->seq + LARGEST_WINDOW))
		return false;
	return !(p->flags & TCP_ACK) ||
	       !seq_after(p->ack, to->end + (1 << 20));
}

static void note_syn(struct tcp_side *from, const struct pkt *p)
{
	uint8_t known = KNOWN_ANY | KNOWN_SYN;

	if (p->opts.has_scale)
		known |= KNOWN_SCALE;
	if (p->opts.sack_ok)
		known |= KNOWN_SACK;
	if (p->opts.has_ts)
		known |= KNOWN_TS;
	if (p->flags & TCP_ACK)
		known |= KNOWN_ACK;
	if (p->flags & TCP_ECE)
		known |= KNOWN_ECE;
	*from = (struct tcp_side){
		.isn = p->seq, .end = p->seq + p->seg_len,
		.ack = p->flags & TCP_ACK ? p->ack : 0, .ts = p->opts.ts_val,
		.win = p->win, .mss = p->opts.mss, .scale = p->opts.scale,
		.known = known,
	};
}

bool tcp_track(struct tcp_side *from, const struct pkt *p)
{
	uint32_t end = p->seq + p->seg_len;
	bool repeats;

	if (p->flags & TCP_SYN) {
		repeats = (from->known & KNOWN_SYN) && from->isn == p->seq;
		if (!repeats)
			note_syn(from, p);
		return repeats;
	}
	if (!(from->known & KNOWN_ANY)) {
		from->known |= KNOWN_ANY | (p->opts.has_ts ? KNOWN_TS : 0);
		from->end = end;
	}
	repeats = p->seg_len && !seq_after(end, from->end);
	if (seq_after(end, from->end)) {
		from->end = end;
		from->known &= (uint8_t)~KNOWN_FIN; /* it was forged */
	}
	if ((p->flags & TCP_ACK) &&
	    (!(from->known & KNOWN_ACK) || seq_after(p->ack, from->ack))) {
		from->ack = p->ack;
		from->known |= KNOWN_ACK;
	}
	if ((p->flags & TCP_FIN) && end == from->end)
		from->known |= KNOWN_FIN;
	if (p->opts.has_ts &&
	    (!from->ts || seq_after(p->opts.ts_val, from->ts)))
		from->ts = p->opts.ts_val;
	from->win = p->win;
	return repeats;
}

bool tcp_both_fin(const struct session *s)
{
	const struct tcp_side *up = &s->side[UP], *down = &s->side[DOWN];

	return (up->known & down->known & KNOWN_FIN) &&
	       down->ack == up->end && up->ack == down->end;
}
