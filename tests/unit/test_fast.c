/* SPDX-License-Identifier: MIT
 *
 * test_fast.c - the fast path's programs, run by the kernel on single packets
 *
 * The model is core/xlat.c. What goes up must come out as it went in, and
 * nothing of it may be noted.
 */
#include "tests/unit/fast_world.h"

/* -- the packet ----------------------------------------------------------------- */

/** struct form - of a packet: TCP options in bytes (12: timestamps, 24: those
 * and SACK), and where it is in the stream
 */
struct form {
	size_t payload, opts;
	uint8_t tos, flags;
	uint32_t seq, ack, ts;
};

static size_t l4_header(const struct form *p, uint8_t *l4)
{
	static const uint8_t stamps[4] = { 1, 1, 8, 10 }, sack[4] = { 1, 1, 5, 10 };

	if (w.proto == PROTO_UDP) {
		put16(l4 + 4, (uint16_t)(UDP_HDR + p->payload));
		return UDP_HDR;
	}
	put32(l4 + 4, p->seq);
	put32(l4 + 8, p->ack);
	l4[12] = (uint8_t)((TCP_HDR + p->opts) / 4 << 4);
	l4[13] = p->flags;
	put16(l4 + 14, 777);
	if (p->opts >= 12) {
		memcpy(l4 + TCP_HDR, stamps, 4);
		put32(l4 + TCP_HDR + 4, p->ts);
	}
	if (p->opts >= 24)
		memcpy(l4 + TCP_HDR + 12, sack, 4);
	return TCP_HDR + p->opts;
}

static void put_check(void)
{
	size_t at = w.proto == PROTO_TCP ? 16 : 6;
	size_t len = w.len - (size_t)(w.l4 - w.l3);
	uint16_t sum;

	put16(w.l4 + at, 0);
	sum = (uint16_t)~(w.way == OUT ?
			  slow_l4_sum6(w.l3, w.l4, len, w.proto) :
			  slow_l4_sum4(w.l3, w.l4, len, w.proto));
	put16(w.l4 + at, sum || w.proto == PROTO_TCP ? sum : 0xffff);
}

static void packet_of(enum way way, const struct form *p)
{
	const struct carrier *c = &w.c;
	const struct addr6 *src = (const void *)w.flow->src;
	size_t hdr;

	memset(w.frame, 0, sizeof(w.frame));
	w.way = way;
	w.gso = 0;
	w.l3 = w.frame + FRAME_HEADROOM + MAC_BYTES;
	put16(w.l3 - 2, way == OUT ? 0x86dd : 0x0800);
	w.l4 = w.l3 + (way == OUT ? IP6_HDR : IP4_HDR);
	hdr = l4_header(p, w.l4);
	test_fill(&w.seed, w.l4 + hdr, p->payload);
	if (w.proto == PROTO_UDP && p->payload)
		w.l4[UDP_HDR] &= 0x7f; /* no punch */
	put16(w.l4, way == OUT ? c->in.dport : c->remote.port);
	put16(w.l4 + 2, way == OUT ? c->in.sport : c->local.port);
	if (way == OUT)
		ip6_header(w.l3, src, &c->in.src, w.proto,
			   (uint16_t)(hdr + p->payload), p->tos,
			   rand32_of(&w.seed) & 0xfffff, HOP);
	else
		ip4_header(w.l3, c->remote.addr, c->local.addr, w.proto,
			   (uint16_t)(hdr + p->payload), p->tos,
			   (uint8_t)test_rand(&w.seed));
	w.len = (size_t)(w.l4 - w.l3) + hdr + p->payload;
	put_check();
}

static const struct form plain = { .payload = 100, .opts = 12, .flags = TCP_ACK,
	.seq = START_SEQ, .ack = START_SEQ, .ts = 1001 };

/* Return: the verdict. What came out stands in w.got. */
static int verdict(void)
{
	struct bpf_try t = { .frame = { w.l3 - MAC_BYTES, w.len + MAC_BYTES },
		.gso_size = w.gso, .out = w.got, .out_cap = sizeof(w.got) };

	test_assert(!bpf_prog_run(w.prog[w.way], &t));
	w.got_len = t.out_len - MAC_BYTES;
	return t.verdict;
}

