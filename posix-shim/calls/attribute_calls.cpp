// chmod, chown, utimes, truncate: by path and by descriptor.
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/calls/size_limit.h"
#include "posix-shim/mapping/caller.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/mapping/size_change.h"

#include <sys/stat.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

// A *at call whose flags may say AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW.
template <typename Change> long change_at(Request &request, int flags, const Event *event, Change change) {
    if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0)
        return pass_to_kernel; // EINVAL, before it looks at the path
    if ((flags & AT_EMPTY_PATH) != 0 && is_empty_string(request.args[1]))
        return change_descriptor(request, Named::by_empty_path, event, change);
    PathArgument argument{0, 1, (flags & AT_SYMLINK_NOFOLLOW) == 0};
    return change_inode(request, argument, event, change);
}

auto chmod_to(long mode) {
    return [mode](Thread &thread, InodeHandle inode) -> Status {
        return fs_chmod(thread, inode, static_cast<mode_t>(mode) & 07777);
    };
}

auto chown_to(long uid, long gid) {
    return [uid, gid](Thread &thread, InodeHandle inode) -> Status {
        return fs_chown(thread, inode, static_cast<uid_t>(uid), static_cast<gid_t>(gid));
    };
}

enum class TimeForm : uint8_t { timespec, timeval, utimbuf };

// The application's two times as timespec; null pointer: both now.
Status read_times(struct timespec times[2], long user, TimeForm form) {
    if (user == 0) {
        times[0] = times[1] = {0, UTIME_NOW};
        return {};
    }
    auto *from = reinterpret_cast<const void *>(user);
    if (form == TimeForm::timespec) {
        BASE_TRY(copy_in(times, from, 2 * sizeof(struct timespec)));
        for (int i = 0; i < 2; i++)
            if (times[i].tv_nsec != UTIME_NOW && times[i].tv_nsec != UTIME_OMIT &&
                (times[i].tv_nsec < 0 || times[i].tv_nsec > 999999999))
                return error(EINVAL);
        return {};
    }
    if (form == TimeForm::utimbuf) {
        int64_t seconds[2];
        BASE_TRY(copy_in(seconds, from, sizeof(seconds)));
        times[0] = {seconds[0], 0};
        times[1] = {seconds[1], 0};
        return {};
    }
    int64_t values[2][2];
    BASE_TRY(copy_in(values, from, sizeof(values)));
    for (int i = 0; i < 2; i++) {
        if (values[i][1] < 0 || values[i][1] > 999999)
            return error(EINVAL);
        times[i] = {values[i][0], values[i][1] * 1000};
    }
    return {};
}

// What setting these times is, to who watches. Null: none of them is set.
const Event *times_event(long user, TimeForm form) {
    static constexpr Event access = Event::access;
    static constexpr Event modify = Event::modify;
    struct timespec times[2];
    if (!read_times(times, user, form).ok())
        return nullptr;
    const bool sets_access = times[0].tv_nsec != UTIME_OMIT;
    const bool sets_modify = times[1].tv_nsec != UTIME_OMIT;
    if (sets_access && sets_modify)
        return &event_attributes;
    return sets_access ? &access : sets_modify ? &modify : nullptr;
}

auto set_times(long user, TimeForm form) {
    return [user, form](Thread &thread, InodeHandle inode) -> Status {
        struct timespec times[2];
        BASE_TRY(read_times(times, user, form));
        return fs_utimens(thread, inode, user == 0 ? nullptr : times);
    };
}

// In the older forms all that is wrong with the times comes before the path, or the descriptor. A null path is
// futimens.
long set_older_times(Request &request, const PathArgument &path, long user, TimeForm form) {
    const Event *event = times_event(user, form);
    const bool has_path = path.dirfd_index < 0 || request.args[path.path_index] != 0;
    return arguments_first(has_path ? change_inode(request, path, event, set_times(user, form))
                                    : change_descriptor(request, Named::by_descriptor, event, set_times(user, form)),
                           [&] {
                               struct timespec times[2];
                               return read_times(times, user, form);
                           });
}

// Two times as timespec: are both to stay, or cannot be read?
bool sets_no_time(long user) {
    struct timespec times[2];
    return user != 0 && (!copy_in(times, reinterpret_cast<const void *>(user), sizeof times).ok() ||
                         (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT));
}

} // namespace

