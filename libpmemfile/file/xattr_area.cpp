// The idea: an area is read-only once it is written. A change copies what stays and what is new to
// fresh blocks and lets one record swing the pointer, so old or new is there, never a mixture.
//
//   inode.xattr_block ──► [header│entries]                     up to 4032 bytes
//                         [header│numbers] ─► [ents][ents] …   more
//
//   small areas travel in the record (one fence); larger ones go past it and are fenced first.
#include "libpmemfile/file/xattr_area.h"

#include "base/user_copy.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/space/allocator.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace pmemfile {
namespace {

constexpr size_t record_max_bytes = 2048; // as small writes

constexpr uint64_t padded(uint64_t size_bytes) {
    return (size_bytes + 7) & ~uint64_t{7};
}
constexpr uint64_t entry_bytes(size_t name_bytes, size_t value_bytes) {
    return sizeof(XattrEntry) + padded(name_bytes + value_bytes);
}

// The checksum goes over parts that do not stand together.
class Checksum {
public:
    Checksum() {
        XXH3_64bits_reset(&state_);
    }
    void add(const void *bytes, size_t size_bytes) {
        XXH3_64bits_update(&state_, bytes, size_bytes);
    }
    void add_header(const XattrHeader &header) {
        add(reinterpret_cast<const std::byte *>(&header) + sizeof(header.checksum),
            sizeof(header) - sizeof(header.checksum));
    }
    uint64_t value() const {
        return XXH3_64bits_digest(&state_);
    }

private:
    XXH3_state_t state_;
};

// Fills fresh blocks from the front, through a scratch block.
class AreaWriter {
public:
    // `blocks`: of the entries; null when they stand behind the header in the scratch block.
    AreaWriter(Call &call, const uint64_t *blocks)
        : call_(call), blocks_(blocks), scratch_(call.thread().block[blocks == nullptr ? 0 : 1]),
          at_(blocks == nullptr ? sizeof(XattrHeader) : 0) {
        if (blocks != nullptr)
            std::memset(scratch_, 0, block_size_bytes);
    }
    // Copies by `copy(to, done, size)`, which may fail.
    template <typename Copy> base::Status append(size_t size_bytes, Copy copy) {
        for (size_t done = 0; done < size_bytes;) {
            const size_t size = std::min(size_bytes - done, block_size_bytes - at_);
            BASE_TRY(copy(scratch_ + at_, done, size));
            at_ += size;
            done += size;
            if (at_ == block_size_bytes)
                write_out();
        }
        return {};
    }
    void append_bytes(const void *bytes, size_t size_bytes) {
        static_cast<void>(append(size_bytes, [&](std::byte *to, size_t done, size_t size) -> base::Status {
            std::memcpy(to, static_cast<const std::byte *>(bytes) + done, size);
            return {};
        }));
    }
    void finish() {
        if (blocks_ != nullptr && at_ != 0)
            write_out();
    }

private:
    void write_out() {
        if (blocks_ == nullptr)
            return; // a full header's block
        checksum.add(scratch_, block_size_bytes);
        call_.pool().persist.store_nt(*blocks_++ * block_size_bytes, scratch_, block_size_bytes);
        std::memset(scratch_, 0, block_size_bytes);
        at_ = 0;
    }

public:
    Checksum checksum;

private:
    Call &call_;
    const uint64_t *blocks_;
    std::byte *scratch_;
    size_t at_;
};

const XattrChange *change_of(std::span<const XattrChange> changes, std::string_view name) {
    for (const XattrChange &change : changes)
        if (change.name == name)
            return &change;
    return nullptr;
}

// Claims the blocks of the entries and writes down their numbers.
base::Status claim_blocks(Call &call, uint64_t *numbers, unsigned count) {
    for (unsigned done = 0; done < count;) {
        BASE_TRY_ASSIGN(BlockRun run, allocate_run(call, count - done));
        for (uint32_t i = 0; i < run.count && done < count; ++i)
            numbers[done++] = run.first + i;
    }
    return {};
}

base::Status write_entry(AreaWriter &writer, std::string_view name, const XattrChange &change) {
    XattrEntry entry = {};
    entry.value_bytes = change.value_bytes;
    entry.name_bytes = static_cast<uint8_t>(name.size());
    writer.append_bytes(&entry, sizeof(entry));
    writer.append_bytes(name.data(), name.size());
    const auto *user = static_cast<const std::byte *>(change.value);
    BASE_TRY(writer.append(change.value_bytes, [&](std::byte *to, size_t done, size_t size) -> base::Status {
        return base_user_copy(to, user + done, size) == 0 ? base::Status{} : base::error(EFAULT);
    }));
    const uint64_t zeros = 0;
    writer.append_bytes(&zeros, padded(name.size() + change.value_bytes) - name.size() - change.value_bytes);
    return {};
}

// Frees an area's blocks, neighbours in one change.
void free_area(Call &call, const XattrArea &area) {
    for (unsigned i = 0; i < area.block_count();) {
        BlockRun run{area.block(i), 1};
        while (i + run.count < area.block_count() && area.block(i + run.count) == run.first + run.count)
            ++run.count;
        release_blocks(call, run);
        i += run.count;
    }
}

} // namespace

