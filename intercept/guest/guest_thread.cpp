// The guest's threads: made, changed and ended.
#include "intercept/guest/guest.h"

#include "base/raw_syscall.h"
#include "intercept/arch/x86_64/trap_stub.h"
#include "intercept/guest/program_break.h"
#include "intercept/guest/program_path.h"
#include "intercept/hooks/registry.h"
#include "intercept/trap/exempt_call.h"
#include "intercept/trap/own_calls.h"
#include "intercept/trap/program_memory.h"
#include "intercept/trap/program_signals.h"
#include "intercept/trap/trap.h"

#include <asm/hwcap2.h>
#include <asm/prctl.h>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/rseq.h>

extern "C" {
// 1: programs may not set FS and GS here, the kernel is asked (Linux before 5.9, some virtual machines).
__attribute__((visibility("hidden"))) constinit uint64_t intercept_guest_asks_kernel = 0;
__attribute__((visibility("hidden"))) void intercept_guest_entry();
__attribute__((visibility("hidden"))) void intercept_dispatch_process_post(intercept_call *call);
}

namespace intercept {
namespace {

constexpr size_t hook_stack_bytes = 256 * 1024; // reserved; used by the page

constinit thread_local GuestThread self{};
constinit bool is_active;

void set_gs(const void *address) {
    if (intercept_guest_asks_kernel != 0)
        exempt_call(SYS_arch_prctl, ARCH_SET_GS, base::as_long(address));
    else
        asm volatile("wrgsbase %0" ::"r"(address));
}

// Of our side: the x86-64 ABI has the thread pointer at its own address.
uint64_t get_fs() {
    uint64_t value = 0;
    asm volatile("mov %%fs:0, %0" : "=r"(value));
    return value;
}

constexpr long rseq_unregister = 1;

// The program's libc wants to register an area of its own.
void give_up_rseq() {
    if (__rseq_size == 0)
        return;
    auto *area = reinterpret_cast<char *>(get_fs()) + __rseq_offset;
    constexpr long area_bytes = 32;
    exempt_call(SYS_rseq, base::as_long(area), area_bytes, rseq_unregister, RSEQ_SIG);
}

void begin_thread(bool is_donor) {
    self = {};
    self.own_fs = get_fs();
    self.is_donor = is_donor;
    exempt_call(SYS_get_robust_list, 0, base::as_long(&self.own_robust_list),
                base::as_long(&self.own_robust_list_bytes));
    give_up_rseq();
    set_gs(&self);
}

// A new thread on its way to the program.
struct Donor {
    GuestStart start;
    intercept_call call; // of clone, for the hooks' post
    uint64_t flags;
    int *parent_tid, *child_tid;
    bool trap_signal_blocked;
    std::atomic<int> tid; // 0 until the donor has taken all this over
};

void futex(std::atomic<int> *word, int operation, int value) {
    exempt_call(SYS_futex, base::as_long(word), operation, value, 0, 0, 0);
}

void *donor_main(void *argument) {
    auto *given = static_cast<Donor *>(argument);
    begin_thread(true);
    trap_thread_on();
    program_signals_inherit(given->trap_signal_blocked);
    // What the kernel would have kept to itself.
    if ((given->flags & (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM)) != (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM))
        exempt_call(SYS_unshare, static_cast<long>(~given->flags & (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM)));
    const int tid = static_cast<int>(exempt_call(SYS_gettid));
    if ((given->flags & CLONE_PARENT_SETTID) != 0)
        *given->parent_tid = tid;
    if ((given->flags & CLONE_CHILD_SETTID) != 0)
        *given->child_tid = tid;
    if ((given->flags & CLONE_CHILD_CLEARTID) != 0)
        self.clear_tid = given->child_tid;
    // While the parent waits: clone3's arguments lie on its stack.
    intercept_call call = given->call;
    call.result = 0;
    intercept_dispatch_process_post(&call);
    const GuestStart start = given->start;
    // From here on the parent goes on, and `given` is gone.
    given->tid.store(tid);
    futex(&given->tid, FUTEX_WAKE_PRIVATE, 1);
    intercept_guest_run(&start);
    return nullptr;
}

bool start_donor(Donor &donor) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, hook_stack_bytes);
    // Not a call of the program's: no hook needs to see how it is done.
    pthread_t thread{};
    intercept_bypass_enter();
    const bool started = pthread_create(&thread, &attributes, donor_main, &donor) == 0;
    intercept_bypass_leave();
    pthread_attr_destroy(&attributes);
    return started;
}

