// The idea: reading is a copy under the sequence counter; a change is a private
// copy of the inode, changed and stored in one record. Who may do what follows chmod(2),
// chown(2), utimensat(2), access(2).
#include "libpmemfile/fs/attribute_calls.h"

#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/inode_access.h"
#include "libpmemfile/fs/permission.h"
#include "libpmemfile/fs/xattr_calls.h"
#include "libpmemfile/runtime/space_map.h"

#include <algorithm>
#include <cstring>
#include <sys/statvfs.h>
#include <unistd.h>

namespace pmemfile {
namespace {

struct timespec timespec_of(int64_t time_ns) {
    int64_t seconds = time_ns / 1000000000;
    int64_t rest = time_ns % 1000000000;
    if (rest < 0) { // before 1970
        rest += 1000000000;
        --seconds;
    }
    return {seconds, rest};
}

bool is_valid_time(const struct timespec &time) {
    return time.tv_nsec == UTIME_NOW || time.tv_nsec == UTIME_OMIT || (time.tv_nsec >= 0 && time.tv_nsec < 1000000000);
}

int64_t chosen_time_ns(const struct timespec &time, int64_t former_ns, int64_t now_ns) {
    if (time.tv_nsec == UTIME_NOW)
        return now_ns;
    if (time.tv_nsec == UTIME_OMIT)
        return former_ns;
    constexpr int64_t limit_seconds = INT64_MAX / 1000000000 - 1; // years 1677 to 2262
    return std::clamp<int64_t>(time.tv_sec, -limit_seconds, limit_seconds) * 1000000000 + time.tv_nsec;
}

// A change of owner takes the rights to act as the owner away (chown(2)).
void clear_set_id_bits(const Thread &thread, Inode &inode) {
    if (S_ISDIR(inode.mode))
        return;
    inode.mode &= ~uint32_t{S_ISUID};
    const bool is_executable = (inode.mode & S_IXGRP) != 0;
    if (is_executable || (!has_group(thread, inode.gid) && !has_capability(thread, capability_fsetid)))
        inode.mode &= ~uint32_t{S_ISGID};
}

} // namespace

base::Result<Attributes> fs_attributes(Thread &thread, InodeHandle handle) {
    return look_at_inode(thread, handle, [&](const Inode &inode) {
        Attributes attributes;
        attributes.inode = handle.number;
        attributes.size_bytes = inode.size_bytes;
        attributes.block_count = inode.block_count + inode.xattr_block_count;
        attributes.device = inode.device;
        attributes.mode = inode.mode;
        attributes.uid = inode.uid;
        attributes.gid = inode.gid;
        attributes.link_count = inode.link_count;
        attributes.generation = inode.generation;
        attributes.atime_ns = inode.atime_ns;
        attributes.mtime_ns = inode.mtime_ns;
        attributes.ctime_ns = inode.ctime_ns;
        attributes.btime_ns = inode.btime_ns;
        return base::Result<Attributes>(attributes);
    });
}

base::Status fs_stat(Thread &thread, InodeHandle handle, uint64_t device, struct stat *stat) {
    return look_at_inode(thread, handle, [&](const Inode &inode) -> base::Status {
        // Each byte once, what is between the fields and behind them too.
        constexpr size_t ids_end = offsetof(struct stat, st_gid) + sizeof(stat->st_gid);
        constexpr size_t times_end = offsetof(struct stat, st_ctim) + sizeof(stat->st_ctim);
        static_assert(ids_end <= offsetof(struct stat, st_rdev) && times_end <= sizeof(*stat));
        stat->st_dev = device;
        stat->st_ino = handle.number;
        stat->st_nlink = inode.link_count;
        stat->st_mode = inode.mode;
        stat->st_uid = inode.uid;
        stat->st_gid = inode.gid;
        std::memset(reinterpret_cast<char *>(stat) + ids_end, 0, offsetof(struct stat, st_rdev) - ids_end);
        stat->st_rdev = inode.device;
        stat->st_size = static_cast<off_t>(inode.size_bytes);
        stat->st_blksize = block_size_bytes;
        stat->st_blocks =
            static_cast<blkcnt_t>((inode.block_count + inode.xattr_block_count) * (block_size_bytes / 512));
        stat->st_atim = timespec_of(inode.atime_ns);
        stat->st_mtim = timespec_of(inode.mtime_ns);
        stat->st_ctim = timespec_of(inode.ctime_ns);
        std::memset(reinterpret_cast<char *>(stat) + times_end, 0, sizeof(*stat) - times_end);
        return {};
    });
}

base::Status fs_chmod(Thread &thread, InodeHandle handle, mode_t mode) {
    return change_inode(thread, handle, [&](Call &, Inode &inode) -> base::Status {
        if (S_ISLNK(inode.mode))
            return base::error(EOPNOTSUPP);
        BASE_TRY(permission_owner(thread, inode));
        mode_t bits = mode & 07777;
        if (!has_group(thread, inode.gid) && !has_capability(thread, capability_fsetid))
            bits &= ~mode_t{S_ISGID};
        inode.mode = (inode.mode & S_IFMT) | bits;
        inode.ctime_ns = coarse_now_ns();
        return {};
    });
}

base::Status fs_chown(Thread &thread, InodeHandle handle, uid_t uid, gid_t gid) {
    return change_inode(thread, handle, [&](Call &call, Inode &inode) -> base::Status {
        const bool may_chown = has_capability(thread, capability_chown);
        const bool is_owner = thread.credentials == nullptr || thread.credentials->fsuid == inode.uid;
        if (uid != static_cast<uid_t>(-1)) {
            if (!may_chown && !(is_owner && uid == inode.uid))
                return base::error(EPERM);
        }
        if (gid != static_cast<gid_t>(-1)) {
            if (!may_chown && !(is_owner && (gid == inode.gid || has_group(thread, gid))))
                return base::error(EPERM);
        }
        clear_set_id_bits(thread, inode);
        BASE_TRY(drop_capability(call, handle.number, inode));
        if (uid != static_cast<uid_t>(-1))
            inode.uid = uid;
        if (gid != static_cast<gid_t>(-1))
            inode.gid = gid;
        inode.ctime_ns = coarse_now_ns();
        return {};
    });
}

base::Status fs_utimens(Thread &thread, InodeHandle handle, const struct timespec times[2]) {
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    if (times == nullptr)
        times = now;
    if (!is_valid_time(times[0]) || !is_valid_time(times[1]))
        return base::error(EINVAL);
    if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
        return {};
    return change_inode(thread, handle, [&](Call &, Inode &inode) -> base::Status {
        if (!permission_owner(thread, inode).ok()) {
            // Anyone who may write may say "now" for both.
            if (times[0].tv_nsec != UTIME_NOW || times[1].tv_nsec != UTIME_NOW)
                return base::error(EPERM);
            BASE_TRY(permission_check(thread, inode, may_write));
        }
        inode.ctime_ns = coarse_now_ns();
        inode.atime_ns = chosen_time_ns(times[0], inode.atime_ns, inode.ctime_ns);
        inode.mtime_ns = chosen_time_ns(times[1], inode.mtime_ns, inode.ctime_ns);
        return {};
    });
}

base::Status fs_truncate(Thread &thread, InodeHandle handle, int64_t size_bytes, bool check) {
    if (size_bytes < 0)
        return base::error(EINVAL);
    BASE_TRY(look_at_inode(thread, handle, [&](const Inode &inode) -> base::Status {
        if (S_ISDIR(inode.mode))
            return base::error(EISDIR);
        if (!S_ISREG(inode.mode))
            return base::error(EINVAL);
        return check ? permission_check(thread, inode, may_write) : base::Status{};
    }));
    BASE_TRY(before_content_change(thread, handle.number));
    return data_truncate(thread, handle.number, static_cast<uint64_t>(size_bytes), handle.generation);
}

base::Status fs_access(Thread &thread, InodeHandle handle, int mode, bool real_ids) {
    if ((mode & ~(R_OK | W_OK | X_OK)) != 0)
        return base::error(EINVAL);
    return look_at_inode(thread, handle, [&](const Inode &inode) -> base::Status {
        return permission_check(thread, inode, static_cast<unsigned>(mode), real_ids);
    });
}

void fs_statfs(Thread &thread, struct statfs *statfs) {
    const Pool &pool = *thread.pool;
    const Superblock &superblock = pool.superblock();
    std::memset(statfs, 0, sizeof(*statfs));
    const auto *groups = pool.at<GroupDescriptor>(superblock.group_table_block * block_size_bytes);
    uint64_t blocks = 0;
    for (uint64_t i = 0; i < groups_in_use(superblock); ++i)
        blocks += groups[i].block_count - groups[i].metadata_blocks;
    const uint64_t free_blocks = std::min(space_map_free_blocks(thread), blocks);
    statfs->f_type = pmemfile_statfs_type;
    statfs->f_bsize = statfs->f_frsize = block_size_bytes;
    statfs->f_blocks = blocks;
    statfs->f_bfree = statfs->f_bavail = free_blocks;
    // Inodes are made from free blocks: as many as these give.
    statfs->f_files = blocks * inodes_per_block;
    statfs->f_ffree = free_blocks * inodes_per_block;
    std::memcpy(&statfs->f_fsid, superblock.uuid, sizeof(statfs->f_fsid));
    statfs->f_namelen = name_max_bytes;
    constexpr long flags_are_valid = 0x20; // ST_VALID of the kernel
    statfs->f_flags = flags_are_valid | ST_NOATIME | ST_NOSUID | ST_NODEV | (pool.read_only ? ST_RDONLY : 0);
}

} // namespace pmemfile
