/* SPDX-License-Identifier: MIT
 *
 * fast.c - loads and attaches the fast path (net/fast.bpf.c)
 *
 * Theory of operation
 * ===================
 * Three maps: two hash tables from a tuple to the number of a place, and the
 * array of places, which is mapped into our memory (BPF_F_MMAPABLE, Linux 5.5):
 * the engine switches a session on and reads what was seen by plain memory
 * accesses. The maps live as long as the process; the programs are loaded for
 * an uplink, since the numbers of interfaces are put in when they are loaded.
 *
 * Programs are arrays of instructions (fast_prog.h) with a list of places where
 * a map or a number belongs.
 *
 * Self-test: a program may load and still do the wrong thing. Kernels before
 * 5.14 refuse to change the protocol of UDP super-packets and alter the segment
 * size of TCP's. So both programs first translate a made-up datagram that says
 * it is a super-packet, and the result is compared byte by byte; the rehearsal
 * runs with a link header of 14 bytes, which test runs have.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/bytes.h"
#include "net/fast.h"
#include "net/fast_prog.h"
#include "net/output.h"

enum { MAC_BYTES = 14, MOST_CODE = 1024 };

/** struct program - one of the two */
struct program {
	const char *name;
	const uint64_t *code;
	size_t len;
	const struct fast_ref *refs;
	size_t ref_count;
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
static const struct program out_program = {
	"unmap_fast_out", fast_out_code, COUNT(fast_out_code),
	fast_out_refs, COUNT(fast_out_refs)
};
static const struct program in_program = {
	"unmap_fast_in", fast_in_code, COUNT(fast_in_code),
	fast_in_refs, COUNT(fast_in_refs)
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int complain(struct fast *f, const char *what, int err)
{
	if (err == -ECANCELED)
		snprintf(f->why, sizeof(f->why), "%s", what);
	else
		snprintf(f->why, sizeof(f->why), "%s: %s", what,
			 strerror(-err));
	return err;
}

/* -- maps -------------------------------------------------------------------- */

static int open_maps(struct fast *f, uint32_t places)
{
	const struct bpf_map_conf inner = {
		BPF_MAP_TYPE_HASH, sizeof(struct fast_inner_key),
		sizeof(uint32_t), places, BPF_F_NO_PREALLOC, "unmap_fast_in6"
	};
	const struct bpf_map_conf outer = {
		BPF_MAP_TYPE_HASH, sizeof(struct fast_outer_key),
		sizeof(uint32_t), places, BPF_F_NO_PREALLOC, "unmap_fast_out4"
	};
	const struct bpf_map_conf flows = {
		BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct fast_flow),
		places, BPF_F_MMAPABLE, "unmap_fast"
	};

	f->map_inner = bpf_map_open(&inner);
	f->map_outer = f->map_inner < 0 ? f->map_inner : bpf_map_open(&outer);
	f->map_flows = f->map_outer < 0 ? f->map_outer : bpf_map_open(&flows);
	return f->map_flows < 0 ? f->map_flows : 0;
}

int fast_init(struct fast *f, uint32_t places, bool off)
{
	size_t bytes = places * sizeof(struct fast_flow);
	void *at;
	int err;

	*f = (struct fast){ .map_inner = -1, .map_outer = -1, .map_flows = -1,
		.prog_out = -1, .prog_in = -1, .hook_out = { .link = -1 },
		.hook_in = { .link = -1 } };
	if (off)
		return complain(f, "switched off", -ECANCELED);
	err = open_maps(f, places);
	if (err)
		return complain(f, "BPF maps", err);
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->map_flows,
		  0);
	if (at == MAP_FAILED)
		return complain(f, "memory shared with BPF", -errno);
	f->flow = at;
	f->places = places;
	return 0;
}

int fast_set(struct fast *f, const struct fast_keys *k, bool add)
{
	int err;

	if (!f->flow)
		return 0;
	if (add) {
		err = bpf_map_set(f->map_inner, &k->inner, &k->slot);
		return err ? err : bpf_map_set(f->map_outer, &k->outer,
					       &k->slot);
	}
	bpf_map_remove(f->map_inner, &k->inner);
	bpf_map_remove(f->map_outer, &k->outer);
	return 0;
}

/* -- programs ---------------------------------------------------------------- */

