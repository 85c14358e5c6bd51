/* SPDX-License-Identifier: MIT
 *
 * daemon.c - one turn of a running edge or hub
 *
 * Theory of operation
 * ===================
 * One thread. A turn: wait for descriptors until the earliest deadline; hand
 * what came to the engine; drain its outbox; send what was collected; pump the
 * connections that got something to send. Input is taken in bounded batches,
 * the inner TUN first, so that a flood from outside cannot starve the inside.
 *
 * The outbox is drained before a buffer that its entries point into is used
 * again: after each super-packet, after a row of small packets, after each
 * message. Its datagrams are collected in send[]: neighbours leave as one train.
 * A relay's packets the engine copies: they are drained in rows of RELAY_ROW,
 * so that it can join them (core/arrive.c).
 *
 * Nothing is allocated after daemon_init(); a connection's memory is a place
 * in an array that the kernel backs with pages when it is touched.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/benchd.h"
#include "cmd/daemon.h"
#include "cmd/host.h"
#include "cmd/notify.h"
#include "core/drop.h"
#include "core/join.h"
#include "core/wire.h"
#include "crypto/random.h"
#include "net/rtnl.h"
#include "net/sysctl.h"

enum { TUN_READS = 64, TUN_BUFS = 32, TUN_SMALL = 2048, UDP_READS = 2,
	RELAY_ROW = 64, OUTER_MTU = 65535, SHAKE_CHECK_MS = 250 };

_Static_assert((int)CAPTURE_PUNCH_KIND == (int)TAG_PUNCH,
	       "capture knows a punch by its tag");
_Static_assert((int)CAPTURE_PUNCH_BYTES <= (int)WIRE_PUNCH,
	       "capture lets whole punches through");

/* -- memory ------------------------------------------------------------------- */

static void *pages(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die(EX_OSERR, "no memory for %zu MB of tables: %s",
		    len >> 20, strerror(errno));
	return p;
}

/* -- output --------------------------------------------------------------------- */

static void flush_udp(struct daemon *d)
{
	size_t at = 0;

	while (at < d->send_count) {
		unsigned n = d->send_udp[at];
		size_t end = at;
		int done;

		while (end < d->send_count && d->send_udp[end] == n)
			end++;
		done = d->udp[n].open ?
		       udp_send(&d->udp[n].udp, d->send + at, end - at) : -1;
		if (done < (int)(end - at)) /* full: the network drops */
			d->socket_lost += end - at - (done > 0 ? (size_t)done :
					  0);
		at = end;
	}
	d->send_count = 0;
}

static unsigned udp_for(const struct daemon *d, struct taddr4 local)
{
	for (unsigned n = 0; n < d->udp_count; n++)
		if (d->udp[n].open && d->udp[n].at.port == local.port &&
		    (!d->udp[n].at.addr || d->udp[n].at.addr == local.addr))
			return n;
	return 0;
}

static void put_datagram(struct daemon *d, const struct out *o)
{
	if (d->send_count == DAEMON_SEND)
		flush_udp(d);
	d->send_udp[d->send_count] = udp_for(d, o->local);
	d->send[d->send_count++] = (struct datagram){ .to = o->to,
		.local = o->local.addr, .tos = o->tos, .head = o->head,
		.body = o->body };
}

static void flush_latch(struct daemon *d)
{
	if (d->latch_count && d->uplink.up)
		capture_latch_many(&d->uplink.capture, d->latch,
				   d->latch_count, d->latch_add);
	d->latch_count = 0;
}

static void put_latch(struct daemon *d, const struct out *o)
{
	if (d->latch_count == DAEMON_LATCH || d->latch_add != o->on)
		flush_latch(d);
	d->latch_add = o->on;
	d->latch[d->latch_count++] = (struct capture_key){ o->proto, o->local,
		o->to };
}

static void put_tun(struct daemon *d, const struct tun_dev *t,
		    const struct out *o)
{
	if (tun_write(t->watch.fd, &o->off, o->head, o->body))
		d->tun_lost++;
}

