/* SPDX-License-Identifier: MIT
 *
 * test_former.c - control moves to a fresh mapping (core/former.c)
 */
#include "tests/sim/check.h"

static const struct sim_conf usual = { .seed = 53, .nat.strict = true };

/* OPEN and OPENED on the wire */
struct moving {
	int asked, told;
};

static bool count_opens(struct sim *s, struct wire *w, void *arg)
{
	struct moving *m = arg;

	(void)s;
	if (w->kind == WIRE_MESSAGE) {
		m->asked += wire_at(w)[2] == MSG_OPEN;
		m->told += wire_at(w)[2] == MSG_OPENED;
	}
	return false;
}

/* Nothing that either end says meanwhile is lost. */
START_TEST(control_moves)
{
	struct moving m = { 0 };
	struct sim *s = sim_up(&usual);
	struct link *l = sim_link(&s->edge[0]), *hub = sim_link(&s->hub);
	uint32_t was = l->control;
	struct tcp *t[60];

	s->hook = count_opens;
	s->hook_arg = &m;
	for (uint16_t i = 0; i < 60; i++) {
		t[i] = tcp_connect(s, 0, UP, (uint16_t)(40000 + i), 80);
		tcp_write(t[i], UP, 1000);
		sim_run(s, 5);
		if (i != 10)
			continue;
		l->shared_rx = 0; /* or it would wait */
		fresh_timer(s->edge[0].e, l, s->now);
		pump(&s->edge[0]);
	}
	for (int i = 0; i < 60; i++)
		ck_assert(tcp_run(t[i], 3000));
	ck_assert_uint_ne(l->control, was);
	ck_assert_int_ge(m.asked, 60);
	ck_assert_int_eq(m.told, m.asked);
	for (int i = 0; i < 60; i++) {
		ck_assert(on_own(s, t[i]));
		ck_assert(carrier_at(&s->edge[0], t[i])->opened);
	}
	/* the former connection is closed, by the edge */
	sim_run(s, 1000);
	ck_assert_uint_eq(l->former, NONE);
	ck_assert_uint_eq(hub->former, NONE);
	ck_assert_uint_eq(s->edge[0].out[OUT_CLOSE], 1);
	ck_assert_uint_eq(s->hub.notes[NOTE_LINK_DOWN], 0);
	sim_end(s);
}
END_TEST

static struct msg probe_open(uint32_t carrier)
{
	return (struct msg){ .type = MSG_OPEN, .u.open = {
		.kind = OPEN_PROBE, .carrier = carrier, .proto = PROTO_TCP,
		.eport = 61000, .hport = 61000, .s = carrier, .t = 1 } };
}

/* By hand: what comes late on the former connection, and what ends it. */
START_TEST(former_is_heard)
{
	struct sim *s = sim_up(&usual);
	struct msg late = probe_open(5), good = probe_open(6);
	struct link *l = &s->hub.e->link[1];

	for (uint32_t i = 0; i < 3; i++)
		open_conn(s, 10 + i, 3);
	ck_assert_int_eq(hello(s, 10, CONN_CONTROL, 77, 1), MSG_HELLO);
	ck_assert_int_eq(hello(s, 11, CONN_CONTROL, 77, 2), MSG_HELLO);
	ck_assert_uint_eq(l->former, 10);
	/* its LEFT has overtaken OPEN: no carrier */
	tell_hub(s, 11, &(struct msg){ .type = MSG_LEFT,
		 .u.left = { 5, LEFT_FAILED } });
	tell_hub(s, 10, &late);
	ck_assert_uint_eq(carrier_named(s->hub.e, 1, 5), NONE);
	tell_hub(s, 10, &good);
	ck_assert_uint_ne(carrier_named(s->hub.e, 1, 6), NONE);
	/* older news than what the new one tells; no proof of a key either */
	tell_hub(s, 11, &(struct msg){ .type = MSG_SHARED, .u.shared = { 1 } });
	tell_hub(s, 10, &(struct msg){ .type = MSG_SHARED, .u.shared = { 0 } });
	ck_assert(l->peer_shared);
	ck_assert_int_eq(hello(s, 12, CONN_CONTROL, 77, 3), MSG_HELLO);
	ck_assert_uint_eq(l->former, 11);
	tell_hub(s, 11, &(struct msg){ .type = MSG_PING });
	ck_assert(l->key_due);
	/* one only; what is on the one before that is not heard */
	tell_hub(s, 10, &(struct msg){ .type = MSG_LEFT,
		 .u.left = { 6, LEFT_FAILED } });
	ck_assert_uint_ne(carrier_named(s->hub.e, 1, 6), NONE);
	/* and not for ever */
	link_timer(s->hub.e, 1, s->now + 10 * 1000);
	ck_assert_uint_eq(l->former, NONE);
	ck_assert_uint_eq(l->control, 12);
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("former");
	TCase *tc = tcase_create("former");

	tcase_add_test(tc, control_moves);
	tcase_add_test(tc, former_is_heard);
	return run_case(suite, tc);
}
