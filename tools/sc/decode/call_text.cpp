#include "tools/sc/decode/call_text.h"

#include "tools/sc/decode/argument_text.h"
#include "tools/sc/decode/names.h"
#include "tools/sc/decode/struct_text.h"

#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <poll.h>

namespace sc {

using intercept::ArgumentKind;
using intercept::call_description;
using intercept::CallDescription;

namespace {

template <typename... Args> void append(std::string &to, fmt::format_string<Args...> format, Args &&...args) {
    fmt::format_to(std::back_inserter(to), format, std::forward<Args>(args)...);
}

// clone shows its arguments by name, and only those that its flags make it read.
void append_clone(std::string &to, const Event &event) {
    const auto flags = static_cast<uint64_t>(event.args[0]);
    to += "child_stack=";
    append_pointer(to, static_cast<uint64_t>(event.args[1]));
    to += ", flags=";
    if ((flags & ~uint64_t{0xff}) != 0 || (flags & 0xff) == 0)
        append_names(to, names_of(ArgumentKind::clone_flags_), flags & ~uint64_t{0xff});
    if ((flags & 0xff) != 0)
        append(to, "{}{}", (flags & ~uint64_t{0xff}) != 0 ? "|" : "", signal_name(static_cast<int>(flags & 0xff)));
    if ((flags & 0x00101000) != 0) // CLONE_PARENT_SETTID, CLONE_PIDFD
        append(to, ", parent_tid={:#x}", static_cast<uint64_t>(event.args[2]));
    if ((flags & 0x00080000) != 0) // CLONE_SETTLS
        append(to, ", tls={:#x}", static_cast<uint64_t>(event.args[4]));
    if ((flags & 0x01200000) != 0) { // CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID
        to += ", child_tidptr=";
        append_pointer(to, static_cast<uint64_t>(event.args[3]));
    }
}

// What is behind the result in brackets.
void append_remark(std::string &to, const Event &event) {
    switch (event.number) {
    case intercept::call_poll:
    case intercept::call_ppoll:
        if (event.result == 0) {
            to += " (Timeout)";
        } else if (const auto part = event.part(0)) {
            to += " ([";
            const char *separator = "";
            for (size_t at = 0; at + 8 <= part->bytes.size(); at += 8)
                if (const auto happened = *part->as<uint16_t>(at + 6); happened != 0) {
                    append(to, "{}{{fd={}, revents=", separator, *part->as<int>(at));
                    append_flags(to, poll_event_names(), happened, "POLL???");
                    to += '}';
                    separator = ", ";
                }
            to += "])";
        }
        break;
    case intercept::call_select:
    case intercept::call_pselect6:
        if (event.result == 0)
            to += " (Timeout)";
        break;
    case intercept::call_fcntl:
        if (event.args[1] == F_GETFL) {
            to += " (flags ";
            const auto flags = static_cast<uint64_t>(event.result);
            if ((flags & O_ACCMODE) == O_RDONLY)
                to += flags == 0 ? "O_RDONLY" : "O_RDONLY|";
            if (flags != 0)
                append_names(to, names_of(ArgumentKind::open_flags_), flags);
            to += ')';
        } else if (event.args[1] == F_GETFD && event.result == FD_CLOEXEC) {
            to += " (flags FD_CLOEXEC)";
        }
        break;
    default:
        break;
    }
}

bool returns_address(int number) {
    return number == intercept::call_mmap || number == intercept::call_brk || number == intercept::call_mremap ||
           number == intercept::call_shmat;
}

// The flags' word is shown as it is in the kernel.
bool returns_bits(const Event &event) {
    return event.number == intercept::call_fcntl &&
           (event.args[1] == F_GETFL || (event.args[1] == F_GETFD && event.result != 0));
}

} // namespace

std::string call_name(long number) {
    const CallDescription *call = call_description(number);
    return call != nullptr ? std::string(call->name) : fmt::format("syscall_{:#x}", number);
}

void append_call(std::string &to, const Event &event) {
    const CallDescription *call = call_description(event.number);
    if (call == nullptr) {
        to += call_name(event.number) + "(";
        for (unsigned i = 0; i < 6; i++)
            append(to, "{}{:#x}", i == 0 ? "" : ", ", static_cast<uint64_t>(event.args[i]));
        to += ')';
        return;
    }
    to += call->name;
    to += '(';
    if (call->number == intercept::call_clone) {
        append_clone(to, event);
    } else {
        for (unsigned i = 0; i < call->argument_count; i++) {
            const size_t before = to.size();
            if (i > 0)
                to += ", ";
            if (!append_argument(to, *call, event, i))
                to.resize(before);
        }
    }
    to += ')';
}

void append_result(std::string &to, const Event &event) {
    if (event.type == RecordType::enter) {
        to += "= ?";
    } else if (event.has_failed()) {
        const auto number = static_cast<int>(-event.result);
        const std::string_view name = errno_name(number);
        if (name.empty())
            append(to, "= {}", event.result);
        else
            append(to, "= -1 {} ({})", name, strerror(number));
    } else if (returns_address(event.number) || returns_bits(event)) {
        append(to, "= {}{:x}", event.result == 0 ? "" : "0x", static_cast<uint64_t>(event.result));
        append_remark(to, event);
    } else if (event.number == intercept::call_umask) {
        to += "= ";
        append_octal(to, static_cast<uint64_t>(event.result));
    } else {
        append(to, "= {}", event.result);
        append_remark(to, event);
    }
    if ((event.flags & record_injected) != 0)
        to += " (INJECTED)";
    else if ((event.flags & (record_delayed | record_shortened)) != 0)
        append(to, " ({})", (event.flags & record_shortened) != 0 ? "SHORTENED" : "DELAYED");
}

nlohmann::ordered_json call_as_json(const Event &event) {
    nlohmann::ordered_json object;
    object["call"] = call_name(event.number);
    object["number"] = event.number;
    nlohmann::ordered_json arguments = nlohmann::ordered_json::object();
    if (const CallDescription *call = call_description(event.number))
        for (unsigned i = 0; i < call->argument_count; i++) {
            std::string text;
            if (append_argument(text, *call, event, i))
                arguments[std::string(call->argument_names[i])] = text;
        }
    object["arguments"] = std::move(arguments);
    object["raw"] = event.args;
    if (event.type == RecordType::enter)
        object["result"] = nullptr;
    else
        object["result"] = event.has_failed() ? -1 : event.result;
    if (event.type != RecordType::enter && event.has_failed()) {
        const auto number = static_cast<int>(-event.result);
        object["error"] = errno_name(number).empty() ? fmt::format("{}", number) : std::string(errno_name(number));
    }
    if ((event.flags & record_injected) != 0)
        object["injected"] = true;
    if ((event.flags & record_delayed) != 0)
        object["delayed"] = true;
    if ((event.flags & record_shortened) != 0)
        object["shortened"] = true;
    return object;
}

} // namespace sc
