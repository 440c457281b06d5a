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
 * Memory: a bad pointer is the program's own fault (SIGSEGV), as with any library.
 *
 * It may be included after any other header, with or without _GNU_SOURCE: nothing here needs it (offsets, inode
 * numbers and block counts have 64 bits on x86-64 in any case). */
#ifndef LIBPMEMFILE_POSIX_H
#define LIBPMEMFILE_POSIX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pmemfile-constants.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

/* Known by name only where a header came first without _GNU_SOURCE. */
struct dirent64;
struct timespec;

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
typedef __blksize_t pmemfile_blksize_t;
typedef dev_t pmemfile_dev_t;
typedef __off64_t pmemfile_off_t;
typedef __ino64_t pmemfile_ino_t;
typedef __blkcnt64_t pmemfile_blkcnt_t;
typedef struct iovec pmemfile_iovec_t;
typedef struct timespec pmemfile_timespec_t;
typedef struct timeval pmemfile_timeval_t;
typedef struct utimbuf pmemfile_utimbuf_t;
typedef struct stat pmemfile_stat_t;
typedef struct flock pmemfile_flock_t;
typedef struct statfs pmemfile_statfs_t;

/* In place of a directory: the pool's working directory. */
#define PMEMFILE_AT_CWD ((PMEMfile *)(intptr_t)-1)
#define PMEMFILE_AT_FDCWD PMEMFILE_AT_CWD

/* Makes a pool file of `poolsize` bytes and opens it. 0: in the existing blank file or device, of its size (the file keeps
 * its mode). At least 16 MiB, EINVAL below; at most 40 TiB, EFBIG above. EEXIST when a file is there and poolsize is not
 * 0, or when it is not blank: a pool stands in it, or anything in its first block. ENOENT when there is none to take. */
PMEMFILE_API PMEMfilepool *pmemfile_pool_create(const char *path, size_t poolsize, pmemfile_mode_t mode);
/* Opens a pool. ENOENT, EACCES, EINVAL (no pool), EUCLEAN (damaged), EBUSY. The process's user and
 * groups, umask and RLIMIT_FSIZE are taken over as they are now. */
PMEMFILE_API PMEMfilepool *pmemfile_pool_open(const char *path);
/* Closes it; files that are still open are closed with it, and their PMEMfile are gone; what is mapped is unmapped.
 * No other thread may be in a call on it. */
PMEMFILE_API void pmemfile_pool_close(PMEMfilepool *pool);
/* The st_dev that stat tells from now on. */
PMEMFILE_API void pmemfile_pool_set_device(PMEMfilepool *pool, pmemfile_dev_t device);
/* As pool_open, for reading: calls that would change the pool fail with EROFS, and so does tx_begin. Where the pool
 * file may only be read (its mode, a read-only filesystem) the journal is replayed in memory and the file stays as it
 * is; then it is EBUSY while somebody has the pool open for writing, and they cannot open it while we have. */
PMEMFILE_API PMEMfilepool *pmemfile_pool_open_read_only(const char *path);
/* Leaves the pool, so that it is nobody's who had it through `pool`: its threads' places end, and so do
 * record locks and flocks. Open files and the working directory stay and are taken up by resume. Until
 * then every call with `pool` but resume and close fails with ENODEV. No other thread may be in a call
 * on it. -1: EBUSY while an open file has no name any more (it would be lost) or a file is mapped, ENODEV. */
PMEMFILE_API int pmemfile_pool_suspend(PMEMfilepool *pool);
/* Takes it back from where it is now. Errors of pool_open; ESTALE when an open file has been
 * removed meanwhile (the pool stays suspended); EINVAL when it was not suspended or is another pool. */
PMEMFILE_API int pmemfile_pool_resume(PMEMfilepool *pool, const char *path);
/* Makes a pool that mkfs prepared for it (`pmemfile mkfs --max-size`) at least `size` bytes large, for all processes
 * that use it; they need not notice. EOPNOTSUPP: it was not prepared. EFBIG: it cannot become so large. ENOSPC: the
 * filesystem of the pool file is full, and nothing has happened. EROFS, EBUSY (in a transaction), EIO. Any thread. */
PMEMFILE_API int pmemfile_pool_grow(PMEMfilepool *pool, size_t size);
/* How many separate root directories there are: 4 (1 in a pool made before there were more). Root 0 is "/"; no path
 * leads to the others, what is in them is found by openat and its kin from open_root. `..` stays in each. 0: ENODEV. */
