// Clones where there is no kernel's filesystem to compare with: a full pool, mappings of files that share, growth.
#include "libpmemfile/fs/mkfs.h"
#include "libpmemfile/include/pmemfile.hpp"
#include "tests/tools/closed_pool.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

using pmemfile::cpp::File;
using pmemfile::cpp::Pool;

constexpr size_t page = 4096;
constexpr size_t mib = size_t{1} << 20;

class Clones : public testing::Test {
protected:
    void SetUp() override {
        make({});
    }
    void TearDown() override {
        pool_.close();
        tests::expect_clean(path_);
        ::unlink(path_.c_str());
    }
    void make(pmemfile::MkfsOptions options) {
        options.size_bytes = 16 * mib;
        options.replace = true;
        pmemfile::ContainerMessage message;
        ASSERT_TRUE(pmemfile::mkfs(path_.c_str(), options, &message).ok()) << message.text;
        auto opened = Pool::open(path_.c_str());
        ASSERT_TRUE(opened.ok()) << pmemfile_errormsg();
        pool_ = std::move(*opened);
    }
    File open(const char *name) {
        auto file = pool_.open(name, O_CREAT | O_RDWR);
        EXPECT_TRUE(file.ok());
        return std::move(*file);
    }
    File filled(const char *name, size_t pages, char with) {
        File file = open(name);
        const std::vector<std::byte> bytes(pages * page, std::byte(with));
        EXPECT_EQ(*file.write_at(bytes, 0), bytes.size());
        return file;
    }
    int clone(File &from, File &to) {
        return pmemfile_clone_file_range(pool_.get(), from.get(), 0, to.get(), 0, 0) == 0 ? 0 : errno;
    }
    // The byte of each page's start.
    static std::string seen(File &file, size_t pages) {
        std::string text;
        for (size_t i = 0; i < pages; i++) {
            std::byte byte[1] = {};
            EXPECT_EQ(*file.read_at(byte, static_cast<pmemfile_off_t>(i * page)), 1u);
            text += static_cast<char>(byte[0]);
        }
        return text;
    }
    uint64_t free_blocks() {
        pmemfile_statfs_t counts = {};
        EXPECT_EQ(pmemfile_statfs(pool_.get(), &counts), 0);
        return counts.f_bfree;
    }
    const std::string path_ = "/dev/shm/pmemfile-clones." + std::to_string(getpid());
    Pool pool_;
};

