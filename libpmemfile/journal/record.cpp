// A record in its ring, and its way home:
//
//   ring  …│header│change│payload│change│change│payload│pad to 64│…
//                    │
//                    └─ store ──► home location (cached) ── clwb by who raises the watermark
//
// Records are contiguous: where one does not fit before the ring's end, a
// record without changes fills the rest, so that every record can be read in place.
#include "libpmemfile/journal/record.h"

#include "libpmemfile/journal/inode_checksum.h"
#include "libpmemfile/persist/eviction.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/space_map.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>
static_assert(sizeof(pmemfile::Thread::checksum_secret) == XXH3_SECRET_DEFAULT_SIZE);

namespace pmemfile {
namespace {

// Bitmap words of a group's three bitmaps on the media.
struct GroupBitmaps {
    PoolOffset blocks, inode_blocks, inode_masks;
};

GroupBitmaps group_bitmaps(const GroupDescriptor &group) {
    const PoolOffset first = group.first_block * block_size_bytes;
    return {first, first + block_size_bytes, first + 2 * block_size_bytes};
}

// The 64-bit words that a run of bits covers: calls each(word offset, mask).
template <typename Each> void for_bit_words(PoolOffset bitmap, uint64_t first, uint64_t count, Each &&each) {
    while (count > 0) {
        const uint64_t shift = first % 64;
        const uint64_t here = count < 64 - shift ? count : 64 - shift;
        const uint64_t mask = (here == 64 ? ~uint64_t{0} : (uint64_t{1} << here) - 1) << shift;
        each(bitmap + first / 64 * 8, mask);
        first += here;
        count -= here;
    }
}

// Calls each(word offset, mask, set?) for all bitmap words that a change of the
// allocation kinds touches.
template <typename Each> void for_allocation_words(const Pool &pool, const Change &change, Each &&each) {
    const bool is_inode = change.kind == ChangeKind::take_inode || change.kind == ChangeKind::free_inode;
    const BlockNumber block = is_inode ? change.target / inodes_per_block : change.target;
    const GroupDescriptor &group = group_descriptor(pool, group_of_block(pool, block));
    const GroupBitmaps bitmaps = group_bitmaps(group);
    const uint64_t bit = block - group.first_block;
    auto run = [&](PoolOffset bitmap, uint64_t first, uint64_t count, bool set) {
        for_bit_words(bitmap, first, count, [&](PoolOffset word, uint64_t mask) { each(word, mask, set); });
    };
    switch (change.kind) {
    case ChangeKind::take_blocks:
        return run(bitmaps.blocks, bit, change.length, true);
    case ChangeKind::free_blocks:
        return run(bitmaps.blocks, bit, change.length, false);
    case ChangeKind::take_inode_block:
        run(bitmaps.inode_masks, bit * inodes_per_block, inodes_per_block, false); // until now it meant nothing
        run(bitmaps.blocks, bit, 1, true);
        return run(bitmaps.inode_blocks, bit, 1, true);
    case ChangeKind::free_inode_block:
        run(bitmaps.inode_blocks, bit, 1, false);
        return run(bitmaps.blocks, bit, 1, false);
    case ChangeKind::take_inode:
    case ChangeKind::free_inode:
        return run(bitmaps.inode_masks, bit * inodes_per_block + change.target % inodes_per_block, 1,
                   change.kind == ChangeKind::take_inode);
    default:
        return;
    }
}

size_t target_bytes(const Change &change) {
    return change.kind == ChangeKind::fill_pointers ? size_t{change.length} * 8 : change.length;
}

uint64_t checksum_seed(const Superblock &superblock, uint64_t ring) {
    return superblock.journal_nonce ^ ((ring + 1) * 0x9E3779B97F4A7C15ull);
}

std::span<const std::byte> checked_bytes(const RecordHeader &record) {
    const auto *bytes = reinterpret_cast<const std::byte *>(&record) + sizeof(record.checksum);
    const size_t size_bytes = record_written_bytes(record) - sizeof(record.checksum);
    return {bytes, is_seeded(SeededFault::checksum_of_header_alone) ? 24 : size_bytes};
}

// Inside the pool's file, and of a known kind.
bool change_is_sane(const Pool &pool, const Change &change) {
    if (is_byte_change(change.kind)) {
        // Only what lies in groups, and the orphan table: nobody else would notice a new superblock.
        const uint64_t pool_bytes = pool.persist.size_bytes();
        const PoolOffset first_group = group_descriptor(pool, 0).first_block * block_size_bytes;
        const PoolOffset orphans = pool.superblock().orphan_table_block * block_size_bytes;
        const PoolOffset orphans_end = orphans + pool.superblock().orphan_slots * sizeof(OrphanSlot);
        return (change.target >= first_group && change.target < pool_bytes &&
                target_bytes(change) <= pool_bytes - change.target) ||
               (change.target >= orphans && change.target < orphans_end &&
                target_bytes(change) <= orphans_end - change.target);
    }
    if (change.kind < ChangeKind::take_blocks || change.kind > ChangeKind::free_inode)
        return false;
    const bool is_inode = change.kind >= ChangeKind::take_inode;
    const BlockNumber block = is_inode ? change.target / inodes_per_block : change.target;
    const uint64_t group = group_of_block(pool, block);
    if (group >= groups_in_use(pool.superblock()))
        return false;
    const GroupDescriptor &descriptor = group_descriptor(pool, group);
    return is_inode || change.length <= descriptor.block_count - (block - descriptor.first_block);
}

// Flushes lines once although several changes of a record may touch them. Inodes in them get their checksums first.
class LineFlusher {
public:
    // `recent`, zeros at first, a power of two of them: lines that were flushed.
    LineFlusher(Pool &pool, std::span<uint64_t> recent)
        : pool_(pool), has_checksums_(has_inode_checksums(pool.superblock())), recent_(recent) {}
    void range(PoolOffset target, size_t size_bytes) {
        if (is_seeded(SeededFault::home_end_not_flushed) && size_bytes > cache_line_bytes)
            size_bytes -= cache_line_bytes;
        if (size_bytes == 0)
            return;
        if (size_bytes > 4 * cache_line_bytes)
            return pool_.persist.flush(target, size_bytes); // larger than an inode
        const uint64_t last = (target + size_bytes - 1) / cache_line_bytes;
        for (uint64_t line = target / cache_line_bytes; line <= last; line++)
            if (is_new(line))
                pool_.persist.flush(line * cache_line_bytes, cache_line_bytes);
    }
    // Before range(). An inode is hashed once: whatever the records change is at home already.
    void checksum(PoolOffset target) {
        const InodeNumber place = target / inode_size_bytes;
        if (!has_checksums_ || !is_new(place | inode_key) || !is_inode(pool_, place) ||
            !inode_checksum_renew(pool_, place) || is_seeded(SeededFault::inode_checksum_not_flushed))
            return;
        const uint64_t line = (place * inode_size_bytes + offsetof(Inode, checksum)) / cache_line_bytes;
        is_new(line);
        pool_.persist.flush(line * cache_line_bytes, cache_line_bytes);
    }

private:
    static constexpr uint64_t inode_key = uint64_t{1} << 63; // in `recent_`: not a line, but an inode's number
    bool is_new(uint64_t line) {
        uint64_t &seen = recent_[line & (recent_.size() - 1)];
        return std::exchange(seen, line) != line;
    }
    Pool &pool_;
    const bool has_checksums_;
    std::span<uint64_t> recent_;
};

void flush_change(LineFlusher &flusher, const Pool &pool, const Change &change) {
    if (is_byte_change(change.kind)) {
        flusher.checksum(change.target);
        flusher.range(change.target, target_bytes(change));
    } else if (!is_seeded(SeededFault::bitmaps_not_flushed))
        for_allocation_words(pool, change, [&](PoolOffset word, uint64_t, bool) { flusher.range(word, 8); });
}

void apply_bytes(Persist &persist, const Change &change, const std::byte *payload) {
    if (change.kind == ChangeKind::zero) {
        persist.zero(change.target, change.length);
    } else if (change.kind == ChangeKind::fill_pointers) {
        const auto &fill = *reinterpret_cast<const PointerFill *>(payload);
        for (uint32_t i = 0; i < change.length; i++)
            persist.store64(change.target + i * 8, fill.first_value + i * fill.stride);
    } else if (change.length == 8) {
        persist.store64(change.target, *reinterpret_cast<const uint64_t *>(payload));
    } else {
        persist.store(change.target, payload, change.length);
    }
}

} // namespace

PoolOffset ring_offset(const Superblock &superblock, uint64_t ring) {
    return superblock.ring_first_block * block_size_bytes + ring * superblock.ring_size_bytes;
}

size_t change_payload_bytes(ChangeKind kind, uint32_t length) {
    switch (kind) {
    case ChangeKind::store:
        return (size_t{length} + 7) & ~size_t{7};
    case ChangeKind::fill_pointers:
        return sizeof(PointerFill);
    default:
        return 0;
    }
}

size_t record_written_bytes(const RecordHeader &record) {
    return record.change_count == padding_change_count ? cache_line_bytes : record.length_bytes;
}

uint64_t record_checksum(const Superblock &superblock, uint64_t ring, const RecordHeader &record) {
    const std::span<const std::byte> bytes = checked_bytes(record);
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), checksum_seed(superblock, ring));
}

