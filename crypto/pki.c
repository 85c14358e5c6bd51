/* SPDX-License-Identifier: MIT
 *
 * pki.c - what keygen does: a private CA, its hub, its edges
 *
 * Theory of operation
 * ===================
 * DIR (0700) holds ca.key, ca.crt, hub.pem, one NAME.pem per edge, `revoked` and
 * `index`; store.c says how they are kept whole. Only these functions use the
 * CA's key.
 *
 * The CA's certificate never expires (RFC 5280, 4.1.2.5): whoever holds DIR is
 * the CA, its end is a new DIR, and a renewed bundle must not outlive what it is
 * verified with. Its address blocks are ::/0 and 0.0.0.0/0, because openssl
 * wants blocks nested; the hub's prefix is the limit here. Its name ends in
 * part of its key's hash, so certificates of two CAs are told apart by name.
 *
 * Prefixes: an edge gets a part of the hub's prefix, from /64 on, never subnet 0
 * (the hub's own). The next free /64 is the lowest behind no row of the index,
 * revoked ones included: an address that was somebody's is not given to another
 * by chance. --prefix may ask for a revoked edge's again. A name is used once.
 *
 * Revoking covers every certificate of a name, and a revoked name cannot be
 * renewed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "crypto/pem.h"
#include "crypto/pki.h"
#include "crypto/store.h"
#include "crypto/trust.h"

#define CN_MAX 64	/* RFC 5280, ub-common-name */

/** struct authority - the CA, read from or going to DIR */
struct authority {
	struct key key;
	uint8_t der[CERT_MAX];
	size_t len;
	char name[CN_MAX + 1];
};

/* Large things of one operation, so that no stack has to hold them */
struct work {
	struct store store;
	struct authority ca;
	struct bundle hub, bundle;
	struct revoked revoked;
	uint8_t text[BUNDLE_FILE_MAX];
};

static int64_t end_of(unsigned days)
{
	return trust_now() + (int64_t)days * 86400;
}

static struct work *work_begin(char *err)
{
	struct work *k = calloc(1, sizeof(*k));

	if (k)
		k->store.fd = -1;
	else
		store_fail(err, EX_OSERR, "out of memory");
	return k;
}

static int work_end(struct work *k, int code)
{
	store_close(&k->store);
	explicit_bzero(k, sizeof(*k));
	free(k);
	return code;
}

/* ---- the CA -------------------------------------------------------------- */

static int ca_make(struct authority *ca, char *err)
{
	struct cert_plan plan = {
		.subject = ca->name, .issuer = ca->name,
		.not_after = CERT_NEVER, .is_ca = true,
		.blocks = { .has_ipv4 = true },
		.point = ca->key.point, .signer = &ca->key,
	};
	char hex[9];

	key_make(&ca->key);
	snprintf(ca->name, sizeof(ca->name), "unmap CA %s",
		 hex_format(ca->key.point + 1, 4, hex));
	ca->len = cert_issue(&plan, ca->der);
	return ca->len ? 0 : store_fail(err, EX_SOFTWARE,
					"the CA's certificate does not fit");
}

static int ca_write(struct work *k)
{
	struct writer w = writer_of(k->text, sizeof(k->text));
	uint8_t der[KEY_DER_MAX];
	int code;

	pem_write(&w, "PRIVATE KEY",
		  (struct span){ der, key_encode(&k->ca.key, der) });
	explicit_bzero(der, sizeof(der));
	code = store_write(&k->store, "ca.key", (struct span){ k->text, w.len },
			   0600, STORE_NEW);
	if (code)
		return code;
	w = writer_of(k->text, sizeof(k->text));
	pem_write(&w, "CERTIFICATE", (struct span){ k->ca.der, k->ca.len });
	return store_write(&k->store, "ca.crt", (struct span){ k->text, w.len },
			   0644, STORE_NEW);
}

/* The first object of a file of DIR, which must have that label */
static int read_object(struct work *k, const char *file, const char *label,
		       struct pem *p)
{
	struct span from = { k->text, 0 };
	enum pem_kind kind;
	long len;

