#!/bin/bash
# compare_programs.sh PMEMFILE: programs.sh on tmpfs and in a pool; set-id programs; /dev/shm mounted noexec.
set -u
here=$(dirname "$(realpath "$0")")
pmemfile=$(realpath "$1")
"$here/compare_script.sh" "$pmemfile" "$here/programs.sh" 100 || exit 1
base=$(mktemp -d /dev/shm/pmemfile-programs.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
mkdir "$base/mount"
"$pmemfile" mkfs -s 64M "$base/pool" >/dev/null || exit 1

# Set-id bits have no effect, and that is told.
run=("$pmemfile" run -m "$base/mount=$base/pool" --)
if [ "$(id -u)" -eq 0 ]; then
    "${run[@]}" sh -c "cp /usr/bin/id $base/mount/id && chown 1:1 $base/mount/id && chmod 6755 $base/mount/id" || exit 1
    said=$("${run[@]}" sh -c "$base/mount/id -u" 2>&1)
    [ "$said" = "pmemfile: exec: $base/mount/id: its set-id bits have no effect in a pool
0" ] || { echo "FAILED: set-id: $said"; exit 1; }
fi
# Where /dev/shm is mounted noexec there are no copies: the programs run from memory.
if unshare -m true 2>/dev/null; then
    said=$(unshare -m sh -c 'mount --bind /dev/shm /dev/shm && mount -o remount,bind,noexec /dev/shm && exec "$@"' sh \
        "${run[@]}" sh -c "cp /bin/echo $base/mount/echo && $base/mount/echo noexec" 2>&1)
    [ "$said" = noexec ] || { echo "FAILED: noexec: $said"; exit 1; }
fi
"$pmemfile" fsck -n "$base/pool"
