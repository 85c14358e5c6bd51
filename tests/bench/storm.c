/* SPDX-License-Identifier: MIT
 *
 * storm.c - many edges in one process, against a real hub over real TLS
 *
 * Theory of operation
 * ===================
 * Each site is an edge engine with its own bundle and one control connection
 * (cmd/conn.c): HELLO, PING and all that control has to say. Packets are not
 * sent. First all connect, CALM at a time, then they are idle for a while and
 * the hub's memory is looked at; then all connections are cut in the same
 * moment and come again at once. What is measured of the hub's forwarding in
 * the meantime is not our business (storm.sh).
 *
 *	storm HUB PORT DIR COUNT PID
 *
 * DIR: NAME.pem is s0 .. s<COUNT-1>; PID: of the hub, for its memory. Source
 * addresses are 10.77.x.y, 4 edges each. Says "idle" and "storm" and "over" on
 * lines of their own when that begins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <fcntl.h>
#include <unistd.h>

#include "cmd/conn.h"
#include "core/engine.h"
#include "crypto/bundle.h"
#include "crypto/random.h"
#include "net/sock.h"

enum { CALM = 8, IDLE_MS = 8000, GIVE_UP_MS = 60 * 1000, RETRY_MS = 300,
	SETTLE_MS = 3000, TICK_MS = 20 };

/* What is looked at in each turn is small; the rest is behind pointers. */
struct site {
	struct engine *e;
	struct conn conn;
	struct bundle *bundle;
	bool up;
	msec retry;
	uint32_t n;
};

static struct loop loop;
static struct site *site;
static uint32_t count, calls, refused, ups;
static msec ticked;
static struct taddr4 hub;

static void fail(const char *what)
{
	fprintf(stderr, "storm: %s\n", what);
	exit(1);
}

static void set_up(struct site *s, bool up)
{
	ups += (uint32_t)up - (uint32_t)s->up;
	s->up = up;
}

static void drain(struct site *s)
{
	const struct out *o;

	while ((o = engine_next(s->e))) {
		if (o->kind == OUT_MESSAGE)
			conn_send(&s->conn, o->head);
		else if (o->kind == OUT_CLOSE)
			conn_finish(&s->conn);
		else if (o->kind == OUT_NOTE && o->note == NOTE_LINK_UP)
			set_up(s, true);
	}
}

/* -- connections -------------------------------------------------------------- */

static bool on_shake(struct conn *c, void *arg)
{
	(void)c;
	(void)arg;
	return true;
}

static void on_open(struct conn *c, void *arg)
{
	struct engine_peer peer = { .name = "hub" };
	struct site *s = arg;

	engine_conn_open(s->e, 0, &peer, CONN_CONTROL, loop_now());
	c->told = true;
	drain(s);
}

static bool on_message(struct conn *c, struct span msg, void *arg)
{
	struct site *s = arg;

	(void)c;
	engine_message(s->e, 0, msg, loop_now());
	drain(s);
	return true;
}

static void on_gone(struct conn *c, const char *why, void *arg)
{
	struct site *s = arg;

	(void)why;
	if (c->told)
		engine_conn_closed(s->e, 0, loop_now());
	else
		refused++;
	c->told = false;
	set_up(s, false);
	s->retry = loop_now() + RETRY_MS + s->n % RETRY_MS;
	drain(s);
}

static const struct conn_ops ops = { on_shake, on_open, on_message, on_gone };

static int dial_from(uint32_t n)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x0a4d0001 + n / 4) };
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(hub.addr),
		.sin_port = htons(hub.port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)))
		fail("cannot bind to 10.77.x.y");
	connect(fd, (struct sockaddr *)&to, sizeof(to));
	return fd;
}

static void dial(struct site *s)
{
	struct conn_start start = { .loop = &loop, .ops = &ops, .arg = s,
		.fd = dial_from(s->n), .peer = hub, .connecting = true,
		.kind = CONN_CONTROL };

	calls++;
	s->conn.told = false;
	if (!conn_client(&s->conn, &start, s->bundle))
		fail("cannot start TLS");
}

static uint32_t trying(void)
{
	uint32_t all = 0;

	for (uint32_t n = 0; n < count; n++)
		all += site[n].conn.used && !site[n].up;
	return all;
}

/* One turn; at most @most connect at the same time. */
static void turn(uint32_t most)
{
	uint32_t busy = trying();
	msec now;
	bool tick;

	loop_run_once(&loop, 5);
	now = loop_now();
	tick = now >= ticked + TICK_MS;
	if (tick)
		ticked = now;
	for (uint32_t n = 0; n < count; n++) {
		struct site *s = &site[n];

		if (!s->conn.used && now >= s->retry && busy < most) {
			dial(s);
			busy++;
		}
		if (tick && engine_deadline(s->e) <= now) {
			engine_tick(s->e, now);
			drain(s);
		}
		if (s->conn.used && s->conn.dirty)
			conn_pump(&s->conn);
	}
}

