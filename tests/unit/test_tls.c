/* SPDX-License-Identifier: MIT
 *
 * test_tls.c - edge and hub against each other in memory
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/pem.h"
#include "crypto/random.h"
#include "crypto/tls.h"
#include "tests/unit/pki_fixture.h"

static struct fixture_ca ca, other_ca;
static struct bundle hub, alice;
static struct tls client, server;
static struct revoked revoked;

static void setup(void)
{
	fixture_ca(&ca, "unmap CA 1");
	fixture_ca(&other_ca, "unmap CA 2");
	fixture_bundle(&hub, &ca, "hub");
	fixture_bundle(&alice, &ca, "alice");
	memset(&revoked, 0, sizeof(revoked));
}

/* Bytes that @from has for @to, at most @most at a time; false if none. A bit
 * is flipped in the byte that @spoil counts down to.
 */
static bool move(struct tls *from, struct tls *to, size_t most, long *spoil)
{
	size_t len, cap;
	const uint8_t *out;
	uint8_t *in;

	if (!(tls_state(from) & TLS_NET_OUT) || !(tls_state(to) & TLS_NET_IN))
		return false;
	out = tls_net_out(from, &len);
	in = tls_net_in(to, &cap);
	ck_assert(out && in && len && cap);
	len = len < cap ? len : cap;
	len = len < most ? len : most;
	memcpy(in, out, len);
	if (*spoil >= 0 && *spoil < (long)len)
		in[*spoil] ^= 0x10;
	*spoil -= (long)len;
	tls_net_out_done(from, len);
	tls_net_in_done(to, len);
	return true;
}

static void give_alert(const struct tls *from, struct tls *to, int want)
{
	uint8_t alert[TLS_ALERT_LEN];
	size_t cap, len = tls_alert(from, alert);
	uint8_t *in;

	if (want < 0) {
		ck_assert_uint_eq(len, 0);
		return;
	}
	ck_assert_uint_eq(len, TLS_ALERT_LEN);
	ck_assert_uint_eq(alert[0], 21);
	ck_assert_int_eq(alert[6], want);
	in = tls_net_in(to, &cap);
	ck_assert(in && cap >= 5);
	memcpy(in, alert, 5);
	tls_net_in_done(to, 5);
	in = tls_net_in(to, &cap);
	ck_assert(in && cap >= 2);
	memcpy(in, alert + 5, 2);
	tls_net_in_done(to, 2);
	ck_assert_uint_eq(tls_state(to), TLS_CLOSED);
	ck_assert_uint_eq(tls_alert(to, alert), 0);
}

static void pump(size_t most)
{
	long sound = -1;

	while (move(&client, &server, most, &sound) ||
	       move(&server, &client, most, &sound))
		sound = -1;
}

static void handshake(const struct bundle *c, const struct bundle *s,
		      size_t most)
{
	ck_assert(tls_client_start(&client, c));
	ck_assert(tls_server_start(&server, s, &revoked));
	ck_assert_ptr_null(tls_peer(&client));
	pump(most);
}

static void send_text(struct tls *from, struct tls *to, const char *text)
{
	size_t cap, len;
	uint8_t *out = tls_app_out(from, &cap);
	const uint8_t *in;

	ck_assert(out && cap >= strlen(text));
	memcpy(out, text, strlen(text));
	tls_app_out_done(from, strlen(text));
	tls_flush(from);
	pump(SIZE_MAX);
	in = tls_app_in(to, &len);
	ck_assert_ptr_nonnull(in);
	ck_assert_uint_eq(len, strlen(text));
	ck_assert_mem_eq(in, text, len);
	tls_app_in_done(to, len);
}

