/* SPDX-License-Identifier: MIT
 *
 * p256.c - P-256 for machines that multiply 64 by 64 bits
 *
 * Theory of operation
 * ===================
 * BearSSL 0.6, which distributions ship, has P-256 with products of 31 bits
 * only; its 64-bit code came later. A hub whose edges all come back at once
 * does nothing else, so this is worth a file: the same interface, four to five
 * times as fast.
 *
 * Numbers modulo p are four 64-bit words, lowest first, below p, in Montgomery
 * form (times 2^256). As p = -1 modulo 2^64, the factor of each reduction step
 * is the lowest word itself, and p's words 2^64 - 1, 2^32 - 1, 0 and the top
 * one leave two products per step.
 *
 * Points are projective (X : Y : Z), added and doubled by the complete formulas
 * of Renes, Costello and Batina (EUROCRYPT 2016, algorithms 4 and 6, a = -3):
 * right for all points of the curve, infinity (0 : 1 : 0) included, so there is
 * no special case to forget and nothing to branch on. A multiple is computed
 * from the top in windows of four bits. For the generator, which a handshake
 * multiplies twice, digits that are 32 bits apart share their doublings: eight
 * tables, 12 KB, computed when they are wanted first.
 *
 * Constant time: no branch and no address depends on a secret; a multiple is
 * selected from the table by reading all of it. What is public may branch:
 * whether a given point is on the curve, and lengths.
 */
#include <stdbool.h>
#include <string.h>

#include "crypto/p256.h"

#ifdef __SIZEOF_INT128__

enum { WORDS = 4, BYTES = 32, POINT_BYTES = 65, WINDOW = 16, TEETH = 8,
	DIGITS = 2 * BYTES / TEETH };

__extension__ typedef unsigned __int128 wide;

/* A number modulo p, in Montgomery form */
struct num {
	uint64_t w[WORDS];
};

struct point {
	struct num x, y, z;
};

static const struct num P = { {
	0xffffffffffffffff, 0x00000000ffffffff, 0, 0xffffffff00000001 } };
static const struct num ONE = { {
	1, 0xffffffff00000000, 0xffffffffffffffff, 0x00000000fffffffe } };
/* 2^512: makes Montgomery form of plain form */
static const struct num SQUARED = { {
	3, 0xfffffffbffffffff, 0xfffffffffffffffe, 0x00000004fffffffd } };
static const struct num B = { {
	0xd89cdf6229c4bddf, 0xacf005cd78843090,
	0xe5a220abf7212ed6, 0xdc30061d04874834 } };
static const struct point G = {
	{ { 0x79e730d418a9143c, 0x75ba95fc5fedb601,
	    0x79fb732b77622510, 0x18905f76a53755c6 } },
	{ { 0xddf25357ce95560a, 0x8b4ab8e4ba19e45c,
	    0xd2e88688dd21f325, 0x8571ff1825885d85 } },
	{ { 1, 0xffffffff00000000, 0xffffffffffffffff, 0x00000000fffffffe } },
};

/* -- numbers ------------------------------------------------------------------ */

/* These are nearly all of the time, so they are written without loops. */

static inline uint64_t plus(uint64_t a, uint64_t b, uint64_t *carry)
{
	wide s = (wide)a + b + *carry;

	*carry = (uint64_t)(s >> 64);
	return (uint64_t)s;
}

static inline uint64_t minus(uint64_t a, uint64_t b, uint64_t *borrow)
{
	wide d = (wide)a - b - *borrow;

	*borrow = (uint64_t)(d >> 64) & 1;
	return (uint64_t)d;
}

/* @a @b + @c + *carry: never more than 128 bits */
static inline uint64_t times(uint64_t a, uint64_t b, uint64_t c,
			     uint64_t *carry)
{
	wide s = (wide)a * b + c + *carry;

	*carry = (uint64_t)(s >> 64);
	return (uint64_t)s;
}

/* @r = @a - @b; gives the borrow, 0 or 1 */
static inline uint64_t words_sub(struct num *r, const struct num *a,
				 const struct num *b)
{
	uint64_t borrow = 0;

	r->w[0] = minus(a->w[0], b->w[0], &borrow);
	r->w[1] = minus(a->w[1], b->w[1], &borrow);
	r->w[2] = minus(a->w[2], b->w[2], &borrow);
	r->w[3] = minus(a->w[3], b->w[3], &borrow);
	return borrow;
}

/* @a plus 2^256 @carry, below 2p, to below p */
static inline void reduce_once(struct num *r, const struct num *a,
			       uint64_t carry)
{
	struct num less;
	uint64_t borrow = words_sub(&less, a, &P);
	uint64_t keep = -(borrow & (carry ^ 1));

	r->w[0] = (a->w[0] & keep) | (less.w[0] & ~keep);
	r->w[1] = (a->w[1] & keep) | (less.w[1] & ~keep);
	r->w[2] = (a->w[2] & keep) | (less.w[2] & ~keep);
	r->w[3] = (a->w[3] & keep) | (less.w[3] & ~keep);
}

