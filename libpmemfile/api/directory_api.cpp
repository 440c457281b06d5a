// Directories: the working directory, paths of directories, their entries, and the parent of a path.
#include "base/page_array.h"
#include "libpmemfile/api/pool_object.h"
#include "libpmemfile/fs/namespace_calls.h"
#include "libpmemfile/fs/walk.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <sys/stat.h>
#include <utility>

using namespace pmemfile;

namespace {

// The path of `directory` in `buffer`, or in memory that the caller frees, as getcwd(3).
char *give_path(PMEMfilepool *pool, InodeNumber directory, char *buffer, size_t size) {
    if (buffer != nullptr && size == 0) {
        errno = EINVAL;
        return nullptr;
    }
    char text[path_max_bytes];
    const long length =
        api::serve(pool, [&](Thread &thread) { return directory_path(thread, directory, text, sizeof(text)); });
    if (length < 0)
        return nullptr;
    const size_t needed = static_cast<size_t>(length) + 1;
    if (size != 0 && size < needed) {
        errno = ERANGE;
        return nullptr;
    }
    if (buffer == nullptr)
        buffer = static_cast<char *>(malloc(size != 0 ? size : needed));
    if (buffer != nullptr)
        std::memcpy(buffer, text, needed);
    return buffer;
}

// One entry of getdents(2): the type is the last byte of the record.
struct OldEntry {
    unsigned long inode;
    unsigned long offset;
    unsigned short record_bytes;
    __extension__ char name[];
};

unsigned short old_entry_bytes(size_t name_length) {
    return static_cast<unsigned short>((offsetof(OldEntry, name) + name_length + 2 + 7) & ~size_t{7});
}

struct SplitPath {
    std::string_view parent, rest;
};

// Splits off the last component (with the slashes behind it). "." stands for none.
SplitPath split_path(std::string_view path) {
    const size_t end = path.find_last_not_of('/');
    if (end == path.npos)
        return {path.empty() ? "" : "/", "."};
    const size_t slash = path.substr(0, end).rfind('/');
    const size_t begin = slash == path.npos ? 0 : slash + 1;
    return {begin == 0 ? "." : path.substr(0, begin), path.substr(begin)};
}

// Calls of the thread go by `who` while it lives.
class CredentialsInPlace {
public:
    CredentialsInPlace(Thread &thread, const Credentials &who) : thread_(thread), former_(thread.credentials) {
        thread.credentials = &who;
    }
    ~CredentialsInPlace() {
        thread_.credentials = former_;
    }
    CredentialsInPlace(const CredentialsInPlace &) = delete;
    CredentialsInPlace &operator=(const CredentialsInPlace &) = delete;

private:
    Thread &thread_;
    const Credentials *former_;
};

struct Parent {
    InodeHandle directory;
    char rest[path_max_bytes]; // to be looked up in it

    // `above`, a slash if it needs one, `last`. ENAMETOOLONG.
    base::Status leave(std::string_view above, std::string_view last) {
        const std::string_view slash = above.empty() || above.ends_with('/') ? "" : "/";
        if (above.size() + slash.size() + last.size() >= sizeof(rest))
            return base::error(ENAMETOOLONG);
        char *end = rest;
        for (const std::string_view part : {above, slash, last})
            end = std::copy(part.begin(), part.end(), end);
        *end = 0;
        return {};
    }
};

// The directory of `path`'s last component; behind a link in its place when `follows_last`.
base::Status find_parent(PMEMfilepool *pool, Thread &thread, PMEMfile *at, const char *path, unsigned walk_flags,
                         bool follows_last, Parent &parent) {
    char target[path_max_bytes];
    std::string_view whole = path;
    BASE_TRY_ASSIGN(At start, api::at_of(pool, at, path));
    for (unsigned links = 0;; ++links) {
        const auto [directory, last] = split_path(whole);
        auto found = walk(thread, start.start, directory, walk_flags);
        if (!found.ok() && found.error().number() == path_escapes) {
            // It went above the root: that part stays, and is looked up from there.
            BASE_TRY(parent.leave({thread.escape_path, thread.escape_length}, last));
            BASE_TRY_ASSIGN(WalkResult root, walk(thread, pool->pool.superblock().root_inode, "/", 0));
            parent.directory = root.handle();
            return {};
        }
        if (!found.ok())
            return found.error();
        parent.directory = found->handle();
        BASE_TRY(parent.leave("", last));
        if (!follows_last)
            return {};
        auto named = walk(thread, parent.directory.number, last.substr(0, last.find('/')), 0);
        if (!named.ok() || named->type != DT_LNK)
            return {}; // a missing one is the caller's affair
        if (links == 40)
            return base::error(ELOOP);
        BASE_TRY_ASSIGN(size_t length, fs_readlink(thread, named->handle(), target, sizeof(target)));
        whole = {target, length};
        start.start = whole.starts_with('/') ? pool->pool.superblock().root_inode : parent.directory.number;
    }
}

} // namespace

