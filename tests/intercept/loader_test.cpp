// loader: objects that are loaded after intercept_start: dlopen, other namespaces,
// unloading and loading again, threads meanwhile, and files that are damaged.
#include "intercept/include/pmemfile-intercept.h"

#include "base/raw_syscall.h"
#include "intercept/objects/object.h"
#include "intercept/plan/planner.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <random>
#include <set>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr long answer = 4242;
int hook_id;

int answer_getppid(intercept_call *call) {
    call->result = answer;
    return INTERCEPT_HANDLED;
}

INTERCEPT_FILTER_FUNCTION int serve(const intercept_call *) {
    return INTERCEPT_FILTER_SERVE;
}

using Function = long (*)();

// A library that is closed again.
class Library {
public:
    explicit Library(const char *path, bool new_namespace = false)
        : handle_(new_namespace ? dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL)
                                : dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
        EXPECT_NE(handle_, nullptr) << dlerror();
    }
    ~Library() {
        EXPECT_EQ(dlclose(handle_), 0);
    }
    Library(const Library &) = delete;
    Library &operator=(const Library &) = delete;
    Function function(const char *name) const {
        void *symbol = dlsym(handle_, name);
        EXPECT_NE(symbol, nullptr) << name;
        return reinterpret_cast<Function>(symbol);
    }

private:
    void *handle_;
};

intercept_statistics statistics() {
    intercept_statistics out;
    intercept_get_statistics(&out);
    return out;
}

// Paths of the objects that have sites.
std::set<std::string> listed() {
    std::set<std::string> paths;
    intercept_visit_sites(
        [](const intercept_site_info *site, void *argument) {
            static_cast<std::set<std::string> *>(argument)->insert(site->object);
            return 0;
        },
        &paths);
    return paths;
}

TEST(Loader, CallsOfALaterObjectAreCaughtFromItsConstructorOn) {
    size_t before = statistics().objects_later;
    {
        Library library(LATER_OBJECT);
        EXPECT_EQ(library.function("later_at_init")(), answer);
        EXPECT_EQ(library.function("later_getppid")(), answer);
        EXPECT_EQ(statistics().objects_later, before + 1);
        EXPECT_EQ(listed().count(LATER_OBJECT), 1u);
    }
    EXPECT_EQ(statistics().objects_later, before);
    EXPECT_EQ(listed().count(LATER_OBJECT), 0u);
}

// What the object filter is told of an object, which it refuses. It is asked in the middle of dlopen.
struct Asked {
    intercept_object_info info;
    char path[256], soname[64];
    void *argument;
};
Asked asked;

int refuse_later_object(const intercept_object_info *object, void *argument) {
    if (strcmp(object->path, LATER_OBJECT) != 0)
        return 1;
    asked.info = *object;
    asked.argument = argument;
    strncpy(asked.path, object->path, sizeof asked.path - 1);
    strncpy(asked.soname, object->soname, sizeof asked.soname - 1);
    return 0;
}

TEST(Loader, TheObjectFilterIsAskedAndTakenBack) {
    int token = 0;
    ASSERT_EQ(intercept_set_object_filter(refuse_later_object, &token), 0);
    {
        Library library(LATER_OBJECT);
        Function function = library.function("later_getppid");
        EXPECT_EQ(function(), base::raw_syscall(SYS_getppid));
        EXPECT_EQ(asked.argument, &token);
        EXPECT_STREQ(asked.path, LATER_OBJECT);
        EXPECT_STREQ(asked.soname, "libintercept-later.so");
        Dl_info place{};
        ASSERT_NE(dladdr(reinterpret_cast<void *>(function), &place), 0);
        EXPECT_EQ(asked.info.base, place.dli_fbase);
        EXPECT_GT(asked.info.end, reinterpret_cast<const void *>(function));
        asked.argument = nullptr;
        EXPECT_EQ(intercept_start(), 0);
        EXPECT_EQ(asked.argument, &token) << "a later start asks again";
        EXPECT_EQ(function(), base::raw_syscall(SYS_getppid));
        EXPECT_EQ(intercept_set_object_filter(nullptr, nullptr), 0);
        EXPECT_EQ(intercept_start(), 0);
        EXPECT_EQ(function(), answer);
    }
    Library library(LATER_OBJECT);
    EXPECT_EQ(library.function("later_at_init")(), answer);
}

