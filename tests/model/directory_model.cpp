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
        differ(call + ": " + std::strerror(number) + ", expected " + std::strerror(wanted));
    if (mirrored != wanted)
        differ(call + " on tmpfs: " + std::strerror(mirrored) + ", expected " + std::strerror(wanted));
}

void DirectoryModel::differ(const std::string &what) const {
    if (transaction_ != nullptr && transaction_->refused() != 0)
        throw Refused();
    kill_test::give_up(path_ + ": " + (transaction_ != nullptr ? "in a transaction: " : "") + what);
}

DirectoryModel::Opened::Opened(DirectoryModel &model, const std::string &name, int flags)
    : model_(model), name_(name), flags_(flags), id_(open()) {}

DirectoryModel::Opened::~Opened() {
    fs_close(model_.thread(), id_);
}

OpenFileId DirectoryModel::Opened::open() {
    const std::string path = model_.full(name_);
    auto id = fs_open(model_.thread(), model_.session_.at(path), flags_, 0644);
    if (!id.ok())
        model_.differ("open " + name_ + ": " + std::strerror(id.error().number()));
    return *id;
}

void DirectoryModel::Opened::reopen() {
    fs_close(model_.thread(), id_);
    id_ = open();
}

DirectoryModel::File *DirectoryModel::find_file(const std::string &name) {
    const auto found = files_.find(name);
    return found == files_.end() || found->second->is_symlink ? nullptr : found->second.get();
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
    auto id = fs_open(thread(), session_.at(path), O_CREAT | O_EXCL | O_WRONLY, 0644);
    const int wanted = !parent_exists(name) ? ENOENT : files_.contains(name) ? EEXIST : 0;
    if (id.ok())
        fs_close(thread(), *id);
    expect(wanted, id.ok() ? base::Status() : base::Status(id.error()), mirror_.create(name), "create " + name);
    if (!id.ok())
        return;
    files_[name] = std::make_shared<File>();
    files_[name]->names = 1;
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
    const Opened id(*this, name, append ? O_WRONLY | O_APPEND : O_WRONLY);
    struct iovec vector = {bytes.data(), bytes.size()};
    auto done = append ? fs_write(thread(), *id, {&vector, 1}, UINT64_MAX)
                       : fs_pwrite(thread(), *id, {&vector, 1}, static_cast<int64_t>(offset), UINT64_MAX);
    if (!done.ok() || *done != bytes.size())
        differ("write " + name + ": " + (done.ok() ? "short" : std::strerror(done.error().number())));
    expect(0, {}, mirror_.write(name, append ? -1 : static_cast<int64_t>(offset), bytes), "write " + name);
    if (file.bytes.size() < offset + bytes.size())
        file.bytes.resize(offset + bytes.size());
    file.bytes.replace(offset, bytes.size(), bytes);
    file.mtime_ns.reset();
}

