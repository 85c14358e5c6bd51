/* SPDX-License-Identifier: MIT
 *
 * test_handshake.c - every handshake of design 3 loses each of its packets
 *
 * One row per packet of each handshake. The packet is lost once (or twice):
 * traffic goes on, and the handshake ends as if nothing had happened, a little
 * later. Then it is lost every time: traffic goes on without. What crosses control cannot
 * be lost but can be late. A row whose packet never came by fails.
 */
#include "tests/sim/check.h"

/* What crosses, as the rows call it. */
enum what {
	OTHER, SYN, SYNACK, ACK_UP, ACK_DOWN, BYTES_UP, BYTES_DOWN,
	OWN_ASK, OWN_ANSWER, ASK, CHALLENGE, ECHO, ANSWER, EXPLICIT_UP,
	EXPLICIT_DOWN, MESSAGE
};

static enum what what_tcp(struct wire *w)
{
	struct frame f = { .at = wire_at(w), .len = w->len };
	struct pkt p;

	if (pkt_parse4(&p, &f) || p.l4 != PROTO_TCP || (p.flags & TCP_RST))
		return OTHER;
	if (p.flags & TCP_SYN)
		return p.flags & TCP_ACK ? SYNACK : SYN;
	if (p.payload)
		return w->dir == UP ? BYTES_UP : BYTES_DOWN;
	return w->dir == UP ? ACK_UP : ACK_DOWN;
}

static enum what what_punch(const uint8_t *at, size_t len, enum what ask,
			    enum what answer)
{
	if (len != WIRE_PUNCH || at[0] >> 6 != TAG_PUNCH)
		return OTHER;
	switch (at[WIRE_PROVEN]) {
	case PUNCH_ASK: return ask;
	case PUNCH_ANSWER: return answer;
	case PUNCH_CHALLENGE: return CHALLENGE;
	case PUNCH_ECHO: return ECHO;
	}
	return OTHER;
}

static enum what what_is(struct wire *w)
{
	const uint8_t *at = wire_at(w);

	switch (w->kind) {
	case WIRE_OUTER_PACKET:
		return w->proto == PROTO_TCP ? what_tcp(w) :
		       what_punch(at + IP4_HDR + UDP_HDR, w->len - IP4_HDR -
				  UDP_HDR, OWN_ASK, OWN_ANSWER);
	case WIRE_DATAGRAM:
		if (at[0] >> 6 == TAG_EXPLICIT)
			return w->dir == UP ? EXPLICIT_UP : EXPLICIT_DOWN;
		return what_punch(at, w->len, ASK, ANSWER);
	case WIRE_MESSAGE:
		break;
	}
	return MESSAGE;
}

/** struct row - a packet of a handshake
 * @skip: so many alike come before it; @times: it is lost so often
 * @message: of MESSAGE, which is late by @late
 */
struct row {
	const char *name;
	enum what what;
	int skip, times;
	uint8_t message;
	msec late;
};

struct loser {
	const struct row *row;
	bool always;
	int seen, hit;
};

static bool lose(struct sim *s, struct wire *w, void *arg)
{
	struct loser *l = arg;
	const struct row *r = l->row;

	if (what_is(w) != r->what ||
	    (r->what == MESSAGE && wire_at(w)[2] != r->message) ||
	    l->seen++ < r->skip || (l->hit >= r->times && !l->always))
		return false;
	l->hit++;
	if (r->what != MESSAGE)
		return true;
	s->pipe[w->pipe].last[w->dir] = s->now + s->conf.delay + r->late;
	return false;
}

static void watch(struct sim *s, struct loser *l)
{
	s->hook = lose;
	s->hook_arg = l;
}

static const struct sim_conf strict = { .seed = 17, .nat.strict = true,
	.inbound = "all" };

