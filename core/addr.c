/* SPDX-License-Identifier: MIT
 *
 * addr.c - addresses, transport addresses and prefixes, and their text
 *
 * Theory of operation
 * ===================
 * Text comes from people and from certificates, so parsing is strict: the whole
 * text must be the address, a zone ("%eth0") is none of ours, an IPv4 part has
 * no leading zeroes (some read them as octal) and a "::" stands for at least
 * one group (RFC 4291, 2.2). A parser that says no leaves its result alone.
 *
 * Formatting follows RFC 5952, 4: lower case, no leading zeroes, the longest
 * run of two or more zero groups shortened, the first of equals. The two
 * prefixes that are known to hold an IPv4 address, ::ffff:0:0/96 and
 * 64:ff9b::/96, show it as one (RFC 5952, 5).
 */
#include <string.h>

#include "core/addr.h"
#include "core/bytes.h"

enum { GROUPS = 8, NO_GAP = GROUPS + 1 };

/* struct groups - the 16-bit groups of an IPv6 text as they are read
 * @gap: number of groups before the "::", NO_GAP if there was none
 */
struct groups {
	uint16_t at[GROUPS];
	unsigned int count, gap;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Value of a hexadecimal digit, 16 if it is none. */
static unsigned int hex_value(char c)
{
	if (is_digit(c))
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 16;
}

/* Decimal number up to @max without leading zeroes; *s moves behind it. */
static bool parse_decimal(const char **s, unsigned int max, unsigned int *v)
{
	const char *c = *s;
	unsigned int n = 0;

	if (!is_digit(*c) || (c[0] == '0' && is_digit(c[1])))
		return false;
	for (; is_digit(*c); c++) {
		n = n * 10 + (unsigned int)(*c - '0');
		if (n > max)
			return false;
	}
	*s = c;
	*v = n;
	return true;
}

/* One to four hexadecimal digits; *s moves behind them. */
static bool parse_group(const char **s, struct groups *g)
{
	unsigned int v = 0, digits;

	for (digits = 0; hex_value(**s) < 16; digits++, (*s)++) {
		if (digits == 4)
			return false;
		v = v << 4 | hex_value(**s);
	}
	if (!digits || g->count == GROUPS)
		return false;
	g->at[g->count++] = (uint16_t)v;
	return true;
}

static bool parse_dotted_tail(const char *s, struct groups *g)
{
	uint32_t a;

	if (g->count > GROUPS - 2 || !addr4_parse(&a, s))
		return false;
	g->at[g->count++] = (uint16_t)(a >> 16);
	g->at[g->count++] = (uint16_t)a;
	return true;
}

/* Is the next group the beginning of a dotted quad? */
static bool is_dotted(const char *s)
{
	while (is_digit(*s))
		s++;
	return *s == '.';
}

/* All of the text to groups. */
static bool parse_groups(const char *s, struct groups *g)
{
	g->count = 0;
	g->gap = NO_GAP;
	if (s[0] == ':') {
		if (s[1] != ':')
			return false;
		g->gap = 0;
		s += 2;
	}
	while (*s) {
		if (is_dotted(s))
			return parse_dotted_tail(s, g);
		if (!parse_group(&s, g))
			return false;
		if (!*s)
			return true;
		if (*s++ != ':')
			return false;
		if (*s == ':') {
			if (g->gap != NO_GAP)
				return false;
			g->gap = g->count;
			s++;
		} else if (!*s) {
			return false;
		}
	}
	return true;
}

bool addr6_parse(struct addr6 *a, const char *text)
{
	struct groups g;
	unsigned int i, shift = 0;

	if (!parse_groups(text, &g))
		return false;
	if (g.gap == NO_GAP ? g.count != GROUPS : g.count >= GROUPS)
		return false;
	memset(a, 0, sizeof(*a));
	for (i = 0; i < g.count; i++) {
		if (i == g.gap)
			shift = GROUPS - g.count;
		put16(a->b + 2 * (i + shift), g.at[i]);
	}
	return true;
}

/* Write @v in decimal at @to; return the place behind it. */
static char *format_decimal(char *to, unsigned int v)
{
	char digits[10];
	unsigned int n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*to++ = digits[--n];
	return to;
}

static char *format_group(char *to, unsigned int v)
{
	unsigned int shift = 12;

	while (shift && !(v >> shift))
		shift -= 4;
	for (;; shift -= 4) {
		*to++ = "0123456789abcdef"[v >> shift & 15];
		if (!shift)
			return to;
	}
}

static char *format_quad(char *to, uint32_t a)
{
	int shift;

	for (shift = 24; shift >= 0; shift -= 8) {
		to = format_decimal(to, a >> shift & 255);
		if (shift)
			*to++ = '.';
	}
	return to;
}

/* Does @a hold an IPv4 address by a well-known prefix (RFC 4291, RFC 6052)? */
static bool holds_addr4(const struct addr6 *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t wkp[12] = { 0x00, 0x64, 0xff, 0x9b };

	return !memcmp(a->b, mapped, 12) || !memcmp(a->b, wkp, 12);
}

/* First of the longest runs of two or more zero groups in @a's first @n. */
static void longest_run(const struct addr6 *a, unsigned int n,
			unsigned int *start, unsigned int *len)
{
	unsigned int i, run = 0;

	*start = NO_GAP;
	*len = 1;
	for (i = 0; i < n; i++) {
		run = get16(a->b + 2 * i) ? 0 : run + 1;
		if (run > *len) {
			*len = run;
			*start = i + 1 - run;
		}
	}
}

static char *format6(char *to, const struct addr6 *a)
{
	bool mixed = holds_addr4(a);
	unsigned int n = mixed ? GROUPS - 2 : GROUPS;
	unsigned int i, start, len;

	longest_run(a, n, &start, &len);
	for (i = 0; i < n; i++) {
		if (i == start) {
			*to++ = ':';
			*to++ = ':';
			i += len - 1;
			continue;
		}
		if (i && i != start + len)
			*to++ = ':';
		to = format_group(to, get16(a->b + 2 * i));
	}
	if (!mixed)
		return to;
	if (start + len != n)
		*to++ = ':';
	return format_quad(to, get32(a->b + 12));
}

const char *addr6_format(const struct addr6 *a, char *to)
{
	*format6(to, a) = '\0';
	return to;
}

bool addr4_parse(uint32_t *a, const char *text)
{
	uint32_t v = 0;
	unsigned int i, octet;

	for (i = 0; i < 4; i++) {
		if (i && *text++ != '.')
			return false;
		if (!parse_decimal(&text, 255, &octet))
			return false;
		v = v << 8 | octet;
	}
	if (*text)
		return false;
	*a = v;
	return true;
}

const char *addr4_format(uint32_t a, char *to)
{
	*format_quad(to, a) = '\0';
	return to;
}

const char *taddr4_format(struct taddr4 t, char *to)
{
	char *end = format_quad(to, t.addr);

	*end++ = ':';
	*format_decimal(end, t.port) = '\0';
	return to;
}

bool prefix6_parse(struct prefix6 *p, const char *text)
{
	char buf[ADDR6_TEXT];
	struct addr6 a, masked;
	unsigned int len;
	size_t n = 0;

	while (text[n] && text[n] != '/') {
		if (n == sizeof(buf) - 1)
			return false;
		buf[n] = text[n];
		n++;
	}
	buf[n] = '\0';
	if (!text[n] || !addr6_parse(&a, buf))
		return false;
	text += n + 1;
	if (!parse_decimal(&text, 128, &len) || *text)
		return false;
	masked = prefix6_mask(&a, (uint8_t)len);
	if (!addr6_eq(&a, &masked))
		return false;
	p->addr = a;
	p->len = (uint8_t)len;
	return true;
}

const char *prefix6_format(const struct prefix6 *p, char *to)
{
	char *end = format6(to, &p->addr);

	*end++ = '/';
	*format_decimal(end, p->len) = '\0';
	return to;
}

/* Are the first @bits (0 to 64) of 8 bytes the same? */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	return !bits || !((get64(a) ^ get64(b)) >> (64 - bits));
}

