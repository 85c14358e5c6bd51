/* SPDX-License-Identifier: MIT
 *
 * trust.h - whom to believe: chain, time, role, addresses, revocation
 */
#ifndef CRYPTO_TRUST_H
#define CRYPTO_TRUST_H

#include <bearssl.h>

#include "crypto/cert.h"

#define REVOKED_MAX 4096	/* most serial numbers in a list */
#define REVOKED_FILE_MAX (REVOKED_MAX * 80 + 4096)
#define REVOKED_ERROR_MAX 256
#define REVOKED_HEAD "unmap revoked 1"
#define REVOKED_LABEL "UNMAP SIGNATURE"
#define TRUST_CHAIN_MAX 3	/* most certificates a peer may send */

/** enum trust_error - reasons of our own, beside BearSSL's (below 64) */
enum trust_error {
	TRUST_CHAIN_LONG = 100,	/* too many, or a too large certificate */
	TRUST_MALFORMED,	/* BearSSL reads it, we do not */
	TRUST_NO_ROLE,
	TRUST_NOT_HUB,		/* an edge's certificate where the hub's belongs */
	TRUST_NOT_EDGE,		/* and the reverse */
	TRUST_NO_BLOCKS,
	TRUST_REVOKED,
};

/** struct revoked - serial numbers of certificates that count no more, sorted
 *
 * Owned by the caller; all zero is the empty list.
 */
struct revoked {
	uint8_t serial[REVOKED_MAX][CERT_SERIAL_LEN];
	unsigned count;
};

/** revoked_load() - Read the list at @path, signed by the CA of @ca (DER)
 *
 * A file that is not there is the empty list. On failure @r stays as it was and
 * @err is a sentence.
 */
bool revoked_load(struct revoked *r, const char *path, struct span ca,
		  char err[static REVOKED_ERROR_MAX]);
/** revoked_parse() - The same from memory */
bool revoked_parse(struct revoked *r, struct span text, const char *path,
		   struct span ca, char err[static REVOKED_ERROR_MAX]);
/** revoked_has() - Is the certificate of this identity in the list? */
bool revoked_has(const struct revoked *r, const struct identity *id);

/** revoked_add() - Put a serial number in, once; false if the list is full */
bool revoked_add(struct revoked *r,
		 const uint8_t serial[static CERT_SERIAL_LEN]);

/** trust_now() - Seconds since 1970, but not before this program was built */
int64_t trust_now(void);
/** trust_clamp() - The same for a given clock */
int64_t trust_clamp(int64_t clock);

/** struct trust - verifier of one peer's chain, a br_x509_class
 * @id: the peer, true once @is_verified; with TRUST_REVOKED it tells who it was
 */
struct trust {
	const br_x509_class *vtable;
	br_x509_minimal_context chain;
	br_x509_trust_anchor anchor;
	const struct revoked *revoked;
	bool want_hub, is_verified;
	unsigned error, cert_count;
	struct identity id;
	uint8_t cert[CERT_MAX];
	size_t cert_len;
};

/** trust_init() - Ready to verify a hub's (@want_hub) or an edge's chain
 * @ca: the CA's certificate, DER; must outlive @t
 * @revoked: may be NULL; must outlive @t
 *
 * False if @ca is not a CA's certificate.
 */
bool trust_init(struct trust *t, struct span ca, bool want_hub,
		const struct revoked *revoked);

#endif
