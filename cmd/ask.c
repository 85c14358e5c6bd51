/* SPDX-License-Identifier: MIT
 *
 * ask.c - finding the running daemon that a user means
 */
#include <errno.h>
#include <string.h>

#include "cmd/ask.h"
#include "cmd/log.h"

_Noreturn void ask_failed(const struct local_entry *e, int err)
{
	bool rights = err == EACCES || err == EPERM;

	die(rights ? EX_NOPERM : EX_UNAVAILABLE, "%s does not answer: %s%s",
	    e->name, strerror(err), rights ? ": run as root" : "");
}

int ask_find(struct local_entry *all, const char *wanted)
{
	int count = local_list(all, LOCAL_LIST), found;

	if (count < 0 && count != -ENOENT)
		die(count == -EACCES || count == -EPERM ? EX_NOPERM :
		    EX_UNAVAILABLE, "cannot look for running daemons: %s%s",
		    strerror(-count), count == -EACCES || count == -EPERM ?
		    " (run as root)" : "");
	if (count <= 0)
		die(EX_UNAVAILABLE, "no edge or hub is running here (one "
		    "started by another user is not seen: run as root)");
	found = local_find(all, count, wanted);
	if (found <= 0)
		die(EX_UNAVAILABLE, "no running edge or hub is called %s; "
		    "`unmap status` lists them", wanted ? wanted : "");
	return found;
}
