/* SPDX-License-Identifier: MIT
 *
 * ndp.c - answers neighbour solicitations for addresses behind a hub
 *
 * Theory of operation
 * ===================
 * Some providers do not route a prefix to the hub but put it on the link: the
 * router asks by neighbour solicitation for each address of it (RFC 4861, 7).
 * The hub answers for the addresses of connected edges, and for its own one on
 * the inner TUN, as a proxy (7.2.8: override flag clear; a real holder on the
 * link wins). The packets then come by themselves, and the routes of
 * net/ifconf lead them on. Addresses of edges that are not connected are not
 * answered for: they time out at the router as any absent host would.
 *
 * A packet socket sees solicitations to any group; ALLMULTI lets the interface
 * take them, both end with the socket. A small filter in the kernel passes
 * nothing but solicitations with hop limit 255. A packet socket gets them
 * unchecked, so ndp_parse() holds all of 7.1.1, the checksum too. Answers go
 * out by a raw socket, for which the kernel fills in source and checksum.
 *
 * Who floods is answered NDP_RATE times a second, at the cost of one lookup of
 * a prefix each; only the link itself can send with hop limit 255.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/csum.h"
#include "net/ndp.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23	/* Linux 4.20 */
#endif

enum {
	TYPE_NS = 135, TYPE_NA = 136,
	OPT_SOURCE_LLA = 1, OPT_TARGET_LLA = 2,
	FLAG_ROUTER = 0x80, FLAG_SOLICITED = 0x40,
	IP6_LEN = 40, NS_LEN = 24, BATCH = 64
};

static const struct addr6 unspecified;

/* ff02::1:ffXX:XXXX of @target (RFC 4291, 2.7.1) */
static struct addr6 solicited_node(const struct addr6 *target)
{
	struct addr6 a = { { 0xff, 0x02, [11] = 0x01, [12] = 0xff } };

	memcpy(&a.b[13], &target->b[13], 3);
	return a;
}

static bool options_ok(struct reader *r, bool is_from_none)
{
	while (r->left) {
		uint8_t type = read8(r), len = read8(r);

		if (!len || !read_bytes(r, (size_t)len * 8 - 2))
			return false;
		if (type == OPT_SOURCE_LLA && is_from_none)
			return false;
	}
	return true;
}

bool ndp_parse(struct span packet, struct ndp_question *q)
{
	struct reader r = reader_of(packet);
	const uint8_t *ip = read_bytes(&r, IP6_LEN), *icmp = r.at;
	struct addr6 dst, group;
	bool is_from_none;
	uint16_t len;

	if (!ip || ip[0] >> 4 != 6 || ip[6] != IPPROTO_ICMPV6 || ip[7] != 255)
		return false;
	len = get16(ip + 4);
	if (len < NS_LEN || len > r.left)
		return false;
	r.left = len;	/* the rest is padding of the link */
	memcpy(&q->from, ip + 8, 16);
	memcpy(&dst, ip + 24, 16);
	if (csum_bytes(csum_pseudo6(&q->from, &dst, len, IPPROTO_ICMPV6), icmp,
		       len) != 0xffff)
		return false;
	if (icmp[0] != TYPE_NS || icmp[1])
		return false;
	read_bytes(&r, 8);
	read_into(&r, &q->target, 16);
	group = solicited_node(&q->target);
	is_from_none = addr6_eq(&q->from, &unspecified);
	if (q->target.b[0] == 0xff || q->from.b[0] == 0xff ||
	    (is_from_none && !addr6_eq(&dst, &group)))
		return false;
	return options_ok(&r, is_from_none);
}

size_t ndp_build(const struct ndp_conf *c, const struct ndp_question *q,
		 uint8_t to[static NDP_ANSWER])
{
	struct writer w = writer_of(to, NDP_ANSWER);
	bool is_from_none = addr6_eq(&q->from, &unspecified);

	write8(&w, TYPE_NA);
	write8(&w, 0);
	write16(&w, 0);
	write8(&w, FLAG_ROUTER | (is_from_none ? 0 : FLAG_SOLICITED));
	write8(&w, 0);
	write16(&w, 0);
	write_bytes(&w, q->target.b, 16);
	if (c->mac_len == 6) {
		write8(&w, OPT_TARGET_LLA);
		write8(&w, 1);
		write_bytes(&w, c->mac, 6);
	}
	return w.len;
}

