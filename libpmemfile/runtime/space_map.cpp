// The idea: an allocation group has two pictures. The media's is what committed
// records have made of it; the segment's has in addition what calls under way
// have claimed and what is held back.
//
//     volatile bit = media bit | claimed | quarantined
//
// A claim is logged (entry, then count) before its bits are set, all under the
// group's lock, so whoever settles a killed thread finds each bit it can have set.
// Undoing goes the other way round: the entry is dropped before the bits are
// cleared. A second settler then never clears a run that somebody else has
// claimed since; at worst bits stay set, and space_map_reconcile finds them.
#include "libpmemfile/runtime/space_map.h"

#include "libpmemfile/runtime/bitmap.h"
#include "libpmemfile/runtime/claim_list.h"
#include "libpmemfile/runtime/quarantine.h"
#include "libpmemfile/runtime/robust_lock.h"

#include <algorithm>
#include <bit>

namespace pmemfile {

void (*freed_under_way_hook)(Thread &thread, void *context, void (*each)(void *context, BlockRun run)) = nullptr;

namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr uint32_t words_per_chunk = 64; // what reconcile works on at a time: 512 B of stack
constexpr uint32_t huge_run_blocks = 512;

const std::atomic<uint64_t> *media_words(const Pool &pool, BlockNumber block) {
    return pool.everybodys().at<std::atomic<uint64_t>>(block * block_size_bytes);
}

const std::atomic<uint16_t> *media_masks(const Pool &pool, const GroupDescriptor &group) {
    return pool.everybodys().at<std::atomic<uint16_t>>((group.first_block + 2) * block_size_bytes);
}

// A group's counts change under its lock only; who holds none may read them.
void add(std::atomic<uint32_t> &count, uint32_t more) {
    count.store(count.load(relaxed) + more, relaxed);
}

uint32_t usable_blocks(const GroupDescriptor &group) {
    return std::min<uint32_t>(group.block_count, max_blocks_per_group);
}

// Visits all claims there are. Group lock held, so
// no claim of this group comes; one that goes has its bits on the media.
template <typename Visit> void for_claims(Segment &segment, Visit visit) {
    auto visit_list = [&](const ClaimList &list) {
        const uint32_t count = list.length();
        for (uint32_t c = 0; c < count; ++c)
            visit(list.claims[c].load());
    };
    uint32_t threads = std::min<uint32_t>(segment.thread_high_water.load(), max_threads);
    for (uint32_t i = 0; i < threads; ++i)
        visit_list(slot_list(segment.threads()[i]));
    for (uint32_t i = 0, count = segment.transaction_limit(); i < count; ++i)
        visit_list(transaction_list(segment, i));
}

// Sets in `held` (of the words from `first_word` on) what is claimed, on the media, or freed by a record that is
// not wholly at home: were its thread killed now, who settles it would clear the bits again, under their next owner.
void gather_held(Thread &thread, uint64_t group, uint32_t first_word, uint32_t word_count, uint64_t *held) {
    const GroupDescriptor &descriptor = group_descriptor(*thread.pool, group);
    std::fill_n(held, word_count, 0);
    struct Chunk {
        BlockNumber first, end;
        uint64_t *held;
        void hold(BlockRun run) const {
            const BlockNumber from = std::max(run.first, first);
            const BlockNumber to = std::min(run.first + run.count, end);
            if (from < to)
                for_words(static_cast<uint32_t>(from - first), static_cast<uint32_t>(to - from),
                          [&](uint32_t word, uint64_t mask) { held[word] |= mask; });
        }
    } chunk;
    chunk.first = descriptor.first_block + uint64_t{first_word} * 64;
    chunk.end = chunk.first + uint64_t{word_count} * 64;
    chunk.held = held;
    // Claims before the media: a claim is dropped only after its bits are there.
    for_claims(*thread.pool->segment, [&](uint64_t claim) {
        if ((claim & inode_claim_bit) == 0)
            chunk.hold({claim >> 16, static_cast<uint32_t>(claim & 0xffff)});
    });
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const auto *media = media_words(*thread.pool, descriptor.first_block);
    for (uint32_t word = 0; word < word_count; ++word)
        held[word] |= media[first_word + word].load();
    // The media before the records: what is applied by now had its bits cleared for good.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (freed_under_way_hook != nullptr)
        freed_under_way_hook(thread, &chunk,
                             [](void *context, BlockRun run) { static_cast<Chunk *>(context)->hold(run); });
}

// The group's lock, or the right to act under it: a settler of `dead_slot` (its own after a vfork) may work under
// a lock that the dead thread still holds (nobody else can take it before the settler frees it).
class GroupLock {
public:
    GroupLock(Thread &thread, uint64_t group, uint32_t dead_slot = max_threads)
        : thread_(thread), state_(thread.pool->segment->groups()[group]) {
        uint32_t owner = robust_holder(state_.lock);
        if (dead_slot != max_threads && owner == dead_slot + 1)
            return;
        robust_lock(thread, state_.lock);
        locked_ = true;
    }
    ~GroupLock() {
        if (locked_)
            robust_unlock(thread_, state_.lock);
    }
    GroupLock(const GroupLock &) = delete;
    GroupLock &operator=(const GroupLock &) = delete;
    GroupState *operator->() const {
        return &state_;
    }
    GroupState &operator*() const {
        return state_;
    }

private:
    Thread &thread_;
    GroupState &state_;
    bool locked_ = false;
};

// The group's lock is held.
void hold_back(Segment &segment, GroupState &state, uint64_t held_for) {
    state.quarantined.store(state.quarantined.load() | held_for);
    segment.quarantined.fetch_or(held_for);
}

void undo_block_claim(Thread &thread, const ClaimList &list, uint32_t slot_index, uint32_t position, uint64_t group) {
    const uint64_t claim = list.claims[position].load();
    BlockNumber first = claim >> 16;
    auto count = static_cast<uint32_t>(claim & 0xffff);
    GroupLock state(thread, group, slot_index);
    const GroupDescriptor &descriptor = group_descriptor(*thread.pool, group);
    auto bit = static_cast<uint32_t>(first - descriptor.first_block);
    const uint32_t was_unsettled = state->unsettled.exchange(1);
    list.count.store(position, std::memory_order_release);
    auto *words = thread.pool->segment->block_bitmap(group);
    const auto *media = media_words(*thread.pool, descriptor.first_block);
    for_words(bit, count, [&](uint32_t word, uint64_t mask) { clear_bits(words[word], mask & ~media[word].load()); });
    // The dead thread may have been between its bits and the count: count anew.
    state->free_blocks.store(count_free(words, usable_blocks(descriptor)), relaxed);
    state->unsettled.store(was_unsettled);
}

void undo_inode_claim(Thread &thread, const ClaimList &list, uint32_t slot_index, uint32_t position, uint64_t group) {
    const InodeNumber inode = list.claims[position].load() & ~inode_claim_bit;
    GroupLock state(thread, group, slot_index);
    const GroupDescriptor &descriptor = group_descriptor(*thread.pool, group);
    auto bit = static_cast<uint32_t>(inode / inodes_per_block - descriptor.first_block);
    auto mask = static_cast<uint16_t>(1u << (inode % inodes_per_block));
    list.count.store(position, std::memory_order_release);
    if ((media_masks(*thread.pool, descriptor)[bit].load() & mask) == 0 &&
        clear_bits(thread.pool->segment->inode_masks(group)[bit], mask) != 0) {
        add(state->free_inodes, 1);
        state->inode_hint.store(bit, relaxed);
    }
}

uint64_t group_of_claim(const Pool &pool, uint64_t claim) {
    const bool is_inode = (claim & inode_claim_bit) != 0;
    return group_of_block(pool, is_inode ? (claim & ~inode_claim_bit) / inodes_per_block : claim >> 16);
}

void undo_claim(Thread &thread, const ClaimList &list, uint32_t slot_index, uint32_t position) {
    const uint64_t claim = list.claims[position].load();
    const uint64_t group = group_of_claim(*thread.pool, claim);
    if (group == thread.pool->superblock().group_count)
        list.count.store(position, std::memory_order_release);
    else if ((claim & inode_claim_bit) != 0)
        undo_inode_claim(thread, list, slot_index, position, group);
    else
        undo_block_claim(thread, list, slot_index, position, group);
}

} // namespace

