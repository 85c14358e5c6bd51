#!/bin/sh
# SPDX-License-Identifier: MIT
# Run unit test programs one by one: "ok unit/NAME" or "not ok unit/NAME".
bad=0
for t; do
	name=unit/${t##*/test_}
	if [ ! -x "$t" ]; then
		echo "not ok $name (not built)"
		bad=1
	elif out=$(timeout 120 "$t" 2>&1); then
		n=$(printf '%s\n' "$out" | sed -n 's/.*Checks: \([0-9]*\).*/\1/p' | tail -n 1)
		echo "ok $name (${n:-?} checks)"
	else
		printf '%s\n' "$out"
		echo "not ok $name"
		bad=1
	fi
done
exit $bad
