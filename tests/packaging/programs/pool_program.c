/* System headers first, without _GNU_SOURCE: as a program may have them. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <libpmemfile-posix.h>

int main(int argc, char **argv) {
    char text[40] = "";
    PMEMfilepool *pool = argc > 1 ? pmemfile_pool_create(argv[1], 32 << 20, 0600) : NULL;
    if (pool == NULL) {
        printf("%s\n", pmemfile_errormsg());
        return 1;
    }
    PMEMfile *file = pmemfile_open(pool, "/a", PMEMFILE_O_CREAT | PMEMFILE_O_RDWR | PMEMFILE_O_NOFOLLOW, 0644);
    if (file == NULL || pmemfile_write(pool, file, "hello from a pool", 17) != 17 ||
        pmemfile_pread(pool, file, text, sizeof text - 1, 0) != 17)
        return 1;
    puts(text);
    pmemfile_close(pool, file);
    pmemfile_pool_close(pool);
    return 0;
}
