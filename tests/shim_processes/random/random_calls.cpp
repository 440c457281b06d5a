// random_calls DIRECTORY: some thousand calls with arguments drawn from what programs give, in a directory of its own;
// each call's result is a line (compare_script.sh compares them with Linux's). RANDOM_CALLS_SEED, RANDOM_CALLS_COUNT:
// another series, and how long it is; RANDOM_CALLS_USER: by a user of that number;
// RANDOM_CALLS_PLAYERS: by so many processes in turns, in one directory;
// RANDOM_CALLS_ACROSS: with symlinks and names that lead to another filesystem and back; "host": begun there.
//
// Left out is what docs/limits.md says to be different: leases, inode flags, the sizes of directories, access times,
// ...
#include "tests/shim_processes/random/drawn.h"
#include "tests/shim_processes/random/kinds.h"
#include "tests/shim_processes/random/turns.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace random_calls;

namespace {

void populate() {
    const auto file = [](const char *name, size_t size_bytes) {
        const int opened = open(name, O_CREAT | O_WRONLY, 0644);
        std::memset(buffer, name[0], size_bytes);
        if (write(opened, buffer, size_bytes) < 0)
            _exit(1);
        close(opened);
    };
    file("f", 10), file("g", 10000);
    mkdir("d", 0755), mkdir("d/e", 0755);
    file("d/f", 5000);
    if (symlink("f", "s") + symlink("d", "sd") + symlink("nothing", "dang") + symlink("loop", "loop") != 0)
        _exit(1);
    const int hole = open("hole", O_CREAT | O_RDWR, 0644);
    if (pwrite(hole, "hole", 4, 200000) != 4)
        _exit(1);
    close(hole);
    if (other.empty())
        return;
    if (symlink(other.c_str(), "so") + symlink((other + "/f").c_str(), "sof") != 0 || chdir(other.c_str()) != 0)
        _exit(1);
    file("f", 6000);
    mkdir("d", 0755);
    file("d/f", 20);
    if (symlink(base.c_str(), "back") + symlink("loop", "loop") + symlink("no", "dang") +
                symlink((base + "/f").c_str(), "s") + symlink((base + "/n1").c_str(), "new") !=
            0 ||
        chdir(base.c_str()) != 0)
        _exit(1);
}

// For RANDOM_CALLS_USER, whose group has the same number and who is in group 7 too, a directory of its own.
std::string give_up_root(const std::string &top) {
    const char *user = getenv("RANDOM_CALLS_USER");
    if (user == nullptr || geteuid() != 0) // (who is not root is a user already)
        return top;
    // Who gives up the right to the pool should not be the last one to leave it (docs/limits.md).
    if (const pid_t child = fork(); child != 0) {
        int status = 1;
        waitpid(child, &status, 0);
        _exit(status == 0 ? 0 : 1);
    }
    const auto id = static_cast<uid_t>(atoi(user));
    const gid_t groups[] = {7};
    const std::string own = top + "/own";
    if (mkdir(own.c_str(), 0755) != 0 || chown(own.c_str(), id, id) != 0 || setgroups(1, groups) != 0 ||
        setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0)
        _exit(1);
    return own;
}

// A directory of its own, "w" in `around`, which is the working directory then; no files are open.
void begin_anew(const std::string &around, bool makes_it) {
    if (makes_it) {
        mkdir(around.c_str(), 0755);
        mkdir(base.c_str(), 0755);
        if (!other.empty()) {
            mkdir(other.substr(0, other.rfind('/')).c_str(), 0755);
            mkdir(other.c_str(), 0755);
        }
    }
    if (chdir(base.c_str()) != 0)
        _exit(1);
    for (int open_slot = first_slot; open_slot < first_slot + slot_count; open_slot++)
        close(open_slot);
    if (makes_it)
        populate();
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    const Series series = wanted_series();
    const bool across = getenv("RANDOM_CALLS_ACROSS") != nullptr;
    const char *player_text = getenv("RANDOM_CALLS_PLAYERS");
    const auto players = player_text != nullptr ? static_cast<unsigned>(atoi(player_text)) : 1u;
    std::vector<Kind> kinds;
    for (const auto &some : {opening_kinds(), data_kinds(), attribute_kinds(), name_kinds()})
        for (const Kind &kind : some)
            for (unsigned i = 0; i < kind.weight; i++)
                kinds.push_back(kind);
    umask(022);
    const char *elsewhere = getenv("OTHER_DIRECTORY");
    std::string top = argv[1];
    if (across && elsewhere != nullptr && getenv("RANDOM_CALLS_ACROSS") == std::string_view("host")) {
        top = elsewhere;
        elsewhere = argv[1];
    }
    top = give_up_root(top);
    Turns turns(players);
    for (long i = 0; i < series.calls; i++) {
        // Now and then all begins anew: else everything is a link that leads nowhere. And when nobody gets in there any
        // more.
        const bool is_lost = i % 400 != 0 && turns.count() == 1 && chdir(base.c_str()) != 0;
        if (i % 400 == 0 || is_lost) {
            const std::string around = top + "/" + std::to_string(i);
            base = around + "/w";
            if (elsewhere != nullptr && across)
                other = elsewhere + std::string("/") + std::to_string(i) + "/w";
            turns.take_all([&] { begin_anew(around, turns.player() == 0); });
        }
        random_calls::seed(series.seed_of(i));
        const auto whose = turns.count() == 1 ? 0u : static_cast<unsigned>(draw(turns.count()));
        turns.take(whose, [&] {
            const Kind &kind = kinds[draw(kinds.size())];
            line.clear();
            errno = 0;
            const long result = kind.make();
            std::printf("%ld %s%s: %ld %s\n", i, kind.name, line.c_str(), result,
                        result == -1 ? strerrorname_np(errno) : "");
            if (turns.count() > 1)
                std::fflush(stdout);
        });
    }
    turns.end();
    return 0;
}
