// Bytes: read, written, moved, mapped.
#include "tests/shim_processes/random/drawn.h"
#include "tests/shim_processes/random/kinds.h"

#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

namespace random_calls {

namespace {

bool is_one_file(int a, int b) {
    struct stat one, other;
    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

} // namespace

std::vector<Kind> data_kinds() {
    return {
        {"read",
         [] {
             int f = descriptor();
             void *m = memory();
             long r = call(SYS_read, f, m, length());
             if (r > 0)
                 told("hash", static_cast<long>(hash(buffer, static_cast<size_t>(r))));
             return r;
         },
         3},
        {"pread",
         [] {
             int f = descriptor();
             void *m = memory();
             size_t n = length();
             long r = call(SYS_pread64, f, m, n, offset());
             if (r > 0)
                 told("hash", static_cast<long>(hash(buffer, static_cast<size_t>(r))));
             return r;
         },
         3},
        {"preadv2",
         [] {
             int f = descriptor();
             struct iovec v[2] = {{buffer, length()}, {buffer + 200000, length()}};
             long o = offset(), g = bits({RWF_HIPRI, RWF_DSYNC, RWF_APPEND, 0x1000}, 5);
             return call(SYS_preadv2, f, v, one_of({2, 1, 0, -1, 1025}), o, 0, g);
         }},
        {"write",
         [] {
             int f = descriptor();
             fill();
             return call(SYS_write, f, buffer, length());
         },
         3},
        {"pwrite",
         [] {
             int f = descriptor();
             fill();
             size_t n = length();
             return call(SYS_pwrite64, f, buffer, n, small_offset());
         },
         3},
        {"pwritev2",
         [] {
             int f = descriptor();
             fill();
             struct iovec v[2] = {{buffer, length()}, {buffer, length()}};
             long o = small_offset(), g = bits({RWF_DSYNC, RWF_SYNC, RWF_APPEND, 0x1000}, 5);
             return call(SYS_pwritev2, f, v, 2, o, 0, g);
         }},
        {"lseek",
         [] {
             int f = descriptor();
             long o = is_directory(f) ? 0 : offset();
             long r = call(SYS_lseek, f, o, told("whence", one_of({0, 0, 1, 2, 9, -1})));
             return r > 0 && is_directory(f) ? 0L : r;
         },
         2},
        {"truncate",
         [] {
             auto *p = path();
             return call(SYS_truncate, p, small_offset() - static_cast<long>(draw(9) == 0 ? told("less", 1 << 20) : 0));
         }},
        {"ftruncate",
         [] {
             int f = descriptor();
             return call(SYS_ftruncate, f,
                         small_offset() - static_cast<long>(draw(9) == 0 ? told("less", 1 << 20) : 0));
         },
         2},
        {"fallocate",
         [] {
             int f = descriptor();
             long m = told("mode", one_of({0, 1, 2, 3, 0x10, 0x11, 0x20, 4, 0x100}));
             if (m > 3)
                 m = 3;
             long o = small_offset();
             return call(SYS_fallocate, f, m, o,
                         small_offset() - static_cast<long>(draw(9) == 0 ? told("less", 1 << 20) : 0));
         }},
        {"fsync",
         [] {
             int f = descriptor();
             return call(one_of({SYS_fsync, SYS_fdatasync, SYS_syncfs}), f);
         }},
        {"sync_file_range",
         [] {
             int f = descriptor();
             long o = offset(), n = offset();
             return call(SYS_sync_file_range, f, o, n, bits({1, 2, 4, 8}, 4));
         }},
        {"fadvise",
         [] {
             int f = descriptor();
             long o = offset(), n = offset();
             return call(SYS_fadvise64, f, o, n, told("advice", static_cast<long>(draw(8))));
         }},
        {"readahead",
         [] {
             int f = descriptor();
             long o = offset();
             return call(SYS_readahead, f, o, length());
         }},
        {"sendfile",
         [] {
             int a = descriptor(), b = descriptor();
             off_t o = small_offset();
             bool has = draw(2) == 0;
             tell(has ? "with" : "without");
             if (is_one_file(a, b) && (a != b || has)) // it reads what it writes: what that gives, nobody says
                 return 0L;
             return call(SYS_sendfile, a, b, has ? &o : nullptr, length());
         }},
        {"copy_file_range",
         [] {
             int a = descriptor(), b = descriptor();
             loff_t x = small_offset(), y = small_offset();
             bool has = draw(2) == 0;
             tell(has ? "with" : "without");
             size_t n = length();
             return call(SYS_copy_file_range, a, has ? &x : nullptr, b, has ? &y : nullptr, n, bits({1}, 9));
         },
         2},
        {"mmap",
         [] {
             int f = descriptor();
             size_t n = length();
             long protection = told("protection", one_of({PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE, PROT_WRITE}));
             long flags =
                 told("flags", one_of({MAP_SHARED, MAP_PRIVATE, MAP_SHARED | MAP_POPULATE, MAP_SHARED_VALIDATE, 0}));
             long at =
                 call(SYS_mmap, nullptr, n, protection, flags, f, told("offset", one_of({0, 0, 4096, 100, 65536})));
             if (at == -1)
                 return at;
             told("unmapped", munmap(reinterpret_cast<void *>(at), n));
             return 0L;
         },
         2},
        {"poll",
         [] {
             struct pollfd p = {descriptor(), static_cast<short>(bits({POLLIN, POLLOUT, POLLPRI})), 0};
             if ((fcntl(p.fd, F_GETFL) & O_PATH) != 0)
                 return 0L;
             long r = call(SYS_poll, &p, 1, 0);
             told("revents", p.revents);
             return r;
         }},
    };
}

} // namespace random_calls
