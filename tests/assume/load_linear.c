/* SPDX-License-Identifier: MIT
 *
 * load_linear.c - bpf_skb_load_bytes_relative() sees only the linear part of a
 * packet, and succeeds after bpf_skb_pull_data(). (net/capture.c, emit_load)
 */
#include "tests/assume/assume.h"

static struct bpf_asm a;

/* Does a program that passes on only what it can read let it through? */
static int passes(int in, int out, int pull)
{
	struct bpf_hook_conf c = { .ifindex = (int)if_nametoindex("in"),
				   .owner = 1, .handle = 1 };
	struct offload hint = { .hdr_len = 20 };
	struct span none = { NULL, 0 };
	static uint8_t p[7000];
	struct bpf_hook h;
	int drop, ok;

	asm_init(&a);
	drop = asm_label(&a);
	ASM(&a, I_MOV(R6, R1));
	if (pull)
		ASM(&a, I_SET(R2, 96), I_CALL(BPF_FUNC_skb_pull_data));
	ASM(&a, I_MOV(R1, R6), I_SET(R2, 28), I_MOV(R3, R10),
	    I_ALUI(BPF_ADD, R3, -8), I_SET(R4, 1), I_SET(R5, 1),
	    I_CALL(BPF_FUNC_skb_load_bytes_relative));
	asm_jump(&a, I_IFI(BPF_JNE, R0, 0), drop);
	ASM(&a, I_SET(R1, (int)if_nametoindex("out")), I_SET(R2, 0),
	    I_CALL(BPF_FUNC_redirect), I_EXIT());
	asm_place(&a, drop);
	ASM(&a, I_SET(R0, VERDICT_DROP), I_EXIT());
	c.prog = bpf_prog_open(&a, "assume", NULL, 0);
	if (c.prog < 0 || bpf_hook_open(&h, &c))
		skip("no BPF");
	udp_packet(p, sizeof(p));
	if (tun_write(in, &hint, (struct span){ p, sizeof(p) }, none))
		skip("TUN");
	ok = comes(out);
	bpf_hook_close(&h);
	close(c.prog);
	return ok;
}

int main(void)
{
	char name[IFNAMSIZ];
	unsigned features;
	int in, out;

	enter("load_linear");
	in = tun_open("in", name, &features);
	out = tun_open("out", name, &features);
	must("ip link set in mtu 9000 up && ip link set out mtu 9000 up");
	return result(!passes(in, out, 0) && passes(in, out, 1));
}
