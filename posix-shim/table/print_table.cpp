// Prints docs/syscalls.md from the table. A build-time tool: not part of the shim.
#include "intercept/calls/call_number.h"

#include <cstdio>
#include <cstring>

namespace {

struct PrintedRow {
    int number;
    const char *name, *treatment, *handler, *arguments, *error, *note;
};

constexpr PrintedRow printed_rows[] = {
#define SYSCALL(name, treatment, handler, arguments, error, note)                                                      \
    {intercept::call_##name, #name, #treatment, #handler, arguments, #error, note},
#include "posix-shim/table/syscalls.def"
#undef SYSCALL
};

unsigned count_of(const char *treatment) {
    unsigned count = 0;
    for (const PrintedRow &row : printed_rows)
        count += std::strcmp(row.treatment, treatment) == 0 ? 1 : 0;
    return count;
}

} // namespace

int main() {
    std::printf("# System calls\n\n"
                "Printed from `posix-shim/table/syscalls.def`; do not edit. A test compares the two.\n\n"
                "Every system call of Linux x86-64 up to 6.18 stands here once: %u served, %u served in part,\n"
                "%u refused on files of a pool (elsewhere they are the kernel's), %u passed through because\n"
                "they cannot touch a file of a pool.\n\n"
                "| nr | call | on files of a pool | error if refused | remark |\n|---|---|---|---|---|\n",
                count_of("served"), count_of("partly"), count_of("refused"), count_of("passed"));
    for (const PrintedRow &row : printed_rows) {
        const char *treatment = std::strcmp(row.treatment, "partly") == 0   ? "served in part"
                                : std::strcmp(row.treatment, "passed") == 0 ? "passed through"
                                                                            : row.treatment;
        std::printf("| %d | `%s` | %s | %s | %s |\n", row.number, row.name, treatment,
                    std::strcmp(row.error, "0") == 0 ? "" : row.error, row.note);
    }
    return 0;
}
