// faults: which rule a call matches, and what is done to it then.
//
// Rules with a path know a file by the path of the argument (made absolute, without
// following links) and by the descriptors that were opened on it: the kernel's own name of
// a new descriptor is looked at, so links and ".." do not matter there. These look-ups cost
// system calls, and happen only while a rule has a path.
#include "tools/sc/agent/faults.h"

#include "tools/sc/agent/call_shape.h"
#include "tools/sc/agent/user_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/close_range.h>
#include <string_view>
#include <sys/mman.h>

namespace sc {

using intercept::ArgumentKind;

namespace {

constexpr unsigned descriptors_max = 4096;
// Bit i: rule i names the file behind the descriptor. A forked child inherits it as it does the descriptors.
std::atomic<uint16_t> rules_of_descriptor[descriptors_max];

// Paths are made in these, not on the program's stack.
struct PathSpace {
    std::atomic<uint32_t> is_taken;
    char text[2 * path_bytes_max + 64];
};
constexpr unsigned path_spaces = 16;
PathSpace spaces[path_spaces];

class Space {
public:
    Space() {
        for (PathSpace &space : spaces)
            if (space.is_taken.exchange(1, std::memory_order_acquire) == 0) {
                space_ = &space;
                return;
            }
    }
    Space(const Space &) = delete;
    Space &operator=(const Space &) = delete;
    ~Space() {
        if (space_ != nullptr)
            space_->is_taken.store(0, std::memory_order_release);
    }
    char *text() { // null: all are in use
        return space_ == nullptr ? nullptr : space_->text;
    }

private:
    PathSpace *space_ = nullptr;
};

bool have_paths() {
    for (uint32_t i = 0; i < segment->settings.rule_count; i++)
        if (segment->settings.rules[i].path_bytes != 0)
            return true;
    return false;
}

bool names(const FaultRule &rule, std::string_view path) {
    std::string_view wanted(rule.path, rule.path_bytes);
    if (rule.path_is_directory != 0 && path.size() > wanted.size() && path.starts_with(wanted) &&
        (wanted == "/" || path[wanted.size()] == '/'))
        return true;
    return path == wanted;
}

// "/proc/self/fd/N"
void descriptor_link(char (&link)[32], int descriptor) {
    constexpr std::string_view front = "/proc/self/fd/";
    memcpy(link, front.data(), front.size());
    char digits[12];
    unsigned count = 0;
    auto rest = static_cast<unsigned>(descriptor);
    do
        digits[count++] = static_cast<char>('0' + rest % 10);
    while ((rest /= 10) != 0);
    size_t at = front.size();
    while (count > 0)
        link[at++] = digits[--count];
    link[at] = 0;
}

// The kernel's name of an open file; its length, 0 if there is none.
size_t name_of_descriptor(int descriptor, char *to) {
    char link[32];
    descriptor_link(link, descriptor);
    long length = base::raw_syscall(SYS_readlink, base::as_long(link), base::as_long(to), path_bytes_max);
    return length > 0 ? static_cast<size_t>(length) : 0;
}

void look_at_descriptor(long descriptor, char *space) {
    if (descriptor < 0 || descriptor >= static_cast<long>(descriptors_max))
        return;
    std::string_view path(space, name_of_descriptor(static_cast<int>(descriptor), space));
    uint16_t rules = 0;
    for (uint32_t i = 0; i < segment->settings.rule_count && !path.empty(); i++)
        if (const FaultRule &rule = segment->settings.rules[i]; rule.path_bytes != 0 && names(rule, path))
            rules |= static_cast<uint16_t>(1u << i);
    rules_of_descriptor[descriptor].store(rules, std::memory_order_relaxed);
}

// Takes "//", "." and ".." out of an absolute path, in place.
size_t normalize(char *path, size_t length) {
    size_t out = 0;
    for (size_t at = 0; at < length;) {
        while (at < length && path[at] == '/')
            at++;
        size_t end = at;
        while (end < length && path[end] != '/')
            end++;
        std::string_view name(path + at, end - at);
        if (name == "..") {
            while (out > 0 && path[--out] != '/') {
            }
        } else if (!name.empty() && name != ".") {
            path[out++] = '/';
            memmove(path + out, path + at, name.size());
            out += name.size();
        }
        at = end;
    }
    if (out == 0)
        path[out++] = '/';
    return out;
}

// The path of argument `i`, absolute; empty when it cannot be read. `dirfd`: what it is relative to.
std::string_view absolute_path(uint64_t user, int dirfd, char *space) {
    char *text = space + path_bytes_max;
    long length = read_string(text, user, path_bytes_max - 1);
    if (length <= 0)
        return {};
    if (text[0] == '/')
        return {text, normalize(text, static_cast<size_t>(length))};
    size_t front = 0;
    if (dirfd == AT_FDCWD) {
        long got = base::raw_syscall(SYS_getcwd, base::as_long(space), path_bytes_max);
        front = got > 1 ? static_cast<size_t>(got) - 1 : 0;
    } else {
        front = name_of_descriptor(dirfd, space);
    }
    if (front == 0 || space[0] != '/')
        return {};
    space[front] = '/';
    memmove(space + front + 1, text, static_cast<size_t>(length));
    return {space, normalize(space, front + 1 + static_cast<size_t>(length))};
}

bool is_descriptor(ArgumentKind kind) {
    return kind == ArgumentKind::fd_ || kind == ArgumentKind::dirfd_;
}

bool matches_descriptor(const intercept_call &call, const CallShape &shape, int wanted) {
    for (unsigned i = 0; i < shape.count; i++)
        if (is_descriptor(shape.kinds[i]) && static_cast<int>(call.args[i]) == wanted)
            return true;
    return false;
}

bool matches_path(const intercept_call &call, const CallShape &shape, const FaultRule &rule, unsigned index) {
    Space space;
    int dirfd = AT_FDCWD;
    for (unsigned i = 0; i < shape.count; i++) {
        if (shape.kinds[i] == ArgumentKind::path_) {
            if (space.text() != nullptr &&
                names(rule, absolute_path(static_cast<uint64_t>(call.args[i]), dirfd, space.text())))
                return true;
            dirfd = AT_FDCWD;
        } else if (shape.kinds[i] == ArgumentKind::dirfd_) {
            dirfd = static_cast<int>(call.args[i]);
        } else if (shape.kinds[i] == ArgumentKind::fd_) {
            const auto descriptor = static_cast<unsigned>(call.args[i]);
            if (descriptor < descriptors_max &&
                (rules_of_descriptor[descriptor].load(std::memory_order_relaxed) >> index & 1) != 0)
                return true;
        }
    }
    return false;
}

// splitmix64: the n-th number of a seed, so that a run with one thread is the same each time.
uint64_t random_number(uint64_t seed, uint64_t n) {
    uint64_t x = seed + n * 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

// Is it this one's turn, of all calls that match?
bool is_due(const FaultRule &rule, unsigned index) {
    const uint64_t n = segment->rule_matches[index].fetch_add(1, std::memory_order_relaxed) + 1;
    if (n < rule.first || n > rule.last || (rule.step == 0 ? n != rule.first : (n - rule.first) % rule.step != 0))
        return false;
    const uint64_t draw = segment->rule_random[index].fetch_add(1, std::memory_order_relaxed);
    return (random_number(rule.seed, draw + 1) >> 32) < rule.chance;
}

// The count of a read or write, or -1: the call has none that could be made less.
int count_argument(const CallShape &shape) {
    for (unsigned i = 0; i + 1 < shape.count; i++)
        if ((shape.kinds[i] == ArgumentKind::in_bytes_ || shape.kinds[i] == ArgumentKind::out_bytes_) &&
            shape.kinds[i + 1] == ArgumentKind::size_)
            return static_cast<int>(i) + 1;
    for (unsigned i = 0; i < shape.count; i++)
        if (shape.kinds[i] == ArgumentKind::size_)
            return static_cast<int>(i); // sendfile, copy_file_range
    return -1;
}

void shorten(intercept_call &call, const CallShape &shape, int64_t most, FaultAnswer &answer) {
    int index = count_argument(shape);
    if (index < 0 || static_cast<uint64_t>(call.args[index]) <= static_cast<uint64_t>(most))
        return;
    call.args[index] = most;
    answer.record_flags |= record_shortened;
}

} // namespace

void delay(uint64_t nanoseconds) {
    timespec left = {static_cast<time_t>(nanoseconds / 1000000000), static_cast<long>(nanoseconds % 1000000000)};
    while (nanoseconds != 0 && base::raw_syscall(SYS_nanosleep, base::as_long(&left), base::as_long(&left)) == -EINTR) {
    }
}

FaultAnswer apply_faults(intercept_call &call) {
    FaultAnswer answer;
    const auto number = static_cast<unsigned long>(call.nr);
    if (number >= intercept::call_number_limit)
        return answer;
    const CallShape &shape = shapes.calls[number];
    for (unsigned i = 0; i < segment->settings.rule_count; i++) {
        const FaultRule &rule = segment->settings.rules[i];
        if (rule.calls[number] == 0 || (rule.descriptor >= 0 && !matches_descriptor(call, shape, rule.descriptor)) ||
            (rule.path_bytes != 0 && !matches_path(call, shape, rule, i)) || !is_due(rule, i))
            continue;
        segment->rule_hits[i].fetch_add(1, std::memory_order_relaxed);
        if (rule.delay_enter_ns != 0)
            delay(rule.delay_enter_ns);
        if ((rule.delay_enter_ns | rule.delay_exit_ns) != 0)
            answer.record_flags |= record_delayed;
        answer.delay_exit_ns = rule.delay_exit_ns;
        answer.rule = static_cast<uint8_t>(i);
        if (rule.signal != 0)
            base::raw_syscall(SYS_tgkill, base::raw_syscall(SYS_getpid), base::raw_syscall(SYS_gettid), rule.signal);
        if (rule.kind == FaultKind::shorten)
            shorten(call, shape, rule.value, answer);
        if (rule.kind == FaultKind::error || rule.kind == FaultKind::result) {
            call.result = rule.kind == FaultKind::error ? -rule.value : rule.value;
            answer.is_handled = true;
            answer.record_flags |= record_injected;
        }
        break;
    }
    return answer;
}

void note_descriptors(const intercept_call &call) {
    if (!have_paths() || base::is_error(call.result))
        return;
    switch (call.nr) {
    case SYS_open:
    case SYS_openat:
    case SYS_openat2:
    case SYS_creat:
    case SYS_dup:
    case SYS_dup2:
    case SYS_dup3:
        break;
    case SYS_fcntl:
        if (call.args[1] != F_DUPFD && call.args[1] != F_DUPFD_CLOEXEC)
            return;
        break;
    case SYS_close:
        if (const auto descriptor = static_cast<unsigned>(call.args[0]); descriptor < descriptors_max)
            rules_of_descriptor[descriptor].store(0, std::memory_order_relaxed);
        return;
    case SYS_close_range:
        if ((call.args[2] & CLOSE_RANGE_CLOEXEC) != 0)
            return; // they stay open
        for (auto descriptor = static_cast<unsigned>(call.args[0]);
             descriptor < descriptors_max && descriptor <= static_cast<unsigned>(call.args[1]); descriptor++)
            rules_of_descriptor[descriptor].store(0, std::memory_order_relaxed);
        return;
    default: // other new descriptors have no path
        return;
    }
    Space space;
    if (space.text() != nullptr)
        look_at_descriptor(call.result, space.text());
}

void find_descriptors() {
    if (!have_paths())
        return;
    Space space;
    for (long descriptor = 0; descriptor < 64; descriptor++)
        look_at_descriptor(descriptor, space.text());
}

} // namespace sc
