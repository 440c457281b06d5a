// advisory_lock: one table in the segment, changed under one robust lock.
//
//   entry:  [owner | inode | first_byte .. last_byte | kind | pid]
//   owner:  0 free | posix: incarnation | description: 1<<62|id | flock: 2<<62|id
//   kind:   F_RDLCK or F_WRLCK | waiting_bit
//
// `owner` is stored last, so that an entry is whole or absent. A change of
// ranges first adds what will be there and then takes away what was: a process
// killed in between leaves its owner a superset, never less than was promised.
// A wait is an entry too (waiting_bit): it tells an unlocker that somebody
// must be woken, and it is an edge for the search for cycles.
//
// Locks of dead owners are taken away by whoever they stand in the way of.
#include "libpmemfile/runtime/advisory_lock.h"

#include "base/raw_syscall.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/robust_lock.h"

#include <algorithm>
#include <bit>
#include <ctime>
#include <linux/futex.h>
#include <unistd.h>
#include <utility>

namespace pmemfile {
namespace {

constexpr uint64_t owner_id_mask = (uint64_t{1} << 62) - 1;
constexpr uint32_t waiting_bit = 1u << 16;
constexpr uint32_t type_mask = 0xff;
constexpr unsigned max_cycle_owners = 64; // owners looked at in search of a cycle
constexpr long wait_slice_ns = 10'000'000;

struct Request {
    uint64_t owner;
    InodeNumber inode;
    short type;
    LockRange range;
};

uint64_t own_incarnation(const Thread &thread) {
    return thread.pool->segment->processes()[thread.pool->process_slot].incarnation.load();
}

uint64_t owner_word(const Thread &thread, const LockOwner &owner) {
    if (owner.family == LockFamily::posix)
        return own_incarnation(thread);
    return static_cast<uint64_t>(owner.family) << 62 | (owner.description & owner_id_mask);
}

LockFamily family_of(uint64_t owner) {
    return static_cast<LockFamily>(owner >> 62);
}

uint32_t entry_count(const Segment &segment) {
    return std::min<uint32_t>(segment.advisory_high_water.load(std::memory_order_acquire), max_advisory_locks);
}

bool is_waiting(const AdvisoryLock &entry) {
    return entry.kind.load(std::memory_order_relaxed) & waiting_bit;
}

short type_of(const AdvisoryLock &entry) {
    return static_cast<short>(entry.kind.load(std::memory_order_relaxed) & type_mask);
}

LockRange range_of(const AdvisoryLock &entry) {
    return {entry.first_byte.load(std::memory_order_relaxed), entry.last_byte.load(std::memory_order_relaxed)};
}

bool overlap(const LockRange &a, const LockRange &b) {
    return a.first_byte <= b.last_byte && b.first_byte <= a.last_byte;
}

// flock locks live in a world of their own; the two fcntl families see each
// other (fcntl(2), "Open file description locks").
bool conflicts(const Request &request, const AdvisoryLock &entry) {
    uint64_t owner = entry.owner.load(std::memory_order_acquire);
    if (owner == 0 || is_waiting(entry) || entry.inode.load() != request.inode)
        return false;
    if (request.type == F_UNLCK) // F_OFD_GETLK: who asks so means locks of his own (Linux 6.5)
        return owner == request.owner && overlap(range_of(entry), request.range);
    if (owner == request.owner)
        return false;
    bool flock_a = family_of(owner) == LockFamily::flock, flock_b = family_of(request.owner) == LockFamily::flock;
    if (flock_a != flock_b || !overlap(range_of(entry), request.range))
        return false;
    return type_of(entry) == F_WRLCK || request.type == F_WRLCK;
}

bool incarnation_alive(const Thread &thread, uint64_t incarnation) {
    Segment &segment = *thread.pool->segment;
    for (uint32_t slot = 0; slot < max_processes; slot++)
        if (segment.processes()[slot].incarnation.load() == incarnation)
            return process_alive(*thread.pool, slot);
    return false;
}

bool owner_alive(const Thread &thread, uint64_t owner) {
    if (family_of(owner) == LockFamily::posix)
        return incarnation_alive(thread, owner);
    auto file = open_file_get(thread, owner & owner_id_mask);
    if (!file.ok())
        return false;
    // A description lives as long as one of its processes does.
    for (uint32_t word = 0; word < max_processes / 64; word++) {
        uint64_t bits = (*file)->references[word].load();
        for (; bits != 0; bits &= bits - 1)
            if (process_alive(*thread.pool, word * 64 + static_cast<uint32_t>(std::countr_zero(bits))))
                return true;
    }
    return false;
}

// Finds `wanted` free entries and writes their indices; false when there are
// not so many.
bool find_free(const Segment &segment, AdvisoryLock *table, unsigned wanted, uint32_t *indices) {
    unsigned found = 0;
    uint32_t used = entry_count(segment);
    for (uint32_t i = 0; i < max_advisory_locks && found < wanted; i++)
        if (i >= used || table[i].owner.load(std::memory_order_relaxed) == 0)
            indices[found++] = i;
    return found == wanted;
}

void publish(Segment &segment, uint32_t index, const Request &request, LockRange range, uint32_t kind, uint32_t pid) {
    AdvisoryLock &entry = segment.advisory_locks()[index];
    entry.inode.store(request.inode, std::memory_order_relaxed);
    entry.first_byte.store(range.first_byte, std::memory_order_relaxed);
    entry.last_byte.store(range.last_byte, std::memory_order_relaxed);
    entry.kind.store(kind, std::memory_order_relaxed);
    entry.pid.store(pid, std::memory_order_relaxed);
    entry.owner.store(request.owner, std::memory_order_release);
    if (index >= segment.advisory_high_water.load(std::memory_order_relaxed))
        segment.advisory_high_water.store(index + 1, std::memory_order_release);
}

// Lets the scans be short again once the last entries have gone.
void lower_high_water(Segment &segment) {
    uint32_t used = entry_count(segment);
    while (used > 0 && segment.advisory_locks()[used - 1].owner.load(std::memory_order_relaxed) == 0)
        used--;
    segment.advisory_high_water.store(used, std::memory_order_release);
}

// Tells the sleepers that something went away. A system call only if somebody sleeps.
void wake_waiters(Segment &segment) {
    lower_high_water(segment);
    segment.advisory_generation.fetch_add(1);
    for (uint32_t i = 0; i < entry_count(segment); i++)
        if (segment.advisory_locks()[i].owner.load() != 0 && is_waiting(segment.advisory_locks()[i])) {
            base::raw_syscall(SYS_futex, base::as_long(&segment.advisory_generation), FUTEX_WAKE, INT32_MAX);
            return;
        }
}

// The first conflicting lock (by offset) whose owner lives, or null. Locks of
// dead owners met on the way are taken away.
AdvisoryLock *find_conflict(Thread &thread, const Request &request) {
    Segment &segment = *thread.pool->segment;
    AdvisoryLock *table = segment.advisory_locks(), *first = nullptr;
    bool removed = false;
    uint32_t used = entry_count(segment);
    for (uint32_t i = 0; i < used; i++) {
        if (!conflicts(request, table[i]))
            continue;
        if (!owner_alive(thread, table[i].owner.load())) {
            table[i].owner.store(0, std::memory_order_release);
            removed = true;
        } else if (!first || table[i].first_byte.load() < first->first_byte.load()) {
            first = &table[i];
        }
    }
    if (removed)
        wake_waiters(segment);
    return first;
}

// A wait left behind by a thread that is gone (exec ends its siblings) is none.
bool waits_really(Segment &segment, const AdvisoryLock &entry) {
    uint32_t slot = entry.pid.load();
    return slot < max_threads && segment.threads()[slot].process_incarnation.load() == entry.owner.load();
}

// Takes away the wait that this thread has entered. It may be gone with its description, which another thread has
// closed, and the entry be somebody's lock by now.
void end_wait(Segment &segment, AdvisoryLock &entry, const Request &request, uint32_t slot) {
    if (entry.owner.load() == request.owner && is_waiting(entry) && entry.pid.load() == slot)
        entry.owner.store(0, std::memory_order_release);
    lower_high_water(segment);
}

// A thread waits once at a time: what else waits under its slot was left by one that was killed. The description of
// such a flock or OFD wait may live on, and the table would fill with them.
void forget_killed_waits(Segment &segment, uint32_t slot) {
    for (uint32_t i = 0; i < entry_count(segment); i++) {
        AdvisoryLock &entry = segment.advisory_locks()[i];
        if (entry.owner.load() != 0 && is_waiting(entry) && entry.pid.load() == slot)
            entry.owner.store(0, std::memory_order_release);
    }
}

// Would waiting for `request` close a circle of POSIX waits? Breadth-first from
// the owners in our way, along "waits for".
bool closes_cycle(Thread &thread, const Request &request) {
    Segment &segment = *thread.pool->segment;
    AdvisoryLock *table = segment.advisory_locks();
    uint32_t used = entry_count(segment);
    uint64_t owners[max_cycle_owners];
    unsigned count = 0;
    auto reach = [&](const Request &wait) {
        for (uint32_t i = 0; i < used; i++) {
            if (!conflicts(wait, table[i]))
                continue;
            uint64_t owner = table[i].owner.load();
            if (owner == request.owner)
                return true;
            if (family_of(owner) == LockFamily::posix && count < max_cycle_owners &&
                std::find(owners, owners + count, owner) == owners + count)
                owners[count++] = owner;
        }
        return false;
    };
    reach(request); // never meets ourselves: own locks do not conflict
    for (unsigned next = 0; next < count; next++)
        for (uint32_t i = 0; i < used; i++) {
            AdvisoryLock &entry = table[i];
            if (entry.owner.load() != owners[next] || !is_waiting(entry) || !waits_really(segment, entry))
                continue;
            if (reach({owners[next], entry.inode.load(), type_of(entry), range_of(entry)}))
                return true;
        }
    return false;
}

// Replaces whatever the owner has in the range by the request. Table locked, no conflict.
//
//   had:   [====R====]   [==R==]        asked: W over the middle
//   then:  [==R=][WWWWWWWWWW][R]
base::Status replace_ranges(Thread &thread, const Request &request, uint32_t pid) {
    Segment &segment = *thread.pool->segment;
    AdvisoryLock *table = segment.advisory_locks();
    uint32_t used = entry_count(segment);
    LockRange merged = request.range, left{0, -1}, right{0, -1};
    uint32_t left_kind = 0, right_kind = 0;
    auto is_own = [&](const AdvisoryLock &entry) {
        return entry.owner.load() == request.owner && entry.inode.load() == request.inode && !is_waiting(entry);
    };
    auto touches = [&](const LockRange &range) { // overlaps or stands right beside; no overflow at the ends
        bool before = range.last_byte != INT64_MAX && range.last_byte + 1 < request.range.first_byte;
        bool behind = request.range.last_byte != INT64_MAX && request.range.last_byte + 1 < range.first_byte;
        return !before && !behind;
    };
    for (uint32_t i = 0; i < used; i++) {
        if (!is_own(table[i]))
            continue;
        LockRange range = range_of(table[i]);
        if (type_of(table[i]) == request.type) {
            if (touches(range))
                merged = {std::min(merged.first_byte, range.first_byte), std::max(merged.last_byte, range.last_byte)};
        } else if (overlap(range, request.range)) {
            if (range.first_byte < request.range.first_byte) {
                left = {range.first_byte, request.range.first_byte - 1};
                left_kind = table[i].kind.load();
            }
            if (range.last_byte > request.range.last_byte) {
                right = {request.range.last_byte + 1, range.last_byte};
                right_kind = table[i].kind.load();
            }
        }
    }

    bool has_left = left.first_byte <= left.last_byte, has_right = right.first_byte <= right.last_byte;
    unsigned wanted = (request.type != F_UNLCK) + has_left + has_right, next = 0;
    uint32_t fresh[3];
    if (!find_free(segment, table, wanted, fresh))
        return base::error(ENOLCK);
    if (has_left)
        publish(segment, fresh[next++], request, left, left_kind, pid);
    if (has_right)
        publish(segment, fresh[next++], request, right, right_kind, pid);
    if (request.type != F_UNLCK)
        publish(segment, fresh[next++], request, merged, static_cast<uint32_t>(request.type), pid);

    bool released = false;
    for (uint32_t i = 0; i < used; i++) {
        if (!is_own(table[i]) || std::find(fresh, fresh + wanted, i) != fresh + wanted)
            continue;
        bool same = type_of(table[i]) == request.type;
        if (same ? touches(range_of(table[i])) : overlap(range_of(table[i]), request.range)) {
            released |= !same;
            table[i].owner.store(0, std::memory_order_release);
        }
    }
    if (released)
        wake_waiters(segment);
    return {};
}

// Takes away all entries for which `gone` says so. The look without the lock keeps close(2) cheap.
template <typename Gone> void drop(Thread &thread, Gone gone) {
    Segment &segment = *thread.pool->segment;
    AdvisoryLock *table = segment.advisory_locks();
    auto any = [&] {
        for (uint32_t i = 0; i < entry_count(segment); i++)
            if (gone(table[i]))
                return true;
        return false;
    };
    if (!any())
        return;
    const RobustGuard lock(thread, thread.pool->segment->advisory_lock);
    for (uint32_t i = 0; i < entry_count(segment); i++)
        if (gone(table[i]))
            table[i].owner.store(0, std::memory_order_release);
    wake_waiters(segment);
}

// flock(2): to convert a lock is to remove it and then to ask anew; it is lost when that fails, and two
// that convert shared locks do not wait for each other. Table locked.
void give_up_held(Thread &thread, const Request &request) {
    Segment &segment = *thread.pool->segment;
    bool removed = false;
    for (uint32_t i = 0; i < entry_count(segment); i++) {
        AdvisoryLock &entry = segment.advisory_locks()[i];
        if (entry.owner.load() != request.owner || entry.inode.load() != request.inode || is_waiting(entry))
            continue;
        entry.owner.store(0, std::memory_order_release);
        removed = true;
    }
    if (removed)
        wake_waiters(segment);
}

} // namespace

base::Status advisory_lock_set(Thread &thread, InodeNumber inode, const LockOwner &owner, short type, LockRange range,
                               bool wait, bool (*interrupted)()) {
    if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK)
        return base::error(EINVAL);
    Segment &segment = *thread.pool->segment;
    Request request{owner_word(thread, owner), inode, type, range};
    uint32_t wait_entry = max_advisory_locks; // none
    for (;;) {
        uint32_t generation;
        {
            const RobustGuard lock(thread, thread.pool->segment->advisory_lock);
            if (wait_entry != max_advisory_locks) { // ours, made on an earlier round
                end_wait(segment, segment.advisory_locks()[wait_entry], request, thread.slot);
                wait_entry = max_advisory_locks;
            }
            if (type == F_UNLCK || !find_conflict(thread, request))
                return replace_ranges(thread, request, owner.pid);
            if (owner.family == LockFamily::flock)
                give_up_held(thread, request);
            if (!wait)
                return base::error(EAGAIN);
            if (owner.family == LockFamily::posix && closes_cycle(thread, request))
                return base::error(EDEADLK);
            if (interrupted && interrupted())
                return base::error(EINTR);
            forget_killed_waits(segment, thread.slot);
            if (!find_free(segment, segment.advisory_locks(), 1, &wait_entry))
                return base::error(ENOLCK);
            publish(segment, wait_entry, request, range, static_cast<uint32_t>(type) | waiting_bit, thread.slot);
            generation = segment.advisory_generation.load();
        }
        // In slices: a holder that is killed wakes nobody.
        struct timespec slice = {0, wait_slice_ns};
        base::raw_syscall(SYS_futex, base::as_long(&segment.advisory_generation), FUTEX_WAIT, generation,
                          base::as_long(&slice));
    }
}

