/* SPDX-License-Identifier: MIT
 *
 * tls.c - TLS 1.2 between edge and hub, without input and output
 *
 * Theory of operation
 * ===================
 * BearSSL is an engine between two pairs of buffers; struct tls is that engine
 * with everything it needs, set up in one way: TLS 1.2, ECDHE on P-256, ECDSA,
 * AES-GCM or ChaCha20-Poly1305, certificates on both sides, no resumption and
 * no renegotiation. So a connection that is open has always been proved by both
 * certificates, and there is no second way to get there.
 *
 * Parts are chosen by name instead of BearSSL's "full" profile, which would
 * link RSA, CBC, older versions and slower curves. EC keys are given for signing
 * only: 0.6 overwrites a choice of static ECDH with ECDSA for client
 * certificates. An edge without AES instructions offers ChaCha20 first; the hub
 * follows the edge's order.
 *
 * Memory: about 33 KB. Input takes the largest record of the standard, because a
 * peer that is not ours may send it; output 4 KB, which also makes BearSSL's
 * client ask for records of 4 KB (RFC 6066, 4) and keeps the delay of a record
 * on slow lines small.
 *
 * Errors stick in the engine: the first one closes it. BearSSL then says nothing
 * to the peer, so tls_alert() makes the record. It is plain text: our writing
 * side is not yet encrypted whenever a certificate is refused, on the hub nor on
 * the edge, because ChangeCipherSpec comes after the certificates. Once writing
 * is encrypted no alert is made. RFC 5246, 7.2.2 for the numbers.
 */
#include <string.h>

#include "crypto/tls.h"

/* RFC 5246, 7.2; only those we send or explain */
enum alert {
	ALERT_UNEXPECTED_MESSAGE = 10,
	ALERT_BAD_RECORD_MAC = 20,
	ALERT_RECORD_OVERFLOW = 22,
	ALERT_HANDSHAKE_FAILURE = 40,
	ALERT_BAD_CERTIFICATE = 42,
	ALERT_UNSUPPORTED_CERTIFICATE = 43,
	ALERT_CERTIFICATE_REVOKED = 44,
	ALERT_CERTIFICATE_EXPIRED = 45,
	ALERT_CERTIFICATE_UNKNOWN = 46,
	ALERT_ILLEGAL_PARAMETER = 47,
	ALERT_UNKNOWN_CA = 48,
	ALERT_DECODE_ERROR = 50,
	ALERT_DECRYPT_ERROR = 51,
	ALERT_PROTOCOL_VERSION = 70,
	ALERT_INTERNAL_ERROR = 80,
};

/** struct reason - why it ended
 * @code: of the engine, or 256 + number of an alert that came
 * @alert: what we tell the peer; 0 for one that it told us
 * @text: for the edge, for the hub
 */
struct reason {
	int code, alert;
	const char *text[2];
};