bool prefix6_contains(const struct prefix6 *p, const struct addr6 *a)
{
	unsigned int high = p->len < 64 ? p->len : 64;

	return same_bits(a->b, p->addr.b, high) &&
	       same_bits(a->b + 8, p->addr.b + 8, p->len - high);
}

bool prefix6_covers(const struct prefix6 *big, const struct prefix6 *small)
{
	return big->len <= small->len && prefix6_contains(big, &small->addr);
}

struct addr6 prefix6_mask(const struct addr6 *a, uint8_t len)
{
	struct addr6 m = { { 0 } };
	unsigned int whole = len / 8u;

	if (len >= 128)
		return *a;
	memcpy(m.b, a->b, whole);
	m.b[whole] = (uint8_t)(a->b[whole] & (0xff00 >> len % 8));
	return m;
}

bool prefix6_nth(const struct prefix6 *p, uint8_t len, uint64_t n,
		 struct prefix6 *out)
{
	unsigned int bits;

	if (len > 64 || len < p->len)
		return false;
	bits = (unsigned int)len - p->len;
	if (bits < 64 && n >> bits)
		return false;
	*out = (struct prefix6){ p->addr, len };
	if (bits)
		put64(out->addr.b, get64(p->addr.b) | n << (64 - len));
	return true;
}

bool addr6_is_unicast(const struct addr6 *a)
{
	uint64_t high = get64(a->b), low = get64(a->b + 8);

	if (a->b[0] == 0xff || high >> 54 == 0xfe80 >> 6)
		return false;
	if (!high)	/* ::, ::1, ::ffff:0:0/96 */
		return low > 1 && low >> 32 != 0xffff;
	return true;
}

bool addr4_is_unicast(uint32_t a)
{
	return a >> 24 && a >> 28 < 0xe;
}

static bool is_label_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

bool host_text_ok(const char *text)
{
	enum { LABEL_MAX = 63, NAME_MAX_LEN = 253 };
	size_t len = strlen(text), label = 0, digits = 0;
	uint32_t a;

	if (!len || len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool dot = text[i] == '.';

		if (dot ? !label : !is_label_char(text[i]))
			return false;
		if (!label && text[i] == '-')
			return false;
		if (dot && i + 1 == len)	/* "example.net." */
			break;
		label = dot ? 0 : label + 1;
		digits = dot ? 0 : digits + is_digit(text[i]);
		if (label > LABEL_MAX)
			return false;
	}
	if (digits < label)
		return true;
	return addr4_parse(&a, text) && addr4_is_unicast(a);
}
