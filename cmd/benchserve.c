/* SPDX-License-Identifier: MIT
 *
 * benchserve.c - the hub's listeners for `unmap bench`
 *
 * Theory of operation
 * ===================
 * A bench has four sockets: TCP and UDP on the hub's own address inside, which
 * is reached through carriers, and TCP and UDP on IPv4, which is the bare path.
 * They live until the edge ends the bench, at most BENCH_LIFE_MS.
 *
 * Whoever connects must show the token within SHOW_MS and gets not a byte
 * before that; a datagram without it is dropped. A datagram's echo is never
 * longer than the datagram. So nothing unproven makes the hub send.
 *
 * All of one bench share a bucket of @mbit, both directions together; who finds
 * it empty is not watched until the next tick has filled it. Bulk leaves a
 * quarter of the bucket to echoes: they measure the delay under its load. Each
 * ready connection moves at most TURN_BYTES at a time: packets come first.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/benchserve.h"
#include "crypto/random.h"

enum { SHOW_MS = 3000, REFILL_MS = 4, BURST_MS = 20, TURN_BYTES = 128 * 1024,
	BLOCK = 64 * 1024, BACKLOG = 256, ACCEPTS = 16, DATAGRAMS = 32,
	COUNT_BYTES = 8 };
enum socket_kind { TCP6, UDP6, TCP4, UDP4, SOCKETS };

struct server;

struct port {
	struct watch watch;
	struct server *s;
};

struct server {
	bool used, dry;
	struct bench_plan plan;
	uint8_t token[BENCH_TOKEN];
	msec until, filled;
	int64_t credit;			/* bytes */
	struct port port[SOCKETS];
};

/* @command: 0 until the head has come. @waits: for the bucket */
struct client {
	struct watch watch;
	struct server *s;		/* NULL: free */
	uint8_t command, head[BENCH_HEAD];
	size_t got;
	uint64_t bytes;
	msec until;
	bool waits;
};

static struct server servers[BENCHES];
static struct client clients[BENCH_CONNS];
static uint8_t block[BLOCK];

/* -- the bucket ------------------------------------------------------------------- */

static int64_t per_ms(const struct server *s)
{
	return (int64_t)s->plan.mbit * 125;
}

static int64_t fill(struct server *s, msec now)
{
	int64_t most = per_ms(s) * BURST_MS;

	s->credit += per_ms(s) * (int64_t)(now - s->filled);
	s->filled = now;
	if (s->credit > most)
		s->credit = most;
	return s->credit;
}

static int64_t for_echoes(const struct server *s)
{
	return per_ms(s) * BURST_MS / 4;
}

/* What bulk may move at once; 0: nothing now. */
static size_t bulk_bytes(struct server *s)
{
	int64_t left = fill(s, loop_now()) - for_echoes(s);

	if (left <= 0) {
		s->dry = true;
		return 0;
	}
	return left < BLOCK ? (size_t)left : BLOCK;
}

/* -- connections -------------------------------------------------------------------- */

static void hang_up(struct client *c)
{
	loop_remove(c->s->plan.loop, &c->watch);
	close(c->watch.fd);
	c->s = NULL;
}

static void wait_for_credit(struct client *c)
{
	c->waits = true;
	loop_change(c->s->plan.loop, &c->watch, 0);
}

static uint32_t wants(const struct client *c)
{
	return c->command == BENCH_DOWN ? EPOLLOUT : EPOLLIN;
}

/* The head is complete: false if it proves nothing. */
static bool begin(struct client *c)
{
	msec ms = get16(c->head + BENCH_TOKEN + 1);

	if (!bench_token_eq(c->head, c->s->token))
		return false;
	c->command = c->head[BENCH_TOKEN];
	if (ms > BENCH_STEP_MS)
		ms = BENCH_STEP_MS;
	c->until = loop_now() + ms + (c->command == BENCH_UP ? SHOW_MS : 0);
	loop_change(c->s->plan.loop, &c->watch, wants(c));
	return c->command >= BENCH_DOWN && c->command <= BENCH_ECHO;
}

/* The functions below give false when the connection has to end. */

static bool show(struct client *c)
{
	ssize_t n = recv(c->watch.fd, c->head + c->got, BENCH_HEAD - c->got, 0);

	if (n < 0)
		return errno == EAGAIN;
	c->got += (size_t)n;
	return n && (c->got < BENCH_HEAD || begin(c));
}

