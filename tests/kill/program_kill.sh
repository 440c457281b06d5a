#!/bin/bash
# program_kill.sh PMEMFILE SECONDS: unmodified programs in a pool, killed at random moments.
#
#   worker w, endlessly:  cp source w/new-i;  mv w/new-i w/done-i;  rm the oldest;  echo i >> w/log
#   killer, at random:    a worker's whole session, or one of its programs alone; then starts it anew
#
# A survivor is never killed and must go on. At the end: each done-* is the source byte for byte, each log
# holds whole lines in ascending order, and fsck finds nothing. PMEMFILE_TEST_SEED is printed.
set -u
tool=$1
seconds=$2
seed=${PMEMFILE_TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$((seed % 32768))
echo "program_kill: PMEMFILE_TEST_SEED=$seed"
base=$(mktemp -d /dev/shm/pmemfile-program-kill.XXXXXX) || exit 1
mount=$base/mount
workers="0 1 2"
declare -A session

fail() {
    echo "program_kill: $*" >&2
    kept=1
    exit 1
}
clean_up() {
    for w in "${!session[@]}"; do
        kill -9 -- "-${session[$w]}" 2>/dev/null
    done
    { wait; } 2>/dev/null
    # Nobody is left who would remove the pool's runtime files.
    inode=$(printf '%x-%x' "$(stat -c %d "$base/pool")" "$(stat -c %i "$base/pool")")
    rm -rf "/dev/shm/pmemfile-$inode" "/dev/shm/pmemfile-$inode".*
    if [ -n "${kept:-}" ]; then
        echo "program_kill: left for a look: $base" >&2
    else
        rm -rf "$base"
    fi
}
trap clean_up EXIT

mkdir "$mount" && "$tool" mkfs -s 64M "$base/pool" >/dev/null || fail "mkfs"
head -c 30000 /dev/urandom >"$base/source"
cat >"$base/worker.sh" <<'WORKER'
set -e
cd "$1"
i=0
[ -e log ] && i=$(tail -n 1 log)
while :; do
    i=$((i + 1))
    cp "$2" new-$i
    mv new-$i done-$i
    echo $i >>log
    rm -f done-$((i - 5)) new-$((i - 1))
    [ "$1" = survivor ] && echo $i >"$3.now" && mv "$3.now" "$3"
done
WORKER
cat >"$base/look.sh" <<'LOOK'
bad=0
for file in */done-*; do
    cmp "$file" "$1" || bad=1
done
for log in */log; do
    sort -n -u -c "$log" || bad=1
    [ "$(tail -c 1 "$log" | od -An -c | tr -d ' ')" = '\n' ] || bad=1
done
[ $bad = 0 ] && echo "whole: $(ls -d */done-* | wc -l) files, $(cat */log | wc -l) rounds"
exit $bad
LOOK
# Ends a worker with all its programs, and waits until they are gone: a call of one that is only
# dying may still come into effect.
end_worker() {
    kill -9 -- "-${session[$1]}"
    wait "${session[$1]}"
    while ps -o stat= -s "${session[$1]}" | grep -qv Z; do
        sleep 0.01
    done
} 2>/dev/null
start() {
    setsid "$tool" run -m "$mount=$base/pool" -- bash -c "cd '$mount' && exec bash '$base/worker.sh' '$1' '$base/source' '$base/survivor.step'" \
        >"$base/worker-$1.log" 2>&1 &
    session[$1]=$!
}
"$tool" run -m "$mount=$base/pool" -- bash -c "cd '$mount' && mkdir $workers survivor" || fail "mkdir"
for w in $workers survivor; do
    start "$w"
done

kills=0
end=$((SECONDS + seconds))
last_step=
last_change=$SECONDS
while [ $SECONDS -lt $end ]; do
    sleep "0.$(printf %03d $((RANDOM % 150 + 10)))"
    w=$((RANDOM % 3))
    victim=${session[$w]}
    if [ $((RANDOM % 2)) = 0 ]; then # one of its programs: the shell gives up, or goes on
        one=$(ps -o pid= -s "$victim" | shuf -n 1 --random-source=<(yes $RANDOM))
        [ -n "$one" ] && kill -9 $one 2>/dev/null && sleep 0.01
    fi
    end_worker "$w"
    kills=$((kills + 1))
    start "$w"
    step=$(cat "$base/survivor.step" 2>/dev/null)
    if [ "$step" != "$last_step" ]; then
        last_step=$step
        last_change=$SECONDS
    elif [ $((SECONDS - last_change)) -gt 20 ]; then
        fail "the survivor made no step for 20 seconds (after $kills kills): $(cat "$base/worker-survivor.log")"
    fi
    kill -0 "${session[survivor]}" 2>/dev/null || fail "the survivor ended: $(cat "$base/worker-survivor.log")"
done
for w in $workers survivor; do
    end_worker "$w"
done
session=()
"$tool" run -m "$mount=$base/pool" -- bash -c "cd '$mount' && bash '$base/look.sh' '$base/source'" || fail "after a fresh attach"
"$tool" fsck -n "$base/pool" >"$base/fsck.log" 2>&1 || fail "fsck: $(cat "$base/fsck.log")"
[ -n "$last_step" ] || fail "the survivor made no step at all"
echo "$kills kills, the survivor made $last_step rounds, nothing lost"
