// site_record: what the entry knows of a site. Lies behind the site's stub, in
// memory that is read and executed but never written once patching is done.
#pragma once

#include "intercept/arch/x86_64/frame.h"
#include "intercept/include/pmemfile-intercept.h"

#include <cstddef>
#include <cstdint>

namespace intercept {

// fork, vfork, clone and clone3 are executed at an address of their own in the
// stub: the return address then tells the number, when nothing else is left.
constexpr unsigned process_kind_count = 4;
constexpr long process_kind_numbers[process_kind_count] = {56, 57, 58, 435}; // clone fork vfork clone3

struct SiteRecord {
    uint64_t return_address; // behind the syscall instruction, what rcx shows
    uint64_t flags;          // SITE_..., RECORD_IS_SHORT, RECORD_SERVED
    uint64_t entry;          // intercept_entry or another
    uint64_t post_entry;     // intercept_process_post_entry; see RECORD_IS_SHORT
    uint64_t kind_target[process_kind_count];
};
constexpr size_t short_record_bytes = offsetof(SiteRecord, kind_target);

inline uint64_t site_address(const SiteRecord &record) {
    constexpr unsigned system_call_bytes = 2;
    return record.return_address - system_call_bytes;
}

// Where the stub executes a call of that kind; 0: a site whose number is known at
// planning time has no such code.
inline uint64_t process_target(const SiteRecord &record, unsigned kind) {
    return (record.flags & RECORD_IS_SHORT) != 0 ? 0 : record.kind_target[kind];
}

static_assert(offsetof(SiteRecord, return_address) == RECORD_ADDRESS);
static_assert(offsetof(SiteRecord, entry) == RECORD_ENTRY);
static_assert(offsetof(SiteRecord, post_entry) == RECORD_POST_ENTRY);
static_assert(offsetof(SiteRecord, kind_target) == RECORD_KIND_TARGET);
static_assert(offsetof(SiteRecord, flags) == RECORD_FLAGS);

} // namespace intercept