static void add(struct num *r, const struct num *a, const struct num *b)
{
	uint64_t carry = 0;
	struct num s;

	s.w[0] = plus(a->w[0], b->w[0], &carry);
	s.w[1] = plus(a->w[1], b->w[1], &carry);
	s.w[2] = plus(a->w[2], b->w[2], &carry);
	s.w[3] = plus(a->w[3], b->w[3], &carry);
	reduce_once(r, &s, carry);
}

static void sub(struct num *r, const struct num *a, const struct num *b)
{
	struct num d;
	uint64_t back = -words_sub(&d, a, b), carry = 0;

	r->w[0] = plus(d.w[0], back, &carry);
	r->w[1] = plus(d.w[1], back & P.w[1], &carry);
	r->w[2] = plus(d.w[2], 0, &carry);
	r->w[3] = plus(d.w[3], back & P.w[3], &carry);
}

/* @t += @a @b, then plus the multiple of p that makes the lowest word 0, and
 * that word is dropped; @t has five words and stays below 2p 2^64
 */
static inline void mul_row(uint64_t t[static WORDS + 1], const struct num *a,
			   uint64_t b)
{
	uint64_t carry = 0, over = 0, m;

	m = times(a->w[0], b, t[0], &carry);
	t[1] = times(a->w[1], b, t[1], &carry);
	t[2] = times(a->w[2], b, t[2], &carry);
	t[3] = times(a->w[3], b, t[3], &carry);
	t[4] = plus(t[4], carry, &over);
	carry = m;	/* of m + m (2^64 - 1) */
	t[0] = times(m, P.w[1], t[1], &carry);
	t[1] = plus(t[2], 0, &carry);
	t[2] = times(m, P.w[3], t[3], &carry);
	t[3] = plus(t[4], 0, &carry);
	t[4] = over + carry;
}

/* @r = @a @b / 2^256 */
static void mul(struct num *r, const struct num *a, const struct num *b)
{
	uint64_t t[WORDS + 1] = { 0 };
	struct num s;

	mul_row(t, a, b->w[0]);
	mul_row(t, a, b->w[1]);
	mul_row(t, a, b->w[2]);
	mul_row(t, a, b->w[3]);
	s = (struct num){ { t[0], t[1], t[2], t[3] } };
	reduce_once(r, &s, t[4]);
}

/* 1 / @a = @a^(p - 2); 0 gives 0 */
static void invert(struct num *r, const struct num *a)
{
	static const uint64_t exponent[WORDS] = {
		0xfffffffffffffffd, 0x00000000ffffffff, 0,
		0xffffffff00000001 };
	struct num x = ONE;

	for (int bit = 255; bit >= 0; bit--) {
		mul(&x, &x, &x);
		if (exponent[bit / 64] >> bit % 64 & 1)
			mul(&x, &x, a);
	}
	*r = x;
}

static uint64_t is_zero(const struct num *a)
{
	uint64_t any = a->w[0] | a->w[1] | a->w[2] | a->w[3];

	return 1 ^ ((any | -any) >> 63);
}

/* False if it is not below p */
static bool num_decode(struct num *r, const unsigned char *from)
{
	struct num less;

	for (int i = 0; i < WORDS; i++) {
		uint64_t v = 0;

		for (int k = 0; k < 8; k++)
			v = v << 8 | from[8 * (WORDS - 1 - i) + k];
		r->w[i] = v;
	}
	if (!words_sub(&less, r, &P))
		return false;
	mul(r, r, &SQUARED);
	return true;
}

static void num_encode(unsigned char *to, const struct num *a)
{
	static const struct num one = { { 1, 0, 0, 0 } };
	struct num plain;

	mul(&plain, a, &one);
	for (int i = 0; i < WORDS; i++)
		for (int k = 0; k < 8; k++)
			to[8 * (WORDS - 1 - i) + k] =
				(unsigned char)(plain.w[i] >> (56 - 8 * k));
}

/* -- points -------------------------------------------------------------------- */

