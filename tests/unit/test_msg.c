/* SPDX-License-Identifier: MIT
 *
 * test_msg.c - the wire format of control messages, pinned byte by byte
 *
 * The golden bytes stand for what is running out there: 500 edges are not
 * upgraded at once. Whoever has to change one of them breaks the protocol.
 * Fields count up from 0x10.
 */
#include <check.h>
#include <stdlib.h>

#include "core/msg.h"
#include "core/rand.h"

/** struct golden - one message; sizeof() counts the string's NUL */
struct golden {
	uint8_t type;
	const char *name;
	const char *bytes;
	size_t len;
};
#define GOLDEN(name, bytes) { MSG_##name, #name, bytes, sizeof(bytes) - 1 }

static const struct golden golden[] = {
	GOLDEN(HELLO,
	       "\x00\x45\x01"
	       "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
	       "\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f"
	       "\x30\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f"
	       "\x40\x41\x42\x43\x44\x45\x46\x47\x48\x49\x4a\x4b\x4c\x4d\x4e\x4f"
	       "\x50\x51\x52\x53"),
	GOLDEN(PING,
	       "\x00\x09\x02"
	       "\x10\x11\x12\x13\x14\x15\x16\x17"),
	GOLDEN(PONG,
	       "\x00\x09\x03"
	       "\x10\x11\x12\x13\x14\x15\x16\x17"),
	GOLDEN(CONTEXT,
	       "\x00\x27\x04"
	       "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
	       "\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f"
	       "\x30\x31\x32\x33\x34\x35"),
	GOLDEN(CONTEXT_IS,
	       "\x00\x09\x05"
	       "\x10\x11\x12\x13\x14\x15\x16\x17"),
	GOLDEN(FORGET,
	       "\x00\x05\x06"
	       "\x10\x11\x12\x13"),
	GOLDEN(UNKNOWN,
	       "\x00\x05\x07"
	       "\x10\x11\x12\x13"),
	GOLDEN(OPEN,
	       "\x00\x4d\x08"
	       "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
	       "\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f"
	       "\x30\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f"
	       "\x40\x41\x42\x43\x44\x45\x46\x47\x48\x49\x4a\x4b\x4c\x4d\x4e\x4f"
	       "\x50\x51\x52\x53\x54\x55\x56\x57\x58\x59\x5a\x5b"),
	GOLDEN(OPENED,
	       "\x00\x07\x09"
	       "\x10\x11\x12\x13\x14\x15"),
	GOLDEN(LEFT,
	       "\x00\x06\x0a"
	       "\x10\x11\x12\x13\x14"),
	GOLDEN(HOPS,
	       "\x00\x06\x0b"
	       "\x10\x11\x12\x13\x14"),
	GOLDEN(CLOSE,
	       "\x00\x27\x0c"
	       "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
	       "\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f"
	       "\x30\x31\x32\x33\x34\x35"),
	GOLDEN(PUNCH_PLEASE,
	       "\x00\x02\x0d"
	       "\x10"),
	GOLDEN(SHARED,
	       "\x00\x02\x0e"
	       "\x10"),
	GOLDEN(SIZE,
	       "\x00\x03\x0f"
	       "\x10\x11"),
	GOLDEN(PROBE_SAW,
	       "\x00\x08\x10"
	       "\x10\x11\x12\x13\x14\x15\x16"),
	GOLDEN(STATE,
	       "\x00\x3d\x11"
	       "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
	       "\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f"
	       "\x30\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f"
	       "\x40\x41\x42\x43\x44\x45\x46\x47\x48\x49\x4a\x4b"),
	GOLDEN(STATE_END,
	       "\x00\x05\x12"
	       "\x10\x11\x12\x13"),
	GOLDEN(IDLE,
	       "\x00\x05\x13"
	       "\x10\x11\x12\x13"),
	GOLDEN(BYE,
	       "\x00\x07\x14"
	       "\x10\x11\x12\x13\x14\x15"),
	GOLDEN(PACKET,
	       "\x00\x06\x15"
	       "\x10\x11\x12\x13\x14"),
	GOLDEN(BENCH,
	       "\x00\x06\x80"
	       "\x10\x11\x12\x13\x14"),
};
enum { GOLDENS = sizeof(golden) / sizeof(golden[0]) };

