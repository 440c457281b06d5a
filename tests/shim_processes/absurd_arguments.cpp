// absurd_arguments DIRECTORY: every served row of the table, once for each of its numbers, descriptors and paths and
// each way in which that can be absurd, on files of DIRECTORY; prints what each call answers. The same on tmpfs
// (compare_script.sh).
//
// Each call is tried with all kinds of descriptors, bad paths, single bits and numbers at the borders; what it changed
// is shown too. What is left out stands below with its reason.
#include "tests/shim_processes/call_rows.h"

#include <climits>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <iterator>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <vector>

namespace {

// They end, copy or replace the process, or change who it is; or they act on addresses, not on files.
constexpr std::string_view left_out =
    " exit exit_group fork vfork clone clone3 execve setuid setgid setreuid setregid setgroups setresuid setresgid"
    " setfsuid setfsgid capset umask rt_sigaction setrlimit getrlimit prlimit64 munmap mprotect mremap msync madvise"
    " pkey_mprotect mmap chroot close_range getcwd connect accept sendto recvfrom sendmsg recvmsg bind getsockname"
    " getpeername accept4 recvmmsg sendmmsg io_submit execveat ";
// Refused rows that Linux refuses too.
constexpr std::string_view refused_too = " epoll_ctl tee vmsplice ";

constexpr size_t page_bytes = 4096;
char *page;      // what calls fill or read; behind it there is nothing
char *other;     // a second one
long subject[2]; // the row's descriptors

struct Subject {
    const char *name;
    long (*open)();
};

std::vector<int> opened; // closed behind each call

long keep(int descriptor) {
    if (descriptor >= 0)
        opened.push_back(descriptor);
    return descriptor;
}

long pipe_end(int which) {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK) != 0 || write(ends[1], "0123456789", 10) != 10)
        std::exit(1);
    keep(ends[1 - which]);
    return keep(ends[which]);
}

long socket_end() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0 || write(ends[1], "0123456789", 10) != 10)
        std::exit(1);
    keep(ends[1]);
    return keep(ends[0]);
}

// What belongs to no other program and is on another file system. It is new each time: calls change its attributes.
int memory_file() {
    const int file = memfd_create("absurd", 0);
    if (file < 0 || write(file, "0123456789", 10) != 10 || lseek(file, 0, SEEK_SET) != 0)
        std::exit(1);
    return file;
}

long path_of_memory_file() {
    const int file = memory_file();
    const int path = open(("/proc/self/fd/" + std::to_string(file)).c_str(), O_PATH);
    close(file);
    return keep(path);
}

const Subject subjects[] = {
    {"file", [] { return keep(open("file", O_RDWR)); }},
    {"reader", [] { return keep(open("file", O_RDONLY)); }},
    {"writer", [] { return keep(open("file", O_WRONLY)); }},
    {"appender", [] { return keep(open("file", O_RDWR | O_APPEND)); }},
    {"directory", [] { return keep(open("directory", O_RDONLY)); }},
    {"path", [] { return keep(open("file", O_PATH)); }},
    {"directory's path", [] { return keep(open("directory", O_PATH)); }},
    {"link's path", [] { return keep(open("link", O_PATH | O_NOFOLLOW)); }},
    {"pipe's reader", [] { return pipe_end(0); }},
    {"pipe's writer", [] { return pipe_end(1); }},
    {"socket", [] { return socket_end(); }},
    {"other file system's file", [] { return keep(memory_file()); }},
    {"other file system's directory", [] { return keep(open("/proc/self/ns", O_RDONLY)); }},
    {"other file system's path", [] { return path_of_memory_file(); }},
    {"-1", [] { return -1L; }},
    {"9999", [] { return 9999L; }},
    {"INT_MAX", [] { return static_cast<long>(INT_MAX); }},
    {"INT_MIN", [] { return static_cast<long>(INT_MIN); }},
    // For calls between two descriptors alone: others would change what the whole machine has.
    {"epoll", [] { return keep(epoll_create1(0)); }},
    {"device", [] { return keep(open("/dev/zero", O_RDWR)); }},
};
constexpr size_t shared_subjects = 2;