static void put_note(struct daemon *d, const struct out *o)
{
	char seen[TADDR4_TEXT], prefix[PREFIX6_TEXT], found[64] = "";
	struct link_status s = { .name = "?" };
	bool bad = o->note == NOTE_CLONED || o->note == NOTE_BAD_PEER;
	int n = 0;

	if (o->link != NONE)
		engine_link(d->engine, o->link, &s);
	prefix6_format(&s.prefix, prefix);
	if (s.seen.port) /* what is not known yet is left out */
		n = snprintf(found, sizeof(found), " outside=%s",
			     taddr4_format(s.seen, seen));
	if (s.mtu)
		snprintf(found + n, sizeof(found) - (size_t)n, " mtu=%u",
			 s.mtu);
	if (bad) /* many good notes must not hide it: limited by itself */
		log_limited(LEVEL_WARN, "%s peer=%s prefix=%s%s",
			    engine_note_text(o->note), s.name, prefix, found);
	else
		log_limited(LEVEL_INFO, "%s peer=%s prefix=%s%s",
			    engine_note_text(o->note), s.name, prefix, found);
	if (o->note == NOTE_LINK_UP && d->conf.role == ROLE_EDGE)
		d->look_again = true; /* the hub's own port range is known */
}

/* It has something to send: pumped when the turn ends. */
static void mark_dirty(struct daemon *d, struct conn *c)
{
	if (c->used && !c->listed) {
		c->listed = true;
		d->dirty[d->dirty_count++] = c->id;
	}
}

void daemon_finish(struct daemon *d, struct conn *c)
{
	conn_finish(c);
	mark_dirty(d, c);
}

static void put(struct daemon *d, const struct out *o)
{
	struct conn *c = o->conn < d->conf.conns ? &d->conn[o->conn] : NULL;

	switch (o->kind) {
	case OUT_INNER: put_tun(d, &d->inner, o); break;
	case OUT_OUTER:
		flush_latch(d); /* the answer may come before the turn ends */
		put_tun(d, &d->outer, o);
		break;
	case OUT_DATAGRAM: put_datagram(d, o); break;
	case OUT_MESSAGE:
		conn_send(c, o->head);
		mark_dirty(d, c);
		break;
	case OUT_RELAY:
		if (!c->relayq) /* of those that relay only */
			c->relayq = relayq_init((uint8_t *)d->relay_memory +
				c->id * conn_relayq_bytes(), CONN_RELAY_BYTES);
		conn_relay(c, o->flow, o->head, o->body, loop_now());
		mark_dirty(d, c);
		break;
	case OUT_CLOSE: daemon_finish(d, c); break;
	case OUT_LATCH: put_latch(d, o); break;
	case OUT_FAST: /* full: its packets go on coming here */
		fast_set(&d->fast, (const void *)o->head.at, o->on);
		break;
	case OUT_NOTE: put_note(d, o); break;
	case OUT_BENCH: answer_bench(d, o->link, o->head); break;
	case OUT_WANT_RELAY:
	case OUT_RECONNECT:
	case OUT_ROUTE: d->ops->out(d, o); break;
	case OUT_KIND_COUNT: break;
	}
}

void daemon_drain(struct daemon *d)
{
	const struct out *o;

	while ((o = engine_next(d->engine)))
		put(d, o);
	flush_udp(d);
	flush_latch(d);
	d->relay_held = 0;
}

/* -- input ------------------------------------------------------------------------- */

/* A row of frames on its way from a TUN to the engine.
 * @held: buffers in use; @open: @join is a train in the last of them
 */
struct row {
	struct tun_dev *t;
	void (*take)(struct engine *, struct frame *, msec);
	msec now;
	unsigned held;
	bool open;
	struct join join;
};

/* A super-packet is drained at once, while it is in the cache; small packets
 * together, so that datagrams leave in trains. @keep: buffers not drained that
 * are still in use
 */
static void give(struct row *r, struct frame f, unsigned keep)
{
	struct daemon *d = r->t->d;

	r->take(d->engine, &f, r->now);
	if (f.len <= TUN_SMALL)
		return;
	daemon_drain(d);
	if (!keep)
		r->held = 0;
}

static void end_train(struct row *r, unsigned keep)
{
	if (r->open)
		give(r, join_end(&r->join), keep);
	r->open = false;
}

/* Take what waits, each frame in a buffer of its own; what follows the one
 * before is joined to it there, so the engine and the other TUN see trains even
 * where no device makes any.
 */
