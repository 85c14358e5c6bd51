/* SPDX-License-Identifier: MIT
 *
 * tc.c - BPF filters on clsact
 *
 * Theory of operation
 * ===================
 * Before TCX (6.6) a program is attached as a cls_bpf filter of the clsact
 * qdisc. Such a filter outlives us: after kill -9 it would go on redirecting
 * our ports into a device that is gone, that is, swallow them. So ours
 *
 *  - stand under one priority and a handle that the next start uses again: it
 *    replaces the old one in one step;
 *  - are named "unmap:N", where N is the index of our outer TUN. The kernel
 *    deletes a TUN with its last descriptor and does not give its index out
 *    again soon: if N is gone, so is the owner, and whoever of us comes next
 *    removes the filter, whatever its handle (tc_sweep).
 *
 * The qdisc is shared by everybody on that interface: removed only if we made
 * it and no filter of anybody is left on it, ingress or egress.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/nlreq.h"
#include "net/tc.h"

enum { PRIORITY = 0x756d };	/* behind a few, before the kernel's own pick */
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
#define NAME "unmap:"

static const struct {
	uint32_t parent;
	uint16_t priority, proto;
} places[BPF_PLACES] = {
	[BPF_AT_INGRESS] = { INGRESS, PRIORITY, ETH_P_IP },
	[BPF_AT_INGRESS_EARLY] = { INGRESS, PRIORITY - 1, ETH_P_IP },
	[BPF_AT_EGRESS] = { EGRESS, PRIORITY, ETH_P_IPV6 },
};

static uint32_t info_of(enum bpf_place p)
{
	return TC_H_MAKE((uint32_t)places[p].priority << 16,
			 htons(places[p].proto));
}

static int tc_qdisc(int ifindex, uint16_t type, uint16_t flags)
{
	struct tcmsg t = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = ifindex,
		.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
		.tcm_parent = TC_H_CLSACT,
	};
	struct nlreq r;

	nlreq_init(&r, type, flags, &t, sizeof(t));
	nlreq_attr(&r, TCA_KIND, "clsact", sizeof("clsact"));
	return nlreq_talk(&r);
}

static struct tcmsg tc_header(const struct tc_spot *s)
{
	return (struct tcmsg){
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = s->ifindex,
		.tcm_handle = s->handle,
		.tcm_parent = places[s->place].parent,
		.tcm_info = info_of(s->place),
	};
}

int tc_add(const struct tc_filter *f, bool *made_qdisc)
{
	struct tcmsg t = tc_header(&f->spot);
	int ifindex = f->spot.ifindex;
	struct rtattr *options;
	struct nlreq r;
	char name[32];
	int err;

	err = tc_qdisc(ifindex, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
	*made_qdisc = !err;
	if (err && err != -EEXIST)
		return err;
	snprintf(name, sizeof(name), NAME "%d", f->owner);
	nlreq_init(&r, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, &t,
		   sizeof(t));
	nlreq_attr(&r, TCA_KIND, "bpf", sizeof("bpf"));
	options = nlreq_nest(&r, TCA_OPTIONS);
	nlreq_attr32(&r, TCA_BPF_FD, (uint32_t)f->prog);
	nlreq_attr(&r, TCA_BPF_NAME, name, strlen(name) + 1);
	nlreq_attr32(&r, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	nlreq_unnest(&r, options);
	err = nlreq_talk(&r);
	if (err && *made_qdisc)
		tc_qdisc(ifindex, RTM_DELQDISC, 0);
	return err;
}

static int tc_delete(const struct tc_spot *s)
{
	struct tcmsg t = tc_header(s);
	struct nlreq r;

	nlreq_init(&r, RTM_DELTFILTER, 0, &t, sizeof(t));
	nlreq_attr(&r, TCA_KIND, "bpf", sizeof("bpf"));
	return nlreq_talk(&r);
}

static int tc_dump(int ifindex, uint32_t parent,
		   int (*each)(const struct nlmsghdr *, void *), void *arg)
{
	struct tcmsg t = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = ifindex,
		.tcm_parent = parent,
	};
	struct nlreq r;

	nlreq_init(&r, RTM_GETTFILTER, NLM_F_DUMP, &t, sizeof(t));
	return nlreq_dump(&r, each, arg);
}

/* A priority without filters is listed too, with handle 0. */
static int count_one(const struct nlmsghdr *n, void *arg)
{
	const struct tcmsg *t = NLMSG_DATA(n);

	*(int *)arg += n->nlmsg_type == RTM_NEWTFILTER && t->tcm_handle;
	return 0;
}

int tc_count(int ifindex)
{
	int n = 0, err;

	err = tc_dump(ifindex, INGRESS, count_one, &n);
	return err ? err : n;
}

/** struct stale - what the sweep is to delete, found first, deleted then */
struct stale {
	uint32_t own, info, handle[64];
	size_t count;
};

/** owner_of() - The interface a filter of ours belongs to, 0 if not ours */
static unsigned owner_of(const struct nlmsghdr *n)
{
	const struct tcmsg *t = NLMSG_DATA(n);
	const struct rtattr *a;
	const char *name;

	a = nlreq_find(TCA_RTA(t), n->nlmsg_len - NLMSG_LENGTH(sizeof(*t)),
		       TCA_OPTIONS);
	if (a)
		a = nlreq_find(RTA_DATA(a), RTA_PAYLOAD(a), TCA_BPF_NAME);
	if (!a || RTA_PAYLOAD(a) < sizeof(NAME))
		return 0;
	name = RTA_DATA(a);
	if (memcmp(name, NAME, strlen(NAME)))
		return 0;
	return (unsigned)strtoul(name + strlen(NAME), NULL, 10);
}

static int find_stale(const struct nlmsghdr *n, void *arg)
{
	const struct tcmsg *t = NLMSG_DATA(n);
	struct stale *s = arg;
	char name[IFNAMSIZ];
	unsigned owner;

	if (n->nlmsg_type != RTM_NEWTFILTER || t->tcm_info != s->info)
		return 0;
	owner = owner_of(n);
	if (!owner || s->count == sizeof(s->handle) / sizeof(*s->handle))
		return 0;
	if (t->tcm_handle == s->own || !if_indextoname(owner, name))
		s->handle[s->count++] = t->tcm_handle;
	return 0;
}

void tc_sweep(const struct tc_spot *spot)
{
	struct stale s = { .own = spot->handle, .info = info_of(spot->place) };
	struct tc_spot one = *spot;
	size_t i;

	if (tc_dump(spot->ifindex, places[spot->place].parent, find_stale, &s))
		return;
	for (i = 0; i < s.count; i++) {
		one.handle = s.handle[i];
		tc_delete(&one);
	}
}

void tc_remove(const struct tc_spot *spot, bool qdisc)
{
	int ifindex = spot->ifindex, n = 0;

	tc_delete(spot);
	if (!qdisc || tc_dump(ifindex, INGRESS, count_one, &n) || n ||
	    tc_dump(ifindex, EGRESS, count_one, &n) || n)
		return;
	tc_qdisc(ifindex, RTM_DELQDISC, 0);
}
