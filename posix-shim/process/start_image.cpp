#include "posix-shim/process/image.h"

#include "base/raw_syscall.h"
#include "intercept/include/pmemfile-intercept.h"
#include "posix-shim/table/waiting_call.h"

#include <fcntl.h>

namespace shim {

namespace {
constexpr unsigned max_restarts = 20; // a timer must not keep a process from executing
}

long start_image(Request &request, const Target &target, const char *const *argv, const char *const *envp) {
    const int dirfd = static_cast<int>(target.dirfd);
    const int flags = static_cast<int>(target.flags);
    const bool may_restart = request.restarts < max_restarts;
    if (!may_restart || intercept_launches_program(dirfd, target.path, flags) != 0)
        return may_restart && signal_is_pending() ? restart_call
                                                  : intercept_execute(dirfd, target.path, argv, envp, flags);
    if (dirfd == AT_FDCWD && flags == 0)
        return waiting_call(request, SYS_execve,
                            {base::as_long(target.path), base::as_long(argv), base::as_long(envp)});
    return waiting_call(request, SYS_execveat,
                        {dirfd, base::as_long(target.path), base::as_long(argv), base::as_long(envp), flags});
}

} // namespace shim
