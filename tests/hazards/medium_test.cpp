// A medium that fails. msync reports an error once (hazard 28): whoever meets it marks the pool, and nobody changes it
// any more, now or after the next attach, until fsck. And a host's filesystem without room (hazard 27).
#include "libpmemfile/check/fsck.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/journal/transaction.h"
#include "tests/engine_names/pool_fixture.h"

#include <cstddef>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace pmemfile {
namespace {

// From now on a system call fails in this thread. False: the kernel does not take the filter.
bool let_fail(uint32_t call, uint32_t error_number) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error_number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {4, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

int number(const base::Status &status) {
    return status.ok() ? 0 : status.error().number();
}

class MediumTest : public PoolFixture {
protected:
    int write(Thread &thread, const char *path, size_t size_bytes) {
        auto id = fs_open(thread, at(path), O_CREAT | O_WRONLY, 0644);
        if (!id.ok())
            return id.error().number();
        std::string bytes(size_bytes, 'x');
        struct iovec vector = {bytes.data(), bytes.size()};
        auto done = fs_pwrite(thread, *id, {&vector, 1}, 0, UINT64_MAX);
        fs_close(thread, *id);
        return done.ok() ? 0 : done.error().number();
    }
    // A process that takes the pool for an ordinary file (msync is what makes it durable) and meets an error in
    // a write of `size_bytes`. 0: all was as it should be; else the step that was not.
    int meet_the_error(size_t size_bytes) {
        return wait_for_child(start_child([&](Thread &thread) -> int {
            Persist &persist = thread.pool->persist;
            persist = Persist(persist.base(), persist.size_bytes(), Medium::ordinary_file);
            if (write(thread, "before", size_bytes) != 0)
                _exit(2);
            if (!let_fail(SYS_msync, EIO))
                _exit(3);
            if (write(thread, "before", size_bytes) != EIO)
                _exit(4);
            _exit(write(thread, "before", size_bytes) == EROFS ? 0 : 5);
        }));
    }
    void expect_read_only_until_fsck(size_t size_bytes) {
        ASSERT_EQ(write(thread(), "ours", 10), 0);
        ASSERT_EQ(meet_the_error(size_bytes), 0);
        EXPECT_EQ(write(thread(), "ours", 10), EROFS) << "another process";
        EXPECT_EQ(number(fs_mkdir(thread(), at("d"), 0755)), EROFS);
        EXPECT_TRUE(walk(thread(), root_, "ours", 0).ok()) << "it can be read";
        detach();
        attach();
        EXPECT_EQ(write(thread(), "ours", 10), EROFS) << "after the next attach";
        EXPECT_TRUE(walk(thread(), root_, "ours", 0).ok());
        const Persist persist = pool_.persist;
        const PoolOffset superblock = pool_.superblock_offset;
        detach();
        const int file = open(path_.c_str(), O_RDWR | O_CLOEXEC);
        void *memory = mmap(nullptr, persist.size_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        ASSERT_NE(memory, MAP_FAILED);
        Persist alone(static_cast<std::byte *>(memory), persist.size_bytes(), Medium::volatile_memory);
        const FsckReport report = fsck_pool(alone, superblock, true);
        munmap(memory, persist.size_bytes());
        close(file);
        ASSERT_EQ(report.check.problems.size(), 1u);
        EXPECT_TRUE(report.check.problems[0].repaired) << report.check.problems[0].text;
        attach();
        EXPECT_EQ(write(thread(), "ours", 10), 0) << "after fsck";
    }
};

TEST_F(MediumTest, an_error_in_a_commit_is_told_to_everybody) {
    expect_read_only_until_fsck(100);
}

TEST_F(MediumTest, an_error_in_data_is_told_to_everybody) {
    expect_read_only_until_fsck(20'000);
}

// No memory for a transaction's view, and none for the slot that a detach works with: nothing else is the worse for it.
TEST_F(MediumTest, no_memory_fails_what_needs_it_and_nothing_else) {
    const pid_t child = start_child([&](Thread &thread) {
        if (!let_fail(SYS_mmap, ENOMEM))
            return 2;
        Transaction transaction;
        if (number(transaction.begin(thread, orphan_collect)) != ENOMEM)
            return 3;
        return write(thread, "large", 300'000) != 0 || number(fs_mkdir(thread, at("d"), 0755)) != 0 ? 4 : 0;
    });
    EXPECT_EQ(wait_for_child(child), 0);
    EXPECT_TRUE(walk(thread(), root_, "d", 0).ok());
    EXPECT_EQ(write(thread(), "large", 10), 0);
    Transaction transaction; // of this process
    ASSERT_TRUE(transaction.begin(thread(), orphan_collect).ok());
    transaction.abort(thread());
}

// mkfs takes all of a pool's blocks from the host, so no store into it can find the host full (SIGBUS).
TEST(HostTest, a_pool_has_all_its_blocks_from_the_beginning) {
    const std::string path = "/dev/shm/pmemfile-host." + std::to_string(getpid());
    MkfsOptions options;
    options.size_bytes = 24ull << 20;
    ContainerMessage message;
    ASSERT_TRUE(mkfs(path.c_str(), options, &message).ok()) << message.text;
    struct stat status;
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_GE(status.st_blocks * 512, status.st_size);
    unlink(path.c_str());
}

} // namespace
} // namespace pmemfile
