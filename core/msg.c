/* SPDX-License-Identifier: MIT
 *
 * msg.c - control messages to and from bytes
 *
 * Theory of operation
 * ===================
 * The list of messages and fields is msg.def; this file turns each row into a
 * decode and an encode function, so that both cannot disagree. A reader that
 * ran out of bytes remembers it, so each decode function is a straight line
 * and the one check stands at the end.
 */
#include "core/msg.h"

static uint8_t take_u8(struct reader *r)
{
	return read8(r);
}

static uint16_t take_u16(struct reader *r)
{
	return read16(r);
}

static uint32_t take_u32(struct reader *r)
{
	return read32(r);
}

static uint64_t take_u64(struct reader *r)
{
	return read64(r);
}

static struct addr6 take_a6(struct reader *r)
{
	struct addr6 a;

	read_into(r, &a, sizeof(a));
	return a;
}

static msg_key take_key(struct reader *r)
{
	msg_key k;

	read_into(r, &k, sizeof(k));
	return k;
}

static struct span take_tail(struct reader *r)
{
	struct span s = { r->at, r->left };

	read_bytes(r, r->left);
	return s;
}

static void give_u8(struct writer *w, const uint8_t *v)
{
	write8(w, *v);
}

static void give_u16(struct writer *w, const uint16_t *v)
{
	write16(w, *v);
}

static void give_u32(struct writer *w, const uint32_t *v)
{
	write32(w, *v);
}

static void give_u64(struct writer *w, const uint64_t *v)
{
	write64(w, *v);
}

static void give_a6(struct writer *w, const struct addr6 *v)
{
	write_bytes(w, v, sizeof(*v));
}

static void give_key(struct writer *w, const msg_key *v)
{
	write_bytes(w, v, sizeof(*v));
}

static void give_tail(struct writer *w, const struct span *v)
{
	write_bytes(w, v->at, v->len);
}

#define F(type, name) m->name = take_##type(r);
#define MSG(name, NAME, number, fields)					\
	static void decode_##name(struct reader *r, struct msg_##name *m) \
	{								\
		fields							\
	}
#include "core/msg.def"
#undef MSG
#undef F

#define F(type, name) give_##type(w, &m->name);
#define MSG(name, NAME, number, fields)					\
	static void encode_##name(struct writer *w,			\
				  const struct msg_##name *m)		\
	{								\
		fields							\
	}
#include "core/msg.def"
#undef MSG
#undef F

int msg_frame(struct span in)
{
	size_t len;

	if (in.len < 2)
		return 0;
	len = get16(in.at);
	if (len < 1 || len + 2 > MSG_MAX)
		return -1;
	return in.len < len + 2 ? 0 : (int)(len + 2);
}

bool msg_decode(struct msg *m, struct span in)
{
	struct reader r = reader_of(in);

	if (read16(&r) + (size_t)2 != in.len)
		return false;
	m->type = read8(&r);
	switch (m->type) {
#define F(type, name)
#define MSG(name, NAME, number, fields)					\
	case MSG_##NAME:						\
		decode_##name(&r, &m->u.name);				\
		break;
#include "core/msg.def"
#undef MSG
#undef F
	default:
		if (m->type < MSG_OPTIONAL)
			return false;
		m->type = 0;
		return true;
	}
	return !r.bad;
}

size_t msg_encode(struct writer *w, const struct msg *m)
{
	size_t start = w->len;

	write16(w, 0);
	write8(w, m->type);
	switch (m->type) {
#define F(type, name)
#define MSG(name, NAME, number, fields)					\
	case MSG_##NAME:						\
		encode_##name(w, &m->u.name);				\
		break;
#include "core/msg.def"
#undef MSG
#undef F
	default:
		w->full = true;
	}
	if (w->full || w->len - start > MSG_MAX) {
		w->len = start;
		return 0;
	}
	put16(w->at + start, (uint16_t)(w->len - start - 2));
	return w->len - start;
}

const char *msg_name(uint8_t type)
{
	switch (type) {
#define F(type, name)
#define MSG(name, NAME, number, fields)	case MSG_##NAME: return #NAME;
#include "core/msg.def"
#undef MSG
#undef F
	default:
		return "?";
	}
}
