/* SPDX-License-Identifier: MIT
 *
 * json.h - JSON (RFC 8259) into a struct text
 *
 *	struct json j = { .to = &text };
 *	json_begin(&j, NULL, '{');
 *	json_text(&j, "name", "alice");
 *	json_begin(&j, "list", '[');
 *	json_u64(&j, NULL, 1);
 *	json_end(&j);
 *	json_end(&j);			{"name":"alice","list":[1]}
 *
 * In an array the key is NULL. Nothing is checked but the depth.
 */
#ifndef CMD_JSON_H
#define CMD_JSON_H

#include "cmd/text.h"

enum { JSON_DEPTH = 32 };

/** struct json - where we are
 * @array, @filled: a bit per level: '[' rather than '{'; has a member already
 */
struct json {
	struct text *to;
	unsigned depth;
	uint32_t array, filled;
};

/** json_begin() - Open an object '{' or array '[' */
void json_begin(struct json *j, const char *key, char kind);
/** json_end() - Close the innermost one */
void json_end(struct json *j);
/** json_text() - A string; NULL is null. Bytes that are not ASCII become
 * U+FFFD
 */
void json_text(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
/** json_milli() - @value thousandths, as a decimal fraction */
void json_milli(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
