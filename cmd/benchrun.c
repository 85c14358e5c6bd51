/* SPDX-License-Identifier: MIT
 *
 * benchrun.c - measuring one path to a bench listener, from the outside
 *
 * Theory of operation
 * ===================
 * Sockets are nonblocking and everything waits in poll() with an end, so a path
 * that swallows packets costs its share of time and no more. Delays are
 * medians of what came back. While a flow runs, a datagram goes out every
 * PROBE_US and its echo gives the delay under load (RFC 9693 measures latency
 * under load too); its number stands behind the token, so that a late echo is
 * not taken for the next one's.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cmd/benchrun.h"

enum {
	SETUPS = 20, DELAYS = 20, RATE_MOST = 200, RATE_AT_ONCE = 16,
	PROBES = 512, PROBE_BYTES = 64, BLOCK = 64 * 1024
};
enum {	/* us */
	CONNECT_US = 2000000, SETUP_US = 1500000, RATE_US = 1000000,
	DELAY_US = 700000, ANSWER_US = 500000, FLOW_US = 2500000,
	PROBE_US = 25000, END_US = 1000000
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Wait until @until; true if one of the events has come. */
static bool wait_for(int fd, short events, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = now_us();

	return now < until &&
	       poll(&p, 1, (int)((until - now + 999) / 1000)) > 0;
}

uint64_t bench_bps(const struct bench_flow *f)
{
	return f->us ? f->bytes * 8000000 / f->us : 0;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t bench_median(uint32_t *values, uint32_t count)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] :
	       values[count / 2 - 1] / 2 + values[count / 2] / 2 +
	       (values[count / 2 - 1] % 2 + values[count / 2] % 2) / 2;
}

/* -- connections --------------------------------------------------------------- */

static socklen_t addr_len(const union bench_addr *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->a6) : sizeof(a->a4);
}

