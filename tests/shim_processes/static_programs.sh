#!/bin/bash
# static_programs.sh, run by run_in_pool.sh: programs that are linked statically see the pool too: from the host, from the pool
# itself, by fork and exec, with threads, and where somebody in between clears the environment.
set -u
. "$(dirname "$0")/expect_text.sh"
cd "$POOL_DIRECTORY" || exit 1
cat >files.c <<'END_OF_C'
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static char *directory;
static void in_directory(char *out, const char *name) { sprintf(out, "%s/%s", directory, name); }
static void *writer(void *argument) {
    char path[4096], name[32];
    for (int i = 0; i < 20; i++) {
        sprintf(name, "t%ld-%d", (long)argument, i);
        in_directory(path, name);
        int file = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
        if (file < 0 || write(file, name, strlen(name)) != (ssize_t)strlen(name) || fsync(file) != 0 || close(file) != 0)
            return "a write failed";
    }
    return NULL;
}
static volatile int alarms;
static void on_alarm(int number) {
    struct stat status;
    alarms += number == SIGUSR1 && stat(directory, &status) == 0;
}
int main(int argc, char **argv) {
    char path[4096], other[4096];
    directory = argv[1];
    if (argc > 2 && strcmp(argv[2], "child") == 0) {
        in_directory(path, "inherited");
        return write(9, "child", 5) == 5 && access(path, F_OK) == 0 ? 0 : 1;
    }
    pthread_t threads[4];
    for (long i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, writer, (void *)i);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        if (wrong != NULL)
            puts(wrong);
    }
    signal(SIGUSR1, on_alarm);
    for (int i = 0; i < 20; i++)
        raise(SIGUSR1);
    int count = 0;
    DIR *open_directory = opendir(directory);
    for (struct dirent *entry; (entry = readdir(open_directory)) != NULL;)
        count += entry->d_name[0] == 't';
    closedir(open_directory);
    in_directory(path, "mapped");
    int file = open(path, O_CREAT | O_RDWR, 0600);
    ftruncate(file, 8192);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    strcpy(map + 4096, "through a mapping");
    char text[32] = "";
    pread(file, text, sizeof text, 4096);
    in_directory(path, "inherited");
    if (dup2(open(path, O_CREAT | O_RDWR, 0600), 9) != 9)
        return 2;
    int status = -1;
    if (fork() == 0) {
        execl("/proc/self/exe", argv[0], directory, "child", NULL);
        _exit(9);
    }
    wait(&status);
    in_directory(other, "renamed");
    int bad = access((char *)1, F_OK);
    printf("%d %d %s %d %d %ld\n", count, alarms, text, rename(path, other), bad, (long)lseek(9, 0, SEEK_CUR) + status);
    return 0;
}
END_OF_C
cat >alarms.c <<'END_OF_C'
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
static volatile int alarms;
static void on_alarm(int number) { alarms += number == SIGALRM; }
int main(void) {
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 500}, {0, 500}};
    static char block[16384];
    struct stat status;
    long wrong = 0;
    sigfillset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    int file = open("alarms", O_CREAT | O_RDWR, 0600);
    setitimer(ITIMER_REAL, &often, NULL);
    while (alarms < 500)
        wrong += pwrite(file, block, sizeof block, 0) != sizeof block || stat("alarms", &status) != 0;
    printf("interrupted, %ld wrong\n", wrong);
    return 0;
}
END_OF_C
gcc -static -o "${TMPDIR:-/tmp}/static_files.$$" files.c -pthread -w || exit 1
gcc -static -o alarmed alarms.c || exit 1
trap 'rm -f "${TMPDIR:-/tmp}/static_files.$$"' EXIT
program=${TMPDIR:-/tmp}/static_files.$$
good='80 20 through a mapping 0 -1 5'
mkdir a b c
expect "$good" "$program" "$PWD/a"
cp "$program" inside
expect "$good" ./inside "$PWD/b"
expect "$good" env -i "$program" "$PWD/c"
# Signals that come in the middle of a call.
expect 'interrupted, 0 wrong' ./alarmed
# What a new thread looks at, its parent may have changed already: many starts.
for ((round = 0; round < 30; round++)); do
    mkdir "many$round"
    expect "$good" "$program" "$PWD/many$round"
done
# As the interpreter of a script on the host, also by way of another one, which is in the pool or not.
script=${TMPDIR:-/tmp}/static_script.$$
trap 'rm -f "$program" "$script" "$script.2"' EXIT
interpret() { # FILE INTERPRETER [ARGUMENT]
    printf '#!%s\n' "$2${3:+ $3}" >"$1" && chmod +x "$1"
}
mkdir d e f g h
interpret "$script" "$program" "$PWD/d"
expect "$good" "$script" more words
interpret "$script" "$program" "$PWD/h"
expect "$good" env -i bash -c "cd / && exec $script"
interpret "$script" "$program" "$PWD/e"
interpret "$script.2" "$script" a-word
expect "$good" "$script.2"
interpret "$script" "$program" "$PWD/f"
interpret inner "$script"
expect "$good" ./inner
interpret "$script.2" "$PWD/inner"
interpret "$script" "$program" "$PWD/g"
expect "$good" "$script.2"
chmod -x "$script"
expect 126 bash -c "$script 2>&- || echo \$?"
# A Go program that is linked dynamically makes its calls itself, from text without frames; so does this, with Go's note.
cat >go.c <<'END_OF_C'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
__asm__(".section .note.go.buildid,\"a\",@note\n.long 4, 4, 4\n.asciz \"Go\\0\"\n.long 0\n.previous");
__attribute__((noinline)) static long call(long number, long a, long b, long c, long d) {
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
    return number;
}
int main(int argc, char **argv) {
    long file = call(SYS_openat, AT_FDCWD, (long)argv[1], O_CREAT | O_RDWR, 0600);
    call(SYS_ftruncate, file, 4096, 0, 0);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, (int)file, 0);
    call(SYS_ftruncate, file, 8192, 0, 0);
    strcpy(map + 4096, "grown");
    char text[8] = "";
    call(SYS_pread64, file, (long)text, 6, 4096);
    puts(text);
    return 0;
}
END_OF_C
gcc -O1 -fno-asynchronous-unwind-tables -o "$program.go" go.c -w || exit 1
expect grown "$program.go" "$PWD/go1"
cp "$program.go" inside_go
expect grown ./inside_go go2
expect grown env -i "$program.go" "$PWD/go3"
# As the interpreter of a script on the host, also by way of another one.
interpret "$script" "$program.go" "$PWD/go4"
expect grown "$script"
interpret "$script.2" "$script"
interpret "$script" "$program.go" "$PWD/go5"
expect grown "$script.2"
expect "go1 go2 go3 go4 go5" echo go[1-5]
rm -f "$program.go"
expect 't0-0' cat a/t0-0
expect child cat b/renamed
expect 80 bash -c 'ls c | grep -c ^t'
end_of_test
