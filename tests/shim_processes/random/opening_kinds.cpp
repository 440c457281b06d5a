// Descriptors: what makes, copies and closes them; flags and locks.
#include "tests/shim_processes/random/drawn.h"
#include "tests/shim_processes/random/kinds.h"

#include <climits>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/syscall.h>

namespace random_calls {
namespace {

long open_flags() {
    return bits({O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_SYNC}, 6) |
           one_of<long>({O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR, 3}) | O_NONBLOCK;
}

} // namespace

std::vector<Kind> opening_kinds() {
    return {
        {"open",
         [] {
             auto *p = path();
             long f = open_flags(), m = mode();
             return to_slot(call(SYS_open, p, f, m));
         },
         6},
        {"openat",
         [] {
             int d = directory();
             auto *p = path();
             long f = open_flags(), m = mode();
             return to_slot(call(SYS_openat, d, p, f, m));
         },
         6},
        {"creat",
         [] {
             auto *p = path();
             return to_slot(call(SYS_creat, p, mode()));
         }},
        {"openat2",
         [] {
             int d = directory();
             auto *p = path();
             struct open_how how = {};
             how.flags = static_cast<uint64_t>(open_flags());
             how.mode = (how.flags & (O_CREAT)) != 0 || draw(8) == 0 ? 0644 : 0;
             how.resolve = static_cast<uint64_t>(
                 bits({RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV, 0x100}, 5));
             return to_slot(call(SYS_openat2, d, p, &how, sizeof how));
         },
         3},
        {"tmpfile",
         [] {
             int d = directory();
             auto *p = path();
             long f = bits({O_EXCL, O_RDWR, O_WRONLY, O_APPEND}, 2);
             return to_slot(call(SYS_openat, d, p, f | O_TMPFILE, 0600));
         }},
        {"close", [] { return call(SYS_close, descriptor()); }},
        {"dup", [] { return to_slot(call(SYS_dup, descriptor())); }},
        {"dup2",
         [] {
             int a = descriptor(), b = slot();
             told("to", b);
             return call(SYS_dup2, a, b);
         }},
        {"dup3",
         [] {
             int a = descriptor(), b = slot();
             told("to", b);
             return call(SYS_dup3, a, b, bits({O_CLOEXEC, O_NONBLOCK}));
         }},
        {"getfl", [] { return call(SYS_fcntl, descriptor(), F_GETFL, 0); }},
        {"setfl",
         [] {
             int f = descriptor();
             return call(SYS_fcntl, f, F_SETFL, bits({O_APPEND, O_NONBLOCK, O_NOATIME, O_SYNC, O_RDWR}));
         }},
        {"getfd", [] { return call(SYS_fcntl, descriptor(), F_GETFD, 0); }},
        {"setfd",
         [] {
             int f = descriptor();
             return call(SYS_fcntl, f, F_SETFD, bits({1, 2}));
         }},
        {"dupfd",
         [] {
             int f = descriptor();
             return to_slot(call(SYS_fcntl, f, one_of({F_DUPFD, F_DUPFD_CLOEXEC}), told("from", one_of({0, 30, -1}))));
         }},
        {"lock",
         [] {
             int f = descriptor();
             struct flock lock = {};
             lock.l_type = static_cast<short>(told("type", one_of({F_RDLCK, F_WRLCK, F_UNLCK, 7})));
             lock.l_whence = is_directory(f) ? 0 : static_cast<short>(told("whence", one_of({0, 0, 1, 2, 3})));
             lock.l_start = one_of<long>({0, 10, 100, -10, LONG_MAX});
             lock.l_len = one_of<long>({0, 1, 50, -5, LONG_MAX});
             told("start", lock.l_start), told("len", lock.l_len);
             const int command =
                 static_cast<int>(told("command", one_of({F_SETLK, F_GETLK, F_OFD_SETLK, F_OFD_GETLK})));
             const long result = call(SYS_fcntl, f, command, &lock);
             told("type", lock.l_type), told("start", lock.l_start), told("len", lock.l_len);
             return result;
         },
         2},
        {"flock",
         [] {
             int f = descriptor();
             return call(SYS_flock, f, told("op", one_of({LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN, 0, 99})));
         }},
        {"close_range",
         [] {
             return call(SYS_close_range, told("from", slot()), told("to", first_slot + static_cast<int>(draw(3))),
                         bits({4, 8}, 4));
         }},
    };
}

} // namespace random_calls
