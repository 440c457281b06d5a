// The descriptor cache and this process's references to descriptions.
//
//   word[fd] ──ours──► (mount, id) ──► references[mount][index of id] = descriptors of
//                                      this process that stand for it
//
// A description is given back (fs_close) when its count falls to zero, so each
// number is counted exactly once: by descriptor_opened or by the compare-and-swap
// that turns `unknown` into `ours`.
#include "posix-shim/descriptors/descriptor_table.h"

#include "base/high_descriptor.h"
#include "base/raw_syscall.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/runtime/advisory_lock.h"
#include "posix-shim/descriptors/descriptor_room.h"
#include "posix-shim/descriptors/fork_gate.h"
#include "posix-shim/descriptors/near_proc.h"
#include "posix-shim/descriptors/open_fifo.h"
#include "posix-shim/descriptors/shared_token.h"
#include "posix-shim/descriptors/socket_family.h"
#include "posix-shim/descriptors/token.h"
#include "posix-shim/notify/companion.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace shim {

constinit std::atomic<DescriptorWord> descriptor_words[descriptor_table_size];
constinit std::atomic<bool> descriptor_has_met_ours = false;

namespace {

constinit std::atomic<uint32_t> references[max_mounts][pmemfile::max_open_files];

constexpr int max_own_descriptors = 64;
constexpr long usual_limit = 1024; // of open files
std::atomic<int> own_descriptors[max_own_descriptors];
std::atomic<int> own_count;
std::atomic<int> noted_count; // beside those

std::atomic<uint32_t> &references_of(unsigned mount, OpenFileId id) {
    return references[mount][id % pmemfile::max_open_files];
}

bool in_table(long descriptor) {
    return descriptor >= 0 && descriptor < descriptor_table_size;
}

std::atomic<int> high_water;
constinit std::atomic<bool> has_met_fifo = false;

// Before a word is remembered, so that close_range sees it.
void raise_high_water(int descriptor) {
    int known = high_water.load(std::memory_order_relaxed);
    while (known <= descriptor && !high_water.compare_exchange_weak(known, descriptor + 1))
        ;
}

void note_ours() {
    if (!descriptor_any_ours())
        descriptor_has_met_ours.store(true, std::memory_order_relaxed);
}

// A description that no number stands for.
void drop_unused(ThreadContext &context, unsigned mount, OpenFileId id) {
    if (const base::Result<pmemfile::Thread *> thread = context_thread(context, mount); thread.ok())
        pmemfile::fs_close(**thread, id, false);
}

// The description ends for this process; POSIX locks go with each close (close(2)).
void drop(ThreadContext &context, unsigned mount, OpenFileId id) {
    if (mounts[mount].is_lost.load(std::memory_order_relaxed))
        return;
    base::Result<pmemfile::Thread *> thread = context_thread(context, mount);
    if (!thread.ok())
        return; // stays referenced until the process ends
    if (references_of(mount, id).fetch_sub(1) == 1) {
        pmemfile::fs_close(**thread, id);
        companion_close(mount, id);
        return;
    }
    base::Result<pmemfile::OpenFile *> file = pmemfile::open_file_get(**thread, id);
    if (file.ok())
        pmemfile::advisory_lock_drop_posix(**thread, (*file)->inode.load());
}

// A number of the host's that has been met for the first time, and may be a fifo of a pool.
DescriptorWord meet_fifo(ThreadContext &context, int descriptor, bool cached) {
    unsigned mount = 0;
    const OpenFileId id = open_fifo_hold(context, descriptor, &mount);
    if (id == 0)
        return descriptor_host;
    has_met_fifo.store(true, std::memory_order_relaxed);
    const DescriptorWord found = descriptor_fifo_word(mount, id);
    if (!cached) {
        if (context.is_vfork_child && context.vfork_opened_count < max_vfork_opened) {
            context.vfork_opened[context.vfork_opened_count++] = {mount, id};
            return found;
        }
        drop_unused(context, mount, id);
        return descriptor_host;
    }
    references_of(mount, id).fetch_add(1);
    DescriptorWord expected = descriptor_unknown;
    if (descriptor_words[descriptor].compare_exchange_strong(expected, found))
        return found;
    drop(context, mount, id);
    return is_fifo(expected) ? expected : descriptor_host;
}

// The number's word once nobody moves it.
DescriptorWord settled_word(int descriptor) {
    for (;;) {
        const DescriptorWord word = descriptor_words[descriptor].load(std::memory_order_acquire);
        if (word != descriptor_moving) [[likely]]
            return word;
        base::raw_syscall(SYS_sched_yield);
    }
}

// The same once no other thread closes the number or gives it another file (dup2): where it has a token that others
// share, nobody can tell meanwhile. Not for ever: the other thread may have no processor.
DescriptorWord word_after_close(int descriptor) {
    constexpr unsigned max_yields = 10000;
    DescriptorWord word = settled_word(descriptor);
    for (unsigned i = 0; word == descriptor_closing && i < max_yields; i++) {
        base::raw_syscall(SYS_sched_yield);
        word = settled_word(descriptor);
    }
    return word;
}

} // namespace

