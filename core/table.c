/* SPDX-License-Identifier: MIT
 *
 * table.c - hash index of objects that are known by number
 *
 * Theory of operation
 * ===================
 * Two arrays: the first object of each bucket, and for each object the next of
 * its bucket and its hash, side by side, so that a step along the chain costs
 * one miss of the cache. There are as many buckets as objects, rounded up to a
 * power of two, so chains are short as long as the hash is keyed (siphash13)
 * and nobody can aim at one. Adding cannot fail: an object has its place in the
 * array by its number. Removing walks the chain, which saves a back link per
 * object. New objects stand at the head: sessions that begin are the ones that
 * are looked for. Numbers are stored plus one, so that zeroed memory is an
 * empty table and a large one costs nothing while it is empty.
 *
 * Invariant: an object is in the chain of the bucket of its stored hash, once,
 * or in none. The caller knows which objects are in.
 */
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
	return buckets_for(cap) * sizeof(uint32_t) +
	       cap * sizeof(struct table_entry);
}

void table_init(struct table *t, void *memory, uint32_t cap)
{
	uint32_t buckets = buckets_for(cap);

	t->head = memory;
	t->entry = (struct table_entry *)(void *)(t->head + buckets);
	t->mask = buckets - 1;
	t->count = 0;
}

void table_add(struct table *t, uint32_t hash, uint32_t object)
{
	uint32_t *head = &t->head[hash & t->mask];

	t->entry[object] = (struct table_entry){ *head, hash };
	*head = object + 1;
	t->count++;
}

void table_remove(struct table *t, uint32_t object)
{
	uint32_t *at = &t->head[t->entry[object].hash & t->mask];

	while (*at && *at != object + 1)
		at = &t->entry[*at - 1].next;
	if (!*at)
		return;
	*at = t->entry[object].next;
	t->entry[object].next = 0;
	t->count--;
}

/* First of a chain, from @at (a number + 1) on, that has @hash. */
static uint32_t skip_others(const struct table *t, uint32_t at, uint32_t hash)
{
	while (at && t->entry[at - 1].hash != hash)
		at = t->entry[at - 1].next;
	return at - 1;	/* NONE at the end */
}

_Static_assert((uint32_t)(0u - 1) == NONE, "0 - 1 is NONE");

uint32_t table_first(const struct table *t, uint32_t hash)
{
	return skip_others(t, t->head[hash & t->mask], hash);
}

uint32_t table_next(const struct table *t, uint32_t object)
{
	return skip_others(t, t->entry[object].next, t->entry[object].hash);
}
