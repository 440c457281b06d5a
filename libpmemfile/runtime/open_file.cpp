// The idea: a description lives as long as its nonce stands in it. The nonce is
// stored last when one is made and cleared first when it ends, so a process killed
// half way leaves a free slot, or a whole description that refers to a dead
// process and is dropped with it. Changes of `references` and `nonce`
// are made under one lock; readers need none.
//
// Another thread may close what a call works with, and the slot be the next description's: as no nonce comes twice, who
// finds his own one after he has read the other fields has read his own. Who then holds the offset's lock keeps the
// slot.
#include "libpmemfile/runtime/open_file.h"

#include "libpmemfile/runtime/bitmap.h"
#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/stripe.h"

#include <algorithm>
#include <iterator>

namespace pmemfile {
namespace {

constexpr unsigned index_bits = 16;
constexpr unsigned nonce_bits = 44;
constexpr uint64_t nonce_mask = (uint64_t{1} << nonce_bits) - 1;
static_assert(max_open_files <= 1u << index_bits);

// Numbers in an order that looks random and repeats only after 2^44 of them; never 0. The counter, and the
// references below, change under the table's lock only, so none of it takes a locked instruction.
uint64_t draw_nonce(Segment &segment) BASE_REQUIRES(segment.open_files_lock) {
    for (;;) {
        const uint64_t next = segment.next_nonce.load(std::memory_order_relaxed) + 1;
        segment.next_nonce.store(next, std::memory_order_release);
        const uint64_t nonce = (next * 0x9E3779B97F5ull) & nonce_mask;
        if (nonce != 0)
            return nonce;
    }
}

bool has_reference(const OpenFile &file, uint32_t process_slot) {
    return file.references[process_slot / 64].load() >> (process_slot % 64) & 1;
}

void set_reference(OpenFile &file, uint32_t process_slot) {
    set_bits(file.references[process_slot / 64], uint64_t{1} << (process_slot % 64));
}

// Nobody refers to it any more. The table is locked.
InodeNumber end_description(Segment &segment, uint32_t index) BASE_REQUIRES(segment.open_files_lock) {
    OpenFile &file = segment.open_files()[index];
    const InodeNumber inode = file.inode.load();
    file.nonce.store(0, std::memory_order_release);
    return inode;
}

void forget_description(Thread &thread, Segment &segment, uint32_t index, InodeNumber inode)
    BASE_REQUIRES(segment.open_files_lock) {
    stripe_state(thread, inode).open_hint.fetch_sub(1);
    if (index < segment.open_file_hint.load())
        segment.open_file_hint.store(index, std::memory_order_release);
}

// Drops one reference; the inode if the description has ended by it. The table is locked.
InodeNumber drop_reference(Thread &thread, Segment &segment, uint32_t index, uint32_t process_slot)
    BASE_REQUIRES(segment.open_files_lock) {
    OpenFile &file = segment.open_files()[index];
    const auto others = [&](const std::atomic<uint64_t> &word) {
        const bool is_ours = &word == &file.references[process_slot / 64];
        return word.load() & ~(is_ours ? uint64_t{1} << (process_slot % 64) : 0);
    };
    InodeNumber inode = 0;
    if (file.in_flight.load() == 0 && std::none_of(std::begin(file.references), std::end(file.references), others))
        inode = end_description(segment, index);
    clear_bits(file.references[process_slot / 64], uint64_t{1} << (process_slot % 64));
    if (inode != 0)
        forget_description(thread, segment, index, inode);
    return inode;
}

bool is_referenced(const OpenFile &file) {
    return std::any_of(std::begin(file.references), std::end(file.references),
                       [](const std::atomic<uint64_t> &word) { return word.load() != 0; });
}

uint32_t high_water(Segment &segment) {
    return std::min<uint32_t>(segment.open_file_high_water.load(), max_open_files);
}

} // namespace

base::Result<OpenFileId> open_file_create(Thread &thread, InodeNumber inode, uint32_t generation, uint32_t flags) {
    Segment &segment = *thread.pool->segment;
    const RobustGuard lock(thread, segment.open_files_lock);
    uint32_t index = segment.open_file_hint.load();
    uint32_t first_free = max_open_files;
    for (; index < max_open_files; ++index) {
        const OpenFile &place = segment.open_files()[index];
        if (place.nonce.load() != 0)
            continue;
        first_free = std::min(first_free, index);
        // A call on what was here has not ended, and will note its new offset.
        if (place.offset_lock.word.load() == 0)
            break;
    }
    if (index >= max_open_files) {
        segment.open_file_hint.store(first_free, std::memory_order_release);
        return base::error(ENFILE);
    }
    OpenFile &file = segment.open_files()[index];
    file.inode.store(inode, std::memory_order_relaxed);
    file.generation.store(generation, std::memory_order_relaxed);
    file.flags.store(flags, std::memory_order_relaxed);
    file.offset_bytes.store(0, std::memory_order_relaxed);
    file.owner_signal.store(0, std::memory_order_relaxed);
    file.parent.store(0, std::memory_order_relaxed);
    file.in_flight.store(0, std::memory_order_relaxed);
    for (auto &word : file.references)
        word.store(0, std::memory_order_relaxed);
    set_reference(file, thread.pool->process_slot);
    stripe_state(thread, inode).open_hint.fetch_add(1); // too high after a kill here, never too low
    if (segment.open_file_high_water.load() < index + 1)
        segment.open_file_high_water.store(index + 1, std::memory_order_release);
    uint64_t nonce = draw_nonce(segment);
    file.nonce.store(nonce, std::memory_order_release);
    segment.open_file_hint.store(first_free == index ? index + 1 : first_free, std::memory_order_release);
    return open_file_id(index, nonce);
}

base::Result<OpenFile *> open_file_get(const Thread &thread, OpenFileId id) {
    uint64_t index = id & ((1u << index_bits) - 1);
    if (index >= max_open_files || id >> index_bits == 0)
        return base::error(EBADF);
    OpenFile &file = thread.pool->segment->open_files()[index];
    if (file.nonce.load(std::memory_order_acquire) != id >> index_bits)
        return base::error(EBADF);
    return &file;
}

base::Status open_file_reference(Thread &thread, OpenFileId id) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    if (has_reference(*file, thread.pool->process_slot))
        return {};
    const RobustGuard lock(thread, thread.pool->segment->open_files_lock);
    BASE_TRY(open_file_get(thread, id)); // it may have ended meanwhile
    set_reference(*file, thread.pool->process_slot);
    return {};
}

