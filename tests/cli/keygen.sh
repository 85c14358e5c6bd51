#!/bin/sh
# SPDX-License-Identifier: MIT
# unmap keygen: what it writes, what openssl says to it, what it refuses.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

keygen() {
	"$UNMAP" keygen "$@"
}

pki=$work/pki
P=2001:db8:100

# shellcheck disable=SC2317 # called by expect
same() { # FILE FILE
	cmp -s "$1" "$2"
}

# ---- what the four commands of the README give ------------------------------

expect init 0 keygen init "$pki" --hub hub.example.net --hub 203.0.113.10:443 \
	--hub '[2001:db8::1]:443' --prefix $P::/48
has init-says "$work/out" "$P::/48"
expect edge 0 keygen edge "$pki" alice
has edge-says "$work/out" "$P:1::/64"
expect edge-prefix 0 keygen edge "$pki" bob --prefix $P:10::/60 \
	--ipv4 198.51.100.77
expect edge-options-first 0 keygen edge --days 30 "$pki" carol
has edge-next-free "$work/out" "$P:2::/64"

for f in ca.key hub.pem alice.pem bob.pem carol.pem index; do
	m=$(stat -c %a "$pki/$f")
	if [ "$m" = 600 ]; then ok "mode-$f"; else not_ok "mode-$f" "$m"; fi
done
m=$(stat -c %a "$pki")
if [ "$m" = 700 ]; then ok mode-dir; else not_ok mode-dir "$m"; fi

# A generous umask opens nothing, a strict one breaks nothing.
(umask 0 && keygen init "$work/open" --hub h --prefix $P::/48 >/dev/null)
(umask 777 && keygen init "$work/shut" --hub h --prefix $P::/48 >/dev/null)
for d in open shut; do
	m=$(stat -c %a "$work/$d" "$work/$d/ca.key" "$work/$d/hub.pem" \
		"$work/$d/ca.crt" | tr '\n' ' ')
	if [ "$m" = "700 600 600 644 " ]; then
		ok "umask-$d"
	else
		not_ok "umask-$d" "$m"
	fi
done

# ---- openssl agrees ---------------------------------------------------------

for f in hub alice bob carol; do
	expect "openssl-verify-$f" 0 openssl verify -CAfile "$pki/ca.crt" \
		"$pki/$f.pem"
	expect "openssl-strict-$f" 0 openssl verify -x509_strict \
		-CAfile "$pki/ca.crt" "$pki/$f.pem"
	expect "openssl-pkey-$f" 0 openssl pkey -in "$pki/$f.pem" -noout -check
	openssl pkey -in "$pki/$f.pem" -pubout >"$work/a" 2>&1
	openssl x509 -in "$pki/$f.pem" -noout -pubkey >"$work/b" 2>&1
	expect "key-fits-$f" 0 same "$work/a" "$work/b"
done
expect openssl-server 0 openssl verify -purpose sslserver \
	-verify_hostname hub.unmap.invalid -CAfile "$pki/ca.crt" "$pki/hub.pem"
expect openssl-server-host 0 openssl verify -purpose sslserver \
	-verify_hostname hub.example.net -CAfile "$pki/ca.crt" "$pki/hub.pem"
expect openssl-server-address 0 openssl verify -purpose sslserver \
	-verify_ip 203.0.113.10 -CAfile "$pki/ca.crt" "$pki/hub.pem"
expect openssl-client 0 openssl verify -purpose sslclient \
	-CAfile "$pki/ca.crt" "$pki/alice.pem"
expect openssl-edge-no-server 2 openssl verify -purpose sslserver \
	-CAfile "$pki/ca.crt" "$pki/alice.pem"
expect openssl-other-ca 2 openssl verify -CAfile "$work/open/ca.crt" \
	"$pki/alice.pem"
expect openssl-ca-key 0 openssl pkey -in "$pki/ca.key" -noout -check

expect text-bob 0 openssl x509 -in "$pki/bob.pem" -noout -text
cp "$work/out" "$work/text"
has text-blocks "$work/text" "sbgp-ipAddrBlock: "
has text-prefix "$work/text" "$P:10::/60"
has text-ipv4 "$work/text" "198.51.100.77/32"
has text-role "$work/text" "DNS:bob.edge.unmap.invalid"
has text-begin "$work/text" "Not Before: Jan  1 00:00:00 2020 GMT"
if grep -q 'sbgp-ipAddrBlock: critical' "$work/text"; then
	not_ok text-not-critical "the blocks are critical"
