/* SPDX-License-Identifier: MIT
 *
 * icmp6.c - ICMPv6 errors of our own (RFC 4443)
 *
 * Theory of operation
 * ===================
 * An error quotes as much of its packet as fits in 1280 bytes and is complete
 * in itself: nobody behind has to know what it is about. Rates are the engine's
 * business (RFC 4443, 2.4 f).
 *
 * What must not be answered (2.4 e) is decided from the packet alone. Extension
 * headers are walked here, and only here, to see an ICMPv6 error behind them;
 * a chain that is cut off or longer than any honest one is not answered: a
 * missing answer costs a stranger a time-out, a wrong one may start a storm.
 */
#include "core/bytes.h"
#include "core/csum.h"
#include "core/icmp6.h"
#include "core/xlat.h"

enum {
	ERROR_HDR = 8, ERROR_MAX = 1280, ERROR_HOP = 64,
	REDIRECT = 137, CHAIN_MAX = 8,
};

static bool is_multicast(const struct addr6 *a)
{
	return a->b[0] == 0xff;
}

static bool is_unspecified(const struct addr6 *a)
{
	static const struct addr6 none;

	return addr6_eq(a, &none);
}

static bool is_extension(uint8_t nh)
{
	return nh == PROTO_HOPOPTS || nh == PROTO_ROUTING ||
	       nh == PROTO_DSTOPTS || nh == PROTO_FRAGMENT;
}

/* Is the packet, behind whatever extension headers, one that asks for no
 * answer: an ICMPv6 error or redirect, or something too short to tell?
 */
static bool is_error_or_unclear(const struct pkt *p)
{
	struct reader r = reader_of(pkt_bytes(p));
	uint8_t nh = p->nh;
	unsigned int i;

	read_bytes(&r, IP6_HDR);
	for (i = 0; is_extension(nh) && i < CHAIN_MAX; i++) {
		bool frag = nh == PROTO_FRAGMENT;
		size_t len;

		nh = read8(&r);
		len = read8(&r);
		len = frag ? FRAG_HDR : 8 + 8 * len;
		if (frag && read16(&r) >> 3)
			return true;
		read_bytes(&r, len - (frag ? 4 : 2));
	}
	if (r.bad || is_extension(nh))
		return true;
	if (nh == PROTO_ICMP6) {
		uint8_t type = read8(&r);

		return r.bad || icmp6_is_error(type) || type == REDIRECT;
	}
	return false;
}

bool icmp6_may_answer(const struct pkt *p, bool too_big)
{
	if (p->is_frag && !p->is_first_frag)
		return false;
	if (is_multicast(&p->src6) || is_unspecified(&p->src6) ||
	    is_unspecified(&p->dst6))
		return false;
	if (is_multicast(&p->dst6) && !too_big)
		return false;
	return !is_error_or_unclear(p);
}

size_t icmp6_error(struct writer *w, const struct addr6 *src, uint8_t type,
		   uint8_t code, uint32_t param, const struct pkt *p)
{
	const size_t room = ERROR_MAX - IP6_HDR - ERROR_HDR;
	size_t quoted = p->f->len < room ? p->f->len : room;
	uint16_t len = (uint16_t)(ERROR_HDR + quoted), sum;
	uint8_t *ip = write_room(w, IP6_HDR + (size_t)len);
	uint8_t *icmp;

	if (!ip)
		return 0;
	ip6_header(ip, src, &p->src6, PROTO_ICMP6, len, 0, 0, ERROR_HOP);
	icmp = ip + IP6_HDR;
	icmp[0] = type;
	icmp[1] = code;
	put16(icmp + 2, 0);
	put32(icmp + 4, param);
	memcpy(icmp + ERROR_HDR, p->f->at, quoted);
	sum = csum_pseudo6(src, &p->src6, len, PROTO_ICMP6);
	put16(icmp + 2, (uint16_t)~csum_bytes(sum, icmp, len));
	return IP6_HDR + (size_t)len;
}
