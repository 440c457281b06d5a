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

int read_link(intercept_call *call, unsigned buffer_argument) {
    auto *buffer = reinterpret_cast<char *>(call->args[buffer_argument]);
    long &size_bytes = call->args[buffer_argument + 1];
    size_t length = strlen(program_path);
    if (size_bytes <= 0) {
        call->result = -EINVAL;
        return INTERCEPT_HANDLED;
    }
    if (static_cast<size_t>(size_bytes) < length)
        length = static_cast<size_t>(size_bytes);
    bool is_room = false;
    if (length < 8) {
        // Too few to be tried by a mask: the kernel writes the launcher's path there first.
        size_bytes = static_cast<long>(length);
        is_room = exempt_call(call->nr, call->args[0], call->args[1], call->args[2], call->args[3]) == size_bytes;
    } else {
        is_room = is_writable(buffer) && is_writable(buffer + length - 8);
    }
    call->result = is_room ? static_cast<long>(length) : -EFAULT;
    if (is_room)
        memcpy(buffer, program_path, length);
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
        return read_link(call, at ? 2 : 1);
    path = base::as_long(program_path);
    return INTERCEPT_PASS;
}

} // namespace intercept
