/* SPDX-License-Identifier: MIT
 *
 * bench.c - measures an edge's link to its hub, beside the bare IPv4 path
 *
 * Theory of operation
 * ===================
 * The edge asks its hub for a listener and keeps it open as long as our
 * connection to its local socket lives. We then measure from the edge's own
 * address, so that the packets take the tunnel like any host's, and the same
 * once more over plain IPv4 to the hub. The edge's counters before and after
 * tell what a packet costs on each carrier. Terms are RFC 9693's.
 *
 * JSON: edge, limit_mbit, path_mtu (smaller of path_mtu_up, path_mtu_down),
 * mtu {own, shared}, carriers {own, shared,
 * explicit, relay: {sent, received: {packets, native_bytes, wire_bytes}}},
 * tunnel PATH, bare PATH or null. PATH: setup_ms, setups, connections_per_s,
 * idle_tcp_ms, idle_udp_ms, download_bps, upload_bps, download_loaded_ms,
 * upload_loaded_ms; null: not measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/ask.h"
#include "cmd/benchrun.h"
#include "cmd/commands.h"
#include "cmd/json.h"
#include "cmd/options.h"
#include "cmd/report.h"

enum { REPLY = 2048, OUT = 8192, OWN_GAIN = 20, SHARED_GAIN = 8 };

/** struct counters - the edge's, at one moment */
struct counters {
	unsigned mtu, mtu_up, mtu_down;
	struct traffic sent[VIA_COUNT], received[VIA_COUNT];
};

struct bench {
	const char *edge;
	unsigned limit;
	struct bench_path path[2];	/* tunnel, bare */
	struct bench_result result[2];
	struct counters before, after;
};

/* -- the edge ---------------------------------------------------------------------- */

/* The reply up to the end, or to "ready"; what is not a reply is an error. */
static void read_reply(int fd, char reply[static REPLY], const char *edge)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < REPLY - 1) {
		reply[len] = '\0';
		if (strstr(reply, "\nready\n"))
			break;
		n = read(fd, reply + len, REPLY - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	reply[len] = '\0';
	if (n < 0 || !len)
		die(EX_UNAVAILABLE, "%s does not answer: %s", edge,
		    n < 0 ? strerror(errno) : "it closed the connection");
	if (!strncmp(reply, "error ", 6))
		die(EX_UNAVAILABLE, "%s: %.*s", edge,
		    (int)strcspn(reply + 6, "\n"), reply + 6);
}

static int ask(const struct local_entry *e, const char *line,
	       char reply[static REPLY])
{
	int fd = local_ask(e->path, line);

	if (fd < 0)
		ask_failed(e, -fd);
	read_reply(fd, reply, e->name);
	return fd;
}

static bool read_token(uint8_t *to, const char *hex)
{
	for (int i = 0; i < BENCH_TOKEN; i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		to[i] = (uint8_t)byte;
	}
	return true;
}

/* Fill in both paths from the edge's reply. */
static bool read_offer(struct bench *b, const char *reply)
{
	struct bench_path *in = &b->path[0], *bare = &b->path[1];
	char self[64], hub6[64], hub4[64], token[64];
	unsigned tcp6, udp6, tcp4, udp4;

	if (sscanf(reply, "self %63s inside %63s %u %u bare %63s %u %u "
		   "limit %u token %63s", self, hub6, &tcp6, &udp6, hub4,
		   &tcp4, &udp4, &b->limit, token) != 9 ||
	    strlen(token) != 2 * BENCH_TOKEN)
		return false;
	*in = (struct bench_path){ .name = "tunnel" };
	*bare = (struct bench_path){ .name = "bare" };
	in->source.a6.sin6_family = in->tcp.a6.sin6_family = AF_INET6;
	bare->tcp.a4.sin_family = AF_INET;
	if (inet_pton(AF_INET6, self, &in->source.a6.sin6_addr) != 1 ||
	    inet_pton(AF_INET6, hub6, &in->tcp.a6.sin6_addr) != 1 ||
	    inet_pton(AF_INET, hub4, &bare->tcp.a4.sin_addr) != 1)
		return false;
	in->udp = in->tcp;
	bare->udp = bare->tcp;
	in->tcp.a6.sin6_port = htons((uint16_t)tcp6);
	in->udp.a6.sin6_port = htons((uint16_t)udp6);
	bare->tcp.a4.sin_port = htons((uint16_t)tcp4);
	bare->udp.a4.sin_port = htons((uint16_t)udp4);
	return read_token(in->token, token) && read_token(bare->token, token);
}

static void read_counters(const struct local_entry *e, struct counters *c)
{
	char reply[REPLY], *line;
	int fd = ask(e, "bench counters", reply), v = 0;

	close(fd);
	memset(c, 0, sizeof(*c));
	sscanf(reply, "mtu %u %u %u", &c->mtu, &c->mtu_up, &c->mtu_down);
	line = strchr(reply, '\n');
	for (; line && v < VIA_COUNT; line = strchr(line + 1, '\n'), v++) {
		unsigned long long n[6];

		if (sscanf(line + 1, "%*s %llu %llu %llu %llu %llu %llu", &n[0],
			   &n[1], &n[2], &n[3], &n[4], &n[5]) != 6)
			return;
		c->sent[v] = (struct traffic){ n[0], n[1], n[2] };
		c->received[v] = (struct traffic){ n[3], n[4], n[5] };
	}
}

/* -- the steps ----------------------------------------------------------------------- */

static void progress(const char *what, const char *path)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (what)
		fprintf(stderr, "\r\033[K%s, %s", what, path);
	else
		fputs("\r\033[K", stderr);
}

