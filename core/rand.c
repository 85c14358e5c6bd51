/* SPDX-License-Identifier: MIT
 *
 * rand.c - unpredictable numbers from a seed
 *
 * Theory of operation
 * ===================
 * ChaCha20 (RFC 8439, 2.3) in fast-key-erasure form: each refill makes four
 * blocks under the current key, the first 32 bytes become the next key and are
 * wiped, and what has been handed out is wiped as well. So who reads our memory
 * learns nothing about numbers given out before. The nonce is always 0: no key
 * is used twice.
 *
 * The same seed gives the same numbers, on any machine: the simulator lives on
 * that.
 */
#include <string.h>

#include "core/rand.h"

enum { KEY = 32, BLOCK = 64, BLOCKS = 4 };

static uint32_t rotate(uint32_t x, unsigned int n)
{
	return x << n | x >> (32 - n);
}

static uint32_t get32le(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[1] << 8 | p[0];
}

static void put32le(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

/* RFC 8439, 2.1 */
static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

void rand_chacha20(uint8_t to[static 64], const uint8_t key[static 32],
		   uint32_t counter, const uint8_t nonce[static 12])
{
	uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	uint32_t x[16];
	unsigned int i;

	for (i = 0; i < 8; i++)
		in[4 + i] = get32le(key + 4 * i);
	in[12] = counter;
	for (i = 0; i < 3; i++)
		in[13 + i] = get32le(nonce + 4 * i);
	memcpy(x, in, sizeof(x));
	for (i = 0; i < 10; i++) {
		quarter_round(&x[0], &x[4], &x[8], &x[12]);
		quarter_round(&x[1], &x[5], &x[9], &x[13]);
		quarter_round(&x[2], &x[6], &x[10], &x[14]);
		quarter_round(&x[3], &x[7], &x[11], &x[15]);
		quarter_round(&x[0], &x[5], &x[10], &x[15]);
		quarter_round(&x[1], &x[6], &x[11], &x[12]);
		quarter_round(&x[2], &x[7], &x[8], &x[13]);
		quarter_round(&x[3], &x[4], &x[9], &x[14]);
	}
	for (i = 0; i < 16; i++)
		put32le(to + 4 * i, x[i] + in[i]);
}

static void refill(struct rand *r)
{
	static const uint8_t nonce[12];
	uint32_t i;

	for (i = 0; i < BLOCKS; i++)
		rand_chacha20(r->block + BLOCK * i, r->key, i, nonce);
	memcpy(r->key, r->block, KEY);
	memset(r->block, 0, KEY);
	r->used = KEY;
}

void rand_init(struct rand *r, const uint8_t seed[static 32])
{
	memset(r, 0, sizeof(*r));
	memcpy(r->key, seed, KEY);
	r->used = sizeof(r->block);
}

void rand_bytes(struct rand *r, void *to, size_t len)
{
	uint8_t *at = to;
	size_t n;

	while (len) {
		if (r->used == sizeof(r->block))
			refill(r);
		n = sizeof(r->block) - r->used;
		if (n > len)
			n = len;
		memcpy(at, r->block + r->used, n);
		memset(r->block + r->used, 0, n);
		r->used += n;
		at += n;
		len -= n;
	}
}

uint32_t rand32(struct rand *r)
{
	uint8_t b[4];

	rand_bytes(r, b, sizeof(b));
	return get32le(b);
}

uint64_t rand64(struct rand *r)
{
	uint64_t low = rand32(r);

	return (uint64_t)rand32(r) << 32 | low;
}

/* Numbers from the last, incomplete multiple of @n are thrown away: else the
 * low results would be likelier.
 */
uint32_t rand_below(struct rand *r, uint32_t n)
{
	uint32_t unfair = (UINT32_MAX % n + 1) % n;
	uint32_t v;

	do
		v = rand32(r);
	while (v > UINT32_MAX - unfair);
	return v % n;
}
