/* SPDX-License-Identifier: MIT
 *
 * state.h - what an engine remembers; shared by the files of core only
 *
 * Words: design section 2. Both ends hold the same records, so fields are
 * named by place (host, peer, eport, hport, cip, cport) and directions are UP
 * (from the host) and DOWN (from the peer). Objects are known by number; the
 * wheel numbers all of them in one row: sessions, own carriers, links.
 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include "core/engine.h"
#include "core/join.h"
#include "core/msg.h"
#include "core/pkt.h"
#include "core/rand.h"
#include "core/siphash.h"
#include "core/wire.h"
#include "core/xlat.h"

enum dir { UP, DOWN };
enum initiator { BY_HOST, BY_PEER };

/* Times in ms and sizes in bytes; the section of design.md gives the reason. */
enum {
	PROMOTE_BYTES = 64 * 1024,	/* 3: shared to own */
	IP_UDP = IP4_HDR + UDP_HDR,
	FRESH_MS = 30 * 60 * 1000,	/* 3.1: never the NAT's oldest */
	SHARED_KEEP_MS = 12 * 1000,	/* 3.1: below the least time-out seen */
	SMALL_OUTER = 1260,		/* 3: goes whole before M is known */
	MIN_INNER = 1280,		/* RFC 8200, 5 */
	SYN_AGAIN_MS = 900,		/* 3.4: the host's own retransmission */
	SYNACK_WAIT_MS = 4000,		/* 3.4: ACK after SYN/ACK, else closed */
	IDLE_UDP_S = 20, IDLE_TCP_S = 60,	/* 3.3 */
	CLOSED_COUNT_MS = 240 * 1000,	/* 3.6: NATs remember that long */
	BUDGET_LEAST = 16,		/* 3.6 */
	RECENT_BUCKETS = 9,		/* of 30 s: never less than 240 s */
	HOP_SETTLE_MS = 1000,		/* 4 */
	SETTLE_MS = 30 * 1000,		/* 3.7: unknown inbound after start */
	CONTEXT_REST_MS = 240 * 1000,	/* 3.2 */
	FIRST_SHORT = 32,		/* 3: packets of a short flow */
	ONE_GIB = 1 << 30,		/* 3.4 */
	MID_WINDOW = 65535, MID_SCALE = 14,
	LOST_SIGNS = 2,			/* 3.7: in a row: the carrier is dead */
	ECN_CE = 3,			/* RFC 3168, 5: both bits */
	FULL_MTU = 1500, LEAST_MTU = 576,	/* RFC 791: all take that */
	ICMP6_RATE = 1000, ICMP6_BURST = 200	/* errors of our own, per s */
};

/* What is known of one side's SYN or SYN/ACK. */
enum opts_known {
	KNOWN_SYN = 1, KNOWN_SCALE = 2, KNOWN_SACK = 4, KNOWN_TS = 8,
	KNOWN_ANY = 16,		/* a packet of that side was seen */
	KNOWN_FIN = 32,
	KNOWN_ACK = 64,		/* it has acknowledged something */
	KNOWN_ECE = 128,	/* in its SYN (RFC 3168, 6.1.1) */
	KNOWN_TOLD = KNOWN_SYN | KNOWN_SCALE | KNOWN_SACK | KNOWN_TS |
		     KNOWN_ANY	/* what a record tells the other end */
};

/** struct tcp_side - what one end of a TCP session has sent so far
 * @isn: initial sequence number, if KNOWN_SYN
 * @end: highest sequence number + length
 * @ack: highest acknowledgement
 * @ts: newest timestamp value; @win: last window, unscaled
 */
struct tcp_side {
	uint32_t isn, end, ack, ts;
	uint16_t win, mss;
	uint8_t scale, known;
};

/* OPENING: the other side has not answered. An inbound one in this state gets
 *	no context, no OPEN, no carrier, and is evicted before any other (3.5)
 * LIVE: both sides were heard
 * CLOSING: FIN both ways or RST; lingers, comes back to LIVE if it speaks
 */
enum session_state { SESSION_FREE, SESSION_OPENING, SESSION_LIVE,
	SESSION_CLOSING };

