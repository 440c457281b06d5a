#include "tools/sc/summary.h"

#include "tools/sc/decode/call_text.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>

namespace sc {
namespace {

std::string row_name(long number) {
    return number < 0 ? std::string("(unknown numbers)") : call_name(number);
}

unsigned bucket_of(uint64_t nanoseconds) {
    const unsigned bucket = nanoseconds == 0 ? 0 : 63 - static_cast<unsigned>(__builtin_clzll(nanoseconds));
    return std::min(bucket, tally_buckets - 1);
}

} // namespace

void Summary::add(long number, uint64_t nanoseconds, bool has_failed) {
    SummaryRow &row = rows_[number];
    row.calls++;
    row.errors += has_failed ? 1 : 0;
    row.nanoseconds += nanoseconds;
    row.longest_ns = std::max(row.longest_ns, nanoseconds);
    row.buckets[bucket_of(nanoseconds)]++;
}

void Summary::add_tallies(const Segment &segment, const ClockScale &clock, const CallSet &set) {
    for (long number = 0; number <= static_cast<long>(intercept::call_number_limit); number++) {
        const bool is_unknown = number == static_cast<long>(intercept::call_number_limit);
        if (is_unknown ? !set.unknown : !set.contains(number))
            continue;
        SummaryRow sum;
        for (const auto &lane : segment.tallies) {
            const Tally &tally = lane[number];
            sum.calls += tally.calls.load();
            sum.errors += tally.errors.load();
            sum.nanoseconds += clock.nanoseconds(tally.ticks.load());
            sum.longest_ns = std::max(sum.longest_ns, clock.nanoseconds(tally.longest_ticks.load()));
            for (unsigned i = 0; i < tally_buckets; i++)
                sum.buckets[i] += tally.buckets[i].load();
        }
        if (sum.calls != 0)
            rows_[is_unknown ? -1 : number] = sum;
    }
}

std::vector<std::pair<long, SummaryRow>> Summary::rows() const {
    std::vector<std::pair<long, SummaryRow>> sorted(rows_.begin(), rows_.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto &a, const auto &b) { return a.second.nanoseconds > b.second.nanoseconds; });
    return sorted;
}

std::string Summary::table(std::string_view order) const {
    auto sorted = rows();
    auto by = [&](auto &&value) {
        std::stable_sort(sorted.begin(), sorted.end(),
                         [&](const auto &a, const auto &b) { return value(a.second) > value(b.second); });
    };
    if (order == "calls")
        by([](const SummaryRow &row) { return row.calls; });
    else if (order == "errors")
        by([](const SummaryRow &row) { return row.errors; });
    else if (order == "name")
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const auto &a, const auto &b) { return row_name(a.first) < row_name(b.first); });
    SummaryRow total;
    for (const auto &[number, row] : sorted) {
        total.calls += row.calls;
        total.errors += row.errors;
        total.nanoseconds += row.nanoseconds;
    }
    auto seconds = [](uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; };
    std::string text = "% time     seconds  usecs/call     calls    errors syscall\n"
                       "------ ----------- ----------- --------- --------- ----------------\n";
    auto line = [&](const SummaryRow &row, std::string_view name) {
        const double part = total.nanoseconds == 0
                                ? 0
                                : 100 * static_cast<double>(row.nanoseconds) / static_cast<double>(total.nanoseconds);
        fmt::format_to(std::back_inserter(text), "{:6.2f} {:11.6f} {:11.3f} {:9} {:>9} {}\n", part,
                       seconds(row.nanoseconds),
                       row.calls == 0 ? 0 : static_cast<double>(row.nanoseconds) / 1e3 / static_cast<double>(row.calls),
                       row.calls, row.errors == 0 ? std::string() : std::to_string(row.errors), name);
    };
    for (const auto &[number, row] : sorted)
        line(row, row_name(number));
    text += "------ ----------- ----------- --------- --------- ----------------\n";
    line(total, "total");
    return text;
}

nlohmann::ordered_json Summary::json() const {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const auto &[number, row] : rows()) {
        nlohmann::ordered_json object;
        object["call"] = row_name(number);
        object["calls"] = row.calls;
        object["errors"] = row.errors;
        object["nanoseconds"] = row.nanoseconds;
        object["longest_ns"] = row.longest_ns;
        nlohmann::ordered_json buckets = nlohmann::ordered_json::array();
        for (unsigned i = 0; i < tally_buckets; i++)
            if (row.buckets[i] != 0)
                buckets.push_back({{"from_ns", i == 0 ? 0 : uint64_t{1} << i}, {"count", row.buckets[i]}});
        object["histogram"] = std::move(buckets);
        list.push_back(std::move(object));
    }
    return list;
}

} // namespace sc
