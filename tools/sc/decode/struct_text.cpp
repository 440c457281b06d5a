#include "tools/sc/decode/struct_text.h"

#include "tools/sc/decode/names.h"

#include <arpa/inet.h>
#include <csignal>
#include <fmt/format.h>
#include <iterator>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>

namespace sc {

using intercept::ArgumentKind;

namespace {

template <typename... Args> void append(std::string &to, fmt::format_string<Args...> format, Args &&...args) {
    fmt::format_to(std::back_inserter(to), format, std::forward<Args>(args)...);
}

// What rt_sigaction gets: not libc's struct.
struct KernelAction {
    uint64_t handler, flags, restorer, mask;
};

struct KernelTime {
    int64_t seconds, fraction;
};

void append_time(std::string &to, const EventPart &part, size_t offset, std::string_view fraction) {
    if (auto time = part.as<KernelTime>(offset))
        append(to, "{{tv_sec={}, {}={}}}", time->seconds, fraction, time->fraction);
}

void append_stat(std::string &to, const struct stat &status) {
    to += "{st_mode=";
    append_mode(to, status.st_mode);
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
        append(to, ", st_rdev=makedev({:#x}, {:#x}), ...}}", major(status.st_rdev), minor(status.st_rdev));
    else
        append(to, ", st_size={}, ...}}", status.st_size);
}

void append_statx(std::string &to, const struct statx &status) {
    to += "{stx_mask=";
    append_names(to, names_of(ArgumentKind::statx_mask_), status.stx_mask);
    append(to, ", stx_attributes={:#x}, stx_mode=", status.stx_attributes);
    append_mode(to, status.stx_mode);
    append(to, ", stx_size={}, ...}}", status.stx_size);
}

void append_statfs(std::string &to, const struct statfs &status) {
    to += "{f_type=";
    append_names(to, {NameStyle::one, filesystem_names(), ""}, static_cast<uint64_t>(status.f_type));
    append(
        to,
        ", f_bsize={}, f_blocks={}, f_bfree={}, f_bavail={}, f_files={}, f_ffree={}, f_namelen={}, f_frsize={}, ...}}",
        status.f_bsize, status.f_blocks, status.f_bfree, status.f_bavail, status.f_files, status.f_ffree,
        status.f_namelen, status.f_frsize);
}

void append_limit(std::string &to, uint64_t limit) {
    if (limit == RLIM64_INFINITY)
        to += "RLIM64_INFINITY";
    else if (limit > 1024 && limit % 1024 == 0)
        append(to, "{}*1024", limit / 1024);
    else
        append(to, "{}", limit);
}

void append_action(std::string &to, const KernelAction &action) {
    to += "{sa_handler=";
    if (action.handler == 0)
        to += "SIG_DFL";
    else if (action.handler == 1)
        to += "SIG_IGN";
    else
        append(to, "{:#x}", action.handler);
    to += ", sa_mask=";
    append_signal_set(to, action.mask);
    to += ", sa_flags=";
    append_flags(to, signal_action_flag_names(), action.flags, "SA_???");
    if ((action.flags & 0x04000000) != 0)
        append(to, ", sa_restorer={:#x}", action.restorer);
    to += '}';
}

void append_info(std::string &to, const EventPart &part) {
    const int number = part.as<int>(0).value_or(0);
    if (number == 0) {
        to += "{}";
        return;
    }
    const int code = part.as<int>(8).value_or(0);
    append(to, "{{si_signo={}, si_code=", signal_name(number));
    append_names(to, {NameStyle::one, number == SIGCHLD && code > 0 ? child_code_names() : signal_code_names(), ""},
                 static_cast<uint32_t>(code));
    append(to, ", si_pid={}, si_uid={}", part.as<int>(16).value_or(0), part.as<int>(20).value_or(0));
    if (number == SIGCHLD) {
        const int status = part.as<int>(24).value_or(0);
        if (code == CLD_EXITED)
            append(to, ", si_status={}", status);
        else
            append(to, ", si_status={}", signal_name(status));
    }
    to += code == 0 && number != SIGCHLD ? "}" : ", ...}";
}

void append_rusage(std::string &to, const EventPart &part) {
    to += "{ru_utime=";
    append_time(to, part, 0, "tv_usec");
    to += ", ru_stime=";
    append_time(to, part, 16, "tv_usec");
    to += ", ...}";
}

void append_clone_arguments(std::string &to, const EventPart &part) {
    auto word = [&](unsigned i) { return part.as<uint64_t>(i * 8).value_or(0); };
    to += "{flags=";
    append_names(to, names_of(ArgumentKind::clone_flags_), word(0));
    if (word(1) != 0)
        append(to, ", pidfd={:#x}", word(1));
    if (word(2) != 0)
        append(to, ", child_tid={:#x}", word(2));
    if (word(3) != 0)
        append(to, ", parent_tid={:#x}", word(3));
    to += ", exit_signal=";
    to += word(4) == 0 ? "0" : signal_name(static_cast<int>(word(4)));
    to += ", stack=";
    append_pointer(to, word(5));
    append(to, ", stack_size={:#x}", word(6));
    if (word(7) != 0)
        append(to, ", tls={:#x}", word(7));
    to += '}';
}

void append_open_how(std::string &to, const EventPart &part) {
    const auto flags = part.as<uint64_t>(0).value_or(0);
    to += "{flags=";
    append_names(to, names_of(ArgumentKind::open_flags_), flags);
    if ((flags & 3) == 0)
        to.insert(to.rfind('=') + 1, flags == 0 ? "O_RDONLY" : "O_RDONLY|");
    if (flags == 0)
        to.pop_back(); // the "0" behind it
    if (auto mode = part.as<uint64_t>(8).value_or(0); mode != 0) {
        to += ", mode=";
        append_octal(to, mode);
    }
    to += ", resolve=";
    append_flags(to, resolve_flag_names(), part.as<uint64_t>(16).value_or(0), "RESOLVE_???");
    to += '}';
}

void append_utsname(std::string &to, const EventPart &part) {
    to += "{sysname=";
    auto field = [&](unsigned i) {
        return part.bytes.substr(65 * i, 65).substr(0, part.bytes.substr(65 * i, 65).find('\0'));
    };
    append_quoted(to, field(0), false);
    to += ", nodename=";
    append_quoted(to, field(1), false);
    to += ", ...}";
}

void append_epoll_event(std::string &to, const EventPart &part, size_t offset) {
    to += "{events=";
    append_flags(to, epoll_event_names(), part.as<uint32_t>(offset).value_or(0), "EPOLL???");
    append(to, ", data={{u32={}, u64={}}}}}", part.as<uint32_t>(offset + 4).value_or(0),
           part.as<uint64_t>(offset + 4).value_or(0));
}

} // namespace

void append_pointer(std::string &to, uint64_t address) {
    if (address == 0)
        to += "NULL";
    else
        append(to, "{:#x}", address);
}

void append_octal(std::string &to, uint64_t value) {
    if (value < 0100)
        append(to, "0{:02o}", value);
    else
        append(to, "0{:o}", value);
}

void append_mode(std::string &to, uint32_t mode) {
    const size_t begin = to.size();
    for (const Name &name : file_type_names())
        if (name.value == (mode & S_IFMT))
            to += name.text;
    for (auto [bit, text] : {std::pair{S_ISUID, "S_ISUID"}, {S_ISGID, "S_ISGID"}, {S_ISVTX, "S_ISVTX"}})
        if ((mode & static_cast<uint32_t>(bit)) != 0)
            append(to, "{}{}", to.size() == begin ? "" : "|", text);
    if (to.size() != begin)
        to += '|';
    append(to, "0{:03o}", mode & 0777);
}

void append_quoted(std::string &to, std::string_view bytes, bool is_cut, bool as_hex) {
    to += '"';
    for (size_t i = 0; i < bytes.size(); i++) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        if (as_hex) {
            append(to, "\\x{:02x}", byte);
            continue;
        }
        switch (byte) {
        case '"':
            to += "\\\"";
            break;
        case '\\':
            to += "\\\\";
            break;
        case '\n':
            to += "\\n";
            break;
        case '\t':
            to += "\\t";
            break;
        case '\r':
            to += "\\r";
            break;
        case '\v':
            to += "\\v";
            break;
        case '\f':
            to += "\\f";
            break;
        default:
            if (byte >= ' ' && byte < 127)
                to += static_cast<char>(byte);
            else if (i + 1 < bytes.size() && bytes[i + 1] >= '0' && bytes[i + 1] <= '9')
                append(to, "\\{:03o}", byte);
            else
                append(to, "\\{:o}", byte);
        }
    }
    to += is_cut ? "\"..." : "\"";
}

