// open_access: what an open file description lets its users do, and tells them, by its flags.
#pragma once

#include <cstdint>
#include <fcntl.h>

namespace pmemfile {

// Access mode 3 is neither reading nor writing, nor is O_PATH.
constexpr bool may_read_by(uint32_t flags) {
    return (flags & (O_PATH | O_ACCMODE)) == O_RDONLY || (flags & (O_PATH | O_ACCMODE)) == O_RDWR;
}
constexpr bool may_write_by(uint32_t flags) {
    return (flags & (O_PATH | O_ACCMODE)) == O_WRONLY || (flags & (O_PATH | O_ACCMODE)) == O_RDWR;
}

// Among a description's flags: its open made the file (F_CREATED_QUERY).
constexpr uint32_t open_made_file = O_CREAT;

// Linux 6.12's, newer than Debian 12's headers.
constexpr int created_query = 1028;

// What F_GETFL tells (O_LARGEFILE too, which glibc's headers have as 0).
constexpr long told_flags(uint32_t flags) {
    constexpr uint32_t large_file = 0100000;
    if ((flags & O_PATH) != 0)
        return flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
    return (flags & ~open_made_file) | large_file;
}

} // namespace pmemfile
