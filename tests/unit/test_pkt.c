/* SPDX-License-Identifier: MIT
 *
 * test_pkt.c - parsing: what is said is true, and no byte beyond is read
 */
#include <check.h>
#include <stdlib.h>

#include "core/csum.h"
#include "core/pkt.h"
#include "core/xlat.h"
#include "tests/unit/packets.h"

static enum drop parse6(const uint8_t *at, size_t len, struct pkt *p)
{
	struct test_frame t = test_frame_of(at, len);
	enum drop why = pkt_parse6(p, &t.f);

	test_frame_free(&t);
	p->f = NULL;
	return why;
}

static enum drop parse4(const uint8_t *at, size_t len, struct pkt *p)
{
	struct test_frame t = test_frame_of(at, len);
	enum drop why = pkt_parse4(p, &t.f);

	test_frame_free(&t);
	p->f = NULL;
	return why;
}

/* A SYN with all options, IPv6 header first */
static const uint8_t syn[] = {
	0x6a, 0xb1, 0x23, 0x45, 0x00, 0x28, 0x06, 0x3d,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	0xc0, 0x01, 0x01, 0xbb, 0x11, 0x22, 0x33, 0x44,
	0x55, 0x66, 0x77, 0x88, 0xa0, 0x02, 0xfa, 0xf0,
	0x12, 0x34, 0x00, 0x00, 0x02, 0x04, 0x05, 0xa0,
	0x04, 0x02, 0x08, 0x0a, 0xde, 0xad, 0xbe, 0xef,
	0x01, 0x02, 0x03, 0x04, 0x01, 0x03, 0x03, 0x07,
};

START_TEST(syn_fields)
{
	struct pkt p;

	ck_assert_int_eq(parse6(syn, sizeof(syn), &p), DROP_NONE);
	ck_assert_uint_eq(p.l4, PROTO_TCP);
	ck_assert_uint_eq(p.nh, PROTO_TCP);
	ck_assert_uint_eq(p.hop, 61);
	ck_assert_uint_eq(p.tos, 0xab);
	ck_assert_uint_eq(p.l4_at, 40);
	ck_assert_uint_eq(p.l4_len, 40);
	ck_assert_uint_eq(p.payload, 0);
	ck_assert_uint_eq(p.src6.b[15], 1);
	ck_assert_uint_eq(p.dst6.b[15], 2);
	ck_assert_uint_eq(p.sport, 0xc001);
	ck_assert_uint_eq(p.dport, 443);
	ck_assert_uint_eq(p.seq, 0x11223344);
	ck_assert_uint_eq(p.ack, 0x55667788);
	ck_assert_uint_eq(p.win, 0xfaf0);
	ck_assert_uint_eq(p.flags, TCP_SYN);
	ck_assert_uint_eq(p.seg_len, 1);
	ck_assert_uint_eq(p.opts.mss, 1440);
	ck_assert(p.opts.sack_ok && p.opts.has_ts && p.opts.has_scale);
	ck_assert_uint_eq(p.opts.scale, 7);
	ck_assert_uint_eq(p.opts.ts_val, 0xdeadbeef);
	ck_assert_uint_eq(p.opts.ts_ecr, 0x01020304);
	ck_assert(!p.is_frag && !p.opts.has_sack);
}
END_TEST

/* Cut anywhere, whether or not the length field admits it. */
START_TEST(truncated6)
{
	size_t len;
	struct pkt p;

	for (len = 0; len < sizeof(syn); len++) {
		uint8_t cut[sizeof(syn)];

		ck_assert_int_eq(parse6(syn, len, &p), DROP_SHORT);
		if (len <= IP6_HDR)
			continue;
		memcpy(cut, syn, sizeof(syn));
		put16(cut + 4, (uint16_t)(len - IP6_HDR));
		ck_assert_int_eq(parse6(cut, len, &p), DROP_SHORT);
		ck_assert_uint_eq(p.l4, PROTO_NONE);
	}
}
END_TEST

