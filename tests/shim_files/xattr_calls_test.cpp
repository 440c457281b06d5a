// The calls for extended attributes: what the engine is asked, by every way to a file.
#include "tests/shim_files/shim_fixture.h"

#include <cerrno>

using namespace shim_test;

namespace {

TEST_F(ShimFiles, ExtendedAttributesByEveryWay) {
    const std::string path = root + "/mnt/file", host = "/etc/passwd", too_long(256, 'n');
    const long ours = open_ours();
    ASSERT_GE(ours, 0);
    const std::string file = std::to_string(fake::file_inode);
    struct {
        uint64_t value;
        uint32_t size_bytes, flags;
    } arguments = {0x1000, 5, 1};
    constexpr long setxattrat = 463, getxattrat = 464, listxattrat = 465, removexattrat = 466;
    const long name = address("user.x"), at_size = sizeof(arguments);
    struct Way {
        const char *seen; // by the engine
        long result;
        long number;
        long arguments[6];
    };
    const long p = address(path.c_str());
    const Way ways[] = {
        {"setxattr user.x 5 1", 0, SYS_setxattr, {p, name, 0x1000, 5, 1}},
        {"setxattr user.x 5 2", 0, SYS_lsetxattr, {p, name, 0x1000, 5, 2}},
        {"setxattr user.x 5 0", 0, SYS_fsetxattr, {ours, name, 0x1000, 5, 0}},
        {"setxattr user.x 5 1", 0, setxattrat, {AT_FDCWD, p, 0, name, address(&arguments), at_size}},
        {"setxattr user.x 5 1", 0, setxattrat, {ours, address(""), AT_EMPTY_PATH, name, address(&arguments), at_size}},
        {"getxattr user.x 7", 7, SYS_getxattr, {p, name, 0x1000, 7}},
        {"getxattr user.x 7", 7, SYS_lgetxattr, {p, name, 0x1000, 7}},
        {"getxattr user.x 7", 7, SYS_fgetxattr, {ours, name, 0x1000, 7}},
        {"listxattr 9", 9, SYS_listxattr, {p, 0x1000, 9}},
        {"listxattr 9", 9, SYS_llistxattr, {p, 0x1000, 9}},
        {"listxattr 9", 9, SYS_flistxattr, {ours, 0x1000, 9}},
        {"listxattr 9", 9, listxattrat, {AT_FDCWD, p, AT_SYMLINK_NOFOLLOW, 0x1000, 9}},
        {"removexattr user.x", 0, SYS_removexattr, {p, name}},
        {"removexattr user.x", 0, SYS_lremovexattr, {p, name}},
        {"removexattr user.x", 0, SYS_fremovexattr, {ours, name}},
        {"removexattr user.x", 0, removexattrat, {AT_FDCWD, p, 0, name}},
        // Refused before the engine sees them.
        {"", -ERANGE, SYS_getxattr, {p, address(too_long.c_str()), 0, 0}},
        {"", -EINVAL, SYS_setxattr, {p, name, 0, 0, 4}},
        {"", -EINVAL, getxattrat, {AT_FDCWD, p, 0, name, address(&arguments), at_size}}, // flags are not 0
        {"", -EINVAL, setxattrat, {AT_FDCWD, p, 0, name, address(&arguments), 8}},
        {"", -E2BIG, setxattrat, {AT_FDCWD, p, 0, name, address(&arguments), 8192}},
        {"", passed, removexattrat, {AT_FDCWD, p, 1, name}},
        {"", passed, SYS_fsetxattr, {0, name, 0, 0, 0}},
        {"", passed_with_post, SYS_getxattr, {address(host.c_str()), name, 0, 0}},
    };
    for (const Way &way : ways) {
        fake::last_call.clear();
        const long *a = way.arguments;
        EXPECT_EQ(call(way.number, a[0], a[1], a[2], a[3], a[4], a[5]), way.result) << way.number << " " << way.seen;
        std::string seen = way.seen;
        if (!seen.empty())
            seen.insert(seen.find(' '), " " + file);
        EXPECT_EQ(fake::last_call, seen) << way.number;
    }
    call(SYS_close, ours);
}

} // namespace
