#!/bin/bash
# removed_programs.sh PMEMFILE: programs come and go in a pool that somebody uses all the time; their copies in memory go
# after them, for one start in sixteen looks. (That none of 200 does has a chance of 2 in a million.)
set -u
base=$(mktemp -d /dev/shm/pmemfile-removed.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
mkdir "$base/mount" && mkfifo "$base/go" "$base/done"
"$1" mkfs -s 32M "$base/pool" >/dev/null || exit 1
copies=/dev/shm/pmemfile-$(printf '%x-%x' "$(stat -c %d "$base/pool")" "$(stat -c %i "$base/pool")").run-$(id -u)
"$1" run -m "$base/mount=$base/pool" -- bash -c '
    cd "$1/mount" && mkdir -p stays {0..49}/deep && tee stays/program {0..49}/deep/program </bin/true >/dev/null &&
        chmod 755 stays/program {0..49}/deep/program || exit 1
    for ((i = 0; i < 50; i++)); do $i/deep/program || exit 1; done
    rm -r {0..49} || exit 1
    for ((i = 0; i < 200; i++)); do stays/program || exit 1; done
    echo done >"$1/done" && read -r _ <"$1/go" && stays/program' bash "$base" &
run=$!
read -r _ <"$base/done"
programs=$(find "$copies" -name program | wc -l)
directories=$(find "$copies" -name deep | wc -l)
[ -x "$copies/stays/program" ] && stays=yes || stays=no
echo go >"$base/go"
wait $run || { echo "FAILED: the programs ended with $?"; exit 1; }
echo "$programs copies of 51, $directories directories of 50; the one that is in the pool: $stays"
[ "$programs" -eq 1 ] && [ "$directories" -eq 0 ] && [ $stays = yes ] || exit 1
[ ! -e "$copies" ] || { echo "FAILED: left behind: $copies"; exit 1; }
"$1" fsck -n "$base/pool"
