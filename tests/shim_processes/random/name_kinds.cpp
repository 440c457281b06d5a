// Names: made, changed, removed, listed.
#include "tests/shim_processes/random/drawn.h"
#include "tests/shim_processes/random/kinds.h"

#include <sys/file.h>
#include <sys/syscall.h>

namespace random_calls {
namespace {

long names_of(int file) {
    lseek(file, 0, SEEK_SET);
    std::vector<std::string> names;
    for (;;) {
        const long got = call(SYS_getdents64, file, buffer, buffer_bytes);
        if (got <= 0) {
            std::sort(names.begin(), names.end());
            for (const std::string &name : names)
                tell(name);
            return got;
        }
        for (long at = 0; at < got;) {
            struct Entry {
                uint64_t inode;
                int64_t next;
                uint16_t size_bytes;
                uint8_t type;
                char name[1];
            };
            const auto *entry = reinterpret_cast<const Entry *>(buffer + at);
            names.push_back(entry->name + std::string(":") + std::to_string(entry->type));
            at += entry->size_bytes;
        }
    }
}

} // namespace

std::vector<Kind> name_kinds() {
    return {
        {"mkdir",
         [] {
             auto *p = path();
             return call(SYS_mkdir, p, mode());
         },
         2},
        {"mkdirat",
         [] {
             int d = directory();
             auto *p = path();
             return call(SYS_mkdirat, d, p, 0755);
         }},
        {"rmdir", [] { return call(SYS_rmdir, path()); }},
        {"unlink", [] { return call(SYS_unlink, path()); }, 2},
        {"unlinkat",
         [] {
             int d = directory();
             auto *p = path();
             return call(SYS_unlinkat, d, p, bits({AT_REMOVEDIR, 1}, 3));
         }},
        {"rename",
         [] {
             auto *a = path(false);
             auto *b = path(false);
             return call(SYS_rename, a, b);
         },
         3},
        {"renameat2",
         [] {
             int d = directory();
             auto *a = path(false);
             int e = directory();
             auto *b = path(false);
             return call(SYS_renameat2, d, a, e, b, bits({1, 2, 8}, 4));
         },
         3},
        {"link",
         [] {
             auto *a = path(false);
             auto *b = path(false);
             return call(SYS_link, a, b);
         }},
        {"linkat",
         [] {
             int d = directory();
             auto *a = path(false);
             int e = directory();
             auto *b = path(false);
             return call(SYS_linkat, d, a, e, b, bits({AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, 1}, 4));
         },
         2},
        {"symlink",
         [] {
             auto *b = path();
             const char *t = one_of({"f", "d", "nothing", "../w/f", "", "n0"});
             tell(t);
             return call(SYS_symlink, t, b);
         },
         2},
        {"symlinkat",
         [] {
             int d = directory();
             auto *b = path();
             return call(SYS_symlinkat, "f", d, b);
         }},
        {"readlink",
         [] {
             auto *p = path();
             long r = call(SYS_readlink, p, buffer, told("room", one_of({0, 1, 3, 100, -1})));
             if (r > 0)
                 tell(std::string(buffer, static_cast<size_t>(r)));
             return r;
         }},
        {"readlinkat",
         [] {
             int d = directory();
             auto *p = path();
             long r = call(SYS_readlinkat, d, p, buffer, 100);
             if (r > 0)
                 tell(std::string(buffer, static_cast<size_t>(r)).substr(0, 1));
             return r;
         }},
        {"mknod",
         [] {
             auto *p = path();
             return call(SYS_mknod, p,
                         told("type", one_of<long>({S_IFREG | 0644, 0600, S_IFDIR, 0777 | S_IFLNK, 0170000})), 0);
         }},
        {"getdents", [] { return names_of(descriptor()); }, 2},
        {"getdents small",
         [] {
             int f = descriptor();
             if (is_directory(f))
                 lseek(f, 0, SEEK_SET);
             return call(SYS_getdents64, f, buffer, told("room", one_of({0, 10, 23})));
         }},
        {"chdir",
         [] {
             auto *p = path();
             return call(SYS_chdir, p);
         }},
        {"fchdir", [] { return call(SYS_fchdir, descriptor()); }},
        {"getcwd",
         [] {
             long r = call(SYS_getcwd, buffer, told("room", one_of({5000, 1, 0})));
             if (r <= 0)
                 return r;
             std::string at = buffer;
             tell(at.starts_with(base) ? at.substr(base.size()) : at);
             return 0L;
         }},
    };
}

} // namespace random_calls
