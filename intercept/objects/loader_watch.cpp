// loader_watch: one object at a time, since the loader has a lock of its own.
#include "intercept/objects/loader_watch.h"

#include "base/raw_syscall.h"
#include "intercept/cover.h"
#include "intercept/objects/covered_objects.h"

#include <sys/mman.h>

namespace intercept {
namespace {

constexpr uint64_t page_bytes = 4096;
constexpr size_t path_bytes_max = 4096;

// What is mapped of a file so far.
struct Pending {
    int descriptor; // -1: none
    AddressRange range;
    bool executable;
};
Pending pending = {-1, {}, false};
bool watching;

uint64_t page_end(uint64_t address) {
    return (address + page_bytes - 1) & ~(page_bytes - 1);
}

// The file's name, for the list of sites; the loader's own is not within reach here.
// One at a time, and too large for the stack of a hook.
struct Path {
    char text[path_bytes_max];
    void read(long descriptor) {
        char link[32] = "/proc/self/fd/";
        char digits[12];
        unsigned count = 0;
        do
            digits[count++] = static_cast<char>('0' + descriptor % 10);
        while ((descriptor /= 10) != 0);
        char *at = link + 14;
        while (count > 0)
            *at++ = digits[--count];
        long length =
            base::raw_syscall(SYS_readlinkat, -100, base::as_long(link), base::as_long(text), sizeof text - 1);
        text[length > 0 ? length : 0] = 0;
    }
};

void cover_mapped(const Pending &mapped) {
    // Whatever was there before is gone, by ways that were not seen.
    uncover_objects(mapped.range);
    Object object;
    // Relocations of the text are still to come: what is read now is not what will run.
    if (!describe_mapped(mapped.range, object) || has_text_relocations(object))
        return;
    static Path path;
    path.read(mapped.descriptor);
    // (A debugger hears of the object later: there are no breakpoints in it.)
    cover_object(object, {path.text, nullptr, false, true, nullptr});
}

} // namespace

void watch_loader(bool on) {
    watching = on;
}

bool loader_wants_result(long number) {
    return watching && number == SYS_mmap;
}

void loader_calls(const intercept_call &call) {
    if (call.nr == SYS_munmap) {
        CoverLock lock;
        auto begin = static_cast<uint64_t>(call.args[0]);
        if (lock.held())
            uncover_objects({begin, page_end(begin + static_cast<uint64_t>(call.args[1]))});
        return;
    }
    if (!watching || call.nr != SYS_close)
        return;
    CoverLock lock;
    if (!lock.held() || pending.descriptor != static_cast<int>(call.args[0]))
        return;
    Pending mapped = pending;
    pending.descriptor = -1;
    if (mapped.executable)
        cover_mapped(mapped);
}

void loader_called(const intercept_call &call) {
    auto descriptor = static_cast<int>(call.args[4]);
    if (call.nr != SYS_mmap || base::is_error(call.result) || descriptor < 0)
        return;
    CoverLock lock;
    if (!lock.held())
        return;
    auto begin = static_cast<uint64_t>(call.result);
    uint64_t end = page_end(begin + static_cast<uint64_t>(call.args[1]));
    bool executable = (call.args[2] & PROT_EXEC) != 0;
    bool inside = pending.descriptor == descriptor && pending.range.contains(begin) && end <= pending.range.end;
    if (inside)
        pending.executable |= executable;
    else if (call.args[5] == 0)
        pending = {descriptor, {begin, end}, executable};
}

} // namespace intercept