static void take_frames(struct tun_dev *t,
			void (*take)(struct engine *, struct frame *, msec))
{
	struct row r = { .t = t, .take = take, .now = loop_now() };
	struct frame f;

	for (int i = 0; i < TUN_READS && r.held < TUN_BUFS; i++) {
		if (tun_read(t->watch.fd, t->buf + r.held * TUN_BUF, TUN_BUF,
			     &f) != 1)
			break;
		if (r.open && join_add_frame(&r.join, &f))
			continue;
		end_train(&r, 1);
		r.held++;
		r.open = join_start(&r.join, &f, t->d->conf.joins_udp);
		if (!r.open)
			give(&r, f, 0);
	}
	end_train(&r, 0);
	daemon_drain(t->d);
}

static void inner_ready(struct watch *w, uint32_t events)
{
	(void)events;
	take_frames(container_of_watch(w, struct tun_dev, watch), engine_inner);
}

static void outer_ready(struct watch *w, uint32_t events)
{
	(void)events;
	take_frames(container_of_watch(w, struct tun_dev, watch), engine_outer);
}

static void udp_ready(struct watch *w, uint32_t events)
{
	struct udp_dev *u = container_of_watch(w, struct udp_dev, watch);
	struct daemon *d = u->d;
	struct udp_batch *b = d->batch;
	msec now = loop_now();

	(void)events;
	for (int i = 0; i < UDP_READS; i++) {
		if (udp_recv(&u->udp, b) <= 0)
			return;
		for (size_t n = 0; n < b->count; n++) {
			struct engine_datagram in = {
				.from = b->d[n].from,
				.local = { b->d[n].local, u->at.port },
				.tos = b->d[n].tos, .bytes = b->d[n].body };

			engine_datagram(d->engine, &in, now);
		}
		daemon_drain(d);
		if (!b->more)
			return;
	}
}

/* -- connections ---------------------------------------------------------------------- */

/* One step of all handshakes in a turn: packets do not wait for more. */
static bool on_shake(struct conn *c, void *arg)
{
	struct daemon *d = arg;
	bool may = !d->shaken;

	(void)c;
	d->shaken = true;
	return may;
}

static void on_open(struct conn *c, void *arg)
{
	struct daemon *d = arg;

	d->ops->conn_open(d, c);
	daemon_drain(d);
}

/* Why the peer closes: the engine needs no reason, people do. */
static void hear_bye(struct conn *c, struct span in)
{
	struct msg m;
	size_t len;

	if (!msg_decode(&m, in) || m.type != MSG_BYE)
		return;
	len = m.u.bye.text.len;
	if (len > sizeof(c->said) - 1)
		len = sizeof(c->said) - 1;
	memcpy(c->said, m.u.bye.text.at, len);
	c->said[len] = 0;
	c->bye = m.u.bye.reason;
}

void daemon_bye(struct daemon *d, struct conn *c, enum bye why,
		const char *text)
{
	uint8_t bytes[MSG_HEADER + 1 + CONN_SAID];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct msg m = { .type = MSG_BYE, .u.bye = { .reason = (uint8_t)why,
		.text = { (const uint8_t *)text, strlen(text) } } };
	size_t len = msg_encode(&w, &m);

	if (len)
		conn_send(c, (struct span){ bytes, len });
	daemon_finish(d, c);
}

static bool on_message(struct conn *c, struct span msg, void *arg)
{
	struct daemon *d = arg;
	uint8_t type = msg.at[MSG_HEADER - 1];

	if (c->kind == CONN_CONTROL && msg.len > MSG_HEADER && type == MSG_BYE)
		hear_bye(c, msg);
	if (!c->told)
		return true;
	engine_message(d->engine, c->id, msg, loop_now());
	if (type != MSG_PACKET || ++d->relay_held == RELAY_ROW)
		daemon_drain(d);
	return true;
}

static void on_gone(struct conn *c, const char *why, void *arg)
{
	struct daemon *d = arg;

	if (c->told)
		engine_conn_closed(d->engine, c->id, loop_now());
	c->told = false;
	d->ops->conn_gone(d, c, why);
	daemon_drain(d);
}

static const struct conn_ops conn_ops = { on_shake, on_open, on_message,
	on_gone };

struct conn *daemon_conn(struct daemon *d)
{
	for (uint32_t n = 0; n < d->conf.conns; n++) {
		struct conn *c = &d->conn[n];

		if (c->used)
			continue;
		c->id = n;
		c->told = false;
		if (n >= d->max_conn)
			d->max_conn = n + 1;
		return c;
	}
	return NULL;
}