static bool down(struct client *c)
{
	size_t turn = 0, most;

	while (turn < TURN_BYTES) {
		ssize_t n;

		most = bulk_bytes(c->s);
		if (!most) {
			wait_for_credit(c);
			return true;
		}
		n = send(c->watch.fd, block, most, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN;
		turn += (size_t)n;
		c->s->credit -= n;
	}
	return true;
}

static bool tell_count(struct client *c)
{
	uint8_t count[COUNT_BYTES];

	put64(count, c->bytes);
	send(c->watch.fd, count, sizeof(count), MSG_NOSIGNAL);
	return false;
}

static bool up(struct client *c)
{
	static uint8_t sink[BLOCK];
	size_t turn = 0, most;

	while (turn < TURN_BYTES) {
		ssize_t n;

		most = bulk_bytes(c->s);
		if (!most) {
			wait_for_credit(c);
			return true;
		}
		n = recv(c->watch.fd, sink, most, 0);
		if (n < 0)
			return errno == EAGAIN;
		if (!n)
			return tell_count(c);
		turn += (size_t)n;
		c->s->credit -= n;
		c->bytes += (uint64_t)n;
	}
	return true;
}

static bool echo(struct client *c)
{
	uint8_t piece[1024];
	ssize_t n = recv(c->watch.fd, piece, sizeof(piece), 0);

	if (n < 0)
		return errno == EAGAIN;
	c->s->credit -= n;
	return n && send(c->watch.fd, piece, (size_t)n, MSG_NOSIGNAL) == n;
}

static void client_ready(struct watch *w, uint32_t events)
{
	struct client *c = container_of_watch(w, struct client, watch);
	bool go = false;

	if (!(events & (EPOLLERR | EPOLLHUP))) {
		switch (c->command) {
		case 0: go = show(c); break;
		case BENCH_DOWN: go = down(c); break;
		case BENCH_UP: go = up(c); break;
		case BENCH_ECHO: go = echo(c); break;
		default: break;
		}
	}
	if (!go)
		hang_up(c);
}

static struct client *free_client(void)
{
	for (int i = 0; i < BENCH_CONNS; i++)
		if (!clients[i].s)
			return &clients[i];
	return NULL;
}

static void accept_ready(struct watch *w, uint32_t events)
{
	struct port *p = container_of_watch(w, struct port, watch);
	int one = 1;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(w->fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct client *c = fd >= 0 ? free_client() : NULL;

		if (fd < 0)
			return;
		if (!c) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		*c = (struct client){ .watch = { fd, false, client_ready },
			.s = p->s, .until = loop_now() + SHOW_MS };
		if (loop_add(p->s->plan.loop, &c->watch, EPOLLIN)) {
			close(fd);
			c->s = NULL;
		}
	}
}

static void datagram_ready(struct watch *w, uint32_t events)
{
	struct port *p = container_of_watch(w, struct port, watch);
	uint8_t bytes[BENCH_DATAGRAM];
	struct sockaddr_storage from;

	(void)events;
	for (int i = 0; i < DATAGRAMS; i++) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(w->fd, bytes, sizeof(bytes), 0,
				     (struct sockaddr *)&from, &len);

		if (n < 0)
			return;
		if (n < BENCH_TOKEN || !bench_token_eq(bytes, p->s->token) ||
		    fill(p->s, loop_now()) <= 0)
			continue;
		p->s->credit -= n;
		sendto(w->fd, bytes, (size_t)n, MSG_NOSIGNAL,
		       (struct sockaddr *)&from, len);
	}
}

/* -- a bench ------------------------------------------------------------------------- */

static void close_server(struct server *s)
{
	for (int i = 0; i < BENCH_CONNS; i++)
		if (clients[i].s == s)
			hang_up(&clients[i]);
	for (int i = 0; i < SOCKETS; i++) {
		if (s->port[i].watch.fd < 0)
			continue;
		loop_remove(s->plan.loop, &s->port[i].watch);
		close(s->port[i].watch.fd);
	}
	s->used = false;
}

