// companion: the kernel's open file beside an open file of a pool that somebody watches.
//
//   description (mount, id) ──► opened:  the mirror's file, opened as the program opened ours (IN_OPEN then)
//                           └─► found:   the same without an open (O_PATH): ours was open before it was watched
//
// What the program does with its file is done with the companion too, and the kernel tells the watchers: under the
// name the file has now, also after a rename, and IN_CLOSE when the last process that shares the description has
// closed it or was killed. A directory may have two: its name in its parent's mirror, and itself.
//
// The descriptors have high numbers and are protected as the shim's own. Their position is the description's id, so a
// new image after exec finds them again.
#pragma once

#include "posix-shim/descriptors/descriptor_table.h"

namespace shim {

constexpr unsigned max_companions = 128; // files open and watched in a process; those beyond have none
constexpr unsigned companion_parts = 2;

struct Companion {
    std::atomic<uint64_t> key; // descriptor_word of the description; 0: free; 1: being changed
    int open_flags;            // O_ACCMODE of ours
    struct Part {
        int descriptor = -1;
        bool is_found = false; // by O_PATH
        uint64_t device = 0, inode = 0;
    } parts[companion_parts];
};

// True when there may be any. One load.
bool companion_any();
Companion *companion_find(unsigned mount, OpenFileId id);
// Opens `path` (a mirror's file) as a part of the description's companion. `flags`: access mode, O_TRUNC, O_PATH, ...
// In a vfork child nobody remembers it: the program that it executes does. -errno or 0.
long companion_open(ThreadContext &context, unsigned mount, OpenFileId id, const char *path, int flags);
// The part's number is still what we made; another one may have it by now.
bool companion_is_sound(const Companion::Part &part);
// The last descriptor of the description in this process has gone.
void companion_close(unsigned mount, OpenFileId id);

// Before exec: those of descriptors that stay open stay open.
void companion_before_exec();
// After exec: a number of the former image that is one. False: it is none.
bool companion_adopt(ThreadContext &context, unsigned mount, int descriptor);

} // namespace shim