/* A moment of the last 49 days: the low half of a msec. */
typedef uint32_t msec32;

static inline msec since(msec now, msec32 at)
{
	return (uint32_t)((uint32_t)now - at);
}

/** struct chain - ends of a list of objects known by number, NONE if empty */
struct chain {
	uint32_t first, last;
};

enum { LINK_BITS = (1 << 12) - 1, LABEL_BITS = (1 << 20) - 1 };

/** struct session - one inner flow
 *
 * Two lines of the cache: a packet of UDP needs the first one only, and a hub
 * has a million of them.
 *
 * @carrier: its own carrier, or NONE
 * @hop, @hop_rx: hop limit agreed for what we send; for what we deliver
 * @hop_settled: @hop has been the lowest for a second
 * @window_min, @window_at: lowest since then; @window_before: the time before
 * @hop_lowered: @hop became lower at @window_at
 * @moved: bytes on shared or relay since it was there last
 * @packets: until FIRST_SHORT
 * @seen: last packet in either direction
 * @via: what the last packet was sent on
 * @label: flow label of what we deliver (RFC 6437), never 0
 * @syn_at: hub: when the host's SYN was delivered last, 0 never
 * @retry_at: edge: no new own carrier before that; @failures: carriers that it
 *	lost in trouble in a row
 * @reset: RST ended it: 1 + the direction that it travelled in; else 0
 * @told_close: CLOSE was sent or received
 * @resynced: the other end may not have seen all of it (it started anew, or was
 *	away), so it must be told of the end
 * @prev, @next: in a list of its link; of the free ones
 */
struct session {
	struct addr6 host, peer;
	uint16_t host_port, peer_port;
	uint8_t proto, state, initiator, via;
	uint32_t link : 12, label : 20;
	uint32_t carrier;
	uint8_t hop, hop_rx, window_min, window_before;
	uint8_t failures, packets;
	bool hop_settled;
	bool told_close : 1, hop_lowered : 1, resynced : 1;
	uint8_t reset : 2;
	msec32 seen, window_at;

	struct tcp_side side[2];
	union {
		msec32 syn_at, retry_at;
	};
	uint32_t moved;
	uint32_t prev, next;
};

_Static_assert(sizeof(struct session) == 128, "two lines of the cache");

/* FIRST: latched by the host's real SYN. MID: opened in mid-stream or for an
 * inbound session. UDP. PROBE: no session, tests the path.
 */
enum open_kind { OPEN_FIRST, OPEN_MID, OPEN_UDP, OPEN_PROBE, OPEN_KINDS };

/* An own carrier's life. Only carrier_enter() changes it.
 * SYN: edge: SYN or first punch is out. Hub: OPEN heard, nothing latched
 * SYNACK: edge: SYN/ACK came (MID, PROBE: ACK sent, advance not yet here).
 *	Hub: latched, SYN/ACK sent, no ACK yet
 * UP: may carry packets of the session
 */
enum carrier_state { CARRIER_FREE, CARRIER_SYN, CARRIER_SYNACK, CARRIER_UP };

enum left { LEFT_QUIET, LEFT_IDLE, LEFT_RST, LEFT_FAILED, LEFT_CLOSED,
	LEFT_BUDGET, LEFT_MOVED, LEFT_NAT, LEFT_COUNT };

/* What the far end of a path probe found altered. */
enum probe_seen { PROBE_SEQ = 1, PROBE_OPTS = 2, PROBE_WIN = 4, PROBE_DATA = 8 };

/** struct fast_seen - what was taken over of a direction of its fast path */
struct fast_seen {
	uint64_t packets, bytes;
};

/** struct carrier - an own carrier
 * @name: the edge's number for it. @session: NONE for a probe
 * @eport, @hport: ports of the outer packets; at the hub @remote is cip:cport
 * @local, @remote: from our point of view
 * @s, @t: first bytes each way that may take it
 * @mark: highest end that came to us over it. @rx_ack: highest ack, likewise;
 *	both are set before it is UP
 * @opened: edge: OPENED came. @latched: hub
 * @syn_open: hub: a SYN on it has not been answered yet
 * @advance_due: data went on shared; the advance waits for the timer
 * @rtx: retransmissions (UDP: ICMPv4 errors) in a row since anything came
 * @came: the same of what the other side sends again, beside the carrier
 * @tried: of the current step of the handshake
 * @past: by direction: the stream is ONE_GIB beyond @s or @t; nothing can lie
 *	below, and numbers may wrap
 * @slot: its place in the fast path, 0: none. @carried: packets, up to 255
 * @elsewhere_at: when a packet of the session took another carrier
 * @prev, @next: in the list of its link; @next: of the free ones
 */