bool is_proc(const Subject &subject) {
    return std::string_view(subject.name) == "other file system's directory";
}

// The directory as each call finds it.
void make_files() {
    umask(022);
    for (const char *name :
         {"file/inside", "file", "link", "directory/inside", "directory", "fresh/inside", "fresh", "gone"})
        if (unlink(name) != 0)
            rmdir(name);
    const int file = open("file", O_RDWR | O_CREAT, 0644);
    if (write(file, std::string(100, 'c').data(), 100) != 100 || mkdir("directory", 0755) != 0 ||
        symlink("file", "link") != 0)
        std::exit(1);
    close(file);
    const int inside = open("directory/inside", O_WRONLY | O_CREAT, 0644);
    close(inside);
}

long good_argument(const Row &row, size_t index) {
    const std::string_view name = row.name;
    static char path[2][16];
    const size_t which = count_before(row, index, 'p');
    switch (row.arguments[index]) {
    case 'f':
        return subject[count_before(row, index, 'f')];
    case 'd':
        return AT_FDCWD;
    case 'p':
        std::strcpy(path[which], which > 0 || makes_name(name)        ? "fresh"
                                 : name == "chdir" || name == "rmdir" ? "directory"
                                 : name.starts_with("readlink")       ? "link"
                                                                      : "file");
        return reinterpret_cast<long>(path[which]);
    case 'v':
        *reinterpret_cast<struct iovec *>(other) = {page + 1024, 16};
        return reinterpret_cast<long>(other);
    case 's':
        if (name == "sendfile" || name == "splice" || name == "copy_file_range")
            return 0; // at the files' own offsets
        if (name.find("xattr") != std::string_view::npos && count_before(row, index, 's') == 0) {
            std::strcpy(other, "user.name");
            return reinterpret_cast<long>(other);
        }
        if (name.starts_with("symlink")) {
            std::strcpy(other, "target");
            return reinterpret_cast<long>(other);
        }
        return reinterpret_cast<long>(page);
    case 'b':
        return reinterpret_cast<long>(page);
    case 'n':
        return name == "openat2" ? 24 : row.arguments[index - 1] == 'v' ? 1 : wants_directory(name) ? 1024 : 16;
    case 'i':
        return 600;
    case 'x':
        if (name.find("chmod") != std::string_view::npos || name.starts_with("mkdir") || name.starts_with("mknod"))
            return count_before(row, index, 'x') == 0 ? 0755 : 0;
        if (name == "creat")
            return 0644;
        return 0;
    default:
        return row.number == SYS_fallocate && index == 3 ? 16 : 0; // fallocate's length
    }
}

bool opens(std::string_view name) {
    return name.starts_with("open") || name == "creat" || name.starts_with("dup");
}

// What the call did to the files.
std::string state() {
    std::string text;
    struct stat status;
    for (const char *name : {"file", "link", "directory", "fresh"}) {
        if (lstat(name, &status) != 0)
            continue;
        char line[100];
        std::snprintf(line, sizeof line, " %o:%ld:%ld", status.st_mode,
                      S_ISREG(status.st_mode) ? long{status.st_size} : 0L, static_cast<long>(status.st_nlink));
        text += line;
    }
    // Where a directory's reader is, each file system says in its own way.
    if (subject[0] >= 0 && subject[0] < 1000 && fstat(static_cast<int>(subject[0]), &status) == 0 &&
        !S_ISDIR(status.st_mode))
        text += " at " + std::to_string(lseek(static_cast<int>(subject[0]), 0, SEEK_CUR));
    return text;
}

