// Damages every structure of a pool, one bit (or byte) at a time, and looks what becomes of it:
//
//   flip ─► fsck (look) ─ found? ─┐
//   flip ─► attach, read all, change all, leave      never a crash, a hang, a step outside the pool
//   flip ─► fsck (repair) ─► all repaired? then a second fsck is clean, before and after use
//
// What fsck does not find must be harmless: the pool attaches and shows the same names, types
// and link counts. In an inode of a pool that was left in order it finds all. (File data has no second
// place that would tell; docs/limits.md.)
//
// The work is done in a child process, so that a crash is a finding and not the end.
#include "libpmemfile/check/fsck.h"
#include "tests/crash/image.h"
#include "tests/hostile/atlas.h"
#include "tests/hostile/image.h"
#include "tests/hostile/tour.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <map>
#include <random>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hostile {

using namespace pmemfile;

namespace {

constexpr unsigned seconds_per_flip = 10;
constexpr size_t max_findings = 20;

struct Flip {
    std::string structure;
    uint64_t offset = 0;
    uint8_t mask = 0;
};

// What the children tell.
struct Told {
    std::atomic<size_t> next;
    std::atomic<uint64_t> found, harmless, repaired, refused;
    std::atomic<const char *> phase;
    std::atomic<size_t> finding_count;
    char findings[max_findings][400];
};

void tell(Told &told, const std::string &finding) {
    const size_t i = told.finding_count++;
    if (i < max_findings)
        std::snprintf(told.findings[i], sizeof(told.findings[i]), "%s", finding.c_str());
}

std::string name_of(const Flip &flip) {
    return flip.structure + ", byte " + std::to_string(flip.offset % block_size_bytes) + " of block " +
           std::to_string(flip.offset / block_size_bytes) + " (" + std::to_string(flip.offset) + "), mask " +
           std::to_string(flip.mask);
}

std::string text_of(const CheckReport &report) {
    std::string text;
    for (size_t i = 0; i < report.problems.size() && i < 3; ++i)
        text += report.problems[i].structure + ": " + report.problems[i].text + "; ";
    return text;
}

class Victim {
public:
    Victim(const std::vector<std::byte> &bytes, PoolOffset superblock, bool compares_shape)
        : image_(bytes, superblock), persist_(image_.base(), image_.size_bytes(), Medium::volatile_memory),
          compares_shape_(compares_shape) {
        use([&](Thread &thread) { shape_ = shape_of(tour_read(thread)); });
        image_.reset();
    }
    const std::byte *base() const {
        return image_.base();
    }
    bool is_sound() {
        image_.reset();
        const bool sound = fsck(false).problems.empty();
        image_.reset();
        return sound && !shape_.empty();
    }

    void run(const Flip &flip, Told &told) {
        damage(flip);
        told.phase = "check";
        const CheckReport looked = fsck(false);
        const bool found = !looked.problems.empty();
        found ? ++told.found : ++told.harmless;

        damage(flip);
        told.phase = "attach and read";
        std::string shape;
        const bool attached = use([&](Thread &thread) {
            const auto entries = tour_read(thread);
            shape = shape_of(entries);
            told.phase = "change";
            tour_change(thread, entries);
            told.phase = "leave";
        });
        if (!attached)
            ++told.refused;
        told.phase = "check after use";
        fsck(false);
        if (!found && compares_shape_ && is_in_inode(flip.offset))
            tell(told, name_of(flip) + ": an inode is damaged, and fsck finds nothing");
        else if (!found && !attached)
            tell(told, name_of(flip) + ": cannot be attached, and fsck finds nothing");
        else if (!found && compares_shape_ && shape != shape_)
            tell(told, name_of(flip) + ": the tree has changed, and fsck finds nothing");

        damage(flip);
        told.phase = "repair";
        const CheckReport mended = fsck(true);
        const bool all = std::all_of(mended.problems.begin(), mended.problems.end(),
                                     [](const CheckProblem &problem) { return problem.repaired; });
        if (!all)
            return;
        ++told.repaired;
        told.phase = "check after repair";
        const CheckReport second = fsck(false);
        if (!second.problems.empty())
            tell(told, name_of(flip) + ": repaired (" + text_of(mended) + "), yet " + text_of(second));
        told.phase = "use after repair";
        if (!use([&](Thread &thread) { tour_change(thread, tour_read(thread)); }))
            tell(told, name_of(flip) + ": repaired (" + text_of(mended) + "), yet it cannot be attached");
        const CheckReport third = fsck(false);
        if (!third.problems.empty())
            tell(told, name_of(flip) + ": repaired (" + text_of(mended) + "), and after use " + text_of(third));
    }

private:
    void damage(const Flip &flip) {
        image_.reset();
        image_.base()[flip.offset] ^= std::byte{flip.mask};
    }
    bool is_in_inode(uint64_t offset) {
        image_.reset();
        const auto *inode =
            reinterpret_cast<const Inode *>(image_.base() + offset / inode_size_bytes * inode_size_bytes);
        return Atlas(image_.base(), image_.superblock()).structure_of(offset / block_size_bytes) == "inodes" &&
               inode->magic == inode_magic;
    }
    CheckReport fsck(bool repair) {
        return fsck_pool(persist_, image_.superblock(), repair).check;
    }
    template <typename Work> bool use(Work work) {
        crash::AttachedImage attached(image_.base(), image_.size_bytes(), image_.superblock(), nullptr);
        if (!attached.error().empty())
            return false;
        work(attached.thread());
        return true;
    }