struct carrier {
	uint32_t link, session, name, prev, next;
	uint8_t state, kind, proto, tried, rtx, came, seen_altered;
	bool opened, latched, syn_open, advance_due, inbound;
	uint16_t eport, hport;
	struct taddr4 local, remote;
	uint32_t s, t, mark, rx_ack, rtx_seq, came_seq;
	bool past[2];
	uint16_t probe_bytes;
	struct tcp_opts opts[2];
	struct xlat_outer out;
	struct xlat_inner in;
	msec last_rx, last_tx, advance_at, elsewhere_at, up_at;
	uint32_t slot;
	uint8_t carried;
	struct fast_seen fast_out, fast_in;
};

/** struct context - header fields behind a number
 * @ref: tx: of the CONTEXT message. @number: 0: not answered yet; rx: free
 * @era: of the link when it was made; means nothing in another
 * @at: tx: asked or used; rx: used
 * @rest_until: rx: forgotten, not to be used again before
 * @prev, @next: in a list of its link, while used or at rest
 */
struct context {
	bool used;
	uint8_t nh, hop, era;
	uint32_t link, number, ref, prev, next;
	struct addr6 host, peer;
	union {
		msec at, rest_until;
	};
};

_Static_assert(sizeof(struct context) == 64, "one line of the cache");

/** struct window - which counters came (RFC 4303, 3.4.3 in kind) */
struct window {
	uint64_t top, bits;
};

/** struct keys - MAC of one direction, and its predecessor */
struct keys {
	struct siphash_key now, before;
	bool has_now, has_before;
	struct window seen, seen_before;
};

enum timer { TIMER_PING, TIMER_PUNCH, TIMER_SIZE, TIMER_PROBE, TIMER_BUDGET,
	TIMER_SETTLE, TIMER_GONE, TIMER_FRESH, TIMER_SILENT, TIMER_EVICTED,
	TIMER_CONFIRM, TIMER_SWEEP, TIMER_FORMER,
	TIMER_COUNT };

enum { OLD_EPOCHS = 4, EARLY_LEFT = 8 };

/** struct link - everything between one edge and its hub
 * @ending: it is being removed, in pieces; a HELLO brings it back
 * @half, @rest: its sessions: OPENING inbound ones, all others; oldest first
 * @own: its carriers. @tx_list, @rx_list: its contexts in use, oldest era first
 * @rx_resting: those whose numbers rest
 * @syncing: resynchronising; @sync_next: the session that is next, NONE: END;
 *	@sync_stamp: of the PING behind the records sent last
 */