/* Traffic both ways passes now, and in the end on own if only one was lost. */
static void goes_on(struct sim *s, struct tcp *t, const struct loser *l)
{
	const char *name = l->row->name;

	tcp_write(t, UP, 30000);
	tcp_write(t, DOWN, 30000);
	ck_assert_msg(tcp_run(t, 60 * 1000), "%s: stuck", name);
	sim_run(s, 15 * 1000);
	tcp_write(t, UP, 100000);
	tcp_write(t, DOWN, 100000);
	ck_assert_msg(tcp_run(t, 60 * 1000), "%s: stuck later", name);
	ck_assert_msg(l->hit, "%s: never came", name);
	sim_run(s, 12 * 1000);
	if (!l->always)
		ck_assert_msg(on_own(s, t), "%s: not on own", name);
	ck_assert_msg(on_own(s, t) || off_own(s, t), "%s: one end", name);
}

/* -- own TCP, from inside ---------------------------------------------------- */

static const struct row first_rows[] = {
	{ "SYN", SYN, 0, 1, 0, 0 },
	{ "SYN/ACK", SYNACK, 0, 1, 0, 0 },
	{ "ACK", ACK_UP, 0, 1, 0, 0 },
	{ "first bytes up", BYTES_UP, 0, 1, 0, 0 },
	{ "first bytes down", BYTES_DOWN, 0, 1, 0, 0 },
	{ "OPEN late", MESSAGE, 0, 1, MSG_OPEN, 400 },
	{ "OPEN too late", MESSAGE, 0, 1, MSG_OPEN, 2500 },
	{ "OPENED late", MESSAGE, 0, 1, MSG_OPENED, 400 },
	{ "OPENED too late", MESSAGE, 0, 1, MSG_OPENED, 2500 },
};
enum { FIRST_ROWS = sizeof(first_rows) / sizeof(first_rows[0]) };

START_TEST(first)
{
	struct loser l = { .row = &first_rows[_i / 2], .always = _i & 1 };
	struct sim *s = sim_up(&strict);
	struct tcp *t;

	watch(s, &l);
	t = tcp_connect(s, 0, UP, 40001, 80);
	goes_on(s, t, &l);
	sim_end(s);
}
END_TEST

/* The SYN/ACK goes beside the carrier, since the SYN is lost: then the SYN that
 * the edge repeats, the SYN/ACK that the hub makes, the edge's own ACK.
 */
static const struct row beside_rows[] = {
	{ "SYN/ACK beside", EXPLICIT_DOWN, 0, 1, 0, 0 },
	{ "SYN again", SYN, 1, 1, 0, 0 },
	{ "SYN/ACK made", SYNACK, 0, 1, 0, 0 },
	{ "edge's ACK", ACK_UP, 0, 1, 0, 0 },
};
enum { BESIDE_ROWS = sizeof(beside_rows) / sizeof(beside_rows[0]) };

static bool lose_beside(struct sim *s, struct wire *w, void *arg)
{
	struct loser *l = arg;
	static const struct row syn = { "SYN", SYN, 0, 1, 0, 0 };
	bool is_first = !l[1].hit;

	l[1].row = &syn;
	if (is_first && what_is(w) == SYN) {
		l[1].hit = 1;
		l->seen += l->row->what == SYN;
		return true;
	}
	return lose(s, w, l);
}

START_TEST(beside)
{
	struct loser l[2] = { { .row = &beside_rows[_i / 2],
		.always = _i & 1 } };
	struct sim *s = sim_up(&strict);
	struct tcp *t;

	s->hook = lose_beside;
	s->hook_arg = l;
	t = tcp_connect(s, 0, UP, 40001, 80);
	goes_on(s, t, l);
	sim_end(s);
}
END_TEST

/* -- own TCP, in mid-stream --------------------------------------------------- */

