// The tables of the runtime segment stand one behind the other, each on a page
// of its own, so that a process touches only the pages of what it uses: the
// file is sparse and most of it is never there.
#include "libpmemfile/runtime/segment.h"

namespace pmemfile {
namespace {

constexpr uint64_t page_align(uint64_t bytes) {
    return (bytes + block_size_bytes - 1) & ~(block_size_bytes - 1);
}
constexpr uint64_t group_bitmaps_bytes = 2 * block_size_bytes + max_blocks_per_group * 2;

} // namespace

void segment_lay_out(Segment &segment, uint64_t group_count, uint64_t orphan_slots) {
    uint64_t end = page_align(sizeof(Segment));
    auto table = [&end](uint64_t size_bytes) {
        const uint64_t begin = end;
        end = page_align(end + size_bytes);
        return begin;
    };
    segment.processes_offset = table(sizeof(ProcessSlot) * max_processes);
    segment.threads_offset = table(sizeof(ThreadSlot) * max_threads);
    segment.rings_offset = table(sizeof(RingState) * max_rings);
    segment.stripes_offset = table(sizeof(Stripe) * stripe_count);
    segment.open_files_offset = table(sizeof(OpenFile) * max_open_files);
    segment.mapping_pins_offset = table(sizeof(MappingPin) * max_mapping_pins);
    segment.advisory_locks_offset = table(sizeof(AdvisoryLock) * max_advisory_locks);
    segment.transactions_offset = table(sizeof(OpenTransaction) * max_transactions);
    segment.orphan_claims_offset = table(orphan_slots * sizeof(uint32_t));
    segment.groups_offset = table(sizeof(GroupState) * group_count);
    segment.bitmaps_stride = group_bitmaps_bytes;
    segment.bitmaps_offset = table(group_bitmaps_bytes * group_count);
    segment.group_count = group_count;
    segment.segment_size_bytes = end;
}

uint64_t segment_size_bytes(uint64_t group_count, uint64_t orphan_slots) {
    static_assert(sizeof(Segment) <= 2 * block_size_bytes);
    // Only the offsets matter: a Segment on the stack is laid out and thrown away.
    alignas(64) std::byte memory[sizeof(Segment)] = {};
    auto &scratch = *reinterpret_cast<Segment *>(memory);
    segment_lay_out(scratch, group_count, orphan_slots);
    return scratch.segment_size_bytes;
}

} // namespace pmemfile
