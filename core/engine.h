/* SPDX-License-Identifier: MIT
 *
 * engine.h - the one door of core
 *
 * Theory of operation
 * ===================
 * An engine is an edge or a hub without any input or output. Packets, messages,
 * connection events and the time go in by calls; what it wants done comes out
 * of a queue (the outbox) that the caller drains after each batch. No call
 * blocks, allocates, reads a clock, or calls back.
 *
 *	engine_inner()    a packet that routing gave to the inner TUN
 *	engine_outer()    an IPv4 packet for our port range (capture)
 *	engine_datagram() a UDP datagram on the socket of the shared carrier
 *	engine_message()  bytes of one control message from a connection
 *	engine_conn_*()   a TLS connection was opened or has ended
 *	engine_tick()     the deadline has come
 *
 * A frame given to engine_inner() or engine_outer() belongs to the engine until
 * the outbox is empty: entries point into it.
 *
 * Connections are numbers chosen by the caller (0 .. conns-1). The engine
 * decides from HELLO what a connection is for, and to which link it belongs.
 */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/drop.h"
#include "core/fast.h"
#include "core/frame.h"
#include "core/policy.h"
#include "core/table.h"
#include "core/wheel.h"

enum role { ROLE_EDGE, ROLE_HUB };
/* --carriers: which carriers may be used; control is always needed */
enum carriers { CARRIERS_AUTO, CARRIERS_OWN, CARRIERS_SHARED, CARRIERS_RELAY };
/* what a packet crossed the CGNAT on */
enum via { VIA_OWN, VIA_SHARED, VIA_EXPLICIT, VIA_RELAY, VIA_COUNT };

enum { ENGINE_NAME = 33, ENGINE_SERIAL = 16 };

/** struct engine_conf - what an engine is; sizes are fixed at the start
 * @prefix: edge: its own; hub: the whole that edges are cut from
 * @self: source of our ICMPv6 errors
 * @inbound, @inbound_text: edge's --inbound
 * @port_lo, @port_hi: our range for own carriers
 * @shared_port: hub: UDP port of the shared carrier, told to edges
 * @links (up to 4096), @conns, @sessions, @own, @contexts: capacities
 * @budget: own carriers per edge (design 3.6)
 * @fast, @fast_places: memory shared with the fast path, zeroed; NULL: none
 * @joins_udp: the inner TUN takes trains of datagrams (USO)
 */
struct engine_conf {
	enum role role;
	enum carriers carriers;
	struct prefix6 prefix;
	struct addr6 self;
	struct policy inbound;
	char inbound_text[POLICY_TEXT];
	uint16_t port_lo, port_hi, shared_port;
	uint32_t links, conns, sessions, own, contexts;
	uint32_t budget;
	struct fast_flow *fast;
	uint32_t fast_places;
	bool joins_udp;
	uint8_t seed[32];
};

struct engine;

/** engine_bytes() - Memory for an engine of this size (zeroed by the caller) */
size_t engine_bytes(const struct engine_conf *c);
/** engine_init() - Make an engine in @memory (zeroed, aligned to 64) */
struct engine *engine_init(void *memory, const struct engine_conf *c, msec now);

/** engine_set_uplink() - The address outer packets are sent from, and the MTU
 * of its interface. Edge: also whenever the uplink changes
 */
void engine_set_uplink(struct engine *e, uint32_t addr, uint16_t mtu, msec now);
/** engine_set_fast() - Is the fast path attached to the present uplink? */
void engine_set_fast(struct engine *e, bool on, msec now);
/** engine_set_hub() - Edge: where the hub's shared carrier and own carriers
 * are (the address that control reached)
 */
void engine_set_hub(struct engine *e, uint32_t addr, uint16_t shared_port,
		    msec now);

/** struct engine_peer - who is at the other end, proved by its certificate
 * @serial: the certificate's; the engine only remembers it
 */
struct engine_peer {
	char name[ENGINE_NAME];
	uint8_t serial[ENGINE_SERIAL];
	struct prefix6 prefix;
};

/* kind of a connection, as in HELLO */
enum conn_kind { CONN_CONTROL, CONN_RELAY };

/** engine_conn_open() - A TLS connection is up. Edge: @kind is what it was
 * opened for; hub: ignored, HELLO tells. Answers with our HELLO
 */
void engine_conn_open(struct engine *e, uint32_t conn,
		      const struct engine_peer *peer, enum conn_kind kind,
		      msec now);
/** engine_conn_closed() - It has ended, whoever ended it */
void engine_conn_closed(struct engine *e, uint32_t conn, msec now);
/** engine_message() - One whole message, header included */
void engine_message(struct engine *e, uint32_t conn, struct span msg, msec now);

void engine_inner(struct engine *e, struct frame *f, msec now);
void engine_outer(struct engine *e, struct frame *f, msec now);

/** struct engine_datagram - received on the shared socket
 * @local: our address and port it came to
 * @tos: TOS octet of its IPv4 header
 */
struct engine_datagram {
	struct taddr4 from, local;
	uint8_t tos;
	struct span bytes;
};
void engine_datagram(struct engine *e, const struct engine_datagram *d,
		     msec now);
void engine_tick(struct engine *e, msec now);
/** engine_deadline() - When engine_tick() is wanted next, NEVER if not */
msec engine_deadline(const struct engine *e);
/** engine_revoke() - Hub: end link @n at once, connected or not */
void engine_revoke(struct engine *e, uint32_t n, msec now);
/** engine_stop() - Say goodbye on every link (daemon ends in good order) */
void engine_stop(struct engine *e, msec now);

