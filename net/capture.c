/* SPDX-License-Identifier: MIT
 *
 * capture.c - takes outer packets of own carriers away from the host's stack
 *
 * Theory of operation
 * ===================
 * A program at the uplink's ingress looks at every IPv4 packet, as cheaply as
 * it can, and decides:
 *
 *   IPv4, header of 20 bytes, no fragment, TCP or UDP, destination port in our
 *   range, destination one of our addresses; on an edge also: source one of its
 *   hubs, source port in the hub's range (phones behind a router that
 *   masquerades use the same ports)                   else: not ours, goes on
 *   the same with IPv4 options, or a first fragment   drop
 *   the carrier is in the map of latched ones         redirect to outer TUN
 *   TCP SYN without ACK, or UDP with the form of
 *   a punch: token bucket                             redirect, or drop
 *   all else                                          drop
 *   ICMP error that quotes a packet of ours (same
 *   tests on the quoted header): a second bucket      redirect, or drop
 *
 * So a flood of forged packets costs the engine at most the bucket's rate, and
 * the host's stack never answers for our ports with a RST: nor for what no
 * carrier ever sends, with options or in fragments. Later fragments go on; the
 * stack never gets a whole packet of them.
 *
 * The redirection goes to the TUN's *egress*, so a GRO super-packet reaches our
 * read() whole. Reads are relative to the network header (bpf_skb_load_bytes_
 * relative, 4.18), hence the same program does for Ethernet, PPP, wwan and TUN.
 * That helper sees only the linear part of a packet: if it fails the first
 * bytes are pulled there and it is asked again.
 *
 * Token bucket: one number per bucket, the time at which it would be full
 * again (the theoretical arrival time of GCRA). A packet adds one interval to
 * it, and is refused if it lies more than a burst ahead of now. CPUs may race
 * for it; then a packet more passes, which does no harm.
 *
 * Addresses and carriers are in maps, changed while the program runs. Their
 * keys are in network byte order, as the program copies them from the packet.
 *
 * Without BPF: net/rules.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "net/capture.h"
#include "net/rules.h"

enum { ENTRIES = 65536, RATE = 2000, BURST = 4000, MAX_CPUS = 1024 };
enum { IP_BYTES = 28, QUOTE_BYTES = 28, PULL_BYTES = 96 };
enum { ICMP = 1, TCP = 6, UDP = 17, SYN = 0x02, SYN_ACK = 0x12 };

/* The program's stack, from R10. */
enum { AT_WORD = -8, AT_KEY = -24, AT_ADDR = -32, AT_HDR = -64,
       AT_QUOTE = -96 };
/* Offsets in the IPv4 header and the first bytes behind it. */
enum { IP_FRAG = 6, IP_PROTO = 9, IP_SRC = 12, IP_DST = 16, L4_SPORT = 20,
       L4_DPORT = 22, UDP_LEN = 24, ICMP_TYPE = 20, TCP_FLAGS = 33,
       UDP_PAYLOAD = 28, ICMP_QUOTE = 28 };
/* Counters; the two ways through a bucket follow each other. */
enum { CAPTURED, ADMITTED, ADMITTED_ICMP, DROPPED, LIMITED, COUNTS };
enum { BUCKET_NEW, BUCKET_ICMP, BUCKETS };
enum role { ROLE_OURS = 1, ROLE_PEER = 2 };

/** struct latch_key - key of the map of latched carriers, network order */
struct latch_key {
	uint32_t peer, ours;
	uint16_t peer_port, port;
	uint8_t proto, zero[3];
};

/** struct addr_key - key of the map of addresses, network order */
struct addr_key {
	uint32_t addr, role;
};

_Static_assert(sizeof(struct latch_key) == 16, "as the program builds it");
_Static_assert(sizeof(struct addr_key) == 8, "as the program builds it");

/** struct labels - where the program's ends are */
struct labels {
	int pass, drop, limited, capture, bucket, icmp, odd, is_l4;
};

/** emit_load_by() - @len bytes of the network header to the stack, from where
 * @from puts in R2; to @fail if the packet is shorter
 */
