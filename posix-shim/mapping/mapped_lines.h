// mapped_lines: files of pools in the text of /proc/self/maps.
//
// The kernel knows pieces of the pool's file, one for each run of blocks:
//
//   7f10-7f12 rw-s 0031000 pool     7f10-7f15 rw-s 0 <mount>/file
//   7f12-7f15 rw-s 0940000 pool
//
// Protection, offset, device, inode and name are the mapping table's; a file's mapping is one line again.
#pragma once

#include "libpmemfile/mapping/mapping_table.h"
#include "posix-shim/process/context.h"

#include <string_view>

namespace shim {

// Is a file of a pool mapped by this process?
bool mapped_lines_are_there();

// The translation of one text, line by line.
class MappedLines {
public:
    // `joined`: pieces that continue each other become one line.
    MappedLines(ThreadContext &context, bool joined) : context_(context), joined_(joined) {}

    // Gives what stands for a line of the kernel's to put(text without newline), now or later. False: the line is not
    // that of a stretch of addresses with something of ours.
    template <typename Put> bool take(std::string_view line, Put put) {
        uint64_t begin = 0;
        uint64_t end = 0;
        size_t rest = 0; // of the line, behind its addresses
        if (!read_addresses(line, &begin, &end, &rest) || begin >= end)
            return false;
        begin = begin < position_ ? position_ : begin;
        if (begin >= end)
            return true; // a piece of what has been told already
        bool any = false;
        while (begin < end) {
            pmemfile::Mapping entry;
            pmemfile::PinnedFile file;
            const bool is_ours = pmemfile::mapping_look(begin, &entry, &file) && entry.address < end;
            const uint64_t ours = is_ours ? (entry.address < begin ? begin : entry.address) : end;
            if (!is_ours && !any) {
                this->end(put);
                return false;
            }
            if (begin < ours) { // the kernel's own, beside it
                this->end(put);
                put(other_line(begin, ours, line.substr(rest)));
            }
            if (!is_ours)
                break;
            any = true;
            const uint64_t ours_end = joined_ || entry.end() < end ? entry.end() : end;
            entry.first_block = entry.block_at(ours);
            entry.address = ours;
            entry.length_bytes = ours_end - ours;
            if (!continues(entry, file)) {
                this->end(put);
                entry_ = entry;
                file_ = file;
            } else {
                entry_.length_bytes += entry.length_bytes;
            }
            begin = ours_end;
            position_ = ours_end;
        }
        if (!joined_)
            this->end(put); // the lines that belong to it come next
        return true;
    }
    // What has not been given yet.
    template <typename Put> void end(Put put) {
        if (entry_.length_bytes != 0)
            put(own_line());
        entry_.length_bytes = 0;
    }

private:
    static bool read_addresses(std::string_view line, uint64_t *begin, uint64_t *end, size_t *rest);
    bool continues(const pmemfile::Mapping &entry, const pmemfile::PinnedFile &file) const;
    std::string_view own_line();
    std::string_view other_line(uint64_t begin, uint64_t end, std::string_view rest);

    ThreadContext &context_;
    bool joined_;
    uint64_t position_ = 0;
    pmemfile::Mapping entry_; // of no length: none
    pmemfile::PinnedFile file_;
};

} // namespace shim
