# shellcheck shell=bash disable=SC2015,SC2154,SC2034
# SPDX-License-Identifier: MIT
#
# topo.sh: the network of the laboratory
#
#  lan ── edge ── cgnat ──┬────────────┬── internet ─┬─ hub
#  lan2 ─ edge2 ─┘ └─ cgnat2 ─┘ └─ dly ─┘            └─ server
#
#  lan       eth0  untouched: configures itself by router advertisements
#  edge      br-lan (192.168.1.1/24)      wan 100.64.1.2/24, gateway .1
#  edge2     the same                     wan 100.64.2.2/24, gateway .1
#  cgnat     in1, in2                     out 198.51.100.1/24, or, in front of
#  cgnat2    in 100.127.0.1/24            a second NAT, 100.127.0.2/24
#  internet  cg 198.51.100.254  hb 203.0.113.9, 2001:db8:1::1
#                               sv 203.0.113.129, 2001:db8:5::1
#  hub       wan 203.0.113.10/29, 2001:db8:1::10; 2001:db8:100::/48 goes there
#  server    eth0 203.0.113.133/29, 2001:db8:5::5 (::53 is its DNS)
#  dly       no addresses; the program delay between its two interfaces
#
# Between edge and internet there is IPv4 only. native_on adds, for comparison,
# IPv6 on the same links, for 2001:db8:200::/48, and sends it by way of the hub
# in both directions, so that both take the same path.
#
#   topo [edge2] [cgnat2] [delay]   build it
#   nat_NAME                        make the CGNAT one of a kind

HUB4=203.0.113.10 HUB6=2001:db8:1::10
SRV4=203.0.113.133 SRV6=2001:db8:5::5 DNS6=2001:db8:5::53
NAT4=198.51.100.1
PREFIX=2001:db8:100::/48 NATIVE=2001:db8:200::/48
NATGW=cgnat LAB_DELAY='' LAB_SITES=1

topo() {
	local opt n nodes='lan edge cgnat internet hub server'

	for opt; do
		case $opt in
		edge2) LAB_SITES='1 2' nodes+=' lan2 edge2' ;;
		cgnat2) NATGW=cgnat2 nodes+=' cgnat2' ;;
		delay) LAB_DELAY=1 nodes+=' dly' ;;
		*) die "topo: what is $opt" ;;
		esac
	done
	for n in $nodes; do
		node "$n"
	done
	for n in $LAB_SITES; do
		topo_site "${n#1}"
	done
	topo_uplink
	topo_cgnat
	topo_internet
	nat_preserving
}

topo_site() {
	local n=$1

	link "lan$n" eth0 "edge$n" lan0
	ip_ "edge$n" link add br-lan type bridge forward_delay 0
	ip_ "edge$n" link set lan0 master br-lan
	ip_ "edge$n" addr add 192.168.1.1/24 dev br-lan
	ip_ "edge$n" link set br-lan up
	ip_ "lan$n" addr add 192.168.1.5/24 dev eth0
	ip_ "lan$n" route add default via 192.168.1.1
	link "edge$n" wan cgnat "in${n:-1}"
	ip_ "edge$n" addr add "100.64.${n:-1}.2/24" dev wan
	ip_ "edge$n" route add default via "100.64.${n:-1}.1"
	ip_ cgnat addr add "100.64.${n:-1}.1/24" dev "in${n:-1}"
}

# The wire between the last NAT and the Internet, straight or by way of delay.
topo_uplink() {
	if [ -z "$LAB_DELAY" ]; then
		link "$NATGW" out internet cg
		return
	fi
	set_ dly net.ipv6.conf.all.disable_ipv6=1 \
		net.ipv6.conf.default.disable_ipv6=1
	link "$NATGW" out dly a
	link internet cg dly b
	delay_build
	echo 'delay 0' >"$LAB_DIR/delay.conf"
	bg dly delay "$B/delay" "$LAB_DIR/delay.conf" a b
	until_ok 5 grep -q ready "$LAB_DIR/delay.log" || die "delay: no start"
}

