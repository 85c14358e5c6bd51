/* SPDX-License-Identifier: MIT
 *
 * test_json.c - JSON and the text and units below it
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/json.h"

static char buf[512];
static struct text t;
static struct json j;

static void fresh(size_t cap)
{
	memset(buf, 0x55, sizeof(buf));
	t = (struct text){ .at = buf, .cap = cap };
	j = (struct json){ .to = &t };
}

static const char *written(void)
{
	ck_assert_uint_lt(t.len, sizeof(buf));
	buf[t.len] = '\0';
	return buf;
}

START_TEST(nesting_and_commas)
{
	fresh(sizeof(buf) - 1);
	json_begin(&j, NULL, '{');
	json_text(&j, "name", "alice");
	json_begin(&j, "list", '[');
	json_u64(&j, NULL, UINT64_MAX);
	json_i64(&j, NULL, INT64_MIN);
	json_begin(&j, NULL, '{');
	json_end(&j);
	json_begin(&j, NULL, '[');
	json_end(&j);
	json_bool(&j, NULL, true);
	json_end(&j);
	json_null(&j, "none");
	json_text(&j, "nothing", NULL);
	json_bool(&j, "no", false);
	json_end(&j);
	ck_assert_str_eq(written(), "{\"name\":\"alice\",\"list\":["
		"18446744073709551615,-9223372036854775808,{},[],true],"
		"\"none\":null,\"nothing\":null,\"no\":false}");
	ck_assert_uint_eq(j.depth, 0);
	json_end(&j);	/* one too many changes nothing */
	ck_assert_uint_eq(j.depth, 0);
	ck_assert(!t.full);
}
END_TEST

/* RFC 8259, 7: quote, backslash and control characters must be escaped. */
START_TEST(strings)
{
	fresh(sizeof(buf) - 1);
	json_text(&j, NULL, "a\"b\\c\n\t\x01\x1f\x7f/ \xc3\xa4");
	ck_assert_str_eq(written(), "\"a\\\"b\\\\c\\u000a\\u0009\\u0001\\u001f"
		"\\u007f/ \\ufffd\\ufffd\"");
	fresh(sizeof(buf) - 1);
	json_text(&j, NULL, "");
	ck_assert_str_eq(written(), "\"\"");
}
END_TEST

START_TEST(fractions)
{
	fresh(sizeof(buf) - 1);
	json_begin(&j, NULL, '[');
	json_milli(&j, NULL, 12345);
	json_milli(&j, NULL, -1);
	json_milli(&j, NULL, 0);
	json_milli(&j, NULL, INT64_MIN);
	json_end(&j);
	ck_assert_str_eq(written(),
		"[12.345,-0.001,0.000,-9223372036854775.808]");
}
END_TEST

START_TEST(never_past_the_end)
{
	for (size_t cap = 0; cap < 24; cap++) {
		fresh(cap);
		json_begin(&j, NULL, '{');
		json_text(&j, "key", "a longer value than there is room");
		json_end(&j);
		ck_assert(t.full);
		ck_assert_uint_le(t.len, cap);
		ck_assert_int_eq(buf[cap], 0x55);
	}
	fresh(sizeof(buf) - 1);
	for (int i = 0; i < JSON_DEPTH + 3; i++)
		json_begin(&j, NULL, '[');
	ck_assert(t.full);
	ck_assert_uint_lt(j.depth, JSON_DEPTH);
}
END_TEST

static char spilled[4096];
static size_t spilled_len;
static int refuse_at;

static bool spill(struct text *x, void *arg)
{
	ck_assert_ptr_eq(arg, spilled);
	if (refuse_at && !--refuse_at)
		return false;
	memcpy(spilled + spilled_len, x->at, x->len);
	spilled_len += x->len;
	return true;
}

START_TEST(spilling)
{
	fresh(16);
	t.spill = spill;
	t.arg = spilled;
	spilled_len = 0;
	refuse_at = 0;
	for (int i = 0; i < 100; i++)
		text_add(&t, "%02d,", i);
	ck_assert(text_flush(&t));
	ck_assert_uint_eq(spilled_len, 300);
	ck_assert_uint_eq(t.total, 300);
	ck_assert_int_eq(memcmp(spilled, "00,01,02,", 9), 0);
	ck_assert_int_eq(memcmp(spilled + 291, "97,98,99,", 9), 0);
	/* the reader leaves: nothing more is given */
	refuse_at = 2;
	spilled_len = 0;
	for (int i = 0; i < 100; i++)
		text_add(&t, "%02d,", i);
	ck_assert(t.full);
	ck_assert(!text_flush(&t));
	ck_assert_uint_eq(spilled_len, 15);
	text_add(&t, "%2000d", 1);
	ck_assert(t.full);
}
END_TEST

static void is_unit(uint64_t bytes, const char *want)
{
	char to[UNIT_TEXT];

	ck_assert_str_eq(unit_bytes(to, bytes), want);
}

static void is_time(msec ms, const char *want)
{
	char to[UNIT_TEXT];

	ck_assert_str_eq(unit_time(to, ms), want);
}

START_TEST(units)
{
	char to[UNIT_TEXT];

	is_unit(0, "0 B");
	is_unit(999, "999 B");
	is_unit(1000, "1.00 kB");
	is_unit(1239, "1.23 kB");
	is_unit(12345, "12.3 kB");
	is_unit(999999, "999 kB");
	is_unit(1050000, "1.05 MB");
	is_unit(1500000000000ull, "1.50 TB");
	is_unit(UINT64_MAX, "18.4 EB");
	ck_assert_str_eq(unit_signed(to, -1500), "-1.50 kB");
	ck_assert_str_eq(unit_signed(to, INT64_MIN), "-9.22 EB");
	ck_assert_str_eq(unit_signed(to, 7), "7 B");
	is_time(0, "0 s");
	is_time(59999, "59 s");
	is_time(60000, "1 min 0 s");
	is_time(3600000, "1 h 0 min");
	is_time(86400000ull * 3 + 3600000, "3 d 1 h");
	is_time(UINT64_MAX, "213503982334 d 14 h");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json");
	TCase *c = tcase_create("json");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(c, nesting_and_commas);
	tcase_add_test(c, strings);
	tcase_add_test(c, fractions);
	tcase_add_test(c, never_past_the_end);
	tcase_add_test(c, spilling);
	tcase_add_test(c, units);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
