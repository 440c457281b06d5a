// served_calls: the handlers that the table names, one for each served call.
//
// Each takes the arguments of the call of its name and gives the kernel's
// result (calls/handler.h). They are called only for files of ours or calls that
// must be looked at whoever they concern; any thread.
#pragma once

#include "posix-shim/calls/handler.h"

namespace shim {

long serve_access(Request &request);
long serve_bind(Request &request);
long serve_chdir(Request &request);
long serve_chmod(Request &request);
long serve_chown(Request &request);
long serve_chroot(Request &request);
long serve_close(Request &request);
long serve_close_range(Request &request);
long serve_unshare(Request &request);
long serve_connect(Request &request);
long serve_copy_file_range(Request &request);
long serve_creat(Request &request);
long serve_dup(Request &request);
long serve_dup2(Request &request);
long serve_dup3(Request &request);
long serve_durable(Request &request);
long serve_epoll_ctl(Request &request);
long serve_faccessat(Request &request);
long serve_faccessat2(Request &request);
long serve_fadvise64(Request &request);
long serve_fallocate(Request &request);
long serve_fchdir(Request &request);
long serve_fchmod(Request &request);
long serve_fchmodat(Request &request);
long serve_fchmodat2(Request &request);
long serve_fchown(Request &request);
long serve_fchownat(Request &request);
long serve_fcntl(Request &request);
long serve_fgetxattr(Request &request);
long serve_flistxattr(Request &request);
long serve_flock(Request &request);
long serve_fremovexattr(Request &request);
long serve_fsetxattr(Request &request);
long serve_fstat(Request &request);
long serve_fstatfs(Request &request);
long serve_ftruncate(Request &request);
long serve_futimesat(Request &request);
long serve_getcwd(Request &request);
long serve_getdents(Request &request);
long serve_getdents64(Request &request);
long serve_getxattr(Request &request);
long serve_getxattrat(Request &request);
long serve_inotify_add_watch(Request &request);
long serve_io_submit(Request &request);
long serve_io_uring_setup(Request &request);
long serve_ioctl(Request &request);
long serve_lchown(Request &request);
long serve_lgetxattr(Request &request);
__attribute__((weak)) long serve_limit(Request &request);
long serve_link(Request &request);
long serve_linkat(Request &request);
long serve_listxattr(Request &request);
long serve_listxattrat(Request &request);
long serve_llistxattr(Request &request);
long serve_lremovexattr(Request &request);
long serve_lseek(Request &request);
long serve_lsetxattr(Request &request);
long serve_lstat(Request &request);
long serve_mkdir(Request &request);
long serve_mkdirat(Request &request);
long serve_mknod(Request &request);
long serve_mknodat(Request &request);
long serve_newfstatat(Request &request);
long serve_open(Request &request);
long serve_openat(Request &request);
long serve_openat2(Request &request);
long serve_peer_address(Request &request);
long serve_pread64(Request &request);
long serve_preadv(Request &request);
long serve_preadv2(Request &request);
long serve_pwrite64(Request &request);
long serve_pwritev(Request &request);
long serve_pwritev2(Request &request);
long serve_read(Request &request);
long serve_readahead(Request &request);
long serve_readlink(Request &request);
long serve_readlinkat(Request &request);
long serve_readv(Request &request);
long serve_recvmmsg(Request &request);
long serve_recvmsg(Request &request);
long serve_removexattr(Request &request);
long serve_removexattrat(Request &request);
long serve_rename(Request &request);
long serve_renameat(Request &request);
long serve_renameat2(Request &request);
long serve_rmdir(Request &request);
long serve_sendfile(Request &request);
long serve_sendmmsg(Request &request);
long serve_sendmsg(Request &request);
long serve_sendto(Request &request);
long serve_setxattr(Request &request);
long serve_setxattrat(Request &request);
long serve_socket_name(Request &request);
long serve_splice(Request &request);
long serve_stat(Request &request);
long serve_statfs(Request &request);
long serve_statx(Request &request);
long serve_symlink(Request &request);
long serve_symlinkat(Request &request);
long serve_sync_file_range(Request &request);
long serve_tee(Request &request);
long serve_truncate(Request &request);
long serve_unlink(Request &request);
long serve_unlinkat(Request &request);
long serve_utime(Request &request);
long serve_utimensat(Request &request);
long serve_utimes(Request &request);
long serve_vmsplice(Request &request);
long serve_write(Request &request);
long serve_writev(Request &request);

// Of the process half (process/, mapping/, signals/). Weak: where one is missing the
// call gets the generic treatment of its row.
__attribute__((weak)) long serve_mmap(Request &request);
__attribute__((weak)) long serve_munmap(Request &request);
__attribute__((weak)) long serve_mprotect(Request &request);
__attribute__((weak)) long serve_remap_file_pages(Request &request);
__attribute__((weak)) long serve_mremap(Request &request);
__attribute__((weak)) long serve_msync(Request &request);
__attribute__((weak)) long serve_madvise(Request &request);
__attribute__((weak)) long serve_fork(Request &request);
__attribute__((weak)) long serve_vfork(Request &request);
__attribute__((weak)) long serve_clone(Request &request);
__attribute__((weak)) long serve_clone3(Request &request);
__attribute__((weak)) long serve_execve(Request &request);
__attribute__((weak)) long serve_execveat(Request &request);
__attribute__((weak)) long serve_exit(Request &request);
__attribute__((weak)) long serve_exit_group(Request &request);
__attribute__((weak)) long serve_rt_sigaction(Request &request);
__attribute__((weak)) long serve_credentials(Request &request);
__attribute__((weak)) long serve_umask(Request &request);

} // namespace shim