static const struct row mid_rows[] = {
	{ "SYN", SYN, 0, 1, 0, 0 },
	{ "SYN/ACK", SYNACK, 0, 1, 0, 0 },
	{ "ACK", ACK_UP, 0, 1, 0, 0 },
	{ "hub's advance", ACK_DOWN, 0, 1, 0, 0 },
	{ "edge's advance", ACK_UP, 1, 1, 0, 0 },
	{ "two SYN", SYN, 0, 2, 0, 0 },
	{ "two SYN/ACK", SYNACK, 0, 2, 0, 0 },
	{ "two ACK", ACK_UP, 0, 2, 0, 0 },
	{ "OPEN late", MESSAGE, 0, 1, MSG_OPEN, 400 },
	{ "OPEN later", MESSAGE, 0, 1, MSG_OPEN, 2500 },
	{ "OPENED late", MESSAGE, 0, 1, MSG_OPENED, 2500 },
};
enum { MID_ROWS = sizeof(mid_rows) / sizeof(mid_rows[0]) };

/* A session that began on shared, idle or busy. */
START_TEST(mid)
{
	struct loser l = { .row = &mid_rows[_i / 4], .always = _i & 1 };
	struct sim *s = sim_up(&strict);
	struct tcp *t;

	sim_link(&s->edge[0])->own_off_until = s->now + 300;
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, _i & 2 ? UP : DOWN, 100000);
	sim_run(s, 290);
	watch(s, &l);
	goes_on(s, t, &l);
	sim_end(s);
}
END_TEST

static const struct row inbound_rows[] = {
	{ "explicit SYN", EXPLICIT_DOWN, 0, 1, 0, 0 },
	{ "explicit SYN/ACK", EXPLICIT_UP, 0, 1, 0, 0 },
};
enum { INBOUND_ROWS = sizeof(inbound_rows) / sizeof(inbound_rows[0]) };

START_TEST(inbound)
{
	int i = _i / 2;
	struct loser l = { .always = _i & 1, .row = i < MID_ROWS ?
		&mid_rows[i] : &inbound_rows[i - MID_ROWS] };
	struct sim *s = sim_up(&strict);
	struct tcp *t;

	if (i >= MID_ROWS)
		l.always = false; /* there is nothing else to fall back to */
	watch(s, &l);
	t = tcp_connect(s, 0, DOWN, 22, 50000);
	goes_on(s, t, &l);
	sim_end(s);
}
END_TEST

/* The same after the NAT has forgotten the carrier. */
START_TEST(rehome)
{
	struct loser l = { .row = &mid_rows[_i / 2], .always = _i & 1 };
	struct sim *s = sim_up(&strict);
	struct tcp *t = tcp_connect(s, 0, UP, 40001, 80);

	tcp_write(t, UP, 20000);
	ck_assert(tcp_run(t, 5000));
	for (int i = 0; i < NAT_FLOWS; i++)
		s->nat[0].flow[i].used &= s->nat[0].flow[i].proto != PROTO_TCP;
	sim_run(s, 10);
	tcp_write(t, UP, 1000);
	sim_run(s, 350); /* once repeated; the second makes it quiet */
	watch(s, &l);
	goes_on(s, t, &l);
	sim_end(s);
}
END_TEST

/* -- path probe ---------------------------------------------------------------- */

static const struct row probe_rows[] = {
	{ "SYN", SYN, 0, 1, 0, 0 },
	{ "SYN/ACK", SYNACK, 0, 1, 0, 0 },
	{ "ACK", ACK_UP, 0, 1, 0, 0 },
	{ "bytes down", BYTES_DOWN, 0, 1, 0, 0 },
	{ "bytes up", BYTES_UP, 0, 1, 0, 0 },
	{ "OPEN late", MESSAGE, 0, 1, MSG_OPEN, 2500 },
	{ "OPENED late", MESSAGE, 0, 1, MSG_OPENED, 2500 },
	{ "verdict late", MESSAGE, 0, 1, MSG_PROBE_SAW, 2500 },
};
enum { PROBE_ROWS = sizeof(probe_rows) / sizeof(probe_rows[0]) };

START_TEST(probe)
{
	struct loser l = { .row = &probe_rows[_i / 2], .always = _i & 1 };
	struct sim *s = sim_new(&strict);
	struct tcp *t;

	watch(s, &l);
	sim_start(s);
	sim_run(s, 60 * 1000);
	ck_assert_msg(l.hit, "%s: never came", l.row->name);
	if (!l.always)
		ck_assert_msg(sim_link(&s->edge[0])->own_tcp == NOTE_OWN_UP,
			      "%s: no verdict", l.row->name);
	t = tcp_connect(s, 0, UP, 40001, 80);
	goes_on(s, t, &l);
	sim_end(s);
}
END_TEST

