# shellcheck shell=bash disable=SC2015,SC2154,SC2034
# SPDX-License-Identifier: MIT
#
# traffic.sh: real servers, and checks with real clients
#
#   servers NODE [ADDRESS]    nginx on 80, echo on 7 (TCP and UDP), and a
#                             shell on 2222, on every address or the one given
#   payload NAME SIZE         a random file of that size for nginx to hand out
#   t_NAME [...]              a check: 0 if it passed; says why if not
#
# The site's host is $LAN6, the Internet's $SRV6. A check called ..._out starts
# at the site, one called ..._in on the Internet.

LAN6=''

nginx_conf() {
	local dir=$1

	cat <<-EOF
	daemon off;
	master_process off;
	user root;
	pid $dir/nginx.pid;
	error_log $dir/error.log;
	events { worker_connections 4096; }
	http {
		access_log off;
		sendfile on;
		client_max_body_size 0;
		client_body_temp_path $dir/body;
		proxy_temp_path $dir/proxy;
		fastcgi_temp_path $dir/fastcgi;
		uwsgi_temp_path $dir/uwsgi;
		scgi_temp_path $dir/scgi;
		server {
			listen 80;
			listen [::]:80;
			root $LAB_DIR/www;
			location / { default_type text/plain; }
			location /put/ {
				root $dir;
				dav_methods PUT;
				create_full_put_path on;
			}
		}
	}
	EOF
}

servers() {
	local n=$1 dir=$LAB_DIR/nginx-$1

	mkdir -p "$dir" "$LAB_DIR/www"
	echo "hello from $n" >"$LAB_DIR/www/$n.txt"
	[ -e "$LAB_DIR/www/4m" ] || payload 4m 4194304
	nginx_conf "$dir" >"$dir/nginx.conf"
	bg "$n" "nginx-$n" nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
	bg "$n" "echo-$n" "$PYTHON" "$here/net.py" echo :: 7
	bg "$n" "shell-$n" socat TCP6-LISTEN:2222,fork,reuseaddr \
		EXEC:'/bin/sh -i',pty,setsid,ctty,stderr,echo=0
	until_ok 5 ns "$n" nc -z ::1 80 && until_ok 5 ns "$n" nc -z ::1 7 ||
		die "servers in $n do not start"
}

dns_server() { bg server dns "$PYTHON" "$here/net.py" dns "$DNS6"; }

payload() {
	mkdir -p "$LAB_DIR/www"
	head -c "$2" /dev/urandom >"$LAB_DIR/www/$1"
}

hash_of() { sha256sum <"$1" | cut -d' ' -f1; }

same_file() {
	[ "$(hash_of "$1")" = "$(hash_of "$2")" ] ||
		{ note "hash differs: $1 $2"; return 1; }
}

# the site's own address in unmap's prefix
lan6_of() {
	ip_ "$1" -6 -o addr show dev eth0 scope global -tentative |
		awk '$4 ~ /^2001:db8:100:/ { sub("/.*", "", $4); print $4; exit }'
}

url() { printf 'http://[%s]/%s' "$1" "$2"; }

# get FROM-NODE ADDRESS FILE [CURL-ARG...]: download, compare
get() {
	local from=$1 to=$2 file=$3 got=$LAB_DIR/got.$1.$BASHPID

	shift 3
	ns "$from" curl -sS --globoff --max-time "${CURL_MAX:-30}" -o "$got" "$@" \
		"$(url "$to" "$file")" || return 1
	same_file "$got" "$LAB_DIR/www/$file" || return 1
	rm -f "$got"
}

# put FROM-NODE TO-NODE ADDRESS FILE [CURL-ARG...]: upload, compare
put() {
	local from=$1 at=$2 to=$3 file=$4 name=$BASHPID-$4 got

	shift 4
	got=$LAB_DIR/nginx-$at/put/$name
	ns "$from" curl -sS --globoff --max-time "${CURL_MAX:-30}" -f -o /dev/null \
		-H Expect: -T "$LAB_DIR/www/$file" "$@" \
		"$(url "$to" "put/$name")" || return 1
	same_file "$got" "$LAB_DIR/www/$file" || return 1
	rm -f "$got"
}

# any answer of several: a lossy path is no failure
ping_() {
	local from=$1 to=$2 out

	shift 2
	out=$(ns "$from" ping -n -c 4 -i 0.2 -W 2 "$@" "$to" 2>&1) ||
		{ note "ping $from -> $to: $(tail -n 2 <<<"$out" | head -n 1)"; return 1; }
}

t_ping_out() { ping_ lan "$SRV6"; }
t_ping_in() { ping_ server "$LAN6"; }

t_tcp_out() {
	get lan "$SRV6" 4m && put lan server "$SRV6" 4m
}

t_tcp_in() {
	get server "$LAN6" 4m && put server lan "$LAN6" 4m
}

udp_() {
	local from=$1 to=$2 out

	shift 2
	out=$(ns "$from" timeout 40 "$PYTHON" "$here/net.py" udp "$to" 7 "$@" 2>&1) ||
		{ note "udp $from -> $to: $out"; return 1; }
}

t_udp_out() { udp_ lan "$SRV6" 20 40 && udp_ lan "$SRV6" 400 "${1:-1452}"; }
t_udp_in() { udp_ server "$LAN6" 20 40 && udp_ server "$LAN6" 400 "${1:-1452}"; }

t_full_out() { ping_ lan "$SRV6" -M "do" -s 1452; }
t_full_in() { ping_ server "$LAN6" -M "do" -s 1452; }
t_frag_out() { ping_ lan "$SRV6" -s 4000; }
t_frag_in() { ping_ server "$LAN6" -s 4000; }

t_many() {
	local i n=${1:-20} bad=0 pids=()

	for ((i = 0; i < n; i++)); do
		get lan "$SRV6" server.txt &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad=$((bad + 1))
	done
	[ $bad = 0 ] || { note "$bad of $n connections failed"; return 1; }
}

t_dns() {
	local out

	out=$(ns lan dig +short +tries=3 +time=2 @"$DNS6" www.example AAAA)
	[ "$out" = "$SRV6" ] || { note "dig: $out"; return 1; }
}

# The path's size as tracepath finds it, $1
t_tracepath() {
	local out

	out=$(ns lan tracepath -n -m 12 "$SRV6")
	grep -q "Resume: pmtu ${1:-1500} " <<<"$out" && grep -q reached <<<"$out" ||
		{ note "$out"; return 1; }
}

# What a person would type, by hand and slowly: an interactive shell
shell_() {
	local from=$1 to=$2 out

	# shellcheck disable=SC2016
	out=$({
		sleep 0.3
		echo 'x=4'
		sleep 0.3
		echo 'echo word$((x * 10 + 2))'
		sleep 0.3
		echo exit
		sleep 0.5
	} | ns "$from" timeout 10 nc -6 -w 3 "$to" 2222 2>&1)
	grep -q word42 <<<"$out" || { note "shell: $out"; return 1; }
}

t_shell_out() { shell_ lan "$SRV6"; }
t_shell_in() { shell_ server "$LAN6"; }
