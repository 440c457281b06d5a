#!/bin/bash
# build_and_fuzz.sh SOURCE BUILD TARGET SECONDS: builds a libFuzzer target with clang, with ASan and
# UBSan, and runs it. What it finds is left in BUILD as crash-*, to be copied into tests/hostile/corpus.
set -eu
source_root=$1 build=$2 target=$3 seconds=$4
[ -f "$build/build.ninja" ] ||
    CC=clang CXX=clang++ meson setup "$build" "$source_root" -Dfuzz=true -Dwerror=false >/dev/null
ninja -C "$build" "tests/hostile/fuzz_$target" >/dev/null
mkdir -p "$build/corpus-$target"
cd "$build"
exec "tests/hostile/fuzz_$target" "corpus-$target" "$source_root/tests/hostile/corpus/$target" \
    -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=600 -print_final_stats=1 -verbosity=0