GuestFrame &frame_of(intercept_call *call) {
    // The entry's frame, its return address, ours.
    return *reinterpret_cast<GuestFrame *>(reinterpret_cast<char *>(call) + FRAME_BYTES + 8);
}

bool is_guest_call(const intercept_call *call) {
    return static_cast<const SiteRecord *>(call->site)->entry == reinterpret_cast<uint64_t>(intercept_guest_entry);
}

// What clone and clone3 ask for, in one form.
struct Wanted {
    uint64_t flags, stack_top, thread_pointer;
    int *parent_tid, *child_tid;
};

bool read_wanted(const intercept_call *call, Wanted &out) {
    const long *args = call->args;
    if (call->nr == SYS_clone) {
        out = {static_cast<uint64_t>(args[0]), static_cast<uint64_t>(args[1]), static_cast<uint64_t>(args[4]),
               reinterpret_cast<int *>(args[2]), reinterpret_cast<int *>(args[3])};
        return true;
    }
    clone_args wanted{};
    const auto *given = reinterpret_cast<const char *>(args[0]);
    if (args[1] < CLONE_ARGS_SIZE_VER0 || !is_readable(given) ||
        !is_readable(given + CLONE_ARGS_SIZE_VER0 - sizeof(uint64_t)))
        return false;
    memcpy(&wanted, reinterpret_cast<const void *>(args[0]), CLONE_ARGS_SIZE_VER0);
    out = {wanted.flags, wanted.stack + wanted.stack_size, wanted.tls, reinterpret_cast<int *>(wanted.parent_tid),
           reinterpret_cast<int *>(wanted.child_tid)};
    return true;
}

int serve_clone(intercept_call *call) {
    Wanted wanted{};
    if (!read_wanted(call, wanted) || (wanted.flags & CLONE_VM) == 0 || (wanted.flags & CLONE_VFORK) != 0)
        return INTERCEPT_PASS; // the kernel refuses it, or a process, which takes a copy of our side along
    constexpr uint64_t needed = CLONE_THREAD | CLONE_SIGHAND;
    constexpr uint64_t refused = CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_CLEAR_SIGHAND;
    if ((wanted.flags & needed) != needed || (wanted.flags & refused) != 0) {
        call->result = -EINVAL; // two processes on one hook side
        return INTERCEPT_HANDLED;
    }
    if (!own_threads_allowed()) {
        call->result = -EAGAIN; // our side of a thread takes calls that the program's seccomp filter does not know
        return INTERCEPT_HANDLED;
    }
    const GuestFrame &frame = frame_of(call);
    auto *record = reinterpret_cast<const TrapRecord *>(frame.record);
    AllSignalsBlocked blocked;
    Donor donor{};
    GuestStart &start = donor.start;
    start.rdi = call->args[0];
    start.rsi = call->args[1];
    start.rdx = call->args[2];
    start.r10 = call->args[3];
    start.r8 = call->args[4];
    start.r9 = call->args[5];
    start.rbx = frame.rbx;
    start.rbp = frame.rbp;
    start.r12 = frame.r12;
    start.r13 = frame.r13;
    start.r14 = frame.r14;
    start.r15 = frame.r15;
    start.rsp = wanted.stack_top != 0 ? wanted.stack_top : frame.rsp;
    start.rip = record->back;
    start.fs = (wanted.flags & CLONE_SETTLS) != 0 ? wanted.thread_pointer : frame.fs;
    start.mask = blocked.former();
    asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(start.mxcsr), "=m"(start.x87));
    donor.call = *call;
    donor.flags = wanted.flags;
    donor.parent_tid = wanted.parent_tid;
    donor.child_tid = wanted.child_tid;
    donor.trap_signal_blocked = program_signals_blocked();
    if (!start_donor(donor)) {
        call->result = -EAGAIN;
        return INTERCEPT_HANDLED;
    }
    while (donor.tid.load() == 0)
        futex(&donor.tid, FUTEX_WAIT_PRIVATE, 0);
    call->result = donor.tid.load();
    intercept_dispatch_process_post(call);
    return INTERCEPT_HANDLED;
}

