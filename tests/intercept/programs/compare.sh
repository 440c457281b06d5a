#!/bin/bash
# compare: compare.sh quick|full|levels CASE_SCRIPT PASS_ALL_LIBRARY TRACE_ALL_LIBRARY [LAUNCHER]
# Runs a case without us, then with every call of every process traced on its way in
# and out and the vector state destroyed both times. Output and status must be the
# same, and the record of the trace must make sense.
# full: the case with SCALE=5 instead of 1; also once more without us (a case that differs
# from itself proves nothing), with every call passed on by a filter, and by a hook.
# levels: with level 2 on, and with the shell started by the launcher, so that each of its calls is trapped.
set -u
extent=$1
case_script=$(realpath "$2")
case $extent in quick) export SCALE=1 ;; full) export SCALE=5 ;; levels) export SCALE=1 ;; *) exit 2 ;; esac
work=$(mktemp -d /tmp/intercept-XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # some cases change the user, who may not be let in where the build is
cp "$3" "$work/pass_all.so" && cp "$4" "$work/trace_all.so" || exit 1
pass_all=$work/pass_all.so trace_all=$work/trace_all.so
record=$work/record
truncate -s 2M "$record"
chmod 666 "$record"
export PMEMFILE_CACHE_DIR=$work/cache TMPDIR=$work/dir

run() { # NAME VARIABLE...: the same path each time, so that paths in the output agree
    rm -rf "$work/dir"
    mkdir "$work/dir"
    local name=$1
    shift
    (cd "$work/dir" && env "$@" bash "$case_script" >"$work/$name" 2>&1 </dev/null)
    echo "status $?" >>"$work/$name"
}
fail() {
    echo "FAIL: $*"
    exit 1
}
same() {
    diff "$work/without" "$work/$1" || fail "the output of '$1' differs"
}

run without
grep -qx 'status 0' "$work/without" || { cat "$work/without"; fail "the case fails without us"; }
[ "$(wc -l <"$work/without")" -gt 2 ] || { cat "$work/without"; fail "the case does nothing"; }
if [ "$extent" = full ]; then
    run again
    same again
    run filtered LD_PRELOAD="$pass_all" PASS_ALL_WAY=filter
    same filtered
    run hooked LD_PRELOAD="$pass_all" PASS_ALL_WAY=hook
    same hooked
fi
if [ "$extent" = levels ]; then
    run launched TRACE_ALL_RECORD="$record" "$(realpath "$5")" -l "$trace_all"
    same launched
fi
levels=0,1
[ "$extent" = levels ] && levels=0,1,2
run traced LD_PRELOAD="$trace_all" TRACE_ALL_RECORD="$record" INTERCEPT_LEVELS=$levels
same traced

read -r processes not_started hooks posts mismatches unaligned < <(od -An -v -t u8 -w48 -N 48 "$record")
echo "$processes processes, $hooks calls, $posts came back"
[ "$processes" -gt 1 ] && [ "$hooks" -gt 100 ] && [ "$posts" -gt 100 ] || fail "hardly anything was traced"
[ "$not_started" -eq 0 ] || fail "$not_started processes were not patched"
[ "$mismatches" -eq 0 ] || fail "$mismatches posts were not those of their hooks"
[ "$unaligned" -eq 0 ] || fail "$unaligned hooks had a stack that is not aligned"
