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
#include "core/state.h"

enum { SIM_EDGES = 4, SIM_PIPES = 512, SIM_TCPS = 64, SIM_CONNS = 16,
	NAT_FLOWS = 2048 };
enum { SIM_LO = 61000, SIM_HI = 65535, SIM_PORT = 6464, ECHO_PORT = 7 };

/** struct nat_conf - what kind of NAT
 * @random: outside ports are random, else kept where possible
 * @strict: follows TCP as Linux conntrack with tcp_loose=0 does
 * @rewrite_seq: adds a constant to the sequence numbers of the inside
 * @strip: replaces all TCP options by padding
 * @shape: changes the windows of all but SYN and SYN/ACK
 * @drop_udp: no UDP passes. @drop_own: nothing for the hub's range passes
 * @udp_ms, @tcp_ms: idle mappings are forgotten after that
 */
struct nat_conf {
	bool random, strict, rewrite_seq, strip, shape, drop_udp, drop_own;
	msec udp_ms, tcp_ms;
};

/** struct sim_conf - zero means the usual
 * @delay: edge to hub, one way (20 ms). @far: hub to peer (10 ms)
 * @mtu: of the wire (1500); @black_hole: no ICMPv4 about it
 * @loss, @twice: of datagrams and outer packets, per mille: lost, duplicated
 * @jitter: they take up to that longer, and overtake each other
 */
struct sim_conf {
	uint64_t seed;
	uint32_t edges;
	enum carriers carriers;
	const char *inbound;
	msec delay, far;
	uint16_t mtu;
	bool black_hole;
	uint32_t loss, twice;
	msec jitter;
	struct nat_conf nat;
	uint32_t sessions, own, contexts, budget;
};

enum wire_kind { WIRE_OUTER_PACKET, WIRE_DATAGRAM, WIRE_MESSAGE };

/** struct wire - something that crosses between edge and hub
 * @bytes: IPv4 packet, UDP payload, or one message
 * @from, @to: as seen where it is now (not of messages)
 */
struct wire {
	enum wire_kind kind;
	enum dir dir;
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
	uint32_t in_addr, seq_add;
	struct taddr4 remote;
	struct track side[2];
	msec seen;
};

struct nat {
	struct nat_conf conf;
	uint32_t addr;
	struct nat_flow flow[NAT_FLOWS];
	uint64_t dropped;	/* by following TCP */
};

struct sim;

/** struct node - an engine and its daemon */
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
};

struct pipe {
	bool used;
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
	uint32_t edge, peer_edge;	/* peer_edge: SIM_EDGES: the Internet */
	struct addr6 host, peer;
	uint16_t host_port, peer_port;
	uint32_t window;
	uint16_t syn_window;		/* in SYN and SYN/ACK */
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

	struct tcp tcp[SIM_TCPS];
	uint64_t errors;
	const char *error;		/* the first */
	bool hub_feeds_back;

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
/** sim_control() - All connections of an edge are cut, and stay so, or may
 * come again
 */
void sim_control(struct sim *s, uint32_t edge, bool may);
/** sim_wire() - Put something on the wire, as from the sender's engine */
void sim_wire(struct sim *s, const struct wire *w);
/** sim_arrive() - Something arrives at the engine of the receiver, at once */
void sim_arrive(struct sim *s, struct wire *w);
/** sim_inner() - A packet from host or peer to its engine's inner TUN */
void sim_inner(struct sim *s, struct node *n, struct span packet);
void sim_error(struct sim *s, const char *what);
struct addr6 sim_host(uint32_t edge);
struct addr6 sim_peer(void);
struct link *sim_link(struct node *n);
/** sim_own() - Carriers of the node in this state */
uint32_t sim_own(struct node *n, enum carrier_state state);

/* -- nat.c ------------------------------------------------------------------ */

/** nat_out(), nat_in() - Translate. False: it is dropped */
bool nat_out(struct sim *s, struct nat *n, struct wire *w);
bool nat_in(struct sim *s, struct nat *n, struct wire *w);
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
