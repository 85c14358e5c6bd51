/* SPDX-License-Identifier: MIT
 *
 * pki.h - what keygen does: a private CA, its hub, its edges
 *
 * All functions give 0 or a code of sysexits(3), then with a sentence in @err
 * (PKI_ERROR_MAX bytes).
 */
#ifndef CRYPTO_PKI_H
#define CRYPTO_PKI_H

#include "crypto/bundle.h"

#define PKI_ERROR_MAX 512
#define PKI_DAYS 7305		/* 20 years */
#define PKI_DAYS_MAX 36525

/** struct pki_hub - what init is to make */
struct pki_hub {
	const char *dir;
	struct hub_addr hubs[BUNDLE_HUBS_MAX];
	unsigned hub_count;
	struct prefix6 prefix;
	unsigned days;
};

/** struct pki_edge - what edge is to make
 * @has_prefix: false: the next free /64
 */
struct pki_edge {
	const char *dir, *name;
	bool has_prefix, has_ipv4;
	struct prefix6 prefix;
	uint32_t ipv4;
	unsigned days;
};

/** struct pki_row - one owner, as list tells it */
struct pki_row {
	const char *name;
	struct prefix6 prefix;
	bool has_ipv4;
	uint32_t ipv4;
	int64_t not_after;
	bool is_revoked, is_expired;
};

/** pki_init() - Make DIR: the CA and the hub's bundle */
int pki_init(const struct pki_hub *plan, char *err);
/** pki_make_edge() - Make NAME.pem
 * @prefix: gets what it was given
 */
int pki_make_edge(const struct pki_edge *plan, struct prefix6 *prefix,
		  char *err);
/** pki_renew() - A new certificate for the same key and prefix
 * @not_after: gets its end
 */
int pki_renew(const char *dir, const char *name, unsigned days,
	      int64_t *not_after, char *err);
/** pki_revoke() - Put all certificates of an edge into `revoked`; again is fine */
int pki_revoke(const char *dir, const char *name, char *err);
/** pki_list() - Call @row for each owner, in the order they were made */
int pki_list(const char *dir, void (*row)(void *to, const struct pki_row *r),
	     void *to, char *err);

#endif
