#!/bin/bash
# shortage.sh PMEMFILE STRIDE: programs under the preload library for which the n-th system call that takes memory, a
# descriptor or room in a file fails, for each n (or every STRIDE-th, from a drawn one on: PMEMFILE_TEST_SEED).
#
#   strace fails the n-th mmap of    pmemfile run ── attach ── program ── its calls ── detach
#
# Until the program makes fewer of them than n: it ends by itself, and within 10 s; when it says that all went well, all
# did; and fsck finds nothing in the pool. What fails it may say as it likes. The tool's own work is looked at in the same
# way. With STRIDE 1 it also lists the places in our libraries that ask for any of it.
set -u
tool=$1
stride=$2
seed=${PMEMFILE_TEST_SEED:-$RANDOM}
echo "shortage: PMEMFILE_TEST_SEED=$seed"
base=$(mktemp -d /dev/shm/pmemfile-shortage.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
mount=$base/mount
mkdir "$mount"
"$tool" mkfs -s 64M "$base/pool" >/dev/null || exit 1
export PMEMFILE_PLAN_CACHE=$base/plans
failures=0
runs=0
stack=
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}
"$tool" run -m "$mount=$base/pool" -- bash -c "seq 2000 >$mount/source" || exit 1
wanted=$(seq 2000 | cksum)

# What the program has made must be the source.
is_right() { # NAME OUTPUT
    case $1 in
    fsck) grep -q clean "$2" ;;
    # What was said to be there is there; what was not said may be, but whole.
    mkfs) "$tool" fsck -n "$base/fresh" >"$base/log" ;;
    grow) "$tool" info "$base/growing" | grep -q '34856960 bytes now' && "$tool" fsck -n "$base/growing" >"$base/log" ;;
    proc) grep -q 'r-xp' "$2" ;;
    cat) [ "$(cksum <"$2")" = "$wanted" ] ;;
    *) [ "$("$tool" run -m "$mount=$base/pool" -- cat "$mount/made" | cksum)" = "$wanted" ] ;;
    esac
}
# Runs a command whose n-th call fails; its status.
starve() { # CALL ERRNO N COMMAND...
    local inject="inject=$1:error=$2:when=$3" call=$1
    shift 3
    { timeout -s KILL 10 strace -qq -e signal=none $stack -o "$base/trace" -e "trace=$call" -e "$inject" \
        "$@" >"$base/out" 2>"$base/err" </dev/null; } 2>/dev/null
}
# Does the loader, which lives badly without memory, end by a signal, and nothing of ours is on the stack?
is_loaders() { # as starve
    stack="-k -e signal=all" starve "$@"
    ! sed -n '/INJECTED/,$p' "$base/trace" | grep -q pmemfile
}
try() { # NAME CALL ERRNO COMMAND...
    local name=$1 call=$2 error=$3 n status injected
    shift 3
    for ((n = 1 + seed % stride; ; n += stride)); do
        starve "$call" "$error" $n "${prefix[@]}" "$@"
        status=$?
        runs=$((runs + 1))
        injected=$(grep -c INJECTED "$base/trace")
        # Letting go of a lock needs nothing, and cannot fail.
        grep -q 'F_UNLCK.*INJECTED' "$base/trace" && continue
        [ $status -eq 137 ] && fail "$name: $call number $n: $error: hangs"
        # The loader itself does not live without its first memory.
        [ $status -ge 128 ] && [ $status -ne 137 ] && ! is_loaders "$call" "$error" $n "${prefix[@]}" "$@" &&
            fail "$name: $call number $n: $error: ends with status $status: $(tail -2 "$base/err")"
        if [ $status -ne 0 ] && [ -e "$base/fresh" ]; then
            "$tool" fsck -n "$base/fresh" >"$base/log" || fail "$name: $call number $n: $error: leaves half a pool"
        fi
        if [ $status -eq 0 ]; then
            is_right "$name" "$base/out" || fail "$name: $call number $n: $error: says that all went well, and it did not"
        elif [ "$injected" -eq 0 ]; then
            fail "$name: $call number $n was not made, status $status: $(tail -2 "$base/err")"
        fi
        rm -f "$base/fresh"
        [ "$injected" -eq 0 ] && break
        [ $failures -gt 9 ] && return
        [ $n -gt 2000 ] && fail "$name: no end of $call" && return
    done
    "$tool" fsck -n "$base/$judged" >"$base/log" || fail "$name, $call, $error: $(cat "$base/log")"
}
maps='import mmap, os, sys
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "w+b") as made:
    made.truncate(os.fstat(source.fileno()).st_size)
    with mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ) as one, mmap.mmap(made.fileno(), 0) as other:
        other[:] = one[:]'
