/* SPDX-License-Identifier: MIT
 *
 * host.h - what the translator asks of the helper that keeps the rights
 */
#ifndef CMD_HOST_H
#define CMD_HOST_H

#include "cmd/daemon.h"
#include "net/ifconf.h"

/** struct host_names - a name was looked up; @count 0: @why says why not */
struct host_names {
	const char *name, *why;
	uint16_t port;
	unsigned count;
	uint32_t addr[8];
};
typedef void host_resolved_fn(const struct host_names *n, void *arg);

/** host_run() - Split: run @translate in a child, keep the rights here, undo
 * everything when it ends. @lo, @hi: ports that must be free
 * Return: the exit code of the whole
 */
int host_run(int (*translate)(void *arg), void *arg, uint16_t lo, uint16_t hi);
/** host_port_hi() - Highest port of own carriers: without BPF 65535 cannot be
 * captured (net/rules.c), so nobody is told of it
 */
static inline uint16_t host_port_hi(uint16_t hi, bool no_bpf)
{
	return no_bpf && hi == 65535 ? 65534 : hi;
}
/** host_watch() - Translator: hear the helper's answers in the daemon's loop */
void host_watch(struct daemon *d);
/** host_edge(), host_hub() - Configure; dies with a sentence if it fails
 * host_hub() gives the interface on whose link the prefix lies, or 0
 */
void host_edge(const struct ifconf_edge *c);
int host_hub(const struct ifconf_hub *c);
/** host_lans() - Edge: LAN interfaces may have lost their addresses */
void host_lans(void);
/** host_route() - Hub: an edge's prefix is reachable, or no longer */
void host_route(const struct prefix6 *p, bool on);
/** host_uplink() - Settings that capture and output need in their modes */
void host_uplink(const struct uplink *u, const char *outer);
/** host_done() - Translator: take host_uplink()'s settings back */
void host_done(void);
/** host_resolve() - Look a name up; @done is called later, or at once for an
 * address
 */
void host_resolve(const char *name, uint16_t port, host_resolved_fn *done,
		  void *arg);

#endif