/* Bytes behind the IP payload are cut off. */
START_TEST(trailing_bytes)
{
	uint8_t more[sizeof(syn) + 10] = { 0 };
	struct test_frame t;
	struct pkt p;

	memcpy(more, syn, sizeof(syn));
	t = test_frame_of(more, sizeof(more));
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_uint_eq(t.f.len, sizeof(syn));
	ck_assert_uint_eq(p.payload, 0);
	ck_assert_uint_eq(pkt_bytes(&p).len, sizeof(syn));
	test_frame_free(&t);
}
END_TEST

START_TEST(wrong6)
{
	uint8_t b[sizeof(syn)];
	struct pkt p;

	memcpy(b, syn, sizeof(b));
	b[0] = 0x4a;
	ck_assert_int_eq(parse6(b, sizeof(b), &p), DROP_VERSION);
	/* an IPv4 packet need not be as long as an IPv6 header */
	ck_assert_int_eq(parse6(b, 28, &p), DROP_VERSION);
	ck_assert_int_eq(parse6(b, 0, &p), DROP_SHORT);
	memcpy(b, syn, sizeof(b));
	put16(b + 4, 0);	/* a jumbogram, or nonsense */
	ck_assert_int_eq(parse6(b, sizeof(b), &p), DROP_LENGTH);
	b[6] = PROTO_NONE;
	ck_assert_int_eq(parse6(b, IP6_HDR, &p), DROP_NONE);
	ck_assert_uint_eq(p.l4, PROTO_NONE);
	ck_assert_uint_eq(p.payload, 0);
	memcpy(b, syn, sizeof(b));
	b[IP6_HDR + 12] = 0x40;	/* 16 bytes of TCP header */
	ck_assert_int_eq(parse6(b, sizeof(b), &p), DROP_LENGTH);
	b[IP6_HDR + 12] = 0xb0;	/* 44 of 40 */
	ck_assert_int_eq(parse6(b, sizeof(b), &p), DROP_SHORT);
}
END_TEST

START_TEST(udp6)
{
	struct shape s = { .proto = PROTO_UDP, .payload = 11 };
	uint64_t seed = 17;
	struct test_frame t = shape_make(&s, &seed);
	uint8_t *udp = t.f.at + IP6_HDR;
	struct pkt p;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_uint_eq(p.l4, PROTO_UDP);
	ck_assert_uint_eq(p.l4_len, 8);
	ck_assert_uint_eq(p.payload, 11);
	ck_assert_uint_eq(p.sport, get16(udp));
	ck_assert_uint_eq(p.dport, get16(udp + 2));
	put16(udp + 4, 10);	/* shorter than the packet: RFC 9868 */
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_uint_eq(p.payload, 11);
	put16(udp + 4, 20);
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_LENGTH);
	put16(udp + 4, 7);
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_LENGTH);
	put16(udp + 4, 19);
	put16(udp + 6, 0);
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_CHECKSUM);
	test_frame_free(&t);
}
END_TEST

START_TEST(icmp6)
{
	uint8_t b[IP6_HDR + 8];
	size_t n;
	struct pkt p;

	memcpy(b, syn, IP6_HDR);
	put64(b + IP6_HDR, UINT64_C(0x8000123456780001));
	b[6] = PROTO_ICMP6;
	for (n = 0; n <= 8; n++) {
		put16(b + 4, (uint16_t)n);
		ck_assert_int_eq(parse6(b, IP6_HDR + n, &p), DROP_NONE);
		ck_assert_uint_eq(p.l4, n < 8 ? PROTO_NONE : PROTO_ICMP6);
		ck_assert_uint_eq(p.l4_len, n < 8 ? 0 : 8);
	}
	ck_assert_uint_eq(p.icmp_type, 128);
	ck_assert_uint_eq(p.sport, 0x5678);
	ck_assert_uint_eq(p.dport, 0x5678);
	b[IP6_HDR] = 2;
	ck_assert_int_eq(parse6(b, sizeof(b), &p), DROP_NONE);
	ck_assert_uint_eq(p.icmp_type, 2);
	ck_assert_uint_eq(p.sport, 0);
	b[6] = PROTO_ICMP;	/* IPv4's: nothing here */
	ck_assert_int_eq(parse6(b, sizeof(b), &p), DROP_NONE);
	ck_assert_uint_eq(p.l4, PROTO_NONE);
}
END_TEST

