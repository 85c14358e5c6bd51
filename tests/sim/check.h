/* SPDX-License-Identifier: MIT
 *
 * check.h - what the simulated tests share: libcheck, hooks, questions
 */
#ifndef TESTS_SIM_CHECK_H
#define TESTS_SIM_CHECK_H

#include <check.h>
#include <stdlib.h>

#include "tests/sim/sim.c"

#define UNUSED __attribute__((unused))

/** struct nth - a hook that drops the @at-th thing that it counts, once
 * @kind, @dir: what it counts (-1: any); @type: of messages, 0: any
 */
struct nth {
	int kind, dir, type, at, count;
	bool all;	/* from @at on */
};

static UNUSED bool nth_hook(struct sim *s, struct wire *w, void *arg)
{
	struct nth *n = arg;

	(void)s;
	if ((n->kind >= 0 && (int)w->kind != n->kind) ||
	    (n->dir >= 0 && (int)w->dir != n->dir) ||
	    (n->type && (w->kind != WIRE_MESSAGE ||
			 wire_at(w)[2] != n->type)))
		return false;
	n->count++;
	return n->at >= 0 && (n->all ? n->count > n->at :
			      n->count == n->at + 1);
}

static UNUSED struct sim *sim_up(const struct sim_conf *c)
{
	struct sim *s = sim_new(c);

	sim_start(s);
	return s;
}

static UNUSED struct sim *sim_sized(uint16_t mtu, bool black_hole,
				    enum carriers carriers)
{
	struct sim_conf c = { .seed = 11, .nat.strict = true, .mtu = mtu,
		.black_hole = black_hole, .carriers = carriers,
		.inbound = "all" };

	return sim_up(&c);
}

/* One ping of this inner size. Return: the answer came. */
static UNUSED bool sim_pinged(struct sim *s, enum dir d, size_t inner)
{
	uint64_t before = s->ping_got[!d];

	ping_send(s, 0, d, inner - IP6_HDR - 8);
	sim_run(s, 300);
	return s->ping_got[!d] > before;
}

static UNUSED void sim_hook(struct sim *s, struct nth *n)
{
	s->hook = nth_hook;
	s->hook_arg = n;
}

/* Nothing was seen that must never be seen. */
static UNUSED void sim_end(struct sim *s)
{
	ck_assert_msg(!s->errors, "%llu errors, first: %s",
		      (unsigned long long)s->errors, s->error);
	sim_free(s);
}

static UNUSED struct session *session_at(struct node *n, const struct tcp *t)
{
	struct tuple k = { t->host, t->peer, t->host_port, t->peer_port,
		PROTO_TCP };
	uint32_t i = session_find(n->e, &k);

	return i == NONE ? NULL : &n->e->session[i];
}

/* The own carrier of a session at this end, if it is in use. */
static UNUSED struct carrier *carrier_at(struct node *n, const struct tcp *t)
{
	struct session *s = session_at(n, t);

	return s && s->carrier != NONE &&
	       n->e->own[s->carrier].state == CARRIER_UP ?
	       &n->e->own[s->carrier] : NULL;
}

static UNUSED bool on_own(struct sim *s, const struct tcp *t)
{
	return carrier_at(&s->edge[t->edge], t) && carrier_at(&s->hub, t);
}

static UNUSED bool off_own(struct sim *s, const struct tcp *t)
{
	struct session *e = session_at(&s->edge[t->edge], t);
	struct session *h = session_at(&s->hub, t);

	return (!e || e->carrier == NONE) && (!h || h->carrier == NONE);
}

static UNUSED uint64_t via_sent(struct node *n, enum via v)
{
	return sim_link(n)->sent[v].packets;
}

/* @fast: a second time with the fast path, which nobody may notice */
static UNUSED int run_cases(Suite *suite, TCase *tc, bool fast)
{
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 120);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	if (fast) {
		setenv("SIM_FAST", "64", 1);
		srunner_run_all(sr, CK_ENV);
		failed += srunner_ntests_failed(sr);
	}
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* -- messages by hand -------------------------------------------------- */

/* @m on connection @conn of the hub. Return: type of the answer, 0 none */
static UNUSED uint8_t tell_hub(struct sim *s, uint32_t conn,
			       const struct msg *m)
{
	uint8_t bytes[MSG_MAX], type = 0;
	struct writer w = writer_of(bytes, sizeof(bytes));
	const struct out *o;

	ck_assert(msg_encode(&w, m));
	engine_message(s->hub.e, conn, (struct span){ bytes, w.len }, s->now);
	while ((o = engine_next(s->hub.e)))
		if (!type && o->kind == OUT_MESSAGE && o->conn == conn)
			type = o->head.at[2];
	return type;
}

static UNUSED uint8_t hello(struct sim *s, uint32_t conn, enum conn_kind kind,
		     uint64_t epoch, uint64_t counter)
{
	struct msg m = { .type = MSG_HELLO, .u.hello = {
		.kind = (uint8_t)kind, .version = MSG_VERSION + 1,
		.epoch = epoch, .counter = counter, .number = 7,
		.mtu = FULL_MTU, .port_lo = SIM_LO, .port_hi = SIM_HI,
		.idle_udp = 65535, .idle_tcp = 65535,
		.inbound = { (const uint8_t *)"all", 3 } } };

	return tell_hub(s, conn, &m);
}

static UNUSED void open_conn(struct sim *s, uint32_t conn, uint32_t edge)
{
	struct engine_peer peer = { .name = "by hand",
		.serial = { (uint8_t)conn, 2, 3 } };
	struct addr6 host = sim_host(edge);

	peer.prefix.len = 64;
	peer.prefix.addr = prefix6_mask(&host, 64);
	engine_conn_open(s->hub.e, conn, &peer, CONN_CONTROL, s->now);
}

static UNUSED int run_case(Suite *suite, TCase *tc)
{
	return run_cases(suite, tc, false);
}

static UNUSED int run_both(Suite *suite, TCase *tc)
{
	return run_cases(suite, tc, true);
}

#endif
