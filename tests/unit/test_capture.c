/* SPDX-License-Identifier: MIT
 *
 * test_capture.c - net/capture.c and net/output.c on real devices
 *
 *        A: the host of an edge or hub          B: the rest of the world
 *   outer TUN  <--- capture ---  up0  ==veth==  w0 10.9.0.2
 *              ---- output --->  10.9.0.1
 *
 * Both are namespaces without a name: they end with the test's process. The
 * far end's TCP is B's kernel, ours is written out in the test.
 */
#include <linux/if_ether.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/csum.h"
#include "core/xlat.h"
#include "net/capture.h"
#include "net/output.h"
#include "net/rules.h"
#include "net/sock.h"
#include "net/tc.h"
#include "net/tun.h"
#include "tests/unit/labns.h"

enum { OURS = 0x0a090001, PEER = 0x0a090002, OTHER = 0x0a090003 };
enum { LO = 61000, HI = 65535, PLENTY = 300000 };
enum mode { MODE_TCX, MODE_CLSACT, MODE_NONE };

static uint8_t buf[TUN_BUF];
static uint8_t data[PLENTY];

static bool world(void)
{
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 253);
	return labns_pair();
}

static int index_of(const char *name)
{
	return (int)if_nametoindex(name);
}

static int outer_open(void)
{
	char name[IFNAMSIZ];
	unsigned features;
	int fd = tun_open("outer", name, &features);

	ck_assert_int_ge(fd, 0);
	must("ip link set outer mtu 65535 up");
	return fd;
}

static struct capture_conf hub_conf(enum mode mode)
{
	return (struct capture_conf){
		.uplink = index_of("up0"), .outer = index_of("outer"),
		.addr = OURS, .lo = LO, .hi = HI, .no_tcx = mode != MODE_TCX,
		.no_bpf = mode == MODE_NONE,
	};
}

static const char *mode_name(enum mode mode)
{
	return mode == MODE_TCX ? "tcx" : mode == MODE_CLSACT ? "clsact" :
	       "rules";
}

/* ---- the program alone: what it says about each packet ------------------- */

/** struct row - a packet from PEER to OURS, with what is odd about it */
struct row {
	const char *name;
	uint8_t proto;
	uint32_t src, dst;
	uint16_t sport, dport;
	uint8_t flags;		/* TCP flags, or first byte of the UDP payload */
	int payload;
	int want;
	int patch, value;	/* byte of the IP header to set, if patch >= 0 */
};

/* No-operations up to the header's length. Return: how many */
static size_t add_options(uint8_t *ip, size_t len)
{
	size_t more = ip[0] > 0x45 && ip[0] < 0x50 ? (ip[0] - 0x45u) * 4 : 0;

	memmove(ip + 20 + more, ip + 20, len - 20);
	memset(ip + 20, 1, more);
	return more;
}

static int verdict_on(const struct capture *c, const struct row *r)
{
	uint8_t frame[2000] = { 0 }, payload[1400] = { 0 };
	struct writer w = writer_of(frame + 14, sizeof(frame) - 14);
	struct tcp_seg seg = {
		.t = { r->src, r->dst, r->sport, r->dport, PROTO_TCP },
		.flags = r->flags, .payload = { payload, (size_t)r->payload },
	};
	size_t len;
	int got = 99;

	payload[0] = r->flags;
	if (r->proto == PROTO_TCP)
		len = tcp_build(&w, &seg);
	else
		len = udp_build(&w, &seg.t, seg.payload);
	ck_assert_uint_gt(len, 0);
	put16(frame + 12, ETH_P_IP);
	if (r->patch >= 0)
		frame[14 + r->patch] = (uint8_t)r->value;
	len += add_options(frame + 14, len);
	ck_assert_int_eq(bpf_prog_try(c->prog, (struct span){ frame, len + 14 },
				      &got), 0);
	return got;
}

enum { NEXT = VERDICT_NEXT, DROP = VERDICT_DROP, TAKE = VERDICT_REDIRECT };

