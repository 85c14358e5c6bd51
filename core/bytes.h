/* SPDX-License-Identifier: MIT
 *
 * bytes.h - spans of bytes, network byte order, bounded reading and writing
 *
 * A reader or writer remembers the first overrun and refuses all that follows
 * (a read then gives 0), so that a caller checks once, at the end.
 */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** struct span - bytes that somebody else owns */
struct span {
	const uint8_t *at;
	size_t len;
};

/** struct reader - a position in bytes that are not believed yet */
struct reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

/** struct writer - a position in a buffer of limited size
 * @full: something did not fit; @len no longer grows
 */
struct writer {
	uint8_t *at;
	size_t cap, len;
	bool full;
};

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

static inline void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)(v >> 32));
	put32(p + 4, (uint32_t)v);
}

static inline struct reader reader_of(struct span s)
{
	return (struct reader){ s.at, s.len, false };
}

/** read_bytes() - Take @len bytes; NULL and sticky @bad if there are fewer */
static inline const uint8_t *read_bytes(struct reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (r->bad || len > r->left) {
		r->bad = true;
		return NULL;
	}
	r->at += len;
	r->left -= len;
	return at;
}

static inline uint8_t read8(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t read16(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 2);

	return p ? get16(p) : 0;
}

static inline uint32_t read32(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 4);

	return p ? get32(p) : 0;
}

static inline uint64_t read64(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 8);

	return p ? get64(p) : 0;
}

/** read_into() - Copy @len bytes to @to; zeroes there if there are fewer */
static inline void read_into(struct reader *r, void *to, size_t len)
{
	const uint8_t *p = read_bytes(r, len);

	if (p)
		memcpy(to, p, len);
	else
		memset(to, 0, len);
}

static inline struct writer writer_of(uint8_t *at, size_t cap)
{
	return (struct writer){ at, cap, 0, false };
}

/** write_room() - Room for @len more bytes; NULL and sticky @full if none */
static inline uint8_t *write_room(struct writer *w, size_t len)
{
	uint8_t *at = w->at + w->len;

	if (w->full || len > w->cap - w->len) {
		w->full = true;
		return NULL;
	}
	w->len += len;
	return at;
}

static inline void write8(struct writer *w, uint8_t v)
{
	uint8_t *p = write_room(w, 1);

	if (p)
		p[0] = v;
}

static inline void write16(struct writer *w, uint16_t v)
{
	uint8_t *p = write_room(w, 2);

	if (p)
		put16(p, v);
}

static inline void write32(struct writer *w, uint32_t v)
{
	uint8_t *p = write_room(w, 4);

	if (p)
		put32(p, v);
}

static inline void write64(struct writer *w, uint64_t v)
{
	uint8_t *p = write_room(w, 8);

	if (p)
		put64(p, v);
}

static inline void write_bytes(struct writer *w, const void *from, size_t len)
{
	uint8_t *p = write_room(w, len);

	if (p && len)
		memcpy(p, from, len);
}

#endif
