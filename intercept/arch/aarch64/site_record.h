// site_record: what the entry knows of a site. Lies behind the site's stub, in
// memory that is read and executed but never written once patching is done.
#pragma once

#include "intercept/arch/aarch64/frame.h"
#include "intercept/include/pmemfile-intercept.h"

#include <cstddef>
#include <cstdint>

namespace intercept::aarch64 {

// The kernel leaves all registers but x0 as they are, so that x8 still tells which one it
// was. One place in the stub serves both.
constexpr unsigned process_kind_count = 2;
constexpr long process_kind_numbers[process_kind_count] = {220, 435}; // clone clone3
constexpr unsigned instruction_before_bytes = 4;

struct SiteRecord {
    uint64_t return_address; // behind the svc
    uint64_t entry;          // intercept_entry
    uint64_t post_entry;     // intercept_process_post_entry
    uint64_t pass;           // in the stub: goes to the svc
    uint64_t answered;       // in the stub: goes behind it
    uint64_t process;        // in the stub: executes it there, then the post entry
    uint64_t flags;          // SITE_VECTOR_DEAD
};

inline uint64_t site_address(const SiteRecord &record) {
    return record.return_address - instruction_before_bytes;
}

// Where the stub executes a call of that kind; 0: nowhere.
inline uint64_t process_target(const SiteRecord &record, unsigned) {
    return record.process;
}

static_assert(offsetof(SiteRecord, return_address) == RECORD_ADDRESS);
static_assert(offsetof(SiteRecord, entry) == RECORD_ENTRY);
static_assert(offsetof(SiteRecord, post_entry) == RECORD_POST_ENTRY);
static_assert(offsetof(SiteRecord, pass) == RECORD_PASS);
static_assert(offsetof(SiteRecord, answered) == RECORD_ANSWERED);
static_assert(offsetof(SiteRecord, process) == RECORD_PROCESS);
static_assert(offsetof(SiteRecord, flags) == RECORD_FLAGS);

} // namespace intercept::aarch64
