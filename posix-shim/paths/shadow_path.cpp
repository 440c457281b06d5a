#include "posix-shim/paths/shadow_path.h"

#include "posix-shim/paths/runtime_directory.h"
#include "posix-shim/process/mount.h"

namespace shim {

constinit ShadowedProgram shadowed_program;

namespace {
constexpr std::string_view runtime_begin = "/dev/shm/pmemfile-";
constexpr std::string_view root_begin = "/.root-";
} // namespace

bool shadow_take_pool(std::string_view &path, const pmemfile::Pool &pool) {
    const std::string_view segment = pool.segment_path;
    if (segment.empty() || !path.starts_with(segment) || !path.substr(segment.size()).starts_with(shadow_mark))
        return false;
    size_t end = segment.size() + shadow_mark.size();
    while (end < path.size() && path[end] >= '0' && path[end] <= '9')
        end++;
    if (end < path.size() && path[end] != '/')
        return false;
    path.remove_prefix(end);
    return true;
}

int shadow_mount_of(std::string_view path, std::string_view *inside) {
    if (!path.starts_with(runtime_begin))
        return -1;
    for (unsigned i = 0; i < mount_count; i++) {
        std::string_view rest = path;
        if (!shadow_take_pool(rest, mounts[i].pool))
            continue;
        *inside = rest;
        return static_cast<int>(i);
    }
    return -1;
}

size_t shadow_root_mark(pmemfile::InodeNumber root, char (&to)[root_mark_bytes]) {
    static_assert(root_begin.size() + 16 + 1 <= root_mark_bytes);
    return append_hex(to, append_text(to, 0, root_begin), root);
}

bool is_shadow_of_root(std::string_view inside) {
    return inside.starts_with(root_begin);
}

bool shadow_take_root(std::string_view &inside, const WorkingDirectory &root) {
    char mark[root_mark_bytes];
    const size_t length = shadow_root_mark(root.inode, mark);
    if (!inside.starts_with({mark, length}) || (inside.size() > length && inside[length] != '/'))
        return false;
    inside.remove_prefix(length);
    return true;
}

bool is_shadow_path(std::string_view path) {
    return path.starts_with(runtime_begin) && path.find(shadow_mark) != std::string_view::npos;
}

} // namespace shim
