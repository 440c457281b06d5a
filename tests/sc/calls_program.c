/* A program that makes many different calls with known arguments and results, for the
 * comparison of sc trace with strace: what comes after the first getpid is compared. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define CALL(...) (void)!(__VA_ARGS__)

static void on_signal(int number) {
    (void)number;
}

static void files(void) {
    char buffer[200], target[100];
    struct stat status;
    int fd = openat(AT_FDCWD, "a", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    CALL(write(fd, "hello \"world\"\n\t\\ \1\0012 and a long tail behind it", 47));
    CALL(pwrite(fd, "x", 1, 3));
    CALL(lseek(fd, 0, SEEK_SET));
    CALL(read(fd, buffer, sizeof buffer));
    CALL(read(fd, buffer, sizeof buffer));
    CALL(pread(fd, buffer, 4, 2));
    struct iovec parts[2] = {{"one", 3}, {"second", 6}};
    CALL(writev(fd, parts, 2));
    CALL(fstat(fd, &status));
    CALL(fstatat(AT_FDCWD, "nothing here", &status, AT_SYMLINK_NOFOLLOW));
    CALL(ftruncate(fd, 20));
    CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096));
    CALL(fcntl(fd, F_GETFL));
    CALL(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
    CALL(fcntl(fd, F_GETFD));
    CALL(fcntl(fd, F_SETFD, 0));
    struct flock lock = {F_WRLCK, SEEK_SET, 0, 10, 0};
    CALL(fcntl(fd, F_SETLK, &lock));
    CALL(flock(fd, LOCK_EX | LOCK_NB));
    CALL(fsync(fd));
    CALL(fchmod(fd, 0600));
    CALL(dup3(fd, 77, O_CLOEXEC));
    CALL(close(77));
    CALL(close(77));
    CALL(write(-1, "bad", 3));
    CALL(syscall(SYS_write, fd, 16L, 3L));
    CALL(ioctl(fd, TCGETS, buffer));
    CALL(close(fd));
    CALL(mkdir("d", 0755));
    CALL(mkdir("d", 0755));
    CALL(rename("a", "d/b"));
    CALL(symlink("d/b", "s"));
    CALL(readlink("s", target, sizeof target));
    CALL(link("d/b", "c"));
    CALL(chmod("c", 0444));
    CALL(access("c", R_OK | W_OK));
    CALL(syscall(SYS_renameat2, AT_FDCWD, "c", AT_FDCWD, "e", 1));
    CALL(setxattr("e", "user.sc", "v", 1, 0));
    struct timespec times[2] = {{1, 2}, {0, UTIME_OMIT}};
    CALL(utimensat(AT_FDCWD, "e", times, 0));
    CALL(unlink("e"));
    CALL(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
    CALL(unlink("s"));
    CALL(unlink("d/b"));
    CALL(rmdir("d"));
    CALL(open("d/none", O_WRONLY | O_APPEND));
    CALL(umask(022));
    CALL(umask(077));
}

static void memory(void) {
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CALL(mprotect(page, 4096, PROT_READ));
    CALL(madvise(page, 8192, MADV_DONTNEED));
    CALL(mremap(page, 8192, 4096, MREMAP_MAYMOVE));
    CALL(munmap(page, 4096));
    CALL(munmap((void *)1, 4096));
}

static void signals(void) {
    sigset_t set, old;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaddset(&action.sa_mask, SIGUSR2);
    CALL(sigaction(SIGUSR1, &action, NULL));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    CALL(sigprocmask(SIG_BLOCK, &set, &old));
    CALL(sigprocmask(SIG_SETMASK, &old, NULL));
    CALL(kill(getpid(), 0));
    CALL(kill(99999999, SIGTERM));
}

static void network(void) {
    char text[30];
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(1);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    CALL(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
    CALL(connect(fd, (struct sockaddr *)&address, sizeof address));
    CALL(close(fd));
    int pair[2];
    CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CALL(sendto(pair[0], "abc", 3, MSG_NOSIGNAL, NULL, 0));
    CALL(recvfrom(pair[1], text, sizeof text, MSG_DONTWAIT, NULL, NULL));
    CALL(shutdown(pair[0], SHUT_RDWR));
    CALL(close(pair[0]));
    CALL(close(pair[1]));
}

static void waiting(void) {
    int ends[2];
    CALL(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    struct pollfd polled[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}};
    CALL(poll(polled, 2, 0));
    CALL(poll(polled, 1, 0));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {EPOLLOUT | EPOLLET, {.u64 = 7}}, happened[4];
    CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event));
    CALL(epoll_wait(epoll, happened, 4, 0));
    CALL(eventfd(3, EFD_NONBLOCK));
    struct timespec nap = {0, 1000};
    CALL(nanosleep(&nap, NULL));
    CALL(read(ends[0], ends, 1));
}

static void processes(void) {
    struct utsname name;
    struct rlimit limit = {8 << 20, RLIM_INFINITY};
    CALL(uname(&name));
    CALL(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &limit));
    CALL(prctl(PR_SET_NAME, "renamed"));
    CALL(getppid());
    CALL(syscall(SYS_getrandom, NULL, 0, GRND_NONBLOCK));
    CALL(getpriority(PRIO_PROCESS, 0));
    CALL(chdir("nowhere"));
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        CALL(getppid());
        _exit(7);
    }
    CALL(waitpid(child, &status, 0));
    CALL(waitpid(-1, &status, WNOHANG));
    child = fork();
    if (child == 0) {
        execl("/bin/no such program", "no such program", "with a word", (char *)NULL);
        execl("/bin/sh", "sh", "-c", "exit 3", (char *)NULL);
    }
    CALL(waitpid(child, &status, 0));
}

int main(void) {
    CALL(syscall(SYS_getpid));
    files();
    memory();
    signals();
    network();
    waiting();
    processes();
    CALL(syscall(SYS_gettid));
    return 5;
}
