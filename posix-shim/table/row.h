// row: one system call of the table, as data.
#pragma once

#include "intercept/calls/call_number.h"
#include "posix-shim/calls/handler.h"

#include <cstdint>

namespace shim {

enum class Treatment : uint8_t { served, partly, passed, refused };
// What dispatch_post looks at after the kernel's call.
enum class After : uint8_t { path, process, message };

struct Row {
    int16_t number;
    Treatment treatment;
    int16_t refusal; // errno for a file of ours when no handler serves the call
    After after;
    bool has_escape; // goes on where the memory of its pool is lost (signals/lost_pool.h)
    const char *name;
    const char *arguments; // letters, see syscalls.def
    Handler handler;
    const char *note;
};

using intercept::call_number_limit;

extern const Row rows[];
extern const unsigned row_count;

// Of each number, its row's place; beside it, so that one look finds both.
struct RowIndex {
    uint16_t row_plus_one[call_number_limit] = {};
};
extern const RowIndex row_index;

// Row of a call number; null for a number Linux has not assigned. Any thread.
inline const Row *row_of(long number) {
    if (static_cast<unsigned long>(number) >= call_number_limit)
        return nullptr;
    const size_t row_plus_one = row_index.row_plus_one[number];
    return row_plus_one != 0 ? rows + (row_plus_one - 1) : nullptr;
}

} // namespace shim