TEST_F(Clones, UnshareRangeGivesBlocksOfItsOwn) {
    File a = filled("/a", 8, 'a'), b = open("/b");
    ASSERT_EQ(clone(a, b), 0);
    const auto unshare = [&](int mode, size_t first, size_t pages) {
        return pmemfile_fallocate(pool_.get(), b.get(), PMEMFILE_FALLOC_FL_UNSHARE_RANGE | mode,
                                  static_cast<pmemfile_off_t>(first * page), static_cast<pmemfile_off_t>(pages * page));
    };
    const uint64_t before = free_blocks();
    EXPECT_EQ(unshare(0, 2, 3), 0);
    EXPECT_EQ(free_blocks(), before - 3);
    EXPECT_EQ(unshare(0, 2, 3), 0);
    EXPECT_EQ(free_blocks(), before - 3) << "they are its own";
    EXPECT_EQ(unshare(PMEMFILE_FALLOC_FL_KEEP_SIZE, 0, 10), 0); // two behind the end
    EXPECT_EQ(free_blocks(), before - 10);
    EXPECT_EQ(b.stat()->st_size, static_cast<off_t>(8 * page));
    EXPECT_EQ(unshare(0, 0, 9), 0);
    EXPECT_EQ(b.stat()->st_size, static_cast<off_t>(9 * page));
    EXPECT_EQ(seen(b, 9), "aaaaaaaa" + std::string(1, 0));
    EXPECT_EQ(unshare(PMEMFILE_FALLOC_FL_ZERO_RANGE, 0, 1), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    const std::vector<std::byte> change(8 * page, std::byte{'c'});
    ASSERT_TRUE(a.write_at(change, 0).ok());
    EXPECT_EQ(seen(b, 8), "aaaaaaaa");
}

TEST_F(Clones, TakesTheTargetsCapabilities) {
    File a = filled("/a", 1, 'a'), b = open("/b");
    const std::string capability("\0\0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    for (File *file : {&a, &b})
        ASSERT_TRUE(file->set_xattr("security.capability", capability).ok());
    EXPECT_EQ(clone(a, b), 0);
    EXPECT_EQ(b.xattr("security.capability").error().number(), ENODATA);
    EXPECT_TRUE(a.xattr("security.capability").ok());
}

TEST_F(Clones, AFullPoolHasNoRoomForAChange) {
    File a = filled("/a", 8, 'a'), b = open("/b");
    ASSERT_EQ(clone(a, b), 0);
    File filler = open("/filler");
    const std::vector<std::byte> bytes(page, std::byte{'f'});
    for (pmemfile_off_t at = 0; filler.write_at(bytes, at).ok();)
        at += page;
    EXPECT_EQ(free_blocks(), 0u);
    const std::vector<std::byte> change(page, std::byte{'c'});
    EXPECT_EQ(b.write_at(change, page).error().number(), ENOSPC);
    EXPECT_EQ(b.write_at(std::span(change).first(10), page).error().number(), ENOSPC);
    EXPECT_EQ(seen(a, 8), "aaaaaaaa");
    EXPECT_EQ(seen(b, 8), "aaaaaaaa");
    EXPECT_TRUE(pool_.unlink("/a").ok()) << "removing works, and gives no room while b has the blocks";
    a.close();
    EXPECT_EQ(seen(b, 8), "aaaaaaaa");
    EXPECT_TRUE(filler.truncate(0).ok());
    EXPECT_EQ(*b.write_at(change, page), page);
    EXPECT_EQ(seen(b, 8), "acaaaaaa");
}

TEST_F(Clones, ASharedMappingStoresIntoItsOwnFile) {
    File a = filled("/a", 8, 'a'), b = open("/b");
    ASSERT_EQ(clone(a, b), 0);
    auto mapping = b.map(8 * page, PROT_READ | PROT_WRITE);
    ASSERT_TRUE(mapping.ok());
    mapping->bytes()[3 * page] = std::byte{'m'};
    EXPECT_EQ(seen(a, 8), "aaaaaaaa");
    EXPECT_EQ(seen(b, 8), "aaamaaaa");
    const std::vector<std::byte> change(page, std::byte{'c'});
    EXPECT_EQ(*a.write_at(change, 5 * page), page);
    EXPECT_EQ(mapping->bytes()[5 * page], std::byte{'a'});
    EXPECT_EQ(clone(b, a), 0) << "of a file that is mapped: copied";
    mapping->bytes()[6 * page] = std::byte{'n'};
    EXPECT_EQ(seen(a, 8), "aaamaaaa");
    EXPECT_EQ(seen(b, 8), "aaamaana");
}

TEST_F(Clones, APrivateMappingShowsNobodyElsesChange) {
    File a = filled("/a", 8, 'a'), b = open("/b");
    ASSERT_EQ(clone(a, b), 0);
    auto mapping = b.map(8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    ASSERT_TRUE(mapping.ok());
    for (const size_t size : {page, size_t{10}}) {
        const std::vector<std::byte> change(size, std::byte{'c'});
        EXPECT_EQ(*a.write_at(change, size == page ? page : 2 * page), size);
    }
    EXPECT_TRUE(a.truncate(4 * page + 7).ok());
    for (size_t i = 0; i < 8; i++)
        EXPECT_EQ(mapping->bytes()[i * page + 100], std::byte{'a'}) << i;
    EXPECT_EQ(seen(b, 8), "aaaaaaaa");
}

TEST_F(Clones, AnUnnamedFileTakesOne) {
    File a = filled("/a", 8, 'a');
    PMEMfile *const unnamed = pmemfile_open(pool_.get(), "/", O_TMPFILE | O_RDWR, 0600);
    ASSERT_NE(unnamed, nullptr);
    File b(pool_.get(), unnamed);
    const uint64_t before = free_blocks();
    EXPECT_EQ(clone(a, b), 0);
    EXPECT_GE(free_blocks() + 2, before) << "shared";
    EXPECT_TRUE(pool_.unlink("/a").ok());
    a.close();
    EXPECT_EQ(seen(b, 8), "aaaaaaaa");
}

TEST_F(Clones, APoolOfBeforeHasNone) {
    pool_.close();
    pmemfile::MkfsOptions options;
    options.share_counts = false;
    make(options);
    File a = filled("/a", 8, 'a'), b = open("/b");
    EXPECT_EQ(clone(a, b), EOPNOTSUPP);
    pmemfile_off_t from = 0, to = 0;
    EXPECT_EQ(pmemfile_copy_file_range(pool_.get(), a.get(), &from, b.get(), &to, 8 * page, 0),
              static_cast<ssize_t>(8 * page));
    EXPECT_EQ(seen(b, 8), "aaaaaaaa");
}

TEST_F(Clones, NewGroupsHaveCountsToo) {
    pool_.close();
    pmemfile::MkfsOptions options;
    options.max_size_bytes = 64 * mib;
    make(options);
    ASSERT_EQ(pmemfile_pool_grow(pool_.get(), 64 * mib), 0);
    File a = filled("/a", 8192, 'a'), b = open("/b"); // 32 MiB: into the new groups
    ASSERT_EQ(clone(a, b), 0);
    const std::vector<std::byte> change(page, std::byte{'c'});
    EXPECT_EQ(*b.write_at(change, 8000 * page), page);
    EXPECT_TRUE(a.truncate(0).ok());
    EXPECT_EQ(seen(b, 8), "aaaaaaaa");
}

} // namespace
