// allocate_mode: which modes of fallocate(2) there are.
#pragma once

#include "base/result.h"

#include <cerrno>
#include <linux/falloc.h>

namespace pmemfile {

// EOPNOTSUPP. Linux says so before it looks whether the file may be written.
inline base::Status allocate_mode_check(int mode) {
    switch (mode) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_UNSHARE_RANGE:
    case FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_COLLAPSE_RANGE:
    case FALLOC_FL_INSERT_RANGE:
        return {};
    default:
        return base::error(EOPNOTSUPP);
    }
}

} // namespace pmemfile
