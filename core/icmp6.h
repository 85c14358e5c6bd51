/* SPDX-License-Identifier: MIT
 *
 * icmp6.h - ICMPv6 errors of our own (RFC 4443)
 */
#ifndef CORE_ICMP6_H
#define CORE_ICMP6_H

#include <stdbool.h>

#include "core/addr.h"
#include "core/pkt.h"

enum {
	ICMP6_UNREACH = 1, ICMP6_TOO_BIG = 2, ICMP6_TIME = 3, ICMP6_PARAM = 4,
	ICMP6_ECHO = 128, ICMP6_ECHO_REPLY = 129
};
enum { ICMP6_UNREACH_NO_ROUTE = 0, ICMP6_UNREACH_POLICY = 1,
	ICMP6_UNREACH_ADDR = 3, ICMP6_UNREACH_SOURCE = 5 };

/** icmp6_is_error() - Types 1 to 127 */
static inline bool icmp6_is_error(uint8_t type)
{
	return type < 128;
}

/** icmp6_may_answer() - May @p be answered with an error (RFC 4443, 2.4 e)?
 * Not if it is itself an ICMPv6 error (or a fragment of ICMPv6 too short to
 * tell), a non-first fragment, from or to multicast, from an unspecified
 * address. (@too_big: Packet Too Big may answer multicast destinations)
 */
bool icmp6_may_answer(const struct pkt *p, bool too_big);
/** icmp6_error() - Write an error about @p: IPv6 header, ICMPv6 header with
 * @param (MTU, pointer) in its second word, as much of @p as fits in 1280
 * bytes; hop limit 64, checksum complete. @src is ours, it goes to p->src6.
 * If the quoted packet has a partial checksum it is quoted as it is.
 * Return: bytes written, 0 if it did not fit
 */
size_t icmp6_error(struct writer *w, const struct addr6 *src, uint8_t type,
		   uint8_t code, uint32_t param, const struct pkt *p);

#endif
