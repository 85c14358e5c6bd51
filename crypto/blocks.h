/* SPDX-License-Identifier: MIT
 *
 * blocks.h - the addresses a certificate grants (RFC 3779, 2)
 */
#ifndef CRYPTO_BLOCKS_H
#define CRYPTO_BLOCKS_H

#include "core/addr.h"
#include "core/bytes.h"

#define BLOCKS_LEN_MIN 16	/* shortest prefix of a hub */
#define BLOCKS_LEN_MAX 64	/* longest prefix of an edge: SLAAC needs a /64 */

/** struct blocks - one IPv6 prefix, and IPv4 addresses if any
 * @ipv4: first address, host order
 */
struct blocks {
	struct prefix6 prefix;
	bool has_ipv4;
	uint32_t ipv4;
	uint8_t ipv4_len;
};

/** blocks_parse() - Read the contents of the extension (an IPAddrBlocks)
 *
 * Only for a certificate whose chain is verified. False unless there is exactly
 * one IPv6 prefix of BLOCKS_LEN_MIN to BLOCKS_LEN_MAX bits and at most one IPv4
 * prefix (not /0), each in the form that DER wants.
 */
bool blocks_parse(struct blocks *b, struct span ext);
/** blocks_write() - Write an IPAddrBlocks */
void blocks_write(struct writer *w, const struct blocks *b);

#endif
