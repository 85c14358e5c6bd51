/* SPDX-License-Identifier: MIT
 *
 * helper.c - the process with the rights
 *
 * Theory of operation
 * ===================
 * Design section 9. helper_run() forks. The parent is the helper: it keeps the
 * rights, holds the journal of what was changed on the host (net/ifconf), and
 * waits. The child is the translator: it sees the packets of strangers and
 * gives its rights up. Between them is a SEQPACKET socket with typed messages
 * (helper.h); the translator's side is in net/helper_ask.c.
 *
 * What a translator that was taken over can do here: the requests of
 * enum helper_type, each of one exact size, checked before use (check_edge,
 * check_hub, inside), in their order, the configuring ones once. It cannot
 * name a file, a setting, a table or a device that is no TUN (LAN interfaces:
 * to give them an address of the prefix). What is refused is counted and
 * answered with -EPROTO.
 *
 * The helper never waits for the translator: it reads a bounded number of
 * requests per turn, replies without blocking, and a reply that does not fit
 * is lost, which only the translator feels. Requests that go to the kernel
 * take as long as the kernel does; names go to a child (net/resolve).
 *
 * Life of the translator:
 *
 *	ends with 0 or a code of sysexits	undo, end with that code
 *	ends otherwise, or by a signal		undo, start it again after 1,
 *		2, 4 ... 30 s; ten times in a row under a minute each: end
 *	SIGTERM, SIGINT to the helper		passed on; killed after 10 s
 *	SIGHUP					passed on
 *	the helper is killed			end of file on the socket, and
 *						SIGTERM by PR_SET_PDEATHSIG
 *
 * The stages (house, habit 13): fork before anything is changed, so that the
 * child has nothing of the journal and not the lock on the shared record; the
 * child closes the helper's descriptors; only then the helper opens the
 * journal. It must not fork a translator while the journal is open.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "net/helper.h"

enum { BATCH = 32, SOCKET_BYTES = 1 << 20 };

/** struct look_up - a look-up and whom to answer */
struct look_up {
	struct resolve resolve;
	struct server *server;
	uint32_t number;
};

/** struct server - the helper
 * @has_hello, @is_edge, @is_hub: what has been asked so far
 * @hub: prefix of the hub, if @is_hub
 * @edge: what HELPER_EDGE asked for, if @is_edge
 * @is_ending: SIGTERM or SIGINT has come
 * @kill_at: when to stop waiting for the translator's end
 */
struct server {
	const struct helper_program *program;
	struct loop loop;
	struct watch socket, signals;
	pid_t child;
	int status;
	bool has_ended, is_ending;
	bool has_hello, is_edge, is_hub;
	struct prefix6 hub;
	struct ifconf_edge edge;
	msec kill_at;
	unsigned long refused;
	struct look_up look_up[HELPER_RESOLVES];
	struct ifconf_journal journal;
};

static void note(const struct server *s, enum helper_note what, long value)
{
	if (s->program->note)
		s->program->note(what, value, s->program->arg);
}

/* ---- requests ---------------------------------------------------------- */

static const size_t request_len[HELPER_TYPE_COUNT] = {
	[HELPER_HELLO] = 8 + sizeof(uint32_t),
	[HELPER_EDGE] = 8 + sizeof(struct ifconf_edge),
	[HELPER_HUB] = 8 + sizeof(struct ifconf_hub),
	[HELPER_ROUTE_ADD] = 8 + sizeof(struct prefix6),
	[HELPER_ROUTE_DEL] = 8 + sizeof(struct prefix6),
	[HELPER_LANS] = 8,
	[HELPER_UNDO] = 8,
	[HELPER_RESOLVE] = 8 + RESOLVE_NAME,
};

static void reply(struct server *s, struct helper_reply *r)
{
	ssize_t n = send(s->socket.fd, r, sizeof(*r),
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)n;	/* lost: the translator does not read; its loss */
}

static void reply_error(struct server *s, const struct helper_request *q,
			int error)
{
	struct helper_reply r = { .type = q->type, .number = q->number,
				  .error = error };

	reply(s, &r);
}

static void refuse(struct server *s, const struct helper_request *q)
{
	s->refused++;
	/* 1, 2, 4, 8 ...: a flood fills no log */
	if (!(s->refused & (s->refused - 1)))
		note(s, HELPER_NOTE_REFUSED, (long)s->refused);
	if (q)
		reply_error(s, q, -EPROTO);
}

