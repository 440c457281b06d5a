/* libpmemfile-posix: files in a pool, by calls that mirror POSIX.
 *
 * Each function has the name of its POSIX or Linux namesake with the prefix
 * pmemfile_, the pool as first argument and PMEMfile * in place of a descriptor;
 * arguments, results and errno are the namesake's (its manual page is the
 * reference): -1 or NULL and errno on error. Each call that changes something is
 * atomic and durable when it returns.
 *
 * Threads: all functions may be called by any thread at a time, but for
 * pmemfile_pool_close and for a PMEMfile that is being closed. Any number of
 * processes may have the pool open. After fork() only the parent may go on using
 * the pool; the child opens it anew.
 *
 * Memory: a bad pointer is the program's own fault (SIGSEGV), as with any library. */
#ifndef LIBPMEMFILE_POSIX_H
#define LIBPMEMFILE_POSIX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PMEMFILE_API __attribute__((visibility("default")))

typedef struct pmemfilepool PMEMfilepool;
typedef struct pmemfile_file PMEMfile;

typedef mode_t pmemfile_mode_t;
typedef uid_t pmemfile_uid_t;
typedef gid_t pmemfile_gid_t;
typedef ssize_t pmemfile_ssize_t;
typedef nlink_t pmemfile_nlink_t;
typedef blksize_t pmemfile_blksize_t;
typedef dev_t pmemfile_dev_t;
typedef off64_t pmemfile_off_t;
typedef ino64_t pmemfile_ino_t;
typedef blkcnt64_t pmemfile_blkcnt_t;
typedef struct iovec pmemfile_iovec_t;
typedef struct timespec pmemfile_timespec_t;
typedef struct timeval pmemfile_timeval_t;
typedef struct utimbuf pmemfile_utimbuf_t;
typedef struct stat pmemfile_stat_t;
typedef struct flock pmemfile_flock_t;
typedef struct statfs pmemfile_statfs_t;

#define PMEMFILE_O_RDONLY O_RDONLY
#define PMEMFILE_O_WRONLY O_WRONLY
#define PMEMFILE_O_RDWR O_RDWR
#define PMEMFILE_O_ACCMODE O_ACCMODE
#define PMEMFILE_O_CREAT O_CREAT
#define PMEMFILE_O_EXCL O_EXCL
#define PMEMFILE_O_TRUNC O_TRUNC
#define PMEMFILE_O_APPEND O_APPEND
#define PMEMFILE_O_NONBLOCK O_NONBLOCK
#define PMEMFILE_O_DSYNC O_DSYNC
#define PMEMFILE_O_SYNC O_SYNC
#define PMEMFILE_O_DIRECT O_DIRECT
#define PMEMFILE_O_DIRECTORY O_DIRECTORY
#define PMEMFILE_O_NOFOLLOW O_NOFOLLOW
#define PMEMFILE_O_NOATIME O_NOATIME
#define PMEMFILE_O_CLOEXEC O_CLOEXEC
#define PMEMFILE_O_PATH O_PATH
#define PMEMFILE_O_TMPFILE O_TMPFILE
#define PMEMFILE_S_IFMT S_IFMT
#define PMEMFILE_S_IFREG S_IFREG
#define PMEMFILE_S_IFDIR S_IFDIR
#define PMEMFILE_S_IFLNK S_IFLNK
#define PMEMFILE_S_ISUID S_ISUID
#define PMEMFILE_S_ISGID S_ISGID
#define PMEMFILE_S_ISVTX S_ISVTX
#define PMEMFILE_S_ISREG(mode) S_ISREG(mode)
#define PMEMFILE_S_ISDIR(mode) S_ISDIR(mode)
#define PMEMFILE_S_ISLNK(mode) S_ISLNK(mode)
#define PMEMFILE_ACCESSPERMS ACCESSPERMS
#define PMEMFILE_ALLPERMS ALLPERMS
#define PMEMFILE_AT_SYMLINK_NOFOLLOW AT_SYMLINK_NOFOLLOW
#define PMEMFILE_AT_SYMLINK_FOLLOW AT_SYMLINK_FOLLOW
#define PMEMFILE_AT_REMOVEDIR AT_REMOVEDIR
#define PMEMFILE_AT_EACCESS AT_EACCESS
#define PMEMFILE_AT_EMPTY_PATH AT_EMPTY_PATH
#define PMEMFILE_SEEK_SET SEEK_SET
#define PMEMFILE_SEEK_CUR SEEK_CUR
#define PMEMFILE_SEEK_END SEEK_END
#define PMEMFILE_SEEK_DATA SEEK_DATA
#define PMEMFILE_SEEK_HOLE SEEK_HOLE
#define PMEMFILE_FALLOC_FL_KEEP_SIZE FALLOC_FL_KEEP_SIZE
#define PMEMFILE_RENAME_NOREPLACE RENAME_NOREPLACE
#define PMEMFILE_RENAME_EXCHANGE RENAME_EXCHANGE
#define PMEMFILE_F_OK F_OK
#define PMEMFILE_R_OK R_OK
#define PMEMFILE_W_OK W_OK
#define PMEMFILE_X_OK X_OK
#define PMEMFILE_F_GETFL F_GETFL
#define PMEMFILE_F_SETFL F_SETFL
#define PMEMFILE_F_GETLK F_GETLK
#define PMEMFILE_F_SETLK F_SETLK
#define PMEMFILE_F_SETLKW F_SETLKW
#define PMEMFILE_F_RDLCK F_RDLCK
#define PMEMFILE_F_WRLCK F_WRLCK
#define PMEMFILE_F_UNLCK F_UNLCK
#define PMEMFILE_LOCK_SH LOCK_SH
#define PMEMFILE_LOCK_EX LOCK_EX
#define PMEMFILE_LOCK_UN LOCK_UN
#define PMEMFILE_LOCK_NB LOCK_NB
#define PMEMFILE_PATH_MAX 4096
#define PMEMFILE_MAX_FILE_NAME 255
/* In place of a directory: the pool's working directory. */
#define PMEMFILE_AT_CWD ((PMEMfile *)(intptr_t)-1)

