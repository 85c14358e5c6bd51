/* SPDX-License-Identifier: MIT
 *
 * conn.h - one control or relay connection: socket, TLS, framing
 *
 * Theory of operation
 * ===================
 * A connection moves bytes between a socket and a struct tls, and whole
 * messages between that and its owner. conn_pump() does all that may be done
 * now, in bounded steps, and sets what the loop watches for.
 *
 * Output: control messages go into a queue of CONN_QUEUE bytes; messages of one
 * loop turn share a TLS record, because the queue is written after the turn
 * only. A peer that does not read until the queue is full is cut off. Packets
 * of a relay connection wait in a relayq and become messages one by one, when
 * there is room: so the queue discipline stays ours.
 *
 * Input: when CONN_MESSAGES have come it is others' turn, at the end of a TLS
 * record: what the kernel still holds will wake us again. A handshake goes
 * record by record, and only when the owner lets it (@shake): each may cost a
 * millisecond.
 *
 * Time: a connection over which no message has come CONN_SHAKE_MS after its
 * start ends, and one that is being closed ends after CONN_CLOSE_MS at the
 * latest, whether the peer reads or not; what it says by then is not heard.
 *
 * What is large is apart, in a struct conn_room: places are looked through, and
 * the pages of one that is not in use are given back to the kernel.
 */
#ifndef CMD_CONN_H
#define CMD_CONN_H

#include "core/engine.h"
#include "core/msg.h"
#include "core/relayq.h"
#include "crypto/tls.h"
#include "net/loop.h"

enum { CONN_SAID = 96, CONN_QUEUE = 512 * 1024, CONN_SHAKE_MS = 10 * 1000,
	CONN_CLOSE_MS = 3 * 1000, CONN_MESSAGES = 256,
	CONN_RELAY_BYTES = 1024 * 1024 };

struct conn;

/** struct conn_ops - what the owner does
 * @shake: may a step of a handshake be done now? (else it is asked again soon)
 * @open: the handshake is complete; tls_peer() is known
 * @message: a whole message came; false: stop reading, the connection ends
 * @gone: it has ended (@why: a sentence, may be empty); free it now
 */
struct conn_ops {
	bool (*shake)(struct conn *c, void *arg);
	void (*open)(struct conn *c, void *arg);
	bool (*message)(struct conn *c, struct span msg, void *arg);
	void (*gone)(struct conn *c, const char *why, void *arg);
};

/** struct conn_room - its buffers: pages of the caller that nothing else uses
 * @in: start of the next message; @queue: bytes to be sent, [start, len)
 */
struct conn_room {
	_Alignas(4096) struct tls tls;
	uint8_t in[MSG_MAX + 2];
	uint8_t queue[CONN_QUEUE];
};

/** struct conn - owned by the caller, not moved while in use
 * @room: set by the owner, for good
 * @dirty: got something to send; @listed: the owner knows
 * @until: when it ends by conn_expire(), 0: stays
 * @overrun: the queue was full
 * @relayq: relay connections only
 * @said: the peer's last words (BYE), "" if it went without
 */
struct conn {
	struct watch watch;
	struct loop *loop;
	const struct conn_ops *ops;
	void *arg;
	uint32_t id;
	enum conn_kind kind;
	struct taddr4 peer;
	bool used, connecting, open, told, closing, dirty, listed;
	bool overrun;
	uint32_t events;
	msec since, until;
	size_t in_len, queue_start, queue_len;
	struct relayq *relayq;
	uint8_t bye;			/* enum bye, with @said */
	char said[CONN_SAID];
	struct conn_room *room;
};

/** struct conn_start - what a connection begins with */
struct conn_start {
	struct loop *loop;
	const struct conn_ops *ops;
	void *arg;
	int fd;			/* becomes the connection's */
	struct taddr4 peer;
	bool connecting;	/* not yet connected */
	enum conn_kind kind;
};

/** conn_client(), conn_server() - Start; false: not possible (fd is closed) */
bool conn_client(struct conn *c, const struct conn_start *s,
		 const struct bundle *b);
bool conn_server(struct conn *c, const struct conn_start *s,
		 const struct bundle *b, const struct revoked *revoked);
/** conn_send() - Queue a message; false: full, and conn_pump() will end it */
bool conn_send(struct conn *c, struct span msg);
/** conn_relay() - Queue an inner packet of @flow */
void conn_relay(struct conn *c, uint32_t flow, struct span head,
		struct span body, msec now);
/** conn_pump() - Do what can be done now; may call ops->gone last */
void conn_pump(struct conn *c);
/** conn_finish() - Close in good order when the queue is sent */
void conn_finish(struct conn *c);
/** conn_expire() - Its time is over: end it, ops->gone is told */
void conn_expire(struct conn *c);
/** conn_abort() - Close now, without ops->gone */
void conn_abort(struct conn *c);
/** conn_release() - It is closed: give its pages back */
void conn_release(struct conn *c);
/** conn_relayq_bytes() - Memory that conn_relay() needs at c->relayq */
size_t conn_relayq_bytes(void);

#endif
