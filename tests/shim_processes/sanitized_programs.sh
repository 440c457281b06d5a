#!/bin/bash
# sanitized_programs.sh: programs with a sanitizer's runtime, which wants to be first in a process, with their files in
# the pool mounted on $POOL_DIRECTORY (run_in_pool.sh): right ones, and mistakes that the runtime has to find.
set -u
. "$(dirname "$0")/expect_text.sh"
cd "$POOL_DIRECTORY" || exit 1
unset ASAN_OPTIONS LD_LIBRARY_PATH
cat >program.c <<'END_OF_C'
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static void *in_thread(void *name) {
    char text[8] = "";
    int file = open(name, O_RDONLY);
    ssize_t got = pread(file, text, 4, 0);
    close(file);
    printf("%zd %s ", got, text);
    return NULL;
}
int main(int argc, char **argv) {
    pthread_t thread;
    FILE *file = fopen(argv[1], "w");
    fputs("text", file);
    fclose(file);
    pthread_create(&thread, NULL, in_thread, argv[1]);
    pthread_join(thread, NULL);
    fflush(stdout);
    if (fork() == 0) {
        in_thread(argv[1]);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    char *memory = malloc(10);
    memory[atoi(argv[2])] = 1;
    if (argc == 3)
        free(memory);
    memory = NULL;
    puts("end");
    return 0;
}
END_OF_C
mistake() { # PROGRAM ARGUMENT...: what it is taken for
    "$@" 2>&1 | grep -oE 'heap-buffer-overflow|detected memory leaks|first in initial library list' | head -n 1
}
right='4 text 4 text end'
mkdir bin
for flags in "gcc -fsanitize=address" "gcc -fsanitize=address,undefined -static-libasan" "gcc -fsanitize=thread"; do
    program=bin/${flags//[^a-z]/_}
    # shellcheck disable=SC2086
    $flags -w -g -pthread -o "$program" program.c || exit 1
    expect "$right" "$program" "$PWD/file" 9
    cp "$program" "$HOST_DIRECTORY/sanitized"
    expect "$right" "$HOST_DIRECTORY/sanitized" file 9
    expect "$right" bash -c "exec -a name $HOST_DIRECTORY/sanitized file 9"
    rm "$HOST_DIRECTORY/sanitized"
    [[ $flags = *thread ]] && continue
    expect heap-buffer-overflow mistake "$program" file 10
    expect 'detected memory leaks' mistake "$program" file 9 lost
    expect "" mistake env ASAN_OPTIONS=detect_leaks=0 "$program" file 9 lost
done
# The program's user still says how it is to be.
expect 'first in initial library list' mistake env ASAN_OPTIONS=verify_asan_link_order=1 bin/gcc__fsanitize_address file 9
end_of_test
