/* SPDX-License-Identifier: MIT
 *
 * report_json.c - a status report for programs
 *
 * Theory of operation
 * ===================
 * One object on one line. Keys are only added, never renamed; times are in ms,
 * sizes in bytes, counters grow from the daemon's start; what is not known is
 * null. An edge has "link" and "hub", a hub "edges":
 *
 * program, name, pid, version (1), uptime_ms, prefix, inbound (edge),
 * carriers (what --carriers said), ports {low, high},
 * certificate {ends, days_left, warn},
 * io {capture, capture_why, output, output_why, inner, outer, address, mtu,
 *	offloads []},
 * hub "ADDR:PORT" (edge), link LINK (edge), edges [LINK] (hub),
 * edges_left_off (hub, if not all fit), sessions, drops {REASON: n},
 * lost {tun, socket}, session_list [SESSION] and sessions_left_off (--sessions)
 *
 * LINK: name, prefix, up, since_ms, rtt_ms, seen "ADDR:PORT", path_mtu,
 * path (words), notes [], own_tcp (confirmed, altered, silent, untried),
 * shared, relay, own_active, own_budget, sessions, saved_bytes, drops,
 * traffic {own, shared, explicit, relay: {sent, received: {packets,
 * native_bytes, wire_bytes}}}
 *
 * SESSION: proto, host, host_port, peer, peer_port, inbound, carrier, idle_ms,
 * edge (hub)
 */
#include <string.h>

#include "cmd/json.h"
#include "cmd/report.h"
#include "crypto/bundle.h"

static void put_taddr(struct json *j, const char *key, struct taddr4 t)
{
	char text[TADDR4_TEXT];

	json_text(j, key, t.port ? taddr4_format(t, text) : NULL);
}

static const char *own_tcp(const struct link_status *s)
{
	switch (s->own_tcp) {
	case NOTE_OWN_UP: return "confirmed";
	case NOTE_OWN_ALTERED: return "altered";
	case NOTE_OWN_SILENT: return "silent";
	default: return "untried";
	}
}

static void put_traffic(struct json *j, const char *key,
			const struct traffic *t)
{
	json_begin(j, key, '{');
	json_u64(j, "packets", t->packets);
	json_u64(j, "native_bytes", t->inner_bytes);
	json_u64(j, "wire_bytes", t->wire_bytes);
	json_end(j);
}

static void put_carriers(struct json *j, const struct link_status *s)
{
	json_begin(j, "traffic", '{');
	for (int v = 0; v < VIA_COUNT; v++) {
		json_begin(j, report_via((enum via)v), '{');
		put_traffic(j, "sent", &s->sent[v]);
		put_traffic(j, "received", &s->received[v]);
		json_end(j);
	}
	json_end(j);
}

static void put_path(struct json *j, const struct report *r,
		     const struct link_status *s)
{
	char notes[REPORT_NOTES][REPORT_NOTE];
	unsigned count = report_notes(r, s, notes);

	json_text(j, "path", report_path(r, s));
	json_begin(j, "notes", '[');
	for (unsigned n = 0; n < count; n++)
		json_text(j, NULL, notes[n]);
	json_end(j);
	if (s->mtu)
		json_u64(j, "path_mtu", s->mtu);
	else
		json_null(j, "path_mtu");
	json_text(j, "own_tcp", own_tcp(s));
}

static void put_link(struct json *j, const char *key, const struct report *r,
		     const struct link_status *s)
{
	char prefix[PREFIX6_TEXT];

	json_begin(j, key, '{');
	json_text(j, "name", s->name);
	json_text(j, "prefix", prefix6_format(&s->prefix, prefix));
	json_bool(j, "up", s->up);
	json_u64(j, "since_ms", r->now - s->since);
	json_u64(j, "rtt_ms", s->rtt_ms);
	put_taddr(j, "seen", s->seen);
	put_path(j, r, s);
	json_bool(j, "shared", s->shared_up);
	json_bool(j, "relay", s->relay_up);
	json_u64(j, "own_active", s->own_active);
	json_u64(j, "own_budget", s->own_budget);
	json_u64(j, "sessions", s->sessions);
	json_i64(j, "saved_bytes", report_sum(s).saved);
	json_u64(j, "drops", s->drops);
	put_carriers(j, s);
	json_end(j);
}

static void put_edge(struct json *j, const struct report *r)
{
	struct link_status s;

	put_taddr(j, "hub", r->hub);
	if (r->link(r->arg, 0, &s))
		put_link(j, "link", r, &s);
	else
		json_null(j, "link");
}

static void put_edges(struct json *j, const struct report *r)
{
	struct link_status s;
	uint32_t left = 0;

	json_begin(j, "edges", '[');
	for (uint32_t n = 0; n < r->conf->links; n++) {
		if (!r->link(r->arg, n, &s))
			continue;
		if (j->to->total > r->room)
			left++;
		else
			put_link(j, NULL, r, &s);
	}
	json_end(j);
	if (left)
		json_u64(j, "edges_left_off", left);
}

