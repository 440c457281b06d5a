#!/bin/bash
# Builds and installs the interceptor alone, and uses it.
# Usage: alone_case.sh SOURCES PROGRAMS
. "$(dirname "$0")/examples.sh"
sources=$(realpath "$1") programs=$(realpath "$2")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory" || exit 1
destination=$directory/root
meson setup build "$sources" -Dintercept_only=true >log 2>&1 && ninja -C build -j2 >>log 2>&1 &&
    meson install -C build --no-rebuild --quiet --destdir "$destination" >>log 2>&1 || { tail -n 40 log; exit 1; }
equal "nothing of the filesystem" "" "$(find "$destination" -name '*posix*' -o -name 'libpmemfile.so*' -o -name 'pmemfile' ! -type d)"
equal "no PMDK" "" "$(grep -oE 'libpmem[a-z]*' build/meson-info/intro-dependencies.json)"
use_installation
build_examples
run_examples
finish
