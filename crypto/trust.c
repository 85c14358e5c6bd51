/* SPDX-License-Identifier: MIT
 *
 * trust.c - whom to believe: chain, time, role, addresses, revocation
 *
 * Theory of operation
 * ===================
 * BearSSL's br_x509_minimal verifies the chain up to our one CA; it does not
 * show the certificate to anybody. struct trust stands before it as an engine
 * of the same class: it passes every byte on and keeps those of the first
 * certificate, the peer's own. Only when the chain has verified, and only then,
 * these bytes are read: role (design.md 6: the name says who may play the hub,
 * whatever host was dialled), address blocks, serial number against `revoked`.
 *
 * Limits: TRUST_CHAIN_MAX certificates, CERT_MAX bytes for the first. What goes
 * beyond is not passed on, and the first error sticks.
 *
 * Time: a router without a battery boots in 1970, so a clock before the build
 * date counts as the build date. Certificates are valid from 2020 on.
 *
 * The revocation list is text that the CA signed: a head line, then lines
 * "SERIAL NAME", then an object with an ECDSA signature over all before it. The
 * head line cannot be the start of DER, so a signature of one can never stand
 * for the other. A list that does not verify is refused and the old one stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/bundle.h"
#include "crypto/pem.h"
#include "crypto/trust.h"

#ifndef UNMAP_BUILD_TIME
#define UNMAP_BUILD_TIME 1764000000
#endif

#define DAYS_TO_1970 719528	/* BearSSL counts from 0000-01-01 */

/* ---- time ---------------------------------------------------------------- */

int64_t trust_clamp(int64_t clock)
{
	const int64_t built = UNMAP_BUILD_TIME;

	return clock < built ? built : clock;
}

int64_t trust_now(void)
{
	return trust_clamp((int64_t)time(NULL));
}

