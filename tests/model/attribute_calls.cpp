// The model's calls on modes, owners and times. Of a time only the one of the last change is kept, as it was set, until
// the content changes: no other call may touch it.
#include "libpmemfile/fs/attribute_calls.h"
#include "tests/model/directory_model.h"

#include <sys/stat.h>

namespace model_test {

using namespace pmemfile;

void DirectoryModel::change_mode(const std::string &name) {
    File *file = find_file(name);
    if (file == nullptr)
        return;
    // Set-id bits only for root: what a write by others does to them is not in the model.
    const uint32_t mode = 0600 | below(geteuid() == 0 ? 010000 : 01000);
    const std::string path = full(name);
    auto place = walk(thread(), session_.pool().superblock().root_inode, path, 0);
    expect(0, place.ok() ? fs_chmod(thread(), place->handle(), mode) : base::Status(place.error()),
           mirror_.chmod(name, mode), "chmod " + name);
    file->mode = mode;
}

void DirectoryModel::change_owner(const std::string &name) {
    File *file = find_file(name);
    if (file == nullptr)
        return;
    const bool is_root = geteuid() == 0;
    const uint32_t uid = below(3) == 0 ? UINT32_MAX : is_root ? below(4) : file->uid;
    const uint32_t gid = uid != UINT32_MAX && below(3) == 0 ? UINT32_MAX : is_root ? below(4) : file->gid;
    const std::string path = full(name);
    auto place = walk(thread(), session_.pool().superblock().root_inode, path, 0);
    expect(0, place.ok() ? fs_chown(thread(), place->handle(), uid, gid) : base::Status(place.error()),
           mirror_.chown(name, uid, gid), "chown " + name);
    file->uid = uid == UINT32_MAX ? file->uid : uid;
    file->gid = gid == UINT32_MAX ? file->gid : gid;
    // chown(2): set-id bits go, but for a set-group-id bit that means something else.
    file->mode &= ~static_cast<uint32_t>(S_ISUID);
    if ((file->mode & S_IXGRP) != 0)
        file->mode &= ~static_cast<uint32_t>(S_ISGID);
}

void DirectoryModel::change_times(const std::string &name) {
    File *file = find_file(name);
    if (file == nullptr)
        return;
    struct timespec times[2] = {{below(1'000'000'000), below(1'000'000'000)},
                                {below(1'000'000'000), below(1'000'000'000)}};
    const auto in_ns = [](const struct timespec &time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
    const int64_t atime_ns = in_ns(times[0]), mtime_ns = in_ns(times[1]);
    const unsigned choice = below(6);
    const bool sets_atime = choice > 1, sets_mtime = choice != 0;
    if (choice == 0)
        times[1].tv_nsec = UTIME_OMIT;
    if (choice == 1)
        times[0].tv_nsec = UTIME_OMIT;
    if (choice == 2)
        times[1].tv_nsec = UTIME_NOW;
    const std::string path = full(name);
    auto place = walk(thread(), session_.pool().superblock().root_inode, path, 0);
    expect(0, place.ok() ? fs_utimens(thread(), place->handle(), times) : base::Status(place.error()),
           mirror_.utimens(name, times), "utimens " + name);
    auto attributes = fs_attributes(thread(), place->handle());
    if (!attributes.ok() || (sets_atime && attributes->atime_ns != atime_ns))
        differ("utimens " + name + ": another time of access");
    if (sets_mtime)
        file->mtime_ns = mtime_ns;
    if (choice == 2) {
        file->mtime_ns.reset();
        const int64_t seconds = attributes->mtime_ns / 1'000'000'000;
        if (seconds + 60 < time(nullptr) || seconds > time(nullptr) + 1)
            differ("utimens " + name + ": UTIME_NOW is another time");
    }
}

void DirectoryModel::call_on_attributes() {
    switch (below(3)) {
    case 0:
        return change_mode(random_name());
    case 1:
        return change_owner(random_name());
    default:
        return change_times(random_name());
    }
}

} // namespace model_test
