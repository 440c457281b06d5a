// The kernel lists a process's threads in /proc/self/task until they are gone, and tells of each whether it is ending.
#include "posix-shim/process/other_threads.h"

#include "base/raw_syscall.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace shim {
namespace {

// The other threads of this process, as the kernel tells.
enum class Others { none, ending, running, asleep };

// One thread's state: "TID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS ...".
Others thread_state(long tasks, const char *name) {
    constexpr uint64_t is_exiting = 0x4; // PF_EXITING
    char path[32] = {};
    std::memcpy(path, name, std::min(std::strlen(name), sizeof path - 6));
    std::strcat(path, "/stat");
    const long file = base::raw_syscall(SYS_openat, tasks, base::as_long(path), O_RDONLY | O_CLOEXEC);
    if (base::is_error(file))
        return Others::none;
    char text[256];
    const long length = base::raw_syscall(SYS_read, file, base::as_long(text), sizeof text - 1);
    base::raw_syscall(SYS_close, file);
    text[std::max(length, 0L)] = 0;
    const char *at = std::strrchr(text, ')');
    if (at == nullptr || at[1] == 0)
        return Others::none; // gone meanwhile
    at += 2;
    const char state = *at;
    for (unsigned field = 0; field < 6 && at != nullptr; field++)
        if ((at = std::strchr(at, ' ')) != nullptr)
            at++;
    uint64_t flags = 0;
    for (; at != nullptr && *at >= '0' && *at <= '9'; at++)
        flags = flags * 10 + static_cast<uint64_t>(*at - '0');
    if ((flags & is_exiting) != 0 || state == 'X' || state == 'Z')
        return Others::ending;
    return state == 'R' || state == 'D' ? Others::running : Others::asleep;
}

// The one that is farthest from its end counts.
Others other_threads() {
    struct stat status = {}; // a directory for each thread
    const long tasks =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/proc/self/task"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base::is_error(tasks))
        return Others::asleep;
    Others found = Others::none;
    base::raw_syscall(SYS_fstat, tasks, base::as_long(&status));
    alignas(8) char entries[1024];
    long length = 0;
    while (status.st_nlink != 3 && found != Others::asleep &&
           (length = base::raw_syscall(SYS_getdents64, tasks, base::as_long(entries), sizeof entries)) > 0)
        for (long at = 0; at < length && found != Others::asleep;) {
            const auto *entry = reinterpret_cast<const dirent64 *>(entries + at);
            at += entry->d_reclen;
            long number = 0;
            for (const char *digit = entry->d_name; *digit >= '0' && *digit <= '9'; digit++)
                number = number * 10 + (*digit - '0');
            if (number != 0 && number != base::raw_syscall(SYS_gettid))
                found = std::max(found, thread_state(tasks, entry->d_name));
        }
    base::raw_syscall(SYS_close, tasks);
    return found;
}

} // namespace

bool is_only_thread(unsigned tries_running) {
    constexpr struct timespec pause = {0, 500'000};
    constexpr unsigned tries_ending = 2000;
    Others others = Others::none;
    for (unsigned tries = 0; (others = other_threads()) != Others::none; tries++) {
        if (others == Others::asleep || tries >= (others == Others::ending ? tries_ending : tries_running))
            return false;
        base::raw_syscall(SYS_nanosleep, base::as_long(&pause), 0);
    }
    return true;
}

} // namespace shim
