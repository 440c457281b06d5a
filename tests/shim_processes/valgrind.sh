#!/bin/bash
# valgrind.sh: programs under Valgrind, whose tools are linked statically and execute the program themselves; the same on
# tmpfs (compare_script.sh). What the tools themselves write is the host's. Numbers of processes and addresses are left out.
set -u
suppressions=$(dirname "$(realpath "$0")")/../../posix-shim/valgrind.supp
cd "$1" || exit 1
memcheck() {
    valgrind -q --leak-check=full --suppressions="$suppressions" --log-file="$OTHER_DIRECTORY/%p" "$@"
    echo "exit code $?"
    cat "$OTHER_DIRECTORY"/* | sed -E '/^--[0-9]+-- /d; s/^==[0-9]+== *//; s/0x[0-9A-Fa-f]+/ADDRESS/g; s/^(at|by) [^:]*: /\1 /' |
        grep -E '^(at|by).*(bug|two)\.c:|^Invalid|^Address|lost|uninit|Syscall'
    rm -f "$OTHER_DIRECTORY"/*
}
cat >two.c <<'END'
#include <stdlib.h>
int *two(void) { return malloc(2 * sizeof(int)); }
END
cat >bug.c <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int *two(void);
static int work(int *pair) { return pair[2]; }
int main(int argc, char **argv) {
    int *pair = two();
    char link[4096] = "", text[16], *unset = malloc(8);
    int file = open("data", O_CREAT | O_RDWR | O_TRUNC, 0644);
    if (write(file, "written", 7) != 7 || pread(file, text, 7, 0) != 7)
        return 2;
    if (readlink("/proc/self/exe", link, sizeof link - 1) < 1 || access(link, X_OK) != 0)
        return 3;
    printf("%d %.7s %s %s\n", argc, text, argv[1], strrchr(link, '/'));
    if (unset[3] == 7)
        puts("seven");
    return work(pair) == 1 ? 4 : 0;
}
END
mkdir bin
cc -g -O0 -shared -fPIC two.c -o libtwo.so && cc -g -O0 bug.c -o bin/bug -L. -ltwo -Wl,-rpath,'$ORIGIN/..' || exit 1
memcheck ./bin/bug argument
wc -c data
memcheck "$PWD/bin/bug" argument >out 2>&1
grep -c . out
echo line >file
memcheck cat file
memcheck ls
memcheck cp -p file copy
memcheck dash -c 'while read line; do echo "$line"; done <copy >copy2; cat copy2'
rm -f copy* out

# Signals that come in the middle of a call; standard output in the pool; programs that the program executes.
quiet() {
    local status errors="$OTHER_DIRECTORY/errors"
    valgrind -q "$@" 2>"$errors"
    status=$?
    grep -v '^--[0-9]*-- ' "$errors"
    return $status
}
quiet --tool=none bash -c '(sleep 0.3; echo slow) | cat; sleep 0.3 & wait; trap "echo caught" USR1; (sleep 0.3; kill -USR1 $$) & wait; echo $?; kill -TERM $$'
echo "exit code $?"
quiet --tool=none sh -c 'echo x; cat file; ./bin/bug a | cat' >out
cat out
quiet --tool=none --trace-children=yes sh -c 'cat file; exec ./bin/bug b'
echo 'exec cat file' >bin/script
quiet --tool=none sh bin/script
quiet --tool=none ./missing
echo "exit code $?"
quiet --tool=callgrind --callgrind-out-file="$OTHER_DIRECTORY/profile" cat file
grep -c '^events: Ir' "$OTHER_DIRECTORY/profile"
ls
