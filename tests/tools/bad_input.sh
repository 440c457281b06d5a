#!/bin/bash
# Bad input to the command line: each case gives one clear line on stderr and
# the right exit code, changes nothing, crashes and hangs nowhere.
# Usage: bad_input.sh PATH_OF_PMEMFILE
set -u
pmemfile=$1
dir=$(mktemp -d /dev/shm/pmemfile-test-tools.XXXXXX)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
failed=0
passed=0

# expect CODE PATTERN COMMAND...: the exit code, one line on stderr that matches PATTERN, nothing else.
expect() {
    local code=$1 pattern=$2 got lines
    shift 2
    timeout 60 "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    lines=$(wc -l <"$dir/err")
    if [ "$got" -eq "$code" ] && [ "$lines" -eq 1 ] && grep -qE -- "$pattern" "$dir/err"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $*: exit code $got (want $code), stderr: $(cat "$dir/err") (want one line: $pattern)"
    fi
}
# expect_code CODES COMMAND...: one of the codes (a|b), and not more than a crash-free report.
expect_code() {
    local codes=$1 got
    shift
    timeout 60 "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    if [[ $got =~ ^($codes)$ ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $*: exit code $got (want $codes): $(tail -n 3 "$dir/out" "$dir/err")"
    fi
}
# unchanged FILE SUM: what was there is still there.
unchanged() {
    if [ "$(sha256sum <"$1")" = "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1 was changed"
    fi
}

pool=$dir/pool
expect_code 0 "$pmemfile" mkfs -s 32M -L test "$pool"
[ -f "$pool" ] || { echo "no pool, no test"; exit 1; }
expect_code 0 "$pmemfile" fsck -n "$pool"
expect_code 0 "$pmemfile" fsck "$pool"
expect_code 0 "$pmemfile" info --json "$pool"
grep -q '"label": "test"' "$dir/out" || { echo "FAILED: info --json shows no label"; failed=$((failed + 1)); }
good=$(sha256sum <"$pool")

# Usage.
expect 16 Try "$pmemfile" fsck
expect 16 Try "$pmemfile" fsck --nonsense "$pool"
expect 125 Try "$pmemfile" run
expect 2 Try "$pmemfile" nonsense
expect 2 'not a size' "$pmemfile" mkfs -s 12X "$dir/new"
expect 2 'not a size' "$pmemfile" mkfs -s 99999999999999T "$dir/new"
expect 2 '63' "$pmemfile" mkfs -s 32M -L "$(printf 'x%.0s' {1..64})" "$dir/new"
expect 1 'cannot make' "$pmemfile" mkfs -s 1M "$dir/new"
expect 1 'cannot make' "$pmemfile" mkfs -s 32M "$pool" # exists, no -f
expect 1 'cannot make' "$pmemfile" mkfs -s 32M "$dir"  # a directory
expect 1 'cannot make' "$pmemfile" mkfs -f -s 32M "$dir"
expect 1 'cannot make' "$pmemfile" mkfs -s 32M "$dir/none/pool"
expect 1 "cannot make a pool at $pool: exists already" "$pmemfile" mkfs -s 32M "$pool"
expect 1 'at most 40 TiB' "$pmemfile" mkfs -s 32M -m 41T "$dir/new"
expect 1 'at most 40 TiB' "$pmemfile" mkfs -s 41T "$dir/new"
[ ! -e "$dir/new" ] || { echo "FAILED: a failed mkfs left a file"; failed=$((failed + 1)); }
unchanged "$pool" "$good"
mkfifo "$dir/fifo"
expect 1 'neither a file nor a device-dax' "$pmemfile" mkfs "$dir/fifo"
expect 1 'neither a file nor a device-dax' "$pmemfile" mkfs -f -s 32M "$dir/fifo"
[ -p "$dir/fifo" ] || { echo "FAILED: mkfs -f put a file where a fifo was"; failed=$((failed + 1)); }

# By a symlink: the pool that it leads to is made anew, where it is.
mkdir "$dir/elsewhere"
expect_code 0 "$pmemfile" mkfs -s 16M -L old "$dir/elsewhere/pool"
ln -s elsewhere/pool "$dir/by-link"
expect_code 0 "$pmemfile" mkfs -f -s 16M -L new "$dir/by-link"
[ -L "$dir/by-link" ] || { echo "FAILED: mkfs -f put the pool in place of the symlink"; failed=$((failed + 1)); }
expect_code 0 "$pmemfile" info --json "$dir/elsewhere/pool"
grep -q '"label": "new"' "$dir/out" || { echo "FAILED: mkfs -f by a symlink left the old pool"; failed=$((failed + 1)); }
rm "$dir/elsewhere/pool"
expect 1 'symlink that leads nowhere' "$pmemfile" mkfs -s 16M "$dir/by-link"
[ -L "$dir/by-link" ] || { echo "FAILED: mkfs put the pool in place of a symlink"; failed=$((failed + 1)); }

# Things that are no pool.
head -c 33554432 /dev/zero >"$dir/zeros"
head -c 5 /dev/zero >"$dir/short"
: >"$dir/empty"
for thing in "$dir/zeros" "$dir/short" "$dir/empty" "$dir" /dev/null; do
    expect 8 '(not|no) ' "$pmemfile" fsck -n "$thing"
    expect 8 '(not|no) ' "$pmemfile" fsck "$thing"
    expect 1 '(not|no) ' "$pmemfile" info "$thing"
    expect 1 '(not|no) ' "$pmemfile" ls "$thing"
    expect 1 '(not|no) ' "$pmemfile" cat "$thing:/x"
done
expect 8 'No such file' "$pmemfile" fsck "$dir/none"
expect 1 'No such file' "$pmemfile" ls "$dir/none"
expect 1 'No such file' "$pmemfile" cat "$pool:/none"
expect 1 'No such file' "$pmemfile" ls "$pool:/none"
expect 1 'directory' "$pmemfile" cat "$pool:/"

# Truncated.
for size in 4096 2097152 8388608 33550336; do
    head -c "$size" "$pool" >"$dir/cut"
    cut_sum=$(sha256sum <"$dir/cut")
    expect 8 'truncated|not a pmemfile pool|no superblock' "$pmemfile" fsck -n "$dir/cut"
    expect 8 'truncated|not a pmemfile pool|no superblock' "$pmemfile" fsck "$dir/cut"
    expect 1 'truncated|not a pmemfile pool|no superblock' "$pmemfile" ls "$dir/cut"
    unchanged "$dir/cut" "$cut_sum"
done

# A newer format: the version of the superblock (found by its magic), one up.
sb=$(grep -obUaP 'PMEFILS1' "$pool" | head -n 1 | cut -d: -f1)
if [ -n "$sb" ]; then
    cp "$pool" "$dir/newer"
    printf '\x02' | dd of="$dir/newer" bs=1 seek=$((sb + 16)) conv=notrunc status=none
    newer_sum=$(sha256sum <"$dir/newer")
    expect 8 'version 2' "$pmemfile" fsck "$dir/newer"
    expect 1 'version 2' "$pmemfile" info "$dir/newer"
    expect 1 'version 2' "$pmemfile" ls "$dir/newer"
    unchanged "$dir/newer" "$newer_sum"
    # Flipped bytes anywhere in the first MiB of the slab: never a signal (>= 128), never a hang.
    for offset in 8 20 40 60 100 150 200 400 520 580 640 4096 4100 8192 8200 12288 65536 131072 262144 524288 \
        1048576; do
        cp "$pool" "$dir/flipped"
        printf '\xa5\x5a\xff' | dd of="$dir/flipped" bs=1 seek=$((sb + offset)) conv=notrunc status=none
        expect_code '0|4|8' "$pmemfile" fsck -n "$dir/flipped"
        expect_code '0|1|4|8' "$pmemfile" fsck "$dir/flipped"
        expect_code '0|1' "$pmemfile" ls -laR "$dir/flipped"
    done
    for offset in 8 20 100 150; do # under the superblock's checksum: must be noticed
        cp "$pool" "$dir/flipped"
        printf '\xa5\x5a\xff' | dd of="$dir/flipped" bs=1 seek=$((sb + offset)) conv=notrunc status=none
        expect_code '4|8' "$pmemfile" fsck "$dir/flipped"
    done
else
    echo "FAILED: no superblock magic in a new pool"
    failed=$((failed + 1))
fi

# run's own errors.
mkdir "$dir/mnt"
# A directory in a circle: the entry of `third` leads to `first`.
cp "$pool" "$dir/circle"
"$pmemfile" run -m "$dir/mnt=$dir/circle" -- mkdir -p "$dir/mnt/first/second/third"
python3 - "$dir/circle" <<'EOF'
import sys
data = bytearray(open(sys.argv[1], 'rb').read())
def entry(name): # in a leaf: inode, hash, name
    at = -1
    while True:
        at = data.index(name, at + 1)
        if data[at // 4096 * 4096:][:4] == b'LEF1':
            return at - 16
first, third = entry(b'first'), entry(b'third')
data[third:third + 8] = data[first:first + 8]
open(sys.argv[1], 'wb').write(data)
EOF
expect 1 'first/second/third: Too many levels' "$pmemfile" ls -R "$dir/circle"
expect_code 1 "$pmemfile" fsck "$dir/circle"
expect_code 0 "$pmemfile" ls -R "$dir/circle"
rm "$dir/circle"
# The root's trie fills the pool, and most of its pointers lead to blocks of its own again: seconds, not minutes.
expect_code 0 "$pmemfile" mkfs -s 192M "$dir/circle"
python3 - "$dir/circle" <<'EOF'
import mmap, struct, sys
file = open(sys.argv[1], 'r+b')
pool = mmap.mmap(file.fileno(), 0)
superblock = pool.find(b'PMEFILS1')
first, count, metadata = struct.unpack_from('<QII', pool, superblock + 4096)
root = first + metadata
blocks = list(range(root + 1, first + count))
struct.pack_into('<16Q', pool, root * 4096 + 128, *blocks[:16])
fresh = 16
for block in blocks:
    below = blocks[fresh:fresh + 8]
    fresh += len(below)
    again = (below + [block, root + 1])[:2]
    struct.pack_into('<512Q', pool, block * 4096, *below, *(again * 256)[:512 - len(below)])
EOF
expect_code 4 "$pmemfile" fsck -n "$dir/circle"
rm "$dir/circle"
expect 125 'DIR=POOL' "$pmemfile" run -m nonsense -- true
expect 125 'cannot mount' "$pmemfile" run -m "$dir/none=$pool" -- true
expect 125 'cannot mount' "$pmemfile" run -m "$pool=$pool" -- true
expect 125 'cannot use pool' "$pmemfile" run -m "$dir/mnt=$dir/none" -- true
expect 125 'cannot use pool' "$pmemfile" run -m "$dir/mnt=$dir" -- true
expect 125 '.' "$pmemfile" run -m "$dir/mnt=$dir/zeros" -- true
expect 126 'cannot run' "$pmemfile" run -m "$dir/mnt=$pool" -- "$dir/zeros"
expect 127 'cannot run' "$pmemfile" run -m "$dir/mnt=$pool" -- no-such-command-anywhere
expect_code 7 "$pmemfile" run -m "$dir/mnt=$pool" -- sh -c 'exit 7'

# A full pool: ENOSPC for the writer, and the pool is whole, also when room is made again.
expect_code 1 "$pmemfile" run -m "$dir/mnt=$pool" -- dd if=/dev/zero of="$dir/mnt/fill" bs=64K status=none
grep -q 'No space left' "$dir/err" || { echo "FAILED: dd on a full pool: $(cat "$dir/err")"; failed=$((failed + 1)); }
expect_code 0 "$pmemfile" fsck -n "$pool"
expect_code 0 "$pmemfile" run -m "$dir/mnt=$pool" -- rm "$dir/mnt/fill"
expect_code 0 "$pmemfile" run -m "$dir/mnt=$pool" -- sh -c "echo kept >'$dir/mnt/small'"
expect_code 0 "$pmemfile" cat "$pool:/small"
[ "$(cat "$dir/out")" = kept ] || { echo "FAILED: cat after a full pool"; failed=$((failed + 1)); }
expect_code 0 "$pmemfile" fsck "$pool"

# What asks for more than there is takes nothing.
free=$("$pmemfile" run -m "$dir/mnt=$pool" -- stat -f -c %f "$dir/mnt")
for mode in '' -n -z; do # posix_fallocate's, without the size, zeros
    expect_code 1 "$pmemfile" run -m "$dir/mnt=$pool" -- fallocate $mode -l 1G "$dir/mnt/small"
    grep -q 'No space left' "$dir/err" || { echo "FAILED: fallocate: $(cat "$dir/err")"; failed=$((failed + 1)); }
    expect_code 0 "$pmemfile" run -m "$dir/mnt=$pool" -- sh -c "stat -f -c %f '$dir/mnt'; stat -c %b '$dir/mnt/small'; cat '$dir/mnt/small'"
    [ "$(cat "$dir/out")" = "$free"$'\n0\nkept' ] || { echo "FAILED: after fallocate $mode: $(cat "$dir/out"), not $free"; failed=$((failed + 1)); }
done
expect_code 0 "$pmemfile" fsck -n "$pool"

# No memory: a line and the code for "could not be done", at whatever allocation; and the pool is as it was.
lines=0
for kib in $(seq 20000 7000 160000); do
    for mode in -n --; do
        expect_code '0|8' bash -c 'ulimit -v "$1" && exec "$2" fsck "$3" "$4"' sh "$kib" "$pmemfile" "$mode" "$pool"
        lines=$((lines + $(grep -c 'memory' "$dir/err")))
    done
done
[ "$lines" -gt 3 ] || { echo "FAILED: memory never was too little"; failed=$((failed + 1)); }
expect_code 0 "$pmemfile" fsck "$pool"

# A pool in a place that may not be written to (root needs a read-only mount; others chmod).
if [ "$(id -u)" -eq 0 ]; then
    mkdir "$dir/ro"
    mount -t tmpfs -o size=64M none "$dir/ro" 2>/dev/null && {
        cp "$pool" "$dir/ro/pool"
        mount -o remount,ro "$dir/ro"
        expect 8 'Read-only' "$pmemfile" fsck "$dir/ro/pool"
        expect_code 0 "$pmemfile" fsck -n "$dir/ro/pool"
        expect 1 'Read-only' "$pmemfile" mkfs -s 32M "$dir/ro/new"
        expect_code 0 "$pmemfile" info "$dir/ro/pool"
        expect_code 0 "$pmemfile" ls "$dir/ro/pool"
        expect 125 'read-only filesystem' "$pmemfile" run -r "$dir/mnt=$dir/ro/pool" -- true
        expect 125 'read-only filesystem' "$pmemfile" run -m "$dir/mnt=$dir/ro/pool" -- true
        umount "$dir/ro"
    }
else
    mkdir "$dir/ro"
    cp "$pool" "$dir/ro/pool"
    chmod 400 "$dir/ro/pool"
    chmod 500 "$dir/ro"
    expect 8 'Permission denied' "$pmemfile" fsck "$dir/ro/pool"
    expect_code 0 "$pmemfile" fsck -n "$dir/ro/pool"
    expect 1 'Permission denied' "$pmemfile" mkfs -s 32M "$dir/ro/new"
fi

echo "$passed checks passed, $failed failed"
[ "$failed" -eq 0 ]
