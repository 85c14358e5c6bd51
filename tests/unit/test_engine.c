/* SPDX-License-Identifier: MIT
 *
 * test_engine.c - the one door of core: a whole link, and hostile bytes
 */
#include "tests/sim/check.h"

static const struct sim_conf usual = { .seed = 71, .nat.strict = true,
	.inbound = "all" };

static bool pinged(struct sim *s, enum dir d)
{
	uint64_t before = s->ping_got[!d];

	ping_send(s, 0, d, 100);
	sim_run(s, 300);
	return s->ping_got[!d] > before;
}

START_TEST(first_run)
{
	struct sim *s = sim_up(&usual);
	struct link_status st;
	struct session_status ss;
	struct tcp *t;

	ck_assert(engine_link(s->edge[0].e, 0, &st));
	ck_assert(st.up && st.shared_up && !st.relay_up);
	ck_assert_uint_eq(st.rtt_ms, 40);
	ck_assert_uint_eq(st.mtu, 1500);
	ck_assert_uint_eq(st.own_tcp, NOTE_OWN_UP);
	ck_assert_uint_eq(st.seen.addr, s->nat[0].addr);
	ck_assert(pinged(s, UP) && pinged(s, DOWN));
	udp_send(s, 0, UP, 5000, ECHO_PORT, 100);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 100000);
	tcp_write(t, DOWN, 100000);
	ck_assert(tcp_run(t, 5000));
	ck_assert_uint_eq(s->udp_got[DOWN], 1);
	ck_assert(engine_link(s->hub.e, 0, &st));
	ck_assert_str_eq(st.name, "edge0");
	ck_assert_uint_eq(st.sessions, 3);
	ck_assert_uint_eq(st.sent[VIA_OWN].inner_bytes,
			  st.sent[VIA_OWN].wire_bytes +
			  20 * st.sent[VIA_OWN].packets);
	ck_assert(!engine_link(s->hub.e, 1, &st));
	ck_assert(!engine_link(s->hub.e, 1000, &st));
	ck_assert(engine_session(s->hub.e, 0, &ss, s->now));
	ck_assert(!engine_session(s->hub.e, s->conf.sessions, &ss, s->now));
	sim_end(s);
}
END_TEST

/* The same seed, the same run, to the byte. */
static uint64_t fingerprint(uint64_t seed)
{
	struct sim_conf c = usual;
	struct sim *s;
	uint64_t sum = 0;
	struct tcp *t;

	c.seed = seed;
	c.loss = 30;
	s = sim_up(&c);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 50000);
	tcp_run(t, 60 * 1000);
	for (int k = 0; k < 3; k++)
		sum = sum * 1000003 + s->crossed_bytes[k][UP] * 7 +
		      s->crossed_bytes[k][DOWN] + t->end[UP].iss;
	sum += s->now;
	sim_free(s);
	return sum;
}

START_TEST(runs_repeat)
{
	ck_assert_uint_eq(fingerprint(1), fingerprint(1));
	ck_assert_uint_ne(fingerprint(1), fingerprint(2));
}
END_TEST

/* -- two edges of one hub -------------------------------------------------------- */

static size_t ping_between(uint8_t *to, uint32_t a, uint32_t b)
{
	struct addr6 src = sim_host(a), dst = sim_host(b);
	uint8_t l4[8 + 56] = { ICMP6_ECHO };

	return packet_build(to, &src, &dst, PROTO_ICMP6,
			    (struct span){ l4, sizeof(l4) });
}

