// call_rows: the rows of the table for programs that make every call of it, with arguments that are wrong in one way.
#pragma once

#include "intercept/calls/call_number.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

struct Row {
    const char *name;
    long number;
    std::string_view treatment;
    std::string_view arguments; // letters, see syscalls.def
};

constexpr Row rows[] = {
#define SYSCALL(name, treatment, handler, arguments, error, note)                                                      \
    {#name, intercept::call_##name, #treatment, arguments},
#include "posix-shim/table/syscalls.def"
#undef SYSCALL
};

// Is the row's name one of `list`, which has a blank before and behind each name?
inline bool is_among(const Row &row, std::string_view list) {
    return list.find(" " + std::string(row.name) + " ") != std::string_view::npos;
}

// How many of the arguments before `index` are of this kind.
inline size_t count_before(const Row &row, size_t index, char kind) {
    size_t count = 0;
    for (size_t i = 0; i < index; i++)
        count += row.arguments[i] == kind;
    return count;
}

inline bool makes_name(std::string_view name) {
    return name.starts_with("mkdir") || name.starts_with("mknod") || name.starts_with("symlink");
}

inline bool wants_directory(std::string_view name) {
    return name == "getdents" || name == "getdents64" || name == "fchdir";
}

inline bool moves_data(std::string_view name) {
    return name.starts_with("read") || name.starts_with("write") || name.starts_with("pread") ||
           name.starts_with("pwrite") || name.starts_with("preadv") || name.starts_with("pwritev");
}

inline long call(const Row &row, const long *arguments) {
    const long result =
        syscall(row.number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
    return result == -1 ? -errno : result;
}

inline std::string result_text(long result) {
    const char *error = result < 0 ? strerrorname_np(static_cast<int>(-result)) : nullptr;
    return error != nullptr ? error : std::to_string(result);
}
