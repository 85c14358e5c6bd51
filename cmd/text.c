/* SPDX-License-Identifier: MIT
 *
 * text.c - text into a buffer of limited size, and units for people
 *
 * Theory of operation
 * ===================
 * A writer never overruns its buffer. With a spill function the buffer is only
 * a step on the way and the text may be of any length; without one, and when
 * the reader is gone, the writer is full and swallows the rest, so that
 * callers check once, at the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/text.h"

enum { TEXT_ONCE = 1024 };

static bool make_room(struct text *t, size_t len)
{
	if (t->full || len > t->cap)
		return false;
	if (len <= t->cap - t->len)
		return true;
	return t->spill && text_flush(t);
}

void text_bytes(struct text *t, const char *bytes, size_t len)
{
	if (!make_room(t, len)) {
		t->full = true;
		return;
	}
	memcpy(t->at + t->len, bytes, len);
	t->len += len;
	t->total += len;
}

void text_add(struct text *t, const char *format, ...)
{
	char once[TEXT_ONCE];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(once, sizeof(once), format, ap);
	va_end(ap);
	if (n < 0 || n >= TEXT_ONCE)
		t->full = true;
	else
		text_bytes(t, once, (size_t)n);
}

bool text_flush(struct text *t)
{
	if (!t->full && t->spill && t->len && !t->spill(t, t->arg))
		t->full = true;
	if (t->spill)
		t->len = 0;
	return !t->full;
}

const char *unit_bytes(char *to, uint64_t bytes)
{
	static const char units[] = "kMGTPE";
	uint64_t whole = bytes, part = 0;
	int unit = -1;

	while (whole >= 1000) {
		part = whole % 1000;
		whole /= 1000;
		unit++;
	}
	if (unit < 0)
		snprintf(to, UNIT_TEXT, "%" PRIu64 " B", bytes);
	else if (whole >= 100)
		snprintf(to, UNIT_TEXT, "%" PRIu64 " %cB", whole, units[unit]);
	else if (whole >= 10)
		snprintf(to, UNIT_TEXT, "%" PRIu64 ".%" PRIu64 " %cB", whole,
			 part / 100, units[unit]);
	else
		snprintf(to, UNIT_TEXT, "%" PRIu64 ".%02" PRIu64 " %cB", whole,
			 part / 10, units[unit]);
	return to;
}

const char *unit_signed(char *to, int64_t bytes)
{
	char plain[UNIT_TEXT];

	if (bytes >= 0)
		return unit_bytes(to, (uint64_t)bytes);
	unit_bytes(plain, 0 - (uint64_t)bytes);
	snprintf(to, UNIT_TEXT, "-%.*s", UNIT_TEXT - 2, plain);
	return to;
}

const char *unit_time(char *to, msec ms)
{
	unsigned long long s = ms / 1000;

	if (s < 60)
		snprintf(to, UNIT_TEXT, "%llu s", s);
	else if (s < 3600)
		snprintf(to, UNIT_TEXT, "%llu min %llu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(to, UNIT_TEXT, "%llu h %llu min", s / 3600,
			 s / 60 % 60);
	else
		snprintf(to, UNIT_TEXT, "%llu d %llu h", s / 86400,
			 s / 3600 % 24);
	return to;
}
