// What is freed while a file is mapped (hazard 6): used again at once, unless that mapping may show it; then not before it
// is gone. Filling the pool shows both: how much room there is, and what a mapping shows when it is all somebody else's.
#include "tests/tools/own_pool.h"

#include <csignal>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <vector>

namespace {

using pmemfile::cpp::File;
using pmemfile::cpp::Mapping;
using pmemfile::cpp::Pool;

constexpr size_t page = 4096;
constexpr size_t pages = 64;
constexpr int both = PROT_READ | PROT_WRITE;

class Quarantine : public tests::OwnPool {
protected:
    Quarantine() : OwnPool("quarantine", 32u << 20) {}
    File filled(const char *name, char letter) {
        auto file = pool_.open(name, O_CREAT | O_RDWR);
        EXPECT_TRUE(file.ok());
        EXPECT_TRUE(file->write_at(std::vector<std::byte>(pages * page, std::byte(letter)), 0).ok());
        return std::move(*file);
    }
    Mapping mapped(File &file, int flags) {
        auto mapping = file.map(pages * page, both, flags);
        EXPECT_TRUE(mapping.ok());
        return std::move(*mapping);
    }
    void overwrite(File &file, char letter, size_t first, size_t count) {
        const std::vector<std::byte> bytes(page, std::byte(letter));
        for (size_t i = first; i < first + count; i++)
            ASSERT_TRUE(file.write_at(bytes, static_cast<pmemfile_off_t>(i * page)).ok()) << "page " << i;
    }
    uint64_t free_blocks() {
        pmemfile_statfs_t counts = {};
        EXPECT_EQ(pmemfile_statfs(pool_.get(), &counts), 0);
        return counts.f_bfree;
    }
    // Every free block gets another file's bytes; `look` is called then.
    template <typename Look> void with_full_pool(Look look) {
        auto filler = pool_.open("/filler", O_CREAT | O_RDWR);
        ASSERT_TRUE(filler.ok());
        const std::vector<std::byte> bytes(page, std::byte{'F'});
        last_filler_pages_ = 0;
        while (filler->write_at(bytes, static_cast<pmemfile_off_t>(last_filler_pages_ * page)).ok())
            last_filler_pages_++;
        look();
        filler->close();
        ASSERT_TRUE(pool_.unlink("/filler").ok());
    }
    // "/file", which a process has mapped private, gets other blocks; that one is killed then.
    void overwrite_under_killed_mapper(File &file) {
        int ready[2];
        ASSERT_EQ(pipe(ready), 0);
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            auto pool = Pool::open(path_.c_str());
            auto opened = pool.ok() ? pool->open("/file", O_RDWR) : pmemfile::cpp::Result<File>(pool.error());
            auto mapping = opened.ok() ? opened->map(pages * page, both, MAP_PRIVATE)
                                       : pmemfile::cpp::Result<Mapping>(opened.error());
            const char answer = mapping.ok() ? 'y' : 'n';
            (void)!write(ready[1], &answer, 1);
            pause();
            _exit(1);
        }
        char answer = 0;
        EXPECT_EQ(read(ready[0], &answer, 1), 1);
        EXPECT_EQ(answer, 'y');
        overwrite(file, 'n', 0, pages);
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        close(ready[0]);
        close(ready[1]);
    }
    static void expect_only(const Mapping &mapping, std::string_view letters) {
        for (size_t i = 0; i < pages * page; i += page)
            EXPECT_NE(letters.find(static_cast<char>(mapping.bytes()[i])), std::string_view::npos)
                << "page " << i / page << " shows " << static_cast<char>(mapping.bytes()[i]);
    }
    size_t last_filler_pages_ = 0;
};

TEST_F(Quarantine, OtherFilesBlocksAreUsedAgain) {
    for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
        File stays = filled("/stays", 's'), changes = filled("/changes", 'c');
        const Mapping mapping = mapped(stays, flags);
        const uint64_t before = free_blocks();
        for (char round = 0; round < 20; round++) // five times the pool
            for (int times = 0; times < 32; times++)
                overwrite(changes, static_cast<char>('a' + round), 0, pages);
        EXPECT_EQ(free_blocks(), before);
        for (int i = 0; i < 500; i++) {
            filled("/comes-and-goes", 'g').close();
            ASSERT_TRUE(pool_.unlink("/comes-and-goes").ok());
        }
        EXPECT_EQ(free_blocks(), before);
        expect_only(mapping, "s");
    }
}

