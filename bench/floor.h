// floor: the least that a call's promise asks of the medium: the bare copies, flushes and fences,
// by libpmem, with nothing that decides where they go.
//
//   record   what must be on the medium before the call returns, then one fence
//   home     the lines that the record changes in their places, flushed, no fence of their own
//
//   call                record  home  lines of 64 bytes
//   create                 2      4   name, inode and parent; inode, directory slot, parent
//   unlink, link, chmod    1      3   slot, parent, inode
//   mkdir                  2      6   the new directory has a leaf
//   rmdir, rename          1      4
//   write of 64 bytes      2      2   the bytes themselves; size and times
//   write of more          1      2   the bytes go first, streamed to a new place, and are fenced
//
// Flushes as libpmem does them: none unless the medium is pmem or PMEM_IS_PMEM_FORCE=1 says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

class Floor {
public:
    Floor();
    ~Floor();
    Floor(const Floor &) = delete;
    Floor &operator=(const Floor &) = delete;

    // A record of `record_lines`, a fence, and `home_lines` in places that lie apart.
    void change(unsigned record_lines, unsigned home_lines);
    // `size` bytes to a place that nobody reads, a fence; then a change of 1 and 2 lines.
    void write_new(const void *bytes, size_t size);
    // Copies `size` bytes at `offset` of the area (wraps).
    void read(void *bytes, size_t size, uint64_t offset);

private:
    static constexpr size_t area_bytes = 256ul << 20;
    static constexpr size_t ring_bytes = 32ul << 10; // as a ring of the journal
    void copy(char *to, const void *from, size_t size);

    std::string path_;
    char *area_ = nullptr;
    size_t mapped_bytes_ = 0;
    int is_pmem_ = 0;
    uint64_t ring_ = 0, place_ = 0, data_ = 0;
};

} // namespace bench