base::Result<DescriptorWord> descriptor_decode(ThreadContext &context, int descriptor) {
    if (descriptor < 0)
        return descriptor_host;
    bool cached = in_table(descriptor) && !context.is_vfork_child;
    DescriptorWord word = cached ? word_after_close(descriptor) : descriptor_unknown;
    if (word == descriptor_host || word == descriptor_own || is_ours(word) || is_fifo(word))
        return word;
    const ForksWait forks_wait(context);
    TokenIdentity identity = token_decode(descriptor);
    if (!identity.open)
        return descriptor_host;
    if (cached)
        raise_high_water(descriptor);
    if (identity.may_be_fifo) {
        if (const DescriptorWord fifo = meet_fifo(context, descriptor, cached); fifo != descriptor_host)
            return fifo;
    }
    if (identity.mount < 0) {
        if (!cached)
            return descriptor_host;
        DescriptorWord expected = descriptor_unknown;
        socket_family_forget(descriptor);
        if (identity.is_directory)
            near_proc_note(descriptor, identity.device, identity.inode);
        descriptor_words[descriptor].compare_exchange_strong(expected, descriptor_host);
        return descriptor_host;
    }
    unsigned mount = static_cast<unsigned>(identity.mount);
    BASE_TRY_ASSIGN(pmemfile::Thread * thread, context_thread(context, mount));
    BASE_TRY_ASSIGN(pmemfile::OpenFile * file, pmemfile::open_file_get(*thread, identity.id));
    (void)file;
    note_ours();
    DescriptorWord found = descriptor_word(mount, identity.id);
    if (!cached)
        return found; // a vfork child holds it through its parent; a number beyond the table likewise
    BASE_TRY(pmemfile::open_file_reference(*thread, identity.id));
    references_of(mount, identity.id).fetch_add(1);
    DescriptorWord expected = descriptor_unknown;
    if (!descriptor_words[descriptor].compare_exchange_strong(expected, found))
        references_of(mount, identity.id).fetch_sub(1); // another thread counted it, or it is being closed
    return found;
}

base::Result<int> descriptor_take(ThreadContext &context, unsigned mount, int flags) {
    if (context.is_vfork_child)
        return -1;
    const long descriptor = shared_token_create(mount, flags);
    if (base::is_error(descriptor))
        return base::error(static_cast<int>(-descriptor));
    if (in_table(descriptor)) {
        raise_high_water(static_cast<int>(descriptor));
        shared_token_note(static_cast<int>(descriptor));
    }
    return static_cast<int>(descriptor);
}

void descriptor_give_back(int taken) {
    if (taken < 0)
        return;
    if (in_table(taken))
        shared_token_forget(taken);
    base::raw_syscall(SYS_close, taken);
}

long descriptor_open(ThreadContext &context, unsigned mount, OpenFileId id, int flags, int taken) {
    note_ours();
    if (context.is_vfork_child) {
        const long descriptor = token_create(mounts[mount], id, flags);
        if (!base::is_error(descriptor) && context.vfork_opened_count < max_vfork_opened)
            context.vfork_opened[context.vfork_opened_count++] = {mount, id};
        return descriptor;
    }
    if (taken < 0) {
        const base::Result<int> now = descriptor_take(context, mount, flags);
        if (!now.ok())
            return -static_cast<long>(now.error().number());
        taken = *now;
    }
    long descriptor = taken;
    if (!in_table(descriptor)) { // nothing would remember what it stands for
        base::raw_syscall(SYS_close, descriptor);
        descriptor = token_create(mounts[mount], id, flags);
        if (base::is_error(descriptor))
            return descriptor;
    }
    descriptor_copied(context, static_cast<int>(descriptor), descriptor_word(mount, id));
    return descriptor;
}

