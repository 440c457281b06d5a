// Names are few, so that calls meet: eight in the directory and in each of three subdirectories.
#include "tests/model/directory_model.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/xattr_calls.h"

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>

namespace model_test {

using namespace pmemfile;
using kill_test::give_up;

std::string DirectoryModel::random_name() {
    const std::string name = "n" + std::to_string(below(8));
    return below(2) == 0 ? name : random_directory() + "/" + name;
}

bool DirectoryModel::parent_exists(const std::string &name) const {
    const size_t slash = name.find('/');
    return slash == std::string::npos || directories_.contains(name.substr(0, slash));
}

bool DirectoryModel::is_empty(const std::string &directory) const {
    const auto first = files_.lower_bound(directory + "/");
    return first == files_.end() || !first->first.starts_with(directory + "/");
}

void DirectoryModel::expect(int wanted, const base::Status &got, int mirrored, const std::string &call) {
    const int number = got.ok() ? 0 : got.error().number();
    if (number != wanted)
        give_up(path_ + ": " + call + ": " + std::strerror(number) + ", expected " + std::strerror(wanted));
    if (mirrored != wanted)
        give_up(path_ + ": " + call + " on tmpfs: " + std::strerror(mirrored) + ", expected " + std::strerror(wanted));
}

void DirectoryModel::drop(const std::string &name) {
    const auto found = files_.find(name);
    if (found == files_.end())
        return;
    --found->second->names;
    files_.erase(found);
}

void DirectoryModel::create(const std::string &name) {
    const std::string path = full(name);
    auto id = fs_open(session_.thread(), session_.at(path), O_CREAT | O_EXCL | O_WRONLY, 0644);
    const int wanted = !parent_exists(name) ? ENOENT : files_.contains(name) ? EEXIST : 0;
    expect(wanted, id.ok() ? base::Status() : base::Status(id.error()), mirror_.create(name), "create " + name);
    if (!id.ok())
        return;
    fs_close(session_.thread(), *id);
    files_[name] = std::make_shared<File>(File{{}, 1, {}});
}

void DirectoryModel::write(const std::string &name, bool append) {
    const auto found = files_.find(name);
    if (found == files_.end())
        return create(name);
    File &file = *found->second;
    constexpr size_t sizes[] = {1, 64, 500, 3000, 4096, 20'000, 70'000};
    const size_t limit = sizes[below(7)];
    std::string bytes(1 + below(static_cast<unsigned>(limit)), static_cast<char>('a' + below(26)));
    const size_t offset = append ? file.bytes.size() : below(static_cast<unsigned>(file.bytes.size() + 5000));
    if (offset + bytes.size() > max_file_bytes)
        return truncate(name);
    const std::string path = full(name);
    auto id = fs_open(session_.thread(), session_.at(path), append ? O_WRONLY | O_APPEND : O_WRONLY, 0);
    expect(0, id.ok() ? base::Status() : base::Status(id.error()), "open " + name);
    struct iovec vector = {bytes.data(), bytes.size()};
    auto done = append ? fs_write(session_.thread(), *id, {&vector, 1}, UINT64_MAX)
                       : fs_pwrite(session_.thread(), *id, {&vector, 1}, static_cast<int64_t>(offset), UINT64_MAX);
    fs_close(session_.thread(), *id);
    if (!done.ok() || *done != bytes.size())
        give_up(path_ + ": write " + name + ": " + (done.ok() ? "short" : std::strerror(done.error().number())));
    expect(0, {}, mirror_.write(name, append ? -1 : static_cast<int64_t>(offset), bytes), "write " + name);
    if (file.bytes.size() < offset + bytes.size())
        file.bytes.resize(offset + bytes.size());
    file.bytes.replace(offset, bytes.size(), bytes);
}

void DirectoryModel::truncate(const std::string &name) {
    const auto found = files_.find(name);
    const std::string path = full(name);
    auto place = walk(session_.thread(), session_.pool().superblock().root_inode, path, 0);
    expect(found != files_.end() ? 0 : ENOENT, place.ok() ? base::Status() : base::Status(place.error()),
           "look up " + name);
    if (!place.ok())
        return;
    const size_t size = below(3) == 0 ? below(200'000) : below(6000);
    expect(0, fs_truncate(session_.thread(), place->handle(), static_cast<int64_t>(size), false),
           mirror_.truncate(name, static_cast<int64_t>(size)), "truncate " + name);
    found->second->bytes.resize(size);
}

void DirectoryModel::change_xattr(const std::string &name) {
    const auto found = files_.find(name);
    if (found == files_.end())
        return;
    const std::string path = full(name);
    auto place = walk(session_.thread(), session_.pool().superblock().root_inode, path, 0);
    expect(0, place.ok() ? base::Status() : base::Status(place.error()), "look up " + name);
    auto &xattrs = found->second->xattrs;
    const std::string attribute = "user." + std::to_string(below(4));
    const bool is_there = xattrs.contains(attribute);
    if (below(4) == 0) {
        expect(is_there ? 0 : ENODATA, fs_removexattr(session_.thread(), place->handle(), attribute),
               "removexattr " + name);
        xattrs.erase(attribute);
        return;
    }
    constexpr unsigned sizes[] = {10, 100, 3000, 30'000};
    const std::string value(below(sizes[below(4)]), static_cast<char>('a' + below(26)));
    const int flags = static_cast<int>(below(3)); // 0, XATTR_CREATE, XATTR_REPLACE
    const int wanted = flags == XATTR_CREATE && is_there ? EEXIST : flags == XATTR_REPLACE && !is_there ? ENODATA : 0;
    expect(wanted, fs_setxattr(session_.thread(), place->handle(), attribute, value.data(), value.size(), flags),
           "setxattr " + name);
    if (wanted == 0)
        xattrs[attribute] = value;
}

void DirectoryModel::compare_xattrs(const std::string &name, InodeHandle handle, const File &file) {
    std::string list(200, 0), value(xattr_value_max_bytes, 0);
    auto length = fs_listxattr(session_.thread(), handle, list.data(), list.size());
    if (!length.ok() || *length != file.xattrs.size() * sizeof("user.0"))
        give_up(path_ + ": " + name + " has other extended attributes");
    for (const auto &[attribute, wanted] : file.xattrs) {
        auto size = fs_getxattr(session_.thread(), handle, attribute, value.data(), value.size());
        if (!size.ok() || std::string_view(value).substr(0, *size) != wanted)
            give_up(path_ + ": " + name + " has another value of " + attribute);
    }
}

void DirectoryModel::compare_file(const std::string &name, const File &file) {
    const std::string path = full(name);
    auto place = walk(session_.thread(), session_.pool().superblock().root_inode, path, 0);
    expect(0, place.ok() ? base::Status() : base::Status(place.error()), "look up " + name);
    auto attributes = fs_attributes(session_.thread(), place->handle());
    if (!attributes.ok() || attributes->size_bytes != file.bytes.size() || attributes->link_count != file.names)
        give_up(path_ + ": " + name + " has another size or link count");
    std::string bytes(file.bytes.size() + 10, 0);
    struct iovec vector = {bytes.data(), bytes.size()};
    auto length = data_read(session_.thread(), place->inode, 0, {&vector, 1});
    if (!length.ok() || *length != file.bytes.size() || bytes.compare(0, *length, file.bytes) != 0)
        give_up(path_ + ": " + name + " has other bytes");
    compare_xattrs(name, place->handle(), file);
}

void DirectoryModel::read(const std::string &name) {
    const auto found = files_.find(name);
    if (found != files_.end())
        compare_file(name, *found->second);
}

void DirectoryModel::unlink(const std::string &name) {
    const std::string path = full(name);
    expect(files_.contains(name) ? 0 : ENOENT, fs_unlink(session_.thread(), session_.at(path)), mirror_.unlink(name),
           "unlink " + name);
    drop(name);
}

void DirectoryModel::link(const std::string &from, const std::string &to) {
    const std::string from_path = full(from);
    const std::string to_path = full(to);
    auto place = walk(session_.thread(), session_.pool().superblock().root_inode, from_path, 0);
    base::Status done =
        place.ok() ? fs_link(session_.thread(), place->handle(), session_.at(to_path)) : base::Status(place.error());
    const int wanted = !files_.contains(from) || !parent_exists(to) ? ENOENT : files_.contains(to) ? EEXIST : 0;
    expect(wanted, done, mirror_.link(from, to), "link " + from + " " + to);
    if (wanted != 0)
        return;
    files_[to] = files_[from];
    ++files_[to]->names;
}

void DirectoryModel::rename(const std::string &from, const std::string &to) {
    const std::string from_path = full(from);
    const std::string to_path = full(to);
    const bool fails = !files_.contains(from) || !parent_exists(to);
    expect(fails ? ENOENT : 0, fs_rename(session_.thread(), session_.at(from_path), session_.at(to_path), 0),
           mirror_.rename(from, to), "rename " + from + " " + to);
    if (fails || (files_.contains(to) && files_[to] == files_[from]))
        return; // two names of one file: nothing happens
    drop(to);
    files_[to] = files_[from];
    files_.erase(from);
}

void DirectoryModel::mkdir(const std::string &name) {
    const std::string path = full(name);
    expect(directories_.contains(name) ? EEXIST : 0, fs_mkdir(session_.thread(), session_.at(path), 0755),
           mirror_.mkdir(name), "mkdir " + name);
    directories_.insert(name);
}

void DirectoryModel::rmdir(const std::string &name) {
    const std::string path = full(name);
    const int wanted = !directories_.contains(name) ? ENOENT : !is_empty(name) ? ENOTEMPTY : 0;
    expect(wanted, fs_rmdir(session_.thread(), session_.at(path)), mirror_.rmdir(name), "rmdir " + name);
    if (wanted == 0)
        directories_.erase(name);
}

void DirectoryModel::rename_directory(const std::string &from, const std::string &to) {
    const std::string from_path = full(from);
    const std::string to_path = full(to);
    const bool both = directories_.contains(to);
    const int wanted = !directories_.contains(from) ? ENOENT : from != to && both && !is_empty(to) ? ENOTEMPTY : 0;
    expect(wanted, fs_rename(session_.thread(), session_.at(from_path), session_.at(to_path), 0),
           mirror_.rename(from, to), "rename " + from + " " + to);
    if (wanted != 0 || from == to)
        return;
    directories_.erase(from);
    directories_.insert(to);
    std::map<std::string, FilePointer> moved;
    for (const auto &[name, file] : files_)
        moved[name.starts_with(from + "/") ? to + name.substr(from.size()) : name] = file;
    files_ = std::move(moved);
}

// The directory's names, neither more nor fewer.
void DirectoryModel::compare_directory(const std::string &name) {
    const std::string path = name.empty() ? path_ : full(name);
    auto id = fs_open(session_.thread(), session_.at(path), O_RDONLY | O_DIRECTORY, 0);
    expect(0, id.ok() ? base::Status() : base::Status(id.error()), "open directory " + name);
    std::set<std::string> seen;
    alignas(8) char buffer[512];
    for (;;) {
        auto length = fs_getdents64(session_.thread(), *id, buffer, sizeof(buffer));
        if (!length.ok())
            give_up(path_ + ": readdir " + name);
        if (*length == 0)
            break;
        for (size_t at = 0; at < *length;) {
            const auto *entry = reinterpret_cast<const struct dirent64 *>(buffer + at);
            if (entry->d_name[0] != '.' && !seen.insert(entry->d_name).second)
                give_up(path_ + ": " + name + " tells a name twice: " + entry->d_name);
            at += entry->d_reclen;
        }
    }
    fs_close(session_.thread(), *id);
    std::set<std::string> wanted;
    for (const auto &[file, ignored] : files_) {
        const size_t slash = file.find('/');
        if (slash == std::string::npos ? name.empty() : file.substr(0, slash) == name)
            wanted.insert(slash == std::string::npos ? file : file.substr(slash + 1));
    }
    if (name.empty())
        wanted.insert(directories_.begin(), directories_.end());
    if (seen != wanted)
        give_up(path_ + ": directory '" + name + "' has other names");
}

void DirectoryModel::compare() {
    compare_directory("");
    for (const std::string &directory : directories_)
        compare_directory(directory);
    for (const auto &[name, file] : files_)
        compare_file(name, *file);
    compare_mirror();
}

// The files of tmpfs are the model's too.
void DirectoryModel::compare_mirror() {
    std::map<std::string, std::string> wanted;
    for (const auto &[name, file] : files_)
        wanted[name] = file->bytes;
    if (mirror_.content() != wanted)
        give_up(path_ + ": tmpfs has other files than the model");
}

void DirectoryModel::call() {
    if (below(5) == 0)
        return call_on_ranges();
    switch (below(18)) {
    case 0:
    case 1:
        return create(random_name());
    case 2:
    case 3:
        return write(random_name(), false);
    case 4:
        return write(random_name(), true);
    case 5:
        return truncate(random_name());
    case 6:
    case 7:
        return read(random_name());
    case 8:
    case 9:
        return unlink(random_name());
    case 10:
        return link(random_name(), random_name());
    case 11:
    case 12:
        return rename(random_name(), random_name());
    case 13:
        return mkdir(random_directory());
    case 15:
    case 16:
        return change_xattr(random_name());
    case 14:
        return below(2) == 0 ? rmdir(random_directory()) : compare_directory("");
    default:
        return rename_directory(random_directory(), random_directory());
    }
}

} // namespace model_test
