#!/bin/bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2154 # functions of other files
#
# wire.sh: hand-made packets through edge and hub, on every carrier (wire.py)
#
# Usage: wire.sh [own|shared|relay [CASE...]]
#
# Prints "ok NAME", "not ok NAME" or "skip NAME: reason" for each test. The three
# carriers have a laboratory each and run at the same time. About 30 s in all.
# WIRE_OPTS: more options for both daemons, such as --no-bpf.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topo.sh"
. "$here/traffic.sh"
. "$here/daemons.sh"

WIRE_OPTS=${WIRE_OPTS:-}

# neighbour NODE IFACE ADDRESS NODE IFACE: a station's address, at that host
neighbour() {
	local mac

	mac=$(ns "$4" cat "/sys/class/net/$5/address")
	ip_ "$1" neigh replace "$3" lladdr "$mac" dev "$2" nud permanent
}

# everything on, real wires, large frames on both sides, the stations' places
wire_up() {
	local i

	topo
	keys
	servers server
	servers lan
	real_wires
	wire hub wan
	for i in "lan eth0" "edge lan0" "edge br-lan" "server eth0" \
		"internet sv"; do
		ip_ "${i% *}" link set "${i#* }" mtu 9000
	done
	stations_up "$1"
}

stations_up() {
	# shellcheck disable=SC2086 # words
	hub_start --carriers "$1" $WIRE_OPTS
	# shellcheck disable=SC2086 # words
	edge_start --inbound all --carriers "$1" $WIRE_OPTS
	link_up || return 1
	SITE=${LAN6%:*:*:*:*}::
	neighbour edge br-lan "${SITE}77" lan eth0
	neighbour edge br-lan "${SITE}78" lan eth0
	ip_ edge route replace 2001:db8:aaaa::/64 dev br-lan
	neighbour edge br-lan 2001:db8:aaaa::77 lan eth0
	neighbour internet sv 2001:db8:5::77 server eth0
	neighbour internet sv 2001:db8:5::78 server eth0
	[ "$1" != own ] || until_ok 5 own_confirmed
}

# wire_py CARRIER CASE...
wire_py() {
	local carrier=$1

	shift
	"$PYTHON" -B "$here/wire.py" "$carrier" "$LAB" "$UNMAP" "$SITE" "$@"
}

# sizes CARRIER MTU: around each limit of the path as it is now
sizes() {
	wire_py "$1" sizes | sed "s|/sizes$|/sizes-$2|"
	[ "${PIPESTATUS[0]}" = 0 ]
}

# more CARRIER: what changes the network, in this order
more() {
	local bad=0

	pmtud "$1" || bad=1
	case $1 in
	own)
		wire_py own shrinks || bad=1
		sizes own 1400 || bad=1
		;;
	shared)
		stop edge
		stop hub
		mtu_set 1480
		stations_up shared || die "no link at 1480"
		sizes shared 1480 || bad=1
		;;
	esac
	return $bad
}

# A link of 1300 behind the hub, then one behind the edge: real TCP adapts to
# what the router in front of it says (RFC 8201).
pmtud() {
	local bad=0

	narrow internet sv 2001:db8:5::/64 mtu lock 1300
	adapts "$1" lan "$SRV6" put lan server "$SRV6" 4m || bad=1
	narrow internet sv 2001:db8:5::/64
	narrow edge br-lan "$SITE/64" mtu lock 1300
	adapts "$1" server "$LAN6" get lan "$SRV6" 4m || bad=1
	narrow edge br-lan "$SITE/64"
	return $bad
}

# narrow NODE IFACE PREFIX [mtu lock MTU]; both ends forget what they learned
narrow() {
	ip_ "$1" route change "$3" dev "$2" proto kernel metric 256 "${@:4}"
	ip_ lan -6 route flush cache
	ip_ server -6 route flush cache
}

# adapts CARRIER SENDER TO TRANSFER...
adapts() {
	local name=wire/$1/pmtud-$2

	if "${@:4}" && hears "$2" "$3"; then
		say "ok $name"
	else
		say "not ok $name"
		return 1
	fi
}

hears() { ip_ "$1" -6 route get "$2" | grep -q "mtu 1300"; }

own_confirmed() { status_ alice --json | grep -q '"own_tcp":"confirmed"'; }

one() (
	carrier=$1
	shift
	lab_begin "w$carrier"
	if ! wire_up "$carrier"; then
		say "not ok wire/$carrier/link"
		last_words
		exit 1
	fi
	rc=0
	wire_py "$carrier" "$@" || rc=1
	[ $# != 0 ] || more "$carrier" || rc=1
	[ $rc = 0 ] || last_words
	exit $rc
)

main() {
	local c bad=0 pids=()

	lab_need
	[ -x "$UNMAP" ] || die "no $UNMAP: run make first"
	if ! "$PYTHON" -c 'import scapy.layers.inet6' 2>/dev/null; then
		say "skip wire: no scapy (run: make deps)"
		return 0
	fi
	if [ $# != 0 ]; then
		one "$@"
		return
	fi
	for c in own shared relay; do
		one "$c" &
		pids+=($!)
	done
	for c in "${pids[@]}"; do
		wait "$c" || bad=1
	done
	return $bad
}

main "$@"
