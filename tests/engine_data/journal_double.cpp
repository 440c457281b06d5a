// Stand-ins for persist, locks and the journal: a call's changes are applied in
// order at commit, nothing is logged. Single thread, memory only.
#include "base/user_copy.h"
#include "libpmemfile/journal/call.h"
#include "libpmemfile/runtime/open_file.h"
#include "libpmemfile/runtime/quarantine.h"
#include "libpmemfile/runtime/stripe.h"

#include <cstring>

uint64_t fences_seen = 0;

namespace pmemfile {

Persist::Persist(std::byte *base, uint64_t size_bytes, Medium medium)
    : base_(base), size_bytes_(size_bytes), medium_(medium) {}
void Persist::store(PoolOffset target, const void *bytes, size_t size) {
    std::memcpy(base_ + target, bytes, size);
}
void Persist::zero(PoolOffset target, size_t size) {
    std::memset(base_ + target, 0, size);
}
void Persist::store_nt(PoolOffset target, const void *bytes, size_t size) {
    store(target, bytes, size);
}
void Persist::zero_nt(PoolOffset target, size_t size) {
    zero(target, size);
}
bool Persist::store_nt_from_user(PoolOffset target, const void *user, size_t size) {
    store(target, user, size);
    return true;
}
void Persist::flush(PoolOffset, size_t) {}
bool Persist::fence() {
    ++fences_seen;
    return true;
}

void robust_lock(Thread &thread, RobustLock &lock) {
    if (lock.word.load() != 0)
        __builtin_trap(); // one thread: a second lock is a deadlock
    lock.word.store(thread.slot + 1);
}
void robust_unlock(Thread &, RobustLock &lock) {
    lock.word.store(0);
}
bool inode_is_open(Thread &, InodeNumber) {
    return true;
}

void transaction_settle_all_dead(Thread &) {}
void ReadSection::wait() {
    __builtin_trap(); // nobody writes meanwhile
}

Call::Call(Thread &thread) : thread_(thread) {}
Call::~Call() {
    discard();
}
base::Status Call::lock(std::initializer_list<InodeNumber>) {
    return {};
}
void Call::lock_volatile(std::initializer_list<InodeNumber>) {}
void Call::unlock() {}
// The pools of this test have no share counts: no file is flagged, and nobody gets here.
base::Status Call::lock_share_counts() {
    __builtin_trap();
}
void Call::load_pending(PoolOffset, void *, size_t) const {
    __builtin_trap();
}
void Call::discard() {
    space_map_undo_claims(thread_, thread_.slot);
    used_bytes_ = sizeof(RecordHeader);
    change_count_ = 0;
    refused_ = 0;
}
size_t Call::room_bytes() const {
    return max_record_bytes - used_bytes_;
}
Change *Call::add(ChangeKind kind, uint64_t target, uint32_t length, size_t payload) {
    size_t size = sizeof(Change) + (payload + 7) / 8 * 8;
    if (size > room_bytes()) {
        refused_ = ENOBUFS;
        return nullptr;
    }
    auto *change = new (thread_.record() + used_bytes_) Change{kind, {}, length, target};
    used_bytes_ += static_cast<uint32_t>(size);
    ++change_count_;
    return change;
}
std::byte *Call::store_in_place(PoolOffset target, size_t size) {
    Change *change = add(ChangeKind::store, target, static_cast<uint32_t>(size), size);
    return change == nullptr ? nullptr : reinterpret_cast<std::byte *>(change + 1);
}
void Call::store(PoolOffset target, const void *bytes, size_t size) {
    if (std::byte *place = store_in_place(target, size))
        std::memcpy(place, bytes, size);
}
void Call::zero(PoolOffset target, size_t size) {
    add(ChangeKind::zero, target, static_cast<uint32_t>(size), 0);
}
void Call::fill_pointers(PoolOffset target, uint32_t count, uint64_t first, uint64_t stride) {
    PointerFill fill{first, stride};
    if (Change *change = add(ChangeKind::fill_pointers, target, count, sizeof(fill)))
        std::memcpy(change + 1, &fill, sizeof(fill));
}
void Call::take_blocks(BlockRun run) {
    add(ChangeKind::take_blocks, run.first, run.count, 0);
}
void Call::free_blocks(BlockRun run) {
    add(ChangeKind::free_blocks, run.first, run.count, 0);
}
void Call::take_inode_block(BlockNumber block) {
    add(ChangeKind::take_inode_block, block, 1, 0);
}
void Call::take_inode(InodeNumber inode) {
    add(ChangeKind::take_inode, inode, 1, 0);
}
bool Call::may_change_mapped() const {
    return quarantine_mapped(*pool().segment) != 0;
}
void Call::free_inode(InodeNumber inode) {
    add(ChangeKind::free_inode, inode, 1, 0);
}
base::Status Call::fence_data() {
    ++fences_seen;
    return {};
}
void Call::begin_direct_stores() {}
void Call::end_direct_stores() {}

base::Status Call::commit() {
    if (refused_ != 0) {
        discard();
        return base::error(ENOBUFS);
    }
    ++fences_seen;
    // No stripe is locked here: what any pin is for.
    const uint64_t held_for = quarantine_mapped(*pool().segment);
    std::byte *base = pool().persist.base();
    auto set_blocks = [&](BlockNumber first, uint32_t count, bool on, unsigned bitmap) {
        for (uint32_t i = 0; i < count; ++i) {
            const GroupDescriptor &group = group_descriptor(pool(), group_of_block(pool(), first + i));
            uint64_t bit = first + i - group.first_block;
            auto &byte = reinterpret_cast<uint8_t *>(base)[(group.first_block + bitmap) * block_size_bytes + bit / 8];
            if (((byte >> (bit % 8)) & 1) == (on ? 1 : 0))
                __builtin_trap(); // taken twice or freed twice
            byte ^= static_cast<uint8_t>(1u << (bit % 8));
        }
    };
    for (int pass = 0; pass < 2; ++pass) {
        if (pass == 1)
            space_map_keep_claims(thread_);
        for (uint32_t at = sizeof(RecordHeader); at < used_bytes_;) {
            auto *change = reinterpret_cast<Change *>(thread_.record() + at);
            auto *payload = reinterpret_cast<std::byte *>(change + 1);
            size_t payload_bytes = change->kind == ChangeKind::store           ? (change->length + 7) / 8 * 8
                                   : change->kind == ChangeKind::fill_pointers ? sizeof(PointerFill)
                                                                               : 0;
            at += static_cast<uint32_t>(sizeof(Change) + payload_bytes);
            if (pass == 1) {
                if (change->kind == ChangeKind::free_blocks)
                    space_map_release_blocks(thread_, change->target, change->length, held_for);
                if (change->kind == ChangeKind::free_inode)
                    space_map_release_inode(thread_, change->target);
                if (change->kind == ChangeKind::take_inode_block)
                    space_map_add_inode_block(thread_, change->target);
                continue;
            }
            auto *words = reinterpret_cast<uint64_t *>(base + change->target);
            PointerFill fill;
            switch (change->kind) {
            case ChangeKind::store:
                std::memcpy(base + change->target, payload, change->length);
                break;
            case ChangeKind::zero:
                std::memset(base + change->target, 0, change->length);
                break;
            case ChangeKind::fill_pointers:
                std::memcpy(&fill, payload, sizeof(fill));
                for (uint32_t i = 0; i < change->length; ++i)
                    words[i] = fill.first_value + i * fill.stride;
                break;
            case ChangeKind::take_blocks:
            case ChangeKind::free_blocks:
                set_blocks(change->target, change->length, change->kind == ChangeKind::take_blocks, 0);
                break;
            case ChangeKind::take_inode_block:
                set_blocks(change->target, 1, true, 0);
                set_blocks(change->target, 1, true, 1);
                break;
            default: { // take_inode, free_inode
                BlockNumber block = change->target / inodes_per_block;
                const GroupDescriptor &group = group_descriptor(pool(), group_of_block(pool(), block));
                auto *masks = reinterpret_cast<uint16_t *>(base + (group.first_block + 2) * block_size_bytes);
                masks[block - group.first_block] ^= static_cast<uint16_t>(1u << (change->target % inodes_per_block));
            }
            }
        }
    }
    used_bytes_ = sizeof(RecordHeader);
    change_count_ = 0;
    return {};
}

} // namespace pmemfile
