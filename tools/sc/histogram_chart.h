// histogram_chart: latency histograms as text and as a picture (SVG).
#pragma once

#include "tools/sc/summary.h"

#include <string>

namespace sc {

// One bar a bucket, for each call.
std::string histograms_as_text(const Summary &summary, size_t most_calls);
// A page with one panel for each call, time on a logarithmic axis.
std::string histograms_as_svg(const Summary &summary, size_t most_calls, const std::string &title);
// The latency below which `part` (0 to 1) of the calls were, in ns; within the bucket interpolated.
uint64_t quantile_ns(const SummaryRow &row, double part);

} // namespace sc
