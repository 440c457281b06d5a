#include "intercept/objects/file_image.h"

#include "base/raw_syscall.h"

#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>

namespace intercept {
namespace {

constexpr uint64_t page_bytes = 4096;

uint64_t page_start(uint64_t address) {
    return address & ~(page_bytes - 1);
}

long map(uint64_t address, uint64_t size_bytes, long flags, long descriptor, uint64_t offset) {
    return base::raw_syscall(SYS_mmap, static_cast<long>(address), static_cast<long>(size_bytes), PROT_READ,
                             MAP_PRIVATE | flags, descriptor, static_cast<long>(offset));
}

// The segments of the file of `descriptor` at `place`, the lowest one first.
bool map_segments(long descriptor, const Object &object, uint64_t place) {
    alignas(8) char head[page_bytes];
    const long got = base::raw_syscall(SYS_pread64, descriptor, base::as_long(head), sizeof head, 0);
    auto *header = reinterpret_cast<const ElfW(Ehdr) *>(head);
    if (got < static_cast<long>(sizeof *header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_phentsize != sizeof(ElfW(Phdr)) ||
        header->e_phoff + header->e_phnum * sizeof(ElfW(Phdr)) > static_cast<uint64_t>(got))
        return false;
    const uint64_t lowest = page_start(object.span.begin) - object.base;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        memcpy(&segment, head + header->e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD || segment.p_filesz == 0)
            continue;
        const uint64_t begin = page_start(segment.p_vaddr);
        const uint64_t end = segment.p_vaddr + segment.p_filesz;
        if (begin < lowest || end < begin || end - lowest > object.span.end - page_start(object.span.begin) ||
            base::is_error(
                map(place + begin - lowest, end - begin, MAP_FIXED, descriptor, page_start(segment.p_offset))))
            return false;
    }
    return true;
}

} // namespace

FileImage::~FileImage() {
    if (mapped_.size() != 0)
        base::raw_syscall(SYS_munmap, static_cast<long>(mapped_.begin), static_cast<long>(mapped_.size()));
}

bool FileImage::open(const Object &object) {
    const char *path = object.path[0] != 0 ? object.path : "/proc/self/exe";
    const long descriptor =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (base::is_error(descriptor))
        return false;
    const uint64_t size_bytes = page_start(object.span.end - page_start(object.span.begin) + page_bytes - 1);
    const long place = map(0, size_bytes, MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool good = !base::is_error(place);
    if (good) {
        mapped_ = {static_cast<uint64_t>(place), static_cast<uint64_t>(place) + size_bytes};
        good = map_segments(descriptor, object, mapped_.begin) && describe_mapped(mapped_, image_);
    }
    base::raw_syscall(SYS_close, descriptor);
    if (!good || image_.segment_count != object.segment_count || image_.build_id_bytes != object.build_id_bytes ||
        memcmp(image_.build_id, object.build_id, object.build_id_bytes) != 0)
        return false;
    for (unsigned i = 0; i < object.segment_count; i++) {
        const AddressRange &here = image_.segments[i].range;
        const AddressRange &there = object.segments[i].range;
        if (here.size() != there.size() || here.begin - mapped_.begin != there.begin - page_start(object.span.begin))
            return false;
    }
    return true;
}

bool FileImage::has_text_of(const Object &object) const {
    for (unsigned i = 0; i < object.segment_count; i++) {
        const AddressRange text = file_part(object.segments[i]);
        if ((object.segments[i].protection & PROT_EXEC) != 0 &&
            memcmp(reinterpret_cast<const void *>(text.begin),
                   reinterpret_cast<const void *>(image_.segments[i].range.begin), text.size()) != 0)
            return false;
    }
    return true;
}

} // namespace intercept