struct conn_start daemon_conn_start(struct daemon *d, int fd,
				    struct taddr4 peer, enum conn_kind kind)
{
	return (struct conn_start){ .loop = &d->loop, .ops = &conn_ops,
		.arg = d, .fd = fd, .peer = peer, .kind = kind };
}

void daemon_engine_open(struct daemon *d, struct conn *c)
{
	const struct identity *id = tls_peer(&c->room->tls);
	struct engine_peer peer = { .prefix = id->prefix };

	_Static_assert(sizeof(peer.name) >= sizeof(id->name), "names fit");
	_Static_assert((int)sizeof(peer.serial) == CERT_SERIAL_LEN,
		       "serial numbers fit");
	memcpy(peer.name, id->name, sizeof(id->name));
	if (id->serial_len == CERT_SERIAL_LEN)
		memcpy(peer.serial, id->serial, sizeof(peer.serial));
	c->told = true;
	engine_conn_open(d->engine, c->id, &peer, c->kind, loop_now());
}

/* Connections that got something to send in this turn. */
static void pump_dirty(struct daemon *d)
{
	size_t count = d->dirty_count;

	for (size_t i = 0; i < count; i++) {
		struct conn *c = &d->conn[d->dirty[i]];

		c->listed = false;
		if (c->used && c->dirty)
			conn_pump(c);
	}
	d->dirty_count -= count; /* what pumping itself added: next turn */
	memmove(d->dirty, d->dirty + count, d->dirty_count * sizeof(*d->dirty));
}

/* Connections whose time is over: handshakes, silent ones, slow readers. */
static void check_shakes(struct daemon *d, msec now)
{
	if (now < d->shakes_at)
		return;
	d->shakes_at = now + SHAKE_CHECK_MS;
	for (uint32_t n = 0; n < d->max_conn; n++) {
		struct conn *c = &d->conn[n];

		if (c->used && c->until && now > c->until)
			conn_expire(c);
	}
	while (d->max_conn && !d->conn[d->max_conn - 1].used)
		d->max_conn--;
}

/* -- uplink ----------------------------------------------------------------------------- */

/* The whole translation in the kernel, where capture and output are there. */
static void open_fast(struct daemon *d, int index)
{
	struct uplink *u = &d->uplink;
	struct fast_conf c = { .inner = d->inner.index, .uplink = index,
		.lo = d->conf.port_lo, .hi = d->conf.port_hi };
	bool bpf = strcmp(u->capture.mode, "rules") &&
		   strcmp(u->output.mode, "forward");
	int err = bpf ? fast_open(&d->fast, &c) : -ENOTSUP;

	engine_set_fast(d->engine, !err, loop_now());
	if (err)
		log_info("fast path off: %s", bpf ? d->fast.why :
			 "it needs capture and output by BPF");
}

/* Whether trains can be cut is for the device to say. */
static void retry_udp(struct daemon *d)
{
	for (unsigned n = 0; n < d->udp_count; n++)
		if (d->udp[n].open)
			udp_retry(&d->udp[n].udp);
}

bool daemon_uplink(struct daemon *d, int index, uint32_t addr,
		   const struct uplink_peer *peer)
{
	struct uplink *u = &d->uplink;
	struct rtnl_link link;
	struct capture_conf cc = { .uplink = index, .outer = d->outer.index,
		.addr = addr, .lo = d->conf.port_lo, .hi = d->conf.port_hi,
		.is_edge = d->conf.role == ROLE_EDGE, .no_bpf = d->no_bpf,
		.peer_lo = peer->lo, .peer_hi = peer->hi,
		.peer = &peer->addr, .peers = 1 };
	struct output_conf oc = { .outer = d->outer.index, .uplink = index,
		.no_bpf = d->no_bpf };
	int err = rtnl_link_get(NULL, index, &link);

	if (u->up) {
		fast_close(&d->fast);
		capture_close(&u->capture);
		output_close(&u->output);
		u->up = false;
	}
	if (!err)
		err = output_open(&u->output, &oc);
	if (!err) {
		err = capture_open(&u->capture, &cc);
		if (err)
			output_close(&u->output);
	}
	if (err) {
		engine_set_fast(d->engine, false, loop_now());
		log_error("own carriers are not possible on interface %d: %s",
			  index, strerror(-err));
		return false;
	}
	u->up = true;
	u->index = index;
	u->addr = addr;
	u->peer = *peer;
	u->mtu = link.mtu;
	open_fast(d, index);
	retry_udp(d);
	log_info("uplink interface=%s capture=%s output=%s fast=%s mtu=%u",
		 link.name, u->capture.mode, u->output.mode,
		 d->fast.mode ? d->fast.mode : "off", link.mtu);
	if (*u->capture.why)
		log_info("capture: %s", u->capture.why);
	return true;
}

