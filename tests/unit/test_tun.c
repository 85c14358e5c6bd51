/* SPDX-License-Identifier: MIT
 *
 * test_tun.c - net/tun.c: real devices in a namespace of our own
 */
#include <fcntl.h>
#include <poll.h>

#include "core/csum.h"
#include "core/xlat.h"
#include "net/sock.h"
#include "net/tun.h"
#include "tests/unit/labns.h"

enum { OURS = 0x0a000001, PEER = 0x0a000002 };

static uint8_t buf[TUN_BUF];
static uint8_t out[FRAME_MAX];
static uint8_t slots[UDP_BATCH_BYTES];
static struct udp_batch batch = { .buf = slots };

static int open_up(char *name)
{
	unsigned features = 0;
	int fd = tun_open("captun%d", name, &features);

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(features & (TUN_CSUM | TUN_TSO4 | TUN_TSO6),
			  TUN_CSUM | TUN_TSO4 | TUN_TSO6);
	netns_addr(name, "10.0.0.1");
	netns_up(name);
	return fd;
}

/* The next IPv4 packet of @proto (the kernel sends router solicitations). */
static void next_packet(int fd, struct frame *f, uint8_t proto)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	do {
		ck_assert_int_eq(poll(&p, 1, 2000), 1);
		ck_assert_int_eq(tun_read(fd, buf, sizeof(buf), f), 1);
	} while (f->at[0] >> 4 != 4 || f->at[9] != proto);
}

