# shellcheck shell=bash disable=SC2015,SC2154,SC2034,SC2016
# SPDX-License-Identifier: MIT
#
# rows.sh: the rows of check.sh, each in a laboratory of its own

# up NAT [EDGE-OPTION...]: everything runs and the LAN host is on the Internet.
# EXTRA: nodes for topo; HUB_OPTS: options of the hub; HUBS: its addresses.
up() {
	local nat=$1

	shift
	# shellcheck disable=SC2086
	topo ${EXTRA:-}
	"nat_$nat"
	servers server
	servers lan
	dns_server
	# shellcheck disable=SC2086
	keys ${HUBS:-}
	# shellcheck disable=SC2086
	hub_start ${HUB_OPTS:-}
	edge_start --inbound all "$@"
	t "link${TAG:+-$TAG}" link_up 20
	[ -n "$LAN6" ]
}

# TAG: behind each name, where a row does it several times
basic() {
	local name

	for name in ping_out ping_in tcp_out tcp_in udp_out udp_in; do
		t "$name${TAG:+-$TAG}" "t_$name"
	done
}

full() {
	t full_out t_full_out
	t full_in t_full_in
}

plain_row() { up "$@" && basic && full; }

row_preserving() {
	plain_row preserving || return
	t frag_out t_frag_out
	t frag_in t_frag_in
	t dns t_dns
	t tracepath t_tracepath
	t shell_out t_shell_out
	t shell_in t_shell_in
	t many t_many
}

row_random() { plain_row random; }
row_pool() { plain_row pool; }
row_block() { plain_row block; }
row_twice() { EXTRA=cgnat2 plain_row twice; }
row_loose() { plain_row loose; }
row_noudp() { plain_row noudp; }
row_only443() { HUBS="$HUB4 $HUB4:443" plain_row only443; }
row_loss() { plain_row loss; }

# TCP has 1500 bytes on carriers of its own; what must take the shared one goes
# in two pieces, and is told 1488.
row_mtu1480() {
	up mtu1480 || return
	t tcp_full tcp_full
	basic
	t full_out probe lan "$SRV6"
	t full_in probe server "$LAN6"
	t tracepath t_tracepath '1\(488\|500\)'
}

# datagrams of 1500 bytes, whatever the path has told
probe() { ns "$1" "$PYTHON" "$here/net.py" probe "$2" 7 1452; }

# New connections, nothing learned yet: segments of 1428 bytes and a header of
# 72 arrive whole.
tcp_full() {
	local seen=$LAB_DIR/tcp_full

	wire edge lan0
	ns lan timeout 10 tcpdump -nli eth0 -c 20 "ip6 and tcp src port 80 and ip6[4:2] = 1460" \
		>"$seen" 2>/dev/null &
	sleep 0.5
	get lan "$SRV6" 4m || return 1
	wait $!
	[ "$(wc -l <"$seen")" = 20 ] || { note "$(wc -l <"$seen") full segments"; return 1; }
}

# After idling for longer than the NAT remembers, the Internet still gets in.
row_udp30() {
	plain_row udp30 || return
	bg lan idle "$PYTHON" "$here/net.py" late "$SRV6" 7 35
	sleep 34
	t idle_in t_ping_in
	t idle_udp_in t_udp_in
	wait "${PID[idle]}"
	t idle_tcp test $? = 0
}

row_mtu1400() {
	up mtu1400 && basic || return
	t tracepath t_tracepath '14\(08\|20\)'
}

row_mtu1400swallow() {
	up mtu1400swallow && basic || return
	t tracepath t_tracepath '14\(08\|20\)'
}

# An IPv4 client of the same host, with source ports from unmap's range, to the
# Internet and to the hub itself
row_masquerade() {
	up preserving || return
	edge_masquerade
	t v4_ports v4_client "$SRV4" server 61000 61001 62000 63333 65535
	servers hub
	t v4_ports_to_hub v4_client "$HUB4" hub 61002 61003 62001 63334 65534
	t v4_udp v4_udp
	basic
}

v4_client() {
	local to=$1 file=$2 port

	shift 2
	for port; do
		ns lan curl -sS -f -o /dev/null --max-time 5 \
			--local-port "$port" "http://$to/$file.txt" || return 1
	done
}