/* ---- revocation ---------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* "0123...ef NAME": the serial number, nothing else is of interest */
static bool read_serial(struct span line, uint8_t to[static CERT_SERIAL_LEN])
{
	size_t i;
	int hi, lo;

	if (line.len < CERT_SERIAL_LEN * 2 + 1 ||
	    line.at[CERT_SERIAL_LEN * 2] != ' ')
		return false;
	for (i = 0; i < CERT_SERIAL_LEN; i++) {
		hi = hex_digit(line.at[2 * i]);
		lo = hex_digit(line.at[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		to[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* The signature, and what it is over: all before it, with nothing behind it */
static bool find_signature(struct span text, struct span *signed_part,
			   struct pem *p)
{
	struct span from = text;
	enum pem_kind kind;

	do {
		kind = pem_next(&from, p);
	} while (kind == PEM_LINE);
	if (kind != PEM_OBJECT || strcmp(p->label, REVOKED_LABEL) || from.len)
		return false;
	*signed_part = (struct span){ text.at, (size_t)(p->text.at - text.at) };
	return true;
}

static int compare_serial(const void *a, const void *b)
{
	return memcmp(a, b, CERT_SERIAL_LEN);
}

/* Lines of a list that the CA signed; with @r NULL only counted */
static bool read_lines(struct revoked *r, struct span text, unsigned *count)
{
	uint8_t scratch[CERT_SERIAL_LEN];
	struct span line = text;
	const uint8_t *end;

	*count = 0;
	end = memchr(text.at, '\n', text.len);
	if (!end || (size_t)(end - text.at) != strlen(REVOKED_HEAD) ||
	    memcmp(text.at, REVOKED_HEAD, strlen(REVOKED_HEAD)))
		return false;
	for (;;) {
		line.at = end + 1;
		line.len = text.len - (size_t)(line.at - text.at);
		if (!line.len)
			return true;
		end = memchr(line.at, '\n', line.len);
		if (!end || *count == REVOKED_MAX)
			return false;
		line.len = (size_t)(end - line.at);
		if (!read_serial(line, r ? r->serial[*count] : scratch))
			return false;
		(*count)++;
	}
}

static bool refuse(char *err, const char *path, const char *why)
{
	snprintf(err, REVOKED_ERROR_MAX, "%s: %s", path, why);
	return false;
}

static bool parse(struct revoked *r, struct span text, const char *path,
		  struct span ca, char *err, struct pem *p)
{
	struct span signed_part;
	struct cert c;
	unsigned count;

	if (!cert_parse(&c, ca) || !c.is_ca)
		return refuse(err, path, "no CA to check it with");
	if (!find_signature(text, &signed_part, p))
		return refuse(err, path,
			      "truncated or not a list of `unmap keygen revoke`: copy it again");
	if (!key_verify(c.point, signed_part, (struct span){ p->der, p->len }))
		return refuse(err, path,
			      "not signed by this hub's CA: copy it again from the CA's DIR");
	if (!read_lines(NULL, signed_part, &count))
		return refuse(err, path,
			      "written by another version of unmap: use the same one");
	read_lines(r, signed_part, &r->count);
	qsort(r->serial, r->count, CERT_SERIAL_LEN, compare_serial);
	return true;
}

bool revoked_parse(struct revoked *r, struct span text, const char *path,
		   struct span ca, char err[static REVOKED_ERROR_MAX])
{
	struct pem *p = calloc(1, sizeof(*p));
	bool ok = p ? parse(r, text, path, ca, err, p) :
		      refuse(err, path, "out of memory");

	free(p);
	return ok;
}

bool revoked_load(struct revoked *r, const char *path, struct span ca,
		  char err[static REVOKED_ERROR_MAX])
{
	uint8_t *text = malloc(REVOKED_FILE_MAX);
	bool ok = false;
	long len;

	if (!text)
		return refuse(err, path, "out of memory");
	len = file_read(AT_FDCWD, path, text, REVOKED_FILE_MAX);
	if (len >= 0) {
		ok = revoked_parse(r, (struct span){ text, (size_t)len }, path,
				   ca, err);
	} else if (errno == ENOENT) {
		r->count = 0;
		ok = true;
	} else {
		snprintf(err, REVOKED_ERROR_MAX, "cannot read %s: %s", path,
			 strerror(errno));
	}
	free(text);
	return ok;
}

bool revoked_has(const struct revoked *r, const struct identity *id)
{
	return r && id->serial_len == CERT_SERIAL_LEN && r->count &&
	       bsearch(id->serial, r->serial, r->count, CERT_SERIAL_LEN,
		       compare_serial);
}

bool revoked_add(struct revoked *r,
		 const uint8_t serial[static CERT_SERIAL_LEN])
{
	if (r->count && bsearch(serial, r->serial, r->count, CERT_SERIAL_LEN,
				compare_serial))
		return true;
	if (r->count == REVOKED_MAX)
		return false;
	memcpy(r->serial[r->count++], serial, CERT_SERIAL_LEN);
	qsort(r->serial, r->count, CERT_SERIAL_LEN, compare_serial);
	return true;
}

/* ---- the verifier -------------------------------------------------------- */

static struct trust *trust_of(const br_x509_class **ctx)
{
	return (struct trust *)(void *)ctx;
}

static void start_chain(const br_x509_class **ctx, const char *server_name)
{
	struct trust *t = trust_of(ctx);

	(void)server_name;	/* roles are names, hosts are not */
	t->error = 0;
	t->cert_count = 0;
	t->cert_len = 0;
	t->is_verified = false;
	t->chain.vtable->start_chain(&t->chain.vtable, NULL);
}

static void start_cert(const br_x509_class **ctx, uint32_t length)
{
	struct trust *t = trust_of(ctx);

	t->cert_count++;
	if (t->cert_count > TRUST_CHAIN_MAX || length > CERT_MAX)
		t->error = TRUST_CHAIN_LONG;
	if (!t->error)
		t->chain.vtable->start_cert(&t->chain.vtable, length);
}

static void append(const br_x509_class **ctx, const unsigned char *buf,
		   size_t len)
{
	struct trust *t = trust_of(ctx);

	if (t->error)
		return;
	if (t->cert_count == 1) {
		if (len > CERT_MAX - t->cert_len) {
			t->error = TRUST_CHAIN_LONG;
			return;
		}
		memcpy(t->cert + t->cert_len, buf, len);
		t->cert_len += len;
	}
	t->chain.vtable->append(&t->chain.vtable, buf, len);
}

static void end_cert(const br_x509_class **ctx)
{
	struct trust *t = trust_of(ctx);

	if (!t->error)
		t->chain.vtable->end_cert(&t->chain.vtable);
}

/* What the verified certificate says, and whether that is what we want */
static unsigned judge(struct trust *t)
{
	struct cert c;

	if (!cert_parse(&c, (struct span){ t->cert, t->cert_len }))
		return TRUST_MALFORMED;
	switch (cert_identity(&c, &t->id)) {
	case CERT_NO_ROLE:
		return TRUST_NO_ROLE;
	case CERT_NO_BLOCKS:
		return TRUST_NO_BLOCKS;
	case CERT_FINE:
	case CERT_DOUBT_COUNT:
		break;
	}
	if (t->id.is_hub != t->want_hub)
		return t->want_hub ? TRUST_NOT_HUB : TRUST_NOT_EDGE;
	if (revoked_has(t->revoked, &t->id))
		return TRUST_REVOKED;
	t->is_verified = true;
	return 0;
}

static unsigned end_chain(const br_x509_class **ctx)
{
	struct trust *t = trust_of(ctx);

	if (!t->error)
		t->error = t->chain.vtable->end_chain(&t->chain.vtable);
	if (!t->error)
		t->error = judge(t);
	return t->error;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *ctx,
				    unsigned *usages)
{
	const struct trust *t = (const struct trust *)(const void *)ctx;

	return t->chain.vtable->get_pkey(&t->chain.vtable, usages);
}

static const br_x509_class trust_class = {
	.context_size = sizeof(struct trust),
	.start_chain = start_chain,
	.start_cert = start_cert,
	.append = append,
	.end_cert = end_cert,
	.end_chain = end_chain,
	.get_pkey = get_pkey,
};

bool trust_init(struct trust *t, struct span ca, bool want_hub,
		const struct revoked *revoked)
{
	int64_t now = trust_now();
	struct cert c;

	memset(t, 0, sizeof(*t));
	if (!cert_parse(&c, ca) || !c.is_ca)
		return false;
	t->vtable = &trust_class;
	t->want_hub = want_hub;
	t->revoked = revoked;
	t->anchor = (br_x509_trust_anchor){
		.dn = { (unsigned char *)c.subject.at, c.subject.len },
		.flags = BR_X509_TA_CA,
		.pkey = { .key_type = BR_KEYTYPE_EC,
			  .key.ec = { BR_EC_secp256r1,
				      (unsigned char *)c.point,
				      KEY_POINT_LEN } },
	};
	br_x509_minimal_init(&t->chain, &br_sha256_vtable, &t->anchor, 1);
	br_x509_minimal_set_hash(&t->chain, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_ecdsa(&t->chain, key_curve(),
				  br_ecdsa_i31_vrfy_asn1);
	br_x509_minimal_set_time(&t->chain,
				 (uint32_t)(now / 86400 + DAYS_TO_1970),
				 (uint32_t)(now % 86400));
	return true;
}
