#!/bin/sh
# SPDX-License-Identifier: MIT
# The binary is what the README says: static, small, hardened, and the same
# bytes wherever the commit is built.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

size=$(stat -c %s "$UNMAP")
if [ "$size" -le 600000 ]; then
	ok "size"
else
	not_ok "size" "$size bytes, over 600000"
fi
echo "# $size bytes"

file -L "$UNMAP" >"$work/out"
has static "$work/out" "statically linked"
has stripped "$work/out" ", stripped"

LC_ALL=C readelf -lW "$UNMAP" >"$work/out"
if grep -qE 'INTERP|DYNAMIC' "$work/out"; then
	not_ok no-loader "has an INTERP or DYNAMIC header"
else
	ok no-loader
fi
if grep GNU_STACK "$work/out" | grep -q 'RW ' &&
	! grep -qE 'LOAD.* RWE ' "$work/out"; then
	ok no-exec-stack
else
	not_ok no-exec-stack "$(grep -E 'GNU_STACK|RWE' "$work/out")"
fi
has relro "$work/out" GNU_RELRO

# Two clones of the commit, in folders of different length.
if [ -e .git ] && git rev-parse -q --verify HEAD >/dev/null 2>&1; then
	for d in a another/folder/b; do
		git clone -q . "$work/$d" 2>"$work/log"
		make -s -C "$work/$d" B=build >"$work/log" 2>&1 ||
			tail -n 5 "$work/log"
	done
	if cmp "$work/a/unmap" "$work/another/folder/b/unmap"; then
		ok same-bytes
	else
		not_ok same-bytes "two clones differ"
	fi
	day=$(TZ=UTC git log -1 --date=format-local:%Y-%m-%d --format=%cd)
	"$work/a/unmap" --version >"$work/out"
	has commit-date "$work/out" "$day"
	if [ -z "$(git -C "$work/a" status --porcelain)" ]; then
		ok clean-tree
	else
		not_ok clean-tree "$(git -C "$work/a" status --porcelain)"
	fi
else
	echo "skip $suite/same-bytes: not a git clone"
fi
exit $bad
