// `other` is stored before the kernel is asked. So if the number is closed and given out again meanwhile, either the
// answer is already that of the new socket, or the new one is met after the store, which forgets it.
#include "posix-shim/descriptors/socket_family.h"

#include "base/raw_syscall.h"

#include <sys/socket.h>

namespace shim {

constinit std::atomic<SocketFamily> socket_families[descriptor_table_size];

void socket_family_meet(ThreadContext &context, long register_value) {
    const auto descriptor = static_cast<int>(register_value);
    if (descriptor < 0 || descriptor >= descriptor_table_size || context.is_vfork_child)
        return;
    std::atomic<SocketFamily> &family = socket_families[descriptor];
    const SocketFamily known = family.load(std::memory_order_relaxed);
    const bool is_host = descriptor_words[descriptor].load(std::memory_order_acquire) == descriptor_host;
    if (is_host && known == socket_unix) [[likely]]
        return;
    if (known < socket_asked) {
        family.store(known + 1, std::memory_order_relaxed);
        return;
    }
    const base::Result<DescriptorWord> word = descriptor_lookup(context, descriptor);
    if (!word.ok() || *word != descriptor_host)
        return;
    family.store(socket_other);
    int domain = AF_UNIX;
    socklen_t size_bytes = sizeof domain;
    const long asked = base::raw_syscall(SYS_getsockopt, descriptor, SOL_SOCKET, SO_DOMAIN, base::as_long(&domain),
                                         base::as_long(&size_bytes));
    if (base::is_error(asked))
        family.store(0); // no socket
    else if (domain == AF_UNIX)
        family.store(socket_unix);
}

} // namespace shim