static const struct row hub_rows[] = {
	{ "SYN", 6, PEER, OURS, 5, LO, TCP_SYN, 0, TAKE, -1, 0 },
	{ "SYN, last port", 6, PEER, OURS, 5, HI, TCP_SYN, 0, TAKE, -1, 0 },
	{ "SYN with ECE CWR", 6, PEER, OURS, 5, LO, 0xc2, 0, TAKE, -1, 0 },
	{ "port below", 6, PEER, OURS, 5, LO - 1, TCP_SYN, 0, NEXT, -1, 0 },
	{ "UDP port below", 17, PEER, OURS, 5, LO - 1, 0x80, 30, NEXT, -1, 0 },
	{ "our port as source", 6, PEER, OURS, LO, 22, TCP_SYN, 0, NEXT, -1, 0 },
	{ "another address", 6, PEER, OTHER, 5, LO, TCP_SYN, 0, NEXT, -1, 0 },
	{ "SYN ACK", 6, PEER, OURS, 5, LO, TCP_SYN | TCP_ACK, 0, DROP, -1, 0 },
	{ "ACK", 6, PEER, OURS, 5, LO, TCP_ACK, 100, DROP, -1, 0 },
	{ "RST", 6, PEER, OURS, 5, LO, TCP_RST, 0, DROP, -1, 0 },
	{ "punch", 17, PEER, OURS, 5, LO, 0x80, 21, TAKE, -1, 0 },
	{ "punch, number", 17, PEER, OURS, 5, LO, 0xbf, 900, TAKE, -1, 0 },
	{ "punch too short", 17, PEER, OURS, 5, LO, 0x80, 20, DROP, -1, 0 },
	{ "UDP, nothing", 17, PEER, OURS, 5, LO, 0, 0, DROP, -1, 0 },
	{ "explicit", 17, PEER, OURS, 5, LO, 0x40, 100, DROP, -1, 0 },
	{ "kind 3", 17, PEER, OURS, 5, LO, 0xc0, 100, DROP, -1, 0 },
	{ "data", 17, PEER, OURS, 5, LO, 0x00, 100, DROP, -1, 0 },
	{ "IP options", 6, PEER, OURS, 5, LO, TCP_SYN, 30, DROP, 0, 0x46 },
	{ "most options", 6, PEER, OURS, 5, HI, TCP_ACK, 0, DROP, 0, 0x4f },
	{ "options, UDP", 17, PEER, OURS, 5, LO, 0x80, 30, DROP, 0, 0x47 },
	{ "options, SSH", 6, PEER, OURS, LO, 22, TCP_SYN, 0, NEXT, 0, 0x46 },
	{ "version 6", 6, PEER, OURS, 5, LO, TCP_SYN, 30, NEXT, 0, 0x65 },
	{ "first fragment", 6, PEER, OURS, 5, LO, TCP_SYN, 0, DROP, 6, 0x20 },
	{ "of SSH", 6, PEER, OURS, LO, 22, TCP_ACK, 9, NEXT, 6, 0x20 },
	{ "last fragment", 6, PEER, OURS, 5, LO, TCP_SYN, 0, NEXT, 7, 0x10 },
	{ "DF is no fragment", 6, PEER, OURS, 5, LO, TCP_SYN, 0, TAKE, 6, 0x40 },
	{ "SCTP", 6, PEER, OURS, 5, LO, TCP_SYN, 0, NEXT, 9, 132 },
	{ "ICMP echo", 6, PEER, OURS, 0x0800, LO, 0, 0, NEXT, 9, 1 },
};

static const struct row edge_rows[] = {
	{ "from the hub", 6, PEER, OURS, LO, LO, TCP_SYN, 0, TAKE, -1, 0 },
	{ "hub, high port", 6, PEER, OURS, HI, HI, TCP_SYN, 0, TAKE, -1, 0 },
	{ "hub, low port", 6, PEER, OURS, 443, LO, TCP_SYN, 0, NEXT, -1, 0 },
	{ "a phone's", 6, OTHER, OURS, LO, LO, TCP_ACK, 0, NEXT, -1, 0 },
	{ "a phone's UDP", 17, OTHER, OURS, LO, LO, 0x80, 30, NEXT, -1, 0 },
	{ "unlatched", 6, PEER, OURS, LO, LO, TCP_ACK, 0, DROP, -1, 0 },
	{ "options", 6, PEER, OURS, LO, LO, TCP_ACK, 0, DROP, 0, 0x46 },
	{ "options, phone", 6, OTHER, OURS, LO, LO, TCP_ACK, 0, NEXT, 0, 0x46 },
};

