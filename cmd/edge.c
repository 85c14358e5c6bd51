/* SPDX-License-Identifier: MIT
 *
 * edge.c - the end behind the CGNAT
 *
 * Theory of operation
 * ===================
 * Dialling. Every hub name of the bundle gives addresses, every address a
 * target. While there is no control connection, a target is dialled every
 * RACE_MS, or as soon as the one before has failed, so that several ports and
 * addresses race; the first whose handshake completes wins, the others are
 * closed. When all have been tried: wait, doubling from BACKOFF_MS with jitter
 * up to BACKOFF_MOST_MS, and begin again. A target that neither answers nor
 * fails (a firewall that swallows) is left to its own time-out and holds up
 * none of the others. The same after a control connection that lived less than
 * STEADY_MS. An edge that is told of another one with its bundle waits
 * CLONED_MS, doubling.
 *
 * Names are looked up again in each round, beside the dialling: the addresses
 * that they had before are dialled meanwhile, and forgotten when all look-ups
 * of a round have answered without them.
 *
 * The address that control reached is the hub's for shared and own carriers.
 * The uplink is the interface that the kernel routes it through; it is looked
 * at again whenever the host's routes or addresses change.
 *
 * A relay connection is dialled to the same target when the engine wants one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/daemon.h"
#include "cmd/host.h"
#include "cmd/options.h"
#include "crypto/random.h"
#include "net/ra.h"
#include "net/rtnl.h"

enum {
	RACE_MS = 250, HANG_MS = 1000, BACKOFF_MS = 300,
	BACKOFF_MOST_MS = 6 * 1000,
	STEADY_MS = 10 * 1000, CLONED_MS = 60 * 1000,
	CLONED_MOST_MS = 60 * 60 * 1000,
	RELAY_RETRY_MS = 1000, TARGETS = 32,
	EDGE_SESSIONS = 65536, EDGE_OWN = 2048, EDGE_FAST = 2048, EDGE_CONTEXTS = 8192,
	EDGE_BUDGET = 512, EDGE_CONNS = 16, INNER_MTU = 1500,
	RA_DEAD_MS = 10 * 1000
};

struct edge {
	struct edge_opts o;
	struct taddr4 target[TARGETS];
	unsigned targets, next, resolving, dialling;
	uint32_t confirmed;		/* targets that this round's names have */
	bool unresolved, in_round;	/* one of the names has none; dialling */
	msec dialled_at, dial_at, backoff, cloned, relay_at, dead_since;
	struct conn *control;
	struct taddr4 hub;
	bool relay_wanted, relay_dialled, refresh, ra_alive;
	struct ra ra[IFCONF_LANS];
	struct rand rand;
	struct log_limits gone;
};

static struct edge *edge_of(const struct daemon *d)
{
	return d->own;
}

static msec jitter(msec wait)
{
	uint16_t r;

	random_bytes(&r, sizeof(r));
	return wait / 2 + wait * r / 65536 / 2;
}

/* -- dialling ------------------------------------------------------------------ */

static void dial(struct daemon *d, struct taddr4 to, enum conn_kind kind)
{
	struct edge *g = edge_of(d);
	struct conn *c = daemon_conn(d);
	int fd = c ? tcp_connect(to, 0) : -EMFILE;
	char text[TADDR4_TEXT];
	struct conn_start s;

	if (fd < 0) {
		log_limited(LEVEL_WARN, "cannot connect to the hub at %s: %s",
			    taddr4_format(to, text), strerror(-fd));
		return;
	}
	s = daemon_conn_start(d, fd, to, kind);
	s.connecting = true;
	if (!conn_client(c, &s, &d->bundle))
		return;
	if (kind == CONN_CONTROL)
		g->dialling++;
	else
		g->relay_dialled = true;
}

static void wait_and_retry(struct daemon *d, msec now)
{
	struct edge *g = edge_of(d);

	g->backoff = g->backoff ? g->backoff * 2 : BACKOFF_MS;
	if (g->backoff > BACKOFF_MOST_MS)
		g->backoff = BACKOFF_MOST_MS;
	g->dial_at = now + jitter(g->backoff);
	g->in_round = false;
}