static struct span bytes_of(int i)
{
	return (struct span){ (const uint8_t *)golden[i].bytes, golden[i].len };
}

static struct msg decoded(int i)
{
	struct msg m;

	ck_assert_msg(msg_decode(&m, bytes_of(i)), "%s", golden[i].name);
	ck_assert_uint_eq(m.type, golden[i].type);
	return m;
}

/* @len bytes from @first on, counting up. */
static void counts(const void *at, size_t len, uint8_t first)
{
	const uint8_t *b = at;

	for (size_t i = 0; i < len; i++)
		ck_assert_uint_eq(b[i], (uint8_t)(first + i));
}

#define IS(field, value) ck_assert_uint_eq(m.u.field, value)
#define A6(field, first) counts(&m.u.field, 16, first)
#define TAIL(field, first)						\
	do {								\
		ck_assert_uint_eq(m.u.field.len, 5);			\
		counts(m.u.field.at, 5, first);				\
	} while (0)

START_TEST(hello_fields)
{
	struct msg m = decoded(0);

	ck_assert_uint_eq(m.type, 1);
	IS(hello.kind, 0x10);
	IS(hello.version, 0x1112);
	IS(hello.features, 0x13141516);
	IS(hello.epoch, 0x1718191a1b1c1d1eull);
	IS(hello.counter, 0x1f20212223242526ull);
	IS(hello.number, 0x2728292a);
	A6(hello.key, 0x2b);
	IS(hello.mtu, 0x3b3c);
	IS(hello.port_lo, 0x3d3e);
	IS(hello.port_hi, 0x3f40);
	IS(hello.shared_port, 0x4142);
	IS(hello.idle_udp, 0x4344);
	IS(hello.idle_tcp, 0x4546);
	IS(hello.synced, 0x4748494a4b4c4d4eull);
	TAIL(hello.inbound, 0x4f);
}
END_TEST

START_TEST(ping_fields)
{
	struct msg m = decoded(1);

	ck_assert_uint_eq(m.type, 2);
	IS(ping.stamp, 0x1011121314151617ull);
}
END_TEST

START_TEST(pong_fields)
{
	struct msg m = decoded(2);

	ck_assert_uint_eq(m.type, 3);
	IS(pong.stamp, 0x1011121314151617ull);
}
END_TEST

START_TEST(context_fields)
{
	struct msg m = decoded(3);

	ck_assert_uint_eq(m.type, 4);
	IS(context.ref, 0x10111213);
	A6(context.host, 0x14);
	A6(context.peer, 0x24);
	IS(context.nh, 0x34);
	IS(context.hop, 0x35);
}
END_TEST

START_TEST(context_is_fields)
{
	struct msg m = decoded(4);

	ck_assert_uint_eq(m.type, 5);
	IS(context_is.ref, 0x10111213);
	IS(context_is.number, 0x14151617);
}
END_TEST

START_TEST(forget_fields)
{
	struct msg m = decoded(5);

	ck_assert_uint_eq(m.type, 6);
	IS(forget.number, 0x10111213);
}
END_TEST

START_TEST(unknown_fields)
{
	struct msg m = decoded(6);

	ck_assert_uint_eq(m.type, 7);
	IS(unknown.number, 0x10111213);
}
END_TEST