static void check_rows(const struct capture *c, const struct row *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		ck_assert_msg(verdict_on(c, &r[i]) == r[i].want, "%s",
			      r[i].name);
}

START_TEST(test_program)
{
	const uint32_t peer = PEER;
	struct capture_conf conf;
	struct capture_counters n;
	struct capture c;

	if (!world())
		return;
	ck_assert_int_ge(outer_open(), 0);
	conf = hub_conf(MODE_TCX);
	ck_assert_int_eq(capture_open(&c, &conf), 0);
	ck_assert_int_eq(capture_counters(&c, &n), 0);
	ck_assert_uint_eq(n.admitted + n.dropped + n.captured, 0);
	check_rows(&c, hub_rows, sizeof(hub_rows) / sizeof(*hub_rows));
	ck_assert_int_eq(capture_counters(&c, &n), 0);
	ck_assert_uint_eq(n.admitted, 6);
	ck_assert_uint_eq(n.dropped, 12);
	ck_assert_uint_eq(n.captured + n.limited + n.icmp, 0);
	capture_close(&c);
	conf.is_edge = true;
	conf.peer = &peer;
	conf.peers = 1;
	ck_assert_int_eq(capture_open(&c, &conf), 0);
	check_rows(&c, edge_rows, sizeof(edge_rows) / sizeof(*edge_rows));
	/* A second hub, which then goes; our address changes. */
	ck_assert_int_eq(verdict_on(&c, &edge_rows[3]), NEXT);
	ck_assert_int_eq(capture_peer(&c, OTHER, true), 0);
	ck_assert_int_eq(verdict_on(&c, &edge_rows[3]), DROP);
	ck_assert_int_eq(capture_peer(&c, OTHER, false), 0);
	ck_assert_int_eq(verdict_on(&c, &edge_rows[3]), NEXT);
	ck_assert_int_eq(capture_peer(&c, OTHER, false), 0);
	ck_assert_int_eq(capture_address(&c, OURS, false), 0);
	ck_assert_int_eq(verdict_on(&c, &edge_rows[0]), NEXT);
	ck_assert_int_eq(capture_address(&c, OURS, true), 0);
	ck_assert_int_eq(verdict_on(&c, &edge_rows[0]), TAKE);
	capture_close(&c);
}
END_TEST

START_TEST(test_latch)
{
	struct capture_key k = { 6, { OURS, LO }, { PEER, 5 } }, many[200];
	const struct row ack = hub_rows[8];
	struct row udp = ack, from = ack;
	struct capture_conf conf;
	struct capture_counters n;
	struct capture c;
	int i;

	if (!world())
		return;
	ck_assert_int_ge(outer_open(), 0);
	conf = hub_conf(MODE_TCX);
	conf.entries = 200;
	ck_assert_int_eq(capture_open(&c, &conf), 0);
	udp.proto = 17;
	from.sport = 6;
	ck_assert_int_eq(verdict_on(&c, &ack), DROP);
	ck_assert_int_eq(capture_latch(&c, &k, true), 0);
	ck_assert_int_eq(capture_latch(&c, &k, true), 0);
	ck_assert_int_eq(verdict_on(&c, &ack), TAKE);
	ck_assert_int_eq(verdict_on(&c, &udp), DROP);
	ck_assert_int_eq(verdict_on(&c, &from), DROP);
	ck_assert_int_eq(capture_latch(&c, &k, false), 0);
	ck_assert_int_eq(capture_latch(&c, &k, false), 0);
	ck_assert_int_eq(verdict_on(&c, &ack), DROP);
	ck_assert_int_eq(capture_counters(&c, &n), 0);
	ck_assert_uint_eq(n.captured, 1);
	for (i = 0; i < 200; i++) {
		many[i] = k;
		many[i].peer.port = (uint16_t)(i + 1);
	}
	ck_assert_int_eq(capture_latch_many(&c, many, 200, true), 0);
	ck_assert_int_eq(verdict_on(&c, &ack), TAKE);
	ck_assert_int_eq(verdict_on(&c, &from), TAKE);
	k.peer.port = 999;
	ck_assert_int_eq(capture_latch(&c, &k, true), -E2BIG);
	ck_assert_int_eq(capture_latch_many(&c, many, 200, false), 0);
	ck_assert_int_eq(verdict_on(&c, &ack), DROP);
	ck_assert_int_eq(capture_latch(&c, &k, true), 0);
	capture_close(&c);
}
END_TEST

