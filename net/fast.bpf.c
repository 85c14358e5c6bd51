/* SPDX-License-Identifier: MIT
 *
 * fast.bpf.c - the whole translation of a confirmed own carrier in the kernel
 *
 * Theory of operation
 * ===================
 * Two programs, compiled by clang into net/fast_prog.h (`make fast-prog`), that
 * net/fast.c loads; nobody needs clang to build unmap. Twins:
 *
 *	to_outer	egress of the inner TUN: IPv6 becomes IPv4 and leaves by
 *			the uplink
 *	to_inner	ingress of the uplink, before capture: IPv4 becomes IPv6
 *			and comes in at the inner TUN, so that routing, firewall
 *			and the hop limit are the kernel's, as without us
 *
 * Each finds the session's place (core/fast.h) and hands the packet up (the
 * verdict UP: on to the engine) unless everything about it is ordinary: place
 * on, no SYN, FIN or RST, the agreed hop limit, a size that fits, a carrier
 * that is not idle, new data, acknowledgements between what was acknowledged
 * and what came over the carrier (its mark). A retransmission goes up, since
 * two in a row without an answer mean that the carrier is dead; so does what
 * looks like a punch. After the line "point of no return" the only failure is
 * to drop.
 *
 * What may race: a place is changed by the engine while a program runs on
 * another CPU. The engine writes `on` last when it fills a place and first
 * when it ends one, `on` differs for each use, and the programs look at it
 * before and after they copied. Two CPUs with packets of one flow may lose an
 * update of a maximum; the next packet makes it good, or goes up.
 *
 * Undefined names (`extern`) are maps and constants; net/fast.c puts in what
 * they stand for when it loads the programs.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fast.h"

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

#ifndef FAST_NATIVE /* tests/sim runs this source too */
/* Maps, and numbers known at load time: the address is the value. */
extern const char map_inner, map_outer, map_flows;
extern const char conf_out_mac, conf_in_mac, conf_ports;
extern const char conf_uplink, conf_inner;

/* A constant known at load time; opaque to the compiler, for which an address
 * is never zero.
 */
INLINE uint32_t number(const char *name)
{
	uint64_t n = (uint64_t)name;

	__asm__ volatile("" : "+r"(n));
	return (uint32_t)n;
}
#endif

static void *(*const map_lookup)(const void *map, const void *key) =
	(void *)BPF_FUNC_map_lookup_elem;
