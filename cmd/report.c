/* SPDX-License-Identifier: MIT
 *
 * report.c - what both forms of a status report are made of
 *
 * Theory of operation
 * ===================
 * Here numbers become judgements: which carriers are in use, and why not the
 * faster ones. The order of the notes is the order in which they matter; a
 * note says what to do where something can be done.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/report.h"
#include "net/tun.h"

struct report_sum report_sum(const struct link_status *s)
{
	struct report_sum sum = { 0 };

	for (int v = 0; v < VIA_COUNT; v++) {
		const struct traffic *up = &s->sent[v], *down = &s->received[v];

		sum.sent += up->inner_bytes;
		sum.received += down->inner_bytes;
		sum.wire += up->wire_bytes + down->wire_bytes;
	}
	sum.native = sum.sent + sum.received;
	sum.saved = (int64_t)(sum.native - sum.wire);
	return sum;
}

const char *report_via(enum via v)
{
	switch (v) {
	case VIA_OWN: return "own";
	case VIA_SHARED: return "shared";
	case VIA_EXPLICIT: return "explicit";
	case VIA_RELAY: return "relay";
	case VIA_COUNT: break;
	}
	return "none";
}

static bool own_wanted(const struct report *r)
{
	return r->conf->carriers == CARRIERS_AUTO ||
	       r->conf->carriers == CARRIERS_OWN;
}

const char *report_path(const struct report *r, const struct link_status *s)
{
	bool own = own_wanted(r) && s->own_tcp == NOTE_OWN_UP;

	if (own)
		return s->shared_up ? "own and shared carriers" :
		       s->relay_up ? "own carriers and relay" : "own carriers";
	if (s->shared_up)
		return own_wanted(r) && s->own_active ?
		       "shared carrier, own UDP carriers" : "shared carrier";
	return s->relay_up ? "relay" : s->up ? "none yet" : "none";
}

/* Own carriers: wanted, possible, tried, good? */
static unsigned own_note(const struct report *r, const struct link_status *s,
			 char *to)
{
	if (!own_wanted(r))
		snprintf(to, REPORT_NOTE, "own carriers are not wanted "
			 "(--carriers)");
	else if (!r->io.capture)
		snprintf(to, REPORT_NOTE, "own carriers are off: nothing "
			 "captures their packets; see the log");
	else if (s->own_tcp == NOTE_OWN_SILENT)
		snprintf(to, REPORT_NOTE, "own carriers do not confirm: is "
			 "%u-%u open at the hub?", r->conf->port_lo,
			 r->conf->port_hi);
	else if (s->own_tcp == NOTE_OWN_ALTERED)
		snprintf(to, REPORT_NOTE, "own TCP is off: something on the "
			 "path alters TCP; tried again hourly");
	else if (s->own_tcp != NOTE_OWN_UP && s->up)
		snprintf(to, REPORT_NOTE, "own TCP carriers are not confirmed "
			 "yet");
	else
		return 0;
	return 1;
}

static unsigned shared_note(const struct report *r, const struct link_status *s,
			    char *to)
{
	if (!s->up || s->shared_up || r->conf->carriers == CARRIERS_RELAY)
		return 0;
	if (r->conf->role == ROLE_EDGE)
		snprintf(to, REPORT_NOTE, "UDP does not get through: is UDP "
			 "port %u open at the hub?", r->hub.port);
	else
		snprintf(to, REPORT_NOTE, "UDP does not get through");
	return 1;
}

unsigned report_notes(const struct report *r, const struct link_status *s,
		      char to[REPORT_NOTES][REPORT_NOTE])
{
	unsigned n = 0;

	if (!s->up)
		snprintf(to[n++], REPORT_NOTE, s->shared_up || s->own_active ?
			 "no control connection; carriers go on without it" :
			 "no control connection");
	n += shared_note(r, s, to[n]);
	n += own_note(r, s, to[n]);
	return n;
}

int64_t report_days(const struct report *r)
{
	int64_t left = r->expires - r->now_s, day = 86400;

	return left >= 0 ? left / day : -((-left + day - 1) / day);
}

const char *report_feature(const struct report *r, unsigned n)
{
	static const struct {
		unsigned bits;
		const char *name;
	} all[] = {
		{ TUN_CSUM, "checksum" }, { TUN_TSO4, "tso4" },
		{ TUN_TSO6, "tso6" }, { TUN_USO4, "uso4" },
		{ TUN_USO6, "uso6" }, { REPORT_SEGMENT, "udp-segment" },
		{ REPORT_GRO, "udp-gro" },
	};

	if (n >= sizeof(all) / sizeof(*all))
		return NULL;
	return r->io.features & all[n].bits ? all[n].name : "";
}