    Image image_;
    Persist persist_;
    bool compares_shape_;
    std::string shape_;
};

// All flips of each structure, or a sample of `per_structure` of them.
std::vector<Flip> choose_flips(const std::vector<std::byte> &bytes, PoolOffset superblock, size_t per_structure,
                               unsigned seed) {
    const Atlas atlas(bytes.data(), superblock);
    std::map<std::string, std::vector<uint64_t>> offsets;
    for (uint64_t block = 0; block < bytes.size() / block_size_bytes; ++block) {
        const std::string structure = atlas.structure_of(block);
        if (structure.empty())
            continue;
        for (uint64_t offset = block * block_size_bytes; offset < (block + 1) * block_size_bytes; ++offset)
            if (!atlas.is_unused(offset) || (structure == "orphan table" && offset % block_size_bytes < 64))
                offsets[structure].push_back(offset);
    }
    std::mt19937_64 random(seed);
    std::vector<Flip> flips;
    for (const auto &[structure, places] : offsets) {
        constexpr uint8_t masks[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
        if (places.size() * std::size(masks) <= per_structure) {
            for (uint64_t offset : places)
                for (uint8_t mask : masks)
                    flips.push_back({structure, offset, mask});
            continue;
        }
        for (size_t i = 0; i < per_structure; ++i)
            flips.push_back({structure, places[random() % places.size()], masks[random() % std::size(masks)]});
    }
    return flips;
}

void run_flips(const std::vector<std::byte> &bytes, PoolOffset superblock, bool compares_shape,
               const std::vector<Flip> &flips) {
    auto *told =
        static_cast<Told *>(mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(told, MAP_FAILED);
    Victim victim(bytes, superblock, compares_shape);
    ASSERT_TRUE(victim.is_sound());
    while (told->next < flips.size() && told->finding_count < max_findings) {
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            for (size_t i; (i = told->next++) < flips.size();) {
                alarm(seconds_per_flip);
                victim.run(flips[i], *told);
            }
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            break;
        const std::string end = !WIFSIGNALED(status)          ? "exit " + std::to_string(WEXITSTATUS(status))
                                : WTERMSIG(status) == SIGALRM ? std::string("it hangs")
                                                              : std::string(strsignal(WTERMSIG(status)));
        tell(*told, name_of(flips[told->next - 1]) + ": " + end + " in: " + told->phase.load());
    }
    std::printf("%zu flips: fsck found %lu, %lu harmless; %lu not attached; %lu wholly repaired\n", flips.size(),
                told->found.load(), told->harmless.load(), told->refused.load(), told->repaired.load());
    for (size_t i = 0; i < told->finding_count && i < max_findings; ++i)
        ADD_FAILURE() << told->findings[i];
    EXPECT_GT(told->found.load(), flips.size() / 10); // the damage is real
    munmap(told, sizeof(Told));
}

size_t per_structure(size_t quick, size_t thorough) {
    const char *effort = std::getenv("PMEMFILE_HOSTILE_EFFORT");
    return effort != nullptr && std::string_view(effort) == "thorough" ? thorough : quick;
}

unsigned seed() {
    const char *text = std::getenv("PMEMFILE_HOSTILE_SEED");
    const unsigned value = text != nullptr ? static_cast<unsigned>(std::atoi(text)) : 20261123;
    std::printf("seed %u (PMEMFILE_HOSTILE_SEED)\n", value);
    return value;
}

const Samples &samples() {
    static const Samples made = make_samples();
    return made;
}

TEST(BitFlips, OfAPoolLeftInOrder) {
    run_flips(samples().clean, samples().superblock, true,
              choose_flips(samples().clean, samples().superblock, per_structure(60, 3000), seed()));
}

// With live records in its rings. Names may be lost here: a damaged last record is as one that was
// never committed.
TEST(BitFlips, OfAPoolThatCrashed) {
    run_flips(samples().crashed, samples().superblock, false,
              choose_flips(samples().crashed, samples().superblock, per_structure(30, 2000), seed()));
}

} // namespace

} // namespace hostile
