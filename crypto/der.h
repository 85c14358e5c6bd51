/* SPDX-License-Identifier: MIT
 *
 * der.h - reading and writing DER (X.690)
 *
 * Reading takes one element after the other from a span that shrinks. Only
 * what DER allows is accepted: definite, shortest lengths; tags below 31.
 * Writing nests: der_open() remembers where an element starts, der_close() puts
 * its length in. Errors of the writer are sticky, see core/bytes.h.
 */
#ifndef CRYPTO_DER_H
#define CRYPTO_DER_H

#include "core/bytes.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_UTF8 = 0x0c,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0x80,		/* [n] primitive: | n */
	DER_CONTEXT_NESTED = 0xa0,	/* [n] constructed: | n */
};

/** struct der - one element: its tag, its contents, all of it */
struct der {
	uint8_t tag;
	struct span body;
	struct span whole;
};

/** der_read() - Take the next element; false if @from is empty or malformed */
bool der_read(struct span *from, struct der *out);
/** der_take() - Take the next element, which must have @tag; @body: contents */
bool der_take(struct span *from, uint8_t tag, struct span *body);
/** der_is_next() - Does @from go on with an element of @tag? */
bool der_is_next(struct span from, uint8_t tag);
/** der_time() - Contents of UTCTime or GeneralizedTime as RFC 5280 wants them
 * (YY[YY]MMDDHHMMSSZ) to seconds since 1970; false if it is neither
 */
bool der_time(uint8_t tag, struct span body, int64_t *seconds);

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

/** der_open() - Start an element of @tag; gives what der_close() wants */
size_t der_open(struct writer *w, uint8_t tag);
/** der_close() - End the element that der_open() started at @mark */
void der_close(struct writer *w, size_t mark);
/** der_put() - Write a whole element */
void der_put(struct writer *w, uint8_t tag, const void *body, size_t len);
/** der_put_bits() - Write a BIT STRING, the last @unused bits of it unused */
void der_put_bits(struct writer *w, const void *body, size_t len,
		  uint8_t unused);
/** der_put_time() - Write @seconds as Time of RFC 5280, 4.1.2.5 */
void der_put_time(struct writer *w, int64_t seconds);

#endif
