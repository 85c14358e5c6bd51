/* SPDX-License-Identifier: MIT
 *
 * test_punch.c - latch of shared, and noticing that it is gone (design 3.1, 3.7)
 */
#include "tests/sim/check.h"

static const struct sim_conf usual = { .seed = 61, .nat.strict = true,
	.inbound = "all" };

static bool pinged(struct sim *s, uint32_t edge, enum dir d)
{
	uint64_t before = s->ping_got[!d];

	ping_send(s, edge, d, 100);
	sim_run(s, 300);
	return s->ping_got[!d] > before;
}

static bool is_kind(struct wire *w, enum dir d, uint32_t kind)
{
	return w->kind == WIRE_DATAGRAM && w->dir == d &&
	       wire_at(w)[0] >> 6 == (int)kind;
}

/* -- catching one punch on its way ---------------------------------------------- */

struct caught {
	enum dir dir;
	bool has;
	struct wire w;
};

static bool catch_punch(struct sim *s, struct wire *w, void *arg)
{
	struct caught *c = arg;

	(void)s;
	if (c->has || !is_kind(w, c->dir, TAG_PUNCH))
		return false;
	c->has = true;
	c->w = *w;
	return true;
}

static void ask(struct sim *s)
{
	s->edge[0].e->now = s->now;
	shared_ask(s->edge[0].e, sim_link(&s->edge[0]), s->now);
	pump(&s->edge[0]);
}

/* The next ASK of the edge, not delivered. */
static void catch_ask(struct sim *s, struct caught *c)
{
	*c = (struct caught){ .dir = UP };
	s->hook = catch_punch;
	s->hook_arg = c;
	ask(s);
	s->hook = NULL;
	ck_assert(c->has);
}

/* It arrives from @from at @local. Return: type of the only answer, 0 none */
static uint8_t arrive_at(struct sim *s, struct caught *c, struct taddr4 from,
			 struct taddr4 local)
{
	struct engine_datagram d = { .from = from, .local = local,
		.bytes = { wire_at(&c->w), c->w.len } };
	const struct out *o;
	uint8_t type = 0;

	engine_datagram(s->hub.e, &d, s->now);
	while ((o = engine_next(s->hub.e))) {
		if (o->kind != OUT_DATAGRAM || o->head.at[0] >> 6 != TAG_PUNCH)
			continue;
		ck_assert_int_eq(type, 0);
		ck_assert(taddr4_eq(o->to, from));
		ck_assert(taddr4_eq(o->local, local));
		ck_assert_uint_le(o->head.len, c->w.len);
		type = o->head.at[WIRE_PROVEN];
	}
	return type;
}

/* Another port of the hub, the same or another outside address: what is latched
 * goes on until that has echoed, and the answer comes from where the ASK went.
 */
START_TEST(other_place)
{
	struct sim *s = sim_up(&usual);
	struct link *l = sim_link(&s->hub);
	struct taddr4 was = l->shared, local = l->shared_local;
	struct taddr4 from = was, to = local;
	struct caught c;

	catch_ask(s, &c);
	if (_i & 1)
		to.port = 443;
	if (_i & 2)
		from.port++;
	ck_assert_int_eq(arrive_at(s, &c, from, to), _i ? PUNCH_CHALLENGE :
			 PUNCH_ANSWER);
	ck_assert(taddr4_eq(l->shared, was));
	ck_assert(taddr4_eq(l->shared_local, local));
	ck_assert(pinged(s, 0, DOWN) && pinged(s, 0, UP));
	ck_assert_uint_eq(s->hub.notes[NOTE_NAT_CHANGED], 0);
	sim_end(s);
}
END_TEST

/* An ASK that was overtaken by a newer one gets no challenge. */
START_TEST(overtaken)
{
	struct sim *s = sim_up(&usual);
	struct link *l = sim_link(&s->hub);
	struct taddr4 other = { 0x01020304, 77 };
	struct caught old, newer;

	catch_ask(s, &old);
	catch_ask(s, &newer);
	ck_assert_int_eq(arrive_at(s, &newer, l->shared, l->shared_local),
			 PUNCH_ANSWER);
	ck_assert_int_eq(arrive_at(s, &old, other, l->shared_local), 0);
	sim_end(s);
}
END_TEST

