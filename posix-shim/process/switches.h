// switches: what people may ask of the shim beside the pools, by the environment. They reach
// every program below, also where one in between makes its environment anew.
//
//   PMEMFILE_DISABLE=1        no program sees a pool
//   PMEMFILE_BYPASS=a:/b/c    programs, by name or whole path, that see no pool; their children do again
//   PMEMFILE_LOG=1|PATH       a line for each call that is refused and each program that goes round us
//   PMEMFILE_STRICT=1         the first call that is refused or unknown ends the process (SIGABRT)
//   PMEMFILE_REPORT=1|PATH    at the end of a process or image: how many calls were served, passed, refused
//
//   INTERCEPT_LEVELS, INTERCEPT_LAUNCHER  the interceptor's; only handed on from here
//
// 1: to standard error. PATH: an absolute path of the host; lines are added. 0 or empty: not set.
#pragma once

#include <string_view>

namespace shim {

constexpr unsigned switch_count = 7;

// Reads them, and fills the ledger (table/ledger.h). False: this program is to be left alone. Constructor time.
bool switches_read(char **environment);
// For the environment of the programs we exec: "NAME=value" of switch `index` as it was at our start, null: not set.
const char *switch_text(unsigned index);
// Which switch the variable `text` ("NAME=value", cut or not) is; -1: none.
int switch_of(std::string_view text);

} // namespace shim
