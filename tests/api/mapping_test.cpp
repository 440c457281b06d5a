// Mappings, beside what the POSIX suite compares with the kernel's: pools that close, transactions, other processes.
#include "libpmemfile/include/pmemfile.hpp"
#include "tests/tools/closed_pool.h"

#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <span>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <vector>

namespace {

using pmemfile::cpp::File;
using pmemfile::cpp::Mapping;
using pmemfile::cpp::Pool;

constexpr size_t page = 4096;
constexpr int both = PROT_READ | PROT_WRITE;

volatile sig_atomic_t faults_seen = 0;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

void handle_fault(int, siginfo_t *info, void *) {
    faults_seen = faults_seen + 1;
    if (pmemfile_mapping_fault(info->si_addr) == 0)
        _exit(9);
}

class ApiMapping : public testing::Test {
protected:
    void SetUp() override {
        auto made = Pool::create(path_.c_str(), 16u << 20);
        ASSERT_TRUE(made.ok()) << pmemfile_errormsg();
        pool_ = std::move(*made);
        auto file = pool_.open("/f", O_CREAT | O_RDWR);
        ASSERT_TRUE(file.ok());
        file_ = std::move(*file);
        ASSERT_TRUE(file_.truncate(4 * page).ok());
    }
    void TearDown() override {
        file_.close();
        pool_.close();
        tests::expect_clean(path_);
        ::unlink(path_.c_str());
    }
    // `work` in a process that nobody shares the pool with and that is killed then: the next attach recovers.
    template <typename Work> void in_the_last_process(Work work) {
        file_.close();
        pool_.close();
        const pid_t child = fork();
        if (child == 0) {
            auto pool = Pool::open(path_.c_str());
            if (pool.ok() && work(*pool))
                raise(SIGKILL);
            _exit(1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status)) << "its work failed";
        auto again = Pool::open(path_.c_str());
        ASSERT_TRUE(again.ok()) << pmemfile_errormsg();
        pool_ = std::move(*again);
    }
    std::string content(const char *name) {
        auto file = pool_.open(name, O_RDONLY);
        std::string bytes(8 * page, '?');
        const auto size = file.ok() ? file->read_at(std::as_writable_bytes(std::span(bytes)), 0) : 0;
        bytes.resize(size.ok() ? *size : 0);
        return bytes;
    }
    const std::string path_ = "/dev/shm/pmemfile-api-mapping." + std::to_string(getpid());
    Pool pool_;
    File file_;
};

TEST_F(ApiMapping, TheWrapperOwnsIt) {
    auto made = file_.map(4 * page, both);
    ASSERT_TRUE(made.ok());
    Mapping mapping = std::move(*made);
    file_.close();
    mapping.bytes()[page] = std::byte{'w'};
    EXPECT_TRUE(mapping.sync(mapping.bytes().subspan(page, 1)).ok());
    EXPECT_TRUE(mapping.resize(8 * page).ok());
    EXPECT_EQ(mapping.bytes().size(), 8 * page);
    EXPECT_EQ(mapping.bytes()[page], std::byte{'w'});
    auto again = pool_.open("/f", O_RDWR);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->map(page, both, MAP_SHARED, 1).error().number(), EINVAL);
    std::byte seen[1];
    EXPECT_EQ(*again->read_at(seen, page), 1u);
    EXPECT_EQ(seen[0], std::byte{'w'});
}

TEST_F(ApiMapping, ClosingThePoolUnmaps) {
    auto other = Pool::create((path_ + ".other").c_str(), 16u << 20);
    ASSERT_TRUE(other.ok());
    auto others_file = other->open("/g", O_CREAT | O_RDWR);
    ASSERT_TRUE(others_file.ok() && others_file->truncate(page).ok());
    void *const at = pmemfile_mmap(other->get(), nullptr, page, both, MAP_SHARED, others_file->get(), 0);
    ASSERT_NE(at, MAP_FAILED);
    auto stays = file_.map(page, both);
    ASSERT_TRUE(stays.ok());
    stays->bytes()[0] = std::byte{'s'};
    others_file->close();
    other->close();
    EXPECT_EQ(::msync(at, page, MS_ASYNC), -1) << "nothing is mapped there";
    EXPECT_EQ(stays->bytes()[0], std::byte{'s'});
    tests::expect_clean(path_ + ".other");
    ::unlink((path_ + ".other").c_str());
}

TEST_F(ApiMapping, SuspendWaitsForTheEnd) {
    auto mapping = file_.map(page, both);
    ASSERT_TRUE(mapping.ok());
    EXPECT_EQ(pmemfile_pool_suspend(pool_.get()), -1);
    EXPECT_EQ(errno, EBUSY);
    mapping->unmap();
    EXPECT_EQ(pmemfile_pool_suspend(pool_.get()), 0);
    EXPECT_EQ(pmemfile_pool_resume(pool_.get(), path_.c_str()), 0);
}

TEST_F(ApiMapping, NotInATransaction) {
    auto mapping = file_.map(page, both);
    ASSERT_TRUE(mapping.ok());
    ASSERT_EQ(pmemfile_tx_begin(pool_.get()), 0);
    EXPECT_EQ(file_.map(page, both).error().number(), EBUSY);
    EXPECT_EQ(mapping->sync().error().number(), EBUSY);
    EXPECT_EQ(mapping->resize(2 * page).error().number(), EBUSY);
    mapping->unmap(); // has no part in it
    EXPECT_EQ(pmemfile_tx_abort(pool_.get()), 0);
}

