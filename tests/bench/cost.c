/* SPDX-License-Identifier: MIT
 *
 * cost.c - CPU time and bytes on the wire until now
 *
 * /proc/stat and /proc/PID/stat count in ticks of 10 ms: measure for half a
 * second and more. Of foreign processes the children that they have waited for
 * count as well, so that those that end between two samples are not lost.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/cost.h"

static uint64_t ticks_of(const char *stat, bool children, bool *kernel)
{
	unsigned long flags, u, s;
	long cu, cs;
	const char *p = strrchr(stat, ')');

	if (!p || sscanf(p + 2,
			 "%*c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %lu %lu "
			 "%ld %ld",
			 &flags, &u, &s, &cu, &cs) != 5)
		return 0;
	*kernel = flags & 0x200000; /* PF_KTHREAD */
	return u + s + (children ? (uint64_t)(cu + cs) : 0);
}

static bool slurp(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, cap - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static bool listed(int pid, const int *pids, int count)
{
	while (count--)
		if (pids[count] == pid)
			return true;
	return false;
}

static bool sample_processes(struct cost *c, const int *pids, int count)
{
	double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[300], stat[1024];

	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		int pid = atoi(entry->d_name);
		bool kernel = false, ours = listed(pid, pids, count);
		double used;

		if (pid <= 0 || pid == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (!slurp(path, stat, sizeof(stat)))
			continue;
		used = (double)ticks_of(stat, !ours, &kernel) * tick;
		if (ours)
			c->ours += used;
		else if (!kernel)
			c->foreign += used;
	}
	closedir(dir);
	return true;
}

static bool sample_machine(struct cost *c)
{
	unsigned long user, nice, sys, idle, iowait, irq, softirq;
	char text[1024];

	if (!slurp("/proc/stat", text, sizeof(text)) ||
	    sscanf(text, "cpu %lu %lu %lu %lu %lu %lu %lu", &user, &nice, &sys,
		   &idle, &iowait, &irq, &softirq) != 7)
		return false;
	c->machine = (double)(user + nice + sys + irq + softirq) /
		     (double)sysconf(_SC_CLK_TCK);
	return true;
}

static bool sample_wire(struct cost *c, const char *iface)
{
	unsigned long rxb, rxp, txb, txp;
	char text[8192], *p;

	if (!slurp("/proc/thread-self/net/dev", text, sizeof(text)))
		return false;
	for (p = text; (p = strstr(p, iface)); p++)
		if (p[strlen(iface)] == ':' && (p == text || p[-1] == ' '))
			break;
	if (!p || sscanf(p + strlen(iface) + 1,
			 "%lu %lu %*u %*u %*u %*u %*u %*u %lu %lu", &rxb, &rxp,
			 &txb, &txp) != 4)
		return false;
	c->wire_pkts = rxp + txp;
	c->wire_bytes = rxb + txb - 14 * c->wire_pkts;
	return true;
}

bool cost_sample(struct cost *c, const char *iface, const int *pids, int count)
{
	*c = (struct cost){ 0 };
	return sample_processes(c, pids, count) && sample_machine(c) &&
	       sample_wire(c, iface);
}