XattrArea::XattrArea(const Pool &pool, const Inode &inode) : pool_(pool) {
    const BlockNumber block = inode.xattr_block;
    if (block == 0)
        return;
    is_sound_ = pool.block_in_range(block);
    if (!is_sound_)
        return;
    std::memcpy(&header_, pool.block(block), sizeof(header_));
    const uint64_t capacity =
        header_.extra_block_count == 0 ? xattr_inline_bytes : header_.extra_block_count * block_size_bytes;
    is_sound_ = header_.magic == xattr_magic && header_.extra_block_count <= xattr_max_extra_blocks &&
                header_.size_bytes <= capacity && header_.size_bytes % 8 == 0 && header_.generation == inode.generation;
    if (is_sound_)
        block_ = block;
    else
        header_ = {};
}

BlockNumber XattrArea::block(unsigned index) const {
    if (index == 0)
        return block_;
    uint64_t number = 0;
    std::memcpy(&number, pool_.block(block_) + sizeof(XattrHeader) + (index - 1) * sizeof(number), sizeof(number));
    return pool_.block_in_range(number) ? number : 0;
}

const std::byte *XattrArea::piece(uint64_t offset, size_t *size_bytes) const {
    if (block_ == 0 || offset >= header_.size_bytes)
        return nullptr;
    const uint64_t rest = header_.size_bytes - offset;
    if (header_.extra_block_count == 0) {
        *size_bytes = rest;
        return pool_.block(block_) + sizeof(XattrHeader) + offset;
    }
    const BlockNumber number = block(static_cast<unsigned>(1 + offset / block_size_bytes));
    if (number == 0)
        return nullptr;
    *size_bytes = std::min(rest, block_size_bytes - offset % block_size_bytes);
    return pool_.block(number) + offset % block_size_bytes;
}

base::Result<uint64_t> XattrArea::checksum() const {
    if (block_ == 0)
        return base::error(EUCLEAN);
    Checksum checksum;
    for (unsigned i = 1; i <= header_.extra_block_count; ++i) {
        const BlockNumber number = block(i);
        if (number == 0)
            return base::error(EUCLEAN);
        checksum.add(pool_.block(number), block_size_bytes);
    }
    checksum.add(pool_.block(block_) + sizeof(XattrHeader), xattr_inline_bytes);
    checksum.add_header(header_);
    return checksum.value();
}

bool XattrArea::checksum_is_right() const {
    if (block_ == 0)
        return is_sound_; // there is none
    const auto right = checksum();
    return right.ok() && *right == header_.checksum;
}

bool XattrArea::copy(uint64_t offset, void *to, size_t size_bytes) const {
    auto *bytes = static_cast<std::byte *>(to);
    while (size_bytes > 0) {
        size_t size = 0;
        const std::byte *from = piece(offset, &size);
        if (from == nullptr)
            return false;
        size = std::min(size, size_bytes);
        std::memcpy(bytes, from, size);
        bytes += size;
        offset += size;
        size_bytes -= size;
    }
    return true;
}

base::Status XattrArea::copy_to_user(uint64_t offset, void *user, size_t size_bytes) const {
    auto *bytes = static_cast<std::byte *>(user);
    while (size_bytes > 0) {
        size_t size = 0;
        const std::byte *from = piece(offset, &size);
        if (from == nullptr)
            return base::error(EUCLEAN);
        size = std::min(size, size_bytes);
        if (base_user_copy(bytes, from, size) != 0)
            return base::error(EFAULT);
        bytes += size;
        offset += size;
        size_bytes -= size;
    }
    return {};
}

bool XattrArea::next(Xattr *attribute) {
    if (!is_sound_ || at_ == header_.size_bytes)
        return false;
    XattrEntry entry;
    is_sound_ = copy(at_, &entry, sizeof(entry)) && entry.name_bytes != 0 &&
                entry.value_bytes <= xattr_value_max_bytes &&
                entry_bytes(entry.name_bytes, entry.value_bytes) <= header_.size_bytes - at_ &&
                copy(at_ + sizeof(entry), attribute->name, entry.name_bytes);
    if (!is_sound_)
        return false;
    attribute->name[entry.name_bytes] = 0;
    attribute->name_bytes = entry.name_bytes;
    attribute->value_bytes = entry.value_bytes;
    attribute->value_offset = at_ + sizeof(entry) + entry.name_bytes;
    at_ += entry_bytes(entry.name_bytes, entry.value_bytes);
    return true;
}

