/* SPDX-License-Identifier: MIT
 *
 * conn.c - see conn.h
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/conn.h"
#include "net/sock.h"

enum { PUMP_STEPS = 64, SHAKE_STEPS = 2, LAST_READS = 16,
	DEAD_LINK_MS = 20 * 1000, LOWAT = 16 * 1024 };

/* Send the alert so that it arrives: a socket closed with bytes unread resets
 * the connection, and the peer's kernel then throws the alert away.
 */
static void last_words(int fd, const uint8_t *alert, size_t len)
{
	uint8_t unread[2048];

	(void)!send(fd, alert, len, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < LAST_READS; i++)
		if (recv(fd, unread, sizeof(unread), MSG_DONTWAIT) <= 0)
			return;
}

static void end(struct conn *c, const char *why)
{
	uint8_t alert[TLS_ALERT_LEN];
	size_t len = tls_alert(&c->room->tls, alert);

	if (!c->used)
		return;
	if (len)
		last_words(c->watch.fd, alert, len);
	conn_abort(c);
	c->ops->gone(c, why, c->arg);
	conn_release(c);
}

static bool start(struct conn *c, const struct conn_start *s)
{
	c->watch.fd = s->fd;
	c->loop = s->loop;
	c->ops = s->ops;
	c->arg = s->arg;
	c->kind = s->kind;
	c->peer = s->peer;
	c->connecting = s->connecting;
	c->used = true;
	c->open = c->told = c->closing = c->dirty = c->overrun = false;
	c->relayq = NULL; /* what was in it is not for this peer */
	c->in_len = c->queue_start = c->queue_len = 0;
	c->said[0] = 0;
	c->since = loop_now();
	c->until = c->since + CONN_SHAKE_MS;
	c->events = s->connecting ? EPOLLOUT : EPOLLIN;
	tcp_tune(s->fd, DEAD_LINK_MS, LOWAT);
	if (!loop_add(c->loop, &c->watch, c->events))
		return true;
	close(s->fd);
	c->used = false;
	return false;
}

static void ready(struct watch *w, uint32_t events);

bool conn_client(struct conn *c, const struct conn_start *s,
		 const struct bundle *b)
{
	c->watch = (struct watch){ .ready = ready };
	if (!tls_client_start(&c->room->tls, b)) {
		close(s->fd);
		return false;
	}
	return start(c, s);
}

bool conn_server(struct conn *c, const struct conn_start *s,
		 const struct bundle *b, const struct revoked *revoked)
{
	c->watch = (struct watch){ .ready = ready };
	if (!tls_server_start(&c->room->tls, b, revoked)) {
		close(s->fd);
		return false;
	}
	return start(c, s);
}

void conn_abort(struct conn *c)
{
	if (!c->used)
		return;
	loop_remove(c->loop, &c->watch);
	close(c->watch.fd);
	c->used = false;
}

void conn_release(struct conn *c)
{
	if (!c->used)
		madvise(c->room, sizeof(*c->room), MADV_DONTNEED);
}

bool conn_send(struct conn *c, struct span msg)
{
	if (!c->used || c->closing || c->overrun)
		return false;
	if (c->queue_start && c->queue_len + msg.len > CONN_QUEUE) {
		memmove(c->room->queue, c->room->queue + c->queue_start,
			c->queue_len - c->queue_start);
		c->queue_len -= c->queue_start;
		c->queue_start = 0;
	}
	if (c->queue_len + msg.len > CONN_QUEUE) {
		c->overrun = c->dirty = true;
		return false;
	}
	memcpy(c->room->queue + c->queue_len, msg.at, msg.len);
	c->queue_len += msg.len;
	c->dirty = true;
	return true;
}

size_t conn_relayq_bytes(void)
{
	return relayq_bytes(CONN_RELAY_BYTES);
}

void conn_relay(struct conn *c, uint32_t flow, struct span head,
		struct span body, msec now)
{
	if (!c->used || c->closing || !c->relayq)
		return;
	relayq_put(c->relayq, flow, head, body, now);
	c->dirty = true;
}

/* -- pumping ------------------------------------------------------------------ */

/* Next packet of the relay queue as a message in the empty send queue. */
static bool take_relay(struct conn *c)
{
	struct msg m = { .type = MSG_PACKET };
	struct writer w = writer_of(c->room->queue, CONN_QUEUE);

	if (!c->relayq || c->closing || c->queue_start != c->queue_len)
		return false;
	m.u.packet.packet = relayq_get(c->relayq, loop_now());
	if (!m.u.packet.packet.at)
		return false;
	c->queue_start = 0;
	c->queue_len = msg_encode(&w, &m);
	return c->queue_len > 0;
}

static bool write_app(struct conn *c)
{
	bool wrote = false;
	size_t cap, len;
	uint8_t *at;

	while (c->queue_start < c->queue_len || take_relay(c)) {
		at = tls_app_out(&c->room->tls, &cap);
		if (!at || !cap)
			break;
		len = c->queue_len - c->queue_start;
		if (len > cap)
			len = cap;
		memcpy(at, c->room->queue + c->queue_start, len);
		tls_app_out_done(&c->room->tls, len);
		c->queue_start += len;
		wrote = true;
	}
	if (wrote)
		tls_flush(&c->room->tls);
	if (c->queue_start == c->queue_len)
		c->queue_start = c->queue_len = 0;
	return wrote;
}

