/* SPDX-License-Identifier: MIT
 *
 * test_proof.c - MAC, counters and keys of explicit packets and punches
 *
 * The golden bytes were made from the words of core/wire.h by another program
 * (SipHash-2-4 from its paper): what a second implementation would send.
 */
#include <check.h>
#include <stdlib.h>

#include "core/state.h"

static struct engine edge, hub;
static struct link at_edge, at_hub;

static void key_of(struct siphash_key *k, uint8_t first)
{
	uint8_t bytes[16];

	for (uint8_t i = 0; i < 16; i++)
		bytes[i] = (uint8_t)(first + i);
	*k = siphash_key_from(bytes);
}

static void set_up(void)
{
	edge.conf.role = ROLE_EDGE;
	hub.conf.role = ROLE_HUB;
	at_edge = (struct link){ .peer_number = 0x12345678 };
	at_hub = (struct link){ .my_number = 0x12345678,
		.peer_number = 0x12345678 };
	key_of(&at_edge.tx_key, 0);
	key_of(&at_hub.tx_key, 0);
	key_of(&at_hub.rx.now, 0);
	at_hub.rx.has_now = true;
}

/* -- golden bytes ------------------------------------------------------------------ */

#define GOLDEN(name, text) \
	static const uint8_t name[] = text; enum { name##_len = sizeof(name) - 1 }

GOLDEN(explicit_head,
       "\x52\x34\x56\x78\x00\x00\x00\x00\x00\x00\x00\x01"
       "\xd4\x9e\x8c\x3c\x85\x5a\x49\x35\x00");
GOLDEN(punch_shared,
       "\x92\x34\x56\x78\x00\x00\x00\x00\x00\x00\x00\x02"
       "\x85\x56\xdf\xd8\xf0\x94\xb2\x88\x02\x00\x00\x00\x00"
       "\x11\x22\x33\x44\x55\x66\x77\x88\xc6\x33\x64\x01\x9c\xbb\x05\xdc");
GOLDEN(punch_own,
       "\x92\x34\x56\x78\x00\x00\x00\x00\x00\x00\x00\x03"
       "\xe9\xe7\x6d\xca\x7d\x21\x2b\xcd\x01\x01\x02\x03\x04"
       "\x11\x22\x33\x44\x55\x66\x77\x88\xcb\x00\x71\x0a\xee\x4d\x00\x00");

START_TEST(golden_explicit)
{
	struct proof p = proof_of(UP, NULL);
	uint8_t bytes[WIRE_EXPLICIT + 100];
	uint64_t counter;

	bytes[WIRE_PROVEN] = PART_WHOLE;
	for (uint8_t i = 0; i < 100; i++)
		bytes[WIRE_EXPLICIT + i] = i;
	write_proof(&at_edge, bytes, TAG_EXPLICIT, &p, 101);
	ck_assert_mem_eq(bytes, explicit_head, explicit_head_len);
	ck_assert_int_eq(prove(&at_hub, (struct span){ bytes, sizeof(bytes) },
			       &p, &counter), DROP_NONE);
	ck_assert_uint_eq(counter, 1);
}
END_TEST

START_TEST(golden_punches)
{
	struct carrier own = { .hport = 61005, .name = 0x01020304 };
	struct punch answer = { .type = PUNCH_ANSWER,
		.nonce = 0x1122334455667788, .addr = { 0xc6336401, 40123 },
		.size = 1500 };
	struct punch ask = { .type = PUNCH_ASK, .carrier = own.name,
		.nonce = answer.nonce, .addr = { 0xcb00710a, 61005 } }, got;
	uint8_t bytes[WIRE_PUNCH];
	struct writer w = writer_of(bytes, sizeof(bytes));
	uint64_t counter;

	at_hub.tx_counter = 1;
	ck_assert_uint_eq(punch_write(&hub, &at_hub, &w, &answer, NULL),
			  WIRE_PUNCH);
	ck_assert_int_eq((int)punch_shared_len, (int)WIRE_PUNCH);
	ck_assert_mem_eq(bytes, punch_shared, WIRE_PUNCH);
	at_edge.tx_counter = 2;
	w = writer_of(bytes, sizeof(bytes));
	punch_write(&edge, &at_edge, &w, &ask, &own);
	ck_assert_mem_eq(bytes, punch_own, punch_own_len);
	ck_assert_int_eq(punch_read(&hub, &at_hub,
			 (struct span){ bytes, WIRE_PUNCH }, &own, &got,
			 &counter), DROP_NONE);
	ck_assert_uint_eq(counter, 3);
	ck_assert_uint_eq(got.nonce, ask.nonce);
	ck_assert_uint_eq(got.addr.port, 61005);
}
END_TEST

/* -- who may say what --------------------------------------------------------------- */

/* A punch of the edge with this counter, under the key that begins with @key. */
static enum drop punched(uint64_t counter, uint8_t key,
			 const struct carrier *sent_on,
			 const struct carrier *came_on)
{
	struct link l = at_edge;
	struct punch p = { .type = PUNCH_ASK };
	uint8_t bytes[WIRE_PUNCH];
	struct writer w = writer_of(bytes, sizeof(bytes));

	key_of(&l.tx_key, key);
	l.tx_counter = counter - 1;
	punch_write(&edge, &l, &w, &p, sent_on);
	return punch_read(&hub, &at_hub, (struct span){ bytes, WIRE_PUNCH },
			  came_on, &p, &counter);
}

/* Counters in turn, and the verdict (RFC 4303, 3.4.3). */
START_TEST(window)
{
	static const struct { uint64_t counter; enum drop want; } row[] = {
		{ 0, DROP_REPLAY }, { 1, DROP_NONE }, { 1, DROP_REPLAY },
		{ 3, DROP_NONE }, { 2, DROP_NONE }, { 2, DROP_REPLAY },
		{ 64, DROP_NONE }, { 65, DROP_NONE }, { 4, DROP_NONE },
		{ 2, DROP_REPLAY }, { 66, DROP_NONE }, { 1, DROP_REPLAY },
		{ 5, DROP_NONE }, { 5, DROP_REPLAY }, { 1000, DROP_NONE },
		{ 936, DROP_REPLAY }, { 937, DROP_NONE },
		{ 937, DROP_REPLAY }, { 1063, DROP_NONE },
		{ 1000, DROP_REPLAY }, { 1001, DROP_NONE },
		{ 1ull << 40, DROP_NONE }, { (1ull << 40) - 63, DROP_NONE },
		{ (1ull << 40) - 64, DROP_REPLAY },
		{ UINT64_MAX, DROP_NONE }, { UINT64_MAX, DROP_REPLAY },
		{ 1ull << 40, DROP_REPLAY },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		ck_assert_msg(punched(row[i].counter, 0, NULL, NULL) ==
			      row[i].want, "row %zu", i);
}
END_TEST

/* A forged one moves no window, and an old counter costs no MAC. */
START_TEST(forged)
{
	ck_assert_int_eq(punched(10, 0, NULL, NULL), DROP_NONE);
	ck_assert_int_eq(punched(1000, 99, NULL, NULL), DROP_MAC);
	ck_assert_int_eq(punched(10, 99, NULL, NULL), DROP_REPLAY);
	ck_assert_int_eq(punched(9, 0, NULL, NULL), DROP_NONE);
	ck_assert_int_eq(punched(11, 0, NULL, NULL), DROP_NONE);
}
END_TEST

/* Another carrier, another port, shared instead of own, the other direction. */
START_TEST(moved)
{
	struct carrier a = { .hport = 61005, .name = 7 }, b = a, c = a;
	uint8_t bytes[WIRE_PUNCH];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct punch p = { .type = PUNCH_ASK };
	uint64_t counter;

	b.hport++;
	c.name++;
	ck_assert_int_eq(punched(1, 0, &a, &b), DROP_MAC);
	ck_assert_int_eq(punched(2, 0, &a, &c), DROP_MAC);
	ck_assert_int_eq(punched(3, 0, &a, NULL), DROP_MAC);
	ck_assert_int_eq(punched(4, 0, NULL, &a), DROP_MAC);
	ck_assert_int_eq(punched(5, 0, &a, &a), DROP_NONE);
	at_hub.tx_counter = 5;
	punch_write(&hub, &at_hub, &w, &p, NULL);
	ck_assert_int_eq(punch_read(&hub, &at_hub,
			 (struct span){ bytes, WIRE_PUNCH }, NULL, &p,
			 &counter), DROP_MAC);
}
END_TEST

/* The key before stays good until the first packet under the new one. */
START_TEST(next_key)
{
	ck_assert_int_eq(punched(5, 0, NULL, NULL), DROP_NONE);
	at_hub.rx.before = at_hub.rx.now;
	at_hub.rx.seen_before = at_hub.rx.seen;
	at_hub.rx.has_before = true;
	at_hub.rx.seen = (struct window){ 0, 0 };
	key_of(&at_hub.rx.now, 50);
	ck_assert_int_eq(punched(6, 0, NULL, NULL), DROP_NONE);
	ck_assert_int_ne(punched(6, 0, NULL, NULL), DROP_NONE);
	ck_assert_int_ne(punched(5, 0, NULL, NULL), DROP_NONE);
	ck_assert_int_eq(punched(8, 50, NULL, NULL), DROP_NONE);
	ck_assert_int_ne(punched(9, 0, NULL, NULL), DROP_NONE);
	ck_assert_int_eq(punched(7, 50, NULL, NULL), DROP_NONE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proof");
	TCase *tc = tcase_create("proof");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, golden_explicit);
	tcase_add_test(tc, golden_punches);
	tcase_add_test(tc, window);
	tcase_add_test(tc, forged);
	tcase_add_test(tc, moved);
	tcase_add_test(tc, next_key);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
