/* SPDX-License-Identifier: MIT
 *
 * pki_fixture.h - a CA and bundles in memory, for tests
 */
#ifndef TESTS_UNIT_PKI_FIXTURE_H
#define TESTS_UNIT_PKI_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "crypto/bundle.h"
#include "crypto/trust.h"

#define FIXTURE_TEMP ".XX" "XX" "XX"	/* for mkstemp() and mkdtemp() */
#define FIXTURE_LATER 4102444800	/* 2100-01-01 */

struct fixture_ca {
	struct key key;
	char name[40];
	uint8_t der[CERT_MAX];
	size_t len;
};

/** fixture_ca() - A CA; two with the same name have different keys */
static inline void fixture_ca(struct fixture_ca *ca, const char *name)
{
	struct cert_plan p = {
		.subject = ca->name, .issuer = ca->name,
		.not_after = CERT_NEVER, .is_ca = true,
		.blocks = { .has_ipv4 = true },
		.point = ca->key.point, .signer = &ca->key,
	};

	snprintf(ca->name, sizeof(ca->name), "%s", name);
	key_make(&ca->key);
	ca->len = cert_issue(&p, ca->der);
	ck_assert_uint_gt(ca->len, 0);
}

static inline void fixture_prefix(struct prefix6 *p, const char *text)
{
	ck_assert(prefix6_parse(p, text));
}

/** fixture_plan() - What a bundle's certificate would say; to be spoilt */
static inline struct cert_plan fixture_plan(const struct fixture_ca *ca,
					    const struct bundle *b,
					    const char *role)
{
	return (struct cert_plan){
		.subject = role, .issuer = ca->name,
		.not_after = FIXTURE_LATER, .is_hub = b->id.is_hub,
		.names = { role }, .name_count = 1,
		.blocks = { .prefix = b->id.prefix },
		.point = b->key.point, .signer = &ca->key,
	};
}

/** fixture_issue() - Put a certificate of @p into @b */
static inline void fixture_issue(struct bundle *b, const struct fixture_ca *ca,
				 struct cert_plan *p)
{
	struct cert c;

	b->cert_len = cert_issue(p, b->cert);
	ck_assert_uint_gt(b->cert_len, 0);
	memcpy(b->ca, ca->der, ca->len);
	b->ca_len = ca->len;
	ck_assert(cert_parse(&c, (struct span){ b->cert, b->cert_len }));
	cert_identity(&c, &b->id);
}

/** fixture_bundle() - An edge's bundle, or the hub's if @name is "hub" */
static inline void fixture_bundle(struct bundle *b, const struct fixture_ca *ca,
				  const char *name)
{
	char role[80] = CERT_HUB_NAME;
	struct cert_plan p;

	memset(b, 0, sizeof(*b));
	key_make(&b->key);
	b->id.is_hub = !strcmp(name, "hub");
	fixture_prefix(&b->id.prefix, b->id.is_hub ? "2001:db8:100::/48" :
						     "2001:db8:100:1::/64");
	if (!b->id.is_hub)
		snprintf(role, sizeof(role), "%s" CERT_EDGE_SUFFIX, name);
	p = fixture_plan(ca, b, role);
	fixture_issue(b, ca, &p);
	ck_assert(hub_addr_parse(&b->hubs[0], "hub.example.net"));
	b->hub_count = 1;
}

/** fixture_run() - The usual main() of a test program */
static inline int fixture_run(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

#endif
