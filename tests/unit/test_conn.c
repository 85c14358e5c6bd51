/* SPDX-License-Identifier: MIT
 *
 * test_conn.c - a connection's handshake, turns and ends, over a socket pair
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/conn.h"
#include "tests/unit/pki_fixture.h"

enum { CLIENT, SERVER, SIDES };

static struct bundle bundle[SIDES];
static struct revoked none;
static struct loop loop;
static struct conn *conn[SIDES];
static struct conn_room room[SIDES];
static unsigned opened[SIDES], messages[SIDES], gone[SIDES];
static bool may_shake, echo;	/* of the server */
static unsigned shaken;
static char why[SIDES][64];

static int side_of(const struct conn *c)
{
	return c == conn[CLIENT] ? CLIENT : SERVER;
}

static bool on_shake(struct conn *c, void *arg)
{
	(void)arg;
	if (side_of(c) == CLIENT)
		return true;
	shaken += may_shake;
	return may_shake;
}

static void on_open(struct conn *c, void *arg)
{
	(void)arg;
	opened[side_of(c)]++;
}

static bool on_message(struct conn *c, struct span msg, void *arg)
{
	(void)arg;
	ck_assert_uint_gt(msg.len, 2);
	messages[side_of(c)]++;
	if (echo && side_of(c) == SERVER)
		ck_assert(conn_send(c, msg));
	return true;
}

static void on_gone(struct conn *c, const char *text, void *arg)
{
	(void)arg;
	gone[side_of(c)]++;
	snprintf(why[side_of(c)], sizeof(why[0]), "%s", text);
}

static const struct conn_ops ops = { on_shake, on_open, on_message, on_gone };

static void turns(int count)
{
	while (count--) {
		loop_run_once(&loop, 20);
		for (int i = 0; echo && i < SIDES; i++)
			if (conn[i]->used && conn[i]->dirty)
				conn_pump(conn[i]);
	}
}

static bool both_open(int most)
{
	while (most-- && !(opened[CLIENT] && opened[SERVER]))
		turns(1);
	return opened[CLIENT] == 1 && opened[SERVER] == 1;
}

/* Two ends with @buffer bytes of buffer each way, ClientHello sent. */
static void start_pair(int buffer)
{
	int fd[2];

	ck_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
	for (int i = 0; i < SIDES; i++) {
		struct conn_start s = { .loop = &loop, .ops = &ops,
			.fd = fd[i] };

		if (setsockopt(fd[i], SOL_SOCKET, SO_SNDBUFFORCE,
			       &buffer, sizeof(buffer)))
			setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &buffer,
				   sizeof(buffer));
		ck_assert(i == CLIENT ?
			  conn_client(conn[i], &s, &bundle[i]) :
			  conn_server(conn[i], &s, &bundle[i], &none));
		opened[i] = messages[i] = gone[i] = 0;
	}
	may_shake = true;
	echo = false;
	shaken = 0;
	conn_pump(conn[CLIENT]);
}

static void connect_pair(int buffer)
{
	start_pair(buffer);
	ck_assert(both_open(100));
}

static void set_up(void)
{
	struct fixture_ca ca;

	fixture_ca(&ca, "unmap test CA");
	fixture_bundle(&bundle[CLIENT], &ca, "alice");
	fixture_bundle(&bundle[SERVER], &ca, "hub");
	ck_assert(!loop_init(&loop));
	for (int i = 0; i < SIDES; i++) {
		conn[i] = calloc(1, sizeof(*conn[i]));
		conn[i]->room = &room[i];
	}
}

static void tear_down(void)
{
	for (int i = 0; i < SIDES; i++) {
		conn_abort(conn[i]);
		free(conn[i]);
	}
	loop_fini(&loop);
}

static bool send_ping(struct conn *c)
{
	static const uint8_t ping[] = { 0, 9, MSG_PING, 1, 2, 3, 4, 5, 6, 7, 8 };

	return conn_send(c, (struct span){ ping, sizeof(ping) });
}