static bool open_world(void)
{
	uint32_t number[FAST_NAMES] = {
		[FAST_CONF_PORTS] = 61000u << 16 | 65535,
		[FAST_CONF_UPLINK] = 1, [FAST_CONF_INNER] = 1 };

	if (!netns_enter())
		return false;
	init_world();
	number[FAST_CONF_OUT_MAC] = MAC_BYTES;
	w.prog[OUT] = load(&w.fast, &out_program, number);
	number[FAST_CONF_OUT_MAC] = 0;
	number[FAST_CONF_IN_MAC] = MAC_BYTES;
	w.prog[IN] = load(&w.fast, &in_program, number);
	ck_assert_int_ge(w.prog[OUT], 0);
	ck_assert_int_ge(w.prog[IN], 0);
	return true;
}

START_TEST(rehearsal)
{
	if (!open_world())
		return;
	ck_assert_int_eq(rehearse(&w.fast), 0);
}
END_TEST

/* -- beside the model ------------------------------------------------------------- */

/* What the engine makes of the packet, in @out. Return: its bytes. */
static size_t model(uint8_t *out)
{
	struct test_frame t = test_frame_of(w.l3, w.len);
	struct pkt p;
	size_t len;

	if (w.way == OUT) {
		test_assert(!pkt_parse6(&p, &t.f));
		xlat_to_outer(&p, &w.c.out);
	} else {
		test_assert(!pkt_parse4(&p, &t.f));
		xlat_to_inner(&p, &w.c.in);
	}
	len = t.f.len;
	memcpy(out, t.f.at, len);
	test_frame_free(&t);
	return len;
}

static void same_as_model(void)
{
	uint8_t want[ROOM];
	size_t len = model(want);

	test_assert(verdict() == VERDICT_REDIRECT);
	test_assert(w.got_len == len);
	test_assert(!memcmp(w.got + MAC_BYTES, want, len));
}

START_TEST(as_the_model)
{
	static const size_t opts[] = { 0, 12, 24 };
	struct form p;

	if (!open_world())
		return;
	for (int i = 0; i < 8000; i++) {
		uint64_t r = test_rand(&w.seed);

		if (!(i % 20))
			session_of(r & 1 ? PROTO_TCP : PROTO_UDP);
		flow_on();
		p = (struct form){ .payload = r >> 8 & 0x7ff, .ts = 2000,
			.opts = opts[(r >> 24) % 3], .tos = (uint8_t)(r >> 32),
			.flags = (uint8_t)(TCP_ACK | (r >> 40 & 0xe8)),
			.seq = START_SEQ + (r >> 48 & 0xff), .ack = START_SEQ };
		if (p.payload > 1400)
			p.payload = p.payload % 9;
		packet_of(r & 2 ? OUT : IN, &p);
		same_as_model();
	}
}
END_TEST

/* The two bytes of payload that make the sum 0: UDP says 0xffff then. */
START_TEST(zero_sum)
{
	struct form p = { .payload = 2 };
	uint8_t want[ROOM], *data;
	size_t at = _i == OUT ? IP4_HDR : IP6_HDR;

	if (!open_world())
		return;
	for (int i = 0; i < 50; i++) {
		session_of(PROTO_UDP);
		flow_on();
		packet_of(_i ? IN : OUT, &p);
		data = w.l4 + UDP_HDR;
		put16(data, 0);
		put_check();
		model(want);
		put16(data, get16(want + at + 6));
		put_check();
		model(want);
		if (get16(data) >> 14 == FAST_PUNCH_KIND)
			continue;
		test_assert(get16(want + at + 6) == 0xffff);
		same_as_model();
	}
}
END_TEST

/* Frames are padded to 60 bytes; what stands behind the packet is not of it. */
START_TEST(padded)
{
	struct form p = { .payload = 1 };
	uint8_t want[ROOM];
	size_t len;

	if (!open_world())
		return;
	session_of(PROTO_UDP);
	flow_on();
	packet_of(IN, &p);
	len = model(want);
	w.len = 46;
	ck_assert_int_eq(verdict(), VERDICT_REDIRECT);
	ck_assert_uint_eq(w.got_len, 66);
	ck_assert_mem_eq(w.got + MAC_BYTES, want, len);
	ck_assert_uint_eq(w.flow->in.bytes, IP6_HDR + UDP_HDR + 1);
}
END_TEST

