#!/bin/bash
# launcher_test: launcher_test.sh LAUNCHER PASS_ALL_LIBRARY STATIC_PROGRAM...
# Static programs with every call hooked, from their first instruction on.
set -u
launcher=$1
pass_all=$2
shift 2
work=$(mktemp -d /tmp/intercept-XXXXXX)
trap 'rm -rf "$work"' EXIT
export PMEMFILE_CACHE_DIR=$work/cache
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}
run() { PROGRAM_IS_GUEST=1 timeout 60 "$launcher" -l "$pass_all" "$@"; }

for program in "$@"; do
    export PROGRAM_VARIABLE=kept
    "$program" an-argument >"$work/without" 2>&1
    echo "status $?" >>"$work/without"
    for way in hook post filter; do
        PASS_ALL_WAY=$way run "$program" an-argument >"$work/with" 2>&1
        echo "status $?" >>"$work/with"
        diff "$work/without" "$work/with" || fail "$program, $way"
    done
    grep -q '^oddities ok$' "$work/with" || fail "$program did not come to its end"
    answered=$(PASS_ALL_GETPPID=4711 run "$program" parent)
    [ "$answered" = "parent 4711" ] || fail "$program: not answered: $answered"
    [ "$("$program" break)" = "break ok" ] || fail "$program: a break, without hooks"
    answered=$(PASS_ALL_KEEPS=1 run "$program" break 2>&1)
    [ "$answered" = "break ok" ] || fail "$program: a break beside hooks that take memory: $answered"
done

# Dynamic ones: the loader is the program's own, and what it loads once more from LD_PRELOAD stays quiet.
output=$(PASS_ALL_GETPPID=4711 run bash -c 'echo $PPID; ls -d /; (exit 3); echo $?' 2>&1)
[ "$output" = $'4711\n/\n3' ] || fail "a dynamic program: $output"
output=$(run /usr/bin/python3 -c 'import threading
t = threading.Thread(target=lambda: print("in a thread")); t.start(); t.join()' 2>&1)
[ "$output" = "in a thread" ] || fail "a dynamic program with threads: $output"

# A program with so many open files that the launcher's two numbers come behind a thousand others.
output=$(run /usr/bin/python3 -c 'import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
files = [os.open("/dev/null", os.O_RDONLY) for _ in range(1200)]
os.execv(sys.argv[1], [sys.argv[1], "parent"])' "$1" 2>&1)
[[ $output =~ ^parent\ [0-9]+$ ]] || fail "a static program after 1200 open files: $output"

# A limit of open files below the launcher's usual numbers.
for limit in 101 64 16; do
    output=$(run bash -c 'ulimit -Sn $0; exec "$@"' $limit "$1" parent 2>&1)
    [[ $output =~ ^parent\ [0-9]+$ ]] || fail "a static program below a limit of $limit: $output"
    output=$(PASS_ALL_GETPPID=4711 run bash -c 'ulimit -Sn $0; exec "$@"' $limit "$1" parent 2>&1)
    [ "$output" = "parent 4711" ] || fail "a static program below a limit of $limit: not answered: $output"
done

# As a shell finds it: no directory, and a script by its interpreter.
mkdir -p "$work/first/tool" "$work/second"
cp "$1" "$work/second/tool"
output=$(PATH=$work/first:$work/second:$PATH run tool parent 2>&1)
[[ $output =~ ^parent\ [0-9]+$ ]] || fail "a directory in PATH: $output"
printf '#! /usr/bin/printf  [%%s] of  mine \t\nexit 1\n' >"$work/script"
chmod +x "$work/script"
[ "$(run "$work/script" more 2>&1)" = "$("$work/script" more)" ] || fail "a script"
printf '#!/bin/sh\necho "$0 $*"\n' >"$work/script"
output=$(run "$work/script" one two 2>&1)
[ "$output" = "$work/script one two" ] || fail "a script with arguments: $output"

# Its own path, cut to a few bytes.
[ "$(run "$work/second/tool" few 2>&1)" = "${work:0:5} -14" ] || fail "/proc/self/exe in few bytes: $(run "$work/second/tool" few 2>&1)"

# What cannot be run: said clearly, with the shell's codes.
expect() { # STATUS TEXT COMMAND...
    local status=$1 text=$2
    shift 2
    output=$("$@" 2>&1)
    local got=$?
    [ $got -eq "$status" ] && grep -q -- "$text" <<<"$output" || fail "$*: status $got: $output"
}
expect 127 'not found' run no-such-program
expect 125 'no program' run
printf '#!%s\n' "$work/circle" >"$work/circle" && chmod +x "$work/circle"
expect 126 'bad interpreter' run "$work/circle"
printf '#!/no/such\n' >"$work/nobody" && chmod +x "$work/nobody"
expect 126 'bad interpreter' run "$work/nobody"
expect 0 usage "$launcher" -h
echo not a program >"$work/text" && chmod +x "$work/text"
expect 126 'Exec format error' run "$work/text"
head -c 100 "$1" >"$work/short"
chmod +x "$work/short"
expect 126 'Exec format error' run "$work/short"
head -c 5000 "$1" >"$work/short"
expect 126 . run "$work/short"
expect 125 'interceptor' "$launcher" "$1" child

[ $failures -eq 0 ] && echo "all right"
exit $((failures != 0))
