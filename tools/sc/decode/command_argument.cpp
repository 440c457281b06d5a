#include "tools/sc/decode/command_argument.h"

#include "tools/sc/decode/names.h"
#include "tools/sc/decode/struct_text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <linux/fs.h>
#include <linux/futex.h>
#include <sys/ioctl.h>

namespace sc {

using intercept::ArgumentKind;

namespace {
template <typename... Args> void append(std::string &to, fmt::format_string<Args...> format, Args &&...args) {
    fmt::format_to(std::back_inserter(to), format, std::forward<Args>(args)...);
}

} // namespace

namespace {
void append_open_flags(const Argument &argument, bool has_access_mode) {
    const auto flags = static_cast<uint32_t>(argument.value());
    const NameTable table = names_of(ArgumentKind::open_flags_);
    if (has_access_mode && (flags & O_ACCMODE) == O_RDONLY) {
        argument.to += "O_RDONLY";
        if (flags == 0)
            return;
        argument.to += '|';
    }
    append_flags(argument.to, table.names, flags, table.unknown);
}
} // namespace

// The access mode first, as it is usually written.
void append_flags_of_open(const Argument &argument) {
    const bool is_write_read = (argument.number() & O_ACCMODE) == O_ACCMODE;
    if (!is_write_read) {
        append_open_flags(argument, true);
        return;
    }
    append(argument.to, "{:#x}", argument.value());
}

void append_futex_operation(const Argument &argument) {
    static constexpr std::string_view operations[] = {
        "FUTEX_WAIT",           "FUTEX_WAKE",        "FUTEX_FD",          "FUTEX_REQUEUE",
        "FUTEX_CMP_REQUEUE",    "FUTEX_WAKE_OP",     "FUTEX_LOCK_PI",     "FUTEX_UNLOCK_PI",
        "FUTEX_TRYLOCK_PI",     "FUTEX_WAIT_BITSET", "FUTEX_WAKE_BITSET", "FUTEX_WAIT_REQUEUE_PI",
        "FUTEX_CMP_REQUEUE_PI", "FUTEX_LOCK_PI2"};
    const auto operation = static_cast<unsigned>(argument.number() & FUTEX_CMD_MASK);
    if (operation >= std::size(operations)) {
        append(argument.to, "{:#x} /* FUTEX_??? */", argument.value());
        return;
    }
    argument.to += operations[operation];
    if ((argument.number() & FUTEX_PRIVATE_FLAG) != 0)
        argument.to += "_PRIVATE";
    if ((argument.number() & FUTEX_CLOCK_REALTIME) != 0)
        argument.to += "|FUTEX_CLOCK_REALTIME";
}

// Which arguments a futex operation has, as bits of the index.
unsigned futex_arguments(int operation) {
    switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_WAKE:
        return 0b000111;
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
        return 0b000011;
    case FUTEX_WAIT:
        return 0b001111;
    case FUTEX_LOCK_PI:
        return 0b001011;
    case FUTEX_WAIT_BITSET:
        return 0b101111;
    case FUTEX_WAKE_BITSET:
        return 0b100111;
    case FUTEX_REQUEUE:
        return 0b011111;
    default:
        return 0b111111;
    }
}

void append_futex_timeout(const Argument &argument) {
    const int operation = static_cast<int>(argument.event.args[1]) & FUTEX_CMD_MASK;
    const bool is_time = operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET || operation == FUTEX_LOCK_PI ||
                         operation == FUTEX_LOCK_PI2 || operation == FUTEX_WAIT_REQUEUE_PI;
    if (!is_time) {
        append(argument.to, "{}", argument.value()); // a second count
        return;
    }
    if (auto part = argument.event.part(argument.index); part && part->bytes.size() >= 16)
        append_structure(argument.to, ArgumentKind::timespec_in_, *part);
    else
        append_pointer(argument.to, argument.value());
}

namespace {
void append_lock(const Argument &argument, const EventPart &part) {
    const auto lock = *part.as<struct flock>();
    argument.to += "{l_type=";
    append_names(argument.to, {NameStyle::one, lock_type_names(), "F_???"}, static_cast<uint16_t>(lock.l_type));
    argument.to += ", l_whence=";
    append_names(argument.to, names_of(ArgumentKind::whence_), static_cast<uint16_t>(lock.l_whence));
    append(argument.to, ", l_start={}, l_len={}", lock.l_start, lock.l_len);
    if (argument.event.args[1] == F_GETLK || argument.event.args[1] == F_OFD_GETLK)
        append(argument.to, ", l_pid={}", lock.l_pid);
    argument.to += '}';
}
} // namespace

bool append_fcntl_argument(const Argument &argument) {
    switch (static_cast<int>(argument.event.args[1])) {
    case F_GETFD:
    case F_GETFL:
    case F_GETOWN:
    case F_GETSIG:
    case F_GETLEASE:
    case F_GETPIPE_SZ:
    case F_GET_SEALS:
        return false;
    case F_SETFD:
        argument.to += argument.number() == FD_CLOEXEC ? "FD_CLOEXEC" : argument.number() == 0 ? "0" : "";
        if (argument.number() > 1 || argument.number() < 0)
            append(argument.to, "{:#x}", argument.value());
        return true;
    case F_SETFL:
        append_flags_of_open(argument);
        return true;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        if (auto part = argument.event.part(argument.index); part && part->bytes.size() >= sizeof(struct flock))
            append_lock(argument, *part);
        else
            append_pointer(argument.to, argument.value());
        return true;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_SETOWN:
    case F_SETPIPE_SZ:
        append(argument.to, "{}", argument.number());
        return true;
    default:
        append(argument.to, "{:#x}", argument.value());
        return true;
    }
}

namespace {
void append_terminal(const Argument &argument, const EventPart &part) {
    static constexpr std::pair<unsigned, std::string_view> speeds[] = {
        {015, "B9600"}, {016, "B19200"}, {017, "B38400"}, {010001, "B57600"}, {010002, "B115200"}, {0, "B0"}};
    auto word = [&](unsigned i) { return part.as<uint32_t>(i * 4).value_or(0); };
    argument.to += '{';
    bool is_known = false;
    for (auto [value, text] : speeds)
        if ((word(2) & 010017) == value) {
            argument.to += text;
            is_known = true;
        }
    if (!is_known)
        append(argument.to, "{:#x}", word(2) & 010017);
    append(argument.to, " {}opost {}isig {}icanon {}echo ...}}", (word(1) & 1) != 0 ? "" : "-",
           (word(3) & 1) != 0 ? "" : "-", (word(3) & 2) != 0 ? "" : "-", (word(3) & 8) != 0 ? "" : "-");
}
} // namespace

void append_ioctl_argument(const Argument &argument) {
    const auto part = argument.event.part(argument.index);
    if (part && part->bytes.size() >= 36) {
        append_terminal(argument, *part);
    } else if (part && part->bytes.size() == 8) {
        append(argument.to, "{{ws_row={}, ws_col={}, ws_xpixel={}, ws_ypixel={}}}", *part->as<uint16_t>(0),
               *part->as<uint16_t>(2), *part->as<uint16_t>(4), *part->as<uint16_t>(6));
    } else if (part && part->bytes.size() == 4) {
        append(argument.to, "[{}]", *part->as<int>());
    } else if (argument.event.args[1] == FICLONE) {
        append(argument.to, "{}", argument.number());
    } else {
        append_pointer(argument.to, argument.value());
    }
}

} // namespace sc
