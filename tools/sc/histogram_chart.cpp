#include "tools/sc/histogram_chart.h"

#include "tools/sc/decode/call_text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>

namespace sc {
namespace {

constexpr unsigned bar_columns = 50;

std::string time_text(uint64_t nanoseconds) {
    if (nanoseconds < 1000)
        return fmt::format("{} ns", nanoseconds);
    if (nanoseconds < 1000000)
        return fmt::format("{:.3g} us", static_cast<double>(nanoseconds) / 1e3);
    if (nanoseconds < 1000000000)
        return fmt::format("{:.3g} ms", static_cast<double>(nanoseconds) / 1e6);
    return fmt::format("{:.3g} s", static_cast<double>(nanoseconds) / 1e9);
}

std::string row_name(long number) {
    return number < 0 ? std::string("(unknown numbers)") : call_name(number);
}

struct Span {
    unsigned first = tally_buckets, last = 0;
    uint64_t most = 0;
};

Span span_of(const SummaryRow &row) {
    Span span;
    for (unsigned i = 0; i < tally_buckets; i++)
        if (row.buckets[i] != 0) {
            span.first = std::min(span.first, i);
            span.last = i;
            span.most = std::max(span.most, row.buckets[i]);
        }
    return span;
}

std::string escaped(std::string_view text) {
    std::string out;
    for (char c : text)
        switch (c) {
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '&':
            out += "&amp;";
            break;
        default:
            out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
        }
    return out;
}

std::string headline(long number, const SummaryRow &row) {
    return fmt::format("{}: {} calls, {} errors, mean {}, p50 {}, p90 {}, p99 {}, longest {}", row_name(number),
                       row.calls, row.errors, time_text(row.nanoseconds / std::max<uint64_t>(row.calls, 1)),
                       time_text(quantile_ns(row, 0.5)), time_text(quantile_ns(row, 0.9)),
                       time_text(quantile_ns(row, 0.99)), time_text(row.longest_ns));
}

} // namespace

uint64_t quantile_ns(const SummaryRow &row, double part) {
    uint64_t total = 0;
    for (uint64_t count : row.buckets)
        total += count;
    const double wanted = part * static_cast<double>(total);
    double passed = 0;
    for (unsigned i = 0; i < tally_buckets; i++) {
        const auto count = static_cast<double>(row.buckets[i]);
        if (count > 0 && passed + count >= wanted) {
            const double begin = i == 0 ? 0 : std::ldexp(1.0, static_cast<int>(i));
            const double width = std::ldexp(1.0, static_cast<int>(i == 0 ? 1 : i));
            const auto value = static_cast<uint64_t>(begin + width * std::max(0.0, wanted - passed) / count);
            return std::min(value, row.longest_ns);
        }
        passed += count;
    }
    return row.longest_ns;
}

std::string histograms_as_text(const Summary &summary, size_t most_calls) {
    std::string text;
    auto rows = summary.rows();
    if (rows.size() > most_calls)
        rows.resize(most_calls);
    for (const auto &[number, row] : rows) {
        text += headline(number, row) + "\n";
        const Span span = span_of(row);
        for (unsigned i = span.first; i <= span.last && i < tally_buckets; i++) {
            const auto length = static_cast<unsigned>((row.buckets[i] * bar_columns + span.most - 1) / span.most);
            fmt::format_to(std::back_inserter(text), "  {:>8} .. {:<8} {:>9} |{:<50}|\n",
                           time_text(i == 0 ? 0 : uint64_t{1} << i), time_text(uint64_t{1} << (i + 1)), row.buckets[i],
                           std::string(length, '#'));
        }
        text += '\n';
    }
    return text;
}

std::string histograms_as_svg(const Summary &summary, size_t most_calls, const std::string &title) {
    auto rows = summary.rows();
    if (rows.size() > most_calls)
        rows.resize(most_calls);
    Span all;
    for (const auto &[number, row] : rows) {
        const Span span = span_of(row);
        all.first = std::min(all.first, span.first);
        all.last = std::max(all.last, span.last);
    }
    if (rows.empty())
        all.first = all.last = 0;
    constexpr unsigned left = 60, bar = 22, panel = 130, plot = 80;
    const unsigned width = std::max(760u, left + (all.last - all.first + 1) * bar + 40);
    const unsigned height = 50 + static_cast<unsigned>(rows.size()) * panel;
    std::string svg =
        fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
                    "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" "
                    "fill=\"white\"/>\n<text x=\"{2}\" y=\"24\" font-size=\"15\">{3}</text>\n",
                    width, height, left, escaped(title));
    unsigned top = 50;
    for (const auto &[number, row] : rows) {
        const Span span = span_of(row);
        const unsigned base = top + 20 + plot;
        fmt::format_to(std::back_inserter(svg), "<text x=\"{}\" y=\"{}\">{}</text>\n", left, top + 10,
                       escaped(headline(number, row)));
        fmt::format_to(std::back_inserter(svg), "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"gray\">{}</text>\n",
                       left - 6, top + 28, span.most);
        fmt::format_to(std::back_inserter(svg),
                       "<line x1=\"{0}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\" stroke=\"black\"/>\n", left, base,
                       left + (all.last - all.first + 1) * bar);
        for (unsigned i = all.first; i <= all.last; i++) {
            const unsigned x = left + (i - all.first) * bar;
            if (row.buckets[i] != 0) {
                const double tall =
                    std::max(1.0, plot * static_cast<double>(row.buckets[i]) / static_cast<double>(span.most));
                fmt::format_to(
                    std::back_inserter(svg),
                    "<rect x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{:.1f}\" fill=\"#4878a8\"><title>{} to {}: {}"
                    "</title></rect>\n",
                    x + 1, base - tall, bar - 2, tall, time_text(i == 0 ? 0 : uint64_t{1} << i),
                    time_text(uint64_t{1} << (i + 1)), row.buckets[i]);
            }
            if ((i - all.first) % 3 == 0)
                fmt::format_to(std::back_inserter(svg), "<text x=\"{}\" y=\"{}\" fill=\"gray\">{}</text>\n", x,
                               base + 13, time_text(i == 0 ? 0 : uint64_t{1} << i));
        }
        top += panel;
    }
    return svg + "</svg>\n";
}

} // namespace sc
