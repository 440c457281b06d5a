// The environment of an image to come: LD_PRELOAD and PMEMFILE_POOLS put back, the switches too,
// PMEMFILE_HANDOVER added, LD_LIBRARY_PATH and LD_PRELOAD with the copies of a pool's libraries.
#include "base/user_copy.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/paths/user_string.h"
#include "posix-shim/process/image.h"
#include "posix-shim/process/process.h"
#include "posix-shim/process/switches.h"
#include "posix-shim/table/ledger.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace shim {

using base::error;
using base::Result;
using base::Status;

namespace {

// Takes other libraries of our name out of a list of LD_PRELOAD, in place: ours serves what they are wanted for
// (`pmemfile run` of a project that is built in a pool, say), and two would patch each other. True when ours is in it.
bool keep_one_of_us(char *list, size_t &length) {
    const std::string_view own = preload_path;
    const std::string_view own_name = own.substr(own.rfind('/') + 1);
    bool has_own = false;
    size_t kept = 0;
    for (size_t at = 0; at < length;) {
        const size_t end = std::min(std::string_view(list, length).find_first_of(": ", at), length);
        const std::string_view entry(list + at, end - at);
        const bool is_other = entry.substr(entry.rfind('/') + 1) == own_name && entry != own;
        has_own = has_own || entry == own;
        if (!is_other) {
            const size_t taken = std::min(end + 1, length) - at; // with what separates it from the next one
            std::memmove(list + kept, list + at, taken);
            kept += taken;
        }
        at = end + 1;
    }
    length = kept;
    return has_own;
}

void join(char *to, std::string_view first, std::string_view second, std::string_view third = {},
          std::string_view fourth = {}) {
    for (const std::string_view part : {first, second, third, fourth}) {
        std::memcpy(to, part.data(), part.size());
        to += part.size();
    }
    *to = 0;
}

// For a program that cannot begin with us: the switches stay, we go out of LD_PRELOAD.
Status make_foreign_environment(Scratch &scratch, bool has_own, std::string_view preloaded, const char *library_path) {
    ledger_log("round", scratch.command_name, scratch.goes_round);
    const char **to = scratch.pointers();
    std::string_view before = preloaded;
    std::string_view behind;
    if (has_own) {
        const std::string_view own = preload_path;
        const size_t at = preloaded.find(own);
        before = preloaded.substr(0, at);
        behind = preloaded.substr(std::min(at + own.size() + 1, preloaded.size()));
        if (behind.empty() && !before.empty())
            before.remove_suffix(1); // the separator
    }
    if (!before.empty() || !behind.empty()) {
        join(scratch.preload, preload_variable, before, behind);
        to[scratch.pointer_count++] = scratch.preload;
    }
    if (library_path != nullptr)
        to[scratch.pointer_count++] = library_path - library_path_variable.size();
    to[scratch.pointer_count++] = nullptr;
    return {};
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
        else if (!text.starts_with(handover_variable) && !text.starts_with(executed_variable) &&
                 !text.starts_with(preloaded_variable)) {
            scratch.pointers()[scratch.pointer_count++] = variable;
            if (const int index = switch_of(text); index >= 0)
                has_switch[index] = true;
        }
    }
    // Other pools than ours, asked for on purpose (`pmemfile run` below us): a new beginning.
    std::string_view wanted = pools_value;
    if (pools != nullptr && root_directory().mount < 0) { // (below a root in a pool it would begin outside of that)
        BASE_TRY_ASSIGN(const size_t length, copy_user_string(scratch.app_preload, path_max_bytes, pools));
        wanted = {scratch.app_preload, length};
    }
    scratch.is_handed_over = wanted == pools_value;
    join(scratch.pools, pools_variable, wanted);
    size_t others_length = 0;
    if (preload != nullptr) {
        BASE_TRY_ASSIGN(others_length, copy_user_string(scratch.app_preload, path_max_bytes, preload));
    }
    const bool has_own = keep_one_of_us(scratch.app_preload, others_length);
    if (scratch.goes_round != nullptr) {
        scratch.is_handed_over = false;
        return make_foreign_environment(scratch, has_own, {scratch.app_preload, others_length}, library_path);
    }
    const std::string_view others(scratch.app_preload, others_length);
    if (has_own)
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
    PathChanges &changes = scratch.changes;
    const std::string_view preload_value = scratch.preload + preload_variable.size();
    const LoaderCommand &loader = scratch.loader;
    const bool has_list = loader.is_there && loader.library_path_at != 0; // the loader takes that one then
    BASE_TRY(copy_needed_libraries(context, loader.is_there ? loader.program : target.program,
                                   loader.is_there ? loader.inside : scratch.inside,
                                   {has_list ? loader.library_path : library_value, preload_value}, changes));
    if (changes.has_library_path && !has_list) {
        join(scratch.library_path, library_path_variable, changes.library_path);
        to[scratch.pointer_count++] = scratch.library_path;
    } else if (library_path != nullptr) {
        to[scratch.pointer_count++] = library_path - library_path_variable.size();
    }
    if (changes.has_preload) {
        join(scratch.preloaded, preloaded_variable, preload_value);
        join(scratch.copied_preload, preload_variable, changes.preload);
        to[scratch.pointer_count++] = scratch.preloaded;
    }
    if (scratch.is_handed_over && loader.is_copied) {
        join(scratch.executed_name, executed_variable, loader.name);
        to[scratch.pointer_count++] = scratch.executed_name;
    } else if (scratch.is_handed_over && (target.copy >= 0 || target.is_shadow || scratch.front_count > 1)) {
        join(scratch.executed_name, executed_variable, scratch.command_name);
        to[scratch.pointer_count++] = scratch.executed_name;
    }
    to[scratch.pointer_count++] = changes.has_preload ? scratch.copied_preload : scratch.preload;
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
