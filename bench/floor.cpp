// One file of 256 MiB in /dev/shm: a ring of records, then the rest as homes and as data.
//
//   │ ring 32 KiB │ homes: a line each, 4 KiB apart ... data: streamed one after the other │
#include "bench/floor.h"

#include "bench/target.h"

#include <libpmem.h>

namespace bench {

namespace {
char lines[4096];
}

Floor::Floor() : path_("/dev/shm/pmemfile-floor." + std::to_string(getpid())) {
    area_ = static_cast<char *>(
        pmem_map_file(path_.c_str(), area_bytes, PMEM_FILE_CREATE, 0600, &mapped_bytes_, &is_pmem_));
    must(area_ != nullptr, path_.c_str());
    std::memset(area_, 1, area_bytes); // no page fault is measured
}

Floor::~Floor() {
    pmem_unmap(area_, mapped_bytes_);
    unlink(path_.c_str());
}

void Floor::copy(char *to, const void *from, size_t size) {
    if (is_pmem_ != 0)
        pmem_memcpy(to, from, size, size >= 256 ? PMEM_F_MEM_NONTEMPORAL | PMEM_F_MEM_NODRAIN : PMEM_F_MEM_NODRAIN);
    else
        std::memcpy(to, from, size);
}

void Floor::change(unsigned record_lines, unsigned home_lines) {
    const size_t record_bytes = size_t{record_lines} * 64;
    if (ring_ + record_bytes > ring_bytes)
        ring_ = 0;
    copy(area_ + ring_, lines, record_bytes);
    ring_ += record_bytes;
    if (is_pmem_ != 0)
        pmem_drain();
    for (unsigned i = 0; i < home_lines; ++i) {
        // The same few places again and again, as for a file and its directory.
        copy(area_ + ring_bytes + (place_ % 16) * 4096, lines, 64);
        ++place_;
    }
}

void Floor::write_new(const void *bytes, size_t size) {
    constexpr size_t begin = ring_bytes + 16 * 4096;
    if (begin + data_ + size > area_bytes)
        data_ = 0;
    copy(area_ + begin + data_, bytes, size);
    data_ += size;
    if (is_pmem_ != 0)
        pmem_drain();
    change(1, 2);
}

void Floor::read(void *bytes, size_t size, uint64_t offset) {
    std::memcpy(bytes, area_ + offset % (area_bytes - size), size);
}

} // namespace bench
