// The switch and the C++ half of the handler (arch/x86_64/trap_entry.S is the other).
#include "intercept/trap/trap.h"

#include "intercept/arch/x86_64/trap_stub.h"
#include "intercept/hooks/registry.h"
#include "intercept/trap/exempt_call.h"
#include "intercept/trap/exempt_range.h"
#include "intercept/trap/own_calls.h"
#include "intercept/trap/program_signals.h"
#include "intercept/trap/trap_sites.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>

// Of newer headers than Debian 12's.
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

namespace intercept {
namespace {

constexpr int dispatch_on = 1;
constexpr unsigned own_objects_max = 16;

// Calls from our own objects pass, even where they are not in the exempt range.
constinit AddressRange own_objects[own_objects_max];
constinit unsigned own_object_count;
constinit const Arenas *stub_arenas;
constinit bool has_guest;
constinit bool is_on;

bool is_own(uint64_t address) {
    for (unsigned i = 0; i < own_object_count; i++)
        if (own_objects[i].contains(address))
            return true;
    return stub_arenas->contains(address);
}

void note_own_objects(const base::PageArray<Object> &objects) {
    for (const Object &object : objects) {
        bool own = object.span.contains(reinterpret_cast<uint64_t>(&intercept_table));
        for (const HookSlot &slot : hooks)
            own |= slot.used && object.span.contains(reinterpret_cast<uint64_t>(slot.hook));
        if (own && own_object_count < own_objects_max)
            own_objects[own_object_count++] = object.span;
    }
}

int note_patched(const intercept_site_info *site, void *) {
    if (site->state == INTERCEPT_SITE_BEFORE)
        trap_note_patched(reinterpret_cast<uint64_t>(site->address));
    return 0;
}

bool is_told(const base::PageArray<long> &told, long tid) {
    for (long one : told)
        if (one == tid)
            return true;
    return false;
}

// Sends the request to each thread that is not in `told`, and puts it there. The number of those.
unsigned tell_threads(long process, base::PageArray<long> &told) {
    long directory =
        exempt_call(SYS_openat, AT_FDCWD, base::as_long("/proc/self/task"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base::is_error(directory))
        return 0;
    siginfo_t info{};
    info.si_signo = SIGSYS;
    info.si_code = SI_QUEUE;
    info.si_pid = static_cast<pid_t>(process);
    info.si_value.sival_ptr = &is_on;
    unsigned fresh = 0;
    char entries[1024];
    for (long got; (got = exempt_call(SYS_getdents64, directory, base::as_long(entries), sizeof entries)) > 0;)
        for (long at = 0; at < got;) {
            constexpr long length_offset = 16;
            constexpr long name_offset = 19;
            unsigned short length;
            memcpy(&length, entries + at + length_offset, sizeof length);
            long tid = 0;
            for (const char *digit = entries + at + name_offset; *digit >= '0' && *digit <= '9'; digit++)
                tid = tid * 10 + (*digit - '0');
            if (tid != 0 && !is_told(told, tid)) {
                exempt_call(SYS_rt_tgsigqueueinfo, process, tid, SIGSYS, base::as_long(&info));
                told.push(tid);
                fresh++;
            }
            at += length;
        }
    exempt_call(SYS_close, directory);
    return fresh;
}

// Each thread has to switch it on for itself: one that is there already is sent our signal. One that was just
// being made by a call from before is listed only when that is over: so until nobody new is found.
void tell_other_threads() {
    constexpr int passes_max = 64;
    const long process = exempt_call(SYS_getpid);
    base::PageArray<long> told;
    told.push(exempt_call(SYS_gettid));
    for (int pass = 0; pass < passes_max && tell_threads(process, told) != 0; pass++)
        exempt_call(SYS_sched_yield);
}

} // namespace

bool trap_take_request(const siginfo_t *info) {
    if (info->si_code != SI_QUEUE || info->si_value.sival_ptr != &is_on || info->si_pid != exempt_call(SYS_getpid))
        return false;
    trap_thread_on();
    return true;
}

AllSignalsBlocked::AllSignalsBlocked() : on_(own_call_allowed(SYS_rt_sigprocmask)) {
    const uint64_t all = ~uint64_t{0};
    if (on_)
        exempt_call(SYS_rt_sigprocmask, SIG_SETMASK, base::as_long(&all), base::as_long(&former_), sizeof all);
}
AllSignalsBlocked::~AllSignalsBlocked() {
    if (on_)
        exempt_call(SYS_rt_sigprocmask, SIG_SETMASK, base::as_long(&former_), 0, sizeof former_);
}

bool trap_is_on() {
    return is_on;
}

void trap_note_patched(uint64_t site) {
    if (!exempt_range().contains(site))
        trap_pass_at(site + 2);
}

void trap_set_guest() {
    has_guest = true;
}

void trap_before_seccomp() {
    constexpr unsigned sites_to_come = 512;
    trap_sites_prepare(has_guest ? TrapKind::guest : TrapKind::hooked, sites_to_come);
}

long trap_thread_on() {
    if (!own_call_allowed(SYS_prctl))
        return -EPERM;
    AddressRange range = exempt_range();
    return exempt_call(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, dispatch_on, static_cast<long>(range.begin),
                       static_cast<long>(range.end - range.begin), 0);
}

bool trap_is_possible() {
    // Off when it is off: nothing changes, but the kernel says whether it knows of it.
    return exempt_call(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0) == 0;
}

int trap_start(const Arenas &arenas) {
    if (is_on)
        return 0;
    if (!trap_is_possible())
        return -ENOSYS;
    stub_arenas = &arenas;
    base::PageArray<Object> objects;
    if (!list_objects(objects))
        return -ENOMEM;
    note_own_objects(objects);
    intercept_visit_sites(note_patched, nullptr);
    if (!trap_sites_prepare(TrapKind::hooked, 1))
        return -ENOMEM;
    if (int signals = program_signals_start(); signals < 0)
        return signals;
    is_on = true;
    long on = trap_thread_on();
    is_on = on == 0;
    if (is_on)
        tell_other_threads();
    return static_cast<int>(on);
}

} // namespace intercept

using namespace intercept;

// Where the trapped thread goes on, or 0 if its call was made here and the frame says so.
extern "C" __attribute__((visibility("hidden"))) uint64_t intercept_trap_target(ucontext_t *context) {
    greg_t *registers = context->uc_mcontext.gregs;
    auto return_address = static_cast<uint64_t>(registers[REG_RIP]);
    uint64_t site = return_address - 2;
    TrapKind kind = is_own(site) ? TrapKind::pass : has_guest ? TrapKind::guest : TrapKind::hooked;
    if (uint64_t stub = trap_stub_of(return_address, kind); stub != 0)
        return stub;
    registers[REG_RAX] = exempt_call(registers[REG_RAX], registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                                     registers[REG_R10], registers[REG_R8], registers[REG_R9]);
    return 0;
}
