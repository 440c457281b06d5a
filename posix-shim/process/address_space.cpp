#include "posix-shim/process/address_space.h"

#include "base/raw_syscall.h"
#include "libpmemfile/runtime/segment.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/calls/size_limit.h"
#include "posix-shim/process/mount.h"

#include <cerrno>

namespace shim {

namespace {

constexpr uint64_t own_bytes = 64ul << 20; // the library with its tables, stubs and threads' contexts

rlim_t more(rlim_t limit, uint64_t taken) {
    return limit >= RLIM_INFINITY - taken ? RLIM_INFINITY : limit + taken;
}

rlim_t less(rlim_t limit, uint64_t taken) {
    return limit == RLIM_INFINITY ? RLIM_INFINITY : limit - (limit < taken ? limit : taken);
}

bool set_limit(const struct rlimit &limit) {
    return base::raw_syscall(SYS_prlimit64, 0, RLIMIT_AS, base::as_long(&limit), 0) == 0;
}

} // namespace

AddressSpaceLift::AddressSpaceLift() {
    if (base::is_error(base::raw_syscall(SYS_prlimit64, 0, RLIMIT_AS, 0, base::as_long(&limit_))) ||
        limit_.rlim_cur == RLIM_INFINITY)
        return;
    is_lifted_ = set_limit({RLIM_INFINITY, RLIM_INFINITY}) || set_limit({limit_.rlim_max, limit_.rlim_max});
}

AddressSpaceLift::~AddressSpaceLift() {
    if (is_lifted_)
        set_limit(limit_);
}

void AddressSpaceLift::mounted(uint64_t inherited_bytes) {
    const uint64_t taken = address_space_taken_bytes();
    if (!is_lifted_ || taken == inherited_bytes)
        return;
    const struct rlimit program = {less(limit_.rlim_cur, inherited_bytes), less(limit_.rlim_max, inherited_bytes)};
    const struct rlimit wanted = {more(program.rlim_cur, taken), more(program.rlim_max, taken)};
    // Without privileges the hard limit stays, and what is below it is the program's.
    is_lifted_ = !set_limit(wanted) &&
                 !set_limit({wanted.rlim_cur < limit_.rlim_max ? wanted.rlim_cur : limit_.rlim_max, limit_.rlim_max});
}

AddressSpaceReturn::AddressSpaceReturn(bool sees_pools) {
    if (!sees_pools && !base::is_error(base::raw_syscall(SYS_prlimit64, 0, RLIMIT_AS, 0, base::as_long(&limit_))) &&
        limit_.rlim_cur != RLIM_INFINITY)
        set_limit({less(limit_.rlim_cur, address_space_taken_bytes()), limit_.rlim_max});
}

AddressSpaceReturn::~AddressSpaceReturn() {
    if (limit_.rlim_cur != RLIM_INFINITY)
        set_limit(limit_);
}

uint64_t address_space_taken_bytes() {
    uint64_t sum = own_bytes;
    for (unsigned i = 0; i < mount_count; i++)
        sum += mounts[i].pool.persist.size_bytes() + mounts[i].pool.segment->segment_size_bytes;
    return sum;
}

bool address_space_is_limited() {
    struct rlimit limit;
    return !base::is_error(base::raw_syscall(SYS_prlimit64, 0, RLIMIT_AS, 0, base::as_long(&limit))) &&
           limit.rlim_cur != RLIM_INFINITY;
}

struct rlimit address_space_limit_of_kernel(const struct rlimit &program) {
    const uint64_t taken = address_space_taken_bytes();
    return {more(program.rlim_cur, taken), more(program.rlim_max, taken)};
}

struct rlimit address_space_limit_of_program(const struct rlimit &kernel) {
    const uint64_t taken = address_space_taken_bytes();
    return {less(kernel.rlim_cur, taken), less(kernel.rlim_max, taken)};
}

namespace {

// What the program sees and sets is without what we take of the address space.
long serve_address_space(const void *wanted, void *former) {
    struct rlimit to_set;
    struct rlimit found;
    if (wanted != nullptr) {
        struct rlimit given;
        if (!copy_in(&given, wanted, sizeof given).ok())
            return -EFAULT;
        to_set = address_space_limit_of_kernel(given);
        if (given.rlim_cur > given.rlim_max)
            return -EINVAL;
    }
    const long result = base::raw_syscall(SYS_prlimit64, 0, RLIMIT_AS,
                                          base::as_long(wanted == nullptr ? nullptr : &to_set), base::as_long(&found));
    if (base::is_error(result) || former == nullptr)
        return result;
    found = address_space_limit_of_program(found);
    return copy_out(former, &found, sizeof found).ok() ? 0 : -EFAULT;
}

} // namespace

// getrlimit, setrlimit, prlimit64: the kernel does it; then our copy of a limit may be stale.
long serve_limit(Request &request) {
    const bool names_process = request.number == SYS_prlimit64;
    const long resource = request.args[names_process ? 1 : 0];
    auto *first = reinterpret_cast<void *>(request.args[names_process ? 2 : 1]);
    if (resource == RLIMIT_AS && names_process &&
        (request.args[0] == 0 || request.args[0] == base::raw_syscall(SYS_getpid)))
        return serve_address_space(first, reinterpret_cast<void *>(request.args[3]));
    if (resource == RLIMIT_AS && !names_process) {
        if (first == nullptr)
            return -EFAULT;
        return request.number == SYS_setrlimit ? serve_address_space(first, nullptr)
                                               : serve_address_space(nullptr, first);
    }
    const long result =
        base::raw_syscall(request.number, request.args[0], request.args[1], request.args[2], request.args[3]);
    if (request.number != SYS_getrlimit)
        file_size_limit_changed();
    return result;
}

} // namespace shim
