// bring_up: the steps that every kind of attach has in common (attach.cpp, attach_image.cpp).
#pragma once

#include "libpmemfile/fs/attach.h"

#include <string_view>
#include <sys/stat.h>

namespace pmemfile {

// Puts "path: text rest" into `message` (null: nowhere) and returns the error.
base::Errno attach_failure(ContainerMessage *message, const char *path, std::string_view text, std::string_view rest,
                           int error_number);
base::Errno attach_failure(ContainerMessage *message, const char *path, std::string_view text, int error_number);

// Gives zeroed memory of a size for the runtime segment.
using SegmentMemory = base::Result<Segment *> (*)(void *context, uint64_t size_bytes);

// Brings up a pool that nobody uses, of which `persist` and `superblock_offset` are set: checks the
// superblock and the group table, replays the journal, fills a new segment and stamps its nonce into the
// superblock. Errors: EUCLEAN, EPROTONOSUPPORT, EIO, those of `segment_memory`.
base::Status bring_up(Pool &pool, const char *path, const struct stat &pool_status, ContainerMessage *message,
                      SegmentMemory segment_memory, void *context);

// After registration, work that needs a thread's place: `is_first` frees what a crash left in the
// orphan table, `is_handover` settles the threads of the image before exec; what dead
// processes left is settled in any case. EUCLEAN, ENOMEM, EAGAIN.
base::Status tidy_up(Pool &pool, bool is_first, bool is_handover);

} // namespace pmemfile
