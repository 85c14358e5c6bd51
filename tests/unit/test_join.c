/* SPDX-License-Identifier: MIT
 *
 * test_join.c - what was joined and cut again is what was there before
 */
#include <check.h>
#include <stdlib.h>

#include "core/cut.h"
#include "core/join.h"
#include "core/wire.h"
#include "tests/unit/packets.h"

enum { ROW = 80 };

/* struct row - packets in the order they came, complete
 * @partial: the kernel left their checksums to be computed
 */
struct row {
	uint8_t *at[ROW];
	size_t len[ROW], n;
	bool partial;
};

/* struct feed - a row on its way through join.c
 * @from: first packet of the open train
 * @joined: packets that left in a train of two or more; @trains: those
 */
struct feed {
	const struct row *r;
	struct join j;
	bool open;
	size_t from, joined, trains;
	uint8_t *room;
};

static void row_free(struct row *r)
{
	while (r->n)
		free(r->at[--r->n]);
}

static uint8_t *row_add(struct row *r, size_t len)
{
	ck_assert_uint_lt(r->n, ROW);
	r->len[r->n] = len;
	r->at[r->n] = malloc(len);
	return r->at[r->n++];
}

static size_t ip_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 6 ? IP6_HDR : IP4_HDR;
}

static uint8_t proto_of(const uint8_t *ip)
{
	return ip[ip_of(ip) == IP6_HDR ? 6 : 9];
}

static uint8_t *l4_of(uint8_t *ip)
{
	return ip + ip_of(ip);
}

static size_t csum_at(const uint8_t *ip)
{
	return proto_of(ip) == PROTO_TCP ? 16 : 6;
}

static size_t headers(uint8_t *ip)
{
	return ip_of(ip) + (proto_of(ip) == PROTO_TCP ?
			    (size_t)(l4_of(ip)[12] >> 4) * 4 : UDP_HDR);
}

static uint16_t l4_sum(uint8_t *ip, size_t len)
{
	size_t n = len - ip_of(ip);

	return ip_of(ip) == IP6_HDR ?
	       slow_l4_sum6(ip, l4_of(ip), n, proto_of(ip)) :
	       slow_l4_sum4(ip, l4_of(ip), n, proto_of(ip));
}

/* The IP header's length and checksum */
static void set_len(uint8_t *ip, size_t len)
{
	if (ip_of(ip) == IP6_HDR) {
		put16(ip + 4, (uint16_t)(len - IP6_HDR));
		return;
	}
	put16(ip + 2, (uint16_t)len);
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~slow_sum(0, ip, IP4_HDR));
}

static void complete(uint8_t *ip, size_t len)
{
	uint8_t *check = l4_of(ip) + csum_at(ip);
	uint16_t sum;

	put16(check, 0);
	sum = (uint16_t)~l4_sum(ip, len);
	put16(check, !sum && proto_of(ip) == PROTO_UDP ? 0xffff : sum);
}

/* -- the model: cut, slowly ------------------------------------------------- */

/* Piece @i of a super-packet as RFC 9293 and RFC 768 want it. */
static size_t slow_piece(const struct frame *f, size_t i, uint8_t *to)
{
	size_t hdr = headers(f->at), at = hdr + i * f->off.gso_size;
	size_t n = f->len - at;
	bool last = n <= f->off.gso_size;
	uint8_t *l4;

	if (!last)
		n = f->off.gso_size;
	memcpy(to, f->at, hdr);
	memcpy(to + hdr, f->at + at, n);
	set_len(to, hdr + n);
	l4 = l4_of(to);
	if (proto_of(to) == PROTO_UDP)
		put16(l4 + 4, (uint16_t)(UDP_HDR + n));
	if (proto_of(to) == PROTO_TCP) {
		put32(l4 + 4, (uint32_t)(get32(l4 + 4) + at - hdr));
		if (!last)
			l4[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
		if (i)
			l4[13] &= (uint8_t)~TCP_CWR;
	}
	complete(to, hdr + n);
	return hdr + n;
}

/* Equal, but for identification and checksum of IPv4, which is taken off. */
static bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
	if (ip_of(a) == IP6_HDR)
		return !memcmp(a, b, len);
	return !memcmp(a, b, 4) && !memcmp(a + 6, b + 6, 4) &&
	       !memcmp(a + 12, b + 12, len - 12);
}

