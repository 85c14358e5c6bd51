/* SPDX-License-Identifier: MIT
 *
 * bundle.c - one file that is all an edge or a hub has to be given
 *
 * Theory of operation
 * ===================
 * NAME.pem is text of RFC 7468. Its lines tell people what it is; of these only
 * "hub: HOST:PORT" is read. Then come the private key, its owner's certificate
 * and the CA's. Name, role, prefix and life time are read from the certificate
 * alone, so no line of text can claim more than was signed.
 *
 * A bundle is checked in itself before anything is started: the key fits the
 * certificate, the CA in it signed the certificate, the certificate has a role
 * and address blocks. What fails later can then only be the other side's doing.
 * The file is bounded to BUNDLE_FILE_MAX; every copy of the key is wiped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "crypto/bundle.h"
#include "crypto/pem.h"
#include "crypto/trust.h"

/* ---- where a hub is ------------------------------------------------------ */

static bool port_parse(uint16_t *port, const char *text)
{
	unsigned long v = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9' && i < 5; i++)
		v = v * 10 + (unsigned long)(text[i] - '0');
	if (!i || text[i] || !v || v > 65535)
		return false;
	*port = (uint16_t)v;
	return true;
}

bool hub_addr_parse(struct hub_addr *a, const char *text)
{
	struct hub_addr out = { .port = BUNDLE_PORT };
	const char *first = strchr(text, ':'), *last = strrchr(text, ':');
	bool is_addr6 = text[0] == '[' || first != last;
	const char *rest = text + strlen(text);
	struct addr6 addr6;

	if (text[0] == '[') {
		text++;
		rest = strchr(text, ']');
		last = rest ? rest + 1 : NULL;
	} else if (first && first == last) {
		rest = first;
	} else {
		last = rest;
	}
	if (!rest || (size_t)(rest - text) >= sizeof(out.host))
		return false;
	memcpy(out.host, text, (size_t)(rest - text));
	if (last && *last && (*last != ':' || !port_parse(&out.port, last + 1)))
		return false;
	if (is_addr6 ? !addr6_parse(&addr6, out.host) : !host_text_ok(out.host))
		return false;
	*a = out;
	return true;
}

const char *hub_addr_format(const struct hub_addr *a, char *to)
{
	bool is_addr6 = strchr(a->host, ':');

	snprintf(to, HUB_ADDR_TEXT, is_addr6 ? "[%s]:%u" : "%s:%u", a->host,
		 a->port);
	return to;
}

const char *date_format(int64_t seconds, char *to)
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&when, &tm) || !strftime(to, DATE_TEXT, "%Y-%m-%d", &tm))
		memcpy(to, "?", 2);
	return to;
}

/* ---- reading ------------------------------------------------------------- */

__attribute__((format(printf, 2, 3)))
static bool fail(char *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err, BUNDLE_ERROR_MAX, format, args);
	va_end(args);
	return false;
}

/* One "hub: HOST:PORT" line */
static bool take_hub(struct bundle *b, struct span line, const char *path,
		     char *err)
{
	char text[HUB_ADDR_TEXT];
	size_t len;

	while (line.len && (line.at[0] == ' ' || line.at[0] == '\t'))
		line.at++, line.len--;
	len = line.len < sizeof(text) ? line.len : sizeof(text) - 1;
	memcpy(text, line.at, len);
	text[len] = '\0';
	if (b->hub_count == BUNDLE_HUBS_MAX)
		return fail(err, "%s: more than %d hub: lines: remove some",
			    path, BUNDLE_HUBS_MAX);
	if (!hub_addr_parse(&b->hubs[b->hub_count], text))
		return fail(err, "%s: a hub: line is not HOST[:PORT]: mend it",
			    path);
	b->hub_count++;
	return true;
}

struct parts {
	const char *path;
	char *err;
	bool has_key;
};

static bool take_cert(uint8_t *to, size_t *to_len, const struct pem *p,
		      struct parts *parts)
{
	if (p->len > CERT_MAX)
		return fail(parts->err,
			    "%s: a certificate is larger than %d bytes: not one of ours",
			    parts->path, CERT_MAX);
	memcpy(to, p->der, p->len);
	*to_len = p->len;
	return true;
}

