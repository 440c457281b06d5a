// hook_point: the older interface, as one hook of ours that asks a pointer.
//
//   constructor: environment ─► one hook for all numbers ─► intercept_start
//   each call:   intercept_hook_point ─ 0 ─► handled
//                                      └ else ─► kernel ─► log, clone_child/_parent
//
// Our constructor runs before that of the library which sets the pointer, since
// that one depends on us: the pointer is read at each call.
#include "base/log.h"
#include "base/raw_syscall.h"
#include "intercept/dropin/call_log.h"
#include "intercept/include/libsyscall_intercept_hook_point.h"
#include "intercept/include/pmemfile-intercept.h"
#include "intercept/objects/loader_list.h"

#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <link.h>
#include <sys/uio.h>

#define EXPORT __attribute__((visibility("default")))

extern "C" {
EXPORT int (*intercept_hook_point)(long, long, long, long, long, long, long, long *);
EXPORT void (*intercept_hook_point_clone_child)(void);
EXPORT void (*intercept_hook_point_clone_parent)(long);
}

namespace intercept {
namespace {

bool is_clone(long number) {
    return number == SYS_clone || number == SYS_clone3;
}

// A child that goes on behind the call on a stack that nobody prepared has none
// of the caller's frames: that is the one the clone functions are for.
//
// clone says so in a register. clone3 says so in memory, which the parent may use
// again before the child runs: so the stack is noted before the call, and a child
// that finds itself on a noted stack has its own. (No register is free to carry
// it, and the caller's frame is not the child's.)
struct NewStack {
    uint64_t begin, end; // end 0 = free; written last, cleared first
};
constexpr unsigned new_stacks_max = 256;
NewStack new_stacks[new_stacks_max];
unsigned next_new_stack;

// The stack a clone3 is to give its child; size 0 = none. The pointer is the
// program's and may lead nowhere.
struct StackArguments {
    uint64_t begin, size_bytes;
};

StackArguments stack_arguments(const intercept_call &call) {
    constexpr long stack_at = 40; // of struct clone_args
    constexpr long version0 = 64; // its first size: holds the stack
    StackArguments stack{};
    if (call.args[1] < version0)
        return {};
    iovec here = {&stack, sizeof stack};
    iovec there = {reinterpret_cast<void *>(call.args[0] + stack_at), sizeof stack};
    long got = base::raw_syscall(SYS_process_vm_readv, base::raw_syscall(SYS_getpid), base::as_long(&here), 1,
                                 base::as_long(&there), 1, 0);
    return got == sizeof stack && stack.begin != 0 ? stack : StackArguments{};
}

void note_new_stack(const intercept_call &call) {
    StackArguments stack = stack_arguments(call);
    if (stack.size_bytes == 0)
        return;
    // Entries of calls that failed and of children that were killed are overwritten in turn.
    NewStack &entry = new_stacks[__atomic_fetch_add(&next_new_stack, 1, __ATOMIC_RELAXED) % new_stacks_max];
    __atomic_store_n(&entry.end, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&entry.begin, stack.begin, __ATOMIC_SEQ_CST);
    __atomic_store_n(&entry.end, stack.begin + stack.size_bytes, __ATOMIC_SEQ_CST);
}

// Called in the child, on the stack it goes on with.
bool take_new_stack() {
    auto here = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
    for (NewStack &entry : new_stacks) {
        uint64_t end = __atomic_load_n(&entry.end, __ATOMIC_SEQ_CST);
        if (here < end && here >= __atomic_load_n(&entry.begin, __ATOMIC_SEQ_CST))
            return __atomic_compare_exchange_n(&entry.end, &end, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    return false;
}

bool has_own_stack(const intercept_call &call) {
    if (call.nr == SYS_clone)
        return call.args[1] != 0;
    return call.result == 0 ? take_new_stack() : stack_arguments(call).size_bytes != 0;
}

bool never_returns(long number) {
    return number == SYS_exit || number == SYS_exit_group || number == SYS_execve || number == SYS_execveat;
}

int ask(intercept_call *call) {
    if (auto *hook = __atomic_load_n(&intercept_hook_point, __ATOMIC_ACQUIRE)) {
        long result = 0;
        const long *a = call->args;
        if (hook(call->nr, a[0], a[1], a[2], a[3], a[4], a[5], &result) == 0) {
            call->result = result;
            if (call_log_is_open())
                log_call(*call, true);
            return INTERCEPT_HANDLED;
        }
    }
    if (call->nr == SYS_clone3 && intercept_hook_point_clone_child != nullptr)
        note_new_stack(*call);
    if (call_log_is_open()) {
        if (!never_returns(call->nr))
            return INTERCEPT_PASS_POST;
        log_call_begin(*call);
        return INTERCEPT_PASS;
    }
    return is_clone(call->nr) &&
                   (intercept_hook_point_clone_child != nullptr || intercept_hook_point_clone_parent != nullptr)
               ? INTERCEPT_PASS_POST
               : INTERCEPT_PASS;
}

void after(intercept_call *call) {
    if (call_log_is_open())
        log_call(*call, false);
    if (!is_clone(call->nr) || call->result < 0 || !has_own_stack(*call))
        return;
    if (call->result == 0 && intercept_hook_point_clone_child != nullptr)
        intercept_hook_point_clone_child();
    if (call->result > 0 && intercept_hook_point_clone_parent != nullptr)
        intercept_hook_point_clone_parent(call->result);
}

// The hook library is known to us only by needing us: its own inline system
// calls must not come back to it.
struct Search {
    uint64_t base;
    bool found;
};

int look_for_need(dl_phdr_info *info, size_t, void *argument) {
    auto *search = static_cast<Search *>(argument);
    if (info->dlpi_addr != search->base)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_DYNAMIC)
            continue;
        auto *entries = reinterpret_cast<const ElfW(Dyn) *>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        const char *strings = nullptr;
        for (auto *entry = entries; entry->d_tag != DT_NULL; entry++)
            if (entry->d_tag == DT_STRTAB)
                strings = reinterpret_cast<const char *>(entry->d_un.d_ptr);
        for (auto *entry = entries; strings != nullptr && entry->d_tag != DT_NULL; entry++)
            if (entry->d_tag == DT_NEEDED && strcmp(strings + entry->d_un.d_val, "libsyscall_intercept.so.0") == 0)
                search->found = true;
    }
    return 1;
}

int all_but_hook_libraries(const intercept_object_info *object, void *) {
    Search search{reinterpret_cast<uint64_t>(object->base), false};
    visit_loader_list(look_for_need, &search);
    return search.found ? 0 : 1;
}

int libc_alone(const intercept_object_info *object, void *) {
    return strcmp(object->soname, "libc.so.6") == 0 || strcmp(object->soname, "libpthread.so.0") == 0;
}

bool is_set(const char *name) {
    const char *value = getenv(name);
    return value != nullptr && strcmp(value, "0") != 0;
}

__attribute__((constructor)) void start() {
    if (!syscall_hook_in_process_allowed())
        return;
    if (const char *path = secure_getenv("INTERCEPT_LOG"); path != nullptr && path[0] != 0) {
        const char *truncate = getenv("INTERCEPT_LOG_TRUNC");
        long status = open_call_log(path, truncate == nullptr || strcmp(truncate, "0") != 0);
        if (status != 0)
            base::LogLine("intercept").text("no log in ").text(path).text(", error ").number(-status).write();
    }
    intercept_set_object_filter(is_set("INTERCEPT_ALL_OBJS") ? all_but_hook_libraries : libc_alone, nullptr);
    intercept_hook hook{nullptr, ask, after, 0, nullptr, 0};
    int status = intercept_add(&hook);
    if (status >= 0)
        status = intercept_start();
    if (status != 0)
        base::LogLine("intercept").text("not all calls are caught: error ").number(-status).write();
}

// The last component of argv[0], as this process was started, against the filter.
bool program_is(const char *wanted) {
    char line[4096];
    long file = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/proc/self/cmdline"), O_RDONLY | O_CLOEXEC);
    if (base::is_error(file))
        return false;
    long got = base::raw_syscall(SYS_read, file, base::as_long(line), sizeof line - 1);
    base::raw_syscall(SYS_close, file);
    if (got <= 0)
        return false;
    line[got] = 0;
    const char *last = strrchr(line, '/');
    return strcmp(last == nullptr ? line : last + 1, wanted) == 0;
}

} // namespace
} // namespace intercept

extern "C" {

EXPORT long syscall_no_intercept(long nr, ...) {
    va_list list;
    va_start(list, nr);
    long a[6];
    for (long &value : a)
        value = va_arg(list, long);
    va_end(list);
    return base::raw_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

EXPORT int syscall_error_code(long result) {
    return base::is_error(result) ? static_cast<int>(-result) : 0;
}

EXPORT int syscall_hook_in_process_allowed(void) {
    const char *wanted = getenv("INTERCEPT_HOOK_CMDLINE_FILTER");
    return wanted == nullptr || intercept::program_is(wanted);
}

} // extern "C"
