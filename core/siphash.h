/* SPDX-License-Identifier: MIT
 *
 * siphash.h - SipHash-2-4 (Aumasson, Bernstein 2012), and the 1-3 variant for
 * tables
 */
#ifndef CORE_SIPHASH_H
#define CORE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k[2];
};

/** siphash_key_from() - Key from 16 bytes, little endian as in the paper */
struct siphash_key siphash_key_from(const uint8_t bytes[static 16]);
/** siphash24() - MAC of @len bytes */
uint64_t siphash24(const struct siphash_key *k, const void *at, size_t len);
/** siphash13() - Keyed hash for tables: faster, no MAC */
uint64_t siphash13(const struct siphash_key *k, const void *at, size_t len);

#endif
