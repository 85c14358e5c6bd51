/* SPDX-License-Identifier: MIT
 *
 * status.c - what a running edge or hub is doing
 *
 * Theory of operation
 * ===================
 * The daemon writes the whole report, this program only carries it from the
 * local socket to standard output. With --watch it does so once a second,
 * from the top of the screen if that is one, until interrupted or until the
 * daemon is gone.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/options.h"

enum { WATCH_MS = 1000, PIECE = 16384, PATIENCE_S = 5 };

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void list_them(const struct local_entry *all, int count, bool json)
{
	if (json)
		printf("[");
	for (int i = 0; i < count && json; i++)
		printf("%s{\"name\":\"%s\",\"pid\":%ld}", i ? "," : "",
		       all[i].name, (long)all[i].pid);
	if (json)
		printf("]\n");
	for (int i = 0; i < count && !json; i++)
		printf("%-20s process %ld\n", all[i].name, (long)all[i].pid);
	if (!json)
		printf("%d are running: add a name or a process number\n",
		       count);
}

/* Copy the reply to standard output; 0 or an errno. */
static int copy(int fd)
{
	struct timeval patience = { PATIENCE_S, 0 };
	char piece[PIECE];
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		fwrite(piece, 1, (size_t)n, stdout);
	if (n >= 0 || interrupted)
		return 0;
	return errno == EAGAIN ? ETIMEDOUT : errno;
}

static int show(const struct local_entry *e, const char *request)
{
	int fd = local_ask(e->path, request), err;

	if (fd < 0)
		return -fd;
	err = copy(fd);
	close(fd);
	return err;
}

static void watch(const struct local_entry *e, const char *request)
{
	static const struct timespec second = { WATCH_MS / 1000,
		WATCH_MS % 1000 * 1000000L };
	bool screen = isatty(STDOUT_FILENO);
	struct sigaction stop = { .sa_handler = on_signal };
	int err;

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	while (!interrupted) {
		if (screen)
			fputs("\033[H\033[2J", stdout);
		err = show(e, request);
		if (err && !interrupted)
			die(EX_UNAVAILABLE, "%s has ended: %s", e->name,
			    strerror(err));
		if (fflush(stdout) || ferror(stdout))
			die(EX_IOERR, "cannot write: %s", strerror(errno));
		nanosleep(&second, NULL);
	}
}

int status_main(int argc, char **argv)
{
	struct status_opts o = { 0 };
	struct local_entry all[LOCAL_LIST];
	int operands = opts_parse(&status_program, &o, argc, argv);
	int count, err;
	const char *request =
		o.sessions ? o.json ? "sessions json" : "sessions text" :
		o.json ? "status json" : "status text";

	count = ask_find(all, operands ? argv[1] : NULL);
	if (count > 1) {
		list_them(all, count, o.json);
	} else if (o.watch) {
		watch(all, request);
	} else {
		err = show(all, request);
		if (err)
			ask_failed(all, err);
	}
	if (fflush(stdout) || ferror(stdout))
		die(EX_IOERR, "cannot write: %s", strerror(errno));
	return EX_OK;
}
