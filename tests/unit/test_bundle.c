/* SPDX-License-Identifier: MIT
 *
 * test_bundle.c - bundles: what is read, and what is refused with which words
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "crypto/pem.h"
#include "tests/unit/pki_fixture.h"

static struct fixture_ca ca, other_ca;
static struct bundle alice, hub, got;
static uint8_t text[BUNDLE_FILE_MAX];
static char err[BUNDLE_ERROR_MAX];
static struct writer w;

static void setup(void)
{
	fixture_ca(&ca, "unmap CA 1");
	fixture_ca(&other_ca, "unmap CA 2");
	fixture_bundle(&alice, &ca, "alice");
	fixture_bundle(&hub, &ca, "hub");
	w = writer_of(text, sizeof(text));
	err[0] = '\0';
}

static bool parse(void)
{
	ck_assert(!w.full);
	return bundle_parse(&got, (struct span){ text, w.len }, "x.pem", err);
}

static void refused(const char *words)
{
	static const struct key no_key;

	ck_assert(!parse());
	ck_assert_msg(strstr(err, words), "says: %s", err);
	ck_assert_msg(!strncmp(err, "x.pem: ", 7), "says: %s", err);
	ck_assert_ptr_null(strchr(err, '\n'));
	ck_assert_mem_eq(&got.key, &no_key, sizeof(no_key));
}

START_TEST(round_trip)
{
	char addr[HUB_ADDR_TEXT];

	ck_assert(hub_addr_parse(&alice.hubs[1], "[2001:db8::7]:443"));
	alice.hub_count = 2;
	bundle_write(&w, &alice);
	ck_assert_msg(parse(), "%s", err);
	ck_assert_str_eq(got.id.name, "alice");
	ck_assert(!bundle_is_hub(&got));
	ck_assert_uint_eq(got.id.prefix.len, 64);
	ck_assert_int_eq(got.id.not_after, FIXTURE_LATER);
	ck_assert_uint_eq(got.hub_count, 2);
	ck_assert_str_eq(got.hubs[0].host, "hub.example.net");
	ck_assert_uint_eq(got.hubs[0].port, BUNDLE_PORT);
	ck_assert_str_eq(hub_addr_format(&got.hubs[1], addr),
			 "[2001:db8::7]:443");
	ck_assert_mem_eq(&got.key, &alice.key, sizeof(got.key));
	ck_assert_uint_eq(got.cert_len, alice.cert_len);
	ck_assert_mem_eq(got.cert, alice.cert, alice.cert_len);
	ck_assert_mem_eq(got.ca, ca.der, ca.len);
	bundle_wipe(&got);
	ck_assert_mem_ne(&got.key, &alice.key, sizeof(got.key));
}
END_TEST

START_TEST(line_ends_of_dos)
{
	static uint8_t dos[BUNDLE_FILE_MAX];
	size_t i, n = 0;

	bundle_write(&w, &alice);
	for (i = 0; i < w.len; i++) {
		if (text[i] == '\n')
			dos[n++] = '\r';
		dos[n++] = text[i];
	}
	ck_assert_msg(bundle_parse(&got, (struct span){ dos, n }, "x", err),
		      "%s", err);
	ck_assert_str_eq(got.hubs[0].host, "hub.example.net");
}
END_TEST

START_TEST(no_newline_at_end)
{
	bundle_write(&w, &alice);
	w.len--;
	ck_assert_msg(parse(), "%s", err);
}
END_TEST

START_TEST(empty)
{
	refused("not a bundle");
}
END_TEST

START_TEST(some_other_file)
{
	pem_print(&w, "root:x:0:0:root:/root:/bin/sh\n");
	refused("not a bundle");
}
END_TEST

START_TEST(certificate_only)
{
	pem_write(&w, "CERTIFICATE", (struct span){ alice.cert, alice.cert_len });
	refused("has no private key");
}
END_TEST

START_TEST(key_only)
{
	uint8_t der[KEY_DER_MAX];

	pem_write(&w, "PRIVATE KEY",
		  (struct span){ der, key_encode(&alice.key, der) });
	refused("truncated, a certificate is missing");
}
END_TEST

START_TEST(key_of_another)
{
	key_make(&alice.key);
	bundle_write(&w, &alice);
	refused("the private key does not match the certificate");
}
END_TEST

START_TEST(key_is_no_key)
{
	pem_write(&w, "PRIVATE KEY", (struct span){ ca.der, ca.len });
	refused("not a P-256 key");
}
END_TEST

START_TEST(ca_of_another)
{
	memcpy(alice.ca, other_ca.der, other_ca.len);
	alice.ca_len = other_ca.len;
	bundle_write(&w, &alice);
	refused("not signed by the CA in it");
}
END_TEST

/* First certificate is not the owner's */
START_TEST(certificates_swapped)
{
	struct bundle b = alice;

	memcpy(b.cert, alice.ca, alice.ca_len);
	b.cert_len = alice.ca_len;
	memcpy(b.ca, alice.cert, alice.cert_len);
	b.ca_len = alice.cert_len;
	bundle_write(&w, &b);
	refused("does not match");
}
END_TEST

