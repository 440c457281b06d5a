// walk: from a path to an inode (path_resolution(7)).
#pragma once

#include "base/result.h"
#include "libpmemfile/names/directory.h"
#include "libpmemfile/runtime/stripe.h"
#include "libpmemfile/runtime/thread.h"

#include <string_view>

namespace pmemfile {

// An errno of our own: the path left the pool (an absolute symlink, or `..`
// above the root, in a pool that is mounted somewhere). What is left of it is in
// Thread::escape_path: absolute, or relative to the directory that holds the
// mount point (then it begins with ".."). Only when WalkFlags allow it.
constexpr int path_escapes = 5000;

enum WalkFlags : unsigned {
    walk_follow_last = 1, // a symlink as last component is followed
    walk_may_escape = 2,  // mounted: see path_escapes; else the root is its own parent and absolute links begin at it
    // The last component may be missing (its parent may not). A symlink with a slash behind it is then
    // not followed for that slash, and a file with one is no error: the calls that use it look themselves.
    walk_create = 4,
    walk_no_symlinks = 8, // openat2 RESOLVE_NO_SYMLINKS: ELOOP
    walk_beneath = 16,    // RESOLVE_BENEATH: EXDEV when it would leave the start
    walk_in_root = 32,    // RESOLVE_IN_ROOT: the start is the root
    walk_real_ids = 64,   // access(2): search permission by real uid and gid
};

// One use of an inode number. Who holds the inode open needs no generation (0);
// else a call that meets another one says ESTALE, and its caller walks again.
struct InodeHandle {
    InodeNumber number = 0;
    uint32_t generation = 0;

    InodeHandle() = default;
    InodeHandle(InodeNumber number_of_open) : number(number_of_open) {}
    InodeHandle(InodeNumber n, uint32_t g) : number(n), generation(g) {}
};

// Where a path leads.
struct WalkResult {
    InodeNumber parent = 0; // directory of the last component
    // Last component, inside `path` or in a scratch buffer of the thread that the next walk uses again;
    // "." or ".." possible; empty: the path was "/" alone.
    std::string_view name;
    InodeNumber inode = 0;        // 0: not there (only with walk_create)
    uint8_t type = 0;             // DT_* of inode
    bool wants_directory = false; // the path ended in a slash
    // Which use of the inode numbers it was: they may have been freed and used again since.
    uint32_t parent_generation = 0;
    uint32_t generation = 0; // 0 when `inode` is 0
    // With walk_create: what the parent said of the name, and when; not known of "." and "..".
    Dentry entry;
    Moment looked_up_at;

    InodeHandle handle() const {
        return {inode, generation};
    }
};

// Walks `path` from directory `start` (an absolute path: from the root). Checks search
// permission on the way. The result was true at some instant; callers that
// change something lock and look again. ENOENT, ENOTDIR, EACCES, ELOOP,
// ENAMETOOLONG, EUCLEAN, path_escapes.
base::Result<WalkResult> walk(Thread &thread, InodeNumber start, std::string_view path, unsigned flags);

// The absolute path of a directory inside the pool ("/" for the root), into `buffer`;
// returns its length without NUL. ENOENT when it was removed, ERANGE.
base::Result<size_t> directory_path(Thread &thread, InodeNumber directory, char *buffer, size_t size_bytes);

} // namespace pmemfile
