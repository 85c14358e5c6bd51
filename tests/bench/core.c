/* SPDX-License-Identifier: MIT
 *
 * core.c - what the engine costs with a million sessions, in one process
 *
 * Theory of operation
 * ===================
 * A hub engine and EDGES edge engines, wired by function calls: what one puts
 * in its outbox is copied to a queue and handed to the other. Time is simulated
 * and stands still unless the bench moves it, so that whatever can come due at
 * the same moment does. Only calls into the engine in question are on the
 * clock; the worst single call is what a packet of somebody else would have had
 * to wait.
 *
 * Edge 0 holds half of all sessions, as much as a hub lets a link have.
 *
 *	core [SESSIONS [OWN]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/bench/pair.h"

enum { BATCH = 64, HOSTS = 8, PEERS = 8, LOOKUPS = 1000000,
	SLICE = 2048, PACKETS = 500000 };

static struct pair p;
static uint32_t sessions = 1000000, own = 262144;
static struct packet packet[SLICE];

/* -- results ---------------------------------------------------------------- */

static void result(const char *what, double value, const char *unit,
		   const char *goal)
{
	printf("  %-52s %10.1f %-10s %s\n", what, value, unit, goal);
	fflush(stdout);
}

/* -- which session is which -------------------------------------------------- */

struct flow {
	uint32_t edge;
	struct addr6 host, peer;
	uint16_t host_port, peer_port;
};

static struct flow flow_of(uint32_t k)
{
	uint32_t n = k / 2, i = n;
	struct flow f = { .edge = 0 };

	if (k % 2) {
		f.edge = 1 + n % (EDGES - 1);
		i = n / (EDGES - 1);
	}
	f.host = pair_host(f.edge, i % HOSTS);
	f.peer = pair_peer(i / HOSTS % PEERS);
	f.host_port = (uint16_t)(1024 + i / HOSTS / PEERS % 60000);
	f.peer_port = (uint16_t)(1000 + i / HOSTS / PEERS / 60000);
	return f;
}

static void from_host(struct packet *to, uint32_t k)
{
	struct flow f = flow_of(k);

	to->edge = f.edge;
	packet_udp(to, &f.host, &f.peer, f.host_port, f.peer_port);
}

static void from_peer(struct packet *to, uint32_t k)
{
	struct flow f = flow_of(k);

	to->edge = f.edge;
	packet_udp(to, &f.peer, &f.host, f.peer_port, f.host_port);
}

/* -- sessions ---------------------------------------------------------------- */

/* Sessions @from .. @to-1, opened by hosts and answered by peers. */
static void populate(uint32_t from, uint32_t to, struct meter *edge,
		     struct meter *hub)
{
	uint32_t k, n, i;

	for (k = from; k < to; k += n) {
		n = to - k < BATCH ? to - k : BATCH;
		for (i = 0; i < n; i++)
			from_host(&packet[i], k + i);
		pair_up(&p, packet, n, edge, hub);
		for (i = 0; i < n; i++)
			from_peer(&packet[i], k + i);
		pair_down(&p, packet, n, hub);
	}
}

static void lookup(uint32_t count)
{
	struct meter m = { 0 };
	char what[64];

	for (uint32_t done = 0; done < LOOKUPS; done += SLICE) {
		for (uint32_t i = 0; i < SLICE; i++)
			from_peer(&packet[i], pair_random(&p) % count);
		pair_down(&p, packet, SLICE, &m);
	}
	snprintf(what, sizeof(what), "look-up among %u, peer to shared", count);
	result(what, m.ns / m.calls, "ns/packet", "flat");
}

static void grow(void)
{
	static const uint32_t steps[] = { 1000, 10000, 100000, 1000000 };
	struct meter edge = { 0 }, hub = { 0 };
	uint32_t have = 0, to;
	size_t before = pair_resident(&p);

	result("hub without sessions, resident", (double)before / 1e6, "MB",
	       "");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		to = steps[i] < sessions ? steps[i] : sessions;
		populate(have, to, &edge, &hub);
		have = to;
		lookup(have);
	}
	populate(have, sessions, &edge, &hub);
	if (engine_sessions(p.hub.e) != sessions)
		printf("  # only %u sessions\n", engine_sessions(p.hub.e));
	result("opening at the edge", edge.calls / edge.ns * 1e9,
	       "/s", ">= 100000");
	result("opening and answering at the hub",
	       hub.calls / 2 / hub.ns * 1e9, "/s", ">= 100000");
	result("worst call while opening (hub)", hub.worst / 1e6, "ms", "< 5");
	result("memory of these sessions", (double)(pair_resident(&p) - before) /
	       sessions, "bytes each", "");
}

/* Time passes; everything that comes of it is done, one engine_tick() after
 * the other.
 */
static void pass(msec ms, struct meter *m)
{
	p.now += ms;
	pair_settle(&p, m);
}

static void close_all(void)
{
	struct meter m = { 0 };
	uint32_t before = engine_sessions(p.hub.e), ticks;

	pass(6 * 60 * 1000, &m);
	for (ticks = 0; engine_sessions(p.hub.e) && ticks < 100000; ticks++)
		pass(4, &m);
	result("all time out at once: closing", before / m.ns * 1e9, "/s", "");
	result("  worst engine_tick()", m.worst / 1e6, "ms", "< 5");
	if (engine_sessions(p.hub.e))
		printf("  # %u sessions are left\n",
		       engine_sessions(p.hub.e));
}