START_TEST(test_open)
{
	char a[IFNAMSIZ], b[IFNAMSIZ], c[IFNAMSIZ];
	unsigned features;
	int fa, fb;

	if (!netns_enter())
		return;
	fa = tun_open("captun%d", a, &features);
	fb = tun_open("captun%d", b, &features);
	ck_assert_int_ge(fa, 0);
	ck_assert_int_ge(fb, 0);
	ck_assert_str_eq(a, "captun0");
	ck_assert_str_eq(b, "captun1");
	ck_assert_int_eq(tun_open("captun0", c, &features), -EBUSY);
	ck_assert_int_eq(tun_open("a-name-far-too-long", c, &features),
			 -ENAMETOOLONG);
	ck_assert(fcntl(fa, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(fa, F_GETFD) & FD_CLOEXEC);
	close(fa);
	ck_assert_uint_eq(if_nametoindex("captun0"), 0);
	close(fb);
}
END_TEST

START_TEST(test_small)
{
	struct datagram d = { .to = { PEER, 9 }, .body = { out, 100 } };
	struct udp_conf c = { .at = { OURS, 0 } };
	struct udp_batch *b = &batch;
	struct tuple4 back = { PEER, OURS, 9, 0, PROTO_UDP };
	struct span none = { NULL, 0 };
	uint8_t reply[200];
	struct writer w = writer_of(reply, sizeof(reply));
	char name[IFNAMSIZ];
	struct frame f;
	struct taddr4 t;
	struct udp u;
	int fd;

	if (!netns_enter())
		return;
	fd = open_up(name);
	ck_assert_int_eq(udp_open(&u, &c), 0);
	ck_assert_int_eq(udp_send(&u, &d, 1), 1);
	next_packet(fd, &f, PROTO_UDP);
	ck_assert_ptr_eq(f.at, buf + FRAME_HEADROOM);
	ck_assert_uint_eq(f.len, 128);
	ck_assert_uint_eq(f.off.gso_type, OFFLOAD_GSO_NONE);
	/* Checksum left to us: the pseudo-header sum stands there. */
	ck_assert_uint_eq(f.off.flags & OFFLOAD_NEEDS_CSUM, OFFLOAD_NEEDS_CSUM);
	ck_assert_uint_eq(f.off.csum_start, 20);
	ck_assert_uint_eq(f.off.csum_offset, 6);
	ck_assert_uint_eq(get16(f.at + 26),
			  csum_pseudo4(OURS, PEER, 108, PROTO_UDP));
	while (tun_read(fd, buf, sizeof(buf), &f) == 1)
		;
	ck_assert_int_eq(tun_read(fd, buf, sizeof(buf), &f), 0);
	/* And back, in two pieces, with nothing left to do. */
	ck_assert_int_eq(sock_local(u.fd, &t), 0);
	back.dport = t.port;
	ck_assert_uint_eq(udp_build(&w, &back, d.body), 128);
	ck_assert_int_eq(tun_write(fd, NULL, (struct span){ reply, 28 },
				   (struct span){ reply + 28, 100 }), 0);
	ck_assert_int_eq(udp_recv(&u, b), 1);
	ck_assert_uint_eq(b->d[0].body.len, 100);
	ck_assert_uint_eq(b->d[0].from.addr, PEER);
	ck_assert_int_lt(tun_write(fd, NULL, none, none), 0);
}
END_TEST

/* TCP into a TUN comes as super-packets, and they may be written back. */
START_TEST(test_super)
{
	struct udp_conf c = { .at = { OURS, 0 } };
	struct datagram d = { .to = { PEER, 9 }, .body = { out, 14000 },
			      .gso_size = 1400 };
	struct udp_batch *b = &batch;
	uint8_t swap[8];
	char name[IFNAMSIZ];
	struct frame f;
	struct udp u;
	int fd, n, seen = 0;
	size_t i;

	if (!netns_enter())
		return;
	fd = open_up(name);
	for (i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i / 100);
	ck_assert_int_eq(udp_open(&u, &c), 0);
	ck_assert_int_eq(udp_send(&u, &d, 1), 1);
	next_packet(fd, &f, PROTO_UDP);
	if (f.len == 1428) {
		printf("skip: no USO before 6.2\n");
		return;
	}
	ck_assert_uint_eq(f.len, 14028);
	ck_assert_uint_eq(f.off.gso_type, OFFLOAD_GSO_UDP_L4);
	ck_assert_uint_eq(f.off.gso_size, 1400);
	ck_assert_uint_eq(f.off.flags & OFFLOAD_NEEDS_CSUM, OFFLOAD_NEEDS_CSUM);
	/* Turn it round (sums stay the same) and give it back. */
	memcpy(swap, f.at + 12, 4);
	memmove(f.at + 12, f.at + 16, 4);
	memcpy(f.at + 16, swap, 4);
	memcpy(swap, f.at + 20, 2);
	memmove(f.at + 20, f.at + 22, 2);
	memcpy(f.at + 22, swap, 2);
	ck_assert_int_eq(tun_write(fd, &f.off, (struct span){ NULL, 0 },
				   (struct span){ f.at, f.len }), 0);
	for (n = 0; seen < 10 && n < 20; n++) {
		ck_assert_int_ge(udp_recv(&u, b), 0);
		for (i = 0; i < b->count; i++) {
			ck_assert_uint_eq(b->d[i].body.len, 1400);
			ck_assert_int_eq(memcmp(b->d[i].body.at,
						out + 1400 * seen, 1400), 0);
			seen++;
		}
	}
	ck_assert_int_eq(seen, 10);
	/* What the kernel cannot believe it refuses. */
	f.off.csum_start = 60000;
	ck_assert_int_eq(tun_write(fd, &f.off, (struct span){ NULL, 0 },
				   (struct span){ f.at, f.len }), -EINVAL);
}
END_TEST

START_TEST(test_down)
{
	struct tuple4 t = { PEER, OURS, 1, 2, PROTO_UDP };
	struct writer w = writer_of(out, sizeof(out));
	char name[IFNAMSIZ];
	unsigned features;
	size_t n;
	int fd;

	if (!netns_enter())
		return;
	fd = tun_open("captun%d", name, &features);
	n = udp_build(&w, &t, (struct span){ buf, 10 });
	ck_assert_int_eq(tun_write(fd, NULL, (struct span){ out, n },
				   (struct span){ NULL, 0 }), -EIO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tun");
	TCase *t = tcase_create("tun");
	SRunner *sr = srunner_create(s);
	int bad;

	tcase_add_test(t, test_open);
	tcase_add_test(t, test_small);
	tcase_add_test(t, test_super);
	tcase_add_test(t, test_down);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
