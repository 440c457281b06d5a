#!/bin/bash
# at_once.sh DIRECTORY: several series of random calls (RANDOM_CALLS, the program) at once, each in a directory of its own, while beside
# them others are killed in the middle of theirs, some after they stood still. What each series prints is the same as
# if it were alone (compare_script.sh): on tmpfs, and in a pool where all share rings, locks, groups and tables.
set -u
top=$1
out=$(mktemp -d) || exit 1
mkfifo "$out/never" && exec 3<>"$out/never" || exit 1
series=(1 2 3)
workers=()
for number in "${series[@]}"; do
    mkdir "$top/$number"
    RANDOM_CALLS_SEED=$((RANDOM_CALLS_FIRST_SEED + number)) "$RANDOM_CALLS" "$top/$number" >"$out/$number" 2>&1 &
    workers+=($!)
done
# Without a program that would start: that one would wait for who stands still.
pause() {
    read -r -t "0.0$((RANDOM % 10))" -u 3
}
kill_others() {
    local killed=0 victim
    while [ ! -e "$out/end" ] || [ "$killed" -lt 5 ]; do # on a quick machine the last ones by themselves
        mkdir "$top/victim.$killed"
        RANDOM_CALLS_SEED=$((RANDOM_CALLS_FIRST_SEED + 1000 + killed)) "$RANDOM_CALLS" "$top/victim.$killed" >/dev/null 2>&1 &
        victim=$!
        pause
        [ $((RANDOM % 2)) -eq 0 ] || { kill -STOP $victim && pause; }
        kill -KILL $victim
        wait $victim
        rm -rf "$top/victim.$killed"
        killed=$((killed + 1))
    done
} 2>/dev/null
kill_others &
storm=$!
wait "${workers[@]}"
touch "$out/end"
wait $storm
cat "${series[@]/#/$out/}"
rm -rf "$out"