enum out_kind {
	OUT_INNER,	/* head + body, off: write to the inner TUN */
	OUT_OUTER,	/* head + body, off: write to the outer TUN */
	OUT_DATAGRAM,	/* head + body: send from .local to .to with .tos */
	OUT_MESSAGE,	/* head: send on control connection .conn */
	OUT_RELAY,	/* head + body: an inner packet for the relay queue of
			 * connection .conn; .flow for fairness */
	OUT_CLOSE,	/* close connection .conn when its output is sent */
	OUT_WANT_RELAY,	/* edge: open (.on) or close a relay connection */
	OUT_RECONNECT,	/* edge: control (.on), or the shared socket, to a
			 * fresh mapping; the old control stays until then */
	OUT_LATCH,	/* own carrier .proto .port <-> .to is known (.on) or
			 * gone: for the map of capture */
	OUT_FAST,	/* head: struct fast_keys to be added (.on) or removed */
	OUT_ROUTE,	/* hub: prefix of link .link is reachable (.on) or not */
	OUT_NOTE,	/* tell people: .note about .link */
	OUT_BENCH,	/* head: body of a BENCH message on .conn, unread */
	OUT_KIND_COUNT
};

/** struct out - one thing to be done; @head and @body are good until the next
 * call into the engine after the outbox was drained
 */
struct out {
	enum out_kind kind;
	bool on;
	uint8_t tos, proto, note;
	uint16_t port;
	uint32_t conn, link, flow;
	struct taddr4 to, local;
	struct offload off;
	struct span head, body;
};

/* events worth a line in the log; words in engine_note_text() */
#define ENGINE_NOTES(N)							\
	N(LINK_UP, "link up")						\
	N(LINK_DOWN, "control connection lost; carriers go on")		\
	N(LINK_GONE, "link ended")					\
	N(SHARED_UP, "shared carrier up")				\
	N(SHARED_DOWN, "shared carrier down (UDP blocked?); using relay") \
	N(OWN_UP, "own TCP carriers confirmed on this path")		\
	N(OWN_ALTERED, "own TCP off: the path alters TCP")		\
	N(OWN_SILENT, "own TCP off: own carriers do not confirm; is the hub's port range open?") \
	N(SIZE, "path MTU found")					\
	N(NAT_CHANGED, "outside address changed")			\
	N(CLONED, "another connection with the same bundle took over; is it copied?") \
	N(REPLACED, "connection replaced by a newer one")		\
	N(BAD_PEER, "peer broke the protocol; connection closed")

enum note {
#define N(name, text) NOTE_##name,
	ENGINE_NOTES(N)
#undef N
	NOTE_COUNT
};
const char *engine_note_text(enum note n);

/** engine_next() - Next entry of the outbox, NULL when it is drained */
const struct out *engine_next(struct engine *e);

/* What status shows. All counters grow from the start of the process. */

/** struct traffic - packets and bytes, as native IPv6 would have sent them
 * (@inner) and as they were on the wire (@wire, IPv4 header included)
 */
struct traffic {
	uint64_t packets, inner_bytes, wire_bytes;
};

/** struct link_status - a link, for people
 * @serial: of the certificate that it last came with
 * @up: control is up. @since: of the link; @rtt_ms: of control, 0 unknown
 * @seen: our transport address as the hub sees it (edge), the edge's (hub)
 * @mtu: IPv4 path MTU found (smaller of both directions), 0: not yet
 * @mtu_up, @mtu_down: of each direction, from and to the edge
 * @own_heard: edge: when a packet came on an own carrier, 0: never
 * @own_tcp: enum note or NOTE_COUNT: why own TCP is in use or not
 * @peer_lo, @peer_hi: the other end's port range, 0 unknown
 */
struct link_status {
	char name[ENGINE_NAME];
	uint8_t serial[ENGINE_SERIAL];
	struct prefix6 prefix;
	bool up, shared_up, relay_up;
	msec since, own_heard;
	uint32_t rtt_ms;
	struct taddr4 seen;
	uint16_t mtu, mtu_up, mtu_down, peer_lo, peer_hi;
	uint8_t own_tcp;
	uint32_t own_active, own_budget, sessions;
	struct traffic sent[VIA_COUNT], received[VIA_COUNT];
	uint64_t drops;
};

/** struct session_status - a session, for people */
struct session_status {
	struct addr6 host, peer;
	uint16_t host_port, peer_port;
	uint8_t proto;
	bool inbound;
	enum via via;
	msec idle;
	uint32_t link;
};

/** engine_link() - Link @n of 0 .. links-1; false if there is none */
bool engine_link(const struct engine *e, uint32_t n, struct link_status *s);
/** engine_session() - Session in place @n; false if there is none */
bool engine_session(const struct engine *e, uint32_t n,
		    struct session_status *s, msec now);
uint32_t engine_sessions(const struct engine *e);
/** engine_pull() - Bring the counters up to now, before they are shown */
void engine_pull(struct engine *e, msec now);
/** engine_fast() - Sessions that have a place in the fast path */
uint32_t engine_fast(const struct engine *e);
uint64_t engine_drops(const struct engine *e, enum drop d);
/** engine_reaches() - Hub: does @a belong to us or to an edge we know? */
bool engine_reaches(struct engine *e, const struct addr6 *a);
/** engine_bench() - Send @body as BENCH on the control connection of @link */
void engine_bench(struct engine *e, uint32_t link, struct span body);

#endif
