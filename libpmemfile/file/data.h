// data: the bytes of a file: read, write, truncate, and where they lie for mmap.
#pragma once

#include "base/result.h"
#include "libpmemfile/file/block_map.h"
#include "libpmemfile/journal/call.h"

#include <span>
#include <sys/uio.h>

namespace pmemfile {

// The largest write that is one atomic step whatever the state of the pool.
// Larger ones are split into steps of at least this size, each atomic.
constexpr size_t atomic_write_bytes = 64 * 1024;
// The smallest that may be asked for by RWF_ATOMIC.
constexpr size_t atomic_write_min_bytes = 512;
// The largest file: 16 slots over max_map_height levels would allow more; loff_t does not.
constexpr uint64_t file_max_bytes = INT64_MAX & ~(block_size_bytes - 1);

// Application buffers of one call (an iovec array already copied from application memory).
struct UserBuffers {
    const struct iovec *vectors = nullptr;
    unsigned count = 0;
};

// Copies up to the sum of the buffers' lengths from `offset_bytes` on. Returns
// bytes read, 0 at or beyond the end. EFAULT, EUCLEAN. Takes no lock. `generation`, here and below, not 0: only that
// use of the inode number is meant, else ESTALE.
base::Result<size_t> data_read(Thread &thread, InodeNumber inode, uint64_t offset_bytes, const UserBuffers &buffers,
                               uint32_t generation = 0);

// Writes all buffers at `offset_bytes`, or at the end of file when `append`
// (then `*offset_bytes` says where it went). Takes and gives back the inode's lock; each step
// atomic and durable. Clears set-id bits as write(2) says, sets mtime and ctime.
// Returns bytes written (short only when space ran out part way). `size_limit_bytes`: RLIMIT_FSIZE.
// EFAULT, ENOSPC, EFBIG, EROFS, EIO. `whole` (RWF_ATOMIC): refuses what is not one step: EINVAL unless there is
// one buffer, of a power of two from atomic_write_min_bytes to atomic_write_bytes, at a multiple of its
// length; EOPNOTSUPP while the file is mapped shared and writable.
base::Result<size_t> data_write(Thread &thread, InodeNumber inode, uint64_t *offset_bytes, const UserBuffers &buffers,
                                bool append, uint64_t size_limit_bytes = UINT64_MAX, bool whole = false,
                                uint32_t generation = 0);

// One step of data_write, for a call that holds the inode's lock and has finished its truncation: writes up to
// `left_bytes` (more than 0) from the cursor at `offset_bytes` and commits. Returns bytes written.
class UserCursor;
base::Result<size_t> data_write_step(Call &call, InodeNumber inode, UserCursor &cursor, uint64_t offset_bytes,
                                     uint64_t left_bytes);

// Copies bytes of one file to another, or within one, in the steps of data_write; whole blocks that lie alike in
// both are shared instead (data_share.h, clone_blocks), in its steps. Stops at the source's end.
// Locks both. Returns bytes copied (short when space ran out part way). EINVAL when the ranges overlap,
// and the errors of data_write.
base::Result<size_t> data_copy(Thread &thread, InodeNumber from, uint64_t from_offset_bytes, InodeNumber to,
                               uint64_t to_offset_bytes, uint64_t size_bytes, uint64_t size_limit_bytes = UINT64_MAX,
                               uint32_t from_generation = 0, uint32_t to_generation = 0);

// What FICLONE and FICLONERANGE (ioctl_ficlonerange(2)) do: the range reads as the source's, and shares its blocks.
// `size_bytes` 0: up to the source's end. Locks both. At or behind the target's end (so, into an empty file) all or
// nothing, also after a crash or an error; over older bytes in steps of at least 1 MiB from the front, each
// atomic. Inline content, and what goes to a mapped file, is copied, in the steps of data_write. EINVAL
// (not whole blocks, beyond the source's end, overlap), EOPNOTSUPP (a pool without share counts), EFBIG, ENOSPC,
// EUCLEAN.
base::Status data_clone(Thread &thread, InodeNumber from, uint64_t from_offset_bytes, InodeNumber to,
                        uint64_t to_offset_bytes, uint64_t size_bytes, uint64_t size_limit_bytes = UINT64_MAX,
                        uint32_t from_generation = 0, uint32_t to_generation = 0);

// Sets the size; bytes beyond are gone, new ones read as zeros. Takes the lock.
base::Status data_truncate(Thread &thread, InodeNumber inode, uint64_t size_bytes, uint32_t generation = 0);

// Finishes a truncation that was cut short (inode_truncating); commits. The call holds the
// inode's lock and has no changes yet. Every change of a file's data begins with it.
base::Status data_finish_truncate(Call &call, InodeNumber inode);

// fallocate(2): mode 0 (allocates zeroed blocks, in steps), UNSHARE_RANGE (copies shared ones too), PUNCH_HOLE,
// ZERO_RANGE, each with KEEP_SIZE; COLLAPSE_RANGE, INSERT_RANGE (data_shift_range); others EOPNOTSUPP. What is freed is
// one record as long as it fits (some 100 runs of blocks), else steps from the front; zeros of ZERO_RANGE are steps of
// up to 1 MiB. While the file is mapped its blocks stay and are zeroed in place, so that all mappings see it. ENOSPC:
// no byte has changed, and the file has the blocks that it had (but a range of shared blocks may have parted some of
// them).
base::Status data_allocate(Thread &thread, InodeNumber inode, int mode, uint64_t offset_bytes, uint64_t length_bytes,
                           uint32_t generation = 0);

// Takes [offset, offset + length) out of the file, or puts a hole in there; in one step. All multiples of
// block_size_bytes, `offset` inside the file. For a call that holds the inode's lock; the content is not inline and
// no truncation is under way. EBUSY while the file is mapped, ENOSPC (a new map is made), EFBIG, EUCLEAN.
base::Status data_shift_range(Call &call, InodeNumber inode, bool is_collapse, uint64_t offset_bytes,
                              uint64_t length_bytes);

// SEEK_DATA / SEEK_HOLE from `offset_bytes`: ENXIO beyond the end.
base::Result<uint64_t> data_seek(Thread &thread, InodeNumber inode, uint64_t offset_bytes, bool want_hole);

// Makes blocks [first, first + count) of the file exist as whole pool blocks (inline
// content moves out, holes are filled with zeros; only up to the end of the file's last block), so
// that they can be mapped shared. Takes the lock.
base::Status data_materialise(Thread &thread, InodeNumber inode, uint64_t first_block, uint64_t block_count);

// Frees everything that hangs on an inode whose last name and last reference
// are gone, then the inode itself and its orphan slot; in steps. The call holds the inode's lock,
// and it may hold changes of the caller which go into the first record.
base::Status data_free_inode(Call &call, InodeNumber inode);

} // namespace pmemfile