/* A bound socket of this kind, and its port; -1 if that cannot be. */
static int open_socket(const struct bench_plan *p, enum socket_kind kind,
		       uint16_t *port)
{
	bool inside = kind == TCP6 || kind == UDP6;
	bool stream = kind == TCP6 || kind == TCP4;
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(p->listen) };
	struct sockaddr *a = inside ? (struct sockaddr *)&a6 :
			     (struct sockaddr *)&a4;
	socklen_t len = inside ? sizeof(a6) : sizeof(a4);
	int fd = socket(inside ? AF_INET6 : AF_INET, SOCK_NONBLOCK |
			SOCK_CLOEXEC | (stream ? SOCK_STREAM : SOCK_DGRAM), 0);

	memcpy(&a6.sin6_addr, p->self.b, sizeof(p->self.b));
	if (fd < 0)
		return -1;
	if (bind(fd, a, len) || (stream && listen(fd, BACKLOG)) ||
	    getsockname(fd, a, &len)) {
		close(fd);
		return -1;
	}
	*port = ntohs(inside ? a6.sin6_port : a4.sin_port);
	return fd;
}

static bool open_port(struct server *s, enum socket_kind kind, uint16_t *port)
{
	bool stream = kind == TCP6 || kind == TCP4;
	struct port *p = &s->port[kind];
	int fd = open_socket(&s->plan, kind, port);

	*p = (struct port){ .watch = { fd, false, stream ? accept_ready :
				       datagram_ready }, .s = s };
	if (fd < 0)
		return false;
	if (!loop_add(s->plan.loop, &p->watch, EPOLLIN))
		return true;
	close(fd);
	p->watch.fd = -1;
	return false;
}

static struct server *place(const struct bench_plan *p)
{
	struct server *s = NULL;

	for (int i = 0; i < BENCHES; i++)
		if (servers[i].used && servers[i].plan.link == p->link)
			close_server(&servers[i]);
	for (int i = 0; i < BENCHES && !s; i++)
		if (!servers[i].used)
			s = &servers[i];
	return s;
}

void benchserve_open(const struct bench_plan *p, struct bench_note *offer,
		     msec now)
{
	struct server *s = p->mbit ? place(p) : NULL;
	bool all;

	*offer = (struct bench_note){ .type = BENCH_REFUSE, .id = p->id,
		.reason = p->mbit ? BENCH_BUSY : BENCH_NOT_ALLOWED };
	if (!s)
		return;
	*s = (struct server){ .used = true, .plan = *p, .filled = now,
		.until = now + BENCH_LIFE_MS };
	random_bytes(s->token, sizeof(s->token));
	for (int i = 0; i < SOCKETS; i++)
		s->port[i].watch.fd = -1;
	all = open_port(s, TCP6, &offer->tcp6) &&
	      open_port(s, UDP6, &offer->udp6) &&
	      open_port(s, TCP4, &offer->tcp4) &&
	      open_port(s, UDP4, &offer->udp4);
	if (!all) {
		offer->reason = BENCH_NO_SOCKET;
		close_server(s);
		return;
	}
	offer->type = BENCH_OFFER;
	offer->mbit = p->mbit;
	offer->self = p->self;
	memcpy(offer->token, s->token, sizeof(s->token));
}

void benchserve_end(uint32_t link, uint32_t id)
{
	for (int i = 0; i < BENCHES; i++)
		if (servers[i].used && servers[i].plan.link == link &&
		    servers[i].plan.id == id)
			close_server(&servers[i]);
}

void benchserve_end_all(void)
{
	for (int i = 0; i < BENCHES; i++)
		if (servers[i].used)
			close_server(&servers[i]);
}

static void client_tick(struct client *c, msec now)
{
	if (now >= c->until) {
		hang_up(c);
	} else if (c->waits && !c->s->dry) {
		c->waits = false;
		loop_change(c->s->plan.loop, &c->watch, wants(c));
	}
}

void benchserve_tick(msec now)
{
	for (int i = 0; i < BENCHES; i++) {
		struct server *s = &servers[i];

		if (!s->used)
			continue;
		if (now >= s->until)
			close_server(s);
		fill(s, now);
		s->dry = s->credit <= for_echoes(s);
	}
	for (int i = 0; i < BENCH_CONNS; i++)
		if (clients[i].s)
			client_tick(&clients[i], now);
}

msec benchserve_deadline(void)
{
	msec due = NEVER;

	for (int i = 0; i < BENCHES; i++) {
		const struct server *s = &servers[i];
		msec own = s->dry ? s->filled + REFILL_MS : s->until;

		if (s->used && own < due)
			due = own;
	}
	for (int i = 0; i < BENCH_CONNS; i++)
		if (clients[i].s && clients[i].until < due)
			due = clients[i].until;
	return due;
}