base::Status advisory_lock_get(Thread &thread, InodeNumber inode, const LockOwner &owner, struct flock *lock,
                               LockRange range) {
    Request request{owner_word(thread, owner), inode, lock->l_type, range};
    const RobustGuard table(thread, thread.pool->segment->advisory_lock);
    const AdvisoryLock *found = find_conflict(thread, request);
    if (!found) {
        lock->l_type = F_UNLCK; // and nothing else changes, as fcntl(2) says
        return {};
    }
    LockRange taken = range_of(*found);
    lock->l_type = type_of(*found);
    lock->l_whence = SEEK_SET;
    lock->l_start = taken.first_byte;
    lock->l_len = taken.last_byte == INT64_MAX ? 0 : taken.last_byte - taken.first_byte + 1;
    bool is_posix = family_of(found->owner.load()) == LockFamily::posix;
    lock->l_pid = is_posix ? static_cast<pid_t>(found->pid.load()) : -1;
    return {};
}

bool advisory_lock_next(Thread &thread, InodeNumber inode, OpenFileId id, HeldLock *lock) {
    constexpr int ranks[] = {1, 2, 0}; // of LockFamily's
    const auto place_of = [&](LockFamily family, const LockRange &range) {
        return std::pair(ranks[static_cast<unsigned>(family)], range.first_byte);
    };
    const auto last = place_of(lock->family, lock->range);
    const uint64_t own = own_incarnation(thread);
    const RobustGuard table(thread, thread.pool->segment->advisory_lock);
    const AdvisoryLock *next = nullptr;
    std::pair<int, int64_t> nearest;
    for (uint32_t i = 0; i < entry_count(*thread.pool->segment); i++) {
        const AdvisoryLock &entry = thread.pool->segment->advisory_locks()[i];
        const uint64_t owner = entry.owner.load();
        if (owner == 0 || entry.inode.load() != inode || is_waiting(entry) ||
            (family_of(owner) == LockFamily::posix ? owner != own : (owner & owner_id_mask) != id))
            continue;
        const auto place = place_of(family_of(owner), range_of(entry));
        if (place > last && (next == nullptr || place < nearest)) {
            next = &entry;
            nearest = place;
        }
    }
    if (next != nullptr)
        *lock = {family_of(next->owner.load()), type_of(*next), range_of(*next), next->pid.load()};
    return next != nullptr;
}

