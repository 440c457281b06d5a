// random_locks DIRECTORY: some processes in turns lock, unlock and look at the same files with fcntl(2) (of processes
// and of open file descriptions) and flock(2), and open, copy, close, fork, execute and die in between; what each call
// gives is a line (compare_script.sh compares them with Linux's). RANDOM_CALLS_SEED, RANDOM_CALLS_COUNT: another
// series, and how long it is. No call waits: whose turn it is is all that decides.
//
//   conductor ── command ──► player 0..3 ── line ──► conductor
#include "tests/shim_processes/random/drawn.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace random_calls;

namespace {

constexpr unsigned player_count = 4;
constexpr unsigned file_count = 2;
constexpr const char *names[file_count] = {"a", "b"};
constexpr int first_number = 40, number_count = 6; // where players have open files

struct Player {
    pid_t process = -1;
    int to = -1; // its end of the socket
};

// What a player is told: its seed, and who the others are.
struct Command {
    uint64_t seed;
    Player players[player_count];
};

int number() {
    return static_cast<int>(told("fd", first_number + static_cast<int>(draw(number_count))));
}

long open_file() {
    const int opened = open(names[told("file", static_cast<long>(draw(file_count)))],
                            static_cast<int>(told("mode", one_of({O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY}))));
    if (opened < 0)
        return -1;
    const int at = number();
    const int done = dup2(opened, at);
    close(opened);
    return done < 0 ? -1 : 0;
}
struct flock range() {
    struct flock lock = {};
    lock.l_type = static_cast<short>(told("type", one_of({F_RDLCK, F_WRLCK, F_WRLCK, F_UNLCK})));
    lock.l_whence = static_cast<short>(told("whence", one_of({SEEK_SET, SEEK_SET, SEEK_SET, SEEK_CUR, SEEK_END})));
    lock.l_start = told("start", one_of<long>({0, 1, 5, 10, 20, 100, -5, 1L << 62}));
    lock.l_len = told("len", one_of<long>({0, 1, 5, 10, 100, -5, -1}));
    return lock;
}
long set_lock(int command) {
    const int at = number();
    struct flock lock = range();
    return call(SYS_fcntl, at, command, &lock);
}
long get_lock(int command, const Player *players) {
    const int at = number();
    struct flock lock = range();
    if (command == F_OFD_GETLK && draw(10) == 0)
        lock.l_pid = 7;
    const bool is_one_byte = lock.l_len == 1;
    const long result = call(SYS_fcntl, at, command, &lock);
    // Of several that are in the way Linux names the first it comes to; one of a byte says less.
    if (result == 0)
        told("is free", lock.l_type == F_UNLCK);
    if (result == 0 && lock.l_type != F_UNLCK && is_one_byte) {
        told("type", lock.l_type);
        told("whence", lock.l_whence);
        if (lock.l_type == F_WRLCK) {
            told("start", lock.l_start);
            told("len", lock.l_len);
            long who = lock.l_pid == -1 ? -1 : 99;
            for (unsigned i = 0; i < player_count; i++)
                if (players[i].process == lock.l_pid)
                    who = static_cast<long>(i);
            told("who", who);
        }
    }
    return result;
}
long lock_whole() {
    const int at = number();
    return flock(at, static_cast<int>(told("op", one_of({LOCK_SH, LOCK_EX, LOCK_EX, LOCK_UN}))) | LOCK_NB);
}
// A child of a moment: it has its parent's descriptions, and none of its locks.
long child() {
    const int at = number();
    struct flock lock = range();
    const bool locks = draw(2) == 0, closes = draw(2) == 0;
    const pid_t made = fork();
    if (made == 0) {
        long result = locks ? call(SYS_fcntl, at, draw(2) == 0 ? F_SETLK : F_OFD_SETLK, &lock) : 0;
        const int error = result < 0 ? errno : 0;
        if (closes)
            close(at);
        _exit(error & 127);
    }
    int status = 0;
    waitpid(made, &status, 0);
    return WEXITSTATUS(status);
}
// It goes on as another program, with its locks and without what is close-on-exec.
long execute(int conductor) {
    if (const int at = number(); draw(2) == 0)
        fcntl(at, F_SETFD, FD_CLOEXEC);
    char text[16];
    std::snprintf(text, sizeof text, "%d", conductor);
    execl("/proc/self/exe", "random_locks", "player", text, static_cast<char *>(nullptr));
    return -1;
}

long play(int conductor, const Player *players) {
    const uint64_t kind = draw(100);
    const auto named = [](const char *name) { line = name; };
    if (kind < 14)
        return named("open"), open_file();
    if (kind < 20)
        return named("close"), close(number());
    if (kind < 24) {
        named("dup");
        const int from = number();
        return dup2(from, number()) < 0 ? -1 : 0;
    }
    if (kind < 48)
        return named("setlk"), set_lock(F_SETLK);
    if (kind < 64)
        return named("ofd"), set_lock(F_OFD_SETLK);
    if (kind < 74)
        return named("getlk"), get_lock(F_GETLK, players);
    if (kind < 82)
        return named("ofd get"), get_lock(F_OFD_GETLK, players);
    if (kind < 92)
        return named("flock"), lock_whole();
    if (kind < 94) {
        named("seek");
        const int at = number();
        return lseek(at, told("to", static_cast<long>(draw(50))), SEEK_SET);
    }
    if (kind < 97)
        return named("child"), child();
    if (kind < 98) {
        named("truncate");
        return truncate(names[draw(file_count)], told("size", static_cast<long>(draw(60))));
    }
    return named("exec"), execute(conductor);
}

// What it is told to, until the socket ends.
[[noreturn]] void be_player(int conductor) {
    Command order;
    for (;;) {
        const ssize_t got = read(conductor, &order, sizeof order);
        if (got != static_cast<ssize_t>(sizeof order))
            _exit(0);
        seed(order.seed);
        line.clear();
        errno = 0;
        const long result = play(conductor, order.players);
        char text[240];
        const int length = std::snprintf(text, sizeof text, "%s: %ld %s", line.c_str(), result,
                                         result == -1 ? strerrorname_np(errno) : "");
        if (write(conductor, text, static_cast<size_t>(length) + 1) < 0)
            _exit(1);
    }
}

} // namespace

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "player") == 0) {
        const int conductor = atoi(argv[2]);
        if (write(conductor, "executed", 9) < 0)
            return 1;
        be_player(conductor);
    }
    if (argc != 2 || chdir(argv[1]) != 0)
        return 2;
    const Series series = wanted_series();
    for (const char *name : names) {
        const int made = open(name, O_CREAT | O_WRONLY, 0644);
        if (write(made, "0123456789012345678901234567890", 31) != 31)
            return 1;
        close(made);
    }
    Command order = {};
    const auto begin = [&](unsigned player) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
            _exit(1);
        const pid_t made = fork();
        if (made == 0) {
            for (const Player &other : order.players)
                close(other.to);
            const int own = dup2(ends[1], 30);
            close(ends[0]);
            close(ends[1]);
            be_player(own);
        }
        close(ends[1]);
        order.players[player] = {made, ends[0]};
    };
    for (unsigned i = 0; i < player_count; i++)
        order.players[i].to = -1;
    for (unsigned i = 0; i < player_count; i++)
        begin(i);
    for (long i = 0; i < series.calls; i++) {
        seed(series.seed_of(i));
        const auto player = static_cast<unsigned>(draw(player_count));
        if (draw(200) == 0) {
            kill(order.players[player].process, SIGKILL);
            waitpid(order.players[player].process, nullptr, 0);
            close(order.players[player].to);
            std::printf("%ld %u killed\n", i, player);
            begin(player);
            continue;
        }
        order.seed = draw(1UL << 60);
        char text[240] = {};
        if (write(order.players[player].to, &order, sizeof order) < 0 ||
            read(order.players[player].to, text, sizeof text - 1) <= 0)
            std::snprintf(text, sizeof text, "it is gone");
        std::printf("%ld %u %s\n", i, player, text);
    }
    return 0;
}
