/* SPDX-License-Identifier: MIT
 *
 * nlreq.h - one rtnetlink request at a time, for capture and its filters
 */
#ifndef NET_NLREQ_H
#define NET_NLREQ_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

/** struct nlreq - a request being put together; room for 512 bytes */
struct nlreq {
	_Alignas(4) uint8_t b[512];
};

/** nlreq_init() - Start with the message's own header @hdr of @len bytes.
 * NLM_F_REQUEST and, unless it is a dump, NLM_F_ACK are added
 */
void nlreq_init(struct nlreq *r, uint16_t type, uint16_t flags,
		const void *hdr, size_t len);
void nlreq_attr(struct nlreq *r, uint16_t type, const void *data, size_t len);
void nlreq_attr32(struct nlreq *r, uint16_t type, uint32_t value);
/** nlreq_nest() - Open a nested attribute; close it with nlreq_unnest() */
struct rtattr *nlreq_nest(struct nlreq *r, uint16_t type);
void nlreq_unnest(struct nlreq *r, struct rtattr *nest);
/** nlreq_talk() - Send it and wait for the answer: 0 or negative errno */
int nlreq_talk(struct nlreq *r);
/** nlreq_dump() - Send it and hand each message of the answer to @each, which
 * may end it with a value other than 0. Return: that, 0, or negative errno
 */
int nlreq_dump(struct nlreq *r, int (*each)(const struct nlmsghdr *, void *),
	       void *arg);
/** nlreq_find() - An attribute by type, NULL if there is none */
const struct rtattr *nlreq_find(const struct rtattr *first, size_t len,
				uint16_t type);

#endif