static void check_by_cut(const struct feed *d, struct frame *f, size_t count)
{
	uint8_t head[CUT_HEAD];
	struct piece pc;
	struct pkt p;
	struct cut c;
	size_t i;

	if (ip_of(f->at) == IP4_HDR) {
		test_assert(pkt_parse4(&p, f) == DROP_NONE);
		test_assert(pkt_count(&p) == count);
		return;
	}
	test_assert(pkt_parse6(&p, f) == DROP_NONE);
	test_assert(pkt_count(&p) == count);
	test_assert(cut_start(&c, &p) == DROP_NONE);
	for (i = d->from; cut_next(&c, head, &pc); i++) {
		test_assert(pc.head.len + pc.body.len == d->r->len[i]);
		test_assert(!memcmp(pc.head.at, d->r->at[i], pc.head.len));
		test_assert(!memcmp(pc.body.at, d->r->at[i] + pc.head.len,
				    pc.body.len));
	}
	test_assert(i == d->from + count);
}

/* The open train is packets @from .. @to - 1, byte for byte. */
static void finish(struct feed *d, size_t to)
{
	struct frame f = join_end(&d->j);
	size_t count = to - d->from, i;
	uint8_t *piece = malloc(f.len);

	d->open = false;
	if (count == 1) {
		test_assert(f.len == d->r->len[d->from]);
		test_assert(!f.off.gso_type);
	} else {
		d->joined += count;
		d->trains++;
		for (i = 0; i < count; i++) {
			test_assert(slow_piece(&f, i, piece) ==
				    d->r->len[d->from + i]);
			test_assert(same(piece, d->r->at[d->from + i],
					 d->r->len[d->from + i]));
		}
		check_by_cut(d, &f, count);
	}
	free(piece);
}

/* Packet @i as the kernel gives it, in memory of its size. */
static struct test_frame given(const struct row *r, size_t i)
{
	struct test_frame t = test_frame_of(r->at[i], r->len[i]);
	size_t ip = ip_of(t.f.at), len = t.f.len - ip;
	size_t addrs = ip == IP6_HDR ? 8 : 12;

	if (!r->partial)
		return t;
	t.f.off.flags = OFFLOAD_NEEDS_CSUM;
	t.f.off.csum_start = (uint16_t)ip;
	t.f.off.csum_offset = (uint16_t)csum_at(t.f.at);
	if (t.f.len >= ip + t.f.off.csum_offset + 2u)
		put16(l4_of(t.f.at) + t.f.off.csum_offset,
		      slow_sum((uint32_t)len + proto_of(t.f.at),
			       t.f.at + addrs, ip - addrs));
	return t;
}

static void feed(struct feed *d, const struct row *r)
{
	*d = (struct feed){ .r = r, .room = malloc(JOIN_BYTES) };
	for (size_t i = 0; i < r->n; i++) {
		struct test_frame t = given(r, i);
		struct frame f = t.f;

		if (!d->open || !join_add_frame(&d->j, &t.f)) {
			if (d->open)
				finish(d, i);
			d->from = i;
			memcpy(d->room, f.at, f.len);
			f.at = d->room;
			d->open = join_start(&d->j, &f, true);
		}
		test_frame_free(&t);
	}
	if (d->open)
		finish(d, r->n);
	free(d->room);
}

/* -- rows -------------------------------------------------------------------- */

/* struct like - what the packets of a row have in common */
struct like {
	uint8_t proto;
	size_t opts, step, n;
	bool v4, partial;
};

/* An IPv4 header in the place of the IPv6 one */
static void make_v4(struct test_frame *t)
{
	uint8_t *ip = t->f.at += IP6_HDR - IP4_HDR;

	t->f.len -= IP6_HDR - IP4_HDR;
	ip[9] = ip[6 - (IP6_HDR - IP4_HDR)];
	ip[0] = 0x45;
	ip[1] = 2;
	put32(ip + 4, 0x4000);	/* DF */
	ip[8] = 64;
	put32(ip + 12, 0xc0000201);
	put32(ip + 16, 0xcb00710a);
	set_len(ip, t->f.len);
}

/* Packets that can all be joined. */
static void plain_row(struct row *r, const struct like *l, uint64_t *seed)
{
	struct shape s = { .proto = l->proto, .opts = l->opts,
		.flags = TCP_ACK, .payload = l->step, .tos = 2 };
	struct test_frame t = shape_make(&s, seed);
	size_t hdr;

	if (l->v4)
		make_v4(&t);
	hdr = headers(t.f.at);
	put32(l4_of(t.f.at) + (l->proto == PROTO_TCP ? 4 : 0),
	      UINT32_MAX - 3000); /* it wraps */
	r->n = 0;
	r->partial = l->partial;
	for (size_t i = 0; i < l->n; i++) {
		uint8_t *at = row_add(r, t.f.len);

		memcpy(at, t.f.at, t.f.len);
		if (l->proto == PROTO_TCP)
			put32(l4_of(at) + 4,
			      (uint32_t)(get32(l4_of(at) + 4) + i * l->step));
		test_fill(seed, at + hdr, l->step);
		complete(at, t.f.len);
	}
	test_frame_free(&t);
}

