// Inodes do not know their names. A description remembers the directory, which is read through until
// the inode turns up: slow for a large one, and asked for seldom (/proc/self/fd).
#include "libpmemfile/fs/open_path.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/walk.h"
#include "libpmemfile/names/directory.h"
#include "libpmemfile/runtime/stripe.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pmemfile {

namespace {

struct Wanted {
    InodeNumber inode;
    char *to;
    size_t room_bytes;
    size_t length;
};

bool take_if_wanted(void *context, std::string_view name, InodeNumber inode, uint8_t, uint64_t, bool) {
    auto &wanted = *static_cast<Wanted *>(context);
    if (inode != wanted.inode || name == "." || name == "..")
        return true;
    wanted.length = name.size();
    if (name.size() <= wanted.room_bytes)
        std::memcpy(wanted.to, name.data(), name.size());
    return false;
}

} // namespace

base::Result<size_t> fs_open_path(Thread &thread, OpenFileId id, char *buffer, size_t size_bytes) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    return fs_inode_path(thread, file->inode.load(), file->parent.load(), buffer, size_bytes);
}

base::Result<size_t> fs_inode_path(Thread &thread, InodeNumber inode, InodeNumber parent, char *buffer,
                                   size_t size_bytes) {
    BASE_TRY_ASSIGN(const Attributes attributes, fs_attributes(thread, inode));
    if (S_ISDIR(attributes.mode))
        return attributes.link_count == 0 ? base::Result<size_t>(base::error(ENOENT))
                                          : directory_path(thread, inode, buffer, size_bytes);
    if (parent == 0 || attributes.link_count == 0)
        return base::error(ENOENT);
    // The directory may have been removed, and its number be anything by now.
    const auto above = fs_attributes(thread, parent);
    if (!above.ok() || !S_ISDIR(above->mode))
        return base::error(ENOENT);
    BASE_TRY_ASSIGN(size_t length, directory_path(thread, parent, buffer, size_bytes));
    length = length == 1 ? 0 : length;
    if (length + 1 >= size_bytes)
        return base::error(ERANGE);
    buffer[length++] = '/';
    Wanted wanted = {inode, buffer + length, size_bytes - length - 1, 0};
    BASE_TRY(directory_read(thread, parent, 0, take_if_wanted, &wanted));
    if (wanted.length == 0)
        return base::error(ENOENT);
    if (wanted.length > wanted.room_bytes)
        return base::error(ERANGE);
    return length + wanted.length;
}

void open_path_moved(Thread &thread, InodeNumber inode, InodeNumber parent) {
    if (stripe_state(thread, inode).open_hint.load() == 0)
        return;
    Segment &segment = *thread.pool->segment;
    const uint32_t end = std::min<uint32_t>(segment.open_file_high_water.load(), max_open_files);
    for (uint32_t index = 0; index < end; index++) {
        OpenFile &file = segment.open_files()[index];
        if (file.nonce.load() != 0 && file.inode.load() == inode)
            file.parent.store(parent, std::memory_order_relaxed);
    }
}

} // namespace pmemfile