uint64_t record_checksum(Thread &thread, uint64_t ring, const RecordHeader &record) {
    const std::span<const std::byte> bytes = checked_bytes(record);
    const uint64_t seed = checksum_seed(thread.pool->superblock(), ring);
    if (bytes.size() <= XXH3_MIDSIZE_MAX)
        return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
    if (!thread.has_checksum_secret || thread.checksum_seed != seed) {
        XXH3_generateSecret_fromSeed(thread.checksum_secret, seed);
        thread.checksum_seed = seed;
        thread.has_checksum_secret = true;
    }
    return XXH3_64bits_withSecretandSeed(bytes.data(), bytes.size(), thread.checksum_secret,
                                         sizeof(thread.checksum_secret), seed);
}

const RecordHeader *record_at(const Pool &pool, uint64_t ring, uint64_t position) {
    const Superblock &superblock = pool.superblock();
    const uint64_t within = position % superblock.ring_size_bytes;
    if (within % cache_line_bytes != 0)
        return nullptr; // a damaged start: no record begins there
    const auto *record = pool.at<RecordHeader>(ring_offset(superblock, ring) + within);
    const uint32_t length = record->length_bytes;
    if (record->position != position || record->lsn == 0 || record->lsn > journal_number_max ||
        length < cache_line_bytes || length % cache_line_bytes != 0 || length > superblock.ring_size_bytes - within)
        return nullptr;
    if (is_seeded(SeededFault::checksum_not_checked))
        return record;
    return record->checksum == record_checksum(superblock, ring, *record) ? record : nullptr;
}

