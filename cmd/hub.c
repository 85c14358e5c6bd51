/* SPDX-License-Identifier: MIT
 *
 * hub.c - the end on the Internet
 *
 * Theory of operation
 * ===================
 * Listens, TCP and UDP, on every address and port of --listen, else on every
 * port named in the bundle. What an edge is, its certificate says; the hub
 * keeps no list. A connection's first message decides what it is for.
 *
 * Handshakes: each takes a place and milliseconds of the one thread, so they
 * are bounded: HUB_SHAKES at once, and what is above waits in the listen queue;
 * HUB_SHAKES_SOURCE from one address, and what is above is closed. One step of
 * one of them is done per turn of the loop (daemon.c), so that packets of the
 * others do not wait when all edges come back at once. An edge may have
 * HUB_MUTE connections that have not said what they are for.
 *
 * `revoked`, beside the bundle, is looked at once a second (its modification
 * time); a link whose certificate is in it is dropped. One that is damaged, or
 * vanishes, takes nothing back; at start a damaged one is an error.
 *
 * Routes. While an edge is connected its prefix leads into the inner TUN; the
 * whole prefix of the hub is unreachable otherwise (net/ifconf.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/benchd.h"
#include "cmd/commands.h"
#include "cmd/daemon.h"
#include "cmd/host.h"
#include "cmd/options.h"
#include "net/ndp.h"
#include "net/rtnl.h"

enum {
	HUB_LISTEN = 16, HUB_SHAKES = 64, HUB_SHAKES_SOURCE = 16, HUB_MUTE = 4,
	HUB_LINKS = 1024, HUB_CONNS = 2 * HUB_LINKS + HUB_SHAKES,
	HUB_SESSIONS = 1000000, HUB_OWN = 262144, HUB_FAST = 32768,
	HUB_CONTEXTS = 262144,
	HUB_BUDGET = 512, INNER_MTU = 1500, BACKLOG = HUB_LINKS,
	REVOKED_MS = 1000, ACCEPTS = 16, HUB_FILES = HUB_CONNS + 128
};

struct listener {
	struct watch watch;
	struct daemon *d;
	struct taddr4 at;
};

/* struct shake - a handshake under way */
struct shake {
	uint32_t conn, addr;
};

struct hub {
	struct hub_opts o;
	struct shake shake[HUB_SHAKES];
	unsigned shakes;
	bool deaf;	/* all places for handshakes are taken */
	struct listener listener[HUB_LISTEN];
	unsigned listeners;
	struct ndp ndp;
	struct revoked revoked;
	char revoked_path[512];
	struct timespec revoked_at;
	msec revoked_due;
	struct log_limits gone;
	bool uplink_missed;	/* told that there is none */
};

static struct hub *hub_of(const struct daemon *d)
{
	return d->own;
}

/* -- connections ------------------------------------------------------------------ */

/* Accept no more, or again, as there are places for handshakes. */
static void listen_or_not(struct daemon *d)
{
	struct hub *h = hub_of(d);
	bool deaf = h->shakes == HUB_SHAKES;

	if (deaf == h->deaf)
		return;
	h->deaf = deaf;
	for (unsigned i = 0; i < h->listeners; i++)
		loop_change(&d->loop, &h->listener[i].watch,
			    deaf ? 0 : EPOLLIN);
}

static unsigned shakes_of(const struct hub *h, uint32_t addr)
{
	unsigned count = 0;

	for (unsigned i = 0; i < h->shakes; i++)
		count += h->shake[i].addr == addr;
	return count;
}

static void shake_done(struct daemon *d, const struct conn *c)
{
	struct hub *h = hub_of(d);

	for (unsigned i = 0; i < h->shakes; i++) {
		if (h->shake[i].conn != c->id)
			continue;
		h->shake[i] = h->shake[--h->shakes];
		break;
	}
	listen_or_not(d);
}

