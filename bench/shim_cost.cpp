// shim_cost: calls through the shim against the same calls on tmpfs, and through the linked library, in
// one process, round by round, so that a busy machine slows all three alike.
//
//   pmemfile run -m DIR=POOL -- bench/shim_cost --pool DIR --host /dev/shm
//
// One line for each case: the medians in ns, the shim's as a part of tmpfs's, and what it adds to the library's.
// Before it what is the host's: through the shim, and by code that nobody patches, straight to the kernel. An open and
// a change of attributes come again behind it, for a process that has had a file of a pool open looks at what they met;
// for the same reason tmpfs's side of the cases with a path goes straight to the kernel.
#include "libpmemfile/include/libpmemfile-posix.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
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

using Plain = long (*)(long number, ...);

// A function that makes a system call from memory which is no object's: no hook sees it.
Plain plain_call() {
    constexpr unsigned char code[] = {
        0x48, 0x89, 0xf8,             // mov rax, rdi
        0x48, 0x89, 0xf7,             // mov rdi, rsi
        0x48, 0x89, 0xd6,             // mov rsi, rdx
        0x48, 0x89, 0xca,             // mov rdx, rcx
        0x4d, 0x89, 0xc2,             // mov r10, r8
        0x4d, 0x89, 0xc8,             // mov r8, r9
        0x4c, 0x8b, 0x4c, 0x24, 0x08, // mov r9, [rsp + 8]
        0x0f, 0x05, 0xc3,             // syscall ; ret
    };
    void *memory = mmap(nullptr, sizeof code, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "memory for code");
    std::copy(std::begin(code), std::end(code), static_cast<unsigned char *>(memory));
    return reinterpret_cast<Plain>(memory);
}

struct HostCase {
    std::string name;
    std::function<long()> through, plain; // their results are the same
};

void print(const HostCase &one, unsigned rounds, unsigned times) {
    const auto of_kernel = [](long result) { return result == -1 ? -static_cast<long>(errno) : result; };
    must(of_kernel(one.through()) == one.plain(), one.name.c_str());
    std::vector<double> through, plain;
    for (unsigned round = 0; round < rounds; round++) {
        through.push_back(time_ns([&] { one.through(); }, times));
        plain.push_back(time_ns([&] { one.plain(); }, times));
    }
    const double with = median(through);
    const double without = median(plain);
    fmt::print("{:24} {:8.0f} {:8.0f}   {:6.2f}   {:+8.0f}\n", one.name, with, without, with / without, with - without);
}

void print_host_header() {
    fmt::print("{:24} {:>8} {:>8}   {:>6}   {:>8}\n", "ns, of the host", "shim", "kernel", "ratio", "added");
}

void print_host(const Plain plain, unsigned rounds, unsigned times) {
    const int null = open("/dev/null", O_RDWR);
    int ends[2];
    must(null >= 0 && pipe(ends) == 0, "a pipe");
    // Sockets that nobody writes to: what is measured is the call that asks whether somebody has.
    const int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int receiving = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    must(bind(listening, reinterpret_cast<sockaddr *>(&address), sizeof(sa_family_t)) == 0 &&
             listen(listening, 1) == 0 &&
             bind(receiving, reinterpret_cast<sockaddr *>(&address), sizeof(sa_family_t)) == 0,
         "sockets");
    const int internet = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    char byte = 0;
    struct stat status;
    sockaddr_un from;
    auto *const place = reinterpret_cast<sockaddr *>(&from);
    socklen_t length = sizeof from;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {};
    message.msg_name = &from;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    const char *there = "/etc/passwd";
    const char *missing = "/usr/include/no-such-header.h";
    const std::vector<HostCase> cases = {
        {"write /dev/null", [&] { return write(null, &byte, 1); }, [&] { return plain(SYS_write, null, &byte, 1); }},
        {"pipe write + read", [&] { return write(ends[1], &byte, 1) + read(ends[0], &byte, 1); },
         [&] { return plain(SYS_write, ends[1], &byte, 1) + plain(SYS_read, ends[0], &byte, 1); }},
        {"fstat", [&] { return fstat(null, &status); },
         [&] { return plain(SYS_newfstatat, null, "", &status, AT_EMPTY_PATH); }},
        {"stat", [&] { return stat(there, &status); },
         [&] { return plain(SYS_newfstatat, AT_FDCWD, there, &status, 0); }},
        {"stat, missing", [&] { return stat(missing, &status); },
         [&] { return plain(SYS_newfstatat, AT_FDCWD, missing, &status, 0); }},
        {"access", [&] { return access(there, R_OK); }, [&] { return plain(SYS_access, there, R_OK); }},
        {"openat + close", [&] { return close(openat(AT_FDCWD, there, O_RDONLY)); },
         [&] { return plain(SYS_close, plain(SYS_openat, AT_FDCWD, there, O_RDONLY)); }},
        {"openat, missing", [&] { return openat(AT_FDCWD, missing, O_RDONLY); },
         [&] { return plain(SYS_openat, AT_FDCWD, missing, O_RDONLY); }},
        {"accept4 with address", [&] { return accept4(listening, place, &length, 0); },
         [&] { return plain(SYS_accept4, listening, place, &length, 0); }},
        {"accept4", [&] { return accept4(listening, nullptr, nullptr, 0); },
         [&] { return plain(SYS_accept4, listening, nullptr, nullptr, 0); }},
        {"recvfrom with address", [&] { return recvfrom(receiving, &byte, 1, 0, place, &length); },
         [&] { return plain(SYS_recvfrom, receiving, &byte, 1, 0, place, &length); }},
        {"recvmsg with address", [&] { return recvmsg(receiving, &message, 0); },
         [&] { return plain(SYS_recvmsg, receiving, &message, 0); }},
        {"recvfrom, internet", [&] { return recvfrom(internet, &byte, 1, 0, place, &length); },
         [&] { return plain(SYS_recvfrom, internet, &byte, 1, 0, place, &length); }},
        {"recvmsg, internet", [&] { return recvmsg(internet, &message, 0); },
         [&] { return plain(SYS_recvmsg, internet, &message, 0); }},
    };
    print_host_header();
    for (const HostCase &one : cases)
        print(one, rounds, times);
    for (const int descriptor : {null, ends[0], ends[1], listening, receiving, internet})
        close(descriptor);
}

