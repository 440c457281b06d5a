// handler: the form of every function that serves a system call.
//
//   long serve_xxx(Request &request)
//
// The arguments are the registers as the kernel would see them. The result is
// the kernel's too (-errno), or one of the answers below.
#pragma once

#include "base/result.h"
#include "posix-shim/process/context.h"

#include <algorithm>
#include <climits>

namespace shim {

// The kernel executes the call, with `request.args` as the handler left them.
constexpr long pass_to_kernel = LONG_MIN;
// The same, then `dispatch_post` runs (in both processes for a fork).
constexpr long pass_with_post = LONG_MIN + 1;
// Nothing has been done yet: waiting signal handlers run, then the handler is called again.
constexpr long restart_call = LONG_MIN + 2;
constexpr long last_answer = restart_call; // what is above it is the kernel's

struct Request {
    long number;
    long *args; // six; a handler may change them before pass_to_kernel
    ThreadContext &context;
    // dispatch_post repeats a call that the kernel has answered wrongly for us.
    enum class Again : uint8_t {
        no,
        after_miss, // it found nothing: a host symlink may lead into a mount
        at_mount    // it found the host's directory below a mount point
    } again = Again::no;
    // Why the answer is a refusal (table/ledger.h): what Linux could do here and we do not. Null: it is none.
    const char *refusal = nullptr;
    // `args` name memory of ours, which a program's signal handler would use for its own calls: with pass_to_kernel the
    // call is made before one can run (dispatch.cpp). What stood there before is kept in the context.
    bool is_rewritten = false;
    // An EINTR is the kernel's, who knows whether the call may begin again (table/waiting_call.h).
    bool is_kernels_result = false;
    unsigned restarts = 0; // how often it has begun again

    // Before the first change.
    void rewrite_begin() {
        if (is_rewritten)
            return;
        is_rewritten = true;
        std::copy_n(args, 6, context.former_args);
    }
    void rewrite_undo() {
        is_rewritten = false;
        std::copy_n(context.former_args, 6, args);
    }
};

// The answer to what we do not serve: -`error_number`, and noted as refused. `why` is kept.
inline long refused(Request &request, int error_number, const char *why) {
    request.refusal = why;
    return -static_cast<long>(error_number);
}

using Handler = long (*)(Request &request);

// A Result as the kernel would return it.
inline long kernel_result(const base::Status &status) {
    return -static_cast<long>(status.error().number());
}
template <typename T> long kernel_result(const base::Result<T> &result) {
    return result.ok() ? static_cast<long>(*result) : -static_cast<long>(result.error().number());
}

// Linux looks at a call's other arguments before it looks at its path or descriptor: what `check()` says of them comes
// before an error of ours. It is asked afterwards, which costs a call that succeeds nothing.
template <typename Check> long arguments_first(long answer, Check check) {
    if (answer >= 0 || answer <= last_answer)
        return answer;
    const base::Status checked = check();
    return checked.ok() ? answer : kernel_result(checked);
}

} // namespace shim
