#include "posix-shim/paths/proc_path.h"

#include "base/raw_syscall.h"
#include "posix-shim/paths/clean_path.h"

namespace shim {

namespace {

// Cuts "<number>/" off; -1: it does not begin so.
long take_numbered_directory(std::string_view &text) {
    std::string_view rest = text;
    const long number = take_number(rest);
    if (number < 0 || rest.empty())
        return -1;
    text = rest.substr(1);
    return number;
}

bool is_own_thread(long process, long thread) {
    return base::raw_syscall(SYS_tgkill, process, thread, 0) == 0;
}

} // namespace

bool take_prefix(std::string_view &path, std::string_view prefix) {
    if (!path.starts_with(prefix))
        return false;
    path.remove_prefix(prefix.size());
    return true;
}

long take_number(std::string_view &path) {
    long number = 0;
    size_t digits = 0;
    while (digits < path.size() && digits < 9 && path[digits] >= '0' && path[digits] <= '9')
        number = number * 10 + (path[digits++] - '0');
    if (digits == 0 || (digits < path.size() && path[digits] != '/'))
        return -1;
    path.remove_prefix(digits);
    return number;
}

bool is_near_proc(std::string_view directory) {
    return directory == "/" || directory == "/dev" || directory == "/proc" || directory.starts_with("/proc/");
}

bool climbs_to_links(std::string_view path) {
    return path.find("..") != path.npos && (path.find("proc") != path.npos || path.find("dev") != path.npos);
}

bool may_name_link(std::string_view path) {
    return path.starts_with("/proc/") || path.starts_with("/dev/fd/") || path.starts_with("/dev/std");
}

size_t tidy_proc_path(char *text, size_t length) {
    size_t at = 0;
    while (at < length && (text[at] == '/' || (text[at] == '.' && at + 1 < length && text[at + 1] == '/')))
        at++;
    const std::string_view front(text + at, length - at);
    if (text[0] != '/' || (!front.starts_with("proc/") && !front.starts_with("dev/")))
        return length;
    if (is_clean({text, length}))
        return length;
    size_t to = 0;
    for (at = 0; at < length; at++) {
        const bool begins = to > 0 && text[to - 1] == '/';
        if (begins && text[at] == '/')
            continue;
        if (begins && text[at] == '.' && at + 1 < length && text[at + 1] == '/') {
            at++;
            continue;
        }
        text[to++] = text[at];
    }
    text[to] = 0;
    return to;
}

bool take_proc_self(std::string_view &path) {
    if (take_prefix(path, "/proc/thread-self/"))
        return true;
    std::string_view rest = path;
    if (!take_prefix(rest, "/proc/self/")) {
        const long number = take_proc_number(rest);
        if (number < 0)
            return false; // a path below /dev, say, where a mount may be: without a call of the kernel
        const long own = base::raw_syscall(SYS_getpid);
        // Each thread has a directory there too, though none is listed.
        if (number != own && (!rest.starts_with("fd") || !is_own_thread(own, number)))
            return false;
    }
    std::string_view of_thread = rest;
    if (take_prefix(of_thread, "task/"))
        if (const long number = take_numbered_directory(of_thread);
            number >= 0 && is_own_thread(base::raw_syscall(SYS_getpid), number))
            rest = of_thread;
    path = rest;
    return true;
}

long take_proc_number(std::string_view &path) {
    std::string_view rest = path;
    if (!take_prefix(rest, "/proc/"))
        return -1;
    const long number = take_numbered_directory(rest);
    if (number >= 0)
        path = rest;
    return number;
}

} // namespace shim