START_TEST(two_bundles)
{
	bundle_write(&w, &alice);
	bundle_write(&w, &hub);
	refused("holds two bundles");
}
END_TEST

START_TEST(no_hub_line)
{
	alice.hub_count = 0;
	bundle_write(&w, &alice);
	refused("names no hub");
}
END_TEST

START_TEST(bad_hub_line)
{
	pem_print(&w, "hub: example.net:99999\n");
	bundle_write(&w, &alice);
	refused("not HOST[:PORT]");
}
END_TEST

START_TEST(too_many_hub_lines)
{
	unsigned i;

	for (i = 0; i < BUNDLE_HUBS_MAX; i++)
		pem_print(&w, "hub: example.net\n");
	bundle_write(&w, &alice);
	refused("more than 8 hub: lines");
}
END_TEST

START_TEST(without_role)
{
	struct cert_plan p = fixture_plan(&ca, &alice, "www.example.net");

	fixture_issue(&alice, &ca, &p);
	bundle_write(&w, &alice);
	refused("neither a hub's nor an edge's");
}
END_TEST

START_TEST(without_prefix)
{
	struct cert_plan p = fixture_plan(&ca, &alice, "a" CERT_EDGE_SUFFIX);

	p.blocks.prefix.len = 0;
	fixture_issue(&alice, &ca, &p);
	bundle_write(&w, &alice);
	refused("holds no usable prefix");
}
END_TEST

/* Cut anywhere: refused with words, and inside an object called truncated */
START_TEST(cut_anywhere)
{
	size_t all, first, last;

	bundle_write(&w, &alice);
	all = w.len;
	first = (size_t)((char *)memmem(text, all, "-----BEGIN", 10) -
			 (char *)text) + 30;
	last = all - (size_t)strlen("-----END CERTIFICATE-----\n");
	for (w.len = 0; w.len <= last; w.len++) {
		ck_assert(!parse());
		ck_assert_msg(w.len < first || strstr(err, "truncated"),
			      "at %zu: %s", w.len, err);
	}
}
END_TEST

/* One bit wrong in each byte: no crash, and never another key or certificate */
START_TEST(damaged_anywhere)
{
	size_t at;

	bundle_write(&w, &alice);
	for (at = 0; at < w.len; at++) {
		text[at] ^= 0x04;
		if (parse()) {
			ck_assert_mem_eq(&got.key, &alice.key, sizeof(got.key));
			ck_assert_mem_eq(got.cert, alice.cert, alice.cert_len);
		}
		text[at] ^= 0x04;
	}
}
END_TEST

/* ---- files --------------------------------------------------------------- */

static const char *put_file(const struct bundle *b)
{
	static char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/unmap-test-bundle" FIXTURE_TEMP);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	if (b)
		bundle_write(&w, b);
	ck_assert_int_eq(write(fd, text, w.len), (ssize_t)w.len);
	close(fd);
	return path;
}

START_TEST(load)
{
	const char *path = put_file(&alice);

	ck_assert_msg(bundle_load(&got, path, err), "%s", err);
	ck_assert_str_eq(got.id.name, "alice");
	unlink(path);
}
END_TEST

START_TEST(load_expired)
{
	struct cert_plan p = fixture_plan(&ca, &alice, "alice" CERT_EDGE_SUFFIX);
	const char *path;

	p.not_after = 1700000000;
	fixture_issue(&alice, &ca, &p);
	path = put_file(&alice);
	ck_assert(!bundle_load(&got, path, err));
	ck_assert_msg(strstr(err, "expired on 2023-11-14: run `unmap keygen renew DIR alice`"),
		      "says: %s", err);
	ck_assert(bundle_read(&got, path, err));
	unlink(path);
}
END_TEST

START_TEST(load_too_large)
{
	const char *path;

	memset(text, 'a', sizeof(text));
	w.len = sizeof(text);
	path = put_file(NULL);
	ck_assert(!bundle_load(&got, path, err));
	ck_assert_msg(strstr(err, "not a bundle"), "says: %s", err);
	ck_assert_int_eq(truncate(path, BUNDLE_FILE_MAX + 1), 0);
	ck_assert(!bundle_load(&got, path, err));
	ck_assert_msg(strstr(err, strerror(EFBIG)), "says: %s", err);
	unlink(path);
}
END_TEST

