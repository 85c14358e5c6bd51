#!/bin/bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2317,SC2016,SC2048,SC2086,SC2154 # cases run by name
#
# robust.sh: what must not bring the daemons down, and what they say to it
#
# Usage: robust.sh [CASE...]   cases: bad tls strangers memory clone names dial lan
#
# Prints "ok NAME", "not ok NAME" or "skip NAME: reason" for each test. A case
# is a function in a shell and a laboratory of its own. About 80 s in all.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topo.sh"
. "$here/traffic.sh"
. "$here/daemons.sh"

CASES='bad tls strangers memory clone names dial lan'
CASE='' FAILED=0

ok() { say "ok robust/$CASE/$1"; }

not_ok() {
	say "not ok robust/$CASE/$1"
	FAILED=1
}

# t NAME CMD...: a test
t() {
	local name=$1

	shift
	if "$@" >"$LAB_DIR/t.out" 2>&1; then
		ok "$name"
	else
		sed 's/^/# /' "$LAB_DIR/t.out" | tail -n 5
		not_ok "$name"
	fi
}

# up: everything runs, and a LAN host has its answer
up() {
	topo
	keys
	servers server
	servers lan
	hub_start
	edge_start --inbound all
	t link link_up || last_words
}

unmap_pids() {
	local p

	for p in $(ip netns pids "$LAB.$1"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != unmap ] || echo "$p"
	done
}

# resident memory of the daemon in a node, kB, helper and translator
rss() {
	local p sum=0

	for p in $(unmap_pids "$1"); do
		sum=$((sum + $(awk '/^VmRSS/ { print $2 }' "/proc/$p/status")))
	done
	echo $sum
}

# -- bad: refused in one line, and nothing stays --------------------------------

# refuse NAME NODE CODE TEXT CMD...
refuse() {
	local name=$1 node=$2 code=$3 text=$4 got err=$LAB_DIR/err

	shift 4
	ns "$node" timeout 8 "$@" >"$err" 2>&1 </dev/null
	got=$?
	if [ $got != "$code" ] || [ "$(wc -l <"$err")" != 1 ] ||
		! grep -qF -- "$text" "$err"; then
		say "# status $got, not $code: $(cat "$err")"
		not_ok "$name"
		return
	fi
	state "$node" >"$LAB_DIR/$node.after"
	t "$name" diff "$LAB_DIR/$node.before" "$LAB_DIR/$node.after"
}

settled() { ! ns "$1" ip addr | grep -q tentative; }

# A bundle like alice's with another prefix, signed by the same CA
bundle_like() {
	local to=$1 from=$2 until=$3 blocks=$4 d=$LAB_DIR/ca

	rm -rf "$d"
	mkdir -p "$d"
	: >"$d/index.txt"
	echo 77 >"$d/serial"
	cat >"$d/cnf" <<-EOF
	[ca]
	default_ca = d
	[d]
	new_certs_dir = $d
	database = $d/index.txt
	serial = $d/serial
	default_md = sha256
	policy = p
	x509_extensions = e
	[p]
	commonName = supplied
	[e]
	keyUsage = critical,digitalSignature
	extendedKeyUsage = clientAuth
	subjectAltName = DNS:alice.edge.unmap.invalid
	sbgp-ipAddrBlock = IPv6:$blocks
	EOF
	openssl pkey -in "$PKI/alice.pem" -out "$d/key" &&
		openssl req -new -key "$d/key" -out "$d/csr" \
			-subj /CN=alice.edge.unmap.invalid &&
		openssl ca -batch -notext -config "$d/cnf" -in "$d/csr" \
			-cert "$PKI/ca.crt" -keyfile "$PKI/ca.key" \
			-startdate "$from" -enddate "$until" -out "$d/crt" \
			2>"$d/log" || return 1
	{
		echo "hub: $HUB4:6464"
		cat "$d/key" "$d/crt" "$PKI/ca.crt"
	} >"$to"
}

