// pmemfile doctor: looks at what this machine gives: libc, kernel, processor, memory, limits. One
// line each: "ok", "note" (works, less well) or "bad" (something will not work).
#include "tools/commands.h"
#include "tools/mount_registry.h"
#include "tools/mount_words.h"
#include "tools/pool_image.h"
#include "tools/preload_path.h"

#include <cerrno>
#include <climits>
#include <cpuid.h>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gnu/libc-version.h>
#include <linux/magic.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace tools {

namespace {

class Findings {
public:
    template <typename... Args> void ok(const char *what, fmt::format_string<Args...> format, Args &&...args) {
        line("ok", what, fmt::format(format, std::forward<Args>(args)...));
    }
    template <typename... Args> void note(const char *what, fmt::format_string<Args...> format, Args &&...args) {
        line("note", what, fmt::format(format, std::forward<Args>(args)...));
    }
    template <typename... Args> void bad(const char *what, fmt::format_string<Args...> format, Args &&...args) {
        is_bad_ = true;
        line("bad", what, fmt::format(format, std::forward<Args>(args)...));
    }
    bool is_bad() const {
        return is_bad_;
    }

private:
    static void line(const char *mark, const char *what, const std::string &text) {
        fmt::print("{:4}  {:16} {}\n", mark, what, text);
    }
    bool is_bad_ = false;
};

std::string first_line(const char *path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

void look_at_system(Findings &findings) {
    int major = 0;
    int minor = 0;
    sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor);
    if (major == 2 && minor >= 34)
        findings.ok("libc", "glibc {}", gnu_get_libc_version());
    else
        findings.note("libc", "glibc {}; developed with 2.36", gnu_get_libc_version());
    utsname system = {};
    uname(&system);
    sscanf(system.release, "%d.%d", &major, &minor);
    if (std::strcmp(system.machine, "x86_64") != 0)
        findings.bad("processor", "{}; only x86_64 is served", system.machine);
    if (major > 5 || (major == 5 && minor >= 10))
        findings.ok("kernel", "Linux {}", system.release);
    else
        findings.note("kernel", "Linux {}; developed with 6.1, not tried below 5.10", system.release);
    if (sysconf(_SC_PAGESIZE) != 4096)
        findings.bad("pages", "{} bytes; pools have blocks of 4096", sysconf(_SC_PAGESIZE));
}

void look_at_processor(Findings &findings) {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    __get_cpuid_count(7, 0, &a, &b, &c, &d);
    const bool has_clwb = (b & (1u << 24)) != 0;
    const bool has_clflushopt = (b & (1u << 23)) != 0;
    if (has_clwb)
        findings.ok("flush", "clwb");
    else
        findings.note("flush", "{}; on persistent memory a flushed line is fetched again",
                      has_clflushopt ? "clflushopt, no clwb" : "clflush only");
    constexpr unsigned long hwcap2_fsgsbase = 2;
    if ((getauxval(AT_HWCAP2) & hwcap2_fsgsbase) != 0)
        findings.ok("fsgsbase", "yes");
    else
        findings.note("fsgsbase", "no: a change of a thread's base costs a system call");
}

void look_at_huge_pages(Findings &findings) {
    const std::string shmem = first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    const size_t begin = shmem.find('[');
    const std::string chosen = begin == std::string::npos ? "" : shmem.substr(begin + 1, shmem.find(']') - begin - 1);
    if (chosen == "always" || chosen == "within_size" || chosen == "advise" || chosen == "force")
        findings.ok("huge pages", "shmem_enabled is {}", chosen);
    else
        findings.note("huge pages", "shmem_enabled is {}: pools on /dev/shm are mapped by 4 KiB pages",
                      chosen.empty() ? "not there" : chosen);
}

void look_at_shared_memory(Findings &findings) {
    struct statfs filesystem = {};
    struct statvfs room = {};
    if (statfs("/dev/shm", &filesystem) != 0 || filesystem.f_type != TMPFS_MAGIC) {
        findings.bad("/dev/shm", "is no tmpfs: the processes of a pool meet there");
        return;
    }
    statvfs("/dev/shm", &room);
    const uint64_t free_bytes = uint64_t{room.f_bavail} * room.f_frsize;
    if (access("/dev/shm", W_OK) != 0)
        findings.bad("/dev/shm", "not writable: {}", std::strerror(errno));
    else if (room.f_blocks == 0)
        findings.ok("/dev/shm", "without a limit");
    else if (free_bytes < 64u << 20)
        findings.bad("/dev/shm", "{} MiB free; each pool in use wants some 16 MiB", free_bytes >> 20);
    else
        findings.ok("/dev/shm", "{} MiB free", free_bytes >> 20);
}

void look_at_limits(Findings &findings) {
    const std::string maps = first_line("/proc/sys/vm/max_map_count");
    const unsigned long map_count = std::strtoul(maps.c_str(), nullptr, 10);
    if (map_count >= 65530)
        findings.ok("max_map_count", "{}", map_count);
    else
        findings.note("max_map_count", "{}; a mapped file in more pieces than that is ENOMEM", map_count);
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= 1024)
        findings.ok("open files", "{}", limit.rlim_cur);
    else
        findings.note("open files", "{}; three for each pool are taken from them", limit.rlim_cur);
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY)
        findings.ok("memlock", "unlimited");
    else
        findings.ok("memlock", "{} KiB (only mlock in programs wants it)", limit.rlim_cur >> 10);
    getrlimit(RLIMIT_AS, &limit);
    if (limit.rlim_cur != RLIM_INFINITY)
        findings.note("address space", "limited to {} MiB: each pool is mapped whole", limit.rlim_cur >> 20);
}

