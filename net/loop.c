/* SPDX-License-Identifier: MIT
 *
 * loop.c - one thread, one epoll, bounded turns
 *
 * Theory of operation
 * ===================
 * Descriptors are level triggered: a callback that leaves work behind is
 * called again in the next turn, so each may bound what it does. A turn
 * fetches at most LOOP_BATCH events with one system call and serves them in
 * two passes: watches marked `first` (the inner TUN: what the site sends),
 * then the others (the outer TUN, sockets: what a stranger can flood). epoll
 * rotates its ready list, so nobody waits longer than one turn for each
 * LOOP_BATCH ready descriptors.
 *
 * A callback may remove any watch, its own and those later in the batch. The
 * batch lives in the loop, removal clears the pointer there, and a cleared
 * entry is skipped: the caller may free or reuse the struct at once.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "net/loop.h"

enum { TIMEOUT_MAX_MS = 3600 * 1000 };

int loop_init(struct loop *l)
{
	l->count = 0;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll_fd < 0 ? -errno : 0;
}

void loop_fini(struct loop *l)
{
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	l->epoll_fd = -1;
}

static int control(struct loop *l, int what, struct watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	return epoll_ctl(l->epoll_fd, what, w->fd, &e) < 0 ? -errno : 0;
}

int loop_add(struct loop *l, struct watch *w, uint32_t events)
{
	return control(l, EPOLL_CTL_ADD, w, events);
}

int loop_change(struct loop *l, struct watch *w, uint32_t events)
{
	return control(l, EPOLL_CTL_MOD, w, events);
}

void loop_remove(struct loop *l, struct watch *w)
{
	int i;

	control(l, EPOLL_CTL_DEL, w, 0);
	for (i = 0; i < l->count; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

static int serve(struct loop *l, bool first)
{
	int i, served = 0;

	for (i = 0; i < l->count; i++) {
		struct watch *w = l->batch[i].data.ptr;

		if (!w || w->first != first)
			continue;
		l->batch[i].data.ptr = NULL;
		w->ready(w, l->batch[i].events);
		served++;
	}
	return served;
}

int loop_run_once(struct loop *l, int timeout_ms)
{
	int n = epoll_wait(l->epoll_fd, l->batch, LOOP_BATCH, timeout_ms);
	int served;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	l->count = n;
	served = serve(l, true);
	served += serve(l, false);
	l->count = 0;
	return served;
}

msec loop_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (msec)t.tv_sec * 1000 + (msec)t.tv_nsec / 1000000;
}

int loop_timeout(msec deadline, msec now)
{
	if (deadline == NEVER)
		return -1;
	if (deadline <= now)
		return 0;
	if (deadline - now > TIMEOUT_MAX_MS)
		return TIMEOUT_MAX_MS;
	return (int)(deadline - now);
}

static void handled_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCHLD);
}

int loop_signals_open(void)
{
	sigset_t set;
	int fd;

	handled_signals(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int loop_signals_read(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

void loop_signals_reset(void)
{
	sigset_t set;

	handled_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGPIPE, SIG_DFL);
}