/* -- what must go up -------------------------------------------------------------- */

#define L4_FLAGS w.l4[13]
#define FIRST (w.l4 + UDP_HDR)	/* of a datagram's payload */

static void header_check(void)
{
	put16(w.l3 + 10, 0);
	put16(w.l3 + 10, (uint16_t)~slow_sum(0, w.l3, IP4_HDR));
}

/* Payload of another length; lengths in the headers stay. */
static void grow(size_t payload, uint32_t gso)
{
	struct form p = plain;

	p.payload = payload;
	packet_of(w.way, &p);
	w.gso = gso;
}

static void wrong_place(void)
{
	w.flow->src[15] ^= 1;
	w.flow->remote_port ^= 1;
}

/* name, way (2: both), protocol, what is changed */
#define UPS(X)								\
	X(place_off, 2, PROTO_TCP, w.flow->on = 0)			\
	X(other_tuple, 2, PROTO_TCP, wrong_place())			\
	X(other_proto, 2, PROTO_UDP, w.flow->proto = PROTO_TCP)		\
	X(syn, 2, PROTO_TCP, L4_FLAGS |= TCP_SYN)			\
	X(fin, 2, PROTO_TCP, L4_FLAGS |= TCP_FIN)			\
	X(rst, 2, PROTO_TCP, L4_FLAGS |= TCP_RST)			\
	X(no_ack, 2, PROTO_TCP, L4_FLAGS = TCP_PSH)			\
	X(no_flags, 2, PROTO_TCP, L4_FLAGS = 0)				\
	X(header_short, 2, PROTO_TCP, w.l4[12] = 4 << 4)		\
	X(header_long, 2, PROTO_TCP, grow(0, 0); w.l4[12] = 15 << 4)	\
	X(hop_other, OUT, PROTO_TCP, w.l3[7]--)				\
	X(hop_more, OUT, PROTO_UDP, w.l3[7]++)				\
	X(too_long, OUT, PROTO_UDP, w.flow->max_inner = 147)		\
	X(too_long_tcp, OUT, PROTO_TCP, w.flow->max_inner = 171)	\
	X(segment_too_long, OUT, PROTO_UDP, grow(1300, 1001);		\
	  w.flow->max_inner = 1048)					\
	X(repeated, OUT, PROTO_TCP, w.flow->out.end++)			\
	X(far_ahead, OUT, PROTO_TCP, w.flow->out.end -= 1u << 30)	\
	X(ack_above_mark, OUT, PROTO_TCP, w.flow->in.end--)		\
	X(ack_below, OUT, PROTO_TCP, w.flow->out.ack++)			\
	X(idle, OUT, PROTO_TCP, w.flow->in.at_ns -= 21ull * SEC_NS)	\
	X(idle_udp, OUT, PROTO_UDP, w.flow->in.at_ns -= 21ull * SEC_NS)	\
	X(punch, 2, PROTO_UDP, put32(FIRST, w.way ? 0x80123456 : 0x80654321))\
	X(punch_later, 2, PROTO_UDP, grow(200, 50);			\
	  put32(FIRST + 150, w.way ? 0x80123456 : 0x80654321))		\
	X(punch_of_other, 2, PROTO_UDP, grow(41, 0); FIRST[0] = 0x80)	\
	X(punch_of_other_last, 2, PROTO_UDP, grow(141, 100);		\
	  FIRST[100] = 0xbf)						\
	X(many_segments, 2, PROTO_UDP, grow(129 * 8, 8))		\
	X(no_checksum, 2, PROTO_UDP, put16(w.l4 + 6, 0))		\
	X(length_less, 2, PROTO_UDP, put16(w.l4 + 4, 20))		\
	X(length_more, 2, PROTO_UDP, put16(w.l4 + 4, 120))		\
	X(extension, OUT, PROTO_TCP, w.l3[6] = 60)			\
	X(fragment6, OUT, PROTO_TCP, w.l3[6] = 44)			\
	X(payload_none, OUT, PROTO_TCP, put16(w.l3 + 4, 0))		\
	X(more_behind, OUT, PROTO_TCP, w.len++)				\
	X(cut_short, 2, PROTO_TCP, w.len--)				\
	X(cut_in_header, 2, PROTO_TCP, w.len = w.way ? 30 : 50)		\
	X(fragment_first, IN, PROTO_TCP, w.l3[6] |= 0x20; header_check())\
	X(fragment_later, IN, PROTO_TCP, w.l3[7] = 9; header_check())	\
	X(options, IN, PROTO_TCP, w.l3[0] = 0x46; header_check())	\
	X(version, IN, PROTO_TCP, w.l3[0] = 0x65; header_check())	\
	X(header_sum, IN, PROTO_TCP, w.l3[10] ^= 1)			\
	X(length_20, IN, PROTO_TCP, put16(w.l3 + 2, 20); header_check())\
	X(length_0, IN, PROTO_UDP, put16(w.l3 + 2, 0); header_check())	\
	X(padded_super, IN, PROTO_UDP, grow(200, 100); w.len++)		\
	X(port_below, IN, PROTO_TCP, put16(w.l4 + 2, 60999);		\
	  w.flow->local_port = be16(60999); flow_keys(&w.keys, w.flow);	\
	  fast_set(&w.fast, &w.keys, true))				\
	X(empty_ack_stale, IN, PROTO_TCP, grow(0, 0); w.flow->in.ack++)	\
	X(ack_beyond, IN, PROTO_TCP, w.flow->out.end -= (1 << 20) + 1)	\
	X(window_beyond, IN, PROTO_TCP,					\
	  w.flow->out.ack -= (65535u << 14) - 98)			\
	X(window_small, IN, PROTO_TCP, w.flow->window = 98)		\
	X(far_below, IN, PROTO_TCP, w.flow->out.ack += (1u << 30) + 1)

