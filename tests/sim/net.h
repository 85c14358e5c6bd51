/* SPDX-License-Identifier: MIT
 *
 * net.h - a whole network in one process: engines, NATs, wires, end points
 *
 * Theory of operation
 * ===================
 *	host -- edge engine -- NAT == wire == hub engine -- far -- peer
 *
 * One hub engine, some edge engines, each behind a NAT of its own. Time is
 * simulated: everything that happens is an event in one queue, ordered by time
 * and then by age, so a run depends on nothing but its seed. Engines are never
 * called from within the emptying of an outbox.
 *
 * TLS connections are pipes that keep the order of messages and lose none; a
 * pipe takes two round trips to open. A test sees (and may change, or drop)
 * everything that crosses by a hook.
 *
 * End points check every byte, every checksum, and count what must never be
 * seen in sim->errors.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "core/csum.h"
#include "core/icmp6.h"
#include "core/own.h"

enum { SIM_EDGES = 4, SIM_PIPES = 512, SIM_TCPS = 64, SIM_CONNS = 16,
	SIM_HELD = 1024, NAT_FLOWS = 2048 };
/* An address that belongs to nobody in the network: attackers'. */
#define STRANGER	0xc0000207u
enum { SIM_LO = 61000, SIM_HI = 65535, SIM_PORT = 6464, ECHO_PORT = 7 };

/* RFC 4787, 4.1 and 5: what a mapping or a filter looks at */
enum nat_scope { BY_ADDR_PORT, BY_ADDR, BY_NOTHING };

/** struct nat_conf - what kind of NAT
 * @mapping, @filtering: endpoint-dependent or not
 * @random: outside ports are random, else kept where possible
 * @pool: outside addresses (0: one), taken at random ("arbitrary", 4.1)
 * @strict: follows TCP as Linux conntrack with tcp_loose=0 does
 * @rst: answers TCP from inside that it does not know with a RST
 * @rewrite_seq: adds a constant to the sequence numbers of the inside;
 * @rewrite_down: of the outside
 * @strip: replaces all TCP options by padding
 * @shape: changes the windows of all but SYN and SYN/ACK
 * @proxy: answers SYN to the hub's range itself, before the hub does
 * @bleach: clears DSCP and ECN
 * @mss: clamps MSS to that
 * @drop_udp: no UDP passes. @drop_own: nothing for the hub's range passes
 * @udp_ms, @tcp_ms: idle mappings are forgotten after that
 * @quota: most mappings at a time, 0: no limit; the oldest is dropped, or
 * @least_used: the one unused for longest
 */
struct nat_conf {
	enum nat_scope mapping, filtering;
	bool random, strict, rst, rewrite_seq, rewrite_down, strip, shape, proxy;
	bool bleach, drop_udp, drop_own, least_used;
	uint16_t mss;
	uint32_t pool, quota;
	msec udp_ms, tcp_ms;
};

/** struct sim_conf - zero means the usual
 * @delay: edge to hub, one way (20 ms). @far: hub to peer (10 ms)
 * @mtu: of the wire (1500); @black_hole: no ICMPv4 about it
 * @loss: of datagrams and outer packets, per mille; @twice: come twice
 * @jitter: delays vary by that, so packets overtake each other
 * @nats: edge n is behind NAT n modulo that (as many as edges)
 * @whole: connections cross the NAT as well, and end points know of every
 *	packet that may come
 * @fast: places of the fast path (0: as many as SIM_FAST in the environment)
 */
struct sim_conf {
	uint64_t seed;
	uint32_t edges;
	enum carriers carriers;
	const char *inbound;
	msec delay, far, jitter;
	uint16_t mtu;
	bool black_hole, whole;
	uint32_t loss, twice, nats;
	struct nat_conf nat;
	uint32_t sessions, own, contexts, budget;
	uint32_t fast;
};

enum wire_kind { WIRE_OUTER_PACKET, WIRE_DATAGRAM, WIRE_MESSAGE };

/** struct wire - something that crosses between edge and hub
 * @bytes: IPv4 packet, UDP payload, or one message
 * @from, @to: as seen where it is now (not of messages)
 * @inside: it has passed the NAT, or comes from it
 */
