// Pages of the pool that a process has not touched yet: each costs a fault, which takes longer than most calls. What comes
// and goes is to take the same blocks again, and what is new to this process is not to be mapped page by page.
#include "tests/tools/own_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <vector>

namespace {

using pmemfile::cpp::File;
using pmemfile::cpp::Pool;

constexpr size_t page = 4096;
constexpr int rounds = 2000;

class FirstTouch : public tests::OwnPool {
protected:
    FirstTouch() : OwnPool("first-touch", 96u << 20) {}
    static long faults() {
        struct rusage usage = {};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_minflt;
    }
    void write(File &file, size_t offset, size_t size) {
        const std::vector<std::byte> bytes(size, std::byte{'x'});
        ASSERT_TRUE(file.write_at(bytes, static_cast<pmemfile_off_t>(offset)).ok());
    }
    // A database's journal: a header, and then pages that lie across blocks.
    void come_and_go(File &database) {
        auto journal = pool_.open("/journal", O_CREAT | O_RDWR);
        ASSERT_TRUE(journal.ok());
        write(*journal, 0, 512);
        write(*journal, 512, page);
        write(*journal, 512 + page, page);
        write(database, 0, page);
        write(database, 50 * page, page);
        journal->close();
        ASSERT_TRUE(pool_.unlink("/journal").ok());
    }
};

TEST_F(FirstTouch, WhatComesAndGoesTakesTheSameBlocks) {
    auto database = pool_.open("/database", O_CREAT | O_RDWR);
    ASSERT_TRUE(database.ok());
    write(*database, 0, 64 * page);
    come_and_go(*database);
    const long before = faults();
    for (int i = 0; i < rounds; i++)
        come_and_go(*database);
    EXPECT_LT(faults() - before, rounds / 4) << "one fault a round and more, where the search only goes up";
    database->close();
}

// The file's pages must have been written once: the kernel maps no others beside the one that is read.
TEST_F(FirstTouch, WhatAnotherProcessHasUsedIsMappedManyPagesAtATime) {
    constexpr size_t part = 16 * page, parts = 512;
    const std::vector<std::byte> bytes(part, std::byte{'x'});
    long count = 0;
    for (int life = 0; life < 2; life++) {
        auto file = pool_.open("/file", O_CREAT | O_RDWR);
        ASSERT_TRUE(file.ok());
        const long before = faults();
        for (size_t i = 0; i < parts; i++)
            ASSERT_TRUE(file->write_at(bytes, static_cast<pmemfile_off_t>(i * part)).ok());
        count = faults() - before;
        file->close();
        ASSERT_TRUE(pool_.unlink("/file").ok());
        pool_.close();
        auto opened = Pool::open(path_.c_str()); // mapped anew, as a process that comes later has it
        ASSERT_TRUE(opened.ok());
        pool_ = std::move(*opened);
    }
    EXPECT_LT(count, static_cast<long>(parts * part / page / 4)) << "a page each: 8,192";
}

} // namespace