/* An answer that comes late does not say where we are now. */
START_TEST(late_answer)
{
	struct sim *s = sim_up(&usual);
	struct caught c = { .dir = DOWN };
	struct taddr4 seen;

	s->hook = catch_punch;
	s->hook_arg = &c;
	ask(s);
	sim_run(s, 100);
	s->hook = NULL;
	ck_assert(c.has);
	nat_reboot(&s->nat[0], 0xc6336455);
	ask(s);
	sim_run(s, 300);
	seen = sim_link(&s->edge[0])->seen;
	ck_assert_uint_eq(seen.addr, 0xc6336455);
	ck_assert_uint_eq(s->edge[0].notes[NOTE_NAT_CHANGED], 1);
	c.w.to = (struct taddr4){ s->edge[0].addr, s->edge[0].udp_port };
	sim_arrive(s, &c.w);
	ck_assert_uint_eq(s->edge[0].notes[NOTE_NAT_CHANGED], 1);
	ck_assert(taddr4_eq(sim_link(&s->edge[0])->seen, seen));
	sim_end(s);
}
END_TEST

static bool mute(struct sim *s, struct wire *w, void *arg)
{
	const uint32_t *edge = arg;

	(void)s;
	return w->kind == WIRE_DATAGRAM && w->dir == UP && w->edge == *edge;
}

/* The NAT gives one edge's mapping to another: it is nobody else's any more. */
START_TEST(address_of_another)
{
	struct sim_conf c = usual;
	uint32_t first = 0;
	struct link *a, *b;
	struct sim *s;
	uint32_t was;

	c.edges = 2;
	s = sim_up(&c);
	a = &s->hub.e->link[0];
	b = &s->hub.e->link[1];
	was = s->nat[0].addr;
	ck_assert_uint_ne(a->shared.addr, b->shared.addr);
	ck_assert_uint_eq(a->shared.port, b->shared.port);
	s->hook = mute;
	s->hook_arg = &first;
	nat_reboot(&s->nat[0], 0xc6336455);
	nat_reboot(&s->nat[1], was);
	ck_assert_uint_eq(a->shared.addr, was);
	pinged(s, 1, UP);
	sim_run(s, 500);
	ck_assert_uint_eq(b->shared.addr, was);
	ck_assert_uint_eq(a->shared.addr, 0);
	s->hook = NULL;
	sim_run(s, 2000);
	ck_assert(pinged(s, 0, UP) && pinged(s, 0, DOWN));
	ck_assert(pinged(s, 1, UP) && pinged(s, 1, DOWN));
	ck_assert_uint_eq(a->shared.addr, 0xc6336455);
	sim_end(s);
}
END_TEST

/* "Punch" and "unknown number" do not take each other's turn. */
START_TEST(told_once_a_second_each)
{
	struct sim *s = sim_up(&usual);
	struct link *l = sim_link(&s->hub);
	struct nth n = { .kind = WIRE_MESSAGE, .dir = DOWN, .at = -1,
		.type = MSG_UNKNOWN };
	uint8_t bytes[20] = { 0, 0, 0, 9 };
	struct engine_datagram d = { .from = l->shared,
		.local = l->shared_local, .bytes = { bytes, sizeof(bytes) } };

	l->please_at = s->now;
	sim_hook(s, &n);
	for (int i = 0; i < 300; i++) {
		engine_datagram(s->hub.e, &d, s->now);
		pump(&s->hub);
		sim_run(s, 10);
	}
	ck_assert_int_eq(n.count, 3);
	/* somebody else's: no word */
	d.from.port++;
	sim_run(s, 2000);
	engine_datagram(s->hub.e, &d, s->now);
	pump(&s->hub);
	ck_assert_int_eq(n.count, 3);
	ck_assert_uint_eq(s->hub.e->drops[DROP_CONTEXT], 301);
	sim_end(s);
}
END_TEST

/* -- noticing --------------------------------------------------------------------- */

/* Two of the asks have no answer for a second: fresh mappings; then relay. */
START_TEST(silence)
{
	struct sim *s = sim_up(&usual);
	const uint32_t *fresh = &s->edge[0].out[OUT_RECONNECT];

	s->nat[0].conf.drop_udp = true;
	ask(s);
	sim_run(s, 900);
	ck_assert_uint_eq(*fresh, 0);
	sim_run(s, 200);
	ck_assert_uint_eq(*fresh, 2);	/* shared and control */
	sim_run(s, 1600);
	ck_assert(!sim_link(&s->edge[0])->shared_up);
	sim_run(s, 300);
	ck_assert(pinged(s, 0, UP) && pinged(s, 0, DOWN));
	ck_assert_uint_eq(*fresh, 2);
	s->nat[0].conf.drop_udp = false;
	sim_run(s, 6000);
	ck_assert(sim_link(&s->edge[0])->shared_up);
	sim_end(s);
}
END_TEST

/* One lost packet is no sign of anything. */
START_TEST(one_lost)
{
	struct nth n = { .kind = WIRE_DATAGRAM, .dir = _i ? DOWN : UP };
	struct sim *s = sim_up(&usual);

	sim_hook(s, &n);
	ask(s);
	sim_run(s, 5000);
	ck_assert_int_gt(n.count, 1);
	ck_assert_uint_eq(s->edge[0].out[OUT_RECONNECT], 0);
	ck_assert(sim_link(&s->edge[0])->shared_up);
	sim_end(s);
}
END_TEST