static bool name_ok(const char *name)
{
	size_t len = strnlen(name, IFNAMSIZ);

	return len && len < IFNAMSIZ && !memchr(name, '/', len);
}

static bool prefix_ok(const struct prefix6 *p)
{
	struct addr6 masked;

	if (!p->len || p->len > 128)
		return false;
	masked = prefix6_mask(&p->addr, p->len);
	return addr6_eq(&masked, &p->addr) && addr6_is_unicast(&p->addr);
}

static bool range_ok(uint16_t lo, uint16_t hi, uint32_t mtu)
{
	return lo <= hi && (lo || !hi) && mtu >= 1280 && mtu <= 65535;
}

static bool check_edge(const struct ifconf_edge *e)
{
	unsigned i;

	if (!prefix_ok(&e->prefix) || !range_ok(e->lo, e->hi, e->mtu) ||
	    !name_ok(e->inner) || e->lans > IFCONF_LANS)
		return false;
	for (i = 0; i < e->lans; i++)
		if (!name_ok(e->lan[i]))
			return false;
	return true;
}

static bool check_hub(const struct ifconf_hub *h)
{
	return prefix_ok(&h->prefix) && range_ok(h->lo, h->hi, h->mtu) &&
	       name_ok(h->inner) && prefix6_contains(&h->prefix, &h->own);
}

/* What has failed half way is taken back before the answer. */
static void configured(struct server *s, const struct helper_request *q,
		       int error)
{
	struct helper_reply r = { .type = q->type, .number = q->number,
				  .error = error };

	r.on_link = s->journal.on_link;
	if (error) {
		memcpy(r.what, s->journal.what, sizeof(r.what));
		ifconf_undo(&s->journal);
		s->is_edge = s->is_hub = false;
	}
	reply(s, &r);
}

static void take_resolve(struct server *s, const struct helper_request *q);

static bool may_configure(const struct server *s)
{
	return s->has_hello && !s->is_edge && !s->is_hub;
}

/* Is the request in order? Its size is right already. */
static bool in_order(const struct server *s, const struct helper_request *q)
{
	switch ((enum helper_type)q->type) {
	case HELPER_HELLO:
		return !s->has_hello;
	case HELPER_EDGE:
		return may_configure(s) && check_edge(&q->edge);
	case HELPER_HUB:
		return may_configure(s) && check_hub(&q->hub);
	case HELPER_ROUTE_ADD:
	case HELPER_ROUTE_DEL:
		return s->is_hub && prefix_ok(&q->prefix) &&
		       prefix6_covers(&s->hub, &q->prefix) &&
		       q->prefix.len > s->hub.len;
	case HELPER_LANS:
		return s->is_edge;
	case HELPER_UNDO:
		return s->has_hello;
	case HELPER_RESOLVE:
		return s->has_hello && memchr(q->name, 0, RESOLVE_NAME) &&
		       resolve_name_ok(q->name);
	case HELPER_TYPE_COUNT:
		break;
	}
	return false;
}

static void serve(struct server *s, const struct helper_request *q)
{
	switch ((enum helper_type)q->type) {
	case HELPER_HELLO:
		s->has_hello = q->version == HELPER_VERSION;
		reply_error(s, q, s->has_hello ? 0 : -EPROTONOSUPPORT);
		break;
	case HELPER_EDGE:
		s->is_edge = true;
		s->edge = q->edge;
		configured(s, q, ifconf_edge(&s->journal, &q->edge));
		break;
	case HELPER_HUB:
		s->is_hub = true;
		s->hub = q->hub.prefix;
		configured(s, q, ifconf_hub(&s->journal, &q->hub));
		break;
	case HELPER_ROUTE_ADD:
	case HELPER_ROUTE_DEL:
		reply_error(s, q,
			    ifconf_route(&s->journal, &q->prefix,
					 q->type == HELPER_ROUTE_ADD));
		break;
	case HELPER_LANS:
		ifconf_lans(&s->journal, &s->edge);
		reply_error(s, q, 0);
		break;
	case HELPER_UNDO:
		ifconf_undo(&s->journal);
		s->is_edge = s->is_hub = false;
		reply_error(s, q, 0);
		break;
	case HELPER_RESOLVE:
		take_resolve(s, q);
		break;
	case HELPER_TYPE_COUNT:
		break;
	}
}