START_TEST(both_know_each_other)
{
	static const size_t most[] = { SIZE_MAX, 1, 7, 100 };
	const struct identity *id;

	handshake(&alice, &hub, most[_i]);
	ck_assert_str_eq(tls_error(&client), "");
	ck_assert_str_eq(tls_error(&server), "");
	id = tls_peer(&server);
	ck_assert_ptr_nonnull(id);
	ck_assert_str_eq(id->name, "alice");
	ck_assert(!id->is_hub);
	ck_assert(!memcmp(&id->prefix, &alice.id.prefix, sizeof(id->prefix)));
	ck_assert_int_eq(id->not_after, FIXTURE_LATER);
	ck_assert_uint_eq(id->serial_len, CERT_SERIAL_LEN);
	ck_assert_mem_eq(id->serial, alice.id.serial, CERT_SERIAL_LEN);
	id = tls_peer(&client);
	ck_assert_ptr_nonnull(id);
	ck_assert(id->is_hub);
	ck_assert_str_eq(id->name, "hub");
	ck_assert_uint_eq(id->prefix.len, 48);
	ck_assert(tls_state(&client) & TLS_APP_OUT);
	send_text(&client, &server, "up");
	send_text(&server, &client, "down");
}
END_TEST

START_TEST(data_of_many_records)
{
	static uint8_t sent[300000], got[300000];
	size_t put = 0, taken = 0, len;
	long sound = -1;
	const uint8_t *in;
	uint8_t *out;

	random_bytes(sent, sizeof(sent));
	handshake(&alice, &hub, SIZE_MAX);
	while (taken < sizeof(sent)) {
		out = tls_app_out(&server, &len);
		if (out && put < sizeof(sent)) {
			len = len < sizeof(sent) - put ? len : sizeof(sent) - put;
			memcpy(out, sent + put, len);
			tls_app_out_done(&server, len);
			put += len;
			tls_flush(&server);
		}
		move(&server, &client, 1000, &sound);
		sound = -1;
		in = tls_app_in(&client, &len);
		if (in) {
			memcpy(got + taken, in, len);
			tls_app_in_done(&client, len);
			taken += len;
		}
	}
	ck_assert_mem_eq(sent, got, sizeof(sent));
}
END_TEST

START_TEST(goodbye_is_no_error)
{
	handshake(&alice, &hub, SIZE_MAX);
	tls_close(&client);
	pump(SIZE_MAX);
	ck_assert_uint_eq(tls_state(&client), TLS_CLOSED);
	ck_assert_uint_eq(tls_state(&server), TLS_CLOSED);
	ck_assert_str_eq(tls_error(&client), "");
	ck_assert_str_eq(tls_error(&server), "");
	give_alert(&client, &server, -1);
}
END_TEST

/* The hub refuses: its sentence, its alert, and what the edge then says */
static void hub_refuses(const char *hub_says, int alert, const char *edge_says)
{
	handshake(&alice, &hub, SIZE_MAX);
	ck_assert_uint_eq(tls_state(&server), TLS_CLOSED);
	ck_assert_ptr_null(tls_peer(&server));
	ck_assert_ptr_null(tls_peer(&client));
	ck_assert_msg(strstr(tls_error(&server), hub_says), "hub: %s",
		      tls_error(&server));
	give_alert(&server, &client, alert);
	ck_assert_msg(strstr(tls_error(&client), edge_says), "edge: %s",
		      tls_error(&client));
	ck_assert_ptr_null(tls_peer(&client));
}

static void edge_refuses(const char *edge_says, int alert, const char *hub_says)
{
	handshake(&alice, &hub, SIZE_MAX);
	ck_assert_uint_eq(tls_state(&client), TLS_CLOSED);
	ck_assert_ptr_null(tls_peer(&client));
	ck_assert_msg(strstr(tls_error(&client), edge_says), "edge: %s",
		      tls_error(&client));
	give_alert(&client, &server, alert);
	ck_assert_msg(strstr(tls_error(&server), hub_says), "hub: %s",
		      tls_error(&server));
	ck_assert_ptr_null(tls_peer(&server));
}

/* The edge trusts the hub, but its own certificate is another CA's */
START_TEST(edge_of_other_ca)
{
	fixture_bundle(&alice, &other_ca, "alice");
	memcpy(alice.ca, ca.der, ca.len);
	alice.ca_len = ca.len;
	hub_refuses("the edge's certificate is from another CA", 48,
		    "refused this bundle: it is from another CA");
	ck_assert_ptr_null(tls_refused(&server));
}
END_TEST