static void emit_load_by(struct bpf_asm *a, struct bpf_insn from, int to,
			 int len, int fail)
{
	int again = asm_label(a), done = asm_label(a), i;

	for (i = 0; i < 2; i++) {
		ASM(a, I_MOV(R1, R6), from, I_MOV(R3, R10),
		    I_ALUI(BPF_ADD, R3, to), I_SET(R4, len),
		    I_SET(R5, BPF_HDR_START_NET),
		    I_CALL(BPF_FUNC_skb_load_bytes_relative));
		asm_jump(a, I_IFI(BPF_JEQ, R0, 0), done);
		if (i)
			break;
		ASM(a, I_MOV(R1, R6),
		    I_LOAD(BPF_W, R2, R6, offsetof(struct __sk_buff, len)));
		asm_jump(a, I_IFI(BPF_JLE, R2, PULL_BYTES), again);
		ASM(a, I_SET(R2, PULL_BYTES));
		asm_place(a, again);
		ASM(a, I_CALL(BPF_FUNC_skb_pull_data));
	}
	asm_jump(a, I_JUMP(), fail);
	asm_place(a, done);
}

static void emit_load(struct bpf_asm *a, int from, int to, int len, int fail)
{
	emit_load_by(a, I_SET(R2, from), to, len, fail);
}

/** emit_range() - To @fail unless the port at @at is in @lo to @hi */
static void emit_range(struct bpf_asm *a, int at, const uint16_t range[2],
		       int fail)
{
	ASM(a, I_LOAD(BPF_H, R1, R10, at), I_BE16(R1));
	asm_jump(a, I_IFI(BPF_JLT, R1, range[0]), fail);
	asm_jump(a, I_IFI(BPF_JGT, R1, range[1]), fail);
}

/** emit_addr() - To @fail unless the address at @at has @role */
static void emit_addr(struct bpf_asm *a, const struct capture *c, int at,
		      enum role role, int fail)
{
	ASM(a, I_LOAD(BPF_W, R1, R10, at), I_STORE(BPF_W, R10, AT_ADDR, R1),
	    I_STOREI(BPF_W, R10, AT_ADDR + 4, (int)role));
	asm_map(a, R1, c->addrs);
	ASM(a, I_MOV(R2, R10), I_ALUI(BPF_ADD, R2, AT_ADDR),
	    I_CALL(BPF_FUNC_map_lookup_elem));
	asm_jump(a, I_IFI(BPF_JEQ, R0, 0), fail);
}

/** emit_count() - Count in the counter that R7 names */
static void emit_count(struct bpf_asm *a, const struct capture *c)
{
	int none = asm_label(a);

	ASM(a, I_STORE(BPF_W, R10, AT_WORD, R7));
	asm_map(a, R1, c->counts);
	ASM(a, I_MOV(R2, R10), I_ALUI(BPF_ADD, R2, AT_WORD),
	    I_CALL(BPF_FUNC_map_lookup_elem));
	asm_jump(a, I_IFI(BPF_JEQ, R0, 0), none);
	ASM(a, I_LOAD(BPF_DW, R1, R0, 0), I_ALUI(BPF_ADD, R1, 1),
	    I_STORE(BPF_DW, R0, 0, R1));
	asm_place(a, none);
}

/** emit_start() - Which packets we look at: R6 the packet, R9 its protocol, R8
 * whether it has a form that no carrier uses
 */
static void emit_start(struct bpf_asm *a, const struct labels *l)
{
	ASM(a, I_MOV(R6, R1),
	    I_LOAD(BPF_W, R1, R6, offsetof(struct __sk_buff, protocol)));
	asm_jump(a, I_IFI(BPF_JNE, R1, htons(ETH_P_IP)), l->pass);
	emit_load(a, 0, AT_HDR, IP_BYTES, l->pass);
	ASM(a, I_LOAD(BPF_B, R1, R10, AT_HDR));
	asm_jump(a, I_IFI(BPF_JNE, R1, 0x45), l->odd);
	ASM(a, I_LOAD(BPF_H, R1, R10, AT_HDR + IP_FRAG), I_BE16(R1),
	    I_ALUI(BPF_AND, R1, 0x3fff));
	asm_jump(a, I_IFI(BPF_JNE, R1, 0), l->odd);
	ASM(a, I_SET(R8, 0), I_LOAD(BPF_B, R9, R10, AT_HDR + IP_PROTO));
	asm_jump(a, I_IFI(BPF_JEQ, R9, ICMP), l->icmp);
	asm_jump(a, I_IFI(BPF_JEQ, R9, TCP), l->is_l4);
	asm_jump(a, I_IFI(BPF_JEQ, R9, UDP), l->is_l4);
	asm_jump(a, I_JUMP(), l->pass);
}

