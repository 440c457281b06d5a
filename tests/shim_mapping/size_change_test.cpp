// Files that grow, are cut and are shared while they are mapped (calls_test.cpp says how it is run).
#include "tests/shim_mapping/calls_fixture.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

namespace mapping {
namespace {

TEST_F(MappingCalls, BeyondTheEndIsSigbusUntilTheFileGrows) {
    fill(page + 10);
    for (int flags : {MAP_SHARED, MAP_PRIVATE}) {
        ASSERT_EQ(ftruncate(file, page + 10), 0);
        char *at = map(8 * page, PROT_READ | PROT_WRITE, flags);
        expect_pattern(at, 0, page + 10);
        EXPECT_EQ(child_ends([&] { return static_cast<volatile char *>(at)[2 * page]; }), -SIGBUS);
        EXPECT_EQ(child_ends([&] {
                      at[7 * page] = 1;
                      return 0;
                  }),
                  -SIGBUS);
        ASSERT_EQ(pwrite(file, "grown", 5, 4 * page), 5);
        EXPECT_EQ(static_cast<volatile char *>(at)[3 * page], 0);
        EXPECT_EQ(memcmp(at + 4 * page, "grown", 5), 0);
        at[4 * page + 1] = 'g';
        EXPECT_EQ(stored(4 * page + 4), 'n');
        EXPECT_EQ(child_ends([&] { return static_cast<volatile char *>(at)[5 * page]; }), -SIGBUS);
        ASSERT_EQ(ftruncate(file, 8 * page), 0);
        EXPECT_EQ(at[4 * page + 1], 'g');
        at[7 * page] = 'e';
        EXPECT_EQ(stored(7 * page), flags == MAP_SHARED ? 'e' : 0);
        EXPECT_EQ(at[4 * page + 1], 'g') << "what was there is not mapped again";
        EXPECT_EQ(munmap(at, 8 * page), 0);
    }
}

TEST_F(MappingCalls, CutFileLosesItsPagesAndGetsNewOnes) {
    for (int flags : {MAP_SHARED, MAP_PRIVATE}) {
        fill(8 * page);
        char *at = map(8 * page, PROT_READ | PROT_WRITE, flags);
        char *tail = map(4 * page, PROT_READ, flags, 4 * page);
        at[6 * page] = 'c';
        ASSERT_EQ(ftruncate(file, 3 * page), 0);
        expect_pattern(at, 0, 3 * page);
        EXPECT_EQ(child_ends([&] { return static_cast<volatile char *>(at)[3 * page]; }), -SIGBUS);
        EXPECT_EQ(child_ends([&] { return static_cast<volatile char *>(tail)[2 * page]; }), -SIGBUS);
        ASSERT_EQ(ftruncate(file, 8 * page), 0);
        ASSERT_EQ(pwrite(file, "new", 3, 5 * page), 3);
        EXPECT_EQ(static_cast<volatile char *>(at)[6 * page], 0);
        EXPECT_EQ(memcmp(at + 5 * page, "new", 3), 0);
        EXPECT_EQ(memcmp(tail + page, "new", 3), 0);
        expect_pattern(at, 0, 3 * page);
        munmap(tail, 4 * page);
        munmap(at, 8 * page);
    }
}

// The same through a path: by truncate(2), and by O_TRUNC.
TEST_F(MappingCalls, FileCutByItsPathLosesItsPages) {
    for (const bool by_open : {false, true}) {
        fill(8 * page);
        char *at = map(8 * page);
        at[6 * page] = 'c';
        const size_t kept = by_open ? 0 : 3 * page;
        if (by_open) {
            const int again = open(path.c_str(), O_RDWR | O_TRUNC);
            ASSERT_GE(again, 0);
            close(again);
        } else {
            ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(kept)), 0);
        }
        expect_pattern(at, 0, kept);
        EXPECT_EQ(child_ends([&] { return static_cast<volatile char *>(at)[kept]; }), -SIGBUS);
        ASSERT_EQ(ftruncate(file, 8 * page), 0);
        ASSERT_EQ(pwrite(file, "new", 3, 5 * page), 3);
        EXPECT_EQ(static_cast<volatile char *>(at)[6 * page], 0);
        EXPECT_EQ(memcmp(at + 5 * page, "new", 3), 0);
        munmap(at, 8 * page);
    }
}

TEST_F(MappingCalls, ManyThreadsTouchWhatGrew) {
    char *at = map(256 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    ASSERT_EQ(ftruncate(file, 256 * page), 0);
    std::atomic<int> ready{0}, wrong{0};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            ready++;
            while (ready < 4) {
            }
            for (size_t i = t; i < 256; i += 4)
                at[i * page] = static_cast<char>(i);
            for (size_t i = t; i < 256; i += 4)
                wrong += at[i * page] != static_cast<char>(i);
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
    munmap(at, 256 * page);
}

TEST_F(MappingCalls, TwoProcessesMeetInAGrowingFile) {
    constexpr size_t rounds = 200;
    char *at = map(rounds * page); // of an empty file
    ASSERT_EQ(ftruncate(file, page), 0);
    int ended = 0;
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; i < rounds; i++) {
            if (ftruncate(file, static_cast<off_t>((i + 1) * page)) != 0)
                _exit(1);
            at[i * page + 1] = static_cast<char>(i);
            reinterpret_cast<std::atomic<uint32_t> *>(at + 8)->store(static_cast<uint32_t>(i + 1));
        }
        _exit(0);
    }
    auto *counter = reinterpret_cast<std::atomic<uint32_t> *>(at + 8);
    for (uint32_t seen = 0; seen < rounds;) {
        uint32_t now = counter->load();
        for (; seen < now; seen++)
            ASSERT_EQ(at[seen * page + 1], static_cast<char>(seen));
    }
    ASSERT_EQ(waitpid(child, &ended, 0), child);
    EXPECT_EQ(ended, 0);
    munmap(at, rounds * page);
}