uint64_t group_search(const Pool &pool, BlockNumber block) {
    const uint64_t count = pool.superblock().group_count;
    const GroupDescriptor *table = &group_descriptor(pool, 0);
    if (count == 0 || block < table[0].first_block)
        return count;
    uint64_t low = 0, high = count; // the last group that begins at or before `block`
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        (table[middle].first_block <= block ? low : high) = middle;
    }
    return group_holds(table[low], block) ? low : count;
}

void space_map_load(Thread &thread, uint64_t group) {
    Segment &segment = *thread.pool->segment;
    GroupState &state = segment.groups()[group];
    if (state.loaded.load(std::memory_order_acquire) != 0)
        return;
    const GroupDescriptor &descriptor = group_descriptor(*thread.pool, group);
    uint32_t blocks = usable_blocks(descriptor);
    const auto *media = media_words(*thread.pool, descriptor.first_block);
    const auto *media_inodes = media_words(*thread.pool, descriptor.first_block + 1);
    uint32_t free_inodes = 0;
    for (uint32_t word = 0; word < (blocks + 63) / 64; ++word) {
        segment.block_bitmap(group)[word].store(media[word].load(), relaxed);
        segment.inode_block_bitmap(group)[word].store(media_inodes[word].load(), relaxed);
    }
    // A group's own blocks are handed out to nobody, whatever a damaged bitmap says.
    for_words(0, descriptor.metadata_blocks, [&](uint32_t word, uint64_t mask) {
        set_bits(segment.block_bitmap(group)[word], mask);
        clear_bits(segment.inode_block_bitmap(group)[word], mask);
    });
    for (uint32_t bit = find_bit(segment.inode_block_bitmap(group), 0, blocks, true); bit < blocks;
         bit = find_bit(segment.inode_block_bitmap(group), bit + 1, blocks, true)) {
        uint16_t mask = media_masks(*thread.pool, descriptor)[bit].load();
        segment.inode_masks(group)[bit].store(mask, relaxed);
        free_inodes += static_cast<uint32_t>(inodes_per_block) - static_cast<uint32_t>(std::popcount(mask));
    }
    state.free_blocks.store(count_free(segment.block_bitmap(group), blocks), relaxed);
    state.free_inodes.store(free_inodes, relaxed);
    state.search_hint.store(0, relaxed);
    state.inode_hint.store(0, relaxed);
    state.loaded.store(1, std::memory_order_release);
}