int pmemfile_fchdir(PMEMfilepool *pool, PMEMfile *dir) {
    return static_cast<int>(api::serve(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, dir->inode));
        if (!S_ISDIR(attributes.mode))
            return base::error(ENOTDIR);
        BASE_TRY(fs_access(thread, dir->inode, X_OK, false));
        BASE_TRY_ASSIGN(api::NewFile fresh, api::new_file());
        BASE_TRY_ASSIGN(OpenFileId holder, fs_open_inode(thread, dir->inode, O_PATH | O_DIRECTORY));
        PMEMfile *file = api::add_file(pool, std::move(fresh), holder, dir->inode);
        PMEMfile *former = nullptr;
        {
            const api::MutexGuard lock(pool->mutex);
            former = std::exchange(pool->directory_holder, file);
            pool->directory = dir->inode;
        }
        if (former != nullptr)
            pmemfile_close(pool, former);
        return {};
    }));
}

int pmemfile_chdir(PMEMfilepool *pool, const char *path) {
    PMEMfile *dir = pmemfile_open(pool, path, O_PATH | O_DIRECTORY);
    if (dir == nullptr)
        return -1;
    const int result = pmemfile_fchdir(pool, dir);
    const int number = errno;
    pmemfile_close(pool, dir);
    errno = number;
    return result;
}

char *pmemfile_getcwd(PMEMfilepool *pool, char *buffer, size_t size) {
    InodeNumber directory = 0;
    {
        const api::MutexGuard lock(pool->mutex);
        directory = pool->directory;
    }
    return give_path(pool, directory, buffer, size);
}

char *pmemfile_get_dir_path(PMEMfilepool *pool, PMEMfile *dir, char *buffer, size_t size) {
    if (dir == PMEMFILE_AT_CWD)
        return pmemfile_getcwd(pool, buffer, size);
    return give_path(pool, dir->inode, buffer, size);
}

int pmemfile_getdents64(PMEMfilepool *pool, PMEMfile *dir, struct dirent64 *buffer, unsigned size) {
    return static_cast<int>(
        api::serve(pool, [&](Thread &thread) { return fs_getdents64(thread, dir->id, buffer, size); }));
}

// An entry of the old form is never larger than the new one: what fits there fits here.
int pmemfile_getdents(PMEMfilepool *pool, PMEMfile *dir, struct linux_dirent *buffer, unsigned size) {
    size = std::min(size, 65536u);
    const std::unique_ptr<std::byte[]> entries(new (std::nothrow) std::byte[size]);
    if (entries == nullptr)
        return api::fail(ENOMEM);
    const int filled = pmemfile_getdents64(pool, dir, reinterpret_cast<struct dirent64 *>(entries.get()), size);
    auto *out = reinterpret_cast<std::byte *>(buffer);
    for (int at = 0; at < filled;) {
        const auto &entry = *reinterpret_cast<const struct dirent64 *>(entries.get() + at);
        const size_t length = std::strlen(entry.d_name);
        const unsigned short bytes = old_entry_bytes(length);
        auto &old = *reinterpret_cast<OldEntry *>(out);
        old.inode = entry.d_ino;
        old.offset = static_cast<unsigned long>(entry.d_off);
        old.record_bytes = bytes;
        std::memset(old.name, 0, bytes - offsetof(OldEntry, name));
        std::memcpy(old.name, entry.d_name, length);
        out[bytes - 1] = static_cast<std::byte>(entry.d_type);
        out += bytes;
        at += entry.d_reclen;
    }
    return filled <= 0 ? filled : static_cast<int>(out - reinterpret_cast<std::byte *>(buffer));
}

