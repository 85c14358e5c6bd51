/* SPDX-License-Identifier: MIT
 *
 * test_cert.c - DER, keys, certificates
 */
#include <time.h>

#include "crypto/der.h"
#include "tests/unit/pki_fixture.h"

/* ---- DER ----------------------------------------------------------------- */

struct time_row {
	uint8_t tag;
	const char *text;
	int64_t seconds;	/* -1: refused */
};

static const struct time_row times[] = {
	{ DER_UTC_TIME, "700101000000Z", 0 },
	{ DER_UTC_TIME, "200101000000Z", 1577836800 },
	{ DER_UTC_TIME, "491231235959Z", 2524607999 },
	{ DER_UTC_TIME, "000229120000Z", 951825600 },
	{ DER_GENERALIZED_TIME, "20500101000000Z", 2524608000 },
	{ DER_GENERALIZED_TIME, "99991231235959Z", CERT_NEVER },
	{ DER_UTC_TIME, "2001010000Z", -1 },
	{ DER_UTC_TIME, "200101000000+", -1 },
	{ DER_UTC_TIME, "201301000000Z", -1 },
	{ DER_UTC_TIME, "20010100000xZ", -1 },
	{ DER_UTC_TIME, "200101240000Z", -1 },
	{ DER_GENERALIZED_TIME, "200101000000Z", -1 },
	{ DER_INTEGER, "200101000000Z", -1 },
};

START_TEST(time_vectors)
{
	const struct time_row *r = &times[_i];
	struct span s = { (const uint8_t *)r->text, strlen(r->text) };
	int64_t got = -1;
	uint8_t out[20];
	struct writer w = writer_of(out, sizeof(out));

	ck_assert(der_time(r->tag, s, &got) == (r->seconds >= 0));
	ck_assert_int_eq(got, r->seconds);
	if (got < 0)
		return;
	der_put_time(&w, got);
	ck_assert_uint_eq(out[0], r->tag);
	ck_assert_mem_eq(out + 2, r->text, s.len);
}
END_TEST

/* Our calendar against libc's, a day at a time over two centuries */
START_TEST(every_day)
{
	int64_t day, got;
	uint8_t out[20];

	for (day = 0; day < 146097 / 2; day++) {
		struct writer w = writer_of(out, sizeof(out));
		struct span s = { out, 0 };
		struct der d;

		der_put_time(&w, day * 86400 + 3723);
		s.len = w.len;
		ck_assert(der_read(&s, &d) && der_time(d.tag, d.body, &got));
		ck_assert_int_eq(got, day * 86400 + 3723);
	}
}
END_TEST

START_TEST(lengths)
{
	static const size_t lens[] = { 0, 1, 127, 128, 255, 256, 4000, 65535 };
	static uint8_t out[70000], body[65535];
	size_t len = lens[_i], cut;
	struct writer w = writer_of(out, sizeof(out));
	struct span s, got;

	memset(body, 0x5a, sizeof(body));
	der_put(&w, DER_OCTET_STRING, body, len);
	ck_assert(!w.full);
	s = (struct span){ out, w.len };
	ck_assert(der_take(&s, DER_OCTET_STRING, &got));
	ck_assert_uint_eq(got.len, len);
	ck_assert(!len || !memcmp(got.at, body, len));
	ck_assert_uint_eq(s.len, 0);
	for (cut = 0; cut < w.len && cut < 300; cut++) {
		s = (struct span){ out, cut };
		ck_assert(!der_take(&s, DER_OCTET_STRING, &got));
	}
	/* No room for it: sticky, and nothing behind the end is touched. */
	out[w.len - 1] = 0xee;
	cut = w.len;
	w = writer_of(out, cut - 1);
	der_put(&w, DER_OCTET_STRING, body, len);
	ck_assert(w.full);
	ck_assert_uint_eq(out[cut - 1], 0xee);
}
END_TEST

/* ---- keys ---------------------------------------------------------------- */

START_TEST(key_round_trip)
{
	struct key k, again;
	uint8_t der[KEY_DER_MAX], signature[KEY_SIGNATURE_MAX];
	struct span text = { (const uint8_t *)"unmap", 5 };
	size_t len, n;

	key_make(&k);
	len = key_encode(&k, der);
	ck_assert_uint_gt(len, 100);
	ck_assert(key_decode(&again, (struct span){ der, len }));
	ck_assert_mem_eq(&k, &again, sizeof(k));
	ck_assert(!key_decode(&again, (struct span){ der, len - 1 }));

	n = key_sign(&k, text, signature);
	ck_assert(key_verify(k.point, text, (struct span){ signature, n }));
	text.len = 4;
	ck_assert(!key_verify(k.point, text, (struct span){ signature, n }));
	text.len = 5;
	signature[n - 1] ^= 1;
	ck_assert(!key_verify(k.point, text, (struct span){ signature, n }));
	ck_assert(!key_verify(k.point, text, (struct span){ signature, 0 }));
}
END_TEST

