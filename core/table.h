/* SPDX-License-Identifier: MIT
 *
 * table.h - hash index of objects that are known by number
 *
 * Chained, fixed capacity, memory by the caller, no allocation. It holds
 * (hash, object number) pairs; the caller compares keys. An object stands in
 * one table at most once.
 */
#ifndef CORE_TABLE_H
#define CORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define NONE UINT32_MAX		/* no object */

/** struct table_entry - of an object; @next: number + 1, 0 at the end */
struct table_entry {
	uint32_t next, hash;
};

struct table {
	uint32_t *head;		/* first object per bucket, + 1; 0: empty */
	struct table_entry *entry;	/* per object */
	uint32_t used, most;	/* buckets: now, at most */
	uint32_t mask;		/* used <= mask + 1 < 2 used */
	uint32_t count;
};

static inline uint32_t table_bucket(const struct table *t, uint32_t hash)
{
	uint32_t b = hash & t->mask;

	return b < t->used ? b : b & t->mask >> 1;
}

/** table_bytes() - Memory that a table for objects 0 .. @cap-1 needs */
size_t table_bytes(uint32_t cap);
/** table_init() - @memory: table_bytes(@cap) bytes, aligned for uint32_t and
 * zeroed; none of it is touched before it is used
 */
void table_init(struct table *t, void *memory, uint32_t cap);
void table_add(struct table *t, uint32_t hash, uint32_t object);
/** table_remove() - @object is in the table under the hash it was added with */
void table_remove(struct table *t, uint32_t object);
/** table_guess() - The object that table_first() will probably give (not
 * looked at yet: memory of it can be on its way meanwhile), NONE if none is
 */
static inline uint32_t table_guess(const struct table *t, uint32_t hash)
{
	return t->head[table_bucket(t, hash)] - 1;
}

/** table_first(), table_next() - Objects of equal hash, NONE at the end */
uint32_t table_first(const struct table *t, uint32_t hash);
uint32_t table_next(const struct table *t, uint32_t object);

#endif
