#!/bin/bash
# shellcheck disable=SC2317 # check() calls the small functions
# SPDX-License-Identifier: MIT
#
# ifconf.sh: what edge and hub do to their hosts, seen from the neighbours
#
#	host ── lan0 edge lan1 ── host2        untouched Linux hosts: SLAAC
#	router ── up0 hub                      prefix on the link: NDP proxy
#
# No tunnel: tests/lab/hostconf.c configures its host through the helper and
# answers every ping that is routed into its inner TUN.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lab/lib.sh
. "$here/lib.sh"

bad=0
check() { # NAME CMD...
	local name=$1

	shift
	if "$@" >>"$LAB_DIR/check.log" 2>&1; then
		say "ok lab/ifconf: $name"
	else
		say "not ok lab/ifconf: $name"
		bad=1
	fi
}
not() { ! "$@"; }

state() { # NODE: all that ifconf may touch
	ip_ "$1" -6 addr show scope global | grep -v valid_lft
	ip_ "$1" -6 route show table all | grep -v 'table local\|^fe80\|^ff00'
	ip_ "$1" -6 rule
	# shellcheck disable=SC2016
	ns "$1" sh -c 'cd /proc/sys/net && grep . ipv6/conf/*/forwarding \
		ipv6/conf/*/accept_ra ipv4/ip_local_reserved_ports'
}

as_before() { state "$1" | diff "$LAB_DIR/$1.before" -; }
ready() { grep -q ready "$LAB_DIR/$1.log"; }
translator() { sed -n 's/.*translator=//p' "$LAB_DIR/$1.log" | tail -n 1; }

has_addr() { ip_ "$1" -6 addr show dynamic | grep -q "inet6 $2"; }
has_default() { ip_ "$1" -6 route show default | grep -q 'proto ra'; }
mtu_is() { [ "$(ns "$1" cat /proc/sys/net/ipv6/conf/eth0/mtu)" = "$2" ]; }
deprecated() { ip_ "$1" -6 addr show dynamic | grep -q 'deprecated'; }
unreachable() { ns "$1" ping -n -c 1 -W 2 "$2" 2>&1 | grep -qi 'unreachable'; }
ping_() { ns "$1" ping -n -c 1 -W 2 "$2"; }
silent() { ! ns "$1" ping -n -c 2 -i 0.2 -W 1 "$2" >/dev/null; }

lab_begin ifc
export UNMAP_RUN=$LAB_DIR/run
tool=$LAB_DIR/hostconf
cc -O1 -g -std=c11 -D_GNU_SOURCE -I"$TOP" -o "$tool" "$here/hostconf.c" \
	"$TOP"/net/{helper,helper_ask,ifconf,sysctl,rtnl,nlreq,loop,resolve,ra,ndp,tun}.c \
	"$TOP"/core/{addr,csum,rand}.c || die "cannot build hostconf.c"
if [ ! -c /dev/net/tun ]; then
	say "skip lab/ifconf: no /dev/net/tun"
	exit 0
fi

# ---- edge --------------------------------------------------------------------
for n in host host2 edge; do node $n; done
link host eth0 edge lan0
link host2 eth0 edge lan1
set_ edge net.ipv4.ip_local_reserved_ports=8080,61500-61600
sleep 2 # link-local addresses
state edge >"$LAB_DIR/edge.before"
bg edge edge "$tool" edge 2001:db8:100:100::/56 lan0 lan1
check "edge starts" until_ok 5 ready edge
check "host configures itself" until_ok 10 has_addr host 2001:db8:100:100:
check "host has a default route" until_ok 5 has_default host
check "host has the advertised MTU" mtu_is host 1492
check "host on the second LAN has the next /64" \
	until_ok 10 has_addr host2 2001:db8:100:101:
