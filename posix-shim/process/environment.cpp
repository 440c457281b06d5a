// The environment of an image to come: LD_PRELOAD and PMEMFILE_POOLS put back, the switches too,
// PMEMFILE_HANDOVER added, LD_LIBRARY_PATH with the copies of a pool's libraries.
#include "base/user_copy.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/paths/user_string.h"
#include "posix-shim/process/image.h"
#include "posix-shim/process/process.h"
#include "posix-shim/process/switches.h"

#include <cerrno>
#include <cstring>

namespace shim {

using base::error;
using base::Result;
using base::Status;

namespace {

bool names(std::string_view list, std::string_view library) {
    for (size_t at = 0; at <= list.size();) {
        const size_t end = list.find_first_of(": ", at);
        const std::string_view entry = list.substr(at, end == std::string_view::npos ? end : end - at);
        if (entry == library)
            return true;
        if (end == std::string_view::npos)
            return false;
        at = end + 1;
    }
    return false;
}

void join(char *to, std::string_view first, std::string_view second, std::string_view third = {},
          std::string_view fourth = {}) {
    for (const std::string_view part : {first, second, third, fourth}) {
        std::memcpy(to, part.data(), part.size());
        to += part.size();
    }
    *to = 0;
}

} // namespace

Result<const char *> pointer_at(const char *const *array, size_t index) {
    const char *pointer = nullptr;
    BASE_TRY(copy_in(&pointer, array + index, sizeof pointer));
    return pointer;
}

Result<size_t> count(const char *const *array) {
    if (array == nullptr)
        return size_t{0}; // Linux takes it for an empty one
    for (size_t i = 0; i < pointer_limit; i++) {
        BASE_TRY_ASSIGN(const char *pointer, pointer_at(array, i));
        if (pointer == nullptr)
            return i;
    }
    return error(E2BIG);
}

Status make_environment(ThreadContext &context, Scratch &scratch, const Target &target, const char *const *envp) {
    const char *library_path = nullptr;
    const char *preload = nullptr;
    const char *pools = nullptr;
    bool has_switch[switch_count] = {};
    BASE_TRY_ASSIGN(const size_t variables, count(envp));
    for (size_t i = 0; i < variables; i++) {
        BASE_TRY_ASSIGN(const char *variable, pointer_at(envp, i));
        char begin[24];
        const Result<size_t> length = copy_user_string(begin, sizeof begin, variable);
        if (!length.ok() && length.error().number() != ENAMETOOLONG)
            return length.error();
        const std::string_view text(begin, length.ok() ? *length : sizeof begin);
        if (text.starts_with(preload_variable))
            preload = variable + preload_variable.size();
        else if (text.starts_with(pools_variable))
            pools = variable + pools_variable.size();
        else if (text.starts_with(library_path_variable) && library_path == nullptr)
            library_path = variable + library_path_variable.size();
        else if (!text.starts_with(handover_variable) && !text.starts_with(executed_variable)) {
            scratch.pointers()[scratch.pointer_count++] = variable;
            if (const int index = switch_of(text); index >= 0)
                has_switch[index] = true;
        }
    }
    // Other pools than ours, asked for on purpose (`pmemfile run` below us): a new beginning.
    std::string_view wanted = pools_value;
    if (pools != nullptr) {
        BASE_TRY_ASSIGN(const size_t length, copy_user_string(scratch.app_preload, path_max_bytes, pools));
        wanted = {scratch.app_preload, length};
    }
    scratch.is_handed_over = wanted == pools_value;
    join(scratch.pools, pools_variable, wanted);
    std::string_view others;
    if (preload != nullptr) {
        BASE_TRY_ASSIGN(const size_t length, copy_user_string(scratch.app_preload, path_max_bytes, preload));
        others = {scratch.app_preload, length};
    }
    if (names(others, preload_path))
        join(scratch.preload, preload_variable, others);
    else
        join(scratch.preload, preload_variable, preload_path, others.empty() ? "" : ":", others);
    const char **to = scratch.pointers();
    std::string_view library_value;
    if (library_path != nullptr) {
        const Result<size_t> length = copy_user_string(scratch.app_preload, path_max_bytes, library_path);
        if (length.ok())
            library_value = {scratch.app_preload, *length};
        else if (length.error().number() != ENAMETOOLONG)
            return length.error();
    }
    std::memcpy(scratch.library_path, library_path_variable.data(), library_path_variable.size());
    if (copy_needed_libraries(context, target.program, scratch.inside, library_value,
                              scratch.library_path + library_path_variable.size()))
        to[scratch.pointer_count++] = scratch.library_path;
    else if (library_path != nullptr)
        to[scratch.pointer_count++] = library_path - library_path_variable.size();
    if (scratch.is_handed_over && (target.copy >= 0 || target.is_shadow || scratch.front_count > 1)) {
        join(scratch.executed_name, executed_variable, scratch.command_name);
        to[scratch.pointer_count++] = scratch.executed_name;
    }
    to[scratch.pointer_count++] = scratch.preload;
    to[scratch.pointer_count++] = scratch.pools;
    for (unsigned i = 0; i < switch_count; i++)
        if (!has_switch[i] && switch_text(i) != nullptr)
            to[scratch.pointer_count++] = switch_text(i);
    if (scratch.is_handed_over)
        to[scratch.pointer_count++] = scratch.handover;
    to[scratch.pointer_count++] = nullptr;
    return {};
}

} // namespace shim
