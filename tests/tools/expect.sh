# expect.sh: sourced by tests of the command line; $dir is theirs. Counts in $passed and $failed.
failed=0
passed=0

# expect CODE OUT ERR COMMAND...: exit code, and patterns in both outputs ("": nothing may stand there).
expect() {
    local code=$1 out=$2 err=$3 got
    shift 3
    timeout 60 "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    if [ "$got" -eq "$code" ] && { [ -n "$out" ] || [ ! -s "$dir/out" ]; } && { [ -n "$err" ] || [ ! -s "$dir/err" ]; } &&
        grep -qE -- "${out:-^}" <(cat "$dir/out"; echo) && grep -qE -- "${err:-^}" <(cat "$dir/err"; echo); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $*: exit code $got (want $code), out: $(head -c 2000 "$dir/out"), err: $(head -c 2000 "$dir/err")"
    fi
}
