# postgres_case: initdb, a server, pgbench with several clients, a clean stop.
export PATH=/usr/lib/postgresql/15/bin:$PATH LC_ALL=C
as_user=()
if [ "$(id -u)" -eq 0 ]; then # it refuses root
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chown 65534:65534 .
fi
run() { "${as_user[@]}" env HOME="$PWD" "$@"; }
run initdb -D "$PWD/db" -A trust -U me --no-sync >log 2>&1; echo $?
run pg_ctl -D "$PWD/db" -w -t 60 -l "$PWD/server" -o "-c listen_addresses='' -k $PWD -c fsync=off -c shared_buffers=16MB" start >>log 2>&1; echo $?
run psql -h "$PWD" -U me postgres -Atc 'create table t as select x, x*1.5 as y from generate_series(1,5000) x; select sum(y) from t; select count(*) from t where sqrt(x) > 30' 2>&1
run pgbench -h "$PWD" -U me -i -s 1 -q postgres >>log 2>&1; echo $?
run pgbench -h "$PWD" -U me -c 4 -j 2 -t $((20 * SCALE)) -n postgres 2>>log | grep -E 'actually processed|failed'
run psql -h "$PWD" -U me postgres -At -c 'select count(*) from pgbench_history' -c 'vacuum full' -c checkpoint 2>&1
run pg_ctl -D "$PWD/db" -w -m fast stop >>log 2>&1; echo $?
echo "$(grep -cE 'PANIC|terminated by signal' server) panics"
