// Reads are bounded by size, not by what the pool says: a file of 2^62 bytes is read at its
// beginning, at its end and around its first hole.
#include "tests/hostile/tour.h"

#include "libpmemfile/fs/acl.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/xattr_calls.h"

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace hostile {

using namespace pmemfile;

namespace {

constexpr size_t read_bytes = 128 * 1024;

void read_at(Thread &thread, OpenFileId id, int64_t offset) {
    static std::vector<std::byte> buffer(read_bytes);
    struct iovec vector = {buffer.data(), buffer.size()};
    static_cast<void>(fs_pread(thread, id, {&vector, 1}, offset));
}

void read_xattrs(Thread &thread, InodeHandle handle) {
    static std::vector<char> list(xattr_list_max_bytes), value(xattr_value_max_bytes);
    auto length = fs_listxattr(thread, handle, list.data(), list.size());
    for (size_t at = 0; length.ok() && at < *length; at += std::strlen(list.data() + at) + 1)
        static_cast<void>(fs_getxattr(thread, handle, list.data() + at, value.data(), value.size()));
    for (const std::string_view name : {acl_access_name, acl_default_name})
        static_cast<void>(fs_getxattr(thread, handle, name, value.data(), value.size()));
    // By somebody whom an access control list concerns.
    Credentials somebody;
    somebody.uid = somebody.euid = somebody.fsuid = 1000;
    const Credentials *own = std::exchange(thread.credentials, &somebody);
    static_cast<void>(fs_access(thread, handle, R_OK, false));
    thread.credentials = own;
}

void read_file(Thread &thread, InodeHandle handle) {
    auto id = fs_open_inode(thread, handle, O_RDONLY);
    if (!id.ok())
        return;
    read_at(thread, *id, 0);
    for (int whence : {SEEK_HOLE, SEEK_DATA, SEEK_END}) {
        auto at = fs_seek(thread, *id, 0, whence);
        if (!at.ok())
            continue;
        read_at(thread, *id, std::max<int64_t>(*at - 5000, 0));
        static_cast<void>(fs_seek(thread, *id, *at, SEEK_DATA));
        static_cast<void>(fs_seek(thread, *id, *at, SEEK_HOLE));
    }
    fs_close(thread, *id);
}

class Reader {
public:
    explicit Reader(Thread &thread) : thread_(thread), root_(thread.pool->superblock().root_inode) {}

    void directory(const std::string &path, unsigned depth) {
        auto id = fs_open(thread_, {root_, path.empty() ? "/" : path, 0}, O_RDONLY | O_DIRECTORY, 0);
        if (!id.ok())
            return;
        std::vector<std::string> names;
        std::vector<char> buffer(4096);
        while (names.size() < tour_max_entries) {
            auto length = fs_getdents64(thread_, *id, buffer.data(), buffer.size());
            if (!length.ok() || *length == 0)
                break;
            for (size_t offset = 0; offset < *length;) {
                const auto *entry = reinterpret_cast<const struct dirent64 *>(buffer.data() + offset);
                const std::string name = entry->d_name;
                if (name != "." && name != "..")
                    names.push_back(name);
                offset += entry->d_reclen;
            }
        }
        fs_close(thread_, *id);
        std::sort(names.begin(), names.end());
        for (const std::string &name : names) {
            if (entries.size() >= tour_max_entries)
                return;
            visit(path + "/" + name, depth);
        }
    }

    std::vector<TourEntry> entries;

private:
    void visit(const std::string &path, unsigned depth) {
        auto found = walk(thread_, root_, path, 0);
        if (!found.ok()) {
            entries.push_back({path, 0, 0, 0, 0});
            return;
        }
        const InodeHandle handle = found->handle();
        auto attributes = fs_attributes(thread_, handle);
        if (!attributes.ok())
            return;
        entries.push_back({path, handle.number, handle.generation, attributes->mode, attributes->link_count});
        const bool is_first = seen_.insert(handle.number).second;
        if (is_first)
            read_xattrs(thread_, handle);
        if (S_ISDIR(attributes->mode)) {
            char text[path_max_bytes];
            static_cast<void>(directory_path(thread_, handle.number, text, sizeof(text)));
            if (depth < tour_max_depth)
                directory(path, depth + 1);
        } else if (is_first && S_ISLNK(attributes->mode)) {
            char text[path_max_bytes];
            static_cast<void>(fs_readlink(thread_, handle, text, sizeof(text)));
            static_cast<void>(walk(thread_, root_, path, walk_follow_last));
        } else if (is_first) {
            read_file(thread_, handle);
        }
    }

    Thread &thread_;
    InodeNumber root_;
    std::set<InodeNumber> seen_;
};

class Changer {
public:
    explicit Changer(Thread &thread) : thread_(thread), root_(thread.pool->superblock().root_inode) {}

    At at(const std::string &path) const {
        return {root_, path, 0};
    }
    void write(OpenFileId id, size_t size_bytes, int64_t offset) {
        std::vector<unsigned char> bytes(size_bytes, 0x3c);
        struct iovec vector = {bytes.data(), bytes.size()};
        static_cast<void>(fs_pwrite(thread_, id, {&vector, 1}, offset, UINT64_MAX));
    }
    void xattrs(InodeHandle handle) {
        const std::string value(3000, 'v');
        static_cast<void>(fs_setxattr(thread_, handle, "user.new", value.data(), value.size(), 0));
        static_cast<void>(fs_setxattr(thread_, handle, "user.short", value.data(), 10, 0));
        static_cast<void>(fs_removexattr(thread_, handle, "user.long"));
        static_cast<void>(fs_removexattr(thread_, handle, acl_access_name));
    }
    void file(const TourEntry &entry) {
        const InodeHandle handle(entry.inode, entry.generation);
        xattrs(handle);
        auto id = fs_open_inode(thread_, handle, O_RDWR);
        if (!id.ok())
            return;
        write(*id, 50, 10);
        write(*id, 1500, 3000);
        write(*id, 70000, 2000);
        static_cast<void>(fs_seek(thread_, *id, 0, SEEK_END));
        write(*id, 5000, int64_t{40} << 20);
        static_cast<void>(fs_ftruncate(thread_, *id, 12345));
        static_cast<void>(fs_fallocate(thread_, *id, 0, 100, 200000));
        static_cast<void>(fs_ftruncate(thread_, *id, 40000));
        fs_close(thread_, *id);
        static_cast<void>(fs_link(thread_, handle, at("/linked")));
        static_cast<void>(fs_unlink(thread_, at("/linked")));
        static_cast<void>(fs_chmod(thread_, handle, 0600));
        static_cast<void>(fs_rename(thread_, at(entry.path), at("/renamed"), 0));
        static_cast<void>(fs_rename(thread_, at("/renamed"), at(entry.path), 0));
    }
    void directory(const TourEntry &entry) {
        xattrs({entry.inode, entry.generation});
        for (unsigned i = 0; i < 90; ++i)
            static_cast<void>(fs_mknod(thread_, at(entry.path + "/new-name-that-takes-some-room-" + std::to_string(i)),
                                       S_IFREG | 0644, 0));
        static_cast<void>(fs_mkdir(thread_, at(entry.path + "/new"), 0755));
        static_cast<void>(fs_rename(thread_, at(entry.path), at("/moved"), 0));
        static_cast<void>(fs_rename(thread_, at("/one"), at("/moved/one"), 0));
        static_cast<void>(fs_rename(thread_, at("/moved/one"), at("/one"), 0));
        static_cast<void>(fs_rename(thread_, at("/moved"), at(entry.path), 0));
    }

private:
    Thread &thread_;
    InodeNumber root_;
};

} // namespace

std::vector<TourEntry> tour_read(Thread &thread) {
    Reader reader(thread);
    reader.directory("", 0);
    return std::move(reader.entries);
}

std::string shape_of(const std::vector<TourEntry> &entries) {
    std::string text;
    for (const TourEntry &entry : entries)
        text += entry.path + " " + std::to_string(entry.mode & S_IFMT) + " " + std::to_string(entry.link_count) + "\n";
    return text;
}

void tour_change(Thread &thread, const std::vector<TourEntry> &entries) {
    Changer changer(thread);
    std::set<InodeNumber> seen;
    for (const TourEntry &entry : entries)
        if (entry.inode != 0 && seen.insert(entry.inode).second) {
            if (S_ISDIR(entry.mode))
                changer.directory(entry);
            else
                changer.file(entry);
        }
    // From the deepest up, so that directories are empty when their turn comes.
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        static_cast<void>(fs_unlink(thread, changer.at(entry->path)));
        static_cast<void>(fs_rmdir(thread, changer.at(entry->path)));
    }
    struct statfs status;
    fs_statfs(thread, &status);
}

} // namespace hostile