topo_cgnat() {
	if [ "$NATGW" = cgnat2 ]; then
		link cgnat out cgnat2 in
		ip_ cgnat addr add 100.127.0.2/24 dev out
		ip_ cgnat route add default via 100.127.0.1
		ip_ cgnat2 addr add 100.127.0.1/24 dev in
		strict cgnat2
	fi
	strict cgnat
	ip_ "$NATGW" addr add $NAT4/24 dev out
	ip_ "$NATGW" route add default via 198.51.100.254
}

topo_internet() {
	set_ internet net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	link internet hb hub wan
	link internet sv server eth0
	ip_ internet addr add 198.51.100.254/24 dev cg
	ip_ internet addr add 203.0.113.9/29 dev hb
	ip_ internet addr add 203.0.113.129/29 dev sv
	ip_ internet addr add 2001:db8:1::1/64 dev hb nodad
	ip_ internet addr add 2001:db8:5::1/64 dev sv nodad
	ip_ hub addr add $HUB4/29 dev wan
	ip_ hub addr add $HUB6/64 dev wan nodad
	ip_ hub route add default via 203.0.113.9
	ip_ hub route add default via 2001:db8:1::1
	ip_ server addr add $SRV4/29 dev eth0
	ip_ server addr add $SRV6/64 dev eth0 nodad
	ip_ server addr add $DNS6/64 dev eth0 nodad preferred_lft 0
	ip_ server route add default via 203.0.113.129
	ip_ server route add default via 2001:db8:5::1
	ip_ internet route add $PREFIX via $HUB6
}

# A NAT's host: forwards, and its tracker follows TCP windows strictly.
strict() {
	set_ "$1" net.ipv4.ip_forward=1 \
		net.netfilter.nf_conntrack_tcp_loose=0 \
		net.netfilter.nf_conntrack_tcp_be_liberal=0
}

# The program delay

delay_build() {
	[ ! -x "$B/delay" ] || [ "$here/delay.c" -nt "$B/delay" ] || return 0
	cc -O2 -o "$B/delay.$BASHPID" "$here/delay.c" &&
		mv "$B/delay.$BASHPID" "$B/delay" || die "cannot build delay.c"
}

# delay_set LINE...: a new configuration (see delay.c)
delay_set() {
	local before

	before=$(grep -c ready "$LAB_DIR/delay.log")
	printf '%s\n' "$@" >"$LAB_DIR/delay.conf"
	kill -HUP "${PID[delay]}"
	until [ "$(grep -c ready "$LAB_DIR/delay.log")" -gt "$before" ]; do
		running delay || die "delay has ended"
		sleep 0.02
	done
}

# how many packets the rules have dropped
delay_dropped() {
	kill -USR1 "${PID[delay]}"
	sleep 0.1
	sed -n 's/.* dropped=\([0-9]*\).*/\1/p' "$LAB_DIR/delay.log" | tail -n 1
}

# wires_only NODE...: segments and finished checksums on the CGNAT's wires, as
# on real ones: lost, counted and measured are packets, not super-packets
real_wires() {
	local n i

	for n in $LAB_SITES; do
		wire "edge${n#1}" wan
		wire cgnat "in$n"
	done
	for i in "cgnat out" "cgnat2 in" "cgnat2 out" "internet cg"; do
		# shellcheck disable=SC2086
		[ ! -e "/run/netns/$LAB.${i% *}" ] || wire $i
	done
}

wire() {
	ns "$1" ethtool -K "$2" tx off tso off gso off gro off sg off \
		tx-udp-segmentation off >/dev/null 2>&1
}

# The kinds of NAT

# nat_rules NODE NAT-STATEMENT [FORWARD-RULE...]
nat_rules() {
	local gw=$1 nat=$2 rule rules=

	shift 2
	for rule; do
		rules+="		$rule"$'\n'
	done
	ns "$gw" nft -f - <<-EOF || die "nft: $gw: $nat"
	flush ruleset
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat
			oifname "out" $nat
		}
	}
	table ip filter {
		chain forward {
			type filter hook forward priority filter
			ct state invalid counter drop
	$rules
		}
	}
	EOF
}

nat_simple() {
	[ "$NATGW" = cgnat ] || nat_rules cgnat masquerade
	nat_rules "$NATGW" "$@"
}

nat_preserving() { nat_simple masquerade; }