PMEMFILE_API unsigned pmemfile_pool_root_count(PMEMfilepool *pool);
/* Opens root directory `index`, with `flags` as pmemfile_open. EINVAL when there is no such root. */
PMEMFILE_API PMEMfile *pmemfile_open_root(PMEMfilepool *pool, unsigned index, int flags);
/* Transactions: the calls of this thread on the pool from tx_begin to tx_commit, on any number of files, become
 * durable and visible to others at once, or after a crash not at all. They see each other's effects; other
 * threads and processes see none before the commit, and go on meanwhile. What the transaction looks at must be as it
 * was at its beginning: once somebody has changed it, calls and the commit fail with EAGAIN, and the program aborts
 * and begins anew. Not part of it: file offsets, advisory locks, credentials, working directory (an abort leads
 * to "/" from one that it undoes). A file that somebody has mapped shared and writable cannot be changed in one
 * (EBUSY). tx_begin: EBUSY when this thread has one open, EAGAIN when 32 are open in the pool, EROFS, ENOTSUP when the
 * pool cannot be mapped privately (device-dax), ENOMEM. */
PMEMFILE_API int pmemfile_tx_begin(PMEMfilepool *pool);
/* EINVAL when none is open. It is over in any case; on an error nothing has happened, and files opened in it are
 * closed as by tx_abort. EAGAIN: others have changed something that it had looked at. ENOBUFS: some call did
 * not fit (that call said so too): its changes may take half a journal ring, 32 KiB in a pool below 64 MiB,
 * 64 KiB below 512 MiB, 256 KiB below 4 GiB, else 512 KiB; whole blocks of data do not count, only what points to them.
 */
PMEMFILE_API int pmemfile_tx_commit(PMEMfilepool *pool);
/* Nothing has happened. Files opened in the transaction are closed: pmemfile_close frees them, other calls
 * say EBADF. EINVAL when none is open. The end of the thread, or of the pool, aborts too. */
PMEMFILE_API int pmemfile_tx_abort(PMEMfilepool *pool);
/* What there is in the pool: inodes that have a name, and directories among them, counted by walking the trees of all
 * roots.
 * All 0 and errno ENOMEM when there is no memory for that. */
struct pmemfile_stats {
    unsigned inodes;
    unsigned dirs;
    unsigned block_arrays; /* always 0: blocks of metadata count as blocks */
    unsigned inode_arrays; /* likewise */
    unsigned blocks;       /* of 4 KiB, in use */
};
PMEMFILE_API void pmemfile_stats(PMEMfilepool *pool, struct pmemfile_stats *stats);
/* What the last failed pool_create or pool_open of this thread has to say, in one line. */
PMEMFILE_API const char *pmemfile_errormsg(void);

/* A fifo, a socket or a device node can be made, and opened with O_PATH; else ENXIO (on Linux a fifo waits for its
 * other end: there is no waiting here, but programs under `pmemfile run` have it). */
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
/* With RWF_* flags (PMEMFILE_RWF_*); offset -1: at the file's own offset. PMEMFILE_RWF_ATOMIC: sizes from
 * PMEMFILE_ATOMIC_WRITE_UNIT_MIN to _MAX. */
PMEMFILE_API pmemfile_ssize_t pmemfile_preadv2(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors,
                                               int count, pmemfile_off_t offset, int flags);
PMEMFILE_API pmemfile_ssize_t pmemfile_pwritev2(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors,
                                                int count, pmemfile_off_t offset, int flags);
/* Both files are of `pool`. */
PMEMFILE_API pmemfile_ssize_t pmemfile_copy_file_range(PMEMfilepool *pool, PMEMfile *from, pmemfile_off_t *from_offset,
                                                       PMEMfile *to, pmemfile_off_t *to_offset, size_t size,
                                                       unsigned flags);
/*
 * ioctl(2) FICLONERANGE and, with length 0 (to the end of `from`) and offsets 0, FICLONE: the range of `to` reads as
 * that of `from` and shares its blocks, until either file is written to. Offsets and length are
 * multiples of 4096, but for a range that ends with `from`. Both files are of `pool`. At or behind the
 * end of `to`: all or nothing after any crash; else in steps, each atomic: to the next border of data and hole in
 * `from`, and at most 1 MiB (16 MiB over a hole of `to`). 0, or -1 and errno: EBADF (access modes, O_APPEND), EISDIR,
 * EINVAL, EFBIG, ENOSPC, EOPNOTSUPP (a pool made without share counts).
 */
