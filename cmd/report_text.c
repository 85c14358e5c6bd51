/* SPDX-License-Identifier: MIT
 *
 * report_text.c - a status report for people
 *
 * Theory of operation
 * ===================
 * An edge has one link: a list of facts, then a table of its carriers. A hub
 * has many: a summary, then a row per edge whose columns are as wide as the
 * widest. What is zero or as it should be is left out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/report.h"
#include "crypto/bundle.h"

#define LABEL "  %-13s "

enum { ENDPOINT_TEXT = ADDR6_TEXT + 8, OWN_GAIN = 20, SHARED_GAIN = 8 };

/* -- both ---------------------------------------------------------------------- */

static void put_head(struct text *t, const struct report *r)
{
	char up[UNIT_TEXT];

	text_add(t, "%s %s (process %ld), running for %s\n", r->program,
		 r->name, r->pid, unit_time(up, r->now - r->started));
}

static void put_certificate(struct text *t, const struct report *r)
{
	int64_t days = report_days(r);
	char date[DATE_TEXT];

	date_format(r->expires, date);
	if (days < 0)
		text_add(t, LABEL "EXPIRED on %s: run `unmap keygen renew`\n",
			 "certificate", date);
	else if (days < REPORT_WARN_DAYS)
		text_add(t, LABEL "ends in %d days, on %s: run `unmap keygen "
			 "renew`\n", "certificate", (int)days, date);
	else
		text_add(t, LABEL "until %s\n", "certificate", date);
}

static void put_io(struct text *t, const struct report *r)
{
	const char *name;

	if (r->io.capture)
		text_add(t, LABEL "capture by %s, output by %s\n",
			 "packets", r->io.capture, r->io.output);
	else
		text_add(t, LABEL "no capture: own carriers are off\n",
			 "packets");
	if (r->io.capture && r->io.capture_why && *r->io.capture_why)
		text_add(t, LABEL "%s\n", "", r->io.capture_why);
	if (r->io.capture && r->io.output_why && *r->io.output_why)
		text_add(t, LABEL "%s\n", "", r->io.output_why);
	if (r->io.fast)
		text_add(t, LABEL "%u sessions translated in the kernel, by "
			 "%s\n", "fast path", r->io.fast_sessions, r->io.fast);
	else
		text_add(t, LABEL "off: %s\n", "fast path",
			 r->io.fast_why && *r->io.fast_why ? r->io.fast_why :
			 "it needs capture and output by BPF");
	text_add(t, LABEL "%s inside, %s outside; offloads", "devices",
		 r->io.inner, r->io.outer);
	for (unsigned n = 0; (name = report_feature(r, n)); n++)
		if (*name)
			text_add(t, " %s", name);
	text_add(t, "\n");
}

static void put_saved(struct text *t, const struct report_sum *sum)
{
	char bytes[UNIT_TEXT];
	uint64_t more = sum->saved < 0 ? 0 - (uint64_t)sum->saved :
			(uint64_t)sum->saved;
	uint64_t mille = sum->native < UINT32_MAX ?
			 more * 1000 / sum->native :
			 more / (sum->native / 1000);

	text_add(t, LABEL "%s against native IPv6 (%s%" PRIu64 ".%" PRIu64
		 " %%)\n", "saved", unit_signed(bytes, sum->saved),
		 sum->saved < 0 ? "-" : "", mille / 10, mille % 10);
}

/* What carriers do among themselves is no news; --json has it, too. */
static bool is_news(const struct report *r, int d)
{
	return r->drops[d] && d != DROP_SWALLOWED_SYN &&
	       d != DROP_SWALLOWED_ACK && d != DROP_STALE_MESSAGE;
}

static void put_drops(struct text *t, const struct report *r)
{
	bool any = r->tun_lost || r->socket_lost;

	for (int d = 1; d < DROP_COUNT; d++)
		any |= is_news(r, d);
	if (!any)
		return;
	text_add(t, "\n  not passed on\n");
	for (int d = 1; d < DROP_COUNT; d++)
		if (is_news(r, d))
			text_add(t, "  %10" PRIu64 "  %s\n", r->drops[d],
				 drop_sentence((enum drop)d));
	if (r->tun_lost)
		text_add(t, "  %10" PRIu64 "  refused by a TUN device\n",
			 r->tun_lost);
	if (r->socket_lost)
		text_add(t, "  %10" PRIu64 "  no room in a UDP socket\n",
			 r->socket_lost);
}

/* -- edge ------------------------------------------------------------------------ */

