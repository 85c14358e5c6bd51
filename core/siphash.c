/* SPDX-License-Identifier: MIT
 *
 * siphash.c - SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF",
 * 2012)
 *
 * Theory of operation
 * ===================
 * c rounds per 8-byte word, d to finish: 2-4 is the MAC of explicit packets and
 * punches, 1-3 the keyed hash of tables, where an attacker sees no output and
 * only must not be able to aim at a bucket. Words are little endian, the last
 * one carries the length modulo 256 in its top byte. No step depends on secret
 * data in time.
 */
#include <string.h>

#include "core/siphash.h"

struct state {
	uint64_t v[4];
};

static uint64_t rotate(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static uint64_t get64le(const uint8_t *p)
{
	uint64_t x = 0;
	unsigned int i;

	for (i = 8; i--;)
		x = x << 8 | p[i];
	return x;
}

static inline void rounds(struct state *s, unsigned int n)
{
	uint64_t *v = s->v;

	while (n--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static inline void absorb(struct state *s, uint64_t word, unsigned int c)
{
	s->v[3] ^= word;
	rounds(s, c);
	s->v[0] ^= word;
}

/* The last word: what is left of the bytes, and the length. */
static uint64_t last_word(const uint8_t *p, size_t len)
{
	uint64_t word = (uint64_t)len << 56;
	size_t i;

	for (i = 0; i < (len & 7); i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

/* Inlined into its two callers, where @c and @d are constants. */
static inline uint64_t siphash(const struct siphash_key *k, const uint8_t *p,
			       size_t len, unsigned int c, unsigned int d)
{
	struct state s = { {
		k->k[0] ^ UINT64_C(0x736f6d6570736575),
		k->k[1] ^ UINT64_C(0x646f72616e646f6d),
		k->k[0] ^ UINT64_C(0x6c7967656e657261),
		k->k[1] ^ UINT64_C(0x7465646279746573),
	} };
	size_t left;

	for (left = len; left >= 8; left -= 8, p += 8)
		absorb(&s, get64le(p), c);
	absorb(&s, last_word(p, len), c);
	s.v[2] ^= 0xff;
	rounds(&s, d);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

struct siphash_key siphash_key_from(const uint8_t bytes[static 16])
{
	return (struct siphash_key){ { get64le(bytes), get64le(bytes + 8) } };
}

uint64_t siphash24(const struct siphash_key *k, const void *at, size_t len)
{
	return siphash(k, at, len, 2, 4);
}

uint64_t siphash13(const struct siphash_key *k, const void *at, size_t len)
{
	return siphash(k, at, len, 1, 3);
}
