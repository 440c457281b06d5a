#include "posix-shim/calls/proc_tables.h"

#include "base/decimal.h"
#include "base/raw_syscall.h"
#include "libpmemfile/runtime/advisory_lock.h"
#include "libpmemfile/runtime/open_access.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/mapping/mapped_lines.h"
#include "posix-shim/paths/descriptor_path.h"
#include "posix-shim/paths/proc_path.h"
#include "posix-shim/paths/route.h"
#include "posix-shim/paths/shadow_path.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace shim {

using namespace pmemfile;

namespace {

// Linux counts its mounts from 1 and uses numbers again.
constexpr uint64_t first_mount_id = 1u << 24;
constexpr size_t max_text_bytes = 8u << 20;

enum class Table : uint8_t { none, mountinfo, mounts, maps, own_maps, own_smaps, descriptor };

constexpr std::string_view descriptor_front = "fdinfo/";

Table table_of(std::string_view path) {
    if (path == "/proc/mounts" || path == "/etc/mtab")
        return Table::mounts;
    if (!take_proc_self(path))
        return take_proc_number(path) >= 0 && path == "maps" ? Table::maps : Table::none;
    if (path == "mountinfo")
        return Table::mountinfo;
    if (path == "mounts")
        return Table::mounts;
    if (path.starts_with(descriptor_front))
        return Table::descriptor;
    return path == "maps" ? Table::own_maps : path == "smaps" ? Table::own_smaps : Table::none;
}

// A memory file that is written in pieces.
class Text {
public:
    explicit Text(ThreadContext &context) : context_(context) {
        descriptor_ = base::raw_syscall(SYS_memfd_create, base::as_long("proc"), MFD_CLOEXEC);
    }
    ~Text() {
        if (descriptor_ >= 0)
            base::raw_syscall(SYS_close, descriptor_);
    }
    Text(const Text &) = delete;
    Text &operator=(const Text &) = delete;

    Text &text(std::string_view text) {
        while (!text.empty()) {
            if (length_ == sizeof context_.buffer)
                flush();
            const size_t piece = std::min(text.size(), sizeof context_.buffer - length_);
            std::memcpy(context_.buffer + length_, text.data(), piece);
            length_ += piece;
            text.remove_prefix(piece);
        }
        return *this;
    }
    Text &number(uint64_t value) {
        return text(base::Decimal(value).text());
    }
    // `size` digits at least.
    Text &digits(uint64_t value, unsigned base, unsigned size) {
        char digits[24];
        size_t begin = sizeof digits;
        for (; value != 0 || sizeof digits - begin < size; value /= base)
            digits[--begin] = "0123456789abcdef"[value % base];
        return text({digits + begin, sizeof digits - begin});
    }
    // As mountinfo writes a name: blanks and backslashes in octal.
    Text &name(std::string_view name) {
        for (const char &character : name)
            switch (character) {
            case ' ':
                text("\\040");
                break;
            case '\t':
                text("\\011");
                break;
            case '\n':
                text("\\012");
                break;
            case '\\':
                text("\\134");
                break;
            default:
                text({&character, 1});
            }
        return *this;
    }
    // A descriptor for reading from the beginning.
    long reopened(int flags) {
        flush();
        if (failure_ != 0 || descriptor_ < 0)
            return descriptor_ < 0 ? descriptor_ : failure_;
        const DescriptorPath link(descriptor_);
        return base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(link.text()), O_RDONLY | (flags & O_CLOEXEC));
    }

private:
    void flush() {
        const long written =
            base::raw_syscall(SYS_write, descriptor_, base::as_long(context_.buffer), static_cast<long>(length_));
        if (base::is_error(written))
            failure_ = written;
        length_ = 0;
    }
    ThreadContext &context_;
    long descriptor_;
    size_t length_ = 0;
    long failure_ = 0;
};

// The whole of a file of /proc, in memory of its own.
class Whole {
public:
    explicit Whole(const char *path) {
        const long memory = base::raw_syscall(SYS_mmap, 0, max_text_bytes, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        const long file = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDONLY | O_CLOEXEC);
        memory_ = base::is_error(memory) ? nullptr : reinterpret_cast<char *>(memory);
        long read = 0;
        while (memory_ != nullptr && !base::is_error(file) &&
               (read = base::raw_syscall(SYS_read, file, base::as_long(memory_ + length_),
                                         static_cast<long>(max_text_bytes - length_))) > 0)
            length_ += static_cast<size_t>(read);
        if (!base::is_error(file))
            base::raw_syscall(SYS_close, file);
    }
    ~Whole() {
        if (memory_ != nullptr)
            base::raw_syscall(SYS_munmap, base::as_long(memory_), max_text_bytes);
    }
    Whole(const Whole &) = delete;
    Whole &operator=(const Whole &) = delete;
    std::string_view text() const {
        return {memory_, length_};
    }

private:
    char *memory_;
    size_t length_ = 0;
};

// The kernel's mount that the directory below ours is in.
uint64_t parent_of(const Mount &mount) {
    struct statx status = {};
    base::raw_syscall(SYS_statx, AT_FDCWD, base::as_long(mount.path().data()), 0, STATX_MNT_ID, base::as_long(&status));
    return status.stx_mnt_id;
}

std::string_view options_of(const Mount &mount) {
    return mount.pool.read_only ? "ro,nosuid,nodev,noatime" : "rw,nosuid,nodev,noatime";
}

