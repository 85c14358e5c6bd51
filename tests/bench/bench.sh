#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bench.sh: unmap beside plain IPv6 forwarding and other programs
#
# Usage: bench.sh [short] [KEY=VALUE...]     (make bench, make bench-short)
#
#   rounds=3 ms=700 warm=500    how often, how long, what goes before (ms)
#   sections=offload,wire       see README
#   subjects=plain,unmap,...    some of peers.sh only
#   tests=tcp-down,...          some of load.c only
#   lock=FILE                   hold this lock during each round
#   nice=-10                    priority of all that takes part, for a machine
#                               that others use meanwhile
#   patience=60                 seconds to wait for quiet moments, in all
#   out=build/bench             OUT.raw, OUT.json, OUT.md
#
# README beside this says how it measures and what the figures mean.

# SC2086: ONLY, TESTS and order are lists of words; SC2153, SC2034: variables of
# the files below, and for them.
# shellcheck disable=SC2015,SC2086,SC2153,SC2034
here=$(cd "$(dirname "$0")" && pwd)
LAB_SH=$here/../lab
TOP=$(cd "$here/../.." && pwd)
. "$LAB_SH/lib.sh"
. "$LAB_SH/topo.sh"
. "$LAB_SH/traffic.sh"
. "$LAB_SH/daemons.sh"
. "$here/peers.sh"

LOAD=${LOAD:-$TOP/build/bench-load}
TESTS='tcp-down tcp-up tcp4-down tcp4-up tcp-both gso-down gso-up udp-down
	udp-up small-down small-up rtt conns'
ROUNDS=3 MS=700 WARM=500 SECTIONS='offload wire' ONLY='' LOCK='' NICE=0
OUT=$TOP/build/bench
# A measurement is repeated, at most so many times, when other processes had
# more of the machine than this, in percent of all its processors; for a quiet
# moment we wait so many seconds in all.
FOREIGN_MAX=5 FOREIGN_TRIES=3 PATIENCE=60

main() {
	local section name bad=0

	options "$@"
	lab_need
	[ -x "$UNMAP" ] || die "no $UNMAP: run make first"
	[ -x "$LOAD" ] || die "no $LOAD: run make bench"
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	renice -n "$NICE" -p $$ >/dev/null || die "nice=$NICE is not allowed"
	begin_raw
	for name in $ONLY; do
		lacks "$name"
	done
	for section in $SECTIONS; do
		(lab_begin "bench" && run_section "$section") || bad=1
	done
	"$PYTHON" "$here/report.py" "$OUT" || bad=1
	return $bad
}

options() {
	local arg name

	for arg; do
		case $arg in
		short) ROUNDS=1 MS=250 WARM=300 SECTIONS=offload PATIENCE=10 ;;
		rounds=*) ROUNDS=${arg#*=} ;;
		ms=*) MS=${arg#*=} ;;
		warm=*) WARM=${arg#*=} ;;
		sections=*) SECTIONS=${arg#*=} SECTIONS=${SECTIONS//,/ } ;;
		subjects=*) ONLY=${arg#*=} ONLY=${ONLY//,/ } ;;
		tests=*) TESTS=${arg#*=} TESTS=${TESTS//,/ } ;;
		lock=*) LOCK=${arg#*=} ;;
		patience=*) PATIENCE=${arg#*=} ;;
		nice=*) NICE=${arg#*=} ;;
		out=*) OUT=$(realpath -m "${arg#*=}") ;;
		*) die "what is $arg (see the head of this script)" ;;
		esac
	done
	[ -n "$ONLY" ] || ONLY=$(printf '%s\n' "${SUBJECTS[@]}" | cut -d' ' -f1)
	for name in $ONLY; do
		[ "$(type -t "start_$name")" = function ] || die "no subject $name"
	done
}

# OUT.raw: what report.py reads. Fields are separated by tabs.
begin_raw() {
	local row

	mkdir -p "$(dirname "$OUT")"
	: >"$OUT.raw"
	meta date "$(date -u +%Y-%m-%d)"
	meta cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort | uniq -c |
		awk '{ n = $1; $1 = ""; printf "%s%d x%s", sep, n, $0; sep = ", " }')"
	meta cpus "$(nproc)"
	meta kernel "$(uname -r)"
	meta system "$(. /etc/os-release && echo "$PRETTY_NAME")"
	meta commit "$(git -C "$TOP" describe --always --dirty --abbrev=12 2>/dev/null)"
	meta rounds "$ROUNDS"
	meta ms "$MS"
	meta nice "$NICE"
	meta warm_ms "$WARM"
	for row in "${SUBJECTS[@]}"; do
		printf 'subject\t%s\t%s\n' "${row%% *}" "${row#* }" >>"$OUT.raw"
	done
}

meta() { printf 'meta\t%s\t%s\n' "$1" "$2" >>"$OUT.raw"; }

skip() {
	say "skip $1: $2"
	printf 'skip\t%s\t%s\n' "$1" "$2" >>"$OUT.raw"
}

# what keeps NAME from being measured; leaves it out of ONLY
lacks() {
	local why

	[ "$(type -t "lack_$1")" = function ] || return 0
	why=$("lack_$1")
	[ -n "$why" ] || return 0
	skip "$1" "$why"
	ONLY=$(printf '%s\n' $ONLY | grep -vx "$1")
}

