// flags_test: preadv2 and pwritev2 with their flags, and what statx says of atomic writes.
#include "tests/posix/case.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace posix {
namespace {

constexpr int dsync = 2, sync = 4, no_wait = 8, append = 0x10, no_append = 0x20, atomic = 0x40;
constexpr int dont_cache = 0x80, no_signal = 0x100;

class Flags : public Case {
protected:
    long write2(int file, const std::string &bytes, int64_t offset, int flags) {
        const struct iovec vector = {const_cast<char *>(bytes.data()), bytes.size()};
        return t.pwritev2(file, &vector, 1, offset, flags);
    }
    long read2(int file, size_t size, int64_t offset, int flags, std::string *bytes) {
        bytes->assign(size, '?');
        const struct iovec vector = {bytes->data(), size};
        const long done = t.preadv2(file, &vector, 1, offset, flags);
        bytes->resize(done > 0 ? static_cast<size_t>(done) : 0);
        return done;
    }
};

TEST_F(Flags, Durable) {
    make("/a", "0123456789");
    const int file = opened("/a", O_RDWR);
    for (const int flags : {0, dsync, sync, dsync | sync})
        EXPECT_EQ(write2(file, "xy", flags, flags), 2) << flags;
    EXPECT_EQ(content("/a"), "xyxyxyxy89");
    std::string bytes;
    EXPECT_EQ(read2(file, 4, 6, 0, &bytes), 4);
    EXPECT_EQ(bytes, "xy89");
    t.close(file);
}
TEST_F(Flags, OffsetOfMinusOneIsTheFilesOwn) {
    make("/a", "0123456789");
    const int file = opened("/a", O_RDWR);
    EXPECT_EQ(t.seek(file, 3, SEEK_SET), 3);
    EXPECT_EQ(write2(file, "xy", -1, 0), 2);
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), 5);
    std::string bytes;
    EXPECT_EQ(read2(file, 2, -1, 0, &bytes), 2);
    EXPECT_EQ(bytes, "56");
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), 7);
    EXPECT_EQ(write2(file, "xy", -2, 0), -EINVAL);
    t.close(file);
}
TEST_F(Flags, Append) {
    make("/a", "01234");
    const int file = opened("/a", O_RDWR);
    EXPECT_EQ(write2(file, "xy", 1, append), 2);
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), 0) << "at an offset: the file's own stays";
    EXPECT_EQ(write2(file, "z", -1, append), 1);
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), 8);
    EXPECT_EQ(content("/a"), "01234xyz");
    t.close(file);
}
TEST_F(Flags, NoAppend) {
    make("/a", "01234");
    const int file = opened("/a", O_RDWR | O_APPEND);
    EXPECT_EQ(write2(file, "xy", 1, no_append), 2);
    EXPECT_EQ(content("/a"), "0xy34");
    EXPECT_EQ(write2(file, "z", 1, 0), 1);
    EXPECT_EQ(content("/a"), "0xy34z");
    EXPECT_EQ(write2(file, "z", 1, append | no_append), -EINVAL);
    t.close(file);
}
TEST_F(Flags, NoWaitWhereNobodyElseIs) {
    make("/a", "01234");
    const int file = opened("/a", O_RDWR);
    std::string bytes;
    const long got = read2(file, 5, 0, no_wait, &bytes);
    EXPECT_TRUE(got == 5 || got == -EOPNOTSUPP) << got; // a filesystem of Linux may not know it
    const long put = write2(file, "x", 0, no_wait);
    EXPECT_TRUE(put == 1 || put == -EOPNOTSUPP) << put;
    t.close(file);
}
// What Linux has had only since 6.12 and 6.18; a memory file of the host tells whether this one has it.
TEST_F(Flags, NoSignal) {
    make("/a", "01234");
    const int file = opened("/a", O_RDWR), host = static_cast<int>(::syscall(SYS_memfd_create, "host", 0));
    const struct iovec one = {const_cast<char *>("x"), 1};
    const bool is_known = ::syscall(SYS_pwritev2, host, &one, 1, 0, 0, no_signal) == 1;
    std::string bytes;
    const long got = read2(file, 5, 0, no_signal, &bytes), put = write2(file, "x", 0, no_signal);
    EXPECT_TRUE(got == 5 || (got == -EOPNOTSUPP && !is_known)) << got;
    EXPECT_TRUE(put == 1 || (put == -EOPNOTSUPP && !is_known)) << put;
    EXPECT_EQ(write2(file, "y", 0, dont_cache), -EOPNOTSUPP);
    ::close(host);
    t.close(file);
}
TEST_F(Flags, WasCreated) {
    constexpr int created_query = 1028;
    const int host = static_cast<int>(::syscall(SYS_memfd_create, "host", 0));
    const bool is_known = !t.is_kernel_like() || ::fcntl(host, created_query) == 0;
    ::close(host);
    const auto was_created = [&](int file) {
        const long told = t.fcntl(file, created_query);
        return is_known ? told : told == -EINVAL ? 2 : told;
    };
    const int made = opened("/a", O_RDWR | O_CREAT), again = opened("/a", O_RDWR | O_CREAT);
    const int exclusive = opened("/b", O_WRONLY | O_CREAT | O_EXCL | O_APPEND),
              cut = opened("/b", O_RDWR | O_CREAT | O_TRUNC);
    const int path = opened("/a", O_PATH), directory = opened("/", O_DIRECTORY),
              unnamed = opened("/", O_TMPFILE | O_RDWR);
    const int yes = is_known ? 1 : 2, no = is_known ? 0 : 2;
    for (const int file : {made, exclusive})
        EXPECT_EQ(was_created(file), yes);
    for (const int file : {again, cut, path, directory, unnamed})
        EXPECT_EQ(was_created(file), no);
    constexpr long large_file = 0100000;
    EXPECT_EQ(t.fcntl(made, F_GETFL) & ~large_file, O_RDWR) << "it is no flag";
    EXPECT_EQ(t.fcntl(exclusive, F_SETFL), 0);
    EXPECT_EQ(t.fcntl(exclusive, F_GETFL) & ~large_file, O_WRONLY);
    EXPECT_EQ(was_created(exclusive), yes);
    if (t.is_kernel_like()) {
        const int copy = static_cast<int>(t.dup(made));
        EXPECT_EQ(was_created(copy), yes);
        t.close(copy);
    }
    for (const int file : {made, again, exclusive, cut, path, directory, unnamed})
        t.close(file);
}
void *flags_argument(long flags) {
    return reinterpret_cast<void *>(flags);
}
TEST_F(Flags, NoTimeIsForTheOwner) {
    make("/a", "", 0666);
    t.chmod("/a", 0666);
    t.chmod("/", 0777);
    const auto set = [](Target &target) -> long {
        const int file = static_cast<int>(target.open("/a", O_RDWR, 0));
        const long done = target.fcntl(file, F_SETFL, flags_argument(O_NOATIME));
        target.close(file);
        return done;
    };
    EXPECT_EQ(t.as_user(1000, 1000, set), -EPERM);
    EXPECT_EQ(set(t), 0);
}
TEST_F(Flags, DirectOfADirectory) {
    const int directory = opened("/", O_RDONLY | O_DIRECTORY), file = opened("/a", O_RDWR | O_CREAT);
    EXPECT_EQ(t.fcntl(directory, F_SETFL, flags_argument(O_DIRECT | O_NONBLOCK)), -EINVAL);
    EXPECT_EQ(t.fcntl(directory, F_GETFL) & (O_DIRECT | O_NONBLOCK), 0);
    EXPECT_EQ(t.fcntl(file, F_SETFL, flags_argument(O_DIRECT)), 0);
    t.close(directory);
    t.close(file);
}
TEST_F(Flags, Unknown) {
    make("/a", "01234");
    const int file = opened("/a", O_RDWR);
    std::string bytes;
    EXPECT_EQ(write2(file, "x", 0, 1 << 20), -EOPNOTSUPP);
    EXPECT_EQ(read2(file, 1, 0, 1 << 20, &bytes), -EOPNOTSUPP);
    EXPECT_EQ(read2(file, 1, 0, atomic, &bytes), -EOPNOTSUPP);
    EXPECT_EQ(content("/a"), "01234");
    t.close(file);
}

