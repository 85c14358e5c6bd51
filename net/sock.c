/* SPDX-License-Identifier: MIT
 *
 * sock.c - sockets
 *
 * Theory of operation
 * ===================
 * The shared carrier is one UDP socket per uplink (edge) or listening address
 * (hub). It is not connected: peers move, and a hub has many. Each datagram
 * carries the address it came to, and an answer names it again, so that a hub
 * with several addresses answers from the one that was asked: NATs let nothing
 * else through.
 *
 * Path MTU: IP_PMTUDISC_PROBE sets DF and ignores what the kernel believes
 * about the path, since anybody could make it believe anything with a forged
 * ICMP error; core finds sizes by padded punches.
 *
 * Batches. In: recvmmsg() into UDP_SLOTS buffers, of which each may hold a
 * train of equal datagrams (UDP_GRO); they are told apart here. Out: neighbours
 * that differ only in payload become one message with UDP_SEGMENT, whose
 * payload is gathered by iovec, never copied here; messages then go out in
 * groups by sendmmsg(). A kernel or device that cannot cut trains says EINVAL
 * or EIO: the train is sent again datagram by datagram, and after EIO no more
 * trains are made on that socket until udp_retry(). Losing a datagram is normal
 * on this carrier: whatever the kernel refuses otherwise is counted and skipped,
 * so that one bad datagram cannot hold up the rest. Only a full socket stops
 * udp_send().
 *
 * sendmmsg() is called directly, as musl makes a loop of sendmsg() of it
 * (kernel and POSIX disagree about field widths); all our headers start as
 * zeroes, so what the C library pads is 0 for the kernel.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/sock.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#ifndef TCP_NOTSENT_LOWAT
#define TCP_NOTSENT_LOWAT 25
#endif
#ifndef TCP_USER_TIMEOUT
#define TCP_USER_TIMEOUT 18
#endif

enum { BUFFER = 4 << 20 };
/* One group for sendmmsg(). */
enum { SEND_MSGS = 32, SEND_IOVS = 256, UDP_MAX_BYTES = 65507 };
enum {
	CTRL_BYTES = CMSG_SPACE(sizeof(struct in_pktinfo)) +
		     CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))
};

struct control {
	_Alignas(struct cmsghdr) uint8_t b[CTRL_BYTES];
};

/** struct group - messages for one sendmmsg()
 * @covers: datagrams in each message
 */
struct group {
	struct mmsghdr m[SEND_MSGS];
	struct sockaddr_in to[SEND_MSGS];
	struct control ctrl[SEND_MSGS];
	size_t covers[SEND_MSGS];
	struct iovec iov[SEND_IOVS];
	size_t msgs, iovs;
};

static struct sockaddr_in sockaddr_of(struct taddr4 t)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(t.port),
		.sin_addr.s_addr = htonl(t.addr),
	};

	return sa;
}

static struct taddr4 taddr4_of(const struct sockaddr_in *sa)
{
	return (struct taddr4){ ntohl(sa->sin_addr.s_addr),
				ntohs(sa->sin_port) };
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/** set_buffer() - As large as we may */
static void set_buffer(int fd, int force, int name, int bytes)
{
	if (set_int(fd, SOL_SOCKET, force, bytes))
		set_int(fd, SOL_SOCKET, name, bytes);
}

static int sock_open(int type, int ifindex)
{
	int fd, err;

	fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = ifindex ? set_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX, ifindex) : 0;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int sock_bind(int fd, struct taddr4 at)
{
	struct sockaddr_in sa = sockaddr_of(at);

	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ? -errno : 0;
}

/** udp_prepare() - Options without which the shared carrier is wrong */
static int udp_prepare(int fd)
{
	int err;

	err = set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
	if (!err)
		err = set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (!err)
		err = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER,
			      IP_PMTUDISC_PROBE);
	return err;
}