#define UP_FUNCTION(name, way, proto, change)	\
	static void up_##name(void) { change; }
#define UP_ROW(name, way, proto, change)	{ #name, up_##name, way, proto },
UPS(UP_FUNCTION)

static const struct {
	const char *name;
	void (*change)(void);
	int way;
	uint8_t proto;
} ups[] = { UPS(UP_ROW) };

static void goes_up(size_t i, enum way way)
{
	struct fast_flow before;
	int got;

	session_of(ups[i].proto);
	flow_on();
	packet_of(way, &plain);
	test_assert(verdict() == VERDICT_REDIRECT);
	session_of(ups[i].proto);
	flow_on();
	packet_of(way, &plain);
	ups[i].change();
	before = *w.flow;
	got = verdict();
	if (got != -1 || w.got_len != w.len ||
	    memcmp(w.got, w.l3 - MAC_BYTES, w.len + MAC_BYTES))
		ck_abort_msg("%s, %s: verdict %d", ups[i].name,
			     way ? "in" : "out", got);
	if (memcmp(&before, w.flow, sizeof(before)))
		ck_abort_msg("%s: noted", ups[i].name);
	test_assert(!w.fast.flow[FAST_ALL].in.at_ns);
}

START_TEST(up)
{
	if (!open_world())
		return;
	for (size_t i = 0; i < COUNT(ups); i++)
		for (enum way way = OUT; way <= IN; way++)
			if (ups[i].way == 2 || ups[i].way == (int)way)
				goes_up(i, way);
}
END_TEST

