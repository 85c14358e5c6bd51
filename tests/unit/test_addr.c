/* SPDX-License-Identifier: MIT
 *
 * test_addr.c - text of addresses and prefixes
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>

#include "core/addr.h"
#include "tests/unit/packets.h"

/* Text in, canonical text out: RFC 5952, 4 and 5, RFC 4291, 2.2 */
static const struct { const char *in, *out; } canonical[] = {
	{ "2001:0db8::0001", "2001:db8::1" },			/* 4.1 */
	{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },		/* 4.2.1 */
	{ "2001:db8::0:1", "2001:db8::1" },			/* 4.2.1 */
	{ "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },	/* 4.2.2 */
	{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },		/* 4.2.3 */
	{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },	/* 4.2.3 */
	{ "2001:DB8:AaAa::FfFf", "2001:db8:aaaa::ffff" },	/* 4.3 */
	{ "0:0:0:0:0:ffff:192.0.2.1", "::ffff:192.0.2.1" },	/* 5 */
	{ "64:ff9b::c000:221", "64:ff9b::192.0.2.33" },		/* 5 */
	{ "::ffff:0:0", "::ffff:0.0.0.0" },
	{ "64:ff9b::", "64:ff9b::0.0.0.0" },
	{ "::13.1.68.3", "::d01:4403" },
	{ "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
	{ "::", "::" },
	{ "::1", "::1" },
	{ "1::", "1::" },
	{ "0:0:0:0:0:0:0:0", "::" },
	{ "1:0:0:0:0:0:0:0", "1::" },
	{ "0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7" },
	{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
	{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "fe80::1:0:0:0", "fe80::1:0:0:0" },
	{ "10:200:3000::", "10:200:3000::" },
};

static const char *const wrong6[] = {
	"", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
	"1:2:3:4:5:6:7:8::", "1::2:3:4:5:6:7:8", "::1::", "1::2::3",
	"12345::", "g::", "1:", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7:8",
	"fe80::1%eth0", "::1 ", " ::1", "::1/64", "1:2:3:4:5:6:7:1.2.3.4",
	"::1.2.3", "::1.2.3.4.5", "::1.2.3.4:5", "::01.2.3.4", "::256.1.1.1",
	"1.2.3.4", "::1.2.3.4/96", "::00000", "1:2:3:4:5:6:7::8:", "::.1.2.3",
	"1:::2", "::-1", "0x1::",
};

START_TEST(text6_canonical)
{
	struct addr6 a, b;
	char to[ADDR6_TEXT];

	ck_assert(addr6_parse(&a, canonical[_i].in));
	ck_assert_str_eq(addr6_format(&a, to), canonical[_i].out);
	ck_assert_int_eq(inet_pton(AF_INET6, canonical[_i].in, &b), 1);
	ck_assert(addr6_eq(&a, &b));
}
END_TEST

START_TEST(text6_refused)
{
	struct addr6 a, before;

	memset(&a, 0x5a, sizeof(a));
	before = a;
	ck_assert_msg(!addr6_parse(&a, wrong6[_i]), "%s", wrong6[_i]);
	ck_assert(addr6_eq(&a, &before));
}
END_TEST

/* Any address survives its text, and the text is the C library's but for the
 * prefixes that hold an IPv4 address.
 */
START_TEST(text6_round_trip)
{
	uint64_t seed = 1;
	int i, n;

	for (i = 0; i < 20000; i++) {
		char to[ADDR6_TEXT], libc[ADDR6_TEXT];
		struct addr6 a, b;
		uint64_t zero = test_rand(&seed) & test_rand(&seed);

		test_fill(&seed, a.b, 16);
		for (n = 0; n < 8; n++)
			if (!(zero >> n & 1))
				put16(a.b + 2 * n, 0);
		a.b[0] |= 1;
		ck_assert(addr6_parse(&b, addr6_format(&a, to)));
		ck_assert(addr6_eq(&a, &b));
		inet_ntop(AF_INET6, &a, libc, sizeof(libc));
		ck_assert_str_eq(to, libc);
	}
}
END_TEST

/* What the C library refuses we refuse, and the other way round. */
START_TEST(text6_random)
{
	static const char letters[] = "0123456789abcdefF:::::..:";
	uint64_t seed = 2;
	int i, taken = 0;

	for (i = 0; i < 300000; i++) {
		char text[24];
		size_t n, len = test_rand(&seed) % 22;
		struct addr6 a, b;
		int libc;

		for (n = 0; n < len; n++)
			text[n] = letters[test_rand(&seed) %
					  (sizeof(letters) - 1)];
		text[len] = '\0';
		libc = inet_pton(AF_INET6, text, &b);
		if (addr6_parse(&a, text)) {
			ck_assert_msg(libc == 1, "%s", text);
			ck_assert(addr6_eq(&a, &b));
			taken++;
		} else {
			ck_assert_msg(libc == 0, "%s", text);
		}
	}
	ck_assert_int_gt(taken, 100);
}
END_TEST

START_TEST(text4)
{
	static const char *const wrong[] = {
		"", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256",
		"1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4 ", " 1.2.3.4",
		"1.2.3.-4", "1.2.3.99999999999", "a.b.c.d", "1.2.3.00",
	};
	char to[TADDR4_TEXT];
	uint32_t a = 7;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_msg(!addr4_parse(&a, wrong[i]), "%s", wrong[i]);
	ck_assert_uint_eq(a, 7);
	ck_assert(addr4_parse(&a, "192.0.2.255"));
	ck_assert_uint_eq(a, 0xc00002ff);
	ck_assert_str_eq(addr4_format(a, to), "192.0.2.255");
	ck_assert(addr4_parse(&a, "0.0.0.0"));
	ck_assert_uint_eq(a, 0);
	ck_assert_str_eq(taddr4_format((struct taddr4){ 0xffffffff, 65535 },
				       to), "255.255.255.255:65535");
	ck_assert_str_eq(taddr4_format((struct taddr4){ 0xc0000201, 0 }, to),
			 "192.0.2.1:0");
}
END_TEST

START_TEST(prefix_text)
{
	static const char *const wrong[] = {
		"", "/", "::", "::/", "::/129", "::/-1", "::/01", "::/0 ",
		"2001:db8::1/64", "2001:db8::/28", "/64", "2001:db8::/48/",
		"::1/127", "8000::/0", "::/1280", "::/99999999999999999999",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/64",
	};
	static const char *const right[] = {
		"2001:db8::/48", "::/0", "::1/128", "8000::/1", "fe80::/10",
		"2001:db8:ff80::/41", "64:ff9b::0.0.0.0/96",
	};
	char to[PREFIX6_TEXT];
	struct prefix6 p;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_msg(!prefix6_parse(&p, wrong[i]), "%s", wrong[i]);
	for (i = 0; i < sizeof(right) / sizeof(*right); i++) {
		ck_assert_msg(prefix6_parse(&p, right[i]), "%s", right[i]);
		ck_assert_str_eq(prefix6_format(&p, to), right[i]);
	}
}
END_TEST

static bool slow_same(const struct addr6 *a, const struct addr6 *b, int bits)
{
	int i;

	for (i = 0; i < bits; i++)
		if ((a->b[i / 8] ^ b->b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

START_TEST(prefix_relations)
{
	uint64_t seed = 3;
	int i, n;

	for (i = 0; i < 50000; i++) {
		struct addr6 a, b, zero = { { 0 } };
		uint8_t len = (uint8_t)(test_rand(&seed) % 129);
		struct prefix6 p, q;
		uint8_t bit;

		test_fill(&seed, a.b, 16);
		p = (struct prefix6){ prefix6_mask(&a, len), len };
		test_assert(slow_same(&a, &p.addr, len));
		for (b = a, n = len; n < 128; n++)
			b.b[n / 8] &= (uint8_t)~(0x80 >> n % 8);
		test_assert(addr6_eq(&b, &p.addr));
		test_assert(prefix6_contains(&p, &a));
		b = a;
		bit = (uint8_t)(test_rand(&seed) % 128);
		b.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		test_assert(prefix6_contains(&p, &b) == (bit >= len));
		q.len = (uint8_t)(test_rand(&seed) % 129);
		q.addr = prefix6_mask(&b, q.len);
		test_assert(prefix6_covers(&p, &q) ==
			    (len <= q.len &&
			     slow_same(&p.addr, &q.addr, len)));
		p.len = 0;
		p.addr = zero;
		test_assert(prefix6_covers(&p, &q));
	}
}
END_TEST

START_TEST(prefix_nth)
{
	char to[PREFIX6_TEXT];
	struct prefix6 p, n;

	ck_assert(prefix6_parse(&p, "2001:db8:100::/48"));
	ck_assert(prefix6_nth(&p, 64, 1, &n));
	ck_assert_str_eq(prefix6_format(&n, to), "2001:db8:100:1::/64");
	ck_assert(prefix6_nth(&p, 64, 0xffff, &n));
	ck_assert_str_eq(prefix6_format(&n, to), "2001:db8:100:ffff::/64");
	ck_assert(!prefix6_nth(&p, 64, 0x10000, &n));
	ck_assert(prefix6_nth(&p, 56, 3, &n));
	ck_assert_str_eq(prefix6_format(&n, to), "2001:db8:100:300::/56");
	ck_assert(prefix6_nth(&p, 48, 0, &n));
	ck_assert_str_eq(prefix6_format(&n, to), "2001:db8:100::/48");
	ck_assert(!prefix6_nth(&p, 48, 1, &n));
	ck_assert(!prefix6_nth(&p, 47, 0, &n));
	ck_assert(!prefix6_nth(&p, 65, 0, &n));
	ck_assert(prefix6_parse(&p, "::/0"));
	ck_assert(prefix6_nth(&p, 64, UINT64_MAX, &n));
	ck_assert_str_eq(prefix6_format(&n, to), "ffff:ffff:ffff:ffff::/64");
	ck_assert(prefix6_nth(&p, 0, 0, &n));
	ck_assert(!prefix6_nth(&p, 0, 1, &n));
}
END_TEST

START_TEST(host_text)
{
	static const struct { const char *text; bool ok; } rows[] = {
		{ "hub", true }, { "hub.example.net", true },
		{ "hub.example.net.", true }, { "7eleven.example", true },
		{ "_x.example", true }, { "a-b.x1", true },
		{ "203.0.113.10", true }, { "127.0.0.1", true },
		{ "", false }, { ".", false }, { ".a", false },
		{ "a..b", false }, { "-a", false }, { "a.-b", false },
		{ "a b", false }, { "a/b", false }, { "h\xc3\xbc", false },
		{ "1.2.3", false }, { "1.2.3.4.5", false },
		{ "256.1.1.1", false }, { "01.2.3.4", false },
		{ "443", false }, { "hub.443", false }, { "1.2.3.4.", false },
		{ "0.0.0.0", false }, { "224.0.0.1", false },
		{ "255.255.255.255", false },
	};
	char label[80];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(host_text_ok(rows[i].text) == rows[i].ok, "%s",
			      rows[i].text);
	memset(label, 'a', sizeof(label));
	memcpy(label + 63, ".net", 5);
	ck_assert(host_text_ok(label));
	memcpy(label + 64, ".net", 5);
	label[63] = 'a';
	ck_assert(!host_text_ok(label));
}
END_TEST

START_TEST(unicast)
{
	static const struct { const char *text; bool fit; } rows[] = {
		{ "2001:db8::1", true }, { "fd00::1", true },
		{ "64:ff9b::1.2.3.4", true }, { "::2", true },
		{ "fec0::1", true }, { "fe7f::1", true },
		{ "::", false }, { "::1", false }, { "ff02::1", false },
		{ "ff0e::1", false }, { "fe80::1", false },
		{ "febf:ffff::1", false }, { "::ffff:1.2.3.4", false },
	};
	struct addr6 a;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ck_assert(addr6_parse(&a, rows[i].text));
		ck_assert_msg(addr6_is_unicast(&a) == rows[i].fit, "%s",
			      rows[i].text);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("addr");
	TCase *t = tcase_create("addr");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, text6_canonical, 0,
			    sizeof(canonical) / sizeof(*canonical));
	tcase_add_loop_test(t, text6_refused, 0,
			    sizeof(wrong6) / sizeof(*wrong6));
	tcase_add_test(t, text6_round_trip);
	tcase_add_test(t, text6_random);
	tcase_add_test(t, text4);
	tcase_add_test(t, prefix_text);
	tcase_add_test(t, prefix_relations);
	tcase_add_test(t, prefix_nth);
	tcase_add_test(t, host_text);
	tcase_add_test(t, unicast);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
