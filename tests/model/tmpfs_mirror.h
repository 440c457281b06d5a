// tmpfs_mirror: the same calls on a directory of the kernel's tmpfs, as a second witness beside the model. What tmpfs
// does not have (reflinks, ranges put in or taken out) is done there by writes; of transactions see
// transaction_calls.cpp.
#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <string>

namespace model_test {

class TmpfsMirror {
public:
    // A new directory below /dev/shm.
    explicit TmpfsMirror(const std::string &name);
    ~TmpfsMirror();
    TmpfsMirror(const TmpfsMirror &) = delete;
    TmpfsMirror &operator=(const TmpfsMirror &) = delete;

    // Each: 0 or the errno. Names are relative to the directory.
    int create(const std::string &name);
    int write(const std::string &name, int64_t offset, const std::string &bytes); // offset -1: appends
    int truncate(const std::string &name, int64_t size_bytes);
    int replace(const std::string &name, const std::string &bytes); // the whole content
    int allocate(const std::string &name, int mode, int64_t offset, int64_t size_bytes);
    int copy(const std::string &from, int64_t from_offset, const std::string &to, int64_t to_offset, size_t size_bytes);
    int create_unnamed(const std::string &bytes, const std::string &name);
    int unlink(const std::string &name);
    int link(const std::string &from, const std::string &to);
    int rename(const std::string &from, const std::string &to, unsigned flags = 0);
    int symlink(const std::string &target, const std::string &name);
    int read_through(const std::string &name, std::string *bytes); // open(2) that follows symlinks, and its content
    int chmod(const std::string &name, uint32_t mode);
    int chown(const std::string &name, uint32_t uid, uint32_t gid);
    int utimens(const std::string &name, const struct timespec times[2]);
    // Removes everything below the directory.
    void clear();
    int mkdir(const std::string &name);
    int rmdir(const std::string &name);
    // What a file is, but for its extended attributes.
    struct Entry {
        std::string bytes; // of a symlink its target
        bool is_symlink = false;
        uint32_t mode = 0, uid = 0, gid = 0, names = 0;
        int64_t mtime_ns = 0;
    };
    // Of all files below it, by name.
    std::map<std::string, Entry> content() const;
    std::string at(const std::string &name) const {
        return path_ + "/" + name;
    }

private:
    std::string path_;
};

} // namespace model_test