base::Status XattrArea::find(std::string_view name, Xattr *attribute) {
    rewind();
    while (next(attribute))
        if (attribute->name_view() == name)
            return {};
    return base::error(is_sound_ ? ENODATA : EUCLEAN);
}

base::Status xattr_change(Call &call, InodeNumber number, Inode &inode, std::span<const XattrChange> changes) {
    Thread &thread = call.thread();
    XattrArea old(call.pool(), inode);
    if (!old.checksum_is_right())
        return base::error(EUCLEAN);
    XattrHeader header = {};
    size_t list_bytes = 0;
    auto count_in = [&](size_t name_bytes, size_t value_bytes) {
        ++header.entry_count;
        header.size_bytes += entry_bytes(name_bytes, value_bytes);
        list_bytes += name_bytes + 1;
    };
    Xattr attribute;
    while (old.next(&attribute))
        if (change_of(changes, attribute.name_view()) == nullptr)
            count_in(attribute.name_bytes, attribute.value_bytes);
    if (!old.is_sound())
        return base::error(EUCLEAN);
    for (const XattrChange &change : changes)
        if (!change.is_removed)
            count_in(change.name.size(), change.value_bytes);
    if (header.size_bytes > xattr_max_extra_blocks * block_size_bytes || list_bytes > xattr_list_max_bytes)
        return base::error(ENOSPC);
    free_area(call, old);
    inode.xattr_block = 0;
    inode.xattr_block_count = 0;
    if (header.entry_count == 0)
        return {};

    header.magic = xattr_magic;
    header.inode = number;
    header.generation = inode.generation;
    if (header.size_bytes > xattr_inline_bytes)
        header.extra_block_count = static_cast<uint32_t>((header.size_bytes + block_size_bytes - 1) / block_size_bytes);
    std::byte *const head = thread.block[0];
    std::memset(head, 0, block_size_bytes);
    auto *numbers = reinterpret_cast<uint64_t *>(head + sizeof(header));
    BASE_TRY_ASSIGN(const BlockNumber block, allocate_block(call));
    BASE_TRY(claim_blocks(call, numbers, header.extra_block_count));

    AreaWriter writer(call, header.extra_block_count == 0 ? nullptr : numbers);
    old.rewind();
    while (old.next(&attribute)) {
        if (change_of(changes, attribute.name_view()) != nullptr)
            continue;
        const uint64_t begin = attribute.value_offset - attribute.name_bytes - sizeof(XattrEntry);
        BASE_TRY(writer.append(entry_bytes(attribute.name_bytes, attribute.value_bytes),
                               [&](std::byte *to, size_t done, size_t size) -> base::Status {
                                   return old.copy(begin + done, to, size) ? base::Status{} : base::error(EUCLEAN);
                               }));
    }
    for (const XattrChange &change : changes)
        if (!change.is_removed)
            BASE_TRY(write_entry(writer, change.name, change));
    writer.finish();
    writer.checksum.add(head + sizeof(header), xattr_inline_bytes);
    writer.checksum.add_header(header);
    header.checksum = writer.checksum.value();
    std::memcpy(head, &header, sizeof(header));

    if (header.extra_block_count == 0 && header.size_bytes <= record_max_bytes) {
        // The rest of the block is zeroed by the record too: the checksum covers it.
        const size_t used_bytes = sizeof(header) + header.size_bytes;
        call.store(block * block_size_bytes, head, used_bytes);
        call.zero(block * block_size_bytes + used_bytes, block_size_bytes - used_bytes);
    } else {
        call.pool().persist.store_nt(block * block_size_bytes, head, block_size_bytes);
        if (!is_seeded(SeededFault::xattrs_not_fenced))
            BASE_TRY(call.fence_data());
    }
    inode.xattr_block = block;
    inode.xattr_block_count = 1 + header.extra_block_count;
    return {};
}

base::Status xattr_release(Call &call, Inode &inode) {
    XattrArea area(call.pool(), inode);
    if (!area.checksum_is_right())
        return base::error(EUCLEAN);
    free_area(call, area);
    inode.xattr_block = 0;
    inode.xattr_block_count = 0;
    inode.flags &= static_cast<uint16_t>(~inode_xattr_flags);
    return {};
}

} // namespace pmemfile
