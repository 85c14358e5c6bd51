/* SPDX-License-Identifier: MIT
 *
 * test_blocks.c - RFC 3779 address blocks
 */
#include "crypto/blocks.h"
#include "tests/unit/pki_fixture.h"

struct row {
	const char *name, *hex;	/* contents of the extension */
	const char *prefix;	/* NULL: refused */
	uint32_t ipv4;
	uint8_t ipv4_len;
};

/* Encodings by hand from RFC 3779, 2.1 and 2.2.3 */
static const struct row rows[] = {
	{ "a /64", "30133011 04020002 300b 0309 00 20010db801000001",
	  "2001:db8:100:1::/64", 0, 0 },
	{ "a /48, shortest form", "3011300f 04020002 3009 0307 00 20010db80100",
	  "2001:db8:100::/48", 0, 0 },
	{ "a /60, four bits unused",
	  "30133011 04020002 300b 0309 04 20010db801000010",
	  "2001:db8:100:10::/60", 0, 0 },
	{ "IPv4 10.5.0.4/32 as well",
	  "3022 300d04020001 3007 0305 00 0a050004"
	  "3011 04020002 300b 0309 00 20010db801000001",
	  "2001:db8:100:1::/64", 0x0a050004, 32 },
	{ "IPv4 10.5.0/23, the example of 2.1.1",
	  "3021 300c04020001 3006 0304 01 0a0500"
	  "3011 04020002 300b 0309 00 20010db801000001",
	  "2001:db8:100:1::/64", 0x0a050000, 23 },

	{ "nothing", "", NULL, 0, 0 },
	{ "empty list", "3000", NULL, 0, 0 },
	{ "only IPv4", "300f 300d04020001 3007 0305 00 0a050004", NULL, 0, 0 },
	{ "two IPv6 prefixes",
	  "301e301c 04020002 3016 0309 00 20010db801000001"
	  "0309 00 20010db801000003", NULL, 0, 0 },
	{ "two IPv6 families",
	  "3026 3011 04020002 300b 0309 00 20010db801000001"
	  "3011 04020002 300b 0309 00 20010db801000003", NULL, 0, 0 },
	{ "IPv6 before IPv4",
	  "3022 3011 04020002 300b 0309 00 20010db801000001"
	  "300d04020001 3007 0305 00 0a050004", NULL, 0, 0 },
	{ "two IPv4 families",
	  "3031 300d04020001 3007 0305 00 0a050004"
	  "300d04020001 3007 0305 00 0a050005"
	  "3011 04020002 300b 0309 00 20010db801000001", NULL, 0, 0 },
	{ "inherit", "300a3008 04020002 0500 0500", NULL, 0, 0 },
	{ "inherit alone", "30083006 04020002 0500", NULL, 0, 0 },
	{ "a range", "301d301b 04020002 3015 3013"
	  "0308 00 20010db8010000 0307 00 20010db80102", NULL, 0, 0 },
	{ "with SAFI", "30143012 0403000201 300b 0309 00 20010db801000001",
	  NULL, 0, 0 },
	{ "another family", "30133011 04020003 300b 0309 00 20010db801000001",
	  NULL, 0, 0 },
	{ "bits beyond the length",
	  "30133011 04020002 300b 0309 04 20010db801000011", NULL, 0, 0 },
	{ "eight bits unused",
	  "30133011 04020002 300b 0309 08 20010db801000000", NULL, 0, 0 },
	{ "default route", "300b3009 04020002 3003 0301 00", NULL, 0, 0 },
	{ "unused bits of nothing", "300b3009 04020002 3003 0301 04", NULL, 0,
	  0 },
	{ "longer than /64",
	  "30143012 04020002 300c 030a 00 20010db80100000101", NULL, 0, 0 },
	{ "longer than an address", "301c301a 04020002 3014 0312 00"
	  "20010db801000001 0000000000000001 00", NULL, 0, 0 },
	{ "IPv4 of five bytes",
	  "3023 300e04020001 3008 0306 00 0a05000400"
	  "3011 04020002 300b 0309 00 20010db801000001", NULL, 0, 0 },
	{ "IPv4 default route",
	  "301e 300904020001 3003 0301 00"
	  "3011 04020002 300b 0309 00 20010db801000001", NULL, 0, 0 },
	{ "bytes behind", "30133011 04020002 300b 0309 00 20010db801000001 00",
	  NULL, 0, 0 },
	{ "bytes behind the prefix",
	  "30153013 04020002 300d 0309 00 20010db801000001 0500", NULL, 0, 0 },
	{ "cut", "30133011 04020002 300b 0309 00 20010db8010000", NULL, 0, 0 },
	{ "indefinite length",
	  "30803011 04020002 300b 0309 00 20010db801000001 0000", NULL, 0, 0 },
	{ "length not in its shortest form",
	  "3081133011 04020002 300b 0309 00 20010db801000001", NULL, 0, 0 },
};

