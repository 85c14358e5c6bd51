/* SPDX-License-Identifier: MIT
 *
 * hostconf.c - the host's side of an edge or a hub, without a tunnel
 *
 *	hostconf edge PREFIX [LAN]...
 *	hostconf hub PREFIX EDGE-PREFIX UPLINK
 *
 * Runs the helper, configures the host by it, sends router advertisements or
 * answers neighbour solicitations, and answers ICMPv6 echo requests that come
 * out of the inner TUN: whatever was routed there was routed right. HUP: no
 * carrier any more, or again.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/csum.h"
#include "net/helper.h"
#include "net/ndp.h"
#include "net/ra.h"
#include "net/tun.h"

static struct helper helper;
static struct loop loop;
static struct watch inner, signals;
static char inner_name[IFNAMSIZ];
static struct ra ra[IFCONF_LANS];
static struct ndp ndp;
static struct rand rnd;
static struct prefix6 edge_prefix;
static unsigned lans;
static bool is_alive = true, has_ended;
static char **args;

static void echo(struct frame *f, uint8_t *p)
{
	uint8_t swap[16];

	(void)f;
	if (p[0] >> 4 != 6 || p[6] != 58 || p[40] != 128)
		return;
	memcpy(swap, p + 8, 16);
	memcpy(p + 8, p + 24, 16);
	memcpy(p + 24, swap, 16);
	p[40] = 129;
	put16(p + 42, csum_update(get16(p + 42), 0x0100));
}

static void inner_ready(struct watch *w, uint32_t events)
{
	static uint8_t buf[TUN_BUF];
	struct frame f;

	(void)events;
	while (tun_read(w->fd, buf, sizeof(buf), &f) > 0) {
		uint8_t *p = buf + FRAME_HEADROOM;

		if (f.len < 48)
			continue;
		echo(&f, p);
		tun_write(w->fd, NULL, (struct span){ p, f.len },
			  (struct span){ NULL, 0 });
	}
}

static void signals_ready(struct watch *w, uint32_t events)
{
	int number;
	unsigned i;

	(void)events;
	while ((number = loop_signals_read(w->fd))) {
		has_ended |= number == SIGTERM || number == SIGINT;
		if (number != SIGHUP)
			continue;
		is_alive = !is_alive;
		for (i = 0; i < lans; i++)
			ra_set_alive(&ra[i], is_alive, loop_now());
	}
}

static bool in_edge(const struct addr6 *a, void *arg)
{
	(void)arg;
	return prefix6_contains(&edge_prefix, a);
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "hostconf: %s: %s\n", what, strerror(-error));
	return EX_UNAVAILABLE;
}

static int be_edge(void)
{
	struct helper_request q = { .type = HELPER_EDGE,
				    .edge = { .mtu = 1500, .lo = 61000,
					      .hi = 65535 } };
	struct helper_reply r;
	struct rtnl_link l;
	int err;

	if (!prefix6_parse(&q.edge.prefix, args[0]))
		return EX_USAGE;
	strcpy(q.edge.inner, inner_name);
	for (; args[1 + lans]; lans++)
		snprintf(q.edge.lan[lans], IFNAMSIZ, "%s", args[1 + lans]);
	q.edge.lans = (uint8_t)lans;
	err = helper_call(&helper, &q, &r, 5000);
	if (err)
		return fail(r.what, err);
	for (unsigned i = 0; i < lans; i++) {
		struct ra_conf c = { .mtu = 1492, .dns_count = 1 };

		rtnl_link_get(q.edge.lan[i], 0, &l);
		c.link = l.index;
		c.mac_len = 6;
		memcpy(c.mac, l.mac, 6);
		ifconf_lan_prefix(&q.edge.prefix, i, &c.prefix);
		addr6_parse(&c.dns[0], "2001:db8:ffff::53");
		err = ra_open(&ra[i], &c, &rnd, loop_now());
		if (err)
			return fail("router advertisements", err);
		loop_add(&loop, &ra[i].watch, EPOLLIN);
	}
	return 0;
}

static int be_hub(void)
{
	struct helper_request q = { .type = HELPER_HUB,
				    .hub = { .mtu = 1500 } };
	struct ndp_conf c = { .is_ours = in_edge, .mac_len = 6 };
	struct helper_reply r;
	struct rtnl_link l;
	int err;

	if (!prefix6_parse(&q.hub.prefix, args[0]) ||
	    !prefix6_parse(&edge_prefix, args[1]))
		return EX_USAGE;
	strcpy(q.hub.inner, inner_name);
	q.hub.own = q.hub.prefix.addr;
	q.hub.own.b[15] = 0xff;
	err = helper_call(&helper, &q, &r, 5000);
	if (err)
		return fail(r.what, err);
	rtnl_link_get(args[2], 0, &l);
	if (r.on_link != l.index)
		return fail("prefix is not on the uplink", -EINVAL);
	c.link = l.index;
	memcpy(c.mac, l.mac, 6);
	err = ndp_open(&ndp, &c);
	if (err)
		return fail("neighbour proxy", err);
	loop_add(&loop, &ndp.watch, EPOLLIN);
	return helper_route(&helper, &edge_prefix, true, NULL, NULL);
}

/* Only to say good-bye to the LAN. */
static void helper_lost(void *arg)
{
	(void)arg;
	has_ended = true;
	loop_remove(&loop, &helper.watch);
}

static msec tick(void)
{
	msec now = loop_now(), due = NEVER;
	unsigned i;

	for (i = 0; i < lans; i++) {
		ra_tick(&ra[i], now);
		if (ra_deadline(&ra[i]) < due)
			due = ra_deadline(&ra[i]);
	}
	return due;
}

static int translator(int fd, void *arg)
{
	static uint8_t seed[32];
	unsigned features, i;
	int err;

	(void)arg;
	memcpy(seed, &(pid_t){ getpid() }, sizeof(pid_t));
	rand_init(&rnd, seed);
	if (loop_init(&loop) || helper_attach(&helper, fd))
		return EX_PROTOCOL;
	helper.lost = helper_lost;
	signals = (struct watch){ loop_signals_open(), false, signals_ready };
	err = tun_open("inner%d", inner_name, &features);
	if (err < 0)
		return fail("TUN", err);
	inner = (struct watch){ err, true, inner_ready };
	loop_add(&loop, &signals, EPOLLIN);
	loop_add(&loop, &helper.watch, EPOLLIN);
	err = strcmp(args[-1], "edge") ? be_hub() : be_edge();
	if (err)
		return err;
	loop_add(&loop, &inner, EPOLLIN);
	printf("ready translator=%d\n", (int)getpid());
	fflush(stdout);
	while (!has_ended)
		loop_run_once(&loop, loop_timeout(tick(), loop_now()));
	for (i = 0; i < lans; i++)
		ra_close(&ra[i]);
	ndp_close(&ndp);
	return EX_OK;
}

int main(int argc, char **argv)
{
	struct helper_program p = { translator, NULL, NULL, NULL };

	if (argc < 3 || (!strcmp(argv[1], "hub") && argc != 5))
		return EX_USAGE;
	args = argv + 2;
	return helper_run(&p);
}
