// launch: execve of a static program, or of Go's, becomes execveat of the launcher.
//
// Nothing but two descriptors tells the launcher what to run: its own, by which it is executed, and the
// program's, which is the next number. So neither arguments nor environment need be copied, and a vfork
// child leaves no memory behind.
#include "intercept/guest/launch.h"

#include "base/raw_syscall.h"
#include "intercept/guest/elf_image.h"
#include "intercept/guest/valgrind.h"
#include "intercept/include/pmemfile-intercept.h"
#include "intercept/levels.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>

namespace intercept {
namespace {

constinit char launcher[PATH_MAX]; // empty: level 3 is off

long call(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0, long a4 = 0) {
    return base::raw_syscall(number, a0, a1, a2, a3, a4);
}

void close_descriptor(long descriptor) {
    if (!base::is_error(descriptor))
        call(SYS_close, descriptor);
}

// The program, if the launcher can do for it what the kernel would; else an error, and it is the kernel's.
long open_program(int dirfd, const char *path, long flags) {
    if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0)
        return -EINVAL;
    // Permissions first, since it is a call that fails for a bad pointer too.
    constexpr long access_flags = AT_EACCESS | AT_EMPTY_PATH;
    constexpr long faccessat2 = 439;
    if (long result = call(faccessat2, dirfd, base::as_long(path), X_OK, access_flags); result != 0)
        return result;
    if (is_valgrind_tool(path))
        return -ENOEXEC;
    long opened = -ENOENT;
    char by_number[32] = "/proc/self/fd/";
    if (path[0] == 0 && (flags & AT_EMPTY_PATH) != 0) {
        char digits[12];
        unsigned count = 0;
        auto rest = static_cast<unsigned>(dirfd);
        do
            digits[count++] = static_cast<char>('0' + rest % 10);
        while ((rest /= 10) != 0);
        char *to = by_number + strlen(by_number);
        while (count > 0)
            *to++ = digits[--count];
        opened = call(SYS_openat, AT_FDCWD, base::as_long(by_number), O_RDONLY | O_CLOEXEC);
    } else {
        opened = call(SYS_openat, dirfd, base::as_long(path),
                      O_RDONLY | O_CLOEXEC | O_NONBLOCK | ((flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0));
    }
    if (base::is_error(opened))
        return opened;
    struct stat status {};
    // Set-id bits and capabilities only the kernel can give.
    bool plain = call(SYS_fstat, opened, base::as_long(&status)) == 0 && S_ISREG(status.st_mode) &&
                 (status.st_mode & (S_ISUID | S_ISGID)) == 0 &&
                 call(SYS_fgetxattr, opened, base::as_long("security.capability"), 0, 0) < 0;
    if (plain && (elf_is_static_program(static_cast<int>(opened)) || elf_is_go_program(static_cast<int>(opened))))
        return opened;
    call(SYS_close, opened);
    return -ENOEXEC;
}

// The program's number must be the launcher's plus one.
bool pair_descriptors(long launcher_opened, long program_opened, long (&pair)[2]) {
    constexpr unsigned tries_max = 64;
    long from = launch_first_descriptor();
    for (unsigned i = 0; i < tries_max; i++) {
        pair[0] = call(SYS_fcntl, launcher_opened, F_DUPFD, from);
        pair[1] = base::is_error(pair[0]) ? pair[0] : call(SYS_fcntl, program_opened, F_DUPFD, pair[0] + 1);
        if (!base::is_error(pair[1]) && pair[1] == pair[0] + 1)
            return true;
        close_descriptor(pair[0]);
        close_descriptor(pair[1]);
        if (base::is_error(pair[1]))
            return false;
        from = pair[1] + 1;
    }
    return false;
}

// Returns only when there is nothing to launch, or it failed: then the kernel may try (0), but not where nothing but
// numbers are wanting: the program would run, and its calls would have no hooks.
long launch(int dirfd, const char *path, const char *const *argv, const char *const *envp, long flags) {
    if (launcher[0] == 0)
        return 0;
    long program = open_program(dirfd, path, flags);
    if (base::is_error(program))
        return 0;
    long opened = call(SYS_openat, AT_FDCWD, base::as_long(launcher), O_RDONLY | O_CLOEXEC);
    long pair[2];
    long result = opened == -EMFILE ? opened : 0;
    if (!base::is_error(opened) && pair_descriptors(opened, program, pair)) {
        call(SYS_execveat, pair[0], base::as_long(""), base::as_long(argv), base::as_long(envp), AT_EMPTY_PATH);
        close_descriptor(pair[0]);
        close_descriptor(pair[1]);
    } else if (!base::is_error(opened)) {
        result = -EMFILE;
    }
    close_descriptor(opened);
    close_descriptor(program);
    return result;
}

int serve(intercept_call *call) {
    bool at = call->nr == SYS_execveat;
    const long *args = call->args + (at ? 1 : 0);
    const long result = launch(at ? static_cast<int>(call->args[0]) : AT_FDCWD, reinterpret_cast<const char *>(args[0]),
                               reinterpret_cast<const char *const *>(args[1]),
                               reinterpret_cast<const char *const *>(args[2]), at ? call->args[4] : 0);
    if (result == 0)
        return INTERCEPT_PASS;
    call->result = result;
    return INTERCEPT_HANDLED;
}

} // namespace

int launch_start() {
    if ((chosen_levels() & INTERCEPT_LEVEL_LAUNCHER) == 0 || launcher[0] != 0)
        return 0;
    const char *path = secure_getenv("INTERCEPT_LAUNCHER");
    if (path == nullptr || path[0] != '/')
        path = INTERCEPT_LAUNCHER_PATH;
    if (strlen(path) >= sizeof launcher || call(SYS_access, base::as_long(path), X_OK) != 0)
        return -ENOENT;
    constexpr long numbers[] = {SYS_execve, SYS_execveat};
    // Before the hook of program_signals, which executes the call itself.
    const intercept_hook hook = {nullptr, serve, nullptr, INT_MAX - 1, numbers, 2};
    int id = intercept_add(&hook);
    if (id >= 0)
        strcpy(launcher, path);
    return id < 0 ? id : 0;
}

} // namespace intercept

using namespace intercept;

extern "C" long intercept_execute(int dirfd, const char *path, const char *const *argv, const char *const *envp,
                                  int flags) {
    if (const long result = launch(dirfd, path, argv, envp, flags); result != 0)
        return result;
    if (dirfd == AT_FDCWD && flags == 0)
        return call(SYS_execve, base::as_long(path), base::as_long(argv), base::as_long(envp));
    return call(SYS_execveat, dirfd, base::as_long(path), base::as_long(argv), base::as_long(envp), flags);
}

extern "C" int intercept_launches(void) {
    return launcher[0] != 0 ? 1 : 0;
}

extern "C" int intercept_launches_program(int dirfd, const char *path, int flags) {
    if (launcher[0] == 0)
        return 0;
    const long program = open_program(dirfd, path, flags);
    close_descriptor(program);
    return base::is_error(program) ? 0 : 1;
}
