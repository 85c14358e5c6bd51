/* SPDX-License-Identifier: MIT
 *
 * output.c - sends what is written to the outer TUN out by the uplink
 *
 * Theory of operation
 * ===================
 * What we write to a TUN comes in at its ingress. A program there sends it
 * straight to the uplink, whatever routing, firewall and sysctls think of a
 * packet that comes in with our own source address.
 *
 * To a device with a link header (Ethernet): bpf_redirect_neigh() (5.10) looks
 * the next hop up in the routing table, restricted to the uplink, and fills in
 * the neighbour's address. It insists on a MAC header before the network
 * header, which a TUN's packets do not have: 14 bytes are pushed first
 * (bpf_skb_change_head), without them packets vanish.
 *
 * To a device without (PPP, wwan, TUN): there is no neighbour, bpf_redirect()
 * does. Super-packets and partial checksums pass both: the device, or the
 * stack on its behalf, cuts and completes them.
 *
 * Anything but IPv4 is dropped: the engine writes nothing else, and nothing
 * else may leave unseen.
 *
 * Without BPF the kernel forwards. A packet from one of our own addresses that
 * comes in is a martian to it, unless host_needs() are met.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/output.h"

enum { MAC_BYTES = 14, HANDLE = 1 };

int has_link_header(int ifindex)
{
	struct ifreq ifr = { .ifr_name = "" };
	int fd, err;

	if (!if_indextoname((unsigned)ifindex, ifr.ifr_name))
		return -ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = ioctl(fd, SIOCGIFHWADDR, &ifr) ? -errno : 0;
	close(fd);
	return err ? err : ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER;
}

static void assemble(struct bpf_asm *a, int uplink, bool link_header)
{
	int drop;

	asm_init(a);
	drop = asm_label(a);
	ASM(a, I_MOV(R6, R1),
	    I_LOAD(BPF_W, R1, R6, offsetof(struct __sk_buff, protocol)));
	asm_jump(a, I_IFI(BPF_JNE, R1, htons(ETH_P_IP)), drop);
	if (link_header) {
		ASM(a, I_MOV(R1, R6), I_SET(R2, MAC_BYTES), I_SET(R3, 0),
		    I_CALL(BPF_FUNC_skb_change_head));
		asm_jump(a, I_IFI(BPF_JNE, R0, 0), drop);
		ASM(a, I_SET(R1, uplink), I_SET(R2, 0), I_SET(R3, 0),
		    I_SET(R4, 0), I_CALL(BPF_FUNC_redirect_neigh), I_EXIT());
	} else {
		ASM(a, I_SET(R1, uplink), I_SET(R2, 0),
		    I_CALL(BPF_FUNC_redirect), I_EXIT());
	}
	asm_place(a, drop);
	ASM(a, I_SET(R0, VERDICT_DROP), I_EXIT());
}

/** self_test() - IPv4 is redirected, ARP is not */
static int self_test(int prog)
{
	uint8_t b[64] = { 0 };
	struct span frame = { b, sizeof(b) };
	int got, err;

	put16(b + 12, ETH_P_IP);
	b[14] = 0x45;
	put16(b + 16, 50);
	err = bpf_prog_try(prog, frame, &got);
	if (err)
		return err;
	if (got != VERDICT_REDIRECT)
		return -EPROTO;
	put16(b + 12, ETH_P_ARP);
	err = bpf_prog_try(prog, frame, &got);
	if (err)
		return err;
	return got == VERDICT_DROP ? 0 : -EPROTO;
}

static int complain(struct output *o, const char *what, int err)
{
	if (err == -ECANCELED)
		snprintf(o->why, sizeof(o->why), "%s", what);
	else
		snprintf(o->why, sizeof(o->why), "%s: %s", what,
			 strerror(-err));
	return err;
}

static int open_prog(struct output *o, bool link_header)
{
	struct bpf_asm *a = malloc(sizeof(*a));

	if (!a)
		return -ENOMEM;
	assemble(a, o->conf.uplink, link_header);
	o->prog = bpf_prog_open(a, "unmap_output", NULL, 0);
	free(a);
	return o->prog < 0 ? o->prog : 0;
}

static int open_bpf(struct output *o)
{
	struct bpf_hook_conf hook = {
		.ifindex = o->conf.outer, .handle = HANDLE,
		.owner = o->conf.outer, .no_tcx = o->conf.no_tcx,
	};
	int err = has_link_header(o->conf.uplink);

	if (err < 0)
		return complain(o, "the uplink", err);
	err = open_prog(o, err);
	if (err)
		return complain(o, "BPF program", err);
	err = self_test(o->prog);
	if (err)
		return complain(o, "self-test of the BPF program", err);
	hook.prog = o->prog;
	err = bpf_hook_open(&o->hook, &hook);
	if (err)
		return complain(o, "attaching BPF to the outer TUN", err);
	o->mode = o->hook.mode;
	bpf_hook_why(&o->hook, o->why, sizeof(o->why));
	return 0;
}

int output_open(struct output *o, const struct output_conf *conf)
{
	int err = -ECANCELED;

	*o = (struct output){ .conf = *conf, .prog = -1,
			      .hook = { .link = -1 } };
	if (conf->no_bpf)
		complain(o, "BPF is switched off", err);
	else
		err = open_bpf(o);
	if (!err)
		return 0;
	if (err == -ENODEV)
		return err;
	output_close(o);
	o->mode = "forward";
	return 0;
}

void output_close(struct output *o)
{
	bpf_hook_close(&o->hook);
	if (o->prog >= 0)
		close(o->prog);
	o->prog = -1;
	o->mode = NULL;
}

static void need_add(struct host_need *n, const char *iface, const char *key,
		     const char *value, const char *why)
{
	snprintf(n->path, sizeof(n->path), "net/ipv4/conf/%s/%s", iface, key);
	n->value = value;
	n->why = why;
}

size_t host_needs(struct host_need need[static HOST_NEEDS], const char *uplink,
		  const char *outer, bool capture_rules, bool output_forward)
{
	size_t n = 0;

	if (capture_rules)
		need_add(&need[n++], uplink, "forwarding", "1",
			 "what comes for our ports is forwarded to the TUN");
	if (!output_forward)
		return n;
	need_add(&need[n++], outer, "forwarding", "1",
		 "what is written to the TUN is forwarded to the uplink");
	need_add(&need[n++], outer, "accept_local", "1",
		 "it comes in with our own source address");
	need_add(&need[n++], outer, "rp_filter", "0",
		 "and not from where that address is");
	/* The stricter of the two counts. */
	need_add(&need[n++], "all", "rp_filter", "0",
		 "the kernel takes the larger of this and the TUN's");
	return n;
}
