/* SPDX-License-Identifier: MIT
 *
 * test_fast_live.c - the fast path attached, beside capture, to real interfaces
 */
#include <signal.h>
#include <sys/wait.h>

#include "net/capture.h"
#include "net/tc.h"
#include "net/tun.h"
#include "tests/unit/fast_world.h"

enum { OURS = 0x0a090001, PEER = 0x0a090002, LO = 61000, HI = 65535,
	PORT = 61007, PEER_PORT = 5000, INNER_PORT = 700 };

static const struct addr6 host6 = { { 0x20, 1, 0x0d, 0xb8, [15] = 5 } };
static const struct addr6 peer6 = { { 0x20, 1, 0x0d, 0xb8, 0, 5, [15] = 9 } };

/** struct lab - up0 to the other namespace, two TUNs, one UDP session
 * @host: its socket here. @peer: one there, which sends outer packets
 */
struct lab {
	int inner, outer, host, peer;
	struct capture capture;
	struct fast_conf conf;
};

static int tun_up(const char *name)
{
	char got[IFNAMSIZ], command[100];
	uint32_t features;
	int fd = tun_open(name, got, &features);

	ck_assert_int_ge(fd, 0);
	snprintf(command, sizeof(command), "ip link set %s up", name);
	must(command);
	return fd;
}

static int socket_at(const void *addr, socklen_t len)
{
	const struct timeval second = { .tv_sec = 1 };
	int family = len == sizeof(struct sockaddr_in) ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, addr, len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	return fd;
}

static struct sockaddr_in outer_at(uint32_t addr, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port), .sin_addr.s_addr = htonl(addr) };
}

static struct sockaddr_in6 inner_at(const struct addr6 *a, uint16_t port)
{
	struct sockaddr_in6 s = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };

	memcpy(&s.sin6_addr, a, sizeof(*a));
	return s;
}

static bool lab_open(struct lab *l, bool no_tcx)
{
	const struct tuple6 in = { host6, peer6, INNER_PORT, 7, PROTO_UDP };
	const struct tuple4 out = { OURS, PEER, PORT, PEER_PORT, PROTO_UDP };
	const struct capture_key k = { PROTO_UDP, { OURS, PORT },
		{ PEER, PEER_PORT } };
	struct sockaddr_in peer = outer_at(PEER, PEER_PORT);
	struct sockaddr_in6 host = inner_at(&host6, INNER_PORT);
	struct capture_conf conf = { .addr = OURS, .lo = LO, .hi = HI,
		.no_tcx = no_tcx };
	int hops = HOP;

	if (!labns_pair())
		return false;
	l->inner = tun_up("inner");
	l->outer = tun_up("outer");
	must("ip -6 address add 2001:db8::5/128 dev inner nodad && "
	     "ip -6 route add 2001:db8:5::/64 dev inner");
	l->host = socket_at(&host, sizeof(host));
	setsockopt(l->host, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops,
		   sizeof(hops));
	in_b();
	l->peer = socket_at(&peer, sizeof(peer));
	in_a();
	conf.uplink = (int)if_nametoindex("up0");
	conf.outer = (int)if_nametoindex("outer");
	ck_assert_int_eq(capture_open(&l->capture, &conf), 0);
	ck_assert_int_eq(capture_latch(&l->capture, &k, true), 0);
	init_world();
	session_between(&in, &out);
	flow_on();
	l->conf = (struct fast_conf){ (int)if_nametoindex("inner"),
		conf.uplink, LO, HI, no_tcx };
	return true;
}

/* From there to the host: did it come, whole? */
static bool comes(const struct lab *l)
{
	struct sockaddr_in to = outer_at(OURS, PORT);
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	char got[100];

	sendto(l->peer, "from outside", 12, 0, (void *)&to, sizeof(to));
	if (recvfrom(l->host, got, sizeof(got), 0, (void *)&from, &len) != 12)
		return false;
	ck_assert_mem_eq(got, "from outside", 12);
	ck_assert_mem_eq(&from.sin6_addr, &peer6, 16);
	return true;
}