int udp_open(struct udp *u, const struct udp_conf *c)
{
	int bytes = c->buffer ? c->buffer : BUFFER;
	int err;

	memset(u, 0, sizeof(*u));
	u->fd = sock_open(SOCK_DGRAM, c->ifindex);
	if (u->fd < 0)
		return u->fd;
	err = udp_prepare(u->fd);
	if (!err)
		err = sock_bind(u->fd, c->at);
	if (err) {
		udp_close(u);
		return err;
	}
	set_buffer(u->fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
	set_buffer(u->fd, SO_SNDBUFFORCE, SO_SNDBUF, bytes);
	udp_retry(u);
	u->gro = !set_int(u->fd, SOL_UDP, UDP_GRO, 1);
	return 0;
}

void udp_close(struct udp *u)
{
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}

void udp_retry(struct udp *u)
{
	u->gso = !set_int(u->fd, SOL_UDP, UDP_SEGMENT, 0);
}

/** udp_control() - Read TOS, local address and train size of a message */
static void udp_control(struct msghdr *m, struct datagram *d)
{
	struct in_pktinfo info;
	struct cmsghdr *c;
	int size;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			d->tos = *CMSG_DATA(c);
		} else if (c->cmsg_level == IPPROTO_IP &&
			   c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			d->local = ntohl(info.ipi_addr.s_addr);
		} else if (c->cmsg_level == SOL_UDP &&
			   c->cmsg_type == UDP_GRO) {
			memcpy(&size, CMSG_DATA(c), sizeof(size));
			d->gso_size = (uint16_t)size;
		}
	}
}

/** udp_split() - One received message into its datagrams */
static void udp_split(struct udp_batch *b, const struct datagram *whole)
{
	size_t step = whole->gso_size ? whole->gso_size : whole->body.len;
	size_t at = 0, left;
	struct datagram *d;

	do {
		left = whole->body.len - at;
		if (b->count == UDP_BATCH) {
			b->lost++;
			return;
		}
		d = &b->d[b->count++];
		*d = *whole;
		d->gso_size = 0;
		d->body.at = whole->body.at + at;
		d->body.len = left < step ? left : step;
		at += d->body.len;
	} while (at < whole->body.len);
}

/** udp_take() - A message that recvmmsg() filled */
static void udp_take(struct udp_batch *b, struct mmsghdr *m)
{
	struct datagram whole = { .gso_size = 0 };

	if (m->msg_hdr.msg_flags & MSG_TRUNC) {
		b->lost++;
		return;
	}
	whole.from = taddr4_of(m->msg_hdr.msg_name);
	whole.body.at = m->msg_hdr.msg_iov->iov_base;
	whole.body.len = m->msg_len;
	udp_control(&m->msg_hdr, &whole);
	udp_split(b, &whole);
}

