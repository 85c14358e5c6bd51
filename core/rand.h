/* SPDX-License-Identifier: MIT
 *
 * rand.h - unpredictable numbers from a seed (ChaCha20, RFC 8439, with fast key
 * erasure). core may not fetch randomness: the caller seeds it, from the
 * kernel in a daemon, from a chosen number in the simulator.
 */
#ifndef CORE_RAND_H
#define CORE_RAND_H

#include <stddef.h>
#include <stdint.h>

struct rand {
	uint8_t key[32];
	uint8_t block[64 * 4];
	size_t used;
};

void rand_init(struct rand *r, const uint8_t seed[static 32]);
void rand_bytes(struct rand *r, void *to, size_t len);
uint32_t rand32(struct rand *r);
uint64_t rand64(struct rand *r);
/** rand_below() - Uniform in 0 .. @n-1, @n > 0 */
uint32_t rand_below(struct rand *r, uint32_t n);
/** rand_chacha20() - One ChaCha20 block (RFC 8439, 2.3), here for the tests */
void rand_chacha20(uint8_t to[static 64], const uint8_t key[static 32],
		   uint32_t counter, const uint8_t nonce[static 12]);

#endif
