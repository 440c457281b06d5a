#!/bin/bash
# growth.sh PMEMFILE: a pool becomes larger while a program fills it.
set -u
tool=$1
base=$(mktemp -d /dev/shm/pmemfile-growth.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
export LC_ALL=C
failed=0
expect() { # WHAT EXPECTED GOT
    [ "$2" = "$3" ] && return
    echo "$1: expected '$2', got '$3'" >&2
    failed=1
}
field() { "$tool" info --json "$base/pool" | sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"; }

mkdir "$base/m"
"$tool" mkfs -s 16M -m 1G "$base/pool" || exit 1
expect "size of the file" $((1 << 30)) "$(stat -c %s "$base/pool")"
[ "$(($(stat -c %b "$base/pool") * 512))" -lt $((24 << 20)) ] || expect "space that it takes" "below 24M" "more"
small=$(field blocks_total)

# The program goes on where it met the end, when somebody else has made room.
"$tool" run -m "$base/m=$base/pool" -- sh -c "
    cd $base/m
    head -c 40M /dev/zero | tr '\\0' a >first 2>/dev/null && echo 'it had room' >&2
    touch $base/is-full
    while [ ! -e $base/has-grown ]; do sleep 0.05; done
    rm first
    head -c 60M /dev/zero | tr '\\0' b >second || exit 1
    tr -d b <second | wc -c
    df --output=size -B 1M . | tail -n 1" >"$base/out" 2>"$base/errors" &
program=$!
for _ in $(seq 400); do [ -e "$base/is-full" ] && break; sleep 0.05; done
"$tool" grow "$base/pool" 100M >/dev/null || failed=1
touch "$base/has-grown"
wait "$program"
expect "exit code" 0 $?
expect "what it wrote" 0 "$(sed -n 1p "$base/out")"
[ "$(sed -n 2p "$base/out")" -ge 85 ] || expect "size by df" "85 or more" "$(sed -n 2p "$base/out")"
[ "$(field blocks_total)" -gt "$small" ] || expect "blocks" "more than $small" "$(field blocks_total)"
"$tool" fsck -n "$base/pool" >"$base/fsck" || { cat "$base/fsck"; failed=1; }

# As large already: nothing to do. Larger than it can become, or not made for it: an error, and nothing happens.
before=$(field blocks_total)
"$tool" grow "$base/pool" 16M >/dev/null || failed=1
expect "smaller" "$before" "$(field blocks_total)"
"$tool" grow "$base/pool" 2G 2>"$base/err" && failed=1
grep -q "1073741824 bytes at most" "$base/err" || expect "message" "at most" "$(cat "$base/err")"
expect "too large" "$before" "$(field blocks_total)"
"$tool" grow "$base/pool" 1G >/dev/null || failed=1
"$tool" fsck -n "$base/pool" >/dev/null || failed=1
"$tool" mkfs -s 16M "$base/fixed" || exit 1
"$tool" grow "$base/fixed" 32M 2>"$base/err" && failed=1
grep -q "without .mkfs --max-size" "$base/err" || expect "message" "max-size" "$(cat "$base/err")"
"$tool" grow "$base/fixed" much 2>"$base/err"
expect "no size" 2 $?
"$tool" mkfs -s 32M -m 16M "$base/none" 2>"$base/err" && failed=1
expect "none is made" "" "$(ls "$base" | grep none)"
exit $failed
