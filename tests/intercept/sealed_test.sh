#!/bin/bash
# sealed_test: sealed_test.sh LAUNCHER PASS_ALL_LIBRARY SEALED_PROGRAM STATIC_SEALED_PROGRAM
# Programs that install a killing seccomp filter, at levels 2 and 3: none of our own calls ends them, and what
# the filter lets us catch is caught.
set -u
launcher=$(realpath "$1") pass_all=$(realpath "$2") program=$(realpath "$3") static=$(realpath "$4")
work=$(mktemp -d /tmp/intercept-XXXXXX)
trap 'rm -rf "$work"' EXIT
export PMEMFILE_CACHE_DIR=$work/cache
failures=0
expect() { # TEXT COMMAND...
    local text=$1
    shift
    local output
    output=$(timeout 60 "$@" 2>&1)
    local status=$?
    [ $status -eq 0 ] && [ "$output" = "$text" ] || {
        echo "FAIL: $*: status $status, '$output', and not '$text'"
        failures=$((failures + 1))
    }
}
preloaded() { # LEVELS WAY
    echo env INTERCEPT_LEVELS="$1" PASS_ALL_WAY="$2" PASS_ALL_GETPPID=4711 LD_PRELOAD="$pass_all"
}

for each in "$program" "$static"; do
    expect 'calls: 0 answered, 500 true' "$each" calls 500
    expect 'handlers: 0 answered, 500 true' "$each" handlers 500
    expect $'child: 0 answered, 100 true\nchildren: 0 answered, 100 true' "$each" children 100
    expect 'threads: 0 answered, 200 true' "$each" threads 100
done
for way in hook post filter; do
    for levels in 0,1 0,1,2; do
        caught=0
        [ $levels = 0,1,2 ] && caught=500
        expect "calls: $caught answered, $((500 - caught)) true" $(preloaded $levels $way) "$program" calls 500
        expect "handlers: $caught answered, $((500 - caught)) true" $(preloaded $levels $way) "$program" handlers 500
    done
    # Nobody sees libc install the filter: what is made in advance anyway has to do.
    expect 'calls: 200 answered, 0 true' $(preloaded 2 $way) "$program" calls 200
    run=(env PASS_ALL_WAY=$way PASS_ALL_GETPPID=4711 "$launcher" -l "$pass_all" "$static")
    expect 'calls: 500 answered, 0 true' "${run[@]}" calls 500
    expect 'handlers: 500 answered, 0 true' "${run[@]}" handlers 500
done
# More than was made in advance: the rest slips past, and nobody is killed.
expect 'calls: 512 answered, 488 true' $(preloaded 0,1,2 hook) "$program" calls 1000
# A new process or thread has to switch its traps on with a call that the filter forbids: it goes without. A
# static program gets no thread, since the hooks' side of one takes more calls still.
expect $'child: 0 answered, 100 true\nchildren: 100 answered, 0 true' $(preloaded 0,1,2 hook) "$program" children 100
expect 'threads: 100 answered, 100 true' $(preloaded 0,1,2 hook) "$program" threads 100
expect $'child: 0 answered, 100 true\nchildren: 100 answered, 0 true' "${run[@]}" children 100
expect $'not made: 0 answered, 0 true\nthreads: 100 answered, 0 true' "${run[@]}" threads 100

[ $failures -eq 0 ] && echo "all right"
exit $((failures != 0))
