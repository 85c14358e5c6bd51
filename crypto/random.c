/* SPDX-License-Identifier: MIT
 *
 * random.c - randomness from the kernel, for us and for BearSSL
 *
 * Theory of operation
 * ===================
 * All secrets (keys, serial numbers, TLS nonces) come from getrandom(2). The
 * library's own way opens /dev/urandom, which the sandbox forbids and a chroot
 * may lack; br_prng_seeder_system() is therefore defined here. The linker takes
 * ours because the archive's member of that name holds nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <bearssl.h>

#include "crypto/random.h"

#define SEED_LEN 32

void random_bytes(void *to, size_t len)
{
	unsigned char *at = to;
	ssize_t got;

	while (len) {
		got = getrandom(at, len, 0);
		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

static int seed(const br_prng_class **prng)
{
	unsigned char bytes[SEED_LEN];

	random_bytes(bytes, sizeof(bytes));
	(*prng)->update(prng, bytes, sizeof(bytes));
	explicit_bzero(bytes, sizeof(bytes));
	return 1;
}

/* Named by BearSSL: see bearssl_rand.h. */
br_prng_seeder br_prng_seeder_system(const char **name)
{
	if (name)
		*name = "getrandom";
	return seed;
}
