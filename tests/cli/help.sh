#!/bin/sh
# SPDX-License-Identifier: MIT
# --help, --version and every way to get a command line wrong.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

expect help 0 "$UNMAP" --help
for p in $programs; do
	has "help-lists-$p" "$work/out" "  $p "
done
expect help-short 0 "$UNMAP" -h
expect version 0 "$UNMAP" --version
has version-words "$work/out" "unmap "

for p in $programs; do
	expect "help-$p" 0 "$UNMAP" "$p" --help
	has "help-$p-usage" "$work/out" "Usage: unmap $p "
	has "help-$p-examples" "$work/out" "Examples:"
	if [ -s "$work/err" ]; then
		not_ok "help-$p-quiet" "stderr: $(cat "$work/err")"
	fi
	# By name: a link called NAME or unmap-NAME is that program.
	ln -sf "$UNMAP" "$work/$p"
	ln -sf "$UNMAP" "$work/unmap-$p"
	"$work/$p" --help >"$work/a" 2>&1
	"$work/unmap-$p" --help >"$work/b" 2>&1
	if cmp -s "$work/out" "$work/a" && cmp -s "$work/out" "$work/b"; then
		ok "by-name-$p"
	else
		not_ok "by-name-$p" "help differs when called by name"
	fi
	refuse "unknown-option-$p" 64 "--frobnicate" "$UNMAP" "$p" --frobnicate
	refuse "too-many-$p" 64 "" "$UNMAP" "$p" a b c d e f
done

if [ -c /dev/full ]; then
	for o in --help --version "--completions bash"; do
		# shellcheck disable=SC2086 # words
		"$UNMAP" $o >/dev/full 2>"$work/err"
		got=$?
		if [ $got = 74 ] && grep -q "cannot write" "$work/err"; then
			ok "full$o"
		else
			not_ok "full$o" "status $got: $(cat "$work/err")"
		fi
	done
fi

refuse help-value 64 "--help takes no value" "$UNMAP" edge --help=me
refuse no-program 64 "missing command" "$UNMAP"
refuse unknown-program 64 "unknown command frob" "$UNMAP" frob
refuse unknown-option 64 "unknown option --frob" "$UNMAP" --frob
refuse nearest-option 64 "did you mean --version?" "$UNMAP" --verson
refuse extra-operand 64 "one operand too many" "$UNMAP" --version now
refuse no-value 64 "--install needs a value" "$UNMAP" --install
refuse no-shell 64 "expected bash, zsh or fish" "$UNMAP" --completions csh

for p in edge hub; do
	is_program $p || continue
	refuse "$p-no-bundle" 64 "missing operand" "$UNMAP" $p
	refuse "$p-ports" 64 "expected LO-HI" "$UNMAP" $p x.pem --ports 70000-1
	refuse "$p-log" 64 "expected error, warn" "$UNMAP" $p x.pem --log=loud
	refuse "$p-nearest" 64 "did you mean --carriers?" "$UNMAP" $p x.pem \
		--carrier auto
	refuse "$p-flag-value" 64 "takes no value" "$UNMAP" $p --no-bpf=1 x.pem
done
if is_program edge; then
	refuse edge-nearest 64 "did you mean --inbound?" "$UNMAP" edge --inbond
	refuse edge-hub 64 "expected HOST" "$UNMAP" edge x.pem --hub a:0
	refuse edge-lan 64 "expected the name" "$UNMAP" edge x.pem --lan a/b
fi
if is_program keygen; then
	refuse keygen-nothing 64 "missing command" "$UNMAP" keygen
	refuse keygen-nearest 64 "did you mean init?" "$UNMAP" keygen inti
	for s in init edge show list renew revoke; do
		expect "help-keygen-$s" 0 "$UNMAP" keygen $s --help
		has "help-keygen-$s-usage" "$work/out" "Usage: unmap keygen $s "
		refuse "keygen-$s-nothing" 64 "missing operand" \
			"$UNMAP" keygen $s
	done
fi

# A full disk is an error, not silence.
if [ -e /dev/full ]; then
	"$UNMAP" --help >/dev/full 2>"$work/err"
	got=$?
	if [ $got = 74 ]; then ok full; else not_ok full "status $got"; fi
fi
exit $bad