/* In turns over both paths, so that a change of weather meets both. */
static void measure(struct bench *b)
{
	static const struct {
		const char *what;
		void (*run)(const struct bench_path *p, struct bench_result *r);
	} steps[] = {
		{ "connection set-up", benchrun_setup },
		{ "delay", benchrun_delay },
		{ "download", benchrun_down },
		{ "upload", benchrun_up },
		{ "connection rate", benchrun_rate },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		for (int p = 0; p < 2; p++) {
			if (i && !b->result[p].reached)
				continue;
			progress(steps[i].what, b->path[p].name);
			steps[i].run(&b->path[p], &b->result[p]);
		}
	}
	progress(NULL, NULL);
}

/* -- for people ------------------------------------------------------------------------ */

static void put_cells(struct text *t, const char *what,
		      char cell[2][UNIT_TEXT])
{
	text_add(t, "  %-22s %14s %14s\n", what, cell[0], cell[1]);
}

static void put_speed(struct text *t, const char *what,
		      const struct bench_flow *a, const struct bench_flow *b)
{
	const struct bench_flow *f[2] = { a, b };
	char cell[2][UNIT_TEXT];

	for (int p = 0; p < 2; p++) {
		unsigned long long kbit = bench_bps(f[p]) / 1000;

		if (kbit)
			snprintf(cell[p], UNIT_TEXT, "%llu.%llu Mbit/s",
				 kbit / 1000, kbit % 1000 / 100);
		else
			snprintf(cell[p], UNIT_TEXT, "-");
	}
	put_cells(t, what, cell);
}

static void put_delay(struct text *t, const char *what,
		      const struct bench_delay *a, const struct bench_delay *b)
{
	const struct bench_delay *d[2] = { a, b };
	char cell[2][UNIT_TEXT];

	for (int p = 0; p < 2; p++)
		if (d[p]->count)
			snprintf(cell[p], UNIT_TEXT, "%u.%02u ms",
				 d[p]->median / 1000,
				 d[p]->median % 1000 / 10);
		else
			snprintf(cell[p], UNIT_TEXT, "-");
	put_cells(t, what, cell);
}