static void set_flags(struct row *r, size_t i, uint8_t flags)
{
	l4_of(r->at[i])[13] |= flags;
	complete(r->at[i], r->len[i]);
}

/* Cut @by bytes off the payload's end. */
static void shorten(struct row *r, size_t i, size_t by)
{
	uint8_t *ip = r->at[i];

	r->len[i] -= by;
	set_len(ip, r->len[i]);
	if (proto_of(ip) == PROTO_UDP)
		put16(l4_of(ip) + 4, (uint16_t)(r->len[i] - ip_of(ip)));
	complete(ip, r->len[i]);
}

/* What can happen to a packet; each leaves it well-formed or nearly so. */
static void disturb(struct row *r, size_t i, uint64_t *seed)
{
	static const uint8_t bits[] = { TCP_PSH, TCP_FIN, TCP_ECE, TCP_CWR,
		TCP_URG, TCP_SYN, TCP_RST, TCP_PSH | TCP_FIN };
	uint8_t *ip = r->at[i], *l4 = l4_of(ip);
	size_t hdr = headers(ip), what = test_rand(seed) % 14;
	bool tcp = proto_of(ip) == PROTO_TCP;

	switch (what) {
	case 0:
		shorten(r, i, 1 + test_rand(seed) % (r->len[i] - hdr));
		return;
	case 1:
		ip[1] ^= 0x30;	/* congestion experienced, or not */
		return;
	case 2:
		ip[ip_of(ip) == IP6_HDR ? 7 : 8]--;
		break;
	case 3:
		ip[3]++;	/* flow label, or IPv4's length */
		return;
	case 4:
		ip[r->len[i] - 1] ^= 1;
		return;
	case 5:
		put16(l4 + csum_at(ip), 0);
		return;
	case 6:
		ip[ip_of(ip) - 1 - test_rand(seed) % 8] ^= 1;
		break;
	case 7:
		l4[test_rand(seed) % 4] ^= 1;	/* ports */
		break;
	case 8:
		put16(ip + 4, (uint16_t)(get16(ip + 4) - 1));
		return;
	default:
		if (!tcp)
			return;
		if (what < 11)
			l4[13] |= bits[test_rand(seed) % sizeof(bits)];
		else if (what == 11)
			l4[4 + test_rand(seed) % (TCP_HDR - 4)] ^= 1;
		else if (what == 12)
			put32(l4 + 4, get32(l4 + 4) + 1);
		else
			put16(l4 + 14, (uint16_t)(get16(l4 + 14) + 1));
		break;
	}
	set_len(ip, r->len[i]);
	complete(ip, r->len[i]);
}

START_TEST(any_row)
{
	uint64_t seed = 60 + (uint64_t)_i;
	size_t joined = 0, alone = 0;
	struct row r;
	struct feed d;

	for (int round = 0; round < 400; round++) {
		struct like l = { .proto = _i & 1 ? PROTO_TCP : PROTO_UDP,
			.opts = 4 * (test_rand(&seed) % 11),
			.step = 1 + test_rand(&seed) % (round % 3 ? 200 : 1440),
			.n = 2 + test_rand(&seed) % 60,
			.v4 = _i & 2, .partial = round & 1 };

		plain_row(&r, &l, &seed);
		for (size_t i = test_rand(&seed) % 8; i; i--)
			disturb(&r, test_rand(&seed) % r.n, &seed);
		for (size_t i = 0; i < r.n && l.partial; i++)
			complete(r.at[i], r.len[i]); /* the kernel will */
		feed(&d, &r);
		joined += d.joined;
		alone += r.n - d.joined;
		row_free(&r);
	}
	ck_assert_uint_gt(joined, 5000);
	ck_assert_uint_gt(alone, 300);
}
END_TEST

/* -- what is joined, and what is not ------------------------------------------ */

