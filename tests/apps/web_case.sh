#!/bin/bash
# web_case: nginx with its files, logs, cache and uploads in the pool: sendfile, direct reads, ranges, autoindex, a proxy
# cache, WebDAV, log rotation, reload. Its socket is beside its files.
# needs: nginx curl
set -u
export LC_ALL=C
run=$PWD/run; mkdir run
mkdir www logs && seq 1 400000 > www/big && echo hi > www/index.txt
user=; [ "$(id -u)" -eq 0 ] && user='user root;'
cat > nginx.conf <<C
daemon off; worker_processes 2; pid $run/pid; error_log $PWD/error.log; $user
events {}
http { access_log $PWD/logs/access.log; sendfile on; client_max_body_size 20m; client_body_temp_path $PWD/body;
proxy_temp_path $PWD/proxy; fastcgi_temp_path $PWD/fastcgi; uwsgi_temp_path $PWD/uwsgi; scgi_temp_path $PWD/scgi;
proxy_cache_path $PWD/cache keys_zone=z:1m; gzip on; gzip_min_length 1; gzip_types text/plain;
server { listen unix:$run/s; root $PWD/www; location / { autoindex on; }
 location /copied/ { sendfile off; alias $PWD/www/; } location /direct/ { directio 1; alias $PWD/www/; }
 location /mapped/ { aio threads; alias $PWD/www/; }
 location /dav/ { alias $PWD/www/; dav_methods PUT DELETE MKCOL MOVE; create_full_put_path on; }
 location /cached/ { proxy_pass http://unix:$run/s:/; proxy_cache z; proxy_cache_valid 200 1m; } } }
C
nginx -e "$PWD/error.log" -c "$PWD/nginx.conf" -p "$PWD" & server=$!
for _ in $(seq 100); do [ -S "$run/s" ] && break; sleep 0.05; done
get() { curl -s --unix-socket "$run/s" "$@"; }
for way in '' copied/ direct/ mapped/ cached/ cached/; do get "http://x/${way}big" | cmp - www/big && echo "${way:-sendfile} same"; done
get -r 1000-1999 http://x/big | cmp - <(tail -c +1001 www/big | head -c 1000) && echo range
get --compressed http://x/big | cmp - www/big && echo gzip
get http://x/ | grep -c href
get -T www/big http://x/dav/new/put && cmp www/big www/new/put && echo put
get -X MOVE -H 'Destination: /dav/moved' http://x/dav/new/put && ls www
for _ in $(seq 200); do get http://x/index.txt; done | sort | uniq -c | sed 's/^ *//'
mv logs/access.log logs/old.log && kill -USR1 $server && sleep 0.5 && get http://x/index.txt && wc -l < logs/access.log
kill -HUP $server; sleep 0.5; get http://x/index.txt
echo changed > www/index.txt; get http://x/index.txt
kill -QUIT $server; wait $server; echo "ended with $?"
cat error.log; find cache -type f | wc -l
rm -rf run logs error.log cache nginx.conf