int daemon_udp(struct daemon *d, struct taddr4 at)
{
	struct udp_conf c = { .at = at };
	struct udp_dev *u = &d->udp[d->udp_count];
	int err;

	if (d->udp_count == DAEMON_UDP)
		return -ENOSPC;
	err = udp_open(&u->udp, &c);
	if (err)
		return err;
	u->d = d;
	u->at = at;
	if (!at.port)
		sock_local(u->udp.fd, &u->at);
	u->at.addr = at.addr;
	u->watch = (struct watch){ .fd = u->udp.fd, .ready = udp_ready };
	u->open = true;
	d->udp_count++;
	return loop_add(&d->loop, &u->watch, EPOLLIN);
}

void daemon_udp_close(struct daemon *d, unsigned n)
{
	if (!d->udp[n].open)
		return;
	loop_remove(&d->loop, &d->udp[n].watch);
	udp_close(&d->udp[n].udp);
	d->udp[n].open = false;
	if (n + 1 == d->udp_count)
		d->udp_count--;
}

/* -- start ---------------------------------------------------------------------------------- */

static void open_tun(struct daemon *d, struct tun_dev *t, const char *pattern)
{
	struct rtnl_link link;
	int fd = tun_open(pattern, t->name, &t->features);

	if (fd == -ENOENT || fd == -ENODEV)
		die(EX_UNAVAILABLE, "no /dev/net/tun: load the tun module "
		    "(modprobe tun), or give it to this container");
	if (fd == -EPERM || fd == -EACCES)
		die(EX_NOPERM, "not allowed to make a TUN device: run as root, "
		    "or with CAP_NET_ADMIN");
	if (fd < 0)
		die(EX_OSERR, "cannot make a TUN device: %s", strerror(-fd));
	t->watch.fd = fd;
	t->d = d;
	t->buf = pages((size_t)TUN_BUFS * TUN_BUF);
	if (rtnl_link_get(t->name, 0, &link))
		die(EX_OSERR, "cannot find the TUN device %s", t->name);
	t->index = link.index;
}

/* IPv4 packets alone, and nobody speaks there but us: without this the kernel
 * gives it an address and greets the neighbours.
 */
static int outer_up(const struct tun_dev *t)
{
	char path[96];
	int err = rtnl_link_mtu(t->index, OUTER_MTU);

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/disable_ipv6", t->name);
	sysctl_write(path, "1"); /* fails where there is no IPv6 anyway */
	return err ? err : rtnl_link_up(t->index, true);
}

void daemon_init(struct daemon *d)
{
	struct conn_room *room;
	int err;

	open_tun(d, &d->inner, "unmap%d");
	open_tun(d, &d->outer, "unmapx%d");
	random_bytes(d->conf.seed, sizeof(d->conf.seed));
	d->conf.joins_udp = d->inner.features & TUN_USO6;
	d->started = loop_now();
	if (fast_init(&d->fast, d->conf.fast_places, d->no_fast || d->no_bpf))
		d->conf.fast_places = 0;
	d->conf.fast = d->fast.flow;
	d->engine = engine_init(pages(engine_bytes(&d->conf)), &d->conf,
				d->started);
	d->conn = pages(d->conf.conns * sizeof(*d->conn));
	room = pages(d->conf.conns * sizeof(*room));
	for (uint32_t n = 0; n < d->conf.conns; n++)
		d->conn[n].room = &room[n];
	d->relay_memory = pages(d->conf.conns * conn_relayq_bytes());
	d->dirty = pages(2 * d->conf.conns * sizeof(*d->dirty));
	d->batch = pages(sizeof(*d->batch));
	d->batch->buf = pages(UDP_BATCH_BYTES);
	err = loop_init(&d->loop);
	if (err)
		die(EX_OSERR, "cannot start: epoll: %s", strerror(-err));
	d->inner.watch.ready = inner_ready;
	d->inner.watch.first = true;
	d->outer.watch.ready = outer_ready;
	err = outer_up(&d->outer);
	if (!err)
		err = loop_add(&d->loop, &d->inner.watch, EPOLLIN);
	if (!err)
		err = loop_add(&d->loop, &d->outer.watch, EPOLLIN);
	if (err)
		die(EX_OSERR, "cannot set up %s: %s", d->outer.name,
		    strerror(-err));
}

