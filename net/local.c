/* SPDX-License-Identifier: MIT
 *
 * local.c - the local socket of a running edge or hub, and how to find it
 *
 * Theory of operation
 * ===================
 * Each daemon listens on DIR/NAME@PID.sock. Daemons of one bundle in several
 * network namespaces differ by process number; daemons in several process
 * namespaces that share DIR may have equal numbers, then the later one is
 * NAME@PID-2.sock and so on. Whether a socket is stale is asked of the socket:
 * one that refuses connections has no process behind it, in whatever
 * namespace that was. So that nobody takes a starting daemon's socket for
 * stale, it listens under a hidden name first and is linked to its own name
 * when it can answer; link() never replaces a living one.
 *
 * A request is one line of at most LOCAL_REQUEST bytes, a longer one ends the
 * connection. The reply is copied into the client's own LOCAL_REPLY bytes and
 * sent as the reader takes it; the memory for all clients is mapped at start,
 * costs nothing until touched and is given back after each reply. A client
 * more than LOCAL_CLIENTS is closed at once; one that neither sends its line
 * nor takes its reply for LOCAL_IDLE_MS is dropped, one that waits for the
 * daemon (bench) is not. The socket is 0600: only root and the daemon's own
 * user may ask, checked again by SO_PEERCRED for kernels and mounts that do
 * not look at the mode.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/local.h"

enum { BACKLOG = 16, TWINS_MAX = 64 };

static const char *run_dir(void)
{
	const char *dir = getenv("UNMAP_RUN");

	return dir && *dir ? dir : LOCAL_DIR;
}

static int socket_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	memcpy(a->sun_path, path, strlen(path));
	return 0;
}

/* Connected descriptor, or a negative errno: ECONNREFUSED means stale. */
static int connect_to(const char *path)
{
	struct sockaddr_un a;
	int fd, err = socket_address(&a, path);

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* A full backlog (EAGAIN) is life, too. */
static bool is_stale(const char *path)
{
	int fd = connect_to(path);

	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

static int listen_at(const char *path)
{
	struct sockaddr_un a;
	mode_t mask;
	int fd, err = socket_address(&a, path);

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&a, sizeof(a));
	if (err < 0)
		err = -errno;
	umask(mask);
	if (!err && listen(fd, BACKLOG) < 0)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static void clean_name(char *to, const char *name)
{
	size_t i;

	for (i = 0; name[i] && i < LOCAL_NAME - 1; i++) {
		char c = name[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '_' || c == '-' ||
			  (c == '.' && i);

		to[i] = ok ? c : '_';
	}
	if (!i)
		to[i++] = '_';
	to[i] = '\0';
}

/* Give the listening socket at @hidden its name, the first that is free. */
static int take_name(struct local *s, const char *hidden, const char *name,
		     pid_t pid)
{
	char twin[16] = "";
	int i, n;

	for (i = 1; i <= TWINS_MAX; i++) {
		if (i > 1)
			snprintf(twin, sizeof(twin), "-%d", i);
		n = snprintf(s->path, sizeof(s->path), "%s/%s@%ld%s.sock",
			     run_dir(), name, (long)pid, twin);
		if (n < 0 || (size_t)n >= sizeof(s->path))
			return -ENAMETOOLONG;
		if (is_stale(s->path))
			unlink(s->path);
		if (!link(hidden, s->path))
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int local_open(struct local *s, const char *name, pid_t pid)
{
	char clean[LOCAL_NAME], hidden[sizeof(s->path)];
	struct local_entry all[LOCAL_LIST];
	int n, fd, err;

	memset(s, 0, sizeof(*s));
	s->watch.fd = -1;
	clean_name(clean, name);
	n = snprintf(hidden, sizeof(hidden), "%s/.%s@%ld.%lx", run_dir(),
		     clean, (long)getpid(), (unsigned long)loop_now());
	if (n < 0 || (size_t)n >= sizeof(hidden))
		return -ENAMETOOLONG;
	if (mkdir(run_dir(), 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = listen_at(hidden);
	if (fd < 0)
		return fd;
	local_list(all, LOCAL_LIST);	/* for what it removes */
	err = take_name(s, hidden, clean, pid);
	unlink(hidden);
	if (err) {
		s->path[0] = '\0';
		close(fd);
		return err;
	}
	s->watch.fd = fd;
	return 0;
}

/* Ends the connection and gives its memory back. */
static void drop(struct local_client *c)
{
	struct local *s = c->local;
	bool asked = c->asked;

	if (c->watch.fd < 0)
		return;
	loop_remove(s->loop, &c->watch);
	close(c->watch.fd);
	c->watch.fd = -1;
	if (asked)
		madvise(c->held, LOCAL_REPLY, MADV_DONTNEED);
	if (asked && s->ops->gone)
		s->ops->gone(c, s->arg);
}

/* Send what the reader takes; true if the client is still there. */
static bool flush(struct local_client *c)
{
	while (c->start < c->len) {
		ssize_t n = send(c->watch.fd, c->held + c->start,
				 c->len - c->start, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			drop(c);
			return false;
		}
		c->start += (size_t)n;
		c->progress = loop_now();
	}
	if (c->start == c->len) {
		c->start = c->len = 0;
		if (c->finished) {
			drop(c);
			return false;
		}
	}
	loop_change(c->local->loop, &c->watch, c->len ? EPOLLOUT : 0);
	return true;
}

/* Take bytes of the line; the request runs when its newline has come. From
 * then on nothing is read: only a closed socket (EPOLLHUP) is noticed.
 */
static void take(struct local_client *c)
{
	ssize_t n = recv(c->watch.fd, c->line + c->got,
			 sizeof(c->line) - c->got, 0);
	char *end;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->progress = loop_now();
	c->got += (size_t)n;
	end = memchr(c->line, '\n', c->got);
	if (end) {
		*end = '\0';
		c->asked = true;
		loop_change(c->local->loop, &c->watch, 0);
		c->local->ops->request(c, c->line, c->local->arg);
	} else if (c->got == sizeof(c->line)) {
		drop(c);
	}
}

static void client_ready(struct watch *w, uint32_t events)
{
	struct local_client *c =
		container_of_watch(w, struct local_client, watch);

	if (events & (EPOLLHUP | EPOLLERR))
		drop(c);
	else if (events & EPOLLOUT)
		flush(c);
	else if (events & EPOLLIN)
		take(c);
}

static bool may_ask(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return false;
	return who.uid == 0 || who.uid == geteuid();
}

static struct local_client *free_client(struct local *s)
{
	int i;

	for (i = 0; i < LOCAL_CLIENTS; i++)
		if (s->client[i].watch.fd < 0)
			return &s->client[i];
	return NULL;
}

static void server_ready(struct watch *w, uint32_t events)
{
	struct local *s = container_of_watch(w, struct local, watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct local_client *c;
	char *held;

	(void)events;
	if (fd < 0)
		return;
	c = free_client(s);
	if (!c || !may_ask(fd)) {
		close(fd);
		return;
	}
	held = c->held;
	*c = (struct local_client){ .watch = { fd, false, client_ready },
				    .local = s, .held = held,
				    .progress = loop_now() };
	if (loop_add(s->loop, &c->watch, EPOLLIN)) {
		close(fd);
		c->watch.fd = -1;
	}
}

int local_serve(struct local *s, struct loop *l, const struct local_ops *ops,
		void *arg)
{
	size_t i;

	s->memory = mmap(NULL, (size_t)LOCAL_CLIENTS * LOCAL_REPLY,
			 PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->memory == MAP_FAILED) {
		s->memory = NULL;
		return -errno;
	}
	for (i = 0; i < LOCAL_CLIENTS; i++) {
		s->client[i].watch.fd = -1;
		s->client[i].held = s->memory + i * LOCAL_REPLY;
	}
	s->loop = l;
	s->ops = ops;
	s->arg = arg;
	s->watch.ready = server_ready;
	return loop_add(l, &s->watch, EPOLLIN);
}

void local_close(struct local *s)
{
	int i;

	if (s->watch.fd < 0)
		return;
	for (i = 0; s->memory && i < LOCAL_CLIENTS; i++)
		if (s->client[i].watch.fd >= 0)
			drop(&s->client[i]);
	if (s->loop)
		loop_remove(s->loop, &s->watch);
	close(s->watch.fd);
	s->watch.fd = -1;
	unlink(s->path);
	if (s->memory)
		munmap(s->memory, (size_t)LOCAL_CLIENTS * LOCAL_REPLY);
	s->memory = NULL;
}

bool local_write(struct local_client *c, const void *bytes, size_t len)
{
	if (c->watch.fd < 0)
		return false;
	if (c->start && len > LOCAL_REPLY - c->len) {
		memmove(c->held, c->held + c->start, c->len - c->start);
		c->len -= c->start;
		c->start = 0;
	}
	if (len > LOCAL_REPLY - c->len) {
		drop(c);
		return false;
	}
	memcpy(c->held + c->len, bytes, len);
	if (c->len == c->start)
		c->progress = loop_now();
	c->len += len;
	return flush(c);
}

void local_finish(struct local_client *c)
{
	if (c->watch.fd < 0)
		return;
	c->finished = true;
	flush(c);
}

/* A client is late with its line or with taking its reply, never while it
 * waits for us.
 */
static msec client_deadline(const struct local_client *c)
{
	if (c->watch.fd < 0 || (c->asked && c->start == c->len))
		return NEVER;
	return c->progress + LOCAL_IDLE_MS;
}

void local_tick(struct local *s, msec now)
{
	int i;

	for (i = 0; s->memory && i < LOCAL_CLIENTS; i++)
		if (client_deadline(&s->client[i]) <= now)
			drop(&s->client[i]);
}

msec local_deadline(const struct local *s)
{
	msec first = NEVER;
	int i;

	for (i = 0; s->memory && i < LOCAL_CLIENTS; i++) {
		msec due = client_deadline(&s->client[i]);

		if (due < first)
			first = due;
	}
	return first;
}

/* "NAME@PID.sock" or "NAME@PID-2.sock" to an entry. */
static bool parse_entry(struct local_entry *e, const char *file)
{
	const char *at = strrchr(file, '@');
	char *end;
	long pid;
	int n;

	if (file[0] == '.' || !at || at - file >= LOCAL_NAME)
		return false;
	pid = strtol(at + 1, &end, 10);
	if (*end == '-')
		strtol(end + 1, &end, 10);
	if (pid <= 0 || strcmp(end, ".sock"))
		return false;
	memset(e, 0, sizeof(*e));
	memcpy(e->name, file, (size_t)(at - file));
	e->pid = (pid_t)pid;
	n = snprintf(e->path, sizeof(e->path), "%s/%s", run_dir(), file);
	return n > 0 && (size_t)n < sizeof(e->path);
}

static int entry_order(const void *a, const void *b)
{
	const struct local_entry *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);

	if (by_name)
		return by_name;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return strcmp(x->path, y->path);
}

int local_list(struct local_entry *to, int cap)
{
	DIR *dir = opendir(run_dir());
	struct dirent *d;
	int count = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (count < cap && (d = readdir(dir))) {
		if (!parse_entry(&to[count], d->d_name))
			continue;
		if (is_stale(to[count].path))
			unlink(to[count].path);
		else
			count++;
	}
	closedir(dir);
	qsort(to, (size_t)count, sizeof(*to), entry_order);
	return count;
}

int local_find(struct local_entry *e, int count, const char *wanted)
{
	char clean[LOCAL_NAME], number[24];
	int i, found = 0;

	if (!wanted)
		return count;
	clean_name(clean, wanted);
	for (i = 0; i < count; i++) {
		struct local_entry swap = e[i];

		snprintf(number, sizeof(number), "%ld", (long)e[i].pid);
		if (strcmp(e[i].name, clean) && strcmp(number, wanted))
			continue;
		e[i] = e[found];
		e[found++] = swap;
	}
	return found;
}

int local_ask(const char *path, const char *line)
{
	struct timeval patience = { 5, 0 };
	size_t len = strlen(line);
	struct sockaddr_un a;
	int fd, err = socket_address(&a, path);

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len ||
	    send(fd, "\n", 1, MSG_NOSIGNAL) != 1) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}