	len = store_read(&k->store, file, k->text, sizeof(k->text));
	if (len < 0)
		return store_fail(k->store.err,
				  errno == EACCES ? EX_NOPERM : EX_NOINPUT,
				  "cannot read %s/%s: %s: the CA's DIR needs it",
				  k->store.dir, file, strerror(errno));
	from.len = (size_t)len;
	do {
		kind = pem_next(&from, p);
	} while (kind == PEM_LINE);
	if (kind == PEM_OBJECT && !strcmp(p->label, label))
		return 0;
	return store_fail(k->store.err, EX_DATAERR,
			  "%s/%s is damaged: restore it from a backup",
			  k->store.dir, file);
}

static int ca_parse(struct work *k, struct pem *p)
{
	struct cert c;
	int code;

	code = read_object(k, "ca.key", "PRIVATE KEY", p);
	if (!code && !key_decode(&k->ca.key, (struct span){ p->der, p->len }))
		code = store_fail(k->store.err, EX_DATAERR,
				  "%s/ca.key is no P-256 key: restore it from a backup",
				  k->store.dir);
	if (!code)
		code = read_object(k, "ca.crt", "CERTIFICATE", p);
	if (code)
		return code;
	if (p->len > CERT_MAX ||
	    !cert_parse(&c, (struct span){ p->der, p->len }) || !c.is_ca ||
	    memcmp(c.point, k->ca.key.point, KEY_POINT_LEN))
		return store_fail(k->store.err, EX_DATAERR,
				  "%s/ca.crt does not belong to ca.key: restore both from a backup",
				  k->store.dir);
	memcpy(k->ca.der, p->der, p->len);
	k->ca.len = p->len;
	cert_common_name(&c, k->ca.name, sizeof(k->ca.name));
	return 0;
}

static int ca_read(struct work *k)
{
	struct pem *p = malloc(sizeof(*p));
	int code = p ? ca_parse(k, p) :
		       store_fail(k->store.err, EX_OSERR, "out of memory");

	if (p)
		explicit_bzero(p, sizeof(*p));
	free(p);
	return code;
}

/* ---- bundles ------------------------------------------------------------- */

/* A certificate for @b's key, name and blocks. Its text goes to k->text. */
static int bundle_issue(struct work *k, struct bundle *b, struct span *text)
{
	struct cert_plan plan = {
		.issuer = k->ca.name, .not_after = b->id.not_after,
		.is_hub = b->id.is_hub,
		.blocks = { b->id.prefix, b->id.has_ipv4, b->id.ipv4,
			    b->id.ipv4_len },
		.point = b->key.point, .signer = &k->ca.key,
	};
	char role[CN_MAX + 1] = CERT_HUB_NAME;
	struct writer w = writer_of(k->text, sizeof(k->text));
	unsigned i;

	if (!b->id.is_hub)
		snprintf(role, sizeof(role), "%s" CERT_EDGE_SUFFIX, b->id.name);
	plan.subject = plan.names[plan.name_count++] = role;
	for (i = 0; b->id.is_hub && i < b->hub_count; i++)
		plan.names[plan.name_count++] = b->hubs[i].host;
	b->cert_len = cert_issue(&plan, b->cert);
	memcpy(b->id.serial, plan.serial, CERT_SERIAL_LEN);
	b->id.serial_len = CERT_SERIAL_LEN;
	memcpy(b->ca, k->ca.der, k->ca.len);
	b->ca_len = k->ca.len;
	bundle_write(&w, b);
	*text = (struct span){ k->text, w.len };
	return b->cert_len && !w.full ? 0 :
		store_fail(k->store.err, EX_SOFTWARE,
			   "the certificate does not fit");
}

static int bundle_store(struct work *k, struct bundle *b, enum store_how how)
{
	struct store_row row = {
		.prefix = b->id.prefix, .has_ipv4 = b->id.has_ipv4,
		.ipv4 = b->id.ipv4, .not_after = b->id.not_after,
	};
	struct span text;
	int code = bundle_issue(k, b, &text);

	memcpy(row.name, b->id.name, sizeof(row.name));
	memcpy(row.serial, b->id.serial, CERT_SERIAL_LEN);
	return code ? code : store_issue(&k->store, &row, text, how);
}

