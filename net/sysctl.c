/* SPDX-License-Identifier: MIT
 *
 * sysctl.c - settings under /proc/sys that several daemons may share
 *
 * Theory of operation
 * ===================
 * Two daemons in one network namespace want the same forwarding=1. Were each
 * to restore what it found, the first to leave would break the second, or the
 * second would restore a 1 that was never the owner's. So the record is
 * shared: one file per network namespace, named by its cookie (an inode
 * number is soon used again), in the run directory, a line per change:
 *
 *	= PATH OLD OURS		set to OURS, was OLD
 *	~ PATH OLD SIDE		became SIDE as a side effect, was OLD
 *	+ PATH LO-HI		this range was added to a list of ports
 *
 * The line is written before the change: a kill in between leaves a line that
 * restores what is there anyway. Each daemon holds a shared lock on the file;
 * on leaving it tries for the exclusive one, and who gets it is the last: it
 * restores, from the last line to the first, what still has our value, and
 * removes the file; who had opened it just before sees that and begins anew.
 * (Changing a lock gives up the old one first, so of two that leave at once
 * one succeeds.) A file with lines and no lock is what a killed daemon left.
 * Its old values are still the owner's, so they are kept and restored by the
 * next orderly exit, provided one of its settings still stands; otherwise
 * somebody has cleaned up, and the lines are void.
 *
 * If the directory cannot be written the record is private memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/local.h"
#include "net/sysctl.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71	/* Linux 5.14 */
#endif

enum { RECORD_BYTES = 16384, LINE_BYTES = 256, PORTS_BYTES = 32768 };

#define RESERVED "net/ipv4/ip_local_reserved_ports"

static int sysctl_open(const char *path, int flags)
{
	char full[LINE_BYTES];
	int n = snprintf(full, sizeof(full), "/proc/sys/%s", path);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(full))
		return -ENAMETOOLONG;
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *path, char *to, size_t cap)
{
	int fd = sysctl_open(path, O_RDONLY);
	size_t got = 0;
	ssize_t n = 0;

	if (fd < 0)
		return fd;
	while (got < cap && (n = read(fd, to + got, cap - got)) > 0)
		got += (size_t)n;
	close(fd);
	if (n < 0)
		return -EIO;
	if (got == cap)
		return -E2BIG;
	while (got && to[got - 1] == '\n')
		got--;
	to[got] = '\0';
	return 0;
}

