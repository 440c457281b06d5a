// scale_bench: what stays flat when a pool grows, what two threads or two processes gain, what a
// file costs in space, and how long an attach takes. Prints a table; no test fails on it.
//
//   bench/scale_bench [--entries N] [--only PART]... [--directory DIR]
//
// N: size of the large directory (10,000,000); DIR: where the pools are made (/dev/shm). So that pages of 2 MiB are
// measured, as a DAX filesystem has them: mount -t tmpfs -o huge=always none DIR.
//
// Compared cases take turns in short rounds; each figure is the median of its rounds: processor time, but for
// attach and what two workers gain.
#include "bench/target.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <vector>

namespace {

using namespace bench;

constexpr int rounds = 15;
std::string pool_directory = "/dev/shm";

double now_ns() {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

struct Measured {
    double first_ns, second_ns;
};

// Nanoseconds of processor time per call of `first` and `second`, which make `calls` calls each time they run.
Measured in_turns(unsigned calls, const std::function<void()> &first, const std::function<void()> &second) {
    std::vector<double> times[2];
    for (int round = 0; round < rounds; ++round)
        for (int which = 0; which < 2; ++which) {
            const double begin = processor_ns();
            (which == 0 ? first : second)();
            times[which].push_back((processor_ns() - begin) / calls);
        }
    return {median(times[0]), median(times[1])};
}

void line(const std::string &what, double first, double second, const char *target) {
    fmt::print("{:<44} {:>10.0f} {:>10.0f}   x{:<6.2f} {}\n", what, first, second, second / first, target);
    std::fflush(stdout);
}

// A pool that is removed at the end, or another process's, which stays.
class BenchPool {
public:
    explicit BenchPool(uint64_t size_bytes)
        : path(fmt::format("{}/pmemfile-scale.{}.{}", pool_directory, getpid(), serial_++)), is_own_(true) {
        pool = pmemfile_pool_create(path.c_str(), size_bytes, 0600);
        must(pool != nullptr, pmemfile_errormsg());
    }
    explicit BenchPool(const std::string &existing)
        : path(existing), pool(pmemfile_pool_open(existing.c_str())), is_own_(false) {
        must(pool != nullptr, pmemfile_errormsg());
    }
    ~BenchPool() {
        if (pool != nullptr)
            pmemfile_pool_close(pool);
        if (is_own_)
            unlink(path.c_str());
    }
    BenchPool(const BenchPool &) = delete;
    BenchPool &operator=(const BenchPool &) = delete;

    PMEMfile *open(const std::string &name, int flags) const {
        PMEMfile *file = pmemfile_open(pool, name.c_str(), flags, 0644);
        must(file != nullptr, name.c_str());
        return file;
    }
    void write(PMEMfile *file, uint64_t offset_bytes, const void *bytes, size_t size) const {
        must(pmemfile_pwrite(pool, file, bytes, size, static_cast<off_t>(offset_bytes)) == static_cast<ssize_t>(size),
             "write");
    }
    void make_file(const std::string &name, size_t size) const {
        static char bytes[1 << 16];
        PMEMfile *file = open(name, O_CREAT | O_EXCL | O_RDWR);
        if (size != 0)
            write(file, 0, bytes, size);
        pmemfile_close(pool, file);
    }
    uint64_t used_bytes() const {
        pmemfile_statfs_t statfs;
        must(pmemfile_statfs(pool, &statfs) == 0, "statfs");
        return (statfs.f_blocks - statfs.f_bfree) * static_cast<uint64_t>(statfs.f_bsize);
    }
    void close() {
        pmemfile_pool_close(pool);
        pool = nullptr;
    }

    const std::string path;
    PMEMfilepool *pool = nullptr;

private:
    static inline int serial_ = 0;
    const bool is_own_;
};

// Create, look up and unlink in a directory of 1,000 entries and one of `entries`; attach.
void directories(uint64_t entries) {
    BenchPool pool(std::max<uint64_t>(512ul << 20, entries * 700));
    for (const auto &[name, count] : {std::pair{"small", uint64_t{1000}}, std::pair{"large", entries}}) {
        must(pmemfile_mkdir(pool.pool, name, 0755) == 0, "mkdir");
        for (uint64_t i = 0; i < count; ++i)
            pool.make_file(fmt::format("{}/{}", name, i), 0);
    }
    constexpr unsigned calls = 2000;
    std::vector<std::string> there[2], fresh[2];
    uint64_t scrambled = 1;
    for (unsigned i = 0; i < calls; ++i) {
        scrambled = scrambled * 6364136223846793005u + 1442695040888963407u;
        there[0].push_back(fmt::format("small/{}", (scrambled >> 20) % 1000));
        there[1].push_back(fmt::format("large/{}", (scrambled >> 20) % entries));
        fresh[0].push_back(fmt::format("small/new-{}", scrambled));
        fresh[1].push_back(fmt::format("large/new-{}", scrambled));
    }
    const auto each = [](const std::vector<std::string> &names, auto act) {
        for (const std::string &name : names)
            act(name.c_str());
    };
    const auto stat = [&](const char *name) {
        struct stat stat;
        must(pmemfile_stat(pool.pool, name, &stat) == 0, name);
    };
    const auto make = [&](const char *name) { pool.make_file(name, 0); };
    const auto remove = [&](const char *name) { must(pmemfile_unlink(pool.pool, name) == 0, name); };
    const std::string size = fmt::format("1,000 and {} entries", entries);
    Measured looked = in_turns(
        calls, [&] { each(there[0], stat); }, [&] { each(there[1], stat); });
    line("look up, " + size, looked.first_ns, looked.second_ns, "(target 1.5)");
    std::vector<double> times[4];
    for (int round = 0; round < rounds; ++round)
        for (int which = 0; which < 2; ++which) {
            const double begin = processor_ns();
            each(fresh[which], make);
            const double middle = processor_ns();
            each(fresh[which], remove);
            times[which].push_back((middle - begin) / calls);
            times[2 + which].push_back((processor_ns() - middle) / calls);
        }
    line("create, " + size, median(times[0]), median(times[1]), "(target 1.5)");
    line("unlink, " + size, median(times[2]), median(times[3]), "(target 1.5)");

    const auto attach_ns = [&] {
        const double begin = now_ns();
        PMEMfilepool *again = pmemfile_pool_open(pool.path.c_str());
        must(again != nullptr, pmemfile_errormsg());
        const double taken = now_ns() - begin;
        pmemfile_pool_close(again);
        return taken;
    };
    // In a child, as another process does it; in a pool that is attached, and in one that is not.
    const auto in_child = [&](const char *what, const char *target) {
        std::fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            std::vector<double> taken;
            for (int round = 0; round < rounds; ++round)
                taken.push_back(attach_ns());
            fmt::print("{:<44} {:>10.0f} ns {}\n", what, median(taken), target);
            std::fflush(stdout);
            _exit(0);
        }
        waitpid(child, nullptr, 0);
    };
    in_child("attach of the second process", "(target 60,000)");
    pool.close();
    in_child(fmt::format("attach of the first, {} files", entries + 1000).c_str(), "(target 5,000,000)");
}

// Random reads and overwrites of 4 KiB in 16 MiB and, sparse, in 16 GiB.
void files() {
    BenchPool pool(1ul << 30);
    constexpr uint64_t blocks = 4096;
    static char block[4096];
    PMEMfile *file[2];
    uint64_t stride[2] = {4096, 4ul << 20};
    for (int which = 0; which < 2; ++which) {
        file[which] = pool.open(which == 0 ? "small" : "large", O_CREAT | O_RDWR);
        for (uint64_t i = 0; i < blocks; ++i)
            pool.write(file[which], i * stride[which], block, sizeof block);
    }
    const auto offset = [&](int which, uint64_t i) { return i * 1237 % blocks * stride[which]; };
    const auto read = [&](int which) {
        for (uint64_t i = 0; i < blocks; ++i)
            must(pmemfile_pread(pool.pool, file[which], block, sizeof block, static_cast<off_t>(offset(which, i))) ==
                     sizeof block,
                 "read");
    };
    const auto overwrite = [&](int which) {
        for (uint64_t i = 0; i < blocks; ++i)
            pool.write(file[which], offset(which, i), block, sizeof block);
    };
    Measured reads = in_turns(
        blocks, [&] { read(0); }, [&] { read(1); });
    line("random read of 4 KiB, 16 MiB and 16 GiB", reads.first_ns, reads.second_ns, "(target 1.3)");
    Measured writes = in_turns(
        blocks, [&] { overwrite(0); }, [&] { overwrite(1); });
    line("random overwrite of 4 KiB, 16 MiB and 16 GiB", writes.first_ns, writes.second_ns, "(target 1.3)");
    for (PMEMfile *one : file)
        pmemfile_close(pool.pool, one);
}

// `work(pool, worker, i)` is one call.
using Work = std::function<void(const BenchPool &, unsigned worker, uint64_t i)>;

// The workers of a round, in memory that processes share. The clock runs from when all are ready to the last one's last
// call: neither starts nor ends count.
class Race {
public:
    static Race &start() {
        void *memory = mmap(nullptr, sizeof(Race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        must(memory != MAP_FAILED, "mmap");
        return *static_cast<Race *>(memory);
    }
    // A worker: a quarter of its calls before the clock runs, for the first touches of pages.
    void run(const BenchPool &pool, unsigned worker, uint64_t calls, const Work &work) {
        uint64_t i = 0;
        for (; i < calls / 4; ++i)
            work(pool, worker, i);
        ready_++;
        while (!has_begun_)
            std::this_thread::yield(); // to the one who is to begin, also by a real-time scheduler
        for (; i < calls / 4 + calls; ++i)
            work(pool, worker, i);
        const double now = now_ns();
        for (double last = last_end_ns_; last < now && !last_end_ns_.compare_exchange_weak(last, now);) {
        }
    }
    void begin(unsigned workers) {
        while (ready_ < workers)
            usleep(100);
        begin_ns_ = now_ns();
        has_begun_ = true;
    }
    // When all workers have ended. The memory is gone then.
    double finish_ns() {
        const double duration_ns = last_end_ns_ - begin_ns_;
        munmap(this, sizeof(Race));
        return duration_ns;
    }

private:
    std::atomic<unsigned> ready_;
    std::atomic<bool> has_begun_;
    std::atomic<double> last_end_ns_;
    double begin_ns_;
};

double threads_ns(const BenchPool &pool, unsigned count, uint64_t calls, const Work &work) {
    Race &race = Race::start();
    std::vector<std::thread> workers;
    for (unsigned worker = 0; worker < count; ++worker)
        workers.emplace_back([&, worker] { race.run(pool, worker, calls, work); });
    race.begin(count);
    for (std::thread &worker : workers)
        worker.join();
    return race.finish_ns();
}

double processes_ns(const BenchPool &pool, unsigned count, uint64_t calls, const Work &work) {
    Race &race = Race::start();
    std::vector<pid_t> children;
    for (unsigned worker = 0; worker < count; ++worker) {
        const pid_t child = fork();
        if (child == 0) {
            {
                const BenchPool view(pool.path); // the parent's must not be used here
                race.run(view, worker, calls, work);
            }
            _exit(0);
        }
        children.push_back(child);
    }
    race.begin(count);
    for (const pid_t child : children) {
        int status = 0;
        waitpid(child, &status, 0);
        must(status == 0, "a worker failed");
    }
    return race.finish_ns();
}

// What two workers get done in the time of one. The machine's moods last longer than a round: the four cases take
// turns, and the median of the rounds' ratios counts.
void scale(const char *what, const char *target, uint64_t calls, const Work &work) {
    constexpr int scaling_rounds = 21;
    BenchPool pool(768ul << 20);
    static char block[4096];
    for (const char *name : {"private-0", "private-1", "shared"}) {
        PMEMfile *file = pool.open(name, O_CREAT | O_RDWR);
        for (uint64_t i = 0; i < 1024; ++i)
            pool.write(file, i * sizeof block, block, sizeof block);
        pmemfile_close(pool.pool, file);
    }
    must(pmemfile_mkdir(pool.pool, "directory", 0755) == 0, "mkdir");
    std::vector<double> threads, processes, one_ns;
    for (int round = 0; round < scaling_rounds; ++round) {
        one_ns.push_back(threads_ns(pool, 1, calls, work));
        threads.push_back(2 * one_ns.back() / threads_ns(pool, 2, calls, work));
        const double one_process = processes_ns(pool, 1, calls, work);
        processes.push_back(2 * one_process / processes_ns(pool, 2, calls, work));
    }
    fmt::print("{:<44} {:>6.0f} ns   threads x{:.2f}  processes x{:.2f}  {}\n", what,
               median(one_ns) / static_cast<double>(calls), median(threads), median(processes), target);
    std::fflush(stdout);
}

// The thread's own open file, opened at its first call.
PMEMfile *file_of(const BenchPool &pool, const std::string &name) {
    thread_local PMEMfilepool *opened_in = nullptr;
    thread_local std::string opened;
    thread_local PMEMfile *file = nullptr;
    if (opened_in != pool.pool || opened != name) {
        file = pool.open(name, O_RDWR); // closed with the pool
        opened_in = pool.pool;
        opened = name;
    }
    return file;
}

void scaling() {
    thread_local char block[4096];
    const auto offset = [](uint64_t i) { return static_cast<off_t>(i * 4096 % (4 << 20)); };
    // What the machine itself gives: two hardware threads of one core gain little.
    scale("nothing of ours: additions", "", 100000, [](auto &, unsigned, uint64_t) {
        for (int i = 0; i < 1000; ++i)
            asm volatile("" ::: "memory");
    });
    scale("nothing of ours: copies of 4 KiB in 4 MiB", "", 500000, [&](auto &, unsigned, uint64_t i) {
        thread_local std::vector<char> content(4 << 20, 1);
        std::memcpy(block, content.data() + offset(i), sizeof block);
        asm volatile("" ::: "memory");
    });
    scale("overwrite of 4 KiB, private files", "(target 1.8)", 100000, [&](auto &pool, unsigned worker, uint64_t i) {
        pool.write(file_of(pool, fmt::format("private-{}", worker)), static_cast<uint64_t>(offset(i)), block, 4096);
    });
    scale("create and unlink, one directory", "(target 1.4)", 50000, [](auto &pool, unsigned worker, uint64_t i) {
        const std::string name = fmt::format("directory/{}-{}", worker, i);
        pool.make_file(name, 0);
        must(pmemfile_unlink(pool.pool, name.c_str()) == 0, "unlink");
    });
    scale("read of 4 KiB, one file", "(target 1.9)", 500000, [&](auto &pool, unsigned, uint64_t i) {
        must(pmemfile_pread(pool.pool, file_of(pool, "shared"), block, 4096, offset(i)) == 4096, "read");
    });
}

void space() {
    {
        BenchPool pool(1ul << 30);
        const uint64_t before = pool.used_bytes();
        constexpr uint64_t count = 200000;
        for (uint64_t i = 0; i < count; ++i)
            pool.make_file(fmt::format("f{}", i), 100);
        const auto used = static_cast<double>(pool.used_bytes() - before);
        fmt::print("{:<44} {:>10.0f} bytes each    (target 600)\n", "files of 100 bytes", used / count);
    }
    BenchPool pool(1ul << 30);
    const uint64_t before = pool.used_bytes();
    constexpr uint64_t count = 10000, size = 65536;
    for (uint64_t i = 0; i < count; ++i)
        pool.make_file(fmt::format("f{}", i), size);
    const auto used = static_cast<double>(pool.used_bytes() - before);
    fmt::print("{:<44} {:>10.2f} % more than their content (target 2)\n", "files of 64 KiB",
               (used / (count * size) - 1) * 100);
}

} // namespace

int main(int argc, char **argv) {
    CLI::App app("Measures what stays flat when a pool grows, and what two workers gain.");
    uint64_t entries = 10'000'000;
    std::vector<std::string> only;
    app.add_option("--entries", entries, "entries of the large directory")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--only", only, "directories, files, scaling or space; may be given several times")
        ->check(CLI::IsMember({"directories", "files", "scaling", "space"}));
    app.add_option("--directory", pool_directory, "where the pools are made")
        ->capture_default_str()
        ->check(CLI::ExistingDirectory);
    CLI11_PARSE(app, argc, argv);
    const std::pair<const char *, std::function<void()>> parts[] = {
        {"files", files}, {"scaling", scaling}, {"space", space}, {"directories", [&] { directories(entries); }}};
    for (const auto &[name, run] : parts)
        if (only.empty() || std::find(only.begin(), only.end(), name) != only.end())
            run();
    return 0;
}
