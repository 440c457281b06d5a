// xattr_area: the extended attributes of one inode on the media, as names and bytes (format.h,
// XattrHeader). What names mean and who may do what is the fs floor's business (fs/xattr_calls.h).
#pragma once

#include "base/result.h"
#include "libpmemfile/journal/call.h"

#include <span>
#include <string_view>

namespace pmemfile {

// One attribute as it stands in an area.
struct Xattr {
    char name[xattr_name_max_bytes + 1] = {};
    unsigned name_bytes = 0;
    uint32_t value_bytes = 0;
    uint64_t value_offset = 0; // in the area's entries

    std::string_view name_view() const {
        return {name, name_bytes};
    }
};

// Reads an area. Takes no lock: use it under a ReadSection or with the inode's stripe held. Under a
// ReadSection it may meet garbage; it never faults, and what it says then is worth nothing.
class XattrArea {
public:
    // `inode` may be a copy. Without attributes: an empty area.
    XattrArea(const Pool &pool, const Inode &inode);

    // The header leads to an area of this inode and is within its bounds. False: damage.
    bool is_sound() const {
        return is_sound_;
    }
    // All bytes are as they were written: reads the whole area.
    bool checksum_is_right() const;
    // What the header's checksum should be. EUCLEAN when not all can be read.
    base::Result<uint64_t> checksum() const;
    // The next attribute; false at the end, or where the area is damaged (is_sound() is false then).
    bool next(Xattr *attribute);
    void rewind() {
        at_ = 0;
    }
    // ENODATA; EUCLEAN.
    base::Status find(std::string_view name, Xattr *attribute);
    // Copies from the entries to memory of ours. False: outside, or damaged.
    bool copy(uint64_t offset, void *to, size_t size_bytes) const;
    // The same to the application. EFAULT, EUCLEAN.
    base::Status copy_to_user(uint64_t offset, void *user, size_t size_bytes) const;

    uint64_t size_bytes() const {
        return header_.size_bytes;
    }
    // Whose it says it is.
    InodeNumber inode() const {
        return header_.inode;
    }
    uint32_t entry_count() const {
        return header_.entry_count;
    }
    // Blocks that it takes: the header's (index 0) and those behind it. 0: out of range, damage.
    unsigned block_count() const {
        return block_ == 0 ? 0 : 1 + header_.extra_block_count;
    }
    BlockNumber block(unsigned index) const;

private:
    // Consecutive bytes of the entries from `offset` on; null outside.
    const std::byte *piece(uint64_t offset, size_t *size_bytes) const;

    const Pool &pool_;
    BlockNumber block_ = 0;
    XattrHeader header_ = {};
    bool is_sound_ = true;
    uint64_t at_ = 0; // of the next entry
};

// What becomes of one attribute.
struct XattrChange {
    std::string_view name;
    bool is_removed = false;
    const void *value = nullptr; // may be memory of the application: read once
    uint32_t value_bytes = 0;
};

// Adds to the call what makes the changes in the inode's attributes: fresh blocks, frees of the old
// ones, and the fields of `inode`, a private copy that the caller stores in the same record. The
// caller sets the flags of what there is (inode_xattr_flags). Fences the data if it does not
// travel in the record. Uses Thread::block. The inode's stripe is held (or it is a new one).
// ENOSPC (no room in the pool, or more than an inode may have), EFAULT, EUCLEAN (the old area is damaged).
base::Status xattr_change(Call &call, InodeNumber number, Inode &inode, std::span<const XattrChange> changes);

// Adds the freeing of all attributes of an inode that ends. EUCLEAN when the area is damaged.
base::Status xattr_release(Call &call, Inode &inode);

} // namespace pmemfile
