/* SPDX-License-Identifier: MIT
 *
 * rules.c - capture by policy rules, where there is no BPF
 *
 * Theory of operation
 * ===================
 * Linux 4.17 can route by protocol and port. What comes in on the uplink for
 * our address and ports is looked up in a table of our own, which has only a
 * default route to the outer TUN: so the host forwards it there instead of
 * delivering it to itself. No bucket, no latch, no ICMP errors, the host's
 * FORWARD chain and conntrack see it all; it is the last resort. A rule cannot
 * name port 65535: carriers on it do not confirm and are left at once.
 *
 * The local table must be asked after these rules, but its rule stands at
 * preference 0, where nothing can come before it. So it has to move. The order
 * is such that at every moment the host finds its own addresses, even if we are
 * killed there:
 *
 *   1. a second rule for the local table at preference LOCAL
 *   2. our rules at preference OURS < LOCAL (without effect as yet)
 *   3. delete the rule at 0
 *
 * and back: the rule at 0 again, ours away, the one at LOCAL away. If we are
 * killed in between, the TUN vanishes, its routes too, our table is empty, and
 * a look-up goes on to the local table: all works as before, one rule slower.
 *
 * Rules of ours carry our protocol number, and the table's number names the
 * outer TUN: rules whose TUN is gone are removed by whoever comes next
 * (rules_sweep), and the last one to go puts the local rule back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <net/if.h>
#include <string.h>

#include "net/nlreq.h"
#include "net/rules.h"

enum { PREF_OURS = 1, PREF_LOCAL = 2, PROTOCOL = 117 };
enum { TABLE_BASE = 0x756d0000, TABLE_MASK = 0xffff };
enum { TCP = 6, UDP = 17, MOST = 256 };
enum { MAX_PORT = 65534 };	/* the kernel takes no range up to 65535 */

/** struct found - what a dump of the rules has found
 * @stale: tables of ours to be removed, one per rule
 * @others: rules of ours that stay
 * @outer: remove this one's too
 */
struct found {
	uint32_t stale[MOST];
	size_t count, others;
	int outer;
	bool moved_local;
};

static uint32_t table_of(int outer)
{
	return TABLE_BASE | ((uint32_t)outer & TABLE_MASK);
}

static struct fib_rule_hdr rule_header(void)
{
	return (struct fib_rule_hdr){
		.family = AF_INET, .action = FR_ACT_TO_TBL,
	};
}

/** local_rule() - Add or remove the rule for the local table at @pref */
static int local_rule(uint16_t type, uint32_t pref)
{
	struct fib_rule_hdr h = rule_header();
	uint8_t proto = pref ? PROTOCOL : RTPROT_KERNEL;
	uint16_t flags = NLM_F_CREATE | NLM_F_EXCL;
	struct nlreq r;
	int err;

	h.table = RT_TABLE_LOCAL;
	nlreq_init(&r, type, type == RTM_NEWRULE ? flags : 0, &h, sizeof(h));
	nlreq_attr32(&r, FRA_PRIORITY, pref);
	nlreq_attr32(&r, FRA_TABLE, RT_TABLE_LOCAL);
	if (type == RTM_NEWRULE)
		nlreq_attr(&r, FRA_PROTOCOL, &proto, sizeof(proto));
	err = nlreq_talk(&r);
	return err == -EEXIST || err == -ENOENT ? 0 : err;
}

static void put_range(struct nlreq *r, uint16_t type, uint16_t lo, uint16_t hi)
{
	struct fib_rule_port_range range = { lo, hi > MAX_PORT ? MAX_PORT : hi };

	nlreq_attr(r, type, &range, sizeof(range));
}

/** our_rule() - Add or remove a rule; @peer NULL: from anybody */
static int our_rule(const struct rules_conf *c, uint16_t type, uint8_t proto,
		    const uint32_t *peer)
{
	struct fib_rule_hdr h = rule_header();
	uint32_t addr = htonl(c->addr), from = peer ? htonl(*peer) : 0;
	uint8_t protocol = PROTOCOL;
	uint16_t flags = NLM_F_CREATE | NLM_F_EXCL;
	struct nlreq r;
	int err;

	h.dst_len = 32;
	h.src_len = peer ? 32 : 0;
	nlreq_init(&r, type, type == RTM_NEWRULE ? flags : 0, &h, sizeof(h));
	nlreq_attr32(&r, FRA_PRIORITY, PREF_OURS);
	nlreq_attr32(&r, FRA_TABLE, table_of(c->outer));
	nlreq_attr(&r, FRA_PROTOCOL, &protocol, sizeof(protocol));
	nlreq_attr(&r, FRA_IIFNAME, c->uplink, strlen(c->uplink) + 1);
	nlreq_attr(&r, FRA_DST, &addr, sizeof(addr));
	nlreq_attr(&r, FRA_IP_PROTO, &proto, sizeof(proto));
	put_range(&r, FRA_DPORT_RANGE, c->lo, c->hi);
	if (peer) {
		nlreq_attr(&r, FRA_SRC, &from, sizeof(from));
		put_range(&r, FRA_SPORT_RANGE, c->peer_lo, c->peer_hi);
	}
	err = nlreq_talk(&r);
	return err == -EEXIST || err == -ENOENT ? 0 : err;
}

