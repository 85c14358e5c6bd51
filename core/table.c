/* SPDX-License-Identifier: MIT
 *
 * table.c - hash index of objects that are known by number
 *
 * Theory of operation
 * ===================
 * Two arrays: the first object of each bucket, and for each object the next of
 * its bucket and its hash, side by side, so that a step along the chain costs
 * one miss of the cache. There are as many buckets as there ever were objects:
 * they grow one by one (linear hashing, Litwin 1980): with an object too many
 * the next bucket in line is split in two. So a table made for a million that
 * holds a thousand is as compact, and as fast, as one made for a thousand, and
 * no call has to move many. Chains are short as long as the hash is keyed
 * (siphash13) and nobody can aim at one. Adding cannot fail: an object has its place in the
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
	t->head = memory;
	t->most = buckets_for(cap);
	t->entry = (struct table_entry *)(void *)(t->head + t->most);
	t->used = 1;
	t->mask = 0;
	t->count = 0;
}

/* One bucket more: it takes its part of the one that had both. */
static void grow(struct table *t)
{
	uint32_t fresh = t->used++, *at, *to = &t->head[fresh], object;

	if (fresh > t->mask)
		t->mask = 2 * t->mask + 1;
	at = &t->head[fresh & t->mask >> 1];
	while ((object = *at)) {
		struct table_entry *entry = &t->entry[object - 1];

		if (table_bucket(t, entry->hash) == fresh) {
			*at = entry->next;
			*to = object;
			to = &entry->next;
		} else {
			at = &entry->next;
		}
	}
	*to = 0;
}

void table_add(struct table *t, uint32_t hash, uint32_t object)
{
	uint32_t *head;

	if (t->count++ >= t->used && t->used < t->most)
		grow(t);
	head = &t->head[table_bucket(t, hash)];
	t->entry[object] = (struct table_entry){ *head, hash };
	*head = object + 1;
}

void table_remove(struct table *t, uint32_t object)
{
	uint32_t *at = &t->head[table_bucket(t, t->entry[object].hash)];

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
	return skip_others(t, t->head[table_bucket(t, hash)], hash);
}

uint32_t table_next(const struct table *t, uint32_t object)
{
	return skip_others(t, t->entry[object].next, t->entry[object].hash);
}
