/* SPDX-License-Identifier: MIT
 *
 * options.h - the options structs of the programs and the rows they share
 *
 * The tables themselves are in options.c (edge, hub, status, bench) and
 * keygen.c. A row that several programs have is written here, once.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/log.h"
#include "cmd/opts.h"

/* Rows shared by several tables. @T is the options struct. */
#define OPTION_LOG(T)                                                         \
	{ .name = "log", .arg = "LEVEL", .parse = opt_log,                    \
	  .at = offsetof(T, log), .preset = "info",                           \
	  .help = "how much to log: error, warn, info or debug",              \
	  .complete = "error warn info debug" }
#define OPTION_PORTS(T)                                                       \
	{ .name = "ports", .arg = "LO-HI", .parse = opt_ports,                \
	  .at = offsetof(T, ports), .preset = "61000-65535",                  \
	  .help = "port range of own carriers; nobody else may use it" }
#define OPTION_NO_BPF(T)                                                      \
	{ .name = "no-bpf", .at = offsetof(T, no_bpf),                        \
	  .help = "capture and send by routing rules instead of BPF" }
#define OPTION_NO_FAST(T)                                                     \
	{ .name = "no-fast", .at = offsetof(T, no_fast),                      \
	  .help = "translate every packet here, none in the kernel" }
#define OPTION_CARRIERS(T)                                                    \
	{ .name = "carriers", .arg = "KIND", .parse = opt_carriers,           \
	  .at = offsetof(T, carriers), .preset = "auto",                      \
	  .help = "what may carry packets: auto, own, shared or relay",       \
	  .complete = "auto own shared relay" }
#define OPTION_STATUS(T)                                                      \
	{ .name = "status", .arg = "NAME", .parse = opt_name,                 \
	  .at = offsetof(T, status),                                          \
	  .help = "name in `unmap status`, instead of the bundle's" }
#define OPTION_JSON(T)                                                        \
	{ .name = "json", .at = offsetof(T, json),                            \
	  .help = "print JSON for programs" }

/** struct edge_opts - what `unmap edge` was told; operand: BUNDLE.pem
 * @inbound: "none", "all" or a list as in "tcp/22,udp/51820,tcp/443@::5"
 * @dns: resolvers for the LAN; none: the IPv6 ones of /etc/resolv.conf
 * @hub: replaces the hub addresses of the bundle if not empty
 * @status: name in `unmap status`; NULL: the bundle's name
 */
struct edge_opts {
	struct opt_names lan, dns;
	const char *inbound;
	enum opt_carriers carriers;
	struct opt_ports ports;
	struct opt_endpoints hub;
	bool no_bpf, no_fast;
	enum log_level log;
	const char *status;
};

/** struct hub_opts - what `unmap hub` was told; operand: HUB.pem
 * @listen: replaces the ports of the bundle if not empty
 * @bench_mbit: the most Mbit/s that `unmap bench` may ask for; 0: no bench
 * @status: name in `unmap status`; NULL: the bundle's name
 */
struct hub_opts {
	struct opt_endpoints listen;
	enum opt_carriers carriers;
	struct opt_ports ports;
	bool no_bpf, no_fast;
	uint32_t bench_mbit;
	enum log_level log;
	const char *status;
};

/** struct status_opts - what `unmap status` was told; operand: [NAME|PID] */
struct status_opts {
	bool json, sessions, watch;
};

/** struct bench_opts - what `unmap bench` was told; operand: [NAME|PID] */
struct bench_opts {
	bool json;
};

extern const struct program edge_program;
extern const struct program hub_program;
extern const struct program status_program;
extern const struct program bench_program;
extern const struct program keygen_program;

#endif
