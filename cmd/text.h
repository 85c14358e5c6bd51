/* SPDX-License-Identifier: MIT
 *
 * text.h - text into a buffer of limited size, and units for people
 */
#ifndef CMD_TEXT_H
#define CMD_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/log.h"
#include "core/wheel.h"

struct text;

/** text_spill_fn - Take t->len bytes at t->at away; false: nobody reads */
typedef bool text_spill_fn(struct text *t, void *arg);

/** struct text - text that is being written
 * @at, @cap: the buffer; @len: used, never more than @cap
 * @total: bytes written so far, spilled ones included
 * @spill: empties the buffer when it is full; NULL: then it is full
 * @full: something did not fit or was not taken; nothing is added any more
 */
struct text {
	char *at;
	size_t cap, len;
	uint64_t total;
	text_spill_fn *spill;
	void *arg;
	bool full;
};

/** text_bytes() - Append @len bytes, all or none */
void text_bytes(struct text *t, const char *bytes, size_t len);
/** text_add() - Append as printf() would; at most 1023 bytes at once */
void text_add(struct text *t, const char *format, ...) LOG_PRINTF(2, 3);
/** text_flush() - Spill what is left; false if something was lost */
bool text_flush(struct text *t);

#define UNIT_TEXT 32	/* what the functions below need at @to */
/** unit_bytes() - "999 B", "1.23 MB" */
const char *unit_bytes(char *to, uint64_t bytes);
/** unit_signed() - The same with a minus if need be */
const char *unit_signed(char *to, int64_t bytes);
/** unit_time() - "59 s", "2 h 3 min", "4 d 1 h" */
const char *unit_time(char *to, msec ms);

#endif
