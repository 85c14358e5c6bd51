/* SPDX-License-Identifier: MIT
 *
 * fast.c - the fast path's programs themselves, with the simulator as kernel
 *
 * net/fast.bpf.c compiled for this machine: each node has a table of keys (what
 * OUT_FAST told) and the memory that its engine sees. Helpers do what the
 * kernel's do to a packet in one piece without link header.
 */
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/sim/net.h"

enum { FAST_PLACES = 64, REDIRECTED = 7 };

/** struct fast_node - the kernel's part of a node
 * @flow: shared with the engine. @key: what is in the maps
 */
struct fast_node {
	struct fast_flow flow[FAST_PLACES];
	struct fast_keys key[FAST_PLACES];
	uint32_t keys;
};

/* Who runs a program now, and its packet: below 4 GiB, as a program says
 * where it is by 32 bits.
 */
static struct {
	struct node *node;
	struct fast_node *fast;
	uint8_t *room;
} running;

static const char map_inner, map_outer, map_flows;
static const char conf_out_mac, conf_in_mac, conf_ports, conf_uplink,
	conf_inner;

static uint32_t number(const char *name)
{
	return name == &conf_ports ? (uint32_t)SIM_LO << 16 | SIM_HI :
	       name == &conf_uplink || name == &conf_inner;
}

static void *sim_map_lookup(const void *map, const void *key)
{
	struct fast_node *f = running.fast;

	if (map == &map_flows)
		return &f->flow[*(const uint32_t *)key];
	for (uint32_t i = 0; i < f->keys; i++)
		if (map == &map_inner ?
		    !memcmp(key, &f->key[i].inner, sizeof(f->key[i].inner)) :
		    !memcmp(key, &f->key[i].outer, sizeof(f->key[i].outer)))
			return &f->key[i].slot;
	return NULL;
}

static uint64_t sim_clock_ns(void)
{
	return running.node->sim->now * 1000000;
}

static uint8_t *sim_data(const void *skb)
{
	return (uint8_t *)(uintptr_t)((const struct __sk_buff *)skb)->data;
}

static long sim_pull_data(void *skb, uint32_t len)
{
	(void)skb;
	(void)len;
	return -1;
}

static long sim_load_bytes(const void *skb, uint32_t at, void *to, uint32_t len)
{
	if (at + len > ((const struct __sk_buff *)skb)->len)
		return -1;
	memcpy(to, sim_data(skb) + at, len);
	return 0;
}

static long sim_store_bytes(void *skb, uint32_t at, const void *from,
			    uint32_t len, uint64_t flags)
{
	(void)flags;
	memcpy(sim_data(skb) + at, from, len);
	return 0;
}

static long sim_l4_csum(void *skb, uint32_t at, uint64_t from, uint64_t to,
			uint64_t flags)
{
	uint8_t *check = sim_data(skb) + at;
	uint16_t v;

	(void)from;
	memcpy(&v, check, sizeof(v));
	if ((flags & BPF_F_MARK_MANGLED_0) && !v)
		return 0;
	v = csum_update(v, (uint16_t)to);
	if ((flags & BPF_F_MARK_MANGLED_0) && !v)
		v = 0xffff;
	memcpy(check, &v, sizeof(v));
	return 0;
}

static long sim_change_proto(void *packet, uint16_t proto, uint64_t flags)
{
	struct __sk_buff *skb = packet;
	int longer = proto == __builtin_bswap16(0x86dd) ? 20 : -20;

	(void)flags;
	skb->protocol = proto;
	skb->data -= (uint32_t)longer;
	skb->len += (uint32_t)longer;
	return 0;
}

static int64_t sim_csum_diff(const void *from, uint32_t from_len,
			     const void *to, uint32_t to_len, uint32_t seed)
{
	(void)from;
	(void)from_len;
	(void)to;
	(void)to_len;
	return seed;
}

static int64_t sim_csum_update(void *skb, uint32_t csum)
{
	(void)skb;
	return csum;
}

static long sim_redirect(uint32_t ifindex, uint64_t flags)
{
	(void)flags;
	return ifindex ? REDIRECTED : -1;
}

/* Not here: there are no link headers. */
static long sim_change_head(void *skb, uint32_t len, uint64_t flags)
{
	(void)skb;
	(void)len;
	(void)flags;
	abort();
}

static long sim_redirect_neigh(uint32_t ifindex, const void *nh, int len,
			       uint64_t flags)
{
	(void)ifindex;
	(void)nh;
	(void)len;
	(void)flags;
	abort();
}

#define FAST_NATIVE
#define BPF_FUNC_map_lookup_elem sim_map_lookup
#define BPF_FUNC_ktime_get_ns sim_clock_ns
#define BPF_FUNC_skb_pull_data sim_pull_data
#define BPF_FUNC_skb_load_bytes sim_load_bytes
#define BPF_FUNC_skb_store_bytes sim_store_bytes
#define BPF_FUNC_l4_csum_replace sim_l4_csum
#define BPF_FUNC_csum_diff sim_csum_diff
#define BPF_FUNC_csum_update sim_csum_update
#define BPF_FUNC_skb_change_proto sim_change_proto
#define BPF_FUNC_skb_change_head sim_change_head
#define BPF_FUNC_redirect sim_redirect
#define BPF_FUNC_redirect_neigh sim_redirect_neigh
/* Names that mean something else here. */
#define UP FAST_UP
#define tcp fast_tcp
#define udp fast_udp
#define after fast_after
#define flow_of fast_flow_of
#define FIN FAST_FIN
#define SYN FAST_SYN
#define RST FAST_RST
#define ACK FAST_ACK
#define csum_update fast_csum_update
int to_outer(struct __sk_buff *skb);
int to_inner(struct __sk_buff *skb);
/* Helpers stand for numbers there. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include "net/fast.bpf.c"
#pragma GCC diagnostic pop
#undef UP
#undef tcp
#undef udp
#undef after
#undef flow_of
#undef FIN
#undef SYN
#undef RST
#undef ACK
#undef csum_update

void fast_keys_set(struct node *n, const struct fast_keys *k, bool add)
{
	struct fast_node *f = n->fast;
	uint32_t i = 0;

	while (i < f->keys && memcmp(&f->key[i].inner, &k->inner,
				     sizeof(k->inner)))
		i++;
	if (!add && i < f->keys)
		f->key[i] = f->key[--f->keys];
	else if (add && i == f->keys && i < FAST_PLACES)
		f->keys++;
	if (add)
		f->key[i] = *k;
}

bool fast_run(struct node *n, bool out, uint8_t *packet, size_t *len)
{
	enum { AT = 64 };
	struct __sk_buff skb = { .len = (uint32_t)*len,
		.protocol = __builtin_bswap16(out ? 0x86dd : 0x0800) };

	if (!n->fast)
		return false;
	if (!running.room)
		running.room = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
				    -1, 0);
	running.node = n;
	running.fast = n->fast;
	memcpy(running.room + AT, packet, *len);
	skb.data = (uint32_t)(uintptr_t)(running.room + AT);
	skb.data_end = skb.data + skb.len;
	if ((out ? to_outer(&skb) : to_inner(&skb)) != REDIRECTED)
		return false;
	*len = skb.len;
	memcpy(packet, sim_data(&skb), *len);
	n->fast_packets[out ? 0 : 1]++;
	return true;
}

void fast_boot(struct node *n)
{
	free(n->fast);
	n->fast = NULL;
	if (!n->sim->conf.fast)
		return;
	n->fast = calloc(1, sizeof(*n->fast));
	n->conf.fast = n->fast->flow;
	n->conf.fast_places = n->sim->conf.fast;
}
