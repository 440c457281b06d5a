// A device in user space: /dev/reverse gives back what was written to it, last byte first.
//
//   c++ -std=c++20 -shared -fPIC reverse_device.cpp -o reverse_device.so
//       $(pkg-config --cflags --libs libpmemfile-intercept)
//   LD_PRELOAD=./reverse_device.so sh -c 'exec 3<>/dev/reverse; echo abc >&3; cat <&3'
//
// An open descriptor of it is a real one (a memfd), so that its number is nobody else's and that dup,
// fork and close are the kernel's work; the hook knows it by device and inode. What a
// process has written stays in the memfd, which is how a forked child sees it too.
#include <pmemfile-intercept.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace {

constexpr std::string_view device_path = "/dev/reverse";
constexpr char memory_name[] = "reverse-device";

long kernel(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
    return intercept_raw_syscall(number, a, b, c, d, 0, 0);
}

// The descriptor's file is one of our memfds: their name says so.
bool is_ours(long descriptor) {
    std::array<char, 64> link{}, target{};
    constexpr std::string_view front = "/proc/self/fd/";
    memcpy(link.data(), front.data(), front.size());
    char digits[12];
    size_t count = 0, at = front.size();
    auto rest = static_cast<unsigned>(descriptor);
    do
        digits[count++] = static_cast<char>('0' + rest % 10);
    while ((rest /= 10) != 0);
    while (count > 0)
        link[at++] = digits[--count];
    long length =
        kernel(SYS_readlink, reinterpret_cast<long>(link.data()), reinterpret_cast<long>(target.data()), target.size());
    return length > 0 &&
           std::string_view(target.data(), static_cast<size_t>(length)).find(memory_name) != std::string_view::npos;
}

bool is_device(long path) {
    // Long enough to be compared: the kernel has not looked at the pointer yet, and a bad one is its business.
    std::array<char, device_path.size() + 1> text{};
    struct {
        void *base;
        size_t size;
    } here = {text.data(), text.size()}, there = {reinterpret_cast<void *>(path), text.size()};
    long got = intercept_raw_syscall(SYS_process_vm_readv, kernel(SYS_getpid), reinterpret_cast<long>(&here), 1,
                                     reinterpret_cast<long>(&there), 1, 0);
    return got == static_cast<long>(text.size()) && text.back() == 0 &&
           device_path == std::string_view(text.data(), device_path.size());
}

long read_device(long descriptor, char *to, long size) {
    struct stat status;
    if (long failed = kernel(SYS_fstat, descriptor, reinterpret_cast<long>(&status)); failed < 0)
        return failed;
    long done = 0;
    // The last byte first, and each only once: the file becomes shorter.
    for (; done < size && status.st_size > 0; done++) {
        char byte;
        if (kernel(SYS_pread64, descriptor, reinterpret_cast<long>(&byte), 1, --status.st_size) != 1)
            return -EIO;
        to[done] = byte;
    }
    kernel(SYS_ftruncate, descriptor, status.st_size);
    return done;
}

int hook(intercept_call *call) {
    switch (call->nr) {
    case SYS_open:
    case SYS_openat: {
        const bool is_at = call->nr == SYS_openat;
        if (!is_device(call->args[is_at ? 1 : 0]))
            return INTERCEPT_PASS;
        const long flags = call->args[is_at ? 2 : 1];
        call->result = kernel(SYS_memfd_create, reinterpret_cast<long>(memory_name), (flags & O_CLOEXEC) != 0 ? 1 : 0);
        return INTERCEPT_HANDLED;
    }
    case SYS_read:
        if (!is_ours(call->args[0]))
            return INTERCEPT_PASS;
        call->result = read_device(call->args[0], reinterpret_cast<char *>(call->args[1]), call->args[2]);
        return INTERCEPT_HANDLED;
    case SYS_write: {
        if (!is_ours(call->args[0]))
            return INTERCEPT_PASS;
        // Behind what is there; the kernel checks the pointer.
        const long end = kernel(SYS_lseek, call->args[0], 0, SEEK_END);
        call->result = end < 0 ? end : kernel(SYS_write, call->args[0], call->args[1], call->args[2]);
        return INTERCEPT_HANDLED;
    }
    default: // lseek: a device of this kind has no position
        if (!is_ours(call->args[0]))
            return INTERCEPT_PASS;
        call->result = -ESPIPE;
        return INTERCEPT_HANDLED;
    }
}

__attribute__((constructor)) void start() {
    static constexpr long calls[] = {SYS_open, SYS_openat, SYS_read, SYS_write, SYS_lseek};
    intercept_hook registration{};
    registration.hook = hook;
    registration.calls = calls;
    registration.call_count = std::size(calls);
    if (intercept_add(&registration) >= 0)
        intercept_start();
}

} // namespace
