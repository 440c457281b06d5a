#!/bin/bash
# lost_pages.sh PMEMFILE ROUNDS: processes for which pages of a pool go away (lost_pages.py) beside one for which they
# do not: it goes on, and the pool is whole in the end (hazard 27).
set -u
pmemfile=$(realpath "$1")
script=$(dirname "$(realpath "$0")")/lost_pages.py
base=$(mktemp -d /dev/shm/pmemfile-lost.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
mkdir "$base/mount"
"$pmemfile" mkfs -s 32M "$base/pool" >/dev/null || exit 1
run=("$pmemfile" run -m "$base/mount=$base/pool" -- python3 "$script" "$base/mount" "$base/pool")
seed=${PMEMFILE_TEST_SEED:-$RANDOM}
echo "PMEMFILE_TEST_SEED=$seed"
mkfifo "$base/until"
"${run[@]}" stay <"$base/until" >"$base/neighbour" 2>&1 &
neighbour=$!
exec 9>"$base/until"
lost=0
for ((round = 0; round < $2; round++)); do
    said=$("${run[@]}" "$((seed + round))" 2>"$base/errors") || { echo "FAILED: ended with $?: $said"; cat "$base/errors"; exit 1; }
    case $said in
    lost) lost=$((lost + 1)) ;;
    "not met") ;;
    *) echo "FAILED: $said"; exit 1 ;;
    esac
    [ "$said" != lost ] || [ "$(grep -c 'a page of it cannot be read' "$base/errors")" -ge 1 ] || { echo "FAILED: nothing says why"; exit 1; }
done
exec 9>&-
wait $neighbour || { echo "FAILED: the neighbour ended with $?"; cat "$base/neighbour"; exit 1; }
grep -q 'neighbour: True' "$base/neighbour" || { cat "$base/neighbour"; exit 1; }
echo "$lost of $2 met a page that was lost"
[ "$lost" -ge $(($2 / 2)) ] || { echo "FAILED: too few"; exit 1; }
"$pmemfile" fsck -n "$base/pool" || exit 1
"$pmemfile" fsck -n --json "$base/pool" | tr -d ' \n' | grep -q '"blocks_leaked":0,.*"orphans":0,' || { "$pmemfile" fsck -n --json "$base/pool"; echo "FAILED: something is left"; exit 1; }
