/* SPDX-License-Identifier: MIT
 *
 * cert.c - X.509 certificates: issuing ours, reading what was verified
 *
 * Theory of operation
 * ===================
 * Issuing writes one shape (RFC 5280): version 3, ECDSA with SHA-256, a random
 * serial number, one CN as name, notBefore 2020-01-01 because routers boot in
 * 1970, and extensions that openssl's strict mode wants. The address blocks
 * (RFC 3779) stand in a non-critical extension although that RFC says critical:
 * BearSSL refuses critical ones that it does not know. Key identifiers are RFC
 * 7093, 2 (1), so that no SHA-1 is needed.
 *
 * Reading believes nothing about shape, but does not verify: that is BearSSL's
 * part (trust.c) or cert_is_signed_by()'s. An extension that occurs twice makes
 * the whole certificate unreadable, so no two readers can pick different ones.
 *
 * Roles are names (design.md 6): the hub has the dNSName hub.unmap.invalid, an
 * edge NAME.edge.unmap.invalid. A certificate with both, or with two edges'
 * names, is nobody's.
 */
#include <string.h>

#include "crypto/cert.h"
#include "crypto/der.h"
#include "crypto/random.h"

#define NOT_BEFORE 1577836800	/* 2020-01-01 */
#define KEY_ID_LEN 20

#define DNS_NAME (DER_CONTEXT | 2)	/* GeneralName, RFC 5280, 4.2.1.6 */
#define IP_ADDRESS (DER_CONTEXT | 7)

struct oid {
	uint8_t len, at[9];
};

static const struct oid oid_ec_key = { 7, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 2,
					    1 } };
static const struct oid oid_p256 = { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1,
					  7 } };
static const struct oid oid_ecdsa_sha256 = { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d,
						  4, 3, 2 } };
static const struct oid oid_cn = { 3, { 0x55, 4, 3 } };
static const struct oid oid_subject_key = { 3, { 0x55, 0x1d, 14 } };
static const struct oid oid_key_usage = { 3, { 0x55, 0x1d, 15 } };
static const struct oid oid_alt_name = { 3, { 0x55, 0x1d, 17 } };
static const struct oid oid_constraints = { 3, { 0x55, 0x1d, 19 } };
static const struct oid oid_issuer_key = { 3, { 0x55, 0x1d, 35 } };
static const struct oid oid_ext_usage = { 3, { 0x55, 0x1d, 37 } };
static const struct oid oid_server = { 8, { 0x2b, 6, 1, 5, 5, 7, 3, 1 } };
static const struct oid oid_client = { 8, { 0x2b, 6, 1, 5, 5, 7, 3, 2 } };
static const struct oid oid_blocks = { 8, { 0x2b, 6, 1, 5, 5, 7, 1, 7 } };

static bool oid_is(struct span s, const struct oid *o)
{
	return s.len == o->len && !memcmp(s.at, o->at, o->len);
}

static void put_oid(struct writer *w, const struct oid *o)
{
	der_put(w, DER_OID, o->at, o->len);
}

/* ---- writing ------------------------------------------------------------- */

static void put_algorithm(struct writer *w)
{
	size_t seq = der_open(w, DER_SEQUENCE);

	put_oid(w, &oid_ecdsa_sha256);
	der_close(w, seq);
}

static void put_name(struct writer *w, const char *cn)
{
	size_t name = der_open(w, DER_SEQUENCE);
	size_t set = der_open(w, DER_SET);
	size_t seq = der_open(w, DER_SEQUENCE);

	put_oid(w, &oid_cn);
	der_put(w, DER_UTF8, cn, strlen(cn));
	der_close(w, seq);
	der_close(w, set);
	der_close(w, name);
}

static void put_public_key(struct writer *w, const uint8_t *point)
{
	size_t spki = der_open(w, DER_SEQUENCE);
	size_t seq = der_open(w, DER_SEQUENCE);

	put_oid(w, &oid_ec_key);
	put_oid(w, &oid_p256);
	der_close(w, seq);
	der_put_bits(w, point, KEY_POINT_LEN, 0);
	der_close(w, spki);
}

struct ext {
	size_t seq, value;
};

static struct ext ext_open(struct writer *w, const struct oid *o, bool critical)
{
	static const uint8_t yes = 0xff;
	struct ext e = { .seq = der_open(w, DER_SEQUENCE) };

	put_oid(w, o);
	if (critical)
		der_put(w, DER_BOOLEAN, &yes, 1);
	e.value = der_open(w, DER_OCTET_STRING);
	return e;
}

