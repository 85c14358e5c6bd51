#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include whom (house rules: core knows nobody, net and crypto know
# core, cmd knows all). crypto may use core's ground types and nothing else.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0

deny() { # FOLDER FORBIDDEN...: no file of FOLDER includes these
	from=$1
	shift
	for to; do
		if grep -HnE "^[[:space:]]*#[[:space:]]*include \"$to/" \
			"$from"/*.[ch] 2>/dev/null; then
			bad=1
		fi
	done
}

deny core net crypto cmd tests
deny net crypto cmd tests
deny crypto net cmd tests
deny cmd tests

# Includes are rooted, so that the lines above see all of them.
if grep -HnE '^[[:space:]]*#[[:space:]]*include "' \
	core/*.[ch] net/*.[ch] crypto/*.[ch] cmd/*.[ch] 2>/dev/null |
	grep -vE 'include "(core|net|crypto|cmd)/'; then
	bad=1
fi

# core: only what a freestanding C has, and string.h.
if grep -HnE '^[[:space:]]*#[[:space:]]*include <' core/*.[ch] 2>/dev/null |
	grep -vE '<(stdbool|stddef|stdint|limits|stdalign|string|assert)\.h>'; then
	bad=1
fi

# crypto: bytes and addresses of core.
if grep -HnE '^[[:space:]]*#[[:space:]]*include "core/' crypto/*.[ch] \
	2>/dev/null | grep -vE '"core/(bytes|addr|util)\.h"'; then
	bad=1
fi

[ $bad = 0 ] && echo "ok gates/layers" || echo "not ok gates/layers"
exit $bad