TEST(Loader, UnloadedAndLoadedAgainAtTheSamePlace) {
    std::set<void *> places;
    constexpr int rounds = 300;
    for (int i = 0; i < rounds; i++) {
        Library library(i % 3 == 0 ? TEXT_ONLY : LATER_OBJECT);
        Function getppid_there = library.function(i % 3 == 0 ? "text_only_getppid" : "later_getppid");
        places.insert(reinterpret_cast<void *>(getppid_there));
        ASSERT_EQ(getppid_there(), answer) << i;
    }
    EXPECT_LT(places.size(), rounds / 2u) << "the kernel used no place again: nothing was tested";
}

// Entries and arenas are used again: memory does not grow with each dlopen.
TEST(Loader, NothingIsLeftOfAnUnloadedObject) {
    auto mappings = [] {
        int file = open("/proc/self/maps", O_RDONLY);
        std::string text;
        char buffer[4096];
        ssize_t got;
        while ((got = read(file, buffer, sizeof buffer)) > 0)
            text.append(buffer, static_cast<size_t>(got));
        close(file);
        return std::count(text.begin(), text.end(), '\n');
    };
    { Library library(LATER_OBJECT); }
    auto before = mappings();
    for (int i = 0; i < 50; i++)
        Library library(LATER_OBJECT);
    EXPECT_LE(mappings(), before + 1);
}

TEST(Loader, OtherNamespacesHaveALibcOfTheirOwn) {
    Library libc("libc.so.6", true);
    Function getppid_there = libc.function("getppid");
    ASSERT_NE(reinterpret_cast<void *>(getppid_there), reinterpret_cast<void *>(getppid));
    EXPECT_EQ(getppid_there(), answer);
}

TEST(Loader, BypassAndChangedSetsDoNotHideObjects) {
    intercept_bypass_enter();
    Library library(LATER_OBJECT);
    intercept_bypass_leave();
    EXPECT_EQ(library.function("later_getppid")(), answer);
}

TEST(Loader, AHookThatAnswersTheLoadersMmapIsBelieved) {
    long number = SYS_mmap;
    intercept_hook hook{nullptr,
                        [](intercept_call *call) {
                            call->result = base::raw_syscall(SYS_mmap, call->args[0], call->args[1], call->args[2],
                                                             call->args[3], call->args[4], call->args[5]);
                            return static_cast<int>(INTERCEPT_HANDLED);
                        },
                        nullptr,
                        0,
                        &number,
                        1};
    int id = intercept_add(&hook);
    ASSERT_GE(id, 0);
    {
        Library library(LATER_OBJECT);
        EXPECT_EQ(library.function("later_getppid")(), answer);
    }
    intercept_remove(id);
}

TEST(Loader, ThreadsCallWhileObjectsComeAndGo) {
    std::atomic<bool> over = false;
    std::atomic<long> wrong = 0;
    std::vector<std::thread> threads;
    for (int n = 0; n < 3; n++)
        threads.emplace_back([&] {
            while (!over)
                wrong += getppid() != answer ? 1 : 0;
        });
    threads.emplace_back([&] {
        for (int i = 0; i < 200; i++) {
            Library library(TEXT_ONLY);
            wrong += library.function("text_only_getppid")() != answer ? 1 : 0;
        }
    });
    for (int i = 0; i < 200; i++) {
        Library library(LATER_OBJECT);
        wrong += library.function("later_getppid")() != answer ? 1 : 0;
        statistics();
    }
    over = true;
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
}

// Forked while another thread is in dlopen: the child's lists still work. (dlopen in such a
// child hangs in the C library itself, with and without us.)
TEST(Loader, ForkedChildrenAreNotLockedUp) {
    std::atomic<bool> over = false;
    std::thread loading([&] {
        while (!over)
            Library library(TEXT_ONLY);
    });
    for (int i = 0; i < 300; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            _exit(statistics().sites_found > 500 && getppid() == answer ? 0 : 1);
        }
        int status = -1;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
    over = true;
    loading.join();
}

