// segment: the volatile memory that all processes attached to a pool share.
//
// One file in /dev/shm for each attached pool, named by the pool file's device
// and inode number. It holds what must be known to all and need not outlive
// the last process: locks, processes, threads, open file descriptions, the
// allocator's claims. It is made anew by the first process that attaches, and
// it carries a random nonce that is stamped into the superblock, so that two
// segments for one pool, or one for two, are noticed (hazard 5).
//
//   [Segment header][ProcessSlot…][ThreadSlot…][RingState…][Stripe…]
//   [OpenFile…][MappingPin…][AdvisoryLock…][OpenTransaction…][orphan claims][GroupState…][group bitmaps…]
//
// All references are indices or offsets. A process may be killed between any
// two stores here: states are single words tagged with their owner, or can be
// rebuilt from the slots (hazard 22).
#pragma once

#include "base/thread_safety.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/persist/persist.h"

#include <atomic>
#include <cstdint>

namespace pmemfile {

constexpr uint64_t segment_magic = 0x31474553454d4d50;
// What all who share a segment agree on: its layout, and since 6 that homes are written back by who raises the
// watermark and by nobody before. A library of before would raise it without most of them. Since 7 blocks are held back
// for the files that are mapped alone (quarantine.h). Since 8 who claims an orphan slot notes it before, and the open
// transactions have a high-water mark.
constexpr uint32_t segment_version = 8;
constexpr unsigned max_processes = 512;
constexpr unsigned max_threads = 2048;
constexpr unsigned max_rings = 64;
constexpr unsigned stripe_count = 16384;
constexpr unsigned max_open_files = 65536;
constexpr unsigned max_mapping_pins = 16384;
constexpr unsigned max_advisory_locks = 8192;
constexpr unsigned max_claims = 64;       // block runs claimed by one call step
constexpr unsigned max_held_locks = 16;   // robust locks of one thread at a time
constexpr unsigned max_transactions = 32; // open at a time
constexpr unsigned max_transaction_claims = 2048;
constexpr unsigned watch_words = 64; // a bit for each inode that hashes there
constexpr Lsn lsn_idle = ~Lsn{0};

// A lock that survives the death of its holder: 0 = free, else the thread
// slot's index + 1, and bit 31 while somebody sleeps on it (robust_lock.h).
struct BASE_CAPABILITY("robust lock") RobustLock {
    std::atomic<uint32_t> word;
};

// A process that is attached. It is alive as long as the kernel holds a lock
// on byte (liveness_first_byte + index) of the runtime file for it (liveness.h).
struct alignas(64) ProcessSlot {
    std::atomic<uint64_t> incarnation; // 0 = free; else a number never used before
    std::atomic<uint32_t> pid;         // for people and F_GETLK, and a hint (stopped_holder.h); never for decisions
    std::atomic<uint32_t> state;       // 0 free, 1 live, 2 being collected
    std::atomic<uint32_t> liveness_descriptor; // its number there, a hint, too; 0: not known
};

// A thread that has used the pool. Everything a survivor needs to finish or
// undo its call is here.
struct alignas(64) ThreadSlot {
    std::atomic<uint64_t> process_incarnation; // 0 = free slot; else the incarnation of the process it belongs to
    std::atomic<uint32_t> process_slot;
    std::atomic<uint32_t> settler; // thread slot index + 1 of who settles it after its death; 0 = nobody
    std::atomic<Lsn> lower;        // lsn_idle, or: its call's LSN is above this (hazard 1)
    std::atomic<Lsn> record_lsn;   // of the record it is writing or applying; 0 = none
    std::atomic<uint64_t> record_position;
    std::atomic<uint32_t> record_ring;
    std::atomic<uint32_t> claim_count;
    std::atomic<Lsn> applied_lsn;       // its last record that is wholly stored at home
    std::atomic<uint64_t> orphan_claim; // orphan slot index + 1 that its present call has claimed, or is about to
    std::atomic<uint32_t> transaction;  // index + 1 of the OpenTransaction that it has
    std::atomic<uint32_t> keeps_orphan_slots; // 1: calls of that transaction have claimed some
    // Offsets in the segment of the RobustLocks it holds or is about to take.
    std::atomic<uint64_t> held[max_held_locks];
    // Claims not yet committed: first block << 16 | count, or the bit below and a number.
    std::atomic<uint64_t> claims[max_claims];
};
constexpr uint64_t inode_claim_bit = uint64_t{1} << 63; // an inode number
constexpr uint64_t incarnation_claiming = ~uint64_t{0}; // a thread slot that is being taken
// Beside the incarnation of a thread slot: its thread ended when the process went on in another image (exec).
constexpr uint64_t incarnation_former_bit = uint64_t{1} << 63;

// Where a record begins, and the LSN before which all of the ring's records
// are: lets the watermark find a ring's new start without walking the ring.
constexpr unsigned ring_mark_count = 16;
struct RingMark {
    std::atomic<uint64_t> position;
    std::atomic<Lsn> lsn_before; // LSN of the record before it; lsn_idle while being written
};

// The volatile side of a journal ring.
struct alignas(64) RingState {
    RobustLock lock;                      // held from before the draw to after the home stores
    std::atomic<uint64_t> head_position;  // where the next record goes
    std::atomic<Lsn> last_lsn;            // of the last record
    std::atomic<Lsn> fenced_lsn;          // records up to here are durable at home
    std::atomic<uint64_t> start_position; // durable start of the chain: below it slots may be reused
    std::atomic<uint64_t> next_start;     // start that a raise under way has stored and not yet fenced
    RingMark marks[ring_mark_count];      // mark i: the first record in the i-th sixteenth of the ring
};

// What inodes share that hash to the same stripe: the writers' lock and the
// readers' sequence counter, on one line.
struct alignas(64) Stripe {
    RobustLock lock;
    std::atomic<uint32_t> open_hint; // at least the number of OpenFiles and pins of these inodes
    std::atomic<uint32_t> pin_hint;  // at least the number of pins
    std::atomic<uint64_t> sequence;  // odd while home stores are under way; never reset
    std::atomic<Lsn> last_lsn;       // of the last record that changed one of these inodes; 0: none in this attach
};

// An open file description. `references` says which processes hold it (bit =
// process slot); it ends when the last bit is gone (hazard 12).
struct alignas(64) OpenFile {
    std::atomic<uint64_t> nonce; // 0 = free; else random-looking, never 0, never used again (hazard 11)
    std::atomic<InodeNumber> inode;
    std::atomic<uint32_t> generation; // of the inode
    std::atomic<uint32_t> flags;      // O_* status flags and access mode
    std::atomic<int64_t> offset_bytes;
    RobustLock offset_lock;             // serialises calls that use the shared offset
    std::atomic<uint32_t> owner_signal; // F_SETSIG / spare
    std::atomic<InodeNumber> parent;    // directory that it was opened in (fs/open_path.h); 0: not known
    std::atomic<uint64_t> in_flight;    // descriptors of it that have gone into a socket and not been seen to come out
    std::atomic<uint64_t> references[max_processes / 64];
};
static_assert(sizeof(OpenFile) == 128);

// A live mapping of an inode by a process: its blocks must not be used again.
struct MappingPin {
    std::atomic<uint64_t> owner; // 0 = free; else process incarnation
    std::atomic<InodeNumber> inode;
    std::atomic<uint32_t> process_slot;
    std::atomic<uint32_t> writable_shared; // 1: data goes in place while it lives
};

// A POSIX record lock, an open-file-description lock or a flock.
struct AdvisoryLock {
    std::atomic<uint64_t> owner; // 0 = free; else see advisory_lock.h
    std::atomic<InodeNumber> inode;
    std::atomic<int64_t> first_byte;
    std::atomic<int64_t> last_byte; // inclusive; INT64_MAX = to the end
    std::atomic<uint32_t> kind;     // F_RDLCK / F_WRLCK, and which of the three families
    std::atomic<uint32_t> pid;      // for F_GETLK
};

// The volatile side of an allocation group: copies of its bitmaps in which
// blocks and inodes are claimed. Loaded from the media at first use.
struct alignas(64) GroupState {
    RobustLock lock;
    std::atomic<uint32_t> loaded;      // 0, or 1 when the copies are valid
    std::atomic<uint32_t> free_blocks; // clear bits in the volatile block bitmap
    std::atomic<uint32_t> search_hint; // where to look first, in blocks
    std::atomic<uint32_t> inode_hint;  // where to look first for an inode block with room
    std::atomic<uint32_t> free_inodes; // in existing inode blocks; a hint
    std::atomic<uint32_t> reconciled;  // 1 once the copies were rebuilt from the media (space_map_reconcile)
    std::atomic<uint32_t> unsettled;   // 1: a killed thread may have left set bits, or a wrong count
    std::atomic<uint64_t> quarantined; // some set bits are free on the media, held back for mappings of these inodes: a
                                       // set of stripes (quarantine_bit)
};

// What transactions share (transaction_gate.h).
struct alignas(64) TransactionGate {
    RobustLock lock;                // held while one commits; read by every call
    std::atomic<uint64_t> sequence; // odd while a transaction's changes are stored home; never reset
};

// A transaction under way (journal/transaction.h). Its claims, those of all its calls, are here and not in the
// thread's slot.
struct alignas(64) OpenTransaction {
    std::atomic<uint32_t> owner; // thread slot index + 1; 0 = free
    std::atomic<uint32_t> claim_count;
    std::atomic<uint64_t> locked[stripe_count / 64]; // stripes that its calls have locked: what it may have changed
    std::atomic<uint64_t> claims[max_transaction_claims];
};

// `mark`: how many entries of a table were ever used. Now at least `count`, whoever else raises it.
inline void raise_high_water(std::atomic<uint32_t> &mark, uint32_t count) {
    uint32_t now = mark.load();
    while (now < count && !mark.compare_exchange_weak(now, count)) {
    }
}

struct Segment {
    uint64_t magic;
    uint32_t version;
    Medium medium;
    uint64_t nonce;
    uint64_t attach_generation;
    uint8_t boot_id[16];
    uint64_t pool_device;
    uint64_t pool_inode;
    uint64_t pool_size_bytes;
    PoolOffset superblock_offset;
    uint64_t segment_size_bytes;
    uint64_t group_count;
    std::atomic<uint32_t> ready;  // 1 when recovery is over and the rest is valid
    std::atomic<uint32_t> failed; // errno once the medium has reported an error (hazard 28)
    // offsets of the tables in the segment
    uint64_t processes_offset, threads_offset, rings_offset, stripes_offset, open_files_offset;
    uint64_t mapping_pins_offset, advisory_locks_offset, groups_offset, bitmaps_offset, transactions_offset;
    uint64_t bitmaps_stride;       // of one group: [block bitmap 4 KiB][inode-block bitmap 4 KiB][inode masks 64 KiB]
    uint64_t orphan_claims_offset; // for each orphan slot: thread slot index + 1 of who claims it, 0 = nobody

