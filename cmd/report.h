/* SPDX-License-Identifier: MIT
 *
 * report.h - what `unmap status` shows, as text and as JSON
 *
 * JSON keys are an interface: they are listed at the head of report_json.c,
 * only added to, never renamed.
 */
#ifndef CMD_REPORT_H
#define CMD_REPORT_H

#include "cmd/text.h"
#include "core/engine.h"

enum { REPORT_NOTES = 4, REPORT_NOTE = 160, REPORT_WARN_DAYS = 60 };

/* beside TUN_*: the socket of the shared carrier sends, gets trains */
enum { REPORT_SEGMENT = 1 << 16, REPORT_GRO = 1 << 17 };

/** struct report_io - how packets come and go
 * @capture, @output, @fast: mode, NULL: none; @capture_why, @output_why,
 *	@fast_why: why not a better one, "" if it is the best
 * @fast_sessions: that the kernel translates
 * @uplink: our address there, 0: no uplink
 */
struct report_io {
	const char *capture, *capture_why, *output, *output_why;
	const char *fast, *fast_why;
	uint32_t fast_sessions;
	const char *inner, *outer;
	unsigned features;		/* TUN_*, REPORT_* */
	uint32_t uplink, uplink_mtu;
};

/** struct report - a daemon at one moment
 * @hub: edge: where control goes, port 0 if nowhere
 * @expires: of the certificate, seconds; @now_s: wall clock
 * @link, @session: as engine_link() and engine_session(), with @arg
 * @room: bytes that a reply may have
 */
struct report {
	const char *program, *name;
	long pid;
	msec now, started;
	const struct engine_conf *conf;
	struct report_io io;
	struct taddr4 hub;
	int64_t expires, now_s;
	uint32_t sessions;
	uint64_t drops[DROP_COUNT], tun_lost, socket_lost;
	bool (*link)(void *arg, uint32_t n, struct link_status *s);
	bool (*session)(void *arg, uint32_t n, struct session_status *s);
	void *arg;
	uint64_t room;
};

/** report_text(), report_json() - All of it; @sessions: and a row for each */
void report_text(struct text *t, const struct report *r, bool sessions);
void report_json(struct text *t, const struct report *r, bool sessions);

/* What both forms are made of. */

/** struct report_sum - a link's traffic, all carriers together */
struct report_sum {
	uint64_t sent, received, native, wire;
	int64_t saved;
};
struct report_sum report_sum(const struct link_status *s);
const char *report_via(enum via v);
/** report_path() - What packets go on now: "own and shared carriers" */
const char *report_path(const struct report *r, const struct link_status *s);
/** report_notes() - Why not a faster path, and what to look at
 * Return: how many of @to were filled
 */
unsigned report_notes(const struct report *r, const struct link_status *s,
		      char to[REPORT_NOTES][REPORT_NOTE]);
/** report_days() - Until the certificate ends; negative: since it has */
int64_t report_days(const struct report *r);
/** report_feature() - Name of the @n-th of the features, NULL if there are
 * fewer; "" if the kernel does not have it
 */
const char *report_feature(const struct report *r, unsigned n);

#endif