START_TEST(open_fields)
{
	struct msg m = decoded(7);

	ck_assert_uint_eq(m.type, 8);
	IS(open.kind, 0x10);
	IS(open.carrier, 0x11121314);
	A6(open.host, 0x15);
	A6(open.peer, 0x25);
	IS(open.proto, 0x35);
	IS(open.host_port, 0x3637);
	IS(open.peer_port, 0x3839);
	IS(open.eport, 0x3a3b);
	IS(open.hport, 0x3c3d);
	IS(open.s, 0x3e3f4041);
	IS(open.t, 0x42434445);
	IS(open.hop, 0x46);
	IS(open.known, 0x47);
	IS(open.mss_up, 0x4849);
	IS(open.mss_down, 0x4a4b);
	IS(open.scale_up, 0x4c);
	IS(open.scale_down, 0x4d);
	IS(open.ts_up, 0x4e4f5051);
	IS(open.ts_down, 0x52535455);
	IS(open.initiator, 0x56);
	TAIL(open.packet, 0x57);
}
END_TEST

START_TEST(opened_fields)
{
	struct msg m = decoded(8);

	ck_assert_uint_eq(m.type, 9);
	IS(opened.carrier, 0x10111213);
	IS(opened.ok, 0x14);
	IS(opened.hop, 0x15);
}
END_TEST

START_TEST(left_fields)
{
	struct msg m = decoded(9);

	ck_assert_uint_eq(m.type, 10);
	IS(left.carrier, 0x10111213);
	IS(left.reason, 0x14);
}
END_TEST

START_TEST(hops_fields)
{
	struct msg m = decoded(10);

	ck_assert_uint_eq(m.type, 11);
	IS(hops.carrier, 0x10111213);
	IS(hops.hop, 0x14);
}
END_TEST

START_TEST(close_fields)
{
	struct msg m = decoded(11);

	ck_assert_uint_eq(m.type, 12);
	A6(close.host, 0x10);
	A6(close.peer, 0x20);
	IS(close.proto, 0x30);
	IS(close.host_port, 0x3132);
	IS(close.peer_port, 0x3334);
	IS(close.reason, 0x35);
}
END_TEST

START_TEST(punch_please_fields)
{
	struct msg m = decoded(12);

	ck_assert_uint_eq(m.type, 13);
	IS(punch_please.zero, 0x10);
}
END_TEST

START_TEST(shared_fields)
{
	struct msg m = decoded(13);

	ck_assert_uint_eq(m.type, 14);
	IS(shared.usable, 0x10);
}
END_TEST

START_TEST(size_fields)
{
	struct msg m = decoded(14);

	ck_assert_uint_eq(m.type, 15);
	IS(size.bytes, 0x1011);
}
END_TEST

START_TEST(probe_saw_fields)
{
	struct msg m = decoded(15);

	ck_assert_uint_eq(m.type, 16);
	IS(probe_saw.carrier, 0x10111213);
	IS(probe_saw.altered, 0x14);
	IS(probe_saw.bytes, 0x1516);
}
END_TEST

START_TEST(state_fields)
{
	struct msg m = decoded(16);

	ck_assert_uint_eq(m.type, 17);
	A6(state.host, 0x10);
	A6(state.peer, 0x20);
	IS(state.proto, 0x30);
	IS(state.host_port, 0x3132);
	IS(state.peer_port, 0x3334);
	IS(state.initiator, 0x35);
	IS(state.flags, 0x36);
	IS(state.known, 0x37);
	IS(state.mss_up, 0x3839);
	IS(state.mss_down, 0x3a3b);
	IS(state.scale_up, 0x3c);
	IS(state.scale_down, 0x3d);
	IS(state.next_up, 0x3e3f4041);
	IS(state.next_down, 0x42434445);
	IS(state.hop_up, 0x46);
	IS(state.hop_down, 0x47);
	IS(state.idle_ms, 0x48494a4b);
}
END_TEST

START_TEST(state_end_fields)
{
	struct msg m = decoded(17);

	ck_assert_uint_eq(m.type, 18);
	IS(state_end.count, 0x10111213);
}
END_TEST

START_TEST(idle_fields)
{
	struct msg m = decoded(18);

	ck_assert_uint_eq(m.type, 19);
	IS(idle.idle_udp, 0x1011);
	IS(idle.idle_tcp, 0x1213);
}
END_TEST

