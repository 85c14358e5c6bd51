/* SPDX-License-Identifier: MIT
 *
 * table.c - hash index of objects that are known by number
 *
 * Theory of operation
 * ===================
 * Three arrays of numbers: the first object of each bucket, and for each object
 * the next of its bucket and its hash. There are as many buckets as objects,
 * rounded up to a power of two, so chains are short as long as the hash is
 * keyed (siphash13) and nobody can aim at one. Adding cannot fail: an object
 * has its place in the arrays by its number. Removing walks the chain, which
 * saves a back link per object. New objects stand at the head: sessions that
 * begin are the ones that are looked for.
 *
 * Invariant: an object is in the chain of the bucket of its stored hash, once,
 * or in none. The caller knows which objects are in.
 */
#include <string.h>

#include "core/table.h"

static uint32_t buckets_for(uint32_t cap)
{
	uint32_t n = 1;

	while (n < cap && n < UINT32_C(1) << 31)
		n <<= 1;
	return n;
}

size_t table_bytes(uint32_t cap)
{
	return ((size_t)buckets_for(cap) + 2 * (size_t)cap) * sizeof(uint32_t);
}

void table_init(struct table *t, void *memory, uint32_t cap)
{
	uint32_t buckets = buckets_for(cap);

	t->head = memory;
	t->next = t->head + buckets;
	t->hash = t->next + cap;
	t->mask = buckets - 1;
	t->count = 0;
	memset(t->head, 0xff, buckets * sizeof(*t->head));	/* NONE */
}

void table_add(struct table *t, uint32_t hash, uint32_t object)
{
	uint32_t *head = &t->head[hash & t->mask];

	t->hash[object] = hash;
	t->next[object] = *head;
	*head = object;
	t->count++;
}

void table_remove(struct table *t, uint32_t object)
{
	uint32_t *at = &t->head[t->hash[object] & t->mask];

	while (*at != NONE && *at != object)
		at = &t->next[*at];
	if (*at == NONE)
		return;
	*at = t->next[object];
	t->next[object] = NONE;
	t->count--;
}

/* First of a chain, from @object on, that has @hash. */
static uint32_t skip_others(const struct table *t, uint32_t object,
			    uint32_t hash)
{
	while (object != NONE && t->hash[object] != hash)
		object = t->next[object];
	return object;
}

uint32_t table_first(const struct table *t, uint32_t hash)
{
	return skip_others(t, t->head[hash & t->mask], hash);
}

uint32_t table_next(const struct table *t, uint32_t object)
{
	return skip_others(t, t->next[object], t->hash[object]);
}
