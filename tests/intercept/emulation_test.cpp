// emulation: no patch changes what a function does. Random functions, functions of libc,
// and mutations of both are planned and patched by the real planner, stub writer and
// patcher, then run in an emulator before and after, from the same registers and with
// the same answers of the kernel: calls, registers, flags and memory must be the same.
//
// The seed is printed; EMULATION_SEED repeats a run, EMULATION_ROUNDS makes it longer.
#include "intercept/arch/architecture.h"
#include "intercept/objects/frame_table.h"
#include "intercept/patch/patcher.h"
#include "intercept/plan/planner.h"
#include "intercept/plan/site_flags.h"
#include "tests/intercept/code_maker.h"
#include "tests/intercept/emulator.h"

#include <chrono>
#include <cstdlib>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace intercept {
namespace {

// A made object and its patched twin.
class Patched {
public:
    Patched(const Recipe &recipe, bool &good) {
        good = made.make(recipe);
        if (!good)
            return;
        before.assign(made.at(0), made.at(MadeObject::page_bytes));
        EXPECT_TRUE(plan_object(made.object(), native_architecture, plan));
        Arenas arenas;
        Arena *memory = arenas.create(made.object().span, (plan.size() + 1) * native_architecture.stub_bytes_max);
        arena_begin = memory != nullptr ? memory->address : 0;
        arena_bytes = memory != nullptr ? memory->size_bytes : 0;
        write_stubs(made.object(), plan, memory, stubs);
        for (size_t i = 0; i < plan.size(); i++)
            if (stubs[i] != 0) {
                patched_sites++;
                flags_dead |= (plan[i].flags & SITE_FLAGS_DEAD) != 0;
                if (arena.begin == 0)
                    arena = {stubs[i] & ~uint64_t{4095}, 0};
                arena.end = ((stubs[i] + native_architecture.stub_bytes_max) | 4095) + 1;
            }
        patch_sites(made.object(), plan, stubs, false);
        after.assign(made.at(0), made.at(MadeObject::page_bytes));
    }
    Patched(const Patched &) = delete;
    Patched &operator=(const Patched &) = delete;
    ~Patched() {
        if (arena_bytes != 0)
            munmap(reinterpret_cast<void *>(arena_begin), arena_bytes);
    }
    // Is it so near a patched site that the planner must know all direct branches to there?
    bool is_near_site(uint64_t address) const {
        for (size_t i = 0; i < plan.size(); i++) {
            const uint64_t site = made.object().base + plan[i].site_offset;
            if (stubs[i] != 0 && address >= site - native_architecture.before_bytes_max &&
                address <= site + native_architecture.behind_bytes_max)
                return true;
        }
        return false;
    }
    MadeObject made;
    Plan plan;
    base::PageArray<uint64_t> stubs;
    AddressRange arena{};
    uint64_t arena_begin = 0;
    size_t arena_bytes = 0;
    std::vector<uint8_t> before;
    std::vector<uint8_t> after;
    unsigned patched_sites = 0;
    bool flags_dead = false; // somewhere the stub may destroy them
};

std::string hex(const std::vector<uint8_t> &bytes, size_t count) {
    std::string text;
    for (size_t i = 0; i < count; i++) {
        char two[4];
        snprintf(two, sizeof two, "%02x ", bytes[i]);
        text += two;
    }
    return text;
}

struct Figures {
    unsigned functions = 0;
    unsigned patched = 0;
    unsigned runs = 0;
    unsigned through_stubs = 0;
    unsigned void_of_proof = 0;
};

class Emulation : public testing::Test {
protected:
    void SetUp() override {
        const char *seed = getenv("EMULATION_SEED");
        auto now = static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
        random_seed_ = seed != nullptr ? strtoull(seed, nullptr, 0) : now;
        printf("EMULATION_SEED=%#lx\n", random_seed_);
        fflush(stdout); // should the emulator itself end us
        const char *rounds = getenv("EMULATION_ROUNDS");
        rounds_ = rounds != nullptr ? static_cast<unsigned>(atoi(rounds)) : 1;
    }
    void TearDown() override {
        printf("%u functions, %u patched, %u runs compared, %u of them through stubs, %u proved nothing\n",
               figures_.functions, figures_.patched, figures_.runs, figures_.through_stubs, figures_.void_of_proof);
    }
    static std::string differences(const EmulatedRun &before, const EmulatedRun &after) {
        std::string text;
        char line[100];
        for (size_t i = 0; i < before.registers.size(); i++)
            if (before.registers[i] != after.registers[i]) {
                snprintf(line, sizeof line, "\nregister %zu %#lx %#lx", i, before.registers[i], after.registers[i]);
                text += line;
            }
        snprintf(line, sizeof line, "\nflags %#lx %#lx", before.flags, after.flags);
        text += line;
        text += before.stack != after.stack ? " the stack differs" : "";
        text += before.data != after.data ? " the data differ" : "";
        for (size_t i = 0; i < std::min(before.calls.size(), after.calls.size()); i++)
            if (!(before.calls[i] == after.calls[i])) {
                text += " call " + std::to_string(i) + " differs";
                break;
            }
        return text;
    }
    // What leads into the code besides its beginning, for who looks at a failure.
    static std::string ways(const Recipe &recipe) {
        std::string text;
        const auto add = [&text](const char *what, uint32_t begin, uint32_t end) {
            text += std::string("\n") + what + " " + std::to_string(begin) + " " + std::to_string(end);
        };
        for (const MadeFunction &function : recipe.functions) {
            add("function", function.begin, function.end);
            for (uint32_t pad : function.landing_pads)
                add("landing pad", pad, pad);
        }
        for (const MadeSymbol &symbol : recipe.symbols)
            add("symbol", symbol.begin, symbol.end);
        for (uint32_t pointer : recipe.pointers)
            add("pointer", pointer, pointer);
        for (uint32_t entry : recipe.table)
            add("table", entry, entry);
        for (const MadeImmediate &immediate : recipe.absolute)
            add("immediate", immediate.at, immediate.target);
        return text;
    }
    static bool agree(const EmulatedRun &before, const EmulatedRun &after, bool flags_lost) {
        size_t both = std::min(before.calls.size(), after.calls.size());
        for (size_t i = 0; i < both; i++)
            if (!(before.calls[i] == after.calls[i]))
                return false;
        if (before.end == RunEnd::endless)
            return true; // as far as it went
        return before.end == after.end && before.calls.size() == after.calls.size() &&
               before.registers == after.registers && (flags_lost || before.flags == after.flags) &&
               before.stack == after.stack && before.data == after.data;
    }
    // Runs the function from all its entries in all ways. False: it was changed.
    void check(const Recipe &recipe, CodeMaker &maker, bool words) {
        bool good = false;
        Patched patched(recipe, good);
        if (!good)
            return;
        figures_.functions++;
        if (patched.patched_sites == 0)
            return;
        figures_.patched++;
        emulator_.set_stubs_to_be(patched.arena);
        std::vector<uint32_t> entries{recipe.functions[0].begin};
        for (const MadeFunction &function : recipe.functions)
            entries.insert(entries.end(), function.landing_pads.begin(), function.landing_pads.end());
        for (const MadeSymbol &symbol : recipe.symbols)
            entries.push_back(symbol.begin);
        for (uint32_t entry : entries) {
            uint64_t seed = maker.next();
            uint64_t start = patched.made.address() + entry;
            EmulatedRun before = emulator_.run(patched.made, patched.before, start, seed, {}, Verdict::unhooked, false);
            // Nor does a leap out of the object to where the stubs are to lie, and a branch to the middle of a distant
            // instruction, from where code that is out of step may lead anywhere.
            if (before.void_of_proof || patched.arena.contains(before.stopped_at) ||
                (before.led_between != 0 && !patched.is_near_site(before.led_between))) {
                figures_.void_of_proof++;
                continue;
            }
            for (Verdict verdict : {Verdict::unhooked, Verdict::mixed}) {
                EmulatedRun after =
                    emulator_.run(patched.made, patched.after, start, seed, patched.arena, verdict, words);
                if (after.given_up) {
                    figures_.void_of_proof++;
                    continue;
                }
                figures_.runs++;
                figures_.through_stubs += after.stub_blocks != 0 ? 1 : 0;
                ASSERT_TRUE(after.complaint.empty() && agree(before, after, patched.flags_dead))
                    << after.complaint << " verdict " << static_cast<int>(verdict) << " entry " << entry << " seed "
                    << seed << ways(recipe) << "\nbefore " << hex(patched.before, recipe.code.size()) << "\nafter  "
                    << hex(patched.after, recipe.code.size()) << "\nends " << static_cast<int>(before.end) << " "
                    << static_cast<int>(after.end) << " calls " << before.calls.size() << " " << after.calls.size()
                    << " at " << before.stopped_at - patched.made.address() << " "
                    << after.stopped_at - patched.made.address() << differences(before, after);
            }
        }
    }
    void check_random(uint64_t seed, unsigned count) {
        CodeMaker maker(seed);
        for (unsigned i = 0; i < count && !HasFatalFailure(); i++) {
            Recipe recipe = maker.make();
            if (maker.below(4) == 0)
                maker.mutate(recipe);
            check(recipe, maker, maker.below(2) == 0);
        }
    }
    // The functions of libc that make calls, as they are or mutated.
    void check_libc(uint64_t seed, bool mutate, unsigned count) {
        CodeMaker maker(seed);
        base::PageArray<Object> objects;
        ASSERT_TRUE(list_objects(objects));
        for (const Object &object : objects) {
            if (!object.is_libc)
                continue;
            Plan plan;
            ASSERT_TRUE(plan_object(object, native_architecture, plan));
            for (unsigned i = 0; i < count && !HasFatalFailure(); i++) {
                const SitePlan &site = plan[mutate ? maker.below(static_cast<unsigned>(plan.size())) : i % plan.size()];
                Function function;
                if (!find_function(object, object.base + site.site_offset, function) ||
                    function.range.size() > MadeObject::page_bytes)
                    continue;
                Recipe recipe;
                auto *code = reinterpret_cast<const uint8_t *>(function.range.begin);
                recipe.code.assign(code, code + function.range.size());
                recipe.functions.push_back({0, static_cast<uint32_t>(function.range.size()), {}});
                recipe.libc = true;
                if (mutate)
                    maker.mutate(recipe);
                check(recipe, maker, i % 2 == 0);
            }
        }
    }
    Emulator emulator_;
    uint64_t random_seed_ = 0;
    unsigned rounds_ = 1;
    Figures figures_;
};

TEST_F(Emulation, RandomFunctionsOfAFixedSeed) {
    check_random(0x5eed, 700 * rounds_);
    EXPECT_GT(figures_.through_stubs, figures_.functions / 10);
}

TEST_F(Emulation, RandomFunctionsOfANewSeed) {
    check_random(random_seed_, 700 * rounds_);
    EXPECT_GT(figures_.through_stubs, figures_.functions / 10);
}

// It takes a pointer, subtracts, and returns to the middle of a window: the proof says nothing of that.
TEST_F(Emulation, AReturnToAnAddressThatIsComputedProvesNothing) {
    Recipe recipe;
    recipe.code = {0xff, 0x35, 0xfa, 0x1f, 0x00, 0x00, // push pointer(%rip)
                   0x80, 0x2c, 0x24, 0x06,             // subb $6, (%rsp)
                   0xb8, 0x90, 0x90, 0xc3, 0x00,       // mov $0xc39090, %eax: nop, nop, ret inside
                   0x0f, 0x05, 0xc3};
    recipe.functions.push_back({0, static_cast<uint32_t>(recipe.code.size()), {}});
    recipe.pointers = {17};
    CodeMaker maker(1);
    check(recipe, maker, false);
    EXPECT_EQ(figures_.patched, 1u);
    EXPECT_EQ(figures_.void_of_proof, 1u);
    EXPECT_EQ(figures_.runs, 0u);
    // Without the arithmetic it comes to the last instruction, and is compared.
    recipe.code[9] = 0;
    check(recipe, maker, false);
    EXPECT_EQ(figures_.void_of_proof, 1u);
    EXPECT_EQ(figures_.runs, 2u);
}

// A pointer leads to the middle of an instruction far from the site, where other instructions can be read: sub, and a
// jump to behind the second call, into its window. (A run of many seeds has found it.)
TEST_F(Emulation, APointerBetweenInstructionsIsBelieved) {
    Recipe recipe;
    recipe.code = {0x48, 0x89, 0x7c, 0x24, 0xf8, 0xff, 0x25, 0x05, 0x20, 0x00, 0x00, 0x83, 0x05, 0x9e, 0x20, 0x00, 0x00,
                   0x01, 0x48, 0x8d, 0x66, 0x24, 0x00, 0x48, 0x83, 0xe8, 0x24, 0xe9, 0x17, 0x00, 0x00, 0x00, 0x89, 0xf6,
                   0x5b, 0x48, 0x8d, 0x35, 0x07, 0x00, 0x00, 0x00, 0xb8, 0x39, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x31, 0xc0,
                   0x0f, 0x05, 0x0f, 0x05, 0x31, 0xd1, 0x48, 0x8d, 0x35, 0x0f, 0x00, 0x00, 0x00, 0xc3};
    recipe.functions = {{0, 64, {}}, {64, 65, {}}};
    CodeMaker maker(1);
    recipe.pointers = {64, 64, 34, 0};
    check(recipe, maker, false);
    EXPECT_EQ(figures_.patched, 1u);
    recipe.pointers[2] = 23;
    check(recipe, maker, false);
    EXPECT_EQ(figures_.patched, 1u);
}

// What lies behind the function calls the middle of an instruction 21 bytes before the site; the bytes there are
// loopne, to the middle of the window. (A run of many seeds has found its like.) Nearer it is looked for.
TEST_F(Emulation, ABranchBetweenDistantInstructionsProvesNothing) {
    Recipe recipe;
    recipe.code = {0x48, 0x89, 0x54, 0x24, 0xe0,                               // mov %rdx, -32(%rsp)
                   0x0f, 0x1f, 0x44, 0x00, 0x00,                               // nop
                   0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, // ten more
                   0xb8, 0x27, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xc3,             // mov $39, %eax; syscall; ret
                   0xe8, 0xe3, 0xff, 0xff, 0xff, 0xc3};                        // call 4; ret
    recipe.functions.push_back({0, 28, {}});
    recipe.symbols.push_back({28, 34});
    CodeMaker maker(1);
    check(recipe, maker, false);
    EXPECT_EQ(figures_.patched, 1u);
    EXPECT_EQ(figures_.runs, 2u);
    EXPECT_EQ(figures_.void_of_proof, 1u);
    recipe.code.erase(recipe.code.begin() + 10);
    recipe.code[28] = 0xe4;
    recipe.functions[0].end = 27;
    recipe.symbols[0] = {27, 33};
    check(recipe, maker, false);
    EXPECT_EQ(figures_.functions, 2u);
    EXPECT_EQ(figures_.patched, 1u);
}

// (A run of many seeds has found a function that reads where its stub will lie.)
TEST_F(Emulation, AReadWhereTheStubsAreToLieProvesNothing) {
    Recipe recipe;
    recipe.code = {0x48, 0x8b, 0x07, 0x0f, 0x05, 0xc3}; // mov (%rdi), %rax: of the data, with this seed; syscall; ret
    recipe.functions.push_back({0, static_cast<uint32_t>(recipe.code.size()), {}});
    MadeObject made;
    ASSERT_TRUE(made.make(recipe));
    const std::vector<uint8_t> text(made.at(0), made.at(MadeObject::page_bytes));
    const uint64_t data = made.address() + MadeObject::data_offset;
    for (bool is_there : {false, true}) {
        emulator_.set_stubs_to_be(is_there ? AddressRange{data, data + MadeObject::page_bytes} : AddressRange{});
        const EmulatedRun run = emulator_.run(made, text, made.address(), 1, {}, Verdict::unhooked, false);
        EXPECT_EQ(run.end, RunEnd::returned);
        EXPECT_EQ(run.void_of_proof, is_there);
    }
}

// sets stores to an address where nothing is. (A run of many seeds has found it; how the emulator leaves the flags then
// depends on whether the comparison before was translated in one piece with it.)
TEST_F(Emulation, FlagsOfASetThatFaultsAreNotCompared) {
    Recipe recipe;
    recipe.code = {0x0f, 0x05, 0x89, 0xd3, 0x0f, 0x05, 0x48, 0x39, 0xca, 0xfd, 0x48, 0x89, 0xd9,
                   0xb8, 0x66, 0x00, 0x00, 0x00, 0x0f, 0x98, 0x89, 0xcb, 0xc3, 0xb8, 0xe7, 0x00,
                   0x00, 0x00, 0x0f, 0x05, 0xf3, 0x0f, 0x1e, 0xfa, 0xe2, 0xe0, 0xc3};
    recipe.functions.push_back({0, static_cast<uint32_t>(recipe.code.size()), {}});
    recipe.pointers = {10, 0, 0, 0};
    CodeMaker maker(1);
    check(recipe, maker, false);
    EXPECT_EQ(figures_.through_stubs, 2u);
    // A mov that faults at the same place leaves the flags as they were, and they are compared.
    const uint8_t store[] = {0x89, 0x89, 0xcb, 0xc3, 0xb8, 0xe7, 0x90};
    std::copy(std::begin(store), std::end(store), recipe.code.begin() + 18);
    check(recipe, maker, false);
    EXPECT_EQ(figures_.through_stubs, 4u);
}

TEST_F(Emulation, FunctionsOfLibc) {
    check_libc(0x5eed, false, 600);
    EXPECT_GT(figures_.patched, 400u);
}

TEST_F(Emulation, MutatedFunctionsOfLibc) {
    check_libc(random_seed_, true, 500 * rounds_);
    EXPECT_GT(figures_.patched, 100u);
}

} // namespace
} // namespace intercept
