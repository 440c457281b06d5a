// Damages libpmemobj's part of a pool file, all that stands before the superblock: libpmemobj dies of it, and nobody
// else may. The pool attaches, by its path as any program does, and shows and takes the same as before; fsck's look at
// that part comes to an end and is right about what libpmemobj can open.
#include "libpmemfile/check/fsck.h"
#include "libpmemfile/fs/locate.h"
#include "libpmemfile/pool/container_check.h"
#include "tests/hostile/image.h"
#include "tests/hostile/tour.h"
#include "tests/tools/test_directory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fcntl.h>
#include <random>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hostile {

using namespace pmemfile;

namespace {

constexpr unsigned seconds_per_damage = 60;

// What a child tells by its exit code.
enum Outcome : int { whole, named, not_looked_at, not_attached, tree_changed, not_clean };

class PoolFile {
public:
    PoolFile() : path_(tests::test_directory() + "/pmemfile-container." + std::to_string(getpid())) {
        samples_ = make_samples();
        const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        const auto &bytes = samples_.clean;
        if (file < 0 || write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
            throw std::runtime_error("no pool file");
        void *mapped = mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (mapped == MAP_FAILED)
            throw std::bad_alloc();
        base_ = static_cast<std::byte *>(mapped);
    }
    ~PoolFile() {
        munmap(base_, samples_.clean.size());
        unlink(path_.c_str());
    }
    PoolFile(const PoolFile &) = delete;
    PoolFile &operator=(const PoolFile &) = delete;
    std::byte *base() {
        return base_;
    }
    PoolOffset superblock() const {
        return samples_.superblock;
    }
    // libpmemobj's part as it was.
    void mend() {
        std::memcpy(base_, samples_.clean.data(), samples_.superblock);
    }

    Outcome look() {
        const auto container = container_look(base_, samples_.clean.size(), samples_.superblock);
        return !container.ok() ? not_looked_at : container->is_damaged ? named : whole;
    }
    Outcome use(const std::string &expected_shape) {
        Pool pool;
        AttachOptions options;
        options.container_describe = container_describe;
        if (!pool_attach(pool, path_.c_str(), options, nullptr).ok())
            return not_attached;
        const std::string shape = shape_now(pool);
        pool_detach(pool);
        if (shape != expected_shape)
            return tree_changed;
        Persist persist(base_, samples_.clean.size(), Medium::volatile_memory);
        return fsck_pool(persist, samples_.superblock, false).check.problems.empty() ? whole : not_clean;
    }
    std::string shape() {
        Pool pool;
        AttachOptions options;
        options.container_describe = container_describe;
        if (!pool_attach(pool, path_.c_str(), options, nullptr).ok())
            return {};
        const std::string shape = shape_now(pool);
        pool_detach(pool);
        return shape;
    }

private:
    static std::string shape_now(Pool &pool) {
        auto thread = std::make_unique<Thread>();
        const Credentials root;
        thread->credentials = &root;
        if (!thread_register(*thread, pool).ok())
            return {};
        const std::string shape = shape_of(tour_read(*thread));
        thread_release(*thread);
        return shape;
    }
    std::string path_;
    Samples samples_;
    std::byte *base_ = nullptr;
};

// In a child, so that a crash is a finding and not the end. -1 and below: it was ended by that signal.
int outcome_of(PoolFile &pool, const std::string &shape) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(seconds_per_damage);
        const Outcome used = pool.use(shape);
        _exit(used != whole ? used : pool.look());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(ContainerDamage, KillsNobodyAndIsNamed) {
    const char *effort = std::getenv("PMEMFILE_HOSTILE_EFFORT");
    const unsigned count = effort != nullptr && std::string_view(effort) == "thorough" ? 400 : 40;
    PoolFile pool;
    const std::string shape = pool.shape();
    ASSERT_FALSE(shape.empty());
    ASSERT_EQ(outcome_of(pool, shape), whole);

    std::mt19937_64 random(20261128);
    unsigned found = 0;
    for (unsigned i = 0; i < count; ++i) {
        const uint64_t page = random() % (pool.superblock() / block_size_bytes) * block_size_bytes;
        const bool whole_page = i % 2 == 0;
        if (whole_page)
            for (uint64_t at = 0; at < block_size_bytes; ++at)
                pool.base()[page + at] = static_cast<std::byte>(random());
        else
            pool.base()[page + random() % block_size_bytes] ^= std::byte{2};
        const int outcome = outcome_of(pool, shape);
        EXPECT_TRUE(outcome == whole || outcome == named)
            << (whole_page ? "random page" : "flipped bit in page") << " at " << page << ": " << outcome;
        found += outcome == named;
        pool.mend();
    }
    std::printf("%u of %u named by fsck\n", found, count);
    EXPECT_GT(found, count / 10); // the damage is real
    EXPECT_EQ(outcome_of(pool, shape), whole);
}

// What libpmemobj's tools would find first.
TEST(ContainerDamage, SignatureLayoutAndRoot) {
    PoolFile pool;
    const std::string shape = pool.shape();
    for (const uint64_t at : {uint64_t{0}, uint64_t{4096}, uint64_t{2930639}}) {
        pool.base()[at] ^= std::byte{2};
        EXPECT_EQ(outcome_of(pool, shape), named) << at;
        pool.mend();
    }
}

} // namespace

} // namespace hostile
