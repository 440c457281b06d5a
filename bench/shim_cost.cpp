// shim_cost: calls through the shim against the same calls on tmpfs, and through the linked library, in
// one process, round by round, so that a busy machine slows all three alike.
//
//   pmemfile run -m DIR=POOL -- bench/shim_cost --pool DIR --host /dev/shm
//
// One line for each case: the medians in ns, the shim's as a part of tmpfs's, and what it adds to the library's.
#include "libpmemfile/include/libpmemfile-posix.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

void must(bool holds, const char *what) {
    if (!holds) {
        perror(what);
        std::exit(1);
    }
}

struct Case {
    std::string name;
    std::function<void()> pool, host, library; // one call, or pair of calls
};

double median(std::vector<double> &values) {
    std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

double time_ns(const std::function<void()> &act, unsigned times) {
    const auto begin = Clock::now();
    for (unsigned i = 0; i < times; i++)
        act();
    return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / times;
}

void print(const Case &one, unsigned rounds, unsigned times) {
    std::vector<double> pool, host, library;
    for (unsigned round = 0; round < rounds; round++) {
        pool.push_back(time_ns(one.pool, times));
        host.push_back(time_ns(one.host, times));
        library.push_back(time_ns(one.library, times));
    }
    const double through = median(pool);
    const double on_tmpfs = median(host);
    const double linked = median(library);
    fmt::print("{:16} {:8.0f} {:8.0f} {:8.0f}   {:6.2f}   {:+8.0f}\n", one.name, through, on_tmpfs, linked,
               through / on_tmpfs, through - linked);
}

} // namespace

int main(int argc, char **argv) {
    CLI::App app("Calls through the shim, on tmpfs and through the library, side by side.", "shim_cost");
    std::string pool_directory;
    std::string host_directory = "/dev/shm";
    unsigned rounds = 201;
    unsigned times = 200;
    app.add_option("--pool", pool_directory, "A mounted pool's directory")->required();
    app.add_option("--host", host_directory, "A directory of a tmpfs");
    app.add_option("--rounds", rounds, "Rounds, of which the median is told");
    app.add_option("--times", times, "Calls of a round");
    CLI11_PARSE(app, argc, argv);

    const std::string library_pool = "/dev/shm/pmemfile-shim-cost." + std::to_string(getpid());
    PMEMfilepool *linked = pmemfile_pool_create(library_pool.c_str(), 64ul << 20, 0600);
    must(linked != nullptr, "the library's pool");
    unlink(library_pool.c_str());
    const std::string name = "shim-cost." + std::to_string(getpid());
    const std::string in_pool = pool_directory + "/" + name;
    const std::string on_host = host_directory + "/" + name;
    const std::string in_library = "/" + name;
    char bytes[64] = {};
    const auto make = [&](const std::string &path) {
        const int file = open(path.c_str(), O_RDWR | O_CREAT, 0644);
        must(file >= 0 && pwrite(file, bytes, sizeof bytes, 0) == sizeof bytes, path.c_str());
        return file;
    };
    const int pool_file = make(in_pool);
    const int host_file = make(on_host);
    PMEMfile *library_file = pmemfile_open(linked, in_library.c_str(), O_RDWR | O_CREAT, 0644);
    must(library_file != nullptr, "the library's file");

    const auto by_path = [&](const char *what, auto call, auto library_call) {
        return Case{what, [&, call] { call(in_pool.c_str()); }, [&, call] { call(on_host.c_str()); },
                    [&, library_call] { library_call(in_library.c_str()); }};
    };
    struct stat status;
    const std::vector<Case> cases = {
        by_path(
            "open+close", [](const char *path) { close(open(path, O_RDWR)); },
            [&](const char *path) { pmemfile_close(linked, pmemfile_open(linked, path, O_RDWR)); }),
        by_path(
            "open+close exec", [](const char *path) { close(open(path, O_RDONLY | O_CLOEXEC)); },
            [&](const char *path) { pmemfile_close(linked, pmemfile_open(linked, path, O_RDONLY | O_CLOEXEC)); }),
        by_path(
            "stat", [&](const char *path) { stat(path, &status); },
            [&](const char *path) { pmemfile_stat(linked, path, &status); }),
        by_path(
            "access", [](const char *path) { access(path, R_OK); },
            [&](const char *path) { pmemfile_access(linked, path, R_OK); }),
        by_path(
            "chmod", [](const char *path) { chmod(path, 0644); },
            [&](const char *path) { pmemfile_chmod(linked, path, 0644); }),
        {"fstat", [&] { fstat(pool_file, &status); }, [&] { fstat(host_file, &status); },
         [&] { pmemfile_fstat(linked, library_file, &status); }},
        {"pread 64", [&] { (void)!pread(pool_file, bytes, sizeof bytes, 0); },
         [&] { (void)!pread(host_file, bytes, sizeof bytes, 0); },
         [&] { pmemfile_pread(linked, library_file, bytes, sizeof bytes, 0); }},
        {"pwrite 64", [&] { (void)!pwrite(pool_file, bytes, sizeof bytes, 0); },
         [&] { (void)!pwrite(host_file, bytes, sizeof bytes, 0); },
         [&] { pmemfile_pwrite(linked, library_file, bytes, sizeof bytes, 0); }},
        {"lseek", [&] { lseek(pool_file, 0, SEEK_SET); }, [&] { lseek(host_file, 0, SEEK_SET); },
         [&] { pmemfile_lseek(linked, library_file, 0, SEEK_SET); }},
        {"dup+close", [&] { close(dup(pool_file)); }, [&] { close(dup(host_file)); }, [] {}},
    };
    fmt::print("{:16} {:>8} {:>8} {:>8}   {:>6}   {:>8}\n", "ns", "shim", "tmpfs", "library", "ratio", "added");
    for (const Case &one : cases)
        print(one, rounds, times);
    close(pool_file);
    close(host_file);
    pmemfile_close(linked, library_file);
    unlink(in_pool.c_str());
    unlink(on_host.c_str());
    pmemfile_pool_close(linked);
    return 0;
}
