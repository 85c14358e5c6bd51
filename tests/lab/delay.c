/* SPDX-License-Identifier: MIT */
/*
 * delay: a bad wire between two interfaces
 *
 * Usage: delay CONF IFACE-A IFACE-B
 *
 * Frames that arrive on A leave on B and the reverse, after a fixed delay;
 * some are lost, doubled or held back, and single ones, named by what they
 * are, are dropped. There is no netem in the kernels that the tests have to
 * run on, and netem could not drop "the second SYN/ACK" either.
 *
 * Both interfaces are veth ends in a namespace of their own that has no
 * address, so that nothing but this program looks at the frames. They are
 * read and written by packet sockets with a virtio_net_hdr: super-packets and
 * partial checksums pass as they are. Where single segments matter, the test
 * turns segmentation off at the ends.
 *
 * Packets wait in one list sorted by the time they are due. With a fixed
 * delay each new one belongs at the end, so that finding its place from
 * behind costs nothing.
 *
 * CONF is read at start and on SIGHUP (the counts start anew), one item a
 * line; SIGUSR1 prints the counters:
 *
 *	delay MS		each way
 *	loss PERCENT [ab|ba]
 *	dup PERCENT
 *	reorder PERCENT MS	so many wait so much longer
 *	drop KEY=VALUE...	all keys must match:
 *		dir=ab|ba  proto=tcp|udp|icmp  flags=SA (exact, of S A F R)
 *		sport= dport= port= LO[-HI]    min= max= (IP length)
 *		kind=0..3 (the two top bits of the UDP payload)
 *		n=N (only the Nth match; 0, the default: every one)
 */

#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum {
	VNET_LEN = 10,
	FRAME_MAX = VNET_LEN + 65536 + 64,
	RULES_MAX = 32,
	BATCH = 64,
	QUEUE_MAX = 256 << 20,
};

#define MS 1000000ull

enum { TH_F = 1, TH_S = 2, TH_R = 4, TH_A = 16 };

/**
 * struct rule - one line "drop"
 * @dir:	0 a to b, 1 b to a, -1 both
 * @proto:	IP protocol, -1 any
 * @flags:	TCP flags of S A F R that must be set, no others; -1 any
 * @kind:	two top bits of the first byte of UDP payload, -1 any
 * @sport:	lowest and highest source port
 * @dport:	the same for the destination
 * @port:	the same for either of them
 * @min:	smallest IP length
 * @max:	largest IP length
 * @n:		which match to drop, 0 all
 * @seen:	matches so far
 */
struct rule {
	int dir, proto, flags, kind;
	unsigned sport[2], dport[2], port[2];
	unsigned min, max, n, seen;
};

static struct conf {
	uint64_t delay, reorder_by;
	double loss[2], dup, reorder;
	struct rule rule[RULES_MAX];
	unsigned rules;
} conf;

/**
 * struct frame - a frame on its way
 * @next:	later one
 * @prev:	earlier one
 * @due:	when it leaves
 * @len:	bytes in @data
 * @out:	which descriptor it leaves by
 * @data:	virtio_net_hdr and frame
 */
struct frame {
	struct frame *next, *prev;
	uint64_t due;
	size_t len;
	int out;
	uint8_t data[];
};

static struct frame *first, *last;
static size_t queued;
static struct {
	unsigned long passed[2], lost, rule, doubled, held, full;
} count;
static volatile sig_atomic_t want_conf, want_count;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void die(const char *what, const char *on)
{
	fprintf(stderr, "delay: %s: %s: %s\n", on, what, strerror(errno));
	exit(1);
}

static bool chance(double percent)
{
	return percent > 0 && drand48() * 100 < percent;
}

/* The configuration */

static void parse_ports(const char *s, unsigned p[2])
{
	char *end;

	p[0] = (unsigned)strtoul(s, &end, 10);
	p[1] = *end == '-' ? (unsigned)strtoul(end + 1, NULL, 10) : p[0];
}

static int parse_flags(const char *s)
{
	int flags = 0;

	for (; *s; s++)
		flags |= *s == 'S' ? TH_S : *s == 'A' ? TH_A :
			 *s == 'F' ? TH_F : *s == 'R' ? TH_R : 0;
	return flags;
}

static int parse_proto(const char *s)
{
	return !strcmp(s, "tcp") ? 6 : !strcmp(s, "udp") ? 17 :
	       !strcmp(s, "icmp") ? 1 : atoi(s);
}

