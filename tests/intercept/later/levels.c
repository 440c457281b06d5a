/* levels: levels LATER_OBJECT STATIC_PROGRAM. What getppid gives in libc, in a library that is loaded later, in
 * code made at run time, and in a static program that is executed. */
#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
    void *library = argc > 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (library == NULL || page == MAP_FAILED)
        return 2;
    memcpy(page, "\xb8\x6e\0\0\0\x0f\x05\xc3", 8); /* mov $SYS_getppid, %eax ; syscall ; ret */
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    long (*later)(void) = NULL;
    long (*made)(void) = NULL;
    *(void **)&later = dlsym(library, "later_getppid");
    memcpy(&made, &page, sizeof made);
    printf("libc %d later %ld made %ld ", getppid(), later(), made());
    fflush(stdout);
    char *arguments[] = {argv[2], "parent", NULL};
    pid_t child;
    int status = -1;
    if (posix_spawn(&child, argv[2], NULL, NULL, arguments, environ) != 0 || waitpid(child, &status, 0) != child)
        return 3;
    return status;
}