/* Each record of the edge is a step of its own: ClientHello, Certificate,
 * ClientKeyExchange, CertificateVerify, ChangeCipherSpec, Finished.
 */
START_TEST(step_by_step)
{
	connect_pair(1 << 16);
	ck_assert_uint_ge(shaken, 4);
}
END_TEST

/* No step without leave, and none is lost by waiting for it. */
START_TEST(waits_for_leave)
{
	start_pair(1 << 16);
	may_shake = false;
	ck_assert(!both_open(5));
	ck_assert(conn[SERVER]->used && conn[CLIENT]->used);
	for (int i = 0; i < 200 && !opened[SERVER]; i++) {
		may_shake = i % 3 == 0;
		turns(1);
	}
	ck_assert(both_open(20));
}
END_TEST

static bool is_zero(const void *at, size_t len)
{
	const uint8_t *b = at;

	while (len && !*b)
		len--, b++;
	return !len;
}

/* Once open, messages need no leave; the end gives the pages back. */
START_TEST(after_the_handshake)
{
	static uint8_t message[MSG_MAX] = { (MSG_MAX - 2) >> 8,
		(MSG_MAX - 2) & 255, 200 };

	ck_assert_int_eq(msg_frame((struct span){ message, MSG_MAX }),
			 MSG_MAX);
	connect_pair(1 << 16);
	may_shake = false;
	echo = true;
	for (int i = 0; i < 100; i++)
		ck_assert(conn_send(conn[CLIENT], (struct span){ message,
				    MSG_MAX }));
	conn_pump(conn[CLIENT]);
	for (int i = 0; i < 400 && messages[CLIENT] < 100; i++)
		turns(1);
	ck_assert_uint_eq(messages[SERVER], 100);
	ck_assert_uint_eq(messages[CLIENT], 100);
	conn_abort(conn[CLIENT]);
	for (int i = 0; i < 20 && !gone[SERVER]; i++)
		turns(1);
	ck_assert_uint_eq(gone[SERVER], 1);
	ck_assert(!conn[SERVER]->used);
	ck_assert(is_zero(room[SERVER].queue, sizeof(room[0].queue)));
	ck_assert(is_zero(&room[SERVER].tls, sizeof(room[0].tls)));
}
END_TEST

/* A flood of messages takes its turn with all else. */
START_TEST(messages_take_turns)
{
	unsigned before = 0, most = 0;
	int i;

	connect_pair(1 << 20);
	for (i = 0; i < 20000; i++)
		ck_assert(send_ping(conn[CLIENT]));
	conn_pump(conn[CLIENT]);
	for (i = 0; i < 200 && messages[SERVER] < 20000; i++) {
		turns(1);
		if (messages[SERVER] - before > most)
			most = messages[SERVER] - before;
		before = messages[SERVER];
	}
	ck_assert_uint_eq(messages[SERVER], 20000);
	ck_assert_uint_le(most, CONN_MESSAGES + 16384 / 11 + 1);
}
END_TEST

/* Who does not read until the queue is full is cut off, not waited for. */
START_TEST(reads_nothing)
{
	connect_pair(4096);
	loop_remove(&loop, &conn[CLIENT]->watch);
	while (send_ping(conn[SERVER]))
		if (conn[SERVER]->queue_len % 1100 == 0)
			conn_pump(conn[SERVER]);
	ck_assert(conn[SERVER]->used);
	conn_pump(conn[SERVER]);
	ck_assert_uint_eq(gone[SERVER], 1);
	ck_assert_str_eq(why[SERVER], "the other end does not read");
	loop_add(&loop, &conn[CLIENT]->watch, EPOLLIN);
}
END_TEST

/* One that is being closed: what the peer says is not heard, and if it does not
 * read it is over all the same.
 */
