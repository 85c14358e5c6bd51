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
 * @at: its IPv6 header, in the caller's room
 * @len, @hdr: bytes so far; bytes of all headers
 * @step: payload bytes per packet
 * @count: packets so far
 * @closed: the last one was its end
 */
struct join {
	uint8_t *at;
	size_t len, hdr, step;
	uint32_t count;
	uint8_t proto;
	bool closed;
};

/** join_start() - Begin with this packet, copied to @room
 * @room: JOIN_BYTES, for the joined packet's IPv6 header and all behind it
 * @head: IPv6 header. @rest: all that follows it
 *
 * Return: false if nothing may follow this packet, or its checksum is wrong:
 * then it is not looked at further, and @room is as it was
 */
bool join_start(struct join *j, uint8_t *room, const uint8_t *head,
		struct span rest);
/** join_add() - Append the next packet. False: it does not fit; @j is as it
 * was
 */
bool join_add(struct join *j, const uint8_t *head, struct span rest);
/** join_frame() - The end: the frame in @room, ready for the inner TUN */
struct frame join_frame(struct join *j);

#endif
