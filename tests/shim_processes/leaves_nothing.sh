#!/bin/bash
# leaves_nothing.sh PMEMFILE ENDING_THREADS: the last process of a pool ends while its other threads are at their end.
# None of its runtime files may stay.
set -u
base=$(mktemp -d /dev/shm/pmemfile-leaves.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
mkdir "$base/mount"
"$1" mkfs -s 32M "$base/pool" >/dev/null || exit 1
runtime=/dev/shm/pmemfile-$(printf '%x-%x' "$(stat -c %d "$base/pool")" "$(stat -c %i "$base/pool")")
for how in joined detached first; do
    for ((round = 0; round < 25; round++)); do
        "$1" run -m "$base/mount=$base/pool" -- "$2" "$how" "$base/mount/file" || exit 1
        for left in "$runtime"*; do
            [ ! -e "$left" ] || { echo "FAILED: left behind by '$how' in round $round: $left"; rm -rf "$runtime"*; exit 1; }
        done
    done
done
"$1" fsck -n "$base/pool"