static void socket_ready(struct watch *w, uint32_t events)
{
	struct server *s = container_of_watch(w, struct server, socket);
	int left = BATCH;

	(void)events;
	while (left--) {
		struct helper_request q = { 0 };
		ssize_t n = recv(w->fd, &q, sizeof(q),
				 MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0)
			return;
		if (!n) {
			/* closed: its end will be told by SIGCHLD */
			loop_remove(&s->loop, w);
			return;
		}
		if (n < 8 || !q.type || q.type >= HELPER_TYPE_COUNT ||
		    (size_t)n != request_len[q.type])
			refuse(s, n < 8 ? NULL : &q);
		else if (!in_order(s, &q))
			refuse(s, &q);
		else
			serve(s, &q);
	}
}

/* ---- look-ups ---------------------------------------------------------- */

static void look_up_check(struct look_up *l, msec now)
{
	struct helper_reply r = { .type = HELPER_RESOLVE,
				  .number = l->number };
	struct watch *w = &l->resolve.watch;

	/* resolve_read() closes the descriptor when it is done */
	loop_remove(&l->server->loop, w);
	if (!resolve_read(&l->resolve, &r.answer, now)) {
		loop_add(&l->server->loop, w, EPOLLIN);
		return;
	}
	r.error = r.answer.error;
	reply(l->server, &r);
}

static void look_up_ready(struct watch *w, uint32_t events)
{
	(void)events;
	look_up_check(container_of_watch(w, struct look_up, resolve.watch),
		      loop_now());
}

static void take_resolve(struct server *s, const struct helper_request *q)
{
	struct look_up *l = NULL;
	int i, err;

	for (i = 0; i < HELPER_RESOLVES && !l; i++)
		if (s->look_up[i].resolve.watch.fd < 0)
			l = &s->look_up[i];
	if (!l) {
		reply_error(s, q, -EBUSY);
		return;
	}
	err = resolve_start(&l->resolve, q->name, loop_now());
	if (err) {
		reply_error(s, q, err);
		return;
	}
	l->server = s;
	l->number = q->number;
	l->resolve.watch.ready = look_up_ready;
	loop_add(&s->loop, &l->resolve.watch, EPOLLIN);
}

static msec look_up_deadline(const struct server *s)
{
	msec first = NEVER;
	int i;

	for (i = 0; i < HELPER_RESOLVES; i++)
		if (s->look_up[i].resolve.watch.fd >= 0 &&
		    s->look_up[i].resolve.deadline < first)
			first = s->look_up[i].resolve.deadline;
	return first;
}

static void look_up_tick(struct server *s, msec now)
{
	int i;

	for (i = 0; i < HELPER_RESOLVES; i++)
		if (s->look_up[i].resolve.watch.fd >= 0 &&
		    s->look_up[i].resolve.deadline <= now)
			look_up_check(&s->look_up[i], now);
}

static void look_up_stop(struct server *s)
{
	int i;

	for (i = 0; i < HELPER_RESOLVES; i++) {
		struct resolve *r = &s->look_up[i].resolve;

		if (r->watch.fd < 0)
			continue;
		loop_remove(&s->loop, &r->watch);
		resolve_stop(r);
	}
}

/* ---- life of the translator -------------------------------------------- */

static void end_begins(struct server *s, int number)
{
	s->is_ending = true;
	if (s->child > 0)
		kill(s->child, number);
	if (s->kill_at == NEVER)
		s->kill_at = loop_now() + HELPER_TERM_MS;
}

static void signals_ready(struct watch *w, uint32_t events)
{
	struct server *s = container_of_watch(w, struct server, signals);
	int number;

	(void)events;
	while ((number = loop_signals_read(w->fd))) {
		if (number == SIGTERM || number == SIGINT)
			end_begins(s, number);
		else if (number == SIGHUP && s->child > 0)
			kill(s->child, SIGHUP);
		else if (number == SIGCHLD && s->child > 0 &&
			 waitpid(s->child, &s->status, WNOHANG) == s->child)
			s->has_ended = true;
	}
}

int helper_arm(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 ? -errno : 0;
}

/* The child's whole life; it must not touch what the helper holds. */
static void become_translator(struct server *s, int fd, pid_t parent)
{
	close(s->socket.fd);
	close(s->signals.fd);
	loop_fini(&s->loop);
	if (helper_arm() || getppid() != parent)
		_exit(EX_SOFTWARE);
	_exit(s->program->translator(fd, s->program->arg));
}

