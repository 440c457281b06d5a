// hardening: whole processes that are started under restrictions. Whatever we may not do
// there, the program runs as without us; where a way is left, its calls are caught.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int set_mdwe = 65; // PR_SET_MDWE, since Linux 6.3

struct Restriction {
    const char *name;
    bool (*apply)(); // in the child, before exec. False: this kernel does not know it
    bool caught;     // are the program's calls caught all the same?
};

// Refuses (or kills on) mprotect that makes memory executable, mmap of memory that is
// writable and executable, and membarrier; as systemd's MemoryDenyWriteExecute does.
bool filter_calls(uint32_t verdict, bool executable_mprotect) {
    constexpr unsigned number = offsetof(seccomp_data, nr);
    constexpr unsigned protection = offsetof(seccomp_data, args) + 16;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 8, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, protection),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, executable_mprotect ? PROT_EXEC : 0u, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, protection),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, verdict),
    };
    sock_fprog described = {sizeof program / sizeof *program, program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &described) == 0;
}

bool limit(__rlimit_resource_t what, rlim_t value) {
    rlimit both{value, value};
    return setrlimit(what, &both) == 0;
}

const Restriction restrictions[] = {
    {"None", [] { return true; }, true},
    {"NoExecutableGain", [] { return prctl(set_mdwe, 1, 0, 0, 0) == 0; }, true},
    {"NoExecutableMprotect", [] { return filter_calls(SECCOMP_RET_ERRNO | EPERM, true); }, true},
    {"KilledByMembarrier", [] { return filter_calls(SECCOMP_RET_KILL_PROCESS, false); }, true},
    {"NotRoot",
     [] { return geteuid() != 0 || (setgroups(0, nullptr) == 0 && setgid(65534) == 0 && setuid(65534) == 0); }, true},
    {"NoNewPrivileges", [] { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0; }, true},
    {"NotDumpable", [] { return prctl(PR_SET_DUMPABLE, 0) == 0; }, true},
    {"FewDescriptors", [] { return limit(RLIMIT_NOFILE, 12); }, true},
    {"LittleMemory", [] { return limit(RLIMIT_AS, 64 << 20); }, true},
    {"UnlimitedStack", [] { return limit(RLIMIT_STACK, RLIM_INFINITY); }, true}, // memory from the bottom up
    {"SmallStack", [] { return limit(RLIMIT_STACK, 128 << 10); }, true},
    {"NoRandomAddresses", [] { return personality(ADDR_NO_RANDOMIZE) != -1; }, true},
    {"ReadImpliesExec", [] { return personality(READ_IMPLIES_EXEC) != -1; }, true},
};

// A copy that any user may read, wherever the build lies; it goes with the test.
class ReadableCopy {
public:
    explicit ReadableCopy(const std::filesystem::path &library)
        : directory_(std::filesystem::temp_directory_path() /
                     (library.stem().string() + "." + std::to_string(getpid()))),
          path_(directory_ / library.filename()) {
        std::filesystem::create_directory(directory_);
        std::filesystem::permissions(directory_, std::filesystem::perms(0755));
        std::filesystem::copy_file(library, path_);
        std::filesystem::permissions(path_, std::filesystem::perms(0755));
    }
    ~ReadableCopy() {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    ReadableCopy(const ReadableCopy &) = delete;
    ReadableCopy &operator=(const ReadableCopy &) = delete;
    const char *path() const {
        return path_.c_str();
    }

private:
    std::filesystem::path directory_;
    std::filesystem::path path_;
};

// Output and status of a shell under `restriction`, with `library` preloaded.
std::string run(const Restriction &restriction, const char *library, const char *script, bool &known) {
    int ends[2];
    int known_ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(known_ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        unsetenv("HOME");
        setenv("PMEMFILE_CACHE_DIR", "/does/not/exist", 1); // everything is planned anew
        if (library != nullptr)
            setenv("LD_PRELOAD", library, 1);
        char told = restriction.apply() ? 'y' : 'n';
        if (syscall(SYS_write, known_ends[1], &told, 1) != 1)
            _exit(125);
        execl("/bin/sh", "sh", "-c", script, nullptr);
        _exit(126);
    }
    close(ends[1]);
    close(known_ends[1]);
    char told = 'n';
    EXPECT_EQ(read(known_ends[0], &told, 1), 1);
    known = told == 'y';
    std::string output;
    char buffer[4096];
    for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
        output.append(buffer, static_cast<size_t>(got));
    int status = 0;
    waitpid(child, &status, 0);
    close(ends[0]);
    close(known_ends[0]);
    return output + "status " + std::to_string(status);
}

class Hardening : public testing::TestWithParam<Restriction> {};

TEST_P(Hardening, ProgramRunsAsWithoutUs) {
    constexpr const char *script = "echo a | cat; (exit 3); echo $?; exec 3>/dev/null; echo x >&3; cd /; pwd";
    bool known = false;
    std::string without = run(GetParam(), nullptr, script, known);
    ASSERT_TRUE(known) << "the kernel must know all of these";
    EXPECT_EQ(without, "a\n3\n/\nstatus 0");
    for (const char *library : {PASS_ALL, TRACE_ALL})
        EXPECT_EQ(run(GetParam(), ReadableCopy(library).path(), script, known), without) << library;
}

// An answer that only the hook gives.
TEST_P(Hardening, CallsAreCaught) {
    setenv("PASS_ALL_GETPPID", "4242", 1);
    bool known = false;
    std::string answer = run(GetParam(), ReadableCopy(PASS_ALL).path(), "echo $PPID", known);
    unsetenv("PASS_ALL_GETPPID");
    if (GetParam().caught)
        EXPECT_EQ(answer, "4242\nstatus 0");
    else
        EXPECT_NE(answer.find("status 0"), std::string::npos) << answer;
}

// Level 2 needs memory that is written and executed again and again: without it, level 0 is there nevertheless.
TEST(HardeningLevels, LevelThatIsNotPossibleTakesNoOtherAlong) {
    const Restriction no_executable_gain{"", [] { return prctl(set_mdwe, 1, 0, 0, 0) == 0; }, true};
    setenv("PASS_ALL_GETPPID", "4242", 1);
    setenv("INTERCEPT_LEVELS", "0,2", 1);
    bool known = false;
    std::string answer = run(no_executable_gain, ReadableCopy(PASS_ALL).path(), "echo $PPID", known);
    unsetenv("PASS_ALL_GETPPID");
    unsetenv("INTERCEPT_LEVELS");
    EXPECT_NE(answer.find("4242\nstatus 0"), std::string::npos) << answer;
    EXPECT_NE(answer.find("level 2"), std::string::npos) << answer;
}

INSTANTIATE_TEST_SUITE_P(Restrictions, Hardening, testing::ValuesIn(restrictions),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
