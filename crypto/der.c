/* SPDX-License-Identifier: MIT
 *
 * der.c - reading and writing DER (X.690)
 *
 * Theory of operation
 * ===================
 * This is the place that believes a length in a certificate. der_read() checks
 * that an element lies within what surrounds it; behind it nobody computes a
 * range. No recursion: how deep a reader goes is written in the reader.
 *
 * Lengths up to 65535 are read and written: every object we handle is bounded
 * to far less. Indefinite lengths, lengths not in their shortest form and
 * multi-byte tags are refused, because DER has none of the first two and X.509
 * none of the third.
 *
 * The writer goes forward. An element's header takes two bytes until it is
 * closed; a body of 128 bytes or more is then moved up by one or two.
 */
#include <stdio.h>
#include <time.h>

#include "crypto/der.h"

static bool read_length(struct reader *r, size_t *len)
{
	uint8_t first = read8(r);

	*len = first;
	if (first == 0x81) {
		*len = read8(r);
		return !r->bad && *len >= 0x80;
	}
	if (first == 0x82) {
		*len = read16(r);
		return !r->bad && *len >= 0x100;
	}
	return !r->bad && first < 0x80;
}

bool der_read(struct span *from, struct der *out)
{
	struct reader r = reader_of(*from);
	const uint8_t *body;
	size_t len;

	out->tag = read8(&r);
	if (r.bad || (out->tag & 0x1f) == 0x1f || !read_length(&r, &len))
		return false;
	body = read_bytes(&r, len);
	if (!body)
		return false;
	out->body = (struct span){ body, len };
	out->whole = (struct span){ from->at, from->len - r.left };
	*from = (struct span){ r.at, r.left };
	return true;
}

bool der_take(struct span *from, uint8_t tag, struct span *body)
{
	struct der d;

	if (!der_is_next(*from, tag) || !der_read(from, &d))
		return false;
	*body = d.body;
	return true;
}

bool der_is_next(struct span from, uint8_t tag)
{
	return from.len && from.at[0] == tag;
}

static int two_digits(const uint8_t *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + p[1] - '0';
}

/* Days from 1970-01-01 to the first of March of @year, and on: the leap day is
 * then the last of its year and needs no case of its own.
 */
static int64_t days_of(int64_t year, int month, int day)
{
	static const int before[] = { 306, 337, 0, 31, 61, 92,
				      122, 153, 184, 214, 245, 275 };
	int64_t y = month <= 2 ? year - 1 : year;

	return y * 365 + y / 4 - y / 100 + y / 400 + before[month - 1] + day -
	       719469;
}

bool der_time(uint8_t tag, struct span body, int64_t *seconds)
{
	int v[7];	/* century, year, month, day, hour, minute, second */
	size_t at = 0;
	unsigned i;

	if (tag == DER_UTC_TIME && body.len == 13)
		v[0] = two_digits(body.at) >= 50 ? 19 : 20;
	else if (tag == DER_GENERALIZED_TIME && body.len == 15)
		v[0] = two_digits(body.at), at = 2;
	else
		return false;
	for (i = 1; i < 7; i++, at += 2)
		v[i] = two_digits(body.at + at);
	for (i = 0; i < 7; i++)
		if (v[i] < 0)
			return false;
	if (v[2] < 1 || v[2] > 12 || v[3] < 1 || v[3] > 31 || v[4] > 23 ||
	    v[5] > 59 || v[6] > 59 || body.at[at] != 'Z')
		return false;
	*seconds = days_of(v[0] * 100 + v[1], v[2], v[3]) * 86400 +
		   v[4] * 3600 + v[5] * 60 + v[6];
	return true;
}

size_t der_open(struct writer *w, uint8_t tag)
{
	size_t mark = w->len;

	write8(w, tag);
	write8(w, 0);
	return mark;
}

void der_close(struct writer *w, size_t mark)
{
	size_t len, more;
	uint8_t *p;

	if (w->full)
		return;
	len = w->len - mark - 2;
	more = len < 0x80 ? 0 : len < 0x100 ? 1 : 2;
	if (len > 0xffff)
		w->full = true;
	if (!write_room(w, more))
		return;
	p = w->at + mark + 1;
	memmove(p + 1 + more, p + 1, len);
	if (!more)
		p[0] = (uint8_t)len;
	else
		p[0] = (uint8_t)(0x80 | more);
	if (more == 1)
		p[1] = (uint8_t)len;
	else if (more == 2)
		put16(p + 1, (uint16_t)len);
}

void der_put(struct writer *w, uint8_t tag, const void *body, size_t len)
{
	size_t mark = der_open(w, tag);

	write_bytes(w, body, len);
	der_close(w, mark);
}

void der_put_bits(struct writer *w, const void *body, size_t len,
		  uint8_t unused)
{
	size_t mark = der_open(w, DER_BIT_STRING);

	write8(w, unused);
	write_bytes(w, body, len);
	der_close(w, mark);
}

void der_put_time(struct writer *w, int64_t seconds)
{
	time_t when = (time_t)seconds;
	char text[32];
	struct tm tm;
	bool is_short;

	if (!gmtime_r(&when, &tm) || tm.tm_year > 8099) {
		w->full = true;
		return;
	}
	is_short = tm.tm_year >= 50 && tm.tm_year < 150;
	strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
	der_put(w, is_short ? DER_UTC_TIME : DER_GENERALIZED_TIME,
		is_short ? text + 2 : text, strlen(text) - (is_short ? 2 : 0));
}
