/* SPDX-License-Identifier: MIT
 *
 * cut.h - cuts a super-packet into the packets it stands for
 *
 * Design section 7: what must go on shared or relay is cut in user space.
 * Also completes the partial checksum of an ordinary packet (a train of one).
 * TCP: sequence number advances, FIN and PSH only on the last, CWR only on the
 * first; UDP_L4: each piece gets its own length; both: IPv6 payload length and
 * a complete checksum per piece. Works behind extension headers too: then
 * offload.csum_start says where the L4 header is, and gso_type which it is.
 * The payload is not copied.
 */
#ifndef CORE_CUT_H
#define CORE_CUT_H

#include "core/pkt.h"

/* IPv6 header, extension headers, TCP with options: what is longer leaves no
 * room for payload in the smallest packet that every link takes.
 */
#define CUT_HEAD 1280

/** struct cut - progress of cutting one frame */
struct cut {
	const struct pkt *p;
	size_t at;		/* next payload byte, from f->at */
	size_t hdr;		/* bytes of all headers */
	size_t l4;		/* offset of the L4 header */
	size_t step;		/* payload bytes per piece */
	uint8_t proto;		/* PROTO_TCP or PROTO_UDP, PROTO_NONE: as it is */
	uint32_t index;
	bool done;
};

/** struct piece - one packet
 * @head: IPv6 header, L4 header and all between, as they go out (may be 0
 *	long: then all is in @body). Points into the @room given to cut_next()
 *	or into the frame
 * @body: the rest, in the frame
 */
struct piece {
	struct span head, body;
};

/** cut_start() - Return DROP_NONE, or DROP_OFFLOAD if the headers exceed
 * CUT_HEAD or do not fit the packet
 */
enum drop cut_start(struct cut *c, const struct pkt *p);
/** cut_next() - Next packet; @room holds CUT_HEAD bytes and belongs to the
 * piece. False at the end
 */
bool cut_next(struct cut *c, uint8_t room[static CUT_HEAD], struct piece *out);
/** cut_largest() - Bytes of the largest packet it will be cut into, from the
 * IPv6 header on
 */
size_t cut_largest(const struct pkt *p);

#endif