int udp_recv(struct udp *u, struct udp_batch *b)
{
	struct mmsghdr m[UDP_SLOTS] = { { .msg_len = 0 } };
	struct sockaddr_in from[UDP_SLOTS];
	struct control ctrl[UDP_SLOTS];
	struct iovec iov[UDP_SLOTS];
	int i, n;

	b->count = 0;
	b->more = false;
	for (i = 0; i < UDP_SLOTS; i++) {
		iov[i].iov_base = b->buf + (size_t)i * UDP_SLOT_BYTES;
		iov[i].iov_len = UDP_SLOT_BYTES;
		m[i].msg_hdr.msg_name = &from[i];
		m[i].msg_hdr.msg_namelen = sizeof(from[i]);
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
		m[i].msg_hdr.msg_control = &ctrl[i];
		m[i].msg_hdr.msg_controllen = sizeof(ctrl[i]);
	}
	do
		n = recvmmsg(u->fd, m, UDP_SLOTS, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (i = 0; i < n; i++)
		udp_take(b, &m[i]);
	b->more = n == UDP_SLOTS;
	return (int)b->count;
}

static size_t datagram_len(const struct datagram *d)
{
	return d->head.len + d->body.len;
}

/** may_join() - Could @d follow @first in one train? */
static bool may_join(const struct datagram *first, const struct datagram *d)
{
	return !d->gso_size && datagram_len(d) &&
	       datagram_len(d) <= datagram_len(first) &&
	       taddr4_eq(d->to, first->to) && d->local == first->local &&
	       d->tos == first->tos;
}

/** train_len() - How many of @n datagrams make the first message */
static size_t train_len(const struct datagram *d, size_t n)
{
	size_t total = datagram_len(d), i;

	if (d->gso_size)
		return 1;
	for (i = 1; i < n && i < UDP_TRAIN && may_join(d, &d[i]); i++) {
		total += datagram_len(&d[i]);
		if (total > UDP_MAX_BYTES)
			return i;
		if (datagram_len(&d[i]) < datagram_len(d))
			return i + 1;
	}
	return i;
}

static void *put_cmsg(struct msghdr *m, struct cmsghdr **c, int level,
		      int type, size_t len)
{
	struct cmsghdr *at = *c ? CMSG_NXTHDR(m, *c) : CMSG_FIRSTHDR(m);

	*c = at;
	at->cmsg_level = level;
	at->cmsg_type = type;
	at->cmsg_len = CMSG_LEN(len);
	return CMSG_DATA(at);
}

/** group_control() - TOS, source address and train size of a message */
static void group_control(struct msghdr *m, struct control *ctrl,
			  const struct datagram *d, uint16_t segment)
{
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(d->local) };
	struct cmsghdr *c = NULL;
	int tos = d->tos;
	size_t len = CMSG_SPACE(sizeof(tos));

	memset(ctrl, 0, sizeof(*ctrl));
	m->msg_control = ctrl;
	m->msg_controllen = sizeof(*ctrl);
	memcpy(put_cmsg(m, &c, IPPROTO_IP, IP_TOS, sizeof(tos)), &tos,
	       sizeof(tos));
	if (d->local) {
		memcpy(put_cmsg(m, &c, IPPROTO_IP, IP_PKTINFO, sizeof(info)),
		       &info, sizeof(info));
		len += CMSG_SPACE(sizeof(info));
	}
	if (segment) {
		memcpy(put_cmsg(m, &c, SOL_UDP, UDP_SEGMENT, sizeof(segment)),
		       &segment, sizeof(segment));
		len += CMSG_SPACE(sizeof(segment));
	}
	m->msg_controllen = len;
}

static void group_piece(struct group *g, struct span s)
{
	if (!s.len)
		return;
	g->iov[g->iovs].iov_base = (void *)(uintptr_t)s.at;
	g->iov[g->iovs++].iov_len = s.len;
}

/** group_add() - @n datagrams as one message */
static void group_add(struct group *g, const struct datagram *d, size_t n)
{
	struct msghdr *m = &g->m[g->msgs].msg_hdr;
	uint16_t segment = d->gso_size;
	size_t i, first = g->iovs;

	if (n > 1)
		segment = (uint16_t)datagram_len(d);
	for (i = 0; i < n; i++) {
		group_piece(g, d[i].head);
		group_piece(g, d[i].body);
	}
	memset(&g->m[g->msgs], 0, sizeof(g->m[g->msgs]));
	g->to[g->msgs] = sockaddr_of(d->to);
	m->msg_name = &g->to[g->msgs];
	m->msg_namelen = sizeof(g->to[g->msgs]);
	m->msg_iov = &g->iov[first];
	m->msg_iovlen = g->iovs - first;
	group_control(m, &g->ctrl[g->msgs], d, segment);
	g->covers[g->msgs++] = n;
}

/** group_fill() - As many of @n datagrams as fit, in trains if @join */
static void group_fill(struct group *g, const struct datagram *d, size_t n,
		       bool join)
{
	size_t at = 0, k;

	g->msgs = g->iovs = 0;
	while (at < n && g->msgs < SEND_MSGS) {
		k = join ? train_len(d + at, n - at) : 1;
		if (g->iovs + 2 * k > SEND_IOVS)
			return;
		group_add(g, d + at, k);
		at += k;
	}
}