size_t advisory_lock_posix_files(Thread &thread, std::span<InodeNumber> inodes) {
    const uint64_t own = own_incarnation(thread);
    size_t count = 0;
    const RobustGuard table(thread, thread.pool->segment->advisory_lock);
    for (uint32_t i = 0; i < entry_count(*thread.pool->segment) && count < inodes.size(); i++) {
        const AdvisoryLock &entry = thread.pool->segment->advisory_locks()[i];
        if (entry.owner.load() != own || is_waiting(entry))
            continue;
        const auto told = inodes.first(count);
        if (std::find(told.begin(), told.end(), entry.inode.load()) == told.end())
            inodes[count++] = entry.inode.load();
    }
    return count;
}

void advisory_lock_drop_posix(Thread &thread, InodeNumber inode) {
    uint64_t owner = own_incarnation(thread);
    drop(thread, [=](const AdvisoryLock &entry) {
        // A wait of another thread of ours goes on: it is not a lock yet.
        return entry.owner.load() == owner && entry.inode.load() == inode && !is_waiting(entry);
    });
}

void advisory_lock_drop_description(Thread &thread, OpenFileId id) {
    drop(thread, [=](const AdvisoryLock &entry) {
        uint64_t owner = entry.owner.load();
        return owner != 0 && family_of(owner) != LockFamily::posix && (owner & owner_id_mask) == id;
    });
}

void advisory_lock_drop_process(Thread &thread, uint64_t incarnation) {
    drop(thread, [=](const AdvisoryLock &entry) { return entry.owner.load() == incarnation; });
}

} // namespace pmemfile