    alignas(64) std::atomic<Lsn> last_lsn; // the counter LSNs are drawn from
    alignas(64) std::atomic<uint64_t> next_incarnation;
    std::atomic<uint64_t> next_nonce;
    std::atomic<uint32_t> thread_high_water; // slots at and above were never used
    std::atomic<uint32_t> process_high_water;
    std::atomic<uint32_t> transaction_high_water;
    std::atomic<uint32_t> open_file_high_water;
    std::atomic<uint32_t> pin_high_water;
    std::atomic<uint32_t> advisory_high_water;
    std::atomic<uint32_t> advisory_generation; // futex word: changes when an advisory lock goes
    std::atomic<uint64_t> pin_count;           // at least the number of pins; above it pins_miss_blocks_bit
    std::atomic<uint64_t> quarantined;         // at least what stands in all groups' quarantined
    RobustLock open_files_lock;
    std::atomic<uint32_t> open_file_hint BASE_GUARDED_BY(open_files_lock); // no free description below it
    RobustLock advisory_lock;
    RobustLock collect_lock;            // one collector of dead processes at a time
    RobustLock growth_lock;             // one that makes the pool larger at a time
    alignas(64) RobustLock rename_lock; // pool-wide: renames of directories across directories

    TransactionGate transaction;

    // Raising the watermark (journal/watermark.h).
    alignas(64) RobustLock raise_lock;
    std::atomic<uint32_t> raise_owner; // thread slot index + 1 that carries the raise, 0 = nobody
    std::atomic<uint32_t> raise_phase BASE_GUARDED_BY(raise_lock);
    std::atomic<Lsn> raise_candidate BASE_GUARDED_BY(raise_lock);
    std::atomic<Lsn> durable_watermark;