static void add_target(struct edge *g, struct taddr4 at)
{
	unsigned i = 0;

	while (i < g->targets && !taddr4_eq(g->target[i], at))
		i++;
	if (i == TARGETS)
		return;
	if (i == g->targets)
		g->target[g->targets++] = at;
	g->confirmed |= UINT32_C(1) << i;
}

/* Addresses that the names had once, and have no more. */
static void drop_old_targets(struct edge *g)
{
	unsigned kept = 0;

	if (g->resolving || g->unresolved)
		return;
	for (unsigned i = 0; i < g->targets; i++)
		if (g->confirmed >> i & 1)
			g->target[kept++] = g->target[i];
	g->targets = kept;
}

static void resolved(const struct host_names *n, void *arg)
{
	struct daemon *d = arg;
	struct edge *g = edge_of(d);

	g->resolving--;
	for (unsigned i = 0; i < n->count; i++)
		add_target(g, (struct taddr4){ n->addr[i], n->port });
	if (!g->dialling)
		g->dial_at = loop_now();
	if (n->count)
		return;
	g->unresolved = true;
	log_limited(LEVEL_WARN, "cannot resolve the hub's name %s: %s",
		    n->name, n->why);
}

/* The @n-th name or address of the hub, NULL if there is none */
static const char *hub_host(const struct edge *g, const struct bundle *b,
			    unsigned n)
{
	if (g->o.hub.count)
		return n < g->o.hub.count ? g->o.hub.at[n].host : NULL;
	return n < b->hub_count ? b->hubs[n].host : NULL;
}

static void resolve_all(struct daemon *d)
{
	struct edge *g = edge_of(d);
	const char *host[TARGETS];
	uint16_t port[TARGETS];
	unsigned count = 0;

	g->confirmed = 0;
	g->unresolved = false;
	for (unsigned i = 0; count < TARGETS; i++) {
		host[count] = hub_host(g, &d->bundle, i);
		if (!host[count])
			break;
		port[count] = g->o.hub.count ? g->o.hub.at[i].port :
			      d->bundle.hubs[i].port;
		if (!strchr(host[count], ':')) /* an IPv6 address: not ours */
			count++;
	}
	g->resolving = count;
	for (unsigned i = 0; i < count; i++)
		host_resolve(host[i], port[i], resolved, d);
}

static bool is_dialling(const struct daemon *d, struct taddr4 to)
{
	for (uint32_t n = 0; n < d->max_conn; n++)
		if (d->conn[n].used && !d->conn[n].open &&
		    d->conn[n].kind == CONN_CONTROL &&
		    taddr4_eq(d->conn[n].peer, to))
			return true;
	return false;
}

static void begin_round(struct daemon *d)
{
	struct edge *g = edge_of(d);

	g->in_round = true;
	if (!g->resolving) {
		drop_old_targets(g);
		resolve_all(d);
	}
	g->next = 0;
}

static void dial_step(struct daemon *d, msec now)
{
	struct edge *g = edge_of(d);

	if (g->control || now < g->dial_at)
		return;
	if (!g->in_round)
		begin_round(d);
	while (g->next < g->targets && is_dialling(d, g->target[g->next]))
		g->next++;
	g->dial_at = now + RACE_MS;
	if (g->next < g->targets) {
		g->dialled_at = now;
		dial(d, g->target[g->next++], CONN_CONTROL);
	} else if ((g->targets || !g->resolving) &&
		   (!g->dialling || now - g->dialled_at >= HANG_MS)) {
		wait_and_retry(d, now);
	}
}

static void relay_step(struct daemon *d, msec now)
{
	struct edge *g = edge_of(d);

	if (!g->relay_wanted || g->relay_dialled || !g->control ||
	    now < g->relay_at)
		return;
	g->relay_at = now + RELAY_RETRY_MS;
	dial(d, g->hub, CONN_RELAY);
}

/* -- the way to the hub ----------------------------------------------------------- */

/* The hub's range for own carriers; until it has said it, as ours. */
static struct uplink_peer hub_ports(const struct daemon *d, uint32_t hub)
{
	struct uplink_peer p = { hub, d->conf.port_lo, d->conf.port_hi };
	struct link_status s;

