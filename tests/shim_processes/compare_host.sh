#!/bin/bash
# compare_host.sh PMEMFILE PROGRAM LINES: the program in a directory of the host, by itself and under the preload library with a
# pool mounted beside: what it prints must be the same to the byte, and at least LINES.
set -u
pmemfile=$(realpath "$1")
program=$(realpath "$2")
base=$(mktemp -d /dev/shm/pmemfile-host.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
mkdir "$base/mount" "$base/host"
cd "$base" || exit 1
"$program" "$base/host" >"$base/oracle" 2>&1
[ "$(wc -l <"$base/oracle")" -ge "$3" ] || { echo "FAILED: the program does too little"; cat "$base/oracle"; exit 1; }
rm -rf "$base/host" && mkdir "$base/host"
"$pmemfile" mkfs -s 64M "$base/pool" >/dev/null || exit 1
"$pmemfile" run -m "$base/mount=$base/pool" -- "$program" "$base/host" >"$base/preloaded" 2>&1
diff "$base/oracle" "$base/preloaded" || { echo "FAILED: it is different under the preload library"; exit 1; }
