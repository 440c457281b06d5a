// loader_watch: notices what the dynamic loader maps and unmaps, by its own calls.
//
//   open ─ mmap (first, offset 0) ─ mmap MAP_FIXED ... ─ close ─ relocations ─ DT_INIT
//                                                        ▲
//   everything is mapped, nothing has run, nobody else knows of it: it is patched here
//
// Works for dlopen, dlmopen and audit libraries alike, since one loader serves them all.
#pragma once

#include "intercept/include/pmemfile-intercept.h"

namespace intercept {

// The loader is about to make this call.
void loader_calls(const intercept_call &call);
// The call has its result, whoever gave it.
void loader_called(const intercept_call &call);
// Is there anything to do afterwards?
bool loader_wants_result(long number);

// From now on objects are covered as they come (or not).
void watch_loader(bool on);

} // namespace intercept
