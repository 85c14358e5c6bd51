#!/bin/bash
# SPDX-License-Identifier: MIT
#
# measure.sh: figures beside native IPv6 on the same path
#
# Usage: measure.sh [bytes] [idle] [delay] [memory] [speed]     (all of them)
#
# bytes   IP bytes and packets on the CGNAT's link for SIZE (100) MB over TCP
# idle    connect and first byte, COUNT (50) each, median, interleaved with
#         native IPv6, on the idle laboratory path, out and in
# delay   the same over a path of 20 ms
# memory  resident memory of hub and edge with SESSIONS (10000) TCP sessions
# speed   one TCP connection for 5 s each way (iperf3)
#
# Native IPv6 goes by way of the hub, as a router, in both directions: the same
# links, the same namespaces, no unmap.

# shellcheck disable=SC2119 # functions without arguments
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topo.sh"
. "$here/traffic.sh"
. "$here/daemons.sh"

SIZE=${SIZE:-100} COUNT=${COUNT:-50} SESSIONS=${SESSIONS:-10000}

both_up() {
	topo "$@"
	servers server
	servers lan
	keys
	# shellcheck disable=SC2086
	hub_start ${HUB_OPTS:-}
	# shellcheck disable=SC2086
	edge_start --inbound all ${EDGE_OPTS:-}
	link_up 20 || { last_words 10; die "no link"; }
	native_on
	until_ok 5 ns lan ping -n -c 1 -W 1 -I "$LAN6_NATIVE" "$SRV6" ||
		die "no native IPv6"
}

# wire NAME CMD...: IP bytes and packets on the CGNAT's link meanwhile
count_wire() {
	local name=$1 before begin

	shift
	before=$(counters cgnat in1)
	begin=$EPOCHREALTIME
	CURL_MAX=300 "$@" || die "$name failed"
	sleep 0.3
	# shellcheck disable=SC2046,SC2086
	set -- $before $(counters cgnat in1)
	awk -v name="$name" -v t="$begin" -v now="$EPOCHREALTIME" \
		-v up=$(($5 - $1)) -v down=$(($7 - $3)) \
		-v upb=$(($6 - $2)) -v downb=$(($8 - $4)) 'BEGIN {
		p = up + down
		b = upb + downb - 14 * p
		printf "%-18s %11d bytes %8d packets (%d up, %d down) %.2f bytes/packet %.2f s\n",
			name, b, p, up, down, b / p, now - t - 0.3
	}'
}

m_bytes() {
	say "## bytes: $SIZE MB over TCP, IP bytes on the CGNAT's link"
	both_up
	real_wires
	calm
	payload big $((SIZE << 20))
	count_wire "unmap download" get lan "$SRV6" big --interface "$LAN6"
	count_wire "native download" get lan "$SRV6" big --interface "$LAN6_NATIVE"
	count_wire "unmap upload" put lan server "$SRV6" big --interface "$LAN6"
	count_wire "native upload" put lan server "$SRV6" big --interface "$LAN6_NATIVE"
}

latencies() {
	local out

	out=$(ns lan "$PYTHON" "$here/net.py" latency "$COUNT" \
		"$LAN6_NATIVE" "$SRV6" 7 "$LAN6" "$SRV6" 7) || die "latency"
	tell_latency outbound "$out"
	out=$(ns server "$PYTHON" "$here/net.py" latency "$COUNT" \
		- "$LAN6_NATIVE" 7 - "$LAN6" 7) || die "latency"
	tell_latency inbound "$out"
}

tell_latency() {
	# shellcheck disable=SC2086
	awk -v what="$1" -v n="${2% *}" -v u="${2#* }" 'BEGIN {
		printf "%-10s native %d us, unmap %d us: %+d us, %+.1f %%\n",
			what, n, u, u - n, 100 * (u - n) / n
	}'
}

m_idle() {
	say "## idle: connect and first byte, median of $COUNT"
	both_up
	latencies
}

m_delay() {
	say "## delay: connect and first byte on a path of 20 ms, median of $COUNT"
	both_up delay
	delay_set 'delay 10'
	latencies
}

# resident memory of all processes of unmap in a node, kB
resident() {
	local pid sum=0

	for pid in $(ip netns pids "$LAB.$1"); do
		case $(cat "/proc/$pid/comm") in
		unmap*) sum=$((sum + $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"))) ;;
		esac
	done
	echo $sum
}

m_memory() {
	local edge hub

	say "## memory: $SESSIONS TCP sessions"
	both_up
	set_ lan net.ipv4.ip_local_port_range='2000 60999'
	for n in lan server; do
		set_ $n net.ipv4.tcp_max_syn_backlog=8192 net.core.somaxconn=8192
	done
	edge=$(resident edge) hub=$(resident hub)
	bg lan hold "$PYTHON" "$here/net.py" hold "$SRV6" 7 "$SESSIONS"
	until_ok 120 grep -q 'all held' "$LAB_DIR/hold.log" ||
		say "only $(tail -n 1 "$LAB_DIR/hold.log")"
	status_ alice | grep sessions
	say "edge: $edge kB before, $(resident edge) kB with them"
	say "hub:  $hub kB before, $(resident hub) kB with them"
}

m_speed() {
	say "## speed: one TCP connection, 5 s"
	both_up
	command -v iperf3 >/dev/null || die "no iperf3"
	bg server iperf iperf3 -s
	sleep 0.3
	for from in "$LAN6" "$LAN6_NATIVE"; do
		for way in '' -R; do
			# shellcheck disable=SC2086
			ns lan iperf3 -c "$SRV6" -B "$from" -t 5 $way |
				awk -v f="$from $way" '/receiver/ { print f ": " $7, $8 }'
		done
	done
}

[ -x "$UNMAP" ] || die "no $UNMAP: run make first"
[ $# != 0 ] || set -- bytes idle delay memory
for what; do
	[ "$(type -t "m_$what")" = function ] || die "no measurement $what"
	(lab_begin "$what" && "m_$what") || exit 1
done