START_TEST(test_bucket)
{
	struct capture_conf conf;
	struct capture_counters n;
	struct capture c;
	int i, taken = 0;

	if (!world())
		return;
	ck_assert_int_ge(outer_open(), 0);
	conf = hub_conf(MODE_TCX);
	conf.rate = 10;
	conf.burst = 21;
	ck_assert_int_eq(capture_open(&c, &conf), 0);
	for (i = 0; i < 60; i++)
		taken += verdict_on(&c, &hub_rows[0]) == TAKE;
	/* One was spent by the self-test; the test may take some 0.1 s. */
	ck_assert_int_ge(taken, 20);
	ck_assert_int_le(taken, 25);
	ck_assert_int_eq(capture_counters(&c, &n), 0);
	ck_assert_uint_eq(n.admitted, taken);
	ck_assert_uint_eq(n.limited, 60 - taken);
	/* It fills again: 10 a second. */
	poll(NULL, 0, 350);
	ck_assert_int_eq(verdict_on(&c, &hub_rows[0]), TAKE);
	ck_assert_int_eq(verdict_on(&c, &hub_rows[0]), TAKE);
	ck_assert_int_eq(verdict_on(&c, &hub_rows[10]), TAKE);
	capture_close(&c);
}
END_TEST

/* An ICMP error about one of our packets, @type, quoting @t. */
static int verdict_icmp(const struct capture *c, uint8_t type,
			const struct tuple4 *t)
{
	uint8_t b[14 + 20 + 8 + 60] = { 0 };
	struct writer w = writer_of(b + 42, 60);
	int got = 99;

	put16(b + 12, ETH_P_IP);
	ip4_header(b + 14, OTHER, OURS, PROTO_ICMP, 8 + 48, 0, 64);
	b[34] = type;
	ck_assert_uint_eq(udp_build(&w, t, (struct span){ data, 20 }), 48);
	b[42 + 9] = t->proto;
	ck_assert_int_eq(bpf_prog_try(c->prog, (struct span){ b, 14 + 76 },
				      &got), 0);
	return got;
}

START_TEST(test_icmp)
{
	struct tuple4 t = { OURS, PEER, LO, 5, PROTO_TCP };
	struct capture_conf conf;
	struct capture_counters n;
	struct capture c;

	if (!world())
		return;
	ck_assert_int_ge(outer_open(), 0);
	conf = hub_conf(MODE_TCX);
	ck_assert_int_eq(capture_open(&c, &conf), 0);
	ck_assert_int_eq(verdict_icmp(&c, 3, &t), TAKE);
	ck_assert_int_eq(verdict_icmp(&c, 11, &t), TAKE);
	ck_assert_int_eq(verdict_icmp(&c, 12, &t), TAKE);
	ck_assert_int_eq(verdict_icmp(&c, 5, &t), NEXT);
	ck_assert_int_eq(verdict_icmp(&c, 0, &t), NEXT);
	t.proto = PROTO_UDP;
	ck_assert_int_eq(verdict_icmp(&c, 3, &t), TAKE);
	t.proto = 132;
	ck_assert_int_eq(verdict_icmp(&c, 3, &t), NEXT);
	t.proto = PROTO_UDP;
	t.sport = LO - 1;
	ck_assert_int_eq(verdict_icmp(&c, 3, &t), NEXT);
	t.sport = LO;
	t.src = OTHER;
	ck_assert_int_eq(verdict_icmp(&c, 3, &t), NEXT);
	ck_assert_int_eq(capture_counters(&c, &n), 0);
	ck_assert_uint_eq(n.icmp, 4);
	capture_close(&c);
}
END_TEST

/* ---- live: a TCP connection of B's kernel with us ------------------------ */

/** struct ours - our end of that connection */
struct ours {
	int tun;
	struct tuple4 t;
	uint32_t seq, ack;
	size_t largest;
};

/* Next packet that B sent on this connection. */
static void ours_read(struct ours *o, struct frame *f, struct pkt *p)
{
	struct pollfd pf = { .fd = o->tun, .events = POLLIN };

	do {
		ck_assert_int_eq(poll(&pf, 1, 3000), 1);
		ck_assert_int_eq(tun_read(o->tun, buf, sizeof(buf), f), 1);
	} while (f->at[0] >> 4 != 4 || pkt_parse4(p, f) != DROP_NONE ||
		 p->l4 != PROTO_TCP);
	ck_assert_uint_eq(p->src4, PEER);
	ck_assert_uint_eq(p->dst4, OURS);
}

