/* SPDX-License-Identifier: MIT
 *
 * load.c - traffic between two network namespaces, and what it costs
 *
 * Usage: load TEST KEY=VALUE...
 *
 *   TEST      a row of tests[] below
 *   from=     namespace of the client (a file: /run/netns/NAME), and
 *   addr=     its IPv6 address; it is the one that connects or sends first
 *   to=, srv= the same of the server
 *   wire=     namespace and interface (FILE:IFACE) whose bytes are counted
 *   ms=       length of the measurement, warm= of the time before it
 *   pids=     processes whose CPU time is told apart: N,N,...
 *
 * Theory of operation
 * ===================
 * One process holds both ends, so that one clock and one window count for
 * everything: a socket stays in the namespace it was made in, whoever uses it.
 * The main thread makes all sockets, starts a thread per end of each flow, lets
 * them run for `warm`, takes a sample (bytes delivered, CPU time of the machine
 * and of the processes, bytes on the wire), another one `ms` later, and prints
 * the difference as KEY=VALUE words on one line. Nothing but what was received
 * counts as delivered. alarm() ends us whatever happens.
 *
 * TCP: blocking send() of 128 KB and recv() of 256 KB per stream, the kernel's
 * own buffer sizes. Beside every TCP test a UDP echo of 64 bytes runs 200 times
 * a second: the delay under load. The test "rtt" runs the echo alone.
 *
 * UDP: a sender that floods would measure how fast its machine can discard, so
 * it has a window, as a transport protocol has: datagrams carry a number, at
 * most `window` of them are under way: an eighth more after a window without
 * loss, half after one with. It starts at 64 and ends at 1024 datagrams. When
 * nothing at all arrives for 20 ms what was under way counts as lost. Waiting
 * is a futex, not a spin: the processors belong to those that are measured.
 *
 * Connections: 8 clients at once, each: connect, 64 bytes there, 64 back,
 * close by the client. Counted when the server's close has been seen.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/cost.h"

enum {
	FLOWS_MAX = 8,
	PIDS_MAX = 64,
	CLIENTS = 8,	    /* connections at once */
	TCP_CHUNK = 131072, /* of a send */
	RX_CHUNK = 262144,
	GSO_SEGS = 44,	    /* datagrams of a super-packet */
	BATCH = 64,	    /* datagrams of sendmmsg, recvmmsg */
	WINDOW_MIN = 16,
	WINDOW_START = 64,
	WINDOW_MAX = 1024,
	ECHO_SIZE = 64,
	ECHO_MS = 5,
	ECHOES_MAX = 65536,
	STUCK_MS = 20,
	CONNECT_S = 5,
	REQUEST = 64,
};

/* An IPv6 packet of 1400 bytes fits every peer's MTU. */
enum { UDP_BIG = 1400 - 48, UDP_SMALL = 64 - 48 };

struct test {
	const char *name;
	enum { TCP, UDP, GSO, CONNS, RTT } kind;
	int up, down; /* flows in each direction */
	int size;     /* UDP: payload of a datagram */
};

static const struct test tests[] = {
	{ "tcp-down", TCP, 0, 1, 0 },
	{ "tcp-up", TCP, 1, 0, 0 },
	{ "tcp4-down", TCP, 0, 4, 0 },
	{ "tcp4-up", TCP, 4, 0, 0 },
	{ "tcp-both", TCP, 1, 1, 0 },
	{ "gso-down", GSO, 0, 1, UDP_BIG },
	{ "gso-up", GSO, 1, 0, UDP_BIG },
	{ "udp-down", UDP, 0, 1, UDP_BIG },
	{ "udp-up", UDP, 1, 0, UDP_BIG },
	{ "small-down", UDP, 0, 1, UDP_SMALL },
	{ "small-up", UDP, 1, 0, UDP_SMALL },
	{ "rtt", RTT, 0, 0, 0 },
	{ "conns", CONNS, 0, 0, 0 },
};

/* One direction of traffic; sender and receiver are threads. */
struct flow {
	int tx, rx; /* sockets */
	int size;
	bool gso;
	uint64_t sent;		    /* UDP: number of the next datagram */
	_Atomic uint64_t seen;	    /* UDP: one above the highest number seen */
	_Atomic uint64_t lost;	    /* UDP: numbers that were skipped */
	_Atomic uint64_t bytes;	    /* received */
	_Atomic uint64_t datagrams; /* received */
	_Atomic uint32_t wake;	    /* futex: bumped for a waiting sender */
	_Atomic uint64_t want;	    /* wake when `seen` reaches it; 0: nobody */
};

