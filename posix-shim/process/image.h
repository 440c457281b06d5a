// image: what one exec prepares for the image that comes.
#pragma once

#include "base/result.h"
#include "posix-shim/calls/handler.h"
#include "posix-shim/process/loader_command.h"
#include "posix-shim/process/needed_libraries.h"
#include "posix-shim/process/program.h"
#include "posix-shim/process/settings.h"

namespace shim {

using pmemfile::path_max_bytes;

constexpr unsigned script_depth_limit = 5;                 // as Linux
constexpr size_t front_limit = 2 + 2 * script_depth_limit; // words before argv[1]
constexpr size_t pointer_limit = 1 << 20;                  // more is E2BIG at the kernel too
constexpr size_t preload_limit = 2 * path_max_bytes;

// Of the application, unchecked.
struct Arguments {
    const char *const *argv;
    const char *const *envp;
};

// One exec's memory: this, then argv's and envp's pointers. Mapped for the call.
struct Scratch {
    char head[script_depth_limit + 1][program_head_bytes + 1];
    char inside[path_max_bytes]; // the program's path in its pool
    char copy_path[path_max_bytes];
    LoaderCommand loader;
    PathChanges changes;
    char library_path[library_path_variable.size() + library_path_bytes];
    char copied_preload[preload_variable.size() + library_path_bytes];
    char preloaded[preloaded_variable.size() + preload_limit];
    char executed_name[executed_variable.size() + path_max_bytes];
    char script_name[64 + path_max_bytes]; // "/dev/fd/N/path"
    char command_name[path_max_bytes];
    char handover[handover_bytes];
    char pools[pools_variable.size() + path_max_bytes];
    char preload[preload_limit];
    char app_preload[path_max_bytes];
    const char *front[front_limit]; // what replaces argv[0]
    size_t front_count;
    size_t size_bytes;
    size_t pointer_count;
    bool is_handed_over;
    const char *goes_round; // why what is executed will not see the pools; null: it will

    const char **pointers() {
        return reinterpret_cast<const char **>(this + 1);
    }
};

// What the kernel executes in the end. `copy`: a descriptor of ours to close again.
struct Target {
    long dirfd = 0;
    const char *path = nullptr;
    long flags = 0;
    int copy = -1;
    bool is_shadow = false;
    bool needs_copied_name = false;
    // Of the last program, when it is in a pool: held until the exec has failed.
    Program program;
};

// The pointer at `index` of an array of the application. EFAULT.
base::Result<const char *> pointer_at(const char *const *array, size_t index);
// How many stand before the null; 0 for no array. EFAULT, E2BIG.
base::Result<size_t> count(const char *const *array);
// Copies the environment's pointers without our variables, then adds them. EFAULT, ENAMETOOLONG.
base::Status make_environment(ThreadContext &context, Scratch &scratch, const Target &target, const char *const *envp);
// The kernel's call; comes back with -errno, or restart_call: a signal that is noted before has a handler of this
// image, and would be lost with it.
long start_image(Request &request, const Target &target, const char *const *argv, const char *const *envp);

} // namespace shim