/* -- own UDP ------------------------------------------------------------------- */

static const struct row udp_rows[] = {
	{ "first punch", OWN_ASK, 0, 1, 0, 0 },
	{ "answer", OWN_ANSWER, 0, 1, 0, 0 },
	{ "three punches", OWN_ASK, 0, 3, 0, 0 },
	{ "three answers", OWN_ANSWER, 0, 3, 0, 0 },
	{ "OPEN late", MESSAGE, 0, 1, MSG_OPEN, 400 },
	{ "OPENED late", MESSAGE, 0, 1, MSG_OPENED, 2500 },
};
enum { UDP_ROWS = sizeof(udp_rows) / sizeof(udp_rows[0]) };

START_TEST(udp)
{
	struct loser l = { .row = &udp_rows[_i / 2], .always = _i & 1 };
	struct sim *s = sim_up(&strict);
	int count = 0;

	watch(s, &l);
	for (int i = 0; i < 120; i++, count++) {
		udp_send(s, 0, UP, 5000, ECHO_PORT, 1000);
		sim_run(s, 20);
	}
	sim_run(s, 3000);
	for (int i = 0; i < 20; i++, count++) {
		udp_send(s, 0, UP, 5000, ECHO_PORT, 1000);
		sim_run(s, 20);
	}
	sim_run(s, 500);
	ck_assert_uint_eq(s->udp_got[DOWN], (unsigned)count);
	ck_assert_msg(l.hit, "%s: never came", l.row->name);
	if (!l.always)
		ck_assert_uint_ge(via_sent(&s->edge[0], VIA_OWN), 20);
	ck_assert_uint_eq(sim_own(&s->edge[0], CARRIER_UP),
			  sim_own(&s->hub, CARRIER_UP));
	sim_end(s);
}
END_TEST

/* -- shared -------------------------------------------------------------------- */

static const struct row shared_rows[] = {
	{ "ASK", ASK, 0, 1, 0, 0 },
	{ "CHALLENGE", CHALLENGE, 0, 1, 0, 0 },
	{ "ECHO", ECHO, 0, 1, 0, 0 },
	{ "ANSWER", ANSWER, 0, 1, 0, 0 },
	{ "two ASK", ASK, 0, 2, 0, 0 },
	{ "two ECHO", ECHO, 0, 2, 0, 0 },
	{ "SHARED late", MESSAGE, 0, 1, MSG_SHARED, 2500 },
	{ "CONTEXT late", MESSAGE, 0, 1, MSG_CONTEXT, 2500 },
	{ "CONTEXT_IS late", MESSAGE, 0, 1, MSG_CONTEXT_IS, 2500 },
};
enum { SHARED_ROWS = sizeof(shared_rows) / sizeof(shared_rows[0]) };

static void pinged(struct sim *s, const char *name, int at_least)
{
	s->ping_got[UP] = s->ping_got[DOWN] = 0;
	for (int i = 0; i < 20; i++) {
		ping_send(s, 0, i & 1 ? DOWN : UP, 100);
		sim_run(s, 100);
	}
	sim_run(s, 500);
	ck_assert_msg((int)s->ping_got[UP] >= at_least &&
		      (int)s->ping_got[DOWN] >= at_least, "%s: %d, %d pings",
		      name, (int)s->ping_got[UP], (int)s->ping_got[DOWN]);
}