void try_call(const Row &row, const Subject &first, const Subject &second, size_t index, const std::string &how,
              long value, bool has_value) {
    make_files();
    std::memset(page, 0, page_bytes);
    subject[0] = first.open();
    subject[1] = second.open();
    const std::string untouched = state();
    long arguments[6] = {};
    for (size_t i = 0; i < row.arguments.size(); i++)
        arguments[i] = good_argument(row, i);
    if (has_value && row.arguments[index] == 'd') {
        arguments[index] = subject[0];
        arguments[index + 1] = value;
    } else if (has_value) {
        arguments[index] = value;
    }
    const long result = call(row, arguments);
    std::string text = result >= 0 && opens(row.name) ? "a descriptor" : result_text(result);
    if (const std::string now = state(); now != untouched)
        text += " now" + now;
    std::printf("%s %s: %s\n", row.name, how.c_str(), text.c_str());
    if (result > 2 &&
        (opens(row.name) || (row.number == SYS_fcntl && (arguments[1] == F_DUPFD || arguments[1] == F_DUPFD_CLOEXEC))))
        close(static_cast<int>(result));
    if (std::string_view(row.name) == "chdir" || std::string_view(row.name) == "fchdir")
        if (chdir(std::getenv("ABSURD_DIRECTORY")) != 0)
            std::exit(1);
    for (const int descriptor : opened)
        close(descriptor);
    opened.clear();
}

struct Value {
    std::string name;
    long value;
};

// Values whose answer is a matter of the file system, or of the version of Linux; that make Linux itself move too much;
// or whose answer is another one here (docs/limits.md).
bool is_left_out(const Row &row, size_t index, long value) {
    const std::string_view name = row.name;
    const bool is_huge = value > 1 << 20;
    if (name == "fallocate" && index == 1) // tmpfs makes room and holes, no more; bit 7 is of Linux 6.17
        return (value & (FALLOC_FL_ZERO_RANGE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE | 0xc0)) != 0;
    if (name == "fallocate" && index == 3)
        return is_huge;
    if (name == "truncate" || name == "ftruncate") // the greatest size: 2^63 - 4096
        return value > LONG_MAX - static_cast<long>(page_bytes);
    if (name == "preadv2" || name == "pwritev2") // RWF_NOWAIT, _ATOMIC, _DONTCACHE, _NOSIGNAL
        return index == 5 && (value == 8 || value == 0x40 || value == 0x80 || value == 0x100);
    if (name == "fcntl" && index == 1) { // leases, notifications, seals; F_DUPFD_QUERY and F_CREATED_QUERY are new
        constexpr long first = 1024;
        return value == first || value == 1026 || value == 1027 || value == 1028 || value == 1033 || value == 1034;
    }
    // A length that reaches behind the page: Linux moves what is there, we nothing.
    if ((moves_data(name) || name == "sendfile") && row.arguments[index] == 'n' &&
        name.find('v') == std::string_view::npos)
        return value > static_cast<long>(page_bytes) && value < LONG_MAX - 8;
    return false;
}

std::vector<Value> values_of(const Row &row, size_t index) {
    std::vector<Value> values;
    auto add = [&](const std::string &name, long value) {
        if (!is_left_out(row, index, value))
            values.push_back({name, value});
    };
    add("0", 0);
    add("1", 1);
    add("-1", -1);
    add("INT_MAX", INT_MAX);
    add("INT_MIN", INT_MIN);
    add("2^31", 1L << 31);
    add("UINT_MAX", UINT_MAX);
    add("2^32", 1L << 32);
    add("LONG_MAX", LONG_MAX);
    add("LONG_MAX - 8", LONG_MAX - 8);
    add("LONG_MIN", LONG_MIN);
    if (row.number == SYS_fcntl && index == 1)
        for (const long first : {0L, 1024L})
            for (long command = first; command < first + 40; command++)
                add("command " + std::to_string(command), command);
    else if (row.number == SYS_ioctl && index == 1)
        for (long command = 0x5401; command < 0x5480; command++)
            add("command " + std::to_string(command), command);
    else if (row.arguments[index] == 'x')
        for (int bit = 1; bit < 32; bit++)
            add("bit " + std::to_string(bit), static_cast<int>(1u << bit));
    else
        for (const long value : {2L, 3L, 23L, 24L, 4095L, 4096L, 4097L, 65536L})
            add(std::to_string(value), value);
    return values;
}

