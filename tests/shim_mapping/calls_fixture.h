// calls_fixture: a file of known bytes, and what the tests of mmap by system calls share.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace mapping {

constexpr size_t page = 4096;
inline std::string directory; // main's argument

inline char pattern_at(size_t offset) {
    return static_cast<char>(1 + (offset * 7 + offset / page) % 250);
}

inline int error_of(const void *result) {
    return result == MAP_FAILED ? errno : 0;
}

// How a child that does `what` ends: its exit status, or minus the signal.
template <typename What> int child_ends(What what) {
    pid_t child = fork();
    if (child == 0) {
        signal(SIGBUS, SIG_DFL);
        signal(SIGSEGV, SIG_DFL);
        _exit(what());
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

class MappingCalls : public testing::Test {
protected:
    void SetUp() override {
        path = directory + "/mapping-" + std::to_string(getpid());
        file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
        ASSERT_GE(file, 0) << path << ": " << strerror(errno);
    }
    void TearDown() override {
        close(file);
        EXPECT_EQ(unlink(path.c_str()), 0);
    }
    void fill(size_t size_bytes) {
        std::vector<char> bytes(size_bytes);
        for (size_t i = 0; i < size_bytes; i++)
            bytes[i] = pattern_at(i);
        ASSERT_EQ(pwrite(file, bytes.data(), size_bytes, 0), static_cast<ssize_t>(size_bytes));
    }
    char *map(size_t length, int protection = PROT_READ | PROT_WRITE, int flags = MAP_SHARED, off_t offset = 0) {
        void *at = mmap(nullptr, length, protection, flags, file, offset);
        EXPECT_NE(at, MAP_FAILED) << strerror(errno);
        return static_cast<char *>(at);
    }
    char stored(off_t offset) {
        char byte = 0;
        EXPECT_EQ(pread(file, &byte, 1, offset), 1);
        return byte;
    }
    void expect_pattern(const char *at, size_t offset, size_t length) {
        for (size_t i = 0; i < length; i++)
            ASSERT_EQ(at[i], pattern_at(offset + i)) << "byte " << i << " of " << length << " from " << offset;
    }

    std::string path;
    int file = -1;
};

} // namespace mapping
