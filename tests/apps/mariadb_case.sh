#!/bin/bash
# mariadb_case: installs a server's tables, loads InnoDB, MyISAM and Aria, alters, kills the server in the middle of inserts,
# recovers, checks, dumps. Its socket is beside its files, its I/O is native and
# asynchronous: by io_submit in a pool, where io_uring is refused.
# needs: mariadbd mariadb mariadb-install-db mariadb-admin mariadb-dump
set -u
export LC_ALL=C
aio=--innodb-use-native-aio=1 run=$PWD/run
as=(); [ "$(id -u)" -eq 0 ] && as=(--user=root)
mkdir tmp run
mariadb-install-db --no-defaults $aio --auth-root-authentication-method=normal --skip-test-db --datadir="$PWD/data" "${as[@]}" \
    > install.log 2>&1 || { tail -30 install.log; exit 1; }
q() { mariadb --no-defaults -S "$run/s" -u root -N -e "$@"; }
start() {
    mariadbd --no-defaults $aio "${as[@]}" --datadir="$PWD/data" --tmpdir="$PWD/tmp" --socket="$run/s" --skip-networking \
        --pid-file="$run/pid" --innodb-flush-log-at-trx-commit=1 --log-bin=log --sync-binlog=1 >> server.log 2>&1 & server=$!
    for _ in $(seq 300); do q 'select 1' > /dev/null 2>&1 && return; sleep 0.1; done
    echo "no server"; tail -20 server.log; exit 1
}
start
q "create database t; use t; create table t.i(n int primary key auto_increment, s varchar(100)) engine=innodb;
   create table t.m(n int, s char(80)) engine=myisam; create table t.a(n int) engine=aria;
   insert into t.i(s) select repeat('x', 50) from seq_1_to_5000"
for _ in 1 2 3 4 5 6; do q "insert into t.i(s) select s from t.i limit 4000; insert into t.m select n, s from t.i; insert into t.a select n from t.i"; done
q "select count(*) > 10, sum(n) > 0 from t.i; alter table t.i add index(s), add column extra int default 7; update t.i set extra = n; optimize table t.m; check table t.i, t.m, t.a"
(i=0; while i=$((i + 1)) && q "insert into t.i(s) values ('k$i')" 2>/dev/null; do echo $i > "$run/answered"; done) & client=$!
sleep 2; kill -9 $server; wait $server $client 2>/dev/null
start
q "check table t.i; repair table t.m; check table t.a; select count(*) > 10 from t.i" | grep -v warning
[ "$(q "select count(*) from t.i where s like 'k%'")" -ge "$(cat "$run/answered")" ] && echo "no answered insert is missing"
mariadb-dump --no-defaults -S "$run/s" -u root t > dump.sql && tail -1 dump.sql | cut -c1-20
q "drop database t; flush logs"
mariadb-admin --no-defaults -S "$run/s" -u root shutdown; wait $server; echo "ended with $?"
# tmpfs cannot: the server says so and goes on without.
grep -qE 'InnoDB: Using (liburing|Linux native AIO)' server.log || [ "$(stat -f -c %T .)" = tmpfs ] && echo "asynchronous where it can be"
rm -rf data tmp run dump.sql *.log