else
	ok text-not-critical
fi
expect text-hub 0 openssl x509 -in "$pki/hub.pem" -noout -text
has text-hub-names "$work/out" \
	"DNS:hub.unmap.invalid, DNS:hub.example.net, IP Address:203.0.113.10"
has text-hub-prefix "$work/out" "$P::/48"
expect text-ca 0 openssl x509 -in "$pki/ca.crt" -noout -text
has text-ca-6 "$work/out" "::/0"
has text-ca-4 "$work/out" "0.0.0.0/0"
has text-ca-is-ca "$work/out" "CA:TRUE"

end=$(openssl x509 -in "$pki/alice.pem" -noout -enddate)
if [ "${end% GMT}" != "${end%"$(($(date +%Y) + 20)) GMT"}" ]; then
	ok life-20-years
else
	not_ok life-20-years "$end"
fi
expect life-days-within 0 openssl x509 -in "$pki/carol.pem" -noout \
	-checkend $((29 * 86400))
expect life-days-over 1 openssl x509 -in "$pki/carol.pem" -noout \
	-checkend $((31 * 86400))
expect life-after-2050 0 keygen edge "$pki" late --days 36525
expect openssl-verify-late 0 openssl verify -CAfile "$pki/ca.crt" \
	"$pki/late.pem"

# ---- show and list ----------------------------------------------------------

expect show 0 keygen show "$pki/bob.pem"
for t in "name: bob" "role: edge" "prefix: $P:10::/60" "ipv4: 198.51.100.77" \
	"hub: hub.example.net:6464" "hub: 203.0.113.10:443" \
	"hub: [2001:db8::1]:443"; do
	has "show-$(echo "$t" | tr -c 'a-z0-9\n' -)" "$work/out" "$t"
done
if grep -q PRIVATE "$work/out"; then
	not_ok show-no-key "shows a key"
else
	ok show-no-key
fi
expect show-ca 0 keygen show "$pki/ca.crt"
has show-ca-role "$work/out" "role: ca"
expect show-revoked 0 keygen show "$pki/revoked"
refuse show-key 65 "ca.key" keygen show "$pki/ca.key"
refuse show-nothing 66 "cannot read" keygen show "$pki/nothing"
refuse show-dir 66 "cannot read" keygen show "$pki"
refuse show-other 65 "not a bundle" keygen show /etc/passwd
expect list 0 keygen list "$pki"
has list-alice "$work/out" "$P:1::/64"
has list-ipv4 "$work/out" "198.51.100.77"
refuse list-nothing 66 "cannot open" keygen list "$work/nothing"
refuse list-other 66 "not made by" keygen list "$work"

# ---- renew and revoke -------------------------------------------------------

cp "$pki/alice.pem" "$work/alice.pem"
expect renew 0 keygen renew "$pki" alice --days 9
openssl pkey -in "$work/alice.pem" >"$work/a" 2>&1
openssl pkey -in "$pki/alice.pem" >"$work/b" 2>&1
expect renew-key-kept 0 same "$work/a" "$work/b"
expect renew-verify 0 openssl verify -CAfile "$pki/ca.crt" "$pki/alice.pem"
expect renew-show 0 keygen show "$pki/alice.pem"
has renew-prefix-kept "$work/out" "prefix: $P:1::/64"
expect renew-life 1 openssl x509 -in "$pki/alice.pem" -noout \
	-checkend $((10 * 86400))
refuse renew-nobody 64 "has no nobody" keygen renew "$pki" nobody

old=$(openssl x509 -in "$work/alice.pem" -noout -serial)
new=$(openssl x509 -in "$pki/alice.pem" -noout -serial)
expect revoke 0 keygen revoke "$pki" alice
for s in "$old" "$new"; do
	s=$(echo "${s#serial=}" | tr A-F a-f)
	has "revoke-$s" "$pki/revoked" "$s alice"
done
# The signature is ordinary ECDSA over all lines before it.
sed '/^-----BEGIN/,$d' "$pki/revoked" >"$work/signed"
sed -n '/^-----BEGIN/,/^-----END/{/^-----/d;p}' "$pki/revoked" |
	base64 -d >"$work/signature"
