/* SPDX-License-Identifier: MIT
 *
 * key.c - P-256 keys: make, read, write, sign, verify
 *
 * Theory of operation
 * ===================
 * One curve, one hash, one signature: P-256 with SHA-256. The curve is ours
 * where 64-bit products are (p256.c), BearSSL's elsewhere. Signing is
 * deterministic (RFC 6979), so it needs no randomness; making a key does.
 * A key read from a file is never believed: its public point is computed from
 * the secret, and a secret that is 0 or not below the order is refused by that.
 */
#include <string.h>

#include "crypto/key.h"
#include "crypto/p256.h"
#include "crypto/random.h"

const br_ec_impl *key_curve(void)
{
	const br_ec_impl *fast = p256_64();

	return fast ? fast : &br_ec_p256_m31;
}

br_ec_private_key key_private(const struct key *k)
{
	return (br_ec_private_key){
		.curve = BR_EC_secp256r1,
		.x = (unsigned char *)k->secret,
		.xlen = sizeof(k->secret),
	};
}

static bool fill_point(struct key *k)
{
	static const uint8_t zero[KEY_PRIVATE_LEN];
	br_ec_private_key secret = key_private(k);
	unsigned char buf[BR_EC_KBUF_PUB_MAX_SIZE];
	br_ec_public_key public;
	size_t order_len, len;
	const unsigned char *order;

	order = key_curve()->order(BR_EC_secp256r1, &order_len);
	if (order_len != sizeof(k->secret) ||
	    memcmp(k->secret, order, order_len) >= 0 ||
	    !memcmp(k->secret, zero, sizeof(zero)))
		return false;
	len = br_ec_compute_pub(key_curve(), &public, buf, &secret);
	if (len != sizeof(k->point))
		return false;
	memcpy(k->point, public.q, len);
	return true;
}

void key_make(struct key *k)
{
	do {
		random_bytes(k->secret, sizeof(k->secret));
	} while (!fill_point(k));
}

bool key_decode(struct key *k, struct span der)
{
	const br_ec_private_key *found;
	br_skey_decoder_context d;
	bool ok = false;

	br_skey_decoder_init(&d);
	br_skey_decoder_push(&d, der.at, der.len);
	found = br_skey_decoder_last_error(&d) ? NULL :
						 br_skey_decoder_get_ec(&d);
	if (found && found->curve == BR_EC_secp256r1 &&
	    found->xlen <= sizeof(k->secret)) {
		memset(k, 0, sizeof(*k));
		memcpy(k->secret + sizeof(k->secret) - found->xlen, found->x,
		       found->xlen);
		ok = fill_point(k);
	}
	explicit_bzero(&d, sizeof(d));
	return ok;
}

size_t key_encode(const struct key *k, uint8_t out[static KEY_DER_MAX])
{
	br_ec_private_key secret = key_private(k);
	br_ec_public_key public = {
		.curve = BR_EC_secp256r1,
		.q = (unsigned char *)k->point,
		.qlen = sizeof(k->point),
	};

	if (br_encode_ec_pkcs8_der(NULL, &secret, &public) > KEY_DER_MAX)
		return 0;
	return br_encode_ec_pkcs8_der(out, &secret, &public);
}

static void hash(struct span text, uint8_t out[static KEY_HASH_LEN])
{
	br_sha256_context c;

	br_sha256_init(&c);
	br_sha256_update(&c, text.at, text.len);
	br_sha256_out(&c, out);
}

size_t key_sign(const struct key *k, struct span text,
		uint8_t out[static KEY_SIGNATURE_MAX])
{
	br_ec_private_key secret = key_private(k);
	uint8_t digest[KEY_HASH_LEN];

	hash(text, digest);
	return br_ecdsa_i31_sign_asn1(key_curve(), &br_sha256_vtable, digest,
				      &secret, out);
}

bool key_verify(const uint8_t point[static KEY_POINT_LEN], struct span text,
		struct span signature)
{
	br_ec_public_key public = {
		.curve = BR_EC_secp256r1,
		.q = (unsigned char *)point,
		.qlen = KEY_POINT_LEN,
	};
	uint8_t digest[KEY_HASH_LEN];

	hash(text, digest);
	return br_ecdsa_i31_vrfy_asn1(key_curve(), digest, sizeof(digest),
				      &public, signature.at,
				      signature.len) == 1;
}

void key_wipe(struct key *k)
{
	explicit_bzero(k, sizeof(*k));
}