static void ours_send(struct ours *o, uint8_t flags)
{
	struct tcp_opts opts = { .mss = 1460, .has_scale = true, .scale = 10 };
	struct tcp_seg s = { .t = o->t, .seq = o->seq, .ack = o->ack,
			     .win = 60000, .flags = flags, .opts = &opts };
	uint8_t out[100];
	struct writer w = writer_of(out, sizeof(out));
	size_t len = tcp_build(&w, &s);

	ck_assert_int_eq(tun_write(o->tun, NULL, (struct span){ out, len },
				   (struct span){ NULL, 0 }), 0);
}

/* B connects to our port: answer. Returns B's socket. */
static int ours_accept(struct ours *o, uint16_t port)
{
	struct taddr4 to = { OURS, port };
	struct frame f;
	struct pkt p;
	int s;

	in_b();
	s = tcp_connect(to, 0);
	in_a();
	ck_assert_int_ge(s, 0);
	ours_read(o, &f, &p);
	ck_assert_uint_eq(p.flags & (TCP_SYN | TCP_ACK), TCP_SYN);
	ck_assert_uint_eq(p.dport, port);
	o->t = (struct tuple4){ OURS, PEER, port, p.sport, PROTO_TCP };
	o->seq = 1000;
	o->ack = p.seq + 1;
	return s;
}

/* Take all B sends; every byte must come, in order, no matter in what. */
static void ours_take(struct ours *o, int s)
{
	uint32_t first = o->ack;
	size_t sent = 0, at;
	struct frame f;
	struct pkt p;
	ssize_t n;

	while (o->ack - first < PLENTY) {
		n = write(s, data + sent, PLENTY - sent);
		sent += n > 0 ? (size_t)n : 0;
		ours_read(o, &f, &p);
		ck_assert_uint_eq(p.flags & TCP_RST, 0);
		if (!p.payload || p.seq != o->ack)
			continue;
		at = p.seq - first;
		ck_assert_int_eq(memcmp(f.at + p.l4_at + p.l4_len, data + at,
					p.payload), 0);
		if (p.payload > 1460) {
			ck_assert_uint_eq(f.off.gso_type, OFFLOAD_GSO_TCP4);
			ck_assert_uint_ge(f.off.gso_size, 1000);
			ck_assert_uint_eq(f.off.flags & OFFLOAD_NEEDS_CSUM,
					  OFFLOAD_NEEDS_CSUM);
		}
		if (f.len > o->largest)
			o->largest = f.len;
		o->ack += p.payload;
		ours_send(o, TCP_ACK);
	}
}

/* One super-packet of ours with a partial checksum: B must get it all. */
static void ours_give(struct ours *o, int s, size_t bytes)
{
	struct tcp_seg seg = { .t = o->t, .seq = o->seq, .ack = o->ack,
			       .win = 60000, .flags = TCP_ACK | TCP_PSH,
			       .payload = { data, bytes } };
	struct offload off = { OFFLOAD_NEEDS_CSUM, OFFLOAD_GSO_TCP4, 40, 1400,
			       20, 16 };
	struct writer w = writer_of(buf, sizeof(buf));
	struct pollfd pf = { .fd = s, .events = POLLIN };
	size_t len = tcp_build(&w, &seg), got = 0;
	static uint8_t in[65536];
	ssize_t n;

	put16(buf + 36, csum_pseudo4(OURS, PEER, (uint32_t)len - 20,
				     PROTO_TCP));
	ck_assert_int_eq(tun_write(o->tun, &off, (struct span){ buf, len },
				   (struct span){ NULL, 0 }), 0);
	while (got < bytes) {
		ck_assert_int_eq(poll(&pf, 1, 3000), 1);
		n = read(s, in + got, sizeof(in) - got);
		ck_assert_int_gt(n, 0);
		got += (size_t)n;
	}
	ck_assert_uint_eq(got, bytes);
	ck_assert_int_eq(memcmp(in, data, bytes), 0);
	o->seq += (uint32_t)bytes;
}

/* What a connection attempt of B comes to: 0, an error, or -EINPROGRESS if
 * nobody has answered after @ms.
 */
