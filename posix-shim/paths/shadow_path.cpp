#include "posix-shim/paths/shadow_path.h"

#include "posix-shim/process/mount.h"

namespace shim {

constinit ShadowedProgram shadowed_program;

namespace {
constexpr std::string_view runtime_begin = "/dev/shm/pmemfile-";
} // namespace

int shadow_mount_of(std::string_view path, std::string_view *inside) {
    if (!path.starts_with(runtime_begin))
        return -1;
    for (unsigned i = 0; i < mount_count; i++) {
        const std::string_view segment = mounts[i].pool.segment_path;
        if (segment.empty() || !path.starts_with(segment) || !path.substr(segment.size()).starts_with(shadow_mark))
            continue;
        size_t end = segment.size() + shadow_mark.size();
        while (end < path.size() && path[end] >= '0' && path[end] <= '9')
            end++;
        if (end < path.size() && path[end] != '/')
            continue;
        *inside = path.substr(end);
        return static_cast<int>(i);
    }
    return -1;
}

bool is_shadow_path(std::string_view path) {
    return path.starts_with(runtime_begin) && path.find(shadow_mark) != std::string_view::npos;
}

} // namespace shim
