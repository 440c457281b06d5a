// The view is the idea: a MAP_PRIVATE mapping of the pool. The engine works in it as ever, and the
// kernel keeps what it stores apart.
//
//   call ─ record ─┬─► buffer_        change│change│…     (of all calls so far)
//                  └─► view           private pages
//   commit:  view ── fresh blocks ──► pool, fence
//            buffer_ ── one record ─► ring, fence: the commit point ─► home locations
//
// Others go on meanwhile, and what they change shows in the pages that the transaction has not stored to. What
// it looks at must be older than its beginning (TransactionReads), so it never acts on a mixture.
//
// Bitmaps are not stored in the view: the space map takes what it loads from there for the media's.
// Freed blocks are claimable only after the commit, so no block has two uses in one record.
#include "libpmemfile/journal/transaction.h"

#include "base/raw_syscall.h"
#include "libpmemfile/journal/commit.h"
#include "libpmemfile/journal/record.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/space_map.h"
#include "libpmemfile/runtime/transaction_gate.h"

#include <bit>
#include <cstring>
#include <sys/mman.h>
#include <utility>

namespace pmemfile {
namespace {

base::Result<std::byte *> map_memory(uint64_t size_bytes, int descriptor) {
    const long flags = MAP_PRIVATE | MAP_NORESERVE | (descriptor < 0 ? MAP_ANONYMOUS : 0);
#if defined(__SANITIZE_THREAD__) // ThreadSanitizer has to hear of addresses that are used again
    void *const heard = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, static_cast<int>(flags), descriptor, 0);
    if (heard == MAP_FAILED)
        return base::error(ENOMEM);
    return static_cast<std::byte *>(heard);
#endif
    const long mapped = base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE, flags,
                                          static_cast<long>(descriptor), 0);
    if (base::is_error(mapped))
        return base::error(static_cast<int>(-mapped));
    return reinterpret_cast<std::byte *>(mapped);
}

void unmap_memory(std::byte *memory, uint64_t size_bytes) {
    if (memory != nullptr)
        base::raw_syscall(SYS_munmap, base::as_long(memory), static_cast<long>(size_bytes));
}

// Calls orphaned(thread, inode) for each inode that `record` puts in the orphan table.
void for_orphans(Thread &thread, const RecordHeader &record, void (*orphaned)(Thread &, InodeNumber)) {
    const Superblock &superblock = thread.pool->superblock();
    const PoolOffset table = superblock.orphan_table_block * block_size_bytes;
    record_visit(record, [&](const Change &change, const std::byte *payload) {
        const bool is_slot = change.kind == ChangeKind::store && change.target - table < superblock.orphan_slots * 8;
        if (const InodeNumber inode = is_slot ? *reinterpret_cast<const InodeNumber *>(payload) : 0)
            orphaned(thread, inode);
    });
}

// The same for each inode that is in the orphan table now.
void for_orphan_table(Thread &thread, void (*orphaned)(Thread &, InodeNumber)) {
    const Superblock &superblock = thread.pool->superblock();
    const auto *slots = thread.pool->at<std::atomic<InodeNumber>>(superblock.orphan_table_block * block_size_bytes);
    for (uint64_t slot = 0; slot < superblock.orphan_slots; ++slot)
        if (const InodeNumber inode = slots[slot].load(); inode != 0)
            orphaned(thread, inode);
}

} // namespace

uint64_t transaction_max_bytes(const Superblock &superblock) {
    return superblock.ring_size_bytes / 2 - sizeof(RecordHeader) - cache_line_bytes;
}

base::Status Transaction::make_view(const Thread &thread) {
    const Persist &pool = real_->persist;
    const bool is_image = real_->pool_descriptor < 0; // memory without a file: a copy
    const base::Result<std::byte *> memory = map_memory(pool.size_bytes(), real_->pool_descriptor);
    if (!memory.ok())
        return base::error(memory.error().number() == EINVAL ? ENOTSUP : memory.error().number());
    if (is_image)
        std::memcpy(*memory, pool.base(), pool.size_bytes());
    view_ = *thread.pool;
    view_.persist = Persist(*memory, pool.size_bytes(), Medium::volatile_memory);
    view_.transaction = this;
    view_.reads = &reads_;
    view_.shared = real_;
    return {};
}

