#!/bin/bash
# self_build_case: this project is copied to the pool, configured by meson, built there by ninja and gcc, and what came out is
# run from there: the tool, a program under its `run`, two of the tests. The
# binaries must be the same to the byte as those that are built on tmpfs.
# needs: meson ninja g++
set -u
export LC_ALL=C CCACHE_DISABLE=1
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
host=$(mktemp -d /dev/shm/self_build.XXXXXX) && trap 'rm -rf "$host"' EXIT
mkdir "$host/mount"
tar -C "$project" --exclude=.git --exclude='./build*' -cf - . | tar xf -
meson setup build > configure.log 2>&1 || { tail -20 configure.log; exit 1; }
targets=(tools/pmemfile posix-shim/libpmemfile-preload.so libpmemfile/libpmemfile-container.so tests/model/model_test tests/tools/checker_test)
ninja -C build "${targets[@]}" > build.log 2>&1 || { grep -A 5 FAILED build.log; tail -5 build.log; exit 1; }
ninja -C build "${targets[@]}" | tail -1
for target in "${targets[@]}"; do (cd build && sha256sum "$target"); done
touch tools/info.cpp; ninja -C build tools/pmemfile | grep -c Compiling
build/tools/pmemfile mkfs -s 64M "$host/pool" | wc -l
build/tools/pmemfile run -m "$host/mount=$host/pool" -- sh -c "echo from within > $host/mount/f; cat $host/mount/f"
ls -A "$host/mount" | wc -l
build/tools/pmemfile cat "$host/pool:/f"
build/tools/pmemfile fsck -n "$host/pool" | grep -o clean
# How many transactions meet another one's change is chance.
PMEMFILE_TEST_SEED=1 build/tests/model/model_test 2 | sed '/^transactions: /d; s/.*: //'
build/tests/tools/checker_test --gtest_brief=1 2>&1 | tail -1 | sed 's/ (.*//'
rm -rf build *.log
