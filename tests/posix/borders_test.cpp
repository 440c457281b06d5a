// borders_test: arguments at the border of what a call takes, and which of two errors is told.
#include "tests/posix/case.h"

#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/mman.h>

namespace posix {
namespace {

class Borders : public Case {};

constexpr int64_t last_offset = INT64_MAX;

TEST_F(Borders, NoOffsetBehindTheEnd) {
    make("/a", "0123456789");
    const int file = opened("/a", O_RDWR);
    char bytes[5] = {};
    const struct iovec vectors[2] = {{bytes, 2}, {bytes + 2, 3}};
    for (const int64_t offset : {last_offset, last_offset - 4}) {
        EXPECT_EQ(t.pread(file, bytes, 5, offset), -EINVAL) << offset;
        EXPECT_EQ(t.pwrite(file, bytes, 5, offset), -EINVAL) << offset;
        EXPECT_EQ(t.preadv(file, vectors, 2, offset), -EINVAL) << offset;
        EXPECT_EQ(t.pwritev(file, vectors, 2, offset), -EINVAL) << offset;
        EXPECT_EQ(t.preadv2(file, vectors, 2, offset, 0), -EINVAL) << offset;
        EXPECT_EQ(t.pwritev2(file, vectors, 2, offset, 0), -EINVAL) << offset;
    }
    EXPECT_EQ(t.pread(file, bytes, 5, last_offset - 5), 0);
    EXPECT_EQ(t.pread(file, bytes, 0, last_offset), 0);
    EXPECT_EQ(t.pwrite(file, bytes, 0, last_offset), 0);
    EXPECT_EQ(t.seek(file, last_offset, SEEK_SET), last_offset);
    EXPECT_EQ(t.read(file, bytes, 1), -EINVAL);
    EXPECT_EQ(t.write(file, bytes, 1), -EINVAL);
    EXPECT_EQ(t.readv(file, vectors, 2), -EINVAL);
    EXPECT_EQ(t.writev(file, vectors, 2), -EINVAL);
    EXPECT_EQ(attributes("/a").st_size, 10);
    t.close(file);
}
TEST_F(Borders, NeitherReadingNorWriting) {
    make("/a", "0123456789");
    EXPECT_EQ(t.mkdir("/d"), 0);
    EXPECT_EQ(t.open("/d", O_ACCMODE), -EISDIR);
    const int file = opened("/a", O_ACCMODE);
    char byte = 0;
    EXPECT_EQ(t.read(file, &byte, 1), -EBADF);
    EXPECT_EQ(t.write(file, &byte, 1), -EBADF);
    EXPECT_EQ(t.pread(file, &byte, 0, 0), -EBADF);
    EXPECT_EQ(t.ftruncate(file, 1), -EINVAL);
    EXPECT_EQ(t.fallocate(file, 0, 0, 1), -EBADF);
    EXPECT_EQ(t.copy_range(file, nullptr, file, nullptr, 1), -EBADF);
    EXPECT_EQ(t.seek(file, 3, SEEK_SET), 3);
    EXPECT_EQ(t.fcntl(file, F_GETFL, nullptr) & O_ACCMODE, O_ACCMODE);
    EXPECT_EQ(t.flock(file, LOCK_SH), -EBADF);
    EXPECT_EQ(t.flock(file, LOCK_UN), 0);
    for (const short type : {F_RDLCK, F_WRLCK}) {
        struct flock lock = {};
        lock.l_type = type;
        EXPECT_EQ(t.fcntl(file, F_SETLK, &lock), -EBADF) << type;
    }
    for (const int protection : {PROT_READ, PROT_WRITE})
        EXPECT_EQ(t.mmap(nullptr, 4096, protection, MAP_SHARED, file, 0), -EACCES) << protection;
    t.close(file);
    // It is asked for as reading and writing.
    EXPECT_EQ(t.chmod("/a", 0444), 0);
    EXPECT_EQ(t.as_user(1000, 1000, [](Target &user) { return user.open("/a", O_ACCMODE); }), -EACCES);
    EXPECT_EQ(attributes("/a").st_size, 10);
}
TEST_F(Borders, ShareModesOfOld) {
    make("/a");
    const int file = opened("/a", O_RDWR);
    for (const int operation : {32, 32 | LOCK_SH, 32 | 64, -1})
        EXPECT_EQ(t.flock(file, operation), 0) << operation;
    const int other = opened("/a", O_RDWR);
    EXPECT_EQ(t.flock(other, LOCK_EX | LOCK_NB), 0) << "nothing was locked";
    EXPECT_EQ(t.flock(file, 16), -EINVAL);
    t.close(other);
    t.close(file);
}
TEST_F(Borders, WhatIsToldFirst) {
    make("/a", "0123456789");
    const int reader = opened("/a", O_RDONLY);
    EXPECT_EQ(t.fallocate(reader, 1 << 10, 0, 5), -EOPNOTSUPP);
    EXPECT_EQ(t.fallocate(reader, FALLOC_FL_PUNCH_HOLE, 0, 5), -EOPNOTSUPP);
    EXPECT_EQ(t.fallocate(reader, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096), -EOPNOTSUPP);
    EXPECT_EQ(t.fallocate(reader, 1 << 10, -1, 5), -EINVAL);
    EXPECT_EQ(t.fallocate(reader, 0, 0, 5), -EBADF);
    t.close(reader);
    const int path = opened("/a", O_PATH);
    EXPECT_EQ(t.ftruncate(path, -1), -EINVAL);
    EXPECT_EQ(t.ftruncate(path, 1), -EBADF);
    EXPECT_EQ(t.fallocate(path, 1 << 10, -1, 5), -EBADF);
    EXPECT_EQ(t.flock(path, 0), -EINVAL);
    EXPECT_EQ(t.flock(path, LOCK_SH), -EBADF);
    t.close(path);
    EXPECT_EQ(content("/a"), "0123456789");
}

} // namespace
} // namespace posix
