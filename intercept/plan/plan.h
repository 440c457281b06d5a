// plan: what is to be done with each site of one object.
//
// Position independent and without pointers, so that it can be kept in a file.
#pragma once

#include "base/page_array.h"
#include "intercept/include/pmemfile-intercept.h"
#include "intercept/plan/site_reason.h"

#include <cstdint>

namespace intercept {

constexpr unsigned window_bytes_max = 40;
constexpr unsigned window_instructions_max = 12;

// How an instruction of the window gets its new place.
enum class Move : uint8_t {
    copy = 0,         // position independent
    rip_relative = 1, // a 32-bit displacement at `field` that is to be adjusted
    jump = 2,         // jmp rel8/rel32
    branch = 3,       // jcc rel8/rel32; `field` = condition code 0..15
    system_call = 4,  // the site itself
};

struct MovedInstruction {
    uint8_t offset_bytes; // from the start of the window
    uint8_t length_bytes;
    Move move;
    uint8_t field;
};

// One place with the bytes of a system call instruction.
struct SitePlan {
    uint64_t site_offset;      // of the instruction, from the object's load address
    uint8_t state;             // enum intercept_site_state; BEFORE or OVER: patch
    uint8_t flags;             // SITE_VECTOR_DEAD | SITE_FLAGS_DEAD
    uint8_t site_in_window;    // its offset from the start of the window
    uint8_t window_bytes;      // BEFORE: up to the site; OVER: all of it
    int32_t number;            // call number if the window fixes it, else -1
    uint8_t instruction_count; // of the window (BEFORE: without the syscall)
    SiteReason reason;         // why it is left alone
    uint8_t padding[6];
    MovedInstruction instructions[window_instructions_max];
    uint8_t bytes[window_bytes_max]; // what the window and the site held
};
static_assert(sizeof(SitePlan) == 112);

// Bytes of `bytes` that are valid: the window, and the site behind it.
inline size_t known_bytes(const SitePlan &site, size_t system_call_bytes) {
    const size_t with_site = site.site_in_window + system_call_bytes;
    return site.window_bytes > with_site ? site.window_bytes : with_site;
}

using Plan = base::PageArray<SitePlan>;

} // namespace intercept
