# shellcheck shell=bash disable=SC2015,SC2154,SC2034
# SPDX-License-Identifier: MIT
#
# lib.sh: a laboratory of network namespaces, sourced by the other scripts
#
# Everything of one laboratory carries a prefix of its own ($LAB, um<pid>...):
# several run side by side, and what lab_end removes was made by lab_begin.
# No interface is ever made in the namespace that we are started in, and the
# only processes ended are those that live in the laboratory's namespaces.
#
#   lab_begin [NAME]      a new laboratory; undone when the shell ends
#   lab_end               undo it now
#   lab_keep              leave it when the shell ends
#   ns NODE CMD...        run in a node: lan edge cgnat internet hub server ...
#   bg NODE NAME CMD...   the same in the background, output in $LAB_DIR/NAME.log,
#                         process in ${PID[NAME]}
#   stop NAME [SIGNAL]    end it and wait for it
#   until_ok SECONDS CMD  try until it succeeds

here=${here:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
TOP=${TOP:-$(cd "$here/../.." && pwd)}
UNMAP=${UNMAP:-$TOP/unmap}
PYTHON=/usr/bin/python3
declare -A PID=()
LAB='' LAB_DIR='' LAB_KEEP=

say() { printf '%s\n' "$*"; }
note() { printf '# %s\n' "$*" >&2; }

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

lab_need() {
	local tool missing=

	for tool in ip nft nginx curl dig ping tracepath socat ethtool \
		openssl nc sysctl "$PYTHON"; do
		command -v "$tool" >/dev/null || missing+=" $tool"
	done
	[ -z "$missing" ] || die "missing:$missing (run: make deps)"
	[ "$(id -u)" = 0 ] || die "namespaces need root: run as root"
}

lab_dir() { printf '%s/unmap-lab-%s' "${TMPDIR:-/tmp}" "$1"; }

lab_begin() {
	lab_need
	LAB=um$BASHPID${1:+-$1}
	LAB_DIR=$(lab_dir "$LAB")
	mkdir -m 755 "$LAB_DIR" || exit 1
	B=${B:-$LAB_DIR}
	PID=()
	trap lab_exit EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

lab_keep() { LAB_KEEP=1; }

lab_exit() {
	local rc=$?

	trap '' HUP INT TERM
	[ -n "$LAB_KEEP" ] || lab_end
	exit $rc
}

# names of all namespaces of the laboratory
lab_spaces() { ip netns list 2>/dev/null | awk -v p="$LAB." 'index($1, p) == 1 { print $1 }'; }

lab_pids() {
	local space

	for space in $(lab_spaces); do
		ip netns pids "$space" 2>/dev/null
	done
}

# An orderly end first (unmap undoes its changes), then the hard one.
lab_end() {
	local pids i space

	[ -n "$LAB" ] || return 0
	pids=$(lab_pids)
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill $pids 2>/dev/null
	for ((i = 0; i < 20; i++)); do
		pids=$(lab_pids)
		[ -n "$pids" ] || break
		sleep 0.1
	done
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -9 $pids 2>/dev/null
	for space in $(lab_spaces); do
		ip netns del "$space"
	done
	[ -z "$LAB_DIR" ] || rm -rf "$LAB_DIR"
	wait 2>/dev/null
	LAB=
}

ns() {
	local node=$1

	shift
	ip netns exec "$LAB.$node" "$@"
}

bg() {
	local node=$1 name=$2

	shift 2
	ip netns exec "$LAB.$node" "$@" >>"$LAB_DIR/$name.log" 2>&1 </dev/null &
	PID[$name]=$!
}

running() { [ -n "${PID[$1]:-}" ] && kill -0 "${PID[$1]}" 2>/dev/null; }

stop() {
	local pid=${PID[$1]:-} i

	[ -n "$pid" ] || return 0
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	for ((i = 0; i < 50; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	unset "PID[$1]"
}

until_ok() {
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

node() {
	ip netns add "$LAB.$1" || exit 1
	ip -n "$LAB.$1" link set lo up
}

# link NODE-A IF-A NODE-B IF-B
link() {
	ip link add "$2" netns "$LAB.$1" type veth peer name "$4" netns "$LAB.$3" ||
		exit 1
	ip -n "$LAB.$1" link set dev "$2" up
	ip -n "$LAB.$3" link set dev "$4" up
}

ip_() {
	local node=$1

	shift
	ip -n "$LAB.$node" "$@"
}

# sets sysctls quietly: set_ NODE KEY=VALUE...
set_() {
	local node=$1

	shift
	ns "$node" sysctl -qw "$@"
}

# counters NODE IFACE: rx_packets rx_bytes tx_packets tx_bytes (with Ethernet)
counters() {
	# shellcheck disable=SC2016
	ns "$1" sh -c 'cd /sys/class/net/$0/statistics &&
		echo $(cat rx_packets rx_bytes tx_packets tx_bytes)' "$2"
}
