// The explorer must be able to see. The engine is built a second time for this test, with mistakes
// that can be switched on one at a time (libpmemfile/persist/seeded_fault.h); each must be
// noticed. A process of its own for each: a damaged pool may well end it.
#include "libpmemfile/persist/seeded_fault.h"
#include "tests/crash/script.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

namespace pmemfile {
SeededFault seeded_fault = SeededFault::none;
}

namespace crash {
namespace {

using pmemfile::SeededFault;

struct Case {
    SeededFault fault;
    const char *name;
    const char *script; // that notices it: made first
};

constexpr Case cases[] = {
    {SeededFault::record_left_in_cache, "record_left_in_cache", "attributes"},
    {SeededFault::record_end_not_written, "record_end_not_written", "attributes"},
    {SeededFault::commit_not_fenced, "commit_not_fenced", "attributes"},
    {SeededFault::home_before_record, "home_before_record", "attributes"},
    {SeededFault::data_not_fenced, "data_not_fenced", "data"},
    {SeededFault::user_data_not_flushed, "user_data_not_flushed", "data"},
    {SeededFault::taken_blocks_not_recorded, "taken_blocks_not_recorded", "attributes"},
    {SeededFault::freed_blocks_not_recorded, "freed_blocks_not_recorded", "data"},
    {SeededFault::taken_inode_not_recorded, "taken_inode_not_recorded", "attributes"},
    {SeededFault::freed_before_commit, "freed_before_commit", "reuse"},
    {SeededFault::padding_not_written, "padding_not_written", "turns"},
    {SeededFault::homes_of_other_rings_left, "homes_of_other_rings_left", "turns"},
    {SeededFault::checksum_not_checked, "checksum_not_checked", "attributes"},
    {SeededFault::checksum_of_header_alone, "checksum_of_header_alone", "attributes"},
    {SeededFault::homes_of_last_records_left, "homes_of_last_records_left", "overtaking"},
    {SeededFault::home_end_not_flushed, "home_end_not_flushed", "data"},
    {SeededFault::inode_checksum_left, "inode_checksum_left", "overtaking"},
    {SeededFault::inode_checksum_not_flushed, "inode_checksum_not_flushed", "overtaking"},
    {SeededFault::bitmaps_not_flushed, "bitmaps_not_flushed", "attributes"},
    {SeededFault::recovery_does_not_flush, "recovery_does_not_flush", "attributes"},
    {SeededFault::recovery_ring_by_ring, "recovery_ring_by_ring", "turns"},
    {SeededFault::recovery_ignores_watermark, "recovery_ignores_watermark", "interleaved"},
    {SeededFault::recovery_ignores_frees, "recovery_ignores_frees", "data"},
    {SeededFault::recovery_watermark_first, "recovery_watermark_first", "attributes"},
    {SeededFault::recovery_keeps_ring_starts, "recovery_keeps_ring_starts", "laps"},
    {SeededFault::recovery_repeats_lsns, "recovery_repeats_lsns", "interleaved"},
    {SeededFault::watermark_passes_calls, "watermark_passes_calls", "overtaking"},
    {SeededFault::watermark_without_homes, "watermark_without_homes", "overtaking"},
    {SeededFault::watermark_with_homes, "watermark_with_homes", "overtaking"},
    {SeededFault::watermark_not_flushed, "watermark_not_flushed", "alternate"},
    {SeededFault::ring_starts_with_watermark, "ring_starts_with_watermark", "alternate"},
    {SeededFault::ring_starts_not_flushed, "ring_starts_not_flushed", "overtaking"},
    {SeededFault::ring_space_freed_early, "ring_space_freed_early", "laps"},
    {SeededFault::watermark_goes_back, "watermark_goes_back", "held up"},
    {SeededFault::exempt_records_forgotten, "exempt_records_forgotten", "held up"},
    {SeededFault::exempt_records_too_late, "exempt_records_too_late", "held up"},
    {SeededFault::exempt_record_cut_off, "exempt_record_cut_off", "held up"},
    {SeededFault::exempt_until_next_watermark, "exempt_until_next_watermark", "held up"},
    {SeededFault::small_write_in_place, "small_write_in_place", "data"},
    {SeededFault::tail_zeroed_in_place, "tail_zeroed_in_place", "data"},
    {SeededFault::xattrs_not_fenced, "xattrs_not_fenced", "extended attributes"},
    {SeededFault::allocated_zeros_not_fenced, "allocated_zeros_not_fenced", "data"},
    {SeededFault::truncation_not_noted, "truncation_not_noted", "steps"},
    {SeededFault::orphan_not_noted, "orphan_not_noted", "names"},
    {SeededFault::orphan_slot_kept, "orphan_slot_kept", "names"},
    {SeededFault::orphans_not_collected, "orphans_not_collected", "names"},
    {SeededFault::rename_in_two_records, "rename_in_two_records", "names"},
    {SeededFault::link_in_two_records, "link_in_two_records", "names"},
    {SeededFault::fresh_blocks_left_in_cache, "fresh_blocks_left_in_cache", "transactions"},
    {SeededFault::own_frees_ignored, "own_frees_ignored", "transactions"},
    {SeededFault::share_not_counted, "share_not_counted", "clones"},
    {SeededFault::share_count_dropped_in_place, "share_count_dropped_in_place", "clones"},
    {SeededFault::shared_block_stored_to, "shared_block_stored_to", "clones"},
    {SeededFault::cut_block_not_parted, "cut_block_not_parted", "clones"},
    {SeededFault::user_memory_read_twice, "user_memory_read_twice", "flipping"},
    {SeededFault::mapped_data_not_flushed, "mapped_data_not_flushed", "mapped"},
    {SeededFault::growth_without_fence, "growth_without_fence", "growth"},
};
// `none` is not in the list.
static_assert(std::size(cases) + 1 == static_cast<size_t>(SeededFault::count));

struct Script {
    const char *name;
    void (*run)(Explorer &, std::mt19937 &);
};

constexpr Script scripts[] = {
    {"attributes", [](Explorer &explorer, std::mt19937 &) { attributes(explorer); }},
    {"data", [](Explorer &explorer, std::mt19937 &) { data(explorer); }},
    {"names", [](Explorer &explorer, std::mt19937 &) { names(explorer); }},
    {"interleaved", [](Explorer &explorer, std::mt19937 &random) { interleaved(explorer, random, 120); }},
    {"overtaking", [](Explorer &explorer, std::mt19937 &) { overtaking(explorer); }},
    {"held up", [](Explorer &explorer, std::mt19937 &) { held_up(explorer, 3); }},
    {"turns", [](Explorer &explorer, std::mt19937 &) { turns(explorer, 5); }},
    {"reuse", [](Explorer &explorer, std::mt19937 &) { reuse(explorer); }},
    {"alternate", [](Explorer &explorer, std::mt19937 &) { alternate(explorer, 24); }},
    {"laps", [](Explorer &explorer, std::mt19937 &) { laps(explorer, 2); }},
    {"succession", [](Explorer &explorer, std::mt19937 &) { succession(explorer); }},
    {"clones", [](Explorer &explorer, std::mt19937 &) { clones(explorer); }},
    {"mapped", [](Explorer &explorer, std::mt19937 &) { mapped(explorer); }},
    {"flipping", [](Explorer &explorer, std::mt19937 &) { flipping(explorer); }},
    {"transactions", [](Explorer &explorer, std::mt19937 &) { transactions(explorer); }},
    {"extended attributes", [](Explorer &explorer, std::mt19937 &) { extended_attributes(explorer); }},
    {"growth", [](Explorer &explorer, std::mt19937 &) { growth(explorer); }},
    {"steps", [](Explorer &explorer, std::mt19937 &) { steps(explorer); }},
    {"crashes", [](Explorer &explorer, std::mt19937 &random) { crashes(explorer, random, 12); }},
};

constexpr int sound = 0, noticed = 1;

// True when the script finds something. With a fault even its preparation may fail, since recovery was part of it.
bool is_noticed_by(const Script &script, SeededFault fault) {
    pmemfile::seeded_fault = SeededFault::none; // the new pool is made without it
    // Not destroyed: a damaged pool may not be left in order.
    auto &explorer = *new Explorer(Effort{32, 12, 16, 8, 8, true}, 1);
    pmemfile::seeded_fault = fault;
    std::mt19937 random(1);
    std::string what;
    try {
        script.run(explorer, random);
    } catch (const std::exception &exception) {
        what = exception.what();
    }
    if (!explorer.findings().empty())
        what = explorer.findings()[0];
    if (!what.empty())
        std::printf("  %s, after %lu images: %s\n", script.name, static_cast<unsigned long>(explorer.image_count()),
                    what.substr(0, what.find('\n')).c_str());
    std::fflush(stdout);
    return !what.empty();
}

// In the child: the scripts, the likeliest first, until one finds something.
int explore_with(SeededFault fault, const std::string &first) {
    for (const Script &script : scripts)
        if (script.name == first && is_noticed_by(script, fault))
            return noticed;
    for (const Script &script : scripts)
        if (fault != SeededFault::none && script.name != first && is_noticed_by(script, fault))
            return noticed;
    return sound;
}

// How the child ended: `sound`, `noticed`, or the signal that ended it, as the shell counts it.
int outcome_of(SeededFault fault, const std::string &first) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(120);
        _exit(explore_with(fault, first));
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// For the reports of gtest.
void PrintTo(const Case &one, std::ostream *stream) {
    *stream << one.name;
}

class SeededFaults : public testing::TestWithParam<Case> {};

TEST_P(SeededFaults, IsNoticed) {
    const int outcome = outcome_of(GetParam().fault, GetParam().script);
    if (outcome > 128)
        std::printf("  ended by signal %d\n", outcome - 128);
    // An end by a signal (a fault in recovery may well lead to one) is noticed too; one by the alarm is not.
    EXPECT_TRUE(outcome == noticed || (outcome > 128 && outcome != 128 + SIGALRM)) << "outcome " << outcome;
}

INSTANTIATE_TEST_SUITE_P(Explorer, SeededFaults, testing::ValuesIn(cases),
                         [](const auto &parameter) { return std::string(parameter.param.name); });

// The same engine without a fault: what is noticed above is the fault and nothing else. (All scripts
// without a fault are the test `crash`.)
TEST(NoFault, IsSound) {
    for (const char *script : {"attributes", "data", "names", "reuse", "succession"})
        EXPECT_EQ(outcome_of(SeededFault::none, script), sound) << script;
}

} // namespace
} // namespace crash