case_bad() {
	local hub alice

	topo
	keys
	hub=$PKI/hub.pem alice=$PKI/alice.pem
	until_ok 5 settled edge && until_ok 5 settled hub
	sleep 0.5
	state edge >"$LAB_DIR/edge.before"
	state hub >"$LAB_DIR/hub.before"
	refuse listen_elsewhere hub 69 "address of this machine" \
		"$UNMAP" hub "$hub" --listen 192.0.2.1
	refuse no_tun hub 69 "no /dev/net/tun" unshare -m sh -c \
		'mount -t tmpfs none /dev; exec "$@"' x "$UNMAP" hub "$hub"
	refuse no_tun_edge edge 69 "no /dev/net/tun" unshare -m sh -c \
		'mount -t tmpfs none /dev; exec "$@"' x "$UNMAP" edge "$alice"
	refuse no_rights hub 77 "CAP_NET_ADMIN" setpriv --bounding-set=-all \
		--inh-caps=-all "$UNMAP" hub "$hub"
	refuse too_many_lans edge 64 "no /64 of" "$UNMAP" edge "$alice" \
		--lan br-lan --lan lan0
	refuse read_only_sysctls edge 71 "cannot configure this host" \
		unshare -m sh -c 'mount -o bind,ro /proc/sys /proc/sys
		exec "$@"' x "$UNMAP" edge "$alice" --lan br-lan
	bundle_like "$LAB_DIR/old.pem" 20200101000000Z 20220101000000Z \
		2001:db8:100:1::/64
	refuse expired edge 65 "expired on 2022-01-01" \
		"$UNMAP" edge "$LAB_DIR/old.pem"
	bad_in_use
}

bad_in_use() {
	bg hub nc nc -l -p 6464
	until_ok 3 ns hub nc -z 127.0.0.1 6464
	stop nc
	bg hub nc nc -k -l -p 6464
	until_ok 3 ns hub nc -z 127.0.0.1 6464
	refuse port_in_use hub 69 "choose another with --listen" \
		"$UNMAP" hub "$hub"
	stop nc
	bg hub nc nc -u -l -p 6464
	sleep 0.3
	refuse udp_port_in_use hub 69 "UDP 0.0.0.0:6464" "$UNMAP" hub "$hub"
	stop nc
	bg hub nc nc -k -l -p 62000
	until_ok 3 ns hub nc -z 127.0.0.1 62000
	refuse range_in_use hub 69 "TCP port 62000" "$UNMAP" hub "$hub"
	stop nc
	hub_start
	until_ok 5 ns hub nc -z 127.0.0.1 6464
	sleep 0.5
	state hub >"$LAB_DIR/hub.before"
	refuse range_of_another hub 69 "another unmap" "$UNMAP" hub "$hub" \
		--ports 65000-65100 --listen "$HUB4:7000"
	bundle_like "$LAB_DIR/far.pem" 20200101000000Z 20400101000000Z \
		2001:db8:999:1::/64
	bg edge far "$UNMAP" edge "$LAB_DIR/far.pem"
	t prefix_told_hub until_ok 5 grep -q "not inside this hub's" \
		"$LAB_DIR/hub.log"
	t prefix_told_edge until_ok 5 grep -qiE "refused|prefix .*hub" \
		"$LAB_DIR/far.log"
}

# -- tls: who is refused, and what both sides say --------------------------------

# client NAME TEXT-OF-CLIENT TEXT-OF-HUB ARG...
client() {
	local name=$1 here=$2 there=$3

	shift 3
	ns edge timeout 4 openssl s_client -connect "$HUB4:6464" "$@" \
		</dev/null >"$LAB_DIR/client.log" 2>&1
	t "$name" grep -qi -- "$here" "$LAB_DIR/client.log"
	[ -z "$there" ] ||
		t "$name-hub" until_ok 3 grep -q -- "$there" "$LAB_DIR/hub.log"
}

