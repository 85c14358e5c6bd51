/* SPDX-License-Identifier: MIT
 *
 * msg.h - control messages: msg.def as structs, and their wire form
 */
#ifndef CORE_MSG_H
#define CORE_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"

enum { MSG_VERSION = 1, MSG_HEADER = 3, MSG_MAX = 2300 };
enum { MSG_OPTIONAL = 128 };

/** enum bye - why a connection is closed; unknown ones are like BYE_STOP
 * @BYE_PREFIX: the edge's prefix is not part of the hub's
 */
enum bye {
	BYE_STOP, BYE_CLONED, BYE_REVOKED, BYE_REPLACED, BYE_FULL, BYE_PREFIX
};

typedef uint8_t msg_u8;
typedef uint16_t msg_u16;
typedef uint32_t msg_u32;
typedef uint64_t msg_u64;
typedef struct addr6 msg_a6;
typedef struct { uint8_t b[16]; } msg_key;
typedef struct span msg_tail;

enum msg_type {
#define F(type, name)
#define MSG(name, NAME, number, fields) MSG_##NAME = number,
#include "core/msg.def"
#undef MSG
};

#undef F
#define F(type, name) msg_##type name;
#define MSG(name, NAME, number, fields) struct msg_##name { fields };
#include "core/msg.def"
#undef MSG
#undef F

/** struct msg - any message */
struct msg {
	uint8_t type;
	union {
#define F(type, name)
#define MSG(name, NAME, number, fields) struct msg_##name name;
#include "core/msg.def"
#undef MSG
#undef F
	} u;
};

/** msg_frame() - Is a whole message at the start of @in?
 * Return: its bytes, header included; 0: more is needed; -1: it can never be
 * one (longer than MSG_MAX, or empty)
 */
int msg_frame(struct span in);
/** msg_decode() - One whole message (as msg_frame() measured it) to a struct
 * Tails point into @in. Return: false if malformed or unknown and not optional;
 * an unknown optional one gives type 0
 */
bool msg_decode(struct msg *m, struct span in);
/** msg_encode() - Struct to wire. Return: bytes, 0 if it does not fit */
size_t msg_encode(struct writer *w, const struct msg *m);
/** msg_name() - "HELLO" and so on, "?" if unknown */
const char *msg_name(uint8_t type);

#endif
