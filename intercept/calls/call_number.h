// call_number: the kernel's call numbers by name, from the one list of calls.
#pragma once

#include <cstdint>

namespace intercept {

enum CallNumber : int16_t {
#define CALL(number, name, classes, arguments) call_##name = number,
#include "intercept/calls/calls.def"
#undef CALL
};

constexpr unsigned call_count = 0
#define CALL(number, name, classes, arguments) +1
#include "intercept/calls/calls.def"
#undef CALL
    ;

// Every number of the list is below it.
constexpr unsigned call_number_limit = 512;

} // namespace intercept
