#!/bin/bash
# postgresql_case: initdb, pgbench, kill -9 of a backend and of the postmaster under load, recovery, vacuum, a base
# backup, checksums of every page. What was committed is there: the sum over the accounts is that over the history.
# Needs a pool that any user may open (APPS_POOL_MODE): the server does not run as root. Its socket is beside its files.
# needs: /usr/lib/postgresql/15/bin/postgres
set -u
export LC_ALL=C
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
run=$PWD/run
clients=4 seconds=${APPS_SECONDS:-4}
mkdir run
cat > run/work.sh <<END
set -u
cd "$PWD"
q() { psql -h $run -d postgres -AtX "\$@"; }
bench() { $bin/pgbench -n -h $run -c $clients -j 2 -T $seconds postgres; }
start() {
    $bin/pg_ctl -D data -w -t 60 -l server.log -o "-c listen_addresses= -k $run -c autovacuum_naptime=1" start > /dev/null || { tail -20 server.log; exit 1; }
}
is_sound() {
    for _ in \$(seq 50); do q -c 'select 1' > /dev/null 2>&1 && break; sleep 0.2; done
    q -c 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history), (select count(*) > 0 from pgbench_history)'
}
$bin/initdb -D data -A trust --data-checksums > init.log 2>&1 || { tail -20 init.log; exit 1; }
start
$bin/pgbench -h $run -i -s 1 postgres > /dev/null 2>&1
bench | grep -E 'failed'
is_sound
bench > /dev/null 2>&1 & load=\$!
sleep 2
kill -9 \$(q -c "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() limit 1")
wait \$load; echo "a backend was killed"
is_sound
bench > /dev/null 2>&1 & load=\$!
sleep 2
postmaster=\$(head -1 data/postmaster.pid)
kill -9 \$postmaster
wait \$load; echo "the postmaster was killed"
# Its children end by themselves when they notice; the next one waits for their shared memory.
for _ in \$(seq 100); do pgrep -u \$(id -u) -f "postgres: .*\$" > /dev/null || break; sleep 0.1; done
rm -f data/postmaster.pid $run/.s.PGSQL.* # where nobody reaps it, a killed one still answers to its number
start
is_sound
q -c 'create index on pgbench_history(tid)' -c 'vacuum full' -c 'reindex database postgres' -c 'create database other template template0' -c "create tablespace there location '$PWD/there'" -c 'create table there_t tablespace there as select * from pgbench_accounts' -c 'select count(*) from there_t' -c 'drop table there_t' -c 'drop tablespace there'
$bin/pg_dump -h $run postgres > dump.sql && tail -4 dump.sql | head -1
$bin/pg_basebackup -h $run -D backup -X stream -c fast && $bin/pg_verifybackup backup
$bin/pg_ctl -D data -m fast stop | tail -1
$bin/pg_checksums -D data -c | grep -E 'Bad'
grep -E 'PANIC|could not' server.log | grep -v 'connection\|receive data' | head
END
mkdir there
if [ "$(id -u)" -eq 0 ]; then
    chown -R postgres . && setpriv --reuid=postgres --regid=postgres --clear-groups bash "$run/work.sh"
else
    bash "$run/work.sh"
fi
status=$?
rm -rf data run backup dump.sql *.log there
exit $status
