#!/bin/bash
# levels_test: levels_test.sh PASS_ALL_LIBRARY LEVELS_PROGRAM LATER_OBJECT STATIC_PROGRAM LAUNCHER
# Each choice of levels in the environment catches what its levels are for, and nothing else.
set -u
pass_all=$(realpath "$1") program=$(realpath "$2") later=$(realpath "$3") static=$(realpath "$4")
INTERCEPT_LAUNCHER=$(realpath "$5")
export INTERCEPT_LAUNCHER
work=$(mktemp -d /tmp/intercept-XXXXXX)
trap 'rm -rf "$work"' EXIT
export PMEMFILE_CACHE_DIR=$work/cache
failures=0
cases=0
has() { [[ $levels == *$1* ]]; }
is() { if [ "$1" = "$2" ]; then echo caught; else echo not; fi; }
for choice in {1..15}; do
    levels=
    for level in 0 1 2 3; do
        ((choice >> level & 1)) && levels+=${levels:+,}$level
    done
    output=$(INTERCEPT_LEVELS=$levels PASS_ALL_GETPPID=4711 LD_PRELOAD=$pass_all timeout 60 "$program" "$later" "$static" 2>&1)
    read -r _ libc _ loaded _ made _ executed <<<"$output"
    got="libc $(is "$libc" 4711) later $(is "$loaded" 4711) made $(is "$made" 4711) static $(is "$executed" 4711)"
    # Later objects are seen by the loader's calls, which are level 0's; level 2 has them, too.
    want_libc=not want_later=not want_made=not want_static=not
    has 0 && want_libc=caught
    { has 0 && has 1; } || has 2 && want_later=caught
    has 2 && want_made=caught
    # The call that executes the program must be caught.
    has 0 && has 3 && want_static=caught
    want="libc $want_libc later $want_later made $want_made static $want_static"
    [ "$got" = "$want" ] || { echo "INTERCEPT_LEVELS=$levels: $got, and not $want: $output"; failures=$((failures + 1)); }
    cases=$((cases + 1))
done
# Nonsense: said once, and the default.
output=$(timeout 60 env INTERCEPT_LEVELS=foo PASS_ALL_GETPPID=4711 LD_PRELOAD="$pass_all" bash -c 'echo $PPID' 2>&1)
[ "$(grep -c 'INTERCEPT_LEVELS=foo is not a list' <<<"$output")" = 1 ] && [ "$(tail -n 1 <<<"$output")" = 4711 ] || {
    echo "INTERCEPT_LEVELS=foo: $output"
    failures=$((failures + 1))
}
cases=$((cases + 1))
echo "$cases choices, $failures wrong"
exit $((failures != 0))