void append_signal_set(std::string &to, uint64_t bits) {
    const bool is_inverted = __builtin_popcountll(bits) >= 64 * 2 / 3;
    if (is_inverted) {
        to += '~';
        bits = ~bits;
    }
    to += '[';
    const char *separator = "";
    for (int number = 1; number <= 64; number++)
        if ((bits >> (number - 1) & 1) != 0) {
            append(to, "{}{}", separator, std::string_view(signal_name(number)).substr(3));
            separator = " ";
        }
    to += ']';
}

void append_wait_status(std::string &to, int status) {
    if (WIFEXITED(status))
        append(to, "{{WIFEXITED(s) && WEXITSTATUS(s) == {}}}", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        append(to, "{{WIFSIGNALED(s) && WTERMSIG(s) == {}{}}}", signal_name(WTERMSIG(status)),
               WCOREDUMP(status) ? " && WCOREDUMP(s)" : "");
    else if (WIFSTOPPED(status))
        append(to, "{{WIFSTOPPED(s) && WSTOPSIG(s) == {}}}", signal_name(WSTOPSIG(status)));
    else if (WIFCONTINUED(status))
        to += "{WIFCONTINUED(s)}";
    else
        append(to, "{:#x}", status);
}

void append_socket_address(std::string &to, std::string_view bytes) {
    uint16_t family = 0;
    if (bytes.size() < sizeof family) {
        append_quoted(to, bytes, false);
        return;
    }
    memcpy(&family, bytes.data(), sizeof family);
    to += "{sa_family=";
    append_names(to, names_of(ArgumentKind::socket_family_), family);
    char text[INET6_ADDRSTRLEN];
    if (family == AF_UNIX && bytes.size() > 2) {
        std::string_view path = bytes.substr(2);
        if (path[0] == 0) {
            to += ", sun_path=@";
            append_quoted(to, path.substr(1), false);
        } else {
            to += ", sun_path=";
            append_quoted(to, path.substr(0, path.find('\0')), false);
        }
    } else if (family == AF_INET && bytes.size() >= sizeof(sockaddr_in)) {
        sockaddr_in address;
        memcpy(&address, bytes.data(), sizeof address);
        append(to, ", sin_port=htons({}), sin_addr=inet_addr(\"{}\")", ntohs(address.sin_port),
               inet_ntop(AF_INET, &address.sin_addr, text, sizeof text));
    } else if (family == AF_INET6 && bytes.size() >= sizeof(sockaddr_in6)) {
        sockaddr_in6 address;
        memcpy(&address, bytes.data(), sizeof address);
        append(
            to,
            ", sin6_port=htons({}), sin6_flowinfo=htonl({}), inet_pton(AF_INET6, \"{}\", &sin6_addr), sin6_scope_id={}",
            ntohs(address.sin6_port), ntohl(address.sin6_flowinfo),
            inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text), address.sin6_scope_id);
    } else if (family == AF_NETLINK && bytes.size() >= 12) {
        uint32_t values[2];
        memcpy(values, bytes.data() + 4, sizeof values);
        append(to, ", nl_pid={}, nl_groups={:08x}", values[0], values[1]);
    } else if (bytes.size() > 2) {
        to += ", sa_data=";
        append_quoted(to, bytes.substr(2), false);
    }
    to += '}';
}

