/* SPDX-License-Identifier: MIT
 *
 * answer.c - what a running edge or hub says on its local socket
 *
 * Theory of operation
 * ===================
 * A request is a line, its first words one row of the table below. Status is
 * answered at once: a report is made of the daemon and written through a small
 * buffer into the reply. What takes longer (bench) keeps the client and
 * finishes later (benchd.c).
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/answer.h"
#include "cmd/benchd.h"
#include "cmd/daemon.h"
#include "cmd/report.h"

/* A reply ends that much before the client's memory does. */
enum { REPLY_ROOM = LOCAL_REPLY - 32 * 1024, STEP = 8192 };

static bool link_of(void *arg, uint32_t n, struct link_status *s)
{
	const struct daemon *d = arg;

	return engine_link(d->engine, n, s);
}

static bool session_of(void *arg, uint32_t n, struct session_status *s)
{
	const struct daemon *d = arg;

	return engine_session(d->engine, n, s, loop_now());
}

struct taddr4 answer_hub(const struct daemon *d)
{
	for (uint32_t n = 0; n < d->max_conn; n++) {
		const struct conn *c = &d->conn[n];

		if (c->used && c->told && c->kind == CONN_CONTROL)
			return c->peer;
	}
	return (struct taddr4){ 0, 0 };
}

/* The first open socket speaks for all. */
static unsigned udp_features(const struct daemon *d)
{
	unsigned n = 0;

	while (n < d->udp_count && !d->udp[n].open)
		n++;
	if (n == d->udp_count)
		return 0;
	return (d->udp[n].udp.gso ? REPORT_SEGMENT : 0) |
	       (d->udp[n].udp.gro ? REPORT_GRO : 0);
}

static struct report_io io_of(const struct daemon *d)
{
	const struct uplink *u = &d->uplink;
	struct report_io io = { .inner = d->inner.name,
		.outer = d->outer.name,
		.features = d->inner.features | udp_features(d),
		.fast = d->fast.mode, .fast_why = d->fast.why,
		.fast_sessions = engine_fast(d->engine) };

	if (!u->up)
		return io;
	io.capture = u->capture.mode;
	io.capture_why = u->capture.why;
	io.output = u->output.mode;
	io.output_why = u->output.why;
	io.uplink = u->addr;
	io.uplink_mtu = u->mtu;
	return io;
}

static struct report report_of(struct daemon *d)
{
	struct report r = { .program = d->program, .name = d->name,
		.pid = (long)d->pid, .now = loop_now(),
		.started = d->started, .conf = &d->conf, .io = io_of(d),
		.expires = d->bundle.id.not_after, .now_s = time(NULL),
		.sessions = engine_sessions(d->engine),
		.tun_lost = d->tun_lost, .socket_lost = d->socket_lost,
		.link = link_of, .session = session_of, .arg = d,
		.room = REPLY_ROOM };

	engine_pull(d->engine, r.now);
	if (d->conf.role == ROLE_EDGE)
		r.hub = answer_hub(d);
	for (int n = 1; n < DROP_COUNT; n++)
		r.drops[n] = engine_drops(d->engine, (enum drop)n);
	return r;
}

static bool to_client(struct text *t, void *arg)
{
	return local_write(arg, t->at, t->len);
}

/* -- requests -------------------------------------------------------------------- */

typedef void report_fn(struct text *t, const struct report *r, bool sessions);

static void answer_report(struct local_client *c, struct daemon *d,
			  report_fn *form, bool sessions)
{
	char step[STEP];
	struct text t = { .at = step, .cap = sizeof(step), .spill = to_client,
		.arg = c };
	struct report r = report_of(d);

	form(&t, &r, sessions);
	if (text_flush(&t))
		local_finish(c);
}

static void status_text(struct local_client *c, struct daemon *d,
			const char *rest)
{
	(void)rest;
	answer_report(c, d, report_text, false);
}

static void status_json(struct local_client *c, struct daemon *d,
			const char *rest)
{
	(void)rest;
	answer_report(c, d, report_json, false);
}

static void sessions_text(struct local_client *c, struct daemon *d,
			  const char *rest)
{
	(void)rest;
	answer_report(c, d, report_text, true);
}

static void sessions_json(struct local_client *c, struct daemon *d,
			  const char *rest)
{
	(void)rest;
	answer_report(c, d, report_json, true);
}

static const struct {
	const char *words;
	void (*answer)(struct local_client *c, struct daemon *d,
		       const char *rest);
} requests[] = {
	{ "status text", status_text },
	{ "status json", status_json },
	{ "sessions text", sessions_text },
	{ "sessions json", sessions_json },
	{ "bench", benchd_request },
};

void answer_request(struct local_client *c, const char *line, void *arg)
{
	static const char unknown[] = "unknown request\n";

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		size_t len = strlen(requests[i].words);

		if (strncmp(line, requests[i].words, len) ||
		    (line[len] && line[len] != ' '))
			continue;
		requests[i].answer(c, arg, line + len + (line[len] == ' '));
		return;
	}
	if (local_write(c, unknown, sizeof(unknown) - 1))
		local_finish(c);
}

void answer_gone(struct local_client *c, void *arg)
{
	benchd_gone(arg, c);
}

void answer_bench(struct daemon *d, uint32_t link, struct span body)
{
	benchd_message(d, link, body);
}