static int start(struct server *s)
{
	pid_t parent = getpid();
	int fds[2], i, bytes = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	for (i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes,
			   sizeof(bytes));
	s->socket.fd = fds[0];
	s->has_ended = s->has_hello = s->is_edge = s->is_hub = false;
	s->child = fork();
	if (!s->child)
		become_translator(s, fds[1], parent);
	close(fds[1]);
	if (s->child < 0) {
		close(fds[0]);
		return -EAGAIN;
	}
	ifconf_open(&s->journal);
	return loop_add(&s->loop, &s->socket, EPOLLIN);
}

/* Until the translator has ended. */
static void attend(struct server *s)
{
	while (!s->has_ended) {
		msec now = loop_now(), due = look_up_deadline(s);

		if (s->is_ending && s->kill_at < due)
			due = s->kill_at;
		loop_run_once(&s->loop, loop_timeout(due, now));
		now = loop_now();
		look_up_tick(s, now);
		if (s->is_ending && now >= s->kill_at && !s->has_ended) {
			note(s, HELPER_NOTE_KILLED, HELPER_TERM_MS);
			kill(s->child, SIGKILL);
			s->kill_at = now + HELPER_TERM_MS;
		}
	}
}

/* Everything back to where it was before start(). */
static void clean_up(struct server *s)
{
	s->child = 0;
	look_up_stop(s);
	loop_remove(&s->loop, &s->socket);
	close(s->socket.fd);
	ifconf_close(&s->journal);
	if (s->program->sweep)
		s->program->sweep(s->program->arg);
}

static void wait_before_restart(struct server *s, msec pause_ms)
{
	msec until = loop_now() + pause_ms, now;

	note(s, HELPER_NOTE_RESTART, (long)pause_ms);
	while (!s->is_ending && (now = loop_now()) < until)
		loop_run_once(&s->loop, loop_timeout(until, now));
}

/* The exit code if this end is an orderly one, else -1. */
static int orderly(const struct server *s)
{
	int code;

	if (!WIFEXITED(s->status)) {
		note(s, HELPER_NOTE_DIED, WTERMSIG(s->status));
		return s->is_ending ? EX_SOFTWARE : -1;
	}
	code = WEXITSTATUS(s->status);
	if (!code || (code >= EX__BASE && code <= EX__MAX))
		return code;
	note(s, HELPER_NOTE_EXITED, code);
	return s->is_ending ? EX_SOFTWARE : -1;
}

static int live(struct server *s)
{
	msec pause_ms = HELPER_BACKOFF_MS, began;
	int tries = 0, code;

	for (;;) {
		began = loop_now();
		if (start(s))
			return EX_OSERR;
		attend(s);
		code = orderly(s);
		clean_up(s);
		if (code >= 0)
			return code;
		if (loop_now() - began >= HELPER_CALM_MS) {
			pause_ms = HELPER_BACKOFF_MS;
			tries = 0;
		}
		if (++tries == HELPER_TRIES) {
			note(s, HELPER_NOTE_GAVE_UP, tries);
			return EX_SOFTWARE;
		}
		wait_before_restart(s, pause_ms);
		if (s->is_ending)
			return EX_OK;
		pause_ms *= 2;
		if (pause_ms > HELPER_BACKOFF_MAX_MS)
			pause_ms = HELPER_BACKOFF_MAX_MS;
	}
}

int helper_run(const struct helper_program *p)
{
	static struct server s;	/* the journal is large */
	int i, code = EX_OSERR;

	memset(&s, 0, sizeof(s));
	s.program = p;
	s.kill_at = NEVER;
	s.socket.ready = socket_ready;
	for (i = 0; i < HELPER_RESOLVES; i++)
		s.look_up[i].resolve.watch.fd = -1;
	if (loop_init(&s.loop))
		return EX_OSERR;
	s.signals = (struct watch){ loop_signals_open(), false,
				    signals_ready };
	if (s.signals.fd >= 0 && !loop_add(&s.loop, &s.signals, EPOLLIN))
		code = live(&s);
	if (s.signals.fd >= 0)
		close(s.signals.fd);
	loop_signals_reset();
	loop_fini(&s.loop);
	return code;
}
