// trap: level 2, Syscall User Dispatch. The kernel sends SIGSYS for each system call from
// outside the exempt range; the handler lets the thread go on in a stub with hooks.
//
//   unpatched syscall ─► kernel ─► SIGSYS ─► handler ─► stub of the address ─► hooks, syscall ─► back
//
// linux/Documentation/admin-guide/syscall-user-dispatch.rst: per thread, not inherited by
// fork, clone or exec; a blocked or ignored SIGSYS would end the process.
#pragma once

#include "intercept/objects/object.h"
#include "intercept/patch/arena.h"

#include <csignal>
#include <cstdint>

namespace intercept {

// Does the kernel know it? Not to be asked while it is on.
bool trap_is_possible();

// Traps the calls of all threads from now on; threads that were there already follow when the signal reaches them.
// After the patching; `arenas` live for ever. exempt_range_start came first. One thread. 0; -ENOSYS: the kernel has no
// such thing (before 5.11); -ENOMEM, -ENOSPC.
int trap_start(const Arenas &arenas);
bool trap_is_on();

// A site whose passed calls are executed where it stands, outside the exempt range.
void trap_note_patched(uint64_t site);

// From now on calls that are not ours come from a program with a thread pointer of its own.
void trap_set_guest();

// The program is about to install a seccomp filter, which may forbid what making stubs takes: some are made now.
void trap_before_seccomp();

// prctl for this thread alone. 0 or -errno.
long trap_thread_on();
// A SIGSYS by which trap_start asks a thread that was there before to do so. False: another one.
bool trap_take_request(const siginfo_t *info);

// Nothing interrupts while one lives, unless a seccomp filter forbids us to say so.
class AllSignalsBlocked {
public:
    AllSignalsBlocked();
    ~AllSignalsBlocked();
    AllSignalsBlocked(const AllSignalsBlocked &) = delete;
    AllSignalsBlocked &operator=(const AllSignalsBlocked &) = delete;

    uint64_t former() const {
        return former_;
    }

private:
    uint64_t former_ = 0;
    bool on_;
};

} // namespace intercept
