// ratio_table: prints one line for each case at the end of the run: the library's time, and what
// it is as a part of tmpfs's and as a multiple of the floor's. --benchmark_out has the single runs.
#pragma once

#include <benchmark/benchmark.h>
#include <map>
#include <string>
#include <vector>

namespace bench {

// Names are TARGET/CASE. With repetitions the medians are compared.
class RatioTable : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(const Context &) override {
        return true;
    }
    void ReportRuns(const std::vector<Run> &runs) override;
    void Finalize() override;

private:
    std::vector<std::string> order_;                                             // of cases
    std::map<std::string, std::map<std::string, std::vector<double>>> times_ns_; // case, target
};

} // namespace bench