static void ext_close(struct writer *w, struct ext e)
{
	der_close(w, e.value);
	der_close(w, e.seq);
}

static void key_id(const uint8_t *point, uint8_t digest[static KEY_HASH_LEN])
{
	br_sha256_context c;

	br_sha256_init(&c);
	br_sha256_update(&c, point, KEY_POINT_LEN);
	br_sha256_out(&c, digest);
}

static void put_key_ids(struct writer *w, const struct cert_plan *p)
{
	uint8_t id[KEY_HASH_LEN];
	struct ext e;
	size_t seq;

	e = ext_open(w, &oid_subject_key, false);
	key_id(p->point, id);
	der_put(w, DER_OCTET_STRING, id, KEY_ID_LEN);
	ext_close(w, e);

	e = ext_open(w, &oid_issuer_key, false);
	seq = der_open(w, DER_SEQUENCE);
	key_id(p->signer->point, id);
	der_put(w, DER_CONTEXT, id, KEY_ID_LEN);
	der_close(w, seq);
	ext_close(w, e);
}

static void put_ca_extensions(struct writer *w)
{
	static const uint8_t yes = 0xff, no_further_ca = 0, cert_sign = 0x04;
	struct ext e;
	size_t seq;

	e = ext_open(w, &oid_constraints, true);
	seq = der_open(w, DER_SEQUENCE);
	der_put(w, DER_BOOLEAN, &yes, 1);
	der_put(w, DER_INTEGER, &no_further_ca, 1);
	der_close(w, seq);
	ext_close(w, e);

	e = ext_open(w, &oid_key_usage, true);
	der_put_bits(w, &cert_sign, 1, 2);
	ext_close(w, e);
}

static void put_alt_names(struct writer *w, const struct cert_plan *p)
{
	struct ext e = ext_open(w, &oid_alt_name, false);
	size_t seq = der_open(w, DER_SEQUENCE);
	struct addr6 addr6;
	uint8_t addr4[4];
	uint32_t ipv4;
	unsigned i;

	for (i = 0; i < p->name_count; i++) {
		if (addr4_parse(&ipv4, p->names[i])) {
			put32(addr4, ipv4);
			der_put(w, IP_ADDRESS, addr4, sizeof(addr4));
		} else if (addr6_parse(&addr6, p->names[i])) {
			der_put(w, IP_ADDRESS, addr6.b, sizeof(addr6.b));
		} else {
			der_put(w, DNS_NAME, p->names[i], strlen(p->names[i]));
		}
	}
	der_close(w, seq);
	ext_close(w, e);
}

static void put_end_extensions(struct writer *w, const struct cert_plan *p)
{
	static const uint8_t digital_signature = 0x80;
	struct ext e;
	size_t seq;

	e = ext_open(w, &oid_key_usage, true);
	der_put_bits(w, &digital_signature, 1, 7);
	ext_close(w, e);

	e = ext_open(w, &oid_ext_usage, false);
	seq = der_open(w, DER_SEQUENCE);
	put_oid(w, p->is_hub ? &oid_server : &oid_client);
	der_close(w, seq);
	ext_close(w, e);

	put_alt_names(w, p);
}

static void put_extensions(struct writer *w, const struct cert_plan *p)
{
	size_t outer = der_open(w, DER_CONTEXT_NESTED | 3);
	size_t seq = der_open(w, DER_SEQUENCE);
	struct ext e;

	if (p->is_ca)
		put_ca_extensions(w);
	else
		put_end_extensions(w, p);
	put_key_ids(w, p);
	e = ext_open(w, &oid_blocks, false);
	blocks_write(w, &p->blocks);
	ext_close(w, e);
	der_close(w, seq);
	der_close(w, outer);
}

/* TBSCertificate, RFC 5280, 4.1 */
static void put_signed_part(struct writer *w, const struct cert_plan *p)
{
	static const uint8_t v3 = 2;
	size_t tbs = der_open(w, DER_SEQUENCE);
	size_t mark = der_open(w, DER_CONTEXT_NESTED | 0);

	der_put(w, DER_INTEGER, &v3, 1);
	der_close(w, mark);
	der_put(w, DER_INTEGER, p->serial, CERT_SERIAL_LEN);
	put_algorithm(w);
	put_name(w, p->issuer);
	mark = der_open(w, DER_SEQUENCE);
	der_put_time(w, NOT_BEFORE);
	der_put_time(w, p->not_after);
	der_close(w, mark);
	put_name(w, p->subject);
	put_public_key(w, p->point);
	put_extensions(w, p);
	der_close(w, tbs);
}

