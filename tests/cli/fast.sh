#!/bin/bash
# SPDX-License-Identifier: MIT
# The fast path's program in the tree is what its source gives.
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if ! command -v clang >/dev/null; then
	echo "skip fast/program: no clang"
elif [ "$(clang -dumpversion | cut -d. -f1)" != 14 ]; then
	# Another compiler gives other instructions that mean the same.
	echo "skip fast/program: clang is not version 14, which wrote it"
elif make -s B="$dir" "$dir/fast_prog.h" &&
	cmp "$dir/fast_prog.h" net/fast_prog.h; then
	echo "ok fast/program"
else
	echo "not ok fast/program: run make fast-prog"
fi
