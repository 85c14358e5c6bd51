/* SPDX-License-Identifier: MIT
 *
 * blocks.c - the addresses a certificate grants (RFC 3779, 2)
 *
 * Theory of operation
 * ===================
 * IPAddrBlocks is a sequence of families; each has a list of prefixes (BIT
 * STRING, as long as the prefix) and ranges, or inherits. RFC 3779, 2.2.3.7
 * wants a prefix wherever one can say the same, so a range is never ours. We
 * read one family 0002 with one prefix and at most one family 0001 before it,
 * without SAFI; inherit, ranges, two prefixes, other families, bits set beyond
 * the length: refused. A certificate that means something else than "this site
 * is this prefix" must not get through as something near to it.
 */
#include "crypto/blocks.h"
#include "crypto/der.h"

enum family { FAMILY_IPV4 = 1, FAMILY_IPV6 = 2 };

/* RFC 3779, 2.2.3.8: the bits of the prefix, its length told by the unused
 * ones. Gives the length, or -1.
 */
static int parse_prefix(struct span bits, uint8_t *to, size_t cap)
{
	uint8_t unused;

	if (!bits.len || bits.len - 1 > cap)
		return -1;
	unused = bits.at[0];
	if (unused > 7 || (unused && bits.len == 1))
		return -1;
	if (bits.at[bits.len - 1] & ((1u << unused) - 1) && bits.len > 1)
		return -1;
	memcpy(to, bits.at + 1, bits.len - 1);
	return (int)((bits.len - 1) * 8) - unused;
}

/* One IPAddressFamily: its number, and its only prefix in @to, zero-filled */
static int parse_family(struct span *list, uint16_t *family, uint8_t to[16])
{
	struct span seq, afi, choice, bits;

	memset(to, 0, 16);
	if (!der_take(list, DER_SEQUENCE, &seq) ||
	    !der_take(&seq, DER_OCTET_STRING, &afi) || afi.len != 2 ||
	    !der_take(&seq, DER_SEQUENCE, &choice) || seq.len ||
	    !der_take(&choice, DER_BIT_STRING, &bits) || choice.len)
		return -1;
	*family = get16(afi.at);
	if (*family == FAMILY_IPV4)
		return parse_prefix(bits, to, 4);
	if (*family == FAMILY_IPV6)
		return parse_prefix(bits, to, 16);
	return -1;
}

bool blocks_parse(struct blocks *b, struct span ext)
{
	struct blocks out = { .has_ipv4 = false };
	struct span list;
	uint8_t addr[16];
	uint16_t family;
	int len;

	if (!der_take(&ext, DER_SEQUENCE, &list) || ext.len)
		return false;
	len = parse_family(&list, &family, addr);
	if (len > 0 && family == FAMILY_IPV4) {
		out.has_ipv4 = true;
		out.ipv4 = get32(addr);
		out.ipv4_len = (uint8_t)len;
		len = parse_family(&list, &family, addr);
	}
	if (len < BLOCKS_LEN_MIN || len > BLOCKS_LEN_MAX ||
	    family != FAMILY_IPV6 || list.len)
		return false;
	memcpy(out.prefix.addr.b, addr, sizeof(addr));
	out.prefix.len = (uint8_t)len;
	*b = out;
	return true;
}

static void write_family(struct writer *w, uint16_t family,
			 const uint8_t *addr, uint8_t len)
{
	size_t seq = der_open(w, DER_SEQUENCE), choice;
	size_t bytes = (len + 7u) / 8;
	uint8_t afi[2];

	put16(afi, family);
	der_put(w, DER_OCTET_STRING, afi, sizeof(afi));
	choice = der_open(w, DER_SEQUENCE);
	der_put_bits(w, addr, bytes, (uint8_t)(bytes * 8 - len));
	der_close(w, choice);
	der_close(w, seq);
}

void blocks_write(struct writer *w, const struct blocks *b)
{
	size_t list = der_open(w, DER_SEQUENCE);
	uint8_t ipv4[4];

	if (b->has_ipv4) {
		put32(ipv4, b->ipv4);
		write_family(w, FAMILY_IPV4, ipv4, b->ipv4_len);
	}
	write_family(w, FAMILY_IPV6, b->prefix.addr.b, b->prefix.len);
	der_close(w, list);
}