size_t cert_issue(struct cert_plan *p, uint8_t out[static CERT_MAX])
{
	struct writer w = writer_of(out, CERT_MAX);
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t mark, start, len;

	random_bytes(p->serial, sizeof(p->serial));
	p->serial[0] = (uint8_t)((p->serial[0] & 0x3f) | 0x40);
	mark = der_open(&w, DER_SEQUENCE);
	start = w.len;
	put_signed_part(&w, p);
	len = key_sign(p->signer,
		       (struct span){ out + start, w.len - start }, signature);
	put_algorithm(&w);
	der_put_bits(&w, signature, len, 0);
	der_close(&w, mark);
	return w.full || !len ? 0 : w.len;
}

/* ---- reading ------------------------------------------------------------- */

static bool read_bits(struct span *from, struct span *bits)
{
	if (!der_take(from, DER_BIT_STRING, bits) || !bits->len || bits->at[0])
		return false;
	bits->at++;
	bits->len--;
	return true;
}

static bool read_algorithm(struct span *from)
{
	struct span seq, oid;

	return der_take(from, DER_SEQUENCE, &seq) &&
	       der_take(&seq, DER_OID, &oid) && !seq.len &&
	       oid_is(oid, &oid_ecdsa_sha256);
}

static bool read_serial(struct span *from, struct span *serial)
{
	return der_take(from, DER_INTEGER, serial) && serial->len &&
	       serial->len <= CERT_SERIAL_MAX && !(serial->at[0] & 0x80);
}

static bool read_validity(struct span *from, struct cert *c)
{
	struct der a, b;
	struct span seq;

	return der_take(from, DER_SEQUENCE, &seq) && der_read(&seq, &a) &&
	       der_read(&seq, &b) && !seq.len &&
	       der_time(a.tag, a.body, &c->not_before) &&
	       der_time(b.tag, b.body, &c->not_after);
}

static bool read_public_key(struct span *from, struct cert *c)
{
	struct span spki, seq, type, curve, point;

	if (!der_take(from, DER_SEQUENCE, &spki) ||
	    !der_take(&spki, DER_SEQUENCE, &seq) ||
	    !der_take(&seq, DER_OID, &type) || !oid_is(type, &oid_ec_key) ||
	    !der_take(&seq, DER_OID, &curve) || !oid_is(curve, &oid_p256) ||
	    seq.len || !read_bits(&spki, &point) || spki.len ||
	    point.len != KEY_POINT_LEN)
		return false;
	c->point = point.at;
	return true;
}

static bool read_constraints(struct cert *c, struct span value)
{
	struct span seq, flag;

	if (!der_take(&value, DER_SEQUENCE, &seq))
		return false;
	c->is_ca = der_take(&seq, DER_BOOLEAN, &flag) && flag.len == 1 &&
		   flag.at[0] == 0xff;
	return true;
}

static bool read_extension(struct span *from, struct cert *c)
{
	struct span seq, oid, flag, value;

	if (!der_take(from, DER_SEQUENCE, &seq) ||
	    !der_take(&seq, DER_OID, &oid))
		return false;
	if (der_is_next(seq, DER_BOOLEAN) &&
	    !der_take(&seq, DER_BOOLEAN, &flag))
		return false;
	if (!der_take(&seq, DER_OCTET_STRING, &value) || seq.len || !value.len)
		return false;
	if (oid_is(oid, &oid_constraints))
		return read_constraints(c, value);
	if (oid_is(oid, &oid_alt_name)) {
		if (c->names.len)
			return false;
		return der_take(&value, DER_SEQUENCE, &c->names) && !value.len;
	}
	if (oid_is(oid, &oid_blocks)) {
		if (c->blocks.len)
			return false;
		c->blocks = value;
	}
	return true;
}

static bool read_extensions(struct span *from, struct cert *c)
{
	struct span outer, list;

	if (!der_take(from, DER_CONTEXT_NESTED | 3, &outer) ||
	    !der_take(&outer, DER_SEQUENCE, &list) || outer.len)
		return false;
	while (list.len)
		if (!read_extension(&list, c))
			return false;
	return true;
}

static bool read_signed_part(struct span tbs, struct cert *c)
{
	struct span version, v;
	struct der name;

	if (!der_take(&tbs, DER_CONTEXT_NESTED | 0, &version) ||
	    !der_take(&version, DER_INTEGER, &v) || v.len != 1 || v.at[0] != 2)
		return false;
	if (!read_serial(&tbs, &c->serial) || !read_algorithm(&tbs) ||
	    !der_is_next(tbs, DER_SEQUENCE) || !der_read(&tbs, &name))
		return false;
	c->issuer = name.whole;
	if (!read_validity(&tbs, c) || !der_is_next(tbs, DER_SEQUENCE) ||
	    !der_read(&tbs, &name))
		return false;
	c->subject = name.whole;
	return read_public_key(&tbs, c) && read_extensions(&tbs, c) && !tbs.len;
}

