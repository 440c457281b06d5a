# expect_text.sh: sourced by tests that run programs in a pool. Counts in $failures.
failures=0
expect() { # TEXT COMMAND...
    local text=$1 output
    shift
    output=$("$@" 2>&1)
    [ "$output" = "$text" ] && return
    echo "FAIL: $*: $output"
    failures=$((failures + 1))
}
end_of_test() {
    [ $failures -eq 0 ] && echo "all right"
    exit $((failures != 0))
}