START_TEST(edge_to_edge)
{
	struct sim_conf c = usual;
	uint8_t packet[200];
	struct sim *s;
	struct tcp *t;

	c.edges = 3;
	if (_i)
		c.inbound = "none";
	s = sim_up(&c);
	s->hub_feeds_back = true;
	sim_inner(s, &s->edge[0], (struct span){ packet,
		  ping_between(packet, 0, 1) });
	sim_run(s, 200);
	ck_assert_uint_eq(s->ping_got[DOWN], 2); /* and its answer */
	t = tcp_new(s, 0, 40001, 80);
	t->peer = sim_host(1);
	t->peer_edge = 1;
	tcp_begin(t, UP);
	tcp_write(t, UP, 100000);
	tcp_write(t, DOWN, 100000);
	if (_i) { /* the destination's policy is applied */
		sim_run(s, 3000);
		ck_assert_int_eq(t->end[UP].state, TCP_SYN_SENT);
	} else {
		ck_assert(tcp_run(t, 10 * 1000));
		ck_assert_uint_gt(via_sent(&s->edge[0], VIA_OWN), 80);
		ck_assert_uint_gt(via_sent(&s->edge[1], VIA_OWN), 80);
	}
	/* an edge that is not connected: unreachable, no loop */
	sim_control(s, 2, false);
	s->edge[2].stopped = true;
	sim_run(s, 11 * 60 * 1000);
	s->icmp_errors[DOWN] = 0;
	sim_inner(s, &s->edge[0], (struct span){ packet,
		  ping_between(packet, 0, 2) });
	sim_run(s, 500);
	ck_assert_uint_eq(s->hub.e->drops[DROP_NO_LINK], 1);
	sim_end(s);
}
END_TEST

/* -- what must not pass ------------------------------------------------------------ */

static void inner(struct sim *s, struct node *n, const char *src,
		  const char *dst)
{
	struct addr6 a, b;
	uint8_t packet[200], l4[16] = { ICMP6_ECHO };
	size_t len;

	ck_assert(addr6_parse(&a, src) && addr6_parse(&b, dst));
	len = packet_build(packet, &a, &b, PROTO_ICMP6,
			   (struct span){ l4, sizeof(l4) });
	sim_inner(s, n, (struct span){ packet, len });
	sim_run(s, 500);
}

START_TEST(not_ours)
{
	struct sim *s = sim_up(&usual);
	const uint64_t *edge = s->edge[0].e->drops, *hub = s->hub.e->drops;

	inner(s, &s->edge[0], "2001:db8:666::1", "2001:db8:5::5");
	ck_assert_uint_eq(edge[DROP_SPOOFED], 1);
	ck_assert_uint_eq(s->icmp_code, ICMP6_UNREACH_SOURCE);
	inner(s, &s->edge[0], "2001:db8:100:1::5", "2001:db8:100:1::6");
	ck_assert_uint_eq(edge[DROP_LOOP], 1);
	inner(s, &s->edge[0], "2001:db8:100:1::5", "ff02::1");
	inner(s, &s->edge[0], "fe80::1", "2001:db8:5::5");
	ck_assert_uint_eq(edge[DROP_MARTIAN], 2);
	/* no such edge: silence at first, it may come yet */
	inner(s, &s->hub, "2001:db8:5::5", "2001:db8:100:9::5");
	ck_assert_uint_eq(hub[DROP_SETTLING], 1);
	ck_assert_uint_eq(s->icmp_errors[UP], 0);
	sim_run(s, SETTLE_MS);
	inner(s, &s->hub, "2001:db8:5::5", "2001:db8:100:9::5");
	ck_assert_uint_eq(hub[DROP_NO_LINK], 1);
	ck_assert_uint_eq(s->icmp_errors[UP], 1);
	ck_assert_uint_eq(s->icmp_code, ICMP6_UNREACH_NO_ROUTE);
	inner(s, &s->hub, "2001:db8:100:1::9", "2001:db8:100:1::5");
	ck_assert_uint_eq(hub[DROP_LOOP], 1);
	ck_assert_uint_eq(s->ping_got[UP] + s->ping_got[DOWN], 0);
	/* an edge that sends for others: the hub checks */
	s->edge[0].e->link[0].prefix.len = 8;
	inner(s, &s->edge[0], "2001:db8:100:2::5", "2002:db8:5::5");
	s->edge[0].e->link[0].prefix.len = 64;
	ck_assert_uint_eq(s->ping_got[UP], 0);
	sim_end(s);
}
END_TEST

/* -- what a peer may do with --inbound none plus echo -------------------------- */

/* A first fragment that carries @l4. */
static void first_frag(struct sim *s, struct node *to, uint8_t nh,
		       struct span l4)
{
	struct addr6 host = sim_host(0), peer = sim_peer();
	uint8_t packet[200], frag[120] = { nh, 0, 0, 1, 1, 2, 3, 4 };
	size_t len;

	memcpy(frag + 8, l4.at, l4.len);
	len = packet_build(packet, &peer, &host, PROTO_FRAGMENT,
			   (struct span){ frag, 8 + l4.len });
	sim_inner(s, to, (struct span){ packet, len });
	sim_run(s, 300);
}

