// The file half of the shim on a fake engine: every row of the table, tokens,
// the descriptor cache, routing of paths.
#include "base/raw_syscall.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/shared_token.h"
#include "posix-shim/descriptors/token.h"
#include "posix-shim/process/working_directory.h"
#include "posix-shim/table/dispatch.h"
#include "posix-shim/table/row.h"
#include "tests/shim_files/shim_fixture.h"

#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <map>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shim;
using namespace shim_test;

namespace {

TEST(Table, HoldsEveryCallOfTheHeaders) {
    std::ifstream header("/usr/include/x86_64-linux-gnu/asm/unistd_64.h");
    std::map<std::string, int> numbers;
    std::string define, name;
    while (header >> define) {
        int number = 0;
        if (define == "#define" && header >> name && name.starts_with("__NR_") && header >> number)
            numbers[name.substr(5)] = number;
    }
    ASSERT_GT(numbers.size(), 350u);
    for (const auto &[call_name, number] : numbers) {
        const Row *row = row_of(number);
        ASSERT_NE(row, nullptr) << call_name;
        EXPECT_EQ(row->name, call_name) << number;
    }
    int previous = -1;
    for (unsigned i = 0; i < row_count; i++) {
        EXPECT_GT(rows[i].number, previous) << rows[i].name;
        previous = rows[i].number;
        EXPECT_LE(std::string(rows[i].arguments).size(), 6u) << rows[i].name;
        // A row that looks at files must say what happens to ours.
        bool looks = std::string(rows[i].arguments).find_first_of("fp") != std::string::npos;
        if (looks) {
            EXPECT_TRUE(rows[i].treatment != Treatment::passed && (rows[i].handler != nullptr || rows[i].refusal != 0))
                << rows[i].name;
        }
    }
    for (int number = 424; number <= 469; number++)
        EXPECT_NE(row_of(number), nullptr) << number;
    EXPECT_EQ(row_of(-1), nullptr);
    EXPECT_EQ(row_of(LONG_MAX), nullptr);
}

TEST_F(ShimFiles, RowsWithoutHandlerRefuseOurDescriptors) {
    long ours = open_ours();
    ASSERT_GE(ours, 0);
    int host = open("/dev/null", O_RDWR | O_CLOEXEC);
    unsigned tested = 0;
    for (unsigned i = 0; i < row_count; i++) {
        const Row &row = rows[i];
        std::string kinds = row.arguments;
        if (row.handler != nullptr || row.treatment == Treatment::passed)
            continue;
        for (size_t at = 0; at < kinds.size(); at++) {
            if (kinds[at] != 'f')
                continue;
            long arguments[6];
            for (size_t j = 0; j < 6; j++)
                arguments[j] = j < kinds.size() && kinds[j] == 'f' ? host : 0;
            EXPECT_EQ(
                call(row.number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]),
                passed)
                << row.name;
            arguments[at] = ours;
            EXPECT_EQ(
                call(row.number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]),
                -row.refusal)
                << row.name << " argument " << at;
            tested++;
        }
    }
    EXPECT_GE(tested, 6u);
    call(SYS_close, ours);
    close(host);
}

TEST_F(ShimFiles, RowsWithoutHandlerRefuseOurPaths) {
    std::string ours = root + "/mnt/file";
    unsigned tested = 0;
    for (unsigned i = 0; i < row_count; i++) {
        const Row &row = rows[i];
        std::string kinds = row.arguments;
        if (row.handler != nullptr || row.treatment == Treatment::passed || kinds.find('p') == std::string::npos)
            continue;
        for (size_t at = 0; at < kinds.size(); at++) {
            if (kinds[at] != 'p')
                continue;
            long arguments[6] = {};
            for (size_t j = 0; j < kinds.size(); j++)
                arguments[j] = kinds[j] == 'd' ? AT_FDCWD : kinds[j] == 'p' ? address("/etc/passwd") : 0;
            EXPECT_EQ(call(row.number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]),
                      passed_with_post)
                << row.name;
            arguments[at] = address(ours.c_str());
            EXPECT_EQ(call(row.number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]),
                      -row.refusal)
                << row.name << " argument " << at;
            tested++;
        }
    }
    EXPECT_GE(tested, 20u);
}

