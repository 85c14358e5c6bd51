/* SPDX-License-Identifier: MIT
 *
 * pem.c - text with objects in it (RFC 7468)
 *
 * Theory of operation
 * ===================
 * Our files are text for people with objects for machines in it: RFC 7468, 5.2
 * calls the former explanatory text, and openssl skips it. Here both count: a
 * line is an item, an object is an item. An object that begins must end with
 * the same label, so that a file cut anywhere inside one is noticed. Base64 is
 * BearSSL's, which is constant-time: private keys go through here.
 */
#include <bearssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "crypto/pem.h"

#define BEGIN "-----BEGIN "
#define DASHES "-----"

static struct span take_line(struct span *from)
{
	const uint8_t *end = memchr(from->at, '\n', from->len);
	size_t len = end ? (size_t)(end - from->at) + 1 : from->len;
	struct span line = { from->at, len };

	from->at += len;
	from->len -= len;
	return line;
}

static void trim(struct span *line)
{
	while (line->len && (line->at[line->len - 1] == '\n' ||
			     line->at[line->len - 1] == '\r' ||
			     line->at[line->len - 1] == ' '))
		line->len--;
}

static bool is_begin(struct span line, char label[static PEM_LABEL_MAX])
{
	size_t head = sizeof(BEGIN) - 1, tail = sizeof(DASHES) - 1, len;

	trim(&line);
	if (line.len <= head + tail || memcmp(line.at, BEGIN, head) ||
	    memcmp(line.at + line.len - tail, DASHES, tail))
		return false;
	len = line.len - head - tail;
	if (len >= PEM_LABEL_MAX)
		return false;
	memcpy(label, line.at + head, len);
	label[len] = '\0';
	return true;
}

static bool is_end(struct span line, const char *label)
{
	char want[PEM_LABEL_MAX + 16];
	int len = snprintf(want, sizeof(want), "-----END %s-----", label);

	trim(&line);
	return line.len == (size_t)len && !memcmp(line.at, want, line.len);
}

static void keep(void *to, const void *bytes, size_t len)
{
	struct writer *w = to;

	write_bytes(w, bytes, len);
}

static bool decode(struct pem *p)
{
	struct writer w = writer_of(p->der, sizeof(p->der));
	br_pem_decoder_context d;
	size_t at = 0;
	bool ended = false, failed = false;

	br_pem_decoder_init(&d);
	while (at < p->text.len && !ended && !failed) {
		at += br_pem_decoder_push(&d, p->text.at + at,
					  p->text.len - at);
		switch (br_pem_decoder_event(&d)) {
		case BR_PEM_BEGIN_OBJ:
			br_pem_decoder_setdest(&d, keep, &w);
			break;
		case BR_PEM_END_OBJ:
			ended = true;
			break;
		case BR_PEM_ERROR:
			failed = true;
			break;
		}
	}
	/* A last line without its end has not been looked at yet. */
	if (!ended && !failed) {
		br_pem_decoder_push(&d, "\n", 1);
		ended = br_pem_decoder_event(&d) == BR_PEM_END_OBJ;
	}
	explicit_bzero(&d, sizeof(d));
	p->len = w.len;
	return ended && !w.full;
}

enum pem_kind pem_next(struct span *from, struct pem *p)
{
	struct span line;

	if (!from->len)
		return PEM_DONE;
	p->text.at = from->at;
	line = take_line(from);
	if (!is_begin(line, p->label)) {
		trim(&line);
		p->text = line;
		return PEM_LINE;
	}
	do {
		if (!from->len)
			return PEM_CUT;
		line = take_line(from);
		if (line.len > 11 && !memcmp(line.at, BEGIN, 11))
			return PEM_CUT;
	} while (!is_end(line, p->label));
	p->text.len = (size_t)(from->at - p->text.at);
	return decode(p) ? PEM_OBJECT : PEM_BAD;
}

void pem_write(struct writer *w, const char *label, struct span der)
{
	size_t len = br_pem_encode(NULL, der.at, der.len, label,
				   BR_PEM_LINE64);
	uint8_t *at = write_room(w, len + 1);

	if (!at)
		return;
	br_pem_encode(at, der.at, der.len, label, BR_PEM_LINE64);
	w->len--;	/* the NUL */
}

void pem_print(struct writer *w, const char *format, ...)
{
	char line[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(line))
		w->full = true;
	else
		write_bytes(w, line, (size_t)len);
}