static int bundle_fetch(struct work *k, const char *name, struct bundle *b)
{
	char path[sizeof(k->store.dir) + STORE_NAME_MAX];
	char why[BUNDLE_ERROR_MAX];

	snprintf(path, sizeof(path), "%s/%s.pem", k->store.dir, name);
	if (!bundle_read(b, path, why))
		return store_fail(k->store.err, bundle_code(why), "%s", why);
	if (strcmp(b->id.name, name))
		return store_fail(k->store.err, EX_DATAERR,
				  "%s is the bundle of %s: put the right one there",
				  path, b->id.name);
	return 0;
}

/* ---- revocation ---------------------------------------------------------- */

static int revoked_fetch(struct work *k)
{
	char path[sizeof(k->store.dir) + STORE_NAME_MAX];
	char why[REVOKED_ERROR_MAX];

	snprintf(path, sizeof(path), "%s/revoked", k->store.dir);
	if (revoked_load(&k->revoked, path,
			 (struct span){ k->ca.der, k->ca.len }, why))
		return 0;
	return store_fail(k->store.err, EX_DATAERR, "%s", why);
}

static bool row_revoked(const struct revoked *r, const struct store_row *row)
{
	struct identity id = { .serial_len = CERT_SERIAL_LEN };

	memcpy(id.serial, row->serial, CERT_SERIAL_LEN);
	return revoked_has(r, &id);
}

static const char *name_of(const struct store *s, const uint8_t *serial)
{
	unsigned i;

	for (i = 0; i < s->count; i++)
		if (!memcmp(s->rows[i].serial, serial, CERT_SERIAL_LEN))
			return s->rows[i].name;
	return "-";
}

static int revoked_write(struct work *k, enum store_how how)
{
	char serial[2 * CERT_SERIAL_LEN + 1];
	uint8_t signature[KEY_SIGNATURE_MAX];
	uint8_t *text = malloc(REVOKED_FILE_MAX);
	struct writer w = writer_of(text, REVOKED_FILE_MAX);
	unsigned i;
	size_t len;
	int code;

	if (!text)
		return store_fail(k->store.err, EX_OSERR, "out of memory");
	pem_print(&w, "%s\n", REVOKED_HEAD);
	for (i = 0; i < k->revoked.count; i++)
		pem_print(&w, "%s %s\n",
			  hex_format(k->revoked.serial[i], CERT_SERIAL_LEN,
				     serial),
			  name_of(&k->store, k->revoked.serial[i]));
	len = key_sign(&k->ca.key, (struct span){ text, w.len }, signature);
	pem_write(&w, REVOKED_LABEL, (struct span){ signature, len });
	code = store_write(&k->store, "revoked", (struct span){ text, w.len },
			   0644, how);
	free(text);
	return code;
}

/* ---- init ---------------------------------------------------------------- */

/* Names of roles are no addresses: a certificate with two has none. */
static bool is_role(const char *host)
{
	static const char tail[] = ".unmap.invalid";
	size_t len = strlen(host), tail_len = sizeof(tail) - 1;

	return len > tail_len && !strcasecmp(host + len - tail_len, tail);
}

static int check_hub(const struct pki_hub *plan, char *err)
{
	char prefix[PREFIX6_TEXT];

	for (unsigned i = 0; i < plan->hub_count; i++)
		if (is_role(plan->hubs[i].host))
			return store_fail(err, EX_USAGE,
					  "--hub %s: a name of certificates, not of a machine: give the name or address edges can reach",
					  plan->hubs[i].host);
	if (!plan->hub_count || plan->hub_count > BUNDLE_HUBS_MAX)
		return store_fail(err, EX_USAGE,
				  "--hub: give it 1 to %d times, with the name or address edges can reach",
				  BUNDLE_HUBS_MAX);
	if (plan->prefix.len < BLOCKS_LEN_MIN ||
	    plan->prefix.len >= BLOCKS_LEN_MAX)
		return store_fail(err, EX_USAGE,
				  "--prefix %s: has no room for edges: give a /%d to /%d, each edge needs a /64",
				  prefix6_format(&plan->prefix, prefix),
				  BLOCKS_LEN_MIN, BLOCKS_LEN_MAX - 1);
	if (!addr6_is_unicast(&plan->prefix.addr))
		return store_fail(err, EX_USAGE,
				  "--prefix %s: not unicast: give the prefix your provider routes to the hub",
				  prefix6_format(&plan->prefix, prefix));
	return 0;
}

