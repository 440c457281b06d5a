// What a file is: stat, modes, owners, times, extended attributes.
#include "tests/shim_processes/random/drawn.h"
#include "tests/shim_processes/random/kinds.h"

#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

namespace random_calls {
namespace {

void tell_stat(const struct stat &status) {
    told("mode", status.st_mode);
    told("uid", status.st_uid);
    told("gid", status.st_gid);
    if (S_ISDIR(status.st_mode))
        return;
    told("links", static_cast<long>(status.st_nlink));
    told("size", status.st_size);
}

} // namespace

std::vector<Kind> attribute_kinds() {
    const auto stated = [](long result, const struct stat &status) {
        if (result == 0)
            tell_stat(status);
        return result;
    };
    return {
        {"stat",
         [=] {
             struct stat s;
             auto *p = path();
             return stated(call(SYS_stat, p, &s), s);
         },
         2},
        {"lstat",
         [=] {
             struct stat s;
             auto *p = path();
             return stated(call(SYS_lstat, p, &s), s);
         }},
        {"fstat",
         [=] {
             struct stat s;
             return stated(call(SYS_fstat, descriptor(), &s), s);
         },
         2},
        {"fstatat",
         [=] {
             struct stat s;
             int d = directory();
             auto *p = path();
             return stated(
                 call(SYS_newfstatat, d, p, &s, bits({AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT, 1}, 4)), s);
         },
         2},
        {"statx",
         [] {
             struct statx s;
             int d = directory();
             auto *p = path();
             long f = bits({AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_STATX_DONT_SYNC, AT_STATX_FORCE_SYNC, 1}, 4);
             long r = call(SYS_statx, d, p, f, STATX_BASIC_STATS, &s);
             if (r == 0)
                 told("mode", s.stx_mode), told("links", S_ISDIR(s.stx_mode) ? 0 : s.stx_nlink);
             return r;
         },
         2},
        {"access",
         [] {
             auto *p = path();
             return call(SYS_access, p, told("mode", one_of({0, 1, 2, 4, 7, 8, -1})));
         }},
        {"faccessat2",
         [] {
             int d = directory();
             auto *p = path();
             long m = told("mode", one_of({0, 1, 2, 4, 7, 8}));
             return call(SYS_faccessat2, d, p, m, bits({AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 1}, 4));
         }},
        {"chmod",
         [] {
             auto *p = path();
             return call(SYS_chmod, p, mode());
         }},
        {"fchmod",
         [] {
             int f = descriptor();
             return call(SYS_fchmod, f, mode());
         }},
        {"fchmodat2",
         [] {
             int d = directory();
             auto *p = path();
             long m = mode();
             return call(fchmodat2_number, d, p, m, bits({AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 1}, 4));
         }},
        {"chown",
         [] {
             auto *p = path();
             return call(one_of({SYS_chown, SYS_lchown}), p, told("uid", one_of({-1, 0, 5})),
                         told("gid", one_of({-1, 0, 7})));
         }},
        {"fchown",
         [] {
             int f = descriptor();
             return call(SYS_fchown, f, told("uid", one_of({-1, 0, 5})), told("gid", one_of({-1, 0, 7})));
         }},
        {"fchownat",
         [] {
             int d = directory();
             auto *p = path();
             long u = told("uid", one_of({-1, 0, 5}));
             return call(SYS_fchownat, d, p, u, -1, bits({AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 1}, 4));
         }},
        {"utimensat",
         [] {
             int d = directory();
             auto *p = path();
             struct timespec t[2] = {{1000, one_of<long>({5, UTIME_NOW, UTIME_OMIT, -1, 1000000000})},
                                     {told("mtime", 2000), one_of<long>({6, UTIME_NOW, UTIME_OMIT})}};
             told("atime", t[0].tv_nsec);
             told("mtime", t[1].tv_nsec);
             return call(SYS_utimensat, d, p, draw(4) == 0 ? nullptr : t,
                         bits({AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 1}, 4));
         },
         2},
        {"setxattr",
         [] {
             auto *p = path();
             const char *n = one_of(
                 {"user.a", "user.b", "trusted.c", "user.", "nonsense", "", "security.d", "system.posix_acl_access"});
             tell(n);
             size_t s = length() % 1000;
             return call(one_of({SYS_setxattr, SYS_lsetxattr}), p, n, buffer, s,
                         bits({XATTR_CREATE, XATTR_REPLACE, 4}, 4));
         },
         2},
        {"fsetxattr",
         [] {
             int f = descriptor();
             const char *n = one_of({"user.a", "user.b"});
             tell(n);
             size_t s = length() % 1000;
             return call(SYS_fsetxattr, f, n, buffer, s, bits({XATTR_CREATE, XATTR_REPLACE}, 4));
         }},
        {"getxattr",
         [] {
             auto *p = path();
             const char *n = one_of({"user.a", "user.b", "trusted.c", "user.", "nonsense", ""});
             tell(n);
             return call(one_of({SYS_getxattr, SYS_lgetxattr}), p, n, buffer, length());
         },
         2},
        {"fgetxattr",
         [] {
             int f = descriptor();
             return call(SYS_fgetxattr, f, one_of({"user.a", "user.b"}), buffer, length());
         }},
        {"removexattr",
         [] {
             auto *p = path();
             const char *n = one_of({"user.a", "user.b", "trusted.c", ""});
             tell(n);
             return call(one_of({SYS_removexattr, SYS_lremovexattr}), p, n);
         }},
        {"statfs",
         [] {
             struct statfs s;
             auto *p = path();
             return call(SYS_statfs, p, &s);
         }},
        {"fstatfs",
         [] {
             struct statfs s;
             return call(SYS_fstatfs, descriptor(), &s);
         }},
        {"utime",
         [] {
             long t[4] = {5, one_of<long>({7, 1000000, -1}), 9, 10};
             told("time", t[1]);
             void *m = one_of<void *>({t, nullptr, reinterpret_cast<void *>(8)});
             tell(m == t ? "given" : "not");
             auto *p = path();
             return call(one_of({SYS_utime, SYS_utimes}), p, m);
         }},
        {"futimesat",
         [] {
             long t[4] = {5, one_of<long>({7, 1000000, -1}), 9, 10};
             told("time", t[1]);
             int d = directory();
             auto *p = path();
             return call(SYS_futimesat, d, p, t);
         }},
        {"umask",
         [] {
             return call(SYS_umask, told("mask", one_of({0, 022, 077})));
         }},
        {"watch",
         [] {
             int w = inotify_init1(IN_NONBLOCK);
             auto *p = path();
             long r = call(SYS_inotify_add_watch, w, p,
                           bits({IN_MODIFY, IN_CREATE, IN_ONLYDIR, IN_DONT_FOLLOW, IN_EXCL_UNLINK, IN_MASK_CREATE}));
             close(w);
             return r > 0 ? 1L : r;
         }},
        {"fionread",
         [] {
             int n = 0;
             long r = call(SYS_ioctl, descriptor(), 0x541B, &n);
             if (r == 0)
                 told("left", n);
             return r;
         }},
        {"ioctl",
         [] {
             int f = descriptor();
             return call(SYS_ioctl, f, told("request", one_of({0x5450, 0x5451, 0x5401, 0x1234, 0x5460})), buffer);
         }},
    };
}

} // namespace random_calls
