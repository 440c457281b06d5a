#include "posix-shim/descriptors/shared_token.h"

#include "base/raw_syscall.h"
#include "posix-shim/descriptors/descriptor_room.h"
#include "posix-shim/descriptors/token.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fcntl.h>

namespace shim {

namespace {

constexpr int bits_of_word = 64;

// The token of each pool that its numbers share; a descriptor of ours, -1: not made yet.
constinit std::atomic<int> templates[max_mounts] = {-1, -1, -1, -1, -1, -1, -1, -1};
constinit std::atomic<uint64_t> shared[descriptor_table_size / bits_of_word];

// One replacement at a time. Its word is kept here for a child that is forked meanwhile.
constinit std::atomic<uint32_t> replacing = 0;
constinit std::atomic<int> replaced_descriptor = -1;
constinit std::atomic<DescriptorWord> replaced_word = 0;

uint64_t bit_of(int descriptor) {
    return uint64_t{1} << (descriptor % bits_of_word);
}

std::atomic<uint64_t> &bits_with(int descriptor) {
    return shared[descriptor / bits_of_word];
}

long make_template(unsigned mount) {
    long opened = token_create(mounts[mount], 0, O_CLOEXEC);
    if (base::is_error(opened))
        return opened;
    opened = descriptor_adopt_own(static_cast<int>(opened));
    if (base::is_error(opened))
        return opened;
    int none = -1;
    if (!templates[mount].compare_exchange_strong(none, static_cast<int>(opened)))
        return none; // another thread was first; ours stays open, and protected
    return opened;
}

long put_token(int descriptor, DescriptorWord word, int flags) {
    const long token = token_create(mounts[word_mount(word)], word_id(word), flags);
    if (base::is_error(token))
        return token;
    const long done = base::raw_syscall(SYS_dup3, token, descriptor, flags);
    base::raw_syscall(SYS_close, token);
    return done;
}

long replace(int descriptor, DescriptorWord word, bool to_exec) {
    const long flags = base::raw_syscall(SYS_fcntl, descriptor, F_GETFD);
    if (base::is_error(flags))
        return 0; // closed by somebody whom we do not see
    const bool closes = (flags & FD_CLOEXEC) != 0;
    if (to_exec && closes)
        return 0;
    const int token_flags = closes ? O_CLOEXEC : 0;
    long done = put_token(descriptor, word, token_flags);
    if (done == -EMFILE || done == -EBADF) { // the limit is reached, or lower than this number
        const DescriptorRoom room;
        done = put_token(descriptor, word, token_flags);
    }
    if (base::is_error(done))
        return done;
    shared_token_forget(descriptor);
    return 0;
}

} // namespace

long shared_token_create(unsigned mount, int flags) {
    long known = templates[mount].load(std::memory_order_acquire);
    if (known < 0) {
        known = make_template(mount);
        if (base::is_error(known))
            return known;
    }
    return (flags & O_CLOEXEC) != 0 ? base::raw_syscall(SYS_fcntl, known, F_DUPFD_CLOEXEC, 0)
                                    : base::raw_syscall(SYS_dup, known);
}

bool shared_token_is(int descriptor) {
    return (bits_with(descriptor).load(std::memory_order_relaxed) & bit_of(descriptor)) != 0;
}

void shared_token_note(int descriptor) {
    bits_with(descriptor).fetch_or(bit_of(descriptor));
}

void shared_token_forget(int descriptor) {
    if (shared_token_is(descriptor))
        bits_with(descriptor).fetch_and(~bit_of(descriptor));
}

long shared_token_replace(int descriptor, bool to_exec) {
    if (descriptor < 0 || descriptor >= descriptor_table_size || !shared_token_is(descriptor))
        return 0;
    for (uint32_t free_word = 0; !replacing.compare_exchange_weak(free_word, 1); free_word = 0)
        base::raw_syscall(SYS_sched_yield);
    long result = 0;
    DescriptorWord word = descriptor_words[descriptor].load();
    replaced_word.store(word);
    replaced_descriptor.store(descriptor);
    // Nobody closes the number or asks what it is until its word is back.
    if (is_ours(word) && shared_token_is(descriptor) &&
        descriptor_words[descriptor].compare_exchange_strong(word, descriptor_moving)) {
        result = replace(descriptor, word, to_exec);
        descriptor_words[descriptor].store(word, std::memory_order_release);
    }
    replaced_descriptor.store(-1);
    replacing.store(0);
    return result;
}

long shared_token_replace_all(bool to_exec) {
    const int end = std::min(descriptor_high_water(), descriptor_table_size);
    for (int base = 0; base < end; base += bits_of_word)
        for (uint64_t bits = bits_with(base).load(); bits != 0; bits &= bits - 1)
            if (const long result = shared_token_replace(base + std::countr_zero(bits), to_exec);
                base::is_error(result))
                return result;
    return 0;
}

void shared_token_after_fork() {
    const int descriptor = replaced_descriptor.load();
    if (descriptor >= 0 && descriptor_words[descriptor].load() == descriptor_moving)
        descriptor_words[descriptor].store(replaced_word.load());
    replaced_descriptor.store(-1);
    replacing.store(0);
}

} // namespace shim
