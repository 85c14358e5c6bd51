/* SPDX-License-Identifier: MIT
 *
 * test_sock.c - net/sock.c over loopback
 */
#include <poll.h>

#include "net/sock.h"
#include "tests/unit/labns.h"

enum { LO1 = 0x7f000001, LO2 = 0x7f000002, LO9 = 0x7f000009 };

static uint8_t buf[UDP_BATCH_BYTES];
static struct udp_batch batch = { .buf = buf };
static uint8_t bytes[70000];

static struct udp open_at(uint32_t addr)
{
	struct udp_conf c = { .at = { addr, 0 } };
	struct udp u;

	ck_assert_int_eq(udp_open(&u, &c), 0);
	return u;
}

static uint16_t port_of(int fd)
{
	struct taddr4 t;

	ck_assert_int_eq(sock_local(fd, &t), 0);
	ck_assert_uint_ne(t.port, 0);
	return t.port;
}

static void wait_in(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, 2000), 1);
}

/* Collect at least @want datagrams into all[]; returns how many came. */
static size_t collect(struct udp *u, struct datagram *all, uint8_t *store,
		      size_t want)
{
	size_t n = 0, used = 0, i;

	while (n < want) {
		wait_in(u->fd);
		ck_assert_int_ge(udp_recv(u, &batch), 1);
		for (i = 0; i < batch.count; i++) {
			all[n] = batch.d[i];
			memcpy(store + used, batch.d[i].body.at,
			       batch.d[i].body.len);
			all[n].body.at = store + used;
			used += batch.d[i].body.len;
			n++;
		}
	}
	return n;
}