// What the kernel does with a dead thread's robust futexes (Documentation/locking/robust-futex-ABI.rst);
// it must be done before the program hears that the thread is gone, for the list lies in its memory.
void mark_owner_dead(uint64_t entry, long offset, uint32_t tid) {
    constexpr uint64_t is_pi = 1;
    if ((entry & is_pi) != 0)
        return;
    auto *word = reinterpret_cast<std::atomic<uint32_t> *>(entry + static_cast<uint64_t>(offset));
    uint32_t value = word->load();
    while ((value & FUTEX_TID_MASK) == tid) {
        if (!word->compare_exchange_strong(value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
            continue;
        if ((value & FUTEX_WAITERS) != 0)
            exempt_call(SYS_futex, base::as_long(word), FUTEX_WAKE, 1);
        return;
    }
}

void give_up_robust_futexes() {
    robust_list_head *head = nullptr;
    long size_bytes = 0;
    if (base::is_error(exempt_call(SYS_get_robust_list, 0, base::as_long(&head), base::as_long(&size_bytes))) ||
        head == nullptr || head == self.own_robust_list)
        return;
    const auto tid = static_cast<uint32_t>(exempt_call(SYS_gettid));
    auto pending = reinterpret_cast<uint64_t>(head->list_op_pending);
    auto entry = reinterpret_cast<uint64_t>(head->list.next);
    constexpr unsigned entries_max = 2048; // as the kernel's
    for (unsigned i = 0; i < entries_max && (entry & ~uint64_t{1}) != reinterpret_cast<uint64_t>(&head->list); i++) {
        auto next = reinterpret_cast<uint64_t>(reinterpret_cast<robust_list *>(entry & ~uint64_t{1})->next);
        if (entry != pending)
            mark_owner_dead(entry, head->futex_offset, tid);
        entry = next;
    }
    if (pending != 0)
        mark_owner_dead(pending, head->futex_offset, tid);
    exempt_call(SYS_set_robust_list, base::as_long(self.own_robust_list), self.own_robust_list_bytes);
}

[[noreturn]] void end_donor() {
    const uint64_t all = ~uint64_t{0};
    exempt_call(SYS_rt_sigprocmask, SIG_SETMASK, base::as_long(&all), 0, sizeof all);
    give_up_robust_futexes();
    if (self.rseq_area != 0)
        exempt_call(SYS_rseq, self.rseq_area, self.rseq_bytes, rseq_unregister, self.rseq_signature);
    if (self.clear_tid != nullptr) {
        __atomic_store_n(self.clear_tid, 0, __ATOMIC_SEQ_CST);
        exempt_call(SYS_futex, base::as_long(self.clear_tid), FUTEX_WAKE, 1);
    }
    intercept_bypass_set(1); // the rest is our libc's
    intercept_guest_leave();
}

// FS at this moment is ours; the program's is in the frame.
int serve_thread_pointer(intercept_call *call) {
    constexpr uint64_t address_limit = (uint64_t{1} << 47) - 4096;
    auto value = static_cast<uint64_t>(call->args[1]);
    switch (call->args[0]) {
    case ARCH_SET_FS:
        call->result = -EPERM;
        if (value < address_limit) {
            frame_of(call).fs = value;
            call->result = 0;
        }
        return INTERCEPT_HANDLED;
    case ARCH_GET_FS:
        call->result = -EFAULT;
        if (auto *out = reinterpret_cast<uint64_t *>(value); is_writable(out)) {
            *out = frame_of(call).fs;
            call->result = 0;
        }
        return INTERCEPT_HANDLED;
    case ARCH_SET_GS:
        call->result = -EPERM; // it is in use
        return INTERCEPT_HANDLED;
    default:
        return INTERCEPT_PASS;
    }
}

int serve(intercept_call *call) {
    if (!is_guest_call(call))
        return INTERCEPT_PASS;
    switch (call->nr) {
    case SYS_clone:
    case SYS_clone3:
        return serve_clone(call);
    case SYS_exit:
        if (!self.is_donor)
            return INTERCEPT_PASS;
        end_donor();
    case SYS_set_tid_address:
        if (!self.is_donor)
            return INTERCEPT_PASS;
        self.clear_tid = reinterpret_cast<int *>(call->args[0]);
        call->result = exempt_call(SYS_gettid);
        return INTERCEPT_HANDLED;
    case SYS_rseq:
        if (!self.is_donor || call->args[2] == rseq_unregister)
            return INTERCEPT_PASS;
        call->result = exempt_call(SYS_rseq, call->args[0], call->args[1], call->args[2], call->args[3]);
        if (call->result == 0) {
            self.rseq_area = call->args[0];
            self.rseq_bytes = call->args[1];
            self.rseq_signature = call->args[3];
        }
        return INTERCEPT_HANDLED;
    case SYS_arch_prctl:
        return serve_thread_pointer(call);
    case SYS_brk:
        call->result = program_break_move(static_cast<uint64_t>(call->args[0]));
        return INTERCEPT_HANDLED;
    default:
        return INTERCEPT_PASS;
    }
}

int serve_path(intercept_call *call) {
    return is_guest_call(call) ? program_path_serve(call) : static_cast<int>(INTERCEPT_PASS);
}

constexpr long numbers[] = {SYS_clone, SYS_clone3, SYS_exit, SYS_set_tid_address, SYS_arch_prctl, SYS_rseq, SYS_brk};
constexpr long path_numbers[] = {SYS_readlink, SYS_readlinkat, SYS_open,       SYS_openat,
                                 SYS_execve,   SYS_stat,       SYS_newfstatat, SYS_statx};

} // namespace

bool guest_is_active() {
    return is_active;
}

int guest_threads_start() {
    intercept_guest_asks_kernel = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) == 0 ? 1 : 0;
    const long stack = exempt_call(SYS_mmap, 0, hook_stack_bytes, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base::is_error(stack))
        return static_cast<int>(stack);
    // Before the hook of program_signals: that one would let the kernel make threads.
    const intercept_hook hook = {nullptr, serve, nullptr, INT_MAX - 1, numbers, sizeof numbers / sizeof numbers[0]};
    if (int id = intercept_add(&hook); id < 0)
        return id;
    // First of all: the others are to see the right path.
    const intercept_hook path_hook = {nullptr, serve_path,   nullptr,
                                      INT_MIN, path_numbers, sizeof path_numbers / sizeof path_numbers[0]};
    if (int id = intercept_add(&path_hook); id < 0)
        return id;
    begin_thread(false);
    self.hook_stack = static_cast<uint64_t>(stack) + hook_stack_bytes;
    is_active = true;
    trap_set_guest();
    program_signals_wrap(reinterpret_cast<uint64_t>(intercept_guest_signal));
    return 0;
}