static void accept_one(struct daemon *d, int fd, struct taddr4 peer)
{
	struct hub *h = hub_of(d);
	struct conn *c = daemon_conn(d);
	struct conn_start s = daemon_conn_start(d, fd, peer, CONN_CONTROL);

	if (!c || shakes_of(h, peer.addr) >= HUB_SHAKES_SOURCE) {
		close(fd);
		log_limited(LEVEL_WARN, "too many handshakes at once; one was "
			    "closed");
		return;
	}
	if (!conn_server(c, &s, &d->bundle, &h->revoked))
		return;
	h->shake[h->shakes++] = (struct shake){ c->id, peer.addr };
	listen_or_not(d);
}

static void accept_ready(struct watch *w, uint32_t events)
{
	struct listener *l = container_of_watch(w, struct listener, watch);
	struct taddr4 peer;

	(void)events;
	for (int i = 0; i < ACCEPTS && !hub_of(l->d)->deaf; i++) {
		int fd = tcp_accept(w->fd, &peer);

		if (fd == -EMFILE || fd == -ENFILE)
			log_limited(LEVEL_ERROR, "out of file descriptors: "
				    "raise the limit (LimitNOFILE=)");
		if (fd < 0)
			return;
		accept_one(l->d, fd, peer);
	}
}

/* Connections of this edge that wait for HELLO, @c among them. */
static unsigned count_mute(const struct daemon *d, const struct identity *id)
{
	unsigned count = 0;

	for (uint32_t n = 0; n < d->max_conn; n++) {
		const struct conn *c = &d->conn[n];

		count += c->used && c->open && c->until && !c->closing &&
			 !strcmp(tls_peer(&c->room->tls)->name, id->name);
	}
	return count;
}

static void hub_open(struct daemon *d, struct conn *c)
{
	const struct identity *id = tls_peer(&c->room->tls);
	char text[TADDR4_TEXT], prefix[PREFIX6_TEXT];

	shake_done(d, c);
	if (!prefix6_covers(&d->conf.prefix, &id->prefix)) {
		log_limited(LEVEL_WARN, "edge %s: its prefix %s is not inside "
			    "this hub's", id->name,
			    prefix6_format(&id->prefix, prefix));
		daemon_bye(d, c, BYE_PREFIX, "this edge's prefix is not "
			   "inside the hub's: make a new bundle");
		return;
	}
	if (count_mute(d, id) > HUB_MUTE) {
		log_limited(LEVEL_WARN, "edge %s: too many connections that "
			    "say nothing; one was closed", id->name);
		daemon_finish(d, c);
		return;
	}
	log_debug("handshake complete edge=%s address=%s", id->name,
		  taddr4_format(c->peer, text));
	daemon_engine_open(d, c);
}

static void hub_gone(struct daemon *d, struct conn *c, const char *why)
{
	const struct identity *id = tls_peer(&c->room->tls);
	const char *refused = tls_refused(&c->room->tls);
	struct log_limit *limit = log_limit_for(&hub_of(d)->gone, why);
	char text[TADDR4_TEXT];

	shake_done(d, c);
	if (!*why)
		return;
	if (!id && log_is_on(LEVEL_WARN))
		log_limited_write(limit, LEVEL_WARN, "refused %s%s%s: %s",
				  taddr4_format(c->peer, text),
				  refused ? " edge=" : "",
				  refused ? refused : "", why);
	else if (id && log_is_on(LEVEL_INFO))
		log_limited_write(limit, LEVEL_INFO, "edge %s at %s: %s",
				  id->name, taddr4_format(c->peer, text), why);
}

static void hub_out(struct daemon *d, const struct out *o)
{
	struct link_status s;

	if (o->kind != OUT_ROUTE || !engine_link(d->engine, o->link, &s))
		return;
	host_route(&s.prefix, o->on);
}

/* -- revocation --------------------------------------------------------------------- */

