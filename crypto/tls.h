/* SPDX-License-Identifier: MIT
 *
 * tls.h - TLS 1.2 between edge and hub, without input and output
 *
 *	tls_client_start(t, &bundle);
 *	loop: look at tls_state(t):
 *		TLS_NET_OUT	send what tls_net_out() gives, then _done(n)
 *		TLS_NET_IN	receive into what tls_net_in() gives, then _done(n)
 *		TLS_APP_OUT	put data where tls_app_out() says, _done(n), flush
 *		TLS_APP_IN	take what tls_app_in() gives, then _done(n)
 *		TLS_CLOSED	over: tls_error() says why, tls_alert() may have
 *				a last record for the peer
 *
 * A call whose bit is not set gives NULL and length 0. Pointers are good until
 * the next call on the same struct.
 */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include <bearssl.h>

#include "crypto/bundle.h"
#include "crypto/trust.h"

#define TLS_IN_BYTES BR_SSL_BUFSIZE_INPUT
#define TLS_OUT_BYTES (4096 + 85)	/* 85: as BR_SSL_BUFSIZE_OUTPUT */
#define TLS_ALERT_LEN 7

/** enum tls_bits - what may be done now */
enum tls_bits {
	TLS_NET_OUT = 1,	/* bytes wait to be sent */
	TLS_NET_IN = 2,		/* bytes from the peer are welcome */
	TLS_APP_OUT = 4,	/* data may be written */
	TLS_APP_IN = 8,		/* data waits to be read */
	TLS_CLOSED = 16,	/* nothing more, alone */
};

/** struct tls - one connection; owned by the caller, about 33 KB, never moved
 *
 * The bundle and the list of revoked certificates must outlive it.
 */
struct tls {
	union {
		br_ssl_engine_context engine;
		br_ssl_client_context client;
		br_ssl_server_context server;
	} ssl;
	struct trust trust;
	br_x509_certificate own;
	br_ec_private_key key;
	bool is_hub, is_open;
	uint8_t in[TLS_IN_BYTES];
	uint8_t out[TLS_OUT_BYTES];
};

/** tls_client_start() - The edge's side; false if the bundle is of no use */
bool tls_client_start(struct tls *t, const struct bundle *b);
/** tls_server_start() - The hub's side; @revoked may be NULL */
bool tls_server_start(struct tls *t, const struct bundle *b,
		      const struct revoked *revoked);

/** tls_state() - Bits of enum tls_bits */
unsigned tls_state(const struct tls *t);

const uint8_t *tls_net_out(struct tls *t, size_t *len);
void tls_net_out_done(struct tls *t, size_t len);
uint8_t *tls_net_in(struct tls *t, size_t *cap);
void tls_net_in_done(struct tls *t, size_t len);
uint8_t *tls_app_out(struct tls *t, size_t *cap);
void tls_app_out_done(struct tls *t, size_t len);
/** tls_flush() - Make a record of what was written so far */
void tls_flush(struct tls *t);
const uint8_t *tls_app_in(struct tls *t, size_t *len);
void tls_app_in_done(struct tls *t, size_t len);

/** tls_close() - Say goodbye (close_notify); go on until TLS_CLOSED */
void tls_close(struct tls *t);

/** tls_peer() - Who is there; NULL until the handshake is complete */
const struct identity *tls_peer(const struct tls *t);
/** tls_refused() - Name in a certificate of our CA that was refused because it
 * is revoked or has the wrong role; NULL if there is none. For the log: that the
 * peer has the key to it was not proved.
 */
const char *tls_refused(const struct tls *t);
/** tls_error() - Why it ended, a sentence; "" if it has not or said goodbye */
const char *tls_error(const struct tls *t);
/** tls_alert() - The record that tells the peer why we ended; 0 if none is due
 *
 * To be sent after TLS_CLOSED and before the socket is closed.
 */
size_t tls_alert(const struct tls *t, uint8_t out[static TLS_ALERT_LEN]);

#endif