int sysctl_write(const char *path, const char *value)
{
	int fd = sysctl_open(path, O_WRONLY);
	size_t len = strlen(value);
	int err = 0;

	if (fd < 0)
		return fd;
	/* an empty list is an empty line */
	if (!len) {
		value = "\n";
		len = 1;
	}
	if (write(fd, value, len) != (ssize_t)len)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

/* ---- lists of ports ------------------------------------------------------- */

static bool bit(const uint8_t *map, unsigned at)
{
	return map[at / 8] >> at % 8 & 1;
}

/* "80,100-200" to bits; blanks and an empty text are fine. */
static bool parse_ports(const char *text, uint8_t *map)
{
	memset(map, 0, 8192);
	while (*text) {
		unsigned long lo, hi;
		char *end;

		if (*text < '0' || *text > '9')
			return false;
		lo = hi = strtoul(text, &end, 10);
		if (*end == '-')
			hi = strtoul(end + 1, &end, 10);
		if (lo > hi || hi > 65535 || (*end && *end != ','))
			return false;
		for (; lo <= hi; lo++)
			map[lo / 8] |= (uint8_t)(1 << lo % 8);
		text = *end ? end + 1 : end;
	}
	return true;
}

static bool format_ports(const uint8_t *map, char *to, size_t cap)
{
	unsigned lo, hi;
	size_t len = 0;
	int n;

	to[0] = '\0';
	for (lo = 0; lo < 65536; lo = hi + 1) {
		hi = lo;
		if (!bit(map, lo))
			continue;
		while (hi < 65535 && bit(map, hi + 1))
			hi++;
		n = snprintf(to + len, cap - len, lo == hi ? "%s%u" : "%s%u-%u",
			     len ? "," : "", lo, hi);
		if (n < 0 || (size_t)n >= cap - len)
			return false;
		len += (size_t)n;
	}
	return true;
}

int ports_change(char *text, size_t cap, uint16_t lo, uint16_t hi, bool add)
{
	uint8_t map[8192];
	bool changed = false;
	unsigned at;

	if (!parse_ports(text, map))
		return -EINVAL;
	for (at = lo; at <= hi; at++) {
		if (bit(map, at) != add)
			changed = true;
		if (add)
			map[at / 8] |= (uint8_t)(1 << at % 8);
		else
			map[at / 8] &= (uint8_t)~(1 << at % 8);
	}
	if (!changed)
		return 0;
	return format_ports(map, text, cap) ? 1 : -E2BIG;
}

/* ---- the record ----------------------------------------------------------- */

/** struct line - one line of the record, its pieces inside the text read */
struct line {
	char kind;
	const char *path, *old, *ours;
};

/* The record as text; false if it is empty. */
static bool record_read(const struct sysctls *s, char *to)
{
	ssize_t n = pread(s->fd, to, RECORD_BYTES - 1, 0);

	to[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static int record_append(const struct sysctls *s, const char *line)
{
	size_t len = strlen(line);

	if (lseek(s->fd, 0, SEEK_END) + (off_t)len >= RECORD_BYTES)
		return -ENOSPC;
	return write(s->fd, line, len) == (ssize_t)len ? 0 : -EIO;
}

static bool record_has(const struct sysctls *s, char kind, const char *path)
{
	char text[RECORD_BYTES], want[LINE_BYTES];

	snprintf(want, sizeof(want), "%c %s ", kind, path);
	return record_read(s, text) && strstr(text, want);
}

static bool parse_line(char *text, struct line *l)
{
	char *save;

	if (!text[0] || text[1] != ' ')
		return false;
	l->kind = text[0];
	l->path = strtok_r(text + 2, " ", &save);
	l->old = strtok_r(NULL, " ", &save);
	l->ours = strtok_r(NULL, " ", &save);
	if (!l->path || !l->old || strstr(l->path, ".."))
		return false;
	return l->ours || l->kind == '+';
}

static bool has_value(const char *path, const char *value)
{
	char now[SYSCTL_VALUE];

	return !sysctl_read(path, now, sizeof(now)) && !strcmp(now, value);
}

static void undo_ports(const struct line *l)
{
	static char text[PORTS_BYTES];
	unsigned lo, hi;

	if (sscanf(l->old, "%u-%u", &lo, &hi) != 2 || lo > hi || hi > 65535 ||
	    sysctl_read(l->path, text, sizeof(text)))
		return;
	if (ports_change(text, sizeof(text), (uint16_t)lo, (uint16_t)hi,
			 false) == 1)
		sysctl_write(l->path, text);
}

static void undo_line(char *text)
{
	struct line l;

	if (!parse_line(text, &l))
		return;
	if (l.kind == '+')
		undo_ports(&l);
	else if (has_value(l.path, l.ours))
		sysctl_write(l.path, l.old);
}

/* Restore, from the last line to the first. */
static void undo_all(struct sysctls *s)
{
	char text[RECORD_BYTES], *at;

	if (!record_read(s, text))
		return;
	while ((at = strrchr(text, '\n'))) {
		*at = '\0';
		at = strrchr(text, '\n');
		undo_line(at ? at + 1 : text);
	}
	if (ftruncate(s->fd, 0) < 0)
		return;
}

/* Does anything that a killed daemon set still stand? */
static bool still_stands(const struct sysctls *s)
{
	char text[RECORD_BYTES], *at, *save;
	struct line l;

	if (!record_read(s, text))
		return false;
	for (at = strtok_r(text, "\n", &save); at;
	     at = strtok_r(NULL, "\n", &save))
		if (parse_line(at, &l) && l.kind == '=' &&
		    has_value(l.path, l.ours))
			return true;
	return false;
}

static uint64_t namespace_number(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	struct stat st;

	if (fd >= 0) {
		getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len);
		close(fd);
	}
	if (!cookie && !stat("/proc/self/ns/net", &st))
		cookie = st.st_ino;
	return cookie;
}

static void record_path(char to[static LINE_BYTES])
{
	const char *dir = getenv("UNMAP_RUN");

	dir = dir && *dir ? dir : LOCAL_DIR;
	mkdir(dir, 0755);
	snprintf(to, LINE_BYTES, "%s/.host.%llx", dir,
		 (unsigned long long)namespace_number());
}

/* Has it a name? Private memory has none, nor what the last to leave removed. */
static bool is_named(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_nlink;
}

/* Open and lock (shared); lines that are void go. */
static int record_open(struct sysctls *s, const char *path)
{
	s->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		     0600);
	if (s->fd < 0)
		return -errno;
	if (!flock(s->fd, LOCK_EX | LOCK_NB) && !still_stands(s) &&
	    ftruncate(s->fd, 0) < 0)
		return -errno;
	return flock(s->fd, LOCK_SH) < 0 ? -errno : 0;
}

int sysctls_open(struct sysctls *s)
{
	char path[LINE_BYTES];
	int err;

	record_path(path);
	while (!(err = record_open(s, path)) && !is_named(s->fd))
		close(s->fd);
	if (s->fd < 0)
		s->fd = memfd_create("unmap-host", MFD_CLOEXEC);
	else if (err)
		return err;
	return s->fd < 0 ? -errno : 0;
}

int sysctls_note(struct sysctls *s, const char *path, const char *value,
		 const char *other)
{
	char line[LINE_BYTES];

	if (record_has(s, '~', path))
		return 0;
	snprintf(line, sizeof(line), "~ %s %s %s\n", path, value, other);
	return record_append(s, line);
}

int sysctls_set(struct sysctls *s, const char *path, const char *value)
{
	char old[SYSCTL_VALUE], line[LINE_BYTES];
	int n, err = sysctl_read(path, old, sizeof(old));

	if (err || !strcmp(old, value))
		return err;
	if (!record_has(s, '=', path)) {
		n = snprintf(line, sizeof(line), "= %s %s %s\n", path, old,
			     value);
		if (n < 0 || (size_t)n >= sizeof(line))
			return -ENAMETOOLONG;
		err = record_append(s, line);
	}
	return err ? err : sysctl_write(path, value);
}

/* A line for each run of ports from @lo to @hi that is not in the list yet. */
static int record_ports(struct sysctls *s, const char *text, uint16_t lo,
			uint16_t hi)
{
	char line[LINE_BYTES];
	uint8_t map[8192];
	unsigned at, from;
	int err = parse_ports(text, map) ? 0 : -EINVAL;

	for (at = lo; at <= hi && !err; at++) {
		if (bit(map, at))
			continue;
		from = at;
		while (at < hi && !bit(map, at + 1))
			at++;
		snprintf(line, sizeof(line), "+ %s %u-%u\n", RESERVED, from,
			 at);
		err = record_append(s, line);
	}
	return err;
}

int sysctls_reserve(struct sysctls *s, uint16_t lo, uint16_t hi)
{
	static char text[PORTS_BYTES];
	int err = sysctl_read(RESERVED, text, sizeof(text));

	if (!err)
		err = record_ports(s, text, lo, hi);
	if (err)
		return err;
	err = ports_change(text, sizeof(text), lo, hi, true);
	return err == 1 ? sysctl_write(RESERVED, text) : err;
}

void sysctls_undo(struct sysctls *s)
{
	char path[LINE_BYTES];

	if (s->fd < 0)
		return;
	if (!flock(s->fd, LOCK_EX | LOCK_NB)) {
		undo_all(s);
		record_path(path);
		if (is_named(s->fd))
			unlink(path);
	}
	close(s->fd);
	s->fd = -1;
}
