#!/bin/sh
# SPDX-License-Identifier: MIT
# Install the Debian packages named in PKGS that are missing. Quick when none is.
set -eu

missing=
have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null |
	awk '$1 == "ii" { print $2 }') || have=
for p in $PKGS; do
	printf '%s\n' "$have" | grep -qxF -- "$p" || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "make deps: no apt-get here; install by hand:$missing" >&2
	exit 69
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "make deps: run as root: apt-get install$missing" >&2
		exit 77
	}
	sudo=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words on purpose
{
	$sudo apt-get update -qq
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
		--no-install-recommends $missing
} </dev/null >&2