static void put_rate(struct text *t, const struct bench_result *r)
{
	char cell[2][UNIT_TEXT];

	for (int p = 0; p < 2; p++)
		snprintf(cell[p], UNIT_TEXT, r[p].rate ? "%u/s" : "-",
			 r[p].rate);
	put_cells(t, "connection rate", cell);
}

static void put_carrier(struct text *t, const char *name, const char *dir,
			const struct traffic *a, const struct traffic *b)
{
	unsigned long long n = b->packets - a->packets;
	unsigned long long native = b->inner_bytes - a->inner_bytes;
	unsigned long long wire = b->wire_bytes - a->wire_bytes;

	if (n)
		text_add(t, "  %-9s %-9s %10llu %12llu %12llu %+8lld\n", name,
			 dir, n, (native + n / 2) / n, (wire + n / 2) / n,
			 ((long long)wire - (long long)native) / (long long)n);
}

static void put_carriers(struct text *t, const struct bench *b)
{
	text_add(t, "\n  %-9s %-9s %10s %12s %12s %8s\n", "carrier", "",
		 "packets", "as IPv6", "on wire", "bytes");
	for (int v = 0; v < VIA_COUNT; v++) {
		put_carrier(t, report_via((enum via)v), "sent",
			    &b->before.sent[v], &b->after.sent[v]);
		put_carrier(t, report_via((enum via)v), "received",
			    &b->before.received[v], &b->after.received[v]);
	}
}

/* Largest packets per direction and carrier; what is used is the smaller. */
static void put_mtu(struct text *t, const struct counters *c)
{
	const unsigned mtu[2] = { c->mtu_up, c->mtu_down };

	if (!c->mtu) {
		text_add(t, "\n  MTU of the path not known yet\n");
		return;
	}
	text_add(t, "\n  %-20s  %10s  %10s  %10s\n", "MTU", "path", "own",
		 "shared");
	for (int d = 0; d < 2; d++)
		text_add(t, "  %-20s  %10u  %10u  %10u\n",
			 d ? "download" : "upload", mtu[d], mtu[d] + OWN_GAIN,
			 mtu[d] + SHARED_GAIN);
}

static void put_text(struct text *t, const struct bench *b)
{
	const struct bench_result *r = b->result;

	text_add(t, "%s: through the tunnel, and the bare IPv4 path to the "
		 "hub\n\n  %-22s %14s %14s\n", b->edge, "", "tunnel", "bare");
	put_speed(t, "download", &r[0].down, &r[1].down);
	put_speed(t, "upload", &r[0].up, &r[1].up);
	put_delay(t, "delay idle, TCP", &r[0].tcp, &r[1].tcp);
	put_delay(t, "delay idle, UDP", &r[0].udp, &r[1].udp);
	put_delay(t, "delay downloading", &r[0].down.loaded,
		  &r[1].down.loaded);
	put_delay(t, "delay uploading", &r[0].up.loaded, &r[1].up.loaded);
	put_delay(t, "connection set-up", &r[0].setup, &r[1].setup);
	put_rate(t, r);
	put_carriers(t, b);
	put_mtu(t, &b->after);
	text_add(t, "  delays are medians; the hub serves at most %u Mbit/s "
		 "(hub --bench)\n", b->limit);
	if (!r[1].reached)
		text_add(t, "  the bare path could not be measured: a firewall "
			 "before the hub lets only its own ports in\n");
}

/* -- for programs ------------------------------------------------------------------------ */

static void json_delay(struct json *j, const char *key,
		       const struct bench_delay *d)
{
	if (d->count)
		json_milli(j, key, d->median);
	else
		json_null(j, key);
}

static void json_count(struct json *j, const char *key, uint64_t value)
{
	if (value)
		json_u64(j, key, value);
	else
		json_null(j, key);
}