void descriptor_copied(ThreadContext &context, int descriptor, DescriptorWord word) {
    if (context.is_vfork_child || (is_fifo(word) && !in_table(descriptor)))
        return;
    references_of(word_mount(word), word_id(word)).fetch_add(1);
    if (!in_table(descriptor))
        return;
    raise_high_water(descriptor);
    descriptor_words[descriptor].store(word, std::memory_order_release);
}

void descriptor_opened_fifo(ThreadContext &context, int descriptor, unsigned mount, OpenFileId id) {
    if (!in_table(descriptor)) {
        drop_unused(context, mount, id);
        return;
    }
    has_met_fifo.store(true, std::memory_order_relaxed);
    references_of(mount, id).fetch_add(1);
    raise_high_water(descriptor);
    DescriptorWord expected = descriptor_unknown;
    if (!descriptor_words[descriptor].compare_exchange_strong(expected, descriptor_fifo_word(mount, id)))
        drop(context, mount, id); // another thread has met it already
}

void descriptor_opened_host(int descriptor) {
    if (!in_table(descriptor) || has_met_fifo.load(std::memory_order_relaxed))
        return;
    raise_high_water(descriptor);
    DescriptorWord expected = descriptor_unknown;
    descriptor_words[descriptor].compare_exchange_strong(expected, descriptor_host);
}

DescriptorWord descriptor_closing_begin(ThreadContext &context, long register_value) {
    int descriptor = static_cast<int>(register_value);
    if (!in_table(descriptor) || context.is_vfork_child)
        return descriptor_host;
    // Only one closer gets the word, so the reference is dropped once.
    DescriptorWord was = settled_word(descriptor);
    while (!descriptor_words[descriptor].compare_exchange_weak(was, descriptor_closing))
        was = settled_word(descriptor);
    shared_token_forget(descriptor);
    return was;
}

void descriptor_closed(ThreadContext &context, long register_value, DescriptorWord was) {
    int descriptor = static_cast<int>(register_value);
    if (!in_table(descriptor) || context.is_vfork_child)
        return;
    // If the number has been given out again meanwhile its word is right already.
    DescriptorWord expected = descriptor_closing;
    descriptor_words[descriptor].compare_exchange_strong(expected, descriptor_unknown);
    if (is_ours(was) || is_fifo(was))
        drop(context, word_mount(was), word_id(was));
}

void descriptor_closing_undo(ThreadContext &context, long register_value, DescriptorWord was) {
    int descriptor = static_cast<int>(register_value);
    if (!in_table(descriptor) || context.is_vfork_child)
        return;
    if (is_ours(was))
        shared_token_note(descriptor); // perhaps it was one, and one too many does no harm
    DescriptorWord expected = descriptor_closing;
    descriptor_words[descriptor].compare_exchange_strong(expected, was);
}

void descriptor_after_fork() {
    const int end = std::min(high_water.load(), descriptor_table_size);
    for (int descriptor = 0; descriptor < end; descriptor++)
        if (descriptor_words[descriptor].load(std::memory_order_relaxed) == descriptor_closing)
            descriptor_words[descriptor].store(descriptor_unknown, std::memory_order_relaxed);
}

int descriptor_high_water() {
    return high_water.load();
}

void descriptor_scan(ThreadContext &context, void (*of_host)(ThreadContext &, int)) {
    long directory =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/proc/self/fd"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base::is_error(directory))
        return; // each number is decoded when it is met
    for (;;) {
        long length =
            base::raw_syscall(SYS_getdents64, directory, base::as_long(context.buffer), sizeof(context.buffer));
        if (length <= 0)
            break;
        for (long at = 0; at < length;) {
            auto *entry = reinterpret_cast<const dirent64 *>(context.buffer + at);
            at += entry->d_reclen;
            int number = 0;
            const char *digit = entry->d_name;
            for (; *digit >= '0' && *digit <= '9'; digit++)
                number = number * 10 + (*digit - '0');
            if (*digit != 0 || number == directory)
                continue;
            const base::Result<DescriptorWord> word = descriptor_lookup(context, number);
            // Taken in the image before this one, where the call did not come to its end.
            if (!word.ok() && word.error().number() == EBADF && token_decode(number).id == 0)
                base::raw_syscall(SYS_close, number);
            if (of_host != nullptr && word.ok() && *word == descriptor_host)
                of_host(context, number);
        }
    }
    base::raw_syscall(SYS_close, directory);
}