/* The same name, but not the same key */
START_TEST(edge_of_forged_ca)
{
	fixture_ca(&other_ca, "unmap CA 1");
	fixture_bundle(&alice, &other_ca, "alice");
	memcpy(alice.ca, ca.der, ca.len);
	alice.ca_len = ca.len;
	hub_refuses("is from another CA", 48, "it is from another CA");
}
END_TEST

START_TEST(hub_of_other_ca)
{
	fixture_bundle(&alice, &other_ca, "alice");
	edge_refuses("the hub's certificate is from another CA", 48,
		     "the edge refused this hub: its bundle is from another CA");
}
END_TEST

START_TEST(edge_expired)
{
	struct cert_plan p = fixture_plan(&ca, &alice,
					  "alice" CERT_EDGE_SUFFIX);

	p.not_after = trust_now() - 5;
	fixture_issue(&alice, &ca, &p);
	hub_refuses("the edge's certificate has expired", 45,
		    "refused this bundle: certificate expired");
}
END_TEST

START_TEST(hub_expired)
{
	struct cert_plan p = fixture_plan(&ca, &hub, CERT_HUB_NAME);

	p.not_after = trust_now() - 5;
	fixture_issue(&hub, &ca, &p);
	edge_refuses("the hub's certificate has expired", 45,
		     "certificate expired: run `unmap keygen renew DIR hub`");
}
END_TEST

START_TEST(edge_revoked)
{
	ck_assert(revoked_add(&revoked, alice.id.serial));
	hub_refuses("the edge's certificate is revoked", 44,
		    "certificate revoked: make a new one");
	ck_assert_str_eq(tls_refused(&server), "alice");
}
END_TEST

START_TEST(hub_plays_edge)
{
	fixture_bundle(&alice, &ca, "hub");
	hub_refuses("the edge's certificate is the hub's", 43,
		    "refused this bundle: it is not an edge's");
}
END_TEST

START_TEST(edge_plays_hub)
{
	fixture_bundle(&hub, &ca, "mallory");
	edge_refuses("the hub's certificate is an edge's", 43,
		     "its certificate is not a hub's");
	ck_assert_str_eq(tls_refused(&client), "mallory");
}
END_TEST

START_TEST(edge_without_role)
{
	struct cert_plan p = fixture_plan(&ca, &alice, "www.example.net");

	fixture_issue(&alice, &ca, &p);
	hub_refuses("neither a hub's nor an edge's", 43, "not an edge's");
}
END_TEST

START_TEST(edge_without_prefix)
{
	struct cert_plan p = fixture_plan(&ca, &alice,
					  "alice" CERT_EDGE_SUFFIX);

	p.blocks.prefix.len = 0;
	fixture_issue(&alice, &ca, &p);
	hub_refuses("holds no usable prefix", 42, "cannot read the certificate");
}
END_TEST

/* Somebody else's certificate, without the key to it */
START_TEST(stolen_certificate)
{
	key_make(&alice.key);
	handshake(&alice, &hub, SIZE_MAX);
	ck_assert_uint_eq(tls_state(&server), TLS_CLOSED);
	ck_assert_ptr_null(tls_peer(&server));
	ck_assert_str_eq(tls_error(&server),
			 "the edge's key does not match its certificate");
	give_alert(&server, &client, 51);
	ck_assert_ptr_null(tls_peer(&client));
}
END_TEST

START_TEST(no_client_certificate)
{
	ck_assert(tls_client_start(&client, &alice));
	br_ssl_client_set_client_certificate(&client.ssl.client, NULL);
	ck_assert(br_ssl_client_reset(&client.ssl.client, NULL, 0));
	ck_assert(tls_server_start(&server, &hub, NULL));
	pump(SIZE_MAX);
	ck_assert_uint_eq(tls_state(&server), TLS_CLOSED);
	ck_assert_ptr_null(tls_peer(&server));
	ck_assert_str_eq(tls_error(&server), "the edge's side sent no "
			 "certificate: it needs a bundle");
	give_alert(&server, &client, 40);
}
END_TEST

