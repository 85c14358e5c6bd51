#!/bin/sh
# SPDX-License-Identifier: MIT
# Build and run each program here: what we assume of the kernel (root).
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}/assume
mkdir -p "$B"
bad=0
for t in tests/assume/*.c; do
	name=${t##*/}
	name=${name%.c}
	${HOST_CC:-gcc} -std=c11 -D_GNU_SOURCE -I. -o "$B/$name" "$t" \
		net/bpf.c net/tc.c net/nlreq.c net/tun.c &&
		timeout 20 "$B/$name" || bad=1
done
exit $bad
