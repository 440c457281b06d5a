#!/bin/bash
# several_users.sh PMEMFILE PROGRAM: a pool that several users may open: what one of them makes (sockets, fifos, watches;
# several_users.py) is the others' too, whoever comes first. Root alone can be several users.
set -u
[ "$(id -u)" = 0 ] || { echo "only root can become somebody else"; exit 77; }
base=$(mktemp -d /dev/shm/pmemfile-users.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
chmod 755 "$base" && mkdir "$base/mount" || exit 1
group=54321
for mode in 666 660; do
    for first in one other root; do
        "$1" mkfs -f -s 32M "$base/pool" > /dev/null && chgrp $group "$base/pool" && chmod $mode "$base/pool" || exit 1
        "$1" run -m "$base/mount=$base/pool" -- python3 "$2" "$base/mount" $mode $group $first || exit 1
        "$1" fsck -n "$base/pool" > /dev/null || { echo "fsck"; exit 1; }
    done
done

# Two at the same fifo for the first time: the first one is held up where it gives the host's fifo its permissions.
"$1" mkfs -f -s 32M "$base/pool" > /dev/null && chmod 666 "$base/pool" || exit 1
export base
"$1" run -m "$base/mount=$base/pool" -- bash -c 'cd "$base/mount" && chmod 777 . && mkfifo -m 666 fifo || exit 1
timeout 20 strace -qq -o /dev/null -e trace=chmod -e inject=chmod:delay_enter=1500000 \
    setpriv --reuid=65531 --clear-groups bash -c "read -r text < fifo; [ \"\$text\" = text ]" & reader=$!
sleep 0.7
timeout 20 setpriv --reuid=65532 --clear-groups bash -c "echo text > fifo" && wait $reader' ||
    { echo "two users at one fifo at once"; exit 1; }
