/* SPDX-License-Identifier: MIT
 *
 * keygen.c - `unmap keygen`: make keys and certificates, list and revoke them
 *
 * The command lines of crypto/pki.h. Each subcommand is a table, a function that
 * calls one operation there, and a few lines that tell the user what happened
 * and what comes next. Results go to stdout, errors are one line on stderr with
 * a code of sysexits(3). A private key is never printed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/commands.h"
#include "cmd/log.h"
#include "cmd/options.h"
#include "crypto/bundle.h"
#include "crypto/pem.h"
#include "crypto/pki.h"
#include "crypto/store.h"
#include "crypto/trust.h"

/* ---- values -------------------------------------------------------------- */

struct keygen_hubs {
	struct hub_addr at[BUNDLE_HUBS_MAX];
	unsigned count;
};

struct keygen_prefix {
	struct prefix6 prefix;
	bool is_given;
};

struct keygen_ipv4 {
	uint32_t addr;
	bool is_given;
};

struct keygen_opts {
	struct keygen_hubs hubs;
	struct keygen_prefix prefix;
	struct keygen_ipv4 ipv4;
	uint32_t days;
};

static const char *read_hub(void *field, const char *text)
{
	struct keygen_hubs *h = field;

	if (h->count == BUNDLE_HUBS_MAX)
		return "at most 8 hub addresses";
	if (!hub_addr_parse(&h->at[h->count], text))
		return "HOST or HOST:PORT, as hub.example.net:6464";
	h->count++;
	return NULL;
}

static const char *read_prefix(void *field, const char *text)
{
	struct keygen_prefix *p = field;

	p->is_given = prefix6_parse(&p->prefix, text);
	return p->is_given ? NULL : "an IPv6 prefix, as 2001:db8:100::/48";
}

static const char *read_ipv4(void *field, const char *text)
{
	struct keygen_ipv4 *a = field;

	a->is_given = addr4_parse(&a->addr, text);
	return a->is_given ? NULL : "an IPv4 address, as 198.51.100.77";
}

static const char *read_days(void *field, const char *text)
{
	uint32_t *days = field;
	const char *want = "1 to 36525 days";

	if (opt_u32(days, text))
		return want;
	return *days && *days <= PKI_DAYS_MAX ? NULL : want;
}

#define OPTION_DAYS                                                           \
	{ .name = "days", .arg = "N", .parse = read_days,                     \
	  .at = offsetof(struct keygen_opts, days), .preset = "7305",         \
	  .help = "life time of the certificate; revoke ends it earlier" }

/* ---- what is said -------------------------------------------------------- */

static int finish(int code, const char *err)
{
	if (code)
		die(code, "%s", err);
	if (fflush(stdout) || ferror(stdout))
		die(EX_IOERR, "cannot write the output");
	return EX_OK;
}

/* Without the slashes at its end */
static const char *dir_text(char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		dir[--len] = '\0';
	return dir;
}

/* ---- init ---------------------------------------------------------------- */

static const struct opt init_table[] = {
	{ .name = "hub", .arg = "HOST[:PORT]", .parse = read_hub,
	  .at = offsetof(struct keygen_opts, hubs), .many = true,
	  .help = "name or address of the hub, port 6464 if none" },
	{ .name = "prefix", .arg = "P/LEN", .parse = read_prefix,
	  .at = offsetof(struct keygen_opts, prefix),
	  .help = "the IPv6 prefix that is routed to the hub" },
	OPTION_DAYS,
	{ 0 }
};

static const struct program init_program = {
	.name = "keygen init",
	.purpose = "make a directory with a private CA and the hub's bundle",
	.operands = "DIR", .min = 1, .max = 1, .complete = "dir",
	.opts = init_table,
	.examples =
		"unmap keygen init pki --hub hub.example.net "
		"--prefix 2001:db8:100::/48\n"
		"unmap keygen init pki --hub hub.example.net "
		"--hub hub.example.net:443 --prefix 2001:db8:100::/48\n",
	.notes =
		"DIR must not exist. Both options are needed. DIR/ca.key can make\n"
		"edges: keep DIR safe, the hub itself needs only hub.pem and revoked.\n",
};

