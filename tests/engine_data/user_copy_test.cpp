// user_copy: every length up to well behind the last border between its ways, at every place in a line; and
// an address that is not there, before, in and behind each of them.
#include "base/user_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace {

constexpr size_t page_bytes = 4096;
constexpr size_t longest_bytes = 1200;

// As the shim's handler does it.
void go_on_behind(int, siginfo_t *, void *interrupted) {
    greg_t &instruction = static_cast<ucontext_t *>(interrupted)->uc_mcontext.gregs[REG_RIP];
    if (instruction < reinterpret_cast<greg_t>(base_user_copy_begin) ||
        instruction >= reinterpret_cast<greg_t>(base_user_copy_end))
        std::abort();
    instruction = reinterpret_cast<greg_t>(base_user_copy_fault);
}

class UserCopy : public testing::Test {
protected:
    void SetUp() override {
        void *memory = mmap(nullptr, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(memory, MAP_FAILED);
        ASSERT_EQ(mprotect(static_cast<std::byte *>(memory) + page_bytes, page_bytes, PROT_NONE), 0);
        page_ = static_cast<std::byte *>(memory);
        struct sigaction action = {};
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        action.sa_sigaction = go_on_behind;
        ASSERT_EQ(sigaction(SIGSEGV, &action, &former_), 0);
        for (size_t i = 0; i < text_.size(); i++)
            text_[i] = static_cast<std::byte>(i * 7 + i / 256);
    }
    void TearDown() override {
        sigaction(SIGSEGV, &former_, nullptr);
        munmap(page_, 2 * page_bytes);
    }
    std::byte *page_ = nullptr; // the one behind it is not there
    std::vector<std::byte> text_ = std::vector<std::byte>(longest_bytes + 64);

private:
    struct sigaction former_ = {};
};

TEST_F(UserCopy, EveryLengthAtEveryPlace) {
    constexpr auto untouched = std::byte{0xee};
    std::vector<std::byte> to(longest_bytes + 64);
    for (size_t length = 0; length <= longest_bytes; length++)
        for (const size_t place : {0u, 1u, 8u, 15u}) {
            std::fill(to.begin(), to.end(), untouched);
            ASSERT_EQ(base_user_copy(to.data() + place, text_.data() + (length & 15), length), 0u);
            ASSERT_EQ(std::memcmp(to.data() + place, text_.data() + (length & 15), length), 0) << length;
            ASSERT_EQ(std::count(to.begin(), to.begin() + static_cast<long>(place), untouched), place);
            ASSERT_EQ(to[place + length], untouched) << length;
        }
}

TEST_F(UserCopy, UpToTheEndOfWhatIsThereAndNotBehindIt) {
    std::vector<std::byte> to(longest_bytes);
    for (size_t length = 1; length <= longest_bytes; length++) {
        std::byte *last = page_ + page_bytes - length;
        ASSERT_EQ(base_user_copy(last, text_.data(), length), 0u) << length;
        ASSERT_EQ(base_user_copy(to.data(), last, length), 0u) << length;
        ASSERT_EQ(std::memcmp(to.data(), text_.data(), length), 0) << length;
        for (size_t missing = 1; missing <= length; missing = missing * 2 + 1) {
            ASSERT_NE(base_user_copy(last + missing, text_.data(), length), 0u) << length << " less " << missing;
            ASSERT_NE(base_user_copy(to.data(), last + missing, length), 0u) << length << " less " << missing;
        }
    }
}

TEST_F(UserCopy, OneByte) {
    for (const int byte : {0, 1, 127, 128, 255}) {
        page_[page_bytes - 1] = static_cast<std::byte>(byte);
        EXPECT_EQ(base_user_byte(page_ + page_bytes - 1), byte);
    }
    EXPECT_EQ(base_user_byte(page_ + page_bytes), -1);
    EXPECT_EQ(base_user_byte(nullptr), -1);
}

} // namespace