static int knock(uint16_t port, int ms)
{
	struct taddr4 to = { OURS, port };
	struct pollfd pf = { .events = POLLOUT };
	int err;

	in_b();
	pf.fd = tcp_connect(to, 0);
	in_a();
	ck_assert_int_ge(pf.fd, 0);
	err = poll(&pf, 1, ms) ? sock_error(pf.fd) : -EINPROGRESS;
	close(pf.fd);
	return err;
}

static void apply_needs(bool rules, bool forward)
{
	struct host_need need[HOST_NEEDS];
	char command[200];
	size_t n, i;

	n = host_needs(need, "up0", "outer", rules, forward);
	for (i = 0; i < n; i++) {
		snprintf(command, sizeof(command), "echo %s >/proc/sys/%s",
			 need[i].value, need[i].path);
		must(command);
	}
}

/* The host's firewall forwards nothing: no matter to BPF. */
static void forward_nothing(void)
{
	must("nft add table ip f && nft 'add chain ip f c "
	     "{ type filter hook forward priority 0; policy drop; }'");
}

START_TEST(test_live)
{
	enum mode mode = (enum mode)_i;
	struct capture_conf conf;
	struct output_conf oconf;
	struct capture_counters n;
	struct capture c;
	struct output out;
	struct capture_key k;
	struct ours o = { .tun = -1 };
	struct taddr4 any = { 0, 8080 };
	int s, listener;

	if (!world())
		return;
	o.tun = outer_open();
	conf = hub_conf(mode);
	oconf = (struct output_conf){ conf.outer, conf.uplink, conf.no_bpf,
				      conf.no_tcx };
	ck_assert_int_eq(capture_open(&c, &conf), 0);
	ck_assert_str_eq(c.mode, mode_name(mode));
	ck_assert_int_eq(c.why[0] != '\0', mode != MODE_TCX);
	ck_assert_int_eq(output_open(&out, &oconf), 0);
	ck_assert_str_eq(out.mode, mode == MODE_NONE ? "forward" :
			 mode_name(mode));
	if (mode == MODE_NONE)
		apply_needs(true, true);
	else
		forward_nothing();
	s = ours_accept(&o, LO + 7);
	k = (struct capture_key){ PROTO_TCP, { OURS, LO + 7 },
				  { PEER, o.t.dport } };
	ck_assert_int_eq(capture_latch(&c, &k, true), 0);
	ours_send(&o, TCP_SYN | TCP_ACK);
	o.seq++;
	ours_take(&o, s);
	ck_assert_uint_ge(o.largest, 30000);
	ours_give(&o, s, 60000);
	close(s);
	/* The host's stack answers outside of the range, and only there. */
	ck_assert_int_eq(knock(LO - 1, 1000), -ECONNREFUSED);
	ck_assert_int_eq(knock(LO + 1, 300), -EINPROGRESS);
	listener = tcp_listen(any, 5);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(knock(8080, 1000), 0);
	ck_assert_int_eq(capture_counters(&c, &n), 0);
	if (mode != MODE_NONE) {
		ck_assert_uint_eq(n.admitted, 2);
		ck_assert_uint_gt(n.captured, 5);
		ck_assert_uint_eq(n.limited, 0);
	}
	output_close(&out);
	capture_close(&c);
	/* Nothing is left: the host's stack has the range again. */
	ck_assert_int_eq(knock(LO + 1, 1000), -ECONNREFUSED);
	ck_assert_int_ne(run("tc qdisc show dev up0 | grep -q clsact"), 0);
	ck_assert_int_ne(run("ip rule | grep -q 'ipproto'"), 0);
	ck_assert_int_eq(run("ip rule | grep -q '^0:.*local'"), 0);
	close(o.tun);
}
END_TEST

/* ---- an uplink without a MAC header --------------------------------------- */

/* Next IPv4 packet of @proto from a TUN; false if none comes. */
static bool next_ip4(int fd, struct frame *f, uint8_t proto)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	do {
		if (poll(&p, 1, 500) != 1)
			return false;
		ck_assert_int_eq(tun_read(fd, buf, sizeof(buf), f), 1);
	} while (f->at[0] >> 4 != 4 || f->at[9] != proto);
	return true;
}