/* A checksum cannot be completed in a part of its packet. */
START_TEST(fragment_with_partial_checksum)
{
	uint8_t b[IP6_HDR + FRAG_HDR + 40] = { 0 };
	struct test_frame t;
	struct pkt p;

	memcpy(b, syn, IP6_HDR);
	put16(b + 4, FRAG_HDR + 40);
	b[6] = PROTO_FRAGMENT;
	b[40] = PROTO_TCP;
	b[43] = 1;
	memcpy(b + 48, syn + IP6_HDR, 40);
	t = test_frame_of(b, sizeof(b));
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	t.f.off = (struct offload){ .flags = OFFLOAD_NEEDS_CSUM,
				    .csum_start = 48, .csum_offset = 16 };
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_OFFLOAD);
	test_frame_free(&t);
}
END_TEST

START_TEST(fragments6)
{
	uint8_t b[IP6_HDR + FRAG_HDR + 40] = { 0 };
	size_t n;
	struct pkt p;

	memcpy(b, syn, IP6_HDR);
	b[6] = PROTO_FRAGMENT;
	b[40] = PROTO_TCP;
	memcpy(b + 48, syn + IP6_HDR, 40);
	for (n = 0; n <= 48; n++) {
		put16(b + 4, (uint16_t)n);
		ck_assert_int_eq(parse6(b, IP6_HDR + n, &p),
				 n < 8 ? DROP_SHORT : DROP_NONE);
		if (n < 8)
			continue;
		ck_assert(p.is_frag && p.is_first_frag);
		ck_assert_uint_eq(p.l4, PROTO_NONE);
		ck_assert_uint_eq(p.l4_len, 0);
		ck_assert_uint_eq(p.payload, n);
		ck_assert_uint_eq(p.frag_l4, n < 48 ? PROTO_NONE : PROTO_TCP);
	}
	ck_assert_uint_eq(p.sport, 0xc001);
	put16(b + 42, 8 | 1);
	ck_assert_int_eq(parse6(b, sizeof(b), &p), DROP_NONE);
	ck_assert(p.is_frag && !p.is_first_frag);
	ck_assert_uint_eq(p.frag_l4, PROTO_NONE);
	ck_assert_uint_eq(p.sport, 0);
	put16(b + 42, 1);	/* UDP whose rest is in later fragments */
	b[40] = PROTO_UDP;
	put16(b + 52, 5000);
	ck_assert_int_eq(parse6(b, sizeof(b), &p), DROP_NONE);
	ck_assert_uint_eq(p.frag_l4, PROTO_UDP);
	ck_assert_uint_eq(p.dport, 443);
}
END_TEST

/* Other extension headers are not walked. */
START_TEST(extension_headers)
{
	struct shape s = { .proto = PROTO_TCP, .ext = 8, .payload = 3 };
	uint64_t seed = 18;
	struct test_frame t = shape_make(&s, &seed);
	struct pkt p;

	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_uint_eq(p.l4, PROTO_NONE);
	ck_assert_uint_eq(p.nh, PROTO_DSTOPTS);
	ck_assert_uint_eq(p.payload, 31);
	test_frame_free(&t);
}
END_TEST

static enum drop offload(const struct shape *s, const struct offload *o)
{
	uint64_t seed = 19;
	struct test_frame t = shape_make(s, &seed);
	enum drop why;
	struct pkt p;

	t.f.off = *o;
	why = pkt_parse6(&p, &t.f);
	test_frame_free(&t);
	return why;
}

