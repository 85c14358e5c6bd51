/* SPDX-License-Identifier: MIT
 *
 * test_trust.c - time, revocation lists, the verifier's limits
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/pem.h"
#include "crypto/random.h"
#include "tests/unit/pki_fixture.h"

static struct fixture_ca ca, other_ca;
static struct bundle hub, alice, bob;
static struct revoked list;
static struct trust trust;
static uint8_t text[REVOKED_FILE_MAX];
static struct writer w;
static char err[REVOKED_ERROR_MAX];

static void setup(void)
{
	fixture_ca(&ca, "unmap CA 1");
	fixture_ca(&other_ca, "unmap CA 2");
	fixture_bundle(&hub, &ca, "hub");
	fixture_bundle(&alice, &ca, "alice");
	fixture_bundle(&bob, &ca, "bob");
	memset(&list, 0, sizeof(list));
	w = writer_of(text, sizeof(text));
}

static struct span ca_der(void)
{
	return (struct span){ ca.der, ca.len };
}

/* ---- time ---------------------------------------------------------------- */

START_TEST(clock_before_the_build)
{
	int64_t built = trust_clamp(0);

	ck_assert_int_ge(built, 1577836800);
	ck_assert_int_eq(trust_clamp(-5), built);
	ck_assert_int_eq(trust_clamp(built - 1), built);
	ck_assert_int_eq(trust_clamp(built + 1), built + 1);
	ck_assert_int_ge(trust_now(), (int64_t)time(NULL));
}
END_TEST

/* ---- lists --------------------------------------------------------------- */

static void put_row(const uint8_t *serial, const char *name)
{
	unsigned i;

	for (i = 0; i < CERT_SERIAL_LEN; i++)
		pem_print(&w, "%02x", serial[i]);
	pem_print(&w, " %s\n", name);
}

static void put_signature(const struct fixture_ca *by)
{
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t len = key_sign(&by->key, (struct span){ text, w.len }, signature);

	pem_write(&w, REVOKED_LABEL, (struct span){ signature, len });
}

static bool parse(void)
{
	ck_assert(!w.full);
	return revoked_parse(&list, (struct span){ text, w.len }, "revoked",
			     ca_der(), err);
}

static void refused(const char *words)
{
	ck_assert(revoked_add(&list, bob.id.serial));
	ck_assert(!parse());
	ck_assert_msg(strstr(err, words), "says: %s", err);
	ck_assert_uint_eq(list.count, 1);	/* the old one stays */
	ck_assert(revoked_has(&list, &bob.id));
}