v4_udp() {
	bg server udp4 socat UDP4-RECVFROM:7001,fork SYSTEM:'cat'
	sleep 0.3
	[ "$(echo hello | ns lan nc -4 -u -w 1 -p 62000 "$SRV4" 7001)" = hello ]
}

# A bound port in the range: refused by name; another range works.
row_listener() {
	topo
	keys
	servers server
	servers lan
	bg hub listener socat TCP4-LISTEN:62000,fork,reuseaddr EXEC:cat
	bg edge listener2 socat UDP4-RECVFROM:62000,fork EXEC:cat
	sleep 0.3
	t hub_refuses refuses hub "$UNMAP" hub "$PKI/hub.pem"
	t edge_refuses refuses edge "$UNMAP" edge "$PKI/alice.pem" --lan br-lan
	hub_start --ports 20000-24999
	edge_start --ports 25000-29999 --inbound all
	t link link_up && basic
	t listener_alive ns edge nc -z "$HUB4" 62000
}

refuses() {
	local node=$1 out rc

	shift
	out=$(ns "$node" timeout 5 "$@" 2>&1)
	rc=$?
	[ $rc != 0 ] && [ $rc != 124 ] && grep -q 62000 <<<"$out" ||
		{ note "exit $rc: $out"; return 1; }
}

tcp_to() { ns "$1" nc -6 -z -w 2 "$2" "$3"; }

row_policy() {
	topo
	keys
	servers server
	servers lan
	hub_start
	edge_start
	t link link_up || return
	t none_ping_in t_ping_in
	t_not none_tcp_in tcp_to server "$LAN6" 80
	t_not none_udp_in short_udp_in
	t none_tcp_out t_tcp_out
	stop edge
	edge_start --inbound "tcp/80,udp/9,tcp/2222@::5"
	t list_link link_up || return
	t list_tcp_in t_tcp_in
	t_not list_tcp_other tcp_to server "$LAN6" 7
	t_not list_udp_other short_udp_in
	t_not list_host tcp_to server "$LAN6" 2222
	ip_ lan addr add "${LAN6%:*:*:*:*}::5/64" dev eth0 nodad
	t list_host_5 tcp_to server "${LAN6%:*:*:*:*}::5" 2222
}

short_udp_in() {
	[ "$(echo hello | ns server nc -6 -u -w 1 "$LAN6" 7)" = hello ]
}

# Two edges behind one CGNAT, the second with a /56 and its default policy
row_two_edges() {
	local one two

	EXTRA=edge2 up preserving || return
	servers lan2
	edge2_start
	one=$LAN6
	t link2 link_up 20 lan2 || return
	two=$LAN6 LAN6=$one
	t one_tcp_out t_tcp_out
	t two_tcp_out get lan2 "$SRV6" 4m
	t two_ping_one ping_ lan2 "$one"
	t two_tcp_one get lan2 "$one" 4m
	t one_ping_two ping_ lan "$two"
	t_not one_tcp_two tcp_to lan "$two" 80
	t two_ping_in ping_ server "$two"
	t unconnected unreachable server 2001:db8:100:77::1
	t unused_64 no_loop 2001:db8:100:1ff::1
}

unreachable() {
	local out

	out=$(ns "$1" ping -n -c 2 -i 0.3 -W 1 "$2" 2>&1)
	grep -qi unreachable <<<"$out" || { note "$out"; return 1; }
}

no_loop() {
	local before after

	before=$(counters cgnat in2)
	unreachable server "$1" || return 1
	after=$(counters cgnat in2)
	# shellcheck disable=SC2086
	set -- $before $after
	[ $(($5 + $7 - $1 - $3)) -lt 60 ] ||
		{ note "$(($5 + $7 - $1 - $3)) packets for two pings"; return 1; }
}

