#!/bin/bash
# build_and_run.sh SOURCE BUILD SANITIZERS: builds the tests that go with the sanitizers and
# runs them. The compiler's objects stay in BUILD for the next time.
set -eu
source_root=$1 build=$2 sanitizers=$3
# Warnings are no errors here: gcc warns of each atomic fence that ThreadSanitizer does not know of.
[ -f "$build/build.ninja" ] || meson setup "$build" "$source_root" -Db_sanitize="$sanitizers" -Dwerror=false \
    -Doptimization=1 >/dev/null
meson test -C "$build" --suite quick --print-errorlogs --num-processes 2