static int init_files(struct work *k, const struct pki_hub *plan)
{
	struct bundle *b = &k->bundle;
	int code;

	memcpy(b->id.name, "hub", 4);
	b->id.is_hub = true;
	b->id.prefix = plan->prefix;
	b->id.not_after = end_of(plan->days);
	memcpy(b->hubs, plan->hubs, sizeof(b->hubs));
	b->hub_count = plan->hub_count;
	key_make(&b->key);

	code = ca_make(&k->ca, k->store.err);
	if (!code)
		code = ca_write(k);
	if (!code)
		code = revoked_write(k, STORE_NEW);
	if (!code)
		code = store_index_init(&k->store);
	if (!code)
		code = bundle_store(k, b, STORE_NEW);
	return code;
}

int pki_init(const struct pki_hub *plan, char *err)
{
	struct work *k;
	int code = check_hub(plan, err);

	if (code)
		return code;
	k = work_begin(err);
	if (!k)
		return EX_OSERR;
	code = store_create(&k->store, plan->dir, err);
	if (!code)
		code = store_publish(&k->store, init_files(k, plan));
	return work_end(k, code);
}

/* ---- edge ---------------------------------------------------------------- */

/* Subnets of 64 bits, counted from the start of the hub's prefix */
struct subnets {
	uint64_t from, to;
};

static struct subnets subnets_of(const struct prefix6 *hub,
				 const struct prefix6 *p)
{
	uint64_t from = get64(p->addr.b) - get64(hub->addr.b);

	return (struct subnets){ from, from + ((uint64_t)1 << (64 - p->len)) };
}

