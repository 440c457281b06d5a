// Calls of the host that the filter lets pass, and what it has to know for that.
#include "tests/shim_files/shim_fixture.h"

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

} // namespace
