// tour: goes through a pool that may be damaged: reads all there is, changes what it can.
// Errors are expected and ignored; what may not happen is a crash, a hang, or a step outside the pool.
#pragma once

#include "libpmemfile/runtime/thread.h"

#include <string>
#include <vector>

namespace hostile {

struct TourEntry {
    std::string path;
    pmemfile::InodeNumber inode = 0;
    uint32_t generation = 0;
    uint32_t mode = 0;
    uint32_t link_count = 0;
};

// Bounds for pools whose directories contain themselves.
constexpr unsigned tour_max_depth = 8;
constexpr size_t tour_max_entries = 4000;

// All names, by readdir and stat; the content of each inode is read once.
std::vector<TourEntry> tour_read(pmemfile::Thread &thread);
// Paths, types and link counts as text: what must not change unseen.
std::string shape_of(const std::vector<TourEntry> &entries);
// Writes to, truncates, links, renames and removes what is there, and makes new names.
void tour_change(pmemfile::Thread &thread, const std::vector<TourEntry> &entries);

} // namespace hostile
