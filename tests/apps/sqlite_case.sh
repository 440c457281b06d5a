#!/bin/bash
# sqlite_case: several processes insert into one database, one is killed with
# SIGKILL in mid-insert; nothing committed is lost and the file stays sound.
# In both journal modes; WAL needs shared mappings.
# needs: sqlite3
set -u
for mode in delete wal; do
    db=$PWD/$mode.db
    sqlite3 "$db" "pragma journal_mode=$mode; create table t(who, n);"
    insert() { # WHO COUNT: prints each number once it is committed
        for n in $(seq "$2"); do
            sqlite3 -cmd '.timeout 20000' "$db" "insert into t values('$1', $n);" || exit 1
            echo "$n" > "$mode.$1.done"
        done
    }
    insert a 30 & a=$!
    insert b 30 & b=$!
    (printf '.timeout 20000\n'; for n in $(seq 100000); do echo "insert into t values('k', $n);"; done) > load.sql
    sqlite3 "$db" < load.sql > /dev/null 2>&1 & victim=$!
    sleep 0.5
    kill -9 $victim && wait $victim 2>/dev/null
    wait $a || echo "a failed"
    wait $b || echo "b failed"
    sqlite3 "$db" "select who, count(*), max(n) from t where who <> 'k' group by who order by who;
        select count(*) = coalesce(max(n), 0) from t where who = 'k'; pragma integrity_check;"
    cat "$mode.a.done" "$mode.b.done"
    rm -f "$db" "$db"-* load.sql
done
