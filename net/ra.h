/* SPDX-License-Identifier: MIT
 *
 * ra.h - router advertisements to one LAN (RFC 4861, 4862, 8106)
 *
 * Descriptor functions give 0 or a negative errno. Times are loop_now()'s.
 */
#ifndef NET_RA_H
#define NET_RA_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/rand.h"
#include "net/loop.h"

enum {
	RA_DNS = 4,
	RA_BYTES = 16 + 8 + 8 + 32 + 8 + 16 * RA_DNS,
	/* RFC 4861, 6.2.1 and 10, in milliseconds and seconds */
	RA_MAX_INTERVAL_MS = 600 * 1000,
	RA_MIN_INTERVAL_MS = 200 * 1000,
	RA_INITIAL_INTERVAL_MS = 16 * 1000,
	RA_INITIAL_COUNT = 3,
	RA_FINAL_COUNT = 3,
	RA_MIN_DELAY_MS = 3 * 1000,
	RA_SOLICITED_DELAY_MS = 500,
	RA_RETRY_MS = 1000,
	RA_ROUTER_LIFETIME = 1800,
	/* RFC 9096, 3.2: shorter than the 30 and 7 days of old */
	RA_VALID = 5400,
	RA_PREFERRED = 2700
};

/** struct ra_conf - what one LAN is told
 * @link, @mac, @mac_len: the interface
 * @prefix:	its part of the edge's prefix; advertised if it is a /64
 * @mtu:	0: not told
 * @dns:	@dns_count resolvers; none: not told
 */
struct ra_conf {
	int link;
	uint8_t mac[6], mac_len;
	uint8_t dns_count;
	struct prefix6 prefix;
	uint32_t mtu;
	struct addr6 dns[RA_DNS];
};

/** struct ra - one LAN's advertiser
 * @is_alive:	we lead somewhere: a router lifetime above 0
 * @initial:	how many of the first, frequent ones are left
 * @final:	how many with lifetime 0 are left before it is quiet
 * @last:	when one was sent, 0: never
 * @next:	when the next is due
 * @sent, @solicited, @refused: counters
 */
struct ra {
	struct watch watch;
	struct ra_conf conf;
	struct rand *rand;
	bool is_alive;
	unsigned initial, final;
	msec last, next;
	uint64_t sent, solicited, refused, failed;
};

/** ra_build() - One advertisement; checksum left to the kernel
 * Return: its length
 */
size_t ra_build(const struct ra_conf *c, bool is_alive,
		uint8_t to[static RA_BYTES]);
/** ra_solicitation_ok() - RFC 4861, 6.1.1, but for the checksum */
bool ra_solicitation_ok(struct span icmp6, int hop_limit,
			const struct addr6 *from);

/** ra_init() - Without a socket: ra_tick() then only keeps the times
 * @r: its @watch.fd becomes -1; @rand stays the caller's
 */
void ra_init(struct ra *r, const struct ra_conf *c, struct rand *rand,
	     msec now);
/** ra_open() - ra_init() and a raw socket (CAP_NET_RAW, CAP_NET_ADMIN not) on
 * the interface; put @r->watch into the loop for EPOLLIN
 */
int ra_open(struct ra *r, const struct ra_conf *c, struct rand *rand,
	    msec now);
/** ra_solicited() - A good solicitation has come */
void ra_solicited(struct ra *r, msec now);
/** ra_tick() - Send what is due */
void ra_tick(struct ra *r, msec now);
msec ra_deadline(const struct ra *r);
/** ra_again() - What @r->conf says has changed: tell it as at the start */
void ra_again(struct ra *r, msec now);
/** ra_set_alive() - Whether hosts should use us; told at once on a change */
void ra_set_alive(struct ra *r, bool is_alive, msec now);
/** ra_close() - Say good-bye (lifetime 0) and close; out of the loop before */
void ra_close(struct ra *r);

#endif