static struct offload good_offload(const struct shape *s)
{
	uint64_t seed = 19;
	struct test_frame t = shape_make(s, &seed);

	test_frame_free(&t);
	return t.f.off;
}

START_TEST(offload_refused)
{
	struct shape tcp = { .proto = PROTO_TCP, .opts = 12, .payload = 5000,
			     .gso_size = 1000 };
	struct shape udp = { .proto = PROTO_UDP, .payload = 5000,
			     .gso_size = 1000 };
	struct shape ext = { .proto = PROTO_TCP, .ext = 16, .payload = 50,
			     .gso_size = 10 };
	struct offload good, o;

#define REFUSED(shape, field, value) do {				\
	o = good;							\
	o.field = value;						\
	ck_assert_int_eq(offload(&shape, &o), DROP_OFFLOAD);		\
} while (0)
	good = good_offload(&tcp);
	ck_assert_int_eq(offload(&tcp, &good), DROP_NONE);
	REFUSED(tcp, gso_type, OFFLOAD_GSO_TCP4);
	REFUSED(tcp, gso_type, OFFLOAD_GSO_UDP_L4);
	REFUSED(tcp, gso_type, 3);	/* UFO */
	REFUSED(tcp, gso_type, OFFLOAD_GSO_ECN);
	REFUSED(tcp, gso_size, 0);
	REFUSED(tcp, flags, 0);
	REFUSED(tcp, csum_start, 0);
	REFUSED(tcp, csum_start, 38);
	REFUSED(tcp, csum_start, 42);
	REFUSED(tcp, csum_start, 65535);
	REFUSED(tcp, csum_offset, 6);
	REFUSED(tcp, csum_offset, 65535);
	o = good;
	o.gso_type |= OFFLOAD_GSO_ECN;
	ck_assert_int_eq(offload(&tcp, &o), DROP_NONE);
	tcp.payload = 0;	/* a train without a wagon */
	ck_assert_int_eq(offload(&tcp, &good), DROP_OFFLOAD);
	tcp.payload = 65535 - 32;	/* will not fit behind IPv4 */
	ck_assert_int_eq(offload(&tcp, &good), DROP_OFFLOAD);
	tcp.payload = 65515 - 32;
	ck_assert_int_eq(offload(&tcp, &good), DROP_NONE);

	good = good_offload(&udp);
	ck_assert_int_eq(offload(&udp, &good), DROP_NONE);
	REFUSED(udp, gso_type, OFFLOAD_GSO_TCP6);
	REFUSED(udp, gso_type, OFFLOAD_GSO_UDP_L4 | OFFLOAD_GSO_ECN);
	REFUSED(udp, csum_offset, 16);

	good = good_offload(&ext);
	ck_assert_int_eq(offload(&ext, &good), DROP_NONE);
	REFUSED(ext, csum_start, 39);
	REFUSED(ext, csum_start, 56 + 40);
#undef REFUSED
}
END_TEST

/* hdr_len is a hint: the parser makes it true, and zeroes what says nothing. */
START_TEST(offload_made_true)
{
	struct shape s = { .proto = PROTO_TCP, .opts = 12, .ext = 8,
			   .payload = 5000, .gso_size = 1000 };
	uint64_t seed = 20;
	struct test_frame t = shape_make(&s, &seed);
	struct pkt p;

	t.f.off.hdr_len = 60000;
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_uint_eq(t.f.off.hdr_len, 80);
	test_frame_free(&t);
	s = (struct shape){ .proto = PROTO_TCP, .payload = 5 };
	t = shape_make(&s, &seed);
	t.f.off = (struct offload){ OFFLOAD_DATA_VALID, 0, 999, 9, 999, 9 };
	ck_assert_int_eq(pkt_parse6(&p, &t.f), DROP_NONE);
	ck_assert_uint_eq(t.f.off.flags, OFFLOAD_DATA_VALID);
	ck_assert_uint_eq(t.f.off.hdr_len | t.f.off.gso_size |
			  t.f.off.csum_start | t.f.off.csum_offset, 0);
	test_frame_free(&t);
}
END_TEST

