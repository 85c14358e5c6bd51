/* SPDX-License-Identifier: MIT
 *
 * store.c - the directory of keygen: lock, whole files, index of what was issued
 *
 * Theory of operation
 * ===================
 * A file comes into being whole or not at all: it is written under a temporary
 * name with its final mode, synced, then renamed, and the directory is synced.
 * New files are renamed with RENAME_NOREPLACE, so nothing is ever overwritten by
 * accident, whoever else writes there. A whole new directory is made the same
 * way: beside its final name, then renamed.
 *
 * All work is done under flock() on the directory: shared for reading, exclusive
 * for writing. Two keygen at once come one after the other, so they cannot give
 * out the same prefix.
 *
 * `index` has a line for each certificate ever issued: serial number, name,
 * prefix, IPv4 address or "-", end of life. It, not the NAME.pem files, says
 * what was given out: those may be moved away, and a key that was moved is still
 * good. The newest line of a name counts; older ones stay, because revoking
 * means all of them.
 *
 * Issuing touches two files. Order: NAME.pem under its temporary name ".new-",
 * then the index, then the rename. store_open() for writing looks for such
 * leftovers: one whose serial number the index knows gets its name, another is
 * removed. So an interruption at any point leaves either all of it or none.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "crypto/pem.h"
#include "crypto/store.h"

#define PENDING ".new-"
#define TEMPORARY ".tmp-"
#define INDEX "index"
#define INDEX_HEAD "unmap index 1\n"
#define NO_REPLACE 1	/* RENAME_NOREPLACE */
#define SUFFIX ".XX" "XX" "XX"	/* of a new directory, for mkdtemp() */

int store_fail(char *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err, STORE_ERROR_MAX, format, args);
	va_end(args);
	return code;
}

static int code_of(int error)
{
	if (error == EACCES || error == EPERM)
		return EX_NOPERM;
	return error == EROFS || error == EEXIST ? EX_CANTCREAT : EX_IOERR;
}

const char *hex_format(const uint8_t *bytes, size_t len, char *to)
{
	size_t i;

	for (i = 0; i < len; i++)
		snprintf(to + 2 * i, 3, "%02x", bytes[i]);
	to[2 * len] = '\0';
	return to;
}

/* ---- whole files --------------------------------------------------------- */