// Where the interceptor looks (intercept/plan/plan_cache.cpp).
void look_at_plan_cache(Findings &findings) {
    const auto absolute = [](const char *name) {
        const char *value = getenv(name);
        return std::string(value != nullptr && value[0] == '/' && value[1] != 0 ? value : "");
    };
    std::string directory = absolute("PMEMFILE_CACHE_DIR");
    if (directory.empty() && !absolute("XDG_CACHE_HOME").empty())
        directory = absolute("XDG_CACHE_HOME") + "/pmemfile";
    if (directory.empty() && !absolute("HOME").empty())
        directory = absolute("HOME") + "/.cache/pmemfile";
    if (directory.empty()) {
        findings.note("plan cache", "not below a home directory: in /tmp");
        return;
    }
    std::filesystem::path there = directory; // what of it is there
    std::error_code error;
    while (there.has_relative_path() && !std::filesystem::exists(there, error))
        there = there.parent_path();
    if (access(there.c_str(), W_OK) == 0)
        findings.ok("plan cache", "{}", directory);
    else
        findings.note("plan cache", "{}: {}; each program is planned anew", directory, std::strerror(errno));
}

void look_at_ourselves(Findings &findings) {
    const std::string preload = find_preload();
    if (preload.empty())
        findings.bad("preload", "{} is not found", preload_name);
    else if (preload.find_first_of(": ") != std::string::npos)
        findings.bad("preload", "{}: the path may not hold ':' or ' '", preload);
    else
        findings.ok("preload", "{}", preload);
    look_at_plan_cache(findings);
    if (const char *disabled = getenv("PMEMFILE_DISABLE"); disabled != nullptr && std::strcmp(disabled, "0") != 0)
        findings.note("PMEMFILE_DISABLE", "is set: no program sees a pool");
}

void look_at_mounts(Findings &findings) {
    constexpr size_t mounts_max = 8; // of a process (posix-shim/process/mount.h)
    const auto mounts = registry_read();
    if (!mounts) {
        findings.bad("mounts", "the list cannot be read");
        return;
    }
    std::vector<RegisteredMount> good;
    for (const RegisteredMount &mount : *mounts) {
        MountWords words;
        std::string wrong = find_mount(mount.directory, mount.pool, mount.is_read_only(), words);
        const RegisteredMount whole = {words.pool, words.directory, mount.options};
        for (const RegisteredMount &other : good)
            if (wrong.empty())
                wrong = registry_conflict(other, whole);
        if (wrong.empty() && good.size() == mounts_max)
            wrong = fmt::format("{}: more than {} mounts", mount.directory, mounts_max);
        if (PoolImage look; wrong.empty())
            if (const std::string damage = look.open(words.pool, ImageMode::look); !damage.empty())
                wrong = words.pool + " " + damage;
        std::error_code error;
        if (!wrong.empty())
            findings.bad("mount", "{}", wrong);
        else if (!std::filesystem::is_empty(mount.directory, error) && !error)
            findings.note("mount", "{} is not empty: what slips past us acts on what lies there", mount.directory);
        else
            findings.ok("mount", "{} on {}", mount.pool, mount.directory);
        if (wrong.empty())
            good.push_back(whole);
    }
}

int doctor() {
    Findings findings;
    look_at_system(findings);
    look_at_processor(findings);
    look_at_huge_pages(findings);
    look_at_shared_memory(findings);
    look_at_limits(findings);
    look_at_ourselves(findings);
    look_at_mounts(findings);
    return findings.is_bad() ? 1 : 0;
}

} // namespace

void add_doctor(CLI::App &app, Action &action) {
    CLI::App *command = app.add_subcommand("doctor", "Look at what this machine gives: libc, kernel, memory, limits");
    command->footer("Exit code: 1 when something will not work (\"bad\"), else 0.");
    command->callback([&action] { action = doctor; });
}

} // namespace tools