static uint64_t (*const clock_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static long (*const pull_data)(void *skb, uint32_t len) =
	(void *)BPF_FUNC_skb_pull_data;
static long (*const load_bytes)(const void *skb, uint32_t at, void *to,
				uint32_t len) = (void *)BPF_FUNC_skb_load_bytes;
static long (*const store_bytes)(void *skb, uint32_t at, const void *from,
				 uint32_t len, uint64_t flags) =
	(void *)BPF_FUNC_skb_store_bytes;
static long (*const l4_csum)(void *skb, uint32_t at, uint64_t from, uint64_t to,
			     uint64_t flags) = (void *)BPF_FUNC_l4_csum_replace;
static int64_t (*const csum_diff)(const void *from, uint32_t from_len,
				  const void *to, uint32_t to_len,
				  uint32_t seed) = (void *)BPF_FUNC_csum_diff;
static int64_t (*const csum_update)(void *skb, uint32_t csum) =
	(void *)BPF_FUNC_csum_update;
static long (*const change_proto)(void *skb, uint16_t proto, uint64_t flags) =
	(void *)BPF_FUNC_skb_change_proto;
static long (*const change_head)(void *skb, uint32_t len, uint64_t flags) =
	(void *)BPF_FUNC_skb_change_head;
static long (*const redirect)(uint32_t ifindex, uint64_t flags) =
	(void *)BPF_FUNC_redirect;
static long (*const redirect_neigh)(uint32_t ifindex, const void *nh, int len,
				    uint64_t flags) =
	(void *)BPF_FUNC_redirect_neigh;

#define BE16(x) __builtin_bswap16(x)
#define BE32(x) __builtin_bswap32(x)

enum { UP = -1, DROP = 2, IN_FLAG = 1 };
enum { ETH_IP4 = 0x0800, ETH_IP6 = 0x86dd, TCP = 6, UDP = 17 };
enum { IP4 = 20, IP6 = 40, TCP_LEN = 20, UDP_LEN = 8, ETH_LEN = 14,
	TTL = 64 };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum { SEGMENTS = 128 };	/* of a UDP super-packet, at most */

struct ip6 {
	uint32_t word;
	uint16_t payload;
	uint8_t next, hop;
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
} __attribute__((packed, aligned(4)));

struct ip4 {
	uint8_t version, tos;
	uint16_t len, id, frag;
	uint8_t ttl, proto;
	uint16_t check;
	uint32_t src, dst;
	uint16_t sport, dport;
} __attribute__((packed, aligned(4)));

struct tcp {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t offset, flags;
	uint16_t win, check, urgent;
	uint32_t opt, ts;
} __attribute__((packed, aligned(4)));

struct udp {
	uint16_t sport, dport, len, check;
	uint32_t first;
} __attribute__((packed, aligned(4)));

/** struct seen - what is noted of a packet once it is sure to go
 * @payload: bytes behind the L4 header, @l4_len: of that header
 */
struct seen {
	uint64_t now;
	uint32_t payload, l4_len;
	uint32_t seq, ack, ts;
	uint16_t win;
	bool has_ts;
};

INLINE bool same16(const uint8_t *a, const uint8_t *b)
{
	const uint32_t *x = (const void *)a, *y = (const void *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

INLINE void copy16(uint8_t *to, const uint8_t *from)
{
	__builtin_memcpy(to, from, 16);
}

INLINE bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

INLINE struct fast_flow *flow_of(const void *map, const void *key)
{
	uint32_t *slot = map_lookup(map, key);

	return slot ? map_lookup(&map_flows, slot) : NULL;
}

/* The first @len bytes of the network header, at @mac; NULL: it is shorter. */
INLINE const void *head(struct __sk_buff *skb, uint32_t mac, uint32_t len)
{
	const char *at = (const char *)(uint64_t)skb->data + mac;

	if (at + len > (const char *)(uint64_t)skb->data_end) {
		if (skb->len < mac + len || pull_data(skb, mac + len))
			return NULL;
		at = (const char *)(uint64_t)skb->data + mac;
		if (at + len > (const char *)(uint64_t)skb->data_end)
			return NULL;
	}
	return at;
}

/* -- ordinary TCP and UDP ------------------------------------------------------- */

/* Flags, and what is noted; false: up. */
INLINE bool tcp_read(struct __sk_buff *skb, uint32_t at, uint32_t l4_bytes,
		     struct seen *s)
{
	struct tcp t = { 0 };

	if (load_bytes(skb, at, &t, TCP_LEN))
		return false;
	s->l4_len = (t.offset >> 4) * 4;
	if ((t.flags & (FIN | SYN | RST | ACK)) != ACK || s->l4_len < TCP_LEN ||
	    s->l4_len > l4_bytes)
		return false;
	s->payload = l4_bytes - s->l4_len;
	s->seq = BE32(t.seq);
	s->ack = BE32(t.ack);
	s->win = BE16(t.win);
	s->has_ts = s->l4_len >= 32 && !load_bytes(skb, at + TCP_LEN, &t.opt, 8)
		    && t.opt == BE32(0x0101080a);
	s->ts = BE32(t.ts);
	return true;
}

/* May our own side's segment go out? Design 3.4, "What may take the carrier". */
INLINE bool tcp_may_go(const struct fast_flow *f, const struct seen *s)
{
	return !after(f->out.end, s->seq) &&
	       !after(s->seq + s->payload, f->out.end + (1u << 30)) &&
	       !after(f->out.ack, s->ack) && !after(s->ack, f->in.end);
}

/* Does the other side's segment fit, and is it none of our own making? */
INLINE bool tcp_may_come(const struct fast_flow *f, const struct seen *s)
{
	return !after(s->seq + s->payload, f->out.ack + f->window + 1) &&
	       !after(f->out.ack, s->seq + (1u << 30)) &&
	       !after(s->ack, f->out.end + (1u << 20)) &&
	       (s->payload || !after(f->in.ack, s->ack));
}

INLINE void tcp_note(struct fast_side *side, const struct seen *s)
{
	uint32_t end = s->seq + s->payload;

	if (after(end, side->end))
		side->end = end;
	if (after(s->ack, side->ack))
		side->ack = s->ack;
	if (s->has_ts && after(s->ts, side->ts))
		side->ts = s->ts;
	side->win = s->win;
}

/* Is any datagram of it a punch in form, of this link or (the NAT may have
 * given the mapping away) of any?
 */
INLINE bool has_punch(struct __sk_buff *skb, uint32_t at, uint32_t payload,
		      uint32_t punch)
{
	uint32_t size = skb->gso_size, first = ~punch, len;

	for (int i = 0; i < SEGMENTS; i++) {
		if (payload < 4 || load_bytes(skb, at, &first, 4))
			return false;
		len = size && payload > size ? size : payload;
		if (first == punch || (len == FAST_PUNCH &&
		    BE32(first) >> 30 == FAST_PUNCH_KIND))
			return true;
		if (!size || payload <= size)
			return false;
		at += size;
		payload -= size;
	}
	return true;	/* more of them than there can be: up */
}

INLINE bool udp_read(struct __sk_buff *skb, uint32_t at, uint32_t l4_bytes,
		     uint32_t punch, struct seen *s)
{
	struct udp u;

	if (l4_bytes < UDP_LEN || load_bytes(skb, at, &u, UDP_LEN) ||
	    !u.check || BE16(u.len) != l4_bytes)
		return false;
	s->l4_len = UDP_LEN;
	s->payload = l4_bytes - UDP_LEN;
	return !has_punch(skb, at + UDP_LEN, s->payload, punch);
}

INLINE uint32_t segments(const struct __sk_buff *skb, uint32_t payload)
{
	uint32_t size = skb->gso_size;

	return size && payload > size ? (payload + size - 1) / size : 1;
}

INLINE void note(struct fast_side *side, const struct seen *s, uint32_t packets)
{
	side->at_ns = s->now;
	side->packets += packets;
	side->bytes += s->payload + packets * (IP6 + s->l4_len);
}

/* Both parts of the checksum's change; UDP's is never zero. */
INLINE bool csum_fix(struct __sk_buff *skb, uint32_t at, uint8_t proto,
		     uint32_t addr_diff, uint32_t port_diff)
{
	uint64_t flags = proto == UDP ? BPF_F_MARK_MANGLED_0 : 0;
	uint32_t check = at + (proto == TCP ? 16 : 6);

	return !l4_csum(skb, check, 0, addr_diff, flags | BPF_F_PSEUDO_HDR) &&
	       !l4_csum(skb, check, 0, port_diff, flags);
}

/* -- out -------------------------------------------------------------------------- */

/* The IPv4 header and the ports. Its checksum: the sum of all but itself. */
INLINE void build4(struct ip4 *to, const struct fast_flow *f, uint8_t tos,
		   uint32_t l4_bytes)
{
	uint32_t sum = 0x4500u + tos + (l4_bytes + IP4) + 0x4000u +
		       (TTL << 8 | f->proto);

	to->version = 0x45;
	to->tos = tos;
	to->len = BE16(l4_bytes + IP4);
	to->id = 0;
	to->frag = BE16(0x4000);
	to->ttl = TTL;
	to->proto = f->proto;
	to->src = f->local;
	to->dst = f->remote;
	to->sport = f->local_port;
	to->dport = f->remote_port;
	sum += (BE32(f->local) >> 16) + (BE32(f->local) & 0xffff);
	sum += (BE32(f->remote) >> 16) + (BE32(f->remote) & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	to->check = BE16((uint16_t)~sum);
}

INLINE struct fast_flow *find_inner(const struct ip6 *h)
{
	struct fast_inner_key key = { .sport = h->sport, .dport = h->dport,
		.proto = h->next };
	struct fast_flow *f;

	copy16(key.src, h->src);
	copy16(key.dst, h->dst);
	f = flow_of(&map_inner, &key);
	if (!f || !same16(f->src, h->src) || !same16(f->dst, h->dst) ||
	    f->sport != h->sport || f->dport != h->dport ||
	    f->proto != h->next || f->hop_out != h->hop)
		return NULL;
	return f;
}

INLINE long leave(struct __sk_buff *skb)
{
	if (!number(&conf_in_mac))
		return redirect(number(&conf_uplink), 0);
	if (change_head(skb, ETH_LEN, 0))
		return DROP;
	return redirect_neigh(number(&conf_uplink), NULL, 0, 0);
}

/* Long: one list of reasons to hand the packet up, then no way back. */
SECTION("out") int to_outer(struct __sk_buff *skb)
{
	uint32_t mac = number(&conf_out_mac), l4_bytes, on, largest, packets;
	const struct ip6 *h;
	struct fast_flow *f;
	struct ip4 new;
	struct seen s = { 0 };
	uint8_t proto, tos;
	uint32_t addr_diff, port_diff;

	if (skb->protocol != BE16(ETH_IP6))
		return UP;
	h = head(skb, mac, sizeof(*h));
	if (!h || (h->next != TCP && h->next != UDP))
		return UP;
	f = find_inner(h);
	if (!f)
		return UP;
	on = *(volatile uint32_t *)&f->on;
	l4_bytes = BE16(h->payload);
	tos = (uint8_t)(BE32(h->word) >> 20);
	proto = h->next;
	if (!on || !l4_bytes || skb->len != mac + IP6 + l4_bytes)
		return UP;
	s.now = clock_ns();
	if (s.now > f->in.at_ns && s.now - f->in.at_ns > f->idle_ns)
		return UP;
	if (proto == TCP ? !tcp_read(skb, mac + IP6, l4_bytes, &s) ||
			   !tcp_may_go(f, &s) :
	    !udp_read(skb, mac + IP6, l4_bytes, f->punch_out, &s))
		return UP;
	packets = segments(skb, s.payload);
	largest = packets > 1 ? IP6 + s.l4_len + skb->gso_size :
		  IP6 + l4_bytes;
	if (largest > f->max_inner)
		return UP;
	build4(&new, f, tos, l4_bytes);
	addr_diff = f->addr_diff_out;
	port_diff = f->port_diff_out;
	if (*(volatile uint32_t *)&f->on != on)
		return UP;

	/* point of no return */
	if (proto == TCP)
		tcp_note(&f->out, &s);
	note(&f->out, &s, packets);
	if (largest > f->out.largest)
		f->out.largest = largest;
	if (change_proto(skb, BE16(ETH_IP4), 0) ||
	    store_bytes(skb, mac, &new, sizeof(new), 0) ||
	    !csum_fix(skb, mac + IP4, proto, addr_diff, port_diff))
		return DROP;
	return (int)leave(skb);
}

/* -- in ------------------------------------------------------------------------------ */

INLINE bool header_sum_ok(const struct ip4 *h)
{
	const uint32_t *w = (const void *)h;
	uint64_t sum = (uint64_t)w[0] + w[1] + w[2] + w[3] + w[4];

	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return sum == 0xffff;
}

INLINE struct fast_flow *find_outer(const struct ip4 *h)
{
	struct fast_outer_key key = { .remote = h->src, .local = h->dst,
		.remote_port = h->sport, .local_port = h->dport,
		.proto = h->proto };
	struct fast_flow *f = flow_of(&map_outer, &key);

	if (!f || f->remote != h->src || f->local != h->dst ||
	    f->remote_port != h->sport || f->local_port != h->dport ||
	    f->proto != h->proto)
		return NULL;
	return f;
}

INLINE void build6(struct ip6 *to, const struct fast_flow *f, uint8_t tos,
		   uint32_t l4_bytes)
{
	to->word = f->label | BE32((uint32_t)tos << 20);
	to->payload = BE16(l4_bytes);
	to->next = f->proto;
	to->hop = f->hop_in;
	copy16(to->src, f->dst);
	copy16(to->dst, f->src);
	to->sport = f->dport;
	to->dport = f->sport;
}

/* Is it for our range, and a header that we read? */
INLINE bool is_ours(const struct ip4 *h)
{
	uint32_t lo = number(&conf_ports) >> 16;
	uint32_t hi = number(&conf_ports) & 0xffff, port = BE16(h->dport);

	return h->version == 0x45 && !(h->frag & BE16(0x3fff)) && port >= lo &&
	       port <= hi && (h->proto == TCP || h->proto == UDP);
}

/* Long: one list of reasons to hand the packet up, then no way back. */
SECTION("in") int to_inner(struct __sk_buff *skb)
{
	uint32_t mac = number(&conf_in_mac), l4_bytes, on, all = FAST_ALL;
	uint32_t addr_diff, port_diff;
	struct fast_flow *f, *total;
	const struct ip4 *h;
	struct ip6 new;
	struct seen s = { 0 };
	uint8_t proto, tos;

	if (skb->protocol != BE16(ETH_IP4))
		return UP;
	h = head(skb, mac, sizeof(*h));
	if (!h || !is_ours(h))
		return UP;
	f = find_outer(h);
	if (!f)
		return UP;
	on = *(volatile uint32_t *)&f->on;
	l4_bytes = (uint32_t)BE16(h->len) - IP4;
	tos = h->tos;
	proto = h->proto;
	/* short frames are padded; super-packets are not */
	if (!on || BE16(h->len) <= IP4 || skb->len < mac + IP4 + l4_bytes ||
	    (skb->gso_size && skb->len != mac + IP4 + l4_bytes) ||
	    !header_sum_ok(h))
		return UP;
	s.now = clock_ns();
	if (proto == TCP ? !tcp_read(skb, mac + IP4, l4_bytes, &s) ||
			   !tcp_may_come(f, &s) :
	    !udp_read(skb, mac + IP4, l4_bytes, f->punch_in, &s))
		return UP;
	build6(&new, f, tos, l4_bytes);
	addr_diff = f->addr_diff_in;
	port_diff = f->port_diff_in;
	total = map_lookup(&map_flows, &all);
	if (!total || *(volatile uint32_t *)&f->on != on)
		return UP;

	/* point of no return */
	if (proto == TCP)
		tcp_note(&f->in, &s);
	note(&f->in, &s, segments(skb, s.payload));
	total->in.at_ns = s.now;
	if (change_proto(skb, BE16(ETH_IP6), 0) ||
	    store_bytes(skb, mac, &new, sizeof(new), 0) ||
	    !csum_fix(skb, mac + IP6, proto, addr_diff, port_diff))
		return DROP;
	/* a sum over the whole packet (CHECKSUM_COMPLETE): the IPv6 header's in
	 * the place of the IPv4 header's, which is 0
	 */
	csum_update(skb, (uint32_t)csum_diff(NULL, 0, &new, IP6, 0));
	return (int)redirect(number(&conf_inner), IN_FLAG);
}