openssl x509 -in "$pki/ca.crt" -noout -pubkey >"$work/ca.pub"
expect revoke-signature 0 openssl dgst -sha256 -verify "$work/ca.pub" \
	-signature "$work/signature" "$work/signed"
expect revoke-again 0 keygen revoke "$pki" alice
expect revoke-list 0 keygen list "$pki"
has revoke-list-says "$work/out" "revoked"
refuse revoke-no-renew 64 "alice is revoked" keygen renew "$pki" alice
refuse revoke-no-again 73 "alice is revoked" keygen edge "$pki" alice
refuse revoke-hub 64 "hub cannot be revoked" keygen revoke "$pki" hub
refuse revoke-nobody 64 "has no nobody" keygen revoke "$pki" nobody

# ---- what is refused --------------------------------------------------------

refuse init-exists 73 "exists already" keygen init "$pki" --hub h --prefix $P::/48
mkdir "$work/empty"
refuse init-empty-exists 73 "exists already" keygen init "$work/empty" --hub h \
	--prefix $P::/48
refuse init-no-parent 73 "cannot make" keygen init "$work/a/b" --hub h \
	--prefix $P::/48
refuse init-no-hub 64 "--hub is missing" keygen init "$work/x" --prefix $P::/48
refuse init-no-prefix 64 "--prefix is missing" keygen init "$work/x" --hub h
refuse init-bad-hub 64 "expected HOST" keygen init "$work/x" --hub h:0 \
	--prefix $P::/48
for h in 256.1.1.1 1.2.3 0.0.0.0 224.0.0.1 a..b -h 'h h'; do
	refuse "init-bad-hub-$(echo "$h" | tr -c 'a-z0-9.\n' _)" 64 \
		"expected HOST" keygen init "$work/x" --hub="$h" \
		--prefix $P::/48
done
for h in hub.unmap.invalid x.edge.UNMAP.invalid; do
	refuse "init-hub-$h" 64 "a name of certificates" keygen init \
		"$work/x" --hub $h --prefix $P::/48
done
refuse init-bad-prefix 64 "expected an IPv6 prefix" keygen init "$work/x" --hub h \
	--prefix $P::1/48
refuse init-small-prefix 64 "no room for edges" keygen init "$work/x" --hub h \
	--prefix $P::/64
refuse init-multicast 64 "not unicast" keygen init "$work/x" --hub h \
	--prefix ff02::/48
refuse init-days 64 "expected 1 to 36525" keygen init "$work/x" --hub h \
	--prefix $P::/48 --days 0
if [ -e "$work/x" ] || ls -d "$work"/x.* >/dev/null 2>&1; then
	not_ok init-nothing-left "a directory is left"
else
	ok init-nothing-left
fi

refuse edge-exists 73 "exists already" keygen edge "$pki" bob
refuse edge-outside 64 "not inside" keygen edge "$pki" x --prefix 2001:db8:101::/64
refuse edge-overlap 64 "overlaps" keygen edge "$pki" x --prefix $P:1f::/64
refuse edge-subnet-0 64 "subnet 0" keygen edge "$pki" x --prefix $P::/64
refuse edge-too-long 64 "longer than /64" keygen edge "$pki" x \
	--prefix $P:9:8000::/65
refuse edge-bad-prefix 64 "expected an IPv6 prefix" keygen edge "$pki" x \
	--prefix nonsense
refuse edge-ipv4-taken 64 "is bob's already" keygen edge "$pki" x \
	--ipv4 198.51.100.77
refuse edge-ipv4-bad 64 "expected an IPv4 address" keygen edge "$pki" x --ipv4 1.2.3
refuse edge-no-dir 66 "cannot open" keygen edge "$work/nothing" x
refuse edge-not-ours 66 "not made by" keygen edge "$work/empty" x
for n in hub ca Alice 'a b' a.b ../a a/b '' a_b a- \
	a23456789012345678901234567890123; do
	refuse "edge-name-$(echo "$n" | tr -c 'A-Za-z0-9\n' _)" 64 "NAME" \
		keygen edge "$pki" "$n"
done
# A name that looks like an option is one, unless "--" is before it.
refuse edge-name-dash 64 "NAME" keygen edge -- "$pki" -a
if [ -e "$pki/x.pem" ]; then
	not_ok edge-nothing-left "x.pem was made"
else
	ok edge-nothing-left
fi

keygen init "$work/small" --hub h --prefix $P::/62 >/dev/null
for n in a b c; do
	expect "full-$n" 0 keygen edge "$work/small" $n
