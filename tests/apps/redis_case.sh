#!/bin/bash
# redis_case: appendfsync always under load, BGSAVE, rewrite of the log, kill -9, restart: the same data, and each write
# that was answered. Its socket is beside its files. APPS_FULL: more of all.
# needs: redis-server redis-cli redis-benchmark redis-check-aof redis-check-rdb
set -u
export LC_ALL=C
run=$PWD/run; mkdir run
n=2000; [ -n "${APPS_FULL-}" ] && n=50000
cli() { redis-cli -s "$run/s" "$@"; }
start() {
    redis-server --port 0 --unixsocket "$run/s" --dir "$PWD" --appendonly yes --appendfsync always --save '' \
        --logfile "$PWD/log" --enable-debug-command yes & server=$!
    for _ in $(seq 100); do cli ping 2>/dev/null | grep -q PONG && return; sleep 0.05; done
    echo "no server"; tail -5 log; exit 1
}
finished() { # FIELD: waits until nothing is saved any more, says how it went
    for _ in $(seq 200); do cli info persistence | grep -q '_in_progress:1' || break; sleep 0.05; done
    cli info persistence | grep "^$1" | tr -d '\r'
}
load() { redis-benchmark -s "$run/s" -q -t set,incr,lpush,sadd,hset -n $n -c 10 -r 1000 | tr '\r' '\n' | grep -c 'requests per second'; }
start
load
cli bgsave; finished rdb_last_bgsave_status
cli bgrewriteaof; load; finished aof_last_bgrewrite_status
digest=$(cli debug digest)
kill -9 $server; wait $server 2>/dev/null
start
[ "$digest" = "$(cli debug digest)" ] && echo "the same after kill -9"
# A client that counts, killed server: no answered write is missing.
(i=0; while i=$((i + 1)) && [ "$(cli set answered $i 2>/dev/null)" = OK ]; do echo $i > "$run/answered"; done) & client=$!
sleep 1; kill -9 $server; wait $server $client 2>/dev/null
start
[ "$(cli get answered)" -ge "$(cat "$run/answered")" ] && echo "no answered write is missing"
cli debug reload
cli bgrewriteaof > /dev/null; finished aof_last_bgrewrite_status
kill -9 "$(pgrep -P $server -f redis-aof-rewrite)" 2>/dev/null
cli shutdown; wait $server
redis-check-aof appendonlydir/*.manifest > check 2>&1 && tail -1 check; redis-check-rdb dump.rdb > check && echo 'rdb is good'
rm -rf run appendonlydir dump.rdb log check
