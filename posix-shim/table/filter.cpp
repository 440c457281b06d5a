// The fast way out, about ten instructions for a host descriptor. Compiled with
// -mgeneral-regs-only; calls nothing that is not. Where a stub may touch the flags, it has
// already let the calls pass whose first argument is a host descriptor.
//
//   kind[nr] ── descriptor i ──► word[args[i]] == host ? PASS : SERVE
//            ── close ─────────► the same, and the word is forgotten
//            ── addresses ─────► a mapping of ours near them ? SERVE : PASS
//            ── socket ────────► an address of a peer, or a message, and perhaps a unix socket ? SERVE : PASS
//            ── other ─────────► SERVE
#include "libpmemfile/mapping/bounds.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/socket_family.h"
#include "posix-shim/table/dispatch.h"
#include "posix-shim/table/row.h"

#include <linux/mman.h>
#include <sys/syscall.h>

namespace shim {

namespace {

constexpr uint8_t kind_close = 6; // below it: the place of the one descriptor
constexpr uint8_t kind_other = 7;
constexpr uint8_t kind_addresses = 8; // address and length come first
constexpr uint8_t kind_mmap = 9;      // and it may name a descriptor
constexpr uint8_t kind_message = 10;  // a socket's, with addresses and descriptors in it
constexpr uint8_t kind_peer = 11;     // has or wants a socket's address in register 1, or
constexpr uint8_t kind_sender = 12;   // in register 4

struct Kinds {
    uint8_t kind[call_number_limit];
};

// One descriptor argument and no path: its index. Else `other`.
constexpr uint8_t kind_of(long number, const char *arguments) {
    if (number == SYS_close)
        return kind_close;
    if (number == SYS_munmap || number == SYS_mprotect || number == SYS_pkey_mprotect || number == SYS_mremap ||
        number == SYS_msync || number == SYS_madvise || number == SYS_remap_file_pages)
        return kind_addresses;
    if (number == SYS_mmap)
        return kind_mmap;
    if (number == SYS_sendmsg || number == SYS_recvmsg || number == SYS_sendmmsg || number == SYS_recvmmsg)
        return kind_message;
    if (number == SYS_accept || number == SYS_accept4 || number == SYS_bind || number == SYS_connect ||
        number == SYS_getsockname || number == SYS_getpeername)
        return kind_peer;
    if (number == SYS_sendto || number == SYS_recvfrom)
        return kind_sender;
    // These look at more than the descriptor, or make numbers whose word must be set.
    if (number == SYS_dup2 || number == SYS_dup3 || number == SYS_fchdir)
        return kind_other;
    uint8_t index = kind_other;
    for (uint8_t i = 0; arguments[i] != 0; i++) {
        if (arguments[i] == 'p' || arguments[i] == 'd')
            return kind_other;
        if (arguments[i] == 'f') {
            if (index != kind_other)
                return kind_other;
            index = i;
        }
    }
    return index;
}

constexpr Kinds make_kinds() {
    Kinds kinds = {};
    for (uint8_t &kind : kinds.kind)
        kind = kind_other;
#define SYSCALL(name, treatment, handler, arguments, error, note)                                                      \
    kinds.kind[intercept::call_##name] = kind_of(intercept::call_##name, arguments);
#include "posix-shim/table/syscalls.def"
#undef SYSCALL
    return kinds;
}
constexpr Kinds kinds = make_kinds();

// The calls whose first argument alone decides: the stubs look at its word themselves. libc's fstat is one, told from
// its stat by the path's address (paths/empty_path.h).
struct WordCalls {
    long numbers[call_number_limit];
    size_t count;
};

constexpr WordCalls make_word_calls() {
    WordCalls calls = {};
    for (long number = 0; number < call_number_limit; number++)
        if (kinds.kind[number] == 0 || number == SYS_newfstatat)
            calls.numbers[calls.count++] = number;
    return calls;
}
constexpr WordCalls word_calls = make_word_calls();

// Does the call name addresses that a file of ours may be mapped at, as its object or as a
// place that it maps over? It keeps all registers, so that the other calls need save none for it.
INTERCEPT_KEEPS_REGISTERS __attribute__((noinline)) bool names_our_addresses(const struct intercept_call *call) {
    auto argument = [call](int index) { return static_cast<uint64_t>(call->args[index]); };
    if (call->nr == SYS_mmap)
        return (call->args[3] & MAP_FIXED) != 0 && pmemfile::mapping_may_overlap(argument(0), argument(1));
    if (call->nr == SYS_mremap && (call->args[3] & MREMAP_FIXED) != 0 &&
        pmemfile::mapping_may_overlap(argument(4), argument(2)))
        return true;
    return pmemfile::mapping_may_overlap(argument(0), argument(1));
}

// What a number stands for, as far as a filter may say. A vfork child's are not those of the table.
inline DescriptorWord known_word(int descriptor) {
    return descriptor < 0 || descriptor >= descriptor_table_size || context_is_vfork_child()
               ? descriptor_unknown
               : descriptor_words[descriptor].load(std::memory_order_acquire);
}

constexpr int answer(bool passes) {
    return passes ? INTERCEPT_FILTER_PASS : INTERCEPT_FILTER_SERVE;
}

// The kinds where more than the word of a descriptor counts. Keeps all registers, as names_our_addresses.
INTERCEPT_KEEPS_REGISTERS __attribute__((noinline)) int look_closer(const struct intercept_call *call, uint8_t kind) {
    if (kind == kind_addresses)
        return answer(!names_our_addresses(call));
    if (kind == kind_mmap)
        return answer(!names_our_addresses(call) && (static_cast<int>(call->args[4]) < 0 || // an anonymous one
                                                     known_word(static_cast<int>(call->args[4])) == descriptor_host));
    const auto descriptor = static_cast<int>(call->args[0]);
    if (kind != kind_message && call->args[kind == kind_peer ? 1 : 4] == 0)
        return INTERCEPT_FILTER_PASS;
    return answer(known_word(descriptor) == descriptor_host &&
                  socket_families[descriptor].load(std::memory_order_relaxed) == socket_other);
}

} // namespace

int dispatch_filter(const struct intercept_call *call) {
    const auto number = static_cast<unsigned long>(call->nr);
    const uint8_t kind = number < call_number_limit ? kinds.kind[number] : kind_other;
    if (kind == kind_other)
        return INTERCEPT_FILTER_SERVE;
    if (kind > kind_close)
        return look_closer(call, kind);
    const auto descriptor = static_cast<int>(call->args[kind == kind_close ? 0 : kind]);
    if (descriptor < 0)
        return INTERCEPT_FILTER_PASS; // EBADF
    if (descriptor >= descriptor_table_size || context_is_vfork_child())
        return INTERCEPT_FILTER_SERVE;
    std::atomic<DescriptorWord> &word = descriptor_words[descriptor];
    const DescriptorWord known = word.load(std::memory_order_acquire);
    if (kind != kind_close)
        return answer(known == descriptor_host);
    // What nobody has met needs no forgetting. Else: whatever the number becomes meanwhile, the kernel closes it now.
    if (known > descriptor_host)
        return INTERCEPT_FILTER_SERVE;
    if (known == descriptor_host)
        word.store(descriptor_unknown, std::memory_order_relaxed);
    return INTERCEPT_FILTER_PASS;
}

std::span<const long> dispatch_word_calls() {
    static_assert(descriptor_host == INTERCEPT_WORD_PASS && sizeof descriptor_words[0] == sizeof(uint64_t));
    return {word_calls.numbers, word_calls.count};
}

} // namespace shim
