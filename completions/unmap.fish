# SPDX-License-Identifier: MIT
# Written by `make completions` from the tables of options.
function __unmap_program
    set -l words (commandline -opc)
    set -l program ''
    for word in $words[2..-1]
        switch "$program $word"
            case ' edge'
                set program $word
            case ' hub'
                set program $word
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
            case ' status'
                set program $word
            case ' bench'
                set program $word
        end
    end
    test "$program" = "$argv[1]"
end

complete -c unmap -f
complete -c unmap -s h -l help -d 'show help'
complete -c unmap -n '__unmap_program ""' -a edge -d 'run behind the CGNAT: give this site IPv6 through a hub'
complete -c unmap -n '__unmap_program ""' -a hub -d 'run on the Internet: the IPv6 side of all edges'
complete -c unmap -n '__unmap_program ""' -a keygen -d 'make keys and certificates, list and revoke them'
complete -c unmap -n '__unmap_program ""' -a status -d 'show links, carriers and counters of a running edge or hub'
complete -c unmap -n '__unmap_program ""' -a bench -d 'measure MTU, bytes, speed and delay of an edge\'s link'
complete -c unmap -n '__unmap_program ""' -l version -d 'show the version and the date of the build'
complete -c unmap -n '__unmap_program ""' -l install -x -a '(__fish_complete_directories)' -d 'make links to this binary in DIR: edge, unmap-edge ...'
complete -c unmap -n '__unmap_program "edge"' -F
complete -c unmap -n '__unmap_program "edge"' -l lan -x -a '(command ls /sys/class/net 2>/dev/null)' -d 'give this LAN interface an address and advertise the prefix'
complete -c unmap -n '__unmap_program "edge"' -l dns -x -d 'resolver that LAN hosts are told (else those of /etc/resolv.conf)'
complete -c unmap -n '__unmap_program "edge"' -l inbound -x -a 'none all' -d 'who may connect in: none, all or tcp/22,udp/53,tcp/443@::5'
complete -c unmap -n '__unmap_program "edge"' -l carriers -x -a 'auto own shared relay' -d 'what may carry packets: auto, own, shared or relay'
complete -c unmap -n '__unmap_program "edge"' -l ports -x -d 'port range of own carriers; nobody else may use it'
complete -c unmap -n '__unmap_program "edge"' -l hub -x -d 'where the hub is, instead of what the bundle says'
complete -c unmap -n '__unmap_program "edge"' -l no-bpf -d 'capture and send by routing rules instead of BPF'
complete -c unmap -n '__unmap_program "edge"' -l no-fast -d 'translate every packet here, none in the kernel'
complete -c unmap -n '__unmap_program "edge"' -l status -x -d 'name in `unmap status`, instead of the bundle\'s'
complete -c unmap -n '__unmap_program "edge"' -l log -x -a 'error warn info debug' -d 'how much to log: error, warn, info or debug'
complete -c unmap -n '__unmap_program "hub"' -F
complete -c unmap -n '__unmap_program "hub"' -l listen -x -d 'listen here, TCP and UDP, instead of the bundle\'s ports'
complete -c unmap -n '__unmap_program "hub"' -l carriers -x -a 'auto own shared relay' -d 'what may carry packets: auto, own, shared or relay'
complete -c unmap -n '__unmap_program "hub"' -l ports -x -d 'port range of own carriers; nobody else may use it'
complete -c unmap -n '__unmap_program "hub"' -l no-bpf -d 'capture and send by routing rules instead of BPF'
complete -c unmap -n '__unmap_program "hub"' -l no-fast -d 'translate every packet here, none in the kernel'
complete -c unmap -n '__unmap_program "hub"' -l bench -x -a 'no 100 1000' -d 'most Mbit/s that an edge\'s `unmap bench` may ask for'
complete -c unmap -n '__unmap_program "hub"' -l status -x -d 'name in `unmap status`, instead of the bundle\'s'
complete -c unmap -n '__unmap_program "hub"' -l log -x -a 'error warn info debug' -d 'how much to log: error, warn, info or debug'
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
complete -c unmap -n '__unmap_program "status"' -l json -d 'print JSON for programs'
complete -c unmap -n '__unmap_program "status"' -l sessions -d 'list the sessions, too'
complete -c unmap -n '__unmap_program "status"' -l watch -d 'show again every second until interrupted'
complete -c unmap -n '__unmap_program "bench"' -l json -d 'print JSON for programs'
complete -c unmap-edge -w 'unmap edge'
complete -c unmap-hub -w 'unmap hub'
complete -c unmap-keygen -w 'unmap keygen'
complete -c unmap-status -w 'unmap status'
complete -c unmap-bench -w 'unmap bench'