# What was there before is there afterwards, on both sides.
row_undone() {
	topo
	servers server
	servers lan
	keys
	until_ok 5 settled edge
	until_ok 5 settled hub
	state edge >"$LAB_DIR/edge.before"
	state hub >"$LAB_DIR/hub.before"
	hub_start
	edge_start --inbound all
	t link link_up && basic
	stop edge
	stop hub
	t edge_undone undone edge
	t hub_undone undone hub
	t lan_undone until_ok 5 no_route
	hub_start --no-bpf
	edge_start --no-bpf
	t nobpf_link link_up
	stop edge
	stop hub
	t nobpf_edge_undone undone edge
	t nobpf_hub_undone undone hub
}

# no address is being tried any more, and the bridge is up
settled() {
	! ip_ "$1" addr | grep -E 'tentative|br-lan:.*NO-CARRIER'
}

undone() {
	state "$1" >"$LAB_DIR/$1.after"
	diff "$LAB_DIR/$1.before" "$LAB_DIR/$1.after" >"$LAB_DIR/$1.diff" ||
		{ head -n 20 "$LAB_DIR/$1.diff" | sed 's/^/# /' >&2; return 1; }
}

# The LAN host was told: no default router any more.
no_route() { [ -z "$(ip_ lan -6 route show default)" ]; }

# unmap's processes in a node, oldest first
processes() {
	local pid

	for pid in $(ip netns pids "$LAB.$1" | sort -n); do
		case $(cat "/proc/$pid/comm" 2>/dev/null) in
		unmap*) echo "$pid" ;;
		esac
	done
}

row_killed() {
	local node which pid

	up preserving || return
	for node in edge hub; do
		for which in head tail; do
			pid=$(processes $node | $which -n 1)
			t "$node-$which-found" test -n "$pid" || continue
			kill -9 "$pid"
			sleep 0.5
			running "$node" || wait "${PID[$node]}" 2>/dev/null
			t "$node-$which-others" ping_ edge "$SRV4"
			t "$node-$which-others2" ping_ hub "$SRV6"
			revive "$node" "$node-$which"
		done
	done
	t tcp_in t_tcp_in
}

# A translator that died is started again by its helper; a dead helper takes
# everything down, and a person (or an init system) starts anew.
revive() {
	local node=$1 tag=$2

	until_ok 3 alone "$node"
	if [ -z "$(processes "$node")" ]; then
		if [ "$node" = hub ]; then
			hub_start
		else
			edge_start --inbound all
		fi
	fi
	t "$tag-again" link_up 15
	t "$tag-tcp" t_tcp_out
}

alone() { case $(processes "$1" | wc -l) in 0 | 2) ;; *) false ;; esac; }

# Start order, restarts, and a control connection that breaks under traffic
row_order() {
	topo
	servers server
	servers lan
	keys
	edge_start --inbound all
	sleep 3
	hub_start
	t edge_first link_up 12
	t edge_first_tcp t_tcp_out
	stop hub
	sleep 1
	hub_start
	t hub_again until_ok 12 answers lan "$SRV6"
	t hub_again_tcp t_tcp_out
	stop edge
	edge_start --inbound all
	t edge_again link_up 12
	t edge_again_tcp_in t_tcp_in
	bg lan stream "$PYTHON" "$here/net.py" stream "$SRV6" 7 25
	bg server stream_in "$PYTHON" "$here/net.py" stream "$LAN6" 7 25
	sleep 4
	control_cut
	sleep 8
	stop hub
	hub_start
	sleep 5
	wait "${PID[stream]}"
	t stream_survives test $? = 0
	wait "${PID[stream_in]}"
	t stream_in_survives test $? = 0
	cat "$LAB_DIR"/stream*.log | sed 's/^/# /' >&2
}

# Both ends of control see a reset, and silence for a while.
control_cut() {
	ns cgnat nft add table ip cut
	ns cgnat nft add chain ip cut forward \
		'{ type filter hook forward priority -10; }'
	ns cgnat nft add rule ip cut forward tcp dport 6464 reject with tcp reset
	ns cgnat nft add rule ip cut forward tcp sport 6464 reject with tcp reset
	sleep 4
	ns cgnat nft delete table ip cut
}