InodeNumber open_file_unreference(Thread &thread, OpenFileId id) {
    Segment &segment = *thread.pool->segment;
    const RobustGuard lock(thread, segment.open_files_lock);
    auto file = open_file_get(thread, id);
    if (!file.ok() || !has_reference(**file, thread.pool->process_slot))
        return 0;
    return drop_reference(thread, segment, static_cast<uint32_t>(*file - segment.open_files()),
                          thread.pool->process_slot);
}

base::Status open_file_send(Thread &thread, OpenFileId id) {
    const RobustGuard lock(thread, thread.pool->segment->open_files_lock);
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    file->in_flight.fetch_add(1);
    return {};
}

InodeNumber open_file_land(Thread &thread, OpenFileId id) {
    Segment &segment = *thread.pool->segment;
    const RobustGuard lock(thread, segment.open_files_lock);
    auto found = open_file_get(thread, id);
    if (!found.ok() || (*found)->in_flight.load() == 0)
        return 0;
    OpenFile &file = **found;
    file.in_flight.fetch_sub(1);
    if (file.in_flight.load() != 0 || is_referenced(file))
        return 0;
    const auto index = static_cast<uint32_t>(&file - segment.open_files());
    const InodeNumber inode = end_description(segment, index);
    forget_description(thread, segment, index, inode);
    return inode;
}

void open_file_drop_in_flight(Thread &thread, void (*ended)(Thread &, InodeNumber)) {
    Segment &segment = *thread.pool->segment;
    for (uint32_t index = 0, end = high_water(segment); index < end; ++index) {
        OpenFile &file = segment.open_files()[index];
        InodeNumber inode = 0;
        {
            const RobustGuard lock(thread, segment.open_files_lock);
            if (file.nonce.load() == 0 || is_referenced(file))
                continue;
            inode = end_description(segment, index);
            forget_description(thread, segment, index, inode);
        }
        ended(thread, inode);
    }
}

void open_file_inherit(Thread &thread, uint32_t from, uint32_t to) {
    Segment &segment = *thread.pool->segment;
    const RobustGuard lock(thread, thread.pool->segment->open_files_lock);
    for (uint32_t i = 0, end = high_water(segment); i < end; ++i) {
        OpenFile &file = segment.open_files()[i];
        if (file.nonce.load() != 0 && has_reference(file, from))
            set_reference(file, to);
    }
}

bool inode_is_open(Thread &thread, InodeNumber inode) {
    if (stripe_state(thread, inode).open_hint.load() == 0)
        return false;
    Segment &segment = *thread.pool->segment;
    for (uint32_t i = 0, end = high_water(segment); i < end; ++i) {
        const OpenFile &file = segment.open_files()[i];
        if (file.nonce.load() != 0 && file.inode.load() == inode)
            return true;
    }
    uint32_t pins = std::min<uint32_t>(segment.pin_high_water.load(), max_mapping_pins);
    for (uint32_t i = 0; i < pins && segment.pin_count.load() != 0; ++i) {
        const MappingPin &pin = segment.mapping_pins()[i];
        if (pin.owner.load() != 0 && pin.inode.load() == inode)
            return true;
    }
    return false;
}

void open_file_drop_process(Thread &thread, uint32_t process_slot, void (*ended)(Thread &, InodeNumber)) {
    Segment &segment = *thread.pool->segment;
    for (uint32_t i = 0, end = high_water(segment); i < end; ++i) {
        OpenFile &file = segment.open_files()[i];
        if (file.nonce.load() == 0 || !has_reference(file, process_slot))
            continue;
        InodeNumber inode = 0;
        {
            const RobustGuard lock(thread, segment.open_files_lock);
            if (file.nonce.load() != 0 && has_reference(file, process_slot))
                inode = drop_reference(thread, segment, i, process_slot);
        }
        if (inode != 0 && ended != nullptr)
            ended(thread, inode);
    }
}

} // namespace pmemfile
