// plan_cache: header, then the records of the plan as they are in memory.
//
//   magic | version | record bytes | text bytes | count | checksum | records
//
// Written to a name of its own and renamed, so that a reader sees all or nothing.
#include "intercept/plan/plan_cache.h"

#include "base/raw_syscall.h"
#include "intercept/arch/architecture.h"

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace intercept {
namespace {

constexpr size_t path_bytes_max = 4096;
constexpr size_t name_bytes_max = 160;
// Raised whenever the planner's rules or the record change.
constexpr uint32_t plan_version = 6;

struct PlanFileHeader {
    char magic[8];
    uint32_t version;
    uint32_t record_bytes;
    uint64_t span_bytes; // of the object: a changed one has another
    uint64_t count;
    uint64_t checksum; // of the fields above and the records
};
constexpr char plan_magic[8] = {'p', 'm', 'f', '-', 'p', 'l', 'a', 'n'};

// FNV-1a over 64-bit words: against damage, not against an enemy (whoever could
// forge a plan here owns the directory and thus the process).
uint64_t checksum(uint64_t seed, const void *data, size_t size_bytes) {
    auto *at = static_cast<const uint8_t *>(data);
    uint64_t sum = seed;
    for (; size_bytes >= 8; size_bytes -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        sum = (sum ^ word) * 0x100000001b3;
        sum ^= sum >> 29;
    }
    for (; size_bytes > 0; size_bytes--, at++)
        sum = (sum ^ *at) * 0x100000001b3;
    return sum;
}

uint64_t checksum(const PlanFileHeader &header, const SitePlan *records) {
    uint64_t sum = checksum(0xcbf29ce484222325, &header, offsetof(PlanFileHeader, checksum));
    return checksum(sum, records, header.count * sizeof(SitePlan));
}

// A short text under construction.
class Name {
public:
    explicit Name(char *buffer, size_t size_bytes) : buffer_(buffer), size_(size_bytes) {}
    Name &text(const char *text) {
        while (*text != 0)
            put(*text++);
        return *this;
    }
    Name &hex(uint64_t value) {
        for (int shift = 60; shift >= 0; shift -= 4)
            put("0123456789abcdef"[value >> shift & 15]);
        return *this;
    }
    Name &byte(uint8_t value) {
        put("0123456789abcdef"[value >> 4]);
        put("0123456789abcdef"[value & 15]);
        return *this;
    }
    Name &decimal(uint64_t value) {
        if (value >= 10)
            decimal(value / 10);
        put(static_cast<char>('0' + value % 10));
        return *this;
    }
    bool ok() const {
        return used_ < size_;
    }

private:
    void put(char c) {
        if (used_ + 1 < size_)
            buffer_[used_] = c;
        if (++used_ < size_)
            buffer_[used_] = 0;
    }
    char *buffer_;
    size_t size_;
    size_t used_ = 0;
};

long call(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0) {
    return base::raw_syscall(number, a0, a1, a2, a3);
}

// Mine (or root's), and nobody else may write to it.
bool trusted(int descriptor, mode_t type) {
    struct stat status {};
    if (call(SYS_fstat, descriptor, base::as_long(&status)) != 0 || (status.st_mode & S_IFMT) != type)
        return false;
    long user = call(SYS_geteuid);
    return (status.st_uid == static_cast<uid_t>(user) || status.st_uid == 0) &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

int open_directory(char *path) {
    constexpr long flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    long descriptor = call(SYS_openat, AT_FDCWD, base::as_long(path), flags);
    if (base::is_error(descriptor)) {
        for (char *slash = strchr(path + 1, '/'); slash != nullptr; slash = strchr(slash + 1, '/')) {
            *slash = 0;
            call(SYS_mkdirat, AT_FDCWD, base::as_long(path), 0700);
            *slash = '/';
        }
        call(SYS_mkdirat, AT_FDCWD, base::as_long(path), 0700);
        descriptor = call(SYS_openat, AT_FDCWD, base::as_long(path), flags);
    }
    if (base::is_error(descriptor))
        return -1;
    if (!trusted(static_cast<int>(descriptor), S_IFDIR)) {
        call(SYS_close, descriptor);
        return -1;
    }
    return static_cast<int>(descriptor);
}

bool file_name(const Object &object, char (&out)[name_bytes_max]) {
    Name name(out, sizeof out);
    if (object.build_id_bytes != 0) {
        for (unsigned i = 0; i < object.build_id_bytes; i++)
            name.byte(object.build_id[i]);
    } else {
        struct stat status {};
        const char *path = object.path[0] != 0 ? object.path : "/proc/self/exe";
        if (call(SYS_newfstatat, AT_FDCWD, base::as_long(path), base::as_long(&status), 0) != 0)
            return false;
        name.text("f").hex(status.st_dev).hex(status.st_ino).hex(static_cast<uint64_t>(status.st_mtim.tv_sec));
        name.hex(static_cast<uint64_t>(status.st_mtim.tv_nsec)).hex(static_cast<uint64_t>(status.st_size));
    }
    name.text(".plan");
    return name.ok();
}

// A record is used only if all its numbers are in range and the text still holds
// what it says.
bool fits(const Object &object, const SitePlan &site) {
    if (site.state > INTERCEPT_SITE_FAILED || site.reason > SiteReason::changed ||
        site.site_offset >= object.span.end - object.base)
        return false;
    if (site.state != INTERCEPT_SITE_BEFORE && site.state != INTERCEPT_SITE_OVER)
        return true;
    if (site.site_in_window > window_bytes_max - 2 || site.window_bytes > window_bytes_max ||
        site.window_bytes < native_architecture.jump_bytes || site.instruction_count > window_instructions_max)
        return false;
    bool over = site.state == INTERCEPT_SITE_OVER;
    if (!over && site.window_bytes != site.site_in_window)
        return false;
    unsigned expected = 0;
    for (unsigned i = 0; i < site.instruction_count; i++) {
        const MovedInstruction &moved = site.instructions[i];
        if (moved.offset_bytes != expected || moved.length_bytes == 0 || moved.move > Move::system_call ||
            (moved.move == Move::rip_relative && moved.field + 4u > moved.length_bytes) ||
            (moved.move == Move::system_call && moved.offset_bytes != site.site_in_window))
            return false;
        expected += moved.length_bytes;
    }
    if (expected != site.window_bytes)
        return false;
    uint64_t window = object.base + site.site_offset - site.site_in_window;
    size_t size_bytes = known_bytes(site, native_architecture.system_call_bytes);
    if (!object.executable(window) || !object.executable(window + size_bytes - 1))
        return false;
    return site.bytes[site.site_in_window] == 0x0f && site.bytes[site.site_in_window + 1] == 0x05 &&
           memcmp(reinterpret_cast<const void *>(window), site.bytes, size_bytes) == 0;
}

bool read_all(int descriptor, void *out, size_t size_bytes) {
    auto *at = static_cast<char *>(out);
    while (size_bytes > 0) {
        long got = call(SYS_read, descriptor, base::as_long(at), static_cast<long>(size_bytes));
        if (got <= 0)
            return false;
        at += got;
        size_bytes -= static_cast<size_t>(got);
    }
    return true;
}

bool write_all(int descriptor, const void *from, size_t size_bytes) {
    auto *at = static_cast<const char *>(from);
    while (size_bytes > 0) {
        long put = call(SYS_write, descriptor, base::as_long(at), static_cast<long>(size_bytes));
        if (put <= 0)
            return false;
        at += put;
        size_bytes -= static_cast<size_t>(put);
    }
    return true;
}

// Whoever writes a longer file than the limit is killed, by default.
bool may_write(uint64_t size_bytes) {
    rlimit limit{};
    return call(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, base::as_long(&limit)) == 0 && size_bytes <= limit.rlim_cur;
}

bool read_plan(int descriptor, const Object &object, Plan &out) {
    constexpr uint64_t count_max = 1u << 20;
    PlanFileHeader header{};
    struct stat status {};
    if (!trusted(descriptor, S_IFREG) || call(SYS_fstat, descriptor, base::as_long(&status)) != 0 ||
        !read_all(descriptor, &header, sizeof header))
        return false;
    if (memcmp(header.magic, plan_magic, sizeof plan_magic) != 0 || header.version != plan_version ||
        header.record_bytes != sizeof(SitePlan) || header.span_bytes != object.span.end - object.span.begin ||
        header.count > count_max ||
        static_cast<uint64_t>(status.st_size) != sizeof header + header.count * sizeof(SitePlan))
        return false;
    if (!out.reserve(header.count + 1, true) || !read_all(descriptor, out.data(), header.count * sizeof(SitePlan)) ||
        checksum(header, out.data()) != header.checksum)
        return false;
    out.resize_down(header.count);
    uint64_t last = 0;
    for (const SitePlan &site : out) {
        if (!fits(object, site) || site.site_offset < last)
            return false;
        last = site.site_offset + 1;
    }
    return true;
}

} // namespace

PlanCache::~PlanCache() {
    if (directory_ >= 0)
        call(SYS_close, directory_);
}

void PlanCache::open() {
    char path[path_bytes_max];
    Name name(path, sizeof path);
    // secure_getenv: a set-user-id program must not take a cache from its caller.
    if (const char *own = secure_getenv("PMEMFILE_CACHE_DIR"); own != nullptr && own[0] == '/')
        name.text(own);
    else if (const char *user = secure_getenv("XDG_CACHE_HOME"); user != nullptr && user[0] == '/')
        name.text(user).text("/pmemfile");
    else if (const char *home = secure_getenv("HOME"); home != nullptr && home[0] == '/' && home[1] != 0)
        name.text(home).text("/.cache/pmemfile");
    else
        name.text("/tmp/pmemfile-cache-").decimal(static_cast<uint64_t>(call(SYS_geteuid)));
    if (name.ok())
        directory_ = open_directory(path);
}

bool PlanCache::load(const Object &object, Plan &out) const {
    char name[name_bytes_max];
    if (directory_ < 0 || !file_name(object, name))
        return false;
    long descriptor = call(SYS_openat, directory_, base::as_long(name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (base::is_error(descriptor))
        return false;
    bool good = read_plan(static_cast<int>(descriptor), object, out);
    call(SYS_close, descriptor);
    if (!good)
        out.resize_down(0);
    return good;
}

void PlanCache::store(const Object &object, const Plan &plan) const {
    char name[name_bytes_max];
    char fresh[name_bytes_max + 32];
    if (directory_ < 0 || !file_name(object, name) ||
        !may_write(sizeof(PlanFileHeader) + plan.size() * sizeof(SitePlan)))
        return;
    Name temporary(fresh, sizeof fresh);
    temporary.text(name).text(".").decimal(static_cast<uint64_t>(call(SYS_gettid)));
    call(SYS_unlinkat, directory_, base::as_long(fresh), 0);
    long descriptor =
        call(SYS_openat, directory_, base::as_long(fresh), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (base::is_error(descriptor))
        return;
    PlanFileHeader header{};
    memcpy(header.magic, plan_magic, sizeof plan_magic);
    header.version = plan_version;
    header.record_bytes = sizeof(SitePlan);
    header.span_bytes = object.span.end - object.span.begin;
    header.count = plan.size();
    header.checksum = checksum(header, plan.data());
    bool written = write_all(static_cast<int>(descriptor), &header, sizeof header) &&
                   write_all(static_cast<int>(descriptor), plan.data(), plan.size() * sizeof(SitePlan));
    call(SYS_close, descriptor);
    if (!written || call(SYS_renameat, directory_, base::as_long(fresh), directory_, base::as_long(name)) != 0)
        call(SYS_unlinkat, directory_, base::as_long(fresh), 0);
}

} // namespace intercept
