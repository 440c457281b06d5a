// bad_pointers DIRECTORY: every served row of the table, once for each of its pointers and each way in which
// that can be bad, on files of DIRECTORY; prints what each call answers. The same on tmpfs (compare_script.sh).
//
//   1          an address that nobody has        kernel   one of the kernel's
//   none       a page without permissions        edge     memory that ends 8 bytes behind it
//   readonly   a page that cannot be written
#include "tests/shim_processes/call_rows.h"

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

namespace {

// Calls that end the process, or have no pointer; and those that need more than a file: they have cases of their own
// below.
constexpr std::string_view left_out =
    " exit exit_group fork vfork clone clone3 bind connect accept accept4 sendto sendmsg"
    " sendmmsg recvfrom recvmsg recvmmsg getsockname getpeername setrlimit prlimit64 ";

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

long good_argument(const Row &row, size_t index, const Memory &memory, int file) {
    const std::string_view name = row.name;
    const size_t paths = count_before(row, index, 'p');
    static char path[2][16];
    static iovec vector;
    static char text[64];
    switch (row.arguments[index]) {
    case 'f':
        return file;
    case 'd':
        return AT_FDCWD;
    case 'p': {
        const char *which = paths > 0 || makes_name(name)        ? "fresh"
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

std::vector<Bad> ways_to_be_bad(const Memory &memory) {
    return {{"1", 1},
            {"kernel", static_cast<long>(0xffff888000000000)},
            {"none", reinterpret_cast<long>(memory.none)},
            {"readonly", reinterpret_cast<long>(memory.readonly)},
            {"edge", reinterpret_cast<long>(memory.edge)}};
}

void try_row(const Row &row, const Memory &memory) {
    const std::vector<Bad> all = ways_to_be_bad(memory);
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
                std::printf("%s %s%zu %s: %s\n", row.name, inner != 0 ? "vector's " : "", index, bad.name,
                            result_text(result > 0 && row.number == SYS_mmap ? 1 : result).c_str());
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

// What the calls below need besides files: sockets that know each other by a name in the directory.
struct Sockets {
    struct sockaddr_un address = {AF_UNIX, "socket"};
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int accepted = -1;
    int waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0); // connected, and not accepted
    int fresh = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    Sockets() {
        unlink("socket");
        if (bind(server, generic(), sizeof address) != 0 || listen(server, 5) != 0 ||
            connect(client, generic(), sizeof address) != 0 || (accepted = accept(server, nullptr, nullptr)) < 0 ||
            connect(waiting, generic(), sizeof address) != 0 || write(client, "0123456789", 10) != 10)
            std::exit(1);
    }
    ~Sockets() {
        for (const int descriptor : {server, client, accepted, waiting, fresh})
            close(descriptor);
        unlink("socket");
    }
    struct sockaddr *generic() {
        return reinterpret_cast<struct sockaddr *>(&address);
    }
};

// A message of one byte, with what is bad in it put in by the case.
struct Message {
    char byte = 'm';
    struct iovec vector = {&byte, 1};
    struct msghdr header = {};

    Message() {
        header.msg_iov = &vector;
        header.msg_iovlen = 1;
    }
};

// In a process of its own, which it may cripple. The answer is 0 or -errno.
template <typename Body> long in_child(Body body) {
    const pid_t child = fork();
    if (child == 0)
        _exit(static_cast<int>(-body()));
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

// The answer of a call that makes a process: 1 for the child, which ends.
long ended_child(long result) {
    if (result == 0)
        _exit(0);
    if (result > 0)
        waitpid(static_cast<pid_t>(result), nullptr, __WALL);
    return result > 0 ? 1 : result;
}

template <typename... Arguments> long raw(long number, Arguments... arguments) {
    const long result = syscall(number, arguments...);
    return result == -1 ? -errno : result;
}

long with_clone_arguments(uint64_t flags, __u64 clone_args::*member, long bad) {
    struct clone_args arguments = {};
    arguments.flags = flags;
    arguments.exit_signal = SIGCHLD;
    arguments.*member = static_cast<__u64>(bad);
    if (member == &clone_args::set_tid)
        arguments.set_tid_size = 1;
    return ended_child(raw(SYS_clone3, &arguments, sizeof arguments));
}

long send_with(int descriptor, void *msghdr::*member, long bad) {
    Message message;
    message.header.*member = reinterpret_cast<void *>(bad);
    message.header.msg_namelen = member == &msghdr::msg_name ? 20 : 0;
    message.header.msg_controllen = member == &msghdr::msg_control ? 32 : 0;
    return raw(SYS_sendmsg, descriptor, &message.header, 0);
}

long receive_with(int descriptor, void *msghdr::*member, long bad) {
    Message message;
    message.header.*member = reinterpret_cast<void *>(bad);
    message.header.msg_namelen = member == &msghdr::msg_name ? 20 : 0;
    message.header.msg_controllen = member == &msghdr::msg_control ? 32 : 0;
    return raw(SYS_recvmsg, descriptor, &message.header, 0);
}

struct Case {
    const char *name;
    long (*call)(Sockets &sockets, long bad);
};

const Case cases[] = {
    {"bind", [](Sockets &s, long bad) { return raw(SYS_bind, s.fresh, bad, 20L); }},
    {"connect", [](Sockets &s, long bad) { return raw(SYS_connect, s.fresh, bad, 20L); }},
    {"accept address",
     [](Sockets &s, long bad) {
         socklen_t length = 100;
         return raw(SYS_accept, s.server, bad, &length);
     }},
    {"accept length",
     [](Sockets &s, long bad) {
         struct sockaddr_un address;
         return raw(SYS_accept, s.server, &address, bad);
     }},
    {"accept4 length",
     [](Sockets &s, long bad) {
         struct sockaddr_un address;
         return raw(SYS_accept4, s.server, &address, bad, 0L);
     }},
    {"getsockname address",
     [](Sockets &s, long bad) {
         socklen_t length = 100;
         return raw(SYS_getsockname, s.server, bad, &length);
     }},
    {"getsockname length",
     [](Sockets &s, long bad) {
         struct sockaddr_un address;
         return raw(SYS_getsockname, s.server, &address, bad);
     }},
    {"getpeername address",
     [](Sockets &s, long bad) {
         socklen_t length = 100;
         return raw(SYS_getpeername, s.client, bad, &length);
     }},
    {"getpeername length",
     [](Sockets &s, long bad) {
         struct sockaddr_un address;
         return raw(SYS_getpeername, s.client, &address, bad);
     }},
    {"getsockname of a length below zero",
     [](Sockets &s, long) {
         struct sockaddr_un address;
         socklen_t length = static_cast<socklen_t>(-1);
         return raw(SYS_getsockname, s.server, &address, &length);
     }},
    {"sendto bytes", [](Sockets &s, long bad) { return raw(SYS_sendto, s.client, bad, 20L, 0L, 0L, 0L); }},
    {"sendto address", [](Sockets &s, long bad) { return raw(SYS_sendto, s.fresh, "x", 1L, 0L, bad, 20L); }},
    {"sendmsg header", [](Sockets &s, long bad) { return raw(SYS_sendmsg, s.client, bad, 0L); }},
    {"sendmsg name", [](Sockets &s, long bad) { return send_with(s.fresh, &msghdr::msg_name, bad); }},
    {"sendmsg control", [](Sockets &s, long bad) { return send_with(s.client, &msghdr::msg_control, bad); }},
    {"sendmsg vectors",
     [](Sockets &s, long bad) {
         Message message;
         message.header.msg_iov = reinterpret_cast<struct iovec *>(bad);
         return raw(SYS_sendmsg, s.client, &message.header, 0L);
     }},
    {"sendmsg bytes",
     [](Sockets &s, long bad) {
         Message message;
         message.vector = {reinterpret_cast<void *>(bad), 20};
         return raw(SYS_sendmsg, s.client, &message.header, 0L);
     }},
    {"sendmmsg", [](Sockets &s, long bad) { return raw(SYS_sendmmsg, s.client, bad, 1L, 0L); }},
    {"recvfrom bytes", [](Sockets &s, long bad) { return raw(SYS_recvfrom, s.accepted, bad, 10L, 0L, 0L, 0L); }},
    {"recvfrom address",
     [](Sockets &s, long bad) {
         char byte = 0;
         socklen_t length = 100;
         return raw(SYS_recvfrom, s.accepted, &byte, 1L, 0L, bad, &length);
     }},
    {"recvfrom length",
     [](Sockets &s, long bad) {
         char byte = 0;
         struct sockaddr_un address;
         return raw(SYS_recvfrom, s.accepted, &byte, 1L, 0L, &address, bad);
     }},
    {"recvmsg header", [](Sockets &s, long bad) { return raw(SYS_recvmsg, s.accepted, bad, 0L); }},
    {"recvmsg name", [](Sockets &s, long bad) { return receive_with(s.accepted, &msghdr::msg_name, bad); }},
    {"recvmsg control", [](Sockets &s, long bad) { return receive_with(s.accepted, &msghdr::msg_control, bad); }},
    {"recvmmsg", [](Sockets &s, long bad) { return raw(SYS_recvmmsg, s.accepted, bad, 1L, 0L, 0L); }},
    {"setrlimit", [](Sockets &, long bad) { return in_child([&] { return raw(SYS_setrlimit, RLIMIT_FSIZE, bad); }); }},
    {"setrlimit of memory",
     [](Sockets &, long bad) { return in_child([&] { return raw(SYS_setrlimit, RLIMIT_AS, bad); }); }},
    {"prlimit64 new",
     [](Sockets &, long bad) { return in_child([&] { return raw(SYS_prlimit64, 0L, RLIMIT_FSIZE, bad, 0L); }); }},
    {"prlimit64 old", [](Sockets &, long bad) { return raw(SYS_prlimit64, 0L, RLIMIT_FSIZE, 0L, bad); }},
    {"prlimit64 old of memory", [](Sockets &, long bad) { return raw(SYS_prlimit64, 0L, RLIMIT_AS, 0L, bad); }},
    {"clone parent's number",
     [](Sockets &, long bad) { return ended_child(raw(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, 0L, bad, 0L, 0L)); }},
    {"clone child's number",
     [](Sockets &, long bad) {
         return ended_child(raw(SYS_clone, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, 0L, 0L, bad, 0L));
     }},
    {"clone pidfd",
     [](Sockets &, long bad) { return ended_child(raw(SYS_clone, CLONE_PIDFD | SIGCHLD, 0L, bad, 0L, 0L)); }},
    {"clone3 arguments", [](Sockets &, long bad) { return ended_child(raw(SYS_clone3, bad, sizeof(clone_args))); }},
    {"clone3 arguments of 64 bytes", [](Sockets &, long bad) { return ended_child(raw(SYS_clone3, bad, 64L)); }},
    {"clone3 arguments too short", [](Sockets &, long bad) { return ended_child(raw(SYS_clone3, bad, 8L)); }},
    {"clone3 arguments too long", [](Sockets &, long bad) { return ended_child(raw(SYS_clone3, bad, 5000L)); }},
    {"clone3 parent's number",
     [](Sockets &, long bad) { return with_clone_arguments(CLONE_PARENT_SETTID, &clone_args::parent_tid, bad); }},
    {"clone3 child's number",
     [](Sockets &, long bad) { return with_clone_arguments(CLONE_CHILD_SETTID, &clone_args::child_tid, bad); }},
    {"clone3 pidfd", [](Sockets &, long bad) { return with_clone_arguments(CLONE_PIDFD, &clone_args::pidfd, bad); }},
    {"clone3 numbers wanted", [](Sockets &, long bad) { return with_clone_arguments(0, &clone_args::set_tid, bad); }},
};

void try_cases(const Memory &memory) {
    for (const Case &one : cases)
        for (const Bad &bad : ways_to_be_bad(memory)) {
            make_files();
            std::memset(memory.edge, 'e', 8);
            Sockets sockets;
            const long result = one.call(sockets, bad.address);
            // A number of a descriptor is none of the answer.
            const bool opens = std::string_view(one.name).starts_with("accept") && result >= 0;
            if (opens)
                close(static_cast<int>(result));
            std::printf("%s %s: %s\n", one.name, bad.name, opens ? "a descriptor" : result_text(result).c_str());
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
    try_cases(memory);
    std::printf("%u rows\n", tried);
    return 0;
}
