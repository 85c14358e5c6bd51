/* SPDX-License-Identifier: MIT
 *
 * json.c - JSON (RFC 8259) into a struct text
 *
 * Theory of operation
 * ===================
 * Two bits per level are all the state: is it an array, and does the next
 * member need a comma. What is too deep makes the text full, as what is too
 * long does.
 */
#include <inttypes.h>
#include <string.h>

#include "cmd/json.h"

static void quote(struct text *t, const char *s)
{
	const char *plain = s;

	text_bytes(t, "\"", 1);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
			continue;
		text_bytes(t, plain, (size_t)(s - plain));
		if (c == '"' || c == '\\')
			text_add(t, "\\%c", c);
		else
			text_add(t, "\\u%04x", c < 0x80 ? c : 0xfffdU);
		plain = s + 1;
	}
	text_bytes(t, plain, (size_t)(s - plain));
	text_bytes(t, "\"", 1);
}

/* Comma and key. */
static void member(struct json *j, const char *key)
{
	uint32_t bit = (uint32_t)1 << (j->depth % JSON_DEPTH);

	if (j->filled & bit)
		text_bytes(j->to, ",", 1);
	j->filled |= bit;
	if (!key)
		return;
	quote(j->to, key);
	text_bytes(j->to, ":", 1);
}

void json_begin(struct json *j, const char *key, char kind)
{
	uint32_t bit;

	member(j, key);
	if (j->depth + 1 >= JSON_DEPTH) {
		j->to->full = true;
		return;
	}
	bit = (uint32_t)1 << ++j->depth;
	j->filled &= ~bit;
	if (kind == '[')
		j->array |= bit;
	else
		j->array &= ~bit;
	text_bytes(j->to, kind == '[' ? "[" : "{", 1);
}

void json_end(struct json *j)
{
	uint32_t bit = (uint32_t)1 << j->depth;

	if (!j->depth)
		return;
	text_bytes(j->to, j->array & bit ? "]" : "}", 1);
	j->depth--;
}

void json_text(struct json *j, const char *key, const char *value)
{
	if (!value) {
		json_null(j, key);
		return;
	}
	member(j, key);
	quote(j->to, value);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	member(j, key);
	text_add(j->to, "%" PRIu64, value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	member(j, key);
	text_add(j->to, "%" PRId64, value);
}

void json_milli(struct json *j, const char *key, int64_t value)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	member(j, key);
	text_add(j->to, "%s%" PRIu64 ".%03" PRIu64, value < 0 ? "-" : "",
		 size / 1000, size % 1000);
}

void json_bool(struct json *j, const char *key, bool value)
{
	member(j, key);
	text_add(j->to, "%s", value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
	member(j, key);
	text_bytes(j->to, "null", 4);
}
