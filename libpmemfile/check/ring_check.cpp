// A crash tears at most the last record of a ring (and the padding before it, which is of
// the same call), for the next one is written after a fence. So a live record behind
// a torn one is damage, and so is one that the ring's start does not lead to.
//
//   ring  start ─ 11 ─ 14 ─ (damaged) ─ 17 ─ 19      17 and 19 had been committed; nothing leads to them
#include "libpmemfile/check/ring_check.h"

#include "libpmemfile/journal/record.h"

#include <algorithm>

namespace pmemfile {

namespace {

Pool pool_of(const Persist &persist, PoolOffset superblock_offset) {
    Pool pool;
    pool.persist = persist;
    pool.superblock_offset = superblock_offset;
    return pool;
}

RingFinding finding_of(const Pool &pool, uint64_t ring) {
    const Superblock &sb = pool.superblock();
    const RingHeader &header_line = pool.at<RingHeader>(sb.ring_table_block * block_size_bytes)[ring];
    const uint64_t start = header_line.start_position;
    RingFinding finding;
    finding.start_is_wrong = start % cache_line_bytes != 0 || start > journal_number_max;
    uint64_t end = start;
    Lsn last_in_chain = 0;
    while (!finding.start_is_wrong && end - start < sb.ring_size_bytes) {
        const RecordHeader *record = record_at(pool, ring, end);
        if (record == nullptr || record->lsn < last_in_chain)
            break;
        last_in_chain = record->lsn;
        end += record->length_bytes;
    }
    uint64_t highest = finding.start_is_wrong ? 0 : end;
    for (uint64_t within = 0; within < sb.ring_size_bytes; within += cache_line_bytes) {
        const auto *header = pool.at<RecordHeader>(ring_offset(sb, ring) + within);
        if (header->lsn == 0 || header->position % sb.ring_size_bytes != within ||
            header->position > journal_number_max)
            continue;
        const RecordHeader *record = record_at(pool, ring, header->position);
        if (record == nullptr)
            continue;
        highest = std::max(highest, record->position + record->length_bytes);
        finding.last_lsn = std::max(finding.last_lsn, record->lsn);
        const bool in_chain = !finding.start_is_wrong && record->position >= start && record->position < end;
        // Its padding is torn: the last call, cut before its fence.
        const bool behind_padding = within == 0 && record->position - end < sb.ring_size_bytes;
        if (!in_chain && !behind_padding && is_live(sb, header_line, record->lsn))
            ++finding.lost_records;
    }
    finding.fresh_start = (highest / sb.ring_size_bytes + 1) * sb.ring_size_bytes;
    return finding;
}

} // namespace

std::vector<RingFinding> ring_findings(const Persist &persist, PoolOffset superblock_offset) {
    const Pool pool = pool_of(persist, superblock_offset);
    std::vector<RingFinding> findings;
    for (uint64_t ring = 0; ring < pool.superblock().ring_count; ++ring)
        findings.push_back(finding_of(pool, ring));
    return findings;
}

void ring_begin_anew(Persist &persist, PoolOffset superblock_offset, uint64_t ring, const RingFinding &finding) {
    const Pool pool = pool_of(persist, superblock_offset);
    const Superblock &sb = pool.superblock();
    // The watermark first: a cut in between leaves the ring to be found again.
    if (sb.watermark < finding.last_lsn) {
        const PoolOffset watermark = superblock_offset + offsetof(Superblock, watermark);
        persist.store64(watermark, finding.last_lsn);
        persist.flush(watermark, sizeof(Lsn));
        static_cast<void>(persist.fence());
    }
    const PoolOffset start = sb.ring_table_block * block_size_bytes + ring * sizeof(RingHeader);
    persist.store64(start, finding.fresh_start);
    persist.flush(start, sizeof(uint64_t));
    static_cast<void>(persist.fence());
}

} // namespace pmemfile