base::Result<BlockRun> space_map_claim_blocks(Thread &thread, uint64_t group, uint32_t want, uint32_t least) {
    GroupState &peek = thread.pool->segment->groups()[group];
    if (peek.loaded.load() != 0 && peek.free_blocks.load(relaxed) == 0)
        return BlockRun{};
    GroupLock state(thread, group);
    space_map_load(thread, group);
    const GroupDescriptor &descriptor = group_descriptor(*thread.pool, group);
    uint32_t blocks = usable_blocks(descriptor);
    auto *words = thread.pool->segment->block_bitmap(group);
    want = std::clamp<uint32_t>(want, 1, huge_run_blocks * 32);
    uint32_t hint = state->search_hint.load(relaxed);
    if (hint >= blocks)
        hint = 0;
    BitRun run;
    if (want >= huge_run_blocks) // whole 2 MiB runs, for large files
        run = find_run(words, 0, blocks, want, descriptor.first_block, huge_run_blocks);
    if (run.count < std::min(want, huge_run_blocks)) {
        run = find_run(words, hint, blocks, want, descriptor.first_block, 1);
        if (run.count < want) {
            BitRun before = find_run(words, 0, blocks, want, descriptor.first_block, 1);
            if (before.count > run.count)
                run = before;
        }
    }
    if (run.count < least)
        return BlockRun{};
    BlockRun claimed{descriptor.first_block + run.first, std::min(run.count, want)};
    if (!log_claim(thread, claimed.first << 16 | claimed.count))
        return base::error(ENOBUFS);
    for_words(run.first, claimed.count, [&](uint32_t word, uint64_t mask) { set_bits(words[word], mask); });
    add(state->free_blocks, -claimed.count);
    if (claimed.count < huge_run_blocks)
        state->search_hint.store(next_hint(words, hint, run.first, claimed.count), relaxed);
    return claimed;
}

