# shellcheck shell=bash disable=SC2015,SC2154,SC2034,SC2016
# SPDX-License-Identifier: MIT
#
# daemons.sh: unmap itself in the laboratory
#
#   keys [HUB[:PORT]...]       a CA with the bundles hub, alice and bob (/56)
#   hub_start [OPTION...]      log in $LAB_DIR/hub.log
#   edge_start [OPTION...]     alice in edge, her LAN on br-lan
#   edge2_start [OPTION...]    bob in edge2
#   link_up [SECONDS]          wait until the LAN host has its address and an
#                              answer from the Internet; sets LAN6
#   state NODE                 all of a node's network that unmap may touch

PKI=''

keys() {
	local hub args=()

	PKI=$LAB_DIR/pki
	for hub in "${@:-$HUB4}"; do
		args+=(--hub "$hub")
	done
	{
		"$UNMAP" keygen init "$PKI" "${args[@]}" --prefix "$PREFIX" &&
			"$UNMAP" keygen edge "$PKI" alice &&
			"$UNMAP" keygen edge "$PKI" bob \
				--prefix 2001:db8:100:100::/56
	} >>"$LAB_DIR/keygen.log" 2>&1 ||
		die "keygen: $(tail -n 1 "$LAB_DIR/keygen.log")"
}

hub_start() { bg hub hub "$UNMAP" hub "$PKI/hub.pem" --status "$LAB-hub" "$@"; }

edge_start() {
	bg edge edge "$UNMAP" edge "$PKI/alice.pem" --lan br-lan \
		--status "$LAB-alice" "$@"
}

edge2_start() {
	bg edge2 edge2 "$UNMAP" edge "$PKI/bob.pem" --lan br-lan \
		--status "$LAB-bob" "$@"
}

status_() {
	local of=$1

	shift
	ns "${of/alice/edge}" timeout 5 "$UNMAP" status "$LAB-$of" "$@"
}

has_lan6() {
	running edge || running edge2 || return 1
	LAN6=$(lan6_of "${1:-lan}")
	[ -n "$LAN6" ]
}

answers() { ns "$1" ping -n -c 1 -W 1 "$2" >/dev/null 2>&1; }

# Sets LAN6 to the address of the LAN host $2 (lan).
link_up() {
	until_ok "${1:-20}" has_lan6 "${2:-lan}" ||
		{ note "no address on ${2:-lan}"; return 1; }
	until_ok "${1:-20}" answers "${2:-lan}" "$SRV6" ||
		{ note "no answer from the Internet"; return 1; }
}

# Learned, counted and running things are no traces of unmap.
state() {
	ns "$1" ip addr | sed 's/valid_lft.*//'
	ns "$1" ip route show table all
	ns "$1" ip -6 route show table all | sed 's/ expires [0-9a-z]*//; s/ metric [0-9]* pref medium//'
	ns "$1" ip rule
	ns "$1" ip -6 rule
	ns "$1" nft list ruleset
	ns "$1" sh -c 'for i in $(ls /sys/class/net); do
		tc qdisc show dev $i; tc filter show dev $i ingress; done' 2>/dev/null
	ns "$1" sysctl -a 2>/dev/null | grep '^net\.' |
		grep -vE 'conntrack_(count|max|buckets|expect_max)|stable_secret|base_reachable|random|_mem |hash'
}

# calm: windows so small that the queues between the namespaces (1000 packets)
# never overflow: what is counted is what was sent, not what was sent again
calm() {
	local n

	for n in lan server; do
		set_ $n net.ipv4.tcp_rmem="4096 131072 ${1:-163840}"
	done
}

# the last words of the daemons, for the reader of a failed test
last_words() {
	local log

	for log in hub edge edge2; do
		[ -s "$LAB_DIR/$log.log" ] || continue
		tail -n "${1:-4}" "$LAB_DIR/$log.log" | sed "s/^/# $log: /" >&2
	done
}
