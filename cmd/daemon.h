/* SPDX-License-Identifier: MIT
 *
 * daemon.h - what a running edge and a running hub have in common
 *
 * The only place where core, net and crypto meet. edge.c and hub.c fill in a
 * struct daemon, give it their differences in struct daemon_ops, and call
 * daemon_run().
 */
#ifndef CMD_DAEMON_H
#define CMD_DAEMON_H

#include <net/if.h>

#include "cmd/conn.h"
#include "cmd/log.h"
#include "core/engine.h"
#include "crypto/bundle.h"
#include "net/capture.h"
#include "net/fast.h"
#include "net/local.h"
#include "net/loop.h"
#include "net/output.h"
#include "net/sock.h"
#include "net/tun.h"

enum { DAEMON_UDP = 8, DAEMON_SEND = 512, DAEMON_LATCH = 64 };

struct daemon;

/** struct daemon_ops - where edge and hub differ
 * @conn_open: a handshake is complete; give the engine its peer
 * @conn_gone: a connection has ended
 * @out: an entry of the outbox that only one of the two knows
 * @tick: called each turn; its own timers
 * @deadline: when @tick is wanted
 * @reload: SIGHUP
 * @changed: addresses or routes of the host changed
 */
struct daemon_ops {
	void (*conn_open)(struct daemon *d, struct conn *c);
	void (*conn_gone)(struct daemon *d, struct conn *c, const char *why);
	void (*out)(struct daemon *d, const struct out *o);
	void (*tick)(struct daemon *d, msec now);
	msec (*deadline)(const struct daemon *d);
	void (*reload)(struct daemon *d);
	void (*changed)(struct daemon *d);
};

/** struct tun_dev - one of the two TUNs */
struct tun_dev {
	struct watch watch;
	struct daemon *d;
	int index;
	unsigned features;
	char name[IFNAMSIZ];
	uint8_t *buf;
};

/** struct udp_dev - a socket of the shared carrier */
struct udp_dev {
	struct watch watch;
	struct daemon *d;
	struct udp udp;
	struct taddr4 at;
	bool open;
};

/** struct uplink_peer - edge: the hub, and its port range; hub: all 0 */
struct uplink_peer {
	uint32_t addr;
	uint16_t lo, hi;
};

/** struct uplink - the interface outer packets use */
struct uplink {
	int index;
	uint32_t addr, mtu;
	struct uplink_peer peer;
	bool up;
	struct capture capture;
	struct output output;
};

struct daemon {
	const struct daemon_ops *ops;
	const char *program;		/* "edge", "hub" */
	pid_t pid;			/* the one that was started: the helper */
	const char *path;		/* of the bundle */
	char name[LOCAL_NAME];
	struct engine_conf conf;
	struct engine *engine;
	struct bundle bundle;
	struct loop loop;
	struct tun_dev inner, outer;
	struct udp_dev udp[DAEMON_UDP];
	unsigned udp_count;
	struct udp_batch *batch;
	struct uplink uplink;
	struct fast fast;
	struct conn *conn;		/* conf.conns of them */
	void *relay_memory;		/* conn_relayq_bytes() per connection */
	struct watch signals, monitor, host;
	struct local local;
	bool no_bpf, no_fast, stopping;
	bool look_again;		/* call ops->changed in this turn */
	bool shaken;			/* a handshake had its step in this turn */
	int exit_code;
	uint32_t max_conn;		/* highest number in use, plus 1 */
	uint32_t *dirty;		/* connections to be pumped */
	size_t dirty_count;
	msec started, watchdog, shakes_at;
	/* collected while the outbox is drained */
	struct datagram send[DAEMON_SEND];
	unsigned send_udp[DAEMON_SEND];
	size_t send_count;
	struct capture_key latch[DAEMON_LATCH];
	bool latch_add;
	size_t latch_count;
	unsigned relay_held;	/* packets of relays since the last drain */
	uint64_t tun_lost, socket_lost;
	void *own;			/* struct edge or struct hub */
};

/** daemon_init() - Engine, loop and TUNs; dies with a sentence if it cannot */
void daemon_init(struct daemon *d);
/** daemon_run() - Until a signal ends it. Return: the exit code */
int daemon_run(struct daemon *d);
/** daemon_drain() - Do what the engine's outbox says */
void daemon_drain(struct daemon *d);
/** daemon_udp() - Open a socket for the shared carrier; -errno */
int daemon_udp(struct daemon *d, struct taddr4 at);
void daemon_udp_close(struct daemon *d, unsigned n);
/** daemon_uplink() - Capture and send on this interface from now on
 * Return: false (said why) if not
 */
bool daemon_uplink(struct daemon *d, int index, uint32_t addr,
		   const struct uplink_peer *peer);
/** daemon_conn() - A place for a connection, NULL if all are in use */
struct conn *daemon_conn(struct daemon *d);
/** daemon_conn_start() - Common part of conn_client() and conn_server() */
struct conn_start daemon_conn_start(struct daemon *d, int fd,
				    struct taddr4 peer, enum conn_kind kind);
/** daemon_finish() - Close a connection in good order, in this turn */
void daemon_finish(struct daemon *d, struct conn *c);
/** daemon_bye() - The same, telling the peer why */
void daemon_bye(struct daemon *d, struct conn *c, enum bye why,
		const char *text);
/** daemon_engine_open() - Tell the engine of a connection that is open */
void daemon_engine_open(struct daemon *d, struct conn *c);
/** answer_request() - A line came on the local socket (answer.c) */
void answer_request(struct local_client *c, const char *line, void *arg);
void answer_gone(struct local_client *c, void *arg);
/** answer_bench() - A BENCH message came (bench part of the daemons) */
void answer_bench(struct daemon *d, uint32_t link, struct span body);

#endif
