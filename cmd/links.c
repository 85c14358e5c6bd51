/* SPDX-License-Identifier: MIT
 *
 * links.c - `unmap --install DIR`: a link to this binary for every program
 *
 * Two names per program, `edge` and `unmap-edge`. All names are looked at
 * first; a single one that belongs to somebody else refuses the whole. A link
 * of our own is replaced by renaming a new one over it, so the name is never
 * missing.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/links.h"
#include "cmd/log.h"

static const char *const prefixes[] = { "", "unmap-" };

/** enum taken - what stands at a name: nothing, the right link, an old link
 * of ours, or what somebody else put there
 */
enum taken { TAKEN_FREE, TAKEN_SAME, TAKEN_OURS, TAKEN_FOREIGN };

typedef int link_fn(const char *self, const char *path);

static enum taken look(const char *self, const char *path)
{
	char target[PATH_MAX];
	const char *base;
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return errno == ENOENT ? TAKEN_FREE : TAKEN_FOREIGN;
	target[len] = 0;
	if (!strcmp(target, self))
		return TAKEN_SAME;
	base = strrchr(target, '/');
	return strcmp(base ? base + 1 : target, "unmap") ? TAKEN_FOREIGN :
							   TAKEN_OURS;
}

static int check_link(const char *self, const char *path)
{
	if (look(self, path) != TAKEN_FOREIGN)
		return EX_OK;
	log_error("%s exists and is not a link to unmap: move it away or "
		  "choose another directory", path);
	return EX_CANTCREAT;
}

static int make_link(const char *self, const char *path)
{
	char fresh[PATH_MAX + 8];

	if (look(self, path) == TAKEN_SAME)
		return EX_OK;
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	unlink(fresh);
	if (symlink(self, fresh) || rename(fresh, path)) {
		log_error("cannot make the link %s: %s", path, strerror(errno));
		unlink(fresh);
		return EX_CANTCREAT;
	}
	printf("%s -> %s\n", path, self);
	return EX_OK;
}

static int each_link(const struct command *programs, const char *self,
		     const char *dir, link_fn *act)
{
	for (const struct command *c = programs; c->program; c++) {
		for (size_t i = 0; i < 2; i++) {
			char path[PATH_MAX];
			int n = snprintf(path, sizeof(path), "%s/%s%s", dir,
					 prefixes[i], c->program->name);
			int bad = n >= PATH_MAX ? EX_DATAERR : act(self, path);

			if (bad)
				return bad;
		}
	}
	return EX_OK;
}

int links_install(const struct command *programs, const char *dir)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct stat st;
	int bad;

	if (len < 0) {
		log_error("cannot tell where this binary is: %s; mount /proc",
			  strerror(errno));
		return EX_OSERR;
	}
	self[len] = 0;
	if (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
		log_error("%s is not a directory: make it first", dir);
		return EX_CANTCREAT;
	}
	bad = each_link(programs, self, dir, check_link);
	return bad ? bad : each_link(programs, self, dir, make_link);
}