void guest_enter(const GuestStart &start) {
    intercept_guest_run(&start);
    __builtin_unreachable();
}

} // namespace intercept

using namespace intercept;

extern "C" {

// The program's handler, with the program's FS: nothing here may use our thread pointer.
__attribute__((visibility("hidden"))) void intercept_guest_deliver(int number, void *info, void *context) {
    const ProgramAction action = program_action(number);
    if (!action.is_function())
        return; // changed since the signal was on its way
    if ((action.flags & static_cast<uint32_t>(SA_RESETHAND)) != 0)
        program_action_reset(number, action);
    reinterpret_cast<void (*)(int, void *, void *)>(action.handler)(number, info, context);
}

void intercept_exit_thread(long status) {
    if (is_active && self.is_donor)
        end_donor();
    exempt_call(SYS_exit, status);
    __builtin_unreachable();
}

void intercept_run_own_handler(int number, siginfo_t *info, void *context, void (*handler)(int, siginfo_t *, void *)) {
    if (is_active)
        intercept_guest_call_own(number, info, context, reinterpret_cast<void (*)(int, void *, void *)>(handler));
    else
        handler(number, info, context);
}

void intercept_run_program_handler(int number, siginfo_t *info, void *context,
                                   void (*handler)(int, siginfo_t *, void *)) {
    if (is_active)
        intercept_guest_call_program(number, info, context, reinterpret_cast<void (*)(int, void *, void *)>(handler));
    else
        handler(number, info, context);
}

} // extern "C"