base::Result<InodeNumber> space_map_claim_inode(Thread &thread, uint64_t group) {
    GroupState &peek = thread.pool->segment->groups()[group];
    if (peek.loaded.load() != 0 && peek.free_inodes.load(relaxed) == 0)
        return InodeNumber{0};
    GroupLock state(thread, group);
    space_map_load(thread, group);
    Segment &segment = *thread.pool->segment;
    const GroupDescriptor &descriptor = group_descriptor(*thread.pool, group);
    uint32_t blocks = usable_blocks(descriptor);
    uint32_t hint = std::min(state->inode_hint.load(relaxed), blocks);
    const auto *inode_blocks = segment.inode_block_bitmap(group);
    for (int pass = 0; pass < 2; ++pass) {
        uint32_t end = pass == 0 ? blocks : hint;
        for (uint32_t bit = find_bit(inode_blocks, pass == 0 ? hint : 0, end, true); bit < end;
             bit = find_bit(inode_blocks, bit + 1, end, true)) {
            uint16_t mask = segment.inode_masks(group)[bit].load();
            if (mask == 0xffff)
                continue;
            auto position = static_cast<unsigned>(std::countr_one(mask));
            InodeNumber inode = (descriptor.first_block + bit) * inodes_per_block + position;
            if (!log_claim(thread, inode_claim_bit | inode))
                return base::error(ENOBUFS);
            set_bits(segment.inode_masks(group)[bit], static_cast<uint16_t>(1u << position));
            if (state->free_inodes.load(relaxed) > 0)
                add(state->free_inodes, uint32_t(-1));
            state->inode_hint.store(bit, relaxed);
            return inode;
        }
    }
    state->free_inodes.store(0, relaxed);
    return InodeNumber{0};
}

void space_map_expect_release(Thread &thread, uint64_t group) {
    if (thread.pool->segment->groups()[group].loaded.load() != 0)
        return;
    GroupLock state(thread, group);
    space_map_load(thread, group);
}

void space_map_hold_back(Thread &thread, uint64_t group, uint64_t held_for) {
    GroupLock state(thread, group);
    hold_back(*thread.pool->segment, *state, held_for);
}

void space_map_release_blocks(Thread &thread, BlockNumber first, uint32_t count, uint64_t held_for) {
    Segment &segment = *thread.pool->segment;
    uint64_t group = group_of_block(*thread.pool, first);
    if (group == thread.pool->superblock().group_count)
        return;
    GroupLock state(thread, group);
    if (state->loaded.load() == 0)
        return; // loading will take it from the media
    if (held_for != 0) // once more: the group may have been rebuilt since
        return hold_back(segment, *state, held_for);
    const GroupDescriptor &descriptor = group_descriptor(*thread.pool, group);
    auto bit = static_cast<uint32_t>(first - descriptor.first_block);
    count = std::min(count, usable_blocks(descriptor) - bit);
    auto *words = segment.block_bitmap(group);
    uint32_t freed = 0;
    bool check = state->reconciled.load() != 0;
    for_words(bit, count, [&](uint32_t word, uint64_t mask) {
        // A rebuild between our home stores and now may have let others claim these blocks already.
        uint64_t held = 0;
        if (check)
            gather_held(thread, group, word, 1, &held);
        freed += clear_bits(words[word], mask & ~held);
    });
    add(state->free_blocks, freed);
    if (bit < state->search_hint.load(relaxed))
        state->search_hint.store(bit, relaxed);
}