static void ip4_of(uint8_t *b, uint8_t proto, size_t payload)
{
	ip4_header(b, 0xc0000201, 0xc6336402, proto, (uint16_t)payload, 0xab,
		   17);
}

static void ip4_fix(uint8_t *b)
{
	put16(b + 10, 0);
	put16(b + 10, (uint16_t)~slow_sum(0, b, IP4_HDR));
}

START_TEST(ip4)
{
	uint8_t b[IP4_HDR + 40 + 4] = { 0 };
	size_t len = IP4_HDR + 40, n;
	struct pkt p;

	ip4_of(b, PROTO_TCP, 40);
	memcpy(b + IP4_HDR, syn + IP6_HDR, 40);
	ck_assert_int_eq(parse4(b, len + 4, &p), DROP_NONE);
	ck_assert_uint_eq(p.l4, PROTO_TCP);
	ck_assert_uint_eq(p.src4, 0xc0000201);
	ck_assert_uint_eq(p.dst4, 0xc6336402);
	ck_assert_uint_eq(p.tos, 0xab);
	ck_assert_uint_eq(p.hop, 17);
	ck_assert_uint_eq(p.l4_at, 20);
	ck_assert_uint_eq(p.seq, 0x11223344);
	ck_assert_uint_eq(p.opts.mss, 1440);
	ck_assert_uint_eq(p.payload, 0);
	for (n = 0; n < len; n++)
		ck_assert_int_eq(parse4(b, n, &p), DROP_SHORT);
	for (n = 0; n < IP4_HDR; n++) {	/* each bit is under the checksum */
		b[n] ^= 1;
		ck_assert_int_ne(parse4(b, len, &p), DROP_NONE);
		b[n] ^= 1;
	}
	b[0] = 0x65;
	ck_assert_int_eq(parse4(b, len, &p), DROP_VERSION);
	b[0] = 0x44;
	ck_assert_int_eq(parse4(b, len, &p), DROP_LENGTH);
	b[0] = 0x46;
	ck_assert_int_eq(parse4(b, len, &p), DROP_NOT_MINE);
	b[0] = 0x45;
	put16(b + 2, 19);
	ck_assert_int_eq(parse4(b, len, &p), DROP_LENGTH);
}
END_TEST

START_TEST(fragments4)
{
	uint8_t b[IP4_HDR + 40];
	struct pkt p;

	ip4_of(b, PROTO_TCP, 40);
	memcpy(b + IP4_HDR, syn + IP6_HDR, 40);
	put16(b + 6, 0x2000);
	ip4_fix(b);
	ck_assert_int_eq(parse4(b, sizeof(b), &p), DROP_NONE);
	ck_assert(p.is_frag && p.is_first_frag);
	ck_assert_uint_eq(p.l4, PROTO_NONE);
	ck_assert_uint_eq(p.frag_l4, PROTO_TCP);
	ck_assert_uint_eq(p.dport, 443);
	put16(b + 6, 1);
	ip4_fix(b);
	ck_assert_int_eq(parse4(b, sizeof(b), &p), DROP_NONE);
	ck_assert(p.is_frag && !p.is_first_frag);
	ck_assert_uint_eq(p.frag_l4, PROTO_NONE);
	ck_assert_uint_eq(p.dport, 0);
}
END_TEST

START_TEST(ip4_udp_without_checksum)
{
	uint8_t b[IP4_HDR + UDP_HDR];
	struct pkt p;

	ip4_of(b, PROTO_UDP, UDP_HDR);
	put64(b + IP4_HDR, UINT64_C(0x0001000200080000));
	ck_assert_int_eq(parse4(b, sizeof(b), &p), DROP_NONE);
	ck_assert_uint_eq(p.l4, PROTO_UDP);
}
END_TEST

