#include "tools/sc/selection.h"

#include "intercept/calls/call_description.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <regex>

namespace sc {

using intercept::call_descriptions;
using intercept::CallDescription;

namespace {

constexpr std::pair<std::string_view, intercept::CallClass> class_names[] = {
    {"file", intercept::class_file},
    {"desc", intercept::class_descriptor},
    {"descriptor", intercept::class_descriptor},
    {"process", intercept::class_process},
    {"network", intercept::class_network},
    {"net", intercept::class_network},
    {"memory", intercept::class_memory},
    {"signal", intercept::class_signal},
    {"ipc", intercept::class_ipc},
    {"creds", intercept::class_credentials},
    {"clock", intercept::class_clock},
};

template <typename Wanted> bool add_where(CallSet &set, Wanted &&wanted) {
    bool found = false;
    for (const CallDescription &call : call_descriptions)
        if (wanted(call)) {
            set.calls[call.number] = true;
            found = true;
        }
    return found;
}

// The name that needs the fewest changes, for "did you mean".
std::string nearest_name(std::string_view text) {
    std::string best;
    size_t least = 3;
    for (const CallDescription &call : call_descriptions) {
        std::vector<size_t> row(call.name.size() + 1);
        for (size_t j = 0; j < row.size(); j++)
            row[j] = j;
        for (size_t i = 0; i < text.size(); i++) {
            size_t diagonal = row[0];
            row[0] = i + 1;
            for (size_t j = 0; j < call.name.size(); j++) {
                const size_t above = row[j + 1];
                row[j + 1] = std::min({row[j] + 1, above + 1, diagonal + (text[i] != call.name[j] ? 1 : 0)});
                diagonal = above;
            }
        }
        if (row.back() < least) {
            least = row.back();
            best = call.name;
        }
    }
    return best;
}

void add_item(CallSet &set, std::string_view item) {
    const bool is_class = item.starts_with('%');
    const std::string_view name = is_class ? item.substr(1) : item;
    if (item == "all" || item == "%all") {
        for (bool &wanted : set.calls)
            wanted = true; // also numbers that nobody has assigned
        set.unknown = true;
        return;
    }
    if (item == "none")
        return;
    if (item.starts_with('/')) {
        try {
            const std::regex pattern{std::string(item.substr(1)), std::regex::extended};
            if (!add_where(set, [&](const CallDescription &call) {
                    return std::regex_search(call.name.begin(), call.name.end(), pattern);
                }))
                throw BadExpression(fmt::format("no call matches '{}'", item.substr(1)));
        } catch (const std::regex_error &) {
            throw BadExpression(fmt::format("'{}' is no regular expression", item.substr(1)));
        }
        return;
    }
    if (const CallDescription *call = is_class ? nullptr : intercept::call_description(name); call != nullptr) {
        set.calls[call->number] = true;
        return;
    }
    for (auto [class_name, bit] : class_names)
        if (class_name == name) {
            add_where(set, [bit = bit](const CallDescription &call) { return (call.classes & bit) != 0; });
            return;
        }
    // strace's names for families of calls.
    if (name == "stat" || name == "lstat" || name == "fstat" || name == "statfs" || name == "fstatfs") {
        add_where(set, [&](const CallDescription &call) { return call.name.find(name) != std::string_view::npos; });
        return;
    }
    unsigned number = 0;
    if (auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        error == std::errc() && end == name.data() + name.size() && !name.empty()) {
        if (number >= intercept::call_number_limit || intercept::call_description(static_cast<long>(number)) == nullptr)
            throw BadExpression(fmt::format("there is no call number {}", number));
        set.calls[number] = true;
        return;
    }
    if (is_class)
        throw BadExpression(
            fmt::format("there is no class '{}' of calls: file, desc, process, network, memory, signal, "
                        "ipc, creds, clock",
                        name));
    const std::string nearest = nearest_name(name);
    throw BadExpression(fmt::format("there is no call '{}'{}", name,
                                    nearest.empty() ? "" : fmt::format(" (did you mean '{}'?)", nearest)));
}

} // namespace

CallSet parse_calls(std::string_view text) {
    CallSet set;
    const bool is_negated = text.starts_with('!');
    if (is_negated)
        text.remove_prefix(1);
    if (text.empty())
        throw BadExpression("a set of calls is missing");
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        if (item.empty())
            throw BadExpression("an empty name in a set of calls");
        add_item(set, item);
        text.remove_prefix(std::min(item.size() + 1, text.size()));
    }
    if (is_negated) {
        for (bool &wanted : set.calls)
            wanted = !wanted;
        set.unknown = !set.unknown;
    }
    return set;
}

std::set<int> parse_numbers(std::string_view text, std::string_view what) {
    std::set<int> numbers;
    while (true) {
        const std::string_view item = text.substr(0, text.find(','));
        int number = 0;
        auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), number);
        if (error != std::errc() || end != item.data() + item.size() || item.empty() || number < 0)
            throw BadExpression(fmt::format("'{}' is no {}", item, what));
        numbers.insert(number);
        if (item.size() == text.size())
            return numbers;
        text.remove_prefix(item.size() + 1);
    }
}

std::string absolute(std::string_view path) {
    std::error_code error;
    std::string text = std::filesystem::absolute(path, error).lexically_normal();
    if (error)
        throw BadExpression(fmt::format("'{}' is below the working directory, which is gone", path));
    if (text.size() > 1 && text.back() == '/')
        text.pop_back();
    return text;
}

void add_expression(Selection &selection, std::string_view text) {
    auto value = [&](std::string_view name) {
        return text.starts_with(name) && text.size() > name.size() && text[name.size()] == '='
                   ? text.substr(name.size() + 1)
                   : std::string_view();
    };
    if (auto calls = value("trace"); !calls.empty())
        selection.calls = parse_calls(calls);
    else if (auto descriptors = value("fd"); !descriptors.empty())
        selection.descriptors.merge(parse_numbers(descriptors, "descriptor"));
    else if (auto processes = value("pid"); !processes.empty())
        selection.processes.merge(parse_numbers(processes, "process id"));
    else if (auto path = value("path"); !path.empty())
        selection.paths.push_back(absolute(path));
    else if (text.find('=') != std::string_view::npos)
        throw BadExpression(fmt::format("'{}' is none of trace=, fd=, pid=, path=, inject=", text));
    else
        selection.calls = parse_calls(text);
}

} // namespace sc
