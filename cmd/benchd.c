/* SPDX-License-Identifier: MIT
 *
 * benchd.c - the daemons' part in `unmap bench`
 *
 * Theory of operation
 * ===================
 * Edge: one wish at a time. It is known by a random number, lives as long as
 * the client of the local socket, and is ended at the hub when that is gone.
 * Hub: every request over control is from an edge that proved who it is; what
 * it may have is --bench's.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/answer.h"
#include "cmd/benchd.h"
#include "cmd/benchserve.h"
#include "cmd/report.h"
#include "crypto/random.h"

enum { ANSWER_MS = 4000, REPLY = 1024 };

/* The edge's one wish; @client NULL: none. */
static struct {
	struct local_client *client;
	uint32_t id;
	msec until;
	bool offered;
} wish;

static uint32_t allowed_mbit;

void benchd_allow(uint32_t mbit)
{
	allowed_mbit = mbit;
}

/* -- edge ---------------------------------------------------------------------- */

static void say(struct local_client *c, struct text *t, bool last)
{
	if (local_write(c, t->at, t->len) && last)
		local_finish(c);
}

static void refuse(struct local_client *c, const char *why)
{
	char line[REPLY];
	struct text t = { .at = line, .cap = sizeof(line) };

	text_add(&t, "error %s\n", why);
	say(c, &t, true);
}

static void tell_hub(struct daemon *d, uint8_t type)
{
	struct bench_note n = { .type = type, .id = wish.id };
	uint8_t body[BENCH_BODY];

	engine_bench(d->engine, 0,
		     (struct span){ body, bench_write(body, &n) });
}

static void counters(struct local_client *c, struct daemon *d)
{
	struct link_status s = { 0 };
	char lines[REPLY];
	struct text t = { .at = lines, .cap = sizeof(lines) };

	engine_pull(d->engine, loop_now());
	engine_link(d->engine, 0, &s);
	text_add(&t, "mtu %u %u %u\n", s.mtu, s.mtu_up, s.mtu_down);
	for (int v = 0; v < VIA_COUNT; v++) {
		const struct traffic *up = &s.sent[v], *down = &s.received[v];

		text_add(&t, "%s %llu %llu %llu %llu %llu %llu\n",
			 report_via((enum via)v),
			 (unsigned long long)up->packets,
			 (unsigned long long)up->inner_bytes,
			 (unsigned long long)up->wire_bytes,
			 (unsigned long long)down->packets,
			 (unsigned long long)down->inner_bytes,
			 (unsigned long long)down->wire_bytes);
	}
	say(c, &t, true);
}

void benchd_request(struct local_client *c, struct daemon *d, const char *rest)
{
	struct link_status s;

	if (d->conf.role != ROLE_EDGE) {
		refuse(c, "this is a hub: run `unmap bench` where the edge is");
	} else if (!strcmp(rest, "counters")) {
		counters(c, d);
	} else if (wish.client) {
		refuse(c, "another bench of this edge is running: wait for it");
	} else if (!engine_link(d->engine, 0, &s) || !s.up) {
		refuse(c, "no connection to the hub: see `unmap status`");
	} else {
		wish.client = c;
		wish.offered = false;
		wish.until = loop_now() + ANSWER_MS;
		random_bytes(&wish.id, sizeof(wish.id));
		tell_hub(d, BENCH_REQUEST);
		daemon_drain(d);
	}
}

void benchd_gone(struct daemon *d, const struct local_client *c)
{
	if (wish.client != c)
		return;
	wish.client = NULL;
	tell_hub(d, BENCH_END);
	daemon_drain(d);
}

static void offered(struct daemon *d, const struct bench_note *n)
{
	char lines[REPLY], self[ADDR6_TEXT], hub[ADDR6_TEXT], bare[ADDR4_TEXT];
	struct text t = { .at = lines, .cap = sizeof(lines) };

	text_add(&t, "self %s\n", addr6_format(&d->conf.self, self));
	text_add(&t, "inside %s %u %u\n", addr6_format(&n->self, hub),
		 n->tcp6, n->udp6);
	text_add(&t, "bare %s %u %u\n", addr4_format(answer_hub(d).addr, bare),
		 n->tcp4, n->udp4);
	text_add(&t, "limit %u\ntoken ", n->mbit);
	for (int i = 0; i < BENCH_TOKEN; i++)
		text_add(&t, "%02x", n->token[i]);
	text_add(&t, "\nready\n");
	wish.offered = true;
	wish.until = loop_now() + BENCH_LIFE_MS;
	say(wish.client, &t, false);
}

static void refused(uint8_t reason)
{
	struct local_client *c = wish.client;

	wish.client = NULL;
	switch (reason) {
	case BENCH_NOT_ALLOWED:
		refuse(c, "the hub does not allow it (hub --bench)");
		break;
	case BENCH_BUSY:
		refuse(c, "the hub is busy with other benches: try later");
		break;
	default:
		refuse(c, "the hub could not open a listener; see its log");
		break;
	}
}

/* -- hub ------------------------------------------------------------------------ */

static void serve(struct daemon *d, uint32_t link, uint32_t id)
{
	struct bench_plan p = { .loop = &d->loop, .link = link, .id = id,
		.mbit = allowed_mbit, .self = d->conf.self,
		.listen = d->udp[0].at.addr };
	struct bench_note offer;
	uint8_t body[BENCH_BODY];
	struct link_status s;

	benchserve_open(&p, &offer, loop_now());
	if (offer.type == BENCH_OFFER && engine_link(d->engine, link, &s))
		log_info("bench edge=%s mbit=%u", s.name, p.mbit);
	engine_bench(d->engine, link,
		     (struct span){ body, bench_write(body, &offer) });
}

/* -- both ------------------------------------------------------------------------ */

void benchd_message(struct daemon *d, uint32_t link, struct span body)
{
	bool hub = d->conf.role == ROLE_HUB;
	struct bench_note n;

	if (!bench_read(&n, body))
		return;
	if (hub && n.type == BENCH_REQUEST)
		serve(d, link, n.id);
	else if (hub && n.type == BENCH_END)
		benchserve_end(link, n.id);
	if (hub || !wish.client || wish.offered || n.id != wish.id)
		return;
	if (n.type == BENCH_OFFER)
		offered(d, &n);
	else if (n.type == BENCH_REFUSE)
		refused(n.reason);
}

void benchd_tick(struct daemon *d, msec now)
{
	struct local_client *c = wish.client;

	benchserve_tick(now);
	if (!c || now < wish.until)
		return;
	if (wish.offered) {
		local_finish(c);
		return;
	}
	wish.client = NULL;
	tell_hub(d, BENCH_END);
	daemon_drain(d);
	refuse(c, "the hub did not answer: is it older than this edge?");
}

msec benchd_deadline(const struct daemon *d)
{
	msec due = benchserve_deadline();

	(void)d;
	if (wish.client && wish.until < due)
		due = wish.until;
	return due;
}

void benchd_close(struct daemon *d)
{
	(void)d;
	wish.client = NULL;
	benchserve_end_all();
}
