/* SPDX-License-Identifier: MIT
 *
 * drop.c - names and sentences of the reasons in drop.def
 *
 * Theory of operation
 * ===================
 * Both lists are drop.def read once more, so they cannot fall out of step with
 * the enum; a number that is no reason (of a newer peer, say) has a name too.
 */
#include <stddef.h>

#include "core/drop.h"

static const char *const names[DROP_COUNT] = {
	[DROP_NONE] = "NONE",
#define DROP(name, class, sentence) [DROP_##name] = #name,
#include "core/drop.def"
#undef DROP
};

static const char *const sentences[DROP_COUNT] = {
	[DROP_NONE] = "not dropped",
#define DROP(name, class, sentence) [DROP_##name] = sentence,
#include "core/drop.def"
#undef DROP
};

const char *drop_name(enum drop d)
{
	return (size_t)d < DROP_COUNT ? names[d] : "UNKNOWN";
}

const char *drop_sentence(enum drop d)
{
	return (size_t)d < DROP_COUNT ? sentences[d] : "unknown reason";
}
