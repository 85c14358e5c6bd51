/* SPDX-License-Identifier: MIT
 *
 * change_head.c - from a TUN's ingress, bpf_redirect_neigh() to an Ethernet
 * delivers only after bpf_skb_change_head() has made room for a MAC header;
 * without it the packet vanishes, and no error says so. (net/output.c)
 */
#include "tests/assume/assume.h"

static struct bpf_asm a;

/* Packets that w0 has received so far, from /proc/net/dev. */
static int received(void)
{
	FILE *f = popen("sed -n 's/^ *w0: *[0-9]* *\\([0-9]*\\).*/\\1/p' "
			"/proc/net/dev", "r");
	int n = -1;

	if (!f || fscanf(f, "%d", &n) != 1)
		skip("/proc/net/dev");
	pclose(f);
	return n;
}

/* Packets that arrive at the other end of the veth, sent with and without. */
static int arrives(int tun, int outer, int uplink, int change)
{
	struct bpf_hook_conf c = { .ifindex = outer, .owner = outer,
				   .handle = 1 };
	struct span none = { NULL, 0 };
	struct bpf_hook h;
	uint8_t p[100];
	int got, before;

	asm_init(&a);
	if (change)
		ASM(&a, I_MOV(R6, R1), I_SET(R2, 14), I_SET(R3, 0),
		    I_CALL(BPF_FUNC_skb_change_head));
	ASM(&a, I_SET(R1, uplink), I_SET(R2, 0), I_SET(R3, 0), I_SET(R4, 0),
	    I_CALL(BPF_FUNC_redirect_neigh), I_EXIT());
	c.prog = bpf_prog_open(&a, "assume", NULL, 0);
	if (c.prog < 0 || bpf_hook_open(&h, &c))
		skip("no bpf_redirect_neigh (Linux 5.10)");
	before = received();
	udp_packet(p, sizeof(p));
	if (tun_write(tun, NULL, (struct span){ p, sizeof(p) }, none))
		skip("TUN");
	usleep(50000);
	got = received() - before;
	bpf_hook_close(&h);
	close(c.prog);
	return got;
}

int main(void)
{
	char name[IFNAMSIZ];
	unsigned features;
	int tun;

	enter("change_head");
	tun = tun_open("outer", name, &features);
	must("ip link add up0 type veth peer name w0");
	must("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
	must("ip link set w0 up && ip link set outer up && "
	     "ip address add 10.9.0.1/24 dev up0 && ip link set up0 up && "
	     "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev up0");
	return result(!arrives(tun, (int)if_nametoindex("outer"),
			       (int)if_nametoindex("up0"), 0) &&
		      arrives(tun, (int)if_nametoindex("outer"),
			      (int)if_nametoindex("up0"), 1));
}
