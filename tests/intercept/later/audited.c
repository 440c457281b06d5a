/* audited: loads and unloads a library, so that an audit library has something to see. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (library == NULL)
        return 2;
    long (*getppid_there)(void) = NULL;
    *(void **)&getppid_there = dlsym(library, "later_getppid");
    printf("later %ld\n", getppid_there());
    fflush(stdout);
    return dlclose(library);
}
