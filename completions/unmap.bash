# SPDX-License-Identifier: MIT
# Written by `make completions` from the tables of options.
# shellcheck shell=bash disable=SC2016 # compgen expands the words

_unmap_reply() # WHAT: the words of compgen WHAT that fit
{
	mapfile -t COMPREPLY < <(compgen "$@" -- "$cur")
}

_unmap()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev='' prog='' w i
	[ "$COMP_CWORD" -gt 0 ] && prev=${COMP_WORDS[COMP_CWORD - 1]}
	# The shell makes words of --name, = and value.
	if [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case ${COMP_WORDS[0]##*/} in
	unmap-*) prog=${COMP_WORDS[0]##*/unmap-}
		prog=${prog#unmap-} ;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		w=${COMP_WORDS[i]}
		case "$prog $w" in
		' edge') prog=$w ;;
		' hub') prog=$w ;;
		' keygen') prog=$w ;;
		'keygen init') prog=$prog\ $w ;;
		'keygen edge') prog=$prog\ $w ;;
		'keygen show') prog=$prog\ $w ;;
		'keygen list') prog=$prog\ $w ;;
		'keygen renew') prog=$prog\ $w ;;
		'keygen revoke') prog=$prog\ $w ;;
		' status') prog=$w ;;
		' bench') prog=$w ;;
		esac
	done
	case $prog in
	'')
		_unmap_reply -W 'edge hub keygen status bench --version --install --help'
		;;
	'edge')
		case $prev in
		--lan) _unmap_reply -W '$(command ls /sys/class/net 2>/dev/null)'; return ;;
		--dns) COMPREPLY=(); return ;;
		--inbound) _unmap_reply -W 'none all'; return ;;
		--carriers) _unmap_reply -W 'auto own shared relay'; return ;;
		--ports) COMPREPLY=(); return ;;
		--hub) COMPREPLY=(); return ;;
		--status) COMPREPLY=(); return ;;
		--log) _unmap_reply -W 'error warn info debug'; return ;;
		esac
		case $cur in
		-*) _unmap_reply -W '--lan --dns --inbound --carriers --ports --hub --no-bpf --no-fast --status --log --help' ;;
		*) _unmap_reply -f ;;
		esac
		;;
	'hub')
		case $prev in
		--listen) COMPREPLY=(); return ;;
		--carriers) _unmap_reply -W 'auto own shared relay'; return ;;
		--ports) COMPREPLY=(); return ;;
		--bench) _unmap_reply -W 'no 100 1000'; return ;;
		--status) COMPREPLY=(); return ;;
		--log) _unmap_reply -W 'error warn info debug'; return ;;
		esac
		case $cur in
		-*) _unmap_reply -W '--listen --carriers --ports --no-bpf --no-fast --bench --status --log --help' ;;
		*) _unmap_reply -f ;;
		esac
		;;
	'keygen')
		_unmap_reply -W 'init edge show list renew revoke --help'
		;;
	'keygen init')
		case $prev in
		--hub) COMPREPLY=(); return ;;
		--prefix) COMPREPLY=(); return ;;
		--days) COMPREPLY=(); return ;;
		esac
		case $cur in
		-*) _unmap_reply -W '--hub --prefix --days --help' ;;
		*) _unmap_reply -d ;;
		esac
		;;
	'keygen edge')
		case $prev in
		--prefix) COMPREPLY=(); return ;;
		--ipv4) COMPREPLY=(); return ;;
		--days) COMPREPLY=(); return ;;
		esac
		case $cur in
		-*) _unmap_reply -W '--prefix --ipv4 --days --help' ;;
		*) _unmap_reply -d ;;
		esac
		;;
	'keygen show')
		case $prev in
		esac
		case $cur in
		-*) _unmap_reply -W '--help' ;;
		*) _unmap_reply -f ;;
		esac
		;;
	'keygen list')
		case $prev in
		esac
		case $cur in
		-*) _unmap_reply -W '--help' ;;
		*) _unmap_reply -d ;;
		esac
		;;
	'keygen renew')
		case $prev in
		--days) COMPREPLY=(); return ;;
		esac
		case $cur in
		-*) _unmap_reply -W '--days --help' ;;
		*) _unmap_reply -d ;;
		esac
		;;
	'keygen revoke')
		case $prev in
		esac
		case $cur in
		-*) _unmap_reply -W '--help' ;;
		*) _unmap_reply -d ;;
		esac
		;;
	'status')
		case $prev in
		esac
		case $cur in
		-*) _unmap_reply -W '--json --sessions --watch --help' ;;
		*) COMPREPLY=() ;;
		esac
		;;
	'bench')
		case $prev in
		esac
		case $cur in
		-*) _unmap_reply -W '--json --help' ;;
		*) COMPREPLY=() ;;
		esac
		;;
	esac
}
complete -o filenames -F _unmap unmap unmap-edge unmap-hub unmap-keygen unmap-status unmap-bench
