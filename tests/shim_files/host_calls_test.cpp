// Calls of the host that the filter lets pass, and what it has to know for that.
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/paths/empty_path.h"
#include "posix-shim/table/dispatch.h"
#include "tests/shim_files/shim_fixture.h"

#include <algorithm>
#include <cstring>
#include <gnu/libc-version.h>
#include <sys/socket.h>
#include <sys/uio.h>

using namespace shim_test;

namespace {

// Where the filter lets a call pass there is nothing to look at behind it.
TEST_F(ShimFiles, SocketsOfOtherFamiliesPass) {
    struct sockaddr_storage from = {};
    socklen_t room = sizeof from;
    char byte = 0;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    const auto receive = [&](int socket) {
        return call(SYS_recvfrom, socket, address(&byte), 1, 0, address(&from), address(&room));
    };
    const auto receive_message = [&](int socket) { return call(SYS_recvmsg, socket, address(&message)); };
    const int internet = socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT_GE(internet, 0);
    EXPECT_EQ(receive(internet), passed_with_post);
    for (unsigned i = 0; i < 20; i++)
        receive(internet);
    EXPECT_EQ(receive(internet), passed);
    EXPECT_EQ(receive_message(internet), passed);
    EXPECT_EQ(call(SYS_close, internet), passed);
    base::raw_syscall(SYS_close, internet);
    const int local = socket(AF_UNIX, SOCK_DGRAM, 0);
    ASSERT_EQ(local, internet);
    for (unsigned i = 0; i < 20; i++) {
        EXPECT_EQ(receive(local), passed_with_post);
        EXPECT_EQ(receive_message(local), passed_with_post);
    }
    EXPECT_EQ(call(SYS_recvfrom, local, address(&byte), 1), passed); // no address asked for
    // Its number becomes another socket's by dup2, which the kernel executes.
    const int other = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_EQ(call(SYS_dup2, other, local), local);
    for (unsigned i = 0; i < 20; i++)
        receive(local);
    EXPECT_EQ(receive(local), passed);
    close(other);
    close(local);
}

TEST_F(ShimFiles, WhatTheKernelOpensIsKnown) {
    const auto opened = [](int flags) {
        const long number = call_with_kernel(SYS_openat, AT_FDCWD, address("/etc/passwd"), flags);
        EXPECT_GE(number, 0);
        const DescriptorWord word = descriptor_words[number].load();
        EXPECT_EQ(call_with_kernel(SYS_close, number), 0);
        EXPECT_EQ(descriptor_words[number].load(), descriptor_unknown);
        return word;
    };
    EXPECT_EQ(opened(O_RDONLY), descriptor_host);
    EXPECT_EQ(opened(O_PATH | O_NOFOLLOW), descriptor_host);
    EXPECT_EQ(opened(O_ACCMODE), descriptor_unknown); // as a token
    // A number that nobody has met needs no forgetting.
    const int unmet = dup(1);
    EXPECT_EQ(call(SYS_close, unmet), passed);
    close(unmet);
}

// The "" that libc's fstat hands over is named to the interceptor once it was met; any other is read each time.
TEST_F(ShimFiles, LibcsEmptyPathIsNamed) {
    struct stat status;
    const char *libcs = gnu_get_libc_version();
    libcs += strlen(libcs);
    static char own[1] = {};
    empty_path_begin(3);
    const int host = dup(1);
    call(SYS_lseek, host);
    ASSERT_EQ(descriptor_words[host].load(), descriptor_host);
    EXPECT_EQ(call(SYS_newfstatat, host, address(own), address(&status), AT_EMPTY_PATH), passed);
    EXPECT_EQ(fake::word_path, nullptr);
    EXPECT_EQ(call(SYS_newfstatat, host, address(libcs), address(&status), AT_EMPTY_PATH), passed);
    EXPECT_EQ(fake::word_path, libcs);
    EXPECT_EQ(fake::word_path_hook, 3);
    const auto decided = dispatch_word_calls();
    EXPECT_NE(std::find(decided.begin(), decided.end(), SYS_newfstatat), decided.end());
    close(host);
}

} // namespace