void space_map_release_inode(Thread &thread, InodeNumber inode) {
    Segment &segment = *thread.pool->segment;
    uint64_t group = group_of_block(*thread.pool, inode / inodes_per_block);
    if (group == thread.pool->superblock().group_count)
        return;
    GroupLock state(thread, group);
    if (state->loaded.load() == 0)
        return;
    auto bit = static_cast<uint32_t>(inode / inodes_per_block - group_descriptor(*thread.pool, group).first_block);
    auto mask = static_cast<uint16_t>(1u << (inode % inodes_per_block));
    add(state->free_inodes, clear_bits(segment.inode_masks(group)[bit], mask));
    state->inode_hint.store(bit, relaxed);
}

void space_map_add_inode_block(Thread &thread, BlockNumber block) {
    Segment &segment = *thread.pool->segment;
    uint64_t group = group_of_block(*thread.pool, block);
    if (group == thread.pool->superblock().group_count)
        return;
    GroupLock state(thread, group);
    if (state->loaded.load() == 0)
        return;
    const GroupDescriptor &descriptor = group_descriptor(*thread.pool, group);
    auto bit = static_cast<uint32_t>(block - descriptor.first_block);
    uint64_t mask = uint64_t{1} << (bit % 64);
    if (segment.inode_block_bitmap(group)[bit / 64].load() & mask)
        return;
    // Home stores are done: the media's mask has the inodes that came with the block.
    uint16_t taken = media_masks(*thread.pool, descriptor)[bit].load();
    segment.inode_masks(group)[bit].store(taken);
    set_bits(segment.inode_block_bitmap(group)[bit / 64], mask);
    add(state->free_inodes, static_cast<uint32_t>(inodes_per_block) - static_cast<uint32_t>(std::popcount(taken)));
    state->inode_hint.store(bit, relaxed);
}

void space_map_remove_inode_block(Thread &thread, BlockNumber block) {
    uint64_t group = group_of_block(*thread.pool, block);
    if (group == thread.pool->superblock().group_count)
        return;
    {
        GroupLock state(thread, group);
        auto bit = static_cast<uint32_t>(block - group_descriptor(*thread.pool, group).first_block);
        clear_bits(thread.pool->segment->inode_block_bitmap(group)[bit / 64], uint64_t{1} << (bit % 64));
    }
    space_map_release_blocks(thread, block, 1);
}

bool space_map_has_claims(const Thread &thread) {
    const ClaimList list = list_of(thread);
    return list.count.load(relaxed) != thread.kept_claims || thread.slot_state().orphan_claim.load(relaxed) != 0;
}

void space_map_undo_claims(Thread &thread, uint32_t slot_index) {
    ThreadSlot &slot = thread.pool->segment->threads()[slot_index];
    const ClaimList list = list_of(*thread.pool->segment, slot);
    const uint32_t kept = slot_index == thread.slot ? thread.kept_claims : 0;
    for (uint32_t count = list.length(); count > kept; --count)
        undo_claim(thread, list, slot_index, count - 1);
    if (slot_index == thread.slot)
        drop_orphan_claim(thread, slot, slot_index);
    else
        drop_orphan_claims(thread, slot, slot_index);
}

