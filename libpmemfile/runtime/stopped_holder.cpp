// A number of a process is only a hint: it may be another's by now, or mean somebody else in our namespace. So the
// process is held by a descriptor first, and then must have the runtime file open at the number that its slot says.
#include "libpmemfile/runtime/stopped_holder.h"

#include "base/decimal.h"
#include "base/own_root.h"
#include "base/raw_syscall.h"
#include "libpmemfile/runtime/segment.h"

#include <csignal>
#include <cstring>
#include <string_view>
#include <sys/stat.h>

namespace pmemfile {
namespace {

// A file below /proc/PID, opened; or -errno.
long open_of_process(uint32_t pid, std::string_view name, std::string_view number, long flags) {
    char path[64];
    size_t length = 0;
    const base::Decimal pid_text(pid);
    for (const std::string_view part : {std::string_view("/proc/"), pid_text.text(), name, number}) {
        std::memcpy(path + length, part.data(), part.size());
        length += part.size();
    }
    path[length] = 0;
    return base::open_own(path, flags | O_CLOEXEC);
}

// "PID (NAME) S ...": the name may have anything in it, the state stands behind its last parenthesis.
bool is_stopped(uint32_t pid) {
    const long opened = open_of_process(pid, "/stat", "", O_RDONLY);
    if (base::is_error(opened))
        return false;
    char text[512];
    const long length = base::raw_syscall(SYS_read, opened, base::as_long(text), sizeof text);
    base::raw_syscall(SYS_close, opened);
    if (base::is_error(length))
        return false;
    const std::string_view line(text, static_cast<size_t>(length));
    const size_t name_end = line.rfind(") ");
    return name_end != std::string_view::npos && line.substr(name_end + 2, 1) == "T";
}

bool has_open(uint32_t pid, uint32_t number, int same_as) {
    const base::Decimal number_text(number);
    const long opened = open_of_process(pid, "/fd/", number_text.text(), O_PATH);
    if (base::is_error(opened))
        return false;
    struct stat theirs = {}, ours = {};
    const bool is_known = !base::is_error(base::raw_syscall(SYS_fstat, opened, base::as_long(&theirs))) &&
                          !base::is_error(base::raw_syscall(SYS_fstat, same_as, base::as_long(&ours)));
    base::raw_syscall(SYS_close, opened);
    return is_known && theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

} // namespace

[[gnu::noinline, gnu::cold]] void StoppedHolder::let_go_on(const Pool &pool, uint32_t thread_slot) {
    if (descriptor_ >= 0 || pool.is_private())
        return;
    const uint32_t process_slot = pool.segment->threads()[thread_slot].process_slot.load();
    if (process_slot >= max_processes || process_slot == pool.process_slot)
        return;
    const ProcessSlot &process = pool.segment->processes()[process_slot];
    const uint32_t pid = process.pid.load();
    if (!is_stopped(pid))
        return;
    const long descriptor = base::raw_syscall(SYS_pidfd_open, static_cast<long>(pid), 0);
    if (base::is_error(descriptor))
        return;
    if (!has_open(pid, process.liveness_descriptor.load(), pool.liveness_descriptor) ||
        base::is_error(base::raw_syscall(SYS_pidfd_send_signal, descriptor, SIGCONT, 0, 0))) {
        base::raw_syscall(SYS_close, descriptor);
        return;
    }
    descriptor_ = static_cast<int>(descriptor);
    thread_slot_ = thread_slot;
}

void StoppedHolder::stop_again() {
    if (descriptor_ < 0)
        return;
    base::raw_syscall(SYS_pidfd_send_signal, descriptor_, SIGSTOP, 0, 0);
    base::raw_syscall(SYS_close, descriptor_);
    descriptor_ = -1;
}

} // namespace pmemfile
