// The table of mounts, and a device number that no kernel filesystem has.
#include "posix-shim/process/mount.h"

#include <sys/sysmacros.h>

namespace shim {

constinit Mount mounts[max_mounts];
constinit unsigned mount_count = 0;

uint64_t mount_device(const uint8_t uuid[16]) {
    unsigned minor = 0;
    for (unsigned i = 0; i < 16; i++)
        minor = minor * 31 + uuid[i];
    return makedev(0, (minor & 0x7ffff) | 0x80000); // 20 bits of minor, the highest set
}

} // namespace shim