static void put_link(struct text *t, const struct report *r,
		     const struct link_status *s)
{
	char time[UNIT_TEXT], at[TADDR4_TEXT];

	if (s->up && s->rtt_ms)
		text_add(t, LABEL "up for %s, round trip %u ms\n", "link",
			 unit_time(time, r->now - s->since), s->rtt_ms);
	else if (s->up)
		text_add(t, LABEL "up for %s, round trip under 1 ms\n",
			 "link", unit_time(time, r->now - s->since));
	else
		text_add(t, LABEL "down, control is being reconnected\n",
			 "link");
	if (r->hub.port)
		text_add(t, LABEL "%s\n", "hub", taddr4_format(r->hub, at));
	if (r->io.uplink)
		text_add(t, LABEL "%s, interface MTU %u\n", "our address",
			 addr4_format(r->io.uplink, at), r->io.uplink_mtu);
	if (s->seen.addr)
		text_add(t, LABEL "%s\n", "seen by hub",
			 taddr4_format(s->seen, at));
}

static void put_path(struct text *t, const struct report *r,
		     const struct link_status *s)
{
	char notes[REPORT_NOTES][REPORT_NOTE];
	unsigned count = report_notes(r, s, notes);

	text_add(t, LABEL "%s\n", "in use", report_path(r, s));
	for (unsigned n = 0; n < count; n++)
		text_add(t, LABEL "%s\n", n ? "" : "note", notes[n]);
	if (s->mtu)
		text_add(t, LABEL "%u on the path; inner packets up to %u "
			 "own, %u shared\n", "MTU", s->mtu,
			 s->mtu + OWN_GAIN, s->mtu + SHARED_GAIN);
	else
		text_add(t, LABEL "not known yet\n", "MTU");
	text_add(t, LABEL "%u in use, budget %u\n", "own carriers",
		 s->own_active, s->own_budget);
}

static void put_traffic(struct text *t, const struct link_status *s)
{
	char a[UNIT_TEXT], b[UNIT_TEXT], c[UNIT_TEXT], d[UNIT_TEXT];

	text_add(t, "\n  %-9s %10s %9s %9s  %10s %9s %9s\n", "carrier", "sent",
		 "as IPv6", "on wire", "received", "as IPv6", "on wire");
	for (int v = 0; v < VIA_COUNT; v++) {
		const struct traffic *up = &s->sent[v], *down = &s->received[v];

		text_add(t, "  %-9s %10" PRIu64 " %9s %9s  %10" PRIu64
			 " %9s %9s\n", report_via((enum via)v),
			 up->packets, unit_bytes(a, up->inner_bytes),
			 unit_bytes(b, up->wire_bytes), down->packets,
			 unit_bytes(c, down->inner_bytes),
			 unit_bytes(d, down->wire_bytes));
	}
}

static void put_edge(struct text *t, const struct report *r)
{
	char prefix[PREFIX6_TEXT];
	struct link_status s = { .own_tcp = NOTE_COUNT };
	bool known = r->link(r->arg, 0, &s);
	struct report_sum sum = report_sum(&s);

	put_link(t, r, &s);
	text_add(t, LABEL "%s, inbound %s\n", "prefix",
		 prefix6_format(&r->conf->prefix, prefix),
		 *r->conf->inbound_text ? r->conf->inbound_text : "none");
	put_path(t, r, &s);
	text_add(t, LABEL "%u\n", "sessions", r->sessions);
	if (sum.native)
		put_saved(t, &sum);
	put_io(t, r);
	put_certificate(t, r);
	if (known)
		put_traffic(t, &s);
}

/* -- hub --------------------------------------------------------------------------- */

struct totals {
	struct report_sum sum;
	uint32_t known, up;
	int name, prefix;	/* widths */
};

static struct totals count_links(const struct report *r)
{
	struct totals all = { .name = 4, .prefix = 6 };
	char prefix[PREFIX6_TEXT];
	struct link_status s;

	for (uint32_t n = 0; n < r->conf->links; n++) {
		struct report_sum one;
		int width;

		if (!r->link(r->arg, n, &s))
			continue;
		one = report_sum(&s);
		all.known++;
		all.up += s.up;
		all.sum.sent += one.sent;
		all.sum.received += one.received;
		all.sum.native += one.native;
		all.sum.wire += one.wire;
		all.sum.saved += one.saved;
		width = (int)strlen(s.name);
		all.name = width > all.name ? width : all.name;
		width = (int)strlen(prefix6_format(&s.prefix, prefix));
		all.prefix = width > all.prefix ? width : all.prefix;
	}
	return all;
}

static void carriers_of(const struct link_status *s, char *to, size_t cap)
{
	const char *rest = s->shared_up ? "shared" : s->relay_up ? "relay" :
			   s->up ? "control" : "down";

	if (s->own_active)
		snprintf(to, cap, "%s+%u own", rest, s->own_active);
	else
		snprintf(to, cap, "%s", rest);
}

