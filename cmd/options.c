/* SPDX-License-Identifier: MIT
 *
 * options.c - the option tables of edge, hub, status and bench
 *
 * Only data. They stand apart from the programs, so that help, completions and
 * tests reach them without linking a daemon.
 */
#include "cmd/options.h"

static const struct opt edge_table[] = {
	{ .name = "lan", .arg = "IFACE", .parse = opt_iface_many,
	  .at = offsetof(struct edge_opts, lan), .many = true,
	  .help = "give this LAN interface an address and advertise the prefix",
	  .complete = "iface" },
	{ .name = "dns", .arg = "ADDR", .parse = opt_text_many,
	  .at = offsetof(struct edge_opts, dns), .many = true,
	  .help = "resolver that LAN hosts are told (else those of "
		  "/etc/resolv.conf)" },
	{ .name = "inbound", .arg = "POLICY", .parse = opt_text,
	  .at = offsetof(struct edge_opts, inbound), .preset = "none",
	  .help = "who may connect in: none, all or tcp/22,udp/53,tcp/443@::5",
	  .complete = "none all" },
	OPTION_CARRIERS(struct edge_opts),
	OPTION_PORTS(struct edge_opts),
	{ .name = "hub", .arg = "HOST[:PORT]", .parse = opt_endpoint_many,
	  .at = offsetof(struct edge_opts, hub), .many = true,
	  .help = "where the hub is, instead of what the bundle says" },
	OPTION_NO_BPF(struct edge_opts),
	OPTION_NO_FAST(struct edge_opts),
	OPTION_STATUS(struct edge_opts),
	OPTION_LOG(struct edge_opts),
	{ 0 }
};

const struct program edge_program = {
	.name = "edge",
	.purpose = "run behind the CGNAT: give this site IPv6 through a hub",
	.operands = "BUNDLE.pem", .min = 1, .max = 1, .complete = "file",
	.opts = edge_table,
	.examples =
		"unmap edge alice.pem\n"
		"unmap edge alice.pem --lan br-lan --inbound tcp/22,tcp/443@::5\n"
		"unmap edge alice.pem --hub hub.example.net:443 --log debug\n",
	.notes =
		"BUNDLE.pem is the file that `unmap keygen edge` wrote. Needs root\n"
		"and /dev/net/tun. Everything it sets up is undone when it ends.\n"
		"ICMPv6 echo is always let in; packets are as private as native\n"
		"IPv6, that is: not encrypted.\n",
};

static const struct opt hub_table[] = {
	{ .name = "listen", .arg = "ADDR[:PORT]", .parse = opt_listen_many,
	  .at = offsetof(struct hub_opts, listen), .many = true,
	  .help = "listen here, TCP and UDP, instead of the bundle's ports" },
	OPTION_CARRIERS(struct hub_opts),
	OPTION_PORTS(struct hub_opts),
	OPTION_NO_BPF(struct hub_opts),
	OPTION_NO_FAST(struct hub_opts),
	{ .name = "bench", .arg = "no|MBIT", .parse = opt_bench,
	  .at = offsetof(struct hub_opts, bench_mbit), .preset = "100",
	  .help = "most Mbit/s that an edge's `unmap bench` may ask for",
	  .complete = "no 100 1000" },
	OPTION_STATUS(struct hub_opts),
	OPTION_LOG(struct hub_opts),
	{ 0 }
};

const struct program hub_program = {
	.name = "hub",
	.purpose = "run on the Internet: the IPv6 side of all edges",
	.operands = "HUB.pem", .min = 1, .max = 1, .complete = "file",
	.opts = hub_table,
	.examples =
		"unmap hub pki/hub.pem\n"
		"unmap hub pki/hub.pem --listen 203.0.113.10 --listen "
		"203.0.113.10:443\n"
		"unmap hub pki/hub.pem --ports 50000-59999 --bench no\n",
	.notes =
		"HUB.pem is the file that `unmap keygen init` wrote; `revoked`\n"
		"beside it is watched. Needs root and /dev/net/tun. Open in every\n"
		"firewall before it: port 6464 (or those of --listen) and the whole\n"
		"range of --ports, each for TCP and UDP.\n",
};

static const struct opt status_table[] = {
	OPTION_JSON(struct status_opts),
	{ .name = "sessions", .at = offsetof(struct status_opts, sessions),
	  .help = "list the sessions, too" },
	{ .name = "watch", .at = offsetof(struct status_opts, watch),
	  .help = "show again every second until interrupted" },
	{ 0 }
};

const struct program status_program = {
	.name = "status",
	.purpose = "show links, carriers and counters of a running edge or hub",
	.operands = "[NAME|PID]", .min = 0, .max = 1,
	.opts = status_table,
	.examples =
		"unmap status\n"
		"unmap status alice --sessions\n"
		"unmap status hub --json\n",
	.notes =
		"With several running and none named, lists them. \"saved\" counts\n"
		"what native IPv6 would have sent less what crossed the IPv4 path.\n"
		"Under --json: one object; keys are only added, never renamed:\n"
		"program name pid version uptime_ms prefix inbound carriers ports\n"
		"certificate io sessions drops lost; an edge has hub and link, a\n"
		"hub has edges, each: name prefix up since_ms rtt_ms seen path notes\n"
		"path_mtu own_tcp shared relay own_active own_budget sessions\n"
		"saved_bytes drops traffic. --sessions adds session_list.\n",
};

static const struct opt bench_table[] = {
	OPTION_JSON(struct bench_opts),
	{ 0 }
};

const struct program bench_program = {
	.name = "bench",
	.purpose = "measure MTU, bytes, speed and delay of an edge's link",
	.operands = "[NAME|PID]", .min = 0, .max = 1,
	.opts = bench_table,
	.examples =
		"unmap bench\n"
		"unmap bench alice --json\n",
	.notes =
		"Asks the running edge; the hub answers if its --bench allows it.\n"
		"Takes about 15 seconds and 130 MB at 100 Mbit/s. The bare column\n"
		"is plain IPv4 to a port the hub opens for the purpose: a firewall\n"
		"before the hub may hide it. Counters hold other traffic, too.\n"
		"Under --json: edge limit_mbit path_mtu mtu carriers tunnel bare.\n",
};
