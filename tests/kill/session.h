// session: a process's and a thread's place in the pool under test, and the way to give up.
#pragma once

#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/namespace_calls.h"

#include <memory>
#include <string>

namespace kill_test {

// Tells what is wrong and ends the process with status 1. The parent names the files it leaves
// (a damaged pool is worth a look) and ends its children. `left_files` is set by the parent only.
[[noreturn]] void give_up(const std::string &what);
extern std::string left_files;

// PMEMFILE_TEST_SEED, else another one each time. The test prints it.
unsigned chosen_seed();

void expect_ok(const base::Status &status, const std::string &what);

// An attached pool. Gives up when it cannot be attached.
class AttachedPool {
public:
    explicit AttachedPool(const std::string &path);
    ~AttachedPool();
    AttachedPool(const AttachedPool &) = delete;
    AttachedPool &operator=(const AttachedPool &) = delete;
    pmemfile::Pool &operator*() {
        return *pool_;
    }

private:
    std::unique_ptr<pmemfile::Pool> pool_;
};

// One thread's slot in an attached pool; by this thread only.
class Session {
public:
    explicit Session(AttachedPool &pool);
    ~Session();
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;
    pmemfile::Thread &thread() {
        return *thread_;
    }
    pmemfile::Pool &pool() {
        return *thread_->pool;
    }
    AttachedPool &attached() {
        return attached_;
    }
    // A path from the pool's root. `path` must outlive the result.
    pmemfile::At at(std::string_view path) const {
        return {thread_->pool->superblock().root_inode, path, 0};
    }

private:
    AttachedPool &attached_;
    std::unique_ptr<pmemfile::Thread> thread_;
};

} // namespace kill_test