static int init_main(int argc, char **argv)
{
	struct keygen_opts o = { .days = PKI_DAYS };
	struct pki_hub plan = { .dir = NULL };
	char err[PKI_ERROR_MAX] = "", text[PREFIX6_TEXT];
	int code;

	opts_parse(&init_program, &o, argc, argv);
	if (!o.hubs.count)
		die(EX_USAGE, "--hub is missing: give the name or address of the hub");
	if (!o.prefix.is_given)
		die(EX_USAGE, "--prefix is missing: give the prefix that is routed to the hub");
	plan.dir = dir_text(argv[1]);
	memcpy(plan.hubs, o.hubs.at, sizeof(plan.hubs));
	plan.hub_count = o.hubs.count;
	plan.prefix = o.prefix.prefix;
	plan.days = o.days;
	code = pki_init(&plan, err);
	if (!code)
		printf("%s: a CA, and hub.pem for %s\n"
		       "next: unmap keygen edge %s NAME; unmap hub %s/hub.pem\n",
		       plan.dir, prefix6_format(&plan.prefix, text), plan.dir,
		       plan.dir);
	return finish(code, err);
}

/* ---- edge ---------------------------------------------------------------- */

static const struct opt edge_table[] = {
	{ .name = "prefix", .arg = "P/LEN", .parse = read_prefix,
	  .at = offsetof(struct keygen_opts, prefix),
	  .help = "part of the hub's prefix, /64 or larger; else the next free /64" },
	{ .name = "ipv4", .arg = "A", .parse = read_ipv4,
	  .at = offsetof(struct keygen_opts, ipv4),
	  .help = "a public IPv4 address as well, routed to the hub" },
	OPTION_DAYS,
	{ 0 }
};

static const struct program keygen_edge_program = {
	.name = "keygen edge",
	.purpose = "make the bundle of an edge",
	.operands = "DIR NAME", .min = 2, .max = 2, .complete = "dir",
	.opts = edge_table,
	.examples =
		"unmap keygen edge pki alice\n"
		"unmap keygen edge pki bob --prefix 2001:db8:100:10::/60\n",
	.notes =
		"Writes DIR/NAME.pem: the binary and this file are all that an edge\n"
		"needs. It holds a private key: copy it over a safe way.\n",
};

static int edge_sub_main(int argc, char **argv)
{
	struct keygen_opts o = { .days = PKI_DAYS };
	struct pki_edge plan = { .dir = NULL };
	char err[PKI_ERROR_MAX] = "", text[PREFIX6_TEXT];
	struct prefix6 prefix;
	int code;

	opts_parse(&keygen_edge_program, &o, argc, argv);
	plan.dir = dir_text(argv[1]);
	plan.name = argv[2];
	plan.has_prefix = o.prefix.is_given;
	plan.prefix = o.prefix.prefix;
	plan.has_ipv4 = o.ipv4.is_given;
	plan.ipv4 = o.ipv4.addr;
	plan.days = o.days;
	code = pki_make_edge(&plan, &prefix, err);
	if (!code)
		printf("%s/%s.pem: %s\n"
		       "next: copy it to the edge; unmap edge %s.pem\n",
		       plan.dir, plan.name, prefix6_format(&prefix, text),
		       plan.name);
	return finish(code, err);
}

/* ---- list ---------------------------------------------------------------- */

static const struct program list_program = {
	.name = "keygen list",
	.purpose = "list what was handed out",
	.operands = "DIR", .min = 1, .max = 1, .complete = "dir",
	.examples = "unmap keygen list pki\n",
};

static void print_cells(const char *name, const char *prefix,
			const char *ipv4, const char *date, const char *state)
{
	printf("%-16s %-26s %-15s %-11s %s\n", name, prefix, ipv4, date, state);
}