TEST_F(MappingCalls, ThreadsMapAndUnmap) {
    fill(32 * page);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            for (int i = 0; i < 500; i++) {
                size_t first = random() % 16, count = 1 + random() % 16;
                int flags = random() % 2 ? MAP_SHARED : MAP_PRIVATE;
                void *at = mmap(nullptr, count * page, PROT_READ, flags, file, static_cast<off_t>(first * page));
                if (at == MAP_FAILED) {
                    wrong++;
                    continue;
                }
                size_t where = random() % (count * page);
                wrong += static_cast<char *>(at)[where] != pattern_at(first * page + where);
                wrong += munmap(at, count * page) != 0;
            }
        });
    std::thread forker([&] {
        for (int i = 0; i < 20; i++)
            wrong += child_ends([&] {
                         void *at = mmap(nullptr, page, PROT_READ, MAP_SHARED, file, 0);
                         return at != MAP_FAILED && *static_cast<char *>(at) == pattern_at(0) ? 0 : 1;
                     }) != 0;
    });
    for (std::thread &thread : threads)
        thread.join();
    forker.join();
    EXPECT_EQ(wrong, 0);
}

// The same random calls on the file and on one on tmpfs; what is mapped must look the same.
TEST_F(MappingCalls, RandomCallsLookAsOnTmpfs) {
    std::string twin_path = "/dev/shm/mapping-twin-" + std::to_string(getpid());
    int twin = open(twin_path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    ASSERT_GE(twin, 0);
    unlink(twin_path.c_str());
    constexpr size_t pages = 48;
    struct Area {
        char *mine, *its;
        size_t first, count;
    };
    std::vector<Area> areas;
    std::mt19937 random(7);
    size_t size = 0;
    auto pick = [&](size_t limit) { return static_cast<size_t>(random()) % limit; };
    for (int step = 0; step < 3000; step++) {
        switch (pick(8)) {
        case 0: {
            Area area{nullptr, nullptr, pick(pages), 1 + pick(12)};
            auto offset = static_cast<off_t>(area.first * page);
            area.mine = map(area.count * page, PROT_READ | PROT_WRITE, MAP_SHARED, offset);
            area.its =
                static_cast<char *>(mmap(nullptr, area.count * page, PROT_READ | PROT_WRITE, MAP_SHARED, twin, offset));
            areas.push_back(area);
            break;
        }
        case 1:
            if (areas.size() > 8) {
                Area gone = areas[pick(areas.size())];
                std::erase_if(areas, [&](const Area &area) { return area.mine == gone.mine; });
                EXPECT_EQ(munmap(gone.mine, gone.count * page), 0);
                EXPECT_EQ(munmap(gone.its, gone.count * page), 0);
            }
            break;
        case 2:
            if (!areas.empty()) {
                Area &area = areas[pick(areas.size())];
                size_t count = 1 + pick(16);
                void *mine = mremap(area.mine, area.count * page, count * page, MREMAP_MAYMOVE);
                void *its = mremap(area.its, area.count * page, count * page, MREMAP_MAYMOVE);
                ASSERT_NE(mine, MAP_FAILED) << strerror(errno);
                area = {static_cast<char *>(mine), static_cast<char *>(its), area.first, count};
            }
            break;
        case 3: {
            size = pick(pages * page);
            ASSERT_EQ(ftruncate(file, static_cast<off_t>(size)), 0);
            ASSERT_EQ(ftruncate(twin, static_cast<off_t>(size)), 0);
            break;
        }
        case 4:
        case 5: {
            std::string bytes(1 + pick(pick(2) ? 100 : 20000), static_cast<char>('a' + pick(26)));
            size_t offset = pick(pages * page);
            auto at = static_cast<off_t>(offset);
            ASSERT_EQ(pwrite(file, bytes.data(), bytes.size(), at), static_cast<ssize_t>(bytes.size()));
            ASSERT_EQ(pwrite(twin, bytes.data(), bytes.size(), at), static_cast<ssize_t>(bytes.size()));
            size = std::max(size, offset + bytes.size());
            break;
        }
        default:
            if (!areas.empty()) {
                const Area &area = areas[pick(areas.size())];
                size_t offset = pick(area.count * page);
                if (area.first * page + offset < size)
                    area.mine[offset] = area.its[offset] = static_cast<char>(step);
            }
        }
        for (const Area &area : areas) {
            size_t end = std::min((size + page - 1) / page, area.first + area.count);
            if (end <= area.first)
                continue;
            size_t length = (end - area.first) * page;
            ASSERT_EQ(memcmp(area.mine, area.its, length), 0)
                << "step " << step << ", pages from " << area.first << ", size " << size;
        }
    }
    for (const Area &area : areas) {
        munmap(area.mine, area.count * page);
        munmap(area.its, area.count * page);
    }
    close(twin);
}

} // namespace
} // namespace mapping
