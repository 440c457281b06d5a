#!/bin/bash
# A pool that can become many TiB: made, used, checked, grown. The file is sparse.
# Usage: large_pool.sh PATH_OF_PMEMFILE PATH_OF_TRANSACTION SIZE
set -u
pmemfile=$1
transaction=$2
size=$3
dir=$(mktemp -d /dev/shm/pmemfile-test-large.XXXXXX)
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/expect.sh"

mkdir "$dir/mnt"
pool=$dir/pool
expect 0 '' '' "$pmemfile" mkfs -s 64M -m "$size" "$pool"
expect 0 kept '' "$pmemfile" run -m "$dir/mnt=$pool" -- sh -c "echo kept >'$dir/mnt/file'; cat '$dir/mnt/file'"
expect 0 clean '' "$pmemfile" fsck -n "$pool"
expect 0 clean '' "$pmemfile" fsck "$pool"
expect 0 'blocks of' '' "$pmemfile" grow "$pool" 256M
expect 0 '' '' "$pmemfile" run -m "$dir/mnt=$pool" -- sh -c "head -c 150M /dev/zero >'$dir/mnt/large'"
expect 0 '' '' "$transaction" "$pool"
expect 0 'in a transaction' '' "$pmemfile" cat "$pool:/transaction"
expect 0 clean '' "$pmemfile" fsck "$pool"
echo "$passed checks passed, $failed failed"
[ "$failed" -eq 0 ]
