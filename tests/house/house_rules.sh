#!/bin/bash
# The house's rules, checked: include floors, file sizes, forbidden names.
# Usage: house_rules.sh PROJECT_ROOT
set -u
cd "$1" || exit 1
problems=0
complain() {
    echo "$*"
    problems=$((problems + 1))
}

mapfile -t sources < <(find base intercept libpmemfile posix-shim tools tests bench -type f \
    \( -name '*.h' -o -name '*.cpp' -o -name '*.c' -o -name '*.S' \) | sort)
[ ${#sources[@]} -gt 20 ] || complain "only ${#sources[@]} source files found: is $1 the project?"

# Floors from the bottom up. A file includes only from its own floor or lower
# ones. intercept and libpmemfile do not know each other.
engine=(format persist pool runtime journal space file names fs mapping check api)
engine_floor() {
    local i
    for i in "${!engine[@]}"; do
        [ "${engine[$i]}" = "$1" ] && echo "$i" && return
    done
    echo 99
}
# Each line: FILE INCLUDED REASON.
allowed_includes='
'
allowed() { grep -qF -- "$1 $2 " <<<"$allowed_includes"; }

for file in "${sources[@]}"; do
    top=${file%%/*}
    while IFS= read -r included; do
        target=${included%%/*}
        case "$top:$target" in
        base:base | intercept:base | intercept:intercept | libpmemfile:base | posix-shim:*) ;;
        tools:tools | tools:base | tools:libpmemfile | tools:intercept | tests:* | bench:*) ;;
        libpmemfile:libpmemfile)
            own=$(cut -d/ -f2 <<<"$file")
            other=$(cut -d/ -f2 <<<"$included")
            if [ "$other" != include ] && [ "$(engine_floor "$other")" -gt "$(engine_floor "$own")" ]; then
                allowed "$file" "$included" || complain "$file includes $included, which is a higher floor"
            fi
            ;;
        *) complain "$file includes $included: $top may not use $target" ;;
        esac
        [ -f "$included" ] || complain "$file includes $included, which is not there"
    done < <(sed -n 's/^#include "\([a-z-]*\/[^"]*\)".*/\1/p' "$file" | grep -E '^(base|intercept|libpmemfile|posix-shim|tools|tests|bench)/')
    grep -nE '^#include "\.\./' "$file" | sed "s|^|$file: relative include: |" | grep . && problems=$((problems + 1))
    case "$file" in
    *.h)
        # A C header for users may use the classic guard.
        grep -q '^#pragma once' "$file" || grep -q '^#ifndef' "$file" || complain "$file has no #pragma once"
        ;;
    esac
done

# One noun per file, at most 500 lines. Each line: FILE REASON.
allowed_sizes='
'
for file in "${sources[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 500 ] || grep -q "^$file " <<<"$allowed_sizes" || complain "$file has $lines lines; 500 is the most"
done

# Names that say nothing.
for file in "${sources[@]}"; do
    grep -qiE '(^|[_/.-])(utils?|common|helpers?|managers?)([_.-]|$)' <<<"${file##*/}" && complain "$file: a name that says nothing"
    found=$(grep -nE '\b(class|struct|namespace|enum class|enum) +[A-Za-z_]*(Util|Helper|Manager|Common|util|helper|manager|common)[A-Za-z_]*' "$file")
    [ -z "$found" ] || complain "$file: a name that says nothing: $found"
done

# The engine must not throw, allocate or print on the way of a hook.
for floor in persist runtime journal space file names fs; do
    found=$(grep -nE '\b(throw|malloc|calloc|printf|fprintf|std::cout|std::cerr|std::string|std::vector|std::mutex)\b' \
        libpmemfile/$floor/*.cpp 2>/dev/null | grep -v '^libpmemfile/fs/mkfs.cpp' | grep -vE ':[0-9]+: *//' | grep -vE '//.*\b(throw|malloc|printf)')
    [ -z "$found" ] || complain "not allowed on the way of a hook: $found"
done

echo "$problems problems in ${#sources[@]} files"
[ "$problems" -eq 0 ]