subject_number() {
	local i

	for i in "${!SUBJECTS[@]}"; do
		[ "${SUBJECTS[i]%% *}" != "$1" ] || echo "$((i + 1))"
	done
}

run_section() {
	local round order name

	LAB_ID=$BASHPID
	topo
	native_on
	native_default
	keys
	# What is measured is the path, not how the ends remember it.
	for name in lan server; do
		set_ $name net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_tw_reuse=1 \
			net.ipv4.ip_local_port_range='32768 60999'
	done
	for name in $ONLY; do
		ip_ server addr add "$(server_of "$name")/128" dev eth0 nodad
	done
	[ "$1" != wire ] || no_offloads
	for ((round = 1; round <= ROUNDS; round++)); do
		order=$ONLY
		[ $((round % 2)) = 1 ] || order=$(printf '%s\n' $ONLY | tac)
		[ -z "$LOCK" ] || { exec 9>"$LOCK" && flock 9; }
		for name in $order; do
			subject "$1" "$round" "$name"
		done
		[ -z "$LOCK" ] || flock -u 9
	done
}

server_of() { printf '2001:db8:5::b%x' "$(subject_number "$1")"; }

# Real packets of 1500 bytes everywhere, finished checksums, on every link
no_offloads() {
	local at

	for at in 'lan eth0' 'edge lan0' 'edge br-lan' 'edge wan' 'cgnat in1' \
		'cgnat out' 'internet cg' 'internet hb' 'internet sv' \
		'hub wan' 'server eth0'; do
		wire $at
	done
}

# subject SECTION ROUND NAME
subject() {
	local section=$1 round=$2 test begin=$SECONDS

	SUBJECT=$3 SRV=$(server_of "$3") ADDR=''
	ns lan ip -6 route flush cache
	ns server ip -6 route flush cache
	if "start_$SUBJECT" && until_ok 10 path_works; then
		PIDS=$(peer_pids)
		for test in $TESTS; do
			measure "$section" "$round" "$test"
		done
		note "$section round $round: $SUBJECT, $((SECONDS - begin)) s"
	else
		note "$SUBJECT does not come up"
		printf 'failed\t%s\t%s\t%s\t%s\n' "$section" "$round" \
			"$SUBJECT" "does not come up" >>"$OUT.raw"
		tail -qn 3 "$LAB_DIR"/*.log | sed 's/^/# /' >&2
	fi
	end_peers
	[ "$(type -t "stop_$SUBJECT")" != function ] || "stop_$SUBJECT" 2>/dev/null
}

path_works() { ns lan ping -n -c 1 -W 1 -I "$ADDR" "$SRV"; }

# all processes of edge and hub, with commas
peer_pids() {
	{
		ip netns pids "$LAB.edge"
		ip netns pids "$LAB.hub"
	} | paste -sd,
}

end_peers() {
	local name

	for name in "${!PID[@]}"; do
		stop "$name"
	done
}

# measure SECTION ROUND TEST: a line of OUT.raw, of the least disturbed attempt
measure() {
	local try out percent best='' least=1000

	for ((try = 1; try <= FOREIGN_TRIES; try++)); do
		out=$("$LOAD" "$3" from="/run/netns/$LAB.lan" addr="$ADDR" \
			to="/run/netns/$LAB.server" srv="$SRV" \
			wire="/run/netns/$LAB.cgnat:in1" \
			ms="$MS" warm="$WARM" pids="$PIDS" 2>&1) || {
			note "$SUBJECT $3: $out"
			continue
		}
		percent=$(foreign_percent "$out")
		[ "$percent" -ge $least ] || least=$percent best=$out
		[ "$least" -gt $FOREIGN_MAX ] && [ $try -lt $FOREIGN_TRIES ] &&
			[ "$PATIENCE" -gt 0 ] || break
		wait_quiet
	done
	if [ -n "$best" ]; then
		printf 'result\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$SUBJECT" "$3" \
			"$best" >>"$OUT.raw"
	else
		printf 'failed\t%s\t%s\t%s\t%s\n' "$1" "$2" "$SUBJECT" "$3" \
			>>"$OUT.raw"
	fi
}

# what other programs had of all processors, in percent
foreign_percent() {
	awk -v cpus="$(nproc)" '{
		for (i = 1; i <= NF; i++) {
			split($i, kv, "=")
			v[kv[1]] = kv[2]
		}
		printf "%d\n", 100 * v["foreign_s"] / cpus / v["seconds"]
	}' <<<"$1"
}

# jiffies that the processors were idle
idle_jiffies() { awk '/^cpu / { print $5 }' /proc/stat; }

# Wait until the machine is idle for 0.2 s (our own daemons are, between tests).
wait_quiet() {
	local before begin=$SECONDS

	while [ $((SECONDS - begin)) -lt "$PATIENCE" ]; do
		before=$(idle_jiffies)
		sleep 0.2
		[ $(($(idle_jiffies) - before)) -lt $((18 * $(nproc))) ] || break
	done
	PATIENCE=$((PATIENCE - SECONDS + begin))
}

main "$@"
