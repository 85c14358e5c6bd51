#!/bin/bash
# SPDX-License-Identifier: MIT
# The checked-in completions are what the tables say, and each shell that is
# here loads them and completes with them.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

in_step() { # SHELL FILE
	if "$UNMAP" --completions "$1" | cmp -s - "$2"; then
		ok "in-step-$1"
	else
		not_ok "in-step-$1" "$2 is old: run make completions"
	fi
}

in_step bash completions/unmap.bash
in_step zsh completions/_unmap
in_step fish completions/unmap.fish

has_word() { # NAME WORD: is it among the words of $work/out?
	if grep -qE "(^|[[:space:]])$2([[:space:]]|\$)" "$work/out"; then
		ok "$1"
	else
		not_ok "$1" "no $2 in: $(head -c 300 "$work/out")"
	fi
}

first=$(echo "$programs" | head -n 1)

# bash: as the shell itself would call it.
cat >"$work/try.bash" <<'EOF'
set -u
source completions/unmap.bash
try() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_unmap
	printf '%s\n' "${COMPREPLY[@]-}"
}
EOF
bash_try() { # WORDS...
	bash -c '. "$0"; try "$@"' "$work/try.bash" "$@" >"$work/out" 2>&1
}
if bash -c 'source completions/unmap.bash && complete -p unmap' \
	>"$work/out" 2>&1; then
	ok bash-loads
else
	not_ok bash-loads "$(cat "$work/out")"
fi
bash_try unmap --
has_word bash-version --version
for p in $programs; do
	bash_try unmap ''
	has_word "bash-program-$p" "$p"
	bash_try unmap "$p" --
	has_word "bash-options-$p" --help
done
if is_program edge; then
	bash_try unmap edge --log ''
	has_word bash-words debug
	bash_try unmap edge --log = w
	has_word bash-equals warn
	bash_try unmap-edge --lan ''
	has_word bash-iface lo
	bash_try unmap edge x.pem --c
	has_word bash-prefix --carriers
fi
if is_program keygen; then
	bash_try unmap keygen ''
	has_word bash-sub init
	bash_try unmap keygen init --p
	has_word bash-sub-option --prefix
fi

if command -v zsh >/dev/null; then
	cat >"$work/try.zsh" <<'EOF'
fpath=($PWD/completions $fpath)
autoload -Uz compinit
compinit -u -d $1/zcompdump
[[ $_comps[unmap] = _unmap ]] || { print "not registered"; exit 1 }
[[ $_comps[unmap-$2] = _unmap || -z $2 ]] || { print "no unmap-$2"; exit 1 }
EOF
	if zsh -f "$work/try.zsh" "$work" "$first" >"$work/out" 2>&1 &&
		zsh -n completions/_unmap >>"$work/out" 2>&1; then
		ok zsh-loads
	else
		not_ok zsh-loads "$(cat "$work/out")"
	fi
	# A real zsh at a pseudo terminal, with one Tab pressed.
	cat >"$work/tab.zsh" <<'EOF'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; fpath=($PWD/completions \$fpath); autoload -Uz compinit"
zpty -w z "compinit -u -d $1/zcompdump; LISTMAX=1000; print RE''ADY"
zpty -r -m z line '*READY*'
zpty -w -n z "unmap $2"$'\t\t'
zpty -r -m z line "*$3*" && print -r -- "$line"
zpty -d z
EOF
	timeout 20 zsh -f "$work/tab.zsh" "$work" "--" "version" \
		>"$work/out" 2>&1
	has zsh-tab "$work/out" version
	if [ -n "$first" ]; then
		timeout 20 zsh -f "$work/tab.zsh" "$work" "" "$first" \
			>"$work/out" 2>&1
		has zsh-tab-program "$work/out" "$first"
		timeout 20 zsh -f "$work/tab.zsh" "$work" "$first --" help \
			>"$work/out" 2>&1
		has zsh-tab-option "$work/out" help
	fi
else
	echo "skip $suite/zsh: zsh is not installed"
fi

if command -v fish >/dev/null; then
	export HOME=$work XDG_CONFIG_HOME=$work XDG_DATA_HOME=$work
	fish_try() { # LINE
		fish -N -c "source completions/unmap.fish; complete -C '$1'" \
			>"$work/out" 2>&1
	}
	if fish -n completions/unmap.fish >"$work/out" 2>&1; then
		ok fish-loads
	else
		not_ok fish-loads "$(cat "$work/out")"
	fi
	fish_try 'unmap --v'
	has_word fish-version --version
	for p in $programs; do
		fish_try 'unmap '
		has_word "fish-program-$p" "$p"
		fish_try "unmap $p --h"
		has_word "fish-option-$p" --help
		fish_try "unmap-$p --h"
		has_word "fish-link-$p" --help
	done
else
	echo "skip $suite/fish: fish is not installed"
fi
exit $bad