/** emit_odd() - IPv4 options, or a fragment: its ports to where they are
 * without options, R8 set; later fragments have none
 */
static void emit_odd(struct bpf_asm *a, const struct labels *l)
{
	int ports = asm_label(a);

	asm_place(a, l->odd);
	ASM(a, I_LOAD(BPF_B, R7, R10, AT_HDR));
	asm_jump(a, I_IFI(BPF_JLT, R7, 0x45), l->pass);
	asm_jump(a, I_IFI(BPF_JGT, R7, 0x4f), l->pass);
	ASM(a, I_LOAD(BPF_H, R1, R10, AT_HDR + IP_FRAG), I_BE16(R1),
	    I_ALUI(BPF_AND, R1, 0x1fff));
	asm_jump(a, I_IFI(BPF_JNE, R1, 0), l->pass);
	ASM(a, I_LOAD(BPF_B, R9, R10, AT_HDR + IP_PROTO));
	asm_jump(a, I_IFI(BPF_JEQ, R9, TCP), ports);
	asm_jump(a, I_IFI(BPF_JNE, R9, UDP), l->pass);
	asm_place(a, ports);
	ASM(a, I_ALUI(BPF_AND, R7, 0x0f), I_ALUI(BPF_LSH, R7, 2),
	    I_SET(R8, 1));
	emit_load_by(a, I_MOV(R2, R7), AT_HDR + L4_SPORT, 4, l->pass);
}

/** emit_l4() - TCP and UDP */
static void emit_l4(struct bpf_asm *a, const struct capture *c,
		    const struct labels *l)
{
	const struct capture_conf *f = &c->conf;
	const uint16_t ours[2] = { f->lo, f->hi };
	const uint16_t peers[2] = { f->peer_lo, f->peer_hi };
	int udp = asm_label(a);

	asm_place(a, l->is_l4);
	emit_range(a, AT_HDR + L4_DPORT, ours, l->pass);
	emit_addr(a, c, AT_HDR + IP_DST, ROLE_OURS, l->pass);
	if (f->is_edge) {
		emit_range(a, AT_HDR + L4_SPORT, peers, l->pass);
		emit_addr(a, c, AT_HDR + IP_SRC, ROLE_PEER, l->pass);
	}
	asm_jump(a, I_IFI(BPF_JNE, R8, 0), l->drop);
	ASM(a, I_LOAD(BPF_W, R1, R10, AT_HDR + IP_SRC),
	    I_STORE(BPF_W, R10, AT_KEY, R1),
	    I_LOAD(BPF_W, R1, R10, AT_HDR + IP_DST),
	    I_STORE(BPF_W, R10, AT_KEY + 4, R1),
	    I_LOAD(BPF_W, R1, R10, AT_HDR + L4_SPORT),
	    I_STORE(BPF_W, R10, AT_KEY + 8, R1),
	    I_STOREI(BPF_W, R10, AT_KEY + 12, 0),
	    I_STORE(BPF_B, R10, AT_KEY + 12, R9));
	asm_map(a, R1, c->latched);
	ASM(a, I_MOV(R2, R10), I_ALUI(BPF_ADD, R2, AT_KEY),
	    I_CALL(BPF_FUNC_map_lookup_elem), I_SET(R7, CAPTURED));
	asm_jump(a, I_IFI(BPF_JNE, R0, 0), l->capture);
	ASM(a, I_SET(R8, BUCKET_NEW));
	asm_jump(a, I_IFI(BPF_JEQ, R9, UDP), udp);
	emit_load(a, TCP_FLAGS, AT_WORD, 1, l->drop);
	ASM(a, I_LOAD(BPF_B, R1, R10, AT_WORD), I_ALUI(BPF_AND, R1, SYN_ACK));
	asm_jump(a, I_IFI(BPF_JNE, R1, SYN), l->drop);
	asm_jump(a, I_JUMP(), l->bucket);
	asm_place(a, udp);
	ASM(a, I_LOAD(BPF_H, R1, R10, AT_HDR + UDP_LEN), I_BE16(R1));
	asm_jump(a, I_IFI(BPF_JLT, R1, 8 + CAPTURE_PUNCH_BYTES), l->drop);
	emit_load(a, UDP_PAYLOAD, AT_WORD, 1, l->drop);
	ASM(a, I_LOAD(BPF_B, R1, R10, AT_WORD), I_ALUI(BPF_RSH, R1, 6));
	asm_jump(a, I_IFI(BPF_JNE, R1, CAPTURE_PUNCH_KIND), l->drop);
	asm_jump(a, I_JUMP(), l->bucket);
}

