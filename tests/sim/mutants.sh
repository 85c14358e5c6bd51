#!/bin/bash
# SPDX-License-Identifier: MIT
# Known mistakes, planted one by one in a copy of a file of core. The simulator
# must find each within SEEDS seeds. mutants.sh [NAME...]: only these.
#
# A row: name|file|sed program. A program that changes nothing is an error: the
# code has moved on and the row must follow.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build} JOBS=${JOBS:-2} SEEDS=${SEEDS:-2000}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
make --no-print-directory B="$B" "$B/sim/sim" || exit 1

rows() {
	cat <<'EOF'
believe-rst|owntcp.c|/DROP_SWALLOWED_RST/i\		carrier_in(e, n, p, now); return;
forget-advance|owntcp.c|/>= gap) {/,/carrier_leave/s/owntcp_advance(e, n, false, now);/(void)0;/
acknowledge-above-mark|owntcp.c|s/seq_after(p->ack, c->mark))$/false)/
skip-idle-rule|carrier.c|/^bool carrier_is_idle/,/^}/s/return now - /return e->now > now + 1 \&\& now - /
reuse-context|context.c|s/c->rest_until = now + CONTEXT_REST_MS/c->rest_until = now/;s/^\t\tc->number = 0;$//;s/\.number = fresh_number(e)/.number = e->rx[n].number ? e->rx[n].number : fresh_number(e)/
believe-replay|proof.c|/^static bool window_fresh/,/^}/s/if (counter > w->top)/if (counter || w->top)/
deliver-punch|ownudp.c|s/^\tif (found.len) {/	if (found.len \&\& c->state != CARRIER_UP) {/
latch-unproven|punch.c|s/if (p->type == PUNCH_ECHO \&\& !known \&\& newest \&\& l->nonce \&\&/if (!known \&\& (p->type == PUNCH_ASK || (l->nonce \&\&/;s/^\t    taddr4_eq(d->local, l->candidate_local)) {/	    taddr4_eq(d->local, l->candidate_local)))) {/
keep-carriers-of-old-nat|punch.c|s/carrier_leave_all(e, l, LEFT_NAT, e->now);/(void)0;/
wrong-checksum|xlat.c|s/csum_add(out->sport, out->dport)/csum_add(out->sport, 0)/
no-policy|inner.c|/^static bool inbound_allowed/,/^}/s/if (policy->all)/if (policy)/
forget-records|resync.c|s/^\t\tsend_record(e, l, s, now);/		(void)send_record;/
ignore-left|carrier.c|/^void carrier_message_left/,/^}/s/carrier_leave(e, n, m->reason, false, now)/(void)now/
spoofed-source|inner.c|s/if (is_edge(e) \&\& !src_ours) {/if (is_edge(e) \&\& !src_ours \&\& p->hop == 1) {/;s/if (!prefix6_contains(&l->prefix, ours))/if (!addr6_is_unicast(ours))/
EOF
}

plant() { # FILE PROGRAM: build the simulator with it
	mkdir -p "$tmp/core"
	sed "$2" "core/$1" >"$tmp/core/$1"
	if cmp -s "core/$1" "$tmp/core/$1"; then
		echo "    changes nothing"
		return 1
	fi
	gcc -O2 -I. -D_GNU_SOURCE -w -c -o "$tmp/mutant.o" \
		"$tmp/core/$1" || return 1
	find "$B/sim/fast" -name '*.o' ! -path "$B/sim/fast/core/${1%.c}.o" \
		-exec gcc -o "$tmp/sim" "$tmp/mutant.o" {} +
}

bad=0
while IFS='|' read -r name file program; do
	[ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
	if ! plant "$file" "$program"; then
		echo "not ok sim/mutant-$name (was not planted)"
		bad=1
		continue
	fi
	timeout 600 "$tmp/sim" -j "$JOBS" 1 "$SEEDS" >"$tmp/log" 2>&1
	first=$(grep '^seed ' "$tmp/log" | sort -t' ' -k2n | head -n 1)
	if [ -n "$first" ]; then
		echo "ok sim/mutant-$name ($first)"
	else
		echo "not ok sim/mutant-$name (lives through $SEEDS seeds)"
		bad=1
	fi
done < <(rows)
exit $bad