	if (engine_link(d->engine, 0, &s) && s.peer_lo) {
		p.lo = s.peer_lo;
		p.hi = s.peer_hi;
	}
	return p;
}

/* Interface and address towards the hub; set up capture if they are new. */
static bool use_uplink(struct daemon *d, struct taddr4 hub)
{
	struct inet to = inet4(hub.addr, 32);
	struct rtnl_route r;
	int err = rtnl_route_get(&to, &r);
	struct uplink_peer peer;
	uint32_t addr;

	if (err) {
		log_limited(LEVEL_WARN, "no route to the hub: %s",
			    strerror(-err));
		return false;
	}
	addr = inet_addr4(&r.source);
	peer = hub_ports(d, hub.addr);
	if ((!d->uplink.up || d->uplink.index != r.link ||
	     d->uplink.addr != addr || d->uplink.peer.addr != peer.addr ||
	     d->uplink.peer.lo != peer.lo || d->uplink.peer.hi != peer.hi) &&
	    daemon_uplink(d, r.link, addr, &peer))
		host_uplink(&d->uplink, d->outer.name);
	engine_set_uplink(d->engine, addr, d->uplink.mtu < 65535 ?
			  (uint16_t)d->uplink.mtu : 65535, loop_now());
	engine_set_hub(d->engine, hub.addr, hub.port, loop_now());
	edge_of(d)->hub = hub;
	return true;
}

static void drop_losers(struct daemon *d, const struct conn *winner)
{
	for (uint32_t n = 0; n < d->max_conn; n++)
		if (d->conn[n].used && &d->conn[n] != winner &&
		    &d->conn[n] != edge_of(d)->control &&
		    d->conn[n].kind == CONN_CONTROL)
			conn_abort(&d->conn[n]);
	edge_of(d)->dialling = 0;
}

static void edge_open(struct daemon *d, struct conn *c)
{
	struct edge *g = edge_of(d);
	char text[TADDR4_TEXT];

	if (c->kind == CONN_CONTROL) {
		if ((g->control && !g->refresh) || !use_uplink(d, c->peer)) {
			daemon_finish(d, c);
			return;
		}
		drop_losers(d, c);
		g->control = c; /* the engine closes the one before */
		g->refresh = false;
		log_info("connected to the hub address=%s",
			 taddr4_format(c->peer, text));
	}
	daemon_engine_open(d, c);
}

/* A link that lived is dialled again at once, one that was refused is not; two
 * edges with one bundle would take it from each other all the time.
 */
static void wait_after(struct daemon *d, const struct conn *c, msec now)
{
	struct edge *g = edge_of(d);

	if (now - c->since >= STEADY_MS)
		g->backoff = 0;
	if (now - c->since >= CLONED_MOST_MS)
		g->cloned = 0;
	wait_and_retry(d, now);
	if (!*c->said || c->bye != BYE_CLONED)
		return;
	g->cloned = g->cloned ? g->cloned * 2 : CLONED_MS;
	if (g->cloned > CLONED_MOST_MS)
		g->cloned = CLONED_MOST_MS;
	g->dial_at = now + g->cloned;
	log_warn("next try in %u s: make a bundle of its own for each edge "
		 "with `unmap keygen edge DIR NAME`",
		 (unsigned)(g->cloned / 1000));
}

static void edge_gone(struct daemon *d, struct conn *c, const char *why)
{
	struct edge *g = edge_of(d);
	char text[TADDR4_TEXT];

	if (c->kind == CONN_RELAY) {
		g->relay_dialled = false;
		g->relay_at = loop_now() + RELAY_RETRY_MS;
		return;
	}
	if (c == g->control && *c->said)
		why = c->said;
	if (*why && log_is_on(LEVEL_WARN))
		log_limited_write(log_limit_for(&g->gone, why), LEVEL_WARN,
				  "hub at %s: %s",
				  taddr4_format(c->peer, text), why);
	if (c == g->control) {
		g->control = NULL;
		wait_after(d, c, loop_now());
	} else if (g->dialling) {
		g->dialling--;
		g->refresh = false;
		if (g->in_round) /* the next one need not wait */
			g->dial_at = loop_now();
	}
}

