#!/bin/sh
# SPDX-License-Identifier: MIT
# edge and hub refuse a wrong command line or bundle in one line. What needs a
# network is in tests/lab/robust.sh.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

if ! is_program edge || ! is_program hub; then
	echo "skip $suite: edge or hub is not built in"
	exit 0
fi
p=$work/pki
{
	"$UNMAP" keygen init "$p" --hub 192.0.2.1 --prefix 2001:db8:100::/48 &&
		"$UNMAP" keygen edge "$p" alice
} >/dev/null 2>&1 || {
	not_ok keygen "no bundles to try"
	exit 1
}
head -c 700 "$p/alice.pem" >"$work/cut.pem"
head -c 3000 /dev/urandom >"$work/random.pem"
: >"$work/empty.pem"
cat "$p/ca.crt" >"$work/cert.pem"
sed 's/^MI[A-Z]/MIX/' "$p/alice.pem" >"$work/altered.pem"

for prog in edge hub; do
	case $prog in
	edge) right=$p/alice.pem wrong=$p/hub.pem says="hub's bundle" ;;
	hub) right=$p/hub.pem wrong=$p/alice.pem says="bundle of edge alice" ;;
	esac
	refuse $prog-unknown 64 "unknown option --bogus" "$UNMAP" $prog --bogus
	refuse $prog-no-bundle 64 "missing operand" "$UNMAP" $prog
	refuse $prog-two 64 "one operand too many" "$UNMAP" $prog "$right" b
	refuse $prog-missing 66 "check the path" "$UNMAP" $prog "$work/none.pem"
	refuse $prog-directory 66 "Is a directory" "$UNMAP" $prog "$work"
	refuse $prog-empty 65 "keygen" "$UNMAP" $prog "$work/empty.pem"
	refuse $prog-truncated 65 "copy the bundle again" \
		"$UNMAP" $prog "$work/cut.pem"
	refuse $prog-random 65 "keygen" "$UNMAP" $prog "$work/random.pem"
	refuse $prog-altered 65 "altered.pem" "$UNMAP" $prog "$work/altered.pem"
	refuse $prog-no-key 65 "no private key" "$UNMAP" $prog "$work/cert.pem"
	refuse $prog-swapped 65 "$says" "$UNMAP" $prog "$wrong"
	for ports in 62000-61000 0-100 0 1-70000 61000; do
		refuse "$prog-ports-$ports" 64 "expected LO-HI" \
			"$UNMAP" $prog "$right" --ports $ports
	done
	refuse $prog-carriers 64 "expected auto" \
		"$UNMAP" $prog "$right" --carriers fast
done
for list in tcp/99999 sometimes tcp/ tcp/22@1.2.3.4; do
	refuse "inbound-$list" 64 "expected none, all, or a list" \
		"$UNMAP" edge "$p/alice.pem" --inbound "$list"
done
refuse hub-address 64 "expected HOST" "$UNMAP" edge "$p/alice.pem" --hub :1
refuse listen-name 64 "expected ADDR" \
	"$UNMAP" hub "$p/hub.pem" --listen hub.example
refuse listen-port 64 "expected ADDR" \
	"$UNMAP" hub "$p/hub.pem" --listen 192.0.2.1:0
refuse hub-number 64 "expected HOST" "$UNMAP" edge "$p/alice.pem" \
	--hub 256.1.1.1
refuse hub-ipv6 64 "no IPv4 address of the hub" "$UNMAP" edge \
	"$p/alice.pem" --hub 2001:db8::1
for a in 1.2.3.4 resolver fe80::1 ::1; do
	refuse "dns-$a" 64 "expected an IPv6 address" \
		"$UNMAP" edge "$p/alice.pem" --dns "$a"
done
for a in ::1 224.0.0.1 255.255.255.255; do
	refuse "listen-$a" 64 "expected an IPv4 address" \
		"$UNMAP" hub "$p/hub.pem" --listen "$a"
done
refuse listen-in-range 64 "lies in the range" \
	"$UNMAP" hub "$p/hub.pem" --listen 0.0.0.0:65000
refuse range-over-listen 64 "lies in the range" \
	"$UNMAP" hub "$p/hub.pem" --ports 6400-6500
refuse lan-missing 69 "no such interface" \
	"$UNMAP" edge "$p/alice.pem" --lan nosuch0
refuse lan-twice 64 "given twice" \
	"$UNMAP" edge "$p/alice.pem" --lan lo --lan lo

# A list that might name anybody, before anything is done
if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
	mv "$p/revoked" "$work/revoked"
	echo garbage >"$p/revoked"
	refuse revoked-damaged 65 "not a list" unshare -n timeout 5 \
		"$UNMAP" hub "$p/hub.pem"
	mkdir "$work/q" && "$UNMAP" keygen init "$work/q/ca" --hub h \
		--prefix 2001:db8:300::/48 >/dev/null
	cp "$work/q/ca/revoked" "$p/revoked"
	refuse revoked-anothers 65 "not signed" unshare -n timeout 5 \
		"$UNMAP" hub "$p/hub.pem"
	mv "$work/revoked" "$p/revoked"
else
	echo "skip $suite/revoked: needs root and namespaces"
fi

# Someone without rights, who can read the bundle
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$work" "$p"
	cp "$UNMAP" "$work/unmap" && chmod 755 "$work/unmap"
	refuse unreadable 66 "as its owner or as root" setpriv --reuid 65534 \
		--clear-groups "$work/unmap" hub "$p/hub.pem"
	chmod 644 "$p/hub.pem"
	refuse no-rights 77 "needs root" setpriv --reuid 65534 \
		--clear-groups "$work/unmap" hub "$p/hub.pem"
else
	echo "skip $suite/no-rights: needs root and setpriv"
fi
exit $bad
