// call_log: formats on the stack, writes with one raw call, holds no lock.
//
// The program may close our descriptor (many close all they do not know) and
// open something of its own under the number; a log line must not land there.
// So the descriptor is looked at before each write and opened anew if it is
// another file: a log is slow anyway.
#include "intercept/dropin/call_log.h"

#include "base/raw_syscall.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace intercept {
namespace {

constexpr long lowest_descriptor = 600; // out of the way of select() and of shells
constexpr unsigned path_bytes = 4096;

char log_path[path_bytes];
bool opened;
int log_descriptor = -1;
dev_t log_device;
ino_t log_inode;

class Line {
public:
    Line &text(const char *text) {
        while (*text != 0)
            put(*text++);
        return *this;
    }
    Line &decimal(long value) {
        char digits[24];
        unsigned count = 0;
        unsigned long rest = value < 0 ? 0ul - static_cast<unsigned long>(value) : static_cast<unsigned long>(value);
        do {
            digits[count++] = static_cast<char>('0' + rest % 10);
            rest /= 10;
        } while (rest != 0);
        if (value < 0)
            put('-');
        while (count > 0)
            put(digits[--count]);
        return *this;
    }
    Line &hex(unsigned long value) {
        text("0x");
        int shift = 60;
        while (shift > 0 && (value >> shift & 15) == 0)
            shift -= 4;
        for (; shift >= 0; shift -= 4)
            put("0123456789abcdef"[value >> shift & 15]);
        return *this;
    }
    const char *data() const {
        return buffer_;
    }
    unsigned size() const {
        return length_;
    }

private:
    void put(char c) {
        if (length_ < sizeof buffer_)
            buffer_[length_++] = c;
    }
    char buffer_[256]; // the longest line has 220 bytes
    unsigned length_ = 0;
};

// A pipe would make the program wait for a reader, or end it by SIGPIPE.
bool is_log(const struct stat &status) {
    return S_ISREG(status.st_mode) || S_ISCHR(status.st_mode);
}

long open_file(long flags) {
    long low = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(log_path), flags | O_NONBLOCK, 0644);
    if (base::is_error(low))
        return low;
    long high = base::raw_syscall(SYS_fcntl, low, F_DUPFD_CLOEXEC, lowest_descriptor);
    if (base::is_error(high))
        high = low; // a low limit of descriptors: then this one
    else
        base::raw_syscall(SYS_close, low);
    struct stat status;
    if (long failed = base::raw_syscall(SYS_fstat, high, base::as_long(&status)); failed < 0) {
        base::raw_syscall(SYS_close, high);
        return failed;
    }
    if (!is_log(status)) {
        base::raw_syscall(SYS_close, high);
        return -EINVAL;
    }
    base::raw_syscall(SYS_fcntl, high, F_SETFL, O_APPEND);
    log_device = status.st_dev;
    log_inode = status.st_ino;
    __atomic_store_n(&log_descriptor, static_cast<int>(high), __ATOMIC_RELEASE);
    return 0;
}

bool still_ours(int descriptor) {
    struct stat status;
    return base::raw_syscall(SYS_fstat, descriptor, base::as_long(&status)) == 0 && status.st_dev == log_device &&
           status.st_ino == log_inode;
}

void write_line(const Line &line) {
    int descriptor = __atomic_load_n(&log_descriptor, __ATOMIC_ACQUIRE);
    if (!still_ours(descriptor)) {
        if (open_file(O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC) != 0)
            return;
        descriptor = __atomic_load_n(&log_descriptor, __ATOMIC_ACQUIRE);
    }
    base::raw_syscall(SYS_write, descriptor, base::as_long(line.data()), line.size());
}

void put_call(Line &line, const intercept_call &call) {
    line.decimal(base::raw_syscall(SYS_gettid))
        .text(" ")
        .hex(reinterpret_cast<unsigned long>(intercept_call_address(&call)));
    line.text(" syscall ").decimal(call.nr).text("(");
    for (int i = 0; i < 6; i++)
        line.text(i == 0 ? "" : ", ").hex(static_cast<unsigned long>(call.args[i]));
    line.text(")");
}

} // namespace

long open_call_log(const char *path, bool truncate) {
    unsigned length = 0;
    while (path[length] != 0) {
        if (length + 24 >= path_bytes)
            return -ENAMETOOLONG;
        log_path[length] = path[length];
        length++;
    }
    if (length > 0 && log_path[length - 1] == '-') {
        Line pid;
        pid.decimal(base::raw_syscall(SYS_getpid));
        for (unsigned i = 0; i < pid.size(); i++)
            log_path[length++] = pid.data()[i];
    }
    log_path[length] = 0;
    long status = open_file(O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | (truncate ? O_TRUNC : 0));
    opened = status == 0;
    return status;
}

bool call_log_is_open() {
    return opened;
}

void log_call(const intercept_call &call, bool handled) {
    Line line;
    put_call(line, call);
    line.text(" = ");
    if (call.result >= 0 || base::is_error(call.result))
        line.decimal(call.result);
    else
        line.hex(static_cast<unsigned long>(call.result));
    line.text(handled ? " handled\n" : "\n");
    write_line(line);
}

void log_call_begin(const intercept_call &call) {
    Line line;
    put_call(line, call);
    line.text(" = ?\n");
    write_line(line);
}

} // namespace intercept