static void close_relay(struct daemon *d)
{
	for (uint32_t n = 0; n < d->max_conn; n++)
		if (d->conn[n].used && d->conn[n].kind == CONN_RELAY)
			daemon_finish(d, &d->conn[n]);
}

static void edge_out(struct daemon *d, const struct out *o)
{
	struct edge *g = edge_of(d);

	if (o->kind == OUT_WANT_RELAY) {
		g->relay_wanted = o->on;
		g->relay_at = loop_now();
		if (!o->on)
			close_relay(d);
	} else if (o->kind == OUT_RECONNECT && o->on) {
		if (g->control && !g->refresh) {
			g->refresh = true;
			dial(d, g->hub, CONN_CONTROL);
		}
	} else if (o->kind == OUT_RECONNECT) {
		daemon_udp_close(d, 0);
		if (daemon_udp(d, (struct taddr4){ 0, 0 }))
			log_limited(LEVEL_WARN, "no socket for the shared "
				    "carrier: %s", strerror(errno));
	}
}

/* -- router advertisements: lifetime 0 when nothing carries packets -------------------- */

/* An own carrier that is silent proves nothing, and may be so for hours. */
static bool has_carrier(const struct daemon *d, msec now)
{
	struct link_status s;

	return engine_link(d->engine, 0, &s) &&
	       (s.up || s.shared_up || s.relay_up ||
		(s.own_active && now - s.own_heard < RA_DEAD_MS));
}

static void ra_step(struct daemon *d, msec now)
{
	struct edge *g = edge_of(d);
	bool alive = has_carrier(d, now);

	if (alive)
		g->dead_since = now;
	else if (g->ra_alive)
		alive = now - g->dead_since < RA_DEAD_MS;
	if (alive != g->ra_alive) {
		g->ra_alive = alive;
		for (unsigned i = 0; i < g->o.lan.count; i++)
			ra_set_alive(&g->ra[i], alive, now);
	}
	for (unsigned i = 0; i < g->o.lan.count; i++)
		ra_tick(&g->ra[i], now);
}

static void edge_tick(struct daemon *d, msec now)
{
	dial_step(d, now);
	relay_step(d, now);
	ra_step(d, now);
}

static msec edge_deadline(const struct daemon *d)
{
	const struct edge *g = edge_of(d);
	msec due = NEVER;

	for (unsigned i = 0; i < g->o.lan.count; i++)
		if (ra_deadline(&g->ra[i]) < due)
			due = ra_deadline(&g->ra[i]);
	if (!g->control && g->dial_at < due)
		due = g->dial_at;
	if (g->relay_wanted && !g->relay_dialled && g->control &&
	    g->relay_at < due)
		due = g->relay_at;
	return due;
}

static void edge_reload(struct daemon *d)
{
	(void)d;
	log_info("nothing to reload: an edge reads its bundle at start");
}

/* -- start -------------------------------------------------------------------------------- */

static void edge_conf(struct daemon *d, const struct edge_opts *o)
{
	struct engine_conf *c = &d->conf;
	struct span text = { (const uint8_t *)o->inbound, strlen(o->inbound) };

	if (text.len >= sizeof(c->inbound_text) ||
	    !policy_parse(&c->inbound, text))
		die(EX_USAGE, "--inbound %s: expected none, all, or a list such "
		    "as tcp/22,udp/51820,tcp/443@::5", o->inbound);
	memcpy(c->inbound_text, o->inbound, text.len + 1);
	c->role = ROLE_EDGE;
	c->carriers = (enum carriers)o->carriers;
	c->prefix = d->bundle.id.prefix;
	c->self = c->prefix.addr;
	if (c->prefix.len < 128)
		c->self.b[15] |= 1;
	c->port_lo = o->ports.lo;
	c->port_hi = host_port_hi(o->ports.hi, o->no_bpf);
	c->links = 1;
	c->conns = EDGE_CONNS;
	c->sessions = EDGE_SESSIONS;
	c->own = EDGE_OWN;
	c->fast_places = EDGE_FAST;
	c->contexts = EDGE_CONTEXTS;
	c->budget = EDGE_BUDGET;
}

