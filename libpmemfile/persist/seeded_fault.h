// seeded_fault: mistakes that the engine makes on purpose, one at a time, in a build of its own
// for the test `crash_faults`: the crash explorer must notice each. In every other build a
// question after one is the constant `false` and leaves no code.
#pragma once

#include <cstdint>

namespace pmemfile {

enum class SeededFault : uint32_t {
    none,
    record_left_in_cache,         // the record is stored to the ring, but not flushed
    record_end_not_written,       // the record's last line is not written
    commit_not_fenced,            // the commit has no fence
    home_before_record,           // changes go home before their record is durable
    data_not_fenced,              // fresh data has no fence before the record that points to it
    user_data_not_flushed,        // data from the application's memory is not flushed
    taken_blocks_not_recorded,    // the record does not say which blocks it takes
    freed_blocks_not_recorded,    // the record does not say which blocks it frees
    taken_inode_not_recorded,     // the record does not say which inode it takes
    freed_before_commit,          // others may have what a call frees before it is committed
    padding_not_written,          // nothing fills a ring's end before a record that wraps
    homes_of_other_rings_left,    // who raises the watermark writes back the homes of its own ring alone
    checksum_not_checked,         // a torn record counts
    checksum_of_header_alone,     // a record with torn changes counts
    homes_of_last_records_left,   // who raises the watermark leaves out the homes of the last record that it passes
    home_end_not_flushed,         // the last line of a home store is not written back
    inode_checksum_left,          // an inode that changed keeps its old checksum
    inode_checksum_not_flushed,   // its new checksum is not written back
    bitmaps_not_flushed,          // bitmap words are not written back
    recovery_does_not_flush,      // recovery does not write back what it applies
    recovery_ring_by_ring,        // recovery applies one ring behind the other, not by LSN
    recovery_ignores_watermark,   // recovery applies records that are long at home
    recovery_ignores_frees,       // recovery applies changes to blocks that were freed since
    recovery_watermark_first,     // recovery raises the watermark with the homes, not after them
    recovery_keeps_ring_starts,   // recovery does not move the rings' starts
    recovery_repeats_lsns,        // recovery goes on with LSNs that are in the rings already
    watermark_passes_calls,       // the watermark passes calls under way
    watermark_without_homes,      // the watermark is raised, but homes are not written back
    watermark_with_homes,         // the watermark is raised with the homes, not after them
    watermark_not_flushed,        // the watermark is not written back
    ring_starts_with_watermark,   // the rings' starts move with the watermark, not after it
    ring_starts_not_flushed,      // the rings' starts are not written back
    ring_space_freed_early,       // a ring's space is used again before its new start is durable
    watermark_goes_back,          // the watermark goes back below what it has passed by name
    exempt_records_forgotten,     // the watermark passes a record that is not home, and nothing says so
    exempt_records_too_late,      // what says so is not durable before the watermark
    exempt_record_cut_off,        // the start of its ring passes it
    exempt_until_next_watermark,  // a name counts for the watermark that it was written for alone
    small_write_in_place,         // a small write goes home before its record
    tail_zeroed_in_place,         // the tail of a shrinking file is zeroed before its record
    xattrs_not_fenced,            // xattr_area: those that do not travel in the record
    allocated_zeros_not_fenced,   // fallocate's zeros have no fence before their record
    truncation_not_noted,         // a truncation in steps is not entered in the orphan table
    orphan_not_noted,             // an orphan is not entered in the orphan table
    orphan_slot_kept,             // an orphan's slot is not cleared when it is freed
    orphans_not_collected,        // the first attach does not free orphans
    rename_in_two_records,        // a rename's names and its inodes are two records
    link_in_two_records,          // a link's name and its count are two records
    fresh_blocks_left_in_cache,   // a transaction's fresh blocks are not written back
    own_frees_ignored,            // recovery applies changes to blocks that the same record freed
    share_not_counted,            // a clone does not count the blocks' new owner
    share_count_dropped_in_place, // a share count goes down before the record that drops the block
    shared_block_stored_to,       // a small write goes into a block that another file has too
    cut_block_not_parted,         // a truncation zeroes the end of a block that another file has too
    user_memory_read_twice,       // home is stored from the application's memory, which may be another by now
    mapped_data_not_flushed,      // a write to a mapped file is not written back
    growth_without_fence,         // the number of groups in use has no fence before it
    count,
};

#if PMEMFILE_SEEDED_FAULTS
extern SeededFault seeded_fault; // defined by the test
inline bool is_seeded(SeededFault fault) {
    return seeded_fault == fault;
}
#else
constexpr bool is_seeded(SeededFault) {
    return false;
}
#endif

} // namespace pmemfile