struct wire {
	enum wire_kind kind;
	enum dir dir;
	bool inside;
	uint32_t edge, pipe;
	uint8_t proto, tos;
	struct taddr4 from, to;
	size_t len;
	uint8_t bytes[FRAME_HEADROOM + 4096];
};

static inline uint8_t *wire_at(struct wire *w)
{
	return w->bytes + FRAME_HEADROOM;
}

/** struct path - what is wrong with the way between an edge and the hub, on
 * top of the configuration
 * @down: nothing passes. @no_tcp: neither control nor own TCP. @no_control:
 * TCP segments of connections are lost (and repeated later)
 * @mtu: 0: the usual. @loss, per mille, and @delay are added
 */
struct path {
	bool down, no_tcp, no_control;
	uint16_t mtu;
	uint32_t loss;
	msec delay;
};

/* One side of a TCP connection in a NAT that follows it. */
struct track {
	uint32_t end, maxend, maxwin, maxack;
	bool has_maxack, has_scale;
	uint8_t scale;
};

struct nat_flow {
	bool used, established, closed;
	uint8_t proto;
	uint16_t in_port, out_port;
	uint32_t in_addr, out_addr, seq_add[2];
	struct taddr4 remote;
	struct track side[2];
	msec seen, born;
};

struct nat {
	struct nat_conf conf;
	uint32_t addr;
	struct nat_flow flow[NAT_FLOWS];
	uint32_t top;		/* places from here on were never used */
	uint64_t dropped;	/* by following TCP */
};

struct sim;

/* When something came on an outer 5-tuple last; see own_may_send(). */
struct heard {
	struct taddr4 local, remote;
	uint8_t proto;
	msec at;
};
/* A context number that was given; see given_rests(). */
struct given {
	uint32_t number;
	msec forgotten;
};
enum { HEARD = 1024, GIVEN = 128 };

/** struct node - an engine and its daemon
 * @fast_packets: that the fast path took, out and in
 */
struct node {
	struct sim *sim;
	struct engine *e;
	void *memory;
	struct engine_conf conf;
	uint32_t index;			/* SIM_EDGES: the hub */
	uint32_t addr;
	uint16_t udp_port;
	bool blocked, want_relay, stopped;
	msec tick_at;
	uint32_t notes[NOTE_COUNT], out[OUT_KIND_COUNT];
	struct heard heard[HEARD];
	struct given given[GIVEN];
	uint32_t given_next;
	struct fast_node *fast;
	uint64_t fast_packets[2];	/* out, in */
};

/** struct pipe - a connection
 * @port: its own at the edge
 * @lost: the NAT has forgotten it; nothing passes any more
 * @waits: since when something waits for the path to be open again, 0: nothing
 */
struct pipe {
	bool used, lost;
	uint16_t port;
	msec waits[2];
	uint32_t edge, conn[2];		/* UP: at the edge, DOWN: at the hub */
	bool open[2];
	enum conn_kind kind;
	msec last[2];
};

enum tcp_state { TCP_CLOSED, TCP_LISTENS, TCP_SYN_SENT, TCP_SYN_GOT, TCP_OPEN };

/** struct end - one end of a TCP connection
 * @total: bytes it has to send; @got: bytes that came, in order
 * @have: a byte per byte that came
 * @reset: RST came. @connected: when the handshake was over
 */
struct end {
	enum tcp_state state;
	uint32_t iss, una, nxt, recover, irs;
	uint32_t total, got, have_len, have_cap;
	uint8_t *have;
	bool fin_wanted, fin_got, reset, timer_set;
	uint32_t peer_win, mss, ts_recent;
	uint8_t peer_scale, dups, backoff, hop, hop_seen;
	msec rto_at, connected;
	uint64_t sent, repeated;
};

struct tcp {
	struct sim *sim;
	bool used, ts, sack, scale, ecn;
	uint16_t syn_window;		/* in SYN and SYN/ACK */
	uint32_t salt;
	uint32_t edge, peer_edge;	/* peer_edge: SIM_EDGES: the Internet */
	struct addr6 host, peer;
	uint16_t host_port, peer_port;
	uint32_t window;
	msec started;
	struct end end[2];		/* [UP]: sends upwards: the host */
};

struct event {
	msec at;
	uint64_t order;
	void (*run)(struct sim *s, void *arg);
	void *arg;
};

