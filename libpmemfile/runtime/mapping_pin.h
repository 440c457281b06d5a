// mapping_pin: which inodes are mapped into some process's memory. While a
// pin lives, blocks that a call frees of its inode are not used again (hazard 6, quarantine.h), and an
// inode without a name stays.
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// Pins `inode` for this process; the caller holds its stripe. `writable_shared`: stores may come through
// the mapping, so data of the file must not travel in records any more; the
// caller has raised the watermark (journal/watermark.h).
// Returns the pin's index. ENOMEM when the table is full.
base::Result<uint32_t> mapping_pin_add(Thread &thread, InodeNumber inode, bool writable_shared);
// Removes a pin of this process; returns the inode if no pin and no open file
// refers to it any more (see open_file_unreference), else 0.
InodeNumber mapping_pin_remove(Thread &thread, uint32_t pin);
// A second pin like `pin` of this process, for the process in `process_slot` of `incarnation`: a child
// about to be forked, so that no moment exists in which its blocks are not held. Returns
// the new pin's index, which is the child's. EBADF, ENOMEM.
base::Result<uint32_t> mapping_pin_copy(Thread &thread, uint32_t pin, uint32_t process_slot, uint64_t incarnation);
// True when a shared writable mapping of `inode` lives. Its stripe is held or
// the caller re-checks under it.
bool is_mapped_writable(Thread &thread, InodeNumber inode);
// The same for a mapping of any kind.
bool is_mapped(Thread &thread, InodeNumber inode);
// True when some other inode has a mapping of any kind.
bool is_other_mapped(Thread &thread, InodeNumber inode);
// A block that others share goes from an inode that is mapped: until no pin is left they do not tell
// all that is in a mapping, and everything that is freed is held back.
void mapping_pin_miss_block(Thread &thread);
void mapping_pin_drop_process(Thread &thread, uint64_t incarnation, void (*ended)(Thread &, InodeNumber));

} // namespace pmemfile