/* From the start, and again when the NAT has moved the mapping. */
START_TEST(shared)
{
	struct loser l = { .row = &shared_rows[_i / 2], .always = _i & 1 };
	struct sim_conf c = strict;
	struct sim *s;

	c.carriers = CARRIERS_SHARED;
	s = sim_new(&c);
	watch(s, &l);
	sim_start(s);
	sim_run(s, 2000);
	pinged(s, l.row->name, 20);
	ck_assert_msg(l.hit, "%s: never came", l.row->name);
	if (!l.always || l.row->what == MESSAGE) {
		ck_assert_uint_eq(s->edge[0].notes[NOTE_SHARED_UP], 1);
		ck_assert_uint_gt(via_sent(&s->edge[0], VIA_SHARED) +
				  via_sent(&s->edge[0], VIA_EXPLICIT), 9);
	}
	l.hit = l.seen = 0;
	nat_reboot(&s->nat[0], 0xc6336499u);
	pinged(s, l.row->name, 0);
	sim_run(s, 6000);
	pinged(s, l.row->name, 20);
	sim_end(s);
}
END_TEST

/* -- everything at once -------------------------------------------------------- */

/* Loss, duplicates, reordering, a NAT that forgets; connections of all kinds
 * come and go on few ports. Each byte arrives, and at the end both ends agree.
 */
START_TEST(strange_path)
{
	struct sim_conf c = strict;
	struct tcp *t[6] = { NULL };
	struct sim *s;

	c.seed = 1000 + (uint64_t)_i;
	c.loss = 10;
	c.twice = 20;
	c.jitter = _i & 1 ? 15 : 3;
	c.nat.random = _i & 2;
	c.nat.tcp_ms = 100 * 1000;
	c.budget = _i & 4 ? 16 : 64;
	s = sim_up(&c);
	for (int round = 0; round < 60; round++) {
		uint32_t i = rand_below(&s->rand, 6);

		if (!t[i]) {
			t[i] = tcp_new(s, 0, (uint16_t)(40000 + i), 80);
			t[i]->ts = rand_below(&s->rand, 2);
			t[i]->sack = rand_below(&s->rand, 2);
			t[i]->scale = rand_below(&s->rand, 2);
			tcp_begin(t[i], i & 1 ? UP : DOWN);
		}
		tcp_write(t[i], UP, rand_below(&s->rand, 200000));
		tcp_write(t[i], DOWN, rand_below(&s->rand, 200000));
		if (rand_below(&s->rand, 3) == 0)
			ck_assert(tcp_run(t[i], 300 * 1000));
		if (rand_below(&s->rand, 3) == 0) {
			tcp_finish(t[i], UP);
			tcp_finish(t[i], DOWN);
			ck_assert(tcp_run(t[i], 300 * 1000));
			sim_run(s, 2000);
			tcp_forget(t[i]);
			t[i] = NULL;
		}
		if (rand_below(&s->rand, 15) == 0)
			nat_reboot(&s->nat[0], s->nat[0].addr);
		sim_run(s, rand_below(&s->rand, 10) ?
			rand_below(&s->rand, 1000) : 120 * 1000);
	}
	for (int i = 0; i < 6; i++)
		ck_assert(!t[i] || tcp_run(t[i], 300 * 1000));
	sim_run(s, 30 * 1000);
	for (int i = 0; i < 6; i++)
		ck_assert(!t[i] || on_own(s, t[i]) || off_own(s, t[i]));
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handshake");
	TCase *tc = tcase_create("handshake");

	tcase_add_loop_test(tc, first, 0, 2 * FIRST_ROWS);
	tcase_add_loop_test(tc, beside, 0, 2 * BESIDE_ROWS);
	tcase_add_loop_test(tc, mid, 0, 4 * MID_ROWS);
	tcase_add_loop_test(tc, inbound, 0, 2 * (MID_ROWS + INBOUND_ROWS));
	tcase_add_loop_test(tc, rehome, 0, 2 * MID_ROWS);
	tcase_add_loop_test(tc, probe, 0, 2 * PROBE_ROWS);
	tcase_add_loop_test(tc, udp, 0, 2 * UDP_ROWS);
	tcase_add_loop_test(tc, shared, 0, 2 * SHARED_ROWS);
	tcase_add_loop_test(tc, strange_path, 0, 12);
	return run_case(suite, tc);
}