// 64 numbers below the usual limit, or a lower one; a quarter where that is too low. (Above the soft limit the kernel
// gives none. A high number makes a large table, which each fork copies: 8 MiB where a million files may be open.)
long descriptor_own_lowest() {
    struct rlimit limit = {usual_limit, usual_limit};
    base::raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, base::as_long(&limit));
    const auto end = static_cast<long>(std::min<rlim_t>(limit.rlim_cur, usual_limit));
    return end > 2 * max_own_descriptors ? end - max_own_descriptors : end * 3 / 4;
}

long descriptor_adopt_own(int descriptor) {
    long moved = 0;
    if (const long lowest = descriptor_own_lowest(); lowest + max_own_descriptors >= usual_limit) {
        moved = base::high_duplicate(descriptor, F_DUPFD_CLOEXEC, lowest);
    } else { // above a low limit, where it is in nobody's way
        const DescriptorRoom room;
        moved = base::high_duplicate(descriptor, F_DUPFD_CLOEXEC, descriptor_own_lowest());
    }
    if (base::is_error(moved))
        return moved;
    base::raw_syscall(SYS_close, descriptor);
    if (own_count.load() >= max_own_descriptors) {
        base::raw_syscall(SYS_close, moved);
        return -EMFILE;
    }
    descriptor_protect_own(static_cast<int>(moved), -1);
    return moved;
}

void descriptor_protect_own(int descriptor, int former) {
    int place = 0;
    while (place < own_count.load() && own_descriptors[place].load() != former)
        place++;
    if (place >= max_own_descriptors)
        return; // unprotected: two for each mount and none else are expected
    own_descriptors[place].store(descriptor);
    if (place == own_count.load())
        own_count.store(place + 1);
    if (in_table(former))
        descriptor_words[former].store(descriptor_unknown);
    if (in_table(descriptor))
        descriptor_words[descriptor].store(descriptor_own);
}

void descriptor_prune(ThreadContext &context, unsigned mount, std::span<const OpenFileId> keep) {
    base::Result<pmemfile::Thread *> thread = context_thread(context, mount);
    if (!thread.ok())
        return; // they end with the process
    pmemfile::Pool &pool = *(*thread)->pool;
    uint32_t slot = pool.process_slot;
    uint32_t end = pool.segment->open_file_high_water.load();
    for (uint32_t index = 0; index < end && index < pmemfile::max_open_files; index++) {
        const pmemfile::OpenFile &file = pool.segment->open_files()[index];
        OpenFileId id = pmemfile::open_file_id(index, file.nonce.load());
        if (file.nonce.load() == 0 || std::ranges::find(keep, id) != keep.end() ||
            (file.references[slot / 64].load() >> (slot % 64) & 1) == 0)
            continue;
        if (references[mount][index].load() == 0)
            pmemfile::fs_close(**thread, id);
    }
}

bool descriptor_is_own(long descriptor) {
    if (noted_count.load(std::memory_order_relaxed) > 0 && in_table(static_cast<int>(descriptor)) &&
        descriptor_words[static_cast<int>(descriptor)].load() == descriptor_own)
        return true;
    for (int i = 0; i < own_count.load(); i++)
        if (own_descriptors[i].load() == static_cast<int>(descriptor))
            return true;
    return false;
}

int descriptor_next_own(unsigned first, unsigned last) {
    int next = INT32_MAX;
    for (int i = 0; i < own_count.load(); i++) {
        const int own = own_descriptors[i].load();
        if (own >= 0 && static_cast<unsigned>(own) >= first && static_cast<unsigned>(own) <= last && own < next)
            next = own;
    }
    if (noted_count.load() <= 0)
        return next;
    const auto end = static_cast<unsigned>(high_water.load());
    for (unsigned at = first; at <= last && at < end && static_cast<int>(at) < next; at++)
        if (descriptor_words[at].load(std::memory_order_relaxed) == descriptor_own)
            return static_cast<int>(at);
    return next;
}

void descriptor_note_own(int descriptor) {
    if (!in_table(descriptor))
        return;
    raise_high_water(descriptor);
    descriptor_words[descriptor].store(descriptor_own);
    noted_count.fetch_add(1);
}

void descriptor_forget_own(int descriptor) {
    if (!in_table(descriptor))
        return;
    descriptor_words[descriptor].store(descriptor_unknown);
    noted_count.fetch_sub(1);
}

bool descriptor_refers(unsigned mount, OpenFileId id) {
    return references_of(mount, id).load() != 0;
}

} // namespace shim