/* Makes a pool file of `poolsize` bytes (0: the size of the existing file or device) and opens it.
 * At least 16 MiB. EEXIST when a file is there and poolsize is not 0. */
PMEMFILE_API PMEMfilepool *pmemfile_pool_create(const char *path, size_t poolsize, pmemfile_mode_t mode);
/* Opens a pool. ENOENT, EACCES, EINVAL (no pool), EUCLEAN (damaged), EBUSY. The process's user and
 * groups, umask and RLIMIT_FSIZE are taken over as they are now. */
PMEMFILE_API PMEMfilepool *pmemfile_pool_open(const char *path);
/* Closes it; all its files must be closed. No other thread may be in a call on it. */
PMEMFILE_API void pmemfile_pool_close(PMEMfilepool *pool);
/* The st_dev that stat tells from now on. */
PMEMFILE_API void pmemfile_pool_set_device(PMEMfilepool *pool, pmemfile_dev_t device);
/* What the last failed pool_create or pool_open of this thread has to say, in one line. */
PMEMFILE_API const char *pmemfile_errormsg(void);

PMEMFILE_API PMEMfile *pmemfile_open(PMEMfilepool *pool, const char *path, int flags, ...);
PMEMFILE_API PMEMfile *pmemfile_openat(PMEMfilepool *pool, PMEMfile *dir, const char *path, int flags, ...);
PMEMFILE_API PMEMfile *pmemfile_create(PMEMfilepool *pool, const char *path, pmemfile_mode_t mode);
PMEMFILE_API void pmemfile_close(PMEMfilepool *pool, PMEMfile *file);

PMEMFILE_API pmemfile_ssize_t pmemfile_read(PMEMfilepool *pool, PMEMfile *file, void *buffer, size_t count);
PMEMFILE_API pmemfile_ssize_t pmemfile_write(PMEMfilepool *pool, PMEMfile *file, const void *buffer, size_t count);
PMEMFILE_API pmemfile_ssize_t pmemfile_pread(PMEMfilepool *pool, PMEMfile *file, void *buffer, size_t count,
                                             pmemfile_off_t offset);
