/* SPDX-License-Identifier: MIT
 *
 * packets.h - what several unit tests need: numbers from a seed, packets made
 * to a shape, and a checksum so slow that it is obviously right
 */
#ifndef TESTS_UNIT_PACKETS_H
#define TESTS_UNIT_PACKETS_H

#include <check.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "core/pkt.h"

/* libcheck notes each ck_assert in a file: too slow for the inside of loops. */
#define test_assert(x) do {						\
	if (!(x))							\
		ck_abort_msg("%s", #x);					\
} while (0)

/* splitmix64 */
static inline uint64_t test_rand(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline void test_fill(uint64_t *seed, uint8_t *at, size_t len)
{
	while (len--)
		*at++ = (uint8_t)test_rand(seed);
}

/* RFC 1071, 4.1, word by word */
static inline uint16_t slow_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (; len > 1; len -= 2, p += 2)
		sum += (uint32_t)(p[0] << 8 | p[1]);
	if (len)
		sum += (uint32_t)(p[0] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Sum of pseudo header and @len bytes at @l4: 0xffff if the checksum holds. */
static inline uint16_t slow_l4_sum6(const uint8_t *ip, const uint8_t *l4,
				    size_t len, uint8_t proto)
{
	uint32_t sum = slow_sum(0, ip + 8, 32);

	sum += (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff) + proto;
	return slow_sum(sum, l4, len);
}

static inline uint16_t slow_l4_sum4(const uint8_t *ip, const uint8_t *l4,
				    size_t len, uint8_t proto)
{
	uint32_t sum = slow_sum(0, ip + 12, 8);

	sum += (uint32_t)len + proto;
	return slow_sum(sum, l4, len);
}

/* struct shape - an IPv6 packet to be made
 * @ext: bytes of a destination-options header before L4 (0 or a multiple of 8)
 * @opts: bytes of TCP options (NOPs)
 * @gso_size: not 0: a super-packet, with partial checksum
 * @partial: leave the sum of the pseudo header where the checksum goes
 */
struct shape {
	uint8_t proto, tos, flags;
	size_t ext, opts, payload;
	uint16_t gso_size;
	bool partial, ecn;
};

enum { TEST_ROOM = FRAME_HEADROOM + FRAME_MAX };

/* A frame in memory of its exact size, so that ASan sees each byte too far. */
struct test_frame {
	struct frame f;
	uint8_t *room;
};

static inline void test_frame_free(struct test_frame *t)
{
	free(t->room);
}

static inline struct test_frame test_frame_of(const uint8_t *at, size_t len)
{
	struct test_frame t;

	t.room = malloc(FRAME_HEADROOM + len);
	ck_assert_ptr_nonnull(t.room);
	if (len)
		memcpy(t.room + FRAME_HEADROOM, at, len);
	t.f = (struct frame){ t.room + FRAME_HEADROOM, len, { 0 } };
	return t;
}

static inline size_t shape_l4(const struct shape *s)
{
	return IP6_HDR + s->ext;
}

static inline void shape_l4_header(const struct shape *s, uint64_t *seed,
				   uint8_t *l4, size_t len)
{
	put16(l4, (uint16_t)test_rand(seed));
	put16(l4 + 2, (uint16_t)test_rand(seed));
	if (s->proto == PROTO_TCP) {
		test_fill(seed, l4 + 4, 8);
		l4[12] = (uint8_t)((TCP_HDR + s->opts) / 4 << 4);
		l4[13] = s->flags;
		test_fill(seed, l4 + 14, 2);
		put32(l4 + 16, 0);
		memset(l4 + TCP_HDR, 1, s->opts);
	} else {
		put16(l4 + 4, (uint16_t)len);
		put16(l4 + 6, 0);
	}
}

/* Write the packet's checksum, or what the kernel leaves there. */
static inline void shape_csum(const struct shape *s, struct frame *f)
{
	uint8_t *l4 = f->at + shape_l4(s);
	size_t len = f->len - shape_l4(s);
	size_t at = s->proto == PROTO_TCP ? 16 : 6;
	uint32_t sum;

	if (s->partial || s->gso_size) {
		sum = slow_sum((uint32_t)len + s->proto, f->at + 8, 32);
		put16(l4 + at, (uint16_t)sum);
		f->off.flags = OFFLOAD_NEEDS_CSUM;
		f->off.csum_start = (uint16_t)shape_l4(s);
		f->off.csum_offset = (uint16_t)at;
		return;
	}
	sum = (uint16_t)~slow_l4_sum6(f->at, l4, len, s->proto);
	if (!sum && s->proto == PROTO_UDP)
		sum = 0xffff;
	put16(l4 + at, (uint16_t)sum);
}

/* IPv6 header with documentation addresses (RFC 3849) */
static inline void shape_ip6(const struct shape *s, uint64_t *seed,
			     uint8_t *ip, size_t payload)
{
	put32(ip, UINT32_C(6) << 28 | (uint32_t)s->tos << 20 | 0x12345);
	put16(ip + 4, (uint16_t)payload);
	ip[6] = s->ext ? PROTO_DSTOPTS : s->proto;
	ip[7] = 61;
	test_fill(seed, ip + 8, 32);
	put32(ip + 8, 0x20010db8);
	put32(ip + 24, 0x20010db8);
	if (!s->ext)
		return;
	memset(ip + IP6_HDR, 0, s->ext);
	ip[IP6_HDR] = s->proto;
	ip[IP6_HDR + 1] = (uint8_t)(s->ext / 8 - 1);
	ip[IP6_HDR + 2] = 1;	/* PadN */
	ip[IP6_HDR + 3] = (uint8_t)(s->ext - 4);
}

static inline struct test_frame shape_make(const struct shape *s,
					   uint64_t *seed)
{
	size_t hdr = s->proto == PROTO_TCP ? TCP_HDR + s->opts : UDP_HDR;
	size_t len = hdr + s->payload;
	static uint8_t bytes[FRAME_MAX];
	struct test_frame t;
	uint8_t *l4 = bytes + shape_l4(s);

	ck_assert_uint_le(shape_l4(s) + len, sizeof(bytes));
	shape_ip6(s, seed, bytes, s->ext + len);
	shape_l4_header(s, seed, l4, len);
	test_fill(seed, l4 + hdr, s->payload);
	t = test_frame_of(bytes, shape_l4(s) + len);
	if (s->gso_size) {
		t.f.off.gso_type = s->proto == PROTO_TCP ? OFFLOAD_GSO_TCP6 :
							   OFFLOAD_GSO_UDP_L4;
		if (s->ecn)
			t.f.off.gso_type |= OFFLOAD_GSO_ECN;
		t.f.off.gso_size = s->gso_size;
		t.f.off.hdr_len = (uint16_t)(shape_l4(s) + hdr);
	}
	shape_csum(s, &t.f);
	return t;
}

#endif
