// Permission checks follow the process's ids as the kernel knows them: they are
// read again after each call that may change them.
#include "base/raw_syscall.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/process/process.h"

#include <linux/capability.h>

namespace shim {

namespace {

constinit pmemfile::Credentials process_credentials;

void point_threads_at(ThreadContext &context, const pmemfile::Credentials &who) {
    for (unsigned mount = 0; mount < mount_count; mount++)
        if (context.threads[mount] != nullptr)
            context.threads[mount]->credentials = &who;
}

} // namespace

pmemfile::Credentials &credentials_of(ThreadContext &context) {
    return context.is_vfork_child ? context.vfork_credentials : process_credentials;
}

void credentials_begin_vfork(ThreadContext &context) {
    context.vfork_credentials = process_credentials;
    point_threads_at(context, context.vfork_credentials);
}

void credentials_end_vfork(ThreadContext &context) {
    point_threads_at(context, process_credentials);
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

void credentials_load_umask(pmemfile::Credentials &who) {
    const long mask = base::raw_syscall(SYS_umask, 0);
    base::raw_syscall(SYS_umask, mask);
    who.umask = base::is_error(mask) ? 022 : static_cast<mode_t>(mask); // a filter that forbids it keeps it secret
}

long serve_credentials(Request &request) {
    long *args = request.args;
    const long result = base::raw_syscall(request.number, args[0], args[1], args[2], args[3], args[4], args[5]);
    if (!base::is_error(result))
        credentials_load(credentials_of(request.context));
    return result;
}

long serve_umask(Request &request) {
    credentials_of(request.context).umask = static_cast<mode_t>(request.args[0] & 0777);
    return pass_to_kernel; // the kernel's own files want it too, and it knows the former one
}

} // namespace shim