struct sim {
	struct sim_conf conf;
	struct rand rand;
	msec now;
	struct event *heap;
	size_t events, heap_cap;
	uint64_t order;

	struct node hub, edge[SIM_EDGES];
	struct nat nat[SIM_EDGES];
	struct pipe pipe[SIM_PIPES];
	uint32_t pipes;
	struct path path[SIM_EDGES];
	struct wire *held[SIM_HELD];
	uint32_t held_count;
	int trace;	/* 1: what happens, 2: packets too */
	void *run;	/* struct run, if there is one */

	struct tcp tcp[SIM_TCPS];
	uint64_t errors;
	const char *error;		/* the first */
	bool hub_feeds_back;

	/* true: the packet that came out is accounted for */
	bool (*taker)(struct sim *s, enum dir d, uint32_t edge,
		      const struct pkt *p);

	/* what end points saw; index: direction of travel */
	uint64_t udp_got[2], ping_got[2], frag_got[2], icmp_errors[2];
	uint8_t icmp_type, icmp_code, udp_hop, udp_tos, ping_hop;
	uint32_t icmp_param, udp_label;

	/* true: drop it. May change it */
	bool (*hook)(struct sim *s, struct wire *w, void *arg);
	void *hook_arg;
	uint64_t crossed[3][2], crossed_bytes[3][2];
};

/* -- net.c ---------------------------------------------------------------- */

struct sim *sim_new(const struct sim_conf *c);
void sim_free(struct sim *s);
/** sim_start() - Everything, hub first: run until it is quiet (4 s) */
void sim_start(struct sim *s);
void sim_boot(struct sim *s, struct node *n);
/** sim_restart() - The daemon dies and comes again */
void sim_restart(struct sim *s, struct node *n);
void sim_run(struct sim *s, msec ms);
/** sim_run_until() - Until @done says so, at most @ms. Return: it did */
bool sim_run_until(struct sim *s, bool (*done)(struct sim *s, void *arg),
		   void *arg, msec ms);
void sim_at(struct sim *s, msec delay, void (*run)(struct sim *, void *),
	    void *arg);