static int group_send(int fd, struct group *g)
{
	long n;

	do
		n = syscall(SYS_sendmmsg, fd, g->m, (unsigned)g->msgs,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

/** error_is_final() - Is the socket itself broken? */
static bool error_is_final(int err)
{
	return err == -EBADF || err == -ENOTSOCK || err == -EFAULT;
}

/** send_cut() - A train of the caller's, on a socket that cannot cut */
static int send_cut(struct udp *u, const struct datagram *train)
{
	struct datagram d[UDP_TRAIN];
	size_t at = 0, n = 0, step = train->gso_size;
	int done;

	while (at < train->body.len && n < UDP_TRAIN) {
		d[n] = *train;
		d[n].gso_size = 0;
		d[n].head.len = 0;
		d[n].body.at = train->body.at + at;
		d[n].body.len = train->body.len - at;
		if (d[n].body.len > step)
			d[n].body.len = step;
		at += d[n++].body.len;
	}
	done = udp_send(u, d, n);
	if (done < 0)
		return done;
	if (!done && n)
		return 0;
	u->refused += n - (size_t)done;
	return 1;
}

/* Over 15 lines: the one loop that decides what each error means. */
int udp_send(struct udp *u, const struct datagram *d, size_t n)
{
	size_t done = 0, single = 0, limit;
	struct group g;
	int i, r;

	while (done < n) {
		if (d[done].gso_size && !u->gso) {
			r = send_cut(u, &d[done]);
			if (r <= 0)
				return r < 0 && !done ? r : (int)done;
			done++;
			continue;
		}
		limit = single ? single : n - done;
		group_fill(&g, d + done, limit, u->gso && !single);
		r = group_send(u->fd, &g);
		for (i = 0; i < r; i++) {
			done += g.covers[i];
			single -= single ? 1 : 0;
		}
		if (r > 0)
			continue;
		if (r == -EAGAIN)
			break;
		if (error_is_final(r))
			return done ? (int)done : r;
		if (r == -EIO)
			u->gso = false;
		if (r == -EIO && d[done].gso_size)
			continue;
		if (g.covers[0] > 1) {
			single = g.covers[0];
			continue;
		}
		u->refused++;
		u->last_error = -r;
		done++;
		single -= single ? 1 : 0;
	}
	return (int)done;
}

int tcp_connect(struct taddr4 to, int ifindex)
{
	struct sockaddr_in sa = sockaddr_of(to);
	int fd = sock_open(SOCK_STREAM, ifindex);
	int err;

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) &&
	    errno != EINPROGRESS) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int tcp_listen(struct taddr4 at, int backlog)
{
	int fd = sock_open(SOCK_STREAM, 0);
	int err;

	if (fd < 0)
		return fd;
	err = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!err)
		err = sock_bind(fd, at);
	if (!err && listen(fd, backlog))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int tcp_accept(int fd, struct taddr4 *peer)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	int s;

	do
		s = accept4(fd, (struct sockaddr *)&sa, &len,
			    SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (s < 0 && errno == EINTR);
	if (s < 0)
		return errno == ECONNABORTED ? -EAGAIN : -errno;
	*peer = taddr4_of(&sa);
	return s;
}

int tcp_tune(int fd, unsigned timeout_ms, unsigned lowat)
{
	int err;

	err = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (!err)
		err = set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
			      (int)timeout_ms);
	if (!err)
		err = set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)lowat);
	return err;
}

int sock_error(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

int sock_local(int fd, struct taddr4 *t)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		return -errno;
	*t = taddr4_of(&sa);
	return 0;
}

int sock_peer(int fd, struct taddr4 *t)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	if (getpeername(fd, (struct sockaddr *)&sa, &len))
		return -errno;
	*t = taddr4_of(&sa);
	return 0;
}

int sock_source(struct taddr4 to, uint32_t *addr)
{
	struct sockaddr_in sa = sockaddr_of(to);
	struct taddr4 local = { 0, 0 };
	int fd = sock_open(SOCK_DGRAM, 0);
	int err = 0;

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		err = -errno;
	if (!err)
		err = sock_local(fd, &local);
	close(fd);
	if (!err)
		*addr = local.addr;
	return err;
}