static void put_certificate(struct json *j, const struct report *r)
{
	char date[DATE_TEXT];
	int64_t days = report_days(r);

	json_begin(j, "certificate", '{');
	json_text(j, "ends", date_format(r->expires, date));
	json_i64(j, "days_left", days);
	json_bool(j, "warn", days < REPORT_WARN_DAYS);
	json_end(j);
}

static void put_io(struct json *j, const struct report *r)
{
	const struct report_io *io = &r->io;
	char addr[ADDR4_TEXT];
	const char *name;

	json_begin(j, "io", '{');
	json_text(j, "capture", io->capture);
	json_text(j, "capture_why", io->capture_why);
	json_text(j, "output", io->output);
	json_text(j, "output_why", io->output_why);
	json_text(j, "fast", io->fast);
	json_text(j, "fast_why", io->fast_why);
	json_u64(j, "fast_sessions", io->fast_sessions);
	json_text(j, "inner", io->inner);
	json_text(j, "outer", io->outer);
	json_text(j, "address", io->uplink ? addr4_format(io->uplink, addr) :
		  NULL);
	json_u64(j, "mtu", io->uplink_mtu);
	json_begin(j, "offloads", '[');
	for (unsigned n = 0; (name = report_feature(r, n)); n++)
		if (*name)
			json_text(j, NULL, name);
	json_end(j);
	json_end(j);
}

static void put_drops(struct json *j, const struct report *r)
{
	char lower[32];

	json_begin(j, "drops", '{');
	for (int d = 1; d < DROP_COUNT; d++) {
		const char *name = drop_name((enum drop)d);
		size_t i;

		for (i = 0; name[i] && i < sizeof(lower) - 1; i++)
			lower[i] = name[i] >= 'A' && name[i] <= 'Z' ?
				   (char)(name[i] | 0x20) : name[i];
		lower[i] = '\0';
		if (r->drops[d])
			json_u64(j, lower, r->drops[d]);
	}
	json_end(j);
	json_begin(j, "lost", '{');
	json_u64(j, "tun", r->tun_lost);
	json_u64(j, "socket", r->socket_lost);
	json_end(j);
}

static void put_session(struct json *j, const struct report *r,
			const struct session_status *s)
{
	char host[ADDR6_TEXT], peer[ADDR6_TEXT];
	struct link_status link;

	json_begin(j, NULL, '{');
	json_u64(j, "proto", s->proto);
	json_text(j, "host", addr6_format(&s->host, host));
	json_u64(j, "host_port", s->host_port);
	json_text(j, "peer", addr6_format(&s->peer, peer));
	json_u64(j, "peer_port", s->peer_port);
	json_bool(j, "inbound", s->inbound);
	json_text(j, "carrier", report_via(s->via));
	json_u64(j, "idle_ms", s->idle);
	if (r->conf->role == ROLE_HUB)
		json_text(j, "edge", r->link(r->arg, s->link, &link) ?
			  link.name : NULL);
	json_end(j);
}

static void put_sessions(struct json *j, const struct report *r)
{
	struct session_status s;
	uint32_t left = r->sessions;

	json_begin(j, "session_list", '[');
	for (uint32_t n = 0; n < r->conf->sessions && left; n++) {
		if (j->to->total > r->room)
			break;
		if (!r->session(r->arg, n, &s))
			continue;
		put_session(j, r, &s);
		left--;
	}
	json_end(j);
	if (left)
		json_u64(j, "sessions_left_off", left);
}

static void put_conf(struct json *j, const struct engine_conf *c)
{
	static const char *const words[] = {
		[CARRIERS_AUTO] = "auto", [CARRIERS_OWN] = "own",
		[CARRIERS_SHARED] = "shared", [CARRIERS_RELAY] = "relay",
	};
	char prefix[PREFIX6_TEXT];

	json_text(j, "prefix", prefix6_format(&c->prefix, prefix));
	if (c->role == ROLE_EDGE)
		json_text(j, "inbound", c->inbound_text);
	json_text(j, "carriers", words[c->carriers]);
	json_begin(j, "ports", '{');
	json_u64(j, "low", c->port_lo);
	json_u64(j, "high", c->port_hi);
	json_end(j);
}

void report_json(struct text *t, const struct report *r, bool sessions)
{
	struct json j = { .to = t };

	json_begin(&j, NULL, '{');
	json_text(&j, "program", r->program);
	json_text(&j, "name", r->name);
	json_i64(&j, "pid", r->pid);
	json_u64(&j, "version", 1);
	json_u64(&j, "uptime_ms", r->now - r->started);
	put_conf(&j, r->conf);
	put_certificate(&j, r);
	put_io(&j, r);
	json_u64(&j, "sessions", r->sessions);
	put_drops(&j, r);
	if (r->conf->role == ROLE_EDGE)
		put_edge(&j, r);
	else
		put_edges(&j, r);
	if (sessions)
		put_sessions(&j, r);
	json_end(&j);
	text_bytes(t, "\n", 1);
}
