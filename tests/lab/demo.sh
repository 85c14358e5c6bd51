#!/bin/bash
# SPDX-License-Identifier: MIT
#
# demo.sh: a site behind a CGNAT on the IPv6 Internet (make demo)
#
# Usage: demo.sh [remove LABORATORY]
#
# Builds the network of topo.sh in namespaces, starts unmap hub and unmap edge,
# and shows step by step what a host of the site can do, with the same programs
# that anybody uses. Everything is removed at the end, also when interrupted;
# KEEP=1 leaves it up and says how to look around. Exits non-zero if a step
# failed.

# shellcheck disable=SC2119 # functions without arguments
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topo.sh"
. "$here/traffic.sh"
. "$here/daemons.sh"

FAILED=0
SIZE=${SIZE:-100}
GREEN='' RED='' BOLD='' PLAIN=''
[ ! -t 1 ] || GREEN=$'\e[32m' RED=$'\e[31m' BOLD=$'\e[1m' PLAIN=$'\e[0m'

title() { printf '\n%s== %s%s\n' "$BOLD" "$*" "$PLAIN"; }

# prompt NODE CMD...: what a person would type there
prompt() { printf '%s# %s\n' "$1" "${*:2}"; }

pass() { printf '%s[ ok ]%s %s\n' "$GREEN" "$PLAIN" "$*"; }

fail() {
	printf '%s[FAIL]%s %s\n' "$RED" "$PLAIN" "$*"
	FAILED=$((FAILED + 1))
}

verdict() { if [ "$1" = 0 ]; then pass "$2"; else fail "$2"; fi; }

# show NODE CMD...: print, run, indent
show() {
	local rc

	prompt "$@"
	ns "$@" 2>&1 | sed 's/^/    /'
	rc=${PIPESTATUS[0]}
	return "$rc"
}

main() {
	[ "${1:-}" != remove ] || { remove "$2"; return; }
	[ -x "$UNMAP" ] || die "no $UNMAP: run make first"
	lab_begin demo
	network
	start
	host
	outbound
	inbound
	transfers
	programs
	title "Done in $SECONDS s"
	verdict "$FAILED" "$([ $FAILED = 0 ] && echo everything works ||
		echo "$FAILED steps failed")"
	[ -z "${KEEP:-}" ] || keep
	[ $FAILED = 0 ]
}

network() {
	title "The network: namespaces, veth, nftables"
	cat <<-EOF
	    lan ── edge ── cgnat ── internet ─┬─ hub
	                                      └─ server
	    lan       an untouched Linux host
	    edge      100.64.1.2, no IPv6 from its provider
	    cgnat     masquerades to $NAT4; tracks TCP windows, drops
	              what does not fit (tcp_loose=0, be_liberal=0)
	    hub       $HUB4; 2001:db8:100::/48 is routed to it
	    server    $SRV6, $SRV4: nginx, DNS, a shell
	EOF
	topo
	real_wires
	servers server
	servers lan
	dns_server
	payload big "$((SIZE << 20))"
	t_step "the site cannot be reached and has no IPv6" no_ipv6_yet
	t_step "IPv4 through the CGNAT works" ping_ edge "$SRV4"
}

t_step() {
	local text=$1 rc

	shift
	"$@"
	rc=$?
	verdict $rc "$text"
	return $rc
}

no_ipv6_yet() { ! ns edge ping -n -c 1 -W 1 "$SRV6" >/dev/null 2>&1; }

start() {
	title "Keys, hub, edge"
	prompt "hub" "unmap keygen init pki --hub $HUB4 --prefix $PREFIX"
	prompt "hub" "unmap keygen edge pki alice"
	keys
	sed 's/^/    /' "$LAB_DIR/keygen.log"
	prompt "hub" "unmap hub pki/hub.pem"
	hub_start
	prompt "edge" "unmap edge alice.pem --lan br-lan --inbound tcp/80,tcp/2222,udp/7"
	edge_start --inbound tcp/80,tcp/2222,udp/7
	local begin=$EPOCHREALTIME
	if ! link_up 20; then
		fail "no link"
		last_words 20
		exit 1
	fi
	pass "link up and the LAN host configured after $(seconds_since "$begin") s"
}

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

host() {
	title "The LAN host has configured itself"
	show lan ip -6 addr show dev eth0 scope global
	show lan ip -6 route show default
	[ -n "$LAN6" ]
	verdict $? "address $LAN6 by router advertisement"
}

outbound() {
	title "Out: ping, DNS, the web, the path, a shell, UDP"
	show lan ping -n -c 3 -i 0.2 "$SRV6"
	verdict $? "ping"
	show lan ping -n -c 2 -i 0.2 -M "do" -s 1452 "$SRV6"
	verdict $? "packets of 1500 bytes, unfragmented"
	show lan dig +short "@$DNS6" www.example AAAA
	t_step "DNS" t_dns
	show lan curl -sS "$(url "$SRV6" server.txt)"
	verdict $? "curl"
	show lan tracepath -n "$SRV6"
	t_step "tracepath finds 1500 bytes; edge and hub are hops of the path" \
		t_tracepath
	t_step "an interactive shell on the server" t_shell_out
	t_step "UDP: 400 datagrams of 1452 bytes there and back" t_udp_out
	t_step "fragments: ping of 4000 bytes" t_frag_out
	t_step "20 connections at once" t_many 20
}