static int compare_subnets(const void *a, const void *b)
{
	const struct subnets *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* The lowest /64 behind subnet 0 that no row of the index touches */
static int next_free(struct work *k, struct prefix6 *out)
{
	const struct prefix6 *hub = &k->hub.id.prefix;
	struct subnets *used = calloc(k->store.count + 1, sizeof(*used));
	uint64_t free_one = 1;
	unsigned i, count = 0;
	char text[PREFIX6_TEXT];

	if (!used)
		return store_fail(k->store.err, EX_OSERR, "out of memory");
	for (i = 0; i < k->store.count; i++)
		if (strcmp(k->store.rows[i].name, "hub"))
			used[count++] = subnets_of(hub,
						   &k->store.rows[i].prefix);
	qsort(used, count, sizeof(*used), compare_subnets);
	for (i = 0; i < count && used[i].from <= free_one; i++)
		if (used[i].to > free_one)
			free_one = used[i].to;
	free(used);
	if (prefix6_nth(hub, 64, free_one, out))
		return 0;
	return store_fail(k->store.err, EX_UNAVAILABLE,
			  "no free /64 is left in %s: give a revoked edge's with --prefix, or start a larger DIR",
			  prefix6_format(hub, text));
}

/* May this prefix be an edge's? */
static int check_prefix(struct work *k, const struct prefix6 *p)
{
	const struct prefix6 *hub = &k->hub.id.prefix;
	char text[PREFIX6_TEXT], other[PREFIX6_TEXT];
	char *err = k->store.err;
	const struct store_row *row;
	unsigned i;

	prefix6_format(p, text);
	if (p->len > BLOCKS_LEN_MAX)
		return store_fail(err, EX_USAGE,
				  "--prefix %s: longer than /64, hosts could not configure themselves: give a /64 or more",
				  text);
	if (p->len < hub->len || !prefix6_covers(hub, p))
		return store_fail(err, EX_USAGE,
				  "--prefix %s: not inside the hub's %s: give a part of that",
				  text, prefix6_format(hub, other));
	if (!subnets_of(hub, p).from)
		return store_fail(err, EX_USAGE,
				  "--prefix %s: holds subnet 0, which is the hub's own: give another",
				  text);
	for (i = 0; i < k->store.count; i++) {
		row = &k->store.rows[i];
		if (!strcmp(row->name, "hub") || row_revoked(&k->revoked, row))
			continue;
		if (prefix6_covers(&row->prefix, p) ||
		    prefix6_covers(p, &row->prefix))
			return store_fail(err, EX_USAGE,
					  "--prefix %s: overlaps %s of %s: give another, or revoke that edge first",
					  text, prefix6_format(&row->prefix,
							       other),
					  row->name);
	}
	return 0;
}

static int check_ipv4(struct work *k, uint32_t ipv4)
{
	const struct store_row *row;
	char text[ADDR4_TEXT];
	unsigned i;

	addr4_format(ipv4, text);
	if (!addr4_is_unicast(ipv4) || ipv4 >> 24 == 127)
		return store_fail(k->store.err, EX_USAGE,
				  "--ipv4 %s: not a unicast address: give one that is routed to the hub",
				  text);
	for (i = 0; i < k->store.count; i++) {
		row = &k->store.rows[i];
		if (row->has_ipv4 && row->ipv4 == ipv4 &&
		    !row_revoked(&k->revoked, row))
			return store_fail(k->store.err, EX_USAGE,
					  "--ipv4 %s: is %s's already: give another",
					  text, row->name);
	}
	return 0;
}

static int check_name(const char *name, char *err)
{
	if (!cert_name_ok(name))
		return store_fail(err, EX_USAGE,
				  "NAME: give 1 to %d of a-z, 0-9 and -, not first or last",
				  CERT_NAME_MAX);
	return 0;
}

static int check_new_name(struct work *k, const char *name)
{
	const struct store_row *row;
	char file[STORE_NAME_MAX];

	if (!strcmp(name, "hub") || !strcmp(name, "ca"))
		return store_fail(k->store.err, EX_USAGE,
				  "NAME %s is taken by DIR itself: choose another",
				  name);
	row = store_find(&k->store, name);
	if (row && row_revoked(&k->revoked, row))
		return store_fail(k->store.err, EX_CANTCREAT,
				  "%s is revoked and its name stays used: choose another",
				  name);
	if (row)
		return store_fail(k->store.err, EX_CANTCREAT,
				  "%s exists already: renew it, or choose another name",
				  name);
	snprintf(file, sizeof(file), "%s.pem", name);
	if (store_has(&k->store, file))
		return store_fail(k->store.err, EX_CANTCREAT,
				  "%s/%s exists already and is not overwritten: choose another name",
				  k->store.dir, file);
	return 0;
}

/* Lock DIR, read the CA, the hub's bundle and the list */
static int open_for_issue(struct work *k, const char *dir, char *err)
{
	int code = store_open(&k->store, dir, true, err);

	if (!code)
		code = ca_read(k);
	if (!code)
		code = bundle_fetch(k, "hub", &k->hub);
	if (!code)
		code = revoked_fetch(k);
	return code;
}

static int edge_issue(struct work *k, const struct pki_edge *plan)
{
	struct bundle *b = &k->bundle;
	int code = check_new_name(k, plan->name);

	if (code)
		return code;
	b->id.prefix = plan->prefix;
	code = plan->has_prefix ? check_prefix(k, &plan->prefix) :
				  next_free(k, &b->id.prefix);
	if (!code && plan->has_ipv4)
		code = check_ipv4(k, plan->ipv4);
	if (code)
		return code;
	memcpy(b->id.name, plan->name, strlen(plan->name) + 1);
	b->id.has_ipv4 = plan->has_ipv4;
	b->id.ipv4 = plan->ipv4;
	b->id.ipv4_len = plan->has_ipv4 ? 32 : 0;
	b->id.not_after = end_of(plan->days);
	memcpy(b->hubs, k->hub.hubs, sizeof(b->hubs));
	b->hub_count = k->hub.hub_count;
	key_make(&b->key);
	return bundle_store(k, b, STORE_NEW);
}

int pki_make_edge(const struct pki_edge *plan, struct prefix6 *prefix,
		  char *err)
{
	struct work *k;
	int code = check_name(plan->name, err);

	if (code)
		return code;
	k = work_begin(err);
	if (!k)
		return EX_OSERR;
	code = open_for_issue(k, plan->dir, err);
	if (!code)
		code = edge_issue(k, plan);
	*prefix = k->bundle.id.prefix;
	return work_end(k, code);
}

/* ---- renew, revoke, list ------------------------------------------------- */

static int no_such_name(struct work *k, const char *name)
{
	return store_fail(k->store.err, EX_USAGE,
			  "%s has no %s: see `unmap keygen list %s`",
			  k->store.dir, name, k->store.dir);
}

static int renew(struct work *k, const char *name, unsigned days)
{
	const struct store_row *row = store_find(&k->store, name);
	struct bundle *b = &k->bundle;
	int code;

	if (!row)
		return no_such_name(k, name);
	if (row_revoked(&k->revoked, row))
		return store_fail(k->store.err, EX_USAGE,
				  "%s is revoked: make a new edge with `unmap keygen edge`",
				  name);
	code = bundle_fetch(k, name, b);
	if (code)
		return code;
	b->id.not_after = end_of(days);
	memcpy(b->hubs, k->hub.hubs, sizeof(b->hubs));
	b->hub_count = k->hub.hub_count;
	return bundle_store(k, b, STORE_REPLACE);
}

int pki_renew(const char *dir, const char *name, unsigned days,
	      int64_t *not_after, char *err)
{
	struct work *k;
	int code = check_name(name, err);

	if (code)
		return code;
	k = work_begin(err);
	if (!k)
		return EX_OSERR;
	code = open_for_issue(k, dir, err);
	if (!code)
		code = renew(k, name, days);
	*not_after = k->bundle.id.not_after;
	return work_end(k, code);
}

static int revoke_name(struct work *k, const char *name)
{
	const struct store_row *row = store_find(&k->store, name);
	unsigned i;

	if (!strcmp(name, "hub"))
		return store_fail(k->store.err, EX_USAGE,
				  "the hub cannot be revoked: make a new DIR with `unmap keygen init`");
	if (!row)
		return no_such_name(k, name);
	for (i = 0; i < k->store.count; i++) {
		row = &k->store.rows[i];
		if (!strcmp(row->name, name) &&
		    !revoked_add(&k->revoked, row->serial))
			return store_fail(k->store.err, EX_UNAVAILABLE,
					  "%s/revoked is full: start a new DIR",
					  k->store.dir);
	}
	return revoked_write(k, STORE_REPLACE);
}

int pki_revoke(const char *dir, const char *name, char *err)
{
	struct work *k;
	int code = check_name(name, err);

	if (code)
		return code;
	k = work_begin(err);
	if (!k)
		return EX_OSERR;
	code = store_open(&k->store, dir, true, err);
	if (!code)
		code = ca_read(k);
	if (!code)
		code = revoked_fetch(k);
	if (!code)
		code = revoke_name(k, name);
	return work_end(k, code);
}

/* One line per name, where its first certificate stands, with its newest */
static void list_rows(struct work *k, void (*row)(void *, const struct pki_row *),
		      void *to)
{
	const struct store_row *r, *first = k->store.rows;
	unsigned i;

	for (i = 0; i < k->store.count; i++) {
		for (r = first; strcmp(r->name, first[i].name); r++)
			;
		if (r != &first[i])
			continue;
		r = store_find(&k->store, r->name);
		row(to, &(struct pki_row){
			.name = r->name, .prefix = r->prefix,
			.has_ipv4 = r->has_ipv4, .ipv4 = r->ipv4,
			.not_after = r->not_after,
			.is_revoked = row_revoked(&k->revoked, r),
			.is_expired = r->not_after < trust_now(),
		});
	}
}

static int list_read(struct work *k, const char *dir, char *err)
{
	struct pem *p;
	int code = store_open(&k->store, dir, false, err);

	if (code)
		return code;
	p = malloc(sizeof(*p));
	if (!p)
		return store_fail(err, EX_OSERR, "out of memory");
	code = read_object(k, "ca.crt", "CERTIFICATE", p);
	if (!code && p->len <= CERT_MAX) {
		memcpy(k->ca.der, p->der, p->len);
		k->ca.len = p->len;
	}
	free(p);
	return code ? code : revoked_fetch(k);
}

int pki_list(const char *dir, void (*row)(void *to, const struct pki_row *r),
	     void *to, char *err)
{
	struct work *k = work_begin(err);
	int code;

	if (!k)
		return EX_OSERR;
	code = list_read(k, dir, err);
	if (!code)
		list_rows(k, row, to);
	return work_end(k, code);
}
