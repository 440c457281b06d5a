#!/bin/bash
# A pool that can become many TiB, and one of as many as there can be: made, used, checked, grown. The files are sparse.
# Usage: large_pool.sh PATH_OF_PMEMFILE PATH_OF_TRANSACTION
set -u
pmemfile=$1
transaction=$2
dir=$(mktemp -d /dev/shm/pmemfile-test-large.XXXXXX)
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/expect.sh"

mkdir "$dir/mnt"
for size in 16T 40T; do
    pool=$dir/pool-$size
    expect 0 '' '' "$pmemfile" mkfs -s 64M -m $size "$pool"
    expect 0 kept '' "$pmemfile" run -m "$dir/mnt=$pool" -- sh -c "echo kept >'$dir/mnt/file'; cat '$dir/mnt/file'"
    expect 0 clean '' "$pmemfile" fsck -n "$pool"
    expect 0 clean '' "$pmemfile" fsck "$pool"
    expect 0 'blocks of' '' "$pmemfile" grow "$pool" 256M
    expect 0 '' '' "$pmemfile" run -m "$dir/mnt=$pool" -- sh -c "head -c 150M /dev/zero >'$dir/mnt/large'"
    expect 0 '' '' "$transaction" "$pool"
    expect 0 'in a transaction' '' "$pmemfile" cat "$pool:/transaction"
    expect 0 clean '' "$pmemfile" fsck "$pool"
    rm "$pool"
done
echo "$passed checks passed, $failed failed"
[ "$failed" -eq 0 ]