struct link {
	bool used, ending, syncing;
	char name[ENGINE_NAME];
	uint8_t serial[ENGINE_SERIAL];
	struct prefix6 prefix;
	struct policy inbound;
	uint32_t control, relay;	/* connections, NONE */
	uint32_t former;	/* control until now, still heard; NONE */
	uint32_t early_left[EARLY_LEFT];	/* hub: what OPEN on it is late */
	uint32_t early_lefts;
	msec since, heard, settle_until;
	msec due[TIMER_COUNT];
	/* HELLO */
	uint64_t peer_epoch, peer_counter, relay_counter;
	uint64_t old_epoch[OLD_EPOCHS];	/* replaced processes, newest first */
	uint64_t synced;		/* epoch whose whole state we hold */
	bool peer_synced;		/* the peer holds ours */
	msec sync_since;
	uint32_t my_number, peer_number;
	uint16_t peer_lo, peer_hi;
	uint32_t idle_udp_ms, idle_tcp_ms;
	bool settled, routed;		/* resynchronised; OUT_ROUTE was on */
	uint32_t rtt_ms;
	/* MAC */
	struct siphash_key tx_key, next_key;
	bool key_due;		/* hub: next_key was sent, use it when heard */
	uint64_t tx_counter;
	struct keys rx;
	/* shared */
	bool shared_up, peer_shared, relay_wanted;
	struct taddr4 shared, shared_local;	/* the latch: theirs, ours */
	struct taddr4 candidate, candidate_local;	/* CHALLENGE went there */
	struct taddr4 seen;		/* cip:cport */
	uint64_t nonce, top_punch;	/* counter of the newest punch */
	bool unanswered;		/* edge: nothing came since an ASK */
	uint8_t punch_tried, size_tried;
	msec own_rx;			/* last packet on own carriers */
	msec silent_asked;		/* edge: own_rx when asked about it */
	uint32_t socket;		/* edge: counts fresh ones; hub: latched */
	msec shared_rx, shared_tx, asked_at, ptb_at;
	msec please_at, unknown_at;	/* last told, once a second */
	/* path MTU: of IPv4 packets, 0 unknown */
	uint16_t size_out, size_in;
	msec size_wait;
	bool size_settled;		/* all rounds were done once */
	bool size_sent;			/* large ones, not confirmed since */
	uint8_t confirm_tried;
	msec confirmed;			/* size_out last was */
	/* own carriers */
	uint8_t own_tcp;		/* enum note: NOTE_COUNT unknown yet */
	uint8_t own_failures;
	uint32_t own_active, own_recent[RECENT_BUCKETS], budget;
	uint32_t own_inbound, own_recent_in[RECENT_BUCKETS];
	msec own_bucket, shed_at;
	uint16_t next_eport, next_hport;
	msec probe_wait, own_off_until;
	bool probing;
	struct chain half, rest, own, tx_list, rx_list, rx_resting;
	uint8_t era;
	uint32_t sessions, sync_next;
	uint32_t contexts, tx_contexts;	/* rx, resting ones included; tx */
	msec sync_stamp;
	struct traffic sent[VIA_COUNT], received[VIA_COUNT];
	uint64_t drops;
};

/** struct conn - one TLS connection as the engine sees it */
struct conn {
	bool used, greeted;
	bool bye;		/* the peer says no more on it */
	uint8_t kind;
	uint32_t link;
	struct engine_peer peer;
	msec heard;
};

/** struct syn - hub: a SYN on the range whose OPEN has not come yet (3.4) */
struct syn {
	uint16_t hport;
	uint32_t isn;
	struct taddr4 from, to;
	msec at;
};

/** struct part - half of an explicit packet, waiting for the other
 * @tos: of the outer packet it came in
 */
struct part {
	bool used;
	uint8_t tos;
	uint32_t link, len;
	uint64_t counter;
	msec at;
};

/** struct train - packets of one flow being joined (arrive.c) */
struct train {
	bool open;
	enum via via;
	uint32_t link;
	struct join join;
};

enum { OUT_CAP = 4096, ARENA = 1 << 20, SYN_RING = 256, PARTS = 256,
	PARTS_LINK = PARTS / 8, PART_BYTES = FULL_MTU + 4, SHORT_FLOWS = 1024 };

struct engine {
	struct engine_conf conf;
	struct rand rand;
	struct siphash_key hash_key;
	uint64_t epoch, hello_counter;
	uint32_t uplink;
	uint16_t uplink_mtu;
	struct taddr4 hub;		/* edge: hub's shared address */
	msec start, now;		/* now: of the present call */

	struct session *session;
	struct table sessions;
	uint32_t free_session;		/* chained through next */
	uint32_t top_session;		/* all from here on are untouched */
	uint32_t session_count;
	uint32_t half_count;		/* OPENING inbound */
	uint32_t half_cursor;		/* link to take the next from */

	struct carrier *own;
	struct table own_key;		/* by outer 5-tuple, or announced */
	struct table own_name;		/* by link and name */
	uint32_t free_own;		/* chained through next */
	uint32_t top_own;		/* all from here on are untouched */
	uint32_t next_name;