/* Give whole messages to the owner. False: the connection is over. */
static bool take_messages(struct conn *c, int *left)
{
	uint8_t *in = c->room->in;
	int whole;

	while ((whole = msg_frame((struct span){ in, c->in_len }))) {
		if (whole < 0)
			return false;
		if (!c->ops->message(c, (struct span){ in, (size_t)whole },
				     c->arg))
			return false;
		if (!c->closing)
			c->until = 0;
		c->in_len -= (size_t)whole;
		memmove(in, in + whole, c->in_len);
		--*left;
	}
	return true;
}

static bool read_app(struct conn *c, int *left)
{
	const uint8_t *at;
	size_t len, take;

	while (c->used && (at = tls_app_in(&c->room->tls, &len)) && len) {
		if (c->closing) {
			tls_app_in_done(&c->room->tls, len);
			continue;
		}
		take = sizeof(c->room->in) - c->in_len;
		if (take > len)
			take = len;
		memcpy(c->room->in + c->in_len, at, take);
		c->in_len += take;
		tls_app_in_done(&c->room->tls, take);
		if (!take_messages(c, left))
			return false;
	}
	return true;
}

/* 1: moved bytes, 0: nothing to do or must wait, -1: broken */
static int write_net(struct conn *c)
{
	size_t len;
	const uint8_t *at = tls_net_out(&c->room->tls, &len);
	ssize_t n;

	if (!at || !len)
		return 0;
	n = send(c->watch.fd, at, len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	tls_net_out_done(&c->room->tls, (size_t)n);
	return 1;
}

static int read_net(struct conn *c)
{
	size_t cap;
	uint8_t *at = tls_net_in(&c->room->tls, &cap);
	ssize_t n;

	if (!at || !cap)
		return 0;
	n = recv(c->watch.fd, at, cap, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (!n) {
		errno = 0;
		return -1;
	}
	tls_net_in_done(&c->room->tls, (size_t)n);
	return 1;
}

/* Is there output that waits for nothing but its turn? */
static bool has_more(const struct conn *c)
{
	return c->open && (c->queue_start < c->queue_len ||
			   (c->relayq && !c->closing && relayq_len(c->relayq)));
}

static void watch_for(struct conn *c)
{
	unsigned state = tls_state(&c->room->tls);
	uint32_t events = (state & TLS_NET_IN ? EPOLLIN : 0) |
			  (state & TLS_NET_OUT || has_more(c) ? EPOLLOUT : 0);

	if (!events)
		events = EPOLLIN;
	if (events != c->events && !loop_change(c->loop, &c->watch, events))
		c->events = events;
}

static void broken(struct conn *c)
{
	const char *why = tls_error(&c->room->tls);

	if (c->closing) {
		end(c, "");
		return;
	}
	if (!*why)
		why = errno ? strerror(errno) : "closed by the other end";
	end(c, why);
}

/* Long: one step after the other, each of which may end the connection. */
void conn_pump(struct conn *c)
{
	/* a record of a handshake: its head, its body, and what answers it */
	int steps = c->open ? PUMP_STEPS : SHAKE_STEPS;
	int in = 1, out = 1, left = CONN_MESSAGES, i;

	c->dirty = false;
	if (c->connecting)
		return;
	if (c->overrun) {
		end(c, "the other end does not read");
		return;
	}
	for (i = 0; i < steps && c->used && left > 0 && in + out > 0; i++) {
		if (c->open)
			write_app(c);
		out = write_net(c);
		in = out < 0 ? 0 : read_net(c);
		if (out < 0 || in < 0) {
			broken(c);
			return;
		}
		if (!c->open && tls_peer(&c->room->tls)) {
			c->open = true;
			c->ops->open(c, c->arg);
		}
		if (c->used && !read_app(c, &left)) {
			end(c, "the peer broke the protocol");
			return;
		}
		if (!c->used)
			return;
		if (tls_state(&c->room->tls) & TLS_CLOSED) {
			errno = 0;
			broken(c);
			return;
		}
		if (c->closing && c->queue_start == c->queue_len &&
		    !(tls_state(&c->room->tls) & TLS_NET_OUT)) {
			end(c, "");
			return;
		}
	}
	if (steps == SHAKE_STEPS && write_net(c) < 0) {
		broken(c);
		return;
	}
	watch_for(c);
}

static void ready(struct watch *w, uint32_t events)
{
	struct conn *c = container_of_watch(w, struct conn, watch);

	(void)events;
	if (c->connecting) {
		int err = sock_error(c->watch.fd);

		if (err) {
			end(c, strerror(-err));
			return;
		}
		c->connecting = false;
	} else if (!c->open && !c->ops->shake(c, c->arg)) {
		return;
	}
	conn_pump(c);
}

void conn_finish(struct conn *c)
{
	if (!c->closing)
		c->until = loop_now() + CONN_CLOSE_MS;
	c->closing = true;
	c->dirty = true;
}

void conn_expire(struct conn *c)
{
	end(c, c->closing ? "" : c->open ? "it said nothing in time" :
	    "no answer in time");
}
