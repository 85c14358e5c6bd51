/* SPDX-License-Identifier: MIT
 *
 * key.h - P-256 keys: make, read, write, sign, verify
 */
#ifndef CRYPTO_KEY_H
#define CRYPTO_KEY_H

#include <bearssl.h>

#include "core/bytes.h"

#define KEY_PRIVATE_LEN 32
#define KEY_POINT_LEN 65	/* 4, X, Y: uncompressed */
#define KEY_SIGNATURE_MAX 72	/* DER form */
#define KEY_HASH_LEN 32
#define KEY_DER_MAX 160

/** struct key - a private key and its public point; wipe it when done */
struct key {
	uint8_t secret[KEY_PRIVATE_LEN];
	uint8_t point[KEY_POINT_LEN];
};

/** key_curve() - The implementation of P-256 that everything uses */
const br_ec_impl *key_curve(void);
/** key_make() - A new key */
void key_make(struct key *k);
/** key_decode() - Read PKCS#8 or SEC1 DER; false if it is no P-256 key */
bool key_decode(struct key *k, struct span der);
/** key_encode() - PKCS#8 DER into @out, which openssl reads; gives its length */
size_t key_encode(const struct key *k, uint8_t out[static KEY_DER_MAX]);
/** key_sign() - ECDSA with SHA-256 over @text, DER form; gives its length */
size_t key_sign(const struct key *k, struct span text,
		uint8_t out[static KEY_SIGNATURE_MAX]);
/** key_verify() - Is @signature over @text of the key with that @point? */
bool key_verify(const uint8_t point[static KEY_POINT_LEN], struct span text,
		struct span signature);
/** key_private() - As BearSSL wants it; refers to @k */
br_ec_private_key key_private(const struct key *k);
/** key_wipe() - Forget it */
void key_wipe(struct key *k);

#endif
