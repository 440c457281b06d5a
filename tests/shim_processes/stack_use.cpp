// stack_use DIRECTORY: how much of its caller's stack a call takes, in a directory of a pool. Threads have as little as
// 16 KiB, coroutines and signal stacks less: no call takes more than 8 KiB. The largest is printed.
//
//   painted ▒▒▒▒▒▒▒▒▒▒│ touched by the call │ frame of `bytes_taken`
//           └ mapping  └ first that changed
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <pthread.h>
#include <spawn.h>
#include <string>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr size_t limit_bytes = 8192;
constexpr size_t stack_bytes = 256 * 1024;
constexpr unsigned char paint = 0xa5;

struct Row {
    const char *name;
    std::function<bool()> call; // false: it failed
};

class Stack {
public:
    Stack()
        : low_(static_cast<unsigned char *>(
              mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
    // Runs on this stack.
    template <typename Work> void run(Work work) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstack(&attributes, low_, stack_bytes);
        pthread_t thread;
        const auto start = [](void *argument) -> void * {
            (*static_cast<Work *>(argument))();
            return nullptr;
        };
        if (pthread_create(&thread, &attributes, start, &work) != 0)
            _exit(1);
        pthread_join(thread, nullptr);
        pthread_attr_destroy(&attributes);
    }
    [[gnu::noinline]] size_t bytes_taken(const Row &row, bool *is_done) const {
        auto *frame = static_cast<unsigned char *>(__builtin_frame_address(0));
        constexpr size_t own_bytes = 512; // of this function, which paints
        for (volatile unsigned char *at = low_; at < frame - own_bytes; at++)
            *at = paint;
        *is_done = row.call();
        const unsigned char *at = low_;
        while (at < frame - own_bytes && *at == paint)
            at++;
        return static_cast<size_t>(frame - at);
    }

private:
    unsigned char *low_;
};

std::string directory;
char buffer[65536];

std::string in(const char *name) {
    return directory + "/" + name;
}

bool waited(pid_t child) {
    int status = -1;
    return waitpid(child, &status, 0) == child && status == 0;
}

bool spawned(const std::string &program) {
    char *const words[] = {const_cast<char *>("true"), nullptr};
    pid_t child = 0;
    return posix_spawn(&child, program.c_str(), nullptr, nullptr, words, environ) == 0 && waited(child);
}

std::vector<Row> descriptor_rows(int file, int other) {
    return {
        {"write", [=] { return write(file, buffer, 100) == 100; }},
        {"pwrite of 64 KiB", [=] { return pwrite(file, buffer, sizeof buffer, 0) == sizeof buffer; }},
        {"append of 64 KiB",
         [=] { return lseek(file, 0, SEEK_END) >= 0 && write(file, buffer, sizeof buffer) == sizeof buffer; }},
        {"pread", [=] { return pread(file, buffer, sizeof buffer, 0) == sizeof buffer; }},
        {"fsync", [=] { return fsync(file) == 0; }},
        {"ftruncate", [=] { return ftruncate(file, 100) == 0 && ftruncate(file, 1 << 20) == 0; }},
        {"fallocate", [=] { return fallocate(file, 0, 0, 1 << 20) == 0; }},
        {"punched hole", [=] { return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192) == 0; }},
        {"inserted range", [=] { return fallocate(file, FALLOC_FL_INSERT_RANGE, 4096, 8192) == 0; }},
        {"collapsed range", [=] { return fallocate(file, FALLOC_FL_COLLAPSE_RANGE, 4096, 8192) == 0; }},
        {"copy_file_range",
         [=] {
             loff_t from = 0, to = 0;
             return copy_file_range(file, &from, other, &to, sizeof buffer, 0) > 0;
         }},
        {"sendfile",
         [=] {
             off_t from = 0;
             return sendfile(other, file, &from, 8192) > 0;
         }},
        {"record lock",
         [=] {
             struct flock lock = {};
             lock.l_type = F_WRLCK;
             return fcntl(file, F_SETLKW, &lock) == 0;
         }},
        {"flock", [=] { return flock(file, LOCK_EX) == 0; }},
        {"attribute",
         [=] {
             return fsetxattr(file, "user.name", buffer, 1000, 0) == 0 &&
                    fgetxattr(file, "user.name", buffer, 1000) == 1000 && fremovexattr(file, "user.name") == 0;
         }},
        {"mapping",
         [=] {
             void *at = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
             if (at == MAP_FAILED)
                 return false;
             std::memset(at, 1, 65536);
             if (msync(at, 65536, MS_SYNC) != 0 || (at = mremap(at, 65536, 1 << 17, MREMAP_MAYMOVE)) == MAP_FAILED)
                 return false;
             return mprotect(at, 4096, PROT_READ) == 0 && munmap(at, 1 << 17) == 0;
         }},
        {"link of /proc/self/fd",
         [=] { return readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), buffer, sizeof buffer) > 0; }},
    };
}