PMEMFILE_API int pmemfile_clone_file_range(PMEMfilepool *pool, PMEMfile *from, pmemfile_off_t from_offset, PMEMfile *to,
                                           pmemfile_off_t to_offset, pmemfile_off_t length);
PMEMFILE_API pmemfile_off_t pmemfile_lseek(PMEMfilepool *pool, PMEMfile *file, pmemfile_off_t offset, int whence);
PMEMFILE_API int pmemfile_ftruncate(PMEMfilepool *pool, PMEMfile *file, pmemfile_off_t length);
PMEMFILE_API int pmemfile_truncate(PMEMfilepool *pool, const char *path, pmemfile_off_t length);
PMEMFILE_API int pmemfile_fallocate(PMEMfilepool *pool, PMEMfile *file, int mode, pmemfile_off_t offset,
                                    pmemfile_off_t length);
/* Returns the error number, and leaves errno alone, as posix_fallocate(3). */
PMEMFILE_API int pmemfile_posix_fallocate(PMEMfilepool *pool, PMEMfile *file, pmemfile_off_t offset,
                                          pmemfile_off_t length);
/* Entries as of getdents64(2) and getdents(2). */
struct linux_dirent;
PMEMFILE_API int pmemfile_getdents64(PMEMfilepool *pool, PMEMfile *dir, struct dirent64 *buffer, unsigned size);
PMEMFILE_API int pmemfile_getdents(PMEMfilepool *pool, PMEMfile *dir, struct linux_dirent *buffer, unsigned size);
/* F_GETFL, F_SETFL; F_GETFD, F_SETFD; F_CREATED_QUERY; F_GETLK, F_SETLK, F_SETLKW and their F_OFD_ forms. Others
 * EINVAL: F_DUPFD and F_DUPFD_CLOEXEC too, for the result is an int and cannot be a PMEMfile (open the file once more,
 * by pmemfile_openat; it has an offset of its own). FD_CLOEXEC is O_CLOEXEC of the open, until F_SETFD sets or takes
 * it; it is told and does nothing: no PMEMfile outlives an exec. A process's record locks (not the F_OFD_ ones) count
 * for all its PMEMfiles of the file; EDEADLK as fcntl(2). */
PMEMFILE_API int pmemfile_fcntl(PMEMfilepool *pool, PMEMfile *file, int command, ...);
PMEMFILE_API int pmemfile_flock(PMEMfilepool *pool, PMEMfile *file, int operation);

/* Mappings of files: the pool's own pages at an address of the program. Names, arguments, results and errors are those
 * of the namesakes; on addresses that show no file of a pool they are the namesakes. Of what Linux does there are these
 * differences. A mapping outlives its PMEMfile, but not its pool: pool_close unmaps, pool_suspend fails with EBUSY. In
 * a transaction mmap, mremap and msync fail with EBUSY; ENODEV for a pool that is open as a private copy
 * (pool_open_read_only). A child of fork may use what is mapped, as long as the parent keeps it mapped. Any thread.
 *
 * MAP_SHARED shows what write stores, and read what is stored there, in all processes; while it lasts,
 * writes to the file are made in place: durable when they return, but not atomic in a crash. Holes in its range take
 * blocks when it is made (where there is no room: SIGBUS on a touch, as on a full tmpfs). Stores through it are durable
 * after msync with MS_SYNC. A page behind the file's end is SIGBUS; it is there once this process has let the file
 * grow by a call, or pmemfile_mapping_fault was asked. Pages that another process cuts off stay until they are
 * unmapped. */
PMEMFILE_API void *pmemfile_mmap(PMEMfilepool *pool, void *address, size_t length, int protection, int flags,
                                 PMEMfile *file, pmemfile_off_t offset);
PMEMFILE_API int pmemfile_munmap(PMEMfilepool *pool, void *address, size_t length);
/* The new address follows `flags` with MREMAP_FIXED. MREMAP_DONTUNMAP: EINVAL. */
PMEMFILE_API void *pmemfile_mremap(PMEMfilepool *pool, void *old_address, size_t old_length, size_t new_length,
                                   int flags, ...);
