/* SPDX-License-Identifier: MIT
 *
 * csum.h - Internet checksum (RFC 1071) and its incremental update (RFC 1624)
 *
 * A "sum" is a folded 16-bit one's complement sum in host order of big-endian
 * words, not inverted; a "checksum" is what stands in a packet (inverted).
 */
#ifndef CORE_CSUM_H
#define CORE_CSUM_H

#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"

/** csum_add() - One's complement addition of two sums */
static inline uint16_t csum_add(uint16_t a, uint16_t b)
{
	uint32_t s = (uint32_t)a + b;

	return (uint16_t)((s & 0xffff) + (s >> 16));
}

/** csum_sub() - One's complement subtraction */
static inline uint16_t csum_sub(uint16_t a, uint16_t b)
{
	return csum_add(a, (uint16_t)~b);
}

/** csum_update() - Checksum after the words under it changed by @delta
 * (= sum of new words minus sum of old words, csum_sub). RFC 1624, eqn 3
 */
static inline uint16_t csum_update(uint16_t check, uint16_t delta)
{
	return (uint16_t)~csum_add((uint16_t)~check, delta);
}

/** csum_bytes() - Sum of @len bytes (odd: padded with 0) onto @sum; fast */
uint16_t csum_bytes(uint16_t sum, const void *at, size_t len);
/** csum_pseudo6() - Sum of the IPv6 pseudo header (RFC 8200, 8.1) */
uint16_t csum_pseudo6(const struct addr6 *src, const struct addr6 *dst,
		      uint32_t len, uint8_t nh);
/** csum_pseudo4() - Sum of the IPv4 pseudo header (RFC 9293, 3.1) */
uint16_t csum_pseudo4(uint32_t src, uint32_t dst, uint32_t len, uint8_t proto);

#endif
