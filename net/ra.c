/* SPDX-License-Identifier: MIT
 *
 * ra.c - router advertisements to one LAN (RFC 4861, 4862, 8106)
 *
 * Theory of operation
 * ===================
 * One socket and one timer per LAN interface. The timer knows one date, the
 * next advertisement; all rules of RFC 4861, 6.2.4 to 6.2.6 are ways to choose
 * it:
 *
 *	start, revival	now, then two more within 16 s, then 200 to 600 s apart
 *	solicitation	after a random 0 to 0.5 s, but 3 s after the last one;
 *			an earlier date stays. All are answered by multicast,
 *			so any number of solicitations costs one packet in 3 s
 *	not alive	now, and twice more; then every 200 to 600 s
 *
 * "Not alive" (no carrier for a while, or we end) sends router lifetime 0 and
 * preferred lifetime 0: hosts give up the route and prefer other addresses at
 * once. The valid lifetime stays, because RFC 4862 lets nobody but time
 * shorten it below two hours, and because hosts of the LAN go on reaching each
 * other. RFC 4861's MIN_DELAY_BETWEEN_RAS binds answers to solicitations; a
 * change of state, ours to make and rare, does not wait for it.
 *
 * A prefix that is not a /64 is not advertised (SLAAC needs one), the router
 * is. Sending may fail while the interface is down or its link-local address
 * is still being checked: tried again after RA_RETRY_MS.
 *
 * Strangers on the LAN can send solicitations only: the kernel filters other
 * types and checks the checksum, ra_solicitation_ok() the rest.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/ra.h"

enum {
	TYPE_RS = 133, TYPE_RA = 134,
	OPT_SOURCE_LLA = 1, OPT_PREFIX = 3, OPT_MTU = 5, OPT_RDNSS = 25,
	PREFIX_ON_LINK = 0x80, PREFIX_AUTONOMOUS = 0x40,
	HOP_LIMIT_TOLD = 64,
	BATCH = 16
};

static void put_prefix(struct writer *w, const struct prefix6 *p,
		       bool is_alive)
{
	write8(w, OPT_PREFIX);
	write8(w, 4);
	write8(w, p->len);
	write8(w, PREFIX_ON_LINK | PREFIX_AUTONOMOUS);
	write32(w, RA_VALID);
	write32(w, is_alive ? RA_PREFERRED : 0);
	write32(w, 0);
	write_bytes(w, p->addr.b, 16);
}

/* RFC 8106, 5.1: lifetime 0 means "no longer use it". */
static void put_rdnss(struct writer *w, const struct ra_conf *c, bool is_alive)
{
	unsigned i;

	write8(w, OPT_RDNSS);
	write8(w, (uint8_t)(1 + 2 * c->dns_count));
	write16(w, 0);
	write32(w, is_alive ? RA_ROUTER_LIFETIME : 0);
	for (i = 0; i < c->dns_count; i++)
		write_bytes(w, c->dns[i].b, 16);
}

size_t ra_build(const struct ra_conf *c, bool is_alive,
		uint8_t to[static RA_BYTES])
{
	struct writer w = writer_of(to, RA_BYTES);

	write8(&w, TYPE_RA);
	write8(&w, 0);
	write16(&w, 0);
	write8(&w, HOP_LIMIT_TOLD);
	write8(&w, 0);
	write16(&w, is_alive ? RA_ROUTER_LIFETIME : 0);
	write64(&w, 0);		/* reachable time, retransmission: unspecified */
	if (c->mac_len == 6) {
		write8(&w, OPT_SOURCE_LLA);
		write8(&w, 1);
		write_bytes(&w, c->mac, 6);
	}
	if (c->mtu) {
		write8(&w, OPT_MTU);
		write8(&w, 1);
		write16(&w, 0);
		write32(&w, c->mtu);
	}
	if (c->prefix.len == 64)
		put_prefix(&w, &c->prefix, is_alive);
	if (c->dns_count)
		put_rdnss(&w, c, is_alive);
	return w.len;
}

bool ra_solicitation_ok(struct span icmp6, int hop_limit,
			const struct addr6 *from)
{
	static const struct addr6 unspecified;
	struct reader r = reader_of(icmp6);
	uint8_t type = read8(&r), code = read8(&r);

	read_bytes(&r, 6);
	if (r.bad || type != TYPE_RS || code || hop_limit != 255)
		return false;
	while (r.left) {
		uint8_t option = read8(&r), len = read8(&r);

		if (!len || !read_bytes(&r, (size_t)len * 8 - 2))
			return false;
		if (option == OPT_SOURCE_LLA && addr6_eq(from, &unspecified))
			return false;
	}
	return true;
}

static msec between(struct ra *r, uint32_t lo, uint32_t hi)
{
	return lo + rand_below(r->rand, hi - lo + 1);
}

static void begin(struct ra *r, msec now)
{
	r->initial = r->is_alive ? RA_INITIAL_COUNT : 0;
	r->final = r->is_alive ? 0 : RA_FINAL_COUNT;
	r->next = now;
}