START_TEST(quoted)
{
	uint8_t b[128], four[IP4_HDR + 8];
	size_t n;
	struct pkt p;

	memcpy(b, syn, sizeof(syn));
	put16(b + 4, 1400);	/* most of it is not quoted */
	for (n = 0; n <= sizeof(syn); n++) {
		uint8_t *exact = malloc(n + !n);

		memcpy(exact, b, n);
		ck_assert_int_eq(
			pkt_parse_quoted6(&p, (struct span){ exact, n }),
			n < 48 ? DROP_SHORT : DROP_NONE);
		free(exact);
	}
	ck_assert_uint_eq(p.l4, PROTO_TCP);
	ck_assert_uint_eq(p.seq, 0x11223344);
	ck_assert_uint_eq(p.sport, 0xc001);
	ck_assert_uint_eq(p.dst6.b[15], 2);
	b[6] = PROTO_ESP;
	ck_assert_int_eq(pkt_parse_quoted6(&p, (struct span){ b, 40 }),
			 DROP_NONE);
	ck_assert_uint_eq(p.l4, PROTO_NONE);
	ck_assert_uint_eq(p.nh, PROTO_ESP);
	b[6] = PROTO_FRAGMENT;
	memset(b + 40, 0, 8);
	b[40] = PROTO_UDP;
	memcpy(b + 48, syn + 40, 8);
	ck_assert_int_eq(pkt_parse_quoted6(&p, (struct span){ b, 56 }),
			 DROP_NONE);
	ck_assert(p.is_frag && p.is_first_frag && p.l4 == PROTO_NONE);
	ck_assert_uint_eq(p.frag_l4, PROTO_UDP);
	ck_assert_uint_eq(p.dport, 443);

	ip4_of(four, PROTO_UDP, 1000);
	put64(four + IP4_HDR, UINT64_C(0x0001000203e80000));
	for (n = 0; n <= sizeof(four); n++)
		ck_assert_int_eq(
			pkt_parse_quoted4(&p, (struct span){ four, n }),
			n < 28 ? DROP_SHORT : DROP_NONE);
	ck_assert_uint_eq(p.l4, PROTO_UDP);
	ck_assert_uint_eq(p.dport, 2);
	ck_assert_uint_eq(p.src4, 0xc0000201);
}
END_TEST

static struct tcp_opts opts_of(const char *bytes, size_t len)
{
	struct tcp_opts o;

	tcp_opts_parse(&o, (struct span){ (const uint8_t *)bytes, len });
	return o;
}
#define OPTS(s) opts_of(s, sizeof(s) - 1)

START_TEST(tcp_options)
{
	struct tcp_opts o;

	/* unknown ones are skipped, END ends */
	o = OPTS("\x1e\x04zz\x02\x04\x05\xb4\x00\x04\x02");
	ck_assert(o.mss == 1460 && !o.sack_ok);
	/* malformed: length 0, 1, beyond the end, of another option */
	o = OPTS("\x04\x02\x1e\x00\x02\x04\x05\xb4");
	ck_assert(o.sack_ok && !o.mss);
	o = OPTS("\x04\x02\x1e\x01\x02\x04\x05\xb4");
	ck_assert(o.sack_ok && !o.mss);
	o = OPTS("\x04\x02\x02\x04\x05");
	ck_assert(o.sack_ok && !o.mss);
	o = OPTS("\x02\x03\x05\x04\x02");
	ck_assert(!o.sack_ok && !o.mss);
	o = OPTS("\x02");
	ck_assert(!o.mss);
	o = OPTS("\x03\x03\xff");	/* RFC 7323, 2.3: at most 14 */
	ck_assert(o.has_scale && o.scale == 14);
	/* the highest right edge, across the wrap of sequence numbers */
	o = OPTS("\x01\x01\x05\x12\xff\xff\xff\x00\xff\xff\xff\xf0"
		 "\x00\x00\x00\x10\x00\x00\x00\x20");
	ck_assert(o.has_sack && o.sack_max == 0x20);
	o = OPTS("\x05\x12\x00\x00\x00\x10\x00\x00\x00\x20"
		 "\xff\xff\xff\x00\xff\xff\xff\xf0");
	ck_assert(o.has_sack && o.sack_max == 0x20);
	o = OPTS("\x05\x02");
	ck_assert(!o.has_sack);
	o = OPTS("\x05\x09\x00\x00\x00\x10\x00\x00\x00\x20\x00");
	ck_assert(!o.has_sack);
}
END_TEST

