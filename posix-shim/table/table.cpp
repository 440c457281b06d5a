// The table: syscalls.def as an array, and the way from a number to its row.
#include "posix-shim/table/row.h"

#include "posix-shim/calls/served_calls.h"

#include <cerrno>
#include <sys/syscall.h>

namespace shim {

constexpr Row rows[] = {
#define SYSCALL(name, treatment, handler, arguments, error, note)                                                      \
    {intercept::call_##name, Treatment::treatment, error, #name, arguments, handler, note},
#include "posix-shim/table/syscalls.def"
#undef SYSCALL
};
constexpr unsigned row_count = sizeof(rows) / sizeof(rows[0]);
static_assert(row_count == intercept::call_count, "a call of calls.def has no row, or two");

namespace {

struct NumberIndex {
    uint16_t row_plus_one[call_number_limit] = {};
};

constexpr NumberIndex make_index() {
    constexpr int16_t numbers[] = {
#define SYSCALL(name, ...) intercept::call_##name,
#include "posix-shim/table/syscalls.def"
#undef SYSCALL
    };
    NumberIndex index;
    for (unsigned i = 0; i < row_count; i++)
        index.row_plus_one[numbers[i]] = static_cast<uint16_t>(i + 1);
    return index;
}
constexpr NumberIndex number_index = make_index();

} // namespace

const Row *row_of(long number) {
    if (number < 0 || number >= static_cast<long>(call_number_limit) || number_index.row_plus_one[number] == 0)
        return nullptr;
    return &rows[number_index.row_plus_one[number] - 1];
}

} // namespace shim
