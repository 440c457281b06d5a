// agent: the preloaded half of `sc`.
//
//   constructor: PMEMFILE_SC ─► segment ─► one hook ─► intercept_start
//   hook:  fault rules ─► note the call ─► kernel ─► post: record, count
//
// Without the variable, or with one that names no segment of ours, the program runs as if
// the library were not there.
#include "tools/sc/agent/agent.h"

#include "base/log.h"
#include "intercept/include/pmemfile-intercept.h"
#include "tools/sc/agent/capture.h"
#include "tools/sc/agent/faults.h"
#include "tools/sc/agent/following.h"
#include "tools/sc/agent/own_number.h"
#include "tools/sc/agent/recorder.h"
#include "tools/sc/agent/user_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

namespace sc {

Segment *segment;
constinit thread_local ThreadState thread_state = {};

namespace {

// What post needs to know, in `opaque` (or `fork_kept`): 56 bits of time since the segment's beginning,
// the record's flags, the rule that delays.
constexpr unsigned flags_shift = 56, rule_shift = 60;
constexpr uint64_t ticks_mask = (uint64_t{1} << flags_shift) - 1;

bool is_wanted(long number) {
    const Settings &settings = segment->settings;
    return number >= 0 && number < static_cast<long>(intercept::call_number_limit) ? settings.calls[number] != 0
                                                                                   : settings.unknown_calls != 0;
}

bool is_exec(long number) {
    return number == SYS_execve || number == SYS_execveat;
}

bool makes_process(long number) {
    return number == SYS_fork || number == SYS_vfork || number == SYS_clone || number == SYS_clone3;
}

void count(ThreadState &state, long number, uint64_t ticks, long result) {
    const auto row = number >= 0 && number < static_cast<long>(intercept::call_number_limit)
                         ? static_cast<unsigned>(number)
                         : intercept::call_number_limit;
    Tally &tally = segment->tallies[static_cast<unsigned>(state.thread) % tally_lanes][row];
    tally.calls.fetch_add(1, std::memory_order_relaxed);
    if (base::is_error(result))
        tally.errors.fetch_add(1, std::memory_order_relaxed);
    tally.ticks.fetch_add(ticks, std::memory_order_relaxed);
    for (uint64_t most = tally.longest_ticks.load(std::memory_order_relaxed);
         most < ticks && !tally.longest_ticks.compare_exchange_weak(most, ticks, std::memory_order_relaxed);) {
    }
    __extension__ using Wide = unsigned __int128;
    const auto nanoseconds = static_cast<uint64_t>(static_cast<Wide>(ticks) * segment->settings.ticks_scale >> 32);
    const unsigned bucket = nanoseconds == 0 ? 0 : 63 - static_cast<unsigned>(__builtin_clzll(nanoseconds));
    tally.buckets[std::min(bucket, tally_buckets - 1)].fetch_add(1, std::memory_order_relaxed);
}

void count_failed_exec(ThreadState &state, long number) {
    segment->tallies[static_cast<unsigned>(state.thread) % tally_lanes][number].errors.fetch_add(
        1, std::memory_order_relaxed);
}

struct Event {
    RecordType type;
    uint64_t begin_ticks, end_ticks;
    uint8_t flags;
};

void record(ThreadState &state, const intercept_call &call, const Event &event, CaptureList &list) {
    Reserved reserved = reserve_record(state, list.parts_bytes);
    if (reserved.record == nullptr)
        return;
    Record &out = *reserved.record;
    out.begin_ticks = event.begin_ticks;
    out.end_ticks = event.end_ticks;
    out.number = static_cast<int32_t>(call.nr);
    out.type = event.type;
    out.flags = static_cast<uint8_t>(event.flags | state.number_flags);
    for (int i = 0; i < 6; i++)
        out.args[i] = call.args[i];
    out.result = call.result;
    copy_captures(list, out);
    commit_record(reserved);
}

void record_call(ThreadState &state, const intercept_call &call, const Event &event) {
    CaptureList list;
    list_captures(call, event.type == RecordType::enter, list);
    record(state, call, event, list);
}

// A process that has just begun: by fork, then `parent` is known, or by exec, then the program and
// its directory are.
void record_start(ThreadState &state, int32_t parent, const char *program, const char *directory) {
    intercept_call call = {};
    call.nr = parent;
    const uint64_t now = ticks_now(segment->settings);
    CaptureList list;
    if (program != nullptr)
        list.add(0, 0, reinterpret_cast<uint64_t>(program), strlen(program), false, true);
    if (directory != nullptr)
        list.add(1, 0, reinterpret_cast<uint64_t>(directory), strlen(directory), false, true);
    record(state, call, {RecordType::start, now, now, 0}, list);
}

bool is_followed(const ThreadState &state) {
    return segment->settings.follow != 0 || state.process == segment->settings.first_process;
}

// Also when nobody wants to see it: sc has to know what became of the process.
void prepare_exec(ThreadState &state, intercept_call &call, const Event &event) {
    const intercept_call asked = call;
    const unsigned variables = follow_exec(state, call);
    if (segment->settings.trace_events != 0) {
        CaptureList list;
        list_captures(asked, true, list);
        list.add(call.nr == SYS_execve ? 2 : 3, part_number, variables, 0, false, true);
        Event begun = event;
        if (is_other_user())
            begun.flags = static_cast<uint8_t>(begun.flags | record_other_user);
        record(state, asked, begun, list);
    }
    if (is_wanted(call.nr) && segment->settings.tally != 0)
        count(state, call.nr, 0, 0);
}

// A filter of system calls may not expect ours.
bool installs_filter(const intercept_call &call) {
    return call.nr == SYS_seccomp || (call.nr == SYS_prctl && call.args[0] == PR_SET_SECCOMP);
}

// The thread's state; `own` if that is not in thread-local storage.
ThreadState &current_state(ThreadState &own) {
    if (!thread_state.is_shared) [[likely]]
        return thread_state;
    own = thread_state;
    own.exec_scratch = nullptr; // whose it is, nobody knows
    thread_begin(own);
    return own;
}

int on_call(intercept_call *call) {
    ThreadState own;
    ThreadState &state = current_state(own);
    if (state.process == 0)
        thread_begin(state);
    if (!is_followed(state) || segment->detached.load(std::memory_order_relaxed) != 0)
        return INTERCEPT_PASS;
    const Settings &settings = segment->settings;
    const long number = call->nr;
    const bool wanted = is_wanted(number);
    const bool traced = wanted && settings.trace_events != 0;
    const FaultAnswer answer = settings.rule_count != 0 ? apply_faults(*call) : FaultAnswer{};
    const uint64_t begin = ticks_now(settings);
    if (answer.is_handled) {
        if (traced)
            record_call(state, *call, {RecordType::call, begin, begin, answer.record_flags});
        if (wanted && settings.tally != 0)
            count(state, number, 0, call->result);
        if (answer.delay_exit_ns != 0)
            delay(answer.delay_exit_ns);
        return INTERCEPT_HANDLED;
    }
    if (installs_filter(*call)) {
        forbid_memory_reads();
        forbid_asking();
    }
    if (number == SYS_exit || number == SYS_exit_group) {
        if (settings.trace_events != 0)
            record_call(state, *call, {RecordType::enter, begin, begin, answer.record_flags});
        if (wanted && settings.tally != 0)
            count(state, number, 0, 0);
        leave_call(state);
        return INTERCEPT_PASS;
    }
    if (is_exec(number))
        prepare_exec(state, *call, {RecordType::enter, begin, begin, answer.record_flags});
    const uint64_t kept = ((begin - settings.base_ticks) & ticks_mask) | uint64_t{answer.record_flags} << flags_shift |
                          uint64_t{answer.rule} << rule_shift;
    if (makes_process(number))
        thread_state.fork_kept = kept;
    else
        call->opaque = reinterpret_cast<const void *>(kept);
    if (traced)
        enter_call(state, static_cast<int32_t>(number), call->args, begin);
    return INTERCEPT_PASS_POST;
}

uint64_t clone_flags(const intercept_call &call) {
    uint64_t flags = 0;
    if (call.nr == SYS_vfork)
        flags = CLONE_VM | CLONE_VFORK;
    else if (call.nr == SYS_clone)
        flags = static_cast<uint64_t>(call.args[0]);
    else if (call.nr == SYS_clone3)
        memcpy(&flags, reinterpret_cast<const void *>(call.args[0]), sizeof flags); // the kernel has read it
    return flags;
}

// The parent waits until the child has memory of its own.
bool is_vfork(const intercept_call &call) {
    constexpr uint64_t wanted = CLONE_VM | CLONE_VFORK;
    return (clone_flags(call) & wanted) == wanted;
}

// In the child. With memory of its own it takes a ring of its own.
void begin_child(const intercept_call &call) {
    const int32_t parent = thread_state.process;
    // A new thread has storage of its own, and clone3's arguments lie on the stack of its parent, which has gone on.
    if (parent != 0) {
        const uint64_t flags = clone_flags(call);
        if ((flags & CLONE_VM) == 0)
            thread_state = {};
        else if ((flags & CLONE_VFORK) == 0)
            thread_state.is_shared = true;
    }
    ThreadState own;
    ThreadState &state = current_state(own);
    if (!state.is_shared)
        thread_begin(state);
    if (state.process != parent && state.process == state.thread && is_followed(state) &&
        segment->settings.trace_events != 0)
        record_start(state, parent, nullptr, nullptr);
}

void after_call(intercept_call *call) {
    if (makes_process(call->nr) && call->result == 0) {
        begin_child(*call);
        return;
    }
    ThreadState own;
    ThreadState &state = current_state(own);
    const Settings &settings = segment->settings;
    uint64_t kept = thread_state.fork_kept;
    if (makes_process(call->nr)) {
        thread_state.fork_kept &= ticks_mask; // the next one has been asked about, or it has no rule
        // A vfork child has put its own numbers there.
        if (state.process == 0 || (!state.is_shared && !base::is_error(call->result) && is_vfork(*call))) {
            thread_begin(state);
            release_exec(state);
        }
    } else {
        kept = reinterpret_cast<uint64_t>(call->opaque);
    }
    const uint64_t begin = (kept & ticks_mask) + settings.base_ticks;
    const auto flags = static_cast<uint8_t>(kept >> flags_shift & 15);
    const auto rule = static_cast<unsigned>(kept >> rule_shift);
    if (is_exec(call->nr))
        release_exec(state);
    const uint64_t end = ticks_now(settings);
    if (is_wanted(call->nr) || is_exec(call->nr) || makes_process(call->nr)) {
        if (settings.trace_events != 0)
            record_call(state, *call, {RecordType::call, begin, end, flags});
        if (settings.tally != 0 && is_wanted(call->nr)) {
            if (is_exec(call->nr)) // it was counted when it began, for most do not come back
                count_failed_exec(state, call->nr);
            else
                count(state, call->nr, end - begin, call->result);
        }
        leave_call(state);
    }
    if (settings.rule_count != 0)
        note_descriptors(*call);
    if ((flags & record_delayed) != 0)
        delay(settings.rules[rule].delay_exit_ns);
}

// Numbers to hook: what is wanted, what rules name, and what is needed to follow.
size_t list_calls(long *numbers) {
    const Settings &settings = segment->settings;
    size_t count = 0;
    const bool have_rules = settings.rule_count != 0;
    for (long number = 0; number < static_cast<long>(intercept::call_number_limit); number++) {
        bool wanted = settings.calls[number] != 0 || is_exec(number) || makes_process(number) || number == SYS_exit ||
                      number == SYS_exit_group || number == SYS_seccomp || number == SYS_prctl;
        for (uint32_t i = 0; i < settings.rule_count; i++)
            wanted |= settings.rules[i].calls[number] != 0;
        // What makes and ends descriptors, for rules that name a file.
        wanted |= have_rules && (number == SYS_open || number == SYS_openat || number == SYS_openat2 ||
                                 number == SYS_creat || number == SYS_dup || number == SYS_dup2 || number == SYS_dup3 ||
                                 number == SYS_fcntl || number == SYS_close || number == SYS_close_range);
        if (wanted)
            numbers[count++] = number;
    }
    return count;
}

void complain(const char *path, const char *what) {
    base::LogLine("sc").text(segment_variable).text("=").text(path).text(": ").text(what).text("; not traced").write();
}

// Maps the file that the variable names; null after a complaint.
Segment *map_segment(const char *path) {
    long file = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (base::is_error(file)) {
        // The command has gone and this process goes on: nobody to tell, nothing wrong.
        if (file != -ENOENT)
            complain(path, "cannot be opened");
        return nullptr;
    }
    struct stat status;
    Segment *found = nullptr;
    const char *problem = "is no segment of this version of sc";
    if (base::raw_syscall(SYS_fstat, file, base::as_long(&status)) == 0 && S_ISREG(status.st_mode) &&
        status.st_uid == static_cast<uid_t>(base::raw_syscall(SYS_geteuid)) &&
        status.st_size > static_cast<off_t>(sizeof(Segment))) {
        long memory = base::raw_syscall(SYS_mmap, 0, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (!base::is_error(memory)) {
            found = reinterpret_cast<Segment *>(memory);
            if (found->magic != segment_magic || found->version != segment_version ||
                found->header_bytes != sizeof(Segment) || found->size_bytes != static_cast<uint64_t>(status.st_size) ||
                found->settings.ring_count == 0 || found->settings.ring_count > rings_max ||
                found->settings.ring_bytes < ring_bytes_min || found->settings.rule_count > fault_rules_max ||
                segment_bytes(found->settings) != static_cast<size_t>(status.st_size)) {
                base::raw_syscall(SYS_munmap, memory, status.st_size);
                found = nullptr;
            }
        } else {
            problem = "cannot be mapped";
        }
    }
    base::raw_syscall(SYS_close, file);
    if (found == nullptr)
        complain(path, problem);
    return found;
}

__attribute__((constructor)) void start() {
    const char *path = secure_getenv(segment_variable);
    if (path == nullptr || path[0] == 0 || strlen(path) >= path_bytes_max)
        return;
    segment = map_segment(path);
    if (segment == nullptr || segment->detached.load() != 0)
        return;
    remember_segment_path(path);
    remember_user();
    thread_begin(thread_state);
    if (!is_followed(thread_state))
        return;
    find_descriptors();
    long numbers[intercept::call_number_limit];
    const size_t count = list_calls(numbers);
    const bool everything = segment->settings.unknown_calls != 0;
    intercept_hook hook{nullptr, on_call, after_call, 0, everything ? nullptr : numbers, everything ? 0 : count};
    int status = intercept_add(&hook);
    if (status >= 0)
        status = intercept_start();
    if (status != 0)
        base::LogLine("sc").text("not all calls are seen: error ").number(-status).write();
    segment->attached.fetch_add(1);
    if (segment->settings.trace_events != 0) {
        char program[path_bytes_max], directory[path_bytes_max];
        long length = base::raw_syscall(SYS_readlink, base::as_long("/proc/self/exe"), base::as_long(program),
                                        sizeof program - 1);
        program[length > 0 ? length : 0] = 0;
        length = base::raw_syscall(SYS_getcwd, base::as_long(directory), sizeof directory);
        directory[length > 0 ? length - 1 : 0] = 0;
        record_start(thread_state, 0, program, directory);
    }
}

} // namespace

void thread_begin(ThreadState &state) {
    ask_own_number(state);
    if (state.ring_plus_one == 0)
        state.ring_plus_one = segment->next_ring.fetch_add(1) % segment->settings.ring_count + 1;
}

} // namespace sc