	bool fast_on;
	uint32_t *fast_owner, *fast_next;	/* per place: carrier; lists */
	uint32_t fast_free, fast_untold, fast_top, fast_active, fast_use;

	struct context *tx, *rx;
	struct table tx_key, tx_number, rx_key, rx_number;
	uint32_t tx_cursor, rx_cursor, next_ref;

	struct link *link;
	struct table link_number;
	struct table link_prefix;
	struct table link_latch;	/* hub: by address of shared */
	uint32_t prefix_lens[129];	/* links per prefix length */
	uint64_t has_prefix[3];		/* bit per length that has links */
	struct conn *conn;

	struct syn syns[SYN_RING];
	uint32_t syn_next;
	struct part part[PARTS];
	uint8_t part_bytes[PARTS][PART_BYTES];
	uint8_t short_flow[SHORT_FLOWS];

	struct wheel wheel;
	uint64_t drops[DROP_COUNT];
	uint8_t tos;			/* of the present datagram */
	uint32_t icmp_tokens;
	msec icmp_at;

	struct train train;
	struct out out[OUT_CAP];
	uint32_t out_count, out_done;
	size_t arena_used;
	uint8_t arena[ARENA];
};

/* -- engine.c: the outbox ------------------------------------------------ */

/** out_new() - Entry of the outbox, zeroed; NULL (counted) if it is full */
struct out *out_new(struct engine *e, enum out_kind kind);
/** out_room() - @len bytes that live as long as the outbox; NULL if full */
uint8_t *out_room(struct engine *e, size_t len);
/** out_room_kept() - The same from what is kept for messages */
uint8_t *out_room_kept(struct engine *e, size_t len);
/** out_fits() - Would out_room() find it? */
bool out_fits(const struct engine *e, size_t len);
/** out_shrink() - Give the end of a room back, if nothing stands behind it */
void out_shrink(struct engine *e, const uint8_t *at, size_t from, size_t to);
/** out_inner() - Frame to the inner TUN */
void out_inner(struct engine *e, const struct frame *f);
/** out_outer() - Frame to the outer TUN */
void out_outer(struct engine *e, const struct frame *f);
/** out_bye() - BYE on @conn, its last message */
void out_bye(struct engine *e, uint32_t conn, enum bye why, const char *text);
/** out_message() - Message on the control connection of @l; false if down */
bool out_message(struct engine *e, const struct link *l, const struct msg *m);
/** out_message_on() - The same on any connection */
void out_message_on(struct engine *e, uint32_t conn, const struct msg *m);
void out_note(struct engine *e, const struct link *l, enum note n);
/** end_packet() - The only way to end a packet: counts (@l may be NULL) */
void end_packet(struct engine *e, struct link *l, enum drop why);
/** answer_icmp6() - ICMPv6 error to the source of @p, by the inner TUN */
void answer_icmp6(struct engine *e, const struct pkt *p, uint8_t type,
		  uint8_t code, uint32_t param);
static inline enum dir dir_sent(const struct engine *e)
{
	return e->conf.role == ROLE_EDGE ? UP : DOWN;
}
static inline enum dir dir_received(const struct engine *e)
{
	return e->conf.role == ROLE_EDGE ? DOWN : UP;
}
static inline bool is_edge(const struct engine *e)
{
	return e->conf.role == ROLE_EDGE;
}
static inline uint32_t hash_bytes(const struct engine *e, const void *at,
				  size_t len)
{
	return (uint32_t)siphash13(&e->hash_key, at, len);
}
/* Wheel numbers. */
static inline uint32_t timer_of_own(const struct engine *e, uint32_t c)
{
	return e->conf.sessions + c;
}
static inline uint32_t timer_of_link(const struct engine *e, uint32_t l)
{
	return e->conf.sessions + e->conf.own + l;
}

/* -- session.c ----------------------------------------------------------- */

/** struct tuple - name of a session */
struct tuple {
	struct addr6 host, peer;
	uint16_t host_port, peer_port;
	uint8_t proto;
};

/** tuple_of() - The session a packet belongs to, if it travels in @d */
struct tuple tuple_of(const struct pkt *p, enum dir d);
uint32_t session_find(const struct engine *e, const struct tuple *t);
/** session_add() - New session of @link, OPENING. NONE if there is no room
 * (an OPENING inbound one is evicted first)
 */
