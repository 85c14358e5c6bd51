/* SPDX-License-Identifier: MIT
 *
 * own.h - own carriers: what the files of core that deal with them share
 */
#ifndef CORE_OWN_H
#define CORE_OWN_H

#include "core/state.h"

/* -- carrier.c: what own TCP and own UDP share ---------------------------- */

/** carrier_open() - Edge: a new own carrier for @session (NONE: probe) on a
 * fresh pair of ports, OPENING. NONE: not possible now (budget, range, path)
 */
uint32_t carrier_open(struct engine *e, struct link *l, uint32_t session,
		      enum open_kind kind, msec now);
/** carrier_allowed() - Edge: may a session have an own carrier at all now? */
bool carrier_allowed(const struct engine *e, const struct link *l,
		     uint8_t proto, bool promoted, bool inbound, msec now);
/** carrier_announce() - Hub: from OPEN */
uint32_t carrier_announce(struct engine *e, struct link *l, uint32_t session,
			  const struct msg_open *m, msec now);
uint32_t carrier_find(const struct engine *e, uint8_t proto,
		      struct taddr4 local, struct taddr4 remote);
uint32_t carrier_announced(const struct engine *e, uint16_t hport,
			   uint32_t isn);
uint32_t carrier_named(const struct engine *e, uint32_t link, uint32_t name);
/** carrier_latch() - Hub: @remote proved that it is this carrier's */
void carrier_latch(struct engine *e, uint32_t n, struct taddr4 local,
		   struct taddr4 remote, msec now);
void carrier_enter(struct engine *e, uint32_t n, enum carrier_state state,
		   msec now);
/** carrier_leave() - End it; @tell: LEFT to the other end. The session lives on
 * shared
 */
void carrier_leave(struct engine *e, uint32_t n, enum left why, bool tell,
		   msec now);
void carrier_leave_all(struct engine *e, struct link *l, enum left why,
		       msec now);
void carrier_timer(struct engine *e, uint32_t n, msec now);
/** carrier_is_idle() - Nothing came for so long that it must not be used */
bool carrier_is_idle(const struct engine *e, const struct carrier *c, msec now);
/** carrier_xlat() - (Re)compute both translations of its session */
void carrier_xlat(struct engine *e, uint32_t n);
void carrier_message_open(struct engine *e, struct link *l,
			  const struct msg_open *m, msec now);
void carrier_message_opened(struct engine *e, struct link *l,
			    const struct msg_opened *m, msec now);
void carrier_message_left(struct engine *e, struct link *l,
			  const struct msg_left *m, msec now);
void carrier_message_hops(struct engine *e, struct link *l,
			  const struct msg_hops *m);
void carrier_tell_hop(struct engine *e, const struct session *s);
/** carrier_fits() - Is @s of those that may have one: answered, or UDP that the
 * host sends, perhaps one way only?
 */
static inline bool carrier_fits(const struct session *s)
{
	if (s->proto == PROTO_TCP)
		return s->state == SESSION_LIVE;
	return s->proto == PROTO_UDP && (s->state == SESSION_LIVE ||
		(s->state == SESSION_OPENING && s->initiator == BY_HOST));
}
/** carrier_moved() - Edge: bytes went on shared; promote when it is time */
void carrier_moved(struct engine *e, uint32_t session, uint32_t bytes,
		   msec now);
/** carrier_swallow() - End a packet that was for the carrier itself */
static inline void carrier_swallow(struct engine *e, const struct carrier *c,
				   enum drop why)
{
	end_packet(e, &e->link[c->link], why);
}
/** carrier_out() - Send @p, a packet of its session, on it, in place */
void carrier_out(struct engine *e, uint32_t n, struct pkt *p, msec now);
/** carrier_in() - Hand @p, which came on it, inside, in place */
void carrier_in(struct engine *e, uint32_t n, struct pkt *p, msec now);
/** budget_timer() - Once a second: age the closed ones, close ahead of need */
void budget_timer(struct engine *e, struct link *l, msec now);
/** budget_evicted() - Shared was lost: a quota of the NAT, if own carriers live
 */
void budget_evicted(struct engine *e, struct link *l, msec now);
/** budget_control_lost() - Control was: the same, if they live on after that */
void budget_control_lost(struct engine *e, struct link *l, msec now);

/* -- owntcp.c -------------------------------------------------------------- */

/** owntcp_send() - Send on the own carrier if rules allow. False: not sent */
bool owntcp_send(struct engine *e, uint32_t session, struct pkt *p, msec now);
/** owntcp_sent_shared() - A segment of the session went on shared */
void owntcp_sent_shared(struct engine *e, uint32_t session,
			const struct pkt *p, msec now);
/** owntcp_repeated() - Our side sends @p again: note for Quiet (3.7) */
void owntcp_repeated(const struct engine *e, struct carrier *c,
		     const struct pkt *p);
/** owntcp_came_again() - The other side sent @p again, beside its carrier: our
 * answers on it are lost. Who only acknowledges would not notice otherwise
 */
void owntcp_came_again(struct carrier *c, const struct pkt *p);
void owntcp_received(struct engine *e, uint32_t n, struct pkt *p, msec now);
void owntcp_timer(struct engine *e, uint32_t n, msec now);
/** carrier_segment() - Send a segment of our own making on a carrier */
struct segment {
	uint32_t seq, ack;
	uint16_t win;
	uint8_t flags;
	const struct tcp_opts *opts;
	struct span payload;
};
void carrier_segment(struct engine *e, struct carrier *c,
		     const struct segment *s, msec now);
