#include "bench/ratio_table.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ostream.h>

namespace bench {

namespace {
double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}
} // namespace

void RatioTable::ReportRuns(const std::vector<Run> &runs) {
    for (const Run &run : runs) {
        if (run.run_type != Run::RT_Iteration || run.error_occurred)
            continue;
        const std::string name =
            run.run_name.function_name + (run.run_name.args.empty() ? "" : "/") + run.run_name.args;
        const size_t slash = name.find('/');
        const std::string target = name.substr(0, slash);
        // Of the processor: what others on the machine take meanwhile does not count.
        times_ns_[name.substr(slash + 1)][target].push_back(run.GetAdjustedCPUTime());
    }
}

void RatioTable::Finalize() {
    std::ostream &out = GetOutputStream();
    fmt::print(out, "{:<22} {:>11} {:>11} {:>11} {:>8} {:>8}\n", "case", "library ns", "tmpfs ns", "floor ns", "/tmpfs",
               "/floor");
    for (auto &[one, targets] : times_ns_) {
        const auto time = [&times = targets](const char *target) {
            return times.contains(target) ? median(times[target]) : 0;
        };
        const double library = time("Library");
        const auto column = [&](double value, const char *format) {
            return value > 0 ? fmt::format(fmt::runtime(format), value) : std::string("-");
        };
        const auto ratio = [&](double other) { return library > 0 && other > 0 ? library / other : 0; };
        fmt::print(out, "{:<22} {:>11} {:>11} {:>11} {:>8} {:>8}\n", one, column(library, "{:.0f}"),
                   column(time("Posix"), "{:.0f}"), column(time("Floor"), "{:.0f}"),
                   column(ratio(time("Posix")), "{:.2f}"), column(ratio(time("Floor")), "{:.2f}"));
    }
}

} // namespace bench
