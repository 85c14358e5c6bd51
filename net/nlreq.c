/* SPDX-License-Identifier: MIT
 *
 * nlreq.c - one rtnetlink request at a time
 *
 * Theory of operation
 * ===================
 * Requests are rare (start, stop, a new uplink), so each opens a socket of its
 * own, sends one message and reads until the answer is complete: no state, no
 * sequence numbers to keep apart. A request that outgrows its buffer is a
 * mistake of ours; it loses the attribute, and the kernel refuses the rest.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/nlreq.h"

static struct nlmsghdr *header(struct nlreq *r)
{
	return (struct nlmsghdr *)r->b;
}

void nlreq_init(struct nlreq *r, uint16_t type, uint16_t flags,
		const void *hdr, size_t len)
{
	struct nlmsghdr *n = header(r);

	memset(r, 0, sizeof(*r));
	n->nlmsg_type = type;
	n->nlmsg_flags = NLM_F_REQUEST | flags;
	if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
		n->nlmsg_flags |= NLM_F_ACK;
	memcpy(r->b + NLMSG_HDRLEN, hdr, len);
	n->nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
}

void nlreq_attr(struct nlreq *r, uint16_t type, const void *data, size_t len)
{
	struct nlmsghdr *n = header(r);
	size_t at = NLMSG_ALIGN(n->nlmsg_len);
	struct rtattr a = { (uint16_t)RTA_LENGTH(len), type };

	if (at + RTA_SPACE(len) > sizeof(r->b))
		return;
	memcpy(r->b + at, &a, sizeof(a));
	if (len)
		memcpy(r->b + at + RTA_LENGTH(0), data, len);
	n->nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
}

void nlreq_attr32(struct nlreq *r, uint16_t type, uint32_t value)
{
	nlreq_attr(r, type, &value, sizeof(value));
}

struct rtattr *nlreq_nest(struct nlreq *r, uint16_t type)
{
	size_t at = NLMSG_ALIGN(header(r)->nlmsg_len);

	nlreq_attr(r, type, NULL, 0);
	return (struct rtattr *)(r->b + at);
}

void nlreq_unnest(struct nlreq *r, struct rtattr *nest)
{
	uint8_t *end = r->b + NLMSG_ALIGN(header(r)->nlmsg_len);

	nest->rta_len = (uint16_t)(end - (uint8_t *)nest);
}

/** nlreq_send() - A socket on which the request has been sent */
static int nlreq_send(struct nlreq *r)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	if (send(fd, r->b, header(r)->nlmsg_len, 0) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/** nlreq_read() - Hand on the messages of one read; 1: there is more to come */
static int nlreq_read(int fd, int (*each)(const struct nlmsghdr *, void *),
		      void *arg)
{
	_Alignas(8) uint8_t buf[16384];
	struct nlmsghdr *n = (struct nlmsghdr *)buf;
	ssize_t got = recv(fd, buf, sizeof(buf), 0);
	int left = (int)got, r;

	if (got < 0)
		return errno == EINTR ? 1 : -errno;
	for (; NLMSG_OK(n, (unsigned)left); n = NLMSG_NEXT(n, left)) {
		if (n->nlmsg_type == NLMSG_DONE)
			return 0;
		if (n->nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(n))->error;
		r = each ? each(n, arg) : 0;
		if (r)
			return r;
	}
	return 1;
}

int nlreq_dump(struct nlreq *r, int (*each)(const struct nlmsghdr *, void *),
	       void *arg)
{
	int fd = nlreq_send(r);
	int more;

	if (fd < 0)
		return fd;
	do
		more = nlreq_read(fd, each, arg);
	while (more == 1);
	close(fd);
	return more;
}

int nlreq_talk(struct nlreq *r)
{
	return nlreq_dump(r, NULL, NULL);
}

const struct rtattr *nlreq_find(const struct rtattr *a, size_t size,
				uint16_t type)
{
	int len = (int)size;

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
	}
	return NULL;
}
