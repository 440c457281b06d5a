// The model's symlinks. They have names of their own, s0 to s3 in each directory, and lead to files, to one another, in
// circles, and nowhere.
#include "tests/model/directory_model.h"

#include <cerrno>
#include <fcntl.h>

namespace model_test {

using namespace pmemfile;

namespace {
constexpr unsigned symlinks_followed_max = 40;
}

std::string DirectoryModel::random_symlink() {
    const std::string name = "s" + std::to_string(below(4));
    return below(2) == 0 ? name : random_directory() + "/" + name;
}

void DirectoryModel::make_symlink(const std::string &name) {
    std::string target = below(3) == 0 ? random_symlink() : random_name();
    if (name.find('/') != std::string::npos && below(4) != 0)
        target = target.find('/') == std::string::npos && below(2) == 0 ? target : "../" + target;
    if (below(4) == 0) // long ones: out of the inode, and more than one block of nothing else
        for (unsigned count = below(1900); count != 0; --count)
            target.insert(0, "./");
    const std::string path = full(name);
    const int wanted = !parent_exists(name) ? ENOENT : files_.contains(name) ? EEXIST : 0;
    expect(wanted, fs_symlink(thread(), target, session_.at(path)), mirror_.symlink(target, name), "symlink " + name);
    if (wanted != 0)
        return;
    const FilePointer file = std::make_shared<File>();
    file->bytes = target;
    file->is_symlink = true;
    file->mode = 0777;
    file->names = 1;
    files_[name] = file;
}

void DirectoryModel::read_symlink(const std::string &name) {
    const std::string path = full(name);
    auto place = walk(thread(), session_.pool().superblock().root_inode, path, 0);
    const auto found = files_.find(name);
    expect(found == files_.end() ? ENOENT : 0, place.ok() ? base::Status() : base::Status(place.error()),
           "look up " + name);
    if (place.ok())
        compare_symlink(name, place->handle(), *found->second);
}

void DirectoryModel::compare_symlink(const std::string &name, InodeHandle handle, const File &file) {
    std::string target(4096, 0);
    auto length = fs_readlink(thread(), handle, target.data(), target.size());
    if (!length.ok() || target.substr(0, *length) != file.bytes)
        differ(name + " leads elsewhere");
}

// Which file a name leads to, by path_resolution(7): 0, ENOENT or ELOOP.
int DirectoryModel::resolve(const std::string &name, std::string *file) const {
    *file = name;
    for (unsigned followed = 0;; ++followed) {
        const auto found = files_.find(*file);
        if (found == files_.end())
            return ENOENT;
        if (!found->second->is_symlink)
            return 0;
        if (followed == symlinks_followed_max)
            return ELOOP;
        std::string target = found->second->bytes;
        while (target.starts_with("./"))
            target.erase(0, 2);
        const bool leads_up = target.starts_with("../");
        target.erase(0, leads_up ? 3 : 0);
        const size_t slash = file->find('/');
        if (leads_up && slash == std::string::npos)
            return ENOENT; // out of the directory, where there is nothing of that name
        *file = leads_up || slash == std::string::npos ? target : file->substr(0, slash + 1) + target;
    }
}

void DirectoryModel::read_through(const std::string &name) {
    std::string file;
    const int wanted = resolve(name, &file);
    const std::string path = full(name);
    auto id = fs_open(thread(), session_.at(path), O_RDONLY, 0);
    std::string bytes(max_file_bytes + 1, 0), mirrored_bytes;
    struct iovec vector = {bytes.data(), bytes.size()};
    base::Result<size_t> length = base::error(EBADF);
    if (id.ok()) {
        length = fs_read(thread(), *id, {&vector, 1});
        fs_close(thread(), *id);
    }
    expect(wanted, id.ok() ? base::Status() : base::Status(id.error()), mirror_.read_through(name, &mirrored_bytes),
           "open through " + name);
    if (wanted != 0)
        return;
    if (!length.ok() || bytes.substr(0, *length) != files_[file]->bytes || mirrored_bytes != files_[file]->bytes)
        differ(name + " leads to other bytes than those of " + file);
}

void DirectoryModel::call_on_symlinks() {
    switch (below(8)) {
    case 0:
    case 1:
        return make_symlink(random_symlink());
    case 2:
        return read_symlink(random_symlink());
    case 3:
    case 4:
        return read_through(random_symlink());
    case 5:
        return unlink(random_symlink());
    case 6:
        return below(2) == 0 ? rename(random_symlink(), random_symlink()) : link(random_symlink(), random_symlink());
    default:
        return exchange(random_symlink(), random_symlink());
    }
}

} // namespace model_test