case_tls() {
	local pair

	topo
	keys
	mv "$PKI" "$LAB_DIR/other"
	keys
	bundle_like "$LAB_DIR/old.pem" 20200101000000Z 20220101000000Z \
		2001:db8:100:1::/64
	hub_start
	until_ok 5 ns hub nc -z 127.0.0.1 6464
	stop hub
	hub_start
	until_ok 5 ns hub sh -c 'ss -ltn | grep -q :6464'
	pair="-cert $PKI/alice.pem -key $PKI/alice.pem"
	# shellcheck disable=SC2086 # words
	client good "Verify return code: 0" '' -tls1_2 $pair \
		-CAfile "$PKI/ca.crt" -verify_return_error
	t good-aead grep -qE 'Cipher is ECDHE-ECDSA-(AES128-GCM|CHACHA20)' \
		"$LAB_DIR/client.log"
	client no_certificate "alert number 40" "sent no certificate" -tls1_2
	client other_ca "alert unknown ca" "from another CA" -tls1_2 \
		-cert "$LAB_DIR/other/bob.pem" -key "$LAB_DIR/other/bob.pem"
	client hubs "alert unsupported certificate" "certificate is the hub's" \
		-tls1_2 -cert "$PKI/hub.pem" -key "$PKI/hub.pem"
	client expired "alert certificate expired" "has expired" -tls1_2 \
		-cert "$LAB_DIR/ca/crt" -key "$LAB_DIR/ca/key"
	client rsa "alert handshake failure" "no cipher suite" -tls1_2 \
		-cipher AES128-GCM-SHA256:AES256-SHA
	client cbc "alert handshake failure" '' -tls1_2 \
		-cipher ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA
	client tls11 "Cipher is (NONE)" '' -tls1_1 -cipher ALL:@SECLEVEL=0
	tls_mute
	stop hub
	tls_servers
	tls_revoked
}

established() {
	[ "$(ns hub ss -tnH state established '( sport = :6464 )' |
		wc -l)" -le "$1" ]
}

# With a good bundle, and never a word: few at once, and not for long
tls_mute() {
	local pids=()

	for _ in 1 2 3 4 5 6 7 8; do
		ns edge sh -c 'sleep 14 | openssl s_client -quiet -tls1_2 \
			-connect "$1" -cert "$2" -key "$2"' x "$HUB4:6464" \
			"$PKI/alice.pem" >/dev/null 2>&1 &
		pids+=($!)
	done
	t mute-told until_ok 4 grep -q "that say nothing" "$LAB_DIR/hub.log"
	t mute-few until_ok 4 established 4
	t mute-gone until_ok 12 established 0
	wait "${pids[@]}"
}

# A false hub: server NAME BUNDLE TEXT
server() {
	bg hub "$1" sh -c 'sleep 6 | openssl s_server -accept 6464 -cert "$1" \
		-key "$1" -CAfile "$2" -Verify 2' x "$2" "$PKI/ca.crt"
	: >"$LAB_DIR/edge.log"
	edge_start
	t "$1" until_ok 5 grep -q "$3" "$LAB_DIR/edge.log"
	t "$1-alert" until_ok 3 grep -qa "SSL alert number" "$LAB_DIR/$1.log"
	stop edge
	stop "$1"
	until_ok 8 eval '! ns hub nc -z 127.0.0.1 6464'
}

tls_servers() {
	server edge_as_hub "$PKI/bob.pem" "certificate is an edge's"
	server other_hub "$LAB_DIR/other/hub.pem" "from another CA"
}

