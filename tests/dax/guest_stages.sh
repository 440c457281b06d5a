# Sourced by guest_init.sh: what the guest does in each boot. A stage fails with a message and a status.
tool=/pmemfile/tools/pmemfile
preload=/pmemfile/posix-shim/libpmemfile-preload.so

complain() {
    echo "guest: $*"
    return 1
}

# The namespaces keep their modes in the NVDIMMs: made once.
make_namespaces() {
    ndctl create-namespace -f -e namespace0.0 -m fsdax -M mem >/dev/null || complain "no fsdax namespace" || return 1
    ndctl create-namespace -f -e namespace1.0 -m devdax -M mem -a 4096 >/dev/null || complain "no device-dax" || return 1
}

# Where the pool is: sets `pool`. `ext4=new` makes the filesystem.
open_medium() {
    if [ "$medium" = device ]; then
        pool=/dev/dax1.0
        [ -c $pool ] || complain "no $pool"
        return
    fi
    [ "${ext4:-}" != new ] || /usr/sbin/mke2fs -q -t ext4 -b 4096 /dev/pmem0 || complain "mke2fs" || return 1
    ext4=
    mount -t ext4 -o "dax=${dax:-always}" /dev/pmem0 /mnt || complain "mount -o dax=${dax:-always}" || return 1
    pool=/mnt/pool
}

in_pool() {
    "$tool" run -m "/m=$pool" -- "$@"
}

# The pool's mapping in a program under it: with MAP_SYNC ("sf" in VmFlags) if `$1` is yes (hazard 29).
expect_synchronous_mapping() {
    in_pool bash -c "sed -n '\\| $pool\$|,/VmFlags/p' /proc/self/smaps | grep VmFlags" >/tmp/flags || complain "no mapping of the pool" || return 1
    if grep -qw sf /tmp/flags; then is=yes; else is=no; fi
    [ "$is" = "$1" ] || complain "mapped with MAP_SYNC: $is, expected $1 ($(cat /tmp/flags))"
}

expect_clean() {
    "$tool" fsck "$pool" || complain "fsck"
}

# Unmodified programs, the checker, the suites on this medium.
stage_programs() {
    make_namespaces && open_medium || return 1
    echo "cpu: $(grep -ow 'clwb\|clflushopt' /proc/cpuinfo | sort -u | tr '\n' ' ')"
    "$tool" mkfs -f -s 48M -L dax "$pool" && "$tool" info "$pool" || complain "mkfs" || return 1
    if [ "$medium" = files ]; then
        expect_synchronous_mapping yes || return 1
        # The note of the process that left says "persistent memory"; without DAX it no longer holds.
        umount /mnt && mount -t ext4 -o dax=never /dev/pmem0 /mnt || complain "remount" || return 1
        expect_synchronous_mapping no && umount /mnt && open_medium && expect_synchronous_mapping yes || return 1
    fi
    head -c 3000000 /dev/urandom >/tmp/source
    in_pool bash -c '
        set -e
        cd /m
        mkdir -p a/b
        cp /tmp/source a/b/one
        cp a/b/one two && mv two a/three && ln a/three four && ln -s a/three five
        cat five | cmp - /tmp/source
        for i in {1..200}; do echo $i >>log; done
        [ "$(tail -n 1 log)" = 200 ]
        sqlite3 x.db "create table t(x); with recursive n(i) as (select 1 union all select i+1 from n where i<2000) insert into t select i from n; select sum(x) from t;"
        cp /usr/bin/cmp ours && ./ours two /tmp/source 2>&1 | grep -q "No such file"
        ./ours five /tmp/source
        rm -r a/b four
        exec 3<>log; echo later >&3' >/tmp/out || complain "programs: $(cat /tmp/out)" || return 1
    [ "$(cat /tmp/out)" = 2001000 ] || complain "sqlite: $(cat /tmp/out)" || return 1
    expect_clean || return 1
    in_pool cmp /m/a/three /tmp/source || complain "content after an attach" || return 1
    [ "$medium" = files ] || return 0
    export PMEMFILE_TEST_DIRECTORY=/mnt
    /pmemfile/tests/posix/posix_library_suite --gtest_brief=1 \
        --gtest_filter='Data.*:Names.*:Open.*:Mapped.*:Unnamed.*:Copy.*:Clone.*:Xattr.*:-Data.BadAddress*:Data.WriteFromReadOnlyMemory*' || complain "posix-library" || return 1
    /pmemfile/tests/kill/kill_test 20 || complain "kill"
}

# Two programs that note on the console what has returned, until the power goes. With `keep` on the pool that is there.
stage_write() {
    open_medium || return 1
    if [ "${keep:-}" != yes ]; then
        "$tool" mkfs -f -s 48M "$pool" || complain "mkfs" || return 1
        in_pool sqlite3 /m/rows.db 'create table t(n, x);' || complain "sqlite3" || return 1 # and leaves a note of the medium
    fi
    [ "$medium" = device ] || expect_synchronous_mapping "$([ "${dax:-always}" = always ] && echo yes || echo no)" || return 1
    in_pool bash /tests/guest_writer.sh &
    row=$(in_pool sqlite3 /m/rows.db 'select coalesce(max(n), 0) from t') || complain "sqlite3" || return 1
    while :; do
        row=$((row + 1))
        echo "insert into t values($row, hex(zeroblob(300))); select 'row $row';"
    done | in_pool sqlite3 -cmd 'PRAGMA busy_timeout=60000' /m/rows.db
    complain "sqlite3 has ended"
}

# After the cut: what had returned is there.
stage_look() {
    open_medium || return 1
    in_pool bash /tests/guest_look.sh "$rounds" "$rows" || complain "contents" || return 1
    expect_clean && in_pool bash /tests/guest_look.sh "$rounds" "$rows"
}
