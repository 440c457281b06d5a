#!/bin/sh
# compare_page.sh PRINTER PAGE: docs/syscalls.md is what the table prints.
"$1" | diff -u "$2" - || {
    echo "docs/syscalls.md is stale: build/posix-shim/print-syscall-table > docs/syscalls.md" >&2
    exit 1
}
