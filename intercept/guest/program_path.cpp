#include "intercept/guest/program_path.h"

#include "base/raw_syscall.h"
#include "intercept/trap/program_memory.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/limits.h>

namespace intercept {
namespace {

constinit char program_path[PATH_MAX];

constexpr char link_name[] = "/proc/self/exe";

bool names_link(long user_path) {
    const auto *path = reinterpret_cast<const char *>(user_path);
    return program_path[0] != 0 && is_readable(path) && memcmp(path, link_name, 8) == 0 &&
           is_readable(path + sizeof link_name - 8) && memcmp(path, link_name, sizeof link_name) == 0;
}

int read_link(intercept_call *call, long user_buffer, long size_bytes) {
    auto *buffer = reinterpret_cast<char *>(user_buffer);
    size_t length = strlen(program_path);
    if (size_bytes <= 0) {
        call->result = -EINVAL;
        return INTERCEPT_HANDLED;
    }
    if (static_cast<size_t>(size_bytes) < length)
        length = static_cast<size_t>(size_bytes);
    if (length < 8) // too few to be tried for a fault; nobody does that
        return INTERCEPT_PASS;
    call->result = -EFAULT;
    if (is_writable(buffer) && is_writable(buffer + length - 8)) {
        memcpy(buffer, program_path, length);
        call->result = static_cast<long>(length);
    }
    return INTERCEPT_HANDLED;
}

// A question about the link, not about what it leads to.
bool asks_for_link(const intercept_call *call) {
    return (call->nr == SYS_newfstatat && (call->args[3] & AT_SYMLINK_NOFOLLOW) != 0) ||
           (call->nr == SYS_statx && (call->args[2] & AT_SYMLINK_NOFOLLOW) != 0);
}

} // namespace

void program_path_set(const char *path) {
    if (realpath(path, program_path) == nullptr)
        program_path[0] = 0;
}

int program_path_serve(intercept_call *call) {
    const bool at =
        call->nr == SYS_readlinkat || call->nr == SYS_openat || call->nr == SYS_newfstatat || call->nr == SYS_statx;
    long &path = call->args[at ? 1 : 0];
    if (asks_for_link(call) || !names_link(path))
        return INTERCEPT_PASS;
    if (call->nr == SYS_readlink || call->nr == SYS_readlinkat)
        return read_link(call, call->args[at ? 2 : 1], call->args[at ? 3 : 2]);
    path = base::as_long(program_path);
    return INTERCEPT_PASS;
}

} // namespace intercept
