/* SPDX-License-Identifier: MIT
 *
 * ndp.h - answers neighbour solicitations for addresses behind a hub
 *
 * For a prefix that lies on the uplink's link instead of being routed to us.
 * Functions give 0 or a negative errno.
 */
#ifndef NET_NDP_H
#define NET_NDP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "net/loop.h"

enum {
	NDP_RATE = 1000,	/* answers per second ... */
	NDP_BURST = 200,	/* ... and at once */
	NDP_ANSWER = 32,
};

/** struct ndp_question - a neighbour solicitation that passed all checks
 * @from:	who asks; unspecified: wants to use @target itself
 */
struct ndp_question {
	struct addr6 from, target;
};

/** struct ndp_conf - where, and for whom
 * @link, @mac, @mac_len: the uplink
 * @is_ours:	do we answer for this address?
 */
struct ndp_conf {
	int link;
	uint8_t mac[6], mac_len;
	bool (*is_ours)(const struct addr6 *a, void *arg);
	void *arg;
};

/** struct ndp - the proxy of one uplink
 * @out:	raw socket for the answers
 * @tokens:	answers that may be given now; @refilled: as of when
 * @answered, @limited, @refused: counters
 */
struct ndp {
	struct watch watch;
	struct ndp_conf conf;
	int out;
	uint32_t tokens;
	msec refilled;
	uint64_t answered, limited, refused;
};

/** ndp_parse() - RFC 4861, 7.1.1: @packet from its IPv6 header on */
bool ndp_parse(struct span packet, struct ndp_question *q);
/** ndp_build() - The advertisement for it; checksum left to the kernel
 * Return: its length
 */
size_t ndp_build(const struct ndp_conf *c, const struct ndp_question *q,
		 uint8_t to[static NDP_ANSWER]);
/** ndp_allow() - Take one answer from the budget; false: none left */
bool ndp_allow(struct ndp *n, msec now);

/** ndp_open() - CAP_NET_RAW; put @n->watch into the loop for EPOLLIN */
int ndp_open(struct ndp *n, const struct ndp_conf *c);
void ndp_close(struct ndp *n);

#endif
