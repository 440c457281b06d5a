// The order matters: recovery trusts the tables and the rings' starts, and the tree
// can be judged only when the journal's records are home.
//
//   superblock, group table ─► rings ─► recovery ─► rings that lost records begin anew ─► tree
//
// From the tree's first repair to the last the superblock says "failed", so that nobody uses a half repaired pool.
#include "libpmemfile/check/fsck.h"

#include "libpmemfile/check/repair_plan.h"
#include "libpmemfile/check/ring_check.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/journal/record.h"
#include "libpmemfile/runtime/layout_check.h"
#include "libpmemfile/runtime/segment.h"

#include <cstring>
#include <memory>

namespace pmemfile {

namespace {

bool tables_are_sound(const Persist &persist, PoolOffset superblock_offset) {
    if (superblock_problem(persist, superblock_offset).text != nullptr)
        return false;
    const auto &sb = *reinterpret_cast<const Superblock *>(persist.base() + superblock_offset);
    const auto *groups =
        reinterpret_cast<const GroupDescriptor *>(persist.base() + sb.group_table_block * block_size_bytes);
    BlockNumber next_free = 1;
    for (uint64_t i = 0; i < sb.group_count; ++i) {
        if (group_problem(persist, sb, i, next_free).text != nullptr)
            return false;
        next_free = groups[i].first_block + groups[i].block_count;
    }
    return true;
}

// By the engine, as in any other process.
base::Status carry_out(const Persist &persist, PoolOffset superblock_offset, const RepairPlan &plan) {
    Pool pool;
    BASE_TRY(pool_attach_image(pool, persist.base(), persist.size_bytes(), superblock_offset, persist.observer(),
                               persist.medium()));
    auto thread = std::make_unique<Thread>();
    base::Status done = thread_register(*thread, pool);
    if (done.ok()) {
        pool.segment->failed.store(0); // for us alone: the segment is private
        done = orphan_collect_all(*thread);
        if (done.ok())
            done = repair_plan_apply(*thread, plan);
        thread_release(*thread);
    }
    pool_detach(pool);
    return done;
}

std::string ring_name(size_t ring) {
    return "journal ring " + std::to_string(ring);
}

} // namespace

FsckReport fsck_pool(Persist &persist, PoolOffset superblock_offset, bool repair) {
    FsckReport fsck;
    if (!tables_are_sound(persist, superblock_offset)) {
        fsck.check = check_pool(persist, superblock_offset, false); // which says what is wrong
        return fsck;
    }
    const auto &sb = *reinterpret_cast<const Superblock *>(persist.base() + superblock_offset);
    if (repair && may_only_be_read(sb.features)) {
        fsck.check.problems.push_back(
            {"superblock", "has features that this program may only read; look with -n", false, false});
        return fsck;
    }
    std::vector<CheckProblem> problems;
    bool may_replay = true;
    const auto findings = ring_findings(persist, superblock_offset);
    if (sb.watermark > journal_number_max) {
        problems.push_back({"superblock",
                            "has a watermark that no journal reaches; which records are to be replayed "
                            "cannot be told",
                            false, false});
        may_replay = false;
    }
    std::vector<size_t> to_begin_anew;
    for (size_t ring = 0; may_replay && ring < findings.size(); ++ring) {
        const RingFinding &finding = findings[ring];
        if (finding.start_is_wrong && finding.lost_records == 0) {
            problems.push_back(
                {ring_name(ring), "begins where no record can; nothing in it was left to replay", true, repair});
            if (repair)
                ring_begin_anew(persist, superblock_offset, ring, finding);
            else
                may_replay = false;
        } else if (finding.start_is_wrong) {
            problems.push_back({ring_name(ring),
                                "begins where no record can, and " + std::to_string(finding.lost_records) +
                                    " records in it are to be replayed; where they begin cannot be told",
                                false, false});
            may_replay = false;
        } else if (finding.lost_records != 0) {
            problems.push_back({ring_name(ring),
                                std::to_string(finding.lost_records) +
                                    " records of finished calls stand behind a damaged one: these calls are lost",
                                true, repair});
            to_begin_anew.push_back(ring);
        }
    }
    if (may_replay) {
        uint64_t heads[max_rings] = {};
        auto recovered = journal_recover(persist, superblock_offset, heads);
        if (recovered.ok()) {
            fsck.recovery = *recovered;
            fsck.replayed = true;
            for (size_t ring : to_begin_anew)
                if (repair)
                    ring_begin_anew(persist, superblock_offset, ring, findings[ring]);
        } else {
            problems.push_back({"journal",
                                std::string("cannot be replayed: ") + std::strerror(recovered.error().number()), false,
                                false});
        }
    }
    // Without the records' changes the tree is as it was at some moment between: to look is safe, to repair is not.
    RepairPlan plan;
    fsck.check = check_pool(persist, superblock_offset, repair && fsck.replayed, &plan);
    base::Status done;
    if (!plan.empty()) {
        done = carry_out(persist, superblock_offset, plan);
        if (!done.ok())
            fsck.check.problems.push_back({"lost+found",
                                           std::string("not all could be put there: ") +
                                               std::strerror(done.error().number()) + "; make room and run fsck again",
                                           false, false});
    }
    // Short of room or of a lost+found the tree is sound, and its owner has to write to it.
    const bool is_sound =
        !fsck.check.medium_failed && (done.ok() || (done.error().number() != EIO && done.error().number() != EUCLEAN));
    if (repair && fsck.replayed && is_sound && (sb.state & superblock_state_failed) != 0)
        superblock_set_failed(persist, superblock_offset, false);
    fsck.check.problems.insert(fsck.check.problems.begin(), problems.begin(), problems.end());
    return fsck;
}

} // namespace pmemfile