bool record_is_sane(const Pool &pool, const RecordHeader &record) {
    const auto *bytes = reinterpret_cast<const std::byte *>(&record);
    size_t at = sizeof(RecordHeader);
    if (record.change_count == padding_change_count)
        return true;
    for (uint32_t i = 0; i < record.change_count; i++) {
        if (at + sizeof(Change) > record.length_bytes)
            return false;
        const auto &change = *reinterpret_cast<const Change *>(bytes + at);
        at += sizeof(Change) + change_payload_bytes(change.kind, change.length);
        if (at > record.length_bytes)
            return false;
        if (!change_is_sane(pool, change))
            return false;
    }
    return true;
}

void record_apply(Pool &pool, const RecordHeader &record, RevokedQuery revoked, void *context) {
    record_visit(record, [&](const Change &change, const std::byte *payload) {
        if (!is_byte_change(change.kind))
            for_allocation_words(pool, change, [&](PoolOffset word, uint64_t mask, bool set) {
                if (set)
                    pool.persist.or64(word, mask);
                else
                    pool.persist.and64(word, ~mask);
            });
        else if (revoked == nullptr || !revoked(context, change.target / block_size_bytes, record.lsn))
            apply_bytes(pool.persist, change, payload);
    });
}

void record_apply_bytes(Pool &pool, const RecordHeader &record) {
    record_visit(record, [&](const Change &change, const std::byte *payload) {
        if (is_byte_change(change.kind))
            apply_bytes(pool.persist, change, payload);
    });
}

