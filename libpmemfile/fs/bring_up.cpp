// A pool comes up in an order that a cut may end anywhere:
//
//   superblock and group table are sound ─► replay the journal ─► segment ─► its nonce into the superblock
#include "libpmemfile/fs/bring_up.h"

#include "base/raw_syscall.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/fs/pool_file.h"
#include "libpmemfile/journal/recovery.h"
#include "libpmemfile/journal/settle.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/layout_check.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/mapping_pin.h"

#include <sys/mman.h>

namespace pmemfile {
namespace {

// Is the superblock one that we can work with, and the group table? Sets Pool::first_group_block.
base::Status check_layout(Pool &pool, const char *path, ContainerMessage *message) {
    LayoutProblem problem = superblock_problem(pool.persist, pool.superblock_offset);
    if (problem.text != nullptr)
        return attach_failure(message, path, "the superblock ", problem.text, problem.error_number);
    const Superblock &superblock = pool.superblock();
    const auto *groups = pool.at<GroupDescriptor>(superblock.group_table_block * block_size_bytes);
    BlockNumber next_free = 1;
    for (uint64_t i = 0; i < superblock.group_count; i++) {
        problem = group_problem(pool.persist, superblock, i, next_free);
        if (problem.text != nullptr)
            return attach_failure(message, path, "an allocation group's ", problem.text, problem.error_number);
        next_free = groups[i].first_block + groups[i].block_count;
    }
    pool.first_group_block = groups[0].first_block;
    return {};
}

// Rings and counters of a new segment go on where recovery stopped.
void fill_segment(Pool &pool, const struct stat &pool_status, uint64_t nonce, const RecoveryReport &report,
                  const uint64_t *heads) {
    const Superblock &superblock = pool.superblock();
    Segment &segment = *pool.segment;
    segment_lay_out(segment, superblock.group_count, superblock.orphan_slots);
    segment.magic = segment_magic;
    segment.version = segment_version;
    segment.medium = pool.persist.medium();
    segment.nonce = nonce;
    segment.attach_generation = superblock.attach_generation + 1;
    read_boot_id(segment.boot_id);
    segment.pool_device = pool_status.st_dev;
    segment.pool_inode = pool_status.st_ino;
    segment.pool_size_bytes = pool.persist.size_bytes();
    segment.superblock_offset = pool.superblock_offset;
    segment.last_lsn.store(report.last_lsn);
    segment.durable_watermark.store(report.last_lsn);
    segment.next_nonce.store(nonce);
    segment.failed.store((superblock.state & superblock_state_failed) != 0 ? EIO : 0);
    for (uint64_t ring = 0; ring < superblock.ring_count; ring++) {
        segment.rings()[ring].head_position.store(heads[ring]);
        segment.rings()[ring].start_position.store(heads[ring]);
        segment.rings()[ring].last_lsn.store(report.last_lsn);
        segment.rings()[ring].fenced_lsn.store(report.last_lsn);
    }
}

// The attach is known on the media before anybody uses the segment (hazard 5).
base::Status stamp_superblock(Pool &pool) {
    const PoolOffset line = pool.superblock_offset + offsetof(Superblock, attach_generation);
    pool.persist.store64(line, pool.segment->attach_generation);
    pool.persist.store64(line + 8, pool.segment->nonce);
    pool.persist.flush(line, 16);
    return pool.persist.fence() ? base::Status() : base::Status(base::error(EIO));
}

uint64_t random_nonce() {
    uint64_t nonce = 0;
    base::raw_syscall(SYS_getrandom, base::as_long(&nonce), sizeof nonce, 0);
    return nonce | 1;
}

} // namespace

base::Status bring_up(Pool &pool, const char *path, const struct stat &pool_status, ContainerMessage *message,
                      SegmentMemory segment_memory, void *context) {
    BASE_TRY(check_layout(pool, path, message));
    uint64_t heads[max_rings] = {};
    const base::Result<RecoveryReport> report = journal_recover(pool.persist, pool.superblock_offset, heads);
    if (!report.ok())
        return attach_failure(message, path, "the journal is damaged; run pmemfile fsck", report.error().number());
    const Superblock &superblock = pool.superblock();
    const base::Result<Segment *> segment =
        segment_memory(context, segment_size_bytes(superblock.group_count, superblock.orphan_slots));
    if (!segment.ok())
        return attach_failure(message, path, "cannot make the runtime file in /dev/shm", segment.error().number());
    pool.segment = *segment;
    fill_segment(pool, pool_status, random_nonce(), *report, heads);
    return stamp_superblock(pool);
}

base::Errno attach_failure(ContainerMessage *message, const char *path, std::string_view text, std::string_view rest,
                           int error_number) {
    if (message != nullptr) {
        unsigned at = 0;
        auto append = [&](std::string_view part) {
            for (char c : part)
                if (at < sizeof message->text - 1)
                    message->text[at++] = c;
        };
        append(path);
        append(": ");
        append(text);
        append(rest);
        message->text[at] = 0;
    }
    return base::error(error_number);
}

base::Errno attach_failure(ContainerMessage *message, const char *path, std::string_view text, int error_number) {
    return attach_failure(message, path, text, {}, error_number);
}

// Work that needs a registered thread: orphans of a crash, processes that died.
base::Status tidy_up(Pool &pool, bool is_first, bool is_handover) {
    const long memory =
        base::raw_syscall(SYS_mmap, 0, sizeof(Thread), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base::is_error(memory))
        return base::error(static_cast<int>(-memory));
    auto &thread = *reinterpret_cast<Thread *>(memory);
    const Credentials root;
    thread.credentials = &root;
    base::Status done = thread_register(thread, pool);
    if (done.ok()) {
        if (is_handover) {
            settle_former_threads(thread);
            mapping_pin_drop_process(thread, pool.incarnation, orphan_collect); // the former image's mappings
            static_cast<void>(orphan_collect_all(thread)); // the kernel killed its other threads anywhere
        }
        orphan_settle_dead(thread);
        // A failed medium is not changed (pool_mark_failed).
        if (is_first && pool.segment->failed.load() == 0 && !is_seeded(SeededFault::orphans_not_collected))
            done = orphan_collect_all(thread);
        thread_release(thread);
    }
    base::raw_syscall(SYS_munmap, memory, sizeof(Thread));
    return done;
}

} // namespace pmemfile