START_TEST(load_nothing)
{
	ck_assert(!bundle_load(&got, "/nonexistent/a.pem", err));
	ck_assert_msg(strstr(err, "cannot read /nonexistent/a.pem: No such file"),
		      "says: %s", err);
	ck_assert(!bundle_load(&got, "/tmp", err));
	ck_assert_msg(strstr(err, strerror(EISDIR)), "says: %s", err);
	ck_assert_int_eq(bundle_code(err), EX_NOINPUT);
	ck_assert(!bundle_load(&got, "/etc/passwd", err));
	ck_assert_int_eq(bundle_code(err), EX_DATAERR);
}
END_TEST

START_TEST(swapped_roles)
{
	ck_assert(bundle_expect(&alice, false, "a.pem", err));
	ck_assert(bundle_expect(&hub, true, "h.pem", err));
	ck_assert(!bundle_expect(&alice, true, "a.pem", err));
	ck_assert_str_eq(err, "a.pem is the bundle of edge alice: give the hub hub.pem");
	ck_assert(!bundle_expect(&hub, false, "h.pem", err));
	ck_assert_msg(!strncmp(err, "h.pem is the hub's bundle: ", 27), "%s",
		      err);
}
END_TEST

/* ---- addresses ----------------------------------------------------------- */

struct addr_row {
	const char *text, *back;	/* NULL: refused */
};

static const struct addr_row addrs[] = {
	{ "hub.example.net", "hub.example.net:6464" },
	{ "hub.example.net:443", "hub.example.net:443" },
	{ "203.0.113.10", "203.0.113.10:6464" },
	{ "203.0.113.10:65535", "203.0.113.10:65535" },
	{ "2001:db8::1", "[2001:db8::1]:6464" },
	{ "::1", "[::1]:6464" },
	{ "[2001:db8::1]", "[2001:db8::1]:6464" },
	{ "[2001:db8::1]:443", "[2001:db8::1]:443" },
	{ "a", "a:6464" },
	{ "", NULL },
	{ ":443", NULL },
	{ "a:", NULL },
	{ "a:0", NULL },
	{ "a:65536", NULL },
	{ "a:99999999999", NULL },
	{ "a:+1", NULL },
	{ "a:1 ", NULL },
	{ "a b", NULL },
	{ "a/b", NULL },
	{ "-a", NULL },
	{ ".a", NULL },
	{ "[a]:1", NULL },
	{ "[1.2.3.4]:1", NULL },
	{ "[2001:db8::1", NULL },
	{ "[2001:db8::1]443", NULL },
	{ "[2001:db8::1]:", NULL },
	{ "[]:1", NULL },
	{ "2001:db8::g", NULL },
	{ "a:b:c", NULL },
};

START_TEST(hub_addresses)
{
	const struct addr_row *r = &addrs[_i];
	char back[HUB_ADDR_TEXT];
	struct hub_addr a;
	bool ok = hub_addr_parse(&a, r->text);

	ck_assert_msg(ok == (r->back != NULL), "%s", r->text);
	if (ok)
		ck_assert_str_eq(hub_addr_format(&a, back), r->back);
}
END_TEST

START_TEST(long_hub_addresses)
{
	char name[400];
	struct hub_addr a;

	memset(name, 'a', sizeof(name));
	for (int i = 50; i < 250; i += 50)
		name[i] = '.';
	name[253] = '\0';
	ck_assert(hub_addr_parse(&a, name));
	name[253] = 'a';
	name[254] = '\0';
	ck_assert(!hub_addr_parse(&a, name));
	name[254] = 'a';
	name[399] = '\0';
	ck_assert(!hub_addr_parse(&a, name));
	name[0] = '[';
	name[398] = ']';
	ck_assert(!hub_addr_parse(&a, name));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bundle");
	TCase *t = tcase_create("bundle");

	tcase_set_timeout(t, 100);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, round_trip);
	tcase_add_test(t, line_ends_of_dos);
	tcase_add_test(t, no_newline_at_end);
	tcase_add_test(t, empty);
	tcase_add_test(t, some_other_file);
	tcase_add_test(t, certificate_only);
	tcase_add_test(t, key_only);
	tcase_add_test(t, key_of_another);
	tcase_add_test(t, key_is_no_key);
	tcase_add_test(t, ca_of_another);
	tcase_add_test(t, certificates_swapped);
	tcase_add_test(t, two_bundles);
	tcase_add_test(t, no_hub_line);
	tcase_add_test(t, bad_hub_line);
	tcase_add_test(t, too_many_hub_lines);
	tcase_add_test(t, without_role);
	tcase_add_test(t, without_prefix);
	tcase_add_test(t, cut_anywhere);
	tcase_add_test(t, damaged_anywhere);
	tcase_add_test(t, load);
	tcase_add_test(t, load_expired);
	tcase_add_test(t, load_too_large);
	tcase_add_test(t, load_nothing);
	tcase_add_test(t, swapped_roles);
	tcase_add_loop_test(t, hub_addresses, 0,
			    sizeof(addrs) / sizeof(addrs[0]));
	tcase_add_test(t, long_hub_addresses);
	suite_add_tcase(s, t);
	return fixture_run(s);
}
