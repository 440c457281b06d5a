// Pages of the pool that a process has not touched yet: each costs a fault, which takes longer than most calls. What comes
// and goes is to take the same blocks again, and what is new to this process is not to be mapped page by page.
#include "tests/tools/own_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <vector>

namespace {

using pmemfile::cpp::File;

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

} // namespace
