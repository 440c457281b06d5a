// planner: what is decided for each shape of site in sites.S, and for libc.
#include "intercept/plan/planner.h"
#include "intercept/plan/site_flags.h"
#include "intercept/plan/sweep.h"
#include "intercept/plan/traced_plan.h"

#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/mman.h>

extern "C" long site_getppid();

namespace intercept {
namespace {

// Plans of the objects whose path contains `name`.
struct Planned {
    Object object{};
    Plan plan;
    explicit Planned(const char *name) {
        base::PageArray<Object> objects;
        EXPECT_TRUE(list_objects(objects));
        for (const Object &one : objects)
            if (strstr(one.path, name) != nullptr)
                object = one;
        EXPECT_NE(object.segment_count, 0u) << name;
        EXPECT_TRUE(plan_object(object, native_architecture, plan));
    }
    // The n-th site at or behind `function`.
    const SitePlan *site(const char *function, unsigned n = 0) {
        auto address = reinterpret_cast<uint64_t>(dlsym(RTLD_DEFAULT, function));
        EXPECT_NE(address, 0u) << function;
        for (const SitePlan &site : plan)
            if (object.base + site.site_offset >= address && n-- == 0)
                return &site;
        return nullptr;
    }
};

std::string bytes(const SitePlan &site) {
    std::string text;
    for (unsigned i = 0; i < site.window_bytes; i++) {
        char two[4];
        snprintf(two, sizeof two, "%02x", site.bytes[i]);
        text += two;
    }
    return text;
}

struct Golden {
    const char *function;
    int state;
    const char *window;
    int site_in_window;
    int number;
};

class PlannerGolden : public testing::TestWithParam<Golden> {};

TEST_P(PlannerGolden, Window) {
    Planned planned("libintercept-sites");
    const Golden &golden = GetParam();
    const SitePlan *site = planned.site(golden.function);
    ASSERT_NE(site, nullptr);
    EXPECT_EQ(site->state, golden.state);
    EXPECT_EQ(bytes(*site), golden.window);
    EXPECT_EQ(site->site_in_window, golden.site_in_window);
    EXPECT_EQ(site->number, golden.number);
    EXPECT_EQ(site->flags & SITE_VECTOR_DEAD, 0) << "only libc's wrappers may be taken for vector-dead";
}

INSTANTIATE_TEST_SUITE_P(Sites, PlannerGolden,
                         testing::Values(Golden{"site_getppid", INTERCEPT_SITE_BEFORE, "b86e000000", 5, 110},
                                         // mov r10,r8 ; mov r8,r9
                                         Golden{"site_call", INTERCEPT_SITE_BEFORE, "4d89c24d89c8", 6, -1},
                                         // A branch to the syscall itself: the window begins there.
                                         Golden{"site_over", INTERCEPT_SITE_OVER, "0f05483d00f0ffff", 0, -1},
                                         Golden{"site_branch_inside", INTERCEPT_SITE_WINDOW_UNSAFE, "", 0, -1},
                                         Golden{"site_red_zone", INTERCEPT_SITE_BEFORE, "b86e000000", 5, 110}),
                         [](const auto &info) { return std::string(info.param.function); });

TEST(Planner, RipRelativeOperandIsMarked) {
    Planned planned("libintercept-sites");
    const SitePlan *site = planned.site("site_rip_relative");
    ASSERT_NE(site, nullptr);
    EXPECT_EQ(site->state, INTERCEPT_SITE_BEFORE);
    ASSERT_EQ(site->instruction_count, 1);
    EXPECT_EQ(site->instructions[0].move, Move::rip_relative);
    EXPECT_EQ(site->instructions[0].field, 3);
}

TEST(Planner, FlagsThatAreReadLaterAreNotDead) {
    Planned planned("libintercept-sites");
    EXPECT_EQ(planned.site("site_flags")->flags & SITE_FLAGS_DEAD, 0);
    EXPECT_EQ(planned.site("site_direction")->flags & SITE_FLAGS_DEAD, 0);
    EXPECT_NE(planned.site("site_getppid")->flags & SITE_FLAGS_DEAD, 0);
}

TEST(Planner, TableAndImmediateAreUnproven) {
    Planned planned("libintercept-sites");
    const SitePlan *table = planned.site("site_clone", 2); // behind its two calls
    const SitePlan *immediate = planned.site("site_immediate");
    ASSERT_NE(table, nullptr);
    ASSERT_NE(immediate, nullptr);
    EXPECT_LT(table->site_offset, immediate->site_offset);
    EXPECT_EQ(table->state, INTERCEPT_SITE_UNPROVEN);
    EXPECT_EQ(immediate->state, INTERCEPT_SITE_UNPROVEN);
}

// What nobody proves by hand: the windows of all of libc are disjoint, hold what
// memory holds, and no direct branch of any decoded function leads inside one.
TEST(Planner, NoBranchOfLibcLeadsIntoAWindow) {
    Planned planned("libc.so.6");
    unsigned patched = 0;
    uint64_t last_end = 0;
    Sweep sweep;
    for (const SitePlan &site : planned.plan) {
        if (site.state != INTERCEPT_SITE_BEFORE && site.state != INTERCEPT_SITE_OVER)
            continue;
        patched++;
        uint64_t begin = planned.object.base + site.site_offset - site.site_in_window;
        uint64_t end = begin + site.window_bytes;
        uint64_t inside_end = site.state == INTERCEPT_SITE_BEFORE ? end + 1 : end; // the syscall counts too
        EXPECT_GE(begin, last_end);
        last_end = end;
        EXPECT_GE(site.window_bytes, native_architecture.jump_bytes);
        ASSERT_EQ(memcmp(reinterpret_cast<void *>(begin), site.bytes, site.window_bytes), 0);
        Function function;
        ASSERT_TRUE(find_function(planned.object, begin, function));
        sweep.decode(native_architecture, function);
        EXPECT_TRUE(sweep.consistent);
        for (const Instruction &instruction : sweep.instructions)
            if (instruction.target != 0) {
                EXPECT_FALSE(instruction.target > begin && instruction.target < inside_end) << std::hex << begin;
            }
    }
    EXPECT_GT(patched, 400u);
    // The calls that a filesystem lives on are all covered, at no vector cost.
    for (const char *name : {"read", "write", "close", "lseek", "pread64", "pwrite64", "fsync"}) {
        const SitePlan *site = planned.site(name);
        ASSERT_NE(site, nullptr);
        EXPECT_EQ(site->state, INTERCEPT_SITE_BEFORE) << name;
        EXPECT_NE(site->flags & SITE_VECTOR_DEAD, 0) << name;
    }
}

TEST(Planner, ObjectWithMoreSegmentsThanAreKeptIsNotWhole) {
    constexpr unsigned count = segments_max + 4;
    constexpr size_t page_bytes = 4096;
    alignas(page_bytes) static const uint8_t memory[count * page_bytes] = {};
    ElfW(Phdr) headers[count] = {};
    for (unsigned i = 0; i < count; i++)
        headers[i] = {PT_LOAD,        PF_R,       i * page_bytes, i * page_bytes,
                      i * page_bytes, page_bytes, page_bytes,     page_bytes};
    dl_phdr_info info{};
    info.dlpi_addr = reinterpret_cast<uint64_t>(memory);
    info.dlpi_phdr = headers;
    for (unsigned used : {segments_max, count}) {
        info.dlpi_phnum = static_cast<ElfW(Half)>(used);
        Object object{};
        describe_object(object, info);
        EXPECT_EQ(object.span.size(), used * page_bytes);
        EXPECT_EQ(is_whole(object), used == segments_max);
    }
}

TEST(Planner, SignalReturnIsExcluded) {
    Planned planned("libc.so.6");
    unsigned excluded = 0;
    for (const SitePlan &site : planned.plan)
        excluded += site.state == INTERCEPT_SITE_EXCLUDED ? 1 : 0;
    EXPECT_EQ(excluded, 1u);
}

// What a breakpoint hides: here the branch into a window. The plan is that of the file nevertheless.
TEST(Planner, BreakpointHidesNoBranch) {
    Planned before("libintercept-sites");
    const Object &object = before.object;
    auto *place = static_cast<uint8_t *>(dlsym(RTLD_DEFAULT, "site_branch_inside"));
    Function function;
    ASSERT_TRUE(find_function(object, reinterpret_cast<uint64_t>(place), function));
    Sweep sweep;
    sweep.decode(native_architecture, function);
    uint8_t *branch = nullptr;
    for (const Instruction &instruction : sweep.instructions)
        if (instruction.kind == InstructionKind::branch)
            branch = reinterpret_cast<uint8_t *>(instruction.address);
    ASSERT_NE(branch, nullptr);
    auto *page = reinterpret_cast<void *>(reinterpret_cast<uint64_t>(branch) & ~uint64_t{4095});
    ASSERT_EQ(mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
    const uint8_t former = *branch;
    *branch = 0xcc;
    Plan plan;
    bool of_file = false;
    EXPECT_TRUE(plan_traced_object(object, native_architecture, plan, of_file));
    EXPECT_TRUE(of_file);
    *branch = former;
    ASSERT_EQ(mprotect(page, 8192, PROT_READ | PROT_EXEC), 0);
    ASSERT_EQ(plan.size(), before.plan.size());
    EXPECT_EQ(memcmp(&plan[0], &before.plan[0], plan.size() * sizeof(SitePlan)), 0);
}

} // namespace
} // namespace intercept

// The sites library must be loaded to be planned.
long keep_sites_loaded() {
    return site_getppid();
}