/* Links, also those whose edge has no connection at the moment. */
static void drop_revoked(struct daemon *d)
{
	const struct revoked *r = &hub_of(d)->revoked;
	struct identity id = { .serial_len = CERT_SERIAL_LEN };
	struct link_status s;

	for (uint32_t n = 0; n < d->conf.links; n++) {
		if (!engine_link(d->engine, n, &s))
			continue;
		memcpy(id.serial, s.serial, CERT_SERIAL_LEN);
		if (!revoked_has(r, &id))
			continue;
		log_info("edge %s is revoked: link dropped", s.name);
		engine_revoke(d->engine, n, loop_now());
	}
	for (uint32_t n = 0; n < d->max_conn; n++) {
		struct conn *c = &d->conn[n];
		const struct identity *peer = c->used ?
					      tls_peer(&c->room->tls) : NULL;

		if (peer && revoked_has(r, peer))
			daemon_finish(d, c);
	}
	daemon_drain(d);
}

static bool read_revoked(struct daemon *d, char err[static REVOKED_ERROR_MAX])
{
	struct hub *h = hub_of(d);
	struct span ca = { d->bundle.ca, d->bundle.ca_len };
	struct stat st;

	if (!stat(h->revoked_path, &st))
		h->revoked_at = st.st_mtim;
	return revoked_load(&h->revoked, h->revoked_path, ca, err);
}

/* Before anything is changed on this host: a list that cannot be read might
 * name anybody, but who never had one has revoked nobody.
 */
static void first_revoked(struct daemon *d)
{
	char err[REVOKED_ERROR_MAX];

	if (!read_revoked(d, err))
		die(EX_DATAERR, "%s", err);
	if (access(hub_of(d)->revoked_path, F_OK))
		log_warn("no %s: nobody is revoked", hub_of(d)->revoked_path);
}

/* A list that is gone or damaged takes nothing back. */
static bool load_revoked(struct daemon *d)
{
	struct hub *h = hub_of(d);
	char err[REVOKED_ERROR_MAX] = "it is gone: copy it again";
	bool is_there = !access(h->revoked_path, F_OK);

	if (!is_there || !read_revoked(d, err)) {
		log_error("%s%s%s (the list read before stays in force)",
			  is_there ? "" : h->revoked_path,
			  is_there ? "" : ": ", err);
		return false;
	}
	drop_revoked(d);
	return true;
}

static void watch_revoked(struct daemon *d, msec now)
{
	struct hub *h = hub_of(d);
	struct stat st = { 0 };

	if (now < h->revoked_due)
		return;
	h->revoked_due = now + REVOKED_MS;
	if (stat(h->revoked_path, &st))
		return;
	if (st.st_mtim.tv_sec == h->revoked_at.tv_sec &&
	    st.st_mtim.tv_nsec == h->revoked_at.tv_nsec)
		return;
	load_revoked(d);
}

static void hub_tick(struct daemon *d, msec now)
{
	watch_revoked(d, now);
}

static msec hub_deadline(const struct daemon *d)
{
	return hub_of(d)->revoked_due;
}

static void hub_reload(struct daemon *d)
{
	if (load_revoked(d))
		log_info("reloaded %s", hub_of(d)->revoked_path);
}

/* -- start -------------------------------------------------------------------------------- */

/* The interface and address that face the Internet, over IPv4. */
static void find_uplink(struct daemon *d)
{
	/* any address that is not local: RFC 5737 is routed by default only */
	struct inet to = inet4(0xc0000201, 32);
	uint32_t listen = hub_of(d)->listener[0].at.addr;
	struct rtnl_addr addrs[CAPTURE_ADDRS];
	struct rtnl_route r = { 0 };
	int count = rtnl_addr_list(0, AF_INET, addrs, CAPTURE_ADDRS);
	uint32_t addr;

	rtnl_route_get(&to, &r);
	addr = listen ? listen : inet_addr4(&r.source);
	for (int i = 0; i < count; i++)
		if (listen && inet_addr4(&addrs[i].addr) == listen)
			r.link = addrs[i].link;
	if (!r.link || !addr) {
		if (!hub_of(d)->uplink_missed)
			log_warn("no IPv4 uplink: own carriers are off until "
				 "there is a default route");
		hub_of(d)->uplink_missed = true;
		return;
	}
	hub_of(d)->uplink_missed = false;
	if (d->uplink.up && d->uplink.index == r.link && d->uplink.addr == addr)
		return;
	if (!daemon_uplink(d, r.link, addr, &(struct uplink_peer){ 0 }))
		return;
	host_uplink(&d->uplink, d->outer.name);
	for (int i = 0; i < count; i++)
		if (addrs[i].link == r.link && !listen)
			capture_address(&d->uplink.capture,
					inet_addr4(&addrs[i].addr), true);
	engine_set_uplink(d->engine, addr, d->uplink.mtu < 65535 ?
			  (uint16_t)d->uplink.mtu : 65535, loop_now());
}