    // Who is watched (the shim's notify/mirror.h). 0: nobody; else it grows with each watch.
    alignas(64) std::atomic<uint32_t> watch_generation;
    std::atomic<uint64_t> watched[watch_words];

    template <typename T> T *table(uint64_t offset) {
        return reinterpret_cast<T *>(reinterpret_cast<std::byte *>(this) + offset);
    }
    ProcessSlot *processes() {
        return table<ProcessSlot>(processes_offset);
    }
    ThreadSlot *threads() {
        return table<ThreadSlot>(threads_offset);
    }
    RingState *rings() {
        return table<RingState>(rings_offset);
    }
    Stripe *stripes() {
        return table<Stripe>(stripes_offset);
    }
    OpenFile *open_files() {
        return table<OpenFile>(open_files_offset);
    }
    MappingPin *mapping_pins() {
        return table<MappingPin>(mapping_pins_offset);
    }
    AdvisoryLock *advisory_locks() {
        return table<AdvisoryLock>(advisory_locks_offset);
    }
    GroupState *groups() {
        return table<GroupState>(groups_offset);
    }
    OpenTransaction *transactions() {
        return table<OpenTransaction>(transactions_offset);
    }
    // Entries at and above were never used (each is some pages).
    uint32_t transaction_limit() const {
        const uint32_t mark = transaction_high_water.load();
        return mark < max_transactions ? mark : max_transactions;
    }
    // Volatile bitmaps of a group, as 64-bit words.
    std::atomic<uint64_t> *block_bitmap(uint64_t group) {
        return table<std::atomic<uint64_t>>(bitmaps_offset + group * bitmaps_stride);
    }
    std::atomic<uint64_t> *inode_block_bitmap(uint64_t group) {
        return table<std::atomic<uint64_t>>(bitmaps_offset + group * bitmaps_stride + block_size_bytes);
    }
    std::atomic<uint16_t> *inode_masks(uint64_t group) {
        return table<std::atomic<uint16_t>>(bitmaps_offset + group * bitmaps_stride + 2 * block_size_bytes);
    }
    std::atomic<uint32_t> *orphan_claims() {
        return table<std::atomic<uint32_t>>(orphan_claims_offset);
    }
};

// Bytes a segment for a pool with `group_count` groups and `orphan_slots`
// orphan slots takes; fills the offsets of `segment` (whose memory is zeroed).
uint64_t segment_size_bytes(uint64_t group_count, uint64_t orphan_slots);
void segment_lay_out(Segment &segment, uint64_t group_count, uint64_t orphan_slots);

} // namespace pmemfile
