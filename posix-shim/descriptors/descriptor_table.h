// descriptor_table: what a descriptor number stands for, cached.
//
// One word for each number. The truth is the kernel's: a token's file identity
// and position tell the open file description (descriptors/token.h); a word
// that is `unknown` is filled from there when the number is first met (after
// exec, after descriptor passing). In a vfork child the cache belongs to the
// parent and is neither read nor written.
//
//   unknown ──decode──► host
//      ▲  │                │ close
//      │  ├──decode──► ours│mount│id ──close──► closing ──kernel's close done──► unknown
//      │  └──decode──► fifo│mount│id     (the same)
//
// A fifo's descriptor is the kernel's own (open_fifo.h): to all calls but those on the inode it is the host's.
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/open_file.h"
#include "posix-shim/process/context.h"

#include <atomic>
#include <cstdint>
#include <span>

namespace shim {

using pmemfile::OpenFileId;

constexpr int descriptor_table_size = 1 << 20; // numbers above are decoded each time

using DescriptorWord = uint64_t;
constexpr DescriptorWord descriptor_unknown = 0;
constexpr DescriptorWord descriptor_host = 1;
constexpr DescriptorWord descriptor_closing = 2; // decode, but do not remember
constexpr DescriptorWord descriptor_own = 3;     // the shim's own: EBADF for the application
constexpr DescriptorWord descriptor_moving = 4;  // about to get a token of its own (shared_token.h): look again
constexpr DescriptorWord descriptor_ours_bit = uint64_t{1} << 63;
constexpr DescriptorWord descriptor_last_kind = 15; // ids are larger

constexpr DescriptorWord descriptor_word(unsigned mount, OpenFileId id) {
    return descriptor_ours_bit | uint64_t{mount} << 60 | id;
}
constexpr bool is_ours(DescriptorWord word) {
    return (word & descriptor_ours_bit) != 0;
}
// An open fifo of a pool: the same word without that bit. The id is that of a description that keeps the inode.
constexpr DescriptorWord descriptor_fifo_word(unsigned mount, OpenFileId id) {
    return uint64_t{mount} << 60 | id;
}
constexpr bool is_fifo(DescriptorWord word) {
    return !is_ours(word) && word > descriptor_last_kind;
}
constexpr unsigned word_mount(DescriptorWord word) {
    return word >> 60 & 7;
}
constexpr OpenFileId word_id(DescriptorWord word) {
    return word & ((uint64_t{1} << 60) - 1);
}

extern std::atomic<DescriptorWord> descriptor_words[descriptor_table_size];

extern std::atomic<bool> descriptor_has_met_ours;
// Has this process had a file of a pool open? Only then a symlink of the host (a log's name, to /dev/stdout) may lead
// to one of its numbers, and to the kernel that is a token.
inline bool descriptor_any_ours() {
    return descriptor_has_met_ours.load(std::memory_order_relaxed);
}

// What `descriptor` is: host, own, fifo, or ours. Decodes an unknown one (two system
// calls) and remembers it. A number that is not open is `descriptor_host` and
// is not remembered (the kernel will say EBADF). A token whose description has
// ended, or belongs to no mount of this process: EBADF. Any thread.
base::Result<DescriptorWord> descriptor_decode(ThreadContext &context, int descriptor);
inline base::Result<DescriptorWord> descriptor_lookup(ThreadContext &context, long register_value) {
    const auto descriptor = static_cast<int>(register_value); // as the kernel does
    if (static_cast<unsigned>(descriptor) < static_cast<unsigned>(descriptor_table_size) && !context.is_vfork_child) {
        const DescriptorWord word = descriptor_words[descriptor].load(std::memory_order_acquire);
        if (is_ours(word) || word == descriptor_host) [[likely]]
            return word;
    }
    return descriptor_decode(context, descriptor);
}

// The number of a description that is yet to be made: at the limit of open files nothing is made then, or cut. -1: it
// gets one afterwards (in a vfork child). EMFILE, ENFILE. `flags`: O_CLOEXEC counts.
base::Result<int> descriptor_take(ThreadContext &context, unsigned mount, int flags);
// There is no such description. -1: nothing.
void descriptor_give_back(int taken);
// A number (`taken`, or, -1, a new one) for the new description `id`, remembered, with a reference of this process
// counted. In a vfork child it is noted for the parent to drop. -errno, and `taken` is given back.
long descriptor_open(ThreadContext &context, unsigned mount, OpenFileId id, int flags, int taken);
// The same for one more number of a description that is already referenced (dup): `word` is the former number's, ours
// or a fifo's. Nothing in a vfork child.
void descriptor_copied(ThreadContext &context, int descriptor, DescriptorWord word);
// `descriptor`, which the kernel has just opened, is a fifo that `id` keeps the inode of. Not in a vfork child.
void descriptor_opened_fifo(ThreadContext &context, int descriptor, unsigned mount, OpenFileId id);
// `descriptor`, which the kernel has just opened, is the host's, no token and no socket. It is not remembered once this
// process has met a fifo of a pool: it may be that one. Not in a vfork child.
void descriptor_opened_host(int descriptor);
// Before the kernel closes (or replaces, dup2) `descriptor`: forgets it. Returns what it was,
// for descriptor_closed. Host numbers cost one store.
DescriptorWord descriptor_closing_begin(ThreadContext &context, long descriptor);
// After the kernel closed it: drops the reference; the last one of this process calls fs_close.
void descriptor_closed(ThreadContext &context, long descriptor, DescriptorWord was);

// The kernel refused: `descriptor` still is what it was.
void descriptor_closing_undo(ThreadContext &context, long descriptor, DescriptorWord was);
// In a forked child: what other threads of the parent were closing is nobody's to finish, and no reason to wait.
void descriptor_after_fork();
// Numbers at and above were never remembered.
int descriptor_high_water();

// Whatever is open now becomes known (after exec: one pass over /proc/self/fd). `of_host`: called for what is the
// host's; it may close it.
void descriptor_scan(ThreadContext &context, void (*of_host)(ThreadContext &, int) = nullptr);

// After exec and descriptor_scan: references of the former image to descriptions that no descriptor
// stands for any more (close-on-exec) are given back, except those in `keep`.
void descriptor_prune(ThreadContext &context, unsigned mount, std::span<const OpenFileId> keep);

// Moves a descriptor of the shim's own to a high number, close-on-exec, and protects
// it; returns the new number or -errno. The old number is closed.
long descriptor_adopt_own(int descriptor);
// Protects one where it is, in place of `former` (-1: of none), which is closed already.
void descriptor_protect_own(int descriptor, int former);
bool descriptor_is_own(long descriptor);
// The lowest number for descriptors of the shim's own, under the present limit.
long descriptor_own_lowest();
// Another one, beside those in the list (notify/companion.h): the application cannot close its number. Not in a vfork
// child.
void descriptor_note_own(int descriptor);
void descriptor_forget_own(int descriptor);
// Does a number of this process stand for the description?
bool descriptor_refers(unsigned mount, OpenFileId id);
// The lowest number of the shim's own in [first, last]; INT32_MAX: none.
int descriptor_next_own(unsigned first, unsigned last);

} // namespace shim