static void p_push(struct row *r) { set_flags(r, 4, TCP_PSH); }
static void p_fin(struct row *r) { set_flags(r, 4, TCP_FIN | TCP_PSH); }
static void p_push_amid(struct row *r) { set_flags(r, 2, TCP_PSH); }
static void p_push_first(struct row *r) { set_flags(r, 0, TCP_PSH); }
static void p_cwr(struct row *r) { set_flags(r, 2, TCP_CWR); }
static void p_cwr_first(struct row *r) { set_flags(r, 0, TCP_CWR); }
static void p_urg(struct row *r) { set_flags(r, 2, TCP_URG); }
static void p_rst(struct row *r) { set_flags(r, 2, TCP_RST); }
static void p_syn(struct row *r) { set_flags(r, 2, TCP_SYN); }
static void p_ce(struct row *r) { r->at[2][1] |= 0x30; }
static void p_short(struct row *r) { shorten(r, 4, 10); }
static void p_short_amid(struct row *r) { shorten(r, 2, 10); }
static void p_short_first(struct row *r) { shorten(r, 0, 10); }
static void p_empty(struct row *r) { shorten(r, 2, r->len[2] - headers(r->at[2])); }
static void p_broken(struct row *r) { r->at[2][100] ^= 0x80; }
static void p_broken_first(struct row *r) { r->at[0][100] ^= 0x80; }
static void p_none(struct row *r) { (void)r; }

static void p_ece(struct row *r)
{
	for (size_t i = 0; i < r->n; i++)
		set_flags(r, i, TCP_ECE);
}

static void p_ece_from(struct row *r)
{
	for (size_t i = 2; i < r->n; i++)
		set_flags(r, i, TCP_ECE);
}

static void add32(struct row *r, size_t i, size_t at, uint32_t by)
{
	uint8_t *p = l4_of(r->at[i]) + at;

	put32(p, get32(p) + by);
	complete(r->at[i], r->len[i]);
}

static void p_gap(struct row *r) { add32(r, 2, 4, 100); }
static void p_again(struct row *r) { add32(r, 2, 4, (uint32_t)-100); }
static void p_ack(struct row *r) { add32(r, 2, 8, 1); }
static void p_window(struct row *r) { add32(r, 2, 12, 1); }
static void p_stamp(struct row *r) { add32(r, 2, 24, 1); }

/* A sum of 0 may be written as 0xffff; cutting would write 0. */
static void p_other_zero(struct row *r)
{
	uint8_t *ip = r->at[2], *last = ip + r->len[2] - 2;

	put16(last, 0);
	complete(ip, r->len[2]);
	put16(last, get16(l4_of(ip) + 16));
	put16(l4_of(ip) + 16, 0xffff);
	ck_assert_uint_eq(l4_sum(ip, r->len[2]), 0xffff);
}

static const struct {
	void (*what)(struct row *r);
	size_t joined, trains;
} rules[] = {
	{ p_none, 5, 1 }, { p_push, 5, 1 }, { p_fin, 5, 1 },
	{ p_push_amid, 5, 2 }, { p_push_first, 4, 1 }, { p_cwr, 4, 2 },
	{ p_cwr_first, 4, 1 }, { p_urg, 4, 2 }, { p_rst, 4, 2 },
	{ p_syn, 4, 2 }, { p_ce, 4, 2 }, { p_short, 5, 1 },
	{ p_short_amid, 5, 2 }, { p_short_first, 4, 1 }, { p_empty, 4, 2 },
	{ p_broken, 4, 2 }, { p_broken_first, 4, 1 }, { p_ece, 5, 1 },
	{ p_ece_from, 5, 2 }, { p_gap, 4, 2 }, { p_again, 4, 2 },
	{ p_ack, 4, 2 }, { p_window, 4, 2 }, { p_stamp, 4, 2 },
	{ p_other_zero, 4, 2 },
};

START_TEST(rule)
{
	struct like l = { .proto = PROTO_TCP, .opts = 12, .step = 300, .n = 5 };
	uint64_t seed = 62;
	struct row r;
	struct feed d;

	plain_row(&r, &l, &seed);
	rules[_i].what(&r);
	feed(&d, &r);
	ck_assert_uint_eq(d.joined, rules[_i].joined);
	ck_assert_uint_eq(d.trains, rules[_i].trains);
	row_free(&r);
}
END_TEST

static void q_id(struct row *r)
{
	put16(r->at[2] + 4, 77);
	set_len(r->at[2], r->len[2]);
}

static void q_fragments(struct row *r)
{
	for (size_t i = 0; i < r->n; i++) {
		r->at[i][6] |= 0x20;
		set_len(r->at[i], r->len[i]);
	}
}

static void q_ttl(struct row *r)
{
	r->at[2][8]--;
	set_len(r->at[2], r->len[2]);
}

static void q_broken(struct row *r) { r->at[2][10] ^= 1; }
static void q_longer(struct row *r) { set_len(r->at[2], r->len[2] + 1); }

static const struct {
	void (*what)(struct row *r);
	size_t joined, trains;
} rules4[] = {
	{ p_none, 5, 1 }, { q_id, 5, 1 }, { q_fragments, 0, 0 },
	{ q_ttl, 4, 2 }, { q_broken, 4, 2 }, { q_longer, 4, 2 },
	{ p_broken, 4, 2 },
};