START_TEST(bad_ca_is_no_start)
{
	alice.ca[alice.ca_len - 90]++;
	alice.ca_len -= 3;
	ck_assert(!tls_client_start(&client, &alice));
	ck_assert(!tls_server_start(&server, &alice, NULL));
}
END_TEST

/* One bit wrong anywhere in the handshake: never open on both sides with it */
START_TEST(altered_on_the_way)
{
	long at, spoil;

	for (at = 0; at < 2400; at += 37) {
		ck_assert(tls_client_start(&client, &alice));
		ck_assert(tls_server_start(&server, &hub, &revoked));
		spoil = at;
		while (move(&client, &server, SIZE_MAX, &spoil) ||
		       move(&server, &client, SIZE_MAX, &spoil))
			;
		if (spoil >= 0)
			break;
		ck_assert_msg(!tls_peer(&client) || !tls_peer(&server),
			      "open with byte %ld altered", at);
		ck_assert(!(tls_state(&client) & TLS_APP_OUT) ||
			  !(tls_state(&server) & TLS_APP_OUT));
	}
	ck_assert_int_gt(at, 1500);
}
END_TEST

START_TEST(garbage)
{
	struct tls *t = &server;
	size_t cap, len;
	uint8_t *in;
	unsigned i;

	srand((unsigned)_i);
	ck_assert(_i % 2 ? tls_client_start(t, &alice) :
			   tls_server_start(t, &hub, NULL));
	for (i = 0; i < 200 && !(tls_state(t) & TLS_CLOSED); i++) {
		if (tls_net_out(t, &len))
			tls_net_out_done(t, len);
		in = tls_net_in(t, &cap);
		if (!in)
			break;
		len = (size_t)rand() % cap + 1;
		random_bytes(in, len);
		if (i == 0 && _i % 3 && len >= 5)	/* a plausible header */
			memcpy(in, "\x16\x03\x03\x00\xff", 5);
		tls_net_in_done(t, len);
	}
	ck_assert_uint_eq(tls_state(t), TLS_CLOSED);
	ck_assert_str_ne(tls_error(t), "");
	ck_assert_ptr_null(tls_peer(t));
	ck_assert_ptr_null(tls_app_in(t, &len));
	ck_assert_ptr_null(tls_app_out(t, &len));
	ck_assert_ptr_null(tls_net_in(t, &len));
}
END_TEST

/* ---- openssl on the other side ------------------------------------------- */

static void put_file(const char *path, const struct bundle *b)
{
	static uint8_t text[BUNDLE_FILE_MAX];
	struct writer w = writer_of(text, sizeof(text));
	FILE *f = fopen(path, "w");

	if (b)
		bundle_write(&w, b);
	else
		pem_write(&w, "CERTIFICATE", (struct span){ ca.der, ca.len });
	ck_assert(f && fwrite(text, 1, w.len, f) == w.len);
	fclose(f);
}

/* Serve one connection; gives the first data that came, or why it ended */
static void serve(int listener, char *said, size_t cap)
{
	int fd = accept(listener, NULL, NULL);
	const uint8_t *out;
	size_t len, room;
	ssize_t n;

	ck_assert(fd >= 0 && tls_server_start(&server, &hub, &revoked));
	snprintf(said, cap, "end of file");
	while (!(tls_state(&server) & (TLS_CLOSED | TLS_APP_IN))) {
		if (tls_state(&server) & TLS_NET_OUT) {
			out = tls_net_out(&server, &len);
			n = write(fd, out, len);
			ck_assert_int_gt(n, 0);
			tls_net_out_done(&server, (size_t)n);
			continue;
		}
		uint8_t *in = tls_net_in(&server, &room);

		n = read(fd, in, room);
		if (n <= 0)
			break;
		tls_net_in_done(&server, (size_t)n);
	}
	out = tls_app_in(&server, &len);
	if (out)
		snprintf(said, cap, "%.*s", (int)len, (const char *)out);
	else if (tls_state(&server) & TLS_CLOSED)
		snprintf(said, cap, "%s", tls_error(&server));
	close(fd);
}