struct sample {
	double at;
	uint64_t bytes, datagrams, lost, conns;
	struct cost cost;
};

static struct {
	const char *from, *to, *wire;
	struct in6_addr addr, srv;
	int ms, warm;
	int pids[PIDS_MAX], pid_count;
} opt = { .ms = 1000, .warm = 500 };

static struct flow flows[FLOWS_MAX];
static int flow_count;
static _Atomic bool stop_all;
static _Atomic uint64_t conns, conns_failed;
static int conn_listener;
static int echo_client, echo_server;
static _Atomic int echo_count, echo_first; /* in all; before the measurement */
static uint32_t echo_us[ECHOES_MAX];
static _Atomic int echo_sent;
static in_port_t next_port;

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("load: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void enter(const char *space)
{
	int fd = open(space, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die("%s: %s", space, strerror(errno));
	close(fd);
}

/* A socket of the namespace that this thread is in, bound to an end's address */
static int bound(bool server, int type, in_port_t port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
				   .sin6_addr = server ? opt.srv : opt.addr,
				   .sin6_port = htons(port) };
	struct timeval limit = { .tv_sec = CONNECT_S };
	int on = 1, big = 8 << 20;
	int fd;

	fd = socket(AF_INET6, type, 0);
	if (fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (type == SOCK_DGRAM) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	}
	if (bind(fd, (void *)&at, sizeof(at)) < 0)
		die("bind: %s", strerror(errno));
	return fd;
}

static void connect_to(int fd, bool server, in_port_t port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
				   .sin6_addr = server ? opt.srv : opt.addr,
				   .sin6_port = htons(port) };

	if (connect(fd, (void *)&to, sizeof(to)) < 0)
		die("connect: %s", strerror(errno));
}

/* Ports that the last run has not used: its TIME_WAITs do not matter. */
static in_port_t fresh_port(void)
{
	if (!next_port)
		next_port = (in_port_t)(10000 + getpid() % 20000);
	return next_port++;
}

static void tcp_pair(int *client, int *server)
{
	in_port_t port = fresh_port();
	int listener;

	enter(opt.to);
	listener = bound(true, SOCK_STREAM, port);
	if (listen(listener, 1) < 0)
		die("listen: %s", strerror(errno));
	enter(opt.from);
	*client = bound(false, SOCK_STREAM, 0);
	connect_to(*client, true, port);
	*server = accept(listener, NULL, NULL);
	if (*server < 0)
		die("accept: %s", strerror(errno));
	close(listener);
}

/* Both sockets connected; a datagram has gone there and back, as in every
 * session of UDP that is one, whatever NAT or policy is between.
 */
static void udp_pair(int *client, int *server)
{
	in_port_t cport = fresh_port(), sport = fresh_port();
	struct pollfd wait;
	char byte = 0;
	int i;

	enter(opt.to);
	*server = bound(true, SOCK_DGRAM, sport);
	enter(opt.from);
	*client = bound(false, SOCK_DGRAM, cport);
	connect_to(*client, true, sport);
	enter(opt.to);
	connect_to(*server, false, cport);
	wait = (struct pollfd){ .fd = *server, .events = POLLIN };
	for (i = 0; i < 20; i++) {
		if (send(*client, &byte, 1, 0) < 0 && errno != ECONNREFUSED)
			die("send: %s", strerror(errno));
		if (poll(&wait, 1, 100) > 0)
			break;
	}
	if (i == 20)
		die("no datagram arrives");
	while (recv(*server, &byte, 1, MSG_DONTWAIT) >= 0)
		;
	wait.fd = *client;
	if (send(*server, &byte, 1, 0) < 0 || poll(&wait, 1, 1000) <= 0)
		die("no datagram comes back");
	recv(*client, &byte, 1, 0);
}

/* TCP */