PMEMFILE_API int pmemfile_mprotect(PMEMfilepool *pool, void *address, size_t length, int protection);
PMEMFILE_API int pmemfile_msync(PMEMfilepool *pool, void *address, size_t length, int flags);
/* MADV_HWPOISON, MADV_SOFT_OFFLINE: EPERM. */
PMEMFILE_API int pmemfile_madvise(PMEMfilepool *pool, void *address, size_t length, int advice);
/* For a program's handler of SIGBUS, which gives si_addr: 1 when another process has let the file grow over that page
 * and it is there now, so that the instruction may be tried again; 0 when the fault is a real one. Not while the
 * same thread is in a call of this library (one that reads its arguments from a mapping). */
PMEMFILE_API int pmemfile_mapping_fault(const void *address);

PMEMFILE_API int pmemfile_link(PMEMfilepool *pool, const char *from, const char *to);
/* AT_EMPTY_PATH and an empty `from`: the file `from_dir` itself, also one of O_TMPFILE that has no name yet. */
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

/* Flags of the *at calls are those of Linux 6.6: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH (an empty path: `dir` itself, which
 * may be any file, also one of O_PATH, or the working directory), AT_EACCESS of faccessat, AT_NO_AUTOMOUNT and
 * AT_STATX_* of fstatat (nothing to do). */
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
                                    const pmemfile_timespec_t *times, int flags);
PMEMFILE_API int pmemfile_futimens(PMEMfilepool *pool, PMEMfile *file, const pmemfile_timespec_t *times);
PMEMFILE_API int pmemfile_utimes(PMEMfilepool *pool, const char *path, const pmemfile_timeval_t *times);
PMEMFILE_API int pmemfile_utime(PMEMfilepool *pool, const char *path, const pmemfile_utimbuf_t *times);
PMEMFILE_API int pmemfile_futimes(PMEMfilepool *pool, PMEMfile *file, const pmemfile_timeval_t *times);
PMEMFILE_API int pmemfile_lutimes(PMEMfilepool *pool, const char *path, const pmemfile_timeval_t *times);
PMEMFILE_API int pmemfile_futimesat(PMEMfilepool *pool, PMEMfile *dir, const char *path,
                                    const pmemfile_timeval_t *times);

/* Extended attributes (xattr(7)), not in the old interface: user.*, trusted.*, security.*, and the access control
 * lists system.posix_acl_access and system.posix_acl_default, which permission checks follow. Names up to
 * 255 bytes, values up to 64 KiB (E2BIG), in all 160 KiB a file (ENOSPC). `flags`: XATTR_CREATE, XATTR_REPLACE
 * of sys/xattr.h. */
PMEMFILE_API int pmemfile_setxattr(PMEMfilepool *pool, const char *path, const char *name, const void *value,
                                   size_t size, int flags);
PMEMFILE_API int pmemfile_lsetxattr(PMEMfilepool *pool, const char *path, const char *name, const void *value,
                                    size_t size, int flags);
PMEMFILE_API int pmemfile_fsetxattr(PMEMfilepool *pool, PMEMfile *file, const char *name, const void *value,
                                    size_t size, int flags);
PMEMFILE_API pmemfile_ssize_t pmemfile_getxattr(PMEMfilepool *pool, const char *path, const char *name, void *value,
                                                size_t size);
PMEMFILE_API pmemfile_ssize_t pmemfile_lgetxattr(PMEMfilepool *pool, const char *path, const char *name, void *value,
                                                 size_t size);
PMEMFILE_API pmemfile_ssize_t pmemfile_fgetxattr(PMEMfilepool *pool, PMEMfile *file, const char *name, void *value,
                                                 size_t size);
PMEMFILE_API pmemfile_ssize_t pmemfile_listxattr(PMEMfilepool *pool, const char *path, char *list, size_t size);
PMEMFILE_API pmemfile_ssize_t pmemfile_llistxattr(PMEMfilepool *pool, const char *path, char *list, size_t size);
PMEMFILE_API pmemfile_ssize_t pmemfile_flistxattr(PMEMfilepool *pool, PMEMfile *file, char *list, size_t size);
PMEMFILE_API int pmemfile_removexattr(PMEMfilepool *pool, const char *path, const char *name);
PMEMFILE_API int pmemfile_lremovexattr(PMEMfilepool *pool, const char *path, const char *name);
PMEMFILE_API int pmemfile_fremovexattr(PMEMfilepool *pool, PMEMfile *file, const char *name);

