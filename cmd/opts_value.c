/* SPDX-License-Identifier: MIT
 *
 * opts_value.c - turning the text of an option into its value
 *
 * Each reader gives NULL, or the words that follow "expected " in the error
 * line. They write the field only when the text is right.
 */
#include <ctype.h>
#include <net/if.h>
#include <string.h>

#include "cmd/log.h"
#include "cmd/opts.h"
#include "core/addr.h"

/* A decimal number up to @max, digits only; false if it is none. */
static bool read_number(const char *text, uint32_t max, uint32_t *value)
{
	uint64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
		if (v > max)
			return false;
	}
	*value = (uint32_t)v;
	return true;
}

static bool read_port(const char *text, uint16_t *port)
{
	uint32_t v;

	if (!read_number(text, 65535, &v) || !v)
		return false;
	*port = (uint16_t)v;
	return true;
}

const char *opt_text(void *field, const char *text)
{
	if (!*text)
		return "some text";
	*(const char **)field = text;
	return NULL;
}

const char *opt_text_many(void *field, const char *text)
{
	struct opt_names *names = field;

	if (!*text)
		return "some text";
	if (names->count == OPT_MANY)
		return "at most 16 of them";
	names->at[names->count++] = text;
	return NULL;
}

const char *opt_name(void *field, const char *text)
{
	static const char wanted[] =
		"a name of at most 63 letters, digits, dots, dashes";
	size_t len = strlen(text);

	if (!len || len > 63 || *text == '.' || *text == '-')
		return wanted;
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return wanted;
	*(const char **)field = text;
	return NULL;
}

const char *opt_iface_many(void *field, const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= IF_NAMESIZE || strpbrk(text, "/ \t\n") ||
	    !strcmp(text, ".") || !strcmp(text, ".."))
		return "the name of a network interface";
	return opt_text_many(field, text);
}

const char *opt_u32(void *field, const char *text)
{
	return read_number(text, UINT32_MAX, field) ? NULL : "a number";
}

const char *opt_bench(void *field, const char *text)
{
	uint32_t mbit = 0;

	if (strcmp(text, "no") && (!read_number(text, 1000000, &mbit) || !mbit))
		return "`no` or a number of Mbit/s";
	*(uint32_t *)field = mbit;
	return NULL;
}

const char *opt_ports(void *field, const char *text)
{
	static const char wanted[] =
		"LO-HI, at least 16 ports between 1024 and 65535";
	const char *dash = strchr(text, '-');
	struct opt_ports *ports = field;
	uint16_t lo, hi;
	char low[8];

	if (!dash || (size_t)(dash - text) >= sizeof(low))
		return wanted;
	memcpy(low, text, (size_t)(dash - text));
	low[dash - text] = 0;
	if (!read_port(low, &lo) || !read_port(dash + 1, &hi) || lo < 1024 ||
	    hi < lo || hi - lo < 15)
		return wanted;
	ports->lo = lo;
	ports->hi = hi;
	return NULL;
}

/* Split "[v6]:port", "[v6]", "v6", "host:port" or "host". */
static bool read_endpoint(struct opt_endpoint *e, const char *text)
{
	const char *host = text, *end, *port = NULL;
	struct addr6 ignored;

	if (*text == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		port = end[1] ? end + 2 : NULL;
	} else if (addr6_parse(&ignored, text)) {
		end = text + strlen(text);
	} else {
		end = strchr(text, ':');
		port = end ? end + 1 : NULL;
		end = end ? end : text + strlen(text);
	}
	if (end == host || (size_t)(end - host) >= sizeof(e->host))
		return false;
	memset(e, 0, sizeof(*e));
	memcpy(e->host, host, (size_t)(end - host));
	e->port = OPT_DEFAULT_PORT;
	e->has_port = port;
	return (*text != '[' || addr6_parse(&ignored, e->host)) &&
	       (!port || read_port(port, &e->port));
}

static bool is_host(const char *host)
{
	struct addr6 ignored;

	return addr6_parse(&ignored, host) || host_text_ok(host);
}

static bool is_address(const char *host)
{
	struct addr6 a6;
	uint32_t a4;

	return addr4_parse(&a4, host) || addr6_parse(&a6, host);
}

static const char *add_endpoint(struct opt_endpoints *list, const char *text,
				bool (*check)(const char *host),
				const char *wanted)
{
	struct opt_endpoint e;

	if (!read_endpoint(&e, text) || !check(e.host))
		return wanted;
	if (list->count == OPT_MANY)
		return "at most 16 of them";
	list->at[list->count++] = e;
	return NULL;
}

const char *opt_endpoint_many(void *field, const char *text)
{
	return add_endpoint(field, text, is_host,
			    "HOST or HOST:PORT, as hub.example.net:6464");
}

const char *opt_listen_many(void *field, const char *text)
{
	return add_endpoint(field, text, is_address,
			    "ADDR or ADDR:PORT, as 203.0.113.10:6464");
}

const char *opt_carriers(void *field, const char *text)
{
	static const char *const names[OPT_CARRIERS_COUNT] = {
		[OPT_CARRIERS_AUTO] = "auto",
		[OPT_CARRIERS_OWN] = "own",
		[OPT_CARRIERS_SHARED] = "shared",
		[OPT_CARRIERS_RELAY] = "relay",
	};

	for (int i = 0; i < OPT_CARRIERS_COUNT; i++) {
		if (!strcmp(text, names[i])) {
			*(enum opt_carriers *)field = (enum opt_carriers)i;
			return NULL;
		}
	}
	return "auto, own, shared or relay";
}

const char *opt_log(void *field, const char *text)
{
	return log_level_parse(field, text) ? NULL :
					      "error, warn, info or debug";
}