void ra_init(struct ra *r, const struct ra_conf *c, struct rand *rand,
	     msec now)
{
	memset(r, 0, sizeof(*r));
	r->watch.fd = -1;
	r->conf = *c;
	r->rand = rand;
	r->is_alive = true;
	begin(r, now);
}

/* 0, or a negative errno; without a socket: done. */
static int send_one(const struct ra *r)
{
	struct sockaddr_in6 all_nodes = {
		.sin6_family = AF_INET6,
		.sin6_addr.s6_addr = { 0xff, 0x02, [15] = 0x01 },
		.sin6_scope_id = (uint32_t)r->conf.link,
	};
	uint8_t bytes[RA_BYTES];
	size_t len = ra_build(&r->conf, r->is_alive, bytes);

	if (r->watch.fd < 0)
		return 0;
	if (sendto(r->watch.fd, bytes, len, MSG_DONTWAIT,
		   (struct sockaddr *)&all_nodes, sizeof(all_nodes)) < 0)
		return -errno;
	return 0;
}

void ra_tick(struct ra *r, msec now)
{
	if (now < r->next)
		return;
	if (send_one(r)) {
		r->failed++;
		r->next = now + RA_RETRY_MS;
		return;
	}
	r->sent++;
	r->last = now;
	if (r->initial)
		r->initial--;
	if (r->final)
		r->final--;
	if (r->initial)
		r->next = now + between(r, RA_MIN_DELAY_MS,
					RA_INITIAL_INTERVAL_MS);
	else if (r->final)
		r->next = now + RA_MIN_DELAY_MS;
	else
		r->next = now + between(r, RA_MIN_INTERVAL_MS,
					RA_MAX_INTERVAL_MS);
}

msec ra_deadline(const struct ra *r)
{
	return r->next;
}

void ra_solicited(struct ra *r, msec now)
{
	msec due = now + between(r, 0, RA_SOLICITED_DELAY_MS);

	r->solicited++;
	if (r->sent && due < r->last + RA_MIN_DELAY_MS)
		due = r->last + RA_MIN_DELAY_MS;
	if (due < r->next)
		r->next = due;
}

void ra_again(struct ra *r, msec now)
{
	begin(r, now);
}

void ra_set_alive(struct ra *r, bool is_alive, msec now)
{
	if (r->is_alive == is_alive)
		return;
	r->is_alive = is_alive;
	begin(r, now);
}

/* ---- socket ------------------------------------------------------------ */

static int hop_limit_of(struct msghdr *m)
{
	struct cmsghdr *c;
	int limit = -1;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_HOPLIMIT)
			memcpy(&limit, CMSG_DATA(c), sizeof(limit));
	return limit;
}

/* False when there is no more to take. */
static bool take_one(struct ra *r)
{
	uint8_t bytes[1500];
	_Alignas(struct cmsghdr) uint8_t control[64];
	struct sockaddr_in6 from = { 0 };
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(r->watch.fd, &m, MSG_DONTWAIT);
	struct addr6 source;

	if (n < 0)
		return false;
	memcpy(source.b, &from.sin6_addr, 16);
	if (ra_solicitation_ok((struct span){ bytes, (size_t)n },
			       hop_limit_of(&m), &source))
		ra_solicited(r, loop_now());
	else
		r->refused++;
	return true;
}

static void ra_ready(struct watch *w, uint32_t events)
{
	struct ra *r = container_of_watch(w, struct ra, watch);
	int left = BATCH;

	(void)events;
	while (left-- && take_one(r))
		;
}

static int set(int fd, int option, int value)
{
	return setsockopt(fd, IPPROTO_IPV6, option, &value, sizeof(value));
}

static int prepare(int fd, int link)
{
	struct ipv6_mreq all_routers = {
		.ipv6mr_multiaddr.s6_addr = { 0xff, 0x02, [15] = 0x02 },
		.ipv6mr_interface = (unsigned)link,
	};
	struct icmp6_filter only;

	ICMP6_FILTER_SETBLOCKALL(&only);
	ICMP6_FILTER_SETPASS(TYPE_RS, &only);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &only,
		       sizeof(only)) < 0 ||
	    set(fd, IPV6_MULTICAST_HOPS, 255) < 0 ||
	    set(fd, IPV6_UNICAST_HOPS, 255) < 0 ||
	    set(fd, IPV6_MULTICAST_LOOP, 0) < 0 ||
	    set(fd, IPV6_RECVHOPLIMIT, 1) < 0 ||
	    set(fd, IPV6_MULTICAST_IF, link) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &all_routers,
		       sizeof(all_routers)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &link,
		       sizeof(link)) < 0)
		return -errno;
	return 0;
}

int ra_open(struct ra *r, const struct ra_conf *c, struct rand *rand, msec now)
{
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			IPPROTO_ICMPV6);
	int err;

	ra_init(r, c, rand, now);
	if (fd < 0)
		return -errno;
	err = prepare(fd, c->link);
	if (err) {
		close(fd);
		return err;
	}
	r->watch.fd = fd;
	r->watch.ready = ra_ready;
	return 0;
}

void ra_close(struct ra *r)
{
	if (r->watch.fd < 0)
		return;
	r->is_alive = false;
	if (send_one(r))
		r->failed++;
	close(r->watch.fd);
	r->watch.fd = -1;
}
