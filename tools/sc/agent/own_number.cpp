#include "tools/sc/agent/own_number.h"

#include "tools/sc/agent/following.h"

#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

namespace sc {
namespace {

bool forbidden;
uint8_t last_flags;
long user;

// False: not known (no /proc that shows us).
bool namespace_is_known(bool &is_other) {
    const Settings &settings = segment->settings;
    struct stat status;
    if (settings.namespace_inode == 0 ||
        base::raw_syscall(SYS_newfstatat, AT_FDCWD, base::as_long("/proc/self/ns/pid"), base::as_long(&status), 0) != 0)
        return false;
    is_other = status.st_ino != settings.namespace_inode || status.st_dev != settings.namespace_device;
    return true;
}

// A connection to sc, -1 without.
long connect_to_sc() {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const char *front = segment_path();
    if (strlen(front) + sizeof number_socket_end > sizeof address.sun_path)
        return -1;
    strcpy(address.sun_path, front);
    strcat(address.sun_path, number_socket_end);
    const long file = base::raw_syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (base::is_error(file))
        return -1;
    const timeval limit = {3, 0};
    for (long option : {SO_SNDTIMEO, SO_RCVTIMEO})
        base::raw_syscall(SYS_setsockopt, file, SOL_SOCKET, option, base::as_long(&limit), sizeof limit);
    if (base::raw_syscall(SYS_connect, file, base::as_long(&address), sizeof address) == 0)
        return file;
    base::raw_syscall(SYS_close, file);
    return -1;
}

// What sc answers, within some seconds; false if it does not.
bool ask(int32_t thread, SeenNumbers &numbers) {
    const long file = connect_to_sc();
    if (file < 0)
        return false;
    constexpr long question_bytes = sizeof thread, answer_bytes = sizeof numbers;
    const bool is_answered = base::raw_syscall(SYS_sendto, file, base::as_long(&thread), question_bytes, MSG_NOSIGNAL,
                                               0, 0) == question_bytes &&
                             base::raw_syscall(SYS_recvfrom, file, base::as_long(&numbers), answer_bytes, MSG_WAITALL,
                                               0, 0) == answer_bytes &&
                             numbers.process > 0;
    base::raw_syscall(SYS_close, file);
    return is_answered;
}

uint8_t translate(ThreadState &state) {
    bool is_other = true;
    const bool is_known = namespace_is_known(is_other);
    if (is_known && !is_other)
        return 0;
    SeenNumbers seen = {};
    if (!ask(state.thread, seen))
        return record_other_numbers | record_unseen;
    const bool is_same = seen.process == state.process && seen.thread == state.thread;
    state.process = seen.process;
    state.thread = seen.thread;
    return is_same && !is_known ? 0 : record_other_numbers;
}

} // namespace

void ask_own_number(ThreadState &state) {
    state.process = static_cast<int32_t>(base::raw_syscall(SYS_getpid));
    state.thread = static_cast<int32_t>(base::raw_syscall(SYS_gettid));
    if (__atomic_load_n(&forbidden, __ATOMIC_RELAXED)) {
        state.number_flags =
            __atomic_load_n(&last_flags, __ATOMIC_RELAXED) != 0 ? record_other_numbers | record_unseen : 0;
        return;
    }
    state.number_flags = translate(state);
    __atomic_store_n(&last_flags, state.number_flags, __ATOMIC_RELAXED);
}

bool sc_listens() {
    if (__atomic_load_n(&forbidden, __ATOMIC_RELAXED))
        return false;
    const long file = connect_to_sc();
    if (file >= 0)
        base::raw_syscall(SYS_close, file);
    return file >= 0;
}

void remember_user() {
    user = base::raw_syscall(SYS_geteuid);
}

bool is_other_user() {
    return !__atomic_load_n(&forbidden, __ATOMIC_RELAXED) && base::raw_syscall(SYS_geteuid) != user;
}

void forbid_asking() {
    __atomic_store_n(&forbidden, true, __ATOMIC_RELAXED);
}

} // namespace sc