START_TEST(test_l3_uplink)
{
	static uint8_t pkt[FRAME_MAX];
	struct offload hint = { .hdr_len = 20 };
	struct tuple4 in = { PEER, OURS, 5, LO, PROTO_UDP };
	struct tuple4 back = { OURS, PEER, LO, 5, PROTO_UDP };
	struct writer w = writer_of(pkt, sizeof(pkt));
	struct span none = { NULL, 0 };
	struct capture_conf conf;
	struct output_conf oconf;
	struct capture c;
	struct output out;
	char name[IFNAMSIZ];
	unsigned features;
	struct frame f;
	int up, tun;
	size_t len;

	if (!netns_enter())
		return;
	memset(data, 0x85, sizeof(data));
	up = tun_open("up0", name, &features);
	ck_assert_int_ge(up, 0);
	must("ip address add 10.9.0.1 peer 10.9.0.2 dev up0 && "
	     "ip link set up0 mtu 9000 up");
	tun = outer_open();
	conf = hub_conf((enum mode)_i);
	oconf = (struct output_conf){ conf.outer, conf.uplink, false,
				      conf.no_tcx };
	ck_assert_int_eq(capture_open(&c, &conf), 0);
	ck_assert_int_eq(output_open(&out, &oconf), 0);
	/* A punch comes in on the uplink. */
	len = udp_build(&w, &in, (struct span){ data, 100 });
	ck_assert_int_eq(tun_write(up, NULL, (struct span){ pkt, len }, none),
			 0);
	ck_assert(next_ip4(tun, &f, PROTO_UDP));
	ck_assert_uint_eq(f.len, len);
	ck_assert_int_eq(memcmp(f.at, pkt, len), 0);
	/* One of which the kernel holds only 20 bytes in one piece. */
	w = writer_of(pkt, sizeof(pkt));
	len = udp_build(&w, &in, (struct span){ data, 7000 });
	ck_assert_int_eq(tun_write(up, &hint, (struct span){ pkt, len }, none),
			 0);
	ck_assert(next_ip4(tun, &f, PROTO_UDP));
	ck_assert_uint_eq(f.len, len);
	ck_assert_int_eq(memcmp(f.at, pkt, len), 0);
	/* And one goes out. */
	w = writer_of(pkt, sizeof(pkt));
	len = udp_build(&w, &back, (struct span){ data, 1000 });
	ck_assert_int_eq(tun_write(tun, NULL, (struct span){ pkt, len }, none),
			 0);
	ck_assert(next_ip4(up, &f, PROTO_UDP));
	ck_assert_uint_eq(f.len, len);
	ck_assert_int_eq(memcmp(f.at, pkt, len), 0);
	/* Nothing but IPv4 does. */
	memset(pkt, 0, 100);
	ip6_header(pkt, &(struct addr6){ { 0x20, 1 } },
		   &(struct addr6){ { 0x20, 1 } }, PROTO_UDP, 60, 0, 0, 64);
	ck_assert_int_eq(tun_write(tun, NULL, (struct span){ pkt, 100 }, none),
			 0);
	ck_assert(!next_ip4(up, &f, PROTO_UDP));
	output_close(&out);
	capture_close(&c);
}
END_TEST

/* ---- kill -9 ---------------------------------------------------------------- */