static const struct reason reasons[] = {
#define PEER_ERROR(code, alert, text) \
	{ code, ALERT_##alert, { "the hub's " text, "the edge's " text } },
#define ERROR(code, alert, text) { code, ALERT_##alert, { text, text } },
#define SENT(number, text) \
	{ BR_ERR_SEND_FATAL_ALERT + ALERT_##number, 0, { text, text } },
#define ALERT(number, edge, hub) \
	{ BR_ERR_RECV_FATAL_ALERT + ALERT_##number, 0, { edge, hub } },
#include "crypto/errors.def"
#undef PEER_ERROR
#undef ERROR
#undef SENT
#undef ALERT
};

static const struct reason unknown[] = {
	{ 0, ALERT_BAD_CERTIFICATE,
	  { "the hub's certificate is malformed",
	    "the edge's certificate is malformed" } },
	{ 0, 0, { "the hub ended the TLS connection with an alert",
		  "the edge ended the TLS connection with an alert" } },
	{ 0, ALERT_INTERNAL_ERROR,
	  { "the TLS connection failed", "the TLS connection failed" } },
};

static const struct reason *reason_of(int code)
{
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].code == code)
			return &reasons[i];
	if (code >= BR_ERR_X509_INVALID_VALUE && code < BR_ERR_X509_NOT_TRUSTED)
		return &unknown[0];
	if (code >= BR_ERR_RECV_FATAL_ALERT && code < BR_ERR_SEND_FATAL_ALERT)
		return &unknown[1];
	return &unknown[2];
}

static void set_suites(br_ssl_engine_context *e)
{
	static const uint16_t aes_first[] = {
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	};
	static const uint16_t chacha_first[] = {
		BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	};

	br_ssl_engine_set_suites(e, br_aes_x86ni_ctr_get_vtable() ?
					    aes_first : chacha_first, 2);
	br_ssl_engine_set_default_aes_gcm(e);
	br_ssl_engine_set_default_chapol(e);
}

/* All that is the same on both sides */
static bool set_up(struct tls *t, const struct bundle *b,
		   const struct revoked *revoked)
{
	br_ssl_engine_context *e = &t->ssl.engine;
	struct span ca = { b->ca, b->ca_len };

	if (!trust_init(&t->trust, ca, !t->is_hub, revoked))
		return false;
	t->own.data = (unsigned char *)b->cert;
	t->own.data_len = b->cert_len;
	t->key = key_private(&b->key);
	br_ssl_engine_set_versions(e, BR_TLS12, BR_TLS12);
	br_ssl_engine_set_hash(e, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_prf_sha256(e, &br_tls12_sha256_prf);
	br_ssl_engine_set_ec(e, key_curve());
	br_ssl_engine_set_ecdsa(e, br_ecdsa_i31_vrfy_asn1);
	set_suites(e);
	br_ssl_engine_add_flags(e, BR_OPT_NO_RENEGOTIATION);
	br_ssl_engine_set_x509(e, &t->trust.vtable);
	br_ssl_engine_set_buffers_bidi(e, t->in, sizeof(t->in), t->out,
				       sizeof(t->out));
	return true;
}

bool tls_client_start(struct tls *t, const struct bundle *b)
{
	br_ssl_client_context *c = &t->ssl.client;

	t->is_hub = false;
	t->is_open = false;
	br_ssl_client_zero(c);
	if (!set_up(t, b, NULL))
		return false;
	br_ssl_client_set_single_ec(c, &t->own, 1, &t->key, BR_KEYTYPE_SIGN,
				    BR_KEYTYPE_EC, key_curve(),
				    br_ecdsa_i31_sign_asn1);
	return br_ssl_client_reset(c, NULL, 0);
}

bool tls_server_start(struct tls *t, const struct bundle *b,
		      const struct revoked *revoked)
{
	br_ssl_server_context *s = &t->ssl.server;

	t->is_hub = true;
	t->is_open = false;
	br_ssl_server_zero(s);
	if (!set_up(t, b, revoked))
		return false;
	br_ssl_server_set_single_ec(s, &t->own, 1, &t->key, BR_KEYTYPE_SIGN,
				    BR_KEYTYPE_EC, key_curve(),
				    br_ecdsa_i31_sign_asn1);
	br_ssl_server_set_trust_anchor_names_alt(s, &t->trust.anchor, 1);
	return br_ssl_server_reset(s);
}

unsigned tls_state(const struct tls *t)
{
	unsigned s = br_ssl_engine_current_state(&t->ssl.engine);

	if (s & BR_SSL_CLOSED)
		return TLS_CLOSED;
	return (s & BR_SSL_SENDREC ? TLS_NET_OUT : 0u) |
	       (s & BR_SSL_RECVREC ? TLS_NET_IN : 0u) |
	       (s & BR_SSL_SENDAPP ? TLS_APP_OUT : 0u) |
	       (s & BR_SSL_RECVAPP ? TLS_APP_IN : 0u);
}

/* The engine lets data through only after both Finished were right. */
static void note_open(struct tls *t)
{
	if (tls_state(t) & (TLS_APP_OUT | TLS_APP_IN))
		t->is_open = true;
}

const uint8_t *tls_net_out(struct tls *t, size_t *len)
{
	*len = 0;
	return br_ssl_engine_sendrec_buf(&t->ssl.engine, len);
}

void tls_net_out_done(struct tls *t, size_t len)
{
	if (len)
		br_ssl_engine_sendrec_ack(&t->ssl.engine, len);
	note_open(t);
}

uint8_t *tls_net_in(struct tls *t, size_t *cap)
{
	*cap = 0;
	return br_ssl_engine_recvrec_buf(&t->ssl.engine, cap);
}

void tls_net_in_done(struct tls *t, size_t len)
{
	if (len)
		br_ssl_engine_recvrec_ack(&t->ssl.engine, len);
	note_open(t);
}

uint8_t *tls_app_out(struct tls *t, size_t *cap)
{
	*cap = 0;
	return br_ssl_engine_sendapp_buf(&t->ssl.engine, cap);
}

void tls_app_out_done(struct tls *t, size_t len)
{
	if (len)
		br_ssl_engine_sendapp_ack(&t->ssl.engine, len);
}

void tls_flush(struct tls *t)
{
	br_ssl_engine_flush(&t->ssl.engine, 0);
}

const uint8_t *tls_app_in(struct tls *t, size_t *len)
{
	*len = 0;
	return br_ssl_engine_recvapp_buf(&t->ssl.engine, len);
}

void tls_app_in_done(struct tls *t, size_t len)
{
	if (len)
		br_ssl_engine_recvapp_ack(&t->ssl.engine, len);
}

void tls_close(struct tls *t)
{
	br_ssl_engine_close(&t->ssl.engine);
}

const struct identity *tls_peer(const struct tls *t)
{
	return t->is_open && t->trust.is_verified ? &t->trust.id : NULL;
}

const char *tls_refused(const struct tls *t)
{
	unsigned e = t->trust.error;

	if (e != TRUST_REVOKED && e != TRUST_NOT_EDGE && e != TRUST_NOT_HUB)
		return NULL;
	return t->trust.id.name;
}

const char *tls_error(const struct tls *t)
{
	int code = br_ssl_engine_last_error(&t->ssl.engine);

	return code ? reason_of(code)->text[t->is_hub] : "";
}

size_t tls_alert(const struct tls *t, uint8_t out[static TLS_ALERT_LEN])
{
	static const uint8_t record[] = { 21, 3, 3, 0, 2, 2 };	/* fatal */
	const br_ssl_engine_context *e = &t->ssl.engine;
	int code = br_ssl_engine_last_error(e);

	if (!code || code >= BR_ERR_RECV_FATAL_ALERT || code == BR_ERR_IO ||
	    e->out.vtable != &br_sslrec_out_clear_vtable)
		return 0;
	memcpy(out, record, sizeof(record));
	out[sizeof(record)] = (uint8_t)reason_of(code)->alert;
	return TLS_ALERT_LEN;
}