PMEMfile *pmemfile_open_parent(PMEMfilepool *pool, PMEMfile *at, char *path, size_t path_size, int flags) {
    constexpr int known =
        PMEMFILE_OPEN_PARENT_STOP_AT_ROOT | PMEMFILE_OPEN_PARENT_SYMLINK_FOLLOW | PMEMFILE_OPEN_PARENT_ACCESS_MASK;
    const int whose = flags & PMEMFILE_OPEN_PARENT_ACCESS_MASK;
    if (path == nullptr || (flags & ~known) != 0 || whose == PMEMFILE_OPEN_PARENT_ACCESS_MASK) {
        errno = path == nullptr ? EFAULT : EINVAL;
        return nullptr;
    }
    PMEMfile *directory = nullptr;
    Parent parent;
    api::serve(pool, [&](Thread &thread) -> base::Status {
        Credentials who = pool->credentials;
        if (whose == PMEMFILE_OPEN_PARENT_USE_EACCESS)
            who.fsuid = who.euid;
        const CredentialsInPlace in_place(thread, who);
        unsigned walk_flags = walk_follow_last;
        if (whose == PMEMFILE_OPEN_PARENT_USE_RACCESS)
            walk_flags |= walk_real_ids;
        if ((flags & PMEMFILE_OPEN_PARENT_STOP_AT_ROOT) != 0)
            walk_flags |= walk_may_escape;
        const bool follows = (flags & PMEMFILE_OPEN_PARENT_SYMLINK_FOLLOW) != 0;
        BASE_TRY(find_parent(pool, thread, at, path, walk_flags, follows, parent));
        if (std::strlen(parent.rest) >= path_size)
            return base::error(ENAMETOOLONG);
        BASE_TRY_ASSIGN(api::NewFile fresh, api::new_file());
        BASE_TRY_ASSIGN(OpenFileId id, fs_open_inode(thread, parent.directory, O_PATH | O_DIRECTORY));
        directory = api::add_file(pool, std::move(fresh), id, parent.directory.number);
        return {};
    });
    if (directory != nullptr)
        std::strcpy(path, parent.rest);
    return directory;
}

void pmemfile_stats(PMEMfilepool *pool, struct pmemfile_stats *stats) {
    *stats = {};
    Thread *thread = api::thread_of(pool);
    if (thread == nullptr)
        return;
    struct statfs counts;
    fs_statfs(*thread, &counts);
    stats->blocks = static_cast<unsigned>(counts.f_blocks - counts.f_bfree);
    const Credentials *former = std::exchange(thread->credentials, nullptr); // every directory may be read
    base::PageArray<InodeNumber> directories, others; // an inode that is no directory may have many names
    bool has_room = true;
    for_roots(pool->pool.superblock(), [&](InodeNumber root) { has_room = directories.push(root) && has_room; });
    alignas(struct dirent64) std::byte entries[4096];
    // (A damaged pool may have directories in a circle.)
    for (size_t next = 0; has_room && next < directories.size() && next < counts.f_files; ++next) {
        const auto id = fs_open_inode(*thread, directories[next], O_RDONLY | O_DIRECTORY);
        if (!id.ok())
            continue; // removed meanwhile
        ++stats->dirs;
        for (;;) {
            const auto filled = fs_getdents64(*thread, *id, entries, sizeof(entries));
            if (!filled.ok() || *filled == 0)
                break;
            for (size_t at = 0; at < *filled;) {
                const auto &entry = *reinterpret_cast<const struct dirent64 *>(entries + at);
                const std::string_view name = entry.d_name;
                if (name != "." && name != "..")
                    has_room = (entry.d_type == DT_DIR ? directories : others).push(entry.d_ino) && has_room;
                at += entry.d_reclen;
            }
        }
        fs_close(*thread, *id);
    }
    thread->credentials = former;
    std::sort(others.begin(), others.end());
    stats->inodes = static_cast<unsigned>(
        directories.size() + static_cast<size_t>(std::unique(others.begin(), others.end()) - others.begin()));
    if (!has_room) {
        *stats = {};
        errno = ENOMEM;
    }
}