python=$(python3 -c 'import sys; print(sys.executable)')
names="cat cp"
[ "$stride" -eq 1 ] && names="cat cp bash maps proc"
# Where our libraries ask for any of it, seen from below: the innermost function of ours.
calls=mmap,mremap,mprotect,madvise,openat,fcntl,dup,ftruncate,fallocate,memfd_create
list_sites() { # COMMAND...
    strace -k -qq -e signal=none -o "$base/trace" -e "trace=$calls" "$tool" run -m "$mount=$base/pool" -- "$@" \
        >/dev/null </dev/null
    awk '/^[a-z0-9_]+\(/ { sub(/\(.*/, ""); call = $0; found = 0 }
        /^ > .*libpmemfile|^ > .*\/pmemfile\(/ && !found {
            found = 1; sub(/^[^(]*\(/, ""); sub(/\+0x[0-9a-f]*\).*/, ""); print call ": " $0 }' "$base/trace"
}
prefix=("$tool" run -m "$mount=$base/pool" --)
judged=pool
for name in $names; do
    case $name in
    cat) program=(cat "$mount/source") ;;
    cp) program=(cp "$mount/source" "$mount/made") ;;
    bash) program=(bash -c 'exec <"$1/source" >"$1/made" && while read -r line; do echo "$line" || exit; done' - "$mount") ;;
    proc) program=(cat /proc/self/maps) ;;
    maps) program=("$python" -S -c "$maps" "$mount/source" "$mount/made") ;;
    esac
    try $name mmap ENOMEM "${program[@]}"
    try $name mprotect ENOMEM "${program[@]}"
    try $name openat ENFILE "${program[@]}"
    try $name fcntl EMFILE "${program[@]}"
    try $name ftruncate ENOSPC "${program[@]}"
    try $name fallocate ENOSPC "${program[@]}"
    try $name dup EMFILE "${program[@]}"
    try $name madvise ENOMEM "${program[@]}"
    try $name memfd_create EMFILE "${program[@]}"
    [ "$stride" -eq 1 ] && list_sites "${program[@]}" >>"$base/sites"
done
# The tool's own work.
prefix=()
for call in mmap ftruncate fallocate openat; do
    error=ENOMEM
    [ $call = ftruncate ] || [ $call = fallocate ] && error=ENOSPC
    [ $call = openat ] && error=ENFILE
    judged=pool
    try fsck $call $error "$tool" fsck -n "$base/pool"
    try mkfs $call $error "$tool" mkfs -s 32M "$base/fresh"
    rm -f "$base/growing"
    "$tool" mkfs -s 32M --max-size 64M "$base/growing" >/dev/null || fail "mkfs"
    judged=growing
    try grow $call $error "$tool" grow "$base/growing" 40M
done
sites=0
if [ "$stride" -eq 1 ]; then
    sort "$base/sites" | uniq -c
    sites=$(sort -u "$base/sites" | wc -l)
    [ "$sites" -gt 30 ] || fail "only $sites places are known: does strace -k work?"
fi
[ "$runs" -gt 10 ] || fail "hardly anything was tried"
echo "$runs runs, $sites places"
exit $((failures != 0))
