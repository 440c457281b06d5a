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
