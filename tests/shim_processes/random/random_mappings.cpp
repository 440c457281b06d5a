// random_mappings DIRECTORY: some thousand calls that map, move, cut and look at files, with arguments drawn from what
// programs give; what each of them gives, and what is seen in memory then, is a line (compare_script.sh compares them
// with Linux's). RANDOM_CALLS_SEED, RANDOM_CALLS_COUNT: another series, and how long it is.
//
//   arena   64 pages at an address where the kernel puts nothing by itself
//   "a" "b"     mapped shared, written, cut and made longer
//   "p" "q"     mapped private: only cut and made longer (a private mapping need not show later writes)
//   "t"         not mapped: read into what is mapped, and written from there
//
// Left out is what docs/limits.md says to be different: MREMAP_DONTUNMAP, and calls whose buffer is a page that the
// program has not touched since the file grew.
#include "tests/shim_processes/random/drawn.h"
#include "tests/shim_processes/random/kinds.h"

#include <algorithm>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace random_calls;

namespace {

constexpr size_t page_bytes = 4096;
constexpr size_t arena_pages = 64;
constexpr unsigned file_count = 4;
constexpr const char *names[file_count] = {"a", "b", "p", "q"};
char *const arena = reinterpret_cast<char *>(0x100000000000);
int not_mapped = -1;
int files[file_count] = {-1, -1, -1, -1};

sigjmp_buf escape;
volatile sig_atomic_t fault_signal, fault_code;

void on_fault(int number, siginfo_t *info, void *) {
    fault_signal = number;
    fault_code = info->si_code;
    siglongjmp(escape, 1);
}

// Which signal a touch gave, if any.
template <typename Touch> long touched(Touch touch) {
    if (sigsetjmp(escape, 1) != 0)
        return -1000 * fault_signal - fault_code;
    return touch();
}

char *page(const char *what = "page") {
    return arena + static_cast<size_t>(told(what, static_cast<long>(draw(arena_pages)))) * page_bytes;
}
size_t pages_from(const char *at, unsigned most = 12) {
    const size_t room = arena_pages - static_cast<size_t>(at - arena) / page_bytes;
    const size_t pages = 1 + draw(std::min<size_t>(most, room));
    size_t bytes = pages * page_bytes;
    if (draw(5) == 0)
        bytes -= 1 + draw(page_bytes - 1);
    return static_cast<size_t>(told("bytes", static_cast<long>(bytes)));
}
unsigned file() {
    const auto number = static_cast<unsigned>(draw(file_count));
    tell(names[number]);
    return number;
}
unsigned shared_file() {
    const auto number = static_cast<unsigned>(draw(2));
    tell(names[number]);
    return number;
}
int protection() {
    return static_cast<int>(told("protection", one_of({PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
                                                       PROT_READ | PROT_WRITE, PROT_NONE, PROT_WRITE})));
}
// An address is told by its place in the arena.
long place(long result) {
    if (result == -1)
        return -1;
    const auto offset = reinterpret_cast<char *>(result) - arena;
    return offset >= 0 && offset < static_cast<long>(arena_pages * page_bytes) ? offset / static_cast<long>(page_bytes)
                                                                               : 999;
}
uint64_t sum(const char *from, size_t size_bytes) {
    return hash(from, size_bytes) & 0xffffffff;
}

// What was stored behind the end of a file, in its last page, is to be zeros when it grows; tmpfs shows it.
void clean_end(unsigned number) {
    struct stat status;
    if (fstat(files[number], &status) == 0 && status.st_size % static_cast<long>(page_bytes) != 0)
        fallocate(files[number], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, status.st_size,
                  static_cast<long>(page_bytes) - status.st_size % static_cast<long>(page_bytes));
}

long map() {
    const unsigned number = file();
    char *at = page();
    const size_t bytes = pages_from(at);
    const bool is_shared = number < 2;
    long flags = is_shared ? one_of({MAP_SHARED, MAP_SHARED, MAP_SHARED_VALIDATE}) : MAP_PRIVATE;
    flags |= draw(4) == 0 ? MAP_FIXED_NOREPLACE : MAP_FIXED;
    if (draw(6) == 0)
        flags |= MAP_POPULATE;
    if (draw(8) == 0)
        flags |= MAP_NORESERVE;
    told("flags", flags);
    const long offset = told("offset", static_cast<long>(draw(20) * page_bytes) + (draw(20) == 0 ? 17 : 0));
    const int kind = protection();
    int opened = files[number];
    if (draw(8) == 0) {
        const int mode = static_cast<int>(told("mode", one_of({O_RDONLY, O_WRONLY, O_RDWR})));
        opened = open(names[number], mode);
        const long result = call(SYS_mmap, at, bytes, kind, flags, opened, offset);
        const int error = errno;
        close(opened);
        errno = error;
        return place(result);
    }
    return place(call(SYS_mmap, at, bytes, kind, flags, opened, offset));
}
long map_anywhere() {
    const unsigned number = file();
    const size_t bytes = pages_from(arena);
    const long offset = told("offset", static_cast<long>(draw(20) * page_bytes));
    char *at = static_cast<char *>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, number < 2 ? MAP_SHARED : MAP_PRIVATE, files[number], offset));
    if (at == MAP_FAILED)
        return -1;
    char *volatile kept = at;
    for (size_t i = 0; i < bytes; i += page_bytes)
        told("sum", touched([&] { return static_cast<long>(sum(kept + i, page_bytes)); }));
    if (draw(2) == 0) {
        char *to = page("to");
        const size_t more = pages_from(to);
        return place(call(SYS_mremap, at, bytes, more, MREMAP_MAYMOVE | MREMAP_FIXED, to));
    }
    return munmap(at, bytes);
}
long anonymous() {
    char *at = page();
    const size_t bytes = pages_from(at);
    const int kind = protection();
    return place(call(SYS_mmap, at, bytes, kind,
                      MAP_ANONYMOUS | MAP_FIXED | one_of({MAP_SHARED, MAP_PRIVATE, MAP_PRIVATE}), -1, 0));
}
long unmap() {
    char *at = page();
    return munmap(at + (draw(20) == 0 ? 1 : 0), pages_from(at));
}
long protect() {
    char *at = page();
    const size_t bytes = pages_from(at);
    return mprotect(at, bytes, protection());
}
long remap() {
    char *at = page();
    size_t bytes = pages_from(at);
    char *to = page("to");
    const size_t more = pages_from(to);
    const long flags = told("flags", one_of<long>({0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED,
                                                   MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_FIXED}));
    // Whether several areas move or grow at once depends on the kernel, and on what it has joined.
    if ((flags & MREMAP_FIXED) != 0 || more > bytes)
        bytes = page_bytes;
    const long result = call(SYS_mremap, at, draw(30) == 0 ? 0 : bytes, more, flags, to);
    if (result == -1)
        return -1;
    if (const long where = place(result); where != 999)
        return where;
    // Elsewhere: back into the arena.
    const long back = call(SYS_mremap, result, more, more, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    return 1000 + place(back);
}
long sync() {
    char *at = page();
    const size_t bytes = pages_from(at);
    return msync(at + (draw(20) == 0 ? 1 : 0), bytes,
                 static_cast<int>(told("flags", one_of({MS_SYNC, MS_ASYNC, MS_INVALIDATE, MS_SYNC | MS_INVALIDATE,
                                                        MS_SYNC | MS_ASYNC, 64, 0}))));
}
long advise() {
    char *at = page();
    const size_t bytes = pages_from(at);
    return madvise(
        at, bytes,
        static_cast<int>(told("advice", one_of({MADV_NORMAL, MADV_WILLNEED, MADV_DONTNEED, MADV_REMOVE, MADV_REMOVE,
                                                MADV_DONTFORK, MADV_DOFORK, MADV_FREE, MADV_POPULATE_READ,
                                                MADV_POPULATE_WRITE, MADV_COLD, MADV_PAGEOUT, 999}))));
}
long load() {
    char *at = page();
    return touched([&] { return static_cast<long>(sum(at, page_bytes)); });
}
long store() {
    char *at = page() + one_of({0, 1, 4095, 2048});
    const auto letter = static_cast<char>('A' + draw(26));
    return touched([&] {
        *static_cast<volatile char *>(at) = letter;
        return 0L;
    });
}
long look_at_all() {
    uint64_t all = 0;
    for (size_t i = 0; i < arena_pages; i++) {
        char *volatile at = arena + i * page_bytes;
        const long seen = touched([&] { return static_cast<long>(sum(at, page_bytes)); });
        told("", seen);
        all = all * 31 + static_cast<uint64_t>(seen);
    }
    return static_cast<long>(all & 0xffffffff);
}
long write_file() {
    const unsigned number = shared_file();
    clean_end(number);
    fill();
    return pwrite(files[number], buffer, length() % 20000, told("offset", static_cast<long>(draw(100000))));
}
// From one file to another, one of them mapped or both.
long copy() {
    const unsigned from = file(), to = shared_file();
    clean_end(to);
    loff_t in = told("in", static_cast<long>(draw(60000))), out = told("out", static_cast<long>(draw(60000)));
    const auto bytes = static_cast<size_t>(told("bytes", static_cast<long>(draw(30000))));
    if (from == to)
        return 0;
    return draw(2) == 0 ? copy_file_range(files[from], &in, files[to], &out, bytes, 0)
                        : (lseek(files[to], out, SEEK_SET), sendfile(files[to], files[from], &in, bytes));
}
long read_file() {
    const bool is_mapped = draw(6) != 0;
    const ssize_t got = pread(is_mapped ? files[file()] : not_mapped, buffer, 100000, 0);
    return got < 0 ? -1 : static_cast<long>(sum(buffer, static_cast<size_t>(got)));
}
long cut() {
    const unsigned number = file();
    clean_end(number);
    const bool is_whole =
        number >= 2 || draw(2) == 0; // a part of a page would be zeroed, which private ones need not show
    return ftruncate(files[number], told("size", static_cast<long>(is_whole ? draw(24) * page_bytes : draw(90000))));
}
long allocate() {
    const unsigned number = file();
    clean_end(number);
    const int mode = static_cast<int>(
        told("mode", number < 2 ? one_of({0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE}) : 0));
    return fallocate(files[number], mode, told("offset", static_cast<long>(draw(80000))),
                     told("bytes", static_cast<long>(1 + draw(40000))));
}
long begin_anew() {
    const unsigned number = file();
    close(files[number]);
    if (draw(2) == 0)
        told("unlink", unlink(names[number]));
    files[number] = open(names[number], O_CREAT | O_RDWR | (draw(3) == 0 ? O_TRUNC : 0), 0644);
    struct stat status = {};
    fstat(files[number], &status);
    return status.st_size;
}
// Bytes from and to what is mapped, where all of that is there.
long transfer() {
    char *at = page();
    const size_t bytes = pages_from(at, 3);
    const bool writes = told("writes", static_cast<long>(draw(2))) != 0;
    for (size_t i = 0; i < bytes; i += page_bytes) {
        char *volatile place = at + i;
        const long seen = touched([&] {
            const char byte = *static_cast<volatile char *>(place);
            if (!writes)
                *static_cast<volatile char *>(place) = byte;
            return 0L;
        });
        if (seen != 0)
            return seen;
    }
    const long offset = told("offset", static_cast<long>(draw(60000)));
    return writes ? pwrite(not_mapped, at, bytes, offset) : pread(not_mapped, at, bytes, offset);
}
// A child sees what its parent does, and shows what it stores.
long fork_child() {
    char *at = page();
    const auto letter = static_cast<char>('A' + draw(26));
    const pid_t child = fork();
    if (child == 0) {
        const long seen = touched([&] { return static_cast<long>(sum(at, page_bytes)); });
        touched([&] {
            *static_cast<volatile char *>(at) = letter;
            return 0L;
        });
        _exit(static_cast<int>(seen & 63));
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}
const Kind kinds[] = {
    {"map", map, 10},
    {"map anywhere", map_anywhere, 2},
    {"anonymous", anonymous, 1},
    {"unmap", unmap, 2},
    {"protect", protect, 3},
    {"remap", remap, 4},
    {"sync", sync, 2},
    {"advise", advise, 3},
    {"load", load, 8},
    {"store", store, 10},
    {"look at all", look_at_all, 1},
    {"write", write_file, 4},
    {"copy", copy, 2},
    {"read", read_file, 4},
    {"cut", cut, 4},
    {"allocate", allocate, 3},
    {"begin anew", begin_anew, 1},
    {"transfer", transfer, 2},
    {"fork", fork_child, 1},
};

// All begins anew.
void populate() {
    mmap(arena, arena_pages * page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    munmap(arena + arena_pages * page_bytes, arena_pages * page_bytes); // where its last mappings may have grown to
    close(not_mapped);
    not_mapped = open("t", O_CREAT | O_RDWR | O_TRUNC, 0644);
    for (unsigned i = 0; i < file_count; i++) {
        close(files[i]);
        unlink(names[i]);
        files[i] = open(names[i], O_CREAT | O_RDWR, 0644);
        for (size_t at = 0; at < 50000; at++)
            buffer[at] = static_cast<char>(names[i][0] + at / 1000);
        if (write(files[i], buffer, one_of<size_t>({0, 100, 10000, 50000, 50000})) < 0)
            _exit(1);
    }
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2 || chdir(argv[1]) != 0)
        return 2;
    const Series series = wanted_series();
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
    for (long i = 0; i < series.calls; i++) {
        seed(series.seed_of(i));
        if (i % 200 == 0)
            populate();
        make_call(std::to_string(i), kinds);
    }
    return 0;
}
