/* SPDX-License-Identifier: MIT
 *
 * policy.c - the text of --inbound, and the question it answers
 */
#include "core/policy.h"

#include "core/pkt.h"

/* Is the word at the start of @s? Then skip it. */
static bool skip(struct span *s, const char *word)
{
	size_t len = strlen(word);

	if (s->len < len || memcmp(s->at, word, len))
		return false;
	s->at += len;
	s->len -= len;
	return true;
}

static bool take_port(struct span *s, uint16_t *port)
{
	uint32_t v = 0;
	size_t i;

	for (i = 0; i < s->len && s->at[i] >= '0' && s->at[i] <= '9'; i++) {
		v = v * 10 + (uint32_t)(s->at[i] - '0');
		if (v > 65535)
			return false;
	}
	s->at += i;
	s->len -= i;
	*port = (uint16_t)v;
	return i && v;
}

static bool take_suffix(struct span *s, struct addr6 *a)
{
	char text[ADDR6_TEXT];
	size_t len = 0;

	while (len < s->len && s->at[len] != ',')
		len++;
	if (len >= sizeof(text))
		return false;
	memcpy(text, s->at, len);
	text[len] = '\0';
	s->at += len;
	s->len -= len;
	return addr6_parse(a, text);
}

static bool take_rule(struct span *s, struct policy_rule *r)
{
	if (skip(s, "tcp/"))
		r->proto = PROTO_TCP;
	else if (skip(s, "udp/"))
		r->proto = PROTO_UDP;
	else
		return false;
	if (!take_port(s, &r->port))
		return false;
	r->has_suffix = skip(s, "@");
	return !r->has_suffix || take_suffix(s, &r->suffix);
}

static bool text_is(struct span text, const char *word)
{
	return text.len == strlen(word) && !memcmp(text.at, word, text.len);
}

bool policy_parse(struct policy *p, struct span text)
{
	struct policy out = { 0 };

	if (text_is(text, "all")) {
		out.all = true;
	} else if (!text_is(text, "none")) {
		do {
			if (out.count == POLICY_RULES ||
			    !take_rule(&text, &out.rule[out.count++]))
				return false;
		} while (skip(&text, ","));
		if (text.len)
			return false;
	}
	*p = out;
	return true;
}

/* Does @host end in @suffix, beyond the prefix? */
static bool ends_in(const struct addr6 *host, const struct prefix6 *prefix,
		    const struct addr6 *suffix)
{
	struct addr6 h = *host, s = *suffix;
	struct addr6 hm = prefix6_mask(&h, prefix->len);
	struct addr6 sm = prefix6_mask(&s, prefix->len);

	for (int i = 0; i < 16; i++)
		if ((h.b[i] ^ hm.b[i]) != (s.b[i] ^ sm.b[i]))
			return false;
	return true;
}

bool policy_allows(const struct policy *p, const struct prefix6 *prefix,
		   const struct addr6 *host, uint8_t proto, uint16_t port)
{
	if (p->all || proto == PROTO_ICMP6)
		return true;
	for (int i = 0; i < p->count; i++) {
		const struct policy_rule *r = &p->rule[i];

		if (r->proto == proto && r->port == port &&
		    (!r->has_suffix || ends_in(host, prefix, &r->suffix)))
			return true;
	}
	return false;
}
