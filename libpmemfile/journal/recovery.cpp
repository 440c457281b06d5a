// Recovery merges the rings' chains by LSN:
//
//   ring 0  start ─ 11 ─ 14 ─ 15 ─ torn        order: 11 12 13 14 15 17
//   ring 1  start ─ 12 ─ 13 ─ 17 ─ torn        (<= watermark: skipped)
//
// Within a ring LSNs ascend, so the merge needs one cursor a ring. A first pass
// gathers which blocks were freed and when: a change to a block that a later
// record freed is void, for the block may hold somebody else's fresh bytes by now. So is
// one to a block that the same record frees: a transaction may have changed and then freed it.
#include "libpmemfile/journal/recovery.h"

#include "base/raw_syscall.h"
#include "libpmemfile/journal/record.h"
#include "libpmemfile/persist/seeded_fault.h"

#include <algorithm>
#include <cstddef>
#include <sys/mman.h>

namespace pmemfile {
namespace {

// Follows a ring's chain from its durable start. Stops at the first record
// that is not whole: only the last one can be torn.
class ChainCursor {
public:
    void begin(const Pool &pool, uint64_t ring) {
        ring_ = ring;
        position_ = start_ =
            pool.at<RingHeader>(pool.superblock().ring_table_block * block_size_bytes)[ring].start_position;
        last_lsn_ = 0;
        load(pool);
    }
    const RecordHeader *record() const {
        return record_;
    }
    uint64_t position() const {
        return position_;
    }
    void advance(const Pool &pool) {
        position_ += record_->length_bytes;
        last_lsn_ = record_->lsn;
        load(pool);
    }

private:
    void load(const Pool &pool) {
        record_ = nullptr;
        if (position_ - start_ >= pool.superblock().ring_size_bytes)
            return;
        const RecordHeader *record = record_at(pool, ring_, position_);
        if (record != nullptr && record->lsn >= last_lsn_)
            record_ = record;
    }
    uint64_t ring_ = 0, start_ = 0, position_ = 0;
    Lsn last_lsn_ = 0;
    const RecordHeader *record_ = nullptr;
};

bool is_applied(const Superblock &superblock, const RingHeader &ring, Lsn lsn) {
    const bool is_dead = is_seeded(SeededFault::exempt_until_next_watermark) && lsn <= superblock.watermark &&
                         superblock.watermark != ring.exempt_watermark;
    return (is_live(superblock, ring, lsn) && !is_dead) || is_seeded(SeededFault::recovery_ignores_watermark);
}

// Visits all whole records that are live (is_live) in LSN order; leaves in
// `heads` where each ring goes on.
template <typename Visit> void visit_in_order(const Pool &pool, uint64_t *heads, Visit &&visit) {
    const uint64_t ring_count = pool.superblock().ring_count;
    const auto *headers = pool.at<RingHeader>(pool.superblock().ring_table_block * block_size_bytes);
    ChainCursor cursors[max_rings];
    for (uint64_t ring = 0; ring < ring_count; ring++)
        cursors[ring].begin(pool, ring);
    for (;;) {
        uint64_t next = ring_count;
        for (uint64_t ring = 0; ring < ring_count; ring++)
            if (cursors[ring].record() != nullptr &&
                (next == ring_count || (!is_seeded(SeededFault::recovery_ring_by_ring) &&
                                        cursors[ring].record()->lsn < cursors[next].record()->lsn)))
                next = ring;
        if (next == ring_count)
            break;
        if (is_applied(pool.superblock(), headers[next], cursors[next].record()->lsn) &&
            cursors[next].record()->change_count != padding_change_count)
            visit(*cursors[next].record());
        cursors[next].advance(pool);
    }
    for (uint64_t ring = 0; ring < ring_count; ring++)
        heads[ring] = cursors[ring].position();
}

// Which block was freed last when: open addressing in anonymous memory.
class RevokeTable {
public:
    base::Status reserve(uint64_t freed_blocks) {
        capacity_ = 64;
        while (capacity_ < freed_blocks * 2)
            capacity_ *= 2;
        const long address = base::raw_syscall(SYS_mmap, 0, static_cast<long>(capacity_ * sizeof(Entry)),
                                               PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base::is_error(address))
            return base::error(static_cast<int>(-address));
        entries_ = reinterpret_cast<Entry *>(address);
        return {};
    }
    ~RevokeTable() {
        if (entries_ != nullptr)
            base::raw_syscall(SYS_munmap, base::as_long(entries_), static_cast<long>(capacity_ * sizeof(Entry)));
    }
    void add(BlockNumber block, Lsn lsn) {
        Entry &entry = find(block);
        entry.block = block;
        entry.lsn = lsn; // records come in LSN order: the last one stays
    }
    bool is_revoked(BlockNumber block, Lsn lsn) const {
        const Lsn freed = find(block).lsn;
        return freed != 0 && freed >= lsn + (is_seeded(SeededFault::own_frees_ignored) ? 1 : 0);
    }

private:
    struct Entry {
        BlockNumber block;
        Lsn lsn;
    };
    Entry &find(BlockNumber block) const {
        uint64_t at = block * 0x9E3779B97F4A7C15ull & (capacity_ - 1);
        while (entries_[at].block != 0 && entries_[at].block != block)
            at = (at + 1) & (capacity_ - 1);
        return entries_[at];
    }
    Entry *entries_ = nullptr;
    uint64_t capacity_ = 0;
};

// The watermark and the rings' starts have no checksum, for they change alone. From a start that is not on a
// line the next record would go to an odd address; from numbers near 2^64 the next ones would wrap.
bool numbers_can_be(const Pool &pool) {
    const Superblock &superblock = pool.superblock();
    const auto *rings = pool.at<RingHeader>(superblock.ring_table_block * block_size_bytes);
    for (uint64_t ring = 0; ring < superblock.ring_count; ring++)
        if (rings[ring].start_position % cache_line_bytes != 0 || rings[ring].start_position > journal_number_max)
            return false;
    return superblock.watermark <= journal_number_max;
}

bool frees_blocks(ChangeKind kind) {
    return kind == ChangeKind::free_blocks || kind == ChangeKind::free_inode_block;
}

} // namespace

void journal_live_stores(const Pool &pool, void *context, void (*each)(void *context, PoolOffset target)) {
    uint64_t heads[max_rings];
    if (pool.superblock().ring_count > max_rings || !numbers_can_be(pool))
        return;
    visit_in_order(pool, heads, [&](const RecordHeader &record) {
        if (record_is_sane(pool, record))
            record_visit(record, [&](const Change &change, const std::byte *) {
                if (is_byte_change(change.kind))
                    each(context, change.target);
            });
    });
}

base::Result<RecoveryReport> journal_recover(Persist &persist, PoolOffset superblock_offset, uint64_t *head_positions) {
    Pool pool;
    pool.persist = persist;
    pool.superblock_offset = superblock_offset;
    const Superblock &superblock = pool.superblock();
    if (superblock.ring_count > max_rings || !numbers_can_be(pool))
        return base::error(EUCLEAN);

    RecoveryReport report;
    report.last_lsn = superblock.watermark;
    uint64_t freed_blocks = 0;
    bool is_sane = true;
    visit_in_order(pool, head_positions, [&](const RecordHeader &record) {
        is_sane = is_sane && record_is_sane(pool, record);
        if (!is_sane)
            return;
        report.records_found++;
        report.last_lsn = std::max(report.last_lsn, record.lsn); // an exempt one is not the last
        record_visit(record, [&](const Change &change, const std::byte *) {
            freed_blocks += frees_blocks(change.kind) ? change.length : 0;
        });
    });
    if (!is_sane)
        return base::error(EUCLEAN);

    struct Context {
        RevokeTable revoked;
        uint64_t skipped = 0;
    } context;
    BASE_TRY(context.revoked.reserve(freed_blocks));
    visit_in_order(pool, head_positions, [&](const RecordHeader &record) {
        record_visit(record, [&](const Change &change, const std::byte *) {
            if (frees_blocks(change.kind))
                for (uint32_t i = 0; i < change.length; i++)
                    context.revoked.add(change.target + i, record.lsn);
        });
    });
    visit_in_order(pool, head_positions, [&](const RecordHeader &record) {
        record_apply(
            pool, record,
            [](void *opaque, BlockNumber block, Lsn lsn) {
                auto &context = *static_cast<Context *>(opaque);
                const bool is_revoked =
                    !is_seeded(SeededFault::recovery_ignores_frees) && context.revoked.is_revoked(block, lsn);
                context.skipped += is_revoked ? 1 : 0;
                return is_revoked;
            },
            &context);
        if (!is_seeded(SeededFault::recovery_does_not_flush))
            record_flush_targets(pool, record);
        report.records_applied++;
    });
    report.changes_revoked = context.skipped;

    if (is_seeded(SeededFault::recovery_repeats_lsns))
        report.last_lsn = superblock.watermark;
    // Home first, then the watermark, then the rings' starts: a cut in between
    // leaves the same work to do again.
    const PoolOffset watermark = superblock_offset + offsetof(Superblock, watermark);
    bool is_durable = is_seeded(SeededFault::recovery_watermark_first) || pool.persist.sync_all();
    pool.persist.store64(watermark, report.last_lsn);
    pool.persist.flush(watermark, sizeof(Lsn));
    is_durable = pool.persist.fence() && is_durable;
    for (uint64_t ring = 0; ring < superblock.ring_count; ring++) {
        const PoolOffset start = superblock.ring_table_block * block_size_bytes + ring * sizeof(RingHeader);
        if (is_seeded(SeededFault::recovery_keeps_ring_starts))
            break;
        pool.persist.store64(start, head_positions[ring]);
        pool.persist.store64(start + offsetof(RingHeader, exempt_lsn), 0); // it is home
        pool.persist.flush(start, sizeof(RingHeader));
    }
    is_durable = pool.persist.fence() && is_durable;
    if (!is_durable)
        return base::error(EIO);
    return report;
}

} // namespace pmemfile
