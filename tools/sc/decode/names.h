// names: the kernel's constants by name, per kind of argument.
#pragma once

#include "intercept/calls/call_description.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sc {

struct Name {
    uint64_t value;
    std::string_view text;
};

// How the names of a kind are put together.
enum class NameStyle : uint8_t {
    one,   // exactly one value
    flags, // any bits joined with '|'
};

struct NameTable {
    NameStyle style = NameStyle::one;
    std::span<const Name> names;
    std::string_view unknown; // "MAP_???": said in a comment behind a number nobody knows
};

// Empty names: the kind has none.
NameTable names_of(intercept::ArgumentKind kind);

// "O_RDONLY|O_CLOEXEC", "0x40 /* MAP_??? */", "0".
void append_names(std::string &to, const NameTable &table, uint64_t value);
// The same for a list that no argument kind has.
void append_flags(std::string &to, std::span<const Name> names, uint64_t value, std::string_view unknown);

// "EIO" or "" ; "Input/output error" is strerror's.
std::string_view errno_name(int number);
// "SIGTERM"; "SIGRT_3" for real-time signals; "" if there is none.
std::string signal_name(int number);
// The other way round, for rules and filters; 0: no such name.
int errno_number(std::string_view name);
int signal_number(std::string_view name);

// Lists that structures use.
std::span<const Name> poll_event_names();
std::span<const Name> epoll_event_names();
std::span<const Name> signal_action_flag_names();
std::span<const Name> file_type_names();
std::span<const Name> resolve_flag_names();
std::span<const Name> lock_type_names();
std::span<const Name> signal_code_names();
std::span<const Name> child_code_names();
std::span<const Name> filesystem_names();
std::span<const Name> socket_option_names(uint64_t level);

} // namespace sc