static bool goes(const struct lab *l)
{
	struct sockaddr_in6 to = inner_at(&peer6, 7);
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char got[100];

	sendto(l->host, "from inside", 11, 0, (void *)&to, sizeof(to));
	if (recvfrom(l->peer, got, sizeof(got), 0, (void *)&from, &len) != 11)
		return false;
	ck_assert_mem_eq(got, "from inside", 11);
	ck_assert_uint_eq(ntohl(from.sin_addr.s_addr), OURS);
	ck_assert_uint_eq(ntohs(from.sin_port), PORT);
	return true;
}

static uint64_t captured(const struct lab *l)
{
	struct capture_counters n;

	ck_assert_int_eq(capture_counters(&l->capture, &n), 0);
	return n.captured;
}

START_TEST(attached)
{
	struct lab l;

	if (!lab_open(&l, _i))
		return;
	ck_assert_int_eq(fast_open(&w.fast, &l.conf), 0);
	ck_assert_str_eq(w.fast.mode, _i ? "clsact" : "tcx");
	ck_assert(goes(&l));
	ck_assert(comes(&l));	/* capture, which is there too, comes after */
	ck_assert(goes(&l));
	ck_assert_uint_eq(w.flow->in.packets, 1);
	ck_assert_uint_eq(w.flow->out.packets, 2);
	ck_assert_uint_eq(captured(&l), 0);
	w.flow->on = 0;		/* up is on to capture, and to the TUN */
	ck_assert(!comes(&l));
	ck_assert(!goes(&l));
	ck_assert_uint_eq(captured(&l), 1);
	w.flow->on = 8;
	ck_assert(comes(&l));
	fast_close(&w.fast);
	ck_assert_ptr_null(w.fast.mode);
	ck_assert(!comes(&l));
	ck_assert(!goes(&l));
	ck_assert_uint_eq(captured(&l), 2);
	ck_assert_int_ne(run("tc qdisc show dev inner | grep -q clsact"), 0);
	ck_assert_int_eq(tc_count(l.conf.uplink), _i);
	/* again, and capture ends first */
	ck_assert_int_eq(fast_open(&w.fast, &l.conf), 0);
	ck_assert(comes(&l));
	capture_close(&l.capture);
	ck_assert(comes(&l));
	fast_close(&w.fast);
	fast_close(&w.fast);
	ck_assert_int_eq(tc_count(l.conf.uplink), 0);
}
END_TEST

/* What a killed process left is taken away by who comes next. */
START_TEST(killed)
{
	struct lab l;
	pid_t child;
	int status;

	if (!lab_open(&l, true))
		return;
	child = fork();
	if (!child) {
		struct fast_conf c = l.conf;

		close(l.inner); /* ours stays, its own goes with it */
		tun_up("other");
		c.inner = (int)if_nametoindex("other");
		c.lo = LO + 5;
		if (fast_open(&w.fast, &c))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(tc_count(l.conf.uplink), 2); /* one is capture's */
	ck_assert_int_eq(fast_open(&w.fast, &l.conf), 0);
	ck_assert_int_eq(tc_count(l.conf.uplink), 2);
	ck_assert(comes(&l));
	ck_assert(goes(&l));
	fast_close(&w.fast);
	capture_close(&l.capture);
	ck_assert_int_eq(tc_count(l.conf.uplink), 0);
}
END_TEST

START_TEST(not_attached)
{
	struct fast_conf c = { .inner = 4712, .uplink = 4711, .lo = LO, .hi = HI };

	if (!netns_enter())
		return;
	ck_assert_int_eq(fast_init(&w.fast, 8, true), -ECANCELED);
	ck_assert_str_eq(w.fast.why, "switched off");
	ck_assert_int_lt(fast_open(&w.fast, &c), 0);
	ck_assert_int_eq(fast_set(&w.fast, &w.keys, true), 0);
	fast_close(&w.fast);
	init_world();
	ck_assert_int_lt(fast_open(&w.fast, &c), 0);
	ck_assert_int_ne(w.fast.why[0], '\0');
	ck_assert_ptr_null(w.fast.mode);
	c.uplink = 1;	/* lo: the first program finds its place, the other not */
	ck_assert_int_lt(fast_open(&w.fast, &c), 0);
	ck_assert_int_eq(w.fast.prog_in, -1);
	ck_assert_int_eq(w.fast.hook_in.link, -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fast_live");
	TCase *t = tcase_create("fast_live");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, attached, 0, 2);
	tcase_add_test(t, killed);
	tcase_add_test(t, not_attached);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
