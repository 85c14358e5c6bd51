#!/bin/bash
# SPDX-License-Identifier: MIT
# Run all tests: lint, gates, unit, sim, cli, lab. Each prints "ok NAME",
# "not ok NAME" or "skip NAME: reason"; a script that fails without saying so
# counts as one failure. The last line has the sums.
#
# check.sh [all]: all runs the whole matrix of the lab.
set -u
cd "$(dirname "$0")/.." || exit 1
what=${1:-quick}
B=${B:-build}
export B UNMAP=${UNMAP:-$PWD/unmap}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0
begin=$SECONDS

run() { # NAME SECONDS COMMAND...
	local name=$1 limit=$2 t=$SECONDS ok bad skip status
	shift 2
	echo "== $name"
	timeout -k 10 "$limit" "$@" </dev/null 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	ok=$(grep -c '^ok ' "$log")
	bad=$(grep -c '^not ok ' "$log")
	skip=$(grep -c '^skip ' "$log")
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		echo "not ok $name (stopped after $limit s)"
		bad=$((bad + 1))
	elif [ "$status" != 0 ] && [ "$bad" = 0 ]; then
		echo "not ok $name (status $status)"
		bad=1
	fi
	passed=$((passed + ok)) failed=$((failed + bad))
	skipped=$((skipped + skip))
	echo "== $name: $((SECONDS - t)) s"
}

make="make --no-print-directory B=$B"
# A word list on purpose.
# shellcheck disable=SC2086
{
	run build 300 $make all
	run lint 300 $make lint
	run gates 120 $make gates
	run unit 300 $make -k unit
	run sim 300 $make sim-check
}
for t in tests/cli/*.sh; do
	[ -x "$t" ] || continue
	run "cli/$(basename "$t" .sh)" 120 "$t"
done
run assume 60 tests/assume/run.sh
for t in ifconf robust wire; do
	[ -x tests/lab/$t.sh ] || continue
	run lab/$t 180 tests/lab/$t.sh
done
if [ -x tests/lab/check.sh ]; then
	if [ "$what" = all ]; then
		run lab 3600 tests/lab/check.sh all
	else
		run lab 500 tests/lab/check.sh
	fi
fi

echo "took $((SECONDS - begin)) s"
sum="$passed passed, $failed failed"
[ "$skipped" = 0 ] || sum="$sum, $skipped skipped"
echo "$sum"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
