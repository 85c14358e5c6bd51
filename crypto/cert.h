/* SPDX-License-Identifier: MIT
 *
 * cert.h - X.509 certificates: issuing ours, reading what was verified
 */
#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include "crypto/blocks.h"
#include "crypto/key.h"

#define CERT_MAX 4096		/* largest certificate we write or keep */
#define CERT_SERIAL_LEN 16	/* of those we write: random, positive */
#define CERT_SERIAL_MAX 20	/* RFC 5280, 4.1.2.2 */
#define CERT_NAMES_MAX 10
#define CERT_NEVER 253402300799	/* 9999-12-31 23:59:59, RFC 5280, 4.1.2.5 */
#define CERT_NAME_MAX 32	/* an edge's name */

#define CERT_HUB_NAME "hub.unmap.invalid"
#define CERT_EDGE_SUFFIX ".edge.unmap.invalid"

/** struct cert_plan - what is to be certified
 * @names: host names and addresses for subjectAltName, the role first
 * @point: public key of the subject
 * @signer: key of the issuer
 * @serial: CERT_SERIAL_LEN bytes; set by cert_issue()
 */
struct cert_plan {
	const char *subject;
	const char *issuer;
	int64_t not_after;
	bool is_ca, is_hub;
	const char *names[CERT_NAMES_MAX];
	unsigned name_count;
	struct blocks blocks;
	const uint8_t *point;
	const struct key *signer;
	uint8_t serial[CERT_SERIAL_LEN];
};

/** struct cert - the parts of a certificate; all refer to its bytes
 * @signed_part: what the signature is over
 * @issuer, @subject: whole names, DER
 * @names: contents of subjectAltName, @blocks: of the address blocks; empty if
 *	the extension is not there
 */
struct cert {
	struct span signed_part, signature;
	struct span serial, issuer, subject;
	int64_t not_before, not_after;
	const uint8_t *point;
	struct span names, blocks;
	bool is_ca;
};

/** struct identity - who a certificate says its owner is
 * @name: of an edge; "hub" for the hub
 */
struct identity {
	char name[CERT_NAME_MAX + 1];
	bool is_hub;
	struct prefix6 prefix;
	bool has_ipv4;
	uint32_t ipv4;
	uint8_t ipv4_len;
	int64_t not_after;
	uint8_t serial[CERT_SERIAL_MAX];
	uint8_t serial_len;
};

/** enum cert_doubt - why a verified certificate gives no identity */
enum cert_doubt {
	CERT_FINE,
	CERT_NO_ROLE,	/* neither the hub's nor one edge's name */
	CERT_NO_BLOCKS,	/* address blocks missing, twice or malformed */
	CERT_DOUBT_COUNT
};

/** cert_name_ok() - May an edge be called so: 1 to 32 of a-z 0-9 and "-", which
 * stands neither first nor last
 */
bool cert_name_ok(const char *name);
/** cert_issue() - Make a certificate; gives its length, 0 if it does not fit */
size_t cert_issue(struct cert_plan *p, uint8_t out[static CERT_MAX]);
/** cert_parse() - Find the parts; false if it is not a v3 P-256 certificate */
bool cert_parse(struct cert *c, struct span der);
/** cert_is_signed_by() - Did the owner of this public key sign it? */
bool cert_is_signed_by(const struct cert *c,
		       const uint8_t point[static KEY_POINT_LEN]);
/** cert_identity() - Role, name and addresses; only after verification */
enum cert_doubt cert_identity(const struct cert *c, struct identity *id);
/** cert_common_name() - The subject's CN into @to; "?" if there is none */
const char *cert_common_name(const struct cert *c, char *to, size_t cap);

#endif
