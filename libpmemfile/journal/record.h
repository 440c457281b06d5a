// record: one call's changes as they stand in a ring, and how they are applied.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/runtime/pool.h"
#include "libpmemfile/runtime/space_map.h"
#include "libpmemfile/runtime/thread.h"

#include <span>

namespace pmemfile {

// Change count of a record that only fills a ring up to its end: no changes,
// and its checksum covers its first line alone (the rest is not written).
constexpr uint32_t padding_change_count = UINT32_MAX;

// No LSN and no ring position is larger in a sound pool: one a nanosecond takes 146 years.
constexpr uint64_t journal_number_max = uint64_t{1} << 62;

// The ring of a pool as memory.
PoolOffset ring_offset(const Superblock &superblock, uint64_t ring);

// Does a change of this kind store bytes at `target`? The others change bitmaps.
constexpr bool is_byte_change(ChangeKind kind) {
    return kind == ChangeKind::store || kind == ChangeKind::zero || kind == ChangeKind::fill_pointers;
}

// Bytes of payload that follow a change of this kind and length.
size_t change_payload_bytes(ChangeKind kind, uint32_t length);

// Bytes of it that are written, of which all but the checksum are checked.
size_t record_written_bytes(const RecordHeader &record);
uint64_t record_checksum(const Superblock &superblock, uint64_t ring, const RecordHeader &record);
// The same. The thread keeps what is worked out of a ring's seed for records of more than 240 bytes.
uint64_t record_checksum(Thread &thread, uint64_t ring, const RecordHeader &record);

// The record that stands at `position` of `ring` and is whole (position,
// length and checksum are right), else null.
const RecordHeader *record_at(const Pool &pool, uint64_t ring, uint64_t position);

// True when every change of a whole record stays inside the pool's file and is
// of a known kind: what recovery asks before it applies anything.
bool record_is_sane(const Pool &pool, const RecordHeader &record);

// Stores the changes at their home locations (cached stores). With `revoked`, asks it for each change of bytes whether
// a later record, or this one, has freed its block, and skips it then.
using RevokedQuery = bool (*)(void *context, BlockNumber block, Lsn lsn);
void record_apply(Pool &pool, const RecordHeader &record, RevokedQuery revoked = nullptr, void *context = nullptr);

// Stores the changes of bytes alone, and no write-back: for the private view of a transaction, where
// nobody reads the bitmaps.
void record_apply_bytes(Pool &pool, const RecordHeader &record);

// Starts the write-back of the record's targets (recovery).
void record_flush_targets(Pool &pool, const RecordHeader &record);

// Starts the write-back of what the records of `ring` in [position, head) up to LSN `w` have changed. Both are record
// boundaries of the chain, and none of these records is written over meanwhile (the raiser's lock keeps the start where
// it is). Each line once: `recent` knows those of earlier rings (zeros at first, a power of two of them).
void record_flush_chain(Pool &pool, uint64_t ring, uint64_t position, uint64_t head, Lsn w, std::span<uint64_t> recent);

// Calls each(context, run) for the blocks that the record with this LSN at `position` frees; the ring is not held, and
// its owner may write over it meanwhile. Of a torn record it may tell too much.
void record_freed_unheld(const Pool &pool, uint64_t ring, uint64_t position, Lsn lsn, void *context,
                         void (*each)(void *context, BlockRun run));

// Calls visit(context, change, payload) for each change in order.
template <typename Visit> void record_visit(const RecordHeader &record, Visit &&visit) {
    if (record.change_count == padding_change_count)
        return;
    const auto *bytes = reinterpret_cast<const std::byte *>(&record);
    size_t at = sizeof(RecordHeader);
    for (uint32_t i = 0; i < record.change_count; i++) {
        const auto &change = *reinterpret_cast<const Change *>(bytes + at);
        visit(change, bytes + at + sizeof(Change));
        at += sizeof(Change) + change_payload_bytes(change.kind, change.length);
    }
}

} // namespace pmemfile
