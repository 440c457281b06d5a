// Permission checks follow the thread's ids as the kernel knows them: they are
// read again after each call that may change them.
//
// A thread that makes such a call has credentials of its own from then on (what POSIX says of a process libc does in
// each of its threads), and so have threads that come for their first context later, for who made them may be one.
// The umask is all threads'.
#include "base/raw_syscall.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/process/process.h"

#include <linux/capability.h>

namespace shim {

namespace {

constinit std::atomic<mode_t> process_umask = 022;
constinit pmemfile::Credentials process_credentials; // of the start
constinit std::atomic<bool> threads_differ = false;  // perhaps

void point_threads_at(ThreadContext &context, const pmemfile::Credentials &who) {
    for (unsigned mount = 0; mount < mount_count; mount++)
        if (context.threads[mount] != nullptr)
            context.threads[mount]->credentials = &who;
}

} // namespace

pmemfile::Credentials &credentials_of(ThreadContext &context) {
    return context.is_vfork_child        ? context.vfork_credentials
           : context.has_own_credentials ? context.own_credentials
                                         : process_credentials;
}

void credentials_begin_vfork(ThreadContext &context) {
    context.vfork_credentials = credentials_of(context);
    context.vfork_credentials.umask = context.vfork_credentials.present_umask();
    context.vfork_credentials.shared_umask = nullptr;
    point_threads_at(context, context.vfork_credentials);
}

void credentials_end_vfork(ThreadContext &context) {
    point_threads_at(context, credentials_of(context));
}

void credentials_begin_thread(ThreadContext &context) {
    if (!threads_differ.load(std::memory_order_relaxed))
        return;
    credentials_load(context.own_credentials);
    context.own_credentials.shared_umask = &process_umask;
    context.has_own_credentials = true;
}

void credentials_load(pmemfile::Credentials &who) {
    base::raw_syscall(SYS_getresuid, base::as_long(&who.uid), base::as_long(&who.euid), base::as_long(&who.suid));
    base::raw_syscall(SYS_getresgid, base::as_long(&who.gid), base::as_long(&who.egid), base::as_long(&who.sgid));
    const long fsuid = base::raw_syscall(SYS_setfsuid, -1); // -1 changes nothing and tells
    const long fsgid = base::raw_syscall(SYS_setfsgid, -1);
    who.fsuid = base::is_error(fsuid) ? who.euid : static_cast<uid_t>(fsuid); // a seccomp filter may forbid it
    who.fsgid = base::is_error(fsgid) ? who.egid : static_cast<gid_t>(fsgid);
    const long groups = base::raw_syscall(SYS_getgroups, pmemfile::max_groups_of_user, base::as_long(who.groups));
    who.group_count = base::is_error(groups) ? 0 : static_cast<unsigned>(groups);
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    base::raw_syscall(SYS_capget, base::as_long(&header), base::as_long(data));
    who.capabilities = data[0].effective; // those that we ask for are below bit 32
}

void credentials_start() {
    credentials_load(process_credentials);
    process_credentials.shared_umask = &process_umask;
    const long mask = base::raw_syscall(SYS_umask, 0);
    base::raw_syscall(SYS_umask, mask);
    if (!base::is_error(mask)) // a filter that forbids it keeps it secret
        process_umask.store(static_cast<mode_t>(mask));
}

long serve_credentials(Request &request) {
    const long *args = request.args;
    const long result = base::raw_syscall(request.number, args[0], args[1], args[2], args[3], args[4], args[5]);
    if (base::is_error(result))
        return result;
    ThreadContext &context = request.context;
    if (context.is_vfork_child) {
        credentials_load(context.vfork_credentials);
        return result;
    }
    threads_differ.store(true, std::memory_order_relaxed);
    credentials_begin_thread(context);
    point_threads_at(context, context.own_credentials);
    return result;
}

long serve_umask(Request &request) {
    const auto mask = static_cast<mode_t>(request.args[0] & 0777);
    if (request.context.is_vfork_child)
        request.context.vfork_credentials.umask = mask;
    else
        process_umask.store(mask, std::memory_order_relaxed);
    return pass_to_kernel; // the kernel's own files want it too, and it knows the former one
}

} // namespace shim