void space_map_mend_held_groups(Thread &thread, uint32_t slot_index) {
    Segment &segment = *thread.pool->segment;
    ThreadSlot &slot = segment.threads()[slot_index];
    const uint32_t kept = slot_index == thread.slot ? thread.kept_claims : 0;
    // Half made can only be the last claim: it was being entered, or undone, under the lock.
    auto undo_last = [&](const ClaimList &list, uint64_t group) {
        for (uint32_t count = list.length();
             count > kept && group_of_claim(*thread.pool, list.claims[count - 1].load()) == group; --count)
            undo_claim(thread, list, slot_index, count - 1);
    };
    for (std::atomic<uint64_t> &held : slot.held) {
        const uint64_t offset = held.load() - segment.groups_offset; // below it wraps
        if (offset >= sizeof(GroupState) * segment.group_count)
            continue;
        const uint64_t group = offset / sizeof(GroupState);
        GroupState &state = segment.groups()[group];
        if (robust_holder(state.lock) != slot_index + 1)
            continue;
        undo_last(slot_list(slot), group);
        for (uint32_t index = 0, count = segment.transaction_limit(); index < count; index++)
            if (segment.transactions()[index].owner.load() == slot_index + 1)
                undo_last(transaction_list(segment, index), group);
        if (state.loaded.load() != 0) // it may have been between bits that it cleared and the count
            state.free_blocks.store(
                count_free(segment.block_bitmap(group), usable_blocks(group_descriptor(*thread.pool, group))), relaxed);
    }
}

void space_map_hold_claims(Thread &thread) {
    ThreadSlot &slot = thread.slot_state();
    if (slot.orphan_claim.load(relaxed) != 0) {
        slot.keeps_orphan_slots.store(1, std::memory_order_release);
        slot.orphan_claim.store(0, std::memory_order_release);
    }
    thread.kept_claims = list_of(thread).count.load(relaxed);
}

void space_map_end_hold(Thread &thread) {
    thread.kept_claims = 0;
    drop_orphan_claims(thread, thread.slot_state(), thread.slot);
}

void space_map_keep_claims(Thread &thread) {
    const ClaimList list = list_of(thread);
    space_map_end_hold(thread);
    list.count.store(0, std::memory_order_release);
}

void space_map_reconcile(Thread &thread, bool all_groups) {
    Segment &segment = *thread.pool->segment;
    uint64_t groups = groups_in_use(thread.pool->superblock());
    segment.quarantined.store(0); // what stays so is entered again
    for (uint64_t group = 0; group < groups; ++group) {
        GroupState &peek = segment.groups()[group];
        if (peek.loaded.load() == 0 ||
            (!all_groups && peek.quarantined.load() == 0 && peek.unsettled.load() == 0))
            continue;
        GroupLock state(thread, group);
        // Who holds blocks back notes it under this lock before they are free on the media, and after their pin was
        // there. So it is enough to look at the pins after the note.
        const uint64_t held_for = state->quarantined.load();
        if (held_for != 0 && (held_for & quarantine_mapped(segment)) != 0) {
            segment.quarantined.fetch_or(held_for);
            continue;
        }
        state->reconciled.store(1);
        uint32_t blocks = usable_blocks(group_descriptor(*thread.pool, group));
        auto *words = segment.block_bitmap(group);
        uint64_t held[words_per_chunk];
        for (uint32_t first = 0; first < (blocks + 63) / 64; first += words_per_chunk) {
            uint32_t count = std::min(words_per_chunk, (blocks + 63) / 64 - first);
            gather_held(thread, group, first, count, held);
            for (uint32_t word = 0; word < count; ++word)
                words[first + word].store(held[word]);
        }
        state->free_blocks.store(count_free(words, blocks), relaxed);
        state->search_hint.store(0, relaxed);
        state->quarantined.store(0);
        state->unsettled.store(0);
    }
}

uint64_t space_map_free_blocks(Thread &thread, uint64_t enough) {
    uint64_t total = 0;
    for (uint64_t group = 0; group < groups_in_use(thread.pool->superblock()) && total < enough; ++group) {
        GroupState &peek = thread.pool->segment->groups()[group];
        if (peek.loaded.load() == 0) {
            GroupLock state(thread, group);
            space_map_load(thread, group);
        }
        total += peek.free_blocks.load();
    }
    return total;
}

} // namespace pmemfile
