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

# Users who have the pool's group beside one of their own, as most have it: whoever comes first, the others come in. And a
# stranger, who may not open the pool, has no part in what they share.
"$1" mkfs -f -s 32M "$base/pool" > /dev/null && chown "65530:$group" "$base/pool" && chmod 660 "$base/pool" || exit 1
"$1" run -m "$base/mount=$base/pool" -- sh -c "chmod 777 $base/mount; echo text > $base/mount/file" || exit 1
# (The build tree may be where only root can go.)
mkdir "$base/library" && cp "$(dirname "$1")/../posix-shim/libpmemfile-preload.so" "$(dirname "$1")/../libpmemfile/libpmemfile-container.so" "$base/library" || exit 1
export LD_LIBRARY_PATH="$base/library"
as() { # USER COMMAND...
    setpriv --reuid="$1" --regid="$1" --groups=$group env HOME=/ LD_PRELOAD="$base/library/libpmemfile-preload.so" \
        PMEMFILE_POOLS="$base/mount=$base/pool" "${@:2}"
}
runtime=/dev/shm/pmemfile-$(printf '%x-%x' "$(stat -c %d "$base/pool")" "$(stat -c %i "$base/pool")")
mkfifo -m 666 "$base/there" "$base/end"
lost() {
    echo "$1"
    timeout 5 sh -c "echo > $base/end"
    wait $one
    exit 1
}
for first in 65530 65531 65532; do
    as $first sh -c "echo > $base/there; read -r _ < $base/end; cat $base/mount/file > /dev/null" & one=$!
    read -r _ < "$base/there"
    for next in 65531 65530 65532; do
        [ "$(as $next cat "$base/mount/file" 2>&1)" = text ] || lost "first $first: $next does not come in"
    done
    setpriv --reuid=65533 --regid=65533 --clear-groups sh -c ": < $runtime/segment" 2>/dev/null && lost "a stranger opens the segment"
    echo > "$base/end"
    wait $one || { echo "first $first: its end"; exit 1; }
done
[ ! -e "$runtime" ] || { echo "left behind: $runtime"; exit 1; }
# The stranger was there first: nobody goes into a directory of his.
setpriv --reuid=65533 --regid=65533 --clear-groups mkdir -m 777 "$runtime" || exit 1
said=$(as 65531 cat "$base/mount/file" 2>&1)
case $said in
*"cannot make the runtime file in /dev/shm: Permission denied"*) ;;
*) echo "a stranger's directory: $said"; exit 1 ;;
esac
rmdir "$runtime" || exit 1

# Two at the same fifo for the first time: the first one is held up where it gives the host's fifo its permissions.
"$1" mkfs -f -s 32M "$base/pool" > /dev/null && chmod 666 "$base/pool" || exit 1
export base
LD_PRELOAD="$base/library/libpmemfile-preload.so" PMEMFILE_POOLS="$base/mount=$base/pool" bash -c 'cd "$base/mount" && chmod 777 . && mkfifo -m 666 fifo || exit 1
timeout 20 strace -qq -o /dev/null -e trace=chmod -e inject=chmod:delay_enter=1500000 \
    setpriv --reuid=65531 --clear-groups bash -c "read -r text < fifo; [ \"\$text\" = text ]" & reader=$!
sleep 0.7
timeout 20 setpriv --reuid=65532 --clear-groups bash -c "echo text > fifo" && wait $reader' ||
    { echo "two users at one fifo at once"; exit 1; }
