#!/bin/bash
# fsck as a person uses it: look (-n changes nothing), repair (says what it did, exit code 1), look again
# (clean), and the file is back in lost+found with its content.
# Usage: fsck_repair.sh PATH_OF_PMEMFILE
set -u
pmemfile=$1
dir=$(mktemp -d /dev/shm/pmemfile-test-fsck.XXXXXX)
trap 'rm -rf "$dir"' EXIT
failed=0
check() { # TEXT COMMAND...
    local text=$1
    shift
    "$@" >/dev/null 2>&1 || { echo "FAILED: $text"; failed=$((failed + 1)); }
}
code() { # CODE COMMAND...: output in $dir/out
    local want=$1 got
    shift
    timeout 60 "$@" >"$dir/out" 2>&1
    got=$?
    [ "$got" -eq "$want" ] || { echo "FAILED: $*: exit code $got, not $want: $(head -n 5 "$dir/out")"; failed=$((failed + 1)); }
}
pool=$dir/pool
code 0 "$pmemfile" mkfs -s 32M "$pool"
mkdir "$dir/mnt"
code 0 "$pmemfile" run -m "$dir/mnt=$pool" -- sh -c "cd $dir/mnt && echo content >file && mkdir sub && echo below >sub/file"
code 0 "$pmemfile" fsck "$pool"
# The root directory's leaf: "LEF1", then depth, slots, and the prefix at byte 8.
leaf=$(grep -obUaP '\x4c\x45\x46\x31' "$pool" | cut -d: -f1 | while read -r at; do
    [ $((at % 4096)) -eq 0 ] && echo "$at" && break
done)
[ -n "$leaf" ] || { echo "FAILED: no leaf in the pool"; exit 1; }
printf '\x01' | dd of="$pool" bs=1 seek=$((leaf + 8)) conv=notrunc status=none
sum=$(sha256sum <"$pool")
code 4 "$pmemfile" fsck -n "$pool"
check "-n tells of lost+found" grep -q 'becomes lost+found/#' "$dir/out"
code 4 "$pmemfile" fsck -n --json "$pool"
check "--json is JSON with the problems" python3 -c "
import json
report = json.load(open('$dir/out'))
assert report['exit_code'] == 4 and any('lost+found' in p['text'] and p['repairable'] and not p['repaired'] for p in report['problems'])"
check "-n changes nothing" [ "$(sha256sum <"$pool")" = "$sum" ]
code 1 "$pmemfile" fsck "$pool"
check "the repair is told" grep -q 'lost+found.*(repaired)' "$dir/out"
code 0 "$pmemfile" fsck "$pool"
code 0 "$pmemfile" ls -R "$pool:/lost+found"
cp "$dir/out" "$dir/tree"
check "a file and a directory are in lost+found" grep -q '#' "$dir/tree"
found=0
for name in $(grep -o '#[0-9]*' "$dir/tree" | sort -u); do
    timeout 60 "$pmemfile" cat "$pool:/lost+found/$name" 2>/dev/null | grep -q '^content$' && found=$((found + 1))
    timeout 60 "$pmemfile" cat "$pool:/lost+found/$name/file" 2>/dev/null | grep -q '^below$' && found=$((found + 1))
done
check "both files have their content" [ "$found" -eq 2 ]
# More problems than are told one by one, all of them repaired: the bitmap of group 0 is lost. (A bitmap is where
# the first descriptor, a block behind the superblock, says.)
code 0 "$pmemfile" mkfs -f -s 64M "$pool"
code 0 "$pmemfile" run -m "$dir/mnt=$pool" -- dd if=/dev/zero of="$dir/mnt/file" bs=1M count=44 status=none
superblock=$(grep -obUaP 'PMEFILS1' "$pool" | head -n 1 | cut -d: -f1)
bitmap=$(od -An -t u8 -j $((superblock + 4096)) -N 8 "$pool" | tr -d ' ')
dd if=/dev/zero of="$pool" bs=4096 seek="$bitmap" count=1 conv=notrunc status=none
code 4 "$pmemfile" fsck -n "$pool"
check "that there are more is told" grep -q 'and [0-9]* more problems$' "$dir/out"
code 1 "$pmemfile" fsck "$pool"
check "that they were repaired is told" grep -q 'and [0-9]* more problems (repaired)$' "$dir/out"
code 0 "$pmemfile" fsck "$pool"
echo "$failed failed"
[ "$failed" -eq 0 ]
