// mapping_calls: where the bytes of a file lie in the pool file, for mmap.
#pragma once

#include "base/result.h"
#include "libpmemfile/file/block_map.h"
#include "libpmemfile/runtime/mapping_pin.h"

namespace pmemfile {

// Pins `inode` (see mapping_pin.h) so that it can be mapped. With `writable_shared`, blocks
// [first, first+count) are made to exist and the watermark is raised past the
// file's records; else inline content is moved out so that it can be mapped, holes stay. Where the range is
// scattered and nobody has mapped the file, its blocks are brought together first (data_gather.h). Returns the pin.
// `generation` not 0: only that use of the inode's number is meant, else ESTALE.
base::Result<uint32_t> fs_map_begin(Thread &thread, InodeNumber inode, uint64_t first_block, uint64_t block_count,
                                    bool shared, bool writable, uint32_t generation = 0);
// Runs of the file for the caller to stitch with mmap of the pool file (MappedRun.block * 4096 is the
// offset in the pool file; block 0: anonymous zeros, or nothing beyond the end).
base::Result<MappedRun> fs_map_run(Thread &thread, InodeNumber inode, uint64_t block_index, uint64_t limit);
void fs_map_end(Thread &thread, uint32_t pin);
// msync: makes a range of mapped pages durable (flush + fence on the pool's addresses).
base::Status fs_map_sync(Thread &thread, InodeNumber inode, uint64_t offset_bytes, uint64_t length_bytes);

} // namespace pmemfile