START_TEST(list_of_none)
{
	ck_assert(!revoked_has(NULL, &alice.id));
	ck_assert(!revoked_has(&list, &alice.id));
	pem_print(&w, REVOKED_HEAD "\n");
	put_signature(&ca);
	ck_assert_msg(parse(), "%s", err);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(list_of_some)
{
	uint8_t serial[CERT_SERIAL_LEN];
	unsigned i;

	pem_print(&w, REVOKED_HEAD "\n");
	for (i = 0; i < 1000; i++) {
		random_bytes(serial, sizeof(serial));
		put_row(i == 500 ? alice.id.serial : serial, "someone");
	}
	put_signature(&ca);
	ck_assert_msg(parse(), "%s", err);
	ck_assert_uint_eq(list.count, 1000);
	ck_assert(revoked_has(&list, &alice.id));
	ck_assert(!revoked_has(&list, &bob.id));
}
END_TEST

START_TEST(list_full)
{
	uint8_t serial[CERT_SERIAL_LEN] = { 0 };
	unsigned i;

	pem_print(&w, REVOKED_HEAD "\n");
	for (i = 0; i < REVOKED_MAX; i++) {
		serial[14] = (uint8_t)(i >> 8);
		serial[15] = (uint8_t)i;
		put_row(serial, "someone");
	}
	put_signature(&ca);
	ck_assert_msg(parse(), "%s", err);
	ck_assert_uint_eq(list.count, REVOKED_MAX);
	ck_assert(revoked_add(&list, serial));
	ck_assert(!revoked_add(&list, alice.id.serial));
	ck_assert_uint_eq(list.count, REVOKED_MAX);
}
END_TEST

START_TEST(list_too_long)
{
	unsigned i;

	pem_print(&w, REVOKED_HEAD "\n");
	for (i = 0; i <= REVOKED_MAX; i++)
		put_row(alice.id.serial, "alice");
	put_signature(&ca);
	refused("another version");
}
END_TEST

START_TEST(list_of_other_ca)
{
	pem_print(&w, REVOKED_HEAD "\n");
	put_row(alice.id.serial, "alice");
	put_signature(&other_ca);
	refused("not signed by this hub's CA");
}
END_TEST

START_TEST(list_altered)
{
	pem_print(&w, REVOKED_HEAD "\n");
	put_row(alice.id.serial, "alice");
	put_signature(&ca);
	text[20] = text[20] == '0' ? '1' : '0';
	refused("not signed");
}
END_TEST

START_TEST(list_extended)
{
	pem_print(&w, REVOKED_HEAD "\n");
	put_signature(&ca);
	put_row(alice.id.serial, "alice");
	refused("truncated or not a list");
}
END_TEST

START_TEST(list_with_another_head)
{
	pem_print(&w, "unmap revoked 2\n");
	put_signature(&ca);
	refused("another version");
}
END_TEST

START_TEST(list_with_a_bad_line)
{
	pem_print(&w, REVOKED_HEAD "\n0123 alice\n");
	put_signature(&ca);
	refused("another version");
}
END_TEST

START_TEST(list_cut)
{
	size_t all;

	pem_print(&w, REVOKED_HEAD "\n");
	put_row(alice.id.serial, "alice");
	put_signature(&ca);
	all = w.len - 2;
	for (w.len = 0; w.len < all; w.len++)
		ck_assert_msg(!parse(), "cut at %zu", w.len);
}
END_TEST

START_TEST(list_files)
{
	char path[] = "/tmp/unmap-test-trust" FIXTURE_TEMP;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	pem_print(&w, REVOKED_HEAD "\n");
	put_row(alice.id.serial, "alice");
	put_signature(&ca);
	ck_assert_int_eq(write(fd, text, w.len), (ssize_t)w.len);
	close(fd);
	ck_assert_msg(revoked_load(&list, path, ca_der(), err), "%s", err);
	ck_assert_uint_eq(list.count, 1);
	ck_assert(!revoked_load(&list, "/tmp", ca_der(), err));
	ck_assert_msg(strstr(err, "cannot read /tmp: "), "%s", err);
	ck_assert_uint_eq(list.count, 1);
	unlink(path);
	ck_assert(revoked_load(&list, path, ca_der(), err));
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

/* ---- the verifier -------------------------------------------------------- */

static void feed(const uint8_t *cert, size_t len, size_t piece)
{
	size_t at, n;

	trust.vtable->start_cert(&trust.vtable, (uint32_t)len);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		trust.vtable->append(&trust.vtable, cert + at, n);
	}
	trust.vtable->end_cert(&trust.vtable);
}

static unsigned verify(const struct bundle *b, bool want_hub, size_t piece)
{
	ck_assert(trust_init(&trust, ca_der(), want_hub, &list));
	trust.vtable->start_chain(&trust.vtable, "ignored.example");
	feed(b->cert, b->cert_len, piece);
	return trust.vtable->end_chain(&trust.vtable);
}

START_TEST(chain_of_one)
{
	ck_assert_uint_eq(verify(&alice, false, 1 + 50u * (unsigned)_i), 0);
	ck_assert(trust.is_verified);
	ck_assert_str_eq(trust.id.name, "alice");
	ck_assert_ptr_nonnull(trust.vtable->get_pkey(&trust.vtable, NULL));
}
END_TEST

START_TEST(chain_with_its_ca)
{
	ck_assert(trust_init(&trust, ca_der(), false, NULL));
	trust.vtable->start_chain(&trust.vtable, NULL);
	feed(alice.cert, alice.cert_len, 100);
	feed(ca.der, ca.len, 100);
	ck_assert_uint_eq(trust.vtable->end_chain(&trust.vtable), 0);
	ck_assert_str_eq(trust.id.name, "alice");
}
END_TEST

/* An edge as a CA of its own: its key may not sign others */
START_TEST(chain_through_an_edge)
{
	struct cert_plan p;
	struct bundle mallory;

	fixture_bundle(&mallory, &ca, "mallory");
	p = fixture_plan(&ca, &mallory, "admin" CERT_EDGE_SUFFIX);
	p.issuer = "alice" CERT_EDGE_SUFFIX;
	p.signer = &alice.key;
	mallory.cert_len = cert_issue(&p, mallory.cert);
	ck_assert(trust_init(&trust, ca_der(), false, NULL));
	trust.vtable->start_chain(&trust.vtable, NULL);
	feed(mallory.cert, mallory.cert_len, 100);
	feed(alice.cert, alice.cert_len, 100);
	ck_assert_uint_ne(trust.vtable->end_chain(&trust.vtable), 0);
	ck_assert(!trust.is_verified);
}
END_TEST

START_TEST(chain_too_long)
{
	unsigned i;

	ck_assert(trust_init(&trust, ca_der(), false, NULL));
	trust.vtable->start_chain(&trust.vtable, NULL);
	for (i = 0; i <= TRUST_CHAIN_MAX; i++)
		feed(alice.cert, alice.cert_len, 100);
	ck_assert_uint_eq(trust.vtable->end_chain(&trust.vtable),
			  TRUST_CHAIN_LONG);
}
END_TEST

START_TEST(certificate_too_large)
{
	static uint8_t large[CERT_MAX + 1];

	ck_assert(trust_init(&trust, ca_der(), false, NULL));
	trust.vtable->start_chain(&trust.vtable, NULL);
	feed(large, sizeof(large), 100);
	ck_assert_uint_eq(trust.vtable->end_chain(&trust.vtable),
			  TRUST_CHAIN_LONG);
	/* A length that lies: more bytes than announced */
	trust.vtable->start_chain(&trust.vtable, NULL);
	trust.vtable->start_cert(&trust.vtable, 10);
	trust.vtable->append(&trust.vtable, large, sizeof(large));
	trust.vtable->end_cert(&trust.vtable);
	ck_assert_uint_ne(trust.vtable->end_chain(&trust.vtable), 0);
}
END_TEST

START_TEST(chain_of_none)
{
	ck_assert(trust_init(&trust, ca_der(), false, NULL));
	trust.vtable->start_chain(&trust.vtable, NULL);
	ck_assert_uint_eq(trust.vtable->end_chain(&trust.vtable),
			  BR_ERR_X509_EMPTY_CHAIN);
}
END_TEST

START_TEST(roles)
{
	ck_assert_uint_eq(verify(&hub, true, 100), 0);
	ck_assert_uint_eq(verify(&hub, false, 100), TRUST_NOT_EDGE);
	ck_assert(!trust.is_verified);
	ck_assert_uint_eq(verify(&alice, true, 100), TRUST_NOT_HUB);
	ck_assert(!trust.is_verified);
}
END_TEST

START_TEST(revoked_one)
{
	ck_assert(revoked_add(&list, alice.id.serial));
	ck_assert_uint_eq(verify(&alice, false, 100), TRUST_REVOKED);
	ck_assert(!trust.is_verified);
	ck_assert_uint_eq(verify(&bob, false, 100), 0);
}
END_TEST

/* The same engine for the next chain: nothing is left of the last one */
START_TEST(used_again)
{
	ck_assert_uint_eq(verify(&alice, false, 100), 0);
	trust.vtable->start_chain(&trust.vtable, NULL);
	ck_assert(!trust.is_verified);
	feed(hub.cert, hub.cert_len, 100);
	ck_assert_uint_eq(trust.vtable->end_chain(&trust.vtable),
			  TRUST_NOT_EDGE);
}
END_TEST

START_TEST(an_end_is_no_ca)
{
	ck_assert(!trust_init(&trust,
			      (struct span){ alice.cert, alice.cert_len },
			      false, NULL));
	ck_assert(!trust_init(&trust, (struct span){ ca.der, ca.len - 1 },
			      false, NULL));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("trust");
	TCase *t = tcase_create("trust");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, clock_before_the_build);
	tcase_add_test(t, list_of_none);
	tcase_add_test(t, list_of_some);
	tcase_add_test(t, list_full);
	tcase_add_test(t, list_too_long);
	tcase_add_test(t, list_of_other_ca);
	tcase_add_test(t, list_altered);
	tcase_add_test(t, list_extended);
	tcase_add_test(t, list_with_another_head);
	tcase_add_test(t, list_with_a_bad_line);
	tcase_add_test(t, list_cut);
	tcase_add_test(t, list_files);
	tcase_add_loop_test(t, chain_of_one, 0, 4);
	tcase_add_test(t, chain_with_its_ca);
	tcase_add_test(t, chain_through_an_edge);
	tcase_add_test(t, chain_too_long);
	tcase_add_test(t, certificate_too_large);
	tcase_add_test(t, chain_of_none);
	tcase_add_test(t, roles);
	tcase_add_test(t, revoked_one);
	tcase_add_test(t, used_again);
	tcase_add_test(t, an_end_is_no_ca);
	suite_add_tcase(s, t);
	return fixture_run(s);
}