/* The hub as if it believed all: what does the edge itself refuse? */
static struct node *who_refuses(struct sim *s, int edge)
{
	if (edge)
		sim_link(&s->hub)->inbound.all = true;
	return edge ? &s->edge[0] : &s->hub;
}

/* One fragmented echo, or fragments that the host sends, open no port. */
START_TEST(fragments_open_nothing_else)
{
	struct sim_conf c = usual;
	uint8_t echo[64] = { ICMP6_ECHO }, tcp[64] = { 0x9c, 0x41, 0, 22 };
	uint8_t error[64] = { ICMP6_TOO_BIG };
	const uint64_t *drops;
	struct sim *s;

	c.inbound = "tcp/80";
	s = sim_up(&c);
	drops = who_refuses(s, _i)->e->drops;
	tcp[12] = 5 << 4;
	tcp[13] = TCP_SYN;
	first_frag(s, &s->hub, PROTO_ICMP6, (struct span){ echo, 64 });
	ck_assert_uint_eq(drops[DROP_POLICY], 0);
	first_frag(s, &s->hub, PROTO_TCP, (struct span){ tcp, 64 });
	ck_assert_uint_eq(drops[DROP_POLICY], 1);
	first_frag(s, &s->hub, PROTO_UDP, (struct span){ tcp, 7 });
	ck_assert_uint_eq(drops[DROP_POLICY], 2);
	first_frag(s, &s->hub, PROTO_ICMP6, (struct span){ error, 64 });
	ck_assert_uint_eq(drops[DROP_POLICY], 3);
	first_frag(s, &s->hub, 50, (struct span){ tcp, 64 });
	ck_assert_uint_eq(drops[DROP_POLICY], 4);
	/* what the list names may still come in fragments */
	tcp[3] = 80;
	first_frag(s, &s->hub, PROTO_TCP, (struct span){ tcp, 64 });
	ck_assert_uint_eq(drops[DROP_POLICY], 4);
	sim_end(s);
}
END_TEST

/* After an echo the peer may send echo, and no other ICMPv6. */
START_TEST(icmp6_is_echo_alone)
{
	static const uint8_t types[] = { 130, 133, 138, 139, 160, 255 };
	struct sim_conf c = usual;
	struct addr6 host = sim_host(0), peer = sim_peer();
	uint8_t packet[200], l4[16] = { 0 };
	const uint64_t *drops;
	struct sim *s;
	size_t len;

	c.inbound = NULL;
	s = sim_up(&c);
	drops = who_refuses(s, _i)->e->drops;
	ck_assert(pinged(s, DOWN));
	for (size_t i = 0; i < sizeof(types); i++) {
		l4[0] = types[i];
		len = packet_build(packet, &peer, &host, PROTO_ICMP6,
				   (struct span){ l4, sizeof(l4) });
		sim_inner(s, &s->hub, (struct span){ packet, len });
		sim_run(s, 300);
		ck_assert_uint_eq(drops[DROP_POLICY], i + 1);
	}
	ck_assert(pinged(s, DOWN));
	sim_end(s);
}
END_TEST

/* An ICMPv6 error passes if it is about a session, else not. */
START_TEST(errors_about_sessions)
{
	struct sim *s = sim_up(&usual);
	struct addr6 host = sim_host(0), peer = sim_peer(), router;
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);
	uint8_t quoted[100], l4[200] = { ICMP6_UNREACH, 4 }, packet[400];
	size_t len;

	tcp_write(t, UP, 1000);
	ck_assert(tcp_run(t, 2000));
	ck_assert(addr6_parse(&router, "2001:db8:7::7"));
	for (int known = 0; known < 2; known++) {
		uint8_t tcp[TCP_HDR] = { 0 };

		put16(tcp, known ? 40001 : 40002);
		put16(tcp + 2, 80);
		tcp[12] = 5 << 4;
		len = packet_build(quoted, &host, &peer, PROTO_TCP,
				   (struct span){ tcp, sizeof(tcp) });
		memcpy(l4 + 8, quoted, len);
		len = packet_build(packet, &router, &host, PROTO_ICMP6,
				   (struct span){ l4, 8 + len });
		sim_inner(s, &s->hub, (struct span){ packet, len });
		sim_run(s, 300);
		ck_assert_uint_eq(s->icmp_errors[DOWN], (uint64_t)known);
	}
	ck_assert_uint_eq(s->hub.e->drops[DROP_NO_SESSION], 1);
	sim_end(s);
}
END_TEST

