// log: one line to standard error, from any context.
//
// Safe inside a signal handler and inside a hook: formats into a small stack
// buffer and makes one raw write; no malloc, no stdio, no errno.
#pragma once

#include <cstdint>
#include <string_view>

namespace base {

// A line under construction, at most 480 bytes; what does not fit is cut.
// Use: LogLine("shim").text("refused ").text(name).number(nr).write();
class LogLine {
public:
    // Starts the line with "pmemfile: <area>: ".
    explicit LogLine(std::string_view area);
    LogLine &text(std::string_view text);
    LogLine &number(int64_t value);
    LogLine &hex(uint64_t value);
    // Ends the line and writes it to descriptor `descriptor` in one call.
    void write(int descriptor = 2);

private:
    char buffer_[480];
    unsigned length_ = 0;
};

// Says what went wrong on standard error and ends the process with SIGABRT.
// Only for a broken invariant of ours, never for bad input.
[[noreturn]] void panic(std::string_view what);

} // namespace base
