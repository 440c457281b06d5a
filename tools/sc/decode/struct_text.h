// struct_text: the kernel's structures as text, in the notation of strace(1).
#pragma once

#include "intercept/calls/call_description.h"
#include "tools/sc/decode/event.h"

#include <string>

namespace sc {

// "ab\n" in quotes, with C escapes; `is_cut` adds "...". `as_hex`: every byte as \xNN.
void append_quoted(std::string &to, std::string_view bytes, bool is_cut, bool as_hex = false);
// 0x7f.., NULL for 0.
void append_pointer(std::string &to, uint64_t address);

// Each writes the structure in `part`, or nothing and says false where it is too short.
bool append_structure(std::string &to, intercept::ArgumentKind kind, const EventPart &part);
void append_signal_set(std::string &to, uint64_t bits);
void append_socket_address(std::string &to, std::string_view bytes);
void append_mode(std::string &to, uint32_t mode);
void append_octal(std::string &to, uint64_t value);
void append_wait_status(std::string &to, int status);

} // namespace sc