static void add_dns(struct ra_conf *c, const struct addr6 *a)
{
	if (c->dns_count < RA_DNS && addr6_is_unicast(a))
		c->dns[c->dns_count++] = *a;
}

/* Resolvers that LAN hosts can use: IPv6, not on the edge itself alone. */
static void dns_of_host(struct ra_conf *c)
{
	FILE *f = fopen("/etc/resolv.conf", "re");
	char line[256], text[64];
	struct addr6 a;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "nameserver %63s", text) == 1 &&
		    addr6_parse(&a, text))
			add_dns(c, &a);
	if (f)
		fclose(f);
}

static void find_dns(struct ra_conf *c, const struct edge_opts *o)
{
	struct addr6 a;

	for (unsigned i = 0; i < o->dns.count; i++) {
		if (!addr6_parse(&a, o->dns.at[i]) || !addr6_is_unicast(&a))
			die(EX_USAGE, "--dns %s: expected an IPv6 address that "
			    "LAN hosts can reach", o->dns.at[i]);
		add_dns(c, &a);
	}
	if (!o->dns.count)
		dns_of_host(c);
}

static int start_ra(struct daemon *d, struct edge *g, unsigned n,
		    const struct rtnl_link *link)
{
	struct ra_conf c = { .mtu = INNER_MTU, .link = link->index };
	int err;

	c.mac_len = link->mac_len <= sizeof(c.mac) ? link->mac_len : 0;
	memcpy(c.mac, link->mac, c.mac_len);
	ifconf_lan_prefix(&d->conf.prefix, n, &c.prefix);
	find_dns(&c, &g->o);
	err = ra_open(&g->ra[n], &c, &g->rand, loop_now());
	if (err)
		return err;
	ra_set_alive(&g->ra[n], g->ra_alive, loop_now());
	return loop_add(&d->loop, &g->ra[n].watch, EPOLLIN);
}

static void stop_ra(struct daemon *d, struct ra *r)
{
	if (r->watch.fd < 0)
		return;
	loop_remove(&d->loop, &r->watch);
	ra_close(r);
}

/* A LAN interface that was made anew has another number, and perhaps another
 * address; a bridge changes its address with its ports.
 */
static void follow_lan(struct daemon *d, unsigned n)
{
	struct edge *g = edge_of(d);
	struct ra *r = &g->ra[n];
	struct rtnl_link link;
	int err;

	if (rtnl_link_get(g->o.lan.at[n], 0, &link))
		return;
	if (link.index == r->conf.link) {
		if (!memcmp(link.mac, r->conf.mac, r->conf.mac_len))
			return;
		memcpy(r->conf.mac, link.mac, r->conf.mac_len);
		ra_again(r, loop_now());
		return;
	}
	stop_ra(d, r);
	err = start_ra(d, g, n, &link);
	if (err)
		log_warn("--lan %s: cannot send router advertisements: %s",
			 link.name, strerror(-err));
	else
		log_info("LAN interface changed interface=%s", link.name);
}

static void edge_changed(struct daemon *d)
{
	struct edge *g = edge_of(d);

	if (g->control)
		use_uplink(d, g->hub);
	if (g->o.lan.count)
		host_lans();
	for (unsigned i = 0; i < g->o.lan.count; i++)
		follow_lan(d, i);
	daemon_drain(d);
}

static const struct daemon_ops edge_ops = { edge_open, edge_gone, edge_out,
	edge_tick, edge_deadline, edge_reload, edge_changed };

static void open_ra(struct daemon *d, struct edge *g, unsigned n)
{
	struct rtnl_link link;
	int err = rtnl_link_get(g->o.lan.at[n], 0, &link);

	if (!err)
		err = start_ra(d, g, n, &link);
	if (err)
		die(err == -EPERM ? EX_NOPERM : EX_OSERR,
		    "--lan %s: cannot send router advertisements: %s: run as "
		    "root, or with CAP_NET_RAW",
		    g->o.lan.at[n], strerror(-err));
}

