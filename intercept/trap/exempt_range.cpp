// The range: from below the lowest of libc's neighbours to the end of the loader.
#include "intercept/trap/exempt_range.h"

#include "base/page_array.h"
#include "base/raw_syscall.h"
#include "intercept/arch/x86_64/trap_stub.h"
#include "intercept/trap/exempt_call.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>

extern "C" {
__attribute__((visibility("hidden"))) extern const uint8_t intercept_exempt_function[], intercept_exempt_function_end[];
}

namespace intercept {

constinit ExemptFunction exempt_function = base::raw_syscall;

namespace {

constexpr uint64_t page_bytes = 4096;
constexpr size_t stub_memory_bytes = 16 << 20;         // reserved; used by the page
constexpr uint64_t span_bytes_max = uint64_t{1} << 32; // further apart they are not neighbours

constinit AddressRange range;
constinit uint64_t stubs_begin;            // of the stub memory
constinit std::atomic<uint64_t> stubs_end; // of its free part
constinit AddressRange gadgets;            // the free part of the page that gadgets are written to

bool map_nothing(uint64_t begin, uint64_t end) {
    long got = base::raw_syscall(SYS_mmap, static_cast<long>(begin), static_cast<long>(end - begin), PROT_NONE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (!base::is_error(got) && static_cast<uint64_t>(got) != begin) { // a kernel that knows no NOREPLACE
        base::raw_syscall(SYS_munmap, got, static_cast<long>(end - begin));
        return false;
    }
    return !base::is_error(got);
}

// The lines of /proc/self/maps, as ranges in ascending order.
class MappingReader {
public:
    MappingReader()
        : descriptor_(base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/proc/self/maps"), O_RDONLY | O_CLOEXEC)) {
    }
    MappingReader(const MappingReader &) = delete;
    MappingReader &operator=(const MappingReader &) = delete;
    ~MappingReader() {
        if (!base::is_error(descriptor_))
            base::raw_syscall(SYS_close, descriptor_);
    }
    bool next(AddressRange &out) {
        char end_of_number = 0;
        if (!number(out.begin, end_of_number) || end_of_number != '-' || !number(out.end, end_of_number))
            return false;
        while (end_of_number != '\n' && get(end_of_number)) {
        }
        return true;
    }

private:
    bool get(char &out) {
        if (at_ == filled_) {
            long got = base::is_error(descriptor_)
                           ? 0
                           : base::raw_syscall(SYS_read, descriptor_, base::as_long(buffer_), sizeof buffer_);
            if (got <= 0)
                return false;
            at_ = 0;
            filled_ = static_cast<size_t>(got);
        }
        out = buffer_[at_++];
        return true;
    }
    bool number(uint64_t &out, char &behind) {
        out = 0;
        bool any = false;
        while (get(behind)) {
            unsigned digit = behind >= '0' && behind <= '9'   ? static_cast<unsigned>(behind - '0')
                             : behind >= 'a' && behind <= 'f' ? static_cast<unsigned>(behind - 'a' + 10)
                                                              : 16;
            if (digit == 16)
                return any;
            out = out * 16 + digit;
            any = true;
        }
        return false;
    }

    long descriptor_;
    size_t at_ = 0;
    size_t filled_ = 0;
    char buffer_[4096];
};

// Leaves no hole in the range into which code could be mapped later. Nothing of ours may be mapped here that
// goes away again.
void fill_holes() {
    MappingReader reader;
    AddressRange mapping{};
    uint64_t at = range.begin;
    while (at < range.end && reader.next(mapping)) {
        if (mapping.end <= at)
            continue;
        uint64_t end = mapping.begin < range.end ? mapping.begin : range.end;
        if (end > at)
            map_nothing(at, end);
        at = mapping.end;
    }
}

struct Holes {
    uint64_t below; // the end of the highest one with room, 0 = none near
    uint64_t above; // bytes free right behind the range
};

Holes find_holes() {
    MappingReader reader;
    AddressRange mapping{};
    Holes found{};
    uint64_t free_from = range.begin > span_bytes_max / 4 ? range.begin - span_bytes_max / 4 : page_bytes * 16;
    while (reader.next(mapping)) {
        if (mapping.begin >= range.end) {
            found.above = mapping.begin - range.end;
            break;
        }
        const uint64_t end = mapping.begin < range.begin ? mapping.begin : range.begin;
        if (end > free_from && end - free_from >= stub_memory_bytes)
            found.below = end;
        free_from = mapping.end > free_from ? mapping.end : free_from;
    }
    return found;
}

bool take_stubs(uint64_t begin) {
    if (!map_nothing(begin, begin + stub_memory_bytes))
        return false;
    stubs_begin = begin;
    stubs_end = begin + stub_memory_bytes;
    range.begin = begin < range.begin ? begin : range.begin;
    range.end = begin + stub_memory_bytes > range.end ? begin + stub_memory_bytes : range.end;
    return true;
}

// Right below the range, which then begins there. Where stacks of threads lie below, behind it: the main stack
// grows down to there, but has much more room. As a last resort below those stacks, though code that is mapped
// where one was will then be exempt. Other threads may map something meanwhile.
bool reserve_stubs() {
    constexpr int attempts_max = 16;
    constexpr uint64_t stack_room_bytes = 64 << 20;
    for (int attempt = 0; attempt < attempts_max; attempt++) {
        const Holes holes = find_holes();
        if (holes.below == range.begin && take_stubs(range.begin - stub_memory_bytes))
            return true;
        if (holes.above >= stub_memory_bytes + stack_room_bytes && take_stubs(range.end))
            return true;
        if (holes.below == 0)
            return false;
        if (holes.below != range.begin && take_stubs(holes.below - stub_memory_bytes))
            return true;
    }
    return false;
}

} // namespace

int exempt_range_start(const Arenas &arenas) {
    if (range.begin != 0)
        return 0;
    base::PageArray<Object> objects;
    if (!list_objects(objects))
        return -ENOMEM;
    const Object *libc = nullptr;
    for (const Object &object : objects)
        if (object.is_libc)
            libc = &object;
    if (libc == nullptr)
        return -ENOENT;
    range = libc->span;
    const AddressRange middle = libc->span;
    auto take_if_near = [&](const AddressRange &span) {
        bool near = span.begin < middle.begin ? middle.begin - span.begin < span_bytes_max
                                              : span.end - middle.end < span_bytes_max;
        if (!near)
            return;
        range.begin = span.begin < range.begin ? span.begin : range.begin;
        range.end = span.end > range.end ? span.end : range.end;
    };
    // The program itself is not among libc's neighbours, even where the loader was called to load it.
    for (const Object &object : objects)
        if (object.path[0] != '\0')
            take_if_near(object.span);
    // The stubs that are there already: those over a call make it themselves, with all signals blocked perhaps.
    for (unsigned i = 0; i < arenas.count(); i++)
        if (arenas.range(i).size() != 0)
            take_if_near(arenas.range(i));
    range.begin &= ~(page_bytes - 1);
    range.end = (range.end + page_bytes - 1) & ~(page_bytes - 1);
    objects.release();
    if (!reserve_stubs()) {
        range = {};
        return -ENOMEM;
    }
    fill_holes();
    auto size_bytes = static_cast<size_t>(intercept_exempt_function_end - intercept_exempt_function);
    const uint64_t copy = size_bytes <= page_bytes ? exempt_pages(page_bytes) : 0;
    if (copy != 0)
        memcpy(reinterpret_cast<void *>(copy), intercept_exempt_function, size_bytes);
    if (copy == 0 || exempt_call(SYS_mprotect, static_cast<long>(copy), page_bytes, PROT_READ | PROT_EXEC) != 0) {
        // Memory that may not become executable: without the range, other levels find a way.
        base::raw_syscall(SYS_munmap, static_cast<long>(stubs_begin), stub_memory_bytes);
        range = {};
        stubs_end = stubs_begin = 0;
        return -ENOMEM;
    }
    exempt_function = reinterpret_cast<ExemptFunction>(copy);
    return 0;
}

AddressRange exempt_range() {
    return range;
}

bool is_outside_exempt(uint64_t address) {
    return range.begin != 0 && !range.contains(address);
}

uint64_t exempt_pages(size_t size_bytes) {
    uint64_t end = stubs_end.load();
    do
        if (end - stubs_begin < size_bytes)
            return 0;
    while (!stubs_end.compare_exchange_weak(end, end - size_bytes));
    const uint64_t begin = end - size_bytes;
    const bool good =
        exempt_call(SYS_mprotect, static_cast<long>(begin), static_cast<long>(size_bytes), PROT_READ | PROT_WRITE) == 0;
    return good ? begin : 0;
}

uint64_t exempt_gadget(uint64_t back) {
    if (gadgets.end - gadgets.begin < exempt_gadget_bytes) {
        exempt_gadgets_seal();
        gadgets.begin = exempt_pages(page_bytes);
        gadgets.end = gadgets.begin != 0 ? gadgets.begin + page_bytes : 0;
        if (gadgets.begin == 0)
            return 0;
    } else if (exempt_call(SYS_mprotect, static_cast<long>(gadgets.end - page_bytes), page_bytes,
                           PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        return 0;
    }
    uint64_t address = gadgets.begin;
    write_pass_stub(back, reinterpret_cast<uint8_t *>(address));
    gadgets.begin += exempt_gadget_bytes;
    return address;
}

void exempt_gadgets_seal() {
    if (gadgets.end != 0)
        exempt_call(SYS_mprotect, static_cast<long>(gadgets.end - page_bytes), page_bytes, PROT_READ | PROT_EXEC);
}

} // namespace intercept