long serve_chmod(Request &request) {
    return change_inode(request, {-1, 0}, &event_attributes, chmod_to(request.args[1]));
}
long serve_fchmod(Request &request) {
    return change_descriptor(request, Named::by_descriptor, &event_attributes, chmod_to(request.args[1]));
}
long serve_fchmodat(Request &request) {
    return change_inode(request, {0, 1}, &event_attributes, chmod_to(request.args[2]));
}
long serve_fchmodat2(Request &request) {
    long mode = request.args[2];
    return change_at(request, static_cast<int>(request.args[3]), &event_attributes,
                     [mode](Thread &thread, InodeHandle inode) -> Status {
                         // The mode of a symlink cannot change, as on the kernel's own filesystems.
                         BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, inode));
                         if (S_ISLNK(attributes.mode))
                             return error(EOPNOTSUPP);
                         return chmod_to(mode)(thread, inode);
                     });
}

long serve_chown(Request &request) {
    return change_inode(request, {-1, 0}, &event_attributes, chown_to(request.args[1], request.args[2]));
}
long serve_lchown(Request &request) {
    return change_inode(request, {-1, 0, false}, &event_attributes, chown_to(request.args[1], request.args[2]));
}
long serve_fchown(Request &request) {
    return change_descriptor(request, Named::by_descriptor, &event_attributes,
                             chown_to(request.args[1], request.args[2]));
}
long serve_fchownat(Request &request) {
    return change_at(request, static_cast<int>(request.args[4]), &event_attributes,
                     chown_to(request.args[2], request.args[3]));
}

long serve_utime(Request &request) {
    return set_older_times(request, {-1, 0}, request.args[1], TimeForm::utimbuf);
}
long serve_utimes(Request &request) {
    return set_older_times(request, {-1, 0}, request.args[1], TimeForm::timeval);
}
long serve_futimesat(Request &request) {
    return set_older_times(request, {0, 1}, request.args[2], TimeForm::timeval);
}
long serve_utimensat(Request &request) {
    if (sets_no_time(request.args[2]))
        return pass_to_kernel; // 0 or EFAULT, before it looks at the path
    // A null path is futimens, which has no flags.
    if (request.args[1] == 0) {
        if (static_cast<int>(request.args[0]) == AT_FDCWD)
            return pass_to_kernel; // EFAULT
        if (static_cast<int>(request.args[3]) != 0)
            return -EINVAL;
        return change_descriptor(request, Named::by_descriptor, times_event(request.args[2], TimeForm::timespec),
                                 set_times(request.args[2], TimeForm::timespec));
    }
    return change_at(request, static_cast<int>(request.args[3]), times_event(request.args[2], TimeForm::timespec),
                     set_times(request.args[2], TimeForm::timespec));
}

long serve_truncate(Request &request) {
    int64_t size_bytes = request.args[1];
    if (size_bytes < 0)
        return pass_to_kernel; // EINVAL, before it looks at the path
    return serve_path(request, looked_at_first({-1, 0}), [&](Thread &thread, const Route &route) -> Result<long> {
        BASE_TRY_ASSIGN(InodeHandle inode, inode_of_route(thread, route, true));
        if (size_bytes > 0 && static_cast<uint64_t>(size_bytes) > file_size_limit()) {
            BASE_TRY_ASSIGN(const Attributes attributes, fs_attributes(thread, inode));
            if (S_ISREG(attributes.mode) && attributes.size_bytes < static_cast<uint64_t>(size_bytes) &&
                fs_access(thread, inode, W_OK, false).ok())
                return limited_write(-EFBIG, file_size_limit());
        }
        const NoticedName name =
            route.where == Where::descriptor ? NoticedName() : notice_name(thread, route.at(walk_follow_last));
        BASE_TRY(fs_truncate(thread, inode, size_bytes, true));
        mapping_file_cut(mapping_caller(request.context), route.mount, inode.number);
        tell_name(thread, name, Event::modify);
        if (route.where == Where::descriptor)
            tell_open_file(request.context, thread, route.mount, route.id, Event::modify);
        return 0L;
    });
}

} // namespace shim