TEST_F(Quarantine, WhatAMappingMayShowIsHeldBack) {
    File file = filled("/file", 'o');
    {
        const Mapping mapping = mapped(file, MAP_PRIVATE);
        const uint64_t before = free_blocks();
        overwrite(file, 'n', 0, pages / 2);
        EXPECT_LE(free_blocks(), before - pages / 2);
        with_full_pool([&] { expect_only(mapping, "on"); });
    }
    file.close();
    EXPECT_TRUE(pool_.unlink("/file").ok());
}

TEST_F(Quarantine, ComesBackWithItsMappingThoughOthersStay) {
    // Of the files that stay mapped one alone may hash to where the changed one does.
    for (const char *name : {"/stays-1", "/stays-2", "/stays-3"}) {
        File stays = filled(name, 's'), file = filled("/file", 'o');
        const Mapping staying = mapped(stays, MAP_SHARED);
        const uint64_t before = free_blocks();
        {
            const Mapping mapping = mapped(file, MAP_PRIVATE);
            overwrite(file, 'n', 0, pages);
            EXPECT_LE(free_blocks(), before - pages);
        }
        EXPECT_EQ(free_blocks(), before) << name;
        expect_only(staying, "s");
    }
}

TEST_F(Quarantine, ASharedBlockGoesWithItsLastOwner) {
    const uint64_t empty = free_blocks();
    {
        File a = filled("/a", 'o');
        auto b = pool_.open("/b", O_CREAT | O_RDWR);
        ASSERT_TRUE(b.ok());
        ASSERT_EQ(pmemfile_clone_file_range(pool_.get(), a.get(), 0, b->get(), 0, 0), 0);
        const Mapping mapping = mapped(a, MAP_PRIVATE);
        overwrite(a, 'n', 0, pages); // the mapping may still show what is b's alone now
        b->close();
        ASSERT_TRUE(pool_.unlink("/b").ok()); // and nobody's
        with_full_pool([&] { expect_only(mapping, "on"); });
        a.close();
        ASSERT_TRUE(pool_.unlink("/a").ok());
    }
    EXPECT_GE(free_blocks() + 2, empty); // a block of inodes, one of names
}

TEST_F(Quarantine, WithoutAMappingATransactionHoldsNothingBack) {
    File a = filled("/a", 'o');
    auto b = pool_.open("/b", O_CREAT | O_RDWR);
    ASSERT_TRUE(b.ok());
    ASSERT_EQ(pmemfile_clone_file_range(pool_.get(), a.get(), 0, b->get(), 0, 0), 0);
    ASSERT_EQ(pmemfile_tx_begin(pool_.get()), 0);
    overwrite(a, 'n', 0, 1); // shared until now
    ASSERT_EQ(pmemfile_tx_commit(pool_.get()), 0);
    const uint64_t before = free_blocks();
    overwrite(a, 'm', 0, 1);
    EXPECT_EQ(free_blocks(), before);
}

TEST_F(Quarantine, WhoComesNextFreesWhatAKilledMapperHeld) {
    File file = filled("/file", 'o'), stays = filled("/stays", 's');
    const Mapping staying = mapped(stays, MAP_SHARED);
    const uint64_t before = free_blocks();
    overwrite_under_killed_mapper(file);
    EXPECT_LE(free_blocks(), before - pages);
    const pid_t next = fork();
    ASSERT_GE(next, 0);
    if (next == 0)
        _exit(Pool::open(path_.c_str()).ok() ? 0 : 1);
    int status = 0;
    ASSERT_EQ(waitpid(next, &status, 0), next);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(free_blocks(), before);
    expect_only(staying, "s");
}

TEST_F(Quarantine, WhoRunsShortFreesWhatAKilledMapperHeld) {
    File file = filled("/file", 'o'), stays = filled("/stays", 's');
    const Mapping staying = mapped(stays, MAP_SHARED);
    const uint64_t before = free_blocks();
    with_full_pool([] {});
    EXPECT_EQ(free_blocks(), before);
    const size_t room = last_filler_pages_;
    overwrite_under_killed_mapper(file);
    with_full_pool([&] { expect_only(staying, "s"); });
    EXPECT_EQ(last_filler_pages_, room);
    EXPECT_EQ(free_blocks(), before);
}

} // namespace
