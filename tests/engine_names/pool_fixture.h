// pool_fixture: a real pool in /dev/shm for one test; its tear-down leaves the
// pool, runs the checker and expects nothing found.
#pragma once

#include "libpmemfile/check/checker.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/mkfs.h"
#include "libpmemfile/fs/namespace_calls.h"
#include "libpmemfile/fs/open_calls.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace pmemfile {

// A thread of this process in the pool.
class PoolThread {
public:
    PoolThread(Pool &pool, const Credentials *credentials) : thread_(std::make_unique<Thread>()) {
        thread_->credentials = credentials;
        EXPECT_TRUE(thread_register(*thread_, pool).ok());
    }
    ~PoolThread() {
        thread_release(*thread_);
    }
    Thread &operator*() {
        return *thread_;
    }

private:
    std::unique_ptr<Thread> thread_;
};

class PoolFixture : public testing::Test {
protected:
    virtual uint64_t pool_size_bytes() const {
        return 128ull << 20;
    }
    void SetUp() override {
        path_ = "/dev/shm/pmemfile-engine." + std::to_string(getpid()) + "." +
                testing::UnitTest::GetInstance()->current_test_info()->name();
        MkfsOptions options;
        options.size_bytes = pool_size_bytes();
        options.replace = true;
        ContainerMessage message;
        ASSERT_TRUE(mkfs(path_.c_str(), options, &message).ok()) << message.text;
        attach();
    }
    void attach() {
        AttachOptions options;
        options.container_describe = container_describe;
        ContainerMessage message;
        ASSERT_TRUE(pool_attach(pool_, path_.c_str(), options, &message).ok()) << message.text;
        main_ = std::make_unique<PoolThread>(pool_, nullptr);
        root_ = pool_.superblock().root_inode;
        attached_ = true;
    }
    void detach() {
        main_.reset();
        pool_detach(pool_);
        attached_ = false;
    }
    void TearDown() override {
        if (attached_)
            detach();
        ContainerMessage message;
        Pool looked;
        AttachOptions options;
        options.container_describe = container_describe;
        ASSERT_TRUE(pool_attach(looked, path_.c_str(), options, &message).ok()) << message.text;
        const CheckReport report = check_pool(looked.persist, looked.superblock_offset, false);
        pool_detach(looked);
        for (const CheckProblem &problem : report.problems)
            ADD_FAILURE() << problem.structure << ": " << problem.text;
        EXPECT_EQ(report.blocks_leaked, 0u);
        EXPECT_EQ(report.orphans, 0u);
        unlink(path_.c_str());
    }
    Thread &thread() {
        return **main_;
    }
    At at(std::string_view path) const {
        return {root_, path, 0};
    }
    // A child that attaches to the pool, calls body(thread), leaves, and ends with what that has returned (1: it could
    // not attach). No gtest in there; it dies in a call by _exit.
    template <typename Body> pid_t start_child(const Body &body) const {
        const pid_t child = fork();
        EXPECT_GE(child, 0);
        if (child != 0)
            return child;
        Pool pool;
        AttachOptions options;
        options.container_describe = container_describe;
        if (!pool_attach(pool, path_.c_str(), options, nullptr).ok())
            _exit(1);
        int result = 0;
        {
            PoolThread thread(pool, nullptr);
            result = body(*thread);
        }
        pool_detach(pool);
        _exit(result);
    }
    // What it ended with; -N: signal N killed it.
    static int wait_for_child(pid_t child) {
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    static void wait_until_stopped(pid_t child) {
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, WUNTRACED), child);
        EXPECT_TRUE(WIFSTOPPED(status)) << status;
    }

    std::string path_;
    Pool pool_;
    std::unique_ptr<PoolThread> main_;
    InodeNumber root_ = 0;
    bool attached_ = false;
};

} // namespace pmemfile