void DirectoryModel::truncate(const std::string &name) {
    const auto found = files_.find(name);
    const std::string path = full(name);
    auto place = walk(thread(), session_.pool().superblock().root_inode, path, 0);
    expect(found != files_.end() ? 0 : ENOENT, place.ok() ? base::Status() : base::Status(place.error()),
           "look up " + name);
    if (!place.ok())
        return;
    const size_t size = below(3) == 0 ? below(200'000) : below(6000);
    expect(0, fs_truncate(thread(), place->handle(), static_cast<int64_t>(size), false),
           mirror_.truncate(name, static_cast<int64_t>(size)), "truncate " + name);
    found->second->bytes.resize(size);
    found->second->mtime_ns.reset();
}

void DirectoryModel::change_xattr(const std::string &name) {
    const auto found = files_.find(name);
    if (found == files_.end())
        return;
    const std::string path = full(name);
    auto place = walk(thread(), session_.pool().superblock().root_inode, path, 0);
    expect(0, place.ok() ? base::Status() : base::Status(place.error()), "look up " + name);
    auto &xattrs = found->second->xattrs;
    const std::string attribute = "user." + std::to_string(below(4));
    const bool is_there = xattrs.contains(attribute);
    if (below(4) == 0) {
        expect(is_there ? 0 : ENODATA, fs_removexattr(thread(), place->handle(), attribute), "removexattr " + name);
        xattrs.erase(attribute);
        return;
    }
    constexpr unsigned sizes[] = {10, 100, 3000, 30'000};
    const std::string value(below(sizes[below(4)]), static_cast<char>('a' + below(26)));
    const int flags = static_cast<int>(below(3)); // 0, XATTR_CREATE, XATTR_REPLACE
    const int wanted = flags == XATTR_CREATE && is_there ? EEXIST : flags == XATTR_REPLACE && !is_there ? ENODATA : 0;
    expect(wanted, fs_setxattr(thread(), place->handle(), attribute, value.data(), value.size(), flags),
           "setxattr " + name);
    if (wanted == 0)
        xattrs[attribute] = value;
}

void DirectoryModel::compare_xattrs(const std::string &name, InodeHandle handle, const File &file) {
    std::string list(200, 0), value(xattr_value_max_bytes, 0);
    auto length = fs_listxattr(thread(), handle, list.data(), list.size());
    if (!length.ok() || *length != file.xattrs.size() * sizeof("user.0"))
        differ(name + " has other extended attributes");
    for (const auto &[attribute, wanted] : file.xattrs) {
        auto size = fs_getxattr(thread(), handle, attribute, value.data(), value.size());
        if (!size.ok() || std::string_view(value).substr(0, *size) != wanted)
            differ(name + " has another value of " + attribute);
    }
}

void DirectoryModel::compare_file(const std::string &name, const File &file) {
    const std::string path = full(name);
    auto place = walk(thread(), session_.pool().superblock().root_inode, path, 0);
    expect(0, place.ok() ? base::Status() : base::Status(place.error()), "look up " + name);
    auto attributes = fs_attributes(thread(), place->handle());
    if (!attributes.ok() || attributes->size_bytes != file.bytes.size() || attributes->link_count != file.names)
        differ(name + " has another size or link count");
    if (attributes->mode != ((file.is_symlink ? S_IFLNK : S_IFREG) | file.mode) || attributes->uid != file.uid ||
        attributes->gid != file.gid)
        differ(name + " has another type, mode or owner: " + std::to_string(attributes->mode) + ", " +
               std::to_string(attributes->uid) + ":" + std::to_string(attributes->gid) + ", expected mode " +
               std::to_string(file.mode) + ", " + std::to_string(file.uid) + ":" + std::to_string(file.gid));
    if (file.mtime_ns.has_value() && attributes->mtime_ns != *file.mtime_ns)
        differ(name + " has another time of change");
    if (file.is_symlink)
        return compare_symlink(name, place->handle(), file);
    std::string bytes(file.bytes.size() + 10, 0);
    struct iovec vector = {bytes.data(), bytes.size()};
    auto length = data_read(thread(), place->inode, 0, {&vector, 1});
    if (!length.ok() || *length != file.bytes.size() || bytes.compare(0, *length, file.bytes) != 0)
        differ(name + " has other bytes");
    compare_xattrs(name, place->handle(), file);
}

void DirectoryModel::read(const std::string &name) {
    const auto found = files_.find(name);
    if (found != files_.end())
        compare_file(name, *found->second);
}

void DirectoryModel::unlink(const std::string &name) {
    const std::string path = full(name);
    expect(files_.contains(name) ? 0 : ENOENT, fs_unlink(thread(), session_.at(path)), mirror_.unlink(name),
           "unlink " + name);
    drop(name);
}

void DirectoryModel::link(const std::string &from, const std::string &to) {
    const std::string from_path = full(from);
    const std::string to_path = full(to);
    auto place = walk(thread(), session_.pool().superblock().root_inode, from_path, 0);
    base::Status done =
        place.ok() ? fs_link(thread(), place->handle(), session_.at(to_path)) : base::Status(place.error());
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
    expect(fails ? ENOENT : 0, fs_rename(thread(), session_.at(from_path), session_.at(to_path), 0),
           mirror_.rename(from, to), "rename " + from + " " + to);
    if (fails || (files_.contains(to) && files_[to] == files_[from]))
        return; // two names of one file: nothing happens
    drop(to);
    files_[to] = files_[from];
    files_.erase(from);
}

void DirectoryModel::mkdir(const std::string &name) {
    const std::string path = full(name);
    expect(directories_.contains(name) ? EEXIST : 0, fs_mkdir(thread(), session_.at(path), 0755), mirror_.mkdir(name),
           "mkdir " + name);
    directories_.insert(name);
}

void DirectoryModel::rmdir(const std::string &name) {
    const std::string path = full(name);
    const int wanted = !directories_.contains(name) ? ENOENT : !is_empty(name) ? ENOTEMPTY : 0;
    expect(wanted, fs_rmdir(thread(), session_.at(path)), mirror_.rmdir(name), "rmdir " + name);
    if (wanted == 0)
        directories_.erase(name);
}

void DirectoryModel::rename_directory(const std::string &from, const std::string &to) {
    const std::string from_path = full(from);
    const std::string to_path = full(to);
    const bool both = directories_.contains(to);
    const int wanted = !directories_.contains(from) ? ENOENT : from != to && both && !is_empty(to) ? ENOTEMPTY : 0;
    expect(wanted, fs_rename(thread(), session_.at(from_path), session_.at(to_path), 0), mirror_.rename(from, to),
           "rename " + from + " " + to);
    if (wanted != 0 || from == to)
        return;
    directories_.erase(from);
    directories_.insert(to);
    move_below({{from, to}});
}

// What is below these directories is below others now.
void DirectoryModel::move_below(const std::map<std::string, std::string> &directories) {
    std::map<std::string, FilePointer> moved;
    for (const auto &[name, file] : files_) {
        const size_t slash = name.find('/');
        const auto found = slash == std::string::npos ? directories.end() : directories.find(name.substr(0, slash));
        moved[found == directories.end() ? name : found->second + name.substr(slash)] = file;
    }
    files_ = std::move(moved);
}

// The directory's names, neither more nor fewer.
void DirectoryModel::compare_directory(const std::string &name) {
    const Opened id(*this, name, O_RDONLY | O_DIRECTORY);
    std::set<std::string> seen;
    alignas(8) char buffer[512];
    for (;;) {
        auto length = fs_getdents64(thread(), *id, buffer, sizeof(buffer));
        if (!length.ok())
            differ("readdir " + name);
        if (*length == 0)
            break;
        for (size_t at = 0; at < *length;) {
            const auto *entry = reinterpret_cast<const struct dirent64 *>(buffer + at);
            if (entry->d_name[0] != '.' && !seen.insert(entry->d_name).second)
                differ(name + " tells a name twice: " + entry->d_name);
            at += entry->d_reclen;
        }
    }
    std::set<std::string> wanted;
    for (const auto &[file, ignored] : files_) {
        const size_t slash = file.find('/');
        if (slash == std::string::npos ? name.empty() : file.substr(0, slash) == name)
            wanted.insert(slash == std::string::npos ? file : file.substr(slash + 1));
    }
    if (name.empty())
        wanted.insert(directories_.begin(), directories_.end());
    if (seen != wanted)
        differ("directory '" + name + "' has other names");
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
    const std::map<std::string, TmpfsMirror::Entry> mirrored = mirror_.content();
    if (mirrored.size() != files_.size())
        differ("tmpfs has more or fewer files than the model");
    for (const auto &[name, file] : files_) {
        const auto found = mirrored.find(name);
        if (found == mirrored.end())
            differ("tmpfs has no " + name);
        const TmpfsMirror::Entry &entry = found->second;
        if (entry.bytes != file->bytes || entry.is_symlink != file->is_symlink || entry.mode != file->mode ||
            entry.uid != file->uid || entry.gid != file->gid || entry.names != file->names ||
            (file->mtime_ns.has_value() && entry.mtime_ns != *file->mtime_ns))
            differ(name + " is another on tmpfs than in the model");
    }
}

void DirectoryModel::call() {
    if (below(100) == 0)
        return transaction();
    if (below(50) == 0)
        return lock(random_name());
    if (below(50) == 0)
        return below(4) == 0 ? map_private(random_name()) : map_shared(random_name());
    call_in_transaction();
}

// The calls that a transaction may hold.
void DirectoryModel::call_in_transaction() {
    if (below(5) == 0)
        return call_on_ranges();
    if (below(6) == 0)
        return below(2) == 0 ? call_on_attributes() : call_on_symlinks();
    if (below(16) == 0)
        return below(2) == 0 ? exchange(random_name(), random_name()) : rename_no_replace(random_name(), random_name());
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
        return below(3) == 0 ? exchange_directories(random_directory(), random_directory())
                             : rename_directory(random_directory(), random_directory());
    }
}

} // namespace model_test
