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
exit $bad
