#!/bin/sh
# SPDX-License-Identifier: MIT
# unmap status and unmap bench where nothing runs, or nothing that answers.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

export UNMAP_RUN="$work/run"

for p in status bench; do
	refuse "$p-no-folder" 69 "no edge or hub is running" "$UNMAP" $p
done
mkdir "$UNMAP_RUN"
for p in status bench; do
	refuse "$p-none" 69 "no edge or hub is running" "$UNMAP" $p
	refuse "$p-none-of-that-name" 69 "no edge or hub is running" \
		"$UNMAP" $p alice
	refuse "$p-two-names" 64 "one operand too many" "$UNMAP" $p a b
	refuse "$p-flag-value" 64 "takes no value" "$UNMAP" $p --json=1
	expect "$p-help" 0 "$UNMAP" $p --help
done
refuse status-watch-none 69 "no edge or hub is running" \
	"$UNMAP" status --watch

# What is left of somebody who is gone.
: >"$UNMAP_RUN/ghost@1.sock"
refuse status-ghost 69 "no edge or hub is running" "$UNMAP" status
rm -f "$UNMAP_RUN/ghost@1.sock"

# One that hangs.
if command -v socat >/dev/null; then
	socat "UNIX-LISTEN:$UNMAP_RUN/alice@1.sock,fork" EXEC:"sleep 20" \
		</dev/null >/dev/null 2>&1 &
	socat=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -S "$UNMAP_RUN/alice@1.sock" ] || sleep 0.1
	done
	refuse status-hangs 69 "does not answer" timeout 15 "$UNMAP" status
	kill $socat
	rm -f "$UNMAP_RUN/alice@1.sock"
fi

# Somebody else's: what helps is said.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null &&
	command -v socat >/dev/null; then
	chmod 755 "$work" "$UNMAP_RUN"
	cp "$UNMAP" "$work/unmap" && chmod 755 "$work/unmap"
	socat "UNIX-LISTEN:$UNMAP_RUN/alice@1.sock,mode=600,fork" - \
		</dev/null >/dev/null 2>&1 &
	socat=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -S "$UNMAP_RUN/alice@1.sock" ] || sleep 0.1
	done
	for p in status bench; do
		refuse "$p-no-rights" 77 "run as root" setpriv --reuid 65534 \
			--clear-groups "$work/unmap" $p alice
	done
	kill $socat
else
	echo "skip $suite/no-rights: needs root, setpriv and socat"
fi
exit $bad
