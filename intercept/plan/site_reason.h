// site_reason: why a site is not patched.
#pragma once

#include <cstdint>

namespace intercept {

enum class SiteReason : uint8_t {
    none,
    no_function,
    not_decoded,
    no_boundary,
    not_straight,
    out_of_step,
    unknown_jumps,
    entered,
    no_room,
    not_movable,
    signal_return,
    no_memory_near,
    not_writable,
    other_threads,
    changed,
};

constexpr const char *reason_text(SiteReason reason) {
    switch (reason) {
    case SiteReason::none:
        return "";
    case SiteReason::no_function:
        return "no function is described at this place";
    case SiteReason::not_decoded:
        return "the function around it does not decode to its end";
    case SiteReason::no_boundary:
        return "no instruction of its function starts here";
    case SiteReason::not_straight:
        return "control does not come straight from the described part of its function";
    case SiteReason::out_of_step:
        return "something leads to the middle of an instruction beside it";
    case SiteReason::unknown_jumps:
        return "its function has indirect jumps with unknown targets";
    case SiteReason::entered:
        return "something leads into the window";
    case SiteReason::no_room:
        return "no instructions around it have room for a jump";
    case SiteReason::not_movable:
        return "an instruction of the window can not be moved";
    case SiteReason::signal_return:
        return "the kernel and unwinders know the bytes of the signal trampoline";
    case SiteReason::no_memory_near:
        return "no memory for a stub within reach of a jump";
    case SiteReason::not_writable:
        return "the text can not be made writable";
    case SiteReason::other_threads:
        return "other threads run, and it takes more than one store over one instruction";
    case SiteReason::changed:
        return "a debugger holds the process, and this is not what the file holds";
    }
    return "";
}

} // namespace intercept