uint32_t session_add(struct engine *e, const struct tuple *t, uint32_t link,
		     enum initiator by, msec now);
void session_remove(struct engine *e, uint32_t n);
/** session_sweep() - Remove at most @most of a link's. Return: none is left */
bool session_sweep(struct engine *e, struct link *l, uint32_t most);
/** session_track() - Note a packet that travels in @d; keeps state and idle
 * time. Return: it opened nothing new and may be believed (TCP: in window)
 */
bool session_track(struct engine *e, uint32_t n, const struct pkt *p,
		   enum dir d, msec now);
/** session_renewed() - A SYN with @isn in @d: is the tuple used for another
 * connection? Then the former session is removed
 */
bool session_renewed(struct engine *e, uint32_t n, uint32_t isn, enum dir d,
		     msec now);
/** session_hop_ok() - Keep the agreed hop limit; may @p be delivered with it? */
bool session_hop_ok(struct engine *e, uint32_t n, const struct pkt *p,
		    msec now);
void session_timer(struct engine *e, uint32_t n, msec now);
/** session_alive() - The other end says that both sides were heard */
void session_alive(struct engine *e, uint32_t n, msec now);
/** session_closed() - Enter CLOSING; @tell: CLOSE goes to the other end */
void session_closed(struct engine *e, uint32_t n, bool tell, msec now);
void session_message_close(struct engine *e, struct link *l,
			   const struct msg_close *m, msec now);
/** flow_starts_shared() - Have its last flows all been short? */
bool flow_starts_shared(const struct engine *e, const struct session *s);

/* -- tcptrack.c ---------------------------------------------------------- */