static bool take_object(struct bundle *b, const struct pem *p,
			struct parts *parts)
{
	bool is_key = !strcmp(p->label, "PRIVATE KEY") ||
		      !strcmp(p->label, "EC PRIVATE KEY");
	bool is_cert = !strcmp(p->label, "CERTIFICATE");

	if ((is_key && parts->has_key) || (is_cert && b->ca_len))
		return fail(parts->err,
			    "%s: holds two bundles: give a file with one",
			    parts->path);
	if (is_key) {
		parts->has_key = true;
		if (!key_decode(&b->key, (struct span){ p->der, p->len }))
			return fail(parts->err,
				    "%s: the private key is not a P-256 key: copy the bundle again",
				    parts->path);
	}
	if (is_cert && !b->cert_len)
		return take_cert(b->cert, &b->cert_len, p, parts);
	if (is_cert)
		return take_cert(b->ca, &b->ca_len, p, parts);
	return true;
}

static bool take_items(struct bundle *b, struct span text, struct pem *p,
		       struct parts *parts)
{
	for (;;) {
		switch (pem_next(&text, p)) {
		case PEM_LINE:
			if (p->text.len >= 4 && !memcmp(p->text.at, "hub:", 4)) {
				p->text.at += 4;
				p->text.len -= 4;
				if (!take_hub(b, p->text, parts->path,
					      parts->err))
					return false;
			}
			break;
		case PEM_OBJECT:
			if (!take_object(b, p, parts))
				return false;
			break;
		case PEM_CUT:
			return fail(parts->err,
				    "%s: truncated: copy the bundle again",
				    parts->path);
		case PEM_BAD:
			return fail(parts->err,
				    "%s: damaged: copy the bundle again",
				    parts->path);
		case PEM_DONE:
		case PEM_KIND_COUNT:
			return true;
		}
	}
}

/* All parts are there? */
static bool check_parts(const struct bundle *b, const struct parts *parts)
{
	if (!parts->has_key && !b->cert_len)
		return fail(parts->err,
			    "%s: not a bundle: give the file that `unmap keygen` wrote",
			    parts->path);
	if (!parts->has_key)
		return fail(parts->err,
			    "%s: has no private key: give the whole NAME.pem, not its certificate",
			    parts->path);
	if (!b->cert_len || !b->ca_len)
		return fail(parts->err,
			    "%s: truncated, a certificate is missing: copy the bundle again",
			    parts->path);
	return true;
}

/* The parts fit each other? */
static bool check_fit(struct bundle *b, const struct parts *parts)
{
	const char *path = parts->path;
	struct cert own, ca;

	if (!cert_parse(&own, (struct span){ b->cert, b->cert_len }) ||
	    !cert_parse(&ca, (struct span){ b->ca, b->ca_len }))
		return fail(parts->err,
			    "%s: damaged, a certificate cannot be read: copy the bundle again",
			    path);
	if (memcmp(own.point, b->key.point, KEY_POINT_LEN))
		return fail(parts->err,
			    "%s: the private key does not match the certificate: copy the bundle again",
			    path);
	if (!ca.is_ca || !cert_is_signed_by(&own, ca.point))
		return fail(parts->err,
			    "%s: the certificate is not signed by the CA in it: copy the bundle again",
			    path);
	switch (cert_identity(&own, &b->id)) {
	case CERT_NO_ROLE:
		return fail(parts->err,
			    "%s: the certificate is neither a hub's nor an edge's: give a bundle of `unmap keygen`",
			    path);
	case CERT_NO_BLOCKS:
		return fail(parts->err,
			    "%s: the certificate holds no usable prefix: give a bundle of `unmap keygen`",
			    path);
	case CERT_FINE:
	case CERT_DOUBT_COUNT:
		break;
	}
	return b->hub_count ? true :
		fail(parts->err,
		     "%s: names no hub: copy the bundle again, or add a line `hub: HOST`",
		     path);
}

bool bundle_parse(struct bundle *b, struct span text, const char *path,
		  char err[static BUNDLE_ERROR_MAX])
{
	struct parts parts = { .path = path, .err = err };
	struct pem *p = calloc(1, sizeof(*p));
	bool ok;

	memset(b, 0, sizeof(*b));
	if (!p)
		return fail(err, "%s: out of memory", path);
	ok = take_items(b, text, p, &parts) && check_parts(b, &parts) &&
	     check_fit(b, &parts);
	explicit_bzero(p, sizeof(*p));
	free(p);
	if (!ok)
		bundle_wipe(b);
	return ok;
}