static void killed_owner(enum mode mode, uint16_t lo)
{
	struct capture_conf conf;
	struct capture c;
	pid_t child = fork();
	int status;

	if (!child) {
		int tun = outer_open();

		conf = hub_conf(mode);
		conf.lo = lo;
		if (capture_open(&c, &conf) || tun < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(index_of("outer"), 0);
}

START_TEST(test_killed_tcx)
{
	if (!world())
		return;
	killed_owner(MODE_TCX, LO);
	ck_assert_int_eq(knock(LO + 1, 1000), -ECONNREFUSED);
}
END_TEST

START_TEST(test_killed_clsact)
{
	struct capture_conf conf;
	struct capture c;
	int tun;

	if (!world())
		return;
	killed_owner(MODE_CLSACT, LO);
	killed_owner(MODE_CLSACT, LO + 1000);
	/* The second has removed what the first left; its own is there. */
	ck_assert_int_eq(tc_count(index_of("up0")), 1);
	ck_assert_int_eq(knock(LO + 1, 1000), -ECONNREFUSED);
	ck_assert_int_eq(knock(LO + 1001, 300), -EINPROGRESS);
	/* Somebody else's filter stays, whoever comes and goes. */
	must("tc filter add dev up0 ingress protocol ip prio 7 matchall "
	     "action ok 2>/dev/null || tc filter add dev up0 ingress "
	     "protocol ip prio 7 u32 match u32 0 0 flowid 1:1");
	tun = outer_open();
	conf = hub_conf(MODE_TCX);
	ck_assert_int_eq(capture_open(&c, &conf), 0);
	ck_assert_int_eq(run("tc filter show dev up0 ingress | "
			     "grep -q unmap:"), 256);
	ck_assert_int_ge(tc_count(index_of("up0")), 1);
	capture_close(&c);
	ck_assert_int_eq(knock(LO + 1001, 1000), -ECONNREFUSED);
	close(tun);
}
END_TEST

START_TEST(test_killed_rules)
{
	if (!world())
		return;
	must("ip rule >/tmp/unmap-test-rules.$PPID");
	killed_owner(MODE_NONE, LO);
	/* The table is empty, the host finds its own addresses. */
	ck_assert_int_eq(run("ip rule | grep -q ipproto"), 0);
	ck_assert_int_eq(knock(LO + 1, 1000), -ECONNREFUSED);
	rules_sweep();
	must("ip rule | cmp - /tmp/unmap-test-rules.$PPID; r=$?; "
	     "rm /tmp/unmap-test-rules.$PPID; exit $r");
}
END_TEST

/* Two daemons by rules, then one, then none. */
START_TEST(test_rules_shared)
{
	const uint32_t hubs[2] = { PEER, OTHER };
	struct capture_conf conf;
	struct capture a, b;
	int tun;

	if (!world())
		return;
	tun = outer_open();
	must("ip tuntap add mode tun name second && ip link set second up");
	conf = hub_conf(MODE_NONE);
	ck_assert_int_eq(capture_open(&a, &conf), 0);
	conf.outer = index_of("second");
	conf.lo = 50000;
	conf.hi = 50009;
	conf.is_edge = true;
	conf.peer = hubs;
	conf.peers = 2;
	ck_assert_int_eq(capture_open(&b, &conf), 0);
	ck_assert_int_eq(run("test $(ip rule | grep -c ipproto) = 6"), 0);
	ck_assert_int_eq(capture_peer(&b, OTHER, false), 0);
	ck_assert_int_eq(run("test $(ip rule | grep -c ipproto) = 4"), 0);
	ck_assert_int_eq(run("ip rule | grep -q '^0:'"), 256);
	capture_close(&a);
	ck_assert_int_eq(run("test $(ip rule | grep -c ipproto) = 2"), 0);
	ck_assert_int_eq(run("ip rule | grep -q '^0:'"), 256);
	capture_close(&b);
	ck_assert_int_eq(run("test $(ip rule | grep -c .) = 3"), 0);
	ck_assert_int_eq(run("ip rule | grep -q '^0:.*local'"), 0);
	close(tun);
}
END_TEST

START_TEST(test_gone)
{
	struct capture_conf conf = { .uplink = 4711, .outer = 4712, .lo = LO,
				     .hi = HI };
	struct output_conf oconf = { .outer = 4712, .uplink = 4711 };
	struct capture c;
	struct output o;

	if (!netns_enter())
		return;
	ck_assert_int_eq(capture_open(&c, &conf), -ENODEV);
	ck_assert_int_ne(c.why[0], '\0');
	ck_assert_int_eq(output_open(&o, &oconf), -ENODEV);
	ck_assert_int_ne(o.why[0], '\0');
	capture_close(&c);
	output_close(&o);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("capture");
	TCase *t = tcase_create("capture");
	SRunner *sr = srunner_create(s);
	int bad;

	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_program);
	tcase_add_test(t, test_latch);
	tcase_add_test(t, test_bucket);
	tcase_add_test(t, test_icmp);
	tcase_add_loop_test(t, test_live, MODE_TCX, MODE_NONE + 1);
	tcase_add_loop_test(t, test_l3_uplink, MODE_TCX, MODE_NONE);
	tcase_add_test(t, test_killed_tcx);
	tcase_add_test(t, test_killed_clsact);
	tcase_add_test(t, test_killed_rules);
	tcase_add_test(t, test_rules_shared);
	tcase_add_test(t, test_gone);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