/* RFC 6979, A.2.5: P-256, SHA-256, message "sample" */
START_TEST(key_vector)
{
	static const uint8_t secret[] = {
		0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c,
		0x21, 0x57, 0x67, 0xb1, 0xd6, 0x93, 0x4e, 0x50, 0xc3, 0xdb,
		0x36, 0xe8, 0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f,
		0x67, 0x21,
	};
	static const uint8_t ux[] = { 0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d,
				      0x31 };
	static const uint8_t r[] = { 0xef, 0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8,
				     0xfd, 0x11, 0x40, 0xdd, 0x9c, 0xd4, 0x5e,
				     0x81, 0xd6, 0x9d, 0x2c, 0x87, 0x7b, 0x56,
				     0xaa, 0xf9, 0x91, 0xc3, 0x4d, 0x0e, 0xa8,
				     0x4e, 0xaf, 0x37, 0x16 };
	uint8_t der[] = { 0x30, 0x31, 2, 1, 1, 4, 32, [39] = 0xa0, 10, 6, 8,
			  0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
	uint8_t signature[KEY_SIGNATURE_MAX];
	struct key k;
	size_t n;

	memcpy(der + 7, secret, sizeof(secret));
	ck_assert(key_decode(&k, (struct span){ der, sizeof(der) }));
	ck_assert_uint_eq(k.point[0], 4);
	ck_assert_mem_eq(k.point + 1, ux, sizeof(ux));
	n = key_sign(&k, (struct span){ (const uint8_t *)"sample", 6 },
		     signature);
	ck_assert_uint_gt(n, 69);
	ck_assert_mem_eq(signature + 5, r, sizeof(r));

	/* Secrets that are none: 0, and the order or more */
	memset(der + 7, 0, 32);
	ck_assert(!key_decode(&k, (struct span){ der, sizeof(der) }));
	memset(der + 7, 0xff, 32);
	ck_assert(!key_decode(&k, (struct span){ der, sizeof(der) }));
}
END_TEST

/* ---- certificates -------------------------------------------------------- */

static struct fixture_ca ca;
static struct bundle hub, alice;

static void setup(void)
{
	fixture_ca(&ca, "unmap CA");
	fixture_bundle(&hub, &ca, "hub");
	fixture_bundle(&alice, &ca, "alice");
}

static struct cert parsed(const struct bundle *b)
{
	struct cert c;

	ck_assert(cert_parse(&c, (struct span){ b->cert, b->cert_len }));
	return c;
}

START_TEST(parts)
{
	struct cert c = parsed(&alice), issuer;
	char cn[65];

	ck_assert(cert_parse(&issuer, (struct span){ ca.der, ca.len }));
	ck_assert(issuer.is_ca);
	ck_assert(!c.is_ca);
	ck_assert_int_eq(c.not_before, 1577836800);
	ck_assert_int_eq(c.not_after, FIXTURE_LATER);
	ck_assert_int_eq(issuer.not_after, CERT_NEVER);
	ck_assert(span_eq(c.issuer, issuer.subject));
	ck_assert(!span_eq(c.issuer, c.subject));
	ck_assert_mem_eq(c.point, alice.key.point, KEY_POINT_LEN);
	ck_assert_uint_eq(c.serial.len, CERT_SERIAL_LEN);
	ck_assert(c.serial.at[0] >= 0x40 && c.serial.at[0] < 0x80);
	ck_assert_str_eq(cert_common_name(&c, cn, sizeof(cn)),
			 "alice.edge.unmap.invalid");
	ck_assert_str_eq(cert_common_name(&c, cn, 6), "alice");
	ck_assert(cert_is_signed_by(&c, ca.key.point));
	ck_assert(cert_is_signed_by(&issuer, ca.key.point));
	ck_assert(!cert_is_signed_by(&c, alice.key.point));
}
END_TEST

START_TEST(serials_differ)
{
	struct bundle again;

	fixture_bundle(&again, &ca, "alice");
	ck_assert_mem_ne(again.id.serial, alice.id.serial, CERT_SERIAL_LEN);
}
END_TEST

START_TEST(identities)
{
	struct cert c = parsed(&alice);
	struct identity id;

	ck_assert_int_eq(cert_identity(&c, &id), CERT_FINE);
	ck_assert_str_eq(id.name, "alice");
	ck_assert(!id.is_hub && !id.has_ipv4);
	ck_assert_uint_eq(id.prefix.len, 64);
	c = parsed(&hub);
	ck_assert_int_eq(cert_identity(&c, &id), CERT_FINE);
	ck_assert(id.is_hub);
	ck_assert_uint_eq(id.prefix.len, 48);
	ck_assert(cert_parse(&c, (struct span){ ca.der, ca.len }));
	ck_assert_int_eq(cert_identity(&c, &id), CERT_NO_ROLE);
}
END_TEST

struct role_row {
	const char *names[3];
	enum cert_doubt want;
};

static const struct role_row roles[] = {
	{ { "bob.edge.unmap.invalid", "bob.example.net" }, CERT_FINE },
	{ { "x", "192.0.2.1", "bob.edge.unmap.invalid" }, CERT_FINE },
	{ { "hub.unmap.invalid", "hub.example.net", "2001:db8::1" },
	  CERT_FINE },
	{ { "a.edge.unmap.invalid", "b.edge.unmap.invalid" }, CERT_NO_ROLE },
	{ { "a.edge.unmap.invalid", "hub.unmap.invalid" }, CERT_NO_ROLE },
	{ { ".edge.unmap.invalid" }, CERT_NO_ROLE },
	{ { "edge.unmap.invalid" }, CERT_NO_ROLE },
	{ { "A.edge.unmap.invalid" }, CERT_NO_ROLE },
	{ { "a.b.edge.unmap.invalid" }, CERT_NO_ROLE },
	{ { "-a.edge.unmap.invalid" }, CERT_NO_ROLE },
	{ { "a.edge.unmap.invalid.example.net" }, CERT_NO_ROLE },
	{ { "xhub.unmap.invalid" }, CERT_NO_ROLE },
	{ { "hub.unmap.invali" }, CERT_NO_ROLE },
	{ { "a23456789012345678901234567890123.edge.unmap.invalid" },
	  CERT_NO_ROLE },
};

START_TEST(role_names)
{
	const struct role_row *r = &roles[_i];
	struct cert_plan p = fixture_plan(&ca, &alice, r->names[0]);
	struct identity id;
	struct cert c;
	unsigned i;

	for (i = 0; i < 3 && r->names[i]; i++)
		p.names[i] = r->names[i];
	p.name_count = i;
	alice.cert_len = cert_issue(&p, alice.cert);
	c = parsed(&alice);
	ck_assert_int_eq(cert_identity(&c, &id), r->want);
	if (r->want == CERT_FINE)
		ck_assert_str_eq(id.name, id.is_hub ? "hub" : "bob");
}
END_TEST

START_TEST(edge_names)
{
	ck_assert(cert_name_ok("a"));
	ck_assert(cert_name_ok("a-1"));
	ck_assert(cert_name_ok("01234567890123456789012345678901"));
	ck_assert(!cert_name_ok("012345678901234567890123456789012"));
	ck_assert(!cert_name_ok(""));
	ck_assert(!cert_name_ok("-a"));
	ck_assert(!cert_name_ok("a-"));
	ck_assert(!cert_name_ok("A"));
	ck_assert(!cert_name_ok("a.b"));
	ck_assert(!cert_name_ok("../a"));
	ck_assert(!cert_name_ok("a b"));
	ck_assert(!cert_name_ok("a\n"));
}
END_TEST

/* A name too long for the certificate: no certificate instead of a cut one */
START_TEST(too_large)
{
	static char names[CERT_NAMES_MAX][600];
	struct cert_plan p = fixture_plan(&ca, &alice, "x");
	unsigned i;

	for (i = 0; i < CERT_NAMES_MAX; i++) {
		memset(names[i], 'a', 599);
		p.names[i] = names[i];
	}
	p.name_count = CERT_NAMES_MAX;
	ck_assert_uint_eq(cert_issue(&p, alice.cert), 0);
}
END_TEST

/* Cut at each length, each bit flipped: no crash, no signature that holds */
START_TEST(damaged)
{
	uint8_t bytes[CERT_MAX];
	struct identity id;
	struct cert c;
	size_t at;

	for (at = 0; at < alice.cert_len; at++)
		ck_assert(!cert_parse(&c, (struct span){ alice.cert, at }));
	for (at = 0; at < alice.cert_len * 8; at++) {
		memcpy(bytes, alice.cert, alice.cert_len);
		bytes[at / 8] ^= (uint8_t)(1u << at % 8);
		if (!cert_parse(&c, (struct span){ bytes, alice.cert_len }))
			continue;
		cert_identity(&c, &id);
		ck_assert(at % 13 || !cert_is_signed_by(&c, ca.key.point));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cert");
	TCase *t = tcase_create("cert");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, time_vectors, 0,
			    sizeof(times) / sizeof(times[0]));
	tcase_add_test(t, every_day);
	tcase_add_loop_test(t, lengths, 0, 8);
	tcase_add_test(t, key_round_trip);
	tcase_add_test(t, key_vector);
	tcase_add_test(t, parts);
	tcase_add_test(t, serials_differ);
	tcase_add_test(t, identities);
	tcase_add_loop_test(t, role_names, 0, sizeof(roles) / sizeof(roles[0]));
	tcase_add_test(t, edge_names);
	tcase_add_test(t, too_large);
	tcase_add_test(t, damaged);
	suite_add_tcase(s, t);
	return fixture_run(s);
}