TEST_F(ApiMapping, AHoleOfATransactionIsThereThoughItIsMappedPrivate) {
    ASSERT_TRUE(file_.write_at(std::vector<std::byte>(page, std::byte{'o'}), 0).ok());
    auto mapping = file_.map(page, both, MAP_PRIVATE);
    ASSERT_TRUE(mapping.ok());
    ASSERT_EQ(pmemfile_tx_begin(pool_.get()), 0);
    EXPECT_TRUE(file_.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page).ok());
    ASSERT_EQ(pmemfile_tx_commit(pool_.get()), 0);
    EXPECT_EQ(content("/f").substr(0, page), std::string(page, '\0'));
}

TEST_F(ApiMapping, APrivateCopyOfAPoolIsInNoFile) {
    std::byte text[1] = {std::byte{'t'}};
    ASSERT_TRUE(file_.write_at(text, 0).ok());
    file_.close();
    pool_.close();
    ASSERT_EQ(::chmod(path_.c_str(), 0444), 0);
    const pid_t child = fork(); // root may read and write everything: somebody else
    if (child == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        PMEMfilepool *const pool = pmemfile_pool_open_read_only(path_.c_str());
        PMEMfile *const file = pool != nullptr ? pmemfile_open(pool, "/f", O_RDONLY) : nullptr;
        if (file == nullptr)
            _exit(3);
        const bool refused =
            pmemfile_mmap(pool, nullptr, page, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED && errno == ENODEV;
        pmemfile_pool_close(pool);
        _exit(refused ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
}

// They cannot be filled there.
TEST_F(ApiMapping, HolesOfAFileThatMayOnlyBeReadAreZeros) {
    ASSERT_TRUE(file_.write_at(bytes_of("there"), 2 * page).ok());
    file_.close();
    pool_.close();
    const auto look = [&] {
        PMEMfilepool *const pool = pmemfile_pool_open_read_only(path_.c_str());
        PMEMfile *const file = pool != nullptr ? pmemfile_open(pool, "/f", O_RDONLY) : nullptr;
        void *const at = file != nullptr ? pmemfile_mmap(pool, nullptr, 4 * page, PROT_READ, MAP_SHARED, file, 0)
                                         : MAP_FAILED;
        if (at == MAP_FAILED)
            _exit(2);
        const auto *const bytes = static_cast<const volatile char *>(at);
        const bool is_right = bytes[0] == 0 && bytes[page] == 0 && bytes[2 * page] == 't' && bytes[3 * page] == 0;
        pmemfile_pool_close(pool);
        _exit(is_right ? 0 : 1);
    };
    EXPECT_EXIT(look(), testing::ExitedWithCode(0), "");
}

// What the journal has of the file must not come back over them.
TEST_F(ApiMapping, RecoveryKeepsStoresToAFileThatWasSmall) {
    in_the_last_process([](Pool &pool) {
        auto file = pool.open("/small", O_CREAT | O_RDWR);
        if (!file.ok() || !file->write(bytes_of("before")).ok())
            return false;
        auto mapping = file->map(page, both);
        if (!mapping.ok())
            return false;
        std::memcpy(mapping->bytes().data(), "stored", 6);
        return mapping->sync(mapping->bytes()).ok();
    });
    EXPECT_EQ(content("/small"), "stored");
}

TEST_F(ApiMapping, RecoveryKeepsAHoleMadeUnderAPrivateMapping) {
    for (const int mode : {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE}) {
        in_the_last_process([mode](Pool &pool) {
            auto file = pool.open("/f", O_RDWR);
            if (!file.ok() || !file->write_at(std::vector<std::byte>(3 * page, std::byte{'o'}), 0).ok())
                return false;
            auto mapping = file->map(3 * page, both, MAP_PRIVATE);
            return mapping.ok() && file->write_at(bytes_of("small"), page + 100).ok() &&
                   file->allocate(mode, 100, 2 * page).ok();
        });
        std::string expected = std::string(100, 'o') + std::string(2 * page, '\0') + std::string(page - 100, 'o');
        EXPECT_EQ(content("/f").substr(0, 3 * page), expected) << mode;
    }
}

// Another process appends; a reader here touches the new page.
TEST_F(ApiMapping, AFaultShowsWhatAnotherProcessHasAdded) {
    auto mapping = file_.map(8 * page, PROT_READ);
    ASSERT_TRUE(mapping.ok());
    const pid_t child = fork();
    if (child == 0) {
        auto own = Pool::open(path_.c_str());
        if (!own.ok())
            _exit(2);
        auto file = own->open("/f", O_RDWR);
        std::byte text[1] = {std::byte{'a'}};
        const bool done = file.ok() && file->write_at(text, 5 * page).ok();
        file->close();
        own->close();
        _exit(done ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
    struct sigaction action = {}, former = {};
    action.sa_sigaction = handle_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, &former);
    EXPECT_EQ(mapping->bytes()[5 * page], std::byte{'a'});
    EXPECT_EQ(faults_seen, 1);
    sigaction(SIGBUS, &former, nullptr);
    EXPECT_EQ(pmemfile_mapping_fault(mapping->bytes().data() + 7 * page), 0) << "still behind the end";
    EXPECT_EQ(pmemfile_mapping_fault(this), 0);
}

TEST_F(ApiMapping, ThreadsMapAndUnmap) {
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 4; number++)
        threads.emplace_back([this, number] {
            for (unsigned round = 0; round < 200; round++) {
                auto mapping = file_.map(4 * page, both);
                ASSERT_TRUE(mapping.ok());
                auto *const word = reinterpret_cast<unsigned *>(mapping->bytes().data() + number * page);
                ASSERT_EQ(*word, round);
                *word = round + 1;
            }
        });
    for (std::thread &thread : threads)
        thread.join();
}

} // namespace