/** emit_icmp() - Errors about what we sent */
static void emit_icmp(struct bpf_asm *a, const struct capture *c,
		      const struct labels *l)
{
	const struct capture_conf *f = &c->conf;
	const uint16_t ours[2] = { f->lo, f->hi };
	const uint16_t peers[2] = { f->peer_lo, f->peer_hi };
	int error = asm_label(a), l4 = asm_label(a);

	asm_place(a, l->icmp);
	ASM(a, I_LOAD(BPF_B, R1, R10, AT_HDR + ICMP_TYPE));
	asm_jump(a, I_IFI(BPF_JEQ, R1, 3), error);
	asm_jump(a, I_IFI(BPF_JEQ, R1, 11), error);
	asm_jump(a, I_IFI(BPF_JNE, R1, 12), l->pass);
	asm_place(a, error);
	emit_addr(a, c, AT_HDR + IP_DST, ROLE_OURS, l->pass);
	emit_load(a, ICMP_QUOTE, AT_QUOTE, QUOTE_BYTES, l->pass);
	ASM(a, I_LOAD(BPF_B, R1, R10, AT_QUOTE));
	asm_jump(a, I_IFI(BPF_JNE, R1, 0x45), l->pass);
	ASM(a, I_LOAD(BPF_B, R1, R10, AT_QUOTE + IP_PROTO));
	asm_jump(a, I_IFI(BPF_JEQ, R1, TCP), l4);
	asm_jump(a, I_IFI(BPF_JNE, R1, UDP), l->pass);
	asm_place(a, l4);
	emit_range(a, AT_QUOTE + L4_SPORT, ours, l->pass);
	emit_addr(a, c, AT_QUOTE + IP_SRC, ROLE_OURS, l->pass);
	if (f->is_edge) {
		emit_range(a, AT_QUOTE + L4_DPORT, peers, l->pass);
		emit_addr(a, c, AT_QUOTE + IP_DST, ROLE_PEER, l->pass);
	}
	ASM(a, I_SET(R8, BUCKET_ICMP));
}

/** emit_bucket() - Take a token from bucket R8, or go to @l->limited */
static void emit_bucket(struct bpf_asm *a, const struct capture *c,
			const struct labels *l)
{
	uint64_t interval = UINT64_C(1000000000) / c->conf.rate;
	int ahead = asm_label(a);

	asm_place(a, l->bucket);
	ASM(a, I_STORE(BPF_W, R10, AT_WORD, R8));
	asm_map(a, R1, c->bucket);
	ASM(a, I_MOV(R2, R10), I_ALUI(BPF_ADD, R2, AT_WORD),
	    I_CALL(BPF_FUNC_map_lookup_elem));
	asm_jump(a, I_IFI(BPF_JEQ, R0, 0), l->drop);
	ASM(a, I_MOV(R7, R0), I_CALL(BPF_FUNC_ktime_get_ns),
	    I_LOAD(BPF_DW, R1, R7, 0));
	asm_jump(a, I_IF(BPF_JGT, R1, R0), ahead);
	ASM(a, I_MOV(R1, R0));
	asm_place(a, ahead);
	ASM(a, I_MOV(R2, R1), I_ALU(BPF_SUB, R2, R0));
	asm_set64(a, R3, interval * (c->conf.burst - 1));
	asm_jump(a, I_IF(BPF_JGT, R2, R3), l->limited);
	asm_set64(a, R3, interval);
	ASM(a, I_ALU(BPF_ADD, R1, R3), I_STORE(BPF_DW, R7, 0, R1),
	    I_MOV(R7, R8), I_ALUI(BPF_ADD, R7, ADMITTED));
}

