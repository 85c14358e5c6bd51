/* SPDX-License-Identifier: MIT
 *
 * csum.c - Internet checksum (RFC 1071)
 *
 * Theory of operation
 * ===================
 * One's complement addition is the same in any byte order (RFC 1071, 2 B), so
 * the bytes are added as native 64-bit words, each as two halves of 32 bits
 * into 64-bit accumulators: no carry can get lost before 2^32 words, and no
 * chain of carries slows the loop. The sum is folded once and its two bytes are
 * read in memory order at the end.
 *
 * A sum of bytes that are not all zero is never 0 but may be 0xffff; adding to
 * such a sum never gives 0 either. This is why an incremental update equals the
 * full computation bit by bit, the corner of RFC 1624 section 3 included.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/csum.h"

static uint64_t load_halves(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return (w & UINT32_MAX) + (w >> 32);
}

/* The last 0 to 7 bytes, an odd one padded with 0. */
static uint64_t sum_tail(const uint8_t *p, size_t len)
{
	uint64_t s = 0;
	uint32_t w4;
	uint16_t w2;

	if (len & 4) {
		memcpy(&w4, p, sizeof(w4));
		s += w4;
		p += 4;
	}
	if (len & 2) {
		memcpy(&w2, p, sizeof(w2));
		s += w2;
		p += 2;
	}
	if (len & 1) {
		const uint8_t last[2] = { p[0], 0 };

		memcpy(&w2, last, sizeof(w2));
		s += w2;
	}
	return s;
}

static uint16_t fold(uint64_t s)
{
	s = (s & UINT32_MAX) + (s >> 32);
	s = (s & UINT32_MAX) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

uint16_t csum_bytes(uint16_t sum, const void *at, size_t len)
{
	const uint8_t *p = at;
	uint64_t a = 0, b = 0, c = 0, d = 0;
	uint16_t native;
	uint8_t order[2];

	for (; len >= 32; len -= 32, p += 32) {
		a += load_halves(p);
		b += load_halves(p + 8);
		c += load_halves(p + 16);
		d += load_halves(p + 24);
	}
	for (; len >= 8; len -= 8, p += 8)
		a += load_halves(p);
	if (len)
		b += sum_tail(p, len);
	native = fold(a + b + c + d);
	memcpy(order, &native, sizeof(order));
	return csum_add(sum, get16(order));
}

/* Length and protocol: the part both pseudo headers share. */
static uint16_t sum_len_proto(uint32_t len, uint8_t proto)
{
	return csum_add(csum_add((uint16_t)(len >> 16), (uint16_t)len), proto);
}

uint16_t csum_pseudo6(const struct addr6 *src, const struct addr6 *dst,
		      uint32_t len, uint8_t nh)
{
	uint16_t sum = sum_len_proto(len, nh);

	sum = csum_bytes(sum, src->b, sizeof(src->b));
	return csum_bytes(sum, dst->b, sizeof(dst->b));
}

uint16_t csum_pseudo4(uint32_t src, uint32_t dst, uint32_t len, uint8_t proto)
{
	uint16_t sum = sum_len_proto(len, proto);

	sum = csum_add(sum, csum_add((uint16_t)(src >> 16), (uint16_t)src));
	return csum_add(sum, csum_add((uint16_t)(dst >> 16), (uint16_t)dst));
}
