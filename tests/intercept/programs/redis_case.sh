# redis_case: an event loop, its background threads, a snapshot by a forked child.
redis-server --port 0 --unixsocket "$PWD/sock" --dir "$PWD" --save '' --appendonly yes --daemonize no --io-threads 2 >log 2>&1 &
server=$!
for i in $(seq 200); do redis-cli -s sock ping 2>/dev/null | grep -q PONG && break; sleep 0.05; done
redis-cli -s sock set a 1.5; redis-cli -s sock incrbyfloat a 2.25; redis-cli -s sock lpush l x y z; redis-cli -s sock lrange l 0 -1
redis-cli -s sock eval 'local s=0 for i=1,10000 do s=s+i*0.5 end return tostring(s)' 0
for i in $(seq 1 500); do echo "set key$i $i"; done | redis-cli -s sock --pipe | tail -1
redis-cli -s sock debug reload 2>&1 | head -1 | cut -c1-10
redis-cli -s sock save; redis-cli -s sock bgsave; sleep 0.3; redis-cli -s sock bgrewriteaof; redis-cli -s sock dbsize
redis-benchmark -s sock -n $((1000 * SCALE)) -c 20 -q -t set,get 2>&1 | tr '\r' '\n' | grep -cE 'requests per second'
redis-cli -s sock shutdown nosave; wait $server; echo $?