void add_mounts(Text &to, Table table) {
    for (unsigned i = 0; i < mount_count; i++) {
        const Mount &mount = mounts[i];
        if (!mount.is_reachable())
            continue;
        if (table == Table::mountinfo)
            to.number(mount_id(i))
                .text(" ")
                .number(parent_of(mount))
                .text(" ")
                .number(major(mount.device))
                .text(":")
                .number(minor(mount.device))
                .text(" / ")
                .name(mount.path())
                .text(" ")
                .text(options_of(mount))
                .text(" - pmemfile ")
                .name(mount.pool_path)
                .text(mount.pool.read_only ? " ro\n" : " rw\n");
        else
            to.name(mount.pool_path)
                .text(" ")
                .name(mount.path())
                .text(" pmemfile ")
                .text(options_of(mount))
                .text(" 0 0\n");
    }
}

// Lines "address ... /dev/shm/pmemfile-<pool>.run-<uid>/path", and what we have mapped. In smaps each line of that
// kind has others behind it that count its pages: it stays a line of its own.
void translate_maps(Text &to, std::string_view lines, MappedLines *mapped) {
    while (!lines.empty()) {
        const std::string_view line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(line.size() + 1, lines.size()));
        if (mapped != nullptr && mapped->take(line, [&to](std::string_view part) { to.text(part).text("\n"); }))
            continue;
        const size_t name = line.find('/');
        std::string_view inside;
        const int mount = name == std::string_view::npos ? -1 : shadow_mount_of(line.substr(name), &inside);
        if (mount < 0)
            to.text(line);
        else
            to.text(line.substr(0, name)).text(mounts[mount].path()).text(inside);
        to.text("\n");
    }
    if (mapped != nullptr)
        mapped->end([&to](std::string_view part) { to.text(part).text("\n"); });
}

// As Linux writes a lock in fdinfo, the `count`-th.
void add_lock(Text &to, unsigned count, const HeldLock &lock, dev_t device, InodeNumber inode) {
    to.text("lock:\t").number(count).text(lock.family == LockFamily::flock   ? ": FLOCK  "
                                          : lock.family == LockFamily::posix ? ": POSIX  "
                                                                             : ": OFDLCK ");
    to.text("ADVISORY  ").text(lock.type == F_WRLCK ? "WRITE " : "READ ");
    if (lock.family == LockFamily::description)
        to.text("-1 ");
    else
        to.number(lock.pid).text(" ");
    to.digits(major(device), 16, 2).text(":").digits(minor(device), 16, 2).text(":").number(inode).text(" ");
    to.number(static_cast<uint64_t>(lock.range.first_byte)).text(" ");
    if (lock.range.last_byte == INT64_MAX)
        to.text("EOF\n");
    else
        to.number(static_cast<uint64_t>(lock.range.last_byte)).text("\n");
}

// /proc/self/fdinfo/N, where N is a file of ours; 0: it is not.
long open_descriptor_table(ThreadContext &context, std::string_view number, int flags) {
    int descriptor = 0;
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), descriptor);
    if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size())
        return 0;
    const base::Result<DescriptorWord> word = descriptor_lookup(context, descriptor);
    if (!word.ok() || !is_ours(*word))
        return 0;
    const unsigned mount = word_mount(*word);
    const base::Result<Thread *> thread = context_thread(context, mount);
    if (!thread.ok())
        return 0;
    const base::Result<OpenFile *> file = open_file_get(**thread, word_id(*word));
    if (!file.ok())
        return 0;
    const InodeNumber inode = (*file)->inode.load();
    const long closes = base::raw_syscall(SYS_fcntl, descriptor, F_GETFD);
    Text text(context);
    text.text("pos:\t").number(static_cast<uint64_t>((*file)->offset_bytes.load()));
    text.text("\nflags:\t0")
        .digits(static_cast<uint64_t>(told_flags((*file)->flags.load()) | (closes == FD_CLOEXEC ? O_CLOEXEC : 0)), 8,
                1);
    text.text("\nmnt_id:\t").number(mount_id(mount)).text("\nino:\t").number(inode).text("\n");
    HeldLock lock;
    for (unsigned count = 1; advisory_lock_next(**thread, inode, word_id(*word), &lock); count++)
        add_lock(text, count, lock, mounts[mount].device, inode);
    return text.reopened(flags);
}

} // namespace

uint64_t mount_id(unsigned mount) {
    return first_mount_id + mount;
}

long open_proc_table(ThreadContext &context, std::string_view path, int flags) {
    const Table table = table_of(path);
    if (table == Table::none || (flags & (O_ACCMODE | O_PATH | O_DIRECTORY | O_CREAT)) != O_RDONLY)
        return 0;
    if (table == Table::descriptor)
        return take_proc_self(path) ? open_descriptor_table(context, path.substr(descriptor_front.size()), flags) : 0;
    const Whole kernel(table == Table::mountinfo ? "/proc/self/mountinfo"
                       : table == Table::mounts  ? "/proc/self/mounts"
                                                 : path.data());
    const bool is_maps = table == Table::maps || table == Table::own_maps || table == Table::own_smaps;
    const bool is_own = is_maps && table != Table::maps && mapped_lines_are_there();
    if (is_maps && !is_own && kernel.text().find(shadow_mark) == std::string_view::npos)
        return 0;
    Text text(context);
    if (is_maps) {
        MappedLines mapped(context, table == Table::own_maps);
        translate_maps(text, kernel.text(), is_own ? &mapped : nullptr);
    } else {
        text.text(kernel.text());
        add_mounts(text, table);
    }
    return text.reopened(flags);
}

} // namespace shim
