#!/bin/sh
# SPDX-License-Identifier: MIT
# What a machine can see of the house's style: sizes, licence lines, words of
# unfinished work, calls that would start a shell.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0

say() { # TEXT: print it as a finding, if there is any
	[ -z "$1" ] || {
		printf '%s\n' "$1"
		bad=1
	}
}

code='core/*.[ch] net/*.[ch] crypto/*.[ch] cmd/*.[ch]'
all="$code core/*.def cmd/*.def net/*.def crypto/*.def"
all="$all tests/*.sh tests/*/*.sh tests/*/*.[ch] tests/*/*.py"
all="$all .ci/run Makefile"

# shellcheck disable=SC2086 # lists of patterns on purpose
files() {
	ls -d $1 2>/dev/null
}

# Functions: 100 lines is the wall; over 60 a comment above says why, with the
# word "Long:".
# shellcheck disable=SC2046
say "$(awk '
	FNR == 1 { start = 0; note = "" }
	/^\/\*/ { note = "" }
	/^(\/\*| \*|\t?\/\/)/ { note = note $0 }
	/^{/ { start = FNR }
	/^}/ && start {
		n = FNR - start + 1
		if (n > 100)
			print FILENAME ":" start ": function of " n " lines"
		else if (n > 60 && note !~ /Long:/)
			print FILENAME ":" start ": function of " n \
				" lines without a reason (Long: ...)"
		start = 0
		note = ""
	}' $(files "core/*.c net/*.c crypto/*.c cmd/*.c") /dev/null)"

# Files: 800 lines.
for f in $(files "$code tests/*/*.[ch] tests/*.sh tests/*/*.sh"); do
	n=$(wc -l <"$f")
	[ "$n" -le 800 ] || say "$f: $n lines, over 800"
done

# Columns: aim at 80 with tabs of 8; 100 is the wall, but a sentence for people
# is not broken, so that it can be searched for.
# shellcheck disable=SC2046
say "$(for f in $(files "$code"); do
	expand "$f" | awk -v f="$f" 'length > 100 && !/"[^"]* [^"]*"/ {
		print f ":" NR ": " length " columns" }'
done)"

# Whose it is.
for f in $(files "$all"); do
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier: MIT' ||
		say "$f: no SPDX line"
done

# Unfinished work; the words are split so that this file is clean itself.
words='TO''DO|FIX''ME|\bXX''X\b|not implem''ented|\bst''ub\b'
# shellcheck disable=SC2046
say "$(grep -nIE "$words" $(files "$all completions/* README.md") /dev/null)"

# The binary starts no other program.
# shellcheck disable=SC2046
say "$(grep -nE '\b(system|popen|posix_spawnp?|exec[lv]p?e?|fexecve)\(' \
	$(files "$code") /dev/null)"

# White space at the end of a line.
# shellcheck disable=SC2046
say "$(grep -nE '[[:space:]]$' $(files "$all") /dev/null)"

[ $bad = 0 ] && echo "ok gates/style" || echo "not ok gates/style"
exit $bad
