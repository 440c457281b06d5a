# sqlite_case: journals of both kinds, and two processes at one database.
sqlite3 t.db "create table t(a,b); with recursive n(x) as (select 1 union all select x+1 from n where x<5000) insert into t select x, x*1.5 from n; select count(*), sum(b) from t; create index i on t(a);"
sqlite3 t.db "pragma journal_mode=wal; update t set b=b+0.25 where a%2; select total(b) from t; pragma wal_checkpoint; pragma integrity_check;"
sqlite3 -cmd '.timeout 20000' t.db "begin immediate; insert into t values(-1,1); select count(*) from t; commit;" >o1 & sqlite3 -cmd '.timeout 20000' t.db "insert into t values(-2,1);" ; wait
sqlite3 t.db "select count(*) from t; select group_concat(a) from (select a from t where a<0 order by a); pragma integrity_check;"
sqlite3 t.db .dump | sha256sum | cut -c1-0; echo dumped
