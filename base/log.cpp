// A log line is built in place and leaves with one write, so that lines of
// several threads and processes do not mix.
#include "base/log.h"

#include "base/raw_syscall.h"

#include <csignal>

namespace base {

LogLine::LogLine(std::string_view area) {
    text("pmemfile: ").text(area).text(": ");
}

LogLine &LogLine::text(std::string_view text) {
    for (char c : text) {
        if (length_ == sizeof(buffer_) - 1) // one byte stays for the newline
            break;
        buffer_[length_++] = c;
    }
    return *this;
}

LogLine &LogLine::number(int64_t value) {
    char digits[20];
    unsigned count = 0;
    uint64_t rest = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    do {
        digits[count++] = static_cast<char>('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0)
        text("-");
    while (count > 0)
        text(std::string_view(&digits[--count], 1));
    return *this;
}

LogLine &LogLine::hex(uint64_t value) {
    text("0x");
    int shift = 60;
    while (shift > 0 && (value >> shift) == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        text(std::string_view(&"0123456789abcdef"[(value >> shift) & 15], 1));
    return *this;
}

void LogLine::write(int descriptor) {
    buffer_[length_++] = '\n';
    raw_syscall(SYS_write, descriptor, as_long(buffer_), static_cast<long>(length_));
    length_ = 0;
}

void panic(std::string_view what) {
    LogLine("panic").text(what).write();
    const long pid = raw_syscall(SYS_getpid);
    const long tid = raw_syscall(SYS_gettid);
    raw_syscall(SYS_tgkill, pid, tid, SIGABRT);
    __builtin_trap();
}

} // namespace base
