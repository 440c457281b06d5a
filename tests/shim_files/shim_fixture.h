// shim_fixture: calls into the shim as the interceptor makes them, and one mount over the fake engine.
#pragma once

#include "base/raw_syscall.h"
#include "posix-shim/process/working_directory.h"
#include "posix-shim/table/dispatch.h"
#include "tests/shim_files/fake_engine.h"

#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shim_test {

using namespace shim;

constexpr long passed = 1 << 20;
constexpr long passed_with_post = passed + 1;

// As the interceptor would: filter, hook; with post if asked, the kernel in between.
inline long call(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0, long a4 = 0, long a5 = 0) {
    intercept_call call = {};
    call.nr = number;
    long arguments[6] = {a0, a1, a2, a3, a4, a5};
    std::copy(arguments, arguments + 6, call.args);
    if (dispatch_filter(&call) == INTERCEPT_FILTER_PASS)
        return passed;
    int answer = dispatch_hook(&call);
    return answer == INTERCEPT_HANDLED ? call.result : answer == INTERCEPT_PASS ? passed : passed_with_post;
}

inline long call_with_kernel(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0, long a4 = 0) {
    intercept_call call = {};
    call.nr = number;
    long arguments[6] = {a0, a1, a2, a3, a4, 0};
    std::copy(arguments, arguments + 6, call.args);
    int answer =
        dispatch_filter(&call) == INTERCEPT_FILTER_PASS ? static_cast<int>(INTERCEPT_PASS) : dispatch_hook(&call);
    if (answer == INTERCEPT_HANDLED)
        return call.result;
    call.result = base::raw_syscall(number, call.args[0], call.args[1], call.args[2], call.args[3], call.args[4]);
    if (answer == INTERCEPT_PASS_POST)
        dispatch_post(&call);
    return call.result;
}

inline long address(const void *pointer) {
    return reinterpret_cast<long>(pointer);
}

class ShimFiles : public testing::Test {
protected:
    static void SetUpTestSuite() {
        char directory[] = "/tmp/pmemfile-shim-XXXXXX";
        char *made = mkdtemp(directory);
        ASSERT_NE(made, nullptr);
        char resolved[PATH_MAX];
        ASSERT_NE(realpath(made, resolved), nullptr);
        root = resolved;
        ASSERT_EQ(mkdir((root + "/mnt").c_str(), 0755), 0);
        ASSERT_EQ(symlink("mnt", (root + "/link").c_str()), 0);
        token = "/dev/shm/pmemfile-shim-test-" + std::to_string(getpid());
        fake::mount(root + "/mnt", token);
    }
    static void TearDownTestSuite() {
        unlink(token.c_str());
        EXPECT_EQ(unlink((root + "/link").c_str()), 0);
        EXPECT_EQ(rmdir((root + "/mnt").c_str()), 0) << "something slipped into the mount point";
        EXPECT_EQ(rmdir(root.c_str()), 0);
    }
    void SetUp() override {
        fake::last_call.clear();
        fake::closed_count = 0;
        fake::content = "hello";
        beginning_directory_set(Beginning::working, {});
    }
    long open_ours(const char *name = "file") {
        std::string path = root + "/mnt/" + name;
        return call(SYS_openat, AT_FDCWD, address(path.c_str()), O_RDWR | O_CLOEXEC);
    }
    static inline std::string root, token;
};

} // namespace shim_test