/* Algorithm 4; the names are the paper's */
static void point_add(struct point *r, const struct point *p,
		      const struct point *q)
{
	struct num t0, t1, t2, t3, t4, x3, y3, z3;

	mul(&t0, &p->x, &q->x);
	mul(&t1, &p->y, &q->y);
	mul(&t2, &p->z, &q->z);
	add(&t3, &p->x, &p->y);
	add(&t4, &q->x, &q->y);
	mul(&t3, &t3, &t4);
	add(&t4, &t0, &t1);
	sub(&t3, &t3, &t4);
	add(&t4, &p->y, &p->z);
	add(&x3, &q->y, &q->z);
	mul(&t4, &t4, &x3);
	add(&x3, &t1, &t2);
	sub(&t4, &t4, &x3);
	add(&x3, &p->x, &p->z);
	add(&y3, &q->x, &q->z);
	mul(&x3, &x3, &y3);
	add(&y3, &t0, &t2);
	sub(&y3, &x3, &y3);
	mul(&z3, &B, &t2);
	sub(&x3, &y3, &z3);
	add(&z3, &x3, &x3);
	add(&x3, &x3, &z3);
	sub(&z3, &t1, &x3);
	add(&x3, &t1, &x3);
	mul(&y3, &B, &y3);
	add(&t1, &t2, &t2);
	add(&t2, &t1, &t2);
	sub(&y3, &y3, &t2);
	sub(&y3, &y3, &t0);
	add(&t1, &y3, &y3);
	add(&y3, &t1, &y3);
	add(&t1, &t0, &t0);
	add(&t0, &t1, &t0);
	sub(&t0, &t0, &t2);
	mul(&t1, &t4, &y3);
	mul(&t2, &t0, &y3);
	mul(&y3, &x3, &z3);
	add(&r->y, &y3, &t2);
	mul(&x3, &t3, &x3);
	sub(&r->x, &x3, &t1);
	mul(&z3, &t4, &z3);
	mul(&t1, &t3, &t0);
	add(&r->z, &z3, &t1);
}

/* Algorithm 6 */
static void point_double(struct point *r, const struct point *p)
{
	struct num t0, t1, t2, t3, x3, y3, z3;

	mul(&t0, &p->x, &p->x);
	mul(&t1, &p->y, &p->y);
	mul(&t2, &p->z, &p->z);
	mul(&t3, &p->x, &p->y);
	add(&t3, &t3, &t3);
	mul(&z3, &p->x, &p->z);
	add(&z3, &z3, &z3);
	mul(&y3, &B, &t2);
	sub(&y3, &y3, &z3);
	add(&x3, &y3, &y3);
	add(&y3, &x3, &y3);
	sub(&x3, &t1, &y3);
	add(&y3, &t1, &y3);
	mul(&y3, &x3, &y3);
	mul(&x3, &x3, &t3);
	add(&t3, &t2, &t2);
	add(&t2, &t2, &t3);
	mul(&z3, &B, &z3);
	sub(&z3, &z3, &t2);
	sub(&z3, &z3, &t0);
	add(&t3, &z3, &z3);
	add(&z3, &z3, &t3);
	add(&t3, &t0, &t0);
	add(&t0, &t3, &t0);
	sub(&t0, &t0, &t2);
	mul(&t0, &t0, &z3);
	add(&y3, &y3, &t0);
	mul(&t0, &p->y, &p->z);
	add(&t0, &t0, &t0);
	mul(&z3, &t0, &z3);
	sub(&r->x, &x3, &z3);
	mul(&z3, &t0, &t1);
	add(&z3, &z3, &z3);
	add(&r->z, &z3, &z3);
	r->y = y3;
}

/* All of its first WINDOW multiples */
static void multiples(struct point table[static WINDOW], const struct point *p)
{
	table[0] = (struct point){ .y = ONE };
	table[1] = *p;
	for (int i = 2; i < WINDOW; i += 2) {
		point_double(&table[i], &table[i / 2]);
		point_add(&table[i + 1], &table[i], p);
	}
}

/* Read all, keep one */
static void select_one(struct point *r, const struct point table[static WINDOW],
		       uint64_t which)
{
	memset(r, 0, sizeof(*r));
	for (uint64_t i = 0; i < WINDOW; i++) {
		uint64_t off = i ^ which, mask = ((off | -off) >> 63) - 1;

		for (int k = 0; k < WORDS; k++) {
			r->x.w[k] |= table[i].x.w[k] & mask;
			r->y.w[k] |= table[i].y.w[k] & mask;
			r->z.w[k] |= table[i].z.w[k] & mask;
		}
	}
}

/* struct factor - a multiplier, big-endian, and multiples of its point */
struct factor {
	const unsigned char *at;
	size_t len;
	struct point table[WINDOW];
};

/* Sum of the products of @count factors, digit by digit from the top */
static void multiply(struct point *r, const struct factor *f, int count)
{
	struct point q;

	*r = (struct point){ .y = ONE };
	for (size_t digit = 2 * BYTES; digit--;) {
		for (int i = 0; i < 4; i++)
			point_double(r, r);
		for (int i = 0; i < count; i++) {
			if (digit / 2 >= f[i].len)
				continue;
			select_one(&q, f[i].table, f[i].at[f[i].len - 1 -
				   digit / 2] >> (digit % 2 * 4) & 15);
			point_add(r, r, &q);
		}
	}
}

