#!/bin/bash
# keyvalue_case: lmdb by several processes in its three modes, leveldb and rocksdb with synchronous writes, maps, direct I/O,
# compaction and repair; lmdb's maps reach beyond the end of a file that grows under them.
# needs: gcc g++ mdb_stat db_bench
set -eu
export LC_ALL=C
cat > lmdb.c <<'C'
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#define DO(x) do { int r = (x); if (r != 0) { fprintf(stderr, "%s: %s\n", #x, mdb_strerror(r)); exit(1); } } while (0)
static size_t run(unsigned flags, const char *name, int who) {
    MDB_env *env; MDB_txn *txn; MDB_dbi dbi; MDB_stat stat;
    char value[100] = "value", key[32];
    DO(mdb_env_create(&env)); DO(mdb_env_set_mapsize(env, 64 << 20)); DO(mdb_env_open(env, name, flags | MDB_NOSUBDIR, 0644));
    for (int i = 0; i < 200; i++) {
        DO(mdb_txn_begin(env, 0, 0, &txn)); DO(mdb_dbi_open(txn, 0, 0, &dbi));
        for (int j = 0; j < 20; j++) {
            MDB_val k = {(size_t)sprintf(key, "%d-%d-%d", who, i, j), key}, v = {sizeof value, value};
            DO(mdb_put(txn, dbi, &k, &v, 0));
        }
        DO(mdb_txn_commit(txn));
    }
    DO(mdb_txn_begin(env, 0, MDB_RDONLY, &txn)); DO(mdb_stat(txn, dbi, &stat)); mdb_txn_abort(txn); mdb_env_close(env);
    return stat.ms_entries;
}
int main(void) {
    const unsigned flags[] = {0, MDB_WRITEMAP, MDB_NOMETASYNC | MDB_NOSYNC};
    for (int mode = 0; mode < 3; mode++) {
        char name[8]; sprintf(name, "lmdb%d", mode);
        for (int p = 0; p < 3; p++) if (fork() == 0) { run(flags[mode], name, p); _exit(0); }
        for (int p = 0, s; p < 3; p++) { wait(&s); if (s != 0) return 1; }
        printf("%zu\n", run(flags[mode], name, 3)); fflush(stdout);
    }
}
C
gcc lmdb.c -llmdb -o lmdb && ./lmdb
mdb_copy -n lmdb1 copy && mdb_dump -n copy > dump && mdb_load -n -f dump loaded 2>/dev/null && mdb_stat -n loaded | grep Entries
cat > level.cpp <<'C'
#include <cstdio>
#include <leveldb/db.h>
#include <string>
int main() {
    leveldb::DB *db; leveldb::Options options; options.create_if_missing = true; options.write_buffer_size = 200000;
    if (auto s = leveldb::DB::Open(options, "level", &db); !s.ok()) return std::puts(s.ToString().c_str());
    leveldb::WriteOptions sync; sync.sync = true;
    for (int i = 0; i < 20000; i++)
        if (auto s = db->Put(sync, "k" + std::to_string(i * 7919 % 20000), std::string(100, static_cast<char>('a' + i % 26))); !s.ok()) return std::puts(s.ToString().c_str());
    db->CompactRange(nullptr, nullptr);
    int n = 0; auto *it = db->NewIterator({}); for (it->SeekToFirst(); it->Valid(); it->Next()) n++;
    std::printf("%d %s\n", n, it->status().ToString().c_str()); delete it; delete db;
    std::puts(leveldb::RepairDB("level", options).ToString().c_str());
    if (!leveldb::DB::Open(options, "level", &db).ok()) return 1;
    std::string value; std::puts(db->Get({}, "k7", &value).ToString().c_str()); delete db;
}
C
g++ level.cpp -lleveldb -o level.program && ./level.program
for way in '' '--mmap_read=1 --mmap_write=1' '--use_direct_reads=1 --use_direct_io_for_flush_and_compaction=1' '--threads=2'; do
    db_bench --db="$PWD/rocks" --benchmarks=fillseq,fillrandom,overwrite,readrandom,readseq,deleterandom,compact,verifychecksum \
        --num=20000 --sync=1 --write_buffer_size=1000000 $way > bench 2>&1 || cat bench
    grep -cE '^[a-z]+ +:.*micros/op' bench || cat bench
    ldb --db="$PWD/rocks" checkconsistency
    rm -rf rocks
done
rm -rf level lmdb* copy* dump loaded* bench level.program
