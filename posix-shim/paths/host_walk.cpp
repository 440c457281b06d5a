// The exact walk over the host:
//
//   resolved: /a/b      (canonical: no symlinks, no dots)
//   rest:     ../c/d    (still to go)
//
// Take a component from the rest; "..": cut resolved; else append it, and if the
// result is a mount point the rest belongs to the pool; if it is a symlink, its
// text goes in front of the rest.
#include "posix-shim/paths/host_walk.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/paths/descriptor_path.h"
#include "posix-shim/paths/proc_path.h"
#include "posix-shim/paths/shadow_path.h"
#include "posix-shim/process/working_directory.h"

#include "base/raw_syscall.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>

namespace shim {

namespace {

constexpr unsigned max_symlinks = 40;
constexpr size_t path_bytes = pmemfile::path_max_bytes;

// The kernel's cwd: changed by chdir only, so it is worth remembering. Even: valid.
std::atomic<uint64_t> cwd_version{1};
std::atomic<uint64_t> cwd_cached_version{0};
std::atomic<uint64_t> cwd_far_version{0};
std::atomic<uint32_t> cwd_lock;
char cwd_cached[path_bytes];
size_t cwd_cached_length;

// `path` has room for a slash, and is no symlink.
bool is_host_directory(char *path, size_t length) {
    if (length + 2 > path_bytes)
        return true;
    path[length] = '/';
    path[length + 1] = 0;
    char byte;
    return base::raw_syscall(SYS_readlinkat, AT_FDCWD, base::as_long(path), base::as_long(&byte), 1) == -EINVAL;
}

int mount_at(std::string_view path) {
    for (unsigned i = 0; i < mount_count; i++)
        if (mounts[i].path() == path)
            return static_cast<int>(i);
    return -1;
}

// Is the canonical path one of the kernel's links to what this process has, and that in a pool? The kernel would follow
// it to a token, or to where its own working directory is.
bool is_link_to_pool(ThreadContext &context, std::string_view path) {
    if (!take_proc_self(path))
        return false;
    if (path == "cwd")
        return working_directory().mount >= 0;
    if (path == "exe")
        return shadowed_program.mount >= 0;
    const long number = take_prefix(path, "fd/") ? take_number(path) : -1;
    if (number < 0 || !path.empty())
        return false;
    const base::Result<DescriptorWord> word = descriptor_lookup(context, number);
    return word.ok() && (is_ours(*word) || is_fifo(*word));
}

} // namespace

base::Result<size_t> host_directory_path(long dirfd, char *buffer, size_t size_bytes) {
    if (static_cast<int>(dirfd) == AT_FDCWD) {
        long length = base::raw_syscall(SYS_getcwd, base::as_long(buffer), static_cast<long>(size_bytes));
        if (base::is_error(length))
            return base::error(static_cast<int>(-length));
        if (buffer[0] != '/')
            return base::error(ENOENT); // "(unreachable)"
        return static_cast<size_t>(length) - 1;
    }
    const DescriptorPath link(dirfd);
    long result = base::raw_syscall(SYS_readlinkat, AT_FDCWD, base::as_long(link.text()), base::as_long(buffer),
                                    static_cast<long>(size_bytes) - 1);
    if (base::is_error(result))
        return base::error(static_cast<int>(-result));
    buffer[result] = 0;
    if (buffer[0] != '/')
        return base::error(ENOTDIR);
    return static_cast<size_t>(result);
}

// Is one of the two, the directory and a mount point, perhaps below the other?
bool is_near_mount(std::string_view directory) {
    for (unsigned i = 0; i < mount_count; i++) {
        const std::string_view mount = mounts[i].path();
        const size_t both = std::min(mount.size(), directory.size());
        if (mount.substr(0, both) == directory.substr(0, both))
            return true;
    }
    return false;
}

bool names_mount_point(std::string_view path) {
    for (unsigned i = 0; i < mount_count; i++) {
        std::string_view name = mounts[i].path();
        name.remove_prefix(name.rfind('/') + 1);
        for (size_t at = path.find(name); at != path.npos; at = path.find(name, at + 1)) {
            const size_t end = at + name.size();
            if ((at == 0 || path[at - 1] == '/') && (end == path.size() || path[end] == '/'))
                return true;
        }
    }
    return false;
}

void host_cwd_changed() {
    cwd_version.fetch_add(1);
}

bool host_cwd_is_far() {
    return cwd_far_version.load(std::memory_order_relaxed) == cwd_version.load(std::memory_order_relaxed);
}

base::Result<std::string_view> host_cwd(ThreadContext &context) {
    // The buffer is shared by all threads; who cannot have it asks the kernel
    // into its own scratch instead of waiting (a killed or forked holder must not block anyone).
    uint32_t free_word = 0;
    bool locked = !context.is_vfork_child && cwd_lock.compare_exchange_strong(free_word, 1);
    char *own = context.symlink;
    uint64_t version = cwd_version.load();
    if (locked && cwd_cached_version.load() == version) {
        size_t length = cwd_cached_length;
        std::memcpy(own, cwd_cached, length + 1);
        cwd_lock.store(0);
        return std::string_view(own, length);
    }
    base::Result<size_t> length = host_directory_path(AT_FDCWD, own, path_bytes);
    if (locked) {
        if (length.ok()) {
            std::memcpy(cwd_cached, own, *length + 1);
            cwd_cached_length = *length;
            cwd_cached_version.store(version);
            if (!is_near_mount({own, *length}) && !is_near_proc({own, *length}))
                cwd_far_version.store(version);
        }
        cwd_lock.store(0);
    }
    BASE_TRY(length);
    return std::string_view(own, *length);
}

base::Result<HostWalkResult> host_walk(ThreadContext &context, unsigned slot, std::string_view base,
                                       std::string_view path, Last last) {
    char *resolved = context.host_path[slot];
    // The rest grows to the front when symlinks are put before it: kept at the end of the buffer.
    char *buffer = context.symlink;
    size_t resolved_length = base == "/" ? 0 : base.size();
    if (resolved_length >= path_bytes || path.size() >= path_bytes)
        return base::error(ENAMETOOLONG);
    std::memmove(resolved, base.data(), resolved_length);
    size_t rest = path_bytes;
    for (size_t i = path.size(); i-- > 0;) // slashes that say nothing leave more room for links
        if (path[i] != '/' || rest == path_bytes || buffer[rest] != '/')
            buffer[--rest] = path[i];
    unsigned symlinks = 0;
    bool is_directory = true; // what `resolved` names
    if (path_bytes > rest && buffer[rest] == '/')
        resolved_length = 0;
    for (;;) {
        while (rest < path_bytes && buffer[rest] == '/')
            rest++;
        int mount = mount_at({resolved, resolved_length});
        if (mount >= 0)
            return HostWalkResult{mount, false, false, {buffer + rest, path_bytes - rest}};
        if (rest == path_bytes)
            return HostWalkResult{};
        size_t end = rest;
        while (end < path_bytes && buffer[end] != '/')
            end++;
        std::string_view name(buffer + rest, end - rest);
        const char *behind = buffer + end; // slashes may follow the last one
        const bool is_last = last == Last::link ? end == path_bytes
                                                : std::all_of(behind, static_cast<const char *>(buffer) + path_bytes,
                                                              [](char character) { return character == '/'; });
        rest = end;
        if (name == ".")
            continue;
        if (name == "..") {
            if (!is_directory && !is_host_directory(resolved, resolved_length))
                return HostWalkResult{}; // ENOTDIR
            is_directory = true;
            while (resolved_length > 0 && resolved[--resolved_length] != '/')
                ;
            continue;
        }
        if (resolved_length + 1 + name.size() + 1 > path_bytes)
            return base::error(ENAMETOOLONG);
        size_t parent_length = resolved_length;
        resolved[resolved_length++] = '/';
        std::memcpy(resolved + resolved_length, name.data(), name.size());
        resolved_length += name.size();
        resolved[resolved_length] = 0;
        if (is_link_to_pool(context, {resolved, resolved_length})) {
            if (rest < resolved_length)
                return base::error(ENAMETOOLONG);
            rest -= resolved_length;
            std::memcpy(buffer + rest, resolved, resolved_length);
            return HostWalkResult{-1, false, true, {buffer + rest, path_bytes - rest}};
        }
        if (is_last && last != Last::follow)
            continue;
        // A mount point is a directory: no need to ask. And whatever the number is that /proc/self stands for (in
        // another namespace it is not what we are told), a name is as good for what is below.
        if (mount_at({resolved, resolved_length}) >= 0 || std::string_view(resolved, resolved_length) == "/proc/self")
            continue;
        // The link's text goes right before the rest, which has at least `rest` bytes before it.
        long length = base::raw_syscall(SYS_readlinkat, AT_FDCWD, base::as_long(resolved), base::as_long(buffer),
                                        static_cast<long>(rest));
        if (length == -EINVAL) {
            is_directory = false; // as far as we know
            continue;
        }
        if (base::is_error(length))
            return HostWalkResult{}; // missing or not a directory: the kernel's answer stands
        if (static_cast<size_t>(length) >= rest)
            return base::error(ENAMETOOLONG);
        if (++symlinks > max_symlinks)
            return HostWalkResult{}; // ELOOP says the kernel, if it follows all of them
        rest -= static_cast<size_t>(length);
        std::memmove(buffer + rest, buffer, static_cast<size_t>(length));
        if (buffer[rest] == '/' && root_directory().mount >= 0)
            return HostWalkResult{-1, true, false, {buffer + rest, path_bytes - rest}};
        resolved_length = buffer[rest] == '/' ? 0 : parent_length;
    }
}

} // namespace shim
