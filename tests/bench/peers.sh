# shellcheck shell=bash disable=SC2015,SC2153,SC2154,SC2034
# SPDX-License-Identifier: MIT
#
# peers.sh: what bench.sh compares, started in the laboratory's nodes
#
# For a subject NAME there is start_NAME: it brings NAME up between edge and hub
# and sets ADDR, the LAN host's address whose packets take it. Optional:
# lack_NAME says in words what is missing; stop_NAME undoes more than the end
# of all processes in edge and hub undoes. The server has an address of its own
# for each subject ($SRV), so that no path MTU learned from one burdens another.
#
# Peers (not unmap) get 2001:db8:300:K::/64: peer_routes DEVICE sends it through
# DEVICE at both ends. All take edge - cgnat - hub; the CGNAT masquerades.

# NAME and title, in the order of the table
SUBJECTS=(
	'plain plain'
	'unmap unmap'
	'user --no-fast'
	'own own'
	'shared shared'
	'relay relay'
	'nobpf --no-bpf'
	'wireguard wg-go'
	'tayga tayga'
	'openvpn OpenVPN'
)

WG_PORT=51820 WG_MTU=1420
# The largest whose UDP packet is 1500 bytes; nothing but the packet is in it.
OVPN_PORT=1194 OVPN_MTU=1472
# tayga's two ends as the IPv4 between them sees them
TAYGA_LAN4=192.0.2.65 TAYGA_SRV4=192.0.2.5

needs() {
	local tool missing=

	for tool; do
		command -v "$tool" >/dev/null || missing+=" $tool"
	done
	[ -z "$missing" ] || echo "not installed:$missing"
}

has_no_fast() { "$UNMAP" edge --help | grep -q -- --no-fast; }

# plain

start_plain() { ADDR=$LAN6_NATIVE; }

# unmap; each mode is a fresh pair of daemons

unmap_up() {
	local opts=()

	! has_no_fast || [ "${1:-}" != --no-fast ] || opts+=(--no-fast)
	[ "${1:-}" = --no-fast ] || opts+=("$@")
	hub_start "${opts[@]}"
	edge_start "${opts[@]}"
	until_ok 20 has_lan6 || return 1
	ADDR=$LAN6
}

# Own carriers come after the probe of the path.
probed() { status_ alice --json | grep -q '"own_tcp": *"confirmed"'; }

start_unmap() { unmap_up && until_ok 20 probed; }
start_user() { unmap_up --no-fast && until_ok 20 probed; }
start_own() { unmap_up --carriers own && until_ok 20 probed; }
start_shared() { unmap_up --carriers shared; }
start_relay() { unmap_up --carriers relay; }
start_nobpf() { unmap_up --no-bpf && until_ok 20 probed; }

lack_user() {
	has_no_fast ||
		echo "no such option: every packet goes through user space"
}

# peers

# peer_routes EDGE-DEVICE HUB-DEVICE: ADDR through them
peer_routes() {
	local k net

	k=$(subject_number "$SUBJECT")
	net=2001:db8:300:$k
	ADDR=$net::5
	ip_ edge link set "$1" up
	ip_ hub link set "$2" up
	ip_ lan addr replace "$ADDR/64" dev eth0 nodad
	ip_ edge addr replace "$net::1/64" dev br-lan nodad
	ip_ edge -6 route replace default dev "$1" table "$((300 + k))"
	ip_ edge -6 rule add from "$net::/64" lookup "$((300 + k))" \
		pref "$((300 + k))"
	# main knows the LAN, the table of the peer only the way out
	ip_ edge -6 rule add from "$net::/64" to "$net::/64" lookup main pref 299
	ip_ hub -6 route replace "$net::/64" dev "$2"
	ip_ internet -6 route replace 2001:db8:300::/48 via "$HUB6"
}

peer_unroute() {
	local k

	k=$(subject_number "$SUBJECT")
	ip_ edge -6 rule del pref "$((300 + k))"
	ip_ edge -6 rule del pref 299
	ip_ edge addr del "2001:db8:300:$k::1/64" dev br-lan
	ip_ lan addr del "2001:db8:300:$k::5/64" dev eth0
}

