// bad_pointers DIRECTORY: every served row of the table, once for each of its pointers and each way in which
// that can be bad, on files of DIRECTORY; prints what each call answers. The same on tmpfs (compare_script.sh).
//
//   1          an address that nobody has        kernel   one of the kernel's
//   none       a page without permissions        edge     memory that ends 8 bytes behind it
//   readonly   a page that cannot be written
#include "intercept/calls/call_number.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

struct Row {
    const char *name;
    long number;
    std::string_view treatment;
    std::string_view arguments;
};

constexpr Row rows[] = {
#define SYSCALL(name, treatment, handler, arguments, error, note)                                                      \
    {#name, intercept::call_##name, #treatment, arguments},
#include "posix-shim/table/syscalls.def"
#undef SYSCALL
};

// Calls that end or copy the process, or that wait.
constexpr std::string_view left_out = " exit exit_group fork vfork clone clone3 bind connect sendto sendmsg sendmmsg"
                                      " getsockname getpeername setrlimit prlimit64 ";

bool is_pointer(char kind) {
    return kind == 'p' || kind == 'b' || kind == 'v' || kind == 's';
}

constexpr size_t page_bytes = 4096;

struct Memory {
    char *good = nullptr;     // a page
    char *none = nullptr;     // without permissions
    char *readonly = nullptr; // zeros
    char *edge = nullptr;     // 8 bytes before `none`
};

Memory make_memory() {
    auto *pages =
        static_cast<char *>(mmap(nullptr, 4 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(pages + page_bytes, page_bytes, PROT_NONE);
    mprotect(pages + 3 * page_bytes, page_bytes, PROT_READ);
    return {pages + 2 * page_bytes, pages + page_bytes, pages + 3 * page_bytes, pages + page_bytes - 8};
}

// The directory as each call finds it.
void make_files() {
    umask(022);
    for (const char *name : {"file", "link", "directory", "fresh"})
        if (unlink(name) != 0)
            rmdir(name);
    const int file = open("file", O_RDWR | O_CREAT, 0644);
    char bytes[100];
    std::memset(bytes, 'c', sizeof bytes);
    if (write(file, bytes, sizeof bytes) != sizeof bytes || mkdir("directory", 0755) != 0 ||
        symlink("file", "link") != 0)
        std::exit(1);
    close(file);
}

bool wants_directory(std::string_view name) {
    return name == "getdents" || name == "getdents64" || name == "fchdir";
}

bool moves_data(std::string_view name) {
    return name.starts_with("read") || name.starts_with("write") || name.starts_with("pread") ||
           name.starts_with("pwrite") || name.starts_with("preadv") || name.starts_with("pwritev");
}

long good_argument(const Row &row, size_t index, const Memory &memory, int file) {
    const std::string_view name = row.name;
    unsigned paths = 0;
    for (size_t i = 0; i < index; i++)
        paths += row.arguments[i] == 'p';
    static char path[2][16];
    static iovec vector;
    static char text[64];
    switch (row.arguments[index]) {
    case 'f':
        return file;
    case 'd':
        return AT_FDCWD;
    case 'p': {
        const bool makes =
            paths > 0 || name.starts_with("mkdir") || name.starts_with("mknod") || name.starts_with("symlink");
        const char *which = makes                                ? "fresh"
                            : name == "chdir" || name == "rmdir" ? "directory"
                            : name.starts_with("readlink")       ? "link"
                                                                 : "file";
        std::strcpy(path[paths != 0], which);
        return reinterpret_cast<long>(path[paths != 0]);
    }
    case 'v':
        vector = {memory.good + 1024, 16};
        return reinterpret_cast<long>(&vector);
    case 's':
        std::memset(text, 0, sizeof text);
        if (name.find("xattr") != std::string_view::npos)
            std::strcpy(text, "user.name");
        return reinterpret_cast<long>(text);
    case 'b':
        std::memset(memory.good, 0, page_bytes);
        return reinterpret_cast<long>(memory.good);
    case 'n':
        return row.number == 437 ? 24 : 16;
    default:
        return 0;
    }
}

struct Bad {
    const char *name;
    long address;
};

void print(const Row &row, const std::string &which, const char *how, long result) {
    const char *error = result < 0 ? strerrorname_np(static_cast<int>(-result)) : nullptr;
    if (error != nullptr)
        std::printf("%s %s %s: %s\n", row.name, which.c_str(), how, error);
    else
        std::printf("%s %s %s: %ld\n", row.name, which.c_str(), how, result);
}

long call(const Row &row, const long *arguments) {
    const long result =
        syscall(row.number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
    return result == -1 ? -errno : result;
}

void try_row(const Row &row, const Memory &memory) {
    const Bad all[] = {{"1", 1},
                       {"kernel", static_cast<long>(0xffff888000000000)},
                       {"none", reinterpret_cast<long>(memory.none)},
                       {"readonly", reinterpret_cast<long>(memory.readonly)},
                       {"edge", reinterpret_cast<long>(memory.edge)}};
    for (size_t index = 0; index < row.arguments.size(); index++) {
        if (!is_pointer(row.arguments[index]))
            continue;
        for (unsigned inner = 0; inner < (row.arguments[index] == 'v' ? 2u : 1u); inner++)
            for (const Bad &bad : all) {
                // Linux moves what is before the border; we move all or nothing (docs/limits.md).
                if (bad.address == reinterpret_cast<long>(memory.edge) && moves_data(row.name))
                    continue;
                make_files();
                const bool is_directory = wants_directory(row.name);
                const int file = open(is_directory ? "directory" : "file", is_directory ? O_RDONLY : O_RDWR);
                long arguments[6] = {};
                for (size_t i = 0; i < row.arguments.size(); i++)
                    arguments[i] = good_argument(row, i, memory, file);
                if (inner != 0)
                    reinterpret_cast<iovec *>(arguments[index])->iov_base = reinterpret_cast<void *>(bad.address);
                else
                    arguments[index] = bad.address;
                if (bad.address == reinterpret_cast<long>(memory.edge))
                    std::memset(memory.edge, row.arguments[index] == 's' ? 0 : 'e', 8);
                const long result = call(row, arguments);
                print(row, std::string(inner != 0 ? "vector's " : "") + std::to_string(index), bad.name,
                      result > 0 && row.number == SYS_mmap ? 1 : result);
                if (result >= 0 &&
                    (std::string_view(row.name).starts_with("open") || std::string_view(row.name) == "creat"))
                    close(static_cast<int>(result));
                struct stat status;
                fstat(file, &status); // nothing was written by a call that failed
                std::printf("    size %ld links %ld at %ld\n", is_directory ? 0L : static_cast<long>(status.st_size),
                            static_cast<long>(status.st_nlink), static_cast<long>(lseek(file, 0, SEEK_CUR)));
                close(file);
            }
    }
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1]) != 0)
        return 1;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const Memory memory = make_memory();
    unsigned tried = 0;
    for (const Row &row : rows) {
        if ((row.treatment != "served" && row.treatment != "partly") ||
            left_out.find(" " + std::string(row.name) + " ") != std::string_view::npos)
            continue;
        try_row(row, memory);
        if (chdir(argv[1]) != 0) // chdir was one of them
            return 1;
        tried++;
    }
    std::printf("%u rows\n", tried);
    return 0;
}
