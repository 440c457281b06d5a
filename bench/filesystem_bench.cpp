// filesystem_bench: the same calls through the library and through plain system calls, so that
// one program measures tmpfs, ext4, a kernel DAX filesystem, and a pool under the preload.
//
//   bench/filesystem_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=5
//                                            Library/… and Posix/… (tmpfs) in one run, interleaved
//   pmemfile run -m DIR=POOL -- bench/filesystem_bench --benchmark_filter=Posix --directory=DIR
//
// The library's pool is made in /dev/shm and removed; PMEM_IS_PMEM_FORCE=1 makes its flushes real.
#include "libpmemfile/include/libpmemfile-posix.h"

#include <benchmark/benchmark.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::string directory = "/dev/shm";

[[noreturn]] void give_up(const char *what) {
    std::fprintf(stderr, "filesystem_bench: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

void must(bool holds, const char *what) {
    if (!holds)
        give_up(what);
}

// The calls that are measured, on the linked library.
class Library {
public:
    using File = PMEMfile *;
    Library() : path_("/dev/shm/pmemfile-bench." + std::to_string(getpid())) {
        unlink(path_.c_str());
        pool_ = pmemfile_pool_create(path_.c_str(), 256ul << 20, 0600);
        must(pool_ != nullptr, pmemfile_errormsg());
    }
    ~Library() {
        pmemfile_pool_close(pool_);
        unlink(path_.c_str());
    }
    Library(const Library &) = delete;
    Library &operator=(const Library &) = delete;
    static bool is_open(File file) {
        return file != nullptr;
    }
    File open(const char *path, int flags) {
        return pmemfile_open(pool_, path, flags, 0644);
    }
    void close(File file) {
        pmemfile_close(pool_, file);
    }
    bool pwrite(File file, const void *bytes, size_t size, off_t offset) {
        return pmemfile_pwrite(pool_, file, bytes, size, offset) == static_cast<ssize_t>(size);
    }
    bool write(File file, const void *bytes, size_t size) {
        return pmemfile_write(pool_, file, bytes, size) == static_cast<ssize_t>(size);
    }
    bool pread(File file, void *bytes, size_t size, off_t offset) {
        return pmemfile_pread(pool_, file, bytes, size, offset) == static_cast<ssize_t>(size);
    }
    bool truncate(File file) {
        return pmemfile_ftruncate(pool_, file, 0) == 0;
    }
    bool rewind(File file) {
        return pmemfile_lseek(pool_, file, 0, SEEK_SET) == 0;
    }
    long getdents(File file, void *buffer, unsigned size) {
        return pmemfile_getdents64(pool_, file, static_cast<struct dirent64 *>(buffer), size);
    }
    bool stat(const char *path, struct stat *stat) {
        return pmemfile_stat(pool_, path, stat) == 0;
    }
    bool unlink_file(const char *path) {
        return pmemfile_unlink(pool_, path) == 0;
    }
    bool rename(const char *from, const char *to) {
        return pmemfile_rename(pool_, from, to) == 0;
    }
    bool mkdir(const char *path) {
        return pmemfile_mkdir(pool_, path, 0755) == 0;
    }
    bool rmdir(const char *path) {
        return pmemfile_rmdir(pool_, path) == 0;
    }

private:
    std::string path_;
    PMEMfilepool *pool_;
};

// The same by system calls below `directory`.
class Posix {
public:
    using File = int;
    Posix() : root_(directory + "/bench." + std::to_string(getpid())) {
        must(::mkdir(root_.c_str(), 0755) == 0, root_.c_str());
        must(chdir(root_.c_str()) == 0, "chdir");
    }
    ~Posix() {
        must(chdir("/") == 0 && ::rmdir(root_.c_str()) == 0, "the benchmark's directory is not empty");
    }
    Posix(const Posix &) = delete;
    Posix &operator=(const Posix &) = delete;
    static bool is_open(File file) {
        return file >= 0;
    }
    File open(const char *path, int flags) {
        return ::open(path, flags, 0644);
    }
    void close(File file) {
        ::close(file);
    }
    bool pwrite(File file, const void *bytes, size_t size, off_t offset) {
        return ::pwrite(file, bytes, size, offset) == static_cast<ssize_t>(size);
    }
    bool write(File file, const void *bytes, size_t size) {
        return ::write(file, bytes, size) == static_cast<ssize_t>(size);
    }
    bool pread(File file, void *bytes, size_t size, off_t offset) {
        return ::pread(file, bytes, size, offset) == static_cast<ssize_t>(size);
    }
    bool truncate(File file) {
        return ftruncate(file, 0) == 0;
    }
    bool rewind(File file) {
        return lseek(file, 0, SEEK_SET) == 0;
    }
    long getdents(File file, void *buffer, unsigned size) {
        return getdents64(file, buffer, size);
    }
    bool stat(const char *path, struct stat *stat) {
        return ::stat(path, stat) == 0;
    }
    bool unlink_file(const char *path) {
        return unlink(path) == 0;
    }
    bool rename(const char *from, const char *to) {
        return ::rename(from, to) == 0;
    }
    bool mkdir(const char *path) {
        return ::mkdir(path, 0755) == 0;
    }
    bool rmdir(const char *path) {
        return ::rmdir(path) == 0;
    }

private:
    std::string root_;
};

constexpr uint64_t file_bytes = 1 << 20;
alignas(4096) char buffer[8192];

template <typename Target> void create_unlink(benchmark::State &state) {
    Target target;
    for (auto _ : state) {
        auto file = target.open("f", O_CREAT | O_EXCL | O_RDWR);
        must(Target::is_open(file), "create");
        target.close(file);
        must(target.unlink_file("f"), "unlink");
    }
}

template <typename Target> void mkdir_rmdir(benchmark::State &state) {
    Target target;
    for (auto _ : state)
        must(target.mkdir("d") && target.rmdir("d"), "mkdir, rmdir");
}

// Runs `act(target, file, i)` on an open file of 1 MiB.
template <typename Target, typename Act> void on_file(benchmark::State &state, Act act) {
    Target target;
    auto file = target.open("f", O_CREAT | O_RDWR);
    must(Target::is_open(file), "create");
    for (uint64_t offset = 0; offset < file_bytes; offset += 4096)
        must(target.pwrite(file, buffer, 4096, static_cast<off_t>(offset)), "write");
    uint64_t i = 0;
    for (auto _ : state)
        act(target, file, i++);
    target.close(file);
    must(target.unlink_file("f"), "unlink");
}

template <typename Target> void open_close(benchmark::State &state) {
    on_file<Target>(state, [](Target &target, auto, uint64_t) {
        auto again = target.open("f", O_RDWR);
        must(Target::is_open(again), "open");
        target.close(again);
    });
}

template <typename Target> void stat_file(benchmark::State &state) {
    on_file<Target>(state, [](Target &target, auto, uint64_t) {
        struct stat stat;
        must(target.stat("f", &stat), "stat");
    });
}

template <typename Target> void rename_file(benchmark::State &state) {
    on_file<Target>(state, [](Target &target, auto, uint64_t) {
        must(target.rename("f", "g") && target.rename("g", "f"), "rename");
    });
}

template <typename Target> void overwrite(benchmark::State &state) {
    const auto size = static_cast<uint64_t>(state.range(0));
    on_file<Target>(state, [size](Target &target, auto file, uint64_t i) {
        must(target.pwrite(file, buffer, size, static_cast<off_t>(i * size % file_bytes)), "overwrite");
    });
}

template <typename Target> void read_file(benchmark::State &state) {
    const auto size = static_cast<uint64_t>(state.range(0));
    on_file<Target>(state, [size](Target &target, auto file, uint64_t i) {
        must(target.pread(file, buffer, size, static_cast<off_t>(i * size % file_bytes)), "read");
    });
}

// Up to 4 MiB, then from the beginning.
template <typename Target> void append(benchmark::State &state) {
    const auto size = static_cast<uint64_t>(state.range(0));
    on_file<Target>(state, [size](Target &target, auto file, uint64_t i) {
        if (i * size % (4 << 20) == 0)
            must(target.truncate(file) && target.rewind(file), "truncate");
        must(target.write(file, buffer, size), "append");
    });
}

template <typename Target> void readdir(benchmark::State &state) {
    Target target;
    constexpr unsigned count = 1000;
    must(target.mkdir("d"), "mkdir");
    for (unsigned i = 0; i < count; ++i)
        must(target.mkdir(("d/" + std::to_string(i)).c_str()), "mkdir");
    auto file = target.open("d", O_RDONLY | O_DIRECTORY);
    for (auto _ : state) {
        must(target.rewind(file), "rewind");
        while (target.getdents(file, buffer, sizeof(buffer)) > 0)
            ;
    }
    target.close(file);
    for (unsigned i = 0; i < count; ++i)
        must(target.rmdir(("d/" + std::to_string(i)).c_str()), "rmdir");
    must(target.rmdir("d"), "rmdir");
}

template <typename Target> void add(const std::string &name) {
    using benchmark::RegisterBenchmark;
    RegisterBenchmark((name + "/create_unlink").c_str(), create_unlink<Target>);
    RegisterBenchmark((name + "/mkdir_rmdir").c_str(), mkdir_rmdir<Target>);
    RegisterBenchmark((name + "/open_close").c_str(), open_close<Target>);
    RegisterBenchmark((name + "/stat").c_str(), stat_file<Target>);
    RegisterBenchmark((name + "/rename_twice").c_str(), rename_file<Target>);
    RegisterBenchmark((name + "/overwrite").c_str(), overwrite<Target>)->Arg(64)->Arg(4096);
    RegisterBenchmark((name + "/append").c_str(), append<Target>)->Arg(64)->Arg(4096);
    RegisterBenchmark((name + "/read").c_str(), read_file<Target>)->Arg(64)->Arg(4096);
    RegisterBenchmark((name + "/readdir_1000").c_str(), readdir<Target>);
}

} // namespace

int main(int argc, char **argv) {
    benchmark::Initialize(&argc, argv);
    constexpr std::string_view option = "--directory=";
    for (int i = 1; i < argc; ++i) {
        if (!std::string_view(argv[i]).starts_with(option)) {
            std::fprintf(stderr, "filesystem_bench: %s is not known\n", argv[i]);
            return 2;
        }
        directory = argv[i] + option.size();
    }
    add<Library>("Library");
    add<Posix>("Posix");
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