base::Status Transaction::begin(Thread &thread, void (*orphaned)(Thread &, InodeNumber)) {
    if (thread.pool->transaction != nullptr)
        return base::error(EBUSY);
    if (thread.pool->read_only || thread.pool->segment->failed.load() != 0)
        return base::error(EROFS);
    BASE_TRY(transaction_register(thread));
    real_ = thread.pool;
    limit_bytes_ = sizeof(RecordHeader) + transaction_max_bytes(real_->superblock());
    base::Status made;
    if (const auto buffer = map_memory(limit_bytes_ + cache_line_bytes, -1); buffer.ok()) {
        buffer_ = *buffer;
        // No call is under way for an instant: what has an LSN is home.
        transaction_enter(thread);
        reads_ = TransactionReads();
        reads_.begin_lsn = real_->segment->last_lsn.load();
        made = make_view(thread);
        transaction_leave(thread);
    } else {
        made = buffer.error();
    }
    if (!made.ok()) {
        close(thread);
        return made;
    }
    used_bytes_ = sizeof(RecordHeader);
    change_count_ = 0;
    refused_ = 0;
    has_ended_uses_ = false;
    orphaned_ = orphaned;
    thread.pool = &view_;
    return {};
}

base::Status Transaction::add(Thread &thread, const RecordHeader &record, uint32_t used_bytes) {
    const uint64_t added = used_bytes - sizeof(RecordHeader);
    if (refused_ == 0 && added > limit_bytes_ - used_bytes_)
        refused_ = ENOBUFS;
    if (refused() != 0)
        return base::error(refused());
    space_map_hold_claims(thread);
    std::memcpy(buffer_ + used_bytes_, reinterpret_cast<const std::byte *>(&record) + sizeof(RecordHeader), added);
    used_bytes_ += added;
    change_count_ += record.change_count;
    record_apply_bytes(view_, record);
    return {};
}

// The gate is shut.
bool Transaction::is_as_it_was() const {
    const Segment &segment = *real_->segment;
    for (uint32_t word = 0; word < stripe_count / 64; word++)
        for (uint64_t bits = reads_.looked[word]; bits != 0; bits &= bits - 1)
            if (const_cast<Segment &>(segment)
                    .stripes()[word * 64 + static_cast<uint32_t>(std::countr_zero(bits))]
                    .last_lsn.load() > reads_.begin_lsn)
                return false;
    return true;
}

// Blocks that the record takes were written in the view: now they go to the media, where nobody reads
// them yet.
base::Status Transaction::copy_fresh_blocks() {
    bool copied = false;
    record_visit(record(), [&](const Change &change, const std::byte *) {
        if (change.kind != ChangeKind::take_blocks)
            return;
        const PoolOffset begin = change.target * block_size_bytes;
        if (is_seeded(SeededFault::fresh_blocks_left_in_cache))
            return real_->persist.store(begin, view_.at<std::byte>(begin), change.length * block_size_bytes);
        real_->persist.store_nt(begin, view_.at<std::byte>(begin), change.length * block_size_bytes);
        copied = true;
    });
    if (!copied || is_seeded(SeededFault::data_not_fenced) || real_->persist.fence())
        return {};
    pool_mark_failed(*real_);
    return base::error(EIO);
}

base::Status Transaction::commit_record(Thread &thread) {
    auto &record = *reinterpret_cast<RecordHeader *>(buffer_);
    const uint64_t length = (used_bytes_ + cache_line_bytes - 1) & ~(cache_line_bytes - 1);
    std::memset(buffer_ + used_bytes_, 0, length - used_bytes_);
    record.length_bytes = static_cast<uint32_t>(length);
    record.change_count = change_count_;
    BASE_TRY(copy_fresh_blocks());
    transaction_enter(thread);
    base::Status done = base::error(EAGAIN);
    OpenTransaction &open = real_->segment->transactions()[thread.slot_state().transaction.load() - 1];
    if (is_as_it_was())
        done = record_commit(thread, record, {{}, &open}, true);
    transaction_leave(thread);
    return done;
}

base::Status Transaction::commit(Thread &thread) {
    base::Status done;
    if (refused() != 0 || real_->segment->failed.load() != 0)
        done = base::error(refused() != 0 ? refused() : EROFS);
    thread.pool = real_;
    if (done.ok() && change_count_ != 0)
        done = commit_record(thread);
    std::byte *const buffer = std::exchange(buffer_, nullptr);
    const uint64_t buffer_bytes = limit_bytes_ + cache_line_bytes;
    close(thread);
    if (done.ok())
        for_orphans(thread, *reinterpret_cast<const RecordHeader *>(buffer), orphaned_);
    unmap_memory(buffer, buffer_bytes);
    return done;
}

void Transaction::abort(Thread &thread) {
    close(thread);
}

// Ends without a trace what was not committed. The order: claims go first, for the list is the transaction's.
void Transaction::close(Thread &thread) {
    thread.pool = real_;
    space_map_end_hold(thread);
    space_map_undo_claims(thread, thread.slot);
    unmap_memory(view_.persist.base(), view_.persist.size_bytes());
    unmap_memory(std::exchange(buffer_, nullptr), limit_bytes_ + cache_line_bytes);
    view_ = Pool();
    real_ = nullptr;
    transaction_release(thread);
    if (std::exchange(has_ended_uses_, false))
        for_orphan_table(thread, orphaned_);
}

} // namespace pmemfile
