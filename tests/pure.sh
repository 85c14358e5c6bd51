#!/bin/sh
# SPDX-License-Identifier: MIT
# core may call these and nothing else outside core: no system call, clock,
# allocation or stdio can hide. Arguments: core's objects, of the musl build.
set -eu
allowed='memcpy|memmove|memset|memcmp|strlen|__stack_chk_fail'
allowed="$allowed|_GLOBAL_OFFSET_TABLE_"

if [ $# = 0 ]; then
	echo "pure.sh: name the objects of core" >&2
	exit 64
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
nm --defined-only --extern-only "$@" | awk 'NF == 3 { print $3 }' |
	sort -u >"$dir/defined"
nm --undefined-only "$@" | awk 'NF == 2 { print $2 }' | sort -u >"$dir/wanted"
bad=$(grep -vxF -f "$dir/defined" "$dir/wanted" | grep -vxE "$allowed" || :)
if [ -n "$bad" ]; then
	printf 'core is not pure, it needs: %s\n' "$bad"
	echo "not ok gates/pure"
	exit 1
fi
# No writable data either: an engine's state belongs to its caller.
data=$(size -A "$@" | awk '/:$/ { file = $1 }
	$1 ~ /^\.(data|bss)(\.|$)/ && $1 !~ /rel\.ro/ && $2 > 0 {
		print file, $1, $2 }')
if [ -n "$data" ]; then
	printf 'core keeps state of its own: %s\n' "$data"
	echo "not ok gates/pure"
	exit 1
fi
echo "ok gates/pure"
