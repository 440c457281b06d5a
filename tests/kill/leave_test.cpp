// Processes that leave a pool while others come: nobody is told that the pool is in use.
#include "tests/engine_names/pool_fixture.h"

#include <csignal>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <thread>

namespace pmemfile {
namespace {

class LeaveTest : public PoolFixture {
protected:
    // Attaches and leaves until `count` times have worked. For a child: no gtest in here.
    int come_and_go(int count) {
        for (int i = 0; i < count; ++i) {
            Pool pool;
            AttachOptions options;
            options.container_describe = container_describe;
            ContainerMessage message;
            if (!pool_attach(pool, path_.c_str(), options, &message).ok()) {
                std::fprintf(stderr, "attach %d: %s\n", i, message.text);
                return 1;
            }
            pool_detach(pool);
        }
        return 0;
    }
};

// A forked child has our pool descriptor until its exec; leaving must free the pool nevertheless.
TEST_F(LeaveTest, who_leaves_holds_nobody_up_though_a_child_has_the_descriptors) {
    int gate[2];
    ASSERT_EQ(pipe(gate), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        char byte;
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(gate[0]);
    Pool other; // then we are not the last one
    AttachOptions options;
    options.container_describe = container_describe;
    ASSERT_TRUE(pool_attach(other, path_.c_str(), options, nullptr).ok());
    detach();
    alarm(20); // a lock that stays would hold us here
    EXPECT_EQ(come_and_go(1), 0);
    pool_detach(other);
    attach();
    detach(); // now we are
    EXPECT_EQ(come_and_go(1), 0);
    alarm(0);
    close(gate[1]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

// As one that was killed in its first attach does, whose mapping somebody still looks at.
TEST_F(LeaveTest, a_lock_that_outlives_its_process_for_a_moment_turns_nobody_away) {
    detach();
    const int held = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(flock(held, LOCK_EX | LOCK_NB), 0);
    std::thread dying([held] {
        usleep(30'000);
        close(held);
    });
    EXPECT_EQ(come_and_go(1), 0);
    dying.join();
    const int kept = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(flock(kept, LOCK_EX | LOCK_NB), 0);
    EXPECT_EQ(come_and_go(1), 1) << "a program that keeps its lock";
    close(kept);
    EXPECT_EQ(come_and_go(1), 0);
}

// The same while the last one leaves: it takes the runtime file with it.
TEST_F(LeaveTest, the_last_one_waits_for_the_lock_of_a_dead_one) {
    const int held = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(flock(held, LOCK_SH | LOCK_NB), 0);
    std::thread dying([held] {
        usleep(30'000);
        close(held);
    });
    const std::string runtime = pool_.segment_path;
    detach();
    dying.join();
    EXPECT_NE(access(runtime.c_str(), F_OK), 0) << runtime;
}

TEST_F(LeaveTest, who_cannot_attach_leaves_no_runtime_file) {
    const std::string runtime = pool_.segment_path;
    detach();
    const int kept = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    for (const int kind : {LOCK_EX, LOCK_SH}) {
        ASSERT_EQ(flock(kept, kind | LOCK_NB), 0);
        EXPECT_EQ(come_and_go(1), 1);
        EXPECT_NE(access(runtime.c_str(), F_OK), 0) << runtime;
    }
    close(kept);
}

TEST_F(LeaveTest, processes_come_and_go_at_the_same_time) {
    detach();
    pid_t children[4];
    for (pid_t &child : children) {
        child = fork();
        ASSERT_GE(child, 0);
        if (child == 0)
            _exit(come_and_go(150));
    }
    for (const pid_t child : children) {
        int status = 0;
        waitpid(child, &status, 0);
        EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
        EXPECT_EQ(WEXITSTATUS(status), 0);
    }
}

} // namespace
} // namespace pmemfile