TEST_F(ShimFiles, TokenKeepsItsIdOverDupAndForkAndFailsWhenACallSlips) {
    long ours = open_ours();
    ASSERT_GE(ours, 0);
    EXPECT_EQ(shared_token_replace(static_cast<int>(ours)), 0);
    OpenFileId id = token_decode(ours).id;
    EXPECT_NE(id, 0u);
    int copy = dup(static_cast<int>(ours)); // slips past the shim
    EXPECT_EQ(token_decode(copy).id, id);
    char byte = 0;
    EXPECT_EQ(read(copy, &byte, 1), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(write(copy, &byte, 1), -1);
    pid_t child = fork();
    if (child == 0)
        _exit(token_decode(copy).id == id && token_decode(copy).mount == 0 ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    close(copy);
    EXPECT_TRUE((fcntl(static_cast<int>(ours), F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT_EQ(call(SYS_close, ours), 0);
    EXPECT_EQ(fake::closed_count, 1);
}

TEST_F(ShimFiles, NumbersShareATokenUntilTheyLeaveTheProcess) {
    const long ours = open_ours();
    const long other = open_ours();
    const auto number = static_cast<int>(ours);
    EXPECT_EQ(token_decode(ours).id, 0u);
    EXPECT_EQ(token_decode(ours).mount, 0);
    const DescriptorWord word = descriptor_words[ours].load();
    EXPECT_NE(word, descriptor_words[other].load());
    char byte = 0;
    EXPECT_EQ(read(number, &byte, 1), -1); // slipped
    EXPECT_EQ(errno, EBADF);
    const int slipped = dup(number);
    EXPECT_EQ(call(SYS_read, slipped, address(&byte), 1), -EBADF); // nobody knows what it was
    close(slipped);
    const long copy = call(SYS_dup, ours);
    EXPECT_TRUE(shared_token_is(static_cast<int>(copy)));
    EXPECT_EQ(call(SYS_fcntl, ours, 1027, copy), 1); // F_DUPFD_QUERY
    EXPECT_EQ(call(SYS_fcntl, ours, 1027, other), 0);

    EXPECT_EQ(shared_token_replace_all(true), 0); // open_ours says O_CLOEXEC, dup does not
    EXPECT_EQ(token_decode(ours).id, 0u);
    EXPECT_EQ(token_decode(copy).id, word_id(word));
    EXPECT_EQ(fcntl(static_cast<int>(copy), F_GETFD), 0);
    EXPECT_EQ(shared_token_replace_all(false), 0);
    EXPECT_EQ(token_decode(ours).id, word_id(word));
    EXPECT_EQ(fcntl(number, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(descriptor_words[ours].load(), word);
    for (const long each : {ours, other, copy}) {
        EXPECT_FALSE(shared_token_is(static_cast<int>(each)));
        EXPECT_EQ(call(SYS_close, each), 0);
    }
    EXPECT_EQ(fake::closed_count, 2);
}

TEST_F(ShimFiles, DescriptionEndsAtTheLastClose) {
    long first = open_ours();
    long second = call(SYS_dup, first);
    long third = call(SYS_fcntl, first, F_DUPFD, 50);
    ASSERT_GE(third, 50);
    EXPECT_EQ(call(SYS_close, first), 0);
    EXPECT_EQ(call(SYS_dup2, third, second), second); // replaces one reference by another
    EXPECT_EQ(call(SYS_close, third), 0);
    EXPECT_EQ(fake::closed_count, 0);
    int host = open("/dev/null", O_RDONLY);
    EXPECT_EQ(call(SYS_dup3, host, second, O_CLOEXEC), second);
    EXPECT_EQ(fake::closed_count, 1);
    EXPECT_EQ(call_with_kernel(SYS_close, second), 0);
    EXPECT_EQ(call_with_kernel(SYS_close, second), -EBADF);
    EXPECT_EQ(fake::closed_count, 1);
    close(host);
}

TEST_F(ShimFiles, FailedDup2LeavesTheTarget) {
    long ours = open_ours();
    EXPECT_EQ(call(SYS_dup2, 987, ours), -EBADF);
    char bytes[8];
    EXPECT_EQ(call(SYS_read, ours, address(bytes), 8), 5);
    EXPECT_EQ(call(SYS_close, ours), 0);
    EXPECT_EQ(fake::closed_count, 1);
}

TEST_F(ShimFiles, NumberGivenToAHostFileIsTheKernels) {
    long ours = open_ours();
    EXPECT_EQ(call(SYS_close, ours), 0);
    int host = open("/dev/null", O_RDWR);
    ASSERT_EQ(host, ours);
    char byte = 0;
    EXPECT_EQ(call(SYS_write, host, address(&byte), 1), passed);
    EXPECT_EQ(call(SYS_write, host, address(&byte), 1), passed); // now by the filter
    EXPECT_EQ(call_with_kernel(SYS_close, host), 0);
    long again = open_ours();
    EXPECT_EQ(again, host);
    EXPECT_EQ(call(SYS_read, again, address(&byte), 1), 1);
    call(SYS_close, again);
}

TEST_F(ShimFiles, CloseRangeSparesOurOwnAndEndsDescriptions) {
    int spare = open("/dev/null", O_RDONLY);
    long own = descriptor_adopt_own(spare);
    ASSERT_GT(own, 2);
    EXPECT_EQ(call(SYS_close, own), -EBADF);
    EXPECT_EQ(call(SYS_dup2, 0, own), -EBADF);
    EXPECT_EQ(call(SYS_dup, own), -EBADF);
    long ours = open_ours();
    long copy = call(SYS_dup, ours);
    pid_t child = fork();
    if (child == 0) {
        long result = call(SYS_close_range, std::min(ours, copy), UINT_MAX, 0);
        _exit(result == 0 && fake::closed_count == 1 && fcntl(static_cast<int>(own), F_GETFD) >= 0 &&
                      fcntl(static_cast<int>(ours), F_GETFD) < 0
                  ? 0
                  : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    call(SYS_close, ours);
    call(SYS_close, copy);
    EXPECT_EQ(fake::closed_count, 1);
}

TEST_F(ShimFiles, AbsolutePathsByComponent) {
    const std::pair<std::string, std::string> cases[] = {
        {root + "/mnt/a/b", "mkdir 1:a/b"},
        {root + "//mnt/./a//b/", "mkdir 1:a//b/"},
        {root + "/other/../mnt/x", ""},
        {root + "/mnt2/x", ""},
        {root + "/mn", ""},
        {root + "/link/x", "mkdir 1:x"},
        {root + "/mnt/../mnt/y", "mkdir 1:../mnt/y"}, // the engine says that it escapes
        {root + "/mnt/a/.", "mkdir 1:a/."},
    };
    for (const auto &[path, expected] : cases) {
        fake::last_call.clear();
        long result = call(SYS_mkdir, address(path.c_str()), 0755);
        EXPECT_EQ(fake::last_call, expected) << path;
        EXPECT_EQ(result, expected.empty() ? passed_with_post : 0) << path;
    }
    std::string point = root + "/mnt";
    struct stat status = {};
    EXPECT_EQ(call(SYS_lstat, address(point.c_str()), address(&status)), 0);
    EXPECT_EQ(status.st_ino, fake::root_inode);
    EXPECT_EQ(status.st_dev, 42u);
}

TEST_F(ShimFiles, HostSymlinkIsFoundAfterTheKernelsAnswer) {
    std::string below = root + "/link/file", itself = root + "/link";
    struct stat status = {};
    EXPECT_EQ(call_with_kernel(SYS_stat, address(below.c_str()), address(&status)), 0);
    EXPECT_EQ(status.st_dev, 42u);
    EXPECT_EQ(call_with_kernel(SYS_stat, address(itself.c_str()), address(&status)), 0);
    EXPECT_EQ(status.st_dev, 42u);
    EXPECT_EQ(call_with_kernel(SYS_lstat, address(itself.c_str()), address(&status)), 0);
    EXPECT_TRUE(S_ISLNK(status.st_mode));
    std::string nothing = root + "/nothing";
    EXPECT_EQ(call_with_kernel(SYS_stat, address(nothing.c_str()), address(&status)), -ENOENT);
    // Removing a host symlink to a mount is the kernel's, not a removal in the pool.
    std::string victim = root + "/victim";
    ASSERT_EQ(symlink("mnt/file", victim.c_str()), 0);
    EXPECT_EQ(call_with_kernel(SYS_unlink, address(victim.c_str())), 0);
    EXPECT_EQ(fake::last_call, "");
}

TEST_F(ShimFiles, PathsThatLeaveThePoolGoOnOnTheHost) {
    std::string path = root + "/mnt/out";
    struct stat status = {}, passwd = {};
    ASSERT_EQ(stat("/etc/passwd", &passwd), 0);
    fake::escape_text = "/etc/passwd";
    EXPECT_EQ(call_with_kernel(SYS_stat, address(path.c_str()), address(&status)), 0);
    EXPECT_EQ(status.st_ino, passwd.st_ino);
    fake::escape_text = "../link"; // the directory that holds the mount point
    EXPECT_EQ(call_with_kernel(SYS_lstat, address(path.c_str()), address(&status)), 0);
    EXPECT_TRUE(S_ISLNK(status.st_mode));
    fake::escape_text = root + "/mnt/back";
    EXPECT_EQ(call(SYS_mkdir, address(path.c_str()), 0755), 0);
    EXPECT_EQ(fake::last_call, "mkdir 1:back");
    fake::escape_text = path;
    EXPECT_EQ(call(SYS_mkdir, address(path.c_str()), 0755), -ELOOP);
}

TEST_F(ShimFiles, TwoPaths) {
    std::string a = root + "/mnt/a", b = root + "/mnt/b", host = root + "/h";
    EXPECT_EQ(call(SYS_rename, address(a.c_str()), address(b.c_str())), 0);
    EXPECT_EQ(fake::last_call, "rename a 1:b");
    EXPECT_EQ(call(SYS_rename, address(a.c_str()), address(host.c_str())), -EXDEV);
    EXPECT_EQ(call(SYS_rename, address(host.c_str()), address(b.c_str())), -EXDEV);
    EXPECT_EQ(call(SYS_rename, address(host.c_str()), address(host.c_str())), passed_with_post);
    EXPECT_EQ(call(SYS_linkat, AT_FDCWD, address(a.c_str()), AT_FDCWD, address(b.c_str()), 0), 0);
    EXPECT_EQ(fake::last_call, "link 3 1:b");
    long ours = open_ours();
    EXPECT_EQ(call(SYS_linkat, ours, address(""), AT_FDCWD, address(b.c_str()), AT_EMPTY_PATH), 0);
    EXPECT_EQ(fake::last_call, "link 3 1:b");
    EXPECT_EQ(call(SYS_symlink, address("text"), address(a.c_str())), 0);
    EXPECT_EQ(fake::last_call, "symlink text 1:a");
    call(SYS_close, ours);
}

TEST_F(ShimFiles, RelativePathsAndWorkingDirectory) {
    std::string directory = root + "/mnt/dir";
    EXPECT_EQ(call(SYS_chdir, address(directory.c_str())), 0);
    EXPECT_EQ(call(SYS_mkdir, address("x"), 0755), 0);
    EXPECT_EQ(fake::last_call, "mkdir 2:x");
    char text[PATH_MAX];
    EXPECT_EQ(call(SYS_getcwd, address(text), sizeof(text)), static_cast<long>(directory.size()) + 1);
    EXPECT_EQ(text, directory);
    EXPECT_EQ(call(SYS_getcwd, address(text), 3), -ERANGE);
    EXPECT_EQ(call(SYS_chdir, address("/")), 0);
    EXPECT_EQ(call(SYS_getcwd, address(text), sizeof(text)), passed);
    // From a directory above the mount, on the host.
    ASSERT_EQ(call(SYS_chdir, address(root.c_str())), 0);
    EXPECT_EQ(call(SYS_mkdir, address("mnt/y"), 0755), 0);
    EXPECT_EQ(fake::last_call, "mkdir 1:y");
    // To a mount point through a host symlink.
    ASSERT_EQ(call(SYS_chdir, address("link")), 0);
    EXPECT_EQ(working_directory().mount, 0);
    ASSERT_EQ(call(SYS_chdir, address("/")), 0);
    EXPECT_EQ(working_directory().mount, -1);
    std::string file = root + "/mnt/file";
    EXPECT_EQ(call(SYS_chdir, address(file.c_str())), -ENOTDIR);
    long dirfd = open_ours("dir");
    EXPECT_EQ(call(SYS_mkdirat, dirfd, address("z"), 0755), 0);
    EXPECT_EQ(fake::last_call, "mkdir 2:z");
    EXPECT_EQ(call(SYS_fchdir, dirfd), 0);
    EXPECT_EQ(working_directory().inode, fake::directory_inode);
    ASSERT_EQ(call(SYS_chdir, address("/")), 0);
    call(SYS_close, dirfd);
}

TEST_F(ShimFiles, ProcAndDevNamesOfTokens) {
    long ours = open_ours();
    struct stat status = {};
    std::string names[] = {"/proc/self/fd/" + std::to_string(ours), "/dev/fd/" + std::to_string(ours),
                           "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(ours)};
    for (const std::string &name : names) {
        EXPECT_EQ(call(SYS_stat, address(name.c_str()), address(&status)), 0) << name;
        EXPECT_EQ(status.st_ino, fake::file_inode) << name;
        long again = call(SYS_openat, AT_FDCWD, address(name.c_str()), O_RDONLY);
        ASSERT_GE(again, 0);
        EXPECT_EQ(call(SYS_close, again), 0);
    }
    EXPECT_EQ(fake::closed_count, 3);
    EXPECT_EQ(call(SYS_newfstatat, ours, address(""), address(&status), AT_EMPTY_PATH), 0);
    EXPECT_EQ(status.st_ino, fake::file_inode);
    // What RWF_ATOMIC takes, in fields that are newer than the headers.
    alignas(8) unsigned char extended[256] = {};
    constexpr long write_atomic = 0x10000;
    EXPECT_EQ(call(SYS_statx, ours, address(""), AT_EMPTY_PATH, write_atomic, address(extended)), 0);
    uint32_t units[3];
    memcpy(units, extended + 0xa8, sizeof(units));
    EXPECT_EQ(units[0], 512u);
    EXPECT_EQ(units[1], 65536u);
    EXPECT_EQ(units[2], 1u);
    call(SYS_close, ours);
}

TEST_F(ShimFiles, LockRangesAndSendfile) {
    long ours = open_ours();
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_END;
    lock.l_start = 10;
    lock.l_len = -5;
    EXPECT_EQ(call(SYS_fcntl, ours, F_SETLK, address(&lock)), 0);
    EXPECT_EQ(fake::last_call, "lock 1 10-14"); // size 5
    lock.l_whence = SEEK_SET;
    lock.l_start = 0;
    EXPECT_EQ(call(SYS_fcntl, ours, F_SETLK, address(&lock)), -EINVAL);
    EXPECT_EQ(call(SYS_fcntl, ours, F_SETPIPE_SZ, 4096), -EBADF);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    EXPECT_EQ(call(SYS_sendfile, ends[1], ours, 0, 100), 5);
    char bytes[8] = {};
    EXPECT_EQ(read(ends[0], bytes, 8), 5);
    EXPECT_STREQ(bytes, "hello");
    int64_t offset = 2;
    EXPECT_EQ(call(SYS_sendfile, ends[1], ours, address(&offset), 2), 2);
    EXPECT_EQ(offset, 4);
    EXPECT_EQ(call(SYS_copy_file_range, ours, 0, ends[1], 0, 1, 0), -EINVAL);
    EXPECT_EQ(call(SYS_copy_file_range, ends[0], 0, ours, 0, 1, 0), -EINVAL);
    const int host = memfd_create("host", 0);
    EXPECT_EQ(call(SYS_copy_file_range, ours, 0, host, 0, 1, 0), -EXDEV);
    EXPECT_EQ(call(SYS_copy_file_range, host, 0, ours, 0, 1, 0), -EXDEV);
    close(host);
    EXPECT_EQ(call(SYS_copy_file_range, ours, 0, 9999, 0, 1, 0), -EBADF);
    EXPECT_EQ(call(SYS_copy_file_range, ours, address(&offset), ours, 0, 7, 0), 7);
    EXPECT_EQ(call(SYS_copy_file_range, ours, 0, ours, 0, 7, 1), -EINVAL);
    close(ends[0]);
    close(ends[1]);
    call(SYS_close, ours);
}

TEST_F(ShimFiles, SocketNamesAreLookedUpInThePool) {
    struct sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    std::string ours = root + "/mnt/socket", host = root + "/socket";
    strcpy(name.sun_path, ours.c_str());
    EXPECT_EQ(call(SYS_bind, -1, address(&name), sizeof(name)), -EBADF);
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(call(SYS_connect, socket, address(&name), sizeof(name)), -ECONNREFUSED); // a file, no socket
    EXPECT_EQ(call(SYS_sendto, socket, 0, 0, 0, address(&name), sizeof(name)), -ECONNREFUSED);
    close(socket);
    EXPECT_EQ(call(SYS_connect, -1, address(&name), sizeof(name)), -EBADF); // what is wrong with the socket comes first
    EXPECT_EQ(call(SYS_sendto, 3, 0, 0, 0, 0, 0), passed);
    strcpy(name.sun_path, host.c_str());
    EXPECT_EQ(call(SYS_bind, 3, address(&name), sizeof(name)), passed);
    name.sun_path[0] = 0; // abstract
    EXPECT_EQ(call(SYS_bind, 3, address(&name), sizeof(name)), passed);
}

TEST_F(ShimFiles, LongerOpenHow) {
    struct {
        struct open_how known;
        uint64_t newer;
    } how = {};
    how.known.flags = O_RDONLY;
    std::string ours = root + "/mnt/file";
    long opened = call(SYS_openat2, AT_FDCWD, address(ours.c_str()), address(&how), sizeof(how));
    ASSERT_GE(opened, 0);
    call(SYS_close, opened);
    how.newer = 1;
    EXPECT_EQ(call(SYS_openat2, AT_FDCWD, address(ours.c_str()), address(&how), sizeof(how)), -E2BIG);
    EXPECT_EQ(call(SYS_openat2, AT_FDCWD, address(ours.c_str()), address(&how), 8), -EINVAL);
    how.newer = 0;
    how.known.mode = 0644; // without O_CREAT
    EXPECT_EQ(call(SYS_openat2, AT_FDCWD, address(ours.c_str()), address(&how), sizeof(how.known)), -EINVAL);
}

TEST_F(ShimFiles, VforkChildLeavesTheParentsCacheAlone) {
    long ours = open_ours();
    ThreadContext &context = *context_get();
    EXPECT_EQ(shared_token_replace_all(false), 0); // as the process half does
    context.is_vfork_child = true;
    EXPECT_EQ(call(SYS_dup, ours), ours + 1);
    EXPECT_EQ(call(SYS_close, ours + 1), 0);
    char bytes[8];
    EXPECT_EQ(call(SYS_read, ours, address(bytes), 1), 1);
    long opened = open_ours();
    EXPECT_EQ(context.vfork_opened_count, 1u);
    EXPECT_EQ(call(SYS_close, opened), 0);
    EXPECT_EQ(fake::closed_count, 0); // the parent's to drop
    context.is_vfork_child = false;
    context.vfork_opened_count = 0;
    EXPECT_EQ(call(SYS_close, ours), 0);
    EXPECT_EQ(fake::closed_count, 1);
}

} // namespace
