#!/bin/bash
# SPDX-License-Identifier: MIT
#
# check.sh: real traffic through real NATs
#
# Usage: check.sh [quick|all|native|list] [ROW...]
#
# Prints a line "ok ROW/TEST", "not ok ROW/TEST" or "skip ROW/TEST: reason" for
# each test and exits non-zero if one failed. quick (the default) takes about
# six minutes on two cores, all takes the whole matrix. native proves the
# laboratory itself: the same checks over plain IPv6 routing, no unmap.
# Named rows only: ROW... Two rows run at a time (JOBS).
#
# A row is a function row_NAME in a shell and a laboratory of its own.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topo.sh"
. "$here/traffic.sh"
. "$here/daemons.sh"
. "$here/rows.sh"

JOBS=${JOBS:-2}
ROWS_QUICK='nat preserving random pool block twice udp30 noudp only443 loss
	mtu1480 mtu1400 mtu1400swallow masquerade listener policy two_edges
	undone killed order carriers fast nofast nofast_random nofast_loss
	nobpf nobpf_random nobpf_block drops refused'
ROWS_ALL="$ROWS_QUICK loose delay20 reorder mixed matrix_own matrix_shared
	matrix_relay matrix_nobpf long_idle many"
ROWS_NATIVE='nat native'
export DEPTH=quick

main() {
	local rows=$ROWS_QUICK

	case ${1:-quick} in
	quick) ;;
	all) DEPTH=all rows=$ROWS_ALL ;;
	native) rows=$ROWS_NATIVE ;;
	list)
		echo "$ROWS_ALL $ROWS_NATIVE"
		return 0
		;;
	*) die "usage: check.sh [quick|all|native|list] [ROW...]" ;;
	esac
	[ $# -lt 2 ] || { shift && rows=$*; }
	lab_need
	[ -x "$UNMAP" ] || [ "$rows" = "$ROWS_NATIVE" ] ||
		die "no $UNMAP: run make first"
	RESULTS=$(mktemp -d) || exit 1
	trap finish EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	B=${B:-$RESULTS}
	mkdir -p "$B"
	delay_build
	# shellcheck disable=SC2086 # a list of words
	run_rows $rows
}

run_rows() {
	local row failed

	for row; do
		[ "$(type -t "row_$row")" = function ] || die "no row $row"
		while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
			wait -n
		done
		(run_row "$row") &
	done
	while [ -n "$(jobs -rp)" ]; do
		wait -n
	done
	failed=$(cat "$RESULTS"/*.failed 2>/dev/null | wc -l)
	say "# $(cat "$RESULTS"/*.ok 2>/dev/null | wc -l) ok, $failed failed, $SECONDS s"
	[ "$failed" = 0 ]
}

# Ends the rows by their ids; each of them cleans up after itself.
finish() {
	local rc=$? pids

	trap '' HUP INT TERM
	pids=$(jobs -rp)
	# shellcheck disable=SC2086
	[ -z "$pids" ] || { kill $pids 2>/dev/null; wait; }
	rm -rf "$RESULTS"
	exit $rc
}

run_row() {
	ROW=$1
	lab_begin "$1"
	"row_$1"
	if [ -s "$RESULTS/$ROW.failed" ] && [ -n "${LOGS:-}" ]; then
		mkdir -p "$LOGS" && cp "$LAB_DIR"/*.log "$LOGS"
	fi
}

ok() {
	say "ok $ROW/$1"
	echo "$1" >>"$RESULTS/$ROW.ok"
}

not_ok() {
	say "not ok $ROW/$1"
	echo "$1" >>"$RESULTS/$ROW.failed"
	last_words 4
}

skip() { say "skip $ROW/$1: $2"; }

# t NAME CMD...
t() {
	local name=$1

	shift
	if "$@"; then ok "$name"; else not_ok "$name"; fi
}

# the same, and it must fail
t_not() {
	local name=$1

	shift
	if "$@" 2>/dev/null; then not_ok "$name"; else ok "$name"; fi
}

main "$@"