START_TEST(test_udp_one)
{
	struct udp a = open_at(0), b = open_at(0);
	struct datagram d = { .to = { LO2, port_of(b.fd) }, .local = LO9,
			      .tos = 0xba, .head = { bytes, 4 },
			      .body = { bytes + 100, 50 } };

	bytes[0] = 0xaa;
	bytes[100] = 0xbb;
	ck_assert_int_eq(udp_recv(&b, &batch), 0);
	ck_assert_int_eq(udp_send(&a, &d, 1), 1);
	wait_in(b.fd);
	ck_assert_int_eq(udp_recv(&b, &batch), 1);
	ck_assert_uint_eq(batch.d[0].body.len, 54);
	ck_assert_uint_eq(batch.d[0].body.at[0], 0xaa);
	ck_assert_uint_eq(batch.d[0].body.at[4], 0xbb);
	ck_assert_uint_eq(batch.d[0].tos, 0xba);
	ck_assert_uint_eq(batch.d[0].local, LO2);
	ck_assert_uint_eq(batch.d[0].from.addr, LO9);
	ck_assert_uint_eq(batch.d[0].from.port, port_of(a.fd));
	/* The answer leaves from the address that was asked. */
	d.to = batch.d[0].from;
	d.local = batch.d[0].local;
	ck_assert_int_eq(udp_send(&b, &d, 1), 1);
	wait_in(a.fd);
	ck_assert_int_eq(udp_recv(&a, &batch), 1);
	ck_assert_uint_eq(batch.d[0].from.addr, LO2);
	ck_assert_uint_eq(a.refused + b.refused, 0);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

/* 200 datagrams: equal sizes, a shorter one, other TOS, empty ones: all come,
 * in order, as they were, with trains and without.
 */
START_TEST(test_udp_trains)
{
	static struct datagram d[200], got[UDP_BATCH + 200];
	static uint8_t store[400000];
	struct udp a = open_at(LO1), b = open_at(LO1);
	size_t i, n, k;

	if (_i)
		a.gso = false;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	for (i = 0; i < 200; i++) {
		d[i].to = (struct taddr4){ LO1, port_of(b.fd) };
		d[i].head = (struct span){ bytes + i, 4 };
		d[i].body = (struct span){ bytes + 300 + i, 1200 };
		if (i % 70 == 69)
			d[i].body.len = 333;
		if (i % 50 == 49)
			d[i].tos = 2;
		if (i % 90 == 89)
			d[i].head.len = d[i].body.len = 0;
	}
	ck_assert_int_eq(udp_send(&a, d, 200), 200);
	ck_assert_uint_eq(a.refused, 0);
	n = collect(&b, got, store, 200);
	ck_assert_uint_eq(n, 200);
	for (i = 0; i < n; i++) {
		k = d[i].head.len;
		ck_assert_uint_eq(got[i].body.len, k + d[i].body.len);
		ck_assert_uint_eq(got[i].tos, d[i].tos);
		ck_assert_int_eq(memcmp(got[i].body.at, d[i].head.at, k), 0);
		ck_assert_int_eq(memcmp(got[i].body.at + k, d[i].body.at,
					d[i].body.len), 0);
	}
	ck_assert_uint_eq(batch.lost, 0);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

/* A train made by the caller: also when the kernel cannot cut it. */
START_TEST(test_udp_callers_train)
{
	static struct datagram got[UDP_BATCH];
	static uint8_t store[70000];
	struct udp a = open_at(LO1), b = open_at(LO1);
	struct datagram d = { .to = { LO1, port_of(b.fd) }, .gso_size = 1000,
			      .body = { bytes, 9500 } };
	size_t i;

	if (_i)
		a.gso = false;
	ck_assert_int_eq(udp_send(&a, &d, 1), 1);
	ck_assert_uint_eq(collect(&b, got, store, 10), 10);
	for (i = 0; i < 9; i++)
		ck_assert_uint_eq(got[i].body.len, 1000);
	ck_assert_uint_eq(got[9].body.len, 500);
	ck_assert_uint_eq(a.refused, 0);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

/* What the device cannot take is counted; what comes after it arrives. */
START_TEST(test_udp_too_big)
{
	struct datagram d[5];
	struct udp a, b;
	int i;

	if (!netns_enter())
		return;
	netns_mtu("lo", 1400);
	a = open_at(LO1);
	b = open_at(LO1);
	memset(d, 0, sizeof(d));
	for (i = 0; i < 5; i++) {
		d[i].to = (struct taddr4){ LO1, port_of(b.fd) };
		d[i].body = (struct span){ bytes, i < 3 ? 1400 : 1372 };
	}
	ck_assert_int_eq(udp_send(&a, d, 5), 5);
	ck_assert_uint_eq(a.refused, 3);
	ck_assert_int_eq(a.last_error, EMSGSIZE);
	wait_in(b.fd);
	ck_assert_int_eq(udp_recv(&b, &batch), 2);
	ck_assert_uint_eq(batch.d[0].body.len, 1372);
	ck_assert_uint_eq(batch.d[1].body.len, 1372);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

/* A device that can cut no trains, and then another one that can. */
START_TEST(test_udp_other_device)
{
	struct datagram d = { .to = { 0x0a090002, 9 }, .gso_size = 1000,
			      .body = { bytes, 9500 } };
	struct udp a;

	if (!labns_pair())
		return;
	a = open_at(0);
	must("ethtool -K up0 tx off >/dev/null");
	ck_assert_int_eq(udp_send(&a, &d, 1), 1);
	a.gso = false; /* as Linux before 6.11 has it */
	must("ethtool -K up0 tx on >/dev/null");
	ck_assert_int_eq(udp_send(&a, &d, 1), 1);
	ck_assert(!a.gso);
	udp_retry(&a);
	ck_assert_int_eq(udp_send(&a, &d, 1), 1);
	ck_assert(a.gso);
	udp_close(&a);
}
END_TEST

/* Datagrams of growing size, which nobody joins: one for each slot, and more */
START_TEST(test_udp_more)
{
	struct udp a = open_at(LO1), b = open_at(LO1);
	struct datagram d = { .to = { LO1, port_of(b.fd) } };

	for (size_t i = 1; i <= UDP_SLOTS + 1; i++) {
		d.body = (struct span){ bytes, i };
		ck_assert_int_eq(udp_send(&a, &d, 1), 1);
	}
	wait_in(b.fd);
	ck_assert_int_eq(udp_recv(&b, &batch), UDP_SLOTS);
	ck_assert(batch.more);
	ck_assert_int_eq(udp_recv(&b, &batch), 1);
	ck_assert(!batch.more);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

START_TEST(test_udp_errors)
{
	struct udp a = open_at(LO1), b;
	struct udp_conf c = { .at = { LO1, port_of(a.fd) } };
	struct datagram d[2] = {
		{ .to = { 0, 0 }, .body = { bytes, 10 } },
		{ .to = { LO1, c.at.port }, .body = { bytes, 10 } },
	};

	ck_assert_int_eq(udp_open(&b, &c), -EADDRINUSE);
	ck_assert_int_eq(b.fd, -1);
	c.at.addr = 0xc0000201;
	ck_assert_int_eq(udp_open(&b, &c), -EADDRNOTAVAIL);
	ck_assert_int_eq(udp_send(&a, d, 2), 2);
	ck_assert_uint_eq(a.refused, 1);
	wait_in(a.fd);
	ck_assert_int_eq(udp_recv(&a, &batch), 1);
	udp_close(&a);
	ck_assert_int_eq(udp_send(&a, d + 1, 1), -EBADF);
	ck_assert_int_eq(udp_recv(&a, &batch), -EBADF);
}
END_TEST

/* A full socket says how far it got and loses nothing. */
START_TEST(test_udp_full)
{
	static struct datagram d[512];
	struct udp_conf c = { .at = { LO1, 0 } };
	struct udp a = open_at(LO1), b;
	size_t done = 0, n = 0;
	int i, r, small = 1;

	c.buffer = 16 << 20;
	ck_assert_int_eq(udp_open(&b, &c), 0);
	setsockopt(a.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (i = 0; i < 512; i++) {
		d[i].to = (struct taddr4){ LO1, port_of(b.fd) };
		d[i].body = (struct span){ bytes + i, 1000 };
	}
	for (i = 0; done < 512 && i < 2000; i++) {
		r = udp_send(&a, d + done, 512 - done);
		ck_assert_int_ge(r, 0);
		done += (size_t)r;
		while (udp_recv(&b, &batch) > 0)
			n += batch.count;
	}
	ck_assert_uint_eq(done, 512);
	ck_assert_uint_eq(n, 512);
	ck_assert_uint_eq(a.refused, 0);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

static void wait_out(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	ck_assert_int_eq(poll(&p, 1, 2000), 1);
}

START_TEST(test_tcp)
{
	struct taddr4 at = { LO1, 0 }, peer, t;
	int l = tcp_listen(at, 4), c, s;
	char byte = 'x';

	ck_assert_int_ge(l, 0);
	at.port = port_of(l);
	ck_assert_int_eq(tcp_accept(l, &peer), -EAGAIN);
	c = tcp_connect(at, 0);
	ck_assert_int_ge(c, 0);
	wait_out(c);
	ck_assert_int_eq(sock_error(c), 0);
	wait_in(l);
	s = tcp_accept(l, &peer);
	ck_assert_int_ge(s, 0);
	ck_assert_int_eq(sock_local(c, &t), 0);
	ck_assert(taddr4_eq(t, peer));
	ck_assert_int_eq(sock_peer(c, &t), 0);
	ck_assert(taddr4_eq(t, at));
	ck_assert_int_eq(tcp_tune(c, 10000, 16384), 0);
	ck_assert_int_eq(read(s, &byte, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(write(c, "y", 1), 1);
	wait_in(s);
	ck_assert_int_eq(read(s, &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	close(c);
	close(s);
	close(l);
	/* Nobody listens any more: the error comes when it is writable. */
	c = tcp_connect(at, 0);
	if (c >= 0) {
		wait_out(c);
		ck_assert_int_eq(sock_error(c), -ECONNREFUSED);
		ck_assert_int_eq(sock_peer(c, &t), -ENOTCONN);
		close(c);
	} else {
		ck_assert_int_eq(c, -ECONNREFUSED);
	}
}
END_TEST

START_TEST(test_source)
{
	struct taddr4 to = { LO2, 9 };
	uint32_t addr = 0;

	ck_assert_int_eq(sock_source(to, &addr), 0);
	ck_assert_uint_eq(addr, LO1);
	if (!netns_enter())
		return;
	to.addr = 0xc0000201;
	ck_assert_int_eq(sock_source(to, &addr), -ENETUNREACH);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sock");
	TCase *t = tcase_create("sock");
	SRunner *sr = srunner_create(s);
	int bad;

	tcase_add_test(t, test_udp_one);
	tcase_add_loop_test(t, test_udp_trains, 0, 2);
	tcase_add_loop_test(t, test_udp_callers_train, 0, 2);
	tcase_add_test(t, test_udp_too_big);
	tcase_add_test(t, test_udp_other_device);
	tcase_add_test(t, test_udp_more);
	tcase_add_test(t, test_udp_errors);
	tcase_add_test(t, test_udp_full);
	tcase_add_test(t, test_tcp);
	tcase_add_test(t, test_source);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
