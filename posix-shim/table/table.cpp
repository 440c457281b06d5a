// The table: syscalls.def as an array, and the way from a number to its row.
#include "posix-shim/table/row.h"

#include "posix-shim/calls/served_calls.h"

#include <cerrno>
#include <sys/syscall.h>

namespace shim {

namespace {

constexpr After after_of(long number) {
    switch (number) {
    case SYS_fork:
    case SYS_vfork:
    case SYS_clone:
    case SYS_clone3:
        return After::process;
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_recvfrom:
    case SYS_accept:
    case SYS_accept4:
        return After::message;
    default:
        return After::path;
    }
}

// These hold locks of this process while they look at a pool, or do not come back.
constexpr bool has_escape(long number) {
    switch (number) {
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mremap:
    case SYS_mprotect:
    case SYS_msync:
    case SYS_madvise:
    case SYS_execve:
    case SYS_execveat:
    case SYS_exit:
    case SYS_exit_group:
        return false;
    default:
        return after_of(number) != After::process;
    }
}

} // namespace

constexpr Row rows[] = {
#define SYSCALL(name, treatment, handler, arguments, error, note)                                                      \
    {intercept::call_##name,                                                                                           \
     Treatment::treatment,                                                                                             \
     error,                                                                                                            \
     after_of(intercept::call_##name),                                                                                 \
     has_escape(intercept::call_##name),                                                                               \
     #name,                                                                                                            \
     arguments,                                                                                                        \
     handler,                                                                                                          \
     note},
#include "posix-shim/table/syscalls.def"
#undef SYSCALL
};
constexpr unsigned row_count = sizeof(rows) / sizeof(rows[0]);
static_assert(row_count == intercept::call_count, "a call of calls.def has no row, or two");

namespace {

constexpr RowIndex make_index() {
    constexpr int16_t numbers[] = {
#define SYSCALL(name, ...) intercept::call_##name,
#include "posix-shim/table/syscalls.def"
#undef SYSCALL
    };
    RowIndex index;
    for (unsigned i = 0; i < row_count; i++)
        index.row_plus_one[numbers[i]] = static_cast<uint16_t>(i + 1);
    return index;
}

} // namespace

constexpr RowIndex row_index = make_index();

} // namespace shim