/** emit_ends() - Count and return */
static void emit_ends(struct bpf_asm *a, const struct capture *c,
		      const struct labels *l)
{
	int refuse = asm_label(a);

	asm_place(a, l->capture);
	emit_count(a, c);
	ASM(a, I_SET(R1, c->conf.outer), I_SET(R2, 0),
	    I_CALL(BPF_FUNC_redirect), I_EXIT());
	asm_place(a, l->limited);
	ASM(a, I_SET(R7, LIMITED));
	asm_jump(a, I_JUMP(), refuse);
	asm_place(a, l->drop);
	ASM(a, I_SET(R7, DROPPED));
	asm_place(a, refuse);
	emit_count(a, c);
	ASM(a, I_SET(R0, VERDICT_DROP), I_EXIT());
	asm_place(a, l->pass);
	ASM(a, I_SET(R0, VERDICT_NEXT), I_EXIT());
}

static void assemble(struct bpf_asm *a, const struct capture *c)
{
	struct labels l;

	asm_init(a);
	l = (struct labels){
		asm_label(a), asm_label(a), asm_label(a), asm_label(a),
		asm_label(a), asm_label(a), asm_label(a), asm_label(a)
	};
	emit_start(a, &l);
	emit_odd(a, &l);
	emit_l4(a, c, &l);
	emit_icmp(a, c, &l);
	emit_bucket(a, c, &l);
	emit_ends(a, c, &l);
}

static int open_maps(struct capture *c)
{
	const struct bpf_map_conf latched = {
		BPF_MAP_TYPE_HASH, sizeof(struct latch_key), sizeof(uint32_t),
		c->conf.entries, BPF_F_NO_PREALLOC, "unmap_latched"
	};
	const struct bpf_map_conf addrs = {
		BPF_MAP_TYPE_HASH, sizeof(struct addr_key), sizeof(uint32_t),
		CAPTURE_ADDRS, 0, "unmap_addrs"
	};
	const struct bpf_map_conf bucket = {
		BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(uint64_t),
		BUCKETS, 0, "unmap_bucket"
	};
	const struct bpf_map_conf counts = {
		BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(uint64_t),
		COUNTS, 0, "unmap_counts"
	};

	c->latched = bpf_map_open(&latched);
	c->addrs = c->latched < 0 ? c->latched : bpf_map_open(&addrs);
	c->bucket = c->addrs < 0 ? c->addrs : bpf_map_open(&bucket);
	c->counts = c->bucket < 0 ? c->bucket : bpf_map_open(&counts);
	return c->counts < 0 ? c->counts : 0;
}

static int set_addr(struct capture *c, uint32_t addr, enum role role, bool add)
{
	struct addr_key key = { htonl(addr), role };
	uint32_t one = 1;
	int r;

	if (c->addrs < 0)
		return 0;
	if (add)
		return bpf_map_set(c->addrs, &key, &one);
	r = bpf_map_remove(c->addrs, &key);
	return r == -ENOENT ? 0 : r;
}

/** fill_addrs() - The addresses of the configuration */
static int fill_addrs(struct capture *c)
{
	const struct capture_conf *f = &c->conf;
	int err = set_addr(c, f->addr, ROLE_OURS, true);
	size_t i;

	for (i = 0; i < f->peers && !err; i++)
		err = set_addr(c, f->peer[i], ROLE_PEER, true);
	return err;
}

