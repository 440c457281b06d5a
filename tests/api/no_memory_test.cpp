// Calls of the C API for which there is no memory: each allocation fails once, and each mapping. The call says
// ENOMEM, has had no effect, and succeeds when there is memory again. Each case ends with the checker.
#include "libpmemfile/include/libpmemfile-posix.h"
#include "tests/tools/closed_pool.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>

namespace {

// How many allocations this thread gets before the next ones fail; below 0: any number.
thread_local long allocations_left = -1;
thread_local bool has_failed = false;

bool is_given() {
    if (allocations_left < 0)
        return true;
    if (allocations_left > 0) {
        --allocations_left;
        return true;
    }
    has_failed = true;
    errno = ENOMEM;
    return false;
}

} // namespace

// The C library's, under the names by which it keeps them for such as us.
extern "C" void *__libc_malloc(size_t);
extern "C" void *__libc_memalign(size_t, size_t);
extern "C" void *malloc(size_t size) {
    return is_given() ? __libc_malloc(size) : nullptr;
}
extern "C" void *aligned_alloc(size_t alignment, size_t size) {
    return is_given() ? __libc_memalign(alignment, size) : nullptr;
}

namespace {

constexpr size_t pool_bytes = 32u << 20;

class NoMemory : public testing::Test {
protected:
    void SetUp() override {
        path_ = "/dev/shm/pmemfile-no-memory." + std::to_string(getpid());
        ::unlink(path_.c_str());
        pool_ = pmemfile_pool_create(path_.c_str(), pool_bytes, 0600);
        ASSERT_NE(pool_, nullptr) << pmemfile_errormsg();
        ASSERT_EQ(pmemfile_mkdir(pool_, "/directory", 0755), 0);
        ASSERT_EQ(pmemfile_symlink(pool_, "directory/below", "/link"), 0);
        directory_ = pmemfile_open(pool_, "/directory", O_RDONLY | O_DIRECTORY);
        file_ = pmemfile_open(pool_, "/file", O_CREAT | O_RDWR, 0644);
        ASSERT_EQ(pmemfile_write(pool_, file_, "text", 4), 4);
    }
    void TearDown() override {
        pmemfile_pool_close(pool_);
        tests::expect_clean(path_);
        ::unlink(path_.c_str());
    }
    // `call` is true when it succeeded. It fails with its first, second, ... allocation until it needs no more. (Making
    // a pool takes 30,000, nearly all of them in what libpmemobj asks of its devices: there not each.)
    static constexpr long each_of_first = 100;
    void starve(const char *what, const std::function<bool()> &call, long least_allocations = 1) {
        for (long given = 0;; given += given < each_of_first ? 1 : given / 4) {
            ASSERT_LT(given, 1'000'000) << what;
            has_failed = false;
            allocations_left = given;
            const bool succeeded = call();
            const int number = errno;
            allocations_left = -1;
            if (!has_failed) {
                EXPECT_TRUE(succeeded) << what << ": " << strerror(number);
                EXPECT_GE(given, least_allocations) << what << ": nothing was tried";
                return;
            }
            EXPECT_FALSE(succeeded) << what << " with " << given << " allocations";
            EXPECT_EQ(number, ENOMEM) << what << " with " << given << " allocations";
        }
    }
    bool is_missing(const char *path) {
        pmemfile_stat_t status;
        return pmemfile_lstat(pool_, path, &status) == -1;
    }