static long read_all(int fd, uint8_t *to, size_t cap)
{
	struct stat st;
	size_t len = 0;
	ssize_t got;
	uint8_t more;

	if (fstat(fd, &st) < 0)
		return -1;
	while (len < cap && (got = read(fd, to + len, cap - len)) != 0) {
		if (got < 0 && errno != EINTR)
			return -1;
		if (got > 0)
			len += (size_t)got;
	}
	if (len == cap && read(fd, &more, 1) > 0) {
		errno = EFBIG;
		return -1;
	}
	return (long)len;
}

long file_read(int dir, const char *path, uint8_t *to, size_t cap)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY), saved;
	long len;

	if (fd < 0)
		return -1;
	len = read_all(fd, to, cap);
	saved = errno;
	close(fd);
	errno = saved;
	return len;
}

#define CANNOT_READ "cannot read "

static const char *cure(int error)
{
	if (error == ENOENT)
		return "check the path";
	if (error == EACCES || error == EPERM)
		return "run as its owner or as root";
	if (error == EFBIG || error == EISDIR)
		return "give the NAME.pem that `unmap keygen` wrote";
	return "copy the bundle again";
}

bool bundle_read(struct bundle *b, const char *path,
		 char err[static BUNDLE_ERROR_MAX])
{
	uint8_t *text = malloc(BUNDLE_FILE_MAX);
	long len;
	bool ok;

	if (!text)
		return fail(err, "%s: out of memory", path);
	len = file_read(AT_FDCWD, path, text, BUNDLE_FILE_MAX);
	ok = len >= 0 ? bundle_parse(b, (struct span){ text, (size_t)len },
				     path, err) :
			fail(err, CANNOT_READ "%s: %s: %s", path,
			     strerror(errno), cure(errno));
	explicit_bzero(text, BUNDLE_FILE_MAX);
	free(text);
	return ok;
}

int bundle_code(const char *err)
{
	return strncmp(err, CANNOT_READ, strlen(CANNOT_READ)) ? EX_DATAERR :
								EX_NOINPUT;
}

bool bundle_load(struct bundle *b, const char *path,
		 char err[static BUNDLE_ERROR_MAX])
{
	char date[DATE_TEXT];

	if (!bundle_read(b, path, err))
		return false;
	if (trust_now() <= b->id.not_after)
		return true;
	bundle_wipe(b);
	return fail(err,
		    "%s: expired on %s: run `unmap keygen renew DIR %s` and copy it again",
		    path, date_format(b->id.not_after, date), b->id.name);
}

bool bundle_expect(const struct bundle *b, bool is_hub, const char *path,
		   char err[static BUNDLE_ERROR_MAX])
{
	if (b->id.is_hub == is_hub)
		return true;
	return is_hub ?
		fail(err, "%s is the bundle of edge %s: give the hub hub.pem",
		     path, b->id.name) :
		fail(err,
		     "%s is the hub's bundle: make one for this edge with `unmap keygen edge DIR NAME`",
		     path);
}

/* ---- writing ------------------------------------------------------------- */

void bundle_write(struct writer *w, const struct bundle *b)
{
	char text[HUB_ADDR_TEXT];
	uint8_t der[KEY_DER_MAX];
	unsigned i;

	pem_print(w, "unmap bundle of %s %s. Keep it secret: it holds a private "
		  "key.\n", b->id.is_hub ? "the" : "edge", b->id.name);
	pem_print(w, "prefix: %s\n", prefix6_format(&b->id.prefix, text));
	if (b->id.has_ipv4)
		pem_print(w, "ipv4: %s\n", addr4_format(b->id.ipv4, text));
	pem_print(w, "expires: %s\n", date_format(b->id.not_after, text));
	for (i = 0; i < b->hub_count; i++)
		pem_print(w, "hub: %s\n", hub_addr_format(&b->hubs[i], text));
	pem_write(w, "PRIVATE KEY",
		  (struct span){ der, key_encode(&b->key, der) });
	pem_write(w, "CERTIFICATE", (struct span){ b->cert, b->cert_len });
	pem_write(w, "CERTIFICATE", (struct span){ b->ca, b->ca_len });
	explicit_bzero(der, sizeof(der));
}

void bundle_wipe(struct bundle *b)
{
	key_wipe(&b->key);
}