inbound() {
	title "In: from the Internet to the site (--inbound tcp/80,tcp/2222,udp/7)"
	show server ping -n -c 2 -i 0.2 "$LAN6"
	verdict $? "ping"
	show server curl -sS "$(url "$LAN6" lan.txt)"
	verdict $? "curl to nginx in the LAN"
	t_step "an interactive shell on the LAN host" t_shell_in
	t_step "UDP: 400 datagrams of 1452 bytes there and back" t_udp_in
	t_step "packets of 1500 bytes" t_full_in
	prompt server "nc -z $LAN6 7   (TCP port 7 is not in the list)"
	t_step "refused at the hub" refused_in
}

refused_in() { ! ns server nc -6 -z -w 2 "$LAN6" 7 2>/dev/null; }

# sets PACKETS and BYTES (of IP) that crossed the CGNAT's link meanwhile, and MEAN,
# the size of a packet in the direction of the data
counted() {
	local before

	before=$(counters cgnat in1)
	"$@"
	COUNT_RC=$?
	sleep 0.3
	# shellcheck disable=SC2046,SC2086
	set -- $before $(counters cgnat in1)
	PACKETS=$(($5 + $7 - $1 - $3))
	BYTES=$(($6 + $8 - $2 - $4 - 14 * PACKETS))
	MEAN=$(awk -v up=$(($6 - $2)) -v n=$(($5 - $1)) -v down=$(($8 - $4)) \
		-v m=$(($7 - $3)) 'BEGIN {
			printf "%.1f", (up > down ? up / n : down / m) - 14
		}')
}

transfer() {
	local what=$1 begin=$EPOCHREALTIME

	shift
	CURL_MAX=60 counted "$@"
	printf '    %-26s %6s s %9d packets %11d bytes\n' "$what" \
		"$(seconds_since "$begin")" "$PACKETS" "$BYTES"
	return "$COUNT_RC"
}

transfers() {
	local down up

	calm
	title "$SIZE MB each way, counted on the CGNAT's link (IP bytes)"
	transfer "unmap, download" get lan "$SRV6" big --interface "$LAN6"
	t_step "the download's hash is right" test "$COUNT_RC" = 0
	down="$BYTES $MEAN"
	transfer "unmap, upload" put lan server "$SRV6" big --interface "$LAN6"
	t_step "the upload's hash is right" test "$COUNT_RC" = 0
	up="$BYTES $MEAN"
	native_on
	until_ok 5 ns lan ping -n -c 1 -W 1 -I "$LAN6_NATIVE" "$SRV6"
	transfer "native IPv6, download" get lan "$SRV6" big --interface "$LAN6_NATIVE"
	compare download "$down" "$BYTES $MEAN"
	transfer "native IPv6, upload" put lan server "$SRV6" big --interface "$LAN6_NATIVE"
	compare upload "$up" "$BYTES $MEAN"
}

compare() {
	awk -v what="$1" -v a="$2" -v b="$3" 'BEGIN {
		split(a, ours); split(b, native)
		printf "    %s: %.2f %% of the bytes of native IPv6; data packets of %.1f bytes, native %.1f\n",
			what, 100 * ours[1] / native[1], ours[2], native[2]
		exit !(ours[1] < native[1])
	}'
	verdict $? "$1: fewer bytes on the wire than native IPv6"
}

programs() {
	title "unmap status, at both ends"
	status_step alice
	status_step hub
	title "unmap bench"
	prompt edge unmap bench alice
	ns edge timeout 40 "$UNMAP" bench "$LAB-alice" 2>&1 | sed 's/^/    /'
	verdict "${PIPESTATUS[0]}" "bench"
}

status_step() {
	prompt "${1/alice/edge}" "unmap status $1"
	status_ "$1" 2>&1 | sed 's/^/    /'
	verdict "${PIPESTATUS[0]}" "status of $1"
}

keep() {
	lab_keep
	title "Left up (KEEP=1)"
	cat <<-EOF
	    ip netns exec $LAB.lan bash       # also edge, cgnat, internet, hub, server
	    ip netns exec $LAB.lan ping $SRV6
	    ip netns exec $LAB.edge $UNMAP status $LAB-alice
	    logs and keys: $LAB_DIR
	    remove it: $0 remove $LAB
	EOF
}

# the laboratory of an earlier run
remove() {
	case ${1:-} in
	um[0-9]*-demo) ;;
	*) die "usage: demo.sh remove LABORATORY (as KEEP=1 has named it)" ;;
	esac
	LAB=$1 LAB_DIR=$(lab_dir "$1")
	[ -n "$(lab_spaces)" ] || die "$1: no such laboratory"
	lab_end
}

main "$@"
