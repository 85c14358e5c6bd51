/* SPDX-License-Identifier: MIT
 *
 * policy.h - which inbound sessions an edge lets in (design section 6)
 *
 * Text: "none", "all", or a list such as "tcp/22,udp/51820,tcp/443@::5". The
 * address after @ is a suffix inside the edge's prefix. ICMPv6 echo is always
 * allowed (RFC 4890, RFC 6092).
 */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include <stdbool.h>

#include "core/addr.h"
#include "core/bytes.h"

enum { POLICY_RULES = 32, POLICY_TEXT = 1024 };

/** struct policy_rule - one word of the list
 * @suffix: address inside the prefix, if @has_suffix; else any host
 */
struct policy_rule {
	uint8_t proto;
	uint16_t port;
	bool has_suffix;
	struct addr6 suffix;
};

struct policy {
	bool all;
	uint8_t count;
	struct policy_rule rule[POLICY_RULES];
};

/** policy_parse() - Text to policy. False, and *p unchanged, if it is not one */
bool policy_parse(struct policy *p, struct span text);
/** policy_allows() - May a session to @host (inside @prefix) be opened from
 * outside? @port: the host's; of ICMPv6 only echo may be asked about
 */
bool policy_allows(const struct policy *p, const struct prefix6 *prefix,
		   const struct addr6 *host, uint8_t proto, uint16_t port);

#endif
