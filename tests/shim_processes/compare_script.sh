#!/bin/bash
# compare_script.sh PMEMFILE SCRIPT LINES: the script (.sh, .py, else a program) on tmpfs and, at the same path, in a pool: what it
# prints must be the same to the byte, and at least LINES. Then the pool is checked, and nothing may be left behind.
set -u
pmemfile=$(realpath "$1")
script=$(realpath "$2")
base=$(mktemp -d /dev/shm/pmemfile-script.XXXXXX) || exit 1
export OTHER_DIRECTORY # on another filesystem, empty
OTHER_DIRECTORY=$(mktemp -d) || exit 1
trap 'rm -rf "$base" "$OTHER_DIRECTORY"' EXIT
mkdir "$base/mount" && chmod 755 "$base"
# What goes to the kernel with the working directory of a process that has one in a pool happens here.
cd "$base" || exit 1
unset LD_LIBRARY_PATH
case $script in *.py) shell=python3 ;; *.sh) shell=bash ;; *) shell=env ;; esac
"$shell" "$script" "$base/mount" >"$base/oracle" 2>&1
[ "$(wc -l <"$base/oracle")" -ge "$3" ] || { echo "FAILED: the script does too little"; cat "$base/oracle"; exit 1; }
rm -rf "$base/mount" "$OTHER_DIRECTORY" && mkdir "$base/mount" "$OTHER_DIRECTORY"
"$pmemfile" mkfs -s 128M "$base/pool" >/dev/null || exit 1
before=$(stat -c '%a %u %g' "$base" "$base/mount")
"$pmemfile" run -m "$base/mount=$base/pool" -- "$shell" "$script" "$base/mount" >"$base/pooled" 2>&1
diff "$base/oracle" "$base/pooled" || { echo "FAILED: it is different in a pool"; exit 1; }
inode=$(printf '%x-%x' "$(stat -c %d "$base/pool")" "$(stat -c %i "$base/pool")")
for left in "/dev/shm/pmemfile-$inode"*; do
    [ ! -e "$left" ] || { echo "FAILED: left behind: $left"; exit 1; }
done
[ "$(stat -c '%a %u %g' "$base" "$base/mount")" = "$before" ] || { echo "FAILED: what stands around and below the mount has changed"; exit 1; }
[ -z "$(ls -A "$base/mount")" ] || { echo "FAILED: something slipped"; exit 1; }
"$pmemfile" fsck -n "$base/pool" || exit 1
"$pmemfile" fsck -n --json "$base/pool" | grep -q '"orphans": 0,' || { echo "FAILED: files without a name are left"; exit 1; }