/* -- run -------------------------------------------------------------------------------------- */

static void reload(struct daemon *d)
{
	notify_reloading();
	d->ops->reload(d);
	notify_ready("running");
}

static void signal_ready(struct watch *w, uint32_t events)
{
	struct daemon *d = container_of_watch(w, struct daemon, signals);
	int sig;

	(void)events;
	while ((sig = loop_signals_read(w->fd))) {
		if (sig == SIGHUP)
			reload(d);
		else if (sig != SIGCHLD)
			d->stopping = true;
	}
}

static void monitor_ready(struct watch *w, uint32_t events)
{
	struct daemon *d = container_of_watch(w, struct daemon, monitor);
	struct rtnl_event ev[32];
	bool any = false;

	(void)events;
	while (rtnl_monitor_read(w->fd, ev, 32) > 0)
		any = true;
	if (any)
		d->ops->changed(d);
}

static void open_watches(struct daemon *d)
{
	static const struct local_ops local_ops = { answer_request,
		answer_gone };
	int err;

	d->signals = (struct watch){ .fd = loop_signals_open(),
		.ready = signal_ready };
	d->monitor = (struct watch){ .fd = rtnl_monitor_open(),
		.ready = monitor_ready };
	if (d->signals.fd < 0 || d->monitor.fd < 0 ||
	    loop_add(&d->loop, &d->signals, EPOLLIN) ||
	    loop_add(&d->loop, &d->monitor, EPOLLIN))
		die(EX_OSERR, "cannot start: out of descriptors");
	err = local_open(&d->local, d->name, d->pid);
	if (!err)
		err = local_serve(&d->local, &d->loop, &local_ops, d);
	if (err)
		log_warn("no local socket, so no `unmap status`: %s",
			 strerror(-err));
}

static msec earliest(struct daemon *d, msec now)
{
	msec due = engine_deadline(d->engine), own = d->ops->deadline(d);
	msec local = local_deadline(&d->local), bench = benchd_deadline(d);

	if (own < due)
		due = own;
	if (local < due)
		due = local;
	if (bench < due)
		due = bench;
	if (d->dirty_count)
		due = now;
	if (due > now + 1000)
		due = now + 1000;
	return due;
}

static void watchdog(struct daemon *d, msec now)
{
	unsigned every = notify_watchdog_ms();

	if (!every || now < d->watchdog)
		return;
	d->watchdog = now + every;
	notify_watchdog();
}

static void turn(struct daemon *d)
{
	msec now = loop_now();

	d->shaken = false;
	loop_run_once(&d->loop, loop_timeout(earliest(d, now), now));
	now = loop_now();
	engine_tick(d->engine, now);
	daemon_drain(d);
	if (d->look_again) {
		d->look_again = false;
		d->ops->changed(d);
	}
	d->ops->tick(d, now);
	daemon_drain(d);
	pump_dirty(d);
	daemon_drain(d); /* what a relay held back */
	check_shakes(d, now);
	local_tick(&d->local, now);
	benchd_tick(d, now);
	watchdog(d, now);
}

static void warn_readable(const char *bundle)
{
	struct stat st;

	if (!stat(bundle, &st) && st.st_mode & 077)
		log_warn("%s holds a private key and others can read it: "
			 "chmod 600 %s", bundle, bundle);
}

int daemon_run(struct daemon *d)
{
	open_watches(d);
	warn_readable(d->path);
	notify_ready("running");
	while (!d->stopping)
		turn(d);
	notify_stopping();
	engine_stop(d->engine, loop_now());
	daemon_drain(d);
	pump_dirty(d);
	benchd_close(d);
	local_close(&d->local);
	if (d->uplink.up) {
		fast_close(&d->fast);
		capture_close(&d->uplink.capture);
		output_close(&d->uplink.output);
	}
	host_done();
	bundle_wipe(&d->bundle);
	return d->exit_code;
}
