#!/bin/bash
# read_only.sh PMEMFILE: programs on a pool that is mounted for reading; ls and cat on one that
# the user may not write.
set -u
tool=$1
base=$(mktemp -d /dev/shm/pmemfile-ro.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
failed=0
expect() { # WHAT EXPECTED GOT
    [ "$2" = "$3" ] && return
    echo "$1: expected '$2', got '$3'" >&2
    failed=1
}
mkdir "$base/m"
"$tool" mkfs -s 32M "$base/pool" >/dev/null || exit 1
export LC_ALL=C
"$tool" run -m "$base/m=$base/pool" -- sh -c "cd $base/m; mkdir d; seq 1000 >d/f; cp /bin/cat d/program" || exit 1

reader() { "$tool" run -r "$base/m=$base/pool" -- "$@" 2>&1; }
expect read 1000 "$(reader sh -c "wc -l <$base/m/d/f")"
expect "map a program" 1000 "$(reader sh -c "$base/m/d/program $base/m/d/f | wc -l")"
expect write "Read-only file system" "$(reader sh -c "echo x >>$base/m/d/f" | sed 's/.*: //')"
expect create "Read-only file system" "$(reader touch "$base/m/new" | sed 's/.*: //')"
expect remove "Read-only file system" "$(reader rm -f "$base/m/d/f" | sed 's/.*: //')"
expect rename "Read-only file system" "$(reader mv "$base/m/d" "$base/m/e" | sed 's/.*: //')"
expect mkdir "Read-only file system" "$(reader mkdir "$base/m/e" | sed 's/.*: //')"
expect chmod "Read-only file system" "$(reader chmod 600 "$base/m/d/f" | sed 's/.*: //')"
# Children and their children stay readers.
expect "in a child" "Read-only file system" "$(reader sh -c "sh -c 'sh -c \"mkdir $base/m/e\"'" | sed 's/.*: //')"

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$base"
    chmod 444 "$base/pool"
    before=$(cksum <"$base/pool")
    # Somebody else may not come to where we are built.
    mkdir "$base/tools" "$base/libpmemfile"
    cp "$tool" "$base/tools/pmemfile"
    find "$(dirname "$tool")/../libpmemfile" -maxdepth 1 -name "*.so*" ! -type d -exec cp -P {} "$base/libpmemfile/" \;
    somebody() {
        LD_LIBRARY_PATH="$base/libpmemfile" setpriv --reuid=12345 --regid=12345 --clear-groups "$@" 2>&1
    }
    expect "ls of a pool that may not be written" "f program" "$(somebody "$base/tools/pmemfile" ls "$base/pool:/d" | tr '\n' ' ' | sed 's/ $//')"
    expect "cat of one" 1000 "$(somebody "$base/tools/pmemfile" cat "$base/pool:/d/f" | wc -l)"
    expect "its bytes" "$before" "$(cksum <"$base/pool")"
fi
"$tool" fsck -n "$base/pool" >/dev/null || failed=1
exit $failed