// struct statx as of Linux 6.11.
struct Statx {
    uint32_t mask;
    uint32_t block_size;
    uint64_t attributes;
    unsigned char skipped[0xa8 - 16];
    uint32_t unit_min, unit_max, segments_max;
    unsigned char rest[256 - 0xb4];
};
static_assert(sizeof(Statx) == 256);

TEST_F(Flags, Atomic) {
    make("/a");
    const int file = opened("/a", O_RDWR);
    uint32_t unit_min = 512, unit_max = 65536;
    if (t.is_kernel_like()) {
        Statx stat = {};
        ASSERT_EQ(::syscall(SYS_statx, file, "", AT_EMPTY_PATH, 0x10000, &stat), 0);
        constexpr uint64_t attribute = 0x400000;
        EXPECT_EQ((stat.attributes & attribute) != 0, stat.unit_max != 0);
        if ((stat.attributes & attribute) == 0) { // tmpfs
            EXPECT_EQ(write2(file, std::string(4096, 'x'), 0, atomic), -EOPNOTSUPP);
            t.close(file);
            return;
        }
        unit_min = stat.unit_min;
        unit_max = stat.unit_max;
        EXPECT_EQ(stat.segments_max, 1u);
        EXPECT_NE(stat.mask & 0x10000, 0u);
    }
    EXPECT_EQ(unit_min, 512u);
    EXPECT_EQ(unit_max, 65536u);
    for (size_t size = unit_min; size <= unit_max; size *= 2)
        EXPECT_EQ(write2(file, std::string(size, 'x'), static_cast<int64_t>(3 * size), atomic),
                  static_cast<long>(size));
    EXPECT_EQ(write2(file, std::string(256, 'x'), 0, atomic), -EINVAL);
    EXPECT_EQ(write2(file, std::string(131072, 'x'), 0, atomic), -EINVAL);
    EXPECT_EQ(write2(file, std::string(3072, 'x'), 0, atomic), -EINVAL) << "no power of two";
    EXPECT_EQ(write2(file, std::string(4096, 'x'), 2048, atomic), -EINVAL) << "not at a multiple";
    std::string half(2048, 'y');
    const struct iovec two[2] = {{half.data(), half.size()}, {half.data(), half.size()}};
    EXPECT_EQ(t.pwritev2(file, two, 2, 0, atomic), -EINVAL) << "two buffers";
    EXPECT_EQ(attributes("/a").st_size, 4 * 65536);
    // An append goes where the end is.
    EXPECT_EQ(write2(file, std::string(4096, 'y'), 1, atomic | append), 4096);
    EXPECT_EQ(t.ftruncate(file, 100), 0);
    EXPECT_EQ(write2(file, std::string(4096, 'y'), 0, atomic | append), -EINVAL);
    t.close(file);
}

} // namespace
} // namespace posix
