#!/bin/bash
# compare_programs.sh PMEMFILE: programs.sh on tmpfs and, at the same path, in a pool. Then: no copies are left.
set -u
here=$(dirname "$(realpath "$0")")
pmemfile=$(realpath "$1")
base=$(mktemp -d /dev/shm/pmemfile-programs.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
mkdir "$base/mount"
unset LD_LIBRARY_PATH
bash "$here/programs.sh" "$base/mount" >"$base/oracle" 2>&1
[ "$(wc -l <"$base/oracle")" -gt 100 ] || { echo "the script does too little"; cat "$base/oracle"; exit 1; }
rm -rf "$base/mount" && mkdir "$base/mount"
"$pmemfile" mkfs -s 128M "$base/pool" >/dev/null || exit 1
"$pmemfile" run -m "$base/mount=$base/pool" -- bash "$here/programs.sh" "$base/mount" >"$base/pooled" 2>&1
diff "$base/oracle" "$base/pooled" || { echo "FAILED: a pool's programs behave differently"; exit 1; }
inode=$(printf '%x-%x' "$(stat -c %d "$base/pool")" "$(stat -c %i "$base/pool")")
for left in "/dev/shm/pmemfile-$inode"*; do
    [ ! -e "$left" ] || { echo "FAILED: left behind: $left"; exit 1; }
done
[ -z "$(ls -A "$base/mount")" ] || { echo "FAILED: something slipped"; exit 1; }

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
        "${run[@]}" "$base/mount/bin/relative" 2>&1 | grep -c '^one')
    said2=$(unshare -m sh -c 'mount --bind /dev/shm /dev/shm && mount -o remount,bind,noexec /dev/shm && exec "$@"' sh \
        "${run[@]}" sh -c "cp /bin/echo $base/mount/echo && $base/mount/echo noexec" 2>&1)
    [ "$said2" = noexec ] || { echo "FAILED: noexec: $said2 $said"; exit 1; }
fi
"$pmemfile" fsck -n "$base/pool"
