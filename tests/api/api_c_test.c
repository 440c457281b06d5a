/* A program as it would be written to the old interface: C, every kind of name of it, one small session. */
#include <libpmemfile-posix.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s, errno %d\n", __FILE__, __LINE__, #condition, errno);                           \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

_Static_assert(PMEMFILE_O_CREAT == O_CREAT && PMEMFILE_O_TMPFILE == O_TMPFILE && PMEMFILE_O_NOCTTY == O_NOCTTY, "");
_Static_assert(PMEMFILE_S_IFSOCK == S_IFSOCK && PMEMFILE_S_IRWXU == S_IRWXU && PMEMFILE_S_IXOTH == S_IXOTH, "");
_Static_assert(PMEMFILE_F_DUPFD == F_DUPFD && PMEMFILE_F_OFD_SETLKW == F_OFD_SETLKW, "");
_Static_assert(PMEMFILE_SEEK_HOLE == SEEK_HOLE && PMEMFILE_FALLOC_FL_PUNCH_HOLE == FALLOC_FL_PUNCH_HOLE, "");
_Static_assert(PMEMFILE_RENAME_EXCHANGE == RENAME_EXCHANGE && PMEMFILE_AT_EMPTY_PATH == AT_EMPTY_PATH, "");
_Static_assert(PMEMFILE_PROT_READ == PROT_READ && PMEMFILE_MAP_SHARED == MAP_SHARED && PMEMFILE_MS_SYNC == MS_SYNC, "");
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
    struct pmemfile_stats counts;
    pmemfile_stats(pool, &counts);
    CHECK(counts.dirs == 1 && counts.inodes == 2 && counts.blocks > 0);
    pmemfile_close(pool, file);
    pmemfile_close(pool, root);
    pmemfile_pool_close(pool);
    CHECK(pmemfile_pool_open("/dev/null") == NULL && strlen(pmemfile_errormsg()) > 0);
    unlink(path);
    return 0;
}
