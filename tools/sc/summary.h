// summary: counts and times per call, as the table of `strace -c`.
#pragma once

#include "tools/sc/clock_scale.h"
#include "tools/sc/selection.h"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <map>
#include <string>
#include <vector>

namespace sc {

struct SummaryRow {
    uint64_t calls = 0, errors = 0, nanoseconds = 0, longest_ns = 0;
    std::array<uint64_t, tally_buckets> buckets{}; // [i]: 2^i to 2^(i+1) ns
};

class Summary {
public:
    void add(long number, uint64_t nanoseconds, bool has_failed);
    // What the agents have counted, of the calls in `set`.
    void add_tallies(const Segment &segment, const ClockScale &clock, const CallSet &set);

    // "time", "calls", "errors", "name": by which the rows are ordered.
    std::string table(std::string_view order) const;
    nlohmann::ordered_json json() const;
    // The rows with calls, by falling time.
    std::vector<std::pair<long, SummaryRow>> rows() const;

private:
    std::map<long, SummaryRow> rows_; // unknown numbers of tallies: -1
};

} // namespace sc