static void parse_key(struct rule *r, const char *k, const char *v)
{
	if (!strcmp(k, "dir"))
		r->dir = !strcmp(v, "ba");
	else if (!strcmp(k, "proto"))
		r->proto = parse_proto(v);
	else if (!strcmp(k, "flags"))
		r->flags = parse_flags(v);
	else if (!strcmp(k, "kind"))
		r->kind = atoi(v);
	else if (!strcmp(k, "sport"))
		parse_ports(v, r->sport);
	else if (!strcmp(k, "dport"))
		parse_ports(v, r->dport);
	else if (!strcmp(k, "port"))
		parse_ports(v, r->port);
	else if (!strcmp(k, "min"))
		r->min = (unsigned)atoi(v);
	else if (!strcmp(k, "max"))
		r->max = (unsigned)atoi(v);
	else if (!strcmp(k, "n"))
		r->n = (unsigned)atoi(v);
	else
		fprintf(stderr, "delay: unknown key %s\n", k);
}

static void parse_drop(char *save)
{
	struct rule *r = &conf.rule[conf.rules];
	char *word, *v;

	if (conf.rules == RULES_MAX)
		return;
	*r = (struct rule){ .dir = -1, .proto = -1, .flags = -1, .kind = -1,
			    .sport = { 0, 65535 }, .dport = { 0, 65535 },
			    .port = { 0, 65535 }, .max = 65535 };
	while ((word = strtok_r(NULL, " \t\n", &save)) != NULL) {
		v = strchr(word, '=');
		if (!v)
			continue;
		*v++ = '\0';
		parse_key(r, word, v);
	}
	conf.rules++;
}

static double parse_number(char **save)
{
	char *word = strtok_r(NULL, " \t\n", save);

	return word ? atof(word) : 0;
}

static void parse_loss(char *save)
{
	double percent = parse_number(&save);
	char *dir = strtok_r(NULL, " \t\n", &save);

	if (!dir || !strcmp(dir, "ab"))
		conf.loss[0] = percent;
	if (!dir || !strcmp(dir, "ba"))
		conf.loss[1] = percent;
}

static void parse_line(char *line)
{
	char *save = NULL, *word = strtok_r(line, " \t\n", &save);

	if (!word || *word == '#')
		return;
	if (!strcmp(word, "delay"))
		conf.delay = (uint64_t)(parse_number(&save) * MS);
	else if (!strcmp(word, "loss"))
		parse_loss(save);
	else if (!strcmp(word, "dup"))
		conf.dup = parse_number(&save);
	else if (!strcmp(word, "drop"))
		parse_drop(save);
	else if (!strcmp(word, "reorder")) {
		conf.reorder = parse_number(&save);
		conf.reorder_by = (uint64_t)(parse_number(&save) * MS);
	} else
		fprintf(stderr, "delay: unknown line %s\n", word);
}

static void read_conf(const char *path)
{
	char line[512];
	FILE *f = fopen(path, "r");

	if (!f)
		die("cannot read", path);
	memset(&conf, 0, sizeof(conf));
	while (fgets(line, sizeof(line), f))
		parse_line(line);
	fclose(f);
	fprintf(stderr, "delay: ready rules=%u\n", conf.rules);
}

/* What a frame is */

