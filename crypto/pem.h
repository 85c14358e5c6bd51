/* SPDX-License-Identifier: MIT
 *
 * pem.h - text with objects in it (RFC 7468)
 */
#ifndef CRYPTO_PEM_H
#define CRYPTO_PEM_H

#include "core/bytes.h"

#define PEM_LABEL_MAX 64
#define PEM_OBJECT_MAX 8192

/** enum pem_kind - what pem_next() found */
enum pem_kind {
	PEM_LINE,	/* a line of text outside objects: @text, without end */
	PEM_OBJECT,	/* an object: @label and @der */
	PEM_CUT,	/* an object begins and does not end */
	PEM_BAD,	/* an object is no base64, or too large */
	PEM_DONE,
	PEM_KIND_COUNT
};

/** struct pem - one item of such a text; wipe @der if it was a private key
 * @text: the line, or the whole object from -----BEGIN on
 */
struct pem {
	struct span text;
	char label[PEM_LABEL_MAX];
	uint8_t der[PEM_OBJECT_MAX];
	size_t len;
};

/** pem_next() - Take the next line or object from @from */
enum pem_kind pem_next(struct span *from, struct pem *p);
/** pem_write() - Write an object; sticky error as in core/bytes.h */
void pem_write(struct writer *w, const char *label, struct span der);
/** pem_print() - Write formatted text */
__attribute__((format(printf, 2, 3)))
void pem_print(struct writer *w, const char *format, ...);

#endif
