// ledger: what became of the calls, for people who ask (process/switches.h).
//
// A refusal is not every error: it is a call on a file of ours that Linux could serve and we do
// not. Handlers say so with refused() (calls/handler.h).
#pragma once

#include "posix-shim/calls/handler.h"
#include "posix-shim/table/row.h"

#include <string_view>

namespace shim {

constexpr size_t ledger_path_bytes = 512;

struct Ledger {
    bool counts = false;    // PMEMFILE_REPORT: every call is counted
    bool is_strict = false; // PMEMFILE_STRICT: the first refused or unknown call ends the process
    bool is_logged = false; // PMEMFILE_LOG
    // Where lines go: an absolute path of the host, or empty: standard error, as it was at the start.
    char report_path[ledger_path_bytes] = {};
    char log_path[ledger_path_bytes] = {};
    // A descriptor of ours: many programs close theirs before they end, or give the number another file.
    int standard_error = -1;

    // False: a call that is not refused need not be shown to ledger_note.
    bool is_kept() const {
        return (static_cast<unsigned>(counts) | static_cast<unsigned>(is_strict)) != 0;
    }
};
// Set once, before the hooks start.
extern constinit Ledger ledger;

// A call has been answered: `result` as handlers give it. `row` null: Linux has no such number. Does
// not return when the ledger is strict and the call was refused.
void ledger_note(const Request &request, const Row *row, long result);
// A line of the log, if there is one: "pmemfile: AREA: PID: WHAT: WHY".
void ledger_log(std::string_view area, std::string_view what, std::string_view why);
// Writes the counts, if they are kept and there are any, and forgets them.
void ledger_report(std::string_view occasion);
// In a fork child: what the parent counted is the parent's.
void ledger_forget();

} // namespace shim
