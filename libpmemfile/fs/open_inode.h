// open_inode: the inode of an open description, for a call that acts on it.
#pragma once

#include "libpmemfile/fs/walk.h"
#include "libpmemfile/runtime/open_file.h"

#include <cerrno>

namespace pmemfile {

// Surely that of `id`: another thread may have closed the description since `file` was looked up by it, and the place
// in the table be another one's. Who asks with the offset locked has that lock for himself, and may set the offset.
// EBADF.
inline base::Result<InodeHandle> open_inode(const Thread &thread, const OpenFile &file, OpenFileId id) {
    const InodeHandle inode{file.inode.load(std::memory_order_acquire),
                            file.generation.load(std::memory_order_acquire)};
    BASE_TRY(open_file_get(thread, id));
    return inode;
}

// The answer of a call on that use of the inode's number: if it has ended since, as if the call had come after the
// close.
template <typename Answer> Answer of_open(Answer answer) {
    return !answer.ok() && answer.error().number() == ESTALE ? Answer(base::error(EBADF)) : answer;
}

} // namespace pmemfile