static void put_row(struct text *t, const struct report *r,
		    const struct totals *all, const struct link_status *s)
{
	char prefix[PREFIX6_TEXT], since[UNIT_TEXT], rtt[UNIT_TEXT],
	     carriers[32], sent[UNIT_TEXT], received[UNIT_TEXT];
	struct report_sum sum = report_sum(s);

	carriers_of(s, carriers, sizeof(carriers));
	snprintf(rtt, sizeof(rtt), s->rtt_ms ? "%u ms" : "<1 ms", s->rtt_ms);
	text_add(t, "  %-*s  %-*s  %10s  %7s  %-16s  %8u  %9s  %9s  %8"
		 PRIu64 "\n", all->name, s->name, all->prefix,
		 prefix6_format(&s->prefix, prefix),
		 unit_time(since, r->now - s->since), s->up ? rtt : "-",
		 carriers, s->sessions, unit_bytes(sent, sum.sent),
		 unit_bytes(received, sum.received), s->drops);
}

static void put_rows(struct text *t, const struct report *r,
		     const struct totals *all)
{
	struct link_status s;
	uint32_t left = all->known;

	if (!left)
		return;
	text_add(t, "\n  %-*s  %-*s  %10s  %7s  %-16s  %8s  %9s  %9s  %8s\n",
		 all->name, "edge", all->prefix, "prefix", "since", "RTT",
		 "carriers", "sessions", "sent", "received", "drops");
	for (uint32_t n = 0; n < r->conf->links; n++) {
		if (!r->link(r->arg, n, &s))
			continue;
		if (t->total > r->room)
			break;
		put_row(t, r, all, &s);
		left--;
	}
	if (left)
		text_add(t, "  and %u more\n", left);
}

static void put_hub(struct text *t, const struct report *r)
{
	char sent[UNIT_TEXT], received[UNIT_TEXT], prefix[PREFIX6_TEXT];
	struct totals all = count_links(r);

	text_add(t, LABEL "%u connected, %u known, %u sessions\n", "edges",
		 all.up, all.known, r->sessions);
	text_add(t, LABEL "%s, own carriers on ports %u-%u\n", "prefix",
		 prefix6_format(&r->conf->prefix, prefix), r->conf->port_lo,
		 r->conf->port_hi);
	if (all.sum.native) {
		text_add(t, LABEL "sent %s, received %s\n", "traffic",
			 unit_bytes(sent, all.sum.sent),
			 unit_bytes(received, all.sum.received));
		put_saved(t, &all.sum);
	}
	put_io(t, r);
	put_certificate(t, r);
	put_rows(t, r, &all);
}

/* -- sessions ------------------------------------------------------------------------ */

static const char *proto_name(uint8_t proto, char *to)
{
	switch (proto) {
	case 6: return "tcp";
	case 17: return "udp";
	case 58: return "icmp6";
	default:
		snprintf(to, 8, "%u", proto);
		return to;
	}
}

static void endpoint(const struct session_status *s, bool host, char *to)
{
	char text[ADDR6_TEXT];
	uint16_t port = host ? s->host_port : s->peer_port;

	addr6_format(host ? &s->host : &s->peer, text);
	if (s->proto == 6 || s->proto == 17)
		snprintf(to, ENDPOINT_TEXT, "[%s]:%u", text, port);
	else
		snprintf(to, ENDPOINT_TEXT, "%s", text);
}

/* Widths of the widest endpoints. */
static void measure(const struct report *r, int *host, int *peer)
{
	char text[ENDPOINT_TEXT];
	struct session_status s;

	*host = *peer = 4;
	for (uint32_t n = 0; n < r->conf->sessions; n++) {
		int width;

		if (!r->session(r->arg, n, &s))
			continue;
		endpoint(&s, true, text);
		width = (int)strlen(text);
		*host = width > *host ? width : *host;
		endpoint(&s, false, text);
		width = (int)strlen(text);
		*peer = width > *peer ? width : *peer;
	}
}

static void put_sessions(struct text *t, const struct report *r)
{
	char host[ENDPOINT_TEXT], peer[ENDPOINT_TEXT], idle[UNIT_TEXT],
	     proto[8];
	uint32_t left = r->sessions;
	struct session_status s;
	int wide, far;

	measure(r, &wide, &far);
	text_add(t, "\n  %-6s %-*s    %-*s  %-8s  %9s\n", "proto", wide, "host",
		 far, "peer", "carrier", "idle");
	for (uint32_t n = 0; n < r->conf->sessions && left; n++) {
		if (!r->session(r->arg, n, &s))
			continue;
		if (t->total > r->room)
			break;
		endpoint(&s, true, host);
		endpoint(&s, false, peer);
		text_add(t, "  %-6s %-*s %s %-*s  %-8s  %9s\n",
			 proto_name(s.proto, proto), wide, host,
			 s.inbound ? "<-" : "->", far, peer,
			 report_via(s.via), unit_time(idle, s.idle));
		left--;
	}
	if (left)
		text_add(t, "  and %u more\n", left);
}

void report_text(struct text *t, const struct report *r, bool sessions)
{
	put_head(t, r);
	if (r->conf->role == ROLE_EDGE)
		put_edge(t, r);
	else
		put_hub(t, r);
	put_drops(t, r);
	if (sessions)
		put_sessions(t, r);
}
