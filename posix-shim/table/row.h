// row: one system call of the table, as data.
#pragma once

#include "intercept/calls/call_number.h"
#include "posix-shim/calls/handler.h"

#include <cstdint>

namespace shim {

enum class Treatment : uint8_t { served, partly, passed, refused };

struct Row {
    int16_t number;
    Treatment treatment;
    int16_t refusal; // errno for a file of ours when no handler serves the call
    const char *name;
    const char *arguments; // letters, see syscalls.def
    Handler handler;
    const char *note;
};

using intercept::call_number_limit;

extern const Row rows[];
extern const unsigned row_count;
// Row of a call number; null for a number Linux has not assigned. Any thread.
const Row *row_of(long number);

} // namespace shim
