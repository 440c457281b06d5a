#include "posix-shim/calls/passed_descriptors.h"

#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/peer_address.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/shared_token.h"

#include <algorithm>

namespace shim {

using base::Result;

namespace {

constexpr unsigned message_limit = 1024; // UIO_MAXIOV: the kernel looks at no more

// Calls each(number) for the descriptors in the message. What the kernel would refuse ends it.
template <typename Each> void for_descriptors(const struct msghdr &message, Each &&each) {
    auto *control = static_cast<char *>(message.msg_control);
    const size_t length = message.msg_controllen;
    struct cmsghdr header;
    for (size_t at = 0; control != nullptr && at + sizeof(header) <= length;) {
        if (!copy_in(&header, control + at, sizeof(header)).ok() || header.cmsg_len < sizeof(header) ||
            header.cmsg_len > length - at)
            return;
        if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_RIGHTS)
            for (size_t i = CMSG_LEN(0); i + sizeof(int) <= header.cmsg_len; i += sizeof(int)) {
                int descriptor = -1;
                if (!copy_in(&descriptor, control + at + i, sizeof(descriptor)).ok())
                    return;
                each(descriptor);
            }
        at += CMSG_ALIGN(header.cmsg_len);
    }
}

// The thread in its pool and the word of a descriptor of ours; a null thread for any other.
pmemfile::Thread *thread_of(ThreadContext &context, int descriptor, DescriptorWord *word) {
    const Result<DescriptorWord> found = descriptor_lookup(context, descriptor);
    if (!found.ok() || !is_ours(*found))
        return nullptr;
    *word = *found;
    const Result<pmemfile::Thread *> thread = context_thread(context, word_mount(*found));
    return thread.ok() ? *thread : nullptr;
}

void land(ThreadContext &context, int descriptor) {
    DescriptorWord word = descriptor_unknown;
    if (pmemfile::Thread *thread = thread_of(context, descriptor, &word))
        pmemfile::fs_land(*thread, word_id(word));
}

// A number that the kernel has just given out is none that was known before.
void receive(ThreadContext &context, int descriptor, bool is_peek) {
    if (descriptor >= 0 && descriptor < descriptor_table_size && !context.is_vfork_child) {
        DescriptorWord stale = descriptor_host;
        descriptor_words[descriptor].compare_exchange_strong(stale, descriptor_unknown);
    }
    if (is_peek || context.is_vfork_child) // it stays in the socket; or its parent does not refer to it
        static_cast<void>(descriptor_lookup(context, descriptor).ok());
    else
        land(context, descriptor);
}

bool has_control_room(const struct msghdr &message) {
    return message.msg_control != nullptr && message.msg_controllen >= sizeof(struct cmsghdr);
}

} // namespace

bool passed_descriptors_send(ThreadContext &context, const struct msghdr &message) {
    bool any = false;
    for_descriptors(message, [&](int descriptor) {
        DescriptorWord word = descriptor_unknown;
        pmemfile::Thread *thread = thread_of(context, descriptor, &word);
        if (thread == nullptr || base::is_error(shared_token_replace(descriptor)))
            return; // no token, no id: who receives it finds a bad descriptor
        any = pmemfile::open_file_send(*thread, word_id(word)).ok() || any;
    });
    return any;
}

void passed_descriptors_unsend(ThreadContext &context, const struct mmsghdr *messages, unsigned first, unsigned end) {
    struct mmsghdr message;
    for (unsigned i = first; i < end && copy_in(&message, messages + i, sizeof(message)).ok(); i++)
        for_descriptors(message.msg_hdr, [&](int descriptor) { land(context, descriptor); });
}

bool passes_descriptors(long number) {
    return number == SYS_sendmsg || number == SYS_sendmmsg || number == SYS_recvmsg || number == SYS_recvmmsg;
}

void passed_descriptors_post(ThreadContext &context, const struct intercept_call &call) {
    const auto *messages = reinterpret_cast<const struct mmsghdr *>(call.args[1]);
    struct mmsghdr message = {};
    const bool has_failed = base::is_error(call.result);
    switch (call.nr) {
    case SYS_sendmsg:
        if (has_failed && copy_in(&message.msg_hdr, messages, sizeof message.msg_hdr).ok())
            for_descriptors(message.msg_hdr, [&](int descriptor) { land(context, descriptor); });
        return;
    case SYS_sendmmsg:
        return passed_descriptors_unsend(context, messages, has_failed ? 0 : static_cast<unsigned>(call.result),
                                         std::min(static_cast<unsigned>(call.args[2]), message_limit));
    case SYS_recvmsg:
        if (!has_failed && copy_in(&message.msg_hdr, messages, sizeof message.msg_hdr).ok())
            for_descriptors(message.msg_hdr,
                            [&](int descriptor) { receive(context, descriptor, (call.args[2] & MSG_PEEK) != 0); });
        return;
    default:
        for (long i = 0; !has_failed && i < call.result && copy_in(&message, messages + i, sizeof(message)).ok(); i++)
            for_descriptors(message.msg_hdr,
                            [&](int descriptor) { receive(context, descriptor, (call.args[3] & MSG_PEEK) != 0); });
    }
}

long serve_recvmsg(Request &request) {
    struct msghdr message;
    if (!copy_in(&message, reinterpret_cast<void *>(request.args[1]), sizeof(message)).ok())
        return pass_to_kernel;
    const long length = request.args[1] + static_cast<long>(offsetof(struct msghdr, msg_namelen));
    const bool wants_address = peer_address_expect(request.context, base::as_long(message.msg_name), length);
    return has_control_room(message) || wants_address ? pass_with_post : pass_to_kernel;
}

long serve_recvmmsg(Request &request) {
    struct mmsghdr message;
    const auto *messages = reinterpret_cast<const struct mmsghdr *>(request.args[1]);
    const unsigned count = std::min(static_cast<unsigned>(request.args[2]), message_limit);
    for (unsigned i = 0; i < count && copy_in(&message, messages + i, sizeof(message)).ok(); i++)
        if (has_control_room(message.msg_hdr))
            return pass_with_post;
    return pass_to_kernel;
}

} // namespace shim
