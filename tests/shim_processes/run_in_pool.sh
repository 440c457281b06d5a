#!/bin/sh
# run_in_pool.sh PMEMFILE TEST [ARGUMENT...]: runs the test program with a fresh pool mounted on $POOL_DIRECTORY
# (POOL_SIZE: of that size; "{}" among the arguments stands for it), then lets fsck judge the pool and looks for leftovers.
set -u
base=$(mktemp -d /dev/shm/pmemfile-processes.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
mkdir "$base/mount" && "$1" mkfs -s "${POOL_SIZE:-128M}" "$base/pool" >"$base/log" 2>&1 || {
    cat "$base/log"
    exit 1
}
export POOL_DIRECTORY="$base/mount" HOST_DIRECTORY="$base" PMEMFILE="$1" POOL="$base/pool"
tool=$1
shift
for argument; do
    shift
    [ "$argument" = "{}" ] && argument=$POOL_DIRECTORY
    set -- "$@" "$argument"
done
"$tool" run -m "$base/mount=$base/pool" -- "$@" || exit 1
inode=$(printf '%x-%x' "$(stat -c %d "$base/pool")" "$(stat -c %i "$base/pool")")
if [ -e "/dev/shm/pmemfile-$inode" ]; then
    echo "the runtime file was left behind: /dev/shm/pmemfile-$inode" >&2
    exit 1
fi
if [ -n "$(ls -A "$base/mount")" ]; then
    echo "something was written below the mount point:" >&2
    ls -A "$base/mount" >&2
    exit 1
fi
"$tool" fsck -n "$base/pool"
