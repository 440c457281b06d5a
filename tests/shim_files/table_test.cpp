// Every row of the table: none is missing, each refuses our descriptors and paths or serves them.
#include "tests/shim_files/shim_files_fixture.h"

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
    EXPECT_GE(tested, 8u);
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