/* Until all are up. Return: how long it took */
static msec until_up(uint32_t most)
{
	msec from = loop_now();

	while (ups < count) {
		turn(most);
		if (loop_now() - from > GIVE_UP_MS) {
			fprintf(stderr, "storm: %u of %u are up\n", ups,
				count);
			exit(1);
		}
	}
	return loop_now() - from;
}

static void for_a_while(msec ms)
{
	msec end = loop_now() + ms;

	while (loop_now() < end)
		turn(count);
}

static void cut_all(void)
{
	msec now = loop_now();

	for (uint32_t n = 0; n < count; n++) {
		struct site *s = &site[n];

		conn_abort(&s->conn);
		engine_conn_closed(s->e, 0, now);
		s->conn.told = false;
		set_up(s, false);
		s->retry = 0;
		drain(s);
	}
}

/* -- the hub's memory ------------------------------------------------------------ */

static long rss_kb(long pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	f = fopen(path, "r");
	if (!f)
		fail("no such hub");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld kB", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

static double cpu_ms(long pid)
{
	char path[64], text[1024];
	unsigned long user = 0, sys = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		fail("no such hub");
	fclose(f);
	sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u "
	       "%*u %*u %lu %lu", &user, &sys);
	return (double)(user + sys) * 1000.0 / (double)sysconf(_SC_CLK_TCK);
}

/* -- start --------------------------------------------------------------------------- */

static void make(struct site *s, const char *dir, uint32_t n)
{
	char path[512], err[BUNDLE_ERROR_MAX];
	struct engine_conf conf;
	size_t bytes;

	s->n = n;
	s->conn.room = aligned_alloc(4096, sizeof(*s->conn.room));
	s->bundle = calloc(1, sizeof(*s->bundle));
	snprintf(path, sizeof(path), "%s/s%u.pem", dir, n);
	if (!bundle_load(s->bundle, path, err))
		fail(err);
	conf = (struct engine_conf){ .role = ROLE_EDGE,
		.prefix = s->bundle->id.prefix, .port_lo = 61000,
		.port_hi = 65535, .links = 1, .conns = 2, .sessions = 16,
		.own = 16, .contexts = 16, .budget = 16 };
	conf.self = conf.prefix.addr;
	memcpy(conf.inbound_text, "none", 5);
	policy_parse(&conf.inbound, (struct span){
		     (const uint8_t *)"none", 4 });
	random_bytes(conf.seed, sizeof(conf.seed));
	bytes = (engine_bytes(&conf) + 63) & ~(size_t)63;
	s->e = engine_init(memset(aligned_alloc(64, bytes), 0, bytes),
			   &conf, loop_now());
}

int main(int argc, char **argv)
{
	struct rlimit files = { 8192, 8192 };
	uint32_t before_calls;
	long pid, rss;
	double cpu;
	msec took;

	if (argc != 6 || !addr4_parse(&hub.addr, argv[1]))
		fail("usage: storm HUB PORT DIR COUNT PID");
	hub.port = (uint16_t)atoi(argv[2]);
	count = (uint32_t)atoi(argv[4]);
	pid = atol(argv[5]);
	setrlimit(RLIMIT_NOFILE, &files);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (loop_init(&loop))
		fail("no epoll");
	site = calloc(count, sizeof(*site));
	for (uint32_t n = 0; n < count; n++)
		make(&site[n], argv[3], n);
	rss = rss_kb(pid);
	cpu = cpu_ms(pid);
	took = until_up(CALM);
	printf("%u edges, %d at a time: up in %llu ms, hub's CPU per edge "
	       "%.2f ms\n", count, CALM, (unsigned long long)took,
	       (cpu_ms(pid) - cpu) / count);
	for_a_while(SETTLE_MS);
	printf("idle\n");
	cpu = cpu_ms(pid);
	for_a_while(IDLE_MS);
	printf("hub's memory per idle edge: %.1f KB (%ld KB before, %ld KB now)"
	       "; CPU %.1f ms/s\n", (double)(rss_kb(pid) - rss) / count, rss,
	       rss_kb(pid), (cpu_ms(pid) - cpu) * 1000 / IDLE_MS);
	printf("storm\n");
	before_calls = calls;
	refused = 0;
	cpu = cpu_ms(pid);
	cut_all();
	took = until_up(count);
	printf("all %u at once: up again in %llu ms, %u calls, %u refused, "
	       "hub's CPU per edge %.2f ms\n", count, (unsigned long long)took,
	       calls - before_calls, refused, (cpu_ms(pid) - cpu) / count);
	for_a_while(SETTLE_MS);
	printf("hub's memory after the storm: %.1f KB per edge, %ld KB\n",
	       (double)(rss_kb(pid) - rss) / count, rss_kb(pid));
	printf("over\n");
	return 0;
}
