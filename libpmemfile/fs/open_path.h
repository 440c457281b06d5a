// open_path: what an open file is called now.
#pragma once

#include "libpmemfile/runtime/open_file.h"

namespace pmemfile {

// The absolute path inside the pool ("/" for the root) of the file behind `id`, into `buffer`; the length without NUL.
// A file's name is looked for in the directory that it was opened in (or renamed to while it was open): among several
// names there it is one of them. ENOENT when it has none there; ERANGE; EBADF.
base::Result<size_t> fs_open_path(Thread &thread, OpenFileId id, char *buffer, size_t size_bytes);
// The same of an inode that was opened in `parent` (0: not known).
base::Result<size_t> fs_inode_path(Thread &thread, InodeNumber inode, InodeNumber parent, char *buffer,
                                   size_t size_bytes);
// `inode` has been renamed into another directory: its descriptions learn of it.
void open_path_moved(Thread &thread, InodeNumber inode, InodeNumber parent);

} // namespace pmemfile
