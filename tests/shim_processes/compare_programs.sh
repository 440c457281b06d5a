#!/bin/bash
# compare_programs.sh PMEMFILE: programs.sh on tmpfs and in a pool; set-id programs; /dev/shm mounted noexec; a program of
# the host whose interpreter is in the pool; another library of our name in LD_PRELOAD.
set -u
here=$(dirname "$(realpath "$0")")
pmemfile=$(realpath "$1")
"$here/compare_script.sh" "$pmemfile" "$here/programs.sh" 190 || exit 1
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
    # A memory file's name is shorter than a path may be.
    said=$(unshare -m sh -c 'mount --bind /dev/shm /dev/shm && mount -o remount,bind,noexec /dev/shm && exec "$@"' sh \
        "${run[@]}" sh -c "long=$base/mount/$(printf 'd%.0s' {1..200})/$(printf 'e%.0s' {1..200}); mkdir -p \$long && cp /bin/echo \$long && \$long/echo long" 2>&1)
    [ "$said" = long ] || { echo "FAILED: a long path, noexec: $said"; exit 1; }
    "${run[@]}" sh -c "rm -r $base/mount/echo $base/mount/ddd*"
fi
# Refused by name: the host's program cannot be changed.
printf 'int main(void) { return 0; }' | cc -x c - -o "$base/host-program" -Wl,--dynamic-linker="$base/mount/ld.so" || exit 1
said=$("${run[@]}" bash -c "cp /lib64/ld-linux-x86-64.so.2 $base/mount/ld.so; exec $base/host-program" 2>&1)
grep -qxF "pmemfile: exec: $base/host-program: its interpreter $base/mount/ld.so lies in a pool: only programs in a pool can have one there" \
    <<<"$said" || { echo "FAILED: an interpreter in the pool: $said"; exit 1; }
# A build of ourselves in the pool: its `run` is served by the library that is there already.
library=$(dirname "$pmemfile")/../posix-shim/libpmemfile-preload.so
said=$("${run[@]}" bash -c "cp $library $base/mount && LD_PRELOAD=/lib/x86_64-linux-gnu/libm.so.6:$base/mount/libpmemfile-preload.so \
    sh -c 'echo \$LD_PRELOAD; ls $base/mount'" 2>&1)
[ "$said" = "$(realpath "$library"):/lib/x86_64-linux-gnu/libm.so.6:
$(printf '%s\n' id ld.so libpmemfile-preload.so)" ] || { echo "FAILED: another of our name: $said"; exit 1; }
"$pmemfile" fsck -n "$base/pool"