bool append_structure(std::string &to, ArgumentKind kind, const EventPart &part) {
    const size_t needed = intercept::describe(kind).size_bytes;
    if (part.bytes.size() < needed)
        return false;
    switch (kind) {
    case ArgumentKind::stat_out_:
        append_stat(to, *part.as<struct stat>());
        return true;
    case ArgumentKind::statx_out_:
        append_statx(to, *part.as<struct statx>());
        return true;
    case ArgumentKind::statfs_out_:
        append_statfs(to, *part.as<struct statfs>());
        return true;
    case ArgumentKind::timespec_in_:
    case ArgumentKind::timespec_out_:
        append_time(to, part, 0, "tv_nsec");
        return true;
    case ArgumentKind::timeval_in_:
    case ArgumentKind::timeval_out_:
        append_time(to, part, 0, "tv_usec");
        return true;
    case ArgumentKind::timespec_pair_in_:
        to += '[';
        for (size_t offset : {0, 16}) {
            const auto nanoseconds = part.as<int64_t>(offset + 8).value_or(0);
            to += offset == 0 ? "" : ", ";
            if (nanoseconds == UTIME_NOW)
                to += "UTIME_NOW";
            else if (nanoseconds == UTIME_OMIT)
                to += "UTIME_OMIT";
            else
                append_time(to, part, offset, "tv_nsec");
        }
        to += ']';
        return true;
    case ArgumentKind::timeval_pair_in_:
        to += '[';
        append_time(to, part, 0, "tv_usec");
        to += ", ";
        append_time(to, part, 16, "tv_usec");
        to += ']';
        return true;
    case ArgumentKind::itimerspec_in_:
    case ArgumentKind::itimerspec_out_:
    case ArgumentKind::itimerval_in_:
    case ArgumentKind::itimerval_out_: {
        const char *fraction =
            kind == ArgumentKind::itimerspec_in_ || kind == ArgumentKind::itimerspec_out_ ? "tv_nsec" : "tv_usec";
        to += "{it_interval=";
        append_time(to, part, 0, fraction);
        to += ", it_value=";
        append_time(to, part, 16, fraction);
        to += '}';
        return true;
    }
    case ArgumentKind::rusage_out_:
        append_rusage(to, part);
        return true;
    case ArgumentKind::rlimit_in_:
    case ArgumentKind::rlimit_out_:
        to += "{rlim_cur=";
        append_limit(to, *part.as<uint64_t>(0));
        to += ", rlim_max=";
        append_limit(to, *part.as<uint64_t>(8));
        to += '}';
        return true;
    case ArgumentKind::sigset_in_:
    case ArgumentKind::sigset_out_:
        append_signal_set(to, *part.as<uint64_t>());
        return true;
    case ArgumentKind::sigaction_in_:
    case ArgumentKind::sigaction_out_:
        append_action(to, *part.as<KernelAction>());
        return true;
    case ArgumentKind::siginfo_in_:
    case ArgumentKind::siginfo_out_:
        append_info(to, part);
        return true;
    case ArgumentKind::stack_in_:
    case ArgumentKind::stack_out_:
        to += "{ss_sp=";
        append_pointer(to, *part.as<uint64_t>(0));
        append(to, ", ss_flags={}, ss_size={}}}",
               *part.as<int>(8) == 0            ? "0"
               : *part.as<int>(8) == SS_DISABLE ? "SS_DISABLE"
                                                : "SS_ONSTACK",
               *part.as<uint64_t>(16));
        return true;
    case ArgumentKind::fd_pair_out_:
        append(to, "[{}, {}]", *part.as<int>(0), *part.as<int>(4));
        return true;
    case ArgumentKind::int_in_:
    case ArgumentKind::int_out_:
    case ArgumentKind::id_out_:
    case ArgumentKind::length_pointer_:
        append(to, "[{}]", *part.as<int>());
        return true;
    case ArgumentKind::offset_pointer_:
        append(to, "[{}]", *part.as<int64_t>());
        return true;
    case ArgumentKind::id_list_in_:
    case ArgumentKind::id_list_out_:
        to += '[';
        for (size_t at = 0; at + 4 <= part.bytes.size(); at += 4)
            append(to, "{}{}", at == 0 ? "" : ", ", *part.as<uint32_t>(at));
        to += part.is_cut != 0 ? ", ...]" : "]";
        return true;
    case ArgumentKind::pollfds_:
        to += '[';
        for (size_t at = 0; at + 8 <= part.bytes.size(); at += 8) {
            append(to, "{}{{fd={}, events=", at == 0 ? "" : ", ", *part.as<int>(at));
            append_flags(to, poll_event_names(), *part.as<uint16_t>(at + 4), "POLL???");
            to += '}';
        }
        to += part.is_cut != 0 ? ", ...]" : "]";
        return true;
    case ArgumentKind::epoll_event_in_:
        append_epoll_event(to, part, 0);
        return true;
    case ArgumentKind::epoll_events_:
        to += '[';
        for (size_t at = 0; at + 12 <= part.bytes.size(); at += 12) {
            to += at == 0 ? "" : ", ";
            append_epoll_event(to, part, at);
        }
        to += part.is_cut != 0 ? ", ...]" : "]";
        return true;
    case ArgumentKind::fd_set_: {
        to += '[';
        const char *separator = "";
        for (size_t bit = 0; bit < part.bytes.size() * 8; bit++)
            if ((static_cast<unsigned char>(part.bytes[bit / 8]) >> bit % 8 & 1) != 0) {
                append(to, "{}{}", separator, bit);
                separator = " ";
            }
        to += ']';
        return true;
    }
    case ArgumentKind::wait_status_:
        to += '[';
        append_wait_status(to, *part.as<int>());
        to += ']';
        return true;
    case ArgumentKind::utsname_out_:
        append_utsname(to, part);
        return true;
    case ArgumentKind::sysinfo_out_:
        append(to, "{{uptime={}, totalram={}, freeram={}, ...}}", *part.as<int64_t>(0), *part.as<uint64_t>(32),
               *part.as<uint64_t>(40));
        return true;
    case ArgumentKind::tms_out_:
        append(to, "{{tms_utime={}, tms_stime={}, tms_cutime={}, tms_cstime={}}}", *part.as<int64_t>(0),
               *part.as<int64_t>(8), *part.as<int64_t>(16), *part.as<int64_t>(24));
        return true;
    case ArgumentKind::utimbuf_in_:
        append(to, "{{actime={}, modtime={}}}", *part.as<int64_t>(0), *part.as<int64_t>(8));
        return true;
    case ArgumentKind::clone_arguments_:
        append_clone_arguments(to, part);
        return true;
    case ArgumentKind::open_how_:
        append_open_how(to, part);
        return true;
    default:
        return false;
    }
}

} // namespace sc