const Subject &subject_of(const Row &row) {
    return wants_directory(row.name) ? subjects[4] : subjects[0];
}

void try_row(const Row &row) {
    const std::string long_name(256, 'n');
    const std::string long_path(4096, '/');
    const char *const paths[] = {"",
                                 "file",
                                 "directory",
                                 "link",
                                 "gone",
                                 "fresh",
                                 "gone/x",
                                 "file/x",
                                 "file/",
                                 "file/.",
                                 "directory/",
                                 "directory/.",
                                 "link/",
                                 "fresh/",
                                 ".",
                                 "directory/..",
                                 "directory/inside",
                                 long_name.c_str(),
                                 long_path.c_str()};
    const Subject &good = subject_of(row);
    const size_t descriptors = count_before(row, row.arguments.size(), 'f');
    for (size_t i = 0; i < row.arguments.size(); i++) {
        const std::string place = std::to_string(i) + " ";
        switch (row.arguments[i]) {
        case 'f':
            if (count_before(row, i, 'f') > 0)
                break; // as pairs, with the first one
            for (size_t one = 0; one < std::size(subjects) - (descriptors > 1 ? 0 : shared_subjects); one++)
                for (size_t two = 0; two < (descriptors > 1 ? std::size(subjects) : 1); two++)
                    try_call(row, subjects[one], descriptors > 1 ? subjects[two] : good, i,
                             place + subjects[one].name + (descriptors > 1 ? ", " : "") +
                                 (descriptors > 1 ? subjects[two].name : ""),
                             0, false);
            break;
        case 'd':
            for (size_t one = 0; one < std::size(subjects) - shared_subjects; one++)
                for (const char *path : {"", "inside"}) {
                    if (is_proc(subjects[one]) && std::string_view(row.name) == "linkat" && i == 2)
                        continue; // procfs has an answer of its own to a new name
                    try_call(row, subjects[one], good, i, place + subjects[one].name + ", \"" + path + "\"",
                             reinterpret_cast<long>(path), true);
                }
            break;
        case 'p':
            for (const char *path : paths)
                try_call(row, good, good, i, place + (std::strlen(path) > 100 ? "too long" : path),
                         reinterpret_cast<long>(path), true);
            break;
        case 'x':
        case 'n':
        case 'o':
        case 'l':
            for (const Value &value : values_of(row, i))
                for (const Subject *one : {&good, &subjects[4], &subjects[5]})
                    if (one == &good || descriptors > 0)
                        try_call(row, *one, good, i,
                                 place + value.name + (descriptors > 0 ? " of " : "") +
                                     (descriptors > 0 ? one->name : ""),
                                 value.value, true);
            break;
        default:
            break;
        }
    }
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1]) != 0 || mkdir("work", 0755) != 0 || chdir("work") != 0)
        return 1;
    setenv("ABSURD_DIRECTORY", (std::string(argv[1]) + "/work").c_str(), 1);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    page =
        static_cast<char *>(mmap(nullptr, 4 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(page + page_bytes, page_bytes, PROT_NONE);
    other = page + 2 * page_bytes;
    unsigned tried = 0;
    for (const Row &row : rows) {
        if ((row.treatment == "served" || row.treatment == "partly") ? is_among(row, left_out)
                                                                     : !is_among(row, refused_too))
            continue;
        try_row(row);
        tried++;
    }
    std::printf("%u rows\n", tried);
    return 0;
}
