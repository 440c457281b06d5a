// file_side: what a call between two descriptors must know of each: a file of ours or whatever the kernel has.
#pragma once

#include "posix-shim/calls/path_call.h"

#include <sys/stat.h>

namespace shim {

struct FileSide {
    OpenArgument open;    // `thread` null: the kernel's
    long descriptor = -1; // then
    bool is_open = false; // false also with O_PATH: then the rest says nothing
    bool may_read = false;
    bool may_write = false;
    bool appends = false;
    bool is_nonblocking = false;
    bool makes_packets = false; // if it is a pipe
    mode_t mode = 0;            // its type; 0: none of Linux's (an epoll descriptor, for one)

    bool is_ours() const {
        return open.thread != nullptr;
    }
    bool is_pipe() const {
        return S_ISFIFO(mode);
    }
};

// The two descriptors in registers `first` and `second`; both the kernel's: `is_ours` of neither, and nothing is known.
struct FileSides {
    FileSide first, second;

    bool are_open() const {
        return first.is_open && second.is_open;
    }
    bool any_is_ours() const {
        return first.is_ours() || second.is_ours();
    }
};
base::Result<FileSides> file_sides(Request &request, int first, int second);

} // namespace shim