// In a process that has had a file of a pool open.
void print_host_again(const Plain plain, const char *there, unsigned rounds, unsigned times) {
    const std::vector<HostCase> cases = {
        {"openat + close", [&] { return close(openat(AT_FDCWD, there, O_RDONLY)); },
         [&] { return plain(SYS_close, plain(SYS_openat, AT_FDCWD, there, O_RDONLY)); }},
        {"chmod", [&] { return chmod(there, 0644); }, [&] { return plain(SYS_chmod, there, 0644); }},
    };
    fmt::print("\n");
    print_host_header();
    for (const HostCase &one : cases)
        print(one, rounds, times);
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

    const Plain plain = plain_call();
    print_host(plain, rounds, times);

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

    const auto by_path = [&](const char *what, auto call, auto kernel_call, auto library_call) {
        return Case{what, [&, call] { call(in_pool.c_str()); }, [&, kernel_call] { kernel_call(on_host.c_str()); },
                    [&, library_call] { library_call(in_library.c_str()); }};
    };
    struct stat status;
    const std::vector<Case> cases = {
        by_path(
            "open+close", [](const char *path) { close(open(path, O_RDWR)); },
            [&](const char *path) { plain(SYS_close, plain(SYS_openat, AT_FDCWD, path, O_RDWR)); },
            [&](const char *path) { pmemfile_close(linked, pmemfile_open(linked, path, O_RDWR)); }),
        by_path(
            "open+close exec", [](const char *path) { close(open(path, O_RDONLY | O_CLOEXEC)); },
            [&](const char *path) { plain(SYS_close, plain(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC)); },
            [&](const char *path) { pmemfile_close(linked, pmemfile_open(linked, path, O_RDONLY | O_CLOEXEC)); }),
        by_path(
            "stat", [&](const char *path) { stat(path, &status); },
            [&](const char *path) { plain(SYS_newfstatat, AT_FDCWD, path, &status, 0); },
            [&](const char *path) { pmemfile_stat(linked, path, &status); }),
        by_path(
            "access", [](const char *path) { access(path, R_OK); },
            [&](const char *path) { plain(SYS_access, path, R_OK); },
            [&](const char *path) { pmemfile_access(linked, path, R_OK); }),
        by_path(
            "chmod", [](const char *path) { chmod(path, 0644); },
            [&](const char *path) { plain(SYS_chmod, path, 0644); },
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
    fmt::print("\n{:16} {:>8} {:>8} {:>8}   {:>6}   {:>8}\n", "ns", "shim", "tmpfs", "library", "ratio", "added");
    for (const Case &one : cases)
        print(one, rounds, times);
    print_host_again(plain, on_host.c_str(), rounds, times);
    close(pool_file);
    close(host_file);
    pmemfile_close(linked, library_file);
    unlink(in_pool.c_str());
    unlink(on_host.c_str());
    pmemfile_pool_close(linked);
    return 0;
}