nat_random() { nat_simple "masquerade random,fully-random"; }

nat_pool() {
	local i map=

	for i in 1 2 3 4 5 6 7 8; do
		[ "$i" = 1 ] || ip_ "$NATGW" addr add "198.51.100.$i/24" dev out
		map+="${map:+, }$((i - 1)) : 198.51.100.$i"
	done
	nat_simple "snat to numgen random mod 8 map { $map } random"
}

nat_block() {
	nat_simple "meta l4proto { tcp, udp } masquerade to :20000-21023"
	ns "$NATGW" nft add rule ip nat post oifname out masquerade
}

nat_twice() { nat_simple "masquerade random"; }

nat_loose() {
	nat_preserving
	set_ "$NATGW" net.netfilter.nf_conntrack_tcp_loose=1 \
		net.netfilter.nf_conntrack_tcp_be_liberal=1
}

nat_udp30() {
	nat_preserving
	set_ "$NATGW" net.netfilter.nf_conntrack_udp_timeout=30 \
		net.netfilter.nf_conntrack_udp_timeout_stream=30
}

nat_noudp() { nat_simple masquerade "meta l4proto udp drop"; }

nat_only443() {
	nat_simple masquerade "tcp dport != 443 ct direction original drop" \
		"meta l4proto != tcp drop"
}

nat_loss() { nat_simple masquerade "numgen random mod 100 == 0 drop"; }

# mtu_set MTU: of the link between the NAT and the Internet
mtu_set() {
	ip_ "$NATGW" link set out mtu "$1"
	ip_ internet link set cg mtu "$1"
}

# Nobody tells: fragmentation needed is dropped where it would be sent.
icmp_swallow() {
	local gw

	for gw in "$NATGW" internet; do
		ns "$gw" nft -f - <<-EOF || die "nft: $gw"
		table ip swallow {
			chain out {
				type filter hook output priority filter
				icmp type destination-unreachable drop
			}
			chain forward {
				type filter hook forward priority filter
				icmp type destination-unreachable drop
			}
		}
		EOF
	done
}

nat_mtu1480() { nat_preserving; mtu_set 1480; }
nat_mtu1400() { nat_preserving; mtu_set 1400; }
nat_mtu1400swallow() { nat_mtu1400; icmp_swallow; }

# The edge's own host masquerades IPv4 for its LAN.
edge_masquerade() {
	set_ edge net.ipv4.ip_forward=1
	ns edge nft -f - <<-EOF || die "nft: edge"
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat
			oifname "wan" ip saddr 192.168.1.0/24 masquerade
		}
	}
	EOF
}

# Native IPv6, by way of the hub as a router, for comparison

LAN6_NATIVE=2001:db8:200:1::5

native_on() {
	local gw

	[ "$NATGW" = cgnat ] || die "native_on: one NAT only"
	for gw in edge cgnat hub; do
		set_ "$gw" net.ipv6.conf.all.forwarding=1
	done
	ip_ edge addr add 2001:db8:f1::2/64 dev wan nodad
	ip_ cgnat addr add 2001:db8:f1::1/64 dev in1 nodad
	ip_ cgnat addr add 2001:db8:f0::1/64 dev out nodad
	ip_ internet addr add 2001:db8:f0::2/64 dev cg nodad
	ip_ edge addr add 2001:db8:200:1::1/64 dev br-lan nodad
	ip_ edge route add default via 2001:db8:f1::1
	ip_ cgnat route add default via 2001:db8:f0::2
	ip_ cgnat route add $NATIVE via 2001:db8:f1::2
	ip_ internet route add $NATIVE via $HUB6
	ip_ internet route add $NATIVE via 2001:db8:f0::1 table 200
	ip_ internet route add default via $HUB6 table 201
	ip_ internet -6 rule add iif hb to $NATIVE lookup 200 pref 200
	ip_ internet -6 rule add iif cg from $NATIVE lookup 201 pref 201
	ip_ lan addr add $LAN6_NATIVE/64 dev eth0 nodad
}

# The LAN host's way out, where no unmap is there to announce one
native_default() { ip_ lan route add default via 2001:db8:200:1::1 metric "${1:-2048}"; }
