#!/bin/sh
# SPDX-License-Identifier: MIT
# `unmap --install DIR` and `make install`.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

real=$(readlink -f "$UNMAP")
mkdir "$work/bin" "$work/old" "$work/taken"

expect links 0 "$UNMAP" --install "$work/bin"
for p in $programs; do
	for link in "$p" "unmap-$p"; do
		if [ "$(readlink "$work/bin/$link")" = "$real" ]; then
			ok "link-$link"
		else
			not_ok "link-$link" "not a link to $real"
		fi
	done
done
expect links-again 0 "$UNMAP" --install "$work/bin"
if [ -s "$work/out" ]; then
	not_ok links-again-quiet "made links that were there"
else
	ok links-again-quiet
fi

refuse no-dir 73 "is not a directory" "$UNMAP" --install "$work/nowhere"
for p in $(echo "$programs" | tail -n 1); do
	ln -s /opt/old/unmap "$work/old/$p"
	expect old-link 0 "$UNMAP" --install "$work/old"
	if [ "$(readlink "$work/old/$p")" = "$real" ]; then
		ok old-link-replaced
	else
		not_ok old-link-replaced "still leads elsewhere"
	fi
	echo mine >"$work/taken/unmap-$p"
	refuse foreign 73 "not a link to unmap" "$UNMAP" --install "$work/taken"
	if [ "$(ls "$work/taken")" = "unmap-$p" ] &&
		[ "$(cat "$work/taken/unmap-$p")" = mine ]; then
		ok foreign-untouched
	else
		not_ok foreign-untouched "something was made or lost"
	fi
done

# make install, from the binary that is being tested.
if make -s --no-print-directory B="${B:-build}" install DESTDIR="$work/root" \
	PREFIX=/usr >"$work/out" 2>&1; then
	ok make-install
else
	not_ok make-install "$(tail -n 3 "$work/out")"
fi
for f in bin/unmap share/bash-completion/completions/unmap \
	share/zsh/site-functions/_unmap \
	share/fish/vendor_completions.d/unmap.fish; do
	if [ -s "$work/root/usr/$f" ]; then
		ok "installs-$(basename $f)-$(basename "$(dirname $f)")"
	else
		not_ok "installs-$(basename $f)-$(basename "$(dirname $f)")" \
			"no $f"
	fi
done
expect installed-runs 0 "$work/root/usr/bin/unmap" --version
exit $bad
