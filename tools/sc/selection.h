// selection: which calls are wanted, as -e and its kin say it.
#pragma once

#include "tools/sc/agent/segment.h"

#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sc {

// Words that make no sense; the text is for the user.
struct BadExpression : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A set of calls: "all", "none", names, "%class" or "class", "/regex", several with commas, all
// of it negated by "!" in front.
struct CallSet {
    bool calls[intercept::call_number_limit] = {};
    bool unknown = false; // numbers beyond the list

    bool contains(long number) const {
        return number >= 0 && number < static_cast<long>(intercept::call_number_limit) ? calls[number] : unknown;
    }
};
// Throws BadExpression.
CallSet parse_calls(std::string_view text);

// What one event must be to be shown. Empty sets: any.
struct Selection {
    CallSet calls = parse_calls("all");
    std::set<int> descriptors;
    std::set<int> processes;
    std::vector<std::string> paths; // absolute
    bool only_failed = false, only_successful = false;
};

// One word behind -e: "trace=SET", "SET", "fd=N,..", "pid=N,..", "path=PATH". Throws BadExpression.
void add_expression(Selection &selection, std::string_view text);
// Absolute, without "." and "..".
std::string absolute(std::string_view path);

// "a,b,c". Throws BadExpression when one is no number.
std::set<int> parse_numbers(std::string_view text, std::string_view what);

} // namespace sc