in_two_seconds() {
	local end=$((SECONDS + 3))

	until grep -qi revoked "$LAB_DIR/hub.log"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

connected() { status_ hub | grep -q "1 connected"; }

tls_revoked() {
	servers server
	: >"$LAB_DIR/hub.log"
	hub_start
	edge_start
	t revoked-link link_up
	"$UNMAP" keygen revoke "$PKI" alice >>"$LAB_DIR/keygen.log" 2>&1
	t revoked-hub in_two_seconds
	t revoked-edge until_ok 3 grep -qi revoked "$LAB_DIR/edge.log"
	: >"$LAB_DIR/hub.log"
	sleep 5
	t revoked-polite test "$(grep -ci refused "$LAB_DIR/hub.log")" -le 8
	t revoked-traffic eval '! answers lan "$SRV6"'
	rm "$PKI/revoked"
	kill -HUP "${PID[hub]}"
	t revoked-vanished until_ok 3 grep -q "stays in force" "$LAB_DIR/hub.log"
	t revoked-still eval '! until_ok 12 connected'
}

# -- strangers: nothing is answered, nothing grows ---------------------------------

strange() { ns "$1" timeout 40 "$PYTHON" "$here/strange.py" "${@:2}"; }

grew() { [ $(($(rss "$1") - $2)) -le 4096 ]; }

case_strangers() {
	local hub edge out

	up
	t_tcp_out
	hub=$(rss hub) edge=$(rss edge)
	bg internet record "$PYTHON" "$here/strange.py" record cg \
		"$LAB_DIR/kept" 2
	sleep 0.5
	udp_ lan "$SRV6" 100 400
	wait "${PID[record]}"
	out=$(strange internet noise "$HUB4" 6464 61000 65535)
	say "# $out"
	t noise-unanswered grep -q '^udp 0 syn 0 ' <<<"$out"
	t noise-link answers lan "$SRV6"
	t noise-tcp t_tcp_out
	t recorded grep -qE "kept [1-9]" "$LAB_DIR/record.log"
	t replay strange internet replay hb "$LAB_DIR/kept"
	t readdressed strange internet replay hb "$LAB_DIR/kept" 203.0.113.133
	t replay-link t_tcp_out
	t replay-udp t_udp_out
	t hub-memory grew hub "$hub"
	t edge-memory grew edge "$edge"
	say "# hub $hub -> $(rss hub) kB, edge $edge -> $(rss edge) kB"
	t half-open-gone until_ok 14 half_open_gone
	t no-restart eval '! grep -q translator "$LAB_DIR/hub.log"'
}

half_open_gone() {
	[ "$(ns hub ss -tnH state established '( sport = :6464 )' |
		wc -l)" -le 3 ]
}

# -- memory: 10,000 sessions under 32 MB -------------------------------------------

case_memory() {
	local n

	up
	say "# start: hub $(rss hub) kB, edge $(rss edge) kB"
	n=$(strange lan flows "$SRV6" 7 10000)
	t flows test "$n" -ge 9900
	say "# $n flows: hub $(rss hub) kB, edge $(rss edge) kB"
	t hub test "$(rss hub)" -lt 32768
	t edge test "$(rss edge)" -lt 32768
}

# -- clone: one bundle on two machines -----------------------------------------------

case_clone() {
	topo edge2
	keys
	servers server
	hub_start
	edge_start
	t link link_up
	bg edge2 edge2 "$UNMAP" edge "$PKI/alice.pem" --lan br-lan \
		--status "$LAB-clone"
	t told_hub until_ok 15 grep -qiE 'bundle.*(copied|another|twice|clone)' \
		"$LAB_DIR/hub.log"
	t told_edge until_ok 5 grep -qiE 'another edge|copied|clone' \
		"$LAB_DIR/edge.log" "$LAB_DIR/edge2.log"
	: >"$LAB_DIR/hub.log"
	sleep 6
	t no_storm test "$(grep -c 'link up' "$LAB_DIR/hub.log")" -le 3
}

# -- names: a hub by name, on 443 only ------------------------------------------------

case_names() {
	topo
	keys hub.example:6464 hub.example:443
	servers server
	nat_only443
	mkdir -p "/etc/netns/$LAB.edge"
	echo "$HUB4 hub.example" >"/etc/netns/$LAB.edge/hosts"
	hub_start
	edge_start
	t only443 link_up 15
	t only443-tcp t_tcp_out
	stop edge
	nat_noudp
	edge_start
	t noudp link_up 10
	stop edge
	echo "127.0.0.1 localhost" >"/etc/netns/$LAB.edge/hosts"
	echo "nameserver 127.0.0.1" >"/etc/netns/$LAB.edge/resolv.conf"
	: >"$LAB_DIR/edge.log"
	edge_start
	t unknown_name until_ok 8 grep -q "cannot resolve the hub's name" \
		"$LAB_DIR/edge.log"
	echo "$HUB4 hub.example" >"/etc/netns/$LAB.edge/hosts"
	t name_later link_up 20
	rm -rf "/etc/netns/$LAB.edge"
}

# -- dial: one port swallowed, the hub late, its name gone --------------------------------

dialled() {
	until_ok "$1" grep -q 'connected to the hub' "$LAB_DIR/edge.log"
}

case_dial() {
	topo
	keys hub.example:443 hub.example:6464
	servers server
	mkdir -p "/etc/netns/$LAB.edge"
	echo "$HUB4 hub.example" >"/etc/netns/$LAB.edge/hosts"
	echo "nameserver 127.0.0.1" >"/etc/netns/$LAB.edge/resolv.conf"
	ns hub nft -f - <<-EOF
	table ip swallow {
		chain input {
			type filter hook input priority 0;
			tcp dport 443 drop
		}
	}
	EOF
	edge_start
	sleep 3
	hub_start
	t swallowed_port dialled 6
	t swallowed_port-link link_up
	: >"$LAB_DIR/edge.log"
	echo "127.0.0.1 localhost" >"/etc/netns/$LAB.edge/hosts"
	stop hub
	hub_start
	t name_gone dialled 10
	rm -rf "/etc/netns/$LAB.edge"
}

# -- lan: what becomes of the LAN's hosts ------------------------------------------------

has_default6() { [ -n "$(ip_ lan -6 route show default)" ]; }
lan_addr() { ip_ edge -6 addr show br-lan | grep -q ' 2001:db8:100:1::1/64 '; }
fd_is_null() { [ "$(readlink "/proc/${PID[$1]}/fd/2")" = /dev/null ]; }
said_mac() {
	ip_ lan neigh show | grep -q "^fe80.* lladdr $1 router"
}

lan_anew() {
	ip_ edge link del br-lan
	sleep 1
	ip_ edge link add br-lan type bridge forward_delay 0
	ip_ edge link set lan0 master br-lan
	ip_ edge addr add 192.168.1.1/24 dev br-lan
	ip_ edge link set br-lan up
}

case_lan() {
	topo
	keys
	servers server
	chmod 644 "$PKI/alice.pem"
	edge_start
	t no_hub-advertised until_ok 8 has_default6
	t readable_key-told grep -q "chmod 600" "$LAB_DIR/edge.log"
	t no_hub-given_up until_ok 14 eval '! has_default6'
	hub_start
	t hub-advertised until_ok 10 has_default6
	t link link_up
	t outer-no_address eval '! ns edge ip addr show unmapx0 | grep -q inet'
	t status-by_process ns edge "$UNMAP" status "${PID[edge]}"
	ip_ edge link set br-lan down
	ip_ edge link set br-lan up
	t down_up-address until_ok 3 lan_addr
	t down_up-link link_up
	ip_ edge -6 addr flush dev br-lan scope global
	t flushed-address until_ok 3 lan_addr
	ip_ edge link set br-lan address 02:00:00:00:00:77
	t mac-told until_ok 5 said_mac 02:00:00:00:00:77
	lan_anew
	t anew-address until_ok 5 lan_addr
	t anew-link link_up
	stop hub
	t hub_gone-given_up until_ok 30 eval '! has_default6'
	hub_start
	t hub_back-advertised until_ok 10 has_default6
	stop edge
	t edge_gone-given_up until_ok 3 eval '! has_default6'
	bg edge notify socat -u "UNIX-RECV:$LAB_DIR/notify" -
	until_ok 3 test -S "$LAB_DIR/notify"
	NOTIFY_SOCKET=$LAB_DIR/notify edge_start
	t notify-ready until_ok 5 grep -qa READY=1 "$LAB_DIR/notify.log"
	kill -HUP "${PID[edge]}"
	t notify-reload until_ok 3 grep -qa RELOADING=1 "$LAB_DIR/notify.log"
	stop edge
	t notify-stop until_ok 3 grep -qa STOPPING=1 "$LAB_DIR/notify.log"
	bg edge edge sh -c 'exec "$@" <&- >&- 2>&-' x "$UNMAP" edge \
		"$PKI/alice.pem" --status "$LAB-alice"
	t closed_stdio until_ok 3 fd_is_null edge
}

# -- run --------------------------------------------------------------------------------

one() (
	CASE=$1
	lab_begin "r$CASE"
	"case_$CASE"
	[ $FAILED = 0 ] || last_words
	rm -rf "/etc/netns/$LAB.edge"
	exit $FAILED
)

main() {
	local c bad=0 pids=()

	lab_need
	[ -x "$UNMAP" ] || die "no $UNMAP: run make first"
	# shellcheck disable=SC2086 # words
	set -- ${*:-$CASES}
	for c; do
		one "$c" &
		pids+=($!)
		while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do
			wait -n # what it says of which is not certain
		done
	done
	for c; do
		wait "${pids[0]}" || {
			bad=1
			say "# case $c did not end well"
		}
		pids=("${pids[@]:1}")
	done
	exit $bad
}

main "$@"