/* -- hostile bytes at every door ------------------------------------------------------ */

/* Random, cut and bent copies of what really crossed, to both sides. */
struct keep {
	struct wire w[256];
	int count;
};

static bool keep_outer(struct sim *s, struct wire *w, void *arg)
{
	struct keep *k = arg;

	(void)s;
	if (w->kind == WIRE_OUTER_PACKET && k->count < 256)
		k->w[k->count++] = *w;
	return false;
}

static void bend(struct sim *s, struct wire *w)
{
	uint32_t what = rand_below(&s->rand, 4);
	uint8_t *at = wire_at(w);

	if (what == 0 && w->len)
		w->len = rand_below(&s->rand, (uint32_t)w->len);
	for (uint32_t i = 0; what && i < what && w->len; i++)
		at[rand_below(&s->rand, w->len < 60 ? (uint32_t)w->len : 60)] =
			(uint8_t)rand32(&s->rand);
	if (w->len >= IP4_HDR && rand_below(&s->rand, 2)) {
		put16(at + 10, 0);
		put16(at + 10, (uint16_t)~csum_bytes(0, at, IP4_HDR));
	}
}

START_TEST(bent_outer)
{
	struct keep *k = calloc(1, sizeof(*k));
	struct sim_conf c = usual;
	struct sim *s;
	struct tcp *t;

	c.seed = 700 + (uint64_t)_i;
	s = sim_new(&c);
	s->hook = keep_outer;
	s->hook_arg = k;
	sim_start(s);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, UP, 50000);
	tcp_write(t, DOWN, 50000);
	ck_assert(tcp_run(t, 5000));
	s->hook = NULL;
	for (int i = 0; i < 20000; i++) {
		struct wire w = k->w[rand_below(&s->rand,
						(uint32_t)k->count)];

		bend(s, &w);
		if (rand_below(&s->rand, 2))
			w.dir = !w.dir;
		sim_arrive(s, &w);
		if (i % 100 == 0)
			sim_run(s, 10);
	}
	sim_run(s, 1000);
	ck_assert(pinged(s, UP) && pinged(s, DOWN));
	sim_run(s, 20 * 1000);
	t = tcp_connect(s, 0, UP, 40002, 80);
	tcp_write(t, UP, 50000);
	tcp_write(t, DOWN, 50000);
	ck_assert(tcp_run(t, 20 * 1000));
	free(k);
	sim_free(s);
}
END_TEST

/* A fragment of a packet of @nh at @offset. Return: it was delivered. */
static bool fragment(struct sim *s, enum dir d, uint8_t nh, uint16_t offset,
		     const uint8_t body[static 20])
{
	struct addr6 host = sim_host(0), peer = sim_peer();
	uint8_t packet[200], l4[FRAG_HDR + 20] = { nh };
	uint64_t before = s->frag_got[d];
	size_t len;

	put16(l4 + 2, (uint16_t)(offset | 1));
	memcpy(l4 + FRAG_HDR, body, 20);
	len = packet_build(packet, d == UP ? &host : &peer,
			   d == UP ? &peer : &host, PROTO_FRAGMENT,
			   (struct span){ l4, sizeof(l4) });
	sim_inner(s, d == UP ? &s->edge[0] : &s->hub,
		  (struct span){ packet, len });
	sim_run(s, 200);
	return s->frag_got[d] > before;
}

/* The policy's eyes on fragments: what one lets in does not open the door for
 * another protocol or port, and what answers the host comes in.
 */