void record_flush_targets(Pool &pool, const RecordHeader &record) {
    uint64_t recent[16] = {};
    LineFlusher flusher(pool, recent);
    record_visit(record, [&](const Change &change, const std::byte *) { flush_change(flusher, pool, change); });
}

namespace {

// Nothing that is read here may be trusted, or read twice: each change is copied, then judged. The
// header is written over before what follows it, so it tells whether the copy is still the record's.
template <typename Visit>
void visit_unheld(const Pool &pool, uint64_t ring, uint64_t position, Lsn lsn, Visit &&visit) {
    const Superblock &superblock = pool.superblock();
    const uint64_t within = position % superblock.ring_size_bytes;
    const auto *home = pool.at<volatile RecordHeader>(ring_offset(superblock, ring) + within);
    const uint32_t count = home->change_count;
    const uint64_t length = std::min<uint64_t>(home->length_bytes, superblock.ring_size_bytes - within);
    if (count == padding_change_count)
        return;
    size_t at = sizeof(RecordHeader);
    for (uint32_t i = 0; i < count && at + sizeof(Change) <= length; i++) {
        Change change;
        const auto *words =
            reinterpret_cast<const volatile uint64_t *>(reinterpret_cast<const volatile std::byte *>(home) + at);
        const uint64_t copy[] = {words[0], words[1]};
        static_assert(sizeof(copy) == sizeof(Change));
        std::memcpy(&change, copy, sizeof(change));
        if (home->lsn != lsn || home->position != position || !change_is_sane(pool, change))
            return;
        visit(change);
        at += sizeof(Change) + change_payload_bytes(change.kind, change.length);
    }
}

} // namespace

void record_flush_chain(Pool &pool, uint64_t ring, uint64_t position, uint64_t head, Lsn w,
                        std::span<uint64_t> recent) {
    const Superblock &superblock = pool.superblock();
    LineFlusher flusher(pool, recent);
    while (position < head) {
        const uint64_t within = position % superblock.ring_size_bytes;
        const auto &record = *pool.at<RecordHeader>(ring_offset(superblock, ring) + within);
        const uint32_t length = record.length_bytes;
        // A damaged chain is followed no further, by recovery neither.
        if (record.position != position || record.lsn > w || length < cache_line_bytes ||
            length % cache_line_bytes != 0 || length > superblock.ring_size_bytes - within ||
            !record_is_sane(pool, record))
            return;
        record_visit(record, [&](const Change &change, const std::byte *) { flush_change(flusher, pool, change); });
        if (pool.persist.has_write_back())
            evict_lines(&record, record_written_bytes(record)); // the ring's next lap writes past the cache again
        position += length;
    }
}

void record_freed_unheld(const Pool &pool, uint64_t ring, uint64_t position, Lsn lsn, void *context,
                         void (*each)(void *context, BlockRun run)) {
    visit_unheld(pool, ring, position, lsn, [&](const Change &change) {
        if (change.kind == ChangeKind::free_blocks || change.kind == ChangeKind::free_inode_block)
            each(context, {change.target, change.length});
    });
}

} // namespace pmemfile
