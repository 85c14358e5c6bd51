/* SPDX-License-Identifier: MIT
 *
 * benchwire.h - what `unmap bench`, edge and hub say to each other
 *
 * Over control, as body of BENCH: version, type, id (4), then
 *	BENCH_REQUEST	edge to hub: nothing
 *	BENCH_OFFER	hub to edge: token (16), the hub's own IPv6 address (16),
 *			ports TCP, UDP there, ports TCP, UDP on IPv4 (2 each),
 *			Mbit/s at most (4)
 *	BENCH_REFUSE	hub to edge: reason (1)
 *	BENCH_END	edge to hub: close it
 * A later version only adds fields at the end; other types are ignored.
 *
 * On a TCP connection to the listener: token, command (1), ms (2). Then
 *	BENCH_DOWN	the hub sends for so long and closes
 *	BENCH_UP	the hub reads to the end and answers with the count (8)
 *	BENCH_ECHO	the hub sends back what it reads
 * A UDP datagram that begins with the token comes back as it is.
 */
#ifndef CMD_BENCHWIRE_H
#define CMD_BENCHWIRE_H

#include "core/addr.h"
#include "core/bytes.h"

enum { BENCH_VERSION = 1, BENCH_TOKEN = 16, BENCH_HEAD = BENCH_TOKEN + 3,
	BENCH_BODY = 64, BENCH_DATAGRAM = 1400 };
enum { BENCH_LIFE_MS = 60 * 1000, BENCH_STEP_MS = 10 * 1000 };
enum bench_type { BENCH_REQUEST = 1, BENCH_OFFER, BENCH_REFUSE, BENCH_END };
enum bench_reason { BENCH_NOT_ALLOWED = 1, BENCH_BUSY, BENCH_NO_SOCKET };
enum bench_command { BENCH_DOWN = 1, BENCH_UP, BENCH_ECHO };

/** struct bench_note - a BENCH message of any type */
struct bench_note {
	uint8_t type, reason;
	uint32_t id, mbit;
	uint8_t token[BENCH_TOKEN];
	struct addr6 self;
	uint16_t tcp6, udp6, tcp4, udp4;
};

/** bench_write() - Into @to (BENCH_BODY bytes); gives the length */
size_t bench_write(uint8_t *to, const struct bench_note *n);
/** bench_read() - False if it is none, or of a version we do not know */
bool bench_read(struct bench_note *n, struct span body);
/** bench_token_eq() - Compare, in a time that tells nothing */
bool bench_token_eq(const uint8_t *a, const uint8_t *b);

#endif