static size_t from_hex(const char *hex, uint8_t *to)
{
	unsigned v, n = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		ck_assert_int_eq(sscanf(hex, "%2x", &v), 1);
		to[n++] = (uint8_t)v;
		hex++;
	}
	return n;
}

START_TEST(vectors)
{
	const struct row *r = &rows[_i];
	struct blocks b = { .ipv4_len = 99 };
	char text[PREFIX6_TEXT];
	uint8_t bytes[80];
	struct writer w;
	size_t len = from_hex(r->hex, bytes);
	bool ok = blocks_parse(&b, (struct span){ bytes, len });

	ck_assert_msg(ok == (r->prefix != NULL), "%s", r->name);
	if (!ok) {
		ck_assert_uint_eq(b.ipv4_len, 99);	/* untouched */
		return;
	}
	ck_assert_str_eq(prefix6_format(&b.prefix, text), r->prefix);
	ck_assert_uint_eq(b.ipv4_len, r->ipv4_len);
	ck_assert_uint_eq(b.ipv4, r->ipv4);
	ck_assert(b.has_ipv4 == (r->ipv4_len > 0));

	/* And the writer gives the same bytes. */
	uint8_t again[80];

	w = writer_of(again, sizeof(again));
	blocks_write(&w, &b);
	ck_assert_uint_eq(w.len, len);
	ck_assert_mem_eq(again, bytes, len);
}
END_TEST

/* Each byte of a good extension set to each value: no crash, and whatever is
 * accepted is one prefix within the limits.
 */
START_TEST(every_byte)
{
	uint8_t bytes[80], saved;
	size_t len = from_hex(rows[3].hex, bytes), at;
	unsigned v, accepted = 0;
	struct blocks b;

	for (at = 0; at < len; at++) {
		saved = bytes[at];
		for (v = 0; v < 256; v++) {
			bytes[at] = (uint8_t)v;
			if (!blocks_parse(&b, (struct span){ bytes, len }))
				continue;
			accepted++;
			ck_assert(b.prefix.len >= BLOCKS_LEN_MIN &&
				  b.prefix.len <= BLOCKS_LEN_MAX);
			ck_assert(prefix6_covers(&b.prefix, &b.prefix));
		}
		bytes[at] = saved;
	}
	ck_assert_uint_gt(accepted, 256);
}
END_TEST

START_TEST(writer_of_the_ca)
{
	static const uint8_t want[] = {
		0x30, 0x16, 0x30, 9, 4, 2, 0, 1, 0x30, 3, 3, 1, 0,
		0x30, 9, 4, 2, 0, 2, 0x30, 3, 3, 1, 0,
	};
	struct blocks b = { .has_ipv4 = true };
	uint8_t out[40];
	struct writer w = writer_of(out, sizeof(out));

	blocks_write(&w, &b);
	ck_assert_uint_eq(w.len, sizeof(want));
	ck_assert_mem_eq(out, want, sizeof(want));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("blocks");
	TCase *t = tcase_create("blocks");

	tcase_add_loop_test(t, vectors, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(t, every_byte);
	tcase_add_test(t, writer_of_the_ca);
	suite_add_tcase(s, t);
	return fixture_run(s);
}
