/* SPDX-License-Identifier: MIT
 *
 * prefix.c - the link that an address or a prefix belongs to
 *
 * Theory of operation
 * ===================
 * Links are found by prefix and length in one hash table. An address is looked
 * up with each length that any link has, the longest first: has_prefix[] has a
 * bit per length, so a hub whose edges all have a /64 looks once.
 */
#include "core/state.h"

static uint32_t hash_prefix(const struct engine *e, const struct addr6 *a,
			    uint8_t len)
{
	uint8_t key[17];

	memcpy(key, a, 16);
	key[16] = len;
	return hash_bytes(e, key, sizeof(key));
}

struct link *link_by_prefix(struct engine *e, const struct prefix6 *p)
{
	uint32_t n = table_first(&e->link_prefix,
				 hash_prefix(e, &p->addr, p->len));

	for (; n != NONE; n = table_next(&e->link_prefix, n))
		if (e->link[n].prefix.len == p->len &&
		    addr6_eq(&e->link[n].prefix.addr, &p->addr))
			return &e->link[n];
	return NULL;
}

struct link *link_by_addr(struct engine *e, const struct addr6 *a)
{
	for (int word = 2; word >= 0; word--) {
		uint64_t left = e->has_prefix[word];

		while (left) { /* the longest first */
			int bit = 63 - __builtin_clzll(left);
			struct prefix6 p = { .len = (uint8_t)(64 * word + bit) };
			struct link *l;

			p.addr = prefix6_mask(a, p.len);
			l = link_by_prefix(e, &p);
			if (l)
				return l;
			left &= ~(UINT64_C(1) << bit);
		}
	}
	return NULL;
}

static void count_prefix(struct engine *e, uint8_t len, int add)
{
	uint64_t bit = UINT64_C(1) << len % 64;

	e->prefix_lens[len] += (uint32_t)add;
	if (e->prefix_lens[len])
		e->has_prefix[len / 64] |= bit;
	else
		e->has_prefix[len / 64] &= ~bit;
}

void prefix_add(struct engine *e, const struct link *l)
{
	table_add(&e->link_prefix, hash_prefix(e, &l->prefix.addr,
					       l->prefix.len),
		  link_index(e, l));
	count_prefix(e, l->prefix.len, 1);
}

void prefix_remove(struct engine *e, const struct link *l)
{
	table_remove(&e->link_prefix, link_index(e, l));
	count_prefix(e, l->prefix.len, -1);
}