lack_wireguard() { needs wireguard-go wg; }

# The control sockets are in /run, which all namespaces share: names differ.
start_wireguard() {
	local e=wge$LAB_ID h=wgh$LAB_ID n

	for n in edge hub; do
		(umask 077 && wg genkey >"$LAB_DIR/$n.wg")
		wg pubkey <"$LAB_DIR/$n.wg" >"$LAB_DIR/$n.wgpub"
	done
	bg edge wg-edge wireguard-go -f "$e"
	bg hub wg-hub wireguard-go -f "$h"
	until_ok 5 ns edge wg show "$e" && until_ok 5 ns hub wg show "$h" ||
		return 1
	ns hub wg set "$h" private-key "$LAB_DIR/hub.wg" listen-port $WG_PORT \
		peer "$(cat "$LAB_DIR/edge.wgpub")" \
		allowed-ips "2001:db8:300:$(subject_number wireguard)::/64"
	ns edge wg set "$e" private-key "$LAB_DIR/edge.wg" \
		peer "$(cat "$LAB_DIR/hub.wgpub")" \
		endpoint "$HUB4:$WG_PORT" allowed-ips ::/0
	ip_ edge link set "$e" mtu $WG_MTU
	ip_ hub link set "$h" mtu $WG_MTU
	peer_routes "$e" "$h"
}

stop_wireguard() { peer_unroute; }

lack_tayga() { needs tayga; }

# A stateless translator at each end, IPv6 - IPv4 - IPv6; no tunnel. The hub's
# knows the site by the address that the CGNAT gives it: one site, one host.
start_tayga() {
	local lan6 n

	lan6=2001:db8:300:$(subject_number tayga)::5
	tayga_conf edge "$lan6" $TAYGA_LAN4
	tayga_conf hub "$lan6" "$NAT4"
	for n in edge hub; do
		set_ $n net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0
		ns $n tayga --mktun -c "$LAB_DIR/tayga-$n/conf" >/dev/null ||
			return 1
		ip_ $n link set nat64 up
		bg $n "tayga-$n" tayga -n -c "$LAB_DIR/tayga-$n/conf"
	done
	ip_ edge route replace $TAYGA_LAN4 dev nat64
	ip_ edge route replace $TAYGA_SRV4 via 100.64.1.1
	ip_ cgnat route replace $TAYGA_LAN4 via 100.64.1.2
	ip_ internet route replace $TAYGA_SRV4 via "$HUB4"
	ip_ hub route replace $TAYGA_SRV4 dev nat64
	peer_routes nat64 nat64
}

# tayga_conf NODE LAN6 LAN4
tayga_conf() {
	mkdir -p "$LAB_DIR/tayga-$1"
	cat >"$LAB_DIR/tayga-$1/conf" <<-EOF
	tun-device nat64
	ipv4-addr 192.0.2.254
	ipv6-addr 2001:db8:300:ffff::64
	map $3 $2
	map $TAYGA_SRV4 $SRV
	data-dir $LAB_DIR/tayga-$1
	EOF
}

stop_tayga() {
	local n

	peer_unroute
	for n in edge hub; do
		ip_ $n link del nat64
	done
}

lack_openvpn() { needs openvpn; }

start_openvpn() {
	local opts=(--dev ovpn0 --dev-type tun --proto udp4 --ifconfig-noexec
		--cipher none --auth none --tun-mtu "$OVPN_MTU" --mssfix 0
		--fast-io --txqueuelen 1000 --disable-dco --verb 1)

	bg hub ovpn-hub openvpn "${opts[@]}" --local "$HUB4" \
		--port $OVPN_PORT --float
	bg edge ovpn-edge openvpn "${opts[@]}" --remote "$HUB4" $OVPN_PORT \
		--nobind
	until_ok 5 ns edge test -e /sys/class/net/ovpn0 &&
		until_ok 5 ns hub test -e /sys/class/net/ovpn0 || return 1
	sleep 0.3
	peer_routes ovpn0 ovpn0
}

stop_openvpn() { peer_unroute; }
