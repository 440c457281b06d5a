#!/bin/bash
# Damage in libpmemobj's part of a pool: no command dies of it or needs that part, and fsck names it.
# Usage: container_damage.sh PATH_OF_PMEMFILE
set -u
pmemfile=$1
dir=$(mktemp -d /dev/shm/pmemfile-test-container.XXXXXX)
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/expect.sh"

pool=$dir/pool
mkdir "$dir/mnt"
"$pmemfile" mkfs -s 16M -m 1G "$pool" || exit 1
"$pmemfile" run -m "$dir/mnt=$pool" -- sh -c "echo kept >'$dir/mnt/file'" || exit 1
expect 0 clean '' "$pmemfile" fsck "$pool"
cp --sparse=always "$pool" "$dir/whole"

# damage OFFSET: one byte; the commands work as before.
damage() {
    cp --sparse=always "$dir/whole" "$pool"
    printf '\x02' | dd of="$pool" bs=1 seek="$1" conv=notrunc status=none
    expect 4 '^container: .*1 problems left' '' bash -c '"$0" fsck -n "$1" | tr "\n" " "; exit "${PIPESTATUS[0]}"' "$pmemfile" "$pool"
    expect 4 '^container: ' '' "$pmemfile" fsck "$pool"
    expect 0 'file' '' "$pmemfile" ls "$pool"
    expect 0 kept '' "$pmemfile" cat "$pool:/file"
    expect 0 label '' "$pmemfile" info --json "$pool"
    expect 0 kept '' "$pmemfile" run -m "$dir/mnt=$pool" -- cat "$dir/mnt/file"
    # And with the note of who left in order gone: a first attach after a crash.
    "$pmemfile" run -m "$dir/mnt=$pool" -- sh -c 'kill -KILL $$'
    expect 0 kept '' "$pmemfile" run -m "$dir/mnt=$pool" -- cat "$dir/mnt/file"
    expect 0 blocks '' "$pmemfile" grow "$pool" 64M
}
damage 2930639 # libpmemobj dies of this one
damage 0       # its signature
damage 4096    # the name of its layout

# A pool that may only be read.
if [ "$(id -u)" -eq 0 ]; then
    mkdir "$dir/ro"
    mount -t tmpfs -o size=64M none "$dir/ro" && {
        cp --sparse=always "$pool" "$dir/ro/pool"
        mount -o remount,ro "$dir/ro"
        expect 4 '^container: ' '' "$pmemfile" fsck -n "$dir/ro/pool"
        expect 0 file '' "$pmemfile" ls "$dir/ro/pool"
        umount "$dir/ro"
    }
fi

echo "$passed checks passed, $failed failed"
[ "$failed" -eq 0 ]