START_TEST(fragments_and_policy)
{
	static const uint8_t syn[20] = { 0x9c, 0x40, 0, 22, [12] = 5 << 4,
		[13] = TCP_SYN };
	static const uint8_t echo[20] = { ICMP6_ECHO };
	static const uint8_t reply[20] = { ICMP6_ECHO_REPLY };
	static const uint8_t ask[20] = { 0x13, 0x88, 0x01, 0xf4, 0, 99 };
	static const uint8_t answer[20] = { 0x01, 0xf4, 0x13, 0x88, 0, 99 };
	static const uint8_t options[20] = { PROTO_TCP, 0, 1, 4, [9] = 22 };
	struct sim_conf c = usual;
	struct sim *s;
	uint64_t before;

	c.inbound = _i ? "none" : "udp/9";
	s = sim_up(&c);
	sim_run(s, 31 * 1000);
	ck_assert(!fragment(s, DOWN, PROTO_TCP, 0, syn));
	ck_assert(!fragment(s, DOWN, PROTO_TCP, 16, syn));
	ck_assert(fragment(s, DOWN, PROTO_ICMP6, 0, echo));
	ck_assert(fragment(s, DOWN, PROTO_ICMP6, 1448, echo));
	/* there is a session of fragments now */
	ck_assert(!fragment(s, DOWN, PROTO_TCP, 0, syn));
	ck_assert(!fragment(s, DOWN, PROTO_UDP, 0, answer));
	ck_assert(!fragment(s, DOWN, PROTO_DSTOPTS, 0, options));
	ck_assert(!fragment(s, DOWN, PROTO_ESP, 0, syn));
	ck_assert(!fragment(s, DOWN, PROTO_ICMP6, 0, reply));
	/* the host asks, in fragments */
	ck_assert(fragment(s, UP, PROTO_UDP, 0, ask));
	ck_assert(fragment(s, UP, PROTO_UDP, 1448, ask));
	ck_assert(fragment(s, DOWN, PROTO_UDP, 0, answer));
	ck_assert(fragment(s, UP, PROTO_ICMP6, 0, echo));
	ck_assert(fragment(s, DOWN, PROTO_ICMP6, 0, reply));
	ck_assert(fragment(s, UP, PROTO_ESP, 0, syn));
	ck_assert(fragment(s, DOWN, PROTO_ESP, 0, syn));
	ck_assert(!fragment(s, DOWN, PROTO_TCP, 0, syn));
	ck_assert(!fragment(s, DOWN, PROTO_DSTOPTS, 0, options));
	/* the answer may be small */
	before = s->udp_got[DOWN];
	udp_send(s, 0, DOWN, 5000, 500, 10);
	udp_send(s, 0, DOWN, 5001, 500, 10);
	sim_run(s, 200);
	ck_assert_uint_eq(s->udp_got[DOWN], before + 1);
	sim_end(s);
}
END_TEST

START_TEST(random_inner)
{
	struct sim *s = sim_up(&usual);
	struct addr6 host = sim_host(0), peer = sim_peer();

	for (int i = 0; i < 20000; i++) {
		uint8_t packet[300], l4[200];
		static const uint8_t nhs[] = { PROTO_TCP, PROTO_UDP,
			PROTO_ICMP6, PROTO_FRAGMENT, PROTO_HOPOPTS, PROTO_ESP,
			132, 47 };
		bool up = i & 1;
		size_t len = rand_below(&s->rand, 120);

		rand_bytes(&s->rand, l4, len);
		len = packet_build(packet, up ? &host : &peer,
				   up ? &peer : &host,
				   len < 20 ? PROTO_ESP : nhs[i / 2 % 8],
				   (struct span){ l4, len });
		if (i % 5 == 0)
			packet[rand_below(&s->rand, 8)] =
				(uint8_t)rand32(&s->rand);
		if (i % 7 == 0)
			len = rand_below(&s->rand, (uint32_t)len);
		sim_inner(s, up ? &s->edge[0] : &s->hub,
			  (struct span){ packet, len });
		if (i % 50 == 0)
			sim_run(s, 10);
	}
	sim_run(s, 5000);
	s->errors = 0; /* UDP of other bytes than ours */
	ck_assert(pinged(s, UP) && pinged(s, DOWN));
	sim_end(s);
}
END_TEST