/* Multiples of the generator times 2^32, 2^64 ... */
static const struct point *comb(void)
{
	static struct point table[TEETH * WINDOW];
	struct point p = G;

	if (table[0].y.w[0])
		return table;
	for (int tooth = 0; tooth < TEETH; tooth++) {
		multiples(table + tooth * WINDOW, &p);
		for (int i = 0; i < 4 * DIGITS; i++)
			point_double(&p, &p);
	}
	return table;
}

static void multiply_generator(struct point *r, const unsigned char *x,
			       size_t len)
{
	const struct point *table = comb();
	unsigned char full[BYTES] = { 0 };
	struct point q;

	memcpy(full + BYTES - len, x, len);
	*r = (struct point){ .y = ONE };
	for (int digit = DIGITS; digit--;) {
		for (int i = 0; i < 4; i++)
			point_double(r, r);
		for (int tooth = 0; tooth < TEETH; tooth++) {
			int at = tooth * DIGITS + digit;

			select_one(&q, table + tooth * WINDOW,
				   full[BYTES - 1 - at / 2] >> at % 2 * 4 & 15);
			point_add(r, r, &q);
		}
	}
	explicit_bzero(full, sizeof(full));
}

static bool point_decode(struct point *p, const unsigned char *from, size_t len)
{
	struct num left, right, x3;

	if (len != POINT_BYTES || from[0] != 4 ||
	    !num_decode(&p->x, from + 1) || !num_decode(&p->y, from + 1 + BYTES))
		return false;
	p->z = ONE;
	mul(&left, &p->y, &p->y);	/* y^2 = x^3 - 3 x + b */
	mul(&right, &p->x, &p->x);
	mul(&right, &right, &p->x);
	add(&x3, &p->x, &p->x);
	add(&x3, &x3, &p->x);
	sub(&right, &right, &x3);
	add(&right, &right, &B);
	return !memcmp(&left, &right, sizeof(left));
}

/* Gives 0 if it is infinity, which has no such form */
static uint32_t point_encode(unsigned char *to, const struct point *p)
{
	struct num inverse, x, y;

	invert(&inverse, &p->z);
	mul(&x, &p->x, &inverse);
	mul(&y, &p->y, &inverse);
	to[0] = 4;
	num_encode(to + 1, &x);
	num_encode(to + 1 + BYTES, &y);
	return (uint32_t)(1 ^ is_zero(&p->z));
}

/* -- BearSSL's interface: see struct br_ec_impl in bearssl_ec.h ------------------ */

static const unsigned char *generator(int curve, size_t *len)
{
	return br_ec_p256_m31.generator(curve, len);
}

static const unsigned char *order(int curve, size_t *len)
{
	return br_ec_p256_m31.order(curve, len);
}

static size_t xoff(int curve, size_t *len)
{
	return br_ec_p256_m31.xoff(curve, len);
}

static uint32_t ec_mul(unsigned char *g, size_t glen, const unsigned char *x,
		       size_t xlen, int curve)
{
	struct factor f = { .at = x, .len = xlen };
	struct point p;

	(void)curve;
	if (xlen > BYTES || !point_decode(&p, g, glen))
		return 0;
	multiples(f.table, &p);
	multiply(&p, &f, 1);
	return point_encode(g, &p);
}

static size_t ec_mulgen(unsigned char *r, const unsigned char *x, size_t xlen,
			int curve)
{
	struct point p;

	(void)curve;
	if (xlen > BYTES)
		return 0;
	multiply_generator(&p, x, xlen);
	point_encode(r, &p);
	return POINT_BYTES;
}

static uint32_t ec_muladd(unsigned char *a, const unsigned char *b, size_t len,
			  const unsigned char *x, size_t xlen,
			  const unsigned char *y, size_t ylen, int curve)
{
	struct factor f[2] = { { .at = x, .len = xlen },
		{ .at = y, .len = ylen } };
	struct point p, q = G;

	(void)curve;
	if (xlen > BYTES || ylen > BYTES || !point_decode(&p, a, len) ||
	    (b && !point_decode(&q, b, len)))
		return 0;
	multiples(f[0].table, &p);
	multiples(f[1].table, &q);
	multiply(&p, f, 2);
	return point_encode(a, &p);
}

const br_ec_impl *p256_64(void)
{
	static const br_ec_impl impl = {
		(uint32_t)1 << BR_EC_secp256r1, generator, order, xoff,
		ec_mul, ec_mulgen, ec_muladd };

	return &impl;
}

#else

const br_ec_impl *p256_64(void)
{
	return NULL;
}

#endif