/** owntcp_goodbye() - The RST copy that frees the mapping */
void owntcp_goodbye(struct engine *e, const struct carrier *c, msec now);
/** owntcp_stamps() - Newest timestamps, for segments in mid-stream */
struct tcp_opts owntcp_stamps(const struct engine *e, const struct session *s);
/** owntcp_advance() - Tell the NAT's tracker where our side of the stream is;
 * @opening: it ends the mid-stream handshake
 */
void owntcp_advance(struct engine *e, uint32_t n, bool opening, msec now);
/** owntcp_segment() - A segment of the session came on a carrier in use */
void owntcp_segment(struct engine *e, uint32_t n, struct pkt *p, msec now);

/* -- tcpopen.c ------------------------------------------------------------- */

/** tcpopen_first() - Edge: the host's first SYN, with OPEN and a copy of it
 * beside it. False: not sent
 */
bool tcpopen_first(struct engine *e, uint32_t session, struct pkt *p, msec now);
/** owntcp_start() - Edge: open in mid-stream */
void owntcp_start(struct engine *e, uint32_t session, msec now);
/** owntcp_open() - Edge: OPEN for carrier @n; @copy: of the first SYN */
void owntcp_open(struct engine *e, uint32_t n, struct span copy);
/** tcpopen_copy() - Hub: deliver OPEN's copy of the first SYN */
void tcpopen_copy(struct engine *e, struct link *l, struct span copy, msec now);
/** owntcp_opened() - Hub: OPEN made carrier @n; latch by a SYN that was early */
void owntcp_opened(struct engine *e, uint32_t n, const struct msg_open *m,
		   msec now);
/** owntcp_syn() - Hub: a SYN to our range that fits no latched carrier */
void owntcp_syn(struct engine *e, const struct pkt *p, msec now);
/** owntcp_delivered() - A segment of the session came on shared or relay.
 * Return: false if it must not be delivered
 */
bool owntcp_delivered(struct engine *e, uint32_t session, const struct pkt *p,
		      msec now);
/** tcpopen_send() - The session sends before the carrier is in use */
bool tcpopen_send(struct engine *e, uint32_t n, struct pkt *p, msec now);
/** tcpopen_received() - A segment came on a carrier not in use yet */
void tcpopen_received(struct engine *e, uint32_t n, struct pkt *p, msec now);
/** tcpopen_again() - In use: is @p of its handshake? Then it was answered */
bool tcpopen_again(struct engine *e, uint32_t n, const struct pkt *p, msec now);
void tcpopen_timer(struct engine *e, uint32_t n, msec now);
/** tcpopen_is_ack() - Is it, or does it look like, an ACK of the edge's own, to
 * open in mid-stream or because it swallowed the SYN/ACK?
 */
bool tcpopen_is_ack(const struct carrier *c, const struct pkt *p);

/* -- fast.c ---------------------------------------------------------------- */

/** fast_pull() - Take over what the fast path saw of carrier @n: before
 * anything of it is handled
 */
void fast_pull(struct engine *e, uint32_t n);
/** fast_settle() - Switch its fast path on or off: after it was handled */
void fast_settle(struct engine *e, uint32_t n);
/** fast_settle_link() - Something changed that all of a link (NULL: all)
 * depend on
 */
void fast_settle_link(struct engine *e, const struct link *l);
/** fast_elsewhere() - A packet of its session took another carrier */
void fast_elsewhere(struct engine *e, uint32_t n);
/** fast_drop() - Its place is free again: before it ends */
void fast_drop(struct engine *e, uint32_t n);
/** fast_heard() - When the last packet came on an own carrier, by the fast path
 * or not. Hub: as far as it was pulled. 0: never
 */
msec fast_heard(const struct engine *e, const struct link *l);

/* -- probe.c --------------------------------------------------------------- */

void probe_timer(struct engine *e, struct link *l, msec now);
void probe_received(struct engine *e, uint32_t n, const struct pkt *p,
		    msec now);
void probe_retry(struct engine *e, uint32_t n, msec now);
/** probe_left() - The carrier of a probe ended, for whatever reason */
void probe_left(struct engine *e, struct link *l, enum left why, msec now);
void probe_message(struct engine *e, struct link *l,
		   const struct msg_probe_saw *m, msec now);
/** probe_forget() - The path is another one: find out anew */
void probe_forget(struct engine *e, struct link *l, msec now);
/** probe_agreed() - The options of a probe's SYN (edge), SYN/ACK (hub) */
struct tcp_opts probe_agreed(uint32_t ts);

/* -- ownudp.c -------------------------------------------------------------- */

bool ownudp_send(struct engine *e, uint32_t session, struct pkt *p, msec now);
void ownudp_received(struct engine *e, uint32_t n, struct pkt *p, msec now);
/** ownudp_announced() - Hub: the carrier that waits for @p to latch it, if @p
 * has the form of its punch; else NONE
 */
uint32_t ownudp_announced(const struct engine *e, const struct pkt *p);
/** ownudp_punch() - Hub: a punch to our range that fits no latched carrier */
void ownudp_punch(struct engine *e, const struct pkt *p, msec now);
void ownudp_start(struct engine *e, uint32_t session, msec now);
void ownudp_timer(struct engine *e, uint32_t n, msec now);

#endif
