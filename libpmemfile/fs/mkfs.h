// mkfs: makes a new filesystem in a new pool.
#pragma once

#include "base/result.h"
#include "libpmemfile/pool/container.h"

namespace pmemfile {

struct MkfsOptions {
    uint64_t size_bytes = 0; // 0: that of the existing blank file or device (or of what is replaced)
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
// A process maps all of a pool, one that is in a transaction twice, and the program stands in the middle of the 128 TiB
// of addresses that it has: there is room for 40 TiB on either side.
constexpr uint64_t pool_max_bytes = uint64_t{40} << 40;

// Without a size the pool is made in the file or device that is there, which keeps its owner and mode. It must be
// blank: EEXIST when anything stands in its first block, or a pool's superblock in its place; what fails leaves it
// blank (a device: without a pool). With a size a new file is made beside, and renamed over what is there if `replace`
// says so: on failure nothing that was there is lost. Errors as container_create, and EFBIG above pool_max_bytes; the
// message is one line for a person.
base::Status mkfs(const char *path, const MkfsOptions &options, ContainerMessage *message);

} // namespace pmemfile
