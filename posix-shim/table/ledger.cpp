// A report is a line for the process and one for each call that was made:
//
//   pmemfile: report: 4711 exit: 12 served, 30 passed, 1 refused
//   pmemfile: report: 4711 openat: 4 served, 2 passed, 0 refused
//
// Files are opened for each line or report and closed again: a descriptor kept would be one more
// number that the program can close.
#include "posix-shim/table/ledger.h"

#include "base/log.h"
#include "base/raw_syscall.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <fcntl.h>

namespace shim {

constinit Ledger ledger;

namespace {

enum Outcome : uint8_t { served, passed, was_refused, outcome_count };
constexpr unsigned unknown_numbers = call_number_limit; // counted together

constinit std::atomic<uint32_t> counts[call_number_limit + 1][outcome_count];

class Output {
public:
    explicit Output(const char *path) {
        if (path[0] == 0)
            return;
        opened_ = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path),
                                    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    }
    ~Output() {
        if (opened_ >= 0)
            base::raw_syscall(SYS_close, opened_);
    }
    Output(const Output &) = delete;
    Output &operator=(const Output &) = delete;
    void line(base::LogLine &line) const {
        line.write(opened_ >= 0 ? static_cast<int>(opened_) : ledger.standard_error);
    }

private:
    long opened_ = -1;
};

std::string_view name_of_error(long result) {
    const char *name = strerrorname_np(static_cast<int>(-result));
    return name != nullptr ? name : "an error";
}

void add_counts(base::LogLine &line, const uint64_t (&sums)[outcome_count]) {
    line.text(": ").number(static_cast<int64_t>(sums[served])).text(" served, ");
    line.number(static_cast<int64_t>(sums[passed])).text(" passed, ");
    line.number(static_cast<int64_t>(sums[was_refused])).text(" refused");
}

std::string_view name_of(long number) {
    const Row *row = row_of(number);
    return row != nullptr ? row->name : "unknown";
}

} // namespace

void ledger_note(const Request &request, const Row *row, long result) {
    const bool is_refused = request.refusal != nullptr;
    if (ledger.counts) {
        const unsigned number = row != nullptr ? static_cast<unsigned>(row->number) : unknown_numbers;
        const bool is_passed = result == pass_to_kernel || result == pass_with_post;
        counts[number][is_refused ? was_refused : is_passed ? passed : served].fetch_add(1, std::memory_order_relaxed);
    }
    if (!is_refused && row != nullptr)
        return;
    const std::string_view name = row != nullptr ? row->name : "a call that is not in the table";
    const std::string_view why = is_refused ? request.refusal : "passed to the kernel";
    const Output log(ledger.log_path);
    if (ledger.is_logged) {
        base::LogLine line("refused");
        line.number(base::raw_syscall(SYS_getpid)).text(" ").text(name).text(" (").number(request.number).text("): ");
        if (is_refused)
            line.text(name_of_error(result)).text(": ");
        log.line(line.text(why));
    }
    if (!ledger.is_strict)
        return;
    base::LogLine("strict")
        .text(name)
        .text(" (")
        .number(request.number)
        .text("): ")
        .text(why)
        .write(ledger.standard_error);
    base::raw_syscall(SYS_tgkill, base::raw_syscall(SYS_getpid), base::raw_syscall(SYS_gettid), SIGABRT);
    __builtin_trap();
}

void ledger_log(std::string_view area, std::string_view what, std::string_view why) {
    if (!ledger.is_logged)
        return;
    const Output log(ledger.log_path);
    base::LogLine line(area);
    log.line(line.number(base::raw_syscall(SYS_getpid)).text(" ").text(what).text(": ").text(why));
}

void ledger_report(std::string_view occasion) {
    if (!ledger.counts)
        return;
    uint64_t sums[outcome_count] = {};
    for (const auto &of_number : counts)
        for (unsigned i = 0; i < outcome_count; i++)
            sums[i] += of_number[i].load();
    if (sums[served] + sums[passed] + sums[was_refused] == 0)
        return;
    const Output output(ledger.report_path);
    const long process = base::raw_syscall(SYS_getpid);
    base::LogLine whole("report");
    whole.number(process).text(" ").text(occasion);
    add_counts(whole, sums);
    output.line(whole);
    for (unsigned number = 0; number <= call_number_limit; number++) {
        uint64_t own[outcome_count];
        uint64_t all = 0;
        for (unsigned i = 0; i < outcome_count; i++) {
            own[i] = counts[number][i].exchange(0);
            all += own[i];
        }
        if (all == 0)
            continue;
        base::LogLine line("report");
        line.number(process).text(" ").text(name_of(number));
        add_counts(line, own);
        output.line(line);
    }
}

void ledger_forget() {
    if (!ledger.counts)
        return;
    for (auto &of_number : counts)
        for (std::atomic<uint32_t> &count : of_number)
            count.store(0);
}

} // namespace shim
