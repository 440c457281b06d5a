#!/bin/bash
# given_up_user.sh PMEMFILE PROGRAM: a process that gives up the user id which may open the pool (given_up_user.py). Root
# alone can. The pool lies where nobody else may go; what runs is copied to where everybody may.
set -u
[ "$(id -u)" = 0 ] || { echo "only root can become somebody else"; exit 77; }
base=$(mktemp -d /dev/shm/pmemfile-given-up.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
chmod 755 "$base"
built=$(dirname "$1")/..
mkdir -m 700 "$base/private" && mkdir "$base/private/mount" "$base/tools" "$base/posix-shim" "$base/libpmemfile" \
    "$base/intercept" || exit 1
cp "$1" "$base/tools/pmemfile" && cp "$built/posix-shim/libpmemfile-preload.so" "$base/posix-shim/" &&
    cp "$built/intercept/intercept-run" "$base/intercept/" || exit 1
find "$built/libpmemfile" -maxdepth 1 -name "*.so*" ! -type d -exec cp -P {} "$base/libpmemfile/" \;
export LD_LIBRARY_PATH="$base/libpmemfile"
pool=$base/private/pool
"$base/tools/pmemfile" mkfs -s 32M "$pool" >/dev/null && chmod 600 "$pool" || exit 1
for how in setuid seteuid; do
    "$base/tools/pmemfile" run -m "$base/private/mount=$pool" -- python3 "$2" "$base/private/mount" $how || exit 1
    [ -z "$(ls -A "$base/private/mount")" ] || { echo "below the mount point:"; ls -A "$base/private/mount"; exit 1; }
done
"$base/tools/pmemfile" fsck -n "$pool" || exit 1
# What the last one could not remove, the next one has.
"$base/tools/pmemfile" run -m "$base/private/mount=$pool" -- true || exit 1
runtime=/dev/shm/pmemfile-$(printf '%x-%x' "$(stat -c %d "$pool")" "$(stat -c %i "$pool")")
rm -rf "$runtime.run-65534" # the other user's copies of programs are not root's to remove (docs/limits.md)
for left in "$runtime"*; do
    [ ! -e "$left" ] || { echo "left behind: $left"; exit 1; }
done
