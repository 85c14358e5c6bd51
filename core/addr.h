/* SPDX-License-Identifier: MIT
 *
 * addr.h - addresses, transport addresses and prefixes, and their text
 *
 * IPv4 addresses and ports are plain numbers in host order; IPv6 addresses are
 * their 16 bytes. Text is RFC 4291/5952 for IPv6, dotted quad for IPv4.
 */
#ifndef CORE_ADDR_H
#define CORE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ADDR6_TEXT 46	/* longest IPv6 text and its NUL */
#define ADDR4_TEXT 16
#define TADDR4_TEXT 22	/* 255.255.255.255:65535 */
#define PREFIX6_TEXT 50

struct addr6 {
	uint8_t b[16];
};

/** struct taddr4 - IPv4 transport address (RFC 6146, 2), host order */
struct taddr4 {
	uint32_t addr;
	uint16_t port;
};

/** struct prefix6 - IPv6 prefix; bits beyond @len are 0 */
struct prefix6 {
	struct addr6 addr;
	uint8_t len;
};

static inline bool addr6_eq(const struct addr6 *a, const struct addr6 *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static inline bool taddr4_eq(struct taddr4 a, struct taddr4 b)
{
	return a.addr == b.addr && a.port == b.port;
}

/** addr6_parse() - Text to address; false, and *a unchanged, if it is none */
bool addr6_parse(struct addr6 *a, const char *text);
/** addr6_format() - Address to RFC 5952 text in @to (ADDR6_TEXT bytes) */
const char *addr6_format(const struct addr6 *a, char *to);
/** addr4_parse() - Dotted quad to host-order address; strict, no leading 0 */
bool addr4_parse(uint32_t *a, const char *text);
const char *addr4_format(uint32_t a, char *to);
/** taddr4_format() - "192.0.2.1:6464" in @to (TADDR4_TEXT bytes) */
const char *taddr4_format(struct taddr4 t, char *to);
/** prefix6_parse() - "2001:db8::/48" to prefix; false if it is none or has
 * bits set beyond its length
 */
bool prefix6_parse(struct prefix6 *p, const char *text);
const char *prefix6_format(const struct prefix6 *p, char *to);
/** prefix6_contains() - Is @a inside @p? */
bool prefix6_contains(const struct prefix6 *p, const struct addr6 *a);
/** prefix6_covers() - Is all of @small inside @big (equal counts)? */
bool prefix6_covers(const struct prefix6 *big, const struct prefix6 *small);
/** prefix6_mask() - @a with all bits beyond @len cleared */
struct addr6 prefix6_mask(const struct addr6 *a, uint8_t len);
/** prefix6_nth() - The @n-th /@len subnet of @p; false if @p has fewer.
 * @len up to 64 and not below p->len
 */
bool prefix6_nth(const struct prefix6 *p, uint8_t len, uint64_t n,
		 struct prefix6 *out);
/** addr6_is_unicast() - Fit to be source or destination of a forwarded packet:
 * not multicast, unspecified, loopback, link-local, IPv4-mapped (RFC 4291)
 */
bool addr6_is_unicast(const struct addr6 *a);

/** host_text_ok() - Is @text, a name or IPv4 address, worth looking up?
 * Letters, digits, dashes, underscores in labels of 1 to 63 (RFC 1035, 2.3.4);
 * what ends in a number must be a unicast address (RFC 3696, 2)
 */
bool host_text_ok(const char *text);
/** addr4_is_unicast() - Can a host have it? Not 0/8, multicast, broadcast */
bool addr4_is_unicast(uint32_t a);

#endif