/* Noise, and packets with noise in them: ASan sees the frames' ends. What is
 * accepted must be true.
 */
START_TEST(hostile)
{
	uint64_t seed = 21;
	int i, good6 = 0, good4 = 0;

	for (i = 0; i < 200000; i++) {
		uint8_t b[128];
		size_t len = test_rand(&seed) % (sizeof(b) + 1), n;
		struct test_frame t;
		struct pkt p;

		test_fill(&seed, b, sizeof(b));
		if (test_rand(&seed) % 8)
			memcpy(b, syn, sizeof(syn));
		if (test_rand(&seed) % 2)
			b[6] = (uint8_t[]){ 0, 6, 17, 44, 58, 60 }
				[test_rand(&seed) % 6];
		if (len > IP6_HDR && test_rand(&seed) % 4)
			put16(b + 4, (uint16_t)(len - IP6_HDR));
		for (n = test_rand(&seed) % 4; n; n--)
			b[test_rand(&seed) % sizeof(b)] =
				(uint8_t)test_rand(&seed);
		t = test_frame_of(b, len);
		if (test_rand(&seed) % 2) {
			t.f.off.flags = (uint8_t)(test_rand(&seed) % 3);
			t.f.off.gso_type = (uint8_t)(test_rand(&seed) % 8);
			t.f.off.gso_size = (uint16_t)(test_rand(&seed) % 50);
			t.f.off.csum_start =
				(uint16_t)(40 + test_rand(&seed) % 90);
			t.f.off.csum_offset =
				(uint16_t)(test_rand(&seed) % 20);
		}
		if (pkt_parse6(&p, &t.f) == DROP_NONE) {
			good6++;
			ck_assert_uint_le(t.f.len, len);
			ck_assert_uint_eq(p.l4_at + p.l4_len + p.payload,
					  t.f.len);
		}
		t.f.len = len;
		pkt_parse_quoted6(&p, (struct span){ t.f.at, len });
		t.f.off = (struct offload){ 0 };
		if (len >= IP4_HDR) {
			t.f.at[0] = 0x45;
			put16(t.f.at + 2, (uint16_t)(len -
						     test_rand(&seed) % 3));
			ip4_fix(t.f.at);
		}
		if (pkt_parse4(&p, &t.f) == DROP_NONE) {
			good4++;
			ck_assert_uint_le(t.f.len, len);
			ck_assert_uint_eq(p.l4_at + p.l4_len + p.payload,
					  t.f.len);
		}
		t.f.len = len;
		pkt_parse_quoted4(&p, (struct span){ t.f.at, len });
		test_frame_free(&t);
	}
	ck_assert_int_gt(good6, 10000);
	ck_assert_int_gt(good4, 10000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pkt");
	TCase *t = tcase_create("pkt");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, syn_fields);
	tcase_add_test(t, truncated6);
	tcase_add_test(t, trailing_bytes);
	tcase_add_test(t, wrong6);
	tcase_add_test(t, udp6);
	tcase_add_test(t, icmp6);
	tcase_add_test(t, fragment_with_partial_checksum);
	tcase_add_test(t, fragments6);
	tcase_add_test(t, extension_headers);
	tcase_add_test(t, offload_refused);
	tcase_add_test(t, offload_made_true);
	tcase_add_test(t, ip4);
	tcase_add_test(t, fragments4);
	tcase_add_test(t, ip4_udp_without_checksum);
	tcase_add_test(t, quoted);
	tcase_add_test(t, tcp_options);
	tcase_add_test(t, hostile);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
