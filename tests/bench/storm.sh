#!/bin/bash
# SPDX-License-Identifier: MIT
#
# storm.sh: a hub whose edges all come back at once (make bench-storm)
#
# Usage: storm.sh [EDGES]
#
# The network of tests/lab, a hub, one real edge, and EDGES (1000) more that the
# program storm plays from the node `internet`. The real edge's LAN host pings
# through the tunnel every 10 ms; the longest of these round trips is how long
# packets waited in the hub, first with nothing else to do, then in the storm.
# Other work on the machine makes both longer: compare them.

here=$(cd "$(dirname "$0")/../lab" && pwd)
. "$here/lib.sh"
. "$here/topo.sh"
. "$here/traffic.sh"
. "$here/daemons.sh"

EDGES=${1:-1000}
STORM=${STORM:-$TOP/build/bench/storm}

# pings COUNT FILE: every 10 ms (below that ping spins and takes the processor)
pings() {
	ns lan chrt -f 20 ping -n -i 0.01 -c "$1" "$SRV6" >"$2" 2>&1
	SENT=$1
}

told() { # FILE: round trips, and what is lost
	sed -n 's/.* time=\([0-9.]*\) ms$/\1/p' "$1" | sort -n |
		awk -v sent="$SENT" '{ t[NR] = $1 }
		END { printf "median %.2f ms, 99 %% below %.2f, 99.9 %% below" \
			" %.2f, worst %.1f; %d of %d lost\n", t[int(NR / 2) + 1],
			t[int(NR * 0.99)], t[int(NR * 0.999)], t[NR],
			sent - NR, sent }'
}

make_keys() {
	local n

	for ((n = 0; n < EDGES; n++)); do
		"$UNMAP" keygen edge "$PKI" "s$n" --prefix \
			"$(printf '2001:db8:100:%x::/64' $((4096 + n)))" ||
			return
	done >>"$LAB_DIR/keygen.log" 2>&1
}

TMPDIR=${STORM_TMP:-/dev/shm} # 1000 bundles, each of them synced
SENT=0
lab_begin storm
topo
keys
make_keys || die "keygen: $(tail -n 1 "$LAB_DIR/keygen.log")"
ip_ internet route add local 10.77.0.0/16 dev lo
ulimit -Sn 1024 # as a shell gives it
hub_start
edge_start
link_up || { last_words; die 'the tunnel is not up'; }
# What forwards goes before what else the machine does; the program storm goes
# after it, on another processor if there is one.
translator() { pgrep -P "${PID[$1]}" || say "${PID[$1]}"; }
cpus=$(nproc)
hub_pid=$(translator hub)
for pid in "$hub_pid" "$(translator edge)"; do
	chrt -f -p 10 "$pid" || die 'chrt is refused'
done
[ "$cpus" -lt 2 ] || taskset -p -c 0 "$hub_pid" >/dev/null
pings 400 "$LAB_DIR/calm"
say "round trips with nothing else to do: $(told "$LAB_DIR/calm")"
bg internet storm nice -n 5 taskset -c $((cpus - 1)) "$STORM" "$HUB4" 6464 \
	"$PKI" "$EDGES" "$hub_pid"
until_ok 120 grep -q '^storm' "$LAB_DIR/storm.log" ||
	die "storm: $(tail -n 1 "$LAB_DIR/storm.log")"
pings 800 "$LAB_DIR/storm"
until_ok 60 grep -q '^over' "$LAB_DIR/storm.log" ||
	note "storm: $(tail -n 1 "$LAB_DIR/storm.log")"
grep -vE '^(idle|storm|over)$' "$LAB_DIR/storm.log"
say "round trips in the storm: $(told "$LAB_DIR/storm")"
