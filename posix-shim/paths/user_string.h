// user_string: a path from application memory, read once.
#pragma once

#include "base/result.h"

#include <cstddef>

namespace shim {

// Copies the string at `user` with its NUL into `buffer`; returns its length.
// EFAULT; ENAMETOOLONG when it does not fit. Any thread.
base::Result<size_t> copy_user_string(char *buffer, size_t size_bytes, const char *user);

} // namespace shim