/* A link with half of all sessions ends; another edge starts anew. */
static void lose_links(void)
{
	struct meter m = { 0 }, restart = { 0 }, edge = { 0 }, hub = { 0 };
	uint32_t before, ticks;

	populate(0, sessions, &edge, &hub);
	before = engine_sessions(p.hub.e);
	pair_revoke(&p, 0, &m);
	for (ticks = 0; engine_sessions(p.hub.e) > before / 2 + 64 &&
	     ticks < 100000; ticks++)
		pass(4, &m);
	result("one link with half of all ends: worst call", m.worst / 1e6,
	       "ms", "< 5");
	result("  simulated time until it is gone", ticks * 4, "ms", "");
	pair_restart(&p, 1, &restart);
	result("an edge starts anew, resync: worst call", restart.worst / 1e6,
	       "ms", "< 5");
	for (ticks = 0; ticks < 250; ticks++)
		pass(4, &restart);
	result("  a second later: worst call", restart.worst / 1e6, "ms",
	       "< 5");
}

/* -- own carriers ------------------------------------------------------------- */

static void segment(struct packet *to, uint32_t k, bool up, uint8_t flags,
		    uint32_t seq, uint32_t ack, size_t payload)
{
	struct flow f = flow_of(2 * k + 1);	/* not edge 0 */

	f.edge = 1 + k % (EDGES - 1);
	to->edge = f.edge;
	if (up)
		packet_tcp(to, &f.host, &f.peer, f.host_port, 80, flags, seq,
			   ack, payload);
	else
		packet_tcp(to, &f.peer, &f.host, 80, f.host_port, flags, seq,
			   ack, payload);
}

static void open_own(uint32_t count, struct meter *edge, struct meter *hub)
{
	uint32_t k, n, i;

	for (k = 0; k < count; k += n) {
		n = count - k < BATCH ? count - k : BATCH;
		for (i = 0; i < n; i++)
			segment(&packet[i], k + i, true, TCP_SYN, 1000, 0, 0);
		pair_up(&p, packet, n, edge, hub);
		for (i = 0; i < n; i++)
			segment(&packet[i], k + i, false, TCP_SYN | TCP_ACK,
				5000, 1001, 0);
		pair_down(&p, packet, n, hub);
		for (i = 0; i < n; i++)
			segment(&packet[i], k + i, true, TCP_ACK, 1001, 5001,
				0);
		pair_up(&p, packet, n, edge, hub);
		p.now++;
		pair_settle(&p, NULL);
	}
}

static void own_packets(uint32_t count)
{
	struct meter edge = { 0 }, hub = { 0 }, down = { 0 };
	uint32_t k, i;

	for (uint32_t done = 0; done < PACKETS; done += SLICE) {
		for (i = 0; i < SLICE; i++) {
			k = pair_random(&p) % count;
			segment(&packet[i], k, true, TCP_ACK, 1001, 5001, 4);
		}
		pair_up(&p, packet, SLICE, &edge, &hub);
		for (i = 0; i < SLICE; i++) {
			k = pair_random(&p) % count;
			segment(&packet[i], k, false, TCP_ACK, 5001, 1001, 4);
		}
		pair_down(&p, packet, SLICE, &down);
	}
	result("64-byte packets, own: host to outer (edge)",
	       edge.calls / edge.ns * 1e9, "/s", "");
	result("64-byte packets, own: outer to peer (hub)",
	       hub.calls / hub.ns * 1e9, "/s", "");
	result("64-byte packets, own: peer to outer (hub)",
	       down.calls / down.ns * 1e9, "/s", "");
}

static void shared_packets(uint32_t count)
{
	struct meter edge = { 0 }, hub = { 0 }, down = { 0 };

	for (uint32_t done = 0; done < PACKETS; done += SLICE) {
		for (uint32_t i = 0; i < SLICE; i++)
			from_host(&packet[i], pair_random(&p) % count | 1);
		pair_up(&p, packet, SLICE, &edge, &hub);
		for (uint32_t i = 0; i < SLICE; i++)
			from_peer(&packet[i], pair_random(&p) % count | 1);
		pair_down(&p, packet, SLICE, &down);
	}
	result("64-byte packets, shared: host to datagram (edge)",
	       edge.calls / edge.ns * 1e9, "/s", "");
	result("64-byte packets, shared: datagram to peer (hub)",
	       hub.calls / hub.ns * 1e9, "/s", "");
	result("64-byte packets, shared: peer to datagram (hub)",
	       down.calls / down.ns * 1e9, "/s", "");
}

static void use_own(void)
{
	struct meter edge = { 0 }, hub = { 0 };
	size_t before = pair_resident(&p);
	uint32_t have;

	open_own(own, &edge, &hub);
	have = pair_own(&p);
	result("own carriers that live at the hub", have, "", "");
	result("opening TCP on own carriers (edge)",
	       own / edge.ns * 1e9, "/s", ">= 100000");
	result("opening TCP on own carriers (hub)", own / hub.ns * 1e9, "/s",
	       ">= 100000");
	result("memory of these sessions and carriers",
	       (double)(pair_resident(&p) - before) / own, "bytes each", "");
	own_packets(1000);
	own_packets(have);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		sessions = (uint32_t)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		own = (uint32_t)strtoul(argv[2], NULL, 10);
	pair_init(&p, sessions, own);
	printf("core, %u sessions, %u own carriers, %u edges\n", sessions, own,
	       (unsigned)EDGES);
	grow();
	shared_packets(1000);
	shared_packets(sessions);
	close_all();
	lose_links();
	close_all();
	pair_init(&p, sessions, own);
	use_own();
	populate(0, sessions - own, &(struct meter){ 0 },
		 &(struct meter){ 0 });
	result("all sessions and carriers, resident", (double)
	       pair_resident(&p) / 1e6, "MB", "< 256");
	return 0;
}
