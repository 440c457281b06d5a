// random_calls DIRECTORY: some thousand calls with arguments drawn from what programs give, in a directory of its own;
// each call's result is a line (compare_script.sh compares them with Linux's). RANDOM_CALLS_SEED, RANDOM_CALLS_COUNT:
// another series, and how long it is.
//
// Left out is what docs/limits.md says to be different: leases, inode flags, the sizes of directories, access times,
// ...
#include "tests/shim_processes/random/drawn.h"
#include "tests/shim_processes/random/kinds.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
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
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    const char *number = getenv("RANDOM_CALLS_SEED"), *count = getenv("RANDOM_CALLS_COUNT");
    random_calls::seed(number != nullptr ? strtoull(number, nullptr, 0) : 1);
    const long calls = count != nullptr ? atol(count) : 20000;
    std::vector<Kind> kinds;
    for (const auto &some : {opening_kinds(), data_kinds(), attribute_kinds(), name_kinds()})
        for (const Kind &kind : some)
            for (unsigned i = 0; i < kind.weight; i++)
                kinds.push_back(kind);
    umask(022);
    for (long i = 0; i < calls; i++) {
        // Now and then all begins anew: else everything is a link that leads nowhere.
        if (i % 400 == 0) {
            base = argv[1] + std::string("/") + std::to_string(i / 400) + "/w";
            mkdir((argv[1] + std::string("/") + std::to_string(i / 400)).c_str(), 0755);
            mkdir(base.c_str(), 0755);
            if (chdir(base.c_str()) != 0)
                return 1;
            for (int open_slot = first_slot; open_slot < first_slot + slot_count; open_slot++)
                close(open_slot);
            populate();
        }
        const Kind &kind = kinds[draw(kinds.size())];
        line.clear();
        errno = 0;
        const long result = kind.make();
        std::printf("%ld %s%s: %ld %s\n", i, kind.name, line.c_str(), result,
                    result == -1 ? strerrorname_np(errno) : "");
        if (chdir(base.c_str()) != 0 && draw(4) == 0)
            return 1;
    }
    return 0;
}