std::vector<Row> path_rows() {
    static struct stat status;
    static struct statfs counts;
    const auto made = [](const std::string &path) {
        const int file = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
        return file >= 0 && close(file) == 0;
    };
    return {
        {"create", [=] { return made(in("new")); }},
        {"many names",
         [=] {
             for (int i = 0; i < 500; i++)
                 if (!made(in("a-name-that-takes-some-room-") + std::to_string(i)))
                     return false;
             return true;
         }},
        {"stat", [] { return stat(in("new").c_str(), &status) == 0; }},
        {"symlink", [] { return symlink("new", in("link").c_str()) == 0 && stat(in("link").c_str(), &status) == 0; }},
        {"link", [] { return link(in("new").c_str(), in("second").c_str()) == 0; }},
        {"mkdir", [] { return mkdir(in("directory").c_str(), 0700) == 0; }},
        {"rename", [] { return rename(in("second").c_str(), in("directory/second").c_str()) == 0; }},
        {"rename over another", [=] { return made(in("two")) && rename(in("two").c_str(), in("new").c_str()) == 0; }},
        {"unlink", [] { return unlink(in("directory/second").c_str()) == 0; }},
        {"rmdir", [] { return rmdir(in("directory").c_str()) == 0; }},
        {"chmod", [] { return chmod(in("new").c_str(), 0640) == 0; }},
        {"statfs", [] { return statfs(directory.c_str(), &counts) == 0; }},
        {"chdir", [] { return chdir(directory.c_str()) == 0 && getcwd(buffer, sizeof buffer) != nullptr; }},
        {"a host path", [] { return stat("/proc/self/../self/status", &status) == 0; }},
        {"a host path that is not there", [] { return stat("/usr/nothing", &status) != 0; }},
        {"inotify",
         [] {
             const int watch = inotify_init1(IN_CLOEXEC);
             return inotify_add_watch(watch, directory.c_str(), IN_ALL_EVENTS) > 0 && close(watch) == 0;
         }},
        {"unix socket",
         [] {
             struct sockaddr_un address = {};
             address.sun_family = AF_UNIX;
             std::strcpy(address.sun_path, in("socket").c_str());
             const int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
             const auto *to = reinterpret_cast<struct sockaddr *>(&address);
             return bind(server, to, sizeof address) == 0 && listen(server, 1) == 0 &&
                    connect(client, to, sizeof address) == 0 && close(server) == 0 && close(client) == 0;
         }},
        {"fork",
         [] {
             const pid_t child = fork();
             if (child == 0)
                 _exit(0);
             return waited(child);
         }},
        {"spawn of a host program", [] { return spawned("/bin/true"); }},
        {"spawn of a program in the pool", [] { return spawned(in("true")); }},
    };
}

bool copy_program() {
    const int from = open("/bin/true", O_RDONLY), to = open(in("true").c_str(), O_CREAT | O_WRONLY, 0700);
    while (sendfile(to, from, nullptr, 1 << 20) > 0)
        continue;
    close(from);
    return close(to) == 0;
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    directory = argv[1];
    const int file = open(in("file").c_str(), O_CREAT | O_RDWR, 0600);
    const int other = open(in("other").c_str(), O_CREAT | O_RDWR, 0600);
    if (file < 0 || other < 0 || !copy_program())
        return 1;
    std::vector<Row> rows = descriptor_rows(file, other);
    for (const Row &row : path_rows())
        rows.push_back(row);
    Stack stack;
    int failures = 0;
    size_t most = 0;
    stack.run([&] {
        for (const Row &row : rows) {
            bool is_done = false;
            const size_t taken = stack.bytes_taken(row, &is_done);
            if (!is_done || taken > limit_bytes) {
                std::printf("FAIL: %s takes %zu bytes of stack%s\n", row.name, taken, is_done ? "" : ", and fails");
                failures++;
            }
            most = taken > most ? taken : most;
        }
    });
    std::printf("%zu calls take %zu bytes of stack at most\n", rows.size(), most);
    return failures == 0 ? 0 : 1;
}
