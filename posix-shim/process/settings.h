// settings: what a process is told by the environment, and tells the next image.
//
//   PMEMFILE_POOLS     "dir=pool;dir2=pool2,ro", absolute paths: the mounts, each with its options
//   PMEMFILE_HANDOVER  set by our own exec only: places in the pools, working directory
//   PMEMFILE_EXECUTED  the same: what AT_EXECFN shall say, where the kernel executes something else
#pragma once

#include "libpmemfile/fs/attach.h"
#include "posix-shim/process/mount.h"
#include "posix-shim/process/working_directory.h"

#include <cstddef>
#include <string_view>

namespace shim {

constexpr std::string_view pools_variable = "PMEMFILE_POOLS=";
constexpr std::string_view handover_variable = "PMEMFILE_HANDOVER=";
constexpr std::string_view preload_variable = "LD_PRELOAD=";
constexpr std::string_view library_path_variable = "LD_LIBRARY_PATH=";
constexpr std::string_view executed_variable = "PMEMFILE_EXECUTED=";
constexpr std::string_view preloaded_variable = "PMEMFILE_PRELOADED="; // LD_PRELOAD, where the loader got another one
constexpr size_t handover_bytes = 1024;                                // of the text, with the variable's name

// A file whose record locks end when the kernel executes, for that closes a number of it (close-on-exec).
struct LostLocks {
    unsigned mount = 0;
    pmemfile::InodeNumber inode = 0;
};
constexpr unsigned max_lost_locks = 8;

// What exec leaves to the new image. `process` must be the reader's pid: a child of a program
// that runs without us inherits the variable but nothing that it tells of.
struct Handover {
    long process = 0;
    unsigned place_count = 0;
    pmemfile::PoolPlace places[max_mounts];
    uint64_t nonces[max_mounts] = {}; // of the pools' runtime segments
    uint64_t pools_mark = 0;          // of the giver's PMEMFILE_POOLS (handed_place.h)
    WorkingDirectory directory;
    WorkingDirectory root;
    uint64_t address_space_bytes = 0; // what the giver had added to its limit (address_space.h)
    unsigned lost_count = 0;
    LostLocks lost[max_lost_locks];
    char command_name[16] = {}; // as the kernel would show it; empty: the kernel's own is right
};

// "PMEMFILE_HANDOVER=..." with NUL into `to` of handover_bytes. Any thread.
void handover_write(char *to, const Handover &handover);
// False when `text` (behind the '=') is none.
bool handover_read(const char *text, Handover &handover);

// One of PMEMFILE_POOLS.
struct MountSetting {
    std::string_view directory;
    std::string_view pool;
    bool read_only = false;        // option ro; rw is the default
    std::string_view wrong_option; // not empty: one that is none
};
// Cuts the next "dir=pool,option..." off `rest`. False when it is malformed or a path is not absolute.
bool next_mount(std::string_view &rest, MountSetting &mount);

// The value of `variable` ("NAME=") in an environment; null when absent. Not libc's getenv, which
// a program may replace (bash does).
const char *environment_value(char **environment, std::string_view variable);
void environment_remove(char **environment, std::string_view variable);
// Gives `to` (no longer than `from`) the value of `from`, which is gone then. Nothing when there is no `from`.
void environment_rename(char **environment, std::string_view from, std::string_view to);

} // namespace shim