/* Just inside of the limits that up() is just outside of. */
START_TEST(not_up)
{
	if (!open_world())
		return;
#define PASSES(proto, w_, change) do {		\
		session_of(proto);		\
		flow_on();			\
		packet_of(w_, &plain);		\
		change;				\
		same_as_model();		\
	} while (0)
	PASSES(PROTO_UDP, OUT, w.flow->max_inner = 148);
	PASSES(PROTO_TCP, OUT, w.flow->max_inner = 172);
	PASSES(PROTO_TCP, OUT, w.flow->out.end -= (1u << 30) - 100);
	PASSES(PROTO_TCP, OUT, w.flow->in.end += 5; w.flow->out.ack -= 5);
	PASSES(PROTO_UDP, OUT, w.flow->in.at_ns -= 19ull * SEC_NS);
	PASSES(PROTO_UDP, OUT, w.flow->in.at_ns += 5ull * SEC_NS);
	PASSES(PROTO_UDP, OUT, put32(FIRST, 0x80654322));
	PASSES(PROTO_UDP, IN, put32(FIRST, 0x80123457));
	PASSES(PROTO_UDP, IN, grow(3, 0));
	PASSES(PROTO_TCP, IN, w.flow->out.end -= 1 << 20);
	PASSES(PROTO_TCP, IN, w.flow->out.ack -= (65535u << 14) - 99);
	PASSES(PROTO_TCP, IN, w.flow->out.ack += 1u << 30);
	PASSES(PROTO_TCP, IN, w.flow->in.end += 1000);	/* repeated: theirs */
	PASSES(PROTO_TCP, IN, w.flow->in.ack++);	/* with data */
	PASSES(PROTO_TCP, IN, grow(0, 0));
	PASSES(PROTO_TCP, OUT, grow(0, 0));
#undef PASSES
	/* super-packets are as long as their segments */
	session_of(PROTO_UDP);
	flow_on();
	w.way = OUT;
	grow(1300, 1000);
	w.flow->max_inner = 1048;
	ck_assert_int_eq(verdict(), VERDICT_REDIRECT);
	grow(128 * 8, 8);
	ck_assert_int_eq(verdict(), VERDICT_REDIRECT);
}
END_TEST

/* -- what is noted ---------------------------------------------------------------- */

START_TEST(noted)
{
	struct form p = plain;
	struct fast_side *side;
	uint64_t before = now_ns();

	if (!open_world())
		return;
	session_of(PROTO_TCP);
	flow_on();
	side = _i == OUT ? &w.flow->out : &w.flow->in;
	w.flow->in.end = START_SEQ + 5000;
	w.flow->out.end = _i == OUT ? START_SEQ : START_SEQ + 5000;
	p.payload = 1200;	/* over the wrap of sequence numbers */
	p.ack = START_SEQ + 2000;
	packet_of(_i ? IN : OUT, &p);
	ck_assert_int_eq(verdict(), VERDICT_REDIRECT);
	ck_assert_uint_ge(side->at_ns, before);
	ck_assert_uint_le(side->at_ns, now_ns());
	ck_assert_uint_eq(side->packets, 1);
	ck_assert_uint_eq(side->bytes, 1200 + 72);
	ck_assert_uint_eq(side->end, _i == OUT ? START_SEQ + 1200 :
			  START_SEQ + 5000);
	ck_assert_uint_eq(side->ack, START_SEQ + 2000);
	ck_assert_uint_eq(side->ts, 1001);
	ck_assert_uint_eq(side->win, 777);
	ck_assert_uint_eq(w.fast.flow[FAST_ALL].in.at_ns,
			  _i == IN ? side->at_ns : 0);
	/* a super-packet counts as its segments; older numbers change nothing */
	p.payload = 1000;
	p.seq = START_SEQ + 1200;
	p.ts = 999;
	packet_of(_i ? IN : OUT, &p);
	w.gso = 300;
	ck_assert_int_eq(verdict(), VERDICT_REDIRECT);
	ck_assert_uint_eq(side->packets, 5);
	ck_assert_uint_eq(side->bytes, 2200 + 5 * 72);
	ck_assert_uint_eq(side->ts, 1001);
	p.ack = START_SEQ + 1999;
	p.payload = 1;
	p.seq += 1000;
	packet_of(_i ? IN : OUT, &p);
	ck_assert_int_eq(verdict(), _i == OUT ? -1 : VERDICT_REDIRECT);
	ck_assert_uint_eq(side->ack, START_SEQ + 2000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fast");
	TCase *t = tcase_create("fast");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, rehearsal);
	tcase_add_test(t, as_the_model);
	tcase_add_loop_test(t, zero_sum, OUT, IN + 1);
	tcase_add_test(t, padded);
	tcase_add_test(t, up);
	tcase_add_test(t, not_up);
	tcase_add_loop_test(t, noted, OUT, IN + 1);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
