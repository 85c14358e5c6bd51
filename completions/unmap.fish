# SPDX-License-Identifier: MIT
# Written by `make completions` from the tables of options.
function __unmap_program
    set -l words (commandline -opc)
    set -l program ''
    for word in $words[2..-1]
        switch "$program $word"
            case ' keygen'
                set program $word
            case 'keygen init'
                set program "$program $word"
            case 'keygen edge'
                set program "$program $word"
            case 'keygen show'
                set program "$program $word"
            case 'keygen list'
                set program "$program $word"
            case 'keygen renew'
                set program "$program $word"
            case 'keygen revoke'
                set program "$program $word"
        end
    end
    test "$program" = "$argv[1]"
end

complete -c unmap -f
complete -c unmap -s h -l help -d 'show help'
complete -c unmap -n '__unmap_program ""' -a keygen -d 'make keys and certificates, list and revoke them'
complete -c unmap -n '__unmap_program ""' -l version -d 'show the version and the date of the build'
complete -c unmap -n '__unmap_program ""' -l install -x -a '(__fish_complete_directories)' -d 'make links to this binary in DIR: edge, unmap-edge ...'
complete -c unmap -n '__unmap_program "keygen"' -a init -d 'make a directory with a private CA and the hub\'s bundle'
complete -c unmap -n '__unmap_program "keygen"' -a edge -d 'make the bundle of an edge'
complete -c unmap -n '__unmap_program "keygen"' -a show -d 'show what a bundle, a certificate or a list says'
complete -c unmap -n '__unmap_program "keygen"' -a list -d 'list what was handed out'
complete -c unmap -n '__unmap_program "keygen"' -a renew -d 'make a new certificate for the same key and prefix'
complete -c unmap -n '__unmap_program "keygen"' -a revoke -d 'end an edge\'s right to connect'
complete -c unmap -n '__unmap_program "keygen init"' -x -a '(__fish_complete_directories)'
complete -c unmap -n '__unmap_program "keygen init"' -l hub -x -d 'name or address of the hub, port 6464 if none'
complete -c unmap -n '__unmap_program "keygen init"' -l prefix -x -d 'the IPv6 prefix that is routed to the hub'
complete -c unmap -n '__unmap_program "keygen init"' -l days -x -d 'life time of the certificate; revoke ends it earlier'
complete -c unmap -n '__unmap_program "keygen edge"' -x -a '(__fish_complete_directories)'
complete -c unmap -n '__unmap_program "keygen edge"' -l prefix -x -d 'part of the hub\'s prefix, /64 or larger; else the next free /64'
complete -c unmap -n '__unmap_program "keygen edge"' -l ipv4 -x -d 'a public IPv4 address as well, routed to the hub'
complete -c unmap -n '__unmap_program "keygen edge"' -l days -x -d 'life time of the certificate; revoke ends it earlier'
complete -c unmap -n '__unmap_program "keygen show"' -F
complete -c unmap -n '__unmap_program "keygen list"' -x -a '(__fish_complete_directories)'
complete -c unmap -n '__unmap_program "keygen renew"' -x -a '(__fish_complete_directories)'
complete -c unmap -n '__unmap_program "keygen renew"' -l days -x -d 'life time of the certificate; revoke ends it earlier'
complete -c unmap -n '__unmap_program "keygen revoke"' -x -a '(__fish_complete_directories)'
complete -c unmap-keygen -w 'unmap keygen'
