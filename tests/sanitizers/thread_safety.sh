#!/bin/bash
# thread_safety.sh SOURCE: clang's -Wthread-safety over the libraries' sources (base/thread_safety.h).
# A seeded mistake first: were the analysis off, or the annotations empty, all would look well.
set -u
cd "$1" || exit 1
options=(-std=c++20 -D_GNU_SOURCE -DPMEMFILE_COUNTERS=1 -DPMEMFILE_RECORDING=1 -I. -Ilibpmemfile/include -Iintercept/include
    -DINTERCEPT_LAUNCHER_PATH="\"\"" -fsyntax-only -fconstexpr-steps=100000000 -fno-exceptions -fno-rtti -Wthread-safety -Werror=thread-safety)
command -v clang++ >/dev/null || { echo "clang++ is not installed" >&2; exit 1; }

seeded=$(mktemp --suffix=.cpp)
output=$(mktemp)
trap 'rm -f "$seeded" "$output"' EXIT
cat >"$seeded" <<'END'
#include "libpmemfile/runtime/robust_lock.h"
void forgets_to_unlock(pmemfile::Thread &thread) {
    pmemfile::robust_lock(thread, thread.pool->segment->rename_lock);
}
void reads_without(pmemfile::Segment &segment) {
    segment.raise_phase.load();
}
END
clang++ "${options[@]}" "$seeded" 2>"$output"
if [ "$(grep -c 'error:' "$output")" -ne 2 ]; then
    echo "the analysis does not see two seeded mistakes:" >&2
    cat "$output" >&2
    exit 1
fi

# print_table.cpp and what uses exceptions is not linked into the preload library, but has locks all the same.
failed=0 checked=0
while read -r source; do
    exceptions=()
    case $source in libpmemfile/api/* | libpmemfile/check/*) exceptions=(-fexceptions -frtti) ;; esac
    clang++ "${options[@]}" "${exceptions[@]}" "$source" || failed=$((failed + 1))
    checked=$((checked + 1))
done < <(find base intercept libpmemfile posix-shim -name '*.cpp' | sort)
echo "$checked files, $failed with findings"
[ "$failed" -eq 0 ] && [ "$checked" -gt 80 ]
