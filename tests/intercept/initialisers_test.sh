#!/bin/bash
# initialisers_test: initialisers_test.sh LIBRARY.a
# The interceptor has no initialiser that runs: intercept_start is called in a constructor, perhaps before
# it, and what it has noted would be gone.
set -u
symbols=$(nm -A "$1") || exit 1
grep -q ' T intercept_start$' <<<"$symbols" || { echo "no library of the interceptor"; exit 1; }
if grep '_GLOBAL__sub_I' <<<"$symbols"; then
    echo "these are initialised while the program starts"
    exit 1
fi