/* Of the pool, not of the process. */
PMEMFILE_API pmemfile_mode_t pmemfile_umask(PMEMfilepool *pool, pmemfile_mode_t mask);
PMEMFILE_API int pmemfile_chdir(PMEMfilepool *pool, const char *path);
PMEMFILE_API int pmemfile_fchdir(PMEMfilepool *pool, PMEMfile *dir);
PMEMFILE_API char *pmemfile_getcwd(PMEMfilepool *pool, char *buffer, size_t size);
/* The path of directory `dir` in the pool, as getcwd(3) gives it. ENOENT when it was removed. */
PMEMFILE_API char *pmemfile_get_dir_path(PMEMfilepool *pool, PMEMfile *dir, char *buffer, size_t size);

/* Opens (O_PATH) the directory that holds the last component of `path`, which begins at `at`, and leaves in
 * `path` (a buffer of `path_size` bytes) what is to be looked up in it: one component, with
 * a slash behind it if there was one; "." for a path that names a directory by itself ("/", "..").
 * Errors of open(2); ENAMETOOLONG when `path_size` is too small for what is left. */
#define PMEMFILE_OPEN_PARENT_STOP_AT_ROOT 1       /* "..", at the root and beyond, stays in `path` */
#define PMEMFILE_OPEN_PARENT_SYMLINK_FOLLOW 2     /* a symbolic link as last component is followed */
#define PMEMFILE_OPEN_PARENT_USE_FACCESS (0 << 2) /* search permission by fsuid, */
#define PMEMFILE_OPEN_PARENT_USE_EACCESS (1 << 2) /* euid */
#define PMEMFILE_OPEN_PARENT_USE_RACCESS (2 << 2) /* or real uid */
#define PMEMFILE_OPEN_PARENT_ACCESS_MASK (3 << 2)
PMEMFILE_API PMEMfile *pmemfile_open_parent(PMEMfilepool *pool, PMEMfile *at, char *path, size_t path_size, int flags);

/* Whom the pool's calls act for; at first the process's own ids. Files are made by and checked against
 * the fsuid and fsgid, which follow euid and egid. Setting an euid of 0 gives root's capabilities, any
 * other takes them all; setcap and clrcap give and take single ones (EINVAL for others).
 * setgroups: at most 64 (EINVAL). Nobody is refused: these are the program's own words. */
#define PMEMFILE_CAP_CHOWN 0
#define PMEMFILE_CAP_FOWNER 3
#define PMEMFILE_CAP_FSETID 4
PMEMFILE_API int pmemfile_setcap(PMEMfilepool *pool, int capability);
PMEMFILE_API int pmemfile_clrcap(PMEMfilepool *pool, int capability);
PMEMFILE_API int pmemfile_setreuid(PMEMfilepool *pool, pmemfile_uid_t ruid, pmemfile_uid_t euid);
PMEMFILE_API int pmemfile_setregid(PMEMfilepool *pool, pmemfile_gid_t rgid, pmemfile_gid_t egid);
PMEMFILE_API int pmemfile_setuid(PMEMfilepool *pool, pmemfile_uid_t uid);
PMEMFILE_API int pmemfile_setgid(PMEMfilepool *pool, pmemfile_gid_t gid);
PMEMFILE_API int pmemfile_seteuid(PMEMfilepool *pool, pmemfile_uid_t uid);
PMEMFILE_API int pmemfile_setegid(PMEMfilepool *pool, pmemfile_gid_t gid);
/* Return the former id, also when nothing was changed. */
PMEMFILE_API int pmemfile_setfsuid(PMEMfilepool *pool, pmemfile_uid_t uid);
PMEMFILE_API int pmemfile_setfsgid(PMEMfilepool *pool, pmemfile_gid_t gid);
PMEMFILE_API pmemfile_uid_t pmemfile_getuid(PMEMfilepool *pool);
PMEMFILE_API pmemfile_gid_t pmemfile_getgid(PMEMfilepool *pool);
PMEMFILE_API pmemfile_uid_t pmemfile_geteuid(PMEMfilepool *pool);
PMEMFILE_API pmemfile_gid_t pmemfile_getegid(PMEMfilepool *pool);
PMEMFILE_API int pmemfile_getgroups(PMEMfilepool *pool, int size, pmemfile_gid_t list[]);
PMEMFILE_API int pmemfile_setgroups(PMEMfilepool *pool, size_t count, const pmemfile_gid_t *groups);

#ifdef __cplusplus
}
#endif
#endif