/* Begin to connect: nonblocking descriptor, or -1. */
static int start(const struct bench_path *p, bool stream)
{
	const union bench_addr *to = stream ? &p->tcp : &p->udp;
	int one = 1, fd = socket(to->any.sa_family, SOCK_CLOEXEC |
			SOCK_NONBLOCK | (stream ? SOCK_STREAM : SOCK_DGRAM), 0);

	if (fd < 0)
		return -1;
	if (stream)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if ((p->source.any.sa_family &&
	     bind(fd, &p->source.any, addr_len(&p->source))) ||
	    (connect(fd, &to->any, addr_len(to)) && errno != EINPROGRESS)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool connected(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) && !err;
}

static int connect_wait(const struct bench_path *p)
{
	int fd = start(p, true);

	if (fd < 0)
		return -1;
	if (wait_for(fd, POLLOUT, now_us() + CONNECT_US) && connected(fd))
		return fd;
	close(fd);
	return -1;
}

/* A connection that has said what it wants. */
static int command(const struct bench_path *p, enum bench_command c,
		   uint32_t us)
{
	uint8_t head[BENCH_HEAD];
	int fd = connect_wait(p);

	if (fd < 0)
		return -1;
	memcpy(head, p->token, BENCH_TOKEN);
	head[BENCH_TOKEN] = (uint8_t)c;
	put16(head + BENCH_TOKEN + 1, (uint16_t)(us / 1000));
	if (send(fd, head, sizeof(head), MSG_NOSIGNAL) == sizeof(head))
		return fd;
	close(fd);
	return -1;
}

void benchrun_setup(const struct bench_path *p, struct bench_result *r)
{
	uint64_t end = now_us() + SETUP_US;
	uint32_t us[SETUPS];

	memset(&r->setup, 0, sizeof(r->setup));
	for (int i = 0; i < SETUPS && now_us() < end; i++) {
		uint64_t from = now_us();
		int fd = connect_wait(p);

		if (fd < 0 && !r->setup.count)
			break;
		if (fd < 0) {
			r->setup.lost++;
			continue;
		}
		us[r->setup.count++] = (uint32_t)(now_us() - from);
		close(fd);
	}
	r->setup.median = bench_median(us, r->setup.count);
	r->reached = r->setup.count > 0;
}

/* One round over those under way; gives how many were established. */
static uint32_t reap(struct pollfd *at, uint32_t *open)
{
	uint32_t good = 0;

	for (uint32_t i = 0; i < *open;) {
		if (!at[i].revents) {
			i++;
			continue;
		}
		good += connected(at[i].fd);
		close(at[i].fd);
		at[i] = at[--*open];
	}
	return good;
}

void benchrun_rate(const struct bench_path *p, struct bench_result *r)
{
	uint64_t from = now_us(), end = from + RATE_US;
	struct pollfd at[RATE_AT_ONCE];
	uint32_t open = 0, good = 0, tried = 0;

	while (now_us() < end && (open || tried < RATE_MOST)) {
		while (open < RATE_AT_ONCE && tried < RATE_MOST) {
			int fd = start(p, true);

			if (fd < 0)
				break;
			at[open++] = (struct pollfd){ fd, POLLOUT, 0 };
			tried++;
		}
		if (!open || poll(at, open, 50) < 0)
			break;
		good += reap(at, &open);
	}
	end = now_us();
	while (open)
		close(at[--open].fd);
	r->tried = tried;
	r->rate = end > from ? (uint32_t)(good * 1000000ull / (end - from)) : 0;
}

/* -- delay ------------------------------------------------------------------------ */

/* Send @len bytes and wait for as many; us, or 0 if they did not come. */
static uint32_t ping_pong(int fd, const uint8_t *bytes, size_t len)
{
	uint64_t from = now_us(), until = from + ANSWER_US;
	uint8_t back[PROBE_BYTES];

	if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		return 0;
	while (wait_for(fd, POLLIN, until)) {
		ssize_t n = recv(fd, back, len, 0);

		if (n <= 0)
			return 0;
		if (n == (ssize_t)len && !memcmp(back, bytes, len))
			return (uint32_t)(now_us() - from) + 1;
	}
	return 0;
}

static struct bench_delay delays(int fd, uint8_t *bytes, uint8_t *number,
				 size_t len)
{
	uint64_t end = now_us() + DELAY_US;
	struct bench_delay d = { 0 };
	uint32_t us[DELAYS];

	for (uint32_t i = 0; i <= DELAYS && now_us() < end; i++) {
		uint32_t one;

		put32(number, i);
		one = ping_pong(fd, bytes, len);
		if (!i)
			continue;	/* opens the way; not measured */
		if (one)
			us[d.count++] = one;
		else
			d.lost++;
	}
	d.median = bench_median(us, d.count);
	return d;
}

void benchrun_delay(const struct bench_path *p, struct bench_result *r)
{
	uint8_t probe[PROBE_BYTES] = { 0 };
	int fd = command(p, BENCH_ECHO, 4 * DELAY_US);

	if (fd >= 0) {
		r->tcp = delays(fd, probe, probe, sizeof(probe));
		close(fd);
	}
	fd = start(p, false);
	if (fd >= 0) {
		memcpy(probe, p->token, BENCH_TOKEN);
		r->udp = delays(fd, probe, probe + BENCH_TOKEN, sizeof(probe));
		close(fd);
	}
}

/* -- throughput -------------------------------------------------------------------- */

/* A flow and the probes beside it. */
struct flow {
	const struct bench_path *path;
	int tcp, udp;
	uint32_t sent, us[PROBES];
	uint64_t sent_at[PROBES], next;
	struct bench_flow *to;
};

static void probe_send(struct flow *f, uint64_t now)
{
	uint8_t probe[PROBE_BYTES] = { 0 };

	if (f->udp < 0 || now < f->next || f->sent == PROBES)
		return;
	f->next = now + PROBE_US;
	memcpy(probe, f->path->token, BENCH_TOKEN);
	put32(probe + BENCH_TOKEN, f->sent);
	f->sent_at[f->sent++] = now;
	send(f->udp, probe, sizeof(probe), MSG_NOSIGNAL);
}

static void probe_receive(struct flow *f)
{
	uint8_t back[PROBE_BYTES];
	ssize_t n;

	while (f->udp >= 0 &&
	       (n = recv(f->udp, back, sizeof(back), 0)) == sizeof(back)) {
		uint32_t number = get32(back + BENCH_TOKEN);

		if (number >= f->sent || !f->sent_at[number])
			continue;
		f->us[f->to->loaded.count++] =
			(uint32_t)(now_us() - f->sent_at[number]);
		f->sent_at[number] = 0;
	}
}

/* One step of the TCP part: false at its end. */
typedef bool step_fn(struct flow *f);

static void flow_run(struct flow *f, short events, step_fn *step,
		     uint64_t until)
{
	uint64_t from = now_us(), now = from;
	bool more = true;

	while (more && now < until) {
		struct pollfd p[2] = { { f->tcp, events, 0 },
			{ f->udp, POLLIN, 0 } };

		probe_send(f, now);
		if (poll(p, 2, PROBE_US / 1000) < 0)
			break;
		probe_receive(f);
		more = !p[0].revents || step(f);
		now = now_us();
	}
	f->to->us = now_us() - from;
}

static bool step_down(struct flow *f)
{
	static uint8_t sink[BLOCK];
	ssize_t n = recv(f->tcp, sink, sizeof(sink), 0);

	if (n > 0)
		f->to->bytes += (uint64_t)n;
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool step_up(struct flow *f)
{
	static const uint8_t zeros[BLOCK];
	ssize_t n = send(f->tcp, zeros, sizeof(zeros), MSG_NOSIGNAL);

	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* The hub says how much of it came; what it took to come counts as time. */
static void count_up(struct flow *f, uint64_t from)
{
	uint64_t until = now_us() + END_US;
	uint8_t count[8];
	size_t got = 0;

	shutdown(f->tcp, SHUT_WR);
	while (got < sizeof(count) && wait_for(f->tcp, POLLIN, until)) {
		ssize_t n = recv(f->tcp, count + got, sizeof(count) - got, 0);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	f->to->bytes = got == sizeof(count) ? get64(count) : 0;
	f->to->us = now_us() - from;
}

static bool flow_open(struct flow *f, const struct bench_path *p,
		      enum bench_command c, struct bench_flow *to)
{
	int small = 512 * 1024;

	memset(to, 0, sizeof(*to));
	*f = (struct flow){ .path = p, .to = to };
	f->tcp = command(p, c, FLOW_US);
	if (f->tcp < 0)
		return false;
	/* what lies in our own buffer has not been sent */
	if (c == BENCH_UP)
		setsockopt(f->tcp, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &small,
			   sizeof(small));
	f->udp = start(p, false);
	return true;
}

static void flow_close(struct flow *f)
{
	struct bench_delay *d = &f->to->loaded;

	d->lost = f->sent - d->count;
	d->median = bench_median(f->us, d->count);
	close(f->tcp);
	if (f->udp >= 0)
		close(f->udp);
}

void benchrun_down(const struct bench_path *p, struct bench_result *r)
{
	static struct flow f;

	if (!flow_open(&f, p, BENCH_DOWN, &r->down))
		return;
	flow_run(&f, POLLIN, step_down, now_us() + FLOW_US + END_US);
	flow_close(&f);
}

void benchrun_up(const struct bench_path *p, struct bench_result *r)
{
	static struct flow f;
	uint64_t from = now_us();

	if (!flow_open(&f, p, BENCH_UP, &r->up))
		return;
	flow_run(&f, POLLOUT, step_up, from + FLOW_US);
	count_up(&f, from);
	flow_close(&f);
}
