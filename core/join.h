/* SPDX-License-Identifier: MIT
 *
 * join.h - makes one super-packet of packets that follow each other
 *
 * The reverse of cut.c: what was joined can be cut again, by cut.c or by a
 * kernel, into the same packets, byte for byte.
 */
#ifndef CORE_JOIN_H
#define CORE_JOIN_H

#include <stdbool.h>

#include "core/frame.h"
#include "core/pkt.h"

enum {
	JOIN_L4_MAX = 65535 - IP4_HDR,	/* also fits behind an IPv4 header */
	JOIN_BYTES = IP6_HDR + JOIN_L4_MAX,
	JOIN_MOST = 64			/* datagrams: UDP_MAX_SEGMENTS */
};

/** struct join - a super-packet in the making
 * @f: the first packet's frame, longer with each one
 * @ip, @hdr: bytes of the IP header; of all headers
 * @step: payload bytes per packet
 * @count: packets so far
 * @closed: the last one was its end
 */
struct join {
	struct frame f;
	size_t ip, hdr, step;
	uint32_t count;
	uint8_t proto;
	bool closed;
};

/** join_start() - Begin with this packet, where it is
 * @f: JOIN_BYTES must fit at f->at
 * @udp: datagrams too, not only TCP
 *
 * Return: false if nothing may follow this packet, or its checksum is wrong:
 * then it is not looked at further
 */
bool join_start(struct join *j, const struct frame *f, bool udp);
/** join_add() - Append the next packet
 * @head: its IP header, without options. @rest: all that follows it
 * @off: what the kernel left to do on it
 *
 * Return: false if it does not fit; @j is as it was
 */
bool join_add(struct join *j, const uint8_t *head, struct span rest,
	      const struct offload *off);
/** join_add_frame() - The same for a packet in one piece */
bool join_add_frame(struct join *j, const struct frame *f);
/** join_end() - The frame, complete, for a TUN or the engine */
struct frame join_end(struct join *j);

#endif