START_TEST(closing)
{
	connect_pair(4096);
	for (int i = 0; i < 2000; i++)
		ck_assert(send_ping(conn[CLIENT]));
	loop_remove(&loop, &conn[CLIENT]->watch);
	for (int i = 0; i < 4000; i++)
		ck_assert(send_ping(conn[SERVER]));
	conn_finish(conn[SERVER]);
	conn_pump(conn[SERVER]);
	conn_pump(conn[CLIENT]);
	loop_remove(&loop, &conn[CLIENT]->watch);
	turns(3);
	ck_assert_uint_eq(messages[SERVER], 0);
	ck_assert_uint_eq(gone[SERVER], 0);
	ck_assert_uint_ne(conn[SERVER]->until, 0);
	ck_assert_uint_le(conn[SERVER]->until, loop_now() + CONN_CLOSE_MS);
	conn_expire(conn[SERVER]);
	ck_assert_uint_eq(gone[SERVER], 1);
	ck_assert_str_eq(why[SERVER], "");
	loop_add(&loop, &conn[CLIENT]->watch, EPOLLIN);
}
END_TEST

/* A time-out until the first message, and none from then on. */
START_TEST(says_nothing)
{
	connect_pair(1 << 16);
	ck_assert_uint_ne(conn[SERVER]->until, 0);
	send_ping(conn[CLIENT]);
	conn_pump(conn[CLIENT]);
	turns(2);
	ck_assert_uint_eq(messages[SERVER], 1);
	ck_assert_uint_eq(conn[SERVER]->until, 0);
	ck_assert_uint_ne(conn[CLIENT]->until, 0);
	conn_expire(conn[CLIENT]);
	ck_assert_str_eq(why[CLIENT], "it said nothing in time");
}
END_TEST

static void use_relayq(struct conn *c)
{
	static void *memory;

	free(memory);
	memory = malloc(conn_relayq_bytes());
	c->relayq = relayq_init(memory, CONN_RELAY_BYTES);
}

static void fill_relayq(struct conn *c)
{
	static const uint8_t packet[1400];

	use_relayq(c);
	for (uint32_t i = 0; i < 600; i++)
		conn_relay(c, i, (struct span){ packet, 40 },
			   (struct span){ packet, sizeof(packet) - 40 },
			   loop_now());
}

/* A relay that is replaced is not kept by what still waits for it. */
START_TEST(relay_closes)
{
	connect_pair(4096);
	fill_relayq(conn[SERVER]);
	conn_finish(conn[SERVER]);
	conn_pump(conn[SERVER]);
	turns(10);
	ck_assert_uint_eq(gone[SERVER], 1);
	ck_assert_uint_lt(messages[CLIENT], 10);
}
END_TEST

/* All that was queued is sent, however much: nothing waits for the next. */
START_TEST(relay_goes_on)
{
	connect_pair(8 << 20);
	fill_relayq(conn[SERVER]);
	conn_pump(conn[SERVER]);
	for (int i = 0; i < 100 && messages[CLIENT] < 600; i++)
		turns(1);
	ck_assert_uint_eq(messages[CLIENT], 600);
}
END_TEST

/* Packets that waited for the last user of the place are not for the next. */
START_TEST(relay_of_another)
{
	static const uint8_t packet[100];

	connect_pair(1 << 16);
	use_relayq(conn[SERVER]);
	conn_relay(conn[SERVER], 1, (struct span){ packet, 40 },
		   (struct span){ packet, 60 }, loop_now());
	conn_abort(conn[SERVER]);
	conn_abort(conn[CLIENT]);
	connect_pair(1 << 16);
	conn_pump(conn[SERVER]);
	turns(3);
	ck_assert_uint_eq(messages[CLIENT], 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("conn");
	TCase *tc = tcase_create("conn");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, step_by_step);
	tcase_add_test(tc, waits_for_leave);
	tcase_add_test(tc, after_the_handshake);
	tcase_add_test(tc, messages_take_turns);
	tcase_add_test(tc, reads_nothing);
	tcase_add_test(tc, closing);
	tcase_add_test(tc, says_nothing);
	tcase_add_test(tc, relay_closes);
	tcase_add_test(tc, relay_goes_on);
	tcase_add_test(tc, relay_of_another);
	suite_add_tcase(s, tc);
	return fixture_run(s);
}