/** sim_wire() - Put something on the wire, as from the sender's engine */
void sim_wire(struct sim *s, const struct wire *w);
/** sim_arrive() - Something arrives at the engine of the receiver, at once */
void sim_arrive(struct sim *s, struct wire *w);
/** sim_inner() - A packet from host or peer to its engine's inner TUN */
void sim_inner(struct sim *s, struct node *n, struct span packet);
void sim_error(struct sim *s, const char *what);
/** sim_trace() - A line of what happens, if @level is wanted */
void sim_trace(const struct sim *s, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/** sim_inject() - Something reaches the receiver's NAT (DOWN) or the hub (UP)
 * after @wait, whoever sent it
 */
void sim_inject(struct sim *s, const struct wire *w, msec wait);
/** sim_nat() - The NAT that an edge is behind */
struct nat *sim_nat(struct sim *s, uint32_t edge);
/** sim_bytes() - @len bytes from the @n-th on of a stream, at most 64 KiB */
const uint8_t *sim_bytes(uint32_t salt, uint32_t n, enum dir d);
struct addr6 sim_host(uint32_t edge);
struct addr6 sim_peer(void);
struct link *sim_link(struct node *n);
/** sim_arrives() - Event: @arg, a malloc()ed wire, has crossed */
void sim_arrives(struct sim *s, void *arg);
/** sim_own() - Carriers of the node in this state */
uint32_t sim_own(struct node *n, enum carrier_state state);

bool sim_is_hub(const struct node *n);
const char *sim_name(const struct node *n);
/** pump() - Do what the engine wants done */
void pump(struct node *n);

/* -- fast.c ----------------------------------------------------------------- */

/** fast_boot() - A node starts: empty maps */
void fast_boot(struct node *n);
/** fast_keys_set() - What OUT_FAST says */
void fast_keys_set(struct node *n, const struct fast_keys *k, bool add);
/** fast_run() - A packet on its way @out or in. True: the fast path took it; it
 * is translated, in place
 */
bool fast_run(struct node *n, bool out, uint8_t *packet, size_t *len);

/* -- pipe.c --------------------------------------------------------------- */

/** pipe_dial() - The edge's daemon opens a connection after @wait, if it has
 * none of that kind and still wants one; tries until it succeeds
 */
void pipe_dial(struct sim *s, uint32_t edge, enum conn_kind kind, msec wait);
/** pipe_fresh() - A control connection beside the present one, to replace it */
void pipe_fresh(struct sim *s, uint32_t edge);
/** pipe_connect() - Event of pipe_dial(); @arg is malloc()ed */
void pipe_connect(struct sim *s, void *arg);
/** pipe_at() - The pipe that is connection @conn of @n, NULL if it is none */
struct pipe *pipe_at(struct sim *s, const struct node *n, uint32_t conn);
/** pipe_close() - The daemon of @n closes it; the other end hears later */
void pipe_close(struct sim *s, struct node *n, uint32_t conn);
/** pipe_cut() - All of an edge end at once; @up, @down: who is told */
void pipe_cut(struct sim *s, uint32_t edge, bool up, bool down);
/** pipe_lose() - The edge's address is another: its ends close, and nothing
 * that belongs to them passes any more
 */
void pipe_lose(struct sim *s, uint32_t edge);
/** pipe_order() - Delay of a message from end @from: what was sent before
 * arrives before
 */
msec pipe_order(struct sim *s, struct pipe *p, int from);
/** pipe_carry() - Send message @w, which is malloc()ed */
void pipe_carry(struct sim *s, struct wire *w);
/** pipe_release() - The path of an edge is open again, maybe */
void pipe_release(struct sim *s, uint32_t edge);
/** sim_control() - All connections of an edge are cut, and stay so, or may
 * come again
 */
void sim_control(struct sim *s, uint32_t edge, bool may);

/* -- nat.c ------------------------------------------------------------------ */

/** nat_out(), nat_in() - Translate. False: it is dropped */
bool nat_out(struct sim *s, struct nat *n, struct wire *w);
bool nat_in(struct sim *s, struct nat *n, struct wire *w);
/** nat_control() - A segment of a connection from port @port crosses; @fresh:
 * its SYN. False: the NAT does not know it
 */
bool nat_control(struct sim *s, struct nat *n, uint32_t addr, uint16_t port,
		 bool fresh);
/** nat_fill() - @count sessions of other people in the house */
void nat_fill(struct sim *s, struct nat *n, uint32_t count);
/** nat_has() - Is that one of its outside addresses? */
bool nat_has(const struct nat *n, uint32_t addr);
/** nat_reboot() - Forget all; another outside address */
void nat_reboot(struct nat *n, uint32_t addr);
uint32_t nat_flows(struct sim *s, struct nat *n, uint8_t proto);

/* -- ends.c ----------------------------------------------------------------- */

/** ends_packet() - A packet comes out of an inner TUN (@d: how it travelled) */
void ends_packet(struct sim *s, enum dir d, uint32_t edge, struct span packet);
/** tcp_connect() - @first: who sends the SYN (UP: the host) */
struct tcp *tcp_connect(struct sim *s, uint32_t edge, enum dir first,
			uint16_t host_port, uint16_t peer_port);
/** tcp_new() - The same, not started: set options, then tcp_begin() */
struct tcp *tcp_new(struct sim *s, uint32_t edge, uint16_t host_port,
		    uint16_t peer_port);
void tcp_begin(struct tcp *t, enum dir first);
void tcp_write(struct tcp *t, enum dir d, uint32_t bytes);
void tcp_finish(struct tcp *t, enum dir d);
void tcp_abort(struct tcp *t, enum dir d);
/** tcp_done() - All that was written has come to the other end */
bool tcp_done(const struct tcp *t);
bool tcp_run(struct tcp *t, msec most);
/** tcp_forget() - Its place, and its ports, are free again */
void tcp_forget(struct tcp *t);
void udp_send(struct sim *s, uint32_t edge, enum dir d, uint16_t host_port,
	      uint16_t peer_port, size_t payload);
void ping_send(struct sim *s, uint32_t edge, enum dir d, size_t payload);
/** packet_build() - IPv6 packet; fills in checksums of TCP, UDP, ICMPv6 */
size_t packet_build(uint8_t *to, const struct addr6 *src,
		    const struct addr6 *dst, uint8_t nh, struct span l4);

#endif