static void json_path(struct json *j, const char *key,
		      const struct bench_result *r)
{
	if (!r->reached) {
		json_null(j, key);
		return;
	}
	json_begin(j, key, '{');
	json_delay(j, "setup_ms", &r->setup);
	json_u64(j, "setups", r->setup.count);
	json_count(j, "connections_per_s", r->rate);
	json_delay(j, "idle_tcp_ms", &r->tcp);
	json_delay(j, "idle_udp_ms", &r->udp);
	json_count(j, "download_bps", bench_bps(&r->down));
	json_count(j, "upload_bps", bench_bps(&r->up));
	json_delay(j, "download_loaded_ms", &r->down.loaded);
	json_delay(j, "upload_loaded_ms", &r->up.loaded);
	json_end(j);
}

static void json_traffic(struct json *j, const char *key,
			 const struct traffic *a, const struct traffic *b)
{
	json_begin(j, key, '{');
	json_u64(j, "packets", b->packets - a->packets);
	json_u64(j, "native_bytes", b->inner_bytes - a->inner_bytes);
	json_u64(j, "wire_bytes", b->wire_bytes - a->wire_bytes);
	json_end(j);
}

static void put_json(struct text *t, const struct bench *b)
{
	struct json j = { .to = t };
	unsigned mtu = b->after.mtu;

	json_begin(&j, NULL, '{');
	json_text(&j, "edge", b->edge);
	json_u64(&j, "limit_mbit", b->limit);
	json_count(&j, "path_mtu", mtu);
	json_count(&j, "path_mtu_up", b->after.mtu_up);
	json_count(&j, "path_mtu_down", b->after.mtu_down);
	json_begin(&j, "mtu", '{');
	json_count(&j, "own", mtu ? mtu + OWN_GAIN : 0);
	json_count(&j, "shared", mtu ? mtu + SHARED_GAIN : 0);
	json_end(&j);
	json_begin(&j, "carriers", '{');
	for (int v = 0; v < VIA_COUNT; v++) {
		json_begin(&j, report_via((enum via)v), '{');
		json_traffic(&j, "sent", &b->before.sent[v], &b->after.sent[v]);
		json_traffic(&j, "received", &b->before.received[v],
			     &b->after.received[v]);
		json_end(&j);
	}
	json_end(&j);
	json_path(&j, "tunnel", &b->result[0]);
	json_path(&j, "bare", &b->result[1]);
	json_end(&j);
	text_bytes(t, "\n", 1);
}

/* -- main ---------------------------------------------------------------------------------- */

static void choose(struct local_entry *all, const char *wanted)
{
	int count = ask_find(all, wanted);

	if (count == 1)
		return;
	die(EX_USAGE, "%d daemons are running: name one of those that "
	    "`unmap status` lists", count);
}

int bench_main(int argc, char **argv)
{
	static struct bench b;
	struct bench_opts o = { 0 };
	struct local_entry all[LOCAL_LIST];
	char reply[REPLY], out[OUT];
	struct text t = { .at = out, .cap = sizeof(out) };
	int fd, operands = opts_parse(&bench_program, &o, argc, argv);

	choose(all, operands ? argv[1] : NULL);
	b.edge = all[0].name;
	fd = ask(all, "bench", reply);
	if (!read_offer(&b, reply))
		die(EX_PROTOCOL, "%s answers what we do not understand: is it "
		    "of another version?", b.edge);
	read_counters(all, &b.before);
	measure(&b);
	read_counters(all, &b.after);
	close(fd);
	if (!b.result[0].reached)
		die(EX_UNAVAILABLE, "%s: the hub's listener is not reached "
		    "through the tunnel: see `unmap status`", b.edge);
	if (o.json)
		put_json(&t, &b);
	else
		put_text(&t, &b);
	fwrite(out, 1, t.len, stdout);
	if (fflush(stdout) || ferror(stdout))
		die(EX_IOERR, "cannot write: %s", strerror(errno));
	return EX_OK;
}
