// open_access: what an open file description lets its users do, by its flags.
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

} // namespace pmemfile
