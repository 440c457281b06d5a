// call_description: what one call of calls.def is, as data.
//
//   "fd fd, out_bytes buf, size count"  ─► kinds[] and names, at compile time
//
// A kind that argument_kinds.def does not have does not compile.
#pragma once

#include "intercept/calls/call_number.h"

#include <string_view>

namespace intercept {

enum class ArgumentKind : uint8_t {
#define KIND(name, copy, size) name##_,
#include "intercept/calls/argument_kinds.def"
#undef KIND
};

// What has to be copied to show an argument; see argument_kinds.def.
enum class ArgumentCopy : uint8_t {
    none,
    path,
    text,
    in_bytes,
    out_bytes,
    in_fixed,
    out_fixed,
    in_counted,
    out_counted,
    in_listed,
    in_set,
    in_vector,
    out_vector,
    in_message,
    out_message,
    in_address,
    out_address,
    out_option,
    strings,
    entries,
};

struct KindDescription {
    std::string_view name;
    ArgumentCopy copy;
    uint16_t size_bytes;
};

constexpr KindDescription kind_descriptions[] = {
#define KIND(name, copy, size) {#name, ArgumentCopy::copy, size},
#include "intercept/calls/argument_kinds.def"
#undef KIND
};

constexpr const KindDescription &describe(ArgumentKind kind) {
    return kind_descriptions[static_cast<unsigned>(kind)];
}

// Bits of CallDescription::classes.
enum CallClass : uint16_t {
    class_file = 1 << 0,
    class_descriptor = 1 << 1,
    class_process = 1 << 2,
    class_network = 1 << 3,
    class_memory = 1 << 4,
    class_signal = 1 << 5,
    class_ipc = 1 << 6,
    class_credentials = 1 << 7,
    class_clock = 1 << 8,
};

struct CallDescription {
    int16_t number;
    uint16_t classes;
    uint8_t argument_count;
    ArgumentKind kinds[6];
    std::string_view name;
    std::string_view argument_names[6];
};

constexpr ArgumentKind kind_named(std::string_view name) {
    for (unsigned i = 0; i < sizeof(kind_descriptions) / sizeof(kind_descriptions[0]); i++)
        if (kind_descriptions[i].name == name)
            return static_cast<ArgumentKind>(i);
    __builtin_unreachable(); // not a constant expression: a kind that is not there
}

constexpr uint16_t class_of_letter(char letter) {
    constexpr std::string_view letters = "fdpnmsict";
    return static_cast<uint16_t>(1u << letters.find(letter));
}

constexpr CallDescription make_description(int16_t number, std::string_view name, std::string_view classes,
                                           std::string_view arguments) {
    CallDescription call{number, 0, 0, {}, name, {}};
    for (char letter : classes)
        call.classes |= class_of_letter(letter);
    while (!arguments.empty()) {
        std::string_view one = arguments.substr(0, arguments.find(", "));
        arguments.remove_prefix(one.size() == arguments.size() ? one.size() : one.size() + 2);
        size_t space = one.find(' ');
        ArgumentKind kind = kind_named(one.substr(0, space));
        if (kind == ArgumentKind::path_)
            call.classes |= class_file;
        if (kind == ArgumentKind::fd_ || kind == ArgumentKind::dirfd_)
            call.classes |= class_descriptor;
        call.kinds[call.argument_count] = kind;
        call.argument_names[call.argument_count++] = one.substr(space + 1);
    }
    return call;
}

// In the order of the numbers. Any thread.
extern const CallDescription call_descriptions[call_count];
// Null for a number that Linux has not assigned. Any thread.
const CallDescription *call_description(long number);
// By name; null if there is none. Any thread.
const CallDescription *call_description(std::string_view name);

} // namespace intercept
