// filesystem_bench: the same calls through the library and through plain system calls, so that
// one program measures tmpfs, ext4, a kernel DAX filesystem, and a pool under the preload; and
// beside them the floor, the bare copies and fences (floor.h). It prints the ratios.
//
//   bench/filesystem_bench                   Library/…, Posix/… (tmpfs), Floor/… in one run, interleaved
//   PMEM_IS_PMEM_FORCE=1 bench/filesystem_bench      the same with real flushes: look at /floor
//   pmemfile run -m DIR=POOL -- bench/filesystem_bench --benchmark_filter=Posix --directory=DIR
//
// The library's pool is made in /dev/shm and removed.
#include "bench/floor.h"
#include "bench/ratio_table.h"
#include "bench/target.h"

#include <benchmark/benchmark.h>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace bench;

constexpr uint64_t small_file_bytes = 1 << 20;
constexpr uint64_t large_file_bytes = 256 << 20;
constexpr uint64_t append_limit_bytes = 64 << 20;
alignas(4096) char buffer[1 << 20];

// One pool, one directory, one floor for the whole run.
template <typename Target> Target &the() {
    static Target target;
    return target;
}

template <typename Target> void create_unlink(benchmark::State &state) {
    Target &target = the<Target>();
    for (auto _ : state) {
        auto file = target.open("f", O_CREAT | O_EXCL | O_RDWR);
        must(Target::is_open(file), "create");
        target.close(file);
        must(target.unlink_file("f"), "unlink");
    }
}

template <typename Target> void mkdir_rmdir(benchmark::State &state) {
    Target &target = the<Target>();
    for (auto _ : state)
        must(target.mkdir("d") && target.rmdir("d"), "mkdir, rmdir");
}

// Runs `act(target, file, i)` on an open file of `file_bytes`.
template <typename Target, typename Act> void on_file(benchmark::State &state, uint64_t file_bytes, Act act) {
    Target &target = the<Target>();
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
    on_file<Target>(state, 0, [](Target &target, auto, uint64_t) {
        auto again = target.open("f", O_RDWR);
        must(Target::is_open(again), "open");
        target.close(again);
    });
}

template <typename Target> void stat_file(benchmark::State &state) {
    Target &target = the<Target>();
    must(target.mkdir("a") && target.mkdir("a/b") && target.mkdir("a/b/c"), "mkdir");
    for (auto _ : state) {
        struct stat stat;
        must(target.stat("a/b/c", &stat), "stat");
    }
    must(target.rmdir("a/b/c") && target.rmdir("a/b") && target.rmdir("a"), "rmdir");
}

template <typename Target> void rename_file(benchmark::State &state) {
    on_file<Target>(state, 0, [](Target &target, auto, uint64_t) {
        must(target.rename("f", "g") && target.rename("g", "f"), "rename");
    });
}

template <typename Target> void link_unlink(benchmark::State &state) {
    on_file<Target>(state, 0, [](Target &target, auto, uint64_t) {
        must(target.link("f", "g") && target.unlink_file("g"), "link, unlink");
    });
}

template <typename Target> void overwrite(benchmark::State &state) {
    const auto size = static_cast<uint64_t>(state.range(0));
    on_file<Target>(state, small_file_bytes, [size](Target &target, auto file, uint64_t i) {
        must(target.pwrite(file, buffer, size, static_cast<off_t>(i * size % small_file_bytes)), "overwrite");
    });
}

template <typename Target> void read_hot(benchmark::State &state) {
    const auto size = static_cast<uint64_t>(state.range(0));
    on_file<Target>(state, small_file_bytes, [size](Target &target, auto file, uint64_t i) {
        must(target.pread(file, buffer, size, static_cast<off_t>(i * size % small_file_bytes)), "read");
    });
}

// Every block once in a scrambled order before any comes again.
uint64_t scrambled_offset(uint64_t i) {
    return i * 40503 * 4096 % large_file_bytes;
}

template <typename Target> void read_random(benchmark::State &state) {
    on_file<Target>(state, large_file_bytes, [](Target &target, auto file, uint64_t i) {
        must(target.pread(file, buffer, 4096, static_cast<off_t>(scrambled_offset(i))), "read");
    });
}

// Up to 64 MiB, then a new file; emptying it is not counted.
template <typename Target> void append(benchmark::State &state) {
    const auto size = static_cast<uint64_t>(state.range(0));
    on_file<Target>(state, 0, [size, &state](Target &target, auto file, uint64_t i) {
        if (i * size % append_limit_bytes == 0) {
            state.PauseTiming();
            must(target.truncate(file) && target.rewind(file), "truncate");
            state.ResumeTiming();
        }
        must(target.write(file, buffer, size), "append");
    });
}