static void hub_changed(struct daemon *d)
{
	find_uplink(d);
}

static const struct daemon_ops hub_ops = { hub_open, hub_gone, hub_out,
	hub_tick, hub_deadline, hub_reload, hub_changed };

/* What to do about an address that cannot be listened on. */
static const char *hint(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return ": another hub or server has this port; end it, or "
		       "choose another with --listen";
	case -EADDRNOTAVAIL:
		return ": give --listen an address of this machine, as `ip "
		       "addr` shows it";
	default:
		return "";
	}
}

static void listen_at(struct daemon *d, struct taddr4 at)
{
	struct hub *h = hub_of(d);
	struct listener *l = &h->listener[h->listeners];
	char text[TADDR4_TEXT];
	int fd, err;

	for (unsigned i = 0; i < h->listeners; i++)
		if (taddr4_eq(h->listener[i].at, at))
			return;
	if (h->listeners == HUB_LISTEN)
		die(EX_USAGE, "at most %d addresses to listen on",
		    (int)HUB_LISTEN);
	fd = tcp_listen(at, BACKLOG);
	if (fd < 0)
		die(EX_UNAVAILABLE, "cannot listen on TCP %s: %s%s",
		    taddr4_format(at, text), strerror(-fd), hint(fd));
	err = daemon_udp(d, at);
	if (err)
		die(EX_UNAVAILABLE, "cannot listen on UDP %s: %s%s",
		    taddr4_format(at, text), strerror(-err), hint(err));
	*l = (struct listener){ .watch = { .fd = fd, .ready = accept_ready },
		.d = d, .at = at };
	h->listeners++;
	if (loop_add(&d->loop, &l->watch, EPOLLIN))
		die(EX_OSERR, "cannot listen: out of descriptors");
}

/* Told when nothing can go wrong any more: errors are one line. */
static void tell_listening(const struct hub *h)
{
	char text[TADDR4_TEXT];

	for (unsigned i = 0; i < h->listeners; i++)
		log_info("listening on TCP and UDP %s",
			 taddr4_format(h->listener[i].at, text));
}

/* Where to listen: the @n-th of --listen, else of the bundle; false: no more */
static bool listen_nth(const struct daemon *d, unsigned n, struct taddr4 *at)
{
	const struct opt_endpoints *given = &hub_of(d)->o.listen;

	if (n >= (given->count ? given->count : d->bundle.hub_count))
		return false;
	if (!given->count) {
		*at = (struct taddr4){ 0, d->bundle.hubs[n].port };
		return true;
	}
	at->port = given->at[n].port;
	if (!addr4_parse(&at->addr, given->at[n].host) ||
	    (at->addr && !addr4_is_unicast(at->addr)))
		die(EX_USAGE, "--listen %s: expected an IPv4 address of this "
		    "machine", given->at[n].host);
	return true;
}

/* Before anything is changed on this host. What comes to a port of the range
 * is taken for a carrier and never reaches a socket.
 */
static void check_listen(const struct daemon *d)
{
	struct taddr4 at;

	for (unsigned i = 0; listen_nth(d, i, &at); i++)
		if (at.port >= d->conf.port_lo && at.port <= d->conf.port_hi)
			die(EX_USAGE, "port %u to listen on lies in the range "
			    "of own carriers, %u-%u: choose another with "
			    "--listen or --ports", at.port, d->conf.port_lo,
			    d->conf.port_hi);
}

static void listen_all(struct daemon *d)
{
	struct taddr4 at;

	for (unsigned i = 0; listen_nth(d, i, &at); i++)
		listen_at(d, at);
}