PMEMFILE_API pmemfile_ssize_t pmemfile_pwrite(PMEMfilepool *pool, PMEMfile *file, const void *buffer, size_t count,
                                              pmemfile_off_t offset);
PMEMFILE_API pmemfile_ssize_t pmemfile_readv(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors,
                                             int count);
PMEMFILE_API pmemfile_ssize_t pmemfile_writev(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors,
                                              int count);
PMEMFILE_API pmemfile_ssize_t pmemfile_preadv(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors,
                                              int count, pmemfile_off_t offset);
PMEMFILE_API pmemfile_ssize_t pmemfile_pwritev(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors,
                                               int count, pmemfile_off_t offset);
PMEMFILE_API pmemfile_off_t pmemfile_lseek(PMEMfilepool *pool, PMEMfile *file, pmemfile_off_t offset, int whence);
PMEMFILE_API int pmemfile_ftruncate(PMEMfilepool *pool, PMEMfile *file, pmemfile_off_t length);
PMEMFILE_API int pmemfile_truncate(PMEMfilepool *pool, const char *path, pmemfile_off_t length);
PMEMFILE_API int pmemfile_fallocate(PMEMfilepool *pool, PMEMfile *file, int mode, pmemfile_off_t offset,
                                    pmemfile_off_t length);
/* Returns the error number, and leaves errno alone, as posix_fallocate(3). */
PMEMFILE_API int pmemfile_posix_fallocate(PMEMfilepool *pool, PMEMfile *file, pmemfile_off_t offset,
                                          pmemfile_off_t length);
/* Entries as of getdents64(2). */
PMEMFILE_API int pmemfile_getdents64(PMEMfilepool *pool, PMEMfile *dir, struct dirent64 *buffer, unsigned size);
/* F_GETFL, F_SETFL; F_GETLK, F_SETLK, F_SETLKW and their F_OFD_ forms. Others EINVAL. A process's record
 * locks (not the F_OFD_ ones) count for all its PMEMfiles of the file. */
PMEMFILE_API int pmemfile_fcntl(PMEMfilepool *pool, PMEMfile *file, int command, ...);
PMEMFILE_API int pmemfile_flock(PMEMfilepool *pool, PMEMfile *file, int operation);

PMEMFILE_API int pmemfile_link(PMEMfilepool *pool, const char *from, const char *to);
PMEMFILE_API int pmemfile_linkat(PMEMfilepool *pool, PMEMfile *from_dir, const char *from, PMEMfile *to_dir,
                                 const char *to, int flags);
PMEMFILE_API int pmemfile_unlink(PMEMfilepool *pool, const char *path);
PMEMFILE_API int pmemfile_unlinkat(PMEMfilepool *pool, PMEMfile *dir, const char *path, int flags);
PMEMFILE_API int pmemfile_rename(PMEMfilepool *pool, const char *from, const char *to);
PMEMFILE_API int pmemfile_renameat(PMEMfilepool *pool, PMEMfile *from_dir, const char *from, PMEMfile *to_dir,
                                   const char *to);
PMEMFILE_API int pmemfile_renameat2(PMEMfilepool *pool, PMEMfile *from_dir, const char *from, PMEMfile *to_dir,
                                    const char *to, unsigned flags);
PMEMFILE_API int pmemfile_symlink(PMEMfilepool *pool, const char *target, const char *path);
PMEMFILE_API int pmemfile_symlinkat(PMEMfilepool *pool, const char *target, PMEMfile *dir, const char *path);
PMEMFILE_API pmemfile_ssize_t pmemfile_readlink(PMEMfilepool *pool, const char *path, char *buffer, size_t size);
PMEMFILE_API pmemfile_ssize_t pmemfile_readlinkat(PMEMfilepool *pool, PMEMfile *dir, const char *path, char *buffer,
                                                  size_t size);