check "host reaches the edge's address" until_ok 5 ping_ host 2001:db8:100:100::1
check "host reaches the other LAN" until_ok 5 ping_ host 2001:db8:100:101::1
check "host reaches the Internet by the tunnel" \
	until_ok 5 ping_ host 2001:db8:ffff::1
check "edge itself does" ping_ edge 2001:db8:ffff::1
check "an unused part of the prefix is unreachable, no loop" \
	unreachable host 2001:db8:100:177::1
check "ports are reserved" grep -q '^8080,61000-65535' \
	<(ns edge cat /proc/sys/net/ipv4/ip_local_reserved_ports)

kill -HUP "${PID[edge]}"
check "no carrier: host gives the route up" until_ok 3 not has_default host
check "and prefers other addresses" deprecated host
kill -HUP "${PID[edge]}"
check "a carrier again: the route is back" until_ok 3 has_default host
check "and so is its address" until_ok 3 not deprecated host

first=$(translator edge)
kill -9 "$first"
again() { [ "$(translator edge)" != "$first" ]; }
check "translator killed: started again" until_ok 5 again
check "host goes on" until_ok 15 ping_ host 2001:db8:ffff::1
stop edge
check "the end: host gives the route up" until_ok 3 not has_default host
check "all is undone" as_before edge

bg edge edge "$tool" edge 2001:db8:100:100::/56 lan0 lan1
sleep 1
second=$(translator edge)
kill -9 "${PID[edge]}"
gone() { ! kill -0 "$second" 2>/dev/null; }
check "helper killed: translator ends" until_ok 3 gone
check "host gives the route up" until_ok 3 not has_default host
check "what is left hurts nobody: refused at once" \
	unreachable host 2001:db8:ffff::1
bg edge edge "$tool" edge 2001:db8:100:100::/56 lan0 lan1
check "started again over it" until_ok 5 has_default host
check "and it works" until_ok 5 ping_ host 2001:db8:ffff::1
stop edge
check "now all is undone" as_before edge

# ---- a native default stays -----------------------------------------------------
node isp
link isp eth0 edge up0
ip_ isp addr add 2001:db8:77::1/64 dev eth0 nodad
ip_ isp addr add 2001:db8:eeee::1/128 dev lo nodad
ip_ isp route add 2001:db8:100::/48 via 2001:db8:77::2
ip_ edge addr add 2001:db8:77::2/64 dev up0 nodad
ip_ edge route add default via 2001:db8:77::1 metric 1024
bg edge edge "$tool" edge 2001:db8:100:100::/56 lan0
check "with a native default: edge starts" until_ok 5 has_default host
via() { ip_ edge -6 route get 2001:db8:eeee::1 "${@:2}" | grep -q "dev $1 "; }
check "from the prefix into the tunnel" via inner0 from 2001:db8:100:100::1
check "from elsewhere by the native one" via up0
check "connected networks win" \
	grep -q 'dev up0' <(ip_ edge -6 route get 2001:db8:77::1 from 2001:db8:100:100::1)
stop edge

# ---- hub with its prefix on the link ---------------------------------------------
for n in router hub; do node $n; done
link router eth0 hub up0
ip_ router addr add 2001:db8:200::1/48 dev eth0 nodad
ip_ hub addr add 2001:db8:200::2/48 dev up0 nodad
sleep 2
state hub >"$LAB_DIR/hub.before"
bg hub hub "$tool" hub 2001:db8:200::/48 2001:db8:200:7::/64 up0
check "hub starts and sees that it is on the link" until_ok 5 ready hub
check "router reaches an edge" until_ok 5 ping_ router 2001:db8:200:7::5
check "any address of it" ping_ router 2001:db8:200:7:1:2:3:4
check "but not an edge that is not connected" silent router 2001:db8:200:8::5
stop hub
check "hub: all is undone" as_before hub

[ "$bad" = 0 ] || sed 's/^/# /' "$LAB_DIR/check.log" "$LAB_DIR"/*.log | tail -n 60
exit $bad