static bool in_range(unsigned p, const unsigned range[2])
{
	return p >= range[0] && p <= range[1];
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool match_l4(const struct rule *r, const uint8_t *l4, size_t len)
{
	unsigned sport = get16(l4), dport = get16(l4 + 2);
	int flags = r->proto == 6 && len >= 20 ?
			l4[13] & (TH_S | TH_A | TH_F | TH_R) : 0;

	if (r->flags >= 0 && flags != r->flags)
		return false;
	if (r->kind >= 0 && (len < 9 || l4[8] >> 6 != r->kind))
		return false;
	return in_range(sport, r->sport) && in_range(dport, r->dport) &&
	       (in_range(sport, r->port) || in_range(dport, r->port));
}

/* @ip: an IPv4 packet; of IPv6 only the length is looked at, never matched */
static bool match(const struct rule *r, int dir, const uint8_t *ip, size_t len)
{
	size_t ihl;

	if (len < 28 || ip[0] >> 4 != 4)
		return false;
	ihl = (size_t)(ip[0] & 15) * 4;
	if (len < ihl + 8 || (r->dir >= 0 && r->dir != dir))
		return false;
	if (r->proto >= 0 && ip[9] != r->proto)
		return false;
	if (len < r->min || len > r->max)
		return false;
	return match_l4(r, ip + ihl, len - ihl);
}

static bool ruled_out(int dir, const uint8_t *frame, size_t len)
{
	bool drop = false;

	if (len < VNET_LEN + ETH_HLEN ||
	    get16(frame + VNET_LEN + 12) != ETH_P_IP)
		return false;
	for (unsigned i = 0; i < conf.rules; i++) {
		struct rule *r = &conf.rule[i];

		if (!match(r, dir, frame + VNET_LEN + ETH_HLEN,
			   len - VNET_LEN - ETH_HLEN))
			continue;
		r->seen++;
		drop |= r->n == 0 || r->seen == r->n;
	}
	return drop;
}

/* The queue */

static void queue(int out, const uint8_t *data, size_t len, uint64_t due)
{
	struct frame *f, *after = last;

	if (queued + len > QUEUE_MAX || !(f = malloc(sizeof(*f) + len))) {
		count.full++;
		return;
	}
	memcpy(f->data, data, len);
	f->len = len;
	f->due = due;
	f->out = out;
	queued += len;
	while (after && after->due > due)
		after = after->prev;
	f->prev = after;
	f->next = after ? after->next : first;
	*(f->next ? &f->next->prev : &last) = f;
	*(after ? &after->next : &first) = f;
}

static void arrive(int dir, int out, const uint8_t *data, size_t len)
{
	uint64_t due = now() + conf.delay;

	if (ruled_out(dir, data, len)) {
		count.rule++;
		return;
	}
	if (chance(conf.loss[dir])) {
		count.lost++;
		return;
	}
	if (chance(conf.reorder)) {
		due += conf.reorder_by;
		count.held++;
	}
	count.passed[dir]++;
	queue(out, data, len, due);
	if (chance(conf.dup)) {
		queue(out, data, len, due);
		count.doubled++;
	}
}

static void leave(void)
{
	uint64_t t = now();

	while (first && first->due <= t) {
		struct frame *f = first;

		first = f->next;
		*(first ? &first->prev : &last) = NULL;
		queued -= f->len;
		if (write(f->out, f->data, f->len) < 0 && errno != ENOBUFS &&
		    errno != ENETDOWN && errno != EMSGSIZE && errno != EINVAL)
			die("cannot send", "interface");
		free(f);
	}
}

static void receive(int dir, int in, int out)
{
	static uint8_t buf[FRAME_MAX];

	for (int i = 0; i < BATCH; i++) {
		ssize_t n = recv(in, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0)
			return;
		arrive(dir, out, buf, (size_t)n);
	}
}

static int open_iface(const char *name)
{
	int one = 1, size = 32 << 20;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};

	if (fd < 0 || !sll.sll_ifindex)
		die("cannot open", name);
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
		       sizeof(one)))
		die("cannot set options", name);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&sll, sizeof(sll)))
		die("cannot bind", name);
	return fd;
}

static void on_signal(int sig)
{
	if (sig == SIGHUP)
		want_conf = 1;
	else
		want_count = 1;
}

static void print_count(void)
{
	fprintf(stderr, "delay: ab=%lu ba=%lu lost=%lu dropped=%lu "
		"doubled=%lu held=%lu full=%lu\n", count.passed[0],
		count.passed[1], count.lost, count.rule, count.doubled,
		count.held, count.full);
}

static void run(int a, int b)
{
	struct pollfd pfd[] = { { .fd = a, .events = POLLIN },
				{ .fd = b, .events = POLLIN } };
	struct timespec ts = { 0 };
	sigset_t none;

	if (first) {
		uint64_t t = now(), left = first->due > t ? first->due - t : 0;

		ts.tv_sec = (time_t)(left / 1000000000u);
		ts.tv_nsec = (long)(left % 1000000000u);
	}
	sigemptyset(&none);
	if (ppoll(pfd, 2, first ? &ts : NULL, &none) > 0) {
		receive(0, a, b);
		receive(1, b, a);
	}
	leave();
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t set;
	int a, b;

	if (argc != 4) {
		fprintf(stderr, "usage: delay CONF IFACE-A IFACE-B\n");
		return 64;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	prctl(PR_SET_TIMERSLACK, 1000ul);
	srand48((long)now());
	a = open_iface(argv[2]);
	b = open_iface(argv[3]);
	read_conf(argv[1]);
	for (;;) {
		if (want_conf) {
			want_conf = 0;
			read_conf(argv[1]);
		}
		if (want_count) {
			want_count = 0;
			print_count();
		}
		run(a, b);
	}
}
