// process: what belongs to the whole process: who it acts for, how it began,
// and how its place goes to a child or over an exec.
#pragma once

#include "libpmemfile/fs/attach.h"
#include "libpmemfile/runtime/thread.h"
#include "posix-shim/process/context.h"
#include "posix-shim/process/working_directory.h"

#include <atomic>

namespace shim {

// Who the caller's calls act for, and what its pmemfile::Threads point at.
pmemfile::Credentials &credentials_of(ThreadContext &context);
// At the start: the process's, with the umask, which the kernel tells only to who sets it.
void credentials_start();
// Reads ids, groups and capabilities of the calling thread from the kernel.
void credentials_load(pmemfile::Credentials &who);
// A new context takes those of its own, where they may be other ones than the process's.
void credentials_begin_thread(ThreadContext &context);
// A vfork child begins with a copy of its parent's, and ends.
void credentials_begin_vfork(ThreadContext &context);
void credentials_end_vfork(ThreadContext &context);

// Absolute path of the preload library, as LD_PRELOAD must name it; and the
// value of PMEMFILE_POOLS. For the environment of the programs we exec.
extern constinit char preload_path[pmemfile::path_max_bytes];
extern constinit char pools_value[pmemfile::path_max_bytes];

// Threads with a context. When only one is left, its exit_group leaves the pools properly.
extern constinit std::atomic<int> context_count;
// Set by exit_group: a thread that comes for its first context now waits for the end instead.
extern constinit std::atomic<bool> process_is_ending;
// Gives back the context's places in the pools (process exit); and the context too (thread exit).
void context_leave_pools(ThreadContext &context);
void context_release();
// In a fork child: this thread's places in the pools are made anew.
void context_after_fork(ThreadContext &context);

// Drops a vfork child's working directory and root; the parent goes on.
void beginning_directories_end_vfork(ThreadContext &context);
// In a fork child: another thread of the parent may have been in the middle of a change.
void beginning_directories_after_fork();
// The new image takes over what the former one handed on.
void beginning_directory_adopt(Beginning which, const WorkingDirectory &directory);

} // namespace shim
