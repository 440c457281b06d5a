// directory_model: random calls in one directory that nobody else uses, against a model in memory
// that knows the result of each call and every byte, and against a directory of the kernel's tmpfs.
#pragma once

#include "libpmemfile/fs/open_calls.h"
#include "tests/kill/session.h"
#include "tests/model/tmpfs_mirror.h"

#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <unistd.h>

namespace model_test {

constexpr size_t max_file_bytes = 300'000;

class DirectoryModel {
public:
    // The directory `path` exists and is empty.
    DirectoryModel(kill_test::Session &session, std::string path, unsigned seed)
        : session_(session), path_(std::move(path)),
          mirror_("pmemfile-model-mirror." + std::to_string(getpid()) + "." + path_), random_(seed) {}

    // One random call and its comparison. Gives up on a difference.
    void call();
    // Compares everything: names, sizes, link counts, bytes.
    void compare();

private:
    struct File {
        std::string bytes;
        unsigned names = 0;
        std::map<std::string, std::string> xattrs;
    };
    using FilePointer = std::shared_ptr<File>;

    unsigned below(unsigned limit) {
        return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_);
    }
    std::string random_directory() {
        return "d" + std::to_string(below(3));
    }
    std::string random_name(); // of a file: "n3" or "d1/n3"
    bool parent_exists(const std::string &name) const;
    // What the model says, what the pool has done, and what tmpfs has done with the same call.
    void expect(int wanted, const base::Status &got, int mirrored, const std::string &call);
    void expect(int wanted, const base::Status &got, const std::string &call) {
        expect(wanted, got, wanted, call);
    }
    // range_calls.cpp: calls on ranges of files.
    void on_file(const std::string &name, const std::function<base::Status(pmemfile::OpenFileId)> &work, int wanted,
                 int mirrored, const std::string &call);
    void shift(const std::string &name, bool puts_in);
    void allocate(const std::string &name);
    void copy(const std::string &from, const std::string &to);
    void create_unnamed(const std::string &name);
    void call_on_ranges();
    void compare_file(const std::string &name, const File &file);
    void compare_directory(const std::string &name);
    void compare_mirror();

    void create(const std::string &name);
    void write(const std::string &name, bool append);
    void truncate(const std::string &name);
    void change_xattr(const std::string &name);
    void compare_xattrs(const std::string &name, pmemfile::InodeHandle handle, const File &file);
    void clone(const std::string &from, const std::string &to);
    void read(const std::string &name);
    void unlink(const std::string &name);
    void link(const std::string &from, const std::string &to);
    void rename(const std::string &from, const std::string &to);
    void mkdir(const std::string &name);
    void rmdir(const std::string &name);
    void rename_directory(const std::string &from, const std::string &to);
    void drop(const std::string &name);
    bool is_empty(const std::string &directory) const;
    std::string full(const std::string &name) const {
        return path_ + "/" + name;
    }

    kill_test::Session &session_;
    std::string path_;
    TmpfsMirror mirror_;
    std::mt19937 random_;
    std::map<std::string, FilePointer> files_;
    std::set<std::string> directories_;
};

} // namespace model_test
