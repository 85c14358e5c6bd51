#!/bin/sh
# SPDX-License-Identifier: MIT
# What the scripts of this folder share: sourced, not run.
#
# UNMAP is the binary; each case prints "ok NAME" or "not ok NAME".
# shellcheck disable=SC2034 # bad and programs are for who sources this

cd "$(dirname "$0")/../.." || exit 1
UNMAP=${UNMAP:-$PWD/unmap}
suite=cli/$(basename "$0" .sh)
bad=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

programs=$(sed -n 's/^COMMAND(\([a-z_]*\)).*/\1/p' cmd/commands.def)

is_program() { # NAME: is it built in already?
	printf '%s\n' "$programs" | grep -qxF -- "$1"
}

ok() { # NAME
	echo "ok $suite/$1"
}

not_ok() { # NAME WHY
	echo "# $2"
	echo "not ok $suite/$1"
	bad=1
}

# The command's output is in $work/out and $work/err afterwards.
expect() { # NAME STATUS COMMAND...
	name=$1 want=$2
	shift 2
	"$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	if [ $got = "$want" ]; then
		ok "$name"
	else
		not_ok "$name" "status $got, not $want: $* ($(cat "$work/err"))"
	fi
}

# One line on stderr that holds TEXT, nothing on stdout, and the status.
refuse() { # NAME STATUS TEXT COMMAND...
	name=$1 want=$2 text=$3
	shift 3
	"$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	if [ $got != "$want" ]; then
		not_ok "$name" "status $got, not $want: $*"
	elif [ "$(wc -l <"$work/err")" != 1 ] || [ -s "$work/out" ]; then
		not_ok "$name" "not one line on stderr: $*"
	elif ! grep -qF -- "$text" "$work/err"; then
		not_ok "$name" "says '$(cat "$work/err")', not '$text'"
	else
		ok "$name"
	fi
}

has() { # NAME FILE TEXT
	if grep -qF -- "$3" "$2"; then
		ok "$1"
	else
		not_ok "$1" "no '$3' in $2: $(head -c 300 "$2")"
	fi
}