START_TEST(bye_fields)
{
	struct msg m = decoded(19);

	ck_assert_uint_eq(m.type, 20);
	IS(bye.reason, 0x10);
	TAIL(bye.text, 0x11);
}
END_TEST

START_TEST(packet_fields)
{
	struct msg m = decoded(20);

	ck_assert_uint_eq(m.type, 21);
	TAIL(packet.packet, 0x10);
}
END_TEST

START_TEST(bench_fields)
{
	struct msg m = decoded(21);

	ck_assert_uint_eq(m.type, 128);
	TAIL(bench.body, 0x10);
}
END_TEST

/* -- every message ------------------------------------------------------------ */

START_TEST(there_and_back)
{
	struct msg m = decoded(_i);
	uint8_t out[MSG_MAX];
	struct writer w = writer_of(out, sizeof(out));

	ck_assert_str_eq(msg_name(m.type), golden[_i].name);
	ck_assert_int_eq(msg_frame(bytes_of(_i)), (int)golden[_i].len);
	ck_assert_uint_eq(msg_encode(&w, &m), golden[_i].len);
	ck_assert(!memcmp(out, golden[_i].bytes, golden[_i].len));
	/* no room: nothing is written */
	for (size_t cap = 0; cap < golden[_i].len; cap++) {
		w = writer_of(out, cap);
		ck_assert_uint_eq(msg_encode(&w, &m), 0);
		ck_assert_uint_eq(w.len, 0);
	}
}
END_TEST

static size_t tail_of(int i)
{
	switch (golden[i].type) {
	case MSG_HELLO: case MSG_OPEN: case MSG_BYE: case MSG_PACKET:
	case MSG_BENCH:
		return 5;
	}
	return 0;
}

/* Each shorter one: not yet whole; if it claims to be whole, malformed, unless
 * it is only its tail that is shorter. In memory of its own size, for ASan.
 */
START_TEST(cut_short)
{
	size_t least = golden[_i].len - tail_of(_i);
	struct msg m;

	for (size_t len = 0; len < golden[_i].len; len++) {
		uint8_t *b = malloc(len + 1);
		struct span s = { b, len };

		memcpy(b, golden[_i].bytes, len);
		ck_assert_int_eq(msg_frame(s), 0);
		ck_assert(!msg_decode(&m, s));
		if (len > MSG_HEADER) {
			put16(b, (uint16_t)(len - 2));
			ck_assert_int_eq(msg_frame(s), (int)len);
			ck_assert_int_eq(msg_decode(&m, s), len >= least);
		}
		free(b);
	}
}
END_TEST

/* Fields are only ever added at the end: a longer message is taken. */
START_TEST(longer)
{
	uint8_t b[MSG_MAX] = { 0 };
	struct span s = { b, golden[_i].len + 9 };
	struct msg m;

	memcpy(b, golden[_i].bytes, golden[_i].len);
	put16(b, (uint16_t)(s.len - 2));
	ck_assert(msg_decode(&m, s));
	ck_assert_uint_eq(m.type, golden[_i].type);
}
END_TEST

/* -- frames ---------------------------------------------------------------------- */

START_TEST(frames)
{
	uint8_t b[MSG_MAX + 2] = { 0 };
	struct span s = { b, sizeof(b) };

	ck_assert_int_eq(msg_frame((struct span){ b, 0 }), 0);
	ck_assert_int_eq(msg_frame((struct span){ b, 1 }), 0);
	ck_assert_int_eq(msg_frame(s), -1); /* empty */
	put16(b, 1);
	ck_assert_int_eq(msg_frame(s), 3);
	put16(b, MSG_MAX - 2);
	ck_assert_int_eq(msg_frame(s), MSG_MAX);
	put16(b, MSG_MAX - 1);
	ck_assert_int_eq(msg_frame(s), -1);
	put16(b, 65535);
	ck_assert_int_eq(msg_frame((struct span){ b, 2 }), -1);
}
END_TEST

