// What threads of one process share and what they do not, as Linux has it.
#include <gtest/gtest.h>

#include <cerrno>
#include <future>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

// One thread's table of descriptors stays its process's.
TEST(Threads, DescriptorsStayShared) {
    std::promise<void> has_ended;
    std::thread other([&] { has_ended.get_future().wait(); });
    EXPECT_EQ(unshare(CLONE_FILES | CLONE_FS), -1);
    EXPECT_EQ(errno, EINVAL);
    constexpr unsigned none = 1 << 20;
    EXPECT_EQ(close_range(none, none, CLOSE_RANGE_UNSHARE), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(close_range(none, none, 0), 0);
    EXPECT_EQ(unshare(CLONE_FS), 0);
    const auto part = [] { return unshare(CLONE_FILES) != 0 || close_range(none, none, CLOSE_RANGE_UNSHARE) != 0; };
    int status = 0;
    pid_t child = fork(); // it has one thread
    if (child == 0)
        _exit(part());
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    child = vfork();
    if (child == 0)
        _exit(part());
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    has_ended.set_value();
    other.join();
}

} // namespace
