/* SPDX-License-Identifier: MIT
 *
 * local.h - the local socket of a running edge or hub, and how to find it
 *
 * A request is one line; the reply is whatever the daemon writes until it
 * finishes, then the connection closes. Functions give 0 or a count, or a
 * negative errno.
 */
#ifndef NET_LOCAL_H
#define NET_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#include "net/loop.h"

#define LOCAL_DIR "/run/unmap"	/* $UNMAP_RUN is another */

enum {
	LOCAL_CLIENTS = 8,
	LOCAL_REQUEST = 256,		/* longest line, its newline included */
	LOCAL_REPLY = 1 << 20,		/* unsent bytes held per client */
	LOCAL_IDLE_MS = 10 * 1000,	/* no progress for so long: dropped */
	LOCAL_NAME = 48,		/* longest NAME and its NUL */
	LOCAL_LIST = 64,
};

struct local;

/** struct local_client - one connection to the daemon; opaque though visible
 * @held:	unsent reply: @start .. @len of it; LOCAL_REPLY bytes
 * @asked:	the line is complete: nothing more is read
 * @finished:	the reply is complete: closes when all is sent
 */
struct local_client {
	struct watch watch;
	struct local *local;
	char line[LOCAL_REQUEST];
	size_t got;
	char *held;
	size_t start, len;
	bool asked, finished;
	msec progress;
};

/** struct local_ops - what the daemon does
 * @request:	@line is complete (no newline). Answer now or later with
 *		local_write() and local_finish()
 * @gone:	@c, which had asked, is no more (finished, closed, dropped);
 *		may be NULL
 */
struct local_ops {
	void (*request)(struct local_client *c, const char *line, void *arg);
	void (*gone)(struct local_client *c, void *arg);
};

struct local {
	struct watch watch;
	struct loop *loop;
	const struct local_ops *ops;
	void *arg;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *memory;
	struct local_client client[LOCAL_CLIENTS];
};

/** struct local_entry - a daemon found running */
struct local_entry {
	char name[LOCAL_NAME];
	pid_t pid;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/** local_open() - Make the socket NAME@PID.sock, mode 0600, and remove those
 * that killed daemons left
 * @pid: what the user takes for the daemon's process
 * @name: the bundle's; whatever is not a letter, digit, '.', '_' or '-'
 *        becomes '_'
 */
int local_open(struct local *s, const char *name, pid_t pid);
/** local_serve() - Answer on it from now on; @s->path stays until closed */
int local_serve(struct local *s, struct loop *l, const struct local_ops *ops,
		void *arg);
void local_close(struct local *s);

/** local_write() - Append to the reply
 * Return: false if it does not fit any more: the client is dropped, do not
 * touch it again
 */
bool local_write(struct local_client *c, const void *bytes, size_t len);
/** local_finish() - The reply is complete; do not touch @c again */
void local_finish(struct local_client *c);
/** local_tick() - Drop clients that neither send nor read */
void local_tick(struct local *s, msec now);
msec local_deadline(const struct local *s);

/** local_list() - All daemons that answer, sorted by name and process; sockets
 * of the dead are removed on the way
 * Return: count, at most @cap, or a negative errno
 */
int local_list(struct local_entry *to, int cap);
/** local_find() - Those of @count entries at @e that @wanted (a name or a
 * process number, NULL: all) means, moved to the front
 */
int local_find(struct local_entry *e, int count, const char *wanted);
/** local_ask() - Connect to @path and send @line
 * Return: a blocking descriptor that gives the reply until end of file
 */
int local_ask(const char *path, const char *line);

#endif
