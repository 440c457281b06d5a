// thread: one thread's place in one pool: its slot in the runtime segment and
// the buffers its calls work in. Passed to every function of the engine.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/runtime/pool.h"

#include <atomic>
#include <cstdint>
#include <sys/types.h>

namespace pmemfile {

constexpr unsigned max_groups_of_user = 64;
constexpr unsigned path_max_bytes = 4096; // PATH_MAX, with the NUL
// A symlink's text before the rest of the path may be longer than any path that is passed in.
constexpr unsigned walk_buffer_bytes = 3 * path_max_bytes;

// Capabilities that permission checks look at (bit numbers of capabilities(7)).
constexpr uint32_t capability_chown = 1u << 0;
constexpr uint32_t capability_dac_override = 1u << 1;
constexpr uint32_t capability_dac_read_search = 1u << 2;
constexpr uint32_t capability_fowner = 1u << 3;
constexpr uint32_t capability_fsetid = 1u << 4;
constexpr uint32_t capability_sys_admin = 1u << 21;
constexpr uint32_t capability_setfcap = 1u << 31;

// Who a call acts for. Owned by the caller (the shim keeps one per process, and one for each
// thread that has changed it; the C API one per pool); the thread points at it.
struct Credentials {
    uid_t uid = 0, euid = 0, suid = 0, fsuid = 0;
    gid_t gid = 0, egid = 0, sgid = 0, fsgid = 0;
    uint32_t capabilities = 0; // capability_*; of fsuid
    unsigned group_count = 0;
    gid_t groups[max_groups_of_user] = {};
    mode_t umask = 022;
    const std::atomic<mode_t> *shared_umask = nullptr; // if there is one, it counts: all threads of a process have it

    mode_t present_umask() const {
        return shared_umask != nullptr ? shared_umask->load(std::memory_order_relaxed) : umask;
    }
};

// About 100 KiB; the memory comes from the caller (mmap in the shim, heap in
// the library). One thread at a time. A slot is taken by thread_register and
// given back by thread_release, or collected when the process dies.
struct Thread {
    Pool *pool = nullptr;
    const Credentials *credentials = nullptr;
    uint32_t slot = 0;               // index in Segment::threads(), and
    ThreadSlot *state = nullptr;     // what is there
    uint32_t preferred_ring = 0;     // tried first
    uint32_t preferred_group = 0;    // allocation group it keeps to
    uint32_t kept_claims = 0;        // claims that belong to earlier calls of its transaction
    unsigned symlinks_followed = 0;  // ELOOP counter of the present path walk
    unsigned record_index = 0;       // in `records`, of the one under construction

    // The long secret of record checksums with this seed (journal/record.h).
    bool has_checksum_secret = false;
    uint64_t checksum_seed = 0;
    alignas(64) std::byte checksum_secret[192];

    // What a walk that leaves the pool leaves behind (fs/walk.h).
    unsigned escape_length = 0;
    char escape_path[path_max_bytes];

    char path[2][walk_buffer_bytes];                  // scratch of path walks
    alignas(64) std::byte block[2][block_size_bytes]; // scratch of file and directory code
    // The record under construction (journal/call.h) and the last one that was committed, in turns.
    alignas(64) std::byte records[2][max_record_bytes];
    alignas(64) std::byte data[4 * block_size_bytes]; // scratch of the data path

    ThreadSlot &slot_state() const {
        return *state;
    }
    std::byte *record() {
        return records[record_index];
    }
    const std::byte *record() const {
        return records[record_index];
    }
    // Its LSN is 0 when there is none.
    RecordHeader &last_record() {
        return *reinterpret_cast<RecordHeader *>(records[record_index ^ 1]);
    }
};

// Takes a free thread slot of `thread.pool` for this process. EAGAIN when all
// are in use (dead processes are collected first).
base::Status thread_register(Thread &thread, Pool &pool);
// Gives the slot back. No call of the thread may be under way.
void thread_release(Thread &thread);

} // namespace pmemfile
