/* A program as it would be written to the old interface: C, every kind of name of it, one small session. Built with
 * and without LINUX_FIRST: the system's headers first, of which without _GNU_SOURCE the half is hidden. */
#ifdef LINUX_FIRST
#undef _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#endif
#include <libpmemfile-posix.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h> /* glibc 2.36 has it against linux/fs.h */
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s, errno %d\n", __FILE__, __LINE__, #condition, errno);                           \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* (tests/api/constants_case compares them all.) */
_Static_assert(PMEMFILE_O_CREAT == O_CREAT && PMEMFILE_O_TMPFILE != 0 && PMEMFILE_AT_EMPTY_PATH != 0, "");
_Static_assert(PMEMFILE_RENAME_EXCHANGE != 0 && PMEMFILE_FALLOC_FL_PUNCH_HOLE != 0 && PMEMFILE_F_OFD_SETLKW != 0, "");
_Static_assert(PMEMFILE_SEEK_HOLE != 0 && PMEMFILE_MAP_SYNC != 0 && PMEMFILE_UTIME_OMIT != 0 && PMEMFILE_LOCK_EX != 0,
               "");
_Static_assert(PMEMFILE_ATOMIC_WRITE_UNIT_MIN == 512 && PMEMFILE_ATOMIC_WRITE_UNIT_MAX == 65536, "");
_Static_assert(sizeof(pmemfile_off_t) == 8 && sizeof(pmemfile_ino_t) == 8 && sizeof(pmemfile_blkcnt_t) == 8, "");

int main(void) {
    char path[64];
    snprintf(path, sizeof(path), "/dev/shm/pmemfile-api-c.%d", (int)getpid());
    PMEMfilepool *pool = pmemfile_pool_create(path, 16u << 20, PMEMFILE_S_IRUSR | PMEMFILE_S_IWUSR);
    CHECK(pool != NULL);
    CHECK(pmemfile_pool_root_count(pool) >= 1);
    PMEMfile *root = pmemfile_open_root(pool, 0, 0);
    CHECK(root != NULL);
    PMEMfile *file = pmemfile_openat(pool, root, "f", PMEMFILE_O_CREAT | PMEMFILE_O_RDWR, 0644);
    CHECK(file != NULL);
    CHECK(pmemfile_write(pool, file, "abc", 3) == 3);
    pmemfile_stat_t stat;
    CHECK(pmemfile_fstat(pool, file, &stat) == 0 && stat.st_size == 3 && PMEMFILE_S_ISREG(stat.st_mode));
    pmemfile_flock_t lock = {.l_type = PMEMFILE_F_WRLCK, .l_whence = PMEMFILE_SEEK_SET};
    CHECK(pmemfile_fcntl(pool, file, PMEMFILE_F_SETLK, &lock) == 0);
    CHECK(pmemfile_open(pool, "missing", PMEMFILE_O_RDONLY) == NULL && errno == ENOENT);
    char block[2 * PMEMFILE_ATOMIC_WRITE_UNIT_MIN] = "";
    pmemfile_iovec_t vector = {block, PMEMFILE_ATOMIC_WRITE_UNIT_MIN};
    CHECK(pmemfile_pwritev2(pool, file, &vector, 1, 0, PMEMFILE_RWF_ATOMIC) == PMEMFILE_ATOMIC_WRITE_UNIT_MIN);
    vector.iov_len = PMEMFILE_ATOMIC_WRITE_UNIT_MIN / 2;
    CHECK(pmemfile_pwritev2(pool, file, &vector, 1, 0, PMEMFILE_RWF_ATOMIC) == -1 && errno == EINVAL);
    PMEMfile *twice = pmemfile_openat(pool, PMEMFILE_AT_FDCWD, "f", PMEMFILE_O_PATH | PMEMFILE_O_NOFOLLOW);
    CHECK(twice != NULL && pmemfile_fcntl(pool, twice, PMEMFILE_F_GETFD) == 0);
    pmemfile_close(pool, twice);
    struct pmemfile_stats counts;
    pmemfile_stats(pool, &counts);
    CHECK(counts.dirs == 4 && counts.inodes == 5 && counts.blocks > 0); /* four roots and a file */
    pmemfile_close(pool, file);
    pmemfile_close(pool, root);
    pmemfile_pool_close(pool);
    CHECK(pmemfile_pool_open("/dev/null") == NULL && strlen(pmemfile_errormsg()) > 0);
    unlink(path);
    return 0;
}
