#include "tools/sc/fault_text.h"

#include "tools/sc/decode/names.h"
#include "tools/sc/selection.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <unistd.h>

namespace sc {
namespace {

// The texts of the rules, for the report; the agents do not need them.
std::string rule_texts[fault_rules_max];

template <typename Number> Number number_of(std::string_view text, std::string_view what, Number least, Number most) {
    Number value{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty() || !(value >= least && value <= most))
        throw BadExpression(fmt::format("'{}' is no {}", text, what));
    return value;
}

// "10ms", "2s", "500us", "100ns"; without a unit microseconds, as strace has it.
uint64_t nanoseconds_of(std::string_view text) {
    static constexpr std::pair<std::string_view, uint64_t> units[] = {
        {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    uint64_t unit = 1000;
    std::string_view digits = text;
    for (auto [name, size] : units)
        if (text.ends_with(name)) {
            unit = size;
            digits.remove_suffix(name.size());
            break;
        }
    const auto value = number_of<uint64_t>(digits, "time", 0, 86400000000);
    if (value > uint64_t{86400} * 1000000000 / unit)
        throw BadExpression(fmt::format("'{}' is longer than a day", text));
    return value * unit;
}

// N, N+, N+STEP, N..M, N..M+STEP
void parse_when(FaultRule &rule, std::string_view text) {
    const std::string whole(text);
    constexpr uint64_t most = UINT64_MAX / 4;
    auto count = [&](std::string_view part) {
        try {
            return number_of<uint64_t>(part, "count", 1, most);
        } catch (const BadExpression &) {
            throw BadExpression(
                fmt::format("when={}: one of N, N+, N+STEP, N..M, N..M+STEP is wanted, from 1 on", whole));
        }
    };
    rule.last = UINT64_MAX;
    rule.step = 0;
    if (size_t plus = text.find('+'); plus != std::string_view::npos) {
        rule.step = plus + 1 == text.size() ? 1 : count(text.substr(plus + 1));
        text = text.substr(0, plus);
    }
    if (size_t dots = text.find(".."); dots != std::string_view::npos) {
        rule.last = count(text.substr(dots + 2));
        text = text.substr(0, dots);
        if (rule.step == 0)
            rule.step = 1;
    }
    rule.first = count(text);
    if (rule.last < rule.first)
        throw BadExpression(fmt::format("when={}: the last comes before the first", whole));
}

void set_action(FaultRule &rule, FaultKind kind, int64_t value) {
    if (rule.kind != FaultKind::none)
        throw BadExpression("error, retval and short exclude each other");
    rule.kind = kind;
    rule.value = value;
}

void set_path(FaultRule &rule, std::string_view text) {
    if (text.empty())
        throw BadExpression("path= without a path");
    const std::string path = absolute(text);
    if (path.size() >= rule_path_bytes)
        throw BadExpression(fmt::format("a path of more than {} bytes", rule_path_bytes - 1));
    rule.path_is_directory = text.ends_with('/') ? 1 : 0;
    rule.path_bytes = static_cast<uint32_t>(path.size());
    memcpy(rule.path, path.data(), path.size());
}

void set_property(FaultRule &rule, std::string_view name, std::string_view value) {
    if (name == "error") {
        int number = errno_number(value);
        if (number == 0)
            number = number_of<int>(value, "error (as EIO, or 1 to 4095)", 1, 4095);
        set_action(rule, FaultKind::error, number);
    } else if (name == "retval") {
        set_action(rule, FaultKind::result, number_of<int64_t>(value, "result", INT64_MIN, INT64_MAX));
    } else if (name == "short") {
        set_action(rule, FaultKind::shorten, number_of<int64_t>(value, "number of bytes", 0, INT64_MAX));
    } else if (name == "delay" || name == "delay_enter") {
        rule.delay_enter_ns = nanoseconds_of(value);
    } else if (name == "delay_exit") {
        rule.delay_exit_ns = nanoseconds_of(value);
    } else if (name == "signal") {
        rule.signal = signal_number(value);
        if (rule.signal == 0)
            rule.signal = number_of<int>(value, "signal", 1, 64);
    } else if (name == "when") {
        parse_when(rule, value);
    } else if (name == "prob") {
        const double part = number_of<double>(value, "probability (0 to 1)", 0.0, 1.0);
        rule.chance = static_cast<uint64_t>(std::llround(part * 4294967296.0));
    } else if (name == "seed") {
        rule.seed = number_of<uint64_t>(value, "seed", 0, UINT64_MAX);
    } else if (name == "path") {
        set_path(rule, value);
    } else if (name == "fd") {
        rule.descriptor = number_of<int>(value, "descriptor", 0, INT32_MAX);
    } else {
        throw BadExpression(fmt::format("'{}' is none of error, retval, short, delay_enter, delay_exit, signal, when, "
                                        "prob, seed, path, fd",
                                        name));
    }
}

} // namespace

void add_fault(Settings &settings, std::string_view text, bool is_fault) {
    if (settings.rule_count == fault_rules_max)
        throw BadExpression(fmt::format("more than {} rules", fault_rules_max));
    FaultRule rule{};
    rule.first = rule.step = 1;
    rule.last = UINT64_MAX;
    rule.chance = uint64_t{1} << 32;
    rule.descriptor = -1;
    const std::string_view whole = text;
    const std::string_view set = text.substr(0, text.find(':'));
    try {
        const CallSet calls = parse_calls(set);
        for (unsigned number = 0; number < intercept::call_number_limit; number++)
            rule.calls[number] = calls.calls[number] ? 1 : 0;
        text.remove_prefix(std::min(set.size() + 1, text.size()));
        std::set<std::string_view> names;
        while (!text.empty()) {
            const std::string_view item = text.substr(0, text.find(':'));
            const size_t equals = item.find('=');
            if (equals == std::string_view::npos)
                throw BadExpression(fmt::format("'{}' is not of the form NAME=VALUE", item));
            const std::string_view name = item.substr(0, equals);
            if (!names.insert(name == "delay" ? "delay_enter" : name).second)
                throw BadExpression(fmt::format("{}= twice", name));
            set_property(rule, name, item.substr(equals + 1));
            text.remove_prefix(std::min(item.size() + 1, text.size()));
        }
        const bool acts =
            rule.kind != FaultKind::none || rule.signal != 0 || (rule.delay_enter_ns | rule.delay_exit_ns) != 0;
        if (!acts && !is_fault)
            throw BadExpression(
                "nothing is to happen: error=, retval=, short=, delay_enter=, delay_exit= or signal= is missing");
        if (!acts) {
            rule.kind = FaultKind::error;
            rule.value = 38; // ENOSYS, as strace
        }
    } catch (const BadExpression &error) {
        throw BadExpression(fmt::format("rule '{}': {}", whole, error.what()));
    }
    rule_texts[settings.rule_count] = whole;
    settings.rules[settings.rule_count++] = rule;
}

std::string faults_as_text(const Segment &segment) {
    std::string text;
    for (uint32_t i = 0; i < segment.settings.rule_count; i++)
        text += fmt::format("sc: {}: acted on {} of {} calls\n", rule_texts[i], segment.rule_hits[i].load(),
                            segment.rule_matches[i].load());
    return text;
}

nlohmann::ordered_json faults_as_json(const Segment &segment) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (uint32_t i = 0; i < segment.settings.rule_count; i++)
        list.push_back({{"rule", rule_texts[i]},
                        {"matched", segment.rule_matches[i].load()},
                        {"acted", segment.rule_hits[i].load()}});
    return list;
}

} // namespace sc
