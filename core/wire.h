/* SPDX-License-Identifier: MIT
 *
 * wire.h - what crosses the CGNAT on shared, and the punches of own UDP
 *
 * All numbers big endian (design 3.1).
 *
 *	data      tag(4) | all that followed the IPv6 header
 *	explicit  tag(4) counter(8) mac(8) part(1) | inner packet, or half of it
 *	punch     tag(4) counter(8) mac(8) type(1) carrier(4) nonce(8)
 *	          addr(4) port(2) size(2) | padding
 *
 * tag: 2 bits kind, 30 bits number: data: the context; else the link's number
 * at the receiver. mac: SipHash-2-4 under the sender's key of the control
 * connection, over direction(1: 0 from edge, 1 from hub) protocol(1: 17)
 * hport(2: 0 on shared) carrier(4: 0 on shared) counter(8), then the first
 * WIRE_MACED bytes behind the MAC.
 */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

enum {
	TAG_DATA = 0, TAG_EXPLICIT = 1, TAG_PUNCH = 2,
	TAG_KIND_SHIFT = 30, TAG_NUMBER = (1 << 30) - 1
};
enum {
	WIRE_TAG = 4, WIRE_MAC_AT = 12, WIRE_PROVEN = 20,
	WIRE_EXPLICIT = WIRE_PROVEN + 1,
	WIRE_PUNCH = WIRE_PROVEN + 21,
	WIRE_MACED = 60, WIRE_MAC_INPUT = 16 + WIRE_MACED
};
/* part of an explicit packet: the counter of LAST is that of FIRST plus 1 */
enum { PART_WHOLE = 0, PART_FIRST = 1, PART_LAST = 2, PART_COUNT };
/* type of a punch.
 * ASK: "this is me"; wants an ANSWER. addr, port: none
 * ANSWER: addr, port: where the ASK came from; size: its IPv4 length.
 * CHALLENGE: as ANSWER, but from an address not latched yet: echo the nonce
 * ECHO: the nonce of a CHALLENGE
 */
enum { PUNCH_ASK = 1, PUNCH_ANSWER, PUNCH_CHALLENGE, PUNCH_ECHO, PUNCH_COUNT };

#endif