done
refuse full 69 "no free /64" keygen edge "$work/small" d

# Moved away is not free; a file of somebody else stays.
mv "$work/small/a.pem" "$work/a.pem"
refuse moved 73 "exists already" keygen edge "$work/small" a
refuse moved-renew 66 "cannot read" keygen renew "$work/small" a
expect moved-revoke 0 keygen revoke "$work/small" a
echo mine >"$pki/dora.pem"
refuse foreign 73 "not overwritten" keygen edge "$pki" dora
has foreign-kept "$pki/dora.pem" mine

# Damage is told, and nothing is made on top of it.
cp -r "$work/open" "$work/bad"
sed -i '/END CERT/d' "$work/bad/hub.pem"
refuse damaged-hub 65 "truncated" keygen edge "$work/bad" x
cp -r "$work/open" "$work/bad2"
cp "$pki/ca.key" "$work/bad2/ca.key"
refuse swapped-ca 65 "does not belong" keygen edge "$work/bad2" x
cp -r "$work/open" "$work/bad3"
cp "$pki/revoked" "$work/bad3/revoked"
refuse swapped-list 65 "not signed by this hub's CA" keygen edge "$work/bad3" x
cp -r "$work/open" "$work/bad4"
rm "$work/bad4/ca.key"
refuse no-ca-key 66 "ca.key" keygen edge "$work/bad4" x

# ---- interrupted and at once ------------------------------------------------

# Nobody hears what was made: that is an error, though it is made.
if [ -c /dev/full ]; then
	(keygen init "$work/unheard" --hub h --prefix $P::/48) >/dev/full \
		2>"$work/err"
	got=$?
	if [ $got = 74 ] && grep -q "cannot write" "$work/err"; then
		ok unheard
	else
		not_ok unheard "status $got: $(cat "$work/err")"
	fi
fi

# A file size limit of one byte: every write fails, nothing is left.
(
	ulimit -f 0
	trap '' XFSZ
	exec "$UNMAP" keygen init "$work/limit" --hub h --prefix $P::/48
) >"$work/out" 2>"$work/err"
got=$?
if [ $got = 74 ] && ! ls -d "$work"/limit* >/dev/null 2>&1; then
	ok no-space-init
else
	not_ok no-space-init "status $got: $(cat "$work/err")"
fi
before=$(find "$work/open" | sort)
(
	ulimit -f 0
	trap '' XFSZ
	exec "$UNMAP" keygen edge "$work/open" x
) >"$work/out" 2>"$work/err"
got=$?
if [ $got = 74 ] && [ "$before" = "$(find "$work/open" | sort)" ]; then
	ok no-space-edge
else
	not_ok no-space-edge "status $got: $(cat "$work/err")"
fi

for n in 1 2 3 4 5 6; do
	keygen edge "$work/open" "at-once-$n" >/dev/null &
done
wait
n=$(keygen list "$work/open" | awk 'NR > 2 { print $2 }' | sort -u | wc -l)
if [ "$n" = 6 ]; then ok at-once; else not_ok at-once "$n prefixes for 6"; fi

i=0
while [ $i -lt 30 ]; do
	"$UNMAP" keygen edge "$work/shut" "k$i" >/dev/null 2>&1 &
	p=$!
	sleep "0.00$((i % 10))"
	kill -9 $p 2>/dev/null
	wait $p 2>/dev/null
	i=$((i + 1))
done
expect killed-next 0 keygen edge "$work/shut" last
whole=yes
for f in "$work"/shut/*.pem; do
	if ! keygen show "$f" >/dev/null 2>&1 ||
		! openssl verify -CAfile "$work/shut/ca.crt" "$f" >/dev/null 2>&1
	then
		whole=$f
	fi
done
rows=$(keygen list "$work/shut" | awk 'NR > 2' | wc -l)
pems=$(find "$work/shut" -name '[kl]*.pem' | wc -l)
double=$(keygen list "$work/shut" | awk '{ print $2 }' | sort | uniq -d)
left=$(find "$work/shut" -name '.*' | wc -l)
if [ "$whole" = yes ] && [ "$rows" = "$pems" ] && [ -z "$double" ] &&
	[ "$left" = 0 ]; then
	ok "killed-whole"
else
	not_ok killed-whole "$whole, $rows rows, $pems bundles, $left left"
fi
exit $bad
