#include "tools/sc/decode/argument_text.h"

#include "tools/sc/decode/command_argument.h"
#include "tools/sc/decode/names.h"
#include "tools/sc/decode/struct_text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

namespace sc {

using intercept::ArgumentCopy;
using intercept::ArgumentKind;
using intercept::CallDescription;

namespace {

template <typename... Args> void append(std::string &to, fmt::format_string<Args...> format, Args &&...args) {
    fmt::format_to(std::back_inserter(to), format, std::forward<Args>(args)...);
}

bool creates(const Event &event, const CallDescription &call, unsigned mode_index) {
    const auto flags = static_cast<uint64_t>(event.args[mode_index - 1]);
    return call.number == intercept::call_mq_open ? (flags & O_CREAT) != 0
                                                  : (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

void append_vector(std::string &to, const Event &event, unsigned argument, unsigned first) {
    const auto vector = event.part(argument, first);
    if (!vector) {
        append_pointer(to, static_cast<uint64_t>(event.args[argument]));
        return;
    }
    to += '[';
    for (size_t k = 0; k * 16 + 16 <= vector->bytes.size(); k++) {
        to += k == 0 ? "{iov_base=" : ", {iov_base=";
        if (auto bytes = event.part(argument, first + 1 + static_cast<unsigned>(k)))
            append_quoted(to, bytes->bytes, bytes->is_cut != 0);
        else
            append_pointer(to, *vector->as<uint64_t>(k * 16));
        append(to, ", iov_len={}}}", *vector->as<uint64_t>(k * 16 + 8));
    }
    to += vector->is_cut != 0 ? ", ...]" : "]";
}

void append_message(const Argument &argument) {
    const auto header = argument.event.part(argument.index, 0);
    if (!header || header->bytes.size() < sizeof(msghdr)) {
        append_pointer(argument.to, argument.value());
        return;
    }
    const auto message = *header->as<msghdr>();
    argument.to += "{msg_name=";
    if (auto name = argument.event.part(argument.index, 1))
        append_socket_address(argument.to, name->bytes);
    else
        append_pointer(argument.to, reinterpret_cast<uint64_t>(message.msg_name));
    append(argument.to, ", msg_namelen={}, msg_iov=", message.msg_namelen);
    append_vector(argument.to, argument.event, argument.index, 2);
    append(argument.to, ", msg_iovlen={}, msg_controllen={}, msg_flags=", message.msg_iovlen, message.msg_controllen);
    append_names(argument.to, names_of(ArgumentKind::message_flags_), static_cast<uint32_t>(message.msg_flags));
    argument.to += '}';
}

void append_arguments(const Argument &argument) {
    if (argument.value() == 0) {
        argument.to += "NULL";
        return;
    }
    if (!argument.event.part(argument.index, 0)) {
        // Either argv is empty, or this is not the record from before the call.
        append_pointer(argument.to, argument.value());
        return;
    }
    argument.to += '[';
    for (unsigned k = 0;; k++) {
        const auto word = argument.event.part(argument.index, k);
        if (!word)
            break;
        argument.to += k == 0 ? "" : ", ";
        if (word->bytes.empty() && word->is_cut != 0)
            argument.to += "...";
        else
            append_quoted(argument.to, word->bytes, word->is_cut != 0);
    }
    argument.to += ']';
}

void append_socket_type(const Argument &argument) {
    const auto type = static_cast<uint32_t>(argument.value());
    append_names(argument.to, names_of(ArgumentKind::socket_type_), type & 0xf);
    if ((type & ~0xfu) != 0) {
        argument.to += '|';
        append_names(argument.to, names_of(ArgumentKind::socket_flags_), type & ~0xfu);
    }
}

bool append_special(const Argument &argument) {
    std::string &to = argument.to;
    switch (argument.kind()) {
    case ArgumentKind::open_flags_:
        append_flags_of_open(argument);
        return true;
    case ArgumentKind::message_in_:
    case ArgumentKind::message_out_:
        append_message(argument);
        return true;
    case ArgumentKind::in_vector_:
    case ArgumentKind::out_vector_:
        append_vector(to, argument.event, argument.index, 0);
        return true;
    case ArgumentKind::arguments_:
        append_arguments(argument);
        return true;
    case ArgumentKind::environment_:
        append_pointer(to, argument.value());
        if (auto count = argument.event.part(argument.index, part_number))
            append(to, " /* {} var{} */", count->is_cut, count->is_cut == 1 ? "" : "s");
        return true;
    case ArgumentKind::dirents32_:
    case ArgumentKind::dirents64_:
        append_pointer(to, argument.value());
        if (auto count = argument.event.part(argument.index, part_number))
            append(to, " /* {} entr{} */", count->is_cut, count->is_cut == 1 ? "y" : "ies");
        return true;
    case ArgumentKind::futex_operation_:
        append_futex_operation(argument);
        return true;
    case ArgumentKind::futex_timeout_:
        append_futex_timeout(argument);
        return true;
    case ArgumentKind::ioctl_argument_:
        append_ioctl_argument(argument);
        return true;
    case ArgumentKind::socket_type_:
        append_socket_type(argument);
        return true;
    case ArgumentKind::socket_protocol_:
        if (argument.event.args[0] == AF_INET || argument.event.args[0] == AF_INET6)
            append_names(to, names_of(ArgumentKind::socket_protocol_), static_cast<uint32_t>(argument.value()));
        else
            append(to, "{}", argument.number());
        return true;
    case ArgumentKind::socket_option_:
        append_names(to, {NameStyle::one, socket_option_names(static_cast<uint64_t>(argument.event.args[1])), "SO_???"},
                     argument.value());
        return true;
    case ArgumentKind::option_in_:
    case ArgumentKind::option_out_:
        if (auto part = argument.event.part(argument.index); part && part->bytes.size() == 4)
            append(to, "[{}]", *part->as<int>());
        else if (part)
            append_quoted(to, part->bytes, part->is_cut != 0);
        else
            append_pointer(to, argument.value());
        return true;
    case ArgumentKind::prctl_argument_:
        if (auto part = argument.event.part(argument.index))
            append_quoted(to, part->bytes, false);
        else
            append(to, "{:#x}", argument.value());
        return true;
    case ArgumentKind::wait_status_:
        if (argument.event.result <= 0) // nobody was there: nothing was written
            append_pointer(to, argument.value());
        return argument.event.result <= 0;
    case ArgumentKind::timespec_rest_:
        if (auto part = argument.event.part(argument.index); part && part->bytes.size() >= 16)
            append_structure(to, ArgumentKind::timespec_in_, *part);
        else
            append_pointer(to, argument.value());
        return true;
    default:
        return false;
    }
}

void append_bytes(const Argument &argument) {
    const auto part = argument.event.part(argument.index);
    if (!part) {
        append_pointer(argument.to, argument.value());
        return;
    }
    switch (argument.kind()) {
    case ArgumentKind::sockaddr_in_:
    case ArgumentKind::sockaddr_out_:
        append_socket_address(argument.to, part->bytes);
        break;
    case ArgumentKind::out_string_:
        append_quoted(argument.to, part->bytes.substr(0, part->bytes.find('\0')), part->is_cut != 0);
        break;
    default:
        append_quoted(argument.to, part->bytes, part->is_cut != 0, argument.call.number == intercept::call_getrandom);
    }
}

void append_hex(std::string &to, uint64_t value) {
    if (value == 0)
        to += '0';
    else
        append(to, "{:#x}", value);
}

void append_scalar(const Argument &argument) {
    std::string &to = argument.to;
    switch (argument.kind()) {
    case ArgumentKind::int_:
    case ArgumentKind::fd_:
        append(to, "{}", argument.number());
        break;
    case ArgumentKind::uint_:
    case ArgumentKind::ufd_:
        append(to, "{}", static_cast<uint32_t>(argument.value()));
        break;
    case ArgumentKind::id_:
        if (argument.number() == -1)
            to += "-1";
        else
            append(to, "{}", static_cast<uint32_t>(argument.value()));
        break;
    case ArgumentKind::long_:
    case ArgumentKind::offset_:
        append(to, "{}", argument.event.args[argument.index]);
        break;
    case ArgumentKind::ulong_:
    case ArgumentKind::size_:
        append(to, "{}", argument.value());
        break;
    case ArgumentKind::hex_:
    case ArgumentKind::key_:
        append_hex(to, argument.value());
        break;
    case ArgumentKind::hex32_:
        append(to, "{:#x}", static_cast<uint32_t>(argument.value()));
        break;
    case ArgumentKind::page_offset_:
        append_hex(to, argument.value());
        break;
    case ArgumentKind::dirfd_:
        if (argument.number() == AT_FDCWD)
            to += "AT_FDCWD";
        else
            append(to, "{}", argument.number());
        break;
    case ArgumentKind::mode_:
    case ArgumentKind::create_mode_:
        append_octal(to, argument.value() & 0xffff);
        break;
    case ArgumentKind::file_mode_:
        append_mode(to, static_cast<uint32_t>(argument.value()));
        break;
    case ArgumentKind::device_:
        append(to, "makedev({:#x}, {:#x})", major(argument.value()), minor(argument.value()));
        break;
    case ArgumentKind::signal_:
        if (std::string name = signal_name(argument.number()); !name.empty())
            to += name;
        else
            append(to, "{}", argument.number());
        break;
    default:
        append_pointer(to, argument.value());
    }
}

// Forms of a call that leave arguments out.
bool is_left_out(const Argument &argument) {
    switch (argument.kind()) {
    case ArgumentKind::hidden_:
        return true;
    case ArgumentKind::create_mode_:
        return !creates(argument.event, argument.call, argument.index);
    case ArgumentKind::mremap_target_:
        return (argument.event.args[3] & MREMAP_FIXED) == 0;
    default:
        break;
    }
    if (argument.call.number == intercept::call_futex)
        return (futex_arguments(static_cast<int>(argument.event.args[1])) >> argument.index & 1) == 0;
    if (argument.call.number == intercept::call_prctl && argument.index > 1)
        return argument.event.args[0] == PR_SET_NAME || argument.event.args[0] == PR_GET_NAME;
    return false;
}

} // namespace

bool append_argument(std::string &to, const CallDescription &call, const Event &event, unsigned i) {
    const Argument argument{to, call, event, i};
    if (is_left_out(argument))
        return false;
    const ArgumentKind kind = argument.kind();
    if (kind == ArgumentKind::fcntl_argument_)
        return append_fcntl_argument(argument);
    if (append_special(argument))
        return true;
    if (const NameTable table = names_of(kind); !table.names.empty()) {
        // Registers are wider than the kernel's ints.
        const bool is_wide = kind == ArgumentKind::clone_flags_;
        append_names(to, table, is_wide ? argument.value() : static_cast<uint32_t>(argument.value()));
        return true;
    }
    switch (intercept::describe(kind).copy) {
    case ArgumentCopy::path:
    case ArgumentCopy::text:
    case ArgumentCopy::in_bytes:
    case ArgumentCopy::out_bytes:
    case ArgumentCopy::in_address:
    case ArgumentCopy::out_address:
        append_bytes(argument);
        break;
    case ArgumentCopy::none:
        append_scalar(argument);
        break;
    default:
        if (const auto part = event.part(i); !part)
            append_pointer(to, argument.value());
        else if (!append_structure(to, kind, *part))
            to += "[]";
    }
    return true;
}

} // namespace sc
