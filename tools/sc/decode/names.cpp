#include "tools/sc/decode/names.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>

#include <fmt/format.h>

namespace sc {
namespace {

constexpr std::string_view errno_names[] = {"",
                                            "EPERM",
                                            "ENOENT",
                                            "ESRCH",
                                            "EINTR",
                                            "EIO",
                                            "ENXIO",
                                            "E2BIG",
                                            "ENOEXEC",
                                            "EBADF",
                                            "ECHILD",
                                            "EAGAIN",
                                            "ENOMEM",
                                            "EACCES",
                                            "EFAULT",
                                            "ENOTBLK",
                                            "EBUSY",
                                            "EEXIST",
                                            "EXDEV",
                                            "ENODEV",
                                            "ENOTDIR",
                                            "EISDIR",
                                            "EINVAL",
                                            "ENFILE",
                                            "EMFILE",
                                            "ENOTTY",
                                            "ETXTBSY",
                                            "EFBIG",
                                            "ENOSPC",
                                            "ESPIPE",
                                            "EROFS",
                                            "EMLINK",
                                            "EPIPE",
                                            "EDOM",
                                            "ERANGE",
                                            "EDEADLK",
                                            "ENAMETOOLONG",
                                            "ENOLCK",
                                            "ENOSYS",
                                            "ENOTEMPTY",
                                            "ELOOP",
                                            "",
                                            "ENOMSG",
                                            "EIDRM",
                                            "ECHRNG",
                                            "EL2NSYNC",
                                            "EL3HLT",
                                            "EL3RST",
                                            "ELNRNG",
                                            "EUNATCH",
                                            "ENOCSI",
                                            "EL2HLT",
                                            "EBADE",
                                            "EBADR",
                                            "EXFULL",
                                            "ENOANO",
                                            "EBADRQC",
                                            "EBADSLT",
                                            "",
                                            "EBFONT",
                                            "ENOSTR",
                                            "ENODATA",
                                            "ETIME",
                                            "ENOSR",
                                            "ENONET",
                                            "ENOPKG",
                                            "EREMOTE",
                                            "ENOLINK",
                                            "EADV",
                                            "ESRMNT",
                                            "ECOMM",
                                            "EPROTO",
                                            "EMULTIHOP",
                                            "EDOTDOT",
                                            "EBADMSG",
                                            "EOVERFLOW",
                                            "ENOTUNIQ",
                                            "EBADFD",
                                            "EREMCHG",
                                            "ELIBACC",
                                            "ELIBBAD",
                                            "ELIBSCN",
                                            "ELIBMAX",
                                            "ELIBEXEC",
                                            "EILSEQ",
                                            "ERESTART",
                                            "ESTRPIPE",
                                            "EUSERS",
                                            "ENOTSOCK",
                                            "EDESTADDRREQ",
                                            "EMSGSIZE",
                                            "EPROTOTYPE",
                                            "ENOPROTOOPT",
                                            "EPROTONOSUPPORT",
                                            "ESOCKTNOSUPPORT",
                                            "EOPNOTSUPP",
                                            "EPFNOSUPPORT",
                                            "EAFNOSUPPORT",
                                            "EADDRINUSE",
                                            "EADDRNOTAVAIL",
                                            "ENETDOWN",
                                            "ENETUNREACH",
                                            "ENETRESET",
                                            "ECONNABORTED",
                                            "ECONNRESET",
                                            "ENOBUFS",
                                            "EISCONN",
                                            "ENOTCONN",
                                            "ESHUTDOWN",
                                            "ETOOMANYREFS",
                                            "ETIMEDOUT",
                                            "ECONNREFUSED",
                                            "EHOSTDOWN",
                                            "EHOSTUNREACH",
                                            "EALREADY",
                                            "EINPROGRESS",
                                            "ESTALE",
                                            "EUCLEAN",
                                            "ENOTNAM",
                                            "ENAVAIL",
                                            "EISNAM",
                                            "EREMOTEIO",
                                            "EDQUOT",
                                            "ENOMEDIUM",
                                            "EMEDIUMTYPE",
                                            "ECANCELED",
                                            "ENOKEY",
                                            "EKEYEXPIRED",
                                            "EKEYREVOKED",
                                            "EKEYREJECTED",
                                            "EOWNERDEAD",
                                            "ENOTRECOVERABLE",
                                            "ERFKILL",
                                            "EHWPOISON"};

} // namespace

void append_flags(std::string &to, std::span<const Name> names, uint64_t value, std::string_view unknown) {
    const size_t begin = to.size();
    uint64_t rest = value;
    for (const Name &name : names)
        if (name.value != 0 && (rest & name.value) == name.value) {
            if (to.size() != begin)
                to += '|';
            to += name.text;
            rest &= ~name.value;
        }
    if (rest == 0 && to.size() != begin)
        return;
    if (rest != 0) {
        fmt::format_to(std::back_inserter(to), "{}{:#x}", to.size() == begin ? "" : "|", rest);
        if (to.find('|', begin) == std::string::npos && !unknown.empty())
            fmt::format_to(std::back_inserter(to), " /* {} */", unknown);
        return;
    }
    for (const Name &name : names)
        if (name.value == 0) {
            to += name.text;
            return;
        }
    to += '0';
}

void append_names(std::string &to, const NameTable &table, uint64_t value) {
    if (table.style == NameStyle::flags) {
        append_flags(to, table.names, value, table.unknown);
        return;
    }
    for (const Name &name : table.names)
        if (name.value == value) {
            to += name.text;
            return;
        }
    fmt::format_to(std::back_inserter(to), "{:#x}", value);
    if (!table.unknown.empty())
        fmt::format_to(std::back_inserter(to), " /* {} */", table.unknown);
}

std::string_view errno_name(int number) {
    return number > 0 && number < static_cast<int>(std::size(errno_names)) ? errno_names[number] : std::string_view{};
}

int errno_number(std::string_view name) {
    for (size_t i = 1; i < std::size(errno_names); i++)
        if (errno_names[i] == name && !name.empty())
            return static_cast<int>(i);
    return name == "EWOULDBLOCK" ? EAGAIN : name == "ENOTSUP" ? EOPNOTSUPP : name == "EDEADLOCK" ? EDEADLK : 0;
}

std::string signal_name(int number) {
    // 32 and 33 are the C library's own; strsignal and sigabbrev_np do not know them.
    if (number >= 32 && number <= 64)
        return number == 32 ? "SIGRTMIN" : "SIGRT_" + std::to_string(number - 32);
    const char *name = sigabbrev_np(number);
    return name == nullptr ? std::string() : std::string("SIG") + name;
}

int signal_number(std::string_view name) {
    for (int number = 1; number <= 64; number++)
        if (std::string text = signal_name(number); !text.empty() && (text == name || text.substr(3) == name))
            return number;
    return 0;
}

} // namespace sc
