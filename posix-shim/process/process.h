// process: what belongs to the whole process: who it acts for, how it began,
// and how its place goes to a child or over an exec.
#pragma once

#include "libpmemfile/fs/attach.h"
#include "libpmemfile/runtime/thread.h"
#include "posix-shim/process/context.h"
#include "posix-shim/process/working_directory.h"

#include <atomic>

namespace shim {

// Who the process's calls act for; all threads' pmemfile::Thread point at it.
extern constinit pmemfile::Credentials process_credentials;
// Reads it from the kernel (ids, groups, capabilities, umask).
void credentials_load();

// Absolute path of the preload library, as LD_PRELOAD must name it; and the
// value of PMEMFILE_POOLS. For the environment of the programs we exec.
extern constinit char preload_path[pmemfile::path_max_bytes];
extern constinit char pools_value[pmemfile::path_max_bytes];

// Threads with a context. When only one is left, its exit_group leaves the pools properly.
extern constinit std::atomic<int> context_count;
// Set by exit_group: a thread that comes for its first context now waits for the end instead.
extern constinit std::atomic<bool> process_is_ending;
// Releases this thread's context (thread exit).
void context_release();
// In a fork child: this thread's places in the pools are made anew.
void context_after_fork(ThreadContext &context);

// In a fork child: the mappings of files of ours are pinned anew (mapping/). Weak.
__attribute__((weak)) void mapping_table_after_fork(ThreadContext &context);

// Drops a vfork child's working directory; the parent goes on.
void working_directory_end_vfork(ThreadContext &context);
// The new image takes over what the former one handed on.
void working_directory_adopt(const WorkingDirectory &directory);

} // namespace shim
