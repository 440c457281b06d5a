// directory_model: random calls in one directory that nobody else uses, against a model in memory
// that knows the result of each call and every byte, and against a directory of the kernel's tmpfs.
#pragma once

#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/journal/transaction.h"
#include "tests/kill/session.h"
#include "tests/model/tmpfs_mirror.h"

#include <array>
#include <functional>
#include <map>
#include <optional>
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
        : session_(session), witness_(session.attached()), path_(std::move(path)),
          mirror_("pmemfile-model-mirror." + std::to_string(getpid()) + "." + path_), random_(seed) {
        user_.capabilities = UINT32_MAX; // as root has them on tmpfs
        if (geteuid() == 0)              // else the pool's root is another's
            session_.thread().credentials = witness_.thread().credentials = &user_;
    }
    ~DirectoryModel() {
        session_.thread().credentials = nullptr;
    }
    DirectoryModel(const DirectoryModel &) = delete;
    DirectoryModel &operator=(const DirectoryModel &) = delete;

    // One random call and its comparison. Gives up on a difference.
    void call();
    // Compares everything: names, sizes, link counts, bytes, modes, owners, times, extended attributes.
    void compare();
    // How many were committed, aborted, and refused.
    const std::array<uint64_t, 3> &transactions() const {
        return transactions_;
    }

private:
    struct File {
        std::string bytes; // of a symlink its target
        unsigned names = 0;
        std::map<std::string, std::string> xattrs;
        bool is_symlink = false;
        uint32_t mode = 0644, uid = geteuid(), gid = getegid();
        std::optional<int64_t> mtime_ns; // as it was set; none since the content has changed
    };
    using FilePointer = std::shared_ptr<File>;
    struct State {
        std::map<std::string, FilePointer> files;
        std::set<std::string> directories;
    };
    // A transaction can no longer be committed: what its calls give means nothing.
    struct Refused {};

    unsigned below(unsigned limit) {
        return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_);
    }
    std::string random_directory() {
        return "d" + std::to_string(below(3));
    }
    std::string random_name(); // of a file: "n3" or "d1/n3"
    std::string random_symlink();
    pmemfile::Thread &thread() {
        return current_->thread();
    }
    // There is a difference. Gives up, or throws Refused.
    [[noreturn]] void differ(const std::string &what) const;
    bool parent_exists(const std::string &name) const;
    // What the model says, what the pool has done, and what tmpfs has done with the same call.
    void expect(int wanted, const base::Status &got, int mirrored, const std::string &call);
    void expect(int wanted, const base::Status &got, const std::string &call) {
        expect(wanted, got, wanted, call);
    }
    // An open file, until the end of the scope. It must be there.
    class Opened {
    public:
        Opened(DirectoryModel &model, const std::string &name, int flags);
        ~Opened();
        Opened(const Opened &) = delete;
        Opened &operator=(const Opened &) = delete;
        pmemfile::OpenFileId operator*() const {
            return id_;
        }
        // Another description of the same file.
        void reopen();

    private:
        pmemfile::OpenFileId open();
        DirectoryModel &model_;
        std::string name_;
        int flags_;
        pmemfile::OpenFileId id_;
    };
    // The file of that name, no symlink; null.
    File *find_file(const std::string &name);

    // attribute_calls.cpp
    void change_mode(const std::string &name);
    void change_owner(const std::string &name);
    void change_times(const std::string &name);
    void call_on_attributes();
    // symlink_calls.cpp
    void make_symlink(const std::string &name);
    void read_symlink(const std::string &name);
    void compare_symlink(const std::string &name, pmemfile::InodeHandle handle, const File &file);
    void read_through(const std::string &name);
    int resolve(const std::string &name, std::string *file) const;
    void call_on_symlinks();
    // rename_calls.cpp
    void exchange(const std::string &one, const std::string &other);
    void rename_no_replace(const std::string &from, const std::string &to);
    void exchange_directories(const std::string &one, const std::string &other);
    // lock_calls.cpp
    void lock(const std::string &name);
    // mapped_calls.cpp
    void map_shared(const std::string &name);
    void map_private(const std::string &name);
    // transaction_calls.cpp
    void transaction();
    void call_in_transaction();
    State copy_of_state() const;
    void restore(State state);
    void compare_as_others_see(const State &state);

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
    void move_below(const std::map<std::string, std::string> &directories);
    void drop(const std::string &name);
    bool is_empty(const std::string &directory) const;
    std::string full(const std::string &name) const {
        return name.empty() ? path_ : path_ + "/" + name;
    }

    pmemfile::Credentials user_;
    kill_test::Session &session_;
    kill_test::Session witness_; // another thread's place, which is in no transaction
    kill_test::Session *current_ = &session_;
    pmemfile::Transaction *transaction_ = nullptr; // that is open
    std::array<uint64_t, 3> transactions_ = {};    // committed, aborted, refused
    std::string path_;
    TmpfsMirror mirror_;
    std::mt19937 random_;
    std::map<std::string, FilePointer> files_;
    std::set<std::string> directories_;
};

} // namespace model_test