bool cert_parse(struct cert *c, struct span der)
{
	struct span outer;
	struct der tbs;

	memset(c, 0, sizeof(*c));
	if (!der_take(&der, DER_SEQUENCE, &outer) || der.len ||
	    !der_is_next(outer, DER_SEQUENCE) || !der_read(&outer, &tbs) ||
	    !read_algorithm(&outer) || !read_bits(&outer, &c->signature) ||
	    outer.len)
		return false;
	c->signed_part = tbs.whole;
	return read_signed_part(tbs.body, c);
}

bool cert_is_signed_by(const struct cert *c,
		       const uint8_t point[static KEY_POINT_LEN])
{
	return key_verify(point, c->signed_part, c->signature);
}

/* ---- identity ------------------------------------------------------------ */

static bool name_ok(struct span name)
{
	size_t i;

	if (!name.len || name.len > CERT_NAME_MAX || name.at[0] == '-' ||
	    name.at[name.len - 1] == '-')
		return false;
	for (i = 0; i < name.len; i++)
		if (!(name.at[i] >= 'a' && name.at[i] <= 'z') &&
		    !(name.at[i] >= '0' && name.at[i] <= '9') &&
		    name.at[i] != '-')
			return false;
	return true;
}

bool cert_name_ok(const char *name)
{
	return name_ok((struct span){ (const uint8_t *)name, strlen(name) });
}

/* Which role does this dNSName give? "" none; the role's name goes to @to. */
static bool role_of(struct span dns, char to[static CERT_NAME_MAX + 1])
{
	static const char hub[] = CERT_HUB_NAME, edge[] = CERT_EDGE_SUFFIX;
	size_t suffix = sizeof(edge) - 1;

	if (dns.len == sizeof(hub) - 1 && !memcmp(dns.at, hub, dns.len)) {
		memcpy(to, "hub", 4);
		return true;
	}
	if (dns.len <= suffix ||
	    memcmp(dns.at + dns.len - suffix, edge, suffix))
		return false;
	dns.len -= suffix;
	if (!name_ok(dns))
		return false;
	memcpy(to, dns.at, dns.len);
	to[dns.len] = '\0';
	return true;
}

enum cert_doubt cert_identity(const struct cert *c, struct identity *id)
{
	struct span names = c->names;
	unsigned roles = 0;
	struct blocks b;
	struct der d;

	memset(id, 0, sizeof(*id));
	while (names.len && der_read(&names, &d))
		if (d.tag == DNS_NAME && role_of(d.body, id->name)) {
			id->is_hub = d.body.len == sizeof(CERT_HUB_NAME) - 1 &&
				     !memcmp(d.body.at, CERT_HUB_NAME,
					     d.body.len);
			roles++;
		}
	id->not_after = c->not_after;
	memcpy(id->serial, c->serial.at, c->serial.len);
	id->serial_len = (uint8_t)c->serial.len;
	if (roles != 1 || names.len || c->is_ca)
		return CERT_NO_ROLE;
	if (!blocks_parse(&b, c->blocks))
		return CERT_NO_BLOCKS;
	id->prefix = b.prefix;
	id->has_ipv4 = b.has_ipv4;
	id->ipv4 = b.ipv4;
	id->ipv4_len = b.ipv4_len;
	return CERT_FINE;
}

const char *cert_common_name(const struct cert *c, char *to, size_t cap)
{
	struct span name = c->subject, seq, set, pair, oid;
	struct der value;
	size_t i, len;

	memcpy(to, "?", 2);
	if (!der_take(&name, DER_SEQUENCE, &seq) ||
	    !der_take(&seq, DER_SET, &set) ||
	    !der_take(&set, DER_SEQUENCE, &pair) ||
	    !der_take(&pair, DER_OID, &oid) || !oid_is(oid, &oid_cn) ||
	    !der_read(&pair, &value))
		return to;
	len = value.body.len < cap ? value.body.len : cap - 1;
	for (i = 0; i < len; i++)
		to[i] = value.body.at[i] >= 0x20 && value.body.at[i] < 0x7f ?
				(char)value.body.at[i] : '?';
	to[len] = '\0';
	return to;
}