int rules_change(const struct rules_conf *c, bool add)
{
	uint16_t type = add ? RTM_NEWRULE : RTM_DELRULE;
	int err = 0;
	size_t i;

	if (!c->is_edge) {
		err = our_rule(c, type, TCP, NULL);
		return err ? err : our_rule(c, type, UDP, NULL);
	}
	for (i = 0; i < c->peers && !err; i++) {
		err = our_rule(c, type, TCP, &c->peer[i]);
		if (!err)
			err = our_rule(c, type, UDP, &c->peer[i]);
	}
	return err;
}

/** our_route() - Our table: all to the outer TUN. Goes away with it */
static int our_route(int outer)
{
	struct rtmsg h = {
		.rtm_family = AF_INET, .rtm_protocol = PROTOCOL,
		.rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST,
	};
	struct nlreq r;

	nlreq_init(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &h,
		   sizeof(h));
	nlreq_attr32(&r, RTA_TABLE, table_of(outer));
	nlreq_attr32(&r, RTA_OIF, (uint32_t)outer);
	return nlreq_talk(&r);
}

/** owner_gone() - Does no interface have the index in @table any more? */
static bool owner_gone(uint32_t table)
{
	char name[IFNAMSIZ];

	return !if_indextoname(table & TABLE_MASK, name);
}

static uint32_t attr32(const struct nlmsghdr *n, uint16_t type)
{
	const struct fib_rule_hdr *h = NLMSG_DATA(n);
	const struct rtattr *a;
	uint32_t value = 0;

	a = nlreq_find((const struct rtattr *)((const uint8_t *)h +
					       NLMSG_ALIGN(sizeof(*h))),
		       n->nlmsg_len - NLMSG_LENGTH(sizeof(*h)), type);
	if (a && RTA_PAYLOAD(a) == sizeof(value))
		memcpy(&value, RTA_DATA(a), sizeof(value));
	return value;
}

static int find_rules(const struct nlmsghdr *n, void *arg)
{
	uint32_t pref = attr32(n, FRA_PRIORITY), table = attr32(n, FRA_TABLE);
	struct found *f = arg;

	if (pref == PREF_LOCAL && table == RT_TABLE_LOCAL)
		f->moved_local = true;
	if (pref != PREF_OURS || (table & ~(uint32_t)TABLE_MASK) != TABLE_BASE)
		return 0;
	if (table != table_of(f->outer) && !owner_gone(table))
		f->others++;
	else if (f->count < MOST)
		f->stale[f->count++] = table;
	return 0;
}

static void delete_rule(uint32_t table)
{
	struct fib_rule_hdr h = rule_header();
	struct nlreq r;

	nlreq_init(&r, RTM_DELRULE, 0, &h, sizeof(h));
	nlreq_attr32(&r, FRA_PRIORITY, PREF_OURS);
	nlreq_attr32(&r, FRA_TABLE, table);
	nlreq_talk(&r);
}

void rules_remove(int outer)
{
	struct fib_rule_hdr h = rule_header();
	struct found f = { .outer = outer };
	struct nlreq r;
	size_t i;

	nlreq_init(&r, RTM_GETRULE, NLM_F_DUMP, &h, sizeof(h));
	if (nlreq_dump(&r, find_rules, &f))
		return;
	if (!f.others && f.moved_local && local_rule(RTM_NEWRULE, 0))
		return;
	for (i = 0; i < f.count; i++)
		delete_rule(f.stale[i]);
	if (!f.others && f.moved_local)
		local_rule(RTM_DELRULE, PREF_LOCAL);
}

void rules_sweep(void)
{
	rules_remove(0);
}

int rules_add(const struct rules_conf *c)
{
	int err;

	err = our_route(c->outer);
	if (!err)
		err = local_rule(RTM_NEWRULE, PREF_LOCAL);
	if (!err)
		err = rules_change(c, true);
	if (!err)
		err = local_rule(RTM_DELRULE, 0);
	if (err)
		rules_remove(c->outer);
	return err;
}