static void configure(struct daemon *d, struct edge *g)
{
	struct ifconf_edge c = { .prefix = d->conf.prefix, .mtu = INNER_MTU,
		.lo = d->conf.port_lo, .hi = d->conf.port_hi,
		.lans = (uint8_t)g->o.lan.count };

	memcpy(c.inner, d->inner.name, sizeof(c.inner));
	for (unsigned i = 0; i < g->o.lan.count && i < IFCONF_LANS; i++)
		snprintf(c.lan[i], sizeof(c.lan[i]), "%s", g->o.lan.at[i]);
	host_edge(&c);
}

static int translate(void *arg)
{
	struct daemon *d = arg;
	struct edge *g = edge_of(d);
	uint8_t seed[32];
	int err, code;

	daemon_init(d);
	host_watch(d);
	configure(d, g);
	err = daemon_udp(d, (struct taddr4){ 0, 0 });
	if (err)
		die(EX_OSERR, "no socket for the shared carrier: %s",
		    strerror(-err));
	random_bytes(seed, sizeof(seed));
	rand_init(&g->rand, seed);
	g->dial_at = g->dead_since = loop_now();
	g->ra_alive = true; /* RA_DEAD_MS to find a carrier */
	for (unsigned i = 0; i < g->o.lan.count; i++)
		open_ra(d, g, i);
	code = daemon_run(d);
	for (unsigned i = 0; i < g->o.lan.count; i++)
		stop_ra(d, &g->ra[i]);
	return code;
}

/* Before anything is changed on this host: we speak IPv4 to the hub. */
static void check_hubs(const struct edge *g, const struct bundle *b)
{
	const char *host;

	for (unsigned i = 0; (host = hub_host(g, b, i)); i++)
		if (!strchr(host, ':'))
			return;
	die(EX_USAGE, "no IPv4 address of the hub: edges reach it by IPv4 "
	    "alone; give its name or IPv4 address with --hub");
}

/* Before anything is changed on this host. */
static void check_lans(const struct prefix6 *p, const struct opt_names *lan)
{
	char text[PREFIX6_TEXT];
	struct prefix6 part;

	if (lan->count > IFCONF_LANS)
		die(EX_USAGE, "at most %d times --lan", (int)IFCONF_LANS);
	for (unsigned i = 0; i < lan->count; i++) {
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(lan->at[i], lan->at[j]))
				die(EX_USAGE, "--lan %s is given twice",
				    lan->at[i]);
		if (!if_nametoindex(lan->at[i])) /* may come later */
			die(EX_UNAVAILABLE, "--lan %s: no such interface; `ip link` "
			    "shows which there are", lan->at[i]);
		if (!ifconf_lan_prefix(p, i, &part))
			die(EX_USAGE, "--lan %s: no /64 of %s is left for it; "
			    "make this edge's prefix larger with `unmap "
			    "keygen edge --prefix`", lan->at[i],
			    prefix6_format(p, text));
	}
}

int edge_main(int argc, char **argv)
{
	static struct daemon d;
	static struct edge g;
	char err[BUNDLE_ERROR_MAX];

	opts_parse(&edge_program, &g.o, argc, argv);
	log_open("edge", g.o.log);
	if (!bundle_load(&d.bundle, argv[1], err) ||
	    !bundle_expect(&d.bundle, false, argv[1], err))
		die(bundle_code(err), "%s", err);
	d.ops = &edge_ops;
	d.program = "edge";
	d.pid = getpid();
	d.path = argv[1];
	d.own = &g;
	d.no_bpf = g.o.no_bpf;
	d.no_fast = g.o.no_fast;
	snprintf(d.name, sizeof(d.name), "%s", g.o.status ? g.o.status :
		 d.bundle.id.name);
	edge_conf(&d, &g.o);
	check_hubs(&g, &d.bundle);
	find_dns(&(struct ra_conf){ 0 }, &g.o); /* only for its errors */
	check_lans(&d.conf.prefix, &g.o.lan);
	return host_run(translate, &d, d.conf.port_lo, d.conf.port_hi);
}