TEST(Loader, LevelsAreChosen) {
    EXPECT_EQ(intercept_set_levels(0), -EINVAL);
    EXPECT_EQ(intercept_set_levels(1u << 20), -EINVAL);
    ASSERT_EQ(intercept_set_levels(INTERCEPT_LEVEL_START), 0);
    ASSERT_EQ(intercept_start(), 0);
    {
        Library library(LATER_OBJECT);
        EXPECT_NE(library.function("later_getppid")(), answer);
        // The environment has the last word; and a start finds what it missed.
        setenv("INTERCEPT_LEVELS", "0,1", 1);
        ASSERT_EQ(intercept_start(), 0);
        EXPECT_EQ(library.function("later_getppid")(), answer);
    }
    setenv("INTERCEPT_LEVELS", "all of them", 1);
    ASSERT_EQ(intercept_set_levels(INTERCEPT_LEVEL_START | INTERCEPT_LEVEL_LOADED), 0);
    ASSERT_EQ(intercept_start(), 0) << "nonsense is ignored";
    unsetenv("INTERCEPT_LEVELS");
    Library library(LATER_OBJECT);
    EXPECT_EQ(library.function("later_getppid")(), answer);
}

// A file as the loader maps it, in memory of ours that may be damaged.
class Mapped {
public:
    explicit Mapped(const char *path, size_t cut_bytes = SIZE_MAX) {
        int file = open(path, O_RDONLY);
        struct stat status {};
        EXPECT_EQ(fstat(file, &status), 0);
        std::vector<char> bytes(static_cast<size_t>(status.st_size));
        EXPECT_EQ(read(file, bytes.data(), bytes.size()), status.st_size);
        close(file);
        auto *header = reinterpret_cast<const ElfW(Ehdr) *>(bytes.data());
        auto *headers = reinterpret_cast<const ElfW(Phdr) *>(bytes.data() + header->e_phoff);
        uint64_t size = 0;
        for (int i = 0; i < header->e_phnum; i++)
            if (headers[i].p_type == PT_LOAD)
                size = (headers[i].p_vaddr + headers[i].p_memsz + 4095) & ~uint64_t{4095};
        int copy = memfd_create("copy", 0);
        size_t kept = cut_bytes < bytes.size() ? cut_bytes : bytes.size();
        EXPECT_EQ(write(copy, bytes.data(), kept), static_cast<ssize_t>(kept));
        auto *at = static_cast<char *>(mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        range = {reinterpret_cast<uint64_t>(at), reinterpret_cast<uint64_t>(at) + size};
        for (int i = 0; i < header->e_phnum; i++) {
            const ElfW(Phdr) &segment = headers[i];
            if (segment.p_type != PT_LOAD)
                continue;
            uint64_t first = segment.p_vaddr & ~uint64_t{4095};
            EXPECT_NE(mmap(at + first, segment.p_vaddr + segment.p_filesz - first, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_FIXED, copy, static_cast<off_t>(segment.p_offset & ~uint64_t{4095})),
                      MAP_FAILED);
            uint64_t end = (segment.p_vaddr + segment.p_filesz + 4095) & ~uint64_t{4095};
            uint64_t memory_end = (segment.p_vaddr + segment.p_memsz + 4095) & ~uint64_t{4095};
            if (memory_end > end) {
                EXPECT_NE(mmap(at + end, memory_end - end, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0),
                          MAP_FAILED);
            }
        }
        close(copy);
    }
    ~Mapped() {
        munmap(reinterpret_cast<void *>(range.begin), range.size());
    }
    Mapped(const Mapped &) = delete;
    Mapped &operator=(const Mapped &) = delete;
    uint8_t *bytes() const {
        return reinterpret_cast<uint8_t *>(range.begin);
    }
    intercept::AddressRange range{};
};

TEST(Loader, MappedFileIsDescribedByItsHeader) {
    Mapped mapped(LATER_OBJECT);
    intercept::Object object;
    ASSERT_TRUE(intercept::describe_mapped(mapped.range, object));
    EXPECT_EQ(object.span.begin, mapped.range.begin);
    intercept::Plan plan;
    ASSERT_TRUE(intercept::plan_object(object, intercept::native_architecture, plan));
    ASSERT_EQ(plan.size(), 2u);
    EXPECT_EQ(plan[0].state, INTERCEPT_SITE_BEFORE);
    EXPECT_EQ(plan[0].number, SYS_getppid);
}

TEST(Loader, FilesThatWereCutShortAreLeftAlone) {
    struct stat status {};
    ASSERT_EQ(stat("/lib/x86_64-linux-gnu/libc.so.6", &status), 0);
    for (size_t part = 0; part < 16; part++) {
        Mapped mapped("/lib/x86_64-linux-gnu/libc.so.6", static_cast<size_t>(status.st_size) * part / 16);
        intercept::Object object;
        EXPECT_FALSE(intercept::describe_mapped(mapped.range, object)) << part;
    }
}

// Whatever the file holds: no crash, no endless loop, no window outside of the text.
TEST(Loader, DamagedFilesArePlannedSafely) {
    std::mt19937_64 random(7);
    unsigned described = 0;
    for (int round = 0; round < 1500; round++) {
        Mapped mapped(round % 2 == 0 ? LATER_OBJECT : SITES_OBJECT);
        unsigned damages = 1 + random() % 20;
        uint64_t within = round % 3 == 0 ? 1024 : mapped.range.size();
        intercept::Object whole;
        ASSERT_TRUE(intercept::describe_mapped(mapped.range, whole));
        for (unsigned i = 0; i < damages; i++) {
            uint64_t at = random() % within;
            if (whole.readable(mapped.range.begin + at, 1))
                mapped.bytes()[at] = static_cast<uint8_t>(random());
        }
        intercept::Object object;
        if (!intercept::describe_mapped(mapped.range, object))
            continue;
        described++;
        intercept::Plan plan;
        ASSERT_TRUE(intercept::plan_object(object, intercept::native_architecture, plan));
        for (const intercept::SitePlan &site : plan) {
            if (site.state != INTERCEPT_SITE_BEFORE && site.state != INTERCEPT_SITE_OVER)
                continue;
            uint64_t begin = object.base + site.site_offset - site.site_in_window;
            EXPECT_TRUE(object.executable(begin) && object.executable(begin + site.window_bytes - 1u));
        }
    }
    EXPECT_GT(described, 300u);
}

std::string output_of(const std::string &command) {
    std::string output;
    FILE *pipe = popen(command.c_str(), "r");
    char buffer[512];
    size_t got;
    while (pipe != nullptr && (got = fread(buffer, 1, sizeof buffer, pipe)) > 0)
        output.append(buffer, got);
    if (pipe != nullptr)
        pclose(pipe);
    return output;
}

// Audit libraries are loaded before anything of ours runs.
TEST(Loader, AuditNamespaceIsCovered) {
    std::string output = output_of("LD_AUDIT=" AUDIT_LIBRARY " LD_PRELOAD=" PASS_ALL
                                   " PASS_ALL_GETPPID=4242 " AUDITED_PROGRAM " " LATER_OBJECT);
    EXPECT_NE(output.find("later 4242\n"), std::string::npos) << output;
    // From the dlopen on; at the program's start nobody could have caught it.
    EXPECT_NE(output.find("audit 4242\n"), std::string::npos) << output;
}

// What a preloaded library has put in front of libc's list of objects is not called: it may not be ready yet.
TEST(Loader, LibraryInFrontOfTheLoadersListIsPassedBy) {
    std::string output = output_of("LD_PRELOAD=" LISTED_OTHERWISE ":" PASS_ALL " PASS_ALL_GETPPID=4242 " AUDITED_PROGRAM
                                   " " LATER_OBJECT " 2>&1");
    EXPECT_EQ(output, "later 4242\n");
}

} // namespace

int main(int argc, char **argv) {
    long number = SYS_getppid;
    intercept_hook hook{serve, answer_getppid, nullptr, 0, &number, 1};
    hook_id = intercept_add(&hook);
    if (hook_id < 0 || intercept_start() != 0)
        return 2;
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