template <typename Target> void readdir(benchmark::State &state) {
    Target &target = the<Target>();
    constexpr unsigned count = 1000;
    must(target.mkdir("d"), "mkdir");
    for (unsigned i = 0; i < count; ++i)
        must(target.mkdir(("d/" + std::to_string(i)).c_str()), "mkdir");
    auto file = target.open("d", O_RDONLY | O_DIRECTORY);
    for (auto _ : state) {
        must(target.rewind(file), "rewind");
        while (target.getdents(file, buffer, 32768) > 0)
            ;
    }
    target.close(file);
    for (unsigned i = 0; i < count; ++i)
        must(target.rmdir(("d/" + std::to_string(i)).c_str()), "rmdir");
    must(target.rmdir("d"), "rmdir");
}

template <typename Target> void add(const std::string &name) {
    using benchmark::RegisterBenchmark;
    RegisterBenchmark((name + "/read").c_str(), read_hot<Target>)->Arg(64)->Arg(4096);
    RegisterBenchmark((name + "/read_random_4096").c_str(), read_random<Target>);
    RegisterBenchmark((name + "/overwrite").c_str(), overwrite<Target>)->Arg(64)->Arg(4096);
    RegisterBenchmark((name + "/append").c_str(), append<Target>)->Arg(64)->Arg(4096)->Arg(1 << 20);
    RegisterBenchmark((name + "/create_unlink").c_str(), create_unlink<Target>);
    RegisterBenchmark((name + "/mkdir_rmdir").c_str(), mkdir_rmdir<Target>);
    RegisterBenchmark((name + "/rename_twice").c_str(), rename_file<Target>);
    RegisterBenchmark((name + "/link_unlink").c_str(), link_unlink<Target>);
    RegisterBenchmark((name + "/stat_3_components").c_str(), stat_file<Target>);
    RegisterBenchmark((name + "/open_close").c_str(), open_close<Target>);
    RegisterBenchmark((name + "/readdir_1000").c_str(), readdir<Target>);
}

void add_floor() {
    const auto add = [](const char *name, auto act) {
        return benchmark::RegisterBenchmark(name, [act](benchmark::State &state) {
            Floor &floor = the<Floor>();
            uint64_t i = 0;
            for (auto _ : state)
                act(floor, state, i++);
        });
    };
    const auto two = [&](const char *name, unsigned record, unsigned home, unsigned record2, unsigned home2) {
        add(name, [=](Floor &floor, benchmark::State &, uint64_t) {
            floor.change(record, home);
            floor.change(record2, home2);
        });
    };
    const auto write_small = [](Floor &floor, benchmark::State &, uint64_t) { floor.change(2, 2); };
    const auto write_new = [](Floor &floor, benchmark::State &state, uint64_t) {
        floor.write_new(buffer, static_cast<size_t>(state.range(0)));
    };
    add("Floor/read",
        [](Floor &floor, benchmark::State &state, uint64_t i) {
            const auto size = static_cast<uint64_t>(state.range(0));
            floor.read(buffer, size, i * size % small_file_bytes);
        })
        ->Arg(64)
        ->Arg(4096);
    add("Floor/read_random_4096",
        [](Floor &floor, benchmark::State &, uint64_t i) { floor.read(buffer, 4096, scrambled_offset(i)); });
    add("Floor/overwrite/64", write_small);
    add("Floor/overwrite", write_new)->Arg(4096);
    add("Floor/append/64", write_small);
    add("Floor/append", write_new)->Arg(4096)->Arg(1 << 20);
    two("Floor/create_unlink", 2, 4, 1, 3);
    two("Floor/mkdir_rmdir", 2, 6, 1, 4);
    two("Floor/rename_twice", 1, 4, 1, 4);
    two("Floor/link_unlink", 1, 3, 1, 3);
}

} // namespace

int main(int argc, char **argv) {
    // Before the user's own, which win.
    char interleaving[] = "--benchmark_enable_random_interleaving=true";
    char repetitions[] = "--benchmark_repetitions=7";
    char time[] = "--benchmark_min_time=0.1";
    std::vector<char *> arguments = {argv[0], interleaving, repetitions, time};
    arguments.insert(arguments.end(), argv + 1, argv + argc);
    int count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    benchmark::Initialize(&count, arguments.data());
    constexpr std::string_view option = "--directory=";
    for (int i = 1; i < count; ++i) {
        if (!std::string_view(arguments[static_cast<size_t>(i)]).starts_with(option)) {
            std::fprintf(stderr, "filesystem_bench: %s is not known\n", arguments[static_cast<size_t>(i)]);
            return 2;
        }
        directory = arguments[static_cast<size_t>(i)] + option.size();
    }
    add<Library>("Library");
    add<Posix>("Posix");
    add_floor();
    RatioTable table;
    benchmark::RunSpecifiedBenchmarks(&table);
    return 0;
}
