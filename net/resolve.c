/* SPDX-License-Identifier: MIT
 *
 * resolve.c - a name to IPv4 addresses, without waiting for it
 *
 * Theory of operation
 * ===================
 * getaddrinfo() knows /etc/hosts, search lists and resolv.conf, and blocks for
 * as long as it likes. So it runs in a child of its own that writes one struct
 * into a pipe and ends; the parent reads it when it is readable, and kills the
 * child at the deadline. The child holds no descriptor but its pipe: nothing
 * of the parent stays open in it. The answer is of one fixed size, written at
 * once (far below PIPE_BUF), so it comes whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/resolve.h"

#ifndef SYS_close_range
#define SYS_close_range 436	/* Linux 5.9 */
#endif

bool resolve_name_ok(const char *name)
{
	size_t i, len = strnlen(name, RESOLVE_NAME);

	if (!len || len == RESOLVE_NAME)
		return false;
	for (i = 0; i < len; i++) {
		char c = name[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
		    (c < '0' || c > '9') && c != '.' && c != '-' && c != '_')
			return false;
	}
	return true;
}

static int32_t error_of(int code)
{
	if (code == EAI_AGAIN)
		return -EAGAIN;
	if (code == EAI_MEMORY)
		return -ENOMEM;
	return -ENOENT;
}

static void look_up(const char *name, struct resolve_answer *to)
{
	struct addrinfo want = { .ai_family = AF_INET,
				 .ai_socktype = SOCK_STREAM };
	struct addrinfo *found, *a;
	int code = getaddrinfo(name, NULL, &want, &found);

	memset(to, 0, sizeof(*to));
	if (code) {
		to->error = error_of(code);
		return;
	}
	for (a = found; a && to->count < RESOLVE_ADDRS; a = a->ai_next) {
		struct sockaddr_in in;

		memcpy(&in, a->ai_addr, sizeof(in));
		to->addr[to->count++] = ntohl(in.sin_addr.s_addr);
	}
	if (!to->count)
		to->error = -ENOENT;
	freeaddrinfo(found);
}

/* Never returns, and runs none of the parent's exit handlers. */
static void child(const char *name, int out)
{
	struct resolve_answer answer;

	loop_signals_reset();
	if (out != 3)
		dup2(out, 3);
	syscall(SYS_close_range, 4u, ~0u, 0u);
	look_up(name, &answer);
	_exit(write(3, &answer, sizeof(answer)) != sizeof(answer));
}

int resolve_start(struct resolve *r, const char *name, msec now)
{
	int fds[2], err;

	if (!resolve_name_ok(name))
		return -EINVAL;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	r->pid = fork();
	if (!r->pid)
		child(name, fds[1]);
	err = -errno;
	close(fds[1]);
	if (r->pid < 0) {
		close(fds[0]);
		return err;
	}
	r->watch.fd = fds[0];
	r->deadline = now + RESOLVE_MS;
	return 0;
}

void resolve_stop(struct resolve *r)
{
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (r->watch.fd >= 0)
		close(r->watch.fd);
	r->pid = 0;
	r->watch.fd = -1;
}

bool resolve_read(struct resolve *r, struct resolve_answer *to, msec now)
{
	ssize_t n = read(r->watch.fd, to, sizeof(*to));

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (now < r->deadline)
			return false;
		memset(to, 0, sizeof(*to));
		to->error = -ETIMEDOUT;
	} else if (n != (ssize_t)sizeof(*to) || to->count > RESOLVE_ADDRS) {
		memset(to, 0, sizeof(*to));
		to->error = -EAGAIN;
	}
	resolve_stop(r);
	return true;
}