PMEMFILE_API int pmemfile_mkdir(PMEMfilepool *pool, const char *path, pmemfile_mode_t mode);
PMEMFILE_API int pmemfile_mkdirat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_mode_t mode);
PMEMFILE_API int pmemfile_rmdir(PMEMfilepool *pool, const char *path);
PMEMFILE_API int pmemfile_mknodat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_mode_t mode,
                                  pmemfile_dev_t device);

PMEMFILE_API int pmemfile_stat(PMEMfilepool *pool, const char *path, pmemfile_stat_t *stat);
PMEMFILE_API int pmemfile_lstat(PMEMfilepool *pool, const char *path, pmemfile_stat_t *stat);
PMEMFILE_API int pmemfile_fstat(PMEMfilepool *pool, PMEMfile *file, pmemfile_stat_t *stat);
PMEMFILE_API int pmemfile_fstatat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_stat_t *stat,
                                  int flags);
PMEMFILE_API int pmemfile_statfs(PMEMfilepool *pool, pmemfile_statfs_t *statfs);
PMEMFILE_API int pmemfile_access(PMEMfilepool *pool, const char *path, int mode);
PMEMFILE_API int pmemfile_euidaccess(PMEMfilepool *pool, const char *path, int mode);
PMEMFILE_API int pmemfile_faccessat(PMEMfilepool *pool, PMEMfile *dir, const char *path, int mode, int flags);

PMEMFILE_API int pmemfile_chmod(PMEMfilepool *pool, const char *path, pmemfile_mode_t mode);
PMEMFILE_API int pmemfile_fchmod(PMEMfilepool *pool, PMEMfile *file, pmemfile_mode_t mode);
PMEMFILE_API int pmemfile_fchmodat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_mode_t mode,
                                   int flags);
PMEMFILE_API int pmemfile_chown(PMEMfilepool *pool, const char *path, pmemfile_uid_t uid, pmemfile_gid_t gid);
PMEMFILE_API int pmemfile_lchown(PMEMfilepool *pool, const char *path, pmemfile_uid_t uid, pmemfile_gid_t gid);
PMEMFILE_API int pmemfile_fchown(PMEMfilepool *pool, PMEMfile *file, pmemfile_uid_t uid, pmemfile_gid_t gid);
PMEMFILE_API int pmemfile_fchownat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_uid_t uid,
                                   pmemfile_gid_t gid, int flags);
PMEMFILE_API int pmemfile_utimensat(PMEMfilepool *pool, PMEMfile *dir, const char *path,
                                    const pmemfile_timespec_t times[2], int flags);
PMEMFILE_API int pmemfile_futimens(PMEMfilepool *pool, PMEMfile *file, const pmemfile_timespec_t times[2]);
PMEMFILE_API int pmemfile_utimes(PMEMfilepool *pool, const char *path, const pmemfile_timeval_t times[2]);
PMEMFILE_API int pmemfile_utime(PMEMfilepool *pool, const char *path, const pmemfile_utimbuf_t *times);

/* Of the pool, not of the process. */
PMEMFILE_API pmemfile_mode_t pmemfile_umask(PMEMfilepool *pool, pmemfile_mode_t mask);
PMEMFILE_API int pmemfile_chdir(PMEMfilepool *pool, const char *path);
PMEMFILE_API int pmemfile_fchdir(PMEMfilepool *pool, PMEMfile *dir);
PMEMFILE_API char *pmemfile_getcwd(PMEMfilepool *pool, char *buffer, size_t size);
/* Whom the pool's calls act for; at first the process's own ids. Root's ids come with root's
 * capabilities, others with none. setgroups: at most 64. */
PMEMFILE_API int pmemfile_setreuid(PMEMfilepool *pool, pmemfile_uid_t ruid, pmemfile_uid_t euid);
PMEMFILE_API int pmemfile_setregid(PMEMfilepool *pool, pmemfile_gid_t rgid, pmemfile_gid_t egid);
PMEMFILE_API int pmemfile_setgroups(PMEMfilepool *pool, size_t count, const pmemfile_gid_t *groups);

#ifdef __cplusplus
}
#endif
#endif