/* Kernels and file systems without the flag: the lock keeps other keygen out. */
static int rename_new(int fd_from, const char *from, int fd_to, const char *to)
{
	struct stat st;

	if (!syscall(SYS_renameat2, fd_from, from, fd_to, to, NO_REPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (!fstatat(fd_to, to, &st, AT_SYMLINK_NOFOLLOW)) {
		errno = EEXIST;
		return -1;
	}
	return renameat(fd_from, from, fd_to, to);
}

static bool write_all(int fd, struct span text)
{
	ssize_t put;

	while (text.len) {
		put = write(fd, text.at, text.len);
		if (put < 0 && errno != EINTR)
			return false;
		if (put > 0) {
			text.at += put;
			text.len -= (size_t)put;
		}
	}
	return fsync(fd) == 0;
}

static int write_temporary(struct store *s, const char *file, struct span text,
			   int mode)
{
	int fd, error;
	bool ok;

	unlinkat(s->fd, file, 0);
	fd = openat(s->fd, file,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return store_fail(s->err, code_of(errno),
				  "cannot write in %s: %s", s->dir,
				  strerror(errno));
	ok = fchmod(fd, (mode_t)mode) == 0 && write_all(fd, text);
	error = errno;
	ok = close(fd) == 0 && ok;
	if (ok)
		return 0;
	unlinkat(s->fd, file, 0);
	return store_fail(s->err, code_of(error), "cannot write in %s: %s",
			  s->dir, strerror(error));
}

static int rename_temporary(struct store *s, const char *from, const char *to,
			    enum store_how how)
{
	int rc = how == STORE_NEW ? rename_new(s->fd, from, s->fd, to) :
				    renameat(s->fd, from, s->fd, to);
	int error = errno;

	if (!rc) {
		fsync(s->fd);
		return 0;
	}
	unlinkat(s->fd, from, 0);
	if (error == EEXIST)
		return store_fail(s->err, EX_CANTCREAT,
				  "%s/%s exists already and is not overwritten",
				  s->dir, to);
	return store_fail(s->err, code_of(error), "cannot write %s/%s: %s",
			  s->dir, to, strerror(error));
}

int store_write(struct store *s, const char *file, struct span text, int mode,
		enum store_how how)
{
	char temporary[STORE_NAME_MAX];
	int code;

	snprintf(temporary, sizeof(temporary), TEMPORARY "%s", file);
	code = write_temporary(s, temporary, text, mode);
	return code ? code : rename_temporary(s, temporary, file, how);
}

long store_read(const struct store *s, const char *file, uint8_t *to,
		size_t cap)
{
	return file_read(s->fd, file, to, cap);
}

bool store_has(const struct store *s, const char *file)
{
	struct stat st;

	return fstatat(s->fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- index --------------------------------------------------------------- */

static bool read_hex(const char *text, uint8_t *to, size_t len)
{
	unsigned v;
	size_t i;

	if (strlen(text) != 2 * len)
		return false;
	for (i = 0; i < len; i++) {
		if (sscanf(text + 2 * i, "%2x", &v) != 1)
			return false;
		to[i] = (uint8_t)v;
	}
	return true;
}

static bool read_row(const char *line, struct store_row *row)
{
	char serial[33], prefix[PREFIX6_TEXT], ipv4[ADDR4_TEXT];
	long long end;

	memset(row, 0, sizeof(*row));
	if (sscanf(line, "%32[0-9a-f] %32[0-9a-z-] %49s %15s %lld", serial,
		   row->name, prefix, ipv4, &end) != 5 ||
	    !read_hex(serial, row->serial, sizeof(row->serial)) ||
	    !cert_name_ok(row->name) || !prefix6_parse(&row->prefix, prefix))
		return false;
	row->not_after = end;
	row->has_ipv4 = strcmp(ipv4, "-") != 0;
	return !row->has_ipv4 || addr4_parse(&row->ipv4, ipv4);
}

static void print_row(struct writer *w, const struct store_row *row)
{
	char serial[2 * CERT_SERIAL_LEN + 1];
	char prefix[PREFIX6_TEXT], ipv4[ADDR4_TEXT] = "-";

	if (row->has_ipv4)
		addr4_format(row->ipv4, ipv4);
	pem_print(w, "%s %s %s %s %lld\n",
		  hex_format(row->serial, CERT_SERIAL_LEN, serial), row->name,
		  prefix6_format(&row->prefix, prefix), ipv4,
		  (long long)row->not_after);
}

static int index_broken(struct store *s, const char *what)
{
	return store_fail(s->err, EX_DATAERR,
			  "%s/" INDEX " %s: restore it from a backup", s->dir,
			  what);
}

static int parse_index(struct store *s, char *text)
{
	size_t lines = 0;
	char *at, *end;

	if (strncmp(text, INDEX_HEAD, strlen(INDEX_HEAD)))
		return index_broken(s, "is not an index");
	for (at = text; *at; at++)
		lines += *at == '\n';
	s->rows = calloc(lines + 1, sizeof(*s->rows));
	if (!s->rows)
		return store_fail(s->err, EX_OSERR, "out of memory");
	at = text + strlen(INDEX_HEAD);
	while ((end = strchr(at, '\n'))) {
		*end = '\0';
		if (!read_row(at, &s->rows[s->count++]))
			return index_broken(s, "has a malformed line");
		at = end + 1;
	}
	return *at ? index_broken(s, "is truncated") : 0;
}

static int read_index(struct store *s)
{
	char *text = malloc(STORE_INDEX_MAX + 1);
	int code;
	long len;

	if (!text)
		return store_fail(s->err, EX_OSERR, "out of memory");
	len = store_read(s, INDEX, (uint8_t *)text, STORE_INDEX_MAX);
	if (len < 0 && errno == ENOENT) {
		code = store_fail(s->err, EX_NOINPUT,
				  "%s was not made by `unmap keygen init`: give the DIR that was",
				  s->dir);
	} else if (len < 0) {
		code = store_fail(s->err, code_of(errno),
				  "cannot read %s/" INDEX ": %s", s->dir,
				  strerror(errno));
	} else {
		text[len] = '\0';
		code = parse_index(s, text);
	}
	free(text);
	return code;
}

/* The index as it is, and @more if there is one */
static int write_index(struct store *s, const struct store_row *more,
		       enum store_how how)
{
	size_t cap = (s->count + 2) * 160;
	uint8_t *text = malloc(cap);
	struct writer w = writer_of(text, cap);
	unsigned i;
	int code;

	if (!text)
		return store_fail(s->err, EX_OSERR, "out of memory");
	pem_print(&w, "%s", INDEX_HEAD);
	for (i = 0; i < s->count; i++)
		print_row(&w, &s->rows[i]);
	if (more)
		print_row(&w, more);
	code = w.full || w.len > STORE_INDEX_MAX ?
		store_fail(s->err, EX_UNAVAILABLE,
			   "%s/" INDEX " is full: start another DIR", s->dir) :
		store_write(s, INDEX, (struct span){ text, w.len }, 0600, how);
	free(text);
	return code;
}

int store_index_init(struct store *s)
{
	return write_index(s, NULL, STORE_NEW);
}

const struct store_row *store_find(const struct store *s, const char *name)
{
	unsigned i;

	for (i = s->count; i > 0; i--)
		if (!strcmp(s->rows[i - 1].name, name))
			return &s->rows[i - 1];
	return NULL;
}

int store_issue(struct store *s, const struct store_row *row, struct span text,
		enum store_how how)
{
	char pending[STORE_NAME_MAX], file[STORE_NAME_MAX];
	int code;

	snprintf(pending, sizeof(pending), PENDING "%s.pem", row->name);
	snprintf(file, sizeof(file), "%s.pem", row->name);
	code = write_temporary(s, pending, text, 0600);
	if (code)
		return code;
	code = write_index(s, row, STORE_REPLACE);
	if (code) {
		unlinkat(s->fd, pending, 0);
		return code;
	}
	return rename_temporary(s, pending, file, how);
}

/* May the bundle take this name? If it is nobody's, or it is the same owner's
 * older one: the same key.
 */
static bool may_replace(struct store *s, const char *file,
			const struct bundle *b)
{
	char path[STORE_NAME_MAX + 4096], why[BUNDLE_ERROR_MAX];
	struct bundle *old;
	bool ok;

	if (!store_has(s, file))
		return true;
	old = malloc(sizeof(*old));
	snprintf(path, sizeof(path), "%s/%s", s->dir, file);
	ok = old && bundle_read(old, path, why) &&
	     !memcmp(&old->key, &b->key, sizeof(old->key));
	if (old)
		bundle_wipe(old);
	free(old);
	return ok;
}

/* A bundle that was written but has not got its name: does the index know it? */
static void finish_one(struct store *s, const char *pending, struct bundle *b)
{
	char path[STORE_NAME_MAX + 4096], why[BUNDLE_ERROR_MAX];
	char file[STORE_NAME_MAX];
	const struct store_row *row;

	snprintf(path, sizeof(path), "%s/%s", s->dir, pending);
	if (bundle_read(b, path, why)) {
		row = store_find(s, b->id.name);
		snprintf(file, sizeof(file), "%s.pem", b->id.name);
		if (row && may_replace(s, file, b) &&
		    !memcmp(row->serial, b->id.serial, CERT_SERIAL_LEN))
			renameat(s->fd, pending, s->fd, file);
		bundle_wipe(b);
	}
	unlinkat(s->fd, pending, 0);
}

static void finish_interrupted(struct store *s)
{
	struct bundle *b = malloc(sizeof(*b));
	int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (b && d && (entry = readdir(d))) {
		if (strlen(entry->d_name) >= STORE_NAME_MAX)
			continue;
		if (!strncmp(entry->d_name, PENDING, strlen(PENDING)))
			finish_one(s, entry->d_name, b);
		else if (!strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)))
			unlinkat(s->fd, entry->d_name, 0);
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	free(b);
}

/* ---- the directory ------------------------------------------------------- */

static int set_dir(struct store *s, const char *dir, char *err)
{
	size_t len = strlen(dir);

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->err = err;
	while (len > 1 && dir[len - 1] == '/')
		len--;
	if (!len || len >= sizeof(s->dir) - 16)
		return store_fail(err, EX_USAGE, "DIR is no usable path");
	memcpy(s->dir, dir, len);
	return 0;
}

static int cannot_open(struct store *s)
{
	int code = errno == EACCES ? EX_NOPERM : EX_NOINPUT;

	return store_fail(s->err, code, "cannot open %s: %s: %s", s->dir,
			  strerror(errno), code == EX_NOPERM ?
			  "run as its owner" :
			  "make it with `unmap keygen init`");
}

int store_open(struct store *s, const char *dir, bool will_write,
	       char err[static STORE_ERROR_MAX])
{
	int code = set_dir(s, dir, err);

	if (code)
		return code;
	s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0)
		return cannot_open(s);
	while (flock(s->fd, will_write ? LOCK_EX : LOCK_SH) < 0)
		if (errno != EINTR)
			return cannot_open(s);
	code = read_index(s);
	if (!code && will_write)
		finish_interrupted(s);
	return code;
}

void store_close(struct store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->rows);
	s->rows = NULL;
}

int store_create(struct store *s, const char *dir,
		 char err[static STORE_ERROR_MAX])
{
	int code = set_dir(s, dir, err);
	struct stat st;

	if (code)
		return code;
	if (!lstat(s->dir, &st))
		return store_fail(err, EX_CANTCREAT,
				  "%s exists already and is not overwritten: choose another DIR",
				  s->dir);
	memcpy(s->dir + strlen(s->dir), SUFFIX, sizeof(SUFFIX));
	if (!mkdtemp(s->dir) || chmod(s->dir, 0700) < 0) {
		code = code_of(errno) == EX_NOPERM ? EX_NOPERM : EX_CANTCREAT;
		return store_fail(err, code, "cannot make %s: %s", dir,
				  strerror(errno));
	}
	s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0)
		return store_publish(s, cannot_open(s));
	return 0;
}

static void remove_all(struct store *s)
{
	int fd = dup(s->fd);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(s->fd, entry->d_name, 0);
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	rmdir(s->dir);
}

static void sync_parent(const char *dir)
{
	const char *slash = strrchr(dir, '/');
	char parent[4096];
	int fd;

	snprintf(parent, sizeof(parent), "%.*s",
		 slash ? (int)(slash - dir) + 1 : 1, slash ? dir : ".");
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

int store_publish(struct store *s, int code)
{
	char dir[sizeof(s->dir)];
	size_t len = strlen(s->dir) - strlen(SUFFIX);

	memcpy(dir, s->dir, len);
	dir[len] = '\0';
	if (!code && rename_new(AT_FDCWD, s->dir, AT_FDCWD, dir) < 0)
		code = store_fail(s->err, EX_CANTCREAT, "cannot make %s: %s",
				  dir, strerror(errno));
	if (code)
		remove_all(s);
	else
		sync_parent(dir);
	store_close(s);
	return code;
}