START_TEST(rule4)
{
	struct like l = { .proto = PROTO_TCP, .opts = 12, .step = 300, .n = 5,
			  .v4 = true };
	uint64_t seed = 65;
	struct row r;
	struct feed d;

	plain_row(&r, &l, &seed);
	rules4[_i].what(&r);
	feed(&d, &r);
	ck_assert_uint_eq(d.joined, rules4[_i].joined);
	ck_assert_uint_eq(d.trains, rules4[_i].trains);
	row_free(&r);
}
END_TEST

/* What begins no train, by its frame */
START_TEST(never)
{
	struct shape s = { .proto = PROTO_TCP, .flags = TCP_ACK,
		.payload = 3000, .gso_size = 1000 };
	uint64_t seed = 66;
	struct test_frame t = shape_make(&s, &seed);
	struct join j;

	ck_assert(!join_start(&j, &t.f, true));	/* a super-packet */
	t.f.off.gso_type = OFFLOAD_GSO_NONE;
	ck_assert(join_start(&j, &t.f, true));
	t.f.off.csum_start++;
	ck_assert(!join_start(&j, &t.f, true));
	test_frame_free(&t);
	s = (struct shape){ .proto = PROTO_UDP, .payload = 100 };
	t = shape_make(&s, &seed);
	ck_assert(join_start(&j, &t.f, true));
	ck_assert(!join_start(&j, &t.f, false));
	put16(l4_of(t.f.at) + 6, 0);
	t.f.off.flags = OFFLOAD_NEEDS_CSUM;
	t.f.off.csum_start = IP6_HDR;
	t.f.off.csum_offset = 6;
	ck_assert(!join_start(&j, &t.f, true));
	make_v4(&t);
	t.f.off.flags = 0;
	for (int kind = 0; kind < 4; kind++) { /* own UDP: is it a punch? */
		t.f.at[IP4_HDR + UDP_HDR] = (uint8_t)(kind << 6 | 0x2a);
		complete(t.f.at, t.f.len);
		ck_assert_int_eq(join_start(&j, &t.f, true),
				 kind != TAG_PUNCH);
	}
	test_frame_free(&t);
}
END_TEST

/* As much as an IPv4 packet holds behind its header, and 64 datagrams */
START_TEST(largest)
{
	struct like l = { .proto = PROTO_TCP, .opts = 12, .step = 1428,
			  .n = 60 };
	uint64_t seed = 63;
	struct row r;
	struct feed d;

	plain_row(&r, &l, &seed);
	feed(&d, &r);
	ck_assert_uint_eq(d.trains, 2);
	ck_assert_uint_eq(d.joined, 60);
	row_free(&r);
	l = (struct like){ .proto = PROTO_UDP, .step = 30, .n = 70 };
	plain_row(&r, &l, &seed);
	feed(&d, &r);
	ck_assert_uint_eq(d.trains, 2);
	ck_assert_uint_eq(d.joined, 70);
	row_free(&r);
}
END_TEST

/* Bytes of any kind: nothing is read or written too far. */
START_TEST(hostile)
{
	uint64_t seed = 64;
	struct row r;
	struct feed d;

	for (int round = 0; round < 3000; round++) {
		struct like l = { .proto = round & 1 ? PROTO_TCP : PROTO_UDP,
			.step = 1 + test_rand(&seed) % 40, .n = 6,
			.v4 = round % 4 == 3 };

		plain_row(&r, &l, &seed);
		for (size_t i = 0; i < r.n; i++) {
			size_t cut = test_rand(&seed) % (2 * r.len[i]);

			if (cut >= IP6_HDR && cut < r.len[i])
				r.len[i] = cut;
			r.at[i] = realloc(r.at[i], r.len[i]);
			r.at[i][1 + test_rand(&seed) % (r.len[i] - 1)] ^=
				(uint8_t)test_rand(&seed);
			set_len(r.at[i], r.len[i]);
			if (r.len[i] >= IP6_HDR + 20 && round & 2)
				complete(r.at[i], r.len[i]);
		}
		feed(&d, &r);
		row_free(&r);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("join");
	TCase *t = tcase_create("join");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, any_row, 0, 4);
	tcase_add_loop_test(t, rule, 0, sizeof(rules) / sizeof(rules[0]));
	tcase_add_loop_test(t, rule4, 0, sizeof(rules4) / sizeof(rules4[0]));
	tcase_add_test(t, never);
	tcase_add_test(t, largest);
	tcase_add_test(t, hostile);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
