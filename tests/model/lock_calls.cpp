// The model's locks on one file: the process's (fcntl), two descriptions' (F_OFD_), and flock, against cells in memory
// and against the kernel's on tmpfs.
//
//   cell    0   1   2   …  63   64 and all behind it
//   owner   the process, description a, description b: each none, shared or exclusive, in each cell
#include "libpmemfile/fs/lock_calls.h"
#include "tests/model/directory_model.h"

#include <array>
#include <fcntl.h>
#include <sys/file.h>

namespace model_test {

using namespace pmemfile;

namespace {

constexpr unsigned cells = 65;
constexpr unsigned owners = 3; // the process, and each description
using Cells = std::array<short, cells>;

struct Range {
    unsigned begin, end; // cells
    off_t length() const {
        return end == cells ? 0 : static_cast<off_t>(end - begin);
    }
};

struct Table {
    Cells held[owners];
    Table() {
        for (Cells &one : held)
            one.fill(F_UNLCK);
    }
    bool conflicts(unsigned owner, short type, unsigned cell) const {
        for (unsigned other = 0; other < owners; ++other)
            if (other != owner && (held[other][cell] == F_WRLCK || (type == F_WRLCK && held[other][cell] == F_RDLCK)))
                return true;
        return false;
    }
    bool conflicts(unsigned owner, short type, Range range) const {
        for (unsigned cell = range.begin; cell < range.end; ++cell)
            if (conflicts(owner, type, cell))
                return true;
        return false;
    }
};

int errno_of(long result) {
    return result < 0 ? errno : 0;
}

} // namespace

void DirectoryModel::lock(const std::string &name) {
    if (find_file(name) == nullptr)
        return;
    Opened descriptions[2] = {{*this, name, O_RDWR}, {*this, name, O_RDWR}};
    int mirrored[2];
    for (int &descriptor : mirrored)
        if ((descriptor = open(mirror_.at(name).c_str(), O_RDWR | O_CLOEXEC)) < 0)
            differ("open on tmpfs");
    Table table;
    short flocked[2] = {F_UNLCK, F_UNLCK};
    for (unsigned count = 5 + below(20); count != 0; --count) {
        const unsigned owner = below(owners);
        // The process's locks are the same through either description.
        const unsigned through = owner == 0 ? below(2) : owner - 1;
        const unsigned begin = below(cells);
        const Range range = {begin, begin + 1 + below(cells - begin)};
        constexpr short types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
        const unsigned choice = below(10);
        const short type = types[below(choice < 6 ? 3 : 2)];
        struct flock wanted_lock = {};
        wanted_lock.l_type = type;
        wanted_lock.l_whence = SEEK_SET;
        wanted_lock.l_start = begin;
        wanted_lock.l_len = range.length();
        struct flock ours = wanted_lock, kernels = wanted_lock;
        if (choice < 6) {
            const int command = owner == 0 ? F_SETLK : F_OFD_SETLK;
            const int wanted = type != F_UNLCK && table.conflicts(owner, type, range) ? EAGAIN : 0;
            expect(wanted, fs_lock_record(thread(), *descriptions[through], command, ours, nullptr),
                   errno_of(fcntl(mirrored[through], command, &kernels)), "lock " + name);
            if (wanted == 0)
                std::fill(table.held[owner].begin() + range.begin, table.held[owner].begin() + range.end, type);
        } else if (choice < 8) {
            const int command = owner == 0 ? F_GETLK : F_OFD_GETLK;
            expect(0, fs_lock_record(thread(), *descriptions[through], command, ours, nullptr),
                   errno_of(fcntl(mirrored[through], command, &kernels)), "look at locks of " + name);
            const bool conflicts = table.conflicts(owner, type, range);
            if ((ours.l_type != F_UNLCK) != conflicts || (kernels.l_type != F_UNLCK) != conflicts)
                differ("F_GETLK of " + name + " is wrong");
            // Which of several locks is told may be another one; it must stand in the way.
            const auto first = static_cast<unsigned>(ours.l_start);
            const unsigned last = ours.l_len == 0 ? cells - 1 : first + static_cast<unsigned>(ours.l_len) - 1;
            if (conflicts && (first >= cells || last < range.begin || first >= range.end ||
                              !table.conflicts(owner, type, std::max(first, range.begin))))
                differ("F_GETLK of " + name + " tells a lock that is not in the way");
        } else if (choice == 8) {
            constexpr int operations[] = {LOCK_SH, LOCK_EX, LOCK_UN};
            const unsigned one = below(2), operation = below(3);
            const bool is_in_the_way =
                operation != 2 && flocked[1 - one] != F_UNLCK && (operation == 1 || flocked[1 - one] == F_WRLCK);
            expect(is_in_the_way ? EWOULDBLOCK : 0,
                   fs_flock(thread(), *descriptions[one], operations[operation] | LOCK_NB, nullptr),
                   errno_of(flock(mirrored[one], operations[operation] | LOCK_NB)), "flock " + name);
            // flock(2): a change of kind is no single step; when it fails the old lock is gone.
            flocked[one] = is_in_the_way ? short{F_UNLCK} : types[operation];
        } else {
            // close(2): the process loses its locks on the file, the description its own.
            const unsigned one = below(2);
            descriptions[one].reopen();
            close(mirrored[one]);
            mirrored[one] = open(mirror_.at(name).c_str(), O_RDWR | O_CLOEXEC);
            table.held[0].fill(F_UNLCK);
            table.held[1 + one].fill(F_UNLCK);
            flocked[one] = F_UNLCK;
        }
    }
    for (const int descriptor : mirrored)
        close(descriptor);
}

} // namespace model_test