/** try_packet() - Verdict on a TCP packet without payload from a peer */
static int try_packet(const struct capture *c, uint16_t dport, uint8_t flags,
		      int *verdict)
{
	const struct capture_conf *f = &c->conf;
	uint8_t b[64] = { 0 };

	put16(b + 12, ETH_P_IP);
	b[14] = 0x45;
	put16(b + 16, 40);
	b[14 + IP_PROTO] = TCP;
	put32(b + 14 + IP_SRC, f->peers ? f->peer[0] : 0xc0000201);
	put32(b + 14 + IP_DST, f->addr);
	put16(b + 14 + L4_SPORT, f->is_edge ? f->peer_lo : 40000);
	put16(b + 14 + L4_DPORT, dport);
	b[14 + 32] = 0x50;
	b[14 + TCP_FLAGS] = flags;
	return bpf_prog_try(c->prog, (struct span){ b, sizeof(b) }, verdict);
}

/** self_test() - Does the program say what it should? Leaves the counters */
static int self_test(struct capture *c)
{
	struct { uint16_t port; uint8_t flags; int want; } row[] = {
		{ c->conf.lo, SYN, VERDICT_REDIRECT },
		{ c->conf.hi, SYN_ACK, VERDICT_DROP },
		{ (uint16_t)(c->conf.lo - 1), SYN, VERDICT_NEXT },
	};
	uint64_t zero[MAX_CPUS] = { 0 };
	uint32_t i;
	int got, err;

	if (c->conf.is_edge && !c->conf.peers)
		return 0;
	for (i = 0; i < sizeof(row) / sizeof(*row); i++) {
		err = try_packet(c, row[i].port, row[i].flags, &got);
		if (err)
			return err;
		if (got != row[i].want)
			return -EPROTO;
	}
	for (i = 0; i < COUNTS; i++)
		bpf_map_set(c->counts, &i, zero);
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_bpf(struct capture *c)
{
	bpf_hook_close(&c->hook);
	close_fd(&c->prog);
	close_fd(&c->latched);
	close_fd(&c->addrs);
	close_fd(&c->bucket);
	close_fd(&c->counts);
}

/** complain() - Say why something is not used; -ECANCELED: not asked for */
static int complain(struct capture *c, const char *what, int err)
{
	if (err == -ECANCELED)
		snprintf(c->why, sizeof(c->why), "%s", what);
	else
		snprintf(c->why, sizeof(c->why), "%s: %s", what,
			 strerror(-err));
	return err;
}

static int open_bpf(struct capture *c)
{
	struct bpf_hook_conf hook = {
		.ifindex = c->conf.uplink, .handle = c->conf.lo,
		.owner = c->conf.outer, .no_tcx = c->conf.no_tcx,
	};
	struct bpf_asm *a;
	int err;

	c->cpus = bpf_cpus();
	if (c->cpus < 0 || c->cpus > MAX_CPUS)
		return complain(c, "number of CPUs", -ENOSYS);
	err = open_maps(c);
	if (!err)
		err = fill_addrs(c);
	if (err)
		return complain(c, "BPF maps", err);
	a = malloc(sizeof(*a));
	if (!a)
		return complain(c, "BPF program", -ENOMEM);
	assemble(a, c);
	c->prog = bpf_prog_open(a, "unmap_capture", NULL, 0);
	free(a);
	if (c->prog < 0)
		return complain(c, "BPF program", c->prog);
	err = self_test(c);
	if (err)
		return complain(c, "self-test of the BPF program", err);
	hook.prog = c->prog;
	err = bpf_hook_open(&c->hook, &hook);
	if (err)
		return complain(c, "attaching BPF to the uplink", err);
	c->mode = c->hook.mode;
	bpf_hook_why(&c->hook, c->why, sizeof(c->why));
	return 0;
}

static struct rules_conf rules_of(const struct capture *c)
{
	const struct capture_conf *f = &c->conf;

	return (struct rules_conf){
		.uplink = c->uplink, .outer = f->outer, .addr = f->addr,
		.lo = f->lo, .hi = f->hi, .peer_lo = f->peer_lo,
		.peer_hi = f->peer_hi, .is_edge = f->is_edge,
		.peer = f->peer, .peers = f->peers,
	};
}

static int open_rules(struct capture *c)
{
	struct rules_conf r = rules_of(c);
	int err = rules_add(&r);

	if (err)
		return err;
	c->mode = "rules";
	return 0;
}

static void set_defaults(struct capture_conf *f)
{
	if (!f->entries)
		f->entries = ENTRIES;
	if (!f->rate)
		f->rate = RATE;
	if (!f->burst)
		f->burst = BURST;
	if (!f->peer_hi) {
		f->peer_lo = f->lo;
		f->peer_hi = f->hi;
	}
}

int capture_open(struct capture *c, const struct capture_conf *conf)
{
	int err = -ECANCELED;

	*c = (struct capture){
		.conf = *conf, .prog = -1, .latched = -1, .addrs = -1,
		.bucket = -1, .counts = -1, .hook = { .link = -1 },
	};
	set_defaults(&c->conf);
	rules_sweep();
	if (!if_indextoname((unsigned)conf->uplink, c->uplink))
		return complain(c, "the uplink", -ENODEV);
	if (conf->no_bpf)
		complain(c, "BPF is switched off", err);
	else
		err = open_bpf(c);
	if (err) {
		close_bpf(c);
		err = open_rules(c);
		if (err)
			complain(c, "policy rules", err);
	}
	c->conf.peer = NULL;
	return err;
}

void capture_close(struct capture *c)
{
	bool rules = c->mode && !strcmp(c->mode, "rules");

	close_bpf(c);
	if (rules)
		rules_remove(c->conf.outer);
	c->mode = NULL;
}

static struct latch_key latch_key(const struct capture_key *k)
{
	return (struct latch_key){
		.peer = htonl(k->peer.addr), .ours = htonl(k->ours.addr),
		.peer_port = htons(k->peer.port), .port = htons(k->ours.port),
		.proto = k->proto,
	};
}

int capture_latch(struct capture *c, const struct capture_key *k, bool add)
{
	struct latch_key key = latch_key(k);
	uint32_t one = 1;
	int r;

	if (c->latched < 0)
		return 0;
	if (add)
		return bpf_map_set(c->latched, &key, &one);
	r = bpf_map_remove(c->latched, &key);
	return r == -ENOENT ? 0 : r;
}

int capture_latch_many(struct capture *c, const struct capture_key *k,
		       size_t n, bool add)
{
	enum { CHUNK = 64 };
	struct latch_key key[CHUNK];
	uint32_t one[CHUNK] = { 0 };
	size_t i, m;
	int err = 0;

	if (c->latched < 0)
		return 0;
	for (; n && !err; n -= m, k += m) {
		m = n < CHUNK ? n : CHUNK;
		for (i = 0; i < m; i++)
			key[i] = latch_key(&k[i]);
		if (!add) {
			err = bpf_map_remove_batch(c->latched, key,
						   sizeof(*key), (uint32_t)m);
			continue;
		}
		err = bpf_map_set_batch(c->latched, key, one, (uint32_t)m);
		if (err != -EINVAL)
			continue;
		for (i = 0, err = 0; i < m && !err; i++)	/* before 5.6 */
			err = bpf_map_set(c->latched, &key[i], &one[i]);
	}
	return err;
}

int capture_address(struct capture *c, uint32_t addr, bool add)
{
	struct rules_conf r = rules_of(c);

	if (c->addrs >= 0)
		return set_addr(c, addr, ROLE_OURS, add);
	r.addr = addr;
	return rules_change(&r, add);
}

int capture_peer(struct capture *c, uint32_t addr, bool add)
{
	struct rules_conf r = rules_of(c);

	if (c->addrs >= 0)
		return set_addr(c, addr, ROLE_PEER, add);
	r.peer = &addr;
	r.peers = 1;
	return rules_change(&r, add);
}

int capture_counters(const struct capture *c, struct capture_counters *out)
{
	uint64_t value[MAX_CPUS], sum[COUNTS] = { 0 };
	uint32_t i;
	int cpu, err;

	memset(out, 0, sizeof(*out));
	if (c->counts < 0)
		return 0;
	for (i = 0; i < COUNTS; i++) {
		err = bpf_map_get(c->counts, &i, value);
		if (err)
			return err;
		for (cpu = 0; cpu < c->cpus; cpu++)
			sum[i] += value[cpu];
	}
	*out = (struct capture_counters){
		sum[CAPTURED], sum[ADMITTED], sum[ADMITTED_ICMP], sum[DROPPED],
		sum[LIMITED],
	};
	return 0;
}