/* Unknown numbers: from 128 on skipped, others refused. */
START_TEST(unknown)
{
	for (int type = 0; type < 256; type++) {
		uint8_t b[200] = { 0, 198, (uint8_t)type };
		bool known = (type >= 1 && type <= MSG_PACKET) ||
			     type == MSG_BENCH;
		struct msg m;

		ck_assert_int_eq(msg_decode(&m, (struct span){ b, 200 }),
				 known || type >= MSG_OPTIONAL);
		if (!known && type >= MSG_OPTIONAL)
			ck_assert_uint_eq(m.type, 0);
		ck_assert_int_eq(!strcmp(msg_name((uint8_t)type), "?"), !known);
	}
}
END_TEST

/* A relayed packet of full size fits; a larger tail is refused, not cut. */
START_TEST(largest)
{
	static const uint8_t packet[MSG_MAX];
	struct msg m = { .type = MSG_PACKET, .u.packet = { { packet, 0 } } };
	uint8_t out[2 * MSG_MAX];
	struct writer w = writer_of(out, sizeof(out));

	m.u.packet.packet.len = MSG_MAX - MSG_HEADER;
	ck_assert_uint_eq(msg_encode(&w, &m), MSG_MAX);
	m.u.packet.packet.len++;
	ck_assert_uint_eq(msg_encode(&w, &m), 0);
	ck_assert_uint_eq(w.len, MSG_MAX);
	ck_assert_int_ge(MSG_MAX, MSG_HEADER + 1520);
}
END_TEST

/* Whatever decodes, encodes to the same meaning again. */
START_TEST(random_bytes)
{
	uint8_t seed[32] = { 3 };
	struct rand r;

	rand_init(&r, seed);
	for (int i = 0; i < 200000; i++) {
		size_t len = MSG_HEADER + rand_below(&r, 160);
		uint8_t *b = malloc(len), out[MSG_MAX];
		struct writer w = writer_of(out, sizeof(out));
		struct msg m, again;

		rand_bytes(&r, b, len);
		put16(b, (uint16_t)(len - 2));
		b[2] = (uint8_t)rand_below(&r, 26);
		if (msg_decode(&m, (struct span){ b, len }) && m.type) {
			size_t n = msg_encode(&w, &m);

			ck_assert_uint_gt(n, 0);
			ck_assert_uint_le(n, len);
			ck_assert(!memcmp(out + 2, b + 2, n - 2));
			ck_assert(msg_decode(&again, (struct span){ out, n }));
		}
		free(b);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("msg");
	TCase *t = tcase_create("msg");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, hello_fields);
	tcase_add_test(t, ping_fields);
	tcase_add_test(t, pong_fields);
	tcase_add_test(t, context_fields);
	tcase_add_test(t, context_is_fields);
	tcase_add_test(t, forget_fields);
	tcase_add_test(t, unknown_fields);
	tcase_add_test(t, open_fields);
	tcase_add_test(t, opened_fields);
	tcase_add_test(t, left_fields);
	tcase_add_test(t, hops_fields);
	tcase_add_test(t, close_fields);
	tcase_add_test(t, punch_please_fields);
	tcase_add_test(t, shared_fields);
	tcase_add_test(t, size_fields);
	tcase_add_test(t, probe_saw_fields);
	tcase_add_test(t, state_fields);
	tcase_add_test(t, state_end_fields);
	tcase_add_test(t, idle_fields);
	tcase_add_test(t, bye_fields);
	tcase_add_test(t, packet_fields);
	tcase_add_test(t, bench_fields);
	tcase_add_loop_test(t, there_and_back, 0, GOLDENS);
	tcase_add_loop_test(t, cut_short, 0, GOLDENS);
	tcase_add_loop_test(t, longer, 0, GOLDENS);
	tcase_add_test(t, frames);
	tcase_add_test(t, unknown);
	tcase_add_test(t, largest);
	tcase_add_test(t, random_bytes);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