static int load(const struct fast *f, const struct program *p,
		const uint32_t number[FAST_NAMES])
{
	static struct bpf_insn insn[MOST_CODE];
	size_t i;

	if (p->len > MOST_CODE)
		return -E2BIG;
	memcpy(insn, p->code, p->len * sizeof(*insn));
	for (i = 0; i < p->ref_count; i++) {
		struct bpf_insn *in = &insn[p->refs[i].at];

		switch ((enum fast_name)p->refs[i].name) {
		case FAST_MAP_INNER: in->imm = f->map_inner; break;
		case FAST_MAP_OUTER: in->imm = f->map_outer; break;
		case FAST_MAP_FLOWS: in->imm = f->map_flows; break;
		case FAST_CONF_OUT_MAC:
		case FAST_CONF_IN_MAC:
		case FAST_CONF_PORTS:
		case FAST_CONF_UPLINK:
		case FAST_CONF_INNER:
			in->imm = (int)number[p->refs[i].name];
			continue;
		case FAST_NAMES:
			return -EPROTO;
		}
		in->src_reg = BPF_PSEUDO_MAP_FD;
	}
	return bpf_prog_load(insn, p->len, p->name, NULL, 0);
}

/* -- rehearsal --------------------------------------------------------------- */

/* One datagram of 8 bytes, inside and outside; checksums are right. */
static const uint8_t rehearsed6[] = {
	0x60, 0x20, 0, 0, 0, 16, 17, 64,
	0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5,
	0x20, 1, 0x0d, 0xb8, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9,
	0x13, 0x88, 0x00, 0x35, 0, 16, 0, 0, 'u', 'n', 'm', 'a', 'p', 0, 0, 1
};
static const uint8_t rehearsed4[] = {
	0x45, 2, 0, 36, 0, 0, 0x40, 0, 64, 17, 0, 0,
	100, 64, 1, 2, 203, 0, 113, 10,
	0xee, 0x48, 0xf4, 0x24, 0, 16, 0, 0, 'u', 'n', 'm', 'a', 'p', 0, 0, 1
};

enum { IP6 = 40, IP4 = 20, CHECK6_AT = IP6 + 6, CHECK4_AT = IP4 + 6,
	TEST_PLACE = 1 };

static uint16_t sum_of(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i += 2)
		sum += get16(at + i);
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

/* The two packets with their checksums, each behind a link header. */
static void rehearse_packets(uint8_t *p6, uint8_t *p4)
{
	uint16_t l4 = sizeof(rehearsed6) - IP6;

	memset(p6, 0, MAC_BYTES);
	memset(p4, 0, MAC_BYTES);
	put16(p6 + 12, 0x86dd);
	put16(p4 + 12, 0x0800);
	p6 += MAC_BYTES;
	p4 += MAC_BYTES;
	memcpy(p6, rehearsed6, sizeof(rehearsed6));
	memcpy(p4, rehearsed4, sizeof(rehearsed4));
	put16(p6 + CHECK6_AT, (uint16_t)~sum_of(p6 + 8, 32 + l4, l4 + 17u));
	put16(p4 + CHECK4_AT, (uint16_t)~sum_of(p4 + 12, 8 + l4, l4 + 17u));
	put16(p4 + 10, (uint16_t)~sum_of(p4, IP4, 0));
}

/* A place for which the packets go out, or come in. */
static void rehearse_flow(struct fast_flow *f, struct fast_keys *k, bool in)
{
	const uint8_t *p6 = rehearsed6, *p4 = rehearsed4;
	uint32_t sum6 = sum_of(p6 + 8, 32, 0), sum4 = sum_of(p4 + 12, 8, 0);
	uint32_t ports6 = sum_of(p6 + IP6, 4, 0);
	uint32_t ports4 = sum_of(p4 + IP4, 4, 0);
	uint8_t diff[4][4];

	memset(f, 0, sizeof(*f));
	memcpy(in ? f->dst : f->src, p6 + 8, 16);
	memcpy(in ? f->src : f->dst, p6 + 24, 16);
	memcpy(in ? &f->dport : &f->sport, p6 + IP6, 2);
	memcpy(in ? &f->sport : &f->dport, p6 + IP6 + 2, 2);
	memcpy(in ? &f->remote : &f->local, p4 + 12, 4);
	memcpy(in ? &f->local : &f->remote, p4 + 16, 4);
	memcpy(in ? &f->remote_port : &f->local_port, p4 + IP4, 2);
	memcpy(in ? &f->local_port : &f->remote_port, p4 + IP4 + 2, 2);
	put32(diff[0], sum_of(NULL, 0, sum4 + (0xffff ^ sum6)));
	put32(diff[1], sum_of(NULL, 0, ports4 + (0xffff ^ ports6)));
	put32(diff[2], sum_of(NULL, 0, sum6 + (0xffff ^ sum4)));
	put32(diff[3], sum_of(NULL, 0, ports6 + (0xffff ^ ports4)));
	memcpy(&f->addr_diff_out, diff, sizeof(diff));
	f->proto = 17;
	f->hop_out = f->hop_in = 64;
	f->max_inner = 1500;
	memcpy(&f->label, (const uint8_t[4]){ 0x60 }, 4);
	f->idle_ns = UINT64_MAX;
	f->on = 1;
	memcpy(k->inner.src, f->src, 16);
	memcpy(k->inner.dst, f->dst, 16);
	k->inner.sport = f->sport;
	k->inner.dport = f->dport;
	k->inner.proto = k->outer.proto = f->proto;
	k->outer = (struct fast_outer_key){ f->remote, f->local,
		f->remote_port, f->local_port, f->proto };
	k->slot = TEST_PLACE;
}

