#!/bin/bash
# Installs the build into a directory and builds programs against that.
# Usage: install_case.sh BUILD_DIRECTORY PROGRAMS
. "$(dirname "$0")/examples.sh"
build=$(realpath "$1") programs=$(realpath "$2")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory" || exit 1
destination=$directory/root
meson install -C "$build" --no-rebuild --quiet --destdir "$destination" >log 2>&1 || { cat log; exit 1; }
use_installation
for file in bin/sc bin/sc-trace bin/sc-inject bin/sc-lat bin/sc-check bin/pmemfile include/pmemfile-intercept.h \
    include/libsyscall_intercept_hook_point.h include/libpmemfile-posix.h include/pmemfile.hpp share/man/man1/sc.1 \
    share/man/man1/pmemfile.1 share/man/man3/pmemfile-intercept.3 share/man/man7/libpmemfile.7 share/man/man1/intercept-run.1 \
    share/man/man3/libsyscall_intercept.3 share/man/man1/sc-trace.1 share/man/man1/sc-inject.1 share/man/man1/sc-lat.1 \
    share/man/man1/sc-check.1 share/man/man3/intercept_add.3 share/man/man3/libpmemfile-intercept.3; do
    equal "$file" yes "$([ -e "$destination/usr/local/$file" ] && echo yes)"
done
for name in pmemfile-intercept libpmemfile-intercept libsyscall_intercept libpmemfile libpmemfile-posix; do
    equal "pkg-config $name" 0.1.0 "$(pkg-config --modversion $name)"
done
build_examples
run_examples
for case in "cc -std=c99 pool_program.c libpmemfile-posix" "gcc -std=gnu17 pool_program.c libpmemfile-posix" "c++ -std=c++20 pool_program.cpp libpmemfile"; do
    read -r compiler standard file package <<<"$case"
    # shellcheck disable=SC2046
    $compiler "$standard" -Wall -Wextra -Werror "$programs/$file" -o pool_program $(flags "$package")
    equal "$file is built" 0 $?
    equal "$file runs" "hello from a pool" "$(./pool_program "$directory/pool-$compiler" 2>&1)"
done
equal "a pool with the installed tool" yes "$("$destination/usr/local/bin/pmemfile" mkfs -s 32M pool >said 2>&1 &&
    mkdir mounted && "$destination/usr/local/bin/pmemfile" run -m mounted=pool -- sh -c 'echo yes >mounted/a; cat mounted/a')"
finish