row_carriers() {
	local kind

	topo
	servers server
	servers lan
	keys
	for kind in own shared relay; do
		TAG=$kind
		hub_start --carriers $kind
		edge_start --inbound all --carriers $kind
		if t "link-$kind" link_up; then
			basic
			t "full_out-$kind" t_full_out
			t "frag_in-$kind" t_frag_in
		fi
		stop edge
		stop hub
	done
}

# The other ways of packets: user space alone, and without BPF.
mode_row() { HUB_OPTS=$2 up "$1" "$2" && basic && full; }

row_nobpf() { mode_row preserving --no-bpf; }
row_nobpf_random() { mode_row random --no-bpf; }
row_nobpf_block() { mode_row block --no-bpf; }
row_nofast() {
	mode_row preserving --no-fast || return
	t no_fast_path eval '[ "$(fast_sessions hub hub)" = None ]'
}
row_nofast_random() { mode_row random --no-fast; }
row_nofast_loss() { mode_row loss --no-fast; }

# The kernel translates a transfer while it runs, at both ends, until it ends.
row_fast() {
	up preserving || return
	bg lan slow curl -sS -o /dev/null --limit-rate 500k "$(url "$SRV6" 4m)"
	t edge until_ok 6 eval '[ "$(fast_sessions edge alice)" = 1 ]'
	t hub until_ok 6 eval '[ "$(fast_sessions hub hub)" = 1 ]'
	t whole wait "${PID[slow]}"
	t counted counted_all 4194304
	t edge_over until_ok 3 eval '[ "$(fast_sessions edge alice)" = 0 ]'
	t hub_over until_ok 3 eval '[ "$(fast_sessions hub hub)" = 0 ]'
	basic
}

# fast_sessions NODE NAME: how many, None if the fast path is off
fast_sessions() {
	ns "$1" "$UNMAP" status "$LAB-$2" --json | "$PYTHON" -c '
import json, sys
io = json.load(sys.stdin)["io"]
print(io["fast_sessions"] if io["fast"] else None)'
}

# Bytes that the kernel carried are in the counters of both ends.
counted_all() {
	ns hub "$UNMAP" status "$LAB-hub" --json | "$PYTHON" -c '
import json, sys
own = json.load(sys.stdin)["edges"][0]["traffic"]["own"]
assert own["sent"]["native_bytes"] > int(sys.argv[1]), own' "$1" &&
	ns edge "$UNMAP" status "$LAB-alice" --json | "$PYTHON" -c '
import json, sys
own = json.load(sys.stdin)["link"]["traffic"]["own"]
assert own["received"]["native_bytes"] > int(sys.argv[1]), own' "$1"
}

# Every handshake survives the loss of each of its packets, once.
row_drops() {
	local rule own=61000-65535

	EXTRA=delay up preserving || return
	real_wires
	for rule in "tcp dport=6464 flags=S" "tcp sport=6464 flags=SA" \
		"tcp dport=6464 flags=A" "udp dport=6464" "udp sport=6464" \
		"tcp dport=$own flags=S" "tcp sport=$own dir=ba flags=SA"; do
		drop_start "$rule" 1
	done
	for n in 2 3 4 5 6; do
		drop_start "tcp dport=6464 min=60" $n
		drop_start "tcp sport=6464 min=60" $n
		[ "$DEPTH" = all ] || break
	done
	for rule in "dir=ab flags=S" "dir=ba flags=SA" "dir=ab flags=A" \
		"dir=ba flags=A" "dir=ab flags=FA" "dir=ba flags=FA"; do
		drop_tcp "$rule" 1
		[ "$DEPTH" = all ] && drop_tcp "$rule" 2
	done
	for n in 1 2 3; do
		drop_udp dir=ab $n
		drop_udp dir=ba $n
		[ "$DEPTH" = all ] || break
	done
}

dropped() { [ "$(delay_dropped)" -gt "$1" ]; }