static inline bool seq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}
static inline bool tcp_is_syn(const struct pkt *p)
{
	return (p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static inline bool tcp_is_synack(const struct pkt *p)
{
	return (p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) ==
	       (TCP_SYN | TCP_ACK);
}

static inline bool tcp_is_empty_ack(const struct pkt *p)
{
	return (p->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) ==
	       TCP_ACK && !p->payload && !p->opts.has_sack;
}

/** tcp_fits() - Is @p plausible for a sender @from whose receiver is @to? */
bool tcp_fits(const struct tcp_side *from, const struct tcp_side *to,
	      const struct pkt *p);
/** tcp_track() - Note a segment. Return: it repeats data already sent */
bool tcp_track(struct tcp_side *from, const struct pkt *p);
/** tcp_both_fin() - Have both sides sent FIN and had it acknowledged? */
bool tcp_both_fin(const struct session *s);

/* -- inner.c: between the inner TUN and the carriers ---------------------- */

/** deliver() - A packet that crossed the CGNAT: check, note, hand inside
 * @via: VIA_COUNT: on none of them, so no carrier's traffic (OPEN's copy)
 */
void deliver(struct engine *e, struct link *l, struct frame *f, enum via via,
	     msec now);

/* -- arrive.c: joins what came over on shared or relay -------------------- */

/** arrive() - A packet that crossed the CGNAT, @head and @rest: to deliver(),
 * joined with others if @head is its IPv6 header alone
 */
void arrive(struct engine *e, struct link *l, enum via via, struct span head,
	    struct span rest);
/** arrive_end() - The open train is complete */
void arrive_end(struct engine *e);

/* -- proof.c ------------------------------------------------------------ */

/** struct proof - what the MAC covers besides the bytes */
struct proof {
	enum dir dir;
	uint8_t proto;
	uint16_t hport;
	uint32_t carrier;
};

/** proof_of() - For a packet in @dir on shared, or on carrier @own */
struct proof proof_of(enum dir dir, const struct carrier *own);
/** prove() - Believe that @in (WIRE_PROVEN bytes or more) comes from the other
 * end of @l. Return: DROP_NONE and its counter, or why not
 */
enum drop prove(struct link *l, struct span in, const struct proof *p,
		uint64_t *counter);
/** write_proof() - Tag, counter and MAC at @at, before the @covered bytes that
 * stand at @at + WIRE_PROVEN already
 */
void write_proof(struct link *l, uint8_t *at, uint32_t kind,
		 const struct proof *p, size_t covered);

/* -- shared.c ------------------------------------------------------------ */

/** shared_send() - Send an inner packet on shared, else relay, cutting it up
 *
 * @session: NONE: an ICMPv6 error. @may_context: it may go as data; else it
 * goes explicit. Return: the carrier it took, VIA_COUNT if none is up
 */
enum via shared_send(struct engine *e, struct link *l, uint32_t session,
		     const struct pkt *p, bool may_context);
/** shared_datagram() - A datagram to the other end; NULL if there is no room */
struct out *shared_datagram(struct engine *e, struct link *l, uint8_t tos);
/** shared_punched() - A punch came on shared */
enum drop shared_punched(struct engine *e, uint32_t number,
			 const struct engine_datagram *d);
/** punch_write() - Body of a punch, MAC included. @own: NULL for shared */
struct punch {
	uint8_t type;
	uint32_t carrier;
	uint64_t nonce;
	struct taddr4 addr;
	uint16_t size;
};
size_t punch_write(struct engine *e, struct link *l, struct writer *w,
		   const struct punch *p, const struct carrier *own);
/** punch_read() - Believe a punch. Return: DROP_NONE or why not */
enum drop punch_read(struct engine *e, struct link *l, struct span in,
		     const struct carrier *own, struct punch *p,
		     uint64_t *counter);
/** punch_carrier() - The carrier number in a punch, before it is believed */
uint32_t punch_carrier(struct span in);
/** is_punch() - Does it begin as a punch for link number @number does? */
bool is_punch(struct span payload, uint32_t number);
/** shared_ask() - Edge: punch now */
void shared_ask(struct engine *e, struct link *l, msec now);
void shared_timer(struct engine *e, struct link *l, msec now);
/** fresh_timer() - Edge: move control and shared to fresh mappings, so that
 * they are never the NAT's oldest
 */
void fresh_timer(struct engine *e, struct link *l, msec now);
/** silent_timer() - Edge: own carriers were busy, then silent: ask (3.7) */
void silent_timer(struct engine *e, struct link *l, msec now);
/** own_heard() - A packet came on an own carrier of @l */
void own_heard(struct engine *e, struct link *l, msec now);
/** shared_works() - May packets be sent on shared? */
bool shared_works(const struct engine *e, const struct link *l);
/** link_by_number() - Link whose tag number is @number, NULL if none */
struct link *link_by_number(const struct engine *e, uint32_t number);

/** shared_punch() - A punch on shared, padded with zeroes to an IPv4 packet of
 * @size. Return: the datagram, NULL if there is no room
 */
struct out *shared_punch(struct engine *e, struct link *l,
			 const struct punch *p, size_t size);
/** shared_heard() - Something came on shared that may be believed */
void shared_heard(struct link *l, msec now);
/** shared_please() - Tell the other end, once a second, to punch */
void shared_please(struct engine *e, struct link *l);
/** parts_drop() - The other end of @l is no more: forget its halves */
void parts_drop(struct engine *e, struct link *l);
/** shared_latched() - The link whose shared carrier is at @from */
struct link *shared_latched(struct engine *e, struct taddr4 from);
/** shared_at() - Edge: the hub's end of shared is there; our outside address,
 * as seen from there, is another
 */
void shared_at(struct link *l, struct taddr4 hub);
/** shared_unlatch() - Hub: nothing is known of where the edge is */
void shared_unlatch(struct engine *e, struct link *l);

/* -- size.c -------------------------------------------------------------- */

/** path_size() - M: IPv4 bytes that pass both ways, 0 unknown */
uint16_t path_size(const struct link *l);
/** size_tell() - Tell the other end what reaches it, if that is known */
void size_tell(struct engine *e, struct link *l);
/** size_doubt() - The path is another one, or has become smaller: measure */
void size_doubt(struct engine *e, struct link *l, msec now);
/** size_suspect() - Something says that it has become smaller: look */
void size_suspect(struct engine *e, struct link *l, msec now);
/** size_sent() - A packet over SMALL_OUTER was sent */
void size_sent(struct engine *e, struct link *l);
void confirm_timer(struct engine *e, struct link *l, msec now);
void size_heard(struct engine *e, struct link *l, uint16_t bytes);
/** size_is_narrow() - Do not even halves of 1280 bytes fit? */
bool size_is_narrow(const struct link *l);
/** size_known() - M is known now, or another one */
void size_known(struct engine *e, struct link *l);
void size_timer(struct engine *e, struct link *l, msec now);

/* -- context.c ----------------------------------------------------------- */

/** context_for() - Number for packets of @s, 0 if there is none yet (then it
 * has been asked for)
 */
uint32_t context_for(struct engine *e, struct link *l, const struct session *s,
		     uint8_t nh, msec now);
/** context_find() - What a received number stands for, NULL if unknown */
struct context *context_find(struct engine *e, uint32_t number);
void context_asked(struct engine *e, struct link *l, const struct msg_context *m,
		   msec now);
void context_told(struct engine *e, struct link *l,
		  const struct msg_context_is *m);
void context_forget(struct engine *e, struct link *l, uint32_t number,
		    msec now);
void context_unknown(struct engine *e, struct link *l, uint32_t number);
/** context_new_era() - All contexts of a link mean nothing any more */
void context_new_era(struct engine *e, struct link *l, msec now);
/** context_sweep() - Give back at most @most of former eras, and of a link that
 * ends what rests. Return: none is left
 */
bool context_sweep(struct engine *e, struct link *l, uint32_t most, msec now);

/* -- link.c ---------------------------------------------------------------- */

void link_timer(struct engine *e, uint32_t n, msec now);
/** link_init() - A link in its place; the edge's at start */
void link_init(struct engine *e, struct link *l, const struct prefix6 *prefix,
	       msec now);
/** link_due() - Set one of its timers */
void link_due(struct engine *e, struct link *l, enum timer t, msec at);
static inline uint32_t link_index(const struct engine *e, const struct link *l)
{
	return (uint32_t)(l - e->link);
}
/** link_relay() - Edge: is a relay needed or not? */
void link_want_relay(struct engine *e, struct link *l, bool on, msec now);

/** close_conn() - End @conn when its output is sent; NONE: nothing */
void close_conn(struct engine *e, uint32_t conn);

/* -- prefix.c -------------------------------------------------------------- */

/** link_by_prefix() - NULL: no link has exactly this */
struct link *link_by_prefix(struct engine *e, const struct prefix6 *p);
/** link_by_addr() - The link whose prefix holds @a, the longest; NULL: none */
struct link *link_by_addr(struct engine *e, const struct addr6 *a);
/** prefix_add(), prefix_remove() - @l is found by its prefix, or not any more */
void prefix_add(struct engine *e, const struct link *l);
void prefix_remove(struct engine *e, const struct link *l);

/* -- former.c -------------------------------------------------------------- */

/** former_keep() - Control is about to be another connection of the same epoch:
 * the one that it is now is still heard
 */
void former_keep(struct engine *e, struct link *l, msec now);
void former_drop(struct engine *e, struct link *l);
void former_timer(struct engine *e, struct link *l, msec now);
/** former_takes() - Is @m, which came on the former connection, of use? */
bool former_takes(struct engine *e, struct link *l, const struct msg *m);
/** former_left() - LEFT came, on either */
void former_left(struct engine *e, struct link *l, const struct msg_left *m,
		 msec now);
/** former_bye() - BYE came on @conn: close it, or wait until control has moved
 */
void former_bye(struct engine *e, const struct link *l, uint32_t conn,
		uint8_t why);

/* -- resync.c -------------------------------------------------------------- */

/** resync_start() - Send the records of a link, by TIMER_SETTLE
 * @heard: when control was heard last
 */
void resync_start(struct engine *e, struct link *l, msec heard, msec now);
void resync_timer(struct engine *e, struct link *l, msec now);
void resync_state(struct engine *e, struct link *l, const struct msg_state *m,
		  msec now);
void resync_end(struct engine *e, struct link *l, msec now);
/** resync_pong() - The other end has read up to the PING with this stamp */
void resync_pong(struct engine *e, struct link *l, uint64_t stamp, msec now);

#endif