static void hub_conf(struct daemon *d, const struct hub_opts *o)
{
	struct engine_conf *c = &d->conf;

	c->role = ROLE_HUB;
	c->carriers = (enum carriers)o->carriers;
	c->prefix = d->bundle.id.prefix;
	c->self = c->prefix.addr; /* subnet 0, ::1 */
	c->self.b[15] |= 1;
	c->port_lo = o->ports.lo;
	c->port_hi = host_port_hi(o->ports.hi, o->no_bpf);
	c->links = HUB_LINKS;
	c->conns = HUB_CONNS;
	c->sessions = HUB_SESSIONS;
	c->own = HUB_OWN;
	c->fast_places = HUB_FAST;
	c->contexts = HUB_CONTEXTS;
	c->budget = HUB_BUDGET;
}

/* The prefix lies on the uplink's link: neighbours ask for its addresses. */
static bool is_ours(const struct addr6 *a, void *arg)
{
	struct daemon *d = arg;

	return engine_reaches(d->engine, a);
}

static void open_ndp(struct daemon *d, int index)
{
	struct ndp_conf c = { .link = index, .is_ours = is_ours, .arg = d };
	struct ndp *n = &hub_of(d)->ndp;
	struct rtnl_link link;
	int err = rtnl_link_get(NULL, index, &link);

	if (!err) {
		c.mac_len = link.mac_len <= sizeof(c.mac) ? link.mac_len : 0;
		memcpy(c.mac, link.mac, c.mac_len);
		err = ndp_open(n, &c);
	}
	if (!err)
		err = loop_add(&d->loop, &n->watch, EPOLLIN);
	if (err)
		log_warn("cannot answer for the prefix on interface %d: %s; "
			 "have it routed to this machine", index,
			 strerror(-err));
	else
		log_info("prefix is on the link of %s: answering for it",
			 link.name);
}

static void configure(struct daemon *d)
{
	struct ifconf_hub c = { .prefix = d->conf.prefix, .own = d->conf.self,
		.mtu = INNER_MTU, .lo = d->conf.port_lo,
		.hi = d->conf.port_hi };
	int on_link;

	memcpy(c.inner, d->inner.name, sizeof(c.inner));
	on_link = host_hub(&c);
	if (on_link)
		open_ndp(d, on_link);
}

static int translate(void *arg)
{
	struct daemon *d = arg;

	first_revoked(d);
	daemon_init(d);
	host_watch(d);
	listen_all(d);
	configure(d);
	tell_listening(hub_of(d));
	find_uplink(d);
	return daemon_run(d);
}

static void revoked_beside(struct hub *h, const char *bundle)
{
	const char *slash = strrchr(bundle, '/');
	int dir = slash ? (int)(slash - bundle + 1) : 0;

	snprintf(h->revoked_path, sizeof(h->revoked_path), "%.*srevoked", dir,
		 bundle);
}

/* A shell gives 1024 descriptors; each edge takes one or two. */
static void want_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= HUB_FILES)
		return;
	r.rlim_cur = r.rlim_max < HUB_FILES ? r.rlim_max : HUB_FILES;
	setrlimit(RLIMIT_NOFILE, &r); /* less is told when it is reached */
}

int hub_main(int argc, char **argv)
{
	static struct daemon d;
	static struct hub h;
	char err[BUNDLE_ERROR_MAX];

	opts_parse(&hub_program, &h.o, argc, argv);
	log_open("hub", h.o.log);
	if (!bundle_load(&d.bundle, argv[1], err) ||
	    !bundle_expect(&d.bundle, true, argv[1], err))
		die(bundle_code(err), "%s", err);
	d.ops = &hub_ops;
	d.program = "hub";
	d.pid = getpid();
	d.path = argv[1];
	d.own = &h;
	d.no_bpf = h.o.no_bpf;
	d.no_fast = h.o.no_fast;
	snprintf(d.name, sizeof(d.name), "%s", h.o.status ? h.o.status :
		 d.bundle.id.name);
	revoked_beside(&h, argv[1]);
	hub_conf(&d, &h.o);
	check_listen(&d);
	want_files();
	benchd_allow(h.o.bench_mbit);
	return host_run(translate, &d, d.conf.port_lo, d.conf.port_hi);
}
