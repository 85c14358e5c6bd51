/* SPDX-License-Identifier: MIT
 *
 * drop.h - the reasons of drop.def as an enum
 */
#ifndef CORE_DROP_H
#define CORE_DROP_H

enum drop {
	DROP_NONE,	/* not dropped */
#define DROP(name, class, sentence) DROP_##name,
#include "core/drop.def"
#undef DROP
	DROP_COUNT
};

/** drop_name() - "SPOOFED" and so on, for JSON keys in lower case */
const char *drop_name(enum drop d);
/** drop_sentence() - What it means, for people */
const char *drop_sentence(enum drop d);

#endif