static void forget_udp(struct nat *n)
{
	for (int i = 0; i < NAT_FLOWS; i++)
		if (n->flow[i].proto == PROTO_UDP)
			n->flow[i].used = false;
}

/* The NAT's quota took shared's mapping: what lives is left alone, and there
 * will be less of it.
 */
START_TEST(evicted_by_quota)
{
	struct sim_conf c = usual;
	struct carrier *before;
	struct sim *s;
	struct tcp *t;
	uint32_t name;

	c.nat.random = true;
	s = sim_up(&c);
	t = tcp_connect(s, 0, UP, 40001, 80);
	tcp_write(t, DOWN, 100000);
	ck_assert(tcp_run(t, 5000));
	before = carrier_at(&s->edge[0], t);
	ck_assert_ptr_nonnull(before);
	name = before->name;
	tcp_write(t, DOWN, 4000000);
	sim_run(s, 500);
	forget_udp(&s->nat[0]);
	ask(s);
	ck_assert(tcp_run(t, 20000));
	ck_assert_uint_eq(s->edge[0].notes[NOTE_NAT_CHANGED], 1);
	ck_assert_uint_eq(s->hub.notes[NOTE_NAT_CHANGED], 1);
	ck_assert(on_own(s, t));
	ck_assert_uint_eq(carrier_at(&s->edge[0], t)->name, name);
	ck_assert_uint_lt(sim_link(&s->edge[0])->budget, s->conf.budget);
	sim_end(s);
}
END_TEST

/* Fresh mappings, or another uplink: the hub knows at once where we are. */
START_TEST(moves_are_told)
{
	struct sim *s = sim_up(&usual);
	struct engine *e = s->edge[0].e;

	ck_assert(pinged(s, 0, DOWN));
	sim_run(s, 3000);
	e->now = s->now;
	if (_i)
		fresh_timer(e, sim_link(&s->edge[0]), s->now);
	else
		engine_set_uplink(e, s->edge[0].addr + 16, FULL_MTU, s->now);
	if (!_i)
		s->edge[0].addr += 16;
	pump(&s->edge[0]);
	sim_run(s, 150);
	ck_assert(pinged(s, 0, DOWN));
	sim_end(s);
}
END_TEST

/* Control is lost for minutes, and nobody says a word: the mapping stays. */
START_TEST(kept_without_control)
{
	struct sim_conf c = usual;
	struct sim *s;

	c.nat.udp_ms = 30 * 1000;
	s = sim_up(&c);
	ck_assert(pinged(s, 0, DOWN));
	sim_control(s, 0, false);
	for (int i = 0; i < 4; i++) {
		sim_run(s, 120 * 1000);
		ck_assert(pinged(s, 0, DOWN));
	}
	/* it is lost meanwhile: noticed all the same */
	nat_reboot(&s->nat[0], 0xc6336455);
	sim_run(s, 14 * 1000);
	ck_assert(pinged(s, 0, DOWN));
	sim_control(s, 0, true);
	sim_run(s, 2000);
	ck_assert(pinged(s, 0, DOWN) && pinged(s, 0, UP));
	sim_end(s);
}
END_TEST

/* A new process is no NAT that changed; its first carriers are let alone. */
START_TEST(edge_restarts)
{
	struct sim_conf c = usual;
	struct sim *s;

	c.delay = 60;
	s = sim_up(&c);
	sim_restart(s, &s->edge[0]);
	sim_run(s, 3000);
	ck_assert_uint_eq(s->hub.notes[NOTE_NAT_CHANGED], 0);
	ck_assert_uint_eq(s->edge[0].notes[NOTE_OWN_SILENT], 0);
	ck_assert_int_eq(sim_link(&s->edge[0])->own_tcp, NOTE_OWN_UP);
	ck_assert(pinged(s, 0, UP) && pinged(s, 0, DOWN));
	sim_end(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("punch");
	TCase *tc = tcase_create("punch");

	tcase_add_loop_test(tc, other_place, 0, 4);
	tcase_add_test(tc, overtaken);
	tcase_add_test(tc, late_answer);
	tcase_add_test(tc, address_of_another);
	tcase_add_test(tc, told_once_a_second_each);
	tcase_add_test(tc, silence);
	tcase_add_loop_test(tc, one_lost, 0, 2);
	tcase_add_test(tc, evicted_by_quota);
	tcase_add_loop_test(tc, moves_are_told, 0, 2);
	tcase_add_test(tc, kept_without_control);
	tcase_add_test(tc, edge_restarts);
	return run_both(suite, tc);
}