static void print_row(void *to, const struct pki_row *r)
{
	char prefix[PREFIX6_TEXT], ipv4[ADDR4_TEXT] = "-", date[DATE_TEXT];
	bool *has_head = to;

	if (!*has_head)
		print_cells("NAME", "PREFIX", "IPV4", "EXPIRES", "STATE");
	*has_head = true;
	if (r->has_ipv4)
		addr4_format(r->ipv4, ipv4);
	print_cells(r->name, prefix6_format(&r->prefix, prefix), ipv4,
		    date_format(r->not_after, date),
		    r->is_revoked ? "revoked" :
		    r->is_expired ? "expired" : "good");
}

static int list_main(int argc, char **argv)
{
	char err[PKI_ERROR_MAX] = "";
	struct keygen_opts o = { .days = 0 };
	bool has_head = false;

	opts_parse(&list_program, &o, argc, argv);
	return finish(pki_list(argv[1], print_row, &has_head, err), err);
}

/* ---- renew, revoke ------------------------------------------------------- */

static const struct opt renew_table[] = { OPTION_DAYS, { 0 } };

static const struct program renew_program = {
	.name = "keygen renew",
	.purpose = "make a new certificate for the same key and prefix",
	.operands = "DIR NAME", .min = 2, .max = 2, .complete = "dir",
	.opts = renew_table,
	.examples =
		"unmap keygen renew pki alice\n"
		"unmap keygen renew pki hub\n",
	.notes =
		"Replaces DIR/NAME.pem; copy it again to where it is used. Edges get\n"
		"the hub: lines of hub.pem as they are now.\n",
};

static int renew_main(int argc, char **argv)
{
	struct keygen_opts o = { .days = PKI_DAYS };
	char err[PKI_ERROR_MAX] = "", date[DATE_TEXT];
	int64_t not_after;
	int code;

	opts_parse(&renew_program, &o, argc, argv);
	code = pki_renew(dir_text(argv[1]), argv[2], o.days, &not_after, err);
	if (!code)
		printf("%s/%s.pem: good until %s\nnext: copy it again\n",
		       argv[1], argv[2], date_format(not_after, date));
	return finish(code, err);
}

static const struct program revoke_program = {
	.name = "keygen revoke",
	.purpose = "end an edge's right to connect",
	.operands = "DIR NAME", .min = 2, .max = 2, .complete = "dir",
	.examples = "unmap keygen revoke pki alice\n",
	.notes =
		"Writes DIR/revoked. A hub that runs beside that file notices and\n"
		"drops the link; else copy it beside the hub's hub.pem.\n",
};

static int revoke_main(int argc, char **argv)
{
	struct keygen_opts o = { .days = 0 };
	char err[PKI_ERROR_MAX] = "";
	int code;

	opts_parse(&revoke_program, &o, argc, argv);
	code = pki_revoke(dir_text(argv[1]), argv[2], err);
	if (!code)
		printf("%s is revoked\n"
		       "next: copy %s/revoked beside hub.pem if the hub is elsewhere\n",
		       argv[2], argv[1]);
	return finish(code, err);
}

/* ---- show ---------------------------------------------------------------- */

static const struct program show_program = {
	.name = "keygen show",
	.purpose = "show what a bundle, a certificate or a list says",
	.operands = "FILE", .min = 1, .max = 1, .complete = "file",
	.examples =
		"unmap keygen show alice.pem\n"
		"unmap keygen show pki/ca.crt\n"
		"unmap keygen show pki/revoked\n",
	.notes = "Private keys are not shown.\n",
};

static void show_identity(const struct identity *id)
{
	char text[2 * CERT_SERIAL_MAX + 1], prefix[PREFIX6_TEXT];

	printf("name: %s\nrole: %s\nprefix: %s\n", id->name,
	       id->is_hub ? "hub" : "edge", prefix6_format(&id->prefix, prefix));
	if (id->has_ipv4)
		printf("ipv4: %s/%u\n", addr4_format(id->ipv4, text),
		       id->ipv4_len);
	printf("expires: %s%s\n", date_format(id->not_after, text),
	       id->not_after < trust_now() ? " (expired)" : "");
	printf("serial: %s\n", hex_format(id->serial, id->serial_len, text));
}