bool ndp_allow(struct ndp *n, msec now)
{
	msec fresh = (now - n->refilled) * NDP_RATE / 1000;

	if (fresh) {
		n->refilled = now;
		n->tokens = fresh > NDP_BURST - n->tokens ?
			NDP_BURST : n->tokens + (uint32_t)fresh;
	}
	if (!n->tokens)
		return false;
	n->tokens--;
	return true;
}

static void answer(struct ndp *n, const struct ndp_question *q)
{
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6,
		.sin6_scope_id = (uint32_t)n->conf.link,
	};
	struct addr6 all_nodes = { { 0xff, 0x02, [15] = 0x01 } };
	uint8_t bytes[NDP_ANSWER];
	size_t len = ndp_build(&n->conf, q, bytes);
	bool is_from_none = addr6_eq(&q->from, &unspecified);

	memcpy(&to.sin6_addr, is_from_none ? &all_nodes : &q->from, 16);
	if (sendto(n->out, bytes, len, MSG_DONTWAIT, (struct sockaddr *)&to,
		   sizeof(to)) >= 0)
		n->answered++;
}

static bool take_one(struct ndp *n)
{
	uint8_t packet[1500];
	ssize_t len = recv(n->watch.fd, packet, sizeof(packet), MSG_DONTWAIT);
	struct ndp_question q;

	if (len < 0)
		return false;
	if (!ndp_parse((struct span){ packet, (size_t)len }, &q))
		n->refused++;
	else if (!n->conf.is_ours(&q.target, n->conf.arg))
		;	/* not our business: most of what is asked on a link */
	else if (!ndp_allow(n, loop_now()))
		n->limited++;
	else
		answer(n, &q);
	return true;
}

static void ndp_ready(struct watch *w, uint32_t events)
{
	struct ndp *n = container_of_watch(w, struct ndp, watch);
	int left = BATCH;

	(void)events;
	while (left-- && take_one(n))
		;
}

/* Solicitations with hop limit 255, nothing else. */
static int set_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			 IPPROTO_ICMPV6 << 8 | 255, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IP6_LEN),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TYPE_NS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1500),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program));
}

static int open_in(int link)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IPV6),
		.sll_ifindex = link,
	};
	struct packet_mreq all = {
		.mr_ifindex = link,
		.mr_type = PACKET_MR_ALLMULTI,
	};
	int one = 1, err = 0;
	/* protocol 0: nothing is seen before filter and link are set */
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	if (set_filter(fd) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all,
		       sizeof(all)) < 0)
		err = -errno;
	if (err)
		close(fd);
	return err ? err : fd;
}

static int open_out(int link)
{
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			IPPROTO_ICMPV6);
	uint32_t no_types[8];
	int hops = 255, err = 0;

	if (fd < 0)
		return -errno;
	/* ICMP6_FILTER (1) with all bits set: it receives nothing */
	memset(no_types, 0xff, sizeof(no_types));
	if (setsockopt(fd, IPPROTO_ICMPV6, 1, no_types, sizeof(no_types)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops,
		       sizeof(hops)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops,
		       sizeof(hops)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &link,
		       sizeof(link)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &link,
		       sizeof(link)) < 0)
		err = -errno;
	if (err)
		close(fd);
	return err ? err : fd;
}

int ndp_open(struct ndp *n, const struct ndp_conf *c)
{
	memset(n, 0, sizeof(*n));
	n->conf = *c;
	n->tokens = NDP_BURST;
	n->refilled = loop_now();
	n->watch.ready = ndp_ready;
	n->out = open_out(c->link);
	n->watch.fd = n->out < 0 ? n->out : open_in(c->link);
	if (n->watch.fd < 0) {
		int err = n->watch.fd;

		if (n->out >= 0)
			close(n->out);
		n->watch.fd = n->out = -1;
		return err;
	}
	return 0;
}

void ndp_close(struct ndp *n)
{
	if (n->watch.fd < 0)
		return;
	close(n->watch.fd);
	close(n->out);
	n->watch.fd = n->out = -1;
}