drop_start() {
	local had tag=${1// /_}-$2

	had=$(delay_dropped)
	stop edge
	delay_set "drop proto=$1 n=$2"
	edge_start --inbound all
	t "start-$tag" link_up 15
	t "start-$tag-tcp" get lan "$SRV6" 4m
	dropped "$had" || skip "start-$tag" "no such packet"
}

drop_tcp() {
	local had tag=${1// /_}-$2

	had=$(delay_dropped)
	delay_set "drop proto=tcp port=61000-65535 $1 n=$2"
	t "own-$tag-out" get lan "$SRV6" 4m
	dropped "$had" || skip "own-$tag-out" "no such packet"
	had=$(delay_dropped)
	delay_set "drop proto=tcp port=61000-65535 $1 n=$2"
	t "own-$tag-in" get server "$LAN6" 4m
	dropped "$had" || skip "own-$tag-in" "no such packet"
}

drop_udp() {
	local had

	had=$(delay_dropped)
	delay_set "drop proto=udp port=61000-65535 $1 n=$2"
	t "ownudp-$1-$2" t_udp_out
	dropped "$had" || skip "ownudp-$1-$2" "no such packet"
}

# Strangers: another CA, a revoked edge (also while connected), no certificate
row_refused() {
	up preserving || return
	mv "$PKI" "$LAB_DIR/mine"
	keys
	mv "$PKI" "$LAB_DIR/other"
	mv "$LAB_DIR/mine" "$PKI"
	bg edge stranger "$UNMAP" edge "$LAB_DIR/other/bob.pem" \
		--status "$LAB-stranger" --ports 20000-20999
	t stranger_told until_ok 8 grep -qiE 'unknown|ca|sign' \
		"$LAB_DIR/stranger.log"
	stop stranger
	t others_go_on t_tcp_out
	t no_certificate_alert no_certificate
	"$UNMAP" keygen revoke "$PKI" alice >>"$LAB_DIR/keygen.log" 2>&1
	t revoke test $? = 0
	t revoked_told until_ok 10 grep -qi revoked "$LAB_DIR/edge.log"
	t_not revoked_traffic answers lan "$SRV6"
}

no_certificate() {
	local out

	out=$(ns edge timeout 5 openssl s_client -tls1_2 -connect "$HUB4:6464" \
		</dev/null 2>&1)
	grep -qi alert <<<"$out" || { note "$(tail -n 3 <<<"$out")"; return 1; }
}

row_delay20() {
	EXTRA=delay up preserving || return
	real_wires
	delay_set 'delay 10'
	basic
	full
}

row_reorder() {
	EXTRA=delay up random || return
	real_wires
	delay_set 'delay 5' 'reorder 5 3' 'dup 1' 'loss 0.5'
	basic
}

row_mixed() {
	EXTRA="delay cgnat2" HUB_OPTS=--no-bpf up twice || return
	real_wires
	delay_set 'delay 10' 'loss 0.3'
	basic
	full
}

# Forced carriers over every NAT that lets them pass
matrix() {
	local kind=$1 nat

	shift
	topo
	servers server
	servers lan
	keys "$HUB4" "$HUB4:443"
	for nat in preserving random pool block udp30 loss noudp only443; do
		case $kind-$nat in
		own-only443 | shared-noudp | shared-only443) continue ;;
		esac
		TAG=$nat
		"nat_$nat"
		hub_start "$@"
		edge_start --inbound all "$@"
		t "link-$nat" link_up && basic
		stop edge
		stop hub
	done
}

row_matrix_own() { matrix own --carriers own; }
row_matrix_shared() { matrix shared --carriers shared; }
row_matrix_relay() { matrix relay --carriers relay; }
row_matrix_nobpf() { matrix nobpf --no-bpf; }

row_long_idle() {
	up udp30 || return
	bg lan idle "$PYTHON" "$here/net.py" late "$SRV6" 7 150
	bg server idle_in "$PYTHON" "$here/net.py" late "$LAN6" 7 150
	sleep 151
	wait "${PID[idle]}"
	t tcp_out test $? = 0
	wait "${PID[idle_in]}"
	t tcp_in test $? = 0
	t ping_in t_ping_in
}

row_many() {
	up block || return
	bg lan hold "$PYTHON" "$here/net.py" hold "$SRV6" 7 3000
	t hold until_ok 60 grep -q 'all held' "$LAB_DIR/hold.log"
	basic
}

# The same checks over plain IPv6 routing: what they are worth
row_native() {
	topo
	native_on
	native_default
	servers server
	servers lan
	dns_server
	LAN6=$LAN6_NATIVE
	until_ok 5 answers lan "$SRV6"
	basic
	full
	t frag_out t_frag_out
	t frag_in t_frag_in
	t dns t_dns
	t tracepath t_tracepath
	t shell_out t_shell_out
	t shell_in t_shell_in
	t many t_many
	mtu_set 1400
	t_not full_mtu1400 t_full_out
	t tracepath_mtu1400 t_tracepath 1400
	t tcp_mtu1400 t_tcp_in
}

# The NATs are what they are called.
row_nat() {
	topo edge2
	ASK=40000
	bg hub askudp socat UDP4-RECVFROM:7000,fork \
		SYSTEM:'echo $SOCAT_PEERADDR $SOCAT_PEERPORT'
	bg hub asktcp socat TCP4-LISTEN:7000,fork,reuseaddr \
		SYSTEM:'echo $SOCAT_PEERADDR $SOCAT_PEERPORT'
	bg hub ask443 socat TCP4-LISTEN:443,fork,reuseaddr \
		SYSTEM:'echo $SOCAT_PEERADDR $SOCAT_PEERPORT'
	until_ok 5 ns hub nc -z 127.0.0.1 443
	until_ok 5 ns hub nc -z 127.0.0.1 7000
	t preserving nat_is_preserving
	nat_random && t random nat_is_random
	nat_pool && t pool nat_is_pool
	nat_block && t block nat_is_block
	nat_noudp && t noudp nat_is_noudp
	nat_only443 && t only443 nat_is_only443
	nat_loss && t loss nat_is_loss
	nat_mtu1400 && t mtu1400 nat_says_mtu
	icmp_swallow && ip_ edge route flush cache
	t_not mtu1400swallow nat_says_mtu
}

# ask udp|tcp [PORT]: address and port that the hub sees; sets SEEN and ASK.
# A busy machine may take longer than nc waits: asks again, from another port.
ask() { ask_once "$@" || ask_once "$@" || ask_once "$@"; }

ask_once() {
	local opt=

	ASK=$((ASK + 1))
	[ "$1" = tcp ] || opt=-u
	# shellcheck disable=SC2086
	SEEN=$(echo | ns edge timeout 2 nc -4 $opt -w 1 -p $ASK "$HUB4" "${2:-7000}")
	[ -n "$SEEN" ]
}

nat_is_preserving() {
	ask tcp && [ "$SEEN" = "$NAT4 $ASK" ] &&
		ask udp && [ "$SEEN" = "$NAT4 $ASK" ] && ip_ edge route get "$HUB4" |
		grep -q 'via 100.64.1.1' &&
		[ "$(ns cgnat sysctl -n net.netfilter.nf_conntrack_tcp_loose \
			net.netfilter.nf_conntrack_tcp_be_liberal | tr -d '\n')" = 00 ]
}

nat_is_random() {
	ask udp && [ "$SEEN" != "$NAT4 $ASK" ] &&
		ask tcp && [ "$SEEN" != "$NAT4 $ASK" ]
}

nat_is_pool() {
	local i

	for i in 1 2 3 4 5 6 7 8; do
		ask tcp && echo "${SEEN% *}"
	done | sort -u | wc -l | grep -qx '[3-8]'
}

nat_is_block() {
	ask udp && [ "${SEEN#* }" -ge 20000 ] && [ "${SEEN#* }" -le 21023 ] &&
		ask tcp && [ "${SEEN#* }" -ge 20000 ] && [ "${SEEN#* }" -le 21023 ]
}

nat_is_noudp() { ask tcp && ! ask_once udp; }
nat_is_only443() { ask tcp 443 && ! ask_once tcp && ! ask_once udp; }

nat_is_loss() {
	ns edge ping -q -c 600 -i 0.002 "$HUB4" |
		grep -qE ' (0\.[5-9]|[1-5](\.[0-9]+)?)[0-9]*% packet loss'
}

nat_says_mtu() {
	ns edge ping -M "do" -c 2 -i 0.3 -W 1 -s 1450 "$HUB4" 2>&1 |
		grep -qiE 'mtu ?= ?1400|message too long'
}