/* Run @program on @in; is the result @want, behind the link header? */
static int rehearse_one(struct fast *f, const struct program *program,
			struct span in, struct span want)
{
	struct fast_keys k = { .slot = 0 };
	uint32_t number[FAST_NAMES] = { [FAST_CONF_PORTS] = 0xffff,
		[FAST_CONF_UPLINK] = 1, [FAST_CONF_INNER] = 1 };
	uint8_t out[256];
	struct bpf_try t = { .frame = in, .gso_size = 8, .out = out,
		.out_cap = sizeof(out) };
	int fd, err;

	/* the uplink has no link header, so that it is not pushed */
	number[program == &out_program ? FAST_CONF_OUT_MAC :
	       FAST_CONF_IN_MAC] = MAC_BYTES;
	rehearse_flow(&f->flow[TEST_PLACE], &k, program == &in_program);
	fd = load(f, program, number);
	if (fd < 0)
		return fd;
	err = fast_set(f, &k, true);
	if (!err)
		err = bpf_prog_run(fd, &t);
	fast_set(f, &k, false);
	close(fd);
	if (err)
		return err;
	if (t.verdict != VERDICT_REDIRECT || t.out_len != want.len + MAC_BYTES ||
	    memcmp(out + MAC_BYTES, want.at, want.len))
		return -EPROTO;
	return 0;
}

/** rehearse() - Do both programs what they should, to the byte? */
static int rehearse(struct fast *f)
{
	uint8_t p6[MAC_BYTES + sizeof(rehearsed6)];
	uint8_t p4[MAC_BYTES + sizeof(rehearsed4)];
	struct fast_flow saved = f->flow[TEST_PLACE];
	int err;

	rehearse_packets(p6, p4);
	err = rehearse_one(f, &out_program, (struct span){ p6, sizeof(p6) },
			   (struct span){ p4 + MAC_BYTES, sizeof(rehearsed4) });
	if (!err)
		err = rehearse_one(f, &in_program,
				   (struct span){ p4, sizeof(p4) },
				   (struct span){ p6 + MAC_BYTES,
						  sizeof(rehearsed6) });
	f->flow[TEST_PLACE] = saved;
	return err;
}

/* -- attaching --------------------------------------------------------------- */

static int attach(struct fast *f, const struct fast_conf *c)
{
	struct bpf_hook_conf out = { .ifindex = c->inner, .prog = f->prog_out,
		.handle = c->lo, .owner = c->inner, .no_tcx = c->no_tcx,
		.place = BPF_AT_EGRESS };
	struct bpf_hook_conf in = { .ifindex = c->uplink, .prog = f->prog_in,
		.handle = c->lo, .owner = c->inner, .no_tcx = c->no_tcx,
		.place = BPF_AT_INGRESS_EARLY };
	int err = bpf_hook_open(&f->hook_in, &in);

	return err ? err : bpf_hook_open(&f->hook_out, &out);
}

int fast_open(struct fast *f, const struct fast_conf *c)
{
	int mac = has_link_header(c->uplink), err;
	const uint32_t number[FAST_NAMES] = {
		[FAST_CONF_IN_MAC] = mac > 0 ? MAC_BYTES : 0,
		[FAST_CONF_PORTS] = (uint32_t)c->lo << 16 | c->hi,
		[FAST_CONF_UPLINK] = (uint32_t)c->uplink,
		[FAST_CONF_INNER] = (uint32_t)c->inner,
	};

	if (!f->flow)
		return -ENOTSUP;
	if (mac < 0)
		return complain(f, "the uplink", mac);
	err = rehearse(f);
	if (err)
		return complain(f, "self-test of the BPF programs", err);
	f->prog_out = load(f, &out_program, number);
	f->prog_in = f->prog_out < 0 ? f->prog_out :
		     load(f, &in_program, number);
	if (f->prog_in < 0) {
		err = complain(f, "BPF programs", f->prog_in);
		fast_close(f);
		return err;
	}
	err = attach(f, c);
	if (err) {
		complain(f, "attaching BPF", err);
		fast_close(f);
		return err;
	}
	f->mode = f->hook_in.mode;
	bpf_hook_why(&f->hook_in, f->why, sizeof(f->why));
	return 0;
}

void fast_close(struct fast *f)
{
	bpf_hook_close(&f->hook_in);
	bpf_hook_close(&f->hook_out);
	close_fd(&f->prog_out);
	close_fd(&f->prog_in);
	f->mode = NULL;
}
