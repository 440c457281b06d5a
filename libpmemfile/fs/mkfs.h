// mkfs: makes a new filesystem in a new pool.
#pragma once

#include "base/result.h"
#include "libpmemfile/pool/container.h"

namespace pmemfile {

struct MkfsOptions {
    uint64_t size_bytes = 0; // 0: the size of the existing file or device
    // To which it can grow later (fs/growth.h): the pool file is sparse and of this size. 0: it cannot. Not for
    // devices.
    uint64_t max_size_bytes = 0;
    unsigned mode = 0600;   // of the pool file
    bool replace = false;   // an existing pool at the path is replaced
    const char *label = ""; // at most 63 bytes
    uint32_t root_uid = 0;  // owner of the root directory
    uint32_t root_gid = 0;
    unsigned root_mode = 0755;
    bool share_counts = true; // false: no reflinks, and programs from before there were any can use the pool
    uint64_t journal_nonce =
        0; // 0: a random one. Else this, for measurements on a fresh file: names hash alike each time
};
constexpr uint64_t pool_min_bytes = uint64_t{16} << 20;

// Errors as container_create; the message is one line for a person. On
// failure nothing that was there is lost (a new pool is made beside and renamed).
base::Status mkfs(const char *path, const MkfsOptions &options, ContainerMessage *message);

} // namespace pmemfile