/* A whole batch before the outbox is emptied: lost packets, never a message. */
START_TEST(outbox_full)
{
	struct sim *s = sim_up(&usual);
	struct addr6 host = sim_host(0), peer = sim_peer();
	uint8_t packet[FRAME_HEADROOM + 1500], l4[UDP_HDR + 1000] = { 9, 9, 0,
		9, (UDP_HDR + 1000) >> 8, (uint8_t)(UDP_HDR + 1000) };
	struct engine *e = s->edge[0].e;
	struct msg m = { .type = MSG_PING };

	for (int i = 0; i < 10000; i++) {
		struct frame f = { .at = packet + FRAME_HEADROOM };

		f.len = packet_build(f.at, &host, &peer, PROTO_UDP,
				     (struct span){ l4, sizeof(l4) });
		f.at[IP6_HDR + 1] = (uint8_t)(i % 32);
		engine_inner(e, &f, s->now);
	}
	ck_assert_uint_gt(e->drops[DROP_FULL_OUT], 1000);
	for (int i = 0; i < 100; i++)
		ck_assert(out_message(e, sim_link(&s->edge[0]), &m));
	while (engine_next(e))
		;
	ck_assert_uint_eq(e->out_count, 0);
	pump(&s->edge[0]);
	sim_run(s, 2000);
	ck_assert(pinged(s, UP) && pinged(s, DOWN));
	sim_free(s);
}
END_TEST

/* -- trouble of every kind, at random ------------------------------------------------ */

enum { FLOWS = 8 };

static void trouble(struct sim *s)
{
	switch (rand_below(&s->rand, 10)) {
	case 0: sim_restart(s, &s->hub); break;
	case 1: sim_restart(s, &s->edge[rand_below(&s->rand, 2)]); break;
	case 2: nat_reboot(&s->nat[0], s->nat[0].addr); break;
	case 3: nat_reboot(&s->nat[1], s->nat[1].addr + 16); break;
	case 4: sim_control(s, 0, false); break;
	case 5: sim_control(s, 0, true); break;
	case 6: s->nat[1].conf.drop_udp ^= true; break;
	case 7: sim_run(s, 70 * 1000); break;
	}
	sim_run(s, rand_below(&s->rand, 3000));
}

static void write_all(struct tcp **t, uint32_t most)
{
	for (int i = 0; i < FLOWS; i++)
		for (int d = UP; d <= DOWN && t[i]->started; d++)
			tcp_write(t[i], d, most ? rand_below(&t[i]->sim->rand,
							     most) : 90000);
}

/* Every byte arrives, whatever happens; and at last own carriers do it. */
START_TEST(random_trouble)
{
	struct sim_conf c = usual;
	struct tcp *t[FLOWS];
	struct sim *s;

	c.seed = 900 + (uint64_t)_i;
	c.edges = 2;
	c.nat.random = _i & 1;
	c.nat.strict = _i % 3;
	c.loss = _i & 2 ? 15 : 0;
	c.mtu = (uint16_t)(_i & 4 ? 1400 + _i : 1500);
	c.black_hole = _i & 8;
	s = sim_up(&c);
	for (uint16_t i = 0; i < FLOWS; i++) {
		t[i] = tcp_new(s, i & 1, (uint16_t)(40000 + i),
			       (uint16_t)(80 + i));
		t[i]->ts = i & 2;
		t[i]->scale = i & 4;
		t[i]->sack = i != 3;
	}
	for (int round = 0; round < 24; round++) {
		if (round < FLOWS)
			tcp_begin(t[round], round & 4 ? DOWN : UP);
		write_all(t, 60000);
		trouble(s);
	}
	s->nat[1].conf.drop_udp = false;
	s->conf.loss = 0;
	sim_control(s, 0, true);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < FLOWS; i++)
			ck_assert_msg(tcp_run(t[i], 200 * 1000), "flow %d", i);
		sim_run(s, 65 * 1000);
		write_all(t, 0);
	}
	for (int i = 0; i < FLOWS; i++) {
		ck_assert_msg(tcp_run(t[i], 200 * 1000), "flow %d", i);
		ck_assert_msg(on_own(s, t[i]), "flow %d", i);
	}
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *tc = tcase_create("engine");

	tcase_add_test(tc, first_run);
	tcase_add_test(tc, runs_repeat);
	tcase_add_loop_test(tc, edge_to_edge, 0, 2);
	tcase_add_test(tc, not_ours);
	tcase_add_test(tc, errors_about_sessions);
	tcase_add_loop_test(tc, fragments_open_nothing_else, 0, 2);
	tcase_add_loop_test(tc, icmp6_is_echo_alone, 0, 2);
	tcase_add_loop_test(tc, bent_outer, 0, 6);
	tcase_add_loop_test(tc, fragments_and_policy, 0, 2);
	tcase_add_test(tc, random_inner);
	tcase_add_test(tc, outbox_full);
	tcase_add_loop_test(tc, random_trouble, 0, 16);
	return run_both(suite, tc);
}