struct openssl_row {
	const char *options;	/* of s_client */
	const char *want;	/* data or error at the hub */
};

static const struct openssl_row openssl_rows[] = {
	{ "-cert alice.pem -key alice.pem", "hello" },
	{ "-cert alice.pem -key alice.pem -cipher ECDHE-ECDSA-CHACHA20-POLY1305",
	  "hello" },
	{ "-cert alice.pem -key alice.pem -cipher ECDHE-ECDSA-AES128-GCM-SHA256",
	  "hello" },
	{ "-cert alice.pem -key alice.pem -cipher ECDHE-ECDSA-AES128-SHA",
	  "no cipher suite in common" },
	{ "-cert alice.pem -key alice.pem -tls1_1 -cipher ALL@SECLEVEL=0",
	  "the other side does not speak TLS 1.2" },
	{ "", "side sent no certificate" },
	{ "-cert hub.pem -key hub.pem", "certificate is the hub's" },
	{ "-cert other.pem -key other.pem", "is from another CA" },
};

START_TEST(openssl_s_client)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	char dir[] = "/tmp/unmap-test-tls" FIXTURE_TEMP, path[64], said[200];
	int listener = socket(AF_INET, SOCK_STREAM, 0), status;
	socklen_t len = sizeof(sa);
	struct bundle other;
	char command[512];
	pid_t child;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	fixture_bundle(&other, &other_ca, "alice");
	snprintf(path, sizeof(path), "%s/other.pem", dir);
	put_file(path, &other);
	snprintf(path, sizeof(path), "%s/alice.pem", dir);
	put_file(path, &alice);
	snprintf(path, sizeof(path), "%s/hub.pem", dir);
	put_file(path, &hub);
	snprintf(path, sizeof(path), "%s/ca.crt", dir);
	put_file(path, NULL);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert(!bind(listener, (struct sockaddr *)&sa, sizeof(sa)));
	ck_assert(!listen(listener, 1));
	ck_assert(!getsockname(listener, (struct sockaddr *)&sa, &len));

	snprintf(command, sizeof(command),
		 "cd %s && { echo hello; sleep 0.3; } | timeout 10 openssl s_client"
		 " -connect 127.0.0.1:%u -CAfile ca.crt -verify_return_error"
		 " -verify_hostname hub.unmap.invalid -quiet %s >/dev/null 2>&1",
		 dir, ntohs(sa.sin_port), openssl_rows[_i].options);
	child = fork();
	if (!child)
		_exit(system(command) != 0);
	serve(listener, said, sizeof(said));
	waitpid(child, &status, 0);
	ck_assert_msg(strstr(said, openssl_rows[_i].want), "hub: %s", said);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
	close(listener);
}
END_TEST

START_TEST(memory_of_one)
{
	ck_assert_uint_le(sizeof(struct tls), 36 * 1024);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tls");
	TCase *t = tcase_create("tls");

	tcase_set_timeout(t, 100);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, both_know_each_other, 0, 4);
	tcase_add_test(t, data_of_many_records);
	tcase_add_test(t, goodbye_is_no_error);
	tcase_add_test(t, edge_of_other_ca);
	tcase_add_test(t, edge_of_forged_ca);
	tcase_add_test(t, hub_of_other_ca);
	tcase_add_test(t, edge_expired);
	tcase_add_test(t, hub_expired);
	tcase_add_test(t, edge_revoked);
	tcase_add_test(t, hub_plays_edge);
	tcase_add_test(t, edge_plays_hub);
	tcase_add_test(t, edge_without_role);
	tcase_add_test(t, edge_without_prefix);
	tcase_add_test(t, stolen_certificate);
	tcase_add_test(t, no_client_certificate);
	tcase_add_test(t, bad_ca_is_no_start);
	tcase_add_test(t, altered_on_the_way);
	tcase_add_loop_test(t, garbage, 0, 30);
	tcase_add_loop_test(t, openssl_s_client, 0,
			    sizeof(openssl_rows) / sizeof(openssl_rows[0]));
	tcase_add_test(t, memory_of_one);
	suite_add_tcase(s, t);
	return fixture_run(s);
}