static void show_bundle(const struct bundle *b)
{
	char text[HUB_ADDR_TEXT];
	struct cert ca;
	unsigned i;

	show_identity(&b->id);
	for (i = 0; i < b->hub_count; i++)
		printf("hub: %s\n", hub_addr_format(&b->hubs[i], text));
	if (cert_parse(&ca, (struct span){ b->ca, b->ca_len }))
		printf("ca: %s\n", cert_common_name(&ca, text, sizeof(text)));
}

static bool show_cert(const struct pem *p)
{
	char text[128];
	struct identity id;
	struct cert c;

	if (!cert_parse(&c, (struct span){ p->der, p->len }))
		return false;
	if (!c.is_ca && cert_identity(&c, &id) == CERT_FINE)
		show_identity(&id);
	else
		printf("name: %s\nrole: %s\nexpires: %s\n",
		       cert_common_name(&c, text, 100), c.is_ca ? "ca" : "none",
		       date_format(c.not_after, text + 100));
	return true;
}

/* Certificates without a key, or a list: the text may be anything else */
static bool show_text(struct span text, struct pem *p)
{
	bool is_list = text.len > strlen(REVOKED_HEAD) &&
		       !memcmp(text.at, REVOKED_HEAD, strlen(REVOKED_HEAD));
	bool found = false;

	for (;;) {
		switch (pem_next(&text, p)) {
		case PEM_LINE:
			if (is_list)
				printf("%.*s\n", (int)p->text.len,
				       (const char *)p->text.at);
			break;
		case PEM_OBJECT:
			if (is_list && !strcmp(p->label, REVOKED_LABEL))
				found = true;
			else if (!strcmp(p->label, "CERTIFICATE"))
				found = show_cert(p) || found;
			break;
		case PEM_CUT:
		case PEM_BAD:
			return false;
		case PEM_DONE:
		case PEM_KIND_COUNT:
			return found;
		}
	}
}

static bool show_other(const char *path)
{
	static uint8_t text[REVOKED_FILE_MAX];
	static struct pem p;
	long len = file_read(AT_FDCWD, path, text, sizeof(text));
	bool ok = len > 0 && !memmem(text, (size_t)len, "PRIVATE KEY", 11) &&
		  show_text((struct span){ text, (size_t)len }, &p);

	explicit_bzero(text, sizeof(text));
	return ok;
}

static int show_main(int argc, char **argv)
{
	static struct bundle b;
	struct keygen_opts o = { .days = 0 };
	char err[BUNDLE_ERROR_MAX];

	opts_parse(&show_program, &o, argc, argv);
	if (bundle_read(&b, argv[1], err)) {
		show_bundle(&b);
		bundle_wipe(&b);
	} else if (!show_other(argv[1])) {
		return finish(bundle_code(err), err);
	}
	return finish(EX_OK, err);
}

/* ---- the program --------------------------------------------------------- */

static const struct command keygen_subs[] = {
	{ &init_program, init_main },
	{ &keygen_edge_program, edge_sub_main },
	{ &show_program, show_main },
	{ &list_program, list_main },
	{ &renew_program, renew_main },
	{ &revoke_program, revoke_main },
	{ NULL, NULL }
};

const struct program keygen_program = {
	.name = "keygen",
	.purpose = "make keys and certificates, list and revoke them",
	.operands = "",
	.subs = keygen_subs,
	.examples =
		"unmap keygen init pki --hub hub.example.net "
		"--prefix 2001:db8:100::/48\n"
		"unmap keygen edge pki alice\n"
		"unmap keygen list pki\n"
		"unmap keygen revoke pki alice\n",
};

int keygen_main(int argc, char **argv)
{
	return opts_run_sub(&keygen_program, argc, argv);
}