static void *tcp_send(void *arg)
{
	static char data[TCP_CHUNK];
	struct flow *f = arg;

	while (!stop_all && send(f->tx, data, sizeof(data), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void *tcp_receive(void *arg)
{
	struct flow *f = arg;
	char *data = malloc(RX_CHUNK);
	ssize_t n;

	while (!stop_all && (n = recv(f->rx, data, RX_CHUNK, 0)) > 0)
		f->bytes += (uint64_t)n;
	free(data);
	return NULL;
}

/* UDP */

/* Wait until the datagrams under way are half the window; false: none came */
static bool window_wait(struct flow *f, unsigned int window)
{
	struct timespec limit = { .tv_nsec = STUCK_MS * 1000000 };
	uint64_t before = f->seen;
	uint32_t was = f->wake;

	f->want = f->sent - window / 2;
	if (f->seen < f->want && !stop_all)
		syscall(SYS_futex, &f->wake, FUTEX_WAIT_PRIVATE, was, &limit,
			NULL, 0);
	f->want = 0;
	return f->seen != before || f->seen >= f->sent - window / 2;
}

static void udp_seen(struct flow *f, uint64_t number)
{
	uint64_t seen = f->seen, want;

	if (number < seen) {
		if (f->lost)
			f->lost--; /* late, not lost */
		return;
	}
	if (number > seen)
		f->lost += number - seen;
	f->seen = number + 1;
	want = f->want; /* after `seen` was told: no wake is missed */
	if (want && number + 1 >= want &&
	    atomic_compare_exchange_strong(&f->want, &want, 0)) {
		f->wake++;
		syscall(SYS_futex, &f->wake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL,
			0);
	}
}

/* One system call: a super-packet, or a batch of datagrams of their own. */
static void udp_put(struct flow *f, char *data, struct mmsghdr *msgs, int count)
{
	ssize_t n;
	int i;

	for (i = 0; i < count; i++) {
		uint64_t number = f->sent + (uint64_t)i;

		memcpy(data + i * f->size, &number, sizeof(number));
	}
	if (f->gso)
		n = send(f->tx, data, (size_t)(count * f->size), 0) < 0 ? -1 :
									  count;
	else
		n = sendmmsg(f->tx, msgs, (unsigned int)count, 0);
	if (n > 0)
		f->sent += (uint64_t)n;
	else if (n < 0 && errno != EMSGSIZE && errno != ECONNREFUSED)
		usleep(100);
}

static void *udp_send(void *arg)
{
	struct flow *f = arg;
	unsigned int window = WINDOW_START, step = f->gso ? GSO_SEGS : BATCH;
	struct mmsghdr msgs[BATCH] = { 0 };
	struct iovec iov[BATCH];
	uint64_t lost = 0, next = 0; /* lost when last seen; window's next change */
	char *data = calloc(BATCH, (size_t)f->size);
	int i;

	for (i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data + i * f->size, (size_t)f->size };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	while (!stop_all) {
		unsigned int room;

		if (f->seen >= next) {
			window = f->lost > lost ? window / 2 :
						  window + window / 8;
			window = window < WINDOW_MIN ? WINDOW_MIN :
				 window > WINDOW_MAX ? WINDOW_MAX :
						       window;
			lost = f->lost;
			next = f->sent;
		}
		room = window - (unsigned int)(f->sent - f->seen);
		if ((int)room <= 0) {
			if (window_wait(f, window))
				continue;
			f->lost += f->sent - f->seen;
			f->seen = f->sent;
			continue;
		}
		udp_put(f, data, msgs, (int)(room < step ? room : step));
	}
	free(data);
	return NULL;
}

/* GRO: several datagrams in one buffer, all of f->size. */
static void udp_got(struct flow *f, const char *data, size_t len)
{
	uint64_t count = len / (size_t)f->size, number;

	if (!count)
		return;
	f->bytes += len;
	f->datagrams += count;
	memcpy(&number, data, sizeof(number));
	if (count == 1 || number > f->seen)
		udp_seen(f, number);
	if (count == 1)
		return;
	memcpy(&number, data + (count - 1) * (size_t)f->size, sizeof(number));
	if (number >= f->seen)
		f->seen = number; /* those between are here as well */
	udp_seen(f, number);
}

static void *udp_receive(void *arg)
{
	struct flow *f = arg;
	size_t cap = f->gso ? 65536 : 2048;
	unsigned int count = f->gso ? 8 : BATCH, i;
	struct mmsghdr msgs[BATCH] = { 0 };
	struct iovec iov[BATCH];
	char *data = malloc(count * cap);

	for (i = 0; i < count; i++) {
		iov[i] = (struct iovec){ data + i * cap, cap };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	while (!stop_all) {
		int n = recvmmsg(f->rx, msgs, count, MSG_WAITFORONE, NULL);
		int k;

		if (n < 0 && errno != ECONNREFUSED && errno != EINTR)
			break;
		for (k = 0; k < n; k++)
			udp_got(f, iov[k].iov_base, msgs[k].msg_len);
	}
	free(data);
	return NULL;
}

/* The echo */

static void *echo_answer(void *arg)
{
	char data[ECHO_SIZE];
	ssize_t n;

	(void)arg;
	while (!stop_all) {
		n = recv(echo_server, data, sizeof(data), 0);
		if (n == ECHO_SIZE)
			send(echo_server, data, (size_t)n, 0);
	}
	return NULL;
}

static void *echo_receive(void *arg)
{
	char data[ECHO_SIZE];
	double then;

	(void)arg;
	while (!stop_all) {
		if (recv(echo_client, data, sizeof(data), 0) != ECHO_SIZE)
			continue;
		memcpy(&then, data, sizeof(then));
		if (echo_count < ECHOES_MAX)
			echo_us[echo_count++] = (uint32_t)((now() - then) * 1e6);
	}
	return NULL;
}

static void *echo_send(void *arg)
{
	char data[ECHO_SIZE] = { 0 };
	double at;

	(void)arg;
	while (!stop_all) {
		struct timespec until;

		at = now();
		memcpy(data, &at, sizeof(at));
		send(echo_client, data, sizeof(data), 0);
		echo_sent++;
		at += ECHO_MS / 1e3;
		until.tv_sec = (time_t)at;
		until.tv_nsec = (long)((at - (double)until.tv_sec) * 1e9);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	return NULL;
}

/* Connections */

static void *conn_serve(void *arg)
{
	char data[REQUEST];

	(void)arg;
	while (!stop_all) {
		int fd = accept(conn_listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (recv(fd, data, sizeof(data), MSG_WAITALL) == REQUEST &&
		    send(fd, data, sizeof(data), MSG_NOSIGNAL) == REQUEST)
			recv(fd, data, sizeof(data), 0);
		close(fd);
	}
	return NULL;
}

static bool conn_once(in_port_t port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
				   .sin6_addr = opt.srv,
				   .sin6_port = htons(port) };
	char data[REQUEST] = { 0 };
	struct timeval limit = { .tv_sec = CONNECT_S };
	int fd = bound(false, SOCK_STREAM, 0);
	bool good;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	good = !connect(fd, (void *)&to, sizeof(to)) &&
	       send(fd, data, sizeof(data), MSG_NOSIGNAL) == REQUEST &&
	       recv(fd, data, sizeof(data), MSG_WAITALL) == REQUEST &&
	       !shutdown(fd, SHUT_WR) && !recv(fd, data, sizeof(data), 0);
	close(fd);
	return good;
}

static void *conn_client(void *arg)
{
	in_port_t port = *(const in_port_t *)arg;

	enter(opt.from);
	while (!stop_all) {
		if (conn_once(port))
			conns++;
		else if (!stop_all)
			conns_failed++;
	}
	return NULL;
}

/* The figures */

static struct sample sample(void)
{
	struct sample s = { 0 };
	int i;

	/* The main thread stays in the namespace of the wire. */
	if (!cost_sample(&s.cost, strchr(opt.wire, ':') + 1, opt.pids,
			 opt.pid_count))
		die("no counters: %s", opt.wire);
	for (i = 0; i < flow_count; i++) {
		s.bytes += flows[i].bytes;
		s.datagrams += flows[i].datagrams;
		s.lost += flows[i].lost;
	}
	s.conns = conns;
	s.at = now();
	return s;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_echo(void)
{
	int n = echo_count - echo_first;
	uint32_t *us = echo_us + echo_first;

	if (!echo_sent)
		return;
	if (n > 0) {
		qsort(us, (size_t)n, sizeof(*us), by_size);
		printf(" rtt_us=%u rtt99_us=%u", us[n / 2], us[n * 99 / 100]);
	}
	printf(" echoes=%d echoes_lost=%d", n, echo_sent - echo_count);
}

static void print_result(const struct sample *a, const struct sample *b)
{
	double s = b->at - a->at;
	double bytes = (double)(b->bytes - a->bytes);
	const struct cost *x = &a->cost, *y = &b->cost;
	double foreign = y->foreign - x->foreign;

	printf("seconds=%.4f machine_s=%.3f ours_s=%.3f foreign_s=%.3f", s,
	       y->machine - x->machine, y->ours - x->ours,
	       foreign > 0 ? foreign : 0.0);
	printf(" wire_bytes=%llu wire_pkts=%llu",
	       (unsigned long long)(y->wire_bytes - x->wire_bytes),
	       (unsigned long long)(y->wire_pkts - x->wire_pkts));
	if (flow_count)
		printf(" bytes=%.0f mbit=%.2f", bytes, bytes * 8 / s / 1e6);
	if (b->datagrams)
		printf(" pps=%.0f lost=%llu",
		       (double)(b->datagrams - a->datagrams) / s,
		       (unsigned long long)(b->lost > a->lost ?
						    b->lost - a->lost :
						    0)); /* late ones */
	if (conn_listener)
		printf(" conns=%.1f conns_failed=%llu",
		       (double)(b->conns - a->conns) / s,
		       (unsigned long long)conns_failed);
	print_echo();
	putchar('\n');
}

/* Start */

static pthread_t threads[64];
static int thread_count;

static void run(void *(*body)(void *), void *arg)
{
	if (pthread_create(&threads[thread_count++], NULL, body, arg))
		die("no thread");
}

static void flow_open(const struct test *t, bool up)
{
	struct flow *f = &flows[flow_count++];
	int client, server, on = 1;

	if (t->kind == TCP)
		tcp_pair(&client, &server);
	else
		udp_pair(&client, &server);
	f->tx = up ? client : server;
	f->rx = up ? server : client;
	f->size = t->size;
	f->gso = t->kind == GSO;
	if (f->gso && (setsockopt(f->tx, SOL_UDP, UDP_SEGMENT, &t->size,
				  sizeof(t->size)) ||
		       setsockopt(f->rx, SOL_UDP, UDP_GRO, &on, sizeof(on))))
		die("no UDP_SEGMENT, UDP_GRO: %s", strerror(errno));
}

static void test_start(const struct test *t)
{
	static in_port_t port;
	int i;

	for (i = 0; i < t->up + t->down; i++)
		flow_open(t, i < t->up);
	if (t->kind == CONNS) {
		port = fresh_port();
		enter(opt.to);
		conn_listener = bound(true, SOCK_STREAM, port);
		if (listen(conn_listener, 1024) < 0)
			die("listen: %s", strerror(errno));
		for (i = 0; i < CLIENTS; i++) {
			run(conn_serve, NULL);
			run(conn_client, &port);
		}
	}
	if (t->kind == TCP || t->kind == RTT) {
		udp_pair(&echo_client, &echo_server);
		run(echo_answer, NULL);
		run(echo_receive, NULL);
		run(echo_send, NULL);
	}
	for (i = 0; i < flow_count; i++) {
		run(t->kind == TCP ? tcp_receive : udp_receive, &flows[i]);
		run(t->kind == TCP ? tcp_send : udp_send, &flows[i]);
	}
}

static void parse_pids(const char *list)
{
	char *end;

	while (*list && opt.pid_count < PIDS_MAX) {
		opt.pids[opt.pid_count++] = (int)strtol(list, &end, 10);
		list = *end == ',' ? end + 1 : "";
	}
}

static void parse_option(const char *arg)
{
	const char *value = strchr(arg, '=');
	size_t len = value ? (size_t)(value++ - arg) : 0;

#define IS(key) (len == sizeof(key) - 1 && !memcmp(arg, key, len))
	if (IS("from"))
		opt.from = value;
	else if (IS("to"))
		opt.to = value;
	else if (IS("wire") && strchr(value, ':'))
		opt.wire = value;
	else if (IS("ms"))
		opt.ms = atoi(value);
	else if (IS("warm"))
		opt.warm = atoi(value);
	else if (IS("pids"))
		parse_pids(value);
	else if (!(IS("addr") && inet_pton(AF_INET6, value, &opt.addr) == 1) &&
		 !(IS("srv") && inet_pton(AF_INET6, value, &opt.srv) == 1))
		die("what is %s", arg);
#undef IS
}

int main(int argc, char **argv)
{
	const struct test *t = NULL;
	char space[256];
	struct sample a, b;
	size_t k;
	int i;

	for (k = 0; argc > 1 && k < sizeof(tests) / sizeof(tests[0]); k++)
		if (!strcmp(argv[1], tests[k].name))
			t = &tests[k];
	if (!t)
		die("which test?");
	for (i = 2; i < argc; i++)
		parse_option(argv[i]);
	if (!opt.from || !opt.to || !opt.wire)
		die("from=, to= and wire= are needed");
	alarm((unsigned int)((opt.ms + opt.warm) / 1000 + 15));
	test_start(t);
	snprintf(space, sizeof(space), "%.*s",
		 (int)(strchr(opt.wire, ':') - opt.wire), opt.wire);
	enter(space);
	usleep((useconds_t)opt.warm * 1000);
	echo_first = (int)echo_count;
	a = sample();
	usleep((useconds_t)opt.ms * 1000);
	b = sample();
	stop_all = true;
	print_result(&a, &b);
	fflush(stdout);
	/* Threads sit in system calls; what they hold ends with us. */
	_exit(0);
}
