#!/bin/bash
# launcher_go_test: launcher_go_test.sh LAUNCHER PASS_ALL_LIBRARY PROGRAM.go
# A Go program, linked statically and with its symbols stripped, with every call hooked.
set -u
launcher=$(realpath "$1") pass_all=$(realpath "$2")
work=$(mktemp -d /tmp/intercept-XXXXXX)
trap 'rm -rf "$work"' EXIT
cp "$3" "$work/program.go"
cd "$work" || exit 1
export GOCACHE=$work/cache GOFLAGS=-mod=mod PMEMFILE_CACHE_DIR=$work/plans HOME=$work
failures=0
for flags in '' '-s -w'; do
    CGO_ENABLED=0 go build -ldflags "$flags" -o program program.go || exit 1
    ./program >without 2>&1
    echo "status $?" >>without
    for way in hook post filter; do
        PASS_ALL_WAY=$way timeout 60 "$launcher" -l "$pass_all" ./program >with 2>&1
        echo "status $?" >>with
        diff without with || failures=$((failures + 1))
    done
    PASS_ALL_GETPPID=4711 timeout 60 "$launcher" -l "$pass_all" ./program 2>&1 | grep -q '^collected program 1 true$' ||
        failures=$((failures + 1))
done
grep -q '^collected' without || failures=$((failures + 1))
[ $failures -eq 0 ] && echo "all right"
exit $((failures != 0))
