// words: a hook that tells its calls by a word for each number. Calls go
// through libc's getppid wrapper, whose flags are dead, with the number in the
// register that it does not touch; site_flags, which reads the flags behind its
// call, must never look at a word.
#include "base/raw_syscall.h"
#include "intercept/hooks/registry.h"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string_view>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" long site_flags(long number, long other); // what a comparison before the call left in the flags

namespace {

std::atomic<uint64_t> words[4];
int filtered = 0; // one thread, and no call of std:: from a filter
int hooked = 0;
int ended = 0;
long end_result = 0;
int hook_id = -1;
const char *path_seen = nullptr; // of newfstatat

// What the hook does.
int verdict = INTERCEPT_HANDLED;
long error = 0;         // of lseek
long other_number = -1; // instead of the call's

INTERCEPT_FILTER_FUNCTION int filter(const intercept_call *) {
    filtered++;
    return INTERCEPT_FILTER_SERVE;
}

int hook(intercept_call *call) {
    hooked++;
    if (call->nr == SYS_newfstatat)
        path_seen = reinterpret_cast<const char *>(call->args[1]);
    call->result = call->nr == SYS_lseek ? error : -7 - static_cast<long>(call->args[0]);
    if (other_number >= 0)
        call->nr = other_number;
    return verdict;
}

void post(intercept_call *call) {
    ended++;
    end_result = call->result;
}

constexpr long getppid_number = SYS_getppid;
constexpr long both_numbers[] = {SYS_getppid, SYS_lseek};

// getppid as libc has it, called with an argument that it hands through.
long libc_getppid(long number) {
    return reinterpret_cast<long (*)(long)>(reinterpret_cast<void *>(getppid))(number);
}

class Words : public testing::Test {
protected:
    static void SetUpTestSuite() {
        intercept_hook registration{filter, hook, post, 0, both_numbers, 2};
        hook_id = intercept_add(&registration);
        ASSERT_GE(hook_id, 0);
        ASSERT_EQ(intercept_start(), 0);
    }
    void SetUp() override {
        for (auto &word : words)
            word = 0;
        set_words(std::size(words));
        filtered = 0;
        hooked = 0;
        ended = 0;
        verdict = INTERCEPT_HANDLED;
        error = 0;
        other_number = -1;
    }
    static void set_words(size_t count) {
        ASSERT_EQ(intercept_set_words(hook_id, reinterpret_cast<uint64_t *>(words), count, both_numbers, 2), 0);
    }
    const long parent_ = base::raw_syscall(SYS_getppid);
};

TEST_F(Words, OnlyThePassWordPasses) {
    words[2] = INTERCEPT_WORD_PASS;
    EXPECT_EQ(libc_getppid(2), parent_);
    EXPECT_EQ(libc_getppid(1), -8);
    words[1] = INTERCEPT_WORD_PASS;
    EXPECT_EQ(libc_getppid(1), parent_);
    for (uint64_t other : {0ul, 2ul, INTERCEPT_WORD_PASS | 1ul << 32, ~0ul}) {
        words[1] = other;
        EXPECT_EQ(libc_getppid(1), -8) << other;
    }
    EXPECT_EQ(hooked, 5);
    EXPECT_EQ(filtered, 0) << "the word has told already";
}

TEST_F(Words, NumbersOutsideAreServed) {
    words[3] = INTERCEPT_WORD_PASS;
    EXPECT_EQ(libc_getppid(4), -11);
    EXPECT_EQ(libc_getppid(-1), -6);
    EXPECT_EQ(libc_getppid(INT32_MIN), -7 - long{INT32_MIN});
    EXPECT_EQ(libc_getppid(3), parent_);
    set_words(3);
    EXPECT_EQ(libc_getppid(3), -10);
}

TEST_F(Words, OnlyThirtyTwoBitsCountAsInTheKernel) {
    words[2] = INTERCEPT_WORD_PASS;
    EXPECT_EQ(libc_getppid(0x700000002), parent_);
}

TEST_F(Words, SuspensionsNestAndEndInAForkedChild) {
    words[2] = INTERCEPT_WORD_PASS;
    intercept_suspend_words();
    intercept_suspend_words();
    EXPECT_EQ(libc_getppid(2), -9);
    intercept_resume_words();
    EXPECT_EQ(libc_getppid(2), -9);
    set_words(std::size(words));
    EXPECT_EQ(libc_getppid(2), -9) << "new words do not end a suspension";
    intercept_resume_words();
    EXPECT_EQ(libc_getppid(2), parent_);
    intercept_suspend_words();
    intercept_suspend_words();
    intercept_end_suspensions();
    EXPECT_EQ(libc_getppid(2), parent_);
    intercept_end_suspensions();
    EXPECT_EQ(libc_getppid(3), -10);
}

// The first hook's calls go the short way as long as nobody else wants their number. (Levels 2 and 3 have hooks of
// their own, for a few numbers.)
TEST_F(Words, AnotherHookOfAnotherNumberIsNotInTheWay) {
    const uint8_t slot = static_cast<uint8_t>(1u << hook_id);
    EXPECT_EQ(intercept_lone_slots, slot);
    static int seen = 0;
    const long numbers[] = {SYS_getuid};
    intercept_hook registration{nullptr,
                                [](intercept_call *call) {
                                    seen++;
                                    call->result = 77;
                                    return static_cast<int>(INTERCEPT_HANDLED);
                                },
                                nullptr,
                                -1,
                                numbers,
                                1};
    const int second = intercept_add(&registration);
    ASSERT_GE(second, 0);
    EXPECT_EQ(intercept_lone_slots, slot);
    EXPECT_EQ(libc_getppid(2), -9);
    EXPECT_EQ(getuid(), 77u);
    EXPECT_EQ(site_flags(2, 2), 0b10001) << "an entry that keeps the flags";
    EXPECT_EQ(seen, 1);
    EXPECT_EQ(hooked, 2);
    ASSERT_EQ(intercept_set_calls(second, &getppid_number, 1), 0);
    EXPECT_EQ(libc_getppid(2), 77) << "now both want it, and the other one is first";
    EXPECT_EQ(hooked, 2);
    EXPECT_EQ(intercept_remove(second), 0);
    EXPECT_EQ(intercept_lone_slots, intercept::no_slots)
        << "who has looked at the table before must not meet another hook";
    EXPECT_EQ(libc_getppid(2), -9);
}

TEST_F(Words, AnotherHookOfTheNumberIsAskedFirst) {
    words[2] = INTERCEPT_WORD_PASS;
    static int seen = 0;
    intercept_hook registration{nullptr,
                                [](intercept_call *) {
                                    seen++;
                                    return static_cast<int>(INTERCEPT_PASS);
                                },
                                nullptr,
                                -1,
                                &getppid_number,
                                1};
    const int second = intercept_add(&registration);
    ASSERT_GE(second, 0);
    EXPECT_EQ(intercept_set_words(second, nullptr, 0, nullptr, 0), -EBUSY);
    EXPECT_EQ(libc_getppid(2), -9) << "the first hook's filter decides for it";
    EXPECT_EQ(seen, 1);
    EXPECT_EQ(intercept_remove(second), 0);
    EXPECT_EQ(libc_getppid(2), parent_);
    EXPECT_EQ(seen, 1);
}

TEST_F(Words, SitesWithLiveFlagsAskTheFilter) {
    words[2] = INTERCEPT_WORD_PASS;
    EXPECT_EQ(site_flags(2, 2), 0b10001) << "equal, even parity";
    EXPECT_EQ(filtered, 1);
    EXPECT_EQ(hooked, 1);
}

TEST_F(Words, BypassPassesWhatTheWordDoesNot) {
    intercept_bypass_enter();
    EXPECT_EQ(libc_getppid(1), parent_);
    intercept_bypass_leave();
    EXPECT_EQ(libc_getppid(1), -8);
}

// The short way back is only for what the hook has answered.
TEST_F(Words, TheHookPasses) {
    verdict = INTERCEPT_PASS;
    EXPECT_EQ(libc_getppid(1), parent_);
    EXPECT_EQ(hooked, 1);
    EXPECT_EQ(ended, 0);
    verdict = INTERCEPT_HANDLED;
    EXPECT_EQ(libc_getppid(1), -8);
}

TEST_F(Words, TheHookSeesTheEnd) {
    verdict = INTERCEPT_PASS_POST;
    EXPECT_EQ(libc_getppid(1), parent_);
    EXPECT_EQ(ended, 1);
    EXPECT_EQ(end_result, parent_);
}

TEST_F(Words, TheHookAsksForAnotherCall) {
    verdict = INTERCEPT_PASS_POST;
    other_number = SYS_getpid;
    EXPECT_EQ(libc_getppid(1), getpid());
    EXPECT_EQ(end_result, getpid());
}

// libc's look at the result stands behind the site, or is done by the stub.
TEST_F(Words, ErrorsAreToldFromResults) {
    EXPECT_EQ(lseek(1, 0, SEEK_CUR), 0);
    for (const long number : {1l, long{EBADF}, 4095l}) {
        error = -number;
        errno = 0;
        EXPECT_EQ(lseek(1, 0, SEEK_CUR), -1) << number;
        EXPECT_EQ(errno, number);
    }
    errno = 0;
    for (const long result : {-4096l, long{INT32_MIN}, 4096l, 1l}) {
        error = result;
        EXPECT_EQ(lseek(1, 0, SEEK_CUR), result);
        EXPECT_EQ(errno, 0);
    }
    EXPECT_EQ(hooked, 8);
    EXPECT_EQ(filtered, 0);
}

// Of newfstatat the path decides first, by its address: libc's fstat hands over a string of its own.
TEST_F(Words, OfNewfstatatThePathDecidesFirst) {
    constexpr long numbers[] = {SYS_getppid, SYS_lseek, SYS_newfstatat};
    const auto want = [&](unsigned count) {
        ASSERT_EQ(intercept_set_calls(hook_id, numbers, count), 0);
        ASSERT_EQ(intercept_set_words(hook_id, reinterpret_cast<uint64_t *>(words), std::size(words), numbers, count), 0);
    };
    struct stat status;
    want(3);
    words[2] = INTERCEPT_WORD_PASS;
    words[3] = INTERCEPT_WORD_PASS;
    // The hook answers with 7 more than the descriptor, as an errno. No path is named yet.
    const bool fstat_was_asked = fstat(2, &status) == -1 && errno == 9;
    const char *const empty = path_seen;
    const int named = intercept_set_word_path(hook_id, empty);
    hooked = 0;
    filtered = 0;
    const bool fstat_passed = fstat(2, &status) == 0 && hooked == 0;
    const bool other_was_served = fstat(1, &status) == -1 && errno == 8;
    const bool far_one_was_served = fstat(4, &status) == -1 && errno == 11;
    const char elsewhere[] = "";
    const bool stat_was_served = fstatat(2, elsewhere, &status, AT_EMPTY_PATH) == -1 && path_seen == elsewhere;
    const bool path_was_served = fstatat(2, "/", &status, 0) == -1 && errno == 9;
    const int asked = hooked;
    const int asked_filter = filtered;
    intercept_suspend_words();
    const bool suspended_was_served = fstat(2, &status) == -1 && errno == 9;
    intercept_resume_words();
    verdict = INTERCEPT_PASS_POST;
    const bool hook_may_pass = fstatat(2, "/", &status, 0) == 0 && S_ISDIR(status.st_mode) && ended == 1;
    const int unnamed = intercept_set_word_path(hook_id, nullptr);
    verdict = INTERCEPT_HANDLED;
    const bool fstat_is_asked_again = fstat(2, &status) == -1 && errno == 9;
    want(2); // gtest may look at files from here on
    EXPECT_TRUE(fstat_was_asked);
    EXPECT_EQ(std::string_view(empty), "");
    EXPECT_EQ(named, 0);
    EXPECT_TRUE(fstat_passed);
    EXPECT_TRUE(other_was_served);
    EXPECT_TRUE(far_one_was_served);
    EXPECT_TRUE(stat_was_served);
    EXPECT_TRUE(path_was_served);
    EXPECT_EQ(asked, 4);
    EXPECT_EQ(asked_filter, 2) << "the word tells of libc's path alone";
    EXPECT_TRUE(suspended_was_served);
    EXPECT_TRUE(hook_may_pass);
    EXPECT_EQ(unnamed, 0);
    EXPECT_TRUE(fstat_is_asked_again);
    EXPECT_EQ(intercept_set_word_path(hook_id + 1, ""), -EINVAL);
    EXPECT_EQ(intercept_set_word_path(-1, ""), -EINVAL);
}

TEST_F(Words, BadArguments) {
    auto *some = reinterpret_cast<uint64_t *>(words);
    long high = 1024;
    EXPECT_EQ(intercept_set_words(6, some, 1, &getppid_number, 1), -EINVAL);
    EXPECT_EQ(intercept_set_words(-1, some, 1, &getppid_number, 1), -EINVAL);
    EXPECT_EQ(intercept_set_words(hook_id, some, size_t{1} << 31, &getppid_number, 1), -EINVAL);
    EXPECT_EQ(intercept_set_words(hook_id, nullptr, 1, &getppid_number, 1), -EINVAL);
    EXPECT_EQ(intercept_set_words(hook_id, some, 1, &high, 1), -EINVAL);
    words[2] = INTERCEPT_WORD_PASS;
    EXPECT_EQ(libc_getppid(2), parent_) << "a refused call changes nothing";
}

} // namespace