    std::string path_;
    PMEMfilepool *pool_ = nullptr;
    PMEMfile *directory_ = nullptr;
    PMEMfile *file_ = nullptr;
};

TEST_F(NoMemory, FilesAreNotMadeThatCannotBeOpened) {
    starve("open", [&] {
        PMEMfile *made = pmemfile_open(pool_, "/new", O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (made == nullptr) {
            const int number = errno;
            EXPECT_TRUE(is_missing("/new"));
            errno = number;
            return false;
        }
        pmemfile_close(pool_, made);
        return true;
    });
    starve("openat with O_TRUNC", [&] {
        PMEMfile *opened = pmemfile_openat(pool_, PMEMFILE_AT_CWD, "/file", O_TRUNC | O_RDWR);
        if (opened == nullptr) {
            const int number = errno;
            pmemfile_stat_t status;
            EXPECT_EQ(pmemfile_stat(pool_, "/file", &status), 0);
            EXPECT_EQ(status.st_size, 4) << "truncated by a call that failed";
            errno = number;
            return false;
        }
        pmemfile_close(pool_, opened);
        return true;
    });
    starve("open_root", [&] {
        PMEMfile *root = pmemfile_open_root(pool_, 1, 0);
        return root != nullptr && (pmemfile_close(pool_, root), true);
    });
    starve("open_parent", [&] {
        char path[PMEMFILE_PATH_MAX] = "/link";
        PMEMfile *parent =
            pmemfile_open_parent(pool_, PMEMFILE_AT_CWD, path, sizeof(path), PMEMFILE_OPEN_PARENT_SYMLINK_FOLLOW);
        if (parent == nullptr)
            return false;
        EXPECT_STREQ(path, "below");
        pmemfile_close(pool_, parent);
        return true;
    });
}

TEST_F(NoMemory, Directories) {
    starve("chdir", [&] {
        const bool done = pmemfile_chdir(pool_, "/directory") == 0;
        char now[64];
        const int number = errno;
        EXPECT_STREQ(pmemfile_getcwd(pool_, now, sizeof(now)), done ? "/directory" : "/");
        errno = number;
        return done;
    });
    starve("getcwd", [&] {
        char *path = pmemfile_getcwd(pool_, nullptr, 0);
        const bool done = path != nullptr;
        free(path);
        return done;
    });
    starve("getdents", [&] {
        alignas(8) char entries[512];
        pmemfile_lseek(pool_, directory_, 0, SEEK_SET);
        return pmemfile_getdents(pool_, directory_, reinterpret_cast<struct linux_dirent *>(entries), sizeof(entries)) >
               0;
    });
}

TEST_F(NoMemory, Transactions) {
    starve("tx_begin", [&] {
        if (pmemfile_tx_begin(pool_) != 0)
            return false;
        EXPECT_EQ(pmemfile_pwrite(pool_, file_, "more", 4, 0), 4);
        return pmemfile_tx_commit(pool_) == 0;
    });
}

TEST_F(NoMemory, ANewThreadsFirstCall) {
    std::thread([&] {
        starve("stat", [&] {
            pmemfile_stat_t status;
            return pmemfile_stat(pool_, "/file", &status) == 0;
        });
    }).join();
}

TEST_F(NoMemory, APoolIsOpenedLater) {
    pmemfile_pool_close(pool_);
    starve("pool_open", [&] {
        pool_ = pmemfile_pool_open(path_.c_str());
        return pool_ != nullptr && pmemfile_mkdir(pool_, "/made", 0755) == 0;
    });
}

TEST_F(NoMemory, APoolIsMadeWholeOrNotAtAll) {
    const std::filesystem::path directory = path_ + ".made";
    std::filesystem::create_directory(directory);
    const std::string path = directory / "pool";
    starve("pool_create", [&] {
        PMEMfilepool *made = pmemfile_pool_create(path.c_str(), pool_bytes, 0600);
        const int number = errno;
        if (made != nullptr) {
            pmemfile_pool_close(made);
            tests::expect_clean(path);
            return true;
        }
        allocations_left = -1;
        // The filesystem was whole, perhaps, and there was no memory to open it.
        if (::access(path.c_str(), F_OK) == 0)
            tests::expect_clean(path);
        ::unlink(path.c_str());
        EXPECT_TRUE(std::filesystem::is_empty(directory)) << *std::filesystem::directory_iterator(directory);
        errno = number;
        return false;
    });
    std::filesystem::remove_all(directory);
}

// Address space runs out: some more is given each time until `call` gets what it maps. Each time in a process of
// its own, which does `prepare` (the pool does not survive a fork) while there is room.
void narrow(const char *what, size_t least_bytes, const std::function<void()> &prepare,
            const std::function<bool()> &call) {
    for (size_t given = 0;; given += given / 4 + (64u << 10)) {
        ASSERT_LT(given, size_t{1} << 30) << what;
        const pid_t child = fork();
        if (child == 0) {
            prepare();
            size_t pages = 0;
            FILE *size = fopen("/proc/self/statm", "re");
            if (size == nullptr || fscanf(size, "%zu", &pages) != 1)
                _exit(10);
            fclose(size);
            rlimit limit = {pages * 4096 + given, RLIM_INFINITY};
            if (setrlimit(RLIMIT_AS, &limit) != 0)
                _exit(11);
            const bool succeeded = call();
            const int number = errno;
            limit.rlim_cur = RLIM_INFINITY;
            setrlimit(RLIMIT_AS, &limit);
            if (succeeded)
                _exit(0);
            if (number != ENOMEM)
                _exit(100 + number % 100);
            _exit(call() ? 1 : 12); // with room it works after all
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status)) << what << " with " << given << " bytes: signal " << WTERMSIG(status);
        if (WEXITSTATUS(status) == 0) {
            EXPECT_GE(given, least_bytes) << what << ": nothing was tried";
            return;
        }
        ASSERT_EQ(WEXITSTATUS(status), 1) << what << " with " << given << " bytes of address space";
    }
}

TEST_F(NoMemory, AddressSpaceRunsOut) {
    constexpr size_t file_bytes = 4u << 20;
    ASSERT_EQ(pmemfile_ftruncate(pool_, file_, file_bytes), 0);
    pmemfile_pool_close(std::exchange(pool_, nullptr));
    const auto open = [&] {
        pool_ = pmemfile_pool_open(path_.c_str());
        return pool_ != nullptr;
    };
    const auto open_file = [&] {
        if (!open() || (file_ = pmemfile_open(pool_, "/file", O_RDWR)) == nullptr)
            _exit(13);
    };
    narrow(
        "pool_open", pool_bytes, [] {}, open);
    // Somebody was killed, with calls that recovery makes anew: it takes memory for that.
    const auto leave_records = [&] {
        const pid_t child = fork();
        if (child == 0) {
            if (!open())
                _exit(1);
            for (int i = 0; i < 50; i++)
                if (pmemfile_symlink(pool_, std::string(1000, 't').c_str(), ("/l" + std::to_string(i)).c_str()) != 0 ||
                    pmemfile_unlink(pool_, ("/l" + std::to_string(i)).c_str()) != 0)
                    _exit(2);
            kill(getpid(), SIGKILL);
        }
        int status = 0;
        if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
            _exit(16);
    };
    narrow("pool_open with recovery", pool_bytes, leave_records, open);
    narrow("tx_begin", pool_bytes, open_file,
           [&] { return pmemfile_tx_begin(pool_) == 0 && pmemfile_tx_abort(pool_) == 0; });
    narrow("mmap", file_bytes, open_file, [&] {
        void *at = pmemfile_mmap(pool_, nullptr, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
        return at != MAP_FAILED && pmemfile_munmap(pool_, at, file_bytes) == 0;
    });
    void *mapped = nullptr;
    const auto map_file = [&] {
        open_file();
        mapped = pmemfile_mmap(pool_, nullptr, file_bytes / 2, PROT_READ, MAP_SHARED, file_, 0);
        if (mapped == MAP_FAILED)
            _exit(14);
    };
    narrow("mremap", file_bytes / 2, map_file, [&] {
        void *at = pmemfile_mremap(pool_, mapped, file_bytes / 2, file_bytes, MREMAP_MAYMOVE);
        return at != MAP_FAILED && pmemfile_munmap(pool_, at, file_bytes) == 0;
    });
    // The names are collected in memory of the kernel's, a few pages.
    narrow("stats", 1, open_file, [&] {
        struct pmemfile_stats counts;
        errno = 0;
        pmemfile_stats(pool_, &counts);
        if (counts.inodes != 0 && counts.inodes != 7) // four roots, and what SetUp has made
            _exit(17);
        return counts.inodes != 0;
    });
    // More holes than can be noted without memory.
    const auto make_holes = [&] {
        open_file();
        if (pmemfile_ftruncate(pool_, file_, 0) != 0) // the mappings have filled it
            _exit(15);
        for (int64_t at = 0; at < 40 * 8192; at += 8192)
            if (pmemfile_pwrite(pool_, file_, "text", 4, at) != 4)
                _exit(15);
    };
    narrow("fallocate", 1, make_holes, [&] { return pmemfile_fallocate(pool_, file_, 0, 0, 80 * 4096) == 0; });
}

} // namespace
